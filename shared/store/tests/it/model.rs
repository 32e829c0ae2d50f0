//! Adapters against fakes: whatever is done to both, they answer the same.

use crate::local;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use waybill_flow::ports::{CaseQuery, Claim, EffectStore, OrderStore};
use waybill_flow::state::OrderState;
use waybill_model::case::{Case, CaseClass, CaseStatus};
use waybill_model::event::Outcome;
use waybill_model::id::{MessageId, RefKind, Reference};
use waybill_model::time::Instant;
use waybill_testkit::build::{
    case, command, commit, correlation, done, message, reference, rejected, start,
};
use waybill_testkit::{ManualClock, MemoryEffects, MemoryOrders};

const LEASE_MS: i64 = 1000;
/// Sequences tried, and steps of each at most.
const SEQUENCES: u32 = 20;
const STEPS: usize = 24;

#[derive(Debug, Clone)]
enum EffectStep {
    Claim { owner: u8, payload: u8 },
    Complete { owner: u8, rejected: bool },
    Release { owner: u8, in_doubt: bool },
    Reopen,
    Wait { ms: i64 },
}

fn effect_step() -> impl Strategy<Value = EffectStep> {
    prop_oneof![
        4 => (0_u8..3, prop_oneof![5 => Just(0_u8), 1 => Just(1), 1 => Just(2)])
            .prop_map(|(owner, payload)| EffectStep::Claim { owner, payload }),
        2 => (0_u8..3, any::<bool>())
            .prop_map(|(owner, rejected)| EffectStep::Complete { owner, rejected }),
        3 => (0_u8..3, any::<bool>())
            .prop_map(|(owner, in_doubt)| EffectStep::Release { owner, in_doubt }),
        1 => Just(EffectStep::Reopen),
        2 => prop_oneof![Just(1), Just(LEASE_MS - 1), Just(LEASE_MS)]
            .prop_map(|ms| EffectStep::Wait { ms }),
    ]
}

fn outcome(no: bool) -> Outcome {
    if no {
        rejected("unknown_sku")
    } else {
        done(reference("odoo-main", RefKind::SaleOrder, "42"))
    }
}

/// What a claim answers, if the step was one.
async fn take_effect_step<S: EffectStore>(
    store: &S,
    key: &MessageId,
    step: &EffectStep,
    now: &mut Instant,
) -> Option<Claim> {
    match step {
        EffectStep::Claim { owner, payload } => {
            let owner = format!("o-{owner}");
            let payload = ["p/event", "p/operator", "edited/event"][usize::from(*payload)];
            let claim = store.claim(key, payload, &owner, *now, LEASE_MS).await;
            return Some(claim.unwrap());
        }
        EffectStep::Complete { owner, rejected } => {
            let (owner, outcome) = (format!("o-{owner}"), outcome(*rejected));
            let completed = store.complete(key, &owner, &outcome, *now).await;
            completed.unwrap();
        }
        EffectStep::Release { owner, in_doubt } => {
            let released = store.release(key, &format!("o-{owner}"), *in_doubt).await;
            released.unwrap();
        }
        EffectStep::Reopen => store.reopen(key).await.unwrap(),
        EffectStep::Wait { ms } => *now = now.plus_ms(*ms),
    }
    None
}

fn run<T: std::fmt::Debug>(
    strategy: &impl Strategy<Value = Vec<T>>,
    mut check: impl FnMut(usize, Vec<T>),
) {
    // `PROPTEST_CASES` may lower it, for a run over many mutants.
    let config = Config::default();
    let config = Config {
        cases: config.cases.min(SEQUENCES),
        failure_persistence: None,
        ..config
    };
    let count = std::cell::RefCell::new((0_usize, &mut check));
    let result = TestRunner::new(config).run(strategy, |steps| {
        let mut count = count.borrow_mut();
        count.0 += 1;
        let number = count.0;
        (count.1)(number, steps);
        Ok(())
    });
    result.unwrap();
}

#[test]
fn the_effects_adapter_answers_as_the_fake_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let real = runtime.block_on(local::effects()).bench.store;
    let fake = MemoryEffects::new(std::sync::Arc::new(ManualClock::default()));
    let steps = prop::collection::vec(effect_step(), 1..STEPS);
    run(&steps, |number, steps| {
        let key = message(&format!("effect-{number}"));
        runtime.block_on(async {
            let (mut real_now, mut fake_now) = (start(), start());
            for (index, step) in steps.iter().enumerate() {
                let real = take_effect_step(&*real, &key, step, &mut real_now).await;
                let fake = take_effect_step(&fake, &key, step, &mut fake_now).await;
                assert_eq!(real, fake, "step {index} of {steps:?}");
            }
        });
    });
}

#[derive(Debug, Clone)]
enum OrderStep {
    Commit {
        order: u8,
        behind: u64,
        commands: u8,
        reference: Option<u8>,
        case: Option<(u8, CaseStatus)>,
        deadline_s: Option<i64>,
    },
    ClearOutbox {
        order: u8,
        behind: u64,
    },
    PutCase {
        order: Option<u8>,
        code: u8,
        status: CaseStatus,
        opened_s: i64,
    },
}

fn status() -> impl Strategy<Value = CaseStatus> {
    prop_oneof![
        3 => Just(CaseStatus::Open),
        1 => Just(CaseStatus::Resolved),
        1 => Just(CaseStatus::Ignored),
    ]
}

fn order_step() -> impl Strategy<Value = OrderStep> {
    let commit = (
        0_u8..2,
        prop_oneof![5 => Just(0_u64), 1 => Just(1)],
        0_u8..3,
        prop::option::of(0_u8..3),
        prop::option::of((0_u8..2, status())),
        prop::option::of(0_i64..5),
    );
    prop_oneof![
        5 => commit.prop_map(|(order, behind, commands, reference, case, deadline_s)| {
            OrderStep::Commit { order, behind, commands, reference, case, deadline_s }
        }),
        1 => (0_u8..2, 0_u64..2)
            .prop_map(|(order, behind)| OrderStep::ClearOutbox { order, behind }),
        2 => (prop::option::of(0_u8..2), 0_u8..2, status(), 0_i64..3)
            .prop_map(|(order, code, status, opened_s)| {
                OrderStep::PutCase { order, code, status, opened_s }
            }),
    ]
}

fn a_case(order: Option<String>, code: u8, status: CaseStatus, opened_s: i64) -> Case {
    let class = [CaseClass::Data, CaseClass::Finance][usize::from(code)];
    let order = order.map(|name| correlation(&name));
    let mut found = case(order, class, &format!("code_{code}"));
    found.opened_at = start().plus_ms(opened_s * 1000);
    found.status = status;
    found.closed_at = (status != CaseStatus::Open).then(start);
    found
}

fn a_reference(number: u8) -> Reference {
    reference("gate-main", RefKind::Payment, &format!("pi_{number}"))
}

/// What the step answers, as text.
async fn take_order_step<S: OrderStore>(store: &S, index: usize, step: &OrderStep) -> String {
    match step {
        OrderStep::Commit {
            order,
            behind,
            commands,
            reference,
            case,
            deadline_s,
        } => {
            let id = correlation(&order.to_string());
            let found = store.load(id).await.unwrap();
            let revision = found.as_ref().map_or(0, |stored| stored.revision);
            let state = found.map_or_else(OrderState::default, |stored| stored.state);
            let expected = revision.checked_sub(*behind).filter(|r| *r > 0);
            let mut next = commit(id, expected, state, &format!("e-{index}"));
            let issue = |n| command(id, &format!("effect-{n}"));
            next.outbox = (0..*commands).map(issue).collect();
            next.references = reference.iter().copied().map(a_reference).collect();
            let opened = |(code, status)| a_case(Some(order.to_string()), code, status, 0);
            next.cases = case.iter().copied().map(opened).collect();
            next.deadline = deadline_s.map(|s| start().plus_ms(s * 1000));
            format!("{:?}", store.commit(next).await)
        }
        OrderStep::ClearOutbox { order, behind } => {
            let id = correlation(&order.to_string());
            let found = store.load(id).await.unwrap();
            let revision = found.map_or(0, |stored| stored.revision);
            let cleared = store.clear_outbox(id, revision.saturating_sub(*behind));
            format!("{:?}", cleared.await)
        }
        OrderStep::PutCase {
            order,
            code,
            status,
            opened_s,
        } => {
            let order = order.map(|order| order.to_string());
            let written = a_case(order, *code, *status, *opened_s);
            format!("{:?}", store.put_case(&written).await)
        }
    }
}

/// Everything that the port tells, as text.
async fn tell_orders<S: OrderStore>(store: &S) -> Vec<String> {
    let mut told = Vec::new();
    for order in ["0", "1"] {
        let id = correlation(order);
        told.push(format!("{:?}", store.load(id).await));
        told.push(format!("{:?}", store.timeline(id).await));
    }
    for number in 0..3 {
        let mut orders = store.resolve(&a_reference(number)).await.unwrap();
        orders.sort_unstable();
        told.push(format!("{orders:?}"));
    }
    for seconds in [0, 2, 5] {
        let now = start().plus_ms(seconds * 1000);
        told.push(format!("{:?}", store.overdue(now, 10).await));
    }
    let statuses = [CaseStatus::Open, CaseStatus::Resolved, CaseStatus::Ignored];
    for status in statuses {
        for order in [None, Some(correlation("0")), Some(correlation("1"))] {
            let query = CaseQuery {
                status: Some(status),
                correlation: order,
                limit: 2,
                ..CaseQuery::default()
            };
            let (cases, cursor) = store.cases(&query).await.unwrap();
            told.push(format!("{cases:?} {}", cursor.is_some()));
        }
    }
    told
}

#[test]
fn the_orders_adapter_answers_as_the_fake_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let steps = prop::collection::vec(order_step(), 1..STEPS);
    run(&steps, |_, steps| {
        runtime.block_on(async {
            let real = local::orders().await.bench.store;
            let fake = MemoryOrders::default();
            for (index, step) in steps.iter().enumerate() {
                let wrote = take_order_step(&*real, index, step).await;
                let faked = take_order_step(&fake, index, step).await;
                assert_eq!(wrote, faked, "step {index} of {steps:?}");
            }
            assert_eq!(tell_orders(&*real).await, tell_orders(&fake).await);
        });
    });
}

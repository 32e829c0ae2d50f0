use super::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use waybill_flow::ports::{Availability, ErpOrder, PolledPage};
use waybill_flow::state::{Effect, OrderState};
use waybill_lambda_kit::delivery;
use waybill_model::case::CaseStatus;
use waybill_model::command::{Command, CommandKind, CommandQueue};
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::envelope::{CommandEnvelope, EventEnvelope};
use waybill_model::event::{Event, Outcome};
use waybill_model::id::CorrelationId;
use waybill_model::money::Money;
use waybill_model::order::Order;
use waybill_testkit::build;
use waybill_testkit::{
    FakeErp, FakePartner, Fault, ManualClock, MemoryEffects, MemoryOrders, MemoryQueues,
    MemorySecrets,
};

mod compare;
mod overdue;
mod stock;
mod webhooks;

const CONNECTIONS: &str = r#"
    version = "test"
    [[connections]]
    id = "odoo-main"
    partner = "odoo"
    base_url = "https://erp.example.com"
    [connections.erp]
    database = "acme"
    login = "integration"
    protocol = "json2"
    shipping_sku = "SHIPPING"
    [[connections]]
    id = "shop-main"
    partner = "shopify"
    base_url = "https://acme.myshopify.com"
    [connections.channel]
    erp = "odoo-main"
    safety_stock = "2"
    stock_location = "gid://shopify/Location/1"
"#;

struct World {
    connections: Connections,
    orders: MemoryOrders,
    effects: MemoryEffects,
    queues: MemoryQueues,
    partners: FakePartner,
    erp: FakeErp,
    clock: Arc<ManualClock>,
    secrets: MemorySecrets,
}

type TestPorts<'a> = Ports<
    'a,
    MemoryOrders,
    MemoryEffects,
    MemoryQueues,
    FakePartner,
    FakeErp,
    ManualClock,
    MemorySecrets,
>;

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self {
            connections: Connections::parse(CONNECTIONS).unwrap(),
            orders: MemoryOrders::default(),
            effects: MemoryEffects::new(clock.clone()),
            queues: MemoryQueues::default(),
            partners: FakePartner::default(),
            erp: FakeErp::default(),
            clock,
            secrets: MemorySecrets::default(),
        }
    }

    fn ports(&self) -> TestPorts<'_> {
        Ports {
            connections: &self.connections,
            orders: &self.orders,
            effects: &self.effects,
            queues: &self.queues,
            partners: &self.partners,
            erp: &self.erp,
            clock: self.clock.as_ref(),
            secrets: &self.secrets,
        }
    }

    async fn run(&self, job: Job) -> Result<Report, JobError> {
        handle(&self.ports(), Request { job }).await
    }

    /// Odoo has the order as the channel has it.
    fn is_in_odoo(&self, order: &Order) {
        self.erp.set_order(ErpOrder {
            correlation: order.correlation(),
            name: "S00001".to_owned(),
            confirmed: true,
            cancelled: false,
            total: Money::new(order.totals.total, order.currency),
        });
    }

    /// An order that waits, with the outcome of writing it to the ERP.
    async fn waits(&self, id: &str, written: Option<Outcome>) -> CorrelationId {
        let order = build::order(id);
        let correlation = order.correlation();
        let mut state = OrderState::default();
        state.facts.order = Some(order);
        state.effects.insert(
            build::effect("sale_order.create"),
            Effect {
                command: CommandKind::CreateSaleOrder,
                issued_at: build::start(),
                outcome: written,
                attempt: 1,
                retry_wanted: false,
            },
        );
        let mut commit = build::commit(correlation, None, state, "first");
        commit.deadline = Some(build::start().plus_ms(60_000));
        self.orders.commit(commit).await.unwrap();
        correlation
    }
}

fn written() -> Option<Outcome> {
    Some(Outcome::Done { references: vec![] })
}

fn polled(id: &str) -> Delivery {
    Delivery {
        receipt: build::message(id),
        connection: build::connection("shop-main"),
        origin: Origin::Poll,
        topic: Some("orders/updated".to_owned()),
        dedupe_id: Some(id.to_owned()),
        headers: BTreeMap::new(),
        received_at: build::start(),
        replayed_at: None,
        traceparent: None,
        body: b"{}".to_vec(),
    }
}

fn page(ids: &[&str], cursor: Option<&str>) -> Result<PolledPage, Failure> {
    Ok(PolledPage {
        deliveries: ids.iter().map(|id| polled(id)).collect(),
        cursor: cursor.map(str::to_owned),
    })
}

#[tokio::test]
async fn what_a_channel_changed_is_handed_in_page_by_page() {
    let world = World::new();
    world.partners.page(page(&["a", "b"], Some("next")));
    world.partners.page(page(&["c"], None));
    let report = world.run(Job::Poll).await.unwrap();
    assert_eq!((report.looked_at, report.found), (1, 3));
    let sent = world.queues.sent(Queue::Inbound);
    let ids: Vec<_> = sent
        .iter()
        .map(|m| delivery::decode(&m.body).unwrap().receipt.to_string())
        .collect();
    assert_eq!(ids, ["a", "b", "c"]);
}

#[tokio::test]
async fn what_an_earlier_run_handed_in_is_not_handed_in_again() {
    let world = World::new();
    world.partners.page(page(&["a", "b"], None));
    world.run(Job::Poll).await.unwrap();
    assert_eq!(world.queues.take().len(), 2);
    world.partners.page(page(&["b", "c"], None));
    let report = world.run(Job::Poll).await.unwrap();
    assert_eq!(report.found, 1);
    let sent = world.queues.sent(Queue::Inbound);
    let [message] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    let receipt = delivery::decode(&message.body).unwrap().receipt;
    assert_eq!(receipt, build::message("c"));
}

#[tokio::test]
async fn a_poll_whose_send_failed_starts_again_where_it_was() {
    let world = World::new();
    world.partners.page(page(&["a"], None));
    world.queues.faults().plan("send", Fault::Unavailable);
    assert!(world.run(Job::Poll).await.is_err());
    world.clock.advance_ms(300_000);
    world.partners.page(page(&["a"], None));
    assert_eq!(world.run(Job::Poll).await.unwrap().found, 1);
    let polls = world.partners.polls();
    assert_eq!(polls[0], polls[1]);
}

#[tokio::test]
async fn a_channel_that_is_away_from_the_first_day_on_is_asked_for_all_of_it_in_the_end() {
    let world = World::new();
    let two_days = 2 * 24 * 60 * 60 * 1000;
    for answer in [Err(away()), page(&["a"], None)] {
        world.partners.page(answer);
        world.run(Job::Poll).await.unwrap();
        world.clock.advance_ms(two_days);
    }
    let polls = world.partners.polls();
    assert_eq!(polls[0].0, polls[1].0);
}

fn away() -> Failure {
    Failure::Transient {
        code: Code::literal("partner_unreachable"),
        detail: "away".to_owned(),
        retry_after_ms: None,
    }
}

#[tokio::test]
async fn a_cursor_that_is_refused_is_asked_anew_from_the_same_instant() {
    let world = World::new();
    let refused = || {
        Err(Failure::Rejected {
            code: Code::literal("channel_refused"),
            detail: "no such page".to_owned(),
            remedy: "mend it".to_owned(),
        })
    };
    world.partners.page(page(&["a"], Some("old")));
    world.partners.page(Err(away()));
    world.run(Job::Poll).await.unwrap();
    world.partners.page(refused());
    world.partners.page(page(&["a", "b"], None));
    let report = world.run(Job::Poll).await.unwrap();
    assert_eq!((report.found, report.failed.len()), (1, 0));
    let polls = world.partners.polls();
    let cursors: Vec<_> = polls.iter().map(|(_, cursor)| cursor.as_deref()).collect();
    assert_eq!(cursors, [None, Some("old"), Some("old"), None]);
    assert!(polls.iter().all(|(since, _)| *since == polls[0].0));
    assert!(world.orders.all_cases().is_empty());
    world.partners.page(refused());
    assert_eq!(
        world.run(Job::Poll).await.unwrap().failed,
        ["channel_refused"]
    );
}

#[tokio::test]
async fn one_channel_that_cannot_be_handed_in_does_not_keep_the_others_from_being_asked() {
    let mut world = World::new();
    let second = CONNECTIONS.replace("shop-main", "shop-other");
    let shop = second
        .split("[[connections]]")
        .find(|c| c.contains("shop-other"));
    let both = format!("{CONNECTIONS}\n[[connections]]{}", shop.unwrap());
    world.connections = Connections::parse(&both).unwrap();
    world.partners.page(page(&["a"], None));
    world.partners.page(page(&["b"], None));
    world.queues.faults().plan("send", Fault::Unavailable);
    assert!(world.run(Job::Poll).await.is_err(), "the fault is told");
    assert_eq!(world.queues.sent(Queue::Inbound).len(), 1);
}

#[tokio::test]
async fn a_channel_that_refuses_us_becomes_a_case_and_one_that_is_away_does_not() {
    let world = World::new();
    world.partners.page(Err(away()));
    let report = world.run(Job::Poll).await.unwrap();
    assert_eq!(report.failed, ["partner_unreachable"]);
    assert!(world.orders.all_cases().is_empty());
    world.partners.page(unauthorized());
    world.run(Job::Poll).await.unwrap();
    let case = &world.orders.all_cases()[0];
    assert_eq!(case.code.as_str(), "unauthorized");
    assert_eq!(case.status, CaseStatus::Open);
}

#[tokio::test]
async fn the_case_of_a_refusal_closes_when_the_channel_answers_and_is_ignored_until_then() {
    let world = World::new();
    let status = || world.orders.all_cases()[0].status;
    world.partners.page(unauthorized());
    world.run(Job::Poll).await.unwrap();
    let ignored = Case {
        status: CaseStatus::Ignored,
        ..world.orders.all_cases()[0].clone()
    };
    world.orders.put_case(&ignored).await.unwrap();
    world.partners.page(unauthorized());
    assert_eq!(world.run(Job::Poll).await.unwrap().failed, ["unauthorized"]);
    assert_eq!(status(), CaseStatus::Ignored);
    world.partners.page(page(&["a"], None));
    world.run(Job::Poll).await.unwrap();
    assert_eq!(status(), CaseStatus::Resolved);
    world.partners.page(unauthorized());
    world.run(Job::Poll).await.unwrap();
    assert_eq!(status(), CaseStatus::Open);
    assert_eq!(world.orders.all_cases().len(), 1);
}

fn unauthorized() -> Result<PolledPage, Failure> {
    Err(Failure::Rejected {
        code: Code::literal("unauthorized"),
        detail: "the token was refused".to_owned(),
        remedy: "store a new token".to_owned(),
    })
}

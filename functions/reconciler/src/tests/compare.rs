//! Waybill and the ERP.

use super::*;
use crate::compare::MAX_CASES;
use waybill_flow::ports::EffectStore as _;
use waybill_model::case::CaseClass;

#[tokio::test]
async fn an_order_that_vanished_from_the_erp_is_a_case_until_it_is_back() {
    let world = World::new();
    let correlation = world.waits("1", written()).await;
    assert_eq!(world.run(Job::Compare).await.unwrap().found, 1);
    let cases = world.orders.all_cases();
    assert_eq!(cases[0].code.as_str(), "missing_in_odoo");
    assert_eq!(cases[0].correlation_id, Some(correlation));
    let ignored = Case {
        status: CaseStatus::Ignored,
        ..cases[0].clone()
    };
    world.orders.put_case(&ignored).await.unwrap();
    world.run(Job::Compare).await.unwrap();
    assert_eq!(world.orders.all_cases(), [ignored], "it is known");
    world.is_in_odoo(&build::order("1"));
    assert_eq!(world.run(Job::Compare).await.unwrap().found, 0);
    assert_eq!(world.orders.all_cases()[0].status, CaseStatus::Resolved);
}

#[tokio::test]
async fn another_state_and_another_total_are_named() {
    let world = World::new();
    let correlation = world.waits("1", written()).await;
    world.erp.set_order(ErpOrder {
        correlation,
        name: "S00001".to_owned(),
        confirmed: false,
        cancelled: true,
        total: build::eur("1.00"),
    });
    world.run(Job::Compare).await.unwrap();
    let mut codes: Vec<_> = world
        .orders
        .all_cases()
        .into_iter()
        .map(|c| c.code.to_string())
        .collect();
    codes.sort();
    assert_eq!(codes, ["state_differs", "total_differs"]);
}

#[tokio::test]
async fn a_difference_of_an_order_that_waits_for_nothing_any_more_is_looked_at_again() {
    let world = World::new();
    let correlation = world.waits("1", written()).await;
    assert_eq!(world.run(Job::Compare).await.unwrap().found, 1);
    let stored = world.orders.load(correlation).await.unwrap().unwrap();
    let revision = Some(stored.revision);
    let at_its_end = build::commit(correlation, revision, stored.state, "last");
    assert_eq!(at_its_end.deadline, None);
    world.orders.commit(at_its_end).await.unwrap();
    world.is_in_odoo(&build::order("1"));
    assert_eq!(world.run(Job::Compare).await.unwrap().looked_at, 1);
    assert_eq!(world.orders.all_cases()[0].status, CaseStatus::Resolved);
    assert_eq!(world.run(Job::Compare).await.unwrap().looked_at, 0);
}

impl World {
    /// What Odoo has of the order.
    fn has(&self, order: &Order, confirmed: bool, cancelled: bool) {
        self.erp.set_order(ErpOrder {
            correlation: order.correlation(),
            name: "S00001".to_owned(),
            confirmed,
            cancelled,
            total: Money::new(order.totals.total, order.currency),
        });
    }

    /// The one case, as it stands after a run.
    async fn compared(&self) -> Case {
        self.run(Job::Compare).await.unwrap();
        let cases = self.orders.all_cases();
        assert_eq!(cases.len(), 1, "{cases:?}");
        cases[0].clone()
    }

    async fn ignore(&self, case: Case) {
        let status = CaseStatus::Ignored;
        let ignored = Case { status, ..case };
        self.orders.put_case(&ignored).await.unwrap();
    }

    /// The order goes through its last stage.
    async fn ends(&self, correlation: CorrelationId) {
        let stored = self.orders.load(correlation).await.unwrap().unwrap();
        let revision = Some(stored.revision);
        let at_its_end = build::commit(correlation, revision, stored.state, "last");
        assert_eq!(at_its_end.deadline, None);
        self.orders.commit(at_its_end).await.unwrap();
    }
}

#[tokio::test]
async fn an_ignored_difference_hides_no_other_one() {
    let world = World::new();
    let order = build::order("1");
    world.waits("1", written()).await;
    world.has(&order, false, false);
    let quotation = world.compared().await;
    assert!(
        quotation.detail.contains("a quotation"),
        "{}",
        quotation.detail
    );
    world.ignore(quotation).await;
    assert_eq!(
        world.compared().await.status,
        CaseStatus::Ignored,
        "it is known"
    );
    world.has(&order, false, true);
    let cancelled = world.compared().await;
    assert_eq!(cancelled.status, CaseStatus::Open);
    assert!(
        cancelled.detail.contains("is cancelled"),
        "{}",
        cancelled.detail
    );
    assert_eq!(cancelled.reason, None);
}

#[tokio::test]
async fn an_ignored_difference_of_an_order_that_waits_for_nothing_closes_once_it_is_gone() {
    let world = World::new();
    let correlation = world.waits("1", written()).await;
    let case = world.compared().await;
    world.ignore(case).await;
    world.ends(correlation).await;
    assert_eq!(world.compared().await.status, CaseStatus::Ignored);
    world.is_in_odoo(&build::order("1"));
    assert_eq!(world.compared().await.status, CaseStatus::Resolved);
}

/// Cases whose orders nobody can compare any more keep their places for ever.
#[tokio::test]
async fn a_difference_behind_many_that_stay_has_its_turn() {
    let world = World::new();
    let gone = |n: usize| {
        let correlation = build::correlation(&format!("gone-{n}"));
        let mut case = build::case(Some(correlation), CaseClass::Erp, "missing_in_odoo");
        case.opened_at = build::start().plus_ms(-60_000);
        case
    };
    for n in 0..MAX_CASES {
        world.orders.put_case(&gone(n)).await.unwrap();
    }
    let correlation = world.waits("1", written()).await;
    world.run(Job::Compare).await.unwrap();
    let id = CaseId::new(
        &correlation.to_string(),
        &literal("missing_in_odoo"),
        "reconciler",
    );
    let status = async || world.orders.case(id).await.unwrap().unwrap().status;
    assert_eq!(status().await, CaseStatus::Open);
    world.ends(correlation).await;
    world.is_in_odoo(&build::order("1"));
    // One run for the places before it, one that reaches it; and then from the oldest again.
    for _ in 0..2 {
        world.run(Job::Compare).await.unwrap();
    }
    assert_eq!(status().await, CaseStatus::Resolved);
    let open = world.orders.all_cases();
    let open = open.iter().filter(|c| c.status == CaseStatus::Open);
    assert_eq!(open.count(), MAX_CASES, "nobody looked whether it is gone");
}

#[tokio::test]
async fn where_the_next_run_goes_on_is_not_kept_by_a_run_that_failed() {
    let world = World::new();
    world.waits("1", written()).await;
    world.orders.faults().plan("put_case", Fault::Unavailable);
    assert!(world.run(Job::Compare).await.is_err());
    let ourselves = ourselves().unwrap();
    let kept = world.effects.checkpoint(&ourselves, "compare").await;
    assert_eq!(kept.unwrap(), None);
}

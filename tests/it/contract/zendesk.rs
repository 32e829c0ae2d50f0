//! Zendesk: the order's ticket, faults, conflicts, follow-ups.

use super::rig::{Rig, assert_indeterminate, assert_rejected, assert_transient, id_of, rig};
use std::collections::BTreeMap;
use waybill_flow::ports::Attempt::{First, InDoubt};
use waybill_model::command::{Command, OrderContext, UpdateTicket};
use waybill_model::id::{CorrelationId, RefKind};
use waybill_simulators::faults::Fault;
use waybill_simulators::sim::Sim;
use waybill_simulators::zendesk::set_status;
use waybill_testkit::build::{connection, order, text};

pub(super) fn update(revision: u64) -> Command {
    Command::UpdateTicket(UpdateTicket {
        helpdesk: connection("zendesk-main"),
        context: OrderContext {
            order_number: text("#1001"),
            email: Some("ada@example.com".to_owned()),
            summary: format!("state {revision}"),
            axes: BTreeMap::from([("erp".to_owned(), "confirmed".to_owned())]),
            tracking_numbers: Vec::new(),
            exceptions: Vec::new(),
            needs_attention: revision > 1,
            revision,
        },
    })
}

fn tickets(rig: &Rig) -> Vec<serde_json::Value> {
    rig.state(Sim::Zendesk)["tickets"]
        .as_array()
        .unwrap()
        .clone()
}

fn correlation() -> CorrelationId {
    order("1").correlation()
}

#[tokio::test]
async fn an_order_has_one_ticket_and_each_revision_is_told_once() {
    let rig = rig().await;
    let of = correlation();
    let first = rig.attempt(&update(1), of, First).await;
    assert_eq!(rig.attempt(&update(1), of, InDoubt).await, first);
    assert_eq!(rig.attempt(&update(2), of, First).await, first);
    assert_eq!(rig.attempt(&update(2), of, InDoubt).await, first);
    // An older context that comes late overwrites nothing.
    assert_eq!(rig.attempt(&update(1), of, First).await, first);
    let held = tickets(&rig);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["id"], id_of(&first.unwrap(), RefKind::Ticket));
    assert_eq!(held[0]["external_id"], of.to_string());
    assert_eq!(held[0]["comments"], 2);
    assert_eq!(held[0]["public_comments"], 0);
    assert_eq!(held[0]["status"], "open");
}

#[tokio::test]
async fn a_lost_answer_leaves_one_ticket_with_one_note() {
    let rig = rig().await;
    let of = correlation();
    for revision in [1, 2] {
        rig.fail_next(Sim::Zendesk, Fault::LostAnswer);
        let lost = rig.attempt(&update(revision), of, First).await;
        assert_indeterminate(&lost, "answer_lost");
        let found = rig.attempt(&update(revision), of, InDoubt).await;
        assert!(found.is_ok(), "{found:?}");
    }
    let held = tickets(&rig);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["comments"], 2);
}

#[tokio::test]
async fn faults_are_classed_and_nothing_is_written() {
    let rig = rig().await;
    let of = correlation();
    rig.fail_next(Sim::Zendesk, Fault::Throttle);
    let throttled = rig.attempt(&update(1), of, First).await;
    assert_eq!(assert_transient(&throttled, "rate_limited"), Some(1000));
    // The look fails, and a look changes nothing.
    rig.fail_next(Sim::Zendesk, Fault::ServerError);
    assert_transient(&rig.attempt(&update(1), of, First).await, "partner_error");
    rig.fail_next(Sim::Zendesk, Fault::Cut);
    assert_transient(&rig.attempt(&update(1), of, First).await, "answer_lost");
    assert!(tickets(&rig).is_empty());
    assert!(rig.attempt(&update(1), of, First).await.is_ok());
}

#[tokio::test]
async fn a_closed_ticket_is_followed_up_by_another() {
    let rig = rig().await;
    let of = correlation();
    let first = rig.attempt(&update(1), of, First).await.unwrap();
    let id = id_of(&first, RefKind::Ticket);
    assert!(set_status(&rig.world, id.parse().unwrap(), "closed"));
    let key = super::rig::key(of, "ticket/2");
    let follow = async |attempt| {
        use waybill_flow::ports::PartnerPort as _;
        rig.partners.execute(&update(2), of, &key, attempt).await
    };
    let second = follow(First).await;
    assert_ne!(id_of(second.as_ref().unwrap(), RefKind::Ticket), id);
    assert_eq!(follow(InDoubt).await, second);
    assert_eq!(tickets(&rig).len(), 2);
}

#[tokio::test]
async fn another_command_is_refused_with_a_remedy() {
    let rig = rig().await;
    let command = super::shipbob::create(&super::shipbob::order("1"));
    let Command::CreateFulfillmentOrder(mut content) = command else {
        unreachable!("it is made just above");
    };
    content.warehouse = connection("zendesk-main");
    let command = Command::CreateFulfillmentOrder(content);
    let refused = rig.attempt(&command, correlation(), First).await;
    assert_rejected(&refused, "unsupported_command");
}

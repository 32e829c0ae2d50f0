//! Stripe: refunds once, whatever happens to the answers.

use super::rig::{Rig, assert_indeterminate, assert_rejected, assert_transient, id_of, rig};
use super::shopify::{correlation, place};
use serde_json::Value;
use waybill_flow::ports::Attempt::{First, InDoubt};
use waybill_model::command::{Command, CreateRefund};
use waybill_model::id::RefKind;
use waybill_simulators::faults::Fault;
use waybill_simulators::shopify::actions::Placed;
use waybill_simulators::sim::Sim;
use waybill_testkit::build::{connection, eur, external};

/// An order of the shop with its payment's id.
pub(super) async fn paid(rig: &Rig) -> (Placed, String) {
    let placed = place(rig, false);
    let id = placed.id.to_string();
    let find = || {
        let state = rig.state(Sim::Stripe);
        let payments = state["payments"].as_array().unwrap();
        let ours = payments.iter().find(|p| p["order_id"] == id.as_str());
        ours.map(|p| p["id"].as_str().unwrap().to_owned())
    };
    if find().is_none() {
        waybill_simulators::stripe::capture(
            &rig.world,
            placed.id,
            &placed.name,
            placed.total_minor,
        );
    }
    let payment = find().unwrap();
    (placed, payment)
}

pub(super) fn refund(payment: &str, id: &str, amount: &str) -> Command {
    Command::CreateRefund(CreateRefund {
        gateway: connection("stripe-main"),
        refund_id: external(id),
        payment_id: external(payment),
        amount: eur(amount),
    })
}

fn refunds(rig: &Rig) -> Vec<Value> {
    rig.state(Sim::Stripe)["refunds"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn a_refund_is_made_once_to_the_cent() {
    let rig = rig().await;
    let (placed, payment) = paid(&rig).await;
    let of = correlation(&placed);
    let command = refund(&payment, "R-1", "5.01");
    let first = rig.attempt(&command, of, First).await;
    for again in [InDoubt, First] {
        assert_eq!(rig.attempt(&command, of, again).await, first);
    }
    let made = refunds(&rig);
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["amount"], 501);
    assert_eq!(made[0]["id"], id_of(&first.unwrap(), RefKind::Refund));
}

#[tokio::test]
async fn a_lost_answer_and_a_kept_server_error_leave_one_refund() {
    for kept in [false, true] {
        let rig = rig().await;
        let (placed, payment) = paid(&rig).await;
        let of = correlation(&placed);
        let command = refund(&payment, "R-1", "5.00");
        let failed = if kept {
            waybill_simulators::world::lock(&rig.world.stripe).fail_next(1);
            let failed = rig.attempt(&command, of, First).await;
            assert_indeterminate(&failed, "partner_error");
            refunds(&rig).len()
        } else {
            rig.fail_next(Sim::Stripe, Fault::LostAnswer);
            let lost = rig.attempt(&command, of, First).await;
            assert_indeterminate(&lost, "answer_lost");
            refunds(&rig).len()
        };
        assert_eq!(failed, usize::from(!kept));
        let found = rig.attempt(&command, of, InDoubt).await;
        assert!(found.is_ok(), "{found:?}");
        assert_eq!(refunds(&rig).len(), 1);
    }
}

#[tokio::test]
async fn throttling_is_transient_and_a_cut_call_in_doubt() {
    let rig = rig().await;
    let (placed, payment) = paid(&rig).await;
    let of = correlation(&placed);
    let command = refund(&payment, "R-1", "5.00");
    rig.fail_next(Sim::Stripe, Fault::Throttle);
    assert_transient(&rig.attempt(&command, of, First).await, "rate_limited");
    rig.fail_next(Sim::Stripe, Fault::Cut);
    assert_indeterminate(&rig.attempt(&command, of, First).await, "answer_lost");
    assert!(refunds(&rig).is_empty());
    assert!(rig.attempt(&command, of, InDoubt).await.is_ok());
}

#[tokio::test]
async fn more_than_was_paid_is_refused_with_a_remedy() {
    let rig = rig().await;
    let (placed, payment) = paid(&rig).await;
    let command = refund(&payment, "R-1", "99999.00");
    let refused = rig.attempt(&command, correlation(&placed), First).await;
    assert_rejected(&refused, "refund_too_large");
    assert!(refunds(&rig).is_empty());
}

//! EasyPost: a parcel is followed once, and its carrier's news are read.

use super::rig::{Rig, assert_indeterminate, assert_transient, rig};
use serde_json::Value;
use waybill_flow::ports::Attempt::{First, InDoubt};
use waybill_model::command::{Command, SubscribeTracking};
use waybill_simulators::faults::Fault;
use waybill_simulators::sim::Sim;
use waybill_testkit::build::{connection, order, text};

fn follow() -> Command {
    Command::SubscribeTracking(SubscribeTracking {
        tracker: connection("easypost-main"),
        tracking_number: text("JD0001"),
        carrier: Some("UPS".to_owned()),
    })
}

fn trackers(rig: &Rig) -> Vec<Value> {
    let state = rig.state(Sim::Easypost);
    state["trackers"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_parcel_is_followed_once_whatever_is_lost() {
    let rig = rig().await;
    let of = order("1").correlation();
    rig.fail_next(Sim::Easypost, Fault::Throttle);
    assert_transient(&rig.attempt(&follow(), of, First).await, "rate_limited");
    assert!(trackers(&rig).is_empty());
    rig.fail_next(Sim::Easypost, Fault::LostAnswer);
    let lost = rig.attempt(&follow(), of, First).await;
    assert_indeterminate(&lost, "answer_lost");
    let found = rig.attempt(&follow(), of, InDoubt).await;
    assert!(found.is_ok(), "{found:?}");
    assert_eq!(rig.attempt(&follow(), of, First).await, found);
    let held = trackers(&rig);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["tracking_code"], "JD0001");
}

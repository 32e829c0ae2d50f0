//! No axis of an order goes back.

use waybill_flow::axes::axes;
use waybill_flow::state::OrderState;

const PAYMENT: [&[&str]; 2] = [&["pending", "authorized"], &["paid"]];
const RETURN: [&[&str]; 5] = [
    &["none"],
    &["requested"],
    &["authorized"],
    &["received"],
    &["restocked"],
];
const FULFILLMENT: [&[&str]; 6] = [
    &["none"],
    &["releasing"],
    &["released"],
    &["partially_shipped"],
    &["shipped"],
    &["delivered"],
];
/// An order that is not called off.
const ORDER: [&[&str]; 2] = [&["received", "held", "writing", "refused"], &["confirmed"]];

/// Where a word stands on its axis; none for one that may come and go, such as `on_hold`, or a refund that fails.
fn rank(axis: &[&[&str]], word: &str) -> Option<usize> {
    axis.iter().position(|words| words.contains(&word))
}

/// What went back between two states of an order.
pub fn steps_back(old: &OrderState, new: &OrderState) -> Vec<String> {
    let (was, is) = (axes(old), axes(new));
    let version = |s: &OrderState| s.facts.order.as_ref().map(|o| o.version);
    let live = |s: &OrderState| s.facts.order.as_ref().is_none_or(|o| o.cancelled.is_none());
    let mut back = Vec::new();
    let mut step = |axis: &[&[&str]], was: &str, is: &str| {
        if let (Some(before), Some(after)) = (rank(axis, was), rank(axis, is))
            && before > after
        {
            back.push(format!("it went from {was} back to {is}"));
        }
    };
    step(&PAYMENT, was.payment, is.payment);
    step(&RETURN, was.returned, is.returned);
    if live(new) {
        step(&ORDER, was.order, is.order);
    }
    // Who edits an order late may want more than what left. And of one that was called off too late nothing is wanted
    // any more, so that every parcel that becomes known is the last one, until the next.
    if version(old) == version(new) && live(new) {
        step(&FULFILLMENT, was.fulfillment, is.fulfillment);
    }
    if was.order == "cancelled" && !matches!(is.order, "cancelled" | "cancelling") {
        back.push(format!("it went from cancelled back to {}", is.order));
    }
    back
}

//! The largest document of the tables: what is known of an order.

use crate::mutate::MARKER;
use crate::seeds;
use crate::world::World;
use serde_json::{Value, json};
use std::sync::OnceLock;
use waybill_flow::ports::Queue;
use waybill_flow::state::OrderState;
use waybill_model::order::Order;
use waybill_testkit::build;

/// An order that went through everything: told, corrected, paid, sent, in part brought back and paid
/// back, and written about, as the functions themselves leave it.
pub(crate) fn state() -> &'static OrderState {
    static STATE: OnceLock<OrderState> = OnceLock::new();
    STATE.get_or_init(|| crate::block_on(lived_through()))
}

async fn lived_through() -> OrderState {
    let world = World::new();
    for event in events() {
        world.hand(Queue::Events, &event.to_string()).await;
        world.drain().await;
    }
    let state = world.state(order().correlation()).await;
    state.expect("the order was told")
}

pub(crate) fn order() -> Order {
    let mut order = build::order("1001");
    order.channel = build::connection("shopify-main");
    order
}

/// What is told of it, each by whom it belongs to.
pub(crate) fn events() -> Vec<Value> {
    let order = json!(order());
    let told = |name: &str, whose: &str| {
        let text =
            seeds::json(&format!("tests/fuzz/corpus/canonical/{name}.json"))["data"].to_string();
        serde_json::from_str(&text.replace("\"canonical\"", &format!("\"{whose}\""))).unwrap()
    };
    let decided = |decision: Value| json!({"operator": "alice", "decision": decision});
    let finding = json!({"code": "total_mismatch", "detail": "off by 0.01", "remedy": "compare"});
    let line = order["lines"][0].clone();
    let all: Vec<(&str, &str, Value)> = vec![
        (
            "shopify-main",
            "order.observed",
            json!({"order": order, "findings": [finding]}),
        ),
        (
            "waybill",
            "operator.decided",
            decided(json!({"kind": "waive", "code": "total_mismatch"})),
        ),
        (
            "waybill",
            "operator.decided",
            decided(
                json!({"kind": "correct", "reason": "typo", "effect": null, "correction":
                {"field": "sku", "line": line["id"], "told": line["sku"], "sku": "MUG-BLUE"}}),
            ),
        ),
        (
            "stripe-main",
            "payment.observed",
            told("payment", "stripe-main"),
        ),
        (
            "shipbob-main",
            "fulfillment_order.observed",
            told("work", "shipbob-main"),
        ),
        (
            "shipbob-main",
            "shipment.observed",
            told("shipment", "shipbob-main"),
        ),
        (
            "easypost-main",
            "tracking.observed",
            told("tracking", "easypost-main"),
        ),
        (
            "shopify-main",
            "refund.observed",
            told("refund", "shopify-main"),
        ),
        (
            "shipbob-main",
            "return.observed",
            json!({"id": "RT-1", "source": "shipbob-main", "status": "completed", "lines": [{"line_id": line["id"],
                "sku": "MUG-BLUE", "quantity": "1", "disposition": "quarantine"}], "version": 5}),
        ),
        (
            "zendesk-main",
            "ticket.observed",
            json!({"helpdesk": "zendesk-main", "id": "35", "status": "open", "version": 6}),
        ),
        (
            "waybill",
            "command.finished",
            json!({"effect": "credit_note.create/R-1", "command": "waybill.credit_note.create", "outcome":
                {"result": "rejected", "code": "unknown_sku", "detail": format!("no {MARKER}"), "remedy": "make it"}}),
        ),
    ];
    let envelope = |(number, (source, kind, data)): (usize, (&str, &str, Value))| {
        json!({"specversion": "1.0", "id": format!("told-{number}"), "source": source,
            "time": "2026-03-02T10:00:00Z", "dataschema": "waybill/v1", "correlationid": self::order().correlation(),
            "configversion": "local.1",
            "type": format!("waybill.{kind}"), "data": data})
    };
    all.into_iter().enumerate().map(envelope).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that is empty in the seed is one whose content no mutation changes.
    #[test]
    fn nothing_in_the_seed_is_empty() {
        let state = json!(state());
        let empty = [json!({}), json!([]), json!(null), json!("")];
        let fields = |value: &Value| -> Vec<String> {
            let fields = value.as_object().unwrap().iter();
            let without = fields.filter(|(_, content)| empty.contains(content));
            without.map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(fields(&state), [""; 0]);
        assert_eq!(fields(&state["facts"]), [""; 0]);
    }
}

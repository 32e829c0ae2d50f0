//! Commands of every kind.

use super::bodies;
use serde_json::{Value, json};
use waybill_model::command::Command;
use waybill_model::envelope::CommandEnvelope;
use waybill_testkit::build;

/// Envelopes of commands: those of the functions, and one of every other kind.
pub(crate) fn commands() -> Vec<Value> {
    let mut seeds: Vec<Value> = [
        "functions/odoo-writer/events/create-sale-order.json",
        "functions/fulfillment-dispatcher/events/create-fulfillment-order.json",
        "functions/status-publisher/events/subscribe-tracking.json",
    ]
    .into_iter()
    .flat_map(bodies)
    .collect();
    let envelope = seeds[0].clone();
    for command in erp_commands("odoo-main").iter().chain(&other_commands()) {
        let mut seed = envelope.clone();
        let body = json!(command);
        if seeds.iter().any(|known| known["type"] == body["type"]) {
            continue;
        }
        let kind = command.kind().as_str().trim_start_matches("waybill.");
        seed["id"] = json!(format!("command-{kind}"));
        seed["effect"] = json!(kind);
        seed["type"] = body["type"].clone();
        seed["data"] = body["data"].clone();
        seeds.push(seed);
    }
    for seed in &seeds {
        let read: Result<CommandEnvelope, _> = serde_json::from_value(seed.clone());
        read.unwrap_or_else(|e| panic!("a seed is no command: {e}: {seed}"));
    }
    seeds
}

/// A command of this wire form.
pub(crate) fn command(body: Value) -> Command {
    serde_json::from_value(body).unwrap()
}

/// A shipment with a parcel.
pub(crate) fn shipped() -> Value {
    json!({"warehouse": "shipbob", "id": "S-1", "fulfillment_order": null, "status": "shipped",
        "lines": [{"line_id": "11", "sku": "MUG", "quantity": "1"}],
        "parcels": [{"tracking_number": "1Z1", "carrier": "UPS", "url": null}],
        "shipped_at": null, "version": 1})
}

/// A level of stock.
pub(crate) fn level() -> Value {
    json!({"location": "shipbob", "sku": "MUG", "kind": "available", "quantity": "4",
        "at": "2026-03-03T09:00:00Z"})
}

/// One of every kind that goes to an ERP.
pub(crate) fn erp_commands(erp: &str) -> Vec<Command> {
    let order = json!(build::order("1001"));
    let mut shipment = shipped();
    shipment["lines"][0]["sku"] = json!("MUG");
    let of = |kind: &str, data: Value| {
        let mut data = data;
        data["erp"] = json!(erp);
        command(json!({"type": format!("waybill.{kind}"), "data": data}))
    };
    let eur = json!({"amount": "10.00", "currency": "EUR"});
    let mut counted = level();
    counted["kind"] = json!("on_hand");
    vec![
        of(
            "sale_order.create",
            json!({"order": order, "warehouse": null}),
        ),
        of(
            "sale_order.amend",
            json!({"order": order, "warehouse": null}),
        ),
        of("sale_order.cancel", json!({})),
        of(
            "delivery.register",
            json!({"shipment": shipment, "last": true}),
        ),
        of(
            "return.receive",
            json!({"returned": {"id": "R-1", "source": "shipbob", "status": "completed",
            "lines": [{"line_id": "1", "sku": "MUG", "quantity": "1", "disposition": "restock"}], "version": 1}}),
        ),
        of("invoice.create", json!({})),
        of(
            "payment.register",
            json!({"direction": "received", "id": "P-1", "gateway": "stripe", "method": null,
            "amount": eur, "at": "2026-03-02T10:00:00Z"}),
        ),
        of(
            "credit_note.create",
            json!({"refund_id": "R-1", "amount": eur, "lines": [], "shipping": "0"}),
        ),
        of("credit_note.reverse", json!({"refund_id": "R-1"})),
        of("stock.set", json!({"levels": [counted]})),
    ]
}

/// One of every kind that goes elsewhere and that no function has among its events.
fn other_commands() -> Vec<Command> {
    let of =
        |kind: &str, data: Value| command(json!({"type": format!("waybill.{kind}"), "data": data}));
    vec![
        of(
            "fulfillment_order.cancel",
            json!({"warehouse": "shipbob-main", "reference": "ref-1", "id": "88001"}),
        ),
        of(
            "channel_fulfillment.publish",
            json!({"channel": "shopify-main", "order_id": "1001", "notify_customer": true, "shipment": shipped()}),
        ),
        of(
            "channel_stock.publish",
            json!({"channel": "shopify-main", "levels": [level()]}),
        ),
        of(
            "ticket.update",
            json!({"helpdesk": "zendesk-main", "context": {"order_number": "#1001", "email": "a@example.com",
            "summary": "s", "axes": {"order": "open"}, "tracking_numbers": ["1Z1"], "exceptions": ["e"],
            "needs_attention": true, "revision": 4}}),
        ),
        of(
            "refund.create",
            json!({"gateway": "stripe-main", "refund_id": "R-1", "payment_id": "pi_1",
            "amount": {"amount": "10.00", "currency": "EUR"}}),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use waybill_model::command::CommandKind;

    #[test]
    fn there_is_a_seed_of_every_kind() {
        let seeds = commands();
        for kind in CommandKind::ALL {
            let is_there = seeds.iter().any(|seed| seed["type"] == kind.as_str());
            assert!(is_there, "none of `{}`", kind.as_str());
        }
    }
}

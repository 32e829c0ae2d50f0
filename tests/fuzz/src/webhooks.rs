//! Bodies of partners, read by their adapters: the same facts every time, which survive the wire, or a
//! refusal that tells nothing of a person.

use crate::draw::Draw;
use crate::mutate::{self, MARKER, TEXTS};
use crate::properties::{error_tells_no_person, in_time, survives_the_wire, tells_no_person};
use crate::seeds;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use waybill_flow::connections::Connection;
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::envelope::EventEnvelope;
use waybill_model::event::Subject;
use waybill_model::id::{CorrelationId, MessageId};
use waybill_partners::{Parsed, parse};
use waybill_testkit::build;

struct Partner {
    connections: Vec<Connection>,
    topics: &'static [&'static str],
    headers: &'static [&'static str],
    seeds: Vec<Value>,
}

/// A connection of this partner with these settings.
///
/// # Panics
/// The form of connections has changed.
#[must_use]
pub fn connection(partner: &str, settings: &Value) -> Connection {
    let of = |has: bool, value: Value| if has { value } else { Value::Null };
    let warehouse = matches!(partner, "shipbob" | "canonical");
    let document = json!({
        "id": partner, "partner": partner, "base_url": "http://127.0.0.1:9",
        "api_version": "2026-07", "webhook_url": null, "calls_per_minute": null, "settings": settings,
        "channel": of(matches!(partner, "shopify" | "canonical"), json!({"erp": "odoo"})),
        "warehouse": of(warehouse, json!({
            "default_shipping_method": "standard", "shipping_methods": {"express": "2-Day"},
        })),
        "helpdesk": of(partner == "zendesk", json!({})), "erp": null,
    });
    serde_json::from_value(document).unwrap()
}

fn check(partner: &Partner, input: &[u8]) {
    let mut draw = Draw::new(input);
    let connection = draw.of(&partner.connections);
    let topic = match draw.once_in(16) {
        true => Some((*draw.of(&TEXTS)).to_owned()),
        false => partner
            .topics
            .get(draw.below(partner.topics.len() + 1))
            .map(|t| (*t).to_owned()),
    };
    let mut headers = BTreeMap::new();
    for name in partner.headers {
        let value = match draw.below(4) {
            0 => continue,
            1 => *draw.of(&TEXTS),
            _ => "2026-03-10T12:00:00Z",
        };
        headers.insert((*name).to_owned(), value.to_owned());
    }
    let delivery = Delivery {
        receipt: MessageId::new("receipt-1").unwrap(),
        connection: connection.id.clone(),
        origin: *draw.of(&[Origin::Webhook, Origin::Poll, Origin::Replay]),
        topic,
        dedupe_id: draw.once_in(4).then(|| "delivery-1".to_owned()),
        headers,
        received_at: build::start(),
        replayed_at: None,
        traceparent: None,
        body: mutate::document(&partner.seeds, &mut draw),
    };
    let parsed = in_time("parse", || parse(connection, &delivery));
    assert_eq!(
        parsed,
        parse(connection, &delivery),
        "it is not read alike twice"
    );
    judge(connection, parsed);
}

fn judge(connection: &Connection, parsed: Result<Parsed, waybill_partners::Unreadable>) {
    match parsed {
        Ok(Parsed::Facts { dedupe_id, facts }) => {
            assert!(!facts.is_empty(), "facts without a fact");
            assert!(
                !dedupe_id.trim().is_empty(),
                "all that lack an id would be one"
            );
            for (index, fact) in facts.into_iter().enumerate() {
                if let Subject::Reference(references) = &fact.subject {
                    assert!(!references.is_empty(), "no order is ever found for it");
                    references.iter().for_each(survives_the_wire);
                }
                let order = match fact.subject {
                    Subject::Order(order) => order,
                    Subject::Reference(_) | Subject::Connection => {
                        CorrelationId::for_connection(&connection.id)
                    }
                };
                survives_the_wire(&EventEnvelope::new(
                    MessageId::for_delivery(&connection.id, &dedupe_id, index),
                    connection.id.clone(),
                    fact.at.unwrap_or(build::start()),
                    order,
                    fact.event,
                ));
            }
        }
        Ok(Parsed::Ignored { code }) => tells_no_person(code.as_str()),
        Ok(Parsed::Refetch { dedupe_id }) => assert!(!dedupe_id.trim().is_empty()),
        Err(refused) => {
            assert!(!refused.detail.is_empty(), "{refused:?} says nothing");
            error_tells_no_person(&refused);
        }
    }
}

macro_rules! partner {
    ($(#[$doc:meta])* $name:ident, $build:expr) => {
        $(#[$doc])*
        pub fn $name(input: &[u8]) {
            static PARTNER: OnceLock<Partner> = OnceLock::new();
            check(PARTNER.get_or_init(|| $build), input);
        }
    };
}

partner!(
    /// Shopify: orders, refunds, returns, fulfillments.
    shopify,
    Partner {
        connections: vec![
            connection("shopify", &json!({})),
            connection("shopify", &json!({"shop_domain": "example.myshopify.com"})),
        ],
        topics: &[
            "orders/create",
            "orders/updated",
            "orders/paid",
            "orders/edited",
            "orders/cancelled",
            "orders/fulfilled",
            "orders/partially_fulfilled",
            "refunds/create",
            "returns/request",
            "returns/approve",
            "returns/decline",
            "returns/cancel",
            "returns/close",
            "returns/reopen",
            "returns/update",
            "returns/process",
            "fulfillments/create",
            "fulfillments/update",
            "orders/delete",
        ],
        headers: &["x-shopify-shop-domain", "x-shopify-triggered-at"],
        seeds: {
            let mut seeds = seeds::folder("shared/partners/fixtures/shopify");
            let orders = json!({"orders": [seeds[0]]});
            seeds.push(orders);
            seeds
        },
    }
);

partner!(
    /// Stripe: payments, charges, refunds, disputes.
    stripe,
    Partner {
        connections: vec![
            connection("stripe", &json!({"livemode": "false", "channel": "shop"})),
            connection("stripe", &json!({"livemode": "true"})),
            connection("stripe", &json!({"livemode": MARKER})),
        ],
        topics: &[],
        headers: &[],
        seeds: seeds::folder("shared/partners/fixtures/stripe"),
    }
);

partner!(
    /// ShipBob: orders, shipments, returns.
    shipbob,
    Partner {
        connections: vec![connection("shipbob", &json!({"channel": "shop"}))],
        topics: &[
            "order.shipped",
            "order.shipment.delivered",
            "order.shipment.exception",
            "order.shipment.on_hold",
            "order.shipment.cancelled",
            "return.created",
            "return.updated",
            "return.completed",
        ],
        headers: &[],
        seeds: seeds::folder("shared/partners/fixtures/shipbob"),
    }
);

partner!(
    /// EasyPost: trackers.
    easypost,
    Partner {
        connections: vec![
            connection("easypost", &json!({})),
            connection("easypost", &json!({"mode": "test"})),
        ],
        topics: &[],
        headers: &[],
        seeds: seeds::folder("shared/partners/fixtures/easypost"),
    }
);

partner!(
    /// Zendesk: triggers and events.
    zendesk,
    Partner {
        connections: vec![connection("zendesk", &json!({}))],
        topics: &["tickets"],
        headers: &["x-zendesk-webhook-signature-timestamp"],
        seeds: seeds::folder("shared/partners/fixtures/zendesk"),
    }
);

partner!(
    /// Canonical partners: every fact that a partner may tell.
    canonical,
    Partner {
        connections: vec![connection("canonical", &json!({}))],
        topics: &[],
        headers: &[],
        seeds: seeds::folder("tests/fuzz/corpus/canonical"),
    }
);

/// A partner that sends no webhooks is refused, whatever is sent in its name.
///
/// # Panics
/// It is not.
pub fn odoo(input: &[u8]) {
    static CONNECTION: OnceLock<Connection> = OnceLock::new();
    let connection = CONNECTION.get_or_init(|| connection("odoo", &json!({})));
    let delivery = Delivery {
        receipt: MessageId::new("receipt-1").unwrap(),
        connection: connection.id.clone(),
        origin: Origin::Webhook,
        topic: None,
        dedupe_id: None,
        headers: BTreeMap::new(),
        received_at: build::start(),
        replayed_at: None,
        traceparent: None,
        body: input.to_vec(),
    };
    error_tells_no_person(&parse(connection, &delivery).unwrap_err());
}

//! Whatever a partner sends, reading it ends in facts, a reason to ignore it, or a refusal.

use crate::support::{connection, delivery, fixture, verify};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use waybill_flow::connections::{Connection, PartnerKind};
use waybill_partners::{Parsed, parse};

const CASES: [(PartnerKind, &str, &str); 12] = [
    (
        PartnerKind::Shipbob,
        "order.shipped",
        "shipbob/order_shipped_split.json",
    ),
    (
        PartnerKind::Shipbob,
        "order.shipment.delivered",
        "shipbob/shipment_delivered.json",
    ),
    (
        PartnerKind::Shipbob,
        "return.completed",
        "shipbob/return_completed.json",
    ),
    (
        PartnerKind::Stripe,
        "",
        "stripe/payment_intent_succeeded.json",
    ),
    (PartnerKind::Stripe, "", "stripe/charge_succeeded.json"),
    (PartnerKind::Stripe, "", "stripe/refund_failed.json"),
    (PartnerKind::Stripe, "", "stripe/dispute_created.json"),
    (
        PartnerKind::Easypost,
        "",
        "easypost/tracker_in_transit.json",
    ),
    (PartnerKind::Easypost, "", "easypost/batch_created.json"),
    (PartnerKind::Zendesk, "", "zendesk/trigger.json"),
    (
        PartnerKind::Zendesk,
        "",
        "zendesk/event_status_changed.json",
    ),
    (PartnerKind::Zendesk, "", "zendesk/event_user.json"),
];

fn of(partner: PartnerKind) -> Connection {
    connection(partner, &[("livemode", "false"), ("channel", "shop")])
}

/// What a mutation puts in the place of a value.
fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!("")),
        Just(json!(-1)),
        Just(json!(0.1)),
        Just(json!(i64::MIN)),
        Just(json!(u64::MAX)),
        Just(json!("9".repeat(500))),
        Just(json!("\u{0}\u{1f}")),
        any::<i64>().prop_map(|n| json!(n)),
        ".{0,80}".prop_map(|t| json!(t)),
    ]
}

fn paths(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                paths(inner, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                paths(inner, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// Reads; whatever comes out must be well-formed and the same again.
fn check(partner: PartnerKind, topic: &str, body: &[u8]) {
    let connection = of(partner);
    let delivery = delivery(&connection, Some(topic).filter(|t| !t.is_empty()), body);
    let once = parse(&connection, &delivery);
    assert_eq!(once, parse(&connection, &delivery));
    match once {
        Ok(Parsed::Facts { facts, .. }) => {
            assert!(!facts.is_empty());
            for fact in facts {
                let text = serde_json::to_string(&fact.event).unwrap();
                let back: waybill_model::event::Event = serde_json::from_str(&text).unwrap();
                assert_eq!(back, fact.event);
            }
        }
        Ok(Parsed::Ignored { .. } | Parsed::Refetch { .. }) => {}
        Err(refused) => assert!(!refused.detail.is_empty()),
    }
}

/// Events without an id would all be one, of which only the first is taken.
#[test]
fn an_event_with_a_blank_id_is_refused() {
    for (partner, path) in [
        (PartnerKind::Stripe, "stripe/payment_intent_succeeded.json"),
        (PartnerKind::Easypost, "easypost/tracker_in_transit.json"),
    ] {
        let mut body: Value = serde_json::from_slice(&fixture(path)).unwrap();
        body["id"] = json!(" ");
        let connection = of(partner);
        let delivery = delivery(&connection, None, body.to_string().as_bytes());
        let refused = parse(&connection, &delivery).unwrap_err();
        assert_eq!(refused.detail, "at `id`: it is blank");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn mutated_bodies_are_read_or_refused(
        case in 0..CASES.len(),
        mutations in prop::collection::vec((any::<Index>(), replacement()), 1..4),
    ) {
        let (partner, topic, path) = CASES[case];
        let mut body: Value = serde_json::from_slice(&fixture(path)).unwrap();
        for (index, value) in mutations {
            let mut all = Vec::new();
            paths(&body, "", &mut all);
            let at = index.get(&all).clone();
            if let Some(place) = body.pointer_mut(&at) {
                *place = value;
            }
        }
        check(partner, topic, body.to_string().as_bytes());
    }

    #[test]
    fn damaged_bytes_are_read_or_refused(
        case in 0..CASES.len(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 0..6),
        cut in any::<Index>(),
    ) {
        let (partner, topic, path) = CASES[case];
        let mut body = fixture(path);
        for (index, byte) in damage {
            let at = index.index(body.len());
            body[at] = byte;
        }
        body.truncate(cut.index(body.len()) + 1);
        check(partner, topic, &body);
    }

    #[test]
    fn made_up_signatures_never_pass(
        values in prop::collection::vec("[ -~]{0,90}", 4),
        shaped in "(t=[0-9]{1,20},)?v1=[0-9a-f]{0,70}|v1,[A-Za-z0-9+/=]{0,50}|hmac-sha256-hex=[0-9a-f]{64}",
        body in prop::collection::vec(any::<u8>(), 0..40),
        now_s in any::<i64>(),
    ) {
        let headers = [
            ("stripe-signature", shaped.as_str()),
            ("x-hmac-signature", shaped.as_str()),
            ("webhook-signature", shaped.as_str()),
            ("webhook-id", values[0].as_str()),
            ("webhook-timestamp", values[1].as_str()),
            ("x-zendesk-webhook-signature", values[2].as_str()),
            ("x-zendesk-webhook-signature-timestamp", values[3].as_str()),
        ];
        for (partner, _, _) in CASES {
            prop_assert!(verify(partner, &["whsec_c2VjcmV0"], &headers, &body, now_s).is_err());
        }
    }
}

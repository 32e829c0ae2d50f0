//! ShipBob's webhooks.

use crate::support::{
    connection, correlation, delivery, facts, fixture, ignored_code, only, parse, verify,
};
use waybill_flow::connections::{Connection, PartnerKind};
use waybill_model::event::{Event, Subject};
use waybill_model::returns::{Disposition, Return, ReturnStatus};
use waybill_model::shipment::{
    FulfillmentOrder, FulfillmentStatus, Shipment, ShipmentStatus, ShippedLine,
};
use waybill_partners::{Parsed, Refusal};

const SECRET: &str = "whsec_dGVzdC1zZWNyZXQtb2YtMjQtYnl0ZXMh";
const PREVIOUS: &str = "whsec_cHJldmlvdXMtc2VjcmV0LTI0LWJ5dGVz";

fn shipbob() -> Connection {
    connection(PartnerKind::Shipbob, &[("shipbob_channel_id", "433")])
}

fn observed(path: &str) -> (FulfillmentOrder, Vec<Shipment>) {
    let facts = facts(&shipbob(), Some("order.shipped"), path);
    let mut order = None;
    let mut shipments = Vec::new();
    for fact in facts {
        assert_eq!(fact.subject, Subject::Order(correlation()));
        match fact.event {
            Event::FulfillmentOrderObserved(o) => order = Some(o),
            Event::ShipmentObserved(s) => shipments.push(s),
            other => panic!("{other:?}"),
        }
    }
    (order.unwrap(), shipments)
}

fn goods(shipment: &Shipment) -> Vec<String> {
    let line = |l: &ShippedLine| format!("{} {}", l.quantity, l.sku);
    shipment.lines.iter().map(line).collect()
}

fn returned(topic: &str, path: &str) -> (Subject, Return) {
    match only(&shipbob(), Some(topic), path) {
        (subject, Event::ReturnObserved(r)) => (subject, r),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signature_made_by_hand_fits_and_the_topic_comes_from_its_header() {
    let body = br#"{"id":1}"#;
    let now_s = 1_772_460_000;
    let signature = {
        use base64::Engine;
        use hmac::{KeyInit, Mac};
        let engine = base64::engine::general_purpose::STANDARD;
        let key = engine.decode(SECRET.trim_start_matches("whsec_")).unwrap();
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        mac.update(b"msg_1.1772460000.");
        mac.update(body);
        format!("v1,{}", engine.encode(mac.finalize().into_bytes()))
    };
    let headers = [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", "1772460000"),
        ("webhook-signature", signature.as_str()),
        ("X-Webhook-Topic", "order.shipped"),
    ];
    let check = |secrets: &[&str], body: &[u8], now_s| {
        verify(PartnerKind::Shipbob, secrets, &headers, body, now_s)
    };
    let verified = check(&[SECRET], body, now_s).unwrap();
    assert_eq!(verified.topic.as_deref(), Some("order.shipped"));
    assert_eq!(verified.dedupe_id.as_deref(), Some("msg_1"));
    assert!(check(&[PREVIOUS, SECRET], body, now_s + 300).is_ok());
    assert!(check(&[SECRET], body, now_s - 300).is_ok());
    assert_eq!(check(&[PREVIOUS], body, now_s), Err(Refusal::BadSignature));
    assert_eq!(check(&[SECRET], b"{}", now_s), Err(Refusal::BadSignature));
    for now_s in [now_s + 301, now_s - 301] {
        let refusal = check(&[SECRET], body, now_s).unwrap_err();
        assert_eq!(refusal.code(), "stale_timestamp");
    }
}

#[test]
fn shipped_with_tracking_tells_the_order_and_its_shipment() {
    let (order, shipments) = observed("shipbob/order_shipped.json");
    assert_eq!(order.status, FulfillmentStatus::Shipped);
    assert_eq!(order.id.as_str(), "88001");
    assert_eq!(order.reference.unwrap().as_str(), correlation().to_string());
    let [shipment] = shipments.as_slice() else {
        panic!("{shipments:?}")
    };
    assert_eq!(shipment.status, ShipmentStatus::Shipped);
    assert_eq!(goods(shipment), ["2 MUG-BLUE", "1 TEE-M"]);
    let parcel = &shipment.parcels[0];
    assert_eq!(
        parcel.tracking_number.as_ref().unwrap().as_str(),
        "9400100000000000000001"
    );
    assert_eq!(parcel.carrier.as_deref(), Some("USPS"));
    assert_eq!(
        shipment.shipped_at.unwrap().to_string(),
        "2026-03-02T15:00:00Z"
    );
    // 2026-03-02T15:04:05.25Z in microseconds.
    assert_eq!(shipment.version.0, 1_772_463_845_250_000);
}

#[test]
fn shipped_without_tracking_has_left_and_has_no_parcel_yet() {
    let (order, shipments) = observed("shipbob/order_shipped_without_tracking.json");
    assert_eq!(order.status, FulfillmentStatus::Shipped);
    assert_eq!(shipments[0].status, ShipmentStatus::Shipped);
    assert!(shipments[0].parcels.is_empty());
    assert_eq!(goods(&shipments[0]), ["2 MUG-BLUE"]);
}

#[test]
fn of_a_split_order_only_what_left_has_left() {
    let (order, shipments) = observed("shipbob/order_shipped_split.json");
    assert_eq!(order.status, FulfillmentStatus::PartiallyShipped);
    assert_eq!(shipments[0].status, ShipmentStatus::Shipped);
    // The set is one product of two items; the mugs are in both shipments.
    assert_eq!(goods(&shipments[0]), ["2 MUG-BLUE", "1 SET"]);
    assert_eq!(shipments[1].status, ShipmentStatus::Pending);
    assert_eq!(goods(&shipments[1]), ["1 MUG-BLUE", "1 TEE-M"]);
    assert!(order.version == shipments[1].version && order.version > shipments[0].version);
}

#[test]
fn a_shipment_that_is_short_tells_what_is_in_it() {
    let text = String::from_utf8(fixture("shipbob/order_shipped.json")).unwrap();
    let mut order: serde_json::Value = serde_json::from_str(&text).unwrap();
    let items = "/shipments/0/products/0/inventory_items";
    let told = |order: &serde_json::Value| {
        let shipbob = shipbob();
        let body = order.to_string();
        let delivery = delivery(&shipbob, Some("order.shipped"), body.as_bytes());
        let parsed = waybill_partners::parse(&shipbob, &delivery).unwrap();
        let Parsed::Facts { facts, .. } = parsed else {
            panic!("{parsed:?}")
        };
        let Event::ShipmentObserved(shipment) = &facts[1].event else {
            panic!("{facts:?}")
        };
        goods(shipment)
    };
    *order.pointer_mut(&format!("{items}/0/quantity")).unwrap() = 1.into();
    assert_eq!(told(&order), ["1 MUG-BLUE", "1 TEE-M"]);
    *order.pointer_mut(&format!("{items}/0/quantity")).unwrap() = 0.into();
    assert_eq!(told(&order), ["1 TEE-M"]);
    // Nothing is said of the items: as ordered.
    *order.pointer_mut(items).unwrap() = serde_json::json!([]);
    assert_eq!(told(&order), ["2 MUG-BLUE", "1 TEE-M"]);
}

#[test]
fn an_order_that_is_not_ours_is_found_by_shipbobs_ids() {
    let facts = facts(
        &shipbob(),
        Some("order_shipped"),
        "shipbob/order_shipped_foreign.json",
    );
    let Subject::Reference(references) = &facts[0].subject else {
        panic!("{facts:?}")
    };
    assert_eq!(references[0].kind.as_str(), "fulfillment_order");
    assert_eq!(references[0].id.as_str(), "88001");
}

#[test]
fn delivered_and_exception_are_read_in_both_spellings() {
    for topic in ["order.shipment.delivered", "shipment_delivered"] {
        let (_, event) = only(&shipbob(), Some(topic), "shipbob/shipment_delivered.json");
        let Event::ShipmentObserved(shipment) = event else {
            panic!("{event:?}")
        };
        assert_eq!(shipment.status, ShipmentStatus::Delivered);
    }
    for (topic, work, goods) in [
        (
            "shipment_exception",
            FulfillmentStatus::Exception,
            ShipmentStatus::Exception,
        ),
        (
            "order.shipment.exception",
            FulfillmentStatus::Exception,
            ShipmentStatus::Exception,
        ),
        (
            "shipment_onhold",
            FulfillmentStatus::OnHold,
            ShipmentStatus::Exception,
        ),
        (
            "order.shipment.on_hold",
            FulfillmentStatus::OnHold,
            ShipmentStatus::Exception,
        ),
        (
            "order.shipment.cancelled",
            FulfillmentStatus::Cancelled,
            ShipmentStatus::Cancelled,
        ),
    ] {
        let facts = facts(&shipbob(), Some(topic), "shipbob/shipment_exception.json");
        assert!(
            matches!(&facts[0].event, Event::ShipmentObserved(s) if s.status == goods),
            "{topic}"
        );
        assert!(
            matches!(&facts[1].event, Event::FulfillmentOrderObserved(o) if o.status == work),
            "{topic}"
        );
    }
}

#[test]
fn the_header_id_dedupes_and_without_it_topic_id_and_version_do() {
    let shipbob = shipbob();
    let mut delivery = delivery(
        &shipbob,
        Some("order.shipped"),
        &fixture("shipbob/order_shipped.json"),
    );
    let dedupe = |delivery: &waybill_model::delivery::Delivery| match waybill_partners::parse(
        &shipbob, delivery,
    )
    .unwrap()
    {
        Parsed::Facts { dedupe_id, .. } => dedupe_id,
        other => panic!("{other:?}"),
    };
    assert_eq!(dedupe(&delivery), "order.shipped/88001/1772463845250000");
    delivery.dedupe_id = Some("msg_1".to_owned());
    assert_eq!(dedupe(&delivery), "msg_1");
}

#[test]
fn a_topic_that_is_missing_is_refused_and_one_that_is_unused_ignored() {
    let path = "shipbob/order_shipped.json";
    let refused = parse(&shipbob(), None, path).unwrap_err();
    assert_eq!(refused.code.as_str(), "missing_topic");
    let ignored = parse(&shipbob(), Some("billing.charge.created"), path);
    assert_eq!(ignored_code(ignored), "unused_topic");
}

#[test]
fn a_return_carries_the_channels_id_and_is_found_by_its_shipment() {
    let (subject, created) = returned("return.created", "shipbob/return_created.json");
    assert_eq!(created.id.as_str(), "7700123");
    assert_eq!(created.status, ReturnStatus::Authorized);
    assert_eq!(created.lines[0].disposition, Disposition::Unknown);
    let Subject::Reference(references) = subject else {
        panic!("{subject:?}")
    };
    let kinds: Vec<&str> = references.iter().map(|r| r.kind.as_str()).collect();
    assert_eq!(kinds, ["shipment", "tracking_number", "return"]);
    assert_eq!(references[0].id.as_str(), "99001");
}

#[test]
fn a_completed_return_says_what_became_of_each_piece() {
    for topic in ["return.completed", "return_updated"] {
        let (_, done) = returned(topic, "shipbob/return_completed.json");
        assert_eq!(done.status, ReturnStatus::Completed);
        let found: Vec<_> = done
            .lines
            .iter()
            .map(|l| (l.sku.as_str(), l.quantity.to_string(), l.disposition))
            .collect();
        assert_eq!(
            found,
            [
                ("MUG-BLUE", "1".to_owned(), Disposition::Restock),
                ("MUG-BLUE", "1".to_owned(), Disposition::Scrap)
            ]
        );
        assert_eq!(done.version.0 / 1_000_000, 1_773_306_000);
    }
}

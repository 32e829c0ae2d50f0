//! Every shared sample is read, ignored or refused with the stated reason.

use crate::support::{connection, delivery, wire_folder};
use std::path::{Path, PathBuf};
use waybill_flow::connections::{Connection, PartnerKind};
use waybill_partners::{Parsed, parse};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// `facts`, or the code of what was ignored or refused.
fn verdict(connection: &Connection, topic: Option<&str>, path: &Path) -> String {
    let body = std::fs::read(path).unwrap();
    match parse(connection, &delivery(connection, topic, &body)) {
        Ok(Parsed::Facts { facts, .. }) => {
            assert!(!facts.is_empty(), "{}", path.display());
            "facts".to_owned()
        }
        Ok(Parsed::Ignored { code }) => code.to_string(),
        Ok(Parsed::Refetch { .. }) => "refetch".to_owned(),
        Err(refused) => {
            assert!(!refused.detail.is_empty(), "{}", path.display());
            refused.code.to_string()
        }
    }
}

#[test]
fn shipbob_models_are_read_under_their_topic() {
    let Some(folder) = wire_folder("samples/shipbob") else {
        return;
    };
    let shipbob = connection(PartnerKind::Shipbob, &[]);
    let check = |topic: &str, file: &str, expected: &str| {
        let path = folder.join(file);
        assert_eq!(
            verdict(&shipbob, Some(topic), &path),
            expected,
            "{topic} {file}"
        );
    };
    for version in ["2025_07", "2026_01"] {
        let order = if version == "2026_01" {
            "api_2026_01/get_2026_01_order_orderId__200_ex.json".to_owned()
        } else {
            "api_2025_07/post_2025_07_order_201_ex.json".to_owned()
        };
        check("order.shipped", &order, "facts");
        check("order.shipment.delivered", &order, "wrong_shape");
        let given = format!("api_{version}/get_{version}_return_id__200_ex.json");
        check("return.created", &given, "facts");
        check("return.completed", &given, "facts");
        check("order.shipped", &given, "wrong_shape");
        check("billing.charge.created", &given, "unused_topic");
    }
    let shipment = "api_2026_01/get_2026_01_order_orderId_shipment_shipmentId__200_ex.json";
    check("order.shipment.exception", shipment, "facts");
    check("order.shipment.on_hold", shipment, "facts");
    check("order.shipment.cancelled", shipment, "facts");
    // Its quantities are all 0.
    check(
        "order.shipment.delivered",
        shipment,
        "shipment_without_goods",
    );
}

#[test]
fn other_shipbob_samples_are_refused_with_a_reason() {
    let Some(folder) = wire_folder("samples/shipbob") else {
        return;
    };
    let shipbob = connection(PartnerKind::Shipbob, &[]);
    let known = [
        "facts",
        "unreadable_json",
        "wrong_shape",
        "invalid_value",
        "shipment_without_goods",
    ];
    for path in files(&folder) {
        for topic in ["order.shipped", "shipment_delivered", "return_updated"] {
            let found = verdict(&shipbob, Some(topic), &path);
            assert!(
                known.contains(&found.as_str()),
                "{found} {}",
                path.display()
            );
        }
    }
}

#[test]
fn stripe_samples_are_read_ignored_or_refused() {
    let Some(folder) = wire_folder("samples/stripe") else {
        return;
    };
    let stripe = connection(PartnerKind::Stripe, &[("livemode", "false")]);
    for (file, expected) in [
        ("events_community/charge_1.json", "unused_topic"),
        ("events_community/dispute_2.json", "unused_topic"),
        ("events_community/dispute_3.json", "unused_topic"),
        ("events_community/dispute_4.json", "unused_topic"),
        ("events_community/refund_1.json", "wrong_mode"),
        ("events_community/refund_2.json", "wrong_mode"),
        ("events_community/refund_3.json", "wrong_mode"),
        // Objects without the envelope of an event.
        ("fixtures3/checkout.session.json", "unreadable_json"),
        ("fixtures3/customer.json", "unreadable_json"),
        ("fixtures3/dispute.json", "unreadable_json"),
        ("fixtures3/refund.json", "unreadable_json"),
    ] {
        assert_eq!(
            verdict(&stripe, None, &folder.join(file)),
            expected,
            "{file}"
        );
    }
    let live = connection(PartnerKind::Stripe, &[]);
    let refunded = folder.join("events_community/refund_1.json");
    assert_eq!(verdict(&live, None, &refunded), "told_by_refund_events");
}

/// The samples' objects under the types that carry them: recorded shapes, our envelope.
#[test]
fn stripe_objects_of_several_versions_are_read_under_their_type() {
    let Some(folder) = wire_folder("samples/stripe") else {
        return;
    };
    let stripe = connection(PartnerKind::Stripe, &[("livemode", "false")]);
    for (file, kind) in [
        ("events_community/charge_1.json", "charge.succeeded"),
        ("events_community/dispute_2.json", "charge.dispute.created"),
        ("events_community/refund_1.json", "charge.updated"),
        ("fixtures3/dispute.json", "charge.dispute.closed"),
        ("fixtures3/refund.json", "refund.updated"),
    ] {
        let text = std::fs::read(folder.join(file)).unwrap();
        let sample: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let object = sample.pointer("/data/object").unwrap_or(&sample);
        let event = serde_json::json!({
            "id": "evt_1", "created": 1_750_000_000, "type": kind, "livemode": false,
            "data": { "object": object },
        });
        let body = event.to_string().into_bytes();
        let parsed = parse(&stripe, &delivery(&stripe, None, &body));
        assert!(
            matches!(parsed, Ok(Parsed::Facts { .. })),
            "{file}: {parsed:?}"
        );
    }
}

#[test]
fn easypost_samples_are_read_ignored_or_refused() {
    let Some(folder) = wire_folder("samples/easypost") else {
        return;
    };
    let easypost = connection(PartnerKind::Easypost, &[]);
    for path in files(&folder) {
        let name = path.strip_prefix(&folder).unwrap().to_string_lossy();
        let expected = match name.as_ref() {
            "tracker.updated/event_body.json" => "facts",
            // An event that was fetched has no `result`.
            "docs_events/events-retrieve.json" => "wrong_shape",
            // Objects without the envelope of an event.
            _ => "unreadable_json",
        };
        assert_eq!(verdict(&easypost, None, &path), expected, "{name}");
    }
}

use super::*;
use crate::command::CommandKind;
use crate::event::StockObserved;
use crate::shipment::Shipment;
use crate::strict::unknown_field;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../infra/schemas")
}

#[test]
fn every_command_and_event_has_a_schema() {
    let paths: BTreeSet<String> = all().into_iter().map(|f| f.path).collect();
    for kind in CommandKind::ALL {
        let path = format!("commands/{}.v1.json", kind.as_str());
        assert!(paths.contains(&path), "{path}");
    }
    let events = paths.iter().filter(|p| p.starts_with("events/")).count();
    assert_eq!(events, 12);
    assert!(paths.contains("envelope.v1.json"));
}

#[test]
fn each_schema_holds_all_that_it_refers_to() {
    for file in all() {
        let definitions = file.schema.get("$defs").cloned().unwrap_or_default();
        for name in references(&file.schema) {
            assert!(definitions.get(&name).is_some(), "{}: `{name}`", file.path);
        }
    }
}

#[test]
fn stored_schemas_are_those_of_the_types() {
    let mut stored = 0;
    for file in all() {
        let found = std::fs::read_to_string(folder().join(&file.path)).unwrap_or_default();
        assert!(
            found == file.text(),
            "`infra/schemas/{}` is not that of the types: run `cargo xtask schemas --write`; if \
             readers of the old one break, raise the major version",
            file.path
        );
        stored += 1;
    }
    let count = |folder: &str| {
        std::fs::read_dir(super::tests::folder().join(folder))
            .unwrap()
            .count()
    };
    assert_eq!(
        count("events") + count("commands") + 1,
        stored,
        "a schema of no type is stored"
    );
}

/// Whether schema and type agree on this content, and what they say.
fn accepts<T: DeserializeOwned>(path: &str, kind: &str, data: &Value) -> bool {
    let file = all().into_iter().find(|f| f.path == path).unwrap();
    let by_schema = jsonschema::validator_for(&file.schema)
        .unwrap()
        .is_valid(data);
    let message = json!({ "type": kind, "data": data });
    let by_type = serde_json::from_value::<Event>(message).is_ok()
        && unknown_field::<T>(&data.to_string()).is_none();
    assert_eq!(by_schema, by_type, "{kind}: {data}");
    by_schema
}

#[test]
fn schema_and_type_accept_the_same_shipments() {
    let check = |change: &dyn Fn(&mut Value)| {
        let mut data = json!({
            "warehouse": "north", "id": "SHP-1", "fulfillment_order": null, "status": "shipped",
            "lines": [{ "line_id": "1", "sku": "MUG", "quantity": "2" }],
            "parcels": [{ "tracking_number": "1Z1", "carrier": "UPS", "url": null }],
            "shipped_at": "2026-03-03T09:00:00Z", "version": 1,
        });
        change(&mut data);
        let path = "events/waybill.shipment.observed.v1.json";
        accepts::<Shipment>(path, "waybill.shipment.observed", &data)
    };
    assert!(check(&|_| {}));
    assert!(check(&|d| d["shipped_at"] = Value::Null));
    assert!(!check(&|d| d["lines"][0]["quantity"] = json!(2)));
    assert!(!check(&|d| d["lines"][0]["quantity"] = json!("-2")));
    assert!(!check(&|d| d["status"] = json!("gone")));
    assert!(!check(&|d| d["weight"] = json!("1")));
    assert!(!check(&|d| d["id"] = json!("")));
}

#[test]
fn schema_and_type_accept_the_same_stock() {
    let check = |quantity: Value| {
        let data = json!({ "levels": [{ "location": "north", "sku": "MUG", "kind": "on_hand",
            "quantity": quantity, "at": "2026-03-03T09:00:00Z" }] });
        let path = "events/waybill.stock.observed.v1.json";
        accepts::<StockObserved>(path, "waybill.stock.observed", &data)
    };
    assert!(check(json!("4")));
    assert!(check(json!("0.5")));
    assert!(!check(json!("1e3")));
    assert!(!check(Value::Null));
}

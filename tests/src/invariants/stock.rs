//! Goods: what Odoo moved against what left the 3PL and came back.

use super::{ByOrder, Check, Outside, each, list, text, units};
use std::collections::BTreeMap;

pub(super) fn stock_moved_once(outside: &Outside, by: &ByOrder<'_>) -> Check {
    let mut restocked: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for returned in list(&outside.state, "/shipbob/returns") {
        for line in list(returned, "/restocked") {
            let key = (text(returned, "order_reference_id"), text(line, "sku"));
            *restocked.entry(key).or_default() += units(line, "quantity");
        }
    }
    each(
        outside,
        "stock moved once: Odoo's deliveries and receipts are the 3PL's",
        |_, c| {
            let mut warehouse: BTreeMap<String, i64> = BTreeMap::new();
            for order in by.at_warehouse(c) {
                for shipment in list(order, "/shipments") {
                    if !has_left(text(shipment, "status")) {
                        continue;
                    }
                    for line in list(shipment, "/lines") {
                        *warehouse.entry(text(line, "sku").to_owned()).or_default() +=
                            units(line, "quantity");
                    }
                }
            }
            for ((_, sku), back) in restocked.iter().filter(|((order, _), _)| *order == c) {
                *warehouse.entry((*sku).to_owned()).or_default() -= back;
            }
            warehouse.retain(|_, n| *n != 0);
            let mut odoo: BTreeMap<String, i64> = by
                .in_odoo(c)
                .first()
                .map(|o| o.moved.clone())
                .unwrap_or_default();
            odoo.retain(|_, n| *n != 0);
            (odoo != warehouse).then(|| format!("Odoo moved {odoo:?}, the 3PL {warehouse:?}"))
        },
    )
}

/// By difference: a real Odoo's levels begin where they are.
pub(super) fn stock_level(outside: &Outside) -> Check {
    let mut moved: BTreeMap<&str, i64> = BTreeMap::new();
    let held = |place| list(&outside.state, place);
    let orders = held("/shipbob/orders").chain(held("/canonical/orders"));
    for shipment in orders.flat_map(|o| list(o, "/shipments")) {
        if has_left(text(shipment, "status")) {
            for line in list(shipment, "/lines") {
                *moved.entry(text(line, "sku")).or_default() += units(line, "quantity");
            }
        }
    }
    for returned in list(&outside.state, "/shipbob/returns") {
        for line in list(returned, "/restocked") {
            *moved.entry(text(line, "sku")).or_default() -= units(line, "quantity");
        }
    }
    let violations = outside.stock_before.iter().filter_map(|(sku, before)| {
        let after = outside.stock_after.get(sku).copied().unwrap_or_default();
        let left = moved.get(sku.as_str()).copied().unwrap_or_default();
        (before - after != left).then(|| {
            format!("{sku}: Odoo had {before} and has {after}, {left} left the 3PLs for good")
        })
    });
    Check {
        name: "stock on hand in Odoo fell by what left the 3PLs and did not come back",
        looked_at: outside.stock_before.len(),
        violations: violations.collect(),
    }
}

pub(super) fn has_left(status: &str) -> bool {
    let status = status.to_ascii_lowercase();
    ["completed", "shipped", "delivered", "labelled_left", "left"].contains(&status.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn outside(before: i64, after: i64) -> Outside {
        let levels = |units| BTreeMap::from([("SKU-0001".to_owned(), units)]);
        let shipment = |status: &str, quantity: i64| json!({"status": status, "lines": [{"sku": "SKU-0001", "quantity": quantity}]});
        Outside {
            state: json!({"shipbob": {
                "orders": [{"shipments": [shipment("Completed", 3), shipment("Processing", 5)]}],
                "returns": [{"restocked": [{"sku": "SKU-0001", "quantity": 1}]}],
            }, "canonical": {"orders": [{"shipments": [shipment("shipped", 4)]}]}}),
            expected: Vec::new(),
            odoo: Vec::new(),
            stock_before: levels(before),
            stock_after: levels(after),
            dead: BTreeMap::new(),
            cases: BTreeMap::new(),
            unexplained: Vec::new(),
        }
    }

    #[test]
    fn stock_falls_by_what_left_for_good_from_wherever_it_was() {
        for before in [1_000_000, 1_000, 6] {
            let check = stock_level(&outside(before, before - 6));
            assert_eq!(check.violations, Vec::<String>::new());
            let check = stock_level(&outside(before, before - 7));
            assert_eq!(check.violations.len(), 1, "moved twice, or not restocked");
        }
    }
}

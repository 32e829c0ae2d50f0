//! What an amendment changes.

use super::*;
use serde_json::json;

fn row(id: i64, product: i64, quantity: f64, unit: f64) -> LineRow {
    serde_json::from_value(json!({
        "id": id, "product_id": [product, "P"], "name": "P", "product_uom_qty": quantity,
        "price_unit": unit, "discount": 0.0, "customer_lead": 0.0
    }))
    .unwrap()
}

fn line(product: i64, quantity: i64, unit: i64) -> Line {
    Line {
        key: "line/1/0".to_owned(),
        product: Some(product),
        sku: None,
        name: "P".to_owned(),
        quantity: quantity.into(),
        unit: unit.into(),
        percent: Decimal::ZERO,
        taxes: String::new(),
        is_delivery: false,
    }
}

fn change(id: i64, quantity: i64, unit: i64) -> LineChange {
    LineChange {
        id,
        quantity: quantity.into(),
        unit: unit.into(),
        percent: Decimal::ZERO,
    }
}

#[test]
fn a_quantity_never_changes_without_its_price() {
    let present = [row(1, 7, 2.0, 10.0)];
    let changes = compare(&present, &[line(7, 1, 10)], false);
    assert_eq!(changes.lines, [change(1, 1, 10)]);
    // The price of what is invoiced stays what it is.
    let changes = compare(&present, &[line(7, 1, 9)], true);
    assert_eq!(changes.lines, [change(1, 1, 10)]);
}

#[test]
fn an_order_that_agrees_needs_nothing() {
    let changes = compare(&[row(1, 7, 2.0, 10.0)], &[line(7, 2, 10)], false);
    assert_eq!(changes, Changes::default());
}

#[test]
fn lines_change_appear_and_go_to_zero() {
    let present = [row(1, 7, 2.0, 10.0), row(2, 8, 1.0, 5.0)];
    let changes = compare(&present, &[line(7, 3, 10), line(9, 1, 4)], false);
    assert_eq!(changes.lines, [change(1, 3, 10), change(2, 0, 5)]);
    assert_eq!(changes.added, [line(9, 1, 4)]);
    assert!(changes.reduces);
}

#[test]
fn two_lines_of_a_product_are_told_apart_by_price() {
    let present = [row(1, 7, 1.0, 10.0), row(2, 7, 1.0, 8.0)];
    let changes = compare(&present, &[line(7, 2, 8), line(7, 1, 10)], false);
    assert_eq!(changes.lines, [change(2, 2, 8)]);
}

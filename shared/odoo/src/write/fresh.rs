//! Whether a quotation sells what was ordered, before it is confirmed.
//!
//! Products are found by SKU and remembered for a while. Odoo takes a product that was renumbered
//! or archived since without a word, so the call that reads the totals also reads what each line's
//! product is called *now*. Where it is not what was ordered, the product is looked up again and
//! the line, which nobody has touched, is given the right one.

use super::load::{Record, load_each};
use crate::catalog::{Catalog, Product};
use crate::client::{Api, LoadMode};
use crate::error::rejected;
use crate::map::order::Line;
use crate::map::tax::tax_column;
use crate::map::{cell, number};
use crate::wire::{Number, Text, ToOne};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use waybill_model::failure::Failure;

/// A line of a quotation with its product.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Sold {
    id: i64,
    display_type: Text,
    product_id: ProductNow,
    product_uom_qty: Number,
    price_unit: Number,
    discount: Number,
    write_uid: ToOne,
}

/// A product as it is now.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Value")]
struct ProductNow {
    id: i64,
    default_code: String,
    active: bool,
    sale_ok: bool,
}

impl From<Value> for ProductNow {
    /// `false`, for a line without a product, becomes a product that no plan has.
    fn from(record: Value) -> Self {
        let flag = |name: &str| {
            record
                .get(name)
                .and_then(Value::as_bool)
                .unwrap_or_default()
        };
        let code = record.get("default_code").and_then(Value::as_str);
        Self {
            id: record.get("id").and_then(Value::as_i64).unwrap_or_default(),
            default_code: code.unwrap_or_default().to_owned(),
            active: flag("active"),
            sale_ok: flag("sale_ok"),
        }
    }
}

/// What to read of the lines.
pub(crate) fn specification() -> Value {
    json!({
        "display_type": {}, "product_uom_qty": {}, "price_unit": {}, "discount": {},
        "write_uid": {},
        "product_id": {"fields": {"default_code": {}, "active": {}, "sale_ok": {}}},
    })
}

/// Lines with the wrong product, and what they should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'a> {
    /// Every line of the plan is there with its product.
    Right,
    /// Lines of the quotation, by id, that should be these.
    Wrong(Vec<(i64, &'a Line)>),
    /// Lines of the plan are missing, and no line that nobody has touched stands for them.
    Changed,
}

/// Compares a quotation's lines with the plan's. Lines that are in Odoo only (a rounding, what a
/// person added) are left alone. `writer` is who made the quotation.
pub(crate) fn verdict<'a>(
    present: &[Sold],
    writer: ToOne,
    planned: &'a [Line],
    catalog: &Catalog,
) -> Verdict<'a> {
    let mut free: Vec<&Sold> = present
        .iter()
        .filter(|l| l.display_type.as_str().is_empty())
        .collect();
    let mut missing = Vec::new();
    for line in planned.iter().filter(|l| l.product.is_some()) {
        match free.iter().position(|sold| sold.is(line, catalog)) {
            Some(place) => drop(free.remove(place)),
            None => missing.push(line),
        }
    }
    let mut wrong = Vec::new();
    for line in missing {
        let stands_for = |sold: &&Sold| sold.write_uid == writer && sold.has_terms_of(line);
        let Some(place) = free.iter().position(stands_for) else {
            return Verdict::Changed;
        };
        wrong.push((free.remove(place).id, line));
    }
    if wrong.is_empty() {
        Verdict::Right
    } else {
        Verdict::Wrong(wrong)
    }
}

impl Sold {
    fn is(&self, line: &Line, catalog: &Catalog) -> bool {
        let Some(sku) = &line.sku else {
            return false;
        };
        let now = &self.product_id;
        let for_sale = matches!(catalog.products.get(sku), Some(Product::One(_)));
        Some(now.id) == line.product
            && now.default_code == sku.as_str()
            && now.active
            && now.sale_ok == for_sale
    }

    fn has_terms_of(&self, line: &Line) -> bool {
        self.product_uom_qty.0 == line.quantity
            && self.price_unit.0 == line.unit
            && self.discount.0 == line.percent
    }
}

/// Gives lines of quotations their right products; the lines that Odoo refuses it for, with why.
/// Price, taxes and text are written with them, since Odoo computes them anew for a new product.
pub(crate) async fn mend(api: &Api<'_>, wrong: &[(i64, &Line)]) -> BTreeMap<i64, Failure> {
    let fields = [
        ".id",
        "product_id/.id",
        "name",
        "product_uom_qty",
        "price_unit",
        "discount",
        tax_column(api.session.major),
    ];
    let records: Vec<Record> = wrong
        .iter()
        .map(|(id, line)| {
            vec![vec![
                cell(id.to_string()),
                cell(line.product.map(|p| p.to_string()).unwrap_or_default()),
                cell(&line.name),
                number(line.quantity),
                number(line.unit),
                number(line.percent),
                cell(&line.taxes),
            ]]
        })
        .collect();
    let mode = LoadMode::Update;
    let results = load_each(api, "sale.order.line", &fields, &records, mode).await;
    let refused = wrong.iter().zip(results);
    refused
        .filter_map(|((id, _), result)| Some((*id, result.err()?.failure(api.erp))))
        .collect()
}

/// The rejection for a quotation in which somebody put other products.
pub(crate) fn changed(what: &str) -> Failure {
    rejected(
        "quotation_changed_in_erp",
        format!("{what} has other products in Odoo than in the channel, put there by hand"),
        "confirm the quotation in Odoo if that is what the customer gets, or delete it, then retry",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;
    use waybill_model::id::Sku;

    fn sold(id: i64, product: Value, by: i64) -> Sold {
        serde_json::from_value(json!({
            "id": id, "display_type": false, "product_id": product, "product_uom_qty": 2.0,
            "price_unit": 10.0, "discount": 0.0, "write_uid": by
        }))
        .unwrap()
    }

    fn product(id: i64, code: &str) -> Value {
        json!({"id": id, "default_code": code, "active": true, "sale_ok": true})
    }

    fn line(product: i64, sku: &str) -> Line {
        Line {
            key: "line/1/0".to_owned(),
            product: Some(product),
            sku: Some(Sku::new(sku).unwrap()),
            name: "P".to_owned(),
            quantity: 2.into(),
            unit: 10.into(),
            percent: Decimal::ZERO,
            taxes: String::new(),
            is_delivery: false,
        }
    }

    fn catalog() -> Catalog {
        let products = [("A", 7), ("B", 8)];
        Catalog {
            products: products
                .map(|(sku, id)| (Sku::new(sku).unwrap(), Product::One(id)))
                .into(),
            ..Catalog::default()
        }
    }

    fn judge<'a>(present: &[Sold], planned: &'a [Line]) -> Verdict<'a> {
        verdict(present, ToOne(Some(6)), planned, &catalog())
    }

    #[test]
    fn lines_in_any_order_and_lines_of_other_people_are_right() {
        let present = [
            sold(1, product(8, "B"), 6),
            sold(2, product(7, "A"), 6),
            sold(3, product(9, "EXTRA"), 2),
            sold(4, json!(false), 2),
        ];
        let planned = [line(7, "A"), line(8, "B")];
        assert_eq!(judge(&present, &planned), Verdict::Right);
    }

    #[test]
    fn a_renumbered_archived_or_unsold_product_is_wrong() {
        let planned = [line(7, "A")];
        for now in [
            product(7, "OLD"),
            product(9, "A"),
            json!({"id": 7, "default_code": "A", "active": false, "sale_ok": true}),
            json!({"id": 7, "default_code": "A", "active": true, "sale_ok": false}),
            json!({"id": 7, "default_code": false, "active": true, "sale_ok": true}),
        ] {
            let present = [sold(1, now.clone(), 6)];
            let wrong = Verdict::Wrong(vec![(1, &planned[0])]);
            assert_eq!(judge(&present, &planned), wrong, "{now}");
        }
    }

    #[test]
    fn what_a_person_wrote_is_not_overwritten() {
        let present = [sold(1, product(9, "OTHER"), 2)];
        assert_eq!(judge(&present, &[line(7, "A")]), Verdict::Changed);
        assert_eq!(judge(&[], &[line(7, "A")]), Verdict::Changed);
    }
}

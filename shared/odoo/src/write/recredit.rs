//! Goods that were credited are not invoiced again.
//!
//! Odoo counts what a credit note took off as not invoiced, and offers it at the next invoice of the
//! order: a customer who was refunded for one of three would be billed for it with the next parcel.

use super::invoices::{Move, of_order};
use super::resolve::Found;
use crate::client::Api;
use crate::error::OdooError;
use crate::wire::{Call, Number, float};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct OrderLine {
    id: i64,
    qty_to_invoice: Number,
}

#[derive(Deserialize)]
struct BillLine {
    id: i64,
    quantity: Number,
    sale_line_ids: Vec<i64>,
}

/// Quantities by line of the order.
type Lines = BTreeMap<i64, Decimal>;

/// Credit notes of an order that count as not invoiced. One that was undone is invoiced again by
/// what undid it from 18 on; 17 undoes it with an entry that no order knows.
fn credits(order: &Found, moves: &[Move]) -> Vec<i64> {
    let own = of_order(order, moves);
    let undone = |id: i64| {
        own.iter().any(|m| {
            m.reversed_entry_id.0 == Some(id)
                && m.move_type.as_str() == "out_invoice"
                && m.is_posted()
        })
    };
    own.iter()
        .filter(|m| m.is_credit_note() && m.is_posted() && !undone(m.id))
        .map(|m| m.id)
        .collect()
}

/// What was credited and what is to be invoiced of an order with credit notes.
struct Known {
    credited: Lines,
    open: Lines,
}

async fn known(api: &Api<'_>, order: &Found, moves: &[Move]) -> Result<Option<Known>, OdooError> {
    let credits = credits(order, moves);
    if credits.is_empty() {
        return Ok(None);
    }
    Ok(Some(Known {
        credited: credited(api, &credits).await?,
        open: to_invoice(api, order.id).await?,
    }))
}

/// Whether an order has something to invoice that was not credited: two calls where it has credit
/// notes, none where not.
pub(super) async fn has_more(
    api: &Api<'_>,
    order: &Found,
    moves: &[Move],
) -> Result<bool, OdooError> {
    let Some(Known { credited, open }) = known(api, order, moves).await? else {
        return Ok(true);
    };
    Ok(open
        .iter()
        .any(|(line, quantity)| *quantity > credited.get(line).copied().unwrap_or_default()))
}

/// Takes what was credited off a draft invoice. Whether the draft is left to be posted: one of which
/// nothing is left is deleted. A repeat changes nothing: what is taken off is to be invoiced again,
/// and both are looked at.
pub(super) async fn trim(
    api: &Api<'_>,
    order: &Found,
    moves: &[Move],
    draft: i64,
) -> Result<bool, OdooError> {
    let Some(Known { credited, open }) = known(api, order, moves).await? else {
        return Ok(true);
    };
    let lines = bill_lines(api, &[draft]).await?;
    let mut left = false;
    let mut changes: Vec<Value> = Vec::new();
    for line in &lines {
        let of = |known: &Lines| -> Decimal {
            let sale = line.sale_line_ids.iter();
            sale.filter_map(|l| known.get(l)).sum()
        };
        let now = line.quantity.rounded(4);
        let wanted = (now + of(&open) - of(&credited)).max(Decimal::ZERO);
        left |= wanted > Decimal::ZERO;
        if wanted.is_zero() {
            changes.push(json!([2, line.id, 0]));
        } else if wanted < now {
            changes.push(json!([1, line.id, { "quantity": float(wanted) }]));
        }
    }
    if !left {
        let call = Call::on("account.move", "unlink", &[draft]);
        api.call(api.quiet(call)).await?;
    } else if !changes.is_empty() {
        let call = Call::on("account.move", "write", &[draft])
            .argument("vals", json!({ "invoice_line_ids": changes }));
        api.call(api.quiet(call)).await?;
    }
    Ok(left)
}

async fn to_invoice(api: &Api<'_>, order: i64) -> Result<Lines, OdooError> {
    let rows: Vec<OrderLine> = api
        .search_read(
            "sale.order.line",
            json!([["order_id", "=", order]]),
            &["qty_to_invoice"],
        )
        .await?;
    let row = |l: OrderLine| (l.id, l.qty_to_invoice.rounded(4));
    Ok(rows.into_iter().map(row).collect())
}

async fn credited(api: &Api<'_>, notes: &[i64]) -> Result<Lines, OdooError> {
    let mut credited = Lines::new();
    for line in bill_lines(api, notes).await? {
        for sale in &line.sale_line_ids {
            *credited.entry(*sale).or_default() += line.quantity.rounded(4);
        }
    }
    Ok(credited)
}

async fn bill_lines(api: &Api<'_>, moves: &[i64]) -> Result<Vec<BillLine>, OdooError> {
    let domain = json!([["move_id", "in", moves], ["display_type", "=", "product"]]);
    let fields = ["quantity", "sale_line_ids"];
    api.search_read("account.move.line", domain, &fields).await
}

//! Bringing an order in Odoo to the channel's newest snapshot, as long as nothing has left.

use super::cancel::already_shipped;
use super::confirm::cancelled;
use super::invoices::ensure_invoiced;
use super::load::{Record, Refusal, load_each};
use super::orders::look_up;
use super::partners::load_partners;
use super::resolve::{Effort, Found, not_in_erp, resolve};
use super::transfer::{Picking, moves, pickings};
use super::{Outcome, Writer, references};
use crate::client::{Api, LoadMode};
use crate::error::{OdooError, rejected};
use crate::map::ids::Ids;
use crate::map::order::{Line, Wanted, plan};
use crate::map::partner::Partners;
use crate::map::{cell, number};
use crate::wire::{Number, Text, ToOne};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;
use waybill_model::failure::Failure;
use waybill_model::id::{CorrelationId, RefKind};
use waybill_model::order::{Order, OrderPayment};
use waybill_model::time::Instant;

/// A line as Odoo holds it.
#[derive(Debug, Clone, Deserialize)]
struct LineRow {
    id: i64,
    product_id: ToOne,
    name: Text,
    product_uom_qty: Number,
    price_unit: Number,
    discount: Number,
    /// Days from order to delivery.
    customer_lead: Number,
}

/// What is to be changed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    /// Lines to change. Quantity, price and percentage go together: Odoo takes the price list's price where it is told a
    /// new quantity alone.
    lines: Vec<LineChange>,
    /// Lines to add.
    added: Vec<Line>,
    /// Whether any quantity goes down.
    reduces: bool,
}

/// A line as it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LineChange {
    id: i64,
    quantity: Decimal,
    unit: Decimal,
    percent: Decimal,
}

/// Amends one order.
pub(crate) async fn amend(writer: Writer<'_>, order: &Order) -> Outcome {
    // What is refunded from a paid order must have been invoiced: the credit note follows.
    let paid = matches!(
        order.payment,
        OrderPayment::Paid | OrderPayment::PartiallyRefunded | OrderPayment::Refunded
    );
    let bring = if paid { Bring::Paid } else { Bring::Unpaid };
    bring_to_now(writer, order, bring).await
}

/// The same for an order whose edit came before it was written. Reductions that were never paid for
/// are not invoiced; those that were refunded are, for their credit note follows.
///
/// A creation that comes twice must not take back an amendment that came after it: one that did
/// not confirm the order itself goes on only where the lines are still `as_placed`, as an attempt
/// that was cut after confirming leaves them.
pub(crate) async fn amend_new(
    writer: Writer<'_>,
    order: &Order,
    as_placed: Option<&[Line]>,
) -> Outcome {
    bring_to_now(writer, order, Bring::New { as_placed }).await
}

/// Why an order is brought to a snapshot.
#[derive(Debug, Clone, Copy)]
enum Bring<'a> {
    /// It was edited after it was paid.
    Paid,
    /// It was edited before it was paid.
    Unpaid,
    /// It was edited before it was written; see [`amend_new`].
    New { as_placed: Option<&'a [Line]> },
}

async fn bring_to_now(writer: Writer<'_>, order: &Order, bring: Bring<'_>) -> Outcome {
    let api = writer.api;
    let fail = |e: OdooError| e.failure(api.erp);
    let correlation = order.correlation();
    let found = resolve(api, &[correlation], Effort::Thorough)
        .await
        .map_err(fail)?;
    let row = found
        .get(&correlation)
        .ok_or_else(|| not_in_erp(correlation))?;
    let what = format!("order `{}` (`{}`)", order.number, row.name.as_str());
    if row.state.as_str() == "cancel" {
        return Err(cancelled(&what));
    }
    // Lines of confirmed orders cannot be put right afterwards: ask now.
    writer.memory.forget(api.erp);
    let catalog = look_up(api, writer.memory, &[order]).await.map_err(fail)?;
    let plan = plan(order, api.settings, &catalog, Wanted::Now)?;
    let fields = [
        "product_id",
        "name",
        "product_uom_qty",
        "price_unit",
        "discount",
        "customer_lead",
    ];
    let domain = json!([["order_id", "=", row.id], ["display_type", "=", false]]);
    let present: Vec<LineRow> = api
        .search_read("sale.order.line", domain, &fields)
        .await
        .map_err(fail)?;
    let invoiced = !row.invoice_ids.is_empty();
    let changes = compare(&present, &plan.lines, invoiced);
    if let Bring::New {
        as_placed: Some(placed),
    } = bring
        && changes != Changes::default()
        && compare(&present, placed, invoiced) != Changes::default()
    {
        // Somebody has amended it since.
        return Ok(references(api, RefKind::SaleOrder, &[row.id]));
    }
    let transfers = if row.state.as_str() == "sale" {
        pickings(api, &[row.id]).await.map_err(fail)?
    } else {
        Vec::new()
    };
    if changes != Changes::default() {
        refuse(row, &transfers, &what)?;
        // A credit note follows for what was paid and given back, so it must be invoiced.
        let invoice_first = match bring {
            Bring::Paid => true,
            Bring::Unpaid => false,
            Bring::New { .. } => is_refunded(order),
        };
        if changes.reduces && invoice_first && row.state.as_str() == "sale" {
            ensure_invoiced(api, correlation).await?;
        }
        let date = confirmed_date(api, row, &transfers, &present)
            .await
            .map_err(fail)?;
        set_date(api, row.id, row.date_order.as_str(), &date).await?;
        write_lines(api, row.id, correlation, &changes).await?;
        let kept = if api.settings.keep_order_date {
            order.placed_at.to_naive_utc()
        } else {
            row.date_order.as_str().to_owned()
        };
        set_date(api, row.id, &date, &kept).await?;
    } else if api.settings.keep_order_date && row.state.as_str() == "sale" {
        // An attempt that was cut between the lines and the date left the confirmed one.
        let kept = order.placed_at.to_naive_utc();
        set_date(api, row.id, row.date_order.as_str(), &kept).await?;
    }
    move_address(api, row, &plan.partners, &transfers).await?;
    Ok(references(api, RefKind::SaleOrder, &[row.id]))
}

fn is_refunded(order: &Order) -> bool {
    matches!(
        order.payment,
        OrderPayment::PartiallyRefunded | OrderPayment::Refunded
    )
}

/// Why lines cannot change any more.
fn refuse(row: &Found, transfers: &[Picking], what: &str) -> Result<(), Failure> {
    if row.locked {
        return Err(rejected(
            "order_locked",
            format!("{what} is locked in Odoo"),
            "unlock it in Odoo, then retry",
        ));
    }
    match transfers.iter().find(|p| p.is_done() && p.is_outgoing()) {
        Some(done) => Err(already_shipped(done.name.as_str())),
        None => Ok(()),
    }
}

/// The date that the order had when it was confirmed, as its delivery still knows it.
///
/// Odoo makes a change of quantity a move with the deadline that follows from the order's date,
/// and merges it into the open delivery only where the deadlines are equal. Where the shop's date
/// was written back, they are not, and a lower quantity would become a *return* of goods that
/// never left. So quantities are changed under the confirmed date.
async fn confirmed_date(
    api: &Api<'_>,
    row: &Found,
    transfers: &[Picking],
    lines: &[LineRow],
) -> Result<String, OdooError> {
    let now = || row.date_order.as_str().to_owned();
    let open: Vec<i64> = transfers
        .iter()
        .filter(|p| p.is_open() && p.is_outgoing())
        .map(|p| p.id)
        .collect();
    // A promised date is the deadline, whatever the order's date is.
    if open.is_empty() || row.commitment_date.0.is_some() {
        return Ok(now());
    }
    let items = moves(api, &open).await?;
    let date = items.iter().filter(|m| m.is_open()).find_map(|item| {
        let line = lines.iter().find(|l| Some(l.id) == item.sale_line_id.0)?;
        let deadline = from_naive_utc(item.date_deadline.as_str())?;
        let lead_ms = line.customer_lead.0.checked_mul(Decimal::from(DAY_MS))?;
        let lead_ms: i64 = lead_ms.trunc().try_into().ok()?;
        Some(deadline.plus_ms(lead_ms.checked_neg()?).to_naive_utc())
    });
    Ok(date.unwrap_or_else(now))
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Odoo's naive UTC.
fn from_naive_utc(text: &str) -> Option<Instant> {
    let (date, time) = text.split_once(' ')?;
    Instant::parse(&format!("{date}T{time}Z")).ok()
}

async fn set_date(api: &Api<'_>, order: i64, present: &str, date: &str) -> Result<(), Failure> {
    if present == date {
        return Ok(());
    }
    let record = vec![vec![cell(order.to_string()), cell(date)]];
    load_all(api, "sale.order", &[".id", "date_order"], &[record]).await
}

/// Matches lines by product, first those with the same price. What is wanted no more goes to
/// zero: a confirmed order's lines cannot be deleted. Prices of an invoiced order stay.
fn compare(present: &[LineRow], wanted: &[Line], invoiced: bool) -> Changes {
    let mut free: Vec<&LineRow> = present.iter().collect();
    let mut open: Vec<&Line> = wanted.iter().filter(|l| l.product.is_some()).collect();
    let mut changes = Changes::default();
    let same_price = |row: &LineRow, line: &Line| {
        row.price_unit.0 == line.unit && row.discount.0 == line.percent
    };
    for exact in [true, false] {
        let mut later = Vec::new();
        for line in open {
            let place = free.iter().position(|row| {
                row.product_id.0 == line.product && (!exact || same_price(row, line))
            });
            let Some(row) = place.map(|p| free.remove(p)) else {
                later.push(line);
                continue;
            };
            if invoiced {
                changes.line(row, line.quantity, row.price_unit.0, row.discount.0);
            } else {
                changes.line(row, line.quantity, line.unit, line.percent);
            }
        }
        open = later;
    }
    for row in free {
        // The line that settles a rounding is ours and not the channel's.
        if row.name.as_str() != "Rounding" {
            changes.line(row, Decimal::ZERO, row.price_unit.0, row.discount.0);
        }
    }
    changes.added.extend(open.into_iter().cloned());
    changes
}

impl Changes {
    fn line(&mut self, row: &LineRow, quantity: Decimal, unit: Decimal, percent: Decimal) {
        let present = row.product_uom_qty.0;
        if present == quantity && row.price_unit.0 == unit && row.discount.0 == percent {
            return;
        }
        self.reduces |= quantity < present;
        self.lines.push(LineChange {
            id: row.id,
            quantity,
            unit,
            percent,
        });
    }
}

async fn write_lines(
    api: &Api<'_>,
    order: i64,
    correlation: CorrelationId,
    changes: &Changes,
) -> Result<(), Failure> {
    let records: Vec<Record> = changes
        .lines
        .iter()
        .map(|line| {
            vec![vec![
                cell(line.id.to_string()),
                number(line.quantity),
                number(line.unit),
                number(line.percent),
            ]]
        })
        .collect();
    let fields = [".id", "product_uom_qty", "price_unit", "discount"];
    load_all(api, "sale.order.line", &fields, &records).await?;
    add_lines(api, order, correlation, &changes.added).await
}

async fn add_lines(
    api: &Api<'_>,
    order: i64,
    correlation: CorrelationId,
    lines: &[Line],
) -> Result<(), Failure> {
    let ids = Ids {
        prefix: &api.settings.external_id_prefix,
    };
    let taxes = if api.session.major >= 19 {
        "tax_ids/id"
    } else {
        "tax_id/id"
    };
    let fields = [
        "id",
        "order_id/.id",
        "product_id/.id",
        "name",
        "product_uom_qty",
        "price_unit",
        "discount",
        taxes,
        "is_delivery",
    ];
    let records: Vec<Record> = lines
        .iter()
        .map(|line| {
            vec![vec![
                cell(ids.added_line(correlation, line)),
                cell(order.to_string()),
                cell(line.product.map(|p| p.to_string()).unwrap_or_default()),
                cell(&line.name),
                number(line.quantity),
                number(line.unit),
                number(line.percent),
                cell(&line.taxes),
                cell(if line.is_delivery { "True" } else { "" }),
            ]]
        })
        .collect();
    let results = load_each(
        api,
        "sale.order.line",
        &fields,
        &records,
        LoadMode::InsertOnly,
    );
    for result in results.await {
        result.map_err(|refusal| refusal.failure(api.erp))?;
    }
    Ok(())
}

async fn load_all(
    api: &Api<'_>,
    model: &'static str,
    fields: &[&str],
    records: &[Record],
) -> Result<(), Failure> {
    if records.is_empty() {
        return Ok(());
    }
    for result in load_each(api, model, fields, records, LoadMode::Update).await {
        result.map_err(|refusal| refusal.failure(api.erp))?;
    }
    Ok(())
}

/// A changed address is a record of its own: make it, and let the order and its open deliveries
/// point to it. Odoo only leaves a note on the deliveries, and does so even where nothing changed.
async fn move_address(
    api: &Api<'_>,
    row: &Found,
    partners: &Partners,
    transfers: &[Picking],
) -> Result<(), Failure> {
    let placed = load_partners(api, &[partners]).await.into_iter().next();
    let placed = placed
        .unwrap_or(Err(Refusal::Error(OdooError::OutOfTime)))
        .map_err(|refusal| refusal.failure(api.erp))?;
    let (invoice, shipping) = (Some(placed.invoice), Some(placed.shipping));
    if invoice != row.partner_invoice_id.0 {
        let record = vec![vec![id_cell(row.id), id_cell(placed.invoice)]];
        let fields = [".id", "partner_invoice_id/.id"];
        load_all(api, "sale.order", &fields, &[record]).await?;
    }
    if shipping == row.partner_shipping_id.0 {
        return Ok(());
    }
    let records: Vec<Record> = transfers
        .iter()
        .filter(|p| p.is_open() && p.is_outgoing())
        .map(|p| vec![vec![id_cell(p.id), id_cell(placed.shipping)]])
        .collect();
    load_all(api, "stock.picking", &[".id", "partner_id/.id"], &records).await?;
    // Last: a repeat looks here.
    let record = vec![vec![id_cell(row.id), id_cell(placed.shipping)]];
    let fields = [".id", "partner_shipping_id/.id"];
    load_all(api, "sale.order", &fields, &[record]).await
}

fn id_cell(id: i64) -> serde_json::Value {
    cell(id.to_string())
}

#[cfg(test)]
mod tests;

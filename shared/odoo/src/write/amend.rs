//! Bringing an order in Odoo to the channel's newest snapshot, as long as nothing has left.

mod lines;
mod settle;

use super::cancel::already_shipped;
use super::confirm::{cancelled, confirm};
use super::invoices::ensure_invoiced;
use super::load::{Record, Refusal, load_each};
use super::orders::look_up;
use super::partners::load_partners;
use super::resolve::{Effort, Found, not_in_erp, resolve};
use super::transfer::{Picking, moves, pickings};
use super::{Outcome, Task, Writer, references};
use crate::client::{Api, LoadMode};
use crate::error::{OdooError, rejected};
use crate::map::cell;
use crate::map::order::{Line, Wanted};
use crate::map::partner::Partners;
use crate::wire::Number;
use lines::{Changes, LineRow, compare, pairs, write_lines};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;
use settle::{follow_route, settle};
use waybill_model::failure::Failure;
use waybill_model::id::RefKind;
use waybill_model::order::{Order, OrderPayment};
use waybill_model::time::{DAY_MS, Instant};

/// Amends one order.
pub(crate) async fn amend(writer: Writer<'_>, task: Task<'_>) -> Outcome {
    // What is refunded from a paid order must have been invoiced: the credit note follows.
    let paid = matches!(
        task.order.payment,
        OrderPayment::Paid | OrderPayment::PartiallyRefunded | OrderPayment::Refunded
    );
    let bring = if paid { Bring::Paid } else { Bring::Unpaid };
    bring_to_now(writer, task, bring).await
}

/// The same for an order whose edit came before it was written. Reductions that were never paid for
/// are not invoiced; those that were refunded are, for their credit note follows.
///
/// A creation that comes twice must not take back an amendment that came after it: one that did
/// not confirm the order itself goes on only where the lines are still `as_placed`, as an attempt
/// that was cut after confirming leaves them.
pub(crate) async fn amend_new(
    writer: Writer<'_>,
    task: Task<'_>,
    as_placed: Option<&[Line]>,
) -> Outcome {
    bring_to_now(writer, task, Bring::New { as_placed }).await
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

async fn bring_to_now(writer: Writer<'_>, task: Task<'_>, bring: Bring<'_>) -> Outcome {
    let (api, order) = (writer.api, task.order);
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
    let plan = task.plan(api, &catalog, Wanted::Now)?;
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
    let quotation = matches!(row.state.as_str(), "draft" | "sent");
    let mut total = row.amount_total.0;
    follow_route(api, task, row, &transfers, &what).await?;
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
        total = row_total(api, row.id).await?;
    } else if api.settings.keep_order_date && row.state.as_str() == "sale" {
        // An attempt that was cut between the lines and the date left the confirmed one.
        let kept = order.placed_at.to_naive_utc();
        set_date(api, row.id, row.date_order.as_str(), &kept).await?;
    }
    let (matched, _, _) = pairs(&present, &plan.lines);
    let writable = !row.locked && !transfers.iter().any(|p| p.is_done() && p.is_outgoing());
    let terms = (writable && !invoiced).then_some(matched.as_slice());
    settle(api, order, &what, total, row.id, terms).await?;
    move_address(api, row, &plan.partners, &transfers).await?;
    if quotation {
        let mut confirmed = confirm(api, &[row.id], |_, _| true).await;
        if let Some(Err(failure)) = confirmed.remove(&row.id) {
            return Err(failure);
        }
        if api.settings.keep_order_date {
            let kept = order.placed_at.to_naive_utc();
            set_date(api, row.id, "as confirmed", &kept).await?;
        }
    }
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

#[derive(Deserialize)]
struct TotalRow {
    amount_total: Number,
}

/// The total as it is now.
async fn row_total(api: &Api<'_>, order: i64) -> Result<Decimal, Failure> {
    let rows: Vec<TotalRow> = api
        .read("sale.order", &[order], &["amount_total"])
        .await
        .map_err(|e| e.failure(api.erp))?;
    let gone = OdooError::Shape("the order that was just written is needed");
    let row = rows.first().ok_or_else(|| gone.failure(api.erp))?;
    Ok(row.amount_total.0)
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

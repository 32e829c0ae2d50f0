//! Invoices of orders and what reverses them (`account.move`).

use super::resolve::{Effort, Found, not_in_erp, resolve};
use crate::client::Api;
use crate::error::{OdooError, rejected};
use crate::wire::{Call, Number, Text, ToOne, one_id};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use waybill_model::failure::Failure;
use waybill_model::id::CorrelationId;

/// An invoice, a credit note, or what undoes one.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Move {
    pub(crate) id: i64,
    pub(crate) name: Text,
    pub(crate) state: Text,
    pub(crate) move_type: Text,
    #[serde(rename = "ref")]
    pub(crate) reference: Text,
    pub(crate) amount_total: Number,
    pub(crate) reversed_entry_id: ToOne,
    pub(crate) journal_id: ToOne,
}

impl Move {
    pub(crate) fn is_posted(&self) -> bool {
        self.state.as_str() == "posted"
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.state.as_str() == "cancel"
    }

    /// An invoice in its own right: what undoes a credit note is an invoice too, from 18 on.
    pub(crate) fn is_invoice(&self) -> bool {
        self.move_type.as_str() == "out_invoice" && self.reversed_entry_id.0.is_none()
    }

    pub(crate) fn is_credit_note(&self) -> bool {
        self.move_type.as_str() == "out_refund"
    }
}

pub(crate) const MOVE_FIELDS: [&str; 7] = [
    "name",
    "state",
    "move_type",
    "ref",
    "amount_total",
    "reversed_entry_id",
    "journal_id",
];

/// Invoices of an order, what reverses them, and what reverses that.
pub(crate) async fn moves(api: &Api<'_>, order: &Found) -> Result<Vec<Move>, OdooError> {
    all_moves(api, &order.invoice_ids).await
}

/// The same for the invoices of several orders, in one call or two.
pub(crate) async fn all_moves(api: &Api<'_>, ids: &[i64]) -> Result<Vec<Move>, OdooError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let domain = json!(["|", ["id", "in", ids], ["reversed_entry_id", "in", ids]]);
    let mut moves: Vec<Move> = api
        .search_read("account.move", domain, &MOVE_FIELDS)
        .await?;
    let credited: Vec<i64> = moves
        .iter()
        .filter(|m| m.is_credit_note())
        .map(|m| m.id)
        .collect();
    if !credited.is_empty() {
        let domain = json!([["reversed_entry_id", "in", credited]]);
        let undone: Vec<Move> = api
            .search_read("account.move", domain, &MOVE_FIELDS)
            .await?;
        let known: BTreeSet<i64> = moves.iter().map(|m| m.id).collect();
        moves.extend(undone.into_iter().filter(|m| !known.contains(&m.id)));
    }
    Ok(moves)
}

/// Those of them that are an order's own: its invoices, and what reverses these.
pub(crate) fn of_order<'a>(order: &Found, moves: &'a [Move]) -> Vec<&'a Move> {
    let mut ids: BTreeSet<i64> = order.invoice_ids.iter().copied().collect();
    // A reversal of a reversal is one step further.
    for _ in 0..2 {
        let more = moves
            .iter()
            .filter(|m| m.reversed_entry_id.0.is_some_and(|of| ids.contains(&of)));
        let more: Vec<i64> = more.map(|m| m.id).collect();
        ids.extend(more);
    }
    moves.iter().filter(|m| ids.contains(&m.id)).collect()
}

pub(crate) async fn order(api: &Api<'_>, correlation: CorrelationId) -> Result<Found, Failure> {
    let mut found = resolve(api, &[correlation], Effort::Thorough)
        .await
        .map_err(|e| e.failure(api.erp))?;
    found
        .remove(&correlation)
        .ok_or_else(|| not_in_erp(correlation))
}

/// The order's moves with at least one posted invoice among them.
pub(crate) async fn invoiced(
    api: &Api<'_>,
    correlation: CorrelationId,
    order_row: Found,
    known: Vec<Move>,
) -> Result<Vec<Move>, Failure> {
    let fail = |e: OdooError| e.failure(api.erp);
    if known.iter().any(|m| m.is_invoice() && m.is_posted()) {
        return Ok(known);
    }
    let drafts: Vec<i64> = known
        .iter()
        .filter(|m| m.is_invoice() && m.state.as_str() == "draft")
        .map(|m| m.id)
        .collect();
    if drafts.is_empty() {
        make_invoice(api, &order_row).await?;
    } else {
        post(api, &drafts).await.map_err(fail)?;
    }
    let again = order(api, correlation).await?;
    let known = moves(api, &again).await.map_err(fail)?;
    let drafts: Vec<i64> = known
        .iter()
        .filter(|m| m.is_invoice() && m.state.as_str() == "draft")
        .map(|m| m.id)
        .collect();
    if drafts.is_empty() {
        return Ok(known);
    }
    post(api, &drafts).await.map_err(fail)?;
    moves(api, &again).await.map_err(fail)
}

/// Makes sure that what the order holds now is invoiced, before quantities go down: what is
/// refunded must have been invoiced. Where the user may not invoice, or there is nothing to
/// invoice yet, the order is left as it is.
pub(crate) async fn ensure_invoiced(
    api: &Api<'_>,
    correlation: CorrelationId,
) -> Result<(), Failure> {
    let order = order(api, correlation).await?;
    let done = async {
        let known = moves(api, &order).await.map_err(|e| e.failure(api.erp))?;
        invoiced(api, correlation, order, known).await
    };
    match done.await {
        Ok(_) | Err(Failure::Rejected { .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Makes a draft invoice for each order: all, or none. Only what is to be invoiced is: goods that
/// were taken off an invoiced order are credited with their refund, and must not be twice.
pub(crate) async fn make_invoices(api: &Api<'_>, orders: &[i64]) -> Result<(), OdooError> {
    let wizard = Call::of("sale.advance.payment.inv", "create")
        .argument(
            "vals_list",
            json!({
                "advance_payment_method": "delivered",
                "sale_order_ids": [[6, 0, orders]],
                "consolidated_billing": false,
                "deduct_down_payments": false,
            }),
        )
        .context("active_model", json!("sale.order"))
        .context("active_ids", json!(orders));
    let wizard = one_id(&api.call(wizard).await?)?;
    let make = Call::on("sale.advance.payment.inv", "create_invoices", &[wizard]);
    api.call(api.quiet(make)).await.map(|_| ())
}

async fn make_invoice(api: &Api<'_>, order: &Found) -> Result<(), Failure> {
    match make_invoices(api, &[order.id]).await {
        Ok(()) => Ok(()),
        Err(OdooError::Fault(f)) if OdooError::Fault(f.clone()).is_about_records() => {
            Err(rejected(
                "nothing_to_invoice",
                format!(
                    "order `{}` cannot be invoiced: {}",
                    order.name.as_str(),
                    f.text()
                ),
                "register the delivery first if products are invoiced by delivered quantity, or invoice the order in Odoo by hand; then retry",
            ))
        }
        Err(error) => Err(error.failure(api.erp)),
    }
}

pub(crate) async fn reverse_move(api: &Api<'_>, of: &Move, reason: &str) -> Result<i64, OdooError> {
    let wizard = Call::of("account.move.reversal", "create")
        .argument(
            "vals_list",
            json!({ "reason": reason, "journal_id": of.journal_id.0 }),
        )
        .context("active_model", json!("account.move"))
        .context("active_ids", json!([of.id]));
    let wizard = one_id(&api.call(wizard).await?)?;
    let make = Call::on("account.move.reversal", "refund_moves", &[wizard]);
    let action = api.call(api.quiet(make)).await?;
    action
        .get("res_id")
        .and_then(Value::as_i64)
        .ok_or(OdooError::Shape("the reversal names no entry"))
}

/// Posts what is a draft. Odoo refuses what is posted already, so the states decide.
pub(crate) async fn post(api: &Api<'_>, ids: &[i64]) -> Result<(), OdooError> {
    let call = Call::on("account.move", "action_post", ids);
    let Err(error) = api.call(api.quiet(call)).await else {
        return Ok(());
    };
    let rows: Vec<Move> = api.read("account.move", ids, &MOVE_FIELDS).await?;
    if rows.len() == ids.len() && rows.iter().all(Move::is_posted) {
        return Ok(());
    }
    Err(error)
}

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
    if order.invoice_ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = &order.invoice_ids;
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

async fn make_invoice(api: &Api<'_>, order: &Found) -> Result<(), Failure> {
    let fail = |e: OdooError| e.failure(api.erp);
    let wizard = Call::of("sale.advance.payment.inv", "create")
        .argument(
            "vals_list",
            json!({
                "advance_payment_method": "delivered",
                "sale_order_ids": [[6, 0, [order.id]]],
            }),
        )
        .context("active_model", json!("sale.order"))
        .context("active_ids", json!([order.id]));
    let wizard = one_id(&api.call(wizard).await.map_err(fail)?).map_err(fail)?;
    let make = Call::on("sale.advance.payment.inv", "create_invoices", &[wizard]);
    match api.call(api.quiet(make)).await {
        Ok(_) => Ok(()),
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
        Err(error) => Err(fail(error)),
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

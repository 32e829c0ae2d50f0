//! Refunds → posted credit notes, to the cent; and undoing one whose refund failed later.
//!
//! A credit note needs an invoice: if none is posted, the order is invoiced first. The refund's id
//! stands as a mark, `[refund ID]`, in the reason of the reversal, which Odoo writes into the
//! credit note's reference, so that a repeat finds it at whatever step it was interrupted.

use super::invoices::{MOVE_FIELDS, Move, invoiced, moves, order, post, reverse_move};
use super::payments::take_back;
use super::trim::{Change, CreditLine, Target, trim};
use super::{Outcome, Writer, references};
use crate::client::Api;
use crate::error::{OdooError, rejected};
use crate::map::ids::{refund_mark, undo_mark};
use crate::map::order::product_of;
use crate::wire::{Call, float};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use waybill_model::command::{CreateCreditNote, ReverseCreditNote};
use waybill_model::failure::Failure;
use waybill_model::id::{CorrelationId, RefKind, Sku};

/// Credits a refund.
pub(crate) async fn create(
    writer: Writer<'_>,
    correlation: CorrelationId,
    command: &CreateCreditNote,
) -> Outcome {
    let api = writer.api;
    let fail = |e: OdooError| e.failure(api.erp);
    let order = order(api, correlation).await?;
    if order.currency_id.code() != command.amount.currency.as_str() {
        return Err(rejected(
            "refund_in_other_currency",
            format!(
                "refund `{}` is in `{}` and order `{}` in `{}`",
                command.refund_id,
                command.amount.currency,
                order.name.as_str(),
                order.currency_id.code()
            ),
            "make the credit note in Odoo by hand at the rate of the payment provider",
        ));
    }
    let digits = command.amount.currency.minor_digits();
    let wanted = command.amount.amount.decimal();
    let mark = refund_mark(&command.refund_id);
    let known = moves(api, &order).await.map_err(fail)?;
    let credit = known
        .iter()
        .find(|m| m.is_credit_note() && !m.is_cancelled() && m.reference.as_str().contains(&mark));
    let (credit, whole) = match credit {
        Some(credit) if credit.is_posted() => {
            return Ok(references(api, RefKind::AccountMove, &[credit.id]));
        }
        Some(draft) => {
            let invoice = known
                .iter()
                .find(|m| Some(m.id) == draft.reversed_entry_id.0);
            let whole = invoice.map_or(Decimal::ZERO, |i| i.amount_total.rounded(digits));
            (draft.id, whole)
        }
        None => {
            let billed = known.iter().any(|m| m.is_invoice() && m.is_posted());
            if order.state.as_str() == "cancel" && !billed {
                // Cancelled before anything was invoiced: there is nothing to credit.
                return Ok(Vec::new());
            }
            let known = invoiced(api, correlation, order, known).await?;
            let invoice = invoice_for(&known, wanted, digits, command)?;
            let credit = reverse_move(api, invoice, &mark).await.map_err(fail)?;
            (credit, invoice.amount_total.rounded(digits))
        }
    };
    settle(writer, command, credit, whole, digits).await?;
    post(api, &[credit]).await.map_err(fail)?;
    Ok(references(api, RefKind::AccountMove, &[credit]))
}

/// Undoes the credit note of a refund that failed. Without one there is nothing to undo.
pub(crate) async fn reverse(
    api: &Api<'_>,
    correlation: CorrelationId,
    command: &ReverseCreditNote,
) -> Outcome {
    let fail = |e: OdooError| e.failure(api.erp);
    let order = order(api, correlation).await?;
    // First: a credit note that is paid has nothing left to set its reversal off against.
    take_back(api, correlation, &command.refund_id)
        .await
        .map_err(fail)?;
    let mark = refund_mark(&command.refund_id);
    let known = moves(api, &order).await.map_err(fail)?;
    let Some(credit) = known
        .iter()
        .find(|m| m.is_credit_note() && m.reference.as_str().contains(&mark))
    else {
        return Ok(Vec::new());
    };
    if credit.is_cancelled() {
        return Ok(references(api, RefKind::AccountMove, &[credit.id]));
    }
    if !credit.is_posted() {
        let call = Call::on("account.move", "button_cancel", &[credit.id]);
        api.call(call).await.map_err(fail)?;
        return Ok(references(api, RefKind::AccountMove, &[credit.id]));
    }
    let undo = known
        .iter()
        .find(|m| m.reversed_entry_id.0 == Some(credit.id) && !m.is_cancelled());
    let undo = match undo {
        Some(undo) if undo.is_posted() => undo.id,
        Some(draft) => {
            post(api, &[draft.id]).await.map_err(fail)?;
            draft.id
        }
        None => {
            let id = reverse_move(api, credit, &undo_mark(&command.refund_id))
                .await
                .map_err(fail)?;
            post(api, &[id]).await.map_err(fail)?;
            id
        }
    };
    Ok(references(api, RefKind::AccountMove, &[undo]))
}

/// The posted invoice of which enough is not credited yet.
fn invoice_for<'a>(
    known: &'a [Move],
    wanted: Decimal,
    digits: u32,
    command: &CreateCreditNote,
) -> Result<&'a Move, Failure> {
    let total = |m: &Move| m.amount_total.rounded(digits);
    let reversing = |id: i64| {
        known
            .iter()
            .filter(move |m| m.reversed_entry_id.0 == Some(id) && !m.is_cancelled())
    };
    let free = |invoice: &Move| {
        let credited: Decimal = reversing(invoice.id)
            .filter(|credit| reversing(credit.id).next().is_none())
            .map(total)
            .sum();
        total(invoice) - credited
    };
    let invoices = || known.iter().filter(|m| m.is_invoice() && m.is_posted());
    if let Some(invoice) = invoices().find(|i| free(i) >= wanted) {
        return Ok(invoice);
    }
    let names: Vec<String> = invoices()
        .map(|i| format!("`{}` with {}", i.name.as_str(), free(i)))
        .collect();
    Err(rejected(
        "refund_above_invoice",
        format!(
            "refund `{}` of {} is more than any invoice of the order has left to credit: {}",
            command.refund_id,
            command.amount,
            names.join(", ")
        ),
        "check in Odoo whether the refund was credited by hand or the invoice is too low; make the credit note by hand if it is right",
    ))
}

/// Brings a draft credit note to the refund's amount.
async fn settle(
    writer: Writer<'_>,
    command: &CreateCreditNote,
    credit: i64,
    whole: Decimal,
    digits: u32,
) -> Result<(), Failure> {
    let api = writer.api;
    let fail = |e: OdooError| e.failure(api.erp);
    let wanted = command.amount.amount.decimal();
    let mut total = total_of(api, credit, digits).await.map_err(fail)?;
    if total == wanted {
        return Ok(());
    }
    let lines: Vec<CreditLine> = api
        .search_read(
            "account.move.line",
            json!([["move_id", "=", credit], ["display_type", "=", "product"]]),
            &[
                "product_id",
                "quantity",
                "price_unit",
                "discount",
                "price_total",
                "account_id",
                "tax_ids",
            ],
        )
        .await
        .map_err(fail)?;
    // A draft that is not whole was trimmed by an earlier attempt.
    if total == whole {
        let targets = targets(writer, command).await?;
        let changes =
            trim(&lines, &targets, wanted, digits).ok_or_else(|| mismatch(command, total))?;
        write_lines(api, credit, &changes).await.map_err(fail)?;
        total = total_of(api, credit, digits).await.map_err(fail)?;
    }
    let difference = wanted - total;
    if difference.is_zero() {
        return Ok(());
    }
    // Roundings of taxes: a cent or two a line. More is a mistake that no line may hide.
    let most = Decimal::new(2, digits) * Decimal::from(lines.len() + 1);
    let Some(base) = lines.first().filter(|_| difference.abs() <= most) else {
        return Err(mismatch(command, total));
    };
    let rounding = Change::Add {
        name: "Rounding".to_owned(),
        unit: difference,
        account: base.account_id.0,
        taxes: Vec::new(),
    };
    write_lines(api, credit, &[rounding]).await.map_err(fail)?;
    let total = total_of(api, credit, digits).await.map_err(fail)?;
    if total == wanted {
        Ok(())
    } else {
        Err(mismatch(command, total))
    }
}

fn mismatch(command: &CreateCreditNote, total: Decimal) -> Failure {
    rejected(
        "credit_note_mismatch",
        format!(
            "the draft credit note of refund `{}` comes to {total} and {} was paid back",
            command.refund_id, command.amount
        ),
        "correct the draft credit note in Odoo to the amount that was paid back, then retry: it is posted when it agrees",
    )
}

async fn total_of(api: &Api<'_>, credit: i64, digits: u32) -> Result<Decimal, OdooError> {
    let rows: Vec<Move> = api.read("account.move", &[credit], &MOVE_FIELDS).await?;
    rows.first()
        .map(|m| m.amount_total.rounded(digits))
        .ok_or(OdooError::Shape("the credit note is gone"))
}

/// What the refund says about goods and shipping, as products.
async fn targets(writer: Writer<'_>, command: &CreateCreditNote) -> Result<Vec<Target>, Failure> {
    let api = writer.api;
    let shipping = &api.settings.shipping_sku;
    let mut skus: BTreeSet<Sku> = command.lines.iter().filter_map(|l| l.sku.clone()).collect();
    skus.insert(shipping.clone());
    let catalog = writer
        .memory
        .catalog(api, &skus, &BTreeSet::new())
        .await
        .map_err(|e| e.failure(api.erp))?;
    let place = format!("refund `{}`", command.refund_id);
    let mut targets = Vec::new();
    for line in command.lines.iter().filter(|l| !l.quantity.is_zero()) {
        // Without a SKU the money is credited without goods.
        let Some(sku) = &line.sku else { continue };
        targets.push(Target {
            product: product_of(&catalog, sku, &place)?,
            quantity: line.quantity.decimal(),
            amount: line.amount.decimal(),
        });
    }
    if !command.shipping.is_zero() {
        targets.push(Target {
            product: product_of(&catalog, shipping, &place)?,
            quantity: Decimal::ONE,
            amount: command.shipping.decimal(),
        });
    }
    Ok(targets)
}

/// One write for all lines, so that it is done or not.
async fn write_lines(api: &Api<'_>, credit: i64, changes: &[Change]) -> Result<(), OdooError> {
    let commands: Vec<Value> = changes
        .iter()
        .map(|change| match change {
            Change::Set { id, quantity, unit } => json!([1, id, {
                "quantity": float(*quantity), "price_unit": float(*unit),
            }]),
            Change::Remove { id } => json!([2, id, 0]),
            Change::Add {
                name,
                unit,
                account,
                taxes,
            } => json!([0, 0, {
                "name": name, "quantity": 1, "price_unit": float(*unit),
                "account_id": account, "tax_ids": [[6, 0, taxes]],
            }]),
        })
        .collect();
    let call = Call::on("account.move", "write", &[credit])
        .argument("vals", json!({ "invoice_line_ids": commands }));
    api.call(api.quiet(call)).await.map(|_| ())
}

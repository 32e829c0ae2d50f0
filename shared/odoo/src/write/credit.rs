//! Refunds → posted credit notes, to the cent; and undoing one whose refund failed later.
//!
//! A credit note needs an invoice: if none is posted, the order is invoiced first. The refund's id
//! stands as a mark, `[refund ID]`, in the reason of the reversal, which Odoo writes into the
//! credit note's reference, so that a repeat finds it at whatever step it was interrupted. A refund
//! that no single invoice covers has a credit note on each, with `[refund ID part]`.

use super::invoices::{MOVE_FIELDS, Move, invoiced, moves, order, post, reverse_move};
use super::payments::take_back;
use super::resolve::Found;
use super::trim::{Change, CreditLine, Target, trim};
use super::{Outcome, Writer, references};
use crate::client::Api;
use crate::error::{OdooError, rejected};
use crate::map::ids::{refund_mark, refund_part_mark, undo_mark};
use crate::map::order::product_of;
use crate::wire::{Call, float};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use waybill_model::command::{CreateCreditNote, ReverseCreditNote};
use waybill_model::failure::Failure;
use waybill_model::id::{CorrelationId, ExternalId, RefKind, Sku};

/// Credits a refund.
pub(crate) async fn create(
    writer: Writer<'_>,
    correlation: CorrelationId,
    command: &CreateCreditNote,
) -> Outcome {
    let api = writer.api;
    let fail = |e: OdooError| e.failure(api.erp);
    let mut found = order(api, correlation).await?;
    if found.currency_id.code() != command.amount.currency.as_str() {
        return Err(rejected(
            "refund_in_other_currency",
            format!(
                "refund `{}` is in `{}` and order `{}` in `{}`",
                command.refund_id,
                command.amount.currency,
                found.name.as_str(),
                found.currency_id.code()
            ),
            "make the credit note in Odoo by hand at the rate of the payment provider",
        ));
    }
    let digits = command.amount.currency.minor_digits();
    let wanted = command.amount.amount.decimal();
    let marks = Marks::of(&command.refund_id);
    let mut known = moves(api, &found).await.map_err(fail)?;
    for _ in 0..MAX_NOTES {
        let notes: Vec<&Move> = marks.notes(&known).collect();
        let posted: Vec<i64> = notes
            .iter()
            .filter(|m| m.is_posted())
            .map(|m| m.id)
            .collect();
        let parts = notes.iter().filter(|m| m.is_posted());
        let parts: Decimal = parts.map(|m| m.amount_total.rounded(digits)).sum();
        let left = wanted - parts;
        if notes.iter().any(|m| m.is_posted() && marks.is_whole(m)) || left <= Decimal::ZERO {
            return Ok(references(api, RefKind::AccountMove, &posted));
        }
        let note = if let Some(draft) = notes.iter().find(|m| !m.is_posted()) {
            let invoice = known
                .iter()
                .find(|m| Some(m.id) == draft.reversed_entry_id.0);
            Note {
                id: draft.id,
                whole: invoice.map_or(Decimal::ZERO, |i| i.amount_total.rounded(digits)),
                amount: match invoice {
                    Some(invoice) if !marks.is_whole(draft) => {
                        left.min(free(&known, invoice, Some(draft.id), digits))
                    }
                    Some(_) | None => left,
                },
            }
        } else {
            let billed = known.iter().any(|m| m.is_invoice() && m.is_posted());
            if found.state.as_str() == "cancel" && !billed {
                return nothing_invoiced(&found, command);
            }
            known = invoiced(api, correlation, found.clone(), known).await?;
            let (invoice, amount) = invoice_for(&known, left, digits, command)?;
            let whole = amount == wanted;
            let mark = if whole { &marks.whole } else { &marks.part };
            Note {
                id: reverse_move(api, invoice, mark).await.map_err(fail)?,
                whole: invoice.amount_total.rounded(digits),
                amount,
            }
        };
        settle(writer, command, &note, digits).await?;
        post(api, &[note.id]).await.map_err(fail)?;
        if note.amount == wanted {
            return Ok(references(api, RefKind::AccountMove, &[note.id]));
        }
        found = order(api, correlation).await?;
        known = moves(api, &found).await.map_err(fail)?;
    }
    Err(OdooError::OutOfTime.failure(api.erp))
}

/// Cancelled before anything was invoiced: there is nothing to credit. But what somebody cancelled
/// by hand may be put right again and invoiced in full.
fn nothing_invoiced(found: &Found, command: &CreateCreditNote) -> Outcome {
    if !command.stands {
        return Ok(Vec::new());
    }
    Err(rejected(
        "order_cancelled",
        format!(
            "refund `{}` cannot be credited: order `{}` was cancelled in Odoo, and not by its channel",
            command.refund_id,
            found.name.as_str()
        ),
        "confirm the order in Odoo again, or cancel it in the shop too; then retry",
    ))
}

/// Most credit notes that one attempt makes for a refund.
const MAX_NOTES: usize = 12;

/// A draft credit note, the invoice that it reverses, and what it is to come to.
struct Note {
    id: i64,
    whole: Decimal,
    amount: Decimal,
}

/// What the credit notes of a refund are found by: the one of it all, or several of a part each,
/// where no single invoice covers it.
struct Marks {
    whole: String,
    part: String,
}

impl Marks {
    fn of(refund: &ExternalId) -> Self {
        Self {
            whole: refund_mark(refund),
            part: refund_part_mark(refund),
        }
    }

    fn is_whole(&self, note: &Move) -> bool {
        note.reference.as_str().contains(&self.whole)
    }

    fn notes<'a>(&'a self, known: &'a [Move]) -> impl Iterator<Item = &'a Move> {
        known.iter().filter(|m| {
            let marked = self.is_whole(m) || m.reference.as_str().contains(&self.part);
            marked && m.is_credit_note() && !m.is_cancelled()
        })
    }
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
    let marks = Marks::of(&command.refund_id);
    let known = moves(api, &order).await.map_err(fail)?;
    let mut undone = Vec::new();
    for note in known.iter().filter(|m| {
        let text = m.reference.as_str();
        m.is_credit_note() && (text.contains(&marks.whole) || text.contains(&marks.part))
    }) {
        undone.push(undo(api, &known, note, command).await.map_err(fail)?);
    }
    Ok(references(api, RefKind::AccountMove, &undone))
}

/// Undoes one credit note; what undid it.
async fn undo(
    api: &Api<'_>,
    known: &[Move],
    note: &Move,
    command: &ReverseCreditNote,
) -> Result<i64, OdooError> {
    if note.is_cancelled() {
        return Ok(note.id);
    }
    if !note.is_posted() {
        let call = Call::on("account.move", "button_cancel", &[note.id]);
        api.call(call).await?;
        return Ok(note.id);
    }
    let undo = known
        .iter()
        .find(|m| m.reversed_entry_id.0 == Some(note.id) && !m.is_cancelled());
    match undo {
        Some(undo) if undo.is_posted() => Ok(undo.id),
        Some(draft) => {
            post(api, &[draft.id]).await?;
            Ok(draft.id)
        }
        None => {
            let id = reverse_move(api, note, &undo_mark(&command.refund_id)).await?;
            post(api, &[id]).await?;
            Ok(id)
        }
    }
}

/// What of an invoice is not credited, but by the credit note `but`.
fn free(known: &[Move], invoice: &Move, but: Option<i64>, digits: u32) -> Decimal {
    let total = |m: &Move| m.amount_total.rounded(digits);
    let reversing = |id: i64| {
        known
            .iter()
            .filter(move |m| m.reversed_entry_id.0 == Some(id) && !m.is_cancelled())
    };
    let credited: Decimal = reversing(invoice.id)
        .filter(|credit| Some(credit.id) != but && reversing(credit.id).next().is_none())
        .map(total)
        .sum();
    total(invoice) - credited
}

/// The posted invoice of which enough is not credited yet; else the one of which most is, where
/// all together are enough. With how much of it is to be credited.
fn invoice_for<'a>(
    known: &'a [Move],
    wanted: Decimal,
    digits: u32,
    command: &CreateCreditNote,
) -> Result<(&'a Move, Decimal), Failure> {
    let free = |invoice: &Move| free(known, invoice, None, digits);
    let invoices = || known.iter().filter(|m| m.is_invoice() && m.is_posted());
    if let Some(invoice) = invoices().find(|i| free(i) >= wanted) {
        return Ok((invoice, wanted));
    }
    let all: Decimal = invoices().map(|i| free(i).max(Decimal::ZERO)).sum();
    if all >= wanted
        && let Some(invoice) = invoices().max_by_key(|i| free(i))
    {
        return Ok((invoice, free(invoice)));
    }
    let names: Vec<String> = invoices()
        .map(|i| format!("`{}` with {}", i.name.as_str(), free(i)))
        .collect();
    Err(rejected(
        "refund_above_invoice",
        format!(
            "refund `{}` of {} is more than the invoices of the order have left to credit: {}",
            command.refund_id,
            command.amount,
            names.join(", ")
        ),
        "check in Odoo whether the refund was credited by hand or the invoice is too low; make the credit note by hand if it is right",
    ))
}

/// Brings a draft credit note to its amount.
async fn settle(
    writer: Writer<'_>,
    command: &CreateCreditNote,
    note: &Note,
    digits: u32,
) -> Result<(), Failure> {
    let api = writer.api;
    let fail = |e: OdooError| e.failure(api.erp);
    let Note {
        id: credit,
        whole,
        amount: wanted,
    } = *note;
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
        .products(api, skus)
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

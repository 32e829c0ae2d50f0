//! Refunds: of `refunds/create` and of an order's `refunds`, read alike.

use super::money::{self, Purse};
use super::order::sku;
use crate::shopify::wire::{MoneySet, WireAdjustment, WireRefund, WireRefundLine, WireTransaction};
use crate::webhook::Unreadable;
use rust_decimal::Decimal;
use waybill_flow::connections::Connection;
use waybill_model::id::{ExternalId, LineId};
use waybill_model::money::{Amount, Currency, Money};
use waybill_model::party::clean;
use waybill_model::payment::{Refund, RefundLine, RefundStatus};
use waybill_model::time::Instant;

/// What surrounds a refund.
pub(super) struct Context<'a> {
    pub(super) connection: &'a Connection,
    /// The order's, where the refund stands in its order.
    pub(super) currency: Option<Currency>,
    /// The order's, where the refund stands in its order.
    pub(super) taxes_included: Option<bool>,
}

/// What a refund says.
pub(super) enum Reading {
    Fact(Box<Refund>, Option<Instant>),
    /// Goods were taken off an order and no money is due: the order itself tells it.
    NoMoney,
    /// How much is due cannot be told without knowing whether prices contain tax. The order,
    /// which Shopify sends on the same change, tells it.
    NeedsOrder,
}

/// A part of the sum with the tax on it.
struct Part {
    amount: Amount,
    tax: Amount,
}

pub(super) fn refund(context: &Context<'_>, wire: &WireRefund) -> Result<Reading, Unreadable> {
    let purse = Purse {
        currency: context.currency.map_or_else(|| currency(wire), Ok)?,
    };
    let items = wire.refund_line_items.as_deref().unwrap_or_default();
    let adjustments = wire.order_adjustments.as_deref().unwrap_or_default();
    let lines = line_parts(purse, items)?;
    let mut parts = Vec::new();
    let mut shipping_parts = Vec::new();
    for (i, adjustment) in adjustments.iter().enumerate() {
        let part = adjustment_part(purse, i, adjustment)?;
        if adjustment.kind.as_deref() == Some("shipping_refund") {
            shipping_parts.push(part);
        } else {
            parts.push(part);
        }
    }
    if shipping_parts.is_empty() {
        shipping_parts = shipping_of_lines(purse, wire)?;
    }
    let all = || lines.iter().chain(&shipping_parts).chain(&parts);
    let sum = |included: bool| purse.sum("refund_line_items", all().map(|p| p.total(included)));

    let moved = moved(purse, wire.transactions.as_deref().unwrap_or_default())?;
    let included = if all().all(|p| p.tax.is_zero()) {
        Some(false)
    } else if context.taxes_included.is_some() {
        context.taxes_included
    } else {
        let by_money = match &moved {
            Moved::Money { amount, .. } if sum(false)? == *amount => Some(false),
            Moved::Money { amount, .. } if sum(true)? == *amount => Some(true),
            _ => None,
        };
        by_money
            .or_else(|| by_rates(items, &lines))
            .or_else(|| setting(context))
    };
    let (status, amount) = match (moved, included) {
        (Moved::Money { status, amount }, _) => (status, amount),
        (Moved::OtherCurrency { status }, Some(included)) => (status, sum(included)?),
        (Moved::Nothing, Some(included)) => (RefundStatus::Requested, sum(included)?),
        (Moved::Void, _) => return Ok(Reading::NoMoney),
        (_, None) => return Ok(Reading::NeedsOrder),
    };
    if amount.is_zero() || amount.is_negative() {
        return Ok(Reading::NoMoney);
    }
    let included = included.unwrap_or(false);
    let (at, version) = version(wire)?;
    let refund = Refund {
        id: ExternalId::new(&wire.id.0)
            .map_err(|e| Unreadable::new("bad_id", format!("at `id`: {e}")))?,
        source: context.connection.id.clone(),
        gateway_id: gateway_id(wire),
        // Shopify names its own transaction here, not the gateway's payment.
        payment_id: None,
        status,
        amount: Money::new(amount, purse.currency),
        lines: refund_lines(items, &lines, included)?,
        shipping: purse.sum(
            "order_adjustments",
            shipping_parts.iter().map(|p| p.total(included)),
        )?,
        version,
        refunded_at: (status == RefundStatus::Succeeded).then_some(at),
    };
    Ok(Reading::Fact(Box::new(refund), Some(at)))
}

impl Part {
    /// With the tax in it, whether the amount contains it or not.
    fn total(&self, included: bool) -> Amount {
        if included {
            self.amount
        } else {
            self.amount.plus(self.tax).unwrap_or(self.amount)
        }
    }
}

fn version(wire: &WireRefund) -> Result<(Instant, waybill_model::order::Version), Unreadable> {
    // A refund has no instant of change; its transactions move on after it.
    let transactions = wire.transactions.as_deref().unwrap_or_default();
    let instants = [wire.processed_at.as_deref(), wire.created_at.as_deref()];
    let of_transactions = transactions
        .iter()
        .flat_map(|t| [t.processed_at.as_deref(), t.created_at.as_deref()]);
    money::newest("processed_at", instants.into_iter().chain(of_transactions))?.ok_or_else(|| {
        Unreadable::new("no_version", "at `processed_at`: the refund has no instant")
    })
}

/// The shop's currency, as any amount of the body names it.
fn currency(wire: &WireRefund) -> Result<Currency, Unreadable> {
    let items = wire.refund_line_items.as_deref().unwrap_or_default();
    let adjustments = wire.order_adjustments.as_deref().unwrap_or_default();
    let shipping = wire.refund_shipping_lines.as_deref().unwrap_or_default();
    let transactions = wire.transactions.as_deref().unwrap_or_default();
    let of_set = |s: Option<&MoneySet>| s?.shop_money.as_ref()?.currency_code.clone();
    items
        .iter()
        .find_map(|l| of_set(l.subtotal_set.as_ref()))
        .or_else(|| {
            adjustments
                .iter()
                .find_map(|a| of_set(a.amount_set.as_ref()))
        })
        .or_else(|| {
            shipping
                .iter()
                .find_map(|s| of_set(s.subtotal_amount_set.as_ref()))
        })
        .or_else(|| transactions.iter().find_map(|t| t.currency.clone()))
        .ok_or_else(|| {
            Unreadable::new("bad_currency", "no amount of the refund names its currency")
        })
        .and_then(|code| money::currency("refund_line_items[0].subtotal_set", &code))
}

fn line_parts(purse: Purse, items: &[WireRefundLine]) -> Result<Vec<Part>, Unreadable> {
    let mut parts = Vec::with_capacity(items.len());
    for (i, line) in items.iter().enumerate() {
        let path = format!("refund_line_items[{i}]");
        parts.push(Part {
            amount: purse.need(
                &format!("{path}.subtotal"),
                line.subtotal.as_ref(),
                line.subtotal_set.as_ref(),
            )?,
            tax: purse.or_zero(
                &format!("{path}.total_tax"),
                line.total_tax.as_ref(),
                line.total_tax_set.as_ref(),
            )?,
        });
    }
    Ok(parts)
}

/// Adjustments are negative where money goes to the customer; here it is positive.
fn adjustment_part(purse: Purse, i: usize, wire: &WireAdjustment) -> Result<Part, Unreadable> {
    let path = format!("order_adjustments[{i}]");
    let negated = |amount| purse.less(&path, Amount::ZERO, amount);
    Ok(Part {
        amount: negated(purse.need(
            &format!("{path}.amount"),
            wire.amount.as_ref(),
            wire.amount_set.as_ref(),
        )?)?,
        tax: negated(purse.or_zero(
            &format!("{path}.tax_amount"),
            wire.tax_amount.as_ref(),
            wire.tax_amount_set.as_ref(),
        )?)?,
    })
}

/// Newer bodies repeat the shipping here; it is read only where no adjustment tells it.
fn shipping_of_lines(purse: Purse, wire: &WireRefund) -> Result<Vec<Part>, Unreadable> {
    let mut parts = Vec::new();
    let lines = wire.refund_shipping_lines.as_deref().unwrap_or_default();
    for (i, line) in lines.iter().enumerate() {
        let path = format!("refund_shipping_lines[{i}].subtotal_amount");
        parts.push(Part {
            amount: purse.or_zero(&path, None, line.subtotal_amount_set.as_ref())?,
            tax: Amount::ZERO,
        });
    }
    Ok(parts)
}

/// What the transactions say.
enum Moved {
    /// There are none.
    Nothing,
    /// Only a reservation was dropped.
    Void,
    Money {
        status: RefundStatus,
        amount: Amount,
    },
    /// Money in the customer's currency: only the parts tell how much it is in the shop's.
    OtherCurrency { status: RefundStatus },
}

fn moved(purse: Purse, transactions: &[WireTransaction]) -> Result<Moved, Unreadable> {
    if transactions.is_empty() {
        return Ok(Moved::Nothing);
    }
    let refunds: Vec<(usize, &WireTransaction)> = transactions
        .iter()
        .enumerate()
        .filter(|(_, t)| t.kind.as_deref() == Some("refund"))
        .collect();
    if refunds.is_empty() {
        return Ok(Moved::Void);
    }
    let is = |t: &WireTransaction, status: &str| t.status.as_deref() == Some(status);
    let failed = |t: &WireTransaction| is(t, "failure") || is(t, "error");
    let status = if refunds.iter().all(|(_, t)| failed(t)) {
        RefundStatus::Failed
    } else if refunds.iter().all(|(_, t)| is(t, "success") || failed(t)) {
        RefundStatus::Succeeded
    } else {
        RefundStatus::Pending
    };
    // Of several, what failed did not move.
    let counted = |t: &WireTransaction| status == RefundStatus::Failed || !failed(t);
    let mut amounts = Vec::new();
    for (i, transaction) in refunds {
        if let Some(code) = transaction.currency.as_deref()
            && money::currency(&format!("transactions[{i}].currency"), code)? != purse.currency
        {
            return Ok(Moved::OtherCurrency { status });
        }
        if counted(transaction) {
            let path = format!("transactions[{i}].amount");
            amounts.push(purse.need(&path, transaction.amount.as_ref(), None)?);
        }
    }
    let amount = purse.sum("transactions", amounts)?;
    Ok(Moved::Money { status, amount })
}

/// Tells by a line's own tax rates whether its subtotal contains the tax: `s × r` if it does not,
/// `s × r / (1 + r)` if it does. Absent where no line decides it to the cent.
fn by_rates(items: &[WireRefundLine], parts: &[Part]) -> Option<bool> {
    let mut verdict = None;
    for (line, part) in items.iter().zip(parts) {
        let taxes = line.line_item.as_ref()?.tax_lines.as_deref()?;
        let mut rate = Decimal::ZERO;
        for tax in taxes {
            rate = rate.checked_add(money::rate("rate", tax.rate.as_ref()).ok()?.decimal())?;
        }
        if part.tax.is_zero() || rate.is_zero() {
            continue;
        }
        let before = part.amount.decimal().checked_mul(rate)?;
        let contained = before.checked_div(Decimal::ONE.checked_add(rate)?)?;
        // Tax is rounded a unit or a line at a time.
        let tolerance = Decimal::new(2, 2).checked_mul(Decimal::from(taxes.len()))?;
        let near = |expected: Decimal| (part.tax.decimal() - expected).abs() <= tolerance;
        let this = match (near(before), near(contained)) {
            (true, false) => false,
            (false, true) => true,
            _ => continue,
        };
        if verdict.is_some_and(|v| v != this) {
            return None;
        }
        verdict = Some(this);
    }
    verdict
}

fn setting(context: &Context<'_>) -> Option<bool> {
    let text = context.connection.settings.get("taxes_included")?;
    text.trim().parse().ok()
}

fn refund_lines(
    items: &[WireRefundLine],
    parts: &[Part],
    included: bool,
) -> Result<Vec<RefundLine>, Unreadable> {
    let mut lines = Vec::with_capacity(items.len());
    for (i, (wire, part)) in items.iter().zip(parts).enumerate() {
        let path = format!("refund_line_items[{i}]");
        let item = wire.line_item.as_ref();
        // Older bodies do not say whether the goods had left.
        let unshipped = item.is_none_or(|l| clean(l.fulfillment_status.as_deref()).is_none());
        lines.push(RefundLine {
            line_id: LineId::new(&wire.line_item_id.0)
                .map_err(|e| Unreadable::new("bad_id", format!("at `{path}.line_item_id`: {e}")))?,
            sku: sku(item.and_then(|l| l.sku.as_deref())),
            quantity: money::quantity(&format!("{path}.quantity"), wire.quantity)?,
            amount: part.total(included),
            restock: match wire.restock_type.as_deref() {
                Some("cancel") => true,
                Some("legacy_restock") => unshipped,
                _ => false,
            },
        });
    }
    Ok(lines)
}

/// The gateway's id, where exactly one transaction names one.
fn gateway_id(wire: &WireRefund) -> Option<ExternalId> {
    let transactions = wire.transactions.as_deref().unwrap_or_default();
    let mut refunds = transactions
        .iter()
        .filter(|t| t.kind.as_deref() == Some("refund"));
    let (Some(only), None) = (refunds.next(), refunds.next()) else {
        return None;
    };
    ExternalId::new(clean(only.authorization.as_deref())?).ok()
}

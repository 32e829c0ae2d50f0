//! The order.

use super::money::{self, Purse};
use crate::shopify::verify::TRIGGERED_AT;
use crate::shopify::wire::{
    Number, WireAddress, WireAllocation, WireLine, WireOrder, WireShippingLine, WireTax,
};
use crate::webhook::Unreadable;
use waybill_flow::connections::Connection;
use waybill_model::delivery::Delivery;
use waybill_model::id::{ChannelOrderId, ExternalId, LineId, OrderNumber, Sku, TextError};
use waybill_model::money::Amount;
use waybill_model::order::{
    Cancellation, Order, OrderLine, OrderPayment, ShippingLine, Tax, Totals, Version,
};
use waybill_model::party::{Address, Customer, clean};
use waybill_model::time::Instant;

/// Most lines of one order: Shopify's own limit for one checkout.
const MAX_LINES: usize = 500;

/// When Shopify last changed the order.
pub(super) fn updated_at(wire: &WireOrder) -> Result<Instant, Unreadable> {
    let text = wire.updated_at.as_deref().ok_or_else(|| {
        Unreadable::new(
            "no_version",
            "at `updated_at`: it is missing, so the order cannot be put in sequence",
        )
    })?;
    money::instant("updated_at", text)
}

/// A second, in microseconds.
const SECOND_US: i64 = 1_000_000;

/// What puts snapshots in sequence: when Shopify last changed the order, in whole seconds, and within that second when it was
/// told. An order is often placed, paid and edited in one second.
///
/// The instant of telling is a header, which nobody signs: who forges it chooses between two true bodies of one second.
fn version(delivery: &Delivery, wire: &WireOrder) -> Result<Version, Unreadable> {
    let updated = updated_at(wire)?;
    let told = delivery.headers.get(TRIGGERED_AT);
    let told = told.and_then(|text| Instant::parse(text).ok());
    let into_us = told.map_or(0, |at| at.epoch_us().saturating_sub(updated.epoch_us()));
    let Version(whole) = Version::from(updated);
    Ok(Version(
        whole.saturating_add(into_us.clamp(0, SECOND_US - 1)),
    ))
}

/// The order of a delivery.
///
/// # Errors
/// What is missing or no such value, and where.
pub(super) fn order(
    connection: &Connection,
    delivery: &Delivery,
    wire: &WireOrder,
) -> Result<Order, Unreadable> {
    let code = wire
        .currency
        .as_deref()
        .ok_or_else(|| Unreadable::new("bad_currency", "at `currency`: it is missing"))?;
    let currency = money::currency("currency", code)?;
    let purse = Purse { currency };
    let taxes_included = wire.taxes_included.unwrap_or(false);
    // A subscription can leave fields out; an order without its lines would be taken for an
    // emptied one.
    let items = wire.line_items.as_deref().ok_or_else(|| {
        Unreadable::new(
            "missing_lines",
            "at `line_items`: it is missing; let the webhook subscription send every field",
        )
    })?;
    if items.len() > MAX_LINES {
        return Err(Unreadable::new(
            "too_many_lines",
            format!("at `line_items`: more than {MAX_LINES} lines"),
        ));
    }
    let (lines, tip_lines) = lines(purse, items)?;
    let shipping_lines = shipping_lines(purse, wire)?;
    let stated_tip = purse.or_zero("total_tip_received", wire.total_tip_received.as_ref(), None)?;
    let tip = if stated_tip.is_zero() {
        tip_lines
    } else {
        stated_tip
    };
    let totals = totals(purse, wire, &lines, &shipping_lines)?;
    let placed = [wire.processed_at.as_deref(), wire.created_at.as_deref()];
    let placed = placed
        .into_iter()
        .flatten()
        .next()
        .ok_or_else(|| Unreadable::new("bad_instant", "at `created_at`: it is missing"))?;
    Ok(Order {
        channel: connection.id.clone(),
        id: ChannelOrderId::new(&wire.id.0).map_err(|e| bad_id("id", &e))?,
        number: number(wire)?,
        version: version(delivery, wire)?,
        placed_at: money::instant("created_at", placed)?,
        test: wire.test.unwrap_or(false),
        currency,
        taxes_included,
        payment: payment(wire.financial_status.as_deref())?,
        cancelled: cancellation(wire)?,
        customer: customer(wire)?,
        billing: wire.billing_address.as_ref().and_then(address),
        shipping: wire.shipping_address.as_ref().and_then(address),
        rounding: rounding(purse, wire, taxes_included, tip, &totals)?,
        lines,
        shipping_lines,
        // Transactions are not in the order, so what a gift card paid is not known here; the
        // total is the same, because a gift card is a payment.
        gift_card_paid: Amount::ZERO,
        tip,
        totals,
        note: clean(wire.note.as_deref()),
    })
}

fn bad_id(path: &str, error: &TextError) -> Unreadable {
    Unreadable::new("bad_id", format!("at `{path}`: {error}"))
}

fn number(wire: &WireOrder) -> Result<OrderNumber, Unreadable> {
    let text = clean(wire.name.as_deref())
        .or_else(|| wire.order_number.as_ref().map(|Number(n)| format!("#{n}")))
        .unwrap_or_else(|| wire.id.0.clone());
    OrderNumber::new(text).map_err(|e| bad_id("name", &e))
}

/// Shopify's `financial_status`; null is an order that nothing was paid for.
fn payment(status: Option<&str>) -> Result<OrderPayment, Unreadable> {
    Ok(match status {
        None | Some("" | "pending" | "unpaid") => OrderPayment::Pending,
        Some("authorized") => OrderPayment::Authorized,
        Some("partially_paid") => OrderPayment::PartiallyPaid,
        Some("paid") => OrderPayment::Paid,
        Some("partially_refunded") => OrderPayment::PartiallyRefunded,
        Some("refunded") => OrderPayment::Refunded,
        // An expired reservation is gone, as a voided one is.
        Some("voided" | "expired") => OrderPayment::Voided,
        Some(_) => {
            return Err(Unreadable::new(
                "unknown_payment_status",
                "at `financial_status`: not one of the states that Shopify documents",
            ));
        }
    })
}

fn cancellation(wire: &WireOrder) -> Result<Option<Cancellation>, Unreadable> {
    // `cancel_reason` alone says nothing: examples carry one without `cancelled_at`.
    let Some(at) = clean(wire.cancelled_at.as_deref()) else {
        return Ok(None);
    };
    Ok(Some(Cancellation {
        at: money::instant("cancelled_at", &at)?,
        reason: clean(wire.cancel_reason.as_deref()),
    }))
}

fn customer(wire: &WireOrder) -> Result<Option<Customer>, Unreadable> {
    let known = wire.customer.as_ref();
    let email = [
        wire.email.as_deref(),
        wire.contact_email.as_deref(),
        known.and_then(|c| c.email.as_deref()),
    ]
    .into_iter()
    .find_map(clean)
    .map(|e| e.to_lowercase());
    let phone = [
        wire.phone.as_deref(),
        known.and_then(|c| c.phone.as_deref()),
    ]
    .into_iter()
    .find_map(clean);
    let billing = wire.billing_address.as_ref();
    let name = known
        .and_then(|c| full_name(c.first_name.as_deref(), c.last_name.as_deref()))
        .or_else(|| billing.and_then(address).and_then(|a| a.name));
    let id = known
        .and_then(|c| c.id.as_ref())
        .map(|id| ExternalId::new(&id.0).map_err(|e| bad_id("customer.id", &e)))
        .transpose()?;
    if id.is_none() && email.is_none() && phone.is_none() && name.is_none() {
        return Ok(None);
    }
    Ok(Some(Customer {
        id,
        name,
        email,
        phone,
        // Shopify names a company on addresses, not on the customer.
        company: billing.and_then(|a| clean(a.company.as_deref())),
        tax_id: None,
    }))
}

fn full_name(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let parts: Vec<String> = [first, last].into_iter().filter_map(clean).collect();
    clean(Some(&parts.join(" ")))
}

/// Absent if nothing is in it.
fn address(wire: &WireAddress) -> Option<Address> {
    let country = clean(wire.country_code.as_deref())
        .map(|c| c.to_ascii_uppercase())
        .filter(|c| c.len() == 2 && c.bytes().all(|b| b.is_ascii_uppercase()));
    let address = Address {
        name: clean(wire.name.as_deref())
            .or_else(|| full_name(wire.first_name.as_deref(), wire.last_name.as_deref())),
        company: clean(wire.company.as_deref()),
        street: clean(wire.address1.as_deref()),
        street2: clean(wire.address2.as_deref()),
        city: clean(wire.city.as_deref()),
        zip: clean(wire.zip.as_deref()),
        region: clean(wire.province_code.as_deref()).or_else(|| clean(wire.province.as_deref())),
        country,
        phone: clean(wire.phone.as_deref()),
    };
    let filled = [
        &address.name,
        &address.company,
        &address.street,
        &address.city,
        &address.zip,
        &address.country,
    ];
    filled.iter().any(|f| f.is_some()).then_some(address)
}

/// The lines of goods, and what the lines of tips come to: a tip is a line without goods, and not
/// in the subtotal.
fn lines(purse: Purse, items: &[WireLine]) -> Result<(Vec<OrderLine>, Amount), Unreadable> {
    let mut lines = Vec::with_capacity(items.len());
    let mut tips = Vec::new();
    for (i, wire) in items.iter().enumerate() {
        let path = format!("line_items[{i}]");
        let price_path = format!("{path}.price");
        let price = purse.need(&price_path, wire.price.as_ref(), wire.price_set.as_ref())?;
        if wire.tip_payment_gateway.is_some() || wire.tip_payment_method.is_some() {
            tips.push(price);
            continue;
        }
        let quantity = money::quantity(&format!("{path}.quantity"), wire.quantity)?;
        let current_quantity = match wire.current_quantity {
            Some(units) => money::quantity(&format!("{path}.current_quantity"), units)?,
            None => quantity,
        };
        let gift_card = wire.gift_card.unwrap_or(false);
        let allocated = allocations(purse, &path, wire.discount_allocations.as_deref())?;
        let discount = match allocated {
            Some(sum) => sum,
            None => purse.or_zero(
                &format!("{path}.total_discount"),
                wire.total_discount.as_ref(),
                wire.total_discount_set.as_ref(),
            )?,
        };
        lines.push(OrderLine {
            id: LineId::new(&wire.id.0).map_err(|e| bad_id(&format!("{path}.id"), &e))?,
            sku: sku(wire.sku.as_deref()),
            title: clean(wire.name.as_deref())
                .or_else(|| clean(wire.title.as_deref()))
                .unwrap_or_default(),
            quantity,
            current_quantity,
            unit_price: price,
            discount,
            taxes: taxes(purse, &path, wire.tax_lines.as_deref())?,
            requires_shipping: wire.requires_shipping.unwrap_or(!gift_card),
            gift_card,
        });
    }
    Ok((lines, purse.sum("line_items", tips)?))
}

/// A SKU that no system could hold is as good as none: validation names the line.
pub(super) fn sku(text: Option<&str>) -> Option<Sku> {
    text.and_then(|t| Sku::new(t).ok())
}

/// What `discount_allocations` come to; absent if there are none, for then only older fields can
/// tell.
fn allocations(
    purse: Purse,
    path: &str,
    wire: Option<&[WireAllocation]>,
) -> Result<Option<Amount>, Unreadable> {
    let Some(wire) = wire.filter(|w| !w.is_empty()) else {
        return Ok(None);
    };
    let mut amounts = Vec::with_capacity(wire.len());
    for (i, allocation) in wire.iter().enumerate() {
        amounts.push(purse.need(
            &format!("{path}.discount_allocations[{i}].amount"),
            allocation.amount.as_ref(),
            allocation.amount_set.as_ref(),
        )?);
    }
    purse
        .sum(&format!("{path}.discount_allocations"), amounts)
        .map(Some)
}

fn taxes(purse: Purse, path: &str, wire: Option<&[WireTax]>) -> Result<Vec<Tax>, Unreadable> {
    let mut taxes = Vec::new();
    for (i, tax) in wire.unwrap_or_default().iter().enumerate() {
        let path = format!("{path}.tax_lines[{i}]");
        taxes.push(Tax {
            title: clean(tax.title.as_deref()).unwrap_or_default(),
            rate: money::rate(&format!("{path}.rate"), tax.rate.as_ref())?,
            amount: purse.need(
                &format!("{path}.price"),
                tax.price.as_ref(),
                tax.price_set.as_ref(),
            )?,
        });
    }
    Ok(taxes)
}

fn shipping_lines(purse: Purse, wire: &WireOrder) -> Result<Vec<ShippingLine>, Unreadable> {
    let mut lines = Vec::new();
    let wire = wire.shipping_lines.as_deref().unwrap_or_default();
    for (i, line) in wire.iter().enumerate() {
        if line.is_removed == Some(true) {
            continue;
        }
        let path = format!("shipping_lines[{i}]");
        let price_path = format!("{path}.price");
        let price = purse.need(&price_path, line.price.as_ref(), line.price_set.as_ref())?;
        let title = clean(line.title.as_deref()).unwrap_or_default();
        lines.push(ShippingLine {
            method: clean(line.code.as_deref()).unwrap_or_else(|| title.clone()),
            title,
            price,
            discount: shipping_discount(purse, &path, price, line)?,
            taxes: taxes(purse, &path, line.tax_lines.as_deref())?,
        });
    }
    Ok(lines)
}

fn shipping_discount(
    purse: Purse,
    path: &str,
    price: Amount,
    line: &WireShippingLine,
) -> Result<Amount, Unreadable> {
    if let Some(sum) = allocations(purse, path, line.discount_allocations.as_deref())? {
        return Ok(sum);
    }
    let discounted = purse.find(
        &format!("{path}.discounted_price"),
        line.discounted_price.as_ref(),
        line.discounted_price_set.as_ref(),
    )?;
    match discounted {
        Some(discounted) => purse.less(path, price, discounted),
        None => Ok(Amount::ZERO),
    }
}

fn totals(
    purse: Purse,
    wire: &WireOrder,
    lines: &[OrderLine],
    shipping: &[ShippingLine],
) -> Result<Totals, Unreadable> {
    let shipping_total = shipping
        .iter()
        .map(|s| purse.less("shipping_lines", s.price, s.discount))
        .collect::<Result<Vec<_>, _>>()?;
    let tax = purse.find(
        "total_tax",
        wire.total_tax.as_ref(),
        wire.total_tax_set.as_ref(),
    )?;
    let tax = match tax {
        Some(tax) => tax,
        None => {
            let of_lines = lines.iter().flat_map(|l| &l.taxes);
            let of_shipping = shipping.iter().flat_map(|s| &s.taxes);
            purse.sum("total_tax", of_lines.chain(of_shipping).map(|t| t.amount))?
        }
    };
    Ok(Totals {
        subtotal: purse.need(
            "subtotal_price",
            wire.subtotal_price.as_ref(),
            wire.subtotal_price_set.as_ref(),
        )?,
        shipping: purse.sum("shipping_lines", shipping_total)?,
        tax,
        total: purse.need(
            "total_price",
            wire.total_price.as_ref(),
            wire.total_price_set.as_ref(),
        )?,
    })
}

/// A cash payment is rounded, and whether the order's total is too is not documented: it counts
/// as the difference between parts and total only where the parts do not add up without it.
fn rounding(
    purse: Purse,
    wire: &WireOrder,
    taxes_included: bool,
    tip: Amount,
    totals: &Totals,
) -> Result<Amount, Unreadable> {
    let path = "total_cash_rounding_payment_adjustment";
    let set = wire.total_cash_rounding_payment_adjustment_set.as_ref();
    let stated = purse.or_zero(path, None, set)?;
    let tax = if taxes_included {
        Amount::ZERO
    } else {
        totals.tax
    };
    let parts = purse.sum("total_price", [totals.subtotal, totals.shipping, tax, tip])?;
    Ok(if parts == totals.total {
        Amount::ZERO
    } else {
        stated
    })
}

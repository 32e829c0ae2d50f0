//! Orders → rows of `sale.order` with their lines.

use super::ids::{Ids, order_origin};
use super::partner::{Partners, partners};
use super::price::{price, round};
use super::tax::tax_cell;
use crate::catalog::{Catalog, Product};
use crate::error::rejected;
use crate::session::Places;
use rust_decimal::Decimal;
use std::collections::BTreeSet;
use waybill_flow::connections::{ErpSettings, TotalsPolicy};
use waybill_model::failure::Failure;
use waybill_model::id::{CorrelationId, Sku};
use waybill_model::money::Amount;
use waybill_model::order::{Order, OrderLine, ShippingLine, Tax};

/// Which of a line's quantities count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// As the customer placed the order: what its totals are about.
    AsPlaced,
    /// What is still wanted after edits, refunds and cancels.
    Now,
}

/// One line as Odoo is told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// What it is for: the same in every plan of the order, and no other line's.
    pub(crate) key: String,
    /// Database id; none for a note.
    pub(crate) product: Option<i64>,
    /// What the product was found by.
    pub(crate) sku: Option<Sku>,
    pub(crate) name: String,
    pub(crate) quantity: Decimal,
    pub(crate) unit: Decimal,
    pub(crate) percent: Decimal,
    /// External ids, joined.
    pub(crate) taxes: String,
    pub(crate) is_delivery: bool,
}

/// One order, ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrderPlan {
    pub(crate) correlation: CorrelationId,
    pub(crate) external_id: String,
    pub(crate) partners: Partners,
    pub(crate) lines: Vec<Line>,
    pub(crate) reference: String,
    pub(crate) origin: String,
    pub(crate) date: String,
    pub(crate) pricelist: Option<String>,
    pub(crate) carrier: Option<String>,
}

/// Every SKU that an order's plan needs.
pub(crate) fn skus(order: &Order, settings: &ErpSettings) -> BTreeSet<Sku> {
    let mut skus: BTreeSet<Sku> = order.lines.iter().filter_map(|l| l.sku.clone()).collect();
    if !order.shipping_lines.is_empty() {
        skus.insert(settings.shipping_sku.clone());
    }
    let is_card = |l: &OrderLine| l.gift_card && l.sku.is_none();
    let cards = order.lines.iter().any(is_card);
    skus.extend(settings.gift_card_sku.clone().filter(|_| cards));
    skus.extend(settings.tip_sku.clone().filter(|_| !order.tip.is_zero()));
    skus.extend(settings.rounding_sku.clone());
    skus
}

/// Plans an order.
///
/// # Errors
/// A rejection that names what is not mapped or not in Odoo, and the line.
pub(crate) fn plan(
    order: &Order,
    settings: &ErpSettings,
    places: Places,
    catalog: &Catalog,
    wanted: Wanted,
) -> Result<OrderPlan, Failure> {
    let ids = Ids {
        prefix: &settings.external_id_prefix,
    };
    let planner = Planner {
        order,
        settings,
        places,
        catalog,
        wanted,
    };
    let correlation = order.correlation();
    let carrier = order.shipping_lines.iter().find_map(|s| {
        let fits = |c: &&waybill_flow::connections::CarrierMapping| {
            c.method == s.method || c.method == s.title
        };
        settings
            .carriers
            .iter()
            .find(fits)
            .map(|c| c.carrier.clone())
    });
    Ok(OrderPlan {
        correlation,
        external_id: ids.order(correlation),
        partners: partners(order, ids, settings, catalog),
        lines: planner.lines()?,
        reference: order.number.to_string(),
        origin: order_origin(correlation),
        date: order.placed_at.to_naive_utc(),
        pricelist: planner.pricelist()?,
        carrier,
    })
}

struct Planner<'a> {
    order: &'a Order,
    settings: &'a ErpSettings,
    places: Places,
    catalog: &'a Catalog,
    wanted: Wanted,
}

impl Planner<'_> {
    fn pricelist(&self) -> Result<Option<String>, Failure> {
        let currency = self.order.currency;
        let mapped = self.settings.pricelists.get(&currency).cloned();
        if mapped.is_none() && !self.settings.pricelists.is_empty() {
            return Err(unknown_pricelist(self.order));
        }
        Ok(mapped)
    }

    fn lines(&self) -> Result<Vec<Line>, Failure> {
        let mut lines = Vec::new();
        for (index, line) in self.order.lines.iter().enumerate() {
            let known = lines.len();
            self.goods(index + 1, line, &mut lines)?;
            stamp(&mut lines, known, &format!("line/{}", line.id));
        }
        if lines.is_empty() && self.wanted == Wanted::AsPlaced {
            return Err(rejected(
                "order_without_lines",
                format!("order `{}` has no line with a quantity", self.order.number),
                "correct the order in the channel, then replay it",
            ));
        }
        for (index, shipping) in self.order.shipping_lines.iter().enumerate() {
            let known = lines.len();
            self.shipping(shipping, &mut lines)?;
            stamp(&mut lines, known, &format!("shipping/{index}"));
        }
        if !self.order.tip.is_zero() {
            let sku = self.settings.tip_sku.as_ref();
            lines.push(self.extra(sku, "tip_sku", "Tip", self.order.tip)?);
        }
        if !self.order.rounding.is_zero() {
            let sku = self.settings.rounding_sku.as_ref();
            lines.push(self.extra(sku, "rounding_sku", "Rounding", self.order.rounding)?);
        }
        if let Some(note) = &self.order.note {
            lines.push(Line {
                key: "note".to_owned(),
                product: None,
                sku: None,
                name: note.clone(),
                quantity: Decimal::ZERO,
                unit: Decimal::ZERO,
                percent: Decimal::ZERO,
                taxes: String::new(),
                is_delivery: false,
            });
        }
        Ok(lines)
    }

    fn goods(&self, place: usize, line: &OrderLine, lines: &mut Vec<Line>) -> Result<(), Failure> {
        let quantity = match self.wanted {
            Wanted::AsPlaced => line.quantity,
            Wanted::Now => line.current_quantity,
        };
        if quantity.is_zero() {
            return Ok(());
        }
        let place = format!("line {place}");
        let sku = self.sku_of(line, &place)?;
        let places = self.places.quantity;
        if quantity.decimal().normalize().scale() > places {
            return Err(rejected(
                "quantity_precision",
                format!(
                    "{place} of order `{}` has a quantity of {quantity}, and Odoo keeps {places} places",
                    self.order.number
                ),
                "raise the accuracy of quantities in Odoo (Settings, Technical, Decimal Accuracy, Product Unit of Measure), then retry",
            ));
        }
        let discount = line
            .discount
            .decimal()
            .checked_mul(quantity.decimal())
            .and_then(|d| d.checked_div(line.quantity.decimal()))
            .unwrap_or_default();
        self.priced(
            &place,
            sku,
            &line.title,
            (line.unit_price.decimal(), quantity.decimal(), discount),
            &line.taxes,
            false,
            lines,
        )
    }

    fn sku_of<'l>(&'l self, line: &'l OrderLine, place: &str) -> Result<&'l Sku, Failure> {
        if let Some(sku) = &line.sku {
            return Ok(sku);
        }
        if line.gift_card {
            return self
                .settings
                .gift_card_sku
                .as_ref()
                .ok_or_else(|| self.no_product("gift_card_sku", "a gift card"));
        }
        Err(rejected(
            "line_without_sku",
            format!("{place} of order `{}` has no SKU", self.order.number),
            "give the product a SKU in the channel and in Odoo (Internal Reference), then replay the order",
        ))
    }

    fn shipping(&self, shipping: &ShippingLine, lines: &mut Vec<Line>) -> Result<(), Failure> {
        self.priced(
            "the shipping line",
            &self.settings.shipping_sku,
            &shipping.title,
            (
                shipping.price.decimal(),
                Decimal::ONE,
                shipping.discount.decimal(),
            ),
            &shipping.taxes,
            true,
            lines,
        )
    }

    #[allow(clippy::too_many_arguments)] // One call site each for goods and shipping.
    fn priced(
        &self,
        place: &str,
        sku: &Sku,
        title: &str,
        (unit, quantity, discount): (Decimal, Decimal, Decimal),
        taxes: &[Tax],
        is_delivery: bool,
        lines: &mut Vec<Line>,
    ) -> Result<(), Failure> {
        let product = self.product(sku, place)?;
        if !is_delivery
            && self.wanted == Wanted::AsPlaced
            && self.catalog.products.get(sku) == Some(&Product::Unsold(product))
        {
            return Err(rejected(
                "product_not_for_sale",
                format!(
                    "{place} of order `{}` has SKU `{sku}`, whose product in Odoo is not for sale",
                    self.order.number
                ),
                format!(
                    "tick Sales on the product with the internal reference `{sku}` in Odoo (or give the reference to the product that is sold instead), then retry"
                ),
            ));
        }
        let taxes = tax_cell(taxes, self.order, self.settings, place)?;
        let digits = self.order.currency.minor_digits();
        let rest_allowed =
            self.settings.totals == TotalsPolicy::Adjust && self.settings.rounding_sku.is_some();
        let pricing = price(unit, quantity, discount, digits, self.places, rest_allowed);
        let pricing = pricing.ok_or_else(|| {
            rejected(
                "amount_out_of_range",
                format!(
                    "{place} of order `{}` has an amount that is too large",
                    self.order.number
                ),
                "correct the order in the channel, then replay it",
            )
        })?;
        let net = unit.checked_mul(quantity).map(|gross| gross - discount);
        let inexact = pricing.total(digits) != net.map(|net| round(net, digits));
        if inexact || !self.keeps(pricing.rest) {
            self.keeps_minor_units(place)?;
        }
        lines.extend(pricing.lines.iter().map(|p| Line {
            key: String::new(),
            product: Some(product),
            sku: Some(sku.clone()),
            name: title.to_owned(),
            quantity: p.quantity,
            unit: p.unit,
            percent: p.percent,
            taxes: taxes.clone(),
            is_delivery,
        }));
        if !pricing.rest.is_zero()
            && let Some(rounding) = &self.settings.rounding_sku
        {
            lines.push(Line {
                key: String::new(),
                product: Some(self.product(rounding, place)?),
                sku: Some(rounding.clone()),
                name: format!("Discount {title}"),
                quantity: Decimal::ONE,
                unit: pricing.rest,
                percent: Decimal::ZERO,
                taxes,
                is_delivery: false,
            });
        }
        Ok(())
    }

    fn extra(
        &self,
        sku: Option<&Sku>,
        setting: &'static str,
        name: &str,
        amount: Amount,
    ) -> Result<Line, Failure> {
        let sku = sku.ok_or_else(|| {
            self.no_product(setting, &format!("`{}` of {amount}", name.to_lowercase()))
        })?;
        if !self.keeps(amount.decimal()) {
            self.keeps_minor_units(name)?;
        }
        Ok(Line {
            key: name.to_lowercase(),
            product: Some(self.product(sku, name)?),
            sku: Some(sku.clone()),
            name: name.to_owned(),
            quantity: Decimal::ONE,
            unit: amount.decimal(),
            percent: Decimal::ZERO,
            taxes: String::new(),
            is_delivery: false,
        })
    }

    fn no_product(&self, setting: &'static str, what: &str) -> Failure {
        let code = match setting {
            "tip_sku" => "missing_tip_sku",
            "gift_card_sku" => "missing_gift_card_sku",
            _ => "missing_rounding_sku",
        };
        rejected(
            code,
            format!(
                "order `{}` has {what}, and no product is set for it",
                self.order.number
            ),
            format!(
                "make a service product in Odoo and set its internal reference as `erp.{setting}` in the connections file, then retry"
            ),
        )
    }

    fn keeps(&self, price: Decimal) -> bool {
        let places = self.places.price;
        places.is_none_or(|places| price.normalize().scale() <= places)
    }

    /// Amounts are exact only where Odoo keeps as many places as the currency has.
    fn keeps_minor_units(&self, place: &str) -> Result<(), Failure> {
        let (currency, digits) = (self.order.currency, self.order.currency.minor_digits());
        match self.places.price {
            Some(kept) if kept < digits => Err(rejected(
                "price_precision",
                format!(
                    "{place} of order `{}` is in `{currency}` with {digits} places, and Odoo keeps {kept} of a price",
                    self.order.number
                ),
                format!(
                    "set the accuracy of `Product Price` in Odoo (Settings, Technical, Decimal Accuracy) to {digits}, then retry"
                ),
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn product(&self, sku: &Sku, place: &str) -> Result<i64, Failure> {
        product_of(
            self.catalog,
            sku,
            &format!("{place} of order `{}`", self.order.number),
        )
    }
}

/// Names the lines from `known` on, which one line of the channel became.
fn stamp(lines: &mut [Line], known: usize, key: &str) {
    for (part, line) in lines.iter_mut().skip(known).enumerate() {
        line.key = format!("{key}/{part}");
    }
}

/// The product of a SKU.
///
/// # Errors
/// A rejection that names SKU and place.
pub(crate) fn product_of(catalog: &Catalog, sku: &Sku, place: &str) -> Result<i64, Failure> {
    match catalog.products.get(sku) {
        Some(Product::One(id) | Product::Unsold(id)) => Ok(*id),
        Some(Product::Archived) => Err(rejected(
            "archived_product",
            format!("{place} has SKU `{sku}`, whose product is archived in Odoo"),
            format!(
                "unarchive the product with the internal reference `{sku}` in Odoo (Products, filter Archived), or give the reference to the product that is sold instead, then retry"
            ),
        )),
        Some(Product::Several) => Err(rejected(
            "ambiguous_sku",
            format!("{place} has SKU `{sku}`, and several products in Odoo have it"),
            format!("leave the internal reference `{sku}` on one product in Odoo, then retry"),
        )),
        None => Err(rejected(
            "unknown_sku",
            format!("{place} has SKU `{sku}`, which no product in Odoo has"),
            format!(
                "create the product in Odoo with the internal reference `{sku}`, or add an alias for it to `channel.sku_aliases` in the connections file, then retry"
            ),
        )),
    }
}

/// The rejection for a currency without a price list.
pub(crate) fn unknown_pricelist(order: &Order) -> Failure {
    let currency = order.currency;
    rejected(
        "unknown_pricelist",
        format!(
            "order `{}` is in `{currency}`, for which no price list is mapped",
            order.number
        ),
        format!(
            "add `{currency} = \"<external id of a product.pricelist in {currency}>\"` to `erp.pricelists` in the connections file (make the price list in Odoo first), then retry"
        ),
    )
}

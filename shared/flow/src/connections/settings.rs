//! Settings of a connection by its role.

use crate::pace::Cap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use waybill_model::id::{ConnectionId, Sku};
use waybill_model::money::{Amount, Currency};
use waybill_model::quantity::Quantity;
use waybill_model::time::Instant;

/// How orders of a channel are treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelSettings {
    /// The Odoo that gets its orders.
    pub erp: ConnectionId,
    /// The helpdesk that hears of them.
    pub helpdesk: Option<ConnectionId>,
    /// The gateway that pays back.
    pub gateway: Option<ConnectionId>,
    /// The carrier service that follows its parcels.
    pub tracker: Option<ConnectionId>,
    /// What must be true of the payment before anything is written or released.
    #[serde(default)]
    pub payment_gate: PaymentGate,
    /// Minutes from placing to release in which the customer may still change the order.
    #[serde(default)]
    pub hold_minutes: u32,
    /// Whether the channel tells the customer of shipments.
    #[serde(default)]
    pub notify_customer: bool,
    /// Where orders go; the first route that fits.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// The channel's SKU → ours.
    #[serde(default)]
    pub sku_aliases: BTreeMap<Sku, Sku>,
    /// Units of every product that are never offered.
    #[serde(default)]
    pub safety_stock: Quantity,
    /// Orders that were placed before this instant are held: somebody else has them. For the day
    /// on which Waybill takes over a channel that sells already.
    #[serde(default)]
    pub orders_from: Option<Instant>,
    /// The channel's place that stock is published to, as the channel names it.
    pub stock_location: Option<String>,
    /// When a stage is overdue.
    #[serde(default)]
    pub stage_minutes: StageMinutes,
}

/// What must be true of the payment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentGate {
    /// All is paid.
    #[default]
    Paid,
    /// All is paid or reserved.
    Authorized,
    /// Nothing: invoice customers.
    None,
}

/// One rule of routing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Where the order goes.
    pub warehouse: ConnectionId,
    /// Only to these countries (ISO 3166-1 alpha-2); any if empty.
    #[serde(default)]
    pub countries: Vec<String>,
    /// Only with these methods of delivery; any if empty.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Only if every SKU starts with one of these; any if empty.
    #[serde(default)]
    pub sku_prefixes: Vec<String>,
}

/// Minutes after which a stage is overdue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StageMinutes {
    /// From first seen to paid.
    pub payment: u32,
    /// From accepted to confirmed in Odoo.
    pub erp: u32,
    /// From confirmed to accepted by the warehouse.
    pub release: u32,
    /// From released to shipped.
    pub ship: u32,
    /// From refunded to credit note.
    pub credit_note: u32,
}

impl Default for StageMinutes {
    fn default() -> Self {
        Self {
            payment: 3 * 24 * 60,
            erp: 15,
            release: 30,
            ship: 3 * 24 * 60,
            credit_note: 60,
        }
    }
}

/// How a warehouse is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarehouseSettings {
    /// The Odoo that its counts go to.
    pub erp: Option<ConnectionId>,
    /// Our method of delivery → the warehouse's.
    #[serde(default)]
    pub shipping_methods: BTreeMap<String, String>,
    /// The warehouse's method where none is mapped.
    pub default_shipping_method: String,
    /// Whether its counts overwrite Odoo's stock.
    #[serde(default)]
    pub owns_stock: bool,
    /// External id of the warehouse in Odoo that its orders are written to; `erp.warehouse` if
    /// absent.
    pub odoo_warehouse: Option<String>,
    /// External id of its location in Odoo, such as `stock.stock_location_stock`.
    pub odoo_location: Option<String>,
}

/// How a helpdesk is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelpdeskSettings {
    /// Whether every order has a ticket, or only those with something to tell.
    #[serde(default)]
    pub ticket_for_every_order: bool,
}

/// How an Odoo is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErpSettings {
    /// Database name.
    pub database: String,
    /// Login of the integration user.
    pub login: String,
    /// JSON-RPC for 17 and 18, JSON-2 for 19 and later.
    pub protocol: ErpProtocol,
    /// Prefix of our external ids; never the name of an installed module.
    #[serde(default = "default_prefix")]
    pub external_id_prefix: String,
    /// Orders in one batch at most, 1 to 100. The writer learns how many the database stands.
    #[serde(default = "default_batch")]
    pub batch: u32,
    /// Writers at once at most, 1 to 20. The writer learns how many pay off.
    #[serde(default = "default_writers")]
    pub writers: u32,
    /// Product of shipping lines.
    pub shipping_sku: Sku,
    /// Product of tips; needed only where a channel sends them.
    pub tip_sku: Option<Sku>,
    /// Product of gift cards that are sold without a SKU.
    pub gift_card_sku: Option<Sku>,
    /// Product of rounding differences.
    pub rounding_sku: Option<Sku>,
    /// Currency → external id of the price list.
    #[serde(default)]
    pub pricelists: BTreeMap<Currency, String>,
    /// Taxes of the channels → taxes in Odoo.
    #[serde(default)]
    pub taxes: Vec<TaxMapping>,
    /// Methods of delivery → carriers in Odoo.
    #[serde(default)]
    pub carriers: Vec<CarrierMapping>,
    /// External id of the warehouse of new orders whose own warehouse names none; Odoo's default if
    /// absent.
    pub warehouse: Option<String>,
    /// The company to write to, where Odoo has several: its external id or database id. The user's
    /// own if absent.
    pub company: Option<CompanyId>,
    /// What a customer whom Odoo knows already is found by, best first. None: a customer is whoever
    /// the channel says, and a guest is an e-mail address, among those that Waybill wrote.
    #[serde(default)]
    pub match_customers: Vec<CustomerKey>,
    /// Who makes invoices, and when.
    #[serde(default)]
    pub invoicing: InvoicingPolicy,
    /// Way of paying (`card`, `gift_card`, …), connection that took the money, or `default` →
    /// external id of the `account.journal` that its payments are booked in; the first of these
    /// that is there. None are booked if empty.
    #[serde(default)]
    pub payment_journals: BTreeMap<String, String>,
    /// Age in days at which the user's API key is replaced. Keys that end (18 and later) are replaced
    /// before that without it; those of 17 do not end.
    pub key_rotation_days: Option<u32>,
    /// What to do when Odoo's total is not the channel's.
    #[serde(default)]
    pub totals: TotalsPolicy,
    /// Write without chatter, log and followers: faster, and nothing to read in Odoo.
    #[serde(default)]
    pub suppress_chatter: bool,
    /// Write the shop's date back after confirming, which overwrites it with now: one call more a
    /// batch.
    #[serde(default = "yes")]
    pub keep_order_date: bool,
}

fn yes() -> bool {
    true
}

fn default_prefix() -> String {
    "waybill".to_owned()
}

fn default_batch() -> u32 {
    50
}

fn default_writers() -> u32 {
    2
}

/// How Odoo is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErpProtocol {
    /// `/jsonrpc`: 17 and 18.
    JsonRpc,
    /// `/json/2`: 19 and later.
    Json2,
}

/// A channel's tax in Odoo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxMapping {
    /// Fraction: `0.2` is 20 %.
    pub rate: Amount,
    /// Destination country; any if absent.
    pub country: Option<String>,
    /// Whether prices contain it.
    pub included: bool,
    /// External id of the `account.tax`.
    pub tax: String,
}

/// A channel's method of delivery in Odoo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarrierMapping {
    /// The channel's code.
    pub method: String,
    /// External id of the `delivery.carrier`.
    pub carrier: String,
}

/// A company in Odoo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CompanyId {
    /// Database id.
    Number(i64),
    /// External id.
    Name(String),
}

/// What a customer is found by in Odoo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerKey {
    /// E-mail address, whatever its case.
    Email,
    /// Phone number, by its digits.
    Phone,
    /// VAT number, by its letters and digits: of the company where the customer names one.
    Vat,
    /// The channel's customer id, in Odoo's `Reference`.
    Reference,
}

/// Key of [`ErpSettings::payment_journals`] for payments that no other key is for.
pub(super) const DEFAULT_JOURNAL: &str = "default";

impl ErpSettings {
    /// The caps of its pace.
    #[must_use]
    pub fn cap(&self) -> Cap {
        Cap {
            batch: self.batch,
            writers: self.writers,
        }
    }

    /// External id of the journal for a way of paying or, failing that, for who took the money.
    #[must_use]
    pub fn payment_journal(&self, method: Option<&str>, taker: &ConnectionId) -> Option<&str> {
        let keys = [method, Some(taker.as_str()), Some(DEFAULT_JOURNAL)];
        let mut found = keys.into_iter().flatten();
        found
            .find_map(|key| self.payment_journals.get(key))
            .map(String::as_str)
    }
}

/// Who makes invoices, and when. What can be invoiced is up to the products' own invoicing policy:
/// ordered or delivered quantities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoicingPolicy {
    /// People, or Odoo itself; only a refund makes the invoice that it needs.
    #[default]
    Manual,
    /// Waybill, when all is paid; and what becomes invoiceable later, after each delivery.
    Paid,
    /// Waybill, after each delivery.
    Delivered,
}

/// What to do when Odoo's total is not the channel's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TotalsPolicy {
    /// Refuse: a case, nothing is confirmed.
    #[default]
    Refuse,
    /// Refuse above one minor unit a line; below it add a line that makes it equal.
    Adjust,
}

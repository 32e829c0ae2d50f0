//! What a day needs in Odoo, as the local connections file and the shop's catalogue name it.

/// SKUs of the shop's catalogue, `SKU-0001` on.
const SKUS: u32 = 200;
/// Units that a day may take of one product.
pub(super) const STOCK_UNITS: i64 = 1_000;
/// Currency of the shop.
pub(super) const CURRENCY: &str = "EUR";
/// External id of its price list.
pub(super) const PRICELIST: &str = "shop.pricelist_eur";
/// Services: SKU and name.
pub(super) const SERVICES: [(&str, &str); 2] = [("SHIPPING", "Shipping"), ("DISCOUNT", "Discount")];
/// Carriers: external id and name.
pub(super) const CARRIERS: [(&str, &str); 2] = [
    ("shop.carrier_std", "Standard"),
    ("shop.carrier_express", "Express"),
];

/// A tax that the connections file maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tax {
    pub(super) external_id: &'static str,
    pub(super) name: &'static str,
    /// Hundredths of a percent.
    pub(super) bp: i64,
    pub(super) included: bool,
}

/// In the price.
pub(super) const TAX_INCLUDED: Tax = Tax {
    external_id: "shop.tax_20_incl",
    name: "VAT 20% in the price (Waybill demo)",
    bp: 2000,
    included: true,
};
/// On top of the price: the first that is there is what the shop charges.
pub(super) const TAXES_ON_TOP: [Tax; 2] = [
    Tax {
        external_id: "shop.tax_20",
        name: "VAT 20% (Waybill demo)",
        bp: 2000,
        included: false,
    },
    Tax {
        external_id: "shop.tax_10",
        name: "VAT 10% (Waybill demo)",
        bp: 1000,
        included: false,
    },
];

/// A model, what must be allowed on it, and how to get there.
pub(super) const RIGHTS: [(&str, &str, &str); 8] = [
    ("res.partner", "create", "Contact / Creation"),
    ("sale.order", "create", "Sales / User: All Documents"),
    ("stock.picking", "write", "Inventory / User"),
    ("stock.return.picking", "create", "Inventory / User"),
    ("delivery.carrier", "read", "Inventory / User"),
    (
        "account.move",
        "create",
        "Accounting or Invoicing / Billing",
    ),
    (
        "account.move.reversal",
        "create",
        "Accounting or Invoicing / Billing",
    ),
    (
        "sale.advance.payment.inv",
        "create",
        "Sales / User: All Documents",
    ),
];

/// The shop's SKUs.
pub(super) fn skus() -> Vec<String> {
    (1..=SKUS).map(|n| format!("SKU-{n:04}")).collect()
}

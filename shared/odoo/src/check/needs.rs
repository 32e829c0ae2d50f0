//! What a connection needs of its Odoo. Pure.

use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::connections::{Connections, ErpSettings, TaxMapping};
use waybill_model::id::{ConnectionId, Sku};
use waybill_model::money::Currency;

/// Everything.
#[derive(Debug, Clone)]
pub(super) struct Needs<'a> {
    pub(super) settings: &'a ErpSettings,
    pub(super) major: u32,
    pub(super) modules: Vec<Module>,
    pub(super) rights: Vec<Right>,
    /// SKU → where it is named.
    pub(super) skus: BTreeMap<Sku, String>,
    pub(super) references: Vec<Reference<'a>>,
}

/// An app or module of Odoo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Module {
    /// Technical name.
    pub(super) name: &'static str,
    /// As the Apps list shows it.
    pub(super) title: &'static str,
    /// What for.
    pub(super) why: &'static str,
}

/// What the user must be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    pub(super) model: &'static str,
    /// `read`, `write`, `create`.
    pub(super) operation: &'static str,
    /// External id of the group that gives it.
    pub(super) group: &'static str,
    /// What for.
    pub(super) why: &'static str,
}

/// An external id in the connections file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    /// Where it stands, for a person.
    pub(super) place: String,
    /// `module.name`.
    pub(super) id: &'a str,
    pub(super) kind: Kind<'a>,
}

/// What an external id must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    Tax(&'a TaxMapping),
    Pricelist(Currency),
    Carrier,
    Warehouse,
    Location,
    Journal,
}

impl Kind<'_> {
    /// Its model.
    pub(super) fn model(self) -> &'static str {
        match self {
            Self::Tax(_) => "account.tax",
            Self::Pricelist(_) => "product.pricelist",
            Self::Carrier => "delivery.carrier",
            Self::Warehouse => "stock.warehouse",
            Self::Location => "stock.location",
            Self::Journal => "account.journal",
        }
    }

    /// Topic of its findings.
    pub(super) fn topic(self) -> &'static str {
        match self {
            Self::Tax(_) => "taxes",
            Self::Pricelist(_) => "price lists",
            Self::Carrier => "carriers",
            Self::Warehouse => "warehouses",
            Self::Location => "locations",
            Self::Journal => "journals",
        }
    }
}

pub(super) const CONTACTS: &str = "base.group_partner_manager";
pub(super) const SALES: &str = "sales_team.group_sale_salesman_all_leads";
pub(super) const STOCK_USER: &str = "stock.group_stock_user";
pub(super) const STOCK_MANAGER: &str = "stock.group_stock_manager";
pub(super) const INVOICING: &str = "account.group_account_invoice";
pub(super) const ADMINISTRATOR: &str = "base.group_system";

const MODULES: [Module; 4] = [
    Module {
        name: "sale_management",
        title: "Sales",
        why: "orders",
    },
    Module {
        name: "sale_stock",
        title: "Sales and Warehouse Management",
        why: "deliveries of orders",
    },
    Module {
        name: "delivery",
        title: "Delivery Costs",
        why: "shipping lines and carriers",
    },
    Module {
        name: "stock_delivery",
        title: "Delivery - Stock",
        why: "tracking numbers of deliveries",
    },
];

/// What the adapter calls (`write`, `read`, `catalog`), by the group that Odoo gives it with.
const RIGHTS: [(&str, &str, &str, &str); 18] = [
    ("res.partner", "create", CONTACTS, "customers"),
    ("res.partner", "write", CONTACTS, "customers"),
    ("res.country.state", "read", CONTACTS, "addresses"),
    ("sale.order", "create", SALES, "orders"),
    ("sale.order", "write", SALES, "orders"),
    ("sale.order.line", "create", SALES, "orders"),
    ("sale.order.line", "write", SALES, "amendments"),
    ("product.product", "read", SALES, "SKUs"),
    ("product.pricelist", "read", SALES, "price lists"),
    ("account.tax", "read", SALES, "taxes"),
    ("sale.advance.payment.inv", "create", SALES, "invoices"),
    ("delivery.carrier", "read", SALES, "carriers"),
    ("stock.picking", "write", STOCK_USER, "deliveries"),
    ("stock.move", "write", STOCK_USER, "deliveries"),
    ("stock.return.picking", "create", STOCK_USER, "returns"),
    (
        "account.move",
        "create",
        INVOICING,
        "invoices and credit notes",
    ),
    (
        "account.move",
        "write",
        INVOICING,
        "invoices and credit notes",
    ),
    ("account.move.reversal", "create", INVOICING, "credit notes"),
];

/// Collects what the file uses of this Odoo.
pub(super) fn needs<'a>(
    connections: &'a Connections,
    erp: &ConnectionId,
    settings: &'a ErpSettings,
    skus: &BTreeSet<Sku>,
    major: u32,
) -> Needs<'a> {
    let counts = connections.iter().any(|c| {
        c.warehouse
            .as_ref()
            .is_some_and(|w| w.owns_stock && w.erp.as_ref() == Some(erp))
    });
    let mut rights: Vec<Right> = RIGHTS
        .iter()
        .filter(|(model, ..)| *model != "delivery.carrier" || !settings.carriers.is_empty())
        .map(|&(model, operation, group, why)| Right {
            model,
            operation,
            group,
            why,
        })
        .collect();
    if !settings.payment_journals.is_empty() {
        rights.extend(["create", "write"].map(|operation| Right {
            model: "account.payment",
            operation,
            group: INVOICING,
            why: "payments",
        }));
    }
    if counts {
        rights.push(Right {
            model: "stock.quant",
            operation: "create",
            group: count_group(major),
            why: "stock counts",
        });
    }
    Needs {
        settings,
        major,
        modules: MODULES.to_vec(),
        rights,
        skus: named_skus(connections, erp, settings, skus),
        references: references(connections, erp, settings),
    }
}

/// Until 18 only an inventory administrator may apply a count, whatever the rights of the model say.
pub(super) fn count_group(major: u32) -> &'static str {
    if major < 19 {
        STOCK_MANAGER
    } else {
        STOCK_USER
    }
}

fn named_skus(
    connections: &Connections,
    erp: &ConnectionId,
    settings: &ErpSettings,
    sold: &BTreeSet<Sku>,
) -> BTreeMap<Sku, String> {
    let mut skus: BTreeMap<Sku, String> = sold
        .iter()
        .map(|sku| (sku.clone(), "sold by a channel".to_owned()))
        .collect();
    for connection in connections.iter() {
        let channel = connection.channel.as_ref().filter(|c| c.erp == *erp);
        for target in channel.iter().flat_map(|c| c.sku_aliases.values()) {
            let place = format!("`channel.sku_aliases` of `{}`", connection.id);
            skus.insert(target.clone(), place);
        }
    }
    for (sku, setting) in [
        (Some(&settings.shipping_sku), "shipping_sku"),
        (settings.tip_sku.as_ref(), "tip_sku"),
        (settings.rounding_sku.as_ref(), "rounding_sku"),
        (settings.gift_card_sku.as_ref(), "gift_card_sku"),
    ] {
        if let Some(sku) = sku {
            skus.insert(sku.clone(), format!("`erp.{setting}`"));
        }
    }
    skus
}

fn references<'a>(
    connections: &'a Connections,
    erp: &ConnectionId,
    settings: &'a ErpSettings,
) -> Vec<Reference<'a>> {
    let mut all = Vec::new();
    let mut add = |place: String, id: &'a str, kind: Kind<'a>| {
        all.push(Reference { place, id, kind });
    };
    for (index, tax) in settings.taxes.iter().enumerate() {
        add(
            format!("`erp.taxes` entry {}", index + 1),
            &tax.tax,
            Kind::Tax(tax),
        );
    }
    for (currency, id) in &settings.pricelists {
        let place = format!("`erp.pricelists`, `{}`", currency.as_str());
        add(place, id, Kind::Pricelist(*currency));
    }
    for carrier in &settings.carriers {
        let place = format!("`erp.carriers`, method `{}`", carrier.method);
        add(place, &carrier.carrier, Kind::Carrier);
    }
    if let Some(id) = &settings.warehouse {
        add("`erp.warehouse`".to_owned(), id, Kind::Warehouse);
    }
    for (key, id) in &settings.payment_journals {
        add(
            format!("`erp.payment_journals`, `{key}`"),
            id,
            Kind::Journal,
        );
    }
    for connection in connections.iter() {
        let warehouse = connection.warehouse.as_ref();
        let Some(warehouse) = warehouse.filter(|w| w.erp.as_ref() == Some(erp)) else {
            continue;
        };
        if let Some(id) = &warehouse.odoo_warehouse {
            let place = format!("`warehouse.odoo_warehouse` of `{}`", connection.id);
            add(place, id, Kind::Warehouse);
        }
        if let Some(id) = &warehouse.odoo_location {
            let place = format!("`warehouse.odoo_location` of `{}`", connection.id);
            add(place, id, Kind::Location);
        }
    }
    let own = connections.get(erp).map(|c| &c.settings);
    for name in ["quarantine_location", "scrap_location"] {
        if let Some(id) = own.and_then(|s| s.get(name)) {
            add(format!("`settings.{name}`"), id, Kind::Location);
        }
    }
    all
}

//! External ids of the connections file: taxes, price lists, carriers, warehouses, locations, journals.

use super::super::Finding;
use super::super::look::{Seen, Target, TargetRow};
use super::super::needs::{Kind, Needs, Reference};
use super::{detail, short};
use rust_decimal::Decimal;
use waybill_flow::connections::TaxMapping;

const TOPICS: [&str; 6] = [
    "taxes",
    "price lists",
    "carriers",
    "warehouses",
    "locations",
    "journals",
];

/// Journals that money can be booked in; from 18 on there are credit cards too.
const MONEY_JOURNALS: [&str; 3] = ["bank", "cash", "credit"];

pub(super) fn references(seen: &Seen, needs: &Needs<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (reference, told) in needs.references.iter().zip(&seen.targets) {
        let topic = reference.kind.topic();
        match told {
            Ok(target) => findings.extend(about(reference, target, seen, needs)),
            Err(error) => findings.push(Finding::warning(
                topic,
                format!(
                    "{}: `{}` could not be looked at: {}",
                    reference.place,
                    reference.id,
                    short(&detail(error))
                ),
                "let the integration user read it, or look by hand",
            )),
        }
    }
    for topic in TOPICS {
        let of_topic = || needs.references.iter().filter(|r| r.kind.topic() == topic);
        if of_topic().count() > 0 && findings.iter().all(|f| f.topic != topic) {
            let ids: Vec<&str> = of_topic().map(|r| r.id).collect();
            findings.push(Finding::good(topic, ids.join(", ")));
        }
    }
    findings.extend(default_warehouse(seen, needs));
    findings.extend(unmapped(needs));
    findings
}

fn about(
    reference: &Reference<'_>,
    target: &Target,
    seen: &Seen,
    needs: &Needs<'_>,
) -> Vec<Finding> {
    let (topic, model) = (reference.kind.topic(), reference.kind.model());
    let place = format!("{}: `{}`", reference.place, reference.id);
    let fault =
        |text: String, remedy: &str| vec![Finding::fault(topic, format!("{place} {text}"), remedy)];
    let row = match target {
        Target::Unknown => {
            return fault(
                "is no external id in this Odoo".to_owned(),
                "see the record's external id in Odoo (developer mode, View Metadata), or give it one by an import with the column `id`",
            );
        }
        Target::Hidden => {
            return fault(
                "leads to a record that is archived or deleted, or that the user may not see"
                    .to_owned(),
                "unarchive it, correct the external id, or give the user the right to read it",
            );
        }
        Target::OtherModel(other) => {
            return fault(
                format!("is a `{other}`, a `{model}` is needed"),
                "correct the external id",
            );
        }
        Target::Found(row) => row,
    };
    if row.active == Some(false) {
        return fault(
            "is archived".to_owned(),
            "unarchive it in Odoo, or name another",
        );
    }
    let company = row.company_id.id();
    if company.is_some() && company != seen.user.company_id.id() {
        let text = format!(
            "belongs to the company `{}`, orders to `{}`",
            row.company_id.name(),
            seen.user.company_id.name()
        );
        return fault(
            text,
            "name a record of that company, or let the integration user belong to it",
        );
    }
    match reference.kind {
        Kind::Tax(mapping) => tax(mapping, row, &place),
        Kind::Pricelist(currency) if row.currency_id.name() != currency.as_str() => fault(
            format!("is in `{}`", row.currency_id.name()),
            "name a price list in this currency: the order's currency is its price list's",
        ),
        Kind::Carrier if row.product_id.id().is_none() => fault(
            "has no delivery product".to_owned(),
            "set one in Odoo (Delivery Methods)",
        ),
        Kind::Location => location(reference, row, needs, &place),
        Kind::Journal if !MONEY_JOURNALS.contains(&row.kind.as_str()) => fault(
            format!("is a journal of the type `{}`", row.kind.as_str()),
            "name a bank or cash journal (Accounting, Configuration, Journals): payments are booked in no other",
        ),
        Kind::Pricelist(_) | Kind::Carrier | Kind::Warehouse | Kind::Journal => Vec::new(),
    }
}

fn tax(mapping: &TaxMapping, row: &TargetRow, place: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fault = |text: String, remedy: &str| {
        findings.push(Finding::fault("taxes", format!("{place} {text}"), remedy));
    };
    if row.type_tax_use.as_str() != "sale" {
        fault(
            "is no tax on sales".to_owned(),
            "name a tax whose Tax Type is Sales",
        );
    }
    let wanted = (mapping.rate.decimal() * Decimal::ONE_HUNDRED).normalize();
    match row.amount_type.as_str() {
        // Of several taxes, whose rates are not seen here.
        "group" => {}
        "percent" if row.amount.0.normalize() == wanted => {}
        "percent" => fault(
            format!("has {} %, the mapping {wanted} %", row.amount.0.normalize()),
            "correct the rate, or name the tax with this rate",
        ),
        other => fault(
            format!("is computed as `{other}`, not as a percentage of the price"),
            "name a tax whose Tax Computation is Percentage of Price",
        ),
    }
    if row.price_include != mapping.included {
        let is = |included: bool| {
            if included {
                "in the price"
            } else {
                "on top of it"
            }
        };
        fault(
            format!(
                "is {}, the mapping says {}",
                is(row.price_include),
                is(mapping.included)
            ),
            "correct `included`, or name a tax that is: else every order differs by the tax",
        );
    }
    findings
}

fn location(
    reference: &Reference<'_>,
    row: &TargetRow,
    _: &Needs<'_>,
    place: &str,
) -> Vec<Finding> {
    let usage = row.usage.as_str();
    let allowed: &[&str] = if reference.place.contains("scrap_location") {
        &["internal", "inventory"]
    } else {
        &["internal", "transit"]
    };
    if allowed.contains(&usage) {
        return Vec::new();
    }
    vec![Finding::fault(
        "locations",
        format!("{place} is of the type `{usage}`"),
        format!("name a location of the type {}", allowed.join(" or ")),
    )]
}

fn default_warehouse(seen: &Seen, needs: &Needs<'_>) -> Option<Finding> {
    if needs.settings.warehouse.is_some() {
        return None;
    }
    let warehouses = match &seen.warehouses {
        Ok(warehouses) => warehouses,
        Err(_) => return super::unseen("warehouses", "warehouses", &seen.warehouses),
    };
    Some(match warehouses.as_slice() {
        [] => Finding::fault(
            "warehouses",
            format!("`{}` has no warehouse", seen.user.company_id.name()),
            "make one in Odoo (Inventory, Configuration, Warehouses)",
        ),
        [only] => Finding::good(
            "warehouses",
            format!(
                "orders are delivered from `{}`, the only one",
                only.name.as_str()
            ),
        ),
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|w| format!("`{}` ({})", w.name.as_str(), w.code.as_str()))
                .collect();
            Finding::warning(
                "warehouses",
                format!(
                    "`erp.warehouse` is not set, and there are {}: Odoo takes the user's own default, or the first",
                    names.join(", ")
                ),
                "set `erp.warehouse` to the external id of the one that delivers",
            )
        }
    })
}

fn unmapped(needs: &Needs<'_>) -> Vec<Finding> {
    let settings = needs.settings;
    let mut findings = Vec::new();
    if settings.taxes.is_empty() {
        findings.push(Finding::warning(
            "taxes",
            "none is mapped: every order with tax becomes a case",
            "add `erp.taxes` for each rate that the shops charge",
        ));
    }
    if settings.pricelists.is_empty() {
        findings.push(Finding::warning(
            "price lists",
            "none is mapped: every order gets Odoo's default price list, and its currency",
            "add `erp.pricelists` for each currency that the shops sell in",
        ));
    }
    findings
}

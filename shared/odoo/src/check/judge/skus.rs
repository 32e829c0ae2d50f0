//! Products.

use super::super::Finding;
use super::super::look::{ProductRow, Seen};
use super::super::needs::Needs;
use super::unseen;
use std::collections::BTreeMap;
use waybill_model::id::Sku;

/// Most SKUs of one kind of fault that are named one by one.
const NAMED: usize = 20;

pub(super) fn skus(seen: &Seen, needs: &Needs<'_>) -> Vec<Finding> {
    let products = match &seen.products {
        Ok(products) => products,
        Err(_) => {
            return unseen("SKUs", "products", &seen.products)
                .into_iter()
                .collect();
        }
    };
    let mut by_sku: BTreeMap<&str, Vec<&ProductRow>> = BTreeMap::new();
    for product in products {
        let code = product.default_code.as_str();
        by_sku.entry(code).or_default().push(product);
    }
    let (mut findings, mut missing, mut twice) = (Vec::new(), Vec::new(), Vec::new());
    let mut good = 0_usize;
    for (sku, place) in &needs.skus {
        let rows = by_sku.get(sku.as_str()).map_or(&[][..], Vec::as_slice);
        let active: Vec<&&ProductRow> = rows.iter().filter(|p| p.active).collect();
        match active.as_slice() {
            [] => missing.push(format!(
                "`{sku}`{} ({place})",
                if rows.is_empty() { "" } else { ", archived" }
            )),
            [product] => match oddity(sku, product, seen, needs) {
                Some(finding) => findings.push(finding),
                None => good += 1,
            },
            _ => twice.push(format!("`{sku}` ({place})")),
        }
    }
    if !missing.is_empty() {
        findings.push(Finding::fault(
            "SKUs",
            format!("no product in Odoo has {}", list(&missing)),
            "make the products with these internal references, or correct the connections file; orders with them become cases",
        ));
    }
    if !twice.is_empty() {
        findings.push(Finding::fault(
            "SKUs",
            format!("several products in Odoo have {}", list(&twice)),
            "leave each internal reference on one product; orders with them become cases",
        ));
    }
    if good > 0 {
        findings.push(Finding::good(
            "SKUs",
            format!("{good} found, each on one product"),
        ));
    }
    findings
}

fn list(all: &[String]) -> String {
    let shown: Vec<&str> = all.iter().take(NAMED).map(String::as_str).collect();
    let more = all.len().saturating_sub(NAMED);
    if more == 0 {
        shown.join(", ")
    } else {
        format!("{} and {more} more", shown.join(", "))
    }
}

fn oddity(sku: &Sku, product: &ProductRow, seen: &Seen, needs: &Needs<'_>) -> Option<Finding> {
    let company = product.company_id.id();
    if company.is_some() && company != seen.user.company_id.id() {
        return Some(Finding::fault(
            "SKUs",
            format!(
                "`{sku}` belongs to the company `{}`, orders to `{}`",
                product.company_id.name(),
                seen.user.company_id.name()
            ),
            "empty the product's company in Odoo, or let the integration user belong to that company",
        ));
    }
    let settings = needs.settings;
    // Odoo's own product of shipping is not for sale.
    if !product.sale_ok && *sku != settings.shipping_sku {
        return Some(Finding::fault(
            "SKUs",
            format!("`{sku}` is not for sale in Odoo: orders with it become cases"),
            "tick Sales on the product in Odoo",
        ));
    }
    let service = [
        Some(&settings.shipping_sku),
        settings.tip_sku.as_ref(),
        settings.rounding_sku.as_ref(),
    ];
    if service.contains(&Some(sku)) && product.kind.as_str() != "service" {
        return Some(Finding::fault(
            "SKUs",
            format!("`{sku}` is no service: every order would deliver it"),
            "set the product's type to Service in Odoo",
        ));
    }
    None
}

//! What Odoo's own sentences mean: a code, and what to change where.
//!
//! Odoo's messages are written for whoever sits before its screens; many name neither the record nor the place to mend it.
//! We ask in English whatever the user's language, so that they can be known by their words. Each entry was provoked on, or
//! read in the source of, 17 and 19; what is not known stays `erp_refused` with Odoo's text.

use crate::error::{readable, rejected};
use waybill_model::failure::Failure;
use waybill_model::id::ConnectionId;

/// One of Odoo's sentences.
struct Known {
    /// What it contains, and nothing else that is raised for what we do.
    part: &'static str,
    code: &'static str,
    remedy: &'static str,
}

const fn known(part: &'static str, code: &'static str, remedy: &'static str) -> Known {
    Known { part, code, remedy }
}

const RIGHTS: &str = "in Odoo (Settings, Users) give the integration user Sales: all documents, Contact creation, Inventory user (17 and 18: administrator) and Invoicing, then retry";
const HIDDEN: &str = "a record rule of Odoo hides this from the integration user: in Odoo (Settings, Users) add the record's company to its allowed companies, or name records of its own company in the connections file, then retry";
const ONE_COMPANY: &str = "name taxes, price list, carrier and warehouse of one company in the connection's `erp` table, or clear the Company field of the named record in Odoo, then retry";
const VENDOR: &str = "in Odoo, add a vendor in the Purchase tab of the named product, or take the routes Buy and Replenish on Order off its Inventory tab, then retry";
const WAREHOUSE: &str = "in Odoo (Inventory, Configuration, Warehouses) make a warehouse for the company of the orders, or name one as `erp.warehouse` in the connections file, then retry";
const REQUIRED: &str = "in Odoo, a module or a customisation (Studio) made this field required: give it a default value or make it optional, then retry";

/// The first that fits counts.
const ALL: [Known; 24] = [
    known(
        "No rule has been found to replenish",
        "no_replenishment_rule",
        "in Odoo, correct the routes in the Inventory tab of the named product, or the Customer Location of the customer (Sales & Purchase tab; usually Partners/Customers), then retry",
    ),
    known(
        "No source location defined on stock rule",
        "no_replenishment_rule",
        "in Odoo (Inventory, Configuration, Rules) set the Source Location of the named rule, then retry",
    ),
    known("There is no matching vendor price", "no_vendor", VENDOR),
    known(
        "There is no vendor associated to the product",
        "no_vendor",
        VENDOR,
    ),
    known(
        "There is no Bill of Material",
        "no_bill_of_materials",
        "in Odoo, make a bill of materials for the named product, or take the route Manufacture off its Inventory tab, then retry",
    ),
    known(
        "A project must be defined on the quotation",
        "project_missing",
        "in Odoo, set a project on the named product (General Information, Create on Order), or let it create one, then retry",
    ),
    known(
        "Your quotation contains products from company",
        "product_of_other_company",
        "in Odoo, clear the Company field of the named products, or give the SKU to a product of the company that the quotation belongs to, then retry",
    ),
    known(
        "Incompatible companies on records",
        "company_mismatch",
        ONE_COMPANY,
    ),
    known(
        "company inconsistencies here",
        "company_mismatch",
        ONE_COMPANY,
    ),
    known(
        "no company crossover is allowed",
        "company_mismatch",
        ONE_COMPANY,
    ),
    known(
        "You must set a warehouse on your sale order",
        "no_warehouse",
        WAREHOUSE,
    ),
    known(
        "Please create a warehouse for company",
        "no_warehouse",
        WAREHOUSE,
    ),
    known("configure your warehouse", "no_warehouse", WAREHOUSE),
    known(
        "order lines are missing a product",
        "quotation_changed",
        "somebody took the product off a line of the quotation in Odoo: correct it there, or delete the quotation, then retry",
    ),
    known(
        "100% analytic distribution",
        "analytic_distribution_missing",
        "in Odoo (Accounting, Configuration, Analytic Plans) make the plan optional for sales orders, or add a distribution model for these products, then retry",
    ),
    known(
        "does not seem to be valid",
        "invalid_tax_id",
        "correct the customer's VAT number in the channel and replay the order, or write the customer in Odoo with the VAT number `/`, then retry",
    ),
    known(
        "Contacts require a name",
        "customer_without_name",
        "give the customer a name in the channel, then replay the order",
    ),
    known(
        "Missing required fields on accountable sale order line",
        "required_field_missing",
        "in Odoo, give the products of this order a unit of measure, then retry",
    ),
    known(
        "Missing required value for the field",
        "required_field_missing",
        REQUIRED,
    ),
    known(
        "a mandatory field is not set",
        "required_field_missing",
        REQUIRED,
    ),
    known(
        "you have stumbled upon some top-secret records",
        "erp_record_hidden",
        HIDDEN,
    ),
    known("due to security restrictions", "erp_record_hidden", HIDDEN),
    known(
        "expected model",
        "wrong_external_id",
        "the external id belongs to a record of another kind: correct it in the connection's `erp` table of the connections file, then retry",
    ),
    known(
        "create recursive Partner hierarchies",
        "customer_is_its_own_parent",
        "in Odoo, take the customer's Company off one of its own addresses, then retry",
    ),
];

/// The rejection that one of Odoo's sentences means; none for one that is not known.
pub(crate) fn named(erp: &ConnectionId, text: &str) -> Option<Failure> {
    let found = ALL.iter().find(|k| text.contains(k.part))?;
    let detail = format!("`{erp}`: {}", readable(text));
    Some(rejected(found.code, detail, found.remedy))
}

/// The rejection for what Odoo says, known or not.
pub(crate) fn refused(erp: &ConnectionId, text: &str) -> Failure {
    named(erp, text).unwrap_or_else(|| {
        rejected(
            "erp_refused",
            format!("`{erp}`: {}", readable(text)),
            "mend what Odoo names, then retry",
        )
    })
}

/// The rejection for what the integration user may not do.
pub(crate) fn missing_right(erp: &ConnectionId, text: &str) -> Failure {
    named(erp, text).unwrap_or_else(|| {
        let detail = format!("`{erp}`: {}", readable(text));
        rejected("erp_missing_right", detail, RIGHTS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        let erp = ConnectionId::new("odoo").unwrap();
        let failure = refused(&erp, text);
        assert_eq!(failure.class(), "rejected");
        failure.code().to_string()
    }

    #[test]
    fn sentences_of_both_versions_have_their_codes() {
        for (text, expected) in [
            (
                "No rule has been found to replenish '[SKU-0007] Product 007' in 'Physical Locations/Inter-warehouse transit'.\nVerify the routes configuration on the product.",
                "no_replenishment_rule",
            ),
            (
                "No rule has been found to replenish \"[SKU-0007] Product 007\" in \"Inventory adjustment\".\nVerify the routes configuration on the product.",
                "no_replenishment_rule",
            ),
            (
                "Your quotation contains products from company Second Inc. whereas your quotation belongs to company First Inc.. \n Please change the company of your quotation or remove the products from other companies ([X] Thing).",
                "product_of_other_company",
            ),
            (
                "Incompatible companies on records:\n- 'S00012' belongs to company 'First' and 'Price list' (pricelist_id: 'P') belongs to another company.",
                "company_mismatch",
            ),
            (
                "Uh-oh! You\u{2019}ve got some company inconsistencies here:\n- S00012 belongs to company First while Price list belongs to another company.\nTo avoid a mess, no company crossover is allowed!",
                "company_mismatch",
            ),
            (
                "Missing required value for the field 'Delivery Slot' (x_slot)",
                "required_field_missing",
            ),
            (
                "Failed to write field sale.order.line.tax_ids\nUh-oh! Looks like you have stumbled upon some top-secret records.\n\nSorry, Integration (id=5) doesn't have 'read' access to:\n- Tax (account.tax)\n\nIf you really, really need access, perhaps you can win over your friendly administrator with a batch of freshly baked cookies.\n\nThis seems to be a multi-company issue, but you do not have access to the proper company to access the record anyhow.",
                "erp_record_hidden",
            ),
            (
                "Invalid external ID shop.tax_10: expected model 'product.pricelist', found 'account.tax'",
                "wrong_external_id",
            ),
            ("'Contacts require a name'", "customer_without_name"),
            ("Sundays are for rest", "erp_refused"),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
    }

    #[test]
    fn every_remedy_says_what_to_do_and_then_to_retry() {
        for known in &ALL {
            let ends = known.remedy.ends_with(", then retry")
                || known.remedy.ends_with(", then replay the order");
            assert!(ends, "{}", known.code);
        }
    }
}

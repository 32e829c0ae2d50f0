//! Orders of a case's own, written as Waybill's adapter writes them, column by column.

use super::cx::{Checked, Cx, Halt, ensure};
use super::wire::Ask;
use serde_json::{Value, json};

/// A line of an order.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) sku: &'static str,
    pub(super) quantity: &'static str,
    pub(super) price: &'static str,
    pub(super) discount: &'static str,
    /// External ids, joined; none for the usual tax on top.
    pub(super) taxes: Option<String>,
    pub(super) is_delivery: bool,
}

/// A line with the usual tax.
pub(super) fn line(sku: &'static str, quantity: &'static str, price: &'static str) -> Line {
    Line {
        sku,
        quantity,
        price,
        discount: "0",
        taxes: None,
        is_delivery: false,
    }
}

/// An order as Waybill's adapter writes it, column by column.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) external_id: String,
    pub(super) reference: String,
    pub(super) origin: String,
    pub(super) date: &'static str,
    pub(super) partner: String,
    pub(super) pricelist: &'static str,
    pub(super) carrier: &'static str,
    pub(super) lines: Vec<Line>,
}

/// The date of every order of the suite, in the past.
pub(super) const PLACED: &str = "2026-03-04 05:06:07";

impl Cx<'_> {
    /// A customer of this case's own; its external id.
    pub(super) async fn partner(&self) -> Checked<String> {
        let external_id = self.external_id("cu");
        let data = json!([[external_id, format!("Contract {}", self.token), "base.de"]]);
        let ask = self.insert("res.partner", &["id", "name", "country_id/id"], data);
        self.loaded("loading a partner", ask).await?;
        Ok(external_id)
    }

    /// An order of two lines: 2 × 12.50 and 1 × 30.00.
    pub(super) fn draft(&self, partner: &str) -> Draft {
        let external_id = self.external_id("so");
        Draft {
            reference: external_id.clone(),
            origin: format!("Waybill contract {external_id}"),
            external_id,
            date: PLACED,
            partner: partner.to_owned(),
            pricelist: super::target::PRICELIST,
            carrier: "",
            lines: vec![
                line("SKU-0001", "2", "12.50"),
                line("SKU-0002", "1", "30.00"),
            ],
        }
    }

    pub(super) fn drafts(&self, partner: &str, count: usize) -> Vec<Draft> {
        (0..count).map(|_| self.draft(partner)).collect()
    }

    /// The taxes of a line by version.
    pub(super) fn tax_column(&self) -> &'static str {
        if self.is_17() {
            "order_line/tax_id/id"
        } else {
            "order_line/tax_ids/id"
        }
    }

    /// The columns that Waybill loads an order with.
    pub(super) fn columns(&self) -> Vec<&'static str> {
        let mut columns = vec![
            "id",
            "client_order_ref",
            "origin",
            "date_order",
            "partner_id/id",
            "partner_invoice_id/id",
            "partner_shipping_id/id",
            "pricelist_id/id",
            "carrier_id/id",
            "order_line/product_id/.id",
            "order_line/name",
            "order_line/product_uom_qty",
            "order_line/price_unit",
            "order_line/discount",
        ];
        columns.extend([self.tax_column(), "order_line/is_delivery"]);
        columns
    }

    pub(super) fn product(&self, sku: &str) -> i64 {
        let known = self.target.facts.products.get(sku);
        known.copied().unwrap_or_default()
    }

    /// Rows of an order.
    pub(super) fn order_rows(&self, draft: &Draft) -> Vec<Value> {
        let header = [
            draft.external_id.as_str(),
            &draft.reference,
            &draft.origin,
            draft.date,
            &draft.partner,
            &draft.partner,
            &draft.partner,
            draft.pricelist,
            draft.carrier,
        ];
        let usual = &self.target.facts.tax.external_id;
        let rows = draft.lines.iter().enumerate().map(|(index, line)| {
            let mut row: Vec<Value> = header
                .iter()
                .map(|text| json!(if index == 0 { text } else { "" }))
                .collect();
            row.extend([
                json!(self.product(line.sku).to_string()),
                json!(format!("Article {}", line.sku)),
                json!(line.quantity),
                json!(line.price),
                json!(line.discount),
                json!(line.taxes.as_ref().unwrap_or(usual)),
                json!(if line.is_delivery { "True" } else { "" }),
            ]);
            json!(row)
        });
        rows.collect()
    }

    /// The insert of orders, as Waybill makes it.
    pub(super) fn load_orders(&self, drafts: &[Draft]) -> Ask {
        let data: Vec<Value> = drafts.iter().flat_map(|d| self.order_rows(d)).collect();
        self.insert("sale.order", &self.columns(), json!(data))
    }

    /// Quotations; their ids.
    pub(super) async fn quotations(&self, drafts: &[Draft]) -> Checked<Vec<i64>> {
        let ids = self
            .loaded("loading orders", self.load_orders(drafts))
            .await?;
        ensure!(
            ids.len() == drafts.len(),
            "one id an order is expected: {ids:?}"
        );
        Ok(ids)
    }

    pub(super) fn confirm(&self, ids: &[i64]) -> Ask {
        Ask::on("sale.order", "action_confirm", ids)
    }

    /// Confirmed orders; their ids.
    pub(super) async fn confirmed(&self, drafts: &[Draft]) -> Checked<Vec<i64>> {
        let ids = self.quotations(drafts).await?;
        self.get("confirming", self.confirm(&ids)).await?;
        Ok(ids)
    }

    /// One confirmed order of the usual kind.
    pub(super) async fn one_confirmed(&self) -> Checked<i64> {
        let partner = self.partner().await?;
        let ids = self.confirmed(&self.drafts(&partner, 1)).await?;
        ids.first()
            .copied()
            .ok_or_else(|| Halt::Broken("no id".to_owned()))
    }
}

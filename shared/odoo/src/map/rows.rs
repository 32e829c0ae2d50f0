//! Planned orders → columns and rows of `load`.

use super::order::{Line, OrderPlan};
use super::tax::tax_column;
use super::{cell, cell_or_empty, number};
use crate::write::partners::Placed;
use serde_json::Value;
use waybill_flow::connections::ErpSettings;

/// Columns of the load: of the order, then of its lines. A column is left out only where no order
/// of the connection has it, so that every batch is one call; within it an empty cell is nothing.
pub(crate) struct Columns {
    pricelist: bool,
    warehouse: bool,
    carrier: bool,
    delivery: bool,
    notes: bool,
    taxes: String,
}

impl Columns {
    /// Columns for a batch.
    pub(crate) fn of(
        plans: &[&OrderPlan],
        settings: &ErpSettings,
        major: u32,
        warehouse: bool,
    ) -> Self {
        let any = |test: fn(&Line) -> bool| plans.iter().any(|p| p.lines.iter().any(test));
        Self {
            pricelist: !settings.pricelists.is_empty(),
            warehouse,
            carrier: !settings.carriers.is_empty(),
            delivery: any(|l| l.is_delivery),
            notes: any(|l| l.product.is_none()),
            taxes: format!("order_line/{}", tax_column(major)),
        }
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names = self.header();
        names.extend([
            "order_line/product_id/.id",
            "order_line/name",
            "order_line/product_uom_qty",
            "order_line/price_unit",
            "order_line/discount",
            &self.taxes,
        ]);
        names.extend(self.delivery.then_some("order_line/is_delivery"));
        names.extend(self.notes.then_some("order_line/display_type"));
        names
    }

    fn header(&self) -> Vec<&'static str> {
        let mut names = vec![
            "id",
            "client_order_ref",
            "origin",
            "date_order",
            "partner_id/.id",
            "partner_invoice_id/.id",
            "partner_shipping_id/.id",
        ];
        names.extend(self.pricelist.then_some("pricelist_id/id"));
        names.extend(self.warehouse.then_some("warehouse_id/id"));
        names.extend(self.carrier.then_some("carrier_id/id"));
        names
    }

    /// Rows of one order: the first carries the order, the others only lines.
    pub(crate) fn rows(
        &self,
        plan: &OrderPlan,
        partners: Placed,
        warehouse: Option<&str>,
    ) -> Vec<Vec<Value>> {
        let width = self.header().len();
        plan.lines
            .iter()
            .enumerate()
            .map(|(index, line)| {
                let mut row = if index == 0 {
                    self.header_cells(plan, partners, warehouse)
                } else {
                    vec![cell(""); width]
                };
                row.extend(self.line_cells(line));
                row
            })
            .collect()
    }

    fn header_cells(
        &self,
        plan: &OrderPlan,
        partners: Placed,
        warehouse: Option<&str>,
    ) -> Vec<Value> {
        let mut row = vec![
            cell(&plan.external_id),
            cell(&plan.reference),
            cell(&plan.origin),
            cell(&plan.date),
            cell(partners.customer.to_string()),
            cell(partners.invoice.to_string()),
            cell(partners.shipping.to_string()),
        ];
        if self.pricelist {
            row.push(cell_or_empty(plan.pricelist.as_deref()));
        }
        if self.warehouse {
            row.push(cell_or_empty(warehouse));
        }
        if self.carrier {
            row.push(cell_or_empty(plan.carrier.as_deref()));
        }
        row
    }

    fn line_cells(&self, line: &Line) -> Vec<Value> {
        let mut row = match line.product {
            Some(product) => vec![
                cell(product.to_string()),
                cell(&line.name),
                number(line.quantity),
                number(line.unit),
                number(line.percent),
                cell(&line.taxes),
            ],
            None => vec![
                cell(""),
                cell(&line.name),
                cell("0"),
                cell("0"),
                cell("0"),
                cell(""),
            ],
        };
        if self.delivery {
            row.push(cell(if line.is_delivery { "True" } else { "" }));
        }
        if self.notes {
            row.push(cell(if line.product.is_none() {
                "line_note"
            } else {
                ""
            }));
        }
        row
    }
}

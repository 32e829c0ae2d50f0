//! An order with all that hangs on it, as a note: the same in every database that behaves alike.

use super::cx::{Checked, Cx, amount, id, id_list, link, text};
use super::draft::PLACED;
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Cx<'_> {
    fn sku(&self, id: i64) -> &str {
        let products = &self.target.facts.products;
        products
            .iter()
            .find(|(_, known)| **known == id)
            .map_or(if id == 0 { "" } else { "another" }, |(sku, _)| {
                sku.as_str()
            })
    }

    /// Notes orders with their lines.
    pub(super) async fn note_orders(&self, name: &str, ids: &[i64]) -> Checked {
        let taxes = if self.is_17() { "tax_id" } else { "tax_ids" };
        let orders = self
            .read(
                "sale.order",
                ids,
                &[
                    "name",
                    "state",
                    "locked",
                    "client_order_ref",
                    "origin",
                    "date_order",
                    "currency_id",
                    "amount_untaxed",
                    "amount_tax",
                    "amount_total",
                    "invoice_status",
                    "carrier_id",
                    "invoice_ids",
                ],
            )
            .await?;
        let lines = self
            .rows(
                "sale.order.line",
                json!([["order_id", "in", ids]]),
                &[
                    "order_id",
                    "product_id",
                    "name",
                    "product_uom_qty",
                    "price_unit",
                    "discount",
                    taxes,
                    "is_delivery",
                    "display_type",
                    "price_subtotal",
                    "price_total",
                    "qty_delivered",
                    "qty_invoiced",
                ],
            )
            .await?;
        let line = |row: &Value| {
            let names = id_list(row, taxes);
            let names = names
                .iter()
                .map(|t| self.target.facts.taxes.get(t).copied().unwrap_or("another"));
            json!({
                "sku": self.sku(link(row, "product_id")),
                "name": self.plain(&text(row, "name")),
                "quantity": amount(row, "product_uom_qty"),
                "unit": amount(row, "price_unit"),
                "discount": amount(row, "discount"),
                "taxes": names.collect::<Vec<_>>(),
                "delivery": row.get("is_delivery"),
                "display": row.get("display_type"),
                "net": amount(row, "price_subtotal"),
                "total": amount(row, "price_total"),
                "delivered": amount(row, "qty_delivered"),
                "invoiced": amount(row, "qty_invoiced"),
            })
        };
        let notes: Vec<Value> = orders
            .iter()
            .map(|row| {
                let own = lines.iter().filter(|l| link(l, "order_id") == id(row));
                json!({
                    "state": row.get("state"),
                    "locked": row.get("locked"),
                    "reference": self.plain(&text(row, "client_order_ref")),
                    "origin": self.plain(&text(row, "origin")),
                    "date": if text(row, "date_order") == PLACED { "as placed" } else { "another" },
                    "currency": row.pointer("/currency_id/1"),
                    "net": amount(row, "amount_untaxed"),
                    "tax": amount(row, "amount_tax"),
                    "total": amount(row, "amount_total"),
                    "invoicing": row.get("invoice_status"),
                    "carrier": link(row, "carrier_id") != 0,
                    "invoices": id_list(row, "invoice_ids").len(),
                    "lines": own.map(line).collect::<Vec<_>>(),
                })
            })
            .collect();
        self.note(name, notes);
        Ok(())
    }

    /// Transfers of orders, oldest first.
    pub(super) async fn transfers(&self, orders: &[i64]) -> Checked<Vec<Value>> {
        let fields = [
            "name",
            "state",
            "origin",
            "sale_id",
            "picking_type_code",
            "carrier_tracking_ref",
            "backorder_id",
            "location_dest_id",
            "partner_id",
        ];
        self.rows("stock.picking", json!([["sale_id", "in", orders]]), &fields)
            .await
    }

    /// Moves of transfers, oldest first.
    pub(super) async fn moves(&self, transfers: &[i64]) -> Checked<Vec<Value>> {
        let fields = [
            "picking_id",
            "product_id",
            "product_uom_qty",
            "quantity",
            "picked",
            "state",
            "origin_returned_move_id",
            "date_deadline",
            "sale_line_id",
            "location_dest_id",
        ];
        self.rows(
            "stock.move",
            json!([["picking_id", "in", transfers]]),
            &fields,
        )
        .await
    }

    /// Notes the transfers of orders with their moves.
    pub(super) async fn note_transfers(&self, name: &str, orders: &[i64]) -> Checked {
        let transfers = self.transfers(orders).await?;
        let ids: Vec<i64> = transfers.iter().map(id).collect();
        let place: BTreeMap<i64, usize> =
            ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let moves = self.moves(&ids).await?;
        let of_move: BTreeMap<i64, usize> = moves
            .iter()
            .enumerate()
            .map(|(at, m)| (id(m), at))
            .collect();
        let note = |row: &Value| {
            let own = moves.iter().filter(|m| link(m, "picking_id") == id(row));
            let own = own.map(|m| {
                json!({
                    "sku": self.sku(link(m, "product_id")),
                    "demand": amount(m, "product_uom_qty"),
                    "quantity": amount(m, "quantity"),
                    "picked": m.get("picked"),
                    "state": m.get("state"),
                    "of line": link(m, "sale_line_id") != 0,
                    "returns": of_move.get(&link(m, "origin_returned_move_id")),
                })
            });
            json!({
                "kind": row.get("picking_type_code"),
                "state": row.get("state"),
                "origin": self.plain(&text(row, "origin")),
                "tracking": row.get("carrier_tracking_ref"),
                "backorder of": place.get(&link(row, "backorder_id")),
                "moves": own.collect::<Vec<_>>(),
            })
        };
        self.note(name, transfers.iter().map(note).collect::<Vec<_>>());
        Ok(())
    }

    /// Invoices of an order and all that reverses them, oldest first.
    pub(super) async fn entries(&self, order: i64) -> Checked<Vec<Value>> {
        let fields = [
            "name",
            "state",
            "move_type",
            "ref",
            "amount_total",
            "amount_residual",
            "payment_state",
            "reversed_entry_id",
            "journal_id",
            "invoice_origin",
        ];
        let rows = self.read("sale.order", &[order], &["invoice_ids"]).await?;
        let mut known: Vec<i64> = rows
            .first()
            .map(|r| id_list(r, "invoice_ids"))
            .unwrap_or_default();
        loop {
            let domain = json!(["|", ["id", "in", known], ["reversed_entry_id", "in", known]]);
            let found = self.rows("account.move", domain, &fields).await?;
            if found.len() == known.len() {
                return Ok(found);
            }
            known = found.iter().map(id).collect();
        }
    }

    /// Notes them.
    pub(super) async fn note_entries(&self, name: &str, order: i64) -> Checked {
        let entries = self.entries(order).await?;
        let place: BTreeMap<i64, usize> = entries
            .iter()
            .enumerate()
            .map(|(at, e)| (id(e), at))
            .collect();
        let note = |row: &Value| {
            json!({
                "kind": row.get("move_type"),
                "state": row.get("state"),
                "ref": self.plain(&text(row, "ref")),
                "total": amount(row, "amount_total"),
                "due": amount(row, "amount_residual"),
                "payment": row.get("payment_state"),
                "reverses": place.get(&link(row, "reversed_entry_id")),
            })
        };
        self.note(name, entries.iter().map(note).collect::<Vec<_>>());
        Ok(())
    }
}

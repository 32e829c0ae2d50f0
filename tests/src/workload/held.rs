//! What Odoo holds of a run's orders, read over JSON-RPC without any of Waybill's own code.

use super::orders::Plan;
use crate::Stop;
use crate::odoo::rpc::Rpc;
use crate::odoo::{Access, cents, format_cents, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Faults that are spelled out; more are only counted.
const SHOWN: usize = 10;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Orders of the run, whatever their state.
    pub orders: usize,
    /// Those that are confirmed, have exactly one delivery and the right total.
    pub right: usize,
    /// Customers of the run.
    pub customers: usize,
    /// Everything that is not as it must be.
    pub faults: Vec<String>,
}

impl Found {
    /// Whether all is as it must be.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.faults.is_empty()
    }

    /// One line, and one more for each of the first faults.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} orders in Odoo, {} of them confirmed with one delivery and the right total; {} customers",
            self.orders, self.right, self.customers
        );
        for fault in self.faults.iter().take(SHOWN) {
            text.push_str("\n  WRONG: ");
            text.push_str(fault);
        }
        if self.faults.len() > SHOWN {
            text.push_str(&format!("\n  and {} more", self.faults.len() - SHOWN));
        }
        text
    }
}

/// Compares what a run was to write with what Odoo holds: every order once, confirmed, with one delivery and the right
/// total, and every customer once.
///
/// # Errors
/// Odoo's.
pub async fn look(access: &Access, run: &str, wanted: &[Plan]) -> Result<Found, Stop> {
    look_beside(access, run, wanted, &[]).await
}

/// The same beside orders of the run, by number, that were refused: they may be there, and not confirmed.
///
/// # Errors
/// Odoo's.
pub async fn look_beside(
    access: &Access,
    run: &str,
    wanted: &[Plan],
    refused: &[String],
) -> Result<Found, Stop> {
    let rpc = Rpc::open(access).await?;
    let fields = ["client_order_ref", "state", "amount_total", "picking_ids"];
    let domain = json!([["client_order_ref", "like", format!("{run}-")]]);
    let rows = rpc.search_read("sale.order", domain, &fields).await?;
    let domain = json!([[
        "email",
        "like",
        format!("@{}.example.com", run.to_lowercase())
    ]]);
    let partners = rpc
        .search_read("res.partner", domain, &["email", "parent_id"])
        .await?;
    let ids: Vec<&Value> = partners.iter().filter_map(|p| p.get("id")).collect();
    let domain = json!([["parent_id", "in", ids]]);
    let addresses = rpc
        .search_read("res.partner", domain, &["parent_id", "type", "street"])
        .await?;
    let is_refused = |row: &Value| refused.contains(&text(row, "client_order_ref"));
    let (refused, rows): (Vec<Value>, Vec<Value>) = rows.into_iter().partition(is_refused);
    let mut found = judge(run, wanted, &rows, &partners);
    for row in refused.iter().filter(|r| text(r, "state") == "sale") {
        let number = text(row, "client_order_ref");
        let fault = format!("order `{number}` was refused, and is confirmed");
        found.faults.push(fault);
    }
    found.faults.extend(doubled(&addresses));
    Ok(found)
}

fn judge(run: &str, wanted: &[Plan], rows: &[Value], partners: &[Value]) -> Found {
    let mut found = Found {
        orders: rows.len(),
        ..Found::default()
    };
    let mut held: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for row in rows {
        held.entry(text(row, "client_order_ref"))
            .or_default()
            .push(row);
    }
    for plan in wanted {
        let number = &plan.number;
        let row = match held.remove(number).as_deref() {
            Some([row]) => *row,
            None | Some([]) => {
                found.faults.push(format!("order `{number}` is missing"));
                continue;
            }
            Some(several) => {
                let times = several.len();
                found
                    .faults
                    .push(format!("order `{number}` is there {times} times"));
                continue;
            }
        };
        let before = found.faults.len();
        let state = text(row, "state");
        if state != "sale" {
            found
                .faults
                .push(format!("order `{number}` is `{state}`, not confirmed"));
        }
        let total = row.get("amount_total").map(cents).unwrap_or_default();
        if total != plan.total_cents {
            let (is, must) = (format_cents(total), format_cents(plan.total_cents));
            found
                .faults
                .push(format!("order `{number}` has the total {is}, not {must}"));
        }
        let deliveries = row
            .get("picking_ids")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        if deliveries != 1 {
            found.faults.push(format!(
                "order `{number}` has {deliveries} deliveries, not one"
            ));
        }
        if found.faults.len() == before {
            found.right += 1;
        }
    }
    for number in held.keys() {
        found
            .faults
            .push(format!("order `{number}` was never asked for"));
    }
    let mut customers: BTreeMap<String, usize> = BTreeMap::new();
    for partner in partners
        .iter()
        .filter(|p| p.get("parent_id").is_none_or(|v| !v.is_array()))
    {
        *customers.entry(text(partner, "email")).or_default() += 1;
    }
    found.customers = customers.len();
    let ours = wanted.iter().map(|p| super::orders::email(run, p.customer));
    let ours: std::collections::BTreeSet<String> = ours.collect();
    for email in &ours {
        match customers.get(email) {
            Some(1) => {}
            None => found.faults.push(format!("customer `{email}` is missing")),
            Some(n) => found
                .faults
                .push(format!("customer `{email}` is there {n} times")),
        }
    }
    found
}

/// Addresses that a customer has twice.
fn doubled(addresses: &[Value]) -> Vec<String> {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for address in addresses {
        let part = |field: &str| address.get(field).map(ToString::to_string);
        let parts = ["parent_id", "type", "street"].map(|f| part(f).unwrap_or_default());
        *times.entry(parts.join(" ")).or_default() += 1;
    }
    times
        .into_iter()
        .filter(|(_, times)| *times > 1)
        .map(|(address, times)| format!("address {address} is there {times} times"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::orders::Run;
    use super::*;

    #[test]
    fn every_kind_of_fault_is_told() {
        let run = Run {
            name: "T".to_owned(),
            currency: "EUR".to_owned(),
            tax_bp: 1000,
            addresses: false,
        };
        let wanted: Vec<Plan> = (0..6).map(|n| run.plan(n, n)).collect();
        let row = |plan: &Plan, state: &str, extra_cents: i64, pickings: Value| {
            let total: f64 = format_cents(plan.total_cents + extra_cents)
                .parse()
                .unwrap();
            json!({"client_order_ref": plan.number, "state": state, "amount_total": total,
                "picking_ids": pickings})
        };
        let rows = [
            row(&wanted[0], "sale", 0, json!([1])),
            row(&wanted[1], "draft", 0, json!([])),
            row(&wanted[2], "sale", 1, json!([3])),
            row(&wanted[3], "sale", 0, json!([4, 5])),
            row(&wanted[4], "sale", 0, json!([6])),
            row(&wanted[4], "sale", 0, json!([7])),
            row(&run.plan(9, 9), "sale", 0, json!([8])),
        ];
        let partner =
            |n: u64| json!({"email": super::super::orders::email("T", n), "parent_id": false});
        let partners: Vec<Value> = [0, 1, 2, 3, 4, 4].map(partner).to_vec();
        let found = judge("T", &wanted, &rows, &partners);
        assert_eq!((found.orders, found.right, found.customers), (7, 1, 5));
        let told = found.faults.join("\n");
        for fault in [
            "`T-00001` is `draft`",
            "`T-00001` has 0 deliveries",
            "`T-00002` has the total",
            "`T-00003` has 2 deliveries",
            "`T-00004` is there 2 times",
            "`T-00005` is missing",
            "`T-00009` was never asked for",
            "`c4@t.example.com` is there 2 times",
            "`c5@t.example.com` is missing",
        ] {
            assert!(told.contains(fault), "{fault}: {told}");
        }
        assert_eq!(found.faults.len(), 9, "{told}");
        assert!(found.text().contains("WRONG"));
    }
}

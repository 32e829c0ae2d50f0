//! Setting payments off against invoices and credit notes: what is open of one order, together.

use super::invoices::{Move, of_order};
use super::resolve::Found;
use crate::client::Api;
use crate::error::OdooError;
use crate::map::ids::order_origin;
use crate::wire::{Call, Number, Text, ToOne};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use waybill_model::failure::Failure;
use waybill_model::id::CorrelationId;

/// A payment of ours.
#[derive(Debug, Clone, Deserialize)]
struct Payment {
    #[serde(alias = "ref")]
    memo: Text,
    move_id: ToOne,
}

/// What is open of an entry on the customer's account.
#[derive(Debug, Clone, Deserialize)]
struct Open {
    id: i64,
    move_id: ToOne,
    account_id: ToOne,
    amount_residual: Number,
}

/// The field of a payment that holds [`order_origin`].
pub(super) fn memo_field(api: &Api<'_>) -> &'static str {
    if api.session.major >= 18 {
        "memo"
    } else {
        "ref"
    }
}

/// Sets off what is open of each order; the orders where Odoo refuses. Two calls, and one for each
/// order that has something to set off. What is left stays open: too much paid is the customer's
/// credit in Odoo.
pub(super) async fn settle(
    api: &Api<'_>,
    orders: &BTreeMap<CorrelationId, Found>,
    moves: &[Move],
) -> Result<BTreeMap<i64, Failure>, OdooError> {
    let mut failures = BTreeMap::new();
    if orders.is_empty() {
        return Ok(failures);
    }
    let memo = memo_field(api);
    let origins: Vec<String> = orders.keys().map(|c| order_origin(*c)).collect();
    let payments: Vec<Payment> = api
        .search_read(
            "account.payment",
            json!([[memo, "in", origins]]),
            &[memo, "move_id"],
        )
        .await?;
    let entries = |correlation: &CorrelationId, order: &Found| -> Vec<i64> {
        let origin = order_origin(*correlation);
        let paid = payments.iter().filter(|p| p.memo.as_str() == origin);
        let paid = paid.filter_map(|p| p.move_id.0);
        let billed = of_order(order, moves);
        let billed = billed.iter().filter(|m| m.is_posted()).map(|m| m.id);
        paid.chain(billed).collect()
    };
    let all: Vec<i64> = orders.iter().flat_map(|(c, o)| entries(c, o)).collect();
    let open = open(api, &all).await?;
    for (correlation, order) in orders {
        let own = entries(correlation, order);
        let own = open
            .iter()
            .filter(|l| l.move_id.0.is_some_and(|id| own.contains(&id)));
        if let Err(error) = set_off(api, &own.collect::<Vec<_>>()).await {
            if !error.is_about_records() {
                return Err(error);
            }
            failures.insert(order.id, error.failure(api.erp));
        }
    }
    Ok(failures)
}

async fn open(api: &Api<'_>, entries: &[i64]) -> Result<Vec<Open>, OdooError> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let domain = json!([
        ["move_id", "in", entries],
        ["account_type", "=", "asset_receivable"],
        ["reconciled", "=", false],
        ["parent_state", "=", "posted"],
    ]);
    let fields = ["move_id", "account_id", "amount_residual"];
    api.search_read("account.move.line", domain, &fields).await
}

/// Sets lines off against one another, account by account.
async fn set_off(api: &Api<'_>, lines: &[&Open]) -> Result<(), OdooError> {
    let mut accounts: BTreeMap<Option<i64>, Vec<&Open>> = BTreeMap::new();
    for line in lines {
        accounts.entry(line.account_id.0).or_default().push(line);
    }
    for lines in accounts.values() {
        let any = |is: fn(Decimal) -> bool| lines.iter().any(|l| is(l.amount_residual.0));
        if !any(|r| r > Decimal::ZERO) || !any(|r| r < Decimal::ZERO) {
            continue;
        }
        let ids: Vec<i64> = lines.iter().map(|l| l.id).collect();
        let call = Call::on("account.move.line", "reconcile", &ids);
        match api.call(api.quiet(call)).await {
            Ok(_) => {}
            // 17 refuses lines that are set off already: somebody was quicker, or the answer to an
            // earlier attempt was lost.
            Err(OdooError::Fault(f)) if f.raw().contains("already reconciled") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

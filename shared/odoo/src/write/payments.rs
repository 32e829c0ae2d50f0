//! Money that came or went back → posted payments (`account.payment`), set off against the order's
//! invoices and credit notes.
//!
//! A payment is loaded under an external id, as orders are: an atomic insert-if-absent, so that it
//! is booked once whatever is lost on the way and whoever else tries. The register-payment wizard
//! takes no id of ours, and needs an invoice. A payment that comes before its invoice, or is more
//! than it, is the customer's credit until there is something to set it off against: every later
//! step of the order (invoice, payment, refund) sets off what is open.

use super::invoices::{Move, all_moves};
use super::load::{Record, Refusal, load_each};
use super::resolve::{Effort, Found, not_in_erp, record_id, resolve};
use super::settle::{memo_field, settle};
use super::{Outcome, references};
use crate::client::{Api, LoadMode};
use crate::error::{OdooError, rejected};
use crate::map::ids::{Ids, order_origin};
use crate::map::{cell, number};
use crate::wire::{Call, Text, ToOne};
use serde::Deserialize;
use std::collections::BTreeMap;
use waybill_model::command::{PaymentDirection, RegisterPayment};
use waybill_model::failure::Failure;
use waybill_model::id::{CorrelationId, ExternalId, RefKind};
use waybill_model::time::Instant;

#[derive(Deserialize)]
struct Partner {
    id: i64,
    commercial_partner_id: ToOne,
}

#[derive(Deserialize)]
struct State {
    id: i64,
    name: Text,
    state: Text,
}

/// Books payments of different orders; the outcome of each, in the order given. About ten calls for
/// any number, and one for each that is set off.
pub(crate) async fn register(
    api: &Api<'_>,
    payments: &[(CorrelationId, &RegisterPayment)],
) -> Vec<Outcome> {
    let mut results: BTreeMap<CorrelationId, Outcome> = BTreeMap::new();
    if let Err(error) = book(api, payments, &mut results).await {
        for (correlation, _) in payments {
            let failure = || Err(error.failure(api.erp));
            results
                .entry(*correlation)
                .and_modify(|r| {
                    if r.is_ok() {
                        *r = failure();
                    }
                })
                .or_insert_with(failure);
        }
    }
    let lost = || Err(OdooError::OutOfTime.failure(api.erp));
    let outcome = |(c, _): &(CorrelationId, _)| results.remove(c).unwrap_or_else(lost);
    payments.iter().map(outcome).collect()
}

async fn book(
    api: &Api<'_>,
    payments: &[(CorrelationId, &RegisterPayment)],
    results: &mut BTreeMap<CorrelationId, Outcome>,
) -> Result<(), OdooError> {
    let correlations: Vec<CorrelationId> = payments.iter().map(|(c, _)| *c).collect();
    let orders = resolve(api, &correlations, Effort::Thorough).await?;
    let payers = payers(api, &orders).await?;
    let mut ready = Vec::new();
    let mut records: Vec<Record> = Vec::new();
    for (correlation, payment) in payments {
        match row(api, *correlation, payment, &orders, &payers) {
            Ok(record) => {
                ready.push((*correlation, *payment));
                records.push(record);
            }
            Err(failure) => {
                results.insert(*correlation, Err(failure));
            }
        }
    }
    let fields = [
        "id",
        "payment_type",
        "partner_type",
        "partner_id/.id",
        "amount",
        "currency_id",
        "date",
        "journal_id/id",
        "payment_reference",
        memo_field(api),
    ];
    let mode = LoadMode::Payment;
    let mut booked: BTreeMap<i64, CorrelationId> = BTreeMap::new();
    if !records.is_empty() {
        let loaded = load_each(api, "account.payment", &fields, &records, mode).await;
        for ((correlation, payment), result) in ready.iter().zip(loaded) {
            match result {
                Ok(id) => {
                    booked.insert(id, *correlation);
                }
                Err(refusal) => {
                    let failure = refused(api, payment, &refusal);
                    results.insert(*correlation, Err(failure));
                }
            }
        }
    }
    let failures = post(api, &booked).await?;
    for (id, correlation) in &booked {
        let outcome = match failures.get(id) {
            Some(failure) => Err(failure.clone()),
            None => Ok(references(api, RefKind::Payment, &[*id])),
        };
        results.insert(*correlation, outcome);
    }
    let settled: BTreeMap<CorrelationId, Found> = orders
        .into_iter()
        .filter(|(c, _)| results.get(c).is_some_and(Result::is_ok))
        .collect();
    let ids: Vec<i64> = settled
        .values()
        .flat_map(|o| o.invoice_ids.clone())
        .collect();
    let moves: Vec<Move> = all_moves(api, &ids).await?;
    let refused = settle(api, &settled, &moves).await?;
    for (correlation, order) in &settled {
        if let Some(failure) = refused.get(&order.id) {
            results.insert(*correlation, Err(failure.clone()));
        }
    }
    Ok(())
}

/// Who pays for each invoice address: the company or person above it, on whose account Odoo keeps
/// what is open.
async fn payers(
    api: &Api<'_>,
    orders: &BTreeMap<CorrelationId, Found>,
) -> Result<BTreeMap<i64, i64>, OdooError> {
    let partners: Vec<i64> = orders
        .values()
        .filter_map(|o| o.partner_invoice_id.0)
        .collect();
    if partners.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<Partner> = api
        .read("res.partner", &partners, &["commercial_partner_id"])
        .await?;
    let payer = |p: Partner| (p.id, p.commercial_partner_id.0.unwrap_or(p.id));
    Ok(rows.into_iter().map(payer).collect())
}

fn row(
    api: &Api<'_>,
    correlation: CorrelationId,
    payment: &RegisterPayment,
    orders: &BTreeMap<CorrelationId, Found>,
    payers: &BTreeMap<i64, i64>,
) -> Result<Record, Failure> {
    let order = orders
        .get(&correlation)
        .ok_or_else(|| not_in_erp(correlation))?;
    if order.currency_id.code() != payment.amount.currency.as_str() {
        return Err(rejected(
            "payment_in_other_currency",
            format!(
                "payment `{}` is in `{}` and order `{}` in `{}`",
                payment.id,
                payment.amount.currency,
                order.name.as_str(),
                order.currency_id.code()
            ),
            "register the payment in Odoo by hand at the rate of the payment provider, then ignore this case",
        ));
    }
    let journal = api
        .settings
        .payment_journal(payment.method.as_deref(), &payment.gateway)
        .ok_or_else(|| no_journal(api, payment, "none is set"))?;
    let payer = order.partner_invoice_id.0.and_then(|p| payers.get(&p));
    let payer = payer
        .ok_or_else(|| OdooError::Shape("the order has no invoice address").failure(api.erp))?;
    let ids = Ids {
        prefix: &api.settings.external_id_prefix,
    };
    let direction = match payment.direction {
        PaymentDirection::Received => "inbound",
        PaymentDirection::PaidBack => "outbound",
    };
    Ok(vec![vec![
        cell(ids.payment(correlation, payment.direction, &payment.id)),
        cell(direction),
        cell("customer"),
        cell(payer.to_string()),
        number(payment.amount.amount.decimal()),
        cell(payment.amount.currency.as_str()),
        cell(day(payment.at)),
        cell(journal),
        cell(payment.id.as_str()),
        cell(order_origin(correlation)),
    ]])
}

/// The day in UTC.
fn day(at: Instant) -> String {
    at.to_naive_utc().chars().take(10).collect()
}

fn no_journal(api: &Api<'_>, payment: &RegisterPayment, why: &str) -> Failure {
    let method = payment.method.as_deref();
    let method = method.map_or_else(String::new, |m| format!(" by `{m}`"));
    rejected(
        "unknown_payment_journal",
        format!(
            "payment `{}`{method} over `{}` has no journal: {why}",
            payment.id, payment.gateway
        ),
        format!(
            "set it in `erp.payment_journals` of `{}` in the connections file to the external id of a bank or cash journal in Odoo, deploy, then retry",
            api.erp
        ),
    )
}

fn refused(api: &Api<'_>, payment: &RegisterPayment, refusal: &Refusal) -> Failure {
    let journal = api
        .settings
        .payment_journal(payment.method.as_deref(), &payment.gateway)
        .unwrap_or_default();
    match refusal {
        Refusal::Blamed(text) if text.contains(&format!("external id '{journal}'")) => {
            no_journal(api, payment, &format!("Odoo has no `{journal}`"))
        }
        Refusal::Blamed(text) if text.contains("define a payment method line") => rejected(
            "payment_journal_without_method",
            format!(
                "payment `{}` cannot be booked in `{journal}`: the journal has no method for incoming or outgoing payments",
                payment.id
            ),
            "in Odoo (Accounting, Configuration, Journals) choose a bank or cash journal and give it a manual payment method for both directions, then retry",
        ),
        Refusal::Blamed(_) | Refusal::Error(_) => refusal.failure(api.erp),
    }
}

/// Posts what is a draft; those that are not posted afterwards.
async fn post(
    api: &Api<'_>,
    booked: &BTreeMap<i64, CorrelationId>,
) -> Result<BTreeMap<i64, Failure>, OdooError> {
    let ids: Vec<i64> = booked.keys().copied().collect();
    let mut failures = BTreeMap::new();
    if ids.is_empty() {
        return Ok(failures);
    }
    let fields = ["name", "state"];
    let states: Vec<State> = api.read("account.payment", &ids, &fields).await?;
    for payment in states.iter().filter(|p| is_cancelled(p)) {
        failures.insert(payment.id, cancelled(payment));
    }
    let drafts = states.iter().filter(|p| p.state.as_str() == "draft");
    let drafts: Vec<i64> = drafts.map(|p| p.id).collect();
    if drafts.is_empty() {
        return Ok(failures);
    }
    let together = Call::on("account.payment", "action_post", &drafts);
    match api.call(api.quiet(together)).await {
        Ok(_) => return Ok(failures),
        Err(error) if error.is_about_records() => {}
        Err(error) => return Err(error),
    }
    for id in drafts {
        let alone = Call::on("account.payment", "action_post", &[id]);
        let Err(error) = api.call(api.quiet(alone)).await else {
            continue;
        };
        // Somebody was quicker: 17 refuses what is posted.
        let now: Vec<State> = api.read("account.payment", &[id], &fields).await?;
        if now.iter().any(|p| p.state.as_str() == "draft") {
            if !error.is_about_records() {
                return Err(error);
            }
            failures.insert(id, error.failure(api.erp));
        }
    }
    Ok(failures)
}

/// `cancel` in 17; `canceled` or `rejected` since.
fn is_cancelled(payment: &State) -> bool {
    matches!(payment.state.as_str(), "cancel" | "canceled" | "rejected")
}

fn cancelled(payment: &State) -> Failure {
    rejected(
        "payment_cancelled_in_erp",
        format!("payment `{}` was cancelled in Odoo", payment.name.as_str()),
        "set it back to draft in Odoo if the money did move, then retry; else ignore this case",
    )
}

/// Cancels the payment of a refund that failed later. Without one there is nothing to cancel.
pub(crate) async fn take_back(
    api: &Api<'_>,
    correlation: CorrelationId,
    refund: &ExternalId,
) -> Result<(), OdooError> {
    if api.settings.payment_journals.is_empty() {
        return Ok(());
    }
    let ids = Ids {
        prefix: &api.settings.external_id_prefix,
    };
    let external = ids.payment(correlation, PaymentDirection::PaidBack, refund);
    let Some(id) = record_id(api, &external).await? else {
        return Ok(());
    };
    let states: Vec<State> = api
        .read("account.payment", &[id], &["name", "state"])
        .await?;
    if states.iter().all(is_cancelled) {
        return Ok(());
    }
    let call = Call::on("account.payment", "action_cancel", &[id]);
    api.call(api.quiet(call)).await.map(|_| ())
}

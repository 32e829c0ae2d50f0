//! Carrying out a batch of commands, orders first.

pub(crate) mod amend;
pub(crate) mod cancel;
pub(crate) mod chain;
pub(crate) mod confirm;
pub(crate) mod credit;
pub(crate) mod delivery;
pub(crate) mod fresh;
pub(crate) mod invoices;
pub(crate) mod issue;
pub(crate) mod load;
pub(crate) mod lots;
pub(crate) mod orders;
pub(crate) mod partners;
pub(crate) mod payments;
mod recredit;
pub(crate) mod resolve;
pub(crate) mod returns;
mod settle;
pub(crate) mod stock;
pub(crate) mod totals;
pub(crate) mod transfer;
mod trim;

use crate::catalog::{Catalog, Memory};
use crate::client::Api;
use crate::error::rejected;
use crate::map::order::{OrderPlan, Wanted, plan};
use std::collections::BTreeMap;
use waybill_flow::connections::Connections;
use waybill_flow::ports::ErpCommand;
use waybill_model::command::{Command, CreateSaleOrder};
use waybill_model::failure::Failure;
use waybill_model::id::{CorrelationId, ExternalId, RefKind, Reference};
use waybill_model::order::Order;

/// Outcome of one command.
pub(crate) type Outcome = Result<Vec<Reference>, Failure>;

/// What the commands of a batch are carried out with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) api: &'a Api<'a>,
    pub(crate) memory: &'a Memory,
    pub(crate) connections: &'a Connections,
}

/// An order to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) order: &'a Order,
    /// External id of the warehouse in Odoo.
    pub(crate) warehouse: Option<&'a str>,
}

impl Task<'_> {
    /// The order as it is to be in Odoo.
    pub(crate) fn plan(
        &self,
        api: &Api<'_>,
        catalog: &Catalog,
        wanted: Wanted,
    ) -> Result<OrderPlan, Failure> {
        let places = api.session.places;
        plan(self.order, api.settings, places, catalog, wanted)
    }
}

impl<'a> Writer<'a> {
    fn task(&self, command: &'a CreateSaleOrder) -> Task<'a> {
        let routed = command.warehouse.as_ref();
        let routed = routed.and_then(|id| self.connections.get(id)?.warehouse.as_ref());
        let routed = routed.and_then(|w| w.odoo_warehouse.as_deref());
        Task {
            order: &command.order,
            warehouse: routed.or(self.api.settings.warehouse.as_deref()),
        }
    }
}

/// References to records of this Odoo.
pub(crate) fn references(api: &Api<'_>, kind: RefKind, ids: &[i64]) -> Vec<Reference> {
    ids.iter()
        .filter_map(|id| ExternalId::new(id.to_string()).ok())
        .map(|id| Reference::new(api.erp.clone(), kind, id))
        .collect()
}

/// Commands of one kind, with their places in the batch.
type Places<'a, T> = Vec<(usize, CorrelationId, &'a T)>;

/// Carries out a batch; one outcome a command, in the order given.
pub(crate) async fn write(writer: Writer<'_>, batch: &[ErpCommand]) -> Vec<Outcome> {
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    let mut creates = Vec::new();
    let mut amends = Vec::new();
    let mut cancels = Vec::new();
    let mut deliveries: Places<'_, _> = Vec::new();
    let mut returns = Vec::new();
    let mut invoices = Vec::new();
    let mut payments: Places<'_, _> = Vec::new();
    let mut credits = Vec::new();
    let mut reversals = Vec::new();
    let mut counts = Vec::new();
    for (index, item) in batch.iter().enumerate() {
        let correlation = item.correlation;
        match &item.command {
            Command::CreateSaleOrder(c) => creates.push((index, writer.task(c))),
            Command::AmendSaleOrder(c) => amends.push((index, writer.task(c))),
            Command::CancelSaleOrder(_) => cancels.push((index, correlation)),
            Command::RegisterDelivery(c) => deliveries.push((index, correlation, c)),
            Command::ReceiveReturn(c) => returns.push((index, correlation, &c.returned)),
            Command::CreateInvoice(_) => invoices.push((index, correlation)),
            Command::RegisterPayment(c) => payments.push((index, correlation, c)),
            Command::CreateCreditNote(c) => credits.push((index, correlation, c)),
            Command::ReverseCreditNote(c) => reversals.push((index, correlation, c)),
            Command::SetStock(c) => counts.push((index, c)),
            Command::CreateFulfillmentOrder(_)
            | Command::CancelFulfillmentOrder(_)
            | Command::SubscribeTracking(_)
            | Command::PublishFulfillment(_)
            | Command::PublishStock(_)
            | Command::UpdateTicket(_)
            | Command::CreateRefund(_) => {
                outcomes.insert(index, Err(unsupported(&item.command)));
            }
        }
    }
    let tasks: Vec<_> = creates.iter().map(|(_, task)| *task).collect();
    if !tasks.is_empty() {
        let done = orders::create(writer, &tasks).await;
        outcomes.extend(creates.iter().map(|(i, _)| *i).zip(done));
    }
    for (index, task) in amends {
        outcomes.insert(index, amend::amend(writer, task).await);
    }
    if !cancels.is_empty() {
        let orders: Vec<_> = cancels.iter().map(|(_, c)| *c).collect();
        let done = cancel::cancel(writer.api, &orders).await;
        outcomes.extend(cancels.iter().map(|(i, _)| *i).zip(done));
    }
    for round in rounds(deliveries) {
        let shipments: Vec<_> = round.iter().map(|(_, c, s)| (*c, *s)).collect();
        let done = delivery::register(writer, &shipments).await;
        outcomes.extend(round.iter().map(|(i, _, _)| *i).zip(done));
    }
    for (index, correlation, returned) in returns {
        let done = returns::receive(writer, correlation, returned).await;
        outcomes.insert(index, done);
    }
    if !invoices.is_empty() {
        let orders: Vec<_> = invoices.iter().map(|(_, c)| *c).collect();
        let done = issue::issue(writer.api, &orders).await;
        outcomes.extend(invoices.iter().map(|(i, _)| *i).zip(done));
    }
    for round in rounds(payments) {
        let booked: Vec<_> = round.iter().map(|(_, c, p)| (*c, *p)).collect();
        let done = payments::register(writer.api, &booked).await;
        outcomes.extend(round.iter().map(|(i, _, _)| *i).zip(done));
    }
    for (index, correlation, command) in credits {
        let done = credit::create(writer, correlation, command).await;
        outcomes.insert(index, done);
    }
    for (index, correlation, command) in reversals {
        let done = credit::reverse(writer.api, correlation, command).await;
        outcomes.insert(index, done);
    }
    for (index, command) in counts {
        outcomes.insert(index, stock::set(writer, command).await);
    }
    // INVARIANT: every index was given an outcome above.
    outcomes.into_values().collect()
}

/// Batches in which no order occurs twice: the second shipment of an order is booked on the
/// backorder that the first one leaves.
fn rounds<T>(mut waiting: Places<'_, T>) -> Vec<Places<'_, T>> {
    let mut rounds = Vec::new();
    while !waiting.is_empty() {
        let mut round: Places<'_, T> = Vec::new();
        let mut later = Vec::new();
        for item in waiting {
            if round.iter().any(|(_, known, _)| *known == item.1) {
                later.push(item);
            } else {
                round.push(item);
            }
        }
        rounds.push(round);
        waiting = later;
    }
    rounds
}

fn unsupported(command: &Command) -> Failure {
    rejected(
        "unsupported_command",
        format!("Odoo cannot carry out `{}`", command.kind().as_str()),
        "name another connection for this in the connections file",
    )
}

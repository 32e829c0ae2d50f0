//! The model of Odoo, as far as its writer can tell: orders are inserted where they are absent, at
//! once; everything else is looked for first and written after, and somebody may write in between.

use crate::breakage::Breakage;
use crate::sandbox::{Sandbox, lost};
use crate::stock::Stock;
use crate::world::{ODOO, World};
use crate::writers;
use std::collections::BTreeMap;
use std::sync::Arc;
use waybill_flow::ports::{ErpCommand, ErpOrder};
use waybill_model::command::{Command, PaymentDirection};
use waybill_model::failure::Failure;
use waybill_model::id::{
    Code, ConnectionId, CorrelationId, ExternalId, LineId, RefKind, Reference, Sku, TrackingNumber,
};
use waybill_model::money::{Amount, Money};
use waybill_model::order::Order;
use waybill_model::quantity::Quantity;
use waybill_testkit::build;

/// Milliseconds that Odoo needs for an order in a batch: what 17 and 19 were measured to need for one of three lines.
const ORDER_MS: u64 = 70;
/// The same for whatever else is written together. Not measured: taken to be as much.
const REST_MS: u64 = ORDER_MS;

/// A SKU that Odoo does not know.
pub const UNKNOWN_SKU: &str = "GHOST-1";

/// A sale order.
#[derive(Debug, Clone)]
pub struct SaleOrder {
    /// How often it was inserted.
    pub made: u32,
    /// Confirmed.
    pub confirmed: bool,
    /// Cancelled.
    pub cancelled: bool,
    /// Total with tax.
    pub total: Money,
    /// What is wanted of each line.
    pub lines: BTreeMap<LineId, Quantity>,
    /// What each line is of.
    pub skus: BTreeMap<LineId, Sku>,
    /// How often each shipment was booked.
    pub deliveries: BTreeMap<ExternalId, u32>,
    /// Tracking numbers that it knows.
    pub numbers: std::collections::BTreeSet<TrackingNumber>,
    /// How often each return was received.
    pub returns: BTreeMap<ExternalId, u32>,
    /// What its invoices come to.
    pub invoiced: Amount,
    /// Somebody changed it by hand.
    pub by_hand: bool,
    /// How many there are.
    pub invoices: u32,
    /// Money that came or went back, by its id: how often booked, and how much.
    pub payments: BTreeMap<(PaymentDirection, ExternalId), (u32, Money)>,
    /// Credit notes by refund: how often made, amount, how often undone.
    pub credits: BTreeMap<ExternalId, (u32, Money, u32)>,
}

/// What Odoo holds.
#[derive(Debug, Default)]
pub struct Odoo {
    /// Every product is known.
    pub is_complete: bool,
    /// Orders.
    pub orders: BTreeMap<CorrelationId, SaleOrder>,
    /// Goods.
    pub stock: Stock,
}

fn lines(order: &Order) -> BTreeMap<LineId, Quantity> {
    order
        .lines
        .iter()
        .map(|l| (l.id.clone(), l.current_quantity))
        .collect()
}

fn skus_of(order: &Order) -> BTreeMap<LineId, Sku> {
    let lines = order.lines.iter();
    lines
        .filter_map(|l| Some((l.id.clone(), l.sku.clone()?)))
        .collect()
}

fn rejected(code: &'static str) -> Failure {
    Failure::Rejected {
        code: Code::literal(code),
        detail: "the model of Odoo says no".to_owned(),
        remedy: "mend it in Odoo, then retry".to_owned(),
    }
}

impl Odoo {
    /// Whether what a command asks for is there.
    fn has(&self, item: &ErpCommand) -> bool {
        let order = self.orders.get(&item.correlation);
        let Some(order) = order else { return false };
        match &item.command {
            Command::CreateSaleOrder(_) => true,
            Command::AmendSaleOrder(c) => order.lines == lines(&c.order),
            Command::CancelSaleOrder(_) => order.cancelled,
            Command::RegisterDelivery(c) => {
                order.deliveries.contains_key(&c.shipment.id)
                    && c.shipment.tracking_numbers().is_subset(&order.numbers)
            }
            Command::ReceiveReturn(c) => order.returns.contains_key(&c.returned.id),
            Command::CreateCreditNote(c) => order.credits.contains_key(&c.refund_id),
            Command::RegisterPayment(c) => {
                order.payments.contains_key(&(c.direction, c.id.clone()))
            }
            Command::ReverseCreditNote(c) => {
                let paid = (PaymentDirection::PaidBack, c.refund_id.clone());
                let is_undone = order.credits.get(&c.refund_id).is_none_or(|c| c.2 > 0);
                is_undone && !order.payments.contains_key(&paid)
            }
            _ => false,
        }
    }

    fn insert(&mut self, world: &World, item: &ErpCommand) -> Result<(), Failure> {
        let Command::CreateSaleOrder(c) = &item.command else {
            return Ok(());
        };
        let mut skus = c.order.lines.iter().filter_map(|l| l.sku.as_ref());
        if !self.is_complete && skus.any(|s| s.as_str() == UNKNOWN_SKU) {
            return Err(rejected("unknown_sku"));
        }
        let atomic = !world.sim.is_broken(Breakage::NoExternalId);
        let known = self.orders.get_mut(&item.correlation);
        match known {
            Some(_) if atomic => {}
            Some(order) => {
                order.made += 1;
                world.sim.wrong(format!(
                    "{}: Odoo has it {} times",
                    item.correlation, order.made
                ));
            }
            None => {
                world.partners.lock().unwrap().must_be_due(
                    world,
                    item.correlation,
                    "written to Odoo",
                );
                let order = SaleOrder {
                    made: 1,
                    confirmed: false,
                    cancelled: false,
                    total: Money::new(c.order.totals.total, c.order.currency),
                    lines: lines(&c.order),
                    skus: skus_of(&c.order),
                    deliveries: BTreeMap::new(),
                    numbers: std::collections::BTreeSet::new(),
                    returns: BTreeMap::new(),
                    invoiced: Amount::ZERO,
                    by_hand: false,
                    invoices: 0,
                    payments: BTreeMap::new(),
                    credits: BTreeMap::new(),
                };
                self.orders.insert(item.correlation, order);
            }
        }
        Ok(())
    }

    fn apply(&mut self, world: &World, item: &ErpCommand, known: bool) -> Result<(), Failure> {
        let id = item.correlation;
        if let Command::SetStock(c) = &item.command {
            for level in &c.levels {
                self.stock.count(level);
            }
            return Ok(());
        }
        let order = self
            .orders
            .get_mut(&id)
            .ok_or_else(|| rejected("not_in_erp"))?;
        let left_out = match item.command {
            Command::CreateInvoice(_) => world.sim.is_broken(Breakage::NoInvoices),
            Command::RegisterPayment(_) => world.sim.is_broken(Breakage::NoPayments),
            _ => false,
        };
        if known || left_out {
            return Ok(());
        }
        let twice = |what: &str, key: &ExternalId, times: u32| {
            if times > 1 {
                world
                    .sim
                    .wrong(format!("{id}: Odoo has {what} `{key}` {times} times"));
            }
        };
        match &item.command {
            Command::AmendSaleOrder(c) => {
                order.lines = lines(&c.order);
                order.skus = skus_of(&c.order);
                order.total = Money::new(c.order.totals.total, c.order.currency);
            }
            Command::CancelSaleOrder(_) => {
                if !order.deliveries.is_empty() {
                    return Err(rejected("already_delivered"));
                }
                order.cancelled = true;
            }
            Command::RegisterDelivery(c) => {
                if order.cancelled {
                    return Err(rejected("order_cancelled"));
                }
                let numbers = c.shipment.tracking_numbers();
                let later = !numbers.is_subset(&order.numbers);
                order.numbers.extend(numbers);
                let times = order.deliveries.entry(c.shipment.id.clone()).or_default();
                if *times == 0 || !later {
                    *times += 1;
                    let all = !world.sim.is_broken(Breakage::FirstLineBooked);
                    self.stock.deliver(id, c, all);
                }
                twice("the delivery of", &c.shipment.id, *times);
            }
            Command::ReceiveReturn(c) => {
                let times = order.returns.entry(c.returned.id.clone()).or_default();
                *times += 1;
                self.stock.receive(id, &c.returned);
                twice("the return", &c.returned.id, *times);
            }
            // Cancelled before anything was invoiced: there is nothing to credit, unless by hand.
            Command::CreateCreditNote(c) if order.cancelled && order.invoices == 0 && c.stands => {
                return Err(rejected("order_cancelled"));
            }
            Command::CreateCreditNote(_) if order.cancelled && order.invoices == 0 => {}
            Command::CreateCreditNote(c) => {
                let note = order
                    .credits
                    .entry(c.refund_id.clone())
                    .or_insert((0, c.amount, 0));
                note.0 += 1;
                twice("the credit note of", &c.refund_id, note.0);
            }
            // Whatever is not invoiced yet; nothing where nothing is left.
            Command::CreateInvoice(_)
                if !order.cancelled && order.invoiced != order.total.amount =>
            {
                order.invoiced = order.total.amount;
                order.invoices += 1;
            }
            Command::RegisterPayment(c) => {
                let key = (c.direction, c.id.clone());
                let booked = order.payments.entry(key).or_insert((0, c.amount));
                booked.0 += 1;
                twice("the payment", &c.id, booked.0);
            }
            Command::ReverseCreditNote(c) => {
                let paid = (PaymentDirection::PaidBack, c.refund_id.clone());
                if !world.sim.is_broken(Breakage::NoTakeBack) {
                    order.payments.remove(&paid);
                }
                if let Some(note) = order.credits.get_mut(&c.refund_id) {
                    note.2 += 1;
                    twice("the reversal of", &c.refund_id, note.2);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What it holds of these orders.
    #[must_use]
    pub fn orders(&self, correlations: &[CorrelationId]) -> Vec<ErpOrder> {
        let held = |id: &CorrelationId| {
            let order = self.orders.get(id)?;
            Some(ErpOrder {
                correlation: *id,
                name: "S00001".to_owned(),
                confirmed: order.confirmed,
                cancelled: order.cancelled,
                total: order.total,
            })
        };
        correlations.iter().filter_map(held).collect()
    }
}

fn references(erp: &ConnectionId, item: &ErpCommand) -> Vec<Reference> {
    let kind = match item.command {
        Command::CreateSaleOrder(_) => RefKind::SaleOrder,
        Command::RegisterDelivery(_) | Command::ReceiveReturn(_) => RefKind::Picking,
        Command::CreateCreditNote(_) => RefKind::AccountMove,
        _ => return Vec::new(),
    };
    let id = build::external(&format!("{}", item.key));
    vec![Reference::new(erp.clone(), kind, id)]
}

/// Writes a batch in the real adapter's order: sale orders in two calls together; cancellations, deliveries, invoices and
/// payments in a look and a write for all of a kind; everything else in a look and a write each.
pub(crate) async fn write(
    sandbox: &Sandbox,
    world: &Arc<World>,
    erp: &ConnectionId,
    batch: &[ErpCommand],
) -> Vec<Result<Vec<Reference>, Failure>> {
    let _writer = writers::sit_down(sandbox, world, erp, batch);
    let mut results: BTreeMap<usize, Result<(), Failure>> = BTreeMap::new();
    for places in calls(batch) {
        let items: Vec<&ErpCommand> = places.iter().map(|at| &batch[*at]).collect();
        let done = match items.first().map(|i| &i.command) {
            Some(Command::CreateSaleOrder(_)) => write_orders(sandbox, world, &items).await,
            _ => write_rest(sandbox, world, &items).await,
        };
        results.extend(places.into_iter().zip(done));
    }
    let with_references =
        |(at, result): (usize, Result<(), Failure>)| result.map(|()| references(erp, &batch[at]));
    results.into_iter().map(with_references).collect()
}

/// Which commands are written together, by their places. No order is twice in one call, but for its creation.
fn calls(batch: &[ErpCommand]) -> Vec<Vec<usize>> {
    let rank = |item: &ErpCommand| match item.command {
        Command::CreateSaleOrder(_) => 0,
        Command::AmendSaleOrder(_) => 1,
        Command::CancelSaleOrder(_) => 2,
        Command::RegisterDelivery(_) => 3,
        Command::ReceiveReturn(_) => 4,
        Command::CreateInvoice(_) => 5,
        Command::RegisterPayment(_) => 6,
        _ => 7,
    };
    let mut places: Vec<usize> = (0..batch.len()).collect();
    places.sort_by_key(|at| rank(&batch[*at]));
    let mut calls: Vec<Vec<usize>> = Vec::new();
    for at in places {
        let fits = |call: &&mut Vec<usize>| {
            let is_other = |known: &usize| batch[*known].correlation != batch[at].correlation;
            rank(&batch[call[0]]) == rank(&batch[at])
                && match batch[at].command {
                    Command::CreateSaleOrder(_) => true,
                    Command::CancelSaleOrder(_)
                    | Command::RegisterDelivery(_)
                    | Command::CreateInvoice(_)
                    | Command::RegisterPayment(_) => call.iter().all(is_other),
                    _ => false,
                }
        };
        match calls.iter_mut().find(fits) {
            Some(call) => call.push(at),
            None => calls.push(vec![at]),
        }
    }
    calls
}

/// Looks which of them are there, then writes what is not; somebody else may write in between.
async fn write_rest(
    sandbox: &Sandbox,
    world: &Arc<World>,
    items: &[&ErpCommand],
) -> Vec<Result<(), Failure>> {
    let told: Vec<String> = items
        .iter()
        .map(|i| format!("{} of {}", i.command.kind().as_str(), i.correlation))
        .collect();
    let what = told.join(", ");
    world.sim.wait_ms(REST_MS * items.len() as u64).await;
    let look = || {
        let odoo = world.erp.lock().unwrap();
        Ok(items.iter().map(|i| odoo.has(i)).collect::<Vec<_>>())
    };
    let looked = sandbox.odoo(&format!("looks for {what}"), look).await;
    let work = |known: Vec<bool>| {
        let mut odoo = world.erp.lock().unwrap();
        let apply = |(item, known): (&&ErpCommand, bool)| odoo.apply(world, item, known);
        Ok(items.iter().zip(known).map(apply).collect())
    };
    let written = match looked {
        Ok(known) => sandbox.odoo(&what, || work(known)).await,
        Err(failure) => Err(failure),
    };
    written.unwrap_or_else(|failure| items.iter().map(|_| Err(failure.clone())).collect())
}

/// Inserts where absent, after who asked has gone: a proxy held the request, or Odoo was busy.
fn insert_later(world: &Arc<World>, orders: &[&ErpCommand]) {
    let items: Vec<ErpCommand> = orders.iter().map(|item| (*item).clone()).collect();
    let world = Arc::clone(world);
    world.plan(1);
    tokio::spawn(async move {
        let sim = &world.sim;
        sim.wait_ms(sim.between(5_000, 120_000)).await;
        let mut odoo = world.erp.lock().unwrap();
        for item in &items {
            // One that it refuses, it refuses to nobody.
            drop(odoo.insert(&world, item));
            sim.note(format_args!("{} is inserted late", item.correlation));
        }
        drop(odoo);
        world.plan(-1);
    });
}

/// Inserts where absent, then confirms what was inserted.
async fn write_orders(
    sandbox: &Sandbox,
    world: &Arc<World>,
    orders: &[&ErpCommand],
) -> Vec<Result<(), Failure>> {
    world.sim.wait_ms(ORDER_MS * orders.len() as u64).await;
    let insert = || {
        let mut odoo = world.erp.lock().unwrap();
        Ok(orders
            .iter()
            .map(|item| odoo.insert(world, item))
            .collect::<Vec<_>>())
    };
    let what = format!("inserts {} orders", orders.len());
    let sim = &world.sim;
    let is_there = !world.is_out(ODOO, sim.now());
    if is_there && sim.fault("Odoo does it late", sim.weather().belated) {
        insert_later(world, orders);
        let lost = || Err(lost(sim, ODOO));
        return orders.iter().map(|_| lost()).collect();
    }
    let inserted = match sandbox.odoo(&what, insert).await {
        Ok(inserted) => inserted,
        Err(failure) => return orders.iter().map(|_| Err(failure.clone())).collect(),
    };
    let confirm = || {
        let mut odoo = world.erp.lock().unwrap();
        for item in orders {
            if let Some(order) = odoo.orders.get_mut(&item.correlation) {
                order.confirmed = true;
            }
        }
        Ok(())
    };
    match sandbox.odoo("confirms them", confirm).await {
        Ok(()) => inserted,
        Err(failure) => inserted
            .into_iter()
            .map(|r| r.and(Err(failure.clone())))
            .collect(),
    }
}

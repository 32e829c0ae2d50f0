//! Goods: what the warehouse counts, what it is asked for, what leaves and comes back, and what the channel may sell.
//!
//! The warehouse's and the channel's models say what is true. Odoo's has its own ledger of what it was told, and what is
//! free by it is computed as Odoo does: on hand, less what confirmed orders have reserved and not got yet.

use crate::causes::Cases;
use crate::erp::{Odoo, SaleOrder, UNKNOWN_SKU};
use crate::partners::{Partners, Sold};
use crate::sim::MINUTE;
use crate::world::{MARKET, World};
use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::ports::{Availability, Commit, Stored};
use waybill_model::command::{Command, CreateFulfillmentOrder, RegisterDelivery};
use waybill_model::failure::TOO_LATE;
use waybill_model::id::{CorrelationId, ExternalId, LineId, Sku};
use waybill_model::order::Order;
use waybill_model::quantity::Quantity;
use waybill_model::returns::{Disposition, Return, ReturnLine};
use waybill_model::shipment::ShippedLine;
use waybill_model::stock::StockLevel;
use waybill_testkit::build;

/// What every order is made of.
const SKUS: [&str; 2] = ["MUG-RED", "TEE-M"];
/// How long the channel's orders are held.
const HOLD_MS: i64 = 3 * MINUTE.cast_signed();
/// Clocks of sandboxes differ by no more.
const SKEW_MS: i64 = 20_000;

/// How many of each SKU, by the order's line.
pub type Goods = BTreeMap<(Option<LineId>, Sku), Quantity>;

fn add(goods: &mut Goods, line: Option<&LineId>, sku: &Sku, quantity: Quantity) {
    let known = goods.entry((line.cloned(), sku.clone())).or_default();
    *known = known.plus(quantity);
}

fn shipped(lines: &[ShippedLine]) -> Goods {
    let mut goods = Goods::new();
    for line in lines {
        add(&mut goods, line.line_id.as_ref(), &line.sku, line.quantity);
    }
    goods
}

fn returned(lines: &[ReturnLine]) -> Goods {
    let mut goods = Goods::new();
    for line in lines {
        add(&mut goods, line.line_id.as_ref(), &line.sku, line.quantity);
    }
    goods
}

/// What of an order is to be shipped.
#[must_use]
pub fn to_ship(order: &Order) -> Goods {
    let mut goods = Goods::new();
    let lines = order.lines.iter().filter(|l| l.requires_shipping);
    for line in lines.filter(|l| !l.current_quantity.is_zero()) {
        if let Some(sku) = &line.sku {
            add(&mut goods, Some(&line.id), sku, line.current_quantity);
        }
    }
    goods
}

fn units(quantity: Quantity) -> i64 {
    quantity.units().expect("whole units")
}

/// Odoo's ledger of goods.
#[derive(Debug, Default)]
pub struct Stock {
    /// The count that it was told last.
    counted: BTreeMap<Sku, Quantity>,
    /// What is there by the counts and by what moved since; less than nothing where more left.
    on_hand: BTreeMap<Sku, i64>,
    /// What was booked as delivered.
    left: BTreeMap<CorrelationId, BTreeMap<ExternalId, Goods>>,
    /// What was booked as received.
    back: BTreeMap<CorrelationId, BTreeMap<ExternalId, Goods>>,
    /// Nothing more of these is to leave.
    closed: BTreeSet<CorrelationId>,
}

impl Stock {
    /// Takes a count, whenever it was true.
    pub fn count(&mut self, level: &StockLevel) {
        self.counted.insert(level.sku.clone(), level.quantity);
        self.on_hand
            .insert(level.sku.clone(), units(level.quantity));
    }

    /// Books a delivery, or its first line only.
    pub fn deliver(&mut self, id: CorrelationId, command: &RegisterDelivery, all: bool) {
        let lines = &command.shipment.lines;
        let goods = shipped(if all { lines } else { &lines[..1] });
        for ((_, sku), quantity) in &goods {
            *self.on_hand.entry(sku.clone()).or_default() -= units(*quantity);
        }
        let booked = self.left.entry(id).or_default();
        let booked = booked.entry(command.shipment.id.clone()).or_default();
        for ((line, sku), quantity) in goods {
            add(booked, line.as_ref(), &sku, quantity);
        }
        if command.last {
            self.closed.insert(id);
        }
    }

    /// Books what came back.
    pub fn receive(&mut self, id: CorrelationId, what: &Return) {
        let restocked = what.lines.iter();
        for line in restocked.filter(|l| l.disposition == Disposition::Restock) {
            *self.on_hand.entry(line.sku.clone()).or_default() += units(line.quantity);
        }
        let booked = self.back.entry(id).or_default();
        let booked = booked.entry(what.id.clone()).or_default();
        for ((line, sku), quantity) in returned(&what.lines) {
            add(booked, line.as_ref(), &sku, quantity);
        }
    }

    /// What an order has reserved of each SKU: what it wants and has not got yet.
    fn reserved(&self, id: CorrelationId, order: &SaleOrder) -> BTreeMap<Sku, i64> {
        let mut reserved: BTreeMap<Sku, i64> = BTreeMap::new();
        if !order.confirmed || order.cancelled || self.closed.contains(&id) {
            return reserved;
        }
        for (line, quantity) in &order.lines {
            if let Some(sku) = order.skus.get(line) {
                *reserved.entry(sku.clone()).or_default() += units(*quantity);
            }
        }
        let left = self.left.get(&id).into_iter().flat_map(BTreeMap::values);
        for ((_, sku), quantity) in left.flatten() {
            let open = reserved.entry(sku.clone()).or_default();
            *open = (*open - units(*quantity)).max(0);
        }
        reserved
    }
}

impl Odoo {
    /// What is free of every product that is asked for.
    #[must_use]
    pub fn availability(&self, skus: &[Sku]) -> Vec<Availability> {
        let mut reserved: BTreeMap<Sku, i64> = BTreeMap::new();
        for (id, order) in &self.orders {
            for (sku, quantity) in self.stock.reserved(*id, order) {
                *reserved.entry(sku).or_default() += quantity;
            }
        }
        let made = self.is_complete.then_some(UNKNOWN_SKU);
        let known = SKUS.into_iter().chain(made).map(build::sku);
        let known = known.filter(|s| skus.is_empty() || skus.contains(s));
        let level = |sku: Sku| {
            let of = |all: &BTreeMap<Sku, i64>| all.get(&sku).copied().unwrap_or_default();
            let free = (of(&self.stock.on_hand) - of(&reserved)).max(0);
            let available = Some(build::units(free));
            Availability { sku, available }
        };
        known.map(level).collect()
    }
}

/// A release is decided by the newest snapshot that Waybill knows, and not before the hold has ended.
pub fn released(world: &World, old: &Stored, commit: &Commit) {
    let is_new = |id| old.outbox.iter().all(|c| c.id != id);
    for command in commit.outbox.iter().filter(|c| is_new(c.id.clone())) {
        let Command::CreateFulfillmentOrder(asked) = &command.body else {
            continue;
        };
        let mut partners = world.partners.lock().unwrap();
        let Some(sold) = partners.sold.get_mut(&commit.correlation) else {
            continue;
        };
        let id = commit.correlation;
        let version = commit.state.facts.order.as_ref().map(|o| o.version);
        sold.released.extend(version);
        let known = version.and_then(|v| sold.goods.get(&v));
        // Without versions they are made up.
        let told = !world.sim.is_broken(crate::breakage::Breakage::NoVersions);
        if told && known != Some(&shipped(&asked.lines)) {
            let lines = shipped(&asked.lines);
            world.sim.wrong(format!(
                "{id}: {lines:?} is released, and the newest snapshot that is known says {known:?}"
            ));
        }
        let waited_ms = world.sim.now().ms_since(sold.order.placed_at);
        if waited_ms < HOLD_MS - SKEW_MS {
            world
                .sim
                .wrong(format!("{id}: released {waited_ms} ms after it was placed"));
        }
    }
}

/// What the warehouse is asked for is an order as it was at some time, wholly.
pub fn asked(
    world: &World,
    sold: Option<&Sold>,
    id: CorrelationId,
    command: &CreateFulfillmentOrder,
) {
    let lines = shipped(&command.lines);
    let is_known = sold.is_some_and(|s| s.goods.values().any(|g| *g == lines));
    if !is_known || lines.is_empty() {
        world.sim.wrong(format!(
            "{id}: the warehouse is asked for {lines:?}, and the order was never that"
        ));
    }
}

/// What must be true in the end.
pub(crate) fn check(world: &World, partners: &Partners, odoo: &Odoo, cases: &Cases) {
    for (sku, level) in &partners.counts {
        let known = odoo.stock.counted.get(sku);
        if known != Some(&level.quantity) {
            world.sim.wrong(format!(
                "the warehouse last counted {} of `{sku}`, Odoo was last told {known:?}",
                level.quantity
            ));
        }
    }
    offered(world, partners, odoo);
    for (id, sold) in &partners.sold {
        let codes = cases.get(id).cloned().unwrap_or_default();
        let wrong = |what: String| {
            world
                .sim
                .wrong(format!("{id}: {what}; open cases: {codes:?}"));
        };
        let is_cancelled = odoo.orders.get(id).is_some_and(|o| o.cancelled);
        let is_too_late = codes.contains(TOO_LATE) && is_cancelled;
        let is_unknown = partners.unheard.contains_key(id);
        moved(partners, odoo, *id, is_too_late || is_unknown, &wrong);
        left_wholly(partners, *id, sold, &codes, &wrong);
    }
}

/// The channel offers what is free, less the safety stock and what was sold and is not in Odoo yet.
fn offered(world: &World, partners: &Partners, odoo: &Odoo) {
    let settings = world.connections.channel(&build::connection(MARKET));
    let Some(settings) = settings.filter(|s| s.stock_location.is_some()) else {
        return;
    };
    let mut in_flight: BTreeMap<Sku, Quantity> = BTreeMap::new();
    for (id, sold) in &partners.sold {
        let is_held = odoo.orders.get(id).is_some_and(|o| o.confirmed);
        if is_held || sold.order.cancelled.is_some() {
            continue;
        }
        for line in &sold.order.lines {
            let sku = line.sku.clone().expect("every line of ours has one");
            let known = in_flight.entry(sku).or_default();
            *known = known.plus(line.current_quantity);
        }
    }
    for level in odoo.availability(&[]) {
        let sku = &level.sku;
        let sold = in_flight.get(sku).copied().unwrap_or_default();
        let free = level.available.expect("it is tracked");
        let right = free.minus(settings.safety_stock).minus(sold);
        let told = partners.levels.get(sku);
        if told != Some(&right) {
            world.sim.wrong(format!(
                "the channel offers {told:?} of `{sku}`: {free} are free, {sold} are sold and not in Odoo, so it is {right}"
            ));
        }
    }
}

/// What is booked is what left and what came back, to the unit of each line.
fn moved(
    partners: &Partners,
    odoo: &Odoo,
    id: CorrelationId,
    is_too_late: bool,
    wrong: &impl Fn(String),
) {
    let work = partners.work.get(&id);
    let (mut left, mut back) = (BTreeMap::new(), BTreeMap::new());
    if let Some(work) = work {
        let shipments = work.shipments.iter();
        left.extend(shipments.map(|s| (s.id.clone(), shipped(&s.lines))));
        let returns = work.returns.iter();
        back.extend(returns.map(|r| (r.id.clone(), returned(&r.lines))));
    }
    let nothing = BTreeMap::new();
    let both = [
        ("left", &left, odoo.stock.left.get(&id)),
        ("came back", &back, odoo.stock.back.get(&id)),
    ];
    for (word, truth, booked) in both {
        let booked = booked.unwrap_or(&nothing);
        for (what, goods) in booked {
            if truth.get(what) != Some(goods) {
                let true_goods = truth.get(what);
                wrong(format!(
                    "`{what}`: {true_goods:?} {word}, Odoo has {goods:?}"
                ));
            }
        }
        for (what, goods) in truth {
            if !booked.contains_key(what) && !is_too_late {
                wrong(format!(
                    "`{what}`: {goods:?} {word}, Odoo has nothing of it"
                ));
            }
        }
    }
}

/// What is paid and clean has left, as it was asked for; and it was asked for as it is now, or somebody is told.
fn left_wholly(
    partners: &Partners,
    id: CorrelationId,
    sold: &Sold,
    codes: &BTreeSet<String>,
    wrong: &impl Fn(String),
) {
    let due = sold.order.cancelled.is_none() && sold.paid && sold.clean && sold.known;
    let Some(work) = partners.work.get(&id).filter(|w| due && !w.cancelled) else {
        return;
    };
    let asked = shipped(&work.command.lines);
    let lines = work.shipments.iter().flat_map(|s| s.lines.clone());
    let left = shipped(&lines.collect::<Vec<_>>());
    if left != asked {
        wrong(format!("{asked:?} was asked for, {left:?} left"));
    }
    if asked != to_ship(&sold.order) && !codes.contains("edited_after_release") {
        wrong(format!(
            "{asked:?} was asked for, and it is another order by now"
        ));
    }
}

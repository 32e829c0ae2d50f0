//! What customers and partners do with each order.

use crate::erp::UNKNOWN_SKU;
use crate::partners::{Follow, Sold, message, number, order_message, warehouse_message};
use crate::sim::{HOUR, MINUTE};
use crate::stock;
use crate::webhooks::{self, Message, spawn, spawn_unpolled};
use crate::world::{CARRIER, DEPOT, GATEWAY, MARKET, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use waybill_flow::ports::{Outgoing, Queue};
use waybill_model::event::{Event, StockObserved};
use waybill_model::id::{CorrelationId, ExternalId, TrackingNumber};
use waybill_model::money::{Amount, Money};
use waybill_model::order::{Cancellation, Order, OrderPayment, Version};
use waybill_model::payment::{Refund, RefundLine, RefundStatus};
use waybill_model::quantity::Quantity;
use waybill_model::returns::{Disposition, Return, ReturnLine, ReturnStatus};
use waybill_model::shipment::{
    FulfillmentOrder, FulfillmentStatus, Parcel, Shipment, ShipmentStatus, ShippedLine, Tracking,
    TrackingStatus,
};
use waybill_model::stock::{StockKind, StockLevel};
use waybill_testkit::build::{self, OrderBuilder};

/// What the names of stock counts begin with.
pub const COUNT: &str = "count-";

/// Changes an order at the channel, and tells it.
fn change(world: &Arc<World>, id: CorrelationId, what: &str, change: impl FnOnce(&mut Sold)) {
    let order = {
        let mut partners = world.partners.lock().unwrap();
        let sold = partners.sold.get_mut(&id).expect("an order of the channel");
        change(sold);
        sold.order.version = Version(sold.order.version.0 + 1);
        let goods = stock::to_ship(&sold.order);
        sold.goods.insert(sold.order.version, goods);
        if !sold.clean {
            sold.unclean.insert(sold.order.version);
        }
        sold.order.clone()
    };
    world.sim.note(format_args!("{id}: {what}"));
    let name = format!("{}@{}", order.id, order.version.0);
    tell_channel(world, id, None, name, order_message(&order));
}

/// What is true at the channel from now on: it is told, and polls find it.
fn tell_channel(
    world: &Arc<World>,
    id: CorrelationId,
    of: Option<&ExternalId>,
    name: String,
    body: Value,
) {
    let now = world.sim.now();
    let mut partners = world.partners.lock().unwrap();
    let sold = partners.sold.get_mut(&id).expect("an order of the channel");
    sold.keep(now, of, &name, &body);
    drop(partners);
    let message = Message {
        connection: MARKET,
        id: name,
        body,
        polled: true,
    };
    spawn(world, message);
}

fn current(world: &World, id: CorrelationId) -> Order {
    world.partners.lock().unwrap().sold[&id].order.clone()
}

/// A plain order: paid, clean, and never touched again.
pub fn sell(world: &Arc<World>, n: u64) {
    let (text, id) = number(n);
    let now = world.sim.now();
    let order = OrderBuilder::new(&text)
        .channel(MARKET)
        .with(|o| o.placed_at = now)
        .build();
    put(world, id, order, true, true, true);
    tell_payment(world, id);
}

/// Puts a new order into the channel, and tells it.
fn put(world: &Arc<World>, id: CorrelationId, order: Order, paid: bool, clean: bool, known: bool) {
    let sold = Sold {
        order: order.clone(),
        past: Vec::new(),
        paid,
        captured: None,
        clean,
        is_edited: false,
        unclean: (!clean).then_some(order.version).into_iter().collect(),
        released: BTreeSet::new(),
        known,
        goods: BTreeMap::from([(order.version, stock::to_ship(&order))]),
        refunds: BTreeMap::new(),
        returns: BTreeMap::new(),
        fulfilled: BTreeMap::new(),
    };
    world.partners.lock().unwrap().sold.insert(id, sold);
    world.sim.note(format_args!("{id}: placed"));
    let name = format!("{}@{}", order.id, order.version.0);
    tell_channel(world, id, None, name, order_message(&order));
}

/// One order from the customer's click to the end.
pub async fn live(world: &Arc<World>, n: u64, within_ms: u64) {
    let sim = &world.sim;
    sim.wait_ms(sim.below(within_ms)).await;
    let (text, id) = number(n);
    let dice = sim.below(100);
    let (paid, later) = match dice {
        0..60 => (OrderPayment::Paid, false),
        60..90 => (OrderPayment::Pending, true),
        _ => (OrderPayment::Pending, false),
    };
    let bad = sim.chance(50);
    let unknown = sim.chance(30);
    let mut builder = OrderBuilder::new(&text).channel(MARKET).payment(paid);
    if unknown {
        builder = builder.line(UNKNOWN_SKU, 1, "5.00");
    }
    let now = sim.now();
    let mut order = builder.with(|o| o.placed_at = now).build();
    if bad {
        order.totals.total = order
            .totals
            .total
            .plus(build::amount("1.00"))
            .expect("an amount");
    }
    put(world, id, order, paid == OrderPayment::Paid, !bad, !unknown);
    if paid == OrderPayment::Paid {
        tell_payment(world, id);
    }
    edit(world, id).await;
    if later {
        sim.wait_ms(sim.between(MINUTE, 2 * HOUR)).await;
        change(world, id, "paid", |s| {
            s.order.payment = OrderPayment::Paid;
            s.paid = true;
        });
        tell_payment(world, id);
    }
    if bad && sim.chance(500) {
        sim.wait_ms(sim.between(MINUTE, 2 * HOUR)).await;
        change(world, id, "mended", |s| {
            s.order.totals.total = s
                .order
                .totals
                .total
                .minus(build::amount("1.00"))
                .expect("an amount");
            s.clean = true;
        });
    }
    if sim.chance(120) {
        sim.wait_ms(sim.between(MINUTE, 6 * HOUR)).await;
        cancel(world, id);
    } else if sim.chance(250) {
        sim.wait_ms(sim.between(HOUR, 10 * HOUR)).await;
        bring_back(world, id).await;
    }
}

/// The customer changes how many, within the hold window or a little after it.
async fn edit(world: &Arc<World>, id: CorrelationId) {
    let sim = &world.sim;
    if !sim.chance(150) {
        return;
    }
    sim.wait_ms(sim.between(1_000, 5 * MINUTE)).await;
    let more = i64::try_from(sim.between(1, 4)).expect("a few");
    change(world, id, "edited", |s| {
        s.is_edited = true;
        let mut lines = s.order.lines.clone();
        let quantity = build::units(more);
        lines[0].quantity = quantity;
        lines[0].current_quantity = quantity;
        let clean = s.clean;
        let rebuilt = OrderBuilder::new("x").without_lines().with(|o| {
            let placed = s.order.clone();
            *o = placed;
            o.lines = lines;
        });
        s.order = rebuilt.build();
        if !clean {
            s.order.totals.total = s
                .order
                .totals
                .total
                .plus(build::amount("1.00"))
                .expect("an amount");
        }
    });
}

/// The gateway tells that the money came.
fn tell_payment(world: &Arc<World>, id: CorrelationId) {
    let order = current(world, id);
    let minor = order.totals.total.to_minor(order.currency).expect("cents");
    let created = world.sim.now().epoch_s();
    let body = json!({
        "id": format!("evt_{}", order.id), "object": "event", "created": created, "livemode": false,
        "type": "payment_intent.succeeded",
        "data": {"object": {"id": format!("pi_{}", order.id), "object": "payment_intent", "amount": minor,
            "amount_received": minor, "currency": "eur", "payment_method_types": ["card"],
            "metadata": {"order_id": order.id}}},
    });
    {
        let taken = Money::new(order.totals.total, order.currency);
        let mut partners = world.partners.lock().unwrap();
        let sold = partners.sold.get_mut(&id).expect("an order of the channel");
        sold.captured = Some((build::external(&format!("pi_{}", order.id)), taken));
    }
    let id = format!("evt_{}", order.id);
    spawn(
        world,
        Message {
            connection: GATEWAY,
            id,
            body,
            polled: false,
        },
    );
}

fn cancel(world: &Arc<World>, id: CorrelationId) {
    let at = world.sim.now();
    let paid = {
        let partners = world.partners.lock().unwrap();
        partners.sold[&id].paid
    };
    change(world, id, "cancelled", |s| {
        s.order.cancelled = Some(Cancellation {
            at,
            reason: Some("customer".to_owned()),
        });
        for line in &mut s.order.lines {
            line.current_quantity = Quantity::default();
        }
    });
    if paid {
        let order = current(world, id);
        refund(world, id, order.totals.total, Vec::new());
    }
}

/// The channel decides to pay back.
fn refund(world: &Arc<World>, id: CorrelationId, amount: Amount, lines: Vec<RefundLine>) {
    let order = current(world, id);
    let refund = Refund {
        id: build::external(&format!("R-{}", order.id)),
        source: build::connection(MARKET),
        gateway_id: None,
        payment_id: None,
        status: RefundStatus::Requested,
        amount: Money::new(amount, order.currency),
        lines,
        shipping: Amount::ZERO,
        version: Version(1),
        refunded_at: None,
    };
    let told = message(&order, Event::RefundObserved(refund.clone()));
    let mut partners = world.partners.lock().unwrap();
    let sold = partners.sold.get_mut(&id).expect("an order of the channel");
    sold.refunds.insert(refund.id.clone(), refund.clone());
    drop(partners);
    world
        .sim
        .note(format_args!("{id}: refund {} is asked for", refund.id));
    let name = format!("{}@1", refund.id);
    tell_channel(world, id, Some(&refund.id), name, told);
}

/// The customer sends the first line back, if anything was shipped by then.
async fn bring_back(world: &Arc<World>, id: CorrelationId) {
    let sim = &world.sim;
    let shipped = {
        let partners = world.partners.lock().unwrap();
        let work = partners.work.get(&id);
        work.and_then(|w| w.shipments.first()).cloned()
    };
    let Some(shipment) = shipped else { return };
    let order = current(world, id);
    let line = shipment.lines[0].clone();
    let returned = |source, status, version| Return {
        id: build::external(&format!("RET-{}", order.id)),
        source: build::connection(source),
        status,
        lines: vec![ReturnLine {
            line_id: line.line_id.clone(),
            sku: line.sku.clone(),
            quantity: line.quantity,
            disposition: if source == DEPOT {
                Disposition::Restock
            } else {
                Disposition::Unknown
            },
            lots: Vec::new(),
        }],
        version: Version(version),
    };
    let asked = returned(MARKET, ReturnStatus::Authorized, 1);
    let told = message(&order, Event::ReturnObserved(asked.clone()));
    {
        let mut partners = world.partners.lock().unwrap();
        let sold = partners.sold.get_mut(&id).expect("an order of the channel");
        sold.returns.insert(asked.id.clone(), asked.clone());
    }
    sim.note(format_args!("{id}: a return is allowed"));
    let name = format!("{}@1", asked.id);
    tell_channel(world, id, Some(&asked.id), name, told);
    sim.wait_ms(sim.between(10 * MINUTE, 4 * HOUR)).await;
    let received = returned(DEPOT, ReturnStatus::Completed, 2);
    world
        .partners
        .lock()
        .unwrap()
        .work
        .get_mut(&id)
        .expect("shipped")
        .returns
        .push(received.clone());
    tell_warehouse(
        world,
        id,
        &format!("{}@2", received.id),
        Event::ReturnObserved(received),
    );
    sim.wait_ms(sim.between(MINUTE, HOUR)).await;
    let sold = order
        .lines
        .iter()
        .find(|l| Some(&l.id) == line.line_id.as_ref());
    let Some(sold) = sold else { return };
    let amount = sold
        .unit_price
        .times(line.quantity.decimal())
        .expect("an amount");
    let lines = vec![RefundLine {
        line_id: sold.id.clone(),
        sku: sold.sku.clone(),
        quantity: line.quantity,
        amount,
        restock: false,
    }];
    refund(world, id, amount, lines);
}

fn tell_warehouse(world: &Arc<World>, id: CorrelationId, name: &str, event: Event) {
    world
        .sim
        .note(format_args!("{id}: the warehouse tells {name}"));
    // Some warehouses do not echo what we called the order.
    let by_reference = matches!(event, Event::TrackingObserved(_))
        || (matches!(event, Event::ShipmentObserved(_)) && world.sim.chance(300));
    // Nobody waits for what comes back: no clock would tell that it was not told.
    let is_return = matches!(event, Event::ReturnObserved(_));
    let body = warehouse_message((!by_reference).then_some(id), event);
    let message = Message {
        connection: DEPOT,
        id: name.to_owned(),
        body,
        polled: false,
    };
    if is_return {
        spawn(world, message);
    } else {
        spawn_unpolled(world, id, message);
    }
}

/// What partners do later.
pub async fn follow(world: &Arc<World>, follow: Follow) {
    match follow {
        Follow::Fulfil(id) => fulfil(world, id).await,
        Follow::Stopped(id) => {
            let event = work_event(world, id, FulfillmentStatus::Cancelled, 9);
            tell_warehouse(world, id, &format!("W-{id}@9"), event);
        }
        Follow::PayBack(id, refund) => pay_back(world, id, &refund).await,
        Follow::Track(id, number) => track(world, id, &number).await,
    }
}

/// The carrier service tells what it sees of a parcel.
async fn track(world: &Arc<World>, id: CorrelationId, number: &TrackingNumber) {
    let sim = &world.sim;
    let left = {
        let partners = world.partners.lock().unwrap();
        let mut shipments = partners.work[&id].shipments.iter();
        let shipment = shipments.find(|s| s.tracking_numbers().contains(number));
        shipment.and_then(|s| s.shipped_at).unwrap_or(sim.now())
    };
    for status in ["in_transit", "delivered"] {
        sim.wait_ms(sim.between(MINUTE, 3 * HOUR)).await;
        let name = format!("evt_{number}_{status}");
        // The first scan was when it left, whenever it is told.
        let at = match status {
            "delivered" => sim.now(),
            _ => left,
        };
        let body = json!({
            "id": name, "object": "Event", "mode": "production", "description": "tracker.updated",
            "result": {"id": format!("trk_{number}"), "object": "Tracker", "tracking_code": number,
                "status": status, "updated_at": at, "tracking_details": [{"datetime": at, "status": status}]},
        });
        sim.note(format_args!("{id}: the carrier tells {name}"));
        let message = Message {
            connection: CARRIER,
            id: name,
            body,
            polled: false,
        };
        spawn_unpolled(world, id, message);
    }
}

fn work_event(world: &World, id: CorrelationId, status: FulfillmentStatus, version: i64) -> Event {
    let partners = world.partners.lock().unwrap();
    let work = &partners.work[&id];
    Event::FulfillmentOrderObserved(FulfillmentOrder {
        warehouse: build::connection(DEPOT),
        id: work.id.clone(),
        reference: Some(work.command.reference.clone()),
        status,
        version: Version(version),
    })
}

async fn fulfil(world: &Arc<World>, id: CorrelationId) {
    let sim = &world.sim;
    sim.wait_ms(sim.between(1_000, 10 * MINUTE)).await;
    let event = work_event(world, id, FulfillmentStatus::Processing, 1);
    tell_warehouse(world, id, &format!("W-{id}@1"), event);
    sim.wait_ms(sim.between(5 * MINUTE, 5 * HOUR)).await;
    let lines = {
        let partners = world.partners.lock().unwrap();
        partners.work[&id].command.lines.clone()
    };
    let parts: Vec<Vec<ShippedLine>> = if lines.len() > 1 && sim.chance(300) {
        lines.into_iter().map(|l| vec![l]).collect()
    } else {
        vec![lines]
    };
    for (place, lines) in parts.into_iter().enumerate() {
        if !ship(world, id, place, lines) {
            return;
        }
        sim.wait_ms(sim.between(MINUTE, HOUR)).await;
    }
    let event = work_event(world, id, FulfillmentStatus::Shipped, 2);
    tell_warehouse(world, id, &format!("W-{id}@2"), event);
    sim.wait_ms(sim.between(MINUTE, 4 * HOUR)).await;
    let numbers: Vec<TrackingNumber> = {
        let partners = world.partners.lock().unwrap();
        let shipments = partners.work[&id].shipments.iter();
        shipments.flat_map(Shipment::tracking_numbers).collect()
    };
    for number in &numbers {
        tell_tracking(world, id, number, TrackingStatus::Delivered);
    }
}

/// One parcel leaves, unless the order was called off; its tracking number may come later.
fn ship(world: &Arc<World>, id: CorrelationId, place: usize, lines: Vec<ShippedLine>) -> bool {
    let sim = &world.sim;
    let tracked = !sim.chance(100);
    let number = build::text(&format!("TRACK{}{place}", id.to_string().replace('-', "")));
    let mut shipment = Shipment {
        warehouse: build::connection(DEPOT),
        id: build::external(&format!("S-{id}-{place}")),
        fulfillment_order: Some(build::external(&format!("W-{id}"))),
        status: ShipmentStatus::Shipped,
        lines,
        parcels: vec![Parcel {
            tracking_number: tracked.then_some(number),
            carrier: Some("dhl".to_owned()),
            url: None,
        }],
        shipped_at: Some(sim.now()),
        version: Version(1),
    };
    {
        let mut partners = world.partners.lock().unwrap();
        let work = partners
            .work
            .get_mut(&id)
            .expect("an order of the warehouse");
        if work.cancelled {
            return false;
        }
        work.shipments.push(shipment.clone());
    }
    let name = format!("{}@1", shipment.id);
    tell_warehouse(world, id, &name, Event::ShipmentObserved(shipment.clone()));
    for number in shipment.tracking_numbers() {
        tell_tracking(world, id, &number, TrackingStatus::InTransit);
    }
    if !tracked {
        let later = Arc::clone(world);
        world.plan(1);
        tokio::spawn(async move {
            later.sim.wait_ms(later.sim.between(MINUTE, 3 * HOUR)).await;
            let number = build::text(&format!("TRACK{}{place}", id.to_string().replace('-', "")));
            shipment.parcels[0].tracking_number = Some(number);
            shipment.version = Version(2);
            let name = format!("{}@2", shipment.id);
            let mut partners = later.partners.lock().unwrap();
            let work = partners
                .work
                .get_mut(&id)
                .expect("an order of the warehouse");
            for known in &mut work.shipments {
                if known.id == shipment.id {
                    *known = shipment.clone();
                }
            }
            drop(partners);
            tell_warehouse(&later, id, &name, Event::ShipmentObserved(shipment));
            later.plan(-1);
        });
    }
    true
}

/// The gateway's money goes back, or does not.
async fn pay_back(world: &Arc<World>, id: CorrelationId, refund: &ExternalId) {
    let sim = &world.sim;
    sim.wait_ms(sim.between(1_000, 30 * MINUTE)).await;
    tell_refund(world, id, refund, RefundStatus::Succeeded, "succeeded");
    if sim.chance(60) {
        sim.wait_ms(sim.between(10 * MINUTE, 3 * HOUR)).await;
        tell_refund(world, id, refund, RefundStatus::Failed, "failed");
    }
}

fn tell_refund(
    world: &Arc<World>,
    id: CorrelationId,
    refund: &ExternalId,
    status: RefundStatus,
    word: &str,
) {
    let command = {
        let mut partners = world.partners.lock().unwrap();
        let paid = partners
            .paid_back
            .get_mut(&(id, refund.clone()))
            .expect("a refund");
        paid.status = status;
        paid.command.clone()
    };
    let money = command.amount;
    let minor = money.amount.to_minor(money.currency).expect("cents");
    let kind = if word == "failed" {
        "refund.failed"
    } else {
        "refund.updated"
    };
    let name = format!("evt_{refund}_{word}");
    let body = json!({
        "id": name, "object": "event", "created": world.sim.now().epoch_s(), "livemode": false, "type": kind,
        "data": {"object": {"id": format!("re-{id}-{refund}"), "object": "refund", "amount": minor,
            "currency": "eur", "payment_intent": command.payment_id, "status": word,
            "metadata": {"waybill_correlation": id, "waybill_refund": refund}}},
    });
    world.sim.note(format_args!("{id}: refund {refund} {word}"));
    let message = Message {
        connection: GATEWAY,
        id: name,
        body,
        polled: false,
    };
    spawn_unpolled(world, id, message);
}

/// The warehouse counts, now and then.
pub async fn count(world: &Arc<World>, times: u64) {
    let sim = &world.sim;
    for n in 0..times {
        // Now and then one right after the other.
        let longest = if sim.chance(300) { MINUTE } else { 2 * HOUR };
        sim.wait_ms(sim.between(1_000, longest)).await;
        let level = |name: &str| StockLevel {
            location: build::connection(DEPOT),
            sku: build::sku(name),
            kind: StockKind::OnHand,
            quantity: build::units(i64::try_from(1_000 - n).expect("a few")),
            at: sim.now(),
            lot: None,
        };
        let levels = match sim.below(4) {
            0 => vec![level("MUG-RED")],
            1 => vec![level("TEE-M")],
            _ => vec![level("MUG-RED"), level("TEE-M")],
        };
        let counted = levels.iter().map(|l| (l.sku.clone(), l.clone()));
        world.partners.lock().unwrap().counts.extend(counted);
        let body =
            serde_json::to_value(Event::StockObserved(StockObserved { levels })).expect("an event");
        spawn(
            world,
            Message {
                connection: DEPOT,
                id: format!("{COUNT}{n}"),
                body,
                polled: false,
            },
        );
    }
}

/// What nobody can read: somebody puts it into our queues, at times into the group of an order, or a partner signs it.
pub async fn poison(world: &Arc<World>, times: u32) {
    let sim = &world.sim;
    for n in 0..times {
        sim.wait_ms(sim.between(MINUTE, 3 * HOUR)).await;
        sim.count("poison");
        let mark = format!("{}{n}", webhooks::POISON);
        if sim.chance(250) {
            let signed = Message {
                connection: DEPOT,
                id: mark.clone(),
                body: json!({"type": mark}),
                polled: false,
            };
            webhooks::post(world, &signed).await;
            continue;
        }
        let place = sim.below(Queue::ALL.len() as u64);
        let queue = Queue::ALL[usize::try_from(place).expect("a place")];
        let fifo = queue == Queue::Events;
        let group = match some_order(world) {
            Some(id) if sim.chance(500) => id.to_string(),
            _ => mark.clone(),
        };
        world.put(
            queue,
            Outgoing {
                body: format!("{{\"{mark}\": "),
                group: fifo.then_some(group),
                deduplication: fifo.then_some(mark),
                delay_s: 0,
            },
        );
    }
}

/// Any order that was placed.
fn some_order(world: &World) -> Option<CorrelationId> {
    let partners = world.partners.lock().unwrap();
    let count = partners.sold.len() as u64;
    let place = usize::try_from(world.sim.below(count)).expect("a place");
    partners.sold.keys().nth(place).copied()
}

/// Where a parcel is: told by its number alone, perhaps before anybody knows whose it is.
fn tell_tracking(
    world: &Arc<World>,
    id: CorrelationId,
    number: &TrackingNumber,
    status: TrackingStatus,
) {
    let at = world.sim.now();
    let name = format!("{number}-{status:?}");
    let event = Event::TrackingObserved(Tracking {
        source: build::connection(DEPOT),
        tracking_number: number.clone(),
        status,
        carrier: None,
        expected_at: None,
        at,
    });
    tell_warehouse(world, id, &name, event);
}

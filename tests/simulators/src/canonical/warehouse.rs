//! The warehouse: takes fulfillment orders, picks, ships and delivers them, and counts its stock.

use super::{Signed, Taken, Told, Verdict, send, signed, unsupported};
use crate::env::Env;
use crate::shipbob::actions::WarehouseError;
use crate::sim::Sim;
use crate::world::{World, lock};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::sync::Arc;

/// What the warehouse holds.
#[derive(Debug)]
pub struct Warehouse {
    taken: Taken,
    work: Vec<Work>,
    run: i64,
}

/// One order at the warehouse.
#[derive(Debug, Clone)]
pub struct Work {
    /// The warehouse's id.
    pub id: String,
    /// Waybill's reference.
    pub reference: String,
    /// The number that the customer sees.
    pub number: String,
    /// Where it stands.
    pub status: Status,
    /// Number of the only parcel, once it has left.
    pub tracking_number: Option<String>,
    correlation: Option<String>,
    lines: Vec<Line>,
    shipped_at: Option<String>,
    version: i64,
}

#[derive(Debug, Clone)]
struct Line {
    id: Option<String>,
    sku: String,
    quantity: String,
}

/// Where an order stands at the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Waits to be picked: can be called off.
    Accepted,
    /// Picked: too late to call off.
    Processing,
    /// Left.
    Shipped,
    /// Arrived.
    Delivered,
    /// Called off.
    Cancelled,
}

impl Status {
    fn of_work(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Processing => "processing",
            Self::Shipped | Self::Delivered => "shipped",
            Self::Cancelled => "cancelled",
        }
    }

    fn of_shipment(self) -> &'static str {
        match self {
            Self::Accepted | Self::Processing => "pending",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Warehouse {
    /// A warehouse without work.
    #[must_use]
    pub fn new(env: &Env) -> Self {
        Self {
            taken: Taken::default(),
            work: Vec::new(),
            run: env.started_at().as_second().rem_euclid(100_000_000),
        }
    }

    /// The order with this number, `#` or not.
    #[must_use]
    pub fn by_number(&self, number: &str) -> Option<&Work> {
        let wanted = number.trim_start_matches('#');
        self.work
            .iter()
            .find(|w| w.number.trim_start_matches('#') == wanted)
    }

    fn made(work: &Work) -> Vec<(&'static str, String)> {
        vec![
            ("fulfillment_order", work.id.clone()),
            ("shipment", shipment_id(work)),
        ]
    }

    fn carry_out(&mut self, command: &Signed, now_us: i64) -> Verdict {
        match command.kind.as_str() {
            "waybill.fulfillment_order.create" => self.accept(command, now_us),
            "waybill.fulfillment_order.cancel" => self.call_off(command, now_us),
            _ => unsupported(command),
        }
    }

    /// The reference is unique: the same order under another message is there already.
    fn accept(&mut self, command: &Signed, now_us: i64) -> Verdict {
        let reference = command.text("reference");
        if let Some(known) = self.work.iter().find(|w| w.reference == reference) {
            return Verdict::Already(Self::made(known));
        }
        let text = |line: &Value, name: &str| Some(line.get(name)?.as_str()?.to_owned());
        let lines: Vec<Line> = command
            .list("lines")
            .filter_map(|line| {
                Some(Line {
                    id: text(line, "line_id"),
                    sku: text(line, "sku")?,
                    quantity: text(line, "quantity")?,
                })
            })
            .collect();
        if lines.is_empty() || reference.is_empty() {
            return Verdict::Refused {
                code: "nothing_to_ship",
                detail: "the order has no lines or no reference".to_owned(),
                remedy: "look at the order in the shop",
            };
        }
        let correlation = command.body.get("correlationid").and_then(Value::as_str);
        let work = Work {
            id: format!("NW-{}-{}", self.run, self.work.len() + 1),
            reference,
            number: command.text("order_number"),
            status: Status::Accepted,
            tracking_number: None,
            correlation: correlation.map(str::to_owned),
            lines,
            shipped_at: None,
            version: now_us,
        };
        let made = Self::made(&work);
        self.work.push(work);
        Verdict::Done(made)
    }

    fn call_off(&mut self, command: &Signed, now_us: i64) -> Verdict {
        let reference = command.text("reference");
        let Some(work) = self.work.iter_mut().find(|w| w.reference == reference) else {
            return Verdict::Refused {
                code: "unknown_fulfillment_order",
                detail: format!("there is no order `{reference}`"),
                remedy: "look for the order at the warehouse by its number",
            };
        };
        match work.status {
            Status::Accepted => {
                work.status = Status::Cancelled;
                work.version = now_us.max(work.version + 1);
                Verdict::Done(vec![("fulfillment_order", work.id.clone())])
            }
            Status::Cancelled => Verdict::Already(vec![("fulfillment_order", work.id.clone())]),
            Status::Processing | Status::Shipped | Status::Delivered => Verdict::Refused {
                code: "too_late",
                detail: format!("`{}` is picked", work.id),
                remedy: "ask the customer to send the parcel back",
            },
        }
    }

    /// What the warehouse holds, for invariants: orders in the shape of the other 3PL's.
    #[must_use]
    pub fn state(&self) -> Value {
        let orders: Vec<Value> = self.work.iter().map(work_state).collect();
        let mut state = self.taken.state();
        if let Some(fields) = state.as_object_mut() {
            fields.insert("orders".to_owned(), json!(orders));
        }
        state
    }
}

fn shipment_id(work: &Work) -> String {
    format!("{}-S1", work.id)
}

fn work_state(work: &Work) -> Value {
    let lines: Vec<Value> = work
        .lines
        .iter()
        .map(|l| json!({"sku": l.sku, "quantity": l.quantity.parse::<i64>().unwrap_or_default()}))
        .collect();
    json!({
        "id": work.id,
        "reference_id": work.reference,
        "order_number": work.number,
        "status": work.status.of_work(),
        "shipments": [{
            "id": shipment_id(work), "status": work.status.of_shipment(), "lines": lines,
            "tracking_number": work.tracking_number,
        }],
    })
}

/// Takes commands.
pub fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/waybill/commands", post(take))
        .with_state(world)
}

async fn take(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let command = match signed(&world, Sim::Canonical, &headers, &body) {
        Ok(command) => command,
        Err(problem) => {
            lock(&world.warehouse).taken.unsigned += 1;
            return problem.into_response();
        }
    };
    let now_us = world.env.now().as_microsecond();
    let (verdict, changed) = {
        let mut warehouse = lock(&world.warehouse);
        if let Some(verdict) = warehouse.taken.repeated(&command) {
            return verdict.into_response();
        }
        let verdict = warehouse.carry_out(&command, now_us);
        let reference = command.text("reference");
        let done = matches!(verdict, Verdict::Done(_));
        let changed = warehouse
            .work
            .iter()
            .find(|w| done && w.reference == reference)
            .cloned();
        warehouse.taken.keep(command, &verdict);
        (verdict, changed)
    };
    if let Some(work) = changed {
        tell_work(&world, &work);
    }
    world.changed.notify_waiters();
    verdict.into_response()
}

fn tell(world: &Arc<World>, work: &Work, kind: &str, data: Value) {
    let told = Told {
        kind: kind.to_owned(),
        key: work.number.clone(),
        correlation: work.correlation.clone(),
        order: None,
        data,
    };
    send(world, Sim::Canonical, &told);
}

fn tell_work(world: &Arc<World>, work: &Work) {
    let data = json!({
        "warehouse": Sim::Canonical.connection(), "id": work.id, "reference": work.reference,
        "status": work.status.of_work(), "version": work.version,
    });
    tell(world, work, "waybill.fulfillment_order.observed", data);
}

fn tell_shipment(world: &Arc<World>, work: &Work) {
    let lines: Vec<Value> = work
        .lines
        .iter()
        .map(|l| json!({"line_id": l.id, "sku": l.sku, "quantity": l.quantity}))
        .collect();
    let data = json!({
        "warehouse": Sim::Canonical.connection(), "id": shipment_id(work),
        "fulfillment_order": work.id, "status": work.status.of_shipment(), "lines": lines,
        "parcels": [{
            "tracking_number": work.tracking_number, "carrier": "DHL",
            "url": work.tracking_number.as_ref().map(|n| format!("https://example.com/track/{n}")),
        }],
        "shipped_at": work.shipped_at, "version": work.version,
    });
    tell(world, work, "waybill.shipment.observed", data);
}

fn change(
    world: &Arc<World>,
    id: &str,
    from: Status,
    to: Status,
    act: impl FnOnce(&mut Work),
) -> Result<Work, WarehouseError> {
    let now_us = world.env.now().as_microsecond();
    let changed = {
        let mut warehouse = lock(&world.warehouse);
        let work = warehouse
            .work
            .iter_mut()
            .find(|w| w.id == id)
            .ok_or(WarehouseError::Unknown)?;
        if work.status != from {
            return Err(WarehouseError::Refused);
        }
        work.status = to;
        work.version = now_us.max(work.version + 1);
        act(work);
        work.clone()
    };
    world.changed.notify_waiters();
    Ok(changed)
}

/// Picks an order: from now on it is too late to call it off.
///
/// # Errors
/// No such order, or it does not wait to be picked.
pub fn pick(world: &Arc<World>, id: &str) -> Result<(), WarehouseError> {
    let work = change(world, id, Status::Accepted, Status::Processing, |_| {})?;
    tell_work(world, &work);
    Ok(())
}

/// Ships an order that is picked, in one parcel. Returns its tracking number.
///
/// # Errors
/// No such order, or it is not picked.
pub fn ship(world: &Arc<World>, id: &str) -> Result<String, WarehouseError> {
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    let number = format!("NW{digits}X{:04}", world.env.seed().rem_euclid(10_000));
    let at = world.env.now().to_string();
    let work = change(world, id, Status::Processing, Status::Shipped, |work| {
        work.tracking_number = Some(number.clone());
        work.shipped_at = Some(at);
    })?;
    tell_shipment(world, &work);
    tell_work(world, &work);
    Ok(number)
}

/// The parcel arrives.
///
/// # Errors
/// No such order, or it has not left.
pub fn deliver(world: &Arc<World>, id: &str) -> Result<(), WarehouseError> {
    let work = change(world, id, Status::Shipped, Status::Delivered, |_| {})?;
    tell_shipment(world, &work);
    Ok(())
}

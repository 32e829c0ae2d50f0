//! ShipBob: orders, shipments, returns and a stock ledger, its dated API, and its webhooks.

pub mod actions;
mod api;
pub mod returns;
mod view;

use crate::catalogue;
use crate::env::Env;
use crate::sim::Sim;
use crate::webhooks::{Outgoing, emit};
use crate::world::{Options, World};
use axum::Router;
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// What the 3PL holds.
#[derive(Debug)]
pub struct Shipbob {
    orders: BTreeMap<i64, SbOrder>,
    returns: BTreeMap<i64, returns::SbReturn>,
    /// Units on hand by SKU.
    on_hand: BTreeMap<String, i64>,
    ledger: Vec<StockMove>,
    /// Duplicate references that were refused.
    duplicates_refused: u64,
    next_id: i64,
    calls: VecDeque<Instant>,
}

/// Units that left or came back, once for each shipment or return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StockMove {
    /// Shipment or return.
    pub cause: String,
    /// What.
    pub sku: String,
    /// Negative for what left.
    pub units: i64,
}

/// An order.
#[derive(Debug, Clone)]
pub struct SbOrder {
    /// ShipBob's id.
    pub id: i64,
    /// The reference that its creator gave.
    pub reference_id: String,
    /// The number that the customer sees.
    pub order_number: String,
    /// Channel that it came through.
    pub channel_id: i64,
    /// Recipient as given.
    pub recipient: Value,
    /// Way of delivery as given.
    pub shipping_method: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// SKU and units.
    pub products: Vec<(String, i64)>,
    /// Its shipments; one until it is split.
    pub shipments: Vec<SbShipment>,
}

/// A shipment.
#[derive(Debug, Clone)]
pub struct SbShipment {
    /// ShipBob's id.
    pub id: i64,
    /// What is in it.
    pub lines: Vec<(String, i64)>,
    /// Where it stands.
    pub status: SbStatus,
    /// Carrier and number, once a label is bought.
    pub tracking: Option<SbTracking>,
    /// When it last changed; milliseconds.
    pub updated_at: Timestamp,
    /// When it left.
    pub shipped_at: Option<Timestamp>,
    /// When it arrived.
    pub delivered_at: Option<Timestamp>,
}

/// Where a shipment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SbStatus {
    /// Waits to be picked: can be cancelled.
    Processing,
    /// Stopped: stock is missing, say. Can be cancelled.
    Exception,
    /// Picked or packed: too late to cancel.
    Picked,
    /// Left.
    Shipped,
    /// Arrived.
    Delivered,
    /// Called off.
    Cancelled,
}

/// Carrier and number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SbTracking {
    /// `DHL` and so on.
    pub carrier: String,
    /// The carrier's number.
    pub number: String,
}

impl Shipbob {
    /// A 3PL with stock and without orders.
    #[must_use]
    pub fn new(options: &Options, env: &Env) -> Self {
        let run = env.started_at().as_second().rem_euclid(100_000_000);
        let stock = (1..=options.skus).map(|n| (catalogue::sku(n), options.shipbob_stock));
        Self {
            orders: BTreeMap::new(),
            returns: BTreeMap::new(),
            on_hand: stock.collect(),
            ledger: Vec::new(),
            duplicates_refused: 0,
            next_id: 100_000_000 + run * 10_000,
            calls: VecDeque::new(),
        }
    }

    fn next_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    /// Every order.
    pub fn orders(&self) -> impl Iterator<Item = &SbOrder> {
        self.orders.values()
    }

    /// Orders that carry this number, `#` or not.
    pub fn by_number(&self, number: &str) -> impl Iterator<Item = &SbOrder> {
        let wanted = number.trim_start_matches('#').to_owned();
        self.orders
            .values()
            .filter(move |o| o.order_number.trim_start_matches('#') == wanted)
    }

    /// What the 3PL holds, for invariants.
    #[must_use]
    pub fn state(&self) -> Value {
        let orders: Vec<Value> = self
            .orders
            .values()
            .map(|o| {
                json!({
                    "id": o.id.to_string(),
                    "reference_id": o.reference_id,
                    "order_number": o.order_number,
                    "channel_id": o.channel_id,
                    "created_at": crate::env::utc_millis(o.created_at),
                    "status": o.status(),
                    "products": o.products.iter().map(|(s, q)| json!({"sku": s, "quantity": q})).collect::<Vec<_>>(),
                    "shipments": o.shipments.iter().map(|s| json!({
                        "id": s.id.to_string(),
                        "status": s.status,
                        "tracking_number": s.tracking.as_ref().map(|t| &t.number),
                        "carrier": s.tracking.as_ref().map(|t| &t.carrier),
                        "lines": s.lines.iter().map(|(s, q)| json!({"sku": s, "quantity": q})).collect::<Vec<_>>(),
                    })).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "orders": orders,
            "returns": self.returns.values().map(returns::state).collect::<Vec<_>>(),
            "on_hand": self.on_hand,
            "ledger": self.ledger,
            "duplicates_refused": self.duplicates_refused,
        })
    }
}

impl SbOrder {
    /// The order's status in ShipBob's words.
    #[must_use]
    pub fn status(&self) -> &'static str {
        let live: Vec<SbStatus> = self
            .shipments
            .iter()
            .map(|s| s.status)
            .filter(|s| *s != SbStatus::Cancelled)
            .collect();
        let left = live.iter().filter(|s| s.has_left()).count();
        if live.is_empty() {
            "Cancelled"
        } else if left == live.len() {
            "Fulfilled"
        } else if left > 0 {
            "PartiallyFulfilled"
        } else if live.contains(&SbStatus::Exception) {
            "Exception"
        } else {
            "Processing"
        }
    }
}

impl SbStatus {
    /// Left the building.
    #[must_use]
    pub fn has_left(self) -> bool {
        matches!(self, Self::Shipped | Self::Delivered)
    }

    fn can_be_cancelled(self) -> bool {
        matches!(self, Self::Processing | Self::Exception)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Processing | Self::Picked => "Processing",
            Self::Exception => "Exception",
            Self::Shipped | Self::Delivered => "Completed",
            Self::Cancelled => "Cancelled",
        }
    }

    fn detail(self) -> Option<(i64, &'static str)> {
        match self {
            Self::Processing => Some((202, "AwaitingPick")),
            Self::Exception => Some((400, "OutOfStock")),
            Self::Picked => Some((203, "Picked")),
            Self::Shipped => Some((205, "Labeled")),
            Self::Delivered => Some((208, "Delivered")),
            Self::Cancelled => None,
        }
    }
}

/// The dated API, for any date.
pub fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/{version}/order", post(api::create).get(api::list))
        .route("/{version}/order/{id}", get(api::get))
        .route("/{version}/order/{id}/cancel", post(api::cancel))
        .route("/{version}/order/{id}/shipment", get(api::shipments))
        .route("/{version}/return", post(api::create_return))
        .route("/{version}/return/{id}", get(api::get_return))
        .route("/{version}/inventory-level", get(api::inventory))
        .with_state(world)
}

/// Sends a webhook about an order. The id is that of the event; retries carry it too.
fn notify(world: &Arc<World>, topic: &str, key: &str, subject: &str, body: &Value) {
    let at = world.env.now().as_nanosecond();
    let event = format!("{topic}/{subject}/{at}");
    let out = Outgoing {
        sim: Sim::Shipbob,
        topic: topic.to_owned(),
        key: key.to_owned(),
        event_id: format!("msg_{}", world.env.token("shipbob/event", &event, 27)),
        headers: vec![("x-webhook-topic", topic.to_owned())],
        body: body.to_string().into_bytes(),
        drop: false,
    };
    emit(world, out);
}

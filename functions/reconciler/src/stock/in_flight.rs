//! Orders that a channel sold and the ERP does not hold yet.

use crate::{JobError, Ports};
use futures::StreamExt as _;
use std::collections::BTreeMap;
use waybill_flow::plan::keys;
use waybill_flow::ports::{Clock, OrderStore};
use waybill_flow::state::OrderState;
use waybill_model::event::Outcome;
use waybill_model::id::{ConnectionId, Sku};
use waybill_model::order::Order;
use waybill_model::quantity::Quantity;
use waybill_model::time::{DAY_MS, Instant};

/// Most orders that may be in flight: a day's outage at two thousand orders an hour. More of them
/// is an outage that a person has to know of.
const MAX_IN_FLIGHT: usize = 50_000;
/// Most orders listed, whatever they wait for: the index does not tell, so each is loaded. Those of
/// three days at two thousand an hour; their ids are held in memory.
const MAX_LISTED: usize = 150_000;
/// Time after which no further order is looked at, in milliseconds: the function may run for 300 s,
/// and the ERP is asked and levels are sent after this.
const BUDGET_MS: i64 = 150_000;
/// Reads of our own table at once.
const CONCURRENCY: usize = 16;
/// Deadlines of orders that wait are in the future.
const HORIZON_MS: i64 = 400 * DAY_MS;

/// Units that were sold and that the ERP has not reserved, by ERP and SKU.
pub(crate) type Units = BTreeMap<ConnectionId, BTreeMap<Sku, Quantity>>;

/// How much is looked through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Most orders in flight.
    pub(crate) in_flight: usize,
    /// Most orders listed.
    pub(crate) listed: usize,
    /// When no further order is looked at.
    pub(crate) until: Instant,
}

impl Bounds {
    /// Those of a run that began then.
    pub(crate) fn of_run(began: Instant) -> Self {
        Self {
            in_flight: MAX_IN_FLIGHT,
            listed: MAX_LISTED,
            until: began.plus_ms(BUDGET_MS),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InFlight {
    /// All of it.
    Known(Units),
    /// Not all: a sum that leaves some out would sell them twice.
    Unknown(TooMuch),
}

/// Why it is not known what is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMuch {
    /// More orders than this are in flight.
    InFlight(usize),
    /// More orders than this wait for something.
    Listed(usize),
    /// The run's time was over.
    Time,
}

impl TooMuch {
    /// What is wrong, for a case.
    pub(crate) fn detail(self) -> String {
        match self {
            Self::InFlight(most) => format!("more than {most} orders are sold and not in Odoo yet"),
            Self::Listed(most) => format!(
                "more than {most} orders wait for something, which is more than is looked \
                 through for those that are not in Odoo yet"
            ),
            Self::Time => "the orders that wait for something could not be looked through in the \
                           time of one run"
                .to_owned(),
        }
    }

    /// What to do, for a case.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::InFlight(_) => {
                "look why Odoo does not have them: is it away (`cargo xtask ops connections`), are \
                 orders refused (open cases), or unpaid for long? Cancel in the shop what will \
                 never be paid. The next run publishes once fewer wait; until then lower in the \
                 channels by hand what is nearly sold out"
            }
            Self::Listed(_) | Self::Time => {
                "look for orders that wait for what will not come (unpaid, never shipped: open \
                 cases `payment_overdue`, `ship_overdue`) and cancel them in the shop; if there \
                 are none, give the function `reconciler` more memory, with which it is faster. \
                 The next run publishes once it gets through; until then lower in the channels by \
                 hand what is nearly sold out"
            }
        }
    }
}

impl<O: OrderStore, E, Q, P, R, C: Clock, S> Ports<'_, O, E, Q, P, R, C, S> {
    /// Units by ERP and SKU of orders that the ERP does not hold yet.
    pub(crate) async fn in_flight(
        &self,
        now: Instant,
        bounds: Bounds,
    ) -> Result<InFlight, JobError> {
        let horizon = now.plus_ms(HORIZON_MS);
        let one_more = bounds.listed.saturating_add(1);
        let waiting = self.orders.overdue(horizon, one_more).await?;
        if waiting.len() > bounds.listed {
            return Ok(InFlight::Unknown(TooMuch::Listed(bounds.listed)));
        }
        let (mut units, mut count) = (Units::new(), 0);
        let mut loads = futures::stream::iter(waiting)
            .map(|id| self.orders.load(id))
            .buffered(CONCURRENCY);
        while let Some(stored) = loads.next().await {
            if self.clock.now() >= bounds.until {
                return Ok(InFlight::Unknown(TooMuch::Time));
            }
            let Some(stored) = stored? else { continue };
            let Some(order) = sold(&stored.state) else {
                continue;
            };
            let Some(settings) = self.connections.channel(&order.channel) else {
                continue;
            };
            count += 1;
            if count > bounds.in_flight {
                return Ok(InFlight::Unknown(TooMuch::InFlight(bounds.in_flight)));
            }
            let units = units.entry(settings.erp.clone()).or_default();
            for line in &order.lines {
                if let Some(sku) = &line.sku {
                    let known = units.entry(sku.clone()).or_default();
                    *known = known.plus(line.current_quantity);
                }
            }
        }
        Ok(InFlight::Known(units))
    }
}

/// The order of this state, if it is in flight. Whoever has an order that is not ours has taken its
/// goods off the stock.
fn sold(state: &OrderState) -> Option<&Order> {
    let order = state.facts.order.as_ref()?;
    let is_none_of_ours = order.test || order.cancelled.is_some() || state.is_history();
    (!is_none_of_ours && !is_in_erp(state)).then_some(order)
}

fn is_in_erp(state: &OrderState) -> bool {
    let effect = state.effects.get(&keys::sale_order());
    matches!(
        effect.and_then(|e| e.outcome.as_ref()),
        Some(Outcome::Done { .. })
    )
}

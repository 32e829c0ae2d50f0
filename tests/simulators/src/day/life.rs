//! The script of one order: what customer, merchant, warehouse and carrier do, each waiting for
//! what the others must have done first.

mod canonical;

use super::plan::{Kind, PlannedOrder};
use super::{Moment, record};
use crate::easypost::scan;
use crate::shipbob::actions::{Leave, add_tracking, deliver, except, pick, ship, split};
use crate::shipbob::returns;
use crate::shopify::actions::{self as shop, Placed, RefundSpec};
use crate::shopify::order::RefundMoney;
use crate::shopify::with_order;
use crate::stripe;
use crate::world::{World, lock};
use rand::RngExt;
use std::sync::Arc;
use std::time::Duration;

/// What an order waited for in vain.
pub(super) type Stuck = &'static str;

/// One order and the world around it.
pub(super) struct Life<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) plan: &'a PlannedOrder,
    pub(super) seed: u64,
    pub(super) index: usize,
    pub(super) limit: Duration,
}

/// An order at the warehouse.
#[derive(Debug, Clone)]
struct AtWarehouse {
    order: i64,
    shipment: i64,
    lines: Vec<(String, i64)>,
}

impl Life<'_> {
    /// Plays the script to its end.
    pub(super) async fn play(&self, placed: &Placed) -> Result<(), Stuck> {
        match self.plan.kind {
            Kind::Plain | Kind::Silent | Kind::Market => {
                self.ship_whole(placed, Arrival::Smooth).await
            }
            Kind::MarketRefund => self.refund_at_market(placed).await,
            Kind::MarketCancel => self.cancel_at_market(placed).await,
            Kind::Abroad | Kind::MarketAbroad => self.ship_abroad(placed).await,
            Kind::AbroadCancel => self.cancel_abroad(placed).await,
            Kind::CarrierDelay => self.ship_whole(placed, Arrival::Delayed).await,
            Kind::CarrierFailure => self.ship_whole(placed, Arrival::Failed).await,
            Kind::TwoParcels => self.ship_split(placed, true).await,
            Kind::Partial => self.ship_split(placed, false).await,
            Kind::LateTracking => self.ship_untracked(placed).await,
            Kind::StockException => self.ship_after_exception(placed).await,
            Kind::Return => self.send_back(placed).await,
            Kind::Goodwill => self.goodwill(placed).await.map(|_| ()),
            Kind::RefundFails => self.fail_refund(placed).await,
            Kind::PaidLater => {
                self.pause(2_000).await;
                shop::pay(self.world, placed.id).map_err(|_| "the shop to take the payment")?;
                self.ship_whole(placed, Arrival::Smooth).await
            }
            Kind::NeverPaid | Kind::UnknownSku | Kind::WrongTotal | Kind::Test => Ok(()),
            Kind::CancelUnpaid => {
                self.pause(700).await;
                self.cancel(placed)
            }
            Kind::CancelAtOnce => {
                self.pause(self.draw("cancel", 400)).await;
                self.cancel(placed)
            }
            Kind::CancelInTime => self.cancel_in_time(placed).await,
            Kind::CancelTooLate => self.cancel_too_late(placed).await,
            Kind::CancelRace => self.cancel_race(placed).await,
        }
    }

    async fn pause(&self, ms: u64) {
        tokio::time::sleep(self.world.env.pause(ms)).await;
    }

    fn draw(&self, what: &str, below: u64) -> u64 {
        let key = format!("{}/{what}", self.index);
        crate::env::rng(self.seed, "day/life", &key).random_range(0..below.max(1))
    }

    fn record(&self, moment: Moment) {
        record(self.world, self.index, moment);
    }

    /// Waits until the warehouse has the order.
    async fn released(&self, placed: &Placed) -> Result<AtWarehouse, Stuck> {
        let found = self.world.wait_for(self.limit, |w| {
            let shipbob = lock(&w.shipbob);
            let order = shipbob.by_number(&placed.name).next()?;
            let shipment = order.shipments.first()?;
            Some(AtWarehouse {
                order: order.id,
                shipment: shipment.id,
                lines: shipment.lines.clone(),
            })
        });
        let at = found.await.ok_or("the release to the warehouse")?;
        self.record(Moment::Released);
        Ok(at)
    }

    async fn ship_whole(&self, placed: &Placed, arrival: Arrival) -> Result<(), Stuck> {
        let at = self.released(placed).await?;
        self.pause(300 + self.draw("pick", 500)).await;
        pick(self.world, at.order, at.shipment).map_err(|_| "a shipment to pick")?;
        self.pause(200).await;
        let number = self.leave(&at, at.shipment)?;
        self.travel(&at, at.shipment, &number, arrival).await
    }

    fn leave(&self, at: &AtWarehouse, shipment: i64) -> Result<String, Stuck> {
        let leave = Leave {
            with_tracking: true,
            tell: true,
        };
        let number = ship(self.world, at.order, shipment, leave);
        self.record(Moment::Shipped);
        number.map_err(|_| "a shipment to send")
    }

    /// The parcel's way, once Waybill has asked to follow it.
    async fn travel(
        &self,
        at: &AtWarehouse,
        shipment: i64,
        number: &str,
        arrival: Arrival,
    ) -> Result<(), Stuck> {
        let follows = |w: &World| lock(&w.easypost).follows(number).then_some(());
        let followed = self.world.wait_for(self.limit, follows).await;
        followed.ok_or("the carrier service to be asked to follow the parcel")?;
        let scans: &[&'static str] = match arrival {
            Arrival::Smooth => &["in_transit", "out_for_delivery", "delivered"],
            Arrival::Delayed => &["in_transit", "failure", "in_transit", "delivered"],
            Arrival::Failed => &["in_transit", "failure"],
        };
        for status in scans {
            self.pause(300 + self.draw(status, 400)).await;
            scan(self.world, number, status);
        }
        if arrival != Arrival::Failed {
            deliver(self.world, at.order, shipment).map_err(|_| "a shipment to arrive")?;
            self.record(Moment::Delivered);
        }
        Ok(())
    }

    /// Some of the goods, so that some remain.
    fn some_of(lines: &[(String, i64)]) -> Vec<(String, i64)> {
        match lines {
            [(sku, units)] => vec![(sku.clone(), (units / 2).max(1))],
            [first, ..] => vec![first.clone()],
            [] => Vec::new(),
        }
    }

    async fn ship_split(&self, placed: &Placed, together: bool) -> Result<(), Stuck> {
        let at = self.released(placed).await?;
        self.pause(300).await;
        let first = Self::some_of(&at.lines);
        let (one, two) =
            split(self.world, at.order, &first).map_err(|_| "an order that can be split")?;
        self.pause(300).await;
        let a = if together {
            // Both labels are printed, then the order is told once.
            let leave = Leave {
                with_tracking: true,
                tell: false,
            };
            ship(self.world, at.order, one, leave).map_err(|_| "a shipment to send")?
        } else {
            self.leave(&at, one)?
        };
        if !together {
            self.pause(2_500).await;
        }
        let b = self.leave(&at, two)?;
        self.travel(&at, one, &a, Arrival::Smooth).await?;
        self.travel(&at, two, &b, Arrival::Smooth).await
    }

    async fn ship_untracked(&self, placed: &Placed) -> Result<(), Stuck> {
        let at = self.released(placed).await?;
        self.pause(400).await;
        let leave = Leave {
            with_tracking: false,
            tell: true,
        };
        let number =
            ship(self.world, at.order, at.shipment, leave).map_err(|_| "a shipment to send")?;
        self.record(Moment::Shipped);
        self.pause(1_500).await;
        add_tracking(self.world, at.order, at.shipment, &number)
            .map_err(|_| "a shipment to get its number")?;
        self.travel(&at, at.shipment, &number, Arrival::Smooth)
            .await
    }

    async fn ship_after_exception(&self, placed: &Placed) -> Result<(), Stuck> {
        let at = self.released(placed).await?;
        self.pause(200).await;
        except(self.world, at.order, at.shipment).map_err(|_| "a shipment to stop")?;
        self.pause(2_500).await;
        let number = self.leave(&at, at.shipment)?;
        self.travel(&at, at.shipment, &number, Arrival::Smooth)
            .await
    }

    /// Waits until the shop was told of everything that left.
    async fn told(&self, placed: &Placed) -> Result<(), Stuck> {
        let told = self.world.wait_for(self.limit, |w| {
            let status = with_order(w, placed.id, |o| o.fulfillment_status());
            (status.flatten() == Some("fulfilled")).then_some(())
        });
        told.await.ok_or("the shop to be told of the shipment")
    }

    /// Waits until the gateway has paid back; returns the refund's id.
    async fn paid_back(&self, placed: &Placed) -> Result<String, Stuck> {
        let order = placed.id.to_string();
        let paid = self.world.wait_for(self.limit, |w| {
            let refunds = lock(&w.stripe).refunds_of(&order);
            let done = refunds
                .into_iter()
                .find(|(_, status)| *status == "succeeded");
            done.map(|(id, _)| id)
        });
        let id = paid.await.ok_or("the gateway to be asked for the refund")?;
        self.record(Moment::PaidBack);
        Ok(id)
    }

    async fn send_back(&self, placed: &Placed) -> Result<(), Stuck> {
        self.ship_whole(placed, Arrival::Smooth).await?;
        self.told(placed).await?;
        let at = self.released(placed).await?;
        let back = shop::open_return(self.world, placed.id, &[(0, 1)])
            .map_err(|_| "the shop to open the return")?;
        let sku = with_order(self.world, placed.id, |o| {
            o.lines.first().map(|l| l.sku.clone())
        });
        let lines = [(sku.flatten().unwrap_or_default(), 1)];
        self.pause(400).await;
        let id = returns::announce(self.world, at.order, &back.id.to_string(), &lines)
            .map_err(|_| "the warehouse to expect the return")?;
        self.pause(800).await;
        returns::arrive(self.world, id).map_err(|_| "the return to arrive")?;
        self.pause(400).await;
        returns::complete(self.world, id).map_err(|_| "the return to be inspected")?;
        self.record(Moment::CameBack);
        let refund = RefundSpec {
            lines: vec![(0, 1)],
            shipping_minor: 0,
            money: RefundMoney::None,
            return_id: Some(back.id),
        };
        shop::refund(self.world, placed.id, &refund).map_err(|_| "the shop to refund")?;
        self.paid_back(placed).await?;
        shop::close_return(self.world, placed.id, back.id)
            .map_err(|_| "the shop to close the return")
    }

    /// Half of the first line's money goes back, the goods stay.
    async fn goodwill(&self, placed: &Placed) -> Result<String, Stuck> {
        self.ship_whole(placed, Arrival::Smooth).await?;
        self.told(placed).await?;
        let refund = RefundSpec {
            lines: vec![(0, 1)],
            shipping_minor: 0,
            money: RefundMoney::None,
            return_id: None,
        };
        shop::refund(self.world, placed.id, &refund).map_err(|_| "the shop to refund")?;
        self.paid_back(placed).await
    }

    async fn fail_refund(&self, placed: &Placed) -> Result<(), Stuck> {
        let id = self.goodwill(placed).await?;
        // Days later; the credit note has long been posted.
        self.pause(4_000).await;
        if stripe::fail_refund(self.world, &id) {
            Ok(())
        } else {
            Err("a refund that can fail")
        }
    }

    fn cancel(&self, placed: &Placed) -> Result<(), Stuck> {
        let done = shop::cancel(self.world, placed.id, "customer", RefundMoney::None);
        self.record(Moment::Cancelled);
        done.map(|_| ()).map_err(|_| "the shop to cancel")
    }

    async fn cancel_in_time(&self, placed: &Placed) -> Result<(), Stuck> {
        let at = self.released(placed).await?;
        self.pause(200 + self.draw("cancel", 600)).await;
        self.cancel(placed)?;
        self.stopped(&at).await?;
        self.paid_back(placed).await.map(|_| ())
    }

    /// Waits until the warehouse has called the order off.
    async fn stopped(&self, at: &AtWarehouse) -> Result<(), Stuck> {
        let stopped = self.world.wait_for(self.limit, |w| {
            let shipbob = lock(&w.shipbob);
            let order = shipbob.orders().find(|o| o.id == at.order)?;
            (order.status() == "Cancelled").then_some(())
        });
        stopped
            .await
            .ok_or("the warehouse to be told of the cancel")
    }

    async fn cancel_too_late(&self, placed: &Placed) -> Result<(), Stuck> {
        let at = self.released(placed).await?;
        pick(self.world, at.order, at.shipment).map_err(|_| "a shipment to pick")?;
        self.cancel(placed)?;
        self.pause(1_000).await;
        let number = self.leave(&at, at.shipment)?;
        self.travel(&at, at.shipment, &number, Arrival::Smooth)
            .await?;
        self.paid_back(placed).await.map(|_| ())
    }

    /// The shop cancels and the warehouse picks within the same moment: whoever is first wins.
    async fn cancel_race(&self, placed: &Placed) -> Result<(), Stuck> {
        let at = self.released(placed).await?;
        self.cancel(placed)?;
        self.pause(self.draw("race", 1_500)).await;
        if pick(self.world, at.order, at.shipment).is_ok() {
            self.pause(500).await;
            let number = self.leave(&at, at.shipment)?;
            self.travel(&at, at.shipment, &number, Arrival::Smooth)
                .await?;
        }
        self.paid_back(placed).await.map(|_| ())
    }
}

/// How a parcel travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    Smooth,
    Delayed,
    Failed,
}

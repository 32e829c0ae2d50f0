//! Orders of the marketplace, and orders that the second warehouse fulfils.

use super::{Life, Stuck};
use crate::canonical::{marketplace, warehouse};
use crate::day::Moment;
use crate::easypost::scan;
use crate::shopify::actions::Placed;
use crate::world::{World, lock};

impl Life<'_> {
    /// Waits until the second warehouse has the order; returns its id there.
    async fn accepted_abroad(&self, placed: &Placed) -> Result<String, Stuck> {
        let found = self.world.wait_for(self.limit, |w| {
            let id = lock(&w.warehouse).by_number(&placed.name)?.id.clone();
            Some(id)
        });
        let id = found.await.ok_or("the release to the second warehouse")?;
        self.record(Moment::Released);
        Ok(id)
    }

    pub(super) async fn ship_abroad(&self, placed: &Placed) -> Result<(), Stuck> {
        let id = self.accepted_abroad(placed).await?;
        self.pause(300 + self.draw("pick", 500)).await;
        warehouse::pick(self.world, &id).map_err(|_| "an order to pick")?;
        self.pause(200).await;
        let number = warehouse::ship(self.world, &id).map_err(|_| "an order to send")?;
        self.record(Moment::Shipped);
        let follows = |w: &World| lock(&w.easypost).follows(&number).then_some(());
        let followed = self.world.wait_for(self.limit, follows).await;
        followed.ok_or("the carrier service to be asked to follow the parcel")?;
        for status in ["in_transit", "out_for_delivery", "delivered"] {
            self.pause(300 + self.draw(status, 400)).await;
            scan(self.world, &number, status);
        }
        warehouse::deliver(self.world, &id).map_err(|_| "an order to arrive")?;
        self.record(Moment::Delivered);
        Ok(())
    }

    pub(super) async fn cancel_abroad(&self, placed: &Placed) -> Result<(), Stuck> {
        let id = self.accepted_abroad(placed).await?;
        self.pause(200 + self.draw("cancel", 600)).await;
        self.cancel(placed)?;
        let stopped = self.world.wait_for(self.limit, |w| {
            let warehouse = lock(&w.warehouse);
            let work = warehouse.by_number(&placed.name)?;
            (work.id == id && work.status == warehouse::Status::Cancelled).then_some(())
        });
        stopped
            .await
            .ok_or("the second warehouse to be told of the cancel")?;
        self.paid_back(placed).await.map(|_| ())
    }

    /// The marketplace pays back by itself and tells it; nobody else moves money.
    pub(super) async fn refund_at_market(&self, placed: &Placed) -> Result<(), Stuck> {
        self.ship_whole(placed, super::Arrival::Smooth).await?;
        let told = self.world.wait_for(self.limit, |w| {
            let market = lock(&w.marketplace);
            let status = market.order(placed.id)?.fulfillment_status();
            (status == Some("fulfilled")).then_some(())
        });
        told.await
            .ok_or("the marketplace to be told of the shipment")?;
        if !marketplace::refund(self.world, placed.id, 1) {
            return Err("the marketplace to pay back");
        }
        self.record(Moment::PaidBack);
        Ok(())
    }

    pub(super) async fn cancel_at_market(&self, placed: &Placed) -> Result<(), Stuck> {
        let at = self.released(placed).await?;
        self.pause(200 + self.draw("cancel", 600)).await;
        if !marketplace::cancel(self.world, placed.id) {
            return Err("the marketplace to cancel");
        }
        self.record(Moment::Cancelled);
        self.stopped(&at).await
    }
}

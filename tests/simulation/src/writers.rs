//! Who writes to Odoo at once.

use crate::sandbox::Sandbox;
use crate::world::World;
use std::sync::atomic::{AtomicU32, Ordering};
use waybill_flow::ports::ErpCommand;
use waybill_model::command::CommandQueue;
use waybill_model::id::ConnectionId;

/// Batches that are being written at this moment: of orders, of what can wait, and by processes that could not read who else
/// writes, which then write without.
#[derive(Debug, Default)]
pub struct Writing {
    orders: AtomicU32,
    bulk: AtomicU32,
    blind: AtomicU32,
}

/// One of them, until it ends or its process does.
pub(crate) struct Writer<'a> {
    lane: &'a AtomicU32,
    blind: Option<&'a AtomicU32>,
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        for count in [Some(self.lane), self.blind].into_iter().flatten() {
            count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Odoo is written to by no more at once than its connection says, and what can wait leaves a seat to orders.
pub(crate) fn sit_down<'a>(
    sandbox: &Sandbox,
    world: &'a World,
    erp: &ConnectionId,
    batch: &[ErpCommand],
) -> Writer<'a> {
    let can_wait = |item: &ErpCommand| item.command.kind().queue() == CommandQueue::ErpBulk;
    let Writing {
        orders,
        bulk,
        blind,
    } = &world.writing;
    let writer = Writer {
        lane: if batch.iter().all(can_wait) {
            bulk
        } else {
            orders
        },
        blind: sandbox.is_blind().then_some(blind),
    };
    for count in [Some(writer.lane), writer.blind].into_iter().flatten() {
        count.fetch_add(1, Ordering::SeqCst);
    }
    let settings = world.connections.get(erp).and_then(|c| c.erp.as_ref());
    let most = settings.map_or(0, |e| e.writers);
    let [orders, bulk, blind] = [orders, bulk, blind].map(|n| n.load(Ordering::SeqCst));
    let is_too_much = orders + bulk > most || bulk > most.saturating_sub(1).max(1);
    if is_too_much && blind == 0 {
        let told =
            format!("{orders} write orders to Odoo at once, {bulk} what can wait, and {most} may");
        world.sim.wrong(told);
    }
    writer
}

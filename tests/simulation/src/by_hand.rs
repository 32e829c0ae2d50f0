//! What somebody changes in Odoo by hand, and puts right again; and what comparing finds of it.

use crate::sim::{HOUR, MINUTE};
use crate::world::World;
use std::collections::BTreeMap;
use std::sync::Arc;
use waybill_flow::plan::keys;
use waybill_flow::state::{Effect, OrderState};
use waybill_model::case::{CaseId, CaseStatus};
use waybill_model::command::CommandKind;
use waybill_model::event::Outcome;
use waybill_model::id::{Code, CorrelationId};
use waybill_model::money::Money;
use waybill_testkit::build;

/// What comparing calls a state that differs.
const STATE: &str = "state_differs";
/// And a total.
const TOTAL: &str = "total_differs";

/// Changes the total of an order that waits for its goods, or cancels it in Odoo, so many times.
pub async fn meddle(world: &Arc<World>, times: u32) {
    let sim = &world.sim;
    for _ in 0..times {
        sim.wait_ms(sim.between(HOUR, 3 * HOUR)).await;
        let Some(id) = pick(world) else { continue };
        let cancels = sim.chance(300);
        let (right, wrong) = {
            let mut odoo = world.erp.lock().unwrap();
            let order = odoo.orders.get_mut(&id).expect("an order of Odoo");
            let right = order.total;
            order.by_hand = true;
            if cancels {
                order.cancelled = true;
            } else {
                let more = right.amount.plus(build::amount("1.00"));
                order.total = Money::new(more.expect("an amount"), right.currency);
            }
            (right, order.total)
        };
        sim.count("changed in Odoo by hand");
        let what = if cancels { "cancels it" } else { "changes it" };
        sim.note(format_args!("{id}: somebody {what} in Odoo"));
        sim.wait_ms(sim.between(30 * MINUTE, 4 * HOUR)).await;
        let is_sold = settled(world, id).await;
        let mut odoo = world.erp.lock().unwrap();
        let order = odoo.orders.get_mut(&id).expect("an order of Odoo");
        if cancels && is_sold {
            order.cancelled = false;
        } else if !cancels && order.total == wrong {
            order.total = right;
            if order.invoiced == wrong.amount {
                order.invoiced = right.amount;
            }
        }
        drop(odoo);
        sim.note(format_args!("{id}: somebody puts it right in Odoo"));
    }
}

/// Whether the customer gets it, once that is known: who calls it off may be too late for the warehouse.
async fn settled(world: &Arc<World>, id: CorrelationId) -> bool {
    loop {
        {
            let partners = world.partners.lock().unwrap();
            let work = partners.work.get(&id);
            if partners.sold[&id].order.cancelled.is_none()
                || work.is_some_and(|w| !w.shipments.is_empty())
            {
                return true;
            }
            if work.is_none_or(|w| w.cancelled) {
                return false;
            }
        }
        world.sim.wait_ms(30 * MINUTE).await;
    }
}

/// An order that is confirmed in Odoo and of which nothing has left.
fn pick(world: &World) -> Option<CorrelationId> {
    let partners = world.partners.lock().unwrap();
    let odoo = world.erp.lock().unwrap();
    let waits = |id: &CorrelationId| {
        let work = partners.work.get(id);
        let live = partners.sold.get(id);
        live.is_some_and(|s| s.order.cancelled.is_none())
            && work.is_none_or(|w| w.shipments.is_empty() && !w.cancelled)
    };
    let open = odoo.orders.iter();
    let open = open.filter(|(id, o)| o.confirmed && !o.cancelled && waits(id));
    let ids: Vec<CorrelationId> = open.map(|(id, _)| *id).collect();
    drop(odoo);
    drop(partners);
    if ids.is_empty() {
        return None;
    }
    let place = world.sim.below(ids.len() as u64);
    Some(ids[usize::try_from(place).expect("a place")])
}

/// What is different in Odoo, of each order that comparing must look at, and all that Waybill has written there.
pub type Differences = BTreeMap<CorrelationId, (Vec<&'static str>, Vec<Effect>)>;

/// What comparing would have to find now.
#[must_use]
pub fn look(world: &World) -> Differences {
    let waiting = world.orders.all_deadlines();
    let odoo = world.erp.lock().unwrap();
    let mut found = Differences::new();
    world.orders.look(|orders| {
        for (id, stored) in orders {
            let state = &stored.state;
            let held = odoo.orders.get(id);
            let (Some(held), Some(order)) = (held, &state.facts.order) else {
                continue;
            };
            if !waiting.contains_key(id) || !is_done(state, false) || state.is_erp_busy() {
                continue;
            }
            let mut different = Vec::new();
            let cancelled = is_done(state, true);
            if held.cancelled != cancelled || !held.confirmed {
                different.push(STATE);
            }
            let total = Money::new(order.totals.total, order.currency);
            if !cancelled && !is_edited(state) && held.total != total {
                different.push(TOTAL);
            }
            let written = state.effects_on_erp();
            let written = written.map(|(_, effect)| effect.clone()).collect();
            found.insert(*id, (different, written));
        }
    });
    found
}

/// What was and stayed different while it was compared is a case; what was not is none.
pub fn compared(world: &World, before: &Differences) {
    let after = look(world);
    let cases = world.orders.all_cases();
    for (id, found) in before {
        let (different, _) = found;
        if after.get(id) != Some(found) {
            continue;
        }
        for code in [STATE, TOTAL] {
            let case = CaseId::new(&id.to_string(), &Code::literal(code), "reconciler");
            let case = cases.iter().find(|c| c.id == case).map(|c| c.status);
            match (different.contains(&code), case) {
                (true, None | Some(CaseStatus::Resolved)) => world.sim.wrong(format!(
                    "{id}: compared with Odoo, and nobody is told of `{code}`"
                )),
                (false, Some(CaseStatus::Open)) => world.sim.wrong(format!(
                    "{id}: compared with Odoo, and `{code}` is still a case"
                )),
                _ => {}
            }
        }
    }
}

fn is_done(state: &OrderState, cancelled: bool) -> bool {
    let key = if cancelled {
        keys::cancel_sale_order()
    } else {
        keys::sale_order()
    };
    let effect = state.effects.get(&key);
    let outcome = effect.and_then(|e| e.outcome.as_ref());
    matches!(outcome, Some(Outcome::Done { .. }))
}

/// What its total in Odoo should be then is not told by the order's.
fn is_edited(state: &OrderState) -> bool {
    let mut effects = state.effects.values();
    let order = state.facts.order.as_ref();
    effects.any(|e| e.command == CommandKind::AmendSaleOrder)
        || order.is_some_and(|o| o.lines.iter().any(|l| l.current_quantity != l.quantity))
}

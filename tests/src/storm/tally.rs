//! What happened in a storm, counted.

use super::queue::Counts;
use crate::workload::held::Found;
use crate::workload::meter::{Answered, What};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Calls that reached Odoo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    /// By model and method.
    pub by_method: BTreeMap<String, usize>,
    /// Loads that Odoo refused: a lost race, most of them.
    pub refused_loads: usize,
    /// Confirms that Odoo refused.
    pub refused_confirms: usize,
    /// States that were read again after a confirm whose end was not known.
    pub look_ups: usize,
    /// Confirms of a part of what was refused together.
    pub bisects: usize,
}

impl Calls {
    /// Counts them.
    #[must_use]
    pub fn of(answered: &[Answered]) -> Self {
        let mut calls = Self::default();
        let mut refused: Vec<BTreeSet<i64>> = Vec::new();
        for what in answered.iter().filter_map(|a| a.what.as_ref()) {
            *calls.by_method.entry(what.method.clone()).or_default() += 1;
            calls.look_ups += usize::from(is_look_up(what));
            if what.method.ends_with("/load") {
                calls.refused_loads += usize::from(what.refused);
            }
            if what.method == "sale.order/action_confirm" {
                let ids: BTreeSet<i64> = what.ids.iter().copied().collect();
                let is_part = |r: &BTreeSet<i64>| ids.len() < r.len() && ids.is_subset(r);
                calls.bisects += usize::from(refused.iter().any(is_part));
                if what.refused {
                    calls.refused_confirms += 1;
                    refused.push(ids);
                }
            }
        }
        calls
    }
}

/// Only after a confirm without a good end are states read and nothing else.
fn is_look_up(what: &What) -> bool {
    what.method == "sale.order/read" && what.fields == ["state"]
}

/// All counts.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Major version.
    pub odoo_version: u64,
    /// As the connections file spells it.
    pub protocol: &'static str,
    /// From the first writer's start to the last message's end.
    pub took: Duration,
    /// Processes killed with a batch in hand.
    pub kills: u32,
    /// Calls that the writers made.
    pub attempted: u64,
    /// Faults that they got, by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// On the queue.
    pub queue: Counts,
    /// At Odoo.
    pub calls: Calls,
}

impl Tally {
    fn fault(&self, name: &str) -> u64 {
        self.faults.get(name).copied().unwrap_or_default()
    }

    /// For a person.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { queue, calls, .. } = self;
        let by_method: Vec<String> = calls
            .by_method
            .iter()
            .map(|(method, count)| format!("{method} {count}"))
            .collect();
        format!(
            "\nOdoo {} over {}, {:.0} s\n\
             kills         {} processes, each with a batch in hand\n\
             calls         {} made; {} cut before Odoo, {} answers lost after it, {} late\n\
             queue         {} batches, {} of them retried; {} deliveries, {} of them again; {} batches failed in part; {} receipts were stale\n\
             at Odoo       {} look-ups of states in doubt, {} loads refused, {} confirms refused, {} bisects\n\
             by method     {}",
            self.odoo_version,
            self.protocol,
            self.took.as_secs_f64(),
            self.kills,
            self.attempted,
            self.fault("cut"),
            self.fault("lost_answer"),
            self.fault("slow"),
            queue.batches,
            queue.retried_batches,
            queue.deliveries,
            queue.redeliveries,
            queue.partial_failures,
            queue.stale_receipts,
            calls.look_ups,
            calls.refused_loads,
            calls.refused_confirms,
            calls.bisects,
            by_method.join(", "),
        )
    }

    /// For a machine.
    #[must_use]
    pub fn json(&self, found: &Found, untold: &[String]) -> Value {
        let Self { queue, calls, .. } = self;
        json!({
            "odoo": {"version": self.odoo_version, "protocol": self.protocol},
            "seconds": self.took.as_secs_f64(), "kills": self.kills,
            "calls": {"made": self.attempted, "faults": self.faults, "at_odoo": calls.by_method,
                "look_ups": calls.look_ups, "refused_loads": calls.refused_loads,
                "refused_confirms": calls.refused_confirms, "bisects": calls.bisects},
            "queue": {"batches": queue.batches, "retried_batches": queue.retried_batches,
                "deliveries": queue.deliveries, "redeliveries": queue.redeliveries,
                "partial_failures": queue.partial_failures, "stale_receipts": queue.stale_receipts},
            "held": {"orders": found.orders, "right": found.right, "customers": found.customers,
                "faults": found.faults},
            "outcomes": untold,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, ids: &[i64], fields: &[&str], refused: bool) -> Answered {
        Answered {
            took: Duration::ZERO,
            what: Some(What {
                method: method.to_owned(),
                ids: ids.to_vec(),
                fields: fields.iter().map(|f| (*f).to_owned()).collect(),
                rows: 0,
                refused,
            }),
        }
    }

    #[test]
    fn parts_of_a_refused_confirm_are_bisects_and_reads_of_states_are_look_ups() {
        let calls = Calls::of(&[
            call("sale.order/load", &[], &[], true),
            call("sale.order/read", &[1, 2], &["name", "state"], false),
            call("sale.order/action_confirm", &[1, 2], &[], true),
            call("sale.order/read", &[1, 2], &["state"], false),
            call("sale.order/action_confirm", &[1], &[], false),
            call("sale.order/action_confirm", &[2], &[], true),
            call("sale.order/action_confirm", &[3], &[], false),
        ]);
        assert_eq!((calls.look_ups, calls.bisects), (1, 2));
        assert_eq!((calls.refused_loads, calls.refused_confirms), (1, 2));
        assert_eq!(calls.by_method["sale.order/action_confirm"], 4);
    }
}

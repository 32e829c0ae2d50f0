//! The table and the JSON of a comparison.

use super::modes::{MODES, Mode, Way};
use crate::workload::held::Found;
use serde_json::{Value, json};
use std::time::Duration;

/// What must be reached: calls an order in batches of 50, times (a), times (a2), Waybill's own share of the time.
const CALLS_AT_50: f64 = 0.1;
const TIMES_A: f64 = 3.5;
const TIMES_A2: f64 = 3.0;
const OWN_SHARE: f64 = 0.05;

/// One mode in one round.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The mode.
    pub mode: Mode,
    /// The round, from 0.
    pub round: u32,
    /// Orders written.
    pub orders: usize,
    /// From the first call's begin to the last one's end.
    pub wall: Duration,
    /// Calls that Odoo answered.
    pub calls: usize,
    /// Odoo's own time: of calls at once, the sum.
    pub odoo: Duration,
    /// What the calls spent on their way, in a network that the meter stands for.
    pub network: Duration,
    /// Batches that were handed in again.
    pub repeats: usize,
}

/// Median and range.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let upper = *sorted.get(half)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(Self {
            median: f64::midpoint(lower, upper),
            least,
            most,
        })
    }

    fn json(self) -> Value {
        json!({"median": round(self.median), "min": round(self.least), "max": round(self.most)})
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2}-{:.2})", self.median, self.least, self.most)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of orders and calls")]
fn float(count: usize) -> f64 {
    count as f64
}

/// With four places, which is more than the clock tells.
fn round(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

impl Sample {
    fn rate(&self) -> f64 {
        float(self.orders) / self.wall.as_secs_f64().max(1e-9)
    }

    fn calls_an_order(&self) -> f64 {
        float(self.calls) / float(self.orders.max(1))
    }

    fn odoo_ms_an_order(&self) -> f64 {
        self.odoo.as_secs_f64() * 1e3 / float(self.orders.max(1))
    }

    /// What is neither Odoo's of the time nor the network's; it can be told of one writer only.
    fn own_share(&self) -> Option<f64> {
        let wall = self.wall.as_secs_f64();
        (self.mode.writers == 1)
            .then(|| (wall - (self.odoo + self.network).as_secs_f64()).max(0.0) / wall.max(1e-9))
    }
}

/// One line while it runs.
#[must_use]
pub fn progress(sample: &Sample) -> String {
    format!(
        "round {}  {:<20} {:>4} orders {:>6.1} s {:>6.2} orders/s",
        sample.round + 1,
        sample.mode.name,
        sample.orders,
        sample.wall.as_secs_f64(),
        sample.rate()
    )
}

/// Everything that was measured.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// Major version.
    pub odoo_version: u64,
    /// As the connections file spells it.
    pub protocol: &'a str,
    /// As asked for.
    pub orders: u32,
    /// As asked for.
    pub rounds: u32,
    /// As asked for.
    pub addresses: bool,
    /// As asked for.
    pub suppress_chatter: bool,
    /// How far away Odoo was made to seem.
    pub round_trip: Duration,
    /// What the proxy costs a call.
    pub meter_ms: f64,
    /// All rounds.
    pub took: Duration,
    /// Every mode in every round.
    pub samples: &'a [Sample],
    /// What Odoo holds in the end.
    pub found: &'a Found,
}

impl Report<'_> {
    fn of(&self, mode: Mode) -> Vec<&Sample> {
        self.samples.iter().filter(|s| s.mode == mode).collect()
    }

    fn spread(&self, mode: Mode, of: impl Fn(&Sample) -> f64) -> Option<Spread> {
        Spread::of(self.of(mode).into_iter().map(of))
    }

    /// How many times the rate of `way` with as many writers, round by round.
    fn times(&self, mode: Mode, way: Way) -> Option<Spread> {
        let rival = MODES
            .into_iter()
            .find(|m| m.way == way && m.writers == mode.writers)?;
        let rivals = self.of(rival);
        let ratio = |s: &&Sample| {
            let rival = rivals.iter().find(|r| r.round == s.round)?;
            Some(s.rate() / rival.rate())
        };
        Spread::of(self.of(mode).iter().filter_map(ratio))
    }

    fn own_share(&self, mode: Mode) -> Option<Spread> {
        Spread::of(self.of(mode).into_iter().filter_map(Sample::own_share))
    }

    /// The modes that were run, in their order.
    fn modes(&self) -> impl Iterator<Item = Mode> + '_ {
        MODES
            .into_iter()
            .filter(|m| self.samples.iter().any(|s| s.mode == *m))
    }

    /// For a person.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!(
            "\nOdoo {} over {}; {} rounds, {:.0} s; three lines and a new customer an order{}{}{}\n\
             Catalogue warm (products known) unless said; the meter adds {:.2} ms a call, and none of it counts as Odoo's\n\n",
            self.odoo_version,
            self.protocol,
            self.rounds,
            self.took.as_secs_f64(),
            if self.addresses {
                ", a delivery address each"
            } else {
                ""
            },
            if self.suppress_chatter {
                "; without chatter"
            } else {
                ""
            },
            if self.round_trip.is_zero() {
                String::new()
            } else {
                format!("; {} ms away", self.round_trip.as_millis())
            },
            self.meter_ms,
        );
        text.push_str(&format!(
            "{:<21} {:>6} {:>20} {:>12} {:>18} {:>20} {:>18} {:>18}",
            "mode",
            "orders",
            "orders/s",
            "calls/order",
            "Odoo ms/order",
            "own share %",
            "x (a)",
            "x (a2)"
        ));
        text.push('\n');
        let cell =
            |spread: Option<Spread>| spread.map_or_else(|| "-".to_owned(), |s| s.to_string());
        for mode in self.modes() {
            let orders: usize = self.of(mode).iter().map(|s| s.orders).sum();
            let calls = self.spread(mode, Sample::calls_an_order);
            let odoo = self.spread(mode, Sample::odoo_ms_an_order);
            let percent = self.own_share(mode).map(|s| Spread {
                median: s.median * 100.0,
                least: s.least * 100.0,
                most: s.most * 100.0,
            });
            text.push_str(&format!(
                "{:<21} {orders:>6} {:>20} {:>12} {:>18} {:>20} {:>18} {:>18}",
                mode.name,
                cell(self.spread(mode, Sample::rate)),
                calls.map_or_else(|| "-".to_owned(), |s| format!("{:.3}", s.median)),
                odoo.map_or_else(
                    || "-".to_owned(),
                    |s| format!("{:.0} ({:.0}-{:.0})", s.median, s.least, s.most)
                ),
                cell(percent),
                cell(self.times(mode, Way::PerOrder)),
                cell(self.times(mode, Way::Searched)),
            ));
            text.push('\n');
        }
        let repeats: usize = self.samples.iter().map(|s| s.repeats).sum();
        text.push_str(&format!("\nMedian (range) of rounds; times are of one round each. Batches handed in again: {repeats}\n"));
        for (name, is, bound, reached) in self.targets() {
            let word = if reached { "reached" } else { "MISSED" };
            text.push_str(&format!("{word:<8} {name}: {is:.3}, to be {bound}"));
            text.push('\n');
        }
        text.push_str(&self.found.text());
        text
    }

    /// What was to be reached: name, value, bound, whether it was.
    fn targets(&self) -> Vec<(&'static str, f64, String, bool)> {
        let Some(mode) = self.modes().find(|m| m.name == "b50") else {
            return Vec::new();
        };
        let median = |spread: Option<Spread>| spread.map(|s| s.median);
        let at_most = [
            (
                "calls an order in batches of 50",
                median(self.spread(mode, Sample::calls_an_order)),
                CALLS_AT_50,
            ),
            (
                "Waybill's own share of the time in batches of 50",
                median(self.own_share(mode)),
                OWN_SHARE,
            ),
        ];
        let at_least = [
            (
                "batches of 50 against (a)",
                median(self.times(mode, Way::PerOrder)),
                TIMES_A,
            ),
            (
                "batches of 50 against (a2)",
                median(self.times(mode, Way::Searched)),
                TIMES_A2,
            ),
        ];
        let below = at_most
            .into_iter()
            .filter_map(|(n, is, bound)| Some((n, is?, format!("at most {bound}"), is? <= bound)));
        let above = at_least
            .into_iter()
            .filter_map(|(n, is, bound)| Some((n, is?, format!("at least {bound}"), is? >= bound)));
        below.chain(above).collect()
    }

    /// For a machine. Rates are orders a second, times are milliseconds.
    #[must_use]
    pub fn json(&self) -> Value {
        let spread = |s: Option<Spread>| s.map_or(Value::Null, Spread::json);
        let modes: Vec<Value> = self
            .modes()
            .map(|mode| {
                let (batch, cold) = match mode.way {
                    Way::Batch { size, cold } => (json!(size), json!(cold)),
                    Way::PerOrder | Way::Searched => (Value::Null, Value::Null),
                };
                let rounds: Vec<Value> = self
                    .of(mode)
                    .iter()
                    .map(|s| {
                        json!({"round": s.round + 1, "orders": s.orders, "calls": s.calls, "repeats": s.repeats,
                            "wall_ms": round(s.wall.as_secs_f64() * 1e3), "odoo_ms": round(s.odoo.as_secs_f64() * 1e3)})
                    })
                    .collect();
                json!({
                    "name": mode.name, "writers": mode.writers, "batch": batch, "cold_catalogue": cold,
                    "orders_per_s": spread(self.spread(mode, Sample::rate)),
                    "calls_per_order": spread(self.spread(mode, Sample::calls_an_order)),
                    "odoo_ms_per_order": spread(self.spread(mode, Sample::odoo_ms_an_order)),
                    "own_share": spread(self.own_share(mode)),
                    "times_a": spread(self.times(mode, Way::PerOrder)),
                    "times_a2": spread(self.times(mode, Way::Searched)),
                    "rounds": rounds,
                })
            })
            .collect();
        let target = |(name, is, bound, reached): (&str, f64, String, bool)| json!({"name": name, "is": round(is), "to_be": bound, "reached": reached});
        json!({
            "odoo": {"version": self.odoo_version, "protocol": self.protocol},
            "orders": self.orders, "rounds": self.rounds, "seconds": round(self.took.as_secs_f64()),
            "delivery_addresses": self.addresses, "suppress_chatter": self.suppress_chatter,
            "round_trip_ms": round(self.round_trip.as_secs_f64() * 1e3),
            "meter_ms_per_call": round(self.meter_ms),
            "modes": modes,
            "targets": self.targets().into_iter().map(target).collect::<Vec<_>>(),
            "written": {"orders": self.found.orders, "right": self.found.right,
                "customers": self.found.customers, "faults": self.found.faults},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, round: u32, ms: u64, calls: usize, odoo_ms: u64) -> Sample {
        Sample {
            mode: MODES.into_iter().find(|m| m.name == name).unwrap(),
            round,
            orders: 50,
            wall: Duration::from_millis(ms),
            calls,
            odoo: Duration::from_millis(odoo_ms),
            network: Duration::ZERO,
            repeats: 0,
        }
    }

    #[test]
    fn times_are_of_one_round_and_what_is_not_odoos_is_ours() {
        let samples = [
            sample("a   8 calls an order", 0, 40_000, 400, 39_000),
            sample("b50", 0, 10_000, 4, 9_900),
            sample("a   8 calls an order", 1, 20_000, 400, 19_000),
            sample("b50", 1, 10_000, 4, 9_700),
        ];
        let found = Found::default();
        let report = Report {
            odoo_version: 19,
            protocol: "json2",
            orders: 50,
            rounds: 2,
            addresses: false,
            suppress_chatter: false,
            round_trip: Duration::ZERO,
            meter_ms: 0.3,
            took: Duration::from_secs(80),
            samples: &samples,
            found: &found,
        };
        let json = report.json();
        let b50 = &json["modes"][1];
        assert_eq!(
            b50["times_a"],
            json!({"median": 3.0, "min": 2.0, "max": 4.0})
        );
        assert_eq!(b50["times_a2"], Value::Null);
        assert_eq!(b50["calls_per_order"]["median"], 0.08);
        assert_eq!(
            b50["own_share"],
            json!({"median": 0.02, "min": 0.01, "max": 0.03})
        );
        assert_eq!(b50["odoo_ms_per_order"]["median"], 196.0);
        let table = report.table();
        assert!(
            table.contains("MISSED   batches of 50 against (a): 3.000, to be at least 3.5"),
            "{table}"
        );
        assert!(
            table.contains("reached  calls an order in batches of 50: 0.080"),
            "{table}"
        );
    }
}

//! How much an ERP takes at once, learned from how long it takes (features B4).
//!
//! Two things are learned for each database, within caps that people set: how many commands one
//! batch may hold, and how many writers may write at the same time. Both follow the way congestion
//! control does it: grow by a step while batches are quick, shrink at once when one is slow or its
//! answer is lost. More writers are kept only while they write more in sum.
//!
//! What is learned is shared by all writers: a small document ([`Pace`]) that is changed by
//! compare-and-set. Who writes has a *seat* in it. A seat has an end, so that one whose owner died
//! comes free by itself.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use waybill_model::time::Instant;

/// Longest time that a batch should take, in milliseconds: a fifth of what the writer has, so that
/// an Odoo that is suddenly three times slower still answers in time.
pub const TARGET_MS: u32 = 10_000;
/// Good, full batches before the number of writers is judged.
const JUDGED_AFTER: i32 = 4;
/// After trouble it takes so many more.
const WARY: i32 = -12;
/// How long it is believed what so many writers at once are worth.
const BELIEVED_MS: i64 = 30 * 60 * 1000;
/// How far clocks may be apart.
const APART_MS: i64 = 5 * 60 * 1000;
/// One more writer is worth it if in sum so many percent more are written.
const WORTH_PERCENT: u64 = 110;

/// What people allow at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// Commands in a batch, at least 1.
    pub batch: u32,
    /// Writers at once, at least 1.
    pub writers: u32,
}

/// Orders go before bulk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Orders and what follows from them.
    Orders,
    /// Stock and catalogue: writes while no order is written, or beside one where two may write.
    Bulk,
}

/// What is known of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Commands that a batch may hold now.
    pub batch: u32,
    /// Writers that may write at once now.
    pub writers: u32,
    /// Good, full batches since the number of writers was judged; negative after trouble.
    calm: i32,
    /// What a command took, by how many wrote at once.
    took: BTreeMap<u32, Took>,
    /// Who writes now.
    seats: BTreeMap<String, Seat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Took {
    us_per_command: u64,
    at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seat {
    until: Instant,
    lane: Lane,
}

/// What one batch was like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Commands in it.
    pub commands: u32,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
    /// Writers when it began, its own included.
    pub at_once: u32,
    /// An answer was lost, or transactions ran into each other until Odoo gave up.
    pub troubled: bool,
}

impl Pace {
    /// What is believed of a database that nothing is known of: the caps, since they were chosen
    /// by people who know it.
    #[must_use]
    pub fn new(cap: Cap) -> Self {
        Self {
            batch: cap.batch.max(1),
            writers: cap.writers.max(1),
            calm: 0,
            took: BTreeMap::new(),
            seats: BTreeMap::new(),
        }
    }

    /// The same within caps that may have changed since it was written down.
    #[must_use]
    pub fn within(mut self, cap: Cap) -> Self {
        self.batch = self.batch.clamp(1, cap.batch.max(1));
        self.writers = self.writers.clamp(1, cap.writers.max(1));
        self
    }

    /// Takes a seat until `until`, and says how many writers there are then; nothing if all seats
    /// of the lane are taken. All take one for as long: one that ends much later was taken by a clock
    /// far ahead, and is none.
    pub fn sit_down(
        &mut self,
        owner: &str,
        lane: Lane,
        now: Instant,
        until: Instant,
    ) -> Option<u32> {
        let latest = until.plus_ms(APART_MS);
        self.seats
            .retain(|_, seat| seat.until > now && seat.until <= latest);
        let taken = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        let free = match lane {
            Lane::Orders => taken < self.writers,
            // The last seat is for orders, if there is more than one.
            Lane::Bulk => taken == 0 || taken + 1 < self.writers,
        };
        if !free {
            return None;
        }
        self.seats.insert(owner.to_owned(), Seat { until, lane });
        Some(taken + 1)
    }

    /// Leaves the seat.
    pub fn stand_up(&mut self, owner: &str) {
        self.seats.remove(owner);
    }

    /// Learns from a batch that ended at `now`.
    pub fn learn(&mut self, sample: Sample, now: Instant, cap: Cap) {
        if sample.troubled {
            self.batch = (sample.commands / 2).clamp(1, self.batch);
            self.writers = self.writers.saturating_sub(1).max(1);
            self.calm = WARY;
            return;
        }
        if sample.took_ms > TARGET_MS {
            let fits =
                u64::from(sample.commands) * u64::from(TARGET_MS) / u64::from(sample.took_ms);
            self.batch = u32::try_from(fits).unwrap_or(1).clamp(1, self.batch);
        } else if sample.commands >= self.batch - self.batch / 4 {
            let more = self.batch.saturating_add((self.batch / 4).max(1));
            self.batch = more.min(cap.batch.max(1));
        }
        // A batch that is hardly filled costs more a command, and says nothing about writers.
        if sample.commands >= self.batch.div_ceil(2) {
            self.weigh(sample, now, cap);
        }
    }

    fn weigh(&mut self, sample: Sample, now: Instant, cap: Cap) {
        let us = u64::from(sample.took_ms) * 1000 / u64::from(sample.commands.max(1));
        let took = self.took.entry(sample.at_once).or_insert(Took {
            us_per_command: us,
            at: now,
        });
        took.us_per_command = took.us_per_command.saturating_mul(3).saturating_add(us) / 4;
        took.at = now;
        self.calm = self.calm.saturating_add(1);
        if self.calm < JUDGED_AFTER {
            return;
        }
        self.calm = 0;
        self.took
            .retain(|_, took| now.ms_since(took.at) < BELIEVED_MS);
        self.writers = self.best(cap.writers.max(1));
    }

    /// The number of writers to go on with: one that is not known yet is tried, else the smallest
    /// that no larger one beats by enough.
    fn best(&self, cap: u32) -> u32 {
        let here = self.writers;
        let beside = [here.saturating_sub(1).max(1), (here + 1).min(cap)];
        if let Some(unknown) = beside.into_iter().find(|n| !self.took.contains_key(n)) {
            return unknown;
        }
        let [fewer, more] = beside;
        if self.beats(more, here) {
            more
        } else if self.beats(here, fewer) {
            here
        } else {
            fewer
        }
    }

    fn beats(&self, more: u32, fewer: u32) -> bool {
        // Commands a second, in sum: writers by the time of one command.
        let rate = |n: u32| {
            let took = self.took.get(&n)?;
            Some(u64::from(n) * 1_000_000_000 / took.us_per_command.max(1))
        };
        match (rate(more), rate(fewer)) {
            (Some(more), Some(fewer)) => more * 100 >= fewer.saturating_mul(WORTH_PERCENT),
            _ => false,
        }
    }

    /// Commands a minute that the database takes, as last seen; nothing before it was seen.
    #[must_use]
    pub fn per_minute(&self) -> Option<u64> {
        let (writers, took) = self
            .took
            .range(..=self.writers)
            .next_back()
            .or_else(|| self.took.iter().next())?;
        Some(u64::from(*writers) * 60_000_000 / took.us_per_command.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: Cap = Cap {
        batch: 50,
        writers: 2,
    };

    fn at(s: i64) -> Instant {
        Instant::from_epoch_ms(s * 1000)
    }

    fn sample(commands: u32, took_ms: u32, at_once: u32) -> Sample {
        Sample {
            commands,
            took_ms,
            at_once,
            troubled: false,
        }
    }

    fn trouble(commands: u32) -> Sample {
        Sample {
            troubled: true,
            ..sample(commands, 40_000, 1)
        }
    }

    #[test]
    fn seats_are_given_up_to_the_number_of_writers_and_come_free_in_time() {
        let mut pace = Pace::new(CAP);
        let until = at(90);
        assert_eq!(pace.sit_down("a", Lane::Orders, at(0), until), Some(1));
        assert_eq!(pace.sit_down("b", Lane::Orders, at(0), until), Some(2));
        assert_eq!(pace.sit_down("c", Lane::Orders, at(0), until), None);
        pace.stand_up("a");
        assert_eq!(pace.sit_down("c", Lane::Orders, at(1), until), Some(2));
        assert_eq!(pace.sit_down("d", Lane::Orders, at(89), until), None);
        assert_eq!(pace.sit_down("d", Lane::Orders, at(90), at(180)), Some(1));
    }

    #[test]
    fn a_clock_far_ahead_keeps_no_seat() {
        let (lease, apart) = (90, 300);
        let single = |now: i64| {
            let mut pace = Pace::new(Cap { writers: 1, ..CAP });
            assert_eq!(
                pace.sit_down("ahead", Lane::Orders, at(now), at(now + lease)),
                Some(1)
            );
            pace.sit_down("a", Lane::Orders, at(0), at(lease))
        };
        assert_eq!(single(apart), None);
        assert_eq!(single(apart + 1), Some(1));
    }

    #[test]
    fn bulk_leaves_the_last_seat_to_orders_and_waits_where_there_is_one() {
        let mut pace = Pace::new(CAP);
        assert_eq!(pace.sit_down("stock", Lane::Bulk, at(0), at(9)), Some(1));
        assert_eq!(pace.sit_down("stock 2", Lane::Bulk, at(0), at(9)), None);
        assert_eq!(pace.sit_down("a", Lane::Orders, at(0), at(9)), Some(2));
        let mut single = Pace::new(Cap { writers: 1, ..CAP });
        assert_eq!(single.sit_down("a", Lane::Orders, at(0), at(9)), Some(1));
        assert_eq!(single.sit_down("stock", Lane::Bulk, at(0), at(9)), None);
        single.stand_up("a");
        assert_eq!(single.sit_down("stock", Lane::Bulk, at(0), at(9)), Some(1));
    }

    #[test]
    fn a_slow_batch_shrinks_the_next_and_quick_ones_grow_it_again() {
        let mut pace = Pace::new(CAP);
        pace.learn(sample(50, 40_000, 1), at(0), CAP);
        assert_eq!(pace.batch, 12, "at 800 ms an order");
        pace.learn(sample(3, 500, 1), at(1), CAP);
        assert_eq!(pace.batch, 12, "a small batch says nothing");
        for _ in 0..10 {
            let full = pace.batch;
            pace.learn(sample(full, full * 100, 1), at(2), CAP);
        }
        assert_eq!(pace.batch, 50);
    }

    #[test]
    fn a_batch_that_took_just_what_it_may_is_quick() {
        let target = TARGET_MS;
        let after = |batch: u32, commands: u32, took_ms: u32| {
            let mut pace = Pace::new(CAP);
            pace.batch = batch;
            pace.learn(sample(commands, took_ms, 1), at(0), CAP);
            pace.batch
        };
        assert_eq!(after(20, 20, target), 25);
        assert_eq!(after(20, 20, target + 1), 19);
        assert_eq!(after(20, 15, 1), 25, "three quarters full is full enough");
        assert_eq!(after(20, 14, 1), 20);
        assert_eq!(after(3, 3, 1), 4, "by one at least");
        assert_eq!(after(48, 48, 1), 50, "not beyond the cap");
    }

    #[test]
    fn a_lost_answer_halves_the_batch_and_takes_a_writer_away_for_a_while() {
        let mut pace = Pace::new(CAP);
        pace.learn(trouble(50), at(0), CAP);
        assert_eq!((pace.batch, pace.writers), (25, 1));
        for _ in 0..10 {
            pace.learn(trouble(1), at(1), CAP);
        }
        assert_eq!((pace.batch, pace.writers), (1, 1), "never none");
        let mut tries = 0;
        while pace.writers == 1 && tries < 100 {
            let full = pace.batch;
            pace.learn(sample(full, full * 100, 1), at(2), CAP);
            tries += 1;
        }
        assert_eq!(tries, 16);
    }

    /// A database on which `n` writers together write `gain(n)` percent of what one does.
    fn settle(gain: fn(u32) -> u32, cap: Cap) -> u32 {
        let mut pace = Pace::new(cap);
        for n in 0..60 {
            let writers = pace.writers;
            let took_ms = 50 * 100 * writers * 100 / gain(writers);
            pace.learn(sample(50, took_ms, writers), at(n * 10), cap);
        }
        pace.writers
    }

    #[test]
    fn writers_are_as_many_as_pay_off() {
        let cap = |writers| Cap { batch: 50, writers };
        assert_eq!(settle(|_| 100, cap(2)), 1, "a second one gains nothing");
        assert_eq!(
            settle(|n| 100 + 5 * (n - 1), cap(2)),
            1,
            "5 % is too little"
        );
        assert_eq!(settle(|n| 100 + 60 * (n - 1), cap(2)), 2);
        assert_eq!(settle(|n| [100, 170, 180][n as usize - 1], cap(3)), 2);
        assert_eq!(settle(|n| n * 90, cap(3)), 3);
    }

    #[test]
    fn what_was_learned_half_an_hour_ago_is_tried_again() {
        let writers_after = |seconds: i64| {
            let mut pace = Pace::new(CAP);
            // One alone takes as long a command as each of two.
            pace.learn(sample(50, 5_000, 1), at(0), CAP);
            for _ in 0..3 {
                pace.learn(sample(50, 5_000, 2), at(seconds), CAP);
            }
            pace.writers
        };
        assert_eq!(writers_after(30 * 60 - 1), 2, "believed, and two pay off");
        assert_eq!(writers_after(30 * 60), 1, "forgotten");
    }

    #[test]
    fn the_rate_is_told_in_commands_a_minute() {
        let mut pace = Pace::new(CAP);
        assert_eq!(pace.per_minute(), None);
        pace.learn(sample(50, 5_000, 2), at(0), CAP);
        assert_eq!(pace.per_minute(), Some(1_200));
    }

    #[test]
    fn what_no_writer_writes_down_is_learned_from_all_the_same() {
        for (calm, us) in [(0, u64::MAX), (i32::MAX, 1)] {
            let text = format!(
                r#"{{"batch":50,"writers":2,"calm":{calm},"seats":{{}},
                "took":{{"1":{{"us_per_command":{us},"at":"1970-01-01T00:00:00Z"}}}}}}"#
            );
            let mut pace: Pace = serde_json::from_str(&text).unwrap();
            pace.learn(sample(50, 5_000, 1), at(0), CAP);
            assert_eq!(pace.batch, 50);
        }
    }

    #[test]
    fn what_was_written_down_is_read_within_the_caps_of_today() {
        let mut pace = Pace::new(CAP);
        pace.learn(sample(50, 5_000, 2), at(0), CAP);
        pace.sit_down("a", Lane::Bulk, at(0), at(9));
        let text = serde_json::to_string(&pace).unwrap();
        let read: Pace = serde_json::from_str(&text).unwrap();
        assert_eq!(read, pace);
        let smaller = read.within(Cap {
            batch: 10,
            writers: 1,
        });
        assert_eq!((smaller.batch, smaller.writers), (10, 1));
    }
}

//! How many calls a minute a connection is given (`calls_per_minute`), shared by all sandboxes.
//!
//! A [`Quota`] is one instant: when the calls that were given away so far are used up, at an even
//! pace. Who wants to call moves it on, by compare-and-set, and learns when its turn is. Given away
//! are nine tenths of what is allowed and a small burst on top, so that no minute, wherever it
//! begins, has more calls than are allowed.

use serde::{Deserialize, Serialize};
use waybill_model::time::Instant;

/// Part of the calls that is given away evenly.
const EVEN_PERCENT: i64 = 90;
/// Part of the calls that may come on top at once.
const BURST_PERCENT: i64 = 8;

/// Calls a minute that are allowed; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_minute: u32,
}

impl Rate {
    /// So many calls a minute; none is one, since a connection without calls is none.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute: per_minute.max(1),
        }
    }

    /// Calls a minute.
    #[must_use]
    pub fn per_minute(self) -> u32 {
        self.per_minute
    }

    fn interval_us(self) -> i64 {
        60_000_000 * 100 / (i64::from(self.per_minute) * EVEN_PERCENT) + 1
    }

    fn burst_us(self) -> i64 {
        i64::from(self.per_minute) * BURST_PERCENT / 100 * self.interval_us()
    }
}

/// When the calls that were given away are used up, in microseconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    used_up_us: i64,
}

impl Quota {
    /// Reserves `calls` and returns the milliseconds until they may be made, one after the other:
    /// several of one command count as given away at once.
    ///
    /// # Errors
    /// That is longer than `patience_ms`: nothing was reserved. The wait as it is now.
    pub fn reserve(
        &mut self,
        calls: u32,
        rate: Rate,
        now: Instant,
        patience_ms: u64,
    ) -> Result<u64, u64> {
        let used_up = self.used_up(now);
        let wait_ms = wait_ms(used_up, rate, now);
        if wait_ms > patience_ms {
            return Err(wait_ms);
        }
        self.used_up_us = used_up + i64::from(calls) * rate.interval_us();
        Ok(wait_ms)
    }

    /// When one more call may be made, if nobody else reserves it before: `now` where at once.
    #[must_use]
    pub fn next_call_at(&self, rate: Rate, now: Instant) -> Instant {
        match wait_ms(self.used_up(now), rate, now) {
            0 => now,
            ms => now.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX)),
        }
    }

    /// At `now` or later. What a clock that ran far ahead wrote is nobody's booking: kept back to the
    /// latest that may be booked, it would keep us out until that clock's time has come.
    fn used_up(&self, now: Instant) -> i64 {
        let now_us = now.epoch_us();
        let latest = now_us.saturating_add(MOST_BOOKED_US);
        Some(self.used_up_us)
            .filter(|at| (now_us..=latest).contains(at))
            .unwrap_or(now_us)
    }
}

fn wait_ms(used_up_us: i64, rate: Rate, now: Instant) -> u64 {
    let wait_us = (used_up_us - rate.burst_us() - now.epoch_us()).max(0);
    u64::try_from(wait_us).unwrap_or_default().div_ceil(1000)
}

/// More than this is never booked ahead by who waits within an invocation.
const MOST_BOOKED_US: i64 = 10 * 60 * 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at_ms(ms: i64) -> Instant {
        Instant::from_epoch_ms(1_700_000_000_000 + ms)
    }

    #[test]
    fn a_quiet_connection_may_call_at_once_and_a_busy_one_is_told_when() {
        let rate = Rate::new(60);
        let mut quota = Quota::default();
        // A burst of four, then one each 1.1 s.
        let waits: Vec<u64> = (0..7)
            .map(|_| quota.reserve(1, rate, at_ms(0), 10_000).unwrap())
            .collect();
        assert_eq!(waits[..5], [0, 0, 0, 0, 0]);
        assert!((1100..1200).contains(&waits[5]), "{waits:?}");
        assert!((2200..2300).contains(&waits[6]), "{waits:?}");
    }

    #[test]
    fn calls_are_given_away_at_nine_tenths_of_the_rate_with_a_small_burst() {
        let rate = Rate::new(90);
        assert_eq!(rate.per_minute(), 90);
        assert_eq!(Rate::new(0).per_minute(), 1);
        let mut quota = Quota::default();
        // 81 a minute are one in 740 741 µs; seven are the burst, and the first is on time.
        assert_eq!(quota.reserve(8, rate, at_ms(0), 0), Ok(0));
        assert_eq!(quota.reserve(1, rate, at_ms(0), 740), Err(741));
        assert_eq!(quota.reserve(1, rate, at_ms(0), 741), Ok(741));
        assert_eq!(quota.reserve(1, rate, at_ms(741), 741), Ok(741));
    }

    #[test]
    fn what_does_not_divide_is_given_away_too_slowly_and_not_too_fast() {
        // 90 a minute are one in 666 666.7 µs.
        let (rate, mut quota) = (Rate::new(100), Quota::default());
        assert_eq!(quota.reserve(508, rate, at_ms(0), 0), Ok(0));
        assert_eq!(quota.reserve(1, rate, at_ms(0), 0), Err(333_334));
    }

    #[test]
    fn the_next_call_is_told_without_reserving_it() {
        let (rate, mut quota) = (Rate::new(90), Quota::default());
        assert_eq!(quota.next_call_at(rate, at_ms(0)), at_ms(0));
        assert_eq!(quota.reserve(8, rate, at_ms(0), 0), Ok(0));
        let before = quota;
        assert_eq!(quota.next_call_at(rate, at_ms(0)), at_ms(741));
        assert_eq!(quota.next_call_at(rate, at_ms(700)), at_ms(741));
        assert_eq!(quota.next_call_at(rate, at_ms(5_000)), at_ms(5_000));
        assert_eq!(quota, before);
    }

    #[test]
    fn who_is_not_patient_reserves_nothing() {
        let (rate, mut quota) = (Rate::new(6), Quota::default());
        assert_eq!(quota.reserve(1, rate, at_ms(0), 0), Ok(0));
        let before = quota;
        let wait = quota.reserve(1, rate, at_ms(0), 5_000).unwrap_err();
        assert!((11_000..12_000).contains(&wait), "{wait}");
        assert_eq!(quota, before);
    }

    #[test]
    fn a_clock_that_ran_ahead_is_forgotten() {
        let (rate, mut quota) = (Rate::new(600), Quota::default());
        quota.reserve(1, rate, at_ms(86_400_000), 0).unwrap();
        assert_eq!(quota.reserve(1, rate, at_ms(0), 0), Ok(0));
        // As far ahead as may be booked, it may be a booking.
        let ahead = |ms: i64| Quota {
            used_up_us: at_ms(ms).epoch_us(),
        };
        let burst_ms = 48 * 111;
        let wait = ahead(600_000).reserve(1, rate, at_ms(0), 0).unwrap_err();
        assert!(
            (600_000 - burst_ms - 10..600_000 - burst_ms).contains(&wait),
            "{wait}"
        );
        assert_eq!(ahead(600_001).reserve(1, rate, at_ms(0), 0), Ok(0));
    }

    proptest! {
        /// Whoever asks, and whenever: no minute has more calls than are allowed.
        #[test]
        fn no_minute_has_more_calls_than_are_allowed(
            per_minute in 1_u32..400,
            asked in proptest::collection::vec((0_i64..2_000, 0_u64..6_000), 1..400),
        ) {
            let rate = Rate::new(per_minute);
            let mut quota = Quota::default();
            let (mut now, mut made) = (0, Vec::new());
            for (pause, patience) in asked {
                now += pause;
                if let Ok(wait) = quota.reserve(1, rate, at_ms(now), patience) {
                    made.push(now + i64::try_from(wait).unwrap());
                }
            }
            made.sort_unstable();
            for (index, begin) in made.iter().enumerate() {
                let within = made[index..].iter().take_while(|at| **at < begin + 60_000).count();
                prop_assert!(within <= usize::try_from(per_minute).unwrap(), "{within}");
            }
        }
    }
}

//! Seed, clock and pace: everything that the simulators draw or wait for comes through here.
#![expect(
    clippy::disallowed_methods,
    reason = "the simulators run beside what they simulate, by the same clock"
)]

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Seed, clock and pace of one run.
#[derive(Debug)]
pub struct Env {
    seed: u64,
    started: Instant,
    started_at: Timestamp,
    scale_per_mille: AtomicU64,
}

impl Env {
    /// A run with this seed; every simulated delay is multiplied by `time_scale`.
    #[must_use]
    pub fn new(seed: u64, time_scale: f64) -> Self {
        let env = Self {
            seed,
            started: Instant::now(),
            started_at: Timestamp::now(),
            scale_per_mille: AtomicU64::new(1000),
        };
        env.set_time_scale(time_scale);
        env
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A generator for one decision: the same seed, concern and key always draw the same, in
    /// whatever order decisions are taken.
    #[must_use]
    pub fn rng(&self, concern: &str, key: &str) -> ChaCha8Rng {
        rng(self.seed, concern, key)
    }

    /// True in `per_mille` of 1000 keys.
    #[must_use]
    pub fn chance(&self, concern: &str, key: &str, per_mille: u32) -> bool {
        self.rng(concern, key).random_range(0..1000_u32) < per_mille
    }

    /// A version 4 UUID for a key.
    #[must_use]
    pub fn uuid(&self, concern: &str, key: &str) -> Uuid {
        let bytes: [u8; 16] = self.rng(concern, key).random();
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// Lower-case letters and digits for a key, as partners put into their ids.
    #[must_use]
    pub fn token(&self, concern: &str, key: &str, length: usize) -> String {
        const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let mut rng = self.rng(concern, key);
        (0..length)
            .filter_map(|_| ALPHABET.get(rng.random_range(0..ALPHABET.len())))
            .map(|b| char::from(*b))
            .collect()
    }

    /// The wall clock: signatures are checked against it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// When the run began; ids start from it, so that two runs against one stack do not collide.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Milliseconds since the run began, on the monotonic clock.
    #[must_use]
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A simulated delay, scaled.
    #[must_use]
    pub fn pause(&self, ms: u64) -> Duration {
        let scale = self.scale_per_mille.load(Ordering::Relaxed);
        Duration::from_micros(ms.saturating_mul(scale))
    }

    /// Changes the scale of delays that begin from now on. Not a number or negative counts as 0.
    pub fn set_time_scale(&self, scale: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0..=1e6 first"
        )]
        let per_mille = (scale.clamp(0.0, 1_000.0) * 1000.0) as u64;
        self.scale_per_mille.store(per_mille, Ordering::Relaxed);
    }
}

/// See [`Env::rng`].
#[must_use]
pub fn rng(seed: u64, concern: &str, key: &str) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(concern.as_bytes());
    hash.update([0]);
    hash.update(key.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// The next change of something that was last changed at `last`, in whole seconds as most partners
/// keep time. At least a second lies between two changes, as on a day that is not compressed: two
/// versions within a second could not be told apart by anybody.
#[must_use]
pub fn next_second(now: Timestamp, last: Option<Timestamp>) -> Timestamp {
    let now_s = now.as_second();
    let at = last.map_or(now_s, |l| now_s.max(l.as_second().saturating_add(1)));
    Timestamp::from_second(at).unwrap_or(now)
}

/// `2026-01-31T09:00:00Z`.
#[must_use]
pub fn utc_seconds(t: Timestamp) -> String {
    t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-01-31T09:00:00.123Z`.
#[must_use]
pub fn utc_millis(t: Timestamp) -> String {
    t.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `2026-01-31T04:00:00-05:00`: in the shop's time zone, which is not UTC.
#[must_use]
pub fn shop_time(t: Timestamp) -> String {
    let zone = TimeZone::fixed(Offset::constant(-5));
    t.to_zoned(zone)
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_for_a_key_in_any_order() {
        let (a, b) = (Env::new(7, 1.0), Env::new(7, 0.1));
        assert_eq!(a.uuid("x", "1"), b.uuid("x", "1"));
        assert_ne!(a.uuid("x", "1"), a.uuid("x", "2"));
        assert_ne!(a.uuid("x", "1"), a.uuid("y", "1"));
        assert_ne!(a.uuid("x", "1"), Env::new(8, 1.0).uuid("x", "1"));
    }

    #[test]
    fn two_changes_within_a_second_get_different_whole_seconds() {
        let now: Timestamp = "2026-01-31T09:00:00.7Z".parse().unwrap();
        let first = next_second(now, None);
        assert_eq!(utc_seconds(first), "2026-01-31T09:00:00Z");
        assert_eq!(
            utc_seconds(next_second(now, Some(first))),
            "2026-01-31T09:00:01Z"
        );
        assert_eq!(shop_time(first), "2026-01-31T04:00:00-05:00");
    }
}

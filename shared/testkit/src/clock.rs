//! A clock that tests set.

use std::sync::atomic::{AtomicI64, Ordering};
use waybill_flow::ports::Clock;
use waybill_model::time::Instant;

/// Stands still until a test moves it. Whole milliseconds.
#[derive(Debug)]
pub struct ManualClock {
    epoch_ms: AtomicI64,
}

impl ManualClock {
    /// Stands at `now`.
    #[must_use]
    pub fn at(now: Instant) -> Self {
        Self {
            epoch_ms: AtomicI64::new(now.epoch_ms()),
        }
    }

    /// Moves to `now`, forwards or backwards.
    pub fn set(&self, now: Instant) {
        self.epoch_ms.store(now.epoch_ms(), Ordering::SeqCst);
    }

    /// Moves forwards by milliseconds and returns the new instant.
    pub fn advance_ms(&self, ms: i64) -> Instant {
        Instant::from_epoch_ms(self.epoch_ms.fetch_add(ms, Ordering::SeqCst) + ms)
    }
}

impl Default for ManualClock {
    /// At [`crate::build::START`].
    fn default() -> Self {
        Self::at(crate::build::start())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant::from_epoch_ms(self.epoch_ms.load(Ordering::SeqCst))
    }
}

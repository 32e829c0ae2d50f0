//! The one place where the time is read.
#![expect(
    clippy::disallowed_methods,
    reason = "here is what the others are told to take"
)]

use std::time::{SystemTime, UNIX_EPOCH};
use waybill_flow::ports::Clock;
use waybill_model::time::Instant;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Instant::from_epoch_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}

/// When the invocation ends, as the runtime was told.
#[must_use]
pub fn end_of(invocation: &lambda_runtime::Context) -> Instant {
    Instant::from_epoch_ms(i64::try_from(invocation.deadline).unwrap_or(i64::MAX))
}

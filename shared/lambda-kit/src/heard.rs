//! Whether a connection's webhooks come at all: quarters of an hour in which one was handed on.
//!
//! Each is a seen mark with a name of its own, so that it costs no call: it is asked for and marked
//! together with the events of the delivery.

use waybill_model::id::{ConnectionId, MessageId, name_uuid};
use waybill_model::time::Instant;

/// Length of one mark's time, in milliseconds.
pub const QUARTER_MS: i64 = 15 * 60 * 1000;

/// The mark for a webhook that came at this instant.
#[must_use]
pub fn mark(connection: &ConnectionId, at: Instant) -> MessageId {
    let quarter = at.epoch_ms().div_euclid(QUARTER_MS);
    MessageId::from_uuid(name_uuid(&[
        "heard",
        connection.as_str(),
        &quarter.to_string(),
    ]))
}

/// The marks of all webhooks that came from one instant to another.
#[must_use]
pub fn marks(connection: &ConnectionId, from: Instant, to: Instant) -> Vec<MessageId> {
    let quarters = to.ms_since(from).max(0) / QUARTER_MS + 1;
    (0..=quarters)
        .map(|n| from.plus_ms(n * QUARTER_MS))
        .map(|at| mark(connection, at))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_found_in_every_span_that_holds_it() {
        let connection = ConnectionId::new("shop-main").unwrap();
        let start = Instant::from_epoch_ms(1_700_000_000_000);
        for minute in 0..60 {
            let heard = mark(&connection, start.plus_ms(minute * 60_000));
            let found = marks(&connection, start, start.plus_ms(60 * 60_000));
            assert!(found.contains(&heard), "minute {minute}");
        }
        let other = ConnectionId::new("shop-other").unwrap();
        assert_ne!(mark(&connection, start), mark(&other, start));
    }
}

//! UTC instants behind one type, so that the library under it can change.

use crate::text::shown;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Milliseconds of a day of UTC, which knows neither summer time nor leap seconds here.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A UTC instant. On the wire: RFC 3339 with `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(jiff::Timestamp);

/// Text that is no RFC 3339 instant with an offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an RFC 3339 instant with an offset, such as `2026-01-31T09:30:00Z`")]
pub struct InstantError {
    text: String,
}

impl Instant {
    /// The epoch.
    pub const EPOCH: Self = Self(jiff::Timestamp::UNIX_EPOCH);

    /// Parses RFC 3339; an offset is needed.
    ///
    /// # Errors
    /// No offset, or not a date and time.
    pub fn parse(text: &str) -> Result<Self, InstantError> {
        text.parse()
            .map(Self)
            .map_err(|_| InstantError { text: shown(text) })
    }

    /// From milliseconds since the epoch; values outside the calendar are clamped to its ends.
    #[must_use]
    pub fn from_epoch_ms(ms: i64) -> Self {
        Self(jiff::Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        }))
    }

    /// From seconds since the epoch, as Stripe sends them.
    #[must_use]
    pub fn from_epoch_s(s: i64) -> Self {
        Self::from_epoch_ms(s.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn epoch_ms(self) -> i64 {
        self.0.as_millisecond()
    }

    /// Seconds since the epoch, rounded toward it.
    #[must_use]
    pub fn epoch_s(self) -> i64 {
        self.0.as_second()
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub fn epoch_us(self) -> i64 {
        self.0.as_microsecond()
    }

    /// This instant moved by milliseconds, clamped to the calendar.
    #[must_use]
    pub fn plus_ms(self, ms: i64) -> Self {
        Self::from_epoch_ms(self.epoch_ms().saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant, negative if it lies before.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> i64 {
        self.epoch_ms().saturating_sub(earlier.epoch_ms())
    }

    /// `YYYY-MM-DD HH:MM:SS` in UTC: the naive form that Odoo reads and writes.
    #[must_use]
    pub fn to_naive_utc(self) -> String {
        self.0.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl schemars::JsonSchema for Instant {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Instant".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_utc_and_a_missing_offset_is_refused() {
        let t = Instant::parse("2026-01-31T10:30:00+01:00").unwrap();
        assert_eq!(t.to_string(), "2026-01-31T09:30:00Z");
        assert_eq!(t.to_naive_utc(), "2026-01-31 09:30:00");
        let error = |text| Instant::parse(text).unwrap_err().to_string();
        assert!(error("2026-01-31T10:30:00").starts_with("`2026-01-31T10:30:00` is not"));
        assert!(error("Jane").starts_with("`…` is not"));
    }

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn a_day_later_it_is_as_late() {
        let noon = at("2026-01-31T12:00:00Z");
        assert_eq!(noon.plus_ms(DAY_MS), at("2026-02-01T12:00:00Z"));
    }

    #[test]
    fn an_instant_is_counted_in_seconds_milliseconds_and_microseconds() {
        let t = at("1970-01-01T00:00:07.000009Z");
        assert_eq!(
            (t.epoch_s(), t.epoch_ms(), t.epoch_us()),
            (7, 7000, 7_000_009)
        );
        assert_eq!(Instant::from_epoch_s(7), at("1970-01-01T00:00:07Z"));
        assert_eq!(Instant::from_epoch_ms(7001), at("1970-01-01T00:00:07.001Z"));
        assert_eq!(format!("{t:?}"), "1970-01-01T00:00:07.000009Z");
    }

    #[test]
    fn what_lies_outside_the_calendar_is_held_at_its_ends() {
        assert_eq!(
            Instant::from_epoch_ms(i64::MIN),
            Instant(jiff::Timestamp::MIN)
        );
        assert_eq!(
            Instant::from_epoch_s(i64::MAX),
            Instant(jiff::Timestamp::MAX)
        );
        assert_eq!(
            Instant::EPOCH.plus_ms(i64::MAX),
            Instant(jiff::Timestamp::MAX)
        );
    }

    #[test]
    fn instants_are_apart_by_milliseconds() {
        let start = at("2026-01-31T09:30:00Z");
        assert_eq!(start.plus_ms(1500), at("2026-01-31T09:30:01.500Z"));
        assert_eq!(start.plus_ms(-1500).ms_since(start), -1500);
        assert_eq!(start.plus_ms(1500).ms_since(start), 1500);
    }
}

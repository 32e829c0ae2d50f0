//! What is to be done about a connection's keys. Pure.

use waybill_flow::ports::ErpKey;
use waybill_model::id::ConnectionId;
use waybill_model::time::{DAY_MS, Instant};

/// How long the key before the current one goes on working: longer than any process keeps a secret
/// (an hour), and long enough for a person to find out what still uses it.
pub(super) const OVERLAP_MS: i64 = DAY_MS;
/// A key is replaced when a third of its life is left: 30 days of 90, so that a month of failures
/// passes before an order waits.
const LAST_PART: i64 = 3;
/// The last part of a life whose length is not known.
const LAST_DAYS: i64 = 30;
/// A key that nobody could replace becomes a case when so many days are left.
pub(super) const WORRY_DAYS: i64 = 21;

/// What is known of a connection's keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) connection: &'a ConnectionId,
    /// All of the user.
    pub(super) keys: &'a [ErpKey],
    /// The current one, where Waybill made it.
    pub(super) current: Option<&'a str>,
    /// The one before.
    pub(super) previous: Option<&'a str>,
    /// Age in days at which a key is replaced, where somebody set it.
    pub(super) rotation_days: Option<u32>,
    pub(super) now: Instant,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// Keys that nothing uses: made and never stored, or replaced long ago.
    pub(super) revoke: Vec<String>,
    /// Whether a new key is to be made.
    pub(super) rotate: bool,
    /// Whole days until the current key ends, negative when it did; nothing if it does not.
    pub(super) days_left: Option<i64>,
    /// The key that will be the one before, once there is a new one.
    pub(super) replaces: Option<String>,
}

impl Plan {
    /// Whether it is late enough to tell a person.
    pub(super) fn is_urgent(&self) -> bool {
        self.days_left.is_some_and(|days| days < WORRY_DAYS)
    }
}

/// What every key that Waybill makes for a connection is called, before its date.
pub(super) fn prefix(connection: &ConnectionId) -> String {
    format!("waybill {connection} ")
}

/// Name of a key that is made now.
pub(super) fn name(connection: &ConnectionId, now: Instant) -> String {
    format!("{}{}", prefix(connection), now.to_naive_utc())
}

pub(super) fn plan(known: Known<'_>) -> Plan {
    let now = known.now;
    let alive = |k: &&ErpKey| k.expires.is_none_or(|end| end > now);
    let alive: Vec<&ErpKey> = known.keys.iter().filter(alive).collect();
    let find = |id: Option<&str>| id.and_then(|id| alive.iter().find(|k| k.id == id).copied());
    let current = find(known.current);
    // A key that a person stored is one of those that Waybill did not make. Odoo does not tell
    // which: the one that ends first is feared for.
    let ours = prefix(known.connection);
    let foreign: Vec<&ErpKey> = alive
        .iter()
        .filter(|k| !k.name.starts_with(&ours))
        .copied()
        .collect();
    let candidates = match current {
        Some(key) => vec![key],
        None => foreign.clone(),
    };
    let ends_first = candidates
        .iter()
        .filter(|k| k.expires.is_some())
        .min_by_key(|k| k.expires);
    let due = |key: &ErpKey| is_due(key, known.rotation_days, now);
    Plan {
        revoke: match current {
            // What is not known to be unused is left alone.
            None => Vec::new(),
            Some(key) => unused(&alive, key, &known),
        },
        rotate: candidates.iter().any(|k| due(k)),
        days_left: ends_first
            .and_then(|k| k.expires)
            .map(|end| end.ms_since(now).div_euclid(DAY_MS)),
        replaces: match (current, foreign.as_slice()) {
            (Some(key), _) => Some(key.id.clone()),
            (None, [only]) => Some(only.id.clone()),
            (None, _) => None,
        },
    }
}

fn unused(alive: &[&ErpKey], current: &ErpKey, known: &Known<'_>) -> Vec<String> {
    let ours = prefix(known.connection);
    let is_settled = current
        .created
        .is_some_and(|at| known.now.ms_since(at) >= OVERLAP_MS);
    let is_unused = |key: &&&ErpKey| {
        if known.previous == Some(key.id.as_str()) {
            return is_settled;
        }
        key.name.starts_with(&ours)
    };
    let others = alive.iter().filter(|k| k.id != current.id);
    others.filter(is_unused).map(|k| k.id.clone()).collect()
}

fn is_due(key: &ErpKey, rotation_days: Option<u32>, now: Instant) -> bool {
    let ends_soon = key.expires.is_some_and(|end| {
        let life = key.created.map(|at| end.ms_since(at));
        let last = life.map_or(LAST_DAYS * DAY_MS, |life| life / LAST_PART);
        end.ms_since(now) <= last
    });
    let is_old = match (rotation_days, key.created) {
        (Some(days), Some(at)) => now.ms_since(at) >= i64::from(days) * DAY_MS,
        _ => false,
    };
    ends_soon || is_old
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(n: i64) -> Instant {
        Instant::EPOCH.plus_ms(n * DAY_MS)
    }

    fn key(id: &str, name: &str, created: i64, expires: Option<i64>) -> ErpKey {
        ErpKey {
            id: id.to_owned(),
            name: name.to_owned(),
            created: Some(day(created)),
            expires: expires.map(day),
        }
    }

    fn of(keys: &[ErpKey], current: Option<&str>, previous: Option<&str>, now: i64) -> Plan {
        let connection = ConnectionId::new("odoo").unwrap();
        plan(Known {
            connection: &connection,
            keys,
            current,
            previous,
            rotation_days: None,
            now: day(now),
        })
    }

    #[test]
    fn a_key_is_replaced_when_a_third_of_its_life_is_left() {
        let keys = [key("1", "by hand", 0, Some(90))];
        assert!(!of(&keys, None, None, 59).rotate);
        let due = of(&keys, None, None, 60);
        assert!(due.rotate && !due.is_urgent());
        assert_eq!(due.replaces.as_deref(), Some("1"));
        assert!(of(&keys, None, None, 70).is_urgent());
    }

    #[test]
    fn a_short_lived_key_is_replaced_in_proportion() {
        let keys = [key("1", "by hand", 0, Some(7))];
        assert!(!of(&keys, None, None, 4).rotate);
        assert!(of(&keys, None, None, 5).rotate);
    }

    #[test]
    fn a_key_without_end_is_left_alone_unless_its_age_is_bounded() {
        let keys = [key("1", "by hand", 0, None)];
        assert_eq!(
            of(&keys, None, None, 4_000),
            Plan {
                replaces: Some("1".to_owned()),
                ..Plan::default()
            }
        );
        let connection = ConnectionId::new("odoo").unwrap();
        let bounded = plan(Known {
            connection: &connection,
            keys: &keys,
            current: None,
            previous: None,
            rotation_days: Some(30),
            now: day(30),
        });
        assert!(bounded.rotate);
    }

    #[test]
    fn the_key_before_goes_on_for_a_day_and_what_was_never_stored_goes_at_once() {
        let keys = [
            key("1", "by hand", 0, Some(90)),
            key("2", "waybill odoo 1970-03-02 00:00:00", 60, Some(149)),
            key("3", "waybill odoo 1970-03-02 00:00:09", 60, Some(149)),
            key("4", "waybill odoo-two 1970-03-02 00:00:00", 60, Some(149)),
        ];
        assert_eq!(of(&keys, Some("3"), Some("1"), 60).revoke, ["2"]);
        assert_eq!(of(&keys, Some("3"), Some("1"), 61).revoke, ["1", "2"]);
        // Not known to be unused.
        assert!(of(&keys, None, None, 61).revoke.is_empty());
        assert!(of(&keys, Some("9"), Some("1"), 61).revoke.is_empty());
    }

    #[test]
    fn of_several_unknown_keys_the_first_to_end_is_feared_for_and_none_is_replaced_for_good() {
        let keys = [
            key("1", "by hand", 0, Some(90)),
            key("2", "another", 30, Some(120)),
        ];
        let plan = of(&keys, None, None, 75);
        assert!(plan.rotate && plan.is_urgent());
        assert_eq!(plan.replaces, None);
    }

    #[test]
    fn an_orphan_of_a_crash_is_not_taken_for_the_stored_key() {
        let keys = [
            key("1", "by hand", 0, None),
            key("2", "waybill odoo 1970-03-02 00:00:00", 0, Some(90)),
        ];
        assert_eq!(of(&keys, None, None, 80).days_left, None);
    }
}

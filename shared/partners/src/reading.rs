//! What partners' payloads have in common: ids of two types, dates of many, our own references.

use serde::{Deserialize, Deserializer};
use waybill_model::id::{CorrelationId, ExternalId};
use waybill_model::time::Instant;

/// An id that a partner writes as an integer in one version and as a string in another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(untagged)]
pub enum AnyId {
    /// `123`
    Number(i64),
    /// `"123"`
    Text(String),
}

impl AnyId {
    /// As our model holds it; none for blank text.
    #[must_use]
    pub fn external(&self) -> Option<ExternalId> {
        ExternalId::new(self.text()).ok()
    }

    /// As text.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Number(n) => n.to_string(),
            Self::Text(t) => t.trim().to_owned(),
        }
    }
}

/// An instant as partners write it: RFC 3339, or without an offset, which then means UTC. What
/// cannot be read counts as absent: a date never decides whether a fact is taken.
#[must_use]
pub fn instant(text: Option<&str>) -> Option<Instant> {
    let text = text?.trim();
    Instant::parse(text)
        .or_else(|_| Instant::parse(&format!("{text}Z")))
        .ok()
}

/// `null` and an absent field alike become the default.
///
/// # Errors
/// The value is there and has another type.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The order that a reference of ours names: a correlation id, alone or with a suffix behind a
/// character that is neither letter nor digit (`…-b2`, `…/north`). Other people's UUIDs are not
/// taken for ours: ours are version 5.
#[must_use]
pub fn correlation_in(reference: &str) -> Option<CorrelationId> {
    let reference = reference.trim();
    let (head, tail) = reference.split_at_checked(36)?;
    if tail.chars().next().is_some_and(char::is_alphanumeric) {
        return None;
    }
    let id = CorrelationId::parse(head).ok()?;
    (id.uuid().get_version_num() == 5).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use waybill_model::id::{ChannelOrderId, ConnectionId};

    #[test]
    fn our_references_are_recognised_with_and_without_suffix() {
        let id = CorrelationId::for_order(
            &ConnectionId::new("shop").unwrap(),
            &ChannelOrderId::new("1").unwrap(),
        );
        assert_eq!(correlation_in(&id.to_string()), Some(id));
        assert_eq!(correlation_in(&format!("{id}-north")), Some(id));
        assert_eq!(correlation_in(&format!("{id}9")), None);
        assert_eq!(correlation_in("5571"), None);
        assert_eq!(correlation_in("aéaéaéaéaéaéaéaéaéaéaéaéaéaéaé"), None);
        assert_eq!(correlation_in("0f8fad5b-d9cb-469f-a165-70867728950e"), None);
    }

    #[test]
    fn a_date_without_offset_is_utc_and_nonsense_is_absent() {
        let t = instant(Some("2026-01-31T10:00:00.1234567")).unwrap();
        assert_eq!(t.to_naive_utc(), "2026-01-31 10:00:00");
        assert_eq!(instant(Some("yesterday")), None);
        assert_eq!(instant(None), None);
    }
}

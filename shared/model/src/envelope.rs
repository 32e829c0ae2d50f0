//! The one envelope of everything on a queue: CloudEvents 1.0 plus correlation and causation.

use crate::command::Command;
use crate::event::Event;
use crate::id::{ConnectionId, CorrelationId, EffectKey, MessageId};
use crate::time::Instant;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Major version of the envelope and of every `data`. A change that breaks readers raises it.
pub const SCHEMA_MAJOR: u32 = 1;

/// What travels: CloudEvents attributes and the message's `type` and `data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope<T> {
    /// Always `1.0`.
    pub specversion: SpecVersion,
    /// The event's or command's own id; a redelivery has the same.
    pub id: MessageId,
    /// The connection, or `waybill` for what we made ourselves.
    pub source: ConnectionId,
    /// When it happened, as far as the source says; else when we learned of it.
    pub time: Instant,
    /// `waybill/v{major}`.
    pub dataschema: DataSchema,
    /// The business transaction.
    pub correlationid: CorrelationId,
    /// Id of what caused this.
    pub causationid: Option<MessageId>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Version of the connections file that processed it.
    pub configversion: Option<String>,
    /// For commands: the effect that must happen once.
    pub effect: Option<EffectKey>,
    /// `type` and `data`.
    #[serde(flatten)]
    pub body: T,
}

/// An event in its envelope.
pub type EventEnvelope = Envelope<Event>;
/// A command in its envelope.
pub type CommandEnvelope = Envelope<Command>;

/// The CloudEvents version that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SpecVersion {
    /// 1.0
    #[serde(rename = "1.0")]
    V1,
}

/// Major version of `data`: a message of another major version does not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DataSchema {
    /// Version 1.
    #[serde(rename = "waybill/v1")]
    V1,
}

impl<T> Envelope<T> {
    /// Source of messages that Waybill itself makes.
    pub const OURSELVES: &'static str = "waybill";

    /// An envelope with the required attributes; the optional ones are absent.
    #[must_use]
    pub fn new(
        id: MessageId,
        source: ConnectionId,
        time: Instant,
        correlation: CorrelationId,
        body: T,
    ) -> Self {
        Self {
            specversion: SpecVersion::V1,
            id,
            source,
            time,
            dataschema: DataSchema::V1,
            correlationid: correlation,
            causationid: None,
            traceparent: None,
            configversion: None,
            effect: None,
            body,
        }
    }

    /// The same envelope, caused by `cause`.
    #[must_use]
    pub fn caused_by(mut self, cause: MessageId) -> Self {
        self.causationid = Some(cause);
        self
    }

    /// The same envelope, part of this W3C trace.
    #[must_use]
    pub fn traced(mut self, traceparent: Option<String>) -> Self {
        self.traceparent = traceparent;
        self
    }

    /// The same envelope, for an effect.
    #[must_use]
    pub fn for_effect(mut self, effect: EffectKey) -> Self {
        self.effect = Some(effect);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ClockPassed;

    fn sample() -> EventEnvelope {
        let shop = ConnectionId::new("shop").unwrap();
        let now = Instant::from_epoch_s(1_700_000_000);
        Envelope::new(
            MessageId::new("m-1").unwrap(),
            ConnectionId::new(EventEnvelope::OURSELVES).unwrap(),
            now,
            CorrelationId::for_connection(&shop),
            Event::ClockPassed(ClockPassed { now }),
        )
    }

    #[test]
    fn the_wire_form_is_a_cloud_event() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json["specversion"], "1.0");
        assert_eq!(json["type"], "waybill.clock.passed");
        assert_eq!(json["type"], sample().body.kind());
        assert_eq!(json["data"]["now"], "2023-11-14T22:13:20Z");
        let back: EventEnvelope = serde_json::from_value(json).unwrap();
        assert_eq!(back, sample());
    }

    #[test]
    fn another_major_version_does_not_parse() {
        let mut json = serde_json::to_value(sample()).unwrap();
        json["dataschema"] = "waybill/v2".into();
        assert!(serde_json::from_value::<EventEnvelope>(json).is_err());
    }

    #[test]
    fn cause_trace_and_effect_are_carried() {
        let cause = MessageId::new("m-0").unwrap();
        let effect = EffectKey::of("sale_order.create", None);
        let carried = sample()
            .caused_by(cause.clone())
            .traced(Some("00-1-2-01".to_owned()))
            .for_effect(effect.clone());
        assert_eq!(carried.causationid, Some(cause));
        assert_eq!(carried.traceparent.as_deref(), Some("00-1-2-01"));
        assert_eq!(carried.effect, Some(effect));
    }
}

//! Identifiers. Each is a newtype that parses or fails; limits stand beside the type.

use crate::text::{is_printable, is_slug, is_snake, text_newtype};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use crate::text::TextError;

text_newtype!(
    /// One configured account at a partner, as named in `infra/connections/ENV.toml`.
    ConnectionId, max = 40, allowed = is_slug, "lower-case letters, digits and `-`"
);
text_newtype!(
    /// The channel's own stable order id (not the number that the customer sees).
    ChannelOrderId, max = 128, allowed = is_printable, "printable characters"
);
text_newtype!(
    /// The order number that the customer sees, such as `#1001`.
    OrderNumber, max = 64, allowed = is_printable, "printable characters"
);
text_newtype!(
    /// Stock keeping unit. In Odoo: `default_code`.
    Sku, max = 64, allowed = is_printable, "printable characters"
);
text_newtype!(
    /// Id of a line within its order, as the channel gives it.
    LineId, max = 128, allowed = is_printable, "printable characters"
);
text_newtype!(
    /// Any id that an outside system gave to something it holds.
    ExternalId, max = 200, allowed = is_printable, "printable characters"
);
text_newtype!(
    /// A carrier's tracking number.
    TrackingNumber, max = 100, allowed = is_printable, "printable characters"
);
text_newtype!(
    /// A lot or serial number, as it stands on the goods. In Odoo: `stock.lot`.
    LotNumber, max = 100, allowed = is_printable, "printable characters"
);
text_newtype!(
    /// A bounded snake_case code: metric dimension and key of the documented table of codes.
    Code, max = 64, allowed = is_snake, "lower-case letters, digits and `_`"
);
text_newtype!(
    /// Transport-independent id of one event or command on our queues.
    MessageId, max = 200, allowed = is_printable, "printable characters"
);
text_newtype!(
    /// Name of one effect of one order that must happen once, such as `sale_order.create` or
    /// `delivery.register/SHP-7`. Unique within the order.
    EffectKey, max = 240, allowed = is_printable, "printable characters"
);

text_newtype!(
    /// Who works on a case, as tokens name operators: an id, not a name.
    OperatorId, max = 64, allowed = is_printable, "printable characters"
);
text_newtype!(
    /// Why an operator decided something, in their words: for whoever asks later, so no personal
    /// data belongs in it.
    Reason, max = 300, allowed = is_printable, "printable characters"
);

/// One business transaction: an order and all that follows from it. Computed, not looked up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CorrelationId(#[schemars(with = "String")] Uuid);

/// Namespace of our UUIDv5 ids. Changing it orphans every stored order.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d2f_9c1e_4b7a_5c3d_8e90_77a1_b1f0_0c5d);

impl CorrelationId {
    /// The id of an order: UUIDv5 of connection and channel order id.
    #[must_use]
    pub fn for_order(channel: &ConnectionId, order: &ChannelOrderId) -> Self {
        Self(name_uuid(&["order", channel.as_str(), order.as_str()]))
    }

    /// The id of work that belongs to a connection and to no order (stock levels).
    #[must_use]
    pub fn for_connection(connection: &ConnectionId) -> Self {
        Self(name_uuid(&["connection", connection.as_str()]))
    }

    /// Parses the hyphenated form.
    ///
    /// # Errors
    /// Not a UUID.
    pub fn parse(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }

    /// The UUID.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.0
    }
}

impl std::fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl EffectKey {
    /// The key of an effect that an order has at most once, or once per `subject` (a shipment, a
    /// refund). A subject too long for a key is replaced by its hash.
    #[must_use]
    pub fn of(name: &'static str, subject: Option<&str>) -> Self {
        let key = subject.map_or_else(|| name.to_owned(), |s| format!("{name}/{s}"));
        Self::new(&key).unwrap_or_else(|_| Self(format!("{name}/{}", name_uuid(&[&key]))))
    }
}

impl Code {
    /// Stands in where an empty literal was given.
    pub(crate) fn unnamed() -> Self {
        Self("unnamed".to_owned())
    }
}

/// UUIDv5 over parts; the separator cannot occur inside a printable part.
#[must_use]
pub fn name_uuid(parts: &[&str]) -> Uuid {
    Uuid::new_v5(&NAMESPACE, parts.join("\u{1f}").as_bytes())
}

impl MessageId {
    /// The id of a command: the same order and effect always give the same id, so that a command
    /// that is sent twice is recognised.
    #[must_use]
    pub fn for_effect(correlation: CorrelationId, effect: &EffectKey) -> Self {
        Self::from_uuid(name_uuid(&[
            "effect",
            &correlation.to_string(),
            effect.as_str(),
        ]))
    }

    /// The id of an event that a partner's delivery made: its dedupe id, made unique over
    /// connections and over several events from one delivery.
    #[must_use]
    pub fn for_delivery(connection: &ConnectionId, dedupe_id: &str, index: usize) -> Self {
        Self::from_uuid(name_uuid(&[
            "delivery",
            connection.as_str(),
            dedupe_id,
            &index.to_string(),
        ]))
    }

    /// Any UUID is a valid message id.
    #[must_use]
    pub fn from_uuid(id: Uuid) -> Self {
        Self(id.to_string())
    }
}

/// What a reference points at.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RefKind {
    /// The number that the customer sees.
    OrderNumber,
    /// `sale.order` database id.
    SaleOrder,
    /// `stock.picking` database id.
    Picking,
    /// `account.move` database id.
    AccountMove,
    /// Payment intent or payment at a gateway.
    Payment,
    /// Refund at a gateway or a channel.
    Refund,
    /// Order at a 3PL or warehouse.
    FulfillmentOrder,
    /// Shipment at a 3PL or warehouse.
    Shipment,
    /// A carrier's tracking number.
    TrackingNumber,
    /// Return at a channel or 3PL.
    Return,
    /// Ticket at a helpdesk.
    Ticket,
    /// UUIDv5 of the lower-cased e-mail address: look-up without storing the address.
    EmailHash,
}

impl RefKind {
    /// Whether what is told under it is told to every order that it leads to: orders can leave in
    /// one parcel. Of the other kinds one that leads to several tells nothing.
    #[must_use]
    pub fn is_shared(self) -> bool {
        self == Self::TrackingNumber
    }

    /// The name used in keys and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrderNumber => "order_number",
            Self::SaleOrder => "sale_order",
            Self::Picking => "picking",
            Self::AccountMove => "account_move",
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::FulfillmentOrder => "fulfillment_order",
            Self::Shipment => "shipment",
            Self::TrackingNumber => "tracking_number",
            Self::Return => "return",
            Self::Ticket => "ticket",
            Self::EmailHash => "email_hash",
        }
    }
}

/// Something an outside system holds that leads back to an order.
///
/// Tracking numbers are looked up by carriers that did not create them, so their system is
/// always [`Reference::ANY`].
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Reference {
    /// The connection that gave the id, or `any`.
    pub system: ConnectionId,
    /// What it points at.
    pub kind: RefKind,
    /// The id there.
    pub id: ExternalId,
}

impl Reference {
    /// System of references that are not bound to a connection.
    pub const ANY: &'static str = "any";

    /// A reference within one connection.
    #[must_use]
    pub fn new(system: ConnectionId, kind: RefKind, id: ExternalId) -> Self {
        Self { system, kind, id }
    }

    /// The reference by which an order is found by its customer's e-mail address.
    #[must_use]
    pub fn email(address: &str) -> Self {
        let hash = name_uuid(&["email", &address.trim().to_lowercase()]);
        Self::anywhere(RefKind::EmailHash, ExternalId(hash.to_string()))
    }

    /// A reference that any connection may use, such as a tracking number.
    #[must_use]
    pub fn anywhere(kind: RefKind, id: ExternalId) -> Self {
        Self {
            system: ConnectionId(Self::ANY.to_owned()),
            kind,
            id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_share_a_parcel_and_nothing_else() {
        assert!(RefKind::TrackingNumber.is_shared());
        assert!(!RefKind::OrderNumber.is_shared());
        assert!(!RefKind::Shipment.is_shared());
    }

    #[test]
    fn correlation_is_the_same_for_the_same_order_and_differs_otherwise() {
        let shop = ConnectionId::new("shop").unwrap();
        let other = ConnectionId::new("shop2").unwrap();
        let id = ChannelOrderId::new("42").unwrap();
        assert_eq!(
            CorrelationId::for_order(&shop, &id),
            CorrelationId::for_order(&shop, &id)
        );
        assert_ne!(
            CorrelationId::for_order(&shop, &id),
            CorrelationId::for_order(&other, &id)
        );
    }

    #[test]
    fn connection_ids_refuse_what_would_break_a_queue_group_or_url() {
        assert!(ConnectionId::new("shopify-eu").is_ok());
        assert!(ConnectionId::new("Shopify EU").is_err());
        assert!(ConnectionId::new(" ").is_err());
        assert!(ConnectionId::new("x".repeat(41)).is_err());
    }

    #[test]
    fn deserialising_checks_the_limits() {
        assert!(serde_json::from_str::<Sku>("\"SKU-1\"").is_ok());
        assert!(serde_json::from_str::<Sku>("\"a\\u0000b\"").is_err());
    }

    #[test]
    fn an_order_and_work_of_its_connection_have_ids_of_their_own_that_read_back() {
        let shop = ConnectionId::new("shop").unwrap();
        let order = CorrelationId::for_order(&shop, &ChannelOrderId::new("42").unwrap());
        let stock = CorrelationId::for_connection(&shop);
        assert_ne!(order, stock);
        assert_ne!(
            stock,
            CorrelationId::for_connection(&ConnectionId::new("other").unwrap())
        );
        assert_eq!(CorrelationId::parse(&order.to_string()).unwrap(), order);
        assert_eq!(format!("{order:?}"), order.uuid().to_string());
        assert!(CorrelationId::parse("42").is_err());
    }

    #[test]
    fn stored_orders_are_found_under_the_id_they_had_from_the_beginning() {
        let order = CorrelationId::for_order(
            &ConnectionId::new("shop").unwrap(),
            &ChannelOrderId::new("42").unwrap(),
        );
        assert_eq!(order.to_string(), "625a7fd6-4aac-56d5-80ef-ac85a975e487");
    }

    #[test]
    fn an_effect_key_names_its_subject_and_one_too_long_its_hash() {
        assert_eq!(
            EffectKey::of("sale_order.create", None).as_str(),
            "sale_order.create"
        );
        let short = EffectKey::of("delivery.register", Some("SHP-7"));
        assert_eq!(short.as_str(), "delivery.register/SHP-7");
        let long = |last: &str| EffectKey::of("delivery.register", Some(&("9".repeat(300) + last)));
        assert!(long("a").as_str().starts_with("delivery.register/"));
        assert!(long("a").as_str().len() <= EffectKey::MAX);
        assert_eq!(long("a"), long("a"));
        assert_ne!(long("a"), long("b"));
    }

    #[test]
    fn message_ids_differ_by_each_part_they_are_made_of() {
        let (shop, other) = (
            ConnectionId::new("shop").unwrap(),
            ConnectionId::new("other").unwrap(),
        );
        let ids = [
            MessageId::for_delivery(&shop, "d-1", 0),
            MessageId::for_delivery(&other, "d-1", 0),
            MessageId::for_delivery(&shop, "d-2", 0),
            MessageId::for_delivery(&shop, "d-1", 1),
            MessageId::for_effect(
                CorrelationId::for_connection(&shop),
                &EffectKey::of("a", None),
            ),
            MessageId::for_effect(
                CorrelationId::for_connection(&other),
                &EffectKey::of("a", None),
            ),
            MessageId::for_effect(
                CorrelationId::for_connection(&shop),
                &EffectKey::of("b", None),
            ),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert_eq!(ids[0], MessageId::for_delivery(&shop, "d-1", 0));
    }

    #[test]
    fn a_kind_of_reference_has_one_name_in_keys_and_on_the_wire() {
        for kind in [
            RefKind::OrderNumber,
            RefKind::SaleOrder,
            RefKind::Picking,
            RefKind::AccountMove,
            RefKind::Payment,
            RefKind::Refund,
            RefKind::FulfillmentOrder,
            RefKind::Shipment,
            RefKind::TrackingNumber,
            RefKind::Return,
            RefKind::Ticket,
            RefKind::EmailHash,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn an_address_is_found_however_it_is_written_and_not_stored() {
        let reference = Reference::email(" Jane@Example.com");
        assert_eq!(reference, Reference::email("jane@example.com "));
        assert_ne!(reference, Reference::email("john@example.com"));
        assert_eq!(reference.system.as_str(), Reference::ANY);
        assert_eq!(reference.kind, RefKind::EmailHash);
        assert!(!reference.id.as_str().contains("jane"));
    }

    #[test]
    fn text_is_trimmed_and_shown_as_it_is() {
        let sku: Sku = " MUG ".parse().unwrap();
        assert_eq!(sku.as_str(), "MUG");
        assert_eq!(sku.to_string(), "MUG");
        assert_eq!(format!("{sku:?}"), "\"MUG\"");
    }
}

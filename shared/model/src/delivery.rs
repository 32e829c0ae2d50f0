//! What a partner sent us: verified, not yet understood.

use crate::id::{ConnectionId, MessageId};
use crate::time::Instant;
use std::collections::BTreeMap;
use std::fmt;

/// One webhook call, queue message or polled record, with its raw body.
///
/// On the `inbound` queue the body is compressed; see `lambda-kit`.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Receipt id: what the partner got in the acknowledgement, what an operator searches by.
    pub receipt: MessageId,
    /// The connection that it came through.
    pub connection: ConnectionId,
    /// How it came.
    pub origin: Origin,
    /// The partner's topic, where the transport tells it (a header, the path).
    pub topic: Option<String>,
    /// The partner's stable id of the event, where the transport tells it (a header).
    pub dedupe_id: Option<String>,
    /// The headers that the partner's adapter reads, names in lower case. No secrets.
    pub headers: BTreeMap<String, String>,
    /// When we got it first. A replay leaves it as it is: some partners' facts have no other instant.
    pub received_at: Instant,
    /// When an operator handed it in again; absent where nobody did.
    pub replayed_at: Option<Instant>,
    /// W3C trace context of the call.
    pub traceparent: Option<String>,
    /// The raw bytes.
    pub body: Vec<u8>,
}

/// How a delivery came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The partner called us.
    Webhook,
    /// The poll backstop asked the partner.
    Poll,
    /// An operator replays it from the archive.
    Replay,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("receipt", &self.receipt)
            .field("connection", &self.connection)
            .field("origin", &self.origin)
            .field("topic", &self.topic)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_in_a_log_names_where_it_came_from_and_shows_neither_body_nor_headers() {
        let delivery = Delivery {
            receipt: MessageId::new("r-1").unwrap(),
            connection: ConnectionId::new("shop").unwrap(),
            origin: Origin::Poll,
            topic: Some("orders/create".to_owned()),
            dedupe_id: None,
            headers: BTreeMap::from([("x-signature".to_owned(), "secret".to_owned())]),
            received_at: Instant::EPOCH,
            replayed_at: None,
            traceparent: None,
            body: b"jane@example.com".to_vec(),
        };
        let shown = format!("{delivery:?}");
        for part in ["r-1", "shop", "Poll", "orders/create", "16"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        for part in ["secret", "jane", "106"] {
            assert!(!shown.contains(part), "{part} in {shown}");
        }
    }
}

//! The form of a delivery on the inbound queue and in the archive: JSON with the raw body
//! compressed by zstd, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::id::{ConnectionId, MessageId};
use waybill_model::time::Instant;

/// Largest raw body, in bytes, after decompression. Above what any partner sends; a small message
/// that unpacks to more is an attack or a fault.
pub const MAX_RAW_BYTES: usize = 8 * 1024 * 1024;
/// zstd's own default: most of the gain at little time.
const LEVEL: i32 = 3;
/// Version of this form.
const VERSION: u32 = 1;

/// Fields that it does not know are let pass: a newer version may have written them.
#[derive(Serialize, Deserialize)]
struct Wire {
    v: u32,
    receipt: MessageId,
    connection: ConnectionId,
    origin: Origin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dedupe_id: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    received_at: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replayed_at: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    body: String,
}

/// Why a message of the inbound queue is no delivery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not of this form.
    #[error("it is no delivery: line {line}, column {column}")]
    NotADelivery {
        /// Where reading stopped.
        line: usize,
        /// Where reading stopped.
        column: usize,
    },
    /// A form of another version.
    #[error("it has version {found}, version {VERSION} is read")]
    Version {
        /// Which.
        found: u32,
    },
    /// The body is not base64.
    #[error("`body` is not base64")]
    NotBase64,
    /// The body is not zstd, or unpacks to more than the limit.
    #[error("`body` does not unpack to at most {MAX_RAW_BYTES} bytes")]
    NotZstd,
}

/// Why a delivery cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The body could not be compressed.
    #[error("the body of {bytes} bytes could not be compressed")]
    Compress {
        /// Its length.
        bytes: usize,
    },
    /// The compressed form is larger than a message may be.
    #[error("compressed it has {bytes} bytes, the queue takes {limit}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// The message for a delivery.
///
/// # Errors
/// It would not fit into a message.
pub fn encode(delivery: &Delivery) -> Result<String, EncodeError> {
    let raw = &delivery.body;
    let compress = || EncodeError::Compress { bytes: raw.len() };
    let packed = zstd::bulk::compress(raw, LEVEL).map_err(|_| compress())?;
    let text = serde_json::to_string(&Wire {
        v: VERSION,
        receipt: delivery.receipt.clone(),
        connection: delivery.connection.clone(),
        origin: delivery.origin,
        topic: delivery.topic.clone(),
        dedupe_id: delivery.dedupe_id.clone(),
        headers: delivery.headers.clone(),
        received_at: delivery.received_at,
        replayed_at: delivery.replayed_at,
        traceparent: delivery.traceparent.clone(),
        body: STANDARD.encode(packed),
    })
    .map_err(|_| compress())?;
    if text.len() > crate::queues::MAX_BYTES {
        return Err(EncodeError::TooLarge {
            bytes: text.len(),
            limit: crate::queues::MAX_BYTES,
        });
    }
    Ok(text)
}

/// The delivery of a message.
///
/// # Errors
/// Why it is none.
pub fn decode(text: &str) -> Result<Delivery, DecodeError> {
    let wire: Wire = serde_json::from_str(text).map_err(|e| DecodeError::NotADelivery {
        line: e.line(),
        column: e.column(),
    })?;
    if wire.v != VERSION {
        return Err(DecodeError::Version { found: wire.v });
    }
    let packed = STANDARD
        .decode(wire.body)
        .map_err(|_| DecodeError::NotBase64)?;
    let body = unpack(&packed).ok_or(DecodeError::NotZstd)?;
    Ok(Delivery {
        receipt: wire.receipt,
        connection: wire.connection,
        origin: wire.origin,
        topic: wire.topic,
        dedupe_id: wire.dedupe_id,
        headers: wire.headers,
        received_at: wire.received_at,
        replayed_at: wire.replayed_at,
        traceparent: wire.traceparent,
        body,
    })
}

/// Unpacks as a stream: memory grows with what is there, not with what the frame claims.
fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let limit = u64::try_from(MAX_RAW_BYTES).ok()?.saturating_add(1);
    let mut body = Vec::new();
    zstd::stream::read::Decoder::new(packed)
        .ok()?
        .take(limit)
        .read_to_end(&mut body)
        .ok()?;
    (body.len() <= MAX_RAW_BYTES).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(body: Vec<u8>) -> Delivery {
        Delivery {
            receipt: MessageId::new("r-1").unwrap(),
            connection: ConnectionId::new("shopify-main").unwrap(),
            origin: Origin::Webhook,
            topic: Some("orders/create".to_owned()),
            dedupe_id: None,
            headers: BTreeMap::from([("x-test".to_owned(), "1".to_owned())]),
            received_at: Instant::from_epoch_s(1_700_000_000),
            replayed_at: Some(Instant::from_epoch_s(1_700_000_001)),
            traceparent: None,
            body,
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_byte_for_byte() {
        for body in [vec![], vec![0xff, 0x00, 0xfe], b"{\"id\":1}".to_vec()] {
            let before = delivery(body);
            assert_eq!(decode(&encode(&before).unwrap()).unwrap(), before);
        }
    }

    #[test]
    fn a_small_message_that_unpacks_to_more_than_the_limit_is_refused() {
        let bomb = encode(&delivery(vec![0; MAX_RAW_BYTES + 1])).unwrap();
        assert!(bomb.len() < 10_000);
        assert_eq!(decode(&bomb), Err(DecodeError::NotZstd));
    }

    #[test]
    fn what_is_no_delivery_is_named() {
        assert!(matches!(
            decode("nonsense"),
            Err(DecodeError::NotADelivery { .. })
        ));
        let other = encode(&delivery(vec![]))
            .unwrap()
            .replace("\"v\":1", "\"v\":2");
        assert_eq!(decode(&other), Err(DecodeError::Version { found: 2 }));
    }
}

//! Signature of Shopify's webhooks: HMAC-SHA256 of the raw body, base64, keyed by the app's client
//! secret.
//!
//! Source: shopify-app-js `packages/apps/shopify-api/lib/webhooks/validate.ts`. Only the body is
//! signed: topic, shop and ids are told by headers that anybody who holds a captured body can
//! change. The shop is therefore compared with the connection's in `map`, and the connection
//! comes from our own URL.

use crate::signature::{self, Encoding};
use crate::webhook::{Refusal, Verified, WebhookRequest};
use std::collections::BTreeMap;
use waybill_flow::connections::Connection;
use waybill_flow::ports::ConnectionSecrets;

/// The names of one family of headers.
struct Family {
    hmac: &'static str,
    topic: &'static str,
    required: [&'static str; 3],
    event_id: &'static str,
    shop: &'static str,
    triggered_at: &'static str,
}

/// Webhook subscriptions.
const WEBHOOKS: Family = Family {
    hmac: "x-shopify-hmac-sha256",
    topic: "x-shopify-topic",
    required: [
        "x-shopify-shop-domain",
        "x-shopify-api-version",
        "x-shopify-webhook-id",
    ],
    event_id: "x-shopify-event-id",
    shop: "x-shopify-shop-domain",
    triggered_at: "x-shopify-triggered-at",
};

/// The newer Events product. It also sends the other family, so it is looked for first.
const EVENTS: Family = Family {
    hmac: "shopify-hmac-sha256",
    topic: "shopify-topic",
    required: [
        "shopify-shop-domain",
        "shopify-api-version",
        "shopify-event-id",
    ],
    event_id: "shopify-event-id",
    shop: "shopify-shop-domain",
    triggered_at: "shopify-triggered-at",
};

/// Name under which `parse` finds the shop's domain, whichever family told it.
pub(super) const SHOP: &str = "x-shopify-shop-domain";
/// Name under which `parse` finds the instant of the change.
pub(super) const TRIGGERED_AT: &str = "x-shopify-triggered-at";

/// Checks the signature, then the headers that Shopify's own SDK demands.
///
/// # Errors
/// Why it is refused.
pub fn verify(
    _connection: &Connection,
    request: &WebhookRequest<'_>,
    secrets: &ConnectionSecrets,
) -> Result<Verified, Refusal> {
    if request.body.is_empty() {
        return Err(Refusal::BadBody { why: "it is empty" });
    }
    let family = if present(request, EVENTS.hmac).is_some() {
        &EVENTS
    } else {
        &WEBHOOKS
    };
    let given = require(request, family.hmac)?;
    let keys = signature::keys(secrets)?;
    let keys = keys.iter().map(|k| k.as_bytes());
    if !signature::is_signed(given, Encoding::Base64, keys, &[request.body]) {
        return Err(Refusal::BadSignature);
    }
    let topic = require(request, family.topic)?.to_ascii_lowercase();
    for name in family.required {
        require(request, name)?;
    }
    // A subscription is often doubled: each copy has the same event id, and one event can be told
    // on several topics.
    let dedupe_id = present(request, family.event_id).map(|id| format!("{id}/{topic}"));
    let mut headers = BTreeMap::new();
    for (name, from) in [(SHOP, family.shop), (TRIGGERED_AT, family.triggered_at)] {
        if let Some(value) = present(request, from) {
            headers.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(Verified::new(Some(topic), dedupe_id, headers))
}

fn present<'r>(request: &'r WebhookRequest<'_>, name: &str) -> Option<&'r str> {
    request
        .header(name)
        .map(str::trim)
        .filter(|v| !v.is_empty())
}

fn require<'r>(request: &'r WebhookRequest<'_>, name: &'static str) -> Result<&'r str, Refusal> {
    present(request, name).ok_or(Refusal::MissingHeader { name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shopify::map::tests::connection;
    use waybill_flow::ports::Secret;
    use waybill_model::time::Instant;

    const BODY: &[u8] = br#"{"id":1,"note":"a\/b \u003c"}"#;

    fn check(headers: &[(&str, &str)], secrets: &[&str], body: &[u8]) -> Result<Verified, Refusal> {
        let headers = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        let request = WebhookRequest {
            headers: &headers,
            topic_path: None,
            body,
            now: Instant::EPOCH,
        };
        let secrets = ConnectionSecrets {
            webhook_secrets: secrets.iter().map(|s| Secret::new(*s)).collect(),
            ..ConnectionSecrets::default()
        };
        verify(&connection(), &request, &secrets)
    }

    fn signature() -> String {
        signature::sign(b"hush", &[BODY], Encoding::Base64)
    }

    fn webhook(signature: &str) -> [(&str, &str); 6] {
        [
            ("x-shopify-hmac-sha256", signature),
            ("x-shopify-topic", "orders/create"),
            ("x-shopify-shop-domain", "example.myshopify.com"),
            ("x-shopify-api-version", "2026-07"),
            ("x-shopify-webhook-id", "w-1"),
            ("x-shopify-event-id", "e-1"),
        ]
    }

    #[test]
    fn the_event_id_and_the_topic_are_the_dedupe_id() {
        let verified = check(&webhook(&signature()), &["hush"], BODY).unwrap();
        assert_eq!(verified.topic.as_deref(), Some("orders/create"));
        assert_eq!(verified.dedupe_id.as_deref(), Some("e-1/orders/create"));
        assert_eq!(verified.headers[SHOP], "example.myshopify.com");
    }

    #[test]
    fn both_secrets_are_accepted_while_they_rotate_and_blank_ones_never() {
        let s = signature();
        assert!(check(&webhook(&s), &["new", "hush"], BODY).is_ok());
        assert_eq!(
            check(&webhook(&s), &["new"], BODY),
            Err(Refusal::BadSignature)
        );
        assert_eq!(
            check(&webhook(&s), &[" ", ""], BODY),
            Err(Refusal::NoSecret)
        );
        let blank = signature::sign(b"", &[BODY], Encoding::Base64);
        assert_eq!(check(&webhook(&blank), &[""], BODY), Err(Refusal::NoSecret));
    }

    #[test]
    fn the_newer_family_of_headers_is_read_first() {
        let s = signature();
        let mut headers = webhook("not-a-signature").to_vec();
        headers.extend([
            ("shopify-hmac-sha256", s.as_str()),
            ("shopify-topic", "Orders/Updated"),
            ("shopify-shop-domain", "example.myshopify.com"),
            ("shopify-api-version", "2026-07"),
            ("shopify-event-id", "e-2"),
        ]);
        let verified = check(&headers, &["hush"], BODY).unwrap();
        assert_eq!(verified.dedupe_id.as_deref(), Some("e-2/orders/updated"));
    }

    #[test]
    fn each_required_header_is_required_and_an_empty_body_is_refused() {
        let s = signature();
        for missing in 0..5 {
            let mut headers = webhook(&s).to_vec();
            let (name, _) = headers.remove(missing);
            match check(&headers, &["hush"], BODY) {
                Err(Refusal::MissingHeader { name: found }) => assert_eq!(found, name),
                other => panic!("`{name}` is missing: {other:?}"),
            }
        }
        let empty = signature::sign(b"hush", &[b""], Encoding::Base64);
        let refused = check(&webhook(&empty), &["hush"], b"");
        assert!(matches!(refused, Err(Refusal::BadBody { .. })));
    }
}

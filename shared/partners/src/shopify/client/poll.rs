//! Orders by the instant of their last change: what a lost webhook would have told.
//!
//! The REST list is used although it is legacy: its orders are the bodies of the webhooks, so
//! that one mapper reads both and both give the same facts.

use super::Shop;
use crate::exchange::Access;
use crate::shopify::error::ShopifyError;
use crate::shopify::verify::TRIGGERED_AT;
use crate::shopify::wire::Id;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use waybill_flow::connections::Connection;
use waybill_flow::ports::{ConnectionSecrets, PolledPage};
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::failure::Failure;
use waybill_model::id::{MessageId, name_uuid};
use waybill_model::time::Instant;

/// Orders a page: 250 are possible, but an order can have 100 kB, and a page must fit one answer.
const PAGE: &str = "50";

#[derive(Deserialize)]
struct Page {
    orders: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Head {
    id: Id,
    updated_at: String,
}

/// One page of orders changed since an instant, oldest first.
///
/// # Errors
/// As classed from the answer's body.
pub async fn poll(
    http: &reqwest::Client,
    connection: &Connection,
    secrets: &ConnectionSecrets,
    since: Instant,
    cursor: Option<&str>,
    now: Instant,
) -> Result<PolledPage, Failure> {
    let shop = Shop::new(http, connection, secrets)?;
    let request = shop.request(http::Method::GET, "orders.json");
    let since = since.to_string();
    // A page token carries the filters of its first page; Shopify refuses both together.
    let request = match cursor {
        Some(token) => request.query(&[("limit", PAGE), ("page_info", token)]),
        None => request.query(&[
            ("status", "any"),
            ("updated_at_min", &since),
            ("order", "updated_at asc"),
            ("limit", PAGE),
        ]),
    };
    let answer = shop.send(request, Access::Read).await?;
    let page: Page = answer.json().ok_or(ShopifyError::Unclear {
        status: answer.status,
        access: Access::Read,
    })?;
    Ok(PolledPage {
        cursor: answer.header("link").and_then(next_token),
        deliveries: page
            .orders
            .iter()
            .map(|order| delivery(connection, order.get(), now))
            .collect(),
    })
}

fn delivery(connection: &Connection, order: &str, now: Instant) -> Delivery {
    // Shopify's times have whole seconds: of two changes in one second, the content tells them apart.
    let content = name_uuid(&["order", order]);
    let dedupe_id = match serde_json::from_str::<Head>(order) {
        Ok(head) => {
            // Told once more when its second is over: only then is it the last of that second.
            let is_last = Instant::parse(&head.updated_at).is_ok_and(|at| now.ms_since(at) >= 1000);
            let early = if is_last { "" } else { "early/" };
            format!("poll/{early}{}/{}/{content}", head.id.0, head.updated_at)
        }
        // The mapper will say what is wrong with it; until then it is named by its content alone.
        Err(_) => format!("poll/{content}"),
    };
    Delivery {
        receipt: MessageId::from_uuid(name_uuid(&["poll", connection.id.as_str(), &dedupe_id])),
        connection: connection.id.clone(),
        origin: Origin::Poll,
        topic: Some("orders/updated".to_owned()),
        dedupe_id: Some(dedupe_id),
        // When it was read: see the mapper's version.
        headers: BTreeMap::from([(TRIGGERED_AT.to_owned(), now.to_string())]),
        received_at: now,
        replayed_at: None,
        traceparent: None,
        body: order.as_bytes().to_vec(),
    }
}

/// The `page_info` of `<https://…?limit=50&page_info=TOKEN>; rel="next"`. Only the token is taken:
/// the host that is called is always the connection's.
fn next_token(link: &str) -> Option<String> {
    let next = link.split(',').find(|l| {
        l.split(';')
            .skip(1)
            .any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"))
    })?;
    let url = next.split('<').nth(1)?.split('>').next()?;
    let url = reqwest::Url::parse(url).ok()?;
    url.query_pairs()
        .find(|(name, _)| name == "page_info")
        .map(|(_, token)| token.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_state_that_was_polled_within_its_second_is_told_once_more_after_it() {
        let connection: Connection = serde_json::from_value(json!({
            "id": "shop", "partner": "shopify", "base_url": "https://shop.example.com",
        }))
        .unwrap();
        let order = r#"{"id": 1, "updated_at": "2026-03-02T04:15:31-05:00"}"#;
        let second = Instant::parse("2026-03-02T09:15:31Z").unwrap();
        let polled = |ms| delivery(&connection, order, second.plus_ms(ms));
        let ids = [300, 900, 1_000, 90_000].map(|ms| polled(ms).dedupe_id);
        assert_eq!(ids[0], ids[1]);
        assert_ne!(ids[1], ids[2]);
        assert_eq!(ids[2], ids[3]);
        let headers = polled(300).headers;
        let read_at = Instant::parse(&headers[TRIGGERED_AT]).unwrap();
        assert_eq!(read_at, second.plus_ms(300));
    }

    #[test]
    fn the_next_page_is_found_behind_the_previous_one() {
        let link = "<https://a.example/admin/api/x/orders.json?limit=50&page_info=p1>; rel=\"previous\", \
                    <https://evil.example/o.json?page_info=a%2Bb&limit=50>; rel=\"next\"";
        assert_eq!(next_token(link).as_deref(), Some("a+b"));
        assert_eq!(
            next_token("<https://a.example/?page_info=p1>; rel=\"previous\""),
            None
        );
        assert_eq!(next_token("nonsense"), None);
    }
}

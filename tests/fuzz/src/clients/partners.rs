//! Clients of the partners, each with answers of its own.

use super::{http, judge, judge_failure};
use crate::answers::{Answers, with_server};
use crate::draw::Draw;
use crate::model::commands::{command, commands, level, shipped};
use crate::mutate::MARKER;
use crate::properties::in_time;
use crate::webhooks::connection;
use serde_json::json;
use std::sync::OnceLock;
use waybill_flow::connections::Connection;
use waybill_flow::ports::{Attempt, ConnectionSecrets, Secret};
use waybill_model::command::Command;
use waybill_model::envelope::CommandEnvelope;
use waybill_model::id::MessageId;
use waybill_partners::client::Call;
use waybill_partners::{canonical, easypost, shipbob, shopify, stripe, zendesk};
use waybill_testkit::build;

fn ship_here(warehouse: &str) -> Command {
    let mut envelope = commands()[1].clone();
    envelope["data"]["warehouse"] = json!(warehouse);
    serde_json::from_value::<CommandEnvelope>(envelope)
        .unwrap()
        .body
}

/// One attempt of a command at a partner, or another call.
fn attempt(partner: &str, answers: &Answers, wanted: &[Command], input: &[u8]) {
    let mut draw = Draw::new(input);
    let command = draw.of(wanted).clone();
    let attempt = *draw.of(&[Attempt::First, Attempt::InDoubt]);
    let settings = json!({"livemode": "false", "channel": "shop", "shipbob_channel_id": "433"});
    let mut connection: Connection = connection(partner, &settings);
    connection.webhook_url = Some("https://hooks.example.com/shop".to_owned());
    if let Some(channel) = &mut connection.channel {
        channel.stock_location = Some("1001".to_owned());
    }
    let names = [
        "access_token",
        "secret_key",
        "token",
        "key",
        "api_key",
        "email",
    ];
    let secrets = ConnectionSecrets {
        webhook_secrets: vec![Secret::new("whsec_aHVzaA==")],
        api: names.map(|n| (n.to_owned(), Secret::new("t0ken"))).into(),
    };
    let other = draw.below(3);
    let cursor = draw.once_in(2).then_some("page-2");
    let key = MessageId::new("key-1").unwrap();
    in_time(partner, || {
        with_server(answers, &mut draw, |url| async {
            connection.base_url = url;
            let call = Call {
                http: http(),
                connection: &connection,
                secrets: &secrets,
                correlation: build::correlation("1001"),
                key: &key,
                attempt,
                now: build::start(),
            };
            match (partner, other) {
                ("shopify", 1) => {
                    let since = build::start();
                    let page =
                        shopify::poll(http(), &connection, &secrets, since, cursor, since).await;
                    match page {
                        Ok(page) => assert!(page.deliveries.iter().all(|d| d.dedupe_id.is_some())),
                        Err(failure) => judge_failure(&failure),
                    }
                }
                ("shopify", 2) => {
                    let webhooks = shopify::webhooks(http(), &connection, &secrets).await;
                    let made =
                        shopify::create_webhook(http(), &connection, &secrets, "orders/create")
                            .await;
                    for failure in [webhooks.err(), made.err()].into_iter().flatten() {
                        judge_failure(&failure);
                    }
                }
                ("shopify", _) => judge(shopify::execute(call, &command).await),
                ("stripe", _) => judge(stripe::execute(call, &command).await),
                ("shipbob", _) => judge(shipbob::execute(call, &command).await),
                ("easypost", _) => judge(easypost::execute(call, &command).await),
                ("zendesk", _) => judge(zendesk::execute(call, &command).await),
                (_, _) => judge(canonical::execute(call, &command).await),
            }
        });
    });
}

macro_rules! client {
    ($(#[$doc:meta])* $name:ident, $answers:expr, $commands:expr) => {
        $(#[$doc])*
        pub fn $name(input: &[u8]) {
            static KNOWN: OnceLock<(Answers, Vec<Command>)> = OnceLock::new();
            let (answers, commands) = KNOWN.get_or_init(|| ($answers, $commands));
            attempt(stringify!($name), answers, commands, input);
        }
    };
}

client!(
    /// Shopify's GraphQL and its list of orders.
    shopify,
    Answers {
        headers: &[
            ("link", "<https://x.test/admin/api/2026-07/orders.json?page_info=abc>; rel=\"next\""),
            ("retry-after", "2.0"),
            ("link", "<:::>; rel=next, junk"),
        ],
        known: vec![
            ("orders.json", json!({"orders": [{"id": 1, "updated_at": "2026-03-02T10:00:00Z", "email": MARKER}]})),
            ("webhookSubscriptions", json!({"data": {"webhookSubscriptions": {
                "nodes": [{"topic": "ORDERS_CREATE", "uri": "https://hooks.example.com/shop"}],
                "pageInfo": {"hasNextPage": true, "endCursor": "c"}}}})),
            ("webhookSubscriptionCreate", json!({"data": {"webhookSubscriptionCreate": {
                "webhookSubscription": {"id": "gid://shopify/W/1"}, "userErrors": []}}})),
            ("fulfillmentOrders", json!({"data": {"order": {"fulfillmentOrders": {"nodes": [
                {"id": "gid://shopify/FulfillmentOrder/5", "status": "OPEN",
                 "assignedLocation": {"location": {"id": "gid://shopify/Location/1001"}},
                 "lineItems": {"nodes": [{"id": "gid://shopify/FulfillmentOrderLineItem/50",
                    "remainingQuantity": 2, "sku": "MUG", "lineItem": {"id": "gid://shopify/LineItem/11"}}]}}]}}}})),
            ("fulfillments", json!({"data": {"order": {"cancelledAt": null, "fulfillments": []}}})),
            ("fulfillments", json!({"data": {"order": {"cancelledAt": null, "fulfillments": [
                {"id": "gid://shopify/Fulfillment/77", "status": "SUCCESS", "trackingInfo": [{"number": "1Z1"}],
                 "fulfillmentLineItems": {"nodes": [{"quantity": 1, "lineItem":
                    {"id": "gid://shopify/LineItem/11", "sku": "MUG"}}],
                    "pageInfo": {"hasNextPage": true, "endCursor": "c"}}}]}}})),
            ("fulfillmentCreate", json!({"data": {"fulfillmentCreate": {"fulfillment":
                {"id": "gid://shopify/Fulfillment/78"}, "userErrors": []}}})),
            ("inventory", json!({"data": {"productVariants": {"nodes": [{"sku": "MUG", "inventoryItem":
                {"id": "gid://shopify/InventoryItem/9", "tracked": true}}],
                "pageInfo": {"hasNextPage": false, "endCursor": null}}}})),
            ("inventorySet", json!({"data": {"inventorySetQuantities": {"userErrors": []}}})),
            ("", json!({"errors": [{"message": MARKER, "extensions": {"code": "THROTTLED"}}],
                "extensions": {"cost": {"requestedQueryCost": 352, "throttleStatus":
                    {"maximumAvailable": 1000.0, "currentlyAvailable": 52, "restoreRate": 100.0}}}})),
            ("", json!({"errors": MARKER})),
        ],
    },
    vec![
        command(json!({"type": "waybill.channel_fulfillment.publish", "data": {"channel": "shopify",
            "order_id": "9007199254740995", "notify_customer": true, "shipment": shipped()}})),
        command(json!({"type": "waybill.channel_stock.publish", "data": {"channel": "shopify", "levels": [level()]}})),
    ]
);

client!(
    /// Stripe's refunds.
    stripe,
    Answers {
        headers: &[("idempotent-replayed", "true"), ("stripe-should-retry", "false"), ("retry-after", "x")],
        known: vec![
            ("POST /v1/refunds", json!({"id": "re_1", "object": "refund", "amount": 1000, "currency": "eur",
                "status": "succeeded", "metadata": {"waybill_refund": "880099"}})),
            ("GET /v1/refunds", json!({"object": "list", "has_more": true, "data": [{"id": "re_0", "amount": 5,
                "currency": "eur", "status": "pending", "metadata": {"waybill_refund": "880099"}}]})),
            ("", json!({"error": {"type": "card_error", "code": "charge_already_refunded", "param": "amount",
                "message": MARKER}})),
        ],
    },
    vec![command(json!({"type": "waybill.refund.create", "data": {"gateway": "stripe", "refund_id": "880099",
        "payment_id": "pi_1", "amount": {"amount": "10.00", "currency": "EUR"}}}))]
);

client!(
    /// ShipBob's orders.
    shipbob,
    Answers {
        headers: &[("retry-after", "1"), ("x-remaining-calls", "0"), ("x-retry-after", "7")],
        known: vec![
            ("POST ", json!({"id": 88001, "reference_id": "ref-1", "status": "Processing",
                "shipments": [{"id": 99001, "status": "Processing"}]})),
            ("GET ", json!([{"id": 88001, "reference_id": "ref-1", "status": "Processing",
                "shipments": [{"id": 99001, "status": "Processing"}]}])),
            ("GET ", json!({"items": [], "next": "/2026-01/order?page=2"})),
            ("", json!({"errors": [format!("{MARKER} already exists")]})),
            ("", json!({"message": MARKER, "field": [MARKER]})),
        ],
    },
    vec![
        ship_here("shipbob"),
        command(json!({"type": "waybill.fulfillment_order.cancel", "data": {"warehouse": "shipbob",
            "reference": "ref-1", "id": null}})),
        command(json!({"type": "waybill.fulfillment_order.cancel", "data": {"warehouse": "shipbob",
            "reference": "ref-1", "id": "88001"}})),
    ]
);

client!(
    /// EasyPost's trackers.
    easypost,
    Answers {
        headers: &[("retry-after", "3")],
        known: vec![
            ("POST ", json!({"id": "trk_1", "object": "Tracker", "tracking_code": "94001", "status": "unknown"})),
            ("GET ", json!({"trackers": [{"id": "trk_1", "tracking_code": "94001"}], "has_more": true})),
            ("", json!({"error": {"code": "TRACKER.CREATE.ERROR", "message": MARKER, "errors": [{"field": MARKER}]}})),
        ],
    },
    vec![command(json!({"type": "waybill.tracking.subscribe", "data": {"tracker": "easypost",
        "tracking_number": "94001", "carrier": "usps"}}))]
);

client!(
    /// Zendesk's tickets.
    zendesk,
    Answers {
        headers: &[("x-idempotency-lookup", "hit"), ("retry-after", "9")],
        known: vec![
            ("GET ", json!({"tickets": [{"id": 35, "external_id": "x", "status": "open",
                "updated_at": "2026-03-04T12:00:00Z", "tags": ["waybill", "waybill_rev_3"]}],
                "next_page": "https://x.test/2", "count": 1})),
            ("GET ", json!({"tickets": [], "next_page": null, "count": 0})),
            ("", json!({"ticket": {"id": 35, "external_id": "x", "status": "solved", "tags": null}, "audit": {}})),
            ("", json!({"error": "RecordInvalid", "description": MARKER, "details":
                {"requester": [{"description": MARKER}], "status": [{"description": "Status: closed prevents ticket update"}]}})),
            ("", json!({"error": {"title": MARKER, "message": MARKER}})),
        ],
    },
    vec![command(json!({"type": "waybill.ticket.update", "data": {"helpdesk": "zendesk", "context":
        {"order_number": "#1", "email": "a@example.com", "summary": "s", "axes": {"order": "open"},
         "tracking_numbers": ["1Z1"], "exceptions": ["e"], "needs_attention": true, "revision": 4}}}))]
);

client!(
    /// Canonical partners.
    canonical,
    Answers {
        headers: &[("retry-after", "9")],
        known: vec![
            ("", json!({"references": [{"kind": "fulfillment_order", "id": "FO-1"}]})),
            ("", json!({"code": "unknown_sku", "detail": MARKER, "remedy": "make it"})),
            ("", json!({})),
        ],
    },
    vec![
        ship_here("canonical"),
        command(json!({"type": "waybill.channel_stock.publish", "data": {"channel": "canonical", "levels": [level()]}})),
    ]
);

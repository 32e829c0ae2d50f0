//! Clients of partners, Odoo and DynamoDB, given answers that no server should give.

use crate::answers::{Answers, with_server};
use crate::draw::Draw;
use crate::model::{commands, text};
use crate::mutate::MARKER;
use crate::properties::{in_time, survives_the_wire, tells_no_person};
use crate::webhooks::connection;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use waybill_flow::connections::{Connection, Connections};
use waybill_flow::ports::{
    ArchiveQuery, Attempt, CaseQuery, Clock, ConnectionSecrets, EffectStore as _, Erp as _,
    ErpCommand, InfraError, OrderStore as _, Secret,
};
use waybill_model::command::Command;
use waybill_model::envelope::CommandEnvelope;
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, MessageId, RefKind, Reference, Sku};
use waybill_odoo::{Limits, Odoo};
use waybill_partners::client::Call;
use waybill_partners::{canonical, easypost, shipbob, shopify, stripe, zendesk};
use waybill_store::{DynamoEffects, DynamoOrders, Retention};
use waybill_testkit::{ManualClock, build};

fn http() -> &'static reqwest::Client {
    static HTTP: OnceLock<reqwest::Client> = OnceLock::new();
    HTTP.get_or_init(|| waybill_partners::http::client().unwrap())
}

fn command(body: Value) -> Command {
    serde_json::from_value(body).unwrap()
}

fn shipped() -> Value {
    json!({"warehouse": "shipbob", "id": "S-1", "fulfillment_order": null, "status": "shipped",
        "lines": [{"line_id": "11", "sku": "MUG", "quantity": "1"}],
        "parcels": [{"tracking_number": "1Z1", "carrier": "UPS", "url": null}],
        "shipped_at": null, "version": 1})
}

fn level() -> Value {
    json!({"location": "shipbob", "sku": "MUG", "kind": "available", "quantity": "4",
        "at": "2026-03-03T09:00:00Z"})
}

fn ship_here(warehouse: &str) -> Command {
    let mut envelope = commands()[1].clone();
    envelope["data"]["warehouse"] = json!(warehouse);
    serde_json::from_value::<CommandEnvelope>(envelope)
        .unwrap()
        .body
}

fn judge(outcome: Result<Vec<Reference>, Failure>) {
    match outcome {
        Ok(references) => references.iter().for_each(survives_the_wire),
        Err(failure) => judge_failure(&failure),
    }
}

/// What is rejected becomes a case, whose detail may quote the partner's sentence; all else is logged.
fn judge_failure(failure: &Failure) {
    assert!(!failure.detail().is_empty());
    if failure.class() != "rejected" {
        tells_no_person(failure.detail());
    }
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

struct Key;

impl waybill_flow::ports::Secrets for Key {
    async fn get(&self, _: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        Ok(ConnectionSecrets {
            api: BTreeMap::from([("key".to_owned(), Secret::new("k"))]),
            ..ConnectionSecrets::default()
        })
    }
}

/// Answers of an Odoo in both protocols: `(word, result)`.
fn odoo_answers(json2: bool) -> Answers {
    let read = json!([{"id": 1, "name": "S00001", "state": "draft", "amount_total": 10.0, "client_order_ref": "#1001",
        "currency_id": {"id": 1, "name": "EUR"}, "date_order": "2026-01-31 10:00:00", "create_uid": 6,
        "order_line": [{"id": 1, "display_type": false, "product_uom_qty": 1.0, "price_unit": 10.0, "discount": 0.0,
            "write_uid": 6, "product_id": {"id": 1, "default_code": "MUG", "active": true, "sale_ok": true}}],
        "partner_id": [7, MARKER], "invoice_ids": [], "picking_ids": [3], "res_id": 1, "model": "sale.order",
        "default_code": "MUG", "sale_ok": true, "active": true, "free_qty": 4.0, "qty_available": 5.0}]);
    let results = [
        ("load", json!({"ids": [1, 2], "messages": []})),
        (
            "load",
            json!({"ids": false, "messages": [{"record": 0, "type": "error", "field": "order_line",
            "message": format!("no {MARKER}")}]}),
        ),
        (
            "load",
            json!({"ids": false, "messages": [{"rows": {"from": 0, "to": 0}, "message":
            "could not serialize access due to concurrent update"}]}),
        ),
        ("read", read.clone()),
        ("search", read),
        ("confirm", json!(true)),
        (
            "version",
            json!({"server_version": "17.0", "server_version_info": [17, 0, 0, "final", 0, ""]}),
        ),
        (
            "version",
            json!({"version": "19.0", "version_info": [19, 0, 0, "final", 0, ""]}),
        ),
        ("authenticate", json!(6)),
        ("", json!(false)),
        ("", json!([1])),
        ("", json!(null)),
    ];
    let faults = [
        "odoo.exceptions.UserError",
        "odoo.exceptions.AccessError",
        "odoo.exceptions.MissingError",
        "builtins.ValueError",
        "psycopg2.OperationalError",
        "psycopg2.errors.SerializationFailure",
        MARKER,
    ];
    let mut known: Vec<(&'static str, Value)> = Vec::new();
    for (word, result) in results {
        known.push((
            word,
            if json2 {
                result
            } else {
                json!({"jsonrpc": "2.0", "id": 1, "result": result})
            },
        ));
    }
    for name in faults {
        let data = json!({"name": name, "message": format!("{MARKER} may not"), "debug": MARKER});
        known.push(("", if json2 { data } else {
            json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Odoo Server Error", "data": data}})
        }));
    }
    Answers {
        known,
        headers: &[
            ("set-cookie", "session_id=x"),
            ("date", "Mon, 23 Nov 2026 09:00:00 GMT"),
            ("date", "x"),
        ],
    }
}

fn erp_commands() -> Vec<Command> {
    let order = json!(build::order("1001"));
    let mut shipment = shipped();
    shipment["lines"][0]["sku"] = json!("MUG");
    let of = |kind: &str, data: Value| {
        let mut data = data;
        data["erp"] = json!("odoo");
        command(json!({"type": format!("waybill.{kind}"), "data": data}))
    };
    let eur = json!({"amount": "10.00", "currency": "EUR"});
    vec![
        of(
            "sale_order.create",
            json!({"order": order, "warehouse": null}),
        ),
        of(
            "sale_order.amend",
            json!({"order": order, "warehouse": null}),
        ),
        of("sale_order.cancel", json!({})),
        of(
            "delivery.register",
            json!({"shipment": shipment, "last": true}),
        ),
        of(
            "return.receive",
            json!({"returned": {"id": "R-1", "source": "shipbob", "status": "completed",
            "lines": [{"line_id": "1", "sku": "MUG", "quantity": "1", "disposition": "restock"}], "version": 1}}),
        ),
        of("invoice.create", json!({})),
        of(
            "payment.register",
            json!({"direction": "received", "id": "P-1", "gateway": "stripe", "method": null,
            "amount": eur, "at": "2026-03-02T10:00:00Z"}),
        ),
        of(
            "credit_note.create",
            json!({"refund_id": "R-1", "amount": eur, "lines": [], "shipping": "0"}),
        ),
        of("credit_note.reverse", json!({"refund_id": "R-1"})),
        of("stock.set", json!({"levels": [level()]})),
    ]
}

/// An Odoo that answers anything, by JSON-RPC and by JSON-2.
///
/// # Panics
/// A property does not hold.
pub fn odoo(input: &[u8]) {
    static KNOWN: OnceLock<([Answers; 2], Vec<Command>)> = OnceLock::new();
    let (answers, commands) =
        KNOWN.get_or_init(|| ([odoo_answers(false), odoo_answers(true)], erp_commands()));
    let mut draw = Draw::new(input);
    let json2 = draw.below(2);
    let protocol = ["json_rpc", "json2"][json2];
    let wanted = draw.below(commands.len() + 2);
    let more = draw.once_in(4);
    in_time("odoo", || {
        with_server(&answers[json2], &mut draw, |url| async move {
            let file = format!(
                "version = \"1\"\n[[connections]]\nid = \"odoo\"\npartner = \"odoo\"\nbase_url = \"{url}\"\n\
                 [connections.erp]\ndatabase = \"db\"\nlogin = \"me\"\nprotocol = \"{protocol}\"\n\
                 shipping_sku = \"SHIPPING\"\n"
            );
            let limits = Limits {
                call: Duration::from_secs(1),
                batch: Duration::from_secs(30),
                answer_bytes: 4 * 1024 * 1024,
            };
            let connections = Connections::parse(&file).unwrap();
            let odoo = Odoo::new(connections, Key, http().clone()).with_limits(limits);
            let erp = ConnectionId::new("odoo").unwrap();
            let order = build::correlation("1001");
            let Some(command) = commands.get(wanted) else {
                let failures = [
                    odoo.availability(&erp, &[Sku::new("MUG").unwrap()])
                        .await
                        .err(),
                    odoo.orders(&erp, &[order]).await.err(),
                ];
                failures.iter().flatten().for_each(judge_failure);
                return;
            };
            let mut batch = vec![command.clone()];
            if more {
                batch.push(commands[0].clone());
            }
            let batch: Vec<ErpCommand> = batch
                .into_iter()
                .enumerate()
                .map(|(n, command)| ErpCommand {
                    correlation: order,
                    key: MessageId::new(format!("key-{n}")).unwrap(),
                    command,
                })
                .collect();
            let outcomes = odoo.write_within(&erp, &batch, limits.batch).await;
            assert_eq!(outcomes.len(), batch.len(), "an outcome for each command");
            outcomes.into_iter().for_each(judge);
        });
    });
}

fn rows() -> Answers {
    let case = serde_json::to_string(&crate::world::World::case()).unwrap();
    let entry = serde_json::to_string(&build::timeline_entry("e-1", 0)).unwrap();
    let order = build::correlation("1001");
    let key = |pk: &str, sk: &str| json!({"pk": {"S": pk}, "sk": {"S": sk}});
    let with = |mut item: Value, more: Value| {
        item.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        item
    };
    let body = "KLUv/SQCEQAAe31o7h6F"; // An empty object, compressed.
    let state = with(
        key(&format!("ORDER#{order}"), "STATE"),
        json!({"revision": {"N": "3"}, "format": {"N": "1"},
        "state": {"B": body}, "outbox": {"B": body}, "deadline_ms": {"N": "1"}, "stage_shard": {"S": "0"}}),
    );
    let items = [
        state.clone(),
        with(
            key(&format!("ORDER#{order}"), "EVENT#2026#e-1"),
            json!({"entry": {"S": entry}}),
        ),
        with(
            key(&format!("ORDER#{order}"), "CASE#1"),
            json!({"case": {"S": case}}),
        ),
        with(
            key("RECEIPT#receipt-1", "RAW#1"),
            json!({"receipt": {"S": "receipt-1"}, "part": {"B": body},
            "received_at": {"S": "2026-03-02T10:00:00Z"}, "correlation": {"S": order}}),
        ),
        with(
            key("RECEIPT#receipt-1", "RECEIPT"),
            json!({"raw_pk": {"S": "RECEIPT#receipt-1"}, "raw_prefix": {"S": "RAW#"}}),
        ),
        with(
            key("REF#any#ticket#1", &format!("ORDER#{order}")),
            json!({}),
        ),
        with(
            key("REF#any#ticket#1", "PARKED#e-1"),
            json!({"event": {"B": body}, "since_ms": {"N": "1"}}),
        ),
        with(
            key("EFFECT#key-1", "EFFECT"),
            json!({"status": {"S": "claimed"}, "owner": {"S": "o"},
            "lease_expires_ms": {"N": "1"}, "payload": {"S": MARKER}, "in_doubt": {"BOOL": false},
            "outcome": {"S": "{}"}, "version": {"N": "2"}}),
        ),
        with(
            key("SEEN#d-1", "SEEN"),
            json!({"ttl_epoch_s": {"N": "99999999999"}}),
        ),
        with(
            key("CHECKPOINT#shop", "poll"),
            json!({"value": {"B": body}, "version": {"N": "1"}}),
        ),
    ];
    let mut known: Vec<(&'static str, Value)> = Vec::new();
    for item in &items {
        known.push((".GetItem", json!({"Item": item})));
        known.push((
            ".Query",
            json!({"Items": [item, item], "Count": 2, "ScannedCount": 2}),
        ));
        known.push((".Query", json!({"Items": [item], "Count": 1, "ScannedCount": 1, "LastEvaluatedKey": key("a", "b")})));
        known.push((
            ".BatchGetItem",
            json!({"Responses": {"effects": [item], "orders": [item]}, "UnprocessedKeys": {}}),
        ));
    }
    known.push(("Item", json!({})));
    known.push(("", json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": MARKER, "Item": items[7]})));
    known.push(("", json!({"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "message": MARKER,
        "CancellationReasons": [{"Code": "ConditionalCheckFailed"}]})));
    Answers {
        known,
        headers: &[],
    }
}

/// Rows of the tables, as another version, a person or a fault may have left them.
///
/// # Panics
/// A property does not hold.
pub fn store(input: &[u8]) {
    static ROWS: OnceLock<Answers> = OnceLock::new();
    let mut draw = Draw::new(input);
    let cursor = draw.once_in(3).then(|| text(&mut draw));
    let limit = *draw.of(&[1, 5, 200, usize::MAX]);
    let what = draw.below(8);
    in_time("the store", || {
        with_server(ROWS.get_or_init(rows), &mut draw, |url| async move {
            let config = aws_sdk_dynamodb::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("us-east-1"))
                .credentials_provider(Credentials::new("test", "test", None, None, "test"))
                .retry_config(RetryConfig::disabled())
                .endpoint_url(url)
                .build();
            let client = aws_sdk_dynamodb::Client::from_conf(config);
            let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
            let orders = DynamoOrders::new(
                client.clone(),
                "orders",
                clock.clone(),
                Retention::default(),
            );
            let effects = DynamoEffects::new(client, "effects", clock, Retention::default());
            let (order, now) = (build::correlation("1001"), build::start());
            let id = MessageId::new("key-1").unwrap();
            let failed: Option<InfraError> = match what {
                0 => orders.load(order).await.err(),
                1 => orders.timeline(order).await.err(),
                2 => {
                    let query = CaseQuery {
                        limit,
                        cursor,
                        ..CaseQuery::default()
                    };
                    orders.cases(&query).await.err()
                }
                3 => {
                    let query = ArchiveQuery {
                        from: now,
                        to: now.plus_ms(3_600_000),
                        limit,
                        cursor,
                    };
                    orders.archived_between(&query).await.err()
                }
                4 => orders
                    .receipt(&id)
                    .await
                    .err()
                    .or(orders.archived(order).await.err()),
                5 => {
                    let reference = Reference::anywhere(RefKind::Ticket, build::external("1"));
                    orders
                        .resolve(&reference)
                        .await
                        .err()
                        .or(orders.parked(&reference).await.err())
                }
                6 => effects
                    .claim(&id, "payload", "owner", now, 1000)
                    .await
                    .err(),
                _ => effects.seen(&[id]).await.err(),
            };
            if let Some(error) = failed {
                assert!(!error.to_string().is_empty());
                // What DynamoDB says of a call is its own; of a row that cannot be read we say where it is.
                if let InfraError::Corrupt { detail, .. } = &error {
                    tells_no_person(detail.split(" in `").next().unwrap_or_default());
                }
            }
        });
    });
}

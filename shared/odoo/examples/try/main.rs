//! Runs every command kind twice against a real Odoo and prints what it saw.
//!
//! ```text
//! cargo run -p waybill-odoo --example try -- URL DATABASE LOGIN KEY_FILE json_rpc|json2 [PART…]
//! ```
//! The database needs products `SKU-0001` to `SKU-0010`, `SKU-SCARCE`, `SHIPPING` and `DISCOUNT`,
//! and under the external ids in [`CONNECTIONS`] price lists, taxes, a carrier and a location.
//! It is a tool for people: it stops at the first thing that it cannot go on without.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a tool for a person at a terminal"
)]

mod finance;
mod goods;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant as Clock;
use waybill_flow::connections::Connections;
use waybill_flow::ports::{ConnectionSecrets, Erp, ErpCommand, InfraError, Secret, Secrets};
use waybill_model::command::{
    CancelSaleOrder, Command, CreateCreditNote, CreateSaleOrder, ReceiveReturn, RegisterDelivery,
    ReverseCreditNote, SetStock,
};
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, EffectKey, MessageId, Reference};
use waybill_model::order::Order;
use waybill_odoo::Odoo;

const CONNECTIONS: &str = r#"
version = "try"
[[connections]]
id = "odoo"
partner = "odoo"
base_url = "URL"
[connections.settings]
quarantine_location = "stock.stock_location_suppliers"
[connections.erp]
database = "DATABASE"
login = "LOGIN"
protocol = "PROTOCOL"
external_id_prefix = "waybill"
shipping_sku = "SHIPPING"
tip_sku = "GIFT-CARD"
rounding_sku = "DISCOUNT"
warehouse = "shop.wh"
keep_order_date = true
totals = "TOTALS"
INVOICING
[connections.erp.pricelists]
USD = "shop.pricelist_usd"
EUR = "shop.pricelist_eur"
[[connections.erp.taxes]]
rate = "0.1"
included = false
tax = "shop.tax_10"
[[connections.erp.taxes]]
rate = "0.2"
included = true
tax = "shop.tax_20_incl"
[[connections.erp.taxes]]
rate = "0.07"
included = false
tax = "shop.tax_that_is_not_there"
[[connections.erp.carriers]]
method = "standard"
carrier = "shop.carrier_std"
[[connections]]
id = "three-pl"
partner = "canonical"
base_url = "https://warehouse.example.com"
[connections.warehouse]
default_shipping_method = "Standard"
odoo_location = "shop.loc_stock"
"#;

struct Key(Secret);

impl Secrets for Key {
    async fn get(&self, _: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        Ok(ConnectionSecrets {
            webhook_secrets: Vec::new(),
            api: BTreeMap::from([("key".to_owned(), self.0.clone())]),
        })
    }
}

/// One line: SKU, quantity, current quantity, unit price, discount, tax rate, tax amount.
type L<'a> = (&'a str, i64, i64, &'a str, &'a str, &'a str, &'a str);

struct Trial {
    odoo: Odoo<Key>,
    erp: ConnectionId,
    run: String,
    count: std::cell::Cell<u32>,
    surprises: std::cell::Cell<u32>,
}

impl Trial {
    #[allow(clippy::too_many_arguments)]
    fn order(
        &self,
        name: &str,
        lines: &[L<'_>],
        shipping: Option<(&str, &str, &str)>,
        total: &str,
        included: bool,
    ) -> Order {
        let id = format!("{}-{name}", self.run);
        let address = serde_json::json!({
            "name": "Ada Example", "company": null, "street": "1 Test Road", "street2": null,
            "city": "Springfield", "zip": "62701", "region": "IL", "country": "US",
            "phone": "+1 555 0100"
        });
        let lines: Vec<_> = lines
            .iter()
            .enumerate()
            .map(|(i, (sku, quantity, now, price, discount, rate, tax))| {
                serde_json::json!({
                    "id": format!("L{i}"), "sku": sku, "title": format!("Thing {sku}"),
                    "quantity": quantity.to_string(), "current_quantity": now.to_string(),
                    "unit_price": price, "discount": discount,
                    "taxes": if *rate == "0" { serde_json::json!([]) } else {
                        serde_json::json!([{"title": "Tax", "rate": rate, "amount": tax}]) },
                    "requires_shipping": true, "gift_card": false
                })
            })
            .collect();
        let shipping_lines: Vec<_> = shipping
            .iter()
            .map(|(price, rate, tax)| {
                serde_json::json!({
                    "method": "standard", "title": "Standard", "price": price, "discount": "0",
                    "taxes": [{"title": "Tax", "rate": rate, "amount": tax}]
                })
            })
            .collect();
        let order = serde_json::json!({
            "channel": "shop", "id": id, "number": format!("#{id}"), "version": 1,
            "placed_at": "2026-01-31T10:00:00Z", "test": false, "currency": "USD",
            "taxes_included": included, "payment": "paid", "cancelled": null,
            "customer": {"id": format!("c-{}", self.run), "name": "Ada Example",
                "email": "ada@example.com", "phone": null, "company": null, "tax_id": null},
            "billing": address, "shipping": address, "lines": lines,
            "shipping_lines": shipping_lines, "gift_card_paid": "0", "tip": "0", "rounding": "0",
            "totals": {"subtotal": "0", "shipping": "0", "tax": "0", "total": total},
            "note": null
        });
        serde_json::from_value(order).expect("an order of this tool is valid")
    }

    fn create(&self, order: &Order) -> ErpCommand {
        self.command(
            order,
            Command::CreateSaleOrder(CreateSaleOrder {
                erp: self.erp.clone(),
                order: order.clone(),
                warehouse: None,
            }),
        )
    }

    fn command(&self, order: &Order, command: Command) -> ErpCommand {
        let correlation = order.correlation();
        self.count.set(self.count.get() + 1);
        let effect = EffectKey::new(format!("try/{}", self.count.get())).expect("valid");
        ErpCommand {
            correlation,
            key: MessageId::for_effect(correlation, &effect),
            command,
        }
    }

    fn data<T: serde::de::DeserializeOwned>(&self, mut value: serde_json::Value) -> T {
        value["erp"] = "odoo".into();
        serde_json::from_value(value).expect("a command of this tool is valid")
    }

    /// Runs a batch twice; the second must give the same.
    async fn twice(
        &self,
        title: &str,
        batch: &[ErpCommand],
        expected: &[&str],
    ) -> Vec<Result<Vec<Reference>, Failure>> {
        println!("\n== {title}");
        let mut first = None;
        for round in ["first", "again"] {
            let start = Clock::now();
            let outcomes = self.odoo.write(&self.erp, batch).await;
            println!("  {round}: {} ms", start.elapsed().as_millis());
            for (index, (outcome, expected)) in outcomes.iter().zip(expected).enumerate() {
                let (got, text) = show(outcome);
                let flag = if got == *expected { "ok" } else { "SURPRISE" };
                if got != *expected {
                    self.surprises.set(self.surprises.get() + 1);
                }
                println!("    [{flag}] {index}: {text}");
            }
            match &first {
                None => first = Some(outcomes),
                Some(before) if *before == outcomes => println!("    [ok] same as first"),
                Some(_) => {
                    self.surprises.set(self.surprises.get() + 1);
                    println!("    [SURPRISE] differs from first");
                }
            }
        }
        first.unwrap_or_default()
    }
}

fn show(outcome: &Result<Vec<Reference>, Failure>) -> (String, String) {
    match outcome {
        Ok(references) => {
            let ids: Vec<String> = references
                .iter()
                .map(|r| format!("{}:{}", r.kind.as_str(), r.id))
                .collect();
            ("done".to_owned(), format!("done {}", ids.join(" ")))
        }
        Err(failure) => {
            let remedy = match failure {
                Failure::Rejected { remedy, .. } => format!("\n        -> {remedy}"),
                Failure::Transient { .. }
                | Failure::Indeterminate { .. }
                | Failure::Poison { .. } => String::new(),
            };
            (failure.code().to_string(), format!("{failure}{remedy}"))
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.len() < 6 {
        println!("usage: try URL DATABASE LOGIN KEY_FILE json_rpc|json2 [PART…]");
        return;
    }
    let key = std::fs::read_to_string(&args[4]).expect("the key file is readable");
    let totals = if args.iter().any(|a| a == "refuse") {
        "refuse"
    } else {
        "adjust"
    };
    let (proxy, url) = start_proxy(&args[1]).await;
    let text = CONNECTIONS
        .replace("URL", &url)
        .replace("DATABASE", &args[2])
        .replace("LOGIN", &args[3])
        .replace("PROTOCOL", &args[5])
        .replace("TOTALS", totals)
        .replace("INVOICING", &invoicing(&args));
    let connections = Connections::parse(&text).expect("the connections of this tool are valid");
    let run = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
        .to_string();
    let trial = Trial {
        odoo: Odoo::new(
            connections,
            Key(Secret::new(key.trim())),
            reqwest::Client::new(),
        ),
        erp: ConnectionId::new("odoo").expect("valid"),
        run,
        count: 0.into(),
        surprises: 0.into(),
    };
    let all = args.len() == 6;
    let part = |name: &str| all || args.iter().skip(6).any(|a| a == name);
    if part("orders") {
        orders(&trial).await;
    }
    if part("bulk") {
        bulk(&trial).await;
    }
    if part("deliveries") {
        deliveries(&trial).await;
    }
    if part("cancel") {
        cancel(&trial).await;
    }
    if part("returns") {
        returns(&trial).await;
    }
    if part("credit") {
        credit(&trial).await;
    }
    if part("amend") {
        amend(&trial).await;
    }
    if args.iter().any(|a| a == "lots") {
        goods::lots(&trial).await;
    }
    if args.iter().any(|a| a == "payments") {
        finance::payments(&trial).await;
    }
    if args.iter().any(|a| a == "policies") {
        finance::policies(&trial).await;
    }
    if part("stock") {
        stock(&trial).await;
    }
    if args.iter().any(|a| a == "cut" || a.starts_with("cut:")) {
        // `cut` alone is every kind; words of the form `cut:KIND` are these.
        let kinds: Vec<&str> = args.iter().filter_map(|a| a.strip_prefix("cut:")).collect();
        cut(&trial, &proxy, &kinds).await;
    }
    println!("\n{} surprise(s)", trial.surprises.get());
    if trial.surprises.get() > 0 {
        std::process::exit(1);
    }
}

/// The words `paid` and `delivered` switch invoices and payments on.
fn invoicing(args: &[String]) -> String {
    let words = args.iter().map(String::as_str);
    let policy = words.clone().find(|w| matches!(*w, "paid" | "delivered"));
    policy.map_or_else(String::new, |policy| {
        format!(
            "invoicing = \"{policy}\"\npayment_journals = {{ default = \"shop.journal_bank\", gone = \"shop.journal_gone\", sales = \"shop.journal_sale\" }}"
        )
    })
}

/// Loses the answer of the first, the second, … call of every command kind, and runs it again.
async fn cut(t: &Trial, proxy: &Proxy, kinds: &[&str]) {
    for kind in [
        "create",
        "deliver",
        "cancel",
        "return",
        "credit",
        "credit-part",
        "undo",
        "amend",
        "stock",
        "invoice",
        "pay",
        "pay-back",
        "undo-paid",
        "deliver-lots",
        "return-lots",
        "drop-rest",
    ] {
        if !kinds.is_empty() && !kinds.contains(&kind) {
            continue;
        }
        println!("\n== answers lost: {kind}");
        for call in 1..=40 {
            proxy.cut_at.store(0, Ordering::SeqCst);
            let name = format!("{kind}-{call}");
            let Some(command) = prepare(t, kind, &name).await else {
                println!("    [SURPRISE] {name} could not be prepared");
                t.surprises.set(t.surprises.get() + 1);
                break;
            };
            let batch = [command];
            proxy.count.store(0, Ordering::SeqCst);
            proxy.cut_at.store(call, Ordering::SeqCst);
            let first = t.odoo.write(&t.erp, &batch).await;
            let happened = proxy.count.load(Ordering::SeqCst) >= call;
            proxy.cut_at.store(0, Ordering::SeqCst);
            let again = t.odoo.write(&t.erp, &batch).await;
            let third = t.odoo.write(&t.erp, &batch).await;
            let good = matches!(again.first(), Some(Ok(_))) && again == third;
            if !good {
                t.surprises.set(t.surprises.get() + 1);
            }
            let shown: Vec<String> = [&first, &again, &third]
                .iter()
                .flat_map(|o| o.iter().map(|o| show(o).1))
                .collect();
            let flag = if good { "ok" } else { "SURPRISE" };
            println!("    [{flag}] call {call}: {}", shown.join(" | "));
            if !happened {
                break;
            }
        }
    }
}

/// Makes what a command of this kind needs, and the command.
async fn prepare(t: &Trial, kind: &str, name: &str) -> Option<ErpCommand> {
    let order = t.order(
        name,
        &[
            ("SKU-0001", 2, 2, "10.00", "0", "0.1", "2.00"),
            ("SKU-0002", 3, 3, "9.99", "1.00", "0.1", "2.90"),
        ],
        Some(("7.50", "0.1", "0.75")),
        "62.12",
        false,
    );
    if kind == "create" {
        return Some(t.create(&order));
    }
    let done = |outcomes: Vec<Result<Vec<Reference>, Failure>>| {
        outcomes.iter().all(Result::is_ok).then_some(())
    };
    if kind != "stock" {
        done(t.odoo.write(&t.erp, &[t.create(&order)]).await)?;
    }
    let erp = t.erp.clone();
    let deliver = Command::RegisterDelivery(t.data(serde_json::json!({ "shipment": {
        "warehouse": "three-pl", "id": format!("S-{name}"), "fulfillment_order": null,
        "status": "shipped", "shipped_at": null, "version": 1,
        "lines": [{"line_id": null, "sku": "SKU-0001", "quantity": "2"},
            {"line_id": null, "sku": "SKU-0002", "quantity": "2"}],
        "parcels": [{"tracking_number": "T", "carrier": null, "url": null}]
    }})));
    let credit = |amount: &str, lines: serde_json::Value| {
        Command::CreateCreditNote(t.data(serde_json::json!({
            "refund_id": format!("F-{name}"), "amount": {"amount": amount, "currency": "USD"},
            "lines": lines, "shipping": "0"
        })))
    };
    let one = serde_json::json!([{"line_id": "L1", "sku": "SKU-0002", "quantity": "1",
        "amount": "10.62", "restock": false}]);
    let command = match kind {
        "deliver" => deliver,
        "cancel" => Command::CancelSaleOrder(CancelSaleOrder { erp }),
        "return" => {
            done(t.odoo.write(&t.erp, &[t.command(&order, deliver)]).await)?;
            Command::ReceiveReturn(t.data(serde_json::json!({ "returned": {
                "id": format!("R-{name}"), "source": "three-pl", "status": "completed",
                "version": 1, "lines": [
                    {"line_id": null, "sku": "SKU-0001", "quantity": "1", "disposition": "restock"},
                    {"line_id": null, "sku": "SKU-0002", "quantity": "1", "disposition": "quarantine"}]
            }})))
        }
        "credit" => credit("62.12", serde_json::json!([])),
        "credit-part" => credit("10.62", one),
        "undo" => {
            let whole = t.command(&order, credit("10.62", one));
            done(t.odoo.write(&t.erp, &[whole]).await)?;
            Command::ReverseCreditNote(
                t.data(serde_json::json!({"refund_id": format!("F-{name}")})),
            )
        }
        "invoice" => {
            let paid = finance::pay(t, &order, "pi", "62.12", "received");
            done(t.odoo.write(&t.erp, &[paid]).await)?;
            return Some(finance::invoice(t, &order));
        }
        "pay" => {
            done(t.odoo.write(&t.erp, &[finance::invoice(t, &order)]).await)?;
            return Some(finance::pay(t, &order, "pi", "62.12", "received"));
        }
        "pay-back" | "undo-paid" => {
            let steps = [
                finance::invoice(t, &order),
                finance::pay(t, &order, "pi", "62.12", "received"),
                t.command(&order, credit("10.62", one)),
            ];
            for step in steps {
                done(t.odoo.write(&t.erp, &[step]).await)?;
            }
            let back = finance::pay(t, &order, &format!("F-{name}"), "10.62", "paid_back");
            if kind == "pay-back" {
                return Some(back);
            }
            done(t.odoo.write(&t.erp, &[back]).await)?;
            Command::ReverseCreditNote(
                t.data(serde_json::json!({"refund_id": format!("F-{name}")})),
            )
        }
        "deliver-lots" | "return-lots" | "drop-rest" => {
            let order = goods::order(t, &format!("{name}-lots"));
            done(t.odoo.write(&t.erp, &[t.create(&order)]).await)?;
            let goods = [
                ("LOT-1", "3", &[("A", "1"), ("B", "2")][..]),
                ("SKU-0003", "1", &[]),
            ];
            let ship = |last| goods::ship(t, &order, "S1", last, &goods);
            if kind == "deliver-lots" {
                return Some(ship(false));
            }
            done(t.odoo.write(&t.erp, &[ship(false)]).await)?;
            if kind == "drop-rest" {
                return Some(ship(true));
            }
            let back = [("LOT-1", "2", &[("B", "2")][..])];
            return Some(goods::receive(t, &order, "R1", "restock", &back));
        }
        "amend" => {
            let mut order = order.clone();
            order.lines[0].current_quantity = "1".to_owned().try_into().expect("valid");
            let mut extra = order.lines[0].clone();
            extra.id = "L9".parse().expect("valid");
            extra.sku = Some("SKU-0005".parse().expect("valid"));
            order.lines.push(extra);
            if let Some(shipping) = &mut order.shipping {
                shipping.street = Some(format!("{name} Road"));
            }
            Command::AmendSaleOrder(CreateSaleOrder {
                erp,
                order,
                warehouse: None,
            })
        }
        "stock" => Command::SetStock(t.data(serde_json::json!({ "levels": [
            {"location": "three-pl", "sku": "SKU-0011", "kind": "on_hand", "quantity": "41",
                "at": "2026-01-31T10:00:00Z"}]
        }))),
        other => panic!("no kind `{other}`"),
    };
    Some(t.command(&order, command))
}

/// Passes calls on, and loses the answer of one.
struct Proxy {
    target: String,
    count: AtomicU32,
    cut_at: AtomicU32,
    http: reqwest::Client,
}

async fn pass(
    State(proxy): State<Arc<Proxy>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    let mut request = proxy.http.post(format!("{}{uri}", proxy.target)).body(body);
    for name in ["authorization", "x-odoo-database", "content-type"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.expect("odoo answers");
    let status = answer.status();
    let bytes = answer.bytes().await.expect("odoo answers");
    if proxy.count.fetch_add(1, Ordering::SeqCst) + 1 == proxy.cut_at.load(Ordering::SeqCst) {
        let cut = std::io::Error::other("cut");
        let stream = futures::stream::iter([Err::<bytes::Bytes, _>(cut)]);
        return Response::new(Body::from_stream(stream));
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response
}

async fn start_proxy(target: &str) -> (Arc<Proxy>, String) {
    let proxy = Arc::new(Proxy {
        target: target.to_owned(),
        count: AtomicU32::new(0),
        cut_at: AtomicU32::new(0),
        http: reqwest::Client::new(),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let app = Router::new().fallback(pass).with_state(proxy.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (proxy, url)
}

async fn orders(t: &Trial) {
    let good = t.order(
        "good",
        &[
            ("SKU-0001", 2, 2, "10.00", "0", "0.1", "2.00"),
            ("SKU-0002", 3, 3, "9.99", "1.00", "0.1", "2.90"),
        ],
        Some(("7.50", "0.1", "0.75")),
        "62.12",
        false,
    );
    let mut included = t.order(
        "included",
        &[("SKU-0003", 7, 7, "3.35", "2.34", "0.2", "3.52")],
        None,
        "22.11",
        true,
    );
    included.note = Some("Leave it at the door".to_owned());
    included.tip = "1.00".parse().expect("valid");
    let bad_sku = t.order(
        "sku",
        &[("SKU-NOPE", 1, 1, "1", "0", "0", "0")],
        None,
        "1",
        false,
    );
    let bad_tax = t.order(
        "tax",
        &[("SKU-0001", 1, 1, "1", "0", "0.33", "0.33")],
        None,
        "1.33",
        false,
    );
    let gone_tax = t.order(
        "gone",
        &[("SKU-0001", 1, 1, "1", "0", "0.07", "0.07")],
        None,
        "1.07",
        false,
    );
    let total = t.order(
        "total",
        &[("SKU-0001", 1, 1, "10", "0", "0.1", "1")],
        None,
        "12",
        false,
    );
    let cent = t.order(
        "cent",
        &[("SKU-0001", 1, 1, "10", "0", "0.1", "1")],
        None,
        "11.01",
        false,
    );
    let mut guest = t.order(
        "guest",
        &[("SKU-0001", 1, 1, "10", "0", "0", "0")],
        None,
        "10",
        false,
    );
    guest.customer = None;
    guest.shipping = None;
    let mut euro = t.order(
        "euro",
        &[("SKU-0001", 1, 1, "10", "0", "0", "0")],
        None,
        "10",
        false,
    );
    euro.currency = waybill_model::money::Currency::new("EUR").expect("valid");
    let batch: Vec<ErpCommand> = [
        &good, &included, &bad_sku, &bad_tax, &gone_tax, &total, &cent, &guest, &euro,
    ]
    .into_iter()
    .map(|o| t.create(o))
    .collect();
    t.twice(
        "nine orders, four of them bad",
        &batch,
        &[
            "done",
            "done",
            "unknown_sku",
            "unknown_tax",
            "unknown_tax",
            "total_mismatch",
            "done",
            "done",
            "done",
        ],
    )
    .await;
    let ids: Vec<_> = batch.iter().map(|c| c.correlation).collect();
    for order in t.odoo.orders(&t.erp, &ids).await.expect("orders are read") {
        println!(
            "    {} {} confirmed {} cancelled {} total {}",
            order.correlation, order.name, order.confirmed, order.cancelled, order.total
        );
    }
}

async fn bulk(t: &Trial) {
    let batch: Vec<ErpCommand> = (0..50)
        .map(|i| {
            let order = t.order(
                &format!("bulk{i}"),
                &[
                    ("SKU-0001", 2, 2, "10.00", "0", "0.1", "2.00"),
                    ("SKU-0002", 1, 1, "9.99", "0", "0.1", "1.00"),
                    ("SKU-0003", 1, 1, "5.00", "0", "0.1", "0.50"),
                ],
                None,
                "38.49",
                false,
            );
            t.create(&order)
        })
        .collect();
    t.twice("fifty orders", &batch, &["done"; 50]).await;
}

async fn deliveries(t: &Trial) {
    let order = t.order(
        "ship",
        &[
            ("SKU-0001", 2, 2, "10", "0", "0", "0"),
            ("SKU-0002", 3, 3, "10", "0", "0", "0"),
        ],
        None,
        "50",
        false,
    );
    t.twice("an order to ship", &[t.create(&order)], &["done"])
        .await;
    let ship = |id: &str, lines: &[(&str, &str)]| {
        let lines: Vec<_> = lines
            .iter()
            .map(|(sku, q)| serde_json::json!({"line_id": null, "sku": sku, "quantity": q}))
            .collect();
        let shipment = serde_json::json!({
            "warehouse": "three-pl", "id": id, "fulfillment_order": null, "status": "shipped",
            "lines": lines, "shipped_at": null, "version": 1,
            "parcels": [{"tracking_number": format!("TRK-{id}"), "carrier": "ups",
                "url": null}]
        });
        t.command(
            &order,
            Command::RegisterDelivery(
                t.data::<RegisterDelivery>(serde_json::json!({ "shipment": shipment })),
            ),
        )
    };
    t.twice(
        "too much",
        &[ship("S0", &[("SKU-0001", "5")])],
        &["over_shipment"],
    )
    .await;
    t.twice(
        "wrong product",
        &[ship("S0", &[("SKU-0009", "1")])],
        &["sku_not_on_delivery"],
    )
    .await;
    t.twice(
        "unknown product",
        &[ship("S0", &[("SKU-NOPE", "1")])],
        &["unknown_sku"],
    )
    .await;
    t.twice(
        "two shipments in one batch",
        &[
            ship("S1", &[("SKU-0001", "2"), ("SKU-0002", "1")]),
            ship("S2", &[("SKU-0002", "1")]),
        ],
        &["done", "done"],
    )
    .await;
    t.twice("the rest", &[ship("S3", &[("SKU-0002", "1")])], &["done"])
        .await;
    t.twice(
        "one too many",
        &[ship("S4", &[("SKU-0002", "1")])],
        &["no_open_delivery"],
    )
    .await;
    t.twice(
        "the first again",
        &[ship("S1", &[("SKU-0001", "2")])],
        &["done"],
    )
    .await;
    t.twice(
        "cancel after shipping",
        &[t.command(
            &order,
            Command::CancelSaleOrder(CancelSaleOrder { erp: t.erp.clone() }),
        )],
        &["already_shipped"],
    )
    .await;
}

async fn cancel(t: &Trial) {
    let order = t.order(
        "cancel",
        &[("SKU-0001", 1, 1, "10", "0", "0", "0")],
        None,
        "10",
        false,
    );
    let draft = t.order(
        "draft",
        &[("SKU-0001", 1, 1, "10", "0", "0", "0")],
        None,
        "99",
        false,
    );
    let never = t.order(
        "never",
        &[("SKU-0001", 1, 1, "10", "0", "0", "0")],
        None,
        "10",
        false,
    );
    t.twice(
        "an order and a quotation to cancel",
        &[t.create(&order), t.create(&draft)],
        &["done", "total_mismatch"],
    )
    .await;
    let cancel = |o: &Order| {
        t.command(
            o,
            Command::CancelSaleOrder(CancelSaleOrder { erp: t.erp.clone() }),
        )
    };
    t.twice(
        "cancel confirmed, quotation, absent",
        &[cancel(&order), cancel(&draft), cancel(&never)],
        &["done", "done", "done"],
    )
    .await;
    t.twice(
        "create after cancel",
        &[t.create(&order)],
        &["cancelled_in_erp"],
    )
    .await;
}

async fn returns(t: &Trial) {
    let order = shipped(t, "back").await;
    let receive = |id: &str, lines: &[(&str, &str, &str)]| {
        let lines: Vec<_> = lines
            .iter()
            .map(|(sku, quantity, disposition)| {
                serde_json::json!({"line_id": null, "sku": sku, "quantity": quantity,
                    "disposition": disposition})
            })
            .collect();
        let returned = serde_json::json!({
            "id": id, "source": "three-pl", "status": "completed", "lines": lines, "version": 1
        });
        t.command(
            &order,
            Command::ReceiveReturn(
                t.data::<ReceiveReturn>(serde_json::json!({ "returned": returned })),
            ),
        )
    };
    t.twice(
        "one back to stock, one to quarantine",
        &[receive(
            "R1",
            &[
                ("SKU-0001", "1", "restock"),
                ("SKU-0002", "1", "quarantine"),
            ],
        )],
        &["done"],
    )
    .await;
    t.twice(
        "scrap has no place",
        &[receive("R2", &[("SKU-0002", "1", "scrap")])],
        &["missing_return_location"],
    )
    .await;
    t.twice(
        "the rest",
        &[receive("R3", &[("SKU-0002", "2", "restock")])],
        &["done"],
    )
    .await;
    t.twice(
        "too much",
        &[receive("R4", &[("SKU-0002", "1", "restock")])],
        &["return_exceeds_delivery"],
    )
    .await;
}

/// An order of 2 SKU-0001 at 10 and 3 SKU-0002 at 9.99 with 1.00 off, and shipping, all shipped.
async fn shipped(t: &Trial, name: &str) -> Order {
    let order = t.order(
        name,
        &[
            ("SKU-0001", 2, 2, "10.00", "0", "0.1", "2.00"),
            ("SKU-0002", 3, 3, "9.99", "1.00", "0.1", "2.90"),
        ],
        Some(("7.50", "0.1", "0.75")),
        "62.12",
        false,
    );
    t.twice("an order", &[t.create(&order)], &["done"]).await;
    for (tracking, title) in [
        (None, "shipped without tracking"),
        (Some("TRK-9"), "tracking later"),
    ] {
        let shipment = serde_json::json!({
            "warehouse": "three-pl", "id": format!("S-{name}"), "fulfillment_order": null,
            "status": "shipped", "shipped_at": null, "version": 1,
            "lines": [{"line_id": null, "sku": "SKU-0001", "quantity": "2"},
                {"line_id": null, "sku": "SKU-0002", "quantity": "3"}],
            "parcels": [{"tracking_number": tracking, "carrier": "ups", "url": null}]
        });
        let command = Command::RegisterDelivery(
            t.data::<RegisterDelivery>(serde_json::json!({ "shipment": shipment })),
        );
        t.twice(title, &[t.command(&order, command)], &["done"])
            .await;
    }
    order
}

async fn credit(t: &Trial) {
    let order = shipped(t, "money").await;
    let credit = |id: &str, amount: &str, lines: &[(&str, &str, &str)], shipping: &str| {
        let lines: Vec<_> = lines
            .iter()
            .map(|(sku, quantity, amount)| {
                serde_json::json!({"line_id": "L0", "sku": sku, "quantity": quantity,
                    "amount": amount, "restock": false})
            })
            .collect();
        t.command(
            &order,
            Command::CreateCreditNote(t.data::<CreateCreditNote>(serde_json::json!({
                "refund_id": id, "amount": {"amount": amount, "currency": "USD"},
                "lines": lines, "shipping": shipping
            }))),
        )
    };
    let undo = |id: &str| {
        t.command(
            &order,
            Command::ReverseCreditNote(
                t.data::<ReverseCreditNote>(serde_json::json!({ "refund_id": id })),
            ),
        )
    };
    t.twice(
        "one article",
        &[credit("F1", "11.00", &[("SKU-0001", "1", "11.00")], "0")],
        &["done"],
    )
    .await;
    t.twice(
        "one of a discounted line",
        &[credit("F2", "10.62", &[("SKU-0002", "1", "10.62")], "0")],
        &["done"],
    )
    .await;
    t.twice(
        "shipping and goodwill",
        &[credit("F3", "10.00", &[], "8.25")],
        &["done"],
    )
    .await;
    t.twice("money only", &[credit("F4", "3.33", &[], "0")], &["done"])
        .await;
    t.twice(
        "an article less a fee",
        &[credit("F5", "9.00", &[("SKU-0001", "1", "11.00")], "0")],
        &["done"],
    )
    .await;
    t.twice("a refund that failed", &[undo("F5")], &["done"])
        .await;
    t.twice(
        "more than is left",
        &[credit("F6", "50.00", &[], "0")],
        &["refund_above_invoice"],
    )
    .await;
    t.twice(
        "what is left, after the undo",
        &[credit("F7", "27.17", &[], "0")],
        &["done"],
    )
    .await;
    t.twice("never credited", &[undo("F99")], &["done"]).await;
    let whole = shipped(t, "whole").await;
    let command = Command::CreateCreditNote(t.data::<CreateCreditNote>(serde_json::json!({
        "refund_id": "F8", "amount": {"amount": "62.12", "currency": "USD"},
        "lines": [], "shipping": "0"
    })));
    t.twice("the whole order", &[t.command(&whole, command)], &["done"])
        .await;
}

async fn amend(t: &Trial) {
    let mut order = t.order(
        "amend",
        &[
            ("SKU-0001", 2, 2, "10.00", "0", "0.1", "2.00"),
            ("SKU-0002", 3, 3, "9.99", "0", "0.1", "3.00"),
        ],
        None,
        "54.97",
        false,
    );
    t.twice("an order to amend", &[t.create(&order)], &["done"])
        .await;
    let amend = |order: &Order| {
        t.command(
            order,
            Command::AmendSaleOrder(CreateSaleOrder {
                erp: t.erp.clone(),
                order: order.clone(),
                warehouse: None,
            }),
        )
    };
    t.twice("nothing changed", &[amend(&order)], &["done"])
        .await;
    order.payment = waybill_model::order::OrderPayment::Authorized;
    order.lines[0].current_quantity = "1".to_owned().try_into().expect("valid");
    let mut extra = order.lines[1].clone();
    extra.id = "L9".parse().expect("valid");
    extra.sku = Some("SKU-0005".parse().expect("valid"));
    order.lines.push(extra);
    if let Some(shipping) = &mut order.shipping {
        shipping.street = Some("2 Other Road".to_owned());
    }
    t.twice("one less, one new, elsewhere", &[amend(&order)], &["done"])
        .await;
    order.payment = waybill_model::order::OrderPayment::Paid;
    order.lines[1].current_quantity = "1".to_owned().try_into().expect("valid");
    t.twice(
        "two less, paid: invoiced first",
        &[amend(&order)],
        &["done"],
    )
    .await;
    let edited = t.order(
        "edited",
        &[("SKU-0001", 2, 1, "10.00", "0", "0.1", "2.00")],
        None,
        "22.00",
        false,
    );
    t.twice(
        "edited before it was written",
        &[t.create(&edited)],
        &["done"],
    )
    .await;
    let mut shipped = shipped(t, "late").await;
    shipped.lines[0].current_quantity = "1".to_owned().try_into().expect("valid");
    t.twice(
        "too late to amend",
        &[amend(&shipped)],
        &["already_shipped"],
    )
    .await;
}

async fn stock(t: &Trial) {
    let anyone = t.order("stock", &[], None, "0", false);
    let set = |levels: &[(&str, &str, &str)]| {
        let levels: Vec<_> = levels
            .iter()
            .map(|(sku, quantity, kind)| {
                serde_json::json!({"location": "three-pl", "sku": sku, "kind": kind,
                    "quantity": quantity, "at": "2026-01-31T10:00:00Z"})
            })
            .collect();
        t.command(
            &anyone,
            Command::SetStock(t.data::<SetStock>(serde_json::json!({ "levels": levels }))),
        )
    };
    t.twice(
        "three counts",
        &[set(&[
            ("SKU-0007", "123", "on_hand"),
            ("SKU-0008", "0", "on_hand"),
            ("SKU-0009", "7", "on_hand"),
        ])],
        &["done"],
    )
    .await;
    t.twice(
        "one unknown, one known",
        &[set(&[
            ("SKU-NOPE", "1", "on_hand"),
            ("SKU-0008", "55", "on_hand"),
        ])],
        &["unknown_sku"],
    )
    .await;
    t.twice(
        "a service",
        &[set(&[
            ("SHIPPING", "1", "on_hand"),
            ("SKU-0009", "8", "on_hand"),
        ])],
        &["erp_refused"],
    )
    .await;
    t.twice(
        "no count",
        &[set(&[("SKU-0007", "1", "available")])],
        &["available_is_no_count"],
    )
    .await;
    let skus: Vec<_> = ["SKU-0007", "SKU-0008", "SKU-0009", "SHIPPING", "SKU-NOPE"]
        .iter()
        .map(|s| s.parse().expect("valid"))
        .collect();
    for line in t
        .odoo
        .availability(&t.erp, &skus)
        .await
        .expect("availability is read")
    {
        println!("    {} {:?}", line.sku, line.available);
    }
    let start = Clock::now();
    let all = t
        .odoo
        .availability(&t.erp, &[])
        .await
        .expect("availability is read");
    println!(
        "    all: {} products in {} ms",
        all.len(),
        start.elapsed().as_millis()
    );
}

//! A whole day, against a stand-in that does the least that an integration must do.

mod canonical;

use crate::harness::{Hook, Rig, rig};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use waybill_simulators::day::{DayOptions, expectations, run_day};
use waybill_simulators::webhooks::WebhookFaults;
use waybill_simulators::{Options, world::lock};

/// Releases paid orders, calls off cancelled ones, tells the shop of shipments, pays refunds.
struct StandIn {
    rig: Arc<Rig>,
    seen: BTreeSet<String>,
    released: BTreeMap<String, i64>,
    cancelled: BTreeSet<String>,
    placed: BTreeSet<String>,
    told: BTreeSet<String>,
    payments: BTreeMap<String, String>,
    due: Vec<(String, String, i64)>,
}

impl StandIn {
    async fn run(mut self) {
        let mut from = 0;
        loop {
            let hooks = self.rig.hooks_from(from);
            from += hooks.len();
            for hook in hooks {
                let id = hook.header("x-shopify-event-id").to_owned();
                let id = if id.is_empty() {
                    hook.header("webhook-id").to_owned()
                } else {
                    id
                };
                if id.is_empty() || self.seen.insert(id) {
                    self.take(&hook).await;
                }
            }
            let due = std::mem::take(&mut self.due);
            for (order, refund, amount) in due {
                match self.payments.get(&order) {
                    Some(payment) => self.pay_back(payment, &refund, amount).await,
                    None => self.due.push((order, refund, amount)),
                }
            }
            self.poll().await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    async fn take(&mut self, hook: &Hook) {
        let body = &hook.body;
        match hook.connection.as_str() {
            "shopify-main" => match hook.header("x-shopify-topic") {
                "orders/create" | "orders/paid" | "orders/updated" | "orders/cancelled" => {
                    self.order(body).await;
                }
                "refunds/create" => self.refund(body),
                _ => {}
            },
            "stripe-main" if body["type"] == "payment_intent.succeeded" => {
                let object = &body["data"]["object"];
                let text = |v: &Value| v.as_str().unwrap().to_owned();
                self.payments
                    .insert(text(&object["metadata"]["order_id"]), text(&object["id"]));
            }
            "shipbob-main" if hook.header("x-webhook-topic") == "order.shipped" => {
                self.shipped(body).await;
            }
            "marketplace-main" if body["type"] == "waybill.order.observed" => {
                self.market_order(body).await;
            }
            "canonical-main" if body["type"] == "waybill.shipment.observed" => {
                self.shipped_abroad(&body["data"]).await;
            }
            _ => {}
        }
    }

    async fn poll(&mut self) {
        let url = format!(
            "{}/shopify/admin/api/2026-01/orders.json?status=any&limit=250",
            self.rig.base
        );
        let call = self
            .rig
            .http
            .get(url)
            .header("X-Shopify-Access-Token", "shpat_1");
        let body: Value = call.send().await.unwrap().json().await.unwrap();
        for order in body["orders"].as_array().unwrap() {
            self.order(order).await;
        }
    }

    async fn order(&mut self, order: &Value) {
        let id = order["id"].to_string();
        if !order["cancelled_at"].is_null() {
            self.call_off(&id).await;
            return;
        }
        let lines = order["line_items"].as_array().unwrap();
        let odd = lines.iter().any(|l| l["variant_id"].is_null())
            || order["test"] == true
            || order["total_price"] != total(order);
        let paid = order["financial_status"] == "paid";
        if odd || !paid || self.cancelled.contains(&id) || !self.placed.insert(id.clone()) {
            return;
        }
        let lines: Vec<(String, i64)> = lines
            .iter()
            .map(|l| {
                (
                    l["sku"].as_str().unwrap().to_owned(),
                    l["quantity"].as_i64().unwrap(),
                )
            })
            .collect();
        let number = order["name"].as_str().unwrap();
        if order["shipping_address"]["country_code"] == "CA" {
            self.release_abroad(&id, number, &lines).await;
        } else {
            self.release(&id, number, &lines).await;
        }
    }

    async fn call_off(&mut self, id: &str) {
        self.cancelled.insert(id.to_owned());
        if let Some(at) = self.released.get(id) {
            self.shipbob(&format!("/order/{at}/cancel"), &json!({}))
                .await;
        }
        self.call_off_abroad(id).await;
    }

    async fn release(&mut self, id: &str, number: &str, lines: &[(String, i64)]) {
        let products: Vec<Value> = lines
            .iter()
            .map(|(sku, units)| json!({"reference_id": sku, "quantity": units}))
            .collect();
        let body = json!({
            "reference_id": id, "order_number": number, "type": "DTC",
            "shipping_method": "Standard", "products": products,
            "recipient": {"name": "A", "address": {"address1": "B", "city": "C", "country": "NL"}},
        });
        let made = self.shipbob("/order", &body).await;
        self.released
            .insert(id.to_owned(), made["id"].as_i64().unwrap());
    }

    fn refund(&mut self, refund: &Value) {
        let amount = |v: &Value, sign: f64| {
            let minor = v.as_str().unwrap().parse::<f64>().unwrap() * 100.0 * sign;
            minor.round() as i64
        };
        let order = refund["order_id"].to_string();
        let id: i64 = order.parse().unwrap();
        let shop = lock(&self.rig.world.shopify);
        let included = shop.order(id).unwrap().taxes_included;
        let mut due = 0;
        for line in refund["refund_line_items"].as_array().unwrap() {
            due += amount(&line["subtotal_set"]["shop_money"]["amount"], 1.0);
            if !included {
                due += amount(&line["total_tax_set"]["shop_money"]["amount"], 1.0);
            }
        }
        for adjustment in refund["order_adjustments"].as_array().unwrap() {
            due += amount(&adjustment["amount"], -1.0);
            if !included {
                due += amount(&adjustment["tax_amount"], -1.0);
            }
        }
        drop(shop);
        self.due.push((order, refund["id"].to_string(), due));
    }

    async fn pay_back(&self, payment: &str, refund: &str, amount: i64) {
        let form = [("payment_intent", payment), ("amount", &amount.to_string())];
        let call = self
            .rig
            .http
            .post(format!("{}/stripe/v1/refunds", self.rig.base))
            .bearer_auth("sk_test_1")
            .header("Idempotency-Key", refund)
            .form(&form);
        assert_eq!(call.send().await.unwrap().status(), 200);
    }

    async fn shipbob(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/shipbob/2026-01{path}", self.rig.base);
        let call = self.rig.http.post(url).bearer_auth("sb_1");
        let call = call.header("shipbob_channel_id", "100001").json(body);
        let text = call.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    async fn shipped(&mut self, body: &Value) {
        let id = body["reference_id"].as_str().unwrap().to_owned();
        for shipment in body["shipments"].as_array().unwrap() {
            let number = shipment["tracking"]["tracking_number"]
                .as_str()
                .unwrap_or("");
            if number.is_empty() || !self.told.insert(number.to_owned()) {
                continue;
            }
            self.follow(number).await;
            let lines: Vec<(String, i64)> = shipment["products"]
                .as_array()
                .unwrap()
                .iter()
                .map(|p| {
                    (
                        p["sku"].as_str().unwrap().to_owned(),
                        p["inventory_items"][0]["quantity"].as_i64().unwrap(),
                    )
                })
                .collect();
            self.tell_channel(&id, &lines, number).await;
        }
    }

    async fn follow(&self, number: &str) {
        let tracker = json!({"tracker": {"tracking_code": number}});
        let url = format!("{}/easypost/v2/trackers", self.rig.base);
        let call = self.rig.http.post(url).basic_auth("EZTK_1", Some(""));
        call.json(&tracker).send().await.unwrap();
    }

    async fn tell_channel(&self, id: &str, lines: &[(String, i64)], number: &str) {
        let of_shop = lock(&self.rig.world.shopify)
            .order(id.parse().unwrap())
            .is_some();
        if of_shop {
            self.tell_shop(id, lines, number).await;
        } else {
            self.tell_market(id, lines, number).await;
        }
    }

    async fn tell_shop(&self, id: &str, lines: &[(String, i64)], number: &str) {
        let (work, lines) = {
            let shop = lock(&self.rig.world.shopify);
            let order = shop.order(id.parse().unwrap()).unwrap();
            let lines: Vec<Value> = lines
                .iter()
                .map(|(sku, units)| {
                    let line = order.lines.iter().find(|l| l.sku == *sku).unwrap();
                    let gid = format!(
                        "gid://shopify/FulfillmentOrderLineItem/{}",
                        line.fulfillment_order_line_id
                    );
                    json!({"id": gid, "quantity": units})
                })
                .collect();
            (order.fulfillment_order_id, lines)
        };
        let query = "mutation ($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) { userErrors { message } } }";
        let body = json!({"query": query, "variables": {"f": {
            "lineItemsByFulfillmentOrder": [{
                "fulfillmentOrderId": format!("gid://shopify/FulfillmentOrder/{work}"),
                "fulfillmentOrderLineItems": lines,
            }],
            "trackingInfo": {"number": number},
        }}});
        let url = format!("{}/shopify/admin/api/2026-01/graphql.json", self.rig.base);
        let call = self
            .rig
            .http
            .post(url)
            .header("X-Shopify-Access-Token", "shpat_1");
        call.json(&body).send().await.unwrap();
    }
}

fn total(order: &Value) -> String {
    let minor = |v: &Value| {
        let text = v.as_str().unwrap();
        (text.parse::<f64>().unwrap() * 100.0).round() as i64
    };
    let shipping = &order["shipping_lines"][0]["discounted_price"];
    let mut sum = minor(&order["subtotal_price"]) + minor(shipping);
    if order["taxes_included"] == false {
        sum += minor(&order["total_tax"]);
    }
    waybill_simulators::money::decimal(sum)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_ends_as_expected_with_an_integration_that_does_its_part() {
    let options = Options {
        time_scale: 0.1,
        shipbob_calls_per_minute: 100_000,
        ..Options::default()
    };
    let rig = Arc::new(rig(options).await);
    let stand_in = StandIn {
        rig: Arc::clone(&rig),
        seen: BTreeSet::new(),
        released: BTreeMap::new(),
        cancelled: BTreeSet::new(),
        placed: BTreeSet::new(),
        told: BTreeSet::new(),
        payments: BTreeMap::new(),
        due: Vec::new(),
    };
    tokio::spawn(stand_in.run());
    let day = DayOptions {
        orders: 60,
        api_faults: false,
        wait_limit_s: 30,
        webhook_faults: WebhookFaults {
            duplicate: 200,
            reorder: 200,
            delay: 50,
            drop: 30,
        },
        ..DayOptions::default()
    };
    let report = run_day(&rig.world, day).await.unwrap();
    assert_eq!(report.stuck, Vec::<String>::new());
    assert_eq!((report.placed, report.ended), (60, 60));
    let counts = rig.world.webhooks.counts();
    assert!(
        counts["duplicate"] > 0 && counts["reorder"] > 0 && counts["drop"] > 0,
        "{counts:?}"
    );

    let expected = expectations(&rig.world);
    let stripe = rig.state("stripe").await;
    let both = async |a: &str, b: &str| -> Vec<Value> {
        let (a, b) = (rig.state(a).await, rig.state(b).await);
        let orders = [&a, &b].map(|s| s["orders"].as_array().unwrap().clone());
        orders.concat()
    };
    let shop = both("shopify", "marketplace").await;
    let warehouse = both("shipbob", "canonical").await;
    for order in expected["orders"].as_array().unwrap() {
        let placed = shop.iter().find(|o| o["id"] == order["id"]).unwrap();
        let refunds = u64::from(placed["refunds"].as_array().unwrap().len() as u32);
        assert_eq!(order["refunds"], refunds, "{order}");
        let held = |o: &&Value| o["reference_id"] == order["id"];
        let count = warehouse.iter().filter(held).count();
        if let Some(released) = order["released"].as_bool() {
            assert_eq!(count, usize::from(released), "{order}");
        }
        if order["shipped"] == true && order["shop_told"] == true {
            assert_eq!(placed["fulfillment_status"], "fulfilled", "{order}");
        }
        if order["channel"] == "marketplace-main" {
            // It pays back by itself.
            continue;
        }
        let paid: i64 = stripe["refunds"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|r| r["order_id"] == order["id"])
            .map(|r| r["amount"].as_i64().unwrap())
            .sum();
        assert_eq!(placed["refunded_minor"], paid, "{order}");
    }
}

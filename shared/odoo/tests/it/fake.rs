//! A small Odoo: orders by external id, all or nothing, with faults on demand.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// What the fake holds and how it misbehaves.
#[derive(Default)]
pub(crate) struct World {
    /// `MODEL/METHOD` of every call.
    pub(crate) calls: Vec<String>,
    /// External id → id and state.
    pub(crate) orders: BTreeMap<String, (i64, String)>,
    /// Numbers (`client_order_ref`) that fail when they are created.
    pub(crate) bad_create: BTreeSet<String>,
    /// Numbers that fail when they are confirmed.
    pub(crate) bad_confirm: BTreeSet<String>,
    /// Numbers by order id.
    pub(crate) numbers: BTreeMap<i64, String>,
    /// Lines by order id: product, quantity, price.
    pub(crate) lines: BTreeMap<i64, Vec<[f64; 3]>>,
    /// Ids of products by SKU.
    pub(crate) products: BTreeMap<String, i64>,
    /// Calls of `MODEL/METHOD` whose answer is lost after the work is done.
    pub(crate) lose: BTreeMap<String, u32>,
    /// So many order loads lose a race first.
    pub(crate) races: u32,
    /// Total of every order.
    pub(crate) total: f64,
}

/// The running fake.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) url: String,
    world: Arc<Mutex<World>>,
}

impl Fake {
    pub(crate) async fn start(world: World) -> Self {
        let world = Arc::new(Mutex::new(world));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/json/2/{model}/{method}", post(answer))
            .with_state(world.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, world }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

async fn answer(
    State(world): State<Arc<Mutex<World>>>,
    Path((model, method)): Path<(String, String)>,
    body: String,
) -> Response<Body> {
    let body: Value = serde_json::from_str(&body).unwrap();
    let mut world = world.lock().unwrap();
    let name = format!("{model}/{method}");
    world.calls.push(name.clone());
    let result = world.call(&name, &body);
    if let Some(left) = world.lose.get_mut(&name)
        && *left > 0
    {
        *left -= 1;
        let cut = std::io::Error::other("cut");
        let stream = futures::stream::iter([Err::<bytes::Bytes, _>(cut)]);
        return Response::new(Body::from_stream(stream));
    }
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, body),
        Err(message) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            json!({"name": "odoo.exceptions.UserError", "message": message}),
        ),
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
}

impl World {
    fn call(&mut self, name: &str, body: &Value) -> Result<Value, String> {
        match name {
            "product.product/search_read" => Ok(body["domain"][0][2]
                .as_array()
                .unwrap()
                .iter()
                .filter(|sku| *sku != "SKU-NOPE")
                .map(|sku| {
                    let next = i64::try_from(self.products.len()).unwrap() + 1;
                    let known = self.products.entry(sku.as_str().unwrap().to_owned());
                    json!({"id": known.or_insert(next), "default_code": sku, "sale_ok": true, "active": *sku != "SKU-OLD"})
                })
                .collect()),
            "res.partner/load" => {
                let count = body["data"].as_array().unwrap().len();
                let ids: Vec<usize> = (1..=count).collect();
                Ok(json!({"ids": ids, "messages": []}))
            }
            "sale.order/load" => Ok(self.load(body)),
            "sale.order/read" | "sale.order/web_read" => Ok(self.read(body)),
            "sale.order/action_confirm" => self.confirm(body),
            other => Err(format!("the fake has no `{other}`")),
        }
    }

    fn load(&mut self, body: &Value) -> Value {
        assert_eq!(body["context"]["mode"], "update");
        assert_eq!(body["context"]["noupdate"], true);
        let blame = |records: &[usize], message: &str| {
            let messages: Vec<Value> = records
                .iter()
                .map(|r| json!({"record": r, "type": "error", "message": message}))
                .collect();
            json!({"ids": false, "messages": messages})
        };
        let heads: Vec<&Value> = body["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row[0] != "")
            .collect();
        if self.races > 0 {
            self.races -= 1;
            let all: Vec<usize> = (0..heads.len()).collect();
            return blame(
                &all,
                "could not serialize access due to concurrent update\n",
            );
        }
        let bad: Vec<usize> = heads
            .iter()
            .enumerate()
            .filter(|(_, row)| self.bad_create.contains(row[1].as_str().unwrap()))
            .map(|(i, _)| i)
            .collect();
        if let Some(first) = bad.first() {
            // Odoo puts a copy of the message, blamed on record 0, first.
            let mut records = vec![0];
            records.extend(bad.iter().filter(|b| *first != 0 || **b != 0));
            return blame(&records, "The order cannot be created.");
        }
        let mut ids = Vec::new();
        for row in heads {
            let next = i64::try_from(self.orders.len()).unwrap() + 1;
            let entry = self.orders.entry(row[0].as_str().unwrap().to_owned());
            let (id, _) = entry.or_insert((next, "draft".to_owned()));
            self.numbers
                .insert(*id, row[1].as_str().unwrap().to_owned());
            let number = |name: &str| {
                let place = body["fields"].as_array().unwrap().iter();
                let place = place.clone().position(|f| f == name).unwrap();
                row[place].as_str().unwrap().parse::<f64>().unwrap()
            };
            let line = [
                "order_line/product_id/.id",
                "order_line/product_uom_qty",
                "order_line/price_unit",
            ];
            self.lines.insert(*id, vec![line.map(number)]);
            ids.push(*id);
        }
        json!({"ids": ids, "messages": []})
    }

    fn read(&self, body: &Value) -> Value {
        let ids = body["ids"].as_array().unwrap();
        self.orders
            .values()
            .filter(|(id, _)| ids.contains(&json!(id)))
            .map(|(id, state)| {
                json!({"id": id, "name": format!("S{id:05}"), "state": state,
                    "amount_total": self.total, "currency_id": {"id": 1, "name": "USD"},
                    "date_order": "2026-01-31 10:00:00", "create_uid": 6,
                    "order_line": self.sold(*id)})
            })
            .collect()
    }

    fn sold(&self, order: i64) -> Vec<Value> {
        let lines = self.lines[&order].iter();
        lines
            .map(|[product, quantity, price]| {
                let mut products = self.products.iter();
                let (sku, id) = products
                    .find(|(_, id)| json!(**id).as_f64() == Some(*product))
                    .unwrap();
                json!({"id": 1, "display_type": false, "product_uom_qty": quantity,
                    "price_unit": price, "discount": 0.0, "write_uid": 6,
                    "product_id": {"id": id, "default_code": sku, "active": true, "sale_ok": true}})
            })
            .collect()
    }

    fn confirm(&mut self, body: &Value) -> Result<Value, String> {
        let ids: Vec<i64> = body["ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_i64().unwrap())
            .collect();
        if ids
            .iter()
            .any(|id| self.bad_confirm.contains(&self.numbers[id]))
        {
            return Err("No rule has been found to replenish \"[SKU-1] One\"".to_owned());
        }
        let mut orders: Vec<_> = self
            .orders
            .values_mut()
            .filter(|(id, _)| ids.contains(id))
            .collect();
        if orders.iter().any(|(_, state)| state != "draft") {
            return Err("Some orders are not in a state requiring confirmation.".to_owned());
        }
        for order in &mut orders {
            order.1 = "sale".to_owned();
        }
        Ok(Value::Bool(true))
    }
}

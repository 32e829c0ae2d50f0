//! The batch writer against a small Odoo that fails as the real one does.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail where it stands"
)]

mod fake;

use fake::{Fake, World};
use std::collections::BTreeMap;
use std::time::Duration;
use waybill_flow::connections::Connections;
use waybill_flow::ports::{ConnectionSecrets, Erp, ErpCommand, InfraError, Secret, Secrets};
use waybill_model::command::{Command, CreateSaleOrder};
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, EffectKey, MessageId, Reference};
use waybill_model::order::Order;
use waybill_odoo::{Limits, Odoo};

struct Key(&'static str);

impl Secrets for Key {
    async fn get(&self, _: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        let key = Secret::new(self.0);
        Ok(ConnectionSecrets {
            webhook_secrets: Vec::new(),
            api: BTreeMap::from([("key".to_owned(), key)]),
        })
    }
}

fn erp() -> ConnectionId {
    ConnectionId::new("odoo").unwrap()
}

fn odoo(fake: &Fake) -> Odoo<Key> {
    let text = format!(
        "version = \"1\"\n[[connections]]\nid = \"odoo\"\npartner = \"odoo\"\nbase_url = \"{}\"\n\
         [connections.erp]\ndatabase = \"db\"\nlogin = \"me\"\nprotocol = \"json2\"\n\
         shipping_sku = \"SHIPPING\"\nkeep_order_date = false\n",
        fake.url
    );
    let connections = Connections::parse(&text).unwrap();
    Odoo::new(connections, Key("secret"), reqwest::Client::new())
}

fn order(number: u32) -> Order {
    order_of(number, "SKU-1", "10")
}

fn order_of(number: u32, sku: &str, total: &str) -> Order {
    serde_json::from_value(serde_json::json!({
        "channel": "shop", "id": number.to_string(), "number": format!("#{number}"), "version": 1,
        "placed_at": "2026-01-31T10:00:00Z", "test": false, "currency": "USD",
        "taxes_included": false, "payment": "paid", "cancelled": null,
        "customer": null, "billing": null, "shipping": null,
        "lines": [{"id": "1", "sku": sku, "title": "Thing", "quantity": "1",
            "current_quantity": "1", "unit_price": "10", "discount": "0", "taxes": [],
            "requires_shipping": true, "gift_card": false}],
        "shipping_lines": [], "gift_card_paid": "0", "tip": "0", "rounding": "0",
        "totals": {"subtotal": "10", "shipping": "0", "tax": "0", "total": total},
        "note": null
    }))
    .unwrap()
}

fn batch(orders: impl IntoIterator<Item = Order>) -> Vec<ErpCommand> {
    orders
        .into_iter()
        .map(|order| {
            let correlation = order.correlation();
            let effect = EffectKey::new("sale_order.create").unwrap();
            ErpCommand {
                correlation,
                key: MessageId::for_effect(correlation, &effect),
                command: Command::CreateSaleOrder(CreateSaleOrder {
                    erp: erp(),
                    order,
                    warehouse: None,
                }),
            }
        })
        .collect()
}

fn codes(outcomes: &[Result<Vec<Reference>, Failure>]) -> Vec<&str> {
    outcomes
        .iter()
        .map(|o| o.as_ref().map_or_else(|f| f.code().as_str(), |_| "done"))
        .collect()
}

fn world() -> World {
    World {
        total: 10.0,
        ..World::default()
    }
}

fn confirmed(fake: &Fake) -> usize {
    let world = fake.world();
    world.orders.values().filter(|(_, s)| s == "sale").count()
}

#[tokio::test]
async fn fifty_orders_are_four_calls_once_products_are_known() {
    let fake = Fake::start(world()).await;
    let odoo = odoo(&fake);
    odoo.write(&erp(), &batch([order(1000)])).await;
    fake.world().calls.clear();
    let outcomes = odoo.write(&erp(), &batch((0..50).map(order))).await;
    assert_eq!(codes(&outcomes), ["done"; 50]);
    assert_eq!(
        fake.world().calls,
        [
            "res.partner/load",
            "sale.order/load",
            "sale.order/web_read",
            "sale.order/action_confirm"
        ]
    );
}

#[tokio::test]
async fn the_order_that_cannot_be_created_is_the_only_one_refused() {
    let bad_create = ["#6".to_owned()].into();
    let fake = Fake::start(World {
        bad_create,
        ..world()
    })
    .await;
    let outcomes = odoo(&fake).write(&erp(), &batch((0..10).map(order))).await;
    let mut expected = ["done"; 10];
    expected[6] = "erp_refused";
    assert_eq!(codes(&outcomes), expected);
    assert_eq!(confirmed(&fake), 9);
    let calls = fake.world().calls.clone();
    let loads = calls.iter().filter(|c| *c == "sale.order/load").count();
    assert_eq!(loads, 4, "all, the two suspects, the rest");
}

#[tokio::test]
async fn the_order_that_cannot_be_confirmed_is_found_by_halving() {
    let bad_confirm = ["#3".to_owned()].into();
    let fake = Fake::start(World {
        bad_confirm,
        ..world()
    })
    .await;
    let outcomes = odoo(&fake).write(&erp(), &batch((0..8).map(order))).await;
    let mut expected = ["done"; 8];
    expected[3] = "no_replenishment_rule";
    assert_eq!(codes(&outcomes), expected);
    assert_eq!(confirmed(&fake), 7);
    let calls = fake.world().calls.clone();
    let confirms = calls
        .iter()
        .filter(|c| c.ends_with("action_confirm"))
        .count();
    assert_eq!(confirms, 7, "two a level and the first");
}

#[tokio::test]
async fn the_order_whose_product_odoo_names_is_tried_by_itself() {
    let bad_confirm = ["#3".to_owned()].into();
    let fake = Fake::start(World {
        bad_confirm,
        ..world()
    })
    .await;
    let sku = |n: u32| if n == 3 { "SKU-1" } else { "SKU-2" };
    let orders = (0..50).map(|n| order_of(n, sku(n), "10"));
    let outcomes = odoo(&fake).write(&erp(), &batch(orders)).await;
    let mut expected = ["done"; 50];
    expected[3] = "no_replenishment_rule";
    assert_eq!(codes(&outcomes), expected);
    let calls = fake.world().calls.clone();
    let confirms = calls.iter().filter(|c| c.ends_with("action_confirm"));
    assert_eq!(confirms.count(), 3, "all, the others, the one");
}

#[tokio::test]
async fn where_states_cannot_be_read_after_a_refusal_nobody_is_refused() {
    let fake = Fake::start(World {
        bad_confirm: ["#3".to_owned()].into(),
        lose: BTreeMap::from([("sale.order/read".to_owned(), 1)]),
        ..world()
    })
    .await;
    let odoo = odoo(&fake);
    let batch = batch((0..8).map(order));
    let first = odoo.write(&erp(), &batch).await;
    assert_eq!(codes(&first), ["erp_answer_lost"; 8]);
    let mut expected = ["done"; 8];
    expected[3] = "no_replenishment_rule";
    assert_eq!(codes(&odoo.write(&erp(), &batch).await), expected);
}

#[tokio::test]
async fn a_lost_race_is_run_again_at_once() {
    let fake = Fake::start(World {
        races: 2,
        ..world()
    })
    .await;
    let outcomes = odoo(&fake).write(&erp(), &batch((0..3).map(order))).await;
    assert_eq!(codes(&outcomes), ["done"; 3]);
}

#[tokio::test]
async fn races_without_end_are_transient_and_blame_nobody() {
    let fake = Fake::start(World {
        races: 99,
        ..world()
    })
    .await;
    let outcomes = odoo(&fake).write(&erp(), &batch((0..3).map(order))).await;
    assert_eq!(codes(&outcomes), ["erp_concurrency"; 3]);
    assert!(
        outcomes
            .iter()
            .all(|o| o.as_ref().unwrap_err().class() == "transient")
    );
}

#[tokio::test]
async fn redelivery_after_a_lost_answer_creates_no_second_order() {
    for lost in ["sale.order/load", "sale.order/action_confirm"] {
        let lose = BTreeMap::from([(lost.to_owned(), 1)]);
        let fake = Fake::start(World { lose, ..world() }).await;
        let odoo = odoo(&fake);
        let batch = batch((0..5).map(order));
        let first = odoo.write(&erp(), &batch).await;
        if lost == "sale.order/load" {
            assert_eq!(codes(&first), ["erp_answer_lost"; 5]);
            assert!(
                first
                    .iter()
                    .all(|o| o.as_ref().unwrap_err().class() == "indeterminate")
            );
        } else {
            // The states are read again after the loss, and show that it was done.
            assert_eq!(codes(&first), ["done"; 5]);
        }
        let again = odoo.write(&erp(), &batch).await;
        assert_eq!(codes(&again), ["done"; 5]);
        assert_eq!(fake.world().orders.len(), 5);
        assert_eq!(confirmed(&fake), 5);
    }
}

#[tokio::test]
async fn wrong_totals_and_unknown_products_never_reach_confirmation() {
    let fake = Fake::start(world()).await;
    let orders = [
        order(1),
        order_of(2, "SKU-NOPE", "10"),
        order_of(3, "SKU-1", "11"),
        order_of(4, "SKU-OLD", "10"),
    ];
    let outcomes = odoo(&fake).write(&erp(), &batch(orders)).await;
    assert_eq!(
        codes(&outcomes),
        ["done", "unknown_sku", "total_mismatch", "archived_product"]
    );
    assert_eq!(confirmed(&fake), 1);
    let detail = outcomes[2].as_ref().unwrap_err().detail();
    assert!(
        detail.contains("11 USD") && detail.contains("10 USD"),
        "{detail}"
    );
}

#[tokio::test]
async fn an_order_that_is_twice_in_a_batch_is_written_once() {
    let fake = Fake::start(world()).await;
    let outcomes = odoo(&fake)
        .write(&erp(), &batch([order(1), order(1)]))
        .await;
    assert_eq!(codes(&outcomes), ["done", "done"]);
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(fake.world().orders.len(), 1);
}

#[tokio::test]
async fn work_that_was_not_begun_in_time_is_transient() {
    let fake = Fake::start(world()).await;
    let limits = Limits {
        batch: Duration::from_millis(100),
        ..Limits::default()
    };
    let outcomes = odoo(&fake)
        .with_limits(limits)
        .write(&erp(), &batch([order(1)]))
        .await;
    assert_eq!(codes(&outcomes), ["erp_out_of_time"]);
    assert!(fake.world().calls.is_empty());
}

#[tokio::test]
async fn an_answer_that_is_too_long_leaves_the_outcome_open() {
    let fake = Fake::start(world()).await;
    let limits = Limits {
        answer_bytes: 8,
        ..Limits::default()
    };
    let outcomes = odoo(&fake)
        .with_limits(limits)
        .write(&erp(), &batch([order(1)]))
        .await;
    assert_eq!(outcomes[0].as_ref().unwrap_err().class(), "indeterminate");
}

#[tokio::test]
async fn a_server_that_is_away_is_transient() {
    let fake = Fake::start(world()).await;
    let mut gone = fake.clone();
    gone.url = "http://127.0.0.1:9".to_owned();
    let outcomes = odoo(&gone).write(&erp(), &batch([order(1)])).await;
    assert_eq!(codes(&outcomes), ["erp_unreachable"]);
}

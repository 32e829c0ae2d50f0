//! Orders in Odoo 17 over JSON-RPC and Odoo 19 over JSON-2.

use super::rig::{
    Outcome, Rig, Setup, assert_indeterminate, assert_rejected, assert_transient, id_of, key,
    rig_of,
};
use serde_json::{Value, json};
use waybill_flow::ports::{Erp, ErpCommand};
use waybill_model::command::{CancelSaleOrder, Command, CreateSaleOrder};
use waybill_model::id::RefKind;
use waybill_model::order::Order;
use waybill_simulators::faults::Fault;
use waybill_simulators::odoo::Version;
use waybill_simulators::sim::Sim;
use waybill_testkit::build::{OrderBuilder, amount, connection, sku};

/// Makes each test one for Odoo 17 and one for Odoo 19.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod v17 {
            $(#[tokio::test]
            async fn $name() {
                Box::pin(super::$name(waybill_simulators::odoo::Version::V17)).await;
            })*
        }
        mod v19 {
            $(#[tokio::test]
            async fn $name() {
                Box::pin(super::$name(waybill_simulators::odoo::Version::V19)).await;
            })*
        }
    };
}
pub(super) use on_both;

/// An order of the local shop: 2 × 12.50 and 1 × 30.00 with tax contained, shipping 4.90.
pub(super) fn order(id: &str) -> OrderBuilder {
    OrderBuilder::new(id)
        .channel("shopify-main")
        .without_lines()
        .line("SKU-0001", 2, "12.50")
        .line("SKU-0002", 1, "30.00")
}

/// A command for Odoo under the key of its effect.
pub(super) fn erp_command(order: &Order, effect: &str, command: Command) -> ErpCommand {
    let correlation = order.correlation();
    ErpCommand {
        correlation,
        key: key(correlation, effect),
        command,
    }
}

pub(super) fn create(order: &Order) -> ErpCommand {
    let content = CreateSaleOrder {
        erp: connection("odoo-main"),
        order: order.clone(),
        warehouse: None,
    };
    erp_command(order, "sale_order", Command::CreateSaleOrder(content))
}

pub(super) fn cancel(order: &Order) -> ErpCommand {
    let content = CancelSaleOrder {
        erp: connection("odoo-main"),
    };
    erp_command(order, "cancel", Command::CancelSaleOrder(content))
}

/// Carries out a batch: one attempt.
pub(super) async fn write(rig: &Rig, batch: &[ErpCommand]) -> Vec<Outcome> {
    let outcomes = rig.odoo.write(&connection("odoo-main"), batch).await;
    assert_eq!(outcomes.len(), batch.len());
    outcomes
}

/// Carries out one command: one attempt.
pub(super) async fn write_one(rig: &Rig, command: &ErpCommand) -> Outcome {
    write(rig, std::slice::from_ref(command)).await.remove(0)
}

/// What Odoo holds of an order, which must be there once.
#[track_caller]
pub(super) fn held(rig: &Rig, order: &Order) -> Value {
    let mut found = all_held(rig, order);
    assert_eq!(found.len(), 1, "`{}` in Odoo", order.number);
    found.remove(0)
}

pub(super) fn all_held(rig: &Rig, order: &Order) -> Vec<Value> {
    let state = rig.state(Sim::Odoo);
    let orders = state["orders"].as_array().unwrap();
    let ours = |o: &&Value| o["client_order_ref"] == order.number.as_str();
    orders.iter().filter(ours).cloned().collect()
}

/// A float of Odoo's as text with two places.
pub(super) fn money(value: &Value) -> String {
    format!("{:.2}", value.as_f64().unwrap())
}

/// Ten orders: taxes contained and on top, discounts on lines and on shipping, two currencies.
fn ten_orders() -> Vec<Order> {
    (0..10_i64)
        .map(|n| {
            let mut builder = order(&format!("ten-{n}"))
                .line("SKU-0003", n + 1, "9.99")
                .with(|o| {
                    o.lines[0].discount = amount(["0", "1.23", "2.50"][(n % 3) as usize]);
                    o.lines[2].discount = amount(["0", "0.07"][(n % 2) as usize]);
                    if n % 4 == 3 {
                        o.shipping_lines[0].discount = o.shipping_lines[0].price;
                    }
                    if n % 5 == 4 {
                        o.shipping_lines[0].method = "express".to_owned();
                    }
                });
            if n % 2 == 1 {
                builder = builder.taxes_added();
            }
            if n == 6 {
                builder = builder.currency("USD");
            }
            builder.build()
        })
        .collect()
}

async fn ten_orders_are_confirmed_to_the_cent_in_few_calls(version: Version) {
    let rig = rig_of(version).await;
    let orders = ten_orders();
    let batch: Vec<ErpCommand> = orders.iter().map(create).collect();
    let first = write(&rig, &batch).await;
    for (order, outcome) in orders.iter().zip(&first) {
        let references = outcome
            .as_ref()
            .unwrap_or_else(|f| panic!("{}: {f}", order.number));
        let held = held(&rig, order);
        assert_eq!(
            held["id"].to_string(),
            id_of(references, RefKind::SaleOrder)
        );
        assert_eq!(held["state"], "sale", "{}", order.number);
        assert_eq!(held["currency"], order.currency.as_str());
        assert_eq!(
            amount(&money(&held["amount_total"])),
            order.totals.total,
            "{}",
            order.number
        );
        assert_eq!(held["pickings"].as_array().unwrap().len(), 1);
    }
    let calls = rig.world.faults.calls()["odoo"];
    assert!(calls <= 9, "{calls} calls for ten orders");
    let before = rig.state(Sim::Odoo);
    assert_eq!(write(&rig, &batch).await, first);
    assert_eq!(rig.state(Sim::Odoo), before, "a repeat changes nothing");
}

async fn bad_orders_of_a_batch_do_not_hold_up_the_good_ones(version: Version) {
    let rig = rig_of(version).await;
    let mut orders: Vec<Order> = (0..10)
        .map(|n| order(&format!("mix-{n}")).build())
        .collect();
    orders[2].lines[0].sku = Some(sku("SKU-NOPE"));
    orders[5].lines[0].taxes[0].rate = amount("0.33");
    orders[7].totals.total = amount("99.99");
    orders[8].lines[0].sku = None;
    let batch: Vec<ErpCommand> = orders.iter().map(create).collect();
    for _ in 0..2 {
        let outcomes = write(&rig, &batch).await;
        for (index, outcome) in outcomes.iter().enumerate() {
            match index {
                2 => assert_rejected(outcome, "unknown_sku"),
                5 => assert_rejected(outcome, "unknown_tax"),
                7 => assert_rejected(outcome, "total_mismatch"),
                8 => assert_rejected(outcome, "line_without_sku"),
                _ => assert!(outcome.is_ok(), "{index}: {outcome:?}"),
            }
        }
    }
    assert_eq!(held(&rig, &orders[0])["state"], "sale");
    assert_eq!(held(&rig, &orders[7])["state"], "draft");
    assert!(all_held(&rig, &orders[2]).is_empty());
}

async fn an_order_that_odoo_refuses_to_create_is_told_from_its_neighbours(version: Version) {
    let setup = Setup {
        version,
        // A carrier that is mapped and not in Odoo: only orders with it are refused.
        connections: |text| text.replace("shop.carrier_express", "shop.carrier_gone"),
        ..Setup::default()
    };
    let rig = setup.start().await;
    let mut orders: Vec<Order> = (0..10)
        .map(|n| order(&format!("gone-{n}")).build())
        .collect();
    for bad in [4, 9] {
        orders[bad].shipping_lines[0].method = "express".to_owned();
    }
    let batch: Vec<ErpCommand> = orders.iter().map(create).collect();
    let outcomes = write(&rig, &batch).await;
    for (index, outcome) in outcomes.iter().enumerate() {
        match index {
            4 | 9 => assert_rejected(outcome, "unknown_carrier"),
            _ => assert!(outcome.is_ok(), "{index}: {outcome:?}"),
        }
    }
}

async fn an_order_that_cannot_be_confirmed_is_found_by_halving(version: Version) {
    let setup = Setup {
        version,
        odoo: |config| {
            config.unroutable_skus.insert("SKU-0150".to_owned());
        },
        ..Setup::default()
    };
    let rig = setup.start().await;
    let mut orders: Vec<Order> = (0..10)
        .map(|n| order(&format!("half-{n}")).build())
        .collect();
    orders[3].lines[0].sku = Some(sku("SKU-0150"));
    let batch: Vec<ErpCommand> = orders.iter().map(create).collect();
    for _ in 0..2 {
        let outcomes = write(&rig, &batch).await;
        for (index, outcome) in outcomes.iter().enumerate() {
            match index {
                3 => assert_rejected(outcome, "no_replenishment_rule"),
                _ => assert!(outcome.is_ok(), "{index}: {outcome:?}"),
            }
        }
    }
    assert_eq!(held(&rig, &orders[3])["state"], "draft");
    assert!(
        orders
            .iter()
            .filter(|o| o.id != orders[3].id)
            .all(|o| held(&rig, o)["state"] == "sale")
    );
}

async fn a_cent_of_rounding_is_refused_or_adjusted_by_policy(version: Version) {
    let mut off = order("cent").build();
    off.totals.total = off.totals.total.plus(amount("0.01")).unwrap();
    let setup = Setup {
        version,
        connections: |text| text.replace("totals = \"adjust\"\n", ""),
        ..Setup::default()
    };
    let rig = setup.start().await;
    assert_rejected(&write_one(&rig, &create(&off)).await, "total_mismatch");
    let rig = rig_of(version).await;
    let first = write_one(&rig, &create(&off)).await;
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(write_one(&rig, &create(&off)).await, first);
    let held = held(&rig, &off);
    assert_eq!(money(&held["amount_total"]), off.totals.total.to_string());
    let rounding = |l: &&Value| l["sku"] == "DISCOUNT";
    let lines = held["lines"].as_array().unwrap();
    assert_eq!(lines.iter().filter(rounding).count(), 1);
}

async fn a_product_renumbered_since_is_never_sold_under_its_old_number(version: Version) {
    let rig = rig_of(version).await;
    let sells = |id: &str, code: &str| {
        let builder = order(id).without_lines().line(code, 2, "12.50");
        builder.build()
    };
    // Products are remembered from the first order on.
    let known = order("known").line("SKU-0003", 1, "9.99").build();
    assert!(write_one(&rig, &create(&known)).await.is_ok());
    let edit = |code: &str, vals: Value| {
        let domain = json!([["default_code", "=", code]]);
        rig.odoo_sim
            .edit("product.product", &domain, &vals)
            .unwrap();
    };
    edit("SKU-0001", json!({"default_code": "SKU-OTHER"}));
    edit("SKU-0150", json!({"default_code": "SKU-0001"}));
    edit("SKU-0002", json!({"active": false}));
    edit("SKU-0003", json!({"sale_ok": false}));
    let orders = [
        sells("renumbered", "SKU-0001"),
        sells("archived", "SKU-0002"),
        sells("unsold", "SKU-0003"),
    ];
    let batch: Vec<ErpCommand> = orders.iter().map(create).collect();
    for _ in 0..2 {
        let outcomes = write(&rig, &batch).await;
        assert!(outcomes[0].is_ok(), "{outcomes:?}");
        assert_rejected(&outcomes[1], "archived_product");
        assert_rejected(&outcomes[2], "product_not_for_sale");
    }
    let held = held(&rig, &orders[0]);
    assert_eq!(held["state"], "sale");
    assert_eq!(held["lines"][0]["sku"], "SKU-0001");
    assert_eq!(all_held(&rig, &orders[1])[0]["state"], "draft");
    edit("SKU-0003", json!({"sale_ok": true}));
    assert!(write_one(&rig, &batch[2]).await.is_ok());
}

async fn a_quotation_in_which_a_person_put_another_product_is_not_confirmed(version: Version) {
    let rig = rig_of(version).await;
    let mut placed = order("by-hand").build();
    placed.totals.total = amount("99.99");
    assert_rejected(&write_one(&rig, &create(&placed)).await, "total_mismatch");
    let domain = json!([["default_code", "=", "SKU-0100"]]);
    let other = rig.odoo_sim.edit("product.product", &domain, &json!({}));
    let line = json!([
        ["order_id.client_order_ref", "=", placed.number.as_str()],
        ["product_id.default_code", "=", "SKU-0001"]
    ]);
    let vals = json!({"product_id": other.unwrap()[0]});
    rig.odoo_sim.edit("sale.order.line", &line, &vals).unwrap();
    let outcome = write_one(&rig, &create(&placed)).await;
    assert_rejected(&outcome, "quotation_changed_in_erp");
}

async fn an_order_is_cancelled_once_and_an_absent_one_needs_nothing(version: Version) {
    let rig = rig_of(version).await;
    let (placed, absent) = (order("stop").build(), order("never").build());
    assert!(write_one(&rig, &create(&placed)).await.is_ok());
    let batch = [cancel(&placed), cancel(&absent)];
    let first = write(&rig, &batch).await;
    assert_eq!(
        id_of(first[0].as_ref().unwrap(), RefKind::SaleOrder),
        held(&rig, &placed)["id"].to_string()
    );
    assert_eq!(first[1], Ok(Vec::new()));
    assert_eq!(write(&rig, &batch).await, first);
    let held = held(&rig, &placed);
    assert_eq!(held["state"], "cancel");
    assert_eq!(held["pickings"][0]["state"], "cancel");
    assert_rejected(&write_one(&rig, &create(&placed)).await, "cancelled_in_erp");
}

async fn a_wrong_key_is_waited_for_and_the_new_one_works(version: Version) {
    let rig = rig_of(version).await;
    let placed = order("key").build();
    rig.odoo_sim.set_keys("integ", vec!["rotated".to_owned()]);
    let refused = write_one(&rig, &create(&placed)).await;
    assert!(assert_transient(&refused, "erp_credentials").is_some());
    let known = rig.world.secrets.api("odoo-main", "key").unwrap();
    rig.odoo_sim.set_keys("integ", vec![known.to_owned()]);
    assert!(write_one(&rig, &create(&placed)).await.is_ok());
}

async fn throttled_is_transient_with_a_wait_and_a_proxy_error_is_not_known(version: Version) {
    let rig = rig_of(version).await;
    let placed = order("busy").build();
    rig.fail_next(Sim::Odoo, Fault::Throttle);
    let busy = write_one(&rig, &create(&placed)).await;
    assert!(assert_transient(&busy, "erp_busy").is_some());
    rig.fail_next(Sim::Odoo, Fault::ServerError);
    assert_indeterminate(&write_one(&rig, &create(&placed)).await, "erp_answer_lost");
    rig.fail_next(Sim::Odoo, Fault::Cut);
    assert_indeterminate(&write_one(&rig, &create(&placed)).await, "erp_answer_lost");
    assert!(all_held(&rig, &placed).is_empty());
    assert!(write_one(&rig, &create(&placed)).await.is_ok());
    assert_eq!(held(&rig, &placed)["state"], "sale");
}

async fn a_lost_race_is_transient_and_writes_nothing(version: Version) {
    // The adapter repeats a load by itself, a confirmation not.
    for (method, times) in [("load", 3), ("action_confirm", 1)] {
        let rig = rig_of(version).await;
        let placed = order("race").build();
        rig.odoo_sim.inject(waybill_simulators::odoo::Injection {
            model: "sale.order".to_owned(),
            method: method.to_owned(),
            times,
            serialization: true,
            delay_ms: 0,
        });
        let lost = write_one(&rig, &create(&placed)).await;
        assert_transient(&lost, "erp_concurrency");
        assert!(write_one(&rig, &create(&placed)).await.is_ok());
        assert_eq!(held(&rig, &placed)["state"], "sale");
    }
}

async fn availability_is_unknown_where_odoo_does_not_track(version: Version) {
    let rig = rig_of(version).await;
    let placed = order("stock").build();
    assert!(write_one(&rig, &create(&placed)).await.is_ok());
    let skus = ["SKU-0001", "SKU-SCARCE", "SHIPPING", "SKU-NOPE"].map(sku);
    let found = rig
        .odoo
        .availability(&connection("odoo-main"), &skus)
        .await
        .unwrap();
    let of = |name: &str| {
        let line = found.iter().find(|a| a.sku == sku(name)).unwrap();
        line.available.map(|q| q.to_string())
    };
    assert_eq!(of("SKU-0001").as_deref(), Some("999998"));
    assert_eq!(of("SKU-SCARCE").as_deref(), Some("3"));
    assert_eq!(of("SHIPPING"), None);
    assert_eq!(of("SKU-NOPE"), None);
}

async fn orders_are_read_back_by_correlation(version: Version) {
    let rig = rig_of(version).await;
    let (kept, gone, absent) = (
        order("kept").build(),
        order("gone").build(),
        order("absent").build(),
    );
    for placed in [&kept, &gone] {
        assert!(write_one(&rig, &create(placed)).await.is_ok());
    }
    assert!(write_one(&rig, &cancel(&gone)).await.is_ok());
    let ids = [&kept, &gone, &absent].map(Order::correlation);
    let mut found = rig
        .odoo
        .orders(&connection("odoo-main"), &ids)
        .await
        .unwrap();
    found.sort_by_key(|o| o.cancelled);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].correlation, kept.correlation());
    assert!(found[0].confirmed && !found[0].cancelled);
    assert_eq!(found[0].total.amount, kept.totals.total);
    assert!(!found[1].confirmed && found[1].cancelled);
}

on_both!(
    ten_orders_are_confirmed_to_the_cent_in_few_calls,
    bad_orders_of_a_batch_do_not_hold_up_the_good_ones,
    an_order_that_odoo_refuses_to_create_is_told_from_its_neighbours,
    an_order_that_cannot_be_confirmed_is_found_by_halving,
    a_cent_of_rounding_is_refused_or_adjusted_by_policy,
    a_product_renumbered_since_is_never_sold_under_its_old_number,
    a_quotation_in_which_a_person_put_another_product_is_not_confirmed,
    an_order_is_cancelled_once_and_an_absent_one_needs_nothing,
    a_wrong_key_is_waited_for_and_the_new_one_works,
    throttled_is_transient_with_a_wait_and_a_proxy_error_is_not_known,
    a_lost_race_is_transient_and_writes_nothing,
    availability_is_unknown_where_odoo_does_not_track,
    orders_are_read_back_by_correlation,
);

//! What differs from one Odoo to another: prices and currencies, warehouses, companies; and what an
//! order that somebody has worked on still takes.

use super::odoo::{cancel, create, erp_command, held, money, on_both, order, write, write_one};
use super::odoo_flow::{amend, ship};
use super::rig::{Rig, Setup, assert_rejected, assert_transient, rig_of};
use serde_json::{Value, json};
use waybill_flow::ports::ErpCommand;
use waybill_model::command::{Command, CreateSaleOrder};
use waybill_model::order::{Order, OrderPayment};
use waybill_simulators::odoo::{Version, WarehouseSeed};
use waybill_testkit::build::{OrderBuilder, amount, connection, units};

/// Odoo with accounts in yen and dinars, a product for gift cards and tips, and every total exact.
async fn shop(version: Version) -> Rig {
    let setup = Setup {
        version,
        connections: |file| {
            file.replace(
                "totals = \"adjust\"",
                "tip_sku = \"GIFT-CARD\"\ngift_card_sku = \"GIFT-CARD\"",
            )
            .replace(
                "USD = ",
                "JPY = \"shop.pricelist_jpy\", KWD = \"shop.pricelist_kwd\", USD = ",
            )
        },
        odoo: |config| {
            config.pricelists.push(("JPY".to_owned(), 150.0));
            config.pricelists.push(("KWD".to_owned(), 0.3));
            if config.version == Version::V17 {
                config.price_places = 3;
            }
        },
        ..Setup::default()
    };
    setup.start().await
}

fn sells(id: &str, quantity: i64, price: &str) -> OrderBuilder {
    let builder = OrderBuilder::new(id).channel("shopify-main");
    builder
        .without_lines()
        .line("SKU-0001", quantity, price)
        .with(|o| o.shipping_lines.clear())
}

fn priced() -> Vec<Order> {
    let shipping = |id: &str, discount: &str| {
        let discount = amount(discount);
        let builder = order(id).taxes_added();
        builder.with(move |o| o.shipping_lines[0].discount = discount)
    };
    let less = |id: &str, quantity: i64, price: &str, discount: &str| {
        let discount = amount(discount);
        sells(id, quantity, price).with(move |o| o.lines[0].discount = discount)
    };
    let card = |o: &mut Order| {
        o.lines[1].sku = None;
        o.lines[1].gift_card = true;
    };
    vec![
        sells("on-top", 3, "9.99").taxes_added().build(),
        sells("inside", 3, "9.99").build(),
        less("line-discount", 3, "9.99", "1.00").build(),
        less("order-discount", 7, "2000.00", "1999.93").build(),
        less("all-of-it", 2, "10.00", "20.00").build(),
        shipping("free-shipping", "4.90").build(),
        shipping("less-shipping", "0.33").build(),
        sells("tip", 1, "10.00")
            .with(|o| o.tip = amount("3.33"))
            .build(),
        sells("rounding", 1, "10.00")
            .with(|o| o.rounding = amount("-0.02"))
            .build(),
        sells("card", 1, "10.00")
            .line("SKU-0002", 1, "50.00")
            .with(card)
            .build(),
        less("yen", 3, "1003", "100")
            .currency("JPY")
            .taxes_added()
            .build(),
        less("dinar", 3, "1.234", "0.1")
            .currency("KWD")
            .taxes_added()
            .build(),
        sells("fine", 1000, "0.0125").build(),
    ]
}

async fn every_kind_of_price_is_odoos_total_to_the_last_digit(version: Version) {
    let rig = shop(version).await;
    let orders = priced();
    let batch: Vec<ErpCommand> = orders.iter().map(create).collect();
    let outcomes = write(&rig, &batch).await;
    for (order, outcome) in orders.iter().zip(&outcomes) {
        assert!(outcome.is_ok(), "{}: {outcome:?}", order.number);
        let held = held(&rig, order);
        let total = held["amount_total"].as_f64().unwrap();
        let wanted: f64 = order.totals.total.to_string().parse().unwrap();
        assert!(
            (total - wanted).abs() < 1e-9,
            "{}: {total}, not {wanted}",
            order.number
        );
        assert_eq!(held["state"], "sale");
    }
}

async fn what_odoo_cannot_keep_exactly_is_named(version: Version) {
    let rig = rig_of(version).await;
    let half = |o: &mut Order| {
        o.lines[0].quantity = "1.125".to_owned().try_into().unwrap();
        o.lines[0].current_quantity = o.lines[0].quantity;
    };
    let coarse = sells("coarse", 1, "8.00").with(half).build();
    assert_rejected(
        &write_one(&rig, &create(&coarse)).await,
        "quantity_precision",
    );
    let card = |o: &mut Order| {
        o.lines[0].sku = None;
        o.lines[0].gift_card = true;
    };
    let card = sells("card", 1, "50.00").with(card).build();
    assert_rejected(
        &write_one(&rig, &create(&card)).await,
        "missing_gift_card_sku",
    );
    let setup = Setup {
        version,
        connections: |file| file.replace("USD = ", "KWD = \"shop.pricelist_kwd\", USD = "),
        odoo: |config| config.pricelists.push(("KWD".to_owned(), 0.3)),
        ..Setup::default()
    };
    let rig = setup.start().await;
    let dinar = sells("dinar", 1, "1.234").currency("KWD").build();
    let outcome = write_one(&rig, &create(&dinar)).await;
    match version {
        Version::V17 => assert_rejected(&outcome, "price_precision"),
        Version::V19 => assert!(outcome.is_ok(), "{outcome:?}"),
    }
}

fn from(order: &Order, warehouse: &str) -> Command {
    Command::CreateSaleOrder(CreateSaleOrder {
        erp: connection("odoo-main"),
        order: order.clone(),
        warehouse: Some(connection(warehouse)),
    })
}

async fn an_order_goes_to_the_warehouse_of_its_route(version: Version) {
    let setup = Setup {
        version,
        connections: |file| {
            file.replace(
                "owns_stock = true",
                "owns_stock = true\nodoo_warehouse = \"shop.wh_2\"",
            )
        },
        odoo: |config| {
            config.warehouses.push(WarehouseSeed {
                xid: "wh_2".to_owned(),
                location_xid: "loc_2".to_owned(),
                name: "Second".to_owned(),
                code: "WH2".to_owned(),
            });
        },
        ..Setup::default()
    };
    let rig = setup.start().await;
    let (own, other) = (order("own").build(), order("other").build());
    let batch = [
        erp_command(&own, "sale_order", from(&own, "canonical-main")),
        erp_command(&other, "sale_order", from(&other, "shipbob-main")),
    ];
    let outcomes = write(&rig, &batch).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_ne!(
        held(&rig, &own)["warehouse"],
        held(&rig, &other)["warehouse"]
    );
    let name = held(&rig, &own)["pickings"][0]["name"].clone();
    assert!(name.as_str().unwrap().starts_with("WH2/"), "{name}");
    // Routed elsewhere since: the delivery is planned already.
    let Command::CreateSaleOrder(moved) = from(&other, "canonical-main") else {
        unreachable!()
    };
    let moved = erp_command(&other, "amend", Command::AmendSaleOrder(moved));
    assert_rejected(&write_one(&rig, &moved).await, "warehouse_changed");
}

async fn a_company_that_the_user_may_not_work_in_is_told_and_waited_for(version: Version) {
    let placed = order("company").build();
    type Change = fn(String) -> String;
    let cases: [(Change, bool); 3] = [
        (
            |f| f.replace("protocol =", "company = \"base.main_company\"\nprotocol ="),
            true,
        ),
        (|f| f.replace("protocol =", "company = 1\nprotocol ="), true),
        (
            |f| f.replace("protocol =", "company = 7\nprotocol ="),
            false,
        ),
    ];
    for (connections, known) in cases {
        let setup = Setup {
            version,
            connections,
            ..Setup::default()
        };
        let rig = setup.start().await;
        let outcome = write_one(&rig, &create(&placed)).await;
        if known {
            assert!(outcome.is_ok(), "{outcome:?}");
        } else {
            assert!(assert_transient(&outcome, "erp_company").is_some());
        }
    }
}

/// One of `SKU-0001` less.
fn less(order: &Order) -> Order {
    let mut order = order.clone();
    order.lines[0].current_quantity = units(1);
    order
}

async fn an_order_that_somebody_worked_on_takes_a_change_or_says_why_not(version: Version) {
    let rig = rig_of(version).await;
    let edit = |order: &Order, vals: Value| {
        let domain = json!([["client_order_ref", "=", order.number.as_str()]]);
        rig.odoo_sim.edit("sale.order", &domain, &vals).unwrap();
    };
    let place = async |id: &str| {
        let placed = order(id).payment(OrderPayment::Authorized).build();
        let outcome = write_one(&rig, &create(&placed)).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        placed
    };
    // Set back to a quotation: changed, and confirmed again.
    let back = place("back").await;
    assert!(write_one(&rig, &cancel(&back)).await.is_ok());
    edit(&back, json!({"state": "draft"}));
    assert!(write_one(&rig, &amend(&less(&back))).await.is_ok());
    let now = held(&rig, &back);
    assert_eq!(
        (now["state"].as_str(), money(&now["amount_total"])),
        (Some("sale"), "47.40".to_owned())
    );
    // Locked.
    let locked = place("locked").await;
    edit(&locked, json!({"locked": true}));
    assert_rejected(
        &write_one(&rig, &amend(&less(&locked))).await,
        "order_locked",
    );
    assert_rejected(&write_one(&rig, &cancel(&locked)).await, "order_locked");
    assert!(write_one(&rig, &amend(&locked)).await.is_ok());
    // A part has left.
    let part = place("part").await;
    assert!(
        write_one(&rig, &ship(&part, "S1", &[("SKU-0002", "1")]))
            .await
            .is_ok()
    );
    assert_rejected(
        &write_one(&rig, &amend(&less(&part))).await,
        "already_shipped",
    );
    assert_rejected(&write_one(&rig, &cancel(&part)).await, "already_shipped");
    // Cancelled by hand.
    let gone = place("gone").await;
    assert!(write_one(&rig, &cancel(&gone)).await.is_ok());
    assert_rejected(
        &write_one(&rig, &amend(&less(&gone))).await,
        "cancelled_in_erp",
    );
}

async fn a_change_of_taxes_alone_reaches_the_order(version: Version) {
    let rig = rig_of(version).await;
    let placed = order("taxes").taxes_added().build();
    assert!(write_one(&rig, &create(&placed)).await.is_ok());
    let mut exempt = placed.clone();
    for line in &mut exempt.lines {
        line.taxes.clear();
    }
    assert!(write_one(&rig, &amend(&exempt)).await.is_ok());
    let paid = money(&held(&rig, &placed)["amount_total"]);
    assert_eq!(paid, "60.88", "only shipping is taxed");
    // A price that no line of Odoo's can have is told.
    let mut odd = exempt.clone();
    odd.lines[0].taxes = placed.lines[0].taxes.clone();
    odd.lines[0].taxes[0].amount = amount("99.00");
    assert_rejected(&write_one(&rig, &amend(&odd)).await, "total_mismatch");
}

on_both!(
    every_kind_of_price_is_odoos_total_to_the_last_digit,
    what_odoo_cannot_keep_exactly_is_named,
    an_order_goes_to_the_warehouse_of_its_route,
    a_company_that_the_user_may_not_work_in_is_told_and_waited_for,
    an_order_that_somebody_worked_on_takes_a_change_or_says_why_not,
    a_change_of_taxes_alone_reaches_the_order,
);

//! What blocks an order.

use waybill_flow::connections::Connections;
use waybill_flow::validate::{MAX_LINES, findings};
use waybill_model::event::Finding;
use waybill_model::money::Amount;
use waybill_model::order::Order;
use waybill_testkit::build::{self, OrderBuilder, connection};

fn found(order: &Order) -> Vec<Finding> {
    let rules = Connections::parse(crate::world::CONNECTIONS).unwrap();
    findings(order, rules.channel(&connection("shop-main")).unwrap())
}

fn codes(order: &Order) -> Vec<String> {
    found(order)
        .into_iter()
        .map(|f| f.code.to_string())
        .collect()
}

/// Codes of the usual order with this change, taxes and totals being right.
fn with(change: impl FnOnce(&mut Order)) -> Vec<String> {
    codes(&OrderBuilder::new("1001").with(change).build())
}

/// The same with a change that leaves the totals as they were.
fn after(change: impl FnOnce(&mut Order)) -> Vec<String> {
    let mut order = build::order("1001");
    change(&mut order);
    codes(&order)
}

const NONE: [&str; 0] = [];

#[test]
fn a_good_order_has_no_findings() {
    assert_eq!(with(|_| ()), NONE);
    assert_eq!(
        codes(&OrderBuilder::new("1001").taxes_added().build()),
        NONE
    );
}

#[test]
fn a_test_order_an_empty_one_and_one_too_long_are_named() {
    assert_eq!(with(|o| o.test = true), ["test_order"]);
    assert_eq!(
        codes(&OrderBuilder::new("1001").without_lines().build()),
        ["no_lines"]
    );
    let lines = |count: usize| {
        with(|order| {
            let line = order.lines[0].clone();
            order.lines = vec![line; count];
        })
    };
    assert_eq!(lines(MAX_LINES), NONE);
    assert_eq!(lines(MAX_LINES + 1), ["too_many_lines"]);
}

#[test]
fn somebody_must_be_known_by_something() {
    let digital = |change: &dyn Fn(&mut Order)| {
        with(|order| {
            order
                .lines
                .iter_mut()
                .for_each(|l| l.requires_shipping = false);
            order.billing = None;
            order.shipping = None;
            change(order);
        })
    };
    let nameless = |order: &mut Order| {
        let customer = order.customer.as_mut().unwrap();
        (customer.id, customer.name, customer.email) = (None, None, None);
    };
    assert_eq!(digital(&|_| ()), NONE);
    assert_eq!(digital(&|o| o.customer = None), ["customer_unknown"]);
    assert_eq!(digital(&nameless), ["customer_unknown"]);
    let address = || build::order("1001").billing;
    for known in [
        |o: &mut Order| o.customer.as_mut().unwrap().id = Some(build::external("C-1")),
        |o: &mut Order| o.customer.as_mut().unwrap().name = Some("Ada Example".to_owned()),
        |o: &mut Order| o.customer.as_mut().unwrap().email = Some("ada@example.com".to_owned()),
        |o: &mut Order| o.customer.as_mut().unwrap().phone = Some("+49 30 1".to_owned()),
    ] {
        assert_eq!(digital(&|o| (nameless(o), known(o)).1), NONE);
    }
    assert_eq!(digital(&|o| (nameless(o), o.billing = address()).1), NONE);
    assert_eq!(digital(&|o| (nameless(o), o.shipping = address()).1), NONE);
}

#[test]
fn an_order_that_is_sent_needs_a_whole_address_and_a_way_of_delivery() {
    assert_eq!(with(|o| o.shipping = None), ["address_missing"]);
    let address = |change: fn(&mut waybill_model::party::Address)| {
        with(|order| change(order.shipping.as_mut().unwrap()))
    };
    assert_eq!(address(|a| a.street = None), ["address_incomplete"]);
    assert_eq!(address(|a| a.city = None), ["address_incomplete"]);
    assert_eq!(address(|a| a.country = None), ["address_incomplete"]);
    assert_eq!(address(|a| a.zip = None), NONE);
    for country in ["Germany", "de", "D3", "DEU", ""] {
        let mut order = build::order("1001");
        order.shipping.as_mut().unwrap().country = Some(country.to_owned());
        assert_eq!(codes(&order), ["country_unknown"], "{country}");
    }
    let unsent = |order: &mut Order| order.shipping_lines.clear();
    assert_eq!(with(unsent), ["shipping_method_missing"]);
    let taken_along = |order: &mut Order| {
        order
            .lines
            .iter_mut()
            .for_each(|l| l.requires_shipping = false);
        order.shipping_lines.clear();
        order.shipping = None;
    };
    assert_eq!(with(taken_along), NONE);
}

#[test]
fn every_line_needs_a_sku_and_a_quantity() {
    assert_eq!(with(|o| o.lines[1].sku = None), ["sku_missing"]);
    let nothing = |o: &mut Order| o.lines[1].quantity = build::units(0);
    assert_eq!(with(nothing), ["quantity_zero"]);
}

#[test]
fn no_price_and_no_discount_is_below_zero() {
    let cent = || build::amount("-0.01");
    assert_eq!(
        with(|o| o.lines[0].unit_price = cent()),
        ["negative_amount"]
    );
    assert_eq!(with(|o| o.lines[0].discount = cent()), ["negative_amount"]);
    assert_eq!(
        with(|o| o.shipping_lines[0].price = cent()),
        ["negative_amount"]
    );
    assert_eq!(
        with(|o| o.shipping_lines[0].discount = cent()),
        ["negative_amount"]
    );
    assert_eq!(with(|o| o.lines[0].unit_price = Amount::ZERO), NONE);
}

#[test]
fn every_total_is_compared_with_its_parts() {
    let one = || build::amount("1.00");
    let told = |change: fn(&mut Order)| {
        let mut order = build::order("1001");
        change(&mut order);
        let findings = found(&order).into_iter();
        findings.map(|f| f.detail).collect::<Vec<_>>().join("; ")
    };
    assert!(told(|o| o.totals.tax = build::amount("1.00")).contains("`tax` is stated as `1.00`"));
    let subtotal = told(|o| o.totals.subtotal = build::amount("1.00"));
    assert!(subtotal.contains("`subtotal` is stated as `1.00`, its parts add up to `55.00`"));
    let shipping = told(|o| o.totals.shipping = build::amount("1.00"));
    assert!(shipping.contains("`shipping` is stated as `1.00`, its parts add up to `4.90`"));
    let total = told(|o| o.totals.total = build::amount("1.00"));
    assert!(total.contains("`total` is stated as `1.00`, its parts add up to `59.90`"));
    assert_eq!(after(|o| o.tip = one()), ["total_mismatch"]);
    assert_eq!(after(|o| o.rounding = one()), ["total_mismatch"]);
    assert_eq!(with(|o| (o.tip, o.rounding) = (one(), one())), NONE);
    let huge = |o: &mut Order| {
        let most = rust_decimal::Decimal::from(999_999_999_999_999_i64);
        o.lines[0].unit_price = Amount::from_decimal(most).unwrap();
        o.lines[0].unit_price = (0..5).fold(o.lines[0].unit_price, |sum, _| {
            sum.times(rust_decimal::Decimal::from(1000)).unwrap_or(sum)
        });
        o.lines[0].quantity = build::units(999_999_999);
    };
    assert_eq!(after(huge), ["total_mismatch"]);
}

#[test]
fn tax_may_be_off_by_a_minor_unit_for_each_rounded_part() {
    // Three parts are taxed: two lines and the shipping.
    let off = |by: &str| after(|o| o.totals.tax = o.totals.tax.plus(build::amount(by)).unwrap());
    assert_eq!(off("0.03"), NONE);
    assert_eq!(off("-0.03"), NONE);
    assert_eq!(off("0.04"), ["total_mismatch"]);
    assert_eq!(off("-0.04"), ["total_mismatch"]);
}

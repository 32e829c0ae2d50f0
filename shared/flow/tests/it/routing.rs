//! Which warehouse an order goes to.

use waybill_flow::connections::{ChannelSettings, Connections};
use waybill_flow::routing::route;
use waybill_model::order::Order;
use waybill_testkit::build::{self, OrderBuilder, connection};

/// The shop of the tests with one route under these conditions.
fn settings(conditions: &str) -> ChannelSettings {
    let file = crate::world::CONNECTIONS;
    let with = format!("warehouse = \"threepl\"\n{conditions}");
    let file = file.replace("warehouse = \"threepl\"", &with);
    let rules = Connections::parse(&file).unwrap();
    rules.channel(&connection("shop-main")).unwrap().clone()
}

fn fits(order: &Order, conditions: &str) -> bool {
    let settings = settings(conditions);
    let found = route(order, &settings);
    assert!(found.is_none_or(|w| w.as_str() == "threepl"));
    found.is_some()
}

#[test]
fn a_route_without_conditions_fits_every_order() {
    assert!(fits(&build::order("1001"), ""));
}

#[test]
fn every_condition_of_a_route_must_fit() {
    let conditions = |country: &str, method: &str, prefix: &str| {
        format!(
            "countries = [\"FR\", \"{country}\"]\nmethods = [\"{method}\"]\n\
             sku_prefixes = [\"MUG-\", \"{prefix}\"]"
        )
    };
    let order = build::order("1001");
    assert!(fits(&order, &conditions("de", "standard", "TEE-")));
    assert!(!fits(&order, &conditions("AT", "standard", "TEE-")));
    assert!(!fits(&order, &conditions("de", "express", "TEE-")));
    assert!(!fits(&order, &conditions("de", "standard", "CAP-")));
}

#[test]
fn an_order_without_an_address_fits_no_route_by_country() {
    let order = OrderBuilder::new("1001").with(|o| o.shipping = None);
    assert!(!fits(&order.build(), "countries = [\"DE\"]"));
}

#[test]
fn only_goods_that_ship_are_asked_for_their_sku() {
    let digital = OrderBuilder::new("1001").with(|o| o.lines[1].requires_shipping = false);
    assert!(fits(&digital.build(), "sku_prefixes = [\"MUG-\"]"));
    let unknown = OrderBuilder::new("1001").with(|o| o.lines[1].sku = None);
    assert!(!fits(
        &unknown.build(),
        "sku_prefixes = [\"MUG-\", \"TEE-\"]"
    ));
}

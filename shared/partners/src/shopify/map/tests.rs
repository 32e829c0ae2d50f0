//! Bodies to facts, on our own fixtures; and on the shared samples, where they are present.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use waybill_model::delivery::Origin;
use waybill_model::id::{ConnectionId, MessageId};
use waybill_model::money::Amount;
use waybill_model::order::Order;
use waybill_model::payment::Refund;
use waybill_model::returns::ReturnStatus;
use waybill_model::time::Instant;

pub(crate) const ORDER: &str = include_str!("../../../fixtures/shopify/order.json");
const REFUND: &str = include_str!("../../../fixtures/shopify/refund.json");
const RETURN: &str = include_str!("../../../fixtures/shopify/return_requested.json");

pub(crate) fn connection() -> Connection {
    serde_json::from_value(json!({
        "id": "shop", "partner": "shopify", "base_url": "https://example.myshopify.com",
        "api_version": null, "webhook_url": null, "calls_per_minute": null,
        "settings": { "shop_domain": "example.myshopify.com" },
        "channel": { "erp": "odoo" }, "warehouse": null, "helpdesk": null, "erp": null,
    }))
    .unwrap()
}

fn delivery(topic: &str, body: &[u8]) -> Delivery {
    Delivery {
        receipt: MessageId::new("r-1").unwrap(),
        connection: ConnectionId::new("shop").unwrap(),
        origin: Origin::Webhook,
        topic: Some(topic.to_owned()),
        dedupe_id: None,
        headers: BTreeMap::from([
            (SHOP.to_owned(), "Example.myshopify.com".to_owned()),
            (
                crate::shopify::verify::TRIGGERED_AT.to_owned(),
                "2026-03-06T09:00:00.123456789Z".to_owned(),
            ),
        ]),
        received_at: Instant::from_epoch_s(1_800_000_000),
        replayed_at: None,
        traceparent: None,
        body: body.to_vec(),
    }
}

fn read(topic: &str, body: &Value) -> Result<Parsed, Unreadable> {
    let body = serde_json::to_vec(body).unwrap();
    parse(&connection(), &delivery(topic, &body))
}

fn fixture(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn events(parsed: Parsed) -> Vec<Event> {
    match parsed {
        Parsed::Facts { facts, .. } => facts.into_iter().map(|f| f.event).collect(),
        other => panic!("no facts: {other:?}"),
    }
}

fn order_of(body: &Value) -> Order {
    match events(read("orders/updated", body).unwrap()).swap_remove(0) {
        Event::OrderObserved(o) => o.order,
        other => panic!("no order: {other:?}"),
    }
}

fn refund_of(body: &Value) -> Refund {
    match events(read("refunds/create", body).unwrap()).swap_remove(0) {
        Event::RefundObserved(r) => r,
        other => panic!("no refund: {other:?}"),
    }
}

fn code(result: Result<Parsed, Unreadable>) -> String {
    match result {
        Ok(Parsed::Ignored { code }) => code.to_string(),
        Err(e) => e.code.to_string(),
        other => panic!("neither ignored nor refused: {other:?}"),
    }
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap()
}

#[test]
fn an_order_is_read_whole() {
    let order = order_of(&fixture(ORDER));
    assert_eq!(order.id.as_str(), "9007199254740995");
    assert_eq!(order.number.as_str(), "#W-2041");
    assert_eq!(order.placed_at.to_string(), "2026-03-02T09:15:29Z");
    assert_eq!(order.version.0, 1_772_442_931_999_999);
    assert_eq!(order.currency.as_str(), "EUR");
    assert_eq!(order.payment, OrderPayment::Paid);
    let customer = order.customer.as_ref().unwrap();
    assert_eq!(customer.email.as_deref(), Some("ada.example@example.org"));
    assert_eq!(customer.name.as_deref(), Some("Ada Example"));
    let shipping = order.shipping.as_ref().unwrap();
    assert_eq!(shipping.name.as_deref(), Some("Ada Example"));
    assert_eq!(shipping.region.as_deref(), Some("Steiermark"));
    let billing = order.billing.as_ref().unwrap();
    assert_eq!(billing.country.as_deref(), Some("AT"));
    assert_eq!(billing.street2, None);
    assert_eq!(order.note.as_deref(), Some("Please ring twice"));
}

#[test]
fn discounts_come_from_allocations_and_the_parts_add_up() {
    let order = order_of(&fixture(ORDER));
    let [mug, engraving] = order.lines.as_slice() else {
        panic!("two lines")
    };
    assert_eq!(mug.discount, amount("19.10"));
    assert_eq!(
        mug.unit_price,
        amount("70.50"),
        "the shop's money, not the customer's"
    );
    assert_eq!(mug.taxes[0].rate, amount("0.2"));
    assert_eq!(engraving.sku, None);
    assert!(!engraving.requires_shipping);
    let lines = order.lines.iter().map(|l| l.total().unwrap());
    assert_eq!(Amount::sum(lines), Some(order.totals.subtotal));
    assert_eq!(order.totals.shipping, amount("5.00"));
    assert_eq!(order.shipping_lines[0].discount, amount("5.00"));
    let parts = [
        order.totals.subtotal,
        order.totals.shipping,
        order.totals.tax,
    ];
    assert_eq!(Amount::sum(parts), Some(order.totals.total));
}

#[test]
fn webhook_and_poll_give_the_same_facts() {
    let webhook = events(read("orders/create", &fixture(ORDER)).unwrap());
    let mut polled = fixture(ORDER);
    polled["line_items"][0]["price_set"]["shop_money"]["amount"] = json!("70.5");
    let polled = events(read("orders/updated", &json!({ "order": polled })).unwrap());
    assert_eq!(
        serde_json::to_string(&webhook).unwrap(),
        serde_json::to_string(&polled).unwrap()
    );
}

#[test]
fn an_order_without_customer_and_addresses_is_read() {
    let mut body = fixture(ORDER);
    for field in ["customer", "billing_address", "shipping_address", "email"] {
        body[field] = Value::Null;
    }
    body.as_object_mut().unwrap().remove("refunds");
    let order = order_of(&body);
    assert_eq!(order.customer, None);
    assert_eq!(order.billing, None);
    assert_eq!(order.shipping, None);
    body["email"] = json!("Guest@example.org");
    let guest = order_of(&body).customer.unwrap();
    assert_eq!(
        (guest.id, guest.email.as_deref()),
        (None, Some("guest@example.org"))
    );
}

#[test]
fn the_line_of_a_tip_is_a_tip_and_no_goods() {
    let mut body = fixture(ORDER);
    let mut tip = body["line_items"][1].clone();
    tip["price"] = json!("7.00");
    tip["tip_payment_gateway"] = json!("stripe");
    tip["discount_allocations"] = json!([]);
    body["line_items"].as_array_mut().unwrap().push(tip);
    body["total_price"] = json!("210.88");
    let order = order_of(&body);
    assert_eq!(order.lines.len(), 2);
    assert_eq!(order.tip, amount("7.00"));
    body["total_tip_received"] = json!("7.00");
    assert_eq!(order_of(&body).tip, amount("7.00"), "not counted twice");
}

#[test]
fn cash_rounding_counts_where_the_parts_do_not_add_up_without_it() {
    let mut body = fixture(ORDER);
    body["total_cash_rounding_payment_adjustment_set"]["shop_money"]["amount"] = json!("0.02");
    assert!(order_of(&body).rounding.is_zero());
    body["total_price"] = json!("203.90");
    assert_eq!(order_of(&body).rounding, amount("0.02"));
}

#[test]
fn edits_cancels_gift_cards_and_tests_are_seen() {
    let mut body = fixture(ORDER);
    body["line_items"][0]["current_quantity"] = json!(1);
    body["line_items"][1]["gift_card"] = json!(true);
    body["test"] = json!(true);
    body["cancelled_at"] = json!("2026-03-03T00:00:00Z");
    body["cancel_reason"] = json!("customer");
    let order = order_of(&body);
    assert_eq!(order.lines[0].quantity.units(), Some(2));
    assert_eq!(order.lines[0].current_quantity.units(), Some(1));
    assert!(order.lines[1].gift_card);
    assert!(order.test);
    assert_eq!(order.cancelled.unwrap().reason.as_deref(), Some("customer"));
}

#[test]
fn yen_have_no_cents() {
    let mut body = fixture(ORDER);
    body["currency"] = json!("JPY");
    for set in [
        "subtotal_price_set",
        "total_cash_rounding_payment_adjustment_set",
    ] {
        body[set] = Value::Null;
    }
    body["line_items"][0]
        .as_object_mut()
        .unwrap()
        .remove("price_set");
    body["line_items"][0]["discount_allocations"] = json!([]);
    body["line_items"][0]["tax_lines"] = json!([]);
    body["line_items"][0]["price"] = json!("1200.00");
    assert_eq!(order_of(&body).lines[0].unit_price.to_string(), "1200");
}

#[test]
fn what_is_not_money_or_not_an_order_is_refused_with_its_place() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut body = fixture(ORDER);
        change(&mut body);
        let error = read("orders/create", &body).unwrap_err();
        (error.code.to_string(), error.detail)
    };
    let (code, detail) = refused(&|b| b["total_price"] = json!("12345678901234567.89"));
    assert_eq!(code, "bad_amount");
    assert!(detail.contains("`total_price`"), "{detail}");
    let (code, _) =
        refused(&|b| b["line_items"][0]["price_set"]["shop_money"]["currency_code"] = json!("USD"));
    assert_eq!(code, "mixed_currencies");
    assert_eq!(
        refused(&|b| b["financial_status"] = json!("odd")).0,
        "unknown_payment_status"
    );
    assert_eq!(refused(&|b| b["updated_at"] = Value::Null).0, "no_version");
    assert_eq!(
        refused(&|b| b["updated_at"] = json!("2026-03-02T10:15:31")).0,
        "bad_instant"
    );
    assert_eq!(refused(&|b| b["id"] = json!(1.5)).0, "unreadable_json");
    assert_eq!(
        refused(&|b| b["line_items"][0]["quantity"] = json!(-1)).0,
        "bad_quantity"
    );
    assert_eq!(
        refused(&|b| b["line_items"] = Value::Null).0,
        "missing_lines"
    );
    assert_eq!(code_of_text("orders/create", "{"), "unreadable_json");
}

fn code_of_text(topic: &str, text: &str) -> String {
    code(parse(&connection(), &delivery(topic, text.as_bytes())))
}

#[test]
fn a_number_with_more_than_fifteen_digits_is_refused_not_rounded() {
    let text = REFUND.replace("\"subtotal_set\"", "\"old_set\"");
    let long = text.replace("\"subtotal\": 60.95", "\"subtotal\": 60.9500000000000001");
    assert_eq!(code_of_text("refunds/create", &long), "bad_amount");
    let read = parse(&connection(), &delivery("refunds/create", text.as_bytes()));
    assert!(matches!(read, Ok(Parsed::Facts { .. })));
}

#[test]
fn another_shop_and_another_kind_of_body_are_refused() {
    let mut other = delivery("orders/create", ORDER.as_bytes());
    other
        .headers
        .insert(SHOP.to_owned(), "other.myshopify.com".to_owned());
    assert_eq!(code(parse(&connection(), &other)), "wrong_shop");
    assert_eq!(code(read("refunds/create", &fixture(ORDER))), "wrong_kind");
    assert_eq!(
        code(read("returns/approve", &fixture(REFUND))),
        "wrong_kind"
    );
}

#[test]
fn a_refund_takes_amounts_from_the_sets_and_shipping_from_the_adjustments() {
    let refund = refund_of(&fixture(REFUND));
    assert_eq!(refund.id.as_str(), "9100000000000000001");
    assert_eq!(refund.status, RefundStatus::Succeeded);
    assert_eq!(refund.amount.to_string(), "79.14 EUR");
    assert_eq!(refund.shipping, amount("6.00"));
    assert_eq!(refund.lines[0].amount, amount("73.14"));
    assert!(refund.lines[0].restock);
    assert_eq!(refund.gateway_id.unwrap().as_str(), "re_fixture_1");
}

#[test]
fn a_refund_without_transactions_is_a_request() {
    let mut body = fixture(REFUND);
    body["transactions"] = json!([]);
    let refund = refund_of(&body);
    assert_eq!(refund.status, RefundStatus::Requested);
    assert_eq!(refund.amount.to_string(), "79.14 EUR");
}

#[test]
fn the_state_of_a_refund_is_that_of_its_transactions() {
    let with = |states: &[(&str, &str)]| {
        let mut body = fixture(REFUND);
        let one = body["transactions"][0].clone();
        let all: Vec<Value> = states
            .iter()
            .map(|(status, amount)| {
                let mut t = one.clone();
                t["status"] = json!(status);
                t["amount"] = json!(amount);
                t
            })
            .collect();
        body["transactions"] = json!(all);
        let refund = refund_of(&body);
        (refund.status, refund.amount.amount.to_string())
    };
    assert_eq!(with(&[("pending", "79.14")]).0, RefundStatus::Pending);
    assert_eq!(with(&[("failure", "79.14")]).0, RefundStatus::Failed);
    let split = with(&[("success", "70.00"), ("error", "9.14")]);
    assert_eq!(split, (RefundStatus::Succeeded, "70.00".to_owned()));
}

#[test]
fn prices_with_tax_are_told_by_the_rates_or_the_order() {
    let mut body = fixture(REFUND);
    body["transactions"] = json!([]);
    body["order_adjustments"] = json!([]);
    // 60.95 that contain 20 %: 10.16 of it is tax.
    body["refund_line_items"][0]["total_tax_set"]["shop_money"]["amount"] = json!("10.16");
    assert_eq!(refund_of(&body).amount.to_string(), "60.95 EUR");
    body["refund_line_items"][0]["line_item"]["tax_lines"] = json!([]);
    assert_eq!(code(read("refunds/create", &body)), "refund_needs_order");
    let mut order = fixture(ORDER);
    order["taxes_included"] = json!(true);
    order["refunds"] = json!([body]);
    let found = events(read("orders/updated", &order).unwrap());
    let Some(Event::RefundObserved(refund)) = found.get(1) else {
        panic!("no refund in the order")
    };
    assert_eq!(refund.amount.to_string(), "60.95 EUR");
}

#[test]
fn an_order_tells_its_refunds_as_the_webhook_does() {
    let mut order = fixture(ORDER);
    order["financial_status"] = json!("partially_refunded");
    order["refunds"] = json!([fixture(REFUND)]);
    let found = events(read("orders/updated", &order).unwrap());
    let told = events(read("refunds/create", &fixture(REFUND)).unwrap());
    assert_eq!(found[1..], told[..]);
}

#[test]
fn no_money_is_due_for_goods_taken_off_an_unpaid_order() {
    let mut refund = fixture(REFUND);
    refund["transactions"] = json!([]);
    let mut order = fixture(ORDER);
    order["financial_status"] = json!("pending");
    order["refunds"] = json!([refund]);
    assert_eq!(events(read("orders/updated", &order).unwrap()).len(), 1);
    // With the discrepancy that takes all of it off again.
    refund["order_adjustments"] = json!([{ "kind": "refund_discrepancy", "amount": "73.14" }]);
    assert_eq!(
        code(read("refunds/create", &refund)),
        "refund_without_money"
    );
    refund["transactions"] = json!([{ "kind": "void", "status": "success", "amount": "5.00" }]);
    assert_eq!(
        code(read("refunds/create", &refund)),
        "refund_without_money"
    );
}

#[test]
fn returns_are_told_by_their_own_status() {
    let status = |topic: &str, status: Value| {
        let mut body = fixture(RETURN);
        body["status"] = status;
        match events(read(topic, &body).unwrap()).swap_remove(0) {
            Event::ReturnObserved(r) => r.status,
            other => panic!("no return: {other:?}"),
        }
    };
    assert_eq!(
        status("returns/request", json!("requested")),
        ReturnStatus::Requested
    );
    assert_eq!(
        status("returns/approve", json!("OPEN")),
        ReturnStatus::Authorized
    );
    assert_eq!(
        status("returns/approve", json!("requested")),
        ReturnStatus::Requested
    );
    assert_eq!(
        status("returns/decline", Value::Null),
        ReturnStatus::Declined
    );
    assert_eq!(
        status("returns/close", json!("closed")),
        ReturnStatus::Authorized
    );
    let later =
        json!({ "id": 4400000001_i64, "order_id": 9007199254740995_i64, "status": "canceled" });
    let Event::ReturnObserved(cancelled) =
        events(read("returns/cancel", &later).unwrap()).swap_remove(0)
    else {
        panic!("no return")
    };
    assert_eq!(cancelled.status, ReturnStatus::Declined);
    assert_eq!(cancelled.version.0, 1_772_787_600_123_456);
    assert_eq!(
        code(read(
            "returns/close",
            &json!({ "id": 1, "status": "closed" })
        )),
        "no_order"
    );
}

#[test]
fn topics_without_facts_for_us_are_acknowledged_with_a_reason() {
    for (topic, expected) in [
        ("fulfillments/create", "not_owner"),
        ("inventory_levels/update", "not_owner"),
        ("fulfillment_orders/placed_on_hold", "not_owner"),
        ("app/uninstalled", "app_uninstalled"),
        ("shop/redact", "privacy_request"),
        ("order_transactions/create", "told_by_order"),
        ("orders/delete", "order_deleted"),
        ("themes/publish", "unknown_topic"),
        ("", "unknown_topic"),
    ] {
        assert_eq!(code(read(topic, &json!({ "id": 1 }))), expected, "{topic}");
    }
    assert_eq!(
        code(read(
            "fulfillments/update",
            &json!({ "service": "gift_card" })
        )),
        "gift_card_fulfillment"
    );
    assert_eq!(
        code(read("orders/edited", &json!({ "order_edit": { "id": 1 } }))),
        "order_edit_difference"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mutated_bodies_never_panic(
        which in 0_usize..3,
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
    ) {
        let (topic, text) = [("orders/create", ORDER), ("refunds/create", REFUND), ("returns/request", RETURN)][which];
        let mut bytes = text.as_bytes().to_vec();
        for (at, byte) in cuts {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if end.index(3) == 0 {
            bytes.truncate(end.index(bytes.len()));
        }
        let _parsed = parse(&connection(), &delivery(topic, &bytes));
    }

    #[test]
    fn values_of_other_types_never_panic(
        which in 0_usize..3,
        at in any::<prop::sample::Index>(),
        value in prop_oneof![
            Just(Value::Null), Just(json!([])), Just(json!({})), Just(json!("")), Just(json!(true)),
            any::<i64>().prop_map(|n| json!(n)), any::<f64>().prop_map(|n| json!(n)),
            "[-+0-9.eE]{0,20}".prop_map(|s| json!(s)),
        ],
    ) {
        let (topic, text) = [("orders/create", ORDER), ("refunds/create", REFUND), ("returns/request", RETURN)][which];
        let mut body = fixture(text);
        let mut paths = Vec::new();
        leaves(&body, &mut String::new(), &mut paths);
        let path = &paths[at.index(paths.len())];
        *body.pointer_mut(path).unwrap() = value;
        let _parsed = read(topic, &body);
    }
}

fn leaves(value: &Value, path: &mut String, paths: &mut Vec<String>) {
    let mut visit = |key: String, child: &Value, path: &mut String| {
        let length = path.len();
        path.push('/');
        path.push_str(&key);
        paths.push(path.clone());
        leaves(child, path, paths);
        path.truncate(length);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| visit(k.clone(), v, path)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, v)| visit(i.to_string(), v, path)),
        _ => {}
    }
}

/// The samples lie beside the repository and are optional.
fn samples() -> Option<PathBuf> {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|a| a.join("shared/wire/samples/shopify"))
        .find(|p| p.is_dir())
}

#[test]
fn every_sample_is_read_or_refused_for_a_reason() {
    let Some(root) = samples() else {
        eprintln!("skipped: no samples beside the repository");
        return;
    };
    let mut seen = 0;
    for folder in std::fs::read_dir(root).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        for file in std::fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            let body = std::fs::read(&file).unwrap();
            let place = format!("{name}/{}", file.file_name().unwrap().to_string_lossy());
            check_sample(&name, &place, &body);
            seen += 1;
        }
    }
    assert!(seen > 0);
}

/// What must come of a sample: the code, or `facts`.
fn expected(folder: &str, file: &str) -> (&'static str, &'static [&'static str]) {
    match (folder, file) {
        // Only some of the fields were asked for.
        ("rest_order", "pyapi_orders.json") => ("orders/updated", &["missing_lines"]),
        ("rest_order", _) => ("orders/updated", &["facts"]),
        // Amounts of three currencies in one order: an example that shows every field.
        ("orders_any", _) => ("orders/updated", &["mixed_currencies"]),
        // Calculations are no refunds: they have no id.
        ("rest_refund", f) if f.contains("calculate") => ("refunds/create", &["unreadable_json"]),
        // From before amounts stood on the lines.
        ("rest_refund", "pyapi_refund.json") => ("refunds/create", &["missing_amount"]),
        ("rest_refund" | "refunds_create", _) => (
            "refunds/create",
            &["facts", "refund_without_money", "refund_needs_order"],
        ),
        ("rest_fulfillment", _) => ("fulfillments/update", &["not_owner"]),
        ("rest_inventory_level", _) => ("inventory_levels/update", &["not_owner"]),
        ("rest_fulfillment_order", _) => {
            ("fulfillment_orders/order_routing_complete", &["not_owner"])
        }
        ("rest_transaction", _) => ("order_transactions/create", &["told_by_order"]),
        ("tender_transactions_create", _) => ("tender_transactions/create", &["told_by_order"]),
        ("disputes_create", _) => ("disputes/create", &["unknown_topic"]),
        ("rest_customer", _) => ("customers/update", &["unknown_topic"]),
        ("rest_product", _) => ("products/update", &["unknown_topic"]),
        ("rest_gift_card" | "rest_payout", _) => ("payouts/paid", &["unknown_topic"]),
        ("line_item_edge" | "shipping_line_edge", _) => ("orders/updated", &["facts"]),
        _ => ("orders/updated", &["facts", "unreadable_json"]),
    }
}

fn check_sample(folder: &str, place: &str, body: &[u8]) {
    let file = place.rsplit('/').next().unwrap();
    let (topic, allowed) = expected(folder, file);
    let body = match folder {
        "line_item_edge" => in_an_order("line_items", "EUR", body),
        "shipping_line_edge" => in_an_order("shipping_lines", "USD", body),
        _ => body.to_vec(),
    };
    let found = match parse(&connection(), &delivery(topic, &body)) {
        Ok(Parsed::Facts { facts, .. }) => {
            assert!(!facts.is_empty(), "{place}");
            "facts".to_owned()
        }
        other => code(other),
    };
    assert!(allowed.contains(&found.as_str()), "{place}: `{found}`");
}

/// Samples of one line are read inside an order.
fn in_an_order(list: &str, currency: &str, line: &[u8]) -> Vec<u8> {
    let line: Value = serde_json::from_slice(line).unwrap();
    let order = json!({
        "id": 1, "name": "#1", "currency": currency, "created_at": "2026-03-02T10:15:30Z",
        "updated_at": "2026-03-02T10:15:30Z", "subtotal_price": "1.00", "total_price": "1.00",
        "line_items": [], list: [line],
    });
    serde_json::to_vec(&order).unwrap()
}

/// Placed, paid and edited in one second: `updated_at` is the same, and the one that was told last is the newest.
#[test]
fn of_two_states_of_one_second_the_one_that_was_told_later_is_newer() {
    let body = fixture(ORDER);
    let version = |told: Option<&str>| {
        let mut delivery = delivery("orders/updated", &serde_json::to_vec(&body).unwrap());
        delivery
            .headers
            .remove(crate::shopify::verify::TRIGGERED_AT);
        if let Some(told) = told {
            let name = crate::shopify::verify::TRIGGERED_AT.to_owned();
            delivery.headers.insert(name, told.to_owned());
        }
        match &events(parse(&connection(), &delivery).unwrap())[0] {
            Event::OrderObserved(told) => told.order.version.0,
            other => panic!("{other:?}"),
        }
    };
    let updated = Instant::parse(body["updated_at"].as_str().unwrap()).unwrap();
    let whole = updated.epoch_us();
    let at = |ms| version(Some(&updated.plus_ms(ms).to_string()));
    assert_eq!(at(250), whole + 250_000);
    assert!(at(250) < at(251));
    // Later than the second it is the last of it, and never one of the next.
    assert_eq!(at(1_000), whole + 999_999);
    assert_eq!(at(3_600_000), whole + 999_999);
    for told in [None, Some("yesterday"), Some("1970-01-01T00:00:00Z")] {
        assert_eq!(version(told), whole);
    }
}

//! What a replay would change, as a person is told.

use crate::told::payment;
use waybill_flow::differences::{Difference, between};
use waybill_flow::plan::keys;
use waybill_flow::state::{Effect, OrderState};
use waybill_model::command::CommandKind;
use waybill_model::event::{Finding, Outcome};
use waybill_model::payment::PaymentStatus;
use waybill_testkit::build;

fn told() -> OrderState {
    let mut state = OrderState::default();
    state.facts.order = Some(build::order("1001"));
    state
}

/// Differences as `what: stored -> replayed`.
fn shown(before: &OrderState, after: &OrderState) -> Vec<String> {
    let text = |value: Option<String>| value.unwrap_or_else(|| "nothing".to_owned());
    let tell = |d: Difference| format!("{}: {} -> {}", d.what, text(d.stored), text(d.replayed));
    between(before, after).into_iter().map(tell).collect()
}

#[test]
fn equal_states_do_not_differ() {
    assert_eq!(shown(&told(), &told()), Vec::<String>::new());
}

#[test]
fn amounts_and_words_are_shown_and_personal_data_is_not() {
    let mut after = told();
    let order = after.facts.order.as_mut().unwrap();
    order.lines[1].unit_price = build::amount("31.00");
    order.lines[1].title = "Personal".to_owned();
    order.customer.as_mut().unwrap().email = Some("jane@example.com".to_owned());
    order.shipping.as_mut().unwrap().zip = None;
    order.note = Some("ring twice".to_owned());
    assert_eq!(
        shown(&told(), &after),
        [
            "order.customer.email: (not shown) -> (not shown)",
            "order.lines[L2].title: (not shown) -> (not shown)",
            "order.lines[L2].unit_price: 30.00 -> 31.00",
            "order.note: nothing -> (not shown)",
            "order.shipping.zip: (not shown) -> nothing",
        ]
    );
}

#[test]
fn only_whole_names_are_shown() {
    let mut after = told();
    let order = after.facts.order.as_mut().unwrap();
    // `shipping_lines[0].title` ends like no shown name, `totals.shipping` is one.
    order.shipping_lines[0].title = "Personal".to_owned();
    order.totals.shipping = build::amount("5.90");
    order.test = true;
    assert_eq!(
        shown(&told(), &after),
        [
            "order.shipping_lines[0].title: (not shown) -> (not shown)",
            "order.test: false -> true",
            "order.totals.shipping: 4.90 -> 5.90",
        ]
    );
}

#[test]
fn what_is_there_on_one_side_only_is_told() {
    let mut after = told();
    let payment = payment(PaymentStatus::Captured, "59.90");
    after.facts.payments.insert(payment.id.clone(), payment);
    let shown = shown(&told(), &after);
    assert!(
        shown.contains(&"payments.pi_1.status: nothing -> captured".to_owned()),
        "{shown:?}"
    );
}

#[test]
fn findings_that_come_and_go_are_told_once() {
    let finding = |line: &str| Finding {
        code: build::code("sku_missing"),
        detail: format!("line `{line}` has no SKU"),
        remedy: "give it one".to_owned(),
    };
    let (mut before, mut after) = (told(), told());
    before.facts.findings = vec![finding("L1"), finding("L2")];
    after.facts.findings = vec![finding("L2"), finding("L3")];
    assert_eq!(
        shown(&before, &after),
        [
            "finding: sku_missing: line `L1` has no SKU -> nothing",
            "finding: nothing -> sku_missing: line `L3` has no SKU",
        ]
    );
}

#[test]
fn effects_that_would_be_new_or_other_are_told() {
    let with = |outcome: Option<Outcome>| {
        let mut state = told();
        let effect = Effect {
            command: CommandKind::CreateSaleOrder,
            issued_at: build::start(),
            outcome,
            attempt: 1,
            retry_wanted: false,
        };
        state.effects.insert(keys::sale_order(), effect);
        state
    };
    let done = || {
        let references = Vec::new();
        with(Some(Outcome::Done { references }))
    };
    let refused = with(Some(build::rejected("unknown_sku")));
    let what = "effect sale_order.create";
    assert_eq!(
        shown(&told(), &with(None)),
        [format!("{what}: nothing -> under way, attempt 1")]
    );
    assert_eq!(
        shown(&refused, &done()),
        [format!(
            "{what}: refused: unknown_sku, attempt 1 -> done, attempt 1"
        )]
    );
    assert_eq!(shown(&done(), &done()), Vec::<String>::new());
}

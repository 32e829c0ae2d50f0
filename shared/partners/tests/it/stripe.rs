//! Stripe's webhooks.

use crate::support::{
    connection, correlation, delivery, fixture, id, ignored_code, only, parse, verify,
};
use waybill_flow::connections::{Connection, PartnerKind};
use waybill_model::event::{Event, Subject};
use waybill_model::id::{ChannelOrderId, CorrelationId};
use waybill_model::payment::{Payment, PaymentStatus, Refund, RefundStatus};
use waybill_partners::{Parsed, Refusal};

fn stripe() -> Connection {
    connection(
        PartnerKind::Stripe,
        &[("livemode", "false"), ("channel", "shop")],
    )
}

fn payment(path: &str) -> (Subject, Payment) {
    match only(&stripe(), None, path) {
        (subject, Event::PaymentObserved(p)) => (subject, p),
        other => panic!("{other:?}"),
    }
}

fn refund(path: &str) -> (Subject, Refund) {
    match only(&stripe(), None, path) {
        (subject, Event::RefundObserved(r)) => (subject, r),
        other => panic!("{other:?}"),
    }
}

fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
    use hmac::{KeyInit, Mac};
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[test]
fn signatures_made_by_hand_get_their_verdict() {
    let (secret, previous, body) = ("whsec_new", "whsec_old", b"{}");
    let now_s = 1_772_460_000;
    let check = |header: &str, secrets: &[&str], now_s| {
        let headers = [("Stripe-Signature", header)];
        verify(PartnerKind::Stripe, secrets, &headers, body, now_s)
    };
    let good = format!("t={now_s},v1={}", sign(secret, "1772460000", body));
    let rolled = format!(
        "t={now_s}, v1={}, v1={}, v0=aa",
        sign(previous, "1772460000", body),
        sign(secret, "1772460000", body)
    );
    assert!(check(&good, &[secret], now_s).is_ok());
    assert!(check(&good, &[previous, secret], now_s).is_ok());
    assert!(check(&rolled, &[secret], now_s).is_ok());
    assert!(check(&rolled, &[previous], now_s).is_ok());
    assert_eq!(check(&good, &[previous], now_s), Err(Refusal::BadSignature));
    assert_eq!(check(&good, &[" "], now_s), Err(Refusal::NoSecret));
    assert_eq!(check(&good, &["new"], now_s), Err(Refusal::BadSignature));
}

#[test]
fn the_window_is_five_minutes_back_and_an_hour_ahead() {
    let now_s = 1_772_460_000;
    let header = format!("t={now_s},v1={}", sign("whsec_a", "1772460000", b"{}"));
    let check = |now_s| {
        let headers = [("Stripe-Signature", header.as_str())];
        verify(PartnerKind::Stripe, &["whsec_a"], &headers, b"{}", now_s)
    };
    assert!(check(now_s + 300).is_ok());
    assert!(check(now_s - 3600).is_ok());
    assert_eq!(
        check(now_s + 301),
        Err(Refusal::Stale {
            age_s: 301,
            limit_s: 300
        })
    );
    assert_eq!(
        check(now_s - 3601),
        Err(Refusal::Stale {
            age_s: -3601,
            limit_s: 3600
        })
    );
}

#[test]
fn payment_intents_tell_where_the_money_is() {
    for (file, status) in [
        ("payment_intent_succeeded", PaymentStatus::Captured),
        ("payment_intent_authorized", PaymentStatus::Authorized),
        ("payment_intent_failed", PaymentStatus::Failed),
        ("payment_intent_canceled", PaymentStatus::Cancelled),
    ] {
        let (subject, payment) = payment(&format!("stripe/{file}.json"));
        assert_eq!(payment.status, status, "{file}");
        assert_eq!(payment.id.as_str(), "pi_test5001");
        assert_eq!(payment.amount.to_string(), "42.50 EUR");
        assert_eq!(payment.version.0, 1_772_460_000_000_000);
        // `metadata.order_id` with the connection's channel.
        assert_eq!(subject, Subject::Order(correlation()), "{file}");
    }
}

#[test]
fn a_charge_is_told_under_its_payment_intent() {
    let (subject, payment) = payment("stripe/charge_succeeded.json");
    assert_eq!(payment.status, PaymentStatus::Captured);
    assert_eq!(payment.id.as_str(), "pi_test5001");
    let Subject::Reference(references) = subject else {
        panic!("{subject:?}")
    };
    let ids: Vec<&str> = references.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["pi_test5001", "ch_test5001"]);
}

#[test]
fn a_dispute_contests_the_payment_until_it_is_won() {
    let (_, contested) = payment("stripe/dispute_created.json");
    assert_eq!(contested.status, PaymentStatus::Disputed);
    assert_eq!(contested.id.as_str(), "pi_test5001");
    let text = String::from_utf8(fixture("stripe/dispute_created.json")).unwrap();
    let won = text
        .replace("needs_response", "won")
        .replace("dispute.created", "dispute.closed");
    let parsed =
        waybill_partners::parse(&stripe(), &delivery(&stripe(), None, won.as_bytes())).unwrap();
    let Parsed::Facts { facts, .. } = parsed else {
        panic!("{parsed:?}")
    };
    assert!(
        matches!(&facts[0].event, Event::PaymentObserved(p) if p.status == PaymentStatus::Captured)
    );
}

#[test]
fn a_refund_of_ours_carries_our_id_and_a_later_failure_wins() {
    let (subject, made) = refund("stripe/refund_created.json");
    assert_eq!(subject, Subject::Order(correlation()));
    assert_eq!(made.id.as_str(), "880099");
    assert_eq!(made.gateway_id.as_ref().unwrap().as_str(), "re_test1");
    assert_eq!(made.payment_id.as_ref().unwrap().as_str(), "pi_test5001");
    assert_eq!(made.status, RefundStatus::Succeeded);
    assert_eq!(made.amount.to_string(), "10.00 EUR");
    let (_, failed) = refund("stripe/refund_failed.json");
    assert_eq!(failed.id, made.id);
    assert_eq!(failed.status, RefundStatus::Failed);
    assert!(failed.version > made.version && failed.status > made.status);
}

#[test]
fn a_refund_made_by_hand_is_known_by_stripes_ids() {
    let (subject, by_hand) = refund("stripe/refund_by_hand.json");
    assert_eq!(by_hand.id.as_str(), "re_test2");
    assert_eq!(by_hand.status, RefundStatus::Pending);
    let Subject::Reference(references) = subject else {
        panic!("{subject:?}")
    };
    let found: Vec<String> = references
        .iter()
        .map(|r| format!("{}:{}", r.kind.as_str(), r.id))
        .collect();
    assert_eq!(
        found,
        [
            "refund:re_test2",
            "payment:pi_test5001",
            "payment:ch_test5001"
        ]
    );
}

#[test]
fn the_other_mode_and_unused_events_are_ignored() {
    let stripe = stripe();
    let live = parse(&stripe, None, "stripe/payment_intent_live.json");
    assert_eq!(ignored_code(live), "wrong_mode");
    let refunded = parse(&stripe, None, "stripe/charge_refunded.json");
    assert_eq!(ignored_code(refunded), "told_by_refund_events");
    // Without the setting only live events count.
    let unset = connection(PartnerKind::Stripe, &[]);
    let test = parse(&unset, None, "stripe/payment_intent_succeeded.json");
    assert_eq!(ignored_code(test), "wrong_mode");
    let odd = connection(PartnerKind::Stripe, &[("livemode", "yes")]);
    let refused = parse(&odd, None, "stripe/payment_intent_succeeded.json").unwrap_err();
    assert_eq!(refused.code.as_str(), "invalid_setting");
}

#[test]
fn the_metadata_key_of_the_shop_is_a_setting() {
    let connection = connection(
        PartnerKind::Stripe,
        &[
            ("livemode", "false"),
            ("channel", "other"),
            ("order_metadata_key", "order_id"),
        ],
    );
    let (subject, _) = only(&connection, None, "stripe/payment_intent_succeeded.json");
    let expected = CorrelationId::for_order(&id("other"), &ChannelOrderId::new("5001").unwrap());
    assert_eq!(subject, Subject::Order(expected));
}

#[test]
fn impossible_amounts_and_currencies_are_refused() {
    let text = String::from_utf8(fixture("stripe/charge_succeeded.json")).unwrap();
    for (from, to, code) in [
        ("4250", "-4250", "invalid_amount"),
        ("4250", "9007199254740993000", "invalid_amount"),
        ("4250", "42.5", "unreadable_json"),
        ("\"eur\"", "\"euro\"", "invalid_value"),
    ] {
        let body = text.replace(from, to);
        let delivery = delivery(&stripe(), None, body.as_bytes());
        let refused = waybill_partners::parse(&stripe(), &delivery).unwrap_err();
        assert_eq!(refused.code.as_str(), code, "{to}");
    }
}

//! Calls to Stripe.

use crate::support::{Server, connection, correlation, execute, failure, id, names, reply};
use serde_json::json;
use waybill_flow::connections::{Connection, PartnerKind};
use waybill_flow::ports::Attempt;
use waybill_model::command::{Command, CreateRefund};
use waybill_model::failure::Failure;
use waybill_model::id::Reference;
use waybill_model::money::{Amount, Currency, Money};

fn stripe() -> Connection {
    connection(PartnerKind::Stripe, &[("livemode", "false")])
}

fn pay_back(amount: &str) -> Command {
    Command::CreateRefund(CreateRefund {
        gateway: id("stripe"),
        refund_id: id("880099"),
        payment_id: id("pi_test5001"),
        amount: Money::new(
            Amount::parse(amount).unwrap(),
            Currency::new("EUR").unwrap(),
        ),
    })
}

fn made(refund_id: &str, status: &str) -> serde_json::Value {
    json!({ "id": refund_id, "object": "refund", "amount": 1000, "currency": "eur",
            "status": status, "metadata": { "waybill_refund": "880099" } })
}

fn list(refunds: &[serde_json::Value]) -> serde_json::Value {
    json!({ "object": "list", "data": refunds, "has_more": false })
}

fn error(kind: &str, code: Option<&str>, param: Option<&str>) -> serde_json::Value {
    json!({ "error": { "type": kind, "code": code, "param": param, "message": "words" } })
}

async fn run(server: &Server, attempt: Attempt) -> Result<Vec<Reference>, Failure> {
    let key = [("secret_key", "rk_test")];
    execute(server, stripe(), &key, attempt, &pay_back("10.00")).await
}

#[tokio::test]
async fn paying_back_names_refund_and_order_under_the_key() {
    let server = Server::start(vec![reply(200, made("re_1", "succeeded"))]).await;
    assert_eq!(names(run(&server, Attempt::First).await), ["refund:re_1"]);
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "POST /v1/refunds");
    assert_eq!(asked.header("idempotency-key"), "key-1");
    assert_eq!(asked.header("authorization"), "Bearer rk_test");
    assert_eq!(
        asked.body,
        format!(
            "payment_intent=pi_test5001&amount=1000&metadata%5Bwaybill_refund%5D=880099\
             &metadata%5Bwaybill_correlation%5D={}",
            correlation()
        )
    );
}

#[tokio::test]
async fn in_doubt_an_existing_refund_is_found_by_its_metadata() {
    let other = json!({ "id": "re_0", "amount": 5, "currency": "eur", "metadata": {} });
    let first_page = json!({ "data": [other], "has_more": true });
    let server = Server::start(vec![
        reply(200, first_page),
        reply(
            200,
            list(&[made("re_1", "failed"), made("re_2", "pending")]),
        ),
    ])
    .await;
    assert_eq!(names(run(&server, Attempt::InDoubt).await), ["refund:re_2"]);
    assert_eq!(
        server.lines(),
        [
            "GET /v1/refunds?payment_intent=pi_test5001&limit=100",
            "GET /v1/refunds?payment_intent=pi_test5001&limit=100&starting_after=re_0"
        ]
    );
}

#[tokio::test]
async fn a_saved_500_is_passed_by_with_the_next_key_of_the_sequence() {
    let saved = || reply(500, error("api_error", None, None)).with("idempotent-replayed", "true");
    let server = Server::start(vec![
        reply(200, list(&[])),
        saved(),
        saved(),
        reply(200, made("re_1", "succeeded")),
    ])
    .await;
    assert_eq!(names(run(&server, Attempt::InDoubt).await), ["refund:re_1"]);
    let keys: Vec<String> = server.asked()[1..]
        .iter()
        .map(|a| a.header("idempotency-key").to_owned())
        .collect();
    assert_eq!(keys, ["key-1", "key-1-1", "key-1-2"]);
}

#[tokio::test]
async fn a_fresh_500_is_looked_after_before_another_key_is_used() {
    let fresh = || reply(500, error("api_error", None, None));
    let server = Server::start(vec![
        reply(200, list(&[])),
        fresh(),
        reply(200, list(&[made("re_1", "succeeded")])),
    ])
    .await;
    assert_eq!(names(run(&server, Attempt::InDoubt).await), ["refund:re_1"]);

    let server = Server::start(vec![
        reply(200, list(&[])),
        fresh(),
        reply(200, list(&[])),
        fresh(),
        reply(200, list(&[])),
    ])
    .await;
    let outcome = run(&server, Attempt::InDoubt).await;
    assert_eq!(failure(outcome), "indeterminate/partner_error");
    assert_eq!(server.asked().len(), 5);

    let server = Server::start(vec![fresh()]).await;
    let outcome = run(&server, Attempt::First).await;
    assert_eq!(failure(outcome), "indeterminate/partner_error");
}

#[tokio::test]
async fn a_payment_used_up_by_our_own_refund_is_success() {
    let refusal = || {
        reply(
            400,
            error(
                "invalid_request_error",
                Some("charge_already_refunded"),
                None,
            ),
        )
    };
    let server = Server::start(vec![
        refusal(),
        reply(200, list(&[made("re_1", "succeeded")])),
    ])
    .await;
    assert_eq!(names(run(&server, Attempt::First).await), ["refund:re_1"]);
    let server = Server::start(vec![refusal(), reply(200, list(&[]))]).await;
    let outcome = run(&server, Attempt::First).await;
    assert_eq!(failure(outcome), "rejected/already_refunded");
}

#[tokio::test]
async fn refusals_are_classed_by_their_body() {
    let invalid = "invalid_request_error";
    for (status, body, look, expected) in [
        (
            400,
            error(invalid, None, Some("amount")),
            true,
            "rejected/refund_too_large",
        ),
        (
            400,
            error(invalid, Some("balance_insufficient"), None),
            false,
            "rejected/insufficient_balance",
        ),
        (
            400,
            error(invalid, Some("charge_disputed"), None),
            false,
            "rejected/payment_disputed",
        ),
        (
            404,
            error(invalid, Some("resource_missing"), Some("payment_intent")),
            false,
            "rejected/unknown_payment",
        ),
        (
            400,
            error("idempotency_error", None, None),
            false,
            "rejected/idempotency_key_reused",
        ),
        (
            402,
            error("card_error", Some("card_declined"), None),
            false,
            "rejected/refused_by_gateway",
        ),
        (
            429,
            error(invalid, Some("rate_limit"), None),
            false,
            "transient/rate_limited",
        ),
        (
            429,
            error(invalid, Some("lock_timeout"), None),
            false,
            "transient/rate_limited",
        ),
        (
            409,
            error("idempotency_error", Some("idempotency_key_in_use"), None),
            false,
            "transient/rate_limited",
        ),
        (
            401,
            error(invalid, None, None),
            false,
            "transient/unauthorized",
        ),
        (503, json!("busy"), false, "indeterminate/partner_error"),
        (
            200,
            json!({ "object": "list" }),
            false,
            "indeterminate/partner_error",
        ),
    ] {
        let mut script = vec![reply(status, body)];
        script.extend(look.then(|| reply(200, list(&[]))));
        let server = Server::start(script).await;
        assert_eq!(failure(run(&server, Attempt::First).await), expected);
    }
}

#[tokio::test]
async fn an_amount_that_cannot_be_paid_is_rejected_without_a_call() {
    let server = Server::start(Vec::new()).await;
    let key = [("secret_key", "rk_test")];
    let outcome = execute(&server, stripe(), &key, Attempt::First, &pay_back("1.005")).await;
    assert_eq!(failure(outcome), "rejected/amount_not_payable");
    let outcome = execute(&server, stripe(), &[], Attempt::First, &pay_back("1.00")).await;
    assert_eq!(failure(outcome), "rejected/not_configured");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn nobody_listening_is_transient() {
    let server = Server::start(Vec::new()).await;
    let mut gone = server;
    gone.base_url = "http://127.0.0.1:9".to_owned();
    let outcome = run(&gone, Attempt::First).await;
    assert_eq!(failure(outcome), "transient/partner_unreachable");
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_a_write_in_doubt_and_a_read_not() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut server = Server::start(Vec::new()).await;
    server.base_url = format!("http://{}", listener.local_addr().unwrap());
    // Takes the whole request, and hangs up.
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut taken = [0_u8; 4096];
            while stream.readable().await.is_ok() && stream.try_read(&mut taken).is_err() {}
        }
    });
    let written = run(&server, Attempt::First).await;
    assert_eq!(failure(written), "indeterminate/answer_lost");
    let read = run(&server, Attempt::InDoubt).await;
    assert_eq!(failure(read), "transient/answer_lost");
}

//! Zendesk.

use crate::support::{
    Server, connection, correlation, delivery, execute, failure, fixture, id, ignored_code, names,
    only, parse, reply, verify,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use waybill_flow::connections::{Connection, PartnerKind};
use waybill_flow::ports::Attempt;
use waybill_model::command::{Command, OrderContext, UpdateTicket};
use waybill_model::event::{Event, Subject};
use waybill_model::failure::Failure;
use waybill_model::id::Reference;
use waybill_model::ticket::{Ticket, TicketStatus};
use waybill_partners::{Parsed, Refusal};

fn zendesk() -> Connection {
    connection(PartnerKind::Zendesk, &[])
}

fn ticket(path: &str) -> (Subject, Ticket) {
    match only(&zendesk(), None, path) {
        (subject, Event::TicketObserved(t)) => (subject, t),
        other => panic!("{other:?}"),
    }
}

#[test]
fn timestamp_and_body_are_signed_with_the_secret_as_text() {
    use base64::Engine;
    use hmac::{KeyInit, Mac};
    let signed = |secret: &str| {
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(b"2026-03-04T12:00:00Z{}");
        base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
    };
    let check = |signature: &str, timestamp: &str, secrets: &[&str]| {
        let headers = [
            ("X-Zendesk-Webhook-Signature", signature),
            ("X-Zendesk-Webhook-Signature-Timestamp", timestamp),
        ];
        verify(PartnerKind::Zendesk, secrets, &headers, b"{}", 0)
    };
    let at = "2026-03-04T12:00:00Z";
    let good = signed("secret");
    let verified = check(&good, at, &["next", "secret"]).unwrap();
    assert_eq!(
        verified.headers["x-zendesk-webhook-signature-timestamp"],
        at
    );
    assert_eq!(check(&good, at, &["next"]), Err(Refusal::BadSignature));
    assert_eq!(check(&good, at, &["\t"]), Err(Refusal::NoSecret));
    let later = check(&good, "2026-03-04T12:00:01Z", &["secret"]);
    assert_eq!(later, Err(Refusal::BadSignature));
    assert_eq!(
        check(&good, "", &["secret"]).unwrap_err().code(),
        "missing_header"
    );
}

#[test]
fn our_triggers_template_is_read() {
    let (subject, waiting) = ticket("zendesk/trigger.json");
    assert_eq!(subject, Subject::Order(correlation()));
    assert_eq!(waiting.id.as_str(), "35");
    assert_eq!(waiting.status, TicketStatus::Pending);
    assert_eq!(waiting.version.0, 1_772_625_600_000_000);
}

#[test]
fn of_two_triggers_in_one_minute_the_later_call_is_newer() {
    let zendesk = zendesk();
    let version = |signed: &str| {
        let mut delivery = delivery(&zendesk, None, &fixture("zendesk/trigger.json"));
        let header = "x-zendesk-webhook-signature-timestamp".to_owned();
        delivery.headers.insert(header, signed.to_owned());
        let parsed = waybill_partners::parse(&zendesk, &delivery).unwrap();
        let Parsed::Facts { facts, .. } = parsed else {
            panic!("{parsed:?}")
        };
        facts[0].at.unwrap().to_string()
    };
    assert_eq!(version("2026-03-04T12:00:20Z"), "2026-03-04T12:00:20Z");
    // Repeated much later, or by a clock that is behind: the minute of the change counts.
    assert_eq!(version("2026-03-04T13:00:00Z"), "2026-03-04T12:00:00Z");
    assert_eq!(version("2026-03-04T11:59:59Z"), "2026-03-04T12:00:00Z");
}

#[test]
fn a_ticket_that_we_did_not_open_is_known_by_its_id() {
    let (subject, open) = ticket("zendesk/trigger_foreign.json");
    assert_eq!(open.status, TicketStatus::Open);
    let expected = Reference::new(id("zendesk"), waybill_model::id::RefKind::Ticket, id("36"));
    assert_eq!(subject, Subject::Reference(vec![expected]));
}

#[test]
fn event_webhooks_are_read_and_dedupe_by_their_own_id() {
    let (subject, solved) = ticket("zendesk/event_status_changed.json");
    assert_eq!(subject, Subject::Order(correlation()));
    assert_eq!(solved.status, TicketStatus::Solved);
    let parsed = parse(&zendesk(), None, "zendesk/event_status_changed.json").unwrap();
    let Parsed::Facts { dedupe_id, .. } = parsed else {
        panic!("{parsed:?}")
    };
    assert_eq!(dedupe_id, "event/0b1e2f3a-0000-4000-8000-000000000001");
}

#[test]
fn empty_and_foreign_bodies_are_ignored_and_odd_ones_refused() {
    let zendesk = zendesk();
    let user = parse(&zendesk, None, "zendesk/event_user.json");
    assert_eq!(ignored_code(user), "unused_topic");
    let read =
        |body: &str| waybill_partners::parse(&zendesk, &delivery(&zendesk, None, body.as_bytes()));
    assert_eq!(ignored_code(read(" ")), "empty_body");
    for (body, code) in [
        (r#"{"hello":1}"#, "wrong_shape"),
        (r#"{"ticket_id":1,"status":"Gelöst"}"#, "unknown_status"),
        (r#"{"ticket_id":" ","status":"Open"}"#, "invalid_value"),
        (r#"{"ticket_id":1,"#, "unreadable_json"),
    ] {
        assert_eq!(read(body).unwrap_err().code.as_str(), code, "{body}");
    }
}

fn update(revision: u64, needs_attention: bool) -> Command {
    Command::UpdateTicket(UpdateTicket {
        helpdesk: id("zendesk"),
        context: OrderContext {
            order_number: id("#5001"),
            email: Some("person@example.com".to_owned()),
            summary: "the parcel is delayed".to_owned(),
            axes: BTreeMap::from([("order".to_owned(), "accepted".to_owned())]),
            tracking_numbers: Vec::new(),
            exceptions: Vec::new(),
            needs_attention,
            revision,
        },
    })
}

fn held(ticket_id: i64, status: &str, tags: &[&str]) -> Value {
    json!({ "id": ticket_id, "external_id": correlation().to_string(), "status": status,
            "updated_at": "2026-03-04T12:00:00Z", "tags": tags })
}

fn found(tickets: &[Value]) -> Value {
    json!({ "tickets": tickets, "next_page": null, "count": tickets.len() })
}

fn written(ticket_id: i64) -> Value {
    json!({ "ticket": held(ticket_id, "open", &[]), "audit": {} })
}

async fn run(server: &Server, command: &Command) -> Result<Vec<Reference>, Failure> {
    let api = [("email", "agent@example.com"), ("token", "t0ken")];
    execute(server, zendesk(), &api, Attempt::First, command).await
}

#[tokio::test]
async fn the_first_context_opens_a_ticket_under_a_key_of_its_order() {
    let stranger = json!({ "id": 1, "external_id": "another", "status": "open" });
    let server = Server::start(vec![
        reply(200, found(&[stranger])),
        reply(201, written(35)).with("x-idempotency-lookup", "miss"),
    ])
    .await;
    assert_eq!(names(run(&server, &update(3, true)).await), ["ticket:35"]);
    let asked = server.asked();
    assert_eq!(
        asked[0].line,
        format!("GET /api/v2/tickets?external_id={}", correlation())
    );
    assert!(asked[0].header("authorization").starts_with("Basic "));
    assert_eq!(asked[1].line, "POST /api/v2/tickets");
    // Every update of the order has this one: two at once open one ticket.
    let key = format!("waybill-{}", correlation());
    assert_eq!(asked[1].header("idempotency-key"), key);
    let body = asked[1].json();
    let ticket = &body["ticket"];
    assert_eq!(ticket["external_id"], correlation().to_string());
    assert_eq!(ticket["comment"]["public"], false);
    assert_eq!(ticket["tags"], json!(["waybill", "waybill_rev_3"]));
    assert_eq!(ticket["status"], "open");
    assert_eq!(ticket["requester"]["email"], "person@example.com");
    assert!(ticket.get("safe_update").is_none());
}

#[tokio::test]
async fn a_newer_context_is_a_note_on_the_ticket_that_is_there() {
    let tags = ["vip", "waybill", "waybill_rev_3"];
    let server = Server::start(vec![
        reply(200, found(&[held(35, "pending", &tags)])),
        reply(200, written(35)),
    ])
    .await;
    assert_eq!(names(run(&server, &update(4, false)).await), ["ticket:35"]);
    let asked = &server.asked()[1];
    assert_eq!(asked.line, "PUT /api/v2/tickets/35");
    let body = asked.json();
    let ticket = &body["ticket"];
    assert_eq!(ticket["safe_update"], true);
    assert_eq!(ticket["updated_stamp"], "2026-03-04T12:00:00Z");
    assert_eq!(ticket["tags"], json!(["vip", "waybill", "waybill_rev_4"]));
    // Agents own the status while nobody must act.
    assert!(ticket.get("status").is_none());
    assert!(ticket.get("external_id").is_none());
}

#[tokio::test]
async fn a_solved_ticket_is_reopened_where_somebody_must_act() {
    let server = Server::start(vec![
        reply(200, found(&[held(35, "solved", &["waybill_rev_3"])])),
        reply(200, written(35)),
    ])
    .await;
    run(&server, &update(4, true)).await.unwrap();
    assert_eq!(server.asked()[1].json()["ticket"]["status"], "open");
}

#[tokio::test]
async fn an_older_or_repeated_context_writes_nothing() {
    for revision in [2, 3] {
        let tickets = found(&[held(35, "open", &["waybill", "waybill_rev_3"])]);
        let server = Server::start(vec![reply(200, tickets)]).await;
        let outcome = run(&server, &update(revision, true)).await;
        assert_eq!(names(outcome), ["ticket:35"]);
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_closed_ticket_is_followed_up() {
    let closed = held(35, "closed", &["waybill_rev_3"]);
    let server = Server::start(vec![
        reply(200, found(std::slice::from_ref(&closed))),
        reply(201, written(40)),
    ])
    .await;
    assert_eq!(names(run(&server, &update(4, false)).await), ["ticket:40"]);
    let body = server.asked()[1].json();
    assert_eq!(body["ticket"]["via_followup_source_id"], 35);
    // Once it is there, it is the one that is written to.
    let server = Server::start(vec![
        reply(200, found(&[held(40, "open", &["waybill_rev_4"]), closed])),
        reply(200, written(40)),
    ])
    .await;
    run(&server, &update(5, false)).await.unwrap();
    assert_eq!(server.lines()[1], "PUT /api/v2/tickets/40");
}

#[tokio::test]
async fn refusals_are_classed_by_their_body() {
    let invalid = json!({ "error": "RecordInvalid", "description": "Record validation errors",
        "details": { "requester": [{ "description": "person@example.com is suspended" }] } });
    let closed = json!({ "error": "RecordInvalid", "details":
        { "status": [{ "description": "Status: closed prevents ticket update" }] } });
    for (status, body, expected) in [
        (422, invalid, "rejected/refused_by_helpdesk"),
        (422, closed, "transient/ticket_closed"),
        (
            409,
            json!({ "error": "UpdateConflict" }),
            "transient/conflict",
        ),
        (
            404,
            json!({ "error": "RecordNotFound" }),
            "transient/ticket_gone",
        ),
        (
            400,
            json!({ "error": "IdempotentRequestError" }),
            "indeterminate/idempotency_key_reused",
        ),
        (
            401,
            json!({ "error": "Couldn't authenticate you" }),
            "transient/unauthorized",
        ),
        (
            503,
            json!({ "error": { "title": "busy" } }),
            "indeterminate/partner_error",
        ),
    ] {
        let tickets = found(&[held(35, "open", &[])]);
        let server = Server::start(vec![reply(200, tickets), reply(status, body)]).await;
        let outcome = run(&server, &update(4, true)).await;
        let failure_text = outcome.as_ref().unwrap_err().to_string();
        assert!(
            !failure_text.contains("person@example.com"),
            "{failure_text}"
        );
        assert_eq!(failure(outcome), expected);
    }
}

#[tokio::test]
async fn a_429_waits_as_long_as_it_says_and_a_failed_look_is_transient() {
    let server = Server::start(vec![
        reply(429, json!({ "error": "APIRateLimitExceeded" })).with("retry-after", "30"),
        reply(500, json!({})),
    ])
    .await;
    let put_off = run(&server, &update(4, true)).await.unwrap_err();
    assert!(
        matches!(
            put_off,
            Failure::Transient {
                retry_after_ms: Some(30_000),
                ..
            }
        ),
        "{put_off:?}"
    );
    let outcome = run(&server, &update(4, true)).await;
    assert_eq!(failure(outcome), "transient/partner_error");
}

//! EasyPost.

use crate::support::{
    Server, connection, execute, failure, id, ignored_code, names, only, parse, reply, verify,
};
use serde_json::json;
use waybill_flow::connections::{Connection, PartnerKind};
use waybill_flow::ports::Attempt;
use waybill_model::command::{Command, SubscribeTracking};
use waybill_model::event::{Event, Subject};
use waybill_model::failure::Failure;
use waybill_model::id::Reference;
use waybill_model::shipment::{Tracking, TrackingStatus};
use waybill_partners::Refusal;

fn easypost() -> Connection {
    connection(PartnerKind::Easypost, &[("mode", "test")])
}

fn tracking(path: &str) -> Tracking {
    match only(&easypost(), None, path) {
        (Subject::Reference(r), Event::TrackingObserved(t)) => {
            assert_eq!(r[0].system.as_str(), Reference::ANY);
            assert_eq!(r[0].id.as_str(), t.tracking_number.as_str());
            t
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_secret_is_normalised_and_the_prefix_needed() {
    use hmac::{KeyInit, Mac};
    // "é" as one character and as two: the same key.
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice("cle\u{301}".as_bytes()).unwrap();
    mac.update(b"{}");
    let hex = hex::encode(mac.finalize().into_bytes());
    let check = |header: &str, secrets: &[&str]| {
        let headers = [("X-Hmac-Signature", header)];
        verify(PartnerKind::Easypost, secrets, &headers, b"{}", 0)
    };
    let header = format!("hmac-sha256-hex={hex}");
    assert!(check(&header, &["cl\u{e9}"]).is_ok());
    assert!(check(&header, &["cle\u{301}"]).is_ok());
    assert!(check(&header, &["new", "cl\u{e9}"]).is_ok());
    assert_eq!(check(&header, &["new"]), Err(Refusal::BadSignature));
    assert_eq!(check(&header, &[""]), Err(Refusal::NoSecret));
    assert_eq!(
        check(&hex, &["cl\u{e9}"]).unwrap_err().code(),
        "malformed_header"
    );
    assert_eq!(
        check("", &["cl\u{e9}"]).unwrap_err().code(),
        "missing_header"
    );
}

#[test]
fn the_newest_scan_dates_the_status() {
    let moving = tracking("easypost/tracker_in_transit.json");
    assert_eq!(moving.status, TrackingStatus::InTransit);
    assert_eq!(moving.at.to_string(), "2026-03-04T11:55:00Z");
    assert_eq!(
        moving.expected_at.unwrap().to_string(),
        "2026-03-05T00:00:00Z"
    );
    let arrived = tracking("easypost/tracker_delivered.json");
    assert_eq!(arrived.status, TrackingStatus::Delivered);
    assert!(arrived.at > moving.at);
}

#[test]
fn without_scans_the_trackers_update_dates_it() {
    let failed = tracking("easypost/tracker_failure.json");
    assert_eq!(failed.status, TrackingStatus::Exception);
    assert_eq!(failed.at.to_string(), "2026-03-04T12:00:00Z");
}

#[test]
fn other_events_and_the_other_mode_are_ignored() {
    let batch = parse(&easypost(), None, "easypost/batch_created.json");
    assert_eq!(ignored_code(batch), "unused_topic");
    let production = connection(PartnerKind::Easypost, &[("mode", "production")]);
    let test = parse(&production, None, "easypost/tracker_failure.json");
    assert_eq!(ignored_code(test), "wrong_mode");
}

async fn run(server: &Server, attempt: Attempt, carrier: &str) -> Result<Vec<Reference>, Failure> {
    let command = Command::SubscribeTracking(SubscribeTracking {
        tracker: id("easypost"),
        tracking_number: id("94001"),
        carrier: Some(carrier.to_owned()),
    });
    let key = [("api_key", "EZTK")];
    execute(server, easypost(), &key, attempt, &command).await
}

fn tracker() -> serde_json::Value {
    json!({ "id": "trk_1", "object": "Tracker", "tracking_code": "94001", "status": "unknown" })
}

#[tokio::test]
async fn a_parcel_is_followed_under_its_number() {
    let server = Server::start(vec![reply(201, tracker()), reply(200, tracker())]).await;
    let followed = run(&server, Attempt::First, "usps").await;
    assert_eq!(names(followed), ["tracking_number:94001"]);
    run(&server, Attempt::First, "Bicycle Bob").await.unwrap();
    let asked = server.asked();
    assert_eq!(asked[0].line, "POST /v2/trackers");
    // `EZTK:` in base64.
    assert_eq!(asked[0].header("authorization"), "Basic RVpUSzo=");
    assert_eq!(
        asked[0].json(),
        json!({ "tracker": { "tracking_code": "94001", "carrier": "USPS" } })
    );
    assert_eq!(
        asked[1].json(),
        json!({ "tracker": { "tracking_code": "94001" } })
    );
}

#[tokio::test]
async fn in_doubt_a_tracker_that_is_there_is_enough() {
    let server = Server::start(vec![reply(200, json!({ "trackers": [tracker()] }))]).await;
    assert!(run(&server, Attempt::InDoubt, "USPS").await.is_ok());
    assert_eq!(server.lines(), ["GET /v2/trackers?tracking_code=94001"]);
    let server = Server::start(vec![
        reply(200, json!({ "trackers": [] })),
        reply(201, tracker()),
    ])
    .await;
    assert!(run(&server, Attempt::InDoubt, "USPS").await.is_ok());
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn refusals_are_classed_by_their_body() {
    let error = |code: &str| json!({ "error": { "code": code, "message": "words", "errors": [] } });
    for (status, body, expected) in [
        (
            422,
            error("TRACKER.CREATE.ERROR"),
            "rejected/refused_by_carrier_service",
        ),
        (429, error("RATE_LIMITED"), "transient/rate_limited"),
        (403, error("APIKEY.INACTIVE"), "transient/unauthorized"),
        (
            500,
            error("INTERNAL_SERVER_ERROR"),
            "indeterminate/partner_error",
        ),
        (201, json!({}), "indeterminate/partner_error"),
    ] {
        let server = Server::start(vec![reply(status, body)]).await;
        assert_eq!(failure(run(&server, Attempt::First, "UPS").await), expected);
    }
}

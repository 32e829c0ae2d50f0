//! The case desk: listing, summary, retry and bulk.

use super::*;
use waybill_model::case::{Case, Retry};
use waybill_testkit::Fault;

/// A case of no order.
fn lone(name: &str, code: &str, seconds: i64) -> Case {
    let mut case = build::case(None, CaseClass::Integration, code);
    case.id = waybill_model::case::CaseId::new(name, &case.code, "");
    case.opened_at = build::start().plus_ms(seconds * 1000);
    case.connection = Some(build::connection("shop-main"));
    case
}

async fn put(world: &World, cases: &[Case]) {
    for case in cases {
        world.orders.put_case(case).await.unwrap();
    }
}

#[tokio::test]
async fn cases_are_listed_with_their_age_and_filtered() {
    let world = World::new();
    let mut owned = lone("a", "unreadable_json", 0);
    owned.owner = Some(build::text("bob"));
    let mut other = lone("b", "unreadable_json", 60);
    other.connection = Some(build::connection("wh-main"));
    put(
        &world,
        &[owned.clone(), other.clone(), lone("c", "no_route", 90)],
    )
    .await;
    world.clock.advance_ms(120_000);
    for (query, found) in [
        (
            serde_json::json!({"code": "unreadable_json"}),
            vec![&owned, &other],
        ),
        (serde_json::json!({"connection": "wh-main"}), vec![&other]),
        (serde_json::json!({"owner": "bob"}), vec![&owned]),
    ] {
        let (status, answer) = world.get("/ops/cases", query).await;
        assert_eq!(status, 200, "{answer}");
        let listed: Vec<&str> = answer["cases"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["id"].as_str().unwrap())
            .collect();
        let wanted: Vec<String> = found.iter().map(|c| c.id.to_string()).collect();
        assert_eq!(listed, wanted);
    }
    let (_, answer) = world
        .get("/ops/cases", serde_json::json!({"owner": "bob"}))
        .await;
    assert_eq!(answer["cases"][0]["age_s"], 120);
    assert_eq!(answer["cases"][0]["value"]["amount"], "12.50");
    let wrong = serde_json::json!({"connection": "Not An Id"});
    assert_eq!(world.get("/ops/cases", wrong).await.0, 400);
}

#[tokio::test]
async fn the_summary_groups_open_cases_with_age_and_value() {
    let world = World::new();
    let mut owned = lone("a", "unreadable_json", 0);
    owned.owner = Some(build::text("bob"));
    put(
        &world,
        &[
            owned,
            lone("b", "unreadable_json", 60),
            lone("c", "no_route", 90),
        ],
    )
    .await;
    world.clock.advance_ms(120_000);
    let (status, answer) = world.get("/ops/cases/summary", none()).await;
    assert_eq!((status, &answer["complete"]), (200, &true.into()));
    let group = &answer["groups"][0];
    assert_eq!(group["code"], "unreadable_json");
    assert_eq!(
        (&group["cases"], &group["unassigned"]),
        (&2.into(), &1.into())
    );
    assert_eq!(group["oldest_age_s"], 120);
    assert_eq!(
        group["value"],
        serde_json::json!([{"amount": "25.00", "currency": "EUR"}])
    );
    assert_eq!(answer["groups"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_case_of_a_refused_effect_is_retried_by_its_id() {
    let world = World::new();
    let order = world.order().await;
    let mut case = build::case(Some(order), CaseClass::Erp, "unknown_sku");
    case.retry = Some(Retry::Effect {
        effect: build::effect("sale_order.create"),
    });
    put(&world, std::slice::from_ref(&case)).await;
    let path = format!("/ops/cases/{}/retry", case.id);
    let (status, answer) = world.post(&path, none()).await;
    assert_eq!(status, 202, "{answer}");
    let sent = world.queues.sent(Queue::Events);
    let event: EventEnvelope = serde_json::from_str(&sent[0].body).unwrap();
    let Event::OperatorDecided(decided) = event.body else {
        panic!("{:?}", event.body);
    };
    let effect = build::effect("sale_order.create");
    assert_eq!(decided.decision, Decision::Retry { effect });
}

#[tokio::test]
async fn a_case_that_waits_for_the_outside_has_nothing_to_retry() {
    let world = World::new();
    let case = lone("a", "parcel_delayed", 0);
    put(&world, std::slice::from_ref(&case)).await;
    let (status, answer) = world
        .post(&format!("/ops/cases/{}/retry", case.id), none())
        .await;
    assert_eq!(status, 409);
    assert_eq!(answer["error"]["code"], "nothing_to_retry");
}

#[tokio::test]
async fn a_closed_case_is_not_closed_again_and_keeps_who_and_when() {
    let world = World::new();
    for status in [CaseStatus::Ignored, CaseStatus::Resolved] {
        let mut case = lone("a", "unreadable_json", 0);
        (case.status, case.closed_at) = (status, Some(build::start()));
        case.owner = Some(build::text("bob"));
        put(&world, std::slice::from_ref(&case)).await;
        world.clock.advance_ms(60_000);
        let path = format!("/ops/cases/{}/close", case.id);
        let (told, answer) = world.post(&path, none()).await;
        assert_eq!((told, &answer["error"]["code"]), (409, &"not_open".into()));
        assert_eq!(world.orders.case(case.id).await.unwrap(), Some(case));
    }
}

#[tokio::test]
async fn closing_ignores_no_case_and_keeps_who_works_on_it() {
    let world = World::new();
    let mut case = lone("a", "unreadable_json", 0);
    case.owner = Some(build::text("bob"));
    put(&world, std::slice::from_ref(&case)).await;
    let path = format!("/ops/cases/{}/close", case.id);
    for status in ["ignored", "resolved"] {
        let body = serde_json::json!({"status": status});
        let (told, answer) = world.post(&path, body).await;
        assert_eq!(
            (told, &answer["error"]["code"]),
            (400, &"invalid_body".into())
        );
    }
    let kept = world.orders.case(case.id).await.unwrap().unwrap();
    assert_eq!(kept, case);
    let (_, answer) = world.post(&path, none()).await;
    assert_eq!(answer["owner"], "bob");
}

#[tokio::test]
async fn a_case_of_an_order_is_not_closed_by_hand() {
    let world = World::new();
    let case = case_of_an_order(&world).await;
    let path = format!("/ops/cases/{}/close", case.id);
    let (told, answer) = world.post(&path, none()).await;
    assert_eq!(
        (told, &answer["error"]["code"]),
        (409, &"follows_the_order".into())
    );
    assert_eq!(world.orders.case(case.id).await.unwrap(), Some(case));
}

#[tokio::test]
async fn a_bulk_action_takes_only_what_its_filter_names_and_answers_for_each() {
    let world = World::new();
    let mut elsewhere = lone("d", "unreadable_json", 3);
    elsewhere.connection = Some(build::connection("shop-two"));
    let wanted = [
        lone("a", "unreadable_json", 0),
        lone("b", "unreadable_json", 1),
    ];
    put(&world, &wanted).await;
    put(&world, &[elsewhere.clone(), lone("c", "no_route", 2)]).await;
    let body = serde_json::json!({
        "filter": {"class": "integration", "code": "unreadable_json", "connection": "shop-main"},
        "action": {"kind": "ignore", "reason": "a test of the partner"},
    });
    let (status, answer) = world.post("/ops/cases/bulk", body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["accepted"], &answer["refused"]),
        (&2.into(), &0.into())
    );
    for (index, case) in wanted.iter().enumerate() {
        assert_eq!(answer["results"][index]["id"], case.id.to_string());
        let kept = world.orders.case(case.id).await.unwrap().unwrap();
        assert_eq!(kept.status, CaseStatus::Ignored);
    }
    let kept = world.orders.case(elsewhere.id).await.unwrap().unwrap();
    assert_eq!(kept.status, CaseStatus::Open);
}

#[tokio::test]
async fn a_bulk_action_goes_on_past_what_cannot_be_done() {
    let world = World::new();
    let order = world.order().await;
    let of = |effect: &str, seconds: i64| {
        let mut case = lone(effect, "unknown_sku", seconds);
        case.class = CaseClass::Erp;
        case.correlation_id = Some(order);
        case.retry = Some(Retry::Effect {
            effect: build::effect(effect),
        });
        case
    };
    put(
        &world,
        &[of("refund.create/1", 0), of("sale_order.create", 1)],
    )
    .await;
    let body = serde_json::json!({
        "filter": {"class": "erp", "code": "unknown_sku"}, "action": {"kind": "retry"},
    });
    let (status, answer) = world.post("/ops/cases/bulk", body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["accepted"], &answer["refused"]),
        (&1.into(), &1.into())
    );
    let refused = &answer["results"][0]["refused"]["error"];
    assert_eq!(refused["code"], "not_found");
    assert_eq!(world.queues.sent(Queue::Events).len(), 1);
}

#[tokio::test]
async fn a_bulk_action_is_bounded_and_continued_by_its_cursor() {
    let world = World::new();
    let cases: Vec<Case> = (0..5)
        .map(|n| lone(&n.to_string(), "unreadable_json", n))
        .collect();
    put(&world, &cases).await;
    let mut body = serde_json::json!({
        "filter": {"class": "integration", "code": "unreadable_json"},
        "action": {"kind": "assign", "owner": "bob"}, "limit": 2,
    });
    let mut assigned = 0;
    for left in [3, 1, 0] {
        let (status, answer) = world.post("/ops/cases/bulk", body.clone()).await;
        assert_eq!(status, 200, "{answer}");
        assigned += answer["accepted"].as_u64().unwrap();
        body["cursor"] = answer["cursor"].clone();
        assert_eq!(answer["cursor"].is_null(), left == 0);
    }
    assert_eq!(assigned, 5);
    for case in cases {
        let kept = world.orders.case(case.id).await.unwrap().unwrap();
        assert_eq!(kept.owner.unwrap().as_str(), "bob");
    }
}

#[tokio::test]
async fn a_dry_bulk_action_changes_nothing() {
    let world = World::new();
    let case = lone("a", "unreadable_json", 0);
    put(&world, std::slice::from_ref(&case)).await;
    let body = serde_json::json!({
        "filter": {"class": "integration", "code": "unreadable_json"},
        "action": {"kind": "ignore", "reason": "x"}, "dry_run": true,
    });
    let (_, answer) = world.post("/ops/cases/bulk", body).await;
    assert_eq!(answer["results"][0]["id"], case.id.to_string());
    let kept = world.orders.case(case.id).await.unwrap().unwrap();
    assert_eq!(kept, case);
}

#[tokio::test]
async fn a_dry_retry_refuses_what_the_retry_would_refuse_and_sends_nothing() {
    let world = World::new();
    let order = world.order_with(None).await;
    let other = build::correlation("2002");
    let garbage = Archived {
        receipt: build::message("garbage"),
        correlation: None,
        delivery: "no json".to_owned(),
        received_at: build::start(),
    };
    world.orders.archive(&garbage).await.unwrap();
    let effect = |effect: &str| {
        let effect = build::effect(effect);
        Some(Retry::Effect { effect })
    };
    let receipt = |receipt: &str| {
        let receipt = build::message(receipt);
        Some(Retry::Receipt { receipt })
    };
    let ways = [
        (None, order, "nothing_to_retry"),
        (effect("sale_order.create"), order, "still_running"),
        (effect("refund.create/1"), order, "not_found"),
        (effect("sale_order.create"), other, "not_found"),
        (Some(Retry::Order), order, "not_found"),
        (receipt("nobody"), order, "not_found"),
        (receipt("garbage"), order, "not_replayable"),
    ];
    for (index, (retry, order, _)) in (0..).zip(&ways) {
        let mut case = lone(&index.to_string(), "unknown_sku", index);
        (case.retry, case.correlation_id) = (retry.clone(), Some(*order));
        put(&world, &[case]).await;
    }
    for dry_run in [true, false] {
        let body = serde_json::json!({
            "filter": {"class": "integration", "code": "unknown_sku"},
            "action": {"kind": "retry"}, "dry_run": dry_run,
        });
        let (_, answer) = world.post("/ops/cases/bulk", body).await;
        let results = answer["results"].as_array().unwrap();
        let codes: Vec<_> = results
            .iter()
            .map(|one| one["refused"]["error"]["code"].as_str().unwrap_or("-"))
            .collect();
        assert_eq!(codes, ways.each_ref().map(|(_, _, code)| *code));
        assert_eq!(answer["refused"], ways.len());
    }
    assert!(world.queues.is_empty());
}

#[tokio::test]
async fn no_case_counts_as_accepted_by_a_replay_of_its_order_that_was_refused() {
    let world = World::new();
    let order = world.order().await;
    for (name, seconds) in [("a", 0), ("b", 1)] {
        let mut case = lone(name, "sku_missing", seconds);
        (case.retry, case.correlation_id) = (Some(Retry::Order), Some(order));
        put(&world, &[case]).await;
    }
    for dry_run in [true, false] {
        let body = serde_json::json!({
            "filter": {"class": "integration", "code": "sku_missing"},
            "action": {"kind": "retry"}, "dry_run": dry_run,
        });
        // Nothing of the order is archived.
        let (_, answer) = world.post("/ops/cases/bulk", body).await;
        assert_eq!(
            (&answer["accepted"], &answer["refused"]),
            (&0.into(), &2.into())
        );
    }
}

#[tokio::test]
async fn a_dry_retry_accepts_what_can_be_retried_and_sends_nothing() {
    let world = World::new();
    let order = world.order().await;
    let mut case = lone("a", "unknown_sku", 0);
    case.correlation_id = Some(order);
    case.retry = Some(Retry::Effect {
        effect: build::effect("sale_order.create"),
    });
    put(&world, &[case]).await;
    let body = serde_json::json!({
        "filter": {"class": "integration", "code": "unknown_sku"},
        "action": {"kind": "retry"}, "dry_run": true,
    });
    let (_, answer) = world.post("/ops/cases/bulk", body).await;
    assert_eq!(
        (&answer["accepted"], &answer["refused"]),
        (&1.into(), &0.into())
    );
    assert!(world.queues.is_empty());
}

#[tokio::test]
async fn a_bulk_action_that_loses_its_store_stops_and_can_be_repeated() {
    let world = World::new();
    let cases = [
        lone("a", "unreadable_json", 0),
        lone("b", "unreadable_json", 1),
    ];
    put(&world, &cases).await;
    world.orders.faults().plan("put_case", Fault::Unavailable);
    let body = serde_json::json!({
        "filter": {"class": "integration", "code": "unreadable_json"},
        "action": {"kind": "ignore", "reason": "x"},
    });
    let (status, answer) = world.post("/ops/cases/bulk", body.clone()).await;
    assert_eq!((status, &answer["accepted"]), (200, &0.into()));
    assert_eq!(answer["stopped_at"], cases[0].id.to_string());
    let (_, answer) = world.post("/ops/cases/bulk", body).await;
    assert_eq!(answer["accepted"], 2);
    assert!(answer["stopped_at"].is_null());
}

#[tokio::test]
async fn a_bulk_action_without_a_code_or_by_a_reader_is_refused() {
    let world = World::new();
    let all = serde_json::json!({"filter": {"class": "erp"}, "action": {"kind": "retry"}});
    assert_eq!(world.post("/ops/cases/bulk", all).await.0, 400);
    let body = serde_json::json!({
        "filter": {"class": "erp", "code": "x"}, "action": {"kind": "retry"},
    });
    let (status, _) = world
        .call(READER, "POST", "/ops/cases/bulk", none(), body)
        .await;
    assert_eq!(status, 403);
}

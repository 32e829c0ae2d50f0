//! Everything that is handed in has a bound.

use super::*;

#[tokio::test]
async fn a_body_is_bounded_whatever_the_method() {
    let world = World::new();
    let id = world.order().await;
    let path = format!("/ops/orders/{id}/dry-run");
    let body = serde_json::json!({"connections": "x".repeat(MAX_BODY_BYTES)});
    for method in ["GET", "POST"] {
        let (status, answer) = world
            .call(READER, method, &path, none(), body.clone())
            .await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &"body_too_large".into()),
            "{method}"
        );
    }
}

#[tokio::test]
async fn a_cursor_longer_than_any_of_ours_is_refused_wherever_one_is_taken() {
    let world = World::new();
    let ask = async |cursor: &str| {
        let range = serde_json::json!({
            "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "cursor": cursor,
        });
        let bulk = serde_json::json!({
            "filter": {"class": "erp", "code": "x"}, "action": {"kind": "retry"},
            "cursor": cursor,
        });
        let dry_run = serde_json::json!({"range": range});
        [
            world
                .get("/ops/cases", serde_json::json!({"cursor": cursor}))
                .await,
            world.post("/ops/cases/bulk", bulk).await,
            world.post("/ops/replay", range).await,
            world.post("/ops/replay/dry-run", dry_run).await,
        ]
    };
    for (status, answer) in ask(&"2".repeat(1025)).await {
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &"invalid_parameter".into())
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("`cursor`"), "{message}");
        assert!(message.contains("1024 bytes"), "{message}");
    }
    for (status, answer) in ask(&"2".repeat(1024)).await {
        assert!(status < 300, "{answer}");
    }
}

#[tokio::test]
async fn texts_longer_than_their_kind_allows_are_refused() {
    let world = World::new();
    let id = world.order().await;
    let case = build::case(None, CaseClass::Integration, "unreadable_json");
    world.orders.put_case(&case).await.unwrap();
    let case = case.id;
    let long = |limit: usize| "x".repeat(limit + 1);
    let sku = |line: String, sku: String| {
        let correction = serde_json::json!({"field": "sku", "line": line, "sku": sku});
        serde_json::json!({"correction": correction, "reason": "x"})
    };
    let mut reason = sku("1".to_owned(), "MUG".to_owned());
    reason["reason"] = long(300).into();
    let bulk = |filter: serde_json::Value, action: serde_json::Value| serde_json::json!({"filter": filter, "action": action});
    let filter = serde_json::json!({"class": "erp", "code": "x"});
    let owned = serde_json::json!({"class": "erp", "code": "x", "owner": long(64)});
    let coded = serde_json::json!({"class": "erp", "code": long(64)});
    for (path, body) in [
        (
            format!("orders/{id}/retry"),
            serde_json::json!({"effect": long(240)}),
        ),
        (
            format!("orders/{id}/waive"),
            serde_json::json!({"code": long(64)}),
        ),
        (
            format!("orders/{id}/correct"),
            sku(long(128), "MUG".to_owned()),
        ),
        (
            format!("orders/{id}/correct"),
            sku("1".to_owned(), long(64)),
        ),
        (format!("orders/{id}/correct"), reason),
        (
            format!("cases/{case}/ignore"),
            serde_json::json!({"reason": long(300)}),
        ),
        (
            format!("cases/{case}/assign"),
            serde_json::json!({"owner": long(64)}),
        ),
        (
            "cases/bulk".to_owned(),
            bulk(
                filter.clone(),
                serde_json::json!({"kind": "ignore", "reason": long(300)}),
            ),
        ),
        (
            "cases/bulk".to_owned(),
            bulk(
                filter,
                serde_json::json!({"kind": "assign", "owner": long(64)}),
            ),
        ),
        (
            "cases/bulk".to_owned(),
            bulk(owned, serde_json::json!({"kind": "retry"})),
        ),
        (
            "cases/bulk".to_owned(),
            bulk(coded, serde_json::json!({"kind": "retry"})),
        ),
    ] {
        let (status, answer) = world.post(&format!("/ops/{path}"), body).await;
        assert_eq!(status, 400, "{path}: {answer}");
    }
    assert!(world.queues.is_empty());
}

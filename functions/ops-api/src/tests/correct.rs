//! Edit and retry.

use super::*;
use waybill_model::correction::Correction;

async fn correct(
    world: &World,
    id: CorrelationId,
    body: serde_json::Value,
) -> (u16, serde_json::Value) {
    world.post(&format!("/ops/orders/{id}/correct"), body).await
}

fn decision(world: &World) -> Decision {
    let sent = world.queues.sent(Queue::Events);
    let event: EventEnvelope = serde_json::from_str(&sent.last().unwrap().body).unwrap();
    let Event::OperatorDecided(decided) = event.body else {
        panic!("{:?}", event.body);
    };
    assert_eq!(decided.operator, "alice");
    decided.decision
}

#[tokio::test]
async fn a_correction_names_what_the_channel_tells_and_the_effect_to_repeat() {
    let world = World::new();
    let id = world.order().await;
    let line = build::order("1001").lines[0].clone();
    let body = serde_json::json!({
        "correction": {"field": "sku", "line": line.id, "sku": "MUG-01"},
        "reason": "a typo in the shop", "effect": "sale_order.create",
    });
    let (status, answer) = correct(&world, id, body).await;
    assert_eq!(status, 202, "{answer}");
    let wanted = Decision::Correct {
        correction: Box::new(Correction::Sku {
            line: line.id,
            told: line.sku,
            sku: build::sku("MUG-01"),
        }),
        reason: build::text("a typo in the shop"),
        effect: Some(build::effect("sale_order.create")),
    };
    assert_eq!(decision(&world), wanted);
}

#[tokio::test]
async fn an_address_and_a_way_of_delivery_can_be_corrected() {
    let world = World::new();
    let id = world.order().await;
    let order = build::order("1001");
    let body = serde_json::json!({
        "correction": {"field": "shipping_address",
            "address": {"street": "Rue 1", "city": "Lyon", "zip": "69001", "country": "FR"}},
        "reason": "the customer called",
    });
    assert_eq!(correct(&world, id, body).await.0, 202);
    let Decision::Correct { correction, .. } = decision(&world) else {
        panic!("another decision");
    };
    let Correction::ShippingAddress { told, address } = *correction else {
        panic!("another correction");
    };
    assert_eq!(told.as_deref(), order.shipping.as_ref());
    assert_eq!(address.city.as_deref(), Some("Lyon"));
    let body = serde_json::json!({
        "correction": {"field": "shipping_method", "method": "express"}, "reason": "promised",
    });
    assert_eq!(correct(&world, id, body).await.0, 202);
}

#[tokio::test]
async fn every_field_of_an_address_is_bounded() {
    let world = World::new();
    let id = world.order().await;
    let mut whole = serde_json::json!({});
    let fields = serde_json::to_value(build::order("1001").shipping).unwrap();
    let fields: Vec<&String> = fields.as_object().unwrap().keys().collect();
    assert_eq!(fields.len(), 9);
    let body = |address: &serde_json::Value| {
        serde_json::json!({
            "correction": {"field": "shipping_address", "address": address}, "reason": "x",
        })
    };
    for field in &fields {
        let address = serde_json::json!({ *field: "é".repeat(257) });
        let (status, answer) = correct(&world, id, body(&address)).await;
        assert_eq!(status, 400, "{answer}");
        assert_eq!(
            answer["error"]["message"],
            format!("`address.{field}` has more than 256 characters")
        );
        whole[*field] = "é".repeat(256).into();
    }
    assert!(world.queues.is_empty());
    let (status, answer) = correct(&world, id, body(&whole)).await;
    assert_eq!(status, 202, "{answer}");
}

#[tokio::test]
async fn what_is_not_there_or_not_refused_is_not_corrected() {
    let world = World::new();
    let id = world.order_with(None).await;
    let line = build::order("1001").lines[0].id.clone();
    let sku = |line: &str| serde_json::json!({"field": "sku", "line": line, "sku": "MUG-01"});
    for (correction, effect, status) in [
        (sku("nobody"), None, 404),
        (sku(line.as_str()), Some("refund.create/1"), 404),
        (sku(line.as_str()), Some("sale_order.create"), 409),
        (
            serde_json::json!({"field": "shipping_method", "method": " "}),
            None,
            400,
        ),
        (
            serde_json::json!({"field": "total", "total": "1.00"}),
            None,
            400,
        ),
    ] {
        let body = serde_json::json!({
            "correction": correction, "reason": "x", "effect": effect,
        });
        let (told, answer) = correct(&world, id, body).await;
        assert_eq!(told, status, "{answer}");
    }
    assert!(world.queues.is_empty());
    let other = build::correlation("2002");
    let body = serde_json::json!({"correction": sku("L1"), "reason": "x"});
    assert_eq!(correct(&world, other, body).await.0, 404);
}

#[tokio::test]
async fn an_order_tells_its_corrections_without_the_address() {
    let world = World::new();
    let order = build::order("1001");
    let mut state = OrderState::default();
    let mut address = order.shipping.clone().unwrap();
    address.city = Some("Lyon".to_owned());
    let correction = Correction::ShippingAddress {
        told: order.shipping.clone().map(Box::new),
        address: Box::new(address),
    };
    let corrected = waybill_flow::state::Corrected {
        at: build::start(),
        correction: correction.clone(),
        operator: "alice".to_owned(),
    };
    state
        .facts
        .corrections
        .insert(correction.subject(), corrected);
    state.facts.order = Some(order.clone());
    let commit = build::commit(order.correlation(), None, state, "event-1");
    world.orders.commit(commit).await.unwrap();
    let query = serde_json::json!({"correlation": order.correlation().to_string()});
    let (_, answer) = world.get("/ops/orders", query).await;
    let told = &answer["orders"][0]["corrections"][0];
    assert_eq!(
        (&told["by"], &told["holds"]),
        (&"alice".into(), &true.into())
    );
    assert_eq!(told["what"], "the shipping address");
    assert!(!answer.to_string().contains("Lyon"));
}

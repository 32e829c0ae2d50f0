use super::*;
use std::sync::Arc;
use waybill_flow::ports::{InfraError, Queue};
use waybill_model::command::{Command, PublishStock, SubscribeTracking};
use waybill_model::id::CorrelationId;
use waybill_testkit::build;
use waybill_testkit::{FakePartner, ManualClock, MemoryEffects, MemoryOrders, MemoryQueues};

struct Nowhere;

impl Visibility for Nowhere {
    async fn change(&self, _: &str, _: Vec<(String, u32)>) -> Result<(), InfraError> {
        Ok(())
    }
}

struct World {
    queues: MemoryQueues,
    partners: FakePartner,
}

/// Hands in one message and returns whether it was acknowledged.
async fn take(world: &World, orders: &MemoryOrders, body: String) -> bool {
    let clock = Arc::new(ManualClock::default());
    let effects = MemoryEffects::new(clock.clone());
    let ports = Ports {
        orders,
        effects: &effects,
        queues: &world.queues,
        partners: &world.partners,
        clock: clock.as_ref(),
    };
    let runner = Runner {
        step: "test",
        visibility: Nowhere,
        clock: ManualClock::default(),
    };
    let event = serde_json::from_value(serde_json::json!({
        "Records": [{"messageId": "m-1", "receiptHandle": "h", "body": body, "attributes": {},
            "eventSourceARN": "arn:aws:sqs:eu-west-1:1:status"}]
    }))
    .unwrap();
    let response = handle(&ports, &runner, event).await.unwrap();
    response.batch_item_failures.is_empty()
}

fn world() -> World {
    World {
        queues: MemoryQueues::default(),
        partners: FakePartner::default(),
    }
}

#[tokio::test]
async fn a_subscription_is_made_and_told() {
    let world = world();
    let mut command = build::command(build::order("1").correlation(), "tracking.subscribe/T-1");
    command.body = Command::SubscribeTracking(SubscribeTracking {
        tracker: build::connection("carrier"),
        tracking_number: build::text("T-1"),
        carrier: None,
    });
    let body = serde_json::to_string(&command).unwrap();
    assert!(take(&world, &MemoryOrders::default(), body).await);
    assert_eq!(world.partners.calls().len(), 1);
    assert_eq!(world.queues.sent(Queue::Events).len(), 1);
}

#[tokio::test]
async fn published_stock_is_told_to_nobody() {
    let world = world();
    let channel = build::connection("shop-main");
    let own = CorrelationId::for_connection(&channel);
    let mut command = build::command(own, "channel_stock.publish/1");
    command.body = Command::PublishStock(PublishStock {
        channel,
        levels: Vec::new(),
    });
    let body = serde_json::to_string(&command).unwrap();
    assert!(take(&world, &MemoryOrders::default(), body).await);
    assert_eq!(world.partners.calls().len(), 1);
    assert!(world.queues.is_empty());
}

#[tokio::test]
async fn what_is_no_command_is_kept_with_a_case() {
    let (world, orders) = (world(), MemoryOrders::default());
    assert!(take(&world, &orders, "{}".to_owned()).await);
    assert_eq!(orders.all_cases().len(), 1);
    assert!(world.partners.calls().is_empty());
}

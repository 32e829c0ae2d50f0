use super::*;
use std::sync::Arc;
use waybill_flow::ports::OrderStore;
use waybill_flow::ports::{InfraError, Queue};
use waybill_lambda_kit::batch::{Runner, Visibility};
use waybill_lambda_kit::endpoints::Endpoints;
use waybill_lambda_kit::execute::connection_case;
use waybill_model::case::CaseClass;
use waybill_model::command::{Command, CommandKind, PublishStock, SubscribeTracking};
use waybill_model::failure::Failure;
use waybill_model::id::{Code, CorrelationId};
use waybill_model::stock::{StockKind, StockLevel};
use waybill_partners::client::target;
use waybill_testkit::build;
use waybill_testkit::fakes::{Called, Reply};
use waybill_testkit::{FakePartner, ManualClock, MemoryEffects, MemoryOrders, MemoryQueues};

struct Nowhere;

impl Visibility for Nowhere {
    async fn change(&self, _: &str, _: Vec<(String, u32)>) -> Result<(), InfraError> {
        Ok(())
    }
}

struct World {
    effects: MemoryEffects,
    queues: MemoryQueues,
    partners: FakePartner,
}

/// Hands in one message and returns whether it was acknowledged.
async fn take(world: &World, orders: &MemoryOrders, body: String) -> bool {
    let clock = Arc::new(ManualClock::default());
    let ports = Ports {
        orders,
        effects: &world.effects,
        queues: &world.queues,
        partners: &world.partners,
        target,
        clock: clock.as_ref(),
        endpoints: &Endpoints::default(),
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
    let until = build::start().plus_ms(30_000);
    let response = handle(&ports, &runner, event, until).await.unwrap();
    response.batch_item_failures.is_empty()
}

fn world() -> World {
    World {
        effects: MemoryEffects::new(Arc::new(ManualClock::default())),
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

/// The message that publishes these levels, of `n` seconds after the start.
fn stock(n: i64, levels: &[(&str, i64)]) -> String {
    let channel = build::connection("shop-main");
    let own = CorrelationId::for_connection(&channel);
    let at = build::start().plus_ms(n * 1000);
    let mut command = build::command(own, &format!("channel_stock.publish/{n}"));
    command.time = at;
    let level = |(sku, quantity): &(&str, i64)| StockLevel {
        location: build::connection("odoo-main"),
        sku: build::sku(sku),
        kind: StockKind::Available,
        quantity: build::units(*quantity),
        at,
        lot: None,
    };
    command.body = Command::PublishStock(PublishStock {
        channel,
        levels: levels.iter().map(level).collect(),
    });
    serde_json::to_string(&command).unwrap()
}

fn published(world: &World) -> Vec<Vec<String>> {
    let levels = |called: &Called| match &called.command {
        Command::PublishStock(publish) => {
            let level = |l: &StockLevel| format!("{}={}", l.sku, l.quantity);
            publish.levels.iter().map(level).collect()
        }
        other => panic!("{other:?}"),
    };
    world.partners.calls().iter().map(levels).collect()
}

#[tokio::test]
async fn levels_that_a_newer_run_overtook_are_not_published() {
    let (world, orders) = (world(), MemoryOrders::default());
    let old = stock(1, &[("MUG-01", 5), ("CAP-01", 9)]);
    let new = stock(2, &[("MUG-01", 4)]);
    let busy = Failure::Transient {
        code: Code::literal("throttled"),
        detail: "slow down".to_owned(),
        retry_after_ms: None,
    };
    world
        .partners
        .reply(CommandKind::PublishStock, Reply::Refused(busy));
    assert!(!take(&world, &orders, old.clone()).await);
    assert!(take(&world, &orders, new).await);
    assert!(take(&world, &orders, old).await);
    let expected: [&[&str]; 3] = [&["MUG-01=5", "CAP-01=9"], &["MUG-01=4"], &["CAP-01=9"]];
    assert_eq!(published(&world), expected);
    assert!(
        take(&world, &orders, stock(0, &[("MUG-01", 6)])).await,
        "done, without a call"
    );
    assert_eq!(world.partners.calls().len(), 3);
}

#[tokio::test]
async fn a_success_is_told_where_an_earlier_refusal_is_still_a_case() {
    let (world, orders) = (world(), MemoryOrders::default());
    let own = CorrelationId::for_connection(&build::connection("shop-main"));
    let mut case = build::case(None, CaseClass::Integration, "channel_refused");
    case.id = connection_case(own, CommandKind::PublishStock);
    case.opened_at = build::start().plus_ms(1000);
    orders.put_case(&case).await.unwrap();
    assert!(take(&world, &orders, stock(1, &[("CAP-01", 9)])).await);
    assert!(world.queues.is_empty(), "it was issued before the refusal");
    assert!(take(&world, &orders, stock(2, &[("CAP-01", 9)])).await);
    assert_eq!(world.queues.sent(Queue::Events).len(), 1);
}

#[tokio::test]
async fn published_stock_is_told_to_nobody() {
    let world = world();
    let body = stock(1, &[("MUG-01", 5)]);
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

use super::*;
use std::sync::Arc;
use waybill_flow::ports::OrderStore;
use waybill_flow::ports::{InfraError, Queue};
use waybill_lambda_kit::batch::{Runner, Visibility};
use waybill_lambda_kit::endpoints::Endpoints;
use waybill_lambda_kit::execute::connection_case;
use waybill_model::case::{CaseClass, CaseStatus};
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
    clock: Arc<ManualClock>,
}

/// Hands in one message and returns whether it was acknowledged.
async fn take(world: &World, orders: &MemoryOrders, body: String) -> bool {
    take_by(&Endpoints::default(), world, orders, body).await
}

/// The same by a sandbox that knows of endpoints what it saw.
async fn take_by(
    endpoints: &Endpoints,
    world: &World,
    orders: &MemoryOrders,
    body: String,
) -> bool {
    let ports = Ports {
        orders,
        effects: &world.effects,
        queues: &world.queues,
        partners: &world.partners,
        target,
        clock: world.clock.as_ref(),
        endpoints,
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
    let until = world.clock.advance_ms(0).plus_ms(30_000);
    let response = handle(&ports, &runner, event, until).await.unwrap();
    response.batch_item_failures.is_empty()
}

fn world() -> World {
    let clock = Arc::new(ManualClock::default());
    World {
        effects: MemoryEffects::new(clock.clone()),
        queues: MemoryQueues::default(),
        partners: FakePartner::default(),
        clock,
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
    world
        .partners
        .reply(CommandKind::PublishStock, busy("throttled", None));
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

fn busy(code: &'static str, retry_after_ms: Option<u64>) -> Reply {
    Reply::Refused(Failure::Transient {
        code: Code::literal(code),
        detail: "slow down".to_owned(),
        retry_after_ms,
    })
}

#[tokio::test(start_paused = true)]
async fn a_publication_that_is_overtaken_while_it_waits_at_the_door_is_not_sent() {
    let (world, orders) = (world(), MemoryOrders::default());
    let (here, elsewhere) = (Endpoints::default(), Endpoints::default());
    world
        .partners
        .reply(CommandKind::PublishStock, busy("rate_limited", Some(1_000)));
    let first = stock(0, &[("HAT-01", 1)]);
    assert!(!take_by(&here, &world, &orders, first).await);
    let old = stock(1, &[("MUG-01", 5)]);
    let new = stock(2, &[("MUG-01", 4)]);
    let (waited, ()) = tokio::join!(take_by(&here, &world, &orders, old), async {
        tokio::task::yield_now().await;
        assert_eq!(published(&world).len(), 1, "the older one waits");
        assert!(take_by(&elsewhere, &world, &orders, new).await);
    });
    assert!(waited, "there is nothing left of it to do");
    assert_eq!(published(&world), [["HAT-01=1"], ["MUG-01=4"]]);
}

#[tokio::test]
async fn a_probe_of_which_nothing_is_left_to_send_leaves_the_probing_to_the_next() {
    let (world, orders) = (world(), MemoryOrders::default());
    let endpoints = Endpoints::default();
    assert!(take(&world, &orders, stock(9, &[("MUG-01", 4)])).await);
    for n in 10..15 {
        let away = Failure::Transient {
            code: Code::literal("partner_unreachable"),
            detail: "the connection could not be made".to_owned(),
            retry_after_ms: None,
        };
        world
            .partners
            .reply(CommandKind::PublishStock, Reply::Refused(away));
        let levels = stock(n, &[("CAP-01", n)]);
        assert!(!take_by(&endpoints, &world, &orders, levels).await);
    }
    let levels = stock(15, &[("CAP-01", 9)]);
    assert!(!take_by(&endpoints, &world, &orders, levels.clone()).await);
    assert_eq!(published(&world).len(), 6, "it is left alone");
    world.clock.advance_ms(15_000);
    let overtaken = stock(8, &[("MUG-01", 5)]);
    assert!(take_by(&endpoints, &world, &orders, overtaken).await);
    assert_eq!(published(&world).len(), 6, "nothing was left of it");
    assert!(take_by(&endpoints, &world, &orders, levels).await);
    assert_eq!(published(&world).len(), 7);
}

#[tokio::test]
async fn a_success_is_told_where_an_earlier_refusal_is_still_a_case() {
    for status in [CaseStatus::Open, CaseStatus::Ignored] {
        let (world, orders) = (world(), MemoryOrders::default());
        refused_once(&orders, status).await;
        assert!(take(&world, &orders, stock(1, &[("CAP-01", 9)])).await);
        assert!(world.queues.is_empty(), "it was issued before the refusal");
        assert!(take(&world, &orders, stock(2, &[("CAP-01", 9)])).await);
        assert_eq!(world.queues.sent(Queue::Events).len(), 1, "{status:?}");
    }
    let (world, orders) = (world(), MemoryOrders::default());
    refused_once(&orders, CaseStatus::Resolved).await;
    assert!(take(&world, &orders, stock(2, &[("CAP-01", 9)])).await);
    assert!(world.queues.is_empty(), "nothing is to be closed");
}

#[tokio::test]
async fn a_success_of_other_goods_closes_no_refusal_and_one_of_the_same_does() {
    let (world, orders) = (world(), MemoryOrders::default());
    let refused = Failure::Rejected {
        code: build::code("channel_refused"),
        detail: "no such product".to_owned(),
        remedy: "add it".to_owned(),
    };
    world
        .partners
        .reply(CommandKind::PublishStock, Reply::Refused(refused));
    assert!(take(&world, &orders, stock(1, &[("CAP-01", 9), ("MUG-01", 5)])).await);
    assert_eq!(world.queues.sent(Queue::Events).len(), 1);
    refused_once(&orders, CaseStatus::Open).await;
    for (n, levels, told) in [
        (2, ("TEE-01", 1), 1),
        (3, ("MUG-01", 5), 1),
        (4, ("CAP-01", 9), 2),
    ] {
        assert!(take(&world, &orders, stock(n, &[levels])).await);
        assert_eq!(world.queues.sent(Queue::Events).len(), told, "{levels:?}");
    }
}

/// The case of a refusal a second after the start.
async fn refused_once(orders: &MemoryOrders, status: CaseStatus) {
    let own = CorrelationId::for_connection(&build::connection("shop-main"));
    let mut case = build::case(None, CaseClass::Integration, "channel_refused");
    case.id = connection_case(own, CommandKind::PublishStock);
    case.opened_at = build::start().plus_ms(1000);
    case.status = status;
    orders.put_case(&case).await.unwrap();
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

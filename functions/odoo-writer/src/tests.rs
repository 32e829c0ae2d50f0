use super::*;
use std::sync::Arc;
use std::time::Duration;
use waybill_flow::pace::{Cap, Lane, Pace};
use waybill_flow::ports::{ErpCommand, InfraError, Queue};
use waybill_lambda_kit::execute::GIVE_UP_MS;
use waybill_lambda_kit::levels;
use waybill_lambda_kit::quarantine::PATIENCE_MS;
use waybill_model::command::{Command, CommandKind, CreateSaleOrder, SetStock};
use waybill_model::envelope::{CommandEnvelope, EventEnvelope};
use waybill_model::event::{Event, Outcome};
use waybill_model::failure::Failure;
use waybill_model::id::{Code, CorrelationId, MessageId};
use waybill_model::stock::{StockKind, StockLevel};
use waybill_testkit::build;
use waybill_testkit::fakes::Reply;
use waybill_testkit::{FakeErp, Fault, ManualClock, MemoryEffects, MemoryOrders, MemoryQueues};

const CONNECTIONS: &str = r#"
    version = "test"
    [[connections]]
    id = "odoo-main"
    partner = "odoo"
    base_url = "https://erp.example.com"
    [connections.erp]
    database = "acme"
    login = "integration"
    protocol = "json2"
    shipping_sku = "SHIPPING"
    batch = 2
"#;

mod breaker;

struct Nowhere;

impl Visibility for Nowhere {
    async fn change(&self, _: &str, _: Vec<(String, u32)>) -> Result<(), InfraError> {
        Ok(())
    }
}

struct World {
    connections: Connections,
    orders: MemoryOrders,
    effects: MemoryEffects,
    queues: MemoryQueues,
    erp: FakeErp,
    clock: Arc<ManualClock>,
    endpoints: Endpoints,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self {
            connections: Connections::parse(CONNECTIONS).unwrap(),
            orders: MemoryOrders::default(),
            effects: MemoryEffects::new(clock.clone()),
            queues: MemoryQueues::default(),
            erp: FakeErp::default(),
            endpoints: Endpoints::new(&Connections::parse(CONNECTIONS).unwrap()),
            clock,
        }
    }

    /// Hands in a batch; the indexes of what was not acknowledged.
    async fn take(&self, commands: &[CommandEnvelope]) -> Vec<String> {
        let write = |command| serde_json::to_string(command).unwrap();
        self.take_bodies(commands.iter().map(write).collect()).await
    }

    async fn take_bodies(&self, bodies: Vec<String>) -> Vec<String> {
        let until = self.clock.now().plus_ms(60_000);
        self.take_until(bodies, until).await
    }

    async fn take_until(&self, bodies: Vec<String>, until: Instant) -> Vec<String> {
        self.take_again(bodies, until, 1).await
    }

    /// The same, for the n-th time.
    async fn take_again(&self, bodies: Vec<String>, until: Instant, nth: u32) -> Vec<String> {
        let ports = Ports {
            connections: &self.connections,
            orders: &self.orders,
            effects: &self.effects,
            queues: &self.queues,
            erp: &self.erp,
            clock: self.clock.as_ref(),
            endpoints: &self.endpoints,
        };
        let runner = Runner {
            step: "test",
            visibility: Nowhere,
            clock: ManualClock::default(),
        };
        let records: Vec<_> = bodies
            .into_iter()
            .enumerate()
            .map(|(index, body)| {
                serde_json::json!({"messageId": index.to_string(), "receiptHandle": "h",
                    "body": body,
                    "attributes": {"SentTimestamp": build::start().epoch_ms().to_string(),
                        "ApproximateReceiveCount": nth.to_string()},
                    "eventSourceARN": "arn:aws:sqs:eu-west-1:1:erp"})
            })
            .collect();
        let event = serde_json::from_value(serde_json::json!({ "Records": records })).unwrap();
        let response = handle(&ports, &runner, event, until).await.unwrap();
        let failures = response.batch_item_failures.into_iter();
        failures.map(|f| f.item_identifier).collect()
    }

    fn outcomes(&self) -> Vec<(MessageId, Outcome)> {
        let sent = self.queues.sent(Queue::Events);
        sent.iter()
            .map(|m| {
                let event: EventEnvelope = serde_json::from_str(&m.body).unwrap();
                match event.body {
                    Event::CommandFinished(finished) => (event.id, finished.outcome),
                    other => panic!("{other:?}"),
                }
            })
            .collect()
    }
}

fn create(id: &str) -> CommandEnvelope {
    let order = build::order(id);
    let mut command = build::command(order.correlation(), "sale_order.create");
    command.body = Command::CreateSaleOrder(CreateSaleOrder {
        erp: build::connection("odoo-main"),
        order,
        warehouse: None,
    });
    command
}

fn cancel(id: &str) -> CommandEnvelope {
    build::command(build::order(id).correlation(), "sale_order.cancel")
}

fn refused(failure: Failure) -> Reply {
    Reply::Refused(failure)
}

fn transient() -> Failure {
    Failure::Transient {
        code: Code::literal("erp_busy"),
        detail: "busy".to_owned(),
        retry_after_ms: None,
    }
}

fn rejected() -> Failure {
    Failure::Rejected {
        code: Code::literal("unknown_sku"),
        detail: "`MUG-RED` is not in Odoo".to_owned(),
        remedy: "create the product".to_owned(),
    }
}

#[tokio::test]
async fn orders_go_out_in_batches_of_the_connections_size_and_outcomes_are_told() {
    let world = World::new();
    let batch = [create("1"), create("2"), create("3"), create("1")];
    assert_eq!(world.take(&batch).await, Vec::<String>::new());
    assert_eq!(world.erp.batches(), [2, 1], "the repeated order is one row");
    let outcomes = world.outcomes();
    assert_eq!(outcomes.len(), 4);
    assert!(
        outcomes
            .iter()
            .all(|(_, o)| matches!(o, Outcome::Done { .. }))
    );
    assert_eq!(outcomes[0].0, outcomes[3].0, "told twice it is one event");
}

#[tokio::test]
async fn one_rejected_order_leaves_its_neighbours_alone() {
    let world = World::new();
    world
        .erp
        .reply(CommandKind::CreateSaleOrder, refused(rejected()));
    assert!(world.take(&[create("1"), create("2")]).await.is_empty());
    let outcomes: Vec<_> = world.outcomes().into_iter().map(|(_, o)| o).collect();
    assert!(
        matches!(&outcomes[0], Outcome::Rejected { code, .. } if code.as_str() == "unknown_sku")
    );
    assert!(matches!(&outcomes[1], Outcome::Done { .. }));
}

#[tokio::test]
async fn an_outcome_that_could_not_be_told_is_told_by_the_redelivery_and_nothing_is_done_twice() {
    let world = World::new();
    world.queues.faults().plan("send", Fault::Unavailable);
    assert_eq!(world.take(&[cancel("1")]).await, ["0"]);
    assert_eq!(world.erp.written().len(), 1);
    assert!(world.take(&[cancel("1")]).await.is_empty());
    assert_eq!(world.erp.written().len(), 1);
    assert_eq!(world.outcomes().len(), 1);
}

#[tokio::test]
async fn a_busy_erp_is_asked_again_and_given_up_after_a_day_with_a_reason() {
    let world = World::new();
    let busy = || {
        world
            .erp
            .reply(CommandKind::CancelSaleOrder, refused(transient()))
    };
    busy();
    assert_eq!(world.take(&[cancel("1")]).await, ["0"]);
    assert!(world.outcomes().is_empty());
    busy();
    world.clock.advance_ms(GIVE_UP_MS);
    assert!(world.take(&[cancel("1")]).await.is_empty());
    let (_, outcome) = world.outcomes().pop().unwrap();
    assert!(
        matches!(&outcome, Outcome::Rejected { code, .. } if code.as_str() == "gave_up"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_operators_retry_of_a_rejected_effect_runs_and_its_outcome_is_another_event() {
    let world = World::new();
    world
        .erp
        .reply(CommandKind::CancelSaleOrder, refused(rejected()));
    let first = cancel("1").caused_by(build::message("event-1"));
    assert!(world.take(std::slice::from_ref(&first)).await.is_empty());
    assert!(world.take(&[first]).await.is_empty());
    assert!(world.erp.written().is_empty(), "a redelivery is no retry");
    let retry = cancel("1").caused_by(build::message("operator-1"));
    assert!(world.take(&[retry]).await.is_empty());
    assert_eq!(world.erp.written().len(), 1);
    let outcomes = world.outcomes();
    assert_eq!(outcomes[0], outcomes[1]);
    assert!(matches!(outcomes[2].1, Outcome::Done { .. }));
    assert_ne!(outcomes[0].0, outcomes[2].0);
}

/// A web server's page in Odoo's place says nothing of an order that an earlier attempt may have written.
#[tokio::test]
async fn an_order_that_may_be_there_is_not_refused_by_an_address_that_is_no_odoo() {
    for (nth, told) in [(1, "erp_wrong_address"), (2, "not_looked_up")] {
        let world = World::new();
        let no_odoo = Failure::Rejected {
            code: Code::literal("erp_wrong_address"),
            detail: "it answers with a page".to_owned(),
            remedy: "mend it".to_owned(),
        };
        world
            .erp
            .reply(CommandKind::CreateSaleOrder, refused(no_odoo));
        let body = serde_json::to_string(&create("1")).unwrap();
        let until = world.clock.now().plus_ms(60_000);
        assert!(world.take_again(vec![body], until, nth).await.is_empty());
        let (_, outcome) = world.outcomes().pop().unwrap();
        assert!(
            matches!(&outcome, Outcome::Rejected { code, .. } if code.as_str() == told),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn an_unreadable_command_is_kept_with_a_case() {
    let world = World::new();
    let mut command = cancel("1");
    command.effect = None;
    let commands = [command, create("2")];
    assert_eq!(
        world.take(&commands).await,
        ["0"],
        "it may be of a newer version"
    );
    assert!(world.orders.all_cases().is_empty());
    world.clock.advance_ms(PATIENCE_MS);
    assert!(world.take(&commands).await.is_empty());
    let cases = world.orders.all_cases();
    assert_eq!(cases[0].code.as_str(), "unreadable_command");
    assert_eq!(world.erp.written().len(), 1);
}

#[tokio::test]
async fn a_command_of_a_newer_version_is_carried_out() {
    let world = World::new();
    let mut newer = serde_json::to_value(create("1")).unwrap();
    newer["data"]["priority"] = "high".into();
    newer["data"]["order"]["lines"][0]["lot"] = "7".into();
    assert!(world.take_bodies(vec![newer.to_string()]).await.is_empty());
    assert_eq!(world.erp.written().len(), 1);
    assert!(matches!(world.outcomes()[0].1, Outcome::Done { .. }));
}

fn count(n: i64, levels: &[(&str, i64)]) -> CommandEnvelope {
    let depot = build::connection("depot");
    let at = build::start().plus_ms(n * 1000);
    let mut command = build::command(
        CorrelationId::for_connection(&depot),
        &format!("stock.set/{n}"),
    );
    let level = |(sku, quantity): &(&str, i64)| StockLevel {
        location: depot.clone(),
        sku: build::sku(sku),
        kind: StockKind::OnHand,
        quantity: build::units(*quantity),
        at,
        lot: None,
    };
    command.body = Command::SetStock(SetStock {
        erp: build::connection("odoo-main"),
        levels: levels.iter().map(level).collect(),
    });
    command
}

/// Nobody tells it again, and it is true until a newer one comes.
#[tokio::test]
async fn a_count_waits_for_an_odoo_that_is_away_for_more_than_a_day() {
    let world = World::new();
    let days = [0, 1, 3];
    for day in days {
        world.erp.reply(CommandKind::SetStock, refused(transient()));
        world.clock.advance_ms(day * GIVE_UP_MS);
        assert_eq!(world.take(&[count(1, &[("MUG-01", 5)])]).await, ["0"]);
        world.clock.advance_ms(-day * GIVE_UP_MS);
    }
    assert!(world.outcomes().is_empty());
}

#[tokio::test]
async fn a_count_that_a_newer_one_overtook_is_not_written() {
    let world = World::new();
    let new = count(2, &[("MUG-01", 4)]);
    assert!(world.take(&[new]).await.is_empty());
    let old = [
        count(1, &[("MUG-01", 5), ("CAP-01", 9)]),
        count(0, &[("MUG-01", 6)]),
    ];
    assert!(world.take(&old).await.is_empty());
    let written = world.erp.written();
    let skus = |command: &ErpCommand| match &command.command {
        Command::SetStock(set) => set.levels.iter().map(|l| l.sku.to_string()).collect(),
        other => panic!("{other:?}"),
    };
    let skus: Vec<Vec<String>> = written.iter().map(skus).collect();
    assert_eq!(skus, [["MUG-01"], ["CAP-01"]]);
}

#[tokio::test]
async fn of_two_counts_in_one_batch_only_the_newer_is_written() {
    for place in [0, 1] {
        let world = World::new();
        let mut counts = [count(1, &[("MUG-01", 5)]), count(2, &[("MUG-01", 4)])];
        let newer = counts[1].body.clone();
        counts.rotate_left(place);
        // Each is the newest while it is looked at first, and batches come in any order.
        assert!(world.take(&counts).await.is_empty());
        let written = world.erp.written();
        assert_eq!(written.len(), 1);
        assert_eq!(written[0].command, newer);
    }
}

#[tokio::test]
async fn calls_to_the_erp_end_before_the_invocation_does() {
    let world = World::new();
    let write = |id: &str| serde_json::to_string(&create(id)).unwrap();
    let now = world.clock.now();
    let until = now.plus_ms(TELLING_MS + CALL_MS - 1);
    let late = world.take_until(vec![write("1"), write("2")], until).await;
    assert_eq!(late, ["0", "1"], "there is no time for a call");
    assert!(world.erp.withins().is_empty());
    let until = now.plus_ms(TELLING_MS + CALL_MS);
    assert!(world.take_until(vec![write("1")], until).await.is_empty());
    assert_eq!(world.erp.withins(), [Duration::from_millis(3_000)]);
}

/// Half a second passes between two looks for a seat.
#[tokio::test(start_paused = true)]
async fn a_count_that_another_writer_overtook_while_this_one_waited_for_its_turn_is_not_written() {
    let world = World::new();
    let erp = build::connection("odoo-main");
    seat(&world, "orders", Lane::Orders).await;
    let older = [count(1, &[("MUG-01", 5), ("CAP-01", 9)])];
    let newer = count(2, &[("MUG-01", 4)]);
    let (left, ()) = tokio::join!(world.take(&older), async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(world.erp.written().is_empty(), "it waits for its turn");
        let begun = levels::newest(&world.effects, &newer.body).await.unwrap();
        assert_eq!(begun.as_deref(), Some(&newer.body));
        let mut pace = pace(&world).await;
        pace.stand_up("orders");
        let text = serde_json::to_string(&pace).unwrap();
        let stood_up = world.effects.set_checkpoint(&erp, "pace", &text).await;
        stood_up.unwrap();
    });
    assert!(left.is_empty());
    let written = world.erp.written();
    assert_eq!(written.len(), 1);
    let Command::SetStock(set) = &written[0].command else {
        panic!("{written:?}");
    };
    let skus: Vec<String> = set.levels.iter().map(|l| l.sku.to_string()).collect();
    assert_eq!(skus, ["CAP-01"]);
}

async fn pace(world: &World) -> Pace {
    let erp = build::connection("odoo-main");
    let text = world.effects.checkpoint(&erp, "pace").await.unwrap();
    serde_json::from_str(&text.unwrap()).unwrap()
}

/// Puts a writer into a seat, as another process would.
async fn seat(world: &World, owner: &str, lane: Lane) {
    let erp = build::connection("odoo-main");
    let old = world.effects.checkpoint(&erp, "pace").await.unwrap();
    let cap = Cap {
        batch: 2,
        writers: 2,
    };
    let mut pace = old.as_deref().map_or_else(
        || Pace::new(cap),
        |text| serde_json::from_str(text).unwrap(),
    );
    let now = world.clock.now();
    let seat = pace.sit_down(owner, lane, now, now.plus_ms(LEASE_MS));
    assert!(seat.is_some());
    let text = serde_json::to_string(&pace).unwrap();
    world
        .effects
        .set_checkpoint(&erp, "pace", &text)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_writer_without_a_seat_writes_nothing_and_its_orders_come_again() {
    let world = World::new();
    seat(&world, "one", Lane::Orders).await;
    seat(&world, "two", Lane::Orders).await;
    assert_eq!(world.take(&[create("1"), create("2")]).await, ["0", "1"]);
    assert!(world.erp.written().is_empty());
    assert!(world.outcomes().is_empty(), "nothing was given up");
    // Both died: their seats have an end.
    world.clock.advance_ms(LEASE_MS);
    assert!(world.take(&[create("1"), create("2")]).await.is_empty());
    assert_eq!(world.erp.written().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn stock_waits_while_orders_are_written_and_not_the_other_way_round() {
    let world = World::new();
    seat(&world, "orders", Lane::Orders).await;
    assert_eq!(world.take(&[count(1, &[("MUG-01", 4)])]).await, ["0"]);
    assert!(world.take(&[create("1")]).await.is_empty());
    let world = World::new();
    seat(&world, "stock", Lane::Bulk).await;
    assert!(world.take(&[create("1")]).await.is_empty());
}

#[tokio::test]
async fn a_lost_answer_makes_smaller_batches_and_fewer_writers_at_once() {
    let world = World::new();
    let lost = Failure::Indeterminate {
        code: Code::literal("erp_answer_lost"),
        detail: "no answer in time".to_owned(),
    };
    world.erp.reply(CommandKind::CreateSaleOrder, refused(lost));
    let batch = [create("1"), create("2")];
    assert_eq!(world.take(&batch).await, ["0"]);
    let slower = pace(&world).await;
    assert_eq!((slower.batch, slower.writers), (1, 1));
    assert!(world.take(&batch).await.is_empty());
    assert_eq!(world.erp.batches(), [2, 1, 1]);
    assert_eq!(pace(&world).await.batch, 2, "it goes well again");
}

#[tokio::test]
async fn what_an_erp_that_is_away_answers_says_nothing_of_its_pace() {
    let world = World::new();
    world.erp.set_down(Some(transient()));
    assert_eq!(world.take(&[create("1"), create("2")]).await, ["0", "1"]);
    let same = pace(&world).await;
    assert_eq!((same.batch, same.writers), (2, 2));
    assert_eq!(same.per_minute(), None);
}

#[tokio::test]
async fn orders_are_written_where_the_pace_can_be_neither_read_nor_kept() {
    let world = World::new();
    world
        .effects
        .faults()
        .plan("checkpoint", Fault::Unavailable);
    world
        .effects
        .faults()
        .plan("checkpoint", Fault::Unavailable);
    assert!(world.take(&[create("1")]).await.is_empty());
    assert_eq!(world.erp.written().len(), 1);
    let erp = build::connection("odoo-main");
    let unreadable = world
        .effects
        .set_checkpoint(&erp, "pace", "version 9")
        .await;
    unreadable.unwrap();
    assert!(world.take(&[create("2")]).await.is_empty());
    assert_eq!(pace(&world).await.batch, 2);
}

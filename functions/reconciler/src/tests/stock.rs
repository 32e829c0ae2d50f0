//! Availability to the channels.

use super::*;
use crate::stock::{InFlight, InFlightBounds, TooMuch};
use waybill_model::stock::StockLevel;
use waybill_model::time::{DAY_MS, Instant};

const STATUS: Queue = Queue::Commands(CommandQueue::Status);

impl World {
    /// The world by another clock.
    fn ports_at<'a, C: Clock>(
        &'a self,
        clock: &'a C,
    ) -> Ports<'a, MemoryOrders, MemoryEffects, MemoryQueues, FakePartner, FakeErp, C, MemorySecrets>
    {
        Ports {
            connections: &self.connections,
            orders: &self.orders,
            effects: &self.effects,
            queues: &self.queues,
            partners: &self.partners,
            erp: &self.erp,
            clock,
            secrets: &self.secrets,
        }
    }

    fn levels(&self) -> BTreeMap<String, String> {
        let levels = published(self).into_iter().flatten();
        levels
            .map(|level| (level.sku.to_string(), level.quantity.to_string()))
            .collect()
    }
}

/// What was sent to the channel, a command each.
fn published(world: &World) -> Vec<Vec<StockLevel>> {
    let sent = world.queues.take().into_iter();
    let commands = sent.filter(|(queue, _)| *queue == STATUS).map(|(_, m)| {
        let command: CommandEnvelope = serde_json::from_str(&m.body).unwrap();
        match command.body {
            Command::PublishStock(publish) => publish.levels,
            other => panic!("{other:?}"),
        }
    });
    commands.collect()
}

fn available(name: &str, units: Option<i64>) -> Availability {
    Availability {
        sku: build::sku(name),
        available: units.map(build::units),
    }
}

#[tokio::test]
async fn only_what_changed_is_published_safety_stock_taken_off() {
    let world = World::new();
    world.erp.set_level(available("MUG-RED", Some(10)));
    world.erp.set_level(available("TEE-M", Some(1)));
    world.erp.set_level(available("SERVICE", None));
    world.run(Job::Stock).await.unwrap();
    let expected = [("MUG-RED", "8"), ("TEE-M", "0")];
    let expected: BTreeMap<String, String> = expected
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    assert_eq!(world.levels(), expected);
    world.run(Job::Stock).await.unwrap();
    assert!(world.queues.is_empty(), "nothing changed");
    world.erp.set_level(available("TEE-M", Some(5)));
    world.clock.advance_ms(300_000);
    world.run(Job::Stock).await.unwrap();
    assert_eq!(world.levels().into_iter().next().unwrap().1, "3");
}

#[tokio::test]
async fn orders_that_the_erp_does_not_hold_yet_are_not_sold_again() {
    let world = World::new();
    world.erp.set_level(available("MUG-RED", Some(10)));
    world.waits("1", None).await;
    world.waits("2", written()).await;
    world.run(Job::Stock).await.unwrap();
    // Two mugs of order 1 are in flight; order 2 is reserved in the ERP.
    assert_eq!(world.levels()["MUG-RED"], "6");
}

#[tokio::test]
async fn stock_that_could_not_be_sent_is_sent_by_the_next_run() {
    let world = World::new();
    world.erp.set_level(available("MUG-RED", Some(10)));
    world.queues.faults().plan("send", Fault::Unavailable);
    assert!(world.run(Job::Stock).await.is_err());
    world.run(Job::Stock).await.unwrap();
    assert_eq!(world.levels()["MUG-RED"], "8");
}

fn bounds(in_flight: usize, listed: usize) -> InFlightBounds {
    InFlightBounds {
        in_flight,
        listed,
        until: build::start().plus_ms(1),
    }
}

#[tokio::test]
async fn what_is_in_flight_is_not_known_while_more_orders_are_than_may_be() {
    let world = World::new();
    world.waits("1", None).await;
    world.waits("2", None).await;
    world.waits("3", written()).await;
    let ports = world.ports();
    let (now, look) = (build::start(), async |most| {
        ports
            .in_flight(build::start(), bounds(most, 3))
            .await
            .unwrap()
    });
    assert_eq!(look(1).await, InFlight::Unknown(TooMuch::InFlight(1)));
    let InFlight::Known(all) = look(2).await else {
        panic!("what Odoo holds is not counted");
    };
    let units = all.values().flat_map(BTreeMap::iter);
    let units: Vec<_> = units.map(|(sku, n)| format!("{sku} {n}")).collect();
    assert_eq!(units, ["MUG-RED 4", "TEE-M 2"]);
    let few = ports.in_flight(now, bounds(2, 2)).await.unwrap();
    assert_eq!(few, InFlight::Unknown(TooMuch::Listed(2)));
    let over = InFlightBounds {
        until: now,
        ..bounds(2, 3)
    };
    let over = ports.in_flight(now, over).await.unwrap();
    assert_eq!(over, InFlight::Unknown(TooMuch::Time));
}

#[tokio::test]
async fn an_order_that_is_not_ours_takes_nothing_off_the_stock() {
    let world = World::new();
    world.erp.set_level(available("MUG-RED", Some(10)));
    let order = build::order("1");
    let mut state = OrderState {
        known_since: Some(order.placed_at.plus_ms(60 * DAY_MS)),
        ..OrderState::default()
    };
    let id = order.correlation();
    state.facts.order = Some(order);
    let mut commit = build::commit(id, None, state.clone(), "first");
    commit.deadline = Some(build::start());
    world.orders.commit(commit).await.unwrap();
    world.run(Job::Stock).await.unwrap();
    assert_eq!(world.levels()["MUG-RED"], "8", "the safety stock alone");
    let passed = (build::code("order_too_old"), "alice".to_owned());
    state.facts.waived.extend([passed]);
    let mut commit = build::commit(id, Some(1), state, "second");
    commit.deadline = Some(build::start());
    world.orders.commit(commit).await.unwrap();
    world.clock.advance_ms(300_000);
    world.run(Job::Stock).await.unwrap();
    assert_eq!(world.levels()["MUG-RED"], "6", "it is ours now");
}

#[tokio::test]
async fn stock_that_is_not_published_is_a_case_until_it_is() {
    let world = World::new();
    world.erp.set_level(available("MUG-RED", Some(1000)));
    for id in 0..160 {
        world.waits(&id.to_string(), None).await;
    }
    let slow = Ticking(ManualClock::default());
    let report = handle(&world.ports_at(&slow), Request { job: Job::Stock }).await;
    assert_eq!(report.unwrap().failed, ["stock_not_published"]);
    assert!(world.levels().is_empty());
    let cases = world.orders.all_cases();
    let [case] = cases.as_slice() else {
        panic!("{cases:?}")
    };
    assert_eq!(case.code.as_str(), "stock_not_published");
    assert_eq!(case.class, waybill_model::case::CaseClass::Integration);
    assert_eq!(case.connection, Some(build::connection("odoo-main")));
    assert!(
        case.detail.contains("the time of one run"),
        "{}",
        case.detail
    );
    assert!(case.remedy.contains("memory"), "{}", case.remedy);
    let report = world.run(Job::Stock).await.unwrap();
    assert_eq!((report.failed.len(), report.found), (0, 1));
    assert_eq!(world.levels()["MUG-RED"], "678");
    assert_eq!(world.orders.all_cases()[0].status, CaseStatus::Resolved);
}

#[test]
fn each_reason_for_publishing_nothing_says_what_to_do() {
    let told = [
        TooMuch::InFlight(50_000),
        TooMuch::Listed(150_000),
        TooMuch::Time,
    ]
    .map(|why| (why.detail(), why.remedy()));
    assert!(told[0].0.contains("more than 50000 orders are sold"));
    assert!(told[1].0.contains("more than 150000 orders wait"));
    assert!(told[0].1.contains("ops connections"));
    assert_eq!(told[1].1, told[2].1);
}

async fn kept(world: &World) -> serde_json::Value {
    let shop = build::connection("shop-main");
    let kept = waybill_flow::ports::EffectStore::checkpoint(&world.effects, &shop, "stock").await;
    serde_json::from_str(&kept.unwrap().unwrap()).unwrap()
}

/// What another run keeps.
fn of_another(read_at: Option<Instant>, mugs: &str) -> String {
    let mut value = serde_json::json!({
        "full_at": build::start(), "levels": {"MUG-RED": mugs, "TEE-M": "0"},
    });
    if let Some(at) = read_at {
        value["read_at"] = serde_json::json!(at);
    }
    value.to_string()
}

async fn keep(world: &World, read_at: Option<Instant>, mugs: &str) {
    let (shop, value) = (build::connection("shop-main"), of_another(read_at, mugs));
    let kept =
        waybill_flow::ports::EffectStore::set_checkpoint(&world.effects, &shop, "stock", &value);
    kept.await.unwrap();
}

#[tokio::test]
async fn a_run_that_another_was_faster_than_sends_nothing_and_the_next_one_does() {
    let world = World::new();
    world.erp.set_level(available("MUG-RED", Some(7)));
    // Even by an older one: what cannot be remembered is not sent.
    let other = of_another(Some(build::start().plus_ms(-60_000)), "8");
    world.effects.overtake_next_swap(&other);
    assert_eq!(world.run(Job::Stock).await.unwrap().found, 0);
    assert!(world.queues.is_empty());
    assert_eq!(kept(&world).await["levels"]["MUG-RED"], "8");
    world.clock.advance_ms(300_000);
    world.run(Job::Stock).await.unwrap();
    assert_eq!(world.levels()["MUG-RED"], "5");
}

#[tokio::test]
async fn a_run_that_read_earlier_publishes_nothing_and_leaves_the_newer_checkpoint() {
    let world = World::new();
    world.erp.set_level(available("MUG-RED", Some(7)));
    keep(&world, Some(build::start().plus_ms(60_000)), "8").await;
    let before = kept(&world).await;
    assert_eq!(world.run(Job::Stock).await.unwrap().found, 0);
    assert!(world.queues.is_empty());
    assert_eq!(kept(&world).await, before);
    // Once that is past, what is read is newer.
    world.clock.advance_ms(60_000);
    assert_eq!(world.run(Job::Stock).await.unwrap().found, 1);
    assert_eq!(world.levels()["MUG-RED"], "5");
}

#[tokio::test]
async fn a_checkpoint_of_an_older_version_and_one_of_a_wrong_clock_hold_nobody_up() {
    let ahead = build::start().plus_ms(10 * 60_000 + 1);
    for read_at in [None, Some(ahead)] {
        let world = World::new();
        world.erp.set_level(available("MUG-RED", Some(7)));
        keep(&world, read_at, "8").await;
        assert_eq!(world.run(Job::Stock).await.unwrap().found, 1, "{read_at:?}");
        assert_eq!(world.levels()["MUG-RED"], "5");
        let now = serde_json::json!(build::start());
        assert_eq!(kept(&world).await["read_at"], now);
    }
}

#[tokio::test]
async fn what_may_have_been_sent_is_sent_again_though_it_is_what_was_published_before() {
    let world = World::new();
    world.erp.set_level(available("MUG-RED", Some(10)));
    world.run(Job::Stock).await.unwrap();
    assert_eq!(world.levels()["MUG-RED"], "8");
    world.clock.advance_ms(300_000);
    world.erp.set_level(available("MUG-RED", Some(7)));
    world.queues.faults().plan("send", Fault::Unavailable);
    assert!(world.run(Job::Stock).await.is_err());
    assert_eq!(kept(&world).await["levels"], serde_json::json!({}));
    world.clock.advance_ms(300_000);
    world.erp.set_level(available("MUG-RED", Some(10)));
    world.run(Job::Stock).await.unwrap();
    assert_eq!(world.levels()["MUG-RED"], "8");
}

/// While something is sent, a whole other run goes by that reads other stock a minute later.
struct Overtaken<'a>(&'a World);

impl Queues for Overtaken<'_> {
    async fn send(&self, queue: Queue, messages: Vec<Outgoing>) -> Result<Vec<usize>, InfraError> {
        let world = self.0;
        world.clock.advance_ms(60_000);
        world.erp.set_level(available("MUG-RED", Some(10)));
        world.run(Job::Stock).await.unwrap();
        world.queues.send(queue, messages).await
    }
}

#[tokio::test]
async fn of_two_runs_at_once_the_one_that_read_later_has_the_checkpoint() {
    let world = World::new();
    world.erp.set_level(available("MUG-RED", Some(10)));
    world.run(Job::Stock).await.unwrap();
    assert_eq!(world.levels()["MUG-RED"], "8");
    // What it reads is what was published before the other run: that must send it all the same.
    world.erp.set_level(available("MUG-RED", Some(7)));
    world.clock.advance_ms(300_000);
    let began = world.clock.now();
    let ports = world.ports();
    let slow = Ports {
        connections: ports.connections,
        orders: ports.orders,
        effects: ports.effects,
        queues: &Overtaken(&world),
        partners: ports.partners,
        erp: ports.erp,
        clock: ports.clock,
        secrets: ports.secrets,
    };
    handle(&slow, Request { job: Job::Stock }).await.unwrap();
    let sent: Vec<_> = published(&world).into_iter().flatten().collect();
    let told: Vec<_> = sent
        .iter()
        .map(|l| (l.at.ms_since(began), l.quantity.to_string()))
        .collect();
    assert_eq!(told, [(60_000, "8".to_owned()), (0, "5".to_owned())]);
    let kept = kept(&world).await;
    assert_eq!(kept["levels"]["MUG-RED"], "8");
    assert_eq!(kept["read_at"], serde_json::json!(began.plus_ms(60_000)));
    // The channel shows 8, and less is told.
    world.clock.advance_ms(300_000);
    world.erp.set_level(available("MUG-RED", Some(7)));
    world.run(Job::Stock).await.unwrap();
    assert_eq!(world.levels()["MUG-RED"], "5");
}

/// A second goes by whenever somebody looks at it.
struct Ticking(ManualClock);

impl Clock for Ticking {
    fn now(&self) -> waybill_model::time::Instant {
        let now = self.0.now();
        self.0.advance_ms(1000);
        now
    }
}

#[tokio::test]
async fn levels_are_as_of_before_anything_was_read() {
    let world = World::new();
    world.waits("1", None).await;
    world.erp.set_level(Availability {
        sku: build::sku("MUG-RED"),
        available: Some(build::units(10)),
    });
    let clock = Ticking(ManualClock::default());
    let began = clock.0.now();
    let ports = world.ports_at(&clock);
    handle(&ports, Request { job: Job::Stock }).await.unwrap();
    let sent = world.queues.sent(STATUS);
    let command: CommandEnvelope = serde_json::from_str(&sent[0].body).unwrap();
    let Command::PublishStock(publish) = command.body else {
        panic!("{:?}", command.body);
    };
    // The job's own beginning, then the reading before that of the orders that wait.
    assert_eq!(publish.levels[0].at, began.plus_ms(1000));
}

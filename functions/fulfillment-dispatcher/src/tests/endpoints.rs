//! Breakers and calls a minute, as the handler sees them.

use super::*;
use waybill_flow::connections::Connections;
use waybill_lambda_kit::endpoints::REFRESH_MS;

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
    [[connections]]
    id = "depot"
    partner = "canonical"
    base_url = "https://depot.example.com"
    calls_per_minute = 10
    [connections.warehouse]
    erp = "odoo-main"
    default_shipping_method = "standard"
"#;

fn away() -> Reply {
    Reply::Refused(Failure::Transient {
        code: Code::literal("partner_unreachable"),
        detail: "the connection could not be made".to_owned(),
        retry_after_ms: None,
    })
}

fn throttled(retry_after_ms: u64) -> Reply {
    Reply::Refused(Failure::Transient {
        code: Code::literal("rate_limited"),
        detail: "slow down".to_owned(),
        retry_after_ms: Some(retry_after_ms),
    })
}

/// One command of its own order.
fn nth(n: u32) -> CommandEnvelope {
    let mut command = command();
    let correlation = build::order(&format!("{}", 2000 + n)).correlation();
    let other = build::command(correlation, "fulfillment_order.cancel/depot");
    command.id = other.id;
    command.correlationid = correlation;
    command
}

impl World {
    /// Half a minute from now.
    fn soon(&self) -> Instant {
        use waybill_flow::ports::Clock as _;
        self.clock.now().plus_ms(30_000)
    }

    async fn take_now(&self, endpoints: &Endpoints, n: u32) -> bool {
        self.take_by(endpoints, &nth(n), self.soon()).await
    }

    /// The endpoint fails so often that its breaker opens.
    async fn goes_away(&self) {
        for n in 0..5 {
            self.partners.reply(KIND, away());
            assert!(!self.take_now(&self.endpoints, n).await);
        }
        assert_eq!(self.partners.calls().len(), 5);
    }

    async fn breaker(&self) -> String {
        let depot = build::connection("depot");
        let kept = self.effects.checkpoint(&depot, "breaker").await.unwrap();
        kept.unwrap_or_default()
    }

    fn last_delay_s(&self) -> u32 {
        *self.later.0.lock().unwrap().last().unwrap()
    }
}

#[tokio::test]
async fn an_endpoint_that_is_away_is_left_alone_by_every_sandbox() {
    let world = World::new();
    world.goes_away().await;
    assert!(world.breaker().await.contains(r#""phase":"open""#));
    let other = Endpoints::default();
    for sandbox in [&world.endpoints, &other] {
        assert!(!world.take_now(sandbox, 9).await);
        assert_eq!(world.last_delay_s(), 15, "the message waits for its end");
    }
    assert_eq!(world.partners.calls().len(), 5, "nobody called");
    assert!(world.outcomes().is_empty(), "nothing was given up");
}

#[tokio::test]
async fn one_probe_closes_it_and_what_was_refused_is_a_first_attempt_still() {
    let world = World::new();
    world.goes_away().await;
    assert!(!world.take_now(&world.endpoints, 9).await);
    world.clock.advance_ms(15_000);
    assert!(world.take_now(&world.endpoints, 9).await);
    assert_eq!(world.partners.calls()[5].attempt, Attempt::First);
    assert!(world.breaker().await.contains(r#""phase":"closed""#));
    assert!(world.take_now(&world.endpoints, 1).await);
}

#[tokio::test]
async fn while_one_probes_nobody_else_calls() {
    let world = World::new();
    world.goes_away().await;
    world.clock.advance_ms(15_000);
    world.partners.set_hanging(true);
    let soon = world.clock.advance_ms(0).plus_ms(TELLING_MS + 50);
    let (probing, asking) = (nth(7), nth(8));
    let (probe, ()) = tokio::join!(world.take_by(&world.endpoints, &probing, soon), async {
        tokio::task::yield_now().await;
        let other = Endpoints::default();
        assert!(!world.take_by(&other, &asking, soon).await);
    });
    assert!(!probe);
    assert_eq!(world.partners.calls().len(), 6, "the probe and no other");
}

#[tokio::test]
async fn a_probe_that_fails_leaves_it_open_for_twice_as_long() {
    let world = World::new();
    world.goes_away().await;
    world.clock.advance_ms(15_000);
    world.partners.reply(KIND, away());
    assert!(!world.take_now(&world.endpoints, 9).await);
    assert!(!world.take_now(&world.endpoints, 9).await);
    assert_eq!(world.last_delay_s(), 30);
    assert_eq!(world.partners.calls().len(), 6);
}

#[tokio::test]
async fn what_the_business_refuses_opens_nothing() {
    let world = World::new();
    for n in 0..20 {
        let no = Failure::Rejected {
            code: Code::literal("unknown_sku"),
            detail: "no".to_owned(),
            remedy: "mend it".to_owned(),
        };
        world.partners.reply(KIND, Reply::Refused(no));
        assert!(world.take_now(&world.endpoints, n).await);
    }
    assert_eq!(world.partners.calls().len(), 20);
    assert_eq!(world.breaker().await, "", "nothing was ever written");
}

#[tokio::test]
async fn a_throttle_holds_all_messages_for_as_long_as_it_says() {
    let world = World::new();
    world.partners.reply(KIND, throttled(90_000));
    assert!(!world.take_now(&world.endpoints, 0).await);
    assert!(!world.take_now(&Endpoints::default(), 1).await);
    assert_eq!(world.last_delay_s(), 90);
    assert_eq!(world.partners.calls().len(), 1);
    world.clock.advance_ms(90_000);
    assert!(world.take_now(&world.endpoints, 1).await);
}

#[tokio::test(start_paused = true)]
async fn a_short_throttle_is_waited_for_where_it_was_heard() {
    let world = World::new();
    world.partners.reply(KIND, throttled(1_000));
    assert!(!world.take_now(&world.endpoints, 0).await);
    let began = tokio::time::Instant::now();
    assert!(world.take_now(&world.endpoints, 1).await);
    assert_eq!(began.elapsed().as_millis(), 1_000);
    assert_eq!(world.breaker().await, "", "that is no state");
}

#[tokio::test]
async fn a_command_that_waited_a_day_for_an_open_breaker_is_given_up_by_its_age() {
    let world = World::new();
    world.clock.advance_ms(24 * 60 * 60 * 1000);
    for n in 0..5 {
        world.partners.reply(KIND, away());
        world.take_now(&world.endpoints, n).await;
    }
    assert!(world.take_now(&world.endpoints, 9).await);
    let outcomes = world.outcomes();
    let Some(Outcome::Rejected { code, detail, .. }) = outcomes.last() else {
        panic!("{outcomes:?}")
    };
    assert_eq!(code.as_str(), "gave_up");
    assert!(detail.contains("breaker_open"), "{detail}");
    assert!(detail.contains("partner_unreachable"), "{detail}");
    assert_eq!(world.partners.calls().len(), 5);
}

#[tokio::test]
async fn without_the_document_a_sandbox_goes_by_what_it_saw_itself() {
    let world = World::new();
    for _ in 0..10 {
        world
            .effects
            .faults()
            .plan("checkpoint", Fault::Unavailable);
        world
            .effects
            .faults()
            .plan("swap_checkpoint", Fault::Unavailable);
    }
    world.goes_away().await;
    assert!(!world.take_now(&world.endpoints, 9).await);
    assert_eq!(world.partners.calls().len(), 5, "it stopped by itself");
    assert!(world.take_now(&Endpoints::default(), 9).await);
}

#[tokio::test]
async fn a_lost_answer_of_the_store_leaves_no_two_probes() {
    let world = World::new();
    world.goes_away().await;
    world.clock.advance_ms(15_000);
    world
        .effects
        .faults()
        .plan("swap_checkpoint", Fault::LostAnswer);
    assert!(world.take_now(&world.endpoints, 9).await, "it is the probe");
    assert!(world.breaker().await.contains(r#""phase":"closed""#));
}

#[tokio::test]
async fn all_well_costs_one_read_in_a_while_and_no_write() {
    let world = World::new();
    for n in 0..5 {
        assert!(world.take_now(&world.endpoints, n).await);
    }
    assert_eq!(world.breaker().await, "");
    // What others opened is seen after a while without a failure of its own.
    let other = Endpoints::default();
    for n in 5..10 {
        world.partners.reply(KIND, away());
        world.take_now(&other, n).await;
    }
    assert!(world.take_now(&world.endpoints, 10).await, "not seen yet");
    world.clock.advance_ms(REFRESH_MS);
    world.partners.reply(KIND, away());
    assert!(!world.take_now(&other, 11).await, "the probe of the other");
    assert!(!world.take_now(&world.endpoints, 12).await);
    assert_eq!(world.partners.calls().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn calls_a_minute_are_shared_by_all_sandboxes() {
    let world = World::new();
    let connections = Connections::parse(CONNECTIONS).unwrap();
    let sandboxes = [Endpoints::new(&connections), Endpoints::new(&connections)];
    let mut made = 0;
    for second in 0..60_u32 {
        let sandbox = &sandboxes[usize::try_from(second % 2).unwrap()];
        if world.take_now(sandbox, second).await {
            made += 1;
        } else {
            // It is told when its turn would be.
            assert!((6..=14).contains(&world.last_delay_s()));
        }
        world.clock.advance_ms(1_000);
    }
    assert_eq!(made, world.partners.calls().len());
    assert!((9..=10).contains(&made), "{made} of 10 a minute");
}

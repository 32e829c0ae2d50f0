//! The steward of subscriptions, with the poll beside it.

use super::*;
use waybill_flow::ports::EffectStore as _;
use waybill_lambda_kit::heard;
use waybill_model::time::Instant;

const MINUTE_MS: i64 = 60_000;
/// Two that the poll makes up for, and one that it does not.
const ALL: [(&str, bool, bool); 3] = [
    ("orders/create", true, true),
    ("orders/updated", true, true),
    ("returns/request", true, false),
];

impl World {
    /// A shop whose webhooks are looked after.
    fn with_webhooks() -> Self {
        let mut world = Self::new();
        let text = CONNECTIONS.replace(
            "    base_url = \"https://acme.myshopify.com\"\n",
            "    base_url = \"https://acme.myshopify.com\"\n    \
             webhook_url = \"https://waybill.example.com/webhooks/shop-main\"\n",
        );
        world.connections = Connections::parse(&text).unwrap();
        world.partners.set_webhooks(&ALL);
        world
    }

    /// All schedules for so many minutes: polls each 5 minutes, the steward each 15.
    async fn pass(&self, minutes: i64) {
        for _ in 0..minutes / 5 {
            let now = self.clock.advance_ms(5 * MINUTE_MS);
            self.run(Job::Poll).await.unwrap();
            if now.ms_since(build::start()) % (15 * MINUTE_MS) == 0 {
                self.run(Job::Webhooks).await.unwrap();
            }
        }
    }

    async fn hear(&self) {
        use waybill_flow::ports::Clock as _;
        let now = self.clock.now();
        let mark = heard::mark(&build::connection("shop-main"), now);
        let expires = now.plus_ms(24 * 60 * MINUTE_MS);
        self.effects.mark_seen(&[mark], expires).await.unwrap();
    }

    fn open_cases(&self) -> Vec<String> {
        let cases = self.orders.all_cases().into_iter();
        cases
            .filter(|c| c.status == CaseStatus::Open)
            .map(|c| c.code.to_string())
            .collect()
    }

    /// From when on the last poll asked.
    fn asked_from(&self) -> Instant {
        self.partners.polls().last().unwrap().0
    }
}

fn refused() -> Failure {
    Failure::Rejected {
        code: Code::literal("access_denied"),
        detail: "no scope".to_owned(),
        remedy: "store another token".to_owned(),
    }
}

#[tokio::test]
async fn a_deleted_webhook_is_made_again_and_exactly_the_gap_is_asked_for() {
    let world = World::with_webhooks();
    world.pass(60).await;
    let stood = build::start().plus_ms(60 * MINUTE_MS);
    world
        .partners
        .set_webhooks(&[("orders/create", false, true), ALL[1], ALL[2]]);
    world.clock.advance_ms(7 * MINUTE_MS);
    let report = world.run(Job::Webhooks).await.unwrap();
    assert_eq!((report.looked_at, report.found), (1, 1));
    assert!(world.partners.missing_webhooks().is_empty());
    world.run(Job::Poll).await.unwrap();
    assert_eq!(world.asked_from(), stood.plus_ms(-5 * MINUTE_MS));
    // Once, and then as ever.
    world.clock.advance_ms(5 * MINUTE_MS);
    world.run(Job::Poll).await.unwrap();
    assert_eq!(
        world.asked_from(),
        stood.plus_ms((7 - 5) * MINUTE_MS),
        "from the last poll on"
    );
    assert!(world.open_cases().is_empty());
}

#[tokio::test]
async fn what_no_poll_finds_in_the_gap_is_a_case() {
    let world = World::with_webhooks();
    world.pass(15).await;
    world
        .partners
        .set_webhooks(&[ALL[0], ALL[1], ("returns/request", false, false)]);
    world.pass(15).await;
    assert_eq!(world.open_cases(), ["webhook_gap"]);
    let case = &world.orders.all_cases()[0];
    assert!(case.detail.contains("returns/request"), "{}", case.detail);
    world.pass(60).await;
    assert_eq!(world.open_cases().len(), 1, "told once");
}

#[tokio::test]
async fn the_first_run_makes_what_is_wanted_without_a_gap() {
    let world = World::with_webhooks();
    let none = ALL.map(|(topic, _, polled)| (topic, false, polled));
    world.partners.set_webhooks(&none);
    assert_eq!(world.run(Job::Webhooks).await.unwrap().found, 3);
    assert!(world.partners.missing_webhooks().is_empty());
    let shop = build::connection("shop-main");
    let from = world.effects.checkpoint(&shop, "poll_from").await.unwrap();
    assert_eq!(from, None);
    assert!(world.open_cases().is_empty());
}

#[tokio::test]
async fn a_webhook_that_may_not_be_made_is_a_case_and_the_gap_is_kept_until_it_is() {
    let world = World::with_webhooks();
    world.pass(15).await;
    let stood = build::start().plus_ms(15 * MINUTE_MS);
    world
        .partners
        .set_webhooks(&[("orders/create", false, true), ALL[1], ALL[2]]);
    world.partners.refuse_webhooks(Some(refused()));
    world.pass(30).await;
    assert_eq!(world.open_cases(), ["access_denied"]);
    world.partners.refuse_webhooks(None);
    world.clock.advance_ms(15 * MINUTE_MS);
    world.run(Job::Webhooks).await.unwrap();
    assert!(world.open_cases().is_empty(), "it answers");
    world.run(Job::Poll).await.unwrap();
    assert_eq!(world.asked_from(), stood.plus_ms(-5 * MINUTE_MS));
}

#[tokio::test]
async fn the_case_of_a_refusal_closes_when_the_partner_manages_no_webhooks_any_more() {
    let world = World::with_webhooks();
    world
        .partners
        .set_webhooks(&[("orders/create", false, true), ALL[1], ALL[2]]);
    world.partners.refuse_webhooks(Some(refused()));
    world.run(Job::Webhooks).await.unwrap();
    assert_eq!(world.open_cases(), ["access_denied"]);
    world.partners.manage_no_webhooks();
    world.run(Job::Webhooks).await.unwrap();
    assert!(world.open_cases().is_empty());
}

#[tokio::test]
async fn a_run_that_dies_after_making_it_leaves_the_gap_to_the_next() {
    let world = World::with_webhooks();
    world.pass(15).await;
    let stood = build::start().plus_ms(15 * MINUTE_MS);
    world
        .partners
        .set_webhooks(&[("orders/create", false, true), ALL[1], ALL[2]]);
    world.clock.advance_ms(10 * MINUTE_MS);
    // The gap is written down and the run dies; another made the webhook and died too.
    world
        .effects
        .faults()
        .plan("set_checkpoint", Fault::LostAnswer);
    assert!(world.run(Job::Webhooks).await.is_err());
    assert_eq!(world.partners.missing_webhooks(), ["orders/create"]);
    world.partners.set_webhooks(&ALL);
    world.run(Job::Webhooks).await.unwrap();
    world.run(Job::Poll).await.unwrap();
    assert_eq!(world.asked_from(), stood.plus_ms(-5 * MINUTE_MS));
}

#[tokio::test]
async fn webhooks_that_stay_silent_while_the_poll_finds_orders_are_a_case_until_one_comes() {
    let world = World::with_webhooks();
    world.pass(60).await;
    assert!(world.open_cases().is_empty(), "nothing was to be told");
    world.partners.page(page(&["a"], None));
    world.pass(15).await;
    assert!(world.open_cases().is_empty(), "it may be late");
    world.pass(15).await;
    assert_eq!(world.open_cases(), ["webhooks_silent"]);
    world.hear().await;
    world.pass(15).await;
    assert!(
        world.open_cases().is_empty(),
        "{:?}",
        world.orders.all_cases()
    );
}

#[tokio::test]
async fn a_shop_whose_webhooks_come_is_not_suspected() {
    let world = World::with_webhooks();
    world.pass(15).await;
    for n in 0..24 {
        world.hear().await;
        world.partners.page(page(&[&format!("order-{n}")], None));
        world.pass(15).await;
    }
    assert!(world.orders.all_cases().is_empty());
}

#[tokio::test]
async fn orders_that_were_missed_while_the_webhook_was_gone_do_not_make_the_new_one_silent() {
    let world = World::with_webhooks();
    world.pass(15).await;
    world
        .partners
        .set_webhooks(&[("orders/create", false, true), ALL[1], ALL[2]]);
    world.partners.page(page(&["a"], None));
    world.pass(90).await;
    assert!(world.open_cases().is_empty());
}

#[tokio::test]
async fn without_a_webhook_url_nothing_is_looked_after() {
    let world = World::new();
    let none = ALL.map(|(topic, _, polled)| (topic, false, polled));
    world.partners.set_webhooks(&none);
    assert_eq!(world.run(Job::Webhooks).await.unwrap().looked_at, 0);
    assert_eq!(world.partners.missing_webhooks().len(), 3);
}

/// Features C3: a webhook that was lost is made up for within a quarter of an hour, at whatever
/// moment between two polls, and although the channel's index runs two minutes behind.
#[tokio::test]
async fn what_a_lost_webhook_told_is_asked_for_within_fifteen_minutes() {
    const INDEX_MS: i64 = 2 * MINUTE_MS;
    for lost_at_s in (0..600).step_by(20) {
        let world = World::new();
        let lost_at = build::start().plus_ms(lost_at_s * 1000);
        world.run(Job::Poll).await.unwrap();
        let mut found_at = None;
        for _ in 0..5 {
            let now = world.clock.advance_ms(5 * MINUTE_MS);
            world.run(Job::Poll).await.unwrap();
            let is_there = now.ms_since(lost_at) >= INDEX_MS;
            if found_at.is_none() && is_there && world.asked_from() <= lost_at {
                found_at = Some(now);
            }
        }
        let late_ms = found_at.expect("it was asked for").ms_since(lost_at);
        assert!(late_ms <= 15 * MINUTE_MS, "{late_ms} ms");
    }
}

#[tokio::test]
async fn a_busy_shop_is_asked_until_there_is_no_more() {
    let world = World::new();
    for n in 0..59 {
        world
            .partners
            .page(page(&[&format!("o-{n}")], Some("next")));
    }
    world.partners.page(page(&["o-59"], None));
    assert_eq!(world.run(Job::Poll).await.unwrap().found, 60);
}

//! Keys over weeks, with a process that dies anywhere.

use super::*;
use crate::{Request, handle};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use waybill_flow::connections::Connections;
use waybill_flow::ports::{Availability, ErpCommand, ErpOrder, MadeKey, Secrets};
use waybill_model::case::CaseStatus;
use waybill_model::id::{CorrelationId, Reference, Sku};
use waybill_model::time::DAY_MS;
use waybill_testkit::{
    FakeErp, FakePartner, ManualClock, MemoryEffects, MemoryOrders, MemoryQueues, MemorySecrets,
};

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
"#;

/// Kills the process at the nth moment: before and after each call that leaves it.
#[derive(Default)]
struct Reaper(AtomicI64);

impl Reaper {
    async fn moment(&self) {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            pending::<()>().await;
        }
    }
}

struct Mortal<T> {
    inner: T,
    reaper: Arc<Reaper>,
}

impl<T: Secrets> Secrets for Mortal<T> {
    async fn get(&self, connection: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        self.inner.get(connection).await
    }
}

impl<T: SecretStore> SecretStore for Mortal<T> {
    async fn latest(&self, connection: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        self.reaper.moment().await;
        self.inner.latest(connection).await
    }

    async fn set_api(
        &self,
        connection: &ConnectionId,
        values: &BTreeMap<String, Secret>,
    ) -> Result<(), InfraError> {
        self.reaper.moment().await;
        let set = self.inner.set_api(connection, values).await;
        self.reaper.moment().await;
        set
    }
}

impl<T: ErpKeys> ErpKeys for Mortal<T> {
    async fn keys(&self, erp: &ConnectionId) -> Result<Vec<ErpKey>, Failure> {
        self.reaper.moment().await;
        self.inner.keys(erp).await
    }

    async fn make_key(
        &self,
        erp: &ConnectionId,
        secrets: &ConnectionSecrets,
        name: &str,
        now: Instant,
    ) -> Result<MadeKey, KeyError> {
        self.reaper.moment().await;
        let made = self.inner.make_key(erp, secrets, name, now).await;
        self.reaper.moment().await;
        made
    }

    async fn try_key(&self, erp: &ConnectionId, key: &Secret) -> Result<(), Failure> {
        self.reaper.moment().await;
        self.inner.try_key(erp, key).await
    }

    async fn revoke_key(
        &self,
        erp: &ConnectionId,
        secrets: &ConnectionSecrets,
        id: &str,
    ) -> Result<(), KeyError> {
        self.reaper.moment().await;
        let revoked = self.inner.revoke_key(erp, secrets, id).await;
        self.reaper.moment().await;
        revoked
    }
}

impl<T: Erp> Erp for Mortal<T> {
    async fn write_within(
        &self,
        erp: &ConnectionId,
        batch: &[ErpCommand],
        within: Duration,
    ) -> Vec<Result<Vec<Reference>, Failure>> {
        self.inner.write_within(erp, batch, within).await
    }

    async fn availability(
        &self,
        erp: &ConnectionId,
        skus: &[Sku],
    ) -> Result<Vec<Availability>, Failure> {
        self.inner.availability(erp, skus).await
    }

    async fn orders(
        &self,
        erp: &ConnectionId,
        correlations: &[CorrelationId],
    ) -> Result<Vec<ErpOrder>, Failure> {
        self.inner.orders(erp, correlations).await
    }
}

struct World {
    connections: Connections,
    orders: MemoryOrders,
    effects: MemoryEffects,
    erp: Mortal<FakeErp>,
    secrets: Mortal<MemorySecrets>,
    clock: Arc<ManualClock>,
    reaper: Arc<Reaper>,
}

fn erp() -> ConnectionId {
    ConnectionId::new("odoo-main").unwrap()
}

impl World {
    /// A key made by hand today that lives for 90 days.
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let reaper = Arc::new(Reaper::default());
        let inner = FakeErp::default();
        inner.let_make_keys(Some(89));
        let now = clock.now();
        let by_hand = ErpKey {
            id: "1".to_owned(),
            name: "by hand".to_owned(),
            created: Some(now),
            expires: Some(now.plus_ms(90 * DAY_MS)),
        };
        inner.set_key(by_hand, "first");
        let secrets = MemorySecrets::default().with("odoo-main", &["hook"], &[("key", "first")]);
        Self {
            connections: Connections::parse(CONNECTIONS).unwrap(),
            orders: MemoryOrders::default(),
            effects: MemoryEffects::new(clock.clone()),
            erp: Mortal {
                inner,
                reaper: reaper.clone(),
            },
            secrets: Mortal {
                inner: secrets,
                reaper: reaper.clone(),
            },
            clock,
            reaper,
        }
    }

    fn days(&self, days: i64) {
        self.clock.advance_ms(days * DAY_MS);
    }

    async fn run(&self) -> Result<Report, JobError> {
        let ports = Ports {
            connections: &self.connections,
            orders: &self.orders,
            effects: &self.effects,
            queues: &MemoryQueues::default(),
            partners: &FakePartner::default(),
            erp: &self.erp,
            clock: self.clock.as_ref(),
            secrets: &self.secrets,
        };
        handle(&ports, Request { job: Job::Keys }).await
    }

    /// Runs and dies at the nth moment; true if it came to its end before.
    async fn run_and_die(&self, moment: i64) -> bool {
        self.reaper.0.store(moment, Ordering::SeqCst);
        let ended = tokio::select! {
            biased;
            report = self.run() => { report.unwrap(); true }
            () = tokio::task::yield_now() => false,
        };
        self.reaper.0.store(0, Ordering::SeqCst);
        ended
    }

    async fn stored(&self) -> BTreeMap<String, String> {
        let secrets = self.secrets.inner.get(&erp()).await.unwrap();
        let api = secrets.api.into_iter();
        api.map(|(k, v)| (k, v.expose().to_owned())).collect()
    }

    /// The stored key works: what must be true at every moment.
    async fn works(&self) -> bool {
        let key = self.stored().await["key"].clone();
        self.erp.inner.key_values().contains(&key)
    }

    async fn open_case(&self) -> Option<Case> {
        let id = CaseId::new("odoo-main", &literal(CODE), "key");
        let case = self.orders.case(id).await.unwrap();
        case.filter(|c| c.status == CaseStatus::Open)
    }
}

#[tokio::test]
async fn a_key_is_replaced_with_a_day_of_overlap_and_then_taken_away() {
    let world = World::new();
    world.days(59);
    assert_eq!(world.run().await.unwrap().found, 0);
    world.days(1);
    assert_eq!(world.run().await.unwrap().found, 1);
    let stored = world.stored().await;
    assert_eq!(stored["key"], "made-101");
    assert_eq!(stored["previous_key"], "first");
    assert_eq!(world.erp.inner.key_values(), ["first", "made-101"]);
    // What the steward does not know stays.
    let secrets = world.secrets.inner.get(&erp()).await.unwrap();
    assert_eq!(secrets.webhook_secrets[0].expose(), "hook");
    world.clock.advance_ms(DAY_MS - 1);
    world.run().await.unwrap();
    assert_eq!(world.erp.inner.key_values().len(), 2, "a day of overlap");
    world.clock.advance_ms(1);
    world.run().await.unwrap();
    assert_eq!(world.erp.inner.key_values(), ["made-101"]);
    assert_eq!(world.open_case().await, None);
}

#[tokio::test]
async fn a_year_of_daily_runs_never_leaves_more_than_two_keys() {
    let world = World::new();
    for _ in 0..365 {
        world.days(1);
        world.run().await.unwrap();
        assert!(world.works().await);
        assert!(world.erp.inner.key_values().len() <= 2);
    }
    assert_eq!(world.erp.inner.key_values().len(), 1);
}

#[tokio::test]
async fn a_process_that_dies_at_any_moment_leaves_a_key_that_works_and_piles_up_none() {
    for moment in 1.. {
        let world = World::new();
        world.days(60);
        let ended = world.run_and_die(moment).await;
        assert!(world.works().await, "moment {moment}");
        world.days(1);
        // It dies there again, then lives.
        world.run_and_die(moment).await;
        assert!(world.works().await, "moment {moment}");
        for _ in 0..3 {
            world.days(1);
            world.run().await.unwrap();
            assert!(world.works().await, "moment {moment}");
        }
        let left = world.erp.inner.key_values();
        assert_eq!(left.len(), 1, "moment {moment}: {left:?}");
        assert_ne!(left[0], "first", "moment {moment}");
        if ended {
            assert!(moment > 6, "{moment} moments are too few to be all");
            return;
        }
    }
}

#[tokio::test]
async fn two_runs_at_once_make_one_key() {
    let world = World::new();
    world.days(60);
    let (one, two) = tokio::join!(world.run(), world.run());
    assert_eq!(one.unwrap().found + two.unwrap().found, 1);
    assert_eq!(world.erp.inner.key_values().len(), 2);
    // The lease of one that died is over after ten minutes.
    let world = World::new();
    world.days(60);
    assert!(!world.run_and_die(3).await);
    assert_eq!(world.run().await.unwrap().found, 0);
    world.clock.advance_ms(LEASE_MS);
    assert_eq!(world.run().await.unwrap().found, 1);
}

#[tokio::test]
async fn a_key_that_nobody_can_replace_is_a_case_three_weeks_before_its_end_and_closes_by_itself() {
    let world = World::new();
    world.erp.inner.let_make_keys(None);
    world.days(69);
    assert_eq!(world.run().await.unwrap().failed, Vec::<String>::new());
    world.days(1);
    assert_eq!(world.run().await.unwrap().failed, [CODE]);
    let case = world.open_case().await.unwrap();
    assert!(case.detail.contains("ends in 20 day(s)"), "{}", case.detail);
    assert!(case.remedy.contains("store a password"), "{}", case.remedy);
    // A person made another, and stored it.
    let now = world.clock.now();
    let key = ErpKey {
        id: "2".to_owned(),
        name: "by hand again".to_owned(),
        created: Some(now),
        expires: Some(now.plus_ms(90 * DAY_MS)),
    };
    world.erp.inner.set_key(key, "second");
    world
        .erp
        .inner
        .revoke_key(&erp(), &ConnectionSecrets::default(), "1")
        .await
        .unwrap();
    let second = BTreeMap::from([("key".to_owned(), Secret::new("second"))]);
    world.secrets.inner.set_api(&erp(), &second).await.unwrap();
    assert_eq!(world.run().await.unwrap().failed, Vec::<String>::new());
    assert_eq!(world.open_case().await, None);
}

#[tokio::test]
async fn a_stored_password_that_does_not_help_is_told_at_once() {
    let world = World::new();
    world.erp.inner.let_make_keys(None);
    let password = BTreeMap::from([("password".to_owned(), Secret::new("wrong"))]);
    world
        .secrets
        .inner
        .set_api(&erp(), &password)
        .await
        .unwrap();
    world.days(60);
    assert_eq!(world.run().await.unwrap().failed, [CODE]);
}

#[tokio::test]
async fn a_key_that_a_person_replaced_by_hand_is_not_taken_for_ours() {
    let world = World::new();
    world.days(60);
    world.run().await.unwrap();
    // By hand, with our id left beside it.
    let now = world.clock.now();
    let key = ErpKey {
        id: "7".to_owned(),
        name: "by hand".to_owned(),
        created: Some(now),
        expires: Some(now.plus_ms(90 * DAY_MS)),
    };
    world.erp.inner.set_key(key, "by hand");
    let by_hand = BTreeMap::from([("key".to_owned(), Secret::new("by hand"))]);
    world.secrets.inner.set_api(&erp(), &by_hand).await.unwrap();
    for _ in 0..5 {
        world.days(1);
        world.run().await.unwrap();
        assert!(world.works().await);
    }
}

#[tokio::test]
async fn a_refused_key_is_a_case_that_says_that_orders_wait() {
    let world = World::new();
    world.erp.inner.set_down(Some(Failure::Transient {
        code: literal("erp_credentials"),
        detail: "refused".to_owned(),
        retry_after_ms: None,
    }));
    assert_eq!(world.run().await.unwrap().failed, [CODE]);
    let case = world.open_case().await.unwrap();
    assert!(case.remedy.contains("orders wait"), "{}", case.remedy);
}

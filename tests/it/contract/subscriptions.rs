//! The steward of subscriptions and the poll of the reconciler, with the real adapter and the simulated shop.

use super::rig::{Rig, Setup};
use super::shopify::place;
use reconciler::{Job, Ports, Report, Request, handle};
use std::collections::BTreeSet;
use std::sync::Arc;
use waybill_flow::ports::{Clock as _, PartnerPort as _, Queue};
use waybill_lambda_kit::delivery;
use waybill_model::delivery::Origin;
use waybill_simulators::faults::Fault;
use waybill_simulators::sim::Sim;
use waybill_simulators::webhooks::Sent;
use waybill_testkit::build::connection;
use waybill_testkit::{
    FakeErp, ManualClock, MemoryEffects, MemoryOrders, MemoryQueues, MemorySecrets,
};

const WANTED: usize = 10;

/// The reconciler on the rig's clock, with stores in memory.
struct Reconciler {
    rig: Rig,
    orders: MemoryOrders,
    effects: MemoryEffects,
    queues: MemoryQueues,
    clock: Arc<ManualClock>,
}

impl Reconciler {
    async fn new() -> Self {
        let setup = Setup {
            connections: |text| {
                let shop = "partner = \"shopify\"\n";
                let url = "webhook_url = \"https://waybill.example.com/webhooks/shopify-main\"\n";
                text.replace(shop, &format!("{shop}{url}"))
            },
            ..Setup::default()
        };
        let rig = setup.start().await;
        let clock = Arc::clone(&rig.clock);
        Self {
            rig,
            orders: MemoryOrders::default(),
            effects: MemoryEffects::new(clock.clone()),
            queues: MemoryQueues::default(),
            clock,
        }
    }

    async fn run(&self, job: Job) -> Report {
        let ports = Ports {
            connections: &self.rig.connections,
            orders: &self.orders,
            effects: &self.effects,
            queues: &self.queues,
            partners: &self.rig.partners,
            erp: &FakeErp::default(),
            clock: self.clock.as_ref(),
            secrets: &MemorySecrets::default(),
        };
        handle(&ports, Request { job }).await.unwrap()
    }

    /// Topics that the shop sends, as it names them.
    fn standing(&self) -> BTreeSet<String> {
        let state = self.rig.state(Sim::Shopify);
        let topics = state["webhooks"].as_array().unwrap().iter();
        topics.map(|t| t.as_str().unwrap().to_owned()).collect()
    }

    fn delete(&self) {
        self.rig.world.shopify.lock().unwrap().delete_webhooks();
    }

    /// Bodies that polls handed in.
    fn polled(&self) -> Vec<String> {
        let sent = self.queues.sent(Queue::Inbound);
        let read = sent.iter().map(|m| delivery::decode(&m.body).unwrap());
        read.filter(|d| d.origin == Origin::Poll)
            .map(|d| String::from_utf8(d.body).unwrap())
            .collect()
    }

    async fn missing(&self) -> Vec<String> {
        let shop = connection("shopify-main");
        let webhooks = self.rig.partners.webhooks(&shop).await.unwrap().unwrap();
        let missing = webhooks.into_iter().filter(|w| !w.stands);
        missing.map(|w| w.topic).collect()
    }
}

#[tokio::test]
async fn webhooks_are_made_once_and_again_when_the_shop_deletes_them() {
    let reconciler = Reconciler::new().await;
    assert_eq!(reconciler.missing().await.len(), WANTED);
    assert_eq!(reconciler.run(Job::Webhooks).await.found, WANTED);
    assert_eq!(reconciler.standing().len(), WANTED);
    assert!(reconciler.standing().contains("ORDERS_UPDATED"));
    assert_eq!(reconciler.run(Job::Webhooks).await.found, 0);
    place(&reconciler.rig, false);
    reconciler
        .rig
        .hooks(1, |h| h.header("x-shopify-topic") == "orders/create")
        .await;
    reconciler.delete();
    assert_eq!(reconciler.missing().await.len(), WANTED);
    let report = reconciler.run(Job::Webhooks).await;
    assert_eq!((report.found, report.failed.len()), (WANTED, 0));
    assert!(reconciler.missing().await.is_empty());
}

#[tokio::test]
async fn what_the_shop_did_not_tell_meanwhile_is_handed_in_by_the_poll() {
    let reconciler = Reconciler::new().await;
    reconciler.run(Job::Webhooks).await;
    reconciler.run(Job::Poll).await;
    reconciler.delete();
    let placed = place(&reconciler.rig, false);
    let now = reconciler.clock.now().plus_ms(60 * 60_000);
    reconciler.clock.set(now);
    reconciler.run(Job::Poll).await;
    assert_eq!(reconciler.polled().len(), 1);
    let sent = reconciler.rig.world.webhooks.log(0);
    let ours = |s: &&Sent| s.sim == Sim::Shopify && s.key == placed.name;
    let told = sent.iter().filter(ours);
    assert!(told.clone().count() > 0);
    assert!(told.into_iter().all(|s| s.outcome == "dropped"));
    assert_eq!(reconciler.run(Job::Webhooks).await.found, WANTED);
    reconciler.run(Job::Poll).await;
    assert_eq!(reconciler.polled().len(), 1, "asked for again, and known");
    assert!(reconciler.polled()[0].contains(&placed.id.to_string()));
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_subscription() {
    let reconciler = Reconciler::new().await;
    let shop = connection("shopify-main");
    reconciler.rig.fail_next(Sim::Shopify, Fault::LostAnswer);
    let made = reconciler
        .rig
        .partners
        .create_webhook(&shop, "orders/create");
    assert_eq!(made.await.unwrap_err().class(), "indeterminate");
    let made = reconciler
        .rig
        .partners
        .create_webhook(&shop, "orders/create");
    made.await.unwrap();
    let state = reconciler.rig.state(Sim::Shopify);
    assert_eq!(state["webhooks"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_topic_that_the_shop_does_not_know_is_refused_with_a_remedy() {
    let reconciler = Reconciler::new().await;
    let shop = connection("shopify-main");
    let made = reconciler.rig.partners.create_webhook(&shop, "moon/phase");
    assert_eq!(made.await.unwrap_err().class(), "rejected");
}

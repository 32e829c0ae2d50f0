//! Everything that the simulators hold.

use crate::canonical::{Marketplace, Warehouse};
use crate::day::DayState;
use crate::easypost::Easypost;
use crate::env::Env;
use crate::faults::Faults;
use crate::odoo::OdooSim;
use crate::secrets::Secrets;
use crate::shipbob::Shipbob;
use crate::shopify::Shop;
use crate::stripe::Stripe;
use crate::webhooks::{Sender, WebhookFaults};
use crate::zendesk::Zendesk;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Settings of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Seed of every draw.
    pub seed: u64,
    /// Multiplies every simulated delay.
    pub time_scale: f64,
    /// `{base}/webhooks/{connection}` gets the webhooks; none are sent without it.
    pub webhook_base: Option<String>,
    /// Faults on the way of webhooks.
    pub webhook_faults: WebhookFaults,
    /// Currency of the shop.
    pub currency: String,
    /// Tax of the shop in hundredths of a percent: 2000 is 20 %.
    pub tax_bp: i64,
    /// The same for prices without tax, where an ERP has no tax of that rate for them.
    pub tax_on_top_bp: i64,
    /// SKUs of the catalogue, `SKU-0001` on.
    pub skus: u32,
    /// Number of the shop's first order.
    pub first_order_number: i64,
    /// Calls a minute that ShipBob allows.
    pub shipbob_calls_per_minute: usize,
    /// How long that minute is, in milliseconds of real time: the day is compressed.
    pub shipbob_window_ms: u64,
    /// Release of the simulated Odoo: 17, or anything else for 19.
    pub odoo_version: u32,
    /// Base URL of a real Odoo that stands in for the simulated one.
    pub real_odoo: Option<String>,
    /// Units of each SKU that ShipBob begins with.
    pub shipbob_stock: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            time_scale: 1.0,
            webhook_base: None,
            webhook_faults: WebhookFaults::default(),
            currency: "EUR".to_owned(),
            tax_bp: 2000,
            tax_on_top_bp: 2000,
            skus: 200,
            first_order_number: 1001,
            shipbob_calls_per_minute: 150,
            shipbob_window_ms: 10_000,
            odoo_version: 19,
            real_odoo: None,
            shipbob_stock: 10_000,
        }
    }
}

/// Every simulator's state, and what they share.
#[derive(Debug)]
pub struct World {
    /// Seed, clock and pace.
    pub env: Env,
    /// Settings.
    pub options: Options,
    /// Keys and credentials.
    pub secrets: Secrets,
    /// Sender of webhooks.
    pub webhooks: Sender,
    /// Faults of the APIs.
    pub faults: Faults,
    /// The shop.
    pub shopify: Mutex<Shop>,
    /// The gateway.
    pub stripe: Mutex<Stripe>,
    /// The carrier service.
    pub easypost: Mutex<Easypost>,
    /// The 3PL.
    pub shipbob: Mutex<Shipbob>,
    /// The ERP.
    pub odoo: Arc<OdooSim>,
    /// The helpdesk.
    pub zendesk: Mutex<Zendesk>,
    /// The warehouse that speaks our schemas.
    pub warehouse: Mutex<Warehouse>,
    /// The marketplace that speaks our schemas.
    pub marketplace: Mutex<Marketplace>,
    /// The day that is played.
    pub day: Mutex<DayState>,
    /// Told after every call: something may have changed.
    pub changed: Notify,
}

impl World {
    /// A world in which nothing has happened yet.
    #[must_use]
    pub fn new(options: Options, secrets: Secrets) -> Arc<Self> {
        let env = Env::new(options.seed, options.time_scale);
        let http = reqwest::Client::new();
        let webhooks = Sender::new(http, None, options.webhook_faults);
        webhooks.set_base(options.webhook_base.clone());
        Arc::new(Self {
            shopify: Mutex::new(Shop::new(&options, &env)),
            shipbob: Mutex::new(Shipbob::new(&options, &env)),
            stripe: Mutex::new(Stripe::new(&env)),
            easypost: Mutex::new(Easypost::new(&env)),
            odoo: crate::erp::odoo(&options, &secrets),
            zendesk: Mutex::new(Zendesk::new(&env)),
            warehouse: Mutex::new(Warehouse::new(&env)),
            marketplace: Mutex::new(Marketplace::new(&env)),
            env,
            options,
            secrets,
            webhooks,
            day: Mutex::new(DayState::default()),
            faults: Faults::default(),
            changed: Notify::new(),
        })
    }

    /// Waits until `look` finds something, for at most `limit` of real time.
    pub async fn wait_for<T>(
        self: &Arc<Self>,
        limit: Duration,
        look: impl Fn(&Self) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = look(self) {
                return Some(found);
            }
            if Instant::now() >= deadline {
                return None;
            }
            let tick = Duration::from_millis(250);
            // A timeout only means that nothing was told: look again all the same.
            drop(tokio::time::timeout(tick, self.changed.notified()).await);
        }
    }
}

/// Locks; a panic elsewhere does not spread.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

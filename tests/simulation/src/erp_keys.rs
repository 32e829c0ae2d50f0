//! Odoo's API keys: made, tried, taken away, and running out.

use crate::sandbox::{Sandbox, transient};
use crate::sim::{DAY, HOUR, Sim};
use crate::world::{ODOO, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use waybill_flow::ports::{
    ConnectionSecrets, ErpKey, ErpKeys, KeyError, MadeKey, Secret, Secrets as _,
    keys::{KEY, KEY_ID, mark},
};
use waybill_model::failure::Failure;
use waybill_model::id::ConnectionId;
use waybill_model::time::Instant;

/// How long Odoo lets a key live.
const LIFE_MS: i64 = 90 * DAY.cast_signed();

/// The value of the first key.
pub const FIRST: &str = "key-0";

/// The keys of our user.
#[derive(Debug)]
pub struct Keys {
    made: u64,
    by_hand: bool,
    /// By id, with its value.
    alive: BTreeMap<String, (ErpKey, String)>,
}

impl Keys {
    /// One key, which a person made or Waybill did. In half of the runs it is due to be replaced while faults happen, in the
    /// others in months.
    #[must_use]
    pub fn draw(sim: &Sim) -> Self {
        let age_ms = if sim.chance(500) {
            sim.between(60 * DAY - 4 * HOUR, 68 * DAY)
        } else {
            sim.below(59 * DAY)
        };
        let age_ms = i64::try_from(age_ms).expect("a span");
        let created = sim.now().plus_ms(-age_ms);
        let by_hand = sim.chance(500);
        let name = if by_hand { "by hand" } else { "waybill odoo 0" };
        let key = ErpKey {
            id: "0".to_owned(),
            name: name.to_owned(),
            created: Some(created),
            expires: Some(created.plus_ms(LIFE_MS)),
        };
        Self {
            made: 0,
            by_hand,
            alive: BTreeMap::from([(key.id.clone(), (key, FIRST.to_owned()))]),
        }
    }

    /// What is stored of the first one.
    #[must_use]
    pub fn stored(&self) -> Value {
        let mut api = json!({KEY: FIRST});
        if !self.by_hand {
            api[KEY_ID] = mark("0", &Secret::new(FIRST.to_owned())).expose().into();
        }
        api
    }

    /// Whether a value opens Odoo.
    #[must_use]
    pub fn opens(&self, value: &str, now: Instant) -> bool {
        let lives = |key: &ErpKey| key.expires.is_none_or(|end| end > now);
        self.alive.values().any(|(k, v)| v == value && lives(k))
    }

    /// Those that work.
    #[must_use]
    pub fn count(&self, now: Instant) -> usize {
        let alive = self.alive.values();
        alive.filter(|(_, v)| self.opens(v, now)).count()
    }

    fn make(&mut self, name: &str, now: Instant) -> MadeKey {
        self.made += 1;
        let key = ErpKey {
            id: self.made.to_string(),
            name: name.to_owned(),
            created: Some(now),
            expires: Some(now.plus_ms(LIFE_MS)),
        };
        let value = format!("key-{}", self.made);
        let made = MadeKey {
            id: key.id.clone(),
            value: Secret::new(value.clone()),
        };
        self.alive.insert(key.id.clone(), (key, value));
        made
    }
}

/// The key that is stored must open Odoo, always.
pub fn check(world: &World) {
    let now = world.sim.now();
    let stored = world.document(ODOO)["api"][KEY].clone();
    let value = stored.as_str().unwrap_or_default();
    if !world.keys.lock().unwrap().opens(value, now) {
        world.sim.wrong(format!(
            "the key that is stored for Odoo does not open it: `{value}`"
        ));
    }
}

/// Of the keys that were made, none is forgotten: in peace there is the one that is stored, and for a day the one before.
pub fn check_few(world: &World) {
    let count = world.keys.lock().unwrap().count(world.sim.now());
    if count > 2 {
        world
            .sim
            .wrong(format!("{count} keys open Odoo: some were left behind"));
    }
}

fn refused() -> Failure {
    transient("erp_credentials", Some(300_000))
}

impl Sandbox {
    /// A call to Odoo with the key that this process knows; one that is refused is read anew once.
    pub(crate) async fn odoo<T>(
        &self,
        what: &str,
        work: impl FnOnce() -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let world = self.world();
        let erp = waybill_testkit::build::connection(ODOO);
        let opens = |secrets: &ConnectionSecrets| {
            let value = secrets.api.get(KEY).map_or("", Secret::expose);
            let keys = world.keys.lock().unwrap();
            keys.opens(value, world.sim.now())
        };
        let known = self.get(&erp).await;
        let known = known.map_err(|_| transient("secrets_unavailable", None))?;
        if !opens(&known) {
            world.sim.count("an old key is shown to Odoo");
            let newer = self.refresh(&erp).await.ok().flatten();
            if !newer.is_some_and(|s| opens(&s)) {
                return self.partner(ODOO, what, || Err(refused())).await;
            }
        }
        self.partner(ODOO, what, work).await
    }
}

impl ErpKeys for Sandbox {
    async fn keys(&self, _: &ConnectionId) -> Result<Vec<ErpKey>, Failure> {
        let list = || {
            let keys = self.world().keys.lock().unwrap();
            let now = self.world().sim.now();
            let alive = keys.alive.values().filter(|(_, v)| keys.opens(v, now));
            Ok(alive.map(|(k, _)| k.clone()).collect())
        };
        self.odoo("lists keys", list).await
    }

    async fn make_key(
        &self,
        _: &ConnectionId,
        _: &ConnectionSecrets,
        name: &str,
        _: Instant,
    ) -> Result<MadeKey, KeyError> {
        let world = self.world();
        let make = || Ok(world.keys.lock().unwrap().make(name, world.sim.now()));
        Ok(self.odoo("makes a key", make).await?)
    }

    async fn try_key(&self, _: &ConnectionId, key: &Secret) -> Result<(), Failure> {
        let world = self.world();
        let keys = || {
            let opens = world
                .keys
                .lock()
                .unwrap()
                .opens(key.expose(), world.sim.now());
            if opens { Ok(()) } else { Err(refused()) }
        };
        self.partner(ODOO, "tries a key", keys).await
    }

    async fn revoke_key(
        &self,
        _: &ConnectionId,
        _: &ConnectionSecrets,
        id: &str,
    ) -> Result<(), KeyError> {
        let world = self.world();
        let revoke = || {
            world.keys.lock().unwrap().alive.remove(id);
            check(world);
            Ok(())
        };
        Ok(self.odoo("takes a key away", revoke).await?)
    }
}

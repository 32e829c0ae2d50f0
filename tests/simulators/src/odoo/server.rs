//! Serving one call: worker, lock, transaction, answer.
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::concurrency::{InFlight, LOST};
use super::config::{OdooConfig, Version};
use super::db::Db;
use super::env::{Account, Env, World};
use super::fault::{Class, Fault};
use super::methods::{self, Call};
use super::schema::Schema;
use super::{Injection, access, keys, seed};

#[derive(Debug)]
struct Login {
    account: Account,
    password: String,
}

/// The simulated server with its one database.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) world: World,
    db: Mutex<Db>,
    logins: Vec<Login>,
    /// Users of the open sessions.
    sessions: Mutex<Vec<i64>>,
    flight: Arc<InFlight>,
    workers: Semaphore,
    injections: Mutex<Vec<Injection>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys as an administrator made them for a user.
fn put_keys(db: &mut Db, config: &OdooConfig, uid: i64, values: &[String]) {
    let now = (config.clock)();
    let end = keys::latest(config.version, now);
    for value in values {
        keys::put(db, uid, "waybill", value, now, end);
    }
    db.commit();
}

impl Server {
    pub(super) fn new(config: OdooConfig) -> Self {
        let schema = Schema::of(config.version);
        let rights = access::Rights::of(config.version);
        let mut links = schema.links();
        links.insert(
            ("stock.quant".into(), "product_id".into()),
            vec![("product.product".into(), "__quants".into())],
        );
        links.insert(
            ("stock.move".into(), "product_id".into()),
            vec![("product.product".into(), "__moves".into())],
        );
        let mut db = Db::new(links);
        seed::seed(&mut db, &schema, &rights, &config);
        let mut next = if config.version == Version::V17 { 6 } else { 5 };
        let mut logins = Vec::new();
        for user in &config.users {
            let uid = user.uid.unwrap_or_else(|| {
                if user.login == "admin" {
                    return 2;
                }
                next += 1;
                next - 1
            });
            let account = Account {
                uid,
                login: user.login.clone(),
                name: user.name.clone(),
                groups: rights.expand(&user.groups),
            };
            seed::add_user(&mut db, &schema, &account);
            put_keys(&mut db, &config, uid, &user.keys);
            logins.push(Login {
                account,
                password: user.password.clone(),
            });
        }
        let workers = Semaphore::new(config.workers.max(1));
        Self {
            world: World {
                version: config.version,
                schema,
                rights,
                config,
            },
            db: Mutex::new(db),
            logins,
            sessions: Mutex::default(),
            flight: Arc::default(),
            workers,
            injections: Mutex::default(),
        }
    }

    pub(super) fn by_key(&self, key: &str) -> Option<Account> {
        let now = (self.world.config.clock)();
        let uid = self.with_db(|db| keys::owner(db, key, now))?;
        self.login(|login| login.account.uid == uid)
            .map(|login| login.account.clone())
    }

    pub(super) fn by_login(&self, name: &str, key: &str) -> Option<i64> {
        self.by_key(key)
            .filter(|account| account.login == name)
            .map(|account| account.uid)
    }

    pub(super) fn by_password(&self, name: &str, password: &str) -> Option<Account> {
        let fits = |l: &Login| l.account.login == name && l.password == password;
        let login = self.login(fits).filter(|l| !l.password.is_empty());
        login.map(|login| login.account.clone())
    }

    /// A session of the web client.
    pub(super) fn open_session(&self, account: &Account) -> String {
        let mut sessions = lock(&self.sessions);
        sessions.push(account.uid);
        format!("session-{}", sessions.len())
    }

    pub(super) fn by_session(&self, session: &str) -> Option<Account> {
        let index: usize = session.strip_prefix("session-")?.parse().ok()?;
        let uid = *lock(&self.sessions).get(index.checked_sub(1)?)?;
        self.login(|login| login.account.uid == uid)
            .map(|login| login.account.clone())
    }

    fn login(&self, wanted: impl Fn(&Login) -> bool) -> Option<&Login> {
        self.logins.iter().find(|login| wanted(login))
    }

    /// Replaces the keys of a user: the old ones are refused from now on.
    pub(super) fn set_keys(&self, login: &str, values: &[String]) {
        if let Some(known) = self.login(|known| known.account.login == login) {
            let uid = known.account.uid;
            self.with_db(|db| {
                keys::clear(db, uid);
                put_keys(db, &self.world.config, uid, values);
                db.commit();
            });
        }
    }

    /// Odoo forgets an expired key at its next clean-up and refuses it as an unknown one before.
    pub(super) fn expire_key(&self, key: &str) {
        self.with_db(|db| {
            keys::expire(db, key);
            db.commit();
        });
    }

    pub(super) fn inject(&self, injection: Injection) {
        lock(&self.injections).push(injection);
    }

    fn injected(&self, call: &Call) -> Option<Injection> {
        let mut all = lock(&self.injections);
        let index = all
            .iter()
            .position(|one| one.times > 0 && one.applies_to(&call.model, call.method.name))?;
        let one = all.get_mut(index)?;
        one.times -= 1;
        Some(one.clone())
    }

    pub(super) fn with_db<T>(&self, work: impl FnOnce(&mut Db) -> T) -> T {
        work(&mut lock(&self.db))
    }

    /// What a person with every right does in Odoo.
    pub(super) fn as_person<T>(&self, work: impl FnOnce(&mut Env<'_>) -> T) -> T {
        let user = Account {
            uid: 2,
            login: "admin".to_owned(),
            name: "Mitchell Admin".to_owned(),
            groups: self.world.rights.every_group(),
        };
        let now = (self.world.config.clock)();
        self.with_db(|db| {
            let done = work(&mut Env {
                db,
                world: &self.world,
                user: &user,
                context: Map::new(),
                now,
            });
            db.commit();
            done
        })
    }

    /// Serves a call to its end, even when the client goes away: Odoo commits what nobody waits for.
    pub(super) async fn serve(
        self: Arc<Self>,
        user: Account,
        context: Map<String, Value>,
        call: Call,
    ) -> Result<Value, Fault> {
        let task = tokio::spawn(async move { self.serve_here(&user, context, &call).await });
        task.await.unwrap_or_else(|_| {
            Err(Fault::new(
                Class::NotSimulated,
                "the simulator's own task failed",
            ))
        })
    }

    async fn serve_here(
        &self,
        user: &Account,
        mut context: Map<String, Value>,
        call: &Call,
    ) -> Result<Value, Fault> {
        let injection = self.injected(call);
        let _worker = self.workers.acquire().await;
        let busy = self.service_time(call)
            + injection
                .as_ref()
                .map_or(Duration::ZERO, |one| Duration::from_millis(one.delay_ms));
        // Without service time calls never overlap, and the order of events stays the same in every run.
        let hold = if busy.is_zero() {
            None
        } else {
            Some(self.flight.enter(call.keys()).await)
        };
        let lost = hold.as_ref().is_some_and(|(_, waited)| *waited);
        context.remove(LOST);
        if lost {
            context.insert(LOST.into(), Value::Bool(true));
        } else if !busy.is_zero() {
            tokio::time::sleep(busy).await;
        }
        if injection.as_ref().is_some_and(|one| one.serialization) {
            if call.method.name != "load" {
                return Err(Fault::serialization());
            }
            context.insert(LOST.into(), Value::Bool(true));
        }
        self.transact(user, context, call)
    }

    fn service_time(&self, call: &Call) -> Duration {
        let model = self.world.config.latency;
        let base = if call.method.writes {
            model.write_ms
        } else {
            model.read_ms
        };
        let orders = u64::try_from(call.orders()).unwrap_or(u64::MAX);
        Duration::from_millis(base.saturating_add(model.per_order_ms.saturating_mul(orders)))
    }

    fn transact(
        &self,
        user: &Account,
        mut context: Map<String, Value>,
        call: &Call,
    ) -> Result<Value, Fault> {
        let mut db = lock(&self.db);
        let mark = db.mark();
        let now = (self.world.config.clock)();
        let login = self.login(|login| login.account.uid == user.uid);
        if let Some(login) = login {
            let password = Value::from(login.password.as_str());
            context.insert(keys::PASSWORD.to_owned(), password);
        }
        let mut env = Env {
            db: &mut db,
            world: &self.world,
            user,
            context,
            now,
        };
        let answer = methods::run(&mut env, call);
        if answer.is_err() {
            db.rollback_to(mark);
        }
        db.commit();
        answer
    }
}

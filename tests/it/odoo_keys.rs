//! API keys of the simulated Odoos: listed, made in each way, tried, taken away, and picked up when they change.

use std::collections::BTreeMap;
use std::sync::Arc;

use waybill_flow::connections::Connections;
use waybill_flow::ports::keys::mark;
use waybill_flow::ports::{
    Clock as _, ConnectionSecrets, Erp as _, ErpKeys as _, KeyError, Secret, SecretStore as _,
    Secrets as _,
};
use waybill_lambda_kit::clock::SystemClock;
use waybill_model::id::ConnectionId;
use waybill_model::time::Instant;
use waybill_odoo::Odoo;
use waybill_simulators::odoo::{OdooConfig, OdooSim, Version};
use waybill_testkit::MemorySecrets;
use waybill_tests::loopback::serve;

struct World {
    odoo: Odoo<Arc<MemorySecrets>>,
    secrets: Arc<MemorySecrets>,
    sim: Arc<OdooSim>,
    connections: Connections,
}

fn erp() -> ConnectionId {
    ConnectionId::new("odoo-main").unwrap()
}

fn now() -> Instant {
    SystemClock.now()
}

impl World {
    async fn new(version: Version, protocol: &str, change: fn(&mut OdooConfig)) -> Self {
        let mut config = OdooConfig::new(version);
        change(&mut config);
        let database = config.database.clone();
        let sim = OdooSim::new(config);
        let router = Arc::clone(&sim).router();
        let url = serve(router).await.unwrap().url;
        let text = format!(
            "version = \"1\"\n[[connections]]\nid = \"odoo-main\"\npartner = \"odoo\"\nbase_url = \"{url}\"\n\
             [connections.erp]\ndatabase = \"{database}\"\nlogin = \"integ\"\nprotocol = \"{protocol}\"\n\
             shipping_sku = \"SHIPPING\"\n"
        );
        let secrets = MemorySecrets::default().with("odoo-main", &[], &[("key", "integ-key")]);
        let secrets = Arc::new(secrets);
        let connections = Connections::parse(&text).unwrap();
        let odoo = Odoo::new(
            connections.clone(),
            Arc::clone(&secrets),
            reqwest::Client::new(),
        );
        Self {
            odoo,
            secrets,
            sim,
            connections,
        }
    }

    async fn set(&self, values: &[(&str, Secret)]) {
        let values = values.iter().map(|(k, v)| ((*k).to_owned(), v.clone()));
        let values: BTreeMap<String, Secret> = values.collect();
        self.secrets.set_api(&erp(), &values).await.unwrap();
    }

    async fn held(&self) -> ConnectionSecrets {
        self.secrets.get(&erp()).await.unwrap()
    }

    async fn names(&self) -> Vec<String> {
        let keys = self.odoo.keys(&erp()).await.unwrap();
        keys.into_iter().map(|k| k.name).collect()
    }
}

/// Makes a key, tries it, stores it, and takes the first away: as the steward does.
async fn replace(world: &World) {
    let held = world.held().await;
    let first = world.odoo.keys(&erp()).await.unwrap().remove(0);
    let erp_id = erp();
    let made = world
        .odoo
        .make_key(&erp_id, &held, "waybill odoo-main now", now());
    let made = made.await.unwrap();
    assert_eq!(world.names().await, ["waybill", "waybill odoo-main now"]);
    world.odoo.try_key(&erp(), &made.value).await.unwrap();
    world
        .set(&[
            ("key", made.value.clone()),
            ("key_id", mark(&made.id, &made.value)),
            ("previous_key", Secret::new("integ-key")),
            ("previous_key_id", Secret::new(first.id.clone())),
        ])
        .await;
    let held = world.held().await;
    for _ in 0..2 {
        // The second time it is gone already.
        world
            .odoo
            .revoke_key(&erp(), &held, &first.id)
            .await
            .unwrap();
    }
    assert_eq!(world.names().await, ["waybill odoo-main now"]);
    let refused = world.odoo.try_key(&erp(), &Secret::new("integ-key")).await;
    assert_eq!(refused.unwrap_err().code().as_str(), "erp_credentials");
}

#[tokio::test]
async fn the_password_makes_a_key_on_every_version_and_protocol() {
    for (version, protocol) in [
        (Version::V17, "json_rpc"),
        (Version::V19, "json_rpc"),
        (Version::V19, "json2"),
    ] {
        let world = World::new(version, protocol, |_| {}).await;
        world
            .set(&[("password", Secret::new("integ-password"))])
            .await;
        replace(&world).await;
        let ends = world.odoo.keys(&erp()).await.unwrap().remove(0).expires;
        assert_eq!(
            ends.is_some(),
            version == Version::V19,
            "keys of 17 do not end"
        );
    }
}

#[tokio::test]
async fn where_a_key_may_make_a_key_no_password_is_needed() {
    let world = World::new(Version::V19, "json2", |c| c.programmatic_keys = Some(true)).await;
    replace(&world).await;
}

#[tokio::test]
async fn what_a_person_must_change_is_told() {
    type Case = (
        Option<bool>,
        Option<&'static str>,
        &'static str,
        &'static str,
    );
    let cases: [Case; 3] = [
        (
            None,
            None,
            "with the user's password only",
            "`api.password`",
        ),
        (
            Some(false),
            None,
            "not enabled",
            "base.enable_programmatic_api_keys",
        ),
        (
            None,
            Some("wrong"),
            "Incorrect Password",
            "present password",
        ),
    ];
    for (programmatic, password, why, remedy_part) in cases {
        let world = World::new(Version::V19, "json2", |_| {}).await;
        let world = match programmatic {
            Some(_) => {
                World::new(Version::V19, "json2", |c| c.programmatic_keys = Some(false)).await
            }
            None => world,
        };
        if let Some(password) = password {
            world.set(&[("password", Secret::new(password))]).await;
        }
        let held = world.held().await;
        match world
            .odoo
            .make_key(&erp(), &held, "waybill odoo-main now", now())
            .await
        {
            Err(KeyError::NotPossible { detail, remedy }) => {
                assert!(detail.contains(why), "{detail}");
                assert!(remedy.contains(remedy_part), "{remedy}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(world.names().await, ["waybill"], "no key is left behind");
    }
}

#[tokio::test]
async fn a_key_that_was_replaced_a_moment_ago_is_picked_up_at_the_first_refusal() {
    for (version, protocol) in [(Version::V17, "json_rpc"), (Version::V19, "json2")] {
        let world = World::new(version, protocol, |_| {}).await;
        world.odoo.orders(&erp(), &[]).await.unwrap();
        let skus = [waybill_model::id::Sku::new("SKU-0001").unwrap()];
        world.sim.set_keys("integ", vec!["newer".to_owned()]);
        let refused = world.odoo.availability(&erp(), &skus).await;
        assert_eq!(refused.unwrap_err().code().as_str(), "erp_credentials");
        world.set(&[("key", Secret::new("newer"))]).await;
        world.odoo.availability(&erp(), &skus).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_that_began_with_the_old_key_goes_on_with_the_new_one() {
    // The cache of a running function still has the old key; past the cache is the new one.
    struct Stale(Arc<MemorySecrets>);
    impl waybill_flow::ports::Secrets for Stale {
        async fn get(
            &self,
            _: &ConnectionId,
        ) -> Result<ConnectionSecrets, waybill_flow::ports::InfraError> {
            let stale = MemorySecrets::default().with("odoo-main", &[], &[("key", "integ-key")]);
            stale.get(&erp()).await
        }

        async fn refresh(
            &self,
            connection: &ConnectionId,
        ) -> Result<Option<ConnectionSecrets>, waybill_flow::ports::InfraError> {
            self.0.get(connection).await.map(Some)
        }
    }
    for (version, protocol) in [(Version::V17, "json_rpc"), (Version::V19, "json2")] {
        let world = World::new(version, protocol, |_| {}).await;
        let stale = Stale(Arc::clone(&world.secrets));
        let odoo = Odoo::new(world.connections.clone(), stale, reqwest::Client::new());
        let skus = [waybill_model::id::Sku::new("SKU-0001").unwrap()];
        odoo.availability(&erp(), &skus).await.unwrap();
        world.sim.set_keys("integ", vec!["newer".to_owned()]);
        let newer = BTreeMap::from([("key".to_owned(), Secret::new("newer"))]);
        world.secrets.set_api(&erp(), &newer).await.unwrap();
        let found = odoo.availability(&erp(), &skus).await.unwrap();
        assert!(found[0].available.is_some());
    }
}

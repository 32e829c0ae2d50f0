//! Odoo's client.

mod answers;

use super::{http, judge, judge_failure};
use crate::answers::{Answers, with_server};
use crate::draw::Draw;
use crate::model::commands::erp_commands;
use crate::properties::in_time;
use answers::{MADE_KEY, answers};
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;
use waybill_flow::connections::Connections;
use waybill_flow::ports::keys::{ErpKeys as _, KeyError};
use waybill_flow::ports::{ConnectionSecrets, Erp as _, ErpCommand, InfraError, Secret};
use waybill_model::command::Command;
use waybill_model::id::{ConnectionId, MessageId, Sku};
use waybill_odoo::check::{Verdict, Wanted};
use waybill_odoo::{Limits, Odoo};
use waybill_testkit::{ManualClock, build};

/// What the connection's secret holds: no text may.
const SECRETS: [(&str, &str); 4] = [
    ("key", "key-of-ours"),
    ("password", "password-of-ours"),
    ("previous_key", "key-before"),
    ("previous_key_id", "7"),
];

struct Key;

impl waybill_flow::ports::Secrets for Key {
    async fn get(&self, _: &ConnectionId) -> Result<ConnectionSecrets, InfraError> {
        let api = SECRETS.map(|(name, value)| (name.to_owned(), Secret::new(value)));
        Ok(ConnectionSecrets {
            api: api.into(),
            ..ConnectionSecrets::default()
        })
    }
}

/// An Odoo that answers anything, by JSON-RPC and by JSON-2.
///
/// # Panics
/// A property does not hold.
pub fn odoo(input: &[u8]) {
    static KNOWN: OnceLock<([Answers; 4], Vec<Command>)> = OnceLock::new();
    let (known, commands) = KNOWN.get_or_init(|| {
        let of = [(false, false), (true, false), (false, true), (true, true)];
        (
            of.map(|(json2, asked)| answers(json2, asked)),
            erp_commands("odoo"),
        )
    });
    let mut draw = Draw::new(input);
    let json2 = draw.below(2);
    let protocol = ["json_rpc", "json2"][json2];
    let wanted = draw.below(commands.len() + 6);
    let more = draw.once_in(4);
    let known = &known[json2 + if wanted > commands.len() { 2 } else { 0 }];
    in_time("odoo", || {
        with_server(known, &mut draw, |url| async move {
            let file = format!(
                "version = \"1\"\n[[connections]]\nid = \"odoo\"\npartner = \"odoo\"\nbase_url = \"{url}\"\n\
                 [connections.erp]\ndatabase = \"db\"\nlogin = \"me\"\nprotocol = \"{protocol}\"\n\
                 shipping_sku = \"SHIPPING\"\npricelists = {{ EUR = \"shop.pricelist_eur\" }}\n\
                 taxes = [{{ rate = \"0.2\", included = true, tax = \"shop.tax_20\" }}]\n\
                 carriers = [{{ method = \"standard\", carrier = \"shop.carrier_std\" }}]\n\
                 [[connections]]\nid = \"shipbob\"\npartner = \"shipbob\"\nbase_url = \"{url}\"\n\
                 [connections.warehouse]\nerp = \"odoo\"\ndefault_shipping_method = \"standard\"\n\
                 odoo_location = \"shop.loc_stock\"\n"
            );
            let limits = Limits {
                call: Duration::from_secs(1),
                batch: Duration::from_secs(30),
                answer_bytes: 4 * 1024 * 1024,
            };
            let connections = Connections::parse(&file).unwrap();
            let odoo = Odoo::new(connections, Key, http().clone()).with_limits(limits);
            let erp = ConnectionId::new("odoo").unwrap();
            let order = build::correlation("1001");
            let Some(command) = commands.get(wanted) else {
                return match wanted - commands.len() {
                    0 => read(&odoo, &erp).await,
                    1 | 2 => keys(&odoo, &erp, more).await,
                    _ => check(&odoo, &erp, more).await,
                };
            };
            let mut batch = vec![command.clone()];
            if more {
                batch.push(commands[0].clone());
            }
            let batch: Vec<ErpCommand> = batch
                .into_iter()
                .enumerate()
                .map(|(n, command)| ErpCommand {
                    correlation: order,
                    key: MessageId::new(format!("key-{n}")).unwrap(),
                    command,
                })
                .collect();
            let outcomes = odoo.write_within(&erp, &batch, limits.batch).await;
            assert_eq!(outcomes.len(), batch.len(), "an outcome for each command");
            outcomes.into_iter().for_each(judge);
        });
    });
}

/// What can be sold, and what became of orders.
async fn read(odoo: &Odoo<Key>, erp: &ConnectionId) {
    let failures = [
        odoo.availability(erp, &[Sku::new("MUG").unwrap()])
            .await
            .err(),
        odoo.orders(erp, &[build::correlation("1001")]).await.err(),
    ];
    failures.iter().flatten().for_each(judge_failure);
}

/// The user's keys: listed, made, tried, taken away, with a stored password and without.
async fn keys(odoo: &Odoo<Key>, erp: &ConnectionId, no_password: bool) {
    let mut secrets = waybill_flow::ports::Secrets::get(&Key, erp).await.unwrap();
    if no_password {
        secrets.api.remove("password");
    }
    match odoo.keys(erp).await {
        Ok(keys) => assert!(keys.iter().all(|key| key.id.parse::<i64>().is_ok())),
        Err(failure) => judge_failure(&failure),
    }
    let made = odoo
        .make_key(erp, &secrets, "waybill", build::start())
        .await;
    let tried = odoo.try_key(erp, &Secret::new(MADE_KEY)).await;
    let revoked = odoo.revoke_key(erp, &secrets, "7").await;
    let failures = [made.err(), tried.err().map(KeyError::from), revoked.err()];
    for failure in failures.into_iter().flatten() {
        tells_no_secret(&format!("{failure:?}"));
        match failure {
            KeyError::Failed(failure) => judge_failure(&failure),
            // May quote Odoo's sentence, as the case that it becomes.
            KeyError::NotPossible { detail, remedy } => {
                assert!(!detail.is_empty() && !remedy.is_empty());
            }
        }
    }
}

/// Whether all is there, with an order that leaves nothing behind and without.
async fn check(odoo: &Odoo<Key>, erp: &ConnectionId, dry_run: bool) {
    let wanted = Wanted {
        skus: BTreeSet::from([Sku::new("MUG").unwrap()]),
        dry_run,
    };
    let findings = odoo.check(erp, &wanted, &ManualClock::default()).await;
    let findings = findings.expect("it is configured");
    assert!(!findings.is_empty(), "neither good nor bad");
    for finding in findings {
        tells_no_secret(&format!("{finding:?}"));
        assert!(!finding.text.is_empty(), "{finding:?}");
        let needs_remedy = finding.verdict != Verdict::Good;
        assert_eq!(finding.remedy.is_some_and(|r| !r.is_empty()), needs_remedy);
    }
}

fn tells_no_secret(text: &str) {
    let values = SECRETS.map(|(_, value)| value).into_iter();
    let mut long = values.chain([MADE_KEY]).filter(|value| value.len() > 1);
    assert!(
        !long.any(|value| text.contains(value)),
        "a secret in {text}"
    );
}

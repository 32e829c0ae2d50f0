//! Every environment variable of every function. No other file names one.

use crate::connections;
use std::collections::BTreeMap;
use waybill_flow::connections::{Connections, Override};
use waybill_flow::ports::Queue;
use waybill_model::command::CommandQueue;
use waybill_model::id::ConnectionId;

/// Environment: `local`, `dev`, `staging` or `prod`. Selects the connections file.
pub const STAGE: &str = "WAYBILL_STAGE";
/// Log filter, such as `info`. Read by the telemetry; `info` if absent.
pub const LOG: &str = "RUST_LOG";
/// Address of a local AWS; absent on AWS. Read by the AWS SDK.
pub const AWS_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
/// Prefix of the names of secrets, such as `waybill/prod`, without `/` at the end.
pub const SECRETS_PREFIX: &str = "WAYBILL_SECRETS_PREFIX";
/// JSON object from connection id to base URL, or to an object of `base_url`, `database`, `login`
/// and `protocol`: points partners at simulators and at another Odoo. Empty on AWS.
pub const LOCAL_OVERRIDES: &str = "WAYBILL_LOCAL_OVERRIDES";
/// URL of the queue of raw deliveries.
pub const INBOUND_QUEUE_URL: &str = "WAYBILL_INBOUND_QUEUE_URL";
/// URL of the FIFO queue of events.
pub const EVENTS_QUEUE_URL: &str = "WAYBILL_EVENTS_QUEUE_URL";
/// URL of the queue of commands to the ERP.
pub const ERP_QUEUE_URL: &str = "WAYBILL_ERP_QUEUE_URL";
/// URL of the queue of commands to the ERP that wait behind orders.
pub const ERP_BULK_QUEUE_URL: &str = "WAYBILL_ERP_BULK_QUEUE_URL";
/// URL of the queue of commands to warehouses.
pub const FULFILLMENT_QUEUE_URL: &str = "WAYBILL_FULFILLMENT_QUEUE_URL";
/// URL of the queue of commands to channels, helpdesks, gateways and carrier services.
pub const STATUS_QUEUE_URL: &str = "WAYBILL_STATUS_QUEUE_URL";
/// URL of the dead-letter queue of deliveries.
pub const INBOUND_DLQ_URL: &str = "WAYBILL_INBOUND_DLQ_URL";
/// URL of the FIFO dead-letter queue of events.
pub const EVENTS_DLQ_URL: &str = "WAYBILL_EVENTS_DLQ_URL";
/// URL of the dead-letter queue of commands to the ERP.
pub const ERP_DLQ_URL: &str = "WAYBILL_ERP_DLQ_URL";
/// URL of the dead-letter queue of commands to the ERP that wait behind orders.
pub const ERP_BULK_DLQ_URL: &str = "WAYBILL_ERP_BULK_DLQ_URL";
/// URL of the dead-letter queue of commands to warehouses.
pub const FULFILLMENT_DLQ_URL: &str = "WAYBILL_FULFILLMENT_DLQ_URL";
/// URL of the dead-letter queue of commands to channels, helpdesks, gateways and carrier services.
pub const STATUS_DLQ_URL: &str = "WAYBILL_STATUS_DLQ_URL";
/// Name of the table of orders.
pub const ORDERS_TABLE: &str = "WAYBILL_ORDERS_TABLE";
/// Name of the table of idempotency records.
pub const EFFECTS_TABLE: &str = "WAYBILL_EFFECTS_TABLE";

/// What `webhook-intake` needs.
pub const WEBHOOK_INTAKE: &[&str] = &[STAGE, SECRETS_PREFIX, INBOUND_QUEUE_URL];
/// What `validator` needs.
pub const VALIDATOR: &[&str] = &[
    STAGE,
    SECRETS_PREFIX,
    LOCAL_OVERRIDES,
    INBOUND_QUEUE_URL,
    EVENTS_QUEUE_URL,
    ORDERS_TABLE,
    EFFECTS_TABLE,
];
/// What `coordinator` needs.
pub const COORDINATOR: &[&str] = &[
    STAGE,
    EVENTS_QUEUE_URL,
    ERP_QUEUE_URL,
    ERP_BULK_QUEUE_URL,
    FULFILLMENT_QUEUE_URL,
    STATUS_QUEUE_URL,
    ORDERS_TABLE,
];
/// What `odoo-writer` needs.
pub const ODOO_WRITER: &[&str] = &[
    STAGE,
    SECRETS_PREFIX,
    LOCAL_OVERRIDES,
    EVENTS_QUEUE_URL,
    ERP_QUEUE_URL,
    ERP_BULK_QUEUE_URL,
    ORDERS_TABLE,
    EFFECTS_TABLE,
];
/// What `fulfillment-dispatcher` needs.
pub const FULFILLMENT_DISPATCHER: &[&str] = &[
    STAGE,
    SECRETS_PREFIX,
    LOCAL_OVERRIDES,
    EVENTS_QUEUE_URL,
    FULFILLMENT_QUEUE_URL,
    ORDERS_TABLE,
    EFFECTS_TABLE,
];
/// What `status-publisher` needs.
pub const STATUS_PUBLISHER: &[&str] = &[
    STAGE,
    SECRETS_PREFIX,
    LOCAL_OVERRIDES,
    EVENTS_QUEUE_URL,
    STATUS_QUEUE_URL,
    ORDERS_TABLE,
    EFFECTS_TABLE,
];
/// What `reconciler` needs.
pub const RECONCILER: &[&str] = &[
    STAGE,
    SECRETS_PREFIX,
    LOCAL_OVERRIDES,
    INBOUND_QUEUE_URL,
    EVENTS_QUEUE_URL,
    ERP_BULK_QUEUE_URL,
    STATUS_QUEUE_URL,
    ORDERS_TABLE,
    EFFECTS_TABLE,
];
/// What `ops-api` needs.
pub const OPS_API: &[&str] = &[
    STAGE,
    SECRETS_PREFIX,
    INBOUND_QUEUE_URL,
    EVENTS_QUEUE_URL,
    ERP_QUEUE_URL,
    ERP_BULK_QUEUE_URL,
    FULFILLMENT_QUEUE_URL,
    STATUS_QUEUE_URL,
    INBOUND_DLQ_URL,
    EVENTS_DLQ_URL,
    ERP_DLQ_URL,
    ERP_BULK_DLQ_URL,
    FULFILLMENT_DLQ_URL,
    STATUS_DLQ_URL,
    ORDERS_TABLE,
    EFFECTS_TABLE,
];

/// Every function with what it needs: compared with the template in the tests.
pub const FUNCTIONS: &[(&str, &[&str])] = &[
    ("webhook-intake", WEBHOOK_INTAKE),
    ("validator", VALIDATOR),
    ("coordinator", COORDINATOR),
    ("odoo-writer", ODOO_WRITER),
    ("fulfillment-dispatcher", FULFILLMENT_DISPATCHER),
    ("status-publisher", STATUS_PUBLISHER),
    ("reconciler", RECONCILER),
    ("ops-api", OPS_API),
];

const QUEUES: &[(&str, Queue)] = &[
    (INBOUND_QUEUE_URL, Queue::Inbound),
    (EVENTS_QUEUE_URL, Queue::Events),
    (ERP_QUEUE_URL, Queue::Commands(CommandQueue::Erp)),
    (ERP_BULK_QUEUE_URL, Queue::Commands(CommandQueue::ErpBulk)),
    (
        FULFILLMENT_QUEUE_URL,
        Queue::Commands(CommandQueue::Fulfillment),
    ),
    (STATUS_QUEUE_URL, Queue::Commands(CommandQueue::Status)),
];

const DLQS: &[(&str, Queue)] = &[
    (INBOUND_DLQ_URL, Queue::Inbound),
    (EVENTS_DLQ_URL, Queue::Events),
    (ERP_DLQ_URL, Queue::Commands(CommandQueue::Erp)),
    (ERP_BULK_DLQ_URL, Queue::Commands(CommandQueue::ErpBulk)),
    (
        FULFILLMENT_DLQ_URL,
        Queue::Commands(CommandQueue::Fulfillment),
    ),
    (STATUS_DLQ_URL, Queue::Commands(CommandQueue::Status)),
];

/// The environment that the stack is deployed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// One machine.
    Local,
    /// Development.
    Dev,
    /// Staging.
    Staging,
    /// Production.
    Prod,
}

impl Stage {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "local" => Some(Self::Local),
            "dev" => Some(Self::Dev),
            "staging" => Some(Self::Staging),
            "prod" => Some(Self::Prod),
            _ => None,
        }
    }
}

/// What a function is configured with, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The environment.
    pub stage: Stage,
    /// Who is connected and how.
    pub connections: Connections,
    /// URLs of the queues that the function needs.
    pub queue_urls: BTreeMap<Queue, String>,
    /// URLs of the dead-letter queues that the function needs, by the queues they belong to.
    pub dlq_urls: BTreeMap<Queue, String>,
    /// Prefix of the names of secrets; blank where the function reads none.
    pub secrets_prefix: String,
    /// Table of orders; blank where the function does not use it.
    pub orders_table: String,
    /// Table of idempotency records; blank where the function does not use it.
    pub effects_table: String,
}

/// What is wrong with the configuration: every fault found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {} fault(s):\n- {}", faults.len(), faults.join("\n- "))]
pub struct ConfigError {
    /// Each with its place and how to mend it.
    pub faults: Vec<String>,
}

impl Config {
    /// Reads what `needs` names through `get`, and the connections file of the stage.
    ///
    /// # Errors
    /// Every fault found, of variables and of the connections file together.
    pub fn read(get: impl Fn(&str) -> Option<String>, needs: &[&str]) -> Result<Self, ConfigError> {
        let mut faults = Vec::new();
        let mut value = |name: &str| -> String {
            if !needs.contains(&name) {
                return String::new();
            }
            match get(name).filter(|v| !v.trim().is_empty()) {
                Some(value) => value,
                None => {
                    faults.push(format!(
                        "`{name}` is not set: the template sets it for this function"
                    ));
                    String::new()
                }
            }
        };
        let stage = value(STAGE);
        let secrets_prefix = value(SECRETS_PREFIX).trim_end_matches('/').to_owned();
        let orders_table = value(ORDERS_TABLE);
        let effects_table = value(EFFECTS_TABLE);
        let mut urls = |table: &[(&'static str, Queue)]| -> Vec<(&'static str, Queue, String)> {
            let needed = table.iter().filter(|(name, _)| needs.contains(name));
            needed
                .map(|(name, queue)| (*name, *queue, value(name)))
                .collect()
        };
        let (queues, dlqs) = (urls(QUEUES), urls(DLQS));
        let queue_urls = checked_urls(queues, &mut faults);
        let dlq_urls = checked_urls(dlqs, &mut faults);
        let overrides = read_overrides(get(LOCAL_OVERRIDES), &mut faults);
        let connections = match Stage::parse(&stage) {
            Some(stage) => read_connections(stage, &overrides, &mut faults).map(|c| (stage, c)),
            None => {
                if !stage.is_empty() {
                    faults.push(format!(
                        "`{STAGE}` is `{stage}`: `local`, `dev`, `staging` or `prod` is needed"
                    ));
                }
                None
            }
        };
        match connections {
            Some((stage, connections)) if faults.is_empty() => Ok(Self {
                stage,
                connections,
                queue_urls,
                dlq_urls,
                secrets_prefix,
                orders_table,
                effects_table,
            }),
            _ => Err(ConfigError { faults }),
        }
    }
}

/// Queues by their URLs; what is no URL is a fault.
fn checked_urls(
    urls: Vec<(&'static str, Queue, String)>,
    faults: &mut Vec<String>,
) -> BTreeMap<Queue, String> {
    let mut checked = BTreeMap::new();
    for (name, queue, url) in urls {
        if !url.is_empty() && !url.starts_with("http") {
            faults.push(format!("`{name}` is no URL: give the queue's URL"));
        }
        checked.insert(queue, url);
    }
    checked
}

fn read_overrides(
    text: Option<String>,
    faults: &mut Vec<String>,
) -> BTreeMap<ConnectionId, Override> {
    let Some(text) = text.filter(|t| !t.trim().is_empty()) else {
        return BTreeMap::new();
    };
    match serde_json::from_str(&text) {
        Ok(overrides) => overrides,
        Err(e) => {
            faults.push(format!(
                "`{LOCAL_OVERRIDES}` is not a JSON object from connection id to base URL: {e}"
            ));
            BTreeMap::new()
        }
    }
}

fn read_connections(
    stage: Stage,
    overrides: &BTreeMap<ConnectionId, Override>,
    faults: &mut Vec<String>,
) -> Option<Connections> {
    if stage != Stage::Local && !overrides.is_empty() {
        faults.push(format!(
            "`{LOCAL_OVERRIDES}` is set outside of the stage `local`: leave it empty there"
        ));
    }
    match Connections::parse(connections::text(stage)) {
        Ok(connections) => Some(connections.with_overrides(overrides)),
        Err(e) => {
            let file = connections::file_name(stage);
            faults.extend(e.faults.into_iter().map(|f| format!("{file}: {f}")));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        let map: BTreeMap<String, String> = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        move |name| map.get(name).cloned()
    }

    #[test]
    fn three_faults_are_reported_together() {
        let error = Config::read(
            vars(&[
                (STAGE, "production"),
                (INBOUND_QUEUE_URL, "inbound"),
                (SECRETS_PREFIX, " "),
            ]),
            WEBHOOK_INTAKE,
        )
        .unwrap_err();
        assert_eq!(error.faults.len(), 3, "{error}");
        for name in [STAGE, INBOUND_QUEUE_URL, SECRETS_PREFIX] {
            assert!(error.faults.iter().any(|f| f.contains(name)), "{error}");
        }
    }

    #[test]
    fn local_overrides_replace_base_urls() {
        let config = Config::read(
            vars(&[
                (STAGE, "local"),
                (SECRETS_PREFIX, "waybill/local"),
                (INBOUND_QUEUE_URL, "http://127.0.0.1:4566/1/inbound"),
                (
                    LOCAL_OVERRIDES,
                    r#"{"odoo-main":{"base_url":"http://127.0.0.1:9","database":"real"},
                        "shopify-main":"http://127.0.0.1:8/shopify"}"#,
                ),
            ]),
            WEBHOOK_INTAKE,
        )
        .unwrap();
        let base_url = |id| {
            let id = ConnectionId::new(id).unwrap();
            config.connections.get(&id).unwrap().base_url.clone()
        };
        assert_eq!(base_url("odoo-main"), "http://127.0.0.1:9");
        assert_eq!(base_url("shopify-main"), "http://127.0.0.1:8/shopify");
        let odoo = ConnectionId::new("odoo-main").unwrap();
        let erp = config.connections.get(&odoo).unwrap().erp.as_ref().unwrap();
        assert_eq!(erp.database, "real");
    }

    #[test]
    fn overrides_are_refused_on_aws() {
        let error = Config::read(
            vars(&[
                (STAGE, "prod"),
                (SECRETS_PREFIX, "waybill/prod"),
                (INBOUND_QUEUE_URL, "https://sqs.example.com/1/inbound"),
                (LOCAL_OVERRIDES, r#"{"odoo-main":"http://127.0.0.1:9"}"#),
            ]),
            WEBHOOK_INTAKE,
        )
        .unwrap_err();
        assert!(error.faults.iter().any(|f| f.contains(LOCAL_OVERRIDES)));
    }
}

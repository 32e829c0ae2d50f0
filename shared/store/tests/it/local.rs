//! Tables of the template's shape in a local DynamoDB.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use waybill_flow::ports::Clock;
use waybill_store::{DynamoEffects, DynamoOrders, Retention};
use waybill_testkit::ManualClock;
use waybill_testkit::conformance::Bench;

/// Endpoint of another DynamoDB to test against.
const ENDPOINT_ENV: &str = "WAYBILL_TEST_ENDPOINT";

/// A bench with what a test needs to look behind the port.
pub(crate) struct Local<S> {
    pub(crate) bench: Bench<S>,
    pub(crate) client: Client,
    pub(crate) table: String,
}

/// The orders adapter over an empty table.
pub(crate) async fn orders() -> Local<DynamoOrders> {
    let client = client().await;
    let table = unique_name("orders");
    create_orders_table(&client, &table).await;
    let bench = Bench::new(|clock| {
        let clock: Arc<dyn Clock> = clock;
        DynamoOrders::new(client.clone(), &table, clock, Retention::default())
    });
    Local {
        bench,
        client,
        table,
    }
}

/// The effects adapter over an empty table.
pub(crate) async fn effects() -> Local<DynamoEffects> {
    let client = client().await;
    let table = unique_name("effects");
    let request = client.create_table().table_name(&table);
    let request = request
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::S))
        .key_schema(part("pk", KeyType::Hash))
        .key_schema(part("sk", KeyType::Range));
    request.send().await.unwrap();
    let bench = Bench::new(|clock: Arc<ManualClock>| {
        let clock: Arc<dyn Clock> = clock;
        DynamoEffects::new(client.clone(), &table, clock, Retention::default())
    });
    Local {
        bench,
        client,
        table,
    }
}

async fn client() -> Client {
    let endpoint = match std::env::var(ENDPOINT_ENV) {
        Ok(endpoint) if !endpoint.is_empty() => endpoint,
        _ => embedded().await,
    };
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

/// Serves an empty database on a free port of the loopback until the test's runtime ends.
async fn embedded() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let database = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    format!("http://{address}")
}

/// Tests share an endpoint: each has its own tables.
#[expect(
    clippy::disallowed_methods,
    reason = "another run against the same endpoint has another time"
)]
fn unique_name(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    format!("{name}-{}-{}-{count}", std::process::id(), since.as_nanos())
}

async fn create_orders_table(client: &Client, table: &str) {
    let request = client.create_table().table_name(table);
    let request = request
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::S))
        .attribute_definitions(attribute("case_shard", ScalarAttributeType::S))
        .attribute_definitions(attribute("case_sort", ScalarAttributeType::S))
        .attribute_definitions(attribute("stage_shard", ScalarAttributeType::S))
        .attribute_definitions(attribute("deadline_ms", ScalarAttributeType::N))
        .key_schema(part("pk", KeyType::Hash))
        .key_schema(part("sk", KeyType::Range))
        .global_secondary_indexes(index(
            "cases",
            ("case_shard", "case_sort"),
            ProjectionType::All,
        ))
        .global_secondary_indexes(index(
            "stages",
            ("stage_shard", "deadline_ms"),
            ProjectionType::KeysOnly,
        ));
    request.send().await.unwrap();
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    let attribute = AttributeDefinition::builder().attribute_name(name);
    attribute.attribute_type(kind).build().unwrap()
}

fn part(name: &str, kind: KeyType) -> KeySchemaElement {
    let part = KeySchemaElement::builder().attribute_name(name);
    part.key_type(kind).build().unwrap()
}

fn index(name: &str, keys: (&str, &str), kind: ProjectionType) -> GlobalSecondaryIndex {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .key_schema(part(keys.0, KeyType::Hash))
        .key_schema(part(keys.1, KeyType::Range))
        .projection(Projection::builder().projection_type(kind).build())
        .build()
        .unwrap()
}

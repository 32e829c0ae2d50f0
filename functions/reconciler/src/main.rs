//! Cold start of `reconciler`: configuration and clients, once.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use reconciler::{Ports, Request, handle};
use std::sync::Arc;
use waybill_lambda_kit::clock::SystemClock;
use waybill_lambda_kit::env;
use waybill_lambda_kit::start::Start;
use waybill_odoo::Odoo;
use waybill_partners::PartnerClient;
use waybill_store::{DynamoEffects, DynamoOrders, Retention};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::new(env::RECONCILER).await?;
    let config = &start.config;
    let dynamo = aws_sdk_dynamodb::Client::new(&start.aws);
    let (clock, keep) = (Arc::new(SystemClock), Retention::default());
    let orders = DynamoOrders::new(dynamo.clone(), &config.orders_table, clock.clone(), keep);
    let effects = DynamoEffects::new(dynamo, &config.effects_table, clock, keep);
    let http = waybill_partners::http::client()?;
    let erp = Odoo::new(config.connections.clone(), start.secrets(), http.clone());
    let partners = PartnerClient::new(
        config.connections.clone(),
        start.secrets(),
        http,
        SystemClock,
    );
    let queues = start.queues();
    let secrets = start.secrets();
    let ports = &Ports {
        connections: &config.connections,
        orders: &orders,
        effects: &effects,
        queues: &queues,
        partners: &partners,
        erp: &erp,
        clock: &SystemClock,
        secrets: &secrets,
    };
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Request>| {
        handle(ports, event.payload).await
    }))
    .await
}

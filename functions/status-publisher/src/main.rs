//! Cold start of `status-publisher`: configuration and clients, once.

use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use status_publisher::{Ports, handle};
use std::sync::Arc;
use waybill_lambda_kit::clock::{SystemClock, end_of};
use waybill_lambda_kit::endpoints::Endpoints;
use waybill_lambda_kit::env;
use waybill_lambda_kit::start::Start;
use waybill_partners::PartnerClient;
use waybill_partners::client::target;
use waybill_store::{DynamoEffects, DynamoOrders, Retention};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::new(env::STATUS_PUBLISHER).await?;
    let config = &start.config;
    let dynamo = aws_sdk_dynamodb::Client::new(&start.aws);
    let (clock, keep) = (Arc::new(SystemClock), Retention::default());
    let orders = DynamoOrders::new(dynamo.clone(), &config.orders_table, clock.clone(), keep);
    let effects = DynamoEffects::new(dynamo, &config.effects_table, clock, keep);
    let http = waybill_partners::http::client()?;
    let partners = PartnerClient::new(
        config.connections.clone(),
        start.secrets(),
        http,
        SystemClock,
    );
    let (queues, runner) = (start.queues(), start.runner("status-publisher"));
    let ports = &Ports {
        orders: &orders,
        effects: &effects,
        queues: &queues,
        partners: &partners,
        target,
        clock: &SystemClock,
        endpoints: &Endpoints::new(&config.connections),
    };
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let until = end_of(&event.context);
        handle(ports, &runner, event.payload, until).await
    }))
    .await
}

//! Cold start of `coordinator`: configuration and clients, once.

use aws_lambda_events::event::sqs::SqsEvent;
use coordinator::{Ports, handle};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use std::sync::Arc;
use waybill_lambda_kit::clock::SystemClock;
use waybill_lambda_kit::env;
use waybill_lambda_kit::start::Start;
use waybill_store::{DynamoOrders, Retention};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::new(env::COORDINATOR).await?;
    let config = &start.config;
    let dynamo = aws_sdk_dynamodb::Client::new(&start.aws);
    let (clock, keep) = (Arc::new(SystemClock), Retention::default());
    let orders = DynamoOrders::new(dynamo, &config.orders_table, clock, keep);
    let (queues, runner) = (start.queues(), start.runner("coordinator"));
    let ports = &Ports {
        connections: &config.connections,
        orders: &orders,
        queues: &queues,
        clock: &SystemClock,
    };
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        handle(ports, &runner, event.payload).await
    }))
    .await
}

//! Cold start of `ops-api`: configuration and clients, once.

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use ops_api::{Ports, Tokens, handle};
use std::sync::Arc;
use waybill_lambda_kit::clock::SystemClock;
use waybill_lambda_kit::env;
use waybill_lambda_kit::secrets::SecretsManager;
use waybill_lambda_kit::start::Start;
use waybill_store::{DynamoEffects, DynamoOrders, Retention};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::new(env::OPS_API).await?;
    let config = &start.config;
    let dynamo = aws_sdk_dynamodb::Client::new(&start.aws);
    let (clock, keep) = (Arc::new(SystemClock), Retention::default());
    let effects = DynamoEffects::new(dynamo.clone(), &config.effects_table, clock.clone(), keep);
    let orders = DynamoOrders::new(dynamo, &config.orders_table, clock, keep);
    let source = SecretsManager(aws_sdk_secretsmanager::Client::new(&start.aws));
    let tokens = Tokens::new(source, SystemClock, &config.secrets_prefix);
    let queues = start.queues();
    let ports = &Ports {
        connections: &config.connections,
        orders: &orders,
        effects: &effects,
        queues: &queues,
        tokens: &tokens,
        clock: &SystemClock,
        parse: waybill_partners::parse,
    };
    lambda_runtime::run(service_fn(
        async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
            Ok::<_, Error>(handle(ports, event.payload).await)
        },
    ))
    .await
}

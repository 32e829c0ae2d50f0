//! Cold start of `webhook-intake`: configuration and clients, once.

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use waybill_lambda_kit::clock::SystemClock;
use waybill_lambda_kit::env;
use waybill_lambda_kit::start::Start;
use webhook_intake::{Ports, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let start = Start::new(env::WEBHOOK_INTAKE).await?;
    let (secrets, queues) = (start.secrets(), start.queues());
    let ports = &Ports {
        connections: &start.config.connections,
        secrets: &secrets,
        queues: &queues,
        clock: &SystemClock,
    };
    lambda_runtime::run(service_fn(
        async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
            Ok::<_, Error>(handle(ports, event.payload).await)
        },
    ))
    .await
}

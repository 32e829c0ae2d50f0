//! `webhook-intake`: check the signature on the raw bytes, put them on the inbound queue,
//! acknowledge. One durable effect, no database call.
//!
//! | status | when | what the partner does |
//! |---|---|---|
//! | 202 | on the queue | goes on |
//! | 401 | the signature is missing, wrong or too old | nothing helps; nothing is kept |
//! | 404 | no such connection | the URL at the partner is wrong |
//! | 413, 400, 431 | above a limit, or not what it says it is | nothing helps |
//! | 503 | the queue or the secrets are away | sends it again |

mod limits;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use waybill_flow::connections::{Connection, Connections};
use waybill_flow::ports::{Clock, InfraError, Queue, Queues, Secrets};
use waybill_lambda_kit::delivery;
use waybill_lambda_kit::ended::{Ended, infra_code};
use waybill_lambda_kit::http::{Answer, Request};
use waybill_lambda_kit::queues::plain_message;
use waybill_lambda_kit::telemetry::{About, Counters, Line};
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::id::{Code, ConnectionId, MessageId};
use waybill_partners::{Refusal, Verified, WebhookRequest};

pub use limits::{MAX_BODY_BYTES, MAX_HEADERS};

const STEP: &str = "webhook-intake";

/// What the handler needs.
#[derive(Debug)]
pub struct Ports<'a, S, Q, C> {
    /// Who is connected.
    pub connections: &'a Connections,
    /// Their keys.
    pub secrets: &'a S,
    /// Where deliveries go.
    pub queues: &'a Q,
    /// The clock.
    pub clock: &'a C,
}

/// How one call ended: what the partner is told, and what we log.
struct Handled {
    answer: Answer,
    ended: Ended,
    about: About,
    receipt: Option<MessageId>,
}

/// Handles one call of a partner.
pub async fn handle<S: Secrets, Q: Queues, C: Clock>(
    ports: &Ports<'_, S, Q, C>,
    event: ApiGatewayV2httpRequest,
) -> Answer {
    let started = ports.clock.now();
    let handled = take(ports, event).await;
    let now = ports.clock.now();
    Line {
        step: STEP,
        message_id: handled.receipt.as_ref().map_or("", MessageId::as_str),
        attempt: 1,
        ended: &handled.ended,
        about: &handled.about,
        duration_ms: u64::try_from(now.ms_since(started)).unwrap_or_default(),
    }
    .write();
    let mut counters = Counters::new(STEP);
    counters.add(handled.ended.outcome(), handled.ended.code());
    counters.write(now);
    handled.answer
}

async fn take<S: Secrets, Q: Queues, C: Clock>(
    ports: &Ports<'_, S, Q, C>,
    event: ApiGatewayV2httpRequest,
) -> Handled {
    let Ok(request) = Request::read(event) else {
        return refused(
            400,
            "not_base64",
            "the body is not the base64 that the gateway announced",
            "send the raw bytes of the payload",
        );
    };
    if let Err(handled) = limits::check(&request) {
        return *handled;
    }
    let (connection, topic) = match find(ports.connections, &request) {
        Some(found) => found,
        None => {
            return refused(
                404,
                "unknown_connection",
                "no connection has this address",
                "use the address `/webhooks/{connection}` with the id of a configured connection",
            );
        }
    };
    let mut handled = match verified(ports, connection, topic.as_deref(), &request).await {
        Ok(verified) => accept(ports, connection, verified, request).await,
        Err(NotVerified::Refused(refusal)) => refused_signature(&refusal),
        Err(NotVerified::Infra(error)) => unavailable(&error),
    };
    handled.about.partner = Some(connection.id.to_string());
    handled
}

/// The connection that the path names, and the rest of the path.
fn find<'a>(
    connections: &'a Connections,
    request: &Request,
) -> Option<(&'a Connection, Option<String>)> {
    let mut segments = request
        .segments()
        .into_iter()
        .skip_while(|s| *s != "webhooks")
        .skip(1);
    let id = ConnectionId::new(segments.next()?).ok()?;
    let rest: Vec<&str> = segments.collect();
    let topic = (!rest.is_empty()).then(|| rest.join("/"));
    Some((connections.get(&id)?, topic))
}

enum NotVerified {
    Refused(Refusal),
    Infra(InfraError),
}

/// Checks the signature; once more with keys read afresh, since the partner may have begun to use
/// a new one.
async fn verified<S: Secrets, Q, C: Clock>(
    ports: &Ports<'_, S, Q, C>,
    connection: &Connection,
    topic_path: Option<&str>,
    request: &Request,
) -> Result<Verified, NotVerified> {
    let webhook = WebhookRequest {
        headers: &request.headers,
        topic_path,
        body: &request.body,
        now: ports.clock.now(),
    };
    let secrets = ports.secrets.get(&connection.id).await;
    let secrets = secrets.map_err(NotVerified::Infra)?;
    let refusal = match waybill_partners::verify(connection, &webhook, &secrets) {
        Ok(verified) => return Ok(verified),
        Err(refusal) => refusal,
    };
    if !matches!(refusal, Refusal::BadSignature | Refusal::NoSecret) {
        return Err(NotVerified::Refused(refusal));
    }
    match ports.secrets.refresh(&connection.id).await {
        Ok(Some(fresh)) => {
            waybill_partners::verify(connection, &webhook, &fresh).map_err(NotVerified::Refused)
        }
        Ok(None) => Err(NotVerified::Refused(refusal)),
        Err(error) => Err(NotVerified::Infra(error)),
    }
}

/// Puts the delivery on the queue and answers with its receipt.
async fn accept<S, Q: Queues, C: Clock>(
    ports: &Ports<'_, S, Q, C>,
    connection: &Connection,
    verified: Verified,
    request: Request,
) -> Handled {
    let receipt = MessageId::from_uuid(waybill_lambda_kit::chance::unique());
    let delivery = Delivery {
        receipt: receipt.clone(),
        connection: connection.id.clone(),
        origin: Origin::Webhook,
        topic: verified.topic,
        dedupe_id: verified.dedupe_id,
        headers: verified.headers,
        received_at: ports.clock.now(),
        replayed_at: None,
        traceparent: request.traceparent(),
        body: request.body,
    };
    let message = match delivery::encode(&delivery) {
        Ok(message) => message,
        Err(error) => return limits::too_large(&error.to_string()),
    };
    let sent = ports
        .queues
        .send(Queue::Inbound, vec![plain_message(message)])
        .await;
    match sent {
        Ok(unsent) if unsent.is_empty() => Handled {
            answer: Answer::json(202, &serde_json::json!({ "receipt": receipt })),
            ended: Ended::Done,
            about: About {
                entity: delivery.topic,
                ..About::default()
            },
            receipt: Some(receipt),
        },
        Ok(unsent) => unavailable(&InfraError::Unavailable {
            system: "sqs",
            detail: format!("{} message(s) were not accepted", unsent.len()),
        }),
        Err(error) => unavailable(&error),
    }
}

fn refused(status: u16, code: &'static str, message: &str, remedy: &str) -> Handled {
    Handled {
        answer: Answer::error(status, code, message, remedy),
        ended: Ended::Rejected {
            code: Code::literal(code),
            detail: message.to_owned(),
        },
        about: About::default(),
        receipt: None,
    }
}

/// The partner learns no more than that: which check failed is for our log alone.
fn refused_signature(refusal: &Refusal) -> Handled {
    Handled {
        answer: Answer::error(
            401,
            "not_verified",
            "the signature of this request was not accepted",
            "sign the raw bytes with the connection's current secret, and send them at once",
        ),
        ended: Ended::Rejected {
            code: Code::literal(refusal.code()),
            detail: refusal.to_string(),
        },
        about: About::default(),
        receipt: None,
    }
}

/// Partners send again after a 503.
fn unavailable(error: &InfraError) -> Handled {
    Handled {
        answer: Answer::error(
            503,
            "try_again",
            "the webhook could not be taken now and was not kept",
            "send it again in a minute",
        )
        .with_header("retry-after", "60"),
        ended: Ended::Transient {
            code: infra_code(error),
            detail: error.to_string(),
            retry_after_ms: None,
        },
        about: About::default(),
        receipt: None,
    }
}

#[cfg(test)]
mod tests;

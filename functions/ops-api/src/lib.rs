//! `ops-api`: what an operator or a support agent asks for. JSON; its OpenAPI document is served at
//! `/ops/openapi.json`.
//!
//! Every call needs a token with a scope: `read` for questions, `act` for what changes something;
//! `admin` contains both. Every action leaves an audit line in the log: who, what, about which
//! order.

mod actions;
mod auth;
mod connections;
mod correct;
mod dead;
mod desk;
mod dry_run;
mod openapi;
mod read;
mod replay;
mod views;

pub use auth::{Scope, Tokens};
pub use openapi::document;

use auth::Operator;
use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use waybill_flow::connections::{Connection, Connections};
use waybill_flow::ports::{Clock, DeadLetters, EffectStore, InfraError, OrderStore, Queues};
use waybill_lambda_kit::ended::{Ended, infra_code};
use waybill_lambda_kit::http::{Answer, Request};
use waybill_lambda_kit::secrets::SecretSource;
use waybill_lambda_kit::telemetry::Counters;
use waybill_model::case::CaseId;
use waybill_model::delivery::Delivery;
use waybill_partners::Parsed;

const STEP: &str = "ops-api";
/// Largest body of a request, in bytes: a connections file for a dry run.
const MAX_BODY_BYTES: usize = 512 * 1024;

/// What the handler needs.
#[derive(Debug)]
pub struct Ports<'a, O, E, Q, S, C> {
    /// Who is connected: what is told of each, and helpdesks by whose tickets orders are found.
    pub connections: &'a Connections,
    /// Orders, timeline, cases, archive.
    pub orders: &'a O,
    /// What all sandboxes know of the connections; only read here.
    pub effects: &'a E,
    /// Where decisions and replays go.
    pub queues: &'a Q,
    /// Who may ask.
    pub tokens: &'a Tokens<S, C>,
    /// The clock.
    pub clock: &'a C,
    /// Reads a delivery: [`waybill_partners::parse`].
    pub parse: Parse,
}

/// How deliveries are read.
pub type Parse = fn(&Connection, &Delivery) -> Result<Parsed, waybill_partners::Unreadable>;

/// Why a request is not answered with what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No token, or one that nobody has.
    NotAuthenticated,
    /// The token has not this scope.
    Forbidden(Scope),
    /// No such route or thing.
    NotFound(&'static str),
    /// The request makes no sense.
    Invalid {
        code: &'static str,
        message: String,
        remedy: &'static str,
    },
    /// It makes sense, but not now.
    Conflict {
        code: &'static str,
        message: String,
        remedy: &'static str,
    },
    /// A store or queue of our own failed.
    Infra(InfraError),
}

impl From<InfraError> for Refused {
    fn from(error: InfraError) -> Self {
        Self::Infra(error)
    }
}

impl Refused {
    /// The answer; the only place where a refusal gets its status.
    fn answer(&self) -> Answer {
        match self {
            Self::NotAuthenticated => Answer::error(
                401,
                "not_authenticated",
                "a valid token is needed",
                "send `Authorization: Bearer TOKEN` with a token of the secret `ops-api`",
            )
            .with_header("www-authenticate", "Bearer"),
            Self::Forbidden(scope) => Answer::error(
                403,
                "forbidden",
                &format!("the token has not the scope `{}`", scope.as_str()),
                "ask whoever keeps the secret `ops-api` for this scope",
            ),
            Self::NotFound(what) => Answer::error(
                404,
                "not_found",
                &format!("there is no such {what}"),
                "see `/ops/openapi.json` for the routes; look up ids by `/ops/orders` and `/ops/cases`",
            ),
            Self::Invalid {
                code,
                message,
                remedy,
            } => Answer::error(400, code, message, remedy),
            Self::Conflict {
                code,
                message,
                remedy,
            } => Answer::error(409, code, message, remedy),
            Self::Infra(error) => Answer::error(
                503,
                infra_code(error).as_str(),
                "a store or queue of Waybill did not answer",
                "ask again in a minute",
            )
            .with_header("retry-after", "30"),
        }
    }
}

/// Answers one request.
pub async fn handle<
    O: OrderStore,
    E: EffectStore,
    Q: Queues + DeadLetters,
    S: SecretSource,
    C: Clock,
>(
    ports: &Ports<'_, O, E, Q, S, C>,
    event: ApiGatewayV2httpRequest,
) -> Answer {
    let started = ports.clock.now();
    let (route, result) = match Request::read(event) {
        Ok(request) => ports.route(&request).await,
        Err(error) => {
            let invalid = Refused::Invalid {
                code: "not_base64",
                message: error.to_string(),
                remedy: "send the JSON as text",
            };
            ("none", Err(invalid))
        }
    };
    let answer = match &result {
        Ok(answer) => answer.clone(),
        Err(refused) => refused.answer(),
    };
    if let Err(Refused::Infra(error)) = &result {
        let ended = Ended::infra(error);
        tracing::warn!(
            step = STEP,
            route,
            detail = ended.own_words(),
            "a request failed"
        );
    }
    let now = ports.clock.now();
    let duration_ms = now.ms_since(started);
    tracing::info!(
        step = STEP,
        route,
        status = answer.status_code,
        duration_ms,
        "request"
    );
    let mut counters = Counters::new(STEP);
    counters.add(&answer.status_code.to_string(), None);
    counters.write(now);
    answer
}

type Routed = (&'static str, Result<Answer, Refused>);

impl<O: OrderStore, E: EffectStore, Q: Queues + DeadLetters, S: SecretSource, C: Clock>
    Ports<'_, O, E, Q, S, C>
{
    /// Finds what answers. The name of the route is for the log: paths hold ids.
    async fn route(&self, request: &Request) -> Routed {
        let segments = request.segments();
        let ops = segments.iter().position(|s| *s == "ops");
        let rest = ops
            .and_then(|at| segments.get(at + 1..))
            .unwrap_or_default();
        // Whatever the method: a dry run reads its body also where it is asked for by GET.
        if request.body.len() > MAX_BODY_BYTES {
            return ("none", Err(too_large()));
        }
        match (request.method.as_str(), rest) {
            ("GET", ["health"]) => ("health", Ok(self.health())),
            ("GET", ["openapi.json"]) => ("openapi", Ok(openapi::answer())),
            ("GET", _) => self.read(request, rest).await,
            // What changes nothing needs no more than to ask.
            ("POST", [.., "dry-run"]) => self.read(request, rest).await,
            ("POST", _) => self.act(request, rest).await,
            _ => ("none", Err(Refused::NotFound("route"))),
        }
    }

    fn health(&self) -> Answer {
        let version = &self.connections.version;
        Answer::json(
            200,
            &serde_json::json!({"ok": true, "connections_version": version}),
        )
    }

    async fn read(&self, request: &Request, rest: &[&str]) -> Routed {
        if let Err(refused) = self.tokens.check(request, Scope::Read).await {
            return ("read", Err(refused));
        }
        match rest {
            ["orders"] => ("orders", read::orders(self, request).await),
            ["orders", id, "timeline"] => ("timeline", read::timeline(self, id).await),
            ["orders", id, "dry-run"] => ("dry_run", dry_run::order(self, id, request).await),
            ["receipts", id, "dry-run"] => ("dry_run", dry_run::receipt(self, id, request).await),
            ["replay", "dry-run"] if request.method == "POST" => {
                ("dry_run", dry_run::range(self, request).await)
            }
            ["connections"] => ("connections", connections::list(self).await),
            ["dead-letters"] => ("dead_letters", dead::list(self).await),
            ["cases"] => ("cases", read::cases(self, request).await),
            ["cases", "summary"] => ("summary", read::summary(self).await),
            ["cases", id] => ("case", read::case(self, id).await),
            _ => ("none", Err(Refused::NotFound("route"))),
        }
    }

    async fn act(&self, request: &Request, rest: &[&str]) -> Routed {
        let operator = match self.tokens.check(request, Scope::Act).await {
            Ok(operator) => operator,
            Err(refused) => return ("act", Err(refused)),
        };
        let (route, result) = match rest {
            ["orders", id, "retry"] => {
                ("retry", actions::retry(self, &operator, id, request).await)
            }
            ["orders", id, "waive"] => {
                ("waive", actions::waive(self, &operator, id, request).await)
            }
            ["orders", id, "correct"] => (
                "correct",
                correct::order(self, &operator, id, request).await,
            ),
            ["orders", id, "replay"] => ("replay_order", replay::order(self, id).await),
            ["receipts", id, "replay"] => ("replay_receipt", replay::receipt(self, id).await),
            ["dead-letters", queue, "redrive"] => {
                ("redrive", dead::redrive(self, queue, request).await)
            }
            ["replay"] => ("replay_range", replay::range(self, request).await),
            ["cases", "bulk"] => ("bulk", desk::bulk(self, &operator, request).await),
            ["cases", id, "retry"] => ("retry_case", desk::retry(self, &operator, id).await),
            ["cases", id, "ignore"] => (
                "ignore_case",
                desk::ignore(self, &operator, id, request).await,
            ),
            ["cases", id, "assign"] => (
                "assign_case",
                desk::assign(self, &operator, id, request).await,
            ),
            ["cases", id, "close"] => (
                "close_case",
                desk::close(self, &operator, id, request).await,
            ),
            _ => ("none", Err(Refused::NotFound("route"))),
        };
        audit(&operator, route, rest, &result);
        (route, result)
    }
}

fn too_large() -> Refused {
    Refused::Invalid {
        code: "body_too_large",
        message: format!("the body has more than {MAX_BODY_BYTES} bytes"),
        remedy: "send only the documented fields",
    }
}

/// Who did what about which order, and whether it was done.
fn audit(operator: &Operator, action: &str, rest: &[&str], result: &Result<Answer, Refused>) {
    let subject = rest.get(1).copied().unwrap_or_default();
    let subject: String = subject.chars().take(64).collect();
    let status = match result {
        Ok(answer) => answer.status_code,
        Err(refused) => refused.answer().status_code,
    };
    tracing::info!(
        target: "audit", step = STEP, operator = %operator.id, action, subject, status, "audit"
    );
}

/// The same for one case of many.
fn audit_case(operator: &Operator, action: &str, case: CaseId, refused: Option<&Refused>) {
    let status = refused.map_or(202, |refused| refused.answer().status_code);
    tracing::info!(
        target: "audit", step = STEP, operator = %operator.id, action, subject = %case, status, "audit"
    );
}

#[cfg(test)]
mod tests;

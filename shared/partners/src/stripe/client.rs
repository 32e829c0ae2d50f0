//! Calls to Stripe. One call of [`execute`] is one attempt.
//!
//! Stripe keeps the answer to an idempotency key, a 500 too, and repeats it for at least a day. So
//! an attempt in doubt looks for its refund by metadata first. If it is not there, the key of the
//! first attempt is used again, since that call may still be running; only a failure that Stripe
//! has saved for it moves on to the next key. The keys form one sequence, the same for every
//! attempt, so that two attempts can never make two refunds.

use super::error::StripeError;
use super::map::{CORRELATION_KEY, REFUND_KEY};
use super::to_minor;
use super::wire::{Refund, RefundCreated, RefundList};
use crate::client::{Call, unsupported};
use crate::exchange::{Access, Answer, send};
use waybill_flow::ports::Attempt;
use waybill_model::command::{Command, CreateRefund};
use waybill_model::failure::Failure;
use waybill_model::id::{ExternalId, RefKind, Reference};

/// Most keys that are tried in one attempt: saved failures are rare.
const MAX_KEYS: usize = 20;
/// Failures without the mark of a saved answer after which the attempt goes on to the next key,
/// having looked again.
const MAX_UNMARKED: usize = 1;
/// Refunds in a page, and pages that are looked through: a payment has few.
const PAGE: &str = "100";
const MAX_PAGES: usize = 10;

/// Pays back.
///
/// # Errors
/// As classed from the answer's body by [`StripeError`].
pub async fn execute(call: Call<'_>, command: &Command) -> Result<Vec<Reference>, Failure> {
    match command {
        Command::CreateRefund(c) => Ok(create_refund(&Api::new(&call)?, c).await?),
        _ => Err(unsupported("stripe", command)),
    }
}

struct Api<'a> {
    call: &'a Call<'a>,
    key: &'a str,
}

impl<'a> Api<'a> {
    fn new(call: &'a Call<'a>) -> Result<Self, StripeError> {
        let key = call
            .secrets
            .api
            .get("secret_key")
            .filter(|s| !s.is_blank())
            .ok_or(StripeError::NotConfigured {
                what: "api.secret_key",
            })?;
        Ok(Self {
            call,
            key: key.expose(),
        })
    }

    fn request(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        let connection = self.call.connection;
        let request = self
            .call
            .http
            .request(method, format!("{}{path}", connection.base_url))
            .bearer_auth(self.key);
        match &connection.api_version {
            Some(version) => request.header("Stripe-Version", version),
            None => request,
        }
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        access: Access,
    ) -> Result<Answer, StripeError> {
        let answer = send(request, access)
            .await
            .map_err(StripeError::Transport)?;
        if answer.is_success() {
            Ok(answer)
        } else {
            Err(StripeError::of(&answer, access))
        }
    }

    /// The refund that carries our id. A payment can hold several; one that went through is
    /// preferred to one that failed.
    async fn find(&self, command: &CreateRefund) -> Result<Option<Refund>, StripeError> {
        let mut found: Option<Refund> = None;
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut query = vec![
                (payment_field(command), command.payment_id.as_str()),
                ("limit", PAGE),
            ];
            query.extend(after.as_deref().map(|id| ("starting_after", id)));
            let request = self.request(http::Method::GET, "/v1/refunds").query(&query);
            let answer = self.send(request, Access::Read).await?;
            let page: RefundList = answer
                .json()
                .ok_or_else(|| StripeError::unclear(&answer, Access::Read))?;
            after = page.data.last().map(|r| r.id.clone());
            let ours = page
                .data
                .into_iter()
                .filter(|r| {
                    r.metadata.get(REFUND_KEY).map(String::as_str)
                        == Some(command.refund_id.as_str())
                })
                .min_by_key(has_failed);
            found = [found, ours].into_iter().flatten().min_by_key(has_failed);
            if !page.has_more || after.is_none() {
                break;
            }
        }
        Ok(found)
    }

    async fn post(
        &self,
        command: &CreateRefund,
        minor: i64,
        key: &str,
    ) -> Result<Vec<Reference>, StripeError> {
        let form = [
            (
                payment_field(command).to_owned(),
                command.payment_id.as_str().to_owned(),
            ),
            ("amount".to_owned(), minor.to_string()),
            (
                format!("metadata[{REFUND_KEY}]"),
                command.refund_id.as_str().to_owned(),
            ),
            (
                format!("metadata[{CORRELATION_KEY}]"),
                self.call.correlation.to_string(),
            ),
        ];
        let request = self
            .request(http::Method::POST, "/v1/refunds")
            .header("Idempotency-Key", key)
            .form(&form);
        let answer = self.send(request, Access::Write).await?;
        let refund: RefundCreated = answer
            .json()
            .ok_or_else(|| StripeError::unclear(&answer, Access::Write))?;
        Ok(self.references(&refund.id))
    }

    fn references(&self, id: &str) -> Vec<Reference> {
        ExternalId::new(id)
            .map(|id| Reference::new(self.call.connection.id.clone(), RefKind::Refund, id))
            .into_iter()
            .collect()
    }
}

async fn create_refund(
    api: &Api<'_>,
    command: &CreateRefund,
) -> Result<Vec<Reference>, StripeError> {
    let minor = to_minor(command.amount).ok_or_else(|| StripeError::Unpayable {
        amount: command.amount.to_string(),
    })?;
    let first = api.call.key.as_str();
    let outcome = match api.call.attempt {
        Attempt::First => api.post(command, minor, first).await,
        Attempt::InDoubt => match api.find(command).await? {
            Some(refund) => Ok(api.references(&refund.id)),
            None => post_past_saved_failures(api, command, minor).await,
        },
    };
    match outcome {
        // Ours may be the refund that used the payment up.
        Err(error @ (StripeError::AlreadyRefunded | StripeError::TooMuch)) => {
            match api.find(command).await? {
                Some(refund) => Ok(api.references(&refund.id)),
                None => Err(error),
            }
        }
        outcome => outcome,
    }
}

async fn post_past_saved_failures(
    api: &Api<'_>,
    command: &CreateRefund,
    minor: i64,
) -> Result<Vec<Reference>, StripeError> {
    let mut unmarked = 0;
    let mut last = None;
    for n in 0..MAX_KEYS {
        let error = match api.post(command, minor, &nth_key(api, n)).await {
            Err(error @ StripeError::Unclear { status: 500.., .. }) => error,
            other => return other,
        };
        if !matches!(error, StripeError::Unclear { replayed: true, .. }) {
            if let Some(refund) = api.find(command).await? {
                return Ok(api.references(&refund.id));
            }
            if unmarked == MAX_UNMARKED {
                return Err(error);
            }
            unmarked += 1;
        }
        last = Some(error);
    }
    Err(last.unwrap_or(StripeError::KeyReused))
}

fn nth_key(api: &Api<'_>, n: usize) -> String {
    let first = api.call.key.as_str();
    match n {
        0 => first.to_owned(),
        n => format!("{first}-{n}"),
    }
}

fn has_failed(refund: &Refund) -> bool {
    matches!(refund.status.as_deref(), Some("failed" | "canceled"))
}

/// Charges without a payment intent are paid back by their own id.
fn payment_field(command: &CreateRefund) -> &'static str {
    if command.payment_id.as_str().starts_with("ch_") {
        "charge"
    } else {
        "payment_intent"
    }
}

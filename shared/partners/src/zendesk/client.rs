//! Calls to Zendesk. One call of [`execute`] is one attempt.
//!
//! A ticket belongs to an order by its `external_id`, which is the correlation id. The revision of
//! the context that was written last stands in the tag `waybill_rev_N`: a context that is not newer
//! is done already, whether an earlier attempt or a later context wrote it.

use super::error::ZendeskError;
use super::wire::{
    Comment, Requester, Ticket, TicketAnswer, TicketList, TicketRequest, TicketWrite,
};
use crate::client::{Call, unsupported};
use crate::exchange::{Access, Answer, send};
use waybill_model::command::{Command, OrderContext};
use waybill_model::failure::Failure;
use waybill_model::id::{ExternalId, RefKind, Reference};

/// On every ticket that Waybill opens or writes to.
const TAG: &str = "waybill";
/// Before the revision.
const REVISION_TAG: &str = "waybill_rev_";
/// Most exceptions that a comment lists.
const MAX_LISTED: usize = 20;

/// Brings the ticket of an order up to date.
///
/// # Errors
/// As classed from the answer's body by [`ZendeskError`].
pub async fn execute(call: Call<'_>, command: &Command) -> Result<Vec<Reference>, Failure> {
    match command {
        Command::UpdateTicket(c) => Ok(update_ticket(&Api::new(&call)?, &c.context).await?),
        _ => Err(unsupported("zendesk", command)),
    }
}

struct Api<'a> {
    call: &'a Call<'a>,
    user: String,
    token: &'a str,
}

impl<'a> Api<'a> {
    fn new(call: &'a Call<'a>) -> Result<Self, ZendeskError> {
        let secret = |name: &str, what: &'static str| {
            call.secrets
                .api
                .get(name)
                .filter(|s| !s.is_blank())
                .ok_or(ZendeskError::NotConfigured { what })
        };
        Ok(Self {
            call,
            user: format!("{}/token", secret("email", "api.email")?.expose()),
            token: secret("token", "api.token")?.expose(),
        })
    }

    fn request(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v2{path}", self.call.connection.base_url);
        self.call
            .http
            .request(method, url)
            .basic_auth(&self.user, Some(self.token))
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        access: Access,
    ) -> Result<Answer, ZendeskError> {
        let answer = send(request, access)
            .await
            .map_err(ZendeskError::Transport)?;
        if answer.is_success() {
            Ok(answer)
        } else {
            Err(ZendeskError::of(&answer, access))
        }
    }

    /// The order's tickets, oldest first: more than one where closed ones were followed up.
    async fn find(&self) -> Result<Vec<Ticket>, ZendeskError> {
        let external_id = self.call.correlation.to_string();
        let request = self
            .request(http::Method::GET, "/tickets")
            .query(&[("external_id", &external_id)]);
        let answer = self.send(request, Access::Read).await?;
        let list: TicketList = answer.json().ok_or(ZendeskError::Unclear {
            status: answer.status,
            access: Access::Read,
        })?;
        let mut tickets: Vec<Ticket> = list
            .tickets
            .into_iter()
            .filter(|t| t.external_id.as_deref() == Some(&external_id))
            .collect();
        tickets.sort_by_key(|t| t.id);
        Ok(tickets)
    }

    async fn write(
        &self,
        request: reqwest::RequestBuilder,
        body: &TicketRequest<'_>,
    ) -> Result<Vec<Reference>, ZendeskError> {
        let answer = self.send(request.json(body), Access::Write).await?;
        let written: TicketAnswer = answer.json().ok_or(ZendeskError::Unclear {
            status: answer.status,
            access: Access::Write,
        })?;
        Ok(self.references(written.ticket.id))
    }

    fn references(&self, id: i64) -> Vec<Reference> {
        ExternalId::new(id.to_string())
            .map(|id| Reference::new(self.call.connection.id.clone(), RefKind::Ticket, id))
            .into_iter()
            .collect()
    }
}

/// Looks first, always: whether a ticket is there decides what to do, in doubt or not.
async fn update_ticket(
    api: &Api<'_>,
    context: &OrderContext,
) -> Result<Vec<Reference>, ZendeskError> {
    let tickets = api.find().await?;
    let told = tickets
        .iter()
        .find(|t| revision(t).is_some_and(|r| r >= context.revision));
    if let Some(ticket) = told {
        return Ok(api.references(ticket.id));
    }
    let open = tickets.iter().rev().find(|t| !is_closed(t));
    match (open, tickets.last()) {
        (Some(ticket), _) => comment_on(api, ticket, context).await,
        (None, closed) => open_ticket(api, closed, context).await,
    }
}

/// Opens the order's ticket, or the one that follows up its closed one.
async fn open_ticket(
    api: &Api<'_>,
    closed: Option<&Ticket>,
    context: &OrderContext,
) -> Result<Vec<Reference>, ZendeskError> {
    let body = TicketRequest {
        ticket: TicketWrite {
            subject: Some(format!("Order {}", context.order_number)),
            external_id: Some(api.call.correlation.to_string()),
            requester: context
                .email
                .as_deref()
                .map(|email| Requester { email, name: email }),
            via_followup_source_id: closed.map(|t| t.id),
            // A ticket that only informs must not wait in an agent's queue, and `solved` would ask
            // the customer how satisfied they are.
            status: Some(if context.needs_attention {
                "open"
            } else {
                "pending"
            }),
            comment: comment(context),
            tags: tags(&[], context.revision),
            ..TicketWrite::default()
        },
    };
    let request = api
        .request(http::Method::POST, "/tickets")
        .header("Idempotency-Key", creation_key(api, closed));
    api.write(request, &body).await
}

/// One for every update of an order: two that find no ticket at the same moment make one. The other is told that the key was
/// used with another content, and finds the ticket when it looks again.
fn creation_key(api: &Api<'_>, closed: Option<&Ticket>) -> String {
    let order = api.call.correlation;
    closed.map_or_else(
        || format!("waybill-{order}"),
        |ticket| format!("waybill-{order}-after-{}", ticket.id),
    )
}

/// Adds an internal note. Agents own the status: it changes only where one of them must act.
async fn comment_on(
    api: &Api<'_>,
    ticket: &Ticket,
    context: &OrderContext,
) -> Result<Vec<Reference>, ZendeskError> {
    let waits = !matches!(ticket.status.as_deref(), Some("new" | "open"));
    let body = TicketRequest {
        ticket: TicketWrite {
            status: (context.needs_attention && waits).then_some("open"),
            comment: comment(context),
            tags: tags(&ticket.tags, context.revision),
            safe_update: Some(true),
            updated_stamp: ticket.updated_at.as_deref(),
            ..TicketWrite::default()
        },
    };
    let path = format!("/tickets/{}", ticket.id);
    api.write(api.request(http::Method::PUT, &path), &body)
        .await
}

fn is_closed(ticket: &Ticket) -> bool {
    ticket.status.as_deref() == Some("closed")
}

fn revision(ticket: &Ticket) -> Option<u64> {
    ticket
        .tags
        .iter()
        .filter_map(|t| t.strip_prefix(REVISION_TAG)?.parse().ok())
        .max()
}

fn tags(present: &[String], revision: u64) -> Vec<String> {
    let mut tags: Vec<String> = present
        .iter()
        .filter(|t| *t != TAG && !t.starts_with(REVISION_TAG))
        .cloned()
        .collect();
    tags.push(TAG.to_owned());
    tags.push(format!("{REVISION_TAG}{revision}"));
    tags
}

/// The context in words, for people.
fn comment(context: &OrderContext) -> Comment {
    let mut lines = vec![
        format!("Order {}: {}", context.order_number, context.summary),
        String::new(),
    ];
    lines.extend(
        context
            .axes
            .iter()
            .map(|(axis, state)| format!("{}: {}", in_words(axis), in_words(state).to_lowercase())),
    );
    if !context.tracking_numbers.is_empty() {
        let numbers: Vec<&str> = context
            .tracking_numbers
            .iter()
            .map(waybill_model::id::TrackingNumber::as_str)
            .collect();
        lines.push(format!("Tracking: {}", numbers.join(", ")));
    }
    if !context.exceptions.is_empty() {
        lines.push(String::new());
        lines.push("Open exceptions:".to_owned());
        let listed = context.exceptions.iter().take(MAX_LISTED);
        lines.extend(listed.map(|e| format!("- {e}")));
        if let Some(more) = context.exceptions.len().checked_sub(MAX_LISTED)
            && more > 0
        {
            lines.push(format!("- and {more} more"));
        }
    }
    if context.needs_attention {
        lines.push(String::new());
        lines.push("Somebody must act on this order.".to_owned());
    }
    Comment {
        body: lines.join("\n"),
        public: false,
    }
}

/// `partially_shipped` → `Partially shipped`.
fn in_words(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let mut chars = spaced.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use waybill_model::id::{OrderNumber, TrackingNumber};

    #[test]
    fn the_note_is_for_people() {
        let context = OrderContext {
            order_number: OrderNumber::new("#1001").unwrap(),
            email: None,
            summary: "one of two parcels has left".to_owned(),
            axes: BTreeMap::from([("fulfillment".to_owned(), "partially_shipped".to_owned())]),
            tracking_numbers: vec![TrackingNumber::new("1Z9").unwrap()],
            exceptions: vec!["total_mismatch: differs by `0.01`".to_owned()],
            needs_attention: true,
            revision: 3,
        };
        let note = comment(&context);
        assert!(!note.public);
        assert_eq!(
            note.body,
            "Order #1001: one of two parcels has left\n\nFulfillment: partially shipped\n\
             Tracking: 1Z9\n\nOpen exceptions:\n- total_mismatch: differs by `0.01`\n\n\
             Somebody must act on this order."
        );
    }

    #[test]
    fn the_newest_revision_tag_counts_and_is_replaced() {
        let present = ["vip", "waybill", "waybill_rev_2", "waybill_rev_10"].map(str::to_owned);
        let ticket = Ticket {
            id: 1,
            external_id: None,
            status: None,
            updated_at: None,
            tags: present.to_vec(),
        };
        assert_eq!(revision(&ticket), Some(10));
        assert_eq!(tags(&present, 11), ["vip", "waybill", "waybill_rev_11"]);
    }
}

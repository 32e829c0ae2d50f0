//! What an agent sees of an order in the helpdesk (features S1): one context, coalesced.

use crate::axes::axes;
use crate::stages::STATUS_MINUTES;
use crate::state::OrderState;
use crate::view::View;
use waybill_model::case::{CaseClass, CaseStatus};
use waybill_model::command::{Command, CommandKind, Issued, OrderContext, UpdateTicket};
use waybill_model::id::{CorrelationId, MessageId};
use waybill_model::time::Instant;

/// Issues an update of the helpdesk's ticket if what an agent should see has changed and no update
/// is under way. What changes meanwhile goes with the next one; one that was lost is waited for no
/// longer, and should it come after all, its revision says that it is old.
pub fn issue(
    state: &mut OrderState,
    rules: &crate::connections::Connections,
    correlation: CorrelationId,
    now: Instant,
) -> Option<Issued> {
    let view = View::new(state, rules, now)?;
    let helpdesk = view.settings.helpdesk.clone()?;
    if state.is_history() {
        return None;
    }
    // Two at once would arrive in any order: a lost one is waited for until its command was given up for certain.
    let waited_ms = i64::from(STATUS_MINUTES) * 60_000;
    let under_way = state.effects.values().any(|e| {
        e.command == CommandKind::UpdateTicket
            && e.outcome.is_none()
            && now.ms_since(e.issued_at) < waited_ms
    });
    let every = rules
        .get(&helpdesk)
        .and_then(|c| c.helpdesk.as_ref())
        .is_some_and(|h| h.ticket_for_every_order);
    if under_way || !(every || is_worth_telling(&view)) {
        return None;
    }
    let mut context = context(&view);
    let content = content_of(&context);
    let last = crate::plan::keys::ticket(state.ticket.revision);
    let retried = state.effects.get(&last).is_some_and(|e| e.retry_wanted);
    if state.ticket.content.as_ref() == Some(&content) && !retried {
        return None;
    }
    context.revision = state.ticket.revision.saturating_add(1);
    state.ticket.revision = context.revision;
    state.ticket.content = Some(content);
    let key = crate::plan::keys::ticket(context.revision);
    let command = Command::UpdateTicket(UpdateTicket { helpdesk, context });
    let effect = crate::state::Effect {
        command: CommandKind::UpdateTicket,
        issued_at: now,
        outcome: None,
        attempt: 1,
        retry_wanted: false,
    };
    state.effects.insert(key.clone(), effect);
    Some(Issued {
        id: MessageId::for_effect(correlation, &key),
        effect: key,
        command,
    })
}

/// Something that a customer may ask about: goods or money moved, or something went wrong.
fn is_worth_telling(view: &View<'_>) -> bool {
    let facts = view.facts();
    view.shipped().next().is_some()
        || !facts.returns.is_empty()
        || !facts.refunds.is_empty()
        || !facts.tickets.is_empty()
        || !agent_cases(view.state).is_empty()
}

fn agent_cases(state: &OrderState) -> Vec<String> {
    state
        .cases
        .values()
        .filter(|c| c.status == CaseStatus::Open && c.class == CaseClass::Service)
        .map(|c| format!("{}: {}", c.code, c.detail))
        .collect()
}

fn context(view: &View<'_>) -> OrderContext {
    let axes = axes(view.state);
    let exceptions = agent_cases(view.state);
    let summary = format!(
        "order {}, payment {}, fulfillment {}, return {}",
        axes.order, axes.payment, axes.fulfillment, axes.returned
    );
    OrderContext {
        order_number: view.order.number.clone(),
        email: view.order.customer.as_ref().and_then(|c| c.email.clone()),
        summary,
        axes: axes.to_map(),
        tracking_numbers: view.tracking_numbers().map(|(n, _)| n.clone()).collect(),
        needs_attention: !exceptions.is_empty(),
        exceptions,
        revision: 0,
    }
}

/// What decides whether a context says something new.
fn content_of(context: &OrderContext) -> String {
    let numbers: Vec<&str> = context
        .tracking_numbers
        .iter()
        .map(|n| n.as_str())
        .collect();
    [
        context.summary.as_str(),
        &numbers.join(","),
        &context.exceptions.join("\n"),
    ]
    .join("\n")
}

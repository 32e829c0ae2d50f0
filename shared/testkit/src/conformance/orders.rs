//! State, outbox and timeline.

use super::Bench;
use crate::build::{
    case, code, command, commit, connection, correlation, done, effect, external, message, order,
    reference, start, text, timeline_entry,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use waybill_flow::ports::{CaseQuery, CommitError, OrderStore, Stored};
use waybill_flow::state::{Effect, OrderState};
use waybill_model::case::CaseClass;
use waybill_model::command::CommandKind;
use waybill_model::event::Finding;
use waybill_model::id::{MessageId, RefKind};
use waybill_model::order::Version;
use waybill_model::payment::{Refund, RefundStatus};

/// Concurrent writers of [`concurrent_committers_lose_no_event`], and events of each.
const WRITERS: usize = 6;
const EVENTS_EACH: usize = 5;

/// Nothing is there.
pub async fn an_unknown_order_is_absent<S: OrderStore>(bench: Bench<S>) {
    let id = correlation("1");
    assert_eq!(bench.store.load(id).await.unwrap(), None);
    assert_eq!(bench.store.timeline(id).await.unwrap(), vec![]);
    assert_eq!(bench.store.archived(id).await.unwrap(), vec![]);
    bench.store.clear_outbox(id, 1).await.unwrap();
    assert_eq!(bench.store.load(id).await.unwrap(), None);
}

/// Two commits, two revisions.
pub async fn what_is_committed_is_loaded_at_the_next_revision<S: OrderStore>(bench: Bench<S>) {
    let (store, id) = (&bench.store, correlation("1"));
    let mut first = commit(id, None, OrderState::default(), "e-1");
    first.outbox = vec![command(id, "sale_order.create")];
    assert_eq!(store.commit(first.clone()).await.unwrap(), 1);
    let stored = store.load(id).await.unwrap().unwrap();
    let expected = Stored {
        state: first.state.clone(),
        revision: 1,
        outbox: first.outbox,
    };
    assert_eq!(stored, expected);
    let second = commit(id, Some(1), stored.state, "e-2");
    assert_eq!(store.commit(second.clone()).await.unwrap(), 2);
    let stored = store.load(id).await.unwrap().unwrap();
    assert_eq!(stored.state, second.state);
    assert_eq!((stored.revision, stored.outbox), (2, vec![]));
    let other = store.load(correlation("2")).await.unwrap();
    assert_eq!(other, None);
}

/// Whatever the state holds is read back as it was.
pub async fn every_part_of_a_state_survives<S: OrderStore>(bench: Bench<S>) {
    let id = correlation("1");
    let state = rich_state();
    let written = commit(id, None, state, "e-1");
    bench.store.commit(written.clone()).await.unwrap();
    let stored = bench.store.load(id).await.unwrap().unwrap();
    assert_eq!(stored.state, written.state);
}

/// A state with facts, effects, cases and texts outside ASCII.
fn rich_state() -> OrderState {
    let id = correlation("1");
    let mut state = OrderState::default();
    let mut snapshot = order("1");
    snapshot.note = Some("Grüße, 漢字 \u{1f4e6}".to_owned());
    state.facts.order = Some(snapshot);
    state.facts.first_seen = Some(start());
    state.facts.findings = vec![Finding {
        code: code("unknown_sku"),
        detail: "`MUG-RED` is not known".to_owned(),
        remedy: "add it".to_owned(),
    }];
    state.facts.waived.insert(code("held"), "op-1".to_owned());
    let refund = Refund {
        id: external("R-1"),
        source: connection("shop-main"),
        gateway_id: None,
        payment_id: Some(external("pi_1")),
        status: RefundStatus::Succeeded,
        amount: crate::build::eur("12.50"),
        lines: Vec::new(),
        shipping: crate::build::amount("0"),
        version: Version(i64::MAX),
        refunded_at: None,
    };
    let told = state.facts.refunds.entry(refund.id.clone()).or_default();
    told.insert(refund.source.clone(), refund);
    let outcome = done(reference("odoo-main", RefKind::SaleOrder, "42"));
    state.effects.insert(
        effect("sale_order.create"),
        Effect {
            command: CommandKind::CreateSaleOrder,
            issued_at: start(),
            outcome: Some(outcome),
            attempt: 2,
            retry_wanted: true,
        },
    );
    let open = case(Some(id), CaseClass::Data, "unknown_sku");
    state.cases.insert(open.id, open);
    state
        .references
        .insert(reference("gate-main", RefKind::Payment, "pi_1"));
    let told = BTreeSet::from([text("TRK-7")]);
    state
        .told_numbers
        .insert(effect("delivery.register/SHP-7"), told);
    state.written = Some("amendment".to_owned());
    state.ticket.revision = 3;
    state
}

/// All or nothing.
pub async fn a_commit_on_a_stale_revision_is_a_conflict_and_changes_nothing<S: OrderStore>(
    bench: Bench<S>,
) {
    let (store, id) = (&bench.store, correlation("1"));
    let winner = commit(id, None, OrderState::default(), "e-1");
    store.commit(winner.clone()).await.unwrap();
    let moved_on = commit(id, Some(1), winner.state.clone(), "e-2");
    store.commit(moved_on.clone()).await.unwrap();

    let found = reference("gate-main", RefKind::Payment, "pi_1");
    let mut loser = commit(id, Some(1), winner.state, "e-3");
    loser.references = vec![found.clone()];
    loser.cases = vec![case(Some(id), CaseClass::Data, "unknown_sku")];
    loser.outbox = vec![command(id, "sale_order.create")];
    loser.deadline = Some(start());
    assert_eq!(store.commit(loser).await, Err(CommitError::Conflict));

    let stored = store.load(id).await.unwrap().unwrap();
    assert_eq!((stored.revision, &stored.state), (2, &moved_on.state));
    assert_eq!(stored.outbox, vec![]);
    assert_eq!(store.timeline(id).await.unwrap().len(), 2);
    assert_eq!(store.resolve(&found).await.unwrap(), vec![]);
    assert_eq!(store.overdue(start(), 10).await.unwrap(), vec![]);
    let all = CaseQuery {
        limit: 10,
        ..CaseQuery::default()
    };
    assert_eq!(store.cases(&all).await.unwrap(), (vec![], None));
    let future = commit(id, Some(3), stored.state, "e-4");
    assert_eq!(store.commit(future).await, Err(CommitError::Conflict));
}

/// Only one writer finds no state.
pub async fn a_second_first_commit_is_a_conflict<S: OrderStore>(bench: Bench<S>) {
    let (store, id) = (&bench.store, correlation("1"));
    let first = commit(id, None, OrderState::default(), "e-1");
    store.commit(first).await.unwrap();
    let second = commit(id, None, OrderState::default(), "e-2");
    assert_eq!(store.commit(second).await, Err(CommitError::Conflict));
    let unknown = commit(correlation("2"), Some(1), OrderState::default(), "e-3");
    assert_eq!(store.commit(unknown).await, Err(CommitError::Conflict));
}

/// After a lost answer the caller reloads and sees its own event.
pub async fn a_repeated_commit_is_a_conflict_and_its_event_is_applied<S: OrderStore>(
    bench: Bench<S>,
) {
    let (store, id) = (&bench.store, correlation("1"));
    let sent = commit(id, None, OrderState::default(), "e-1");
    store.commit(sent.clone()).await.unwrap();
    assert_eq!(store.commit(sent).await, Err(CommitError::Conflict));
    let stored = store.load(id).await.unwrap().unwrap();
    assert!(stored.state.applied.contains(&message("e-1")));
    assert_eq!(store.timeline(id).await.unwrap().len(), 1);
}

/// Who committed since owns the outbox.
pub async fn the_outbox_is_cleared_only_at_its_revision<S: OrderStore>(bench: Bench<S>) {
    let (store, id) = (&bench.store, correlation("1"));
    let mut first = commit(id, None, OrderState::default(), "e-1");
    first.outbox = vec![command(id, "sale_order.create")];
    store.commit(first.clone()).await.unwrap();
    let mut second = commit(id, Some(1), first.state, "e-2");
    second.outbox = vec![
        command(id, "sale_order.create"),
        command(id, "ticket.update"),
    ];
    store.commit(second.clone()).await.unwrap();

    store.clear_outbox(id, 1).await.unwrap();
    let stored = store.load(id).await.unwrap().unwrap();
    assert_eq!(stored.outbox, second.outbox);
    store.clear_outbox(id, 2).await.unwrap();
    store.clear_outbox(id, 2).await.unwrap();
    let stored = store.load(id).await.unwrap().unwrap();
    assert_eq!((stored.revision, stored.outbox), (2, vec![]));
    assert_eq!(stored.state, second.state);
    let third = commit(id, Some(2), stored.state, "e-3");
    assert_eq!(store.commit(third).await.unwrap(), 3);
}

/// Whatever order events arrive in, and below the second.
pub async fn the_timeline_is_in_order_of_time<S: OrderStore>(bench: Bench<S>) {
    let (store, id) = (&bench.store, correlation("1"));
    let mut state = OrderState::default();
    let times_ms = [5000_i64, 250, 0, 1000, 1];
    for (index, at_ms) in times_ms.into_iter().enumerate() {
        let name = format!("e-{index}");
        let expected = u64::try_from(index).ok().filter(|revision| *revision > 0);
        let mut next = commit(id, expected, state, &name);
        next.event = timeline_entry(&name, 0);
        next.event.at = start().plus_ms(at_ms);
        next.event.summary = format!("after {at_ms} ms");
        state = next.state.clone();
        store.commit(next).await.unwrap();
    }
    let lines = store.timeline(id).await.unwrap();
    let summaries: Vec<&str> = lines.iter().map(|line| line.summary.as_str()).collect();
    let expected = [
        "after 0 ms",
        "after 1 ms",
        "after 250 ms",
        "after 1000 ms",
        "after 5000 ms",
    ];
    assert_eq!(summaries, expected);
    assert_eq!(lines[4].recorded_at, start());
    assert_eq!(store.timeline(correlation("2")).await.unwrap(), vec![]);
}

/// Writers load, add their event and commit, until each of theirs is in.
pub async fn concurrent_committers_lose_no_event<S: OrderStore + 'static>(bench: Bench<S>) {
    let id = correlation("1");
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&bench.store);
            tokio::spawn(async move {
                for event in 0..EVENTS_EACH {
                    commit_until_written(store.as_ref(), &format!("e-{writer}-{event}")).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let stored = bench.store.load(id).await.unwrap().unwrap();
    let applied: BTreeSet<MessageId> = stored.state.applied.iter().cloned().collect();
    let told = bench.store.timeline(id).await.unwrap();
    let total = WRITERS * EVENTS_EACH;
    assert_eq!(applied.len(), total, "every event is in the state");
    assert_eq!(stored.state.applied.len(), total, "and once");
    assert_eq!(stored.revision, u64::try_from(total).unwrap());
    assert_eq!(told.len(), total);
}

async fn commit_until_written<S: OrderStore>(store: &S, event: &str) {
    let id = correlation("1");
    for _ in 0..1000 {
        let found = store.load(id).await.unwrap();
        let (state, revision) = match found {
            Some(stored) => (stored.state, Some(stored.revision)),
            None => (OrderState::default(), None),
        };
        if state.applied.contains(&message(event)) {
            return;
        }
        match store.commit(commit(id, revision, state, event)).await {
            Ok(_) => return,
            // A lost race: load again and decide again.
            Err(_) => tokio::task::yield_now().await,
        }
    }
    panic!("`{event}` was not written in 1000 rounds");
}

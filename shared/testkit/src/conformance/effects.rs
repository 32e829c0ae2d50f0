//! Idempotency records.

use super::Bench;
use crate::build::{connection as connection_id, done, message, reference, rejected, start};
use std::sync::Arc;
use waybill_flow::ports::{Attempt, Claim, EffectStore};
use waybill_model::event::Outcome;
use waybill_model::id::{MessageId, RefKind};
use waybill_model::time::Instant;

const LEASE_MS: i64 = 30_000;
const FIRST: Claim = Claim::Granted(Attempt::First);
const IN_DOUBT: Claim = Claim::Granted(Attempt::InDoubt);
/// Claims that race for one key.
const RIVALS: usize = 12;

fn key() -> MessageId {
    message("effect-1")
}

fn outcome() -> Outcome {
    done(reference("odoo-main", RefKind::SaleOrder, "42"))
}

/// So many leases after the start.
fn leases(n: i64) -> Instant {
    start().plus_ms(n * LEASE_MS)
}

async fn claim<S: EffectStore>(store: &S, owner: &str, now: Instant) -> Claim {
    let claim = store.claim(&key(), "payload", owner, now, LEASE_MS).await;
    claim.unwrap()
}

/// And keys are apart.
pub async fn a_new_key_is_granted_as_a_first_attempt<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    assert_eq!(claim(store, "a", start()).await, FIRST);
    let other = message("effect-2");
    let other = store.claim(&other, "payload", "b", start(), LEASE_MS).await;
    assert_eq!(other.unwrap(), FIRST);
}

/// Until the lease ends, and told when that is.
pub async fn a_live_lease_is_held_against_others<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    claim(store, "a", start()).await;
    let held = Claim::Held { until: leases(1) };
    assert_eq!(claim(store, "b", start()).await, held);
    let last_moment = leases(1).plus_ms(-1);
    assert_eq!(claim(store, "b", last_moment).await, held);
}

/// Whoever held it may have done it.
pub async fn a_lease_that_ran_out_is_granted_in_doubt<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    claim(store, "a", start()).await;
    assert_eq!(claim(store, "b", leases(1)).await, IN_DOUBT);
    let held = Claim::Held { until: leases(2) };
    assert_eq!(claim(store, "c", leases(1)).await, held);
    assert_eq!(claim(store, "c", leases(2)).await, IN_DOUBT);
}

/// The answer of its first claim may have been lost, or its work.
pub async fn an_owner_that_claims_again_is_granted_in_doubt<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    claim(store, "a", start()).await;
    assert_eq!(claim(store, "a", start()).await, IN_DOUBT);
}

/// For good, whoever asks.
pub async fn a_completed_effect_reports_its_outcome<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    claim(store, "a", start()).await;
    for _ in 0..2 {
        let completed = store.complete(&key(), "a", &outcome(), start()).await;
        completed.unwrap();
    }
    let known = Claim::Completed(outcome());
    assert_eq!(claim(store, "a", start()).await, known);
    assert_eq!(claim(store, "b", leases(5)).await, known);
    let other = store.complete(&key(), "a", &rejected("no"), start()).await;
    other.unwrap();
    store.release(&key(), "a", true).await.unwrap();
    assert_eq!(claim(store, "b", start()).await, known);
}

/// While it runs and when it came to an end.
pub async fn another_payload_is_a_mismatch_and_overwrites_nothing<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    let edited = async |now| {
        let claim = store.claim(&key(), "edited", "b", now, LEASE_MS).await;
        claim.unwrap()
    };
    claim(store, "a", start()).await;
    assert_eq!(edited(start()).await, Claim::Mismatch);
    assert_eq!(edited(leases(1).plus_ms(-1)).await, Claim::Mismatch);
    let held = Claim::Held { until: leases(1) };
    assert_eq!(claim(store, "c", start()).await, held);
    let completed = store.complete(&key(), "a", &outcome(), start()).await;
    completed.unwrap();
    let otherwise = Claim::DoneOtherwise(outcome());
    assert_eq!(edited(leases(9)).await, otherwise);
    let known = Claim::Completed(outcome());
    assert_eq!(claim(store, "a", start()).await, known);
}

/// Whoever held it may have done something; nobody will say any more, and looking before writing
/// finds it.
pub async fn a_lease_of_another_payload_that_ran_out_is_granted_in_doubt<S: EffectStore>(
    bench: Bench<S>,
) {
    let store = &*bench.store;
    let edited = async |owner, now| {
        let claim = store.claim(&key(), "edited", owner, now, LEASE_MS).await;
        claim.unwrap()
    };
    claim(store, "a", start()).await;
    assert_eq!(edited("b", leases(1)).await, IN_DOUBT);
    let late = store.complete(&key(), "a", &outcome(), leases(1)).await;
    late.unwrap();
    store.release(&key(), "b", true).await.unwrap();
    assert_eq!(claim(store, "c", leases(1)).await, IN_DOUBT);
    store.release(&key(), "c", false).await.unwrap();
    assert_eq!(edited("d", leases(1)).await, IN_DOUBT);
    let completed = store.complete(&key(), "d", &outcome(), leases(1)).await;
    completed.unwrap();
    let known = Claim::Completed(outcome());
    assert_eq!(edited("e", leases(1)).await, known);
}

/// Who asked for it, after `/`, matters only to a rejection: that is what asking again is about.
pub async fn what_is_done_answers_every_issue_of_its_content<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    let claim = async |payload| {
        let claim = store.claim(&key(), payload, "a", start(), LEASE_MS).await;
        claim.unwrap()
    };
    let no = rejected("unknown_sku");
    assert_eq!(claim("content/event").await, FIRST);
    let completed = store.complete(&key(), "a", &no, start()).await;
    completed.unwrap();
    assert_eq!(claim("content/event").await, Claim::Completed(no));
    assert_eq!(claim("content/operator").await, Claim::Mismatch);
    store.reopen(&key()).await.unwrap();
    assert_eq!(claim("content/operator").await, IN_DOUBT);
    let completed = store.complete(&key(), "a", &outcome(), start()).await;
    completed.unwrap();
    let known = Claim::Completed(outcome());
    assert_eq!(claim("content/event").await, known);
    assert_eq!(claim("content").await, known);
    let otherwise = Claim::DoneOtherwise(outcome());
    assert_eq!(claim("contents/event").await, otherwise);
}

/// Nothing is known against another payload either.
pub async fn a_release_that_did_nothing_is_a_first_attempt_again<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    claim(store, "a", start()).await;
    store.release(&key(), "a", false).await.unwrap();
    assert_eq!(claim(store, "b", start()).await, FIRST);
    store.release(&key(), "b", false).await.unwrap();
    let edited = store.claim(&key(), "edited", "c", start(), LEASE_MS).await;
    assert_eq!(edited.unwrap(), FIRST);
}

/// An attempt that did nothing itself does not clear the attempts before it.
pub async fn doubt_stays_until_an_attempt_completes<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    claim(store, "a", start()).await;
    store.release(&key(), "a", true).await.unwrap();
    assert_eq!(claim(store, "b", start()).await, IN_DOUBT);
    store.release(&key(), "b", false).await.unwrap();
    assert_eq!(claim(store, "c", start()).await, IN_DOUBT);
    let completed = store.complete(&key(), "c", &outcome(), start()).await;
    completed.unwrap();
    let known = Claim::Completed(outcome());
    assert_eq!(claim(store, "d", start()).await, known);
}

/// Others, and owners of nothing, change nothing.
pub async fn only_the_owner_completes_or_releases<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    let complete = async |owner: &str| {
        let completed = store.complete(&key(), owner, &outcome(), start()).await;
        completed.unwrap();
    };
    complete("b").await;
    store.release(&key(), "b", true).await.unwrap();
    assert_eq!(claim(store, "a", start()).await, FIRST);
    complete("b").await;
    store.release(&key(), "b", true).await.unwrap();
    let held = Claim::Held { until: leases(1) };
    assert_eq!(claim(store, "c", start()).await, held);
    store.release(&key(), "a", false).await.unwrap();
    complete("a").await;
    assert_eq!(claim(store, "c", start()).await, FIRST);
}

/// The new owner looks first, so nothing is lost.
pub async fn a_late_owner_cannot_complete_after_a_takeover<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    claim(store, "a", start()).await;
    claim(store, "b", leases(1)).await;
    let late = store
        .complete(&key(), "a", &rejected("no"), leases(1))
        .await;
    late.unwrap();
    store.release(&key(), "a", false).await.unwrap();
    let completed = store.complete(&key(), "b", &outcome(), leases(1)).await;
    completed.unwrap();
    let known = Claim::Completed(outcome());
    assert_eq!(claim(store, "c", leases(1)).await, known);
}

/// What is done stays done, what runs stays claimed.
pub async fn only_a_rejection_is_reopened<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    store.reopen(&key()).await.unwrap();
    claim(store, "a", start()).await;
    store.reopen(&key()).await.unwrap();
    let held = Claim::Held { until: leases(1) };
    assert_eq!(claim(store, "b", start()).await, held);
    let no = rejected("unknown_sku");
    let completed = store.complete(&key(), "a", &no, start()).await;
    completed.unwrap();
    store.reopen(&key()).await.unwrap();
    assert_eq!(claim(store, "b", start()).await, IN_DOUBT);
    let completed = store.complete(&key(), "b", &outcome(), start()).await;
    completed.unwrap();
    store.reopen(&key()).await.unwrap();
    let known = Claim::Completed(outcome());
    assert_eq!(claim(store, "c", start()).await, known);
}

/// Nobody may come for a while after it, and another issue then: what was given up may be there all
/// the same, and only looking tells.
pub async fn what_was_reopened_is_in_doubt_for_whoever_claims_it<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    claim(store, "a", start()).await;
    let completed = store
        .complete(&key(), "a", &rejected("gave_up"), start())
        .await;
    completed.unwrap();
    for _ in 0..2 {
        store.reopen(&key()).await.unwrap();
    }
    let issue = store
        .claim(&key(), "another", "b", leases(9), LEASE_MS)
        .await;
    assert_eq!(issue.unwrap(), IN_DOUBT);
    store.release(&key(), "b", false).await.unwrap();
    store.reopen(&key()).await.unwrap();
    assert_eq!(claim(store, "c", leases(9)).await, IN_DOUBT);
}

/// Each by itself, and for each connection.
pub async fn a_mark_only_moves_forward<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    let advance = async |connection: &str, marks: &[(&str, i64)]| {
        let marks: Vec<(String, Instant)> = marks
            .iter()
            .map(|(name, n)| ((*name).to_owned(), leases(*n)))
            .collect();
        let moved = store.advance(&connection_id(connection), &marks).await;
        moved.unwrap()
    };
    assert_eq!(advance("shop", &[]).await, Vec::<bool>::new());
    assert_eq!(
        advance("shop", &[("mug", 2), ("cap", 2)]).await,
        [true, true]
    );
    assert_eq!(advance("shop", &[("mug", 2)]).await, [true], "told again");
    assert_eq!(
        advance("shop", &[("mug", 1), ("cap", 3), ("hat", 1)]).await,
        [false, true, true]
    );
    assert_eq!(
        advance("shop", &[("mug", 1)]).await,
        [false],
        "nothing was taken back"
    );
    assert_eq!(advance("depot", &[("mug", 1)]).await, [true]);
}

async fn race<S: EffectStore + 'static>(bench: &Bench<S>, now: Instant) -> Vec<Claim> {
    let rivals: Vec<_> = (0..RIVALS)
        .map(|n| {
            let store = Arc::clone(&bench.store);
            tokio::spawn(async move { claim(&*store, &format!("rival-{n}"), now).await })
        })
        .collect();
    let mut claims = Vec::new();
    for rival in rivals {
        claims.push(rival.await.unwrap());
    }
    claims
}

fn assert_one_granted(claims: &[Claim], granted: &Claim, until: Instant) {
    let held = Claim::Held { until };
    let count = |wanted: &Claim| claims.iter().filter(|claim| *claim == wanted).count();
    assert_eq!(count(granted), 1, "{claims:?}");
    assert_eq!(count(&held), RIVALS - 1, "{claims:?}");
}

/// From nothing.
pub async fn of_concurrent_claims_exactly_one_is_granted<S: EffectStore + 'static>(
    bench: Bench<S>,
) {
    let claims = race(&bench, start()).await;
    assert_one_granted(&claims, &FIRST, leases(1));
}

/// From a lease that ran out.
pub async fn of_concurrent_takeovers_exactly_one_is_granted<S: EffectStore + 'static>(
    bench: Bench<S>,
) {
    claim(&*bench.store, "a", start()).await;
    let claims = race(&bench, leases(1)).await;
    assert_one_granted(&claims, &IN_DOUBT, leases(2));
}

//! What every implementation of a store port must do, as one async function a case.
//!
//! [`order_store_conformance!`](crate::order_store_conformance) and
//! [`effect_store_conformance!`](crate::effect_store_conformance) make one test of each. Their
//! argument is an expression of a future that gives a [`Bench`] with empty tables; the crate that
//! uses them needs `tokio`.

use crate::clock::ManualClock;
use std::sync::Arc;

pub mod cases;
pub mod effects;
pub mod marks;
pub mod orders;
pub mod references;
pub mod stages;

/// A store with empty tables and its clock.
#[derive(Debug)]
pub struct Bench<S> {
    /// The implementation under test.
    pub store: Arc<S>,
    /// The clock that it was given.
    pub clock: Arc<ManualClock>,
}

impl<S> Bench<S> {
    /// A store that is made with its clock.
    pub fn new(make: impl FnOnce(Arc<ManualClock>) -> S) -> Self {
        let clock = Arc::new(ManualClock::default());
        Self {
            store: Arc::new(make(Arc::clone(&clock))),
            clock,
        }
    }
}

/// One test for each case of the `OrderStore` suite.
#[macro_export]
macro_rules! order_store_conformance {
    ($bench:expr) => {
        $crate::conformance_cases!(
            $bench,
            orders,
            [
                an_unknown_order_is_absent,
                what_is_committed_is_loaded_at_the_next_revision,
                every_part_of_a_state_survives,
                a_commit_on_a_stale_revision_is_a_conflict_and_changes_nothing,
                a_second_first_commit_is_a_conflict,
                a_repeated_commit_is_a_conflict_and_its_event_is_applied,
                the_outbox_is_cleared_only_at_its_revision,
                the_timeline_is_in_order_of_time,
                concurrent_committers_lose_no_event,
            ]
        );
        $crate::conformance_cases!(
            $bench,
            references,
            [
                references_lead_to_their_orders,
                references_that_differ_in_any_part_are_others,
                more_references_than_one_transaction_takes_all_lead_to_the_order,
                parked_events_wait_until_they_are_taken,
                bodies_are_found_by_order_and_by_receipt,
                a_body_of_an_unknown_order_is_found_by_receipt,
                the_largest_body_survives,
                a_body_archived_twice_is_kept_once,
                bodies_are_listed_by_when_they_were_received,
                pages_of_bodies_miss_and_repeat_none,
            ]
        );
        $crate::conformance_cases!(
            $bench,
            cases,
            [
                an_open_case_keeps_its_opening,
                a_case_found_again_keeps_what_a_person_did_with_it_until_its_cause_is_gone,
                cases_of_a_commit_are_listed_and_closed,
                cases_are_listed_by_status_class_and_order,
                pages_of_cases_miss_and_repeat_none,
                cases_are_listed_by_code_connection_owner_and_age,
                more_cases_than_one_transaction_takes_are_all_kept,
            ]
        );
        $crate::conformance_cases!(
            $bench,
            stages,
            [
                overdue_orders_come_longest_overdue_first,
                an_order_that_no_longer_waits_is_not_overdue,
            ]
        );
    };
}

/// One test for each case of the `EffectStore` suite.
#[macro_export]
macro_rules! effect_store_conformance {
    ($bench:expr) => {
        $crate::conformance_cases!(
            $bench,
            effects,
            [
                a_new_key_is_granted_as_a_first_attempt,
                a_live_lease_is_held_against_others,
                a_lease_that_ran_out_is_granted_in_doubt,
                an_owner_that_claims_again_is_granted_in_doubt,
                a_completed_effect_reports_its_outcome,
                another_payload_is_a_mismatch_and_overwrites_nothing,
                a_lease_of_another_payload_that_ran_out_is_granted_in_doubt,
                what_is_done_answers_every_issue_of_its_content,
                a_mark_only_moves_forward,
                a_release_that_did_nothing_is_a_first_attempt_again,
                doubt_stays_until_an_attempt_completes,
                only_the_owner_completes_or_releases,
                a_late_owner_cannot_complete_after_a_takeover,
                only_a_rejection_is_reopened,
                what_was_reopened_is_in_doubt_for_whoever_claims_it,
                of_concurrent_claims_exactly_one_is_granted,
                of_concurrent_takeovers_exactly_one_is_granted,
            ]
        );
        $crate::conformance_cases!(
            $bench,
            marks,
            [
                marked_deliveries_are_seen,
                marks_expire_to_the_second,
                more_marks_than_one_batch_takes_are_all_seen,
                checkpoints_are_kept_by_connection_and_name,
                a_large_checkpoint_survives,
                a_checkpoint_is_swapped_by_what_is_expected,
                of_concurrent_swaps_exactly_one_is_done,
            ]
        );
    };
}

/// One test for each named case of a suite.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($bench:expr, $suite:ident, [$($case:ident),* $(,)?]) => {
        mod $suite {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $crate::conformance::$suite::$case($bench.await).await;
                }
            )*
        }
    };
}

use super::*;
use proptest::prelude::*;
use waybill_model::id::Code;

const LEASE_MS: i64 = 45_000;

fn at(s: i64) -> Instant {
    Instant::from_epoch_ms(1_700_000_000_000 + s * 1000)
}

fn transient(code: &'static str, retry_after_ms: Option<u64>) -> Failure {
    Failure::Transient {
        code: Code::literal(code),
        detail: String::new(),
        retry_after_ms,
    }
}

fn indeterminate(code: &'static str) -> Failure {
    Failure::Indeterminate {
        code: Code::literal(code),
        detail: String::new(),
    }
}

fn rejected() -> Failure {
    Failure::Rejected {
        code: Code::literal("unknown_sku"),
        detail: String::new(),
        remedy: String::new(),
    }
}

fn opened() -> Breaker {
    let mut breaker = Breaker::default();
    assert!(breaker.open(&Signal::Down, "partner_unreachable", at(0)));
    breaker
}

#[test]
fn what_the_business_refuses_is_a_sign_of_life() {
    assert_eq!(Signal::of(Ok(())), Signal::Alive);
    assert_eq!(Signal::of(Err(&rejected())), Signal::Alive);
    assert_eq!(Signal::of(Err(&transient("conflict", None))), Signal::Alive);
    assert_eq!(
        Signal::of(Err(&indeterminate("erp_internal_error"))),
        Signal::Alive
    );
}

#[test]
fn no_answer_and_answers_of_5xx_are_down() {
    for failure in [
        transient("partner_unreachable", None),
        transient("erp_unreachable", None),
        transient("unauthorized", None),
        indeterminate("answer_lost"),
        indeterminate("attempt_cut_off"),
        indeterminate("partner_error"),
        indeterminate("erp_answer_lost"),
    ] {
        assert_eq!(Signal::of(Err(&failure)), Signal::Down, "{failure}");
    }
}

#[test]
fn what_failed_on_our_side_says_nothing() {
    for code in ["out_of_time", "infra_unavailable", "secrets_unavailable"] {
        assert_eq!(Signal::of(Err(&transient(code, None))), Signal::Nothing);
    }
}

#[test]
fn a_throttle_is_as_long_as_it_says() {
    let wait = |failure| match Signal::of(Err(&failure)) {
        Signal::Throttled { wait_ms } => wait_ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(transient("rate_limited", Some(90_000))), 90_000);
    assert_eq!(wait(transient("rate_limited", None)), UNSAID_MS);
    assert_eq!(wait(transient("erp_busy", Some(30_000))), 30_000);
}

#[test]
fn one_answer_of_a_batch_is_a_sign_of_life() {
    let lost = indeterminate("erp_answer_lost");
    let refused = rejected();
    assert_eq!(
        Signal::of_all([Err(&lost), Err(&refused), Err(&lost)]),
        Signal::Alive
    );
    assert_eq!(Signal::of_all([Err(&lost), Err(&lost)]), Signal::Down);
    assert_eq!(Signal::of_all([]), Signal::Nothing);
}

#[test]
fn failures_in_a_row_are_counted_and_old_ones_forgotten() {
    let mut tally = Tally::default();
    assert_eq!(tally.note(&Signal::Down, at(0)), 1);
    assert_eq!(tally.note(&Signal::Nothing, at(1)), 1);
    assert_eq!(tally.note(&Signal::Down, at(2)), 2);
    assert_eq!(tally.note(&Signal::Alive, at(3)), 0);
    assert_eq!(tally.note(&Signal::Down, at(4)), 1);
    assert_eq!(tally.note(&Signal::Down, at(4 + 299)), 2);
    assert_eq!(tally.note(&Signal::Down, at(4 + 299 + 300)), 1);
}

#[test]
fn while_it_is_open_nobody_calls_and_then_one_does() {
    let mut breaker = opened();
    assert_eq!(
        breaker.admit("a", at(5), LEASE_MS),
        Admission::Wait { ms: 10_000 }
    );
    assert_eq!(breaker.admit("a", at(15), LEASE_MS), Admission::Probe);
    assert_eq!(
        breaker.admit("b", at(16), LEASE_MS),
        Admission::Wait { ms: 5_000 }
    );
    assert!(breaker.probed("a", &Signal::Alive, "", at(17)));
    assert!(breaker.is_closed());
    assert_eq!(breaker.admit("b", at(17), LEASE_MS), Admission::Go);
}

#[test]
fn failed_probes_leave_it_open_for_longer_up_to_five_minutes() {
    let mut breaker = opened();
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..7 {
        let Admission::Wait { ms } = breaker.look(now) else {
            panic!("{breaker:?}")
        };
        waits.push(ms / 1000);
        now = now.plus_ms(i64::try_from(ms).unwrap());
        assert_eq!(breaker.admit("a", now, LEASE_MS), Admission::Probe);
        assert!(breaker.probed("a", &Signal::Down, "answer_lost", now));
    }
    assert_eq!(waits, [15, 30, 60, 120, 240, 300, 300]);
    assert_eq!(breaker.failed_probes(), 7);
    assert_eq!(breaker.since(), Some(at(0)));
    assert_eq!(breaker.code(), "answer_lost");
}

#[test]
fn a_clock_far_ahead_shuts_nobody_out() {
    let hour = Signal::Throttled {
        wait_ms: 60 * 60_000,
    };
    let opened_at = |s: i64| {
        let mut breaker = Breaker::default();
        assert!(breaker.open(&hour, "rate_limited", at(s)));
        breaker
    };
    let ms = u64::try_from(LONGEST_LEFT_MS).unwrap();
    assert_eq!(opened_at(5 * 60).look(at(0)), Admission::Wait { ms });
    let mut ahead = opened_at(5 * 60 + 1);
    assert_eq!(ahead.admit("a", at(0), LEASE_MS), Admission::Probe);
    let until = at(0).plus_ms(LEASE_MS);
    let owner = "a".to_owned();
    assert_eq!(*ahead.phase(), Phase::Probing { owner, until });
}

#[test]
fn a_probe_whose_owner_died_is_taken_over_and_its_late_result_ignored() {
    let mut breaker = opened();
    assert_eq!(breaker.admit("dead", at(15), LEASE_MS), Admission::Probe);
    assert_eq!(
        breaker.admit("b", at(59), LEASE_MS),
        Admission::Wait { ms: 1000 }
    );
    assert_eq!(breaker.admit("b", at(60), LEASE_MS), Admission::Probe);
    assert!(!breaker.probed("dead", &Signal::Alive, "", at(61)));
    assert!(!breaker.is_closed());
    assert!(breaker.probed("b", &Signal::Alive, "", at(62)));
}

#[test]
fn a_probe_that_said_nothing_leaves_the_next_one_at_once() {
    let mut breaker = opened();
    breaker.admit("a", at(15), LEASE_MS);
    assert!(breaker.probed("a", &Signal::Nothing, "", at(16)));
    assert_eq!(breaker.admit("b", at(16), LEASE_MS), Admission::Probe);
    assert_eq!(breaker.code(), "partner_unreachable");
}

#[test]
fn a_throttle_opens_it_for_what_was_asked_and_no_longer_than_an_hour() {
    let mut breaker = Breaker::default();
    let asked = |wait_ms| Signal::Throttled { wait_ms };
    assert!(breaker.open(&asked(90_000), "rate_limited", at(0)));
    assert_eq!(breaker.look(at(0)), Admission::Wait { ms: 90_000 });
    breaker.admit("a", at(90), LEASE_MS);
    assert!(breaker.probed("a", &asked(u64::MAX), "rate_limited", at(90)));
    assert_eq!(breaker.look(at(90)), Admission::Wait { ms: 3_600_000 });
}

#[test]
fn one_that_is_open_is_not_opened_again() {
    let mut breaker = opened();
    let before = breaker.clone();
    assert!(!breaker.open(&Signal::Down, "answer_lost", at(10)));
    assert_eq!(breaker, before);
    assert!(!Breaker::default().open(&Signal::Alive, "", at(0)));
}

#[test]
fn it_is_kept_as_a_small_document_and_blank_ones_are_closed() {
    let breaker = opened();
    let text = serde_json::to_string(&breaker).unwrap();
    assert!(text.contains(r#""phase":"open""#), "{text}");
    assert_eq!(serde_json::from_str::<Breaker>(&text).unwrap(), breaker);
    let closed = serde_json::to_string(&Breaker::default()).unwrap();
    assert!(
        serde_json::from_str::<Breaker>(&closed)
            .unwrap()
            .is_closed()
    );
}

proptest! {
    /// Whatever happens: at most one holds a probe whose lease runs, nobody calls freely while it
    /// is not closed, and an endpoint that is back is found within five minutes of quiet.
    #[test]
    fn there_is_one_probe_at_most_and_a_way_back(
        steps in proptest::collection::vec((0_u8..3, 0_i64..120, 0_u8..4), 1..60),
    ) {
        let mut breaker = opened();
        let mut now = at(0);
        let mut probe: Option<(String, Instant)> = None;
        for (n, (kind, pause, signal)) in steps.into_iter().enumerate() {
            now = now.plus_ms(pause * 1000);
            let signal = match signal {
                0 => Signal::Alive,
                1 => Signal::Down,
                2 => Signal::Throttled { wait_ms: 20_000 },
                _ => Signal::Nothing,
            };
            match (kind, probe.clone()) {
                (0, Some((owner, _))) => {
                    if breaker.probed(&owner, &signal, "x", now) {
                        probe = None;
                    }
                }
                (1, _) => { breaker.open(&Signal::Down, "x", now); }
                _ => {
                    let was_closed = breaker.is_closed();
                    let owner = format!("o{n}");
                    match breaker.admit(&owner, now, LEASE_MS) {
                        Admission::Go => prop_assert!(was_closed),
                        Admission::Probe => {
                            prop_assert!(!was_closed);
                            prop_assert!(probe.as_ref().is_none_or(|(_, until)| *until <= now));
                            probe = Some((owner, now.plus_ms(LEASE_MS)));
                        }
                        Admission::Wait { ms } => prop_assert!(ms > 0),
                    }
                }
            }
        }
        now = now.plus_ms(LONGEST_OPEN_MS);
        if !breaker.is_closed() {
            prop_assert_eq!(breaker.admit("last", now, LEASE_MS), Admission::Probe);
            prop_assert!(breaker.probed("last", &Signal::Alive, "", now));
        }
        prop_assert_eq!(breaker.admit("next", now, LEASE_MS), Admission::Go);
    }
}

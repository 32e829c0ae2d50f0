//! A breaker for each endpoint (features B4): who is away is not called again and again.
//!
//! A sandbox counts the failures that it sees in a row ([`Tally`]). At enough of them it opens the
//! connection's [`Breaker`], a small document that all sandboxes share by compare-and-set. While it
//! is open nobody calls; when its time is over one of them tries, with one *probe*, and closes it or
//! leaves it open for longer. An endpoint that says how long to wait opens it at once for that long.
//!
//! What the business refuses never counts: a partner that says no is there.

use serde::{Deserialize, Serialize};
use waybill_model::failure::Failure;
use waybill_model::time::Instant;

/// How long it stays open the first time, in milliseconds; twice as long after each failed probe.
pub const FIRST_OPEN_MS: i64 = 15_000;
/// How long it stays open at most: what an endpoint that is back may still have to wait.
pub const LONGEST_OPEN_MS: i64 = 5 * 60_000;
/// Longest wait that an endpoint may ask for all of its messages.
const LONGEST_ASKED_MS: i64 = 60 * 60_000;
/// What is left of a wait at most, between clocks that differ. One that is longer was written by a
/// clock far ahead, and shuts nobody out.
const LONGEST_LEFT_MS: i64 = LONGEST_ASKED_MS + 5 * 60_000;
/// Shorter waits that are asked for are no state: whoever was asked waits by himself.
pub const LEAST_ASKED_MS: u64 = 10_000;
/// Wait where an endpoint throttles and does not say for how long.
const UNSAID_MS: u64 = 5_000;
/// When those come again who find a probe under way, at most.
const LOOK_AGAIN_MS: i64 = 5_000;
/// A failure that lies further back is no longer one in a row.
const FORGET_MS: i64 = 5 * 60_000;

/// What one call said about its endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// It answered, whatever it answered.
    Alive,
    /// It did not, or only that it cannot.
    Down,
    /// It wants to be left alone.
    Throttled {
        /// For so long, in milliseconds.
        wait_ms: u64,
    },
    /// Nothing: the call was not made, or failed for reasons of our own.
    Nothing,
}

/// Failures below the business: no connection, no answer, an answer of 5xx, credentials or a
/// database that nobody gets past. All adapters use these codes.
pub const DOWN: [&str; 11] = [
    "answer_lost",
    "attempt_cut_off",
    "erp_answer_lost",
    "erp_company",
    "erp_credentials",
    "erp_database",
    "erp_database_away",
    "erp_unreachable",
    "partner_error",
    "partner_unreachable",
    // Credentials that rotate are replaced within minutes.
    "unauthorized",
];
/// The endpoint asks for fewer calls.
pub const THROTTLED: [&str; 2] = ["erp_busy", "rate_limited"];
/// Failures of our own, before or beside the call.
pub const OURS: [&str; 10] = [
    "breaker_open",
    "calls_used_up",
    "erp_out_of_time",
    "erp_seats_taken",
    "infra_answer_lost",
    "infra_corrupt_record",
    "infra_unavailable",
    "out_of_time",
    "secrets_unavailable",
    "unanswered",
];

impl Signal {
    /// What a result says. Total over the classes; a transient failure with a code that is not
    /// known here was still told by the endpoint.
    #[must_use]
    pub fn of(result: Result<(), &Failure>) -> Self {
        let failure = match result {
            Ok(()) | Err(Failure::Rejected { .. } | Failure::Poison { .. }) => return Self::Alive,
            Err(failure @ (Failure::Transient { .. } | Failure::Indeterminate { .. })) => failure,
        };
        let code = failure.code().as_str();
        let asked = match failure {
            Failure::Transient { retry_after_ms, .. } => *retry_after_ms,
            _ => None,
        };
        if THROTTLED.contains(&code) {
            Self::Throttled {
                wait_ms: asked.unwrap_or(UNSAID_MS),
            }
        } else if DOWN.contains(&code) {
            Self::Down
        } else if OURS.contains(&code) {
            Self::Nothing
        } else {
            Self::Alive
        }
    }

    /// What several results of one call say together: one answer is enough to be alive.
    pub fn of_all<'a>(results: impl IntoIterator<Item = Result<(), &'a Failure>>) -> Self {
        let mut worst = Self::Nothing;
        for signal in results.into_iter().map(Self::of) {
            match signal {
                Self::Alive => return Self::Alive,
                Self::Nothing => {}
                Self::Down | Self::Throttled { .. } => worst = signal,
            }
        }
        worst
    }
}

/// Failures in a row, as one sandbox saw them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    failures: u32,
    last: Option<Instant>,
}

impl Tally {
    /// Counts, and returns how many there were in a row.
    pub fn note(&mut self, signal: &Signal, now: Instant) -> u32 {
        match signal {
            Signal::Alive | Signal::Throttled { .. } => *self = Self::default(),
            Signal::Nothing => {}
            Signal::Down => {
                let fresh = self.last.is_some_and(|at| now.ms_since(at) < FORGET_MS);
                self.failures = if fresh {
                    self.failures.saturating_add(1)
                } else {
                    1
                };
                self.last = Some(now);
            }
        }
        self.failures
    }
}

/// What is known of one endpoint by all sandboxes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    #[serde(flatten)]
    phase: Phase,
    /// Failed probes since it was closed.
    #[serde(default)]
    failed_probes: u32,
    /// Since when it is not closed.
    #[serde(default)]
    since: Option<Instant>,
    /// Code of the failure that opened it, or left it open.
    #[serde(default)]
    code: Option<String>,
}

/// Where a breaker is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Calls are made as ever.
    #[default]
    Closed,
    /// Nobody calls.
    Open {
        /// Whoever comes at this instant or later takes the probe; it stays open until then, however
        /// late that is.
        until: Instant,
    },
    /// One call is made.
    Probing {
        /// The attempt that makes it.
        owner: String,
        /// When another may take the probe, if the owner was not heard of.
        until: Instant,
    },
}

/// Whether one may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Go,
    /// Yes, as the only one: the breaker has changed, and has to be kept before the call is made.
    Probe,
    /// No; ask again in so many milliseconds.
    Wait {
        /// At least 1.
        ms: u64,
    },
}

impl Breaker {
    /// Whether `owner` may call now. A probe is the owner's for `lease_ms`.
    pub fn admit(&mut self, owner: &str, now: Instant, lease_ms: i64) -> Admission {
        match self.look(now) {
            Admission::Probe => {
                self.phase = Phase::Probing {
                    owner: owner.to_owned(),
                    until: now.plus_ms(lease_ms),
                };
                Admission::Probe
            }
            other => other,
        }
    }

    /// The same without taking the probe.
    #[must_use]
    pub fn look(&self, now: Instant) -> Admission {
        let left = |until: Instant| match until.ms_since(now) {
            ms if ms > LONGEST_LEFT_MS => 0,
            ms => ms,
        };
        let ms = match &self.phase {
            Phase::Closed => return Admission::Go,
            Phase::Open { until } => left(*until),
            Phase::Probing { until, .. } => left(*until).min(LOOK_AGAIN_MS),
        };
        match u64::try_from(ms) {
            Ok(ms) if ms > 0 => Admission::Wait { ms },
            _ => Admission::Probe,
        }
    }

    /// Opens, if it is closed. Returns whether it changed.
    pub fn open(&mut self, signal: &Signal, code: &str, now: Instant) -> bool {
        if self.phase != Phase::Closed {
            return false;
        }
        let Some(until) = self.end(signal, now) else {
            return false;
        };
        *self = Self {
            phase: Phase::Open { until },
            failed_probes: 0,
            since: Some(now),
            code: Some(code.to_owned()),
        };
        true
    }

    /// Learns from the probe of `owner`. Returns whether it changed: not where another took over.
    pub fn probed(&mut self, owner: &str, signal: &Signal, code: &str, now: Instant) -> bool {
        let is_ours = matches!(&self.phase, Phase::Probing { owner: o, .. } if o == owner);
        if !is_ours {
            return false;
        }
        if *signal == Signal::Alive {
            *self = Self::default();
            return true;
        }
        if *signal == Signal::Down {
            self.failed_probes = self.failed_probes.saturating_add(1);
        }
        // Where the probe said nothing, the next one may try at once.
        let until = self.end(signal, now).unwrap_or(now);
        self.phase = Phase::Open { until };
        if *signal != Signal::Nothing {
            self.code = Some(code.to_owned());
        }
        true
    }

    fn end(&self, signal: &Signal, now: Instant) -> Option<Instant> {
        let ms = match signal {
            Signal::Alive | Signal::Nothing => return None,
            Signal::Down => FIRST_OPEN_MS
                .saturating_mul(1 << self.failed_probes.min(10))
                .min(LONGEST_OPEN_MS),
            Signal::Throttled { wait_ms } => i64::try_from(*wait_ms)
                .unwrap_or(LONGEST_ASKED_MS)
                .clamp(1, LONGEST_ASKED_MS),
        };
        Some(now.plus_ms(ms))
    }

    /// Whether calls are made as ever.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Where it is.
    #[must_use]
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Failed probes since it was closed; none where it is closed.
    #[must_use]
    pub fn failed_probes(&self) -> u32 {
        self.failed_probes
    }

    /// Since when it is not closed.
    #[must_use]
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Code of the failure that opened it, or left it open; blank where it is closed.
    #[must_use]
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

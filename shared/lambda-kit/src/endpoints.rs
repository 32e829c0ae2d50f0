//! Whether an endpoint is called now: its breaker and its calls a minute, as this sandbox knows
//! them. See [`waybill_flow::breaker`] and [`waybill_flow::quota`].
//!
//! Breaker and quota protect partners, they do not keep orders right: where their documents cannot
//! be read or written, the sandbox goes on with what it knows by itself.
//!
//! While all is well the breaker costs one read of a small document every [`REFRESH_MS`] for each
//! connection and sandbox; it is written only when it changes. A quota costs one write a command,
//! for the connections that have `calls_per_minute`.

use crate::documents::{Document, Kept};
use crate::telemetry::write_gauges_of_all;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use waybill_flow::breaker::{Admission, Breaker, LEAST_ASKED_MS, Signal, Tally};
use waybill_flow::connections::Connections;
use waybill_flow::ports::{Clock, EffectStore};
use waybill_flow::quota::{Quota, Rate};
use waybill_model::failure::Failure;
use waybill_model::id::{Code, ConnectionId};
use waybill_model::time::Instant;

/// How long it is believed that a breaker is as it was read.
pub const REFRESH_MS: i64 = 15_000;
/// Longest wait for a turn within an invocation.
pub const PATIENCE_MS: u64 = 5_000;
/// Failures in a row that open a breaker: enough that a hiccup does not, few enough that a batch
/// to a dead endpoint does.
const OPENS_AT: u32 = 5;
/// The same for an ERP, where one call carries a whole batch and may take most of a minute to fail.
const ERP_OPENS_AT: u32 = 3;
/// An attempt that was cut off before was not given the time of one call.
const ONE_CALL_MS: i64 = 10_000;
/// Times that a change is tried against others before it is left.
const ATTEMPTS: u32 = 8;

/// What a sandbox knows of the endpoints, kept from one invocation to the next.
#[derive(Debug, Default)]
pub struct Endpoints {
    limits: BTreeMap<ConnectionId, Limits>,
    known: Mutex<BTreeMap<ConnectionId, Arc<tokio::sync::Mutex<Known>>>>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    opens_at: u32,
    rate: Option<Rate>,
}

#[derive(Debug, Default)]
struct Known {
    breaker: Kept<Breaker>,
    read_at: Option<Instant>,
    tally: Tally,
    /// A short wait that the endpoint asked this sandbox for.
    quiet_until: Option<Instant>,
    quota: Kept<Quota>,
}

/// The right to make one attempt.
#[derive(Debug)]
pub struct Pass {
    connection: ConnectionId,
    began: Instant,
    /// Who probes, where it is the probe.
    probe: Option<String>,
}

impl Pass {
    /// Whether it is the only attempt at an endpoint that was away: make it a small one.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }
}

/// The endpoints with what asking needs.
#[derive(Debug)]
pub struct Door<'a, E, C> {
    endpoints: &'a Endpoints,
    effects: &'a E,
    clock: &'a C,
    lease_ms: i64,
}

impl Endpoints {
    /// Nothing is known yet; what is allowed stands in the connections file.
    #[must_use]
    pub fn new(connections: &Connections) -> Self {
        let limits = connections.iter().map(|connection| {
            let limits = Limits {
                opens_at: if connection.erp.is_some() {
                    ERP_OPENS_AT
                } else {
                    OPENS_AT
                },
                rate: connection.calls_per_minute.map(Rate::new),
            };
            (connection.id.clone(), limits)
        });
        Self {
            limits: limits.collect(),
            known: Mutex::default(),
        }
    }

    /// With the store that sandboxes share. A probe is its owner's for `lease_ms`: longer than the
    /// function runs.
    pub fn door<'a, E, C>(&'a self, effects: &'a E, clock: &'a C, lease_ms: i64) -> Door<'a, E, C> {
        Door {
            endpoints: self,
            effects,
            clock,
            lease_ms,
        }
    }

    fn limits(&self, connection: &ConnectionId) -> Limits {
        let none = Limits {
            opens_at: OPENS_AT,
            rate: None,
        };
        self.limits.get(connection).copied().unwrap_or(none)
    }

    fn known(&self, connection: &ConnectionId) -> Arc<tokio::sync::Mutex<Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(connection.clone()).or_default())
    }
}

impl<E: EffectStore, C: Clock> Door<'_, E, C> {
    /// Asks to make one attempt of about `calls` calls, which has to begin before `latest`. May
    /// wait for its turn, up to [`PATIENCE_MS`].
    ///
    /// # Errors
    /// Transient: the breaker is open, or the calls of this minute are used up. The message comes
    /// back when it may be tried again.
    pub async fn enter(
        &self,
        connection: &ConnectionId,
        calls: u32,
        latest: Instant,
    ) -> Result<Pass, Failure> {
        let known = self.endpoints.known(connection);
        let mut known = known.lock().await;
        let probe = self.admit(connection, &mut known).await?;
        let turn = self.turn(connection, &mut known, calls, latest).await;
        if let (Err(_), Some(owner)) = (&turn, &probe) {
            self.probed(connection, &mut known, owner, &Signal::Nothing, "")
                .await;
        }
        drop(known);
        let wait_ms = turn?;
        if wait_ms > 0 {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
        Ok(Pass {
            connection: connection.clone(),
            began: self.clock.now(),
            probe,
        })
    }

    /// The failure of all commands to an endpoint whose breaker is open now; takes no probe.
    pub async fn shut(&self, connection: &ConnectionId) -> Option<Failure> {
        let known = self.endpoints.known(connection);
        let mut known = known.lock().await;
        let now = self.clock.now();
        self.refresh(connection, &mut known, now).await;
        match known.breaker.value.look(now) {
            Admission::Go | Admission::Probe => None,
            Admission::Wait { ms } => Some(open(connection, &known.breaker.value, ms)),
        }
    }

    /// Ends an attempt with its result.
    pub async fn leave<T>(&self, pass: Pass, result: &Result<T, Failure>) {
        let signal = Signal::of(result.as_ref().map(drop));
        let code = result.as_ref().err().map(|f| f.code().as_str());
        self.leave_with(pass, &signal, code.unwrap_or_default())
            .await;
    }

    /// Ends an attempt with what it said about the endpoint, and the code of its failure.
    pub async fn leave_with(&self, pass: Pass, signal: &Signal, code: &str) {
        let known = self.endpoints.known(&pass.connection);
        let mut known = known.lock().await;
        let (now, connection) = (self.clock.now(), &pass.connection);
        let was_cut_short = code == "attempt_cut_off" && now.ms_since(pass.began) < ONE_CALL_MS;
        let signal = if was_cut_short {
            &Signal::Nothing
        } else {
            signal
        };
        let failures = known.tally.note(signal, now);
        if let Some(owner) = &pass.probe {
            self.probed(connection, &mut known, owner, signal, code)
                .await;
            return;
        }
        let opens = match signal {
            Signal::Alive | Signal::Nothing => return,
            Signal::Down => failures >= self.endpoints.limits(connection).opens_at,
            Signal::Throttled { wait_ms } => *wait_ms >= LEAST_ASKED_MS,
        };
        match signal {
            _ if opens => {
                known.tally = Tally::default();
                let change = |breaker: &mut Breaker| breaker.open(signal, code, now);
                self.change(connection, &mut known, now, change).await;
            }
            Signal::Throttled { wait_ms } => {
                let wait_ms = i64::try_from(*wait_ms).unwrap_or_default();
                known.quiet_until = Some(now.plus_ms(wait_ms));
            }
            // Somebody else may know more.
            _ => known.read_at = None,
        }
    }

    /// Nothing where calls are made as ever, and who probes where this is the probe.
    async fn admit(
        &self,
        connection: &ConnectionId,
        known: &mut Known,
    ) -> Result<Option<String>, Failure> {
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            self.refresh(connection, known, now).await;
            match known.breaker.value.look(now) {
                Admission::Go => return Ok(None),
                Admission::Wait { ms } => return Err(open(connection, &known.breaker.value, ms)),
                Admission::Probe => {}
            }
            let owner = crate::chance::unique().to_string();
            let mut next = known.breaker.value.clone();
            next.admit(&owner, now, self.lease_ms);
            match self.swap(connection, &mut known.breaker, next).await {
                Swapped::Kept | Swapped::Lost => return Ok(Some(owner)),
                Swapped::Overtaken => known.read_at = None,
            }
        }
        Err(open(connection, &known.breaker.value, 1_000))
    }

    async fn probed(
        &self,
        connection: &ConnectionId,
        known: &mut Known,
        owner: &str,
        signal: &Signal,
        code: &str,
    ) {
        let now = self.clock.now();
        let change = |breaker: &mut Breaker| breaker.probed(owner, signal, code, now);
        self.change(connection, known, now, change).await;
    }

    async fn refresh(&self, connection: &ConnectionId, known: &mut Known, now: Instant) {
        let is_fresh = |at: Instant| now.ms_since(at) < REFRESH_MS;
        if known.read_at.is_some_and(is_fresh) {
            return;
        }
        match Kept::read(self.effects, connection, Breaker::default).await {
            Ok(kept) => known.breaker = kept,
            Err(error) => tracing::warn!(partner = %connection, %error,
                "the breaker cannot be read: this sandbox goes by what it saw itself"),
        }
        known.read_at = Some(now);
        if !known.breaker.value.is_closed() {
            write_gauges_of_all(connection.as_str(), &[("breaker_open", 1)], now);
        }
    }

    /// Changes the breaker, against whoever changes it at the same time, and tells.
    async fn change(
        &self,
        connection: &ConnectionId,
        known: &mut Known,
        now: Instant,
        change: impl Fn(&mut Breaker) -> bool,
    ) {
        for _ in 0..ATTEMPTS {
            let before = known.breaker.value.clone();
            let mut next = before.clone();
            if !change(&mut next) {
                return;
            }
            match self.swap(connection, &mut known.breaker, next).await {
                Swapped::Kept | Swapped::Lost => {
                    known.read_at = Some(now);
                    tell(connection, &before, &known.breaker.value, now);
                    return;
                }
                Swapped::Overtaken => {
                    known.read_at = None;
                    self.refresh(connection, known, now).await;
                }
            }
        }
        tracing::warn!(partner = %connection, "the breaker was changed by others all the time");
    }

    /// Milliseconds until it is this attempt's turn.
    async fn turn(
        &self,
        connection: &ConnectionId,
        known: &mut Known,
        calls: u32,
        latest: Instant,
    ) -> Result<u64, Failure> {
        let now = self.clock.now();
        let left_ms = u64::try_from(latest.ms_since(now)).unwrap_or_default();
        let patience_ms = left_ms.min(PATIENCE_MS);
        let quiet_ms = known.quiet_until.map_or(0, |until| until.ms_since(now));
        let quiet_ms = u64::try_from(quiet_ms).unwrap_or_default();
        if quiet_ms > patience_ms {
            return Err(used_up(connection, quiet_ms));
        }
        let Some(rate) = self.endpoints.limits(connection).rate else {
            return Ok(quiet_ms);
        };
        for _ in 0..ATTEMPTS {
            let mut next = known.quota.value;
            let wait_ms = next
                .reserve(calls, rate, now, patience_ms)
                .map_err(|wait_ms| used_up(connection, wait_ms))?;
            match self.swap(connection, &mut known.quota, next).await {
                Swapped::Kept | Swapped::Lost => return Ok(wait_ms.max(quiet_ms)),
                Swapped::Overtaken => {
                    match Kept::read(self.effects, connection, Quota::default).await {
                        Ok(kept) => known.quota = kept,
                        Err(_) => return Ok(wait_ms.max(quiet_ms)),
                    }
                }
            }
        }
        Err(used_up(connection, PATIENCE_MS))
    }

    async fn swap<T: Document>(
        &self,
        connection: &ConnectionId,
        kept: &mut Kept<T>,
        next: T,
    ) -> Swapped {
        match kept.swap(self.effects, connection, &next).await {
            Ok(true) => Swapped::Kept,
            Ok(false) => Swapped::Overtaken,
            // It may be kept or not: the next change finds out. Until then it holds here.
            Err(error) => {
                tracing::warn!(partner = %connection, %error,
                    "`{}` was not shared: this sandbox goes by what it saw itself", T::NAME);
                kept.value = next;
                Swapped::Lost
            }
        }
    }
}

enum Swapped {
    /// All see it.
    Kept,
    /// It holds here; whether others see it is not known.
    Lost,
    /// Somebody else changed it: nothing was done.
    Overtaken,
}

fn open(connection: &ConnectionId, breaker: &Breaker, ms: u64) -> Failure {
    let since = breaker.since().map(|at| at.to_string()).unwrap_or_default();
    Failure::Transient {
        code: Code::literal("breaker_open"),
        detail: format!(
            "`{connection}` is left alone since {since}: its last failure was `{}`",
            breaker.code()
        ),
        retry_after_ms: Some(ms),
    }
}

fn used_up(connection: &ConnectionId, ms: u64) -> Failure {
    Failure::Transient {
        code: Code::literal("calls_used_up"),
        detail: format!("`{connection}` is given no more calls for now"),
        retry_after_ms: Some(ms),
    }
}

/// A line and a metric for every change.
fn tell(connection: &ConnectionId, before: &Breaker, after: &Breaker, now: Instant) {
    let retry_ms = match after.look(now) {
        Admission::Wait { ms } => ms,
        Admission::Go | Admission::Probe => 0,
    };
    let error_code = after.code();
    if after.is_closed() {
        let open_ms = before.since().map_or(0, |since| now.ms_since(since));
        tracing::info!(partner = %connection, open_ms, "the breaker closed");
    } else if before.is_closed() {
        tracing::warn!(partner = %connection, error_code, retry_ms, "the breaker opened");
    } else {
        tracing::warn!(partner = %connection, error_code, retry_ms, "the breaker stays open");
    }
    let open = u64::from(!after.is_closed());
    write_gauges_of_all(connection.as_str(), &[("breaker_open", open)], now);
}

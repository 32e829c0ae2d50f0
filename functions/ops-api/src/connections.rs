//! Connections: whether each is called now, and how much.
//!
//! What is told is what the functions share ([`waybill_lambda_kit::documents`]), read and never
//! changed here. A sandbox that cannot reach the store goes by what it saw itself, and is not seen.

use crate::read::answer;
use crate::{Ports, Refused};
use schemars::JsonSchema;
use serde::Serialize;
use waybill_flow::breaker::{Breaker, Phase};
use waybill_flow::connections::Connection;
use waybill_flow::pace::{Cap, Pace};
use waybill_flow::ports::{Clock, DeadLetters, EffectStore, InfraError, OrderStore, Queues};
use waybill_flow::quota::{Quota, Rate};
use waybill_lambda_kit::documents::{Document, Kept};
use waybill_lambda_kit::http::Answer;
use waybill_lambda_kit::secrets::SecretSource;
use waybill_model::id::ConnectionId;
use waybill_model::ownership::Role;
use waybill_model::time::Instant;

/// Every connection of the environment.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConnectionsView {
    /// When this was read: compare the instants below with it.
    pub(crate) at: Instant,
    /// By id.
    pub(crate) connections: Vec<ConnectionView>,
}

/// One connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConnectionView {
    /// Its id.
    pub(crate) id: ConnectionId,
    /// Which adapter speaks to it.
    pub(crate) partner: String,
    /// `channel`, `gateway`, `warehouse`, `carrier`, `helpdesk` or `erp`.
    #[schemars(with = "Vec<String>")]
    pub(crate) roles: Vec<Role>,
    /// Whether it is called; absent where it is unreadable.
    pub(crate) breaker: Option<BreakerView>,
    /// How much it takes at once; only of an ERP.
    pub(crate) pace: Option<PaceView>,
    /// How many calls a minute it is given; only where `calls_per_minute` is set.
    pub(crate) quota: Option<QuotaView>,
    /// Which of `breaker`, `pace` and `quota` this version cannot read; functions of this version
    /// begin those anew.
    pub(crate) unreadable: Vec<String>,
}

/// A breaker.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BreakerView {
    /// Where it is.
    pub(crate) phase: PhaseView,
    /// `open`: nobody calls before; once it has passed, the next message is the probe. `probing`:
    /// when another message may probe, if the probe is not heard of. Absent where it is closed.
    pub(crate) until: Option<Instant>,
    /// Since when it is not closed.
    pub(crate) since: Option<Instant>,
    /// Failed probes since it was closed; the wait doubles with each, up to five minutes.
    pub(crate) failed_probes: u32,
    /// Code of the failure that opened it, or left it open.
    pub(crate) code: Option<String>,
}

/// Where a breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PhaseView {
    /// Calls are made as ever.
    Closed,
    /// Nobody calls.
    Open,
    /// One call is made.
    Probing,
}

/// A pace, as writers go by now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PaceView {
    /// Commands that a batch may hold.
    pub(crate) batch: u32,
    /// Writers that may write at once.
    pub(crate) writers: u32,
    /// `erp.batch` of the connections file: the most that `batch` may become.
    pub(crate) batch_cap: u32,
    /// `erp.writers` of the connections file: the most that `writers` may become.
    pub(crate) writers_cap: u32,
    /// Commands a minute that it takes, as last seen; absent before it was seen.
    pub(crate) commands_per_minute: Option<u64>,
}

/// A quota.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct QuotaView {
    /// Calls a minute that all commands together may make.
    pub(crate) calls_per_minute: u32,
    /// When one more call may be made: `at` where at once.
    pub(crate) next_call_at: Instant,
}

impl BreakerView {
    fn new(breaker: &Breaker) -> Self {
        let (phase, until) = match breaker.phase() {
            Phase::Closed => (PhaseView::Closed, None),
            Phase::Open { until } => (PhaseView::Open, Some(*until)),
            Phase::Probing { until, .. } => (PhaseView::Probing, Some(*until)),
        };
        Self {
            phase,
            until,
            since: breaker.since(),
            failed_probes: breaker.failed_probes(),
            code: Some(breaker.code().to_owned()).filter(|code| !code.is_empty()),
        }
    }
}

impl PaceView {
    fn new(pace: Pace, cap: Cap) -> Self {
        let pace = pace.within(cap);
        Self {
            batch: pace.batch,
            writers: pace.writers,
            batch_cap: cap.batch,
            writers_cap: cap.writers,
            commands_per_minute: pace.per_minute(),
        }
    }
}

impl QuotaView {
    fn new(quota: Quota, rate: Rate, now: Instant) -> Self {
        Self {
            calls_per_minute: rate.per_minute(),
            next_call_at: quota.next_call_at(rate, now),
        }
    }
}

/// Every connection, with what is known of it.
pub(crate) async fn list<
    O: OrderStore,
    E: EffectStore,
    Q: Queues + DeadLetters,
    S: SecretSource,
    C: Clock,
>(
    ports: &Ports<'_, O, E, Q, S, C>,
) -> Result<Answer, Refused> {
    let at = ports.clock.now();
    let mut connections = Vec::new();
    for connection in ports.connections.iter() {
        connections.push(view(ports.effects, connection, at).await?);
    }
    answer(200, &ConnectionsView { at, connections })
}

async fn view<E: EffectStore>(
    effects: &E,
    connection: &Connection,
    now: Instant,
) -> Result<ConnectionView, InfraError> {
    let id = &connection.id;
    let mut unreadable = Vec::new();
    let breaker = read(effects, id, Breaker::default, &mut unreadable).await?;
    let pace = match connection.erp.as_ref().map(|erp| erp.cap()) {
        None => None,
        Some(cap) => read(effects, id, || Pace::new(cap), &mut unreadable)
            .await?
            .map(|pace| PaceView::new(pace, cap)),
    };
    let quota = match connection.calls_per_minute.map(Rate::new) {
        None => None,
        Some(rate) => read(effects, id, Quota::default, &mut unreadable)
            .await?
            .map(|quota| QuotaView::new(quota, rate, now)),
    };
    let roles = connection.partner.roles().iter().copied();
    Ok(ConnectionView {
        id: id.clone(),
        partner: connection.partner.as_str().to_owned(),
        roles: roles.filter(|role| connection.has_role(*role)).collect(),
        breaker: breaker.as_ref().map(BreakerView::new),
        pace,
        quota,
        unreadable,
    })
}

/// A document; none where it cannot be read, and its name is noted: the others can be.
async fn read<T: Document, E: EffectStore>(
    effects: &E,
    connection: &ConnectionId,
    anew: impl FnOnce() -> T,
    unreadable: &mut Vec<String>,
) -> Result<Option<T>, InfraError> {
    match Kept::read(effects, connection, anew).await {
        Ok(kept) if !kept.is_unreadable() => Ok(Some(kept.value)),
        Ok(_) | Err(InfraError::Corrupt { .. }) => {
            unreadable.push(T::NAME.to_owned());
            Ok(None)
        }
        Err(error @ (InfraError::Unavailable { .. } | InfraError::Unknown { .. })) => Err(error),
    }
}

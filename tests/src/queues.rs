//! What SQS does with messages, as named cases: the ground that the simulation stands on.
//!
//! The cases say what the documentation of SQS and of Lambda's event source mappings says. They run on the simulation's queues
//! (in the tests of this crate) and on the local AWS (in `cargo xtask e2e`). Where the local AWS does something else, its case
//! names the difference, and the run checks that it still differs: the documentation is what the simulation follows.
//!
//! | module | holds |
//! |---|---|
//! | [`standard`] | cases of standard queues |
//! | [`fifo`] | cases of FIFO queues |
//! | [`mapping`] | cases of the event source mapping between a queue and its function |
//! | [`local`] | the local AWS as a [`Service`] |

pub mod fifo;
pub mod local;
pub mod mapping;
pub mod standard;

use crate::invariants::Check;
use futures::future::{BoxFuture, join_all};
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;
use waybill_flow::ports::Outgoing;

/// A visibility timeout that is over soon, in seconds.
pub const SOON_S: u32 = 1;
/// A visibility timeout that a busy machine is not slow enough to outlast between two calls, in seconds.
pub const LONG_S: u32 = 4;
/// Added to every wait: the local AWS counts real time.
pub const MARGIN: Duration = Duration::from_millis(400);

/// Settings of a queue. Every queue has a dead-letter queue of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// FIFO, deduplicating by group, or standard.
    pub fifo: bool,
    /// Visibility timeout in seconds.
    pub hidden_s: u32,
    /// Receives before a message goes to the dead-letter queue.
    pub max_receives: u32,
}

impl Settings {
    /// A standard queue from which nothing goes to the dead-letter queue.
    #[must_use]
    pub fn standard(hidden_s: u32) -> Self {
        Self {
            fifo: false,
            hidden_s,
            max_receives: 100,
        }
    }

    /// A FIFO queue from which nothing goes to the dead-letter queue.
    #[must_use]
    pub fn fifo(hidden_s: u32) -> Self {
        Self {
            fifo: true,
            ..Self::standard(hidden_s)
        }
    }

    /// The same, with so many receives before the dead-letter queue.
    #[must_use]
    pub fn dead_after(self, max_receives: u32) -> Self {
        Self {
            max_receives,
            ..self
        }
    }
}

/// A message as it is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The queue's id of the message.
    pub id: String,
    /// Of this receive.
    pub handle: String,
    /// The body.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
    /// When it was sent, in milliseconds since 1970.
    pub sent_at_ms: i64,
    /// Its FIFO group.
    pub group: Option<String>,
}

/// A message that a function saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The body.
    pub body: String,
    /// How often it was received, this time included.
    pub receives: u32,
}

/// The queue does not do what it is asked to; SQS's code of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub String);

/// Queues that claim to be SQS's.
pub trait Service: Debug + Send + Sync {
    /// A queue.
    type Queue: Debug + Send + Sync;

    /// Makes an empty queue.
    fn make(&self, settings: Settings) -> impl Future<Output = Self::Queue> + Send;

    /// Sends at most ten messages in one call; what became of each, in their order.
    fn send(
        &self,
        queue: &Self::Queue,
        messages: Vec<Outgoing>,
    ) -> impl Future<Output = Vec<Result<String, Refused>>> + Send;

    /// Receives at most `most` messages, up to ten, for as long as the queue hides them.
    fn receive(
        &self,
        queue: &Self::Queue,
        most: usize,
    ) -> impl Future<Output = Vec<Received>> + Send;

    /// Deletes by a handle.
    fn delete(
        &self,
        queue: &Self::Queue,
        handle: &str,
    ) -> impl Future<Output = Result<(), Refused>> + Send;

    /// Hides the message of a handle for so many seconds from now.
    fn hide(
        &self,
        queue: &Self::Queue,
        handle: &str,
        seconds: u32,
    ) -> impl Future<Output = Result<(), Refused>> + Send;

    /// What is in its dead-letter queue, in order; it stays there.
    fn dead(&self, queue: &Self::Queue) -> impl Future<Output = Vec<Received>> + Send;

    /// Lets [`mapping::function`] read the queue for so long, in batches of at most `batch`; what it saw, by invocation.
    fn read(
        &self,
        queue: &Self::Queue,
        batch: usize,
        time: Duration,
    ) -> impl Future<Output = Vec<Vec<Seen>>> + Send;

    /// Lets time pass.
    fn pass(&self, time: Duration) -> impl Future<Output = ()> + Send;

    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
}

/// How a case ends: with what was not as it must be.
pub type Verdict = Result<(), String>;

/// One case.
#[derive(Debug)]
pub struct Case<S> {
    /// What must be true.
    pub name: &'static str,
    run: for<'a> fn(&'a S) -> BoxFuture<'a, Verdict>,
    /// What the local AWS does instead, and why that does not count.
    pub local_differs: Option<&'static str>,
    /// Takes longer than anybody waits: only where time costs nothing.
    pub only_simulated: bool,
}

impl<S> Case<S> {
    fn new(name: &'static str, run: for<'a> fn(&'a S) -> BoxFuture<'a, Verdict>) -> Self {
        Self {
            name,
            run,
            local_differs: None,
            only_simulated: false,
        }
    }

    fn local_differs(self, how: &'static str) -> Self {
        Self {
            local_differs: Some(how),
            ..self
        }
    }

    fn only_simulated(self) -> Self {
        Self {
            only_simulated: true,
            ..self
        }
    }

    /// Runs it.
    pub async fn run(&self, service: &S) -> Verdict {
        (self.run)(service).await
    }
}

/// A case of its function's name.
macro_rules! case {
    ($name:ident) => {
        $crate::queues::Case::new(stringify!($name), |service| Box::pin($name(service)))
    };
}
use case;

/// All cases.
#[must_use]
pub fn cases<S: Service>() -> Vec<Case<S>> {
    let mut cases = standard::cases();
    cases.extend(fifo::cases());
    cases.extend(mapping::cases());
    cases
}

/// Fails with what was found, unless it is so.
///
/// # Errors
/// It is not so.
pub fn must(is_so: bool, found: impl FnOnce() -> String) -> Verdict {
    if is_so { Ok(()) } else { Err(found()) }
}

/// Fails unless both are equal.
///
/// # Errors
/// They are not.
pub fn same<T: PartialEq + Debug>(what: &str, found: &T, expected: &T) -> Verdict {
    must(found == expected, || {
        format!("{what}: {found:?}, expected {expected:?}")
    })
}

/// A message of a standard queue.
#[must_use]
pub fn plain(body: &str) -> Outgoing {
    Outgoing {
        body: body.to_owned(),
        group: None,
        deduplication: None,
        delay_s: 0,
    }
}

/// A message of a FIFO queue, with its body as deduplication id.
#[must_use]
pub fn grouped(group: &str, body: &str) -> Outgoing {
    Outgoing {
        group: Some(group.to_owned()),
        deduplication: Some(body.to_owned()),
        ..plain(body)
    }
}

/// Their bodies.
#[must_use]
pub fn bodies(messages: &[Received]) -> Vec<&str> {
    messages.iter().map(|m| m.body.as_str()).collect()
}

/// The one message that is received, in several looks: a standard queue may give fewer than it has.
///
/// # Errors
/// None comes.
pub async fn one<S: Service>(service: &S, queue: &S::Queue) -> Result<Received, String> {
    for _ in 0..3 {
        if let Some(message) = service.receive(queue, 1).await.pop() {
            return Ok(message);
        }
    }
    Err("nothing was received".to_owned())
}

/// Nothing is received.
///
/// # Errors
/// Something is.
pub async fn nothing<S: Service>(service: &S, queue: &S::Queue) -> Verdict {
    let found = service.receive(queue, 10).await;
    must(found.is_empty(), || {
        format!("{:?} came too early", bodies(&found))
    })
}

/// Sends all.
///
/// # Errors
/// One is refused.
pub async fn send<S: Service>(
    service: &S,
    queue: &S::Queue,
    messages: Vec<Outgoing>,
) -> Result<Vec<String>, String> {
    let sent = service.send(queue, messages).await;
    sent.into_iter()
        .map(|s| s.map_err(|Refused(code)| format!("refused: {code}")))
        .collect()
}

/// Lets so many seconds pass, and a little more.
pub async fn after<S: Service>(service: &S, seconds: u32) {
    service
        .pass(Duration::from_secs(u64::from(seconds)) + MARGIN)
        .await;
}

/// Runs all cases on the local AWS at once; a violation is one that fails, or no longer differs as it is said to.
pub async fn check<S: Service>(service: &S) -> (Check, String) {
    let cases: Vec<Case<S>> = cases().into_iter().filter(|c| !c.only_simulated).collect();
    let verdicts = join_all(cases.iter().map(|case| case.run(service))).await;
    let mut violations = Vec::new();
    let mut differences = String::from("Queues of the local AWS that are not SQS's\n");
    for (case, verdict) in cases.iter().zip(verdicts) {
        match (verdict, case.local_differs) {
            (Ok(()), None) => {}
            (Err(found), None) => violations.push(format!("{}: {found}", case.name)),
            (Ok(()), Some(_)) => violations.push(format!(
                "{}: the local AWS no longer differs, so the case should not say so",
                case.name
            )),
            (Err(found), Some(how)) => {
                differences.push_str(&format!("  {}: {how} ({found})\n", case.name));
            }
        }
    }
    let check = Check {
        name: "queues behave as SQS's, but for the differences that are known",
        looked_at: cases.len(),
        violations,
    };
    (check, differences)
}

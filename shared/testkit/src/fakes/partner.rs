//! A partner that remembers what it was made to do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use waybill_flow::ports::{Attempt, PartnerPort, PolledPage, Webhook};
use waybill_model::command::{Command, CommandKind};
use waybill_model::delivery::Delivery;
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, CorrelationId, MessageId, RefKind, Reference};
use waybill_model::time::Instant;

/// How the partner answers one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Does it and names what it made.
    Done(Vec<Reference>),
    /// Does nothing and says so.
    Refused(Failure),
    /// Does it, but the caller gets this failure: a lost answer.
    DoneButFailed(Failure),
}

/// One call of `execute`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// What was asked.
    pub command: Command,
    /// For which order.
    pub correlation: CorrelationId,
    /// With which idempotency key.
    pub key: MessageId,
    /// What the caller knew.
    pub attempt: Attempt,
}

/// A partner without idempotency keys of its own: asked twice as a first attempt, it does it
/// twice. In doubt it is asked first, and finds what is there. Unscripted calls succeed.
#[derive(Debug, Default)]
pub struct FakePartner {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    replies: BTreeMap<CommandKind, VecDeque<Reply>>,
    pages: VecDeque<Result<PolledPage, Failure>>,
    current: BTreeMap<MessageId, Result<Delivery, Failure>>,
    made: BTreeMap<MessageId, Vec<Vec<Reference>>>,
    calls: Vec<Called>,
    polls: Vec<(Instant, Option<String>)>,
    hangs: bool,
    /// By topic; absent where the partner has no way to ask.
    webhooks: Option<BTreeMap<String, Webhook>>,
    no_webhook: Option<Failure>,
}

impl FakePartner {
    /// From now on calls of `execute` are never answered, or are.
    pub fn set_hanging(&self, hangs: bool) {
        self.inner.lock().unwrap().hangs = hangs;
    }

    /// The partner's webhooks from now on, each with whether it stands and whether a poll finds
    /// what it told.
    pub fn set_webhooks(&self, webhooks: &[(&str, bool, bool)]) {
        let webhook = |(topic, stands, polled): &(&str, bool, bool)| {
            let webhook = Webhook {
                topic: (*topic).to_owned(),
                stands: *stands,
                polled: *polled,
            };
            (webhook.topic.clone(), webhook)
        };
        let webhooks = webhooks.iter().map(webhook).collect();
        self.inner.lock().unwrap().webhooks = Some(webhooks);
    }

    /// From now on the partner says that it has no webhooks to manage.
    pub fn manage_no_webhooks(&self) {
        self.inner.lock().unwrap().webhooks = None;
    }

    /// From now on no webhook can be made, or any.
    pub fn refuse_webhooks(&self, failure: Option<Failure>) {
        self.inner.lock().unwrap().no_webhook = failure;
    }

    /// Topics whose webhooks do not stand.
    #[must_use]
    pub fn missing_webhooks(&self) -> Vec<String> {
        let inner = self.inner.lock().unwrap();
        let all = inner.webhooks.iter().flat_map(BTreeMap::values);
        all.filter(|w| !w.stands).map(|w| w.topic.clone()).collect()
    }

    /// From when on and with which cursor was polled, oldest first.
    #[must_use]
    pub fn polls(&self) -> Vec<(Instant, Option<String>)> {
        self.inner.lock().unwrap().polls.clone()
    }

    /// The next unscripted call of this kind is answered so.
    pub fn reply(&self, kind: CommandKind, reply: Reply) {
        let mut inner = self.inner.lock().unwrap();
        inner.replies.entry(kind).or_default().push_back(reply);
    }

    /// The next poll is answered so; without a script a poll finds nothing.
    pub fn page(&self, page: Result<PolledPage, Failure>) {
        self.inner.lock().unwrap().pages.push_back(page);
    }

    /// What a refetch of this receipt gives; without it, the delivery itself.
    pub fn current(&self, receipt: &MessageId, delivery: Result<Delivery, Failure>) {
        let mut inner = self.inner.lock().unwrap();
        inner.current.insert(receipt.clone(), delivery);
    }

    /// Calls of `execute`, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Called> {
        self.inner.lock().unwrap().calls.clone()
    }

    /// How often each effect was really done, by key.
    #[must_use]
    pub fn made(&self) -> BTreeMap<MessageId, usize> {
        let inner = self.inner.lock().unwrap();
        let made = inner.made.iter();
        made.map(|(key, times)| (key.clone(), times.len()))
            .collect()
    }

    /// Effects that were done more than once: always a bug.
    #[must_use]
    pub fn duplicates(&self) -> Vec<MessageId> {
        let made = self.made().into_iter();
        made.filter(|(_, times)| *times > 1)
            .map(|(key, _)| key)
            .collect()
    }
}

/// What an unscripted call makes.
fn default_references(command: &Command, key: &MessageId) -> Vec<Reference> {
    let made = |connection: &ConnectionId, kind| {
        let id = crate::build::external(&format!("P-{key}"));
        vec![Reference::new(connection.clone(), kind, id)]
    };
    match command {
        Command::CreateFulfillmentOrder(c) => made(&c.warehouse, RefKind::FulfillmentOrder),
        Command::UpdateTicket(c) => made(&c.helpdesk, RefKind::Ticket),
        Command::CreateRefund(c) => made(&c.gateway, RefKind::Refund),
        _ => Vec::new(),
    }
}

impl PartnerPort for FakePartner {
    async fn execute(
        &self,
        command: &Command,
        correlation: CorrelationId,
        key: &MessageId,
        attempt: Attempt,
    ) -> Result<Vec<Reference>, Failure> {
        let hangs = {
            let mut inner = self.inner.lock().unwrap();
            inner.calls.push(Called {
                command: command.clone(),
                correlation,
                key: key.clone(),
                attempt,
            });
            inner.hangs
        };
        if hangs {
            return std::future::pending().await;
        }
        let mut inner = self.inner.lock().unwrap();
        let scripted = inner.replies.get_mut(&command.kind());
        let reply = scripted
            .and_then(VecDeque::pop_front)
            .unwrap_or_else(|| Reply::Done(default_references(command, key)));
        if let Reply::Refused(failure) = reply {
            return Err(failure);
        }
        let found = inner.made.get(key).and_then(|times| times.first()).cloned();
        if attempt == Attempt::InDoubt
            && let Some(references) = found
        {
            return Ok(references);
        }
        let (references, answer) = match reply {
            Reply::Done(references) => (references.clone(), Ok(references)),
            Reply::DoneButFailed(failure) => (default_references(command, key), Err(failure)),
            Reply::Refused(failure) => return Err(failure),
        };
        inner.made.entry(key.clone()).or_default().push(references);
        answer
    }

    async fn poll(
        &self,
        _connection: &ConnectionId,
        since: Instant,
        cursor: Option<&str>,
        _now: Instant,
    ) -> Result<PolledPage, Failure> {
        let nothing = PolledPage {
            deliveries: Vec::new(),
            cursor: None,
        };
        let mut inner = self.inner.lock().unwrap();
        inner.polls.push((since, cursor.map(str::to_owned)));
        let page = inner.pages.pop_front();
        page.unwrap_or(Ok(nothing))
    }

    async fn webhooks(&self, _connection: &ConnectionId) -> Result<Option<Vec<Webhook>>, Failure> {
        let inner = self.inner.lock().unwrap();
        Ok(inner
            .webhooks
            .as_ref()
            .map(|w| w.values().cloned().collect()))
    }

    async fn create_webhook(&self, _connection: &ConnectionId, topic: &str) -> Result<(), Failure> {
        let mut inner = self.inner.lock().unwrap();
        if let Some(failure) = &inner.no_webhook {
            return Err(failure.clone());
        }
        let webhooks = inner.webhooks.iter_mut().flat_map(BTreeMap::values_mut);
        for webhook in webhooks.filter(|w| w.topic == topic) {
            webhook.stands = true;
        }
        Ok(())
    }

    async fn refetch(&self, delivery: &Delivery) -> Result<Delivery, Failure> {
        let inner = self.inner.lock().unwrap();
        let current = inner.current.get(&delivery.receipt).cloned();
        current.unwrap_or_else(|| Ok(delivery.clone()))
    }
}

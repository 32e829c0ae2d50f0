//! An ERP that remembers what was written.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;
use waybill_flow::ports::{
    Availability, ConnectionSecrets, Erp, ErpCommand, ErpKey, ErpKeys, ErpOrder, KeyError, MadeKey,
    Secret,
};
use waybill_model::command::{Command, CommandKind};
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, CorrelationId, MessageId, RefKind, Reference, Sku};
use waybill_model::money::Money;
use waybill_model::time::Instant;

use super::Reply;

/// Writes each key once, as the port asks of an ERP. Unscripted commands succeed.
#[derive(Debug, Default)]
pub struct FakeErp {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    replies: BTreeMap<CommandKind, VecDeque<Reply>>,
    written: Vec<(ErpCommand, Vec<Reference>)>,
    batches: Vec<usize>,
    withins: Vec<Duration>,
    orders: BTreeMap<CorrelationId, ErpOrder>,
    levels: BTreeMap<Sku, Availability>,
    down: Option<Failure>,
    keys: Vec<(ErpKey, Secret)>,
    /// Days that a key lives; without, none can be made.
    key_days: Option<i64>,
    made_keys: usize,
}

impl FakeErp {
    /// The next unscripted command of this kind is answered so.
    pub fn reply(&self, kind: CommandKind, reply: Reply) {
        let mut inner = self.inner.lock().unwrap();
        inner.replies.entry(kind).or_default().push_back(reply);
    }

    /// From now on every call fails so, or none.
    pub fn set_down(&self, failure: Option<Failure>) {
        self.inner.lock().unwrap().down = failure;
    }

    /// A key that a person made.
    pub fn set_key(&self, key: ErpKey, value: &str) {
        let mut inner = self.inner.lock().unwrap();
        inner.keys.push((key, Secret::new(value)));
    }

    /// From now on keys can be made that live so many days, or none can.
    pub fn let_make_keys(&self, days: Option<i64>) {
        self.inner.lock().unwrap().key_days = days;
    }

    /// Values of all keys, oldest first.
    #[must_use]
    pub fn key_values(&self) -> Vec<String> {
        let inner = self.inner.lock().unwrap();
        let values = inner.keys.iter().map(|(_, v)| v.expose().to_owned());
        values.collect()
    }

    /// What can be promised of a SKU.
    pub fn set_level(&self, level: Availability) {
        let mut inner = self.inner.lock().unwrap();
        inner.levels.insert(level.sku.clone(), level);
    }

    /// Puts or replaces an order, as a person working in the ERP would.
    pub fn set_order(&self, order: ErpOrder) {
        let mut inner = self.inner.lock().unwrap();
        inner.orders.insert(order.correlation, order);
    }

    /// Forgets an order, as if it had never arrived.
    pub fn drop_order(&self, correlation: CorrelationId) {
        self.inner.lock().unwrap().orders.remove(&correlation);
    }

    /// How long each call was given, oldest first.
    #[must_use]
    pub fn withins(&self) -> Vec<Duration> {
        self.inner.lock().unwrap().withins.clone()
    }

    /// What was really written, oldest first: every key once.
    #[must_use]
    pub fn written(&self) -> Vec<ErpCommand> {
        let inner = self.inner.lock().unwrap();
        inner.written.iter().map(|(c, _)| c.clone()).collect()
    }

    /// Sizes of the batches, oldest first.
    #[must_use]
    pub fn batches(&self) -> Vec<usize> {
        self.inner.lock().unwrap().batches.clone()
    }
}

impl Inner {
    fn write_one(
        &mut self,
        erp: &ConnectionId,
        item: &ErpCommand,
    ) -> Result<Vec<Reference>, Failure> {
        let scripted = self.replies.get_mut(&item.command.kind());
        let reply = scripted.and_then(VecDeque::pop_front);
        if let Some(Reply::Refused(failure)) = reply {
            return Err(failure);
        }
        if let Some(references) = self.find(&item.key) {
            return Ok(references);
        }
        let references = match &reply {
            Some(Reply::Done(references)) => references.clone(),
            _ => self.default_references(erp, item),
        };
        self.keep(item);
        self.written.push((item.clone(), references.clone()));
        match reply {
            Some(Reply::DoneButFailed(failure)) => Err(failure),
            _ => Ok(references),
        }
    }

    fn find(&self, key: &MessageId) -> Option<Vec<Reference>> {
        let found = self.written.iter().find(|(c, _)| c.key == *key);
        found.map(|(_, references)| references.clone())
    }

    /// What the command leaves in the ERP.
    fn keep(&mut self, item: &ErpCommand) {
        match &item.command {
            Command::CreateSaleOrder(c) | Command::AmendSaleOrder(c) => {
                let name = format!("S{:05}", self.orders.len() + 1);
                let total = Money::new(c.order.totals.total, c.order.currency);
                let order = self.orders.entry(item.correlation).or_insert(ErpOrder {
                    correlation: item.correlation,
                    name,
                    confirmed: true,
                    cancelled: false,
                    total,
                });
                order.total = total;
            }
            Command::CancelSaleOrder(_) => {
                if let Some(order) = self.orders.get_mut(&item.correlation) {
                    order.confirmed = false;
                    order.cancelled = true;
                }
            }
            _ => {}
        }
    }

    fn default_references(&self, erp: &ConnectionId, item: &ErpCommand) -> Vec<Reference> {
        let kind = match item.command {
            Command::CreateSaleOrder(_) => RefKind::SaleOrder,
            Command::RegisterDelivery(_) | Command::ReceiveReturn(_) => RefKind::Picking,
            Command::CreateCreditNote(_) | Command::CreateInvoice(_) => RefKind::AccountMove,
            Command::RegisterPayment(_) => RefKind::Payment,
            _ => return Vec::new(),
        };
        let id = crate::build::external(&(self.written.len() + 1).to_string());
        vec![Reference::new(erp.clone(), kind, id)]
    }
}

impl Erp for FakeErp {
    async fn write_within(
        &self,
        erp: &ConnectionId,
        batch: &[ErpCommand],
        within: Duration,
    ) -> Vec<Result<Vec<Reference>, Failure>> {
        let mut inner = self.inner.lock().unwrap();
        inner.batches.push(batch.len());
        inner.withins.push(within);
        if let Some(failure) = inner.down.clone() {
            return batch.iter().map(|_| Err(failure.clone())).collect();
        }
        batch
            .iter()
            .map(|item| inner.write_one(erp, item))
            .collect()
    }

    async fn availability(
        &self,
        _erp: &ConnectionId,
        skus: &[Sku],
    ) -> Result<Vec<Availability>, Failure> {
        let inner = self.inner.lock().unwrap();
        if let Some(failure) = inner.down.clone() {
            return Err(failure);
        }
        let wanted = |level: &&Availability| skus.is_empty() || skus.contains(&level.sku);
        Ok(inner.levels.values().filter(wanted).cloned().collect())
    }

    async fn orders(
        &self,
        _erp: &ConnectionId,
        correlations: &[CorrelationId],
    ) -> Result<Vec<ErpOrder>, Failure> {
        let inner = self.inner.lock().unwrap();
        if let Some(failure) = inner.down.clone() {
            return Err(failure);
        }
        let found = correlations.iter().filter_map(|c| inner.orders.get(c));
        Ok(found.cloned().collect())
    }
}

impl ErpKeys for FakeErp {
    async fn keys(&self, _: &ConnectionId) -> Result<Vec<ErpKey>, Failure> {
        let inner = self.inner.lock().unwrap();
        match &inner.down {
            Some(failure) => Err(failure.clone()),
            None => Ok(inner.keys.iter().map(|(k, _)| k.clone()).collect()),
        }
    }

    async fn make_key(
        &self,
        _: &ConnectionId,
        _: &ConnectionSecrets,
        name: &str,
        now: Instant,
    ) -> Result<MadeKey, KeyError> {
        let mut inner = self.inner.lock().unwrap();
        let Some(days) = inner.key_days else {
            return Err(KeyError::NotPossible {
                detail: "no way".to_owned(),
                remedy: "store a password".to_owned(),
            });
        };
        inner.made_keys += 1;
        let id = (inner.made_keys + 100).to_string();
        let value = Secret::new(format!("made-{id}"));
        let key = ErpKey {
            id: id.clone(),
            name: name.to_owned(),
            created: Some(now),
            expires: Some(now.plus_ms(days * 86_400_000)),
        };
        inner.keys.push((key, value.clone()));
        Ok(MadeKey { id, value })
    }

    async fn try_key(&self, erp: &ConnectionId, key: &Secret) -> Result<(), Failure> {
        if self.key_values().iter().any(|v| v == key.expose()) {
            return Ok(());
        }
        Err(Failure::Transient {
            code: waybill_model::id::Code::literal("erp_credentials"),
            detail: format!("`{erp}`"),
            retry_after_ms: None,
        })
    }

    async fn revoke_key(
        &self,
        _: &ConnectionId,
        _: &ConnectionSecrets,
        id: &str,
    ) -> Result<(), KeyError> {
        let mut inner = self.inner.lock().unwrap();
        inner.keys.retain(|(key, _)| key.id != id);
        Ok(())
    }
}

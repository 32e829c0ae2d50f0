//! The ERP: Odoo.

use std::future::Future;
use std::time::Duration;
use waybill_model::command::Command;
use waybill_model::failure::Failure;
use waybill_model::id::{ConnectionId, CorrelationId, MessageId, Reference, Sku};
use waybill_model::money::Money;
use waybill_model::quantity::Quantity;

/// One command of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErpCommand {
    /// The order that it is for.
    pub correlation: CorrelationId,
    /// Its idempotency key.
    pub key: MessageId,
    /// What to do.
    pub command: Command,
}

/// An order as the ERP holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErpOrder {
    /// Ours.
    pub correlation: CorrelationId,
    /// Name in the ERP, such as `S00042`.
    pub name: String,
    /// Confirmed and not cancelled.
    pub confirmed: bool,
    /// Cancelled.
    pub cancelled: bool,
    /// Total with tax.
    pub total: Money,
}

/// How many of one SKU can be promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// What.
    pub sku: Sku,
    /// How many; unknown where the ERP does not track the product.
    pub available: Option<Quantity>,
}

/// Calls to the ERP.
pub trait Erp: Send + Sync {
    /// Carries out a batch for one ERP, orders first, in as few calls as it can; one result a
    /// command, in the order given. Every command may be given again after any failure: what is
    /// done is found and not done twice. It answers after at most `within`, and after its own limit
    /// if that is shorter; what is not known then is indeterminate.
    fn write_within(
        &self,
        erp: &ConnectionId,
        batch: &[ErpCommand],
        within: Duration,
    ) -> impl Future<Output = Vec<Result<Vec<Reference>, Failure>>> + Send;

    /// The same with its own limit only.
    fn write(
        &self,
        erp: &ConnectionId,
        batch: &[ErpCommand],
    ) -> impl Future<Output = Vec<Result<Vec<Reference>, Failure>>> + Send {
        self.write_within(erp, batch, Duration::MAX)
    }

    /// Availability in one call; all sellable products if `skus` is empty.
    ///
    /// # Errors
    /// As classed from the answer.
    fn availability(
        &self,
        erp: &ConnectionId,
        skus: &[Sku],
    ) -> impl Future<Output = Result<Vec<Availability>, Failure>> + Send;

    /// What the ERP holds of these orders, in one or two calls; absent ones are left out.
    ///
    /// # Errors
    /// As classed from the answer.
    fn orders(
        &self,
        erp: &ConnectionId,
        correlations: &[CorrelationId],
    ) -> impl Future<Output = Result<Vec<ErpOrder>, Failure>> + Send;
}

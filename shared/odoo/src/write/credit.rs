use super::{Outcome, Writer};
use crate::client::Api;
use waybill_model::command::*;
use waybill_model::id::CorrelationId;
pub(crate) async fn create(_w: Writer<'_>, _o: CorrelationId, _c: &CreateCreditNote) -> Outcome {
    Ok(vec![])
}
pub(crate) async fn reverse(_w: &Api<'_>, _o: CorrelationId, _c: &ReverseCreditNote) -> Outcome {
    Ok(vec![])
}

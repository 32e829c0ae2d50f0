use super::{Outcome, Writer};
use waybill_model::id::CorrelationId;
use waybill_model::returns::Return;
pub(crate) async fn receive(_w: Writer<'_>, _o: CorrelationId, _c: &Return) -> Outcome {
    Ok(vec![])
}

use super::{Outcome, Writer};
use waybill_model::command::SetStock;
pub(crate) async fn set(_w: Writer<'_>, _c: &SetStock) -> Outcome {
    Ok(vec![])
}

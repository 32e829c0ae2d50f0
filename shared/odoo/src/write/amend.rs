use super::{Outcome, Writer};
use waybill_model::order::Order;
pub(crate) async fn amend(_w: Writer<'_>, _o: &Order) -> Outcome {
    Ok(vec![])
}

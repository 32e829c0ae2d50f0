//! The suites that the fakes pass too.

use crate::local;
use waybill_store::{DynamoEffects, DynamoOrders};
use waybill_testkit::conformance::Bench;

mod dynamo_orders {
    use super::*;

    async fn bench() -> Bench<DynamoOrders> {
        local::orders().await.bench
    }

    waybill_testkit::order_store_conformance!(bench());
}

mod dynamo_effects {
    use super::*;

    async fn bench() -> Bench<DynamoEffects> {
        local::effects().await.bench
    }

    waybill_testkit::effect_store_conformance!(bench());
}

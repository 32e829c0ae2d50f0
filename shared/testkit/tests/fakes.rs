//! The fakes keep the ports' promises.

use waybill_testkit::conformance::Bench;
use waybill_testkit::{MemoryEffects, MemoryOrders};

mod memory_orders {
    use super::*;

    async fn bench() -> Bench<MemoryOrders> {
        Bench::new(|_clock| MemoryOrders::default())
    }

    waybill_testkit::order_store_conformance!(bench());
}

mod memory_effects {
    use super::*;

    async fn bench() -> Bench<MemoryEffects> {
        Bench::new(|clock| MemoryEffects::new(clock))
    }

    waybill_testkit::effect_store_conformance!(bench());
}

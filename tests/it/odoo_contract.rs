//! The contract suite on the simulated Odoos.

use waybill_simulators::odoo::Version;
use waybill_tests::odoo_contract::broken_on_the_simulator;

async fn holds(version: Version) {
    let broken = Box::pin(broken_on_the_simulator(version)).await.unwrap();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[tokio::test]
async fn what_waybill_relies_on_holds_on_the_simulated_odoo_17() {
    holds(Version::V17).await;
}

#[tokio::test]
async fn what_waybill_relies_on_holds_on_the_simulated_odoo_19() {
    holds(Version::V19).await;
}

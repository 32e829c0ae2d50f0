//! A batch with bad orders in it, on each simulated Odoo.

use clap::Parser;
use waybill_tests::bad_orders::{Options, run};

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

#[tokio::test]
async fn forty_three_of_fifty_are_confirmed_and_seven_are_told_their_own_causes() {
    for version in [17, 19] {
        let line = ["bad-orders".to_owned(), format!("--simulated={version}")];
        let options = Cli::try_parse_from(line).unwrap().options;
        assert!(run(&options).await.unwrap(), "Odoo {version}");
    }
}

//! A small storm over each simulated Odoo.

use clap::Parser;
use std::path::Path;
use waybill_tests::storm::{Options, run};

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

/// True when every order is there once, confirmed, with one delivery and the right total, and all kills could be made.
async fn holds(simulated: u32) -> bool {
    let simulated = format!("--simulated={simulated}");
    let line = [
        "storm",
        "--orders=100",
        "--kills=3",
        "--minutes=3",
        &simulated,
    ];
    let options = Cli::try_parse_from(line).unwrap().options;
    let program = Path::new(env!("CARGO_BIN_EXE_waybill-tools"));
    run(&options, program).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_writers_and_lost_answers_leave_every_order_once_in_17() {
    assert!(holds(17).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_writers_and_lost_answers_leave_every_order_once_in_19() {
    assert!(holds(19).await);
}

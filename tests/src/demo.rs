//! `demo` and `e2e`: a day, and what became of every order.

use crate::Stop;
use crate::day::Day;
use crate::invariants::{Check, Expected, Outside, check, nothing_stuck};
use crate::kills::{self, Emulator, Killer};
use crate::odoo::{Access, OdooReader, RealOdoo};
use crate::queues::{self, local::LocalQueues};
use crate::report::{self, Row};
use crate::simulators::Simulators;
use crate::stack::{QUEUES, Stack};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use waybill_lambda_kit::clock::SystemClock;
use waybill_store::{DynamoOrders, Retention};

/// Arguments of a day.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Orders that are placed.
    #[arg(long, default_value_t = 200)]
    pub orders: u32,
    /// Seed of the day and of its faults.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Functions that are killed.
    #[command(flatten)]
    pub killing: kills::Wanted,
    /// A real Odoo.
    #[command(flatten)]
    pub real: RealOdoo,
}

fn say(text: &str) {
    // A closed terminal must not end the run: its exit status is what counts.
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// Plays the day and reports; true if every invariant holds.
///
/// # Errors
/// The stack or a simulator cannot be asked, or the day does not settle.
pub async fn run(
    options: &Options,
    probing: bool,
    stack: PathBuf,
    simulators: PathBuf,
) -> Result<bool, Stop> {
    let stack = Stack::read(&stack)?;
    let simulators = Simulators::read(&simulators)?;
    let sdk = stack.sdk().await;
    let sqs = aws_sdk_sqs::Client::new(&sdk);
    let mut fine = true;
    if probing {
        let (probes, got) = crate::probes::run(&stack, &simulators).await?;
        say(&got);
        let (queues, differences) = queues(&stack, &sqs, &simulators.http).await?;
        say(&differences);
        fine = probes.violations.is_empty() && queues.violations.is_empty();
        say(&report::invariants(&[probes, queues]));
    }
    let day = Day {
        stack: &stack,
        simulators: &simulators,
        sqs: sqs.clone(),
        killing: options.killing.kills > 0,
    };
    let odoo = odoo(options, &simulators).await?;
    let before = odoo.baseline().await?;
    let killer = killer(options, &stack, &sqs, &simulators).await?;
    let seconds = day.play(options.orders, options.seed).await?;
    let kills = match killer {
        Some(killer) => Some(killer.end().await?),
        None => None,
    };
    let orders = DynamoOrders::new(
        aws_sdk_dynamodb::Client::new(&sdk),
        stack.output("OrdersTableName")?,
        Arc::new(SystemClock),
        Retention::default(),
    );
    let expected = expectations(&simulators.get("expectations").await?);
    let mut rows = Vec::new();
    for e in &expected {
        if let Some(correlation) = e.correlation() {
            rows.extend(report::row(&orders, correlation, &e.number, &e.kind).await?);
        }
    }
    let outside = Outside {
        state: simulators.get("state").await?,
        odoo: odoo.orders(before.last_order).await?,
        stock_before: before.stock,
        stock_after: odoo.stock().await?,
        dead: dead_letters(&stack, &sqs).await?,
        cases: rows.iter().map(|r| (r.number.clone(), codes(r))).collect(),
        unexplained: unexplained(&rows),
        expected,
    };
    let mut checks = check(&outside);
    checks.push(nothing_stuck(&simulators.get("day").await?));
    if probing {
        // After the others: these events leave orders behind that the day knows nothing of.
        checks.push(crate::shipped::run(&stack, &simulators.http).await?);
    }
    let unknown = outside.expected.len().saturating_sub(rows.len());
    say(&format!(
        "\nThe day took {seconds} s for {} orders (seed {}).\n",
        options.orders, options.seed
    ));
    say(&report::stages(&rows, unknown));
    say(&report::cases(&rows));
    let webhooks = simulators.get("webhooks").await?;
    say(&report::latencies(
        &rows,
        report::acknowledgements(&webhooks),
    ));
    say(&report::faults(
        &simulators.get("faults").await?,
        kills.as_ref(),
        report::sent_again(&webhooks),
    ));
    if let Some(kills) = &kills {
        checks.push(kills.check());
    }
    say(&report::invariants(&checks));
    fine &= checks.iter().all(|c| c.violations.is_empty());
    say(if fine {
        "All invariants hold."
    } else {
        "Some invariants do NOT hold."
    });
    Ok(fine)
}

/// Tries whether the queues are SQS's; also says where they are known to differ.
async fn queues(
    stack: &Stack,
    sqs: &aws_sdk_sqs::Client,
    http: &reqwest::Client,
) -> Result<(Check, String), Stop> {
    // The cases' function counts as the product's do; nobody reads that here.
    waybill_lambda_kit::telemetry::silence();
    let local = LocalQueues::new(sqs.clone(), &stack.endpoint_url, http.clone());
    let found = queues::check(&local).await;
    local.trouble()?;
    Ok(found)
}

/// Begins to kill functions, where that is asked for.
async fn killer(
    options: &Options,
    stack: &Stack,
    sqs: &aws_sdk_sqs::Client,
    simulators: &Simulators,
) -> Result<Option<Killer>, Stop> {
    if options.killing.kills == 0 {
        return Ok(None);
    }
    let emulator = Emulator::from_env()?;
    let killer = Killer::start(
        stack,
        sqs,
        simulators,
        emulator,
        &options.killing,
        options.seed,
    );
    killer.await.map(Some)
}

fn codes(row: &Row) -> Vec<String> {
    row.cases.iter().map(|c| c.code.to_string()).collect()
}

fn unexplained(rows: &[Row]) -> Vec<String> {
    rows.iter()
        .flat_map(|r| &r.cases)
        .filter(|c| c.detail.trim().is_empty() || c.remedy.trim().is_empty())
        .map(|c| format!("case {} has no detail or no remedy", c.code))
        .collect()
}

async fn dead_letters(
    stack: &Stack,
    sqs: &aws_sdk_sqs::Client,
) -> Result<BTreeMap<String, u64>, Stop> {
    let mut dead = BTreeMap::new();
    for queue in QUEUES {
        let (waiting, working) = stack.depth(sqs, &format!("{queue}DlqUrl")).await?;
        dead.insert(format!("{queue}Dlq"), waiting + working);
    }
    Ok(dead)
}

/// The Odoo of the run: a real one, read without the faults in front of it, or the simulator's.
async fn odoo(options: &Options, simulators: &Simulators) -> Result<OdooReader, Stop> {
    if let Some(access) = options.real.access()? {
        return OdooReader::open(&access).await;
    }
    let url = simulators.connections.get("odoo-main").cloned();
    let access = simulators.get("odoo-access").await?;
    let field = |name: &str| {
        let found = access.get(name).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    let access = Access {
        url: url.unwrap_or_default(),
        database: field("database"),
        login: field("login"),
        key: field("key"),
    };
    OdooReader::open(&access).await
}

fn expectations(value: &Value) -> Vec<Expected> {
    let text = |v: &Value, f: &str| {
        v.get(f)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let orders = value.get("orders").and_then(Value::as_array);
    orders
        .into_iter()
        .flatten()
        .map(|o| Expected {
            channel: text(o, "channel"),
            id: text(o, "id"),
            number: text(o, "number"),
            kind: text(o, "kind"),
            odoo: text(o, "odoo"),
            cases: o.get("cases").and_then(Value::as_array).map(|codes| {
                codes
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            }),
            released: o.get("released").and_then(Value::as_bool),
            shop_told: o.get("shop_told").and_then(Value::as_bool).unwrap_or(true),
        })
        .collect()
}

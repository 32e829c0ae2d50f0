//! The simulators' binary.

use clap::Parser;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use waybill_simulators::secrets::Secrets;
use waybill_simulators::sim::Sim;
use waybill_simulators::webhooks::WebhookFaults;
use waybill_simulators::{Options, World, serve};

/// Simulators of Odoo and of the partners, on one loopback port.
#[derive(Debug, Parser)]
struct Args {
    /// Written once the port listens: `{"connections": {id: base URL}, "control": URL}`.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Seed of every draw.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Multiplies every simulated delay.
    #[arg(long, default_value_t = 1.0)]
    time_scale: f64,
    /// Secrets of the connections, as the local deployment has them.
    #[arg(long)]
    secrets: PathBuf,
    /// Webhooks go to `{base}/webhooks/{connection}`. Can be set later by `POST /_sim/config`.
    #[arg(long)]
    webhook_base: Option<String>,
    /// Webhooks in 1000 that are sent twice.
    #[arg(long, default_value_t = 0)]
    duplicate: u32,
    /// Webhooks in 1000 that are overtaken by later ones.
    #[arg(long, default_value_t = 0)]
    reorder: u32,
    /// Webhooks in 1000 that come seconds late.
    #[arg(long, default_value_t = 0)]
    delay: u32,
    /// Webhooks in 1000 that are lost; only the shop's orders.
    #[arg(long, default_value_t = 0)]
    drop: u32,
    /// Currency of the shop.
    #[arg(long, default_value = "EUR")]
    currency: String,
    /// Tax of the shop in hundredths of a percent.
    #[arg(long, default_value_t = 2000)]
    tax_bp: i64,
    /// The same for prices without tax; that of `--tax-bp` if absent.
    #[arg(long)]
    tax_on_top_bp: Option<i64>,
    /// Number of the shop's first order.
    #[arg(long, default_value_t = 1001)]
    first_order_number: i64,
    /// Release of the simulated Odoo: 17 or 19.
    #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(u32).range(17..=19))]
    odoo_version: u32,
    /// Base URL of a real Odoo: calls to the simulated one are forwarded to it, with the same faults.
    #[arg(long)]
    real_odoo: Option<String>,
    /// Calls that ShipBob allows in its window.
    #[arg(long, default_value_t = 150)]
    shipbob_calls: usize,
    /// That window, in milliseconds.
    #[arg(long, default_value_t = 10_000)]
    shipbob_window_ms: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Nobody is left to tell if stderr is closed.
            drop(writeln!(std::io::stderr(), "waybill-simulators: {message}"));
            ExitCode::FAILURE
        }
    }
}

/// Written beside and renamed, so that nobody reads half of it.
fn write_ready(path: &Path, base: &str) -> Result<(), String> {
    let connections: BTreeMap<&str, String> = Sim::ALL
        .iter()
        .map(|s| (s.connection(), format!("{base}/{}", s.as_str())))
        .collect();
    let ready = serde_json::json!({"connections": connections, "control": format!("{base}/_sim")});
    let beside = path.with_extension("part");
    std::fs::write(&beside, ready.to_string())
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|e| format!("`{}` cannot be written: {e}", path.display()))
}

async fn run(args: Args) -> Result<(), String> {
    let secrets = Secrets::read(&args.secrets)?;
    let options = Options {
        seed: args.seed,
        time_scale: args.time_scale,
        webhook_base: args.webhook_base,
        webhook_faults: WebhookFaults {
            duplicate: args.duplicate,
            reorder: args.reorder,
            delay: args.delay,
            drop: args.drop,
        },
        currency: args.currency,
        tax_bp: args.tax_bp,
        tax_on_top_bp: args.tax_on_top_bp.unwrap_or(args.tax_bp),
        first_order_number: args.first_order_number,
        odoo_version: args.odoo_version,
        real_odoo: args.real_odoo,
        shipbob_calls_per_minute: args.shipbob_calls,
        shipbob_window_ms: args.shipbob_window_ms,
        ..Options::default()
    };
    let address = (IpAddr::V4(Ipv4Addr::LOCALHOST), args.port);
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|e| format!("port {} cannot be bound: {e}", args.port))?;
    let bound = listener.local_addr().map_err(|e| e.to_string())?;
    let world = World::new(options, secrets);
    writeln!(std::io::stdout(), "listening on http://{bound}").map_err(|e| e.to_string())?;
    if let Some(path) = &args.ready_file {
        write_ready(path, &format!("http://{bound}"))?;
    }
    // Nothing here needs to be ended gently: what a client waits for is lost, as it may be.
    tokio::select! {
        served = serve(listener, world, std::future::pending()) => served,
        () = interrupted() => Ok(()),
    }
    .map_err(|e| format!("the server failed: {e}"))
}

async fn interrupted() {
    // Without a signal handler the process ends by the signal itself.
    drop(tokio::signal::ctrl_c().await);
}

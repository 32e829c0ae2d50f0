//! The simulators' binary.

use clap::Parser;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use waybill_simulators::odoo::{OdooConfig, OdooSim, ProductSeed, TaxSeed, Version};
use waybill_simulators::secrets::Secrets;
use waybill_simulators::sim::Sim;
use waybill_simulators::webhooks::WebhookFaults;
use waybill_simulators::{Options, World, serve};

/// Simulators of Odoo and of the partners, on one loopback port.
#[derive(Debug, Parser)]
struct Args {
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
    /// Number of the shop's first order.
    #[arg(long, default_value_t = 1001)]
    first_order_number: i64,
    /// Calls that ShipBob allows in its window.
    #[arg(long, default_value_t = 150)]
    shipbob_calls: usize,
    /// Version of the simulated Odoo: 17 or 19.
    #[arg(long, default_value_t = 19)]
    odoo_version: u32,
    /// Written once the port is bound: base URL of every connection, and of the control API.
    #[arg(long)]
    ready_file: Option<PathBuf>,
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

async fn run(args: Args) -> Result<(), String> {
    let secrets = Secrets::read(&args.secrets)?;
    let odoo = OdooSim::new(odoo_config(args.odoo_version, &secrets)?);
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
        first_order_number: args.first_order_number,
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
    world.attach_odoo(Arc::clone(&odoo));
    writeln!(std::io::stdout(), "listening on http://{bound}").map_err(|e| e.to_string())?;
    if let Some(path) = &args.ready_file {
        tell_ready(path, &format!("http://{bound}"))?;
    }
    let stop = async {
        // Without a signal handler the process ends by the signal itself.
        drop(tokio::signal::ctrl_c().await);
    };
    serve(listener, world, Some(odoo.router()), stop)
        .await
        .map_err(|e| format!("the server failed: {e}"))
}

/// Odoo as the local connections file expects it.
fn odoo_config(version: u32, secrets: &Secrets) -> Result<OdooConfig, String> {
    let version = match version {
        17 => Version::V17,
        19 => Version::V19,
        other => return Err(format!("there is no simulator of Odoo {other}: 17 or 19")),
    };
    let mut config = OdooConfig::new(version);
    config.database = "waybill".to_owned();
    for user in &mut config.users {
        user.login = "waybill@example.com".to_owned();
        user.keys = secrets.api_values(Sim::Odoo.connection());
    }
    config.taxes.push(TaxSeed {
        xid: "tax_20".to_owned(),
        name: "Sales 20%".to_owned(),
        percent: 20.0,
        included: false,
    });
    for (sku, name) in [("TIP", "Tip"), ("ROUNDING", "Rounding")] {
        config
            .products
            .push(ProductSeed::service(sku, name, 0.0, &[]));
    }
    Ok(config)
}

/// Tells where everything is; complete or not there, since others wait for it.
fn tell_ready(path: &Path, base: &str) -> Result<(), String> {
    let connections: BTreeMap<&str, String> = Sim::ALL
        .iter()
        .map(|s| (s.connection(), format!("{base}/{}", s.as_str())))
        .collect();
    let text = serde_json::json!({"connections": connections, "control": format!("{base}/_sim")})
        .to_string();
    let part = path.with_extension("part");
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|e| format!("`{}` cannot be written: {e}", path.display()))
}

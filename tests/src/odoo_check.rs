//! `odoo check`: what an integrator runs against their own Odoo before going live.

use crate::Stop;
use crate::workload::link::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use waybill_flow::connections::{Connections, ErpProtocol, Override};
use waybill_lambda_kit::clock::SystemClock;
use waybill_model::id::{ConnectionId, Sku};
use waybill_odoo::Odoo;
use waybill_odoo::check::{Finding, Verdict, Wanted};

/// Arguments of the check.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Connections file; without it that of the stage.
    #[arg(long, value_name = "FILE", conflicts_with = "stage")]
    pub connections: Option<PathBuf>,
    /// Stage whose connections file is read.
    #[arg(long, default_value = "dev", value_parser = ["local", "dev", "staging", "prod"])]
    pub stage: String,
    /// The Odoo to check; needed where the file has several.
    #[arg(long, value_name = "ID")]
    pub connection: Option<String>,
    /// Base URL, instead of the file's.
    #[arg(long, value_name = "URL")]
    pub odoo: Option<String>,
    /// Database, instead of the file's.
    #[arg(long, value_name = "DB")]
    pub odoo_db: Option<String>,
    /// Login of the integration user, instead of the file's.
    #[arg(long, value_name = "USER")]
    pub odoo_user: Option<String>,
    /// Protocol, instead of the file's.
    #[arg(long, value_name = "PROTOCOL", value_parser = ["json_rpc", "json2"])]
    pub odoo_protocol: Option<String>,
    /// File that holds the user's API key.
    #[arg(long, value_name = "FILE")]
    pub odoo_key_file: PathBuf,
    /// File with the SKUs that the channels sell, one a line: those that Odoo lacks or has twice are named.
    #[arg(long, value_name = "FILE")]
    pub skus: Option<PathBuf>,
    /// Do not try the order that leaves nothing behind.
    #[arg(long)]
    pub no_dry_run: bool,
}

/// Checks and prints; true if nothing stands in the way of going live.
///
/// # Errors
/// A file cannot be read, or names no Odoo.
pub async fn run(options: &Options) -> Result<bool, Stop> {
    let (connections, erp) = configured(options)?;
    let findings = check(options, connections, &erp).await?;
    // A closed terminal must not end the run: its exit status is what counts.
    drop(write!(std::io::stdout(), "{}", print(&erp, &findings)));
    Ok(is_ready(&findings))
}

/// Whether nothing stands in the way of going live.
#[must_use]
pub fn is_ready(findings: &[Finding]) -> bool {
    findings.iter().all(|f| f.verdict != Verdict::Fault)
}

/// The findings.
///
/// # Errors
/// A file cannot be read, or the connection is no Odoo.
pub async fn check(
    options: &Options,
    connections: Connections,
    erp: &ConnectionId,
) -> Result<Vec<Finding>, Stop> {
    let key = read(&options.odoo_key_file)?;
    let skus = match &options.skus {
        Some(path) => skus(path)?,
        None => BTreeSet::new(),
    };
    let wanted = Wanted {
        skus,
        dry_run: !options.no_dry_run,
    };
    let odoo = Odoo::new(connections, Key::new(key.trim()), reqwest::Client::new());
    let checked = odoo.check(erp, &wanted, &SystemClock).await;
    checked.map_err(|f| Stop::new("checking", f))
}

/// The connections file with what the command line replaces, and the Odoo that is meant.
///
/// # Errors
/// The file has faults, or leaves open which Odoo is meant.
pub fn configured(options: &Options) -> Result<(Connections, ConnectionId), Stop> {
    let path = options.connections.clone().unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../infra/connections")
            .join(format!("{}.toml", options.stage))
    });
    let doing = format!("reading `{}`", path.display());
    let connections = Connections::parse(&read(&path)?).map_err(|e| Stop::new(&doing, e))?;
    let all: Vec<&ConnectionId> = connections
        .iter()
        .filter(|c| c.erp.is_some())
        .map(|c| &c.id)
        .collect();
    let names = || {
        let names: Vec<String> = all.iter().map(|id| format!("`{id}`")).collect();
        names.join(", ")
    };
    let erp = match (&options.connection, all.as_slice()) {
        (Some(wanted), _) => all
            .iter()
            .find(|id| id.as_str() == wanted)
            .ok_or_else(|| Stop::new(&doing, format!("it has no Odoo `{wanted}`: {}", names())))?,
        (None, [only]) => only,
        (None, []) => return Err(Stop::new(&doing, "it has no Odoo")),
        (None, _) => {
            let which = format!(
                "it has several Odoos, name one with --connection: {}",
                names()
            );
            return Err(Stop::new(&doing, which));
        }
    };
    let erp = (*erp).clone();
    let base_url = connections.get(&erp).map(|c| c.base_url.clone());
    let replaced = Override::Parts {
        base_url: options.odoo.clone().or(base_url).unwrap_or_default(),
        database: options.odoo_db.clone(),
        login: options.odoo_user.clone(),
        protocol: options.odoo_protocol.as_deref().map(|p| match p {
            "json2" => ErpProtocol::Json2,
            _ => ErpProtocol::JsonRpc,
        }),
    };
    let connections = connections.with_overrides(&BTreeMap::from([(erp.clone(), replaced)]));
    Ok((connections, erp))
}

fn skus(path: &Path) -> Result<BTreeSet<Sku>, Stop> {
    let text = read(path)?;
    let lines = text.lines().map(str::trim).enumerate();
    let mut skus = BTreeSet::new();
    for (index, line) in lines.filter(|(_, l)| !l.is_empty()) {
        let doing = || format!("reading `{}`, line {}", path.display(), index + 1);
        skus.insert(Sku::new(line).map_err(|e| Stop::new(doing(), e))?);
    }
    Ok(skus)
}

fn read(path: &Path) -> Result<String, Stop> {
    let doing = || format!("reading `{}`", path.display());
    std::fs::read_to_string(path).map_err(|e| Stop::new(doing(), e))
}

/// The list for a terminal.
#[must_use]
pub fn print(erp: &ConnectionId, findings: &[Finding]) -> String {
    let mut text = String::new();
    let width = findings.iter().map(|f| f.topic.len()).max().unwrap_or(0);
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Good => '✓',
            Verdict::Warning => '!',
            Verdict::Fault => '✗',
        };
        text.push_str(&format!(
            "{mark} {:width$}  {}\n",
            finding.topic, finding.text
        ));
        if let Some(remedy) = &finding.remedy {
            text.push_str(&format!("  {:width$}  → {remedy}\n", ""));
        }
    }
    let count = |v: Verdict| findings.iter().filter(|f| f.verdict == v).count();
    let (faults, warnings) = (count(Verdict::Fault), count(Verdict::Warning));
    let end = if faults == 0 {
        "ready to go live"
    } else {
        "not ready to go live"
    };
    text.push_str(&format!(
        "\n`{erp}`: {end}; {faults} fault(s), {warnings} warning(s)\n"
    ));
    text
}

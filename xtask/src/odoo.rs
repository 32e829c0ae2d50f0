//! A real Odoo: in the simulator's place, and tools for it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::aws::Overrides;
use crate::delegate;
use crate::failure::Failure;
use crate::project::Project;

/// The connection that the demo's orders are written through.
const CONNECTION: &str = "odoo-main";

/// Tools for a real Odoo.
#[derive(Debug, clap::Args)]
pub(crate) struct Tool {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check before going live that an Odoo has all that a connections file uses of it; leaves nothing behind
    Check(delegate::Args),
}

/// Runs a tool; its exit status becomes ours.
pub(crate) fn run(project: &Project, tool: &Tool) -> Result<ExitCode, Failure> {
    match &tool.command {
        Command::Check(args) => delegate::run(project, "odoo-check", args),
    }
}

/// Which Odoo, and how to get in. All of it or nothing.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "real_odoo")]
pub(crate) struct Args {
    /// Base URL of a real Odoo (17 or later) to play the day with, for example http://127.0.0.1:8069
    #[arg(long, value_name = "URL", requires_all = ["odoo_db", "odoo_user", "odoo_key_file"])]
    odoo: Option<String>,
    /// Its database
    #[arg(long, value_name = "DB", requires = "odoo")]
    odoo_db: Option<String>,
    /// Login of the integration user
    #[arg(long, value_name = "USER", requires = "odoo")]
    odoo_user: Option<String>,
    /// File that holds the user's API key
    #[arg(long, value_name = "FILE", requires = "odoo")]
    odoo_key_file: Option<PathBuf>,
    /// Protocol; without it JSON-2 from Odoo 19 on, else JSON-RPC
    #[arg(long, value_name = "PROTOCOL", requires = "odoo", value_parser = ["json_rpc", "json2"])]
    odoo_protocol: Option<String>,
}

/// A real Odoo that is ready for a day.
#[derive(Debug, Clone, Default)]
pub(crate) struct RealOdoo {
    args: Args,
    /// What the preparation says of it.
    facts: Value,
}

impl Args {
    /// The same with paths that hold whatever folder a tool runs in, and checked.
    ///
    /// # Errors
    /// The URL is none, or there is no key file.
    fn checked(&self) -> Result<Option<Self>, Failure> {
        let (Some(url), Some(file)) = (&self.odoo, &self.odoo_key_file) else {
            return Ok(None);
        };
        let url = url.trim_end_matches('/');
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Failure::new(format!(
                "`--odoo {url}` is no URL: it begins with http:// or https://"
            )));
        }
        let file = file
            .canonicalize()
            .map_err(|e| Failure::file("read the API key in", file, &e))?;
        Ok(Some(Self {
            odoo: Some(url.to_owned()),
            odoo_key_file: Some(file),
            ..self.clone()
        }))
    }

    /// Arguments of `waybill-tools`: the key goes by its file, never by the command line.
    fn options(&self) -> Vec<String> {
        let file = self.odoo_key_file.as_deref().map(Path::to_string_lossy);
        [
            ("odoo", self.odoo.clone()),
            ("odoo-db", self.odoo_db.clone()),
            ("odoo-user", self.odoo_user.clone()),
            ("odoo-key-file", file.map(std::borrow::Cow::into_owned)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("--{name}={}", value?)))
        .collect()
    }
}

impl RealOdoo {
    /// Looks whether it can be reached and entered, and makes what the day needs in it. None without `--odoo`.
    ///
    /// # Errors
    /// As told on the terminal by the tool that prepares.
    pub(crate) fn prepare(
        project: &Project,
        args: &Args,
        folder: &Path,
    ) -> Result<Option<Self>, Failure> {
        let Some(args) = args.checked()? else {
            return Ok(None);
        };
        let out = folder.join("odoo.json");
        let status = delegate::task(project, "prepare-odoo")?
            .args(args.options())
            .arg("--out")
            .arg(&out)
            .status(project)?;
        if !status.success() {
            return Err(Failure::new("this Odoo cannot play the demo's day"));
        }
        let text = std::fs::read_to_string(&out).map_err(|e| Failure::file("read", &out, &e))?;
        let facts = serde_json::from_str(&text)
            .map_err(|e| Failure::new(format!("`{}`: {e}", out.display())))?;
        Ok(Some(Self { args, facts }))
    }

    /// Arguments of the simulators: calls to their Odoo go on to the real one, behind the same faults.
    pub(crate) fn simulator_options(&self) -> Vec<String> {
        let fact = |name: &str| self.facts.get(name).map(ToString::to_string);
        [
            ("real-odoo", self.args.odoo.clone()),
            ("tax-on-top-bp", fact("tax_on_top_bp")),
            ("first-order-number", fact("first_order_number")),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some(format!("--{name}={}", value?)))
        .collect()
    }

    /// Arguments of the day.
    pub(crate) fn day_options(&self) -> Vec<String> {
        self.args.options()
    }

    /// Turns the address that the simulators gave to Odoo's connection into all that another database needs.
    pub(crate) fn complete(&self, connections: &mut Overrides) {
        if let Some(entry) = connections.get_mut(CONNECTION) {
            let detected = self.facts.get("protocol").and_then(Value::as_str);
            *entry = json!({
                "base_url": *entry,
                "database": self.args.odoo_db,
                "login": self.args.odoo_user,
                "protocol": self.args.odoo_protocol.as_deref().or(detected),
            });
        }
    }

    /// The secret that replaces the connection's throw-away one, by name.
    ///
    /// # Errors
    /// The key file cannot be read.
    pub(crate) fn secret(&self) -> Result<(String, Value), Failure> {
        let path = self.args.odoo_key_file.clone().unwrap_or_default();
        let key = std::fs::read_to_string(&path).map_err(|e| Failure::file("read", &path, &e))?;
        let value = json!({"api": {"key": key.trim()}});
        Ok((format!("connection/{CONNECTION}"), value))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(args: &[&str]) -> Result<Args, String> {
        let line = std::iter::once("xtask").chain(args.iter().copied());
        Cli::try_parse_from(line)
            .map(|cli| cli.args)
            .map_err(|e| e.to_string())
    }

    fn key_file(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::write(&path, "k3y\n").unwrap();
        path
    }

    fn real(name: &str, more: &[&str], facts: Value) -> (RealOdoo, PathBuf) {
        let file = key_file(name);
        let path = file.to_string_lossy().into_owned();
        let mut line = vec![
            "--odoo",
            "http://127.0.0.1:8069/",
            "--odoo-db",
            "shop",
            "--odoo-user",
            "integ",
            "--odoo-key-file",
            &path,
        ];
        line.extend(more);
        let args = parse(&line).unwrap().checked().unwrap().unwrap();
        (RealOdoo { args, facts }, file)
    }

    #[test]
    fn an_odoo_needs_its_database_user_and_key_and_none_of_them_comes_alone() {
        assert!(parse(&[]).unwrap().checked().unwrap().is_none());
        let error = parse(&["--odoo", "http://127.0.0.1:8069"]).unwrap_err();
        for name in ["--odoo-db", "--odoo-user", "--odoo-key-file"] {
            assert!(error.contains(name), "{error}");
        }
        assert!(
            parse(&["--odoo-db", "shop"])
                .unwrap_err()
                .contains("--odoo <URL>")
        );
    }

    #[test]
    fn a_url_without_scheme_and_a_missing_key_file_are_refused() {
        let args = |url: &str, file: &str| Args {
            odoo: Some(url.to_owned()),
            odoo_key_file: Some(PathBuf::from(file)),
            ..Args::default()
        };
        let refusal = args("127.0.0.1:8069", "/dev/null").checked().unwrap_err();
        assert!(refusal.to_string().contains("no URL"), "{refusal}");
        let refusal = args("http://x", "/nowhere/key").checked().unwrap_err();
        assert!(refusal.to_string().contains("/nowhere/key"), "{refusal}");
    }

    #[test]
    fn the_override_has_the_proxy_the_database_and_the_protocol_that_the_version_speaks() {
        let facts =
            json!({"protocol": "json_rpc", "tax_on_top_bp": 1000, "first_order_number": 1051});
        let (odoo, file) = real("waybill-override", &[], facts.clone());
        let mut connections = Overrides::from([
            ("odoo-main".to_owned(), json!("http://127.0.0.1:9/odoo")),
            (
                "shopify-main".to_owned(),
                json!("http://127.0.0.1:9/shopify"),
            ),
        ]);
        odoo.complete(&mut connections);
        assert_eq!(
            json!(connections),
            json!({
                "odoo-main": {
                    "base_url": "http://127.0.0.1:9/odoo", "database": "shop", "login": "integ",
                    "protocol": "json_rpc",
                },
                "shopify-main": "http://127.0.0.1:9/shopify",
            })
        );
        assert_eq!(
            odoo.simulator_options(),
            [
                "--real-odoo=http://127.0.0.1:8069",
                "--tax-on-top-bp=1000",
                "--first-order-number=1051"
            ]
        );
        let (odoo, again) = real("waybill-override-2", &["--odoo-protocol", "json2"], facts);
        odoo.complete(&mut connections);
        assert_eq!(connections["odoo-main"]["protocol"], "json2");
        for path in [file, again] {
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn the_key_is_in_the_secret_and_in_no_argument() {
        let (odoo, file) = real("waybill-key", &[], json!({}));
        let (name, value) = odoo.secret().unwrap();
        assert_eq!(name, "connection/odoo-main");
        assert_eq!(value, json!({"api": {"key": "k3y"}}));
        let told = format!(
            "{:?} {:?} {odoo:?}",
            odoo.day_options(),
            odoo.simulator_options()
        );
        assert!(!told.contains("k3y"), "{told}");
        std::fs::remove_file(file).unwrap();
    }
}

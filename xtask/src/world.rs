//! Everything that a demo or an end-to-end run needs around it: the local AWS, the simulators, the deployed stack.
//!
//! The run itself is a subcommand of `waybill-tools`, which gets the two files that say where things are:
//! `WAYBILL_STACK_FILE` (see `aws::deploy`) and `WAYBILL_SIMULATORS_FILE` (see [`Simulators`]).

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::aws::{LocalAws, Overrides, Secrets, base_url, deploy};
use crate::delegate;
use crate::failure::Failure;
use crate::odoo::{self, RealOdoo};
use crate::process::{Supervised, Task};
use crate::project::{Project, host_target};
use crate::tools::Tools;

/// The simulators only bind their ports before they are ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// A running world. Dropping it ends every process of it.
#[derive(Debug)]
pub(crate) struct World {
    aws: LocalAws,
    _simulators: Simulators,
    odoo: Option<RealOdoo>,
    folder: PathBuf,
}

impl World {
    /// Starts everything, for a run called `name`. `seed` makes the simulators' faults repeatable; `odoo` may name a real
    /// one in the place of the simulated.
    pub(crate) fn start(
        project: &Project,
        name: &str,
        seed: u64,
        odoo: &odoo::Args,
    ) -> Result<Self, Failure> {
        let start = Instant::now();
        let tools = Tools::install(project)?;
        let folder = project.scratch("runs").join(name);
        std::fs::create_dir_all(&folder).map_err(|e| Failure::file("make", &folder, &e))?;
        compile(project)?;
        // First of all: what is wrong with it shows at once.
        let odoo = RealOdoo::prepare(project, odoo, &folder)?;
        let aws = LocalAws::start(project, &tools)?;
        let more = odoo.as_ref().map(RealOdoo::simulator_options);
        let simulators = Simulators::start(
            project,
            &folder,
            aws.port(),
            seed,
            &more.unwrap_or_default(),
        )?;
        let mut addresses = simulators.connections.clone();
        let mut secrets = Secrets::new();
        if let Some(odoo) = &odoo {
            odoo.complete(&mut addresses);
            secrets.extend([odoo.secret()?]);
        }
        deploy(project, &tools, aws.port(), &addresses, &secrets, &folder)?;
        println!("world ready: {:.1} s", start.elapsed().as_secs_f32());
        Ok(Self {
            aws,
            _simulators: simulators,
            odoo,
            folder,
        })
    }

    /// Runs `waybill-tools NAME ARGS` in this world, its output on the terminal.
    pub(crate) fn run(
        &self,
        project: &Project,
        name: &str,
        args: &[String],
    ) -> Result<ExitStatus, Failure> {
        delegate::task(project, name)?
            .args(args)
            .args(
                self.odoo
                    .as_ref()
                    .map(RealOdoo::day_options)
                    .unwrap_or_default(),
            )
            .env("WAYBILL_STACK_FILE", self.folder.join("stack.json"))
            .env(
                "WAYBILL_SIMULATORS_FILE",
                self.folder.join("simulators.json"),
            )
            .env("WAYBILL_LOCAL_AWS_PID", self.aws.id().to_string())
            .env("WAYBILL_LOCAL_AWS_LOG", self.aws.log())
            .status(project)
    }

    /// Base address of the HTTP API.
    pub(crate) fn base_url(&self) -> String {
        base_url(self.aws.port())
    }
}

/// Compiles every binary in one call: the user sees cargo's progress, and what comes after finds the work done.
fn compile(project: &Project) -> Result<(), Failure> {
    let cargo = [
        "build",
        "--locked",
        "--workspace",
        "--bins",
        "--target",
        host_target()?,
    ];
    let status = Task::new(project, "cargo").args(cargo).status(project)?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new("the project does not compile"))
    }
}

/// The running simulators. They write `simulators.json`, an object with `connections` (connection id → base URL) and
/// whatever else a run needs of them, once they listen.
#[derive(Debug)]
struct Simulators {
    _process: Supervised,
    connections: Overrides,
}

impl Simulators {
    fn start(
        project: &Project,
        folder: &Path,
        aws_port: u16,
        seed: u64,
        more: &[String],
    ) -> Result<Self, Failure> {
        let ready_file = folder.join("simulators.json");
        if ready_file.exists() {
            std::fs::remove_file(&ready_file)
                .map_err(|e| Failure::file("remove", &ready_file, &e))?;
        }
        let log = project.log("simulators")?;
        let mut process = Task::new(project, project.built(host_target()?, "waybill-simulators"))
            .args([
                "--webhook-base",
                &format!("{}/webhooks", base_url(aws_port)),
            ])
            .args(["--seed", &seed.to_string(), "--secrets"])
            .arg(project.at("infra/local/secrets.json"))
            .arg("--ready-file")
            .arg(&ready_file)
            .args(more)
            .start(project, &log)?;
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            process.check_running(&log)?;
            if let Some(connections) = read_connections(&ready_file) {
                return Ok(Self {
                    _process: process,
                    connections,
                });
            }
            if Instant::now() > deadline {
                let limit = READY_LIMIT.as_secs();
                return Err(Failure::new(format!(
                    "the simulators were not ready within {limit} s; see `{}`",
                    log.display()
                )));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The connections in a complete ready file; none while it is absent or half written.
fn read_connections(path: &Path) -> Option<Overrides> {
    let json: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    let entries = json.get("connections")?.as_object()?;
    entries
        .iter()
        .map(|(id, url)| Some((id.clone(), Value::from(url.as_str()?))))
        .collect()
}

//! Pinned tools in `.waybill/tools`: SAM CLI, cargo-lambda, the local AWS, and cargo's test runner and licence checker.
//!
//! What is pinned stands in `infra/local/tools/*.txt`. Nothing is installed outside the project's folder.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use crate::failure::Failure;
use crate::process::Task;
use crate::project::{Project, write};

/// Oldest Python that the SAM CLI and the local AWS were tried with.
const PYTHON_MIN: (u32, u32) = (3, 11);
/// Prebuilt by `infra/local/tools/cargo.txt`, which names the same version; built where no prebuilt one fits.
const NEXTEST: CargoTool = CargoTool {
    name: "nextest",
    pin: [0, 9, 148],
    oldest: Some([0, 9, 100]),
    options: &[],
};
/// As cargo-nextest.
const DENY: CargoTool = CargoTool {
    name: "deny",
    pin: [0, 20, 2],
    oldest: Some([0, 18, 0]),
    options: &[],
};
/// Has no prebuilt one; its version is that of the library in the lock file.
const BOLERO: CargoTool = CargoTool {
    name: "bolero",
    pin: [0, 13, 4],
    oldest: None,
    options: &["--no-default-features", "--features", "libfuzzer"],
};
/// Another version names changes in other words, and the baseline no longer fits.
const MUTANTS: CargoTool = CargoTool {
    name: "mutants",
    pin: [27, 1, 0],
    oldest: None,
    options: &[],
};

/// Arguments of `cargo xtask tools`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also install what building for AWS (arm64) needs
    #[arg(long)]
    cross: bool,
}

/// Installed tools.
#[derive(Debug)]
pub(crate) struct Tools {
    sam: PathBuf,
    emulator: PathBuf,
    cargo: PathBuf,
}

/// Runs `cargo xtask tools`.
pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode, Failure> {
    let start = Instant::now();
    Tools::install(project)?;
    Tools::install_for_tests(project)?;
    if args.cross {
        Tools::install_for_cross_builds(project, "arm64")?;
    }
    println!(
        "tools ready in {} ({:.1} s)",
        project.scratch("tools").display(),
        start.elapsed().as_secs_f32()
    );
    Ok(ExitCode::SUCCESS)
}

impl Tools {
    /// Installs what building and the local AWS need, where it is not yet there.
    pub(crate) fn install(project: &Project) -> Result<Self, Failure> {
        let install = |name: &'static str| move || Environment::new(project, name).install(&[]);
        std::thread::scope(|scope| {
            let other = scope.spawn(install("emulator"));
            install("sam")()?;
            other
                .join()
                .unwrap_or_else(|_| Err(Failure::new("the installation of the local AWS panicked")))
        })?;
        Ok(Self::at(project))
    }

    /// Installs cargo-nextest and cargo-deny, where the machine has none that is new enough.
    pub(crate) fn install_for_tests(project: &Project) -> Result<Self, Failure> {
        let tools = Self::at(project);
        for tool in [&NEXTEST, &DENY] {
            if tools.has(tool) {
                continue;
            }
            if Environment::new(project, "cargo").install(&[]).is_err() || !tools.has(tool) {
                tools.build(project, tool)?;
            }
        }
        Ok(tools)
    }

    /// Installs cargo-bolero, which runs fuzz targets under libFuzzer.
    pub(crate) fn install_for_fuzzing(project: &Project) -> Result<Self, Failure> {
        Self::with(project, &BOLERO)
    }

    /// Installs cargo-mutants, where the machine does not have exactly the pinned one.
    pub(crate) fn install_for_mutants(project: &Project) -> Result<Self, Failure> {
        Self::with(project, &MUTANTS)
    }

    /// Installs zig, which links for Lambda's Amazon Linux, and rustc's libraries for the architecture.
    pub(crate) fn install_for_cross_builds(
        project: &Project,
        architecture: &str,
    ) -> Result<(), Failure> {
        Environment::new(project, "sam").install(&["cross"])?;
        let target = match architecture {
            "arm64" => "aarch64-unknown-linux-gnu",
            _ => "x86_64-unknown-linux-gnu",
        };
        let rustup = Task::new(project, "rustup").args(["target", "add", target]);
        rustup.run_logged(project, &project.log("install-target")?)
    }

    /// `sam`, with cargo-lambda on its PATH and without telemetry. It sees no credentials and no configuration of this
    /// machine's user unless the caller adds them.
    pub(crate) fn sam(&self, project: &Project) -> Task {
        let task = Task::new(project, self.sam.join("bin/sam"));
        task.env("PATH", self.path())
            .env("SAM_CLI_TELEMETRY", "0")
            .env("PYTHONUNBUFFERED", "1")
    }

    /// `cargo`, which finds the installed cargo-nextest and cargo-deny.
    pub(crate) fn cargo(&self, project: &Project) -> Task {
        Task::new(project, "cargo").env("PATH", self.path())
    }

    /// The local AWS.
    pub(crate) fn emulator(&self, project: &Project) -> Task {
        Task::new(project, self.emulator.join("bin/ministack"))
    }

    fn at(project: &Project) -> Self {
        let folder = |name: &str| project.scratch("tools").join(name);
        Self {
            sam: folder("sam"),
            emulator: folder("emulator"),
            cargo: folder("cargo"),
        }
    }

    /// The installed tools, then the caller's PATH.
    fn path(&self) -> OsString {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let ours = [self.sam.join("bin"), self.cargo.join("bin")];
        std::env::join_paths(ours.into_iter().chain(std::env::split_paths(&inherited)))
            .unwrap_or(inherited)
    }

    fn with(project: &Project, tool: &CargoTool) -> Result<Self, Failure> {
        let tools = Self::at(project);
        if !tools.has(tool) {
            tools.build(project, tool)?;
        }
        Ok(tools)
    }

    fn has(&self, tool: &CargoTool) -> bool {
        let ours = self.cargo.join("bin").join(format!("cargo-{}", tool.name));
        tool.is_met_by(self.cargo_tool_version(tool.name), ours.exists())
    }

    /// Builds the pinned version, in the place of any other that we have.
    fn build(&self, project: &Project, tool: &CargoTool) -> Result<(), Failure> {
        let CargoTool { name, options, .. } = tool;
        let pin = tool.pinned();
        println!("building cargo-{name} {pin} (once), which takes minutes");
        let task = Task::new(project, "cargo")
            .args(["install", "--locked", "--force", "--root"])
            .arg(&self.cargo)
            .args(*options);
        task.arg(format!("cargo-{name}@{pin}"))
            .run_logged(project, &project.log(&format!("install-{name}"))?)
    }

    fn cargo_tool_version(&self, name: &str) -> Option<Version> {
        let mut command = Command::new("cargo");
        command
            .args([name, "--version"])
            .env("PATH", self.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        version_in(&String::from_utf8_lossy(&command.output().ok()?.stdout))
    }
}

/// A pinned command of cargo's.
#[derive(Debug)]
struct CargoTool {
    name: &'static str,
    pin: Version,
    /// Oldest one of the machine that is used instead of installing ours; without it only the pinned one is.
    oldest: Option<Version>,
    /// Of `cargo install`.
    options: &'static [&'static str],
}

type Version = [u32; 3];

impl CargoTool {
    /// Whether nothing is to be installed; `ours` if the version is that of one which we installed, maybe by an earlier pin.
    fn is_met_by(&self, version: Option<Version>, ours: bool) -> bool {
        match self.oldest {
            Some(oldest) if !ours => version.is_some_and(|version| version >= oldest),
            Some(_) | None => version == Some(self.pin),
        }
    }

    fn pinned(&self) -> String {
        self.pin.map(|part| part.to_string()).join(".")
    }
}

/// One virtual environment below `.waybill/tools`, described by `infra/local/tools/NAME.txt`.
struct Environment<'a> {
    project: &'a Project,
    name: &'static str,
    folder: PathBuf,
}

impl<'a> Environment<'a> {
    fn new(project: &'a Project, name: &'static str) -> Self {
        Self {
            project,
            name,
            folder: project.scratch("tools").join(name),
        }
    }

    /// Installs the environment's own list and the lists `extra`, unless exactly these are installed already.
    fn install(&self, extra: &[&'static str]) -> Result<(), Failure> {
        let mut stamps = Vec::new();
        for list in std::iter::once(&self.name).chain(extra) {
            let path = self
                .project
                .at("infra/local/tools")
                .join(format!("{list}.txt"));
            let text =
                std::fs::read_to_string(&path).map_err(|e| Failure::file("read", &path, &e))?;
            let stamp = self.folder.join(format!("{list}.installed"));
            if !std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == text) {
                stamps.push((path, stamp, text));
            }
        }
        let log = self
            .project
            .scratch("logs")
            .join(format!("install-{}.log", self.name));
        for (list, stamp, text) in stamps {
            println!(
                "installing {} (once; log: {})",
                list.display(),
                log.display()
            );
            write(&log, "")?;
            self.install_list(&list, &log)?;
            write(&stamp, &text)?;
        }
        Ok(())
    }

    fn install_list(&self, list: &Path, log: &Path) -> Result<(), Failure> {
        let pip = self.folder.join("bin/python");
        if !pip.exists() {
            let task = Task::new(self.project, python()?)
                .args(["-m", "venv"])
                .arg(&self.folder);
            task.run_logged(self.project, log)?;
        }
        // The lists are complete, so pip has nothing to resolve: `--no-deps` makes it quick and exact.
        let pip = Task::new(self.project, pip).args([
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
        ]);
        pip.args(["--no-input", "--no-deps", "--requirement"])
            .arg(list)
            .run_logged(self.project, log)
    }
}

/// A Python of at least 3.11: `WAYBILL_PYTHON` if set, else the first of the usual names.
pub(crate) fn python() -> Result<PathBuf, Failure> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(find_python).clone().ok_or_else(|| {
        let (major, minor) = PYTHON_MIN;
        Failure::new(format!(
            "no Python {major}.{minor} or newer with `venv` found: install one (on Debian also python3-venv), or name it in the variable `WAYBILL_PYTHON`"
        ))
    })
}

fn find_python() -> Option<PathBuf> {
    let usual = ["python3", "python3.13", "python3.12", "python3.11"].map(OsString::from);
    let candidates =
        std::env::var_os("WAYBILL_PYTHON").map_or_else(|| usual.to_vec(), |chosen| vec![chosen]);
    candidates.iter().find_map(|name| executable_of(name))
}

/// Where the Python called `name` really is, if it is new enough and can make virtual environments. Version managers put
/// scripts of their own before it, which would stand between a supervisor and us.
fn executable_of(name: &OsStr) -> Option<PathBuf> {
    let (major, minor) = PYTHON_MIN;
    let check = format!(
        "import sys, venv, ensurepip; sys.version_info < ({major}, {minor}) or print(sys.executable, end='')"
    );
    let output = Command::new(name)
        .args(["-c", &check])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let path = String::from_utf8(output.stdout)
        .ok()
        .filter(|path| !path.is_empty())?;
    output.status.success().then(|| PathBuf::from(path))
}

/// The first `a.b.c` of a tool's version line.
fn version_in(text: &str) -> Option<Version> {
    let parse = |word: &str| {
        let mut parts = word.split('.').map(|part| part.parse::<u32>().ok());
        Some([parts.next()??, parts.next()??, parts.next()??])
    };
    text.split_whitespace().find_map(parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_tools_print() {
        assert_eq!(
            version_in("cargo-nextest 0.9.143 (60fa45f63 2026-08-04)"),
            Some([0, 9, 143])
        );
        assert_eq!(version_in("cargo-deny 0.20.2"), Some([0, 20, 2]));
        assert_eq!(version_in("error: no such command: `deny`"), None);
    }

    #[test]
    fn a_changed_pin_installs_again_what_we_installed_and_not_what_the_machine_has() {
        for tool in [NEXTEST, DENY] {
            assert!(tool.is_met_by(Some(tool.pin), true));
            assert!(tool.is_met_by(tool.oldest, false));
            assert!(!tool.is_met_by(tool.oldest, true));
            assert!(!tool.is_met_by(Some([0, 0, 1]), false));
            assert!(!tool.is_met_by(None, false));
        }
        for tool in [BOLERO, MUTANTS] {
            assert!(tool.is_met_by(Some(tool.pin), true));
            assert!(tool.is_met_by(Some(tool.pin), false));
            assert!(!tool.is_met_by(Some([99, 0, 0]), false));
            assert!(!tool.is_met_by(None, true));
        }
    }

    #[test]
    fn every_pin_stands_where_else_its_version_is_named() {
        let project = Project::find().unwrap();
        let read = |path: &str| std::fs::read_to_string(project.at(path)).unwrap();
        for tool in [NEXTEST, DENY] {
            let line = format!("cargo-{}=={}\n", tool.name, tool.pinned());
            assert!(
                read("infra/local/tools/cargo.txt").contains(&line),
                "{line}"
            );
        }
        let library = format!("name = \"bolero\"\nversion = \"{}\"\n", BOLERO.pinned());
        assert!(read("Cargo.lock").contains(&library), "{library}");
    }
}

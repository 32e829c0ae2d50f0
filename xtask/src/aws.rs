//! The local AWS: starts and stops the emulator and deploys the very template to it.

mod api;
mod deploy;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub(crate) use self::deploy::{Overrides, Secrets, base_url, deploy};
use crate::failure::Failure;
use crate::http;
use crate::process::{Supervised, Task, tail, terminate};
use crate::project::{Project, require_linux, write};
use crate::tools::Tools;

/// Region of the local AWS, and the dummy credentials that make its account `000000000000`.
const REGION: &str = "us-east-1";
const ACCESS_KEY: &str = "test";
/// The port that AWS emulators usually have; another is taken where it is in use.
const USUAL_PORT: u16 = 4566;
/// It starts in a second; a machine that compiles at the same time needs longer.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Arguments of `cargo xtask aws`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Start the local AWS in the background
    Start {
        /// Port on 127.0.0.1; without it 4566, or any free one where that is taken
        #[arg(long)]
        port: Option<u16>,
    },
    /// Stop the local AWS that `start` started, and all its functions
    Stop,
    /// Build the functions quickly and deploy template.yaml to the running local AWS
    Deploy {
        /// Base URL of a connection, for example shop-main=http://127.0.0.1:8001
        #[arg(long = "override", value_name = "CONNECTION=URL", value_parser = parse_override)]
        overrides: Vec<(String, String)>,
    },
}

fn parse_override(text: &str) -> Result<(String, String), String> {
    let (id, url) = text.split_once('=').ok_or("expected CONNECTION=URL")?;
    Ok((id.to_owned(), url.to_owned()))
}

/// Runs `cargo xtask aws`.
pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::Start { port } => start_in_background(project, *port)?,
        Command::Stop => stop(project)?,
        Command::Deploy { overrides } => {
            let running = Background::read(project)?
                .filter(|background| is_ready(background.port))
                .ok_or_else(|| {
                    Failure::new("no local AWS is running: start it with `cargo xtask aws start`")
                })?;
            let tools = Tools::install(project)?;
            let overrides: Overrides = overrides
                .iter()
                .map(|(id, url)| (id.clone(), url.as_str().into()))
                .collect();
            deploy(
                project,
                &tools,
                running.port,
                &overrides,
                &Secrets::new(),
                &project.scratch("local"),
            )?;
            println!("webhooks: {}/webhooks/<connection>", base_url(running.port));
            println!("ops-api:  {}/ops/…", base_url(running.port));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A local AWS that ends when this value is dropped, or when this process ends in whatever way.
#[derive(Debug)]
pub(crate) struct LocalAws {
    port: u16,
    process: Supervised,
    log: PathBuf,
    // After the process, which uses them.
    _files: Files,
}

/// The emulator's folder: hundreds of megabytes of unpacked functions, removed when this value is dropped.
#[derive(Debug)]
struct Files(PathBuf);

impl Files {
    fn of(project: &Project, port: u16) -> PathBuf {
        project.scratch("local").join(format!("files-{port}"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What stays behind only costs space.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl LocalAws {
    /// Starts one on a free port and waits until it answers.
    pub(crate) fn start(project: &Project, tools: &Tools) -> Result<Self, Failure> {
        require_linux()?;
        let port = free_port()?;
        let log = project.log("local-aws")?;
        let mut process = emulator(project, tools, port)?.start(project, &log)?;
        wait_ready(port, || process.check_running(&log))?;
        Ok(Self {
            port,
            process,
            log,
            _files: Files(Files::of(project, port)),
        })
    }

    /// Id of the process that everything of it is below.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its log.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Its port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// The emulator's command: loopback only, its files in our own folder, nothing of the user's AWS configuration.
fn emulator(project: &Project, tools: &Tools, port: u16) -> Result<Task, Failure> {
    let files = Files::of(project, port);
    std::fs::create_dir_all(&files).map_err(|e| Failure::file("make", &files, &e))?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let task = tools
        .emulator(project)
        .only_given_env()
        .env("PATH", path)
        .env("HOME", &files)
        .env("TMPDIR", &files);
    let task = task
        .env("GATEWAY_PORT", port.to_string())
        .env("BIND_HOST", "127.0.0.1")
        // Queue URLs carry this name; `localhost` may resolve to ::1, where nothing listens.
        .env("MINISTACK_HOST", "127.0.0.1")
        .env("IOT_MTLS_ENABLED", "0")
        // Handed to the functions, together with the credentials.
        .env("AWS_ENDPOINT_URL", endpoint(port));
    Ok(with_local_credentials(task))
}

/// Sets the dummy credentials and hides the user's real ones: a mistake must not reach a real account.
fn with_local_credentials(task: Task) -> Task {
    let hidden = [
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_ROLE_ARN",
    ];
    let task = hidden.into_iter().fold(task, Task::without_env);
    task.env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY)
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_REGION", REGION)
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
}

/// Address of the local AWS.
pub(crate) fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// A port that is free now. Another process may take it before its user does; then that user says so.
fn free_port() -> Result<u16, Failure> {
    bind(0).map_err(|e| Failure::new(format!("no free port on 127.0.0.1: {e}")))
}

fn bind(port: u16) -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?
        .local_addr()?
        .port())
}

fn is_ready(port: u16) -> bool {
    http::send(port, "GET", "/_ministack/health", &[], "").is_ok_and(|answer| answer.status == 200)
}

fn wait_ready(
    port: u16,
    mut check_running: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let deadline = Instant::now() + READY_LIMIT;
    while !is_ready(port) {
        check_running()?;
        if Instant::now() > deadline {
            let limit = READY_LIMIT.as_secs();
            return Err(Failure::new(format!(
                "the local AWS did not answer on port {port} within {limit} s"
            )));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The local AWS that runs in the background: its supervisor and port, as `.waybill/local/running` has them.
#[derive(Debug)]
struct Background {
    pid: u32,
    port: u16,
}

impl Background {
    fn file(project: &Project) -> PathBuf {
        project.scratch("local/running")
    }

    fn read(project: &Project) -> Result<Option<Self>, Failure> {
        let path = Self::file(project);
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(|e| Failure::file("read", &path, &e))?;
        let mut words = text.split_whitespace().map(str::parse::<u32>);
        match (
            words.next(),
            words.next().map(|port| port.map(u16::try_from)),
        ) {
            (Some(Ok(pid)), Some(Ok(Ok(port)))) => Ok(Some(Self { pid, port })),
            _ => Err(Failure::new(format!(
                "`{}` should hold a process id and a port: remove it",
                path.display()
            ))),
        }
    }

    /// Whether the process id is still our supervisor's and was not given to some other process.
    fn is_ours(&self, project: &Project) -> bool {
        let path = Path::new("/proc")
            .join(self.pid.to_string())
            .join("cmdline");
        let script = project.at("infra/local/supervise.py");
        // A process that has just started has no command line for a moment; one that ended has none for good.
        for _ in 0..20 {
            let line = std::fs::read(&path).unwrap_or_default();
            if !line.is_empty() {
                return String::from_utf8_lossy(&line).contains(&*script.to_string_lossy());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

fn start_in_background(project: &Project, port: Option<u16>) -> Result<(), Failure> {
    require_linux()?;
    if let Some(running) = Background::read(project)?
        && running.is_ours(project)
    {
        println!("the local AWS runs already: {}", endpoint(running.port));
        return Ok(());
    }
    let tools = Tools::install(project)?;
    let port = match port {
        Some(port) => {
            bind(port).map_err(|e| Failure::new(format!("port {port} cannot be used: {e}")))?
        }
        None => bind(USUAL_PORT).or_else(|_| free_port())?,
    };
    let log = project.log("local-aws")?;
    let running = Background {
        pid: emulator(project, &tools, port)?.detach(project, &log)?,
        port,
    };
    write(
        &Background::file(project),
        &format!("{} {port}\n", running.pid),
    )?;
    wait_ready(port, || {
        if running.is_ours(project) {
            return Ok(());
        }
        Err(Failure::new(format!(
            "the local AWS ended early; its log says:\n{}",
            tail(&log)
        )))
    })?;
    println!(
        "the local AWS runs: {} (log: {})",
        endpoint(port),
        log.display()
    );
    println!("deploy to it: cargo xtask aws deploy; stop it: cargo xtask aws stop");
    Ok(())
}

fn stop(project: &Project) -> Result<(), Failure> {
    let Some(running) = Background::read(project)? else {
        println!("no local AWS is running");
        return Ok(());
    };
    if running.is_ours(project) && terminate(running.pid)? {
        println!("stopped the local AWS on port {}", running.port);
    } else {
        println!("the local AWS had ended already");
    }
    let path = Background::file(project);
    std::fs::remove_file(&path).map_err(|e| Failure::file("remove", &path, &e))
}

//! `cargo xtask measure`: what a shipped function weighs, and how long it takes from the start of its process until it
//! asks Lambda for work.
//!
//! Each function of `.aws-sam/build` is started against a Runtime API on the loopback, with the template's variables and
//! credentials that open nothing, and killed at its first `GET /2018-06-01/runtime/invocation/next`. AWS is a second
//! port that answers nobody: a connection to it before that moment is counted, as it would lengthen every cold start.
//! What the figures leave out is Lambda's own part: the microVM, fetching the zip, and the share of a CPU that
//! `MemorySize` buys.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::build::Bundle;
use crate::failure::Failure;
use crate::process::tail;
use crate::project::{Project, host_architecture, require_linux};

/// The call that every Lambda runtime begins with.
const NEXT: &str = "GET /2018-06-01/runtime/invocation/next ";
/// Lambda gives the start of a function this long.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How often a start that says nothing is asked whether it still lives.
const ALIVE_INTERVAL: Duration = Duration::from_millis(200);

/// Arguments of `cargo xtask measure`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Starts of each function
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    starts: u32,
}

/// Runs `cargo xtask measure`.
pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode, Failure> {
    require_linux()?;
    let folder = project.at(".aws-sam/build");
    let bundles = Bundle::all(project, &folder)?;
    if bundles.is_empty() {
        return Err(not_built("holds no function"));
    }
    let harness = Harness::start(project, variables(&folder.join("template.yaml"))?)?;
    println!(
        "{:24} {:>10} {:>10} {:>9} {:>9} {:>8} {:>9}",
        "function", "binary", "zip", "start p50", "p95", "memory", "AWS calls"
    );
    for bundle in &bundles {
        let mut starts = Vec::new();
        for _ in 0..args.starts {
            starts.push(harness.first_next(bundle)?);
        }
        println!("{}", row(bundle, &starts));
    }
    println!(
        "{} starts each, on {} CPU of this machine; binary and zip in bytes, start in ms, memory at the first /next in MiB",
        args.starts,
        std::thread::available_parallelism().map_or(1, usize::from),
    );
    Ok(ExitCode::SUCCESS)
}

fn not_built(what: &str) -> Failure {
    let arch = host_architecture();
    Failure::new(format!(
        "`.aws-sam/build` {what}: run `cargo xtask build --arch {arch}` first"
    ))
}

fn row(bundle: &Bundle, starts: &[Started]) -> String {
    let mut times: Vec<f64> = starts.iter().map(|s| s.ms).collect();
    times.sort_by(f64::total_cmp);
    let memory = starts
        .iter()
        .map(|s| s.memory_kib)
        .max()
        .unwrap_or_default();
    let calls: usize = starts.iter().map(|s| s.aws_calls).sum();
    format!(
        "{:24} {:>10} {:>10} {:>9.1} {:>9.1} {:>8.1} {:>9}",
        bundle.function(),
        bundle.binary_bytes,
        bundle.zip_bytes,
        percentile(&times, 50),
        percentile(&times, 95),
        f64::from(memory) / 1024.0,
        calls,
    )
}

/// The nearest-rank percentile of sorted values; 0 of none.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// One start of a function.
struct Started {
    /// From just before its process was made to its first request for work, in ms.
    ms: f64,
    /// Resident memory at that moment.
    memory_kib: u32,
    /// Connections to AWS until then.
    aws_calls: usize,
}

/// The surroundings of a function: a Runtime API, an AWS that answers nobody, and variables.
struct Harness {
    requests: Receiver<Request>,
    aws_connections: Arc<AtomicUsize>,
    variables: Vec<(String, String)>,
    log: PathBuf,
}

/// The first line of a request to the Runtime API, and when it was read. The connection is held: a runtime that loses it
/// ends.
struct Request {
    line: String,
    at: Instant,
    _connection: TcpStream,
}

impl Harness {
    fn start(project: &Project, names: Vec<String>) -> Result<Self, Failure> {
        let (runtime_api, runtime_address) = listen()?;
        let (aws, aws_address) = listen()?;
        let mut variables = lambda_variables(&runtime_address, &aws_address);
        variables.extend(names.into_iter().map(|name| {
            let value = placeholder(&name).to_owned();
            (name, value)
        }));
        let (send, requests) = channel();
        // Both threads end with this process: nothing else needs them to.
        std::thread::spawn(move || {
            for connection in runtime_api.incoming().flatten() {
                let mut line = String::new();
                let read = BufReader::new(&connection).read_line(&mut line);
                let request = Request {
                    line,
                    at: Instant::now(),
                    _connection: connection,
                };
                // A connection without a request is one of a process that was killed meanwhile.
                if read.is_ok_and(|bytes| bytes > 0) && send.send(request).is_err() {
                    return;
                }
            }
        });
        let aws_connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&aws_connections);
        std::thread::spawn(move || {
            for _connection in aws.incoming().flatten() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self {
            requests,
            aws_connections,
            variables,
            log: project.log("measure")?,
        })
    }

    /// Starts the function once and kills it at its first request for work.
    fn first_next(&self, bundle: &Bundle) -> Result<Started, Failure> {
        let log = File::create(&self.log).map_err(|e| Failure::file("write", &self.log, &e))?;
        let errors = log
            .try_clone()
            .map_err(|e| Failure::file("write", &self.log, &e))?;
        let calls_before = self.aws_connections.load(Ordering::Relaxed);
        let mut command = Command::new(&bundle.bootstrap);
        command
            .env_clear()
            .envs(self.variables.iter().cloned())
            .env("AWS_LAMBDA_FUNCTION_NAME", bundle.function())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        if let Some(folder) = bundle.bootstrap.parent() {
            command.current_dir(folder);
        }
        let start = Instant::now();
        let child = command
            .spawn()
            .map_err(|e| Failure::file("start", &bundle.bootstrap, &e))?;
        let mut child = Killed(child);
        let request = self.wait(&mut child, bundle, start)?;
        if !request.line.starts_with(NEXT) {
            return Err(self.failed(bundle, &format!("began with `{}`", request.line.trim())));
        }
        Ok(Started {
            ms: request.at.duration_since(start).as_secs_f64() * 1000.0,
            memory_kib: resident_kib(child.0.id()).unwrap_or_default(),
            aws_calls: self.aws_connections.load(Ordering::Relaxed) - calls_before,
        })
    }

    fn wait(
        &self,
        child: &mut Killed,
        bundle: &Bundle,
        start: Instant,
    ) -> Result<Request, Failure> {
        loop {
            match self.requests.recv_timeout(ALIVE_INTERVAL) {
                Ok(request) if request.at >= start => return Ok(request),
                // One of the process before, which was killed too late.
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new("the Runtime API of the measurement ended"));
                }
                Err(RecvTimeoutError::Timeout) => match child.0.try_wait() {
                    Ok(None) if start.elapsed() < START_LIMIT => {}
                    Ok(None) => {
                        let limit = START_LIMIT.as_secs();
                        let what = format!("did not ask for work within {limit} s");
                        return Err(self.failed(bundle, &what));
                    }
                    Ok(Some(status)) => {
                        return Err(self.failed(bundle, &format!("ended early with {status}")));
                    }
                    Err(e) => return Err(self.failed(bundle, &format!("cannot be asked: {e}"))),
                },
            }
        }
    }

    fn failed(&self, bundle: &Bundle, what: &str) -> Failure {
        Failure::new(format!(
            "`{}` {what}; its log says:\n{}",
            bundle.function(),
            tail(&self.log)
        ))
    }
}

/// A process that is killed, and waited for, when this value is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn listen() -> Result<(TcpListener, String), Failure> {
    let failed = |e| Failure::new(format!("no free port on 127.0.0.1: {e}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?.to_string();
    Ok((listener, address))
}

/// What Lambda itself sets, with credentials that open nothing.
fn lambda_variables(runtime_api: &str, aws: &str) -> Vec<(String, String)> {
    let fixed = [
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "measure"),
        ("AWS_SECRET_ACCESS_KEY", "measure"),
        ("AWS_SESSION_TOKEN", "measure"),
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("_HANDLER", "bootstrap"),
        ("RUST_LOG", "info"),
    ];
    let mut all: Vec<(String, String)> = fixed.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    all.push(("AWS_LAMBDA_RUNTIME_API".to_owned(), runtime_api.to_owned()));
    all.push(("AWS_ENDPOINT_URL".to_owned(), format!("http://{aws}")));
    all
}

/// Names of Waybill's own variables in the built template. A function takes those that it needs.
fn variables(template: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(template)
        .map_err(|e| not_built(&format!("has no readable template ({e})")))?;
    let mut names: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim_start().split_once(':'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.starts_with("WAYBILL_"))
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// A value that passes the checks at the start, by what the variable's name ends in.
fn placeholder(name: &str) -> &'static str {
    match name.rsplit('_').next() {
        Some("STAGE") => "dev",
        Some("PREFIX") => "waybill/dev",
        Some("URL") => "https://sqs.eu-central-1.amazonaws.com/000000000000/measure",
        Some("OVERRIDES") => "",
        _ => "measure",
    }
}

/// Resident memory of a process by /proc.
fn resident_kib(pid: u32) -> Option<u32> {
    let path = Path::new("/proc").join(pid.to_string()).join("status");
    let status = std::fs::read_to_string(path).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{percentile, placeholder, resident_kib};

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let twenty: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(percentile(&twenty, 50), 10.0);
        assert_eq!(percentile(&twenty, 95), 19.0);
        assert_eq!(percentile(&[7.0], 95), 7.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }

    #[test]
    fn a_variable_gets_a_value_of_its_kind() {
        assert_eq!(placeholder("WAYBILL_STAGE"), "dev");
        assert_eq!(placeholder("WAYBILL_LOCAL_OVERRIDES"), "");
        assert!(placeholder("WAYBILL_ERP_QUEUE_URL").starts_with("https://"));
        assert_eq!(placeholder("WAYBILL_ORDERS_TABLE"), "measure");
    }

    #[test]
    fn memory_of_this_process_is_read() {
        assert!(resident_kib(std::process::id()).is_some_and(|kib| kib > 100));
    }
}

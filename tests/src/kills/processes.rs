//! The function processes of one local AWS, and no others of this machine.
//!
//! A process is one of them if it is below the process that this run started its local AWS with, and if its environment
//! names a function of the stack and this local AWS's address. Both are looked at again just before a kill.

use crate::Stop;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A process is looked for once it is so old. The local AWS takes one that dies before it asks for work for a broken function,
/// and ends all its other processes too: not what Lambda does, and more kills than were asked for.
const GROWN_S: f64 = 1.0;
/// Ticks of the kernel's clock in a second, on every Linux that there is.
const TICKS: f64 = 100.0;
/// Deepest tree of processes that is followed.
const DEPTH: usize = 64;

/// A process that runs a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The process.
    pub pid: u32,
    /// The function, without the stack's name.
    pub name: String,
}

/// Finds the processes of one local AWS.
#[derive(Debug, Clone)]
pub struct Processes {
    root: u32,
    prefix: String,
    endpoint: String,
    grown_s: f64,
}

impl Processes {
    /// Of the local AWS below the process `root`, at `endpoint`, with functions of `stack`.
    #[must_use]
    pub fn of(root: u32, stack: &str, endpoint: &str) -> Self {
        Self {
            root,
            prefix: format!("{stack}-"),
            endpoint: endpoint.to_owned(),
            grown_s: GROWN_S,
        }
    }

    /// Those that run now.
    #[must_use]
    pub fn now(&self) -> Vec<Function> {
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        let pids = entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| self.function(pid)).collect()
    }

    fn function(&self, pid: u32) -> Option<Function> {
        if age_s(pid)? < self.grown_s {
            return None;
        }
        let environ = std::fs::read(at(pid, "environ")).ok()?;
        let name = self.named_in(&environ)?;
        let mut parent = pid;
        for _ in 0..DEPTH {
            parent = parent_in(&std::fs::read_to_string(at(parent, "stat")).ok()?)?;
            if parent == self.root {
                return Some(Function { pid, name });
            }
            if parent <= 1 {
                return None;
            }
        }
        None
    }

    fn named_in(&self, environ: &[u8]) -> Option<String> {
        let variables: BTreeMap<&[u8], &[u8]> = environ
            .split(|byte| *byte == 0)
            .filter_map(|variable| {
                let equals = variable.iter().position(|byte| *byte == b'=')?;
                Some((variable.get(..equals)?, variable.get(equals + 1..)?))
            })
            .collect();
        let value = |name: &str| std::str::from_utf8(variables.get(name.as_bytes())?).ok();
        if value("AWS_ENDPOINT_URL")? != self.endpoint {
            return None;
        }
        // The local AWS itself has no runtime API.
        value("AWS_LAMBDA_RUNTIME_API")?;
        let name = value("AWS_LAMBDA_FUNCTION_NAME")?.strip_prefix(&self.prefix)?;
        Some(name.to_owned())
    }

    /// Those of them that do something within `sample`.
    pub async fn at_work(&self, functions: Vec<Function>, sample: Duration) -> Vec<Function> {
        let before: Vec<(Function, u64)> = functions
            .into_iter()
            .filter_map(|f| switches(f.pid).map(|count| (f, count)))
            .collect();
        tokio::time::sleep(sample).await;
        before
            .into_iter()
            .filter(|(f, count)| switches(f.pid).is_some_and(|now| now != *count))
            .map(|(f, _)| f)
            .collect()
    }

    /// Kills it with -9; false if it had ended.
    ///
    /// # Errors
    /// There is no `kill`, or it is not allowed.
    pub fn kill(&self, function: &Function) -> Result<bool, Stop> {
        if self.function(function.pid).as_ref() != Some(function) {
            return Ok(false);
        }
        let doing = || format!("killing `{}`", function.name);
        let status = Command::new("kill")
            .args(["-KILL", &function.pid.to_string()])
            .stderr(Stdio::null())
            .status()
            .map_err(|e| Stop::new(doing(), e))?;
        if status.success() || self.function(function.pid).is_none() {
            return Ok(status.success());
        }
        Err(Stop::new(doing(), format!("`kill` ended with {status}")))
    }
}

fn at(pid: u32, file: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(file)
}

/// How long a process has run.
fn age_s(pid: u32) -> Option<f64> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let stat = std::fs::read_to_string(at(pid, "stat")).ok()?;
    Some(uptime - started_in(&stat)? / TICKS)
}

/// When the process of a `/proc/PID/stat` began, in ticks since the machine did: the twenty-second field.
fn started_in(stat: &str) -> Option<f64> {
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19)?.parse().ok()
}

/// The parent in a `/proc/PID/stat`, whose second field may hold spaces and brackets.
fn parent_in(stat: &str) -> Option<u32> {
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

/// How often the threads of a process went to sleep or were interrupted: one that waits for work does neither.
fn switches(pid: u32) -> Option<u64> {
    let tasks = std::fs::read_dir(at(pid, "task")).ok()?;
    let mut count = 0;
    for task in tasks.flatten() {
        let status = std::fs::read_to_string(task.path().join("status")).ok()?;
        count += status
            .lines()
            .filter_map(|line| line.split_once("ctxt_switches:"))
            .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
            .sum::<u64>();
    }
    Some(count)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Function, Processes, age_s, parent_in, started_in};
    use std::process::{Child, Command};

    struct Ends(Child);

    impl Drop for Ends {
        fn drop(&mut self) {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }

    fn start(function: &str, endpoint: &str) -> std::io::Result<Ends> {
        let mut command = Command::new("sleep");
        command
            .arg("60")
            .env("AWS_LAMBDA_FUNCTION_NAME", function)
            .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:2")
            .env("AWS_ENDPOINT_URL", endpoint);
        command.spawn().map(Ends)
    }

    #[test]
    fn only_functions_of_this_local_aws_are_found_and_killed() {
        let here = "http://127.0.0.1:1";
        let mut ours = start("shop-validator", here).unwrap();
        let mut others = [
            start("shop-validator", "http://127.0.0.1:3").unwrap(),
            start("other-validator", here).unwrap(),
        ];
        let processes = Processes::of(std::process::id(), "shop", here);
        let expected = Function {
            pid: ours.0.id(),
            name: "validator".to_owned(),
        };
        // A process that was just started has the environment of its parent for a moment.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while processes.now() != [expected.clone()] {
            assert!(std::time::Instant::now() < deadline);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // The same process, looked at from below another one.
        let elsewhere = Processes::of(others[0].0.id(), "shop", here);
        assert_eq!(elsewhere.now(), []);
        assert!(!elsewhere.kill(&expected).unwrap());
        assert!(ours.0.try_wait().unwrap().is_none());

        assert!(processes.kill(&expected).unwrap());
        assert_eq!(ours.0.wait().unwrap().code(), None);
        assert!(!processes.kill(&expected).unwrap());
        for other in &mut others {
            assert!(other.0.try_wait().unwrap().is_none());
        }
    }

    #[test]
    fn the_parent_is_found_behind_a_name_with_brackets() {
        assert_eq!(parent_in("12 (a ) b) S 7 12 12"), Some(7));
        assert_eq!(parent_in(""), None);
    }

    #[test]
    fn a_process_that_just_began_is_young() {
        let all = "12 (a b) S 7 12 12 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(started_in(all), Some(4711.0));
        let ours = start("shop-validator", "http://127.0.0.1:9").unwrap();
        let age = age_s(ours.0.id()).unwrap();
        assert!((-0.1..5.0).contains(&age), "{age}");
    }
}

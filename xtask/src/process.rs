//! Starts other programs so that none of them outlives this one, whether it ends, panics or is killed.
//!
//! Every program runs below `infra/local/supervise.py`, which holds the other end of a pipe: when this process is gone the
//! pipe closes and the supervisor ends the program with all its descendants. Rust alone cannot do so without `unsafe`.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::project::Project;
use crate::tools::python;

/// Longest time that a supervisor needs to end its program: five seconds of asking, one of insisting.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// Lines of a failed program's log that its failure shows.
const LOG_TAIL_LINES: usize = 80;

/// A program to run, with its arguments, environment and folder.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    without_env: Vec<OsString>,
    only_given_env: bool,
    folder: PathBuf,
}

impl Task {
    /// `program`, found on the PATH or given by path, to run in the project's root.
    pub(crate) fn new(project: &Project, program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_os_string(),
            args: Vec::new(),
            env: Vec::new(),
            without_env: Vec::new(),
            only_given_env: false,
            folder: project.root().to_path_buf(),
        }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_os_string());
        self
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_os_string()));
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_os_string(), value.as_ref().to_os_string()));
        self
    }

    /// Does not pass on a variable of our own environment.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.without_env.push(OsString::from(name));
        self
    }

    /// Runs in the folder that the user is in, where relative paths among the arguments mean what the user meant.
    pub(crate) fn in_users_folder(mut self) -> Self {
        if let Ok(folder) = std::env::current_dir() {
            self.folder = folder;
        }
        self
    }

    /// Passes on nothing of our own environment but what [`Task::env`] set.
    pub(crate) fn only_given_env(mut self) -> Self {
        self.only_given_env = true;
        self
    }

    /// Runs to the end with its output on the terminal; says how it ended.
    pub(crate) fn status(&self, project: &Project) -> Result<ExitStatus, Failure> {
        Supervised::spawn(project, self, None)?.wait()
    }

    /// Runs to the end with its output in `log`.
    ///
    /// # Errors
    /// The program cannot start, or ends with another status than 0; then the message has the log's last lines.
    pub(crate) fn run_logged(&self, project: &Project, log: &Path) -> Result<(), Failure> {
        let status = Supervised::spawn(project, self, Some(log))?.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "`{}` failed with {status}; the end of `{}` says:\n{}",
            self.line(),
            log.display(),
            tail(log)
        )))
    }

    /// Starts it with its output in `log`. It ends when the returned value is dropped, or when this process does.
    pub(crate) fn start(&self, project: &Project, log: &Path) -> Result<Supervised, Failure> {
        Supervised::spawn(project, self, Some(log))
    }

    /// Starts it with its output in `log`, to go on after this process ends. Returns the supervisor's process id, which
    /// ends everything when it gets SIGTERM.
    pub(crate) fn detach(&self, project: &Project, log: &Path) -> Result<u32, Failure> {
        let mut command = self.supervisor(project, Some(log), true)?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(self.spawn(&mut command)?.id())
    }

    /// Becomes the program: for one that asks its user questions. Returns only where it cannot start.
    pub(crate) fn exec(&self) -> Failure {
        let mut command = Command::new(&self.program);
        self.set_environment(command.args(&self.args));
        let error = command.exec();
        Failure::new(format!("cannot start `{}`: {error}", self.line()))
    }

    fn set_environment(&self, command: &mut Command) {
        if self.only_given_env {
            command.env_clear();
        }
        command
            .envs(self.env.iter().cloned())
            .current_dir(&self.folder);
        for name in &self.without_env {
            command.env_remove(name);
        }
    }

    fn supervisor(
        &self,
        project: &Project,
        log: Option<&Path>,
        detached: bool,
    ) -> Result<Command, Failure> {
        let mut command = Command::new(python()?);
        command.arg(project.at("infra/local/supervise.py"));
        if let Some(log) = log {
            command.arg("--log").arg(log);
        }
        if detached {
            command.arg("--detached");
        }
        command.arg("--").arg(&self.program).args(&self.args);
        self.set_environment(&mut command);
        // A group of its own: Ctrl-C reaches us alone, and the supervisor ends its program in order.
        command.process_group(0);
        Ok(command)
    }

    fn spawn(&self, command: &mut Command) -> Result<Child, Failure> {
        command
            .spawn()
            .map_err(|e| Failure::new(format!("cannot start `{}`: {e}", self.line())))
    }

    fn line(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.args);
        words
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// A running program. Dropping it ends the program and everything it started.
#[derive(Debug)]
pub(crate) struct Supervised {
    child: Child,
    line: String,
}

impl Supervised {
    fn spawn(project: &Project, task: &Task, log: Option<&Path>) -> Result<Self, Failure> {
        let mut command = task.supervisor(project, log, false)?;
        command.stdin(Stdio::piped());
        Ok(Self {
            child: task.spawn(&mut command)?,
            line: task.line(),
        })
    }

    /// Waits until the program ends by itself.
    fn wait(mut self) -> Result<ExitStatus, Failure> {
        // `Child::wait` closes the pipe first, which would end the program: hold it until after.
        let pipe = self.child.stdin.take();
        let status = self
            .child
            .wait()
            .map_err(|e| Failure::new(format!("cannot wait for `{}`: {e}", self.line)));
        drop(pipe);
        status
    }

    /// Id of its supervisor, which everything of it is below.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails if the program has ended already; for servers, which should not.
    pub(crate) fn check_running(&mut self, log: &Path) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Failure::new(format!(
                "`{}` ended early with {status}; its log says:\n{}",
                self.line,
                tail(log)
            ))),
            Err(e) => Err(Failure::new(format!(
                "cannot ask about `{}`: {e}",
                self.line
            ))),
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        // The kernel ends the program when its supervisor is killed.
        if let Err(e) = self.child.kill() {
            eprintln!("warning: `{}` may still run: {e}", self.line);
        }
    }
}

/// Asks the process to end by SIGTERM and waits until it has; says whether it existed.
pub(crate) fn terminate(pid: u32) -> Result<bool, Failure> {
    let pid = pid.to_string();
    let signal = |name: &str| {
        let status = Command::new("kill")
            .args([name, &pid])
            .stderr(Stdio::null())
            .status();
        status
            .map(|s| s.success())
            .map_err(|e| Failure::new(format!("cannot run `kill`: {e}")))
    };
    if !signal("-TERM")? {
        return Ok(false);
    }
    let deadline = Instant::now() + STOP_LIMIT;
    while Instant::now() < deadline {
        if !signal("-0")? {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(Failure::new(format!(
        "process `{pid}` did not end within {} s",
        STOP_LIMIT.as_secs()
    )))
}

/// Another program's status as ours.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let mut bytes = Vec::new();
    match std::fs::File::open(log).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(e) => return format!("(cannot read it: {e})"),
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(LOG_TAIL_LINES);
    lines
        .into_iter()
        .skip(skipped)
        .collect::<Vec<_>>()
        .join("\n")
}

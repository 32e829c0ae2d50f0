//! The writers' processes: started, killed in the middle of a batch, started again.

use super::Pace;
use super::control::Control;
use super::queue::BATCH;
use super::worker::Setting;
use crate::Stop;
use crate::workload::meter::Meter;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often the processes are looked after.
const LOOK: Duration = Duration::from_millis(5);
/// Calls of a batch within which it is killed: a kill may hit any of its steps, and the time between them.
const MOST_CALLS: usize = 5;
/// How long a process has to end by itself.
const END: Duration = Duration::from_secs(10);

/// The processes.
#[derive(Debug)]
pub struct Crew {
    program: PathBuf,
    setting: Setting,
    writers: Vec<Child>,
    deaths: u32,
}

/// A kill that is being aimed.
#[derive(Debug, Clone, Copy)]
struct Aim {
    writer: u32,
    /// The batch that is to be hit, by when it began.
    batch: Instant,
    /// Not before so many calls were answered.
    calls: usize,
    wait: Duration,
    ready: Option<Instant>,
}

impl Crew {
    /// Starts so many writers from `program`, which is `waybill-tools`.
    ///
    /// # Errors
    /// A process cannot be started.
    pub fn start(program: &Path, setting: Setting, writers: u32) -> Result<Self, Stop> {
        let mut crew = Self {
            program: program.to_owned(),
            setting,
            writers: Vec::new(),
            deaths: 0,
        };
        for writer in 0..writers {
            let child = crew.spawn(writer)?;
            crew.writers.push(child);
        }
        Ok(crew)
    }

    fn spawn(&self, writer: u32) -> Result<Child, Stop> {
        let doing = || format!("starting `{}`", self.program.display());
        let mut child = Command::new(&self.program)
            .arg("odoo-storm-worker")
            .arg(format!("--writer={writer}"))
            .stdin(Stdio::piped())
            // The function's counters: nobody reads them here.
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| Stop::new(doing(), e))?;
        let setting = serde_json::to_string(&self.setting).map_err(|e| Stop::new(doing(), e))?;
        let stdin = child.stdin.take();
        let mut stdin = stdin.ok_or_else(|| Stop::new(doing(), "it has no standard input"))?;
        stdin
            .write_all(setting.as_bytes())
            .map_err(|e| Stop::new(doing(), e))?;
        Ok(child)
    }

    /// Kills so many times, spread over the work, and returns how often once all is done. A kill that met no batch until
    /// too few are left strikes one that is done and not acknowledged.
    ///
    /// # Errors
    /// A process cannot be started, or ends by itself.
    pub async fn weather(
        mut self,
        control: &Control,
        meter: &Meter,
        mut rng: ChaCha8Rng,
        kills: u32,
        pace: Pace,
    ) -> Result<u32, Stop> {
        let all = control.open();
        let mut killed = 0;
        let mut aim: Option<Aim> = None;
        let mut told = 0;
        while control.open() > 0 {
            let left = usize::try_from(kills - killed).unwrap_or_default();
            control.expect_kills(left);
            tokio::time::sleep(LOOK).await;
            self.look_after(control)?;
            let finished = control.finished();
            if finished / 100 > told {
                told = finished / 100;
                super::say(&format!("{finished} of {all} orders done, {killed} kills"));
            }
            if left > 0
                && let Some(writer) = control.condemned()
            {
                self.kill(writer, control)?;
                killed += 1;
                aim = None;
                continue;
            }
            if left == 0 || finished < due(all, killed, kills) {
                continue;
            }
            // The last kills must find work to interrupt.
            let hurried = left * BATCH > control.open();
            let aimed = match aim {
                Some(aimed) => aimed,
                None => match take_aim(control, meter, &mut rng, pace, hurried) {
                    Some(aimed) => aimed,
                    None => continue,
                },
            };
            if control.busy_since(aimed.writer) != Some(aimed.batch) {
                // It was quicker.
                aim = None;
                continue;
            }
            let ready = aimed
                .ready
                .or_else(|| (meter.len() >= aimed.calls).then(Instant::now));
            if ready.is_some_and(|r| r.elapsed() >= aimed.wait) {
                self.kill(aimed.writer, control)?;
                killed += 1;
                aim = None;
            } else {
                aim = Some(Aim { ready, ..aimed });
            }
        }
        self.dismiss().await?;
        Ok(killed)
    }

    fn kill(&mut self, writer: u32, control: &Control) -> Result<(), Stop> {
        let fresh = self.spawn(writer)?;
        let place = usize::try_from(writer).unwrap_or(usize::MAX);
        if let Some(child) = self.writers.get_mut(place) {
            let stop = |e: std::io::Error| Stop::new("killing a writer", e);
            // SIGKILL: it has no time for anything.
            child.kill().map_err(stop)?;
            child.wait().map_err(stop)?;
            *child = fresh;
        }
        control.gone(writer);
        Ok(())
    }

    /// A process that ended by itself while there is work is a fault of its own.
    fn look_after(&mut self, control: &Control) -> Result<(), Stop> {
        for child in &mut self.writers {
            let ended = child
                .try_wait()
                .map_err(|e| Stop::new("looking after a writer", e))?;
            if let Some(status) = ended
                && control.open() > 0
            {
                self.deaths += 1;
                return Err(Stop::new(
                    "running a writer",
                    format!("it ended with {status}"),
                ));
            }
        }
        Ok(())
    }

    /// Waits until they end by themselves.
    async fn dismiss(&mut self) -> Result<(), Stop> {
        let begun = Instant::now();
        for child in &mut self.writers {
            while child
                .try_wait()
                .map_err(|e| Stop::new("ending a writer", e))?
                .is_none()
            {
                if begun.elapsed() > END {
                    return Err(Stop::new("ending a writer", "it does not end by itself"));
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for child in &mut self.writers {
            // It may have ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// How many orders must be done before the next kill: all kills lie in the first two thirds of the work.
fn due(all: usize, killed: u32, kills: u32) -> usize {
    let of = |count: u32| usize::try_from(count).unwrap_or_default();
    all * of(killed) * 2 / (3 * of(kills).max(1))
}

fn take_aim(
    control: &Control,
    meter: &Meter,
    rng: &mut ChaCha8Rng,
    pace: Pace,
    hurried: bool,
) -> Option<Aim> {
    let busy = control.busy();
    let writer = *busy.get(rng.random_range(0..busy.len().max(1)))?;
    let wait_ms = u64::try_from(pace.aim.as_millis()).unwrap_or_default();
    let (calls, wait_ms) = if hurried {
        (0, wait_ms / 4)
    } else {
        (rng.random_range(0..=MOST_CALLS), wait_ms)
    };
    Some(Aim {
        writer,
        batch: control.busy_since(writer)?,
        calls: meter.len() + calls,
        wait: Duration::from_millis(rng.random_range(0..=wait_ms)),
        ready: None,
    })
}

//! Functions killed with -9 while the day is played: a sandbox that dies answers nothing and cleans nothing up.
//!
//! When and which is drawn by seed: a kill is due once so much of the day is over, and waits until a process of the function it
//! is meant for is at work. What it meets there is the machine's own timing. [`processes`] finds the victims.

pub mod processes;

use crate::Stop;
use crate::invariants::Check;
use crate::simulators::Simulators;
use crate::stack::{QUEUES, Stack};
use clap::builder::PossibleValuesParser;
use processes::{Function, Processes};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use waybill_lambda_kit::env::FUNCTIONS;

/// Visibility timeout of the queues for such a day, in seconds. The template's are minutes, six times what a function may
/// take; a compressed day cannot wait so long for every kill. This is less than some functions may take, and less than the
/// lease of an effect, which makes it harder: a message may be handed out while it is being worked on, and what a dead
/// process has claimed is still claimed when its message comes back.
const HIDDEN_S: u32 = 20;
/// Part of the day in which kills are due, in 1000: the last ones need orders that are still open.
const LATEST: u32 = 850;
/// How long a kill waits for the function it is meant for, and then for any at all.
const PATIENCE: Duration = Duration::from_secs(6);
/// Longest random wait of a kill within an invocation. Most of the functions are done in a few times that.
const INTO_WORK_MS: u64 = 15;
/// How often the day is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);
/// Time in which a process that waits for work does nothing at all.
const SAMPLE: Duration = Duration::from_millis(4);
/// What the local AWS logs of an invocation whose process died: before the function's name and behind it.
const CUT: [(&str, &str); 2] = [
    ("Lambda ", ": Runtime exited before returning a response"),
    (
        "execution error for ",
        ": bootstrap exited during init with code -9",
    ),
];
/// The one function that a day does not call: it is for people.
const UNCALLED: &str = "ops-api";

/// Names of the functions that a day calls.
pub fn functions() -> impl Iterator<Item = &'static str> {
    let all = FUNCTIONS.iter().map(|(name, _)| *name);
    all.filter(|name| *name != UNCALLED)
}

/// Where the local AWS of this run is, beside what the stack file says.
#[derive(Debug, Clone)]
pub struct Emulator {
    /// The process that everything of it is below.
    pub pid: u32,
    /// Its log.
    pub log: PathBuf,
}

impl Emulator {
    /// What `cargo xtask` says in `WAYBILL_LOCAL_AWS_PID` and `WAYBILL_LOCAL_AWS_LOG`.
    ///
    /// # Errors
    /// One of them is not set, or no process id.
    pub fn from_env() -> Result<Self, Stop> {
        let missing =
            |name: &str| Stop::new("finding the local AWS", format!("`{name}` is not set"));
        let variable = |name: &str| std::env::var_os(name).ok_or_else(|| missing(name));
        let pid = "WAYBILL_LOCAL_AWS_PID";
        let pid = variable(pid)?
            .to_str()
            .and_then(|v| v.parse().ok())
            .ok_or_else(|| missing(pid))?;
        let log = variable("WAYBILL_LOCAL_AWS_LOG")?.into();
        Ok(Self { pid, log })
    }
}

/// What is to be killed.
#[derive(Debug, Clone, clap::Args)]
pub struct Wanted {
    /// How many processes of functions are killed with -9 while the day is played
    #[arg(long, default_value_t = 0)]
    pub kills: u32,
    /// Functions that may be killed, all of them by default
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(functions()), default_values = functions())]
    pub kill: Vec<String>,
}

/// What was killed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many kills were asked for.
    pub wanted: u32,
    /// Processes killed, by function.
    pub killed: BTreeMap<String, u32>,
    /// Invocations that ended with their process, by function, as the local AWS counts them.
    pub cut: BTreeMap<String, u32>,
}

impl Tally {
    /// That as many processes were killed as were asked for, and at least one in the middle of its work.
    #[must_use]
    pub fn check(&self) -> Check {
        let killed: u32 = self.killed.values().sum();
        let mut violations = Vec::new();
        if killed != self.wanted {
            violations.push(format!(
                "{killed} of {} kills could be made: give it more orders",
                self.wanted
            ));
        }
        if self.cut.is_empty() {
            violations.push("no kill met an invocation".to_owned());
        }
        Check {
            name: "functions were killed as asked for, some of them at work",
            looked_at: usize::try_from(killed).unwrap_or(usize::MAX),
            violations,
        }
    }
}

/// A kill that is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Planned {
    /// Once so much of the day is over, in 1000.
    due: u32,
    function: String,
    /// How far into its work.
    wait: Duration,
}

/// Kills that go on beside a day.
#[derive(Debug)]
pub struct Killer {
    task: JoinHandle<Result<BTreeMap<String, u32>, Stop>>,
    wanted: u32,
    emulator: Emulator,
    stack: String,
    /// Of the log before the day.
    before: BTreeMap<String, u32>,
}

impl Killer {
    /// Begins to kill functions of `stack`, by `seed`.
    ///
    /// # Errors
    /// The queues cannot be set, or the log cannot be read.
    pub async fn start(
        stack: &Stack,
        sqs: &aws_sdk_sqs::Client,
        simulators: &Simulators,
        emulator: Emulator,
        options: &Wanted,
        seed: u64,
    ) -> Result<Self, Stop> {
        for queue in QUEUES {
            let url = stack.output(&format!("{queue}QueueUrl"))?;
            stack.hide_for(sqs, url, HIDDEN_S).await?;
        }
        let before = cut(&emulator, &stack.stack_name)?;
        let hunt = Hunt {
            processes: Processes::of(emulator.pid, &stack.stack_name, &stack.endpoint_url),
            simulators: simulators.clone(),
            functions: options.kill.clone(),
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x6b69_6c6c),
            killed: BTreeMap::new(),
        };
        Ok(Self {
            task: tokio::spawn(hunt.run(plan(options, seed))),
            wanted: options.kills,
            stack: stack.stack_name.clone(),
            emulator,
            before,
        })
    }

    /// Waits until the last kill was made, or the day has nothing left to kill.
    ///
    /// # Errors
    /// A process could not be killed, or the simulators or the log cannot be read.
    pub async fn end(self) -> Result<Tally, Stop> {
        let killed = self.task.await.map_err(|e| Stop::new("killing", e))??;
        let mut cut = cut(&self.emulator, &self.stack)?;
        for (function, before) in &self.before {
            if let Some(count) = cut.get_mut(function) {
                *count = count.saturating_sub(*before);
            }
        }
        cut.retain(|_, count| *count > 0);
        Ok(Tally {
            wanted: self.wanted,
            killed,
            cut,
        })
    }
}

/// When and what, by seed.
fn plan(options: &Wanted, seed: u64) -> Vec<Planned> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut plan: Vec<Planned> = (0..options.kills)
        .filter_map(|_| {
            Some(Planned {
                due: rng.random_range(0..LATEST),
                function: options.kill.choose(&mut rng)?.clone(),
                wait: Duration::from_millis(rng.random_range(0..=INTO_WORK_MS)),
            })
        })
        .collect();
    plan.sort_by_key(|kill| kill.due);
    plan
}

/// How much of the day is over, in 1000: orders placed and orders whose script has ended count the same.
fn over(day: &Value) -> u32 {
    let number = |field: &str| day.get(field).and_then(Value::as_u64).unwrap_or_default();
    let all = 2 * number("planned");
    let done = 1000 * (number("placed") + number("ended"));
    done.checked_div(all)
        .map_or(0, |part| u32::try_from(part).unwrap_or(1000))
}

/// Invocations so far that ended with their process, by function.
fn cut(emulator: &Emulator, stack: &str) -> Result<BTreeMap<String, u32>, Stop> {
    let text = std::fs::read(&emulator.log)
        .map_err(|e| Stop::new(format!("reading `{}`", emulator.log.display()), e))?;
    Ok(cut_in(&String::from_utf8_lossy(&text), stack))
}

fn cut_in(log: &str, stack: &str) -> BTreeMap<String, u32> {
    let mut cut = BTreeMap::new();
    for line in log.lines() {
        let name = CUT.iter().find_map(|(before, behind)| {
            let (line, rest) = line.split_once(behind)?;
            // The first is a whole line; another line quotes it.
            let is_whole = rest.is_empty() || rest.starts_with(':');
            line.rsplit_once(before).filter(|_| is_whole)
        });
        let function = name.and_then(|(_, name)| name.strip_prefix(&format!("{stack}-")));
        if let Some(function) = function {
            *cut.entry(function.to_owned()).or_insert(0) += 1;
        }
    }
    cut
}

#[derive(Debug)]
struct Hunt {
    processes: Processes,
    simulators: Simulators,
    functions: Vec<String>,
    rng: ChaCha8Rng,
    killed: BTreeMap<String, u32>,
}

impl Hunt {
    async fn run(mut self, plan: Vec<Planned>) -> Result<BTreeMap<String, u32>, Stop> {
        for planned in plan {
            if !self.is_due(planned.due).await? {
                break;
            }
            self.kill(planned).await?;
        }
        Ok(self.killed)
    }

    /// Waits until so much of the day is over; false if all of it is.
    async fn is_due(&self, due: u32) -> Result<bool, Stop> {
        loop {
            let day = self.simulators.get("day").await?;
            if day.get("finished").and_then(Value::as_bool) == Some(true) {
                return Ok(false);
            }
            let begun = day.get("planned").and_then(Value::as_u64) > Some(0);
            if begun && over(&day) >= due {
                return Ok(true);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn kill(&mut self, planned: Planned) -> Result<(), Stop> {
        let begun = Instant::now();
        while begun.elapsed() < 2 * PATIENCE {
            let wanted = |f: &Function| f.name == planned.function;
            let picky = begun.elapsed() < PATIENCE;
            let mut at_work = self.processes.at_work(self.processes.now(), SAMPLE).await;
            at_work.retain(|f| if picky { wanted(f) } else { self.may_be(f) });
            if at_work.is_empty() {
                tokio::time::sleep(SAMPLE).await;
                continue;
            }
            tokio::time::sleep(planned.wait).await;
            let victim = at_work.swap_remove(self.rng.random_range(0..at_work.len()));
            let mut still = self.processes.at_work(vec![victim], SAMPLE).await;
            if let Some(victim) = still.pop()
                && self.strike(victim)?
            {
                return Ok(());
            }
        }
        // All is quiet: one that waits for work.
        let mut idle = self.processes.now();
        idle.retain(|f| self.may_be(f));
        while !idle.is_empty() {
            let victim = idle.swap_remove(self.rng.random_range(0..idle.len()));
            if self.strike(victim)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Kills and counts it; false if it had ended.
    fn strike(&mut self, victim: Function) -> Result<bool, Stop> {
        let killed = self.processes.kill(&victim)?;
        if killed {
            *self.killed.entry(victim.name).or_insert(0) += 1;
        }
        Ok(killed)
    }

    fn may_be(&self, function: &Function) -> bool {
        self.functions.contains(&function.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Wanted, cut_in, functions, over, plan};
    use serde_json::json;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn the_same_seed_plans_the_same_kills_in_order() {
        let options = Wanted {
            kills: 40,
            kill: functions().map(str::to_owned).collect(),
        };
        let planned = plan(&options, 7);
        assert_eq!(planned, plan(&options, 7));
        assert_ne!(planned, plan(&options, 8));
        assert_eq!(planned.len(), 40);
        assert!(planned.is_sorted_by_key(|kill| kill.due));
        let struck: BTreeSet<_> = planned.iter().map(|k| k.function.as_str()).collect();
        assert_eq!(struck, functions().collect());
        assert_eq!(struck.len(), 7);
    }

    #[test]
    fn half_of_the_day_is_over_when_all_is_placed() {
        assert_eq!(over(&json!({})), 0);
        assert_eq!(over(&json!({"planned": 10, "placed": 10, "ended": 0})), 500);
        assert_eq!(
            over(&json!({"planned": 10, "placed": 10, "ended": 10})),
            1000
        );
    }

    #[test]
    fn invocations_that_died_are_counted_for_this_stack() {
        let log = "2026 WARNING [lambda-runtime] Lambda waybill-local-validator: Runtime exited before returning a response\n\
                   2026 WARNING [lambda] ESM: Lambda waybill-local-validator failed processing SQS batch from q \
                   (errorType=Runtime.ExitError errorMessage=Runtime exited before returning a response)\n\
                   2026 ERROR [lambda] Warm provided-runtime execution error for waybill-local-validator: bootstrap exited \
                   during init with code -9: last words\n\
                   2026 WARNING [lambda-runtime] Lambda other-validator: Runtime exited before returning a response\n\
                   2026 WARNING [lambda-runtime] Lambda waybill-local-validator: Task timed out after 30.00 seconds\n";
        let found = cut_in(log, "waybill-local");
        assert_eq!(found, BTreeMap::from([("validator".to_owned(), 2)]));
    }
}

//! The schedules: each invokes the reconciler for a job, at least once.

use crate::breakage::Breakage;
use crate::by_hand;
use crate::sandbox::Sandbox;
use crate::sim::{DAY, HOUR};
use crate::world::World;
use reconciler::{Job, JobError, Report, Request};
use std::sync::Arc;
use std::time::Duration;

/// Jobs of the reconciler, with the seconds between two runs as the template has them.
pub const JOBS: [(Job, u64); 6] = [
    (Job::Poll, 300),
    (Job::Overdue, 300),
    (Job::Compare, 3600),
    (Job::Stock, 300),
    (Job::Keys, 86_400),
    (Job::Webhooks, 900),
];

/// The reconciler's timeout.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Keys are looked after once a day: so much more often do two runs meet here.
const KEYS_TWICE: u32 = 30;
/// But not always, in calls of 1000.
const MOST_TWICE: u32 = 500;

/// Starts every schedule.
pub fn start(world: &Arc<World>) {
    for (job, every_s) in JOBS {
        tokio::spawn(schedule(Arc::clone(world), job, every_s));
    }
}

/// Runs a job again and again. It does not count as running: it always does.
async fn schedule(world: Arc<World>, job: Job, every_s: u64) {
    let broken_by = match job {
        Job::Poll => Some(Breakage::NoPoll),
        Job::Overdue => Some(Breakage::NoClock),
        Job::Keys => Some(Breakage::NoKeys),
        Job::Webhooks => Some(Breakage::NoSteward),
        Job::Stock => Some(Breakage::NoStock),
        Job::Compare => None,
    };
    if broken_by.is_some_and(|b| world.sim.is_broken(b)) {
        return;
    }
    let sim = &world.sim;
    let mut pause_ms = match job {
        Job::Keys => sim.below(8 * HOUR),
        _ => every_s * 1000,
    };
    loop {
        sim.wait_ms(pause_ms).await;
        // Keys run out while nothing else happens.
        if job != Job::Keys {
            world.awake().await;
        }
        let twice = sim.weather().twice;
        let twice = match job {
            // So that it is not only found by hundreds of seeds.
            Job::Keys if sim.is_broken(Breakage::NoKeyLease) && !sim.is_calm() => MOST_TWICE,
            Job::Keys => (twice * KEYS_TWICE).min(MOST_TWICE),
            _ => twice,
        };
        if sim.fault("two runs of a job at once", twice) {
            tokio::join!(run(&world, job, 0), run(&world, job, sim.below(2_000)));
        } else {
            run(&world, job, 0).await;
        }
        pause_ms = match job {
            // More often than the template has it, so that it meets more; not for months.
            Job::Keys if world.is_asleep() => DAY,
            Job::Keys => sim.between(2 * HOUR, 4 * HOUR),
            _ => every_s * 1000,
        };
    }
}

/// One run, which may fail and even panic while faults happen: the next schedule runs it again. In calm it must not.
async fn run(world: &Arc<World>, job: Job, later_ms: u64) {
    world.sim.wait_ms(later_ms).await;
    let is_calm = world.sim.is_calm();
    let was_away = world.is_any_out(world.sim.now());
    let before = (job == Job::Compare).then(|| by_hand::look(world));
    let ran = tokio::spawn(invoke(Arc::clone(world), job)).await;
    let is_away = was_away || world.is_any_out(world.sim.now());
    let failed = match ran {
        Err(error) => {
            let told = format!("the job {job:?} panicked: {error}");
            return world.sim.wrong(told);
        }
        Ok(None) => "crashed, or took too long".to_owned(),
        Ok(Some(Err(error))) => error.to_string(),
        Ok(Some(Ok(report))) if report.failed.is_empty() => {
            if let Some(before) = before {
                by_hand::compared(world, &before);
            }
            return;
        }
        Ok(Some(Ok(_))) if is_away => return,
        Ok(Some(Ok(report))) => format!("could not ask: {:?}", report.failed),
    };
    if is_calm && world.sim.is_calm() {
        world
            .sim
            .wrong(format!("the job {job:?} failed in calm weather: {failed}"));
    } else {
        world.sim.count("job failed");
    }
}

/// Nothing if the process crashed, or was ended.
async fn invoke(world: Arc<World>, job: Job) -> Option<Result<Report, JobError>> {
    if job == Job::Compare && world.sim.is_broken(Breakage::NoCompare) {
        let (looked_at, found) = (0, 0);
        let failed = Vec::new();
        return Some(Ok(Report {
            job,
            looked_at,
            found,
            failed,
        }));
    }
    let sandbox: Sandbox = world.sandbox("reconciler");
    let ports = reconciler::Ports {
        connections: sandbox.connections(),
        orders: &sandbox,
        effects: &sandbox,
        queues: &sandbox,
        partners: &sandbox,
        erp: &sandbox,
        clock: &sandbox,
        secrets: &sandbox,
    };
    let work = reconciler::handle(&ports, Request { job });
    let answered = sandbox.run(TIMEOUT, work).await;
    world.keep_warm(sandbox);
    answered
}

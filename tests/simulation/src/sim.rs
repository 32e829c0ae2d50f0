//! Clock, dice, trace and weather of one run.

use crate::breakage::Breakage;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Mutex;
use std::time::Duration;
use waybill_model::time::Instant;

/// Milliseconds.
pub const MINUTE: u64 = 60_000;
/// Milliseconds.
pub const HOUR: u64 = 60 * MINUTE;
/// Milliseconds.
pub const DAY: u64 = 24 * HOUR;

/// Where the clock of every run begins.
const START: &str = "2026-03-02T08:00:00Z";

/// How much of what no poll finds never comes, in calls of 1000.
const UNHEARD: [u32; 5] = [0, 0, 0, 5, 30];

/// How much goes wrong, in calls of 1000. Each run draws its own: some faults are absent, so that the
/// others are met in states that would be rare otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// Our tables, queues or secrets do nothing and say so.
    pub unavailable: u32,
    /// They do it and the answer is lost.
    pub lost: u32,
    /// The function ends before or after a call, at once.
    pub crash: u32,
    /// A call takes seconds.
    pub slow: u32,
    /// A batch is handed to two sandboxes at once.
    pub twice: u32,
    /// What was acknowledged is handed out once more.
    pub again: u32,
    /// A poll is answered with what was true minutes ago.
    pub stale: u32,
    /// The clock of a process is set while it lives.
    pub clock_set: u32,
    /// An endpoint is away for more than a day.
    pub away_for_a_day: u32,
    /// A partner or Odoo does nothing and says so: throttled, away.
    pub refused: u32,
    /// A partner does it and says that it did not.
    pub denied: u32,
    /// It does it and the answer is lost, cut or malformed.
    pub doubt: u32,
    /// It takes longer than anybody waits.
    pub hangs: u32,
    /// It does it only after who asked has gone, and perhaps asked again.
    pub belated: u32,
    /// A webhook comes twice.
    pub duplicate: u32,
    /// A webhook comes late, and so behind younger ones.
    pub late: u32,
    /// A webhook never comes.
    pub dropped: u32,
    /// What a warehouse, a gateway or a carrier service tells never comes, and no poll finds it.
    pub unheard: u32,
    /// Somebody puts into a queue what nobody can read: so many in a run.
    pub poison: u32,
    /// What became of a command is told in a message that nobody can read.
    pub garbled: u32,
    /// A message goes to the dead-letter queue, as if it had been tried too often.
    pub dead: u32,
    /// A new version is deployed.
    pub deploy: u32,
    /// Signing keys that are replaced in a run.
    pub rotations: u32,
    /// How often the channel forgets our subscription in a run.
    pub unsubscribed: u32,
    /// Orders that somebody changes in Odoo by hand in a run.
    pub meddled: u32,
    /// Days that go by before partners tell old things again; none if 0.
    pub days: u32,
    /// Clocks of sandboxes differ by at most so many milliseconds.
    pub skew_ms: i64,
}

impl Weather {
    fn draw(dice: &mut ChaCha8Rng) -> Self {
        let mut some = |levels: &[u32]| levels[dice.random_range(0..levels.len())];
        Self {
            unavailable: some(&[0, 0, 2, 10, 40]),
            lost: some(&[0, 0, 2, 10, 40]),
            crash: some(&[0, 0, 1, 3, 10]),
            slow: some(&[0, 2, 10, 30]),
            twice: some(&[0, 0, 10, 60]),
            again: some(&[0, 0, 10, 60]),
            refused: some(&[0, 10, 50, 200]),
            denied: some(&[0, 0, 5, 30]),
            doubt: some(&[0, 10, 50, 150]),
            hangs: some(&[0, 0, 2, 10]),
            belated: some(&[0, 0, 10, 40]),
            duplicate: some(&[0, 50, 300]),
            late: some(&[0, 30, 200]),
            dropped: some(&[0, 0, 10, 60]),
            poison: some(&[0, 0, 1, 4]),
            dead: some(&[0, 0, 0, 2, 10]),
            garbled: some(&[0, 0, 0, 0, 0, 0, 0, 3]),
            deploy: some(&[0, 500]),
            rotations: some(&[0, 0, 1, 3]),
            unsubscribed: some(&[0, 0, 1, 2]),
            meddled: some(&[0, 0, 0, 2]),
            days: some(&[0, 0, 40, 100, 420]),
            stale: some(&[0, 0, 100, 500]),
            clock_set: some(&[0, 0, 20]),
            away_for_a_day: some(&[0, 0, 0, 200]),
            skew_ms: i64::from(some(&[0, 50, 2_000, 20_000])),
            unheard: 0,
        }
    }
}

/// What every part of a run shares.
pub struct Sim {
    /// The seed.
    pub seed: u64,
    /// What is deliberately wrong with the product in this run.
    pub breakage: Option<Breakage>,
    began: tokio::time::Instant,
    start: Instant,
    dice: Mutex<ChaCha8Rng>,
    /// What it was in the beginning.
    drawn: Weather,
    weather: Mutex<Weather>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    hasher: DefaultHasher,
    text: String,
    steps: u64,
    quiet_points: u64,
    faults: BTreeMap<&'static str, u64>,
    lines: Option<Vec<String>>,
    wrong: Vec<String>,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl Sim {
    /// The run of a seed; with `trace`, every step is kept as text.
    #[must_use]
    pub fn new(seed: u64, trace: bool, breakage: Option<Breakage>) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        // Of dice of its own, so that the days without it are what they were.
        let unheard = ChaCha8Rng::seed_from_u64(!seed).random_range(0..UNHEARD.len());
        let weather = Weather {
            unheard: UNHEARD[unheard],
            ..Weather::draw(&mut dice)
        };
        Self {
            seed,
            breakage,
            began: tokio::time::Instant::now(),
            start: Instant::parse(START).expect("an instant"),
            dice: Mutex::new(dice),
            drawn: weather,
            weather: Mutex::new(weather),
            log: Mutex::new(Log {
                lines: trace.then(Vec::new),
                ..Log::default()
            }),
        }
    }

    /// The true time.
    #[must_use]
    pub fn now(&self) -> Instant {
        let ms = self.began.elapsed().as_millis();
        self.start.plus_ms(i64::try_from(ms).expect("a span"))
    }

    /// Whether the product has this fault in this run.
    #[must_use]
    pub fn is_broken(&self, breakage: Breakage) -> bool {
        self.breakage == Some(breakage)
    }

    /// How much goes wrong now.
    #[must_use]
    pub fn weather(&self) -> Weather {
        *self.weather.lock().unwrap()
    }

    /// From now on nothing goes wrong.
    pub fn calm(&self) {
        *self.weather.lock().unwrap() = Weather::default();
        self.note(format_args!("the faults stop"));
    }

    /// Things go wrong again, as they did before: but nothing that takes a day of its own.
    pub fn storm(&self) {
        let drawn = Weather {
            poison: 0,
            dead: 0,
            garbled: 0,
            dropped: 0,
            unheard: 0,
            denied: 0,
            ..self.drawn
        };
        *self.weather.lock().unwrap() = drawn;
        self.note(format_args!("the faults begin again"));
    }

    /// Whether nothing goes wrong any more.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.weather() == Weather::default()
    }

    /// A number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.dice.lock().unwrap().random_range(0..bound.max(1))
    }

    /// A number from `from` to `to`.
    pub fn between(&self, from: u64, to: u64) -> u64 {
        self.dice.lock().unwrap().random_range(from..=to)
    }

    /// True in `permille` of 1000 draws. Nothing is drawn where it cannot be.
    pub fn chance(&self, permille: u32) -> bool {
        permille > 0 && self.below(1000) < u64::from(permille)
    }

    /// The same for a fault, which is counted.
    pub fn fault(&self, kind: &'static str, permille: u32) -> bool {
        let hit = self.chance(permille);
        if hit {
            self.count(kind);
        }
        hit
    }

    /// Counts a fault.
    pub fn count(&self, kind: &'static str) {
        *self.log.lock().unwrap().faults.entry(kind).or_default() += 1;
    }

    /// Waits on the run's clock.
    pub async fn wait_ms(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// How long a call to our own stores takes, in milliseconds.
    pub fn latency_ms(&self) -> u64 {
        let slow = self.weather().slow;
        if self.fault("slow call", slow) {
            self.between(500, 6_000)
        } else {
            self.between(1, 12)
        }
    }

    /// One step of the trace.
    pub fn note(&self, what: fmt::Arguments<'_>) {
        use fmt::Write as _;
        let now = self.began.elapsed().as_millis();
        let mut log = self.log.lock().unwrap();
        let log = &mut *log;
        log.steps += 1;
        log.text.clear();
        write!(log.text, "{now:>10} {what}").expect("memory");
        log.text.hash(&mut log.hasher);
        if let Some(lines) = &mut log.lines {
            lines.push(log.text.clone());
        }
    }

    /// Counts a point at which nothing moves.
    pub fn quiet_point(&self) {
        self.log.lock().unwrap().quiet_points += 1;
    }

    /// Points so far at which nothing moved.
    #[must_use]
    pub fn quiet_points(&self) -> u64 {
        self.log.lock().unwrap().quiet_points
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.log.lock().unwrap().steps
    }

    /// Something is wrong: an invariant does not hold.
    pub fn wrong(&self, what: String) {
        self.note(format_args!("WRONG: {what}"));
        self.log.lock().unwrap().wrong.push(what);
    }

    /// What was found wrong so far.
    #[must_use]
    pub fn all_wrong(&self) -> Vec<String> {
        self.log.lock().unwrap().wrong.clone()
    }

    /// Steps so far, faults so far by kind, and a hash of every step.
    #[must_use]
    pub fn summary(&self) -> (u64, BTreeMap<&'static str, u64>, u64) {
        let log = self.log.lock().unwrap();
        (log.steps, log.faults.clone(), log.hasher.finish())
    }

    /// The steps as text, where they were kept.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().lines.clone().unwrap_or_default()
    }
}

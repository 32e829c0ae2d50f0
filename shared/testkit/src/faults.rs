//! Failures to inject into fakes of our own infrastructure.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use waybill_flow::ports::InfraError;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens and the caller learns that.
    Unavailable,
    /// It happens and the caller does not learn that.
    LostAnswer,
}

/// Failures by the name of the port's method, such as `commit`.
#[derive(Debug, Default)]
pub struct Faults {
    plan: Mutex<BTreeMap<&'static str, VecDeque<Option<Fault>>>>,
    chaos: Mutex<Option<Chaos>>,
}

#[derive(Debug)]
struct Chaos {
    rng: ChaCha8Rng,
    permille: u32,
}

impl Faults {
    /// The next call of `method` that has no fault planned yet fails like this.
    pub fn plan(&self, method: &'static str, fault: Fault) {
        self.push(method, Some(fault));
    }

    /// The next call of `method` that has no fault planned yet goes through: what is planned after
    /// this is for the one after it.
    pub fn spare(&self, method: &'static str) {
        self.push(method, None);
    }

    fn push(&self, method: &'static str, fault: Option<Fault>) {
        let mut plan = self.plan.lock().unwrap();
        plan.entry(method).or_default().push_back(fault);
    }

    /// From now on `permille` of all calls fail, either way, as the seed has it.
    pub fn seed(&self, seed: u64, permille: u32) {
        *self.chaos.lock().unwrap() = Some(Chaos {
            rng: ChaCha8Rng::seed_from_u64(seed),
            permille,
        });
    }

    /// No more failures, planned or seeded.
    pub fn clear(&self) {
        self.plan.lock().unwrap().clear();
        *self.chaos.lock().unwrap() = None;
    }

    /// The fault of this call, if it has one.
    pub(crate) fn next(&self, method: &'static str) -> Option<Fault> {
        let mut plan = self.plan.lock().unwrap();
        if let Some(fault) = plan.get_mut(method).and_then(VecDeque::pop_front) {
            return fault;
        }
        let mut chaos = self.chaos.lock().unwrap();
        let chaos = chaos.as_mut()?;
        let draw = chaos.rng.next_u32();
        (draw % 1000 < chaos.permille).then_some(if draw & 0x8000_0000 == 0 {
            Fault::Unavailable
        } else {
            Fault::LostAnswer
        })
    }

    /// Runs `work` as the plan has it: not at all, or without its answer.
    pub(crate) fn around<T>(
        &self,
        system: &'static str,
        method: &'static str,
        work: impl FnOnce() -> T,
    ) -> Result<T, InfraError> {
        let detail = format!("injected into `{method}`");
        match self.next(method) {
            None => Ok(work()),
            Some(Fault::Unavailable) => Err(InfraError::Unavailable { system, detail }),
            Some(Fault::LostAnswer) => {
                work();
                Err(InfraError::Unknown { system, detail })
            }
        }
    }
}

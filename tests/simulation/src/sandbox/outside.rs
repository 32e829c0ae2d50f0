//! How calls to partners and to Odoo fail: told by the codes of their adapters, which the breakers know.

use super::Host;
use crate::sim::Sim;
use crate::world::ODOO;
use waybill_model::failure::Failure;
use waybill_model::id::Code;

/// What is made of a call that never got there: of an endpoint that is away.
const AWAY: Words = Words {
    odoo: &["erp_unreachable", "erp_answer_lost", "erp_database_away"],
    partner: &["partner_unreachable", "partner_error", "answer_lost"],
};
/// Of one that is to come again later.
const NOT_NOW: Words = Words {
    odoo: &["erp_busy", "erp_concurrency"],
    partner: &["rate_limited"],
};
/// Of an answer that is lost, cut, malformed, or says nothing but that something is wrong.
const LOST: Words = Words {
    odoo: &["erp_answer_lost", "erp_database_away", "erp_internal_error"],
    partner: &["answer_lost", "partner_error"],
};
/// Codes with which nothing was done, whatever they are told for.
const NOTHING_DONE: [&str; 5] = [
    "erp_busy",
    "erp_concurrency",
    "erp_unreachable",
    "partner_unreachable",
    "rate_limited",
];

struct Words {
    odoo: &'static [&'static str],
    partner: &'static [&'static str],
}

impl Words {
    fn draw(&self, sim: &Sim, endpoint: &str) -> Failure {
        let codes = if endpoint == ODOO {
            self.odoo
        } else {
            self.partner
        };
        let code = codes[usize::try_from(sim.below(codes.len() as u64)).expect("a place")];
        if NOTHING_DONE.contains(&code) {
            let is_asked = matches!(code, "rate_limited" | "erp_busy") && sim.chance(700);
            transient(code, is_asked.then(|| sim.between(1_000, 60_000)))
        } else {
            Failure::Indeterminate {
                code: Code::literal(code),
                detail: "simulated".to_owned(),
            }
        }
    }
}

pub(crate) fn transient(code: &'static str, retry_after_ms: Option<u64>) -> Failure {
    Failure::Transient {
        code: Code::literal(code),
        detail: "simulated".to_owned(),
        retry_after_ms,
    }
}

/// An answer that is lost.
pub(crate) fn lost(sim: &Sim, endpoint: &str) -> Failure {
    LOST.draw(sim, endpoint)
}

impl Host {
    /// A call to a partner, of which the model says what it does.
    pub(crate) async fn partner<T>(
        &self,
        endpoint: &str,
        what: &str,
        work: impl FnOnce() -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let world = self.world();
        let sim = &world.sim;
        let weather = sim.weather();
        sim.wait_ms(sim.between(20, 400)).await;
        if sim.fault("crash before a partner's call", weather.crash) {
            return self.die().await;
        }
        if world.is_out(endpoint, sim.now()) {
            world.called_in_vain(endpoint);
            sim.note(format_args!("{self:?} {what}: `{endpoint}` is away"));
            return Err(AWAY.draw(sim, endpoint));
        }
        if sim.fault("partner says not now", weather.refused) {
            sim.note(format_args!("{self:?} {what}: not now"));
            return Err(NOT_NOW.draw(sim, endpoint));
        }
        let result = work();
        sim.note(format_args!("{self:?} {what}: {}", told(&result)));
        if sim.fault("crash after a partner's call", weather.crash) {
            return self.die().await;
        }
        if sim.fault("partner's answer hangs", weather.hangs) {
            sim.wait_ms(120_000).await;
        }
        if sim.fault("partner's answer lost", weather.doubt) {
            sim.note(format_args!(
                "{self:?} {what}: the partner's answer is lost"
            ));
            return Err(lost(sim, endpoint));
        }
        result
    }
}

fn told<T>(result: &Result<T, Failure>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(failure) => failure.code().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{AWAY, LOST, NOT_NOW};
    use waybill_flow::breaker::{DOWN, THROTTLED};

    /// A simulated code that no adapter tells would be none of a breaker's business, and never open one.
    #[test]
    fn the_breakers_know_what_is_simulated() {
        for words in [AWAY, LOST] {
            let codes = words.odoo.iter().chain(words.partner);
            for code in codes.filter(|code| **code != "erp_internal_error") {
                assert!(DOWN.contains(code), "{code}");
            }
        }
        let busy = NOT_NOW.odoo.iter().chain(NOT_NOW.partner);
        for code in busy.filter(|code| **code != "erp_concurrency") {
            assert!(THROTTLED.contains(code), "{code}");
        }
    }
}

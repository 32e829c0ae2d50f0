//! Corrections over what the channel told: edit-and-retry (features X1).
//!
//! The snapshot as told and the corrections are facts, and commute. The corrected order is computed
//! from them whenever one changes, and validated anew: what a correction mends blocks no longer.

use crate::connections::Connections;
use crate::state::{Facts, Told};
use crate::validate;
use waybill_model::event::Finding;
use waybill_model::order::Order;

/// Puts back what was told, so that facts meet facts.
pub(crate) fn take_off(facts: &mut Facts) {
    if let Some(told) = facts.told.take() {
        let Told { order, findings } = *told;
        facts.order = Some(order);
        facts.findings = findings;
    }
}

/// Puts the corrections that hold over what was told.
pub(crate) fn put_on(facts: &mut Facts, rules: &Connections) {
    let Some(order) = &facts.order else {
        return;
    };
    let mut corrected = order.clone();
    for one in facts.corrections.values() {
        one.correction.apply(&mut corrected);
    }
    if corrected == *order {
        return;
    }
    let told = Told {
        order: order.clone(),
        findings: facts.findings.clone(),
    };
    facts.findings = findings(&told, &corrected, rules);
    facts.order = Some(corrected);
    facts.told = Some(Box::new(told));
}

/// What blocks the corrected order: what validation finds in it, and what an adapter found that
/// validation knows nothing of.
fn findings(told: &Told, corrected: &Order, rules: &Connections) -> Vec<Finding> {
    let Some(settings) = rules.channel(&corrected.channel) else {
        return told.findings.clone();
    };
    let ours = validate::findings(&told.order, settings);
    let theirs = told.findings.iter().filter(|f| !ours.contains(f)).cloned();
    let mut findings: Vec<Finding> = theirs.collect();
    findings.extend(validate::findings(corrected, settings));
    findings.sort();
    findings.dedup();
    findings
}

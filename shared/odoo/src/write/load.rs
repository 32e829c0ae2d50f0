//! `load` for many records: all or nothing in Odoo, record by record for us.
//!
//! One bad record fails its whole call, and the blame is not reliable: a failure at creation is
//! blamed on record 0 as well, and after ten of them Odoo stops looking. So blamed records are
//! *suspects*: each is loaded by itself for a definitive answer, and the others again together.

use crate::client::{Api, LoadMode};
use crate::error::{OdooError, is_concurrency};
use crate::wire::Loaded;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use waybill_model::failure::Failure;
use waybill_model::id::ConnectionId;

/// Rows of one record.
pub(crate) type Record = Vec<Vec<Value>>;

/// Why one record was not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The call failed: nothing is known of this record.
    Error(OdooError),
    /// Odoo refuses this record, with this text.
    Blamed(String),
}

/// The same call again when another transaction was quicker: the winner has committed by then.
/// More often, it is the queue's turn to wait.
const ATTEMPTS: usize = 3;

impl Refusal {
    /// What this means, where the caller knows nothing better.
    pub(crate) fn failure(&self, erp: &ConnectionId) -> Failure {
        match self {
            Self::Error(error) => error.failure(erp),
            Self::Blamed(text) if is_concurrency(text) => {
                let detail = format!("`{erp}`: another transaction was quicker");
                crate::error::transient("erp_concurrency", detail, None)
            }
            Self::Blamed(text) if is_right(text) => crate::refusal::missing_right(erp, text),
            Self::Blamed(text) => crate::refusal::refused(erp, text),
        }
    }
}

/// Loads records and returns the id or the refusal of each.
pub(crate) async fn load_each(
    api: &Api<'_>,
    model: &'static str,
    fields: &[&str],
    records: &[Record],
    mode: LoadMode,
) -> Vec<Result<i64, Refusal>> {
    let mut results: BTreeMap<usize, Result<i64, Refusal>> = BTreeMap::new();
    let mut pending: Vec<usize> = (0..records.len()).collect();
    // Every round takes at least one record out of `pending`, so there are at most so many.
    while !pending.is_empty() {
        let suspects = match load_together(api, model, fields, records, &pending, mode).await {
            Ok(Loaded::Ids(ids)) if ids.len() == pending.len() => {
                results.extend(pending.drain(..).zip(ids.into_iter().map(Ok)));
                break;
            }
            Ok(Loaded::Ids(_)) => {
                let error = OdooError::Shape("load: one id for each record is needed");
                fail_all(&mut results, &mut pending, &Refusal::Error(error));
                break;
            }
            Ok(Loaded::Refused(blames)) => {
                if let Some(lost) = blames.iter().find(|b| is_concurrency(&b.message)) {
                    let lost = Refusal::Blamed(lost.message.clone());
                    fail_all(&mut results, &mut pending, &lost);
                    break;
                }
                if let [only] = pending.as_slice() {
                    let text = blames.first().map(|b| b.message.clone());
                    let refusal = Refusal::Blamed(text.unwrap_or_default());
                    results.insert(*only, Err(refusal));
                    break;
                }
                settle_definitive(&blames, &pending, &mut results)
            }
            Err(error) if error.is_about_records() && pending.len() > 1 => {
                pending.iter().copied().collect()
            }
            Err(error) => {
                fail_all(&mut results, &mut pending, &Refusal::Error(error));
                break;
            }
        };
        for suspect in &suspects {
            if !results.contains_key(suspect) {
                let alone = load_alone(api, model, fields, records, *suspect, mode).await;
                results.insert(*suspect, alone);
            }
        }
        pending.retain(|i| !suspects.contains(i));
    }
    (0..records.len())
        .map(|i| {
            results
                .remove(&i)
                .unwrap_or(Err(Refusal::Error(OdooError::OutOfTime)))
        })
        .collect()
}

/// Suspects of a refused call; those with a text that is surely about them are settled at once.
fn settle_definitive(
    blames: &[crate::wire::Blame],
    pending: &[usize],
    results: &mut BTreeMap<usize, Result<i64, Refusal>>,
) -> BTreeSet<usize> {
    let mut suspects = BTreeSet::new();
    for blame in blames.iter().filter(|b| b.kind != "warning") {
        let Some(index) = blame.record.and_then(|r| pending.get(r)) else {
            continue;
        };
        suspects.insert(*index);
        if is_definitive(&blame.message) {
            let refusal = Refusal::Blamed(blame.message.clone());
            results.entry(*index).or_insert(Err(refusal));
        }
    }
    if suspects.is_empty() {
        suspects.extend(pending);
    }
    suspects
}

/// Texts of the reading of cells, which happens record by record, and of rights, which are the
/// same for every record.
fn is_definitive(message: &str) -> bool {
    message.starts_with("No matching record found for")
        || message.starts_with("Invalid external ID")
        || is_right(message)
}

pub(crate) fn is_right(message: &str) -> bool {
    message.starts_with("You are not allowed to")
}

async fn load_alone(
    api: &Api<'_>,
    model: &'static str,
    fields: &[&str],
    records: &[Record],
    index: usize,
    mode: LoadMode,
) -> Result<i64, Refusal> {
    match load_together(api, model, fields, records, &[index], mode).await {
        Ok(Loaded::Ids(ids)) => ids.first().copied().ok_or(Refusal::Error(OdooError::Shape(
            "load: one id for each record is needed",
        ))),
        Ok(Loaded::Refused(blames)) => Err(Refusal::Blamed(
            blames
                .into_iter()
                .map(|b| b.message)
                .next()
                .unwrap_or_default(),
        )),
        Err(error) => Err(Refusal::Error(error)),
    }
}

async fn load_together(
    api: &Api<'_>,
    model: &'static str,
    fields: &[&str],
    records: &[Record],
    pending: &[usize],
    mode: LoadMode,
) -> Result<Loaded, OdooError> {
    let data: Vec<Vec<Value>> = pending
        .iter()
        .filter_map(|i| records.get(*i))
        .flatten()
        .cloned()
        .collect();
    let mut attempt = 1;
    loop {
        let answer = api.load(model, fields, &data, mode).await;
        let lost = match &answer {
            Ok(Loaded::Refused(blames)) => blames.iter().any(|b| is_concurrency(&b.message)),
            Ok(Loaded::Ids(_)) => false,
            Err(error) => error.is_concurrency(),
        };
        if !lost || attempt >= ATTEMPTS {
            return answer;
        }
        attempt += 1;
    }
}

fn fail_all(
    results: &mut BTreeMap<usize, Result<i64, Refusal>>,
    pending: &mut Vec<usize>,
    refusal: &Refusal,
) {
    results.extend(pending.drain(..).map(|i| (i, Err(refusal.clone()))));
}

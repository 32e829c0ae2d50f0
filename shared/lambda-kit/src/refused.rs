//! Which levels of stock were refused, and not taken since.
//!
//! The case of a connection's refused stock is one. It is over when all that was refused has been
//! taken, not when something else has: nobody tells a count of goods twice.

use crate::documents::{self, Document};
use crate::levels::{levels_of, mark};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use waybill_flow::ports::{EffectStore, InfraError};
use waybill_model::command::Command;
use waybill_model::time::{DAY_MS, Instant};

/// What nobody told for so long is forgotten: the goods are gone.
const KEPT_DAYS: i64 = 30;
/// Most levels that are remembered, the newest. More are refused at once where a connection as a
/// whole is, and then all of them end with its mend.
const MAX_LEVELS: usize = 5000;

/// What a connection refused: when the command was issued, by what is counted where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RefusedLevels(BTreeMap<String, Instant>);

impl Document for RefusedLevels {
    const NAME: &'static str = "refused_levels";
}

impl RefusedLevels {
    /// Adds the levels of a command that was refused: which of them, nobody says.
    fn add(&mut self, command: &Command, issued: Instant) {
        self.0
            .retain(|_, at| issued.ms_since(*at) < KEPT_DAYS * DAY_MS);
        for level in levels_of(command) {
            let at = self.0.entry(mark(level)).or_insert(issued);
            *at = issued.max(*at);
        }
        while self.0.len() > MAX_LEVELS {
            let oldest = self.0.iter().min_by_key(|(_, at)| **at);
            let Some(oldest) = oldest.map(|(mark, _)| mark.clone()) else {
                break;
            };
            self.0.remove(&oldest);
        }
    }

    /// Takes off what a later command brought.
    fn take(&mut self, command: &Command, issued: Instant) {
        for level in levels_of(command) {
            let mark = mark(level);
            if self.0.get(&mark).is_some_and(|at| *at < issued) {
                self.0.remove(&mark);
            }
        }
    }

    /// Whether nothing is left of the places that the command is about.
    fn is_over(&self, command: &Command) -> bool {
        let places: BTreeSet<String> = levels_of(command)
            .iter()
            .map(|level| format!("{}#", level.location))
            .collect();
        let mut left = self.0.keys();
        !left.any(|mark| places.iter().any(|place| mark.starts_with(place)))
    }
}

/// Remembers that a command about stock was refused.
///
/// # Errors
/// The store failed; it may be remembered.
pub async fn note<E: EffectStore>(
    effects: &E,
    command: &Command,
    issued: Instant,
) -> Result<(), InfraError> {
    change(effects, command, |refused| refused.add(command, issued)).await?;
    Ok(())
}

/// Takes off what a command brought, and tells whether all that was refused of its places has been
/// taken by now.
///
/// # Errors
/// The store failed; it may be taken off.
pub async fn take<E: EffectStore>(
    effects: &E,
    command: &Command,
    issued: Instant,
) -> Result<bool, InfraError> {
    let left = change(effects, command, |refused| refused.take(command, issued)).await?;
    Ok(left.is_over(command))
}

async fn change<E: EffectStore>(
    effects: &E,
    command: &Command,
    change: impl Fn(&mut RefusedLevels),
) -> Result<RefusedLevels, InfraError> {
    let changed = documents::change(
        effects,
        command.connection(),
        RefusedLevels::default,
        |refused: &mut RefusedLevels| {
            let before = refused.clone();
            change(refused);
            (*refused != before).then_some(())
        },
    );
    Ok(changed.await?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use waybill_model::command::SetStock;
    use waybill_model::id::{ConnectionId, Sku};
    use waybill_model::quantity::Quantity;
    use waybill_model::stock::{StockKind, StockLevel};

    fn count(location: &str, skus: &[&str]) -> Command {
        let level = |sku: &&str| StockLevel {
            location: ConnectionId::new(location).unwrap(),
            sku: Sku::new(*sku).unwrap(),
            kind: StockKind::OnHand,
            quantity: Quantity::from_units(1).unwrap(),
            at: at(0),
            lot: None,
        };
        Command::SetStock(SetStock {
            erp: ConnectionId::new("odoo").unwrap(),
            levels: skus.iter().map(level).collect(),
        })
    }

    fn at(seconds: i64) -> Instant {
        Instant::from_epoch_s(1_700_000_000 + seconds)
    }

    #[test]
    fn a_refusal_is_over_once_each_of_its_levels_was_taken_later() {
        let mut refused = RefusedLevels::default();
        refused.add(&count("north", &["A", "B"]), at(2));
        refused.take(&count("north", &["A", "B"]), at(1));
        assert!(!refused.is_over(&count("north", &["A"])), "it came before");
        let other = count("north", &["C"]);
        refused.take(&other, at(3));
        assert!(!refused.is_over(&other));
        refused.take(&count("north", &["A"]), at(3));
        assert!(!refused.is_over(&other));
        refused.take(&count("north", &["B"]), at(3));
        assert!(refused.is_over(&other));
    }

    #[test]
    fn what_one_warehouse_counted_keeps_no_case_of_another_open() {
        let mut refused = RefusedLevels::default();
        refused.add(&count("north", &["A"]), at(1));
        assert!(refused.is_over(&count("north-east", &["A"])));
        assert!(!refused.is_over(&count("north", &["A"])));
    }

    #[test]
    fn what_is_old_is_forgotten_and_of_too_much_the_oldest() {
        let mut refused = RefusedLevels::default();
        refused.add(&count("north", &["A"]), at(0));
        let month = at(0).plus_ms(KEPT_DAYS * DAY_MS);
        refused.add(&count("north", &["B"]), month.plus_ms(-1));
        assert_eq!(refused.0.len(), 2);
        refused.add(&count("north", &["C"]), month);
        assert_eq!(refused.0.len(), 2, "{refused:?}");
        let names: Vec<String> = (0..MAX_LEVELS).map(|n| format!("S{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        refused.add(&count("north", &names), month.plus_ms(1));
        assert_eq!(refused.0.len(), MAX_LEVELS);
        assert!(refused.0.values().all(|at| *at == month.plus_ms(1)));
    }
}

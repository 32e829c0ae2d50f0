//! Stock levels that were overtaken are not written.
//!
//! Levels travel on standard queues and are retried for a day, counts for four: an older one may arrive after a newer
//! one, and would stand until the next full run. So the instant of the newest level is remembered
//! for each SKU of each place, and only what is not older is written.

use std::borrow::Cow;
use waybill_flow::ports::{EffectStore, InfraError};
use waybill_model::command::{Command, PublishStock, SetStock};
use waybill_model::stock::{StockKind, StockLevel};
use waybill_model::time::Instant;

/// The command without the levels that a newer command overtook; absent where none is left, and as
/// it is where it is not about stock. May be asked again for the same command.
///
/// To be asked last before the call, whatever waited before: for a seat, a turn, a batch. Of two
/// commands whose calls are under way at the same moment the older may still end last.
///
/// # Errors
/// The store failed; nothing may be written.
pub async fn newest<'a>(
    effects: &impl EffectStore,
    command: &'a Command,
) -> Result<Option<Cow<'a, Command>>, InfraError> {
    if !is_stock(command) {
        return Ok(Some(Cow::Borrowed(command)));
    }
    let levels = levels_of(command);
    let marks: Vec<(String, Instant)> = levels.iter().map(|l| (mark(l), l.at)).collect();
    let is_newest = effects.advance(command.connection(), &marks).await?;
    if is_newest.iter().all(|newest| *newest) {
        return Ok(Some(Cow::Borrowed(command)));
    }
    let kept: Vec<StockLevel> = levels
        .iter()
        .zip(is_newest)
        .filter(|(_, newest)| *newest)
        .map(|(level, _)| level.clone())
        .collect();
    if kept.is_empty() {
        return Ok(None);
    }
    Ok(Some(Cow::Owned(match command {
        Command::SetStock(c) => Command::SetStock(SetStock {
            levels: kept,
            ..c.clone()
        }),
        Command::PublishStock(c) => Command::PublishStock(PublishStock {
            levels: kept,
            ..c.clone()
        }),
        other => other.clone(),
    })))
}

/// Whether a command is about levels of stock and no order.
pub(crate) fn is_stock(command: &Command) -> bool {
    matches!(command, Command::SetStock(_) | Command::PublishStock(_))
}

/// The levels of a command; none of one that is not about stock.
pub(crate) fn levels_of(command: &Command) -> &[StockLevel] {
    match command {
        Command::SetStock(c) => &c.levels,
        Command::PublishStock(c) => &c.levels,
        _ => &[],
    }
}

/// What is counted where: of a place and a SKU there are several kinds of levels.
pub(crate) fn mark(level: &StockLevel) -> String {
    let kind = match level.kind {
        StockKind::OnHand => "on_hand",
        StockKind::Available => "available",
    };
    let lot = level.lot.as_ref().map(|lot| format!("#{lot}"));
    let lot = lot.unwrap_or_default();
    format!("{}#{kind}#{}{lot}", level.location, level.sku)
}

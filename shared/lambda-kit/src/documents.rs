//! The small documents that all sandboxes share, one of a kind for each connection: its breaker, its
//! quota and, of an ERP, its pace.
//!
//! They are JSON, kept as checkpoints and changed by compare-and-set. They protect partners and do
//! not keep orders right: what another version wrote, and this one cannot read, is begun anew.

use serde::Serialize;
use serde::de::DeserializeOwned;
use waybill_flow::breaker::Breaker;
use waybill_flow::pace::Pace;
use waybill_flow::ports::{EffectStore, InfraError};
use waybill_flow::quota::Quota;
use waybill_model::id::ConnectionId;

/// Times that a change is tried against others before it is left.
const ATTEMPTS: u32 = 8;

/// A kind of document.
pub trait Document: Clone + Serialize + DeserializeOwned {
    /// Name of its checkpoint.
    const NAME: &'static str;
}

impl Document for Breaker {
    const NAME: &'static str = "breaker";
}

impl Document for Quota {
    const NAME: &'static str = "quota";
}

impl Document for Pace {
    const NAME: &'static str = "pace";
}

/// A document as it was read or written last.
#[derive(Debug, Default)]
pub struct Kept<T> {
    /// What it says.
    pub value: T,
    text: Option<String>,
    is_unreadable: bool,
}

impl<T: Document> Kept<T> {
    /// What is kept; what nobody wrote, or another version, is what `anew` makes.
    ///
    /// # Errors
    /// The store failed.
    pub async fn read<E: EffectStore>(
        effects: &E,
        connection: &ConnectionId,
        anew: impl FnOnce() -> T,
    ) -> Result<Self, InfraError> {
        let text = effects.checkpoint(connection, T::NAME).await?;
        let read = text.as_deref().and_then(|t| serde_json::from_str(t).ok());
        Ok(Self {
            is_unreadable: text.is_some() && read.is_none(),
            value: read.unwrap_or_else(anew),
            text,
        })
    }

    /// Whether something is kept that this version cannot read, and the value was begun anew.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }

    /// Keeps `next` instead, if nobody kept another since: `false` where somebody did, and nothing
    /// was changed.
    ///
    /// # Errors
    /// The store failed; it may have been kept. Nothing is changed here.
    pub async fn swap<E: EffectStore>(
        &mut self,
        effects: &E,
        connection: &ConnectionId,
        next: &T,
    ) -> Result<bool, InfraError> {
        let text = serde_json::to_string(next).map_err(|error| InfraError::Corrupt {
            system: "effects",
            detail: format!("`{}` cannot be written: {error}", T::NAME),
        })?;
        let swapped = effects
            .swap_checkpoint(connection, T::NAME, self.text.as_deref(), &text)
            .await?;
        if swapped {
            *self = Self {
                value: next.clone(),
                text: Some(text),
                is_unreadable: false,
            };
        }
        Ok(swapped)
    }
}

/// Changes a document, against whoever changes it at the same time, and tells how it is then. Where
/// `change` gives nothing, nothing is written.
///
/// # Errors
/// The store failed, or others changed it all the time; it may have been changed.
pub async fn change<D: Document, T, E: EffectStore>(
    effects: &E,
    connection: &ConnectionId,
    anew: impl Fn() -> D,
    change: impl Fn(&mut D) -> Option<T>,
) -> Result<(D, Option<T>), InfraError> {
    for _ in 0..ATTEMPTS {
        let mut kept = Kept::read(effects, connection, &anew).await?;
        let mut next = kept.value.clone();
        let Some(changed) = change(&mut next) else {
            return Ok((next, None));
        };
        if kept.swap(effects, connection, &next).await? {
            return Ok((next, Some(changed)));
        }
    }
    Err(InfraError::Unavailable {
        system: "effects",
        detail: format!(
            "`{}` of `{connection}` changed {ATTEMPTS} times meanwhile",
            D::NAME
        ),
    })
}

//! Calls that overlap: who waits for whom, and what the loser gets.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::env::Env;
use super::fault::Fault;

/// What a call is about to write: external ids or records.
pub(super) type Keys = Vec<String>;

/// The keys of calls under way.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    held: Mutex<BTreeMap<String, usize>>,
    freed: Notify,
}

/// Holds keys until the call has committed.
#[derive(Debug)]
pub(super) struct Hold {
    owner: Arc<InFlight>,
    keys: Keys,
}

impl InFlight {
    /// Waits until nobody else writes one of `keys`. True when it had to wait: this call has lost.
    pub(super) async fn enter(self: &Arc<Self>, keys: Keys) -> (Hold, bool) {
        let mut waited = false;
        loop {
            let freed = self.freed.notified();
            if self.try_hold(&keys) {
                return (
                    Hold {
                        owner: Arc::clone(self),
                        keys,
                    },
                    waited,
                );
            }
            waited = true;
            freed.await;
        }
    }

    fn try_hold(&self, keys: &Keys) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.iter().any(|key| held.contains_key(key)) {
            return false;
        }
        for key in keys {
            *held.entry(key.clone()).or_default() += 1;
        }
        true
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self
            .owner
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            held.remove(key);
        }
        drop(held);
        self.owner.freed.notify_waiters();
    }
}

/// The context key by which a call knows that it lost against a concurrent one.
pub(super) const LOST: &str = "__waybill_lost";

/// Raises the serialization failure that PostgreSQL gives to the loser of two loads at its first write.
pub(super) fn check_conflict(env: &Env<'_>) -> Result<(), Fault> {
    if env.flag(LOST) {
        Err(Fault::serialization())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_holder_of_a_key_waits_and_knows_it() {
        let flight = Arc::new(InFlight::default());
        let (first, waited) = flight.enter(vec!["shop.so_1".into()]).await;
        assert!(!waited);
        let other = Arc::clone(&flight);
        let second = tokio::spawn(async move { other.enter(vec!["shop.so_1".into()]).await.1 });
        tokio::task::yield_now().await;
        drop(first);
        assert!(second.await.expect("the waiter ends"));
        assert!(!flight.enter(vec!["shop.so_2".into()]).await.1);
    }
}

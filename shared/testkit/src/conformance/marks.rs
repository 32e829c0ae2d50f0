//! Seen marks and checkpoints.

use super::Bench;
use crate::build::{connection, message, start};
use waybill_flow::ports::EffectStore;
use waybill_model::id::MessageId;

/// More than one batch of 100 keys or 25 items takes.
const MANY: usize = 230;
/// Text of a checkpoint larger than an item, as it is before compression.
const LARGE_CHECKPOINT: usize = 1024 * 1024;

/// Only they, in the order asked, and asking for none gives none.
pub async fn marked_deliveries_are_seen<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    let (one, two, three) = (message("d-1"), message("d-2"), message("d-3"));
    let later = start().plus_ms(60_000);
    assert_eq!(store.seen(&[]).await.unwrap(), vec![]);
    store.mark_seen(&[], later).await.unwrap();
    let marks = [three.clone(), one.clone(), one.clone()];
    store.mark_seen(&marks, later).await.unwrap();
    let asked = [one.clone(), two, three.clone()];
    assert_eq!(store.seen(&asked).await.unwrap(), vec![one, three]);
}

/// Marking again prolongs.
pub async fn marks_expire_to_the_second<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    let ids = [message("d-1")];
    let expires = start().plus_ms(60_000);
    store.mark_seen(&ids, expires).await.unwrap();
    bench.clock.set(expires.plus_ms(-1000));
    assert_eq!(store.seen(&ids).await.unwrap().len(), 1);
    bench.clock.set(expires);
    assert_eq!(store.seen(&ids).await.unwrap(), vec![]);
    let later = expires.plus_ms(60_000);
    store.mark_seen(&ids, later).await.unwrap();
    assert_eq!(store.seen(&ids).await.unwrap().len(), 1);
}

/// None is lost between batches.
pub async fn more_marks_than_one_batch_takes_are_all_seen<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    let name = |n: usize| message(&format!("d-{n}"));
    let ids: Vec<MessageId> = (0..MANY).map(name).collect();
    let marked = store.mark_seen(&ids, start().plus_ms(60_000)).await;
    marked.unwrap();
    assert_eq!(store.seen(&ids).await.unwrap(), ids);
}

/// The newest value, of this connection and name only.
pub async fn checkpoints_are_kept_by_connection_and_name<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    let (shop, other) = (connection("shop-main"), connection("shop-eu"));
    let cursor = store.checkpoint(&shop, "cursor").await.unwrap();
    assert_eq!(cursor, None);
    for value in ["1", "", "grün"] {
        store.set_checkpoint(&shop, "cursor", value).await.unwrap();
        let cursor = store.checkpoint(&shop, "cursor").await.unwrap();
        assert_eq!(cursor.as_deref(), Some(value));
    }
    let name = store.checkpoint(&shop, "stock").await.unwrap();
    assert_eq!(name, None);
    assert_eq!(store.checkpoint(&other, "cursor").await.unwrap(), None);
}

/// Only what is expected is replaced, whoever wrote it.
pub async fn a_checkpoint_is_swapped_by_what_is_expected<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    let erp = connection("odoo-main");
    let swap = async |expected: Option<&str>, value: &str| {
        let swapped = store.swap_checkpoint(&erp, "pace", expected, value).await;
        swapped.unwrap()
    };
    assert!(!swap(Some("1"), "2").await, "there is nothing yet");
    assert!(swap(None, "1").await);
    assert!(!swap(None, "2").await);
    assert!(swap(Some("1"), "2").await);
    assert!(!swap(Some("1"), "3").await);
    let kept = store.checkpoint(&erp, "pace").await.unwrap();
    assert_eq!(kept.as_deref(), Some("2"));
    store.set_checkpoint(&erp, "pace", "4").await.unwrap();
    assert!(!swap(Some("2"), "5").await);
    assert!(swap(Some("4"), "5").await);
}

/// The other finds its expectation wrong.
pub async fn of_concurrent_swaps_exactly_one_is_done<S: EffectStore + 'static>(bench: Bench<S>) {
    let mut racers = tokio::task::JoinSet::new();
    for n in 0..8 {
        let store = bench.store.clone();
        racers.spawn(async move {
            let (erp, value) = (connection("odoo-main"), n.to_string());
            let swapped = store.swap_checkpoint(&erp, "pace", None, &value).await;
            swapped.unwrap()
        });
    }
    let done = racers.join_all().await;
    assert_eq!(done.into_iter().filter(|done| *done).count(), 1);
}

/// The stock of a large catalogue.
pub async fn a_large_checkpoint_survives<S: EffectStore>(bench: Bench<S>) {
    let store = &*bench.store;
    let shop = connection("shop-main");
    let line = |n: usize| format!("{{\"sku\":\"SKU-{n}\",\"available\":{}}}", n * 7919 % 500);
    let mut value = String::new();
    for n in 0.. {
        value.push_str(&line(n));
        if value.len() >= LARGE_CHECKPOINT {
            break;
        }
    }
    let kept = store.set_checkpoint(&shop, "stock", &value).await;
    kept.unwrap();
    let found = store.checkpoint(&shop, "stock").await.unwrap();
    assert!(found == Some(value));
}

//! Notes that functions keep for themselves and each other, as another version or a person may have
//! left them.

use crate::draw::Draw;
use crate::model::commands::commands;
use crate::model::{self, state};
use crate::mutate;
use crate::properties::{document, survives_the_wire};
use crate::world::World;
use serde_json::{Value, json};
use std::sync::OnceLock;
use waybill_flow::breaker::{Admission, Breaker, Signal};
use waybill_flow::pace::{Cap, Lane, Pace, Sample};
use waybill_flow::ports::Queue;
use waybill_flow::quota::{Quota, Rate};
use waybill_model::command::CommandQueue;
use waybill_testkit::build;

const AT: &str = "2026-01-31T09:00:00Z";

/// After the moment at which the clock of a world stands.
const UNTIL: &str = "2026-01-31T09:40:00Z";

/// What the jobs keep between their runs, by its name.
fn of_jobs() -> [(&'static str, Value); 6] {
    [
        (
            "poll",
            json!({"since": AT, "cursor": "page-2", "started": AT, "found_at": AT}),
        ),
        // Not JSON: the instant as it is.
        ("poll_from", json!(AT)),
        (
            "stock",
            json!({"read_at": AT, "full_at": AT, "levels": {"MUG": "4"}}),
        ),
        (
            "webhooks",
            json!({"stood_at": AT, "gap_since": AT, "unpolled": ["orders/delete"], "made_at": AT,
            "suspected_at": AT}),
        ),
        ("key_lease", json!({ "until": AT })),
        (
            "compare",
            json!({"missing_in_odoo/Open": format!("{AT}#1"), "total_differs/Ignored": format!("{AT}#2")}),
        ),
    ]
}

/// What is kept about an endpoint, by its name.
fn of_endpoints() -> [(&'static str, Value); 5] {
    [
        (
            "breaker",
            json!({"phase": "open", "until": UNTIL, "failed_probes": 3, "since": AT, "code": "x"}),
        ),
        (
            "breaker",
            json!({"phase": "probing", "owner": "me", "until": UNTIL}),
        ),
        ("breaker", json!({"phase": "closed"})),
        ("quota", json!({"used_up_us": 1_769_852_400_000_000_i64})),
        ("pace", model::pace()),
    ]
}

/// A note about an endpoint: name and text.
pub(super) fn endpoint(draw: &mut Draw<'_>) -> (&'static str, String) {
    let (name, note) = draw.of(&of_endpoints()).clone();
    (name, text(note, draw))
}

fn text(note: Value, draw: &mut Draw<'_>) -> String {
    let made = mutate::document(&[note], draw);
    String::from_utf8_lossy(&made).into_owned()
}

/// Jobs of the schedule, and the notes that they find of earlier runs: none of them keeps a job from
/// running to its end.
///
/// # Panics
/// One does.
pub fn jobs(input: &[u8]) {
    let mut draw = Draw::new(input);
    let job = *draw.of(&["poll", "overdue", "compare", "stock", "keys", "webhooks"]);
    let made = match draw.once_in(8) {
        true => mutate::document(&[json!({ "job": job })], &mut draw),
        false => json!({ "job": job }).to_string().into_bytes(),
    };
    // What names no job is refused by the runtime.
    let Ok(request) = serde_json::from_slice::<reconciler::Request>(&made) else {
        return;
    };
    survives_the_wire(&request.job);
    let state = state::state();
    let notes = of_jobs();
    let world = World::new();
    crate::block_on(async {
        world.with_an_order().await;
        world.put(state::order().correlation(), state.clone()).await;
        for _ in 0..=draw.below(4) {
            let (name, note) = draw.of(&notes).clone();
            let note = text(note, &mut draw);
            let note = match name {
                "poll_from" => note.trim_matches('"'),
                _ => &note,
            };
            world.keep(name, note).await;
        }
        // The second run finds what the first one kept.
        for _ in 0..2 {
            let report = world.job(request).await;
            assert!(report.is_ok(), "{report:?}");
        }
    });
}

/// Notes of all sandboxes about one endpoint: whatever is kept, nobody is shut out for long.
///
/// # Panics
/// Somebody is.
pub fn breakers(input: &[u8]) {
    let mut draw = Draw::new(input);
    let now = build::start().plus_ms(draw.number().cast_signed() >> (20 + draw.below(44)));
    let (name, made) = endpoint(&mut draw);
    let wait_ms = draw.number() >> draw.below(64);
    if let Some(mut breaker) = document::<Breaker>(made.as_bytes()) {
        for _ in 0..4 {
            if let Admission::Wait { ms } = breaker.admit("me", now, 30_000) {
                assert!(ms <= LONG_MS.unsigned_abs(), "shut out for {ms} ms");
            }
            let signals = [
                Signal::Alive,
                Signal::Nothing,
                Signal::Down,
                Signal::Throttled { wait_ms },
            ];
            let signal = draw.of(&signals);
            breaker.open(signal, "code", now);
            breaker.probed("me", signal, "code", now);
            survives_the_wire(&breaker);
        }
    }
    if let Some(mut quota) = document::<Quota>(made.as_bytes()) {
        let rate = Rate::new(u32::try_from(draw.number() >> 32).unwrap_or_default());
        let (Ok(ms) | Err(ms)) = quota.reserve(1 + u32::from(draw.byte()), rate, now, 60_000);
        assert!(ms <= LONG_MS.unsigned_abs(), "to wait for {ms} ms");
        survives_the_wire(&quota);
    }
    if let Some(pace) = document::<Pace>(made.as_bytes()) {
        paced(pace, now, &mut draw);
    }
    called(name, &made);
}

/// Longest that anybody may have to wait, in milliseconds: the hour that an endpoint may ask for, and
/// what clocks may be apart.
const LONG_MS: i64 = 65 * 60 * 1000;

/// Writers keep within what people set, and none waits for a seat for ever.
fn paced(pace: Pace, now: waybill_model::time::Instant, draw: &mut Draw<'_>) {
    let number = |draw: &mut Draw<'_>| u32::from(draw.byte());
    let cap = Cap {
        batch: 1 + number(draw) % 100,
        writers: 1 + number(draw) % 20,
    };
    let mut pace = pace.within(cap);
    let lease_ms = odoo_writer::LEASE_MS;
    for _ in 0..4 {
        let lane = *draw.of(&[Lane::Orders, Lane::Bulk]);
        let seat = pace.sit_down("me", lane, now, now.plus_ms(lease_ms));
        let sample = Sample {
            commands: number(draw) % (cap.batch + 1),
            took_ms: u32::try_from(draw.number() >> (32 + draw.below(32))).unwrap_or_default(),
            at_once: seat.unwrap_or(1),
            troubled: draw.once_in(4),
        };
        pace.learn(sample, now, cap);
        pace.stand_up("me");
        assert!((1..=cap.batch).contains(&pace.batch), "{pace:?}, {cap:?}");
        assert!(
            (1..=cap.writers).contains(&pace.writers),
            "{pace:?}, {cap:?}"
        );
        std::hint::black_box(pace.per_minute());
        survives_the_wire(&pace);
    }
    let later = now.plus_ms(LONG_MS);
    let seat = pace.sit_down("me", Lane::Orders, later, later.plus_ms(lease_ms));
    assert!(seat.is_some(), "no seat after {LONG_MS} ms: {pace:?}");
}

/// Commands are carried out in spite of the note: at once, or when the longest wait is over.
fn called(name: &str, note: &str) {
    let world = World::new();
    crate::block_on_asleep(async {
        world.keep(name, note).await;
        for (queue, first, second) in [
            (CommandQueue::Erp, "invoice.create", "sale_order.cancel"),
            (
                CommandQueue::Fulfillment,
                "fulfillment_order.create",
                "fulfillment_order.cancel",
            ),
        ] {
            let queue = Queue::Commands(queue);
            world.takes(queue, &command(first)).await;
            world.pass(LONG_MS);
            let taken = world.takes(queue, &command(second)).await;
            assert!(taken, "`{name}` shuts out for ever: {note}");
        }
    });
}

fn command(kind: &str) -> String {
    static COMMANDS: OnceLock<Vec<Value>> = OnceLock::new();
    let kind = format!("waybill.{kind}");
    let mut all = COMMANDS.get_or_init(commands).iter();
    all.find(|c| c["type"] == kind.as_str())
        .unwrap()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each note keeps somebody out for a while: it is read by whoever calls, and not taken for one of
    /// another version.
    #[test]
    fn notes_about_endpoints_are_read() {
        for (name, note) in of_endpoints() {
            let (queue, kind) = match name {
                "quota" => (CommandQueue::Fulfillment, "fulfillment_order.create"),
                _ => (CommandQueue::Erp, "invoice.create"),
            };
            let world = World::new();
            let taken = crate::block_on_asleep(async {
                world.keep(name, &note.to_string()).await;
                world.takes(Queue::Commands(queue), &command(kind)).await
            });
            assert_eq!(taken, note["phase"] == "closed", "{name}: {note}");
        }
    }

    /// Each job finds something to do where nothing is in its way, so that it comes to its notes.
    #[test]
    fn every_job_has_work() {
        let state = state::state();
        for job in ["poll", "overdue", "compare", "stock", "keys", "webhooks"] {
            let world = World::new();
            let request = serde_json::from_value(json!({ "job": job })).unwrap();
            let report = crate::block_on(async {
                world.put(state::order().correlation(), state.clone()).await;
                world.job(request).await
            });
            assert!(report.unwrap().looked_at > 0, "nothing to do for `{job}`");
        }
    }
}

//! Calls that overlap, and answers that are lost.

use super::cases;
use crate::odoo_contract::cx::{Checked, Cx, Halt, ensure, ids, messages, text};
use crate::odoo_contract::draft::Draft;
use crate::odoo_contract::wire::{Ask, Said};
use serde_json::{Value, json};
use std::time::Duration;

cases! { "concurrency":
    identical_loads_at_once => "two identical loads at once write every order once",
    the_loser_is_told => "the loser of two loads is told that access could not be serialized, for every record",
    answer_of_a_load_lost_while_it_runs => "a load whose connection was cut goes on, and repeats at once end with its ids",
    answer_of_a_load_lost_after_its_commit => "a load whose answer was lost after the commit is repeated without effect",
    answer_of_a_confirm_lost_while_it_runs => "a confirm whose connection was cut goes on; a repeat at once is told by name and harms nothing",
    answer_of_a_confirm_lost_after_its_commit => "a confirm whose answer was lost is told as a wrong state when repeated",
    overlapping_batches => "two batches that share an order write it once",
    two_confirms_of_one_order => "two confirms at once leave one delivery",
    partners_at_once => "two loads of one customer at once make one record",
    a_write_that_never_gets_through slow => "a call whose retries are exhausted is told as SerializationFailure",
}

/// Tries that end a case as not provoked.
const TRIES: usize = 6;
/// Tries until a repeat must have an answer.
const REPEATS: usize = 12;
const PAUSE: Duration = Duration::from_millis(250);

fn is_lost_race(message: &str) -> bool {
    [
        "could not serialize access",
        "deadlock detected",
        "could not obtain lock",
    ]
    .iter()
    .any(|t| message.contains(t))
}

/// Whether a load was refused for every record that it blames because another was quicker.
fn lost_race(said: &Said) -> bool {
    let Some(messages) = messages(said) else {
        return matches!(said, Said::Fault { message, .. } if is_lost_race(message));
    };
    let mut blamed = messages
        .iter()
        .filter(|m| text(m, "type") == "error")
        .peekable();
    blamed.peek().is_some() && blamed.all(|m| is_lost_race(&text(m, "message")))
}

/// Makes the call until it has ids; everything before must be a lost race.
async fn until_loaded(cx: &Cx<'_>, ask: &Ask) -> Checked<Vec<i64>> {
    for _ in 0..REPEATS {
        let said = cx.ask(ask.clone()).await;
        if let Some(ids) = ids(&said) {
            return Ok(ids);
        }
        ensure!(lost_race(&said), "a repeat is answered {said:?}");
        tokio::time::sleep(PAUSE).await;
    }
    Err(Halt::Broken(format!("no ids after {REPEATS} repeats")))
}

/// Every order is there once, with its lines.
async fn once(cx: &Cx<'_>, drafts: &[Draft], expected: &[i64]) -> Checked {
    let references: Vec<&str> = drafts.iter().map(|d| d.reference.as_str()).collect();
    let rows = cx
        .rows(
            "sale.order",
            json!([["client_order_ref", "in", references]]),
            &["order_line"],
        )
        .await?;
    ensure!(
        rows.len() == drafts.len(),
        "{} orders for {}",
        rows.len(),
        drafts.len()
    );
    let lines: usize = rows
        .iter()
        .map(|r| {
            r.get("order_line")
                .and_then(Value::as_array)
                .map_or(0, Vec::len)
        })
        .sum();
    ensure!(
        lines == 2 * drafts.len(),
        "{lines} lines for {} orders of two",
        drafts.len()
    );
    let found: std::collections::BTreeSet<i64> =
        rows.iter().map(crate::odoo_contract::cx::id).collect();
    ensure!(
        found == expected.iter().copied().collect(),
        "{found:?} are there, {expected:?} was answered"
    );
    Ok(())
}

async fn identical_loads_at_once(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    for count in [1, 6] {
        let drafts = cx.drafts(&partner, count);
        let ask = cx.load_orders(&drafts);
        let (one, two) = tokio::join!(cx.ask(ask.clone()), cx.ask(ask.clone()));
        for said in [&one, &two] {
            ensure!(ids(said).is_some() || lost_race(said), "{said:?}");
        }
        let winner = ids(&one).or_else(|| ids(&two));
        let again = until_loaded(cx, &ask).await?;
        if let Some(winner) = winner {
            ensure!(
                winner == again,
                "the repeat answers {again:?}, the winner {winner:?}"
            );
        }
        once(cx, &drafts, &again).await?;
    }
    Ok(())
}

async fn the_loser_is_told(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    for _ in 0..TRIES {
        let drafts = cx.drafts(&partner, 6);
        let ask = cx.load_orders(&drafts);
        let (one, two) = tokio::join!(cx.ask(ask.clone()), cx.ask(ask.clone()));
        let loser = [&one, &two].into_iter().find(|s| messages(s).is_some());
        if let Some(loser) = loser {
            ensure!(lost_race(loser), "{loser:?}");
            cx.note_load("answer", loser);
            return Ok(());
        }
    }
    Err(Halt::NotProvoked(format!(
        "{TRIES} pairs of identical loads at once: the server's own retries served each loser"
    )))
}

/// Sends a call and cuts the connection after a while; false where the answer was there before.
async fn cut(cx: &Cx<'_>, ask: &Ask, after: Duration) -> bool {
    // Dropping the future closes the connection.
    tokio::time::timeout(after, cx.ask(ask.clone()))
        .await
        .is_err()
}

fn not_cut() -> Halt {
    Halt::NotProvoked(format!(
        "{TRIES} answers came before the connection was cut"
    ))
}

/// Long enough for the call to arrive and short enough to be answered later.
fn soon(cx: &Cx<'_>) -> Duration {
    Duration::from_millis(if cx.target.sim.is_some() { 40 } else { 200 })
}

/// Orders whose load was cut while it ran.
async fn cut_load(cx: &Cx<'_>, count: usize) -> Checked<Vec<Draft>> {
    let partner = cx.partner().await?;
    for _ in 0..TRIES {
        let drafts = cx.drafts(&partner, count);
        if cut(cx, &cx.load_orders(&drafts), soon(cx)).await {
            return Ok(drafts);
        }
    }
    Err(not_cut())
}

/// Orders whose confirm was cut while it ran.
async fn cut_confirm(cx: &Cx<'_>, count: usize) -> Checked<Vec<i64>> {
    let partner = cx.partner().await?;
    for _ in 0..TRIES {
        let orders = cx.quotations(&cx.drafts(&partner, count)).await?;
        if cut(cx, &cx.confirm(&orders), soon(cx)).await {
            return Ok(orders);
        }
    }
    Err(not_cut())
}

async fn answer_of_a_load_lost_while_it_runs(cx: &Cx<'_>) -> Checked {
    let drafts = cut_load(cx, 15).await?;
    let ask = cx.load_orders(&drafts);
    let ids = until_loaded(cx, &ask).await?;
    let again = until_loaded(cx, &ask).await?;
    ensure!(ids == again, "two repeats answer {ids:?} and {again:?}");
    once(cx, &drafts, &ids).await
}

async fn answer_of_a_load_lost_after_its_commit(cx: &Cx<'_>) -> Checked {
    let drafts = cut_load(cx, 6).await?;
    let references: Vec<&str> = drafts.iter().map(|d| d.reference.as_str()).collect();
    let mut there = 0;
    for _ in 0..REPEATS * 4 {
        there = cx
            .count(
                "sale.order",
                json!([["client_order_ref", "in", references]]),
            )
            .await?;
        if there > 0 {
            break;
        }
        tokio::time::sleep(PAUSE / 2).await;
    }
    // All or nothing: who sees one sees all.
    ensure!(
        there == 6,
        "{there} orders are there after the answer was lost"
    );
    let said = cx.ask(cx.load_orders(&drafts)).await;
    cx.note_load("repeat", &said);
    once(cx, &drafts, &ids(&said).unwrap_or_default()).await
}

async fn one_delivery_each(cx: &Cx<'_>, orders: &[i64]) -> Checked {
    let states = cx.states(orders).await?;
    ensure!(states.iter().all(|s| s == "sale"), "{states:?}");
    let transfers = cx.transfers(orders).await?;
    ensure!(
        transfers.len() == orders.len(),
        "{} deliveries for {} orders",
        transfers.len(),
        orders.len()
    );
    Ok(())
}

/// Waits until a confirm that nobody waits for is done.
async fn until_confirmed(cx: &Cx<'_>, orders: &[i64]) -> Checked {
    for _ in 0..REPEATS * 8 {
        if cx.states(orders).await?.iter().all(|s| s == "sale") {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Halt::Broken(
        "the confirm whose connection was cut is not done".to_owned(),
    ))
}

async fn answer_of_a_confirm_lost_while_it_runs(cx: &Cx<'_>) -> Checked {
    for _ in 0..TRIES {
        let orders = cut_confirm(cx, 6).await?;
        let said = cx.ask(cx.confirm(&orders)).await;
        let told = match &said {
            // The first had not begun.
            Said::Result(_) => false,
            Said::Fault { name, message, .. } => {
                let lost = is_lost_race(message)
                    || message.contains("partner cannot follow twice the same object");
                let late = message.contains("not in a state requiring confirmation");
                ensure!(lost || late, "{name}: {message}");
                true
            }
            other => return Err(format!("{other:?}").into()),
        };
        until_confirmed(cx, &orders).await?;
        one_delivery_each(cx, &orders).await?;
        if told {
            return Ok(());
        }
    }
    Err(Halt::NotProvoked(format!(
        "{TRIES} repeats were answered as if they were the first"
    )))
}

async fn answer_of_a_confirm_lost_after_its_commit(cx: &Cx<'_>) -> Checked {
    let orders = cut_confirm(cx, 4).await?;
    until_confirmed(cx, &orders).await?;
    let said = cx.ask(cx.confirm(&orders)).await;
    cx.note_said("repeat", &said);
    let late = matches!(&said, Said::Fault { message, .. } if message.contains("not in a state requiring confirmation"));
    ensure!(late, "{said:?}");
    one_delivery_each(cx, &orders).await
}

async fn overlapping_batches(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let drafts = cx.drafts(&partner, 5);
    let first = cx.load_orders(drafts.get(..3).unwrap_or_default());
    let second = cx.load_orders(drafts.get(2..).unwrap_or_default());
    let (one, two) = tokio::join!(cx.ask(first.clone()), cx.ask(second.clone()));
    for said in [&one, &two] {
        ensure!(ids(said).is_some() || lost_race(said), "{said:?}");
    }
    let one = until_loaded(cx, &first).await?;
    let two = until_loaded(cx, &second).await?;
    ensure!(
        one.last() == two.first(),
        "the shared order has two ids: {one:?} {two:?}"
    );
    let all: Vec<i64> = one.iter().chain(two.iter().skip(1)).copied().collect();
    once(cx, &drafts, &all).await
}

async fn two_confirms_of_one_order(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let orders = cx.quotations(&cx.drafts(&partner, 3)).await?;
    let ask = cx.confirm(&orders);
    let (one, two) = tokio::join!(cx.ask(ask.clone()), cx.ask(ask.clone()));
    let won = [&one, &two]
        .iter()
        .filter(|s| matches!(s, Said::Result(_)))
        .count();
    ensure!(won == 1, "{won} of two confirms succeed: {one:?} {two:?}");
    one_delivery_each(cx, &orders).await
}

async fn partners_at_once(cx: &Cx<'_>) -> Checked {
    let id = cx.external_id("cu");
    let ask = cx.insert("res.partner", &["id", "name"], json!([[id, cx.token]]));
    let (one, two) = tokio::join!(cx.ask(ask.clone()), cx.ask(ask.clone()));
    for said in [&one, &two] {
        ensure!(ids(said).is_some() || lost_race(said), "{said:?}");
    }
    until_loaded(cx, &ask).await?;
    let there = cx
        .count("res.partner", json!([["name", "=", cx.token]]))
        .await?;
    ensure!(there == 1, "{there} records of one customer");
    Ok(())
}

/// One call takes long over an order that others write without end: its own tries are used up.
async fn a_write_that_never_gets_through(cx: &Cx<'_>) -> Checked {
    let partner = cx.partner().await?;
    let orders = cx.quotations(&cx.drafts(&partner, 12)).await?;
    if let Some(sim) = &cx.target.sim {
        sim.inject(waybill_simulators::odoo::Injection {
            model: "sale.order".to_owned(),
            method: "action_confirm".to_owned(),
            times: 1,
            serialization: true,
            delay_ms: 0,
        });
    }
    let hammered = orders.last().copied().unwrap_or_default();
    let over = std::sync::atomic::AtomicBool::new(false);
    let hammer = async {
        let mut n = 0_u32;
        while !over.load(std::sync::atomic::Ordering::Relaxed) {
            n += 1;
            let write = Ask::on("sale.order", "write", &[hammered])
                .arg("vals", json!({"client_order_ref": format!("{n}")}));
            // Its own fate is of no interest.
            drop(cx.ask(write).await);
        }
    };
    let victim = async {
        let said = cx.ask(cx.confirm(&orders)).await;
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        said
    };
    let (said, ()) = tokio::join!(victim, hammer);
    match &said {
        Said::Fault { name, message, .. } if name == "psycopg2.errors.SerializationFailure" => {
            ensure!(is_lost_race(message), "{message}");
            cx.note_said("answer", &said);
            let states = cx.states(&orders).await?;
            ensure!(states.iter().all(|s| s == "draft"), "{states:?}");
            Ok(())
        }
        Said::Result(_) => Err(Halt::NotProvoked(
            "the call got through between the others".to_owned(),
        )),
        other => Err(format!("{other:?}").into()),
    }
}

//! Payments, their journal entries, and what is set off against what.
//!
//! Of the entries only the line on the customer's account is kept: it is what callers see and reconcile.
use serde_json::{Value, json};

use super::access::Right;
use super::env::{Env, Vals, World, cents, link};
use super::fault::{Class, Fault};
use super::{Version, compute, db::Db, orm};

const NO_METHOD: &str = "Please define a payment method line on your payment.";

/// The entry that a payment makes: with it in 17, when it is posted in 19.
pub(super) fn create(env: &mut Env<'_>, mut vals: Vals) -> Result<i64, Fault> {
    let journal = vals.get("journal_id").and_then(Value::as_i64).unwrap_or(0);
    if !matches!(
        env.db.text("account.journal", journal, "type"),
        "bank" | "cash"
    ) {
        return Err(Fault::new(Class::Validation, NO_METHOD));
    }
    vals.entry("date".into())
        .or_insert_with(|| env.today_text());
    vals.insert("company_id".into(), json!(env.company()));
    let id = orm::insert(env, "account.payment", vals)?;
    if env.version() == Version::V17 {
        make_entry(env, id)?;
    }
    Ok(id)
}

fn make_entry(env: &mut Env<'_>, payment: i64) -> Result<i64, Fault> {
    let number = env.db.next_in("account.payment");
    let year = env.now.strftime("%Y").to_string();
    let name = Value::from(format!("PBNK1/{year}/{number:05}"));
    let memo = memo_field(env.version());
    let mut vals = Vals::new();
    vals.insert("name".into(), name.clone());
    vals.insert("move_type".into(), Value::from("entry"));
    vals.insert(
        "ref".into(),
        env.db.get("account.payment", payment, memo).clone(),
    );
    for field in ["partner_id", "journal_id", "currency_id", "date"] {
        let value = env.db.get("account.payment", payment, field).clone();
        vals.insert(field.into(), value);
    }
    vals.insert("company_id".into(), json!(env.company()));
    let entry = orm::insert(env, "account.move", vals)?;
    env.db
        .set("account.move", entry, "__payment", json!(payment));
    env.db.set("account.payment", payment, "name", name);
    env.db
        .set("account.payment", payment, "move_id", json!(entry));
    open_line(env, entry)?;
    Ok(entry)
}

pub(super) fn memo_field(version: Version) -> &'static str {
    match version {
        Version::V17 => "ref",
        Version::V19 => "memo",
    }
}

/// The line of a move on the customer's account; no line of the invoice.
pub(super) fn open_line(env: &mut Env<'_>, entry: i64) -> Result<(), Fault> {
    let lines = env
        .db
        .get("account.move", entry, "invoice_line_ids")
        .clone();
    let mut vals = Vals::new();
    vals.insert("move_id".into(), json!(entry));
    vals.insert("display_type".into(), Value::from("payment_term"));
    vals.insert("account_id".into(), link(receivable(env.db)));
    orm::insert(env, "account.move.line", vals)?;
    env.db.set("account.move", entry, "invoice_line_ids", lines);
    Ok(())
}

fn receivable(db: &Db) -> i64 {
    let kind = Value::from("asset_receivable");
    db.find("account.account", "account_type", &kind)
        .unwrap_or(0)
}

pub(super) fn action_post(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("account.payment", Right::Write)?;
    env.check_exist("account.payment", ids)?;
    for id in ids.iter().copied() {
        match env.version() {
            Version::V17 => {
                if env.db.text("account.payment", id, "state") != "draft" {
                    let entry = env.db.id_in("account.payment", id, "move_id");
                    let name = env.db.text("account.payment", id, "name");
                    let text = format!("The entry {name} (id {entry}) must be in draft.");
                    return Err(Fault::user(text));
                }
                set_state(env, id, "posted", "posted");
            }
            Version::V19 => {
                if env.db.id_in("account.payment", id, "move_id") == 0 {
                    make_entry(env, id)?;
                }
                if env.db.text("account.payment", id, "state") == "draft" {
                    set_state(env, id, "in_process", "posted");
                }
            }
        }
    }
    Ok(Value::Null)
}

fn set_state(env: &mut Env<'_>, id: i64, payment: &str, entry: &str) {
    let move_id = env.db.id_in("account.payment", id, "move_id");
    env.db
        .set("account.payment", id, "state", Value::from(payment));
    env.db
        .set("account.move", move_id, "state", Value::from(entry));
}

/// Cancelling frees what the payment was set off against.
pub(super) fn action_cancel(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("account.payment", Right::Write)?;
    env.check_exist("account.payment", ids)?;
    for id in ids.iter().copied() {
        let entry = env.db.id_in("account.payment", id, "move_id");
        if env.db.text("account.move", entry, "state") == "cancel" {
            return Err(Fault::user("Only draft journal entries can be cancelled."));
        }
        let state = match env.version() {
            Version::V17 => "cancel",
            Version::V19 => "canceled",
        };
        set_state(env, id, state, "cancel");
        env.db.set("account.move", entry, "__settled", json!([]));
        for other in env.db.all("account.move") {
            let items = env.db.get("account.move", other, "__settled").clone();
            let Some(items) = items.as_array() else {
                continue;
            };
            let kept = items
                .iter()
                .filter(|item| item.get("entry") != Some(&json!(entry)));
            let kept: Vec<Value> = kept.cloned().collect();
            if kept.len() < items.len() {
                env.db
                    .set("account.move", other, "__settled", Value::Array(kept));
            }
        }
    }
    Ok(Value::Null)
}

/// `account.move.line.reconcile`: what is owed against what was paid, oldest first.
pub(super) fn reconcile(env: &mut Env<'_>, ids: &[i64]) -> Result<Value, Fault> {
    env.check("account.move.line", Right::Write)?;
    env.check_exist("account.move.line", ids)?;
    let moves: Vec<i64> = ids
        .iter()
        .map(|id| env.db.id_in("account.move.line", *id, "move_id"))
        .collect();
    let open = |env: &Env<'_>, id: i64| signed_residual(env.db, env.world, id);
    if env.version() == Version::V17 && moves.iter().any(|id| open(env, *id) == 0.0) {
        return Err(Fault::user(
            "You are trying to reconcile some entries that are already reconciled.",
        ));
    }
    for owed in moves.iter().copied() {
        for paid in moves.iter().copied() {
            let (due, given) = (open(env, owed), -open(env, paid));
            let amount = due.min(given);
            if amount > 0.0 {
                set_off(env, owed, paid, amount);
                set_off(env, paid, owed, amount);
            }
        }
    }
    Ok(Value::Null)
}

fn set_off(env: &mut Env<'_>, id: i64, other: i64, amount: f64) {
    let items = env.db.get("account.move", id, "__settled").as_array();
    let mut items = items.cloned().unwrap_or_default();
    let payment = env.db.id_in("account.move", other, "__payment");
    let amount = cents(amount);
    items.push(if payment == 0 {
        json!({"move": other, "entry": other, "amount": amount})
    } else {
        json!({"payment": payment, "entry": other, "amount": amount})
    });
    env.db
        .set("account.move", id, "__settled", Value::Array(items));
    let own = env.db.id_in("account.move", id, "__payment");
    if own != 0 && payment == 0 {
        let mut invoices = env.db.ids("account.payment", own, "reconciled_invoice_ids");
        invoices.push(other);
        env.db.set(
            "account.payment",
            own,
            "reconciled_invoice_ids",
            json!(invoices),
        );
    }
}

/// What a payment's entry is about; nothing for any other move.
pub(super) fn amount(db: &Db, entry: i64) -> Option<f64> {
    let payment = db.id_in("account.move", entry, "__payment");
    (payment != 0).then(|| db.num("account.payment", payment, "amount"))
}

/// What is open of a move: positive where the customer owes it.
pub(super) fn signed_residual(db: &Db, world: &World, id: i64) -> f64 {
    let payment = db.id_in("account.move", id, "__payment");
    let received = payment != 0 && db.text("account.payment", payment, "payment_type") == "inbound";
    let credit = db.text("account.move", id, "move_type") == "out_refund";
    let open = compute::residual(db, world, id);
    if received || credit { -open } else { open }
}

/// Fields of journal items that only the customer's account has.
pub(super) fn line_field(db: &Db, world: &World, id: i64, name: &str) -> Option<Value> {
    let entry = db.id_in("account.move.line", id, "move_id");
    let open = || match db.text("account.move.line", id, "display_type") {
        "payment_term" => signed_residual(db, world, entry),
        _ => 0.0,
    };
    Some(match name {
        "account_type" => {
            let account = db.id_in("account.move.line", id, "account_id");
            db.get("account.account", account, "account_type").clone()
        }
        "parent_state" => db.get("account.move", entry, "state").clone(),
        "amount_residual" => json!(open()),
        "reconciled" => json!(open() == 0.0),
        _ => return None,
    })
}

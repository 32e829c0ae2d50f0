//! What differs between two states of an order, for a person (features M4): by name, and without
//! anything personal.

use crate::state::{Effect, OrderState};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use waybill_model::event::Finding;

/// Fields whose values are shown. Of all others, such as names and addresses, it is only told that
/// they differ.
const SHOWN: &[&str] = &[
    "amount",
    "at",
    "cancelled",
    "carrier",
    "channel",
    "code",
    "currency",
    "current_quantity",
    "discount",
    "disposition",
    "fulfillment_order",
    "gateway",
    "gift_card",
    "gift_card_paid",
    "id",
    "line_id",
    "method",
    "number",
    "order_config",
    "payment",
    "payment_id",
    "placed_at",
    "price",
    "quantity",
    "rate",
    "reason",
    "reference",
    "refunded_at",
    "requires_shipping",
    "restock",
    "rounding",
    "shipped_at",
    "sku",
    "source",
    "status",
    "subtotal",
    "tax",
    "taxes_included",
    "test",
    "tip",
    "total",
    "totals.shipping",
    "tracking_number",
    "unit_price",
    "version",
    "warehouse",
];
/// Instead of a value that is not shown.
const HIDDEN: &str = "(not shown)";

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// Where: `order.lines[7].sku`, `finding`, `effect sale_order.create`.
    pub what: String,
    /// What it was; absent where there was nothing.
    pub stored: Option<String>,
    /// What it would be; absent where there would be nothing.
    pub replayed: Option<String>,
}

/// What differs in facts, findings and effects, in the order of their names. When something was
/// issued or applied is left out.
#[must_use]
pub fn between(before: &OrderState, after: &OrderState) -> Vec<Difference> {
    let mut found = Vec::new();
    let (stored, replayed) = (leaves(before), leaves(after));
    let names: BTreeSet<&String> = stored.keys().chain(replayed.keys()).collect();
    for name in names {
        differ(&mut found, name, stored.get(name), replayed.get(name));
    }
    findings(&mut found, before, after);
    effects(&mut found, before, after);
    found
}

fn differ(found: &mut Vec<Difference>, name: &str, a: Option<&Value>, b: Option<&Value>) {
    if a == b {
        return;
    }
    let show = |value: &Value| match value {
        _ if !is_shown(name) => HIDDEN.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    found.push(Difference {
        what: name.to_owned(),
        stored: a.map(show),
        replayed: b.map(show),
    });
}

fn is_shown(name: &str) -> bool {
    SHOWN.iter().any(|shown| {
        name.strip_suffix(shown)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// Every value of the facts by its path; findings are compared by themselves. A list's entries go by
/// their ids where they have one.
fn leaves(state: &OrderState) -> BTreeMap<String, Value> {
    let mut facts = serde_json::to_value(&state.facts).unwrap_or_default();
    if let Some(facts) = facts.as_object_mut() {
        facts.remove("findings");
        facts.remove("told");
    }
    let mut found = BTreeMap::new();
    collect("", facts, &mut found);
    found
}

fn collect(path: &str, value: Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name
                } else {
                    format!("{path}.{name}")
                };
                collect(&path, value, found);
            }
        }
        Value::Array(entries) => {
            for (index, entry) in entries.into_iter().enumerate() {
                let id = entry.get("id").and_then(Value::as_str);
                let key = id.map_or_else(|| index.to_string(), str::to_owned);
                collect(&format!("{path}[{key}]"), entry, found);
            }
        }
        leaf => {
            found.insert(path.to_owned(), leaf);
        }
    }
}

fn findings(found: &mut Vec<Difference>, before: &OrderState, after: &OrderState) {
    let old: Vec<Cow<'_, Finding>> = before.findings().collect();
    let new: Vec<Cow<'_, Finding>> = after.findings().collect();
    let tell = |f: &Finding| Some(format!("{}: {}", f.code, f.detail));
    for gone in old.iter().filter(|f| !new.contains(f)) {
        found.push(Difference {
            what: "finding".to_owned(),
            stored: tell(gone),
            replayed: None,
        });
    }
    for come in new.iter().filter(|f| !old.contains(f)) {
        found.push(Difference {
            what: "finding".to_owned(),
            stored: None,
            replayed: tell(come),
        });
    }
}

fn effects(found: &mut Vec<Difference>, before: &OrderState, after: &OrderState) {
    let tell = |effect: &Effect| {
        let how = match &effect.outcome {
            None => "under way".to_owned(),
            Some(waybill_model::event::Outcome::Done { .. }) => "done".to_owned(),
            Some(waybill_model::event::Outcome::Rejected { code, .. }) => {
                format!("refused: {code}")
            }
        };
        format!("{how}, attempt {}", effect.attempt)
    };
    for (key, effect) in &after.effects {
        let old = before.effects.get(key).map(tell);
        let new = Some(tell(effect));
        if old != new {
            found.push(Difference {
                what: format!("effect {key}"),
                stored: old,
                replayed: new,
            });
        }
    }
}

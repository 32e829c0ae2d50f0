//! Search domains in prefix notation.
use serde_json::Value;

use super::Version;
use super::db::id_list;
use super::env::{Env, repr, truthy};
use super::fault::{Class, Fault};
use super::schema::Kind;

/// The ids of `model` that match, in id order.
pub(super) fn search(env: &Env<'_>, model: &str, domain: &Value) -> Result<Vec<i64>, Fault> {
    let empty = Vec::new();
    let terms = domain.as_array().unwrap_or(&empty);
    for term in terms.iter().filter_map(Value::as_array) {
        check_leaf(env, model, term)?;
    }
    let candidates = narrowed(terms).unwrap_or_else(|| env.db.all(model));
    let mut found = Vec::new();
    for id in candidates {
        if env.db.exists(model, id) && matches(env, model, id, terms)? {
            found.push(id);
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// `[["id", "in", [...]], ...]` without operators need not scan the table.
fn narrowed(terms: &[Value]) -> Option<Vec<i64>> {
    if terms.iter().any(Value::is_string) {
        return None;
    }
    terms
        .iter()
        .filter_map(Value::as_array)
        .find_map(|leaf| match leaf.as_slice() {
            [field, op, value] if field == "id" && op == "in" => Some(id_list(value)),
            [field, op, value] if field == "id" && op == "=" => value.as_i64().map(|id| vec![id]),
            _ => None,
        })
}

fn check_leaf(env: &Env<'_>, model: &str, leaf: &[Value]) -> Result<(), Fault> {
    let Some(path) = leaf.first().and_then(Value::as_str) else {
        return Ok(());
    };
    let mut current = model.to_owned();
    for name in path.split('.') {
        if name == "id" {
            return Ok(());
        }
        let Some(field) = env.world.schema.field(&current, name) else {
            let leaf: Vec<String> = leaf.iter().map(repr).collect();
            let place = if env.version() == Version::V17 {
                "leaf"
            } else {
                "condition"
            };
            return Err(Fault::new(
                Class::Value,
                format!(
                    "Invalid field {current}.{name} in {place} ({})",
                    leaf.join(", ")
                ),
            ));
        };
        if let Some(relation) = field.kind.relation() {
            relation.clone_into(&mut current);
        }
    }
    Ok(())
}

fn matches(env: &Env<'_>, model: &str, id: i64, terms: &[Value]) -> Result<bool, Fault> {
    let mut stack: Vec<bool> = Vec::new();
    for term in terms.iter().rev() {
        match term {
            Value::String(op) if op == "!" => {
                let value = stack.pop().unwrap_or(true);
                stack.push(!value);
            }
            Value::String(op) => {
                let (left, right) = (stack.pop().unwrap_or(true), stack.pop().unwrap_or(true));
                stack.push(if op == "|" {
                    left || right
                } else {
                    left && right
                });
            }
            Value::Array(leaf) => stack.push(leaf_matches(env, model, id, leaf)?),
            _ => {}
        }
    }
    Ok(stack.into_iter().all(|value| value))
}

fn leaf_matches(env: &Env<'_>, model: &str, id: i64, leaf: &[Value]) -> Result<bool, Fault> {
    let [Value::String(path), Value::String(op), expected] = leaf else {
        return Err(Fault::new(
            Class::Value,
            format!("Invalid leaf {}", repr(&Value::Array(leaf.to_vec()))),
        ));
    };
    if let Some((first, rest)) = path.split_once('.')
        && let Some(relation) = env
            .world
            .schema
            .field(model, first)
            .and_then(|field| field.kind.relation())
    {
        let inner = [
            Value::from(rest),
            Value::from(op.as_str()),
            expected.clone(),
        ];
        let value = env.get(model, id, first);
        let targets = if value.is_array() {
            id_list(&value)
        } else {
            value.as_i64().into_iter().collect()
        };
        for target in targets {
            if leaf_matches(env, relation, target, &inner)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    let actual = if path == "id" {
        Value::from(id)
    } else {
        env.get(model, id, path)
    };
    if op == "child_of" {
        return Ok(is_child(env, model, path, &actual, expected));
    }
    let by_name = expected.is_string()
        || op.contains("like")
        || expected
            .as_array()
            .is_some_and(|all| all.iter().any(Value::is_string));
    let relation = env
        .world
        .schema
        .field(model, path)
        .and_then(|field| match &field.kind {
            Kind::Many2one(target) if by_name => Some(target.clone()),
            _ => None,
        });
    let actual = match (relation, actual.as_i64()) {
        (Some(target), Some(target_id)) => Value::from(env.display(&target, target_id)),
        _ => actual,
    };
    compare(&actual, op, expected)
}

fn is_child(env: &Env<'_>, model: &str, path: &str, actual: &Value, expected: &Value) -> bool {
    let roots = if expected.is_array() {
        id_list(expected)
    } else {
        expected.as_i64().into_iter().collect()
    };
    let target = env
        .world
        .schema
        .field(model, path)
        .and_then(|field| field.kind.relation())
        .unwrap_or(model);
    let parent = if target == "stock.location" {
        "location_id"
    } else {
        "parent_id"
    };
    let mut current = actual.as_i64().unwrap_or(0);
    while current != 0 {
        if roots.contains(&current) {
            return true;
        }
        current = env.db.id_in(target, current, parent);
    }
    false
}

fn compare(actual: &Value, op: &str, expected: &Value) -> Result<bool, Fault> {
    if let Value::Array(items) = actual {
        // x2many: any of its ids; nothing at all equals `false`.
        if matches!(op, "=" | "!=") && !truthy(expected) {
            return Ok(items.is_empty() == (op == "="));
        }
        if let "!=" | "not in" = op {
            let positive = if op == "!=" { "=" } else { "in" };
            return Ok(!compare(actual, positive, expected)?);
        }
        for item in items {
            if compare(item, op, expected)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    Ok(match op {
        "=" => equal(actual, expected),
        "!=" | "<>" => !equal(actual, expected),
        "in" => expected.as_array().map_or_else(
            || equal(actual, expected),
            |all| all.iter().any(|one| equal(actual, one)),
        ),
        "not in" => !expected
            .as_array()
            .is_some_and(|all| all.iter().any(|one| equal(actual, one))),
        "like" => {
            text(actual).contains(&text(expected).replace('%', ""))
                && (truthy(actual) || !truthy(expected))
        }
        "ilike" => text(actual)
            .to_lowercase()
            .contains(&text(expected).to_lowercase().replace('%', "")),
        "not ilike" => !text(actual)
            .to_lowercase()
            .contains(&text(expected).to_lowercase()),
        "not like" => !text(actual).contains(&text(expected)),
        "=like" => pattern(&text(actual), &text(expected)),
        "=ilike" => pattern(&text(actual).to_lowercase(), &text(expected).to_lowercase()),
        "<" | ">" | "<=" | ">=" => ordered(actual, op, expected),
        _ => return Err(Fault::new(Class::Value, format!("Invalid operator '{op}'"))),
    })
}

fn equal(actual: &Value, expected: &Value) -> bool {
    if !truthy(expected) && !expected.is_number() {
        return !truthy(actual) || actual == expected;
    }
    match (actual.as_f64(), expected.as_f64()) {
        (Some(left), Some(right)) => left == right,
        _ => actual == expected,
    }
}

fn ordered(actual: &Value, op: &str, expected: &Value) -> bool {
    let order = match (actual.as_f64(), expected.as_f64()) {
        (Some(left), Some(right)) => left.partial_cmp(&right),
        _ => match (actual.as_str(), expected.as_str()) {
            (Some(left), Some(right)) => Some(left.cmp(right)),
            _ => None,
        },
    };
    order.is_some_and(|order| match op {
        "<" => order.is_lt(),
        ">" => order.is_gt(),
        "<=" => order.is_le(),
        _ => order.is_ge(),
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(false) => String::new(),
        other => other.to_string(),
    }
}

/// SQL's LIKE with `%` only.
fn pattern(text: &str, like: &str) -> bool {
    let mut rest = text;
    let parts: Vec<&str> = like.split('%').collect();
    let last = parts.len().saturating_sub(1);
    for (index, part) in parts.iter().enumerate() {
        if index == 0 {
            let Some(after) = rest.strip_prefix(part) else {
                return false;
            };
            rest = after;
            if last == 0 && !rest.is_empty() {
                return false;
            }
        } else if index == last {
            return rest.ends_with(part);
        } else if let Some((_, after)) = rest.split_once(part) {
            rest = after;
        } else {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_patterns_anchor_where_no_percent_stands() {
        assert!(
            pattern("SKU-0001", "SKU-%")
                && pattern("SKU-0001", "%0001")
                && pattern("SKU-0001", "SKU-0001")
        );
        assert!(!pattern("XSKU-0001", "SKU-%") && !pattern("SKU-00011", "SKU-0001"));
    }

    #[test]
    fn false_matches_what_is_not_set() {
        assert_eq!(compare(&Value::Null, "=", &Value::Bool(false)), Ok(true));
        assert_eq!(
            compare(&Value::from(3), "!=", &Value::Bool(false)),
            Ok(true)
        );
        assert_eq!(
            compare(&serde_json::json!([4, 5]), "in", &serde_json::json!([5])),
            Ok(true)
        );
    }
}

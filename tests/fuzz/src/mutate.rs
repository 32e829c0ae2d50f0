//! Changes to JSON that keep its shape, so that readers are reached behind the JSON parser.

use crate::draw::Draw;
use serde_json::{Map, Number, Value, json};

/// Stands for a person in every mutated document: no error and no log may hold it.
pub const MARKER: &str = "Zzyzx.Qwertovna@example.org";
/// What of it would give it away, in lower case.
pub const MARKER_CORE: &str = "qwertovna";

/// Largest document that is made, in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// JSON that `Value` cannot hold. It is put in as text.
const RAW: [&str; 16] = [
    "1e999",
    "-1e999",
    "1e-999",
    "-0",
    "-0.0",
    "1E+2",
    "NaN",
    "00",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "123456789012345678901234567890.123456789",
    "0.1000000000000000055511151231257827",
    "79228162514264337593543950336",
    "0.00000000000000000000000000001",
    "{\"id\":1,\"id\":2}",
    "99999999999999999999999999999999999999999",
];

/// Texts that are often read wrongly.
pub const TEXTS: [&str; 40] = [
    MARKER,
    "",
    " ",
    "\u{0}",
    "\u{1f}",
    "\u{feff}",
    "\u{202e}txet\u{202c}",
    "\u{200b}",
    "e\u{301}\u{301}\u{301}",
    "👩‍👩‍👧‍👦",
    "ſtraße ﬁ İ",
    "١٢٣",
    "true",
    "null",
    "0",
    "-0",
    "-1",
    "1.005",
    "1e5",
    "+1",
    "1,000.00",
    "1_000",
    "0x10",
    "NaN",
    "Infinity",
    "999999999999999",
    "9999999999999999999999",
    "0.00000001",
    "2026-02-30T00:00:00Z",
    "2026-01-31T10:00:00",
    "-009999-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "+262142-01-01T00:00:00Z",
    "2026-12-31T23:59:60Z",
    "2026-01-31T10:00:00+25:00",
    "gid://shopify/Order/",
    "../../etc/passwd",
    "a#b/c%2F",
    "EUR",
    "XXX",
];

/// A document of one of the seeds, changed as `draw` decides. One in sixteen is not even JSON.
pub fn document(seeds: &[Value], draw: &mut Draw<'_>) -> Vec<u8> {
    if draw.once_in(64) {
        return draw.rest().to_vec();
    }
    let mut value = draw.of(seeds).clone();
    change(&mut value, draw);
    let mut bytes = text(&value).into_bytes();
    if draw.once_in(8) {
        damage(&mut bytes, draw);
    }
    bytes
}

/// Changes a document in up to five places.
pub fn change(value: &mut Value, draw: &mut Draw<'_>) {
    for _ in 0..draw.below(5) {
        let mut all = Vec::new();
        paths(value, String::new(), &mut all);
        let at = draw.of(&all).clone();
        let other = draw.of(&all).clone();
        change_at(value, &at, &other, draw);
    }
}

/// The document as text, with what `Value` cannot hold.
#[must_use]
pub fn text(value: &Value) -> String {
    let mut text = value.to_string();
    for (n, raw) in RAW.iter().enumerate() {
        text = text.replace(&format!("\"{}\"", placeholder(n)), raw);
    }
    for depth in [100_usize, 20_000] {
        let deep = "[".repeat(depth) + &"]".repeat(depth);
        // A list can have thousands of it: only the first ones become deep.
        text = text.replacen(&format!("\"{}\"", deep_placeholder(depth)), &deep, 3);
    }
    text
}

fn placeholder(n: usize) -> String {
    format!("@raw{n}@")
}

fn deep_placeholder(depth: usize) -> String {
    format!("@deep{depth}@")
}

fn paths(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                paths(inner, format!("{at}/{key}"), found);
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                paths(inner, format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
    found.push(at);
}

fn change_at(root: &mut Value, at: &str, other: &str, draw: &mut Draw<'_>) {
    let elsewhere = root.pointer(other).cloned().unwrap_or_default();
    let size = elsewhere.to_string().len() + root.to_string().len();
    let how = draw.below(16);
    let Some(place) = root.pointer_mut(at) else {
        return;
    };
    match how {
        0..=2 => *place = json!(*draw.of(&TEXTS)),
        3 => *place = json!(MARKER),
        4 => *place = odd(draw),
        5 => *place = json!(placeholder(draw.below(RAW.len()))),
        6 => {
            // Only what is itself bounded: two copies of all double it.
            if size < MAX_BYTES {
                *place = elsewhere;
            }
        }
        7 => retype(place),
        8 => *place = json!([place.take()]),
        9 => near(place, draw),
        10 | 11 => lose(root, at),
        12 => repeat(place, draw),
        13 => rename(place, draw),
        14 => *place = json!(deep_placeholder(*draw.of(&[100, 20_000]))),
        _ => insert(place, elsewhere, draw),
    }
}

fn odd(draw: &mut Draw<'_>) -> Value {
    match draw.below(14) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(false),
        3 => json!([]),
        4 => json!({}),
        5 => json!(0),
        6 => json!(-1),
        7 => json!(0.1),
        8 => json!(i64::MIN),
        9 => json!(i64::MAX),
        10 => json!(u64::MAX),
        11 => json!(f64::MAX),
        12 => json!(5e-324),
        _ => json!(draw.number().cast_signed()),
    }
}

/// The same in another type: numbers as text, text as numbers.
fn retype(place: &mut Value) {
    *place = match place.take() {
        Value::String(text) => match text.parse::<Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => json!({ text: MARKER }),
        },
        Value::Number(number) => json!(number.to_string()),
        Value::Bool(flag) => json!(flag.to_string()),
        Value::Null => json!({}),
        Value::Array(list) => list
            .into_iter()
            .enumerate()
            .map(|(n, v)| (n.to_string(), v))
            .collect::<Map<_, _>>()
            .into(),
        Value::Object(map) => map.into_iter().map(|(_, v)| v).collect(),
    };
}

/// Something near: a number a little off, a text with one character more, less or other.
fn near(place: &mut Value, draw: &mut Draw<'_>) {
    match place {
        Value::Number(number) => {
            let value = number.as_f64().unwrap_or_default();
            let changed = match draw.below(5) {
                0 => value + 1.0,
                1 => -value,
                2 => value / 1000.0,
                3 => value * 1e12,
                _ => value + 0.001,
            };
            *place = json!(changed);
        }
        Value::String(text) => {
            let characters: Vec<char> = text.chars().collect();
            let at = draw.below(characters.len() + 1);
            let (head, tail) = characters.split_at(at);
            let head: String = head.iter().collect();
            let rest: String = tail.iter().skip(1).collect();
            let odd = *draw.of(&[
                '\0', '\u{202e}', '9', '-', '.', '/', '#', 'é', '@', '\n', '"',
            ]);
            *place = match draw.below(4) {
                0 => json!(format!("{head}{odd}{rest}")),
                1 => json!(format!("{head}{rest}")),
                2 => json!(format!("{head}{odd}{}", tail.iter().collect::<String>())),
                _ => json!(head),
            };
        }
        other => *other = Value::Null,
    }
}

fn lose(root: &mut Value, at: &str) {
    let Some((parent, key)) = at.rsplit_once('/') else {
        return;
    };
    match root.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.remove(&key.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(list)) => {
            if let Ok(index) = key.parse::<usize>()
                && index < list.len()
            {
                list.remove(index);
            }
        }
        _ => {}
    }
}

/// Many of it: a long list, a long text.
fn repeat(place: &mut Value, draw: &mut Draw<'_>) {
    let times = *draw.of(&[2, 3, 30, 300, 5000]);
    match place {
        Value::String(text) => {
            let one = if text.is_empty() { "x" } else { text.as_str() };
            *place = json!(one.repeat(times.min(1 + MAX_BYTES / one.len())));
        }
        Value::Array(list) => {
            let size = 1 + json!(list).to_string().len();
            let copies: Vec<Value> = list.clone();
            for _ in 1..times.min(1 + MAX_BYTES / size) {
                list.extend(copies.iter().cloned());
            }
        }
        Value::Object(map) => {
            for n in 0..times.min(2000) {
                map.insert(format!("field_{n}"), json!(MARKER));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => *place = json!([place.clone(), place]),
    }
}

fn rename(place: &mut Value, draw: &mut Draw<'_>) {
    let Value::Object(map) = place else {
        return retype(place);
    };
    let keys: Vec<String> = map.keys().cloned().collect();
    if keys.is_empty() {
        return;
    }
    let Some(value) = map.remove(draw.of(&keys)) else {
        return;
    };
    let name = if draw.once_in(2) {
        MARKER.to_owned()
    } else {
        draw.of(&keys).clone()
    };
    map.insert(name, value);
}

fn insert(place: &mut Value, what: Value, draw: &mut Draw<'_>) {
    match place {
        Value::Array(list) => list.insert(draw.below(list.len() + 1), what),
        Value::Object(map) => {
            map.insert(MARKER.to_owned(), what);
        }
        other => *other = json!(MARKER),
    }
}

/// Changes bytes of a text: flipped, cut off, doubled.
pub fn damage(bytes: &mut Vec<u8>, draw: &mut Draw<'_>) {
    if bytes.is_empty() {
        return;
    }
    let at = draw.below(bytes.len());
    match draw.below(4) {
        0 => bytes.truncate(at),
        1 => bytes[at] = draw.byte(),
        2 => bytes[at] ^= 1 << draw.below(8),
        _ => {
            let tail = bytes[at..].to_vec();
            bytes.extend(tail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_of_nothing_changes_nothing() {
        let seed = json!({"id": 1, "name": "Ada"});
        let made = document(std::slice::from_ref(&seed), &mut Draw::new(&[]));
        assert_eq!(made, seed.to_string().into_bytes());
    }

    #[test]
    fn what_json_values_cannot_hold_is_put_in_as_text() {
        let value = json!({"a": placeholder(0), "b": deep_placeholder(100)});
        let text = text(&value);
        assert!(text.starts_with("{\"a\":1e999,\"b\":[[["), "{text}");
    }

    /// Every kind of change is reached, and none makes a document without bounds.
    #[test]
    fn documents_stay_bounded() {
        let seed = json!({"id": 1, "lines": [{"sku": "A", "price": "1.00"}, true, null]});
        let mut different = std::collections::BTreeSet::new();
        for n in 0..4000_u32 {
            let bytes: Vec<u8> = (0..24)
                .map(|k| (n.wrapping_mul(2_654_435_761 + k) >> 11) as u8)
                .collect();
            let made = document(std::slice::from_ref(&seed), &mut Draw::new(&bytes));
            assert!(made.len() < 6 * MAX_BYTES, "{}", made.len());
            different.insert(made);
        }
        assert!(different.len() > 1000, "{}", different.len());
    }
}

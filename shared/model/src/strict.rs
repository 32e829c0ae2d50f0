//! What partners send us is read strictly, what we send ourselves is not.
//!
//! The published schemas allow no field that they do not name: a partner's misspelt field is told,
//! not dropped. Between our own functions that rule would make every new field a breaking one:
//! while a deploy rolls, a function of the older version reads what the newer one wrote. So the
//! types ignore what they do not know, and whoever reads a partner's content asks here.

use serde::de::DeserializeOwned;
use serde_ignored::Path;

/// Where JSON that reads as a `T` has a field that `T` does not know: the path of the object that
/// has it, `.` for the outermost. The field's name is the sender's and not told.
///
/// `None` where there is none, and where the text does not read as a `T` at all. Content of types
/// that are told apart by a tag within (`Outcome`, `Decision`) is not looked into; no partner
/// sends those.
#[must_use]
pub fn unknown_field<T: DeserializeOwned>(json: &str) -> Option<String> {
    let mut place = None;
    let mut reader = serde_json::Deserializer::from_str(json);
    let read: Result<T, _> = serde_ignored::deserialize(&mut reader, |path| {
        if place.is_none() {
            place = Some(match path {
                Path::Map { parent, .. } => parent.to_string(),
                other => other.to_string(),
            });
        }
    });
    read.ok()?;
    reader.end().ok()?;
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stock::StockLevel;
    use serde_json::{Value, json};

    fn level() -> Value {
        json!({ "location": "north", "sku": "MUG", "kind": "on_hand", "quantity": "4",
            "at": "2026-03-03T09:00:00Z" })
    }

    #[test]
    fn an_unknown_field_is_found_where_it_is() {
        type Levels = Vec<StockLevel>;
        let found = |levels: &Value| unknown_field::<Levels>(&levels.to_string());
        assert_eq!(found(&json!([level()])), None);
        let mut newer = level();
        newer["shelf"] = json!("jane@example.com");
        assert_eq!(found(&json!([level(), newer.clone()])), Some("1".into()));
        assert_eq!(
            unknown_field::<StockLevel>(&newer.to_string()),
            Some(".".into())
        );
        let twice = format!("{newer}{newer}");
        assert_eq!(unknown_field::<StockLevel>(&twice), None);
    }

    #[test]
    fn the_types_themselves_read_what_a_newer_version_wrote() {
        let mut newer = level();
        newer["shelf"] = json!("7");
        let read: StockLevel = serde_json::from_value(newer).unwrap();
        assert_eq!(read, serde_json::from_value(level()).unwrap());
    }
}

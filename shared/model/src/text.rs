//! Newtypes over text: one macro, one place for their limits.

/// Why a text is not a valid identifier or code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("`{name}` must not be empty")]
    Empty {
        /// The type that refused.
        name: &'static str,
    },
    /// Longer than the limit.
    #[error("`{name}` has {length} characters, at most {limit} are allowed")]
    TooLong {
        /// The type that refused.
        name: &'static str,
        /// Characters found.
        length: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// A character that this kind of text cannot hold.
    #[error("`{name}` holds a character that is not allowed: {allowed}")]
    BadCharacter {
        /// The type that refused.
        name: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
}

/// A text that is no number or instant, as an error may show it. What looks like one is shown; anything
/// else may be a name or an address that a partner put into the wrong field.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let like_a_number = |c: char| c.is_ascii_digit() || " +-.,:/_eETZ".contains(c);
    if text.chars().count() <= MOST && text.chars().all(like_a_number) {
        text.to_owned()
    } else {
        "…".to_owned()
    }
}

/// Printable text: no control characters, not blank.
pub(crate) fn is_printable(c: char) -> bool {
    !c.is_control()
}

/// Lower-case slug, as used in file names, queue groups and URLs.
pub(crate) fn is_slug(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}

/// Lower-case snake case, as used for codes that become metric dimensions.
pub(crate) fn is_snake(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident, max = $max:expr, allowed = $pred:path, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Longest accepted text, in characters.
            pub const MAX: usize = $max;

            /// Parses; surrounding white space is removed.
            ///
            /// # Errors
            /// Empty, too long, or holding a character outside the allowed set.
            pub fn new(text: impl AsRef<str>) -> Result<Self, $crate::text::TextError> {
                let text = text.as_ref().trim();
                let name = stringify!($name);
                if text.is_empty() {
                    return Err($crate::text::TextError::Empty { name });
                }
                let length = text.chars().count();
                if length > Self::MAX {
                    return Err($crate::text::TextError::TooLong { name, length, limit: Self::MAX });
                }
                if !text.chars().all($pred) {
                    return Err($crate::text::TextError::BadCharacter { name, allowed: $allowed });
                }
                Ok(Self(text.to_owned()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::text::TextError;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::text::TextError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": $max })
            }
        }
    };
}
pub(crate) use text_newtype;

impl crate::id::Code {
    /// A code that is written in our own source. A character that a code cannot hold becomes `_`.
    #[must_use]
    pub fn literal(text: &'static str) -> Self {
        let bounded: String = text
            .chars()
            .take(Self::MAX)
            .map(|c| if is_snake(c) { c } else { '_' })
            .collect();
        Self::new(&bounded).unwrap_or_else(|_| Self::unnamed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Code, ConnectionId, Sku};

    #[test]
    fn each_kind_of_text_allows_its_characters() {
        let allowed =
            |is: fn(char) -> bool| "aZ9-_ ä\n".chars().filter(|c| is(*c)).collect::<String>();
        assert_eq!(allowed(is_slug), "a9-");
        assert_eq!(allowed(is_snake), "a9_");
        assert_eq!(allowed(is_printable), "aZ9-_ ä");
    }

    #[test]
    fn what_is_wrong_with_a_text_is_told() {
        let (name, allowed) = ("ConnectionId", "lower-case letters, digits and `-`");
        assert_eq!(ConnectionId::new(" "), Err(TextError::Empty { name }));
        assert!(ConnectionId::new("x".repeat(40)).is_ok());
        let (length, limit) = (41, 40);
        assert_eq!(
            ConnectionId::new("x".repeat(length)),
            Err(TextError::TooLong {
                name,
                length,
                limit
            })
        );
        assert_eq!(
            ConnectionId::new("A"),
            Err(TextError::BadCharacter { name, allowed })
        );
        // Characters are counted, not bytes.
        assert!(Sku::new("ä".repeat(64)).is_ok());
    }

    #[test]
    fn a_literal_code_is_made_to_fit() {
        assert_eq!(Code::literal("too_late").as_str(), "too_late");
        assert_eq!(Code::literal("Too late").as_str(), "_oo_late");
        assert_eq!(Code::literal("").as_str(), "unnamed");
    }
}

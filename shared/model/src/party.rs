//! People and places. `Debug` shows nothing personal.

use crate::id::ExternalId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who ordered.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Customer {
    /// The channel's customer id; absent for guests.
    pub id: Option<ExternalId>,
    /// Full name as the channel gives it.
    pub name: Option<String>,
    /// E-mail address, lower-cased.
    pub email: Option<String>,
    /// Phone number as the channel gives it.
    pub phone: Option<String>,
    /// Company, if the customer buys as one.
    pub company: Option<String>,
    /// VAT or tax number.
    pub tax_id: Option<String>,
}

/// Where goods or an invoice go.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Address {
    /// Recipient.
    pub name: Option<String>,
    /// Company.
    pub company: Option<String>,
    /// Street and number.
    pub street: Option<String>,
    /// Second address line.
    pub street2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Postal code.
    pub zip: Option<String>,
    /// Province or state, as the channel's code (`CA`, `BE`).
    pub region: Option<String>,
    /// ISO 3166-1 alpha-2 code, upper case.
    pub country: Option<String>,
    /// Phone for the carrier.
    pub phone: Option<String>,
}

/// Text of a channel, trimmed; blank becomes absent.
#[must_use]
pub fn clean(text: Option<&str>) -> Option<String> {
    text.map(str::trim)
        .filter(|t| !t.is_empty())
        .map(str::to_owned)
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Customer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("country", &self.country)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_text_is_none_and_other_text_is_trimmed() {
        assert_eq!(clean(Some(" Berlin ")).as_deref(), Some("Berlin"));
        assert_eq!(clean(Some("  ")), None);
        assert_eq!(clean(None), None);
    }

    #[test]
    fn people_and_places_in_a_log_show_nothing_personal() {
        let some = |text: &str| Some(text.to_owned());
        let customer = Customer {
            id: Some(ExternalId::new("C-7").unwrap()),
            name: some("Personal"),
            email: some("Personal"),
            phone: some("Personal"),
            company: some("Personal"),
            tax_id: some("Personal"),
        };
        let address = Address {
            name: some("Personal"),
            company: some("Personal"),
            street: some("Personal"),
            street2: some("Personal"),
            city: some("Personal"),
            zip: some("Personal"),
            region: some("Personal"),
            country: some("DE"),
            phone: some("Personal"),
        };
        let shown = format!("{customer:?} {address:?}");
        assert!(shown.contains("C-7") && shown.contains("DE"), "{shown}");
        assert!(!shown.contains("Personal"), "{shown}");
    }
}

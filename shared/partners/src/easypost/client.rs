//! Calls to EasyPost. One call of [`execute`] is one attempt.

use super::error::EasypostError;
use super::wire::{CreateTracker, TrackerCreated, TrackerList, TrackerWrite};
use crate::client::{Call, unsupported};
use crate::exchange::{Access, Answer, send};
use std::collections::BTreeMap;
use waybill_flow::ports::Attempt;
use waybill_model::command::{Command, SubscribeTracking};
use waybill_model::failure::Failure;
use waybill_model::id::{ExternalId, RefKind, Reference};

/// Names that warehouses and EasyPost agree on, but for case.
const CARRIERS: [&str; 3] = ["USPS", "UPS", "FedEx"];

/// Asks EasyPost to follow a parcel.
///
/// # Errors
/// As classed from the answer's body by [`EasypostError`].
pub async fn execute(call: Call<'_>, command: &Command) -> Result<Vec<Reference>, Failure> {
    match command {
        Command::SubscribeTracking(c) => Ok(subscribe(&Api::new(&call)?, c).await?),
        _ => Err(unsupported("easypost", command)),
    }
}

struct Api<'a> {
    call: &'a Call<'a>,
    key: &'a str,
}

impl<'a> Api<'a> {
    fn new(call: &'a Call<'a>) -> Result<Self, EasypostError> {
        let key = call
            .secrets
            .api
            .get("api_key")
            .filter(|s| !s.is_blank())
            .ok_or(EasypostError::NotConfigured {
                what: "api.api_key",
            })?;
        Ok(Self {
            call,
            key: key.expose(),
        })
    }

    async fn send(
        &self,
        method: http::Method,
        access: Access,
        fill: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Result<Answer, EasypostError> {
        let url = format!("{}/v2/trackers", self.call.connection.base_url);
        let request = self
            .call
            .http
            .request(method, url)
            .basic_auth(self.key, Some(""));
        let answer = send(fill(request), access)
            .await
            .map_err(EasypostError::Transport)?;
        if answer.is_success() {
            Ok(answer)
        } else {
            Err(EasypostError::of(&answer, access))
        }
    }
}

/// EasyPost answers a number and carrier that it follows already with the tracker that is there, as
/// far as is known; an attempt in doubt looks all the same.
async fn subscribe(
    api: &Api<'_>,
    command: &SubscribeTracking,
) -> Result<Vec<Reference>, EasypostError> {
    let code = command.tracking_number.as_str();
    if api.call.attempt == Attempt::InDoubt && is_followed(api, code).await? {
        return Ok(references(command));
    }
    let body = CreateTracker {
        tracker: TrackerWrite {
            tracking_code: code,
            carrier: carrier(&api.call.connection.settings, command.carrier.as_deref()),
        },
    };
    let answer = api
        .send(http::Method::POST, Access::Write, |r| r.json(&body))
        .await?;
    let _: TrackerCreated = answer.json().ok_or(EasypostError::Unclear {
        status: answer.status,
        access: Access::Write,
    })?;
    Ok(references(command))
}

async fn is_followed(api: &Api<'_>, code: &str) -> Result<bool, EasypostError> {
    let answer = api
        .send(http::Method::GET, Access::Read, |r| {
            r.query(&[("tracking_code", code)])
        })
        .await?;
    let list: TrackerList = answer.json().ok_or(EasypostError::Unclear {
        status: answer.status,
        access: Access::Read,
    })?;
    Ok(list.trackers.iter().any(|t| t.tracking_code == code))
}

/// A carrier that EasyPost does not know by this name makes it refuse the tracker; without one it
/// finds the carrier by the number.
fn carrier<'a>(settings: &'a BTreeMap<String, String>, name: Option<&str>) -> Option<&'a str> {
    let name = name?.trim();
    settings
        .get(&format!("carrier.{name}"))
        .map(String::as_str)
        .or_else(|| {
            CARRIERS
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(name))
        })
}

/// Trackers send the number, not their id, wherever it matters.
fn references(command: &SubscribeTracking) -> Vec<Reference> {
    ExternalId::new(command.tracking_number.as_str())
        .map(|id| Reference::anywhere(RefKind::TrackingNumber, id))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_carriers_that_easypost_knows_are_named() {
        let settings = BTreeMap::from([("carrier.DHL".to_owned(), "DHLExpress".to_owned())]);
        assert_eq!(carrier(&settings, Some("DHL")), Some("DHLExpress"));
        assert_eq!(carrier(&settings, Some("FEDEX")), Some("FedEx"));
        assert_eq!(carrier(&settings, Some("Bicycle Bob")), None);
        assert_eq!(carrier(&settings, None), None);
    }
}

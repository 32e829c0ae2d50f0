//! Shapes of EasyPost's events and trackers.
//!
//! Source: docs.easypost.com, objects Event, Tracker and Error. Only what Waybill reads is named;
//! `weight` and other floats are left out.

use crate::reading::or_default;
use serde::{Deserialize, Serialize};

/// The envelope. `result` is any object of EasyPost's; only trackers are read.
#[derive(Debug, Deserialize)]
pub(super) struct EventBody {
    /// `evt_…`, the same on every delivery.
    pub(super) id: String,
    /// `tracker.updated` and others.
    pub(super) description: String,
    /// `production` or `test`.
    pub(super) mode: Option<String>,
}

/// The envelope again, now that its description tells the object.
#[derive(Debug, Deserialize)]
pub(super) struct TrackerEvent {
    /// Absent where an event is fetched, present where it is sent.
    pub(super) result: Option<Tracker>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tracker {
    pub(super) tracking_code: String,
    /// `unknown`, `pre_transit`, `in_transit`, `out_for_delivery`, `delivered`,
    /// `available_for_pickup`, `return_to_sender`, `failure`, `cancelled`, `error`.
    pub(super) status: Option<String>,
    pub(super) carrier: Option<String>,
    pub(super) est_delivery_date: Option<String>,
    pub(super) updated_at: Option<String>,
    /// All of them, each time.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) tracking_details: Vec<TrackingDetail>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TrackingDetail {
    pub(super) datetime: Option<String>,
}

/// Body of `POST /v2/trackers`.
#[derive(Debug, Serialize)]
pub(super) struct CreateTracker<'a> {
    pub(super) tracker: TrackerWrite<'a>,
}

/// Without a carrier EasyPost finds it by the number.
#[derive(Debug, Serialize)]
pub(super) struct TrackerWrite<'a> {
    pub(super) tracking_code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) carrier: Option<&'a str>,
}

/// What an answer to create a tracker must have to be one.
#[derive(Debug, Deserialize)]
pub(super) struct TrackerCreated {
    pub(super) tracking_code: String,
}

/// Answer of `GET /v2/trackers?tracking_code=`.
#[derive(Debug, Deserialize)]
pub(super) struct TrackerList {
    pub(super) trackers: Vec<TrackerCreated>,
}

/// `{"error": {"code": "TRACKER.CREATE.ERROR", "message": "…", "errors": […]}}`.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: ErrorDetail,
}

#[derive(Debug, Deserialize)]
pub(super) struct ErrorDetail {
    pub(super) code: Option<String>,
}

//! Transfers (`stock.picking`): what deliveries and returns have in common.

use super::load::{Record, load_each};
use super::lots::{LotUse, lot_needed};
use super::resolve::record_id;
use crate::client::{Api, LoadMode};
use crate::error::{OdooError, rejected};
use crate::map::{cell, number};
use crate::wire::{Call, Number, Text, ToOne, float};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use waybill_model::failure::Failure;

/// A transfer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Picking {
    pub(crate) id: i64,
    pub(crate) name: Text,
    pub(crate) state: Text,
    pub(crate) origin: Text,
    pub(crate) sale_id: ToOne,
    pub(crate) picking_type_code: Text,
    pub(crate) carrier_tracking_ref: Text,
    #[serde(default)]
    pub(crate) location_id: ToOne,
    #[serde(default)]
    pub(crate) location_dest_id: ToOne,
}

/// One product of a transfer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Move {
    pub(crate) id: i64,
    pub(crate) picking_id: ToOne,
    pub(crate) product_id: ToOne,
    pub(crate) product_uom_qty: Number,
    pub(crate) quantity: Number,
    pub(crate) state: Text,
    pub(crate) origin_returned_move_id: ToOne,
    pub(crate) date_deadline: Text,
    #[serde(default)]
    pub(crate) sale_line_id: ToOne,
    #[serde(default)]
    pub(crate) location_id: ToOne,
    /// `none`, `lot` or `serial`.
    #[serde(default)]
    pub(crate) has_tracking: Text,
    #[serde(default)]
    pub(crate) move_line_ids: Vec<i64>,
}

impl Move {
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state.as_str(), "done" | "cancel")
    }

    pub(crate) fn is_tracked(&self) -> bool {
        matches!(self.has_tracking.as_str(), "lot" | "serial")
    }
}

/// What is to be booked on one transfer: every open move of it, with how many were moved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Booking {
    pub(crate) picking: i64,
    pub(crate) origin: String,
    pub(crate) tracking: String,
    pub(crate) moves: Vec<(i64, Decimal)>,
    /// External id of where the goods go, where it is not the transfer's own destination.
    pub(crate) destination: Option<String>,
    /// Lots, by move; moves without are left to what Odoo reserved.
    pub(crate) lots: BTreeMap<i64, Vec<LotUse>>,
    /// Lines that these replace, by move. They are deleted: taken off the move only, they would keep
    /// their reservation for ever.
    pub(crate) replaced: BTreeMap<i64, Vec<i64>>,
}

impl Picking {
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.state.as_str(), "done" | "cancel")
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state.as_str() == "done"
    }

    pub(crate) fn is_outgoing(&self) -> bool {
        self.picking_type_code.as_str() == "outgoing"
    }

    pub(crate) fn is_internal(&self) -> bool {
        self.picking_type_code.as_str() == "internal"
    }
}

/// All transfers of orders.
pub(crate) async fn pickings(api: &Api<'_>, orders: &[i64]) -> Result<Vec<Picking>, OdooError> {
    let fields = [
        "name",
        "state",
        "origin",
        "sale_id",
        "picking_type_code",
        "carrier_tracking_ref",
        "location_id",
        "location_dest_id",
    ];
    api.search_read("stock.picking", json!([["sale_id", "in", orders]]), &fields)
        .await
}

/// All moves of transfers.
pub(crate) async fn moves(api: &Api<'_>, pickings: &[i64]) -> Result<Vec<Move>, OdooError> {
    let fields = [
        "picking_id",
        "product_id",
        "product_uom_qty",
        "quantity",
        "state",
        "origin_returned_move_id",
        "date_deadline",
        "sale_line_id",
        "location_id",
        "has_tracking",
        "move_line_ids",
    ];
    api.search_read(
        "stock.move",
        json!([["picking_id", "in", pickings]]),
        &fields,
    )
    .await
}

/// Sets quantities and marks, and validates: three calls for any number of transfers. What was not
/// moved becomes a backorder.
pub(crate) async fn book(api: &Api<'_>, bookings: &[Booking]) -> Vec<Result<(), Failure>> {
    if bookings.is_empty() {
        return Vec::new();
    }
    let elsewhere = bookings.iter().any(|b| b.destination.is_some());
    let mut fields = vec![
        ".id",
        "origin",
        "carrier_tracking_ref",
        "move_ids/.id",
        "move_ids/quantity",
        "move_ids/picked",
    ];
    if elsewhere {
        fields.extend(["location_dest_id/id", "move_ids/location_dest_id/id"]);
    }
    // Lines cannot be replaced by a load: a transfer with lots is written by itself.
    let (with_lots, plain): (Vec<&Booking>, Vec<&Booking>) =
        bookings.iter().partition(|b| !b.lots.is_empty());
    let mut failed: BTreeMap<i64, Failure> = BTreeMap::new();
    let records: Vec<Record> = plain.iter().map(|b| rows(b, elsewhere)).collect();
    if !records.is_empty() {
        let loaded = load_each(api, "stock.picking", &fields, &records, LoadMode::Update).await;
        for (booking, result) in plain.iter().zip(&loaded) {
            if let Err(refusal) = result {
                failed.insert(booking.picking, refusal.failure(api.erp));
            }
        }
    }
    for booking in with_lots {
        if let Err(error) = write_lots(api, booking).await {
            failed.insert(booking.picking, refused(&error, api));
        }
    }
    let ready: Vec<i64> = bookings
        .iter()
        .map(|b| b.picking)
        .filter(|id| !failed.contains_key(id))
        .collect();
    failed.extend(validate(api, &ready).await);
    bookings
        .iter()
        .map(|b| failed.get(&b.picking).cloned().map_or(Ok(()), Err))
        .collect()
}

fn rows(booking: &Booking, elsewhere: bool) -> Record {
    let destination = booking.destination.as_deref().unwrap_or_default();
    booking
        .moves
        .iter()
        .enumerate()
        .map(|(index, (id, quantity))| {
            let first = |text: &str| cell(if index == 0 { text } else { "" });
            let mut row = vec![
                first(&booking.picking.to_string()),
                first(&booking.origin),
                first(&booking.tracking),
                cell(id.to_string()),
                number(*quantity),
                cell(if quantity.is_zero() { "False" } else { "True" }),
            ];
            if elsewhere {
                row.push(first(destination));
                row.push(cell(destination));
            }
            row
        })
        .collect()
}

/// Sets quantities, lots and marks of one transfer: one write, so that it is done or not.
async fn write_lots(api: &Api<'_>, booking: &Booking) -> Result<(), OdooError> {
    let destination = match &booking.destination {
        Some(external) => record_id(api, external).await?,
        None => None,
    };
    let item = |(id, quantity): &(i64, Decimal)| {
        let mut values = Map::new();
        if let Some(uses) = booking.lots.get(id) {
            let old = booking.replaced.get(id).into_iter().flatten();
            let old = old.map(|line| json!([2, line, 0]));
            let new = uses.iter().map(|used| {
                let mut line = json!({
                    "product_id": used.product, "lot_id": used.lot,
                    "quantity": float(used.quantity), "picking_id": booking.picking,
                });
                if let (Some(location), Some(line)) = (used.location, line.as_object_mut()) {
                    line.insert("location_id".to_owned(), json!(location));
                }
                json!([0, 0, line])
            });
            values.insert("move_line_ids".to_owned(), old.chain(new).collect());
        } else {
            values.insert("quantity".to_owned(), float(*quantity));
        }
        values.insert("picked".to_owned(), json!(!quantity.is_zero()));
        if let Some(destination) = destination {
            values.insert("location_dest_id".to_owned(), json!(destination));
        }
        json!([1, id, values])
    };
    let moves: Vec<Value> = booking.moves.iter().map(item).collect();
    let mut values = json!({
        "origin": booking.origin, "carrier_tracking_ref": booking.tracking, "move_ids": moves,
    });
    if let (Some(destination), Some(values)) = (destination, values.as_object_mut()) {
        values.insert("location_dest_id".to_owned(), json!(destination));
    }
    let call = Call::on("stock.picking", "write", &[booking.picking]).argument("vals", values);
    api.call(api.quiet(call)).await.map(|_| ())
}

/// What a refused transfer means.
fn refused(error: &OdooError, api: &Api<'_>) -> Failure {
    match error {
        OdooError::Fault(f) if f.raw().contains("supply a Lot/Serial") => {
            lot_needed(&f.text(), "a transfer")
        }
        _ => error.failure(api.erp),
    }
}

/// Validates; the failures. All in one call, and on a failure that is one transfer's own, each by
/// itself. The states decide: 17 answers an error and 19 success for a transfer that was done
/// already, and both answer success with a question that nobody reads.
async fn validate(api: &Api<'_>, ids: &[i64]) -> BTreeMap<i64, Failure> {
    let mut failures = BTreeMap::new();
    if ids.is_empty() {
        return failures;
    }
    let mut error = validate_call(api, ids).await.err();
    if error.as_ref().is_some_and(OdooError::is_about_records) && ids.len() > 1 {
        for id in ids {
            if let Err(alone) = validate_call(api, &[*id]).await {
                failures.insert(*id, refused(&alone, api));
            }
        }
        error = None;
    }
    #[derive(Deserialize)]
    struct StateRow {
        id: i64,
        name: Text,
        state: Text,
    }
    let rows: Vec<StateRow> = match api.read("stock.picking", ids, &["name", "state"]).await {
        Ok(rows) => rows,
        Err(unread) => {
            let failure = error.unwrap_or(unread).failure(api.erp);
            return ids.iter().map(|id| (*id, failure.clone())).collect();
        }
    };
    for row in rows {
        if row.state.as_str() == "done" {
            failures.remove(&row.id);
        } else if let Some(error) = &error {
            failures.insert(row.id, refused(error, api));
        } else {
            failures.entry(row.id).or_insert_with(|| {
                rejected(
                    "transfer_not_validated",
                    format!(
                        "transfer `{}` is `{}` after validating: Odoo asks for something first",
                        row.name.as_str(),
                        row.state.as_str()
                    ),
                    "validate the transfer in Odoo by hand to see what it asks for (lots, a wizard of an added module), then retry",
                )
            });
        }
    }
    failures
}

async fn validate_call(api: &Api<'_>, ids: &[i64]) -> Result<(), OdooError> {
    let call = Call::on("stock.picking", "button_validate", ids)
        .context("skip_backorder", json!(true))
        .context("skip_sms", json!(true))
        .context("skip_expired", json!(true));
    api.call(api.quiet(call)).await.map(|_| ())
}

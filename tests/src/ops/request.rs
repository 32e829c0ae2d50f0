//! Commands as requests.

use super::{Action, Archive, Chosen, Correction, Listing, Mark};
use crate::Stop;
use serde_json::{Map, Value, json};
use std::path::Path;

/// One request to the operations API.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub(super) method: &'static str,
    /// Below the base address.
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
}

fn get(path: impl Into<String>) -> Request {
    Request {
        method: "GET",
        path: path.into(),
        query: Vec::new(),
        body: None,
    }
}

fn post(path: impl Into<String>, body: Value) -> Request {
    Request {
        method: "POST",
        path: path.into(),
        query: Vec::new(),
        body: Some(body),
    }
}

/// A JSON object of the fields that are there.
fn object(fields: &[(&str, Option<Value>)]) -> Value {
    let present = fields
        .iter()
        .filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
    Value::Object(present.collect::<Map<_, _>>())
}

fn text(value: &Option<String>) -> Option<Value> {
    value.clone().map(Value::String)
}

impl Request {
    pub(super) fn of(action: &Action) -> Result<Self, Stop> {
        Ok(match action {
            Action::Summary => get("cases/summary"),
            Action::Cases(listing) => cases(listing),
            Action::Case { id } => get(format!("cases/{id}")),
            Action::Retry(chosen) => on_cases(chosen, json!({"kind": "retry"}), json!({})),
            Action::Ignore { reason, chosen } => on_cases(
                chosen,
                json!({"kind": "ignore", "reason": reason}),
                json!({"reason": reason}),
            ),
            Action::Assign { to, chosen } => on_cases(
                chosen,
                json!({"kind": "assign", "owner": to}),
                json!({"owner": to}),
            ),
            Action::Close { case } => post(format!("cases/{case}/close"), json!({})),
            Action::Order(mark) => order(mark),
            Action::Timeline { order } => get(format!("orders/{order}/timeline")),
            Action::RetryEffect { order, effect } => {
                post(format!("orders/{order}/retry"), json!({"effect": effect}))
            }
            Action::Waive { order, code } => {
                post(format!("orders/{order}/waive"), json!({"code": code}))
            }
            Action::Correct(correction) => correct(correction)?,
            Action::Replay(archive) => replay(archive),
            Action::DryRun {
                connections,
                archive,
            } => dry_run(archive, connections.as_deref())?,
            Action::Connections => get("connections"),
            Action::DeadLetters => get("dead-letters"),
            Action::Redrive { queue, limit } => post(
                format!("dead-letters/{queue}/redrive"),
                json!({"limit": limit}),
            ),
        })
    }

    /// The same request for the next page.
    pub(super) fn continue_at(&mut self, at: &str) {
        let Some(body) = self.body.as_mut().and_then(Value::as_object_mut) else {
            self.query.retain(|(name, _)| *name != "cursor");
            self.query.push(("cursor", at.to_owned()));
            return;
        };
        // The range of a dry run is one field of its body.
        let page = if body.contains_key("range") {
            body.get_mut("range").and_then(Value::as_object_mut)
        } else {
            Some(body)
        };
        if let Some(page) = page {
            page.insert("cursor".to_owned(), json!(at));
        }
    }
}

fn cases(listing: &Listing) -> Request {
    let fields = [
        ("status", &listing.status),
        ("class", &listing.class),
        ("code", &listing.code),
        ("connection", &listing.connection),
        ("owner", &listing.owner),
        ("order", &listing.order),
    ];
    let given = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)));
    Request {
        query: given.chain([("limit", "200".to_owned())]).collect(),
        ..get("cases")
    }
}

/// On one case by its route, or on many by `bulk`.
fn on_cases(chosen: &Chosen, bulk: Value, single: Value) -> Request {
    if let Some(case) = &chosen.case {
        let kind = bulk.get("kind").and_then(Value::as_str).unwrap_or_default();
        return post(format!("cases/{case}/{kind}"), single);
    }
    let filter = object(&[
        ("class", text(&chosen.class)),
        ("code", text(&chosen.code)),
        ("connection", text(&chosen.connection)),
        ("owner", text(&chosen.owner)),
        (
            "older_than_minutes",
            chosen.older_than_minutes.map(|minutes| json!(minutes)),
        ),
    ]);
    post(
        "cases/bulk",
        json!({"filter": filter, "action": bulk, "limit": 50, "dry_run": chosen.dry_run}),
    )
}

fn order(mark: &Mark) -> Request {
    let fields = [
        ("number", &mark.number),
        ("email", &mark.email),
        ("tracking", &mark.tracking),
        ("ticket", &mark.ticket),
        ("correlation", &mark.correlation),
    ];
    let given = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)));
    Request {
        query: given.collect(),
        ..get("orders")
    }
}

fn correct(asked: &Correction) -> Result<Request, Stop> {
    let correction = match (&asked.sku, &asked.method, &asked.address) {
        (Some(sku), _, _) => {
            let (line, sku) = sku
                .split_once('=')
                .ok_or_else(|| Stop::new("reading --sku", "LINE=SKU is needed"))?;
            json!({"field": "sku", "line": line, "sku": sku})
        }
        (None, Some(method), _) => json!({"field": "shipping_method", "method": method}),
        (None, None, Some(file)) => {
            let address: Value = serde_json::from_str(&read(file)?)
                .map_err(|e| Stop::new(format!("reading `{}`", file.display()), e))?;
            json!({"field": "shipping_address", "address": address})
        }
        (None, None, None) => {
            return Err(Stop::new("reading the arguments", "nothing to correct"));
        }
    };
    let body = object(&[
        ("correction", Some(correction)),
        ("reason", Some(json!(asked.reason))),
        ("effect", text(&asked.effect)),
    ]);
    Ok(post(format!("orders/{}/correct", asked.order), body))
}

fn range(archive: &Archive) -> Value {
    object(&[
        ("from", text(&archive.from)),
        ("to", text(&archive.to)),
        ("connection", text(&archive.connection)),
        ("topic", text(&archive.topic)),
        ("limit", Some(json!(100))),
    ])
}

fn replay(archive: &Archive) -> Request {
    match (&archive.order, &archive.receipt) {
        (Some(order), _) => post(format!("orders/{order}/replay"), json!({})),
        (None, Some(receipt)) => post(format!("receipts/{receipt}/replay"), json!({})),
        (None, None) => post("replay", range(archive)),
    }
}

fn dry_run(archive: &Archive, connections: Option<&Path>) -> Result<Request, Stop> {
    let file = connections.map(read).transpose()?;
    let file = file.map(Value::String);
    Ok(match (&archive.order, &archive.receipt) {
        (Some(order), _) => post(
            format!("orders/{order}/dry-run"),
            object(&[("connections", file)]),
        ),
        (None, Some(receipt)) => post(
            format!("receipts/{receipt}/dry-run"),
            object(&[("connections", file)]),
        ),
        (None, None) => post(
            "replay/dry-run",
            object(&[("range", Some(range(archive))), ("connections", file)]),
        ),
    })
}

fn read(file: &Path) -> Result<String, Stop> {
    std::fs::read_to_string(file).map_err(|e| Stop::new(format!("reading `{}`", file.display()), e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Options;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn request(line: &str) -> Result<Request, String> {
        let words = std::iter::once("ops").chain(line.split(' '));
        let line = Line::try_parse_from(words).map_err(|e| e.to_string())?;
        Request::of(&line.options.action).map_err(|e| e.to_string())
    }

    #[test]
    fn one_case_goes_to_its_route_and_many_to_bulk() {
        let one = request("ignore 4f0 --reason seen").unwrap();
        assert_eq!(one, post("cases/4f0/ignore", json!({"reason": "seen"})));
        let many = request("retry --class erp --code unknown_sku --connection odoo --dry-run");
        let body = json!({
            "filter": {"class": "erp", "code": "unknown_sku", "connection": "odoo"},
            "action": {"kind": "retry"}, "limit": 50, "dry_run": true,
        });
        assert_eq!(many.unwrap(), post("cases/bulk", body));
    }

    #[test]
    fn a_filter_without_a_code_is_refused_before_anything_is_sent() {
        assert!(request("retry").is_err());
        assert!(request("retry --class erp").is_err());
        assert!(request("retry 4f0 --class erp --code x").is_err());
        assert!(request("replay").is_err());
        assert!(request("replay --from 2026-11-23T08:00:00Z").is_err());
        assert!(request("correct 77a --reason x").is_err());
        assert!(request("correct 77a --sku L1 --reason x").is_err());
    }

    #[test]
    fn the_next_page_asks_with_its_cursor_where_the_route_takes_it() {
        let cursor = |line: &str| {
            let mut request = request(line).unwrap();
            request.continue_at("old");
            request.continue_at("c-2");
            request
        };
        let listing = cursor("cases --code no_route");
        assert_eq!(listing.query.last(), Some(&("cursor", "c-2".to_owned())));
        assert_eq!(listing.query.len(), 3);
        let time = "--from 2026-11-23T08:00:00Z --to 2026-11-23T09:00:00Z";
        let replay = cursor(&format!("replay {time}"));
        assert_eq!(replay.body.unwrap()["cursor"], "c-2");
        let dry_run = cursor(&format!("dry-run {time}"));
        assert_eq!(dry_run.body.unwrap()["range"]["cursor"], "c-2");
    }

    #[test]
    fn an_effect_and_a_finding_of_an_order_and_a_case_of_none_go_to_their_routes() {
        let effect = request("retry-effect 77a delivery.register/SHP-7").unwrap();
        let body = json!({"effect": "delivery.register/SHP-7"});
        assert_eq!(effect, post("orders/77a/retry", body));
        let finding = request("waive 77a total_mismatch").unwrap();
        let body = json!({"code": "total_mismatch"});
        assert_eq!(finding, post("orders/77a/waive", body));
        let case = request("close 4f0").unwrap();
        assert_eq!(case, post("cases/4f0/close", json!({})));
        for half in ["retry-effect 77a", "waive 77a", "close"] {
            assert!(request(half).is_err(), "{half}");
        }
    }

    #[test]
    fn a_correction_of_a_line_names_line_and_sku() {
        let request = request("correct 77a --sku L1=MUG-01 --reason typo").unwrap();
        let body = json!({
            "correction": {"field": "sku", "line": "L1", "sku": "MUG-01"}, "reason": "typo",
        });
        assert_eq!(request, post("orders/77a/correct", body));
    }
}

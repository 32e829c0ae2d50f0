//! Recorded exchanges with real servers, read by our code. They are not part of the repository:
//! where they are absent, the tests say so and pass.

use crate::error::{Fault, FaultKind, OdooError};
use crate::wire::{Blame, Loaded, read_json_rpc, read_json2};
use serde_json::Value;
use std::path::PathBuf;
use waybill_model::id::ConnectionId;

fn folder(version: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/odoo/transcripts")
        .join(version);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: no transcripts at {}", path.display());
    None
}

/// The result of a recorded exchange as our reader sees it; absent if it was not recorded.
fn replay(version: &str, name: &str) -> Option<Result<Value, OdooError>> {
    let text = std::fs::read_to_string(folder(version)?.join(format!("{name}.json"))).ok()?;
    let exchange: Value = serde_json::from_str(&text).unwrap();
    let status = exchange["response"]["status"].as_u64()?;
    let status = u16::try_from(status).unwrap();
    let body = match &exchange["response"]["body"] {
        Value::String(html) => html.clone().into_bytes(),
        json => serde_json::to_vec(json).unwrap(),
    };
    let json_rpc = exchange["request"]["path"] == "/jsonrpc";
    Some(if json_rpc {
        read_json_rpc(status, &body)
    } else {
        read_json2(status, &body)
    })
}

fn fault(version: &str, name: &str) -> Option<Fault> {
    match replay(version, name)? {
        Err(OdooError::Fault(fault)) => Some(fault),
        other => panic!("{version}/{name}: a fault is expected, not {other:?}"),
    }
}

fn refused(version: &str, name: &str) -> Option<Vec<Blame>> {
    match Loaded::read(&replay(version, name)?.unwrap()).unwrap() {
        Loaded::Refused(blames) => Some(blames),
        Loaded::Ids(ids) => panic!("{version}/{name}: a refusal is expected, not {ids:?}"),
    }
}

#[test]
fn recorded_faults_have_their_class() {
    for version in ["17", "19"] {
        for (name, kind) in [
            ("err_access", FaultKind::Right),
            ("err_private_method", FaultKind::Right),
            ("err_bad_domain", FaultKind::Interface),
            ("err_create_invalid_field", FaultKind::Interface),
            ("err_missing_arg", FaultKind::Interface),
            ("err_unknown_method", FaultKind::Interface),
            ("err_unknown_model", FaultKind::Interface),
            ("err_create_bad_fk", FaultKind::Missing),
            ("err_missing_confirm", FaultKind::Missing),
            ("err_missing_write", FaultKind::Missing),
            ("err_create_missing_required", FaultKind::Business),
            ("order_action_confirm_again", FaultKind::Business),
            ("confirm_batch_one_fails_deep", FaultKind::Business),
            ("err_serialization_exhausted", FaultKind::Concurrency),
        ] {
            if let Some(fault) = fault(version, name) {
                assert_eq!(fault.kind, kind, "{version}/{name}: {fault:?}");
            }
        }
    }
}

#[test]
fn a_confirm_that_is_still_running_on_17_is_a_lost_race() {
    if let Some(fault) = fault("17", "confirm_retry_after_client_timeout") {
        assert_eq!(fault.kind, FaultKind::Concurrency);
    }
}

#[test]
fn credentials_and_databases_wait_and_are_no_case() {
    let erp = ConnectionId::new("odoo").unwrap();
    for (version, name) in [
        ("17", "err_jsonrpc_bad_secret"),
        ("17", "err_jsonrpc_bad_db"),
        ("19", "err_json2_bad_key"),
        ("19", "err_json2_no_auth"),
        ("19", "err_json2_bad_db"),
    ] {
        if let Some(Err(error)) = replay(version, name) {
            assert_eq!(error.failure(&erp).class(), "transient", "{name}: {error}");
        }
    }
    if let Some(answer) = replay("17", "auth_jsonrpc_bad") {
        assert_eq!(answer.unwrap(), Value::Bool(false));
    }
}

#[test]
fn recorded_refusals_name_records_and_the_false_blame_is_there() {
    for version in ["17", "19"] {
        if let Some(blames) = refused(version, "load_err_blame_first_record") {
            let records: Vec<_> = blames.iter().map(|b| b.record).collect();
            assert_eq!(records, [Some(0), Some(6)]);
        }
        if let Some(blames) = refused(version, "load_err_many_createtime") {
            assert!(blames.iter().any(|b| b.record.is_none()));
        }
        if let Some(blames) = refused(version, "load_retry_after_client_timeout") {
            // The last message only says that there were too many to list: it blames no record.
            let mut blamed = blames.iter().filter(|b| b.record.is_some()).peekable();
            assert!(blamed.peek().is_some());
            assert!(blamed.all(|b| crate::error::is_concurrency(&b.message)));
        }
    }
}

#[test]
fn recorded_results_are_read() {
    for version in ["17", "19"] {
        for (name, expected) in [
            ("order_load_full_fields", 1),
            ("picking_bulk_load_20", 20),
            ("load_dup_in_batch", 2),
        ] {
            if let Some(result) = replay(version, name) {
                match Loaded::read(&result.unwrap()) {
                    Ok(Loaded::Ids(ids)) => assert_eq!(ids.len(), expected, "{version}/{name}"),
                    other => panic!("{version}/{name}: {other:?}"),
                }
            }
        }
        for name in ["quant_apply_integ_stockmgr", "order_action_confirm_batch"] {
            if let Some(result) = replay(version, name) {
                assert!(result.is_ok(), "{version}/{name}");
            }
        }
    }
}

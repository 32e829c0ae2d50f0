//! Runs signature vectors through the real verifiers: `vectors DIR|FILE…`.
//!
//! A vector file is a JSON object with `partner` and `vectors`; each vector has `description`,
//! `secret` (or `secrets`, the current one first), `headers`, `body` (or `body_base64`), `valid`,
//! and for schemes with a timestamp `now_unix`. Prints a verdict per case. Exits 1 if a verdict is
//! not the stated one, a file cannot be read, or there was no case to run.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a command-line tool talks to its user"
)]

mod common;

use base64::Engine;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use waybill_flow::connections::{Connection, PartnerKind};
use waybill_flow::ports::{ConnectionSecrets, Secret};
use waybill_model::time::Instant;
use waybill_partners::{Refusal, Verified, WebhookRequest, verify};

#[derive(Deserialize)]
struct VectorFile {
    partner: Option<String>,
    vectors: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Vector {
    description: Option<String>,
    secret: Option<String>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    body_base64: Option<String>,
    topic_path: Option<String>,
    now_unix: Option<i64>,
    valid: bool,
}

#[derive(Default)]
struct Count {
    matched: usize,
    mismatched: usize,
    unreadable: usize,
    without_adapter: usize,
}

fn main() -> ExitCode {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if paths.is_empty() || paths.iter().any(|p| p.to_string_lossy().starts_with('-')) {
        eprintln!("usage: vectors DIR|FILE…");
        return ExitCode::from(2);
    }
    let mut count = Count::default();
    for path in paths {
        match files(&path) {
            Ok(files) => files.iter().for_each(|f| run_file(f, &mut count)),
            Err(e) => {
                eprintln!("error: `{}`: {e}", path.display());
                count.unreadable += 1;
            }
        }
    }
    println!(
        "{} as stated, {} not as stated, {} unreadable, {} files without an adapter",
        count.matched, count.mismatched, count.unreadable, count.without_adapter
    );
    if count.mismatched == 0 && count.unreadable == 0 && count.matched > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The vector files of a folder in the order of their names, or the file itself.
fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn run_file(path: &Path, count: &mut Count) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let read = std::fs::read_to_string(path)
        .map_err(|e| e.to_string())
        .and_then(|t| serde_json::from_str::<VectorFile>(&t).map_err(|e| e.to_string()));
    let file = match read {
        Ok(file) => file,
        Err(e) => {
            println!("UNREADABLE {name}: {e}");
            count.unreadable += 1;
            return;
        }
    };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.split('_').next().unwrap_or_default().to_owned();
    let partner_name = file.partner.unwrap_or(stem);
    let Some(partner) = common::partner(&partner_name) else {
        println!("skipped    {name}: no adapter for `{partner_name}`");
        count.without_adapter += 1;
        return;
    };
    let connection = match common::connection(partner, partner.as_str(), &BTreeMap::new()) {
        Ok(connection) => connection,
        Err(e) => {
            println!("UNREADABLE {name}: {e}");
            count.unreadable += 1;
            return;
        }
    };
    for (i, vector) in file.vectors.into_iter().enumerate() {
        run_case(&connection, partner, i, vector, count);
    }
}

fn run_case(
    connection: &Connection,
    partner: PartnerKind,
    index: usize,
    vector: serde_json::Value,
    count: &mut Count,
) {
    let partner = partner.as_str();
    let vector: Vector = match serde_json::from_value(vector) {
        Ok(vector) => vector,
        Err(e) => {
            println!("UNREADABLE {partner} case {}: {e}", index + 1);
            count.unreadable += 1;
            return;
        }
    };
    let Some(body) = body(&vector) else {
        println!("UNREADABLE {partner} case {}: `body_base64`", index + 1);
        count.unreadable += 1;
        return;
    };
    let verdict = check(connection, &vector, &body);
    let found = match &verdict {
        Ok(_) => "accepted".to_owned(),
        Err(refusal) => format!("refused: `{}`, {refusal}", refusal.code()),
    };
    let description = vector.description.as_deref().unwrap_or("no description");
    if verdict.is_ok() == vector.valid {
        println!("ok         {partner}: {description}: {found}");
        count.matched += 1;
    } else {
        let stated = if vector.valid { "valid" } else { "invalid" };
        println!("MISMATCH   {partner}: {description}: stated {stated}, {found}");
        count.mismatched += 1;
    }
}

fn body(vector: &Vector) -> Option<Vec<u8>> {
    match (&vector.body, &vector.body_base64) {
        (Some(text), _) => Some(text.clone().into_bytes()),
        (None, Some(coded)) => base64::engine::general_purpose::STANDARD.decode(coded).ok(),
        (None, None) => Some(Vec::new()),
    }
}

fn check(connection: &Connection, vector: &Vector, body: &[u8]) -> Result<Verified, Refusal> {
    let headers = vector
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect();
    let request = WebhookRequest {
        headers: &headers,
        topic_path: vector.topic_path.as_deref(),
        body,
        now: vector.now_unix.map_or_else(now, Instant::from_epoch_s),
    };
    let secrets = ConnectionSecrets {
        webhook_secrets: vector
            .secret
            .iter()
            .chain(&vector.secrets)
            .map(Secret::new)
            .collect(),
        ..ConnectionSecrets::default()
    };
    verify(connection, &request, &secrets)
}

fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
    Instant::from_epoch_s(seconds)
}

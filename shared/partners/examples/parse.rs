//! Prints what deliveries say: `parse --partner P [--topic T] FILE…`; `-` is standard input.
//!
//! One JSON line per canonical event, or one with the reason why there is none. Exits 1 only if an
//! adapter crashed, 2 on wrong usage.
//!
//! | option | meaning |
//! |---|---|
//! | `--partner P` | whose adapter |
//! | `--topic T` | the topic, where the partner's transport tells it |
//! | `--connection ID` | id of the connection; the partner's name by default |
//! | `--header NAME=VALUE` | a header that the adapter reads |
//! | `--setting NAME=VALUE` | a setting of the connection |
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to its user"
)]

mod common;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use waybill_flow::connections::Connection;
use waybill_model::delivery::{Delivery, Origin};
use waybill_model::event::Subject;
use waybill_model::id::MessageId;
use waybill_model::time::Instant;
use waybill_partners::{Fact, Parsed, parse};

const USAGE: &str = "usage: parse --partner P [--topic T] [--connection ID] \
                     [--header NAME=VALUE]… [--setting NAME=VALUE]… FILE…";

#[derive(Default)]
struct Options {
    partner: Option<String>,
    topic: Option<String>,
    connection: Option<String>,
    headers: BTreeMap<String, String>,
    settings: BTreeMap<String, String>,
    files: Vec<String>,
}

fn main() -> ExitCode {
    let options = match read_options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => return usage(&why),
    };
    let name = options.partner.as_deref().unwrap_or_default();
    let Some(partner) = common::partner(name) else {
        let known: Vec<&str> = common::PARTNERS.iter().map(|p| p.as_str()).collect();
        return usage(&format!("`--partner` is one of: {}", known.join(", ")));
    };
    let id = options.connection.as_deref().unwrap_or(partner.as_str());
    let connection = match common::connection(partner, id, &options.settings) {
        Ok(connection) => connection,
        Err(e) => return usage(&e.to_string()),
    };
    if options.files.is_empty() {
        return usage("name at least one file");
    }
    let mut crashed = false;
    for file in &options.files {
        crashed |= !print_file(&connection, &options, file);
    }
    if crashed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn usage(why: &str) -> ExitCode {
    eprintln!("error: {why}\n{USAGE}");
    ExitCode::from(2)
}

fn read_options(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        if !argument.starts_with("--") {
            options.files.push(argument);
            continue;
        }
        let (name, given) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let value = given
            .or_else(|| arguments.next())
            .ok_or_else(|| format!("`{name}` needs a value"))?;
        let pair = || {
            value
                .split_once('=')
                .map(|(n, v)| (n.trim().to_owned(), v.to_owned()))
                .ok_or_else(|| format!("`{name}` needs `NAME=VALUE`"))
        };
        match name.as_str() {
            "--partner" => options.partner = Some(value),
            "--topic" => options.topic = Some(value),
            "--connection" => options.connection = Some(value),
            "--header" => {
                let (name, value) = pair()?;
                options.headers.insert(name.to_ascii_lowercase(), value);
            }
            "--setting" => {
                let (name, value) = pair()?;
                options.settings.insert(name, value);
            }
            _ => return Err(format!("`{name}` is not an option")),
        }
    }
    Ok(options)
}

/// Prints the lines of one file; false if the adapter crashed on it.
fn print_file(connection: &Connection, options: &Options, file: &str) -> bool {
    let body = match read(file) {
        Ok(body) => body,
        Err(e) => {
            print(
                json!({ "file": file, "refused": { "code": "unreadable_file", "detail": e.to_string() } }),
            );
            return true;
        }
    };
    let delivery = Delivery {
        receipt: MessageId::from_uuid(waybill_model::id::name_uuid(&["parse", file])),
        connection: connection.id.clone(),
        origin: Origin::Replay,
        topic: options.topic.clone(),
        dedupe_id: None,
        headers: options.headers.clone(),
        received_at: Instant::EPOCH,
        replayed_at: None,
        traceparent: None,
        body,
    };
    match std::panic::catch_unwind(AssertUnwindSafe(|| parse(connection, &delivery))) {
        Ok(Ok(Parsed::Facts { dedupe_id, facts })) => {
            for fact in facts {
                print(event(file, &dedupe_id, &fact));
            }
        }
        Ok(Ok(Parsed::Ignored { code })) => {
            print(json!({ "file": file, "ignored": { "code": code } }));
        }
        Ok(Ok(Parsed::Refetch { dedupe_id })) => {
            print(json!({ "file": file, "refetch": { "dedupe_id": dedupe_id } }));
        }
        Ok(Err(refused)) => {
            print(
                json!({ "file": file, "refused": { "code": refused.code, "detail": refused.detail } }),
            );
        }
        Err(_) => {
            print(json!({ "file": file, "crashed": true }));
            return false;
        }
    }
    true
}

fn read(file: &str) -> std::io::Result<Vec<u8>> {
    if file == "-" {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body)?;
        return Ok(body);
    }
    std::fs::read(file)
}

fn event(file: &str, dedupe_id: &str, fact: &Fact) -> Value {
    let subject = match &fact.subject {
        Subject::Order(correlation) => json!({ "correlationid": correlation }),
        Subject::Reference(references) => json!({ "references": references }),
        Subject::Connection => json!("connection"),
    };
    let mut line = json!(fact.event);
    if let Some(map) = line.as_object_mut() {
        map.insert("file".to_owned(), json!(file));
        map.insert("dedupe_id".to_owned(), json!(dedupe_id));
        map.insert("subject".to_owned(), subject);
        map.insert("time".to_owned(), json!(fact.at));
    }
    line
}

fn print(line: Value) {
    println!("{line}");
}

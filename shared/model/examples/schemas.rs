//! Writes the JSON Schemas of the canonical model, or checks that the stored ones are current.
//!
//! `schemas [--write | --check] [FOLDER]`; checks `infra/schemas` by default.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to its user"
)]

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use waybill_model::schema;

fn main() -> ExitCode {
    let mut write = false;
    let mut folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/schemas");
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--write" => write = true,
            "--check" => write = false,
            other if other.starts_with('-') => {
                eprintln!("usage: schemas [--write | --check] [FOLDER]");
                return ExitCode::from(2);
            }
            path => folder = PathBuf::from(path),
        }
    }
    match if write {
        store(&folder)
    } else {
        check(&folder)
    } {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("run `cargo xtask schemas --write` and review what changed");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("error: `{}`: {e}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn store(folder: &Path) -> io::Result<bool> {
    let files = schema::all();
    for file in &files {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, file.text())?;
    }
    for path in stored(folder)? {
        if !files.iter().any(|f| f.path == path) {
            std::fs::remove_file(folder.join(&path))?;
            println!("removed `{path}`");
        }
    }
    println!("{} schemas written", files.len());
    Ok(true)
}

fn check(folder: &Path) -> io::Result<bool> {
    let files = schema::all();
    let mut current = true;
    for file in &files {
        let found = std::fs::read_to_string(folder.join(&file.path));
        if found.ok().as_deref() != Some(file.text().as_str()) {
            println!("`{}` is missing or not that of the types", file.path);
            current = false;
        }
    }
    for path in stored(folder)? {
        if !files.iter().any(|f| f.path == path) {
            println!("`{path}` belongs to no type");
            current = false;
        }
    }
    if current {
        println!("{} schemas are current", files.len());
    }
    Ok(current)
}

/// Paths of the stored schemas, relative to the folder.
fn stored(folder: &Path) -> io::Result<Vec<String>> {
    let mut paths = Vec::new();
    for part in ["", "commands", "events"] {
        let Ok(entries) = std::fs::read_dir(folder.join(part)) else {
            continue;
        };
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // Other documents, such as the API's, may lie beside the envelope.
            let ours = !part.is_empty() || name.starts_with("envelope.");
            if ours && name.ends_with(".json") {
                paths.push(if part.is_empty() {
                    name
                } else {
                    format!("{part}/{name}")
                });
            }
        }
    }
    Ok(paths)
}

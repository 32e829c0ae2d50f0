//! `cargo xtask build`: the functions as they are shipped, small and fast, in `.aws-sam/build`, from where
//! `cargo xtask sam deploy --config-env ENV` takes them.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use crate::failure::Failure;
use crate::project::Project;
use crate::tools::{Tools, python};

/// Arguments of `cargo xtask build`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instruction set; the same value goes to `sam deploy` as the parameter Architecture
    #[arg(long, default_value = "arm64", value_parser = ["arm64", "x86_64"])]
    arch: String,
}

/// Runs `cargo xtask build`: release profile, linked by zig against the C library of Lambda's Amazon Linux.
pub(crate) fn run(project: &Project, args: &Args) -> Result<ExitCode, Failure> {
    let start = Instant::now();
    let tools = Tools::install(project)?;
    Tools::install_for_cross_builds(project, &args.arch)?;
    println!(
        "building for {}; the first time takes some ten minutes",
        args.arch
    );
    let status = tools
        .sam(project)
        .args(["build", "--config-env", "default", "--parameter-overrides"])
        .arg(format!("Architecture={}", args.arch))
        .without_env("SAM_BUILD_MODE")
        .status(project)?;
    if !status.success() {
        return Err(Failure::new("`sam build` failed; its output is above"));
    }
    for bundle in Bundle::all(project, &project.at(".aws-sam/build"))? {
        println!(
            "{:24} {:>6.2} MB, zipped {:>6.2} MB",
            bundle.function(),
            megabytes(bundle.binary_bytes),
            megabytes(bundle.zip_bytes)
        );
    }
    println!(
        "built in {:.0} s; deploy with `cargo xtask sam deploy --config-env dev`",
        start.elapsed().as_secs_f32()
    );
    Ok(ExitCode::SUCCESS)
}

fn megabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let bytes = bytes as f64;
    bytes / 1e6
}

/// One built function.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// The template's name of it, such as `WebhookIntakeFunction`.
    resource: String,
    /// The program.
    pub(crate) bootstrap: PathBuf,
    /// Its size.
    pub(crate) binary_bytes: u64,
    /// Size of the zip that `sam deploy` uploads.
    pub(crate) zip_bytes: u64,
}

impl Bundle {
    /// Every function in a folder that `sam build` wrote, by name; none where there is no such folder.
    pub(crate) fn all(project: &Project, folder: &Path) -> Result<Vec<Self>, Failure> {
        let mut bundles = Vec::new();
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let bootstrap = entry.path().join("bootstrap");
            if let Ok(metadata) = std::fs::metadata(&bootstrap) {
                bundles.push(Self {
                    resource: entry.file_name().to_string_lossy().into_owned(),
                    zip_bytes: zip_bytes(project, &bootstrap)?,
                    binary_bytes: metadata.len(),
                    bootstrap,
                });
            }
        }
        bundles.sort_by(|a, b| a.resource.cmp(&b.resource));
        Ok(bundles)
    }

    /// The function's name as its crate has it, such as `webhook-intake`.
    pub(crate) fn function(&self) -> String {
        let words = self.resource.strip_suffix("Function");
        let mut name = String::new();
        for letter in words.unwrap_or(&self.resource).chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }
}

/// Zips the program as the SAM CLI does, in memory, and says how large it became.
fn zip_bytes(project: &Project, bootstrap: &Path) -> Result<u64, Failure> {
    let script = "import io, sys, zipfile
with zipfile.ZipFile(buffer := io.BytesIO(), 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.write(sys.argv[1], 'bootstrap')
print(len(buffer.getvalue()))";
    let failed = |e: String| Failure::new(format!("cannot zip `{}`: {e}", bootstrap.display()));
    let output = Command::new(python()?)
        .args(["-c", script])
        .arg(bootstrap)
        .current_dir(project.root())
        .output()
        .map_err(|e| failed(e.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .map_err(|_| failed(String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::Bundle;
    use std::path::PathBuf;

    #[test]
    fn a_function_has_the_name_of_its_crate() {
        let bundle = Bundle {
            resource: "OpsApiFunction".to_owned(),
            bootstrap: PathBuf::new(),
            binary_bytes: 0,
            zip_bytes: 0,
        };
        assert_eq!(bundle.function(), "ops-api");
    }
}

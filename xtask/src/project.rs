//! Where things are: the project's folders, this machine's target triple and Lambda architecture.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The checked-out project.
#[derive(Debug)]
pub(crate) struct Project {
    root: PathBuf,
}

impl Project {
    /// The project this tool was built from.
    pub(crate) fn find() -> Result<Self, Failure> {
        // Cargo sets the variable when it runs us; the constant serves a binary that was started by hand.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().ok_or_else(|| {
            Failure::new(format!("`{}` has no parent folder", manifest.display()))
        })?;
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    /// Folder of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `path` below the root.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// `path` below `.waybill`, the ignored folder that holds tools, logs and the local AWS's state.
    pub(crate) fn scratch(&self, path: &str) -> PathBuf {
        self.root.join(".waybill").join(path)
    }

    /// A log file below `.waybill/logs`, emptied, its folder made.
    pub(crate) fn log(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.scratch("logs").join(format!("{name}.log"));
        write(&path, "")?;
        Ok(path)
    }

    /// Where cargo puts what it builds for `target`, in the profile that tests and the local AWS use.
    pub(crate) fn built(&self, target: &str, binary: &str) -> PathBuf {
        let folder = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.root.join("target"), PathBuf::from);
        folder.join(target).join("debug").join(binary)
    }
}

/// Writes `text` to `path` and makes the folders it needs.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Failure::file("make", folder, &e))?;
    }
    std::fs::write(path, text).map_err(|e| Failure::file("write", path, &e))
}

/// Target triple of this machine. Tests, clippy and local functions are all built for it by name, which makes them share
/// one set of compiled dependencies with `cargo lambda`, which always names a target.
pub(crate) fn host_target() -> Result<&'static str, Failure> {
    match (std::env::consts::ARCH, std::env::consts::OS) {
        ("x86_64", "linux") => Ok("x86_64-unknown-linux-gnu"),
        ("aarch64", "linux") => Ok("aarch64-unknown-linux-gnu"),
        ("x86_64", "macos") => Ok("x86_64-apple-darwin"),
        ("aarch64", "macos") => Ok("aarch64-apple-darwin"),
        (arch, os) => Err(Failure::new(format!(
            "`{arch}` on `{os}` is not supported: use Linux, or `infra/local/compose.yaml` where Docker runs"
        ))),
    }
}

/// Lambda's name of this machine's architecture.
pub(crate) fn host_architecture() -> &'static str {
    if std::env::consts::ARCH == "aarch64" {
        "arm64"
    } else {
        "x86_64"
    }
}

/// Fails where the local AWS cannot run functions: it starts them as processes of this machine, and they are Linux binaries.
pub(crate) fn require_linux() -> Result<(), Failure> {
    if std::env::consts::OS == "linux" {
        return Ok(());
    }
    Err(Failure::new(
        "the local AWS runs functions as Linux processes: use Linux, or `infra/local/compose.yaml` where Docker runs",
    ))
}

//! What cargo and other programs do for the chores.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Builds packages of a work tree into a target folder.
pub(crate) fn build(tree: &Path, target: &Path, profile: &str, packages: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(tree).args(["build", "--locked", "--profile", profile, "--target-dir"]).arg(target);
    command.args(packages.iter().flat_map(|package| ["-p", package]));
    let status = command.status().context("cargo does not start")?;
    ensure!(status.success(), "the build of {} failed", tree.display());
    Ok(())
}

/// The folder below the target folder in which cargo puts what it builds of a profile.
pub(crate) fn built(target: &Path, profile: &str) -> PathBuf {
    target.join(if profile == "dev" { "debug" } else { profile })
}

/// What a command that must succeed prints.
pub(crate) fn said(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("`{program}` does not start"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{program}` fails: {}", complaint.trim());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The target folder of this workspace.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let metadata = said(Command::new("cargo").args(["metadata", "--format-version=1", "--no-deps"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let dir = metadata.get("target_directory").and_then(|dir| dir.as_str());
    Ok(dir.context("no target directory")?.into())
}

//! Builds what is measured, as it is released, and measures it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Builds server and generator, and hands `arguments` to the generator.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let build = ["build", "--release", "--locked", "-p", "claviger", "-p", "claviger-bench"];
    let status = Command::new("cargo").args(build).status().context("cargo does not start")?;
    ensure!(status.success(), "the release build failed");
    let program = target_dir()?.join("release/claviger-bench");
    let status = Command::new(&program).args(arguments).status();
    ensure!(status.with_context(|| program.display().to_string())?.success(), "the measurement failed");
    Ok(())
}

fn target_dir() -> Result<PathBuf> {
    let output = Command::new("cargo").args(["metadata", "--format-version=1", "--no-deps"]).output()?;
    ensure!(output.status.success(), "`cargo metadata` failed");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let dir = metadata.get("target_directory").and_then(|dir| dir.as_str());
    Ok(dir.context("no target directory")?.into())
}

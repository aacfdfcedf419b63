//! What must hold of every commit.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::absent;

pub(crate) fn run() -> Result<()> {
    let split = absent::split()?;
    cargo(&["fmt", "--all", "--check"])?;
    crate::tidy::run()?;
    crate::deny::run()?;
    absent::advisories()?;
    // As in a clone with nothing beside it: here no test is given the folder of published data.
    let all = absent::selection(&absent::listed()?);
    finish(&mut tests(&format!("not ({all})")))?;
    if split.runnable.is_empty() {
        return Ok(());
    }
    let selection = absent::selection(&split.runnable);
    let folder = absent::folder().context("the folder of published data went away")?;
    finish(tests(&selection).env(absent::VARIABLE, folder))
}

/// Builds everything and runs these tests. What is built is held against the lints as `cargo clippy -- -D warnings` does, by the compiler that
/// builds it: compiled for the lints first and for the tests then, everything would be compiled twice.
fn tests(selection: &str) -> Command {
    let mut nextest = command(&["nextest", "run", "--workspace", "--locked", "--filterset", selection]);
    nextest.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver").env("CLIPPY_ARGS", clippy(&["-D", "warnings"]));
    nextest
}

/// Arguments as `clippy-driver` takes them from `cargo clippy`.
fn clippy(arguments: &[&str]) -> String {
    arguments.iter().map(|argument| format!("{argument}__CLIPPY_HACKERY__")).collect()
}

fn cargo(arguments: &[&str]) -> Result<()> {
    finish(&mut command(arguments))
}

fn command(arguments: &[&str]) -> Command {
    eprintln!("cargo {}", arguments.join(" "));
    let mut command = Command::new("cargo");
    command.args(arguments).env_remove(absent::VARIABLE);
    command
}

fn finish(command: &mut Command) -> Result<()> {
    let status = command.status().context("cargo does not start")?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

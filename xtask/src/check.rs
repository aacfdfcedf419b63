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
    cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    // As in a clone with nothing beside it: here no test is given the folder of published data.
    let all = absent::selection(&absent::listed()?);
    cargo(&["nextest", "run", "--workspace", "--locked", "--filterset", &format!("not ({all})")])?;
    if split.runnable.is_empty() {
        return Ok(());
    }
    let selection = absent::selection(&split.runnable);
    let folder = absent::folder().context("the folder of published data went away")?;
    let mut nextest = command(&["nextest", "run", "--workspace", "--locked", "--filterset", &selection]);
    finish(nextest.env(absent::VARIABLE, folder))
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

//! Chores of the house, written in Rust so that they run wherever the house is built.

mod check;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

/// Chores of the house.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Format, lints, arrows and tests: what must hold of every commit.
    Check,
    /// Holds the dependencies between crates against `arrows.toml`.
    Tidy,
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Check => check::run(),
        Chore::Tidy => tidy::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

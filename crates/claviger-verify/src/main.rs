//! The auditor's program: verifies an exported log, or an evidence pack with it, on a machine that knows nothing but its files and one
//! public key.
//!
//! What it keeps true: it writes nothing and asks nobody; exit code 0 means that everything holds, 4 that something does
//! not, and each thing that does not is named; when the key is the export's own word, it says so.

mod command;
mod disclosed;
mod entries;
mod export;
mod pack;
mod report;
mod state;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let command = match command::Command::try_parse() {
        Ok(command) => command,
        Err(error) => return report::print_misuse(&error, std::env::args_os()),
    };
    match command.run() {
        Ok(code) => code,
        Err(error) => report::print_failure(command.output(), &error),
    }
}

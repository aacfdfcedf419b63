//! The binary behind `cargo xtask bench`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use claviger_bench::compare::CompareArgs;
use claviger_bench::compliance::{ComplianceArgs, EvaluatedArgs};
use claviger_bench::fair::FairArgs;
use claviger_bench::floor::FloorArgs;
use claviger_bench::library::LibraryArgs;
use claviger_bench::replay::ReplayArgs;
use claviger_bench::report::Form;
use claviger_bench::scale::ScaleArgs;
use claviger_bench::search::SearchArgs;
use claviger_bench::speed::SpeedArgs;
use claviger_bench::{compare, compliance, fair, floor, library, replay, scale, search, speed};

// The server's own: a floor with another allocator would be another stack.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures the real server against floors on the same stack.
#[derive(Debug, Parser)]
#[command(name = "claviger-bench", version)]
struct CommandLine {
    /// How to print the figures
    #[arg(short, long, global = true, default_value = "table")]
    output: Form,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    speed: SpeedArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures two builds against each other; `cargo xtask bench compare` makes the other
    Compare(CompareArgs),
    /// Measures an evaluation for PCI DSS over a long log, and its report
    Compliance(ComplianceArgs),
    /// Evaluates an export; the run starts it itself
    #[command(hide = true)]
    Evaluated(EvaluatedArgs),
    /// Measures what one application's calls suffer from the calls of others
    Fair(FairArgs),
    /// Serves one of the floors; the runs start it themselves
    #[command(hide = true)]
    Floor(FloorArgs),
    /// Measures the cryptographic module alone; the runs start it themselves
    #[command(hide = true)]
    Library(LibraryArgs),
    /// Measures a verifier: entries of the log, and the state rebuilt from its facts
    Replay(ReplayArgs),
    /// Measures a store that holds a million keys
    Scale(ScaleArgs),
    /// Measures the questions of an auditor over a log of ten million entries
    Search(SearchArgs),
}

fn main() -> ExitCode {
    let CommandLine { output, command, speed } = CommandLine::parse();
    let done: Result<()> = match command {
        None => speed::run(&speed, output),
        Some(Command::Compare(args)) => compare::run(&args, output),
        Some(Command::Compliance(args)) => compliance::run(&args, output),
        Some(Command::Evaluated(args)) => compliance::evaluate(&args),
        Some(Command::Fair(args)) => fair::run(&args, output),
        Some(Command::Floor(args)) => floor::run(&args),
        Some(Command::Library(args)) => library::run(&args),
        Some(Command::Replay(args)) => replay::run(&args, output),
        Some(Command::Scale(args)) => scale::run(&args, output),
        Some(Command::Search(args)) => search::run(&args, output),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("claviger-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! The commands of an operator: `quickstart`, `init`, `serve`, `recover`, `doctor`.
//!
//! What it keeps true: results go to standard output, everything else to standard error; no secret is an argument; the
//! process is hardened before it reads a secret or starts a thread.

mod doctor;
mod init;
mod output;
mod pin;
mod quickstart;
mod recover;
mod root;
mod serve;

use std::process::ExitCode;

use clap::Subcommand;

pub use doctor::DoctorArgs;
pub use init::InitArgs;
pub use output::Output;
pub use quickstart::QuickstartArgs;
pub use recover::RecoverArgs;
pub use root::RootArgs;
pub use serve::ServeArgs;

/// Everything that the command line does as a server or for one.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a deployment in a folder and serve it, in the foreground; run again: same data
    Quickstart(QuickstartArgs),
    /// Set a deployment up for production, once
    Init(InitArgs),
    /// Serve a deployment that was set up
    Serve(ServeArgs),
    /// Make a security officer on this machine when nobody is left who could, with the root's own secret
    Recover(RecoverArgs),
    /// Say what is wrong with a deployment on this machine, and what to do
    Doctor(DoctorArgs),
}

/// Runs one command to its end, and says with which code the process is to end: 0 done, 1 failed, 2 usage, 5 refused PIN.
#[must_use]
pub fn run(command: Command, output: Output) -> ExitCode {
    let done = match command {
        Command::Quickstart(args) => quickstart::run(args, output),
        Command::Init(args) => init::run(args, output),
        Command::Serve(args) => serve::run(&args),
        Command::Recover(args) => recover::run(args, output),
        Command::Doctor(args) => doctor::run(&args, output),
    };
    done.unwrap_or_else(|error| {
        output.print_failure(&error);
        ExitCode::from(error.exit_code())
    })
}

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

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;
use crate::error::ServerError;

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

impl Command {
    /// The configuration that it goes by, whether or not it is there yet.
    fn config(&self) -> PathBuf {
        match self {
            Self::Quickstart(args) => args.config(),
            Self::Init(args) => args.config.clone(),
            Self::Serve(args) => args.config.clone(),
            Self::Recover(args) => args.config.clone(),
            Self::Doctor(args) => args.config.clone(),
        }
    }
}

/// Runs one command to its end, and says with which code the process is to end: 0 done, 1 failed, 2 usage, 5 refused PIN.
/// `whole` is the command line that the command is part of: what it reads of the environment is no unknown variable.
#[must_use]
pub fn run(command: Command, output: Output, whole: &clap::Command) -> ExitCode {
    let done = perform(command, output, whole);
    done.unwrap_or_else(|error| {
        output.print_failure(&error);
        ExitCode::from(error.exit_code())
    })
}

fn perform(command: Command, output: Output, whole: &clap::Command) -> Result<ExitCode, ServerError> {
    Config::check_variables(&command.config(), variables(whole))?;
    match command {
        Command::Quickstart(args) => quickstart::run(args, output),
        Command::Init(args) => init::run(args, output),
        Command::Serve(args) => serve::run(&args),
        Command::Recover(args) => recover::run(args, output),
        Command::Doctor(args) => doctor::run(&args, output),
    }
}

/// The variables that a command line and those below it read: of its options, for the PIN, and in a build for tests.
fn variables(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned));
    let below = command.get_subcommands().flat_map(variables);
    let others = [Some(root::PIN_VARIABLE), claviger_store::FAILPOINT_VARIABLE];
    own.chain(below).chain(others.into_iter().flatten().map(str::to_owned)).collect()
}

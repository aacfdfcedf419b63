//! The command line: commands by noun over the REST client, and audit proofs checked on this machine.
//!
//! The binary composes: it flattens [`Globals`] and [`Command`] into its own command line, asks [`run_docs`] first, because only it
//! knows the whole command line, and gives everything else to [`run`].
//!
//! What it keeps true: results go to stdout, everything else to stderr; a secret is never an argument and never a part of a
//! message; a file appears under its name only when it is whole; an exit code other than 0 means that what was asked for is not
//! so.

mod clock;
mod command;
mod docs;
mod examples;
mod failure;
mod file;
mod globals;
mod hints;
mod input;
mod output;
mod progress;
mod session;
mod unreachable;

use std::process::ExitCode;

pub use command::Command;
pub use docs::run_docs;
pub use examples::with_examples;
pub use failure::{Exit, Failure};
pub use globals::Globals;
pub use output::Format;

/// Runs one command to its end, and says with which code the process is to end.
#[must_use]
pub fn run(globals: Globals, command: Command) -> ExitCode {
    let format = globals.output;
    output::speak_for(format);
    match perform(globals, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            format.print_failure(&failure);
            failure.exit().into()
        }
    }
}

/// Says what is wrong with a command line, in the form that it asks for, and with which code the process is to end. Help and version
/// were asked for, and are printed as they are.
#[must_use]
pub fn misused(error: &clap::Error, line: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let format = Format::asked_for(line);
    if !error.use_stderr() || !format.is_for_programs() {
        // That the terminal cannot be written to cannot be said there.
        let _ = error.print();
        return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
    }
    let text = error.render().to_string();
    let failure = Failure::usage(text.trim().trim_start_matches("error: "));
    format.print_failure(&failure);
    failure.exit().into()
}

fn perform(globals: Globals, command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime does not start: {error}")))?;
    let session = session::Session::new(globals);
    let call = command.call();
    runtime.block_on(Box::pin(command.run(&session))).map_err(|failure| failure.hinted(call))
}

/// This crate's part of the command line, for its own documents and tests.
fn part() -> clap::Command {
    use clap::{Args as _, Subcommand as _};
    let bare = clap::Command::new("claviger").about("Key management").subcommand_required(true);
    Command::augment_subcommands(Globals::augment_args(bare))
}

#[cfg(test)]
mod tests;

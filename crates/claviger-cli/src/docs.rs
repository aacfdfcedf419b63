//! Shell completions and manual pages, made from the command line itself so that they cannot differ from it.

use std::path::Path;
use std::process::ExitCode;

use clap_complete::Shell;

use crate::Command;
use crate::failure::Failure;
use crate::output::{Format, note, print_bytes};

/// Runs `completions` or `man` for `whole`, the command line of the binary with all its parts; `None` when `command` is
/// neither. The binary asks this before [`crate::run`], because it alone knows the whole.
#[must_use]
pub fn run_docs(whole: clap::Command, command: &Command) -> Option<ExitCode> {
    let done = match command {
        Command::Completions(args) => completions(whole, args.shell),
        Command::Man(args) => man(whole, &args.out),
        _ => return None,
    };
    Some(done.map_or_else(
        |failure| {
            Format::Table.print_failure(&failure);
            failure.exit().into()
        },
        |()| ExitCode::SUCCESS,
    ))
}

/// Prints the completion script for `shell`.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn completions(mut whole: clap::Command, shell: Shell) -> Result<(), Failure> {
    let name = whole.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut whole, name, &mut script);
    print_bytes(&script)
}

/// Writes one manual page for every command into `out`, which is made.
///
/// # Errors
/// When the directory cannot be written.
pub(crate) fn man(whole: clap::Command, out: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(out).map_err(|error| Failure::file(out, &error))?;
    clap_mangen::generate_to(whole, out).map_err(|error| Failure::file(out, &error))?;
    note(&format!("manual pages are in `{}`; read one with `man -l FILE`", out.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part;

    #[test]
    fn every_command_gets_a_manual_page() {
        let dir = tempfile::tempdir().unwrap();
        man(part(), dir.path()).unwrap();
        for page in
            ["claviger.1", "claviger-key-rotate.1", "claviger-grant-create.1", "claviger-audit-prove.1"]
        {
            assert!(dir.path().join(page).is_file(), "{page}");
        }
    }

    #[test]
    fn scripts_are_made_for_every_shell() {
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut part(), "claviger", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("decapsulate") && script.contains("checkpoint"), "{shell}");
        }
    }
}

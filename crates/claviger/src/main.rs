//! The binary: one command line, of which the server's commands go to `claviger-server` and all others to `claviger-cli`.

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use claviger_cli::{Format, Globals};
use claviger_server::command::Output;
use tikv_jemallocator::Jemalloc;
use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is given back. Secrets of ours wipe themselves; this is for the buffers of the libraries between them
/// and the wire, which hold requests and answers in clear and know nothing of it.
///
/// jemalloc, because what a burst of calls took goes back to the system while nothing is asked: a thread of its own sees to that.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<Jemalloc> = ZeroAlloc(Jemalloc);

/// Key management: keys in a token, their life by policy, and every use of them on record.
#[derive(Debug, Parser)]
#[command(name = "claviger", version, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 others must approve it first, 4 verification failed, \
                  5 the token refused the PIN or is near its lock: not to be tried again by a program."
)]
struct CommandLine {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Server(claviger_server::command::Command),
    #[command(flatten)]
    Client(claviger_cli::Command),
}

fn main() -> ExitCode {
    let CommandLine { globals, command } = match read() {
        Ok(line) => line,
        Err(error) => return claviger_cli::misused(&error, std::env::args_os()),
    };
    match command {
        Command::Server(command) => {
            claviger_server::command::run(command, output(globals.output), &CommandLine::command())
        }
        Command::Client(command) => match claviger_cli::run_docs(whole(), &command) {
            Some(code) => code,
            None => claviger_cli::run(globals, command),
        },
    }
}

/// The command line with all its parts.
fn whole() -> clap::Command {
    claviger_cli::with_examples(CommandLine::command())
}

fn read() -> Result<CommandLine, clap::Error> {
    let mut whole = whole();
    let matches = whole.try_get_matches_from_mut(std::env::args_os())?;
    CommandLine::from_arg_matches(&matches).map_err(|error| error.format(&mut whole))
}

/// JSON is YAML as well (YAML 1.2, 1.3).
const fn output(format: Format) -> Output {
    match format {
        Format::Json | Format::Yaml => Output::Json,
        Format::Table => Output::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent_and_no_command_is_there_twice() {
        CommandLine::command().debug_assert();
        let whole = CommandLine::command();
        let mut names: Vec<_> = whole.get_subcommands().map(clap::Command::get_name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for name in ["quickstart", "init", "serve", "doctor", "status", "key", "approval", "audit"] {
            assert!(names.binary_search(&name).is_ok(), "{name}");
        }
    }

    /// Every command that has none below it, with its path.
    fn leaves<'a>(command: &'a clap::Command, path: String, into: &mut Vec<(String, &'a clap::Command)>) {
        let parts: Vec<_> = command.get_subcommands().filter(|part| part.get_name() != "help").collect();
        for part in &parts {
            leaves(part, format!("{path} {}", part.get_name()), into);
        }
        if parts.is_empty() {
            into.push((path, command));
        }
    }

    #[test]
    fn every_command_of_the_whole_shows_an_example() {
        let (whole, mut all) = (whole(), Vec::new());
        leaves(&whole, "claviger".to_owned(), &mut all);
        assert!(all.iter().any(|(path, _)| path == "claviger doctor"));
        for (path, command) in all {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "`{path}` shows no example");
        }
    }

    /// What options take that is no word of a closed list, as their help calls it.
    const OPEN: [&str; 35] = [
        "ADDR",
        "ALIAS",
        "ASSET",
        "BYTES",
        "CAPACITY",
        "CIDR",
        "CREDENTIAL",
        "CURSOR",
        "DIGEST",
        "DIR",
        "ENTRY",
        "FIELDS",
        "FILE",
        "GRANT",
        "ID",
        "INDEX",
        "INDEX|TIME",
        "ITEM",
        "KEY",
        "LABEL",
        "M",
        "N",
        "NAME",
        "NAME=FILE",
        "NAME=VALUE",
        "OBJECT",
        "PRINCIPAL",
        "REQUEST",
        "RING",
        "SPAN",
        "TEXT",
        "TIME",
        "URL",
        "WHEN",
        "WORDS",
    ];

    #[test]
    fn options_of_a_closed_list_show_its_values_and_complete_them() {
        let (whole, mut all, mut closed) = (whole(), Vec::new(), 0);
        leaves(&whole, "claviger".to_owned(), &mut all);
        for (path, command) in all {
            for argument in command.get_arguments().filter(|argument| argument.get_action().takes_values()) {
                let names = argument.get_value_names().unwrap_or_default();
                let is_open = names.iter().all(|name| OPEN.contains(&name.as_str()));
                assert_eq!(argument.get_possible_values().is_empty(), is_open, "{path} {argument}");
                closed += usize::from(!is_open);
            }
        }
        assert!(closed > 30, "{closed}");
    }

    #[test]
    fn every_command_of_the_whole_has_a_manual_page() {
        let dir = tempfile::tempdir().unwrap();
        let CommandLine { command, .. } = CommandLine::parse_from([
            "claviger".as_ref(),
            "man".as_ref(),
            "--out".as_ref(),
            dir.path().as_os_str(),
        ]);
        let Command::Client(command) = command else { panic!("`man` is the client's") };
        let done = claviger_cli::run_docs(CommandLine::command(), &command).unwrap();
        assert_eq!(format!("{done:?}"), format!("{:?}", ExitCode::SUCCESS));
        let mut whole = CommandLine::command();
        whole.build();
        let pages = count_pages(&whole, "claviger", dir.path());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), pages);
    }

    /// Every command below `command`, each with its page in `folder`. `help` explains itself.
    fn count_pages(command: &clap::Command, name: &str, folder: &std::path::Path) -> usize {
        assert!(folder.join(format!("{name}.1")).is_file(), "{name}");
        let parts = command.get_subcommands().filter(|part| part.get_name() != "help");
        1 + parts.map(|part| count_pages(part, &format!("{name}-{}", part.get_name()), folder)).sum::<usize>()
    }
}

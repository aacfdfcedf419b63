//! What commands say: results on stdout as table, JSON or YAML; everything else on stderr.

mod encoding;
mod table;
pub(crate) mod units;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use claviger_client::types::Pairs;
use serde::Serialize;

use crate::failure::Failure;

pub(crate) use encoding::{Encoding, Released, read_back, release, sealed_bytes};
pub(crate) use table::{Table, record};

/// What people call a thing that has this identifier: its name, if it came along, or else the identifier.
pub(crate) fn named(names: &Pairs, id: impl Display) -> String {
    let id = id.to_string();
    names.0.get(&id).cloned().unwrap_or(id)
}

/// In which form results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// JSON, one document.
    Json,
    /// YAML, one document.
    Yaml,
}

impl Format {
    /// The form that a command line asks for which may not parse: its last `-o` or `--output` with a word that names one.
    pub(crate) fn asked_for(line: impl Iterator<Item = OsString>) -> Self {
        let mut asked = Self::default();
        let mut is_next = false;
        for word in line {
            let Some(word) = word.to_str() else { continue };
            let attached = word.strip_prefix("--output=").or_else(|| word.strip_prefix("-o"));
            let attached = attached.map(|rest| rest.trim_start_matches('=')).filter(|rest| !rest.is_empty());
            let named = attached.or(Some(word).filter(|_| is_next));
            if let Some(format) = named.and_then(|name| <Self as clap::ValueEnum>::from_str(name, false).ok())
            {
                asked = format;
            }
            is_next = word == "-o" || word == "--output";
        }
        asked
    }

    /// Is it read by programs?
    pub(crate) fn is_for_programs(self) -> bool {
        self != Self::Table
    }

    /// Prints `value`; `table` makes the text for people.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(crate) fn print<T: Serialize + ?Sized>(
        self,
        value: &T,
        table: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = match self {
            Self::Table => table(value),
            Self::Json | Self::Yaml => self.encode(value)?,
        };
        print_line(&text)
    }

    /// `value` in this form; a table is printed as JSON, having no form of its own.
    pub(crate) fn encode<T: Serialize + ?Sized>(self, value: &T) -> Result<String, Failure> {
        let broken = |error: &dyn Display| Failure::failed(format!("the result cannot be printed: {error}"));
        match self {
            // By way of JSON: YAML would name the variants of enumerations by tags, at which safe loaders stop.
            Self::Yaml => {
                let value = serde_json::to_value(value).map_err(|error| broken(&error))?;
                serde_yaml_ng::to_string(&value).map_err(|error| broken(&error))
            }
            Self::Json | Self::Table => serde_json::to_string_pretty(value).map_err(|error| broken(&error)),
        }
    }

    /// Prints a failure on stderr: text for people, a problem document for programs.
    pub(crate) fn print_failure(self, failure: &Failure) {
        let text = match self {
            Self::Table => failure.to_string(),
            Self::Json | Self::Yaml => self.encode(failure).unwrap_or_else(|_| failure.to_string()),
        };
        say(&text);
    }
}

/// One line on stdout. A reader that has gone away ends the program quietly, as it does for every other filter.
pub(crate) fn print_line(text: &str) -> Result<(), Failure> {
    print_bytes(format!("{}\n", text.trim_end_matches('\n')).as_bytes())
}

/// Bytes on stdout, as they are.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(bytes)
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::failed(format!("standard output: {error}")))
}

/// Set when the results are for programs: stderr then carries a problem document, or nothing.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on, says only what must be said, when results of this form are asked for.
pub(crate) fn speak_for(format: Format) {
    QUIET.store(format.is_for_programs(), Ordering::Relaxed);
}

/// A line on stderr, for people.
pub(crate) fn note(text: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        say(text);
    }
}

/// A line on stderr that must be said. Nothing can be done, nor said, when that fails.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end_matches('\n'));
}

/// A line on stderr that warns people.
pub(crate) fn warn(text: &str) {
    note(&format!("warning: {text}"));
}

/// Is standard output a terminal?
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_one_document_that_reads_back() {
        let value = serde_json::json!({"name": "orders", "keys": [1, 2]});
        let json = Format::Json.encode(&value).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
        let yaml = Format::Yaml.encode(&value).unwrap();
        assert_eq!(serde_yaml_ng::from_str::<serde_json::Value>(&yaml).unwrap(), value);
        let on = claviger_client::types::grant::GrantOn::Key("orders/main".to_owned());
        assert_eq!(Format::Yaml.encode(&on).unwrap(), "key: orders/main\n");
        assert!(!Format::Table.is_for_programs() && Format::Json.is_for_programs());
    }

    #[test]
    fn form_is_known_of_a_line_that_does_not_parse() {
        let asked = |line: &str| Format::asked_for(line.split(' ').map(OsString::from));
        for line in [
            "claviger -o json key",
            "claviger key --output=json",
            "claviger -ojson x",
            "claviger x --output json",
        ] {
            assert_eq!(asked(line), Format::Json, "{line}");
        }
        for line in ["claviger key list", "claviger -o xml key", "claviger key json"] {
            assert_eq!(asked(line), Format::Table, "{line}");
        }
    }
}

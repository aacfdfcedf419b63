//! What is reported of a verification, to people and to programs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::ValueEnum;
use claviger_audit::VerifierKey;
use claviger_audit::session::Disclosure;
use claviger_audit::verify::{LiveState, Verified};
use jiff::Timestamp;
use serde::Serialize;

use crate::disclosed::Disclosed;
use crate::pack::Held;

/// Exit code when a file cannot be read, or a newer release wrote the log.
const FAILED: u8 = 1;
/// Exit code when the command line is wrong.
const USAGE: u8 = 2;
/// Exit code when something does not hold.
const UNVERIFIED: u8 = 4;

/// How the result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// The result of a verification.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(skip)]
    format: Format,
    /// Does everything hold?
    verified: bool,
    /// Name of the root log.
    origin: String,
    cuts: u64,
    /// Clock of the newest cut, as its node had it.
    newest_cut: Option<String>,
    entries: u64,
    shards: BTreeMap<u32, u64>,
    /// The first and the last entry of each shard that has some.
    read: BTreeMap<u32, FirstAndLast>,
    key_versions: usize,
    /// Objects that the facts yield.
    objects: usize,
    /// Snapshots that were held against the state.
    snapshots: u64,
    /// Whether live rows were held against the log, and how many.
    live_state: LiveState,
    receipts: usize,
    receipts_kept: usize,
    /// The verifier key of the root log.
    root_vkey: String,
    /// The same by its earlier name, for one release more.
    checkpoint_key: String,
    /// Whether the key came from elsewhere than the export.
    key_known_beforehand: bool,
    findings: Vec<FindingReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disclosed: Option<Disclosed>,
    /// Of an evidence pack: what was held of it beside its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pack: Option<Held>,
    /// Files in the directory of an export that are none of its log: nothing was looked at of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_looked_at: Option<usize>,
    /// Lies the log in a pack of which nothing else was held?
    #[serde(skip)]
    alone: bool,
}

/// The indexes of the first and the last entry that were read.
#[derive(Debug, Serialize)]
struct FirstAndLast {
    first: u64,
    last: u64,
}

/// One finding.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct FindingReport {
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

impl Report {
    pub(crate) fn new(
        format: Format,
        verified: &Verified,
        key: &VerifierKey,
        key_known_beforehand: bool,
        receipts: usize,
    ) -> Self {
        let report = |finding: &claviger_audit::verify::Finding| FindingReport {
            code: finding.code(),
            detail: finding.to_string(),
        };
        let newest_cut = (verified.cuts > 0).then(|| instant(verified.cut_at)).flatten();
        Self {
            format,
            verified: verified.findings.is_empty(),
            cuts: verified.cuts,
            newest_cut,
            entries: verified.entries(),
            key_versions: verified.states.len(),
            objects: verified.objects.len(),
            snapshots: verified.snapshots,
            live_state: verified.live_state,
            receipts,
            receipts_kept: verified.receipts_kept,
            root_vkey: key.to_string(),
            checkpoint_key: key.to_string(),
            key_known_beforehand,
            findings: verified.findings.iter().map(report).collect(),
            origin: verified.origin.clone(),
            read: verified.shards.iter().filter_map(first_and_last).collect(),
            shards: verified.shards.clone(),
            disclosed: None,
            pack: None,
            not_looked_at: None,
            alone: false,
        }
    }

    /// The same, with what is disclosed. What does not hold of it is among the findings.
    pub(crate) fn with_disclosure(self, disclosure: Option<&Disclosure>) -> Self {
        Self { disclosed: disclosure.map(Disclosed::new), ..self }
    }

    /// The same, of the log in a pack of which nothing else was held.
    pub(crate) fn of_log_in_pack(self) -> Self {
        Self { alone: true, ..self }
    }

    /// The same, of an export beside which so many other files lie.
    pub(crate) fn with_others(self, others: usize) -> Self {
        Self { not_looked_at: Some(others), ..self }
    }

    /// The same, with what was held of the pack in which the log lies. What does not hold of it comes before the rest.
    pub(crate) fn with_pack(mut self, mut held: Held) -> Self {
        let mut findings: Vec<_> = std::mem::take(&mut held.findings).into_iter().collect();
        findings.append(&mut self.findings);
        Self { verified: findings.is_empty(), findings, pack: Some(held), alone: false, ..self }
    }

    /// Writes it, and says how the process is to end.
    pub(crate) fn print(&self) -> ExitCode {
        let text = match self.format {
            Format::Table => self.text(),
            Format::Json => json(self),
        };
        match std::io::stdout().lock().write_all(text.as_bytes()) {
            Err(_) => ExitCode::from(FAILED),
            Ok(()) if self.verified => ExitCode::SUCCESS,
            Ok(()) => ExitCode::from(UNVERIFIED),
        }
    }

    /// Name of the root log.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let read = self
            .read
            .iter()
            .map(|(shard, of)| (format!("shard {shard}"), format!("entries {} to {}", of.first, of.last)));
        let rows = [
            ("log", self.origin.clone()),
            ("cuts", self.cuts.to_string()),
            ("newest cut", self.newest_cut.clone().unwrap_or_default()),
            ("entries", self.entries.to_string()),
        ];
        let others = self.not_looked_at.filter(|others| *others > 0);
        let others = others.map(|others| format!("{others} other files, which were not looked at"));
        let behind = [
            ("beside", others.unwrap_or_default()),
            ("key versions", self.key_versions.to_string()),
            ("objects", self.objects.to_string()),
            ("snapshots", self.snapshots.to_string()),
            ("live state", self.live_state.to_string()),
            ("receipts kept", format!("{} of {}", self.receipts_kept, self.receipts)),
            ("root vkey", self.root_vkey.clone()),
            ("", self.word_on_key().to_owned()),
            ("findings", if self.verified { "none".to_owned() } else { self.findings.len().to_string() }),
        ];
        let mut text = String::new();
        if let Some(pack) = self.pack.as_ref().filter(|_| !self.key_known_beforehand) {
            let _ = writeln!(
                text,
                "The key is the pack's own word: compare the SHA-256 of its text on another way, or give the key with --root-vkey.\n{}\n",
                pack.fingerprint()
            );
        }
        let named = |(name, value): (&str, String)| (name.to_owned(), value);
        let of_pack = self.pack.iter().flat_map(Held::rows).map(named);
        let rows = of_pack.chain(rows.map(named)).chain(read).chain(behind.map(named));
        for (name, value) in rows.filter(|(_, value)| !value.is_empty()) {
            let _ = writeln!(text, "{name:<16}{value}");
        }
        for line in self.disclosed.iter().flat_map(Disclosed::lines) {
            let _ = writeln!(text, "{line}");
        }
        for finding in &self.findings {
            let _ = writeln!(text, "  {}: {}", finding.code, finding.detail);
        }
        text.push_str(self.verdict());
        text
    }

    const fn verdict(&self) -> &'static str {
        match (self.verified, self.key_known_beforehand, self.live_state.is_compared()) {
            (true, true, true) if self.pack.is_some() => {
                "\nThe pack holds: its log, its results and every other file follow from each other, under the key that you gave.\n"
            }
            (true, true, false) if self.pack.is_some() => {
                "\nThe pack holds: its log, its results and every other file follow from each other, under the key that you gave. Of the live state nothing was shown.\n"
            }
            (true, false, _) if self.pack.is_some() => {
                "\nThe pack agrees with itself. Whose it is, only a key from elsewhere shows.\n"
            }
            (false, ..) if self.pack.is_some() => {
                "\nSomething does not hold. Keep the pack as it is: it is evidence.\n"
            }
            (true, true, _) if self.alone => "\nThe log holds. Nothing else of the pack was looked at.\n",
            (true, false, _) if self.alone => {
                "\nThe log agrees with itself. Whose it is, only a key from elsewhere shows; nothing else of the pack was looked at.\n"
            }
            (true, true, true) => "\nEverything holds.\n",
            (true, true, false) => "\nThe log holds. Of the live state nothing was shown.\n",
            (true, false, true) => {
                "\nThe export agrees with itself. Whose it is, only a key from elsewhere shows.\n"
            }
            (true, false, false) => {
                "\nThe log agrees with itself. Whose it is, only a key from elsewhere shows; of the live state nothing was shown.\n"
            }
            (false, ..) => "\nSomething does not hold. Keep the export as it is: it is evidence.\n",
        }
    }

    const fn word_on_key(&self) -> &'static str {
        match (self.key_known_beforehand, &self.pack) {
            (true, _) => "the one that you gave",
            (false, None) => "the export's own word",
            (false, Some(_)) => "the pack's own word",
        }
    }
}

fn first_and_last((shard, size): (&u32, &u64)) -> Option<(u32, FirstAndLast)> {
    size.checked_sub(1).map(|last| (*shard, FirstAndLast { first: 0, last }))
}

/// An instant, from microseconds since 1970.
pub(crate) fn instant(micros: u64) -> Option<String> {
    let micros = i64::try_from(micros).ok()?;
    Timestamp::from_microsecond(micros).ok().map(|at| at.to_string())
}

/// Writes what is wrong with the command line, in the form that it asks for, and says how the process is to end. Help and version
/// were asked for, and are printed as they are.
pub(crate) fn print_misuse(error: &clap::Error, line: impl Iterator<Item = OsString>) -> ExitCode {
    if error.use_stderr() && asks_for_json(line) {
        let text = error.render().to_string();
        print_failed(&Failed {
            verified: false,
            error: text.trim().trim_start_matches("error: ").to_owned(),
        });
    } else {
        // That the terminal cannot be written to cannot be said there.
        let _ = error.print();
    }
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// Does a command line that does not parse ask for JSON?
fn asks_for_json(line: impl Iterator<Item = OsString>) -> bool {
    let words: Vec<_> = line.filter_map(|word| word.into_string().ok()).collect();
    let apart = words
        .windows(2)
        .any(|pair| matches!(pair, [o, json] if (o == "-o" || o == "--output") && json == "json"));
    apart || words.iter().any(|word| ["-ojson", "-o=json", "--output=json"].contains(&word.as_str()))
}

/// Why nothing was verified.
#[derive(Serialize)]
struct Failed {
    verified: bool,
    error: String,
}

fn print_failed(failed: &Failed) {
    let _ = std::io::stderr().lock().write_all(json(failed).as_bytes());
}

/// Writes why nothing was verified, and says how the process is to end.
pub(crate) fn print_failure(format: Format, error: &anyhow::Error) -> ExitCode {
    match format {
        Format::Table => {
            let _ = writeln!(std::io::stderr().lock(), "error: {error:#}");
        }
        Format::Json => print_failed(&Failed { verified: false, error: format!("{error:#}") }),
    }
    ExitCode::from(FAILED)
}

fn json(value: &impl Serialize) -> String {
    // No map of these has keys that JSON cannot have.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

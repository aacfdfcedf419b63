//! What is told of a verification, to people and to programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::ValueEnum;
use claviger_audit::VerifierKey;
use claviger_audit::session::Disclosure;
use claviger_audit::verify::Verified;
use jiff::Timestamp;
use serde::Serialize;

use crate::disclosed::Disclosed;

/// Exit code when a file cannot be read, or a newer release wrote the log.
const FAILED: u8 = 1;
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
    key_versions: usize,
    /// Objects that the facts yield.
    objects: usize,
    /// Snapshots that were held against the state.
    snapshots: u64,
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
}

/// One finding.
#[derive(Debug, Serialize)]
struct FindingReport {
    code: &'static str,
    detail: String,
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
            receipts,
            receipts_kept: verified.receipts_kept,
            root_vkey: key.to_string(),
            checkpoint_key: key.to_string(),
            key_known_beforehand,
            findings: verified.findings.iter().map(report).collect(),
            origin: verified.origin.clone(),
            shards: verified.shards.clone(),
            disclosed: None,
        }
    }

    /// The same, with what is disclosed. What does not hold of it is among the findings.
    pub(crate) fn with_disclosure(self, disclosure: Option<&Disclosure>) -> Self {
        Self { disclosed: disclosure.map(Disclosed::new), ..self }
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
        let shards: Vec<_> = self.shards.iter().map(|(shard, size)| format!("{shard}: {size}")).collect();
        let rows = [
            ("log", self.origin.clone()),
            ("cuts", self.cuts.to_string()),
            ("newest cut", self.newest_cut.clone().unwrap_or_default()),
            ("entries", self.entries.to_string()),
            ("shards", shards.join(", ")),
            ("key versions", self.key_versions.to_string()),
            ("objects", self.objects.to_string()),
            ("snapshots", self.snapshots.to_string()),
            ("receipts kept", format!("{} of {}", self.receipts_kept, self.receipts)),
            ("root vkey", self.root_vkey.clone()),
            ("", self.word_on_key().to_owned()),
            ("findings", if self.verified { "none".to_owned() } else { self.findings.len().to_string() }),
        ];
        let mut text = String::new();
        for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
            let _ = writeln!(text, "{name:<16}{value}");
        }
        for line in self.disclosed.iter().flat_map(Disclosed::lines) {
            let _ = writeln!(text, "{line}");
        }
        for finding in &self.findings {
            let _ = writeln!(text, "  {}: {}", finding.code, finding.detail);
        }
        text.push_str(match (self.verified, self.key_known_beforehand) {
            (true, true) => "\nEverything holds.\n",
            (true, false) => {
                "\nThe export agrees with itself. Whose it is, only a key from elsewhere shows.\n"
            }
            (false, _) => "\nSomething does not hold. Keep the export as it is: it is evidence.\n",
        });
        text
    }

    const fn word_on_key(&self) -> &'static str {
        if self.key_known_beforehand { "the one that you gave" } else { "the export's own word" }
    }
}

/// An instant, from microseconds since 1970.
pub(crate) fn instant(micros: u64) -> Option<String> {
    let micros = i64::try_from(micros).ok()?;
    Timestamp::from_microsecond(micros).ok().map(|at| at.to_string())
}

/// Writes why nothing was verified, and says how the process is to end.
pub(crate) fn print_failure(format: Format, error: &anyhow::Error) -> ExitCode {
    #[derive(Serialize)]
    struct Failed {
        verified: bool,
        error: String,
    }
    let text = match format {
        Format::Table => format!("error: {error:#}\n"),
        Format::Json => json(&Failed { verified: false, error: format!("{error:#}") }),
    };
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    ExitCode::from(FAILED)
}

fn json(value: &impl Serialize) -> String {
    // No map of these has keys that JSON cannot have.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

//! The command line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Parser;
use claviger_audit::VerifierKey;
use claviger_audit::verify::{Files as _, NoFile, ROOT_VKEY, Request, read_vkey, verify};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::pack::Pack;
use crate::report::{Format, Report};

/// Verify an exported audit log, offline: its signature, its trees, its order, the life of its keys, and receipts.
#[derive(Debug, Parser)]
#[command(name = "claviger-verify", version, arg_required_else_help = true)]
#[command(after_help = "\
What to bring: the export (`claviger audit export --out PACK`), and the key of the root log, which must reach you on another way
than the export; without it the verification only shows that the export agrees with itself. A checkpoint that you kept shows that
nothing was rewritten since; receipts (header `audit-receipt` of each answer) show that what was promised is there.

Exit codes: 0 everything holds, 1 a file cannot be read, 2 usage, 4 something does not hold.")]
pub(crate) struct Command {
    /// Directory of the export
    #[arg(value_name = "PACK")]
    pack: PathBuf,
    /// Key of the root log (vkey), as you know it from elsewhere
    #[arg(long, value_name = "FILE")]
    checkpoint_key: Option<PathBuf>,
    /// A checkpoint of the root log that you kept from before (signed note): the log must be that one, grown
    #[arg(long, value_name = "FILE")]
    known_checkpoint: Option<PathBuf>,
    /// Receipts, one on a line: the log must hold what they promise. May be given several times
    #[arg(long, value_name = "FILE")]
    receipt: Vec<PathBuf>,
    /// The key of a node (vkey) that you kept from before (`claviger audit checkpoint` prints it): tells whether a receipt whose
    /// node the log does not know is genuine. May be given several times
    #[arg(long, value_name = "FILE")]
    node_key: Vec<PathBuf>,
    /// The newest cut must not be older, as in `15m`, `24h` or `7d`
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    max_age: Option<u64>,
    /// How the result is written
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Format,
}

impl Command {
    /// Verifies.
    ///
    /// # Errors
    /// When a file cannot be read or one of the caller's own is not what it should be. What does not hold is in the report.
    pub(crate) fn run(&self) -> Result<Report> {
        let pack = Pack::open(&self.pack)?;
        let key = self.key(&pack)?;
        let known = self.known_checkpoint.as_deref().map(read).transpose()?;
        let receipts = self.receipts()?;
        let node_keys = self.node_key.iter().map(|path| read_key(path)).collect::<Result<Vec<_>>>()?;
        let now = u64::try_from(Timestamp::now().as_microsecond()).context("the clock is before 1970")?;
        let request = Request {
            key: &key,
            known: known.as_deref(),
            receipts: &receipts,
            node_keys: &node_keys,
            freshness: self.max_age.map(|age| (now, age)),
        };
        let verified = verify(&pack, &request)?;
        Ok(Report::new(self.output, verified, &key, self.checkpoint_key.is_some(), receipts.len()))
    }

    fn key(&self, pack: &Pack) -> Result<VerifierKey> {
        if let Some(path) = &self.checkpoint_key {
            return read_key(path);
        }
        if pack.read(ROOT_VKEY) == Err(NoFile::Missing) {
            bail!(
                "`{}` is no export: it has no `{ROOT_VKEY}`; make one with `claviger audit export --out PACK`",
                self.pack.display()
            );
        }
        read_vkey(pack, ROOT_VKEY).map_err(|error| anyhow!("{error}; give the key with --checkpoint-key"))
    }

    fn receipts(&self) -> Result<Vec<String>> {
        let mut receipts = Vec::new();
        for path in &self.receipt {
            let text = String::from_utf8(read(path)?)
                .with_context(|| format!("`{}` holds no receipts: it is not text", path.display()))?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            receipts.extend(lines.map(str::to_owned));
        }
        Ok(receipts)
    }
}

fn read_key(path: &Path) -> Result<VerifierKey> {
    let text = String::from_utf8(read(path)?).ok();
    let key = text.and_then(|text| VerifierKey::parse(text.trim()).ok());
    key.with_context(|| format!("`{}` holds no key (a C2SP vkey is expected)", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))
}

/// Reads a span, into seconds.
fn parse_span(text: &str) -> Result<u64, String> {
    let span = text.parse::<Span>().map_err(|error| error.to_string())?;
    let exact: SignedDuration =
        span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|error| error.to_string())?;
    u64::try_from(exact.as_secs()).map_err(|_| "a span of time is never negative".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Command::command().debug_assert();
    }

    #[test]
    fn spans_are_read_into_seconds() {
        assert_eq!(["90s", "15m", "24h", "7d"].map(parse_span), [Ok(90), Ok(900), Ok(86_400), Ok(604_800)]);
        for wrong in ["", "soon", "-5m", "1 year"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
    }
}

//! The command line.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser};
use claviger_audit::VerifierKey;
use claviger_audit::approval::Form;
use claviger_audit::fact::{Kind, Object};
use claviger_audit::session::Disclosure;
use claviger_audit::verify::{
    Files as _, Moment, NoFile, ROOT_VKEY, Reached, Request, Verified, read_vkey, verify,
};
use claviger_evidence::pack::ReadLog;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::entries::{self, Part};
use crate::export::{self, Export};
use crate::pack::Pack;
use crate::report::{Format, Report};
use crate::state;

/// Verify an exported audit log, offline: its signature, its trees, its order, the life of its keys, its facts, the live state, and receipts;
/// and an evidence pack, whose every file is made again from its log.
#[derive(Debug, Parser)]
#[command(name = "claviger-verify", version, arg_required_else_help = true)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "\
What to bring: the export (`claviger audit export --out PACK`), and the key of the root log, which must reach you on another way
than the export; without it the verification only shows that the export agrees with itself. A checkpoint that you kept shows that
nothing was rewritten since; receipts (header `audit-receipt` of each answer) show that what was promised is there. The live rows of
the export are held against the log; where it holds none, as those of older releases, nothing is said of the live state.

Of an evidence pack (`claviger compliance report --out PACK`) the log is verified just so; then each file is held against the manifest,
the manifest against its signature, and all that follows from the log is made again here and compared byte for byte. Results are made
again by the release that made them alone.

Example: claviger-verify evidence --root-vkey root.vkey

Exit codes: 0 everything holds, 1 a file cannot be read or a newer release wrote the log, 2 usage, 4 something does not hold.")]
pub(crate) struct Command {
    #[command(subcommand)]
    subcommand: Option<Subcommand>,
    #[command(flatten)]
    evidence: Option<Evidence>,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// Show every object as it stood at a moment: rebuilt from the facts, once all of the export holds
    State(StateArgs),
    /// Show the entries themselves, once all of the export holds
    Entries(EntriesArgs),
    /// Print the page that verifies a pack in a browser, so that it comes from elsewhere than the pack
    #[command(after_help = "Example: claviger-verify page > verify.html")]
    Page,
}

/// What to verify, and with what.
#[derive(Debug, Args)]
struct Evidence {
    /// Directory of the export, or of an evidence pack
    #[arg(value_name = "PACK")]
    pack: PathBuf,
    /// The verifier key of the root log, as you know it from elsewhere (`claviger audit root-vkey` writes it)
    #[arg(long, alias = "checkpoint-key", value_name = "FILE")]
    root_vkey: Option<PathBuf>,
    /// A checkpoint of the root log that you kept from before (signed note): the log must be that one, grown
    #[arg(long, value_name = "FILE")]
    known_checkpoint: Option<PathBuf>,
    /// Receipts, one on a line: the log must hold what they promise. May be given several times
    #[arg(long, value_name = "FILE")]
    receipt: Vec<PathBuf>,
    /// The key of a node (vkey) that you kept from before (`claviger audit checkpoint` prints it): shows whether a receipt whose
    /// node the log does not know is genuine. May be given several times
    #[arg(long, value_name = "FILE")]
    node_key: Vec<PathBuf>,
    /// Who stands behind a range of entries, as `claviger audit disclose` wrote it: each session of the range must be there, and what
    /// is disclosed be what the log commits to
    #[arg(long, value_name = "FILE")]
    disclosure: Option<PathBuf>,
    /// The form of an approval, as `claviger approval show ID -o json` has it in `form`: what was asked for must be what the log says that
    /// others decided on. May be given several times
    #[arg(long, value_name = "FILE")]
    approval: Vec<PathBuf>,
    /// The newest cut must not be older, as in `15m`, `24h` or `7d`
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    max_age: Option<u64>,
    /// How the result is written
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// Which moment, and which objects.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: claviger-verify state PACK --root-vkey root.vkey --at 2026-03-01T00:00:00Z --kind grant

What people and callers name (names, labels, contexts, networks, texts of reasons) is sealed in an export, and shown as that.
Nothing is shown of a log in which something does not hold.

Exit codes: 0 everything holds, 1 a file cannot be read, a newer release wrote the log or it does not reach that moment, 2 usage, 4 something does not hold.")]
struct StateArgs {
    #[command(flatten)]
    evidence: Evidence,
    #[command(flatten)]
    moment: MomentArgs,
    /// Only objects of this kind
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<Kind>,
    /// Only the object with this identifier; of a version KEY/NUMBER
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// Which entries.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: claviger-verify entries PACK --root-vkey root.vkey --from 1000 --to 2000

Who callers are, and what they named, is sealed in an export: actors are shown by the beginning of their tag. Nothing is shown of a
log in which something does not hold.

Exit codes: 0 everything holds, 1 a file cannot be read, 2 usage, 4 something does not hold.")]
struct EntriesArgs {
    #[command(flatten)]
    evidence: Evidence,
    /// From this index on
    #[arg(long, default_value_t = 0, value_name = "INDEX")]
    from: u64,
    /// Before this index; to the end of the log unless given
    #[arg(long, value_name = "INDEX")]
    to: Option<u64>,
    /// Only of this shard
    #[arg(long, value_name = "N")]
    shard: Option<u32>,
}

/// Without any, the moment behind the newest entry.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct MomentArgs {
    /// The state at this instant (RFC 3339), by the log's time
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    at: Option<u64>,
    /// The state behind this entry
    #[arg(long, value_name = "INDEX")]
    entry: Option<u64>,
}

impl MomentArgs {
    fn moment(&self) -> Option<Moment> {
        self.at.map(Moment::Instant).or(self.entry.map(Moment::Entry))
    }
}

impl Command {
    /// How what comes of it is to be written.
    pub(crate) fn output(&self) -> Format {
        let below = self.subcommand.as_ref().and_then(|subcommand| match subcommand {
            Subcommand::State(args) => Some(&args.evidence),
            Subcommand::Entries(args) => Some(&args.evidence),
            Subcommand::Page => None,
        });
        below.or(self.evidence.as_ref()).map_or(Format::Table, |evidence| evidence.output)
    }

    /// Does what is asked, writes it, and says how the process is to end.
    ///
    /// # Errors
    /// When a file cannot be read or one of the caller's own is not what it should be. What does not hold is in the report.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match (&self.subcommand, &self.evidence) {
            (Some(Subcommand::State(args)), _) => args.run(),
            (Some(Subcommand::Entries(args)), _) => args.run(),
            (Some(Subcommand::Page), _) => {
                let page = claviger_evidence::page::standalone();
                io::stdout().lock().write_all(page.as_bytes())?;
                Ok(ExitCode::SUCCESS)
            }
            (None, Some(evidence)) => Ok(evidence.verify_all()?.print()),
            (None, None) => bail!("nothing to verify; give the directory of an export"),
        }
    }
}

impl StateArgs {
    fn run(&self) -> Result<ExitCode> {
        let moment = self.moment.moment();
        let (report, verified) = self.evidence.verify(moment)?;
        if !verified.findings.is_empty() {
            return Ok(report.print());
        }
        if moment.is_some() && verified.shards.len() > 1 {
            bail!("a log of several shards has no order in which its state at a moment could be shown");
        }
        let end = Reached { size: verified.entries(), newest_at: None };
        let reached = match (moment, verified.moment) {
            (None, _) => end,
            (Some(_), Some(reached)) => reached,
            (Some(_), None) => bail!(
                "the log does not reach that moment: it ends with entry {}, and its newest cut",
                verified.entries().saturating_sub(1)
            ),
        };
        if reached.size < verified.unknown_before {
            bail!(
                "the state is not decidable before entry {}: an older release wrote that part of the log, and kept no facts",
                verified.unknown_before
            );
        }
        let objects = verified.objects.rewound();
        let wanted = |object: &Object| {
            self.kind.is_none_or(|kind| kind == object.kind())
                && self.id.as_ref().is_none_or(|id| *id == object.shown_id())
        };
        let objects = objects.iter().filter(|(object, _)| wanted(object));
        state::print(self.evidence.output, &report, reached, objects)
    }
}

impl EntriesArgs {
    fn run(&self) -> Result<ExitCode> {
        let (report, verified) = self.evidence.verify(None)?;
        if !verified.findings.is_empty() {
            return Ok(report.print());
        }
        if let Some(shard) = self.shard.filter(|shard| !verified.shards.contains_key(shard)) {
            bail!("the log has no shard {shard}");
        }
        let parts = verified.shards.iter().filter(|(shard, _)| self.shard.is_none_or(|one| one == **shard));
        let parts = parts.map(|(shard, size)| {
            let entries = self.from..self.to.unwrap_or(*size).min(*size);
            Part { shard: *shard, size: *size, entries }
        });
        let parts: Vec<_> = parts.collect();
        entries::print(self.evidence.output, &report, &Export::open(&self.evidence.log())?, &parts)
    }
}

impl Evidence {
    /// Where the log lies.
    fn log(&self) -> PathBuf {
        Pack::find(&self.pack).map_or_else(|| self.pack.clone(), |pack| pack.log())
    }

    /// The log, and the pack in which it lies.
    fn verify_all(&self) -> Result<Report> {
        let Some(pack) = Pack::find(&self.pack) else { return Ok(self.verify(None)?.0) };
        let export = Export::open(&pack.log())?;
        let key = self.key(&export)?;
        let (mut held, verified) = pack.hold(&export, &key)?;
        let (report, of_log) = match verified.filter(|_| !self.asks_more()) {
            Some(verified) => {
                let known = self.root_vkey.is_some();
                (Report::new(self.output, &verified, &key, known, 0), verified)
            }
            None => self.verify(None)?,
        };
        pack.hold_second(&of_log, &key, &mut held)?;
        Ok(report.with_pack(held))
    }

    /// Is the log held against more than its key?
    const fn asks_more(&self) -> bool {
        self.known_checkpoint.is_some()
            || self.disclosure.is_some()
            || self.max_age.is_some()
            || !self.receipt.is_empty()
            || !self.node_key.is_empty()
            || !self.approval.is_empty()
    }

    /// The log alone.
    fn verify(&self, moment: Option<Moment>) -> Result<(Report, Verified)> {
        let export = Export::open(&self.log())?;
        let key = self.key(&export)?;
        let known = self.known_checkpoint.as_deref().map(read).transpose()?;
        let receipts = self.receipts()?;
        let node_keys = self.node_key.iter().map(|path| read_key(path)).collect::<Result<Vec<_>>>()?;
        let disclosure = self.disclosure.as_deref().map(read_disclosure).transpose()?;
        let forms = self.approval.iter().map(|path| read_form(path)).collect::<Result<Vec<_>>>()?;
        let now = u64::try_from(Timestamp::now().as_microsecond()).context("the clock is before 1970")?;
        let request = Request {
            key: &key,
            known: known.as_deref(),
            receipts: &receipts,
            node_keys: &node_keys,
            disclosure: disclosure.as_ref(),
            forms: &forms,
            freshness: self.max_age.map(|age| (now, age)),
            moment,
            upto: None,
        };
        let read_log = ReadLog::new(&export);
        let verified = verify(&read_log, &request)?;
        let known_beforehand = self.root_vkey.is_some();
        let report = Report::new(self.output, &verified, &key, known_beforehand, receipts.len());
        let report = if Pack::find(&self.pack).is_some() {
            report.of_log_in_pack()
        } else {
            report.with_others(export::others(&self.pack, |path| read_log.has(path, &verified)))
        };
        Ok((report.with_disclosure(disclosure.as_ref()), verified))
    }

    fn key(&self, export: &Export) -> Result<VerifierKey> {
        if let Some(path) = &self.root_vkey {
            return read_key(path);
        }
        if export.read(ROOT_VKEY) == Err(NoFile::Missing) {
            bail!(
                "`{}` is no export: it has no `{ROOT_VKEY}`; make one with `claviger audit export --out PACK`",
                self.pack.display()
            );
        }
        read_vkey(export, ROOT_VKEY).map_err(|error| anyhow!("{error}; give the key with --root-vkey"))
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

fn read_disclosure(path: &Path) -> Result<Disclosure> {
    let bytes = read(path)?;
    Disclosure::decode(&bytes).with_context(|| format!("`{}` holds no disclosure", path.display()))
}

/// The form of an approval, as it is or in base64.
fn read_form(path: &Path) -> Result<Form> {
    let bytes = read(path)?;
    let form = Form::decode(&bytes).or_else(|error| match std::str::from_utf8(&bytes) {
        Ok(text) => text.trim().trim_matches('"').parse(),
        Err(_) => Err(error),
    });
    form.with_context(|| format!("`{}` holds no form of an approval", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))
}

/// The kinds of objects, by their names.
fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name)).try_map(|name| name.parse::<Kind>())
}

/// Reads a span, into seconds.
fn parse_span(text: &str) -> Result<u64, String> {
    let span = text.parse::<Span>().map_err(|error| error.to_string())?;
    let exact: SignedDuration =
        span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|error| error.to_string())?;
    u64::try_from(exact.as_secs()).map_err(|_| "a span of time is never negative".to_owned())
}

/// Reads an instant, into microseconds since 1970.
fn parse_instant(text: &str) -> Result<u64, String> {
    let instant = text.parse::<Timestamp>().map_err(|error| error.to_string())?;
    u64::try_from(instant.as_microsecond()).map_err(|_| "the log has no time before 1970".to_owned())
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
    fn every_command_shows_an_example_and_closed_lists_show_their_values() {
        const OPEN: [&str; 7] = ["FILE", "ID", "INDEX", "INSTANT", "N", "PACK", "SPAN"];
        let mut whole = Command::command();
        whole.build();
        let parts = whole.get_subcommands().filter(|part| part.get_name() != "help");
        for command in parts.chain([&whole]) {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example: "), "`{}` shows no example", command.get_name());
            for argument in command.get_arguments().filter(|argument| argument.get_action().takes_values()) {
                let names = argument.get_value_names().unwrap_or_default();
                let is_open = names.iter().all(|name| OPEN.contains(&name.as_str()));
                assert_eq!(argument.get_possible_values().is_empty(), is_open, "{argument}");
            }
        }
    }

    #[test]
    fn instants_are_read_into_microseconds() {
        assert_eq!(parse_instant("1970-01-01T00:00:01Z"), Ok(1_000_000));
        assert_eq!(parse_instant("1970-01-01T01:00:00.5+01:00"), Ok(500_000));
        for wrong in ["", "yesterday", "1969-12-31T00:00:00Z", "2026-03-01"] {
            assert!(parse_instant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_are_read_into_seconds() {
        assert_eq!(["90s", "15m", "24h", "7d"].map(parse_span), [Ok(90), Ok(900), Ok(86_400), Ok(604_800)]);
        for wrong in ["", "soon", "-5m", "1 year"] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
    }
}

//! `audit export`: the whole log as files, with the live rows beside it, to be verified anywhere.
//!
//! Invariant: the checkpoint is written behind all that it covers, and the head of the rows behind that, so that whatever interrupts an
//! export, what is in the directory is the old export, the new one, or the new log beside the rows of before, which it covers as well;
//! with bundles and pages more that do no harm. Run again, it goes on where it was.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use claviger_audit::cut::Cut;
use claviger_audit::tile::{Resource, WIDTH, parse_bundle};
use claviger_audit::tree::{Frontier, leaf_hash};
use claviger_audit::verify::{
    CHECKPOINT, ROOT, ROOT_VKEY, bundles, evidence_note, for_each_entry, node_vkey,
};
use claviger_audit::{Checkpoint, Entry, Op, Outcome, VerifierKey};
use claviger_client::types::audit::Checkpoints;
use claviger_client::{Client, ClientError};
use indicatif::ProgressBar;
use serde::Serialize;

use super::checkpoint::root_key;
use super::offline::{Export, failure, last_cut};
use super::rows::{self, Fetched};
use crate::failure::Failure;
use crate::file::placed::{Existing, Placed, Privacy};
use crate::input::bytes::Source;
use crate::output::record;
use crate::progress;
use crate::session::Session;

/// How often, and how long apart, a checkpoint is asked for that covers what it must: the next one is a second away.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(500);

/// Where to.
#[derive(Debug, Args)]
#[command(
    after_help = "The directory holds the cuts and entries as bundles (C2SP tlog-tiles), the signed checkpoint and the keys. Run \
again with the same directory, it fetches only what is new, and checks that the log it finds is the one it knew, grown.

Beside the log lie the live rows of everything that decides, as the deployment gave them: `claviger-verify` and `audit verify --offline` \
hold each against what the log says, without asking anybody. They are read anew each time."
)]
pub struct ExportArgs {
    /// Directory for the log; it is made, or updated
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The verifier key of the root log, as you know it from elsewhere (`audit root-vkey` writes it); without it the deployment's own word is taken
    #[arg(long, value_name = "FILE")]
    root_vkey: Option<Source>,
    /// Take the log out alone: as where a live row does not read. Rows of an earlier export into the same directory stay there
    #[arg(long)]
    without_state: bool,
}

/// What was exported.
#[derive(Debug, Serialize)]
pub(crate) struct Exported {
    directory: String,
    origin: String,
    cuts: u64,
    entries: u64,
    fetched: u64,
    /// Live rows beside the log; none where they were not asked for.
    live_rows: Option<u64>,
}

impl ExportArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let reported = client.read_checkpoint().await?;
        let key = root_key(self.root_vkey.as_ref(), &reported.value.root_vkey)?;
        let exported = if self.without_state {
            // Everything that was answered before this command is in the log before the entry of its own first question.
            export(&client, &key, &self.out, reported.entry).await?
        } else {
            export_with_rows(&client, &key, &self.out).await?
        };
        session.format.print(&exported, |exported| {
            record(&[
                ("directory", exported.directory.clone()),
                ("log", exported.origin.clone()),
                ("cuts", exported.cuts.to_string()),
                ("entries", exported.entries.to_string()),
                ("bundles fetched", exported.fetched.to_string()),
                (
                    "live rows",
                    exported.live_rows.map_or_else(|| "not taken".to_owned(), |rows| rows.to_string()),
                ),
                ("next", format!("claviger audit verify --offline --dir {}", exported.directory)),
            ])
        })
    }
}

/// Brings the export in `dir` up to the newest checkpoint, or to one that covers entry `cover` of this node's log.
///
/// # Errors
/// Exit code 4 when what the service gives is not the log that was known, grown; others when it refuses.
pub(crate) async fn export(
    client: &Client,
    key: &VerifierKey,
    dir: &Path,
    cover: Option<u64>,
) -> Result<Exported, Failure> {
    take_out(client, key, dir, What::Log(cover)).await
}

/// The same with the live rows, up to a checkpoint that covers the reading of them.
///
/// # Errors
/// As of [`export`].
pub(crate) async fn export_with_rows(
    client: &Client,
    key: &VerifierKey,
    dir: &Path,
) -> Result<Exported, Failure> {
    take_out(client, key, dir, What::LogAndRows).await
}

/// What is taken out.
enum What {
    /// The log, up to a checkpoint that covers this entry.
    Log(Option<u64>),
    LogAndRows,
}

async fn take_out(client: &Client, key: &VerifierKey, dir: &Path, what: What) -> Result<Exported, Failure> {
    let bar = progress::count("exporting", 0);
    let mut work = Work { client, key, dir, fetched: 0, missing: Vec::new(), bar };
    let known = work.known()?;
    let (rows, cover) = match what {
        What::Log(cover) => (None, cover),
        What::LogAndRows => {
            let rows = rows::fetch(client, dir).await?;
            let cover = rows.last_entry();
            (Some(rows), cover)
        }
    };
    let (note, head, cut) = work.newest(cover).await?;
    if let Some(known) = &known {
        work.check_growth(known, &head)?;
    }
    let mut entries = 0;
    for shard in &cut.shards {
        work.fetch_log(&shard.shard.to_string(), shard.size).await?;
        work.fetch_keys(shard.shard, shard.size).await?;
        entries += shard.size;
    }
    Placed::write(&dir.join(ROOT_VKEY), Privacy::Others, Existing::Replace, format!("{key}\n").as_bytes())?;
    Placed::write(&dir.join(CHECKPOINT), Privacy::Others, Existing::Replace, note.as_bytes())?;
    if let Some(rows) = &rows {
        rows.keep(dir)?;
    }
    work.bar.finish_and_clear();
    if !work.missing.is_empty() {
        return Err(Failure::unverified(format!("{}: entries are missing from the store", head.origin))
            .with_findings(work.missing)
            .advise("keep store, export and checkpoints as they are: they are evidence"));
    }
    let directory = dir.display().to_string();
    let live_rows = rows.as_ref().map(Fetched::count);
    Ok(Exported {
        directory,
        origin: head.origin,
        cuts: head.size,
        entries,
        fetched: work.fetched,
        live_rows,
    })
}

struct Work<'a> {
    client: &'a Client,
    key: &'a VerifierKey,
    dir: &'a Path,
    fetched: u64,
    /// A finding for each bundle of entries that the store does not hold.
    missing: Vec<String>,
    bar: ProgressBar,
}

impl Work<'_> {
    /// The checkpoint of an export that is already there. It must be of the same log.
    fn known(&self) -> Result<Option<Checkpoint>, Failure> {
        let path = self.dir.join(CHECKPOINT);
        if !path.exists() {
            return Ok(None);
        }
        let note = fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
        Checkpoint::open(&note, self.key).map(Some).map_err(|error| {
            Failure::unverified(format!("`{}` is not of this log: {error}", path.display()))
                .advise("export into another directory")
        })
    }

    /// The newest checkpoint, with its last cut, once that covers what it must. Fetches the cuts on the way.
    async fn newest(&mut self, cover: Option<u64>) -> Result<(String, Checkpoint, Cut), Failure> {
        for _ in 0..TRIES {
            let reported = self.client.read_checkpoint().await?.value;
            if let Some((head, cut)) = self.cut_of(&reported).await? {
                let covered = |entry: u64| cut.shard(reported.shard).is_some_and(|shard| entry < shard.size);
                if cover.is_none_or(covered) {
                    return Ok((reported.root_note, head, cut));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Failure::failed("no signed checkpoint covers the newest entries")
            .advise("see `claviger status`, and try again"))
    }

    async fn cut_of(&mut self, reported: &Checkpoints) -> Result<Option<(Checkpoint, Cut)>, Failure> {
        if reported.root_note.is_empty() {
            return Ok(None);
        }
        let head = Checkpoint::open(reported.root_note.as_bytes(), self.key)
            .map_err(|error| Failure::unverified(format!("the checkpoint does not hold: {error}")))?;
        self.fetch_log(ROOT, head.size).await?;
        Ok(last_cut(self.dir, head.size)?.map(|cut| (head, cut)))
    }

    /// Holds the root log against the checkpoint that was known before.
    fn check_growth(&self, known: &Checkpoint, head: &Checkpoint) -> Result<(), Failure> {
        let mut tree = Frontier::new();
        let mut root = (known.size == 0).then(|| tree.root());
        for_each_entry(&Export(self.dir), ROOT, head.size, |_, bytes| {
            tree.push(leaf_hash(bytes));
            if tree.size() == known.size {
                root = Some(tree.root());
            }
        })
        .map_err(failure)?;
        if root == Some(known.root) && tree.root() == head.root {
            return Ok(());
        }
        Err(Failure::unverified(
            "the log is not the one that was exported before, grown: it was rewritten or rolled back",
        )
        .advise("keep the directory as it is: its checkpoint is the evidence"))
    }

    async fn fetch_log(&mut self, log: &str, size: u64) -> Result<(), Failure> {
        for bundle in bundles(size) {
            if !self.has(log, bundle, size) {
                self.fetch(log, bundle).await?;
            }
        }
        if log == ROOT { Ok(()) } else { self.fetch_facts(log, size).await }
    }

    /// What lies beside the entries of bundles, where something does and is not there yet.
    async fn fetch_facts(&mut self, log: &str, size: u64) -> Result<(), Failure> {
        for (index, bundle) in (0..).zip(bundles(size)) {
            let Some(facts) = Resource::facts(index, size) else { continue };
            let entries = fs::read(self.dir.join(format!("{log}/{bundle}"))).unwrap_or_default();
            let entries = parse_bundle(&entries).unwrap_or_default();
            let has_facts = |entry: &&[u8]| Entry::decode(entry).is_ok_and(|entry| entry.has_beside());
            if entries.iter().any(has_facts) && !self.dir.join(format!("{log}/{facts}")).exists() {
                self.fetch(log, facts).await?;
            }
        }
        Ok(())
    }

    /// Is it there, and whole?
    fn has(&self, log: &str, bundle: Resource, size: u64) -> bool {
        let Resource::Bundle { index, width } = bundle else { return false };
        let there = fs::read(self.dir.join(format!("{log}/{bundle}")));
        let wanted = u64::from(width).min(size.saturating_sub(index * WIDTH));
        there.is_ok_and(|bytes| parse_bundle(&bytes).is_ok_and(|entries| entries.len() as u64 == wanted))
    }

    async fn fetch(&mut self, log: &str, bundle: Resource) -> Result<(), Failure> {
        let name = format!("{log}/{bundle}");
        let bytes = match self.client.read_log_resource(&name).await {
            Ok(answer) => answer.value,
            Err(ClientError::Problem(problem)) if problem.code == "not-found" => {
                return Err(Failure::failed(format!("this node does not serve `{name}`")).advise(
                    "export with the profile of the node that keeps that log, into the same directory",
                ));
            }
            Err(ClientError::Problem(problem)) if problem.code == "log-damaged" && log != ROOT => {
                self.missing.push(missing(
                    log,
                    bundle,
                    problem.detail.as_deref().unwrap_or("it does not read back"),
                ));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.place(&name, &bytes)?;
        match bundle {
            Resource::Bundle { index, width } => {
                self.sweep(log, Resource::Bundle { index, width: 256 }, width)
            }
            Resource::Facts { index, width } => self.sweep(log, Resource::Facts { index, width: 256 }, width),
            Resource::Tile { .. } => {}
        }
        self.fetched += 1;
        self.bar.inc_length(1);
        self.bar.inc(1);
        Ok(())
    }

    /// Removes shorter forms of what is there in full, or longer. One that stays does no harm: nothing reads it.
    fn sweep(&self, log: &str, full: Resource, width: u16) {
        let partials = self.dir.join(format!("{log}/{full}.p"));
        for entry in fs::read_dir(partials).into_iter().flatten().flatten() {
            let shorter = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u16>().ok())
                .is_some_and(|w| w < width);
            if shorter {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// The keys of the nodes that the log says have started, with which receipts are checked, and what announces the evidence key.
    async fn fetch_keys(&mut self, shard: u32, size: u64) -> Result<(), Failure> {
        let mut names = BTreeSet::new();
        let read = for_each_entry(&Export(self.dir), &shard.to_string(), size, |_, bytes| {
            names.extend(Entry::decode(bytes).ok().and_then(|entry| key_of(shard, &entry)));
        });
        // What is missing is a finding already; the keys before it are of use all the same.
        if self.missing.is_empty() {
            read.map_err(failure)?;
        }
        for name in names.iter().filter(|name| !self.dir.join(name).exists()) {
            let bytes = match self.client.read_log_resource(name).await {
                Ok(answer) => answer.value,
                // Taken out of the store: that it is missing is for a verification to say, which needs the rest.
                Err(ClientError::Problem(problem))
                    if problem.code == "not-found" && name.contains("/evidence/") =>
                {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.place(name, &bytes)?;
        }
        Ok(())
    }

    fn place(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.dir.join(name);
        let parent = path.parent().unwrap_or(self.dir);
        fs::create_dir_all(parent).map_err(|error| Failure::file(parent, &error))?;
        Placed::write(&path, Privacy::Others, Existing::Replace, bytes)
    }
}

/// Where the key lies that an entry names.
fn key_of(shard: u32, entry: &Entry<'_>) -> Option<String> {
    match (entry.op, entry.reference.as_deref()) {
        (Op::NodeStart, Some(digest)) => Some(node_vkey(shard, digest)),
        (Op::AnnounceEvidenceKey, Some(digest)) if entry.out == Outcome::Ok => {
            Some(evidence_note(shard, digest))
        }
        _ => None,
    }
}

/// What is said of a bundle whose entries the store does not hold; in the words of a verification of the export.
fn missing(log: &str, bundle: Resource, detail: &str) -> String {
    let Resource::Bundle { index, width } = bundle else {
        return format!("entries-missing: `{bundle}`: {detail}");
    };
    let first = index * WIDTH;
    let last = first + u64::from(width) - 1;
    format!("entries-missing: not all of entries {first} to {last} of shard {log} are in the store: {detail}")
}

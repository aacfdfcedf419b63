//! `compliance report`: an evidence pack, made from the log alone.
//!
//! What it keeps true: all files but the signature are a function of the log and of what the options ask, so that `claviger-verify` makes
//! each of them again; the folder is there whole or not at all; and a log that does not hold makes a pack that says so.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use claviger_audit::session::Level;
use claviger_audit::verify::CHECKPOINT;
use claviger_audit::{EvidenceKey, Hash, Note, VerifierKey, evidence, sha256, to_hex};
use claviger_client::Client;
use claviger_compliance::control::Severity;
use claviger_compliance::evaluation::Counts;
use claviger_compliance::{Catalogue, Evaluation};
use claviger_evidence::disclosed::NOTHING;
use claviger_evidence::pack::{self, LOG, Listed, MANIFEST, ReadLog, SIGNATURE};
use claviger_evidence::samples::Span;
use claviger_evidence::window::Window;
use claviger_evidence::{Disclosed, Dossier, PackFile, Unmade};
use indicatif::ProgressBar;
use serde::Serialize;

use super::asked::{Asked, WhenArgs};
use super::folder::Folder;
use super::{find_framework, shown};
use crate::command::audit::disclose;
use crate::command::audit::export::export_with_rows;
use crate::command::audit::offline::{Export, ExportArgs, not_whole};
use crate::failure::{Exit, Failure};
use crate::input::word::one_of;
use crate::output::{record, warn};
use crate::progress;
use crate::session::Session;

/// Which pack, and where.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  claviger compliance report --framework pci-dss --out evidence-2027-q1
  claviger compliance report --framework hipaa --as-of 2027-03-31T23:59:59Z --from 90d --out q1
  claviger compliance report --framework gdpr --redaction minimal --out pack
  claviger compliance report --offline --dir export --root-vkey root.vkey --out pack

Levels of `--redaction`: what the pack says of who called. Results are the same at each.
  minimal     how callers proved who they are, over what, from what class of address
  pseudonym   the same, with identifiers of principals and credentials, and names of keys and rings
  full        everything, with names of principals and addresses

The folder has the report for people (`report/report.html`), tables, results, every object, OSCAL and CycloneDX documents, the log itself, \
and what is not shown (`LIMITS.md`). Anybody who has it can rebuild each file from the log, with no network: `claviger-verify FOLDER --root-vkey \
root.vkey`. The deployment signs the list of all files; with `--offline` nobody does, and the pack says so.

Exit codes: 0 the pack is made, whatever the results say; 4 it is made of a log in which something does not hold.")]
pub struct ReportArgs {
    /// Only the controls that this framework asks for, and those on which every result rests
    #[arg(long, value_name = "FRAMEWORK", value_parser = PossibleValuesParser::new(claviger_compliance::FRAMEWORKS))]
    framework: Option<String>,
    /// Folder for the pack; it is made
    #[arg(short = 'O', long, value_name = "DIR")]
    out: PathBuf,
    /// Replace a pack that has the name already
    #[arg(long)]
    force: bool,
    /// How much the pack says of who called: `pseudonym` unless said otherwise, and nothing with `--offline`
    #[arg(long, value_name = "LEVEL", value_parser = one_of::<Level>(Level::ALL.map(Level::name)))]
    #[arg(conflicts_with = "offline")]
    redaction: Option<Level>,
    /// With `--offline`: a file of `claviger audit disclose` about the entries of the period, to be put into the pack
    #[arg(long, value_name = "FILE", requires = "offline")]
    disclosure: Option<PathBuf>,
    #[command(flatten)]
    when: WhenArgs,
    #[command(flatten)]
    export: ExportArgs,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    folder: String,
    pack: String,
    /// Files of the pack, with those of the log.
    files: usize,
    /// Did the deployment sign it?
    signed: bool,
    /// How much it says of who called.
    redaction: &'static str,
    /// Results by severity and kind.
    counts: std::collections::BTreeMap<Severity, Counts>,
    /// What must not be in a log, and is; the values are not repeated.
    detected: Vec<String>,
    #[serde(skip)]
    manifest: Hash,
    /// The evidence key that the log announces.
    #[serde(skip)]
    evidence_key: Option<EvidenceKey>,
    #[serde(skip)]
    evaluation: Evaluation,
}

impl ReportArgs {
    pub(super) async fn run(self, catalogue: &Catalogue, session: &Session) -> Result<(), Failure> {
        let framework = self.framework.as_deref().map(|id| find_framework(catalogue, id)).transpose()?;
        let asked = Asked { catalogue, framework, when: self.when };
        let folder = Folder::create(&self.out, self.force)?;
        let log = folder.path().join(LOG);
        let made = match self.export.offline()? {
            Some((dir, key)) => {
                copy(dir, &log)?;
                let disclosed = self.disclosure.as_deref().map(read_disclosure).transpose()?;
                make(&asked, &folder, &key, &self.out, Disclosing { of: disclosed, insists: true })?
            }
            None => {
                let client = session.client()?;
                let key = self.export.key(&client.read_checkpoint().await?.value.root_vkey)?;
                fetch(&client, &key, self.export.dir(), &log).await?;
                let disclosing = self.disclosing(&client, &asked, &key, &log).await?;
                let made = make(&asked, &folder, &key, &self.out, disclosing)?;
                sign(&client, &key, &made, &folder).await?;
                Made { signed: true, ..made }
            }
        };
        folder.commit()?;
        session.format.print(&made, Made::text)?;
        made.end()
    }

    /// Who called in the period, as far as the level lets it out. That a deployment does not say so stops nobody who did not ask for it: a log
    /// that is damaged makes a pack all the same.
    async fn disclosing(
        &self,
        client: &Client,
        asked: &Asked<'_>,
        key: &VerifierKey,
        log: &Path,
    ) -> Result<Disclosing, Failure> {
        let level = self.redaction.unwrap_or(Level::Pseudonym);
        let insists = self.redaction.is_some();
        match disclose_period(client, level, asked, key, log).await {
            Ok(disclosed) => Ok(Disclosing { of: Some(disclosed), insists }),
            Err(failure) if insists => Err(failure.during("who called is not disclosed")),
            Err(failure) => {
                warn(&format!("the pack says nothing of who called: {failure}"));
                Ok(Disclosing { of: None, insists })
            }
        }
    }
}

/// What is disclosed, and whether a pack without it is none that was asked for.
struct Disclosing {
    of: Option<Disclosed>,
    insists: bool,
}

/// Asks the deployment who called in the period.
async fn disclose_period(
    client: &Client,
    level: Level,
    asked: &Asked<'_>,
    key: &VerifierKey,
    log: &Path,
) -> Result<Disclosed, Failure> {
    let (period, _) = asked.of_log(log, key)?;
    let window = Window::of(&Export(log), key, period);
    let window = window.map_err(|error| Failure::unverified(error.to_string()))?;
    let ranges: Vec<_> = window.ranges().map(|(_, range)| range).collect();
    let [range] = ranges.as_slice() else {
        let why = "a disclosure is about one shard, and the log of the period has another number";
        return Err(Failure::failed(why));
    };
    let disclosure = disclose::disclosed(client, range.start, range.end, level).await?;
    let bytes = disclosure.encode().map_err(disclose::no_disclosure)?;
    Disclosed::read(bytes).map_err(disclose::no_disclosure)
}

fn read_disclosure(path: &Path) -> Result<Disclosed, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path, &error))?;
    Disclosed::read(bytes).map_err(|error| Failure::failed(format!("`{}`: {error}", path.display())))
}

/// Fetches the log, by way of the directory of an export where one is named.
async fn fetch(client: &Client, key: &VerifierKey, dir: Option<&Path>, log: &Path) -> Result<(), Failure> {
    if let Some(dir) = dir {
        export_with_rows(client, key, dir).await?;
        return copy(dir, log);
    }
    fs::create_dir(log).map_err(|error| Failure::file(log, &error))?;
    match export_with_rows(client, key, log).await {
        // A log in which entries are missing is evidence: that they are is for the results to say.
        Err(failure) if failure.exit() == Exit::Unverified && log.join(CHECKPOINT).exists() => {
            warn(&failure.to_string());
            Ok(())
        }
        Err(failure) => Err(failure),
        Ok(_) => Ok(()),
    }
}

/// Copies an export, and nothing that lies in its directory in other places than its files.
fn copy(dir: &Path, log: &Path) -> Result<(), Failure> {
    let mut names = files_in(dir)?;
    names.retain(|name| pack::is_of_an_export(name));
    let bar = progress::count("copying", u64::try_from(names.len()).unwrap_or_default());
    for name in names {
        let (from, to) = (dir.join(&name), log.join(&name));
        let copied = || {
            fs::create_dir_all(to.parent().unwrap_or(log))?;
            fs::copy(&from, &to)?;
            File::open(&to)?.sync_all()
        };
        copied().map_err(|error| Failure::file(&from, &error))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// The files in a directory and below, by their names relative to it. Links are not followed.
fn files_in(dir: &Path) -> Result<Vec<String>, Failure> {
    let (mut files, mut folders) = (Vec::new(), vec![String::new()]);
    while let Some(folder) = folders.pop() {
        let path = dir.join(&folder);
        let failed = |error: io::Error| Failure::file(&path, &error);
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // What has another name than ASCII is no file of an export.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                folders.push(name);
            } else if kind.is_file() {
                files.push(name);
            }
        }
    }
    Ok(files)
}

/// Makes all files from the log that lies in the folder, and their manifest.
fn make(
    asked: &Asked<'_>,
    folder: &Folder,
    key: &VerifierKey,
    out: &Path,
    disclosing: Disclosing,
) -> Result<Made, Failure> {
    let log = folder.path().join(LOG);
    let (period, entries) = asked.of_log(&log, key)?;
    let bar = progress::count("evaluating", entries);
    let Asked { catalogue, framework, .. } = *asked;
    let export = Export(&log);
    let read = ReadLog::new(&export);
    let Disclosing { of: disclosed, insists } = disclosing;
    let of = claviger_evidence::Asked { catalogue, framework, period, disclosed: disclosed.as_ref() };
    let mut dossier = gather(&read, key, of, &bar)?;
    if !dossier.misdisclosed.is_empty() {
        let failure = misdisclosed(&dossier);
        if insists {
            return Err(failure);
        }
        warn(&format!("the pack says nothing of who called: {failure}"));
        dossier = gather(&read, key, claviger_evidence::Asked { disclosed: None, ..of }, &bar)?;
    }
    bar.finish_and_clear();
    let files = pack::files(&dossier).map_err(|error| unmade(&error))?;
    let mut listed = write(folder, &files)?;
    let names = files_in(&log)?;
    let bar = progress::count("listing", u64::try_from(names.len()).unwrap_or_default());
    for name in names {
        let path = log.join(&name);
        if read.has(&name, &dossier.verified) {
            let bytes = fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
            listed.push(Listed::new(format!("{LOG}{name}"), &bytes));
        } else {
            // Left over from earlier exports into the same directory.
            fs::remove_file(&path).map_err(|error| Failure::file(&path, &error))?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let count = listed.len();
    let manifest = pack::manifest(&dossier, listed).map_err(|error| unmade(&error))?;
    folder.write(MANIFEST, &manifest)?;
    let detection = &dossier.detection;
    let found = detection.found.iter().map(|found| format!("{}: {}", found.kind, found.place));
    let more = (detection.more > 0).then(|| format!("and {} more", detection.more));
    Ok(Made {
        folder: out.display().to_string(),
        pack: pack::id(&dossier),
        files: count,
        signed: false,
        redaction: dossier.asked.disclosed.map_or(NOTHING, |disclosed| disclosed.level().name()),
        counts: dossier.evaluation.counts(),
        detected: found.chain(more).collect(),
        manifest: sha256(&manifest),
        evidence_key: dossier.verified.evidence_key,
        evaluation: dossier.evaluation,
    })
}

/// Walks over the log and gathers what a pack is made from.
fn gather<'c>(
    log: &ReadLog<'_>,
    key: &VerifierKey,
    asked: claviger_evidence::Asked<'c>,
    bar: &ProgressBar,
) -> Result<Dossier<'c>, Failure> {
    Dossier::gather(log, key, asked, &mut |seen| bar.set_position(seen))
        .map_err(|error| Failure::failed(error.to_string()))
}

/// What does not hold of what was disclosed, and what to do.
fn misdisclosed(dossier: &Dossier<'_>) -> Failure {
    let findings = dossier.misdisclosed.iter().map(|(code, why)| format!("{code}: {why}")).collect();
    let failure = Failure::unverified("what is disclosed is not what the log commits to");
    let failure = failure.with_findings(findings);
    let Some(Span { from, to, .. }) = dossier.samples.window.first() else {
        return failure.advise("leave the disclosure out");
    };
    failure.advise(format!(
        "something may have been renamed or erased meanwhile: try again; a file must be of `claviger audit disclose --from {from} --to {to}`"
    ))
}

fn write(folder: &Folder, files: &[PackFile]) -> Result<Vec<Listed>, Failure> {
    let bar = progress::count("writing", u64::try_from(files.len()).unwrap_or_default());
    let mut listed = Vec::with_capacity(files.len());
    for file in files {
        folder.write(&file.path, &file.bytes)?;
        listed.push(Listed::new(file.path.as_str(), &file.bytes));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(listed)
}

fn unmade(error: &Unmade) -> Failure {
    let failure = Failure::failed(error.to_string());
    match error {
        Unmade::Detected { .. } => {
            failure.advise("nothing was written: find out how it came into the log, before anybody gets it")
        }
        _ => failure,
    }
}

/// Has the deployment sign the manifest, and checks that it did: by the key of the root log, and by the evidence key that its log announces.
async fn sign(client: &Client, key: &VerifierKey, made: &Made, folder: &Folder) -> Result<(), Failure> {
    let answer = client.sign_evidence(&to_hex(&made.manifest)).await.map_err(|error| {
        let advice = "without a signature: `claviger audit export --out DIR`, then this command with `--offline --dir DIR`";
        Failure::from(error).during("the pack is not signed").advise_if_none(advice)
    })?;
    let note = answer.value.note;
    let fails = |which: &str, error: String| {
        Err(Failure::unverified(format!("the signature of the pack {which} does not hold: {error}")))
    };
    match evidence::open(note.as_bytes(), key) {
        Ok(signed) if signed == made.manifest => {}
        Ok(_) => return Err(Failure::unverified("the deployment signed another manifest")),
        Err(error) => return fails("by the key of the root log", error.to_string()),
    }
    if let Some(second) = &made.evidence_key
        && let Err(error) = Note::parse(note.as_bytes()).and_then(|note| second.verify(&note))
    {
        return fails("by the evidence key", error.to_string());
    }
    folder.write(SIGNATURE, note.as_bytes())
}

impl Made {
    fn text(&self) -> String {
        let signed = match (self.signed, &self.evidence_key) {
            (false, _) => "by nobody: no deployment was asked",
            (true, None) => "by the key of the root log",
            (true, Some(_)) => "by the key of the root log, and by the evidence key (ML-DSA-65)",
        };
        let next = format!("claviger-verify {} --root-vkey root.vkey", self.folder);
        let made = record(&[
            ("folder", self.folder.clone()),
            ("pack", self.pack.clone()),
            ("files", self.files.to_string()),
            ("signed", signed.to_owned()),
            ("who called", self.redaction.to_owned()),
            ("must not be there", super::lines(self.detected.iter().cloned())),
            ("next", next),
        ]);
        let parts = [shown::counts(&self.evaluation), shown::of_what(&self.evaluation), made];
        parts.map(|part| part.trim_end().to_owned()).join("\n\n")
    }

    /// How the command ends, once all was said. Results do not decide it.
    fn end(self) -> Result<(), Failure> {
        let log = self.evaluation.log;
        let mut findings = self.evaluation.findings;
        findings.extend(self.detected.into_iter().map(|found| format!("must-not-be-there: {found}")));
        if findings.is_empty() { Ok(()) } else { Err(not_whole(&log.origin, log.entries, findings)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::audit::offline::fixture;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: ReportArgs,
    }

    fn parse(words: &[&str]) -> Result<ReportArgs, clap::Error> {
        let line = ["report"].iter().chain(words);
        <Line as clap::Parser>::try_parse_from(line).map(|line| line.args)
    }

    /// Makes a pack of the export in `dir`.
    fn made(dir: &Path, key: &VerifierKey, out: &Path) -> Made {
        let catalogue = Catalogue::load().unwrap();
        let when = parse(&["--out", "x"]).unwrap().when;
        let framework = catalogue.find_framework("pci-dss");
        let folder = Folder::create(out, false).unwrap();
        copy(dir, &folder.path().join(LOG)).unwrap();
        let asked = Asked { catalogue: &catalogue, framework, when };
        let made = make(&asked, &folder, key, out, Disclosing { of: None, insists: true }).unwrap();
        folder.commit().unwrap();
        made
    }

    #[test]
    fn two_packs_of_one_export_are_the_same_and_hold_nothing_else_of_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (export, one, two) = (dir.path().join("export"), dir.path().join("one"), dir.path().join("two"));
        let key = fixture::export(&export, 300);
        fs::write(export.join("notes.txt"), "mine").unwrap();
        let stale = "1/tile/entries/001.p/7";
        fs::write(export.join(stale), "as the log was before").unwrap();
        let (first, second) = (made(&export, &key, &one), made(&export, &key, &two));
        assert_eq!((&first.pack, first.manifest), (&second.pack, second.manifest));
        let mut names = files_in(&one).unwrap();
        names.sort();
        for name in &names {
            assert_eq!(fs::read(one.join(name)).unwrap(), fs::read(two.join(name)).unwrap(), "{name}");
        }
        assert!(!names.iter().any(|name| name.contains("notes") || name.ends_with(stale)), "{names:?}");
        let manifest = pack::Manifest::read(&fs::read(one.join(MANIFEST)).unwrap()).unwrap();
        assert_eq!((manifest.pack, manifest.files.len()), (first.pack.clone(), first.files));
        names.retain(|name| name != MANIFEST);
        assert_eq!(manifest.files.into_iter().map(|file| file.path).collect::<Vec<_>>(), names);
        let text = first.text();
        for words in ["RESULTS OF SEVERITY", "by nobody", "claviger-verify", &first.pack] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains('%') && first.end().is_ok());
    }

    #[test]
    fn pack_of_a_log_that_does_not_hold_is_made_and_ends_so() {
        let dir = tempfile::tempdir().unwrap();
        let (export, out) = (dir.path().join("export"), dir.path().join("pack"));
        let key = fixture::export(&export, 300);
        fs::remove_file(export.join("1/tile/entries/000")).unwrap();
        let made = made(&export, &key, &out);
        assert!(out.join("report/report.html").exists());
        let ended = made.end().unwrap_err();
        assert_eq!(ended.exit(), Exit::Unverified);
        assert!(ended.to_string().contains("entries-missing"), "{ended}");
    }

    #[test]
    fn folder_must_be_named_and_frameworks_are_a_closed_list() {
        assert!(parse(&[]).is_err());
        assert!(parse(&["--out", "x", "--framework", "sox"]).is_err());
        assert_eq!(parse(&["--out", "x", "--redaction", "full"]).unwrap().redaction, Some(Level::Full));
        let offline = ["--out", "x", "--offline", "--dir", "e"];
        assert!(parse(&[&offline[..], &["--disclosure", "who"]].concat()).unwrap().disclosure.is_some());
        assert!(parse(&[&offline[..], &["--redaction", "full"]].concat()).is_err());
        assert!(parse(&["--out", "x", "--disclosure", "who"]).is_err());
        assert!(parse(&["--out", "x", "--redaction", "some"]).is_err());
        let args = parse(&["--out", "x", "--offline", "--dir", "e", "--from", "90d", "--force"]).unwrap();
        assert!(args.force && args.export.dir() == Some(Path::new("e")));
    }
}

//! The run of `cargo xtask bench compliance`: how long an evaluation for PCI DSS takes over a long log, what memory it needs, and how large
//! its report is.
//!
//! The log comes of real calls, and is exported as an auditor exports it. The evaluation is a process of its own, so that its memory is
//! nobody else's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use claviger_audit::cut::Cut;
use claviger_audit::tile::{Resource, WIDTH, parse_bundle};
use claviger_audit::verify::{CHECKPOINT, Files, NoFile, ROOT, ROOT_VKEY, read, read_vkey};
use claviger_audit::{Checkpoint, VerifierKey};
use claviger_compliance::{Catalogue, Period};
use claviger_core::Timestamp;
use claviger_evidence::{Asked, Dossier, pack};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::instance::Instance;
use crate::load::{Connection, Target};
use crate::report::{self, Figure, Form, Report, Wanted};
use crate::{cores, fill, wire};

const FRAMEWORK: &str = "pci-dss";
const PAGE: &str = "report/report.html";
/// A period of a year, in microseconds.
const YEAR: u64 = 365 * 86_400 * 1_000_000;
/// Items of a batch: as many as the server takes.
const ITEMS: u32 = 1000;
/// Connections that send batches while the log is filled.
const CONNECTIONS: u32 = 4;
/// After how many batches one is followed by a call that is refused.
const REFUSED_EVERY: u32 = 10;
/// From the key of one batch to that of the next: without a common factor with any number of keys that is a power of ten.
const STEP: u64 = 7_919;

/// How long a log, and where.
#[derive(Debug, Clone, Args)]
pub struct ComplianceArgs {
    /// Entries of the log
    #[arg(long, default_value_t = 10_000_000)]
    entries: u32,
    /// Keys
    #[arg(long, default_value_t = 100_000)]
    keys: u32,
    /// How many of the entries change the state of a key; each key is created, rotated, and then described, suspended and resumed by turns
    #[arg(long, default_value_t = 1_000_000)]
    changes: u32,
    /// Keep the instance and the export in this folder, and find them filled the next time; a temporary one unless said otherwise
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Which export is evaluated.
#[derive(Debug, Clone, Args)]
pub struct EvaluatedArgs {
    /// Directory of the export
    export: PathBuf,
}

/// What the process of an evaluation found.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    entries: u64,
    objects: u64,
    results: u64,
    evaluating_seconds: f64,
    evaluating_bytes: u64,
    making_seconds: f64,
    making_bytes: u64,
    page_bytes: u64,
    pack_bytes: u64,
}

/// Measures, and prints what it found.
///
/// # Errors
/// When the log cannot be filled, something in it does not hold, or a bound is missed.
pub fn run(args: &ComplianceArgs, form: Form) -> Result<()> {
    ensure!(
        args.keys > 0 && args.keys <= args.changes && args.changes <= args.entries,
        "there are no more keys than changes, and no more changes than entries"
    );
    let temporary = tempfile::tempdir()?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    fs::create_dir_all(&dir)?;
    let export = exported(&dir, args)?;
    eprintln!("evaluating");
    let evaluated = Command::new(std::env::current_exe()?)
        .arg("evaluated")
        .arg(&export)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(evaluated.status.success(), "the evaluation failed");
    let figures = figures(&serde_json::from_slice(&evaluated.stdout)?);
    let (keys, changes) = (args.keys, args.changes);
    let settings = format!("{FRAMEWORK}, a period of a year; {keys} keys, {changes} changes of state");
    let report = Report { machine: report::machine(), settings: vec![settings], series: Vec::new(), figures };
    report.print(form)?;
    let missed = report.figures.iter().filter(|figure| !figure.holds).count();
    ensure!(missed == 0, "{missed} bounds are missed");
    Ok(())
}

fn figures(found: &Found) -> Vec<Figure> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    vec![
        Figure::new("entries in the log", found.entries as f64, "", Wanted::Known),
        Figure::new("objects at the end of the period", found.objects as f64, "", Wanted::Known),
        Figure::new("results", found.results as f64, "", Wanted::Known),
        Figure::new(
            "evaluation, with the verification of the log",
            found.evaluating_seconds,
            "s",
            Wanted::AtMost(60.0),
        ),
        Figure::new("most memory of it", mib(found.evaluating_bytes), "MiB", Wanted::AtMost(1024.0)),
        Figure::new("all files of a pack but the log", found.making_seconds, "s", Wanted::Known),
        Figure::new("most memory with them", mib(found.making_bytes), "MiB", Wanted::Known),
        Figure::new("report.html", megabytes(found.page_bytes), "MB", Wanted::AtMost(5.0)),
        Figure::new("these files together", megabytes(found.pack_bytes), "MB", Wanted::Known),
    ]
}

/// Fills the log, unless it is filled, and exports it.
fn exported(dir: &Path, args: &ComplianceArgs) -> Result<PathBuf> {
    fill::filled(dir, args.keys)?;
    fill::changed(dir, args.keys, args.changes / args.keys - 1)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(used(dir, args.keys, args.entries - args.changes)))?;
    eprintln!("exporting");
    let export = dir.join("export");
    let server = Instance::start(dir)?;
    let out = export.to_str().context("a folder whose name is no text")?;
    server.run("auditor", &["audit", "export", "--out", out])?;
    server.stop()?;
    Ok(export)
}

async fn used(dir: &Path, keys: u32, uses: u32) -> Result<()> {
    let mark = dir.join("uses");
    if let Ok(found) = fs::read_to_string(&mark) {
        ensure!(found == uses.to_string(), "{} holds {found} uses; name another folder", dir.display());
        return Ok(());
    }
    eprintln!("{uses} uses");
    let server = Instance::start(dir)?;
    use_keys(&server.data("app")?, keys, uses).await?;
    server.stop()?;
    fs::write(&mark, uses.to_string())?;
    Ok(())
}

/// Batches of encryptions, each under another key; now and then a call that is refused.
async fn use_keys(target: &Target, keys: u32, uses: u32) -> Result<()> {
    let item = format!(r#"{{"plaintext":"{}"}}"#, STANDARD.encode([0x5a; 16]));
    let body = Bytes::from(format!(r#"{{"items":[{}]}}"#, vec![item.as_str(); ITEMS as usize].join(",")));
    let mut using = JoinSet::new();
    for part in 0..CONNECTIONS {
        let (body, mut connection) = (body.clone(), Connection::open(target).await?);
        using.spawn(async move {
            for batch in (part..uses / ITEMS).step_by(CONNECTIONS as usize) {
                let path = fill::path(u32::try_from(u64::from(batch) * STEP % u64::from(keys))?);
                let request =
                    wire::post(&format!("{path}/batch"), &[("content-type", "application/json")], &body);
                connection.ask(&request).await?;
                if batch.is_multiple_of(REFUSED_EVERY) {
                    // The application was granted encryption alone.
                    let decrypt = path.replace("/encrypt", "/decrypt");
                    let octets = [("content-type", "application/octet-stream")];
                    let request = wire::post(&decrypt, &octets, &[0x5a; 64]);
                    let (status, _) = connection.ask_for_any(&request).await?;
                    ensure!(status != 200, "a decryption was not refused");
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(used) = using.join_next().await {
        used??;
    }
    Ok(())
}

/// Evaluates an export, makes the files of a pack, and prints what both took.
///
/// # Errors
/// When something of the log cannot be read or does not hold.
pub fn evaluate(args: &EvaluatedArgs) -> Result<()> {
    let export = Export(args.export.clone());
    let catalogue = Catalogue::load().map_err(|error| anyhow!("catalogue: {error}"))?;
    let framework = Some(catalogue.find_framework(FRAMEWORK).context("no such framework")?);
    let key = read_vkey(&export, ROOT_VKEY)?;
    let begun = Instant::now();
    let to = newest_cut(&export, &key)?;
    let from = Timestamp::from_micros(to.as_micros().saturating_sub(YEAR));
    let asked = Asked { catalogue: &catalogue, framework, period: Period { from, to }, disclosed: None };
    let dossier = Dossier::gather(&export, &key, asked, &mut |_| {})?;
    let evaluating_seconds = begun.elapsed().as_secs_f64();
    let evaluating_bytes = cores::most_resident(std::process::id())?;
    let findings = &dossier.verified.findings;
    let first = findings.first().map(ToString::to_string).unwrap_or_default();
    ensure!(findings.is_empty(), "{} findings, the first: {first}", findings.len());
    let begun = Instant::now();
    let files = pack::files(&dossier)?;
    let making_seconds = begun.elapsed().as_secs_f64();
    let page = files.iter().find(|file| file.path == PAGE).context("a pack without a report")?;
    let found = Found {
        entries: dossier.verified.entries(),
        objects: dossier.objects.len() as u64,
        results: dossier.evaluation.results.len() as u64,
        evaluating_seconds,
        evaluating_bytes,
        making_seconds,
        making_bytes: cores::most_resident(std::process::id())?,
        page_bytes: page.bytes.len() as u64,
        pack_bytes: files.iter().map(|file| file.bytes.len() as u64).sum(),
    };
    report::write(&serde_json::to_string(&found)?)
}

/// The clock of the newest cut: behind it the log says nothing.
fn newest_cut(export: &Export, key: &VerifierKey) -> Result<Timestamp> {
    let head = Checkpoint::open(&read(export, CHECKPOINT)?, key)?;
    let last = head.size.checked_sub(1).context("a log without a cut")?;
    let bundle = Resource::bundle(last / WIDTH, head.size).context("no such bundle")?;
    let bytes = read(export, &format!("{ROOT}/{bundle}"))?;
    let cuts = parse_bundle(&bytes)?;
    Ok(Timestamp::from_micros(Cut::decode(cuts.last().context("a bundle without a cut")?)?.t))
}

/// An export as it lies in a directory.
struct Export(PathBuf);

impl Files for Export {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        fs::read(self.0.join(name)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NoFile::Missing,
            _ => NoFile::Unreadable(error.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_time_memory_and_the_report() {
        let found = Found {
            entries: 10,
            objects: 1,
            results: 1,
            evaluating_seconds: 60.5,
            evaluating_bytes: 1 << 31,
            making_seconds: 900.0,
            making_bytes: 1 << 40,
            page_bytes: 5_000_001,
            pack_bytes: 1 << 40,
        };
        let missed = |found: &Found| figures(found).iter().filter(|figure| !figure.holds).count();
        assert_eq!(missed(&found), 3);
        let better =
            Found { evaluating_seconds: 60.0, evaluating_bytes: 1 << 30, page_bytes: 5_000_000, ..found };
        assert_eq!(missed(&better), 0);
    }
}

//! Holds the lock file against a copy of the RustSec advisory database, offline.
//!
//! The database is a folder with `crates/<name>/RUSTSEC-*.md`, or one with its archive `advisory-db.tar.xz`. A
//! missing or empty database is an error: no answer must never look like a good one. Every advisory counts,
//! unmaintained crates too, unless it was withdrawn or `deny.toml` bears it with a reason; a reason that bears
//! nothing any more is an error as well.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use semver::{Version, VersionReq};
use serde::Deserialize;

use crate::absent;
use crate::deny::{self, Exemption};
use crate::graph::{self, Locked};

const ARCHIVE: &str = "advisory-db.tar.xz";

#[derive(Debug, Deserialize)]
struct Document {
    advisory: Advisory,
    versions: Versions,
}

#[derive(Debug, Deserialize)]
struct Advisory {
    id: String,
    package: String,
    informational: Option<String>,
    withdrawn: Option<toml::Value>,
}

#[derive(Debug, Deserialize)]
struct Versions {
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

/// One advisory that concerns one locked package.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    id: String,
    reported: String,
}

/// Names the database where `--db` does not.
const VARIABLE: &str = "CLAVIGER_ADVISORIES";

pub(crate) fn run(database: Option<&Path>) -> Result<()> {
    let place = database.map(Path::to_path_buf).or_else(present);
    let place =
        place.with_context(|| format!("no advisory database: name one with `--db` or `{VARIABLE}`"))?;
    let opened = Opened::open(&place)?;
    let (locked, exemptions) = (graph::locked()?, deny::rules()?.advisories.ignore);
    let (advisories, findings) = search(&opened.path, &locked)?;
    ensure!(advisories > 0, "no advisory under `{}`: is it the advisory database?", place.display());
    let faults = faults(&findings, &exemptions);
    if !faults.is_empty() {
        bail!("advisories about dependencies:\n{}", faults.join("\n"));
    }
    eprintln!("{} packages hold against the advisories about {advisories} crates", locked.len());
    Ok(())
}

/// The database that is named, or that lies in the folder of published data. One that is named need not be there: that
/// is an error of whoever named it.
pub(crate) fn present() -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    named.or_else(|| Some(absent::folder()?.join("rustsec")).filter(|place| place.is_dir()))
}

/// The database as a folder, which goes away again where it was unpacked for the occasion.
struct Opened {
    path: PathBuf,
    _unpacked: Option<tempfile::TempDir>,
}

impl Opened {
    fn open(place: &Path) -> Result<Self> {
        if place.join("crates").is_dir() {
            return Ok(Self { path: place.join("crates"), _unpacked: None });
        }
        let archive = place.join(ARCHIVE);
        ensure!(
            archive.is_file(),
            "no advisory database in `{}`: name a folder that holds `crates/` or `{ARCHIVE}` with `--db`",
            place.display()
        );
        let unpacked = tempfile::tempdir().context("a folder to unpack the database")?;
        let mut tar = Command::new("tar");
        tar.arg("-xJf").arg(&archive).arg("-C").arg(unpacked.path());
        let status = tar.status().context("`tar` does not start")?;
        ensure!(status.success(), "`{}` does not unpack: is `xz` installed?", archive.display());
        Ok(Self { path: unpacked.path().join("crates"), _unpacked: Some(unpacked) })
    }
}

/// How many crates have advisories at all, and those that concern what is locked.
fn search(crates: &Path, locked: &[Locked]) -> Result<(usize, Vec<Finding>)> {
    let known: BTreeSet<_> = std::fs::read_dir(crates)
        .with_context(|| format!("`{}` cannot be read", crates.display()))?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<Result<_>>()?;
    let mut findings = Vec::new();
    for package in locked.iter().filter(|package| known.contains(package.name.as_ref() as &std::ffi::OsStr)) {
        for text in texts(&crates.join(&package.name))? {
            findings.extend(finding(&text, package)?);
        }
    }
    Ok((known.len(), findings))
}

fn texts(folder: &Path) -> Result<Vec<String>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).context("an advisory")).collect()
}

/// What one advisory says of one locked package.
fn finding(text: &str, package: &Locked) -> Result<Option<Finding>> {
    let Document { advisory, versions } = document(text)?;
    ensure!(advisory.package == package.name, "`{}` lies in a foreign folder", advisory.id);
    if advisory.withdrawn.is_some() || spares(&versions, &package.version)? {
        return Ok(None);
    }
    let kind = advisory.informational.unwrap_or_else(|| "vulnerable".to_owned());
    let title = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or("no title");
    let reported = format!("{} {} is {kind}: {title}", package.name, package.version);
    Ok(Some(Finding { id: advisory.id, reported }))
}

fn document(text: &str) -> Result<Document> {
    let (_, rest) = text.split_once("```toml").context("an advisory without facts")?;
    let (facts, _) = rest.split_once("```").context("an advisory without end of its facts")?;
    toml::from_str(facts).context("an advisory that cannot be read")
}

/// A pre-release matches no range that does not name one, and so counts as concerned: better asked than missed.
fn spares(versions: &Versions, version: &str) -> Result<bool> {
    let version: Version = version.parse()?;
    for range in versions.patched.iter().chain(&versions.unaffected) {
        if range.parse::<VersionReq>().with_context(|| format!("`{range}`"))?.matches(&version) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn faults(findings: &[Finding], exemptions: &[Exemption]) -> Vec<String> {
    let borne: BTreeSet<_> = exemptions.iter().map(|one| one.id.as_str()).collect();
    let found: BTreeSet<_> = findings.iter().map(|one| one.id.as_str()).collect();
    let open = findings.iter().filter(|one| !borne.contains(one.id.as_str()));
    let mut faults: Vec<_> = open.map(|one| format!("  {} {}", one.id, one.reported)).collect();
    for exemption in exemptions {
        if !found.contains(exemption.id.as_str()) {
            faults.push(format!("  `deny.toml` bears {}, which concerns nothing", exemption.id));
        }
        if exemption.reason.trim().is_empty() {
            faults.push(format!("  `deny.toml` bears {} without a reason", exemption.id));
        }
    }
    faults
}

#[cfg(test)]
mod tests;

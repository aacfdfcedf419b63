//! An evidence pack: its files are held against their manifest, and made again from its log.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use claviger_audit::note::NoteSignature;
use claviger_audit::verify::{CHECKPOINT, Files as _, Verified};
use claviger_audit::{Checkpoint, EvidenceKey, Note, NoteError, VerifierKey, evidence, sha256, to_hex};
use claviger_compliance::{Catalogue, Period, Verdict};
use claviger_evidence::disclosed::DISCLOSURE;
use claviger_evidence::pack::{
    self, DisclosureUsed, INPUTS, Inputs, LOG, Listed, MANIFEST, Manifest, RESULTS, ReadLog, SIGNATURE,
    first_difference,
};
use claviger_evidence::samples::{HeldSamples, SAMPLES, Samples};
use claviger_evidence::{Asked, Disclosed, Dossier, Unmade};
use serde::Serialize;

use crate::export::{self, Export, MAX_FILE};
use crate::report::FindingReport;

/// Longer is no file of a pack. That of all objects is the longest: some 2 KiB for each key.
const MAX_PACK_FILE: u64 = 1 << 30;

/// What an export does not have. A directory with any of it is held as a pack, so that nothing is gained by taking the others away.
const OF_A_PACK: [&str; 6] = [INPUTS, LOG, MANIFEST, RESULTS, SIGNATURE, "report/report.html"];

/// What no verification of a pack shows.
const NOT_SHOWN: [&str; 6] = [
    "that nothing happened which never came into the log, or after its newest cut (--max-age)",
    "that others were shown the same log: whoever holds its key can write another (--known-checkpoint, and those that others kept)",
    "that the period, the framework and the parameters are those that you would have asked for",
    "that what people and nodes declared is true (LIMITS.md has a list)",
    "that the program was honest when it recorded: compare the builds that nodes report with the release",
    "that an organization meets a regulation: results say what the log shows",
];

/// The second key under a manifest, in words.
const OF_EVIDENCE: &str = "the evidence key (ML-DSA-65) that the log announces";

/// A pack in a directory.
pub(crate) struct Pack {
    dir: PathBuf,
}

/// What was held, and what does not hold.
#[derive(Debug, Serialize)]
pub(crate) struct Held {
    /// Identifier of the pack, as its manifest has it.
    id: Option<String>,
    framework: Option<String>,
    as_of: Option<String>,
    period: Option<Period>,
    /// Files of the pack, with those of the log.
    files: usize,
    /// How many of them were made again from the log and compared.
    made_again: usize,
    /// How many results that were.
    results: usize,
    /// How many of them there are of each kind.
    verdicts: BTreeMap<Verdict, usize>,
    /// Parameters that are declared otherwise than the catalogue has them.
    declared: BTreeMap<String, String>,
    /// The newest cut of the log, where it is behind the period: what happened then is in no result.
    log_goes_on_until: Option<String>,
    /// How much the pack says of who called, and of how many sessions.
    redaction: Option<String>,
    disclosed_sessions: Option<usize>,
    /// Entries that nobody chose, each of which the log has at its place.
    samples: Option<HeldSamples>,
    signature: Signature,
    evidence_signature: Second,
    /// SHA-256 of the text of the evidence key that the log announces.
    evidence_key_sha256: Option<String>,
    /// Lines of other keys under the manifest, which were not looked at.
    other_signatures: usize,
    /// SHA-256 of the text of the key.
    root_vkey_sha256: String,
    not_shown: [&'static str; NOT_SHOWN.len()],
    #[serde(skip)]
    pub(crate) findings: BTreeSet<FindingReport>,
}

/// Who signed the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Signature {
    /// The key of the root log.
    Root,
    /// Nobody: the deployment was not asked.
    None,
    /// Not the key that it is to be.
    Wrong,
}

/// Who signed it beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Second {
    /// The evidence key that the log announces.
    EvidenceKey,
    /// Not that key, though others did.
    Missing,
    /// Nobody: the deployment was not asked.
    None,
    /// The log announces no such key: an older release wrote it.
    NotAnnounced,
    /// Not the key that it is to be.
    Wrong,
}

impl Pack {
    /// The pack in `dir`, unless that is the directory of an export, or of nothing.
    pub(crate) fn find(dir: &Path) -> Option<Self> {
        OF_A_PACK.iter().any(|name| dir.join(name).exists()).then(|| Self { dir: dir.to_owned() })
    }

    /// Where its log lies.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// Holds its files against the manifest, the manifest against its signature, and all that follows from the log against what is made
    /// of it here. Gives what was verified of the log, where it could be gone through.
    ///
    /// # Errors
    /// When a file cannot be read, or a newer release wrote the log. What does not hold is in the findings.
    pub(crate) fn hold(&self, log: &Export, key: &VerifierKey) -> Result<(Held, Option<Verified>)> {
        let mut held = Held {
            id: None,
            framework: None,
            as_of: None,
            period: None,
            files: 0,
            made_again: 0,
            results: 0,
            verdicts: BTreeMap::new(),
            declared: BTreeMap::new(),
            log_goes_on_until: None,
            redaction: None,
            disclosed_sessions: None,
            samples: None,
            signature: Signature::None,
            evidence_signature: Second::None,
            evidence_key_sha256: None,
            other_signatures: 0,
            root_vkey_sha256: to_hex(&key.digest()),
            not_shown: NOT_SHOWN,
            findings: BTreeSet::new(),
        };
        let there = self.listing(&mut held)?;
        held.files = there.len();
        let bytes = self.read(MANIFEST)?;
        let manifest = held.open_manifest(bytes.as_deref());
        if let Some(manifest) = &manifest {
            self.hold_files(manifest, &there, &mut held)?;
        }
        if let Some(note) = self.read(SIGNATURE)? {
            held.hold_signature(&note, bytes.as_deref().unwrap_or_default(), key);
        }
        let verified = self.make_again(log, key, &there, manifest.as_ref(), &mut held)?;
        Ok((held, verified))
    }

    /// Holds the signature beside that of the root against the key that the log announces.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn hold_second(&self, of_log: &Verified, key: &VerifierKey, held: &mut Held) -> Result<()> {
        if let Some(note) = self.read(SIGNATURE)? {
            held.hold_second(&note, of_log.evidence_key.as_ref(), key);
        }
        Ok(())
    }

    /// The regular files of the pack with their sizes, but the manifest and its signature.
    fn listing(&self, held: &mut Held) -> Result<BTreeMap<String, u64>> {
        let (mut files, mut folders) = (BTreeMap::new(), vec![String::new()]);
        while let Some(folder) = folders.pop() {
            let path = self.dir.join(&folder);
            let failed = || format!("`{}` cannot be read", path.display());
            for entry in fs::read_dir(&path).with_context(failed)? {
                let entry = entry.with_context(failed)?;
                let within = |name: &str| {
                    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
                };
                let name = match entry.file_name().into_string() {
                    Ok(name) => within(&name),
                    // The name of no file of a pack. What lies below it is none of a pack either.
                    Err(name) => {
                        held.find_extra(&within(&name.to_string_lossy()));
                        continue;
                    }
                };
                // Of the entry itself: no link leads out of the pack.
                let about = entry.metadata().with_context(failed)?;
                if about.is_dir() {
                    folders.push(name);
                } else if !about.is_file() {
                    held.find("file-extra", format!("`{name}` is no regular file"));
                } else if ![MANIFEST, SIGNATURE].contains(&name.as_str()) {
                    files.insert(name, about.len());
                }
            }
        }
        Ok(files)
    }

    /// A file; `None` for one that is not there.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.dir.join(name);
        let most = if name.starts_with(LOG) { MAX_FILE } else { MAX_PACK_FILE };
        match export::read(&path, most, "a pack") {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(anyhow!("`{}` cannot be read: {error}", path.display())),
        }
    }

    /// Each file is the one that the manifest has, and there is no other.
    fn hold_files(&self, manifest: &Manifest, there: &BTreeMap<String, u64>, held: &mut Held) -> Result<()> {
        for Listed { path, size, sha256: digest } in &manifest.files {
            let altered = match there.get(path) {
                None => {
                    held.find_missing(path);
                    continue;
                }
                Some(length) if length != size => true,
                Some(_) => self.read(path)?.is_none_or(|bytes| to_hex(&sha256(&bytes)) != *digest),
            };
            if altered {
                held.find("file-altered", format!("`{path}` is not the file that the manifest has"));
            }
        }
        let listed: BTreeSet<&str> = manifest.files.iter().map(|file| file.path.as_str()).collect();
        for path in there.keys().filter(|path| !listed.contains(path.as_str())) {
            held.find_extra(path);
        }
        Ok(())
    }

    /// Makes all files that follow from the log, and compares.
    fn make_again(
        &self,
        log: &Export,
        key: &VerifierKey,
        there: &BTreeMap<String, u64>,
        manifest: Option<&Manifest>,
        held: &mut Held,
    ) -> Result<Option<Verified>> {
        let Some(bytes) = self.read(INPUTS)? else {
            held.find_missing(INPUTS);
            return Ok(None);
        };
        let catalogue = Catalogue::load().map_err(|error| anyhow!("catalogue: {error}"))?;
        let (asked, inputs) = match asked(&bytes, &catalogue) {
            Ok(asked) => asked,
            Err((code, why)) => {
                held.find(code, why);
                return Ok(None);
            }
        };
        let disclosed = self.disclosed(&inputs, held)?;
        let asked = Asked { disclosed: disclosed.as_ref(), ..asked };
        let log = ReadLog::new(log);
        let dossier = Dossier::gather(&log, key, asked, &mut |_| {})?;
        if dossier.verified.findings.is_empty() && dossier.verified.cut_at < asked.period.to.as_micros() {
            held.find("period-beyond-log", "the period ends behind the newest cut of the log".to_owned());
        }
        for (code, why) in &dossier.misdisclosed {
            held.find(code, format!("`{DISCLOSURE}`: {why}"));
        }
        self.hold_samples(&log, key, held)?;
        let made = match pack::files(&dossier) {
            Ok(made) => made,
            Err(error @ Unmade::Detected { .. }) => {
                held.find("must-not-be-there", error.to_string());
                return Ok(Some(dossier.verified));
            }
            Err(error) => return Err(error.into()),
        };
        for file in &made {
            match self.read(&file.path)? {
                None => held.find_missing(&file.path),
                Some(bytes) => {
                    if let Some(place) = first_difference(&file.path, &bytes, &file.bytes) {
                        let path = &file.path;
                        let detail = format!("`{path}` is not what the log yields: it differs {place}");
                        held.find("pack-file-differs", detail);
                    }
                }
            }
        }
        let names: BTreeSet<&str> = made.iter().map(|file| file.path.as_str()).collect();
        for path in there.keys() {
            let belongs = match path.strip_prefix(LOG) {
                Some(of_log) => log.has(of_log, &dossier.verified),
                None => names.contains(path.as_str()),
            };
            if !belongs {
                held.find_extra(path);
            }
        }
        if let Some(manifest) = manifest {
            let of_log = manifest.files.iter().filter(|file| file.path.starts_with(LOG)).cloned();
            let own = made.iter().map(|file| Listed::new(file.path.as_str(), &file.bytes));
            let anew = pack::manifest(&dossier, own.chain(of_log).collect())?;
            if let Some(place) = first_difference(MANIFEST, &manifest.bytes()?, &anew) {
                let detail = format!("`{MANIFEST}` is not what the log yields: it differs {place}");
                held.find("manifest-differs", detail);
            }
        }
        (held.made_again, held.results) = (made.len(), dossier.evaluation.results.len());
        for result in &dossier.evaluation.results {
            *held.verdicts.entry(result.result).or_default() += 1;
        }
        let cut_at = dossier.verified.cut_at;
        let is_behind = cut_at > asked.period.to.as_micros();
        held.log_goes_on_until = crate::report::instant(cut_at).filter(|_| is_behind);
        held.declared = dossier.declared;
        held.redaction = Some(plain(&inputs.redaction));
        held.disclosed_sessions = disclosed.as_ref().map(|disclosed| disclosed.disclosure().sessions.len());
        (held.framework, held.period) = (dossier.evaluation.framework, Some(asked.period));
        Ok(Some(dossier.verified))
    }

    /// What the pack discloses, where its inputs say that it does. Of one that is missing, or another one, nothing is made.
    fn disclosed(&self, inputs: &Inputs, held: &mut Held) -> Result<Option<Disclosed>> {
        let Some(used) = &inputs.disclosure else { return Ok(None) };
        let Some(bytes) = self.read(DISCLOSURE)? else {
            held.find_missing(DISCLOSURE);
            return Ok(None);
        };
        let why = match Disclosed::read(bytes) {
            Ok(disclosed) if DisclosureUsed::of(&disclosed) == *used => return Ok(Some(disclosed)),
            Ok(_) => format!("it is another one than `{INPUTS}` says"),
            Err(error) => error.to_string(),
        };
        held.find("disclosure-wrong", format!("`{DISCLOSURE}`: {why}"));
        Ok(None)
    }

    /// Holds the samples against the checkpoint, with nothing but their own proofs.
    fn hold_samples(&self, log: &ReadLog<'_>, key: &VerifierKey, held: &mut Held) -> Result<()> {
        // What is missing, or does not hold of the checkpoint, is found elsewhere.
        let Some(bytes) = self.read(SAMPLES)? else { return Ok(()) };
        let head = log.read(CHECKPOINT).ok().and_then(|note| Checkpoint::open(&note, key).ok());
        let Some(head) = head else { return Ok(()) };
        let read = Samples::read(&bytes).map_err(|error| error.to_string());
        match read.and_then(|samples| samples.hold(&head).map_err(|error| error.to_string())) {
            Ok(samples) => held.samples = Some(samples),
            Err(why) => held.find("sample-wrong", format!("`{SAMPLES}`: {why}")),
        }
        Ok(())
    }
}

/// What the pack says that was asked of its log; else the code and the words of what is wrong with that.
fn asked<'c>(bytes: &[u8], catalogue: &'c Catalogue) -> Result<(Asked<'c>, Inputs), (&'static str, String)> {
    let malformed = |why: String| ("file-malformed", format!("`{INPUTS}`: {why}"));
    let another = |other: String| {
        let own = env!("CARGO_PKG_VERSION");
        let why = format!(
            "the results need release {other}; this is release {own}, which makes nothing of them again"
        );
        ("release-differs", why)
    };
    if let Some(other) = Inputs::of_another_form(bytes) {
        return Err(another(other));
    }
    let inputs = Inputs::read(bytes).map_err(|error| malformed(error.to_string()))?;
    match inputs.needs_another(catalogue) {
        Ok(None) => {}
        Ok(Some(other)) => return Err(another(other)),
        Err(error) => return Err(malformed(error.to_string())),
    }
    let framework = match &inputs.framework {
        None => None,
        Some(id) => {
            let known = catalogue.find_framework(id);
            Some(known.ok_or_else(|| malformed(format!("there is no framework `{id}`")))?)
        }
    };
    let period = inputs.period;
    if period.from > period.to {
        return Err(malformed("the period ends before it begins".to_owned()));
    }
    Ok((Asked { catalogue, framework, period, disclosed: None }, inputs))
}

impl Held {
    /// Something that does not hold; once.
    fn find(&mut self, code: &'static str, detail: String) {
        self.findings.insert(FindingReport { code, detail: plain(&detail) });
    }

    fn find_missing(&mut self, path: &str) {
        self.find("file-missing", format!("`{path}` is missing"));
    }

    fn find_extra(&mut self, path: &str) {
        self.find("file-extra", format!("`{path}` is no file of the pack"));
    }

    fn open_manifest(&mut self, bytes: Option<&[u8]>) -> Option<Manifest> {
        let Some(bytes) = bytes else {
            self.find_missing(MANIFEST);
            return None;
        };
        match Manifest::read(bytes) {
            Ok(manifest) => {
                (self.id, self.as_of) = (Some(plain(&manifest.pack)), Some(plain(&manifest.as_of)));
                Some(manifest)
            }
            Err(error) => {
                self.find("manifest-malformed", format!("`{MANIFEST}`: {error}"));
                None
            }
        }
    }

    fn hold_signature(&mut self, note: &[u8], manifest: &[u8], key: &VerifierKey) {
        if let Ok(note) = Note::parse(note) {
            let others = |line: &&NoteSignature<'_>| line.name != key.name() || line.key_id != key.key_id();
            self.other_signatures = note.signatures().iter().filter(others).count();
        }
        let why = match evidence::open(note, key) {
            Ok(signed) if signed == sha256(manifest) => {
                self.signature = Signature::Root;
                return;
            }
            Ok(_) => format!("it is not of this `{MANIFEST}`"),
            Err(error) => error.to_string(),
        };
        self.signature = Signature::Wrong;
        self.find("signature-wrong", format!("`{SIGNATURE}`: {why}"));
    }

    fn hold_second(&mut self, note: &[u8], announced: Option<&EvidenceKey>, root: &VerifierKey) {
        let Some(key) = announced else {
            self.evidence_signature = Second::NotAnnounced;
            return;
        };
        self.evidence_key_sha256 = Some(to_hex(&key.digest()));
        // What is no note is found with the signature of the root.
        let Ok(note) = Note::parse(note) else {
            self.evidence_signature = Second::Wrong;
            return;
        };
        let is_of_root = |line: &&NoteSignature<'_>| line.name == root.name() && line.key_id == root.key_id();
        let is_own = |line: &&NoteSignature<'_>| line.name == key.name() && line.key_id == key.key_id();
        let others: Vec<_> =
            note.signatures().iter().filter(|line| !is_of_root(line) && !is_own(line)).collect();
        self.other_signatures = others.len();
        let of_its_kind = others.iter().find(|line| line.signature.len() == EvidenceKey::SIGNATURE_LEN);
        let (state, code, why) = match (key.verify(&note), of_its_kind) {
            (Ok(()), _) => {
                self.evidence_signature = Second::EvidenceKey;
                return;
            }
            (Err(NoteError::NotSigned), None) => {
                let why = "the evidence key that the log announces did not sign it".to_owned();
                (Second::Missing, "signature-missing", why)
            }
            (Err(NoteError::NotSigned), Some(other)) => {
                let (name, id) = (other.name, to_hex(&other.key_id));
                let why = format!("`{name}` (key id {id}) signed it, and not the key that the log announces");
                (Second::Wrong, "signature-wrong", why)
            }
            (Err(error), _) => (Second::Wrong, "signature-wrong", format!("by the evidence key: {error}")),
        };
        self.evidence_signature = state;
        let (name, id) = (key.name(), to_hex(&key.key_id()));
        self.find(code, format!("`{SIGNATURE}`: {why} (`{name}`, key id {id})"));
    }

    /// For people: names with values.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let signature = match self.signature {
            Signature::Root => "of the key of the root log",
            Signature::None => {
                "none: nobody signed the list of files; the log's own signature holds for what follows from it"
            }
            Signature::Wrong => "not of the key of the root log",
        };
        let digest = self.evidence_key_sha256.as_deref().unwrap_or_default();
        let second = match self.evidence_signature {
            Second::EvidenceKey => format!("and of {OF_EVIDENCE}, {digest}"),
            Second::Missing => format!("none of {OF_EVIDENCE}, {digest}"),
            Second::None => String::new(),
            Second::NotAnnounced => {
                "and no other: the log announces no evidence key, as those of older releases".to_owned()
            }
            Second::Wrong => format!("not of {OF_EVIDENCE}, {digest}"),
        };
        let sessions = self.disclosed_sessions.map(|sessions| format!(", {sessions} sessions"));
        let redaction = self.redaction.clone().unwrap_or_default() + &sessions.unwrap_or_default();
        let samples = self.samples.map(|HeldSamples { samples, entries }| {
            format!("{samples} samples, {entries} entries, each of which its own proof shows in the log")
        });
        let period = self.period.and_then(|period| {
            let at = crate::report::instant;
            Some(format!("{} to {}", at(period.from.as_micros())?, at(period.to.as_micros())?))
        });
        let signature = match self.other_signatures {
            0 => signature.to_owned(),
            others => format!("{signature}; and {others} of other keys, which were not looked at"),
        };
        let verdicts = self.verdicts.iter().map(|(verdict, number)| format!("{number} {verdict}"));
        let declared = self.declared.iter().map(|(name, value)| format!("{name}={value}"));
        let goes_on = self.log_goes_on_until.iter();
        let goes_on = goes_on.map(|at| format!("the log goes on until {at}: that time is in no result"));
        let remade = format!("{} files made again from the log, {} results", self.made_again, self.results);
        let controls = self.framework.clone();
        let controls = controls.or_else(|| self.period.map(|_| "all controls".to_owned()));
        let mut rows = vec![
            ("pack", self.id.clone().unwrap_or_default()),
            ("framework", controls.unwrap_or_default()),
            ("period", period.unwrap_or_default()),
            ("", goes_on.collect()),
            ("declared", declared.collect::<Vec<_>>().join(", ")),
            ("files", self.files.to_string()),
            ("made again", if self.made_again == 0 { "nothing".to_owned() } else { remade }),
            ("results", verdicts.collect::<Vec<_>>().join(", ")),
            ("samples", samples.unwrap_or_default()),
            ("who called", redaction),
            ("signature", signature),
            ("", second),
        ];
        for (at, words) in self.not_shown.iter().enumerate() {
            rows.push((if at == 0 { "not shown" } else { "" }, (*words).to_owned()));
        }
        rows
    }

    /// What to compare the key by.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.root_vkey_sha256
    }
}

/// A text of a foreign pack as a terminal may show it.
fn plain(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { char::REPLACEMENT_CHARACTER } else { sign }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_comes_from_the_pack_and_must_make_sense() {
        let catalogue = Catalogue::load().unwrap();
        let own = pack::CatalogueUsed::of(&catalogue).unwrap();
        let inputs = |version: &str, framework: &str, from: &str| {
            serde_json::json!({
                "format": "claviger-evidence-inputs/2",
                "program": "claviger",
                "version": version,
                "checks": to_hex(&claviger_compliance::EVALUATOR),
                "catalogue": {"version": own.version, "sha256": own.sha256},
                "framework": framework,
                "redaction": "none",
                "as_of": "2026-03-01T00:00:00Z",
                "period": {"from": from, "to": "2026-03-01T00:00:00Z"},
                "log": {"origin": "d/audit/root", "size": 1, "root": "00", "entries": 1},
                "root_vkey_sha256": "00",
            })
            .to_string()
        };
        let code = |text: &str| asked(text.as_bytes(), &catalogue).err().map(|(code, _)| code);
        let (this, begin) = (env!("CARGO_PKG_VERSION"), "2026-01-01T00:00:00Z");
        assert_eq!(code(&inputs(this, "pci-dss", begin)), None);
        let read = inputs(this, "pci-dss", begin);
        assert_eq!(asked(read.as_bytes(), &catalogue).unwrap().0.framework.unwrap().id, "pci-dss");
        assert_eq!(code(&inputs("99.0.0", "pci-dss", begin)), Some("release-differs"));
        assert_eq!(code(&inputs(this, "sox", begin)), Some("file-malformed"));
        assert_eq!(code(&inputs(this, "pci-dss", "2027-01-01T00:00:00Z")), Some("file-malformed"));
        assert_eq!(code("{}"), Some("file-malformed"));
        // One of an older release does not read, and is no finding against it.
        let older = r#"{"format": "claviger-evidence-inputs/1", "program": "claviger", "version": "0.0.9"}"#;
        assert_eq!(code(older), Some("release-differs"));
    }
}

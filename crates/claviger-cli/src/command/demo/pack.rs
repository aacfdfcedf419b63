//! The evidence pack: made by the command that people use, and held against its own log, with nothing but its files and one public key.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use claviger_audit::{Note, VerifierKey, evidence, sha256};
use claviger_compliance::Catalogue;
use claviger_evidence::disclosed::DISCLOSURE;
use claviger_evidence::pack::{
    self, INPUTS, Inputs, LOG, Listed, MANIFEST, Manifest, SIGNATURE, first_difference,
};
use claviger_evidence::{Asked, Disclosed, Dossier, PackFile, Unmade};

use super::evidence::{change_byte, copy_tree, files_in};
use super::instance::this_program;
use super::steps::check;
use crate::command::audit::offline::Export;
use crate::failure::Failure;

/// The files of the demonstration are of patients as well.
const FRAMEWORK: &str = "hipaa";
/// What people read.
const REPORT: &str = "report/report.html";

/// Makes a pack in `out`, as the one whose profile this is.
pub(super) fn make(profile: &Path, out: &Path) -> Result<String, Failure> {
    let output = this_program().and_then(|mut command| {
        command.arg("--profile").arg(profile);
        command.args(["compliance", "report", "--framework", FRAMEWORK, "--out"]).arg(out);
        command.stdin(Stdio::null()).output()
    });
    let output = output.map_err(|error| Failure::failed(format!("the command does not start: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
        let failure = Failure::unverified(format!("`compliance report` ended, {}", output.status));
        return Err(failure.with_findings(said));
    }
    let manifest = Manifest::read(&read(out, MANIFEST)?);
    let manifest = manifest.map_err(|error| Failure::unverified(format!("`{MANIFEST}`: {error}")))?;
    check(out.join(SIGNATURE).exists(), || "the instance did not sign it".to_owned())?;
    let files = manifest.files.len();
    Ok(format!("{files} files for `{FRAMEWORK}`, in `{}`; to read first: `{REPORT}`", out.display()))
}

/// Holds all of a pack: everything must.
pub(super) fn hold_all(dir: &Path, key: &VerifierKey) -> Result<String, Failure> {
    let held = hold(dir, key)?;
    check(held.findings.is_empty(), || held.findings.join("; "))?;
    let Held { made_again, results, .. } = held;
    let text = "are byte for byte what the log yields; the key of the log signed the list of all files";
    Ok(format!("{made_again} files with {results} results {text}"))
}

/// Changes one byte in the report of a copy, and expects that it is found.
pub(super) fn change_and_detect(dir: &Path, changed: &Path, key: &VerifierKey) -> Result<String, Failure> {
    copy_tree(dir, changed)?;
    let byte = change_byte(&changed.join(REPORT))?;
    let findings = hold(changed, key)?.findings;
    let named = findings.iter().find(|finding| finding.contains(REPORT));
    let unseen = || Failure::unverified(format!("byte {byte} of `{REPORT}` was changed, and nobody noticed"));
    Ok(format!("byte {byte}: {}", named.ok_or_else(unseen)?))
}

/// What was held.
struct Held {
    made_again: usize,
    results: usize,
    /// What does not hold.
    findings: Vec<String>,
}

/// Makes each file of a pack again from the log in it, the list of all files too, and compares.
fn hold(dir: &Path, key: &VerifierKey) -> Result<Held, Failure> {
    let catalogue = Catalogue::load().map_err(|error| Failure::failed(format!("catalogue: {error}")))?;
    let inputs = Inputs::read(&read(dir, INPUTS)?);
    let inputs = inputs.map_err(|error| Failure::unverified(format!("`{INPUTS}`: {error}")))?;
    let framework = inputs.framework.as_deref().and_then(|id| catalogue.find_framework(id));
    let disclosed = inputs.disclosure.is_some().then(|| disclosed(dir)).transpose()?;
    let period = inputs.period;
    let asked = Asked { catalogue: &catalogue, framework, period, disclosed: disclosed.as_ref() };
    let log = dir.join(LOG);
    let dossier = Dossier::gather(&Export(&log), key, asked, &mut |_| {})
        .map_err(|error| Failure::failed(error.to_string()))?;
    let mut made = pack::files(&dossier).map_err(|error| unmade(&error))?;
    let mut listed: Vec<_> = made.iter().map(|file| Listed::new(file.path.as_str(), &file.bytes)).collect();
    for path in files_in(&log)? {
        let name = path.strip_prefix(&log).unwrap_or(&path).to_string_lossy().into_owned();
        listed.push(Listed::new(format!("{LOG}{name}"), &read(&log, &name)?));
    }
    let manifest = pack::manifest(&dossier, listed).map_err(|error| unmade(&error))?;
    let mut findings: Vec<_> = dossier.verified.findings.iter().map(ToString::to_string).collect();
    findings.extend(dossier.misdisclosed.iter().map(|(_, why)| why.clone()));
    let note = read(dir, SIGNATURE)?;
    match evidence::open(&note, key) {
        Ok(signed) if signed == sha256(&manifest) => {}
        Ok(_) => findings.push(format!("`{SIGNATURE}` is of another list of files")),
        Err(error) => findings.push(format!("`{SIGNATURE}`: {error}")),
    }
    if let Some(second) = &dossier.verified.evidence_key
        && let Err(error) = Note::parse(&note).and_then(|note| second.verify(&note))
    {
        findings.push(format!("`{SIGNATURE}`, by the evidence key: {error}"));
    }
    made.push(PackFile::new(MANIFEST, manifest));
    for file in &made {
        if let Some(place) = first_difference(&file.path, &read(dir, &file.path)?, &file.bytes) {
            findings.push(format!("`{}` is not what the log yields: it differs {place}", file.path));
        }
    }
    Ok(Held { made_again: made.len(), results: dossier.evaluation.results.len(), findings })
}

/// What the pack says of who called.
fn disclosed(dir: &Path) -> Result<Disclosed, Failure> {
    let disclosed = Disclosed::read(read(dir, DISCLOSURE)?);
    disclosed.map_err(|error| Failure::unverified(format!("`{DISCLOSURE}`: {error}")))
}

fn unmade(error: &Unmade) -> Failure {
    Failure::unverified(error.to_string())
}

fn read(dir: &Path, name: &str) -> Result<Vec<u8>, Failure> {
    let path = dir.join(name);
    fs::read(&path).map_err(|error| Failure::file(&path, &error))
}

#[cfg(test)]
mod tests {
    use claviger_audit::{SigningKey, assemble_note};
    use claviger_compliance::Period;
    use claviger_core::Timestamp;

    use super::*;
    use crate::command::audit::offline::fixture;

    /// Writes a pack whose log has so many entries, signed by the key of that log, which it gives.
    fn written(dir: &Path, entries: u64) -> VerifierKey {
        let log = dir.join(LOG);
        let key = fixture::export(&log, entries);
        let catalogue = Catalogue::load().unwrap();
        let period = Period { from: Timestamp::from_micros(0), to: Timestamp::from_micros(entries - 1) };
        let framework = catalogue.find_framework(FRAMEWORK);
        let asked = Asked { catalogue: &catalogue, framework, period, disclosed: None };
        let dossier = Dossier::gather(&Export(&log), &key, asked, &mut |_| {}).unwrap();
        let mut files = pack::files(&dossier).unwrap();
        let of_log = files_in(&log).unwrap().into_iter().map(|path| {
            let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            Listed::new(name, &fs::read(&path).unwrap())
        });
        let own = files.iter().map(|file| Listed::new(file.path.as_str(), &file.bytes));
        let manifest = pack::manifest(&dossier, own.chain(of_log).collect()).unwrap();
        let signing = SigningKey::from_seed(key.name(), &[7; 32]).unwrap();
        let text = evidence::text(key.name(), &sha256(&manifest));
        let note = assemble_note(&text, key.name(), key.key_id(), &signing.sign(&text)).unwrap();
        files.extend([PackFile::new(MANIFEST, manifest), PackFile::new(SIGNATURE, note)]);
        for file in files {
            let path = dir.join(&file.path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file.bytes).unwrap();
        }
        key
    }

    #[test]
    fn changed_byte_of_a_pack_is_detected_and_the_pack_still_holds() {
        let dir = tempfile::tempdir().unwrap();
        let (pack, changed) = (dir.path().join("pack"), dir.path().join("changed"));
        let key = written(&pack, 300);
        let text = change_and_detect(&pack, &changed, &key).unwrap();
        assert!(text.contains(REPORT), "{text}");
        assert!(hold_all(&pack, &key).unwrap().contains("byte for byte"));
        assert!(hold_all(&changed, &key).unwrap_err().to_string().contains(REPORT));
    }

    #[test]
    fn log_list_and_signature_are_held_too() {
        let dir = tempfile::tempdir().unwrap();
        let pack = dir.path().join("pack");
        let key = written(&pack, 300);
        for name in ["log/1/tile/entries/000", MANIFEST, SIGNATURE] {
            let whole = fs::read(pack.join(name)).unwrap();
            change_byte(&pack.join(name)).unwrap();
            assert!(hold_all(&pack, &key).is_err(), "{name}");
            fs::write(pack.join(name), whole).unwrap();
        }
        hold_all(&pack, &key).unwrap();
        let other = SigningKey::from_seed(key.name(), &[8; 32]).unwrap();
        assert!(hold_all(&pack, other.verifier_key()).is_err());
    }
}

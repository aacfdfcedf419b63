//! What the log proves afterwards: a single refusal, the whole log, and that no byte of it can be changed unseen.

use std::fs;
use std::path::{Path, PathBuf};

use claviger_audit::VerifierKey;
use claviger_client::Client;

use super::steps::check;
use crate::command::audit::export::export_with_rows;
use crate::command::audit::offline::verify;
use crate::command::audit::prove;
use crate::command::audit::verify::compare;
use crate::failure::Failure;

/// The key of the root log, as the instance says: it was started a minute ago by this program, which is as good as its word.
async fn root_key(client: &Client) -> Result<(VerifierKey, u32), Failure> {
    let outcome = client.read_checkpoint().await?.value;
    let key = VerifierKey::parse(outcome.root_vkey.trim());
    Ok((
        key.map_err(|error| Failure::unverified(format!("the root key is no vkey: {error}")))?,
        outcome.shard,
    ))
}

/// Proves an entry, checks the proof here, and keeps it in `out`.
pub(super) async fn prove(auditor: &Client, entry: u64, out: &Path) -> Result<String, Failure> {
    let (key, shard) = root_key(auditor).await?;
    let proof = prove::fetch(auditor, shard, entry).await?;
    let (head, shown) = prove::check(&proof, &key)?;
    check(shown.index == entry, || "the proof is of another entry".to_owned())?;
    check(shown.is_refusal(), || format!("entry {entry} records no refusal"))?;
    prove::write(out, proof, &key, None)?;
    Ok(format!("entry {entry} is under the signed checkpoint of {} cuts", head.size))
}

/// Exports the log and the live rows to `log`, copies both to `copy`, and verifies the copy with nothing but its files and the key.
pub(super) async fn export_and_verify(auditor: &Client, log: &Path, copy: &Path) -> Result<String, Failure> {
    let (key, _) = root_key(auditor).await?;
    export_with_rows(auditor, &key, log).await?;
    copy_tree(log, copy)?;
    let verified = verify(copy, &key)?;
    check(verified.findings.is_empty(), || verified.findings.join("; "))?;
    Ok(format!(
        "{} entries under {} cuts hold; {} key versions follow from them; live state: {}",
        verified.entries, verified.cuts, verified.key_versions, verified.live_state
    ))
}

/// Changes one byte in the middle of a copy of `log`, and expects that the verification finds it.
pub(super) fn change_and_detect(log: &Path, changed: &Path) -> Result<String, Failure> {
    copy_tree(log, changed)?;
    let key = crate::command::audit::offline::key_in(log)?;
    let bundle = largest_file(changed)?;
    let middle = change_byte(&bundle)?;
    let found = match verify(changed, &key) {
        Ok(verified) => verified.findings,
        Err(failure) => vec![failure.to_string()],
    };
    check(!found.is_empty(), || {
        format!("byte {middle} of `{}` was changed, and nobody noticed", bundle.display())
    })?;
    Ok(format!("byte {middle} of `{}`: {}", bundle.display(), found.first().map_or("", String::as_str)))
}

/// Edits the row of a key in a database, as somebody with the file would: the row begins with `record`, and says `to` in the place of
/// `from` afterwards.
pub(super) fn edit_key_row(database: &Path, record: &str, (from, to): (&str, &str)) -> Result<(), Failure> {
    let mut bytes = fs::read(database).map_err(|error| Failure::file(database, &error))?;
    let edited = edit(&mut bytes, record.as_bytes(), (from.as_bytes(), to.as_bytes()));
    check(edited > 0, || format!("`{}` has no row of the key that says {from}", database.display()))?;
    fs::write(database, &bytes).map_err(|error| Failure::file(database, &error))
}

/// Puts `to` wherever `from` stands behind `record` in the same row; gives how often.
fn edit(bytes: &mut [u8], record: &[u8], (from, to): (&[u8], &[u8])) -> usize {
    /// A row of a key is shorter.
    const ROW: usize = 256;
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let (mut start, mut edited) = (0, 0);
    while let Some(at) = bytes.get(start..).and_then(|rest| find(rest, record)) {
        start += at + record.len();
        let row = bytes.get(start..(start + ROW).min(bytes.len()));
        let state = row.and_then(|row| find(row, from)).map(|at| start + at);
        if let Some(state) = state.and_then(|at| bytes.get_mut(at..at + to.len())) {
            state.copy_from_slice(to);
            edited += 1;
        }
    }
    edited
}

/// What `audit verify` finds of a deployment whose log is exported to `log`.
pub(super) async fn find_edit(auditor: &Client, log: &Path) -> Result<Vec<String>, Failure> {
    let (key, _) = root_key(auditor).await?;
    let findings = compare(auditor, &key, log).await?.findings;
    let is_of_rows = |finding: &String| finding.starts_with("state-differs: ");
    check(findings.iter().all(is_of_rows), || findings.join("; "))?;
    Ok(findings)
}

/// Copies files and folders, with who may read them.
pub(super) fn copy_tree(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(|error| Failure::file(to, &error))?;
    let about = fs::metadata(from).map_err(|error| Failure::file(from, &error))?;
    fs::set_permissions(to, about.permissions()).map_err(|error| Failure::file(to, &error))?;
    for entry in fs::read_dir(from).map_err(|error| Failure::file(from, &error))? {
        let entry = entry.map_err(|error| Failure::file(from, &error))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_tree(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(|error| Failure::file(&source, &error))?;
        }
    }
    Ok(())
}

/// The files under `dir`, in no order.
pub(super) fn files_in(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let (mut files, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| Failure::file(&folder, &error))? {
            let path = entry.map_err(|error| Failure::file(&folder, &error))?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

/// The largest file under `dir`: a bundle of entries, or of what lies beside them.
fn largest_file(dir: &Path) -> Result<PathBuf, Failure> {
    let mut largest = None;
    for path in files_in(dir)? {
        let about = fs::metadata(&path).map_err(|error| Failure::file(&path, &error))?;
        largest = largest.max(Some((about.len(), path)));
    }
    largest.map(|(_, path)| path).ok_or_else(|| Failure::failed(format!("`{}` is empty", dir.display())))
}

/// Changes one byte in the middle of a file; gives which.
pub(super) fn change_byte(path: &Path) -> Result<usize, Failure> {
    let mut bytes = fs::read(path).map_err(|error| Failure::file(path, &error))?;
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    fs::write(path, &bytes).map_err(|error| Failure::file(path, &error))?;
    Ok(middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::audit::offline::fixture;

    #[test]
    fn rows_of_the_key_are_edited_and_nothing_else() {
        let mut bytes =
            b"x compromised demorecords.........compromised demorecords active, compromised".to_vec();
        assert_eq!(edit(&mut bytes, b"demorecords", (b"compromised", b"deactivated")), 2);
        assert_eq!(bytes, b"x compromised demorecords.........deactivated demorecords active, deactivated");
        assert_eq!(edit(&mut bytes, b"records of none", (b"compromised", b"deactivated")), 0);
    }

    #[test]
    fn changed_byte_is_detected_and_the_original_still_holds() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let key = fixture::export(&log, 600);
        let outcome = change_and_detect(&log, &dir.path().join("changed")).unwrap();
        assert!(outcome.contains("byte"), "{outcome}");
        assert!(verify(&log, &key).unwrap().findings.is_empty());
    }
}

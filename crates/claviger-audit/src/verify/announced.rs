//! The evidence key that the log announces: its announcement is there, the root signed it, and there is one for the whole life of the log.

use std::collections::BTreeMap;

use super::Verified;
use super::files::{Files, WalkError, evidence_note, read};
use super::finding::Finding;
use crate::{VerifierKey, evidence};

/// Digests of the keys that entries announce, with the first entry that does. A start announces the key anew.
pub(super) type Announced = BTreeMap<Vec<u8>, u64>;

/// Reads the announcements of a shard. One whose file is no note of the root, or of another key than its entry says, is a finding.
pub(super) fn judge(
    files: &dyn Files,
    shard: u32,
    announced: &Announced,
    root: &VerifierKey,
    verified: &mut Verified,
) -> Result<(), WalkError> {
    let mut in_order: Vec<_> = announced.iter().map(|(digest, entry)| (*entry, digest)).collect();
    in_order.sort_unstable();
    for (entry, digest) in in_order {
        let name = evidence_note(shard, digest);
        let note = read(files, &name)?;
        let malformed = |why: String| WalkError::Finding(Finding::FileMalformed { name: name.clone(), why });
        let key = evidence::open_announcement(&note, root).map_err(|error| malformed(error.to_string()))?;
        if key.digest().as_slice() != digest.as_slice() {
            return Err(malformed("it is another key than the one that the log announces".to_owned()));
        }
        match &verified.evidence_key {
            Some(first) if *first != key => {
                verified.findings.push(Finding::EvidenceKeyChanged { shard, entry });
            }
            Some(_) => {}
            None => verified.evidence_key = Some(key),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::NoFile;
    use crate::{EvidenceSigner, SigningKey, assemble_note};

    const ROOT: &str = "d/audit/root";

    struct Notes(BTreeMap<String, Vec<u8>>);

    impl Files for Notes {
        fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
            self.0.get(name).cloned().ok_or(NoFile::Missing)
        }
    }

    fn root(seed: u8) -> SigningKey {
        SigningKey::from_seed(ROOT, &[seed; 32]).unwrap()
    }

    /// The announcement of the key with a seed, by the root with another.
    fn note(seed: u8, by: &SigningKey) -> Vec<u8> {
        let signer = EvidenceSigner::from_seed(&evidence::key_name(ROOT), &[seed; 32]).unwrap();
        let (text, key) = (evidence::announcement(ROOT, signer.key()), by.verifier_key());
        assemble_note(&text, key.name(), key.key_id(), &by.sign(&text)).unwrap().into_bytes()
    }

    fn digest(seed: u8) -> Vec<u8> {
        let signer = EvidenceSigner::from_seed(&evidence::key_name(ROOT), &[seed; 32]).unwrap();
        signer.key().digest().to_vec()
    }

    /// What is found of a log that announces the keys with these seeds, at the entries 10, 11 and so on.
    fn judged(seeds: &[u8], notes: &[(u8, Vec<u8>)]) -> Result<Verified, WalkError> {
        let files =
            notes.iter().map(|(seed, note)| (evidence_note(1, &digest(*seed)), note.clone())).collect();
        let announced = (10..).zip(seeds).map(|(entry, seed)| (digest(*seed), entry)).collect();
        let mut verified = Verified::default();
        judge(&Notes(files), 1, &announced, root(1).verifier_key(), &mut verified)?;
        Ok(verified)
    }

    #[test]
    fn the_announced_key_is_the_one_of_the_note_and_another_one_later_is_found() {
        let honest = judged(&[3], &[(3, note(3, &root(1)))]).unwrap();
        assert_eq!(honest.evidence_key.map(|key| key.digest().to_vec()), Some(digest(3)));
        assert!(honest.findings.is_empty() && judged(&[], &[]).unwrap().evidence_key.is_none());
        for (first, second) in [(3, 4), (4, 3)] {
            let changed =
                judged(&[first, second], &[(3, note(3, &root(1))), (4, note(4, &root(1)))]).unwrap();
            assert_eq!(changed.evidence_key.map(|key| key.digest().to_vec()), Some(digest(first)));
            assert_eq!(changed.findings, [Finding::EvidenceKeyChanged { shard: 1, entry: 11 }]);
        }
    }

    #[test]
    fn an_announcement_that_is_missing_exchanged_or_not_of_the_root_is_found() {
        let why = |notes: &[(u8, Vec<u8>)]| match judged(&[3], notes) {
            Err(WalkError::Finding(finding)) => finding.code(),
            other => panic!("{other:?}"),
        };
        assert_eq!(why(&[]), "file-missing");
        assert_eq!(why(&[(3, note(4, &root(1)))]), "file-malformed");
        assert_eq!(why(&[(3, note(3, &root(2)))]), "file-malformed");
        assert_eq!(why(&[(3, b"no note".to_vec())]), "file-malformed");
    }
}

//! Signatures of evidence packs: a note over the digest of a pack's manifest, by the root's checkpoint key and by the evidence key
//! ([`EvidenceKey`]), which a note of the root announces.
//!
//! The first line of a checkpoint is an origin, which holds no space; the first line of such notes ends in ` evidence pack` or ` evidence
//! key`. So none can be taken for another, though one key signs them all.

mod key;

pub use key::{EvidenceKey, EvidenceSigner};

use crate::hash::{Hash, from_base64, to_base64};
use crate::key::VerifierKey;
use crate::note::{Note, NoteError};

/// What the first line says behind the origin of the root log.
const OF_A_PACK: &str = " evidence pack";
/// The same, of a note that announces the evidence key.
const OF_A_KEY: &str = " evidence key";

/// Why a note does not sign an evidence pack, or announces no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceNoteError {
    /// It is no note, or not one that the key signed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The key signed it, but its text is not that of an evidence pack of this deployment.
    #[error("the signed text is not that of an evidence pack")]
    Text,
    /// The key signed it, but its text announces no evidence key of this deployment.
    #[error("the signed text announces no evidence key of this deployment")]
    Announcement,
}

/// The text that is signed: two lines, the origin of the root log with what the note is of, and the SHA-256 of `MANIFEST.json`.
#[must_use]
pub fn text(origin: &str, manifest: &Hash) -> String {
    format!("{origin}{OF_A_PACK}\n{}\n", to_base64(manifest))
}

/// The digest of the manifest in a note that `key` signed. The key's name must be the origin, as with checkpoints.
///
/// # Errors
/// [`EvidenceNoteError`], by what is wrong.
pub fn open(note: &[u8], key: &VerifierKey) -> Result<Hash, EvidenceNoteError> {
    let signed = Note::parse(note)?.verify(key)?;
    parse(signed, key.name()).ok_or(EvidenceNoteError::Text)
}

/// What the evidence key is called, beside a root log of that origin: as in `shop/audit/evidence`.
#[must_use]
pub fn key_name(origin: &str) -> String {
    format!("{}/evidence", origin.strip_suffix("/root").unwrap_or(origin))
}

/// The text by which the root announces the evidence key: two lines, the origin of the root log with what the note is of, and the vkey.
#[must_use]
pub fn announcement(origin: &str, key: &EvidenceKey) -> String {
    format!("{origin}{OF_A_KEY}\n{key}\n")
}

/// The evidence key in a note that `root` signed.
///
/// # Errors
/// [`EvidenceNoteError`], by what is wrong.
pub fn open_announcement(note: &[u8], root: &VerifierKey) -> Result<EvidenceKey, EvidenceNoteError> {
    let signed = Note::parse(note)?.verify(root)?;
    announced(signed, root.name()).ok_or(EvidenceNoteError::Announcement)
}

fn announced(text: &str, origin: &str) -> Option<EvidenceKey> {
    let rest = text.strip_prefix(origin)?.strip_prefix(OF_A_KEY)?;
    let vkey = rest.strip_prefix('\n')?.strip_suffix('\n')?;
    EvidenceKey::parse(vkey).ok().filter(|key| key.name() == key_name(origin))
}

fn parse(text: &str, origin: &str) -> Option<Hash> {
    let rest = text.strip_prefix(origin)?.strip_prefix(OF_A_PACK)?;
    let digest = rest.strip_prefix('\n')?.strip_suffix('\n')?;
    from_base64(digest)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::key::SigningKey;
    use crate::note::assemble_note;

    const ROOT: &str = "shop/audit/root";
    const MANIFEST: Hash = [7; 32];

    fn key() -> SigningKey {
        SigningKey::from_seed(ROOT, &[1; 32]).unwrap()
    }

    fn signed(text: &str, by: &SigningKey) -> Vec<u8> {
        let key = by.verifier_key();
        assemble_note(text, key.name(), key.key_id(), &by.sign(text)).unwrap().into_bytes()
    }

    #[test]
    fn text_is_two_lines() {
        let expected = "shop/audit/root evidence pack\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
        assert_eq!(text(ROOT, &MANIFEST), expected);
    }

    #[test]
    fn only_the_roots_own_key_signs_packs() {
        let (own, other) = (key(), SigningKey::from_seed("shop/audit/1", &[2; 32]).unwrap());
        let note = signed(&text(ROOT, &MANIFEST), &own);
        assert_eq!(open(&note, own.verifier_key()), Ok(MANIFEST));
        assert_eq!(open(&note, other.verifier_key()), Err(NoteError::NotSigned.into()));
        // A node's key does not speak for the root, nor for a log that it is not named after.
        let note = signed(&text(ROOT, &MANIFEST), &other);
        assert_eq!(open(&note, own.verifier_key()), Err(NoteError::NotSigned.into()));
        assert_eq!(open(&note, other.verifier_key()), Err(EvidenceNoteError::Text));
        // A signature of another text under the name and id of the key.
        let (id, signature) = (own.verifier_key().key_id(), own.sign("another\n"));
        let note = assemble_note(&text(ROOT, &MANIFEST), ROOT, id, &signature).unwrap();
        assert_eq!(open(note.as_bytes(), own.verifier_key()), Err(NoteError::Signature.into()));
    }

    #[test]
    fn checkpoint_and_signature_of_a_pack_are_never_taken_for_each_other() {
        let key = key();
        let pack = signed(&text(ROOT, &MANIFEST), &key);
        assert_eq!(Checkpoint::open(&pack, key.verifier_key()), Err(NoteError::Checkpoint));
        let checkpoint = Checkpoint { origin: ROOT.into(), size: 7, root: MANIFEST };
        let note = checkpoint.sign(&key).unwrap();
        assert_eq!(Checkpoint::open(note.as_bytes(), key.verifier_key()), Ok(checkpoint));
        assert_eq!(open(note.as_bytes(), key.verifier_key()), Err(EvidenceNoteError::Text));
        // Whatever the origin, a text of the one kind is none of the other: an origin holds no space.
        let named = Checkpoint { origin: format!("{ROOT}{OF_A_PACK}"), size: 7, root: MANIFEST };
        assert_eq!(named.sign(&key), Err(NoteError::Checkpoint));
        assert_eq!(Checkpoint::parse(&named.text()), Err(NoteError::Checkpoint));
        assert_eq!(parse(&named.text(), ROOT), None);
    }

    #[test]
    fn the_root_announces_the_evidence_key_of_its_own_deployment_and_no_note_is_taken_for_another() {
        let (root, other) = (key(), SigningKey::from_seed("shop/audit/1", &[2; 32]).unwrap());
        let named = |name: &str| EvidenceSigner::from_seed(name, &[3; 32]).unwrap().key().clone();
        let own = named(&key_name(ROOT));
        assert_eq!(own.name(), "shop/audit/evidence");
        let note = signed(&announcement(ROOT, &own), &root);
        assert_eq!(open_announcement(&note, root.verifier_key()), Ok(own.clone()));
        assert_eq!(open_announcement(&note, other.verifier_key()), Err(NoteError::NotSigned.into()));
        assert_eq!(open(&note, root.verifier_key()), Err(EvidenceNoteError::Text));
        assert_eq!(Checkpoint::open(&note, root.verifier_key()), Err(NoteError::Checkpoint));
        let refused = |text: &str| open_announcement(&signed(text, &root), root.verifier_key());
        let good = announcement(ROOT, &own);
        for bad in [
            text(ROOT, &MANIFEST),
            announcement(ROOT, &named("shoe/audit/evidence")),
            good.replace("key\n", "key\n\n"),
            good.replacen("shop", "shoe", 1),
            format!("{good}more\n"),
        ] {
            assert_eq!(refused(&bad), Err(EvidenceNoteError::Announcement), "{bad}");
        }
    }

    #[test]
    fn a_pack_that_both_keys_signed_opens_under_both() {
        let (root, text) = (key(), text(ROOT, &MANIFEST));
        let signer = EvidenceSigner::from_seed(&key_name(ROOT), &[3; 32]).unwrap();
        let both = [signed(&text, &root), signer.line(&text).unwrap().into_bytes()].concat();
        assert_eq!(open(&both, root.verifier_key()), Ok(MANIFEST));
        assert_eq!(signer.key().verify(&Note::parse(&both).unwrap()), Ok(()));
        let alone = signed(&text, &root);
        assert_eq!(signer.key().verify(&Note::parse(&alone).unwrap()), Err(NoteError::NotSigned));
    }

    #[test]
    fn malformed_texts_are_refused() {
        let (key, good) = (key(), text(ROOT, &MANIFEST));
        assert!(open(&signed(&good, &key), key.verifier_key()).is_ok());
        for bad in [
            format!("{good}more\n"),
            format!("{good}\n"),
            good.replace(" evidence", "  evidence"),
            good.replace("pack\n", "pack\n\n"),
            good.replace("pack\n", "packs\n"),
            good.replace("shop/", "shop2/"),
            good.replace('=', ""),
            good.replacen("BwcH", "BwcH\n", 1),
            good.replacen("BwcH", "", 1),
            good.replacen("BwcH", "BwcHBwcH", 1),
            good.replace("Bwc=", "Bwd="),
            good.replace("\nBwcH", "\n BwcH"),
            format!("{ROOT} evidence pack\n\n"),
        ] {
            let opened = open(&signed(&bad, &key), key.verifier_key());
            assert_eq!(opened, Err(EvidenceNoteError::Text), "{bad:?}");
        }
        assert_eq!(open(good.as_bytes(), key.verifier_key()), Err(NoteError::Malformed.into()));
    }
}

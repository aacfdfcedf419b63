//! The evidence key of a deployment: ML-DSA-65 (FIPS 204), which signs packs beside the key of the root log.
//!
//! It is for the day on which signatures of Ed25519 and ECDSA prove nothing any more: a pack that it signed stays one that this deployment
//! issued. Which key it is, the log says: the key of the root log announces it ([`super::announcement`]), and an entry has its digest.

use std::fmt;
use std::str::FromStr;

use crate::hash::{Hash, from_base64, from_hex, sha256, to_base64, to_hex};
use crate::key::check_name;
use crate::note::{Note, NoteError, signature_line};
use crate::signature::{ML_DSA_65_PUBLIC, ML_DSA_65_SIGNATURE, MlDsa65, ml_dsa_65_verifies};

/// C2SP signed-note has a byte for timestamped cosignatures by ML-DSA-44, and none for ML-DSA-65 over a text. Of such types it asks for
/// the byte 0xff, and behind it for a longer name that nobody else is likely to take.
const TYPE: &[u8] = b"\xffclaviger/ml-dsa-65";

/// A key that verifies the second signature of packs. Its text form is a vkey of C2SP signed-note,
/// `<name>+<key id in hexadecimal>+<base64 of type and public key>`.
#[derive(Clone, PartialEq, Eq)]
pub struct EvidenceKey {
    name: String,
    key_id: [u8; 4],
    public: Box<[u8]>,
}

impl EvidenceKey {
    /// Length of a signature, without the key id.
    pub const SIGNATURE_LEN: usize = ML_DSA_65_SIGNATURE;

    /// The key with this public key (FIPS 204, algorithm 22: 1952 bytes).
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name cannot stand in a note, [`NoteError::VerifierKey`] for another length.
    pub fn new(name: &str, public: &[u8]) -> Result<Self, NoteError> {
        check_name(name)?;
        if public.len() != ML_DSA_65_PUBLIC {
            return Err(NoteError::VerifierKey);
        }
        // C2SP signed-note: SHA-256 over name, newline, type and public key, of which the first four bytes are the key id.
        let [a, b, c, d, ..] = sha256(&[name.as_bytes(), b"\n", TYPE, public].concat());
        Ok(Self { name: name.to_owned(), key_id: [a, b, c, d], public: public.into() })
    }

    /// Reads a vkey.
    ///
    /// # Errors
    /// [`NoteError::Name`], or [`NoteError::VerifierKey`] if the rest is malformed, of another type, or the key id is not that of the key.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey);
        };
        let id = from_hex::<4>(id).ok_or(NoteError::VerifierKey)?;
        let bytes = from_base64(key).ok_or(NoteError::VerifierKey)?;
        let key = Self::new(name, bytes.strip_prefix(TYPE).ok_or(NoteError::VerifierKey)?)?;
        if key.key_id == id { Ok(key) } else { Err(NoteError::VerifierKey) }
    }

    /// The name that its signature lines carry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id that its signatures begin with.
    #[must_use]
    pub const fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// SHA-256 of the vkey's text: what the entry that announces it refers to.
    #[must_use]
    pub fn digest(&self) -> Hash {
        sha256(self.to_string().as_bytes())
    }

    /// Holds a note against this key: there is a line of it, and each such line is its signature over the text.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`] without such a line, [`NoteError::Signature`] if one is not its own.
    pub fn verify(&self, note: &Note<'_>) -> Result<(), NoteError> {
        let mut found = false;
        let own = |name: &str, id: [u8; 4]| name == self.name && id == self.key_id;
        for line in note.signatures().iter().filter(|line| own(line.name, line.key_id)) {
            if !ml_dsa_65_verifies(&self.public, note.unverified_text().as_bytes(), &line.signature) {
                return Err(NoteError::Signature);
            }
            found = true;
        }
        if found { Ok(()) } else { Err(NoteError::NotSigned) }
    }
}

impl fmt::Display for EvidenceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = to_base64(&[TYPE, &*self.public].concat());
        write!(f, "{}+{}+{key}", self.name, to_hex(&self.key_id))
    }
}

impl fmt::Debug for EvidenceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EvidenceKey({}+{})", self.name, to_hex(&self.key_id))
    }
}

impl FromStr for EvidenceKey {
    type Err = NoteError;

    fn from_str(vkey: &str) -> Result<Self, Self::Err> {
        Self::parse(vkey)
    }
}

/// The same key with its secret half, in memory and nowhere else. It is cleared when it is dropped.
pub struct EvidenceSigner {
    pair: MlDsa65,
    key: EvidenceKey,
}

impl EvidenceSigner {
    /// The key with this seed (FIPS 204, algorithm 6). The caller clears the seed.
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name cannot stand in a note, [`NoteError::Random`] if the library refuses.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let pair = MlDsa65::from_seed(seed).ok_or(NoteError::Random)?;
        let key = EvidenceKey::new(name, &pair.public())?;
        Ok(Self { pair, key })
    }

    /// What verifies its signatures.
    #[must_use]
    pub const fn key(&self) -> &EvidenceKey {
        &self.key
    }

    /// The line, with its newline, that signs a note with this text. It is hedged: each time it is another one.
    ///
    /// # Errors
    /// [`NoteError::Random`] if the library refuses.
    pub fn line(&self, text: &str) -> Result<String, NoteError> {
        let signature = self.pair.sign(text.as_bytes()).ok_or(NoteError::Random)?;
        signature_line(&self.key.name, self.key.key_id, &signature)
    }
}

impl fmt::Debug for EvidenceSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EvidenceSigner({:?}, ..)", self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "shop/audit/evidence";
    const TEXT: &str = "shop/audit/root evidence pack\ndigest\n";

    fn signer(seed: u8) -> EvidenceSigner {
        EvidenceSigner::from_seed(NAME, &[seed; 32]).unwrap()
    }

    fn signed(by: &EvidenceSigner) -> String {
        format!("{TEXT}\n{}", by.line(TEXT).unwrap())
    }

    fn held(note: &str, by: &EvidenceSigner) -> Result<(), NoteError> {
        by.key().verify(&Note::parse(note.as_bytes()).unwrap())
    }

    #[test]
    fn the_same_seed_is_the_same_key_and_its_vkey_reads_back() {
        let (key, other) = (signer(1), signer(2));
        assert_eq!(key.key(), signer(1).key());
        assert_ne!(key.key(), other.key());
        let vkey = key.key().to_string();
        assert_eq!(EvidenceKey::parse(&vkey).as_ref(), Ok(key.key()));
        assert_eq!(vkey.parse::<EvidenceKey>().unwrap().digest(), sha256(vkey.as_bytes()));
        assert_ne!(EvidenceSigner::from_seed("shop2/audit/evidence", &[1; 32]).unwrap().key(), key.key());
        // Of the type, as C2SP signed-note puts it together.
        let all = [NAME.as_bytes(), b"\n\xffclaviger/ml-dsa-65", &*key.key().public].concat();
        assert_eq!(sha256(&all)[..4], key.key().key_id());
        assert!(!format!("{key:?}").contains(&vkey[40..80]));
    }

    #[test]
    fn only_its_own_signature_over_this_text_holds() {
        let (key, other) = (signer(1), signer(2));
        let note = signed(&key);
        assert_eq!(held(&note, &key), Ok(()));
        let parsed = Note::parse(note.as_bytes()).unwrap();
        assert_eq!(parsed.signatures()[0].signature.len(), ML_DSA_65_SIGNATURE);
        assert_eq!(held(&note, &other), Err(NoteError::NotSigned));
        assert_eq!(held(&note.replacen("digest", "digert", 1), &key), Err(NoteError::Signature));
        // The signature of another key under the name and id of this one.
        let foreign = Note::parse(note.as_bytes()).unwrap().signatures()[0].signature.clone();
        let line = signature_line(NAME, other.key().key_id(), &foreign).unwrap();
        assert_eq!(held(&format!("{TEXT}\n{line}"), &other), Err(NoteError::Signature));
        // A good line beside a bad one of the same key is not enough.
        let bad = signature_line(NAME, key.key().key_id(), &[7; ML_DSA_65_SIGNATURE]).unwrap();
        assert_eq!(held(&format!("{note}{bad}"), &key), Err(NoteError::Signature));
        let short = signature_line(NAME, key.key().key_id(), &[7; 64]).unwrap();
        assert_eq!(held(&format!("{TEXT}\n{short}"), &key), Err(NoteError::Signature));
        // Hedged signing: no two are alike, and each holds.
        let again = signed(&key);
        assert_ne!(again, note);
        assert_eq!(held(&again, &key), Ok(()));
    }

    #[test]
    fn altered_vkeys_and_those_of_other_types_are_refused() {
        let vkey = signer(1).key().to_string();
        let of_root = crate::SigningKey::from_seed(NAME, &[1; 32]).unwrap().verifier_key().to_string();
        for bad in [
            vkey.replace("shop", "shoe"),
            vkey.replace("shop", "sh op"),
            vkey.replace(NAME, ""),
            format!("{vkey}AAAA"),
            vkey[..vkey.len() - 4].to_owned(),
            vkey.replacen('+', "+0", 1),
            of_root,
        ] {
            assert!(EvidenceKey::parse(&bad).is_err(), "{bad}");
        }
        // Nor is such a key one that verifies checkpoints.
        assert!(crate::VerifierKey::parse(&vkey).is_err());
    }
}

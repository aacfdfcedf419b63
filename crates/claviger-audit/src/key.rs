//! Keys of notes: what verifiers hold (vkeys), and the Ed25519 key that a node signs with (C2SP signed-note).

use std::fmt;
use std::str::FromStr;

use crate::checkpoint;
use crate::hash::{Hash, from_base64, from_hex, sha256, to_base64, to_hex};
use crate::note::NoteError;
use crate::signature::{self, Ed25519, P256_POINT};

/// The longest name of a key, in bytes.
pub const MAX_NAME: usize = 255;

/// `SubjectPublicKeyInfo` of a P-256 key up to its point (RFC 5480, 2).
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// How a key signs notes. The numbers are the type bytes of C2SP signed-note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032) over the text.
    Ed25519 = 1,
    /// ECDSA on P-256 with SHA-256 over the text, signature in DER. For HSMs without Ed25519, which then sign checkpoints
    /// themselves and need not delegate to a key outside.
    EcdsaP256 = 2,
}

#[derive(Clone, PartialEq, Eq)]
enum Public {
    Ed25519([u8; 32]),
    P256([u8; P256_POINT]),
}

impl Public {
    /// The key as it stands in a vkey after the type byte. For ECDSA that is the DER of the `SubjectPublicKeyInfo`, from
    /// which C2SP signed-note also takes the key id.
    fn encoded(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.to_vec(),
            Self::P256(point) => [P256_SPKI.as_slice(), point].concat(),
        }
    }

    fn key_id(&self, name: &str) -> [u8; 4] {
        let digest = match self {
            Self::Ed25519(key) => sha256(&[name.as_bytes(), b"\n\x01", key].concat()),
            Self::P256(_) => sha256(&self.encoded()),
        };
        let [a, b, c, d, ..] = digest;
        [a, b, c, d]
    }
}

/// A key that verifies notes: name, key id, algorithm and public key. Its text form is the vkey,
/// `<name>+<key id in hexadecimal>+<base64 of type byte and public key>`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key_id: [u8; 4],
    public: Public,
}

impl VerifierKey {
    fn new(name: &str, public: Public) -> Result<Self, NoteError> {
        check_name(name)?;
        Ok(Self { name: name.to_owned(), key_id: public.key_id(name), public })
    }

    /// An Ed25519 key (RFC 8032, 5.1.5).
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name cannot stand in a note.
    pub fn ed25519(name: &str, public: &[u8; 32]) -> Result<Self, NoteError> {
        Self::new(name, Public::Ed25519(*public))
    }

    /// An ECDSA key on P-256, by its uncompressed point (SEC 1, 2.3.3: 0x04, X, Y), as tokens give it.
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name cannot stand in a note, [`NoteError::VerifierKey`] if it is no such point.
    pub fn ecdsa_p256(name: &str, point: &[u8]) -> Result<Self, NoteError> {
        let point: [u8; P256_POINT] = point.try_into().map_err(|_| NoteError::VerifierKey)?;
        if point[0] != 4 {
            return Err(NoteError::VerifierKey);
        }
        Self::new(name, Public::P256(point))
    }

    /// Reads a vkey.
    ///
    /// # Errors
    /// [`NoteError::Name`], or [`NoteError::VerifierKey`] if the rest is malformed, of an algorithm that is not known, or the
    /// key id is not that of the key.
    pub fn parse(vkey: &str) -> Result<Self, NoteError> {
        let mut parts = vkey.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey);
        };
        let id = from_hex::<4>(id).ok_or(NoteError::VerifierKey)?;
        let bytes = from_base64(key).ok_or(NoteError::VerifierKey)?;
        let key = match bytes.split_first() {
            Some((1, key)) => Self::ed25519(name, key.try_into().map_err(|_| NoteError::VerifierKey)?)?,
            Some((2, key)) => {
                Self::ecdsa_p256(name, key.strip_prefix(&P256_SPKI).ok_or(NoteError::VerifierKey)?)?
            }
            _ => return Err(NoteError::VerifierKey),
        };
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

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.public {
            Public::Ed25519(_) => Algorithm::Ed25519,
            Public::P256(_) => Algorithm::EcdsaP256,
        }
    }

    /// SHA-256 of the vkey's text: what the `node_start` entry of a node refers to.
    #[must_use]
    pub fn digest(&self) -> Hash {
        sha256(self.to_string().as_bytes())
    }

    /// Checks a signature (without the key id) over the text of a note.
    ///
    /// # Errors
    /// [`NoteError::Signature`] if it is not this key's.
    pub fn verify(&self, text: &str, signature: &[u8]) -> Result<(), NoteError> {
        let good = match &self.public {
            Public::Ed25519(key) => signature::ed25519_verifies(key, text.as_bytes(), signature),
            Public::P256(point) => signature::p256_verifies(point, text.as_bytes(), signature),
        };
        if good { Ok(()) } else { Err(NoteError::Signature) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.algorithm() as u8];
        key.extend_from_slice(&self.public.encoded());
        write!(f, "{}+{}+{}", self.name, to_hex(&self.key_id), to_base64(&key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(vkey: &str) -> Result<Self, Self::Err> {
        Self::parse(vkey)
    }
}

/// An Ed25519 key that signs notes, in memory and nowhere else. It is cleared when it is dropped.
pub struct SigningKey {
    pair: Ed25519,
    verifier: VerifierKey,
}

impl SigningKey {
    /// Makes a key. By convention its name is the origin of the log whose checkpoints it signs.
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name cannot stand in a note, [`NoteError::Random`] if the system gives no randomness.
    pub fn generate(name: &str) -> Result<Self, NoteError> {
        Self::with(name, Ed25519::generate().ok_or(NoteError::Random)?)
    }

    /// The key with this seed (RFC 8032, 5.1.5). The caller clears the seed.
    ///
    /// # Errors
    /// [`NoteError::Name`] if the name cannot stand in a note.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        Self::with(name, Ed25519::from_seed(seed).ok_or(NoteError::Random)?)
    }

    fn with(name: &str, pair: Ed25519) -> Result<Self, NoteError> {
        let verifier = VerifierKey::ed25519(name, &pair.public())?;
        Ok(Self { pair, verifier })
    }

    /// What verifies its signatures.
    #[must_use]
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs the head of a log, and gives key id and signature as receipts and signature lines carry them.
    ///
    /// # Errors
    /// [`NoteError::Name`] if `origin` is not this key's name: the key of one log does not speak for another.
    pub fn sign_checkpoint(&self, origin: &str, size: u64, root: &Hash) -> Result<[u8; 68], NoteError> {
        if origin != self.verifier.name {
            return Err(NoteError::Name);
        }
        let mut signed = [0; 68];
        let (id, signature) = signed.split_at_mut(4);
        id.copy_from_slice(&self.verifier.key_id);
        signature.copy_from_slice(&self.sign(&checkpoint::text(origin, size, root)));
        Ok(signed)
    }

    /// Signs the text of a note; the key id is not part of the result.
    #[must_use]
    pub fn sign(&self, text: &str) -> [u8; 64] {
        self.pair.sign(text.as_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ..)", self.verifier)
    }
}

/// The DER form of an ECDSA signature that a token gave as `r || s` (RFC 3279, 2.2.3).
#[must_use]
pub fn ecdsa_der(raw: &[u8; 64]) -> Vec<u8> {
    let mut body = Vec::with_capacity(70);
    for half in raw.chunks_exact(32) {
        let start = half.iter().position(|byte| *byte != 0).unwrap_or(31);
        let digits = half.get(start..).unwrap_or_default();
        // A leading one bit would make the integer negative.
        let pad = digits.first().is_some_and(|byte| byte & 0x80 != 0);
        let length = digits.len() + usize::from(pad);
        body.extend([2, u8::try_from(length).unwrap_or(u8::MAX)]);
        body.extend(pad.then_some(0));
        body.extend_from_slice(digits);
    }
    let mut der = vec![0x30, u8::try_from(body.len()).unwrap_or(u8::MAX)];
    der.append(&mut body);
    der
}

/// A name may stand in a note if it is not empty and holds no space, plus or control character.
pub(crate) fn check_name(name: &str) -> Result<(), NoteError> {
    let good = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
    if !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(good) {
        Ok(())
    } else {
        Err(NoteError::Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vkey_of_the_go_implementation_reads_and_verifies() {
        // From golang.org/x/mod/sumdb/note, whose format C2SP signed-note wrote down.
        let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key = VerifierKey::parse(vkey).unwrap();
        assert_eq!((key.name(), key.to_string().as_str()), ("PeterNeumann", vkey));
        let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let line = from_base64(
            "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=",
        )
        .unwrap();
        assert_eq!(line[..4], key.key_id());
        assert_eq!(key.verify(text, &line[4..]), Ok(()));
        assert_eq!(key.verify("If", &line[4..]), Err(NoteError::Signature));
    }

    #[test]
    fn altered_vkeys_are_refused() {
        let vkey = SigningKey::from_seed("example.org/log", &[7; 32]).unwrap().verifier_key().to_string();
        assert!(VerifierKey::parse(&vkey).is_ok());
        for bad in [
            vkey.replace("example", "sample"),
            vkey.replace("example", "ex ample"),
            vkey.replace("example.org/log", ""),
            format!("{vkey}A"),
            vkey.replacen('+', "+0", 1),
        ] {
            assert!(VerifierKey::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ecdsa_signatures_of_tokens_verify() {
        use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
        let random = aws_lc_rs::rand::SystemRandom::new();
        for _ in 0..40 {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let key = VerifierKey::ecdsa_p256("example.org/audit/root", pair.public_key().as_ref()).unwrap();
            assert_eq!(VerifierKey::parse(&key.to_string()).unwrap(), key);
            let raw: [u8; 64] = pair.sign(&random, b"text\n").unwrap().as_ref().try_into().unwrap();
            assert_eq!(key.verify("text\n", &ecdsa_der(&raw)), Ok(()));
            assert_eq!(key.verify("test\n", &ecdsa_der(&raw)), Err(NoteError::Signature));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = SigningKey::from_seed("log", &[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey({}, ..)", key.verifier_key()));
    }
}

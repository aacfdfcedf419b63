//! Uses of keys: what applications ask for all day.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{KeyIdText, SignatureAlgorithmWord, SpecWord};
use super::{Base64Bytes, Pairs, SecretBase64};

/// Encrypts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Encrypt {
    /// What to encrypt.
    pub plaintext: SecretBase64,
    /// The encryption context: authenticated, not stored, the same again to decrypt.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub context: Pairs,
}

/// A ciphertext, which names its key and version itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sealed {
    /// The ciphertext.
    pub ciphertext: Base64Bytes,
    /// The key it is under.
    pub key: KeyIdText,
    /// The version it is under.
    pub version: u32,
}

/// Decrypts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decrypt {
    /// The ciphertext.
    pub ciphertext: Base64Bytes,
    /// The encryption context it was made with.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub context: Pairs,
}

/// What was opened.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Opened {
    /// The plaintext, or the material, or the shared secret.
    pub plaintext: SecretBase64,
    /// The key that opened it.
    pub key: KeyIdText,
    /// The version that opened it.
    pub version: u32,
}

/// Decrypts under one version and encrypts under the newest, and shows nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reencrypt {
    /// The ciphertext.
    pub ciphertext: Base64Bytes,
    /// The encryption context it was made with; the new one has the same unless said otherwise.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub context: Pairs,
    /// Under which key from now on, by identifier or full name; under the same key unless said otherwise. Then there are two uses:
    /// `reencrypt` of the one key and `reencrypt_into` of the other, each with its own right and its own entry. Not in batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The new encryption context, with `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_context: Option<Pairs>,
}

/// Makes a data key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerateDataKey {
    /// Its length; 32 unless said otherwise.
    #[serde(default = "data_key_bytes")]
    #[schema(default = 32)]
    pub bytes: u32,
    /// The encryption context of its sealed form.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub context: Pairs,
    /// Whether to hand it out in clear too; yes unless said otherwise. Each way is an operation, and a right, of its own.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub plaintext: bool,
}

impl Default for GenerateDataKey {
    fn default() -> Self {
        Self { bytes: data_key_bytes(), context: Pairs::default(), plaintext: true }
    }
}

const fn data_key_bytes() -> u32 {
    32
}

const fn yes() -> bool {
    true
}

/// A data key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DataKey {
    /// In clear, unless it was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<SecretBase64>,
    /// Sealed, to keep beside the data.
    pub ciphertext: Base64Bytes,
    /// The key it is sealed under.
    pub key: KeyIdText,
    /// The version it is sealed under.
    pub version: u32,
}

/// Signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// The message, or its digest.
    pub message: Base64Bytes,
    /// Whether `message` is a digest by the algorithm's own hash function.
    #[serde(default)]
    pub prehashed: bool,
    /// How to sign; the key's own way where it knows but one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<SignatureAlgorithmWord>,
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Signed {
    /// The signature.
    pub signature: Base64Bytes,
    /// How it was made.
    pub algorithm: SignatureAlgorithmWord,
    /// The key that signed.
    pub key: KeyIdText,
    /// The version that signed.
    pub version: u32,
}

/// Verifies a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The message, or its digest.
    pub message: Base64Bytes,
    /// The signature.
    pub signature: Base64Bytes,
    /// Whether `message` is a digest by the algorithm's own hash function.
    #[serde(default)]
    pub prehashed: bool,
    /// How it was signed; the key's own way where it knows but one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<SignatureAlgorithmWord>,
    /// The version that is said to have signed; any unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub version: Option<u32>,
}

/// Whether a signature or code is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// Whether it is.
    pub valid: bool,
    /// The key.
    pub key: KeyIdText,
    /// The version it is of, when it is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// Makes a message authentication code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Mac {
    /// The message.
    pub data: Base64Bytes,
}

/// A message authentication code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Maced {
    /// The code.
    pub tag: Base64Bytes,
    /// The key that made it.
    pub key: KeyIdText,
    /// The version that made it.
    pub version: u32,
}

/// Checks a message authentication code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyMac {
    /// The message.
    pub data: Base64Bytes,
    /// The code.
    pub tag: Base64Bytes,
    /// The version that is said to have made it; any unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub version: Option<u32>,
}

/// Wraps a key of the caller's.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wrap {
    /// The material to wrap.
    pub material: SecretBase64,
}

/// Unwraps a key of the caller's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Unwrap {
    /// The wrapped material.
    pub wrapped: Base64Bytes,
}

/// Makes a shared secret for the holder of a key (KEM). Nothing goes in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Encapsulate {}

/// A shared secret and its capsule.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Capsule {
    /// The capsule, for the holder of the key.
    pub ciphertext: Base64Bytes,
    /// The shared secret.
    pub secret: SecretBase64,
    /// The key it is for.
    pub key: KeyIdText,
    /// The version it is for.
    pub version: u32,
}

/// Takes a shared secret out of its capsule (KEM).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decapsulate {
    /// The capsule.
    pub ciphertext: Base64Bytes,
    /// The version it is for; the primary one unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub version: Option<u32>,
}

/// Agrees on a shared secret with a peer (ECDH).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Agree {
    /// The peer's public key: `SubjectPublicKeyInfo`, DER.
    pub peer: Base64Bytes,
    /// The version to agree with; the primary one unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub version: Option<u32>,
}

/// Which public key to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadPublicKey {
    /// Of this version; of the primary one unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub version: Option<u32>,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublicKey {
    /// `SubjectPublicKeyInfo`, DER (RFC 5280, 4.1).
    pub public_key: Base64Bytes,
    /// Its algorithm and size.
    pub spec: SpecWord,
    /// The key.
    pub key: KeyIdText,
    /// The version.
    pub version: u32,
}

/// Draws random bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Random {
    /// How many bytes to draw.
    pub bytes: u32,
}

/// Random bytes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Drawn {
    /// The bytes.
    pub bytes: SecretBase64,
}

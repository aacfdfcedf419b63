//! Algorithms and the bytes they make.
//!
//! Everything here is a function of its arguments: no key has a life here, nothing is stored, nothing is
//! awaited. All cryptography is done by AWS-LC through `aws-lc-rs`; this crate decides *which* algorithm,
//! *which* parameters and *which* bytes, so that nobody above has to.
//!
//! | module | what it holds |
//! |---|---|
//! | [`algorithm`] | [`Spec`], [`Purpose`], [`Material`], [`ReadyKey`], [`PublicKey`]: keys and their use |
//! | [`envelope`] | ciphertext header, encryption context, direct ciphertexts, the file envelope |
//! | [`secret`] | [`SecretBytes`]: the only form in which material and plaintext travel |
//! | [`random`] | the module's DRBG, and the trait for other sources |
//! | [`aead`] | [`RecordKey`]: small records under a key of the service |
//! | [`digest`], [`kdf`] | SHA-2, HMAC, HKDF |
//! | [`transport`] | material on its way in, wrapped for a key of the service |
//! | [`provenance`] | what module is linked, and its self-test |
//!
//! Invariants: a wrong key, a wrong tag and a wrong context are one error ([`CryptoError::Failed`]); no
//! unauthenticated plaintext ever leaves a function; no input panics.

pub mod aead;
pub mod algorithm;
pub mod digest;
pub mod envelope;
mod error;
pub mod kdf;
pub mod provenance;
pub mod random;
pub mod secret;
pub mod transport;

pub use aead::RecordKey;
pub use algorithm::{
    Encapsulated, EncryptionAlgorithm, Material, Message, PublicKey, Purpose, ReadyKey, SignatureAlgorithm,
    Spec, generate, import, import_as_it_came, is_importable, seeds_from_source,
};
pub use error::CryptoError;
pub use secret::SecretBytes;
pub use transport::WrappingAlgorithm;

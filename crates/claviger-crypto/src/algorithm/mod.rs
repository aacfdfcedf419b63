//! Keys by spec: what each can do, how its material is made, and how it is used.
//!
//! One folder per algorithm family. A [`Spec`] names parameters completely; [`Material`] is the bytes of one key;
//! a [`ReadyKey`] is such bytes parsed and scheduled, for use by many threads at once.

pub(crate) mod aes_gcm;
pub(crate) mod aes_kwp;
pub(crate) mod ec;
pub(crate) mod ed25519;
pub(crate) mod encoding;
mod encryption;
pub(crate) mod hmac;
mod material;
pub(crate) mod ml_dsa;
pub(crate) mod ml_kem;
mod public;
mod purpose;
mod ready;
pub(crate) mod rsa;
mod signature;
mod spec;
pub(crate) mod x25519;

pub use aes_kwp::MAX_WRAPPED_KEY;
pub use encryption::{EncryptionAlgorithm, UnknownEncryptionAlgorithm};
pub use material::{Material, generate, import, import_as_it_came, is_importable, seeds_from_source};
pub use public::PublicKey;
pub use purpose::{Purpose, UnknownPurpose};
pub use ready::{Encapsulated, ReadyKey};
pub use signature::{Message, SignatureAlgorithm, UnknownSignatureAlgorithm};
pub use spec::{Spec, UnknownSpec};

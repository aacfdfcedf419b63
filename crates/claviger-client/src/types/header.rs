//! Names of the headers that carry what a body of raw bytes cannot.

/// Index of the call's (first) entry in the audit log, in answers and refusals.
pub const ENTRY: &str = "claviger-entry";
/// The receipt: `v1;origin;index;leaf;size;root;sig`.
pub const RECEIPT: &str = "audit-receipt";
/// Encryption context of a call with raw bytes: a JSON object of strings, in base64.
pub const CONTEXT: &str = "claviger-context";
/// Identifier of the key that was used.
pub const KEY: &str = "claviger-key";
/// Number of the version that was used, or is asked for.
pub const VERSION: &str = "claviger-version";
/// Signature algorithm that was used, or is asked for.
pub const ALGORITHM: &str = "claviger-algorithm";
/// `true` when the raw bytes are a digest.
pub const PREHASHED: &str = "claviger-prehashed";
/// Signature to verify, in base64.
pub const SIGNATURE: &str = "claviger-signature";
/// Message authentication code to check, in base64.
pub const TAG: &str = "claviger-tag";
/// The caller's word for a creating call: its repetition finds what the first one made.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The caller's word for a call, given back with the answer.
pub const REQUEST_ID: &str = "x-request-id";

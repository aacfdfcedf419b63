//! What reading and writing a policy share.

use crate::error::{AwsError, code};

/// What the names of grants begin with that a key policy gives; the `Sid` follows.
pub(super) const PREFIX: &str = "key-policy/";
/// The name of the statement about the account itself.
pub(super) const BUILT_IN: &str = "Rights of the built-in policy";
/// What the condition keys begin with that name a pair of the encryption context.
pub(super) const CONTEXT: &str = "kms:EncryptionContext:";

pub(super) fn malformed(message: impl Into<String>) -> AwsError {
    AwsError::new(code::MALFORMED_POLICY, message.into())
}

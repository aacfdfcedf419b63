//! Bounds of requests.

/// How much one call may bring, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwsLimits {
    /// Its body.
    pub body: usize,
    /// All header names and values together.
    pub headers: usize,
}

impl AwsLimits {
    /// The largest body that is read. A signature covers the body, so that a body is read before its sender is known; the
    /// largest call that AWS KMS has is a key policy of 32 KiB with every character escaped.
    pub const MOST_BODY: usize = 128 << 10;
}

impl Default for AwsLimits {
    fn default() -> Self {
        Self { body: Self::MOST_BODY, headers: 32 << 10 }
    }
}

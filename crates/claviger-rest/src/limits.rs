//! How much one call may bring.

/// How much one call may bring, in bytes. What one use of a key takes, and how many items a batch has, the service says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestLimits {
    /// Body of a single call.
    pub body: usize,
    /// Body of a batch.
    pub batch_body: usize,
    /// All header names and values together.
    pub headers: usize,
}

impl Default for RestLimits {
    fn default() -> Self {
        Self { body: 1 << 20, batch_body: 8 << 20, headers: 32 << 10 }
    }
}

//! JSON that holds secrets: written into memory that is wiped, at every growth of the buffer too.

use std::io::{self, Write};

use claviger_crypto::SecretBytes;
use serde::Serialize;
use zeroize::Zeroizing;

/// A growing buffer that leaves no copy behind: what it outgrows, and what is dropped, is wiped.
pub struct WipingBuffer(Zeroizing<Vec<u8>>);

impl WipingBuffer {
    /// An empty buffer with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    /// Number of bytes in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds `bytes` at the end.
    pub fn extend(&mut self, bytes: &[u8]) {
        let needed = self.0.len().saturating_add(bytes.len());
        if needed > self.0.capacity() {
            let mut roomier =
                Zeroizing::new(Vec::with_capacity(needed.max(self.0.capacity().saturating_mul(2))));
            roomier.extend_from_slice(&self.0);
            self.0 = roomier;
        }
        self.0.extend_from_slice(bytes);
    }

    /// What was written.
    #[must_use]
    pub fn into_secret(mut self) -> SecretBytes {
        SecretBytes::new(std::mem::take(&mut *self.0))
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for WipingBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WipingBuffer(..)")
    }
}

impl Write for WipingBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `value` as JSON, in memory that is wiped.
///
/// # Errors
/// When the value cannot be JSON; no type of this crate is such.
pub fn to_secret_json<T: Serialize + ?Sized>(value: &T) -> Result<SecretBytes, serde_json::Error> {
    let mut buffer = WipingBuffer::with_capacity(512);
    serde_json::to_writer(&mut buffer, value)?;
    Ok(buffer.into_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grown_buffer_holds_all_that_was_written() {
        let long = "x".repeat(5000);
        let secret = to_secret_json(&[&long, "end"]).unwrap();
        assert!(secret.ct_eq_bytes(format!("[\"{long}\",\"end\"]").as_bytes()));
        assert!(WipingBuffer::with_capacity(0).is_empty());
    }
}

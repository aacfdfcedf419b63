//! Scans of the store: an entry that says how many stored secrets were opened in their place, and how many of them did not open.

use crate::Hash;

/// What an entry `scan_store` refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreScan {
    /// SHA-256 of the whole result, in its canonical form.
    pub digest: Hash,
    /// How many secrets were to be opened.
    pub scanned: u64,
    /// How many of them are not wrapped, do not authenticate in their place, or do not reach the root.
    pub failed: u64,
}

impl StoreScan {
    /// Bytes of [`Self::to_bytes`].
    pub const LEN: usize = 48;

    /// Digest and both numbers, these big-endian in 8 bytes each: the reference of the entry.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let parts = [self.digest.as_slice(), &self.scanned.to_be_bytes(), &self.failed.to_be_bytes()];
        for (to, from) in bytes.iter_mut().zip(parts.iter().copied().flatten()) {
            *to = *from;
        }
        bytes
    }

    /// What [`Self::to_bytes`] wrote; `None` for bytes of another length, and for more that failed than were scanned.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (digest, rest) = bytes.split_first_chunk::<32>()?;
        let (scanned, failed) = rest.split_first_chunk::<8>()?;
        let (scanned, failed) = (u64::from_be_bytes(*scanned), u64::from_be_bytes(failed.try_into().ok()?));
        (failed <= scanned).then_some(Self { digest: *digest, scanned, failed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_reads_back() {
        let scan = StoreScan { digest: [7; 32], scanned: 1 << 40, failed: 3 };
        assert_eq!(StoreScan::from_bytes(&scan.to_bytes()), Some(scan));
        assert_eq!(StoreScan::from_bytes(&scan.to_bytes()[1..]), None);
        assert_eq!(StoreScan::from_bytes(&[scan.to_bytes().as_slice(), &[0]].concat()), None);
        let more = StoreScan { failed: scan.scanned + 1, ..scan };
        assert_eq!(StoreScan::from_bytes(&more.to_bytes()), None);
    }
}

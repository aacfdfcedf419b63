//! Unauthenticated calls: they have no entries of their own, and are counted by listener. Once a second, an entry
//! `unauthenticated_count` of each listener that had any says how many there were.

use claviger_core::ListenerName;

/// What an entry `unauthenticated_count` refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedCalls {
    /// How many there were since the last such entry.
    pub calls: u64,
    /// The listener by which they came; `None` for all of a node, as older releases counted.
    pub listener: Option<ListenerName>,
}

impl RefusedCalls {
    /// Those of one listener.
    #[must_use]
    pub const fn by(listener: ListenerName, calls: u64) -> Self {
        Self { calls, listener: Some(listener) }
    }

    /// The number, big-endian in 8 bytes, and the code of the listener in one: the reference of the entry.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.calls.to_be_bytes().to_vec();
        bytes.extend(self.listener.map(ListenerName::code));
        bytes
    }

    /// What [`Self::to_bytes`] wrote; `None` for bytes of another length, and for a listener that this release does not know.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (calls, listener) = bytes.split_first_chunk::<8>()?;
        let listener = match *listener {
            [] => None,
            [code] => Some(ListenerName::from_code(code)?),
            _ => return None,
        };
        Some(Self { calls: u64::from_be_bytes(*calls), listener })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_reads_back_with_and_without_a_listener() {
        let listeners = ListenerName::ALL.map(Some);
        for listener in listeners.into_iter().chain([None]) {
            let refused = RefusedCalls { calls: 1 << 40, listener };
            assert_eq!(RefusedCalls::from_bytes(&refused.to_bytes()), Some(refused));
        }
        let refused = RefusedCalls::by(ListenerName::Aws, 258);
        assert_eq!(refused.to_bytes(), [0, 0, 0, 0, 0, 0, 1, 2, 3]);
        assert_eq!(RefusedCalls { listener: None, ..refused }.to_bytes(), [0, 0, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn other_lengths_and_listeners_are_no_reference() {
        for bytes in [&[0; 7][..], &[0; 9], &[0, 0, 0, 0, 0, 0, 0, 1, 200], &[1; 10], &[]] {
            assert_eq!(RefusedCalls::from_bytes(bytes), None, "{bytes:?}");
        }
    }
}

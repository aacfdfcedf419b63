//! Receipts: what every answer carries, so that its caller can later hold the log to it.
//!
//! Wire form: `v1;origin;index;leaf;size;root;sig`, leaf and root in lower-case hexadecimal, `sig` the base64 of key id and
//! signature as on a note's signature line, over the checkpoint (origin, size, root) that a node's key signs once a batch.

use std::fmt;

use crate::checkpoint::{self, Checkpoint, check_origin};
use crate::hash::{Hash, from_base64, from_decimal, from_hex, to_base64, to_hex};
use crate::key::VerifierKey;
use crate::note::NoteError;

/// The longest receipt, in bytes.
pub const MAX_RECEIPT: usize = 1024;

/// A promise that `leaf` is the entry at `index` of a log that has the root `root` at `size`.
///
/// The signature is over the head; leaf and index are bound to it by the tree, so the promise is fully tested only against a
/// proof or the log itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Name of the shard's log.
    pub origin: String,
    /// Index of the entry.
    pub index: u64,
    /// Leaf hash of the entry.
    pub leaf: Hash,
    /// Size of the log after the batch.
    pub size: u64,
    /// Root of the log at that size.
    pub root: Hash,
    /// Id of the key that signed.
    pub key_id: [u8; 4],
    /// Its signature over the checkpoint.
    pub signature: Vec<u8>,
}

/// Why text is not a receipt, or a receipt is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not a receipt.
    #[error("malformed receipt")]
    Malformed,
    /// The index is beyond the size.
    #[error("receipt is for an index beyond its size")]
    BeyondTree,
    /// Another key signed, or none did.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// `size;root;sig`: what all receipts of one batch share. `signature` is key id and signature, as [`SigningKey::sign_checkpoint`]
/// gives them.
///
/// [`SigningKey::sign_checkpoint`]: crate::SigningKey::sign_checkpoint
#[must_use]
pub fn tail(size: u64, root: &Hash, signature: &[u8]) -> String {
    format!("{size};{};{}", to_hex(root), to_base64(signature))
}

impl Receipt {
    /// Reads the wire form.
    ///
    /// # Errors
    /// [`ReceiptError::Malformed`], or [`ReceiptError::BeyondTree`] if the index is not below the size.
    pub fn parse(wire: &str) -> Result<Self, ReceiptError> {
        if wire.len() > MAX_RECEIPT {
            return Err(ReceiptError::Malformed);
        }
        let parts: Vec<&str> = wire.split(';').collect();
        let ["v1", origin, index, leaf, size, root, signature] = *parts else {
            return Err(ReceiptError::Malformed);
        };
        check_origin(origin).map_err(|_| ReceiptError::Malformed)?;
        let signature = from_base64(signature).ok_or(ReceiptError::Malformed)?;
        let (key_id, signature) = signature.split_first_chunk::<4>().ok_or(ReceiptError::Malformed)?;
        let receipt = Self {
            origin: origin.to_owned(),
            index: from_decimal(index).ok_or(ReceiptError::Malformed)?,
            leaf: from_hex(leaf).ok_or(ReceiptError::Malformed)?,
            size: from_decimal(size).ok_or(ReceiptError::Malformed)?,
            root: from_hex(root).ok_or(ReceiptError::Malformed)?,
            key_id: *key_id,
            signature: signature.to_vec(),
        };
        if receipt.index < receipt.size { Ok(receipt) } else { Err(ReceiptError::BeyondTree) }
    }

    /// The head that was signed.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { origin: self.origin.clone(), size: self.size, root: self.root }
    }

    /// Did this node's key, whose name must be the origin, sign the head?
    ///
    /// # Errors
    /// [`ReceiptError::Note`]: `Name` or `NotSigned` for the key of another log or node, `Signature` for a false signature.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), ReceiptError> {
        if self.origin != key.name() {
            return Err(NoteError::Name.into());
        }
        if self.key_id != key.key_id() {
            return Err(NoteError::NotSigned.into());
        }
        Ok(key.verify(&checkpoint::text(&self.origin, self.size, &self.root), &self.signature)?)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail = tail(self.size, &self.root, &[self.key_id.as_slice(), &self.signature].concat());
        write!(f, "v1;{};{};{};{tail}", self.origin, self.index, to_hex(&self.leaf))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;

    #[test]
    fn receipt_reads_back_and_verifies() {
        let key = SigningKey::from_seed("example.org/audit/3", &[4; 32]).unwrap();
        let wire = format!(
            "v1;example.org/audit/3;5;{};{}",
            to_hex(&[7; 32]),
            tail(6, &[8; 32], &key.sign_checkpoint("example.org/audit/3", 6, &[8; 32]).unwrap())
        );
        let receipt = Receipt::parse(&wire).unwrap();
        assert_eq!((receipt.to_string(), receipt.index, receipt.leaf), (wire.clone(), 5, [7; 32]));
        assert_eq!(receipt.verify(key.verifier_key()), Ok(()));
        let other = SigningKey::from_seed("example.org/audit/3", &[5; 32]).unwrap();
        assert_eq!(receipt.verify(other.verifier_key()), Err(NoteError::NotSigned.into()));
        let other = SigningKey::from_seed("example.org/audit/4", &[4; 32]).unwrap();
        assert_eq!(receipt.verify(other.verifier_key()), Err(NoteError::Name.into()));
        let grown = Receipt { size: 7, ..receipt };
        assert_eq!(grown.verify(key.verifier_key()), Err(NoteError::Signature.into()));
        for bad in [
            wire.replace("v1", "v2"),
            wire.replace(";5;", ";05;"),
            wire.replace("0707", "0F07"),
            format!("{wire};"),
            wire.replace("audit/3", "audit/ 3"),
        ] {
            assert_eq!(Receipt::parse(&bad), Err(ReceiptError::Malformed), "{bad}");
        }
        assert_eq!(Receipt::parse(&wire.replace(";5;", ";6;")), Err(ReceiptError::BeyondTree));
    }
}

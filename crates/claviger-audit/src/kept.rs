//! The newest checkpoint of a shard, as a node keeps it beside its store: what the next start holds the store against.
//!
//! It is a checkpoint (C2SP tlog-checkpoint) with three or four extension lines, signed by the node's key, behind the key that
//! verifies it:
//!
//! ```text
//! <vkey of the node>
//!
//! <deployment>/audit/<shard>
//! <size>
//! <root>
//! epoch <fence epoch>
//! incarnation <which start of the process>
//! start <index of the `node_start` entry that names the key>
//! closed                             only behind an orderly end
//!
//! — <deployment>/audit/<shard> <signature>
//! ```
//!
//! No token is needed to verify it: the entry at `start` holds the digest of the key, and cuts that the root signed cover that
//! entry. The extension lines keep it apart from the checkpoints of receipts, which [`Checkpoint::parse`] takes without any.

use crate::checkpoint::Checkpoint;
use crate::hash::from_decimal;
use crate::key::{SigningKey, VerifierKey};
use crate::note::{Note, NoteError, assemble_note};

const CLOSED: &str = "closed";

/// The newest checkpoint of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCheckpoint {
    /// The head.
    pub head: Checkpoint,
    /// Fence epoch of the newest batch.
    pub epoch: u64,
    /// Which start of the process kept it.
    pub incarnation: u64,
    /// Index of the entry that names the node's key.
    pub start: u64,
    /// Was it kept behind the last entry of an orderly end?
    pub closed: bool,
}

impl KeptCheckpoint {
    /// The bytes to keep.
    ///
    /// # Errors
    /// [`NoteError`] if the origin is not the name of the key.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, NoteError> {
        let verifier = key.verifier_key();
        if self.head.origin != verifier.name() {
            return Err(NoteError::Name);
        }
        let text = self.text();
        let note = assemble_note(&text, verifier.name(), verifier.key_id(), &key.sign(&text))?;
        Ok(format!("{verifier}\n\n{note}").into_bytes())
    }

    /// What was kept, with the key that lies with it and verifies it. Whose key that is, only the log says.
    ///
    /// # Errors
    /// [`NoteError`], by what is wrong.
    pub fn open(bytes: &[u8]) -> Result<(Self, VerifierKey), NoteError> {
        let at = bytes.windows(2).position(|pair| pair == b"\n\n").ok_or(NoteError::Malformed)?;
        let (vkey, note) = bytes.split_at_checked(at).ok_or(NoteError::Malformed)?;
        let note = note.get(2..).ok_or(NoteError::Malformed)?;
        let vkey = std::str::from_utf8(vkey).map_err(|_| NoteError::VerifierKey)?;
        let key = VerifierKey::parse(vkey)?;
        let kept = Self::parse(Note::parse(note)?.verify(&key)?)?;
        if kept.head.origin == key.name() { Ok((kept, key)) } else { Err(NoteError::Name) }
    }

    fn text(&self) -> String {
        let Self { head, epoch, incarnation, start, closed } = self;
        let closed = if *closed { "closed\n" } else { "" };
        format!("{}epoch {epoch}\nincarnation {incarnation}\nstart {start}\n{closed}", head.text())
    }

    fn parse(text: &str) -> Result<Self, NoteError> {
        let lines: Vec<&str> = text.strip_suffix('\n').ok_or(NoteError::Checkpoint)?.split('\n').collect();
        let (head, rest) = lines.split_at_checked(3).ok_or(NoteError::Checkpoint)?;
        let head = Checkpoint::parse(&format!("{}\n", head.join("\n")))?;
        let ([epoch, incarnation, start], closed) = match rest {
            [epoch, incarnation, start] => ([epoch, incarnation, start], false),
            [epoch, incarnation, start, end] if *end == CLOSED => ([epoch, incarnation, start], true),
            _ => return Err(NoteError::Checkpoint),
        };
        let number = |line: &str, name: &str| {
            let digits = line.strip_prefix(name).and_then(|line| line.strip_prefix(' '));
            digits.and_then(from_decimal).ok_or(NoteError::Checkpoint)
        };
        Ok(Self {
            head,
            epoch: number(epoch, "epoch")?,
            incarnation: number(incarnation, "incarnation")?,
            start: number(start, "start")?,
            closed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(closed: bool) -> KeptCheckpoint {
        let head = Checkpoint { origin: "d/audit/1".into(), size: 907, root: [3; 32] };
        KeptCheckpoint { head, epoch: 12, incarnation: 4, start: 900, closed }
    }

    #[test]
    fn what_is_kept_is_opened_with_the_key_beside_it_and_only_as_it_was_signed() {
        let key = SigningKey::from_seed("d/audit/1", &[4; 32]).unwrap();
        for closed in [false, true] {
            let bytes = kept(closed).sign(&key).unwrap();
            let (opened, verifier) = KeptCheckpoint::open(&bytes).unwrap();
            assert_eq!((opened, &verifier), (kept(closed), key.verifier_key()));
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert!(KeptCheckpoint::open(&changed).is_err(), "byte {at}");
                assert!(KeptCheckpoint::open(&bytes[..at]).is_err(), "{at} bytes");
            }
        }
        let other = SigningKey::from_seed("d/audit/2", &[4; 32]).unwrap();
        assert_eq!(kept(false).sign(&other), Err(NoteError::Name));
    }

    #[test]
    fn an_orderly_end_is_signed_too() {
        let key = SigningKey::from_seed("d/audit/1", &[4; 32]).unwrap();
        let open = String::from_utf8(kept(false).sign(&key).unwrap()).unwrap();
        let claimed = open.replace("start 900\n", "start 900\nclosed\n");
        assert_eq!(KeptCheckpoint::open(claimed.as_bytes()), Err(NoteError::Signature));
    }

    #[test]
    fn it_is_taken_for_no_checkpoint_of_a_receipt_or_the_other_way_round() {
        let key = SigningKey::from_seed("d/audit/1", &[4; 32]).unwrap();
        let bytes = kept(false).sign(&key).unwrap();
        let note = bytes.splitn(2, |byte| *byte == b'\n').nth(1).unwrap();
        assert_eq!(Checkpoint::open(&note[1..], key.verifier_key()), Err(NoteError::Checkpoint));
        let plain = format!("{}\n\n{}", key.verifier_key(), kept(false).head.sign(&key).unwrap());
        assert_eq!(KeptCheckpoint::open(plain.as_bytes()), Err(NoteError::Checkpoint));
    }
}

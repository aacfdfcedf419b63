//! Checkpoints (C2SP tlog-checkpoint): a log's name, size and root, as the text of a signed note.

use crate::hash::{Hash, from_base64, from_decimal, to_base64};
use crate::key::{SigningKey, VerifierKey, check_name};
use crate::note::{Note, NoteError, assemble_note};

/// The head of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log: `<deployment>/audit/<shard>` or `<deployment>/audit/root`.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The root of the tree.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed: three lines.
    #[must_use]
    pub fn text(&self) -> String {
        text(&self.origin, self.size, &self.root)
    }

    /// Reads the text. Extension lines, which C2SP does not recommend and this log never writes, are refused.
    ///
    /// # Errors
    /// [`NoteError::Checkpoint`] if it is not a checkpoint.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let lines: Vec<&str> =
            text.strip_suffix('\n').ok_or(NoteError::Checkpoint)?.splitn(4, '\n').collect();
        let [origin, size, root] = *lines else { return Err(NoteError::Checkpoint) };
        check_origin(origin)?;
        let size = from_decimal(size).ok_or(NoteError::Checkpoint)?;
        let root = from_base64(root).and_then(|root| root.try_into().ok()).ok_or(NoteError::Checkpoint)?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// The checkpoint in a note that `key` signed. The key's name must be the origin, as C2SP recommends, so that the key of
    /// one log cannot speak for another.
    ///
    /// # Errors
    /// [`NoteError`], by what is wrong.
    pub fn open(note: &[u8], key: &VerifierKey) -> Result<Self, NoteError> {
        let checkpoint = Self::parse(Note::parse(note)?.verify(key)?)?;
        if checkpoint.origin == key.name() { Ok(checkpoint) } else { Err(NoteError::Name) }
    }

    /// The note, signed by a key in memory.
    ///
    /// # Errors
    /// [`NoteError::Checkpoint`] if the origin cannot stand in a checkpoint.
    pub fn sign(&self, key: &SigningKey) -> Result<String, NoteError> {
        check_origin(&self.origin)?;
        let text = self.text();
        assemble_note(&text, key.verifier_key().name(), key.verifier_key().key_id(), &key.sign(&text))
    }
}

/// The text of a checkpoint, without making one.
pub(crate) fn text(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", to_base64(root))
}

/// An origin is a key name (C2SP recommends it), and stands in receipts, whose parts semicolons divide.
pub(crate) fn check_origin(origin: &str) -> Result<(), NoteError> {
    if check_name(origin).is_ok() && !origin.contains(';') { Ok(()) } else { Err(NoteError::Checkpoint) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "example.org/audit/0".into(), size: 20_852_163, root: [3; 32] }
    }

    #[test]
    fn checkpoint_of_the_specification_is_read() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).unwrap();
        assert_eq!((checkpoint.size, checkpoint.text().as_str()), (20_852_163, text));
    }

    #[test]
    fn only_the_logs_own_key_speaks_for_it() {
        let own = SigningKey::from_seed("example.org/audit/0", &[1; 32]).unwrap();
        let other = SigningKey::from_seed("example.org/audit/1", &[2; 32]).unwrap();
        let note = checkpoint().sign(&own).unwrap();
        assert_eq!(Checkpoint::open(note.as_bytes(), own.verifier_key()), Ok(checkpoint()));
        assert_eq!(Checkpoint::open(note.as_bytes(), other.verifier_key()), Err(NoteError::NotSigned));
        let note = checkpoint().sign(&other).unwrap();
        assert_eq!(Checkpoint::open(note.as_bytes(), other.verifier_key()), Err(NoteError::Name));
    }

    #[test]
    fn malformed_texts_are_refused() {
        let good = checkpoint().text();
        assert!(Checkpoint::parse(&good).is_ok());
        for bad in [
            good.trim_end().to_owned(),
            format!("{good}extension\n"),
            format!("{good}\n"),
            good.replace("2085", "02085"),
            good.replace("2085", "+2085"),
            good.replace("20852163", "18446744073709551616"),
            good.replace("example", "ex;ample"),
            good.replace('=', ""),
            good.replacen("AwMD", "AwM", 1),
            good.replace("example.org/audit/0", ""),
        ] {
            assert_eq!(Checkpoint::parse(&bad), Err(NoteError::Checkpoint), "{bad:?}");
        }
    }
}

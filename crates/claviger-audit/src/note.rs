//! Signed notes (C2SP signed-note): a text, an empty line, and lines with signatures.

use crate::hash::{from_base64, to_base64};
use crate::key::check_name;

pub use crate::key::{SigningKey, VerifierKey};

/// The longest note, in bytes.
pub const MAX_NOTE: usize = 128 * 1024;
/// The most signatures of a note.
pub const MAX_SIGNATURES: usize = 64;

const LINE: &str = "\u{2014} ";

/// Why a note, a key or a checkpoint is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a signed note, or beyond the limits.
    #[error("malformed note")]
    Malformed,
    /// A name that cannot stand in a note, or is not the expected one.
    #[error("malformed or unexpected key name")]
    Name,
    /// Not a verifier key.
    #[error("malformed verifier key")]
    VerifierKey,
    /// No signature is of the key that counts.
    #[error("no signature of the expected key")]
    NotSigned,
    /// A signature that carries the key's name and id is not its own.
    #[error("signature does not verify")]
    Signature,
    /// The text is not a checkpoint.
    #[error("malformed checkpoint")]
    Checkpoint,
    /// The system gives no randomness.
    #[error("no randomness")]
    Random,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature<'a> {
    /// Name of the key.
    pub name: &'a str,
    /// Id of the key.
    pub key_id: [u8; 4],
    /// The signature, without the key id.
    pub signature: Vec<u8>,
}

/// A note whose form is good. Its text proves nothing before [`Note::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<NoteSignature<'a>>,
}

impl<'a> Note<'a> {
    /// Reads a note.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] for all that C2SP signed-note does not allow and for notes beyond [`MAX_NOTE`] or
    /// [`MAX_SIGNATURES`]; [`NoteError::Name`] for a bad name.
    pub fn parse(note: &'a [u8]) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE {
            return Err(NoteError::Malformed);
        }
        let note = std::str::from_utf8(note).map_err(|_| NoteError::Malformed)?;
        check_text(note)?;
        let at = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
        let (text, lines) = note.split_at_checked(at + 1).ok_or(NoteError::Malformed)?;
        let lines =
            lines.strip_prefix('\n').and_then(|rest| rest.strip_suffix('\n')).ok_or(NoteError::Malformed)?;
        if lines.split('\n').count() > MAX_SIGNATURES {
            return Err(NoteError::Malformed);
        }
        let signatures = lines.split('\n').map(parse_line).collect::<Result<_, _>>()?;
        Ok(Self { text, signatures })
    }

    /// The text that `key` signed. Lines of other keys are ignored; every line of this key must verify.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`] if no line carries its name and id, [`NoteError::Signature`] if one that does is not its own.
    pub fn verify(&self, key: &VerifierKey) -> Result<&'a str, NoteError> {
        let mut found = false;
        for line in
            self.signatures.iter().filter(|line| line.name == key.name() && line.key_id == key.key_id())
        {
            key.verify(self.text, &line.signature)?;
            found = true;
        }
        if found { Ok(self.text) } else { Err(NoteError::NotSigned) }
    }

    /// The text, though nobody vouches for it yet.
    #[must_use]
    pub const fn unverified_text(&self) -> &'a str {
        self.text
    }

    /// The signature lines.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature<'a>] {
        &self.signatures
    }
}

fn parse_line(line: &str) -> Result<NoteSignature<'_>, NoteError> {
    let (name, signature) =
        line.strip_prefix(LINE).and_then(|rest| rest.split_once(' ')).ok_or(NoteError::Malformed)?;
    check_name(name)?;
    let bytes = from_base64(signature).ok_or(NoteError::Malformed)?;
    let (key_id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteError::Malformed)?;
    if signature.is_empty() {
        return Err(NoteError::Malformed);
    }
    Ok(NoteSignature { name, key_id: *key_id, signature: signature.to_vec() })
}

fn check_text(text: &str) -> Result<(), NoteError> {
    let good = text.ends_with('\n') && text.bytes().all(|byte| byte >= b' ' || byte == b'\n');
    if good { Ok(()) } else { Err(NoteError::Malformed) }
}

/// One signature line, with its newline: for signatures made elsewhere, such as in an HSM, and for cosignatures that are
/// appended to a note.
///
/// # Errors
/// [`NoteError::Name`] if the name cannot stand in a note.
pub fn signature_line(name: &str, key_id: [u8; 4], signature: &[u8]) -> Result<String, NoteError> {
    check_name(name)?;
    Ok(format!("{LINE}{name} {}\n", to_base64(&[key_id.as_slice(), signature].concat())))
}

/// A note from its text and one signature that was made elsewhere, such as in an HSM.
///
/// # Errors
/// [`NoteError::Malformed`] if the text does not end in a newline or holds control characters, [`NoteError::Name`] for a
/// bad name.
pub fn assemble_note(text: &str, name: &str, key_id: [u8; 4], signature: &[u8]) -> Result<String, NoteError> {
    check_text(text)?;
    Ok(format!("{text}\n{}", signature_line(name, key_id, signature)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "one\n\ntwo\n";

    fn signed() -> (SigningKey, String) {
        let key = SigningKey::from_seed("example.org/a", &[1; 32]).unwrap();
        let id = key.verifier_key().key_id();
        let note = assemble_note(TEXT, "example.org/a", id, &key.sign(TEXT)).unwrap();
        (key, note)
    }

    #[test]
    fn note_of_the_specification_is_read() {
        let note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n— \
            quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";
        let note = Note::parse(note.as_bytes()).unwrap();
        assert!(note.unverified_text().ends_with("\n\ned è subito sera.\n"));
        assert_eq!(note.signatures()[0].key_id, [0x36, 0x7b, 0xa0, 0x4b]);
        assert_eq!(note.signatures()[0].signature.len(), 64);
    }

    #[test]
    fn other_signatures_are_ignored_and_false_ones_are_not() {
        let (key, mut note) = signed();
        let other = SigningKey::from_seed("example.org/b", &[2; 32]).unwrap();
        assert_eq!(
            Note::parse(note.as_bytes()).unwrap().verify(other.verifier_key()),
            Err(NoteError::NotSigned)
        );
        note.push_str(&signature_line("example.org/c", [0; 4], &[9; 70]).unwrap());
        assert_eq!(Note::parse(note.as_bytes()).unwrap().verify(key.verifier_key()), Ok(TEXT));
        note.push_str(&signature_line("example.org/a", key.verifier_key().key_id(), &[9; 64]).unwrap());
        assert_eq!(
            Note::parse(note.as_bytes()).unwrap().verify(key.verifier_key()),
            Err(NoteError::Signature)
        );
    }

    #[test]
    fn malformed_notes_are_refused() {
        let (_, note) = signed();
        for bad in [
            note.trim_end().to_owned(),
            note.replace("one", "o\tne"),
            note.replace('\u{2014}', "-"),
            note.replace("\n\n", "\n"),
            note.replace("example.org/a ", "example.org/a  "),
            note.replace("example.org/a", "example+org/a"),
            format!("{note}\n"),
            format!("{TEXT}\n"),
            format!("{TEXT}\n\u{2014} a AAAA\n"),
            format!("{TEXT}\n{}", note.lines().last().unwrap().to_owned() + "\n").repeat(1)
                + &"\u{2014} a AAAAAAA=\n".repeat(64),
        ] {
            assert!(Note::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(Note::parse(&vec![b'\n'; MAX_NOTE + 1]).is_err());
    }
}

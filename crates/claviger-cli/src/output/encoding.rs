//! Bytes as results: to a file, to a pipe as they are, to a terminal in a form that does no harm there.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{print_bytes, print_line, stdout_is_terminal, warn};
use crate::failure::Failure;
use crate::file::placed::{Existing, Placed, Privacy};

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Encoding {
    /// Base64 (RFC 4648, section 4).
    Base64,
    /// Hexadecimal, lower case.
    Hex,
    /// As they are.
    Raw,
}

impl Encoding {
    /// The bytes in this form.
    pub(crate) fn encode(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Base64 => STANDARD.encode(bytes).into_bytes(),
            Self::Hex => hex::encode(bytes).into_bytes(),
            Self::Raw => bytes.to_vec(),
        }
    }

    /// Reads this form back; space around it does not matter.
    ///
    /// # Errors
    /// When it is not of this form.
    pub(crate) fn decode(self, bytes: &[u8], what: &str) -> Result<Vec<u8>, Failure> {
        let trimmed = bytes.trim_ascii();
        match self {
            Self::Base64 => {
                STANDARD.decode(trimmed).map_err(|_| Failure::usage(format!("{what} is not base64 text")))
            }
            Self::Hex => {
                hex::decode(trimmed).map_err(|_| Failure::usage(format!("{what} is not hexadecimal text")))
            }
            Self::Raw => Ok(bytes.to_vec()),
        }
    }
}

/// The fewest characters that are taken for a text: what a cipher made looks like so many of them by a chance of less than 2^-60.
const FEWEST: usize = 32;

/// What was sealed or wrapped, as bytes: it may come in the hexadecimal or base64 text in which it was printed.
pub(crate) fn sealed_bytes(read: Bytes) -> Bytes {
    let text = read.trim_ascii();
    if text.len() < FEWEST {
        return read;
    }
    let decoded = hex::decode(text).ok().or_else(|| {
        let joined: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        STANDARD.decode(joined).ok()
    });
    decoded.map_or(read, Bytes::from)
}

/// What was made earlier, as bytes: in the form that is named, or in any in which it was printed.
///
/// # Errors
/// When it is not of the form that is named.
pub(crate) fn read_back(read: Bytes, form: Option<Encoding>, what: &str) -> Result<Bytes, Failure> {
    match form {
        Some(form) => form.decode(&read, what).map(Bytes::from),
        None => Ok(sealed_bytes(read)),
    }
}

/// What is released to the caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Released<'a> {
    /// The bytes.
    pub(crate) bytes: &'a [u8],
    /// Whether others may see them.
    pub(crate) privacy: Privacy,
    /// What they are, in the words of a warning.
    pub(crate) what: &'a str,
}

/// Writes the bytes to `out`, or to stdout. On a terminal bytes that are no text are written in base64, and a secret comes
/// with a warning.
///
/// # Errors
/// When the file or stdout cannot be written.
pub(crate) fn release(
    released: Released<'_>,
    out: Option<(&Path, Existing)>,
    encoding: Option<Encoding>,
) -> Result<(), Failure> {
    if let Some((path, existing)) = out {
        let encoded = encoding.unwrap_or(Encoding::Raw).encode(released.bytes);
        return Placed::write(path, released.privacy, existing, &encoded);
    }
    let terminal = stdout_is_terminal();
    if terminal && released.privacy == Privacy::Owner {
        warn(&format!(
            "{} is shown on the terminal; name a file with `--out` to keep it off the screen",
            released.what
        ));
    }
    match encoding.unwrap_or_else(|| default_encoding(released.bytes, terminal)) {
        Encoding::Raw if terminal => print_line(&String::from_utf8_lossy(released.bytes)),
        Encoding::Raw => print_bytes(released.bytes),
        text => print_line(&String::from_utf8_lossy(&text.encode(released.bytes))),
    }
}

fn default_encoding(bytes: &[u8], terminal: bool) -> Encoding {
    let harmless = |sign: char| !sign.is_control() || matches!(sign, '\n' | '\t' | '\r');
    let text = std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(harmless));
    if terminal && !text { Encoding::Base64 } else { Encoding::Raw }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_as_text_is_read_back_and_bytes_stay_what_they_are() {
        let sealed: Vec<u8> = (0..100u8).map(|n| n.wrapping_mul(5)).collect();
        for encoding in [Encoding::Raw, Encoding::Hex, Encoding::Base64] {
            let mut printed = encoding.encode(&sealed);
            if encoding != Encoding::Raw {
                printed.push(b'\n');
            }
            assert_eq!(sealed_bytes(printed.into()), sealed, "{encoding:?}");
        }
        let folded = STANDARD.encode(&sealed).as_bytes().chunks(64).collect::<Vec<_>>().join(&b"\r\n"[..]);
        assert_eq!(sealed_bytes(folded.into()), sealed);
        for other in [&b"short"[..], b"thirty-two characters, no base64"] {
            assert_eq!(sealed_bytes(Bytes::copy_from_slice(other)), other);
        }
    }

    #[test]
    fn terminal_never_gets_control_bytes_by_default() {
        assert_eq!(default_encoding(b"text\n", true), Encoding::Raw);
        assert_eq!(default_encoding("ü".as_bytes(), true), Encoding::Raw);
        assert_eq!(default_encoding(b"\x1b[2J", true), Encoding::Base64);
        assert_eq!(default_encoding(&[0xff, 0xfe], true), Encoding::Base64);
        assert_eq!(default_encoding(&[0xff, 0xfe], false), Encoding::Raw);
    }

    #[test]
    fn encodings_read_back() {
        for encoding in [Encoding::Base64, Encoding::Hex, Encoding::Raw] {
            let text = encoding.encode(&[0, 1, 254]);
            assert_eq!(encoding.decode(&text, "x").unwrap(), [0, 1, 254]);
        }
        assert_eq!(Encoding::Base64.decode(b" AAH+\n", "x").unwrap(), [0, 1, 254]);
        let named = |form, text: &'static [u8]| read_back(Bytes::from_static(text), form, "x").unwrap();
        let hex = b"6162636465666768696a6b6c6d6e6f70";
        assert_eq!(named(None, hex), &b"abcdefghijklmnop"[..]);
        assert_eq!(named(Some(Encoding::Raw), hex), &hex[..]);
        assert!(Encoding::Hex.decode(b"zz", "the tag").unwrap_err().to_string().contains("the tag"));
    }
}

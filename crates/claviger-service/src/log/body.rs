//! How the entries of a batch lie in its row: one format byte, then the entries, compressed where that pays.
//!
//! An entry lies behind its length (big-endian `u16`). Where the highest bit of that length is set, the facts of the entry
//! follow it, behind theirs (big-endian `u32`).

use claviger_audit::entry::EntryError;
use claviger_core::port::StoreError;
use zstd::bulk::{Compressor, Decompressor};

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// Below this the frame costs more than it saves.
const WORTH_COMPRESSING: usize = 192;
/// Level 1: 0.25 microseconds an entry; higher levels save little on random tags.
const LEVEL: i32 = 1;
/// What one batch may unpack to.
const MAX_UNPACKED: usize = 32 << 20;

/// Says that facts follow: no entry is so long that its length has this bit.
const HAS_FACTS: u16 = 1 << 15;

/// An entry with its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) entry: Vec<u8>,
    pub(crate) facts: Option<Vec<u8>>,
}

/// Appends an entry that `write` writes, and its facts; gives its bytes.
pub(crate) fn push<'a, E: From<EntryError>>(
    out: &'a mut Vec<u8>,
    facts: Option<&[u8]>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<&'a [u8], E> {
    let start = out.len();
    out.extend_from_slice(&[0; 2]);
    write(out)?;
    let end = out.len();
    let length = u16::try_from(end - start - 2).ok().filter(|length| length & HAS_FACTS == 0);
    let length = length.ok_or(EntryError::TooLong)?;
    let flag = if facts.is_some() { HAS_FACTS } else { 0 };
    if let Some(prefix) = out.get_mut(start..start + 2) {
        prefix.copy_from_slice(&(length | flag).to_be_bytes());
    }
    if let Some(facts) = facts {
        out.extend_from_slice(&u32::try_from(facts.len()).map_err(|_| EntryError::TooLong)?.to_be_bytes());
        out.extend_from_slice(facts);
    }
    Ok(out.get(start + 2..end).unwrap_or_default())
}

/// Packs batches; keeps its compressor's state between them.
pub(crate) struct Packer {
    compressor: Option<Compressor<'static>>,
    out: Vec<u8>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packer(..)")
    }
}

impl Packer {
    pub(crate) fn new() -> Self {
        Self { compressor: Compressor::new(LEVEL).ok(), out: Vec::new() }
    }

    /// The body for `plain`, which [`push`] has written.
    pub(crate) fn pack(&mut self, plain: &[u8]) -> &[u8] {
        self.out.clear();
        if plain.len() >= WORTH_COMPRESSING && self.compress(plain).is_some() {
            return &self.out;
        }
        self.out.clear();
        self.out.push(PLAIN);
        self.out.extend_from_slice(plain);
        &self.out
    }

    fn compress(&mut self, plain: &[u8]) -> Option<()> {
        let compressor = self.compressor.as_mut()?;
        self.out.resize(1 + zstd::zstd_safe::compress_bound(plain.len()), 0);
        let (format, frame) = self.out.split_first_mut()?;
        *format = ZSTD;
        let written = compressor.compress_to_buffer(plain, frame).ok()?;
        self.out.truncate(1 + written);
        (self.out.len() < plain.len()).then_some(())
    }
}

/// The entries of a body, in order, with their facts.
///
/// # Errors
/// [`StoreError::Corrupt`] for anything that [`Packer::pack`] does not make.
pub(crate) fn unpack(body: &[u8]) -> Result<Vec<Record>, StoreError> {
    let mut unpacker = Unpacker::default();
    let owned = |(entry, facts): (&[u8], Option<&[u8]>)| Record {
        entry: entry.to_vec(),
        facts: facts.map(<[u8]>::to_vec),
    };
    unpacker.records(body)?.map(|record| record.map(owned)).collect()
}

/// Unpacks batches one after the other; keeps its room between them.
#[derive(Default)]
pub(crate) struct Unpacker {
    decompressor: Option<Decompressor<'static>>,
    plain: Vec<u8>,
}

impl Unpacker {
    /// The entries of a body, in order, with what lies beside them.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for anything that [`Packer::pack`] does not make.
    pub(crate) fn records<'a>(&'a mut self, body: &'a [u8]) -> Result<Records<'a>, StoreError> {
        self.plain(body).map(Records)
    }

    /// The records of a body as [`push`] wrote them, one behind the other.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where it does not unpack.
    pub(crate) fn plain<'a>(&'a mut self, body: &'a [u8]) -> Result<&'a [u8], StoreError> {
        let (format, packed) = body.split_first().ok_or_else(corrupt)?;
        match *format {
            PLAIN => Ok(packed),
            ZSTD => {
                self.plain.clear();
                self.plain.reserve(MAX_UNPACKED.min(bound(packed)?));
                let decompressor = match &mut self.decompressor {
                    Some(decompressor) => decompressor,
                    none => none.insert(Decompressor::new().map_err(|_| corrupt())?),
                };
                decompressor.decompress_to_buffer(packed, &mut self.plain).map_err(|_| corrupt())?;
                Ok(&self.plain)
            }
            _ => Err(corrupt()),
        }
    }
}

/// The records of a batch.
pub(crate) struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], Option<&'a [u8]>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let taken = self.take();
        if taken.is_none() {
            self.0 = &[];
        }
        Some(taken.ok_or_else(corrupt))
    }
}

impl<'a> Records<'a> {
    fn take(&mut self) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let length = u16::from_be_bytes(*length);
        let (entry, mut rest) = rest.split_at_checked(usize::from(length & !HAS_FACTS))?;
        let mut facts = None;
        if length & HAS_FACTS != 0 {
            let (length, behind) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (bytes, behind) = behind.split_at_checked(length)?;
            (facts, rest) = (Some(bytes), behind);
        }
        self.0 = rest;
        Some((entry, facts))
    }
}

fn corrupt() -> StoreError {
    StoreError::Corrupt("a batch of the log does not unpack".into())
}

fn bound(frame: &[u8]) -> Result<usize, StoreError> {
    let corrupt = || StoreError::Corrupt("a batch of the log has no size".into());
    let size = zstd::zstd_safe::get_frame_content_size(frame).map_err(|_| corrupt())?.ok_or_else(corrupt)?;
    usize::try_from(size).map_err(|_| corrupt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(records: &[Record]) -> Vec<u8> {
        let mut plain = Vec::new();
        for record in records {
            let written = push::<EntryError>(&mut plain, record.facts.as_deref(), |out| {
                out.extend_from_slice(&record.entry);
                Ok(())
            });
            assert_eq!(written.unwrap(), record.entry);
        }
        plain
    }

    fn record(byte: u8, length: usize) -> Record {
        let facts = byte.is_multiple_of(3).then(|| vec![byte; usize::from(byte) * 300]);
        Record { entry: vec![byte; length], facts }
    }

    #[test]
    fn what_is_packed_unpacks() {
        let mut packer = Packer::new();
        for count in [1_usize, 2, 3, 300] {
            let entries: Vec<_> = (0..count).map(|n| record(u8::try_from(n % 251).unwrap(), 80)).collect();
            assert_eq!(unpack(packer.pack(&plain(&entries))).unwrap(), entries);
        }
    }

    #[test]
    fn damaged_bodies_are_corrupt_and_nothing_worse() {
        let mut packer = Packer::new();
        let entries: Vec<_> = (0..40_u8).map(|n| record(n, 70)).collect();
        let body = packer.pack(&plain(&entries)).to_vec();
        for at in 0..body.len() {
            let mut damaged = body.clone();
            damaged[at] ^= 0x40;
            let _ = unpack(&damaged);
            let _ = unpack(&body[..at]);
        }
        assert!(unpack(&[]).is_err());
        assert!(unpack(&[9, 0, 0]).is_err());
        assert!(unpack(&[PLAIN, 0, 5, 1]).is_err());
        assert!(unpack(&[PLAIN, 0x80, 1, 1, 0, 0, 0]).is_err());
        assert!(unpack(&[PLAIN, 0x80, 1, 1, 0, 0, 0, 2, 1]).is_err());
    }
}

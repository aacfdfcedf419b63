//! How the entries of a batch lie in its row: one format byte, then length-prefixed entries, compressed where that pays.

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

    /// The body for `plain`, which is entries each behind its length (big-endian `u16`).
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

/// The entries of a body, in order.
///
/// # Errors
/// [`StoreError::Corrupt`] for anything that [`Packer::pack`] does not make.
pub(crate) fn unpack(body: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
    let corrupt = || StoreError::Corrupt("a batch of the log does not unpack".into());
    let (format, packed) = body.split_first().ok_or_else(corrupt)?;
    let unpacked;
    let mut plain = match *format {
        PLAIN => packed,
        ZSTD => {
            let mut decompressor = Decompressor::new().map_err(|_| corrupt())?;
            unpacked =
                decompressor.decompress(packed, MAX_UNPACKED.min(bound(packed)?)).map_err(|_| corrupt())?;
            &unpacked
        }
        _ => return Err(corrupt()),
    };
    let mut entries = Vec::new();
    while let Some((length, rest)) = plain.split_first_chunk::<2>() {
        let (entry, rest) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(corrupt)?;
        entries.push(entry.to_vec());
        plain = rest;
    }
    if plain.is_empty() { Ok(entries) } else { Err(corrupt()) }
}

fn bound(frame: &[u8]) -> Result<usize, StoreError> {
    let corrupt = || StoreError::Corrupt("a batch of the log has no size".into());
    let size = zstd::zstd_safe::get_frame_content_size(frame).map_err(|_| corrupt())?.ok_or_else(corrupt)?;
    usize::try_from(size).map_err(|_| corrupt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(entries: &[Vec<u8>]) -> Vec<u8> {
        entries
            .iter()
            .flat_map(|e| u16::try_from(e.len()).unwrap().to_be_bytes().into_iter().chain(e.clone()))
            .collect()
    }

    #[test]
    fn what_is_packed_unpacks() {
        let mut packer = Packer::new();
        for count in [1_usize, 2, 3, 300] {
            let entries: Vec<_> = (0..count).map(|n| vec![u8::try_from(n % 251).unwrap(); 80]).collect();
            assert_eq!(unpack(packer.pack(&plain(&entries))).unwrap(), entries);
        }
    }

    #[test]
    fn damaged_bodies_are_corrupt_and_nothing_worse() {
        let mut packer = Packer::new();
        let entries: Vec<_> = (0..40_u8).map(|n| vec![n; 70]).collect();
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
    }
}

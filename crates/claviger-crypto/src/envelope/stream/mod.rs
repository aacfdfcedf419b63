//! The file envelope: data of any size under a data key, sealed and opened piece by piece, without I/O.
//!
//! ```text
//! header      magic "CLVS" || format 1 || algorithm 1 || log2 of the chunk size (16) || flags 0 (1 each)
//!             salt (32) || context digest (32) || length of the wrapped data key (4, big endian)
//!             wrapped data key || key commitment (32)
//! chunks      AES-256-GCM of 64 KiB of plaintext each, the last one shorter or full; each followed by its tag
//! ```
//!
//! HKDF-SHA256 of the data key, with the salt and with everything of the header before the commitment as `info`,
//! gives the file key, a nonce prefix of 7 bytes and the commitment. Nonces are `prefix || counter (4, big
//! endian) || last (1)`, the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, CRYPTO 2015). So a changed header,
//! chunks that are dropped, repeated, reordered or appended, and a truncated file do not open, and a file opens
//! under one data key only. The empty file is one empty last chunk; no other chunk is empty.
//!
//! [`Sealer`] and [`Opener`] are pushed: `update` any number of times, then `finish`. The opener gives out
//! authenticated plaintext only; until `finish` returns, what came out is a true prefix of the file and no more.

mod header;
mod keys;
mod opener;
mod sealer;

pub use header::{MAX_WRAPPED_DATA_KEY, ParsedHeader, StreamHeader};
pub use opener::Opener;
pub use sealer::Sealer;

/// Plaintext bytes in every chunk but the last.
pub const CHUNK_LEN: usize = 1 << CHUNK_LOG2;
/// Length in bytes of the data key that a file is sealed under.
pub const DATA_KEY_LEN: usize = 32;

const CHUNK_LOG2: u8 = 16;
const TAG_LEN: usize = 16;
const SEALED_CHUNK_LEN: usize = CHUNK_LEN + TAG_LEN;

#[cfg(test)]
mod tests;

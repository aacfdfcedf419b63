//! The tamper-evident log as mathematics: entries, trees, checkpoints, receipts, proofs and their verification.
//!
//! This room holds no I/O, no clock and no task. What it keeps true: an entry, a cut or a receipt has one encoding only, and
//! every decoder of foreign bytes answers with a typed error, never with a panic.

mod cbor;
pub mod entry;
mod hash;
pub mod op;
pub mod tree;

pub use cbor::CborError;
pub use entry::{Entry, EntryError};
pub use op::{Op, Outcome};
pub use tree::Hash;

//! The tamper-evident log as mathematics: entries, trees, checkpoints, receipts, proofs and their verification; and what people sign
//! of it: statements, and decisions on what others ask for.
//!
//! This room holds no I/O, no clock and no task. What it keeps true: an entry, a cut, a receipt, or what somebody asks for has one
//! encoding only, and every decoder of foreign bytes answers with a typed error, never with a panic.

pub mod approval;
pub mod cbor;
pub mod checkpoint;
pub mod cut;
pub mod declaration;
pub mod entry;
pub mod evidence;
pub mod fact;
pub mod governed;
mod hash;
pub mod identity;
pub mod kept;
pub mod key;
pub mod note;
pub mod op;
pub mod receipt;
pub mod refused;
pub mod review;
pub mod rows;
pub mod run;
pub mod sample;
pub mod scan;
pub mod session;
mod signature;
pub mod snapshot;
pub mod tile;
pub mod tree;
pub mod verify;

pub use cbor::CborError;
pub use checkpoint::Checkpoint;
pub use cut::{Cut, ShardHead, ShardState};
pub use entry::{Entry, EntryError, NamedAsset, ShownEntry};
pub use evidence::{EvidenceKey, EvidenceSigner};
pub use governed::Governed;
pub use hash::{Hash, sha256, to_hex};
pub use identity::{Identity, SubjectKey};
pub use kept::KeptCheckpoint;
pub use key::{SigningKey, VerifierKey};
pub use note::{Note, NoteError, assemble_note};
pub use op::{Op, Outcome};
pub use receipt::Receipt;
pub use refused::RefusedCalls;
pub use rows::{LiveRow, RowsHead};
pub use run::EvaluationRun;
pub use scan::StoreScan;
pub use snapshot::{Snapshot, StateTree};
pub use tree::Frontier;

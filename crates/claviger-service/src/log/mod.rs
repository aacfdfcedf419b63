//! The log of this deployment: its trees, its cuts, how it is read, and what is kept of the uses that it records.

mod batches;
pub(crate) mod body;
mod committed;
pub(crate) mod cutter;
pub(crate) mod hashes;
pub(crate) mod last_seen;
pub(crate) mod newest;
pub(crate) mod opening;
pub(crate) mod packing;
pub(crate) mod past;
pub(crate) mod past_rights;
pub(crate) mod reader;
pub(crate) mod search;
pub(crate) mod time;
pub(crate) mod tree;
pub(crate) mod usage;
pub(crate) mod who;

pub use committed::CommittedLog;
pub(crate) use reader::name_damage;
pub use reader::{EntryFilter, EntryPage, EntryProof, FoundEntry, LogReader};
pub use search::{KnownCaller, SearchPage, SearchedEntry, SessionOf};
pub use usage::{KeyUses, LastUse, Used, Uses};

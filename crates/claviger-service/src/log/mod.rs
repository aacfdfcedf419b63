//! The log of this deployment: its trees, its cuts, and how it is read.

pub(crate) mod body;
pub(crate) mod cutter;
pub(crate) mod hashes;
pub(crate) mod newest;
pub(crate) mod opening;
pub(crate) mod reader;
pub(crate) mod time;
pub(crate) mod tree;

pub use reader::{EntryFilter, EntryPage, EntryProof, LastUse, LogReader, Used};

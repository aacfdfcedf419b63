//! The port [`Store`](claviger_core::port::Store) kept in a database. One process and one directory: [`sqlite`].
//!
//! What it keeps true:
//! * state and log move in one transaction or not at all, and what was acknowledged survives `kill -9` and power loss;
//! * the log moves by one compare-and-swap on (incarnation, size, epoch) and in no other way;
//! * a row that does not read back as a valid value is an error, never a guess.
//!
//! It knows nothing of what keys are for: rules about their lives are the vocabulary's and the operations'.

mod failpoint;
pub mod sqlite;

pub use failpoint::{FAILPOINT_VARIABLE, failpoint};
pub use sqlite::{SpaceOptions, SqliteOptions, SqliteStore};

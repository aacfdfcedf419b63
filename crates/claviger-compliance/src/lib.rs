//! What regulations ask of keys, as data: the controls, and the clauses of regulations that ask for them. No input, no output: the
//! data is part of the program, and everything here is a function of it.
//!
//! | module | what it is for |
//! |---|---|
//! | [`control`] | a control: what must hold, by what it is decided, which statements of people it needs |
//! | [`framework`] | a regulation: its clauses, the controls that answer each, and how far they do |
//! | [`mark`] | what was read in a source, and what was not |
//! | [`catalogue`] | all of it, held together |
//!
//! What it keeps true: no text that came from memory reads as one that was compared with its source ([`mark::Mark`]), and no clause is
//! said to be decided by machine where a statement of a person is needed ([`framework::Coverage::Full`]).

pub mod catalogue;
pub mod control;
pub mod framework;
pub mod mark;

pub use catalogue::{Catalogue, CatalogueError, FRAMEWORKS};
pub use control::{Control, ControlId};
pub use framework::{Clause, Coverage, Framework};

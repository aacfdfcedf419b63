//! What regulations ask of keys, as data: the controls, and the clauses of regulations that ask for them. No input, no output: the
//! data is part of the program, and everything here is a function of it.
//!
//! | module | what it is for |
//! |---|---|
//! | [`algorithm`] | which algorithms may protect and process, by date |
//! | [`control`] | a control: what must hold, by what it is decided, which statements of people it needs |
//! | [`framework`] | a regulation: its clauses, the controls that answer each, and how far they do |
//! | [`mark`] | what was read in a source, and what was not |
//! | [`statement`] | what people sign, and its digest |
//! | [`catalogue`] | all of it, held together |
//! | [`check`] | how each control is decided |
//! | [`cryptoperiod`] | how long keys protect and process |
//! | [`detector`] | what must not be in a log, looked for |
//! | [`evaluation`] | what the controls come to, for an instant and a period |
//!
//! What it keeps true: no text that came from memory reads as one that was compared with its source ([`mark::Mark`]), and no clause is
//! said to be decided by machine where a statement of a person is needed ([`framework::Coverage::Full`]).

pub mod algorithm;
pub mod catalogue;
pub mod check;
pub mod control;
pub mod cryptoperiod;
pub mod detector;
pub mod evaluation;
pub mod framework;
pub mod mark;
pub mod statement;

pub use catalogue::{Catalogue, CatalogueError, EVALUATOR, FRAMEWORKS};
pub use control::{Control, ControlId, Task};
pub use evaluation::{Evaluation, Period, Scan, Verdict};
pub use framework::{Clause, Coverage, Framework};
pub use statement::Statement;

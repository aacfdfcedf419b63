//! Evidence packs: what an evaluation came to, as a folder of files that whoever doubts them makes again.
//!
//! | module | what it is for |
//! |---|---|
//! | [`dossier`] | what a pack is made from, out of one walk over a verified log |
//! | [`inventory`] | keys, versions, algorithms, certificates and modules, as tables |
//! | [`cbom`] | the same as a cryptographic bill of materials (CycloneDX 1.6) |
//! | [`detector`] | what must never be in a log or a pack, looked for |
//! | [`disclosed`] | who called, as far as a pack lets it out |
//! | [`samples`], [`window`] | entries that nobody chose, with proofs; which entries lie in a period |
//! | [`oscal`] | catalogue, profile, plan, results and open points in OSCAL |
//! | [`report`] | the report that people read, and its tables |
//! | [`page`] | the page that verifies a pack in a browser |
//! | [`pack`] | all files, their manifest, and how a pack is held against its log |
//!
//! What it keeps true: every file but the log itself and the signatures is a function of the log, the catalogue and what was asked. No
//! clock, no chance, no file of this machine: two makings are the same bytes, and a pack whose bytes differ from those that its log
//! yields is named as one that does.

pub mod cbom;
mod csv;
pub mod detector;
pub mod disclosed;
pub mod dossier;
pub mod inventory;
pub mod oscal;
pub mod pack;
pub mod page;
pub mod report;
pub mod samples;
mod tree;
pub mod window;

pub use disclosed::Disclosed;
pub use dossier::{Asked, Dossier};
pub use pack::{PackFile, Unmade};

//! Every operation, and the one road that each of them goes.
//!
//! | module | what it holds |
//! |---|---|
//! | [`road`] | a deployment at work: opening it, its facts and figures, stopping it |
//! | `pipeline` | authenticate, authorize, run, commit, release; the fence; the sequencer |
//! | [`operation`] | what can be asked, one file each |
//! | [`governed`] | what changes state, as a value with one encoding |
//! | `job` | what the system does of itself because it is due |
//! | [`log`] | the trees over the log, cuts, reading and proving |
//! | `rows` | whether rows are as they were written |
//! | `state` | what is remembered of the store, and as of which epoch it is good |
//! | `work` | expensive work in bounded classes, and whose turn it is |

pub mod error;
pub mod governed;
mod job;
pub mod log;
pub mod operation;
mod pipeline;
pub mod reference;
pub mod road;
mod rows;
mod self_test;
mod state;
mod view;
mod work;

pub use claviger_access::{
    AuthnReason, DenyReason, Explanation, Named, NewAccessKey, Presented, RULES, SignatureRefused,
};
pub use error::{Algorithm, ErrorKind, Obstacle, ServiceError};
pub use governed::Governed;
pub use job::check_rows::RowFigures;
pub use operation::{Call, Operation, Released, Staged};
pub use pipeline::BatchTurn;
pub use pipeline::sequencer::Figures;
pub use reference::{AssetRef, KeyRef, NotAReference, PrincipalRef, RingRef, TargetRef};
pub use road::{Options, Road, SystemFacts, examine_log};
pub use rows::{AlteredRows, examine_rows, look_at_rows, open_rows};
pub use state::Memory;
pub use view::View;
pub use work::WorkFigures;

//! Every operation, and the one road that each of them goes.
//!
//! | module | what it holds |
//! |---|---|
//! | `open` | opening a deployment: what the store keeps is checked before anything is served |
//! | [`road`], `system` | a deployment at work, its figures, its end; what is fixed of it |
//! | `alerts` | what was found that somebody must look at, and who hears of it |
//! | `approval_figures` | how many must approve, how many can, and how much waits for them |
//! | `call`, `record` | what an operation gets and gives; what the log says of it |
//! | `pipeline` | authenticate, authorize, run, commit, release; the sequencer |
//! | [`operation`] | what can be asked, one file each |
//! | [`governed`] | what changes state, as a value with one encoding (of `claviger-audit`) |
//! | `job` | what the system does of itself because it is due |
//! | [`log`] | the trees over the log, cuts, reading and proving |
//! | `evidence_key` | the key that signs evidence packs beside the root |
//! | `evaluations` | which runs of the evaluation of the controls the log has, and whether one was missed |
//! | `review_figures` | how many access reviews are open, and how many of them should be closed |
//! | `rows` | whether rows are as they were written |
//! | `scan` | whether stored secrets open in their place |
//! | `standing` | whose approval is valid |
//! | `state` | the fence; what is remembered of the store, and as of which epoch it is good |
//! | `work` | expensive work in bounded classes, and whose turn it is |

mod alerts;
mod approval_figures;
mod call;
pub mod error;
mod evaluations;
mod evidence_key;
mod job;
pub mod log;
mod open;
pub mod operation;
mod pipeline;
mod record;
pub mod reference;
mod review_figures;
pub mod road;
mod rows;
mod scan;
mod self_test;
mod standing;
mod state;
mod system;
mod view;
mod work;

pub use alerts::{AlertFigures, AlertReceiver};
pub use approval_figures::ApprovalFigures;
pub use call::{Call, Operation, Released, Staged};
pub use claviger_access::analysis;
pub use claviger_access::{
    AuthnReason, DenyReason, EnrolmentCode, Explanation, NamedCredential, NewAccessKey, Presented, RULES,
    SignatureRefused,
};
pub use claviger_audit::governed;
pub use error::{Algorithm, ErrorKind, Obstacle, ServiceError};
pub use evaluations::{EvaluationFigures, RecordedEvaluation};
pub use governed::Governed;
pub use job::check_rows::RowFigures;
pub use open::{Options, examine_log};
pub use operation::analyze_access::read_facts as read_access_facts;
pub use pipeline::BatchTurn;
pub use pipeline::sequencer::Figures;
pub use reference::{AssetRef, KeyRef, NotAReference, PrincipalRef, RingRef, TargetRef};
pub use review_figures::ReviewFigures;
pub use road::Road;
pub use rows::{AlteredRows, examine_rows, look_at_rows, open_rows};
pub use scan::{ScanReport, SecretCount, SecretFinding, SecretKind, WrappedBy};
pub use state::Memory;
pub use system::SystemFacts;
pub use view::View;
pub use work::WorkFigures;

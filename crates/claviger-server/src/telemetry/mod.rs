//! What the process reports about itself: traces for people, numbers and health for machines.
//!
//! What it keeps true: no secret, and no name that a caller chose, is in a trace or a number.

mod listener;
mod probe;
mod process;
mod registry;
mod stderr;
mod trace;

pub(crate) use listener::Unproved;
pub use listener::{Ending, ListenerMetrics};
pub use probe::{Watchable, run as run_probe};
pub(crate) use process::ProcessNumbers;
pub use registry::Registry;
pub(crate) use registry::{count, to_f64};
pub(crate) use stderr::Captured;
pub use trace::start;
pub(crate) use trace::start_capturing;

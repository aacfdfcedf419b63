//! Evaluation: what the controls come to, for one instant and for every instant of a period.
//!
//! One walk over a verified log feeds all checks ([`Scan`] looks on while the log is verified); then each control has exactly one
//! result for each of its modes. Memory grows with objects and cuts' heads, not with entries. What comes out is a function of the
//! log, the catalogue, the instant and the period: no clock, no file and no chance is asked, so that whoever has the same export comes to
//! the same bytes.
//!
//! What it keeps true:
//! * what is not known never reads as what holds: `FAIL` before `INDETERMINATE` before `NEEDS_ATTESTATION` before `PASS`, and
//!   `NOT_APPLICABLE` only where the population is empty;
//! * where the log itself is not to be trusted, or the state at the begin of the period is not known, no control passes;
//! * what was cut until the instant counts, whatever the clock of its node said: cuts have the log's time, which no clock pushes forward;
//! * a declared parameter that checks did not go by, or that was another one within the period, passes nothing that depends on it;
//! * what the log records of its own evaluation is held against the log as any other entry: the newest run of a period is made again;
//! * a control without a check of its own is `INDETERMINATE`, and says which facts it waits for.

mod approvals;
mod estate;
#[cfg(test)]
pub(crate) mod fixture;
mod ledger;
mod outcome;
mod result;
mod run;
mod said;
mod scan;
mod setting;

pub use estate::{Class, Estate};
pub use ledger::{Judgement, Ledger, Subject};
pub use outcome::{Emptiness, Outcome};
pub use result::{ControlResult, MOST_NAMED};
pub use result::{Counts, Evaluation, LogHead, Period, Population, Undecided, Verdict, Violation};
pub use run::{RecordedRun, Remade, evaluate_at};
pub(crate) use said::{SignedAbout, SignedByEach, signed_of_own_certificate};
pub use scan::{Scan, Told};
pub use setting::{Declared, Setting};

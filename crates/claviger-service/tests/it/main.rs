//! The road as callers see it, over the real store and the software root.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails here")]

mod access_analysis;
mod access_keys;
mod alias;
mod altered_rows;
mod approval_histories;
mod approvals;
mod assets;
mod chains;
mod clock;
mod contention;
mod context;
mod controls;
mod data_keys;
mod declarations;
mod delegation;
mod destruction;
mod edited_rows;
mod entering;
mod environment;
mod evaluations;
mod evidence;
mod evidence_signatures;
mod explained_past;
mod governance;
mod histories;
mod import;
mod jobs;
mod leaving;
mod lifecycle;
mod log;
mod makers;
mod malformed;
mod many_grants;
mod packing;
mod random_edits;
mod reasons;
mod renewal;
mod repetition;
mod revocation;
mod rights;
mod scans;
mod self_tests;
mod separation;
mod snapshots;
mod space;
mod usage;
mod uses;
mod versions;
mod who;
mod work;

use claviger_testkit::deployment;

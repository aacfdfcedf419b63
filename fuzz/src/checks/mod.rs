//! What must hold of each decoder, whatever it is given: no panic, and one spelling for each thing.
//!
//! | module | decoders of |
//! |---|---|
//! | [`aws`] | what clients of AWS, and AWS KMS itself, send: signed requests, calls of both protocols, key policies |
//! | [`sealed`] | what ciphertexts look like: headers, contexts, the file envelope; material that is imported |
//! | [`log`] | the log: entries with their facts, approvals, declarations, reviews, sessions and snapshots, live rows, disclosures, cuts, notes, receipts, tiles, proofs |
//! | [`input`] | what people and programs send or write: tokens, certificates, bodies, cursors, names, files, governed operations |

pub mod aws;
pub mod input;
pub mod log;
pub mod sealed;

/// Holds a decoder to its word, and panics when it is broken. Tells whether the decoder took the bytes.
pub type Check = fn(&[u8]) -> bool;

/// All of them, by the name of their fuzz target.
pub const ALL: [(&str, Check); 31] = [
    ("answer", input::answer),
    ("approval", log::approval),
    ("aws_json", aws::aws_json),
    ("certificate", input::certificate),
    ("certificate_request", input::certificate_request),
    ("ciphertext", sealed::ciphertext),
    ("config", input::config),
    ("context", sealed::context),
    ("cut", log::cut),
    ("declaration", log::declaration),
    ("disclosure", log::disclosure),
    ("entry", log::entry),
    ("facts", log::facts),
    ("governed", input::governed),
    ("key_policy", aws::key_policy),
    ("material", sealed::material),
    ("name", input::name),
    ("note", log::note),
    ("proof", log::proof),
    ("receipt", log::receipt),
    ("request", input::request),
    ("review", log::review),
    ("rows", log::rows),
    ("session", log::session),
    ("sigv4", aws::sigv4),
    ("snapshot", log::snapshot),
    ("stream", sealed::stream),
    ("tile", log::tile),
    ("token", input::token),
    ("transport", sealed::transport),
    ("xks", aws::xks),
];

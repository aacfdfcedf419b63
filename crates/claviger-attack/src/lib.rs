//! Attacks on a running Claviger: each makes a deployment of its own with a given binary, tries one thing that an adversary could
//! try, and says whether that held.
//!
//! | module | what it holds |
//! |---|---|
//! | [`attack`] | the attacks, one module for each kind, and the table of all |
//! | [`site`] | a deployment in a temporary folder: set up, served, stopped, killed, served again under another clock |
//! | [`client`] | what an attacker speaks: TLS, HTTP/1.1, signed requests of AWS clients |
//! | [`token`] | a PKCS#11 token, and a record of the calls to it |
//! | [`verdict`] | what an attack finds |
//! | [`machine`] | clocks, cores and memory of the machine |
//!
//! What it keeps true: it is a black box. Nothing here uses a crate of the server, and nothing is known of it but what is
//! documented: its command line, its protocols, its files. An attack that could not be made is an error and never `held`.

pub mod attack;
pub mod client;
pub mod machine;
pub mod site;
pub mod token;
pub mod verdict;

pub use attack::{ATTACKS, Attack, Pace};
pub use site::{Lab, Site};
pub use verdict::Verdict;

//! What a node says of itself: which program runs, by which configuration, and how it is reached.
//!
//! It is the node's own word, given at each start and each time that it reads its files again.

use crate::time::Timestamp;
use crate::{Name, NodeId};

/// A node, as it said last that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its identifier.
    pub id: NodeId,
    /// Which start of the process said so.
    pub incarnation: u64,
    /// When it said so.
    pub reported_at: Timestamp,
    /// What it said.
    pub report: NodeReport,
    /// How many results left its listeners since that start, when it last said so: for each use its name and the number, as in
    /// `encrypt=12`.
    pub released: Vec<String>,
    /// Counts the writes of this row.
    pub revision: u64,
}

impl Node {
    /// Can it be kept?
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let report = &self.report;
        let words = [
            &report.insecure,
            &report.hardening,
            &report.listeners,
            &report.generators,
            &report.domains,
            &report.root_keys,
            &report.certificates,
            &self.released,
        ];
        words.into_iter().flatten().all(|word| !word.is_empty() && !word.contains([',', '\n']))
    }
}

/// What a node says of itself. Words have neither commas nor line feeds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NodeReport {
    /// The environment that the deployment is, if its configuration says one.
    pub environment: Option<Name>,
    /// Names of weakenings in force, each beginning with `insecure_`; none in a node that is for real keys.
    pub insecure: Vec<String>,
    /// The release.
    pub release: String,
    /// SHA-256 of the program.
    pub build: [u8; 32],
    /// SHA-256 of the configuration in force.
    pub configuration: [u8; 32],
    /// SHA-256 of the built-in policy.
    pub policy: [u8; 32],
    /// What the process did to harden itself: a word for each measure, as in `memory_locked=yes`.
    pub hardening: Vec<String>,
    /// How it is reached: for each listener its name, address, protocol versions, cipher suites, groups, and whether clients must
    /// show a certificate.
    pub listeners: Vec<String>,
    /// SHA-256 of the file of the server's certificate.
    pub certificate: [u8; 32],
    /// SHA-256 of the file of the authorities of clients' certificates.
    pub client_authorities: [u8; 32],
    /// What the clock of the machine counts by, and what keeps it right, as far as the machine says.
    pub clock_source: String,
    /// What material is drawn from: for each generator its name, the construction and the source of its entropy.
    pub generators: Vec<String>,
    /// Where things lie and who can open them: a word for each storage and custody domain, as in `store_storage=node`.
    pub domains: Vec<String>,
    /// The keys of the root that wrap: for each its task, label, version, algorithm and strength in bits.
    pub root_keys: Vec<String>,
    /// The certificates that it shows, and the authorities whose certificates it takes: for each its fingerprint, purpose, owner, key,
    /// ends, issuer, and whether its authority publishes revocations.
    pub certificates: Vec<String>,
}

impl NodeReport {
    /// Is it for real keys, or weakened?
    #[must_use]
    pub const fn mode(&self) -> &'static str {
        if self.insecure.is_empty() { "secure" } else { "insecure" }
    }
}

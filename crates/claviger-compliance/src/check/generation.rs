//! Checks of generation.

mod algorithms;
mod ceremony;
mod environments;
mod generators;
mod imports;
mod metadata;
mod modules;
mod randomness;

pub(super) const CHECKS: super::Checks = &[
    ("GEN-01", |setting| Box::new(randomness::Randomness::new(setting))),
    ("GEN-02", |setting| Box::new(algorithms::AllowedAlgorithms::new(setting))),
    ("GEN-03", |setting| Box::new(metadata::Metadata::new(setting))),
    ("GEN-04", |setting| Box::new(imports::Imports::new(setting))),
    ("GEN-05", |setting| Box::new(modules::Modules::new(setting))),
    ("GEN-06", |setting| Box::new(ceremony::RootCeremony::new(setting))),
    ("GEN-07", |setting| Box::new(environments::Environments::new(setting))),
];

/// The framework of federal rules: approved algorithms in validated modules.
pub(super) const FEDERAL: &str = "nist-800-53";

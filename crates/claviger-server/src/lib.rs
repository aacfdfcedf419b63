//! What `claviger serve` runs: configuration, sockets, TLS, wiring and telemetry. Decides nothing about keys.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the configuration file, read strictly and checked in full |
//! | [`pki`], [`files`] | certificates of the deployment, files that must be private or whole |
//! | [`listener`] | sockets, TLS 1.3, the bounds of a connection |
//! | [`telemetry`] | traces, numbers, health |
//! | [`hardening`], [`clock`] | the process, and its time |
//!
//! It is the one crate that names a store and a provider; everyone else sees the ports.

pub mod clock;
pub mod config;
pub mod files;
pub mod hardening;
pub mod listener;
pub mod pki;
pub mod stop;
pub mod telemetry;

//! What `claviger serve` runs: configuration, sockets, TLS, wiring and telemetry. Decides nothing about keys.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | the configuration file, read strictly and checked in full |
//! | [`pki`], [`files`] | certificates of the deployment, files that must be private or whole |
//! | [`Endpoint`] | the table of listeners |
//! | [`listener`] | sockets, TLS 1.3, the bounds of a connection |
//! | [`telemetry`] | traces, numbers, health |
//! | [`hardening`], `memory`, [`clock`] | the process, what it gives back, and its time |
//! | [`Server`] | store, root, road, protocols and sockets, put together |
//! | `self_evaluation` | the controls, evaluated each day over the server's own log |
//! | `webhook` | whoever is to be told of alerts, told |
//! | [`init`], [`quickstart`], [`recover`], [`doctor`], [`command`] | what the commands of an operator do |
//!
//! It is the one crate that names a store and a provider; everyone else sees the ports.

mod assemble;
mod authority;
mod bootstrap;
mod certificates;
pub mod clock;
pub mod command;
pub mod config;
mod deployment;
pub mod doctor;
mod endpoints;
mod error;
mod evaluation;
pub mod files;
pub mod hardening;
pub mod init;
pub mod listener;
mod newest_note;
mod node;
mod notify;
mod observe;
pub mod pki;
mod planes;
pub mod quickstart;
pub mod recover;
mod root;
mod self_evaluation;
pub mod stop;
pub mod telemetry;
mod webhook;

pub use assemble::{Running, Server};
pub use deployment::LostTail;
pub use endpoints::{Each, Endpoint, Listen, Urls};
pub use error::ServerError;
pub use webhook::WebhookError;

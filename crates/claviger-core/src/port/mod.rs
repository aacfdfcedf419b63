//! The ports: what the service needs from a store, a provider, a clock and the listeners. Only the server names who stands behind them.

pub mod clock;
pub mod provider;
pub mod store;
pub mod trust;

pub use clock::Clock;
pub use provider::{Handle, Provider, ProviderError};
pub use store::{Journal, Store, StoreError};
pub use trust::{CertificateFault, EnteredCertificate, IssueFault, Trust};

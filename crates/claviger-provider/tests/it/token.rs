//! Opening the test token.

use std::time::Duration;

use claviger_core::port::ProviderError;
use claviger_provider::{CreateRoot, Pkcs11Config, Pkcs11OpenError, Pkcs11Provider, TokenSelector};
use claviger_testkit::softhsm::SoftHsm;
use tokio::runtime::Runtime;

/// A runtime like the server's.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap()
}

/// How the tests use the token.
pub(crate) fn config(hsm: &SoftHsm) -> Pkcs11Config {
    let token = TokenSelector::Label(hsm.label().to_owned());
    Pkcs11Config {
        pool_size: 4,
        label_prefix: "test".to_owned(),
        patience: Duration::from_secs(20),
        ..Pkcs11Config::new(hsm.library(), token, hsm.pin())
    }
}

/// The root of the test token, made if there is none.
pub(crate) fn open_new(hsm: &SoftHsm) -> Pkcs11Provider {
    open(config(hsm), CreateRoot::IfMissing).unwrap()
}

/// A root by its configuration.
pub(crate) fn open(config: Pkcs11Config, create: CreateRoot) -> Result<Pkcs11Provider, Pkcs11OpenError> {
    Pkcs11Provider::open(config, create)
}

/// Asks until `ask` gives something else than "unavailable", for half a minute at most.
pub(crate) async fn until_available<T>(
    mut ask: impl AsyncFnMut() -> Result<T, ProviderError>,
) -> Result<T, ProviderError> {
    for _ in 0..300 {
        match ask().await {
            Err(ProviderError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
            answer => return answer,
        }
    }
    panic!("still unavailable after half a minute");
}

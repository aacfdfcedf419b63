//! Clients for the deployment under test. The surroundings say where it is and who signs, as they do for any application:
//! `AWS_ENDPOINT_URL_KMS`, `SSL_CERT_FILE`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`.
//! `CONFORMANCE_STRANGER` names another application, which nobody gave any right; its access key is beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::{ConfigBag, Credentials, Intercept, RuntimeComponents};
use aws_sdk_kms::error::BoxError;
use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyUsageType};

/// The settings that an application has which says nothing itself.
pub async fn settings() -> SdkConfig {
    aws_config::load_defaults(BehaviorVersion::latest()).await
}

/// The client of the access key that administers and uses. It tries once, so that nothing is hidden.
pub async fn kms() -> Client {
    let config = aws_sdk_kms::config::Builder::from(&settings().await);
    Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
}

/// Another client of this deployment, with these credentials.
pub async fn kms_of(id: &str, secret: &str) -> Client {
    let config = aws_sdk_kms::config::Builder::from(&settings().await);
    let credentials = Credentials::new(id, secret, None, None, "conformance");
    Client::from_conf(config.credentials_provider(credentials).retry_config(RetryConfig::disabled()).build())
}

/// The client of an application without rights, and its name.
pub async fn stranger() -> (Client, String) {
    let id = variable("CONFORMANCE_STRANGER_ACCESS_KEY_ID");
    let secret = variable("CONFORMANCE_STRANGER_SECRET_ACCESS_KEY");
    (kms_of(&id, &secret).await, variable("CONFORMANCE_STRANGER"))
}

/// A variable that must be there.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// A new key as AWS makes it when nothing is wished.
pub async fn new_key(kms: &Client) -> KeyMetadata {
    kms.create_key().description("from Rust").send().await.unwrap().key_metadata.unwrap()
}

/// Id of a new key for a use.
pub async fn key_for(kms: &Client, spec: KeySpec, usage: KeyUsageType) -> String {
    let made = kms.create_key().key_spec(spec).key_usage(usage).send().await.unwrap();
    made.key_metadata.unwrap().key_id
}

/// Counts how often calls are sent.
#[derive(Clone, Debug, Default)]
pub struct Attempts(Arc<AtomicUsize>);

impl Attempts {
    /// How often.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "attempts"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

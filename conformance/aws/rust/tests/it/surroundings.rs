//! Whom a client trusts.

use aws_sdk_kms::Client;
use aws_sdk_kms::config::Builder;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use conformance_aws_rust::{settings, variable};

async fn trusting(store: TrustStore) -> Client {
    let context = TlsContext::builder().with_trust_store(store).build().unwrap();
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    let config = Builder::from(&settings().await).http_client(http.tls_context(context).build_https());
    Client::from_conf(config.retry_config(RetryConfig::disabled()).build())
}

#[tokio::test]
async fn authority_may_be_given_to_the_http_client() {
    let authority = std::fs::read(variable("AWS_CA_BUNDLE")).unwrap();
    let kms = trusting(TrustStore::empty().with_pem_certificate(authority)).await;
    kms.list_keys().limit(1).send().await.unwrap();
}

#[tokio::test]
async fn client_that_does_not_know_the_authority_does_not_talk() {
    let error = trusting(TrustStore::empty()).await.list_keys().send().await.unwrap_err();
    assert!(error.as_service_error().is_none());
    let told = format!("{error:?}");
    assert!(told.contains("UnknownIssuer"), "{told}");
}

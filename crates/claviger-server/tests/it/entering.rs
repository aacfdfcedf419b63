//! Certificates that are entered by REST: the listeners take each of them that was, and none that was refused.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_core::Timestamp;
use claviger_server::pki::{Authority, LEAF_LIFETIME};
use claviger_server::{Endpoint, Running};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::http::Http;
use crate::support::{Deployment, now};

async fn enter(deployment: &Deployment, running: &Running, der: &[u8], chain: &[&[u8]]) -> (u16, Value) {
    let url = format!("{}/v1/credentials", running.urls()[Endpoint::Control]);
    let certificate = json!({
        "der": STANDARD.encode(der),
        "chain": chain.iter().map(|one| STANDARD.encode(one)).collect::<Vec<_>>(),
        "expires_at": "2100-01-01T00:00:00Z",
    });
    let body = json!({ "principal": "app", "label": "card", "credential": { "certificate": certificate } });
    deployment.call("administrator", "POST", url, Some(body)).await
}

#[track_caller]
fn assert_refused((status, problem): (u16, Value), why: &str) {
    assert_eq!((status, &problem["code"]), (400, &json!("invalid-argument")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
}

fn ago(span: Duration) -> Timestamp {
    Timestamp::from_micros(now().as_micros() - u64::try_from(span.as_micros()).unwrap())
}

/// A certificate that `sign` makes of what every client's certificate says, changed by `change`.
fn client(change: impl FnOnce(&mut CertificateParams)) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    (params, KeyPair::generate().unwrap())
}

fn openssl(dir: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A certificate of X.509 version 1, signed by the deployment's authority.
fn of_version_1(deployment: &Deployment) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    openssl(dir.path(), "req -new -newkey rsa:2048 -nodes -keyout key -out csr -subj /CN=app");
    let (ca, key) = (deployment.path("pki/ca.crt"), deployment.path("pki/ca.key"));
    let signed = format!(
        "x509 -req -in csr -CA {} -CAkey {} -set_serial 7 -days 9 -outform DER -out crt",
        ca.display(),
        key.display()
    );
    openssl(dir.path(), &signed);
    std::fs::read(dir.path().join("crt")).unwrap()
}

/// Whether the listeners take a client that shows these certificates.
async fn is_taken(deployment: &Deployment, running: &Running, chain: &[&[u8]], key: &KeyPair) -> bool {
    let mut trust = RootCertStore::empty();
    trust.add(CertificateDer::from_pem_file(deployment.path("pki/ca.crt")).unwrap()).unwrap();
    let chain = chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    let tls = ClientConfig::builder_with_provider(claviger_server::listener::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(trust)
        .with_client_auth_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let url = format!("{}/v1/keys/orders%2Fmain/public-key", running.urls()[Endpoint::Data]);
    // The principal may nothing: known and refused is not the same as unknown.
    Http::new(tls).get(url).send().await.is_ok_and(|answer| answer.status() != 401)
}

#[tokio::test]
async fn certificates_that_no_listener_takes_are_refused_with_what_to_do() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    let authority = Authority::load(&deployment.path("pki/ca.crt"), &deployment.path("pki/ca.key")).unwrap();
    let name = "app".parse().unwrap();
    let enter = async |der: &[u8]| enter(&deployment, &running, der, &[]).await;

    assert_refused(enter(b"").await, "no X.509 certificate in DER");
    assert_refused(enter(b"garbage").await, "no X.509 certificate in DER");
    let good = authority.issue_client(&name, now()).unwrap();
    assert_refused(enter(&[&good.der[..], &[0]].concat()).await, "no X.509 certificate in DER");
    assert_refused(enter(&good.der[..good.der.len() - 1]).await, "no X.509 certificate in DER");
    assert_refused(enter(good.certificate_pem.as_bytes()).await, "PEM text; send the DER bytes");
    assert_refused(enter(&of_version_1(&deployment)).await, "X.509 version 1; have one of version 3 issued");

    let (params, key) = client(|_| {});
    assert_refused(enter(params.self_signed(&key).unwrap().der()).await, "signed with its own key");
    let foreign = Authority::create(now()).unwrap().0.issue_client(&name, now()).unwrap();
    assert_refused(enter(&foreign.der).await, "no authority of `tls.client_ca` issued");

    let old = authority.issue_client(&name, ago(LEAF_LIFETIME + Duration::from_secs(60))).unwrap();
    assert_refused(enter(&old.der).await, "has expired; have a new one issued");
    let early = authority.issue_client(&name, now().after(Duration::from_secs(86_400))).unwrap();
    assert_refused(enter(&early.der).await, "not valid yet; enter it when it is");
    let server = authority.issue_server(&["localhost".into()], now()).unwrap();
    assert_refused(enter(&server.der).await, "lacks `clientAuth`");
    let own = CertificateDer::from_pem_file(deployment.path("pki/ca.crt")).unwrap();
    assert_refused(enter(&own).await, "that of an authority");
    // A signature of somebody who bears the authority's name.
    let mut forged = good.der.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_refused(enter(&forged).await, "no authority of `tls.client_ca` issued");

    let (status, made) = enter(&good.der).await;
    assert_eq!(status, 201, "{made}");
    // A clock that is a little ahead of ours is borne; the credential ends with the certificate.
    let ahead = authority.issue_client(&name, now().after(Duration::from_secs(400))).unwrap();
    let (status, made) = enter(&ahead.der).await;
    assert_eq!(status, 201, "{made}");
    let end: &str = made["credential"]["expires_at"].as_str().unwrap();
    assert!(end < "2100", "{end}");
    running.shutdown().await;
}

#[tokio::test]
async fn certificate_of_an_authority_in_between_is_entered_with_it_and_taken_by_the_listeners() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    // The deployment's own authority makes no other: one of the operator's is put beside it.
    let root = CertifiedIssuer::self_signed(authority_params("root"), KeyPair::generate().unwrap()).unwrap();
    let between =
        CertifiedIssuer::signed_by(authority_params("between"), KeyPair::generate().unwrap(), &root).unwrap();
    let (params, key) = client(|_| {});
    let leaf = params.signed_by(&key, &between).unwrap();
    let (leaf, middle) = (leaf.der().to_vec(), between.der().to_vec());
    assert_refused(enter(&deployment, &running, &leaf, &[&middle]).await, "no authority of `tls.client_ca`");

    let mut authorities = std::fs::read_to_string(deployment.path("pki/ca.crt")).unwrap();
    authorities.push_str(&root.pem());
    std::fs::write(deployment.path("pki/ca.crt"), authorities).unwrap();
    running.reload_certificates().await.unwrap();
    assert_refused(enter(&deployment, &running, &leaf, &[]).await, "send the certificates in between along");
    assert!(!is_taken(&deployment, &running, &[&leaf, &middle], &key).await, "it is not entered");
    let (status, made) = enter(&deployment, &running, &leaf, &[&middle]).await;
    assert_eq!(status, 201, "{made}");
    assert!(is_taken(&deployment, &running, &[&leaf, &middle], &key).await);
    running.shutdown().await;
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params
}

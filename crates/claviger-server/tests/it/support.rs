//! A deployment's certificates, listeners, and clients for tests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use claviger_audit::op::Op;
use claviger_aws::Unread;
use claviger_core::port::Clock as _;
use claviger_core::{Action, PrincipalId, Timestamp};
use claviger_server::clock::SystemClock;
use claviger_server::config::{Config, Limits, Tls};
use claviger_server::listener::{
    Answering, Asking, ConnectionProtocol, Http, Listener, Payload, Peer, Protocol, Staged, bind, tls,
};
use claviger_server::pki::{Authority, Issued, LEAF_LIFETIME, server_names};
use claviger_server::quickstart::{QuickstartOptions, quickstart};
use claviger_server::stop::{self, Stop};
use claviger_server::telemetry::{ListenerMetrics, Registry};
use claviger_server::{Endpoint, Running};
use claviger_service::Presented;
use http::request::Parts;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::ServiceExt as _;

use crate::http::Http as Client;

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// Certificates in a folder of their own.
pub(crate) struct Pki {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) authority: Authority,
    pub(crate) authority_der: CertificateDer<'static>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (authority, issued) = Authority::create(now()).unwrap();
        issued.write(&dir.path().join("ca.crt"), &dir.path().join("ca.key")).unwrap();
        let pki = Self { dir, authority, authority_der: issued.der.into() };
        pki.renew_server();
        pki
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn renew_server(&self) {
        let server = self.authority.issue_server(&server_names(&[]), now()).unwrap();
        server.write(&self.path("server.crt"), &self.path("server.key")).unwrap();
    }

    pub(crate) fn files(&self) -> Tls {
        Tls {
            certificate: self.path("server.crt"),
            key: self.path("server.key"),
            client_ca: self.path("ca.crt"),
        }
    }

    pub(crate) fn client(&self, name: &str) -> Issued {
        self.authority.issue_client(&name.parse().unwrap(), now()).unwrap()
    }

    pub(crate) fn expired_client(&self, name: &str) -> Issued {
        let lifetime = u64::try_from((LEAF_LIFETIME + Duration::from_secs(60)).as_micros()).unwrap();
        let long_ago = Timestamp::from_micros(now().as_micros() - lifetime);
        self.authority.issue_client(&name.parse().unwrap(), long_ago).unwrap()
    }

    pub(crate) fn trust(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority_der.clone()).unwrap();
        roots
    }

    pub(crate) fn tls(&self, identity: Option<&Issued>) -> ClientConfig {
        client_tls(self.trust(), identity)
    }

    pub(crate) fn http(&self, identity: Option<&Issued>) -> Client {
        Client::new(self.tls(identity))
    }
}

pub(crate) fn client_tls(trust: RootCertStore, identity: Option<&Issued>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(trust);
    match identity {
        None => builder.with_no_client_auth(),
        Some(issued) => {
            let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![issued.der.clone().into()], key).unwrap()
        }
    }
}

/// A router behind a listener. Whoever asks is the principal whose number header `as` has, or number 0; `as: unknown` is
/// unknown, and `as: key 7` names the access key of principal 7, which signs whatever body begins with `signed`.
#[derive(Debug)]
struct Behind(Router);

/// What a server answers to a hello that offers TLS 1.2 and nothing newer.
pub(crate) async fn answer_to_tls12(address: SocketAddr) -> Vec<u8> {
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.push(0);
    // ECDHE with ECDSA and RSA, AES-128-GCM; no compression.
    hello.extend([0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
    // Groups X25519 and P-256; points uncompressed; signatures ECDSA and RSA-PSS with SHA-256.
    let extensions =
        [0, 10, 0, 6, 0, 4, 0, 29, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 6, 0, 4, 4, 3, 8, 4].as_slice();
    hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend(extensions);
    let length = u16::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1];
    record.extend((length + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend(length.to_be_bytes());
    record.extend(hello);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// The alert `protocol_version` (RFC 8446, 6), fatal, and nothing else.
pub(crate) const OF_ANOTHER_VERSION: [u8; 7] = [21, 3, 3, 0, 2, 2, 70];

pub(crate) fn principal(number: u8) -> PrincipalId {
    PrincipalId::from_bytes([number; 16])
}

fn reported(status: u16) -> http::Response<Body> {
    http::Response::builder().status(status).body(Body::from("refused")).unwrap()
}

impl Protocol for Behind {
    fn action_of(&self, _: &Parts) -> Option<Action> {
        None
    }

    fn title_case(&self) -> bool {
        false
    }

    fn recall(&self, _: &Peer, head: &Parts) -> Asking {
        let said = head.headers.get("as").map(|value| value.to_str().unwrap());
        let known = |number: &str| Asking::Known {
            principal: principal(number.parse().unwrap()),
            presented: Presented::None,
        };
        match said {
            None => known("0"),
            Some("unknown") => Asking::Unknown,
            Some("anyone") => Asking::Anyone,
            Some(key) if key.starts_with("key ") => {
                Asking::Signed { access_key: [key[4..].parse().unwrap(); 32] }
            }
            Some(number) => known(number),
        }
    }

    fn look_up<'a>(&'a self, _: Peer, _: &'a Parts) -> Staged<'a, Asking> {
        Box::pin(async { Err(reported(401)) })
    }

    fn prove<'a>(&'a self, _: Peer, head: &'a Parts, body: &'a [u8]) -> Staged<'a, (PrincipalId, Presented)> {
        let number = head.headers["as"].to_str().unwrap()[4..].parse().unwrap();
        let signed = body.starts_with(b"signed");
        Box::pin(
            async move { if signed { Ok((principal(number), Presented::None)) } else { Err(reported(403)) } },
        )
    }

    fn unread(&self, _: &Parts, why: Unread) -> http::Response<Body> {
        reported(match why {
            Unread::Crowded => 429,
            Unread::Slow => 408,
            Unread::TooLarge(_) => 413,
            Unread::BrokeOff | Unread::Headers(_) => 400,
        })
    }

    fn answer(&self, peer: Peer, _: Presented, request: http::Request<Payload>) -> Answering {
        let mut request = request.map(Body::from);
        request.extensions_mut().insert(peer);
        let answered = self.0.clone().oneshot(request);
        Box::pin(async move { answered.await.unwrap() })
    }
}

/// A listener at work.
pub(crate) struct Open {
    pub(crate) address: SocketAddr,
    pub(crate) registry: Arc<Registry>,
    pub(crate) tls: Arc<ArcSwap<rustls::ServerConfig>>,
    pub(crate) stop: Stop,
    pub(crate) ended: JoinHandle<usize>,
}

impl Open {
    pub(crate) async fn new(pki: &Pki, router: Router, limits: Limits) -> Self {
        Self::speaking(pki, Arc::new(Http::new(Arc::new(Behind(router)))), limits).await
    }

    /// A listener on whose connections `protocol` is spoken.
    pub(crate) async fn speaking(pki: &Pki, protocol: Arc<dyn ConnectionProtocol>, limits: Limits) -> Self {
        let socket = bind("127.0.0.1:0".parse().unwrap(), limits.backlog).unwrap();
        let address = socket.local_addr().unwrap();
        let registry = Arc::new(Registry::new());
        let tls = Arc::new(ArcSwap::from_pointee(tls::load(&pki.files()).unwrap()));
        let (stop, stopping) = stop::pair();
        let metrics = ListenerMetrics::new(&registry, "test");
        let listener =
            Listener::new(socket, Arc::clone(&tls), protocol, limits, metrics, Arc::default(), stopping);
        Self { address, registry, tls, stop, ended: tokio::spawn(listener.run()) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// A TLS connection with nothing said yet.
    pub(crate) async fn connect(&self, tls: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
        self.connect_from(tls, 1).await
    }

    /// A connection from loopback address 127.0.0.`last`, without TLS as yet.
    pub(crate) async fn dial_from(&self, last: u8) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, last], 0).into())?;
        socket.connect(self.address).await
    }

    /// A TLS connection from loopback address 127.0.0.`last`.
    pub(crate) async fn connect_from(
        &self,
        tls: ClientConfig,
        last: u8,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = self.dial_from(last).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(tls)).connect(name, stream).await
    }

    pub(crate) async fn stop(self) -> usize {
        self.stop.stop();
        self.ended.await.unwrap()
    }
}

/// A deployment in a folder of its own.
pub(crate) struct Deployment {
    pub(crate) dir: tempfile::TempDir,
}

impl Deployment {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn config(&self) -> Config {
        Config::load(&self.path("claviger.toml")).unwrap()
    }

    pub(crate) fn options(&self) -> QuickstartOptions {
        QuickstartOptions {
            dir: self.dir.path().to_path_buf(),
            evaluation: false,
            root: None,
            listen: Some("127.0.0.1:0".parse().unwrap()),
            ready_file: None,
        }
    }

    pub(crate) async fn start(&self) -> Running {
        quickstart(&self.options(), None).await.unwrap().0
    }

    /// A client with the credential of a profile, or with none.
    pub(crate) fn http(&self, profile: Option<&str>) -> Client {
        let mut trust = RootCertStore::empty();
        trust.add(CertificateDer::from_pem_file(self.path("pki/ca.crt")).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(trust);
        Client::new(match profile {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let file = |extension: &str| self.path(&format!("profiles/{name}.{extension}"));
                let chain = vec![CertificateDer::from_pem_file(file("crt")).unwrap()];
                let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }

    /// One call as the holder of a profile: status and JSON.
    pub(crate) async fn call(
        &self,
        profile: &str,
        method: &str,
        url: String,
        body: Option<Value>,
    ) -> (u16, Value) {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http(Some(profile)).request(method, url);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    pub(crate) async fn create_ring(&self, running: &Running, name: &str) -> (u16, Value) {
        let url = format!("{}/v1/rings", running.urls()[Endpoint::Control]);
        self.call("administrator", "POST", url, Some(serde_json::json!({ "name": name }))).await
    }

    pub(crate) async fn ring_names(&self, running: &Running) -> Vec<String> {
        let url = format!("{}/v1/rings", running.urls()[Endpoint::Control]);
        let (status, page) = self.call("administrator", "GET", url, None).await;
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().unwrap();
        items.iter().map(|ring| ring["name"].as_str().unwrap().to_owned()).collect()
    }

    /// How many entries with that operation code the log has.
    pub(crate) async fn count_entries(&self, running: &Running, op: Op) -> usize {
        let url = format!(
            "{}/v1/audit/entries?operation={}&limit=1000",
            running.urls()[Endpoint::Control],
            op.code()
        );
        let (status, page) = self.call("auditor", "GET", url, None).await;
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().len()
    }
}

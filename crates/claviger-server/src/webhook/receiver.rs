//! One receiver: how it is reached, and what its answers come to.
//!
//! What it keeps true: under TLS, it is 1.3 and its certificate is verified; no redirect is followed, so that nothing goes to an address that is
//! not in the configuration; no attempt takes longer than [`LIMIT`], and of an answer nothing but its status is looked at.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use claviger_core::Timestamp;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::http::Error as HttpError;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, version};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::WebhookError;
use super::message::{Message, Secret, second_of};
use crate::config::{Webhook, WebhookUrl};
use crate::listener::tls;
use crate::pki;

/// How long an attempt may take, the connection included.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// Where systems keep the authorities that they trust.
const OF_SYSTEM: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why a receiver was not told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Untold {
    /// The connection broke, or what came is no HTTP.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    /// It took too long.
    #[error("no answer within the time allowed")]
    Late,
    /// There is no connection, or no TLS on it.
    #[error("no connection: {0}")]
    Unreachable(std::io::Error),
    /// It says that somebody else is to be told.
    #[error("it answered {0}, and redirects are not followed")]
    Redirected(StatusCode),
    /// It did not take the message.
    #[error("it answered {0}")]
    Refused(StatusCode),
    /// The message is none to HTTP.
    #[error("the message cannot be written: {0}")]
    Unsendable(HttpError),
}

/// How TLS is spoken with it.
struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// A receiver.
pub(crate) struct Receiver {
    url: WebhookUrl,
    tls: Option<Tls>,
    secret: Secret,
    limit: Duration,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receiver({:?})", self.url)
    }
}

impl Receiver {
    /// Reads the secret that it shares, and the authorities that its certificate is verified against.
    pub(crate) fn load(webhook: &Webhook) -> Result<Self, WebhookError> {
        let (url, secret) = (webhook.url.clone(), Secret::read(&webhook.secret_file)?);
        let tls = match url.is_tls() {
            false => None,
            true => Some(Tls {
                connector: connector(webhook.ca_file.as_deref())?,
                name: ServerName::try_from(url.host().to_owned())
                    .map_err(|_| WebhookError::Name { host: url.host().to_owned() })?,
            }),
        };
        Ok(Self { url, tls, secret, limit: LIMIT })
    }

    /// The same with another limit.
    #[cfg(test)]
    pub(super) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> String {
        self.url.to_string()
    }

    /// Tells it, at that instant.
    pub(super) async fn tell(&self, message: &Message, at: Timestamp) -> Result<(), Untold> {
        let telling = async {
            let request = self.request(message, at)?;
            let stream = self.connect().await?;
            let status = match &self.tls {
                None => exchange(stream, request).await?,
                Some(tls) => exchange(tls.begin(stream).await?, request).await?,
            };
            if status.is_success() {
                return Ok(());
            }
            Err(if status.is_redirection() { Untold::Redirected(status) } else { Untold::Refused(status) })
        };
        tokio::time::timeout(self.limit, telling).await.unwrap_or(Err(Untold::Late))
    }

    /// Is there somebody, who has the certificate? Nothing is told.
    pub(crate) async fn reach(&self) -> Result<(), Untold> {
        let reaching = async {
            let stream = self.connect().await?;
            match &self.tls {
                None => Ok(()),
                Some(tls) => tls.begin(stream).await.map(drop),
            }
        };
        tokio::time::timeout(self.limit, reaching).await.unwrap_or(Err(Untold::Late))
    }

    async fn connect(&self) -> Result<TcpStream, Untold> {
        TcpStream::connect((self.url.host(), self.url.port())).await.map_err(Untold::Unreachable)
    }

    fn request(&self, message: &Message, at: Timestamp) -> Result<Request<Full<Bytes>>, Untold> {
        let second = second_of(at);
        Request::builder()
            .method(Method::POST)
            .uri(self.url.path())
            .header(HOST, self.url.authority())
            .header(USER_AGENT, concat!("claviger/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", second)
            .header("webhook-signature", self.secret.sign(message, second))
            .body(Full::new(message.body.clone()))
            .map_err(Untold::Unsendable)
    }
}

impl Tls {
    async fn begin(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Untold> {
        self.connector.connect(self.name.clone(), stream).await.map_err(Untold::Unreachable)
    }
}

/// One request and the head of its answer.
async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, Untold>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await?;
    let mut connection = pin!(connection);
    let mut answering = pin!(sender.send_request(request));
    let answered = tokio::select! {
        biased;
        answered = &mut answering => answered,
        // It has come to its end, with the answer or without one.
        _ = &mut connection => answering.await,
    };
    Ok(answered?.status())
}

fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, WebhookError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            for authority in pki::read_certificates(path)? {
                roots.add(authority)?;
            }
        }
        None => {
            // One that this library does not take is no hindrance.
            roots.add_parsable_certificates(of_system());
        }
    }
    if roots.is_empty() {
        return Err(WebhookError::NoAuthorities);
    }
    let mut config = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn of_system() -> Vec<CertificateDer<'static>> {
    let found = OF_SYSTEM.iter().find_map(|path| std::fs::read(path).ok());
    let pem = found.unwrap_or_default();
    CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect()
}

//! Requests as AWS clients send them: JSON 1.1, signed by Signature Version 4, with a secret that need not be the right one.

use std::net::SocketAddr;
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::http::{self, Answer, Connection};
use super::tls::{Identity, Route};

/// The account of a deployment that names no other.
const ACCOUNT: &str = "000000000000";

/// What comes before the paths of an external key store.
pub const KEY_STORE: &str = "/store";

/// An access key, and where it is used.
#[derive(Debug, Clone)]
pub struct AccessKey {
    credentials: Credentials,
    region: String,
    listener: SocketAddr,
    identity: Identity,
}

impl AccessKey {
    /// The access key of a file with settings for a shell, used at a listener.
    ///
    /// # Errors
    /// When it has none.
    pub fn read(settings: &str, listener: SocketAddr, identity: Identity) -> Result<Self> {
        let find = |name: &str| {
            let of = |line: &str| {
                let line = line.strip_prefix("export ").unwrap_or(line);
                line.strip_prefix(name)?.strip_prefix('=').map(|value| value.trim_matches('\'').to_owned())
            };
            settings.lines().find_map(of)
        };
        let value = |name: &str| find(name).with_context(|| format!("no `{name}`"));
        let (id, secret) = (value("AWS_ACCESS_KEY_ID")?, value("AWS_SECRET_ACCESS_KEY")?);
        let credentials = Credentials::from_keys(id, secret, find("AWS_SESSION_TOKEN"));
        let region = find("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned());
        Ok(Self { credentials, region, listener, identity })
    }

    /// The same identifier with a secret that was guessed.
    #[must_use]
    pub fn guessed(&self) -> Self {
        let credentials = Credentials::from_keys(self.credentials.access_key_id(), "A".repeat(40), None);
        Self { credentials, ..self.clone() }
    }

    /// An identifier that nobody has, with some secret.
    #[must_use]
    pub fn unknown(&self) -> Self {
        let id = format!("AKIA{}", "A".repeat(16));
        Self { credentials: Credentials::from_keys(id, "A".repeat(40), None), ..self.clone() }
    }

    /// Where it is used.
    #[must_use]
    pub const fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When it is refused.
    pub fn connect(&self, route: &Route) -> Result<Connection> {
        Connection::open(route, &self.identity)
    }

    /// Calls an operation over a new connection.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn call(&self, operation: &str, input: &Value) -> Result<Answer> {
        let mut connection = Connection::open(&Route::honest(self.listener), &self.identity)?;
        connection.ask(&self.request(operation, input)?)
    }

    /// The same, where it must be done; gives what was answered.
    ///
    /// # Errors
    /// When it is refused.
    pub fn done(&self, operation: &str, input: &Value) -> Result<Value> {
        let answer = self.call(operation, input)?;
        ensure!(answer.is_done(), "`{operation}` was refused: {}", answer.shown());
        Ok(answer.json())
    }

    /// Creates a key; gives its identifier.
    ///
    /// # Errors
    /// When it is refused.
    pub fn create_key(&self) -> Result<String> {
        let made = self.done("CreateKey", &json!({}))?;
        let id = made.pointer("/KeyMetadata/KeyId").and_then(Value::as_str);
        Ok(id.context("a key without an identifier")?.to_owned())
    }

    /// Encrypts some text under a key.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn encrypt(&self, key: &str) -> Result<Answer> {
        self.call("Encrypt", &json!({ "KeyId": key, "Plaintext": STANDARD.encode("4111-1111") }))
    }

    /// A call as bytes, signed now.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn request(&self, operation: &str, input: &Value) -> Result<Vec<u8>> {
        let target = format!("TrentService.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        self.signed("kms", "/", &headers, input)
    }

    /// A call of AWS KMS to its external key store (External Key Store Proxy API, version 1) as bytes, signed now; the path is
    /// what follows the version, as in `keys/ID/encrypt`.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn proxy_request(&self, path: &str, input: &Value) -> Result<Vec<u8>> {
        let path = format!("{KEY_STORE}/kms/xks/v1/{path}");
        self.signed("kms-xks-proxy", &path, &[("content-type", "application/json")], input)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a signature holds an instant, and a client has no other clock"
    )]
    fn signed(&self, service: &str, path: &str, headers: &[(&str, &str)], input: &Value) -> Result<Vec<u8>> {
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let body = input.to_string();
        let signable = SignableRequest::new(
            "POST",
            format!("https://{}{path}", http::HOST),
            headers.iter().copied().chain([("host", http::HOST)]),
            SignableBody::Bytes(body.as_bytes()),
        )?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let (added, _) = instructions.into_parts();
        let added = added.iter().map(|header| (header.name(), header.value()));
        let headers: Vec<_> = headers.iter().copied().chain(added).collect();
        Ok(http::post(path, &headers, body.as_bytes()))
    }
}

/// How a principal is called in ARNs.
#[must_use]
pub fn user(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

/// Why a call was refused: the word before which `__type` may name a service.
#[must_use]
pub fn refusal(answer: &Answer) -> String {
    let body = answer.json();
    let kind = body.get("__type").and_then(Value::as_str).unwrap_or("no error type");
    kind.rsplit('#').next().unwrap_or(kind).to_owned()
}

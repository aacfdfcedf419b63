//! Requests and answers as HTTP: TLS 1.3 with the profile's authorities, no redirects, bounded repetition.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use claviger_crypto::{SecretBytes, random};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::connect::{Pool, pool};
use super::{Answer, Client, ClientError, Reply, Timeouts};
use crate::profile::{Profile, ProfileCredential, parse_url};
use crate::types::secret_json::{WipingBuffer, to_secret_json};
use crate::types::{Problem, header, problem};

/// Longest answer that is read, in bytes: a batch of a thousand, and room to spare.
const MAX_ANSWER: usize = 128 << 20;
/// How often a call is sent at most.
const MAX_SENDINGS: u32 = 4;
/// Longest wait before a repetition.
const MAX_WAIT: Duration = Duration::from_secs(10);

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Which of the two planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// People, with roles.
    Control,
    /// Applications, with grants.
    Data,
}

#[derive(Debug)]
pub(super) struct Transport {
    http: Pool,
    /// What is in the head of every request.
    headers: HeaderMap,
    /// For a call, its answer read to the end.
    limit: Duration,
    control: Option<String>,
    data: Option<String>,
}

impl Transport {
    pub(super) fn new(profile: &Profile, timeouts: Timeouts) -> Result<Self, ClientError> {
        let url = |url: &Option<String>| {
            url.as_deref().map(parse_url).transpose().map_err(|e| ClientError::Setup(e.to_string()))
        };
        let http = pool(tls(profile)?, timeouts.connect);
        let headers = default_headers(profile)?;
        let (control, data) = (url(&profile.control)?, url(&profile.data)?);
        Ok(Self { http, headers, limit: timeouts.call, control, data })
    }

    fn base(&self, plane: Plane) -> Result<&str, ClientError> {
        let (url, name) = match plane {
            Plane::Control => (&self.control, "control"),
            Plane::Data => (&self.data, "data"),
        };
        url.as_deref().ok_or_else(|| ClientError::Setup(format!("the profile has no `{name}` address")))
    }
}

fn tls(profile: &Profile) -> Result<ClientConfig, ClientError> {
    let setup = |error: rustls::Error| ClientError::Setup(error.to_string());
    let mut roots = RootCertStore::empty();
    for authority in &profile.authorities {
        roots.add(authority.clone()).map_err(setup)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(setup)?
        .with_root_certificates(roots);
    match &profile.credential {
        ProfileCredential::Certificate { chain, key } => {
            config.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(setup)
        }
        ProfileCredential::None | ProfileCredential::Token(_) => Ok(config.with_no_client_auth()),
    }
}

fn default_headers(profile: &Profile) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
    if let Some(token) = profile.credential.token() {
        let mut text = zeroize::Zeroizing::new(String::from("Bearer "));
        text.push_str(token.reveal());
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| ClientError::Setup("the token is not visible ASCII".into()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// May a call be sent again when the server says that nothing came of it?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It creates: under an idempotency key it may.
    Creates,
    /// It changes something: never.
    Never,
    /// It reads, or uses a key.
    Safe,
}

/// One call on its way out.
pub(super) struct Request<'a> {
    client: &'a Client,
    plane: Plane,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    repeat: Repeat,
    broken: Option<ClientError>,
}

impl Client {
    pub(super) fn get(&self, plane: Plane, path: String) -> Request<'_> {
        self.request(plane, Method::GET, path, Repeat::Safe)
    }

    /// A use of a key.
    pub(super) fn use_of(&self, path: String) -> Request<'_> {
        self.request(Plane::Data, Method::POST, path, Repeat::Safe)
    }

    /// A creating call of the control plane.
    pub(super) fn create(&self, path: &str) -> Request<'_> {
        let request = self.request(Plane::Control, Method::POST, path.to_owned(), Repeat::Creates);
        match &self.idempotency_key {
            Some(key) => request.header(header::IDEMPOTENCY_KEY, key),
            None => match random::array::<16>() {
                Ok(bytes) => request.header(header::IDEMPOTENCY_KEY, &hexadecimal(&bytes)),
                Err(error) => request.but(ClientError::Setup(error.to_string())),
            },
        }
    }

    /// A call of the control plane that changes something.
    pub(super) fn change(&self, method: Method, path: String) -> Request<'_> {
        self.request(Plane::Control, method, path, Repeat::Never)
    }

    /// A call of that plane that changes something.
    pub(super) fn post(&self, plane: Plane, path: String) -> Request<'_> {
        self.request(plane, Method::POST, path, Repeat::Never)
    }

    /// Does the profile have an address of that plane?
    pub(super) fn has(&self, plane: Plane) -> bool {
        self.transport.base(plane).is_ok()
    }

    fn request(&self, plane: Plane, method: Method, path: String, repeat: Repeat) -> Request<'_> {
        let headers = HeaderMap::new();
        let request =
            Request { client: self, plane, method, path, headers, body: Bytes::new(), repeat, broken: None };
        match &self.request_id {
            Some(id) => request.header(header::REQUEST_ID, id),
            None => request,
        }
    }
}

impl Request<'_> {
    fn but(mut self, error: ClientError) -> Self {
        self.broken.get_or_insert(error);
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(HeaderName::from_static(name), value);
                self
            }
            Err(_) => self.but(ClientError::Setup(format!("`{name}` must be visible ASCII"))),
        }
    }

    pub(super) fn if_revision(self, revision: Option<u64>) -> Self {
        match revision {
            Some(revision) => self.header("if-match", &format!("\"{revision}\"")),
            None => self,
        }
    }

    pub(super) fn query<T: Serialize>(mut self, query: &T) -> Self {
        match query_string(query) {
            Ok(query) if query.is_empty() => self,
            Ok(query) => {
                self.path.push('?');
                self.path.push_str(&query);
                self
            }
            Err(error) => self.but(error),
        }
    }

    /// The body as JSON, in memory that is wiped.
    pub(super) fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        match to_secret_json(body) {
            Ok(json) => {
                self.body = Bytes::from_owner(json.into_body());
                self.headers.insert(CONTENT_TYPE, JSON);
                self
            }
            Err(error) => self.but(ClientError::Setup(error.to_string())),
        }
    }

    /// The body as it is.
    pub(super) fn octets(mut self, body: Bytes) -> Self {
        self.body = body;
        self.headers.insert(CONTENT_TYPE, OCTETS);
        self.headers
            .insert(ACCEPT, HeaderValue::from_static("application/octet-stream, application/problem+json"));
        self
    }

    /// Sends; the answer is JSON.
    #[expect(clippy::disallowed_methods, reason = "the decoder of answers: what is in them is the caller's")]
    pub(super) async fn answer<T: DeserializeOwned>(self) -> Reply<T> {
        let answer = self.answer_octets().await?;
        let value = serde_json::from_slice(answer.value.expose())
            .map_err(|error| ClientError::Decode(error.to_string()))?;
        Ok(answer.map(|_| value))
    }

    /// Sends; the answer is whatever the call is about.
    pub(super) async fn answer_octets(mut self) -> Reply<SecretBytes> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let mut sendings = 1;
        loop {
            let answering = self.send().await?;
            if answering.response.status().is_success() {
                return answering.read().await;
            }
            match self.wait_before_repeating(&answering.response, sendings) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(answering.refusal().await),
            }
            sendings += 1;
        }
    }

    async fn send(&self) -> Result<Answering, ClientError> {
        let transport = &self.client.transport;
        let by = Instant::now() + transport.limit;
        let sending = transport.http.request(self.to_http(transport)?);
        let response = timeout_at(by, sending).await.map_err(|_| too_late())?;
        Ok(Answering { response: response.map_err(|error| ClientError::transport(&error))?, by })
    }

    fn to_http(&self, transport: &Transport) -> Result<http::Request<Full<Bytes>>, ClientError> {
        let url = format!("{}{}", transport.base(self.plane)?, self.path);
        let uri: Uri =
            url.parse().map_err(|error: http::uri::InvalidUri| ClientError::Setup(error.to_string()))?;
        let mut request = http::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = transport.headers.clone();
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }

    fn wait_before_repeating(&self, response: &Response<Incoming>, sendings: u32) -> Option<Duration> {
        let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        let wanted = response.status() == StatusCode::SERVICE_UNAVAILABLE && self.repeat != Repeat::Never;
        if !wanted || sendings >= MAX_SENDINGS {
            return None;
        }
        // The server's wish, and up to as much again, so that callers who were refused together do not come back together.
        let asked = Duration::from_secs(seconds).max(Duration::from_millis(100) * sendings);
        let jitter = random::array::<1>().map_or(0, |[byte]| u32::from(byte));
        Some(asked.saturating_add(asked.saturating_mul(jitter) / 255).min(MAX_WAIT))
    }
}

/// An answer whose head is there, and the instant by which the rest must be.
struct Answering {
    response: Response<Incoming>,
    by: Instant,
}

impl Answering {
    async fn read(self) -> Reply<SecretBytes> {
        let text = |name: &str| {
            let value = self.response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let entry = text(header::ENTRY).and_then(|text| text.parse().ok());
        let receipt = text(header::RECEIPT);
        Ok(Answer { value: self.body().await?, entry, receipt })
    }

    async fn body(self) -> Result<SecretBytes, ClientError> {
        let mut body = self.response.into_body();
        let announced =
            body.size_hint().exact().and_then(|length| usize::try_from(length).ok()).unwrap_or(4096);
        let mut buffer = WipingBuffer::with_capacity(announced.min(1 << 20));
        while let Some(frame) = timeout_at(self.by, body.frame()).await.map_err(|_| too_late())? {
            let frame = frame.map_err(|error| ClientError::transport(&error))?;
            let Some(chunk) = frame.data_ref() else { continue };
            if buffer.len().saturating_add(chunk.len()) > MAX_ANSWER {
                return Err(ClientError::Decode("it is too long".into()));
            }
            buffer.extend(chunk);
        }
        Ok(buffer.into_secret())
    }

    #[expect(clippy::disallowed_methods, reason = "the decoder of answers: a problem holds no secret")]
    async fn refusal(self) -> ClientError {
        let status = self.response.status();
        let typed = self.response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == problem::MEDIA_TYPE);
        let body = match self.body().await {
            Ok(body) => body,
            Err(error) => return error,
        };
        match serde_json::from_slice::<Problem>(body.expose()) {
            Ok(problem) if typed => ClientError::Problem(Box::new(problem)),
            _ => ClientError::Decode(format!("status {status} without a problem that says why")),
        }
    }
}

fn too_late() -> ClientError {
    ClientError::Transport("no answer within the time allowed".into())
}

fn query_string<T: Serialize>(query: &T) -> Result<String, ClientError> {
    let wrong = || ClientError::Setup("the query cannot be written".into());
    let mut out = String::new();
    let members = match serde_json::to_value(query).map_err(|_| wrong())? {
        serde_json::Value::Object(members) => members,
        _ => return Err(wrong()),
    };
    for (name, value) in members {
        let value = match value {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(yes) => yes.to_string(),
            serde_json::Value::Null => continue,
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => return Err(wrong()),
        };
        if !out.is_empty() {
            out.push('&');
        }
        let _ = write!(out, "{}={}", segment(&name), segment(&value));
    }
    Ok(out)
}

/// `text` as one segment of a path or value of a query: all but the unreserved characters percent-encoded (RFC 3986, 2.3).
pub(super) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_hold_no_separator() {
        assert_eq!(segment("orders/main-1.x_~"), "orders%2Fmain-1.x_~");
        assert_eq!(segment("a b?c#d%ä"), "a%20b%3Fc%23d%25%C3%A4");
    }

    #[test]
    fn queries_leave_out_what_is_absent() {
        let query =
            crate::types::key::ListKeys { ring: Some("a/b".into()), limit: Some(5), ..Default::default() };
        let query = query_string(&query).unwrap();
        let mut members: Vec<_> = query.split('&').collect();
        members.sort_unstable();
        assert_eq!(members, ["limit=5", "ring=a%2Fb"]);
    }
}

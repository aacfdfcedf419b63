//! Writes answers: JSON or raw bytes, with the entry and the receipt of the call.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use claviger_client::types::header;
use claviger_client::types::secret_json::to_secret_json;
use claviger_core::receipt::Receipt;
use claviger_core::{Action, KeyId};
use claviger_crypto::SecretBytes;
use claviger_service::ErrorKind;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use crate::error::{Failure, to_wire};

const ENTRY: HeaderName = HeaderName::from_static(header::ENTRY);
const RECEIPT: HeaderName = HeaderName::from_static(header::RECEIPT);
const KEY: HeaderName = HeaderName::from_static(header::KEY);
const VERSION: HeaderName = HeaderName::from_static(header::VERSION);
const ALGORITHM: HeaderName = HeaderName::from_static(header::ALGORITHM);

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Most headers of an answer, those of the HTTP layer included.
const HEADERS: usize = 12;

/// What an answer releases where the head of its request does not say it: put into its extensions for who counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Results {
    /// Of which use.
    pub action: Action,
    /// How many results it has.
    pub number: u64,
}

/// An answer in the making.
#[derive(Debug)]
pub struct Answer(Response);

impl Answer {
    /// JSON that holds no secret.
    ///
    /// # Errors
    /// A [`Failure`] when `value` cannot be JSON; no wire type is such.
    pub fn json(value: &(impl Serialize + ?Sized)) -> Result<Self, Failure> {
        let json = serde_json::to_vec(value).map_err(|_| unwritable())?;
        Ok(Self::of(json.into(), JSON))
    }

    /// JSON that holds secrets, in memory that is wiped.
    ///
    /// # Errors
    /// A [`Failure`] when `value` cannot be JSON; no wire type is such.
    pub fn secret_json(value: &(impl Serialize + ?Sized)) -> Result<Self, Failure> {
        let json = to_secret_json(value).map_err(|_| unwritable())?;
        Ok(Self::of(Bytes::from_owner(json.into_body()), JSON))
    }

    /// Raw bytes that are no secret.
    #[must_use]
    pub fn octets(bytes: Vec<u8>) -> Self {
        Self::of(bytes.into(), OCTETS)
    }

    /// Raw bytes in clear: no copy, wiped when they have been sent.
    #[must_use]
    pub fn secret_octets(secret: SecretBytes) -> Self {
        Self::of(Bytes::from_owner(secret.into_body()), OCTETS)
    }

    /// Text.
    #[must_use]
    pub fn text(text: String) -> Self {
        Self::of(text.into(), TEXT)
    }

    /// JSON that was written before.
    #[must_use]
    pub fn written(json: Bytes) -> Self {
        Self::of(json, JSON)
    }

    fn of(body: Bytes, kind: HeaderValue) -> Self {
        let mut response = Response::new(Body::from(body));
        // Room for all that follow, here and in the plane.
        *response.headers_mut() = HeaderMap::with_capacity(HEADERS);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        Self(response)
    }

    /// With that status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        *self.0.status_mut() = status;
        self
    }

    /// With the revision of what was read as its `ETag`.
    #[must_use]
    pub fn revision(self, revision: u64) -> Self {
        self.header(ETAG, &format!("\"{revision}\""))
    }

    /// With the key and version that were used.
    #[must_use]
    pub fn used(mut self, key: KeyId, version: u32) -> Self {
        self.0.headers_mut().insert(VERSION, HeaderValue::from(version));
        self.header(KEY, &key.to_string())
    }

    /// With the signature algorithm that was used.
    #[must_use]
    pub fn algorithm(mut self, name: &'static str) -> Self {
        self.0.headers_mut().insert(ALGORITHM, HeaderValue::from_static(name));
        self
    }

    /// With so many results of that use.
    #[must_use]
    pub fn results(mut self, action: Action, number: usize) -> Self {
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        self.0.extensions_mut().insert(Results { action, number });
        self
    }

    /// With the entry and receipt of the call: done.
    #[must_use]
    pub fn recorded(mut self, receipt: &Receipt) -> Response {
        self.0.headers_mut().insert(ENTRY, HeaderValue::from(receipt.index()));
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(receipt.to_wire())) {
            self.0.headers_mut().insert(RECEIPT, value);
        }
        self.0
    }

    /// For calls that go no road: done.
    #[must_use]
    pub fn unrecorded(self) -> Response {
        self.0
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers_mut().insert(name, value);
        }
        self
    }
}

fn unwritable() -> Failure {
    Failure::new(to_wire(ErrorKind::Internal), "the answer cannot be written")
}

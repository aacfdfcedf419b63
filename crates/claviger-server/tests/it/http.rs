//! An HTTP client for tests: a pool of connections, requests written in one line, answers read to the end.

use std::time::Duration;

use axum::body::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use serde_json::Value;
use tokio::time::timeout;

type Broken = Box<dyn std::error::Error + Send + Sync>;

/// For an answer's head.
const PATIENCE: Duration = Duration::from_secs(20);

/// Clones share their connections.
#[derive(Clone)]
pub(crate) struct Http(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Http {
    pub(crate) fn new(tls: ClientConfig) -> Self {
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions().build();
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        Self(builder.pool_timer(TokioTimer::new()).build(connector))
    }

    pub(crate) fn get(&self, url: impl AsRef<str>) -> Asking {
        self.request(Method::GET, url)
    }

    pub(crate) fn post(&self, url: impl AsRef<str>) -> Asking {
        self.request(Method::POST, url)
    }

    pub(crate) fn request(&self, method: Method, url: impl AsRef<str>) -> Asking {
        let mut request = Request::new(Full::default());
        *request.method_mut() = method;
        *request.uri_mut() = url.as_ref().parse().unwrap();
        Asking { http: self.clone(), request }
    }
}

/// A request that is being written.
pub(crate) struct Asking {
    http: Http,
    request: Request<Full<Bytes>>,
}

impl Asking {
    pub(crate) fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        let value = HeaderValue::from_str(value.as_ref()).unwrap();
        self.request.headers_mut().insert(HeaderName::from_static(name), value);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = Full::new(body.into());
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(crate) async fn send(self) -> Result<Answered, Broken> {
        Ok(Answered(timeout(PATIENCE, self.http.0.request(self.request)).await??))
    }
}

/// The head of an answer, and its body to be read.
pub(crate) struct Answered(Response<Incoming>);

impl Answered {
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status()
    }

    pub(crate) fn version(&self) -> Version {
        self.0.version()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    pub(crate) async fn bytes(self) -> Result<Bytes, Broken> {
        Ok(self.0.into_body().collect().await?.to_bytes())
    }

    pub(crate) async fn text(self) -> Result<String, Broken> {
        Ok(String::from_utf8(self.bytes().await?.to_vec())?)
    }

    pub(crate) async fn json(self) -> Result<Value, Broken> {
        Ok(serde_json::from_slice(&self.bytes().await?)?)
    }
}

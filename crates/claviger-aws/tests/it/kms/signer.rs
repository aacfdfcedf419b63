//! An access key in the hands of an application, which signs with the signer of the AWS SDK for Rust.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use claviger_core::Timestamp;
use claviger_crypto::SecretBytes;
use claviger_service::operation::NewlyMade;
use http::Request;

/// Under what name the endpoint is reached.
const HOST: &str = "kms.example:7402";

#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) region: &'static str,
    pub(crate) service: &'static str,
    /// Signs in the query, for that time.
    pub(crate) presigned_for: Option<Duration>,
}

#[expect(clippy::disallowed_methods, reason = "the tests sign with what was shown")]
fn shown(secret: &SecretBytes) -> String {
    String::from_utf8(secret.expose().to_vec()).unwrap()
}

impl Signer {
    pub(crate) fn new(made: &NewlyMade) -> Self {
        let key = made.access_key.as_ref().unwrap();
        Self {
            id: key.id.to_string(),
            secret: shown(&key.secret),
            token: key.session_token.as_ref().map(shown),
            region: "us-east-1",
            service: "kms",
            presigned_for: None,
        }
    }

    /// Signs a request as it is, at that instant.
    pub(crate) fn sign(&self, at: Timestamp, mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
        request.headers_mut().insert("host", HOST.parse().unwrap());
        let identity = Credentials::new(&self.id, &self.secret, self.token.clone(), None, "tests").into();
        let mut settings = SigningSettings::default();
        if let Some(span) = self.presigned_for {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(span);
        }
        let params = SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(UNIX_EPOCH + Duration::from_micros(at.as_micros()))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        // The signer wants a whole URI; what goes over the wire is its path and query.
        let uri = format!("https://{HOST}{}", request.uri());
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let body = SignableBody::Bytes(request.body());
        let signable = SignableRequest::new(request.method().as_str(), &uri, headers, body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        *request.uri_mut() = uri.parse().unwrap();
        instructions.apply_to_request_http1x(&mut request);
        *request.uri_mut() = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
        request
    }
}

/// A call of AWS KMS that nobody signed yet.
pub(crate) fn call(operation: &str, body: &[u8]) -> Request<Vec<u8>> {
    Request::post("/")
        .header("host", HOST)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("TrentService.{operation}"))
        .body(body.to_vec())
        .unwrap()
}

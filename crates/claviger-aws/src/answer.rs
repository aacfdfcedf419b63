//! What is written to a response.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use claviger_core::receipt::Receipt;
use claviger_crypto::SecretBytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::AwsError;

const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
/// Bytes of the other members of an answer, as a rule.
const USUAL: usize = 256;
const PLAIN_JSON: HeaderValue = HeaderValue::from_static("application/json");
const XML: HeaderValue = HeaderValue::from_static("text/xml");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const ENTRY: HeaderName = HeaderName::from_static("claviger-entry");
const RECEIPT: HeaderName = HeaderName::from_static("audit-receipt");
/// The same by its earlier name, for one release more.
const EARLIER_RECEIPT: HeaderName = HeaderName::from_static("claviger-receipt");

/// The answer to a call, or the exception.
pub(crate) type Answered = Result<Answer, AwsError>;

/// What an operation answers.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Bytes,
    kind: HeaderValue,
    receipt: Option<Receipt>,
}

impl Answer {
    /// Nothing to say.
    pub(crate) fn empty() -> Self {
        Self::of(Bytes::new(), JSON)
    }

    /// JSON that holds no secret.
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, AwsError> {
        let json = serde_json::to_vec(value).map_err(|_| AwsError::internal())?;
        Ok(Self::of(json.into(), JSON))
    }

    /// A JSON object with one more member that is a secret, in base64, in memory that is wiped when it has been sent.
    pub(crate) fn with_secret(
        value: &impl Serialize,
        member: &'static str,
        secret: &SecretBytes,
    ) -> Result<Self, AwsError> {
        #[expect(clippy::disallowed_methods, reason = "the answer shows it to the one who may have it")]
        let secret = secret.expose();
        let mut body = Zeroizing::new(Vec::new());
        write_object(&mut body, value, member, secret)?;
        Ok(Self::of(Bytes::from_owner(body), JSON))
    }

    /// A JSON object with one more member that is long and no secret, in base64.
    pub(crate) fn with_bytes(
        value: &impl Serialize,
        member: &'static str,
        bytes: &[u8],
    ) -> Result<Self, AwsError> {
        let mut body = Vec::new();
        write_object(&mut body, value, member, bytes)?;
        Ok(Self::of(body.into(), JSON))
    }

    /// XML.
    pub(crate) fn xml(text: String) -> Self {
        Self::of(text.into(), XML)
    }

    /// The same, for a protocol that calls JSON by its common name.
    pub(crate) fn in_plain_json(self) -> Self {
        Self { kind: PLAIN_JSON, ..self }
    }

    fn of(body: Bytes, kind: HeaderValue) -> Self {
        Self { body, kind, receipt: None }
    }

    /// With the receipt of the entry that records it.
    pub(crate) fn recorded(self, receipt: Receipt) -> Self {
        Self { receipt: Some(receipt), ..self }
    }

    /// As a response.
    pub(crate) fn into_response(self, request_id: &str) -> Response {
        let mut response = response(StatusCode::OK, self.kind, self.body, request_id);
        if let Some(receipt) = self.receipt {
            let headers = response.headers_mut();
            headers.insert(ENTRY, HeaderValue::from(receipt.index()));
            if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(receipt.to_wire())) {
                headers.insert(EARLIER_RECEIPT, value.clone());
                headers.insert(RECEIPT, value);
            }
        }
        response
    }
}

/// Writes an object with one more member in base64. There is room for all of it before the first byte of it is written: a
/// buffer that grows leaves copies behind.
fn write_object(
    body: &mut Vec<u8>,
    value: &impl Serialize,
    member: &'static str,
    bytes: &[u8],
) -> Result<(), AwsError> {
    let rest = member.len() + bytes.len().div_ceil(3) * 4 + 8;
    body.reserve(USUAL + rest);
    serde_json::to_writer(&mut *body, value).map_err(|_| AwsError::internal())?;
    body.reserve_exact(rest);
    body.pop_if(|end| *end == b'}').ok_or_else(AwsError::internal)?;
    let comma: &[u8] = if body.len() > 1 { b"," } else { b"" };
    for part in [comma, b"\"", member.as_bytes(), b"\":\""] {
        body.extend_from_slice(part);
    }
    write_base64(body, bytes)?;
    body.extend_from_slice(b"\"}");
    Ok(())
}

/// Appends base64 in place: no other buffer sees what may be a secret.
fn write_base64(body: &mut Vec<u8>, secret: &[u8]) -> Result<(), AwsError> {
    use base64::Engine as _;
    let start = body.len();
    body.resize(start + secret.len().div_ceil(3) * 4, 0);
    let room = body.get_mut(start..).ok_or_else(AwsError::internal)?;
    let written = base64::engine::general_purpose::STANDARD
        .encode_slice(secret, room)
        .map_err(|_| AwsError::internal())?;
    body.truncate(start + written);
    Ok(())
}

/// An exception as a response.
pub(crate) fn exception(error: &AwsError, request_id: &str) -> Response {
    let status = if error.is_fault() { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST };
    let mut body = serde_json::json!({ "__type": error.code() });
    // Where there is nothing to say AWS leaves the member out.
    if let Some(object) = body.as_object_mut().filter(|_| !error.message().is_empty()) {
        object.insert("message".to_owned(), error.message().into());
    }
    let mut response = response(status, JSON, body.to_string().into(), request_id);
    response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(error.code()));
    if let Some(entry) = error.entry() {
        response.headers_mut().insert(ENTRY, HeaderValue::from(entry));
    }
    response
}

/// JSON of a status, for a refusal of another protocol.
pub(crate) fn refusal(status: StatusCode, json: &serde_json::Value, entry: Option<u64>) -> Response {
    let mut response = response(status, PLAIN_JSON, json.to_string().into(), "");
    if let Some(entry) = entry {
        response.headers_mut().insert(ENTRY, HeaderValue::from(entry));
    }
    response
}

/// An exception of a protocol that speaks XML.
pub(crate) fn xml_exception(error: &AwsError, request_id: &str) -> Response {
    let (kind, status) = match error.is_fault() {
        true => ("Receiver", StatusCode::INTERNAL_SERVER_ERROR),
        false => ("Sender", StatusCode::FORBIDDEN),
    };
    // This protocol has older names than JSON's.
    let code = match error.code() {
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        crate::error::code::UNKNOWN_OPERATION => "InvalidAction",
        other => other.strip_suffix("Exception").unwrap_or(other),
    };
    let message = escaped(error.message());
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>{kind}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    );
    response(status, XML, body.into(), request_id)
}

/// Text inside of XML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn response(status: StatusCode, kind: HeaderValue, body: Bytes, request_id: &str) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !request_id.is_empty()
        && let Ok(id) = HeaderValue::from_str(request_id)
    {
        headers.insert(REQUEST_ID, id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_becomes_the_last_member() {
        for secret in [&b""[..], b"a", b"secret", &[7; 100]] {
            let of = |value: serde_json::Value| {
                let answer =
                    Answer::with_secret(&value, "Plaintext", &SecretBytes::copied_from(secret)).unwrap();
                serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()
            };
            let expected = crate::wire::base64(secret);
            assert_eq!(of(serde_json::json!({})), serde_json::json!({ "Plaintext": expected }));
            assert_eq!(
                of(serde_json::json!({ "KeyId": "a}" })),
                serde_json::json!({ "KeyId": "a}", "Plaintext": expected })
            );
        }
    }

    #[test]
    fn xml_holds_text_as_text() {
        assert_eq!(escaped("<a & b>"), "&lt;a &amp; b&gt;");
    }
}

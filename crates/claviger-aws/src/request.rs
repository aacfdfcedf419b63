//! What a request is known by before anything of it is done.

use claviger_crypto::{CryptoError, random};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The content type of a request, without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// The name of this call in answers, traces and, as a tag, in the log.
pub(crate) fn request_id() -> Result<String, CryptoError> {
    Ok(uuid::Builder::from_random_bytes(random::array::<16>()?).into_uuid().to_string())
}

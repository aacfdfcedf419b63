//! Uses that take the bytes as they are: the hot path. A body of `application/octet-stream` becomes the input without a copy,
//! a result the answer's body; what else a use needs comes and goes in headers. Such a request is known by its method, path
//! and content type before the table of routes is asked; the same uses in JSON are rows of the table.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use claviger_client::types::{Pairs, header};
use claviger_crypto::SignatureAlgorithm;
use claviger_crypto::envelope::Context;
use claviger_service::operation::usage::{Decrypt, Encrypt, Mac, Opened, Sign, UseKey, Verify, VerifyMac};
use claviger_service::{KeyRef, Released};
use http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use super::Answered;
use crate::Api;
use crate::answer::Answer;
use crate::arrival::{Arrival, Caller};
use crate::body::{self, Form};
use crate::error::Failure;
use crate::names::parse;
use crate::wire::context_from_wire;
use crate::wire::usage::verified;

/// What is asked of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Decrypt,
    Encrypt,
    Mac,
    Sign,
    Verify,
    VerifyMac,
}

/// A request for a use of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawUse<'a> {
    verb: Verb,
    /// The key, as the path has it; none where the ciphertext names it, which is for decryption alone.
    key: Option<&'a str>,
}

impl<'a> RawUse<'a> {
    /// The use that a request asks for, if it is such a request.
    pub(crate) fn of(parts: &'a Parts) -> Option<Self> {
        let octets = || matches!(body::form(&parts.headers), Ok(Form::Octets));
        (parts.method == Method::POST && octets()).then(|| Self::of_path(parts.uri.path())).flatten()
    }

    fn of_path(path: &'a str) -> Option<Self> {
        if path == "/v1/decrypt" {
            return Some(Self { verb: Verb::Decrypt, key: None });
        }
        let (key, verb) = path.strip_prefix("/v1/keys/")?.split_once('/')?;
        let verb = match verb {
            "decrypt" => Verb::Decrypt,
            "encrypt" => Verb::Encrypt,
            "mac" => Verb::Mac,
            "sign" => Verb::Sign,
            "verify" => Verb::Verify,
            "verify-mac" => Verb::VerifyMac,
            _ => return None,
        };
        (!key.is_empty()).then_some(Self { verb, key: Some(key) })
    }

    /// Carries the request out and answers it.
    pub(crate) async fn answer(self, api: &Api, caller: Caller, parts: &Parts, body: Body) -> Answered {
        let arrival = Arrival::new(api, caller, &parts.headers)?;
        let headers = &parts.headers;
        let key = self.key.map(named).transpose()?;
        let body = body::collect(headers, body, api.limits().body).await?;
        let Some(key) = key else {
            let what = Decrypt { ciphertext: body, context: context(headers)?, algorithm: None };
            return Ok(in_clear(arrival.perform(UseKey::by_header(what)?).await?));
        };
        match self.verb {
            Verb::Encrypt => {
                let what = Encrypt { plaintext: body, context: context(headers)?, algorithm: None };
                let done = arrival.perform(UseKey::new(key, what)).await?;
                let answer = Answer::octets(done.output.ciphertext);
                Ok(answer.used(done.output.key, done.output.version).recorded(&done.receipt))
            }
            Verb::Decrypt => {
                let what = Decrypt { ciphertext: body, context: context(headers)?, algorithm: None };
                Ok(in_clear(arrival.perform(UseKey::new(key, what)).await?))
            }
            Verb::Sign => {
                let (algorithm, prehashed) = (algorithm(headers)?, prehashed(headers)?);
                let what = Sign { algorithm, message: body, prehashed };
                let done = arrival.perform(UseKey::new(key, what)).await?;
                let answer = Answer::octets(done.output.signature).algorithm(done.output.algorithm.name());
                Ok(answer.used(done.output.key, done.output.version).recorded(&done.receipt))
            }
            Verb::Verify => {
                let what = Verify {
                    algorithm: algorithm(headers)?,
                    message: body,
                    prehashed: prehashed(headers)?,
                    signature: octets(headers, header::SIGNATURE)?,
                    version: version(headers)?,
                };
                let done = arrival.perform(UseKey::new(key, what)).await?;
                Ok(Answer::json(&verified(&done.output))?.recorded(&done.receipt))
            }
            Verb::Mac => {
                let done = arrival.perform(UseKey::new(key, Mac { data: body, spec: None })).await?;
                let answer = Answer::octets(done.output.tag);
                Ok(answer.used(done.output.key, done.output.version).recorded(&done.receipt))
            }
            Verb::VerifyMac => {
                let (tag, version) = (octets(headers, header::TAG)?, version(headers)?);
                let what = VerifyMac { data: body, tag, version, spec: None };
                let done = arrival.perform(UseKey::new(key, what)).await?;
                Ok(Answer::json(&verified(&done.output))?.recorded(&done.receipt))
            }
        }
    }
}

/// The key that a segment of a path names.
fn named(segment: &str) -> Result<KeyRef, Failure> {
    parse(&percent_decode_str(segment).decode_utf8().map_err(|_| Failure::unreadable_path())?)
}

fn in_clear(done: Released<Opened>) -> axum::response::Response {
    let answer = Answer::secret_octets(done.output.plaintext).used(done.output.key, done.output.version);
    answer.recorded(&done.receipt)
}

/// The one value of a header.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Failure> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| wrong(name)),
        (Some(_), Some(_)) => Err(wrong(name)),
    }
}

fn wrong(name: &'static str) -> Failure {
    Failure::malformed(format!("header `{name}` cannot be read"))
}

fn context(headers: &HeaderMap) -> Result<Context, Failure> {
    match only(headers, header::CONTEXT)? {
        Some(text) => context_of(text.as_bytes()),
        None => Ok(Context::EMPTY),
    }
}

/// The encryption context that header `claviger-context` says: a JSON object of strings, in base64.
///
/// # Errors
/// A [`Failure`] when it is not, and beyond the limits of contexts.
pub(crate) fn context_of(text: &[u8]) -> Result<Context, Failure> {
    let wrong =
        || Failure::malformed("header `claviger-context` must be a JSON object of strings, in base64");
    let json = STANDARD.decode(text).map_err(|_| wrong())?;
    let pairs: Pairs = serde_json::from_slice(&json).map_err(|_| wrong())?;
    context_from_wire(&pairs)
}

fn octets(headers: &HeaderMap, name: &'static str) -> Result<Bytes, Failure> {
    let text =
        only(headers, name)?.ok_or_else(|| Failure::malformed(format!("header `{name}` is missing")))?;
    STANDARD.decode(text).map(Bytes::from).map_err(|_| wrong(name))
}

fn algorithm(headers: &HeaderMap) -> Result<Option<SignatureAlgorithm>, Failure> {
    only(headers, header::ALGORITHM)?.map(parse).transpose()
}

fn version(headers: &HeaderMap) -> Result<Option<u32>, Failure> {
    only(headers, header::VERSION)?.map(|text| text.parse().map_err(|_| wrong(header::VERSION))).transpose()
}

fn prehashed(headers: &HeaderMap) -> Result<bool, Failure> {
    match only(headers, header::PREHASHED)? {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(wrong(header::PREHASHED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_that_the_table_takes_bytes_at_is_known_without_it() {
        for route in crate::data_routes() {
            let path = route.path.replace("{key}", "orders%2Fmain");
            assert_eq!(RawUse::of_path(&path).is_some(), route.takes_octets, "{path}");
        }
        let found = RawUse::of_path("/v1/keys/orders%2Fmain/encrypt");
        assert_eq!(found, Some(RawUse { verb: Verb::Encrypt, key: Some("orders%2Fmain") }));
        for other in ["/v1/keys//encrypt", "/v1/keys/a/b/encrypt", "/v1/keys/a/encrypt/", "/v1/keys/a"] {
            assert_eq!(RawUse::of_path(other), None, "{other}");
        }
    }

    #[test]
    fn the_context_header_is_canonical_or_refused() {
        let header = STANDARD.encode(r#"{"tenant":"7","purpose":"backup"}"#);
        let context = context_of(header.as_bytes()).unwrap();
        assert_eq!(context.find("tenant"), Some("7"));
        assert!(context_of(STANDARD.encode("{}").as_bytes()).unwrap().is_empty());
        for bad in ["{", "[]", r#"{"a":1}"#, r#"{"a":"1","a":"2"}"#, r#"{"":"1"}"#] {
            assert!(context_of(STANDARD.encode(bad).as_bytes()).is_err(), "{bad}");
        }
        assert!(context_of(b"{}").is_err());
    }
}

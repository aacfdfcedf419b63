//! Uses that take the bytes as they are: the hot path. A body of `application/octet-stream` becomes the input without a copy,
//! a result the answer's body; what else a use needs comes and goes in headers. JSON comes the same way in.

use axum::extract::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use claviger_client::types::{Pairs, header, usage as wire};
use claviger_crypto::SignatureAlgorithm;
use claviger_crypto::envelope::Context;
use claviger_service::operation::usage::{Decrypt, Encrypt, Mac, Opened, Sign, Use, Verify, VerifyMac};
use claviger_service::{KeyRef, Released};
use http::HeaderMap;

use super::usage::{answer_one, perform};
use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body::{self, Form};
use crate::error::Failure;
use crate::names::parse;
use crate::wire::context_from_wire;
use crate::wire::usage::{WireUse, verified};

pub(crate) async fn encrypt(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let (key, headers, form, body) = read(&arrival, &key, request).await?;
    if form != Form::Octets {
        return perform(arrival, key, body::json_of::<wire::Encrypt>(form, &body)?).await;
    }
    let what = Encrypt { plaintext: body, context: context(&headers)? };
    let done = arrival.perform(Use::new(key, what)).await?;
    let answer = Answer::octets(done.output.ciphertext).used(done.output.key, done.output.version);
    Ok(answer.recorded(&done.receipt))
}

pub(crate) async fn decrypt(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let (key, headers, form, body) = read(&arrival, &key, request).await?;
    if form != Form::Octets {
        return perform(arrival, key, body::json_of::<wire::Decrypt>(form, &body)?).await;
    }
    let what = Decrypt { ciphertext: body, context: context(&headers)? };
    Ok(in_clear(arrival.perform(Use::new(key, what)).await?))
}

pub(crate) async fn decrypt_by_header(arrival: Arrival, request: Request) -> Answered {
    let (headers, form, body) = body::read(request, arrival.api().limits().body).await?;
    if form != Form::Octets {
        let what = body::json_of::<wire::Decrypt>(form, &body)?.into_use()?;
        return answer_one::<wire::Decrypt>(arrival.perform(Use::by_header(what)?).await?);
    }
    let what = Decrypt { ciphertext: body, context: context(&headers)? };
    Ok(in_clear(arrival.perform(Use::by_header(what)?).await?))
}

fn in_clear(done: Released<Opened>) -> axum::response::Response {
    let answer = Answer::secret_octets(done.output.plaintext).used(done.output.key, done.output.version);
    answer.recorded(&done.receipt)
}

pub(crate) async fn sign(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let (key, headers, form, body) = read(&arrival, &key, request).await?;
    if form != Form::Octets {
        return perform(arrival, key, body::json_of::<wire::Sign>(form, &body)?).await;
    }
    let what = Sign { algorithm: algorithm(&headers)?, message: body, prehashed: prehashed(&headers)? };
    let done = arrival.perform(Use::new(key, what)).await?;
    let answer = Answer::octets(done.output.signature).used(done.output.key, done.output.version);
    Ok(answer.algorithm(done.output.algorithm.name()).recorded(&done.receipt))
}

pub(crate) async fn verify(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let (key, headers, form, body) = read(&arrival, &key, request).await?;
    if form != Form::Octets {
        return perform(arrival, key, body::json_of::<wire::Verify>(form, &body)?).await;
    }
    let what = Verify {
        algorithm: algorithm(&headers)?,
        message: body,
        prehashed: prehashed(&headers)?,
        signature: octets(&headers, header::SIGNATURE)?,
        version: version(&headers)?,
    };
    let done = arrival.perform(Use::new(key, what)).await?;
    Ok(Answer::json(&verified(&done.output))?.recorded(&done.receipt))
}

pub(crate) async fn mac(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let (key, _, form, body) = read(&arrival, &key, request).await?;
    if form != Form::Octets {
        return perform(arrival, key, body::json_of::<wire::Mac>(form, &body)?).await;
    }
    let done = arrival.perform(Use::new(key, Mac { data: body })).await?;
    let answer = Answer::octets(done.output.tag).used(done.output.key, done.output.version);
    Ok(answer.recorded(&done.receipt))
}

pub(crate) async fn verify_mac(arrival: Arrival, In(key): In<String>, request: Request) -> Answered {
    let (key, headers, form, body) = read(&arrival, &key, request).await?;
    if form != Form::Octets {
        return perform(arrival, key, body::json_of::<wire::VerifyMac>(form, &body)?).await;
    }
    let what = VerifyMac { data: body, tag: octets(&headers, header::TAG)?, version: version(&headers)? };
    let done = arrival.perform(Use::new(key, what)).await?;
    Ok(Answer::json(&verified(&done.output))?.recorded(&done.receipt))
}

async fn read(
    arrival: &Arrival,
    key: &str,
    request: Request,
) -> Result<(KeyRef, HeaderMap, Form, Bytes), Failure> {
    let key = parse(key)?;
    let (headers, form, body) = body::read(request, arrival.api().limits().body).await?;
    Ok((key, headers, form, body))
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

//! What clients of AWS send, and AWS KMS itself.

use claviger_access::authn::access_key::{Audience, PRESIGNED_MAX};
use claviger_aws::xks::{XksError, body};
use claviger_aws::{Realm, decode, sigv4};
use http::request::Parts;
use http::{HeaderValue, Request};

/// A signed request can be read in one way only: with a second claim, or with a header of the protocol that is not
/// signed, it is refused.
pub fn sigv4(bytes: &[u8]) -> bool {
    let Some((parts, body)) = request_of(bytes) else { return false };
    let audience = Audience { service: "kms", region: None };
    let read = |parts: &Parts| sigv4::read(parts, body, &audience);
    let Ok(signed) = read(&parts) else { return false };
    assert_eq!(read(&parts).expect("it was taken before"), signed);
    assert!(signed.presigned_for.is_none_or(|span| !span.is_zero() && span <= PRESIGNED_MAX));
    for (name, value) in [("authorization", "AWS4-HMAC-SHA256 "), ("host", "a"), ("x-amz-fuzz", "a")] {
        let mut more = parts.clone();
        more.headers.append(name, HeaderValue::from_static(value));
        let is_in_query = name == "host" && !parts.headers.contains_key("host");
        assert!(read(&more).is_err() || is_in_query, "a second `{name}` is taken");
    }
    true
}

/// A call of an external key store that is taken is within the bounds of the protocol; one that is refused is refused in its
/// words, and repeats nothing.
pub fn xks(bytes: &[u8]) -> bool {
    let valid = |error: XksError| {
        let message = error.message();
        assert!(message.len() < 512 && message.bytes().all(|b| (0x20..0x7f).contains(&b)), "{message}");
    };
    let sealing = body::encrypt(bytes).map_err(valid);
    if let Ok(body) = &sealing {
        assert!((1..=4300).contains(&body.plaintext.len()) && body.aad.len() <= 8192);
        assert!(body.request.context.pairs().count() >= 3);
    }
    let opening = body::decrypt(bytes).map_err(valid);
    if let Ok(body) = &opening {
        let parts = &body.parts;
        assert!((1..=4300).contains(&parts.ciphertext.len()) && body.aad.len() <= 8192);
        assert!(parts.metadata.len() <= 20 && parts.tag.len() == 16 && [12, 16].contains(&parts.iv.len()));
    }
    let described = body::metadata(bytes).map_err(valid).is_ok();
    let health = body::health(bytes).map_err(valid).is_ok();
    // Each wants what the one before wants, and more.
    assert!(health || !described);
    assert!(described || (sealing.is_err() && opening.is_err()));
    health
}

/// The body of a call; the first byte chooses the operation. It is read in one way, and refused by an exception.
pub fn aws_json(bytes: &[u8]) -> bool {
    let Some((chosen, body)) = bytes.split_first() else { return false };
    let operations = decode::operations();
    let chosen = usize::from(*chosen) % operations.len();
    let Some(operation) = decode::operations().nth(chosen) else { return false };
    let realm = Realm::default();
    let read = decode::body(&realm, operation, body);
    assert_eq!(decode::body(&realm, operation, body), read);
    if let Err(error) = &read {
        assert!(error.code().ends_with("Exception") && error.entry().is_none());
    }
    read.is_ok()
}

/// A key policy: what was read, told and read again is told in the same words.
pub fn key_policy(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let realm = Realm::default();
    let Ok(told) = decode::key_policy(&realm, text) else { return false };
    assert_eq!(decode::key_policy(&realm, &told).expect("what is told can be read"), told);
    true
}

/// A request line, headers, an empty line, a body.
fn request_of(bytes: &[u8]) -> Option<(Parts, &[u8])> {
    let end = bytes.windows(2).position(|two| two == b"\n\n")?;
    let (head, body) = (&bytes[..end], &bytes[end + 2..]);
    let mut lines = head.split(|b| *b == b'\n');
    let (method, target) = split(lines.next()?, b' ')?;
    let mut builder = Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = split(line, b':')?;
        builder = builder.header(name, value);
    }
    Some((builder.body(()).ok()?.into_parts().0, body))
}

fn split(line: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|b| *b == at)?;
    Some((&line[..at], &line[at + 1..]))
}

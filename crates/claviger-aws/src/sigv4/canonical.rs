//! The form of a request that is signed: method, path, query, signed headers, their names, digest of the body.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::claim::Claim;
use super::error::{Part, SigV4Error};
use super::received::Received;

/// All but the unreserved characters (RFC 3986, 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same within a path.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// The canonical request.
pub(super) fn request(
    received: &Received<'_>,
    claim: &Claim<'_>,
    body_digest: &[u8],
) -> Result<Vec<u8>, SigV4Error> {
    let mut out = Vec::with_capacity(1024);
    for line in [received.method, &path(received.path), &query(received, claim.is_presigned())] {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    for name in &claim.signed_headers {
        let mut values = received.signed_values(name);
        let first = values.next().ok_or(SigV4Error::Incomplete(Part::Header))?;
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        push_collapsed(&mut out, first);
        for value in values {
            out.push(b',');
            push_collapsed(&mut out, value);
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(claim.signed_header_names.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(body_digest);
    Ok(out)
}

/// The path without empty and dot segments, encoded once more than it came.
pub(super) fn path(received: &str) -> Cow<'_, str> {
    if received == "/" {
        return Cow::Borrowed(received);
    }
    let mut segments = Vec::new();
    for segment in received.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let ends_open = ["/", "/.", "/.."].iter().any(|end| received.ends_with(end));
    let mut path = String::from("/");
    path.push_str(&segments.join("/"));
    if ends_open && !segments.is_empty() {
        path.push('/');
    }
    Cow::Owned(percent_encode(path.as_bytes(), RESERVED_IN_PATH).to_string())
}

/// The query in the order of encoded names, then values; a presigned one without its signature.
fn query(received: &Received<'_>, is_presigned: bool) -> String {
    let signed = received.query.iter().filter(|(name, _)| !(is_presigned && name == b"X-Amz-Signature"));
    let encoded = |bytes: &[u8]| percent_encode(bytes, RESERVED).to_string();
    let mut pairs: Vec<_> = signed.map(|(name, value)| (encoded(name), encoded(value))).collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// The value without blanks at its ends, and with one for each run of them within.
fn push_collapsed(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

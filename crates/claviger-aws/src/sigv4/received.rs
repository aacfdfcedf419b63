//! A request as it came.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode;

use super::error::{Part, SigV4Error};

/// Headers of one value. Two could be read as the first, the last, or both.
const SINGLE: [HeaderName; 5] = [AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST];

/// A parameter of the query: name and value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// A request with its query taken apart and its host found.
pub(super) struct Received<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// Names and values, decoded, in the order in which they came.
    pub(super) query: Vec<Pair>,
    pub(super) headers: &'a HeaderMap,
    pub(super) host: &'a [u8],
}

impl<'a> Received<'a> {
    pub(super) fn new(parts: &'a Parts) -> Result<Self, SigV4Error> {
        single_values(&parts.headers)?;
        Ok(Self {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: query(parts.uri.query().unwrap_or_default())?,
            headers: &parts.headers,
            host: host(parts)?,
        })
    }

    /// The one value of a header.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&'a HeaderValue> {
        self.headers.get(name)
    }

    /// The one value of a parameter of the query.
    pub(super) fn parameter(&self, name: &str, part: Part) -> Result<Option<&[u8]>, SigV4Error> {
        let mut values = self.query.iter().filter(|(known, _)| known == name.as_bytes());
        let value = values.next().map(|(_, value)| value.as_slice());
        if values.next().is_some() {
            return Err(SigV4Error::Ambiguous(part));
        }
        Ok(value)
    }

    /// All values of a header that is signed; the host may have come beside the headers.
    pub(super) fn signed_values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let is_host = name == HOST.as_str();
        let others = (!is_host).then(|| self.headers.get_all(name).iter().map(HeaderValue::as_bytes));
        is_host.then_some(self.host).into_iter().chain(others.into_iter().flatten())
    }
}

pub(super) fn is_amz(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-amz-")
}

fn single_values(headers: &HeaderMap) -> Result<(), SigV4Error> {
    for name in headers.keys().filter(|name| is_amz(name) || SINGLE.contains(name)) {
        if headers.get_all(name).iter().nth(1).is_some() {
            return Err(SigV4Error::Ambiguous(match *name {
                AUTHORIZATION => Part::Authorization,
                DATE => Part::Date,
                HOST => Part::Host,
                _ => Part::Header,
            }));
        }
    }
    Ok(())
}

/// `Host`, or what stands for it in HTTP/2 (RFC 9113, 8.3.1). Where both came, they must agree.
fn host(parts: &Parts) -> Result<&[u8], SigV4Error> {
    let header = parts.headers.get(HOST).map(HeaderValue::as_bytes);
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = match (header, authority) {
        (Some(header), Some(authority)) if header != authority => {
            return Err(SigV4Error::Ambiguous(Part::Host));
        }
        (Some(host), _) | (None, Some(host)) => host,
        (None, None) => return Err(SigV4Error::Incomplete(Part::Host)),
    };
    if host.is_empty() || host.iter().any(|b| !b.is_ascii_graphic() || *b == b',') {
        return Err(SigV4Error::Malformed(Part::Host));
    }
    Ok(host)
}

fn query(text: &str) -> Result<Vec<Pair>, SigV4Error> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(n, v)| Ok((decoded(n)?, decoded(v)?)))
        .collect()
}

fn decoded(text: &str) -> Result<Vec<u8>, SigV4Error> {
    let mut rest = text.split('%');
    rest.next();
    let is_hex = |code: &str| code.len() >= 2 && code.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    if !rest.all(is_hex) {
        return Err(SigV4Error::Malformed(Part::Query));
    }
    // A blank may come as `+` (the form encoding of HTML); it is signed as `%20`.
    let text = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    Ok(percent_decode(text.as_bytes()).collect())
}

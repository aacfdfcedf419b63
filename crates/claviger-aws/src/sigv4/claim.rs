//! Who claims to have signed: in the header `Authorization`, or in the query (presigned).

use std::time::Duration;

use claviger_access::authn::access_key::{PRESIGNED_MAX, Scope, instant};
use claviger_core::Timestamp;
use http::header::{AUTHORIZATION, DATE, HOST};
use http::{HeaderName, HeaderValue};

use super::date;
use super::error::{Part, SigV4Error};
use super::received::{Pair, Received, is_amz};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What all algorithms of the family begin with.
const FAMILY: &str = "AWS4-";
/// Longest identifier of an access key.
pub(super) const MAX_ACCESS_KEY_ID: usize = 128;
/// Most headers that are signed.
const MAX_SIGNED_HEADERS: usize = 100;

const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// What makes a query a signed one.
const PARAMETERS: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Content-Sha256",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// What a request claims.
pub(super) struct Claim<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) scope: Scope,
    pub(super) signed_at: Timestamp,
    pub(super) presigned_for: Option<Duration>,
    pub(super) session_token: Option<&'a [u8]>,
    /// As it came: names joined by `;`.
    pub(super) signed_header_names: &'a str,
    pub(super) signed_headers: Vec<&'a str>,
    pub(super) signature: [u8; 32],
}

/// The three parts that both forms have, as text.
struct Texts<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    /// Finds the claim, which must be one.
    pub(super) fn find(received: &'a Received<'_>) -> Result<Self, SigV4Error> {
        let is_parameter = |(name, _): &Pair| PARAMETERS.iter().any(|known| known.as_bytes() == name);
        let in_query = received.query.iter().any(is_parameter);
        match (received.headers.get(AUTHORIZATION), in_query) {
            (None, false) => Err(SigV4Error::Missing),
            (None, true) => Self::in_query(received),
            (Some(value), false) => Self::in_header(received, value),
            (Some(_), true) => Err(SigV4Error::Ambiguous(Part::Authorization)),
        }
    }

    pub(super) const fn is_presigned(&self) -> bool {
        self.presigned_for.is_some()
    }

    fn in_header(received: &'a Received<'_>, value: &'a HeaderValue) -> Result<Self, SigV4Error> {
        let texts = Texts::of_header(value)?;
        let signed_at = match (received.header(&AMZ_DATE), received.header(&DATE)) {
            (Some(at), _) => instant::parse(at.as_bytes()),
            (None, Some(at)) => date::of_http(at.as_bytes()),
            (None, None) => return Err(SigV4Error::Incomplete(Part::Date)),
        };
        let signed_at = signed_at.ok_or(SigV4Error::Malformed(Part::Date))?;
        let token = received.header(&SECURITY_TOKEN).map(HeaderValue::as_bytes);
        Self::new(&texts, signed_at, None, token)
    }

    fn in_query(received: &'a Received<'_>) -> Result<Self, SigV4Error> {
        let find = |name, part| received.parameter(name, part);
        let load = |name, part| text(find(name, part)?.ok_or(SigV4Error::Incomplete(part))?, part);
        if load("X-Amz-Algorithm", Part::Algorithm)? != ALGORITHM {
            return Err(SigV4Error::Malformed(Part::Algorithm));
        }
        let texts = Texts {
            credential: load("X-Amz-Credential", Part::Credential)?,
            signed_headers: load("X-Amz-SignedHeaders", Part::SignedHeaders)?,
            signature: load("X-Amz-Signature", Part::Signature)?,
        };
        for (name, part) in [(AMZ_DATE, Part::Date), (SECURITY_TOKEN, Part::SecurityToken)] {
            if received.header(&name).is_some() {
                return Err(SigV4Error::Ambiguous(part));
            }
        }
        let signed_at = instant::parse(load("X-Amz-Date", Part::Date)?.as_bytes());
        let signed_at = signed_at.ok_or(SigV4Error::Malformed(Part::Date))?;
        let seconds = instant::number(load("X-Amz-Expires", Part::Expires)?.as_bytes());
        let span = seconds.map(Duration::from_secs).filter(|span| !span.is_zero() && *span <= PRESIGNED_MAX);
        let span = span.ok_or(SigV4Error::Malformed(Part::Expires))?;
        let token = find("X-Amz-Security-Token", Part::SecurityToken)?;
        Self::new(&texts, signed_at, Some(span), token)
    }

    fn new(
        texts: &Texts<'a>,
        signed_at: Timestamp,
        presigned_for: Option<Duration>,
        session_token: Option<&'a [u8]>,
    ) -> Result<Self, SigV4Error> {
        let (id, scope) = texts.credential.split_once('/').ok_or(SigV4Error::Malformed(Part::Credential))?;
        let is_valid = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if id.is_empty() || id.len() > MAX_ACCESS_KEY_ID || !id.bytes().all(is_valid) {
            return Err(SigV4Error::Malformed(Part::Credential));
        }
        Ok(Self {
            access_key_id: id,
            scope: scope.parse().map_err(|_| SigV4Error::Malformed(Part::Credential))?,
            signed_at,
            presigned_for,
            session_token,
            signed_header_names: texts.signed_headers,
            signed_headers: header_names(texts.signed_headers)?,
            signature: signature(texts.signature)?,
        })
    }

    /// Is everything signed that must be: host, date, each `x-amz-` header, and the body as a whole?
    pub(super) fn covers(&self, received: &Received<'_>, body_digest: &[u8]) -> Result<(), SigV4Error> {
        let is_signed = |name: &HeaderName| self.signed_headers.contains(&name.as_str());
        if !is_signed(&HOST) {
            return Err(SigV4Error::Unsigned(Part::Host));
        }
        let dated_by_http = !self.is_presigned() && received.header(&AMZ_DATE).is_none();
        if dated_by_http && !is_signed(&DATE) {
            return Err(SigV4Error::Unsigned(Part::Date));
        }
        if let Some(name) = received.headers.keys().find(|name| is_amz(name) && !is_signed(name)) {
            let is_date = *name == AMZ_DATE;
            return Err(SigV4Error::Unsigned(if is_date { Part::Date } else { Part::Header }));
        }
        let in_header = received.header(&CONTENT_SHA256).map(HeaderValue::as_bytes);
        let in_query = received.parameter("X-Amz-Content-Sha256", Part::Query)?;
        [in_header, in_query].into_iter().flatten().try_for_each(|named| covers_body(named, body_digest))
    }
}

fn covers_body(named: &[u8], body_digest: &[u8]) -> Result<(), SigV4Error> {
    match named {
        named if named == body_digest => Ok(()),
        named if named == b"UNSIGNED-PAYLOAD" || named.starts_with(b"STREAMING-") => {
            Err(SigV4Error::UnsignedPayload)
        }
        _ => Err(SigV4Error::BodyDigest),
    }
}

impl<'a> Texts<'a> {
    /// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`, each once, in any order.
    fn of_header(value: &'a HeaderValue) -> Result<Self, SigV4Error> {
        let value = text(value.as_bytes(), Part::Authorization)?;
        let (algorithm, rest) = value.split_once(' ').unwrap_or((value, ""));
        if !algorithm.starts_with(FAMILY) {
            return Err(SigV4Error::Missing);
        }
        if algorithm != ALGORITHM {
            return Err(SigV4Error::Malformed(Part::Algorithm));
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for pair in rest.split(',').map(|pair| pair.trim_matches(' ')).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(SigV4Error::Malformed(Part::Authorization))?;
            let (slot, part) = match name {
                "Credential" => (&mut credential, Part::Credential),
                "SignedHeaders" => (&mut signed_headers, Part::SignedHeaders),
                "Signature" => (&mut signature, Part::Signature),
                _ => return Err(SigV4Error::Malformed(Part::Authorization)),
            };
            if slot.replace(value).is_some() {
                return Err(SigV4Error::Ambiguous(part));
            }
        }
        let load = |found: Option<&'a str>, part| found.ok_or(SigV4Error::Incomplete(part));
        Ok(Self {
            credential: load(credential, Part::Credential)?,
            signed_headers: load(signed_headers, Part::SignedHeaders)?,
            signature: load(signature, Part::Signature)?,
        })
    }
}

/// Names in lower case, ascending, each once. The claim itself cannot be among them.
fn header_names(text: &str) -> Result<Vec<&str>, SigV4Error> {
    let names: Vec<_> = text.split(';').take(MAX_SIGNED_HEADERS + 1).collect();
    let is_valid =
        |name: &&str| !name.is_empty() && name.bytes().all(is_of_name) && *name != AUTHORIZATION.as_str();
    let valid =
        names.len() <= MAX_SIGNED_HEADERS && names.is_sorted_by(|a, b| a < b) && names.iter().all(is_valid);
    if valid { Ok(names) } else { Err(SigV4Error::Malformed(Part::SignedHeaders)) }
}

/// May it stand in the name of a header (RFC 9110, 5.6.2), in lower case?
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// 64 digits of lower-case hexadecimal.
fn signature(text: &str) -> Result<[u8; 32], SigV4Error> {
    let malformed = SigV4Error::Malformed(Part::Signature);
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(malformed);
    }
    let mut signature = [0; 32];
    hex::decode_to_slice(text, &mut signature).map_err(|_| malformed)?;
    Ok(signature)
}

/// Text of visible ASCII and blanks.
fn text(bytes: &[u8], part: Part) -> Result<&str, SigV4Error> {
    let valid = bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    std::str::from_utf8(bytes).ok().filter(|_| valid).ok_or(SigV4Error::Malformed(part))
}

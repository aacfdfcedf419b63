//! Reads bodies: bounded, typed by their content type, JSON without surprises.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;

use crate::error::{Failure, transport};

/// In which form a body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// No body at all.
    Absent,
    /// `application/json`.
    Json,
    /// `application/octet-stream`.
    Octets,
}

/// The form that the headers say.
///
/// # Errors
/// A [`Failure`] of status 415 for every other form.
pub fn form(headers: &HeaderMap) -> Result<Form, Failure> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (first, second) = (values.next(), values.next());
    let kind = match (first, second) {
        (None, _) => return Ok(Form::Absent),
        (Some(value), None) => value.to_str().unwrap_or_default(),
        (Some(_), Some(_)) => "",
    };
    let (essence, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let (essence, parameters) = (essence.trim(), parameters.trim());
    if essence.eq_ignore_ascii_case("application/octet-stream") && parameters.is_empty() {
        return Ok(Form::Octets);
    }
    // RFC 8259 knows no charset; many clients send the only one there is.
    let utf8 = parameters.is_empty() || parameters.eq_ignore_ascii_case("charset=utf-8");
    if essence.eq_ignore_ascii_case("application/json") && utf8 {
        return Ok(Form::Json);
    }
    Err(wrong_form("`application/json`, or `application/octet-stream` where the call takes it"))
}

fn wrong_form(expected: &'static str) -> Failure {
    Failure::new(transport::MEDIA_TYPE, format!("`content-type` must be {expected}"))
}

/// For raw bytes where JSON is taken.
pub(crate) fn only_json() -> Failure {
    wrong_form("`application/json`")
}

/// Reads a body of raw bytes or JSON, whichever it is.
pub(crate) async fn read(request: Request, limit: usize) -> Result<(HeaderMap, Form, Bytes), Failure> {
    let (parts, body) = request.into_parts();
    let form = form(&parts.headers)?;
    let bytes = collect(&parts.headers, body, limit).await?;
    if form == Form::Absent && !bytes.is_empty() {
        return Err(wrong_form("said"));
    }
    Ok((parts.headers, form, bytes))
}

/// Reads a JSON body.
pub(crate) async fn json<T: DeserializeOwned>(
    request: Request,
    limit: usize,
) -> Result<(HeaderMap, T), Failure> {
    let (headers, bytes) = json_unparsed(request, limit).await?;
    Ok((headers, parse(&bytes)?))
}

/// Reads a body that says it is JSON.
pub(crate) async fn json_unparsed(request: Request, limit: usize) -> Result<(HeaderMap, Bytes), Failure> {
    match read(request, limit).await? {
        (headers, Form::Json, bytes) => Ok((headers, bytes)),
        (_, Form::Absent | Form::Octets, _) => Err(only_json()),
    }
}

/// Reads a JSON body that may be absent.
pub(crate) async fn json_if_any<T: DeserializeOwned + Default>(
    request: Request,
    limit: usize,
) -> Result<T, Failure> {
    match read(request, limit).await? {
        (_, Form::Absent, _) => Ok(T::default()),
        (_, Form::Json, bytes) => parse(&bytes),
        (_, Form::Octets, _) => Err(only_json()),
    }
}

/// Refuses a body where none is taken.
pub(crate) async fn none(request: Request) -> Result<(), Failure> {
    let (parts, body) = request.into_parts();
    if collect(&parts.headers, body, 0).await.is_ok() {
        return Ok(());
    }
    Err(Failure::malformed("this call takes no body"))
}

/// How much of an unwanted body is read, and for how long: its sender may look for the answer only once all is sent (HTTP/1.1).
const DISCARDED: usize = 1 << 20;
const DISCARDING: Duration = Duration::from_secs(2);

/// Reads a body that is refused, so that its sender gets to see why.
pub async fn discard<B: HttpBody<Data = Bytes> + Unpin>(body: &mut B) {
    let all = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DISCARDED {
                break;
            }
        }
    };
    // Whoever is slower than that learns from the end of the connection.
    let _ = tokio::time::timeout(DISCARDING, all).await;
}

/// The body in one piece: without a copy when it came in one.
pub(crate) async fn collect(headers: &HeaderMap, mut body: Body, limit: usize) -> Result<Bytes, Failure> {
    let too_large = || Failure::too_large(format!("at most {limit} bytes are taken"));
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        Box::pin(discard(&mut body)).await;
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::malformed("the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len().saturating_add(rest.len()).saturating_add(data.len()) > limit {
            Box::pin(discard(&mut body)).await;
            return Err(too_large());
        }
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve(announced.map_or(data.len(), |length| length.saturating_sub(first.len())));
            }
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

/// Parses JSON (RFC 8259).
///
/// # Errors
/// A [`Failure`] that says what is wrong and where, and never quotes a value: a value may be a secret.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| Failure::malformed(speak(&error.to_string())))
}

/// Longest message of a parser that is passed on, in characters.
const MAX_MESSAGE: usize = 400;

/// The parser's message without what it quotes of the caller: values, and names of members that nobody knows. A name may be
/// a secret too, put in the wrong place. Names that the parser knows stay.
pub(crate) fn speak(message: &str) -> String {
    const QUOTING: [&str; 4] = ["invalid type: ", "invalid value: ", "unknown field ", "unknown variant "];
    // What stands before the kind is a path of names, which may be the caller's.
    let kind = QUOTING.into_iter().filter_map(|kind| Some((message.find(kind)?, kind))).min();
    let kind = kind.map(|(_, kind)| kind);
    let expected = || [", expected ", ", there are no "].iter().filter_map(|word| message.rfind(word)).max();
    let safe = match (kind, kind.and_then(|_| expected())) {
        (Some(kind), Some(at)) => {
            format!("{}{}", kind.trim_end_matches([':', ' ']), message.get(at..).unwrap_or_default())
        }
        (Some(kind), None) => kind.trim_end_matches([':', ' ']).to_owned(),
        (None, _) => message.to_owned(),
    };
    safe.chars().take(MAX_MESSAGE).collect()
}

/// Parses the query of a request.
pub(crate) fn query<T: DeserializeOwned>(uri: &http::Uri) -> Result<T, Failure> {
    let parsed = axum::extract::Query::<T>::try_from_uri(uri);
    parsed.map(|query| query.0).map_err(|error| Failure::malformed(speak(&error.body_text())))
}

#[cfg(test)]
mod tests {
    use claviger_client::types::usage::Encrypt;
    use http::HeaderValue;

    use super::*;

    fn form_of(kind: &'static str) -> Result<Form, u16> {
        let headers: HeaderMap = [(CONTENT_TYPE, HeaderValue::from_static(kind))].into_iter().collect();
        form(&headers).map_err(|failure| failure.problem().status.as_u16())
    }

    #[test]
    fn two_forms_and_none_other() {
        for json in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=utf-8"]
        {
            assert_eq!(form_of(json), Ok(Form::Json), "{json}");
        }
        assert_eq!(form_of("application/octet-stream"), Ok(Form::Octets));
        assert_eq!(form(&HeaderMap::new()).unwrap(), Form::Absent);
        for other in
            ["text/plain", "application/json; charset=latin1", "application/xml", "", "application/jsonx"]
        {
            assert_eq!(form_of(other), Err(415), "{other}");
        }
    }

    #[test]
    fn messages_say_what_and_where_but_quote_no_value() {
        let refused =
            |text: &str| parse::<Encrypt>(text.as_bytes()).unwrap_err().to_problem(None).detail.unwrap();
        assert!(refused(r#"{"plaintext":"hunter2!"}"#).contains("base64"));
        let unknown = refused(r#"{"hunter2":"x"}"#);
        assert!(unknown.contains("unknown field") && unknown.contains("`plaintext`"), "{unknown}");
        for text in [
            r#"{"plaintext":"hunter2!"}"#,
            r#"{"plaintext":"","context":"hunter2!"}"#,
            r#"["hunter2!"]"#,
            r#""hunter2!, expected nothing""#,
            r#"{"plaintext":"aGk=","context":{"a":["hunter2!"]}}"#,
            r#"{"hunter2":1}"#,
            r#"{"plaintext":"aGk=","hunter2`, expected `x":1}"#,
            r#"{"plaintext":"aGk=","hunter2, there are no fields":1}"#,
        ] {
            assert!(!refused(text).contains("hunter2"), "{}", refused(text));
        }
        let asked = query::<claviger_client::types::ring::ListRings>(&"/v1/rings?hunter2=1".parse().unwrap());
        let reported = asked.unwrap_err().to_problem(None).detail.unwrap();
        assert!(reported.starts_with("unknown field") && !reported.contains("hunter2"), "{reported}");
        assert!(refused(&format!("{{\"{}\":1}}", "x".repeat(100_000))).chars().count() <= MAX_MESSAGE);
    }

    #[test]
    fn depth_is_bounded() {
        assert!(parse::<serde_json::Value>("[".repeat(100_000).as_bytes()).is_err());
    }

    #[tokio::test]
    async fn a_body_is_never_read_beyond_its_limit() {
        let headers = HeaderMap::new();
        assert_eq!(collect(&headers, Body::from("12345"), 5).await.unwrap(), "12345");
        assert_eq!(collect(&headers, Body::from("123456"), 5).await.unwrap_err().problem().status, 413);
        let announced: HeaderMap = [(CONTENT_LENGTH, HeaderValue::from_static("6"))].into_iter().collect();
        assert_eq!(collect(&announced, Body::empty(), 5).await.unwrap_err().problem().status, 413);
    }
}

//! One request that is in order, and every way in which it is not.

use std::time::Duration;

use claviger_access::SignatureRefused;
use claviger_access::authn::access_key::{SKEW, instant, session_digest_of};
use claviger_core::Timestamp;
use claviger_crypto::SecretBytes;
use claviger_crypto::digest::sha256;
use claviger_crypto::kdf::HmacSha256;

use super::super::{Part, SigV4Error, read};
use super::{SECRET, audience, proves, read_request, request_of};

const SIGNED_AT: &str = "20150830T123600Z";
const SCOPE: &str = "20150830/us-east-1/kms/aws4_request";
const BODY: &str = r#"{"KeyId":"alias/a"}"#;

fn hmac(key: &[u8], data: &str) -> [u8; 32] {
    HmacSha256::new(&SecretBytes::copied_from(key)).tag(&[data.as_bytes()])
}

/// The signature of a canonical request, derived step by step as the documentation of the protocol describes it.
fn signature(canonical: &str) -> String {
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for step in SCOPE.split('/') {
        key = hmac(&key, step).to_vec();
    }
    let digest = hex::encode(sha256(canonical.as_bytes()));
    hex::encode(hmac(&key, &format!("AWS4-HMAC-SHA256\n{SIGNED_AT}\n{SCOPE}\n{digest}")))
}

/// A request that signs these headers, as text. Each defect edits it.
fn signed(headers: &[(&str, &str)]) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let mut lower: Vec<_> =
        headers.iter().map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    lower.sort();
    let names = lower.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let canonical_headers: String = lower.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let body = hex::encode(sha256(BODY.as_bytes()));
    let signature = signature(&format!("POST\n/\n\n{canonical_headers}\n{names}\n{body}"));
    format!(
        "POST / HTTP/1.1\n{lines}Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{SCOPE}, \
         SignedHeaders={names}, Signature={signature}\n\n{BODY}"
    )
}

fn in_order() -> String {
    signed(&[
        ("Host", "kms.example:7402"),
        ("X-Amz-Date", SIGNED_AT),
        ("X-Amz-Target", "TrentService.Encrypt"),
        ("Content-Type", "application/x-amz-json-1.1"),
    ])
}

fn now() -> Timestamp {
    instant::parse(SIGNED_AT.as_bytes()).unwrap()
}

fn holds(text: &str) -> bool {
    let signed = read_request(request_of(text).unwrap(), "kms").unwrap();
    proves(signed, SECRET, None, now()).is_ok()
}

#[track_caller]
fn refused(text: &str, expected: SigV4Error) {
    assert_eq!(read_request(request_of(text).unwrap(), "kms").unwrap_err(), expected, "{text}");
}

#[track_caller]
fn mismatch(text: &str) {
    let signed = read_request(request_of(text).unwrap(), "kms").unwrap();
    assert_eq!(proves(signed, SECRET, None, now()), Err(SignatureRefused::Mismatch), "{text}");
}

#[test]
fn a_request_in_order_is_taken_and_any_other_is_not() {
    assert!(holds(&in_order()));
    mismatch(&in_order().replace("POST /", "PUT /"));
    mismatch(&in_order().replace("POST /", "POST /x"));
    mismatch(&in_order().replace("POST /", "POST /?a"));
    mismatch(&in_order().replace("alias/a", "alias/b"));
    mismatch(&in_order().replace("TrentService.Encrypt", "TrentService.Decrypt"));
    mismatch(&in_order().replace("kms.example:7402", "kms.example"));
    mismatch(&in_order().replace("x-amz-json-1.1", "x-amz-json-1.0"));
    mismatch(&in_order().replace("us-east-1", "us-east-2"));
    mismatch(&in_order().replace("20150830T123600Z", "20150830T123601Z"));
}

#[test]
fn headers_are_signed_as_they_came() {
    // As MongoDB's drivers send it: no blank after the colon, the length signed, the host without its port.
    let length = BODY.len().to_string();
    let of_mongo = signed(&[
        ("Content-Length", &length),
        ("Content-Type", "application/x-amz-json-1.1"),
        ("Host", "127.0.0.1"),
        ("X-Amz-Date", SIGNED_AT),
        ("X-Amz-Target", "TrentService.Encrypt"),
    ]);
    assert!(holds(&of_mongo));
    mismatch(&of_mongo.replace("Host:127.0.0.1", "Host:127.0.0.1:7402"));
    // Blanks around a value and runs of them within mean nothing.
    let spaced = signed(&[("Host", "a"), ("X-Amz-Date", SIGNED_AT), ("My-Note", "one two")]);
    assert!(holds(&spaced.replace("My-Note:one two", "My-Note:  one \t  two  ")));
    mismatch(&spaced.replace("My-Note:one two", "My-Note:onetwo"));
    // Text beyond ASCII is signed as its bytes, and a header that is not signed may say anything.
    assert!(holds(&signed(&[("Host", "a"), ("X-Amz-Date", SIGNED_AT), ("My-Note", "grüße \u{1f511}")])));
    assert!(holds(&in_order().replace("Authorization:", "User-Agent: anything\nAuthorization:")));
}

#[test]
fn the_parts_of_the_header_may_come_in_any_order_and_without_blanks() {
    let text = in_order();
    let (before, claim) = text.split_once("AWS4-HMAC-SHA256 ").unwrap();
    let (claim, body) = claim.split_once("\n\n").unwrap();
    let mut parts: Vec<_> = claim.split(", ").collect();
    parts.reverse();
    assert!(holds(&format!("{before}AWS4-HMAC-SHA256 {}\n\n{body}", parts.join(","))));
}

#[test]
fn what_is_missing_is_named() {
    use SigV4Error::{Incomplete, Missing};
    let without = |begin: &str| {
        let text = in_order();
        text.lines().filter(|line| !line.starts_with(begin)).collect::<Vec<_>>().join("\n")
    };
    refused(&without("Authorization"), Missing);
    refused(&in_order().replace("AWS4-HMAC-SHA256 ", "Bearer "), Missing);
    refused(&in_order().replace("AWS4-HMAC-SHA256 ", "Basic "), Missing);
    refused(&without("X-Amz-Date"), Incomplete(Part::Date));
    refused(&without("Host"), Incomplete(Part::Host));
    refused(&without("Content-Type"), Incomplete(Part::Header));
    let (credential, rest) = (format!("Credential=AKIDEXAMPLE/{SCOPE}, "), in_order());
    refused(&rest.replace(&credential, ""), Incomplete(Part::Credential));
    refused(
        &rest.replace("SignedHeaders=content-type;host;x-amz-date;x-amz-target, ", ""),
        Incomplete(Part::SignedHeaders),
    );
    let (head, _) = rest.split_once(", Signature=").unwrap();
    refused(&format!("{head}\n\n{BODY}"), Incomplete(Part::Signature));
    refused(
        &format!("{}\n\n{BODY}", head.split_once(" Credential").unwrap().0),
        Incomplete(Part::Credential),
    );
}

#[test]
fn what_is_malformed_is_named() {
    use SigV4Error::Malformed;
    let text = in_order();
    for (from, to, part) in [
        ("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 ", Part::Algorithm),
        ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA1 ", Part::Algorithm),
        ("Credential=AKIDEXAMPLE/", "Credential=", Part::Credential),
        ("Credential=AKIDEXAMPLE/", "Credential=/", Part::Credential),
        ("Credential=AKIDEXAMPLE/", "Credential=AKID EXAMPLE/", Part::Credential),
        ("aws4_request", "aws4_reply", Part::Credential),
        ("Credential=", "Credentials=", Part::Authorization),
        ("Credential=", "Extra=1, Credential=", Part::Authorization),
        ("Credential=", "Extra, Credential=", Part::Authorization),
        ("Credential=AKID", "Credential=ÄKID", Part::Authorization),
        ("SignedHeaders=content-type", "SignedHeaders=Content-Type", Part::SignedHeaders),
        ("SignedHeaders=content-type;host", "SignedHeaders=host;content-type", Part::SignedHeaders),
        ("SignedHeaders=content-type;host", "SignedHeaders=content-type;host;host", Part::SignedHeaders),
        ("SignedHeaders=content-type", "SignedHeaders=;content-type", Part::SignedHeaders),
        ("SignedHeaders=content-type", "SignedHeaders=authorization;content-type", Part::SignedHeaders),
        ("SignedHeaders=content-type", "SignedHeaders=content type", Part::SignedHeaders),
        ("Signature=", "Signature=0", Part::Signature),
        ("X-Amz-Date:20150830T123600Z", "X-Amz-Date:Sun, 30 Aug 2015 12:36:00 GMT", Part::Date),
        ("X-Amz-Date:20150830T123600Z", "X-Amz-Date:20150830T123600Z, 20150830T123600Z", Part::Date),
        ("Host:kms", "Host:a,kms", Part::Host),
        ("Host:kms", "Host:a kms", Part::Host),
        ("POST / ", "POST /?a=%4 ", Part::Query),
        ("POST / ", "POST /?%zz=4 ", Part::Query),
    ] {
        assert!(text.contains(from), "{from}");
        refused(&text.replace(from, to), Malformed(part));
    }
    let upper = text.split_once("Signature=").unwrap().1.split_once('\n').unwrap().0.to_uppercase();
    let (head, _) = text.split_once("Signature=").unwrap();
    refused(&format!("{head}Signature={upper}\n\n{BODY}"), Malformed(Part::Signature));
    let many = (0..101).map(|n| format!("a{n:03}")).collect::<Vec<_>>().join(";");
    refused(
        &text.replace("SignedHeaders=content-type", &format!("SignedHeaders={many};content-type")),
        Malformed(Part::SignedHeaders),
    );
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    use SigV4Error::Ambiguous;
    let text = in_order();
    let twice = |line: &str| text.replace("Authorization:", &format!("{line}\nAuthorization:"));
    let authorization = text.lines().find(|line| line.starts_with("Authorization")).unwrap();
    refused(&twice(authorization), Ambiguous(Part::Authorization));
    refused(&twice("Authorization: Bearer x"), Ambiguous(Part::Authorization));
    refused(&twice("Host: evil.example"), Ambiguous(Part::Host));
    refused(&twice("Host: kms.example:7402"), Ambiguous(Part::Host));
    refused(&twice("X-Amz-Date: 20150830T123600Z"), Ambiguous(Part::Header));
    refused(&twice("X-Amz-Target: TrentService.Decrypt"), Ambiguous(Part::Header));
    refused(&twice("Content-Type: text/plain"), Ambiguous(Part::Header));
    refused(&text.replace("Signature=", "Signature=0, Signature="), Ambiguous(Part::Signature));
    refused(&text.replace("Credential=", "Credential=a, Credential="), Ambiguous(Part::Credential));
    // Both forms at once, however little there is of the other.
    for parameter in ["X-Amz-Signature=0", "X-Amz-Date=20150830T123600Z", "X-Amz-Security-Token=a"] {
        refused(&text.replace("POST / ", &format!("POST /?{parameter} ")), Ambiguous(Part::Authorization));
    }
    // A proxy's form of the target, with another host than the header's.
    refused(&text.replace("POST / ", "POST http://evil.example/ "), Ambiguous(Part::Host));
    assert!(holds(&text.replace("POST / ", "POST http://kms.example:7402/ ")));
}

#[test]
fn the_authority_of_http_2_is_the_host() {
    let text = in_order().replace("Host:kms.example:7402\n", "");
    assert!(holds(&text.replace("POST / ", "POST https://kms.example:7402/ ")));
    mismatch(&text.replace("POST / ", "POST https://kms.example:7403/ "));
}

#[test]
fn what_must_be_signed_is_signed() {
    use SigV4Error::Unsigned;
    let date = ("X-Amz-Date", SIGNED_AT);
    let add = |text: String, line: &str| text.replace("Authorization:", &format!("{line}\nAuthorization:"));
    refused(&add(signed(&[date]), "Host: a"), Unsigned(Part::Host));
    refused(&add(signed(&[("Host", "a")]), "X-Amz-Date: 20150830T123600Z"), Unsigned(Part::Date));
    refused(&add(signed(&[("Host", "a")]), "Date: 20150830T123600Z"), Unsigned(Part::Date));
    let plain = signed(&[("Host", "a"), date]);
    assert!(holds(&plain));
    refused(&add(plain.clone(), "X-Amz-Target: TrentService.Encrypt"), Unsigned(Part::Header));
    refused(&add(plain.clone(), "X-Amz-Security-Token: a"), Unsigned(Part::Header));
    assert!(holds(&add(plain, "X-Amzn-Trace-Id: a")));
}

#[test]
fn a_date_of_http_stands_in_for_the_header_of_the_protocol() {
    for date in [SIGNED_AT, "Sun, 30 Aug 2015 12:36:00 GMT"] {
        assert!(holds(&signed(&[("Host", "a"), ("Date", date)])), "{date}");
    }
    refused(&signed(&[("Host", "a"), ("Date", "yesterday")]), SigV4Error::Malformed(Part::Date));
    // Where both are there, the protocol's own counts.
    assert!(holds(&signed(&[("Host", "a"), ("Date", "yesterday"), ("X-Amz-Date", SIGNED_AT)])));
}

#[test]
fn the_body_is_signed_as_a_whole() {
    let with =
        |digest: &str| signed(&[("Host", "a"), ("X-Amz-Date", SIGNED_AT), ("X-Amz-Content-Sha256", digest)]);
    let digest = hex::encode(sha256(BODY.as_bytes()));
    assert!(holds(&with(&digest)));
    refused(&with(&digest.to_uppercase()), SigV4Error::BodyDigest);
    refused(&with(&hex::encode(sha256(b""))), SigV4Error::BodyDigest);
    refused(&with(&digest).replace("alias/a", "alias/b"), SigV4Error::BodyDigest);
    for word in
        ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"]
    {
        refused(&with(word), SigV4Error::UnsignedPayload);
    }
}

/// A presigned request, as text.
fn presigned(expires: &str, more: &str) -> String {
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F{}&X-Amz-Date={SIGNED_AT}\
         &X-Amz-Expires={expires}{more}&X-Amz-SignedHeaders=host",
        SCOPE.replace('/', "%2F")
    );
    let empty = hex::encode(sha256(b""));
    let signature = signature(&format!("GET\n/\n{query}\nhost:a\n\nhost\n{empty}"));
    format!("GET /?{query}&X-Amz-Signature={signature} HTTP/1.1\nHost: a\n\n")
}

#[test]
fn a_presigned_request_has_all_its_parts_once() {
    use SigV4Error::{Ambiguous, Incomplete, Malformed};
    let text = presigned("60", "");
    assert!(holds(&text));
    let signed = read_request(request_of(&text).unwrap(), "kms").unwrap();
    assert_eq!(signed.presigned_for, Some(Duration::from_secs(60)));
    for (parameter, part) in [
        ("X-Amz-Algorithm", Part::Algorithm),
        ("X-Amz-Credential", Part::Credential),
        ("X-Amz-Date", Part::Date),
        ("X-Amz-Expires", Part::Expires),
        ("X-Amz-SignedHeaders", Part::SignedHeaders),
        ("X-Amz-Signature", Part::Signature),
    ] {
        refused(&text.replace(parameter, "Other"), Incomplete(part));
        refused(&text.replace("GET /?", &format!("GET /?{parameter}=a&")), Ambiguous(part));
    }
    refused(&text.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), Malformed(Part::Algorithm));
    refused(&text.replace("Host: a", "Host: a\nX-Amz-Date: 20150830T123600Z"), Ambiguous(Part::Date));
    refused(&text.replace("Host: a", "Host: a\nX-Amz-Security-Token: b"), Ambiguous(Part::SecurityToken));
    refused(&text.replace("Host: a", "Host: a\nAuthorization: Bearer a"), Ambiguous(Part::Authorization));
    refused(
        &text.replace("Host: a", "Host: a\nX-Amz-Target: TrentService.Encrypt"),
        SigV4Error::Unsigned(Part::Header),
    );
    for bad in ["0", "604801", "-1", "%2B60", "6e1", "", "99999999999999999999"] {
        refused(&presigned(bad, ""), Malformed(Part::Expires));
    }
    assert!(holds(&presigned("604800", "")));
    mismatch(&text.replace("X-Amz-Expires=60", "X-Amz-Expires=61"));
    mismatch(&text.replace("GET /?", "GET /?a=b&"));
    refused(&presigned("60", "&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"), SigV4Error::UnsignedPayload);
}

#[test]
fn a_session_token_belongs_to_its_key() {
    let with_token = signed(&[("Host", "a"), ("X-Amz-Date", SIGNED_AT), ("X-Amz-Security-Token", "token")]);
    let read = |text: &str| read_request(request_of(text).unwrap(), "kms").unwrap();
    let session = |token: &str| Some(session_digest_of(token.as_bytes()));
    let refused = Err(SignatureRefused::SessionToken);
    assert_eq!(proves(read(&with_token), SECRET, session("token"), now()), Ok(()));
    assert_eq!(proves(read(&with_token), SECRET, session("other"), now()), refused);
    assert_eq!(proves(read(&with_token), SECRET, None, now()), refused);
    assert_eq!(proves(read(&in_order()), SECRET, session("token"), now()), refused);
    let in_query = presigned("60", "&X-Amz-Security-Token=token");
    assert_eq!(proves(read(&in_query), SECRET, session("token"), now()), Ok(()));
    assert_eq!(proves(read(&in_query), SECRET, None, now()), refused);
}

#[test]
fn a_signature_counts_for_its_time_only() {
    let read = |text: &str| read_request(request_of(text).unwrap(), "kms").unwrap();
    let before =
        |span: Duration| Timestamp::from_micros(now().as_micros() - u64::try_from(span.as_micros()).unwrap());
    let tick = Duration::from_micros(1);
    let in_header = |at| proves(read(&in_order()), SECRET, None, at);
    assert_eq!(in_header(now().after(SKEW)), Ok(()));
    assert_eq!(in_header(before(SKEW)), Ok(()));
    let late = now().after(SKEW + tick);
    let expired = SignatureRefused::Expired { ended_at: now().after(SKEW), now: late, signed_at: now() };
    assert_eq!(in_header(late), Err(expired));
    let early = before(SKEW + tick);
    let not_yet = SignatureRefused::NotYetCurrent { now: early, signed_at: now() };
    assert_eq!(in_header(early), Err(not_yet));

    let hour = Duration::from_secs(3600);
    let in_query = |at| proves(read(&presigned("3600", "")), SECRET, None, at);
    assert_eq!(in_query(now().after(hour)), Ok(()));
    assert!(matches!(in_query(now().after(hour + tick)), Err(SignatureRefused::Expired { .. })));
    assert_eq!(in_query(early), Err(not_yet));
    // Who has not the secret does not learn what the clock says.
    assert_eq!(proves(read(&in_order()), "other", None, late), Err(SignatureRefused::Mismatch));
}

#[test]
fn a_signature_counts_for_its_service_and_region_only() {
    let (parts, body) = request_of(&in_order()).unwrap().into_parts();
    let of = |service, region: Option<&str>| {
        let audience = super::Audience { region: region.map(Into::into), ..audience(service) };
        proves(read(&parts, &body, &audience).unwrap(), SECRET, None, now())
    };
    assert_eq!(of("kms", None), Ok(()));
    assert_eq!(of("kms", Some("us-east-1")), Ok(()));
    assert_eq!(of("kms", Some("us-east-2")), Err(SignatureRefused::Region));
    assert_eq!(of("kms-xks-proxy", None), Err(SignatureRefused::Service));
}

#[test]
fn the_day_of_the_scope_is_that_of_the_request() {
    // Signed on another day than its key was derived for, which whoever holds that day's key could do.
    let date = "20150831T000000Z";
    let names = "host;x-amz-date";
    let canonical = format!("GET\n/\n\nhost:a\nx-amz-date:{date}\n\n{names}\n{}", hex::encode(sha256(b"")));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for step in SCOPE.split('/') {
        key = hmac(&key, step).to_vec();
    }
    let digest = hex::encode(sha256(canonical.as_bytes()));
    let signature = hex::encode(hmac(&key, &format!("AWS4-HMAC-SHA256\n{date}\n{SCOPE}\n{digest}")));
    let text = format!(
        "GET / HTTP/1.1\nHost: a\nX-Amz-Date: {date}\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=AKIDEXAMPLE/{SCOPE}, SignedHeaders={names}, Signature={signature}\n\n"
    );
    let signed = read_request(request_of(&text).unwrap(), "kms").unwrap();
    let now = signed.signed_at;
    assert_eq!(proves(signed, SECRET, None, now), Err(SignatureRefused::Mismatch));
}

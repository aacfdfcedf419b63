//! Random requests, signed by the signer of the AWS SDK for Rust: each is verified, and no change of it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use claviger_access::authn::access_key::session_digest_of;
use http::Request;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{SECRET, proves, read_request};

#[derive(Clone, Debug)]
struct Wanted {
    method: &'static str,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    token: Option<String>,
    presigned: bool,
    seconds: u64,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let method = prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("DELETE")];
    let path = "(/[a-zA-Z0-9._~-]{0,6}|/%[2-7][0-9A-F]|/[!$&'()*+,;=:@]){1,5}";
    let text = "[a-zA-Z0-9._~:/-]{0,8}";
    let query = prop::collection::vec(("[a-z]{1,5}", text), 0..4);
    let headers = prop::collection::btree_map("my-[a-z]{1,6}", "[!-~][ -~]{0,12}", 0..4);
    let body = prop::collection::vec(any::<u8>(), 0..64);
    let token = prop::option::of("[a-zA-Z0-9+/]{8,40}={0,2}");
    let seconds = 1_500_000_000..2_000_000_000_u64;
    (method, path, query, headers, body, token, any::<bool>(), seconds).prop_map(
        |(method, path, query, headers, body, token, presigned, seconds)| Wanted {
            method,
            path,
            query,
            headers: headers.into_iter().collect(),
            body,
            token,
            presigned,
            seconds,
        },
    )
}

impl Wanted {
    fn unsigned(&self) -> Request<Vec<u8>> {
        let query: Vec<_> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let target =
            if query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, query.join("&")) };
        let mut request =
            Request::builder().method(self.method).uri(target).header("host", "kms.example:7402");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(self.body.clone()).unwrap()
    }

    fn signed(&self) -> Request<Vec<u8>> {
        let mut request = self.unsigned();
        let identity = Credentials::new("AKIDEXAMPLE", SECRET, self.token.clone(), None, "tests").into();
        let mut settings = SigningSettings::default();
        if self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(60));
        }
        let params = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("kms")
            .time(self.time())
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        // The signer wants a whole URI; what goes over the wire is its path and query.
        let uri = format!("https://kms.example:7402{}", request.uri());
        let signable =
            SignableRequest::new(self.method, uri, headers, SignableBody::Bytes(request.body())).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        *request.uri_mut() = format!("https://kms.example:7402{}", request.uri()).parse().unwrap();
        instructions.apply_to_request_http1x(&mut request);
        let target = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
        *request.uri_mut() = target;
        request
    }

    fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.seconds)
    }
}

/// Is it taken, and verified at the instant that it names?
fn holds(request: Request<Vec<u8>>, token: Option<&str>) -> bool {
    let Ok(signed) = read_request(request, "kms") else { return false };
    let (now, session) = (signed.signed_at, token.map(|token| session_digest_of(token.as_bytes())));
    proves(signed, SECRET, session, now).is_ok()
}

/// One character of the text changed into another letter or digit.
fn changed(text: &str, at: Index) -> String {
    let places: Vec<_> = text.char_indices().filter(|(_, sign)| sign.is_ascii_alphanumeric()).collect();
    let (at, sign) = places[at.index(places.len())];
    let other = if sign == '7' { '2' } else { '7' };
    format!("{}{other}{}", &text[..at], &text[at + sign.len_utf8()..])
}

proptest! {
    #[test]
    fn what_the_sdk_signs_is_verified(wanted in wanted()) {
        let request = wanted.signed();
        prop_assert!(holds(request, wanted.token.as_deref()), "{wanted:?}");
    }

    #[test]
    fn a_changed_path_or_query_is_refused(wanted in wanted(), at in any::<Index>()) {
        let mut request = wanted.signed();
        let target = request.uri().path_and_query().unwrap().as_str().to_owned();
        prop_assume!(target.bytes().any(|b| b.is_ascii_alphanumeric()));
        let target = changed(&target, at).parse::<http::Uri>();
        prop_assume!(target.is_ok());
        let target = target.unwrap();
        // What a dot segment takes away again is not signed.
        let path = |uri: &http::Uri| crate::sigv4::canonical::path(uri.path()).into_owned();
        let same = path(&target) == path(request.uri()) && target.query() == request.uri().query();
        prop_assume!(!same);
        *request.uri_mut() = target;
        prop_assert!(!holds(request, wanted.token.as_deref()));
    }

    #[test]
    fn a_changed_header_is_refused(wanted in wanted(), which in any::<Index>(), at in any::<Index>()) {
        let mut request = wanted.signed();
        let names: Vec<_> = request.headers().keys().filter(|name| name.as_str() != "x-amz-content-sha256").cloned().collect();
        let name = &names[which.index(names.len())];
        let value = request.headers()[name].to_str().unwrap().to_owned();
        prop_assume!(value.bytes().any(|b| b.is_ascii_alphanumeric()));
        // The name of the access key is no part of what is signed: it chooses the secret.
        let changed = changed(&value, at);
        prop_assume!(changed.contains("AKIDEXAMPLE") || name != "authorization");
        request.headers_mut().insert(name, changed.parse().unwrap());
        prop_assert!(!holds(request, wanted.token.as_deref()));
    }

    #[test]
    fn a_changed_method_or_body_is_refused(wanted in wanted(), at in any::<Index>(), bit in 0..8_u8) {
        let mut request = wanted.signed();
        *request.method_mut() = http::Method::PATCH;
        prop_assert!(!holds(request, wanted.token.as_deref()));
        let mut request = wanted.signed();
        if request.body().is_empty() {
            request.body_mut().push(0);
        } else {
            let at = at.index(request.body().len());
            request.body_mut()[at] ^= 1 << bit;
        }
        prop_assert!(!holds(request, wanted.token.as_deref()));
    }
}

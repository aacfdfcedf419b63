//! The official test suite of Signature Version 4: canonical request, string to sign and signature of each case, in the
//! header and in the query.
//!
//! It is read from the package `aws-sigv4`, which ships it; without it the tests fail rather than pass on nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use claviger_access::authn::access_key::session_digest_of;
use claviger_crypto::digest::sha256;
use claviger_testkit::package;
use serde_json::Value;

use super::super::canonical;
use super::{SECRET, SigV4Error, proves, read_request, request_of};
use crate::sigv4::Part;

/// Cases that cannot come in over HTTP, or that sign by rules of other services.
const LEFT_OUT: [(&str, &str); 10] = [
    ("get-header-value-multiline", "a folded header is refused where HTTP is parsed (RFC 9112, 5.2)"),
    ("get-space-normalized", "a blank within a path is no HTTP; the path alone is tested"),
    ("get-space-unnormalized", "as above"),
    ("get-relative-relative-unnormalized", "the path is signed as it is: a rule of S3"),
    ("get-relative-unnormalized", "as above"),
    ("get-slash-pointless-dot-unnormalized", "as above"),
    ("get-slash-dot-slash-unnormalized", "as above"),
    ("get-slash-unnormalized", "as above"),
    ("get-slashes-unnormalized", "as above"),
    ("post-sts-header-after", "the session token is added after signing; it must be signed here"),
];
/// Cases without a known secret, or without a signature: only what is signed is compared.
const PARTIAL: [&str; 2] = ["double-encode-path", "double-url-encode"];

/// The files of each case, by their names.
fn cases() -> BTreeMap<String, BTreeMap<String, String>> {
    let list = |path: &Path| {
        let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let files = |case: &PathBuf| {
        list(case).iter().map(|file| (name(file), std::fs::read_to_string(file).unwrap())).collect()
    };
    let suite = package::folder("aws-sigv4").join("aws-signing-test-suite/v4");
    list(&suite).iter().map(|case| (name(case), files(case))).collect()
}

/// Holds one form of one case against what the suite says of it.
fn hold(case: &str, files: &BTreeMap<String, String>, form: &str) {
    let expected = |what: &str| files[&format!("{form}-{what}.txt")].trim_end().to_owned();
    let request = request_of(&files[&format!("{form}-signed-request.txt")]).unwrap();
    let context: Value = serde_json::from_str(&files["context.json"]).unwrap();
    let signed = read_request(request, "service").unwrap_or_else(|error| panic!("{case}, {form}: {error}"));
    assert_eq!(signed.canonical, sha256(expected("canonical-request").as_bytes()), "{case}, {form}");
    assert_eq!(signed.string_to_sign(), expected("string-to-sign"), "{case}, {form}");
    assert_eq!(hex::encode(signed.signature), expected("signature"), "{case}, {form}");
    let session = context["credentials"]["token"].as_str().map(|token| session_digest_of(token.as_bytes()));
    let (now, secret) = (signed.signed_at, context["credentials"]["secret_access_key"].as_str().unwrap());
    assert_eq!(secret, SECRET);
    assert_eq!(proves(signed, secret, session, now), Ok(()), "{case}, {form}");
}

#[test]
fn requests_of_the_official_suite_are_verified_in_both_forms() {
    let cases = cases();
    let whole = cases.iter().filter(|(case, _)| {
        !LEFT_OUT.iter().any(|(left_out, _)| left_out == case) && !PARTIAL.contains(&case.as_str())
    });
    let mut held = 0;
    for (case, files) in whole {
        hold(case, files, "header");
        hold(case, files, "query");
        held += 1;
    }
    assert_eq!((held, cases.len()), (28, 28 + LEFT_OUT.len() + PARTIAL.len()));
}

#[test]
fn paths_of_the_official_suite_are_encoded_twice() {
    for case in PARTIAL {
        let files = &cases()[case];
        let line = |file: &str, number: usize| files[file].lines().nth(number).unwrap().to_owned();
        let path = line("request.txt", 0).split(' ').nth(1).unwrap().to_owned();
        assert_eq!(canonical::path(&path), line("header-canonical-request.txt", 1), "{case}");
    }
    assert_eq!(canonical::path("/example space/"), "/example%20space/");
}

#[test]
fn a_session_token_that_is_added_after_signing_is_refused() {
    let files = &cases()["post-sts-header-after"];
    let request = request_of(&files["header-signed-request.txt"]).unwrap();
    assert_eq!(read_request(request, "service").unwrap_err(), SigV4Error::Unsigned(Part::Header));
    let request = request_of(&files["query-signed-request.txt"]).unwrap();
    let signed = read_request(request, "service").unwrap();
    let (now, session) = (signed.signed_at, signed.session);
    assert!(session.is_some() && proves(signed, SECRET, session, now).is_err());
}

#[test]
fn folded_headers_come_through_no_parser() {
    let files = &cases()["get-header-value-multiline"];
    assert!(request_of(&files["header-signed-request.txt"]).is_none());
    assert!(http::HeaderValue::from_bytes(b"value1\r\n  value2").is_err());
}

//! What people and programs send or write: tokens, certificates, bodies, cursors, names, files, governed operations.

use std::fmt::{Debug, Display};
use std::path::Path;
use std::str::FromStr;

use claviger_access::authn;
use claviger_client::profile::ProfileFile;
use claviger_client::types::{Instant, Page, Problem, alias, audit, key, system, usage};
use claviger_core::object::Object;
use claviger_core::{Action, AliasName, Capacity, CredentialId, KeyId, KeyName, Name};
use claviger_crypto::{Purpose, SignatureAlgorithm, Spec};
use claviger_rest::decode::{self, Request};
use claviger_server::Endpoint;
use claviger_server::config::Config;
use claviger_server::pki;
use claviger_service::Governed;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A token has one length and one alphabet.
pub fn token(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    let taken = authn::digest_of(text).is_ok();
    if taken {
        assert!(
            text.len() == 110
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        );
    }
    taken
}

/// A certificate is read or refused, and nothing may follow it.
pub fn certificate(bytes: &[u8]) -> bool {
    let taken = pki::certificate_facts(bytes).is_some();
    if taken {
        assert!(pki::certificate_facts(&[bytes, &[0]].concat()).is_none());
    }
    let _ = authn::certificate::fingerprint(bytes);
    taken
}

/// A request for a certificate is signed by its own key, and nothing may follow it.
pub fn certificate_request(bytes: &[u8]) -> bool {
    let taken = pki::is_request(bytes);
    if taken {
        assert!(!pki::is_request(&[bytes, &[0]].concat()));
    }
    taken
}

/// Bodies and headers of requests, each as its route reads it. The first byte chooses the body.
pub fn request(bytes: &[u8]) -> bool {
    let Some((chosen, rest)) = bytes.split_first() else { return false };
    let request = Request::ALL.get(usize::from(*chosen) % Request::ALL.len());
    let body = request.is_some_and(|request| request.decode(rest).is_ok());
    let headers = [decode::context_header(rest), decode::if_match(rest), decode::content_type(rest)];
    let lists = text(rest).map_or(0, decode::cursors);
    assert!(lists <= 1, "a cursor belongs to one list");
    body || headers.iter().any(Result::is_ok) || lists == 1
}

/// Answers, as the client reads them: what was read, written and read again is the same.
pub fn answer(bytes: &[u8]) -> bool {
    let taken = [
        stable::<alias::Alias>(bytes),
        stable::<Problem>(bytes),
        stable::<audit::Checkpoints>(bytes),
        stable::<audit::EntryPage>(bytes),
        stable::<audit::Proof>(bytes),
        stable::<key::Explanations>(bytes),
        stable::<key::Key>(bytes),
        stable::<Page<key::KeyVersion>>(bytes),
        stable::<system::SystemStatus>(bytes),
        stable::<usage::Sealed>(bytes),
        stable::<usage::Signed>(bytes),
    ];
    taken.contains(&true)
}

fn stable<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return false };
    let written = serde_json::to_vec(&read).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<T>(&written).expect("what was written can be read"), read);
    true
}

/// Files that people write: the configuration and a profile. What is taken has no relative path and no public metrics.
pub fn config(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    let config = Config::from_toml(text, Path::new("/etc/claviger/claviger.toml"));
    match &config {
        Ok(config) => {
            assert!(config.data_dir.is_absolute() && config.tls.key.is_absolute());
            assert!(config.listen[Endpoint::Metrics].ip().is_loopback());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    config.is_ok() || toml::from_str::<ProfileFile>(text).is_ok()
}

/// Words, names and identifiers: one spelling each. Of an instant, one spelling after the first.
pub fn name(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return false };
    let taken = [
        one_spelling::<Action>(text),
        one_spelling::<AliasName>(text),
        one_spelling::<Capacity>(text),
        one_spelling::<CredentialId>(text),
        one_spelling::<KeyId>(text),
        one_spelling::<KeyName>(text),
        one_spelling::<Name>(text),
        one_spelling::<Object>(text),
        one_spelling::<Purpose>(text),
        one_spelling::<SignatureAlgorithm>(text),
        one_spelling::<Spec>(text),
        instant(text),
    ];
    taken.contains(&true)
}

fn one_spelling<T: FromStr + Display>(text: &str) -> bool {
    let Ok(read) = text.parse::<T>() else { return false };
    assert_eq!(read.to_string(), text);
    true
}

fn instant(text: &str) -> bool {
    let Ok(instant) = text.parse::<Instant>() else { return false };
    assert_eq!(instant.to_string().parse::<Instant>().expect("what was written can be read"), instant);
    true
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A governed operation is written as it was read, and is the request that its digest names.
pub fn governed(bytes: &[u8]) -> bool {
    let Ok(asked) = Governed::decode(bytes) else { return false };
    assert_eq!(asked.encode(), bytes);
    assert_eq!(Governed::decode(bytes).map(|again| again.digest()), Ok(asked.digest()));
    assert!(Governed::governs(asked.action()));
    true
}

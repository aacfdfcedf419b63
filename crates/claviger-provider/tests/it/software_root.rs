//! The document of a software root: what opens it, what does not, and what it says of itself.

use std::os::unix::fs::PermissionsExt as _;
use std::{fs, path::Path};

use claviger_core::port::Provider;
use claviger_core::port::provider::RootPublicKey;
use claviger_crypto::SecretBytes;
use claviger_provider::{RootUnlock, SoftwareProvider, SoftwareRootError};
use claviger_testkit::contract::provider::{Case, key_works, new_key, new_ring};

fn passphrase(text: &str) -> RootUnlock {
    RootUnlock::passphrase(SecretBytes::copied_from(text.as_bytes())).unwrap()
}

fn public(provider: &SoftwareProvider) -> [u8; 32] {
    match provider.root_public_key() {
        RootPublicKey::Ed25519(raw) => raw,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reopened_root_opens_what_it_wrapped_before() {
    let unlock = passphrase("correct horse battery staple");
    let (first, document) = SoftwareProvider::create(&unlock).unwrap();
    let ring = new_ring(&first).await;
    let mut fixtures = Vec::new();
    for case in
        Case::all().into_iter().filter(|case| first.supports(case.spec, case.purpose, case.protection))
    {
        fixtures.push((case, new_key(&first, &ring, case).await.unwrap()));
    }
    let sealed = first.seal(b"label", &SecretBytes::copied_from(b"kept")).await.unwrap();
    let identity = public(&first);
    drop(first);
    let second = SoftwareProvider::open(&document, &unlock).unwrap();
    assert_eq!(public(&second), identity);
    assert!(second.unseal(b"label", &sealed).await.unwrap().ct_eq_bytes(b"kept"));
    for (case, fixture) in fixtures {
        key_works(&second, case, &fixture).await;
    }
}

#[test]
fn wrong_passphrase_and_changed_documents_are_refused() {
    let unlock = passphrase("correct horse battery staple");
    let (_, document) = SoftwareProvider::create(&unlock).unwrap();
    let wrong = SoftwareProvider::open(&document, &passphrase("correct horse battery stable"));
    assert!(matches!(wrong, Err(SoftwareRootError::WrongUnlock)));
    assert!(wrong.unwrap_err().to_string().contains("does not open"));
    let key_file = RootUnlock::KeyFile(SecretBytes::zeroed(32));
    assert!(matches!(SoftwareProvider::open(&document, &key_file), Err(SoftwareRootError::NeedsPassphrase)));

    let text = String::from_utf8(document).unwrap();
    for (from, to) in [
        ("insecure_software_root 1", "insecure_software_root 2"),
        ("For evaluation only", "For production also"),
        ("pbkdf2-hmac-sha256 600000", "pbkdf2-hmac-sha256 1"),
        ("pbkdf2-hmac-sha256 600000", "pbkdf2-hmac-sha256 4000000000"),
        ("unlock: passphrase", "unlock: key-file"),
        ("sealed: ", "sealed: zz"),
        ("sealed: ", ""),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        let opened = SoftwareProvider::open(changed.as_bytes(), &unlock);
        assert!(matches!(opened, Err(SoftwareRootError::NotADocument)), "{from} -> {to}");
    }
    // What still has the form of a document is caught by its authentication: salt, iterations, body.
    let more = text.replacen("600000", "600001", 1);
    assert!(matches!(SoftwareProvider::open(more.as_bytes(), &unlock), Err(SoftwareRootError::WrongUnlock)));
    let last = text.trim_end().len() - 1;
    let digit = if text.as_bytes()[last] == b'0' { "1" } else { "0" };
    let damaged = format!("{}{digit}\n", &text[..last]);
    assert!(matches!(
        SoftwareProvider::open(damaged.as_bytes(), &unlock),
        Err(SoftwareRootError::WrongUnlock)
    ));
    for junk in [&b""[..], b"\xff\xfe", &[b'a'; 10_000]] {
        assert!(matches!(SoftwareProvider::open(junk, &unlock), Err(SoftwareRootError::NotADocument)));
    }
}

#[test]
fn document_says_that_it_is_for_evaluation_and_is_slow_to_guess() {
    let (_, document) = SoftwareProvider::create(&passphrase("correct horse battery staple")).unwrap();
    let text = String::from_utf8(document).unwrap();
    assert!(text.starts_with("claviger insecure_software_root 1\nFor evaluation only"));
    assert!(text.contains("pbkdf2-hmac-sha256 600000 "));
    let short = RootUnlock::passphrase(SecretBytes::copied_from(b"short"));
    assert!(matches!(short, Err(SoftwareRootError::ShortPassphrase)));
}

#[test]
fn key_file_is_private_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("root.key");
    let made = RootUnlock::create_key_file(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(RootUnlock::create_key_file(&path), Err(SoftwareRootError::KeyFile(_))));
    let (_, document) = SoftwareProvider::create(&made).unwrap();
    SoftwareProvider::open(&document, &RootUnlock::key_file(&path).unwrap()).unwrap();
    let pass = passphrase("correct horse battery staple");
    assert!(matches!(SoftwareProvider::open(&document, &pass), Err(SoftwareRootError::NeedsKeyFile)));
    let other = RootUnlock::create_key_file(&dir.path().join("other.key")).unwrap();
    assert!(matches!(SoftwareProvider::open(&document, &other), Err(SoftwareRootError::WrongUnlock)));

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(RootUnlock::key_file(&path), Err(SoftwareRootError::KeyFileTooOpen)));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, b"too short").unwrap();
    assert!(matches!(RootUnlock::key_file(&path), Err(SoftwareRootError::NotAKeyFile)));
    assert!(matches!(
        RootUnlock::key_file(Path::new("/nowhere/root.key")),
        Err(SoftwareRootError::KeyFile(_))
    ));
}

#[test]
fn what_is_kept_shows_nothing_of_what_unlocks() {
    let unlock = RootUnlock::KeyFile(SecretBytes::new(vec![0xab; 32]));
    let (provider, document) = SoftwareProvider::create(&unlock).unwrap();
    let text = String::from_utf8(document).unwrap();
    assert!(!text.contains(&"ab".repeat(8)), "the key file's bytes are in the document");
    let shown = format!("{provider:?} {unlock:?}");
    assert!(!shown.contains("171, 171") && shown.contains("SecretBytes(..)"), "{shown}");
}

#[test]
fn forged_iteration_count_does_not_stall() {
    let unlock = passphrase("correct horse battery staple");
    let (_, document) = SoftwareProvider::create(&unlock).unwrap();
    let text = String::from_utf8(document).unwrap().replacen("600000", "10000001", 1);
    assert!(matches!(SoftwareProvider::open(text.as_bytes(), &unlock), Err(SoftwareRootError::NotADocument)));
}

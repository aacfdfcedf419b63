//! Uses that other protocols need: algorithms by name, from key to key, and key pairs.
#![expect(clippy::disallowed_methods, reason = "the tests compare plaintext")]

use claviger_core::{Action, Purpose, Spec};
use claviger_crypto::envelope::Context;
use claviger_crypto::{
    EncryptionAlgorithm, Message, PublicKey, ReadyKey, SecretBytes, SignatureAlgorithm, import,
};
use claviger_service::operation::RotateKey;
use claviger_service::operation::usage::{
    Decrypt, Encrypt, GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext, PairSpec, ReadPublicKey,
    ReencryptFrom, ReencryptInto, UseKey,
};
use claviger_service::{ErrorKind, KeyRef};

use crate::deployment::Deployment;
use crate::evidence;

fn context(value: &str) -> Context {
    Context::from_pairs([("tenant", value)]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn oaep_goes_by_the_name_that_was_asked() {
    use EncryptionAlgorithm::{RsaOaepSha1, RsaOaepSha256, SymmetricDefault};
    let deployment = Deployment::build().await;
    let key = deployment.key("mail", Purpose::Encrypt, Spec::Rsa2048).await;
    deployment.grant(&key, &[Action::Encrypt, Action::Decrypt, Action::ReadPublicKey]).await;
    let named = || KeyRef::Id(key.key.id);
    let read = ReadPublicKey { key: named(), version: None, in_use: false };
    let spki = deployment.ask("app", read).await.unwrap().output.spki;
    let public = PublicKey::from_spki(Spec::Rsa2048, &spki).unwrap();
    for algorithm in [RsaOaepSha1, RsaOaepSha256] {
        let mut body = Vec::new();
        public.seal(algorithm, b"from outside", b"", &mut body).unwrap();
        let open =
            |algorithm| Decrypt { ciphertext: body.clone().into(), context: Context::EMPTY, algorithm };
        let opened = deployment.ask("app", UseKey::new(named(), open(Some(algorithm)))).await.unwrap().output;
        assert_eq!(opened.plaintext.expose(), b"from outside");
        let by_default = deployment.ask("app", UseKey::new(named(), open(None))).await;
        assert_eq!(by_default.is_ok(), algorithm == RsaOaepSha256);
    }
    let plaintext = || bytes::Bytes::from_static(b"x");
    let what = Encrypt { plaintext: plaintext(), context: Context::EMPTY, algorithm: Some(SymmetricDefault) };
    assert_eq!(
        deployment.ask("app", UseKey::new(named(), what)).await.unwrap_err().kind(),
        ErrorKind::WrongPurpose
    );
    let aes = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&aes, &[Action::Encrypt]).await;
    for (algorithm, fits) in [(SymmetricDefault, true), (RsaOaepSha256, false)] {
        let what = Encrypt { plaintext: plaintext(), context: Context::EMPTY, algorithm: Some(algorithm) };
        let done = deployment.ask("app", UseKey::new(KeyRef::Id(aes.key.id), what)).await;
        assert_eq!(done.map_err(|error| error.kind()).err(), (!fits).then_some(ErrorKind::WrongPurpose));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn data_goes_from_an_old_version_of_one_key_to_another_key() {
    let deployment = Deployment::build().await;
    let source = deployment.key("old", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let destination = deployment.key("new", Purpose::Encrypt, Spec::Aes128Gcm).await;
    deployment.grant(&source, &[Action::Encrypt, Action::Reencrypt]).await;
    let sealed = deployment.encrypt("app", &source, b"travels").await.unwrap();
    deployment.ask("ada", RotateKey { key: KeyRef::Id(source.key.id) }).await.unwrap();
    let from = || {
        let what =
            ReencryptFrom { ciphertext: sealed.clone().into(), context: Context::EMPTY, algorithm: None };
        UseKey::by_header(what).unwrap()
    };
    let transit = deployment.ask("app", from()).await.unwrap().output;
    assert_eq!((transit.key(), transit.version()), (source.key.id, 1));
    let into = |transit| {
        let what = ReencryptInto { transit, context: context("a"), algorithm: None };
        UseKey::new(KeyRef::Id(destination.key.id), what)
    };
    assert_eq!(deployment.ask("app", into(transit)).await.unwrap_err().kind(), ErrorKind::NotFound);
    deployment.grant(&destination, &[Action::ReencryptInto, Action::Decrypt]).await;
    let transit = deployment.ask("app", from()).await.unwrap().output;
    let moved = deployment.ask("app", into(transit)).await.unwrap().output;
    assert_eq!(moved.key, destination.key.id);
    for (value, opens) in [("a", true), ("b", false)] {
        let what =
            Decrypt { ciphertext: moved.ciphertext.clone().into(), context: context(value), algorithm: None };
        let opened = deployment.ask("app", UseKey::by_header(what).unwrap()).await;
        assert_eq!(opened.is_ok_and(|opened| opened.output.plaintext.expose() == b"travels"), opens);
    }
    evidence::hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_half_of_a_pair_opens_under_the_key_and_fits_the_public_half() {
    let deployment = Deployment::build().await;
    let key = deployment.key("pairs", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let all = [Action::GenerateDataKeyPair, Action::GenerateDataKeyPairWithoutPlaintext, Action::Decrypt];
    deployment.grant(&key, &all).await;
    let named = || KeyRef::Id(key.key.id);
    for (spec, algorithm) in [
        (Spec::Rsa2048, SignatureAlgorithm::RsaPkcs1Sha256),
        (Spec::EcP384, SignatureAlgorithm::EcdsaSha384),
        (Spec::EcSecp256k1, SignatureAlgorithm::EcdsaSha256),
        (Spec::Ed25519, SignatureAlgorithm::Ed25519),
    ] {
        let spec = PairSpec::new(spec).unwrap();
        let what = GenerateDataKeyPair { spec, context: context("a") };
        let shown = deployment.ask("app", UseKey::new(named(), what)).await.unwrap().output;
        let open = |sealed: &[u8]| Decrypt {
            ciphertext: sealed.to_vec().into(),
            context: context("a"),
            algorithm: None,
        };
        let opened =
            deployment.ask("app", UseKey::new(named(), open(&shown.pair.sealed))).await.unwrap().output;
        assert!(opened.plaintext.ct_eq(&shown.private));
        fits(spec.spec(), algorithm, &opened.plaintext, &shown.pair.public);
        let what = GenerateDataKeyPairWithoutPlaintext { spec, context: context("a") };
        let sealed = deployment.ask("app", UseKey::new(named(), what)).await.unwrap().output;
        let opened = deployment.ask("app", UseKey::new(named(), open(&sealed.sealed))).await.unwrap().output;
        fits(spec.spec(), algorithm, &opened.plaintext, &sealed.public);
    }
    assert_eq!(PairSpec::new(Spec::Aes256Gcm).unwrap_err().kind(), ErrorKind::InvalidArgument);
    evidence::hold(&deployment).await;
}

fn fits(spec: Spec, algorithm: SignatureAlgorithm, private: &SecretBytes, public: &[u8]) {
    let key = ReadyKey::from_material(spec, &import(spec, private).unwrap().secret).unwrap();
    let signature = key.sign(algorithm, Message::Raw(b"m")).unwrap();
    let public = PublicKey::from_spki(spec, public).unwrap();
    public.verify(algorithm, Message::Raw(b"m"), &signature).unwrap();
}

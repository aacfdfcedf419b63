//! The root in a token: made once, checked always, refused when it is not fit.

use claviger_core::key::Protection;
use claviger_core::port::{Provider, ProviderError};
use claviger_core::{Purpose, Spec};
use claviger_crypto::SecretBytes;
use claviger_provider::{CreateRoot, FewAttempts, Pkcs11Config, Pkcs11OpenError, TokenSelector, pin_refused};
use claviger_testkit::contract::provider::{Case, key_works, new_key, new_ring};
use claviger_testkit::softhsm::SoftHsm;
use claviger_testkit::{here, softhsm};
use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

use crate::token;

const IN_TOKEN: Case = Case { spec: Spec::Aes256Gcm, purpose: Purpose::Encrypt, protection: Protection::Hsm };

/// Looks at the token beside the provider, as an administrator with the PIN could.
fn beside(hsm: &SoftHsm) -> Session {
    let pkcs11 = Pkcs11::new(hsm.library()).unwrap();
    let has_label = |slot: &cryptoki::slot::Slot| {
        pkcs11.get_token_info(*slot).is_ok_and(|info| info.label() == hsm.label())
    };
    let slot = pkcs11.get_slots_with_token().unwrap().into_iter().find(has_label).unwrap();
    let session = pkcs11.open_rw_session(slot).unwrap();
    // The provider may be logged in already, which counts for the whole process.
    let pin = AuthPin::new(String::from_utf8(hsm.pin().expose().to_vec()).unwrap().into());
    let _ = session.login(UserType::User, Some(&pin));
    session
}

fn labelled(session: &Session, label: &str) -> Vec<ObjectHandle> {
    session.find_objects(&[Attribute::Label(label.as_bytes().to_vec())]).unwrap()
}

#[test]
fn root_keys_are_sensitive_and_cannot_be_read_or_wrapped() {
    softhsm::isolated(here!(), |hsm| {
        let provider = token::open_new(hsm);
        let module = provider.module();
        let said = [module.wrapping.unwrap(), module.sealing];
        assert_eq!(said.each_ref().map(|by| by.algorithm.as_str()), ["aes-256-kwp", "aes-256-gcm"]);
        assert!(said.iter().all(|by| (by.version, by.strength_bits) == (1, 256)), "{said:?}");
        let labels = said.each_ref().map(|by| by.key.as_str());
        assert_eq!(labels, ["test-root-wrap-1", "test-root-seal-1"]);
        let session = beside(hsm);
        let [wrap, seal] = labels.map(|label| {
            let found = labelled(&session, label);
            assert_eq!(found.len(), 1, "{label}");
            found[0]
        });
        for key in [wrap, seal] {
            let custody = [
                Attribute::Sensitive(true),
                Attribute::Extractable(false),
                Attribute::AlwaysSensitive(true),
                Attribute::NeverExtractable(true),
                Attribute::Token(true),
                Attribute::Private(true),
                Attribute::Modifiable(false),
                Attribute::Copyable(false),
            ];
            for expected in custody {
                let reported = session.get_attributes(key, &[expected.attribute_type()]).unwrap();
                assert_eq!(reported, [expected]);
            }
            assert_eq!(session.get_attributes(key, &[AttributeType::Value]).unwrap(), []);
        }
        // Neither key takes the other out, and neither does the other's work.
        session.wrap_key(&Mechanism::AesKeyWrapPad, wrap, seal).unwrap_err();
        session.wrap_key(&Mechanism::AesKeyWrapPad, seal, wrap).unwrap_err();
        let mut nonce = [0; 12];
        let gcm = Mechanism::AesGcm(GcmParams::new(&mut nonce, b"", 128.into()).unwrap());
        session.encrypt(&gcm, wrap, b"data").unwrap_err();
        let signing = labelled(&session, "test-root-sign-1");
        assert_eq!(signing.len(), 2, "a private and a public key");
        for key in signing {
            let private = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
            if session.get_attributes(key, &[AttributeType::Class]).unwrap() == private {
                session.wrap_key(&Mechanism::AesKeyWrapPad, wrap, key).unwrap_err();
                assert_eq!(session.get_attributes(key, &[AttributeType::Value]).unwrap(), []);
            }
        }
    });
}

#[test]
fn root_is_made_once_and_found_again() {
    softhsm::isolated(here!(), |hsm| {
        let runtime = token::runtime();
        let missing = token::open(token::config(hsm), CreateRoot::Never).unwrap_err();
        assert!(matches!(missing, Pkcs11OpenError::RootMissing), "{missing}");
        let first = token::open_new(hsm);
        let (identity, ring, fixture, sealed) = runtime.block_on(async {
            let ring = new_ring(&first).await;
            let fixture = new_key(&first, &ring, IN_TOKEN).await.unwrap();
            let sealed = first.seal(b"label", &SecretBytes::copied_from(b"kept")).await.unwrap();
            (first.root_public_key(), ring, fixture, sealed)
        });
        drop(first);
        let second = token::open(token::config(hsm), CreateRoot::Never).unwrap();
        let third = token::open_new(hsm);
        runtime.block_on(async {
            for provider in [&second, &third] {
                assert_eq!(provider.root_public_key(), identity);
                assert!(provider.unseal(b"label", &sealed).await.unwrap().ct_eq_bytes(b"kept"));
                key_works(provider, IN_TOKEN, &fixture).await;
                let software = Case { protection: Protection::Software, ..IN_TOKEN };
                let more = new_key(provider, &ring, software).await.unwrap();
                key_works(provider, software, &more).await;
            }
        });
        assert_eq!(labelled(&beside(hsm), "test-root-seal-1").len(), 1, "no second root");
    });
}

#[test]
fn two_roots_do_not_open_each_others_wraps() {
    softhsm::isolated(here!(), |hsm| {
        let runtime = token::runtime();
        let one = token::open_new(hsm);
        let mut config = token::config(hsm);
        config.label_prefix = "other".to_owned();
        let two = token::open(config, CreateRoot::IfMissing).unwrap();
        assert_ne!(one.root_public_key(), two.root_public_key());
        runtime.block_on(async {
            let ring = new_ring(&one).await;
            let in_token = new_key(&one, &ring, IN_TOKEN).await.unwrap();
            let software = Case { protection: Protection::Software, ..IN_TOKEN };
            let in_process = new_key(&one, &ring, software).await.unwrap();
            assert_eq!(in_token.open(&two).await.err(), Some(ProviderError::BadWrap));
            assert_eq!(in_process.open(&two).await.err(), Some(ProviderError::BadWrap));
            let sealed = one.seal(b"label", &SecretBytes::copied_from(b"kept")).await.unwrap();
            assert_eq!(two.unseal(b"label", &sealed).await.err(), Some(ProviderError::BadWrap));
            key_works(&one, IN_TOKEN, &in_token).await;
        });
    });
}

#[test]
fn wrong_pin_is_refused_after_one_attempt() {
    softhsm::isolated(here!(), |hsm| {
        let mut config = token::config(hsm);
        config.pin = SecretBytes::copied_from(b"not the PIN");
        let refused = token::open(config, CreateRoot::IfMissing).unwrap_err();
        assert!(matches!(refused, Pkcs11OpenError::LoginRefused), "{refused}");
        assert!(refused.to_string().contains("one attempt"));
        assert!(*pin_refused().borrow());
        // No other attempt of this process, and be it with the right PIN: the token would forget the wrong one over it.
        for few_attempts in [FewAttempts::Keep, FewAttempts::Risk] {
            let config = Pkcs11Config { few_attempts, ..token::config(hsm) };
            let refused = token::open(config, CreateRoot::IfMissing).unwrap_err();
            assert!(matches!(refused, Pkcs11OpenError::LoginRefused), "{refused}");
            assert!(counts_low(hsm));
        }
    });
}

#[test]
fn token_that_reports_a_low_count_is_shown_the_pin_only_if_the_caller_says_so() {
    softhsm::isolated(here!(), |hsm| {
        hsm.mistype();
        let kept = token::open(token::config(hsm), CreateRoot::IfMissing).unwrap_err();
        assert!(matches!(kept, Pkcs11OpenError::PinAtRisk(_)), "{kept}");
        assert!(kept.to_string().contains("--risk-pin-lock") && counts_low(hsm));
        assert!(!*pin_refused().borrow(), "nothing was refused, and a person may decide to risk it");
        let risked = Pkcs11Config { few_attempts: FewAttempts::Risk, ..token::config(hsm) };
        drop(token::open(risked, CreateRoot::IfMissing).unwrap());
        assert!(!counts_low(hsm));
    });
}

/// Does the token report that a wrong PIN was entered and no right one since?
fn counts_low(hsm: &SoftHsm) -> bool {
    let pkcs11 = Pkcs11::new(hsm.library()).unwrap();
    let slots = pkcs11.get_slots_with_token().unwrap();
    let tokens = slots.into_iter().filter_map(|slot| pkcs11.get_token_info(slot).ok());
    tokens.into_iter().any(|token| token.label() == hsm.label() && token.user_pin_count_low())
}

#[test]
fn absent_library_and_token_are_named() {
    softhsm::isolated(here!(), |hsm| {
        let mut config = token::config(hsm);
        config.library = "/nowhere/libpkcs11.so".into();
        let error = token::open(config, CreateRoot::Never).unwrap_err();
        assert!(error.to_string().contains("/nowhere/libpkcs11.so"), "{error}");
        // A library that is there, and is none of PKCS#11.
        let mut config = token::config(hsm);
        config.library = std::env::current_exe().unwrap();
        assert!(matches!(token::open(config, CreateRoot::Never), Err(Pkcs11OpenError::Library { .. })));
        let mut config = token::config(hsm);
        config.token = TokenSelector::Label("another".to_owned());
        let error = token::open(config, CreateRoot::Never).unwrap_err();
        assert!(matches!(error, Pkcs11OpenError::NoToken { .. }) && error.to_string().contains("`another`"));
        let mut config = token::config(hsm);
        config.token = TokenSelector::Slot(987_654_321);
        assert!(matches!(token::open(config, CreateRoot::Never), Err(Pkcs11OpenError::NoToken { .. })));
    });
}

/// Makes an AES key with the root's label and what else `change` says.
fn planted(session: &Session, label: &str, change: &[Attribute]) {
    let mut template = vec![
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::ValueLen(32.into()),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Encrypt(false),
        Attribute::Decrypt(false),
        Attribute::Wrap(true),
        Attribute::Unwrap(true),
        Attribute::Sign(false),
        Attribute::Verify(false),
        Attribute::Derive(false),
    ];
    for attribute in change {
        template.retain(|kept| kept.attribute_type() != attribute.attribute_type());
        template.push(attribute.clone());
    }
    session.generate_key(&Mechanism::AesKeyGen, &template).unwrap();
}

#[test]
fn root_that_could_leave_or_do_more_is_refused() {
    softhsm::isolated(here!(), |hsm| {
        drop(token::open_new(hsm));
        let session = beside(hsm);
        let cases: [(&[Attribute], &str); 5] = [
            (&[Attribute::Extractable(true)], "it is extractable"),
            (&[Attribute::Sensitive(false)], "it is not sensitive"),
            (&[Attribute::Private(false)], "it is visible without login"),
            (&[Attribute::Decrypt(true)], "it may be used otherwise than a key of its kind"),
            (&[Attribute::ValueLen(16.into())], "it is not an AES key of 256 bits"),
        ];
        for (change, expected) in cases {
            for key in labelled(&session, "test-root-wrap-1") {
                session.destroy_object(key).unwrap();
            }
            planted(&session, "test-root-wrap-1", change);
            let error = token::open(token::config(hsm), CreateRoot::IfMissing).unwrap_err();
            assert!(
                matches!(&error, Pkcs11OpenError::RootUnsafe { label, reason }
                    if label == "test-root-wrap-1" && *reason == expected),
                "{expected}: {error}"
            );
        }
    });
}

#[test]
fn incomplete_and_doubled_roots_are_refused() {
    softhsm::isolated(here!(), |hsm| {
        drop(token::open_new(hsm));
        let session = beside(hsm);
        planted(&session, "test-root-wrap-1", &[]);
        let error = token::open(token::config(hsm), CreateRoot::Never).unwrap_err();
        assert!(matches!(error, Pkcs11OpenError::RootAmbiguous { .. }), "{error}");
        for key in labelled(&session, "test-root-wrap-1") {
            session.destroy_object(key).unwrap();
        }
        // The sealing key is still there, so this root was in use: no new key takes the place of the lost one.
        for create in [CreateRoot::Never, CreateRoot::IfMissing] {
            let error = token::open(token::config(hsm), create).unwrap_err();
            assert!(matches!(error, Pkcs11OpenError::RootIncomplete), "{error}");
        }
    });
}

#[test]
fn session_objects_are_bounded_and_destroyed() {
    softhsm::isolated(here!(), |hsm| {
        let runtime = token::runtime();
        let provider = token::open_new(hsm);
        let session = beside(hsm);
        let count = || {
            let ours = [Attribute::Token(false), Attribute::Class(ObjectClass::SECRET_KEY)];
            session.find_objects(&ours).unwrap().len()
        };
        assert_eq!(count(), 0, "the self-test leaves nothing behind");
        runtime.block_on(async {
            let ring = new_ring(&provider).await;
            let fixture = new_key(&provider, &ring, IN_TOKEN).await.unwrap();
            assert_eq!(count(), 0, "a new key is in the store, not in the token");
            let mut handles = Vec::new();
            for _ in 0..300 {
                handles.push(fixture.open(&provider).await.unwrap());
            }
            provider.random(1).await.unwrap();
            assert!((200..=260).contains(&count()), "bounded: {}", count());
            // One whose object was destroyed to make room still works.
            key_works(&provider, IN_TOKEN, &fixture).await;
            let how = claviger_core::port::provider::Protect::Seal {
                algorithm: claviger_crypto::EncryptionAlgorithm::SymmetricDefault,
                plaintext: b"x",
                aad: b"",
                out: vec![],
            };
            fixture.protect(&*handles[0], how).await.unwrap();
            handles.clear();
            for _ in 0..50 {
                provider.random(1).await.unwrap();
                if count() == 0 {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            panic!("{} objects outlive their handles", count());
        });
    });
}

#[test]
fn nothing_kept_anywhere_shows_a_secret() {
    softhsm::isolated(here!(), |hsm| {
        let runtime = token::runtime();
        let provider = token::open_new(hsm);
        let secret: &[u8] = b"canary-5f0d6c1e-9b7a-4c57-8d0e";
        runtime.block_on(async {
            let sealed = provider.seal(b"label", &SecretBytes::copied_from(secret)).await.unwrap();
            let ring = new_ring(&provider).await;
            let mut kept = vec![sealed, ring.kek.clone(), hsm.stored_bytes()];
            for protection in [Protection::Hsm, Protection::Software] {
                let case = Case { protection, ..IN_TOKEN };
                let fixture = new_key(&provider, &ring, case).await.unwrap();
                key_works(&provider, case, &fixture).await;
                kept.push(fixture.version().wrap.clone().unwrap().bytes);
                let handle = fixture.open(&provider).await.unwrap();
                let how = claviger_core::port::provider::Protect::Seal {
                    algorithm: claviger_crypto::EncryptionAlgorithm::SymmetricDefault,
                    plaintext: secret,
                    aad: b"",
                    out: vec![],
                };
                let sealed = fixture.protect(&*handle, how).await.unwrap();
                kept.push(format!("{sealed:?} {handle:?} {fixture:?} {provider:?}").into_bytes());
            }
            kept.push(hsm.stored_bytes());
            for bytes in kept {
                for needle in [secret, hsm.pin().expose(), format!("{secret:?}").as_bytes()] {
                    assert!(!bytes.windows(needle.len()).any(|window| window == needle));
                }
            }
        });
    });
}

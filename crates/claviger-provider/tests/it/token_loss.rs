//! The token goes away, comes back, or comes back as another: calls say so at once and recover by themselves.

use std::sync::Arc;
use std::time::Duration;

use claviger_core::key::Protection;
use claviger_core::port::{Provider, ProviderError};
use claviger_core::{Purpose, Spec};
use claviger_crypto::SecretBytes;
use claviger_provider::{CreateRoot, FewAttempts, Pkcs11Config, Pkcs11OpenError, pin_refused};
use claviger_testkit::contract::provider::{Case, key_works, new_key, new_ring};
use claviger_testkit::softhsm::SoftHsm;
use claviger_testkit::{here, softhsm};
use cryptoki::context::Pkcs11;
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use tokio::time::timeout;

use crate::token;

const CASES: [Case; 3] = [
    Case { spec: Spec::Aes256Gcm, purpose: Purpose::Encrypt, protection: Protection::Hsm },
    Case { spec: Spec::EcP256, purpose: Purpose::Sign, protection: Protection::Hsm },
    Case { spec: Spec::Aes256Gcm, purpose: Purpose::Encrypt, protection: Protection::Software },
];

/// Calls that need the root, none of which may hang.
async fn is_away(provider: &dyn Provider) -> bool {
    let at_once = Duration::from_secs(5);
    let sealed = timeout(at_once, provider.seal(b"label", &SecretBytes::zeroed(8))).await.expect("no hang");
    let signed = timeout(at_once, provider.sign_root(b"checkpoint")).await.expect("no hang");
    let health = timeout(at_once, provider.health()).await.expect("no hang").unwrap();
    for error in [sealed.as_ref().err(), signed.as_ref().err()].into_iter().flatten() {
        assert!(matches!(error, ProviderError::Unavailable(_)), "{error:?}");
    }
    let away = sealed.is_err() && signed.is_err();
    assert_eq!(away, !health.root_ok);
    away
}

#[test]
fn token_that_comes_back_serves_again() {
    softhsm::isolated(here!(), |hsm| {
        let runtime = token::runtime();
        let provider = token::open_new(hsm);
        runtime.block_on(async {
            let ring = new_ring(&provider).await;
            let mut keys = Vec::new();
            for case in CASES {
                let fixture = new_key(&provider, &ring, case).await.unwrap();
                let handle = fixture.open(&provider).await.unwrap();
                keys.push((case, fixture, handle));
            }
            for _ in 0..2 {
                assert!(!is_away(&provider).await);
                hsm.go_away();
                assert!(is_away(&provider).await);
                let (case, fixture, handle) = &keys[1];
                assert_eq!(case.protection, Protection::Hsm);
                let how = claviger_core::port::provider::Protect::Sign {
                    algorithm: claviger_crypto::SignatureAlgorithm::EcdsaSha256,
                    message: claviger_crypto::Message::Raw(b"message"),
                };
                let refused = timeout(Duration::from_secs(5), fixture.protect(&**handle, how)).await.unwrap();
                assert!(matches!(refused, Err(ProviderError::Unavailable(_))), "{refused:?}");
                assert!(matches!(fixture.open(&provider).await.err(), Some(ProviderError::Unavailable(_))));
                // Several attempts of the supervisor fail meanwhile.
                tokio::time::sleep(Duration::from_millis(500)).await;
                assert!(is_away(&provider).await);
                hsm.come_back();
                token::until_available(async || provider.sign_root(b"checkpoint").await).await.unwrap();
                for (case, fixture, _) in &keys {
                    key_works(&provider, *case, fixture).await;
                }
                // Handles from before work on: their keys are unwrapped again.
                let (_, fixture, handle) = &keys[0];
                let how = claviger_core::port::provider::Protect::Seal {
                    algorithm: claviger_crypto::EncryptionAlgorithm::SymmetricDefault,
                    plaintext: b"x",
                    aad: b"",
                    out: vec![],
                };
                fixture.protect(&**handle, how).await.unwrap();
            }
        });
    });
}

#[test]
fn calls_in_flight_while_the_token_leaves_all_end() {
    softhsm::isolated(here!(), |hsm| {
        let runtime = token::runtime();
        let provider = Arc::new(token::open_new(hsm));
        runtime.block_on(async {
            let mut callers = Vec::new();
            for _ in 0..16 {
                let provider = provider.clone();
                callers.push(tokio::spawn(async move {
                    let (mut good, mut away) = (0_u32, 0_u32);
                    for _ in 0..200 {
                        match timeout(Duration::from_secs(30), provider.sign_root(b"checkpoint")).await {
                            Ok(Ok(_)) => good += 1,
                            Ok(Err(ProviderError::Unavailable(_))) => away += 1,
                            other => panic!("{other:?}"),
                        }
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    (good, away)
                }));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            hsm.go_away();
            tokio::time::sleep(Duration::from_millis(200)).await;
            hsm.come_back();
            let mut total = (0, 0);
            for caller in callers {
                let (good, away) = caller.await.unwrap();
                total = (total.0 + good, total.1 + away);
            }
            assert!(total.0 > 0 && total.1 > 0, "{total:?}");
            token::until_available(async || provider.sign_root(b"checkpoint").await).await.unwrap();
        });
    });
}

#[test]
fn sessions_killed_from_outside_are_replaced() {
    softhsm::isolated(here!(), |hsm| {
        let runtime = token::runtime();
        let provider = token::open_new(hsm);
        runtime.block_on(async {
            let ring = new_ring(&provider).await;
            let fixture = new_key(&provider, &ring, CASES[0]).await.unwrap();
            // Another user of the library in this process ends it for all.
            Pkcs11::new(hsm.library()).unwrap().finalize().unwrap();
            assert!(is_away(&provider).await);
            token::until_available(async || provider.sign_root(b"checkpoint").await).await.unwrap();
            key_works(&provider, CASES[0], &fixture).await;
        });
    });
}

#[test]
fn two_providers_of_one_process_both_recover() {
    softhsm::isolated(here!(), |hsm| {
        let runtime = token::runtime();
        let one = token::open_new(hsm);
        let mut config = token::config(hsm);
        config.label_prefix = "other".to_owned();
        let two = token::open(config, CreateRoot::IfMissing).unwrap();
        runtime.block_on(async {
            hsm.go_away();
            assert!(is_away(&one).await);
            hsm.come_back();
            // The second has not noticed yet; the library is started again under it.
            token::until_available(async || one.sign_root(b"checkpoint").await).await.unwrap();
            token::until_available(async || two.sign_root(b"checkpoint").await).await.unwrap();
            token::until_available(async || one.sign_root(b"checkpoint").await).await.unwrap();
            for provider in [&one, &two] {
                let ring = new_ring(provider).await;
                let fixture = new_key(provider, &ring, CASES[0]).await.unwrap();
                key_works(provider, CASES[0], &fixture).await;
            }
        });
    });
}

#[test]
fn another_token_of_the_same_name_is_not_taken_for_the_root() {
    softhsm::isolated(here!(), |hsm| {
        let runtime = token::runtime();
        let provider = token::open_new(hsm);
        runtime.block_on(async {
            hsm.go_away();
            hsm.init(hsm.label());
            assert!(is_away(&provider).await);
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(is_away(&provider).await, "a token of another serial number is another token");
            hsm.come_back();
            token::until_available(async || provider.sign_root(b"checkpoint").await).await.unwrap();
        });
    });
}

#[test]
fn pin_changed_meanwhile_is_shown_once_and_never_again() {
    softhsm::isolated(here!(), |hsm| {
        let runtime = token::runtime();
        let provider = token::open_new(hsm);
        change_pin(hsm, SoftHsm::PIN, "another PIN");
        runtime.block_on(async {
            hsm.go_away();
            assert!(is_away(&provider).await);
            hsm.come_back();
            let refused = token::until_available(async || provider.sign_root(b"checkpoint").await).await;
            assert_eq!(refused.unwrap_err(), ProviderError::LoginRefused);
            assert!(*pin_refused().borrow(), "whoever waits to end the process hears of it");
        });
        // Even when the PIN is right again nobody tries it: that is for a person to do, by a restart.
        change_pin(hsm, "another PIN", SoftHsm::PIN);
        runtime.block_on(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(provider.sign_root(b"checkpoint").await.unwrap_err(), ProviderError::LoginRefused);
            assert!(!provider.health().await.unwrap().root_ok);
        });
        drop(provider);
        let config = Pkcs11Config { few_attempts: FewAttempts::Risk, ..token::config(hsm) };
        let refused = token::open(config, CreateRoot::Never).unwrap_err();
        assert!(matches!(refused, Pkcs11OpenError::LoginRefused), "{refused}");
    });
}

#[test]
fn token_that_comes_back_near_its_lock_stays_away_until_that_is_cleared() {
    softhsm::isolated(here!(), |hsm| {
        let runtime = token::runtime();
        let provider = token::open_new(hsm);
        hsm.mistype();
        runtime.block_on(async {
            assert!(!is_away(&provider).await, "who is logged in needs no PIN");
            hsm.go_away();
            assert!(is_away(&provider).await);
            hsm.come_back();
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(is_away(&provider).await, "it is not shown the PIN");
            assert!(!*pin_refused().borrow(), "the process goes on without it");
        });
        // Who has the right PIN logs in, by whatever program.
        change_pin(hsm, SoftHsm::PIN, SoftHsm::PIN);
        runtime.block_on(async {
            token::until_available(async || provider.sign_root(b"checkpoint").await).await.unwrap();
        });
    });
}

fn change_pin(hsm: &SoftHsm, from: &str, to: &str) {
    let pkcs11 = Pkcs11::new(hsm.library()).unwrap();
    let has_label = |slot: &cryptoki::slot::Slot| {
        pkcs11.get_token_info(*slot).is_ok_and(|info| info.label() == hsm.label())
    };
    let slot = pkcs11.get_slots_with_token().unwrap().into_iter().find(has_label).unwrap();
    let session = pkcs11.open_rw_session(slot).unwrap();
    let (from, to) = (AuthPin::new(from.into()), AuthPin::new(to.into()));
    let _ = session.login(UserType::User, Some(&from));
    session.set_pin(&from, &to).unwrap();
}

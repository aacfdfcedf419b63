//! The contract of the port, against every root.

use std::sync::Arc;

use claviger_core::key::Protection;
use claviger_core::{Purpose, Spec};
use claviger_crypto::SecretBytes;
use claviger_provider::{RootUnlock, SoftwareProvider};
use claviger_testkit::contract::provider::{Case, run_all};
use claviger_testkit::{here, softhsm};

use crate::token;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn software_root_holds_the_contract() {
    let unlock = RootUnlock::KeyFile(SecretBytes::zeroed(32));
    let (provider, _) = SoftwareProvider::create(&unlock).unwrap();
    let supported = run_all(Arc::new(provider)).await;
    let expected: Vec<_> =
        Case::all().into_iter().filter(|case| case.protection == Protection::Software).collect();
    assert_eq!(supported, expected);
}

#[test]
fn token_holds_the_contract() {
    softhsm::isolated(here!(), |hsm| {
        let runtime = token::runtime();
        let provider = Arc::new(token::open_new(hsm));
        let supported = runtime.block_on(run_all(provider));
        let in_token: Vec<_> = supported
            .iter()
            .filter(|case| case.protection == Protection::Hsm)
            .map(|case| (case.spec, case.purpose))
            .collect();
        // SoftHSM 2.6 wraps no Ed25519 keys, and with KWP wraps the padding as part of a key: neither is offered. Of OAEP it
        // knows the form with SHA-1 only. Everything else of the table is offered.
        assert_eq!(in_token, SOFTHSM_2_6);
        let in_process = supported.iter().filter(|case| case.protection == Protection::Software).count();
        assert_eq!(in_process, Spec::ALL.iter().map(|spec| spec.purposes().len()).sum::<usize>());
    });
}

const SOFTHSM_2_6: &[(Spec, Purpose)] = &[
    (Spec::Aes256Gcm, Purpose::Encrypt),
    (Spec::Aes128Gcm, Purpose::Encrypt),
    (Spec::HmacSha256, Purpose::Mac),
    (Spec::HmacSha384, Purpose::Mac),
    (Spec::HmacSha512, Purpose::Mac),
    (Spec::HmacSha224, Purpose::Mac),
    (Spec::Rsa2048, Purpose::Sign),
    (Spec::Rsa2048, Purpose::Encrypt),
    (Spec::Rsa3072, Purpose::Sign),
    (Spec::Rsa3072, Purpose::Encrypt),
    (Spec::Rsa4096, Purpose::Sign),
    (Spec::Rsa4096, Purpose::Encrypt),
    (Spec::EcP256, Purpose::Sign),
    (Spec::EcP256, Purpose::Agree),
    (Spec::EcP384, Purpose::Sign),
    (Spec::EcP384, Purpose::Agree),
    (Spec::EcP521, Purpose::Sign),
    (Spec::EcP521, Purpose::Agree),
    (Spec::EcSecp256k1, Purpose::Sign),
];

//! Custodians of the ring `evaluation`, each of whom approves by the key of a certificate.

use claviger_audit::approval::signed_bytes;
use claviger_core::approval::Verdict;
use claviger_core::declaration::SigningMethod;
use claviger_core::port::Clock as _;
use claviger_core::{ApprovalId, Purpose, Spec};
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{Message, ReadyKey, SignatureAlgorithm, generate};
use claviger_service::Presented;
use claviger_service::operation::{Approve, NewCredential, RingPatch, UpdateRing};

use super::deployment::{Answer, DAY, Deployment, access_key, ring};

/// A key in memory, with the least that reads as a certificate of it.
pub(crate) struct Approver {
    key: ReadyKey,
    certificate: Vec<u8>,
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x82][..], &u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

impl Approver {
    async fn of(deployment: &Deployment, who: &str) -> Self {
        let material = generate(Spec::EcP256, &mut ModuleRandom).unwrap();
        let key = ReadyKey::for_purpose(Spec::EcP256, Purpose::Sign, &material.secret).unwrap();
        let empty = der(0x30, &[]);
        let public_key = key.public_key().unwrap();
        let fields = [&[2, 1, 5][..], &empty, &empty, &empty, &empty, public_key].concat();
        let certificate = der(0x30, &[der(0x30, &fields), empty.clone(), vec![3, 1, 0]].concat());
        let expires_at = deployment.clock.now().after(DAY * 90);
        let what = NewCredential::Certificate { der: certificate.clone(), chain: Vec::new(), expires_at };
        deployment.does(who, access_key(who, what)).await;
        Self { key, certificate }
    }

    /// Approves.
    pub(crate) async fn approve(&self, deployment: &Deployment, approval: ApprovalId) {
        let (digest, signed_at) = (deployment.approval(approval).await.digest, deployment.clock.now());
        let message = signed_bytes(&digest, Verdict::Approve, signed_at);
        let approve = Approve {
            approval,
            digest,
            certificate: self.certificate.clone(),
            method: SigningMethod::EcdsaP256Sha256,
            signature: self.key.sign(SignatureAlgorithm::EcdsaSha256, Message::Raw(&message)).unwrap(),
            signed_at,
        };
        deployment.does_with(Presented::certificate(&self.certificate), approve).await;
    }
}

/// From now on two custodians must approve what is sensitive in the ring; gives both.
pub(crate) async fn guarded(deployment: &Deployment) -> [Approver; 2] {
    let patch = RingPatch { quorum: Some(2), ..RingPatch::default() };
    deployment.does("ada", UpdateRing { ring: ring("evaluation"), patch, if_revision: None }).await;
    [Approver::of(deployment, "carl").await, Approver::of(deployment, "cora").await]
}

/// The request that a call which is not done names at its end.
#[track_caller]
pub(crate) fn request_in(answer: &Answer) -> ApprovalId {
    let message = answer.refused("AccessDeniedException");
    assert!(answer.entry().is_some(), "{answer:?}");
    let (_, id) = message.rsplit_once("approval request ").unwrap_or_else(|| panic!("no request: {message}"));
    id.parse().unwrap()
}

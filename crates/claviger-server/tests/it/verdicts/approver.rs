//! Custodians, each of whom approves by the key of a certificate of their own.

use claviger_audit::approval::signed_bytes;
use claviger_audit::declaration;
use claviger_compliance::Catalogue;
use claviger_core::approval::Verdict;
use claviger_core::declaration::{Claim, SigningMethod};
use claviger_core::object::Object;
use claviger_core::port::Store as _;
use claviger_core::{ApprovalId, Purpose, Spec};
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{Message, ReadyKey, SignatureAlgorithm, generate};
use claviger_service::operation::{Approve, Attest, CreateCredential, NewCredential};
use claviger_service::{Operation, Presented, PrincipalRef};
use claviger_testkit::deployment::{DAY, Deployment};

/// A key in memory, with the least that reads as a certificate of it.
pub(super) struct Approver {
    key: ReadyKey,
    certificate: Vec<u8>,
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x82][..], &u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

impl Approver {
    /// One whose certificate somebody has entered for themselves.
    pub(super) async fn of(deployment: &Deployment, who: &str) -> Self {
        Self::entered_by(deployment, who, who).await
    }

    /// One whose certificate that person has entered.
    pub(super) async fn entered_by(deployment: &Deployment, by: &str, who: &str) -> Self {
        let material = generate(Spec::EcP256, &mut ModuleRandom).unwrap();
        let key = ReadyKey::for_purpose(Spec::EcP256, Purpose::Sign, &material.secret).unwrap();
        let empty = der(0x30, &[]);
        let public_key = key.public_key().unwrap();
        let fields = [&[2, 1, 5][..], &empty, &empty, &empty, &empty, public_key].concat();
        let certificate = der(0x30, &[der(0x30, &fields), empty.clone(), vec![3, 1, 0]].concat());
        let expires_at = deployment.clock.wall().after(DAY * 90);
        let what = NewCredential::Certificate { der: certificate.clone(), chain: Vec::new(), expires_at };
        let principal = PrincipalRef::Name(who.parse().unwrap());
        let create =
            CreateCredential { principal, label: "signing".parse().unwrap(), what, to_confirm: false };
        deployment.ask(by, create).await.unwrap();
        Self { key, certificate }
    }

    /// Signs a statement of the catalogue about an object.
    pub(super) async fn attest(&self, deployment: &Deployment, statement: &str, about: Object) {
        let catalogue = Catalogue::load().unwrap();
        let statement = catalogue.find_statement(statement).unwrap();
        let signed_at = deployment.clock.wall();
        let claim = Claim {
            deployment: deployment.road.facts().deployment.clone(),
            statement: statement.id.parse().unwrap(),
            statement_digest: statement.digest(),
            scope: vec![about],
            signed_at,
            valid_until: signed_at.after(statement.validity()),
            evidence: Vec::new(),
            public_key: self.key.public_key().unwrap().to_vec(),
        };
        let message = declaration::signed_bytes(&claim);
        let attest = Attest {
            statement: claim.statement,
            statement_digest: claim.statement_digest,
            scope: claim.scope,
            signed_at,
            valid_until: claim.valid_until,
            evidence: claim.evidence,
            certificate: self.certificate.clone(),
            method: SigningMethod::EcdsaP256Sha256,
            signature: self.key.sign(SignatureAlgorithm::EcdsaSha256, Message::Raw(&message)).unwrap(),
        };
        deployment.ask_with(Presented::certificate(&self.certificate), attest).await.unwrap();
    }

    async fn approve(&self, deployment: &Deployment, approval: ApprovalId) {
        let digest = deployment.store.find_approval(approval).await.unwrap().unwrap().digest;
        let signed_at = deployment.clock.wall();
        let message = signed_bytes(&digest, Verdict::Approve, signed_at);
        let approve = Approve {
            approval,
            digest,
            certificate: self.certificate.clone(),
            method: SigningMethod::EcdsaP256Sha256,
            signature: self.key.sign(SignatureAlgorithm::EcdsaSha256, Message::Raw(&message)).unwrap(),
            signed_at,
        };
        deployment.ask_with(Presented::certificate(&self.certificate), approve).await.unwrap();
    }
}

/// Does what these approve.
pub(super) async fn done<O: Operation>(
    deployment: &Deployment,
    approvers: &[Approver],
    who: &str,
    operation: impl Fn() -> O,
) {
    let Err(asked) = deployment.ask(who, operation()).await else { panic!("nobody had to approve it") };
    for approver in approvers {
        approver.approve(deployment, asked.approval().unwrap()).await;
    }
    deployment.ask(who, operation()).await.unwrap();
}

//! Renews the credential by which the caller calls.
//!
//! What it keeps true: what is renewed gives its holder nothing that the one before did not give, but time: it is of the same
//! principal, kind, label and maker, and lives no longer. The one before ends within a day. Those that renewed each other are one
//! line, which ends at an age counted from its first; a credential that was meant to be short begins none.

use std::collections::BTreeSet;
use std::time::Duration;

use claviger_access::Token;
use claviger_access::authn::access_key::instant;
use claviger_access::authn::certificate::fingerprint;
use claviger_core::change::{Change, Restriction};
use claviger_core::port::EnteredCertificate;
use claviger_core::principal::{Credential, CredentialKind, Status};
use claviger_core::{Action, CredentialId, Timestamp};
use claviger_crypto::digest;

use super::create_credential::{LONGEST, MOST_BETWEEN};
use super::issuing::IssuedCertificate;
use super::revoke_credential::revocation;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::view::View;

/// How long the one before is still good: time to bring everything over.
const GRACE: Duration = Duration::from_secs(86_400);
/// What was made for less is short by decision, and is not renewed.
const SHORTEST: Duration = Duration::from_secs(7 * 86_400);

/// What the next credential is.
#[derive(Debug, Clone)]
pub enum Renewal {
    /// A certificate that an authority issued whom the listeners trust.
    Certificate {
        /// The certificate (DER).
        der: Vec<u8>,
        /// Those between it and its authority (DER), in any order.
        chain: Vec<Vec<u8>>,
        /// When it ends; as late as it can unless said otherwise.
        expires_at: Option<Timestamp>,
    },
    /// A certificate that the deployment's authority issues now, for the key of this request.
    Request {
        /// The request (PKCS #10, DER).
        request: Vec<u8>,
        /// How long it lives; as long as the one before unless said otherwise.
        lifetime: Option<Duration>,
    },
    /// A token, made here.
    Token {
        /// How long it lives; as long as the one before unless said otherwise.
        lifetime: Option<Duration>,
    },
}

/// A credential that renewed another.
#[derive(Debug)]
pub struct Renewed {
    /// The credential.
    pub credential: Credential,
    /// Its token, if it is one. Kept nowhere.
    pub token: Option<Token>,
    /// Its certificate (DER), if it was issued now. Kept nowhere.
    pub certificate: Option<Vec<u8>>,
    /// The one before, with the end that it has now.
    pub before: Credential,
    /// Those that had renewed the same one earlier, and were ended for it.
    pub replaced: Vec<CredentialId>,
}

/// Renews the credential by which the caller calls. Called again while the one before is still good, it ends what it made, whose
/// secret may have been lost on its way, and makes another.
#[derive(Debug)]
pub struct RenewCredential {
    /// What the next one is.
    pub what: Renewal,
}

impl Operation for RenewCredential {
    type Output = Renewed;

    fn action(&self) -> Action {
        Action::RenewCredential
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Renewed>, ServiceError> {
        let permit = view.permit;
        let called_by = view.caller.credential().ok_or_else(ServiceError::not_found)?;
        let all = view.credentials_of(called_by.principal).await?;
        let before = all.iter().find(|one| one.id == called_by.id).ok_or_else(ServiceError::not_found)?;
        self.check_kind(before.kind)?;
        if let Some(made) = self.find_made(before, &all) {
            let detail = EntryDetail { reference: reference(&[made.id.as_bytes()]), ..view.detail() };
            let (credential, before) = (made.clone(), before.clone());
            let output = Renewed { credential, token: None, certificate: None, before, replaced: Vec::new() };
            return Ok(Staged::reading(output, detail));
        }
        let latest = Latest::of(before, &all, view)?;
        let id = CredentialId::random()?;
        let proof = self.prove(id, latest, view).await?;
        if view.store().find_credential_by_digest(&proof.digest).await?.is_some() {
            let message =
                "that certificate is a credential already; make a new key and have a new one issued";
            return Err(ServiceError::new(ErrorKind::AlreadyExists, message));
        }
        let credential = Credential {
            id,
            digest: proof.digest,
            renews: Some(before.id),
            created_at: view.now,
            expires_at: proof.expires_at,
            reason: None,
            revision: 0,
            ..before.clone()
        };
        let ending =
            Credential { expires_at: before.expires_at.min(view.now.after(GRACE)), ..before.clone() };
        let replaced: Vec<Credential> = renewed_from(&all, before.id)
            .into_iter()
            .filter(|one| one.status == Status::Active)
            .map(|one| Credential { status: Status::Revoked, reason: view.why, ..one.clone() })
            .collect();
        let restrictions: Vec<_> = replaced.iter().map(|one| Restriction::Credential(one.id)).collect();
        let output = Renewed {
            credential: Credential { revision: 1, ..credential.clone() },
            token: proof.token,
            certificate: proof.certificate,
            before: Credential { revision: ending.revision + 1, ..ending.clone() },
            replaced: replaced.iter().map(|one| one.id).collect(),
        };
        let asked = self.what.asked(before.id);
        let detail =
            EntryDetail { reference: reference(&[before.id.as_bytes(), id.as_bytes()]), ..view.detail() };
        // The one before is written in any case: whoever ends it meanwhile has read it, and must see this.
        let mut changes = vec![Change::PutCredential(ending), Change::PutCredential(credential)];
        changes.extend(replaced.into_iter().map(Change::PutCredential));
        let acts = output.replaced.iter().map(|id| revocation(*id, permit, view)).collect();
        Ok(Staged::restricting(asked, output, changes, restrictions, detail).with_acts(acts))
    }
}

/// What makes a credential: what is kept of it, and what is shown once.
struct Proof {
    digest: [u8; 32],
    expires_at: Timestamp,
    token: Option<Token>,
    certificate: Option<Vec<u8>>,
}

impl RenewCredential {
    fn check_kind(&self, before: CredentialKind) -> Result<(), ServiceError> {
        let message = match (before, &self.what) {
            (CredentialKind::Certificate, Renewal::Certificate { .. } | Renewal::Request { .. })
            | (CredentialKind::Token, Renewal::Token { .. }) => return Ok(()),
            (CredentialKind::AccessKey, _) => {
                "an access key is not renewed: have a second one made, bring the application over, and revoke the first"
            }
            (CredentialKind::EnrolmentCode, _) => {
                "a code is redeemed for a certificate, by `claviger enrol`; what is renewed is the certificate"
            }
            (CredentialKind::Certificate, Renewal::Token { .. }) => {
                "a certificate is renewed by a certificate; a token beside it is made by `credential create`"
            }
            (CredentialKind::Token, Renewal::Certificate { .. } | Renewal::Request { .. }) => {
                "a token is renewed by a token; a certificate beside it is entered by `credential create`"
            }
        };
        Err(ServiceError::invalid(message))
    }

    /// What this very call made before, if its answer was lost: the certificate is the same.
    fn find_made<'a>(&self, before: &Credential, all: &'a [Credential]) -> Option<&'a Credential> {
        let Renewal::Certificate { der, .. } = &self.what else { return None };
        let digest = fingerprint(der);
        let is_made = |one: &&Credential| {
            one.digest == digest && one.renews == Some(before.id) && one.status == Status::Active
        };
        all.iter().find(is_made)
    }

    async fn prove(&self, id: CredentialId, latest: Latest, view: &View<'_>) -> Result<Proof, ServiceError> {
        let proof = match &self.what {
            Renewal::Certificate { der, chain, expires_at } => {
                if chain.len() > MOST_BETWEEN {
                    return Err(ServiceError::invalid("at most 8 certificates lead to an authority"));
                }
                let wished = expires_at.map_or(latest.0, |wished| wished.min(latest.0));
                let expires_at = view.entered(EnteredCertificate { der, chain }, wished)?;
                Proof { digest: fingerprint(der), expires_at, token: None, certificate: None }
            }
            Renewal::Request { request, lifetime } => {
                let issued = view.issue_to_caller(request, latest.within(*lifetime, view.now))?;
                let IssuedCertificate { der, digest, expires_at } = issued;
                Proof { digest, expires_at, token: None, certificate: Some(der) }
            }
            Renewal::Token { lifetime } => {
                view.state.self_tests.may_generate()?;
                let (token, digest) = Token::generate(id)?;
                let expires_at = latest.within(*lifetime, view.now);
                Proof { digest, expires_at, token: Some(token), certificate: None }
            }
        };
        if proof.expires_at <= view.now {
            return Err(ServiceError::invalid("the credential would have expired already"));
        }
        Ok(proof)
    }
}

impl Renewal {
    fn asked(&self, credential: CredentialId) -> Governed {
        let (mut certificate, mut asked_for, mut ends, mut lives) = (None, None, None, None);
        match self {
            // What leads to its authority shows that it is good; it is nothing that is asked for.
            Self::Certificate { der, chain: _, expires_at } => {
                (certificate, ends) = (Some(fingerprint(der)), *expires_at);
            }
            Self::Request { request, lifetime } => {
                (asked_for, lives) = (Some(digest::sha256(request)), *lifetime);
            }
            Self::Token { lifetime } => lives = *lifetime,
        }
        Governed::RenewCredential {
            credential,
            certificate,
            request: asked_for,
            expires_at: ends,
            lifetime: lives,
        }
    }
}

/// The latest end that a credential may have by which another is renewed.
#[derive(Clone, Copy)]
struct Latest(Timestamp);

impl Latest {
    /// Of what renews `before`, now.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] when it is not renewed at all, or not yet, with what to do instead.
    fn of(before: &Credential, all: &[Credential], view: &View<'_>) -> Result<Self, ServiceError> {
        let wrong = |message: String| ServiceError::new(ErrorKind::WrongState, message);
        // Once it is renewed its own end is another one; what renewed it says for how long it was made.
        let earlier = all.iter().filter(|one| one.renews == Some(before.id));
        let earlier = earlier.map(|one| one.expires_at.since(one.created_at)).max();
        let life = earlier.unwrap_or_else(|| before.expires_at.since(before.created_at));
        if earlier.is_none() && life < SHORTEST {
            return Err(wrong(
                "what was made for less than 7 days is short by decision, and is not renewed; ask for a new one".to_owned(),
            ));
        }
        if earlier.is_none() && view.now < before.renewable_from() {
            let from = instant::format(before.renewable_from());
            return Err(wrong(format!(
                "a credential is renewed in the last third of its life: this one from {from} on"
            )));
        }
        let line = Credential::line_of(all, before.id);
        let first = line.iter().map(|one| one.created_at).min().unwrap_or(before.created_at);
        let age = match before.kind {
            CredentialKind::AccessKey | CredentialKind::EnrolmentCode | CredentialKind::Token => LONGEST,
            CredentialKind::Certificate => view.system.renewable_for,
        };
        let end = first.after(age);
        if end <= before.expires_at || end <= view.now {
            let (begun, days) = (instant::format(first), age.as_secs() / 86_400);
            return Err(wrong(format!(
                "the first credential of this line is of {begun}, and a line ends after {days} days: have a new credential made, as for \
                 somebody who is new"
            )));
        }
        Ok(Self(end.min(view.now.after(life))))
    }

    /// The end of what shall live so long.
    fn within(self, lifetime: Option<Duration>, now: Timestamp) -> Timestamp {
        lifetime.map_or(self.0, |lifetime| now.after(lifetime).min(self.0))
    }
}

/// Of `all` credentials of a principal, those that renewed this one, and those that renewed these, and so on.
fn renewed_from(all: &[Credential], id: CredentialId) -> Vec<&Credential> {
    let mut later = BTreeSet::from([id]);
    let mut grew = true;
    while grew {
        grew = false;
        for one in all {
            let is_later = one.renews.is_some_and(|renewed| later.contains(&renewed));
            grew |= is_later && later.insert(one.id);
        }
    }
    all.iter().filter(|one| one.id != id && later.contains(&one.id)).collect()
}

//! Gives a credential.

use std::time::Duration;

use claviger_access::authn::access_key::digest_of;
use claviger_access::authn::certificate::fingerprint;
use claviger_access::separation::{Rights, check_credential, credential_needs_approval};
use claviger_access::{EnrolmentCode, NewAccessKey, Token};
use claviger_core::access_key::AccessKey;
use claviger_core::change::{Change, Expectation};
use claviger_core::port::EnteredCertificate;
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Role, Status};
use claviger_core::sensitive::Quorum;
use claviger_core::{Action, CredentialId, Name, PrincipalId, Timestamp};

use super::break_glass::check_further_credential;
use super::sensitive::{nobody, seen_principal};
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::{CredentialAsked, Governed};
use crate::record::{EntryDetail, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::state::access_key_label;
use crate::view::View;

/// Longest life of a token or an access key.
pub(super) const LONGEST: Duration = Duration::from_secs(366 * 86_400);
/// Longest life of an enrolment code.
const LONGEST_CODE: Duration = Duration::from_secs(30 * 86_400);
/// Longest life of a short-lived access key.
const LONGEST_SESSION: Duration = Duration::from_secs(12 * 3600);
/// Most certificates between one and its authority.
pub(super) const MOST_BETWEEN: usize = 8;
/// Longer than a call is under way.
const MOMENT: Duration = Duration::from_secs(600);

/// What kind of credential.
#[derive(Debug, Clone)]
pub enum NewCredential {
    /// An access key, made here: an identifier and a secret that signs requests.
    AccessKey {
        /// How long it lives.
        lifetime: Duration,
    },
    /// A client certificate that somebody issued whom the listeners trust.
    Certificate {
        /// The certificate (DER).
        der: Vec<u8>,
        /// Those between it and its authority (DER), in any order.
        chain: Vec<Vec<u8>>,
        /// When it ends.
        expires_at: Timestamp,
    },
    /// A code, made here, which a person redeems once for a certificate for a key of their own.
    EnrolmentCode {
        /// For how long it can be redeemed.
        lifetime: Duration,
    },
    /// An access key that goes with a session token, made here.
    ShortLived {
        /// How long it lives.
        lifetime: Duration,
    },
    /// A token, made here.
    Token {
        /// How long it lives.
        lifetime: Duration,
    },
}

/// A credential, with the secret that is shown this once.
#[derive(Debug)]
pub struct NewlyMade {
    /// The credential.
    pub credential: Credential,
    /// Its token, if it is one. Kept nowhere.
    pub token: Option<Token>,
    /// Its access key, if it is one. Of its secret only a seal is kept.
    pub access_key: Option<NewAccessKey>,
    /// Its code, if it is one. Kept nowhere.
    pub enrolment_code: Option<EnrolmentCode>,
}

/// Gives a credential.
#[derive(Debug)]
pub struct CreateCredential {
    /// The principal that the credential is for.
    pub principal: PrincipalRef,
    /// A word that distinguishes it from others.
    pub label: Name,
    /// The kind of credential, with what that kind needs.
    pub what: NewCredential,
    /// Does it, a certificate, prove nothing until its holder confirms it by another that they have? Then nobody else need approve it.
    pub to_confirm: bool,
}

impl Operation for CreateCredential {
    type Output = NewlyMade;

    fn action(&self) -> Action {
        Action::CreateCredential
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Principal(&self.principal)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<NewlyMade>, ServiceError> {
        let principal = view.state.principal(&self.principal).await?;
        let asked = Governed::CreateCredential {
            principal: principal.id,
            label: self.label.clone(),
            what: self.what.asked(),
            to_confirm: self.to_confirm,
        };
        if view.made_before(&asked).await?.is_some() {
            let message = "this call made a credential before, and its secret is shown once; make another";
            return Err(ServiceError::new(ErrorKind::AlreadyExists, message));
        }
        if principal.status != Status::Active {
            return Err(ServiceError::new(ErrorKind::WrongState, "the principal was revoked"));
        }
        let (ordered, quorum) = check(view, &principal).await?;
        let quorum = if self.to_confirm {
            self.check_confirmable(view, &principal).await?;
            nobody()
        } else {
            quorum
        };
        if !matches!(self.what, NewCredential::Certificate { .. }) {
            view.state.self_tests.may_generate()?;
        }
        let id = CredentialId::random()?;
        let proof = self.what.prove(id, &principal, view).await?;
        if proof.expires_at <= view.now {
            return Err(ServiceError::invalid("the credential has expired already"));
        }
        if view.store().find_credential_by_digest(&proof.digest).await?.is_some() {
            return Err(ServiceError::new(
                ErrorKind::AlreadyExists,
                "that certificate is a credential already",
            ));
        }
        let credential = Credential {
            id,
            principal: principal.id,
            kind: proof.kind,
            digest: proof.digest,
            access_key: proof.kept,
            label: self.label.clone(),
            status: Status::Active,
            created_by: Some(view.caller.principal().id),
            renews: None,
            awaits_confirmation: self.to_confirm,
            created_at: view.now,
            expires_at: proof.expires_at,
            reason: None,
            revision: 0,
        };
        let mut changes = vec![Change::PutCredential(credential.clone())];
        changes.extend(ordered);
        changes.extend(view.remember_making(&asked, *id.as_bytes()));
        let detail = EntryDetail { reference: reference(&[id.as_bytes()]), ..view.detail() };
        let credential = Credential { revision: 1, ..credential };
        let Proof { token, access_key, enrolment_code, .. } = proof;
        let made = NewlyMade { credential, token, access_key, enrolment_code };
        Ok(Staged::changing(asked, made, changes, detail).under(quorum))
    }
}

impl CreateCredential {
    /// Is there somebody who can confirm it, and is it something to confirm?
    async fn check_confirmable(&self, view: &View<'_>, principal: &Principal) -> Result<(), ServiceError> {
        if principal.kind != PrincipalKind::Human {
            return Err(ServiceError::invalid("applications confirm nothing; people do"));
        }
        if !matches!(self.what, NewCredential::Certificate { .. }) {
            // Whoever confirmed a token would let its maker, who has heard it, be them.
            let message = "what is confirmed is a certificate: whoever makes a token or a code has heard it";
            return Err(ServiceError::invalid(message));
        }
        let all = view.credentials_of(principal.id).await?;
        let confirms = |one: &Credential| one.kind == CredentialKind::Certificate && one.is_live(view.now);
        if all.iter().any(confirms) {
            return Ok(());
        }
        let message = "nobody could confirm it: the person has no certificate that is valid; make a credential as for one who lost theirs, \
                       which others approve where the person holds rights";
        Err(ServiceError::new(ErrorKind::WrongState, message))
    }
}

/// May the caller make the principal a credential? Gives what orders this against a role or a grant that the caller gives
/// it at the same moment: each of the two must see the other. And how many others must approve it.
async fn check(view: &View<'_>, principal: &Principal) -> Result<(Vec<Change>, Quorum), ServiceError> {
    let by = view.caller.principal();
    let (uses, mut granters) = view.uses_of(principal.id).await?;
    // Whoever gave something by another account of theirs gave it all the same.
    for granter in &mut granters {
        *granter = view.or_caller(*granter).await?;
    }
    let mut known = principal.clone();
    for (_, giver) in &mut known.role_givers {
        *giver = view.or_caller(*giver).await?;
    }
    for held in &mut known.capacities {
        held.given_by = view.or_caller(held.given_by).await?;
    }
    let rights = Rights { uses, granters: &granters };
    check_credential(&known, rights, by)?;
    check_further_credential(principal, view).await?;
    // Who heard a token has it: by one alone, nobody makes themselves another proof of a role, of a capacity, or of uses of a strict ring.
    let by_token = view.caller.credential().is_some_and(|shown| shown.kind == CredentialKind::Token);
    let quorum = if credential_needs_approval(&known, rights, by) || (by_token && rights.are_strict(&known)) {
        view.by_deployment([seen_principal(principal)]).await?
    } else {
        nobody()
    };
    Ok((ordered(principal, by, view), quorum))
}

/// What orders the making of a credential against a role or a grant that its maker gives.
fn ordered(principal: &Principal, by: &Principal, view: &View<'_>) -> Vec<Change> {
    if by.id == principal.id {
        // By one that ends right now, who made that is its maker as well, and is held off by it no more.
        let shown = view.caller.credential().filter(|shown| shown.expires_at <= view.now.after(MOMENT));
        let maker = shown.and_then(|shown| shown.created_by);
        let maker = maker.filter(|maker| ![principal.id, PrincipalId::SYSTEM].contains(maker));
        return maker.map(|maker| ordered_against(principal, maker)).unwrap_or_default();
    }
    if !by.roles.contains(&Role::SecurityOfficer) {
        // Only a security officer gives roles and grants.
        return Vec::new();
    }
    ordered_against(principal, by.id)
}

/// What orders the entry of a credential that somebody made against what that one gives.
pub(super) fn ordered_against(principal: &Principal, maker: PrincipalId) -> Vec<Change> {
    // Written as it was read: whoever gives a role or a grant meanwhile has read the principal, and must read it again.
    let moved = Change::PutPrincipal(principal.clone());
    let expected = Change::Expect(Expectation::NoStrictGrant { to: principal.id, by: maker });
    vec![moved, expected]
}

/// What makes a credential: what is kept of it, and what is shown once.
struct Proof {
    kind: CredentialKind,
    digest: [u8; 32],
    expires_at: Timestamp,
    kept: Option<AccessKey>,
    token: Option<Token>,
    access_key: Option<NewAccessKey>,
    enrolment_code: Option<EnrolmentCode>,
}

impl Proof {
    const fn new(kind: CredentialKind, digest: [u8; 32], expires_at: Timestamp) -> Self {
        Self { kind, digest, expires_at, kept: None, token: None, access_key: None, enrolment_code: None }
    }
}

impl NewCredential {
    fn asked(&self) -> CredentialAsked {
        match self {
            Self::AccessKey { lifetime } => CredentialAsked::AccessKey(*lifetime),
            // What leads to its authority shows that it is good; it is nothing that is asked for.
            Self::Certificate { der, chain: _, expires_at } => {
                CredentialAsked::Certificate(fingerprint(der), *expires_at)
            }
            Self::EnrolmentCode { lifetime } => CredentialAsked::EnrolmentCode(*lifetime),
            Self::ShortLived { lifetime } => CredentialAsked::ShortLived(*lifetime),
            Self::Token { lifetime } => CredentialAsked::Token(*lifetime),
        }
    }

    async fn prove(
        &self,
        id: CredentialId,
        principal: &Principal,
        view: &View<'_>,
    ) -> Result<Proof, ServiceError> {
        match self {
            Self::AccessKey { lifetime } => {
                within(*lifetime, LONGEST, "an access key lives up to 366 days")?;
                access_key(id, principal, view, *lifetime, false).await
            }
            Self::Certificate { der, chain, expires_at } => {
                if chain.len() > MOST_BETWEEN {
                    return Err(ServiceError::invalid("at most 8 certificates lead to an authority"));
                }
                let ends = view.entered(EnteredCertificate { der, chain }, *expires_at)?;
                Ok(Proof::new(CredentialKind::Certificate, fingerprint(der), ends))
            }
            Self::EnrolmentCode { lifetime } => {
                if principal.kind != PrincipalKind::Human {
                    let message = "codes are for people, who enrol by them; enter the certificate of an application, or make it a token";
                    return Err(ServiceError::invalid(message));
                }
                within(*lifetime, LONGEST_CODE, "an enrolment code is good for up to 30 days")?;
                let (code, digest) = EnrolmentCode::generate(id)?;
                let proof = Proof::new(CredentialKind::EnrolmentCode, digest, view.now.after(*lifetime));
                Ok(Proof { enrolment_code: Some(code), ..proof })
            }
            Self::ShortLived { lifetime } => {
                within(*lifetime, LONGEST_SESSION, "a short-lived access key lives up to 12 hours")?;
                access_key(id, principal, view, *lifetime, true).await
            }
            Self::Token { lifetime } => {
                within(*lifetime, LONGEST, "a token lives up to 366 days")?;
                let (token, digest) = Token::generate(id)?;
                let proof = Proof::new(CredentialKind::Token, digest, view.now.after(*lifetime));
                Ok(Proof { token: Some(token), ..proof })
            }
        }
    }
}

pub(super) fn within(
    lifetime: Duration,
    longest: Duration,
    otherwise: &'static str,
) -> Result<(), ServiceError> {
    if lifetime > longest || lifetime.is_zero() { Err(ServiceError::invalid(otherwise)) } else { Ok(()) }
}

async fn access_key(
    id: CredentialId,
    principal: &Principal,
    view: &View<'_>,
    lifetime: Duration,
    short_lived: bool,
) -> Result<Proof, ServiceError> {
    if principal.kind != PrincipalKind::Workload {
        let message = "access keys are for applications; a person shows a certificate or a token";
        return Err(ServiceError::invalid(message));
    }
    let made = NewAccessKey::generate(short_lived)?;
    let kept = AccessKey {
        id: made.id,
        sealed_secret: view.provider().seal(&access_key_label(id), &made.secret).await?,
        session_digest: made.session_digest(),
    };
    let proof = Proof::new(CredentialKind::AccessKey, digest_of(made.id.as_str()), view.now.after(lifetime));
    Ok(Proof { kept: Some(kept), access_key: Some(made), ..proof })
}

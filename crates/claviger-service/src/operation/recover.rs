//! Makes a security officer when nobody is left who could: on the machine, with the root's own secret. And what other people
//! say of it afterwards, or do against it.

use claviger_access::authn::certificate::fingerprint;
use claviger_core::change::{Change, Restriction};
use claviger_core::port::EnteredCertificate;
use claviger_core::principal::{Principal, PrincipalKind, Recovery, Role, Status};
use claviger_core::{Action, CredentialId, Name, Timestamp};

use super::create_principal::make_principal;
use super::initialize::certificate_of;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, SubAction, reference};
use crate::reference::{PrincipalRef, TargetRef};
use crate::view::View;

/// Makes one security officer, and nothing else. The entry that says so comes before those of the principal and its
/// credential, in the same commit: there is no officer without it, and no half of one.
#[derive(Debug)]
pub struct Recover {
    /// Its name, which nobody ever bore.
    pub name: Name,
    /// Its client certificate (DER).
    pub certificate: Vec<u8>,
    /// When that ends.
    pub expires_at: Timestamp,
}

impl Operation for Recover {
    type Output = Principal;

    fn action(&self) -> Action {
        Action::Recover
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        let permit = view.permit;
        if view.store().find_principal_by_name(&self.name).await?.is_some() {
            return Err(ServiceError::new(ErrorKind::AlreadyExists, "a principal has that name already"));
        }
        let officer = Principal {
            roles: vec![Role::SecurityOfficer],
            recovery: Some(Recovery { at: view.now, acknowledged_by: None }),
            ..make_principal(view, &self.name, PrincipalKind::Human).await?
        };
        let id = CredentialId::random()?;
        let entered = EnteredCertificate { der: &self.certificate, chain: &[] };
        let expires_at = view.entered(entered, self.expires_at)?;
        let digest = fingerprint(&self.certificate);
        let credential = certificate_of(view, &officer, id, digest, expires_at);
        let act = |action: Action| Some(SubAction { op: action.into(), policy: permit.policy_digest() });
        let detail =
            EntryDetail { reference: reference(&[officer.id.as_bytes(), id.as_bytes()]), ..view.detail() };
        let acts = vec![
            EntryDetail {
                sub_action: act(Action::CreatePrincipal),
                reference: reference(&[officer.id.as_bytes()]),
                ..view.detail()
            },
            EntryDetail {
                sub_action: act(Action::CreateCredential),
                reference: reference(&[id.as_bytes()]),
                ..view.detail()
            },
        ];
        let changes = vec![Change::PutPrincipal(officer.clone()), Change::PutCredential(credential)];
        let asked =
            Governed::Recover { name: self.name.clone(), fingerprint: digest, expires_at: self.expires_at };
        let output = Principal { revision: 1, ..officer };
        Ok(Staged::changing(asked, output, changes, detail).with_acts(acts))
    }
}

/// Says that the recovery by which a security officer came about is known. Until somebody does, it is shown everywhere.
#[derive(Debug)]
pub struct AcknowledgeRecovery {
    /// The officer.
    pub principal: PrincipalRef,
}

impl Operation for AcknowledgeRecovery {
    type Output = Principal;

    fn action(&self) -> Action {
        Action::AcknowledgeRecovery
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Principal(&self.principal)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        let officer = view.state.principal(&self.principal).await?;
        let detail = EntryDetail { reference: reference(&[officer.id.as_bytes()]), ..view.detail() };
        let Some(recovery) = officer.recovery else {
            return Err(ServiceError::new(ErrorKind::WrongState, "no recovery made this principal"));
        };
        if recovery.acknowledged_by.is_some() {
            return Ok(Staged::reading(officer, detail));
        }
        let by = view.caller.principal();
        if by.person() == officer.person() || by.awaits_acknowledgement() {
            let message = "who came about by a recovery that awaits its acknowledgement acknowledges none; ask another person with a role";
            return Err(ServiceError::new(ErrorKind::SeparationOfDuties, message));
        }
        let recovery = Some(Recovery { acknowledged_by: Some(by.id), ..recovery });
        let known = Principal { recovery, ..officer };
        let output = Principal { revision: known.revision + 1, ..known.clone() };
        let asked = Governed::AcknowledgeRecovery { principal: known.id };
        Ok(Staged::changing(asked, output, vec![Change::PutPrincipal(known)], detail))
    }
}

/// Revokes a security officer whom a recovery made, as long as nobody has acknowledged it and its wait is not over. Unlike other revocations
/// it takes the last officer, too: what a recovery gave that should not have been is no governance to be kept.
#[derive(Debug)]
pub struct CancelRecovery {
    /// The officer.
    pub principal: PrincipalRef,
}

impl Operation for CancelRecovery {
    type Output = Principal;

    fn action(&self) -> Action {
        Action::CancelRecovery
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Principal(&self.principal)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Principal>, ServiceError> {
        let officer = view.state.principal(&self.principal).await?;
        let detail = EntryDetail { reference: reference(&[officer.id.as_bytes()]), ..view.detail() };
        let wrong = |message: &'static str| Err(ServiceError::new(ErrorKind::WrongState, message));
        let Some(recovery) = officer.recovery else { return wrong("no recovery made this principal") };
        if officer.status == Status::Revoked {
            // Once more changes nothing, and says so by the revision.
            return Ok(Staged::reading(officer, detail));
        }
        if officer.person() == view.caller.principal().person() {
            let message =
                "nobody cancels the recovery that made themselves, by whatever account; ask a custodian";
            return Err(ServiceError::new(ErrorKind::SeparationOfDuties, message));
        }
        if recovery.acknowledged_by.is_some() {
            return wrong(
                "this recovery was acknowledged; a security officer or a responder revokes the principal",
            );
        }
        if officer.counts(view.state.waited_until()) {
            return wrong(
                "the wait of this recovery is over; a security officer or a responder revokes the principal",
            );
        }
        // Whoever cancels it knows of it: nothing is left to be acknowledged. And nobody answers for something any more who is gone.
        let recovery = Some(Recovery { acknowledged_by: Some(view.caller.principal().id), ..recovery });
        let (status, capacities) = (Status::Revoked, Vec::new());
        let revoked = Principal { status, capacities, recovery, reason: view.why, ..officer };
        let output = Principal { revision: revoked.revision + 1, ..revoked.clone() };
        let restrictions = vec![Restriction::Principal(revoked.id)];
        let asked = Governed::CancelRecovery { principal: output.id, reason: view.reason() };
        Ok(Staged::restricting(asked, output, vec![Change::PutPrincipal(revoked)], restrictions, detail))
    }
}

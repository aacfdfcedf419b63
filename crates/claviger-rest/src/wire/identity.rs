//! Principals, grants and credentials.

use std::fmt::Write as _;
use std::time::Duration;

use claviger_client::types::Text;
use claviger_client::types::credential as wire_credential;
use claviger_client::types::grant as wire_grant;
use claviger_client::types::principal as wire_principal;
use claviger_core::grant::{Conditions, Grant};
use claviger_core::lineage::{How, Lineage};
use claviger_core::principal::{Credential, Principal, Status};
use claviger_core::reason::Why;
use claviger_core::{PrincipalId, Timestamp};
use claviger_service::operation::{
    Captions, CreateCredential, CreateGrant, Enrol, GrantOn, JudgedGrant, Left, NewCredential,
    RenewCredential, Renewal,
};

use super::names_to_wire;
use super::reason::reason_to_wire;
use crate::error::Failure;
use crate::names::{parse, parse_if_any};

/// A principal as callers see it.
#[must_use]
pub fn principal_to_wire(principal: &Principal, captions: &Captions) -> wire_principal::Principal {
    wire_principal::Principal {
        id: principal.id.into(),
        name: principal.name.clone().into(),
        kind: principal.kind.into(),
        standing: principal.status.into(),
        roles: principal.roles.iter().copied().map(Text).collect(),
        capacities: principal
            .capacities
            .iter()
            .map(|held| wire_principal::HeldCapacity {
                capacity: held.capacity.into(),
                given_by: held.given_by.into(),
            })
            .collect(),
        home: principal.home.map(Into::into),
        environment: principal.environment.clone().map(Into::into),
        same_person_as: principal.same_person_as.map(Into::into),
        created_by: principal.created_by.map(Into::into),
        created_at: principal.created_at.into(),
        recovery: principal.recovery.map(|made| wire_principal::Recovery {
            at: made.at.into(),
            acknowledged_by: made.acknowledged_by.map(Into::into),
        }),
        reason: reason_to_wire(principal.reason, captions),
        erased_at: principal.erasure.map(|erasure| erasure.at.into()),
        names: names_to_wire(principal, captions),
        revision: principal.revision,
    }
}

/// What became of a person who left, as callers see it.
#[must_use]
pub fn departure_to_wire(left: &Left, captions: &Captions) -> wire_principal::Departure {
    let roles = left.roles.iter().map(|left| wire_principal::RoleLeft {
        role: left.role.into(),
        others: u64::try_from(left.others).unwrap_or(u64::MAX),
    });
    let keys = left
        .keys
        .told
        .iter()
        .map(|(name, key)| wire_principal::OwnedKey { id: key.id.into(), name: name.clone().into() });
    let grants = left.grants.told.iter().map(|grant| wire_principal::HeldGrant {
        id: grant.id.into(),
        on: grant.selector.into(),
        operations: grant.operations.iter().copied().map(Text).collect(),
    });
    wire_principal::Departure {
        principal: principal_to_wire(&left.principal, captions),
        roles: roles.collect(),
        capacities: left.capacities.iter().copied().map(Text).collect(),
        quorum: left.quorum,
        credentials: left.credentials.iter().map(|credential| credential.id.into()).collect(),
        cancelled: left.cancelled.iter().map(|approval| approval.id.into()).collect(),
        approved: left.approved.iter().copied().map(Into::into).collect(),
        keys: keys.collect(),
        more_keys: left.keys.more,
        grants: grants.collect(),
        more_grants: left.grants.more,
        made_principals: left.principals.told.iter().map(made_to_wire).collect(),
        more_made_principals: left.principals.more,
        made_credentials: left.made.told.iter().map(|made| credential_to_wire(made, captions)).collect(),
        more_made_credentials: left.made.more,
        accounts: left.accounts.iter().map(made_to_wire).collect(),
        partial: left.partial,
        names: names_to_wire(left, captions),
    }
}

fn made_to_wire(principal: &Principal) -> wire_principal::MadePrincipal {
    wire_principal::MadePrincipal {
        id: principal.id.into(),
        name: principal.name.clone().into(),
        kind: principal.kind.into(),
    }
}

/// A grant as callers see it that was just given or ended.
#[must_use]
pub fn grant_to_wire(grant: &Grant, captions: &Captions) -> wire_grant::Grant {
    let verdict = Lineage::default().judge(grant.created_at).verdict(grant);
    judged_grant_to_wire(&JudgedGrant { grant: grant.clone(), verdict }, captions)
}

/// A grant as callers see it.
#[must_use]
pub fn judged_grant_to_wire(judged: &JudgedGrant, captions: &Captions) -> wire_grant::Grant {
    let JudgedGrant { grant, verdict } = judged;
    let ended = verdict.ended().map(|cause| wire_grant::Ended {
        how: cause.how().into(),
        grant: cause.grant().map(Into::into),
        principal: cause.principal().map(Into::into),
        at: cause.at().map(Into::into),
        reason: reason_to_wire(grant.ending.and_then(|ending| ending.reason), captions),
    });
    // What is of somebody revoked gives nothing, whatever else is said of it.
    let with_holder = || {
        let why = captions.revoked(grant.principal)?;
        Some(wire_grant::Ended {
            how: How::PrincipalRevoked.into(),
            grant: None,
            principal: Some(grant.principal.into()),
            at: given(why, captions).map(|(at, _)| at.into()),
            reason: reason_to_wire(why, captions),
        })
    };
    // When and why a holder was revoked stands with the holder.
    let is_of_holder = verdict.ended().and_then(|cause| cause.principal()) == Some(grant.principal);
    let ended = if is_of_holder { with_holder().or(ended) } else { ended.or_else(with_holder) };
    wire_grant::Grant {
        id: grant.id.into(),
        principal: grant.principal.into(),
        on: grant.selector.into(),
        operations: grant.operations.iter().copied().map(Text).collect(),
        conditions: conditions_to_wire(&grant.conditions),
        reason: reason_to_wire(grant.reason, captions),
        name: grant.name.clone(),
        retiring: grant.retiring.map(Into::into),
        created_by: grant.created_by.into(),
        created_at: grant.created_at.into(),
        origin: grant.origin.into(),
        rests_on: grant.basis.grants().iter().copied().map(Into::into).collect(),
        standing: grant.status.into(),
        ends: verdict
            .honoured()
            .filter(|_| ended.is_none())
            .and_then(|honoured| honoured.until)
            .map(Into::into),
        ended,
        names: names_to_wire(judged, captions),
        revision: grant.revision,
    }
}

/// When a reason was given, and by whom.
fn given(why: Option<Why>, captions: &Captions) -> Option<(Timestamp, PrincipalId)> {
    let shown = captions.find(why?.given()?)?;
    Some((shown.given_at, shown.given_by))
}

/// What ended a credential, if something did.
fn ended_to_wire(credential: &Credential, captions: &Captions) -> Option<wire_credential::CredentialEnded> {
    let (how, why) = match (credential.status, captions.revoked(credential.principal)) {
        (Status::Revoked, _) => (How::Revoked, credential.reason),
        (Status::Active, Some(why)) => (How::PrincipalRevoked, why),
        (Status::Active, None) if credential.expires_at <= captions.now() => {
            return Some(wire_credential::CredentialEnded {
                how: How::Expired.into(),
                at: Some(credential.expires_at.into()),
                by: None,
                reason: None,
            });
        }
        (Status::Active, None) => return None,
    };
    let (at, by) = given(why, captions).unzip();
    Some(wire_credential::CredentialEnded {
        how: how.into(),
        at: at.map(Into::into),
        by: by.map(Into::into),
        reason: reason_to_wire(why, captions),
    })
}

fn conditions_to_wire(conditions: &Conditions) -> wire_grant::Conditions {
    wire_grant::Conditions {
        context_equals: conditions.context_equals.iter().cloned().collect(),
        context_exactly: conditions.context_exactly.as_ref().map(|pairs| pairs.iter().cloned().collect()),
        source_networks: conditions.source_networks.iter().copied().map(Text).collect(),
        until: conditions.until.map(Into::into),
    }
}

/// The grant to give.
///
/// # Errors
/// A [`Failure`] for what names nothing.
pub fn grant_from_wire(wire: wire_grant::CreateGrant) -> Result<CreateGrant, Failure> {
    let on = match &wire.on {
        wire_grant::GrantOn::Key(key) => GrantOn::Key(parse(key)?),
        wire_grant::GrantOn::Ring(ring) => GrantOn::Ring(parse(ring)?),
    };
    let conditions = Conditions {
        context_equals: wire.conditions.context_equals.into_vec(),
        context_exactly: wire.conditions.context_exactly.map(|pairs| pairs.into_vec()),
        source_networks: wire.conditions.source_networks.into_iter().map(|network| network.0).collect(),
        until: wire.conditions.until.map(|instant| instant.0),
    };
    let operations = wire.operations.into_iter().map(|word| word.0).collect();
    Ok(CreateGrant {
        principal: parse(&wire.principal)?,
        on,
        operations,
        conditions,
        name: wire.name,
        retiring: parse_if_any(wire.retiring.as_deref())?,
    })
}

/// A credential as callers see it.
#[must_use]
pub fn credential_to_wire(credential: &Credential, captions: &Captions) -> wire_credential::Credential {
    wire_credential::Credential {
        id: credential.id.into(),
        principal: credential.principal.into(),
        kind: credential.kind.into(),
        digest: hexadecimal(&credential.digest),
        access_key_id: credential.access_key.as_ref().map(|kept| kept.id.into()),
        label: credential.label.clone().into(),
        standing: credential.status.into(),
        created_by: credential.created_by.map(Into::into),
        renews: credential.renews.map(Into::into),
        awaits_confirmation: credential.awaits_confirmation,
        created_at: credential.created_at.into(),
        expires_at: credential.expires_at.into(),
        reason: reason_to_wire(credential.reason, captions),
        ended: ended_to_wire(credential, captions),
        names: names_to_wire(credential, captions),
        revision: credential.revision,
    }
}

/// The credential to give.
///
/// # Errors
/// A [`Failure`] for what names nothing.
pub fn credential_from_wire(wire: wire_credential::CreateCredential) -> Result<CreateCredential, Failure> {
    let what = match wire.credential {
        wire_credential::NewCredential::AccessKey(key) => {
            let lifetime = Duration::from_secs(key.lifetime_seconds);
            if key.short_lived {
                NewCredential::ShortLived { lifetime }
            } else {
                NewCredential::AccessKey { lifetime }
            }
        }
        wire_credential::NewCredential::Certificate(certificate) => NewCredential::Certificate {
            der: certificate.der.0.to_vec(),
            chain: certificate.chain.iter().map(|one| one.0.to_vec()).collect(),
            expires_at: certificate.expires_at.0,
        },
        wire_credential::NewCredential::EnrolmentCode(code) => {
            NewCredential::EnrolmentCode { lifetime: Duration::from_secs(code.lifetime_seconds) }
        }
        wire_credential::NewCredential::Token(token) => {
            NewCredential::Token { lifetime: Duration::from_secs(token.lifetime_seconds) }
        }
    };
    let (principal, label) = (parse(&wire.principal)?, wire.label.0);
    Ok(CreateCredential { principal, label, what, to_confirm: wire.to_confirm })
}

/// What a code is to be redeemed for.
#[must_use]
pub fn enrol_from_wire(wire: wire_credential::Enrol) -> Enrol {
    Enrol { request: wire.request.0.to_vec(), lifetime: wire.lifetime_seconds.map(Duration::from_secs) }
}

/// What the caller's credential is to be renewed by.
#[must_use]
pub fn renewal_from_wire(wire: wire_credential::RenewCredential) -> RenewCredential {
    let span = |seconds: Option<u64>| seconds.map(Duration::from_secs);
    let what = match wire.credential {
        wire_credential::Renewal::Certificate(certificate) => Renewal::Certificate {
            der: certificate.der.0.to_vec(),
            chain: certificate.chain.iter().map(|one| one.0.to_vec()).collect(),
            expires_at: certificate.expires_at.map(|at| at.0),
        },
        wire_credential::Renewal::Request(request) => {
            Renewal::Request { request: request.der.0.to_vec(), lifetime: span(request.lifetime_seconds) }
        }
        wire_credential::Renewal::Token(token) => Renewal::Token { lifetime: span(token.lifetime_seconds) },
    };
    RenewCredential { what }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

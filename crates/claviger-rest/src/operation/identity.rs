//! Principals, grants and credentials.

use axum::extract::Request;
use claviger_client::types::credential::{
    AccessKeySecret, CreateCredential as WireCredential, CreatedCredential, Enrol as WireEnrol,
    EnrolledCredential, ListCredentials as WireCredentials, RenewCredential as WireRenewal,
    RenewedCredential,
};
use claviger_client::types::grant::{CreateGrant as WireGrant, ListGrants as WireGrants};
use claviger_client::types::principal::{CreatePrincipal as WirePrincipal, ListPrincipals as WirePrincipals};
use claviger_client::types::{GiveReason, Page, SecretText};
use claviger_core::principal::{Credential, Principal};
use claviger_core::reason::ReasonCode;
use claviger_service::NewAccessKey;
use claviger_service::operation::{
    AcknowledgeRecovery, AssignCapacity, AssignRole, CancelRecovery, Captioned, Captions, ConfirmCredential,
    CreatePrincipal, ErasePrincipal, Leave, ListCredentials, ListGrants, ListPrincipals, NewlyMade,
    ReadGrant, ReadPrincipal, Released, RevokeCredential, RevokeGrant, RevokePrincipal, WithdrawCapacity,
    WithdrawRole,
};
use http::{StatusCode, Uri};

use super::{Answered, In};
use crate::answer::Answer;
use crate::arrival::Arrival;
use crate::body;
use crate::cursor::{self, List};
use crate::error::Failure;
use crate::names::{parse, parse_if_any};
use crate::wire::identity::{
    credential_from_wire, credential_to_wire, departure_to_wire, enrol_from_wire, grant_from_wire,
    grant_to_wire, judged_grant_to_wire, principal_to_wire, renewal_from_wire,
};

/// Reads why a call is made, where its body says nothing else.
async fn because(arrival: Arrival, request: Request) -> Result<Arrival, Failure> {
    let wire: GiveReason = body::json_if_any(request, arrival.api().limits().body).await?;
    arrival.because(wire.reason, wire.reason_code)
}

/// The answer that shows a principal, with the reason of what it is.
fn shown(done: Released<(Principal, Captions)>) -> Answered {
    let (principal, captions) = &done.output;
    let answer = Answer::json(&principal_to_wire(principal, captions))?;
    Ok(answer.revision(principal.revision).recorded(&done.receipt))
}

pub(crate) async fn create_principal(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WirePrincipal>(request, arrival.api().limits().body).await?;
    let home = parse_if_any(wire.home.as_deref())?;
    let environment = wire.environment.map(|name| name.0);
    let same_person_as = parse_if_any(wire.same_person_as.as_deref())?;
    let (name, kind) = (wire.name.0, wire.kind.0);
    let operation = CreatePrincipal { name, kind, home, environment, same_person_as };
    let done = arrival.perform(Captioned(operation)).await?;
    let (principal, captions) = &done.output;
    let answer = Answer::json(&principal_to_wire(principal, captions))?.status(StatusCode::CREATED);
    Ok(answer.revision(principal.revision).recorded(&done.receipt))
}

pub(crate) async fn list_principals(arrival: Arrival, uri: Uri) -> Answered {
    let query: WirePrincipals = body::query(&uri)?;
    let page = cursor::page(List::Principals, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let done = arrival.perform(Captioned(ListPrincipals { page })).await?;
    let (found, captions) = &done.output;
    let next = cursor::next(List::Principals, limit, found, |principal| principal.name.clone());
    let items = found.iter().map(|principal| principal_to_wire(principal, captions)).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn read_principal(arrival: Arrival, In(principal): In<String>) -> Answered {
    shown(arrival.perform(Captioned(ReadPrincipal { principal: parse(&principal)? })).await?)
}

pub(crate) async fn revoke_principal(
    arrival: Arrival,
    In(principal): In<String>,
    request: Request,
) -> Answered {
    let principal = parse(&principal)?;
    let arrival = because(arrival, request).await?;
    shown(arrival.perform(Captioned(RevokePrincipal { principal })).await?)
}

pub(crate) async fn leave(arrival: Arrival, In(principal): In<String>, request: Request) -> Answered {
    let principal = parse(&principal)?;
    let wire: GiveReason = body::json_if_any(request, arrival.api().limits().body).await?;
    let code = wire.reason_code.unwrap_or(ReasonCode::PersonLeft.into());
    let arrival = arrival.because(wire.reason, Some(code))?;
    let done = arrival.perform(Captioned(Leave { principal })).await?;
    let (left, captions) = &done.output;
    let answer = Answer::json(&departure_to_wire(left, captions))?;
    Ok(answer.revision(left.principal.revision).recorded(&done.receipt))
}

pub(crate) async fn erase_principal(
    arrival: Arrival,
    In(principal): In<String>,
    request: Request,
) -> Answered {
    let principal = parse(&principal)?;
    let arrival = because(arrival, request).await?;
    shown(arrival.perform(Captioned(ErasePrincipal { principal })).await?)
}

pub(crate) async fn acknowledge_recovery(
    arrival: Arrival,
    In(principal): In<String>,
    request: Request,
) -> Answered {
    let principal = parse(&principal)?;
    body::none(request).await?;
    shown(arrival.perform(Captioned(AcknowledgeRecovery { principal })).await?)
}

pub(crate) async fn cancel_recovery(
    arrival: Arrival,
    In(principal): In<String>,
    request: Request,
) -> Answered {
    let principal = parse(&principal)?;
    let arrival = because(arrival, request).await?;
    shown(arrival.perform(Captioned(CancelRecovery { principal })).await?)
}

pub(crate) async fn assign_role(
    arrival: Arrival,
    In((principal, role)): In<(String, String)>,
    request: Request,
) -> Answered {
    let (principal, role) = (parse(&principal)?, parse(&role)?);
    let arrival = because(arrival, request).await?;
    shown(arrival.perform(Captioned(AssignRole { principal, role })).await?)
}

pub(crate) async fn withdraw_role(
    arrival: Arrival,
    In((principal, role)): In<(String, String)>,
    request: Request,
) -> Answered {
    let (principal, role) = (parse(&principal)?, parse(&role)?);
    let arrival = because(arrival, request).await?;
    shown(arrival.perform(Captioned(WithdrawRole { principal, role })).await?)
}

pub(crate) async fn assign_capacity(
    arrival: Arrival,
    In((principal, capacity)): In<(String, String)>,
    request: Request,
) -> Answered {
    let (principal, capacity) = (parse(&principal)?, parse(&capacity)?);
    let arrival = because(arrival, request).await?;
    shown(arrival.perform(Captioned(AssignCapacity { principal, capacity })).await?)
}

pub(crate) async fn withdraw_capacity(
    arrival: Arrival,
    In((principal, capacity)): In<(String, String)>,
    request: Request,
) -> Answered {
    let (principal, capacity) = (parse(&principal)?, parse(&capacity)?);
    let arrival = because(arrival, request).await?;
    shown(arrival.perform(Captioned(WithdrawCapacity { principal, capacity })).await?)
}

pub(crate) async fn create_grant(arrival: Arrival, request: Request) -> Answered {
    let (_, mut wire) = body::json::<WireGrant>(request, arrival.api().limits().body).await?;
    let arrival = arrival.because(wire.reason.take(), wire.reason_code)?;
    let done = arrival.perform(Captioned(grant_from_wire(wire)?)).await?;
    let (grant, captions) = &done.output;
    let answer = Answer::json(&grant_to_wire(grant, captions))?.status(StatusCode::CREATED);
    Ok(answer.revision(grant.revision).recorded(&done.receipt))
}

pub(crate) async fn list_grants(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireGrants = body::query(&uri)?;
    let page = cursor::page(List::Grants, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let operation = ListGrants {
        principal: parse_if_any(query.principal.as_deref())?,
        key: parse_if_any(query.key.as_deref())?,
        ring: parse_if_any(query.ring.as_deref())?,
        with_revoked: query.with_revoked,
        page,
    };
    let done = arrival.perform(Captioned(operation)).await?;
    let (found, captions) = &done.output;
    let next = cursor::next(List::Grants, limit, found, |judged| judged.grant.id);
    let items = found.iter().map(|judged| judged_grant_to_wire(judged, captions)).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn read_grant(arrival: Arrival, In(grant): In<String>) -> Answered {
    let done = arrival.perform(Captioned(ReadGrant { grant: parse(&grant)? })).await?;
    let (judged, captions) = &done.output;
    let answer = Answer::json(&judged_grant_to_wire(judged, captions))?;
    Ok(answer.revision(judged.grant.revision).recorded(&done.receipt))
}

pub(crate) async fn revoke_grant(arrival: Arrival, In(grant): In<String>, request: Request) -> Answered {
    let grant = parse(&grant)?;
    let arrival = because(arrival, request).await?;
    let done = arrival.perform(Captioned(RevokeGrant { grant })).await?;
    let (grant, captions) = &done.output;
    let answer = Answer::json(&grant_to_wire(grant, captions))?;
    Ok(answer.revision(grant.revision).recorded(&done.receipt))
}

pub(crate) async fn create_credential(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WireCredential>(request, arrival.api().limits().body).await?;
    let done = arrival.perform(Captioned(credential_from_wire(wire)?)).await?;
    let (made, captions) = done.output;
    let answer = Answer::secret_json(&created_to_wire(made, &captions)?)?;
    Ok(answer.status(StatusCode::CREATED).recorded(&done.receipt))
}

/// A credential that was just made, with its secret.
pub(super) fn created_to_wire(made: NewlyMade, captions: &Captions) -> Result<CreatedCredential, Failure> {
    Ok(CreatedCredential {
        credential: credential_to_wire(&made.credential, captions),
        token: made.token.map(|token| text_of(&token.into_text())).transpose()?,
        access_key: made.access_key.map(access_key_to_wire).transpose()?,
        enrolment_code: made.enrolment_code.map(|code| text_of(&code.into_text())).transpose()?,
    })
}

fn access_key_to_wire(made: NewAccessKey) -> Result<AccessKeySecret, Failure> {
    Ok(AccessKeySecret {
        access_key_id: made.id.into(),
        secret_access_key: text_of(&made.secret)?,
        session_token: made.session_token.as_ref().map(text_of).transpose()?,
    })
}

#[expect(clippy::disallowed_methods, reason = "the encoder of the one answer that shows a secret")]
fn text_of(secret: &claviger_crypto::SecretBytes) -> Result<SecretText, Failure> {
    let text = std::str::from_utf8(secret.expose());
    text.map(|text| SecretText::new(text.to_owned())).map_err(|_| Failure::invalid("the secret is not text"))
}

pub(crate) async fn renew_credential(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WireRenewal>(request, arrival.api().limits().body).await?;
    let done = arrival.perform(renewal_from_wire(wire)).await?;
    let renewed = done.output;
    // Whoever holds it knows who holds it: nobody is named.
    let shown = |credential: &Credential| credential_to_wire(credential, &Captions::default());
    let answer = Answer::secret_json(&RenewedCredential {
        credential: shown(&renewed.credential),
        token: renewed.token.map(|token| text_of(&token.into_text())).transpose()?,
        certificate: renewed.certificate.map(Into::into),
        before: shown(&renewed.before),
        replaced: renewed.replaced.into_iter().map(Into::into).collect(),
    })?;
    Ok(answer.recorded(&done.receipt))
}

pub(crate) async fn enrol(arrival: Arrival, request: Request) -> Answered {
    let (_, wire) = body::json::<WireEnrol>(request, arrival.api().limits().body).await?;
    let done = arrival.perform(enrol_from_wire(wire)).await?;
    let enrolled = done.output;
    // Whoever enrols knows who that is: nobody else is named.
    let answer = Answer::json(&EnrolledCredential {
        credential: credential_to_wire(&enrolled.credential, &Captions::default()),
        certificate: enrolled.certificate.into(),
        name: enrolled.name.into(),
    })?;
    Ok(answer.recorded(&done.receipt))
}

pub(crate) async fn confirm_credential(arrival: Arrival, In(credential): In<String>) -> Answered {
    let done = arrival.perform(ConfirmCredential { credential: parse(&credential)? }).await?;
    Ok(Answer::json(&credential_to_wire(&done.output, &Captions::default()))?.recorded(&done.receipt))
}

pub(crate) async fn list_credentials(arrival: Arrival, uri: Uri) -> Answered {
    let query: WireCredentials = body::query(&uri)?;
    let page = cursor::page(List::Credentials, query.cursor.as_deref(), query.limit)?;
    let limit = page.limit;
    let operation = ListCredentials { principal: parse_if_any(query.principal.as_deref())?, page };
    let done = arrival.perform(Captioned(operation)).await?;
    let (found, captions) = &done.output;
    let next = cursor::next(List::Credentials, limit, found, |credential| credential.id);
    let items = found.iter().map(|credential| credential_to_wire(credential, captions)).collect();
    Ok(Answer::json(&Page { items, next })?.recorded(&done.receipt))
}

pub(crate) async fn revoke_credential(
    arrival: Arrival,
    In(credential): In<String>,
    request: Request,
) -> Answered {
    let credential = parse(&credential)?;
    let arrival = because(arrival, request).await?;
    let done = arrival.perform(Captioned(RevokeCredential { credential })).await?;
    let (credential, captions) = &done.output;
    Ok(Answer::json(&credential_to_wire(credential, captions))?.recorded(&done.receipt))
}

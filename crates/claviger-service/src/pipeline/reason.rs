//! Why a call is made: who must say it, and what is kept of it.
//!
//! What it keeps true: no person gives or takes a right, takes a key out of use, or relaxes a rule without a reason; what there
//! is of a reason is written in the transaction of what was done for it, its text under a key of its own.

use claviger_access::Caller;
use claviger_audit::fact::VeilKey;
use claviger_core::action::{Plane, Reasoning};
use claviger_core::change::Change;
use claviger_core::object::Object;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::reason::{Reason, ReasonRecord, TextAtRest, Unasked, Why};
use claviger_core::{Action, PrincipalId, ReasonId, Timestamp};

use super::facts::not_recorded;
use crate::error::{ErrorKind, ServiceError};
use crate::state::State;

/// Why a call is made, as its entry and its rows have it.
///
/// # Errors
/// [`ErrorKind::ReasonRequired`] when a person does not say why and must, or not enough; invalid when there is nothing to say.
pub(super) fn why_of(
    action: Action,
    reason: Option<&Reason>,
    plane: Plane,
    caller: &Caller,
) -> Result<Option<Why>, ServiceError> {
    let Some(reason) = reason else {
        let unasked = unasked(plane, caller.principal().kind);
        if unasked.is_none() && action.reasoning() == Reasoning::Must {
            return Err(required(action));
        }
        return Ok(unasked.map(Why::Unasked));
    };
    if action.reasoning() == Reasoning::Never {
        return Err(ServiceError::invalid(format!("`{action}` is not given a reason")));
    }
    let is_responder = caller.principal().roles.contains(&Role::Responder);
    if reason.text().is_none() && !(is_responder && action.takes_code_of_responder()) {
        let message = "say in words why; a code alone is enough of a responder who suspends or revokes";
        return Err(ServiceError::new(ErrorKind::ReasonRequired, message));
    }
    Ok(Some(Why::Given(ReasonId::random()?)))
}

/// Why such a caller at such a plane is not asked for a reason.
const fn unasked(plane: Plane, kind: PrincipalKind) -> Option<Unasked> {
    match (kind, plane) {
        (PrincipalKind::System, _) => Some(Unasked::System),
        (_, Plane::Mixed) => Some(Unasked::Protocol),
        (PrincipalKind::Human | PrincipalKind::Workload, Plane::Control | Plane::Data) => None,
    }
}

fn required(action: Action) -> ServiceError {
    let code = if action.takes_code_of_responder() { "; of a responder, a code is enough" } else { "" };
    let message = format!("`{action}` is recorded with its reason: say why{code}");
    ServiceError::new(ErrorKind::ReasonRequired, message)
}

/// Why something is done, with what is to be kept of it.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) why: Option<Why>,
    pub(super) reason: Option<&'a Reason>,
    pub(super) action: Action,
    pub(super) by: PrincipalId,
    pub(super) at: Timestamp,
}

impl Given<'_> {
    /// Puts the reason to the changes that are made for it; gives the key of its text, if it has one.
    pub(super) fn stage(
        &self,
        state: &State,
        changes: &mut Vec<Change>,
    ) -> Result<Option<Veiled>, ServiceError> {
        let (Some(Why::Given(id)), Some(reason)) = (self.why, self.reason) else { return Ok(None) };
        let mut veiled = None;
        let text = match reason.text() {
            None => TextAtRest::None,
            Some(text) => {
                let veil = state.new_veil(Object::Reason(id), changes)?;
                let sealed = veil.seal_reason(id, text.as_str()).map_err(not_recorded)?;
                veiled = Some((Object::Reason(id), veil));
                TextAtRest::Sealed(sealed)
            }
        };
        changes.push(Change::PutReason(ReasonRecord {
            id,
            action: self.action,
            code: reason.code(),
            text,
            given_by: self.by,
            given_at: self.at,
            erasure: None,
            revision: 0,
        }));
        Ok(veiled)
    }
}

/// An object, and the key that seals what facts say of it.
pub(super) type Veiled = (Object, VeilKey);

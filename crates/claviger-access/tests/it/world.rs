//! A small world to ask questions in: rings, keys, people, applications and their credentials.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use claviger_access::{Authorizer, Caller, Decision, Presented, RequestContext, authenticate};
use claviger_core::grant::{Basis, Conditions, Grant, GrantOrigin, Selector, Spelling};
use claviger_core::key::{
    DataClass, Key, KeyRecord, KeyRing, Labels, Protection, RequiredContext, RingPolicy, Separation, State,
};
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Role, Status};
use claviger_core::target::TargetKind;
use claviger_core::{
    Action, CredentialId, GrantId, KeyId, KeyRingId, PrincipalId, Purpose, Spec, Target, Timestamp,
};

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
pub(crate) const PAST: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
pub(crate) const FUTURE: Timestamp = Timestamp::from_micros(1_900_000_000_000_000);

/// One engine for all tests: reading the rules costs some milliseconds.
pub(crate) fn authorizer() -> &'static Authorizer {
    static ONE: LazyLock<Authorizer> = LazyLock::new(|| Authorizer::new().unwrap());
    &ONE
}

pub(crate) fn uses() -> impl Iterator<Item = Action> {
    Action::ALL.into_iter().filter(|action| action.is_grantable())
}

pub(crate) fn ring(number: u8, separation: Separation) -> Arc<KeyRing> {
    Arc::new(KeyRing {
        id: KeyRingId::from_bytes([number; 16]),
        name: format!("ring-{number}").parse().unwrap(),
        policy: RingPolicy { separation, ..RingPolicy::default() },
        kek: vec![],
        kek_wrap: None,
        created_at: PAST,
        reason: None,
        revision: 1,
    })
}

pub(crate) fn key(number: u8, ring: &Arc<KeyRing>) -> Target {
    let key = Key {
        id: KeyId::from_bytes([number; 16]),
        ring: ring.id,
        name: format!("key-{number}").parse().unwrap(),
        purpose: Purpose::Encrypt,
        spec: Spec::Aes256Gcm,
        protection: Protection::Software,
        data_class: DataClass::Internal,
        description: String::new(),
        owner: PrincipalId::from_bytes([200; 16]),
        labels: Labels::default(),
        rotation_period: None,
        context_required: RequiredContext::default(),
        environment: None,
        state: State::Active,
        primary: 1,
        rotates_from: PAST,
        destruction: None,
        policy: None,
        created_at: PAST,
        reason: None,
        revision: 1,
    };
    Target::Key(Arc::new(KeyRecord { ring: Arc::clone(ring), key, versions: vec![] }))
}

/// A target of each kind; ring and key of this separation.
pub(crate) fn target(kind: TargetKind, separation: Separation) -> Target {
    match kind {
        TargetKind::Grant => Target::Grant(GrantId::from_bytes([150; 16])),
        TargetKind::Key => key(1, &ring(1, separation)),
        TargetKind::Principal => Target::Principal(PrincipalId::from_bytes([150; 16]), PrincipalKind::Human),
        TargetKind::Ring => Target::Ring(ring(1, separation)),
        TargetKind::System => Target::System,
    }
}

pub(crate) fn principal(number: u8, kind: PrincipalKind, roles: &[Role]) -> Principal {
    let mut roles = roles.to_vec();
    roles.sort();
    let name = format!("principal-{number}").parse().unwrap();
    Principal {
        roles,
        revision: 1,
        ..Principal::new(PrincipalId::from_bytes([number; 16]), name, kind, PAST)
    }
}

pub(crate) fn person(number: u8, roles: &[Role]) -> Principal {
    principal(number, PrincipalKind::Human, roles)
}

pub(crate) fn application(number: u8) -> Principal {
    principal(number, PrincipalKind::Workload, &[])
}

pub(crate) fn revoked(principal: Principal) -> Principal {
    Principal { status: Status::Revoked, ..principal }
}

/// A credential of the principal that proves it until `expires_at`.
pub(crate) fn credential(principal: &Principal, expires_at: Timestamp) -> Arc<Credential> {
    Arc::new(Credential {
        id: CredentialId::from_bytes(*principal.id.as_bytes()),
        principal: principal.id,
        kind: CredentialKind::Token,
        digest: [9; 32],
        access_key: None,
        label: "test".parse().unwrap(),
        status: Status::Active,
        created_by: None,
        renews: None,
        awaits_confirmation: false,
        created_at: PAST,
        expires_at,
        reason: None,
        revision: 1,
    })
}

/// The caller that a principal is. One revoked came in before it was: its row changes, its proof was taken.
pub(crate) fn caller(principal: &Principal, source: Option<IpAddr>) -> Caller {
    let principal = Arc::new(principal.clone());
    if principal.kind == PrincipalKind::System {
        return Caller::system(principal).unwrap();
    }
    let presented = Presented::Token { digest: [9; 32] };
    let credential = credential(&principal, FUTURE);
    authenticate(&presented, Some(&credential), None, Some(&principal), source.map(Into::into), NOW).unwrap()
}

pub(crate) fn grant(number: u8, to: &Principal, selector: Selector, operations: &[Action]) -> Grant {
    let mut operations = operations.to_vec();
    operations.sort();
    Grant {
        id: GrantId::from_bytes([number; 16]),
        principal: to.id,
        selector,
        operations,
        conditions: Conditions::default(),
        reason: None,
        name: None,
        retiring: None,
        created_by: PrincipalId::from_bytes([201; 16]),
        created_at: PAST,
        basis: Basis::Role,
        origin: GrantOrigin::Direct,
        spelling: Spelling::default(),
        status: Status::Active,
        ending: None,
        revision: 1,
    }
}

pub(crate) fn on_key(number: u8) -> Selector {
    Selector::Key(KeyId::from_bytes([number; 16]))
}

pub(crate) fn on_ring(number: u8) -> Selector {
    Selector::Ring(KeyRingId::from_bytes([number; 16]))
}

pub(crate) fn with(grant: Grant, conditions: Conditions) -> Grant {
    Grant { conditions, ..grant }
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What is decided when `caller` asks at [`NOW`], without an encryption context.
pub(crate) fn ask(caller: &Caller, action: Action, target: &Target, grants: &[Grant]) -> Decision {
    authorizer().decide(caller, action, target, grants, &RequestContext::at(NOW))
}

pub(crate) fn may(principal: &Principal, action: Action, target: &Target, grants: &[Grant]) -> bool {
    ask(&caller(principal, None), action, target, grants).permit().is_some()
}

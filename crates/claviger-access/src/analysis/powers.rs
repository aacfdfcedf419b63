//! What the built-in policy gives to whom: asked of the policy itself, once for each set of roles that somebody has or can get.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use claviger_core::grant::{Basis, Conditions, Grant, GrantOrigin, Selector, Spelling};
use claviger_core::key::{
    DataClass, Key, KeyRecord, KeyRing, Labels, Protection, RequiredContext, RingPolicy, Separation, State,
};
use claviger_core::principal::{Principal, PrincipalKind, Role, Status};
use claviger_core::{Action, GrantId, KeyId, KeyRingId, PrincipalId, Purpose, Spec, Target, Timestamp};

use super::AnalysisError;
use super::facts::Facts;
use crate::authz::Authorizer;

/// Whoever asks, and somebody else; a ring, a key of it, a grant on it.
const CALLER: PrincipalId = PrincipalId::from_bytes([0xfe; 16]);
const OTHER: PrincipalId = PrincipalId::from_bytes([0xfd; 16]);
const RING: KeyRingId = KeyRingId::from_bytes([0xfc; 16]);
const KEY: KeyId = KeyId::from_bytes([0xfb; 16]);
const GRANT: GrantId = GrantId::from_bytes([0xfa; 16]);

/// Of what something is asked, as far as the policy distinguishes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum On {
    /// Of oneself.
    Itself,
    /// Of a key in a ring of such separation.
    Key(Separation),
    /// Of somebody who is to be made.
    NewPrincipal(PrincipalKind),
    /// Of somebody else.
    Principal(PrincipalKind),
    /// Of a ring of such separation.
    Ring(Separation),
    /// Of the deployment.
    System,
}

/// What those of a kind are given, by their roles.
type ByRoles = HashMap<Vec<Role>, HashSet<(Action, On)>>;

/// What is given, by kind and roles.
#[derive(Debug)]
pub(super) struct Powers(HashMap<PrincipalKind, ByRoles>);

impl Powers {
    pub(super) fn of(facts: &Facts, authorizer: &Authorizer) -> Result<Self, AnalysisError> {
        let known = facts.known.iter().map(|known| &known.principal);
        let mut sets: BTreeSet<(PrincipalKind, Vec<Role>)> =
            known.map(|principal| (principal.kind, principal.roles.clone())).collect();
        // What somebody who is made for it has, and can get.
        sets.extend(PrincipalKind::ALL.map(|kind| (kind, Vec::new())));
        sets.extend(Role::ALL.map(|role| (PrincipalKind::Human, vec![role])));
        let (mut powers, targets): (HashMap<_, HashMap<_, _>>, _) = (HashMap::new(), targets()?);
        for (kind, roles) in sets {
            let given = given(kind, &roles, &targets, authorizer)?;
            powers.entry(kind).or_default().insert(roles, given);
        }
        Ok(Self(powers))
    }

    /// Does the policy give that to somebody of such kind and roles? What keys are used for it gives to whoever was granted it.
    pub(super) fn give(&self, to: &Principal, action: Action, on: On) -> bool {
        to.status == Status::Active && self.are_given(to.kind, &to.roles, action, on)
    }

    /// Does the policy give that to people who hold this role alone?
    pub(super) fn of_role(&self, role: Role, action: Action, on: On) -> bool {
        self.are_given(PrincipalKind::Human, &[role], action, on)
    }

    fn are_given(&self, kind: PrincipalKind, roles: &[Role], action: Action, on: On) -> bool {
        let given = self.0.get(&kind).and_then(|of_kind| of_kind.get(roles));
        given.is_some_and(|given| given.contains(&(action, on)))
    }
}

fn given(
    kind: PrincipalKind,
    roles: &[Role],
    targets: &[(On, Target)],
    authorizer: &Authorizer,
) -> Result<HashSet<(Action, On)>, AnalysisError> {
    let caller = Principal {
        roles: roles.to_vec(),
        ..Principal::new(CALLER, "caller".parse()?, kind, Timestamp::default())
    };
    let candidates = [(caller, vec![every_use()])];
    let mut given = HashSet::new();
    for (on, target) in targets {
        let explained = authorizer.explain(target, &candidates, Timestamp::default())?;
        given.extend(explained.into_iter().map(|one| (one.action, *on)));
    }
    Ok(given)
}

/// A grant of all that keys are used for.
fn every_use() -> Grant {
    Grant {
        id: GRANT,
        principal: CALLER,
        selector: Selector::Ring(RING),
        operations: Action::ALL.into_iter().filter(|action| action.is_grantable()).collect(),
        conditions: Conditions::default(),
        reason: None,
        name: None,
        retiring: None,
        created_by: OTHER,
        created_at: Timestamp::default(),
        basis: Basis::Role,
        origin: GrantOrigin::Direct,
        spelling: Spelling::default(),
        status: Status::Active,
        ending: None,
        revision: 1,
    }
}

fn targets() -> Result<Vec<(On, Target)>, AnalysisError> {
    let mut targets = vec![(On::System, Target::System)];
    for kind in [PrincipalKind::Human, PrincipalKind::Workload] {
        targets.push((On::NewPrincipal(kind), Target::NewPrincipal(kind)));
        targets.push((On::Principal(kind), Target::Principal(OTHER, kind)));
    }
    targets.push((On::Itself, Target::Principal(CALLER, PrincipalKind::Human)));
    for separation in Separation::ALL {
        let ring = sample_ring(separation)?;
        targets.push((On::Key(separation), sample_key(Arc::clone(&ring), KEY)?));
        targets.push((On::Ring(separation), Target::Ring(ring)));
    }
    Ok(targets)
}

/// A ring of such separation, of which nothing else is asked: for who asks what holds of every ring.
///
/// # Errors
/// [`AnalysisError::Name`], which the name that it has never gives.
pub fn sample_ring(separation: Separation) -> Result<Arc<KeyRing>, AnalysisError> {
    Ok(Arc::new(KeyRing {
        id: RING,
        name: "ring".parse()?,
        policy: RingPolicy { separation, ..RingPolicy::default() },
        kek: Vec::new(),
        kek_wrap: None,
        created_at: Timestamp::default(),
        reason: None,
        revision: 1,
    }))
}

/// A key of that ring, of which nothing else is asked: for who asks what holds of every key of it.
///
/// # Errors
/// [`AnalysisError::Name`], which the name that it has never gives.
pub fn sample_key(ring: Arc<KeyRing>, id: KeyId) -> Result<Target, AnalysisError> {
    let key = Key {
        id,
        ring: ring.id,
        name: "key".parse()?,
        purpose: Purpose::Encrypt,
        spec: Spec::Aes256Gcm,
        protection: Protection::Software,
        data_class: DataClass::Internal,
        description: String::new(),
        owner: OTHER,
        labels: Labels::default(),
        rotation_period: None,
        context_required: RequiredContext::default(),
        environment: None,
        state: State::Active,
        primary: 1,
        rotates_from: Timestamp::default(),
        destruction: None,
        policy: None,
        reason: None,
        created_at: Timestamp::default(),
        revision: 1,
    };
    Ok(Target::Key(Arc::new(KeyRecord { ring, key, versions: Vec::new() })))
}

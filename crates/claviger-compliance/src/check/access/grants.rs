//! Which grants are in force, as far as open facts say, and by which digest entries name them.
//!
//! The text of a grant without conditions follows from open fields, so that its digest can be computed again. What a grant asks of
//! context and network is sealed, and stands in its text: entries that name such a grant name it by a digest that nobody can compute here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use claviger_audit::fact::{Object, OpenGrant};
use claviger_core::grant::GrantOrigin;
use claviger_core::principal::{PrincipalKind, Status};
use claviger_core::{Action, GrantId, KeyId, KeyRingId, PrincipalId, Timestamp};

use crate::check::rules;
use crate::evaluation::Estate;

/// Rows that were written otherwise than by the service may rest on each other without end: nothing goes deeper than this.
const DEEPEST: usize = 64;
/// Most digests of which it is remembered which grant with conditions they are taken for. It only saves time.
const MOST_REMEMBERED: usize = 1 << 16;

/// Whether a grant is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Force {
    /// It is not.
    Ended,
    /// It is, until then by its own time or that of what it rests on.
    Until(Option<Timestamp>),
}

impl Force {
    pub(super) fn is_on(self) -> bool {
        matches!(self, Self::Until(_))
    }
}

/// Is the grant in force at an instant? One that was passed on ends with what it rests on.
pub(super) fn in_force(estate: &Estate, id: GrantId, at: Timestamp) -> Force {
    weigh(estate, id, at, false)
}

/// Could it permit an act of that instant? The acts of one call are recorded one after the other, and the facts of all of them with the
/// first: what one of them ended permitted the others.
fn was_in_force(estate: &Estate, id: GrantId, at: Timestamp) -> bool {
    weigh(estate, id, at, true).is_on()
}

fn weigh(estate: &Estate, id: GrantId, at: Timestamp, ends_behind: bool) -> Force {
    match estate.grants.get(&id) {
        Some(grant) if is_active(estate, grant.principal) => {
            let mut judge = Judge { estate, at, ends_behind, known: BTreeMap::new(), deep: 0 };
            judge.weigh(id, grant)
        }
        _ => Force::Ended,
    }
}

/// Is the principal valid?
pub(super) fn is_active(estate: &Estate, id: PrincipalId) -> bool {
    estate.principals.get(&id).is_some_and(|principal| principal.status == Status::Active)
}

/// Does the grant cover the key?
pub(super) fn covers(estate: &Estate, grant: &OpenGrant, key: KeyId) -> bool {
    match (grant.key, grant.ring) {
        (Some(on), _) => on == key,
        (None, Some(ring)) => estate.keys.get(&key).is_some_and(|row| row.ring == ring),
        (None, None) => false,
    }
}

/// Does one grant cover all that the other covers?
fn spans(estate: &Estate, wide: &OpenGrant, narrow: &OpenGrant) -> bool {
    match narrow.key {
        Some(key) => covers(estate, wide, key),
        None => wide.key.is_none() && wide.ring == narrow.ring,
    }
}

/// The actions that let their holder give grants by that way.
const fn gives(origin: GrantOrigin) -> &'static [Action] {
    match origin {
        // Nobody passes it on.
        GrantOrigin::BreakGlass => &[],
        GrantOrigin::Direct => &[Action::DelegateGrant],
        GrantOrigin::KeyPolicy => &[Action::PutKeyPolicy, Action::DelegateGrant],
    }
}

/// Judges grants as of an instant, each once, as the service does.
struct Judge<'e> {
    estate: &'e Estate,
    at: Timestamp,
    /// Does what was ended at that very instant count still?
    ends_behind: bool,
    known: BTreeMap<GrantId, Force>,
    deep: usize,
}

impl Judge<'_> {
    fn weigh(&mut self, id: GrantId, grant: &OpenGrant) -> Force {
        let is_ended =
            grant.status != Status::Active && !(self.ends_behind && grant.ended_at == Some(self.at));
        if is_ended || grant.until.is_some_and(|until| until <= self.at) {
            return Force::Ended;
        }
        if !grant.basis.is_delegated() {
            return Force::Until(grant.until);
        }
        if let Some(known) = self.known.get(&id) {
            return *known;
        }
        // Whoever comes back here has found a circle.
        self.known.insert(id, Force::Ended);
        if self.deep > DEEPEST {
            return Force::Ended;
        }
        self.deep += 1;
        let force = self.weigh_basis(grant);
        self.deep -= 1;
        self.known.insert(id, force);
        force
    }

    fn weigh_basis(&mut self, grant: &OpenGrant) -> Force {
        let estate = self.estate;
        if !is_active(estate, grant.created_by) {
            return Force::Ended;
        }
        let mut pillars = Vec::new();
        for id in grant.rests_on() {
            let Some(pillar) = estate.grants.get(id) else { continue };
            let asks_for_more = pillar.is_conditional && !grant.is_conditional;
            if pillar.principal != grant.created_by || asks_for_more || !spans(estate, pillar, grant) {
                continue;
            }
            if let Force::Until(until) = self.weigh(*id, pillar) {
                pillars.push((pillar, until));
            }
        }
        // The one that lasts longest carries; one without an end lasts longest.
        let carried = |acts: &[Action]| {
            let able =
                pillars.iter().filter(|(pillar, _)| acts.iter().any(|act| pillar.operations.contains(act)));
            able.map(|(_, until)| until.map_or(u64::MAX, Timestamp::as_micros)).max()
        };
        let needed = grant.operations.iter().filter(|action| **action != Action::RetireGrant);
        let needs = needed.map(std::slice::from_ref).chain([gives(grant.origin)]);
        let mut end = grant.until.map_or(u64::MAX, Timestamp::as_micros);
        for need in needs {
            match carried(need) {
                Some(until) => end = end.min(until),
                None => return Force::Ended,
            }
        }
        Force::Until((end != u64::MAX).then(|| Timestamp::from_micros(end)))
    }
}

/// By whom, of which grant, an entry says that it was permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// By this grant, which the digest names.
    Named(GrantId),
    /// Perhaps by a grant with conditions, which is in force and gives it.
    Conditional,
    /// The digest names a grant that did not give it then.
    NotInForce(GrantId),
    /// By none.
    Nothing,
}

/// Grants by what is asked of them.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_digest: HashMap<[u8; 8], (GrantId, PrincipalKind)>,
    conditional_on_key: BTreeMap<KeyId, BTreeSet<GrantId>>,
    conditional_on_ring: BTreeMap<KeyRingId, BTreeSet<GrantId>>,
    /// Which grant with conditions was found last for a digest.
    found: HashMap<[u8; 8], GrantId>,
    of_principal: BTreeMap<PrincipalId, BTreeSet<GrantId>>,
    given_by: BTreeMap<PrincipalId, BTreeSet<GrantId>>,
    resting: BTreeMap<GrantId, BTreeSet<GrantId>>,
}

impl Index {
    /// Takes a grant. All that is asked here is fixed when it is given, so that it is taken once.
    pub(super) fn take(&mut self, id: GrantId, grant: &OpenGrant) {
        if !self.of_principal.entry(grant.principal).or_default().insert(id) {
            return;
        }
        if grant.basis.is_delegated() {
            self.given_by.entry(grant.created_by).or_default().insert(id);
        }
        for pillar in grant.rests_on() {
            self.resting.entry(*pillar).or_default().insert(id);
        }
        match (grant.is_conditional, grant.key, grant.ring) {
            (false, ..) => {
                for kind in [PrincipalKind::Human, PrincipalKind::Workload] {
                    if let Some(text) = text(id, grant, kind) {
                        self.by_digest.insert(rules::prefix(&text), (id, kind));
                    }
                }
            }
            (true, Some(key), _) => {
                self.conditional_on_key.entry(key).or_default().insert(id);
            }
            (true, None, Some(ring)) => {
                self.conditional_on_ring.entry(ring).or_default().insert(id);
            }
            (true, None, None) => {}
        }
    }

    /// The grants of a principal.
    pub(super) fn of(&self, principal: PrincipalId) -> impl Iterator<Item = GrantId> {
        self.of_principal.get(&principal).into_iter().flatten().copied()
    }

    /// The grant that a digest names, if it is one without conditions.
    pub(super) fn named(&self, digest: [u8; 8]) -> Option<GrantId> {
        self.by_digest.get(&digest).map(|(id, _)| *id)
    }

    /// The grants that may be in force, or not any more, when something changes of this object.
    pub(super) fn affected_by(&self, object: Object) -> BTreeSet<GrantId> {
        let mut affected = BTreeSet::new();
        match object {
            Object::Grant(id) => {
                affected.insert(id);
            }
            Object::Principal(id) => {
                let given = self.given_by.get(&id).into_iter().flatten().copied();
                affected.extend(self.of(id).chain(given));
            }
            _ => {}
        }
        let mut open: Vec<_> = affected.iter().copied().collect();
        while let Some(id) = open.pop() {
            for resting in self.resting.get(&id).into_iter().flatten() {
                if affected.insert(*resting) {
                    open.push(*resting);
                }
            }
        }
        affected
    }

    /// The grant by which an entry with this digest did one of these acts with a key.
    pub(super) fn find(
        &mut self,
        estate: &Estate,
        digest: [u8; 8],
        (acts, key): (&[Action], KeyId),
        at: Timestamp,
    ) -> Found {
        let serves = |id: GrantId| {
            let gives = |grant: &OpenGrant| {
                // A key that is being created stands in no ring yet.
                let is_new = acts.contains(&Action::CreateKey)
                    && grant.ring.is_some()
                    && !estate.keys.contains_key(&key);
                (is_new || covers(estate, grant, key))
                    && acts.iter().any(|act| grant.operations.contains(act))
            };
            estate.grants.get(&id).is_some_and(gives) && was_in_force(estate, id, at)
        };
        if let Some((id, kind)) = self.by_digest.get(&digest).copied() {
            let holder = estate.grants.get(&id).and_then(|grant| estate.principals.get(&grant.principal));
            let is_of_kind = holder.is_some_and(|holder| holder.kind == kind);
            return if is_of_kind && serves(id) { Found::Named(id) } else { Found::NotInForce(id) };
        }
        if self.found.get(&digest).is_some_and(|id| serves(*id)) {
            return Found::Conditional;
        }
        let ring = estate.keys.get(&key).map(|row| row.ring);
        let on_key = self.conditional_on_key.get(&key).into_iter().flatten();
        let on_ring = ring.and_then(|ring| self.conditional_on_ring.get(&ring)).into_iter().flatten();
        let found = on_key.chain(on_ring).copied().find(|id| serves(*id));
        match found {
            Some(id) => {
                if self.found.len() < MOST_REMEMBERED {
                    self.found.insert(digest, id);
                }
                Found::Conditional
            }
            None => Found::Nothing,
        }
    }
}

/// The text of a grant without conditions, as the service writes it for a holder of that kind.
fn text(id: GrantId, grant: &OpenGrant, holder: PrincipalKind) -> Option<String> {
    let resource = match (grant.key, grant.ring) {
        (Some(key), None) => format!("resource == Key::\"{key}\""),
        (None, Some(ring)) => format!("resource in Ring::\"{ring}\""),
        _ => return None,
    };
    let holder = match holder {
        PrincipalKind::Human => "Human",
        PrincipalKind::System => "System",
        PrincipalKind::Workload => "Workload",
    };
    let actions: Vec<_> = grant.operations.iter().map(|action| format!("Action::\"{action}\"")).collect();
    let until = grant.until.map_or_else(String::new, |until| {
        let until = i64::try_from(until.as_micros()).unwrap_or(i64::MAX);
        format!("\nwhen {{ context.now < {until} }}")
    });
    Some(format!(
        "@id(\"grant:{id}\")\npermit (\n    principal == {holder}::\"{}\",\n    action in [{}],\n    {resource}\n){until};",
        grant.principal,
        actions.join(", "),
    ))
}

#[cfg(test)]
mod tests {
    use claviger_core::grant::Basis;

    use super::*;

    const AT: Timestamp = Timestamp::from_micros(1_000);

    fn grant(basis: Basis) -> OpenGrant {
        OpenGrant {
            principal: PrincipalId::from_bytes([2; 16]),
            key: Some(KeyId::from_bytes([3; 16])),
            ring: None,
            operations: vec![Action::Encrypt, Action::Decrypt],
            is_conditional: false,
            until: None,
            created_by: PrincipalId::from_bytes([4; 16]),
            created_at: AT,
            basis,
            origin: GrantOrigin::Direct,
            status: Status::Active,
            ended_by: None,
            ended_at: None,
        }
    }

    #[test]
    fn text_is_that_of_the_service() {
        let id = GrantId::from_bytes([1; 16]);
        let mut grant = grant(Basis::Role);
        let expected = "@id(\"grant:01010101-0101-0101-0101-010101010101\")\npermit (\n    \
             principal == Workload::\"02020202-0202-0202-0202-020202020202\",\n    \
             action in [Action::\"encrypt\", Action::\"decrypt\"],\n    \
             resource == Key::\"03030303-0303-0303-0303-030303030303\"\n)";
        assert_eq!(text(id, &grant, PrincipalKind::Workload), Some(format!("{expected};")));
        grant.until = Some(Timestamp::from_micros(7));
        let until = format!("{expected}\nwhen {{ context.now < 7 }};");
        assert_eq!(text(id, &grant, PrincipalKind::Workload), Some(until));
        grant.key = None;
        assert_eq!(text(id, &grant, PrincipalKind::Workload), None);
    }

    #[test]
    fn what_rests_on_a_grant_is_affected_with_it() {
        let id = |byte: u8| GrantId::from_bytes([byte; 16]);
        let mut index = Index::default();
        index.take(id(1), &grant(Basis::Role));
        index.take(id(2), &grant(Basis::Grants(vec![id(1)])));
        index.take(id(3), &grant(Basis::Grants(vec![id(2)])));
        assert_eq!(index.affected_by(Object::Grant(id(2))), BTreeSet::from([id(2), id(3)]));
        assert_eq!(index.affected_by(Object::Grant(id(1))).len(), 3);
        let giver = Object::Principal(PrincipalId::from_bytes([4; 16]));
        assert_eq!(index.affected_by(giver), BTreeSet::from([id(2), id(3)]));
    }

    #[test]
    fn nothing_is_in_force_for_nobody() {
        let estate = Estate::default();
        assert_eq!(in_force(&estate, GrantId::from_bytes([1; 16]), AT), Force::Ended);
    }
}

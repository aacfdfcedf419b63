//! Which rights there were at an instant that is past, on whichever key, by the facts of the log: grants, the rules of rings, everybody's
//! status and roles.
//!
//! It takes the same walk over the entries as for one key. Every grant that nothing had ended by then is kept meanwhile, so there is a
//! bound; of those that are told their sealed parts are opened, and no others.

use std::collections::{HashMap, HashSet};

use claviger_audit::fact::{Fact, Object, RawFact, ReplayError, Replayed, ReplayedPrincipal};
use claviger_audit::verify::Reached;
use claviger_core::grant::{Basis, Grant, Selector};
use claviger_core::key::RingPolicy;
use claviger_core::lineage::{Lineage, Verdict};
use claviger_core::port::StoreError;
use claviger_core::principal::Status;
use claviger_core::{GrantId, KeyId, KeyRingId, PrincipalId, Timestamp};

use super::past::{Fault, bearing, replay_grant};
use super::reader::LogReader;
use super::who::Principals;
use crate::error::ServiceError;
use crate::work::At;

/// Most grants that are kept at a time: about a kilobyte each.
const MOST_GRANTS: usize = 200_000;

/// Which rights there were.
#[derive(Debug)]
pub(crate) struct PastRights {
    /// How much of the log lies before.
    pub(crate) reached: Reached,
    /// Of those who were asked about and were there: what they were.
    pub(crate) principals: HashMap<PrincipalId, ReplayedPrincipal>,
    /// The policies of rings.
    pub(crate) policies: HashMap<KeyRingId, RingPolicy>,
    /// Honoured grants of theirs, each ending when it or what it rested on would have.
    pub(crate) grants: HashMap<PrincipalId, Vec<Grant>>,
}

impl LogReader {
    /// Which rights these principals had at an instant, in a log of that size.
    ///
    /// # Errors
    /// Invalid when the log does not say how things stood; too many; and what a log gives that does not read back.
    pub(crate) fn past_rights(
        &self,
        at: &At,
        principals: &Principals,
        asked: &HashSet<PrincipalId>,
        (instant, size): (Timestamp, u64),
    ) -> Result<PastRights, ServiceError> {
        let mut walk = Walk::default();
        let reached = self.walk(at, instant, size, |facts, digest| walk.take(facts, digest))?;
        walk.finish(at, principals, asked, (instant, reached))
    }
}

/// What was seen so far.
#[derive(Default)]
struct Walk {
    rings: HashMap<KeyRingId, Replayed>,
    /// Those that no act has ended.
    grants: HashMap<GrantId, Replayed>,
    principals: HashMap<PrincipalId, ReplayedPrincipal>,
}

impl Walk {
    fn take(&mut self, bytes: &[u8], digest: [u8; 32]) -> Result<(), Fault> {
        let bears = |raw: &RawFact<'_>| {
            matches!(raw.object, Object::Grant(_) | Object::Principal(_) | Object::Ring(_))
        };
        let facts = bearing(bytes, digest, bears)?;
        facts.into_iter().try_for_each(|fact| self.take_one(fact))
    }

    fn take_one(&mut self, fact: Fact) -> Result<(), Fault> {
        match fact.object {
            Object::Grant(id) => {
                replay_grant(&mut self.grants, id, fact)?;
                if self.grants.len() > MOST_GRANTS {
                    return Err(Fault::TooMany);
                }
            }
            Object::Principal(id) => {
                let principal = ReplayedPrincipal::after(self.principals.get(&id), &fact)?;
                self.principals.insert(id, principal);
            }
            Object::Ring(id) => match self.rings.get_mut(&id) {
                Some(ring) => ring.take(fact),
                None => drop(self.rings.insert(id, Replayed::new(fact))),
            },
            Object::Alert(_)
            | Object::Alias(_)
            | Object::Approval(_)
            | Object::Asset(_)
            | Object::BreakGlass(_)
            | Object::Credential(_)
            | Object::Declaration(_)
            | Object::Governance(_)
            | Object::Key(_)
            | Object::Node(_)
            | Object::Reason(_)
            | Object::Review(_)
            | Object::RightsReview(_)
            | Object::Version(_) => {}
        }
        Ok(())
    }

    fn finish(
        self,
        at: &At,
        principals: &Principals,
        asked: &HashSet<PrincipalId>,
        (instant, reached): (Timestamp, Reached),
    ) -> Result<PastRights, ServiceError> {
        let grants = Unread { grants: self.grants, at, principals };
        let (told, lineage) = grants.of(asked, &self.principals)?;
        let mut judge = lineage.judge(instant);
        let mut honoured: HashMap<PrincipalId, Vec<Grant>> = HashMap::new();
        for mut grant in told {
            if let Verdict::Honoured(known) = judge.verdict(&grant) {
                grant.conditions.until = known.until;
                honoured.entry(grant.principal).or_default().push(grant);
            }
        }
        honoured.values_mut().for_each(|grants| grants.sort_unstable_by_key(|grant| grant.id));
        let policy = |(id, ring): (KeyRingId, Replayed)| Ok((id, ring.ring_policy().map_err(unread)?));
        let policies = self.rings.into_iter().map(policy).collect::<Result<_, ServiceError>>()?;
        let were_asked = |(id, _): &(PrincipalId, ReplayedPrincipal)| asked.contains(id);
        let principals = self.principals.into_iter().filter(were_asked).collect();
        Ok(PastRights { reached, principals, policies, grants: honoured })
    }
}

fn unread(error: ReplayError) -> ServiceError {
    StoreError::Corrupt(error.to_string()).into()
}

/// Grants whose sealed parts were not opened yet.
struct Unread<'a> {
    grants: HashMap<GrantId, Replayed>,
    at: &'a At,
    principals: &'a Principals,
}

impl Unread<'_> {
    /// The grants of those who are asked about, and what they rest on.
    fn of(
        &self,
        asked: &HashSet<PrincipalId>,
        known: &HashMap<PrincipalId, ReplayedPrincipal>,
    ) -> Result<(Vec<Grant>, Lineage), ServiceError> {
        let (mut told, mut wanted, mut basis) = (Vec::new(), Vec::new(), HashMap::new());
        for replayed in self.grants.values() {
            let holder = replayed.granted_to().map_err(unread)?;
            if !asked.contains(&holder) {
                continue;
            }
            let grant = self.read(replayed)?;
            wanted.extend(grant.basis.grants());
            told.push(grant);
        }
        // What they rest on, what that rests on, and so on: each once.
        while let Some(id) = wanted.pop() {
            if let Some(replayed) = self.grants.get(&id).filter(|_| !basis.contains_key(&id)) {
                let grant = self.read(replayed)?;
                wanted.extend(grant.basis.grants());
                basis.insert(id, grant);
            }
        }
        let active = known.iter().filter(|(_, one)| one.status == Status::Active).map(|(id, _)| *id);
        let rings = self.rings(told.iter().chain(basis.values()))?;
        Ok((told, Lineage::new(basis.into_values(), active, rings)))
    }

    fn read(&self, grant: &Replayed) -> Result<Grant, ServiceError> {
        self.at.check()?;
        let veil = if grant.is_veiled() { self.principals.key(self.at, grant.object())? } else { None };
        grant.grant(veil.as_ref()).map_err(unread)
    }

    /// The rings of the keys on which something was passed on; a key keeps its ring for ever, and its row says which.
    fn rings<'g>(
        &self,
        grants: impl Iterator<Item = &'g Grant>,
    ) -> Result<HashMap<KeyId, KeyRingId>, ServiceError> {
        let mut rings = HashMap::new();
        for grant in grants {
            let Selector::Key(key) = grant.selector else { continue };
            if matches!(grant.basis, Basis::Role) || rings.contains_key(&key) {
                continue;
            }
            if let Some(record) = self.at.runtime().block_on(self.principals.store.find_key(key))? {
                rings.insert(key, record.ring.id);
            }
        }
        Ok(rings)
    }
}

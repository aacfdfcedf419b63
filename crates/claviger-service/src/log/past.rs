//! How things stood for one key at an instant that is past, by the facts of the log: its ring, the grants on both, and everybody's
//! status and roles.
//!
//! It takes one walk over the entries up to that instant. Of their facts only those are decoded that bear on the key, and these are
//! held against the digest that their entry carries; of principals, of which there may be many, what decides is kept, and no more.

use std::collections::HashMap;
use std::ops::ControlFlow;

use claviger_audit::Op;
use claviger_audit::entry::Entry;
use claviger_audit::fact::{
    Fact, FactError, Facts, Object, RawFact, ReplayError, Replayed, ReplayedPrincipal,
};
use claviger_audit::verify::{Moment, Reached};
use claviger_core::grant::{Grant, Selector};
use claviger_core::key::{Destruction, RingPolicy, State};
use claviger_core::lineage::Lineage;
use claviger_core::port::StoreError;
use claviger_core::principal::Status;
use claviger_core::{GrantId, KeyId, KeyRingId, PrincipalId, Timestamp};

use super::reader::{LogReader, damaged};
use super::who::Principals;
use crate::error::{ErrorKind, ServiceError};
use crate::work::At;

/// What of the past is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// The key.
    pub(crate) key: KeyId,
    /// Its ring, which never changes.
    pub(crate) ring: KeyRingId,
    /// The instant, by the log's time.
    pub(crate) at: Timestamp,
    /// The size of the log that is read.
    pub(crate) size: u64,
}

/// How things stood.
#[derive(Debug)]
pub(crate) struct Past {
    /// How much of the log lies before.
    pub(crate) reached: Reached,
    /// The key's state.
    pub(crate) state: State,
    /// Its scheduled destruction.
    pub(crate) destruction: Option<Destruction>,
    /// The policy of its ring.
    pub(crate) policy: RingPolicy,
    /// Grants on the key and on its ring that nothing of their own had ended.
    pub(crate) grants: Vec<Grant>,
    /// Everybody who was entered by then.
    pub(crate) principals: HashMap<PrincipalId, ReplayedPrincipal>,
}

impl Past {
    /// What the grants rested on.
    pub(crate) fn lineage(&self, asked: &Asked) -> Lineage {
        let active = self.principals.iter().filter(|(_, one)| one.status == Status::Active);
        let active = active.map(|(id, _)| *id);
        Lineage::new(self.grants.iter().cloned(), active, [(asked.key, asked.ring)])
    }
}

impl LogReader {
    /// How things stood for a key.
    ///
    /// # Errors
    /// Not found when the key was not there then; invalid when the log does not say how things stood; and what a log gives that does
    /// not read back.
    pub(crate) fn past(&self, at: &At, principals: &Principals, asked: &Asked) -> Result<Past, ServiceError> {
        let mut walk = Walk::new(asked);
        let reached = self.walk(at, asked.at, asked.size, |facts, digest| walk.take(facts, digest))?;
        walk.finish(at, principals, asked, reached)
    }

    /// Takes the facts of each entry that lies before an instant, in a log of that size. Gives how much of it that is.
    ///
    /// # Errors
    /// Invalid when the log does not say how things stood; and what a log gives that does not read back.
    pub(super) fn walk(
        &self,
        at: &At,
        instant: Timestamp,
        size: u64,
        mut take: impl FnMut(&[u8], [u8; 32]) -> Result<(), Fault>,
    ) -> Result<Reached, ServiceError> {
        let moment = Moment::Instant(instant.as_micros());
        let (mut reached, mut end) = (None, Reached::default());
        // The operation of the newest entry that has facts.
        let mut newest = None;
        let mut unknown_before = 0;
        self.source(at, false).scan(self.shard(), 0, size, |index, bytes, beside| {
            let entry = Entry::decode(bytes).map_err(|_| damaged(index))?;
            if reached.is_none() && moment.is_before(index, &entry) {
                reached = Some(end);
            }
            let Some(digest) = entry.fct else {
                end = Reached { size: index + 1, newest_at: Some(entry.t) };
                return Ok(ControlFlow::Continue(()));
            };
            if reached.is_some() {
                // What an older release left is recorded at one go, before anything else has facts: does that go on behind the instant?
                let records = entry.op == Op::RecordState;
                if !records || !matches!(newest, None | Some(Op::RecordState)) {
                    return Ok(ControlFlow::Break(()));
                }
                unknown_before = index + 1;
            } else {
                let facts = beside.ok_or_else(|| altered(index))?;
                take(facts, digest).map_err(|fault| fault.at(index))?;
                end = Reached { size: index + 1, newest_at: Some(entry.t) };
            }
            newest = Some(entry.op);
            Ok::<_, ServiceError>(ControlFlow::Continue(()))
        })?;
        let reached = reached.unwrap_or(end);
        if unknown_before > 0 {
            return Err(ServiceError::invalid(format!(
                "who could do what is not decidable before entry {unknown_before} of the log: an older release wrote that part, and \
                 kept no facts"
            )));
        }
        Ok(reached)
    }
}

/// What stands in the way of taking facts.
pub(super) enum Fault {
    /// They are not what their entry carries the digest of.
    Altered,
    Malformed(FactError),
    /// There are more than can be told together.
    TooMany,
    Unread(ReplayError),
}

impl Fault {
    fn at(self, index: u64) -> ServiceError {
        match self {
            Self::Altered => altered(index),
            Self::Malformed(error) => corrupt(format!("the facts of entry {index} do not read: {error}")),
            Self::TooMany => {
                let message = "more rights were there at that instant than can be told together; ask key by key: \
                               `claviger key explain --at`";
                ServiceError::new(ErrorKind::LimitExceeded, message)
            }
            Self::Unread(error) => corrupt(format!("the facts of entry {index}: {error}")),
        }
    }
}

impl From<FactError> for Fault {
    fn from(error: FactError) -> Self {
        Self::Malformed(error)
    }
}

impl From<ReplayError> for Fault {
    fn from(error: ReplayError) -> Self {
        Self::Unread(error)
    }
}

fn altered(index: u64) -> ServiceError {
    corrupt(format!("the facts of entry {index} are not those that it commits to"))
}

fn corrupt(what: String) -> ServiceError {
    StoreError::Corrupt(what).into()
}

/// What was seen so far of what bears on a key.
struct Walk {
    selectors: [Selector; 2],
    objects: [Object; 2],
    key: Option<Replayed>,
    ring: Option<Replayed>,
    /// Those that no act has ended.
    grants: HashMap<GrantId, Replayed>,
    principals: HashMap<PrincipalId, ReplayedPrincipal>,
}

impl Walk {
    fn new(asked: &Asked) -> Self {
        Self {
            selectors: [Selector::Key(asked.key), Selector::Ring(asked.ring)],
            objects: [Object::Key(asked.key), Object::Ring(asked.ring)],
            key: None,
            ring: None,
            grants: HashMap::new(),
            principals: HashMap::new(),
        }
    }

    fn bears(&self, raw: &RawFact<'_>) -> bool {
        match raw.object {
            Object::Grant(id) => {
                self.grants.contains_key(&id)
                    || raw.granted_on().is_some_and(|on| self.selectors.contains(&on))
            }
            Object::Key(_) | Object::Ring(_) => self.objects.contains(&raw.object),
            Object::Principal(_) => true,
            Object::Alert(_)
            | Object::Alias(_)
            | Object::Approval(_)
            | Object::Asset(_)
            | Object::BreakGlass(_)
            | Object::Credential(_)
            | Object::Declaration(_)
            | Object::Governance(_)
            | Object::Node(_)
            | Object::Reason(_)
            | Object::Review(_)
            | Object::RightsReview(_)
            | Object::Version(_) => false,
        }
    }

    /// Takes the facts of one entry.
    fn take(&mut self, bytes: &[u8], digest: [u8; 32]) -> Result<(), Fault> {
        let facts = bearing(bytes, digest, |raw| self.bears(raw))?;
        facts.into_iter().try_for_each(|fact| self.take_one(fact))
    }

    fn take_one(&mut self, fact: Fact) -> Result<(), Fault> {
        match fact.object {
            Object::Grant(id) => replay_grant(&mut self.grants, id, fact)?,
            Object::Key(_) => replay(&mut self.key, fact),
            Object::Ring(_) => replay(&mut self.ring, fact),
            Object::Principal(id) => {
                let principal = ReplayedPrincipal::after(self.principals.get(&id), &fact)?;
                self.principals.insert(id, principal);
            }
            Object::Alert(_)
            | Object::Alias(_)
            | Object::Approval(_)
            | Object::Asset(_)
            | Object::BreakGlass(_)
            | Object::Credential(_)
            | Object::Declaration(_)
            | Object::Governance(_)
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
        asked: &Asked,
        reached: Reached,
    ) -> Result<Past, ServiceError> {
        let (Some(key), Some(ring)) = (self.key, self.ring) else {
            return Err(ServiceError::new(ErrorKind::NotFound, "the key was not there at that instant"));
        };
        let unread = |error: ReplayError| corrupt(error.to_string());
        let mut grants = Vec::with_capacity(self.grants.len());
        for grant in self.grants.into_values() {
            at.check()?;
            if grant.granted_until().map_err(unread)?.is_some_and(|until| until <= asked.at) {
                continue;
            }
            let veil = if grant.is_veiled() { principals.key(at, grant.object())? } else { None };
            grants.push(grant.grant(veil.as_ref()).map_err(unread)?);
        }
        let (state, destruction) = key.key_life().map_err(unread)?;
        let policy = ring.ring_policy().map_err(unread)?;
        Ok(Past { reached, state, destruction, policy, grants, principals: self.principals })
    }
}

/// Of the facts of one entry those that bear on what is asked; held against what the entry commits to, if there are any.
pub(super) fn bearing(
    bytes: &[u8],
    digest: [u8; 32],
    bears: impl Fn(&RawFact<'_>) -> bool,
) -> Result<Vec<Fact>, Fault> {
    let mut bearing = Vec::new();
    let mut place = 0_usize;
    Facts::skim(bytes, |raw| {
        bearing.extend(bears(&raw).then_some(place));
        place += 1;
    })?;
    if bearing.is_empty() {
        return Ok(Vec::new());
    }
    let facts = Facts::decode(bytes)?;
    if facts.digest() != digest {
        return Err(Fault::Altered);
    }
    let facts = (0..).zip(facts.facts).filter(|(place, _)| bearing.contains(place));
    Ok(facts.map(|(_, fact)| fact).collect())
}

/// Takes a fact of a grant; one that an act has ended is kept no longer.
pub(super) fn replay_grant(
    grants: &mut HashMap<GrantId, Replayed>,
    id: GrantId,
    fact: Fact,
) -> Result<(), Fault> {
    let grant = match grants.remove(&id) {
        Some(mut grant) => {
            grant.take(fact);
            grant
        }
        None => Replayed::new(fact),
    };
    if grant.status()? == Status::Active {
        grants.insert(id, grant);
    }
    Ok(())
}

fn replay(known: &mut Option<Replayed>, fact: Fact) {
    match known {
        Some(known) => known.take(fact),
        None => *known = Some(Replayed::new(fact)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use claviger_audit::cbor;
    use claviger_audit::fact::Field;
    use claviger_core::{CredentialId, KeyVersionId};

    use super::*;

    const KEY: [u8; 16] = [0x4b; 16];
    const RING: [u8; 16] = [0x52; 16];

    fn asked() -> Asked {
        let (key, ring) = (KeyId::from_bytes(KEY), KeyRingId::from_bytes(RING));
        Asked { key, ring, at: Timestamp::from_micros(1), size: 0 }
    }

    fn id(number: u32) -> [u8; 16] {
        std::array::from_fn(|at| {
            number.wrapping_mul(0x9e37_79b1).to_be_bytes()[at % 4] ^ u8::try_from(at).unwrap()
        })
    }

    fn value(write: impl FnOnce(&mut Vec<u8>)) -> Field {
        let mut out = Vec::new();
        write(&mut out);
        Field::Open(out)
    }

    fn text(text: &str) -> Field {
        value(|out| cbor::put_text(out, text))
    }

    fn bytes(bytes: &[u8]) -> Field {
        value(|out| cbor::put_bytes(out, bytes))
    }

    fn words(words: &[&str]) -> Field {
        value(|out| {
            cbor::put_array(out, words.len() as u64);
            words.iter().for_each(|word| cbor::put_text(out, word));
        })
    }

    fn number(number: u64) -> Field {
        value(|out| cbor::put_uint(out, number))
    }

    fn facts(object: Object, revision: u64, fields: Vec<(u16, Field)>) -> Facts {
        let fact = Fact { object, revision, fields: BTreeMap::from_iter(fields), sealed: None };
        Facts { seed: [3; 16], why: None, facts: vec![fact] }
    }

    /// A change of state of a large deployment: most have nothing to do with the key that is asked about.
    fn change(at: u32) -> Facts {
        let fresh = id(at);
        match at % 5 {
            0 => facts(
                Object::Principal(PrincipalId::from_bytes(fresh)),
                1,
                vec![(2, text("workload")), (3, text("active")), (9, number(7))],
            ),
            1 => {
                let on = if at % 1_000 == 1 { KEY } else { id(at + 7) };
                grant(fresh, on, 1)
            }
            2 => facts(
                Object::Version(KeyVersionId { key: KeyId::from_bytes(fresh), number: 1 }),
                1,
                vec![(1, text("active")), (5, text("generated")), (10, number(7)), (12, number(7))],
            ),
            3 => facts(
                Object::Key(KeyId::from_bytes(fresh)),
                1,
                vec![(1, bytes(&RING)), (3, text("encrypt")), (4, text("aes-256-gcm")), (11, text("active"))],
            ),
            _ => facts(
                Object::Credential(CredentialId::from_bytes(fresh)),
                1,
                vec![(1, bytes(&id(at))), (2, text("token")), (8, text("active")), (10, number(7))],
            ),
        }
    }

    fn grant(grant: [u8; 16], on: [u8; 16], holder: u32) -> Facts {
        facts(
            Object::Grant(GrantId::from_bytes(grant)),
            1,
            vec![
                (1, bytes(&id(holder))),
                (2, bytes(&on)),
                (4, words(&["decrypt", "encrypt"])),
                (12, bytes(&id(0))),
                (13, number(7)),
                (14, text("role")),
                (15, text("direct")),
                (16, text("active")),
            ],
        )
    }

    fn take(walk: &mut Walk, facts: &Facts) {
        assert!(walk.take(&facts.encode().unwrap(), facts.digest()).is_ok());
    }

    #[test]
    fn of_other_keys_nothing_is_kept_and_of_ended_grants_neither() {
        let mut walk = Walk::new(&asked());
        take(&mut walk, &grant([1; 16], KEY, 1));
        take(&mut walk, &grant([2; 16], [7; 16], 1));
        take(&mut walk, &grant([3; 16], KEY, 1));
        let ended = vec![(16, text("revoked")), (17, text("revocation")), (18, number(9))];
        take(&mut walk, &facts(Object::Grant(GrantId::from_bytes([3; 16])), 2, ended));
        assert_eq!(walk.grants.keys().copied().collect::<Vec<_>>(), [GrantId::from_bytes([1; 16])]);
        let read = walk.grants[&GrantId::from_bytes([1; 16])].grant(None).unwrap();
        assert_eq!((read.selector, read.operations.len()), (Selector::Key(KeyId::from_bytes(KEY)), 2));
    }

    #[test]
    fn facts_that_are_not_those_of_their_entry_are_taken_by_nobody() {
        let mut walk = Walk::new(&asked());
        let given = grant([1; 16], KEY, 1);
        let other = grant([1; 16], KEY, 2);
        assert!(matches!(walk.take(&other.encode().unwrap(), given.digest()), Err(Fault::Altered)));
        assert!(matches!(walk.take(&[0x84], given.digest()), Err(Fault::Malformed(_))));
        assert!(walk.grants.is_empty());
    }

    /// `CLAVIGER_CHANGES` says how many; the time that it takes is printed.
    #[test]
    fn one_walk_over_many_changes_keeps_what_bears_on_the_key() {
        let many = std::env::var("CLAVIGER_CHANGES").ok().and_then(|many| many.parse().ok()).unwrap_or(5_000);
        let log: Vec<_> =
            (0..many).map(change).map(|facts| (facts.encode().unwrap(), facts.digest())).collect();
        let begun = tokio::time::Instant::now();
        let mut walk = Walk::new(&asked());
        for (bytes, digest) in &log {
            assert!(walk.take(bytes, *digest).is_ok());
        }
        println!("{many} changes of state in {:?}", begun.elapsed());
        assert_eq!(walk.principals.len(), usize::try_from(many.div_ceil(5)).unwrap());
        assert!(walk.grants.len() <= usize::try_from(many / 1_000).unwrap() + 1);
    }
}

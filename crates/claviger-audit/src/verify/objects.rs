//! The objects that follow from the facts of a log: every ring, key, version, principal, credential, grant, alias and reason as it
//! stands after the last entry, as it stood at a moment before, and as it stood while live rows were read.
//!
//! Memory grows with the objects: of the moment before, only those are kept apart that changed since; of the time in which rows were
//! read, those that changed in it or since.

use std::collections::BTreeMap;

use super::finding::Finding;
use super::window::Window;
use crate::Hash;
use crate::fact::{Fact, Field, Object, is_fixed};

/// An object as its facts yield it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// Its revision.
    pub revision: u64,
    /// The shard and the entry of its newest fact.
    pub at: (u32, u64),
    /// Digest of its newest fact.
    pub digest: Hash,
    /// Its fields, packed: an object is one allocation, for there may be millions.
    fields: Box<[u8]>,
}

impl Current {
    /// Its fields by their numbers.
    #[must_use]
    pub fn fields(&self) -> BTreeMap<u16, Field> {
        Fact::unpack_fields(&self.fields)
    }

    /// Its fields behind the next fact about it: that one's, and those that are fixed.
    pub(super) fn followed_by(&self, next: &Fact) -> BTreeMap<u16, Field> {
        let kind = next.object.kind();
        let mut fields = self.fields();
        fields.retain(|number, _| is_fixed(kind, *number));
        fields.extend(next.fields.iter().map(|(number, field)| (*number, field.clone())));
        fields
    }
}

/// All objects of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    current: BTreeMap<Object, Current>,
    /// Those that changed since the mark, as they stood at it: `None` for one that was not there.
    before: Option<BTreeMap<Object, Option<Current>>>,
    /// What changed since rows began to be read.
    window: Option<Window>,
    /// How many facts were taken.
    taken: u64,
}

impl Objects {
    /// Takes the facts of one entry, each with its digest. Facts come in the order of the log. Of rows that stood before there were facts (`as_found`),
    /// the first fact is of any revision, and another says the same.
    pub(super) fn take<'f>(
        &mut self,
        (shard, entry): (u32, u64),
        as_found: bool,
        facts: impl Iterator<Item = (&'f Fact, Hash)>,
        findings: &mut Vec<Finding>,
    ) {
        for (fact, digest) in facts {
            self.taken += 1;
            let object = fact.object;
            let known = self.current.get(&object);
            if let Some(before) = &mut self.before {
                before.entry(object).or_insert_with(|| known.cloned());
            }
            if let Some(window) = &mut self.window {
                window.passes(object, known);
            }
            let expected = known.map_or(1, |known| known.revision + 1);
            let follows = match known {
                Some(known) if as_found => known.revision == fact.revision && known.fields() == fact.fields,
                None if as_found => !fact.is_removal(),
                known if fact.is_removal() => known.is_some(),
                Some(_) | None => fact.revision == expected,
            };
            if !follows {
                findings.push(Finding::FactOutOfOrder { shard, entry, object, revision: fact.revision });
            }
            if fact.is_removal() {
                self.current.remove(&object);
                continue;
            }
            let fields = match known {
                Some(known) => Fact::pack_fields(&known.followed_by(fact)),
                None => Fact::pack_fields(&fact.fields),
            };
            let current =
                Current { revision: fact.revision, at: (shard, entry), digest, fields: fields.into() };
            self.current.insert(object, current);
        }
    }

    /// How many facts were taken.
    pub(super) const fn taken(&self) -> u64 {
        self.taken
    }

    /// Remembers this moment. The first one stays.
    pub(super) fn mark(&mut self) {
        self.before.get_or_insert_default();
    }

    /// All objects as they stood at the moment that was asked for ([`Request::moment`](super::Request::moment)), or as they are now if
    /// none was.
    #[must_use]
    pub fn rewound(mut self) -> Self {
        for (object, before) in self.before.take().unwrap_or_default() {
            match before {
                Some(before) => self.current.insert(object, before),
                None => self.current.remove(&object),
            };
        }
        self
    }

    /// Live rows were read from here on.
    pub(super) fn open_window(&mut self) {
        self.window.get_or_insert_default();
    }

    /// Live rows had been read here.
    pub(super) fn close_window(&mut self) {
        if let Some(window) = &mut self.window {
            window.close();
        }
    }

    /// How an object stood while live rows were read, one state after the other; `None` where it was not there. If no such time was
    /// marked, as it is now.
    pub(super) fn in_window(&self, object: &Object) -> Vec<Option<&Current>> {
        let current = || self.find(object);
        match self.window.as_ref().and_then(|window| window.find(object)) {
            Some(passed) => {
                let until_now = (!passed.is_complete()).then(current);
                passed.states().chain(until_now).collect()
            }
            None => vec![current()],
        }
    }

    /// The objects that were there all the time while live rows were read.
    pub(super) fn throughout_window(&self) -> impl Iterator<Item = &Object> {
        let changed = self.window.iter().flat_map(Window::objects);
        let changed = changed.filter(move |object| self.in_window(object).iter().all(Option::is_some));
        let is_unchanged =
            move |object: &&Object| self.window.as_ref().is_none_or(|window| window.find(object).is_none());
        changed.chain(self.current.keys().filter(is_unchanged))
    }

    /// An object, if it is there.
    #[must_use]
    pub fn find(&self, object: &Object) -> Option<&Current> {
        self.current.get(object)
    }

    /// All of them in the order of kind and identifier.
    pub fn iter(&self) -> impl Iterator<Item = (&Object, &Current)> {
        self.current.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.current.len()
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.current.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::{KeyRingId, PrincipalId};

    use super::*;

    const RING: Object = Object::Ring(KeyRingId::from_bytes([1; 16]));
    const PERSON: Object = Object::Principal(PrincipalId::from_bytes([2; 16]));

    fn fact(object: Object, revision: u64, fields: &[(u16, &[u8])]) -> Fact {
        let fields = fields.iter().map(|(number, value)| (*number, Field::Open(value.to_vec()))).collect();
        Fact { object, revision, fields, sealed: None }
    }

    fn replayed(facts: &[Fact]) -> (Objects, Vec<Finding>) {
        replayed_with(facts, false)
    }

    fn replayed_with(facts: &[Fact], as_found: bool) -> (Objects, Vec<Finding>) {
        let (mut objects, mut findings) = (Objects::default(), Vec::new());
        for (entry, fact) in (0..).zip(facts) {
            objects.take((1, entry), as_found, [(fact, [7; 32])].into_iter(), &mut findings);
        }
        (objects, findings)
    }

    #[test]
    fn fixed_fields_stay_and_the_others_are_those_of_the_newest_fact() {
        let first = fact(RING, 1, &[(1, b"name"), (7, b"2"), (8, b"strict")]);
        let (objects, findings) = replayed(&[first, fact(RING, 2, &[(7, b"0")])]);
        assert_eq!(findings, []);
        let current = objects.find(&RING).unwrap();
        assert_eq!((current.revision, current.at), (2, (1, 1)));
        let fields = current.fields();
        assert_eq!(fields.keys().copied().collect::<Vec<_>>(), [1, 7]);
        assert_eq!(fields[&7], Field::Open(b"0".to_vec()));
    }

    #[test]
    fn revision_that_does_not_follow_is_a_finding() {
        for facts in [
            vec![fact(RING, 2, &[(7, b"2")])],
            vec![fact(RING, 1, &[(7, b"2")]), fact(RING, 1, &[(7, b"2")])],
            vec![fact(RING, 1, &[(7, b"2")]), fact(RING, 3, &[(7, b"2")])],
            vec![fact(RING, 0, &[])],
        ] {
            let codes: Vec<_> = replayed(&facts).1.iter().map(Finding::code).collect();
            assert_eq!(codes, ["fact-out-of-order"]);
        }
        let (objects, findings) = replayed(&[fact(RING, 1, &[(7, b"2")]), fact(RING, 0, &[])]);
        assert!(objects.is_empty() && findings.is_empty());
    }

    #[test]
    fn rows_from_before_there_were_facts_begin_at_any_revision_and_are_recorded_twice_only_alike() {
        let found = fact(RING, 7, &[(1, b"name"), (7, b"2")]);
        assert_eq!(replayed_with(std::slice::from_ref(&found), true).1, []);
        assert_eq!(replayed_with(&[found.clone(), found.clone()], true).1, []);
        let other = fact(RING, 7, &[(1, b"name"), (7, b"0")]);
        assert_eq!(replayed_with(&[found, other], true).1.len(), 1);
    }

    #[test]
    fn objects_are_rewound_to_what_stood_at_the_mark() {
        let history = [
            fact(RING, 1, &[(7, b"2")]),
            fact(PERSON, 1, &[(4, b"auditor")]),
            fact(RING, 2, &[(7, b"0")]),
            fact(PERSON, 0, &[]),
            fact(PERSON, 1, &[(4, b"administrator")]),
            fact(RING, 3, &[(7, b"1")]),
        ];
        for at in 0..=history.len() {
            let (mut objects, mut findings) = (Objects::default(), Vec::new());
            for (entry, fact) in (0..).zip(&history) {
                if entry == at {
                    objects.mark();
                }
                objects.take((1, entry as u64), false, [(fact, [7; 32])].into_iter(), &mut findings);
            }
            assert_eq!(findings, []);
            assert_eq!(objects.rewound().current, replayed(&history[..at]).0.current, "{at}");
        }
    }
}

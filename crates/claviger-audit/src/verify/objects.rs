//! The objects that follow from the facts of a log: every ring, key, version, principal, credential, grant, alias and reason as it
//! stands after the last entry, as it stood at a moment before, and how that differs from what is live.
//!
//! Memory grows with the objects: of the moment before, only those are kept apart that changed since.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use crate::Hash;
use crate::fact::{Fact, Field, Object, field_name, is_erased, is_fixed, principal_of};

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
    fn followed_by(&self, next: &Fact) -> BTreeMap<u16, Field> {
        let kind = next.object.kind();
        let mut fields = self.fields();
        fields.retain(|number, _| is_fixed(kind, *number));
        fields.extend(next.fields.iter().map(|(number, field)| (*number, field.clone())));
        fields
    }
}

/// A row as it is live, field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRow {
    /// The object.
    pub object: Object,
    /// Its revision.
    pub revision: u64,
    /// Its fields; those that are sealed in the log as what commits to them.
    pub fields: BTreeMap<u16, Field>,
    /// Is it as a server wrote it, columns included of which facts do not speak?
    pub holds: bool,
}

/// All objects of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    current: BTreeMap<Object, Current>,
    /// Those that changed since the mark, as they stood at it: `None` for one that was not there.
    before: Option<BTreeMap<Object, Option<Current>>>,
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

    /// Is it erased, by what the log says, who the principal was that an object with these fields is, or is a credential of? What was said of it
    /// under its key is disclosed by nobody then, and no live row says it.
    fn is_erased(&self, object: &Object, fields: &BTreeMap<u16, Field>) -> bool {
        match object {
            Object::Principal(_) => is_erased(fields),
            Object::Credential(_) => principal_of(fields)
                .and_then(|id| self.find(&Object::Principal(id)))
                .is_some_and(|principal| is_erased(&principal.fields())),
            _ => false,
        }
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

/// How live rows differ from what the log yields, shown one by one.
#[derive(Debug)]
pub struct Comparison<'a> {
    logged: &'a Objects,
    seen: BTreeSet<Object>,
    findings: Vec<Finding>,
}

impl<'a> Comparison<'a> {
    /// Against these.
    #[must_use]
    pub const fn new(logged: &'a Objects) -> Self {
        Self { logged, seen: BTreeSet::new(), findings: Vec::new() }
    }

    /// Holds a live row against the log.
    pub fn see(&mut self, row: &LiveRow) {
        let object = row.object;
        self.seen.insert(object);
        let mut differs = |field| self.findings.push(Finding::StateDiffers { object, field });
        let Some(logged) = self.logged.find(&object) else {
            return differs("(the log knows no such object)");
        };
        if !row.holds {
            differs("tag");
        }
        if logged.revision != row.revision {
            differs("revision");
        }
        let mut fields = logged.fields();
        if self.logged.is_erased(&object, &fields) {
            fields.retain(|_, field| matches!(field, Field::Open(_)));
        }
        let numbers: BTreeSet<_> = fields.keys().chain(row.fields.keys()).collect();
        for number in numbers {
            if fields.get(number) != row.fields.get(number) {
                differs(
                    field_name(object.kind(), *number).unwrap_or("(a field that this release does not know)"),
                );
            }
        }
    }

    /// What differs, once all rows were shown.
    #[must_use]
    pub fn finish(mut self) -> Vec<Finding> {
        let gone = self.logged.current.keys().filter(|object| !self.seen.contains(object));
        let gone = gone.map(|object| Finding::StateDiffers { object: *object, field: "(it is not there)" });
        self.findings.extend(gone);
        self.findings
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

    fn row(fact: &Fact) -> LiveRow {
        LiveRow { object: fact.object, revision: fact.revision, fields: fact.fields.clone(), holds: true }
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

    #[test]
    fn what_was_sealed_of_an_erased_principal_is_in_no_live_row() {
        let hidden = |mut fact: Fact, number| {
            fact.fields.insert(number, Field::Hidden([9; 32]));
            fact
        };
        let id = [&[0x50], [2; 16].as_slice()].concat();
        let credential = Object::Credential(claviger_core::CredentialId::from_bytes([3; 16]));
        let made =
            [hidden(fact(PERSON, 1, &[(4, b"auditor")]), 1), hidden(fact(credential, 1, &[(1, &id)]), 7)];
        let erased = fact(PERSON, 2, &[(13, b"by"), (14, b"at")]);
        let compared = |facts: &[Fact], rows: &[LiveRow]| {
            let objects = replayed(facts).0;
            let mut comparison = Comparison::new(&objects);
            rows.iter().for_each(|row| comparison.see(row));
            comparison.finish().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let bare = row(&fact(credential, 1, &[(1, &id)]));
        // Before the log says so, what is missing is missed.
        let found = compared(&made, &[row(&fact(PERSON, 1, &[(4, b"auditor")])), bare.clone()]);
        assert!(found.len() == 2 && found[0].contains("name") && found[1].contains("label"), "{found:?}");
        let all = [made.as_slice(), std::slice::from_ref(&erased)].concat();
        assert_eq!(compared(&all, &[row(&erased), bare.clone()]), Vec::<String>::new());
        // And what is put there again is one finding more.
        let found = compared(&all, &[row(&hidden(erased, 1)), bare]);
        assert!(found.len() == 1 && found[0].contains("name"), "{found:?}");
    }

    #[test]
    fn each_difference_is_named() {
        let (ring, person) =
            (fact(RING, 1, &[(7, b"2"), (8, b"strict")]), fact(PERSON, 1, &[(4, b"auditor")]));
        let (objects, _) = replayed(&[ring.clone(), person.clone()]);
        let compared = |rows: &[LiveRow]| {
            let mut comparison = Comparison::new(&objects);
            rows.iter().for_each(|row| comparison.see(row));
            comparison.finish().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(compared(&[row(&ring), row(&person)]), Vec::<String>::new());
        let edited = fact(RING, 1, &[(7, b"0"), (8, b"strict")]);
        let found = compared(&[row(&edited), row(&person)]);
        assert!(
            found.len() == 1 && found[0].contains("ring 01010101-") && found[0].contains("quorum"),
            "{found:?}"
        );
        let found = compared(&[LiveRow { holds: false, ..row(&ring) }, row(&person)]);
        assert!(found.len() == 1 && found[0].contains("tag"), "{found:?}");
        let older = fact(RING, 3, &[(7, b"2")]);
        let found = compared(&[row(&older), row(&person)]);
        assert!(found.len() == 2 && found[0].contains("revision") && found[1].contains("separation"));
        let found = compared(&[row(&ring)]);
        assert!(
            found.len() == 1 && found[0].contains("principal 02020202-") && found[0].contains("not there")
        );
        let new = fact(Object::Ring(KeyRingId::from_bytes([9; 16])), 1, &[]);
        assert!(compared(&[row(&ring), row(&person), row(&new)])[0].contains("knows no such object"));
    }
}

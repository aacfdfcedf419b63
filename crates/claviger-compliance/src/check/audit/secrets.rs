//! AUD-11: what must not be in the log.

use std::collections::BTreeMap;

use crate::check::{Check, End, Event};
use crate::detector::{Kind, scan_entry, scan_fact};
use crate::evaluation::{Emptiness, Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

pub(super) struct NoSecrets {
    ledger: Ledger,
    period: Period,
    /// Entries and open fields of the period that were looked into.
    entries: u64,
    fields: u64,
    /// How often each kind of thing was found, whenever it was recorded.
    found: BTreeMap<Kind, u64>,
}

impl NoSecrets {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            entries: 0,
            fields: 0,
            found: BTreeMap::new(),
        }
    }

    /// What is in the log once stays there: it is found from then on, and in each period.
    fn violates(&mut self, subject: impl Into<Subject>, event: &Event<'_>, place: &str, kind: Kind) {
        *self.found.entry(kind).or_default() += 1;
        let because = format!("{place} of entry {} holds what detectors call `{kind}`", event.index);
        let judgement = Judgement::violated(because);
        self.ledger.judge_by(subject.into(), event.at, judgement, Some(event.index));
    }
}

impl Check for NoSecrets {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        let mut fields = 0;
        for kind in scan_entry(event.entry) {
            self.violates(
                Subject::named(format!("entries of {}", event.entry.op)),
                event,
                "the reference",
                kind,
            );
        }
        for fact in event.facts {
            fields += scan_fact(fact, &mut |field, kind| {
                self.violates(fact.object, event, &format!("the field {field} in the facts"), kind);
            });
        }
        if self.period.holds(event.at) {
            if self.entries == 0 {
                self.ledger.happened(Subject::named("entries and facts"), event.at, event.index, None);
            }
            self.entries += 1;
            self.fields += fields;
        }
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        let mut outcome = Outcome::of(
            self.ledger,
            "neither entries nor open fields of facts hold numbers of cards or accounts, secrets or addresses of people, and each field of a fact is in the schema, and sealed where that asks for it",
        )
        .when_empty(Emptiness::Unknown("the log has no entries of that time"))
        .figure("entries_looked_into", self.entries)
        .figure("open_fields_looked_into", self.fields);
        for kind in Kind::ALL {
            let found = self.found.get(&kind).copied().unwrap_or_default();
            outcome = outcome.figure(&format!("found_{kind}"), found);
        }
        outcome
            .note("what is sealed is not looked into: names, labels, conditions and reasons open with keys of people and objects, and end with them")
            .note("the files of an evidence pack are looked into when it is made, and one that holds any of it is not made")
            .note("no plaintext, context or answer has a place in the schema of entries: each entry decodes by it or is a finding, and what callers choose stands there as tags under keys")
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::fact::{Fact, Field, Object};
    use claviger_audit::{Entry, Op, Outcome as Ended};
    use claviger_core::{KeyId, Timestamp};

    use super::*;
    use crate::Catalogue;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn key_with(number: u16, text: &str) -> Fact {
        let mut cbor = Vec::new();
        claviger_audit::cbor::put_text(&mut cbor, text);
        let fields = [(number, Field::Open(cbor))].into();
        Fact { object: Object::Key(KeyId::from_bytes([7; 16])), revision: 1, fields, sealed: None }
    }

    /// The check of a period, once it has seen facts with the seconds of their entries.
    fn looked_into(period: (u64, u64), facts: &[(u64, Fact)]) -> NoSecrets {
        let catalogue = Catalogue::load().unwrap();
        let period = Period { from: at(period.0), to: at(period.1) };
        let mut check = NoSecrets::new(&Setting::new(&catalogue, None, period));
        for (index, (second, fact)) in (0..).zip(facts) {
            let entry = Entry::new(second * 1_000_000, 1, Op::CreateKey, Ended::Ok);
            let facts = std::slice::from_ref(fact);
            let event = Event { shard: 1, index, at: at(*second), entry: &entry, facts };
            check.entry(&event, &Estate::default());
        }
        check
    }

    #[test]
    fn what_must_not_be_recorded_violates_from_then_on_and_is_not_repeated() {
        let (clean, secret) = (key_with(20, "production"), key_with(20, "4111111111111111"));
        let key = Subject::from(secret.object);
        let of_clean = looked_into((10, 20), &[(11, clean.clone()), (12, clean.clone())]);
        assert_eq!((of_clean.ledger.find(&key), of_clean.ledger.len()), (None, 1));
        assert_eq!((of_clean.entries, of_clean.fields), (2, 2));
        // Before the period as well: the log still has it.
        for second in [5, 15] {
            let check = looked_into((10, 20), &[(second, secret.clone()), (16, clean.clone())]);
            let because =
                "the field environment in the facts of entry 0 holds what detectors call `card_number`";
            assert_eq!(check.ledger.find(&key), Some(&Judgement::violated(because)));
            assert_eq!(check.found, BTreeMap::from([(Kind::CardNumber, 1)]));
        }
        assert!(looked_into((10, 20), &[]).ledger.is_empty());
    }

    #[test]
    fn a_name_that_is_recorded_unsealed_violates() {
        let named = key_with(2, "orders");
        let check = looked_into((10, 20), &[(11, named.clone())]);
        let because = "the field name in the facts of entry 0 holds what detectors call `unsealed_field`";
        assert_eq!(check.ledger.find(&Subject::from(named.object)), Some(&Judgement::violated(because)));
        assert!(!format!("{:?}", check.ledger).contains("orders"));
    }
}

//! What must never be in a log or a pack, looked for: in entries and facts while the log is walked over, and in the files of a pack before it
//! is signed. What is looked for, and how rarely something else is taken for it, is said in [`claviger_compliance::detector`].

use claviger_audit::verify::SeenEntry;
use claviger_compliance::detector::{Kind, scan, scan_entry, scan_fact};
use serde::Serialize;

use crate::pack::PackFile;

/// How many findings are named; more are counted.
const MOST_FOUND: usize = 1000;

/// What was looked into, and what was found. No value is repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Detection {
    /// How many entries were looked into.
    pub entries: u64,
    /// How many open fields of facts.
    pub fields: u64,
    /// How many files.
    pub files: u64,
    /// What was found: the first thousand, in the order in which it was come upon.
    pub found: Vec<Found>,
    /// How many findings there are beside those.
    pub more: u64,
}

/// Something that must not be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Where: an entry, the field of an object in its facts, or a file with the number of its line.
    pub place: String,
    /// What kind of thing, as in `card_number`.
    pub kind: String,
}

impl Detection {
    fn put(&mut self, place: impl FnOnce() -> String, kind: Kind) {
        if self.found.len() < MOST_FOUND {
            self.found.push(Found { place: place(), kind: kind.to_string() });
        } else {
            self.more += 1;
        }
    }
}

/// Looks into entries and facts while a log is walked over.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    seen: Detection,
}

impl Detector {
    /// One that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks into an entry and its facts.
    pub fn entry(&mut self, seen: &SeenEntry<'_>) {
        let (shard, index) = (seen.shard, seen.index);
        self.seen.entries += 1;
        for kind in scan_entry(seen.entry) {
            self.seen.put(|| format!("entry {index} of shard {shard}, the reference"), kind);
        }
        for fact in seen.facts {
            let open = scan_fact(fact, &mut |field, kind| {
                let object = fact.object;
                self.seen
                    .put(|| format!("entry {index} of shard {shard}, the field {field} of {object}"), kind);
            });
            self.seen.fields += open;
        }
    }

    /// What was looked into, and what was found.
    #[must_use]
    pub fn finish(self) -> Detection {
        self.seen
    }
}

/// Looks into the files of a pack.
#[must_use]
pub fn over_files(files: &[PackFile]) -> Detection {
    let mut detection = Detection::default();
    for file in files {
        detection.files += 1;
        let (mut line, mut at) = (1, 0);
        for hit in scan(&file.bytes) {
            let before = file.bytes.get(at..hit.at).unwrap_or_default();
            line += before.iter().filter(|byte| **byte == b'\n').count();
            at = hit.at;
            detection.put(|| format!("{}:{line}", file.path), hit.kind);
        }
    }
    detection
}

#[cfg(test)]
mod tests {
    use claviger_audit::fact::{Fact, Field, Object};
    use claviger_audit::verify::Objects;
    use claviger_audit::{Entry, Op, Outcome, cbor};
    use claviger_core::KeyId;

    use super::*;

    fn found(place: &str, kind: &str) -> Found {
        Found { place: place.to_owned(), kind: kind.to_owned() }
    }

    fn looked_into(entry: &Entry<'_>, facts: &[Fact]) -> Detection {
        let mut detector = Detector::new();
        let objects = Objects::default();
        detector.entry(&SeenEntry { shard: 1, index: 42, entry, facts, objects: &objects });
        detector.finish()
    }

    #[test]
    fn entries_and_facts_are_looked_into_and_values_are_not_repeated() {
        let mut cbor = Vec::new();
        cbor::put_text(&mut cbor, "of jo@example.org");
        let key = Object::Key(KeyId::from_bytes([7; 16]));
        let fields = [(2, Field::Hidden([1; 32])), (20, Field::Open(cbor))].into();
        let fact = Fact { object: key, revision: 1, fields, sealed: None };
        let entry = Entry::new(1, 1, Op::CreateKey, Outcome::Ok);
        let detection = looked_into(&entry, &[fact]);
        assert_eq!((detection.entries, detection.fields, detection.more), (1, 1, 0));
        let place = format!("entry 42 of shard 1, the field environment of {key}");
        assert_eq!(detection.found, [found(&place, "email_address")]);
        assert!(!serde_json::to_string(&detection).unwrap().contains("example"));
        let entry = Entry { reference: Some(b"4111111111111111".to_vec().into()), ..entry };
        assert_eq!(
            looked_into(&entry, &[]).found,
            [found("entry 42 of shard 1, the reference", "card_number")]
        );
    }

    #[test]
    fn files_are_looked_into_and_findings_have_their_lines() {
        let files = [
            PackFile::new("report/keys.csv", "id,state\r\n1,active\r\n2,5555555555554444\r\n"),
            PackFile::new("READ-ME-FIRST.md", "# Nothing\n"),
            PackFile::new("state/objects.jsonl", "{\"iban\":\"DE89370400440532013000\"}"),
        ];
        let detection = over_files(&files);
        assert_eq!(detection.files, 3);
        let wanted = [found("report/keys.csv:3", "card_number"), found("state/objects.jsonl:1", "iban")];
        assert_eq!(detection.found, wanted);
    }

    #[test]
    fn findings_are_named_to_a_bound_and_counted_beyond_it() {
        let many = "4111111111111111\n".repeat(MOST_FOUND + 7);
        let detection = over_files(&[PackFile::new("many.txt", many)]);
        assert_eq!((detection.found.len(), detection.more), (MOST_FOUND, 7));
    }
}

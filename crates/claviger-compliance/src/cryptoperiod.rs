//! Cryptoperiods (NIST SP 800-57 part 1, 5.3): how long versions protect and process, by what their keys are for and what their data
//! is.

use std::sync::LazyLock;
use std::time::Duration;

use claviger_audit::fact::OpenKey;
use claviger_core::key::{DataClass, RingPolicy};
use claviger_core::{Purpose, Timestamp};
use serde::Deserialize;

use crate::evaluation::Class;

const TEXT: &str = include_str!("../catalogue/cryptoperiods.toml");

static TABLE: LazyLock<Option<Table>> = LazyLock::new(|| toml::from_str(TEXT).ok());

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    cardholder_max_days: u64,
    kind: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    #[serde(rename = "R")]
    restricted: Limits,
    #[serde(rename = "C")]
    confidential: Limits,
    #[serde(rename = "I")]
    internal: Limits,
    #[serde(rename = "T")]
    test: Limits,
    process_after_days: Option<u64>,
    process_within_days: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    rotate_days: u64,
    max_days: u64,
}

/// The cryptoperiod of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cryptoperiod {
    /// How often it rotates, unless somebody says otherwise.
    pub rotate: Duration,
    /// The longest span for which a version protects (originator-usage period).
    pub protect: Duration,
    /// How long a version processes (recipient-usage period).
    pub process: Process,
}

/// How long a version processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// So long after the end of its protecting.
    After(Duration),
    /// By its public half, which is kept; the private one is destroyed when its use ends.
    PublicHalf,
    /// Until so long after it was put into use.
    Within(Duration),
}

/// When the use of a version ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// From then on it protects nothing.
    pub protect: Timestamp,
    /// From then on it processes nothing; none where its public half goes on.
    pub process: Option<Timestamp>,
}

/// The cryptoperiod of a key by the table; none where the table does not read, which a test rules out.
#[must_use]
pub fn find(key: &OpenKey) -> Option<Cryptoperiod> {
    find_for(key.purpose, key.spec.is_asymmetric(), key.data_class)
}

fn find_for(purpose: Purpose, is_asymmetric: bool, class: DataClass) -> Option<Cryptoperiod> {
    let table = TABLE.as_ref()?;
    let kind = kind_of(purpose, is_asymmetric);
    let row = table.kind.iter().find(|row| row.name == kind)?;
    let limits = match Class::from(class) {
        Class::Restricted => row.restricted,
        Class::Confidential => row.confidential,
        Class::Internal => row.internal,
        Class::Test => row.test,
    };
    let max_days = match class {
        DataClass::Cardholder => limits.max_days.min(table.cardholder_max_days),
        _ => limits.max_days,
    };
    let process = match (row.process_after_days, row.process_within_days) {
        (Some(span), _) => Process::After(days(span)),
        (None, Some(span)) => Process::Within(days(span)),
        (None, None) => Process::PublicHalf,
    };
    Some(Cryptoperiod { rotate: days(limits.rotate_days), protect: days(max_days), process })
}

const fn kind_of(purpose: Purpose, is_asymmetric: bool) -> &'static str {
    match (purpose, is_asymmetric) {
        (Purpose::Encrypt, false) => "data encryption",
        (Purpose::Agree | Purpose::Encapsulate, _) | (Purpose::Encrypt, true) => "key establishment",
        (Purpose::Mac, _) => "mac",
        (Purpose::Sign, _) => "signature",
        (Purpose::Wrap, _) => "key wrapping",
    }
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days.saturating_mul(86_400))
}

impl Cryptoperiod {
    /// When the use of a version ends that was put into use then. A ring can ask for an earlier end, and not for a later one.
    #[must_use]
    pub fn ends(&self, policy: &RingPolicy, activated_at: Timestamp) -> Ends {
        let shorter = |asked: Option<Duration>, most: Duration| asked.map_or(most, |asked| asked.min(most));
        let protect = activated_at.after(shorter(policy.protect_period, self.protect));
        let process = match self.process {
            Process::After(most) => Some(protect.after(shorter(policy.process_period, most))),
            Process::PublicHalf => None,
            Process::Within(most) => {
                let latest = activated_at.after(most);
                Some(policy.process_period.map_or(latest, |asked| protect.after(asked).min(latest)))
            }
        };
        Ends { protect, process }
    }
}

impl Ends {
    /// The earlier one of each.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        let process = match (self.process, other.process) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        Self { protect: self.protect.min(other.protect), process }
    }

    /// From then on its material is of no use any more.
    #[must_use]
    pub fn last(self) -> Timestamp {
        self.process.unwrap_or(self.protect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_a_cryptoperiod() {
        for purpose in Purpose::ALL {
            for is_asymmetric in [false, true] {
                for class in DataClass::ALL {
                    let found = find_for(purpose, is_asymmetric, class).unwrap();
                    assert!(found.rotate <= found.protect, "{purpose:?} {class}");
                    assert!(found.protect <= days(1095), "{purpose:?} {class}");
                    assert!(class != DataClass::Cardholder || found.protect <= days(365), "{purpose:?}");
                }
            }
        }
        let table = TABLE.as_ref().unwrap();
        assert_eq!(table.kind.len(), 5, "a kind is there once");
    }

    #[test]
    fn ends_are_those_of_the_table_or_earlier() {
        let at = |days: u64| Timestamp::from_micros(days * 86_400_000_000);
        let ends = |purpose, is_asymmetric, policy: &RingPolicy| {
            find_for(purpose, is_asymmetric, DataClass::Ephi).unwrap().ends(policy, at(10))
        };
        let silent = RingPolicy::default();
        let of_data = ends(Purpose::Encrypt, false, &silent);
        assert_eq!(of_data, Ends { protect: at(375), process: Some(at(1470)) });
        assert_eq!(ends(Purpose::Sign, true, &silent), Ends { protect: at(1105), process: None });
        assert_eq!(ends(Purpose::Encrypt, true, &silent).process, Some(at(740)));
        let short = RingPolicy {
            protect_period: Some(days(30)),
            process_period: Some(days(60)),
            ..RingPolicy::default()
        };
        let of_ring = ends(Purpose::Encrypt, false, &short);
        assert_eq!(of_ring, Ends { protect: at(40), process: Some(at(100)) });
        assert_eq!((of_ring.earlier(of_data), of_data.earlier(of_ring)), (of_ring, of_ring));
        let long = RingPolicy { protect_period: Some(days(9999)), ..RingPolicy::default() };
        assert_eq!(ends(Purpose::Encrypt, false, &long), of_data);
    }
}

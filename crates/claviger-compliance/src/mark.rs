//! Marks: whether what a text says was read in a source, and in which.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A source that was read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The code by which texts name it.
    pub code: String,
    /// What was read. What is called secondary restates an official text.
    pub read: String,
}

/// Where something was taken from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Mark {
    /// From knowledge: it must be held against the official text before anybody relies on it.
    Unverified,
    /// It was read in the source with that code.
    Verified(String),
}

/// Text that is no mark.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no mark: `V:CODE` or `K`")]
pub struct NotAMark(String);

impl Mark {
    /// Is it from a source that was read?
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        matches!(self, Self::Verified(_))
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unverified => f.write_str("K"),
            Self::Verified(code) => write!(f, "V:{code}"),
        }
    }
}

impl FromStr for Mark {
    type Err = NotAMark;

    fn from_str(text: &str) -> Result<Self, NotAMark> {
        match text.split_once(':') {
            None if text == "K" => Ok(Self::Unverified),
            Some(("V", code)) if !code.is_empty() => Ok(Self::Verified(code.to_owned())),
            _ => Err(NotAMark(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Mark {
    type Error = NotAMark;

    fn try_from(text: String) -> Result<Self, NotAMark> {
        text.parse()
    }
}

impl From<Mark> for String {
    fn from(mark: Mark) -> Self {
        mark.to_string()
    }
}

/// The marks within a text: `[V:CODE]`, `[K]`, several after each other with commas. Other brackets are not marks.
pub fn within(text: &str) -> impl Iterator<Item = Mark> {
    let bracketed = text.split('[').skip(1).filter_map(|rest| rest.split_once(']')).map(|(inner, _)| inner);
    let marked = bracketed.filter(|inner| inner.split(", ").all(|one| one.parse::<Mark>().is_ok()));
    marked.flat_map(|inner| inner.split(", ").filter_map(|one| one.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_between_other_brackets() {
        let verified = |code: &str| Mark::Verified(code.to_owned());
        let text = "nodes[] and [12 months] of [V:PCI-4.0, K], then [V:88r2]";
        let found: Vec<_> = within(text).collect();
        assert_eq!(found, [verified("PCI-4.0"), Mark::Unverified, verified("88r2")]);
        for mark in [Mark::Unverified, verified("GDPR")] {
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        for text in ["", "V", "V:", "k", "X:GDPR"] {
            assert!(text.parse::<Mark>().is_err(), "{text}");
        }
    }
}

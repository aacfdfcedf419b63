//! What an attack finds.

use std::fmt;

/// The outcome of an attack that was made. One that could not be made is an error instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The attack got what it wanted: the symptom, with figures.
    Broken(String),
    /// It did not: what was tried, and what refused it.
    Held(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(symptom) => write!(f, "broken: {symptom}"),
            Self::Held(what) => write!(f, "held: {what}"),
        }
    }
}

/// What an attack of several parts has found so far.
#[derive(Debug, Default)]
pub struct Findings {
    broken: Vec<String>,
    held: Vec<String>,
}

impl Findings {
    /// One part got what it wanted.
    pub fn broken(&mut self, symptom: impl Into<String>) {
        self.broken.push(symptom.into());
    }

    /// One part was refused.
    pub fn held(&mut self, what: impl Into<String>) {
        self.held.push(what.into());
    }

    /// One part: it is `held`, or `broken`, with what there is to say of it.
    pub fn add(&mut self, held: bool, what: impl Into<String>) {
        if held { self.held(what) } else { self.broken(what) }
    }

    /// Held only if every part held.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        if self.broken.is_empty() {
            return Verdict::Held(self.held.join("; "));
        }
        Verdict::Broken(self.broken.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_that_broke_is_the_verdict() {
        let mut findings = Findings::default();
        findings.held("this");
        assert_eq!(Findings::default().verdict(), Verdict::Held(String::new()));
        findings.add(true, "that");
        findings.add(false, "17 of 20");
        assert_eq!(findings.verdict(), Verdict::Broken("17 of 20".into()));
    }
}

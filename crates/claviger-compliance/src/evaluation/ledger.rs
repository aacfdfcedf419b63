//! What is found of each subject, over time.
//!
//! A check judges a subject whenever something changes that it rests on; the ledger keeps from when to when it was so. One ledger answers both
//! modes: what holds at the instant, and what held at every instant of the period.

use std::collections::BTreeMap;
use std::fmt;

use claviger_audit::fact::Object;
use claviger_audit::{sha256, to_hex};
use claviger_core::Timestamp;

use super::result::{MOST_NAMED, Period, Population, Undecided, Violation};

/// What is judged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An object.
    Object(Object),
    /// Something else, by a name of its own, such as `listener data` or `log`.
    Named(String),
}

impl Subject {
    /// By a name of its own.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self::Named(name.into())
    }
}

impl From<Object> for Subject {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(object) => object.fmt(f),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// What is found of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is not asked about.
    OutOfScope,
    /// It holds.
    Holds,
    /// It holds until that instant, and is violated from then on if nothing else is found before: the fact that decides then.
    HoldsUntil(Timestamp, Box<str>),
    /// It is violated: the fact that decides.
    Violated(Box<str>),
    /// It is not known: what is missing.
    Unknown(Box<str>),
}

impl Judgement {
    /// It is violated.
    #[must_use]
    pub fn violated(because: impl Into<String>) -> Self {
        Self::Violated(because.into().into_boxed_str())
    }

    /// It is not known.
    #[must_use]
    pub fn unknown(because: impl Into<String>) -> Self {
        Self::Unknown(because.into().into_boxed_str())
    }

    /// It holds until then, or always if there is no such instant.
    #[must_use]
    pub fn holds_until(at: Option<Timestamp>, because: impl FnOnce() -> String) -> Self {
        at.map_or(Self::Holds, |at| Self::HoldsUntil(at, because().into_boxed_str()))
    }

    /// It is violated if there is a reason, and holds otherwise.
    #[must_use]
    pub fn of(violation: Option<String>) -> Self {
        violation.map_or(Self::Holds, Self::violated)
    }
}

/// Spans in which a subject violated, drawn together: the first begins, the last ends.
#[derive(Clone, Debug)]
struct Past {
    from: Timestamp,
    to: Timestamp,
    times: u64,
    because: Box<str>,
    entry: Option<u64>,
}

#[derive(Clone, Debug)]
struct Kept {
    now: Judgement,
    since: Timestamp,
    entry: Option<u64>,
    /// Was it in scope at some instant of the period before this judgement?
    was_in_scope: bool,
    past: Option<Box<Past>>,
    /// What was not known at some instant of the period before this judgement.
    was_unknown: Option<Box<str>>,
}

/// What is found of each subject.
#[derive(Clone, Debug)]
pub struct Ledger {
    period: Period,
    subjects: BTreeMap<Subject, Kept>,
}

/// What a ledger says of one mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) population: Population,
    /// The objects of the population, ascending. It may have other subjects beside them.
    pub(super) objects: Vec<Object>,
    pub(super) violators: u64,
    pub(super) violations: Vec<Violation>,
    pub(super) undecided: u64,
    pub(super) undecided_subjects: Vec<Undecided>,
}

impl Ledger {
    /// Of a period; the instant of the other mode is its end.
    #[must_use]
    pub const fn new(period: Period) -> Self {
        Self { period, subjects: BTreeMap::new() }
    }

    /// What is found of a subject from `at` on. Judgements come in the order of the log, whatever its clock says: one that lies before
    /// the last one counts from that one on. What is found behind the end of the period is nobody's.
    pub fn judge(&mut self, subject: impl Into<Subject>, at: Timestamp, judgement: Judgement) {
        self.judge_by(subject.into(), at, judgement, None);
    }

    /// The same, where an entry is why.
    pub fn judge_by(&mut self, subject: Subject, at: Timestamp, judgement: Judgement, entry: Option<u64>) {
        let period = self.period;
        if at > period.to {
            return;
        }
        match self.subjects.get_mut(&subject) {
            Some(kept) => kept.turn(period, at, judgement, entry),
            None if judgement == Judgement::OutOfScope => {}
            None => {
                let kept = Kept {
                    now: judgement,
                    since: at,
                    entry,
                    was_in_scope: false,
                    past: None,
                    was_unknown: None,
                };
                self.subjects.insert(subject, kept);
            }
        }
    }

    /// Something that happened at an instant: the subject was in scope then, and violated the control if there is a reason. It says
    /// nothing of what is before or after.
    pub fn happened(
        &mut self,
        subject: impl Into<Subject>,
        at: Timestamp,
        entry: u64,
        violation: Option<String>,
    ) {
        if !self.period.holds(at) {
            return;
        }
        let kept = self.subjects.entry(subject.into()).or_insert(Kept {
            now: Judgement::OutOfScope,
            // It was never judged.
            since: Timestamp::default(),
            entry: None,
            was_in_scope: false,
            past: None,
            was_unknown: None,
        });
        kept.was_in_scope = true;
        if let Some(because) = violation {
            kept.passed(at, at, because.into_boxed_str(), Some(entry));
        }
    }

    /// What is found of a subject now, if it was judged.
    #[must_use]
    pub fn find(&self, subject: &Subject) -> Option<&Judgement> {
        self.subjects.get(subject).map(|kept| &kept.now)
    }

    /// How many subjects were judged.
    #[must_use]
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Was none judged?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// At the end of the period.
    pub(super) fn of_state(&self) -> Said {
        let mut told = Teller::new();
        for (subject, kept) in &self.subjects {
            match kept.at(self.period.to) {
                Judgement::OutOfScope => {}
                Judgement::Holds | Judgement::HoldsUntil(..) => told.count(subject),
                Judgement::Violated(because) => {
                    told.count(subject);
                    told.violation(|| Violation {
                        subject: subject.to_string(),
                        from: kept.begins(self.period.to),
                        to: None,
                        times: 1,
                        remediated: false,
                        because: because.into(),
                        entry: kept.entry,
                    });
                }
                Judgement::Unknown(because) => {
                    told.count(subject);
                    told.undecided(subject, &because);
                }
            }
        }
        told.finish()
    }

    /// At every instant of the period.
    pub(super) fn of_period(&self) -> Said {
        let mut told = Teller::new();
        for (subject, kept) in &self.subjects {
            let now = kept.at(self.period.to);
            if !kept.was_in_scope && now == Judgement::OutOfScope {
                continue;
            }
            told.count(subject);
            let violates = matches!(now, Judgement::Violated(_));
            if let Judgement::Violated(because) = &now {
                let past = kept.past.as_deref();
                told.violation(|| Violation {
                    subject: subject.to_string(),
                    from: past
                        .map_or_else(|| kept.begins(self.period.to).max(self.period.from), |past| past.from),
                    to: None,
                    times: past.map_or(1, |past| past.times + 1),
                    remediated: false,
                    because: because.as_ref().into(),
                    entry: past.map_or(kept.entry, |past| past.entry),
                });
            } else if let Some(past) = kept.past.as_deref() {
                told.violation(|| Violation {
                    subject: subject.to_string(),
                    from: past.from,
                    to: Some(past.to),
                    times: past.times,
                    remediated: true,
                    because: past.because.as_ref().into(),
                    entry: past.entry,
                });
            }
            match (&now, &kept.was_unknown) {
                (Judgement::Unknown(because), _) | (_, Some(because)) if !violates && kept.past.is_none() => {
                    told.undecided(subject, because);
                }
                _ => {}
            }
        }
        told.finish()
    }
}

impl Kept {
    /// What is found at an instant, the last judgement being the one that counts there.
    fn at(&self, at: Timestamp) -> Judgement {
        match &self.now {
            Judgement::HoldsUntil(until, because) if at >= *until => Judgement::Violated(because.clone()),
            other => other.clone(),
        }
    }

    /// When the violation begins that is found at an instant.
    fn begins(&self, at: Timestamp) -> Timestamp {
        match &self.now {
            Judgement::HoldsUntil(until, _) if at >= *until => (*until).max(self.since),
            _ => self.since,
        }
    }

    /// Keeps what passed of the period under the judgement so far, and takes the next one. At the instant of a judgement that one counts;
    /// of several at the same instant each does, for there was an entry between them.
    fn turn(&mut self, period: Period, at: Timestamp, judgement: Judgement, entry: Option<u64>) {
        if judgement == self.now {
            return;
        }
        let at = at.max(self.since);
        if at > period.from || self.since == period.from {
            let (from, to) = (self.since.max(period.from), at);
            self.was_in_scope |= self.now != Judgement::OutOfScope;
            match self.now.clone() {
                Judgement::Violated(because) => self.passed(from, to, because, self.entry),
                Judgement::HoldsUntil(until, because) if until < to => {
                    self.passed(until.max(from), to, because, self.entry);
                }
                Judgement::Unknown(because) => {
                    self.was_unknown.get_or_insert(because);
                }
                Judgement::Holds | Judgement::HoldsUntil(..) | Judgement::OutOfScope => {}
            }
        }
        (self.now, self.since, self.entry) = (judgement, at, entry);
    }

    fn passed(&mut self, from: Timestamp, to: Timestamp, because: Box<str>, entry: Option<u64>) {
        match &mut self.past {
            Some(past) => {
                if from < past.from {
                    (past.from, past.because, past.entry) = (from, because, entry);
                }
                past.to = past.to.max(to);
                past.times += 1;
            }
            None => self.past = Some(Box::new(Past { from, to, times: 1, because, entry })),
        }
    }
}

/// Puts together what a ledger says.
struct Teller {
    names: Vec<String>,
    objects: Vec<Object>,
    violators: u64,
    violations: Vec<Violation>,
    undecided: u64,
    undecided_subjects: Vec<Undecided>,
}

impl Teller {
    const fn new() -> Self {
        Self {
            names: Vec::new(),
            objects: Vec::new(),
            violators: 0,
            violations: Vec::new(),
            undecided: 0,
            undecided_subjects: Vec::new(),
        }
    }

    fn count(&mut self, subject: &Subject) {
        self.names.push(format!("{subject}\n"));
        if let Subject::Object(object) = subject {
            self.objects.push(*object);
        }
    }

    fn violation(&mut self, violation: impl FnOnce() -> Violation) {
        self.violators += 1;
        if self.violations.len() < MOST_NAMED {
            self.violations.push(violation());
        }
    }

    fn undecided(&mut self, subject: &Subject, because: &str) {
        self.undecided += 1;
        if self.undecided_subjects.len() < MOST_NAMED {
            let undecided = Undecided { subject: subject.to_string(), because: because.to_owned() };
            self.undecided_subjects.push(undecided);
        }
    }

    fn finish(mut self) -> Said {
        // By their text, which whoever makes the digest again has.
        self.names.sort_unstable();
        let subjects = u64::try_from(self.names.len()).unwrap_or(u64::MAX);
        let digest = to_hex(&sha256(self.names.concat().as_bytes()));
        Said {
            population: Population { subjects, digest },
            objects: self.objects,
            violators: self.violators,
            violations: self.violations,
            undecided: self.undecided,
            undecided_subjects: self.undecided_subjects,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn ledger() -> Ledger {
        Ledger::new(Period { from: at(10), to: at(20) })
    }

    fn subject() -> Subject {
        Subject::named("it")
    }

    #[test]
    fn violation_that_was_mended_is_one_of_the_period_and_none_of_the_state() {
        let mut ledger = ledger();
        ledger.judge(subject(), at(1), Judgement::Holds);
        ledger.judge(subject(), at(12), Judgement::violated("it broke"));
        ledger.judge(subject(), at(15), Judgement::Holds);
        assert_eq!(ledger.of_state().violators, 0);
        let period = ledger.of_period();
        assert_eq!((period.violators, period.population.subjects), (1, 1));
        let violation = &period.violations[0];
        assert_eq!((violation.from, violation.to, violation.remediated), (at(12), Some(at(15)), true));
    }

    #[test]
    fn what_lies_before_the_period_counts_for_nothing() {
        let mut ledger = ledger();
        ledger.judge(subject(), at(1), Judgement::violated("long ago"));
        ledger.judge(subject(), at(5), Judgement::Holds);
        ledger.judge(Subject::named("other"), at(2), Judgement::Holds);
        ledger.judge(Subject::named("other"), at(6), Judgement::OutOfScope);
        let period = ledger.of_period();
        assert_eq!((period.violators, period.population.subjects), (0, 1));
    }

    #[test]
    fn what_holds_until_an_instant_turns_there() {
        for (judged_again, violators) in [(None, 1), (Some(14), 1), (Some(12), 0)] {
            let mut ledger = ledger();
            ledger.judge(subject(), at(11), Judgement::HoldsUntil(at(13), "its time was over".into()));
            if let Some(again) = judged_again {
                ledger.judge(subject(), at(again), Judgement::Holds);
            }
            let period = ledger.of_period();
            assert_eq!(period.violators, violators, "{judged_again:?}");
            assert!(period.violations.iter().all(|violation| violation.from == at(13)));
            assert_eq!(ledger.of_state().violators, u64::from(judged_again.is_none()));
        }
    }

    #[test]
    fn at_the_borders_of_the_period_the_judgement_of_that_instant_counts() {
        // Mended at: before the begin, at it, behind it.
        for (mended, violators) in [(9, 0), (10, 0), (11, 1)] {
            for before in
                [Judgement::violated("it broke"), Judgement::HoldsUntil(at(5), "its time was over".into())]
            {
                let mut ledger = ledger();
                ledger.judge(subject(), at(1), before.clone());
                ledger.judge(subject(), at(mended), Judgement::Holds);
                let period = ledger.of_period();
                assert_eq!(
                    (period.violators, period.population.subjects),
                    (violators, 1),
                    "{mended} {before:?}"
                );
                assert!(period.violations.iter().all(|one| (one.from, one.to) == (at(10), Some(at(mended)))));
            }
        }
        // Broken at: the begin, the end, behind it.
        for (broken, violators) in [(10, 1), (20, 1), (21, 0)] {
            let mut ledger = ledger();
            ledger.judge(subject(), at(1), Judgement::Holds);
            ledger.judge(subject(), at(broken), Judgement::violated("it broke"));
            assert_eq!(
                (ledger.of_state().violators, ledger.of_period().violators),
                (violators, violators),
                "{broken}"
            );
            let mut ledger = self::ledger();
            ledger.judge(subject(), at(1), Judgement::HoldsUntil(at(broken), "its time was over".into()));
            assert_eq!(
                (ledger.of_state().violators, ledger.of_period().violators),
                (violators, violators),
                "{broken}"
            );
        }
        let mut ledger = ledger();
        ledger.judge(subject(), at(21), Judgement::violated("late"));
        assert!(ledger.is_empty());
    }

    #[test]
    fn what_is_mended_at_its_own_instant_or_by_a_clock_that_went_back_is_found_all_the_same() {
        for (broken, mended) in [(12, 12), (12, 11), (12, 9), (10, 10)] {
            let mut ledger = ledger();
            ledger.judge(subject(), at(8), Judgement::Holds);
            ledger.judge(subject(), at(broken), Judgement::violated("it broke"));
            ledger.judge(subject(), at(mended), Judgement::Holds);
            assert_eq!(
                (ledger.of_state().violators, ledger.of_period().violators),
                (0, 1),
                "{broken} {mended}"
            );
            let violation = &ledger.of_period().violations[0];
            assert_eq!((violation.from, violation.to), (at(broken), Some(at(broken))));
        }
        let mut ledger = ledger();
        ledger.judge(subject(), at(9), Judgement::violated("it broke"));
        ledger.judge(subject(), at(9), Judgement::unknown("it said nothing"));
        ledger.judge(subject(), at(9), Judgement::OutOfScope);
        let period = ledger.of_period();
        assert_eq!((period.violators, period.undecided, period.population.subjects), (0, 0, 0));
        ledger.happened(subject(), at(15), 9, Some("later".to_owned()));
        ledger.happened(subject(), at(14), 7, Some("earlier".to_owned()));
        let violation = &ledger.of_period().violations[0];
        assert_eq!((violation.from, violation.to, violation.entry), (at(14), Some(at(15)), Some(7)));
        assert_eq!((violation.because.as_str(), violation.times), ("earlier", 2));
    }

    #[test]
    fn population_is_named_by_a_digest_that_anybody_can_make() {
        let digest = |names: &[&str]| {
            let mut ledger = ledger();
            names.iter().for_each(|name| ledger.judge(Subject::named(*name), at(11), Judgement::Holds));
            ledger.judge(Subject::named("elsewhere"), at(11), Judgement::OutOfScope);
            let (state, period) = (ledger.of_state().population, ledger.of_period().population);
            assert_eq!(state, period);
            state.digest
        };
        assert_eq!(digest(&["b", "a/10", "a/9"]), to_hex(&sha256(b"a/10\na/9\nb\n")));
        let [one, other] = [8, 7].map(|id| Object::Key(claviger_core::KeyId::from_bytes([id; 16])));
        let mut ledger = ledger();
        for subject in [Subject::named("b"), one.into(), other.into()] {
            ledger.judge(subject, at(11), Judgement::Holds);
        }
        let said = ledger.of_period();
        assert_eq!((said.population.subjects, said.objects.as_slice()), (3, &[other, one][..]));
        assert_eq!(digest(&[]), to_hex(&sha256(b"")));
    }

    #[test]
    fn what_was_not_known_for_a_while_stays_undecided_of_the_period() {
        let mut ledger = ledger();
        ledger.judge(subject(), at(11), Judgement::unknown("it said nothing"));
        ledger.judge(subject(), at(12), Judgement::Holds);
        assert_eq!((ledger.of_state().undecided, ledger.of_period().undecided), (0, 1));
        ledger.happened(subject(), at(13), 7, Some("it broke".to_owned()));
        ledger.happened(subject(), at(14), 9, Some("again".to_owned()));
        let period = ledger.of_period();
        assert_eq!((period.undecided, period.violators), (0, 1), "what failed is decided");
        assert_eq!((period.violations[0].times, period.violations[0].entry), (2, Some(7)));
    }

    #[test]
    fn what_happened_outside_the_period_is_nobodys() {
        let mut ledger = ledger();
        ledger.happened(subject(), at(9), 1, Some("early".to_owned()));
        ledger.happened(subject(), at(21), 2, Some("late".to_owned()));
        assert!(ledger.is_empty());
        assert_eq!(ledger.of_period().population.subjects, 0);
    }

    #[test]
    fn more_are_counted_than_named() {
        let mut ledger = ledger();
        for number in 0..MOST_NAMED + 7 {
            ledger.judge(Subject::named(format!("{number:04}")), at(11), Judgement::violated("no"));
        }
        let state = ledger.of_state();
        assert_eq!((state.violators, state.violations.len()), (MOST_NAMED as u64 + 7, MOST_NAMED));
    }
}

//! Everything at once, for long.
//!
//! **Attack.** All floods of callers without a credential, from 200 addresses (what the same do from the address that all share
//! is the attack `intake-all`), and beside them those who are greedy within their rights, by 8 connections for each kind of
//! [`Greed`](super::greed::Greed): batches of 1 000, last uses, pairs of RSA-4096, parameters of imports, grants with conditions
//! as large as they may be, 50 000 grants of a key to one principal, as many to a principal each, new grants, tags of one key,
//! keys disabled and enabled, searches of the log. Attackers have one core; the server has the other, with those who use it in
//! earnest: an application, an AWS client and an external key store, each over a connection that it keeps and over new ones, an
//! administrator who looks, and a responder who suspends a new key each second. It lasts for `CLAVIGER_OVERLOAD_MINUTES`, 30
//! unless said otherwise, and as long again without attackers, for comparison.
//!
//! **Breaks.** More than one in a thousand of the calls that are made in earnest is refused, or has no answer in 5 s, and none is
//! asked again; a key is used after its suspension was answered; two minutes after the attack the server has 64 MiB more of
//! resident or locked memory than the one without attackers.
//!
//! **Holds.** None of that.

mod stage;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use self::stage::{IN_EARNEST, Stage};
use super::earnest::PATIENCE;
use crate::client::Answer;
use crate::machine::{self, Cores, Memory, mib};
use crate::site::{Lab, Site};
use crate::verdict::{Findings, Verdict};

/// How long it lasts, in minutes, unless the variable says otherwise.
const MINUTES: u64 = 30;
const VARIABLE: &str = "CLAVIGER_OVERLOAD_MINUTES";
/// What is waited for before memory is compared, and by how much it may differ.
const AFTERMATH: Duration = Duration::from_secs(120);
const DIFFERENCE: u64 = 64 << 20;
/// Of so many calls one may fail.
const ONE_OF: u64 = 1000;
/// How often it is said how far it is.
const LOOK: Duration = Duration::from_secs(60);
/// Failures that are shown in full.
const SHOWN: usize = 3;

/// Makes the attack, and comes back to all cores.
pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let span = span(std::env::var(VARIABLE).ok().as_deref())?;
    let cores = Cores::first_two()?;
    machine::stay_on(&[cores.server])?;
    let verdict = compare(lab, span, cores);
    machine::stay_on(&cores.both())?;
    verdict
}

fn span(minutes: Option<&str>) -> Result<Duration> {
    let minutes = match minutes {
        None => MINUTES,
        Some(text) => text.parse().with_context(|| format!("{VARIABLE} must be a number of minutes"))?,
    };
    ensure!(minutes > 0, "{VARIABLE} must be at least 1");
    Ok(Duration::from_secs(60 * minutes))
}

fn compare(lab: &Lab, span: Duration, cores: Cores) -> Result<Verdict> {
    let attacked = Course::of(lab, span, cores, true)?;
    let alone = Course::of(lab, span, cores, false)?;
    let mut findings = Findings::default();
    attacked.judge(&alone, &mut findings);
    Ok(findings.verdict())
}

/// How it went.
struct Course {
    tally: Tally,
    /// What the attackers did, if there were any.
    attack: String,
    memory: Memory,
}

impl Course {
    fn of(lab: &Lab, span: Duration, cores: Cores, attacked: bool) -> Result<Self> {
        let site = Site::set_up_as_key_store(lab)?;
        let stage = Stage::prepare(&site, cores.attackers)?;
        let process = site.process()?;
        let under = if attacked { "under attack" } else { "alone" };
        let (tally, ended) = (Tally::default(), AtomicBool::new(false));
        let attack = std::thread::scope(|scope| -> Result<String> {
            let flood = attacked.then(|| stage.attack(scope, cores.attackers, &ended)).transpose();
            let (stage, tally, ended) = (&stage, &tally, &ended);
            for work in IN_EARNEST {
                scope.spawn(move || work(stage, tally, ended));
            }
            let strength = flood.and_then(|flood| {
                let begun = machine::now();
                while let Some(left) = span.checked_sub(machine::now() - begun).filter(|left| !left.is_zero())
                {
                    std::thread::sleep(left.min(LOOK));
                    let passed = (machine::now() - begun).as_secs() / 60;
                    eprintln!("overload {under}, {passed} min: {}", tally.line(Memory::of(process)?));
                }
                Ok(flood.map(|flood| {
                    let strength = flood.strength();
                    (flood, strength)
                }))
            });
            ended.store(true, Ordering::Relaxed);
            let Some((flood, strength)) = strength? else { return Ok(String::new()) };
            flood.stop();
            Ok(format!("{strength}, and {} calls of greedy ones", stage.greedy.pressed()))
        })?;
        std::thread::sleep(AFTERMATH);
        let memory = Memory::of(process)?;
        eprintln!(
            "overload {under}, {} s after its end: {}; {}",
            AFTERMATH.as_secs(),
            tally.line(memory),
            tally.revocation()
        );
        Ok(Self { tally, attack, memory })
    }

    fn judge(self, alone: &Self, findings: &mut Findings) {
        let (asked, failed) = (self.tally.asked(), self.tally.failed());
        let examples = self.tally.reported().join("; ");
        findings.add(
            failed <= asked / ONE_OF,
            format!(
                "{failed} of {asked} calls in earnest failed under {} (alone {} of {}) {examples}",
                self.attack,
                alone.tally.failed(),
                alone.tally.asked()
            ),
        );
        findings.add(self.tally.used() == 0, self.tally.revocation());
        for (what, is, was) in [
            ("resident", self.memory.resident, alone.memory.resident),
            ("locked", self.memory.locked, alone.memory.locked),
        ] {
            findings.add(
                is <= was + DIFFERENCE,
                format!("{what} memory is {} MiB two minutes later, {} without attackers", mib(is), mib(was)),
            );
        }
    }
}

/// What became of the calls that were made in earnest.
#[derive(Default)]
struct Tally {
    asked: AtomicU64,
    failed: AtomicU64,
    suspended: AtomicU64,
    used: AtomicU64,
    reported: Mutex<Vec<String>>,
}

impl Tally {
    /// One call, which must be answered with success in its time. Gives the answer if it was.
    fn add(&self, who: &str, call: impl FnOnce() -> Result<Answer>) -> Option<Answer> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let begun = machine::now();
        let answer = call();
        let took = machine::now() - begun;
        let failure = match answer {
            Ok(answer) if answer.is_done() && took <= PATIENCE => return Some(answer),
            Ok(answer) => answer.shown(),
            Err(error) => format!("{error:#}"),
        };
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.len() < SHOWN {
            reported.push(format!("{who}, after {} ms: {failure}", took.as_millis()));
        }
        None
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    fn line(&self, memory: Memory) -> String {
        let (asked, failed) = (self.asked(), self.failed());
        let (resident, locked) = (mib(memory.resident), mib(memory.locked));
        format!("{failed} of {asked} calls failed, {resident} MiB resident, {locked} MiB locked")
    }

    fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn revocation(&self) -> String {
        let suspended = self.suspended.load(Ordering::Relaxed);
        format!("{} of {suspended} keys were used after their suspension", self.used())
    }

    fn reported(&self) -> Vec<String> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_is_minutes_and_half_an_hour_unless_said() {
        assert_eq!(span(None).unwrap(), Duration::from_secs(1800));
        assert_eq!(span(Some("2")).unwrap(), Duration::from_secs(120));
        assert!(span(Some("0")).is_err() && span(Some("soon")).is_err());
    }

    #[test]
    fn what_is_refused_late_or_unanswered_is_a_failure_and_is_reported() {
        let tally = Tally::default();
        let answer = |status| Ok(Answer { status, body: Vec::new() });
        assert!(tally.add("a", || answer(200)).is_some());
        assert!(tally.add("a", || answer(503)).is_none());
        assert!(tally.add("a", || anyhow::bail!("nothing came")).is_none());
        assert_eq!((tally.asked(), tally.failed(), tally.reported().len()), (3, 2, 2));
    }
}

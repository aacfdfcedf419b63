//! One application that is greedy within its rights, and another that goes hungry.
//!
//! **Attack.** One thing after the other: 64 connections ask when a key was last used in a log with many uses; 128 have pairs of
//! RSA-4096 made; 64 search the log; 64 use a key with 150 grants of large conditions; 40 tag one key; 10 grant on 40 keys, while
//! an auditor exports and verifies the log. Attackers have one core; the server has the other, with the victim, an application
//! that encrypts 200 times a second whether or not it was answered, over connections that it keeps.
//!
//! **Breaks.** A call of the victim fails or has no answer in 5 s; it takes longer at p99 than five times what it took alone and
//! longer than 20 ms, counted from when it was to begin; the server has 200 MiB more of memory than before; a tag or a grant of
//! those is refused; the export does not end, or the log does not verify.
//!
//! **Holds.** None of that. What the greedy get otherwise does not matter.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::json;

use super::earnest::{RING, Times, ask, encrypt_by_rest, honest};
use super::greed::{Greed, Greedy};
use crate::client::{Connection, Identity};
use crate::machine::{self, Cores, mib};
use crate::site::{Lab, Plane, Site};
use crate::verdict::{Findings, Verdict};

/// Calls a second of the victim, and the connections that they are shared among.
const RATE: u32 = 200;
const CONNECTIONS: u32 = 8;
/// How long it is watched: alone, and under each attack.
const SPAN: Duration = Duration::from_secs(10);
/// What is waited for between two attacks.
const SETTLE: Duration = Duration::from_secs(3);
/// What is borne: so many times as long as alone, or this long.
const TIMES: u32 = 5;
const BOUND: Duration = Duration::from_millis(20);
const MEMORY: u64 = 200 << 20;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Uses that the log has.
const USES: usize = 20_000;
/// Who grants, and on how many keys.
const GRANTERS: usize = 10;
const KEYS: usize = 40;

/// What is done over and over, and by how many connections.
const KINDS: [(Greed, usize); 5] = [
    (Greed::LastUse, 64),
    (Greed::Pairs, 128),
    (Greed::Searches, 64),
    (Greed::Conditions, 64),
    (Greed::Tags, 40),
];

/// Makes the attack, and comes back to all cores.
pub(super) fn run(lab: &Lab) -> Result<Verdict> {
    let cores = Cores::first_two()?;
    machine::stay_on(&[cores.server])?;
    let verdict = attack(lab, cores);
    machine::stay_on(&cores.both())?;
    verdict
}

fn attack(lab: &Lab, cores: Cores) -> Result<Verdict> {
    let site = Site::set_up_for_evaluation(lab)?;
    let greedy = Greedy::prepare(&site)?;
    greedy.use_often(USES, cores.attackers)?;
    let keys = (0..KEYS).map(|_| greedy.create_key()).collect::<Result<Vec<_>>>()?;
    let victim = Victim::prepare(&site)?;
    std::thread::sleep(SETTLE);
    let idle = victim.beside(|ended| wait(SPAN, ended))?.0;
    let mut findings = Findings::default();
    for (greed, connections) in KINDS {
        let before = (greedy.pressed(), greedy.refused());
        let (course, ()) = victim.beside(|ended| {
            std::thread::scope(|scope| {
                for number in 0..connections {
                    let greedy = &greedy;
                    scope.spawn(move || {
                        // A core that cannot be had makes the attack harder to bear, not easier.
                        let _ = machine::stay_on(&[cores.attackers]);
                        greed.press(greedy, number, ended);
                    });
                }
                wait(SPAN, ended);
            });
        })?;
        let (pressed, refused) = (greedy.pressed() - before.0, greedy.refused() - before.1);
        let what = format!("{greed:?}, {pressed} by {connections} with {refused} refused");
        findings.add(
            course.is_borne(&idle) && (greed != Greed::Tags || refused == 0),
            course.shown(&what, &idle),
        );
        std::thread::sleep(SETTLE);
    }
    let (course, read) = victim.beside(|ended| read_while_granting(&site, &greedy, &keys, cores, ended))?;
    let read = read?;
    findings.add(
        course.is_borne(&idle) && read.refused.is_empty(),
        course.shown(&format!("{} grants on {KEYS} keys, {}", read.granted, read.shown()), &idle),
    );
    Ok(findings.verdict())
}

/// Waits so long, and says that it has ended.
fn wait(span: Duration, ended: &AtomicBool) {
    std::thread::sleep(span);
    ended.store(true, Ordering::Relaxed);
}

/// What came of granting and reading the log beside it.
struct Read {
    granted: u32,
    refused: Vec<String>,
    took: Duration,
}

impl Read {
    fn shown(&self) -> String {
        match self.refused.first() {
            None => format!("beside which the log was exported and verified in {} s", self.took.as_secs()),
            Some(first) => format!("{} refused, as in: {first}", self.refused.len()),
        }
    }
}

/// An auditor exports the log and verifies it; meanwhile, grants are made on each key in turn.
fn read_while_granting(
    site: &Site,
    greedy: &Greedy<'_>,
    keys: &[String],
    cores: Cores,
    ended: &AtomicBool,
) -> Result<Read> {
    let granted = AtomicU32::new(0);
    let grant = |first: usize| -> Option<String> {
        let _ = machine::stay_on(&[cores.attackers]);
        let mut connection = None;
        for (number, key) in keys.iter().cycle().enumerate().skip(first).step_by(GRANTERS) {
            if ended.load(Ordering::Relaxed) {
                break;
            }
            let context = json!({ "tenant": number.to_string() });
            let answer = greedy
                .create_grant(key, "granted", Some(&context))
                .and_then(|request| ask(&mut connection, || greedy.connect(), &request));
            match answer {
                Ok(answer) if answer.is_done() => drop(granted.fetch_add(1, Ordering::Relaxed)),
                Ok(answer) => return Some(format!("a grant: {}", answer.shown())),
                Err(error) => return Some(format!("a grant: {error:#}")),
            }
        }
        None
    };
    std::thread::scope(|scope| {
        let grant = &grant;
        let granters: Vec<_> = (0..GRANTERS).map(|first| scope.spawn(move || grant(first))).collect();
        let begun = machine::now();
        let out = site.path("export").display().to_string();
        let said = [["audit", "export", "--out", &out].as_slice(), &["audit", "verify"]]
            .map(|arguments| (arguments.join(" "), site.run("auditor", arguments)));
        let took = machine::now() - begun;
        ended.store(true, Ordering::Relaxed);
        let mut refused = Vec::new();
        for (what, said) in said {
            let said = said?;
            if !said.is_done() {
                refused.push(format!("`{what}`: {}", said.reason()));
            }
        }
        for granter in granters {
            refused.extend(granter.join().map_err(|_| anyhow!("a thread broke off"))?);
        }
        Ok(Read { granted: granted.load(Ordering::Relaxed), refused, took })
    })
}

/// The application that works in earnest.
struct Victim<'a> {
    site: &'a Site,
    identity: Identity,
    request: Vec<u8>,
    process: u32,
}

impl<'a> Victim<'a> {
    fn prepare(site: &'a Site) -> Result<Self> {
        let key = format!("{RING}/victim");
        site.done("administrator", &["key", "create", &key])?;
        site.grant(&["app", "--key", &key, "--operations", "encrypt"])?;
        Ok(Self {
            site,
            identity: site.identity("app")?,
            request: encrypt_by_rest(&key.replace('/', "%2F")),
            process: site.process()?,
        })
    }

    /// Works until what it stands beside says that it has ended. Gives how that went, and what came of the other.
    fn beside<T>(&self, other: impl FnOnce(&AtomicBool) -> T) -> Result<(Course, T)> {
        let ended = AtomicBool::new(false);
        let begun = machine::now();
        std::thread::scope(|scope| {
            let ended = &ended;
            let workers: Vec<_> =
                (0..CONNECTIONS).map(|first| scope.spawn(move || self.work(begun, first, ended))).collect();
            let memory = scope.spawn(move || self.peak(ended));
            let came = other(ended);
            ended.store(true, Ordering::Relaxed);
            let (mut times, mut failures) = (Vec::new(), Vec::new());
            for worker in workers {
                let (took, failed) = worker.join().map_err(|_| anyhow!("a thread broke off"))?;
                times.extend(took);
                failures.extend(failed);
            }
            let memory = memory.join().map_err(|_| anyhow!("a thread broke off"))??;
            Ok((Course { times: Times::of(times), failures, memory }, came))
        })
    }

    /// Each so many calls one, at the instant that is its own, or as soon after it as the one before was answered. Gives how long
    /// each took since that instant, and why others failed.
    fn work(&self, begun: Duration, first: u32, ended: &AtomicBool) -> (Vec<Duration>, Vec<String>) {
        let (mut times, mut failures, mut connection) = (Vec::new(), Vec::new(), None);
        for call in (first..).step_by(CONNECTIONS as usize) {
            let due = begun + Duration::from_secs(1) * call / RATE;
            if let Some(early) = due.checked_sub(machine::now()) {
                std::thread::sleep(early);
            }
            if ended.load(Ordering::Relaxed) {
                break;
            }
            let open = || Connection::open(&honest(self.site, Plane::Data)?, &self.identity);
            match ask(&mut connection, open, &self.request) {
                Ok(answer) if answer.is_done() => times.push(machine::now() - due),
                Ok(answer) => failures.push(answer.shown()),
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        (times, failures)
    }

    /// The most memory that the server has.
    fn peak(&self, ended: &AtomicBool) -> Result<u64> {
        let mut peak = 0;
        loop {
            peak = peak.max(machine::resident(self.process)?);
            if ended.load(Ordering::Relaxed) {
                return Ok(peak);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// How the victim fared.
struct Course {
    times: Times,
    failures: Vec<String>,
    memory: u64,
}

impl Course {
    fn is_borne(&self, idle: &Self) -> bool {
        self.failures.is_empty()
            && self.times.count() > 0
            && self.times.p99() <= BOUND.max(TIMES * idle.times.p99())
            && self.memory <= idle.memory + MEMORY
    }

    fn shown(&self, beside: &str, idle: &Self) -> String {
        let failures = match self.failures.first() {
            None => "none failed".to_owned(),
            Some(first) => format!("{} failed, as in: {first}", self.failures.len()),
        };
        let millis = |took: Duration| took.as_secs_f64() * 1000.0;
        format!(
            "{beside}: {} calls of the victim took {:.1} ms at p50 and {:.1} at p99 (alone {:.1} and {:.1}), {failures}, \
             memory {} MiB (alone {})",
            self.times.count(),
            millis(self.times.p50()),
            millis(self.times.p99()),
            millis(idle.times.p50()),
            millis(idle.times.p99()),
            mib(self.memory),
            mib(idle.memory),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(millis: u64, memory: u64, failures: &[&str]) -> Course {
        let times = Times::of(vec![Duration::from_millis(millis); 100]);
        Course { times, memory, failures: failures.iter().map(|one| (*one).to_owned()).collect() }
    }

    #[test]
    fn victim_bears_five_times_what_it_had_or_20_ms_and_no_failure() {
        let (quick, slow) = (course(2, 0, &[]), course(8, 0, &[]));
        assert!(course(20, MEMORY, &[]).is_borne(&quick) && !course(21, 0, &[]).is_borne(&quick));
        assert!(course(40, 0, &[]).is_borne(&slow) && !course(41, 0, &[]).is_borne(&slow));
        assert!(!course(2, MEMORY + 1, &[]).is_borne(&quick));
        assert!(!course(2, 0, &["503"]).is_borne(&quick));
        assert!(!Course { times: Times::of(Vec::new()), ..course(2, 0, &[]) }.is_borne(&quick));
    }
}

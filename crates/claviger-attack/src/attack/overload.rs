//! Everything at once, for long.
//!
//! **Attack.** All floods of callers without a credential, from 200 addresses, and beside them an application that is greedy
//! within its rights: last uses, pairs of RSA-4096, parameters of imports, grants with conditions as large as they may be, new
//! grants, keys disabled and enabled, by 56 connections; searches of the log by 8 more. Attackers have one core; the server has
//! the other, with those who use it in earnest: an application and an AWS client, each over a connection that it keeps and over
//! new ones, an administrator who looks, and a responder who suspends a new key each second. It lasts for
//! `CLAVIGER_OVERLOAD_MINUTES`, 30 unless said otherwise, and as long again without attackers, for comparison.
//!
//! **Breaks.** More than one in a thousand of the calls that are made in earnest is refused, or has no answer in 5 s, and none is
//! asked again; a key is used after its suspension was answered; two minutes after the attack the server has 64 MiB more of
//! resident or locked memory than the one without attackers.
//!
//! **Holds.** None of that.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::intake::{
    Flood, From, JSON, Kind, PATIENCE, RING, Targets, encrypt_by_rest, encrypt_input, honest, suspension,
};
use crate::client::{AccessKey, Answer, Connection, Identity, aws, get, post};
use crate::machine::{self, Cores, Memory, mib};
use crate::site::{Lab, Plane, Site};
use crate::verdict::{Findings, Verdict};

/// How long it lasts, in minutes, unless the variable says otherwise.
const MINUTES: u64 = 30;
const VARIABLE: &str = "CLAVIGER_OVERLOAD_MINUTES";
/// What is waited for before memory is compared, and by how much it may differ.
const AFTERMATH: Duration = Duration::from_secs(120);
const DIFFERENCE: u64 = 64 << 20;
/// Of so many calls one may fail.
const ONE_OF: u64 = 1000;
/// Between two calls of one who keeps a connection, and of one who makes a new one.
const KEPT: Duration = Duration::from_millis(20);
const NEW: Duration = Duration::from_millis(200);
/// Between two suspensions.
const SUSPENSIONS: Duration = Duration::from_secs(1);
/// Connections of each thing that the greedy application does, and of searches.
const GREEDY_EACH: usize = 8;
/// Grants with large conditions, pairs of each, and characters of a value: the most there may be (AWS KMS, quotas).
const LARGE: usize = 40;
const PAIRS: usize = 8;
const VALUE: usize = 384;
/// After a refusal, before a greedy caller asks again.
const AGAIN: Duration = Duration::from_millis(10);
/// Failures that are told in full.
const TOLD: usize = 3;

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
    let alone = Course::of(lab, span, None)?;
    let attacked = Course::of(lab, span, Some(cores.attackers))?;
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
    fn of(lab: &Lab, span: Duration, attackers: Option<usize>) -> Result<Self> {
        let site = Site::set_up_for_evaluation(lab)?;
        let stage = Stage::prepare(&site)?;
        let (tally, ended) = (Tally::default(), AtomicBool::new(false));
        let attack = std::thread::scope(|scope| -> Result<String> {
            let attack = attackers.map(|core| stage.attack(scope, core, &ended)).transpose();
            let (stage, tally, ended) = (&stage, &tally, &ended);
            for work in IN_EARNEST {
                scope.spawn(move || work(stage, tally, ended));
            }
            let attack = attack.inspect_err(|_| ended.store(true, Ordering::Relaxed))?;
            std::thread::sleep(span);
            let told = attack.as_ref().map(|(flood, greedy)| {
                format!(
                    "{}, and {} calls of a greedy application",
                    flood.strength(),
                    greedy.load(Ordering::Relaxed)
                )
            });
            ended.store(true, Ordering::Relaxed);
            if let Some((flood, _)) = attack {
                flood.stop();
            }
            Ok(told.unwrap_or_default())
        })?;
        std::thread::sleep(AFTERMATH);
        Ok(Self { tally, attack, memory: Memory::of(site.process()?)? })
    }

    fn judge(self, alone: &Self, findings: &mut Findings) {
        let (asked, failed) = (self.tally.asked(), self.tally.failed());
        let examples = self.tally.told().join("; ");
        findings.add(
            failed <= asked / ONE_OF,
            format!(
                "{failed} of {asked} calls in earnest failed under {} (alone {} of {}) {examples}",
                self.attack,
                alone.tally.failed(),
                alone.tally.asked()
            ),
        );
        let (suspended, used) =
            (self.tally.suspended.load(Ordering::Relaxed), self.tally.used.load(Ordering::Relaxed));
        findings.add(used == 0, format!("{used} of {suspended} keys were used after their suspension"));
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
    told: Mutex<Vec<String>>,
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
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD {
            told.push(format!("{who}, after {} ms: {failure}", took.as_millis()));
        }
        None
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Who takes part.
struct Stage<'a> {
    site: &'a Site,
    administrator: Identity,
    auditor: Identity,
    responder: Identity,
    application: Identity,
    teller: AccessKey,
    greedy: AccessKey,
    /// A key that all use.
    live: String,
    /// Keys of the greedy application: one that it uses, and one that waits for material.
    own: String,
    external: String,
    /// What the greedy application has asked.
    asked: AtomicU64,
}

type Work = fn(&Stage<'_>, &Tally, &AtomicBool);

/// What is done in earnest, each by a thread.
const IN_EARNEST: [Work; 6] = [
    |stage, tally, ended| stage.encrypt(tally, ended, "the application", KEPT, Stage::by_rest),
    |stage, tally, ended| {
        stage.encrypt(tally, ended, "the application, newly connected", NEW, Stage::by_rest)
    },
    |stage, tally, ended| stage.encrypt(tally, ended, "the AWS client", KEPT, Stage::by_aws),
    |stage, tally, ended| stage.encrypt(tally, ended, "the AWS client, newly connected", NEW, Stage::by_aws),
    |stage, tally, ended| stage.look(tally, ended),
    |stage, tally, ended| stage.suspend(tally, ended),
];

impl<'a> Stage<'a> {
    fn prepare(site: &'a Site) -> Result<Self> {
        let teller = site.create_aws_workload("teller", None)?;
        for who in ["app", "teller"] {
            site.grant(&[who, "--ring", RING, "--operations", "encrypt"])?;
        }
        let greedy = site.evaluation_key()?;
        let made = |operation, input: &Value| {
            let made = greedy.done(operation, input)?;
            made.pointer("/KeyMetadata/KeyId")
                .and_then(Value::as_str)
                .map(str::to_owned)
                .context("a key without an id")
        };
        let own = made("CreateKey", &json!({}))?;
        let external = made("CreateKey", &json!({ "Origin": "EXTERNAL" }))?;
        let live = made("CreateKey", &json!({}))?;
        site.create_workload("granted", None)?;
        for number in 0..LARGE {
            greedy.done("CreateGrant", &large_grant(&own, number))?;
        }
        Ok(Self {
            site,
            administrator: site.identity("administrator")?,
            auditor: site.identity("auditor")?,
            responder: site.identity("responder")?,
            application: site.identity("app")?,
            teller,
            greedy,
            live,
            own,
            external,
            asked: AtomicU64::new(0),
        })
    }

    /// Asks in earnest, over a connection that is kept or, where the pause is that of new ones, over a new one each time.
    fn encrypt(
        &self,
        tally: &Tally,
        ended: &AtomicBool,
        who: &str,
        pause: Duration,
        way: fn(&Self, &mut Option<Connection>, &str) -> Result<Answer>,
    ) {
        let mut kept = None;
        while !ended.load(Ordering::Relaxed) {
            tally.add(who, || way(self, &mut kept, &self.live));
            if pause == NEW {
                kept = None;
            }
            std::thread::sleep(pause);
        }
    }

    fn by_rest(&self, kept: &mut Option<Connection>, key: &str) -> Result<Answer> {
        let open = || Connection::open(&honest(self.site, Plane::Data)?, &self.application);
        ask(kept, open, &encrypt_by_rest(key))
    }

    fn by_aws(&self, kept: &mut Option<Connection>, key: &str) -> Result<Answer> {
        let open = || self.teller.connect(&honest(self.site, Plane::Aws)?);
        ask(kept, open, &self.teller.request("Encrypt", &encrypt_input(key))?)
    }

    fn look(&self, tally: &Tally, ended: &AtomicBool) {
        let request = get(&format!("/v1/keys/{}", self.live), &[]);
        let open = || Connection::open(&honest(self.site, Plane::Control)?, &self.administrator);
        let mut kept = None;
        while !ended.load(Ordering::Relaxed) {
            tally.add("the administrator", || ask(&mut kept, open, &request));
            std::thread::sleep(NEW);
        }
    }

    /// Makes a key, uses it, suspends it over a new connection, and uses it again.
    fn suspend(&self, tally: &Tally, ended: &AtomicBool) {
        let open = |who| Connection::open(&honest(self.site, Plane::Control)?, who);
        let (mut making, mut by_rest, mut by_aws) = (None, None, None);
        for number in 0.. {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(SUSPENSIONS);
            let body = json!({ "ring": RING, "name": format!("s{number}"), "purpose": "encrypt", "spec": "aes-256-gcm",
                "data_class": "confidential" });
            let create = post("/v1/keys", &[JSON], body.to_string().as_bytes());
            let made =
                tally.add("the administrator", || ask(&mut making, || open(&self.administrator), &create));
            let id = made.and_then(|made| made.json().get("id").and_then(Value::as_str).map(str::to_owned));
            let Some(key) = id else { continue };
            tally.add("the application", || self.by_rest(&mut by_rest, &key));
            let request = suspension(&key);
            let done = tally.add("the responder", || open(&self.responder)?.ask(&request));
            if done.is_none() {
                continue;
            }
            tally.suspended.fetch_add(1, Ordering::Relaxed);
            let uses = [self.by_rest(&mut by_rest, &key), self.by_aws(&mut by_aws, &key)];
            // What has no answer shows nothing.
            let is_used = |answer: &Result<Answer>| answer.as_ref().is_ok_and(Answer::is_done);
            tally.used.fetch_add(u64::from(uses.iter().any(is_used)), Ordering::Relaxed);
        }
    }

    /// Starts the attackers. Gives the flood, and the count of what the greedy ones ask.
    fn attack<'scope>(
        &'scope self,
        scope: &'scope std::thread::Scope<'scope, '_>,
        core: usize,
        ended: &'scope AtomicBool,
    ) -> Result<(Flood, &'scope AtomicU64)> {
        let targets = Targets::of(self.site, self.teller.guessed(), From::Many.addresses())?;
        let asked: &'scope AtomicU64 = &self.asked;
        for number in 0..GREEDY_EACH {
            for greed in Greed::ALL {
                scope.spawn(move || {
                    // A core that cannot be had makes the attack harder to bear, not easier.
                    let _ = machine::stay_on(&[core]);
                    greed.press(self, number, asked, ended);
                });
            }
        }
        Ok((Flood::start(&Kind::ALL, targets, core), asked))
    }
}

/// What the greedy application does, and an auditor who searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greed {
    Conditions,
    Grants,
    ImportParameters,
    LastUse,
    Pairs,
    Restrictions,
    Searches,
}

impl Greed {
    const ALL: [Self; 7] = [
        Self::Conditions,
        Self::Grants,
        Self::ImportParameters,
        Self::LastUse,
        Self::Pairs,
        Self::Restrictions,
        Self::Searches,
    ];

    /// Asks over and over, over another connection when one is closed.
    fn press(self, stage: &Stage<'_>, number: usize, asked: &AtomicU64, ended: &AtomicBool) {
        let mut connection = None;
        for turn in 0_usize.. {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            asked.fetch_add(1, Ordering::Relaxed);
            let answer = self.request(stage, number, turn).and_then(|request| {
                let open = || self.open(stage);
                ask(&mut connection, open, &request)
            });
            if !answer.is_ok_and(|answer| answer.is_done()) {
                std::thread::sleep(AGAIN);
            }
        }
    }

    fn open(self, stage: &Stage<'_>) -> Result<Connection> {
        match self {
            Self::Searches => Connection::open(&honest(stage.site, Plane::Control)?, &stage.auditor),
            _ => stage.greedy.connect(&honest(stage.site, Plane::Aws)?),
        }
    }

    fn request(self, stage: &Stage<'_>, number: usize, turn: usize) -> Result<Vec<u8>> {
        let (greedy, key) = (&stage.greedy, stage.own.as_str());
        match self {
            Self::Conditions => {
                let mut input = encrypt_input(key);
                let context = json!({ "tenant": format!("{number}-{turn}") });
                input.as_object_mut().context("no object")?.insert("EncryptionContext".to_owned(), context);
                greedy.request("Encrypt", &input)
            }
            Self::Grants => {
                greedy.request("CreateGrant", &grant(key, &json!({ "tenant": format!("{number}-{turn}") })))
            }
            Self::ImportParameters => {
                let input = json!({ "KeyId": stage.external, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_4096" });
                greedy.request("GetParametersForImport", &input)
            }
            Self::LastUse => greedy.request("GetKeyLastUsage", &json!({ "KeyId": stage.external })),
            Self::Pairs => {
                greedy.request("GenerateDataKeyPair", &json!({ "KeyId": key, "KeyPairSpec": "RSA_4096" }))
            }
            Self::Restrictions => {
                let operation = if turn.is_multiple_of(2) { "DisableKey" } else { "EnableKey" };
                greedy.request(operation, &json!({ "KeyId": stage.external }))
            }
            Self::Searches => Ok(get(
                &format!("/v1/audit/entries?limit=1000&outcome=0&operation=1&key={}", stage.external),
                &[],
            )),
        }
    }
}

/// Asks over the connection that is kept, or a new one; it is kept if there was an answer.
fn ask(
    kept: &mut Option<Connection>,
    open: impl FnOnce() -> Result<Connection>,
    request: &[u8],
) -> Result<Answer> {
    let mut connection = kept.take().map_or_else(open, Ok)?;
    let answer = connection.ask(request)?;
    *kept = Some(connection);
    Ok(answer)
}

fn grant(key: &str, context: &Value) -> Value {
    json!({ "KeyId": key, "GranteePrincipal": aws::user("granted"), "Operations": ["Encrypt"],
        "Constraints": { "EncryptionContextSubset": context } })
}

fn large_grant(key: &str, number: usize) -> Value {
    let pairs =
        (0..PAIRS).map(|pair| (format!("pair-{pair}"), json!(format!("{number:0width$}", width = VALUE))));
    grant(key, &Value::Object(pairs.collect()))
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
    fn what_is_refused_late_or_unanswered_is_a_failure_and_is_told() {
        let tally = Tally::default();
        let answer = |status| Ok(Answer { status, body: Vec::new() });
        assert!(tally.add("a", || answer(200)).is_some());
        assert!(tally.add("a", || answer(503)).is_none());
        assert!(tally.add("a", || anyhow::bail!("nothing came")).is_none());
        assert_eq!((tally.asked(), tally.failed(), tally.told().len()), (3, 2, 2));
    }
}

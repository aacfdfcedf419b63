//! Floods by callers without a credential.
//!
//! **Attack.** Attackers who can prove nothing keep the three listeners busy, from one address or from 200 (127.0.0.x):
//! unfinished requests by HTTP/2, idle connections, unfinished bodies, handshakes whole or only begun, well-formed tokens and
//! signatures that are wrong ([`Kind`] says what each does). The server and whoever uses it in earnest have one core, the
//! attackers the other. Meanwhile a responder suspends 100 keys, each over a new connection; an application and an AWS client
//! encrypt, each over a new connection too. The one address is the one that they come from themselves.
//!
//! **Breaks.** A call that is made in earnest is refused or has no answer in 5 s; suspending takes longer than 250 ms at p99,
//! handshake included; a key that was suspended is used afterwards; memory of the server does not come back.
//!
//! **Holds.** None of that. What the attackers get does not matter.

mod flood;
mod http2;
mod slow;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

pub(super) use self::flood::{Flood, Targets, token};
use super::earnest::{JSON, RING, Times, encrypt_by_rest, encrypt_input, honest, suspension};
use crate::client::{AccessKey, Answer, Connection, Identity, aws, post};
use crate::machine::{self, Cores, mib};
use crate::site::{Lab, Plane, Site};
use crate::verdict::{Findings, Verdict};

/// Calls that are measured, and before the attack.
const CALLS: usize = 100;
const IDLE_CALLS: usize = 20;
/// One application's call and one AWS client's for so many suspensions.
const OTHERS_EVERY: usize = 5;
/// Between two suspensions.
const PAUSE: Duration = Duration::from_millis(30);
/// What suspending may take at p99.
const BOUND: Duration = Duration::from_millis(250);
/// After so many refusals there is nothing left to measure.
const ENOUGH_REFUSALS: usize = 5;
/// How long memory may take to come back, and how much of it may stay.
const MEMORY_RETURNS: Duration = Duration::from_secs(60);
const MEMORY_STAYS: u64 = 64 << 20;
/// What is waited for after the attack before the planes are asked about suspended keys.
const AFTERMATH: Duration = Duration::from_secs(30);

/// What the attackers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The first message of a handshake, recorded once, sent over new connections as fast as it goes.
    ClientHellos,
    /// Whole handshakes without a certificate, as fast as it goes.
    Handshakes,
    /// Eight HTTP/2 connections to each listener, each with 128 requests whose bodies never end.
    Http2Bodies,
    /// 4 100 connections to each listener on which nothing is asked.
    IdleConnections,
    /// 400 requests with tokens that nobody has, each with 4 MiB of body but for its last byte.
    UnfinishedBodies,
    /// Requests with the identifier of an access key that exists, signed with another secret: whole ones as fast as it goes, and
    /// 64 unfinished ones.
    WrongSignatures,
    /// Well-formed tokens that nobody has, each another, as fast as it goes.
    WrongTokens,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::ClientHellos,
        Self::Handshakes,
        Self::Http2Bodies,
        Self::IdleConnections,
        Self::UnfinishedBodies,
        Self::WrongSignatures,
        Self::WrongTokens,
    ];
}

/// From where the attackers come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// The one address from which everyone comes.
    One,
    /// 200 others.
    Many,
}

impl From {
    pub(super) fn addresses(self) -> Vec<IpAddr> {
        match self {
            Self::One => vec![Ipv4Addr::LOCALHOST.into()],
            Self::Many => (2..=201).map(|last| Ipv4Addr::new(127, 0, 0, last).into()).collect(),
        }
    }
}

/// Makes the attack, and comes back to all cores.
pub(super) fn run(lab: &Lab, kinds: &[Kind], from: From) -> Result<Verdict> {
    let cores = Cores::first_two()?;
    machine::stay_on(&[cores.server])?;
    let verdict = attack(lab, kinds, from, cores);
    machine::stay_on(&cores.both())?;
    verdict
}

fn attack(lab: &Lab, kinds: &[Kind], from: From, cores: Cores) -> Result<Verdict> {
    let site = Site::set_up_for_evaluation(lab)?;
    let mut stage = Stage::prepare(&site)?;
    let (idle, _) = stage.suspend(IDLE_CALLS, &mut Findings::default())?;
    let before = machine::resident(site.process()?)?;
    let targets = Targets::of(&site, stage.attackers_key.guessed(), from.addresses())?;
    let flood = Flood::start(kinds, targets, cores.attackers);
    flood.wait_until_strong();
    let mut findings = Findings::default();
    let (times, suspended) = stage.suspend(CALLS, &mut findings)?;
    let (at_peak, strength) = (machine::resident(site.process()?)?, flood.strength());
    flood.stop();
    findings.add(
        times.p99() <= BOUND && times.count() == CALLS,
        format!(
            "suspending took {} ms at p50, {} at p99 of {} (idle: {} and {}), while there were {strength}",
            times.p50().as_millis(),
            times.p99().as_millis(),
            times.count(),
            idle.p50().as_millis(),
            idle.p99().as_millis(),
        ),
    );
    stage.refuses(&suspended, &mut findings)?;
    memory_returns(&site, before, at_peak, &mut findings)?;
    Ok(findings.verdict())
}

/// Those who use the server in earnest, and their keys.
struct Stage<'a> {
    site: &'a Site,
    responder: Identity,
    application: Identity,
    aws: AccessKey,
    /// An access key whose identifier the attackers know.
    attackers_key: AccessKey,
    /// A key that is used throughout.
    live: String,
    /// Keys that are not suspended yet.
    keys: Vec<String>,
}

impl<'a> Stage<'a> {
    fn prepare(site: &'a Site) -> Result<Self> {
        let attackers_key = site.create_aws_workload("known", None)?;
        site.grant(&["app", "--ring", RING, "--operations", "encrypt"])?;
        let administrator = site.identity("administrator")?;
        let mut connection = Connection::open(&honest(site, Plane::Control)?, &administrator)?;
        let mut create = |number: usize| -> Result<String> {
            let body = json!({ "ring": RING, "name": format!("k{number}"), "purpose": "encrypt", "spec": "aes-256-gcm",
                "data_class": "confidential" });
            let made = connection.ask(&post("/v1/keys", &[JSON], body.to_string().as_bytes()))?;
            let id = made.json().get("id").and_then(Value::as_str).map(str::to_owned);
            id.with_context(|| format!("a key is not created: {}", made.shown()))
        };
        let keys = (0..=CALLS + IDLE_CALLS).map(&mut create).collect::<Result<Vec<_>>>()?;
        let mut stage = Self {
            site,
            responder: site.identity("responder")?,
            application: site.identity("app")?,
            aws: site.evaluation_key()?,
            attackers_key,
            live: String::new(),
            keys,
        };
        stage.live = stage.keys.pop().context("no key")?;
        for (who, answer) in stage.encrypt_as_all(&stage.live) {
            let answer = answer?;
            ensure!(answer.is_done(), "{who} cannot encrypt: {}", answer.shown());
        }
        Ok(stage)
    }

    /// Suspends so many keys, and has the others use the live one. Gives the times of what was done, and the keys.
    fn suspend(&mut self, count: usize, findings: &mut Findings) -> Result<(Times, Vec<String>)> {
        let (mut times, mut suspended, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
        let mut others = Others::default();
        for turn in 0..count {
            let key = self.keys.pop().context("no key is left")?;
            let request = suspension(&key);
            let begun = machine::now();
            let answer = Connection::open(&honest(self.site, Plane::Control)?, &self.responder)
                .and_then(|mut connection| connection.ask(&request));
            let took = machine::now() - begun;
            match answer {
                Ok(answer) if answer.is_done() => {
                    times.push(took);
                    suspended.push(key);
                }
                Ok(answer) => refusals.push(answer.shown()),
                Err(error) => refusals.push(format!("after {} ms: {error:#}", took.as_millis())),
            }
            if turn % OTHERS_EVERY == 0 {
                for (who, answer) in self.encrypt_as_all(&self.live) {
                    others.add(who, answer);
                }
            }
            if refusals.len() >= ENOUGH_REFUSALS {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        if let Some(first) = refusals.first() {
            let tried = refusals.len() + times.len();
            findings
                .broken(format!("{} of {tried} suspensions were refused, as in: {first}", refusals.len()));
        }
        others.judge(findings);
        Ok((Times::of(times), suspended))
    }

    fn encrypt_as_all(&self, key: &str) -> [(&'static str, Result<Answer>); 2] {
        let by_rest = honest(self.site, Plane::Data)
            .and_then(|route| Connection::open(&route, &self.application))
            .and_then(|mut connection| connection.ask(&encrypt_by_rest(key)));
        let by_aws = honest(self.site, Plane::Aws)
            .and_then(|route| self.aws.connect(&route))
            .and_then(|mut connection| connection.ask(&self.aws.request("Encrypt", &encrypt_input(key))?));
        [("the application", by_rest), ("the AWS client", by_aws)]
    }

    /// After the attack: the planes answer again, and refuse what was suspended.
    fn refuses(&self, suspended: &[String], findings: &mut Findings) -> Result<()> {
        let begun = machine::now();
        while machine::now() - begun < AFTERMATH {
            let answers = self.encrypt_as_all(&self.live);
            if answers.iter().all(|(_, answer)| answer.as_ref().is_ok_and(Answer::is_done)) {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        let mut data = Connection::open(&honest(self.site, Plane::Data)?, &self.application);
        let mut aws = self.aws.connect(&honest(self.site, Plane::Aws)?);
        let mut used = Vec::new();
        for key in suspended {
            let by_rest = ask(&mut data, &encrypt_by_rest(key))?;
            let by_aws = ask(&mut aws, &self.aws.request("Encrypt", &encrypt_input(key))?)?;
            let is_refused = |answer: &Answer, how: &[&str]| how.contains(&shown_code(answer).as_str());
            if !is_refused(&by_rest, &["wrong-state"]) {
                used.push(format!("the data plane answers {}", by_rest.shown()));
            }
            if !is_refused(&by_aws, &["KMSInvalidStateException", "DisabledException"]) {
                used.push(format!("AWS answers {}", by_aws.shown()));
            }
        }
        let of = suspended.len();
        findings.add(
            used.is_empty(),
            match used.first() {
                None => format!("all {of} suspended keys are refused afterwards"),
                Some(first) => format!("{} uses of {of} suspended keys are not refused: {first}", used.len()),
            },
        );
        Ok(())
    }
}

fn ask(connection: &mut Result<Connection>, request: &[u8]) -> Result<Answer> {
    match connection {
        Ok(connection) => connection.ask(request),
        Err(error) => Err(anyhow::anyhow!("after the attack: {error:#}")),
    }
}

/// The word by which either protocol says why.
fn shown_code(answer: &Answer) -> String {
    let body = answer.json();
    let code = body.get("code").and_then(Value::as_str).map(str::to_owned);
    code.unwrap_or_else(|| aws::refusal(answer))
}

/// What became of the calls of others.
#[derive(Default)]
struct Others {
    asked: usize,
    refused: Vec<String>,
}

impl Others {
    fn add(&mut self, who: &str, answer: Result<Answer>) {
        self.asked += 1;
        match answer {
            Ok(answer) if answer.is_done() => {}
            Ok(answer) => self.refused.push(format!("{who} got {}", answer.shown())),
            Err(error) => self.refused.push(format!("{who} got nothing: {error:#}")),
        }
    }

    fn judge(self, findings: &mut Findings) {
        let Self { asked, refused } = self;
        findings.add(
            refused.is_empty(),
            match refused.first() {
                None => format!("{asked} of {asked} uses were answered"),
                Some(first) => format!("{} of {asked} uses were refused, as in: {first}", refused.len()),
            },
        );
    }
}

fn memory_returns(site: &Site, before: u64, peak: u64, findings: &mut Findings) -> Result<()> {
    let begun = machine::now();
    let after = loop {
        let now = machine::resident(site.process()?)?;
        if now <= before + MEMORY_STAYS || machine::now() - begun > MEMORY_RETURNS {
            break now;
        }
        std::thread::sleep(Duration::from_secs(1));
    };
    let [before_mib, peak, after_mib] = [before, peak, after].map(mib);
    findings.add(
        after <= before + MEMORY_STAYS,
        format!("memory was {before_mib} MiB before, {peak} under attack, {after_mib} after"),
    );
    Ok(())
}

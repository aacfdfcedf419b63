//! Those who use the server in earnest, and what they do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::earnest::{JSON, RING, ask, encrypt_by_rest, encrypt_input, honest, suspension};
use super::super::greed::{self, Greed, Greedy};
use super::super::intake::{Flood, From, Kind, Targets};
use super::Tally;
use crate::client::{AccessKey, Answer, Connection, Identity, get, post};
use crate::machine;
use crate::site::{Plane, Site};

/// Between two calls of one who keeps a connection, and of one who makes a new one.
const KEPT: Duration = Duration::from_millis(20);
const NEW: Duration = Duration::from_millis(200);
/// Between two suspensions.
const SUSPENSIONS: Duration = Duration::from_secs(1);

/// Who takes part.
pub(super) struct Stage<'a> {
    pub(super) site: &'a Site,
    administrator: Identity,
    responder: Identity,
    application: Identity,
    aws_app: AccessKey,
    /// A key that all use.
    live: String,
    pub(super) greedy: Greedy<'a>,
}

type Work = fn(&Stage<'_>, &Tally, &AtomicBool);

/// What is done in earnest, each by a thread.
pub(super) const IN_EARNEST: [Work; 8] = [
    |stage, tally, ended| stage.encrypt(tally, ended, "the application", KEPT, Stage::by_rest),
    |stage, tally, ended| {
        stage.encrypt(tally, ended, "the application, newly connected", NEW, Stage::by_rest)
    },
    |stage, tally, ended| stage.encrypt(tally, ended, "the AWS client", KEPT, Stage::by_aws),
    |stage, tally, ended| stage.encrypt(tally, ended, "the AWS client, newly connected", NEW, Stage::by_aws),
    |stage, tally, ended| stage.encrypt(tally, ended, "the key store proxy", KEPT, Stage::by_proxy),
    |stage, tally, ended| {
        stage.encrypt(tally, ended, "the key store proxy, newly connected", NEW, Stage::by_proxy)
    },
    |stage, tally, ended| stage.look(tally, ended),
    |stage, tally, ended| stage.suspend(tally, ended),
];

impl<'a> Stage<'a> {
    /// Makes keys and rights, many of them from a core of their own.
    pub(super) fn prepare(site: &'a Site, core: usize) -> Result<Self> {
        let aws_app = site.create_aws_workload("aws-app", None)?;
        for who in ["app", "aws-app"] {
            site.grant(&[who, "--ring", RING, "--operations", "encrypt"])?;
        }
        Ok(Self {
            site,
            administrator: site.identity("administrator")?,
            responder: site.identity("responder")?,
            application: site.identity("app")?,
            aws_app,
            live: site.evaluation_key()?.create_key()?,
            greedy: Greedy::prepare(site)?.with_crowds(core)?,
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
        let open = || self.aws_app.connect(&honest(self.site, Plane::Aws)?);
        ask(kept, open, &self.aws_app.request("Encrypt", &encrypt_input(key))?)
    }

    fn by_proxy(&self, kept: &mut Option<Connection>, key: &str) -> Result<Answer> {
        let open = || self.aws_app.connect(&honest(self.site, Plane::Aws)?);
        let said = json!({ "awsPrincipalArn": "arn:aws:iam::123456789012:user/alice",
            "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "kmsOperation": "Encrypt", "kmsRequestId": "4112f4d6-db54-4af4-ae30-c55a22a8dfae" });
        let plaintext = STANDARD.encode([0x5a; 64]);
        let body =
            json!({ "requestMetadata": said, "plaintext": plaintext, "encryptionAlgorithm": "AES_GCM" });
        ask(kept, open, &self.aws_app.proxy_request(&format!("keys/{key}/encrypt"), &body)?)
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
        let (mut making, mut by_rest, mut by_aws, mut by_proxy) = (None, None, None, None);
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
            let uses = [
                self.by_rest(&mut by_rest, &key),
                self.by_aws(&mut by_aws, &key),
                self.by_proxy(&mut by_proxy, &key),
            ];
            // What has no answer shows nothing.
            let is_used = |answer: &Result<Answer>| answer.as_ref().is_ok_and(Answer::is_done);
            tally.used.fetch_add(u64::from(uses.iter().any(is_used)), Ordering::Relaxed);
        }
    }

    /// Starts the attackers.
    pub(super) fn attack<'scope>(
        &'scope self,
        scope: &'scope std::thread::Scope<'scope, '_>,
        core: usize,
        ended: &'scope AtomicBool,
    ) -> Result<Flood> {
        let targets = Targets::of(self.site, self.aws_app.guessed(), From::Many.addresses())?;
        for number in 0..greed::EACH {
            for greed in Greed::ALL {
                scope.spawn(move || {
                    // A core that cannot be had makes the attack harder to bear, not easier.
                    let _ = machine::stay_on(&[core]);
                    greed.press(&self.greedy, number, ended);
                });
            }
        }
        Ok(Flood::start(&Kind::ALL, targets, core))
    }
}

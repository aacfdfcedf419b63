//! What an application does within its rights, and too much of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::earnest::{JSON, RING, ask, encrypt_input, honest};
use crate::client::{AccessKey, Connection, Identity, aws, get, post};
use crate::machine;
use crate::site::{Plane, Site};

/// Connections of each thing that is done.
pub(super) const EACH: usize = 8;
/// Grants that a key takes (AWS KMS, quotas).
const MOST_GRANTS: usize = 50_000;
/// Grants with large conditions, pairs of each, and characters of a value: the most there may be (the same).
const LARGE: usize = 150;
const PAIRS: usize = 8;
const VALUE: usize = 384;
/// Items of a batch.
const ITEMS: usize = 1000;
/// After a refusal, before it is asked again.
const AGAIN: Duration = Duration::from_millis(10);
/// How often what was refused for a moment is asked for again while the attack is prepared.
const TRIES: u32 = 500;
/// Threads by which it is prepared.
const FILLERS: usize = 16;

/// One thing that is done, over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greed {
    /// Batches of 1 000 uses.
    Batches,
    /// Uses under grants with conditions as large as they may be, each with another context.
    Conditions,
    /// Uses of one principal with 50 000 grants on a key, each with another context.
    Contexts,
    /// Uses of a key with 50 000 principals, and pages of its grants.
    Crowd,
    /// Grants of a key, until it takes no more.
    Grants,
    ImportParameters,
    LastUse,
    Pairs,
    Restrictions,
    Searches,
    /// Tags of one key.
    Tags,
}

/// Whom it is done by, and with what.
pub(super) struct Greedy<'a> {
    site: &'a Site,
    owner: AccessKey,
    auditor: Identity,
    nobody: Identity,
    /// Keys of the owner: one with large conditions, and one that waits for material.
    own: String,
    external: String,
    crowds: Option<Crowds>,
    /// The request for a batch.
    batch: Vec<u8>,
    /// What was asked, and what of it was not done.
    pressed: AtomicU64,
    refused: AtomicU64,
}

/// As many grants as there may be.
struct Crowds {
    /// Keys of the owner with as many as they take: to one principal, and to as many principals.
    contexts: String,
    crowded: String,
    /// The principal that has as many, and some of those with one.
    many: AccessKey,
    members: Vec<AccessKey>,
}

impl<'a> Greedy<'a> {
    /// Makes keys, and grants with large conditions.
    pub(super) fn prepare(site: &'a Site) -> Result<Self> {
        let owner = site.evaluation_key()?;
        let external = owner.done("CreateKey", &json!({ "Origin": "EXTERNAL" }))?;
        let external = external.pointer("/KeyMetadata/KeyId").and_then(Value::as_str);
        let greedy = Self {
            site,
            own: owner.create_key()?,
            external: external.context("a key without an id")?.to_owned(),
            crowds: None,
            batch: batch(site)?,
            auditor: site.identity("auditor")?,
            nobody: site.nobody()?,
            owner,
            pressed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        site.create_workload("granted", None)?;
        for number in 0..LARGE {
            greedy.owner.done("CreateGrant", &large_grant(&greedy.own, number))?;
        }
        Ok(greedy)
    }

    /// Gives all the rights that there may be, through the API, from a core.
    pub(super) fn with_crowds(mut self, core: usize) -> Result<Self> {
        let site = self.site;
        let members = (0..EACH).map(|number| site.create_aws_workload(&member(number), None));
        let crowds = Crowds {
            contexts: self.owner.create_key()?,
            crowded: self.owner.create_key()?,
            many: site.create_aws_workload("many", None)?,
            members: members.collect::<Result<_>>()?,
        };
        let principal = |number: usize| {
            let body = json!({ "name": member(EACH + number), "kind": "workload" }).to_string();
            Ok(post("/v1/principals", &[JSON], body.as_bytes()))
        };
        let maker = site.identity(&site.maker(&principal(MOST_GRANTS)?)?)?;
        let control = || Connection::open(&honest(site, Plane::Control)?, &maker);
        fill(MOST_GRANTS - EACH, core, control, principal).context("principals")?;
        let to_each = |number: usize| self.create_grant(&crowds.crowded, &member(number), None);
        fill(MOST_GRANTS, core, || self.connect(), to_each).context("a grant to each")?;
        let to_one = |number: usize| self.create_grant(&crowds.contexts, "many", Some(&tenant(number)));
        fill(MOST_GRANTS, core, || self.connect(), to_one).context("grants to one")?;
        self.crowds = Some(crowds);
        Ok(self)
    }

    /// Encrypts so many times, so that the log has many uses, from a core.
    pub(super) fn use_often(&self, count: usize, core: usize) -> Result<()> {
        let request = |_| self.owner.request("Encrypt", &encrypt_input(&self.own));
        fill(count, core, || self.connect(), request).context("uses")
    }

    /// A connection of the owner.
    pub(super) fn connect(&self) -> Result<Connection> {
        self.owner.connect(&honest(self.site, Plane::Aws)?)
    }

    /// The owner's request for a grant on a key of its own.
    pub(super) fn create_grant(&self, key: &str, to: &str, context: Option<&Value>) -> Result<Vec<u8>> {
        self.owner.request("CreateGrant", &grant(key, to, context))
    }

    /// A new key of the owner.
    pub(super) fn create_key(&self) -> Result<String> {
        self.owner.create_key()
    }

    /// How much was asked.
    pub(super) fn pressed(&self) -> u64 {
        self.pressed.load(Ordering::Relaxed)
    }

    /// How much of it was not done.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn crowds(&self) -> Result<&Crowds> {
        self.crowds.as_ref().context("no crowd was made")
    }
}

impl Greed {
    pub(super) const ALL: [Self; 11] = [
        Self::Batches,
        Self::Conditions,
        Self::Contexts,
        Self::Crowd,
        Self::Grants,
        Self::ImportParameters,
        Self::LastUse,
        Self::Pairs,
        Self::Restrictions,
        Self::Searches,
        Self::Tags,
    ];

    /// Asks over and over, over another connection when one is closed.
    pub(super) fn press(self, greedy: &Greedy<'_>, number: usize, ended: &AtomicBool) {
        let mut connection = None;
        for turn in 0_usize.. {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            greedy.pressed.fetch_add(1, Ordering::Relaxed);
            let answer = self.request(greedy, number, turn).and_then(|request| {
                let open = || self.open(greedy);
                ask(&mut connection, open, &request)
            });
            if !answer.is_ok_and(|answer| answer.is_done()) {
                greedy.refused.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(AGAIN);
            }
        }
    }

    fn open(self, greedy: &Greedy<'_>) -> Result<Connection> {
        match self {
            Self::Searches => Connection::open(&honest(greedy.site, Plane::Control)?, &greedy.auditor),
            Self::Batches => Connection::open(&honest(greedy.site, Plane::Data)?, &greedy.nobody),
            _ => greedy.connect(),
        }
    }

    fn request(self, greedy: &Greedy<'_>, number: usize, turn: usize) -> Result<Vec<u8>> {
        let (owner, key) = (&greedy.owner, greedy.own.as_str());
        match self {
            Self::Batches => Ok(greedy.batch.clone()),
            Self::Conditions => {
                let context = json!({ "tenant": format!("{number}-{turn}") });
                owner.request("Encrypt", &with_context(key, context))
            }
            Self::Contexts => {
                let context = tenant((turn * EACH + number) % MOST_GRANTS);
                let crowds = greedy.crowds()?;
                crowds.many.request("Encrypt", &with_context(&crowds.contexts, context))
            }
            Self::Crowd if turn.is_multiple_of(EACH) => {
                owner.request("ListGrants", &json!({ "KeyId": greedy.crowds()?.crowded, "Limit": 100 }))
            }
            Self::Crowd => {
                let crowds = greedy.crowds()?;
                let caller = crowds.members.get(number).context("a connection without a caller")?;
                caller.request("Encrypt", &encrypt_input(&crowds.crowded))
            }
            Self::Grants => {
                let context = json!({ "tenant": format!("{number}-{turn}") });
                greedy.create_grant(key, "granted", Some(&context))
            }
            Self::ImportParameters => {
                let input = json!({ "KeyId": greedy.external, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_4096" });
                owner.request("GetParametersForImport", &input)
            }
            Self::LastUse => owner.request("GetKeyLastUsage", &json!({ "KeyId": greedy.external })),
            Self::Pairs => {
                owner.request("GenerateDataKeyPair", &json!({ "KeyId": key, "KeyPairSpec": "RSA_4096" }))
            }
            Self::Restrictions => {
                let operation = if turn.is_multiple_of(2) { "DisableKey" } else { "EnableKey" };
                owner.request(operation, &json!({ "KeyId": greedy.external }))
            }
            Self::Searches => Ok(get(
                &format!("/v1/audit/entries?limit=1000&outcome=0&operation=1&key={}", greedy.external),
                &[],
            )),
            Self::Tags => {
                let tag = json!({ "TagKey": format!("tag-{number}"), "TagValue": turn.to_string() });
                owner.request("TagResource", &json!({ "KeyId": key, "Tags": [tag] }))
            }
        }
    }
}

/// An application that has batches encrypted, by token; gives what it asks.
fn batch(site: &Site) -> Result<Vec<u8>> {
    site.create_workload("batcher", None)?;
    site.done("administrator", &["key", "create", &format!("{RING}/batches")])?;
    site.grant(&["batcher", "--ring", RING, "--operations", "encrypt"])?;
    let made = site.done_by_any(&site.makers(), &["credential", "create", "batcher", "--token"])?;
    let token = made.get("token").and_then(Value::as_str).context("no token")?;
    let item = json!({ "plaintext": STANDARD.encode([0x5a; 16]) });
    let body = json!({ "items": vec![item; ITEMS] }).to_string();
    let authorization = format!("Bearer {token}");
    let path = format!("/v1/keys/{RING}%2Fbatches/encrypt/batch");
    Ok(post(&path, &[JSON, ("authorization", &authorization)], body.as_bytes()))
}

/// Asks for so many things, each until it is done, by threads on a core.
fn fill(
    count: usize,
    core: usize,
    open: impl Fn() -> Result<Connection> + Sync,
    request: impl Fn(usize) -> Result<Vec<u8>> + Sync,
) -> Result<()> {
    let part = |first: usize| -> Result<()> {
        machine::stay_on(&[core])?;
        let mut connection = None;
        for number in (first..count).step_by(FILLERS) {
            let mut tries = 0;
            loop {
                let answer = ask(&mut connection, &open, &request(number)?)?;
                tries += 1;
                match answer.status {
                    200..300 => break,
                    429 | 500 | 503 if tries < TRIES => std::thread::sleep(AGAIN),
                    _ => bail!("number {number}, {tries} times: {}", answer.shown()),
                }
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let part = &part;
        let parts: Vec<_> = (0..FILLERS).map(|first| scope.spawn(move || part(first))).collect();
        parts.into_iter().try_for_each(|part| part.join().map_err(|_| anyhow!("a thread broke off"))?)
    })
}

fn member(number: usize) -> String {
    format!("p{number}")
}

fn tenant(number: usize) -> Value {
    json!({ "tenant": format!("t{number}"), "region": "eu-central" })
}

fn with_context(key: &str, context: Value) -> Value {
    let mut input = encrypt_input(key);
    if let Some(members) = input.as_object_mut() {
        members.insert("EncryptionContext".to_owned(), context);
    }
    input
}

fn grant(key: &str, to: &str, context: Option<&Value>) -> Value {
    let mut input = json!({ "KeyId": key, "GranteePrincipal": aws::user(to), "Operations": ["Encrypt"], "Constraints": {} });
    if let (Some(constraints), Some(context)) = (input.get_mut("Constraints"), context) {
        *constraints = json!({ "EncryptionContextSubset": context });
    }
    input
}

fn large_grant(key: &str, number: usize) -> Value {
    let pairs =
        (0..PAIRS).map(|pair| (format!("pair-{pair}"), json!(format!("{number:0width$}", width = VALUE))));
    grant(key, "granted", Some(&Value::Object(pairs.collect())))
}

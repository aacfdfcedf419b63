//! What an application does within its rights, and too much of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::intake::{JSON, RING, encrypt_input, honest};
use super::stage::{Stage, ask};
use crate::client::{AccessKey, Connection, Identity, aws, get, post};
use crate::machine;
use crate::site::{Plane, Site};

/// Connections of each thing that is done.
pub(super) const EACH: usize = 8;
/// Grants that a key takes (AWS KMS, quotas).
const MOST_GRANTS: usize = 50_000;
/// Grants with large conditions, pairs of each, and characters of a value: the most there may be (the same).
const LARGE: usize = 40;
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
}

/// Whom it is done by, and with what.
pub(super) struct Greedy {
    owner: AccessKey,
    auditor: Identity,
    nobody: Identity,
    /// Keys of the owner: one with large conditions, one that waits for material, and one with as many grants as it takes to
    /// one principal, and to as many principals.
    own: String,
    external: String,
    contexts: String,
    crowded: String,
    /// The principal with as many grants as a key takes, and some of as many principals with one.
    many: AccessKey,
    crowd: Vec<AccessKey>,
    /// The request for a batch.
    batch: Vec<u8>,
}

impl Greedy {
    /// Gives all the rights that there may be, through the API, from a core.
    pub(super) fn prepare(site: &Site, core: usize) -> Result<Self> {
        let owner = site.evaluation_key()?;
        let create = |input: &Value| {
            let made = owner.done("CreateKey", input)?;
            let id = made.pointer("/KeyMetadata/KeyId").and_then(Value::as_str).map(str::to_owned);
            id.context("a key without an id")
        };
        let crowd = (0..EACH).map(|number| site.create_aws_workload(&member(number), None));
        let greedy = Self {
            own: create(&json!({}))?,
            external: create(&json!({ "Origin": "EXTERNAL" }))?,
            contexts: create(&json!({}))?,
            crowded: create(&json!({}))?,
            many: site.create_aws_workload("many", None)?,
            crowd: crowd.collect::<Result<_>>()?,
            batch: batch(site)?,
            auditor: site.identity("auditor")?,
            nobody: site.nobody()?,
            owner,
        };
        site.create_workload("granted", None)?;
        for number in 0..LARGE {
            greedy.owner.done("CreateGrant", &large_grant(&greedy.own, number))?;
        }
        let administrator = site.identity("administrator")?;
        let principal = |number: usize| {
            let body = json!({ "name": member(EACH + number), "kind": "workload" }).to_string();
            Ok(post("/v1/principals", &[JSON], body.as_bytes()))
        };
        let control = || Connection::open(&honest(site, Plane::Control)?, &administrator);
        fill(MOST_GRANTS - EACH, core, control, principal).context("principals")?;
        let aws = || greedy.owner.connect(&honest(site, Plane::Aws)?);
        let to_each = |number: usize| {
            let input = grant(&greedy.crowded, &member(number), None);
            greedy.owner.request("CreateGrant", &input)
        };
        fill(MOST_GRANTS, core, aws, to_each).context("a grant to each")?;
        let to_one = |number: usize| {
            let input = grant(&greedy.contexts, "many", Some(&tenant(number)));
            greedy.owner.request("CreateGrant", &input)
        };
        fill(MOST_GRANTS, core, aws, to_one).context("grants to one")?;
        Ok(greedy)
    }
}

impl Greed {
    pub(super) const ALL: [Self; 10] = [
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
    ];

    /// Asks over and over, over another connection when one is closed.
    pub(super) fn press(self, stage: &Stage<'_>, number: usize, ended: &AtomicBool) {
        let mut connection = None;
        for turn in 0_usize.. {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            stage.pressed.fetch_add(1, Ordering::Relaxed);
            let answer = self.request(&stage.greedy, number, turn).and_then(|request| {
                let open = || self.open(stage);
                ask(&mut connection, open, &request)
            });
            if !answer.is_ok_and(|answer| answer.is_done()) {
                std::thread::sleep(AGAIN);
            }
        }
    }

    fn open(self, stage: &Stage<'_>) -> Result<Connection> {
        let greedy = &stage.greedy;
        match self {
            Self::Searches => Connection::open(&honest(stage.site, Plane::Control)?, &greedy.auditor),
            Self::Batches => Connection::open(&honest(stage.site, Plane::Data)?, &greedy.nobody),
            _ => greedy.owner.connect(&honest(stage.site, Plane::Aws)?),
        }
    }

    fn request(self, greedy: &Greedy, number: usize, turn: usize) -> Result<Vec<u8>> {
        let (owner, key) = (&greedy.owner, greedy.own.as_str());
        match self {
            Self::Batches => Ok(greedy.batch.clone()),
            Self::Conditions => {
                let context = json!({ "tenant": format!("{number}-{turn}") });
                owner.request("Encrypt", &with_context(key, context))
            }
            Self::Contexts => {
                let context = tenant((turn * EACH + number) % MOST_GRANTS);
                greedy.many.request("Encrypt", &with_context(&greedy.contexts, context))
            }
            Self::Crowd if turn.is_multiple_of(EACH) => {
                owner.request("ListGrants", &json!({ "KeyId": greedy.crowded, "Limit": 100 }))
            }
            Self::Crowd => {
                let caller = greedy.crowd.get(number).context("a connection without a caller")?;
                caller.request("Encrypt", &encrypt_input(&greedy.crowded))
            }
            Self::Grants => {
                let context = json!({ "tenant": format!("{number}-{turn}") });
                owner.request("CreateGrant", &grant(key, "granted", Some(&context)))
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

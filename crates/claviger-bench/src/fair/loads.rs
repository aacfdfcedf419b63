//! What others do meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::ValueEnum;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::CONNECTIONS;
use crate::instance::Instance;
use crate::load::{Connection, Target};
use crate::signed::AccessKey;
use crate::wire;

/// Uses that are in the log before anything is looked for in it.
const HISTORY: usize = 20_000;
/// Grants with large conditions, and pairs and characters of each: what AWS takes at most.
const LARGE: u32 = 150;
const PAIRS: usize = 8;
const VALUE: usize = 384;
/// Contexts that a load asks with: more than any cache of decisions is fooled by.
const CONTEXTS: u32 = 512;
/// Principals with an access key among those of the shape with many of them.
const CALLERS: u32 = 16;
/// Items of a batch.
const ITEMS: usize = 1000;
/// After an answer that does not come, before it is tried again.
const AGAIN: Duration = Duration::from_millis(10);
/// How often what was refused for a moment is asked for again while a load is prepared.
const TRIES: u32 = 100;
const ACCOUNT: &str = "arn:aws:iam::000000000000:user";

/// Which load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// `GetKeyLastUsage` of a key that was never used, in a log with 20 000 uses of others
    LastUse,
    /// Searches of the log that find nothing
    AuditSearch,
    /// Searches of the log for what somebody did that find nothing
    WhoDid,
    /// `GenerateDataKeyPair` with RSA-4096
    Rsa4096Pairs,
    /// `GetParametersForImport` with RSA-4096
    ImportParameters,
    /// Uses under 150 grants with conditions as large as AWS takes, each use with another context
    LargeConditions,
    /// One principal with 50 000 grants on a key, each use with another context
    ManyGrants,
    /// 50 000 principals with a grant on one key each: uses, and pages of grants
    ManyPrincipals,
    /// `CreateGrant` on one key
    GrantCreation,
    /// `DisableKey` and `EnableKey`, each connection with a key of its own
    Restrictions,
    /// Batches of 1 000
    Batches,
}

impl Kind {
    pub(super) const ALL: [Self; 11] = [
        Self::LastUse,
        Self::AuditSearch,
        Self::WhoDid,
        Self::Rsa4096Pairs,
        Self::ImportParameters,
        Self::LargeConditions,
        Self::ManyGrants,
        Self::ManyPrincipals,
        Self::GrantCreation,
        Self::Restrictions,
        Self::Batches,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::LastUse => "last-use",
            Self::AuditSearch => "audit-search",
            Self::WhoDid => "who-did",
            Self::Rsa4096Pairs => "rsa4096-pairs",
            Self::ImportParameters => "import-parameters",
            Self::LargeConditions => "large-conditions",
            Self::ManyGrants => "many-grants",
            Self::ManyPrincipals => "many-principals",
            Self::GrantCreation => "grant-creation",
            Self::Restrictions => "restrictions",
            Self::Batches => "batches",
        }
    }
}

/// A load: what each of its connections asks, over and over.
pub(super) struct Load {
    target: Target,
    /// For each connection.
    requests: Vec<Arc<[Bytes]>>,
}

/// What it got.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pressed {
    /// What was asked, answered or not.
    pub(super) asked: u64,
    /// Answers that were what was asked for.
    pub(super) answered: u64,
    /// Others, and what had no answer.
    pub(super) refused: u64,
}

#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
}

impl Load {
    fn new(target: Target, requests: impl Fn(usize) -> Result<Vec<Bytes>>) -> Result<Self> {
        let requests = (0..CONNECTIONS).map(|number| Ok(requests(number)?.into()));
        Ok(Self { target, requests: requests.collect::<Result<_>>()? })
    }

    /// The same requests for all, each connection beginning at another.
    fn of_all(target: Target, requests: &[Bytes]) -> Result<Self> {
        Self::new(target, |number| {
            let mut own = requests.to_vec();
            own.rotate_left(number * requests.len() / CONNECTIONS);
            Ok(own)
        })
    }

    /// Asks until it is stopped.
    pub(super) fn press(self, stopped: &Arc<AtomicBool>) -> Result<Pressed> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counts = Arc::new(Counts::default());
        runtime.block_on(async {
            let mut asking = JoinSet::new();
            for requests in self.requests {
                asking.spawn(ask(self.target.clone(), requests, Arc::clone(stopped), Arc::clone(&counts)));
            }
            while !stopped.load(Ordering::Relaxed) {
                tokio::time::sleep(AGAIN).await;
            }
            // The clients leave, whether or not they were answered.
            asking.shutdown().await;
        });
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Ok(Pressed {
            asked: read(&counts.asked),
            answered: read(&counts.answered),
            refused: read(&counts.refused),
        })
    }
}

async fn ask(target: Target, requests: Arc<[Bytes]>, stopped: Arc<AtomicBool>, counts: Arc<Counts>) {
    let mut connection = None;
    for request in requests.iter().cycle() {
        if stopped.load(Ordering::Relaxed) {
            return;
        }
        let mut open = match connection.take() {
            Some(open) => open,
            None => match Connection::open(&target).await {
                Ok(open) => open,
                Err(_) => {
                    counts.refused.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            },
        };
        counts.asked.fetch_add(1, Ordering::Relaxed);
        match open.ask_for_any(request).await {
            Ok((200..300, _)) => {
                counts.answered.fetch_add(1, Ordering::Relaxed);
                connection = Some(open);
            }
            Ok(_) => {
                counts.refused.fetch_add(1, Ordering::Relaxed);
                connection = Some(open);
            }
            Err(_) => {
                counts.refused.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// A server on which loads are prepared: by the access key of the ring `evaluation`, in that ring.
pub(super) struct Stage<'a> {
    server: &'a Instance,
    aws: Target,
    owner: AccessKey,
}

impl<'a> Stage<'a> {
    pub(super) fn prepare(server: &'a Instance) -> Result<Self> {
        let (aws, owner) = server.aws()?;
        Ok(Self { server, aws, owner })
    }

    pub(super) async fn load(&self, kind: Kind, grants: u32) -> Result<Load> {
        match kind {
            Kind::LastUse => {
                self.use_a_key(&self.create_key(&json!({})).await?).await?;
                let input = json!({ "KeyId": self.create_key(&json!({})).await? });
                self.by_owner("GetKeyLastUsage", &input)
            }
            Kind::AuditSearch => {
                self.use_a_key(&self.create_key(&json!({})).await?).await?;
                let key = self.create_key(&json!({})).await?;
                let request =
                    wire::get(&format!("/v1/audit/entries?limit=1000&outcome=0&operation=1&key={key}"));
                Load::of_all(self.server.control("auditor")?, &[request])
            }
            Kind::WhoDid => {
                self.use_a_key(&self.create_key(&json!({})).await?).await?;
                let request = wire::get("/v1/audit/search?limit=1000&principal=auditor&operation=101");
                Load::of_all(self.server.control("auditor")?, &[request])
            }
            Kind::Rsa4096Pairs => {
                let key = self.create_key(&json!({})).await?;
                let input = json!({ "KeyId": key, "KeyPairSpec": "RSA_4096" });
                self.by_owner("GenerateDataKeyPair", &input)
            }
            Kind::ImportParameters => {
                let key = self.create_key(&json!({ "Origin": "EXTERNAL" })).await?;
                let wrapping = "RSAES_OAEP_SHA_256";
                let input =
                    json!({ "KeyId": key, "WrappingAlgorithm": wrapping, "WrappingKeySpec": "RSA_4096" });
                self.by_owner("GetParametersForImport", &input)
            }
            Kind::LargeConditions => self.large_conditions().await,
            Kind::ManyGrants => self.many_grants(grants).await,
            Kind::ManyPrincipals => self.many_principals(grants).await,
            Kind::GrantCreation => {
                self.server.create_aws_workload("granted")?;
                let key = self.create_key(&json!({})).await?;
                self.by_owner("CreateGrant", &grant(&key, "granted", &json!({ "tenant": "a" })))
            }
            Kind::Restrictions => self.restrictions().await,
            Kind::Batches => self.batches(),
        }
    }

    fn by_owner(&self, operation: &str, input: &Value) -> Result<Load> {
        Load::of_all(self.aws.clone(), &[self.owner.call(operation, &input.to_string())?])
    }

    async fn done(&self, operation: &str, input: &Value) -> Result<Value> {
        let request = self.owner.call(operation, &input.to_string())?;
        let mut connection = Connection::open(&self.aws).await?;
        for _ in 0..TRIES {
            match connection.ask_for_any(&request).await? {
                (200, body) => return Ok(serde_json::from_slice(body)?),
                (429 | 500 | 503, _) => tokio::time::sleep(AGAIN).await,
                (status, body) => bail!("`{operation}`: status {status}: {}", String::from_utf8_lossy(body)),
            }
        }
        bail!("`{operation}` is refused each time")
    }

    async fn create_key(&self, input: &Value) -> Result<String> {
        let made = self.done("CreateKey", input).await?;
        let id = made.pointer("/KeyMetadata/KeyId").and_then(Value::as_str);
        Ok(id.context("a key without an identifier")?.to_owned())
    }

    /// So that the log has something in it.
    async fn use_a_key(&self, key: &str) -> Result<()> {
        let request = self.owner.call("Encrypt", &encrypt(key, &json!({})).to_string())?;
        self.fill(&self.aws, HISTORY, |_| Ok(request.clone())).await
    }

    /// Makes so many calls, which must be done, over as many connections as a load has.
    async fn fill(
        &self,
        target: &Target,
        count: usize,
        request: impl Fn(usize) -> Result<Bytes>,
    ) -> Result<()> {
        const AT_ONCE: usize = 4096;
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Connection::open(target).await?);
        }
        // In parts: a signature is good for five minutes, and a part takes seconds.
        for from in (0..count).step_by(AT_ONCE) {
            let until = count.min(from + AT_ONCE);
            let requests: Vec<_> = (from..until).map(&request).collect::<Result<_>>()?;
            let mut parts: Vec<Vec<Bytes>> = vec![Vec::new(); CONNECTIONS];
            for (at, request) in requests.into_iter().enumerate() {
                if let Some(part) = parts.get_mut(at % CONNECTIONS) {
                    part.push(request);
                }
            }
            let mut filling = JoinSet::new();
            for (connection, part) in connections.drain(..).zip(parts) {
                filling.spawn(ask_until_done(connection, part));
            }
            while let Some(filled) = filling.join_next().await {
                connections.push(filled??);
            }
            if count > AT_ONCE {
                eprintln!("  {until} of {count}");
            }
        }
        Ok(())
    }

    async fn large_conditions(&self) -> Result<Load> {
        let caller = self.server.create_aws_workload("large")?;
        let key = self.create_key(&json!({})).await?;
        let context = |number: u32| -> Value {
            let pair = |at: usize| (format!("pair-{at}"), json!(format!("{number:>width$}", width = VALUE)));
            (0..PAIRS).map(pair).collect::<serde_json::Map<_, _>>().into()
        };
        self.fill(&self.aws, usize::try_from(LARGE)?, |number| {
            let input = grant(&key, "large", &context(u32::try_from(number)?));
            self.owner.call("CreateGrant", &input.to_string())
        })
        .await?;
        // Half of the contexts are of grants, with a pair more so that each decision is a new one; the others of none.
        let requests = (0..CONTEXTS).map(|number| {
            let mut context = context(number % (2 * LARGE));
            context.as_object_mut().map(|pairs| pairs.insert("turn".to_owned(), json!(number.to_string())));
            caller.call("Encrypt", &encrypt(&key, &context).to_string())
        });
        Load::of_all(self.aws.clone(), &requests.collect::<Result<Vec<_>>>()?)
    }

    async fn many_grants(&self, grants: u32) -> Result<Load> {
        let caller = self.server.create_aws_workload("many")?;
        let key = self.create_key(&json!({})).await?;
        let context = |number: u32| json!({ "tenant": format!("t{number}"), "region": "eu-central" });
        self.fill(&self.aws, usize::try_from(grants)?, |number| {
            let input = grant(&key, "many", &context(u32::try_from(number)?));
            self.owner.call("CreateGrant", &input.to_string())
        })
        .await?;
        let requests = (0..CONTEXTS).map(|turn| {
            let number = turn * (grants / CONTEXTS).max(1) % grants.max(1);
            caller.call("Encrypt", &encrypt(&key, &context(number)).to_string())
        });
        Load::of_all(self.aws.clone(), &requests.collect::<Result<Vec<_>>>()?)
    }

    async fn many_principals(&self, grants: u32) -> Result<Load> {
        let key = self.create_key(&json!({})).await?;
        let callers = CALLERS.min(grants);
        let mut requests = Vec::new();
        for number in 0..callers {
            let caller = self.server.create_aws_workload(&format!("p{number}"))?;
            requests.push(caller.call("Encrypt", &encrypt(&key, &json!({})).to_string())?);
        }
        let create = |target: Target| {
            let principal = |number: usize| {
                let name = format!("p{}", number + usize::try_from(callers).unwrap_or_default());
                let body = json!({ "name": name, "kind": "workload" }).to_string();
                Ok(wire::post("/v1/principals", &[("content-type", "application/json")], body.as_bytes()))
            };
            async move { self.fill(&target, usize::try_from(grants - callers)?, principal).await }
        };
        // Who makes applications has changed between releases.
        if let Err(refused) = Box::pin(create(self.server.control("administrator")?)).await {
            let other = Box::pin(create(self.server.control("security_officer")?)).await;
            other.with_context(|| format!("the administrator may not either: {refused:#}"))?;
        }
        self.fill(&self.aws, usize::try_from(grants)?, |number| {
            let input = grant(&key, &format!("p{number}"), &json!({}));
            self.owner.call("CreateGrant", &input.to_string())
        })
        .await?;
        requests.push(self.owner.call("ListGrants", &json!({ "KeyId": key, "Limit": 100 }).to_string())?);
        Load::of_all(self.aws.clone(), &requests)
    }

    async fn restrictions(&self) -> Result<Load> {
        let mut keys = Vec::new();
        for _ in 0..CONNECTIONS {
            keys.push(json!({ "KeyId": self.create_key(&json!({})).await? }).to_string());
        }
        Load::new(self.aws.clone(), |number| {
            let key = keys.get(number).context("a connection without a key")?;
            Ok(vec![self.owner.call("DisableKey", key)?, self.owner.call("EnableKey", key)?])
        })
    }

    /// By the same application as the victim's no load is made: a custodian of a relaxed ring encrypts by token.
    fn batches(&self) -> Result<Load> {
        let makers = ["administrator", "security_officer"];
        self.server.run("administrator", &["key", "create", "evaluation/batches"])?;
        self.server.run_by_any(&makers, &["principal", "create", "batcher", "--kind", "workload"])?;
        let made =
            self.server.run_by_any(&makers, &["credential", "create", "batcher", "--token", "-o", "json"])?;
        let made: Value = serde_json::from_str(&made)?;
        let token = made.get("token").and_then(Value::as_str).context("no token")?;
        let grant = ["grant", "create", "batcher", "--key", "evaluation/batches", "--operations", "encrypt"];
        let officers = ["security_officer", "security_officer-2", "security_officer_2"];
        self.server.run_by_any(&officers, &[grant.as_slice(), &["--reason", "bench"]].concat())?;
        let item = format!(r#"{{"plaintext":"{}"}}"#, STANDARD.encode([0x5a; 16]));
        let body = format!(r#"{{"items":[{}]}}"#, vec![item.as_str(); ITEMS].join(","));
        let authorization = format!("Bearer {token}");
        let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
        let request = wire::post("/v1/keys/evaluation%2Fbatches/encrypt/batch", &headers, body.as_bytes());
        Load::of_all(self.server.data("app")?, &[request])
    }
}

/// Asks each until it is done; what is refused for a moment is asked again.
async fn ask_until_done(mut connection: Connection, requests: Vec<Bytes>) -> Result<Connection> {
    for request in requests {
        let mut tries = 0;
        loop {
            let (status, body) = connection.ask_for_any(&request).await?;
            let again = matches!(status, 429 | 500 | 503) && tries < TRIES;
            match status {
                200..300 => break,
                _ if again => tries += 1,
                _ => bail!("status {status}: {}", String::from_utf8_lossy(body)),
            }
            tokio::time::sleep(AGAIN).await;
        }
        ensure!(tries < TRIES, "it is refused each time");
    }
    Ok(connection)
}

fn grant(key: &str, to: &str, context: &Value) -> Value {
    let mut input = json!({ "KeyId": key, "GranteePrincipal": format!("{ACCOUNT}/{to}"), "Operations": ["Encrypt", "Decrypt"] });
    if context.as_object().is_some_and(|pairs| !pairs.is_empty())
        && let Some(members) = input.as_object_mut()
    {
        members.insert("Constraints".to_owned(), json!({ "EncryptionContextSubset": context }));
    }
    input
}

fn encrypt(key: &str, context: &Value) -> Value {
    json!({ "KeyId": key, "Plaintext": STANDARD.encode([0x5a; 64]), "EncryptionContext": context })
}

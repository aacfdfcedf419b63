//! Clients that use and manage keys at the same time until the server is gone, and remember what they were answered.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_audit::{Op, Outcome};
use claviger_client::client::SignOptions;
use claviger_client::types::Pairs;
use claviger_client::types::key::{ChangeState, CreateKey, Key};
use claviger_client::{Answer, Client, ClientError};
use claviger_core::key::{Event, State};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::serving::Site;

/// A call that was answered, and what the log must therefore hold.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) op: Op,
    pub(crate) outcome: Outcome,
    pub(crate) key: Option<[u8; 16]>,
    pub(crate) entry: u64,
    /// Refusals carry none.
    pub(crate) receipt: Option<String>,
    /// What `encrypt` gave.
    pub(crate) ciphertext: Option<Vec<u8>>,
}

/// The clients at work.
pub(crate) struct Load {
    workers: JoinSet<()>,
    answers: UnboundedReceiver<Answered>,
    answered: Vec<Answered>,
}

/// What each of them has.
#[derive(Clone)]
struct Worker {
    app: Client,
    administrator: Client,
    round: u32,
    calls: Arc<AtomicU64>,
    tell: UnboundedSender<Answered>,
}

/// Nothing more is to be had of this server.
struct Gone;

impl Load {
    /// Sets eight clients to work.
    pub(crate) fn start(site: &Site, round: u32) -> Self {
        let client = |who| Client::new(&site.profile(who)).unwrap();
        let (tell, answers) = unbounded_channel();
        let calls = Arc::new(AtomicU64::new(0));
        let worker = || Worker {
            app: client("app"),
            administrator: client("administrator"),
            round,
            calls: Arc::clone(&calls),
            tell: tell.clone(),
        };
        let mut workers = JoinSet::new();
        for _ in 0..2 {
            until_gone(&mut workers, worker(), |worker| async move { worker.encrypt("orders/main").await });
            until_gone(&mut workers, worker(), |worker| async move { worker.sign("orders/seal").await });
        }
        until_gone(&mut workers, worker(), |worker| async move { worker.encrypt("orders/toggled").await });
        until_gone(&mut workers, worker(), |worker| async move { worker.toggle("orders/toggled").await });
        until_gone(&mut workers, worker(), |worker| async move { worker.live_through_a_key().await });
        until_gone(&mut workers, worker(), |worker| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            worker.rotate("orders/main").await.map(drop)
        });
        Self { workers, answers, answered: Vec::new() }
    }

    /// Waits until each of these operations was done at least once.
    pub(crate) async fn until_done(&mut self, ops: &[Op]) {
        let mut missing: BTreeSet<_> = ops.iter().collect();
        while !missing.is_empty() {
            let answer = self.answers.recv().await.unwrap();
            missing.remove(&answer.op);
            self.answered.push(answer);
        }
    }

    /// Waits until every client has seen that the server is gone; gives all that they were answered.
    pub(crate) async fn end(mut self) -> Vec<Answered> {
        while let Some(ended) = self.workers.join_next().await {
            ended.unwrap();
        }
        while let Ok(answer) = self.answers.try_recv() {
            self.answered.push(answer);
        }
        self.answered
    }
}

/// How often each operation was answered, and how.
pub(crate) fn count(answered: &[Answered]) -> BTreeMap<(&'static str, &'static str), usize> {
    let mut counts = BTreeMap::new();
    for answer in answered {
        *counts.entry((answer.op.name(), answer.outcome.name())).or_default() += 1;
    }
    counts
}

fn until_gone<F>(
    workers: &mut JoinSet<()>,
    worker: Worker,
    work: impl Fn(Worker) -> F + Send + Sync + 'static,
) where
    F: Future<Output = Result<(), Gone>> + Send,
{
    workers.spawn(async move { while work(worker.clone()).await.is_ok() {} });
}

impl Worker {
    /// Each call has an identifier of its own, which shows in the log as its tag.
    fn named(&self, client: &Client) -> Client {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        client.with_request_id(&format!("round-{}-call-{number}", self.round))
    }

    /// Remembers what was answered; gives its value where it was not refused.
    fn remember<T>(
        &self,
        op: Op,
        key: Option<[u8; 16]>,
        reply: Result<Answer<T>, ClientError>,
        ciphertext: impl FnOnce(&T) -> Option<Vec<u8>>,
    ) -> Result<Option<T>, Gone> {
        let (answered, value) = match reply {
            Ok(answer) => {
                let (entry, receipt) = (answer.entry.unwrap(), Some(answer.receipt.unwrap()));
                let ciphertext = ciphertext(&answer.value);
                (Answered { op, outcome: Outcome::Ok, key, entry, receipt, ciphertext }, Some(answer.value))
            }
            Err(ClientError::Problem(problem)) if problem.code == "wrong-state" => {
                let entry = problem.entry.unwrap();
                let (outcome, receipt) = (Outcome::WrongState, None);
                (Answered { op, outcome, key, entry, receipt, ciphertext: None }, None)
            }
            Err(ClientError::Transport(_)) => return Err(Gone),
            Err(error) => panic!("{op}: {error}"),
        };
        self.tell.send(answered).unwrap();
        Ok(value)
    }

    async fn encrypt(&self, key: &str) -> Result<(), Gone> {
        let (client, data) = (self.named(&self.app), &b"4111-1111-1111-1111"[..]);
        let reply = client.encrypt_bytes(key, data.into(), &Pairs::default()).await;
        self.remember(Op::Encrypt, None, reply, |ciphertext| Some(ciphertext.to_vec()))?;
        Ok(())
    }

    async fn sign(&self, key: &str) -> Result<(), Gone> {
        let (client, message) = (self.named(&self.app), &b"a document"[..]);
        let reply = client.sign_bytes(key, message.into(), SignOptions::default()).await;
        self.remember(Op::Sign, None, reply, |_| None)?;
        Ok(())
    }

    /// Takes a key out of use, or back into it.
    async fn toggle(&self, key: &str) -> Result<(), Gone> {
        let reply = self.named(&self.administrator).read_key(key).await;
        let Some(found) = self.remember(Op::ReadKey, None, reply, |_| None)? else { return Ok(()) };
        let event = if *found.state == State::Active { Event::Suspend } else { Event::Resume };
        self.change(key, event, &found).await
    }

    async fn change(&self, name: &str, event: Event, key: &Key) -> Result<(), Gone> {
        let op = if event == Event::Suspend { Op::SuspendKey } else { Op::ResumeKey };
        let client = self.named(&self.administrator);
        let reply = client.change_key_state(name, event, &ChangeState::default()).await;
        self.remember(op, Some(*key.id.as_bytes()), reply, |_| None)?;
        Ok(())
    }

    async fn rotate(&self, name: &str) -> Result<Option<Key>, Gone> {
        let reply = self.named(&self.administrator).rotate_key(name).await;
        let key = reply.as_ref().ok().map(|answer| *answer.value.id.as_bytes());
        self.remember(Op::RotateKey, key, reply, |_| None)
    }

    /// Creates a key, uses it, rotates it, takes it out of use and back.
    async fn live_through_a_key(&self) -> Result<(), Gone> {
        let number = self.calls.load(Ordering::Relaxed);
        let name = format!("r{}-{number}", self.round);
        let key: CreateKey = serde_json::from_value(json!({
            "ring": "orders", "name": name, "purpose": "encrypt", "spec": "aes-256-gcm", "data_class": "internal",
        }))
        .unwrap();
        let reply = self.named(&self.administrator).create_key(&key).await;
        let id = reply.as_ref().ok().map(|answer| *answer.value.id.as_bytes());
        let name = format!("orders/{name}");
        let Some(key) = self.remember(Op::CreateKey, id, reply, |_| None)? else { return Ok(()) };
        self.encrypt(&name).await?;
        self.rotate(&name).await?;
        self.encrypt(&name).await?;
        self.change(&name, Event::Suspend, &key).await?;
        self.change(&name, Event::Resume, &key).await
    }
}

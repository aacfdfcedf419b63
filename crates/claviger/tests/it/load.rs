//! Clients that use and manage keys at the same time until the server is gone, and remember what they were answered.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use claviger_audit::{Op, Outcome};
use claviger_client::client::{Reply, SignOptions};
use claviger_client::types::key::{ChangeState, CreateKey, Key};
use claviger_client::types::{Pairs, Problem};
use claviger_client::{Client, ClientError};
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
    /// Refusals carry none, nor do results that were withheld.
    pub(crate) receipt: Option<String>,
    /// What `encrypt` gave.
    pub(crate) ciphertext: Option<Vec<u8>>,
}

/// How long clients may go on after they should have stopped.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is done at least once where it says so.
pub(crate) const OPS: [Op; 7] =
    [Op::CreateKey, Op::Encrypt, Op::ResumeKey, Op::RotateKey, Op::Sign, Op::Snapshot, Op::SuspendKey];

/// The clients at work.
pub(crate) struct Load {
    worker: Worker,
    workers: JoinSet<()>,
    /// Are they to stop?
    over: Arc<AtomicBool>,
    answers: UnboundedReceiver<Answered>,
    answered: Vec<Answered>,
}

/// What each of them has.
#[derive(Clone)]
pub(crate) struct Worker {
    app: Client,
    administrator: Client,
    auditor: Client,
    round: u32,
    calls: Arc<AtomicU64>,
    report: UnboundedSender<Answered>,
}

/// Nothing more is to be had of this server: it has ended, or it cannot record.
#[derive(Debug)]
pub(crate) struct Gone;

impl Load {
    /// Sets eight clients to work.
    pub(crate) fn start(site: &Site, round: u32) -> Self {
        let mut load = Self::none(site, round);
        for _ in 0..2 {
            load.set_to(|worker| async move { worker.encrypt("orders/main").await });
            load.set_to(|worker| async move { worker.sign("orders/seal").await });
        }
        load.set_to(|worker| async move { worker.encrypt("orders/toggled").await });
        load.set_to(|worker| async move { worker.toggle("orders/toggled").await });
        load.set_to(|worker| async move { worker.live_through_a_key().await });
        load.set_to(|worker| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            worker.rotate("orders/main").await?;
            worker.snapshot().await
        });
        load
    }

    /// Sets one client to work, which does this over and over.
    pub(crate) fn alone<F>(
        site: &Site,
        round: u32,
        work: impl Fn(Worker) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Gone>> + Send,
    {
        let mut load = Self::none(site, round);
        load.set_to(work);
        load
    }

    /// Lets eight clients work until each operation was done, and a little longer; gives what they were answered.
    pub(crate) async fn some(site: &Site, round: u32) -> Vec<Answered> {
        let mut load = Self::start(site, round);
        load.until_done(&OPS).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        load.over.store(true, Ordering::Relaxed);
        load.end().await
    }

    fn none(site: &Site, round: u32) -> Self {
        let client = |who| Client::new(&site.profile(who)).unwrap();
        let (report, answers) = unbounded_channel();
        let (app, administrator, auditor) = (client("app"), client("administrator"), client("auditor"));
        let worker = Worker { app, administrator, auditor, round, calls: Arc::default(), report };
        let over = Arc::default();
        Self { worker, workers: JoinSet::new(), over, answers, answered: Vec::new() }
    }

    fn set_to<F>(&mut self, work: impl Fn(Worker) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), Gone>> + Send,
    {
        let (worker, over) = (self.worker.clone(), Arc::clone(&self.over));
        self.workers.spawn(async move {
            while !over.load(Ordering::Relaxed) && work(worker.clone()).await.is_ok() {}
        });
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

    /// Waits until every client has stopped, or seen that the server is gone; gives all that they were answered.
    pub(crate) async fn end(mut self) -> Vec<Answered> {
        let ended = tokio::time::timeout(PATIENCE, self.workers.join_all()).await;
        ended.expect("the clients go on and on");
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
        reply: Reply<T>,
        ciphertext: impl FnOnce(&T) -> Option<Vec<u8>>,
    ) -> Result<Option<T>, Gone> {
        let (answered, value) = match reply {
            Ok(answer) => {
                let (entry, receipt) = (answer.entry.unwrap(), Some(answer.receipt.unwrap()));
                let ciphertext = ciphertext(&answer.value);
                (Answered { op, outcome: Outcome::Ok, key, entry, receipt, ciphertext }, Some(answer.value))
            }
            // Nothing was done, so there is nothing to remember.
            Err(ClientError::Problem(problem)) if problem.code == "unavailable" => return Err(Gone),
            Err(ClientError::Problem(problem)) => {
                let (outcome, entry) = (outcome_of(op, &problem), problem.entry.unwrap());
                (Answered { op, outcome, key, entry, receipt: None, ciphertext: None }, None)
            }
            Err(ClientError::Transport(_)) => return Err(Gone),
            Err(error) => panic!("{op}: {error}"),
        };
        self.report.send(answered).unwrap();
        Ok(value)
    }

    pub(crate) async fn encrypt(&self, key: &str) -> Result<(), Gone> {
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
        if *found.state == State::Active { self.suspend(key).await } else { self.resume(key).await }
    }

    pub(crate) async fn suspend(&self, key: &str) -> Result<(), Gone> {
        self.change(key, Event::Suspend, Op::SuspendKey).await
    }

    pub(crate) async fn resume(&self, key: &str) -> Result<(), Gone> {
        self.change(key, Event::Resume, Op::ResumeKey).await
    }

    async fn change(&self, key: &str, event: Event, op: Op) -> Result<(), Gone> {
        let client = self.named(&self.administrator);
        let change = ChangeState { reason: Some("load".to_owned()), ..ChangeState::default() };
        let reply = client.change_key_state(key, event, &change).await;
        self.remember(op, id(&reply), reply, |_| None)?;
        Ok(())
    }

    pub(crate) async fn rotate(&self, key: &str) -> Result<(), Gone> {
        let reply = self.named(&self.administrator).rotate_key(key).await;
        self.remember(Op::RotateKey, id(&reply), reply, |_| None)?;
        Ok(())
    }

    pub(crate) async fn snapshot(&self) -> Result<(), Gone> {
        let reply = self.named(&self.auditor).take_snapshot().await;
        self.remember(Op::Snapshot, None, reply, |_| None)?;
        Ok(())
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
        self.remember(Op::CreateKey, id(&reply), reply, |_| None)?;
        let name = format!("orders/{name}");
        self.encrypt(&name).await?;
        self.rotate(&name).await?;
        self.encrypt(&name).await?;
        self.suspend(&name).await?;
        self.resume(&name).await
    }
}

/// What the log records where the caller got this problem.
fn outcome_of(op: Op, problem: &Problem) -> Outcome {
    match problem.code.as_str() {
        "wrong-state" => Outcome::WrongState,
        // On a machine that stood still a result may come too late to be let out: it was done, and recorded.
        "withheld" => Outcome::Ok,
        _ => panic!("{op}: {problem}"),
    }
}

fn id(reply: &Reply<Key>) -> Option<[u8; 16]> {
    reply.as_ref().ok().map(|answer| *answer.value.id.as_bytes())
}

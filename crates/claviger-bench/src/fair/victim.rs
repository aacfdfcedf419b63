//! The victim: an application that calls at fixed instants, whatever comes back.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::instance::Instance;
use crate::load::{Connection, Target, micros, percentile};
use crate::wire;

/// Calls in a second.
const RATE: u32 = 200;
/// Connections that it has: more than are ever needed at once by a server that keeps its bounds.
const CONNECTIONS: usize = 32;
/// How long a call may take, the wait for a connection included.
const DEADLINE: Duration = Duration::from_secs(10);
const RING: &str = "victim";
const KEY: &str = "victim/data";

/// An application that encrypts 1 KiB.
pub(super) struct Victim {
    target: Target,
    request: Bytes,
}

/// What became of its calls.
pub(super) struct Calls {
    /// From the instant at which each was meant to begin to its answer, in microseconds, shortest first. A call that failed
    /// took as long as it took to fail.
    latencies: Vec<u32>,
    pub(super) failures: Vec<String>,
}

impl Calls {
    pub(super) fn new(mut latencies: Vec<u32>, failures: Vec<String>) -> Self {
        latencies.sort_unstable();
        Self { latencies, failures }
    }

    pub(super) fn count(&self) -> usize {
        self.latencies.len()
    }

    pub(super) fn percentile(&self, percent: usize) -> u32 {
        percentile(&self.latencies, percent)
    }
}

impl Victim {
    pub(super) fn of(server: &Instance) -> Result<Self> {
        server.run("administrator", &["ring", "create", RING])?;
        server.run("administrator", &["key", "create", KEY])?;
        let grant = ["grant", "create", "app", "--key", KEY, "--operations", "encrypt", "--reason", "bench"];
        server.run("security_officer", &grant)?;
        let octets = [("content-type", "application/octet-stream")];
        let request = wire::post("/v1/keys/victim%2Fdata/encrypt", &octets, &[0x5a; 1024]);
        Ok(Self { target: server.data("app")?, request })
    }

    /// Calls for so long, on a thread of its own.
    pub(super) fn call(&self, span: Duration) -> Result<Calls> {
        let (target, request) = (self.target.clone(), self.request.clone());
        let calling = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(call(target, request, span))
        });
        calling.join().map_err(|_| anyhow::anyhow!("the victim broke off"))?
    }
}

/// Connections that wait for a call. One that failed is replaced by the call that takes its place.
struct Pool {
    target: Target,
    places: Semaphore,
    free: Mutex<Vec<Connection>>,
}

impl Pool {
    async fn ask(&self, request: &[u8]) -> Result<()> {
        let _place = self.places.acquire().await?;
        let free = self.free.lock().await.pop();
        let mut connection = match free {
            Some(connection) => connection,
            None => Connection::open(&self.target).await?,
        };
        let (status, body) = connection.ask_for_any(request).await?;
        ensure!(status == 200, "status {status}: {}", String::from_utf8_lossy(body));
        self.free.lock().await.push(connection);
        Ok(())
    }
}

async fn call(target: Target, request: Bytes, span: Duration) -> Result<Calls> {
    let pool = Arc::new(Pool { target, places: Semaphore::new(CONNECTIONS), free: Mutex::new(Vec::new()) });
    // Connections are open before the first instant; opening them is not what is measured.
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(&pool.target).await?;
        connection.ask(&request).await?;
        pool.free.lock().await.push(connection);
    }
    let (begun, period) = (Instant::now(), Duration::from_secs(1) / RATE);
    let mut calls = JoinSet::new();
    let mut meant = begun;
    while meant < begun + span {
        tokio::time::sleep_until(meant).await;
        let (pool, request, from) = (Arc::clone(&pool), request.clone(), meant);
        calls.spawn(async move {
            let done = tokio::time::timeout_at(from + DEADLINE, pool.ask(&request)).await;
            let failure = match done {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("{error:#}")),
                Err(_elapsed) => Some(format!("no answer in {} s", DEADLINE.as_secs())),
            };
            (micros(from.elapsed()), failure)
        });
        meant += period;
    }
    let (mut latencies, mut failures) = (Vec::new(), Vec::new());
    while let Some(called) = calls.join_next().await {
        let (latency, failure) = called?;
        latencies.push(latency);
        failures.extend(failure);
    }
    Ok(Calls::new(latencies, failures))
}

//! The generator: so many connections, each of which asks again as soon as it is answered (closed loop).
//!
//! It runs on one thread. What it measures is from the first byte of a request written to the last of its answer read, its
//! own work and its own queue included: it never flatters the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::{Bytes, BytesMut};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::wire;

/// A server, and how to be let in.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it is.
    pub address: SocketAddr,
    /// The TLS configuration of the callers.
    pub client: Arc<ClientConfig>,
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    stream: TlsStream<TcpStream>,
    answer: BytesMut,
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn open(target: &Target) -> Result<Self> {
        let stream = TcpStream::connect(target.address).await.context("no connection")?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::clone(&target.client));
        let name = ServerName::from(target.address.ip());
        let stream = connector.connect(name, stream).await.context("no TLS")?;
        Ok(Self { stream, answer: BytesMut::new() })
    }

    /// Asks, and gives the body of the answer.
    ///
    /// # Errors
    /// When the answer is no `200`.
    pub async fn ask(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        wire::answer(&mut self.stream, &mut self.answer).await?;
        Ok(&self.answer)
    }

    /// Asks, and gives the status and the body of the answer, whatever they are.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask_for_any(&mut self, request: &[u8]) -> Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        let status = wire::any_answer(&mut self.stream, &mut self.answer).await?;
        Ok((status, &self.answer))
    }

    async fn ask_until(&mut self, request: &[u8], end: Instant) -> Result<Vec<u32>> {
        let mut latencies = Vec::with_capacity(8192);
        let mut asked = Instant::now();
        while asked < end {
            self.ask(request).await?;
            let answered = Instant::now();
            latencies.push(micros(answered - asked));
            asked = answered;
        }
        Ok(latencies)
    }
}

/// A span in microseconds; an hour and more is all the same.
#[must_use]
pub fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

/// Connections to one server, kept open between rounds.
#[derive(Debug)]
pub struct Load {
    connections: Vec<Connection>,
    request: Bytes,
}

/// What one round saw.
#[derive(Debug, Clone)]
pub struct Round {
    /// How long it took.
    pub span: Duration,
    /// How long each answer took, in microseconds, shortest first.
    pub latencies: Vec<u32>,
}

impl Load {
    /// Opens so many connections, all of which will ask the same, and ask once now: the server closes one that never does.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn open(target: &Target, connections: usize, request: Bytes) -> Result<Self> {
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            let mut connection = Connection::open(target).await?;
            connection.ask(&request).await?;
            open.push(connection);
        }
        Ok(Self { connections: open, request })
    }

    /// From now on all ask this.
    pub fn ask_for(&mut self, request: Bytes) {
        self.request = request;
    }

    /// Asks for `span` on all connections at once.
    ///
    /// # Errors
    /// When one answer is no `200`: then the figures mean nothing.
    pub async fn round(&mut self, span: Duration) -> Result<Round> {
        let begun = Instant::now();
        let mut asking = JoinSet::new();
        for mut connection in self.connections.drain(..) {
            let request = self.request.clone();
            asking.spawn(async move {
                let latencies = connection.ask_until(&request, begun + span).await?;
                anyhow::Ok((connection, latencies))
            });
        }
        let mut latencies = Vec::new();
        while let Some(asked) = asking.join_next().await {
            let (connection, own) = asked??;
            latencies.extend(own);
            self.connections.push(connection);
        }
        let span = begun.elapsed();
        latencies.sort_unstable();
        Ok(Round { span, latencies })
    }
}

impl Round {
    /// Answers in a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.span.as_secs_f64()
    }

    /// The time within which that share of the answers came, in microseconds.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> u32 {
        percentile(&self.latencies, percent)
    }
}

/// The value below which `percent` of the sorted values lie; 0 of none.
#[must_use]
pub fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_percentiles_are_those_of_the_answers() {
        let round = Round { span: Duration::from_secs(2), latencies: (1..=1000).collect() };
        assert!((round.per_second() - 500.0).abs() < f64::EPSILON);
        assert_eq!((round.percentile(50), round.percentile(99), round.percentile(100)), (501, 991, 1000));
        assert_eq!(percentile(&[], 50), 0);
    }
}

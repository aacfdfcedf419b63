//! What a listener bears. Every bound that keeps an unauthenticated caller from growing memory or holding a connection is here.

use std::time::Duration;

use super::ConfigError;
use super::file;

/// The largest body that is read before its sender is proved: there is room for one at least.
const LARGEST_BODY: u64 = claviger_aws::AwsLimits::MOST_BODY as u64;

/// The bounds of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub body_bytes: usize,
    /// Largest request head, in bytes.
    pub header_bytes: usize,
    /// Most header fields in a request.
    pub headers: usize,
    /// Most connections at once whose caller proved an identity, for each listener.
    pub connections: usize,
    /// Most requests of proved callers in work at once, for each listener. When all places are taken, a principal who has an
    /// even share of them is answered with 503 before any work, and others wait for the next.
    pub concurrency: usize,
    /// Most connections in their TLS handshake at once, for each listener.
    pub handshakes: usize,
    /// Most of these from one address. Here and below, IPv6 addresses with the same first 64 bits are one.
    pub handshakes_per_address: usize,
    /// Most connections after their handshake whose caller is unauthenticated so far, for each listener.
    pub unproved_connections: usize,
    /// Most of these from one address.
    pub unproved_connections_per_address: usize,
    /// Most bytes of bodies that are read at once before their sender is proved, for each listener: signatures of AWS clients
    /// cover the body.
    pub unproved_body_bytes: usize,
    /// Most of these from one address.
    pub unproved_body_bytes_per_address: usize,
    /// Time for such a body.
    pub unproved_body: Duration,
    /// How often in a second authentication may fail from one address, in the long run; ten times as often at once. Beyond that
    /// its connections are closed.
    pub failures_per_address: u32,
    /// Connections that may wait to be accepted.
    pub backlog: u32,
    /// Time for a TLS handshake, and for the head of a request once its first byte is there.
    pub header: Duration,
    /// Time from the head of a request to the head of its answer.
    pub request: Duration,
    /// Time that a connection may be open with no request.
    pub idle: Duration,
    /// Time that a client may take nothing of an answer.
    pub write_stall: Duration,
    /// Time that requests in work get at shutdown.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 4 << 20,
            header_bytes: 32 << 10,
            headers: 64,
            connections: 4096,
            concurrency: 1024,
            handshakes: 1024,
            handshakes_per_address: 512,
            unproved_connections: 768,
            unproved_connections_per_address: 64,
            unproved_body_bytes: 16 << 20,
            unproved_body_bytes_per_address: 4 << 20,
            unproved_body: Duration::from_secs(2),
            failures_per_address: 10,
            // As many as Linux lets wait by default. They are accepted and sorted at once; what overflows here is lost unseen.
            backlog: 4096,
            header: Duration::from_secs(10),
            request: Duration::from_secs(30),
            idle: Duration::from_secs(120),
            // The bound `G` of the response gate: no result is parked behind a slow reader for longer.
            write_stall: Duration::from_secs(2),
            shutdown: Duration::from_secs(30),
        }
    }
}

/// One bound: what was written, or the default, within what makes sense.
struct Bound<'a> {
    origin: &'a str,
    key: &'static str,
    least: u64,
    most: u64,
}

impl Bound<'_> {
    fn check(&self, written: Option<u64>, default: u64) -> Result<u64, ConfigError> {
        let value = written.unwrap_or(default);
        if (self.least..=self.most).contains(&value) {
            return Ok(value);
        }
        Err(ConfigError::Invalid {
            origin: self.origin.to_owned(),
            key: format!("limits.{}", self.key),
            reason: format!("is {value}; from {} to {} is possible", self.least, self.most),
        })
    }

    fn size(&self, written: Option<u64>, default: usize) -> Result<usize, ConfigError> {
        let value = self.check(written, u64::try_from(default).unwrap_or(u64::MAX))?;
        Ok(usize::try_from(value).unwrap_or(default))
    }

    fn seconds(&self, written: Option<u64>, default: Duration) -> Result<Duration, ConfigError> {
        self.check(written, default.as_secs()).map(Duration::from_secs)
    }
}

impl Limits {
    pub(super) fn from_file(file: &file::Limits, origin: &str) -> Result<Self, ConfigError> {
        let usual = Self::default();
        let bound = |key, least, most| Bound { origin, key, least, most };
        let backlog = bound("backlog", 1, 65_535).check(file.backlog, u64::from(usual.backlog))?;
        let failures = bound("failures_per_address", 1, 1_000_000)
            .check(file.failures_per_address, u64::from(usual.failures_per_address))?;
        Ok(Self {
            body_bytes: bound("body_bytes", 1024, 256 << 20).size(file.body_bytes, usual.body_bytes)?,
            header_bytes: bound("header_bytes", 8192, 1 << 20).size(file.header_bytes, usual.header_bytes)?,
            headers: bound("headers", 16, 1024).size(file.headers, usual.headers)?,
            connections: bound("connections", 1, 1_000_000).size(file.connections, usual.connections)?,
            concurrency: bound("concurrency", 1, 1_000_000).size(file.concurrency, usual.concurrency)?,
            handshakes: bound("handshakes", 1, 1_000_000).size(file.handshakes, usual.handshakes)?,
            handshakes_per_address: bound("handshakes_per_address", 1, 1_000_000)
                .size(file.handshakes_per_address, usual.handshakes_per_address)?,
            unproved_connections: bound("unproved_connections", 1, 1_000_000)
                .size(file.unproved_connections, usual.unproved_connections)?,
            unproved_connections_per_address: bound("unproved_connections_per_address", 1, 1_000_000)
                .size(file.unproved_connections_per_address, usual.unproved_connections_per_address)?,
            unproved_body_bytes: bound("unproved_body_bytes", LARGEST_BODY, 1 << 30)
                .size(file.unproved_body_bytes, usual.unproved_body_bytes)?,
            unproved_body_bytes_per_address: bound("unproved_body_bytes_per_address", LARGEST_BODY, 1 << 30)
                .size(file.unproved_body_bytes_per_address, usual.unproved_body_bytes_per_address)?,
            unproved_body: bound("unproved_body_seconds", 1, 60)
                .seconds(file.unproved_body_seconds, usual.unproved_body)?,
            failures_per_address: u32::try_from(failures).unwrap_or(usual.failures_per_address),
            backlog: u32::try_from(backlog).unwrap_or(usual.backlog),
            header: bound("header_seconds", 1, 300).seconds(file.header_seconds, usual.header)?,
            request: bound("request_seconds", 1, 600).seconds(file.request_seconds, usual.request)?,
            idle: bound("idle_seconds", 1, 3600).seconds(file.idle_seconds, usual.idle)?,
            write_stall: bound("write_stall_seconds", 1, 60)
                .seconds(file.write_stall_seconds, usual.write_stall)?,
            shutdown: bound("shutdown_seconds", 0, 600).seconds(file.shutdown_seconds, usual.shutdown)?,
        })
    }
}

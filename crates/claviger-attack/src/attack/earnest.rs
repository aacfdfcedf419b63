//! Those who use the server in earnest: how they come, what they ask, and how long they wait for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::{Answer, Connection, Route, post};
use crate::site::{Plane, Site};

/// How long a caller who means well waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
pub(super) const RING: &str = "evaluation";
pub(super) const JSON: (&str, &str) = ("content-type", "application/json");

/// The way of somebody who means well, from the one address that all share.
pub(super) fn honest(site: &Site, plane: Plane) -> Result<Route> {
    let listener: SocketAddr = site.listener(plane)?;
    Ok(Route { from: Some(Ipv4Addr::LOCALHOST.into()), patience: PATIENCE, ..Route::honest(listener) })
}

/// Asks over the connection that is kept, or a new one; it is kept if there was an answer.
pub(super) fn ask(
    kept: &mut Option<Connection>,
    open: impl FnOnce() -> Result<Connection>,
    request: &[u8],
) -> Result<Answer> {
    let mut connection = kept.take().map_or_else(open, Ok)?;
    let answer = connection.ask(request)?;
    *kept = Some(connection);
    Ok(answer)
}

/// A responder's request that a key is suspended.
pub(super) fn suspension(key: &str) -> Vec<u8> {
    post(&format!("/v1/keys/{key}/suspend"), &[JSON], br#"{"reason":"attack"}"#)
}

pub(super) fn encrypt_by_rest(key: &str) -> Vec<u8> {
    post(&format!("/v1/keys/{key}/encrypt"), &[("content-type", "application/octet-stream")], b"4111-1111")
}

pub(super) fn encrypt_input(key: &str) -> Value {
    json!({ "KeyId": key, "Plaintext": STANDARD.encode("4111-1111") })
}

/// How long calls took, shortest first.
#[derive(Debug)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn p50(&self) -> Duration {
        self.at(50)
    }

    pub(super) fn p99(&self) -> Duration {
        self.at(99)
    }

    fn at(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let times = Times::of((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!((times.p50().as_millis(), times.p99().as_millis()), (50, 99));
        assert_eq!(Times::of(vec![Duration::from_millis(7)]).p99().as_millis(), 7);
        assert_eq!(Times::of(Vec::new()).p99(), Duration::ZERO);
    }
}

//! Numbers of a listener: its connections, its requests.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use claviger_core::Action;
use hyper::StatusCode;
use metrics::{Counter, Gauge, Histogram};

use super::Registry;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It broke.
    Broken,
    /// Others needed its room.
    Displaced,
    /// Its handshake failed.
    HandshakeFailed,
    /// One side ended it.
    Orderly,
    /// What was due did not come in its time.
    TooSlow,
}

impl Ending {
    const ALL: [Self; 5] =
        [Self::Broken, Self::Displaced, Self::HandshakeFailed, Self::Orderly, Self::TooSlow];

    const fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Displaced => "displaced",
            Self::HandshakeFailed => "handshake_failed",
            Self::Orderly => "orderly",
            Self::TooSlow => "too_slow",
        }
    }
}

/// Why something was refused to those who have not proved themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unproved {
    /// No room for a body whose sender is not known.
    Body,
    /// No room for a connection whose caller is unauthenticated.
    Connection,
    /// The address failed too often.
    Failures,
    /// No room for a handshake.
    Handshake,
    /// Too many credentials to look up at once.
    LookUp,
    /// The credential is none that is known, or the signature is not right.
    Unauthenticated,
}

impl Unproved {
    const ALL: [Self; 6] =
        [Self::Body, Self::Connection, Self::Failures, Self::Handshake, Self::LookUp, Self::Unauthenticated];

    const fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Connection => "connection",
            Self::Failures => "failures",
            Self::Handshake => "handshake",
            Self::LookUp => "look_up",
            Self::Unauthenticated => "unauthenticated",
        }
    }
}

/// How a request ended, as far as its status shows.
const OUTCOMES: [&str; 11] = [
    "ok",
    "invalid",
    "unauthenticated",
    "denied",
    "not_found",
    "conflict",
    "precondition_failed",
    "too_large",
    "unavailable",
    "error",
    "other",
];

const fn outcome(status: StatusCode) -> usize {
    match status.as_u16() {
        200..=399 => 0,
        400 => 1,
        401 => 2,
        403 => 3,
        404 | 405 => 4,
        409 => 5,
        412 => 6,
        413 | 431 => 7,
        503 => 8,
        500..=599 => 9,
        _ => 10,
    }
}

/// The label of a request that reached no action.
const NO_ACTION: &str = "none";

/// Numbers of one listener. Cheap to clone.
#[derive(Clone)]
pub struct ListenerMetrics(Arc<Numbers>);

struct Numbers {
    listener: &'static str,
    registry: Arc<Registry>,
    open: Gauge,
    surplus: Counter,
    accept_failed: Counter,
    endings: [Counter; Ending::ALL.len()],
    unproved: [Counter; Unproved::ALL.len()],
    /// One row per action, and one more for none; made when first used, so that what never happens is not shown.
    rows: Vec<Row>,
}

#[derive(Default)]
struct Row {
    outcomes: [OnceLock<Counter>; OUTCOMES.len()],
    latency: OnceLock<Histogram>,
}

impl std::fmt::Debug for ListenerMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ListenerMetrics({})", self.0.listener)
    }
}

impl ListenerMetrics {
    /// The numbers of `listener`.
    #[must_use]
    pub fn new(registry: &Arc<Registry>, listener: &'static str) -> Self {
        registry.describe("claviger_connections_open", "connections that are open");
        registry
            .describe("claviger_connections_surplus_total", "connections of proved callers beyond the limit");
        registry
            .describe("claviger_connections_accept_failed_total", "connections that could not be accepted");
        registry.describe("claviger_connections_closed_total", "connections that ended, and how");
        registry.describe(
            "claviger_unproved_refused_total",
            "what was refused to those who have not proved themselves, and why",
        );
        registry.describe("claviger_requests_total", "requests, by action and outcome");
        registry.describe(
            "claviger_request_seconds",
            "time from the head of a request to the head of its answer",
        );
        let label = [("listener", listener)];
        Self(Arc::new(Numbers {
            listener,
            registry: Arc::clone(registry),
            open: registry.gauge("claviger_connections_open", &label),
            surplus: registry.counter("claviger_connections_surplus_total", &label),
            accept_failed: registry.counter("claviger_connections_accept_failed_total", &label),
            endings: Ending::ALL.map(|ending| {
                let labels = [("listener", listener), ("ending", ending.name())];
                registry.counter("claviger_connections_closed_total", &labels)
            }),
            unproved: Unproved::ALL.map(|why| {
                let labels = [("listener", listener), ("reason", why.name())];
                registry.counter("claviger_unproved_refused_total", &labels)
            }),
            rows: (0..=Action::ALL.len()).map(|_| Row::default()).collect(),
        }))
    }

    pub(crate) fn opened(&self) {
        self.0.open.increment(1.0);
    }

    pub(crate) fn closed(&self, ending: Ending) {
        self.0.open.decrement(1.0);
        if let Some(counter) =
            Ending::ALL.iter().position(|e| *e == ending).and_then(|at| self.0.endings.get(at))
        {
            counter.increment(1);
        }
    }

    pub(crate) fn surplus(&self) {
        self.0.surplus.increment(1);
    }

    /// Something was refused to an unauthenticated caller.
    pub(crate) fn unproved(&self, why: Unproved) {
        let at = Unproved::ALL.iter().position(|one| *one == why);
        if let Some(counter) = at.and_then(|at| self.0.unproved.get(at)) {
            counter.increment(1);
        }
    }

    pub(crate) fn accept_failed(&self) {
        self.0.accept_failed.increment(1);
    }

    /// A request that the listener answered by itself, before any work.
    pub(crate) fn refused(&self, status: StatusCode) {
        self.0.count(None, status);
    }

    /// A request that was answered.
    pub(crate) fn answered(&self, action: Option<Action>, status: StatusCode, latency: Duration) {
        self.0.count(action, status);
        if let Some(histogram) = self.0.latency(action) {
            histogram.record(latency);
        }
    }
}

impl Numbers {
    fn row(&self, action: Option<Action>) -> Option<(&Row, &'static str)> {
        let at = action.and_then(|action| Action::ALL.iter().position(|a| *a == action));
        let row = self.rows.get(at.unwrap_or(Action::ALL.len()))?;
        Some((row, action.map_or(NO_ACTION, Action::name)))
    }

    fn count(&self, action: Option<Action>, status: StatusCode) {
        let at = outcome(status);
        let Some((row, action)) = self.row(action) else { return };
        let (Some(cell), Some(outcome)) = (row.outcomes.get(at), OUTCOMES.get(at)) else { return };
        let make = || {
            let labels = [("listener", self.listener), ("action", action), ("outcome", *outcome)];
            self.registry.counter("claviger_requests_total", &labels)
        };
        cell.get_or_init(make).increment(1);
    }

    fn latency(&self, action: Option<Action>) -> Option<&Histogram> {
        let (row, action) = self.row(action)?;
        let make = || {
            let labels = [("listener", self.listener), ("action", action)];
            self.registry.histogram("claviger_request_seconds", &labels)
        };
        Some(row.latency.get_or_init(make))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_action_and_outcome() {
        let registry = Arc::new(Registry::new());
        let listener = ListenerMetrics::new(&registry, "data");
        listener.answered(Some(Action::Encrypt), StatusCode::OK, Duration::from_millis(3));
        listener.answered(Some(Action::Encrypt), StatusCode::FORBIDDEN, Duration::from_millis(3));
        listener.refused(StatusCode::SERVICE_UNAVAILABLE);
        let text = registry.render();
        for line in [
            r#"claviger_requests_total{listener="data",action="encrypt",outcome="ok"} 1"#,
            r#"claviger_requests_total{listener="data",action="encrypt",outcome="denied"} 1"#,
            r#"claviger_requests_total{listener="data",action="none",outcome="unavailable"} 1"#,
            r#"claviger_request_seconds_bucket{listener="data",action="encrypt",le="0.005"} 2"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn connections_are_counted_open_and_by_how_they_ended() {
        let registry = Arc::new(Registry::new());
        let listener = ListenerMetrics::new(&registry, "control");
        listener.opened();
        listener.opened();
        listener.closed(Ending::TooSlow);
        let text = registry.render();
        assert!(text.contains(r#"claviger_connections_open{listener="control"} 1"#), "{text}");
        assert!(
            text.contains(r#"claviger_connections_closed_total{listener="control",ending="too_slow"} 1"#)
        );
    }
}

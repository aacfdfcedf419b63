//! Attackers: threads on the core of the attackers, until they are stopped.

use std::fmt;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::super::earnest::encrypt_by_rest;
use super::{Kind, http2, slow};
use crate::client::{AccessKey, Connection, Identity, Route, get, tls};
use crate::machine;
use crate::site::{Plane, Site};

/// Threads of each attack that goes as fast as it can.
const RATE_THREADS: usize = 6;
/// How long an attack may take to come to its strength, and for how long nothing is added before it has.
const STRONG_AT_LATEST: Duration = Duration::from_secs(90);
const NOTHING_ADDED: Duration = Duration::from_secs(2);
/// How long an attacker waits for anything.
const PATIENCE: Duration = Duration::from_secs(3);
/// After something failed, before it is tried again.
pub(super) const AGAIN: Duration = Duration::from_millis(5);

/// What all attackers share.
pub(in crate::attack) struct Targets {
    listeners: [SocketAddr; 3],
    pub(super) nobody: Identity,
    pub(super) by_http2: Identity,
    /// An access key that exists, with another secret.
    pub(super) guessed: AccessKey,
    addresses: Vec<IpAddr>,
    next: AtomicU64,
    stopped: AtomicBool,
    /// What was tried, what is held open, what was refused.
    pub(super) tried: AtomicU64,
    pub(super) held: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Targets {
    pub(in crate::attack) fn of(
        site: &Site,
        guessed: AccessKey,
        addresses: Vec<IpAddr>,
    ) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            listeners: [
                site.listener(Plane::Aws)?,
                site.listener(Plane::Control)?,
                site.listener(Plane::Data)?,
            ],
            nobody: site.nobody()?,
            by_http2: Identity::nobody_by_http2(&site.authority()?)?,
            guessed,
            addresses,
            next: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            tried: AtomicU64::new(0),
            held: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// To a listener, from the next of the attackers' addresses.
    pub(super) fn route(&self, plane: Plane) -> Route {
        let [aws, control, data] = self.listeners;
        let to = match plane {
            Plane::Aws => aws,
            Plane::Control => control,
            Plane::Data => data,
        };
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let count = u64::try_from(self.addresses.len()).unwrap_or(1).max(1);
        let from = usize::try_from(turn % count).ok().and_then(|at| self.addresses.get(at).copied());
        Route { from, patience: PATIENCE, abrupt: true, ..Route::honest(to) }
    }

    /// Something was tried, and got what it wanted or not.
    pub(super) fn count(&self, done: bool) {
        self.tried.fetch_add(1, Ordering::Relaxed);
        if !done {
            self.refused.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(AGAIN);
        }
    }
}

/// A flood under way.
pub(in crate::attack) struct Flood {
    targets: Arc<Targets>,
    attackers: Vec<JoinHandle<()>>,
}

/// How strong it is.
#[derive(Debug, Clone, Copy)]
pub(in crate::attack) struct Strength {
    tried: u64,
    held: u64,
    refused: u64,
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tried, held, refused } = self;
        write!(f, "{held} held open, {tried} tried, {refused} of them without success")
    }
}

impl Flood {
    /// Starts all attackers.
    pub(in crate::attack) fn start(kinds: &[Kind], targets: Arc<Targets>, core: usize) -> Self {
        let mut flood = Self { targets, attackers: Vec::new() };
        for kind in kinds {
            flood.add(*kind, core);
        }
        flood
    }

    fn add(&mut self, kind: Kind, core: usize) {
        match kind {
            Kind::ClientHellos => self.spawn(core, 2, client_hellos),
            Kind::Handshakes => self.spawn(core, RATE_THREADS, handshakes),
            Kind::Http2Bodies => self.spawn(core, http2::CONNECTIONS * Plane::ALL.len(), http2::hold),
            Kind::IdleConnections => self.spawn(core, Plane::ALL.len() * slow::IDLE_THREADS, slow::idle),
            Kind::UnfinishedBodies => self.spawn(core, slow::BODY_THREADS, slow::unfinished_bodies),
            Kind::WrongSignatures => {
                self.spawn(core, RATE_THREADS, wrong_signatures);
                self.spawn(core, 1, slow::unfinished_signed);
            }
            Kind::WrongTokens => self.spawn(core, RATE_THREADS, wrong_tokens),
        }
    }

    /// So many threads, each of which gets its number.
    fn spawn(&mut self, core: usize, count: usize, attack: fn(&Targets, usize)) {
        for number in 0..count {
            let targets = Arc::clone(&self.targets);
            self.attackers.push(std::thread::spawn(move || {
                // A core that cannot be had makes the attack harder to bear, not easier.
                let _ = machine::stay_on(&[core]);
                attack(&targets, number);
            }));
        }
    }

    /// Waits until nothing more is held open than was a while ago.
    pub(super) fn wait_until_strong(&self) {
        let begun = machine::now();
        let (mut most, mut added) = (0, begun);
        while machine::now() - begun < STRONG_AT_LATEST && machine::now() - added < NOTHING_ADDED {
            let held = self.targets.held.load(Ordering::Relaxed);
            if held > most {
                (most, added) = (held, machine::now());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(in crate::attack) fn strength(&self) -> Strength {
        let Targets { tried, held, refused, .. } = &*self.targets;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Strength { tried: read(tried), held: read(held), refused: read(refused) }
    }

    /// Ends it: all connections are closed when this returns.
    pub(in crate::attack) fn stop(self) {
        self.targets.stopped.store(true, Ordering::Relaxed);
        for attacker in self.attackers {
            // A thread that panicked has closed its connections too.
            let _ = attacker.join();
        }
    }
}

/// The listener of an attacker's turn: each in turn.
pub(super) fn plane(turn: usize) -> Plane {
    match turn % 3 {
        0 => Plane::Control,
        1 => Plane::Data,
        _ => Plane::Aws,
    }
}

fn handshakes(targets: &Targets, number: usize) {
    for turn in number.. {
        if targets.is_stopped() {
            return;
        }
        targets.count(targets.route(plane(turn)).open(&targets.nobody).is_ok());
    }
}

fn client_hellos(targets: &Targets, number: usize) {
    let Ok(hello) = tls::client_hello(&targets.nobody, targets.route(Plane::Control).to) else { return };
    for turn in number.. {
        if targets.is_stopped() {
            return;
        }
        let sent = targets.route(plane(turn)).connect().and_then(|mut stream| Ok(stream.write_all(&hello)?));
        targets.count(sent.is_ok());
    }
}

fn wrong_tokens(targets: &Targets, number: usize) {
    let plane = if number.is_multiple_of(2) { Plane::Control } else { Plane::Data };
    let request = |turn: u64| {
        let token = format!("Bearer {}", token(number, turn));
        let authorization = ("authorization", token.as_str());
        match plane {
            Plane::Control => get("/v1/keys", &[authorization]),
            _ => with_header(&encrypt_by_rest("orders%2Fmain"), authorization),
        }
    };
    at_full_rate(targets, plane, request);
}

fn wrong_signatures(targets: &Targets, _number: usize) {
    let input = json!({ "KeyId": "alias/orders", "Plaintext": "eA==" });
    at_full_rate(targets, Plane::Aws, |_turn| targets.guessed.request("Encrypt", &input).unwrap_or_default());
}

/// Asks over one connection as often as it is answered, and over another when it is closed.
fn at_full_rate(targets: &Targets, plane: Plane, request: impl Fn(u64) -> Vec<u8>) {
    let mut connection = None;
    for turn in 0.. {
        if targets.is_stopped() {
            return;
        }
        let mut open = match connection.take() {
            Some(open) => open,
            None => match Connection::open(&targets.route(plane), &targets.nobody) {
                Ok(open) => open,
                Err(_) => {
                    targets.count(false);
                    continue;
                }
            },
        };
        let answered = open.ask(&request(turn));
        targets.count(answered.is_ok());
        connection = answered.is_ok().then_some(open);
    }
}

/// A request with one more header.
pub(super) fn with_header(request: &[u8], (name, value): (&str, &str)) -> Vec<u8> {
    let end = request.windows(2).position(|window| window == b"\r\n").unwrap_or_default();
    let (line, rest) = request.split_at(end);
    [line, format!("\r\n{name}: {value}").as_bytes(), rest].concat()
}

/// A token as it is written, which nobody has.
pub(in crate::attack) fn token(number: usize, turn: u64) -> String {
    let body = format!("cvg_{number:016x}{turn:016x}_{:064x}", turn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    format!("{body}_{:08x}", crc32(body.as_bytes()))
}

/// CRC-32 of IEEE 802.3, as zlib has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_has_its_length_and_a_checksum() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(token(3, 7).len(), 110);
        assert_ne!(token(3, 7), token(3, 8));
    }

    #[test]
    fn header_is_added_after_the_first_line() {
        let request = with_header(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", ("a", "b"));
        assert_eq!(request, b"GET / HTTP/1.1\r\na: b\r\nhost: x\r\n\r\n");
    }
}

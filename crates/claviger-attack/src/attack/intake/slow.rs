//! Attackers who take their time: connections on which nothing is asked, bodies that do not end.

use std::io::{ErrorKind, Write as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::flood::{AGAIN, Targets, plane, token};
use crate::client::http::head_of;
use crate::client::tls::Stream;
use crate::site::Plane;

/// Idle connections to one listener: a few more than it bears by default. Threads that open them.
const IDLE: usize = 4100;
pub(super) const IDLE_THREADS: usize = 2;
/// Connections with unfinished bodies, and threads that open them.
const BODIES: usize = 400;
pub(super) const BODY_THREADS: usize = 8;
/// What each announces, as for a batch; all of it but the last byte is sent as far as it is taken.
const BODY: usize = 4 << 20;
/// Unfinished requests under a known access key, and what each announces.
const SIGNED: usize = 64;
const SIGNED_BODY: usize = 128 << 10;
/// How long a write may wait before the attacker goes on with the next connection.
const STALL: Duration = Duration::from_millis(200);
/// How often it is seen which connections the server has closed.
const SWEEP: Duration = Duration::from_millis(500);

/// Holds connections on which nothing is asked.
pub(super) fn idle(targets: &Targets, number: usize) {
    let plane = plane(number);
    hold(targets, IDLE / IDLE_THREADS, |_| targets.route(plane).open(&targets.nobody));
}

/// Holds requests with tokens that nobody has, whose bodies do not end.
pub(super) fn unfinished_bodies(targets: &Targets, number: usize) {
    hold(targets, BODIES / BODY_THREADS, |turn| {
        let authorization = format!("Bearer {}", token(number, turn));
        let length = BODY.to_string();
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-length", &length),
            ("content-type", "application/json"),
        ];
        let stream = targets.route(Plane::Data).open(&targets.nobody)?;
        begin(stream, &head_of("POST", "/v1/keys/orders%2Fmain/encrypt/batch", &headers), BODY)
    });
}

/// Holds requests that name an access key that exists, whose bodies do not end.
pub(super) fn unfinished_signed(targets: &Targets, _number: usize) {
    hold(targets, SIGNED, |_| {
        let request = targets.guessed.request("Encrypt", &json!({ "Plaintext": "A".repeat(SIGNED_BODY) }))?;
        let stream = targets.route(Plane::Aws).open(&targets.nobody)?;
        begin(stream, request.get(..request.len() - 1).unwrap_or_default(), 0)
    });
}

/// Sends a head and so much of a body, but for the last byte; as far as the server takes it.
fn begin(mut stream: Stream, head: &[u8], body: usize) -> anyhow::Result<Stream> {
    stream.write_all(head)?;
    stream.flush()?;
    stream.sock.set_write_timeout(Some(STALL))?;
    let piece = [b'x'; 16 << 10];
    let mut left = body.saturating_sub(1);
    while left > 0 {
        let piece = piece.get(..left.min(piece.len())).unwrap_or(&piece);
        match stream.write(piece).and_then(|count| stream.flush().map(|()| count)) {
            Ok(count) => left -= count,
            // It takes no more for now: that is as good.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(stream)
}

/// Holds so many connections open, and replaces those that the server closes.
fn hold(targets: &Targets, count: usize, open: impl Fn(u64) -> anyhow::Result<Stream>) {
    let mut held: Vec<Stream> = Vec::new();
    let mut turn = 0;
    let mut swept = crate::machine::now();
    while !targets.is_stopped() {
        if held.len() < count {
            turn += 1;
            let opened =
                open(turn).and_then(|stream| Ok(stream.sock.set_nonblocking(true).map(|()| stream)?));
            targets.count(opened.is_ok());
            if let Ok(stream) = opened {
                held.push(stream);
                targets.held.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            std::thread::sleep(AGAIN);
        }
        if crate::machine::now() - swept > SWEEP {
            let before = held.len();
            held.retain_mut(is_open);
            let closed = u64::try_from(before - held.len()).unwrap_or_default();
            targets.held.fetch_sub(closed, Ordering::Relaxed);
            targets.refused.fetch_add(closed, Ordering::Relaxed);
            swept = crate::machine::now();
        }
    }
}

/// Is the connection open, and unanswered?
fn is_open(stream: &mut Stream) -> bool {
    match stream.conn.read_tls(&mut stream.sock) {
        Ok(0) => return false,
        Ok(_) => {}
        Err(error) => return error.kind() == ErrorKind::WouldBlock,
    }
    // What comes unasked are tickets; anything to read is an answer.
    stream
        .conn
        .process_new_packets()
        .is_ok_and(|state| state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed())
}

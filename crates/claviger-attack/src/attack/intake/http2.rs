//! HTTP/2 as far as an attacker needs it (RFC 9113): requests whose bodies do not end, and no others.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::flood::{AGAIN, Targets, plane, token};
use crate::client::tls::Stream;
use crate::machine;
use crate::site::Plane;

/// Connections to one listener, and requests on each.
pub(super) const CONNECTIONS: usize = 8;
const STREAMS: usize = 128;
/// How many requests take the place of those that were refused, each time the attacker looks.
const REPLACED: usize = 16;
/// How long a read waits, so that the attacker looks.
const LOOK: Duration = Duration::from_millis(100);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Holds one connection full of unfinished requests, and opens another when the server closes it.
pub(super) fn hold(targets: &Targets, number: usize) {
    let plane = plane(number);
    while !targets.is_stopped() {
        let mut requests = Requests { number, plane, next: 1, open: BTreeSet::new(), targets };
        let held = requests.hold();
        let open = u64::try_from(requests.open.len()).unwrap_or_default();
        targets.held.fetch_sub(open, Ordering::Relaxed);
        if held.is_err() {
            targets.count(false);
            std::thread::sleep(AGAIN);
        }
    }
}

struct Requests<'a> {
    number: usize,
    plane: Plane,
    /// The identifier of the next.
    next: u32,
    open: BTreeSet<u32>,
    targets: &'a Targets,
}

impl Requests<'_> {
    fn hold(&mut self) -> Result<()> {
        let mut stream = self.targets.route(self.plane).open(&self.targets.by_http2)?;
        stream.sock.set_read_timeout(Some(LOOK))?;
        stream.write_all(PREFACE)?;
        stream.write_all(&write_frame(SETTINGS, 0, 0, &[]))?;
        self.begin(&mut stream, STREAMS)?;
        let (mut read, mut looked) = (Vec::new(), machine::now());
        while !self.targets.is_stopped() {
            while let Some(frame) = Frame::take(&mut read) {
                self.react(&mut stream, &frame)?;
            }
            if machine::now() - looked > LOOK {
                self.begin(&mut stream, REPLACED)?;
                looked = machine::now();
            }
            stream.flush()?;
            more(&mut stream, &mut read)?;
        }
        Ok(())
    }

    /// Begins so many requests at most, until as many are open as was agreed: the head, and ten bytes of the body.
    fn begin(&mut self, stream: &mut Stream, most: usize) -> Result<()> {
        for _ in 0..most.min(STREAMS.saturating_sub(self.open.len())) {
            let id = self.next;
            self.next = id.checked_add(2).context("no identifiers are left")?;
            stream.write_all(&write_frame(HEADERS, END_HEADERS, id, &self.head(id)))?;
            stream.write_all(&write_frame(DATA, 0, id, b"0123456789"))?;
            self.targets.tried.fetch_add(1, Ordering::Relaxed);
            self.targets.held.fetch_add(1, Ordering::Relaxed);
            self.open.insert(id);
        }
        Ok(stream.flush()?)
    }

    /// To REST a request shows a token that nobody has; to AWS nothing at all.
    fn head(&self, id: u32) -> Vec<u8> {
        let path = match self.plane {
            Plane::Aws => "/",
            Plane::Control => "/v1/keys",
            Plane::Data => "/v1/keys/orders%2Fmain/encrypt",
        };
        let mut fields = vec![
            (":method", "POST".to_owned()),
            (":scheme", "https".to_owned()),
            (":path", path.to_owned()),
            (":authority", "localhost".to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
        fields.push(match self.plane {
            Plane::Aws => ("x-amz-target", "TrentService.Encrypt".to_owned()),
            _ => ("authorization", format!("Bearer {}", token(self.number, id.into()))),
        });
        fields.iter().flat_map(|(name, value)| field(name, value)).collect()
    }

    fn react(&mut self, stream: &mut Stream, frame: &Frame) -> Result<()> {
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => stream.write_all(&write_frame(SETTINGS, ACK, 0, &[]))?,
            PING if frame.flags & ACK == 0 => stream.write_all(&write_frame(PING, ACK, 0, &frame.payload))?,
            GOAWAY => bail!("the server goes away"),
            RST_STREAM => self.ended(frame.stream),
            HEADERS | DATA if frame.flags & END_STREAM != 0 => self.ended(frame.stream),
            _ => {}
        }
        Ok(())
    }

    /// A request was answered, or refused. What is reset after its answer comes here twice.
    fn ended(&mut self, id: u32) {
        if self.open.remove(&id) {
            self.targets.held.fetch_sub(1, Ordering::Relaxed);
            self.targets.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn more(stream: &mut Stream, into: &mut Vec<u8>) -> Result<()> {
    let mut buffer = [0; 16 << 10];
    match stream.read(&mut buffer) {
        Ok(0) => bail!("the server closed the connection"),
        Ok(count) => into.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The first whole one of what was read.
    fn take(read: &mut Vec<u8>) -> Option<Self> {
        let [a, b, c, kind, flags, id @ ..] = *read.first_chunk::<9>()?;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
        let payload = read.get(9..9 + length)?.to_vec();
        read.drain(..9 + length);
        Some(Self { kind, flags, stream: u32::from_be_bytes(id), payload })
    }
}

fn write_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    let mut frame = length.get(1..).unwrap_or_default().to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A header field in HPACK: without indexing, without Huffman (RFC 7541, 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        integer(&mut bytes, text.len());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// A length with a prefix of seven bits (RFC 7541, 5.1).
fn integer(bytes: &mut Vec<u8>, value: usize) {
    let byte = |value: usize| u8::try_from(value & 0x7f).unwrap_or_default();
    if value < 127 {
        bytes.push(byte(value));
        return;
    }
    bytes.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        bytes.push(byte(rest) | 0x80);
        rest >>= 7;
    }
    bytes.push(byte(rest));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_once_they_are_whole() {
        let mut read = write_frame(PING, ACK, 0, b"12345678");
        read.extend(write_frame(DATA, END_STREAM, 5, b"x"));
        let last = read.pop().unwrap();
        let ping = Frame { kind: PING, flags: ACK, stream: 0, payload: b"12345678".to_vec() };
        assert_eq!(Frame::take(&mut read), Some(ping));
        assert_eq!(Frame::take(&mut read), None);
        read.push(last);
        let data = Frame { kind: DATA, flags: END_STREAM, stream: 5, payload: b"x".to_vec() };
        assert_eq!(Frame::take(&mut read), Some(data));
        assert_eq!(Frame::take(&mut read), None);
    }

    #[test]
    fn integers_are_those_of_the_standard() {
        let of = |value| {
            let mut bytes = Vec::new();
            integer(&mut bytes, value);
            bytes
        };
        assert_eq!(
            (of(10), of(126), of(127), of(255)),
            (vec![10], vec![126], vec![127, 0], vec![127, 128, 1])
        );
        assert_eq!(field("a", "bc"), [0, 1, b'a', 2, b'b', b'c']);
    }
}

//! HTTP/1.1: requests as bytes, answers as they come.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::tls::{Identity, Route, Stream};

/// The host that every request names.
pub const HOST: &str = "localhost";
/// An answer that is longer than this is not one.
const LONGEST: usize = 64 << 20;

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    /// What it speaks by.
    pub stream: Stream,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Was it done?
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The body as JSON; `null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Status and body in one line, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        format!("{} {}", self.status, body.chars().take(300).collect::<String>())
    }
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    /// When it is refused, or takes too long.
    pub fn open(route: &Route, identity: &Identity) -> Result<Self> {
        Ok(Self { stream: route.open(identity)? })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// When the connection breaks, the answer takes too long or is no HTTP.
    pub fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request)?;
        self.stream.flush()?;
        self.answer()
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn answer(&mut self) -> Result<Answer> {
        let mut read = Vec::with_capacity(4096);
        let (head, mut body) = loop {
            if let Some(end) = find(&read, b"\r\n\r\n") {
                let body = read.split_off(end + 4);
                break (head(&read)?, body);
            }
            ensure!(read.len() <= LONGEST, "the head does not end");
            ensure!(self.more(&mut read)?, "the server closed the connection");
        };
        match head.length {
            Length::Known(length) => {
                ensure!(length <= LONGEST, "the answer is too long");
                while body.len() < length {
                    ensure!(self.more(&mut body)?, "the answer broke off");
                }
                body.truncate(length);
            }
            Length::UntilClosed => while body.len() <= LONGEST && self.more(&mut body)? {},
            Length::Chunked => {
                body = loop {
                    if let Some(whole) = dechunked(&body)? {
                        break whole;
                    }
                    ensure!(body.len() <= LONGEST, "the answer is too long");
                    ensure!(self.more(&mut body)?, "the answer broke off");
                };
            }
        }
        Ok(Answer { status: head.status, body })
    }

    /// Reads once; nothing more is there when the server has closed.
    fn more(&mut self, into: &mut Vec<u8>) -> Result<bool> {
        let mut buffer = [0; 16 << 10];
        let count = self.stream.read(&mut buffer).context("no answer")?;
        into.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(count > 0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Known(usize),
    Chunked,
    UntilClosed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    length: Length,
}

fn head(bytes: &[u8]) -> Result<Head> {
    let text = std::str::from_utf8(bytes).context("a head that is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.context("no status line")?;
    let mut length = Length::UntilClosed;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = Length::Known(value.trim().parse().context("a length that is no number")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunked;
        }
    }
    // RFC 9110, 15.3.5: there is no body.
    let length = if status == 204 { Length::Known(0) } else { length };
    Ok(Head { status, length })
}

/// What chunks hold, once the last is there (RFC 9112, 7.1). Trailers are not expected.
fn dechunked(mut bytes: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut whole = Vec::new();
    loop {
        let Some(end) = find(bytes, b"\r\n") else { return Ok(None) };
        let (line, rest) = bytes.split_at(end);
        let digits = std::str::from_utf8(line)?.split(';').next().unwrap_or_default();
        let length = usize::from_str_radix(digits.trim(), 16).context("a chunk without a length")?;
        ensure!(length <= LONGEST, "the answer is too long");
        let Some(chunk) = rest.get(2..2 + length + 2) else { return Ok(None) };
        let Some((chunk, after)) = chunk.split_at_checked(length) else { bail!("a chunk without an end") };
        ensure!(after == b"\r\n", "a chunk without an end");
        if length == 0 {
            return Ok(Some(whole));
        }
        whole.extend_from_slice(chunk);
        bytes = rest.get(length + 4..).unwrap_or_default();
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A request with a body.
#[must_use]
pub fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let headers: Vec<_> = headers.iter().copied().chain([("content-length", length.as_str())]).collect();
    let mut request = head_of("POST", path, &headers);
    request.extend_from_slice(body);
    request
}

/// A request without one.
#[must_use]
pub fn get(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    head_of("GET", path, headers)
}

/// The head of a request.
#[must_use]
pub fn head_of(method: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {HOST}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_says_how_long_the_body_is() {
        let known = head(b"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\n").unwrap();
        assert_eq!(known, Head { status: 404, length: Length::Known(12) });
        let chunked = head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        assert_eq!(chunked.length, Length::Chunked);
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().length, Length::Known(0));
        assert!(head(b"\x16\x03\x01").is_err());
    }

    #[test]
    fn chunks_are_read_once_the_last_is_there() {
        let all = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n";
        assert_eq!(dechunked(all).unwrap().as_deref(), Some(b"hello world".as_slice()));
        for length in 0..all.len() {
            assert_eq!(dechunked(&all[..length]).unwrap(), None, "{length}");
        }
        assert!(dechunked(b"zz\r\n").is_err());
    }
}

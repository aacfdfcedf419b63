//! HTTP/1.1 as the generator speaks it: a request is bytes made once, an answer is read as far as its length.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The host that every request names.
pub const HOST: &str = "localhost";
/// Room for an answer's head and a small body in one read.
const ROOM: usize = 16 << 10;
/// An answer that is longer than this is not one.
const LONGEST: usize = 64 << 20;

/// A request with a body.
#[must_use]
pub fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Bytes {
    let length = body.len().to_string();
    let mut request = head("POST", path, headers.iter().chain(&[("content-length", length.as_str())]));
    request.extend_from_slice(body);
    request.freeze()
}

/// A request without one.
#[must_use]
pub fn get(path: &str) -> Bytes {
    head("GET", path, [].iter()).freeze()
}

fn head<'a>(method: &str, path: &str, headers: impl Iterator<Item = &'a (&'a str, &'a str)>) -> BytesMut {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {HOST}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    BytesMut::from(text.as_bytes())
}

/// What an answer's head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes of the head, the empty line included.
    length: usize,
    body: usize,
}

/// Reads one answer. What is in `buffer` afterwards is its body, as long as nothing else is read.
///
/// # Errors
/// When the connection breaks, or the answer is no `200` of a known length.
pub async fn answer<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Result<()> {
    match any_answer(stream, buffer).await? {
        200 => Ok(()),
        status => bail!("status {status}: {}", String::from_utf8_lossy(buffer)),
    }
}

/// The same, whatever its status, which it gives.
///
/// # Errors
/// When the connection breaks, or the answer is of unknown length.
pub async fn any_answer<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Result<u16> {
    buffer.clear();
    let head = loop {
        more(stream, buffer, ROOM).await?;
        if let Some(head) = parse(buffer)? {
            break head;
        }
    };
    let whole = head.length + head.body;
    ensure!(whole <= LONGEST, "the answer is too long");
    while buffer.len() < whole {
        more(stream, buffer, whole - buffer.len()).await?;
    }
    ensure!(buffer.len() == whole, "the answer is longer than it says");
    buffer.advance(head.length);
    Ok(head.status)
}

async fn more<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut, room: usize) -> Result<()> {
    buffer.reserve(room);
    ensure!(stream.read_buf(buffer).await? > 0, "the server closed the connection");
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        ensure!(bytes.len() <= LONGEST, "the head does not end");
        return Ok(None);
    };
    let text = std::str::from_utf8(bytes.get(..end).unwrap_or_default()).context("a head that is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let lengths = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Ok(Some(Head {
        status: status.context("no status line")?,
        length: end + 4,
        body: lengths.context("an answer of unknown length")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_says_the_length_of_its_body() {
        let request = post("/v1/x", &[("content-type", "application/json")], b"{}");
        let expected = "POST /v1/x HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                        content-length: 2\r\n\r\n{}";
        assert_eq!(request, expected);
        assert_eq!(get("/"), "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    }

    #[test]
    fn head_is_read_once_it_is_whole() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\ncontent-le").unwrap(), None);
        let head = parse(b"HTTP/1.1 404 Not Found\r\nA: b\r\nContent-Length: 12\r\n\r\n{").unwrap().unwrap();
        assert_eq!((head.status, head.body), (404, 12));
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse(b"\x16\x03\x01\r\n\r\n").is_err());
    }

    #[tokio::test]
    async fn answer_comes_in_pieces_and_is_its_body() {
        let mut stream = pieces(&["HTTP/1.1 200 OK\r\ncontent-", "length: 5\r\n\r\nhe", "llo"]);
        let mut buffer = BytesMut::new();
        answer(&mut stream, &mut buffer).await.unwrap();
        assert_eq!(buffer, "hello");
        let mut refused = pieces(&["HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"]);
        assert!(answer(&mut refused, &mut buffer).await.unwrap_err().to_string().contains("403: no"));
    }

    /// A stream that gives one piece for each read.
    fn pieces(all: &'static [&'static str]) -> impl AsyncRead + Unpin {
        let mut whole: Box<dyn AsyncRead + Unpin> = Box::new(tokio::io::empty());
        for piece in all.iter().rev() {
            whole = Box::new(tokio::io::AsyncReadExt::chain(piece.as_bytes(), whole));
        }
        whole
    }
}

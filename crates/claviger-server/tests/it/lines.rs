//! What is spoken need not be HTTP: a protocol of lines, on the connections of the same listener, under the same bounds.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use claviger_core::Action;
use claviger_core::port::Clock as _;
use claviger_server::clock::SystemClock;
use claviger_server::config::Limits;
use claviger_server::listener::{Connection, ConnectionProtocol, Conversation, Overloaded, Serving};
use claviger_server::telemetry::Ending;
use http::StatusCode;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::io::{BufReader, BufStream};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::support::{Open, Pki, principal};

/// A request is a line: whose it is, and what is asked. `7 peer` is asked by principal 7, and only numbers are known.
#[derive(Debug)]
struct Lines;

impl ConnectionProtocol for Lines {
    fn bytes_begin_a_head(&self, _: Option<&[u8]>) -> bool {
        true
    }

    fn serve(&self, connection: Connection) -> Serving {
        Box::pin(async move {
            let (stream, conversation) = connection.split();
            let (mut stream, finish) = (BufStream::new(stream), Notify::new());
            let ending = {
                let mut conversing = pin!(converse(&mut stream, &conversation, &finish));
                conversation
                    .drive(|cx, finishes| {
                        if finishes {
                            finish.notify_one();
                        }
                        conversing.as_mut().poll(cx)
                    })
                    .await
            };
            match ending {
                Ending::Orderly => conversation.end(&mut stream).await,
                other => other,
            }
        })
    }
}

async fn converse<S>(stream: &mut S, conversation: &Conversation, finish: &Notify) -> io::Result<()>
where
    S: AsyncBufRead + AsyncWrite + Unpin,
{
    loop {
        let mut line = String::new();
        let read = tokio::select! {
            biased;
            () = finish.notified() => return Ok(()),
            read = stream.read_line(&mut line) => read?,
        };
        if read == 0 {
            return Ok(());
        }
        let (in_work, began) = (conversation.begin(), SystemClock.since_boot());
        let (status, said, is_last) = answer(conversation, line.trim_end())
            .await
            .unwrap_or_else(|Overloaded| (StatusCode::SERVICE_UNAVAILABLE, "busy".to_owned(), false));
        conversation.answered(Some(Action::Random), status, None, began);
        stream.write_all(format!("{said}\n").as_bytes()).await?;
        stream.flush().await?;
        drop(in_work);
        if is_last {
            return Ok(());
        }
    }
}

async fn answer(conversation: &Conversation, line: &str) -> Result<(StatusCode, String, bool), Overloaded> {
    let (who, what) = line.split_once(' ').unwrap_or((line, ""));
    let Ok(number) = who.parse() else {
        conversation.look_up(async {}).await?;
        return Ok((StatusCode::UNAUTHORIZED, "nobody".to_owned(), conversation.unauthenticated()));
    };
    let presence = conversation.proved(principal(number), None)?;
    let _place = conversation.place(&presence).await?;
    let said = match what {
        "peer" => match conversation.peer().certificate {
            Some(certificate) => certificate.digest.map(|byte| format!("{byte:02x}")).concat(),
            None => conversation.peer().address.ip().to_string(),
        },
        "wait" => {
            tokio::time::sleep(Duration::from_millis(700)).await;
            "waited".to_owned()
        }
        other => other.to_uppercase(),
    };
    Ok((StatusCode::OK, said, false))
}

struct Client(BufReader<TlsStream<TcpStream>>);

impl Client {
    async fn connect(open: &Open, pki: &Pki, from: u8) -> Self {
        Self(BufReader::new(open.connect_from(pki.tls(None), from).await.unwrap()))
    }

    async fn send(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes()).await?;
        self.0.flush().await
    }

    /// The next line, or `None` when the connection ended.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line).await {
            Ok(1..) => Some(line.trim_end().to_owned()),
            Ok(0) | Err(_) => None,
        }
    }

    async fn ask(&mut self, text: &str) -> Option<String> {
        self.send(&format!("{text}\n")).await.ok()?;
        self.line().await
    }
}

async fn open(pki: &Pki, limits: Limits) -> Open {
    Open::speaking(pki, Arc::new(Lines), limits).await
}

fn hasty() -> Limits {
    Limits { header: Duration::from_secs(1), idle: Duration::from_secs(2), ..Limits::default() }
}

#[tokio::test]
async fn lines_are_answered_over_the_same_handshake_and_counted_as_requests() {
    let pki = Pki::new();
    let open = open(&pki, Limits::default()).await;
    let mut client = Client::connect(&open, &pki, 1).await;
    assert_eq!(client.ask("7 hello").await.as_deref(), Some("HELLO"));
    // Two at once come in turn.
    client.send("7 one\n7 two\n").await.unwrap();
    assert_eq!((client.line().await.as_deref(), client.line().await.as_deref()), (Some("ONE"), Some("TWO")));
    assert_eq!(client.ask("7 peer").await.as_deref(), Some("127.0.0.1"));
    assert_eq!(client.ask("somebody hello").await.as_deref(), Some("nobody"));
    let app = pki.client("app");
    let expected = claviger_crypto::digest::sha256(&app.der).map(|byte| format!("{byte:02x}")).concat();
    let certified = open.connect(pki.tls(Some(&app))).await.unwrap();
    assert_eq!(Client(BufReader::new(certified)).ask("7 peer").await, Some(expected));
    let text = open.registry.render();
    for line in [
        r#"claviger_requests_total{listener="test",action="random",outcome="ok"} 5"#,
        r#"claviger_requests_total{listener="test",action="random",outcome="unauthenticated"} 1"#,
        r#"claviger_unproved_refused_total{listener="test",reason="unauthenticated"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn line_that_does_not_end_ends_the_connection_and_one_that_is_used_goes_on() {
    let pki = Pki::new();
    let open = open(&pki, hasty()).await;
    let begun = Instant::now();
    let mut mute = TcpStream::connect(open.address).await.unwrap();
    let mut silent = Client::connect(&open, &pki, 1).await;
    let mut trickling = Client::connect(&open, &pki, 1).await;
    let mut used = Client::connect(&open, &pki, 1).await;
    let trickle = async {
        while trickling.send("7").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let using = async {
        for _ in 0..6 {
            assert_eq!(used.ask("7 hello").await.as_deref(), Some("HELLO"));
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    };
    let mut rest = Vec::new();
    let ((), (), silence, _) = tokio::join!(trickle, using, silent.line(), mute.read_to_end(&mut rest));
    assert_eq!(silence, None);
    assert!(begun.elapsed() > Duration::from_secs(2));
    // Who proved an identity has the idle time, and no more.
    let idle_from = Instant::now();
    assert_eq!(used.line().await, None);
    assert!((1..4).contains(&idle_from.elapsed().as_secs()), "{:?}", idle_from.elapsed());
    let text = open.registry.render();
    assert!(text.contains(r#"ending="too_slow"} 3"#) && text.contains(r#"ending="orderly"} 1"#), "{text}");
}

#[tokio::test]
async fn places_are_divided_by_principal() {
    let pki = Pki::new();
    let open = open(&pki, Limits { concurrency: 1, ..Limits::default() }).await;
    let [mut one, mut same, mut other] = [
        Client::connect(&open, &pki, 1).await,
        Client::connect(&open, &pki, 1).await,
        Client::connect(&open, &pki, 1).await,
    ];
    one.send("1 wait\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Who has all of them is refused another; who has none waits for the next.
    assert_eq!(same.ask("1 hello").await.as_deref(), Some("busy"));
    assert_eq!(other.ask("2 hello").await.as_deref(), Some("HELLO"));
    assert_eq!(one.line().await.as_deref(), Some("waited"));
    assert_eq!(same.ask("1 hello").await.as_deref(), Some("HELLO"));
}

#[tokio::test]
async fn address_that_only_fails_is_closed_out_and_one_that_proved_somebody_is_not() {
    let pki = Pki::new();
    let open = open(&pki, Limits { failures_per_address: 1, ..Limits::default() }).await;
    let mut known = Client::connect(&open, &pki, 3).await;
    assert_eq!(known.ask("7 hello").await.as_deref(), Some("HELLO"));
    for from in [2, 3] {
        let (mut failing, mut answers) = (Client::connect(&open, &pki, from).await, 0);
        while failing.ask("somebody hello").await.as_deref() == Some("nobody") {
            answers += 1;
            assert!(answers < 100);
        }
        assert!(answers >= 8, "{answers}");
    }
    assert!(open.connect_from(pki.tls(None), 2).await.is_err());
    assert_eq!(known.ask("7 hello").await.as_deref(), Some("HELLO"));
    for from in [3, 4] {
        let mut client = Client::connect(&open, &pki, from).await;
        assert_eq!(client.ask("7 hello").await.as_deref(), Some("HELLO"));
    }
}

#[tokio::test]
async fn stop_answers_what_was_begun_and_leaves_nothing_open() {
    let pki = Pki::new();
    let open = open(&pki, Limits::default()).await;
    let mut idle = Client::connect(&open, &pki, 1).await;
    assert_eq!(idle.ask("7 hello").await.as_deref(), Some("HELLO"));
    let mut busy = Client::connect(&open, &pki, 1).await;
    busy.send("7 wait\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (cut, answered, of_idle) = tokio::join!(open.stop(), busy.line(), idle.line());
    assert_eq!((cut, answered.as_deref(), of_idle), (0, Some("waited"), None));
    assert_eq!(busy.line().await, None);
}

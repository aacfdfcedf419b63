//! The floors: what hyper and rustls can do at most, without a key, a right or a record, and with a record only.
//!
//! Both have the server's own TLS configuration, HTTP settings, runtime and allocator. The durable one hands 80 bytes per
//! request, a little more than an entry of the log, to one thread, which appends all that wait with one write and one
//! `fdatasync`, and lets the answers go after it. It writes into a file whose blocks are there already, in a ring: nothing
//! durable costs less on a file system, an SQLite commit included, which writes pages where this writes bytes. A floor that
//! used SQLite would be slower, and the server would look better beside it.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use claviger_server::config::{Config, Limits};
use claviger_server::listener::{self, tls};
use crossbeam_channel::{Receiver, Sender, bounded};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// Bytes that are appended for a request.
pub const RECORD: usize = 80;
/// Bytes of the file that is written round and round.
const RING: u64 = 64 << 20;
/// Appends that may wait: as many calls as may wait for the server's log.
const WAITING: usize = 8192;

/// Which floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Answers with what it was sent.
    Bare,
    /// The same, after it appended to a file.
    Durable,
}

/// Options of a floor that is a process of its own.
#[derive(Debug, Args)]
pub struct FloorArgs {
    kind: Kind,
    /// Configuration of the server whose TLS it has
    #[arg(long)]
    config: PathBuf,
    /// Folder of the file that it appends to
    #[arg(long)]
    dir: PathBuf,
    /// Write the address here, once serving
    #[arg(long)]
    ready_file: PathBuf,
}

/// Serves a floor until the process is ended.
///
/// # Errors
/// When it cannot start.
pub fn run(args: &FloorArgs) -> Result<()> {
    let tls = tls::load(&Config::load(&args.config)?.tls)?;
    // The server's runtime: as many threads as there are cores to run on.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let floor = Floor::new(args.kind, &args.dir)?;
        let (socket, address) = bind()?;
        let partial = args.ready_file.with_extension("partial");
        fs::write(&partial, address.to_string())?;
        fs::rename(&partial, &args.ready_file)?;
        serve(socket, Arc::new(tls), floor).await
    })
}

/// A socket on any free port of this machine.
///
/// # Errors
/// As the system has it.
pub fn bind() -> Result<(TcpListener, SocketAddr)> {
    let socket = listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), Limits::default().backlog)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// What a floor does before it answers.
#[derive(Debug, Clone)]
pub struct Floor(Option<Appender>);

impl Floor {
    /// A floor of that kind; a durable one appends to a file in `dir`.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn new(kind: Kind, dir: &Path) -> Result<Self> {
        Ok(Self(match kind {
            Kind::Bare => None,
            Kind::Durable => Some(Appender::start(&dir.join("floor.log"))?),
        }))
    }

    async fn echo(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let Ok(body) = request.into_body().collect().await else { return Ok(failed()) };
        if let Some(appender) = &self.0
            && !appender.append().await
        {
            return Ok(failed());
        }
        let mut response = Response::new(Full::new(body.to_bytes()));
        let octets = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(CONTENT_TYPE, octets);
        Ok(response)
    }
}

fn failed() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Serves `floor` on `socket` for as long as it is polled.
///
/// # Errors
/// When nothing can be accepted any more.
pub async fn serve(socket: TcpListener, tls: Arc<ServerConfig>, floor: Floor) -> Result<()> {
    loop {
        let (stream, _) = socket.accept().await?;
        let (tls, floor) = (TlsAcceptor::from(Arc::clone(&tls)), floor.clone());
        tokio::spawn(async move {
            // A connection that breaks is seen, and reported, by the other side.
            let _ = converse(stream, tls, floor).await;
        });
    }
}

async fn converse(stream: TcpStream, tls: TlsAcceptor, floor: Floor) -> Result<()> {
    stream.set_nodelay(true)?;
    let stream = tls.accept(stream).await?;
    let limits = Limits::default();
    // As the server's listener has it.
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes)
        .max_headers(limits.headers)
        .serve_connection(TokioIo::new(stream), service_fn(move |request| floor.clone().echo(request)))
        .await?;
    Ok(())
}

/// The way to the thread that appends.
#[derive(Debug, Clone)]
struct Appender(Sender<oneshot::Sender<()>>);

impl Appender {
    fn start(path: &Path) -> Result<Self> {
        let file = ring(path).with_context(|| path.display().to_string())?;
        let (sender, receiver) = bounded(WAITING);
        std::thread::Builder::new().name("append".to_owned()).spawn(move || {
            if let Err(error) = append_all(file, &receiver) {
                eprintln!("claviger-bench: the floor cannot append: {error}");
            }
        })?;
        Ok(Self(sender))
    }

    /// Is it durable?
    async fn append(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(reply).is_ok() && answer.await.is_ok()
    }
}

/// A file all of whose blocks are written: from now on an `fdatasync` has no size to make durable.
fn ring(path: &Path) -> std::io::Result<File> {
    let mut file = File::create(path)?;
    let block = vec![0; 1 << 20];
    for _ in 0..RING >> 20 {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    file.rewind()?;
    Ok(file)
}

fn append_all(mut file: File, receiver: &Receiver<oneshot::Sender<()>>) -> std::io::Result<()> {
    let (mut waiting, mut at) = (Vec::new(), 0_u64);
    let records = vec![0x5a; (WAITING + 1) * RECORD];
    while let Ok(first) = receiver.recv() {
        waiting.push(first);
        waiting.extend(receiver.try_iter().take(WAITING));
        let bytes = records.get(..waiting.len() * RECORD).unwrap_or(&records);
        if at + bytes.len() as u64 > RING {
            at = file.seek(SeekFrom::Start(0))?;
        }
        file.write_all(bytes)?;
        file.sync_data()?;
        at += bytes.len() as u64;
        for one in waiting.drain(..) {
            // Whoever has gone in the meantime needs no answer.
            let _ = one.send(());
        }
    }
    Ok(())
}

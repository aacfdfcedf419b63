//! `encrypt`, `decrypt`, `reencrypt`: directly in one call, or as a file envelope of any size.

use std::io::{self, Read, Write};

use bytes::Bytes;
use clap::Args;
use claviger_client::types::usage::{Decrypt, Encrypt, Reencrypt};
use claviger_core::KeyId;
use claviger_crypto::SecretBytes;
use claviger_crypto::envelope::Header;

use super::deliver::{Summary, public, secret};
use super::envelope::{make_data_key, open_data_key};
use super::{ContextArgs, InputArgs, MAX_CIPHERTEXT_TEXT, MAX_DIRECT, OutputArgs};
use crate::failure::Failure;
use crate::file::envelope::{Kind, Sealed, kind_of, seal};
use crate::file::placed::{Placed, Privacy};
use crate::input::bytes::Opened;
use crate::input::pair::Bound;
use crate::output::{note, sealed_bytes, stdout_is_terminal, units, warn};
use crate::progress;
use crate::session::Session;

/// What to encrypt.
#[derive(Debug, Args)]
pub struct EncryptArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Key, as RING/NAME or id
    #[arg(short, long)]
    key: String,
    /// Encrypt here under a data key, in pieces: for files of any size
    ///
    /// One call makes a data key; the data itself never leaves this machine. Without it, up to 64 KiB are sent to the deployment and
    /// encrypted there.
    #[arg(long)]
    envelope: bool,
    #[command(flatten)]
    context: ContextArgs,
    #[command(flatten)]
    to: OutputArgs,
}

/// What to decrypt.
#[derive(Debug, Args)]
#[command(
    after_help = "To a file, plaintext appears under its name only when the whole of it is verified. To a pipe, \
pieces of a file envelope appear as they are verified: trust them only after exit code 0."
)]
pub struct DecryptArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Key, as RING/NAME or id; the ciphertext names it itself, unless an RSA key made it
    #[arg(short, long)]
    key: Option<String>,
    #[command(flatten)]
    context: ContextArgs,
    #[command(flatten)]
    to: OutputArgs,
}

/// What to re-encrypt.
#[derive(Debug, Args)]
#[command(after_help = "Example, under the newest version and under another key:
  claviger reencrypt order.sealed --context order=17 --out order.new
  claviger reencrypt order.sealed --context order=17 --to archive/main --out order.archived

Under another key there are two uses, each with its own right (reencrypt, reencrypt_into) and its own entry in the log.")]
pub struct ReencryptArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Key, as RING/NAME or id; the ciphertext names it itself, unless an RSA key made it
    #[arg(short, long)]
    key: Option<String>,
    #[command(flatten)]
    context: ContextArgs,
    /// Under which key from now on, as RING/NAME or id; under the newest version of the same unless said otherwise
    #[arg(long = "to", value_name = "KEY")]
    new_key: Option<String>,
    /// Pair of the new encryption context; the same as before unless said otherwise; may be given many times
    #[arg(long, value_name = "NAME=VALUE", value_parser = crate::input::pair::parse, requires = "new_key")]
    to_context: Vec<(String, String)>,
    #[command(flatten)]
    to: OutputArgs,
}

impl EncryptArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.to.check()?;
        let bound = Bound::of(&self.context.context)?;
        if self.envelope {
            self.seal_file(session, &bound).await
        } else {
            self.seal_directly(session, bound).await
        }
    }

    async fn seal_directly(self, session: &Session, bound: Bound) -> Result<(), Failure> {
        let plaintext = self.input.input.open()?.read_to_end(MAX_DIRECT)?;
        let request = Encrypt { plaintext: SecretBytes::new(plaintext).into(), context: bound.pairs };
        let answer = session.client()?.encrypt(&self.key, &request).await?;
        let summary =
            Summary::of(&answer, answer.value.key, Some(answer.value.version)).called(Some(&self.key));
        public(
            ("ciphertext", "ciphertext"),
            answer.value.ciphertext.as_ref(),
            session.format,
            &self.to,
            summary,
        )
    }

    async fn seal_file(self, session: &Session, bound: &Bound) -> Result<(), Failure> {
        no_encoding(&self.to)?;
        let mut input = self.input.input.open()?;
        let mut sink = Sink::open(&self.to, Privacy::Others, session)?;
        let made = make_data_key(&session.client()?, &self.key, bound).await?;
        let summary =
            Summary::of(&made, made.value.1.key, Some(made.value.1.version)).called(Some(&self.key));
        let bar = progress::bytes("encrypting", input.len);
        let bytes = seal(&mut input, &mut sink, &made.value.0, &bound.context, |read| bar.inc(read))?;
        bar.finish_and_clear();
        sink.done(session, "file envelope", bytes, summary)
    }
}

impl DecryptArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.to.check()?;
        let bound = Bound::of(&self.context.context)?;
        let mut input = self.input.input.open()?;
        let start = beginning(&mut input)?;
        match kind_of(&start) {
            Kind::Envelope => self.open_file(session, &bound, start, input).await,
            Kind::Direct | Kind::Headless => {
                let ciphertext = rest(start, input)?;
                self.open_directly(session, bound, ciphertext).await
            }
        }
    }

    async fn open_directly(self, session: &Session, bound: Bound, ciphertext: Bytes) -> Result<(), Failure> {
        let key = key_of(&ciphertext, self.key.as_deref())?;
        let request = Decrypt { ciphertext: ciphertext.into(), context: bound.pairs };
        let client = session.client()?;
        let answer = match &self.key {
            Some(_) => client.decrypt(&key, &request).await?,
            None => client.decrypt_by_header(&request).await?,
        };
        let summary =
            Summary::of(&answer, answer.value.key, Some(answer.value.version)).called(self.key.as_deref());
        secret(
            ("plaintext", "plaintext"),
            answer.value.plaintext.into_inner(),
            session.format,
            &self.to,
            summary,
        )
    }

    async fn open_file(
        self,
        session: &Session,
        bound: &Bound,
        start: Vec<u8>,
        mut input: Opened,
    ) -> Result<(), Failure> {
        no_encoding(&self.to)?;
        let sealed = Sealed::read(start, &mut input)?;
        let mut sink = Sink::open(&self.to, Privacy::Owner, session)?;
        let answer = open_data_key(&session.client()?, self.key.as_deref(), &sealed, bound).await?;
        let summary =
            Summary::of(&answer, answer.value.key, Some(answer.value.version)).called(self.key.as_deref());
        let data_key = answer.value.plaintext.into_inner();
        let bar = progress::bytes("decrypting", input.len);
        let bytes = sealed.open(&mut input, &mut sink, &data_key, &bound.context, |read| bar.inc(read))?;
        bar.finish_and_clear();
        sink.done(session, "plaintext, whole and authentic,", bytes, summary)
    }
}

impl ReencryptArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.to.check()?;
        let bound = Bound::of(&self.context.context)?;
        let mut input = self.input.input.open()?;
        let start = beginning(&mut input)?;
        if kind_of(&start) == Kind::Envelope {
            return Err(Failure::usage("a file envelope is bound to the data key that it was sealed under").advise(
                "decrypt it and encrypt it again: `claviger decrypt FILE | claviger encrypt --envelope - --key KEY --out FILE`",
            ));
        }
        let ciphertext = rest(start, input)?;
        let key = key_of(&ciphertext, self.key.as_deref())?;
        let to_context = match self.to_context.as_slice() {
            [] => None,
            pairs => Some(Bound::of(pairs)?.pairs),
        };
        let new_key = self.new_key;
        let request = Reencrypt {
            ciphertext: ciphertext.into(),
            context: bound.pairs,
            to: new_key.clone(),
            to_context,
        };
        let answer = session.client()?.reencrypt(&key, &request).await?;
        let summary = Summary::of(&answer, answer.value.key, Some(answer.value.version))
            .called(new_key.as_deref().or(self.key.as_deref()));
        public(
            ("ciphertext", "ciphertext"),
            answer.value.ciphertext.as_ref(),
            session.format,
            &self.to,
            summary,
        )
    }
}

/// The key that was named, or that the ciphertext names.
fn key_of(ciphertext: &[u8], named: Option<&str>) -> Result<String, Failure> {
    match (named, Header::parse(ciphertext)) {
        (Some(named), _) => Ok(named.to_owned()),
        (None, Ok((header, _))) => Ok(KeyId::from_bytes(header.key_id).to_string()),
        (None, Err(_)) => Err(Failure::usage("the ciphertext names no key: name it with `--key`").advise(
            "if it should name one, it is no ciphertext of this system, or it was changed on the way",
        )),
    }
}

/// Enough of the input to recognize what it is.
fn beginning(input: &mut Opened) -> Result<Vec<u8>, Failure> {
    let mut start = Vec::with_capacity(64);
    let read = input.take(28).read_to_end(&mut start);
    read.map_err(|error| Failure::failed(format!("reading the input: {error}")))?;
    Ok(start)
}

/// A ciphertext, which may come as text.
fn rest(mut start: Vec<u8>, input: Opened) -> Result<Bytes, Failure> {
    start.extend(input.read_to_end(MAX_CIPHERTEXT_TEXT)?);
    Ok(sealed_bytes(start.into()))
}

fn no_encoding(to: &OutputArgs) -> Result<(), Failure> {
    match to.encoding {
        None | Some(crate::output::Encoding::Raw) => Ok(()),
        Some(_) => {
            Err(Failure::usage("a file envelope is written and read raw: `--encoding` is for single calls"))
        }
    }
}

/// Where a file of any size goes.
enum Sink {
    File(Box<Placed>),
    Stdout(io::Stdout),
}

impl Sink {
    fn open(to: &OutputArgs, privacy: Privacy, session: &Session) -> Result<Self, Failure> {
        if let Some(path) = &to.out {
            return Placed::create(path, privacy, to.force.existing()).map(Box::new).map(Self::File);
        }
        if session.format.is_for_programs() {
            return Err(Failure::usage(
                "a file envelope and a document cannot both go to standard output: name a file with `--out`",
            ));
        }
        if stdout_is_terminal() {
            if privacy == Privacy::Others {
                return Err(Failure::usage(
                    "not writing a file envelope to a terminal: name a file with `--out`, or pipe it on",
                ));
            }
            warn("plaintext is shown on the terminal; name a file with `--out` to keep it off the screen");
        }
        Ok(Self::Stdout(io::stdout()))
    }

    /// Only now does the file get its name.
    fn done(self, session: &Session, what: &str, bytes: u64, summary: Summary) -> Result<(), Failure> {
        match self {
            Self::File(placed) => {
                let path = placed.target().display().to_string();
                placed.commit()?;
                let line = summary.line();
                if !session.format.is_for_programs() {
                    note(&format!("{what} in `{path}`, {} of plaintext: {line}", units::bytes(bytes)));
                    return Ok(());
                }
                let document = summary.with("file", path).with("plaintext_bytes", bytes).into_value();
                session.format.print(&document, |_| String::new())
            }
            Self::Stdout(mut stdout) => {
                stdout.flush().map_err(|error| Failure::failed(format!("standard output: {error}")))
            }
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(placed) => placed.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(placed) => placed.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_the_one_named_or_the_one_in_the_header() {
        let header = Header { spec: claviger_crypto::Spec::Aes256Gcm, key_id: [7; 16], version: 1 };
        let named_inside = KeyId::from_bytes([7; 16]).to_string();
        assert_eq!(key_of(&header.encode(), None).unwrap(), named_inside);
        assert_eq!(key_of(&header.encode(), Some("a/b")).unwrap(), "a/b");
        assert_eq!(key_of(&[0; 256], None).unwrap_err().exit(), crate::failure::Exit::Usage);
    }
}

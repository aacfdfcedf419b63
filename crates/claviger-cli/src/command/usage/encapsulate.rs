//! `encapsulate`, `decapsulate`.

use std::path::PathBuf;

use clap::Args;
use claviger_client::types::usage::{Decapsulate, Encapsulate};

use super::deliver::{Produced, Summary, secret};
use super::{InputArgs, MAX_SMALL, OutputArgs};
use crate::failure::Failure;
use crate::file::placed::{ForceArgs, Privacy};
use crate::output::{Encoding, note, record, sealed_bytes};
use crate::session::Session;

/// For whom.
#[derive(Debug, Args)]
pub struct EncapsulateArgs {
    /// Key, as RING/NAME or id
    #[arg(short, long)]
    key: String,
    /// File for the capsule
    #[arg(short = 'O', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    /// File for the shared secret, for you alone (0600)
    #[arg(long, value_name = "FILE")]
    secret_out: Option<PathBuf>,
    /// Form of the bytes in files
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    #[command(flatten)]
    force: ForceArgs,
}

/// The capsule.
#[derive(Debug, Args)]
pub struct DecapsulateArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Key, as RING/NAME or id
    #[arg(short, long)]
    key: String,
    /// The version that it is for; the protecting one unless said otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    #[command(flatten)]
    to: OutputArgs,
}

impl EncapsulateArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        let (encoding, force) = (self.encoding, self.force);
        let to = |out| OutputArgs { out, encoding, force };
        force.check(self.out.iter().chain(&self.secret_out))?;
        let answer = session.client()?.encapsulate(&self.key, &Encapsulate {}).await?;
        let summary =
            Summary::of(&answer, answer.value.key, Some(answer.value.version)).called(Some(&self.key));
        let line = summary.line();
        let capsule = answer.value.ciphertext.as_ref();
        let capsule =
            Produced { member: "capsule", what: "the capsule", bytes: capsule, privacy: Privacy::Others };
        let summary = capsule.to_document(&to(self.out), summary)?;
        let shared = answer.value.secret.into_inner().into_body();
        let shared = Produced {
            member: "secret",
            what: "the shared secret",
            bytes: shared.as_ref(),
            privacy: Privacy::Owner,
        };
        let document = shared.to_document(&to(self.secret_out), summary)?.into_value();
        session.format.print(&document, |document| {
            note(&line);
            let text = |name: &str| {
                document.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
            };
            record(&[
                ("capsule", text("capsule")),
                ("capsule file", text("capsule_file")),
                ("secret", text("secret")),
                ("secret file", text("secret_file")),
            ])
        })
    }
}

impl DecapsulateArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.to.check()?;
        let capsule = sealed_bytes(self.input.input.read(MAX_SMALL)?);
        let request = Decapsulate { ciphertext: capsule.into(), version: self.version };
        let answer = session.client()?.decapsulate(&self.key, &request).await?;
        let summary =
            Summary::of(&answer, answer.value.key, Some(answer.value.version)).called(Some(&self.key));
        secret(
            ("secret", "the shared secret"),
            answer.value.plaintext.into_inner(),
            session.format,
            &self.to,
            summary,
        )
    }
}

//! `datakey`.

use std::path::PathBuf;

use clap::Args;
use claviger_client::types::usage::GenerateDataKey;

use super::deliver::{Produced, Summary};
use super::{ContextArgs, OutputArgs};
use crate::failure::Failure;
use crate::file::placed::{ForceArgs, Privacy};
use crate::input::pair::Bound;
use crate::output::{Encoding, note};
use crate::session::Session;

/// Which data key.
#[derive(Debug, Args)]
pub struct DatakeyArgs {
    /// Key to seal it under, as RING/NAME or id
    #[arg(short, long)]
    key: String,
    /// Its length in bytes
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    bytes: u32,
    #[command(flatten)]
    context: ContextArgs,
    /// Make it sealed only: for a place that stores data keys and must not know them
    #[arg(long)]
    without_plaintext: bool,
    /// File for the sealed data key
    #[arg(short = 'O', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    /// File for the data key in clear, for you alone (0600)
    #[arg(long, value_name = "FILE", conflicts_with = "without_plaintext")]
    plaintext_out: Option<PathBuf>,
    /// Form of the bytes in files
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    #[command(flatten)]
    force: ForceArgs,
}

impl DatakeyArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        let (encoding, force) = (self.encoding, self.force);
        let to = |out| OutputArgs { out, encoding, force };
        force.check(self.out.iter().chain(&self.plaintext_out))?;
        let bound = Bound::of(&self.context.context)?;
        let request =
            GenerateDataKey { bytes: self.bytes, context: bound.pairs, plaintext: !self.without_plaintext };
        let mut answer = session.client()?.generate_data_key(&self.key, &request).await?;
        let mut summary =
            Summary::of(&answer, answer.value.key, Some(answer.value.version)).called(Some(&self.key));
        let line = summary.line();
        let sealed = answer.value.ciphertext.as_ref();
        let sealed = Produced {
            member: "ciphertext",
            what: "the sealed data key",
            bytes: sealed,
            privacy: Privacy::Others,
        };
        summary = sealed.to_document(&to(self.out), summary)?;
        if let Some(clear) = answer.value.plaintext.take() {
            let clear = clear.into_inner().into_body();
            let clear = Produced {
                member: "plaintext",
                what: "the data key",
                bytes: clear.as_ref(),
                privacy: Privacy::Owner,
            };
            summary = clear.to_document(&to(self.plaintext_out), summary)?;
        }
        let document = summary.into_value();
        session.format.print(&document, |document| {
            note(&line);
            let text = |name: &str| document.get(name).and_then(|value| value.as_str());
            let lines = ["ciphertext", "plaintext", "ciphertext_file", "plaintext_file"];
            let lines = lines
                .iter()
                .filter_map(|name| text(name).map(|value| (name.replace('_', " "), value.to_owned())));
            let lines: Vec<_> = lines.collect();
            crate::output::record(
                &lines.iter().map(|(name, value)| (name.as_str(), value.clone())).collect::<Vec<_>>(),
            )
        })
    }
}

//! `public-key`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use claviger_client::types::usage::ReadPublicKey;

use super::OutputArgs;
use super::deliver::{Summary, public};
use crate::failure::Failure;
use crate::file::placed::ForceArgs;
use crate::input::pem;
use crate::session::Session;

/// Which public key.
#[derive(Debug, Args)]
pub struct PublicKeyArgs {
    /// Key, as RING/NAME or id
    #[arg(short, long)]
    key: String,
    /// Of this version; of the protecting one unless said otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    /// PEM or DER (`SubjectPublicKeyInfo`)
    #[arg(long, value_enum, default_value_t = Form::Pem)]
    form: Form,
    /// File to write; standard output unless said otherwise
    #[arg(short = 'O', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

/// Forms of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Bytes.
    Der,
    /// Text.
    Pem,
}

impl PublicKeyArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.force.check(&self.out)?;
        let answer =
            session.client()?.read_public_key(&self.key, &ReadPublicKey { version: self.version }).await?;
        let summary =
            Summary::of(&answer, answer.value.key, Some(answer.value.version)).called(Some(&self.key));
        let der = answer.value.public_key.as_ref();
        let pem = pem::encode(der, "PUBLIC KEY");
        let summary = summary.with("spec", answer.value.spec.to_string()).with("pem", pem.clone());
        let bytes = if self.form == Form::Pem { pem.as_bytes() } else { der };
        let bytes = if session.format.is_for_programs() && self.out.is_none() { der } else { bytes };
        let to = OutputArgs { out: self.out, encoding: None, force: self.force };
        public(("public_key", "public key"), bytes, session.format, &to, summary)
    }
}

//! `wrap`, `unwrap`.

use clap::Args;
use claviger_client::types::usage::{Unwrap, Wrap};
use claviger_crypto::SecretBytes;

use super::deliver::{Summary, public, secret};
use super::{InputArgs, MAX_CIPHERTEXT_TEXT, MAX_DIRECT, OutputArgs};
use crate::failure::Failure;
use crate::output::sealed_bytes;
use crate::session::Session;

/// What to wrap.
#[derive(Debug, Args)]
pub struct WrapArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Wrapping key, as RING/NAME or id
    #[arg(short, long)]
    key: String,
    #[command(flatten)]
    to: OutputArgs,
}

/// What to unwrap.
#[derive(Debug, Args)]
pub struct UnwrapArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Wrapping key, as RING/NAME or id
    #[arg(short, long)]
    key: String,
    #[command(flatten)]
    to: OutputArgs,
}

impl WrapArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.to.check()?;
        let material = SecretBytes::new(self.input.input.open()?.read_to_end(MAX_DIRECT)?);
        let answer = session.client()?.wrap(&self.key, &Wrap { material: material.into() }).await?;
        let summary =
            Summary::of(&answer, answer.value.key, Some(answer.value.version)).called(Some(&self.key));
        public(
            ("wrapped", "wrapped material"),
            answer.value.ciphertext.as_ref(),
            session.format,
            &self.to,
            summary,
        )
    }
}

impl UnwrapArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.to.check()?;
        let wrapped = sealed_bytes(self.input.input.read(MAX_CIPHERTEXT_TEXT)?);
        let answer = session.client()?.unwrap(&self.key, &Unwrap { wrapped: wrapped.into() }).await?;
        let summary =
            Summary::of(&answer, answer.value.key, Some(answer.value.version)).called(Some(&self.key));
        secret(
            ("material", "material"),
            answer.value.plaintext.into_inner(),
            session.format,
            &self.to,
            summary,
        )
    }
}

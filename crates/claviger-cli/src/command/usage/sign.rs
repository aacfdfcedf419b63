//! `sign`, `verify`.

use clap::Args;
use claviger_client::types::usage::{Sign, Verify};
use claviger_crypto::SignatureAlgorithm;

use super::deliver::{Summary, public, verdict};
use super::{InputArgs, MAX_MESSAGE, MAX_SMALL, OutputArgs};
use crate::failure::Failure;
use crate::input::bytes::Source;
use crate::input::word::one_of;
use crate::output::{Encoding, read_back};
use crate::session::Session;

/// What to sign.
#[derive(Debug, Args)]
pub struct SignArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Key, as RING/NAME or id
    #[arg(short, long)]
    key: String,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    to: OutputArgs,
}

/// What to verify.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Key, as RING/NAME or id
    #[arg(short, long)]
    key: String,
    /// The signature
    #[arg(short, long, value_name = "FILE")]
    signature: Source,
    /// Form of the signature; any in which it was printed unless said otherwise
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    /// The version that is said to have signed; any unless said otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    #[command(flatten)]
    how: HowArgs,
}

/// How to sign.
#[derive(Debug, Clone, Args)]
pub(crate) struct HowArgs {
    /// Algorithm; the key's own where it knows but one
    #[arg(long, value_parser = one_of::<SignatureAlgorithm>(SignatureAlgorithm::ALL.map(SignatureAlgorithm::name)))]
    algorithm: Option<SignatureAlgorithm>,
    /// The input is the digest of the message, made by the algorithm's own hash function
    #[arg(long)]
    prehashed: bool,
}

impl SignArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.to.check()?;
        let message = self.input.input.read(MAX_MESSAGE)?;
        let algorithm = self.how.algorithm.map(Into::into);
        let request = Sign { message: message.into(), prehashed: self.how.prehashed, algorithm };
        let answer = session.client()?.sign(&self.key, &request).await?;
        let summary =
            Summary::of(&answer, answer.value.key, Some(answer.value.version)).called(Some(&self.key));
        let summary = summary.with("algorithm", answer.value.algorithm.to_string());
        public(("signature", "signature"), answer.value.signature.as_ref(), session.format, &self.to, summary)
    }
}

impl VerifyArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        let message = self.input.input.read(MAX_MESSAGE)?;
        let signature = read_back(self.signature.read(MAX_SMALL)?, self.encoding, "the signature")?;
        let request = Verify {
            message: message.into(),
            signature: signature.into(),
            prehashed: self.how.prehashed,
            algorithm: self.how.algorithm.map(Into::into),
            version: self.version,
        };
        let answer = session.client()?.verify(&self.key, &request).await?;
        let summary = Summary::of(&answer, answer.value.key, answer.value.version).called(Some(&self.key));
        verdict("the signature", answer.value.valid, session.format, summary)
    }
}

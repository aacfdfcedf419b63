//! `sign`, `verify`.

use clap::Args;
use claviger_client::types::usage::{Sign, Verify};
use claviger_crypto::SignatureAlgorithm;

use super::deliver::{Summary, public, verdict};
use super::{InputArgs, MAX_MESSAGE, MAX_SMALL, OutputArgs};
use crate::failure::Failure;
use crate::input::bytes::Source;
use crate::output::Encoding;
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
    /// Form of the signature
    #[arg(long, value_enum, default_value_t = Encoding::Raw)]
    encoding: Encoding,
    /// The version that is said to have signed; any unless said otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    #[command(flatten)]
    how: HowArgs,
}

/// How to sign.
#[derive(Debug, Clone, Args)]
pub(crate) struct HowArgs {
    /// Algorithm, as in rsa-pss-sha256; the key's own where it knows but one
    #[arg(long, value_parser = parse_algorithm)]
    algorithm: Option<SignatureAlgorithm>,
    /// The input is the digest of the message, made by the algorithm's own hash function
    #[arg(long)]
    prehashed: bool,
}

fn parse_algorithm(text: &str) -> Result<SignatureAlgorithm, String> {
    let words = || SignatureAlgorithm::ALL.map(SignatureAlgorithm::name).join(", ");
    text.parse().map_err(|_| format!("one of {} is expected", words()))
}

fn too_long(failure: Failure) -> Failure {
    failure.advise("sign the digest of a longer message: `--prehashed`")
}

impl SignArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        let message = self.input.input.read(MAX_MESSAGE).map_err(too_long)?;
        let algorithm = self.how.algorithm.map(Into::into);
        let request = Sign { message: message.into(), prehashed: self.how.prehashed, algorithm };
        let answer = session.client()?.sign(&self.key, &request).await?;
        let summary = Summary::of(&answer, answer.value.key, Some(answer.value.version));
        let summary = summary.with("algorithm", answer.value.algorithm.to_string());
        public(("signature", "signature"), answer.value.signature.as_ref(), session.format, &self.to, summary)
    }
}

impl VerifyArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        let message = self.input.input.read(MAX_MESSAGE).map_err(too_long)?;
        let signature = self.encoding.decode(&self.signature.read(MAX_SMALL)?, "the signature")?;
        let request = Verify {
            message: message.into(),
            signature: signature.into(),
            prehashed: self.how.prehashed,
            algorithm: self.how.algorithm.map(Into::into),
            version: self.version,
        };
        let answer = session.client()?.verify(&self.key, &request).await?;
        let summary = Summary::of(&answer, answer.value.key, answer.value.version);
        verdict("the signature", answer.value.valid, session.format, summary)
    }
}

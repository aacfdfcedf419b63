//! `mac`, `verify-mac`.

use clap::Args;
use claviger_client::types::usage::{Mac, VerifyMac};

use super::deliver::{Summary, public, verdict};
use super::{InputArgs, MAX_MESSAGE, MAX_SMALL, OutputArgs};
use crate::failure::Failure;
use crate::input::bytes::Source;
use crate::output::{Encoding, read_back};
use crate::session::Session;

/// What to authenticate.
#[derive(Debug, Args)]
pub struct MacArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Key, as RING/NAME or id
    #[arg(short, long)]
    key: String,
    #[command(flatten)]
    to: OutputArgs,
}

/// What to check.
#[derive(Debug, Args)]
pub struct VerifyMacArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Key, as RING/NAME or id
    #[arg(short, long)]
    key: String,
    /// The message authentication code
    #[arg(short, long, value_name = "FILE")]
    tag: Source,
    /// Form of the code; any in which it was printed unless said otherwise
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    /// The version that is said to have made it; any unless said otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
}

impl MacArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.to.check()?;
        let request = Mac { data: self.input.input.read(MAX_MESSAGE)?.into() };
        let answer = session.client()?.mac(&self.key, &request).await?;
        let summary =
            Summary::of(&answer, answer.value.key, Some(answer.value.version)).called(Some(&self.key));
        public(
            ("tag", "message authentication code"),
            answer.value.tag.as_ref(),
            session.format,
            &self.to,
            summary,
        )
    }
}

impl VerifyMacArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        let data = self.input.input.read(MAX_MESSAGE)?;
        let tag = read_back(self.tag.read(MAX_SMALL)?, self.encoding, "the code")?;
        let request = VerifyMac { data: data.into(), tag: tag.into(), version: self.version };
        let answer = session.client()?.verify_mac(&self.key, &request).await?;
        let summary = Summary::of(&answer, answer.value.key, answer.value.version).called(Some(&self.key));
        verdict("the message authentication code", answer.value.valid, session.format, summary)
    }
}

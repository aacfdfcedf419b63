//! `agree`.

use clap::Args;
use claviger_client::types::usage::Agree;

use super::deliver::{Summary, secret};
use super::{MAX_SMALL, OutputArgs};
use crate::failure::Failure;
use crate::input::bytes::Source;
use crate::input::pem;
use crate::session::Session;

/// With whom.
#[derive(Debug, Args)]
pub struct AgreeArgs {
    /// Key, as RING/NAME or id
    #[arg(short, long)]
    key: String,
    /// The peer's public key (`SubjectPublicKeyInfo`, PEM or DER)
    #[arg(long, value_name = "FILE")]
    peer: Source,
    /// The version to agree with; the protecting one unless said otherwise
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: Option<u32>,
    #[command(flatten)]
    to: OutputArgs,
}

impl AgreeArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.to.check()?;
        let peer = pem::der(&self.peer.read(MAX_SMALL)?, "PUBLIC KEY")?;
        let answer =
            session.client()?.agree(&self.key, &Agree { peer: peer.into(), version: self.version }).await?;
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

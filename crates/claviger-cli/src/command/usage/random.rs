//! `random`.

use clap::Args;
use claviger_client::types::usage::Random;
use serde_json::Value;

use super::OutputArgs;
use super::deliver::{Produced, Summary};
use crate::failure::Failure;
use crate::file::placed::Privacy;
use crate::session::Session;

/// How many.
#[derive(Debug, Args)]
pub struct RandomArgs {
    /// How many bytes
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65536))]
    bytes: u32,
    #[command(flatten)]
    to: OutputArgs,
}

impl RandomArgs {
    pub(in crate::command) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.to.check()?;
        let answer = session.client()?.random(&Random { bytes: self.bytes }).await?;
        let body = answer.value.bytes.into_inner().into_body();
        let drawn = Produced {
            member: "random",
            what: "random bytes",
            bytes: body.as_ref(),
            privacy: Privacy::Owner,
        };
        if !session.format.is_for_programs() {
            return drawn.write(&self.to);
        }
        let summary = match answer.entry {
            Some(entry) => Summary::default().with("entry", entry),
            None => Summary::default(),
        };
        let document = drawn.to_document(&self.to, summary)?;
        session.format.print(&document.into_value(), Value::to_string)
    }
}

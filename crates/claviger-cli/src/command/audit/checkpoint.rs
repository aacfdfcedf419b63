//! `audit checkpoint`.

use std::path::PathBuf;

use clap::Args;
use claviger_audit::{Checkpoint, VerifierKey};
use serde::Serialize;

use crate::failure::Failure;
use crate::file::placed::{ForceArgs, Placed, Privacy};
use crate::input::bytes::Source;
use crate::output::{record, warn};
use crate::session::Session;

/// Where to, and against which key.
#[derive(Debug, Args)]
pub struct CheckpointArgs {
    /// The verifier key of the root log, as you know it from elsewhere (`audit root-vkey` writes it); without it the deployment's own word is taken
    #[arg(long, value_name = "FILE")]
    root_vkey: Option<Source>,
    /// File for the checkpoint: keep it elsewhere, and the log can no longer be rewritten unseen
    #[arg(short = 'O', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

/// Where to.
#[derive(Debug, Args)]
#[command(
    after_help = "Keep it where nobody can change it who can change the log, and give it to whoever verifies: with `--root-vkey`, by
`claviger audit verify` and by `claviger-verify`.

Example: claviger audit root-vkey --out root.vkey"
)]
pub struct RootVkeyArgs {
    /// File for the key; standard output unless said otherwise
    #[arg(short = 'O', long = "out", value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

#[derive(Debug, Serialize)]
struct RootVkey {
    root_vkey: String,
}

impl RootVkeyArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.force.check(&self.out)?;
        let reported = session.client()?.read_checkpoint().await?.value;
        let root_vkey = reported.root_vkey.trim().to_owned();
        VerifierKey::parse(&root_vkey).map_err(|error| {
            Failure::unverified(format!("the verifier key of the deployment does not parse: {error}"))
        })?;
        if let Some(out) = &self.out {
            Placed::write(out, Privacy::Others, self.force.existing(), format!("{root_vkey}\n").as_bytes())?;
        }
        let shown = RootVkey { root_vkey };
        session.format.print(&shown, |shown| shown.root_vkey.clone())
    }
}

#[derive(Debug, Serialize)]
struct Shown {
    origin: String,
    size: u64,
    root: String,
    root_vkey: String,
    /// The same by its earlier name, for one release more.
    signed_by: String,
    key_known_beforehand: bool,
    shard_origin: String,
    shard_size: u64,
    node_vkey: String,
    note: String,
}

/// The key to check with: the one that is known from elsewhere, which the deployment's own must equal, or else the deployment's own.
pub(super) fn root_key(known: Option<&Source>, reported: &str) -> Result<VerifierKey, Failure> {
    let parse = |text: &str, whose: &str| {
        VerifierKey::parse(text.trim())
            .map_err(|error| Failure::unverified(format!("{whose} is no vkey: {error}")))
    };
    let reported = parse(reported, "the deployment's root key")?;
    let Some(source) = known else {
        warn(
            "the root key is the deployment's own word; compare it once with what was written down at set-up, and give it with `--root-vkey`",
        );
        return Ok(reported);
    };
    let bytes = source.read(4096)?;
    let known = parse(&String::from_utf8_lossy(&bytes), "the root key that you gave")?;
    if known.to_string() == reported.to_string() {
        return Ok(known);
    }
    Err(Failure::unverified("the deployment's root key is not the one that you know")
        .advise("another deployment answers, or its log was begun anew: find out before you trust it"))
}

impl CheckpointArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        self.force.check(&self.out)?;
        let reported = session.client()?.read_checkpoint().await?.value;
        if reported.root_note.is_empty() {
            return Err(Failure::failed("no checkpoint is signed yet").advise("try again in a second"));
        }
        let key = root_key(self.root_vkey.as_ref(), &reported.root_vkey)?;
        let checkpoint = Checkpoint::open(reported.root_note.as_bytes(), &key)
            .map_err(|error| Failure::unverified(format!("the checkpoint does not hold: {error}")))?;
        if let Some(out) = &self.out {
            Placed::write(out, Privacy::Others, self.force.existing(), reported.root_note.as_bytes())?;
        }
        let shown = Shown {
            origin: checkpoint.origin,
            size: checkpoint.size,
            root: hex::encode(checkpoint.root),
            root_vkey: key.to_string(),
            signed_by: key.to_string(),
            key_known_beforehand: self.root_vkey.is_some(),
            shard_origin: reported.shard_origin,
            shard_size: reported.shard_size,
            node_vkey: reported.node_vkey,
            note: reported.root_note,
        };
        session.format.print(&shown, |shown| {
            let fields = record(&[
                ("origin", shown.origin.clone()),
                ("cuts", shown.size.to_string()),
                ("root", shown.root.clone()),
                ("root vkey", shown.root_vkey.clone()),
                ("log of this node", format!("{}, {} entries", shown.shard_origin, shown.shard_size)),
                ("key of this node", shown.node_vkey.clone()),
            ]);
            format!("{fields}\n{}", shown.note)
        })
    }
}

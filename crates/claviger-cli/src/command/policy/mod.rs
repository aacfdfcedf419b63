//! `claviger plan`, `apply`, `export policy` and `drift`: policy as reviewed files.
//!
//! What it keeps true: files hold names and no identifiers, and no secret; `plan`, `export` and `drift` change nothing of what files say; what
//! is there and in no file is told, and never taken away.

mod acts;
mod apply;
mod compare;
mod files;
mod live;
mod said;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use claviger_client::types::declaration::{Declare, Declared, PolicyFiles};
use claviger_client::types::text::Sha256;
use claviger_compliance::Catalogue;
use serde::Serialize;

use super::reason::WhyArgs;
use crate::clock;
use crate::failure::Failure;
use crate::file::placed::ForceArgs;
use crate::input::consent::Consent;
use crate::output::{note, print_line};
use crate::session::Session;
use compare::{Difference, compare};
use files::Files;
use live::Live;

/// What to compare.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Directory of the files, each `*.toml` in it
    #[arg(short = 'f', long = "files", value_name = "DIR")]
    files: PathBuf,
    /// End with exit code 4 where there is a difference
    #[arg(long)]
    exit_code: bool,
}

/// What to do.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Directory of the files, each `*.toml` in it
    #[arg(short = 'f', long = "files", value_name = "DIR")]
    files: PathBuf,
    #[command(flatten)]
    why: WhyArgs,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// What to write out.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Write the policy of the deployment as files, that `plan`, `apply` and `drift` read
    ///
    /// Rules of the deployment, rings, principals with their roles and capacities, data assets, keys, grants that were given by hand, and declared
    /// parameters: all by name, in one file of TOML a kind, in one order. Credentials, material and whatever else is a secret are in none of
    /// them; neither are revoked principals, destroyed keys and grants that ended. What is written, `plan` finds no difference in.
    Policy(ExportPolicyArgs),
}

/// Where to.
#[derive(Debug, Args)]
pub struct ExportPolicyArgs {
    /// Directory for the files; it is made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
}

/// What to compare, and whether to record it.
#[derive(Debug, Args)]
pub struct DriftArgs {
    /// Directory of the files, each `*.toml` in it
    #[arg(short = 'f', long = "files", value_name = "DIR")]
    files: PathBuf,
    /// Record that they were compared: by the digest of the files, and the number of differences
    #[arg(long)]
    record: bool,
}

/// What a command finds, as programs read it.
#[derive(Debug, Serialize)]
struct Found<'a> {
    /// SHA-256 of the files, as `sha256sum *.toml | sha256sum` says it.
    files: String,
    /// In how many things they differ.
    differences: usize,
    #[serde(flatten)]
    difference: &'a Difference,
}

impl Found<'_> {
    fn print(&self, session: &Session) -> Result<(), Failure> {
        session.format.print(self, |found| found.difference.text())?;
        self.difference.note();
        Ok(())
    }
}

impl PlanArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let (files, digest) = read(&self.files)?;
        let live = Live::read(&session.client()?).await?;
        let difference = compare(&files, &live, clock::now());
        let found =
            Found { files: hex::encode(digest), differences: difference.count(), difference: &difference };
        found.print(session)?;
        if self.exit_code && found.differences > 0 {
            return Err(differs(found.differences));
        }
        Ok(())
    }
}

impl ApplyArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let (files, _) = read(&self.files)?;
        let client = session.client()?;
        let difference = compare(&files, &Live::read(&client).await?, clock::now());
        if !difference.items.is_empty() {
            let shown = difference.text();
            let consent = Consent::of(self.yes);
            if consent == Consent::Given {
                note(&shown);
            }
            let question = format!(
                "{shown}\nWhat you may do alone is done at once; others are asked to approve the rest. Nothing is taken away."
            );
            consent.require(&question, "apply")?;
        }
        let applied = apply::apply(&client, &files, self.why.into()).await?;
        session.format.print(&applied, apply::Applied::text)?;
        if !difference.absent.is_empty() {
            let count = difference.absent.len();
            note(&format!("{count} things are there and in no file, and stay: `claviger plan` names them"));
        }
        applied.end()?;
        match difference.stuck.len() {
            0 => Ok(()),
            count => Err(Failure::failed(format!("{count} of what the files say cannot be")).with_findings(
                difference
                    .stuck
                    .iter()
                    .map(|one| format!("{} {}: {}", one.what, one.name, one.why))
                    .collect(),
            )),
        }
    }
}

impl ExportCommand {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let Self::Policy(ExportPolicyArgs { out, force }) = self;
        let live = Live::read(&session.client()?).await?;
        let files = files::written(&live.policy());
        files::write(&out, &files, force.existing())?;
        for (name, _) in &files {
            print_line(&out.join(name).display().to_string())?;
        }
        Difference { other_grants: live.other_grants, ..Difference::default() }.note();
        Ok(())
    }
}

impl DriftArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let (files, digest) = read(&self.files)?;
        let client = session.client()?;
        let live = Live::read(&client).await?;
        let compared_at = clock::now();
        let difference = compare(&files, &live, compared_at);
        let found =
            Found { files: hex::encode(digest), differences: difference.count(), difference: &difference };
        found.print(session)?;
        if self.record {
            let declared = Declared::PolicyFiles(PolicyFiles {
                sha256: Sha256(digest).into(),
                differences: u32::try_from(found.differences).unwrap_or(u32::MAX),
                compared_at: compared_at.into(),
            });
            let text = "what there is, held against the files of its policy".to_owned();
            let recorded = client.declare(&Declare { declared, text }).await?.value;
            note(&format!("recorded: declaration {}", recorded.id));
        }
        if found.differences > 0 { Err(differs(found.differences)) } else { Ok(()) }
    }
}

fn differs(count: usize) -> Failure {
    let things = if count == 1 { "1 thing".to_owned() } else { format!("{count} things") };
    Failure::unverified(format!("the deployment differs from the files in {things}"))
        .advise("`claviger apply` makes it what they say; or the files are changed, and reviewed")
}

/// Reads files, and holds their parameters against the catalogue of controls.
fn read(dir: &Path) -> Result<(Files, [u8; 32]), Failure> {
    let (files, digest) = files::read(dir)?;
    check_parameters(&files)?;
    Ok((files, digest))
}

fn check_parameters(files: &Files) -> Result<(), Failure> {
    if files.parameters.is_empty() {
        return Ok(());
    }
    let catalogue = Catalogue::load().map_err(|error| Failure::failed(error.to_string()))?;
    for (name, from) in &files.parameters {
        let Some(known) = catalogue.find_parameter(name.as_str()) else {
            return Err(Failure::failed(format!("{}: the catalogue has no parameter `{name}`", from.place)));
        };
        if !known.takes(from.said.value.as_str()) {
            let message = format!("{}: `{}` is no value of `{name}`", from.place, from.said.value);
            return Err(Failure::failed(message).advise(format!("its default is `{}`", known.default)));
        }
    }
    Ok(())
}

//! `claviger demo`: the main job on real files, start to finish, every step shown and checked.

mod approval;
mod data;
mod evidence;
mod instance;
mod pack;
mod people;
mod play;
mod steps;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::clock;
use crate::failure::Failure;
use crate::output::units;
use crate::progress;
use crate::session::Session;

/// The demonstration, or its data alone.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Starts an instance of its own on free ports of the loopback interface, and stops it at the end. Needs no \
profile, and touches no other deployment. Exit code 0 only if every step held."
)]
pub struct DemoArgs {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    run: RunArgs,
}

/// Parts that can be had alone.
#[derive(Debug, Subcommand)]
enum Part {
    /// Write the data set of the demonstration: invented cardholder and patient records
    Data(DataArgs),
}

/// How to run the demonstration.
#[derive(Debug, Args)]
struct RunArgs {
    /// Directory for everything that comes of it, kept; it must be empty or new
    ///
    /// Without it, everything is in a temporary directory and gone at the end.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Protect the files of this directory instead of invented ones; they are only read
    #[arg(long, value_name = "DIR")]
    input: Option<PathBuf>,
    /// How many mebibytes of invented files at least
    #[arg(long, default_value_t = 50, value_name = "N", conflicts_with = "input", value_parser = clap::value_parser!(u32).range(1..=10_240))]
    megabytes: u32,
}

/// Which data, and where to.
#[derive(Debug, Args)]
struct DataArgs {
    /// Directory for the files; it is made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many mebibytes at least
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_240))]
    megabytes: u32,
}

#[derive(Debug, Serialize)]
struct DataWritten {
    directory: String,
    files: usize,
    bytes: u64,
}

impl DemoArgs {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        match self.part {
            Some(Part::Data(args)) => args.run(session),
            None => self.run.run(session).await,
        }
    }
}

impl RunArgs {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let temporary = tempfile::Builder::new().prefix("claviger-demo-").tempdir();
        let temporary =
            temporary.map_err(|error| Failure::failed(format!("no temporary directory: {error}")))?;
        let dir = match &self.dir {
            Some(dir) => empty(dir)?,
            None => temporary.path().to_owned(),
        };
        let start = clock::start();
        let mut steps = steps::Steps::default();
        let played = tokio::select! {
            played = play::play(&self, &dir, &mut steps) => played,
            _ = tokio::signal::ctrl_c() => Err(Failure::failed("interrupted; the instance is stopped")),
        };
        // The summary comes first also when a step did not hold: it says which. What to do then, the failure says.
        let next = if played.is_ok() { self.next(&dir) } else { Vec::new() };
        steps.print(session.format, start.elapsed(), next)?;
        played
    }

    fn next(&self, dir: &Path) -> Vec<String> {
        let shown = dir.display();
        if self.dir.is_none() {
            return vec![
                "claviger demo --dir DIR        the same, and everything is kept".to_owned(),
                "claviger quickstart            a deployment of your own, with a profile per role".to_owned(),
            ];
        }
        vec![
            format!("{shown}/protected             what an application stores"),
            format!("{shown}/refusal.proof         proof that a refusal is in the log"),
            format!("claviger audit verify --dir {shown}/log --offline"),
            format!("{shown}/evidence-pack/report/report.html    the report, for people"),
            format!("claviger-verify {shown}/evidence-pack --root-vkey {shown}/log/root.vkey"),
            format!("claviger quickstart --dir {shown}/deployment    serves the same deployment again"),
            format!(
                "claviger --profile {shown}/deployment/profiles/auditor.toml audit search --outcome denied"
            ),
        ]
    }
}

/// The directory, made if it is not there. Names are bound for ever, so that the demonstration needs a directory of its own.
fn empty(dir: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(dir).map_err(|error| Failure::file(dir, &error))?;
    let mut entries = fs::read_dir(dir).map_err(|error| Failure::file(dir, &error))?;
    if entries.next().is_some() {
        return Err(Failure::usage(format!("`{}` is not empty", dir.display()))
            .advise("name a directory that is empty or new"));
    }
    fs::canonicalize(dir).map_err(|error| Failure::file(dir, &error))
}

impl DataArgs {
    fn run(&self, session: &Session) -> Result<(), Failure> {
        let bar = progress::bytes("writing", Some(u64::from(self.megabytes) * 1024 * 1024));
        let written = data::write(&self.out, self.megabytes, |bytes| bar.inc(bytes));
        bar.finish_and_clear();
        let written = written.map_err(|error| Failure::file(&self.out, &error))?;
        let directory = self.out.display().to_string();
        let shown = DataWritten { directory, files: written.files, bytes: written.bytes };
        session.format.print(&shown, |shown| {
            format!("{} files, {}, in `{}`", shown.files, units::bytes(shown.bytes), shown.directory)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demonstration_wants_ground_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("new");
        assert!(empty(&new).is_ok());
        fs::write(new.join("x"), "x").unwrap();
        assert_eq!(empty(&new).unwrap_err().exit(), crate::failure::Exit::Usage);
    }
}

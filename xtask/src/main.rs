//! Chores of the project, written in Rust so that they run wherever it is built.

mod absent;
mod advisories;
mod bench;
mod cargo;
mod check;
mod deny;
mod exposure;
mod graph;
mod license;
mod links;
mod outside;
mod package;
mod sbom;
mod targets;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Chores of the project.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Holds the lock file against a copy of the advisory database, offline.
    Advisories {
        /// Folder with `crates/` or `advisory-db.tar.xz`. Default: what `CLAVIGER_ADVISORIES` names, else `rustsec` in
        /// the folder of published data, if there is one.
        #[arg(long)]
        db: Option<PathBuf>,
    },
    /// Measures the server, release build, against floors on the same stack. What follows goes to `claviger-bench`:
    /// nothing for speed, `scale` for a million keys, `fair` for what callers suffer from each other, `compare COMMIT` for
    /// another build beside this one, `-o json` for programs, `--help` for the rest. `--profile NAME` builds another profile.
    Bench {
        /// Handed on.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Format, lints, arrows and tests: what must hold of every commit. Tests whose data is absent are skipped, if
    /// `golden/absent-data.txt` lists them.
    Check,
    /// Makes the Debian package, one with its debug symbols, checksums and a bill of materials, under `target/package`.
    /// Wants binutils, dpkg-dev, gzip and help2man.
    Deb(package::Options),
    /// Holds licences, bans and sources of all dependencies against `deny.toml`.
    Deny,
    /// Makes the container image (OCI) of the files of the Debian package and a few packages of Debian, under
    /// `target/package`. Wants mmdebstrap too.
    Image(package::Options),
    /// Writes the software bill of materials of the binaries: CycloneDX 1.6, JSON.
    Sbom {
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// The last line of `./test`: what was skipped or not checked on this machine.
    Summary,
    /// Holds dependencies between crates against `arrows.toml`, fuzz targets against their checks, the unit against its
    /// guide, and that no source reads outside of the checkout.
    Tidy,
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Advisories { db } => advisories::run(db.as_deref()),
        Chore::Bench { arguments } => bench::run(&arguments),
        Chore::Check => check::run(),
        Chore::Deb(options) => package::deb(&options),
        Chore::Deny => deny::run(),
        Chore::Image(options) => package::image(&options),
        Chore::Sbom { out } => sbom::run(&out),
        Chore::Summary => absent::summary(),
        Chore::Tidy => tidy::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

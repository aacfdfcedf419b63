//! What is shipped: a Debian package and a container image, made of the same files. The same commit, compiler and packages of
//! Debian give the same bytes: whatever has a time has that of the commit.

mod deb;
mod files;
mod image;
mod oci;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::Args;

use self::files::Staged;
use crate::cargo::{said, target_dir};
use crate::graph::root;

/// Which build is packed, and as what.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The profile that is built
    #[arg(long, default_value = "release")]
    profile: String,
    /// The version of the package
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    version: String,
}

/// What is known of the release.
#[derive(Debug)]
struct Release {
    version: String,
    /// As Debian names it: `amd64`.
    architecture: String,
    /// Seconds since the Unix epoch, of the commit or of `SOURCE_DATE_EPOCH`.
    epoch: u64,
    /// Where what is made goes.
    folder: PathBuf,
}

impl Release {
    fn of(options: &Options) -> Result<Self> {
        let epoch = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) => epoch,
            Err(_) => said(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root()))?,
        };
        let folder = target_dir()?.join("package");
        fs::create_dir_all(&folder)?;
        Ok(Self {
            version: options.version.clone(),
            architecture: said(Command::new("dpkg").arg("--print-architecture"))?,
            epoch: epoch.parse().context("SOURCE_DATE_EPOCH")?,
            folder,
        })
    }

    /// The path of something that is made: `NAME_VERSION_ARCHITECTURE.KIND`.
    fn path(&self, name: &str, kind: &str) -> PathBuf {
        self.folder.join(format!("{name}_{}_{}.{kind}", self.version, self.architecture))
    }

    /// Writes the checksum of a file beside it, in the form that `sha256sum --check` reads.
    fn sum(&self, path: &Path) -> Result<()> {
        let name = path.file_name().context("a path without a name")?;
        let sum = said(Command::new("sha256sum").arg(name).current_dir(&self.folder))?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".sha256");
        fs::write(beside, sum + "\n")?;
        eprintln!("{}", path.display());
        Ok(())
    }
}

/// Makes the Debian packages.
pub(crate) fn deb(options: &Options) -> Result<()> {
    let release = Release::of(options)?;
    let staged = Staged::make(&release, &options.profile)?;
    deb::make(&release, &staged)?;
    bill(&release, &staged)
}

/// Makes the container image.
pub(crate) fn image(options: &Options) -> Result<()> {
    let release = Release::of(options)?;
    let staged = Staged::make(&release, &options.profile)?;
    image::make(&release, &staged)?;
    bill(&release, &staged)
}

/// The bill of materials beside what it is of.
fn bill(release: &Release, staged: &Staged) -> Result<()> {
    let path = release.path("claviger", "cdx.json");
    fs::copy(staged.root().join(files::BILL), &path)?;
    release.sum(&path)
}

//! The Debian packages.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Release;
use super::files::{PROGRAMS, Staged, make_folders, readable};
use crate::cargo::said;
use crate::graph::root;

/// Scripts that run around installing and removing.
const SCRIPTS: [&str; 3] = ["postinst", "postrm", "prerm"];

/// Makes the package and the one with its debug symbols.
pub(super) fn make(release: &Release, staged: &Staged) -> Result<()> {
    let depends = depends(&staged.root())?;
    for script in SCRIPTS {
        let path = staged.root().join("DEBIAN").join(script);
        make_folders(&path)?;
        fs::copy(root().join("deploy/debian").join(script), &path)?;
        readable(&path, 0o755)?;
    }
    build(release, &staged.root(), "claviger", "control", &depends)?;
    build(release, &staged.symbols(), "claviger-dbgsym", "control-dbgsym", "")?;
    // The image is made of the same tree.
    fs::remove_dir_all(staged.root().join("DEBIAN")).context("DEBIAN")
}

fn build(release: &Release, tree: &Path, name: &str, control: &str, depends: &str) -> Result<()> {
    let text = fs::read_to_string(root().join("deploy/debian").join(control))?;
    let fields = [
        ("@VERSION@", release.version.as_str()),
        ("@ARCHITECTURE@", &release.architecture),
        ("@SIZE@", &kibibytes(tree)?),
        ("@DEPENDS@", depends),
        ("@HOMEPAGE@", env!("CARGO_PKG_REPOSITORY")),
    ];
    let text = fields.iter().fold(text, |text, (field, value)| text.replace(field, value));
    let (path, sums) = (tree.join("DEBIAN/control"), tree.join("DEBIAN/md5sums"));
    make_folders(&path)?;
    let files = "find . -path ./DEBIAN -prune -o -type f -printf '%P\\0' | sort -z | xargs -0 md5sum";
    fs::write(&sums, said(Command::new("sh").args(["-c", files]).current_dir(tree))? + "\n")?;
    fs::write(&path, text)?;
    readable(&sums, 0o644)?;
    readable(&path, 0o644)?;
    let made = release.path(name, "deb");
    let mut build = Command::new("dpkg-deb");
    build.env("SOURCE_DATE_EPOCH", release.epoch.to_string());
    said(build.args(["--root-owner-group", "-Zxz", "--build"]).arg(tree).arg(&made))?;
    release.sum(&made)
}

/// What the programs need of other packages, by the libraries that they are linked with.
fn depends(tree: &Path) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let control = dir.path().join("debian/control");
    make_folders(&control)?;
    fs::write(&control, "Source: claviger\n\nPackage: claviger\nArchitecture: any\n")?;
    let mut command = Command::new("dpkg-shlibdeps");
    command.current_dir(dir.path()).arg("-O");
    command.args(PROGRAMS.map(|name| tree.join("usr/bin").join(name)));
    let found = said(&mut command)?;
    Ok(found.strip_prefix("shlibs:Depends=").context("no libraries")?.to_owned())
}

/// Room that a tree takes, as packages say it.
fn kibibytes(tree: &Path) -> Result<String> {
    let used = said(Command::new("du").args(["--apparent-size", "-sk", "--exclude=DEBIAN"]).arg(tree))?;
    Ok(used.split_whitespace().next().context("du")?.to_owned())
}

//! The files that are shipped, laid out as they will lie.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::Release;
use crate::cargo::{build, built, said, target_dir};
use crate::graph::root;
use crate::sbom;

pub(super) const PROGRAMS: [&str; 2] = ["claviger", "claviger-verify"];
/// The bill of materials.
pub(super) const BILL: &str = "usr/share/doc/claviger/sbom.cdx.json";
const DOCS: &str = "usr/share/doc/claviger";
const MANUAL: &str = "usr/share/man/man1";

/// Files of the checkout, and where they lie.
const FILES: [(&str, &str); 10] = [
    ("deploy/claviger.service", "usr/lib/systemd/system/claviger.service"),
    ("deploy/claviger.sysusers", "usr/lib/sysusers.d/claviger.conf"),
    ("deploy/claviger.tmpfiles", "usr/lib/tmpfiles.d/claviger.conf"),
    ("deploy/compose.yaml", "usr/share/doc/claviger/deploy/compose.yaml"),
    (
        "deploy/monitoring/grafana-dashboard.json",
        "usr/share/doc/claviger/deploy/monitoring/grafana-dashboard.json",
    ),
    (
        "deploy/monitoring/prometheus-rules.yaml",
        "usr/share/doc/claviger/deploy/monitoring/prometheus-rules.yaml",
    ),
    ("deploy/debian/copyright", "usr/share/doc/claviger/copyright"),
    ("CHANGELOG.md", "usr/share/doc/claviger/CHANGELOG.md"),
    ("README.md", "usr/share/doc/claviger/README.md"),
    ("SECURITY.md", "usr/share/doc/claviger/SECURITY.md"),
];

/// Shells, and where each looks for completions of `claviger`.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/claviger"),
    ("fish", "usr/share/fish/vendor_completions.d/claviger.fish"),
    ("zsh", "usr/share/zsh/vendor-completions/_claviger"),
];

/// The trees of what is shipped and of its debug symbols.
#[derive(Debug)]
pub(super) struct Staged(tempfile::TempDir);

impl Staged {
    /// Builds the programs of a profile and lays everything out.
    pub(super) fn make(release: &Release, profile: &str) -> Result<Self> {
        let target = target_dir()?;
        build(&root(), &target, profile, &PROGRAMS)?;
        let staged = Self(tempfile::tempdir()?);
        for (from, to) in FILES {
            staged.put(to, &fs::read(root().join(from)).with_context(|| from.to_owned())?)?;
        }
        for name in PROGRAMS {
            staged.program(&built(&target, profile).join(name))?;
        }
        staged.guides()?;
        staged.completions()?;
        staged.manual(release)?;
        let bill = staged.root().join(BILL);
        sbom::run(&bill)?;
        readable(&bill, 0o644)?;
        Ok(staged)
    }

    /// What is shipped.
    pub(super) fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    /// Its debug symbols, by the build id of the program that they are of.
    pub(super) fn symbols(&self) -> PathBuf {
        self.0.path().join("symbols")
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root().join(path);
        make_folders(&path)?;
        fs::write(&path, bytes)?;
        readable(&path, 0o644)
    }

    /// A program without its debug symbols, and these apart.
    fn program(&self, built: &Path) -> Result<()> {
        let name = built.file_name().context("a program without a name")?;
        let path = self.root().join("usr/bin").join(name);
        let id = build_id(built)?;
        let (start, rest) = id.split_at_checked(2).context("a short build id")?;
        let symbols =
            self.symbols().join("usr/lib/debug/.build-id").join(start).join(format!("{rest}.debug"));
        make_folders(&path)?;
        make_folders(&symbols)?;
        let copy = |arguments: &[&str], from: &Path, to: &Path| {
            said(Command::new("objcopy").args(arguments).arg(from).arg(to)).map(drop)
        };
        copy(&["--only-keep-debug", "--compress-debug-sections"], built, &symbols)?;
        copy(&["--strip-unneeded", "--remove-section=.comment"], built, &path)?;
        readable(&symbols, 0o644)?;
        readable(&path, 0o755)
    }

    /// Guides lie as in the checkout, so that their links hold.
    fn guides(&self) -> Result<()> {
        let listed = said(Command::new("git").args(["ls-files", "docs"]).current_dir(root()))?;
        for name in listed.lines() {
            self.put(&format!("{DOCS}/{name}"), &fs::read(root().join(name))?)?;
        }
        Ok(())
    }

    fn claviger(&self) -> Command {
        Command::new(self.root().join("usr/bin/claviger"))
    }

    fn completions(&self) -> Result<()> {
        for (shell, path) in SHELLS {
            let script = said(self.claviger().args(["completions", shell]))?;
            self.put(path, (script + "\n").as_bytes())?;
        }
        Ok(())
    }

    /// Manual pages: one of each command of `claviger`, and one of `claviger-verify` from its help.
    fn manual(&self, release: &Release) -> Result<()> {
        let folder = self.root().join(MANUAL);
        make_folders(&folder.join("page"))?;
        said(self.claviger().arg("man").arg("--out").arg(&folder))?;
        let mut help = Command::new("help2man");
        help.env("SOURCE_DATE_EPOCH", release.epoch.to_string()).args(["--no-info", "--name"]);
        help.arg("verifies an exported Claviger log offline")
            .arg(self.root().join("usr/bin/claviger-verify"));
        fs::write(folder.join("claviger-verify.1"), said(&mut help)? + "\n")?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            said(Command::new("gzip").args(["-9", "--no-name"]).arg(&path))?;
            readable(&path.with_extension("1.gz"), 0o644)?;
        }
        Ok(())
    }
}

/// The id that the linker gave to a program: it joins it with its debug symbols.
fn build_id(program: &Path) -> Result<String> {
    let notes = said(Command::new("readelf").arg("--notes").arg(program))?;
    let id = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")).map(str::to_owned);
    let id = id.with_context(|| format!("{} has no build id", program.display()))?;
    ensure!(id.len() > 2 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "`{id}` is no build id");
    Ok(id)
}

/// Makes the folders above a path, for all to read.
pub(super) fn make_folders(path: &Path) -> Result<()> {
    let folder = path.parent().context("a path without a folder")?;
    if !folder.exists() {
        make_folders(folder)?;
        fs::create_dir(folder)?;
        readable(folder, 0o755)?;
    }
    Ok(())
}

/// Sets the mode, whatever the one who builds has for new files.
pub(super) fn readable(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_context(|| path.display().to_string())
}

//! The container image: what the programs need of Debian, and the files of the package, for a user that is not root and a root
//! folder that is read-only.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::Release;
use super::files::{Staged, make_folders, readable};
use super::oci::Layout;
use crate::cargo::said;

/// The release of Debian, which the pinned compiler's C library is not newer than.
const DEBIAN: &str = "bookworm";
/// What the programs are linked with, a token in software for trials, and names of hosts and users.
const PACKAGES: &str = "base-files,base-passwd,libc6,libgcc-s1,libsofthsm2,netbase,softhsm2,tzdata";
/// The user that the service runs as, and its group.
const USER: u32 = 10_001;
/// Where it keeps what it writes: the one folder that must be writable.
const STATE: &str = "var/lib/claviger";
/// What the packages bring that no program of the image reads.
const LEFT_OUT: [&str; 4] = ["usr/share/doc", "usr/share/info", "usr/share/man", "var/cache"];

/// Makes the image.
pub(super) fn make(release: &Release, staged: &Staged) -> Result<()> {
    let work = tempfile::tempdir()?;
    let (base, state) = (work.path().join("base"), work.path().join("state"));
    debian(release, &base)?;
    make_folders(&state.join(STATE).join("file"))?;
    readable(&state.join(STATE), 0o700)?;
    let programs = work.path().join("programs");
    for folder in ["usr/bin", "usr/share/doc/claviger"] {
        make_folders(&programs.join(folder))?;
        said(Command::new("cp").arg("-a").arg(staged.root().join(folder)).arg(programs.join(folder)))?;
    }
    let mut layout = Layout::new(&work.path().join("layout"), release)?;
    layout.add(&base, ".", 0, &format!("packages of Debian {DEBIAN}: {PACKAGES}"))?;
    layout.add(&programs, ".", 0, "claviger and claviger-verify")?;
    layout.add(&state, STATE, USER, &format!("/{STATE}"))?;
    let config = json!({
        "User": format!("{USER}:{USER}"),
        "WorkingDir": format!("/{STATE}"),
        "Entrypoint": ["/usr/bin/claviger"],
        "Cmd": ["serve", "--config", "/etc/claviger/claviger.toml"],
        "ExposedPorts": { "7400/tcp": {}, "7401/tcp": {}, "7402/tcp": {} },
        "Volumes": { format!("/{STATE}"): {} },
        "StopSignal": "SIGTERM",
        "Labels": {
            "org.opencontainers.image.title": "claviger",
            "org.opencontainers.image.version": release.version,
            "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
            "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
        },
    });
    let digest = layout.finish(&config)?;
    let made = release.path("claviger", "oci.tar");
    layout.pack(&made)?;
    release.sum(&made)?;
    writeln!(std::io::stdout(), "sha256:{digest}").context("nobody takes the digest")
}

/// A folder with packages of Debian, laid out and not set up: no program of theirs runs.
fn debian(release: &Release, base: &Path) -> Result<()> {
    let mut command = Command::new("mmdebstrap");
    command.env("SOURCE_DATE_EPOCH", release.epoch.to_string()).args(["--quiet", "--variant=extract"]);
    command.arg("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr");
    command.arg(format!("--include={PACKAGES}")).arg(DEBIAN).arg(base);
    said(&mut command)?;
    for folder in LEFT_OUT.into_iter().chain(["dev", "var/lib/apt", "var/lib/dpkg", "var/log"]) {
        let path = base.join(folder);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| folder.to_owned())?;
        }
    }
    let user = format!("claviger:x:{USER}:{USER}:Claviger key management:/{STATE}:/usr/sbin/nologin\n");
    let master = base.join("usr/share/base-passwd");
    let read = |name: &str| fs::read_to_string(master.join(name)).with_context(|| name.to_owned());
    put(base, "etc/passwd", &(read("passwd.master")? + &user))?;
    put(base, "etc/group", &(read("group.master")? + &format!("claviger:x:{USER}:\n")))?;
    make_folders(&base.join("etc/claviger/claviger.toml"))
}

fn put(base: &Path, name: &str, text: &str) -> Result<()> {
    let path = base.join(name);
    make_folders(&path)?;
    fs::write(&path, text)?;
    readable(&path, 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::root;

    #[test]
    fn compose_file_runs_the_user_of_the_image_on_a_root_that_is_read_only() {
        let text = fs::read_to_string(root().join("deploy/compose.yaml")).unwrap();
        assert!(text.contains(&format!("user: \"{USER}:{USER}\"")), "{text}");
        assert!(text.contains("read_only: true") && text.contains(&format!("/{STATE}")), "{text}");
    }
}

//! A small file system of its own for a test: it can be filled to the last byte, and be made read-only, without anything else
//! on the machine noticing. It lives in a mount namespace that a process holds open, and goes with it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::instance::{CLAVIGER, unset};

/// A file system in memory.
pub(crate) struct Volume {
    holder: Child,
    enter: &'static [&'static str],
    dir: PathBuf,
}

impl Volume {
    /// Mounts one of `mebibytes` on `dir`, which must be empty. `None` where the machine gives no namespaces, as within some
    /// containers.
    pub(crate) fn mount(dir: &Path, mebibytes: u32) -> Option<Self> {
        // As root first; others have to be root of a user namespace to mount anything.
        let ways: [(&[&str], &'static [&'static str]); 2] = [
            (&["--mount"], &["--mount"]),
            (&["--user", "--map-root-user", "--mount"], &["--user", "--preserve-credentials", "--mount"]),
        ];
        std::fs::create_dir_all(dir).unwrap();
        ways.into_iter().find_map(|(unshare, enter)| Self::hold(dir, mebibytes, unshare, enter))
    }

    fn hold(dir: &Path, mebibytes: u32, unshare: &[&str], enter: &'static [&'static str]) -> Option<Self> {
        let script = r#"mount -t tmpfs -o "size=$2m,mode=700" tmpfs "$1" && echo mounted && exec cat"#;
        let mut holder = Command::new("unshare")
            .args(unshare)
            .args(["sh", "-c", script, "sh"])
            .arg(dir)
            .arg(mebibytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut line).ok()?;
        let volume = Self { holder, enter, dir: dir.to_owned() };
        (line == "mounted\n").then_some(volume)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.holder.id().to_string()).args(self.enter).arg("--").arg(program);
        command
    }

    /// The binary where the volume is.
    pub(crate) fn claviger(&self) -> Command {
        unset(self.command(CLAVIGER))
    }

    /// Runs a script in the volume's root; gives whether it succeeded.
    pub(crate) fn run(&self, script: &str) -> bool {
        let script = format!("cd \"$1\" && {script}");
        let mut command = self.command("sh");
        command.args(["-c", &script, "sh"]).arg(&self.dir).stderr(Stdio::null());
        command.status().unwrap().success()
    }

    /// Fills it to the last byte.
    pub(crate) fn fill(&self) {
        assert!(!self.run("cat /dev/zero >> filling"), "a volume that never fills");
    }

    /// Gives the space free again.
    pub(crate) fn empty(&self) {
        assert!(self.run("rm filling"));
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

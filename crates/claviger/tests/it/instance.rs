//! A deployment served by the real binary, stopped when it goes out of scope.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// The binary under test.
pub(crate) const CLAVIGER: &str = env!("CARGO_BIN_EXE_claviger");
/// How often, and how long apart, a start is looked at before it counts as failed: a minute.
const LOOKS: u32 = 1200;
const PAUSE: Duration = Duration::from_millis(50);
/// How often a result may be withheld.
const WITHHELD: u32 = 5;
/// Commands that cannot be repeated.
const CHANGES: [&str; 11] = [
    "alias",
    "approve",
    "cancel",
    "cancel-destroy",
    "create",
    "deny",
    "destroy",
    "resume",
    "revoke",
    "rotate",
    "suspend",
];

/// A command of the binary that no setting of the surroundings reaches.
pub(crate) fn claviger() -> Command {
    unset(Command::new(CLAVIGER))
}

/// The command without any setting of the surroundings that is meant for the binary.
pub(crate) fn unset(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CLAVIGER_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command in `dir` with a profile, giving it `input`.
pub(crate) fn run(dir: &Path, profile: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = claviger()
        .current_dir(dir)
        .arg("--profile")
        .arg(profile)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses may not read its input to the end.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// What a command that must succeed printed. A result is withheld, though all was done and recorded, when this machine stood
/// still or its wall clock was set in between: a change then stands, and whatever else it was is asked for again.
pub(crate) fn printed(arguments: &[&str], mut run: impl FnMut() -> Output) -> Vec<u8> {
    for _ in 0..WITHHELD {
        let output = run();
        let said = String::from_utf8_lossy(&output.stderr);
        if !said.contains("(withheld)") {
            assert!(output.status.success(), "{arguments:?}: {said}");
            return output.stdout;
        }
        if arguments.get(1).is_some_and(|verb| CHANGES.contains(verb)) {
            return Vec::new();
        }
    }
    panic!("{arguments:?} is withheld each time");
}

/// A quick start at work.
pub(crate) struct Instance {
    child: Child,
    pub(crate) dir: PathBuf,
    /// What it wrote to its ready file.
    pub(crate) ready: Value,
}

impl Instance {
    /// Starts one in `dir`, with its data in `dir/claviger-data` and its traces in `dir/trace`.
    pub(crate) fn start(dir: &Path, environment: &[(&str, &str)]) -> Self {
        let (ready, trace) = (dir.join("ready.json"), dir.join("trace"));
        let _ = std::fs::remove_file(&ready);
        let trace = std::fs::File::options().create(true).append(true).open(trace).unwrap();
        let mut command = claviger();
        command.current_dir(dir).envs(environment.iter().copied());
        command.args(["quickstart", "--listen", "127.0.0.1:0", "--ready-file", "ready.json"]);
        command.stdin(Stdio::null()).stdout(trace.try_clone().unwrap()).stderr(trace);
        let mut child = command.spawn().unwrap();
        let mut looks = 0;
        while !ready.exists() {
            looks += 1;
            assert!(looks < LOOKS, "it does not serve");
            assert!(child.try_wait().unwrap().is_none(), "{}", said(dir));
            std::thread::sleep(PAUSE);
        }
        let ready = serde_json::from_slice(&std::fs::read(ready).unwrap()).unwrap();
        Self { child, dir: dir.to_owned(), ready }
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs a command with the profile of `who`, giving it `input`.
    pub(crate) fn run(&self, who: &str, arguments: &[&str], input: &[u8]) -> Output {
        let profile = self.ready["profiles"][who].as_str().unwrap();
        run(&self.dir, profile.as_ref(), arguments, input)
    }

    /// The same, where it must succeed; gives what it printed.
    pub(crate) fn done(&self, who: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        printed(arguments, || self.run(who, arguments, input))
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "{}", said(&self.dir));
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("trace")).unwrap_or_default()
}

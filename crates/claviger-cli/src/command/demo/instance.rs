//! An instance of its own for the demonstration: this same program, started as `quickstart`, gone when the demonstration is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::clock;
use crate::failure::Failure;

/// How long it may take to start, the making of its root and certificates included.
const START: Duration = Duration::from_secs(60);
/// How long it may take to stop by itself.
const STOP: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// What the instance says once it serves.
#[derive(Debug, Deserialize)]
pub(super) struct Ready {
    pub(super) urls: Urls,
    pub(super) ca: PathBuf,
    pub(super) profiles: BTreeMap<String, PathBuf>,
    pub(super) root: String,
}

/// Where it is.
#[derive(Debug, Deserialize)]
pub(super) struct Urls {
    pub(super) control: String,
    pub(super) data: String,
}

/// A command of this same program. Settings of another deployment in the environment are not for it.
pub(super) fn this_program() -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CLAVIGER_")) {
        command.env_remove(name);
    }
    Ok(command)
}

/// A running instance. Dropped, it is stopped.
#[derive(Debug)]
pub(super) struct Instance {
    child: Child,
    pub(super) ready: Ready,
}

impl Instance {
    /// Starts this program as `quickstart` in `dir/deployment`, on free ports of the loopback interface.
    ///
    /// # Errors
    /// When it does not start in time; its own words are in `dir/instance.log`.
    pub(super) async fn start(dir: &Path) -> Result<Self, Failure> {
        let log_path = dir.join("instance.log");
        let ready_file = dir.join("ready.json");
        let log = File::create(&log_path).map_err(|error| Failure::file(&log_path, &error))?;
        let spawned = Self::command(dir, &ready_file, log).and_then(|mut command| command.spawn());
        let child =
            spawned.map_err(|error| Failure::failed(format!("the instance does not start: {error}")))?;
        // Owned from here on, so that it is stopped whatever happens while it is waited for.
        let mut starting = Starting(Some(child));
        let start = clock::start();
        while !ready_file.exists() {
            let ended =
                starting.ended().map_err(|error| Failure::failed(format!("the instance: {error}")))?;
            if let Some(status) = ended {
                return Err(did_not_start(&format!("it ended, {status}"), &log_path));
            }
            if start.elapsed() > START {
                return Err(did_not_start("it took too long", &log_path));
            }
            tokio::time::sleep(PAUSE).await;
        }
        let text = std::fs::read(&ready_file).map_err(|error| Failure::file(&ready_file, &error))?;
        let ready = serde_json::from_slice(&text).map_err(|error| {
            Failure::failed(format!("`{}` cannot be understood: {error}", ready_file.display()))
        })?;
        let child = starting.0.take().ok_or_else(|| did_not_start("it is gone", &log_path))?;
        Ok(Self { child, ready })
    }

    fn command(dir: &Path, ready_file: &Path, log: File) -> io::Result<Command> {
        let mut command = this_program()?;
        command.arg("quickstart").arg("--dir").arg(dir.join("deployment"));
        command.arg("--ready-file").arg(ready_file).args(["--listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }

    /// The profile of one of those whom the instance begins with.
    ///
    /// # Errors
    /// When there is no such profile.
    pub(super) fn profile(&self, name: &str) -> Result<&Path, Failure> {
        let profile = self.ready.profiles.get(name).map(PathBuf::as_path);
        profile.ok_or_else(|| Failure::failed(format!("the instance has no profile `{name}`")))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// A child that may not have become an instance yet.
struct Starting(Option<Child>);

impl Starting {
    fn ended(&mut self) -> io::Result<Option<std::process::ExitStatus>> {
        self.0.as_mut().map_or(Ok(None), Child::try_wait)
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            stop(child);
        }
    }
}

/// Asks it to stop, and makes it when it does not.
fn stop(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
    let start = clock::start();
    while start.elapsed() < STOP {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(PAUSE);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn did_not_start(why: &str, log: &Path) -> Failure {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = said.lines().rev().take(5).collect();
    let last = lines.into_iter().rev().map(str::to_owned).collect();
    Failure::failed(format!("the instance does not serve: {why}")).with_findings(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_file_is_read_as_quickstart_writes_it() {
        let ready: Ready = serde_json::from_str(
            r#"{"urls": {"control": "https://127.0.0.1:1", "data": "https://127.0.0.1:2", "metrics": "http://127.0.0.1:3"},
                "ca": "/d/ca.pem", "profiles": {"auditor": "/d/profiles/auditor.toml"}, "config": "/d/claviger.toml",
                "root": "insecure_software_root"}"#,
        )
        .unwrap();
        assert_eq!(ready.urls.data, "https://127.0.0.1:2");
        assert_eq!(ready.profiles.len(), 1);
    }

    #[test]
    fn child_is_gone_when_its_owner_is() {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        drop(Starting(Some(child)));
        assert!(rustix::process::test_kill_process(pid).is_err());
    }
}

//! The servers under test: processes of their own, on cores of one's choice, ended when they go out of scope.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use tokio::time::Instant;

use crate::floor::Kind;
use crate::load::Target;
use crate::peer;
use crate::signed::AccessKey;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);
/// How often a start is looked at.
const PAUSE: Duration = Duration::from_millis(1);

/// A process that is killed when it goes out of scope.
#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Starts it and waits for what it writes to `ready`.
    fn start(command: &mut Command, ready: &Path, trace: &Path) -> Result<(Self, Vec<u8>)> {
        let _ = fs::remove_file(ready);
        let trace_file = File::options().create(true).append(true).open(trace)?;
        command.stdin(Stdio::null()).stdout(trace_file.try_clone()?).stderr(trace_file);
        let begun = Instant::now();
        let mut process = Self(command.spawn().with_context(|| format!("{command:?}"))?);
        loop {
            if ready.exists() {
                return Ok((process, fs::read(ready)?));
            }
            let ended = process.0.try_wait()?.is_some() || begun.elapsed() > START;
            ensure!(!ended, "it does not serve; see {}", trace.display());
            std::thread::sleep(PAUSE);
        }
    }
}

/// A floor at work.
#[derive(Debug)]
pub struct FloorProcess {
    process: Process,
    /// Where it serves.
    pub address: SocketAddr,
}

impl FloorProcess {
    /// Starts one with the TLS of the deployment in `dir`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(kind: Kind, dir: &Path) -> Result<Self> {
        let name = match kind {
            Kind::Bare => "bare",
            Kind::Durable => "durable",
        };
        let (ready, trace) = (dir.join(format!("{name}.ready")), dir.join(format!("{name}.trace")));
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["floor", name, "--config"]).arg(dir.join("claviger.toml"));
        command.arg("--dir").arg(dir).arg("--ready-file").arg(&ready);
        let (process, address) = Process::start(&mut command, &ready, &trace)?;
        Ok(Self { process, address: std::str::from_utf8(&address)?.parse()? })
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.0.id()
    }
}

/// What the server writes to its ready file.
#[derive(Debug, Deserialize)]
struct Ready {
    urls: Urls,
    ca: PathBuf,
    profiles: BTreeMap<String, PathBuf>,
    clients: BTreeMap<String, PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Urls {
    control: String,
    data: String,
    aws: String,
}

/// The real server at work: `claviger quickstart`.
#[derive(Debug)]
pub struct Instance {
    process: Process,
    program: PathBuf,
    ready: Ready,
    trace: PathBuf,
}

impl Instance {
    /// Starts it in `dir`, which may be new, or hold what an earlier one left.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(dir: &Path) -> Result<Self> {
        Self::start_program(&program()?, dir)
    }

    /// The same of another build.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_program(program: &Path, dir: &Path) -> Result<Self> {
        let program = program.to_owned();
        let (ready, trace) = (dir.join("ready.json"), dir.join("server.trace"));
        let mut command = bare_command(&program);
        command.args(["quickstart", "--evaluation", "--listen", "127.0.0.1:0", "--ready-file"]).arg(&ready);
        command.arg("--dir").arg(dir);
        let (process, ready) = Process::start(&mut command, &ready, &trace)?;
        Ok(Self { process, program, ready: serde_json::from_slice(&ready)?, trace })
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// Runs one of its commands in the profile of `who`; gives what it prints.
    ///
    /// # Errors
    /// When it is refused.
    pub fn run(&self, who: &str, arguments: &[&str]) -> Result<String> {
        let mut command = bare_command(&self.program);
        command.arg("--profile").arg(self.profile(who)?).args(arguments).stdin(Stdio::null());
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{}` failed: {said}", arguments.join(" "));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a command by the first of these who may: who may has changed between releases.
    ///
    /// # Errors
    /// When all are refused.
    pub fn run_by_any(&self, who: &[&str], arguments: &[&str]) -> Result<String> {
        let mut refusals = Vec::new();
        for one in who.iter().filter(|one| self.ready.profiles.contains_key(**one)) {
            match self.run(one, arguments) {
                Ok(said) => return Ok(said),
                Err(error) => refusals.push(error.to_string()),
            }
        }
        bail!("{}", refusals.join("; "))
    }

    /// Makes an application with an access key, and gives the key.
    ///
    /// # Errors
    /// When nobody may.
    pub fn create_aws_workload(&self, name: &str) -> Result<AccessKey> {
        let makers = ["administrator", "security_officer"];
        self.run_by_any(&makers, &["principal", "create", name, "--kind", "workload"])?;
        let made =
            self.run_by_any(&makers, &["credential", "create", name, "--kind", "access-key", "-o", "json"])?;
        let made: serde_json::Value = serde_json::from_str(&made)?;
        let member = |name: &str| made.get(name).and_then(|value| value.as_str());
        let id = member("access_key_id").context("an access key without an identifier")?;
        let secret = member("secret_access_key").context("an access key without a secret")?;
        let (_, evaluation) = self.aws()?;
        Ok(evaluation.of_another(id, secret))
    }

    /// The API of AWS KMS, with the access key that may do everything in the ring `evaluation`.
    ///
    /// # Errors
    /// When there is none.
    pub fn aws(&self) -> Result<(Target, AccessKey)> {
        let settings = self.ready.clients.get("aws").context("no settings for AWS clients")?;
        let target = self.target(&self.ready.urls.aws, "app")?;
        Ok((target, AccessKey::read(&fs::read_to_string(settings)?)?))
    }

    /// The data plane, for `who`.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn data(&self, who: &str) -> Result<Target> {
        self.target(&self.ready.urls.data, who)
    }

    /// The control plane, for `who`.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn control(&self, who: &str) -> Result<Target> {
        self.target(&self.ready.urls.control, who)
    }

    /// Anything else that has the server's certificate, for `who`.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn beside(&self, address: SocketAddr, who: &str) -> Result<Target> {
        let profile = self.profile(who)?;
        let client =
            peer::client(&self.ready.ca, &profile.with_extension("crt"), &profile.with_extension("key"))?;
        Ok(Target { address, client })
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it does not stop in order.
    pub fn stop(mut self) -> Result<()> {
        let process = i32::try_from(self.id()).ok().and_then(rustix::process::Pid::from_raw);
        let process = process.context("the process has no number")?;
        rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        let status = self.process.0.wait()?;
        ensure!(status.success(), "the server failed; see {}", self.trace.display());
        Ok(())
    }

    fn target(&self, url: &str, who: &str) -> Result<Target> {
        let address = url.strip_prefix("https://").context("a URL of another kind")?;
        self.beside(address.parse()?, who)
    }

    fn profile(&self, who: &str) -> Result<&PathBuf> {
        self.ready.profiles.get(who).with_context(|| format!("no profile `{who}`"))
    }
}

/// The server that was built beside this program.
fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("claviger");
    ensure!(program.exists(), "{} is missing; `cargo xtask bench` builds it", program.display());
    Ok(program)
}

/// A command that no setting of the surroundings reaches.
fn bare_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CLAVIGER_")) {
        command.env_remove(name);
    }
    command
}

//! A deployment in a temporary folder, whether or not it is served just now.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::client::aws::KEY_STORE;
use crate::client::{AccessKey, Answer, Connection, Identity, Route, watch};
use crate::machine;
use crate::token::Token;

/// How long a server may take to start, or to stop.
const LONGEST: Duration = Duration::from_secs(60);
/// How often it is looked at meanwhile.
const PAUSE: Duration = Duration::from_millis(10);
/// How often a command is asked again whose answer was withheld.
const WITHHELD: u32 = 5;

/// What all attacks of a run share.
#[derive(Debug, Clone)]
pub struct Lab {
    binary: PathBuf,
}

impl Lab {
    /// Attacks on this binary.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(binary: &Path) -> Result<Self> {
        let binary = binary.canonicalize().with_context(|| binary.display().to_string())?;
        ensure!(binary.is_file(), "{} is no program", binary.display());
        Ok(Self { binary })
    }

    /// A command of the binary that no setting of the surroundings reaches.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CLAVIGER_"))
        {
            command.env_remove(name);
        }
        command
    }
}

/// Which listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// For AWS clients.
    Aws,
    /// For people.
    Control,
    /// For applications.
    Data,
}

impl Plane {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Aws, Self::Control, Self::Data];

    const fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Control => "control",
            Self::Data => "data",
        }
    }
}

/// A deployment: `claviger quickstart` with a software root, on ports that were free.
#[derive(Debug)]
pub struct Site {
    lab: Lab,
    dir: tempfile::TempDir,
    evaluation: bool,
    /// Variables of the server and of commands.
    environment: BTreeMap<String, String>,
    serving: Option<Child>,
    ready: Value,
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// What it gave.
    pub output: String,
    /// What it complained of.
    pub complaint: String,
}

impl Said {
    /// Was it done?
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.status.success()
    }

    /// The output as JSON; `null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.output).unwrap_or_default()
    }

    /// The problem that it printed as JSON, if it did.
    fn problem(&self) -> Option<Value> {
        let rest = self.complaint.get(self.complaint.find('{')?..)?;
        serde_json::Deserializer::from_str(rest).into_iter::<Value>().next()?.ok()
    }

    /// The approval of others that it waits for.
    #[must_use]
    pub fn approval(&self) -> Option<String> {
        Some(self.problem()?.get("approval")?.as_str()?.to_owned())
    }

    /// What it complained of, in one line: the problem that it printed as JSON, or its last line.
    #[must_use]
    pub fn reason(&self) -> String {
        let problem = self.problem();
        let member = |name: &str| problem.as_ref()?.get(name)?.as_str().map(str::to_owned);
        match (member("code"), member("detail")) {
            (Some(code), Some(detail)) => format!("{code}: {detail}"),
            _ => self.complaint.trim().lines().last().unwrap_or_default().to_owned(),
        }
    }
}

impl Site {
    /// Sets one up, and serves it.
    ///
    /// # Errors
    /// When it does not serve.
    pub fn set_up(lab: &Lab) -> Result<Self> {
        Self::make(lab, false, &[])
    }

    /// The same with its root in a token.
    ///
    /// # Errors
    /// When it does not serve.
    pub fn set_up_in(lab: &Lab, token: &Token) -> Result<Self> {
        Self::make_in(lab, false, token)
    }

    /// The same as [`Self::set_up`] with a relaxed ring `evaluation`, and an access key that may do everything in it.
    ///
    /// # Errors
    /// When it does not serve.
    pub fn set_up_for_evaluation(lab: &Lab) -> Result<Self> {
        Self::make(lab, true, &[])
    }

    /// The same with its root in a token.
    ///
    /// # Errors
    /// When it does not serve.
    pub fn set_up_for_evaluation_in(lab: &Lab, token: &Token) -> Result<Self> {
        Self::make_in(lab, true, token)
    }

    /// The same as [`Self::set_up_for_evaluation`], and an external key store of AWS KMS to whoever has an access key, under [`KEY_STORE`].
    ///
    /// # Errors
    /// When it does not serve.
    pub fn set_up_as_key_store(lab: &Lab) -> Result<Self> {
        let settings =
            [("CLAVIGER_XKS__URI_PREFIX", KEY_STORE), ("CLAVIGER_XKS__REQUIRE_CLIENT_CERTIFICATE", "false")];
        Self::make(lab, true, &settings)
    }

    fn make_in(lab: &Lab, evaluation: bool, token: &Token) -> Result<Self> {
        let variables = token.variables(Token::PIN);
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Self::make(lab, evaluation, &variables)
    }

    fn make(lab: &Lab, evaluation: bool, settings: &[(&str, &str)]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let environment =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut site =
            Self { lab: lab.clone(), dir, evaluation, environment, serving: None, ready: Value::Null };
        site.serve()?;
        Ok(site)
    }

    /// A path in the folder of the attack.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A path in the folder of the deployment.
    #[must_use]
    pub fn deployed(&self, name: &str) -> PathBuf {
        self.path("deployment").join(name)
    }

    /// Serves it.
    ///
    /// # Errors
    /// When it does not serve.
    pub fn serve(&mut self) -> Result<()> {
        if let Some(status) = self.try_serve()? {
            bail!("it does not serve ({status}): {}", self.trace());
        }
        Ok(())
    }

    /// Serves it, or gives how the process ended instead.
    ///
    /// # Errors
    /// When it does neither.
    pub fn try_serve(&mut self) -> Result<Option<ExitStatus>> {
        self.serve_with(&[])
    }

    /// The same with further options.
    ///
    /// # Errors
    /// As [`Self::try_serve`].
    pub fn serve_with(&mut self, options: &[&str]) -> Result<Option<ExitStatus>> {
        ensure!(self.serving.is_none(), "it is served already");
        let ready = self.path("ready.json");
        let _ = fs::remove_file(&ready);
        let trace = File::create(self.path("trace"))?;
        let mut command = self.lab.command();
        command.args(["quickstart", "--listen", "127.0.0.1:0", "--dir"]).arg(self.path("deployment"));
        command.arg("--ready-file").arg(&ready).args(self.evaluation.then_some("--evaluation")).args(options);
        command.envs(&self.environment).env("CLAVIGER_LOG__FORMAT", "json");
        command.stdin(Stdio::null()).stdout(trace.try_clone()?).stderr(trace);
        let mut child = command.spawn().context("the binary does not start")?;
        let begun = machine::now();
        while machine::now() - begun < LONGEST {
            if let Some(text) = fs::read(&ready).ok().filter(|text| !text.is_empty()) {
                self.ready = serde_json::from_slice(&text)?;
                self.serving = Some(child);
                return Ok(None);
            }
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            std::thread::sleep(PAUSE);
        }
        child.kill()?;
        child.wait()?;
        bail!("it neither serves nor ends: {}", self.trace())
    }

    /// From the next start on, the server and all commands have these variables.
    pub fn set(&mut self, variables: &[(&str, String)]) {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        self.environment.extend(variables);
    }

    /// From the next start on, the server and all commands see a clock that is off by this, as in `+31d` or `-4m`
    /// (libfaketime). The clock of the time since boot stays what it is, as after somebody set the clock.
    ///
    /// # Errors
    /// When Debian's package `faketime` is not installed.
    pub fn set_clock(&mut self, off: &str) -> Result<()> {
        self.environment.extend(machine::clock(off)?);
        Ok(())
    }

    /// The machine's clock again, from the next start on.
    pub fn set_clock_right(&mut self) {
        self.environment.clear();
    }

    /// The server's process.
    ///
    /// # Errors
    /// When it is not served.
    pub fn process(&self) -> Result<u32> {
        Ok(self.serving.as_ref().context("it is not served")?.id())
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// When it is not served, or does not stop.
    pub fn stop(&mut self) -> Result<()> {
        let mut child = self.serving.take().context("it is not served")?;
        let process = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let process = process.context("the process has no number")?;
        rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        let begun = machine::now();
        while machine::now() - begun < LONGEST {
            if let Some(status) = child.try_wait()? {
                ensure!(status.success(), "it ended with {status}: {}", self.trace());
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        child.kill()?;
        child.wait()?;
        bail!("it does not stop: {}", self.trace())
    }

    /// Ends it without warning.
    ///
    /// # Errors
    /// When it is not served.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.serving.take().context("it is not served")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// What the server printed since its last start.
    #[must_use]
    pub fn trace(&self) -> String {
        fs::read_to_string(self.path("trace")).unwrap_or_default()
    }

    /// Names of the people and the application that a deployment begins with.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let profiles = self.ready.get("profiles").and_then(Value::as_object);
        profiles.map(|profiles| profiles.keys().cloned().collect()).unwrap_or_default()
    }

    /// Those whose name begins with a word, as in `security_officer`.
    #[must_use]
    pub fn all(&self, word: &str) -> Vec<String> {
        self.names().into_iter().filter(|name| name.starts_with(word)).collect()
    }

    /// The file of a profile.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn profile(&self, who: &str) -> Result<PathBuf> {
        let path = self.ready.pointer(&format!("/profiles/{who}")).and_then(Value::as_str);
        Ok(path.with_context(|| format!("no profile `{who}`"))?.into())
    }

    /// Runs a command in the profile of `who`.
    ///
    /// # Errors
    /// When it does not run.
    pub fn run(&self, who: &str, arguments: &[&str]) -> Result<Said> {
        self.run_profile(&self.profile(who)?, arguments)
    }

    /// Runs a command with a profile, asking again when the answer was withheld: that is a matter of the machine's mood, and
    /// what was asked for is done.
    ///
    /// # Errors
    /// When it does not run.
    pub fn run_profile(&self, profile: &Path, arguments: &[&str]) -> Result<Said> {
        let mut said = self.run_once(profile, arguments)?;
        for _ in 0..WITHHELD {
            if said.is_done() || !said.complaint.contains("(withheld)") {
                break;
            }
            said = self.run_once(profile, arguments)?;
        }
        Ok(said)
    }

    fn run_once(&self, profile: &Path, arguments: &[&str]) -> Result<Said> {
        let mut command = self.lab.command();
        command.arg("--profile").arg(profile).args(["-o", "json"]).args(arguments);
        command.current_dir(self.dir.path()).envs(&self.environment).stdin(Stdio::null());
        let output = command.output().context("the binary does not start")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Said { status: output.status, output: text(output.stdout), complaint: text(output.stderr) })
    }

    /// Runs a command that must succeed; gives what it printed.
    ///
    /// # Errors
    /// When it is refused.
    pub fn done(&self, who: &str, arguments: &[&str]) -> Result<Value> {
        let said = self.run(who, arguments)?;
        ensure!(said.is_done(), "`{}` as {who} was refused: {}", arguments.join(" "), said.reason());
        Ok(said.json())
    }

    /// The first of these who may do it does; which one may has changed between releases.
    ///
    /// # Errors
    /// When all are refused.
    pub fn done_by_any(&self, who: &[String], arguments: &[&str]) -> Result<Value> {
        let mut reasons = Vec::new();
        for one in who {
            let said = self.run(one, arguments)?;
            if said.is_done() {
                return Ok(said.json());
            }
            reasons.push(format!("{one}: {}", said.reason()));
        }
        bail!("`{}` was refused: {}", arguments.join(" "), reasons.join("; "))
    }

    /// Who makes workloads and their credentials: the administrator, or in earlier releases a security officer.
    #[must_use]
    pub fn makers(&self) -> Vec<String> {
        [self.all("administrator"), self.all("security_officer")].concat()
    }

    /// The first of them who may ask for this by REST.
    ///
    /// # Errors
    /// When nobody may.
    pub fn maker(&self, request: &[u8]) -> Result<String> {
        for who in self.makers() {
            if self.ask(Plane::Control, &self.identity(&who)?, request)?.is_done() {
                return Ok(who);
            }
        }
        bail!("nobody may make principals")
    }

    /// Makes an application.
    ///
    /// # Errors
    /// When nobody may.
    pub fn create_workload(&self, name: &str, home: Option<&str>) -> Result<()> {
        let mut arguments = vec!["principal", "create", name, "--kind", "workload"];
        arguments.extend(home.into_iter().flat_map(|home| ["--home", home]));
        self.done_by_any(&self.makers(), &arguments).map(drop)
    }

    /// Makes an application with an access key.
    ///
    /// # Errors
    /// When nobody may.
    pub fn create_aws_workload(&self, name: &str, home: Option<&str>) -> Result<AccessKey> {
        self.create_workload(name, home)?;
        let file = self.path(&format!("{name}.env"));
        let out = file.display().to_string();
        let create = ["credential", "create", name, "--kind", "access-key", "--out", &out];
        self.done_by_any(&self.makers(), &create)?;
        self.access_key(&file)
    }

    /// Grants, by a security officer who may.
    ///
    /// # Errors
    /// When none may.
    pub fn grant(&self, arguments: &[&str]) -> Result<Value> {
        let arguments = [&["grant", "create"], arguments, &["--reason", "attack"]].concat();
        self.done_by_any(&self.all("security_officer"), &arguments)
    }

    /// The access key of the ring `evaluation`.
    ///
    /// # Errors
    /// When there is none.
    pub fn evaluation_key(&self) -> Result<AccessKey> {
        let path = self.ready.pointer("/clients/aws").and_then(Value::as_str);
        self.access_key(Path::new(path.context("it was not set up for evaluation")?))
    }

    fn access_key(&self, file: &Path) -> Result<AccessKey> {
        let settings = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        AccessKey::read(&settings, self.listener(Plane::Aws)?, self.nobody()?)
    }

    /// Where a listener is.
    ///
    /// # Errors
    /// When it is not served.
    pub fn listener(&self, plane: Plane) -> Result<SocketAddr> {
        self.address(plane.name(), "https://")
    }

    /// A metric, summed over its labels.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn metric(&self, name: &str) -> Result<f64> {
        watch::metric(self.address("metrics", "http://")?, name)
    }

    fn address(&self, listener: &str, scheme: &str) -> Result<SocketAddr> {
        let url = self.ready.pointer(&format!("/urls/{listener}")).and_then(Value::as_str);
        let url = url.with_context(|| format!("no listener `{listener}`"))?;
        Ok(url.strip_prefix(scheme).context("a URL of another kind")?.trim_end_matches('/').parse()?)
    }

    /// The file of the authority that the server's certificate is from.
    ///
    /// # Errors
    /// When it is not served.
    pub fn authority(&self) -> Result<PathBuf> {
        Ok(self.ready.get("ca").and_then(Value::as_str).context("no authority")?.into())
    }

    /// A caller without a certificate.
    ///
    /// # Errors
    /// When the authority's certificate cannot be read.
    pub fn nobody(&self) -> Result<Identity> {
        Identity::nobody(&self.authority()?)
    }

    /// The holder of a profile's certificate.
    ///
    /// # Errors
    /// When it has none.
    pub fn identity(&self, who: &str) -> Result<Identity> {
        let profile = self.profile(who)?;
        Identity::holder(&self.authority()?, &profile.with_extension("crt"), &profile.with_extension("key"))
    }

    /// Asks a listener over a new connection.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn ask(&self, plane: Plane, identity: &Identity, request: &[u8]) -> Result<Answer> {
        Connection::open(&Route::honest(self.listener(plane)?), identity)?.ask(request)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(child) = &mut self.serving {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

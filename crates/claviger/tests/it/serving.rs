//! A deployment that was set up, served by `claviger serve` as often as a test wants it to, ended in whatever way.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use claviger_attack::client::watch;
use claviger_client::Profile;
use claviger_client::profile::ProfileFile;
use serde_json::Value;

use crate::instance::{Instance, claviger, printed, run};

/// How often, and how long apart, a process is looked at before it counts as stuck: a minute.
const LOOKS: u32 = 3000;
const PAUSE: Duration = Duration::from_millis(20);

/// Does it become so within a minute or more? The token is looked at every 10 seconds at the least.
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    (0..120).any(|_| {
        std::thread::sleep(Duration::from_millis(500));
        is_so()
    })
}

/// A deployment, whether or not it is served just now.
pub(crate) struct Site {
    dir: tempfile::TempDir,
}

/// A server at work on it.
#[derive(Debug)]
pub(crate) struct Serving {
    child: Child,
    dir: PathBuf,
}

/// How a server ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
}

impl Site {
    /// Sets one up in a folder of its own: ring `orders`, and of it what `app` may use.
    pub(crate) fn set_up() -> Self {
        Self::set_up_with(&[])
    }

    /// The same with these variables set.
    pub(crate) fn set_up_with(environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let instance = Instance::start(dir.path(), environment);
        instance.done("administrator", &["ring", "create", "orders"], b"");
        for (name, purpose) in [("main", "encrypt"), ("toggled", "encrypt"), ("seal", "sign")] {
            let name = format!("orders/{name}");
            instance.done("administrator", &["key", "create", &name, "--purpose", purpose], b"");
        }
        let grant = "grant create app --ring orders --operations encrypt,decrypt,sign --reason test";
        instance.done("security_officer", &grant.split(' ').collect::<Vec<_>>(), b"");
        instance.stop();
        Self { dir }
    }

    /// One that nobody has set up yet.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// Sets it up by `claviger init` with these options, to be served at ports that are free.
    pub(crate) fn init(&self, options: &[&str]) -> Output {
        let config = self.deployed("claviger.toml");
        let mut init = claviger();
        init.current_dir(self.dir.path()).stdin(Stdio::null());
        init.args(["init", "--root", "software", "--config"]).arg(&config).args(options);
        let output = init.output().unwrap();
        if output.status.success() {
            let mut text = std::fs::read_to_string(&config).unwrap();
            for port in [7400, 7401, 7402, 7409] {
                text = text.replace(&format!("127.0.0.1:{port}"), "127.0.0.1:0");
            }
            std::fs::write(&config, text).unwrap();
        }
        output
    }

    /// A path in the folder of the test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A path in the folder of the deployment.
    pub(crate) fn deployed(&self, name: &str) -> PathBuf {
        self.path("claviger-data").join(name)
    }

    /// Serves it.
    pub(crate) fn serve(&self) -> Serving {
        self.try_serve(&[]).unwrap_or_else(|ended| panic!("it does not serve: {ended:?}"))
    }

    /// Serves it with these variables set, or gives how that ended.
    pub(crate) fn try_serve(&self, environment: &[(&str, &str)]) -> Result<Serving, Ended> {
        self.try_serve_by(claviger(), environment)
    }

    /// Serves it though the newest part of its log is lost.
    pub(crate) fn serve_without_the_newest_part(&self) -> Result<Serving, Ended> {
        self.try_serve_as(claviger(), &["--accept-lost-tail"], &[])
    }

    /// The same by a command that runs the binary.
    pub(crate) fn try_serve_by(
        &self,
        claviger: Command,
        environment: &[(&str, &str)],
    ) -> Result<Serving, Ended> {
        self.try_serve_as(claviger, &[], environment)
    }

    fn try_serve_as(
        &self,
        mut claviger: Command,
        options: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Serving, Ended> {
        let trace = File::create(self.path("trace")).unwrap();
        let child = claviger
            .arg("serve")
            .arg("--config")
            .arg(self.deployed("claviger.toml"))
            .args(options)
            .env("CLAVIGER_LOG__FORMAT", "json")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(trace.try_clone().unwrap())
            .stderr(trace)
            .spawn()
            .unwrap();
        let mut serving = Serving { child, dir: self.dir.path().to_owned() };
        for _ in 0..LOOKS {
            if let Some(urls) = serving.urls() {
                self.point_profiles(&urls);
                return Ok(serving);
            }
            if let Some(status) = serving.child.try_wait().unwrap() {
                return Err(Ended { status, said: serving.said() });
            }
            std::thread::sleep(PAUSE);
        }
        panic!("it neither serves nor ends: {}", serving.said());
    }

    /// The ports are new with each start, and profiles name them.
    fn point_profiles(&self, urls: &Value) {
        for entry in std::fs::read_dir(self.deployed("profiles")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().map(|line| match line.split_once(" = ") {
                Some((plane @ ("control" | "data"), _)) => format!("{plane} = {}\n", urls[plane]),
                _ => format!("{line}\n"),
            });
            std::fs::write(&path, lines.collect::<String>()).unwrap();
        }
    }

    /// Enters a new certificate of somebody, by another, and has the profile of the former name it and no other.
    pub(crate) fn enter(&self, environment: &[(&str, &str)], who: &str, by: &str) {
        let path = |end: &str| format!("new-{who}.{end}");
        let [request, certificate] = ["csr", "crt"].map(path);
        let done = |arguments: &[&str]| printed(arguments, || self.run_with(environment, by, arguments));
        done(&["credential", "renew", "--request", &request]);
        let mut sign = claviger();
        sign.current_dir(self.dir.path()).envs(environment.iter().copied());
        sign.args(["init", "--sign", &request, "--for", who, "--config"]);
        let signed = sign.arg(self.deployed("claviger.toml")).output().unwrap();
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
        done(&["credential", "create", who, "--label", "new", "--certificate", &certificate]);
        let mut profile = ProfileFile::read(&self.deployed(&format!("profiles/{by}.toml"))).unwrap();
        profile.credential.certificate = Some(self.path(&certificate));
        profile.credential.key = Some(self.path(&path("key")));
        let file = self.deployed(&format!("profiles/{who}.toml"));
        std::fs::write(&file, profile.to_text(&file).unwrap().reveal()).unwrap();
    }

    /// Runs a command with the profile of `who` and these variables.
    pub(crate) fn run_with(&self, environment: &[(&str, &str)], who: &str, arguments: &[&str]) -> Output {
        let mut command = claviger();
        command.current_dir(self.dir.path()).envs(environment.iter().copied()).stdin(Stdio::null());
        let profile = self.deployed(&format!("profiles/{who}.toml"));
        command.arg("--profile").arg(profile).args(arguments).output().unwrap()
    }

    pub(crate) fn profile(&self, who: &str) -> Profile {
        Profile::load(&self.deployed(&format!("profiles/{who}.toml"))).unwrap()
    }

    /// Runs a command with the profile of `who`.
    pub(crate) fn run(&self, who: &str, arguments: &[&str], input: &[u8]) -> Output {
        run(self.dir.path(), &self.deployed(&format!("profiles/{who}.toml")), arguments, input)
    }

    /// The same, where it must succeed; gives what it printed.
    pub(crate) fn done(&self, who: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        printed(arguments, || self.run(who, arguments, input))
    }
}

impl Serving {
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.dir.join("trace")).unwrap()
    }

    /// Where it serves, once it says so.
    pub(crate) fn urls(&self) -> Option<Value> {
        let said = self.said();
        let mut lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["fields"]["message"] == "serving").map(|mut line| line["fields"].take())
    }

    /// What `/readyz` says.
    pub(crate) fn readiness(&self) -> String {
        watch::page(self.monitoring(), "/readyz").unwrap().trim_end().to_owned()
    }

    /// A metric, summed over its labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        watch::metric(self.monitoring(), name).unwrap()
    }

    fn monitoring(&self) -> SocketAddr {
        let urls = self.urls().unwrap();
        urls["metrics"].as_str().unwrap().trim_start_matches("http://").parse().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(self) -> Ended {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.wait()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> Ended {
        for _ in 0..LOOKS {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Ended { status, said: self.said() };
            }
            std::thread::sleep(PAUSE);
        }
        panic!("it does not end: {}", self.said());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

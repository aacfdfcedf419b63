//! A PKCS#11 token of SoftHSM2, with every call to it written down by the spy module of OpenSC.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Where Debian's packages `softhsm2` and `opensc` keep their modules, below the folder of libraries.
const SOFTHSM: &str = "softhsm/libsofthsm2.so";
const SPY: &str = "pkcs11-spy.so";
const LABEL: &str = "claviger-attack";
const SO_PIN: &str = "8765-4321";
/// How the spy begins its record of a login.
const LOGIN: &str = ": C_Login";

/// A token in a temporary folder.
#[derive(Debug)]
pub struct Token {
    dir: tempfile::TempDir,
    softhsm: PathBuf,
    /// The spy, if the token is watched.
    spy: Option<PathBuf>,
}

impl Token {
    /// The PIN of its user.
    pub const PIN: &str = "1234-5678";

    /// Makes one.
    ///
    /// # Errors
    /// When Debian's package `softhsm2` is not installed.
    pub fn create() -> Result<Self> {
        let softhsm = module(SOFTHSM).context("SoftHSM2 is missing: `apt-get install softhsm2`")?;
        let token = Self { dir: tempfile::tempdir()?, softhsm, spy: None };
        fs::create_dir(token.path("tokens"))?;
        let tokens = token.path("tokens");
        let config = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        fs::write(token.path("softhsm2.conf"), config)?;
        let mut init = Command::new("softhsm2-util");
        init.args(["--init-token", "--free", "--label", LABEL, "--pin", Self::PIN, "--so-pin", SO_PIN]);
        init.env("SOFTHSM2_CONF", token.path("softhsm2.conf")).stdin(Stdio::null());
        let output = init.output().context("softhsm2-util does not start")?;
        ensure!(output.status.success(), "no token: {}", String::from_utf8_lossy(&output.stderr));
        Ok(token)
    }

    /// Makes one whose calls are written down.
    ///
    /// # Errors
    /// When Debian's packages `softhsm2` and `opensc` are not installed.
    pub fn watched() -> Result<Self> {
        let spy = module(SPY).context("the PKCS#11 spy is missing: `apt-get install opensc`")?;
        Ok(Self { spy: Some(spy), ..Self::create()? })
    }

    /// The variables by which a server finds it, with a PIN for it.
    #[must_use]
    pub fn variables(&self, pin: &str) -> Vec<(&'static str, String)> {
        let shown = |path: PathBuf| path.display().to_string();
        vec![
            ("SOFTHSM2_CONF", shown(self.path("softhsm2.conf"))),
            ("PKCS11SPY", shown(self.softhsm.clone())),
            ("PKCS11SPY_OUTPUT", shown(self.path("spy"))),
            ("CLAVIGER_PKCS11_LIB", shown(self.spy.clone().unwrap_or_else(|| self.softhsm.clone()))),
            ("CLAVIGER_PKCS11_TOKEN", LABEL.to_owned()),
            ("CLAVIGER_PKCS11_PIN", pin.to_owned()),
        ]
    }

    /// How often somebody tried to log in.
    ///
    /// # Errors
    /// When nothing was written down.
    pub fn logins(&self) -> Result<usize> {
        let record = fs::read(self.path("spy")).context("the token is not watched")?;
        Ok(String::from_utf8_lossy(&record).lines().filter(|line| line.ends_with(LOGIN)).count())
    }

    /// Takes it away, as if it were unplugged.
    ///
    /// # Errors
    /// When it is away already.
    pub fn go_away(&self) -> Result<()> {
        fs::rename(self.path("tokens"), self.path("away"))?;
        Ok(fs::create_dir(self.path("tokens"))?)
    }

    /// Brings it back.
    ///
    /// # Errors
    /// When it is not away.
    pub fn come_back(&self) -> Result<()> {
        fs::remove_dir_all(self.path("tokens"))?;
        Ok(fs::rename(self.path("away"), self.path("tokens"))?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A module below `/usr/lib`, in it or in the folder of the machine's architecture.
fn module(name: &str) -> Option<PathBuf> {
    let below = fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path().join(name)));
    std::iter::once(PathBuf::from("/usr/lib").join(name)).chain(below).find(|path| path.exists())
}

//! A SoftHSM2 token of its own for each test.
//!
//! SoftHSM reads the place of its tokens from the environment, once per process, and a process must not change its own
//! environment while it has threads. So a test that opens a token runs in a process of its own: [`isolated`] makes the
//! token, starts the test binary again for this one test with `SOFTHSM2_CONF` set, and there runs the body. That holds
//! under `cargo test`, where tests share a process, as well as under nextest.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fixture fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use claviger_crypto::SecretBytes;

/// Names the library, where it is not the one of the Debian package `softhsm2`.
pub const LIBRARY_VARIABLE: &str = "CLAVIGER_PKCS11_LIB";
/// What SoftHSM reads its configuration from.
pub const CONFIG_VARIABLE: &str = "SOFTHSM2_CONF";

const DEFAULT_LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
const CHILD_VARIABLE: &str = "CLAVIGER_TEST_TOKEN_DIR";
const LABEL: &str = "claviger-test";
const SO_PIN: &str = "8765-4321";
const DONE: &str = "test-body-done";

/// A SoftHSM2 installation with one initialized token.
#[derive(Debug)]
pub struct SoftHsm {
    dir: PathBuf,
    _owner: Option<tempfile::TempDir>,
}

impl SoftHsm {
    /// The PIN of the token's user, as the environment of another process gives it.
    pub const PIN: &str = "1234-5678";

    /// Makes a new token in a temporary directory, removed on drop. For driving other processes: pass
    /// [`CONFIG_VARIABLE`] with [`SoftHsm::config`] in their environment.
    ///
    /// # Panics
    /// Without SoftHSM2, saying how to install it.
    #[must_use]
    pub fn create() -> Self {
        let owner = tempfile::tempdir().expect("a temporary directory");
        let dir = owner.path().to_owned();
        fs::create_dir(dir.join("tokens")).expect("a directory for tokens");
        let config = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
            dir.join("tokens").display()
        );
        fs::write(dir.join("softhsm2.conf"), config).expect("the configuration of SoftHSM2");
        let token = Self { dir, _owner: Some(owner) };
        assert!(
            token.library().exists(),
            "no PKCS#11 library at {}: run `apt-get install softhsm2`, or set {LIBRARY_VARIABLE}",
            token.library().display()
        );
        token.init(LABEL);
        token
    }

    /// Adds another token. A process that has the library open sees it after the library is initialized anew.
    ///
    /// # Panics
    /// When `softhsm2-util` is missing or fails.
    pub fn init(&self, label: &str) {
        let output = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", label, "--pin", Self::PIN, "--so-pin", SO_PIN])
            .env(CONFIG_VARIABLE, self.config())
            .output();
        match output {
            Ok(output) if output.status.success() => {}
            Ok(output) => panic!("softhsm2-util failed: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                panic!("`softhsm2-util` is not installed: run `apt-get install softhsm2`")
            }
            Err(error) => panic!("softhsm2-util cannot be run: {error}"),
        }
    }

    /// The PKCS#11 library.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        env::var_os(LIBRARY_VARIABLE).map_or_else(|| DEFAULT_LIBRARY.into(), PathBuf::from)
    }

    /// The configuration file for [`CONFIG_VARIABLE`].
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.dir.join("softhsm2.conf")
    }

    /// The token's label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        LABEL
    }

    /// The PIN of the token's user.
    #[must_use]
    pub fn pin(&self) -> SecretBytes {
        SecretBytes::copied_from(Self::PIN.as_bytes())
    }

    /// A place for files of the test.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes the token away, as if it were unplugged.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn go_away(&self) {
        fs::rename(self.dir.join("tokens"), self.dir.join("away")).expect("the token was there");
        fs::create_dir(self.dir.join("tokens")).expect("an empty slot");
    }

    /// Brings it back.
    ///
    /// # Panics
    /// When it is not away.
    pub fn come_back(&self) {
        fs::remove_dir_all(self.dir.join("tokens")).expect("the empty slot");
        fs::rename(self.dir.join("away"), self.dir.join("tokens")).expect("the token was away");
    }

    /// Somebody else enters a wrong PIN: until a right one follows, the token reports that its count is low.
    ///
    /// # Panics
    /// When `softhsm2-util` does not start, or the token takes the PIN.
    pub fn mistype(&self) {
        let said = self.enter("0000");
        assert!(said.contains("does not match"), "the wrong PIN was not refused: {said}");
    }

    /// Somebody else enters the right PIN.
    ///
    /// # Panics
    /// When `softhsm2-util` does not start, or the token refuses the PIN.
    pub fn type_rightly(&self) {
        let said = self.enter(Self::PIN);
        assert!(!said.contains("does not match"), "the right PIN was refused: {said}");
    }

    /// Logs in by another program, to import what is no key. Gives what it complains of.
    fn enter(&self, pin: &str) -> String {
        let file = self.config();
        let output = Command::new("softhsm2-util")
            .args(["--token", LABEL, "--pin", pin, "--label", "none", "--id", "00", "--import"])
            .arg(&file)
            .env(CONFIG_VARIABLE, &file)
            .output()
            .expect("softhsm2-util starts");
        assert!(!output.status.success(), "what is no key was imported");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// All bytes that the token keeps on disk, for scanning.
    ///
    /// # Panics
    /// When they cannot be read.
    #[must_use]
    pub fn stored_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for token in fs::read_dir(self.dir.join("tokens")).expect("the tokens") {
            for file in fs::read_dir(token.expect("a token").path()).expect("its files") {
                bytes.extend(fs::read(file.expect("a file").path()).expect("its content"));
            }
        }
        bytes
    }
}

/// Runs `body` with a token of its own in a process of its own. `test` is the path of the calling test: [`here!`](crate::here).
///
/// # Panics
/// When the body panics there or no test of that name runs, with what was printed.
pub fn isolated(test: &str, body: impl FnOnce(&SoftHsm)) {
    if let Some(dir) = env::var_os(CHILD_VARIABLE) {
        let token = SoftHsm { dir: dir.into(), _owner: None };
        body(&token);
        fs::write(token.dir.join(DONE), "").expect("the mark that the body ran");
        return;
    }
    let token = SoftHsm::create();
    let output = Command::new(env::current_exe().expect("the test binary"))
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(CONFIG_VARIABLE, token.config())
        .env(CHILD_VARIABLE, token.dir())
        .output()
        .expect("the test binary runs");
    // How the process ended says nothing: the module of the token has destructors that run beside its threads.
    assert!(
        token.dir.join(DONE).exists(),
        "`{test}` did not run to its end in its own process ({}):\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The path of the test that this stands in, as the test harness names it.
#[macro_export]
macro_rules! here {
    () => {{
        fn here() {}
        $crate::softhsm::test_path(std::any::type_name_of_val(&here))
    }};
}

/// The test's path from the full name of a function inside it: without crate and function.
#[must_use]
pub fn test_path(of_inner_function: &'static str) -> &'static str {
    let inside = of_inner_function.split_once("::").map_or(of_inner_function, |(_, rest)| rest);
    inside.rsplit_once("::").map_or(inside, |(test, _)| test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_runs_once_in_a_process_of_its_own() {
        isolated(here!(), |token| {
            assert_eq!(env::var_os(CONFIG_VARIABLE), Some(token.config().into_os_string()));
            assert!(!token.stored_bytes().is_empty());
            token.go_away();
            assert!(token.stored_bytes().is_empty());
            token.come_back();
            assert!(!token.stored_bytes().is_empty());
        });
    }

    #[test]
    #[should_panic(expected = "`softhsm::tests::nobody` did not run to its end")]
    fn name_of_no_test_is_noticed() {
        isolated("softhsm::tests::nobody", |_| {});
    }
}

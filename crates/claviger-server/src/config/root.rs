//! Where the root key lives, and where the secret that opens it is found. The secret itself is never in the configuration.

use std::path::{Path, PathBuf};

use super::ConfigError;
use super::file;

/// The root of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// A root key in the process, sealed at rest: for evaluation.
    InsecureSoftwareRoot {
        /// What seals it.
        seal: SoftwareSeal,
    },
    /// A root key in a PKCS#11 token.
    Pkcs11 {
        /// The module's shared library.
        library: PathBuf,
        /// What selects the token.
        token: TokenSelector,
        /// Where its PIN is.
        pin: PinSource,
    },
}

/// What seals a software root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SoftwareSeal {
    /// 32 random bytes in a file.
    KeyFile(PathBuf),
    /// A passphrase in a file.
    PassphraseFile(PathBuf),
}

/// Names a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSelector {
    /// By its label.
    Label(String),
    /// By its slot.
    Slot(u64),
}

/// Where a PIN is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinSource {
    /// In an environment variable of that name.
    Env(String),
    /// In a file.
    File(PathBuf),
}

impl Root {
    /// Its word in the configuration.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::InsecureSoftwareRoot { .. } => "insecure_software_root",
            Self::Pkcs11 { .. } => "pkcs11",
        }
    }

    pub(super) fn from_file(file: &file::Root, base: &Path, origin: &str) -> Result<Self, ConfigError> {
        let reader = Reader { file, base, origin };
        match file.kind.as_deref() {
            Some("pkcs11") => reader.pkcs11(),
            Some("insecure_software_root") => reader.software(),
            Some(other) => Err(reader.invalid(
                "kind",
                format!(
                    "is `{other}`; `pkcs11` and `insecure_software_root` are the kinds of root there are"
                ),
            )),
            None => Err(reader.invalid(
                "kind",
                "is missing; write `pkcs11`, or `insecure_software_root` for evaluation".to_owned(),
            )),
        }
    }
}

struct Reader<'a> {
    file: &'a file::Root,
    base: &'a Path,
    origin: &'a str,
}

impl Reader<'_> {
    fn pkcs11(&self) -> Result<Root, ConfigError> {
        self.refuse_foreign(
            "pkcs11",
            &[
                ("passphrase_file", self.file.passphrase_file.is_some()),
                ("key_file", self.file.key_file.is_some()),
            ],
        )?;
        let library = self.file.library.as_deref().ok_or_else(|| {
            self.invalid("library", "is missing; name the shared library of the PKCS#11 module".to_owned())
        })?;
        Ok(Root::Pkcs11 { library: self.base.join(library), token: self.token()?, pin: self.pin()? })
    }

    fn token(&self) -> Result<TokenSelector, ConfigError> {
        match (&self.file.token, self.file.slot) {
            (Some(label), None) => Ok(TokenSelector::Label(label.clone())),
            (None, Some(slot)) => Ok(TokenSelector::Slot(slot)),
            _ => Err(self.invalid("token", "or `root.slot` must be there, and not both".to_owned())),
        }
    }

    fn pin(&self) -> Result<PinSource, ConfigError> {
        match (&self.file.pin_file, &self.file.pin_env) {
            (Some(path), None) => Ok(PinSource::File(self.base.join(path))),
            (None, Some(name)) => Ok(PinSource::Env(name.clone())),
            _ => Err(self.invalid("pin_file", "or `root.pin_env` must be there, and not both".to_owned())),
        }
    }

    fn software(&self) -> Result<Root, ConfigError> {
        self.refuse_foreign(
            "insecure_software_root",
            &[
                ("library", self.file.library.is_some()),
                ("token", self.file.token.is_some()),
                ("slot", self.file.slot.is_some()),
                ("pin_file", self.file.pin_file.is_some()),
                ("pin_env", self.file.pin_env.is_some()),
            ],
        )?;
        let seal = match (&self.file.passphrase_file, &self.file.key_file) {
            (Some(path), None) => SoftwareSeal::PassphraseFile(self.base.join(path)),
            (None, Some(path)) => SoftwareSeal::KeyFile(self.base.join(path)),
            _ => {
                return Err(self.invalid(
                    "key_file",
                    "or `root.passphrase_file` must be there, and not both".to_owned(),
                ));
            }
        };
        Ok(Root::InsecureSoftwareRoot { seal })
    }

    /// A key that has no meaning for this kind is an error: whoever wrote it believes that it does something.
    fn refuse_foreign(&self, kind: &str, keys: &[(&str, bool)]) -> Result<(), ConfigError> {
        match keys.iter().find(|(_, there)| *there) {
            Some((key, _)) => {
                Err(self.invalid(key, format!("has no meaning for a root of kind `{kind}`; remove it")))
            }
            None => Ok(()),
        }
    }

    fn invalid(&self, key: &str, reason: String) -> ConfigError {
        ConfigError::Invalid { origin: self.origin.to_owned(), key: format!("root.{key}"), reason }
    }
}

//! What opens a software root: a passphrase, or a key file.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use claviger_crypto::{SecretBytes, random};

use super::SoftwareRootError;

/// Bytes of a key file.
pub(super) const KEY_FILE_LEN: usize = 32;
/// Fewest bytes of a passphrase (NIST SP 800-63B-4, 3.1.1.2, for one that stands alone).
const MIN_PASSPHRASE: usize = 15;

/// What opens a software root. Wiped on drop.
#[derive(Debug)]
pub enum RootUnlock {
    /// 32 random bytes from a file that only its owner can read; made by [`RootUnlock::create_key_file`].
    KeyFile(SecretBytes),
    /// A passphrase, stretched by PBKDF2-HMAC-SHA256 (SP 800-132).
    Passphrase(SecretBytes),
}

impl RootUnlock {
    /// A passphrase of at least 15 bytes.
    ///
    /// # Errors
    /// [`SoftwareRootError::ShortPassphrase`].
    pub fn passphrase(passphrase: SecretBytes) -> Result<Self, SoftwareRootError> {
        if passphrase.len() < MIN_PASSPHRASE {
            return Err(SoftwareRootError::ShortPassphrase);
        }
        Ok(Self::Passphrase(passphrase))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`SoftwareRootError::KeyFile`] when it cannot be read, [`SoftwareRootError::KeyFileTooOpen`] when others than
    /// its owner have any access to it, [`SoftwareRootError::NotAKeyFile`] when it does not hold exactly 32 bytes.
    pub fn key_file(path: &Path) -> Result<Self, SoftwareRootError> {
        let mut file = File::open(path).map_err(SoftwareRootError::KeyFile)?;
        let metadata = file.metadata().map_err(SoftwareRootError::KeyFile)?;
        if metadata.mode() & 0o077 != 0 {
            return Err(SoftwareRootError::KeyFileTooOpen);
        }
        if metadata.len() != KEY_FILE_LEN as u64 {
            return Err(SoftwareRootError::NotAKeyFile);
        }
        let mut key = SecretBytes::zeroed(KEY_FILE_LEN);
        file.read_exact(key.expose_mut()).map_err(SoftwareRootError::KeyFile)?;
        Ok(Self::KeyFile(key))
    }

    /// Makes a new key file with mode 0600, durable when this returns; refuses to touch a file that is there.
    ///
    /// # Errors
    /// [`SoftwareRootError::KeyFile`] when it cannot be written, [`SoftwareRootError::Module`] without random bytes.
    #[expect(clippy::disallowed_methods, reason = "writes key material where only its owner can read it")]
    pub fn create_key_file(path: &Path) -> Result<Self, SoftwareRootError> {
        let key = random::secret(KEY_FILE_LEN).map_err(|_| SoftwareRootError::Module)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(SoftwareRootError::KeyFile)?;
        file.write_all(key.expose()).and_then(|()| file.sync_all()).map_err(SoftwareRootError::KeyFile)?;
        Ok(Self::KeyFile(key))
    }
}

//! Files that others must not read, and files that must be whole or absent.
//!
//! What it keeps true: a file appears under its name only when all of it is on the disk; what is private is private from
//! its first byte.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use claviger_crypto::SecretBytes;
use zeroize::{Zeroize as _, Zeroizing};

/// Longest secret that is read from a file, in bytes.
const MAX_SECRET: u64 = 64 << 10;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Others may read or change what is private.
    #[error("`{}` is open to others (mode {mode:03o}); run `chmod 600` on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The operating system refused.
    #[error("cannot {verb} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file that it was tried with.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The secret has no valid size.
    #[error("`{}` must hold a secret of 1 to 65536 bytes", path.display())]
    SecretSize {
        /// The file.
        path: PathBuf,
    },
}

fn failed<'a>(verb: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |source| FileError::Io { verb, path: path.to_path_buf(), source }
}

/// Makes `path` and what is missing above it. What is made is open to its owner alone.
///
/// # Errors
/// [`FileError::Io`].
pub fn create_private_dir(path: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create the folder", path))
}

/// Writes `bytes` to `path`, whole or not at all, in place of what was there. Others can read it.
///
/// # Errors
/// [`FileError::Io`].
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomically(path, bytes, 0o644)
}

/// Writes `bytes` to `path`, whole or not at all, in place of what was there. Only the owner can read it.
///
/// # Errors
/// [`FileError::Io`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomically(path, bytes, 0o600)
}

fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    // What an earlier crash left is nobody's; made anew, the file has the right mode from the start.
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("replace", &unfinished)(error));
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&unfinished)
        .map_err(failed("create", &unfinished))?;
    // What is meant for others is so whatever the process's mask says.
    let permissions = std::fs::Permissions::from_mode(mode);
    file.set_permissions(permissions).map_err(failed("create", &unfinished))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", &unfinished))?;
    std::fs::rename(&unfinished, path).map_err(failed("write", path))?;
    sync_folder_of(path)
}

/// Without this the name may be gone after power loss, though the bytes are there.
fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

/// Reads a file.
///
/// # Errors
/// [`FileError::Io`].
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    std::fs::read(path).map_err(failed("read", path))
}

/// Reads a secret as it is written, byte for byte.
///
/// # Errors
/// [`FileError`]; also when others can read or change the file.
pub fn read_secret(path: &Path) -> Result<SecretBytes, FileError> {
    Ok(SecretBytes::new(std::mem::take(&mut *read_secret_bytes(path)?)))
}

/// Reads a secret that people type, without the line end that editors add.
///
/// # Errors
/// [`FileError`]; also when others can read or change the file.
pub fn read_secret_line(path: &Path) -> Result<SecretBytes, FileError> {
    let mut bytes = read_secret_bytes(path)?;
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(FileError::SecretSize { path: path.to_path_buf() });
    }
    Ok(SecretBytes::new(std::mem::take(&mut *bytes)))
}

fn read_secret_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let mut file = File::open(path).map_err(failed("read", path))?;
    let metadata = file.metadata().map_err(failed("read", path))?;
    check_private(path, metadata.mode())?;
    if metadata.len() > MAX_SECRET {
        return Err(FileError::SecretSize { path: path.to_path_buf() });
    }
    // Room for all of it at once: a growing vector would leave copies behind.
    let capacity = usize::try_from(metadata.len()).unwrap_or_default().saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    if let Err(error) = Read::by_ref(&mut file).take(MAX_SECRET).read_to_end(&mut bytes) {
        bytes.zeroize();
        return Err(failed("read", path)(error));
    }
    if bytes.is_empty() {
        return Err(FileError::SecretSize { path: path.to_path_buf() });
    }
    Ok(bytes)
}

/// Refuses a mode by which others can read or write, or the group can write. A group that reads is allowed: that is how
/// service managers hand out secrets.
///
/// # Errors
/// [`FileError::Exposed`].
pub fn check_private(path: &Path, mode: u32) -> Result<(), FileError> {
    if mode & 0o027 == 0 {
        return Ok(());
    }
    Err(FileError::Exposed { path: path.to_path_buf(), mode: mode & 0o777 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_file_is_private_and_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(dir.path().join("key.unfinished"), "left by a crash").unwrap();
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn secret_that_others_can_read_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pin");
        write_private(&path, b"1234\n").unwrap();
        assert!(read_secret_line(&path).unwrap().ct_eq_bytes(b"1234"));
        assert!(read_secret(&path).unwrap().ct_eq_bytes(b"1234\n"));
        for mode in [0o644, 0o620, 0o602] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let said = read_secret_line(&path).unwrap_err().to_string();
            assert!(said.contains("chmod 600"), "{said}");
        }
    }

    #[test]
    fn empty_or_huge_secret_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pin");
        for bytes in [&b""[..], b"\n\n", &vec![b'x'; 70_000]] {
            write_private(&path, bytes).unwrap();
            assert!(matches!(read_secret_line(&path), Err(FileError::SecretSize { .. })));
        }
    }
}

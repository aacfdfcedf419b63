//! A file that appears under its name only when it is whole.
//!
//! Invariant: until [`Placed::commit`] returns, nothing is under the final name but what was there before. Written to a
//! neighbour, flushed to the disk, renamed, and the rename flushed too.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Who may read the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privacy {
    /// Whoever the umask lets.
    Others,
    /// The owner alone (0600).
    Owner,
}

impl Privacy {
    fn permissions(self) -> Permissions {
        match self {
            Self::Others => Permissions::from_mode(0o666),
            Self::Owner => Permissions::from_mode(0o600),
        }
    }
}

/// A file on its way to its name. Dropped before it is committed, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Placed {
    neighbour: NamedTempFile,
    target: PathBuf,
}

impl Placed {
    /// Begins a file that is to be `path`. What is there already is replaced, if it is an ordinary file.
    ///
    /// # Errors
    /// When there is something else under that name, or the directory cannot be written.
    pub(crate) fn create(path: &Path, privacy: Privacy) -> Result<Self, Failure> {
        let target = resolved(path)?;
        let neighbour = tempfile::Builder::new()
            .prefix(".claviger-")
            .permissions(privacy.permissions())
            .tempfile_in(parent(&target))
            .map_err(|error| Failure::file(path, &error))?;
        Ok(Self { neighbour, target })
    }

    /// Writes all of `bytes` as `path`, in one go.
    pub(crate) fn write(path: &Path, privacy: Privacy, bytes: &[u8]) -> Result<(), Failure> {
        let mut placed = Self::create(path, privacy)?;
        placed.write_all(bytes).map_err(|error| Failure::file(path, &error))?;
        placed.commit()
    }

    /// Writes all of `bytes` as `path`, which must not exist: for what exists once, like a token.
    pub(crate) fn write_new(path: &Path, privacy: Privacy, bytes: &[u8]) -> Result<(), Failure> {
        let mut placed = Self::create(path, privacy)?;
        placed.write_all(bytes).map_err(|error| Failure::file(path, &error))?;
        placed.settle(|neighbour, target| neighbour.persist_noclobber(target))
    }

    /// The name that the file is to get.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Gives the file its name, durably.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        self.settle(|neighbour, target| neighbour.persist(target))
    }

    fn settle(
        self,
        persist: impl FnOnce(NamedTempFile, &Path) -> Result<File, tempfile::PersistError>,
    ) -> Result<(), Failure> {
        let settled = self.neighbour.as_file().sync_all().and_then(|()| {
            persist(self.neighbour, &self.target).map_err(|failed| failed.error)?;
            File::open(parent(&self.target))?.sync_all()
        });
        settled.map_err(|error| Failure::file(&self.target, &error))
    }
}

impl Write for Placed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.neighbour.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.neighbour.as_file_mut().flush()
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The file that `path` names, through links. A rename onto a device or a pipe would replace it: those are refused.
fn resolved(path: &Path) -> Result<PathBuf, Failure> {
    match fs::metadata(path) {
        Ok(about) if about.is_file() => fs::canonicalize(path).map_err(|error| Failure::file(path, &error)),
        Ok(_) => Err(Failure::usage(format!("`{}` is not an ordinary file", path.display()))
            .advise("leave `--out` away to write to standard output")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(Failure::file(path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn file_that_is_not_committed_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        fs::write(&path, "before").unwrap();
        let mut placed = Placed::create(&path, Privacy::Owner).unwrap();
        placed.write_all(b"half").unwrap();
        drop(placed);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn private_files_are_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        Placed::write_new(&path, Privacy::Owner, b"t").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Placed::write_new(&path, Privacy::Owner, b"u").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"t");
        assert_eq!(names(dir.path()), ["token"]);
    }

    #[test]
    fn links_are_followed_and_devices_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "before").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        Placed::write(&link, Privacy::Others, b"after").unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "after");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(Placed::create(Path::new("/dev/null"), Privacy::Others).is_err());
        assert!(Placed::create(dir.path(), Privacy::Others).is_err());
    }
}

//! A file that appears under its name only when it is whole.
//!
//! Invariant: until [`Placed::commit`] returns, nothing is under the final name but what was there before. Written to a
//! neighbour, flushed to the disk, renamed, and the rename flushed too. A name is never followed: what has it is kept, or
//! replaced itself.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
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

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and nothing is written.
    Keep,
    /// The new file takes its name. A link is replaced, and what it names stays.
    Replace,
}

/// The consent to replace a file.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct ForceArgs {
    /// Replace a file that has the name already
    #[arg(long)]
    force: bool,
}

impl ForceArgs {
    /// What it says of a file that is there.
    pub(crate) fn existing(self) -> Existing {
        if self.force { Existing::Replace } else { Existing::Keep }
    }

    /// Fails when one of the files could not take its name, before anything is done that would then have no place.
    ///
    /// # Errors
    /// When a name is taken, and may not be replaced.
    pub(crate) fn check<'a>(self, files: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), Failure> {
        files.into_iter().try_for_each(|path| vacant(path, self.existing()))
    }
}

/// A file on its way to its name. Dropped before it is committed, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Placed {
    neighbour: NamedTempFile,
    target: PathBuf,
    existing: Existing,
}

impl Placed {
    /// Begins a file that is to be `path`.
    ///
    /// # Errors
    /// When the name is taken and is not to be replaced, or what has it is no file, or the directory cannot be written.
    pub(crate) fn create(path: &Path, privacy: Privacy, existing: Existing) -> Result<Self, Failure> {
        vacant(path, existing)?;
        let neighbour = tempfile::Builder::new()
            .prefix(".claviger-")
            .permissions(privacy.permissions())
            .tempfile_in(parent(path))
            .map_err(|error| Failure::file(path, &error))?;
        Ok(Self { neighbour, target: path.to_owned(), existing })
    }

    /// Writes all of `bytes` as `path`, in one go.
    pub(crate) fn write(
        path: &Path,
        privacy: Privacy,
        existing: Existing,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        let mut placed = Self::create(path, privacy, existing)?;
        placed.write_all(bytes).map_err(|error| Failure::file(path, &error))?;
        placed.commit()
    }

    /// The name that the file is to get.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Gives the file its name, durably.
    ///
    /// # Errors
    /// When somebody took the name meanwhile, or the disk fails.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        let Self { neighbour, target, existing } = self;
        let synced = neighbour.as_file().sync_all();
        let named = synced.and_then(|()| {
            let persisted = match existing {
                Existing::Keep => neighbour.persist_noclobber(&target),
                Existing::Replace => neighbour.persist(&target),
            };
            persisted.map_err(|failed| failed.error)
        });
        match named.and_then(|_| File::open(parent(&target))?.sync_all()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(taken(&target)),
            Err(error) => Err(Failure::file(&target, &error)),
        }
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

/// May a file get the name `path`? A rename onto a device, a pipe or a directory would put a file in its place, or fail late: nothing
/// consents to that.
fn vacant(path: &Path, existing: Existing) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Ok(about) if !about.is_file() && !about.is_symlink() => {
            Err(Failure::usage(format!("`{}` is not an ordinary file", path.display()))
                .advise("name a file; where the option may be left out, the result goes to standard output"))
        }
        Ok(_) if existing == Existing::Keep => Err(taken(path)),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::file(path, &error)),
    }
}

fn taken(path: &Path) -> Failure {
    Failure::usage(format!("`{}` is there already, and was left as it is", path.display()))
        .advise("name another file, or give `--force` to replace it")
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
        let mut placed = Placed::create(&path, Privacy::Owner, Existing::Replace).unwrap();
        placed.write_all(b"half").unwrap();
        drop(placed);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn private_files_are_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        Placed::write(&path, Privacy::Owner, Existing::Keep, b"t").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(names(dir.path()), ["token"]);
    }

    #[test]
    fn what_is_there_stays_unless_it_is_to_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        Placed::write(&path, Privacy::Others, Existing::Keep, b"one").unwrap();
        let refused = Placed::write(&path, Privacy::Others, Existing::Keep, b"two").unwrap_err();
        assert_eq!(refused.exit(), crate::failure::Exit::Usage);
        assert!(refused.to_string().contains("--force"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"one");
        Placed::write(&path, Privacy::Owner, Existing::Replace, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn name_that_is_taken_meanwhile_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut placed = Placed::create(&path, Privacy::Others, Existing::Keep).unwrap();
        placed.write_all(b"late").unwrap();
        fs::write(&path, "early").unwrap();
        assert!(placed.commit().unwrap_err().to_string().contains("--force"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "early");
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn nothing_is_written_through_a_link_and_devices_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link, dangling) =
            (dir.path().join("real"), dir.path().join("link"), dir.path().join("dangling"));
        fs::write(&real, "before").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        std::os::unix::fs::symlink(dir.path().join("nothing"), &dangling).unwrap();
        for link in [&link, &dangling] {
            assert!(Placed::write(link, Privacy::Others, Existing::Keep, b"after").is_err());
            assert!(fs::symlink_metadata(link).unwrap().is_symlink());
            Placed::write(link, Privacy::Others, Existing::Replace, b"after").unwrap();
            assert!(fs::symlink_metadata(link).unwrap().is_file());
        }
        assert_eq!(fs::read_to_string(&real).unwrap(), "before");
        assert_eq!(names(dir.path()), ["dangling", "link", "real"]);
        for existing in [Existing::Keep, Existing::Replace] {
            assert!(Placed::create(Path::new("/dev/null"), Privacy::Others, existing).is_err());
            assert!(Placed::create(dir.path(), Privacy::Others, existing).is_err());
        }
    }
}

//! A folder that appears under its name only when it is whole.
//!
//! Invariant: until [`Folder::commit`] gives it the name, nothing else has that but what was there before. Made beside it, its files
//! flushed to the disk, renamed, and the rename flushed too.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use claviger_evidence::pack::MANIFEST;
use tempfile::TempDir;

use crate::failure::Failure;

/// A folder on its way to its name. Dropped before it is committed, it leaves nothing.
#[derive(Debug)]
pub(super) struct Folder {
    building: TempDir,
    target: PathBuf,
    replaces: bool,
}

impl Folder {
    /// Begins a folder that is to be `target`. A pack that is there is replaced if `replaces` says so; any other folder stays, unless
    /// it is empty.
    ///
    /// # Errors
    /// When the name is taken, or nothing can be written beside it.
    pub(super) fn create(target: &Path, replaces: bool) -> Result<Self, Failure> {
        vacant(target, replaces)?;
        Ok(Self { building: beside(target)?, target: target.to_owned(), replaces })
    }

    /// Where it is made.
    pub(super) fn path(&self) -> &Path {
        self.building.path()
    }

    /// Writes a file of it.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.path().join(name);
        let written = || {
            fs::create_dir_all(path.parent().unwrap_or(self.path()))?;
            let mut file = File::create_new(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        written().map_err(|error| Failure::file(&path, &error))
    }

    /// Gives the folder its name, durably.
    ///
    /// # Errors
    /// When somebody took the name meanwhile, or the disk fails. What was there before is there still.
    pub(super) fn commit(self) -> Result<(), Failure> {
        let Self { building, target, replaces } = self;
        vacant(&target, replaces)?;
        let failed = |error: io::Error| Failure::file(&target, &error);
        let before = if replaces && target.exists() {
            let aside = beside(&target)?;
            fs::rename(&target, aside.path().join("before")).map_err(failed)?;
            Some(aside)
        } else {
            None
        };
        if let Err(error) = fs::rename(building.path(), &target) {
            if let Some(aside) = before {
                // If the old pack cannot go back, it stays where it is, and the failure says where that is.
                let aside = aside.keep();
                let kept = aside.join("before");
                fs::rename(&kept, &target).map_err(|error| Failure::file(&kept, &error))?;
                let _ = fs::remove_dir(aside);
            }
            return Err(failed(error));
        }
        // It is not there any more under the name that would be removed.
        let _ = building.keep();
        File::open(parent(&target)).and_then(|parent| parent.sync_all()).map_err(failed)
    }
}

fn beside(target: &Path) -> Result<TempDir, Failure> {
    tempfile::Builder::new()
        .prefix(".claviger-")
        .permissions(Permissions::from_mode(0o777))
        .tempdir_in(parent(target))
        .map_err(|error| Failure::file(target, &error))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// May a folder get the name?
fn vacant(target: &Path, replaces: bool) -> Result<(), Failure> {
    let shown = target.display();
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::file(target, &error)),
        Ok(about) if !about.is_dir() => {
            return Err(Failure::usage(format!("`{shown}` is no folder")).advise("name another one"));
        }
        Ok(_) => {}
    }
    let mut within = fs::read_dir(target).map_err(|error| Failure::file(target, &error))?;
    if within.next().is_none() {
        return Ok(());
    }
    let is_pack = target.join(MANIFEST).is_file();
    let (message, advice) = match (is_pack, replaces) {
        (true, true) => return Ok(()),
        (true, false) => ("is a pack already", "name another folder, or give `--force` to replace the pack"),
        (false, _) => ("is not empty, and no pack", "name another folder"),
    };
    Err(Failure::usage(format!("`{shown}` {message}: it was left as it was")).advise(advice))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    fn names(dir: &Path) -> Vec<String> {
        let within = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            within.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn folder_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("pack");
        let folder = Folder::create(&target, false).unwrap();
        folder.write("report/report.html", b"half").unwrap();
        assert!(!target.exists());
        drop(folder);
        assert!(names(dir.path()).is_empty());
        let folder = Folder::create(&target, false).unwrap();
        folder.write("report/report.html", b"all").unwrap();
        assert!(folder.write("report/report.html", b"twice").is_err());
        folder.commit().unwrap();
        assert_eq!(names(dir.path()), ["pack"]);
        assert_eq!(fs::read(target.join("report/report.html")).unwrap(), b"all");
    }

    #[test]
    fn nothing_is_replaced_but_an_empty_folder_and_with_force_a_pack() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("pack");
        let make = |replaces: bool, text: &[u8]| {
            let folder = Folder::create(&target, replaces)?;
            folder.write(MANIFEST, text)?;
            folder.commit()
        };
        fs::create_dir(&target).unwrap();
        make(false, b"one").unwrap();
        let refused = make(false, b"two").unwrap_err();
        assert_eq!(refused.exit(), Exit::Usage);
        assert!(refused.to_string().contains("--force"), "{refused}");
        make(true, b"two").unwrap();
        assert_eq!(fs::read(target.join(MANIFEST)).unwrap(), b"two");
        fs::remove_file(target.join(MANIFEST)).unwrap();
        fs::write(target.join("own"), b"own").unwrap();
        assert_eq!(make(true, b"three").unwrap_err().exit(), Exit::Usage);
        assert_eq!(fs::read(target.join("own")).unwrap(), b"own");
        assert_eq!(names(dir.path()), ["pack"]);
        assert!(Folder::create(&target.join("own"), true).is_err());
    }

    #[test]
    fn name_that_is_taken_meanwhile_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("pack");
        let folder = Folder::create(&target, true).unwrap();
        fs::create_dir(&target).unwrap();
        fs::write(target.join("own"), b"own").unwrap();
        assert!(folder.commit().is_err());
        assert_eq!(fs::read(target.join("own")).unwrap(), b"own");
        assert_eq!(names(dir.path()), ["pack"]);
    }
}

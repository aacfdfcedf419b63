//! Room on the store's device: how much there is, whom it is for, and the reserve that is given free when there is none.
//!
//! What is kept true:
//! * the bytes of the reserve, be they in its file or, once that was given free, as free space of the device, are never there
//!   for ordinary calls;
//! * the way to less room is taken at once, by whoever notices; the way back is taken by [`Space::tend`] alone, and only when
//!   there is room for the reserve, too.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use claviger_core::port::StoreError;
use claviger_core::port::store::{Room, SpaceState};
use claviger_crypto::random;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

use super::directory;
use super::error::translate_io;

/// The reserve's file, beside the database.
const RESERVE: &str = "reserve";
const UNFINISHED: &str = "reserve.unfinished";
/// Free bytes below which the reserve is given free: a commit must find room before it fails for want of it.
const GIVE_FREE_BELOW: u64 = 8 << 20;
/// Bytes that may be written between two looks at the device.
const LOOK_AFTER: u64 = 1 << 20;
/// What is written at once where a device cannot set bytes aside.
const CHUNK: usize = 64 << 10;

/// What is kept free on the store's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceOptions {
    /// Free bytes below which ordinary calls are refused.
    pub min_free: u64,
    /// Bytes that are set aside for calls that restrict; 0 for none.
    pub reserve: u64,
}

/// Watches the device of one store.
#[derive(Debug)]
pub(super) struct Space {
    directory: PathBuf,
    options: Option<SpaceOptions>,
    room: AtomicU8,
    /// Is the reserve in its file?
    held: AtomicBool,
    written: AtomicU64,
    /// One at a time makes the reserve or gives it free.
    changing: Mutex<()>,
}

impl Space {
    /// Looks at the device. Where not even the start of a server finds room, the reserve is given free for it.
    pub(super) fn open(directory: &Path, options: Option<SpaceOptions>) -> Result<Self, StoreError> {
        let options = options.filter(|options| options.min_free > 0 || options.reserve > 0);
        let space = Self {
            directory: directory.to_owned(),
            options,
            room: AtomicU8::new(Room::Plenty as u8),
            held: AtomicBool::new(false),
            written: AtomicU64::new(0),
            changing: Mutex::default(),
        };
        if let Some(options) = options {
            // Left by a crash, it would only take room.
            drop(fs::remove_file(directory.join(UNFINISHED)));
            space.held.store(space.is_whole(options.reserve), Ordering::Release);
            space.settle(&space.lock(), options, space.free()?);
        }
        Ok(space)
    }

    /// How much room there is, as of the last look.
    pub(super) fn room(&self) -> Room {
        match self.room.load(Ordering::Acquire) {
            0 => Room::Plenty,
            1 => Room::Low,
            _ => Room::Reserve,
        }
    }

    pub(super) fn state(&self) -> SpaceState {
        SpaceState {
            room: self.room(),
            free: self.free().ok(),
            min_free: self.options.map_or(0, |options| options.min_free),
            reserve: self.options.map_or(0, |options| options.reserve),
            reserve_held: self.held.load(Ordering::Acquire),
        }
    }

    /// Bytes of all files of the store, but for the reserve.
    pub(super) fn used(&self) -> Result<u64, StoreError> {
        let mut used = 0_u64;
        for entry in fs::read_dir(&self.directory).map_err(|error| self.trouble(error))? {
            let entry = entry.map_err(|error| self.trouble(error))?;
            if ![RESERVE, UNFINISHED].iter().any(|name| entry.file_name() == *name) {
                let about = entry.metadata().map_err(|error| self.trouble(error))?;
                used = used.saturating_add(about.len());
            }
        }
        Ok(used)
    }

    /// A commit wrote about so many bytes: from time to time the device is looked at.
    pub(super) fn wrote(&self, bytes: u64) {
        let Some(options) = self.options else { return };
        if self.written.fetch_add(bytes, Ordering::Relaxed) + bytes < LOOK_AFTER {
            return;
        }
        self.written.store(0, Ordering::Relaxed);
        // Whoever changes something now looks as well; what cannot be looked at is looked at again by `tend`.
        if let (Ok(changing), Ok(free)) = (self.changing.try_lock(), self.free()) {
            self.lower(&changing, options, free);
        }
    }

    /// A write found no room: what there is now is for calls that restrict.
    pub(super) fn exhausted(&self) {
        match self.options {
            None => {}
            Some(SpaceOptions { reserve: 0, .. }) => {
                self.room.fetch_max(Room::Low as u8, Ordering::AcqRel);
            }
            Some(_) => {
                // At once: the lock may be held by one who makes the reserve, which then fails.
                self.room.store(Room::Reserve as u8, Ordering::Release);
                self.give_free(&self.lock());
            }
        }
    }

    /// Looks at the device, and makes the reserve again once there is room for it and for ordinary calls.
    pub(super) fn tend(&self) -> Result<(), StoreError> {
        let Some(options) = self.options else { return Ok(()) };
        let changing = self.lock();
        let free = self.free()?;
        let held = self.held.load(Ordering::Acquire);
        if !held && free >= options.wanted().saturating_add(options.reserve) {
            self.make(options.reserve)?;
            self.held.store(true, Ordering::Release);
            self.room.store(Room::Plenty as u8, Ordering::Release);
            return Ok(());
        }
        self.settle(&changing, options, free);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what there is room for, in either direction.
    fn settle(&self, changing: &MutexGuard<'_, ()>, options: SpaceOptions, free: u64) {
        let enough = match self.room() {
            Room::Plenty => options.min_free,
            Room::Low | Room::Reserve => options.wanted(),
        };
        let least = if options.reserve == 0 { 0 } else { GIVE_FREE_BELOW };
        if self.held.load(Ordering::Acquire) && free >= enough.max(least) {
            self.room.store(Room::Plenty as u8, Ordering::Release);
        } else {
            self.lower(changing, options, free);
        }
    }

    fn lower(&self, changing: &MutexGuard<'_, ()>, options: SpaceOptions, free: u64) {
        let held = self.held.load(Ordering::Acquire);
        if held && options.reserve > 0 && free < GIVE_FREE_BELOW {
            self.give_free(changing);
        } else if !held && free < options.wanted().saturating_add(options.reserve) {
            self.room.fetch_max(Room::Reserve as u8, Ordering::AcqRel);
        } else if free < options.min_free {
            self.room.fetch_max(Room::Low as u8, Ordering::AcqRel);
        }
    }

    /// Gives the reserve free. Ordinary calls are refused before there is a byte of it to be had.
    fn give_free(&self, _changing: &MutexGuard<'_, ()>) {
        self.room.store(Room::Reserve as u8, Ordering::Release);
        if self.held.swap(false, Ordering::AcqRel) {
            // What cannot be removed stays, and is found again at the next start.
            drop(fs::remove_file(self.directory.join(RESERVE)));
        }
    }

    fn free(&self) -> Result<u64, StoreError> {
        let space = statvfs(&self.directory).map_err(|error| self.trouble(error.into()))?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Is the file there, with all its bytes on the device?
    fn is_whole(&self, reserve: u64) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let whole =
            |file: fs::Metadata| file.len() == reserve && file.blocks().saturating_mul(512) >= reserve;
        reserve == 0 || fs::metadata(self.directory.join(RESERVE)).is_ok_and(whole)
    }

    fn make(&self, reserve: u64) -> Result<(), StoreError> {
        let unfinished = self.directory.join(UNFINISHED);
        let made = self.fill(&unfinished, reserve).and_then(|()| {
            fs::rename(&unfinished, self.directory.join(RESERVE)).map_err(|error| self.trouble(error))?;
            directory::sync(Some(&self.directory))
        });
        if made.is_err() {
            drop(fs::remove_file(&unfinished));
        }
        made
    }

    fn fill(&self, path: &Path, reserve: u64) -> Result<(), StoreError> {
        let mut file = directory::open(path)?;
        file.set_len(0).map_err(|error| self.trouble(error))?;
        match fallocate(&file, FallocateFlags::empty(), 0, reserve) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.write_out(&mut file, reserve)?,
            Err(error) => return Err(self.trouble(error.into())),
        }
        file.sync_all().map_err(|error| self.trouble(error))
    }

    /// Bytes that no device makes smaller.
    fn write_out(&self, file: &mut File, reserve: u64) -> Result<(), StoreError> {
        let mut chunk = vec![0; CHUNK];
        let mut left = usize::try_from(reserve).unwrap_or(usize::MAX);
        while left > 0 {
            random::fill(&mut chunk).map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let part = chunk.get(..left.min(CHUNK)).unwrap_or_default();
            file.write_all(part).map_err(|error| self.trouble(error))?;
            left -= part.len();
        }
        Ok(())
    }

    fn trouble(&self, error: io::Error) -> StoreError {
        translate_io(&error, &self.directory.display().to_string())
    }
}

impl SpaceOptions {
    /// Free bytes from which on ordinary calls are taken again: a little more than where they are refused, so that the
    /// answer does not change with every call.
    const fn wanted(self) -> u64 {
        self.min_free.saturating_add(self.min_free / 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than any disk has.
    const ALL: u64 = 1 << 60;
    const RESERVE_BYTES: u64 = 1 << 20;

    fn open(directory: &Path, min_free: u64) -> Space {
        Space::open(directory, Some(SpaceOptions { min_free, reserve: RESERVE_BYTES })).unwrap()
    }

    #[test]
    fn the_reserve_is_made_given_free_when_a_write_finds_no_room_and_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(RESERVE);
        let space = open(directory.path(), 0);
        assert_eq!(space.room(), Room::Plenty);
        for _ in 0..2 {
            space.tend().unwrap();
            assert!(space.state().reserve_held && space.is_whole(RESERVE_BYTES));
            space.exhausted();
            assert_eq!(space.room(), Room::Reserve);
            assert!(!file.exists() && !space.state().reserve_held);
        }
        space.tend().unwrap();
        assert_eq!(space.room(), Room::Plenty);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_disk_without_room_is_for_calls_that_restrict_and_without_the_reserve_for_those_of_people() {
        let directory = tempfile::tempdir().unwrap();
        let space = open(directory.path(), ALL);
        assert_eq!(space.room(), Room::Reserve);
        space.tend().unwrap();
        assert_eq!(space.room(), Room::Reserve, "there is no room to make it");
        open(directory.path(), 0).tend().unwrap();
        let space = open(directory.path(), ALL);
        assert_eq!(space.room(), Room::Low);
        space.wrote(LOOK_AFTER);
        space.tend().unwrap();
        assert_eq!(space.room(), Room::Low);
    }

    #[test]
    fn what_a_crash_left_and_what_has_another_size_is_no_reserve() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(UNFINISHED), "left by a crash").unwrap();
        let sparse = File::create(directory.path().join(RESERVE)).unwrap();
        sparse.set_len(RESERVE_BYTES).unwrap();
        let space = open(directory.path(), 0);
        assert!(!space.state().reserve_held, "its bytes are not on the disk");
        assert!(!directory.path().join(UNFINISHED).exists());
        space.tend().unwrap();
        assert!(space.state().reserve_held);
    }

    #[test]
    fn where_nothing_is_asked_for_nothing_is_made() {
        let directory = tempfile::tempdir().unwrap();
        for options in [None, Some(SpaceOptions { min_free: 0, reserve: 0 })] {
            let space = Space::open(directory.path(), options).unwrap();
            space.exhausted();
            space.tend().unwrap();
            assert_eq!(space.room(), Room::Plenty);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

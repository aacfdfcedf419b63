//! The PKCS#11 library, loaded and initialized once per process (PKCS#11 v3.1, 5.4), however many providers use it.
//!
//! Some libraries find a token again only after `C_Finalize` and `C_Initialize`. That ends every session of the process,
//! and numbers of ended sessions are given out again. So each initialization is a *library epoch*, every call is made inside an
//! [`LibraryGuard`] that names the epoch, and a session of an earlier epoch is forgotten, never closed: its number may by now be
//! somebody else's session.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::Session;

use super::link::Link;

/// One library of this process.
pub(super) struct Library {
    loaded: RwLock<Loaded>,
    /// The connections through it, of all providers of this process.
    links: Mutex<Vec<Weak<Link>>>,
}

struct Loaded {
    library_epoch: u64,
    initialized: bool,
    pkcs11: Pkcs11,
}

/// Leave to call the library, in one epoch. While it is held, the library is not finalized.
pub(super) struct LibraryGuard<'a>(RwLockReadGuard<'a, Loaded>);

impl Library {
    /// The library at `path`, loaded and initialized if nobody did so before.
    pub(super) fn open(path: &Path) -> Result<Arc<Self>, Error> {
        static REGISTRY: Mutex<BTreeMap<PathBuf, Arc<Library>>> = Mutex::new(BTreeMap::new());
        // One library under two names would be initialized twice.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = registry.get(&path) {
            return Ok(library.clone());
        }
        let pkcs11 = Pkcs11::new(&path)?;
        initialize(&pkcs11)?;
        let loaded = RwLock::new(Loaded { library_epoch: 1, initialized: true, pkcs11 });
        let library = Arc::new(Self { loaded, links: Mutex::default() });
        registry.insert(path, library.clone());
        Ok(library)
    }

    /// Enters the library. Entries may nest: nobody ever waits for the other side of this lock.
    pub(super) fn enter(&self) -> LibraryGuard<'_> {
        LibraryGuard(self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records a new connection, which a restart would end.
    pub(super) fn note(&self, link: &Arc<Link>) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|other| other.strong_count() > 0);
        links.push(Arc::downgrade(link));
    }

    /// Does a connection of another provider still work?
    fn serves_others(&self) -> bool {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let library_epoch = self.enter().library_epoch();
        links
            .iter()
            .filter_map(Weak::upgrade)
            .any(|link| link.library_epoch == library_epoch && link.answers())
    }

    /// Finalizes and initializes anew; not if somebody did so since `seen`, or a call is still on its way (then a later
    /// attempt will do it). Unless `at_any_price`, not if a connection of another provider works either: it would be
    /// rebuilt, but not without a gap.
    pub(super) fn restart(&self, seen: u64, at_any_price: bool) -> Result<(), Error> {
        if !at_any_price && self.serves_others() {
            return Ok(());
        }
        let Ok(mut loaded) = self.loaded.try_write() else {
            return Ok(());
        };
        if loaded.library_epoch != seen {
            return Ok(());
        }
        if loaded.initialized {
            // A library that will not finalize is asked to initialize all the same: that answer counts.
            let _ = loaded.pkcs11.clone().finalize();
            loaded.initialized = false;
            loaded.library_epoch = loaded.library_epoch.wrapping_add(1);
        }
        initialize(&loaded.pkcs11)?;
        loaded.initialized = true;
        Ok(())
    }
}

fn initialize(pkcs11: &Pkcs11) -> Result<(), Error> {
    match pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        other => other,
    }
}

impl LibraryGuard<'_> {
    pub(super) fn library_epoch(&self) -> u64 {
        self.0.library_epoch
    }

    pub(super) fn pkcs11(&self) -> &Pkcs11 {
        &self.0.pkcs11
    }

    /// Closes a session if it is of this epoch, else forgets it.
    pub(super) fn retire(&self, session: Session, library_epoch: u64) {
        if library_epoch == self.0.library_epoch && self.0.initialized {
            drop(session);
        } else {
            std::mem::forget(session);
        }
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Library(..)")
    }
}

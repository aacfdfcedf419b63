//! Keys of protection `hsm` while they are ready in the token: session objects, bounded in number, destroyed when they are
//! no longer kept and nobody uses them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::object::ObjectHandle;

use super::fault::Fault;
use super::pool::TokenSession;
use crate::lru::Lru;

/// Keys kept ready in the token; more than this are unwrapped again when they are used.
const READY_OBJECTS: usize = 256;

/// The keys that are ready in the token, by the handle of the provider that they belong to.
pub(super) struct Objects {
    ready: Lru<u64, Arc<TokenObject>>,
    next: AtomicU64,
    retired: Arc<Retired>,
}

/// Objects that nobody uses any more, waiting for a thread with a session: the connection and the object.
type Retired = Mutex<Vec<(u64, ObjectHandle)>>;

/// One object. Dropped by its last user, it is put where the next free thread destroys it.
pub(super) struct TokenObject {
    link_generation: u64,
    handle: ObjectHandle,
    retired: Arc<Retired>,
}

impl TokenObject {
    pub(super) fn handle(&self) -> ObjectHandle {
        self.handle
    }
}

impl Drop for TokenObject {
    fn drop(&mut self) {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.push((self.link_generation, self.handle));
    }
}

impl Objects {
    pub(super) fn new() -> Self {
        Self { ready: Lru::new(READY_OBJECTS), next: AtomicU64::new(1), retired: Arc::default() }
    }

    /// A name for the object of a new handle.
    pub(super) fn new_name(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The object of that name, made anew if it is not there or of an earlier connection.
    pub(super) fn find_or_make(
        &self,
        token: &TokenSession<'_>,
        name: u64,
        make: impl FnOnce() -> Result<ObjectHandle, Fault>,
    ) -> Result<Arc<TokenObject>, Fault> {
        let link_generation = token.link.generation;
        if let Some(found) = self.ready.find(&name).filter(|found| found.link_generation == link_generation) {
            return Ok(found);
        }
        let made = Arc::new(TokenObject { link_generation, handle: make()?, retired: self.retired.clone() });
        self.ready.insert(name, made.clone());
        Ok(made)
    }

    pub(super) fn forget(&self, name: u64) {
        self.ready.remove(&name);
    }

    /// Forgets all: their connection is gone, and they with it.
    pub(super) fn forget_all(&self) {
        self.ready.clear();
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Destroys what waits for it.
    pub(super) fn sweep(&self, token: &TokenSession<'_>) {
        let waiting = std::mem::take(&mut *self.retired.lock().unwrap_or_else(PoisonError::into_inner));
        for (link_generation, handle) in waiting {
            // Objects of an earlier connection went with it, and their numbers may by now be those of others.
            if link_generation == token.link.generation
                && let Err(error) = token.session.destroy_object(handle)
            {
                tracing::debug!(%error, "a session object was gone before it was destroyed");
            }
        }
    }
}

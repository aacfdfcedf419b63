//! What the process does to itself before it touches a secret: no core files, no tracing by others, no swap, no new
//! privileges, and files that are private from the start.
//!
//! Each measure is tried, and reported as it turned out; only a machine that cannot lock memory is common enough to get
//! advice with the warning.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};
use rustix::thread::set_no_new_privs;

/// What holds of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Hardening {
    /// The process leaves no core file, and processes of the same account cannot read its memory.
    pub no_core_dumps: bool,
    /// Its memory is never written to swap.
    pub memory_locked: bool,
    /// It and its children can gain no privileges.
    pub no_new_privileges: bool,
}

impl Hardening {
    /// Does all of it, and traces a warning for what was not possible.
    #[must_use]
    pub fn apply() -> Self {
        umask(rustix::fs::Mode::from_bits_truncate(0o077));
        let hardening = Self {
            no_core_dumps: forbid_core_dumps(),
            memory_locked: lock_memory(),
            no_new_privileges: set_no_new_privs(true).is_ok(),
        };
        hardening.warn();
        hardening
    }

    /// Each measure by its word, and whether it holds.
    #[must_use]
    pub const fn measures(self) -> [(&'static str, bool); 3] {
        [
            ("no_core_dumps", self.no_core_dumps),
            ("memory_locked", self.memory_locked),
            ("no_new_privileges", self.no_new_privileges),
        ]
    }

    /// Could memory be locked in a process like this one?
    #[must_use]
    pub fn can_lock_memory() -> bool {
        let limit = rustix::process::getrlimit(Resource::Memlock).maximum;
        limit.is_none_or(|bytes| bytes >= ENOUGH_MEMLOCK) || has_ipc_lock()
    }

    fn warn(self) {
        if !self.no_core_dumps {
            tracing::warn!("core dumps could not be switched off; set `LimitCORE=0` for this service");
        }
        if !self.memory_locked {
            tracing::warn!("{}", Self::MEMORY_ADVICE);
        }
        if !self.no_new_privileges {
            tracing::warn!("the process could gain privileges; set `NoNewPrivileges=yes` for this service");
        }
    }

    /// What to do when memory cannot be locked.
    pub const MEMORY_ADVICE: &'static str = "memory cannot be locked, so keys in use may reach the swap device; \
        give the process CAP_IPC_LOCK, or set `LimitMEMLOCK=infinity` for this service, or switch swap off";
}

/// A limit below this would let the lock succeed now and make allocations fail later.
const ENOUGH_MEMLOCK: u64 = 1 << 30;

fn forbid_core_dumps() -> bool {
    let limited = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).is_ok();
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok();
    limited && hidden
}

/// Locks pages as they are touched: locking all that is mapped would count memory that is never used.
fn lock_memory() -> bool {
    let raised = raise_memlock_limit();
    let unlimited = raised.is_none_or(|bytes| bytes >= ENOUGH_MEMLOCK);
    (unlimited || has_ipc_lock())
        && mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).is_ok()
}

/// Raises the soft limit to the hard one, and gives what is then possible; `None` is no limit.
fn raise_memlock_limit() -> Option<u64> {
    let limit = rustix::process::getrlimit(Resource::Memlock);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Memlock, wanted) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// With this capability no limit counts (mlock(2)).
fn has_ipc_lock() -> bool {
    rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::IPC_LOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_dumps_and_new_privileges_are_off_afterwards() {
        // In a process of its own: the measures cannot be taken back.
        let hardening = Hardening::apply();
        assert!(hardening.no_core_dumps && hardening.no_new_privileges);
        assert_eq!(rustix::process::getrlimit(Resource::Core).current, Some(0));
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "x").unwrap();
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o077, 0);
    }
}

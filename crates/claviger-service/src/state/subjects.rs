//! Subject keys of those who hold a role, open in memory: people restrict in an emergency, and the token may be what is away.
//!
//! Invariant: a key is here while its principal is active and holds a role, and no longer. A commit that ends that takes the
//! key out before anyone hears of it; one that begins it has the key opened before it is answered or, where the token is away,
//! within a second of its return.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use claviger_audit::identity::SubjectKey;
use claviger_core::PrincipalId;
use claviger_core::principal::{Principal, Status};

/// The keys that are open, and whose are still to be opened.
#[derive(Default)]
pub(crate) struct Subjects(Mutex<Keys>);

#[derive(Default)]
struct Keys {
    open: BTreeMap<PrincipalId, SubjectKey>,
    wanted: BTreeSet<PrincipalId>,
}

impl std::fmt::Debug for Subjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subjects(..)")
    }
}

impl Subjects {
    /// The open key of a principal.
    pub(crate) fn find(&self, principal: PrincipalId) -> Option<SubjectKey> {
        self.keys().open.get(&principal).cloned()
    }

    /// A principal was written.
    pub(super) fn written(&self, principal: &Principal) {
        let mut keys = self.keys();
        if !keeps(principal) {
            keys.open.remove(&principal.id);
            keys.wanted.remove(&principal.id);
        } else if !keys.open.contains_key(&principal.id) {
            keys.wanted.insert(principal.id);
        }
    }

    /// Whose keys are still to be opened.
    pub(crate) fn wanted(&self) -> Vec<PrincipalId> {
        self.keys().wanted.iter().copied().collect()
    }

    /// Keeps an opened key, unless it is not wanted any more.
    pub(crate) fn keep(&self, principal: PrincipalId, key: SubjectKey) {
        let mut keys = self.keys();
        if keys.wanted.remove(&principal) {
            keys.open.insert(principal, key);
        }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keeps(principal: &Principal) -> bool {
    principal.status == Status::Active && !principal.roles.is_empty()
}

#[cfg(test)]
mod tests {
    use claviger_core::principal::{PrincipalKind, Role};

    use super::*;

    fn person(roles: &[Role], status: Status) -> Principal {
        let principal = crate::job::system().unwrap();
        Principal {
            id: PrincipalId::from_bytes([7; 16]),
            kind: PrincipalKind::Human,
            roles: roles.into(),
            status,
            ..principal
        }
    }

    #[test]
    fn key_is_kept_while_a_role_is_held_and_no_longer() {
        let subjects = Subjects::default();
        let holder = person(&[Role::Responder], Status::Active);
        subjects.written(&holder);
        assert_eq!(subjects.wanted(), [holder.id]);
        subjects.keep(holder.id, SubjectKey::new([1; 32]));
        assert!(subjects.find(holder.id).is_some() && subjects.wanted().is_empty());
        for gone in [person(&[], Status::Active), person(&[Role::Responder], Status::Revoked)] {
            subjects.written(&holder);
            subjects.keep(holder.id, SubjectKey::new([1; 32]));
            subjects.written(&gone);
            assert!(subjects.find(holder.id).is_none());
        }
    }

    #[test]
    fn key_that_was_opened_too_late_is_not_kept() {
        let subjects = Subjects::default();
        let holder = person(&[Role::Responder], Status::Active);
        subjects.written(&holder);
        subjects.written(&person(&[], Status::Active));
        subjects.keep(holder.id, SubjectKey::new([1; 32]));
        assert!(subjects.find(holder.id).is_none());
    }
}

//! Policies of grants that were parsed before.
//!
//! Invariant: a policy is kept by the digest of its whole text, which is written anew from the grant each time, and of the
//! grant's end, which the text has only as far as Cedar can count. So what is kept is never outdated, and what changes a grant
//! need not know of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use claviger_core::Timestamp;
use claviger_core::grant::Grant;
use claviger_core::principal::PrincipalKind;
use claviger_crypto::digest::sha256;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::PolicyError;
use super::grant::{GrantPolicy, write};

/// How much memory is kept for them, about.
pub(super) const PREPARED_BYTES: u64 = 64 << 20;
/// So much is kept whether or not it is used.
const LITTLE_BYTES: u64 = 1 << 20;
/// What a parsed policy takes beside its text.
const FIXED: u64 = 4096;
/// What a byte of text takes once it is parsed.
const FACTOR: u64 = 24;

#[derive(Clone)]
struct ByBytes;

impl Weighter<[u8; 32], Kept> for ByBytes {
    fn weight(&self, _: &[u8; 32], kept: &Kept) -> u64 {
        FIXED + FACTOR * kept.policy.text().len() as u64
    }
}

#[derive(Clone)]
struct Kept {
    policy: Arc<GrantPolicy>,
    /// Since the last look at what is used.
    is_used: Arc<AtomicBool>,
}

/// Parsed policies, up to a bound in bytes.
pub(super) struct Prepared(Cache<[u8; 32], Kept, ByBytes>);

impl Prepared {
    pub(super) fn with_bytes(bytes: u64) -> Self {
        let typical = FIXED + FACTOR * 512;
        Self(Cache::with_weighter(usize::try_from(bytes / typical).unwrap_or(1), bytes, ByBytes))
    }

    /// The policy of a grant to a holder of this kind.
    pub(super) fn of(&self, grant: &Grant, holder: PrincipalKind) -> Result<Arc<GrantPolicy>, PolicyError> {
        let text = write(grant, holder);
        let end = grant.conditions.until.map_or(u64::MAX, Timestamp::as_micros);
        let digest = sha256(&[text.as_bytes(), &end.to_be_bytes()].concat());
        if let Some(known) = self.0.get(&digest) {
            known.is_used.store(true, Ordering::Relaxed);
            return Ok(known.policy);
        }
        let policy = Arc::new(GrantPolicy::parse(text, grant)?);
        self.0.insert(digest, Kept { policy: Arc::clone(&policy), is_used: Arc::new(AtomicBool::new(true)) });
        Ok(policy)
    }

    /// Gives back what was not used since the last time, unless it is little.
    pub(super) fn forget_unused(&self) {
        if self.0.weight() > LITTLE_BYTES {
            self.0.retain(|_, kept| kept.is_used.swap(false, Ordering::Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use claviger_core::grant::{Basis, Conditions, GrantOrigin, Selector, Spelling};
    use claviger_core::principal::Status;
    use claviger_core::{Action, GrantId, KeyId, PrincipalId};

    use super::*;

    fn grant(number: u32, value: &str) -> Grant {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        Grant {
            id: GrantId::from_bytes(id),
            principal: PrincipalId::from_bytes([1; 16]),
            selector: Selector::Key(KeyId::from_bytes([2; 16])),
            operations: vec![Action::Encrypt],
            conditions: Conditions {
                context_equals: vec![("name".into(), value.into())],
                ..Conditions::default()
            },
            reason: None,
            name: None,
            retiring: None,
            created_by: PrincipalId::from_bytes([3; 16]),
            created_at: Timestamp::default(),
            basis: Basis::Role,
            origin: GrantOrigin::Direct,
            spelling: Spelling::default(),
            status: Status::Active,
            ending: None,
            revision: 1,
        }
    }

    #[test]
    fn a_grant_that_says_another_thing_is_another_policy() {
        let prepared = Prepared::with_bytes(1 << 20);
        let of = |grant: &Grant| prepared.of(grant, PrincipalKind::Workload).unwrap();
        let first = of(&grant(1, "a"));
        assert!(Arc::ptr_eq(&first, &of(&grant(1, "a"))));
        assert!(!Arc::ptr_eq(&first, &of(&grant(1, "b"))));
        assert_ne!(first.digest(), of(&grant(1, "b")).digest());
    }

    #[test]
    fn what_nobody_used_since_the_last_look_is_given_back_unless_it_is_little() {
        let prepared = Prepared::with_bytes(4 * LITTLE_BYTES);
        let long = "x".repeat(384);
        let mut count = 0;
        while prepared.0.weight() <= LITTLE_BYTES {
            prepared.forget_unused();
            prepared.of(&grant(count, &long), PrincipalKind::Workload).unwrap();
            count += 1;
        }
        assert_eq!(prepared.0.len(), usize::try_from(count).unwrap(), "little is kept");
        prepared.forget_unused();
        assert_eq!(prepared.0.len(), usize::try_from(count).unwrap(), "all of it was new");
        let used = prepared.of(&grant(3, &long), PrincipalKind::Workload).unwrap();
        prepared.forget_unused();
        assert_eq!(prepared.0.len(), 1);
        assert!(Arc::ptr_eq(&used, &prepared.of(&grant(3, &long), PrincipalKind::Workload).unwrap()));
    }

    #[test]
    fn what_is_kept_stays_within_its_bytes() {
        let bytes = 1 << 20;
        let prepared = Prepared::with_bytes(bytes);
        let long = "x".repeat(384);
        for number in 0..500 {
            prepared.of(&grant(number, &long), PrincipalKind::Workload).unwrap();
        }
        assert!(prepared.0.weight() <= bytes, "{}", prepared.0.weight());
        assert!(prepared.0.len() > 1);
    }
}

//! The review of rights: what people confirm of rights of which the log does not say how they came about.
//!
//! The rows of a store that an older release wrote are recorded as they stand. Whatever somebody did to them in the database before
//! then, the log knows nothing of. So two persons, a security officer and an auditor, look at the list of all rights and confirm its
//! digest; until both have, the rights are unconfirmed.

use crate::principal::Role;
use crate::time::Timestamp;
use crate::{PrincipalId, RightsReviewId};

/// A review of rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsReview {
    /// Its identifier.
    pub id: RightsReviewId,
    /// Since when the rights are unconfirmed.
    pub opened_at: Timestamp,
    /// SHA-256 of the list that was confirmed; `None` before the first confirmation.
    pub digest: Option<[u8; 32]>,
    /// The security officer who confirmed it.
    pub officer: Option<Confirmation>,
    /// The auditor who confirmed it.
    pub auditor: Option<Confirmation>,
    /// Counts the writes of this row.
    pub revision: u64,
}

/// Who confirmed, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The principal that confirmed.
    pub by: PrincipalId,
    /// When it confirmed.
    pub at: Timestamp,
}

/// In which of the two capacities somebody confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// As an auditor.
    Auditor,
    /// As a security officer.
    Officer,
}

impl Capacity {
    /// The one that a role gives.
    #[must_use]
    pub const fn of(role: Role) -> Option<Self> {
        match role {
            Role::Auditor => Some(Self::Auditor),
            Role::SecurityOfficer => Some(Self::Officer),
            Role::Administrator | Role::Custodian | Role::Operator | Role::Responder => None,
        }
    }
}

impl RightsReview {
    /// A review that nobody has confirmed yet.
    #[must_use]
    pub const fn new(id: RightsReviewId, opened_at: Timestamp) -> Self {
        Self { id, opened_at, digest: None, officer: None, auditor: None, revision: 0 }
    }

    /// Have both confirmed?
    #[must_use]
    pub const fn is_confirmed(&self) -> bool {
        self.officer.is_some() && self.auditor.is_some()
    }

    /// Did this person confirm that list?
    #[must_use]
    pub fn has(&self, by: PrincipalId, digest: &[u8; 32]) -> bool {
        let both = [self.officer, self.auditor];
        self.digest.as_ref() == Some(digest) && both.iter().flatten().any(|one| one.by == by)
    }

    /// The same with one more confirmation of the list with that digest. Those of another list fall by it; `None` where somebody
    /// confirmed this list in the same capacity, or the same person did in the other.
    #[must_use]
    pub fn confirmed(&self, digest: [u8; 32], capacity: Capacity, one: Confirmation) -> Option<Self> {
        let is_same = self.digest == Some(digest);
        let kept = |other: Option<Confirmation>| other.filter(|_| is_same);
        let (officer, auditor) = (kept(self.officer), kept(self.auditor));
        let (own, other) = match capacity {
            Capacity::Auditor => (auditor, officer),
            Capacity::Officer => (officer, auditor),
        };
        if own.is_some() || other.is_some_and(|other| other.by == one.by) {
            return None;
        }
        let (officer, auditor) = match capacity {
            Capacity::Auditor => (officer, Some(one)),
            Capacity::Officer => (Some(one), auditor),
        };
        Some(Self { digest: Some(digest), officer, auditor, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(by: u8, at: u64) -> Confirmation {
        Confirmation { by: PrincipalId::from_bytes([by; 16]), at: Timestamp::from_micros(at) }
    }

    #[test]
    fn two_persons_confirm_one_list() {
        let review = RightsReview::new(RightsReviewId::UPGRADE, Timestamp::from_micros(1));
        assert!(!review.is_confirmed());
        let first = review.confirmed([1; 32], Capacity::Officer, one(1, 2)).unwrap();
        assert!(!first.is_confirmed() && first.has(one(1, 0).by, &[1; 32]));
        assert!(!first.has(one(1, 0).by, &[2; 32]) && !first.has(one(2, 0).by, &[1; 32]));
        assert_eq!(first.confirmed([1; 32], Capacity::Auditor, one(1, 3)), None, "one person twice");
        assert_eq!(first.confirmed([1; 32], Capacity::Officer, one(3, 3)), None, "one capacity twice");
        let both = first.confirmed([1; 32], Capacity::Auditor, one(2, 3)).unwrap();
        assert!(both.is_confirmed());
        assert_eq!(
            (both.officer, both.auditor, both.digest),
            (Some(one(1, 2)), Some(one(2, 3)), Some([1; 32]))
        );
    }

    #[test]
    fn a_confirmation_of_another_list_takes_the_place_of_the_one_before() {
        let review = RightsReview::new(RightsReviewId::UPGRADE, Timestamp::from_micros(1));
        let first = review.confirmed([1; 32], Capacity::Officer, one(1, 2)).unwrap();
        let other = first.confirmed([2; 32], Capacity::Auditor, one(2, 3)).unwrap();
        assert_eq!((other.officer, other.auditor, other.digest), (None, Some(one(2, 3)), Some([2; 32])));
        assert!(!other.is_confirmed());
        assert!(other.confirmed([2; 32], Capacity::Officer, one(1, 4)).unwrap().is_confirmed());
    }

    #[test]
    fn two_roles_give_a_capacity() {
        let given: Vec<_> = Role::ALL.into_iter().filter(|role| Capacity::of(*role).is_some()).collect();
        assert_eq!(given, [Role::Auditor, Role::SecurityOfficer]);
    }
}

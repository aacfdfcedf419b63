//! Access reviews: who can do what is looked at, decided on, and what is not wanted any more is withdrawn.
//!
//! A review is opened over what there is at an instant, its *population*, which has a digest. Managers decide on each item whether it stays. What is
//! to go is withdrawn by the policy of the review: by the server when the review is closed, or by people, who have so many days for it.
//!
//! What it keeps true:
//! * the population of a review never changes; what came later is for the next one;
//! * each item is decided once, and never by whom it is about;
//! * a review is closed once, and only when every item is decided.

use crate::principal::PrincipalKind;
use crate::reason::Why;
use crate::time::Timestamp;
use crate::{KeyRingId, PrincipalId, ReviewId};

/// Whose access is reviewed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ReviewScope {
    /// That of everybody.
    All,
    /// That of persons.
    Humans,
    /// That of applications.
    Workloads,
}

crate::named! {
    /// Text that does not say whose access is reviewed.
    ReviewScope, "whose access is reviewed" {
        All = "all",
        Humans = "humans",
        Workloads = "workloads",
    }
}

impl ReviewScope {
    /// Is the access of such a principal among what is reviewed?
    #[must_use]
    pub const fn covers(self, kind: PrincipalKind) -> bool {
        match (self, kind) {
            (_, PrincipalKind::System) => false,
            (Self::All, _)
            | (Self::Humans, PrincipalKind::Human)
            | (Self::Workloads, PrincipalKind::Workload) => true,
            (Self::Humans, PrincipalKind::Workload) | (Self::Workloads, PrincipalKind::Human) => false,
        }
    }

    /// Its number at rest.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::All => 0,
            Self::Humans => 1,
            Self::Workloads => 2,
        }
    }

    /// The one with that number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::All),
            1 => Some(Self::Humans),
            2 => Some(Self::Workloads),
            _ => None,
        }
    }
}

/// What is decided of an item.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ReviewDecision {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

crate::named! {
    /// Text that is not a decision of a review.
    ReviewDecision, "a decision of a review" {
        Keep = "keep",
        Remove = "remove",
    }
}

/// What an item says that somebody has: all of it in one place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ReviewSubject {
    /// The roles and capacities of a person.
    Office(PrincipalId),
    /// The grants of a principal on a ring and its keys.
    Uses(PrincipalId, KeyRingId),
}

impl ReviewSubject {
    /// Whose access it is.
    #[must_use]
    pub const fn principal(self) -> PrincipalId {
        match self {
            Self::Office(principal) | Self::Uses(principal, _) => principal,
        }
    }
}

/// One item of a population.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReviewItem {
    /// Whose access, and where.
    pub subject: ReviewSubject,
    /// SHA-256 of the encoding of the rights that there are under it: which roles and capacities, or which grants, for what a grant gives
    /// never changes.
    pub rights: [u8; 32],
    /// How many they are.
    pub count: u32,
    /// When one of them was last used, as far as that is known when the review is opened.
    pub last_used: Option<Timestamp>,
    /// What was decided, and by whom.
    pub decided: Option<ItemDecision>,
}

/// What was decided of an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ItemDecision {
    /// What.
    pub decision: ReviewDecision,
    /// By whom.
    pub by: PrincipalId,
    /// When.
    pub at: Timestamp,
}

/// That a review was closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReviewClosed {
    /// By whom.
    pub by: PrincipalId,
    /// When.
    pub at: Timestamp,
}

/// An access review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Its identifier.
    pub id: ReviewId,
    /// Whose access.
    pub scope: ReviewScope,
    /// Of which ring alone; `None` for all of them and for roles and capacities.
    pub ring: Option<KeyRingId>,
    /// SHA-256 of the population: of the encoding of all its items, without what was decided.
    pub population: [u8; 32],
    /// The population, ascending by subject, each once.
    pub items: Vec<ReviewItem>,
    /// Who opened it.
    pub opened_by: PrincipalId,
    /// When: what there was then is the population.
    pub opened_at: Timestamp,
    /// By when it is to be closed.
    pub due_at: Timestamp,
    /// That it was closed.
    pub closed: Option<ReviewClosed>,
    /// Why it was opened, or what was said when it was closed.
    pub reason: Option<Why>,
    /// Counts the writes of this row.
    pub revision: u64,
}

impl Review {
    /// Most items of one review. What is more is reviewed ring by ring.
    pub const MOST_ITEMS: usize = 4096;
    /// How many are open at a time.
    pub const MOST_OPEN: u64 = 32;

    /// Is every item decided?
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.items.iter().all(|item| item.decided.is_some())
    }

    /// What is to go.
    pub fn to_remove(&self) -> impl Iterator<Item = &ReviewItem> {
        let is_removed = |item: &&ReviewItem| {
            item.decided.is_some_and(|decided| decided.decision == ReviewDecision::Remove)
        };
        self.items.iter().filter(is_removed)
    }

    /// Are these the items of one population? They are ascending, each subject has one, and they are not too many.
    #[must_use]
    pub fn are_listed(items: &[ReviewItem]) -> bool {
        items.len() <= Self::MOST_ITEMS && items.is_sorted_by(|one, next| one.subject < next.subject)
    }
}

/// Bytes that are not the one encoding of a population.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are not the one encoding of the items of a review")]
pub struct NotItems;

/// The first byte of every encoding.
const FORMAT: u8 = 1;
/// What begins an item without a ring, and one with it.
const OFFICE: u8 = 1;
const USES: u8 = 2;

/// The one encoding of items, at rest and in facts: a byte for the format, and for each item what it is (1 byte: 1 for roles and capacities, 2 for
/// grants on a ring), the principal (16 bytes), of grants the ring (16 bytes), the digest of its rights (32 bytes), their count (4 bytes, big-endian), a byte
/// that is 1 where a last use follows (8 bytes, microseconds, big-endian) and 0 otherwise, and a byte for the decision: 0 for none, 1 for
/// keep, 2 for remove, behind which come who decided (16 bytes) and when (8 bytes).
#[must_use]
pub fn encode_items(items: &[ReviewItem]) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    for item in items {
        encode_item(&mut bytes, item, item.decided);
    }
    bytes
}

/// The bytes whose SHA-256 is [`Review::population`]: those of [`encode_items`] while nothing is decided.
#[must_use]
pub fn encode_population(items: &[ReviewItem]) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    for item in items {
        encode_item(&mut bytes, item, None);
    }
    bytes
}

fn encode_item(bytes: &mut Vec<u8>, item: &ReviewItem, decided: Option<ItemDecision>) {
    match item.subject {
        ReviewSubject::Office(principal) => {
            bytes.push(OFFICE);
            bytes.extend_from_slice(principal.as_bytes());
        }
        ReviewSubject::Uses(principal, ring) => {
            bytes.push(USES);
            bytes.extend_from_slice(principal.as_bytes());
            bytes.extend_from_slice(ring.as_bytes());
        }
    }
    bytes.extend_from_slice(&item.rights);
    bytes.extend_from_slice(&item.count.to_be_bytes());
    match item.last_used {
        None => bytes.push(0),
        Some(at) => {
            bytes.push(1);
            bytes.extend_from_slice(&at.as_micros().to_be_bytes());
        }
    }
    match decided {
        None => bytes.push(0),
        Some(decided) => {
            bytes.push(match decided.decision {
                ReviewDecision::Keep => 1,
                ReviewDecision::Remove => 2,
            });
            bytes.extend_from_slice(decided.by.as_bytes());
            bytes.extend_from_slice(&decided.at.as_micros().to_be_bytes());
        }
    }
}

/// What [`encode_items`] wrote.
///
/// # Errors
/// [`NotItems`] for other bytes, and for items that are not those of one population.
pub fn decode_items(bytes: &[u8]) -> Result<Vec<ReviewItem>, NotItems> {
    let (format, mut rest) = bytes.split_first().ok_or(NotItems)?;
    if *format != FORMAT {
        return Err(NotItems);
    }
    let mut items = Vec::new();
    while !rest.is_empty() {
        if items.len() == Review::MOST_ITEMS {
            return Err(NotItems);
        }
        items.push(decode_item(&mut rest)?);
    }
    if Review::are_listed(&items) { Ok(items) } else { Err(NotItems) }
}

fn decode_item(rest: &mut &[u8]) -> Result<ReviewItem, NotItems> {
    let [what] = take(rest)?;
    let principal = PrincipalId::from_bytes(take(rest)?);
    let subject = match what {
        OFFICE => ReviewSubject::Office(principal),
        USES => ReviewSubject::Uses(principal, KeyRingId::from_bytes(take(rest)?)),
        _ => return Err(NotItems),
    };
    let rights = take(rest)?;
    let count = u32::from_be_bytes(take(rest)?);
    let last_used = match take(rest)? {
        [0] => None,
        [1] => Some(instant(rest)?),
        _ => return Err(NotItems),
    };
    let decision = match take(rest)? {
        [0] => None,
        [1] => Some(ReviewDecision::Keep),
        [2] => Some(ReviewDecision::Remove),
        _ => return Err(NotItems),
    };
    let decided = match decision {
        None => None,
        Some(decision) => {
            Some(ItemDecision { decision, by: PrincipalId::from_bytes(take(rest)?), at: instant(rest)? })
        }
    };
    Ok(ReviewItem { subject, rights, count, last_used, decided })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], NotItems> {
    let (taken, behind) = rest.split_first_chunk::<N>().ok_or(NotItems)?;
    *rest = behind;
    Ok(*taken)
}

fn instant(rest: &mut &[u8]) -> Result<Timestamp, NotItems> {
    Ok(Timestamp::from_micros(u64::from_be_bytes(take(rest)?)))
}

#[cfg(test)]
mod tests {
    use claviger_crypto::digest::sha256;

    use super::*;
    use crate::row::Row as _;

    fn item(principal: u8, ring: Option<u8>, decided: Option<ReviewDecision>) -> ReviewItem {
        let principal = PrincipalId::from_bytes([principal; 16]);
        let at = Timestamp::from_micros(7);
        ReviewItem {
            subject: match ring {
                None => ReviewSubject::Office(principal),
                Some(ring) => ReviewSubject::Uses(principal, KeyRingId::from_bytes([ring; 16])),
            },
            rights: [3; 32],
            count: 2,
            last_used: ring.map(|_| at),
            decided: decided.map(|decision| ItemDecision {
                decision,
                by: PrincipalId::from_bytes([9; 16]),
                at,
            }),
        }
    }

    #[test]
    fn items_have_one_encoding_and_no_other_bytes_are_any() {
        let keep = Some(ReviewDecision::Keep);
        let items =
            [item(1, None, None), item(2, None, keep), item(1, Some(4), Some(ReviewDecision::Remove))];
        let bytes = encode_items(&items);
        assert_eq!(decode_items(&bytes).unwrap(), items);
        assert_eq!(decode_items(&encode_items(&[])), Ok(Vec::new()));
        for cut in 0..bytes.len() {
            if let Ok(fewer) = decode_items(&bytes[..cut]) {
                assert_eq!(encode_items(&fewer), bytes[..cut]);
            }
        }
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x55;
            if let Ok(read) = decode_items(&other) {
                assert_eq!(encode_items(&read), other, "{at}");
            }
        }
        let twice = [item(1, None, None), item(1, None, None)];
        assert_eq!(decode_items(&encode_items(&twice)), Err(NotItems));
    }

    #[test]
    fn what_is_decided_is_no_part_of_the_population() {
        let undecided = [item(1, None, None), item(1, Some(2), None)];
        let decided =
            [item(1, None, Some(ReviewDecision::Keep)), item(1, Some(2), Some(ReviewDecision::Remove))];
        assert_eq!(encode_population(&decided), encode_population(&undecided));
        assert_eq!(encode_population(&undecided), encode_items(&undecided));
        assert_ne!(encode_items(&decided), encode_items(&undecided));
    }

    fn review(items: Vec<ReviewItem>) -> Review {
        let at = Timestamp::from_micros;
        Review {
            id: ReviewId::from_bytes([1; 16]),
            scope: ReviewScope::Humans,
            ring: None,
            population: sha256(&encode_population(&items)),
            items,
            opened_by: PrincipalId::from_bytes([9; 16]),
            opened_at: at(5),
            due_at: at(50),
            closed: None,
            reason: None,
            revision: 1,
        }
    }

    fn closed(review: Review) -> Review {
        let by = review.opened_by;
        Review { closed: Some(ReviewClosed { by, at: Timestamp::from_micros(30) }), ..review }
    }

    #[test]
    fn what_cannot_be_a_review_is_refused() {
        let keep = Some(ReviewDecision::Keep);
        let open = review(vec![item(1, None, keep), item(2, Some(3), None)]);
        let decided = review(vec![item(1, None, keep), item(2, Some(3), Some(ReviewDecision::Remove))]);
        assert!(open.check().is_ok() && !open.is_decided() && decided.is_decided());
        assert_eq!(decided.to_remove().count(), 1);
        assert_eq!(closed(decided).check(), Ok(()));
        let mut down = open.clone();
        down.items.reverse();
        down.population = sha256(&encode_population(&down.items));
        let own = review(vec![item(9, None, keep)]);
        let early = Review { due_at: open.opened_at, ..open.clone() };
        let another = Review { population: [0; 32], ..open.clone() };
        for wrong in [down, own, early, another, closed(open)] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn each_item_is_decided_once_and_a_review_is_closed_once() {
        let (keep, remove) = (Some(ReviewDecision::Keep), Some(ReviewDecision::Remove));
        let open = review(vec![item(1, None, None), item(2, None, None)]);
        let half = review(vec![item(1, None, keep), item(2, None, None)]);
        let all = review(vec![item(1, None, keep), item(2, None, remove)]);
        let done = closed(all.clone());
        assert!(half.follows(&open) && all.follows(&half) && all.follows(&open) && done.follows(&all));
        let changed = review(vec![item(1, None, remove), item(2, None, remove)]);
        for (next, stored) in
            [(&open, &half), (&changed, &half), (&all, &done), (&closed(changed.clone()), &done)]
        {
            assert!(!next.follows(stored), "{next:?}");
        }
        let again =
            Review { closed: done.closed.map(|closed| ReviewClosed { at: done.due_at, ..closed }), ..all };
        assert!(!again.follows(&done));
        let edits: [fn(&mut Review); 9] = [
            |one| one.scope = ReviewScope::All,
            |one| one.ring = Some(KeyRingId::from_bytes([1; 16])),
            |one| one.population = [0; 32],
            |one| one.opened_by = PrincipalId::from_bytes([8; 16]),
            |one| one.due_at = Timestamp::from_micros(60),
            |one| one.items[0].rights = [0; 32],
            |one| one.items[0].last_used = Some(Timestamp::from_micros(1)),
            |one| one.items.truncate(one.items.len() - 1),
            // What is said when it is closed is said then.
            |one| one.reason = Some(Why::Unasked(crate::reason::Unasked::System)),
        ];
        for edit in edits {
            let mut edited = half.clone();
            edit(&mut edited);
            assert!(!edited.follows(&open), "{edited:?}");
        }
    }

    #[test]
    fn scopes_cover_kinds_of_principals() {
        for scope in ReviewScope::ALL {
            assert!(!scope.covers(PrincipalKind::System));
            assert_eq!(ReviewScope::from_code(scope.code()), Some(scope));
            let both = scope.covers(PrincipalKind::Human) && scope.covers(PrincipalKind::Workload);
            assert_eq!(both, scope == ReviewScope::All);
        }
    }
}

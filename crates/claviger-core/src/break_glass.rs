//! Break-glass: emergency access. One named person without an office uses named keys for a bounded time, with the approval of one other person
//! in place of a quorum; everybody is told at once, and another person looks at it afterwards.
//!
//! What it gives is grants like others, with an end, of an origin of their own ([`GrantOrigin::BreakGlass`](crate::grant::GrantOrigin)). This row says what they
//! were for, and stays until somebody has reviewed it.
//!
//! What it keeps true: who gets what and until when is fixed when it is opened; it is closed once, and reviewed once.

use crate::reason::Why;
use crate::time::Timestamp;
use crate::{ApprovalId, BreakGlassId, GrantId, KeyId, PrincipalId};

/// What a reviewer finds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum BreakGlassVerdict {
    /// It was needed, and used for what it was opened for.
    Justified,
    /// It was not.
    Unjustified,
}

crate::named! {
    /// Text that does not say what a review of emergency access found.
    BreakGlassVerdict, "what a review of emergency access found" {
        Justified = "justified",
        Unjustified = "unjustified",
    }
}

/// That it was closed before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakGlassClosed {
    /// By whom.
    pub by: PrincipalId,
    /// When.
    pub at: Timestamp,
}

/// That it was reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakGlassReviewed {
    /// What was found.
    pub verdict: BreakGlassVerdict,
    /// By whom: neither who had the access nor who opened it.
    pub by: PrincipalId,
    /// When.
    pub at: Timestamp,
}

/// Emergency access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakGlass {
    /// Its identifier.
    pub id: BreakGlassId,
    /// Who has it.
    pub holder: PrincipalId,
    /// To which keys, ascending, each once, at least one.
    pub keys: Vec<KeyId>,
    /// By which grants, one for each key, in the same order.
    pub grants: Vec<GrantId>,
    /// Who opened it.
    pub opened_by: PrincipalId,
    /// By which approval; `None` where the deployment asks nobody.
    pub approval: Option<ApprovalId>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ends by itself.
    pub ends_at: Timestamp,
    /// That it was closed before.
    pub closed: Option<BreakGlassClosed>,
    /// That it was reviewed.
    pub reviewed: Option<BreakGlassReviewed>,
    /// Why it was opened. What is said when it is closed or reviewed is the reason of those acts, in the log.
    pub reason: Option<Why>,
    /// Counts the writes of this row.
    pub revision: u64,
}

impl BreakGlass {
    /// Most keys of one.
    pub const MOST_KEYS: usize = 64;

    /// When it ended or will end.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.closed.map_or(self.ends_at, |closed| closed.at.min(self.ends_at))
    }

    /// Does its holder have the access at `now`?
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.end()
    }

    /// Are these its keys, and is there a grant for each?
    #[must_use]
    pub fn is_sound(&self) -> bool {
        (1..=Self::MOST_KEYS).contains(&self.keys.len())
            && self.keys.is_sorted_by(|one, next| one < next)
            && self.grants.len() == self.keys.len()
            && self.opened_at < self.ends_at
            && self.holder != self.opened_by
            && self
                .reviewed
                .is_none_or(|reviewed| reviewed.by != self.holder && reviewed.by != self.opened_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row as _;

    fn opened() -> BreakGlass {
        let principal = |byte| PrincipalId::from_bytes([byte; 16]);
        BreakGlass {
            id: BreakGlassId::from_bytes([1; 16]),
            holder: principal(1),
            keys: vec![KeyId::from_bytes([1; 16])],
            grants: vec![GrantId::from_bytes([1; 16])],
            opened_by: principal(2),
            approval: None,
            opened_at: Timestamp::from_micros(5),
            ends_at: Timestamp::from_micros(9),
            closed: None,
            reviewed: None,
            reason: None,
            revision: 0,
        }
    }

    #[test]
    fn it_ends_by_itself_or_when_it_is_closed() {
        let at = Timestamp::from_micros;
        let one = opened();
        assert!(one.is_sound() && one.is_open(at(8)) && !one.is_open(at(9)));
        let closed = BreakGlassClosed { by: one.opened_by, at: at(7) };
        let one = BreakGlass { closed: Some(closed), ..one };
        assert!(one.is_open(at(6)) && !one.is_open(at(7)));
        let late = BreakGlass { closed: Some(BreakGlassClosed { at: at(12), ..closed }), ..one };
        assert_eq!(late.end(), at(9));
    }

    #[test]
    fn who_gets_what_is_fixed_and_it_is_closed_once_and_reviewed_once_when_it_has_ended() {
        let (at, one) = (Timestamp::from_micros, opened());
        let reviewed = |micros| {
            let by = PrincipalId::from_bytes([3; 16]);
            Some(BreakGlassReviewed { verdict: BreakGlassVerdict::Justified, by, at: at(micros) })
        };
        let closed = |micros| Some(BreakGlassClosed { by: one.opened_by, at: at(micros) });
        let ended = BreakGlass { closed: closed(7), ..one.clone() };
        let looked_at = BreakGlass { reviewed: reviewed(8), ..ended.clone() };
        assert!(ended.follows(&one) && looked_at.follows(&ended) && looked_at.check().is_ok());
        let by_itself = BreakGlass { reviewed: reviewed(9), ..one.clone() };
        assert!(by_itself.check().is_ok() && by_itself.follows(&one));
        assert!(BreakGlass { reviewed: reviewed(8), ..one.clone() }.check().is_err(), "it is still open");
        for (next, stored) in [
            (one.clone(), &ended),
            (BreakGlass { closed: closed(8), ..one.clone() }, &ended),
            (ended.clone(), &looked_at),
            (BreakGlass { reviewed: reviewed(10), ..ended.clone() }, &looked_at),
            (BreakGlass { closed: closed(8), ..by_itself.clone() }, &by_itself),
        ] {
            assert!(!next.follows(stored), "{next:?}");
        }
        let edits: [fn(&mut BreakGlass); 6] = [
            |one| one.holder = PrincipalId::from_bytes([5; 16]),
            |one| one.keys.push(KeyId::from_bytes([2; 16])),
            |one| one.grants = vec![GrantId::from_bytes([2; 16])],
            |one| one.opened_by = PrincipalId::from_bytes([5; 16]),
            |one| one.approval = Some(ApprovalId::from_bytes([1; 16])),
            |one| one.ends_at = Timestamp::from_micros(10),
        ];
        for edit in edits {
            let mut edited = ended.clone();
            edit(&mut edited);
            assert!(!edited.follows(&one), "{edited:?}");
        }
    }

    #[test]
    fn neither_holder_nor_opener_reviews_it_and_nobody_opens_it_for_themselves() {
        let one = opened();
        let by = |by| {
            Some(BreakGlassReviewed {
                verdict: BreakGlassVerdict::Justified,
                by,
                at: Timestamp::from_micros(20),
            })
        };
        for (reviewer, is_sound) in
            [(one.holder, false), (one.opened_by, false), (PrincipalId::from_bytes([3; 16]), true)]
        {
            assert_eq!(BreakGlass { reviewed: by(reviewer), ..one.clone() }.is_sound(), is_sound);
        }
        assert!(!BreakGlass { opened_by: one.holder, ..one.clone() }.is_sound());
        assert!(!BreakGlass { keys: Vec::new(), grants: Vec::new(), ..one.clone() }.is_sound());
        assert!(!BreakGlass { grants: Vec::new(), ..one }.is_sound());
    }
}

//! The rules of the deployment itself, which no ring has: how many must approve what concerns all of it, and for how long rights last.
//!
//! There is one row of them. Where there is none, an older release set the deployment up, or nobody asked for more: nobody approves
//! anything that concerns the whole deployment, and every evaluation says so.

use std::time::Duration;

use crate::PrincipalId;
use crate::reason::Why;
use crate::time::Timestamp;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The rules of the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Governance {
    /// How many custodians must approve an act that concerns the whole deployment; 0 for nobody.
    pub quorum: u8,
    /// How long an approval can be decided and done.
    pub approval_lifetime: Duration,
    /// The longest that a grant to a person lasts; `None` for no end.
    pub human_grant_lifetime: Option<Duration>,
    /// The longest that emergency access lasts.
    pub break_glass_lifetime: Duration,
    /// How many keys one person declares compromised in an hour before others must approve the next.
    pub compromise_burst: u16,
    /// Who set them last.
    pub set_by: PrincipalId,
    /// When.
    pub set_at: Timestamp,
    /// Why.
    pub reason: Option<Why>,
    /// Counts the writes of this row; 0 where there is none.
    pub revision: u64,
}

impl Default for Governance {
    fn default() -> Self {
        Self {
            quorum: 0,
            approval_lifetime: Self::APPROVAL_LIFETIME,
            human_grant_lifetime: None,
            break_glass_lifetime: 4 * HOUR,
            compromise_burst: 10,
            set_by: PrincipalId::SYSTEM,
            set_at: Timestamp::default(),
            reason: None,
            revision: 0,
        }
    }
}

impl Governance {
    /// How long an approval can be decided and done, unless something else is set.
    pub const APPROVAL_LIFETIME: Duration = Duration::from_secs(7 * 86_400);
    /// The quorum that new deployments begin with.
    pub const QUORUM: u8 = 2;

    /// The rules that a new deployment with people begins with.
    #[must_use]
    pub fn of_new_deployment(by: PrincipalId, at: Timestamp) -> Self {
        Self {
            quorum: Self::QUORUM,
            human_grant_lifetime: Some(90 * DAY),
            set_by: by,
            set_at: at,
            ..Self::default()
        }
    }

    /// Can these be the rules? An approval lives for an hour to 30 days, emergency access for 15 minutes to 24 hours, a grant to a person
    /// for a day to ten years, and no more must approve than can decide.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let within = |span: Duration, least: Duration, most: Duration| least <= span && span <= most;
        usize::from(self.quorum) <= crate::approval::Approval::MOST_DECISIONS
            && within(self.approval_lifetime, HOUR, 30 * DAY)
            && within(self.break_glass_lifetime, HOUR / 4, 24 * HOUR)
            && self.human_grant_lifetime.is_none_or(|span| within(span, DAY, 3_660 * DAY))
    }

    /// Do these ask for less than `before` somewhere? What asks for less is done by approval alone.
    #[must_use]
    pub fn weakens(&self, before: &Self) -> bool {
        let shorter = |now: Option<Duration>, then: Option<Duration>| match (now, then) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(now), Some(then)) => now <= then,
        };
        self.quorum < before.quorum
            || self.approval_lifetime > before.approval_lifetime
            || self.break_glass_lifetime > before.break_glass_lifetime
            || self.compromise_burst > before.compromise_burst
            || !shorter(self.human_grant_lifetime, before.human_grant_lifetime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_for_less_anywhere_weakens() {
        let before = Governance::of_new_deployment(PrincipalId::SYSTEM, Timestamp::default());
        assert!(before.is_sound() && !before.weakens(&before));
        assert!(!before.weakens(&Governance::default()));
        assert!(Governance::default().weakens(&before));
        let edits: [fn(&mut Governance); 5] = [
            |rules| rules.quorum -= 1,
            |rules| rules.approval_lifetime *= 2,
            |rules| rules.break_glass_lifetime *= 2,
            |rules| rules.compromise_burst += 1,
            |rules| rules.human_grant_lifetime = None,
        ];
        for edit in edits {
            let mut now = before.clone();
            edit(&mut now);
            assert!(now.weakens(&before) && !before.weakens(&now), "{now:?}");
        }
    }

    #[test]
    fn rules_are_bounded() {
        let rules = Governance::default();
        assert!(!Governance { quorum: 33, ..rules.clone() }.is_sound());
        assert!(!Governance { approval_lifetime: Duration::from_secs(60), ..rules.clone() }.is_sound());
        assert!(!Governance { break_glass_lifetime: 25 * HOUR, ..rules.clone() }.is_sound());
        assert!(!Governance { human_grant_lifetime: Some(HOUR), ..rules }.is_sound());
    }
}

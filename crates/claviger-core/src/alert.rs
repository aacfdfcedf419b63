//! Alerts: what somebody must look at, whoever they are.
//!
//! An alert is raised by the server, about one object, under one rule. As long as it is not closed, the same finding raises no other one: it
//! counts. A person looks at it (*triage*), and closes it with a reason.
//!
//! What it keeps true: what an alert is about never changes, what was found is counted and never taken back, and it is closed once.

use crate::object::Object;
use crate::reason::Why;
use crate::time::Timestamp;
use crate::{AlertId, PrincipalId};

/// What raises an alert. The numbers are for ever: facts have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum AlertRule {
    /// Somebody asked for the use of a key that waits for its destruction.
    UseWhileDestroying = 1,
    /// Emergency access was opened.
    BreakGlassOpened = 2,
    /// Emergency access ended, and nobody has reviewed it in time.
    BreakGlassUnreviewed = 3,
    /// One person declared more keys compromised within an hour than one person does alone.
    CompromiseBurst = 4,
    /// A job of the server's that runs by policy did not run when it was due.
    JobOverdue = 5,
    /// A row is not as a server wrote it.
    RowAltered = 6,
    /// A credential of a person ends soon, or ended, and none follows it.
    CredentialExpires = 7,
    /// An officer came about by a recovery.
    OfficerRecovered = 8,
    /// An access review was not closed in time, or what it removes was not removed.
    ReviewOverdue = 9,
    /// A scheduled destruction is held.
    DestructionHeld = 10,
}

crate::named! {
    /// Text that is not a rule of alerts.
    AlertRule, "a rule of alerts" {
        UseWhileDestroying = "use_while_destroying",
        BreakGlassOpened = "break_glass_opened",
        BreakGlassUnreviewed = "break_glass_unreviewed",
        CompromiseBurst = "compromise_burst",
        JobOverdue = "job_overdue",
        RowAltered = "row_altered",
        CredentialExpires = "credential_expires",
        OfficerRecovered = "officer_recovered",
        ReviewOverdue = "review_overdue",
        DestructionHeld = "destruction_held",
    }
}

impl AlertRule {
    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The rule of that number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.code() == code)
    }

    /// What it means and what to do, for people.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::UseWhileDestroying => {
                "somebody still needs this key: find out who (`claviger audit search --key`), and cancel the destruction if they are right"
            }
            Self::BreakGlassOpened => "emergency access is open: know why, and review it when it has ended",
            Self::BreakGlassUnreviewed => {
                "another person than its holder reviews what was done: `claviger break-glass review`"
            }
            Self::CompromiseBurst => {
                "one person declares many keys compromised: an incident, or a stolen credential; further ones take others"
            }
            Self::JobOverdue => "what runs by policy does not run: `claviger doctor` says what holds it",
            Self::RowAltered => {
                "somebody edited the store: `claviger audit verify` names the rows, and the incident procedure begins"
            }
            Self::CredentialExpires => "its holder renews it: `claviger credential renew`",
            Self::OfficerRecovered => {
                "somebody with the machine and the root's secret made an officer: acknowledge it, or cancel it"
            }
            Self::ReviewOverdue => "decide what is open and close it: `claviger access review show`",
            Self::DestructionHeld => {
                "it is approved afresh or cancelled: `claviger key show` says why it is held"
            }
        }
    }
}

/// What a person did with an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertAct {
    /// Who.
    pub by: PrincipalId,
    /// When.
    pub at: Timestamp,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its identifier.
    pub id: AlertId,
    /// What raised it.
    pub rule: AlertRule,
    /// What it is about; none where it is about the whole deployment.
    pub subject: Option<Object>,
    /// When it was first found.
    pub raised_at: Timestamp,
    /// When it was last found.
    pub last_at: Timestamp,
    /// How often.
    pub count: u64,
    /// That a person has looked at it.
    pub triaged: Option<AlertAct>,
    /// That it is closed.
    pub closed: Option<AlertAct>,
    /// What was said when it was looked at or closed, whichever came last.
    pub reason: Option<Why>,
    /// Counts the writes of this row.
    pub revision: u64,
}

impl Alert {
    /// Most alerts by one rule that are not closed. What is found beyond is counted in the log and in a metric, and raises none. By each rule:
    /// whoever can cause many by one hides none by another.
    pub const MOST_OPEN: u64 = 1024;

    /// The first finding.
    #[must_use]
    pub const fn raised(id: AlertId, rule: AlertRule, subject: Option<Object>, at: Timestamp) -> Self {
        Self {
            id,
            rule,
            subject,
            raised_at: at,
            last_at: at,
            count: 1,
            triaged: None,
            closed: None,
            reason: None,
            revision: 0,
        }
    }

    /// Does anybody still have to look at it?
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.closed.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyId;
    use crate::reason::Unasked;
    use crate::row::Row as _;

    fn raised() -> Alert {
        let subject = Object::Key(KeyId::from_bytes([2; 16]));
        let at = Timestamp::from_micros(5);
        Alert::raised(AlertId::from_bytes([1; 16]), AlertRule::DestructionHeld, Some(subject), at)
    }

    fn act(at: u64) -> Option<AlertAct> {
        Some(AlertAct { by: PrincipalId::from_bytes([3; 16]), at: Timestamp::from_micros(at) })
    }

    const WHY: Option<Why> = Some(Why::Unasked(Unasked::Protocol));

    #[test]
    fn what_was_found_is_counted_and_never_taken_back() {
        let one = raised();
        let more = Alert { count: 7, last_at: Timestamp::from_micros(9), ..one.clone() };
        assert!(one.check().is_ok() && more.follows(&one) && !one.follows(&more));
        assert!(Alert { count: 0, ..raised() }.check().is_err());
        let edits: [fn(&mut Alert); 4] = [
            |one| one.rule = AlertRule::RowAltered,
            |one| one.subject = None,
            |one| one.raised_at = Timestamp::from_micros(6),
            // A reason comes with an act.
            |one| one.reason = WHY,
        ];
        for edit in edits {
            let mut edited = more.clone();
            edit(&mut edited);
            assert!(!edited.follows(&one), "{edited:?}");
        }
        assert!(Alert { reason: WHY, ..raised() }.check().is_err());
    }

    #[test]
    fn somebody_looks_at_it_once_and_closes_it_once() {
        let seen = Alert { triaged: act(10), reason: WHY, ..raised() };
        let more = Alert { count: 2, ..seen.clone() };
        let closed = Alert { closed: act(20), ..more.clone() };
        assert!(seen.check().is_ok() && seen.follows(&raised()) && more.follows(&seen));
        assert!(closed.follows(&more) && closed.follows(&raised()) && closed.follows(&closed));
        assert!(!closed.is_open() && seen.is_open());
        for (next, stored) in [
            (raised(), &seen),
            (Alert { triaged: act(11), ..seen.clone() }, &seen),
            (more.clone(), &closed),
            (Alert { closed: act(21), ..closed.clone() }, &closed),
            (Alert { count: 3, ..closed.clone() }, &closed),
            (Alert { reason: None, ..closed.clone() }, &closed),
        ] {
            assert!(!next.follows(stored), "{next:?}");
        }
    }

    #[test]
    fn rules_have_numbers_and_words_of_their_own_and_say_what_to_do() {
        for rule in AlertRule::ALL {
            assert_eq!(AlertRule::from_code(rule.code()), Some(rule));
            assert_eq!(rule.name().parse(), Ok(rule));
            assert!(!rule.advice().is_empty());
        }
        assert_eq!(AlertRule::from_code(0), None);
    }
}

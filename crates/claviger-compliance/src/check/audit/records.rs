//! AUD-02: whether entries say what was done, when, by whom and to what.

use std::collections::BTreeSet;

use claviger_audit::{Entry, Op, Outcome as Ended};
use claviger_core::target::TargetKind;

use super::{first_of, not_known, told};
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Period, Setting, Subject};

/// What the house does of itself, without a session: at set-up and recovery, and when something is due.
const OF_HOUSE: [Op; 11] = [
    Op::CreateCredential,
    Op::CreatePrincipal,
    Op::DeactivateKey,
    Op::DeactivateVersion,
    Op::DestroyKey,
    Op::Initialize,
    Op::Recover,
    Op::RemoveImportedMaterial,
    Op::RotateKey,
    Op::ScanStore,
    Op::Snapshot,
];
/// What is wrong with the sessions that entries name.
const OF_SESSIONS: [&str; 3] = ["session-altered", "session-missing", "session-unknown"];

pub(super) struct WholeRecords {
    ledger: Ledger,
    period: Period,
    /// Operations that an entry was found whole of.
    seen: BTreeSet<Op>,
    entries: u64,
    lacking: u64,
    of_house: u64,
    /// Sessions that say nothing of who is behind them.
    bare_sessions: u64,
    nobodys: u64,
}

impl WholeRecords {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            seen: BTreeSet::new(),
            entries: 0,
            lacking: 0,
            of_house: 0,
            bare_sessions: 0,
            nobodys: 0,
        }
    }
}

/// Is it an act of the house? What it did, a rule permitted; a snapshot and a scan are asked of nobody.
fn is_of_house(entry: &Entry<'_>) -> bool {
    let is_asked = !matches!(entry.op, Op::ScanStore | Op::Snapshot);
    let is_permitted = !is_asked || entry.out != Ended::Ok || entry.pol.is_some();
    entry.ses.is_none() && OF_HOUSE.contains(&entry.op) && is_permitted
}

/// What an entry lacks. Operation and outcome stand in each: others do not decode.
fn lacking(entry: &Entry<'_>) -> Option<&'static str> {
    if entry.t == 0 {
        return Some("a time");
    }
    match entry.op {
        Op::AuthenticationFailure => {
            return Some("an origin: it names the credential, and not where the call came from");
        }
        Op::MalformedRequest if entry.ses.is_none() => return Some("an actor: it names no session"),
        Op::Session if entry.act.is_none() => return Some("an actor"),
        _ => {}
    }
    let action = entry.op.action()?;
    if entry.ses.is_none() && !is_of_house(entry) {
        return Some("an actor: it names no session, and is no act of the house");
    }
    // What was refused may not have come to what it was about.
    if entry.out != Ended::Ok {
        return None;
    }
    let has_object = match action.target_kind() {
        TargetKind::Key => entry.key.is_some(),
        TargetKind::Grant | TargetKind::Principal | TargetKind::Ring => {
            entry.key.is_some() || entry.reference.is_some() || entry.fct.is_some()
        }
        TargetKind::System => true,
    };
    (!has_object).then_some("what it was done to")
}

impl Check for WholeRecords {
    fn entry(&mut self, event: &Event<'_>, _estate: &Estate) {
        if !self.period.holds(event.at) {
            return;
        }
        let entry = event.entry;
        self.entries += 1;
        self.of_house += u64::from(entry.op.action().is_some() && is_of_house(entry));
        self.bare_sessions += u64::from(entry.op == Op::Session && entry.session_commitment().is_none());
        self.nobodys += u64::from(entry.op == Op::UnauthenticatedCount);
        let lacks = lacking(entry);
        if lacks.is_some() {
            self.lacking += 1;
        } else if !self.seen.insert(entry.op) {
            return;
        }
        let because = lacks.map(|what| format!("its entry lacks {what}"));
        self.ledger.happened(Subject::named(entry.op.name()), event.at, event.index, because);
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        let to = end.setting.as_of();
        let wrong = first_of(end.verified, |code| OF_SESSIONS.contains(&code));
        let sessions = match wrong {
            Some(wrong) => Judgement::violated(told(wrong)),
            None if self.bare_sessions > 0 => Judgement::unknown(format!(
                "{} sessions do not commit to who is behind them: an older release recorded them",
                self.bare_sessions
            )),
            None if self.entries == 0 => Judgement::OutOfScope,
            None => Judgement::Holds,
        };
        self.ledger.judge(Subject::named("sessions"), to, sessions);
        if self.nobodys > 0 {
            let why = "calls without a credential are counted by listener each second: where each came from is not kept";
            not_known(&mut self.ledger, "calls without a credential", to, why);
        }
        Outcome::of(self.ledger, "every entry says what was done, when, how it ended, in whose session and to what")
            .figure("entries", self.entries)
            .figure("entries_lacking", self.lacking)
            .figure("entries_of_house", self.of_house)
            .note("an entry names its session, and the session commits to principal, credential, method and origin, sealed: that these are a principal of that time and a known origin, a disclosure of the range shows, and is checked against the log")
            .note("an act without a session, of the kinds that the service does of itself, is the house's")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_lack_something_are_found() {
        let encrypt = Entry::new(1, 1, Op::Encrypt, Ended::Ok);
        assert!(lacking(&encrypt).is_some_and(|what| what.starts_with("an actor")));
        let encrypt = Entry { ses: Some(3), ..encrypt };
        assert_eq!(lacking(&encrypt), Some("what it was done to"));
        assert_eq!(lacking(&Entry { key: Some([7; 16]), ..encrypt.clone() }), None);
        assert_eq!(lacking(&Entry { out: Ended::Denied, ..encrypt.clone() }), None);
        assert_eq!(lacking(&Entry { t: 0, ..encrypt }), Some("a time"));
        let rotate = Entry { key: Some([7; 16]), ..Entry::new(1, 1, Op::RotateKey, Ended::Ok) };
        assert!(lacking(&rotate).is_some(), "nothing permitted it");
        assert_eq!(lacking(&Entry { pol: Some([1; 8]), ..rotate }), None);
        assert_eq!(lacking(&Entry::new(1, 1, Op::NodeStart, Ended::Ok)), None);
    }
}

//! The order in which the sequencer serves what waits.
//!
//! What it keeps true:
//! * what is small, a use of a key above all, waits for no more than a share of time of what is not: a change costs as much as
//!   a hundred uses, and a batch is a thousand;
//! * restricting calls and the rest take turns, each in the order in which they came; restricting calls of which none rests on what
//!   another takes away are served together;
//! * whoever gives the log up is heard first.

use std::collections::VecDeque;

use claviger_core::change::Restriction;

use super::queue::Command;
use super::submission::Submission;

/// What the sequencer has taken and not served yet.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// Calls that are written in no time.
    pub(super) small: VecDeque<Box<Submission>>,
    restrictions: VecDeque<Command>,
    /// Changes, batches, cuts, notes and the end.
    others: VecDeque<Command>,
    given_up: Option<Command>,
    restriction_was_last: bool,
}

impl Lanes {
    pub(super) fn len(&self) -> usize {
        self.small.len() + self.restrictions.len() + self.others.len()
    }

    pub(super) fn push(&mut self, command: Command) {
        match command {
            Command::Submit(submission) if submission.is_small() => self.small.push_back(submission),
            Command::Submit(ref submission) if !submission.restricts.is_empty() => {
                self.restrictions.push_back(command)
            }
            Command::GiveUp(_) => self.given_up = Some(command),
            _ => self.others.push_back(command),
        }
    }

    /// The next restricting call, if none of these restrictions is among its own, nor about anything that it rests on.
    pub(super) fn next_restriction_beside(
        &mut self,
        restrictions: &[Restriction],
    ) -> Option<Box<Submission>> {
        let is_beside = |command: &mut Command| match command {
            Command::Submit(submission) => submission.is_beside(restrictions),
            _ => false,
        };
        match self.restrictions.pop_front_if(is_beside) {
            Some(Command::Submit(submission)) => Some(submission),
            _ => None,
        }
    }

    /// What is next of what is not small.
    pub(super) fn next(&mut self) -> Option<Command> {
        if let Some(command) = self.given_up.take() {
            return Some(command);
        }
        let restriction = if self.restriction_was_last && !self.others.is_empty() {
            None
        } else {
            self.restrictions.pop_front()
        };
        self.restriction_was_last = restriction.is_some();
        restriction.or_else(|| self.others.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::op::Op;
    use claviger_core::change::{Change, Restriction};
    use claviger_core::{KeyId, KeyVersionId, Timestamp};

    use super::*;
    use crate::record::{EntryDetail, EntryDetails, EntryHeader};

    fn submission(changes: Vec<Change>, restricts: Vec<Restriction>) -> Command {
        Command::Submit(Box::new(Submission {
            header: EntryHeader::of_system(Op::Heartbeat, Timestamp::default()),
            details: EntryDetail::default().into(),
            changes,
            facts: None,
            restricts,
            epoch: 0,
            dependencies: Default::default(),
            rights: None,
            least_room: claviger_core::port::store::Room::Plenty,
            reply: tokio::sync::oneshot::channel().0,
        }))
    }

    fn key() -> KeyId {
        KeyId::from_bytes([1; 16])
    }

    fn change() -> Command {
        submission(vec![Change::ExpectNoAlias(key())], Vec::new())
    }

    /// Many uses in one call.
    fn batch() -> Command {
        let Command::Submit(mut submission) = submission(Vec::new(), Vec::new()) else {
            panic!("a submission")
        };
        submission.details = EntryDetails::Many(vec![EntryDetail::default(); 1000]);
        Command::Submit(submission)
    }

    fn restriction() -> Command {
        submission(vec![Change::ExpectNoAlias(key())], vec![Restriction::Key(key())])
    }

    fn is_restriction(command: &Command) -> bool {
        matches!(command, Command::Submit(submission) if !submission.restricts.is_empty())
    }

    #[test]
    fn what_is_small_has_a_lane_and_restrictions_and_changes_take_turns() {
        let mut lanes = Lanes::default();
        let counted = Change::CountUses { version: KeyVersionId { key: key(), number: 1 }, uses: 1 };
        for command in [
            change(),
            change(),
            submission(Vec::new(), Vec::new()),
            restriction(),
            batch(),
            submission(vec![counted], Vec::new()),
            restriction(),
            Command::Stop,
            restriction(),
            Command::GiveUp("a fault".to_owned()),
        ] {
            lanes.push(command);
        }
        assert_eq!((lanes.small.len(), lanes.len()), (2, 9));
        assert!(matches!(lanes.next(), Some(Command::GiveUp(_))));
        let order: Vec<_> = std::iter::from_fn(|| lanes.next()).collect();
        let turns: Vec<_> = order.iter().map(is_restriction).collect();
        assert_eq!(turns, [true, false, true, false, true, false, false]);
        // What came before the end is served before it.
        assert!(matches!(order.last(), Some(Command::Stop)));
    }
}

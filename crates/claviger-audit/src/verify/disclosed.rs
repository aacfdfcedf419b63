//! Sessions against the log, and a disclosure against both.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::objects::Objects;
use crate::session::{Disclosure, SessionRecord};
use crate::{Entry, Hash, Op};

/// What does not hold of the record of a session.
pub(super) fn judge_record(
    shard: u32,
    entry: u64,
    committed: Hash,
    record: Option<&[u8]>,
) -> Option<Finding> {
    let why = match record.map(SessionRecord::decode) {
        None => return Some(Finding::SessionMissing { shard, entry }),
        Some(Ok(record)) if record.commitment() == committed => return None,
        Some(Ok(_)) => "it is another one than the entry commits to".to_owned(),
        Some(Err(error)) => error.to_string(),
    };
    Some(Finding::SessionAltered { shard, entry, why })
}

/// A disclosure, held against the log as that is walked.
pub(super) struct Disclosed<'a> {
    of: &'a Disclosure,
    shard: Option<u32>,
    /// Commitments of the sessions that are disclosed, as the log has them.
    committed: BTreeMap<u64, Hash>,
    /// Sessions that the range is about, and that commit to something.
    asked: BTreeSet<u64>,
    /// Which sessions commit to something.
    committing: BTreeSet<u64>,
    is_whole: bool,
}

impl<'a> Disclosed<'a> {
    /// Against the logs beside the root log of that origin.
    pub(super) fn new(of: &'a Disclosure, root_origin: &str) -> Self {
        let logs = root_origin.strip_suffix(super::ROOT).unwrap_or(root_origin);
        let shard = of.origin.strip_prefix(logs).and_then(|shard| shard.parse().ok());
        Self {
            of,
            shard,
            committed: BTreeMap::new(),
            asked: BTreeSet::new(),
            committing: BTreeSet::new(),
            is_whole: false,
        }
    }

    /// Looks at the next entry of a shard.
    pub(super) fn saw(&mut self, shard: u32, index: u64, entry: &Entry<'_>) {
        if self.shard != Some(shard) {
            return;
        }
        if let Some(commitment) = entry.session_commitment() {
            self.committing.insert(index);
            if self.of.sessions.binary_search_by_key(&index, |session| session.entry).is_ok() {
                self.committed.insert(index, commitment);
            }
        }
        if (self.of.from..self.of.to).contains(&index) {
            let sessions = entry.ses.into_iter().chain((entry.op == Op::Session).then_some(index));
            self.asked.extend(sessions.filter(|session| self.committing.contains(session)));
            self.is_whole |= index + 1 == self.of.to;
        }
    }

    /// What of it does not hold.
    pub(super) fn judge(self, objects: &Objects, findings: &mut Vec<Finding>) {
        let Some(shard) = self.shard else {
            return findings.push(Finding::DisclosureOfAnotherLog { origin: self.of.origin.clone() });
        };
        if self.of.from < self.of.to && !self.is_whole {
            findings.push(Finding::DisclosureBeyondLog { to: self.of.to });
        }
        for session in &self.of.sessions {
            let entry = session.entry;
            if self.committed.get(&entry) != Some(&session.commitment()) {
                findings.push(Finding::DisclosedSession { shard, entry });
            }
        }
        let disclosed =
            |entry: &u64| self.of.sessions.binary_search_by_key(entry, |session| session.entry).is_ok();
        for entry in self.asked.iter().filter(|entry| !disclosed(entry)) {
            findings.push(Finding::DisclosureIncomplete { shard, entry: *entry });
        }
        for name in &self.of.names {
            let fields = objects.find(&name.object).map(super::Current::fields);
            if fields.and_then(|fields| fields.get(&name.number).cloned()) != Some(name.field()) {
                findings.push(Finding::DisclosedName { object: name.object });
            }
        }
    }
}

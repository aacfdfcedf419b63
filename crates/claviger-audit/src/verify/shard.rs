//! The log of one shard: its tree at every cut, and its entries one by one.

use std::collections::BTreeSet;

use super::announced::Announced;
use super::approvals;
use super::beside::{Beside, Bundles, Hashed};
use super::disclosed::{Disclosed, judge_record};
use super::files::{Files, Newer, Part, WalkError, for_each_of_first};
use super::finding::Finding;
use super::moment::{Moment, Reached};
use super::objects::Objects;
use super::receipts::Wanted;
use super::released::Recorded;
use super::replay::Replay;
use super::root::Roots;
use super::snapshots::Snapshots;
use super::watch::{SeenEntry, Watching};
use crate::fact::Fact;
use crate::tree::{Frontier, leaf_hash};
use crate::{Entry, EntryError, Op, Outcome};

/// Digests of the keys of the nodes that the log says have started.
pub(super) type Nodes = BTreeSet<Vec<u8>>;

/// What a walk comes to beside objects, states and findings.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) nodes: Nodes,
    /// Evidence keys that entries announce.
    pub(super) announced: Announced,
    /// Snapshots that were held against the state.
    pub(super) snapshots: u64,
    /// The moment that was asked for, where an entry lies behind it.
    pub(super) moment: Option<Reached>,
    /// Where the log ends.
    pub(super) end: Reached,
    /// How many entries lie before the first of which the state is known.
    pub(super) unknown_before: u64,
}

/// A walk over one shard.
pub(super) struct Shard<'a, 'd> {
    number: u32,
    roots: &'a Roots,
    wanted: &'a mut Wanted,
    replay: &'a mut Replay,
    objects: &'a mut Objects,
    findings: &'a mut Vec<Finding>,
    disclosed: Option<&'a mut Disclosed<'d>>,
    watcher: Watching<'a>,
    tree: Frontier,
    epoch: u64,
    sessions: BTreeSet<u64>,
    recorded: Recorded,
    snapshots: Snapshots,
    moment: Option<Moment>,
    window: Option<(u64, u64)>,
    walked: Walked,
    /// The last size that a cut names at which the log was as it was cut.
    whole_until: u64,
    altered: bool,
}

impl<'a, 'd> Shard<'a, 'd> {
    pub(super) fn new(
        number: u32,
        roots: &'a Roots,
        wanted: &'a mut Wanted,
        (replay, objects): (&'a mut Replay, &'a mut Objects),
        findings: &'a mut Vec<Finding>,
    ) -> Self {
        Self {
            number,
            roots,
            wanted,
            replay,
            objects,
            findings,
            disclosed: None,
            watcher: None,
            tree: Frontier::new(),
            epoch: 0,
            sessions: BTreeSet::new(),
            recorded: Recorded::default(),
            snapshots: Snapshots::default(),
            moment: None,
            window: None,
            walked: Walked::default(),
            whole_until: 0,
            altered: false,
        }
    }

    /// The same, with a disclosure to hold against what is seen.
    pub(super) fn holding(self, disclosed: Option<&'a mut Disclosed<'d>>) -> Self {
        Self { disclosed, ..self }
    }

    /// The same, in sight of somebody who looks on.
    pub(super) fn watched(self, watcher: Watching<'a>) -> Self {
        Self { watcher, ..self }
    }

    /// Has the objects remember this moment.
    pub(super) fn marking(self, moment: Option<Moment>) -> Self {
        Self { moment, ..self }
    }

    /// Has the objects remember how they stood while the log grew from the one size to the other.
    pub(super) fn within(self, window: Option<(u64, u64)>) -> Self {
        Self { window, ..self }
    }

    /// Walks over the entries of that part.
    pub(super) fn verify(mut self, files: &dyn Files, part: Part) -> Result<Walked, WalkError> {
        self.snapshots = Snapshots::find(files, self.number, part, self.findings);
        self.hold_against_cut();
        let mut bundles = Bundles::new(files, self.number, part.whole);
        let (mut unreadable, mut newer) = (None, None);
        for_each_of_first(files, &self.number.to_string(), part, |index, bytes| {
            let leaf = leaf_hash(bytes);
            self.tree.push(leaf);
            self.wanted.saw(index, leaf, &self.tree);
            self.hold_against_cut();
            match Entry::decode(bytes) {
                Ok(entry) => {
                    self.look_at_state(index, &entry);
                    self.take(index, &entry);
                    let beside = if entry.has_beside() { bundles.find(index) } else { Ok(None) };
                    let facts = match beside {
                        Ok(beside) => self.take_beside(index, &entry, beside),
                        Err(error) => {
                            unreadable = unreadable.take().or(Some(error));
                            &[]
                        }
                    };
                    if let Some(watcher) = &mut self.watcher {
                        let (shard, entry, objects) = (self.number, &entry, &*self.objects);
                        watcher.entry(&SeenEntry { shard, index, entry, facts, objects });
                    }
                }
                Err(error @ (EntryError::UnknownVersion(_) | EntryError::UnknownOp(_))) => {
                    let what = format!("shard {}, entry", self.number);
                    newer.get_or_insert(Newer { what, index, why: error.to_string() });
                }
                Err(error) => self.findings.push(Finding::EntryMalformed {
                    shard: self.number,
                    entry: index,
                    why: error.to_string(),
                }),
            }
        })?;
        self.walked.snapshots = self.snapshots.checked();
        match (unreadable, newer) {
            (Some(unreadable), _) => Err(unreadable),
            // Of entries that are not those that were cut, nobody's release wrote any.
            (None, Some(newer)) if !self.altered => Err(WalkError::Newer(newer)),
            (None, _) => Ok(self.walked),
        }
    }

    /// The state behind the entries before this one: is it of a snapshot, of the moment that is asked for, or of the time in which rows were
    /// read?
    fn look_at_state(&mut self, index: u64, entry: &Entry<'_>) {
        self.snapshots.hold(self.number, index, self.objects, self.findings);
        if let Some((before, after)) = self.window {
            if index >= before {
                self.objects.open_window();
            }
            if index >= after {
                self.objects.close_window();
            }
        }
        let before = self.walked.end;
        if self.walked.moment.is_none() && self.moment.is_some_and(|moment| moment.is_before(index, entry)) {
            self.objects.mark();
            self.walked.moment = Some(before);
        }
        self.walked.end = Reached { size: index + 1, newest_at: Some(entry.t) };
        if entry.op == Op::RecordState {
            self.walked.unknown_before = index + 1;
        }
    }

    /// Holds the tree against the cut at this size, if there is one. The first that differs says where to look; all later ones
    /// must differ as well.
    fn hold_against_cut(&mut self) {
        let size = self.tree.size();
        match self.roots.get(&size) {
            Some(root) if *root == self.tree.root() => self.whole_until = size,
            Some(_) if !self.altered => {
                self.altered = true;
                let (shard, first) = (self.number, self.whole_until);
                self.findings.push(Finding::EntriesAltered { shard, first, end: size });
            }
            Some(_) | None => {}
        }
    }

    /// What lies beside an entry: its facts, which are given back if they hold, or the record of a session.
    fn take_beside<'b>(&mut self, index: u64, entry: &Entry<'_>, beside: Option<&'b Beside>) -> &'b [Fact] {
        if let Some(digest) = entry.fct {
            return self.take_facts(index, entry.op, digest, beside);
        }
        if let Some(committed) = entry.session_commitment() {
            self.findings.extend(judge_record(
                self.number,
                index,
                committed,
                beside.map(|beside| beside.bytes.as_slice()),
            ));
        }
        &[]
    }

    fn take_facts<'b>(
        &mut self,
        index: u64,
        op: Op,
        digest: [u8; 32],
        beside: Option<&'b Beside>,
    ) -> &'b [Fact] {
        let shard = self.number;
        let Some(beside) = beside else {
            self.findings.push(Finding::FactMissing { shard, entry: index });
            return &[];
        };
        match beside.facts() {
            Ok(Hashed { facts, digests }) => {
                if facts.digest_over(digests) != digest {
                    let why = "they have another digest".to_owned();
                    self.findings.push(Finding::FactAltered { shard, entry: index, why });
                    return &[];
                }
                if op == Op::ReleasedResults {
                    self.recorded.hold((shard, index), facts, self.findings);
                }
                let (place, as_found) = ((shard, index), op == Op::RecordState);
                for fact in &facts.facts {
                    approvals::look_at(place, as_found, (fact, &facts.facts), self.objects, self.findings);
                }
                let digested = facts.facts.iter().zip(digests.iter().copied());
                self.objects.take(place, as_found, digested, self.findings);
                &facts.facts
            }
            Err(error) => {
                self.findings.push(Finding::FactAltered { shard, entry: index, why: error.to_string() });
                &[]
            }
        }
    }

    fn take(&mut self, index: u64, entry: &Entry<'_>) {
        if entry.e < self.epoch {
            self.findings.push(Finding::EntryOutOfOrder { shard: self.number, entry: index });
        }
        self.epoch = self.epoch.max(entry.e);
        self.recorded.take(entry);
        match (entry.op, &entry.reference) {
            (Op::Session, _) => {
                self.sessions.insert(index);
            }
            (Op::NodeStart, Some(digest)) => {
                self.walked.nodes.insert(digest.to_vec());
            }
            (Op::AnnounceEvidenceKey, Some(digest)) if entry.out == Outcome::Ok => {
                self.walked.announced.entry(digest.to_vec()).or_insert(index);
            }
            _ => {}
        }
        if entry.ses.is_some_and(|session| !self.sessions.contains(&session)) {
            self.findings.push(Finding::SessionUnknown { shard: self.number, entry: index });
        }
        if let Some(disclosed) = &mut self.disclosed {
            disclosed.saw(self.number, index, entry);
        }
        self.replay.take(self.number, index, entry, self.findings);
    }
}

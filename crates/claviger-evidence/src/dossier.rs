//! What a pack is made from: one walk over a verified log gathers all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use claviger_audit::cut::Cut;
use claviger_audit::fact::Object;
use claviger_audit::verify::{
    Current, Files, Finding, NotVerified, Request, SeenEntry, Verified, WalkError, Watcher, verify_watched,
};
use claviger_audit::{Hash, Op, Outcome, Snapshot, VerifierKey};
use claviger_compliance::evaluation::{Declared, Estate};
use claviger_compliance::{Catalogue, Evaluation, Framework, Period, Scan};

use crate::detector::{Detection, Detector};
use crate::disclosed::{self, Disclosed};
use crate::inventory::Inventory;
use crate::pack::PackFile;
use crate::page;
use crate::samples::{Drawing, Samples, Tally};
use crate::tree::Tree;

/// What is asked of a log.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'c> {
    /// The catalogue that decides.
    pub catalogue: &'c Catalogue,
    /// The framework whose controls are evaluated; none for all of the catalogue's.
    pub framework: Option<&'c Framework>,
    /// The period; results of state are of its end.
    pub period: Period,
    /// Who called, as far as the pack lets it out; nothing of it where there is none.
    pub disclosed: Option<&'c Disclosed>,
}

/// What a pack is made from.
#[derive(Debug)]
pub struct Dossier<'c> {
    /// What was asked.
    pub asked: Asked<'c>,
    /// The key by which the log was verified.
    pub key: VerifierKey,
    /// What the controls come to.
    pub evaluation: Evaluation,
    /// All objects at the end of the period, as far as checks read them.
    pub estate: Estate,
    /// The same objects with all that their facts say.
    pub objects: BTreeMap<Object, Current>,
    /// The newest snapshot of the period.
    pub snapshot: Option<SnapshotSeen>,
    /// Sessions of callers that the log has until the end of the period. Who they are is sealed.
    pub sessions: u64,
    /// What there is of keys and what makes and guards them.
    pub inventory: Inventory,
    /// What was looked for in entries and facts, and must not be there.
    pub detection: Detection,
    /// Parameters that are declared otherwise than the catalogue has them.
    pub declared: Declared,
    /// What was verified of the log, and what does not hold.
    pub verified: Verified,
    /// What does not hold of what is disclosed: codes, and what they say.
    pub misdisclosed: Vec<(&'static str, String)>,
    /// Entries that nobody chose, with proofs.
    pub samples: Samples,
    /// What the page needs to check a sample of a long log.
    pub tiles: Vec<PackFile>,
}

/// A snapshot of the log, which the verification held against the state of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotSeen {
    /// The shard of its entry.
    pub shard: u32,
    /// Its entry.
    pub entry: u64,
    /// What it says.
    pub snapshot: Snapshot,
}

impl<'c> Dossier<'c> {
    /// Verifies the log behind `files` and gathers what a pack is made from. `seen` is told now and then how many entries were walked over.
    ///
    /// # Errors
    /// When a file cannot be read, or a newer release wrote the log. What does not hold of the log is in [`Self::verified`].
    pub fn gather(
        files: &dyn Files,
        key: &VerifierKey,
        asked: Asked<'c>,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Self, NotVerified> {
        let scan = || Scan::new(asked.catalogue, asked.framework, asked.period);
        let disclosure = asked.disclosed.map(Disclosed::disclosure);
        let request = Request { disclosure, ..Request::new(key) };
        let mut walk = Walk::new(scan(), asked.period, seen);
        let mut verified = verify_watched(files, &request, &mut walk)?;
        // Checks are made by parameters, which the log has said only now.
        let declared = walk.scan.declared();
        if !declared.is_empty() {
            walk = Walk::new(scan().with(&declared), asked.period, walk.seen);
            verified = verify_watched(files, &request, &mut walk)?;
        }
        // What is said of callers changes nothing of what the log says.
        let (of_disclosure, of_log): (Vec<_>, Vec<_>) =
            std::mem::take(&mut verified.findings).into_iter().partition(Finding::is_of_disclosure);
        verified.findings = of_log;
        let Standing { objects, snapshot, sessions } = walk.standing;
        let (tally, root) = (walk.tally, walk.root);
        let scan = walk.scan.remaking(files, key, &mut || ())?;
        let mut drawing = Drawing::new(&tally, root);
        let (evaluation, estate) = scan.finish_telling(&verified, &mut |told| drawing.take(told));
        let (samples, trees) = drawn(files, drawing, root, &verified)?;
        let misdisclosed = misdisclosed(&of_disclosure, &asked, &tally, &verified);
        Ok(Self {
            asked,
            key: key.clone(),
            evaluation,
            inventory: Inventory::of(&estate, asked.catalogue.algorithms(), asked.period),
            estate,
            objects,
            snapshot,
            sessions,
            detection: walk.detector.finish(),
            declared,
            misdisclosed,
            samples,
            tiles: if verified.findings.is_empty() { page::tiles(&trees) } else { Vec::new() },
            verified,
        })
    }

    /// How long the period is.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.asked.period.to.since(self.asked.period.from)
    }
}

/// The samples, and the trees of the shards. Of a log that does not hold there are neither; live rows are no part of it.
fn drawn(
    files: &dyn Files,
    drawing: Drawing<'_>,
    root: Hash,
    verified: &Verified,
) -> Result<(Samples, BTreeMap<u32, Tree>), NotVerified> {
    let none = |why: &str| (Samples::none(&root, verified, why), BTreeMap::new());
    if verified.findings.iter().any(|finding| !matches!(finding, Finding::StateDiffers { .. })) {
        return Ok(none("the log does not hold"));
    }
    match drawing.finish(files, verified) {
        Ok(drawn) => Ok(drawn),
        // Of what was verified a moment ago.
        Err(WalkError::Finding(_)) => Ok(none("the log changed while it was read")),
        Err(WalkError::Unreadable { name, why }) => Err(NotVerified::Unreadable { name, why }),
        Err(WalkError::Newer(newer)) => Err(newer.into()),
    }
}

/// What does not hold of what is disclosed.
fn misdisclosed(
    findings: &[Finding],
    asked: &Asked<'_>,
    tally: &Tally,
    verified: &Verified,
) -> Vec<(&'static str, String)> {
    let other = asked.disclosed.filter(|disclosed| !disclosed.is_about(tally.window(), &verified.origin));
    let other = other.map(|_| {
        let why = "what is disclosed is not about the entries of the period, or not of this log";
        ("disclosure-of-another-period", why.to_owned())
    });
    findings.iter().map(disclosed::reported).chain(other).collect()
}

/// After how many entries it is said how far the walk is.
const STEP: u64 = 1000;

/// All that looks on.
struct Walk<'c, 's> {
    scan: Scan<'c>,
    detector: Detector,
    standing: Standing,
    tally: Tally,
    root: Hash,
    entries: u64,
    seen: &'s mut dyn FnMut(u64),
}

impl<'c, 's> Walk<'c, 's> {
    fn new(scan: Scan<'c>, period: Period, seen: &'s mut dyn FnMut(u64)) -> Self {
        Self {
            scan,
            detector: Detector::new(),
            standing: Standing::default(),
            tally: Tally::new(period),
            root: Hash::default(),
            entries: 0,
            seen,
        }
    }
}

impl Watcher for Walk<'_, '_> {
    fn cut(&mut self, number: u64, cut: &Cut) {
        self.scan.cut(number, cut);
        self.tally.cut(cut);
    }

    fn entry(&mut self, seen: &SeenEntry<'_>) {
        self.scan.entry(seen);
        self.detector.entry(seen);
        self.tally.entry(seen);
        if self.scan.counts(seen) {
            self.standing.entry(seen);
        }
        self.entries += 1;
        if self.entries.is_multiple_of(STEP) {
            (self.seen)(self.entries);
        }
    }

    fn root(&mut self, size: u64, root: &Hash) {
        self.scan.root(size, root);
        self.root = *root;
    }
}

/// What stands at the end of the period.
#[derive(Default)]
struct Standing {
    objects: BTreeMap<Object, Current>,
    snapshot: Option<SnapshotSeen>,
    sessions: u64,
}

impl Standing {
    fn entry(&mut self, seen: &SeenEntry<'_>) {
        for fact in seen.facts {
            match seen.objects.find(&fact.object) {
                Some(current) => self.objects.insert(fact.object, current.clone()),
                None => self.objects.remove(&fact.object),
            };
        }
        match seen.entry.op {
            Op::Session => self.sessions += 1,
            Op::Snapshot if seen.entry.out == Outcome::Ok => {
                let said = Snapshot::from_bytes(seen.entry.reference.as_deref().unwrap_or_default());
                let newest =
                    said.map(|snapshot| SnapshotSeen { shard: seen.shard, entry: seen.index, snapshot });
                self.snapshot = newest.or(self.snapshot);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use claviger_audit::verify::Objects;
    use claviger_audit::{Entry, ShardHead, ShardState};
    use claviger_core::Timestamp;

    use super::*;

    #[test]
    fn what_was_cut_or_is_no_later_counts_and_the_newest_snapshot_stays() {
        let catalogue = Catalogue::load().unwrap();
        let period = Period { from: Timestamp::from_micros(0), to: Timestamp::from_micros(20) };
        let mut seen = |_| ();
        let mut walk = Walk::new(Scan::new(&catalogue, None, period), period, &mut seen);
        let cut = |t, size| {
            let head = ShardHead {
                shard: 1,
                state: ShardState::Active,
                incarnation: 1,
                size,
                root: [0; 32],
                epoch: 1,
            };
            Cut {
                t,
                cut_no: 0,
                epoch: 1,
                shards: vec![head],
                erase_generation: None,
                capsule_hash: None,
                row_tags: None,
                rows: None,
            }
        };
        walk.cut(0, &cut(20, 2));
        walk.cut(1, &cut(21, 4));
        let objects = Objects::default();
        // The second one was cut by then, though its clock is ahead. The two last ones were not, and one of them says that it is older.
        for (index, t) in [(0, 5), (1, 900), (2, 20), (3, 21), (4, 6)] {
            let mut entry = Entry::new(t, 1, Op::Snapshot, Outcome::Ok);
            let snapshot = Snapshot { root: [7; 32], size: index, objects: 0 };
            entry.reference = Some(snapshot.to_bytes().to_vec().into());
            walk.entry(&SeenEntry { shard: 1, index, entry: &entry, facts: &[], objects: &objects });
            let entry = Entry::new(t, 1, Op::Session, Outcome::Ok);
            walk.entry(&SeenEntry { shard: 1, index, entry: &entry, facts: &[], objects: &objects });
        }
        assert_eq!(walk.standing.sessions, 3);
        let newest = walk.standing.snapshot.unwrap();
        assert_eq!((newest.entry, newest.snapshot.size), (2, 2));
    }
}

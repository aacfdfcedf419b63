//! `state/`: every object at the end of the period, and what of the log commits to them.

use claviger_audit::verify::ShownObject;
use claviger_audit::{Snapshot, to_hex};
use claviger_compliance::evaluation::LogHead;
use serde::Serialize;

use super::inputs::exact;
use super::{PackFile, Unmade, canonical};
use crate::dossier::Dossier;

/// An object, with the digest of its newest fact: the leaf that a snapshot has of it.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    object: ShownObject,
    shard: u32,
    fact: String,
}

#[derive(Serialize)]
struct Proof<'a> {
    as_of: String,
    log: &'a LogHead,
    objects: usize,
    /// RFC 6962 over the `fact` of each line of `objects.jsonl`, in their order.
    root: String,
    /// The newest snapshot of the period.
    snapshot: Option<Committed>,
    meaning: &'static str,
}

#[derive(Serialize)]
struct Committed {
    shard: u32,
    entry: u64,
    /// It is of the state behind so many entries of that shard.
    behind: u64,
    objects: u64,
    root: String,
    /// Is that the state of `objects.jsonl`?
    is_this_state: bool,
}

const BROKEN: &str = "Something does not hold of the log or of its live rows (LIMITS.md): nothing is to be concluded from what commits to this state.";
const NONE: &str = "The log has no snapshot until then: what commits to the state are the entries alone, each of which has the digest of its facts.";
const SAME: &str =
    "An entry of the log commits to this very state, and the checkpoint of the log commits to that entry.";
const OLDER: &str = "The newest snapshot is of an older state, to which the checkpoint of the log commits; what changed since has entries of its own, each with the digest of its facts.";

pub(super) fn files(dossier: &Dossier<'_>) -> Result<Vec<PackFile>, Unmade> {
    let mut lines = Vec::new();
    for (object, current) in &dossier.objects {
        let shown = ShownObject::new(object, current);
        let line = Line { object: shown, shard: current.at.0, fact: to_hex(&current.digest) };
        lines.extend(canonical(&line)?);
        lines.push(b'\n');
    }
    let state = Snapshot::of(0, dossier.objects.values().map(|current| current.digest));
    let committed = dossier.snapshot.map(|seen| Committed {
        shard: seen.shard,
        entry: seen.entry,
        behind: seen.snapshot.size,
        objects: seen.snapshot.objects,
        root: to_hex(&seen.snapshot.root),
        is_this_state: (seen.snapshot.root, seen.snapshot.objects) == (state.root, state.objects),
    });
    let meaning = match &committed {
        _ if !dossier.verified.findings.is_empty() => BROKEN,
        None => NONE,
        Some(committed) if committed.is_this_state => SAME,
        Some(_) => OLDER,
    };
    let proof = Proof {
        as_of: exact(dossier.asked.period.to),
        log: &dossier.evaluation.log,
        objects: dossier.objects.len(),
        root: to_hex(&state.root),
        snapshot: committed,
        meaning,
    };
    Ok(vec![
        PackFile::new("state/objects.jsonl", lines),
        PackFile::new("state/proof.json", canonical(&proof)?),
    ])
}

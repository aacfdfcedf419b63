//! What checks ask alike: of entries, what was used by them; of objects, whose judgement rests on them.

use claviger_audit::fact::Object;
use claviger_audit::{Entry, Op, Outcome as Ended};
use claviger_core::{KeyId, KeyVersionId, Timestamp};

use crate::evaluation::{Estate, Judgement, Ledger};

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The version that an entry says was used; `None` where nothing was.
pub(super) fn version_used(entry: &Entry<'_>, estate: &Estate) -> Option<KeyVersionId> {
    if entry.out != Ended::Ok || !entry.op.uses_material() {
        return None;
    }
    let key = KeyId::from_bytes(entry.key?);
    let number = entry.kv.or_else(|| Some(estate.keys.get(&key)?.primary))?;
    Some(KeyVersionId { key, number })
}

/// Is it a use on new data? Re-encryption says with a 1 that it opened only, for another key to seal.
pub(super) fn protects(entry: &Entry<'_>) -> bool {
    let opened_only = entry.op == Op::Reencrypt && entry.reference.as_deref() == Some(&[1]);
    entry.op.protects() && !opened_only
}

/// The versions whose judgement rests on an object.
pub(super) fn versions_about(object: Object, estate: &Estate) -> Vec<KeyVersionId> {
    match object {
        Object::Version(id) => vec![id],
        Object::Key(key) => estate.versions_of(key).map(|(id, _)| id).collect(),
        Object::Ring(ring) => {
            let keys = estate.keys_of(ring);
            keys.flat_map(|(key, _)| estate.versions_of(key)).map(|(id, _)| id).collect()
        }
        _ => Vec::new(),
    }
}

/// The keys whose judgement rests on an object.
pub(super) fn keys_about(object: Object, estate: &Estate) -> Vec<KeyId> {
    match object {
        Object::Version(id) => vec![id.key],
        Object::Key(key) => vec![key],
        Object::Ring(ring) => estate.keys_of(ring).map(|(key, _)| key).collect(),
        _ => Vec::new(),
    }
}

/// Judges an object whose facts do not read. Are those of this one so?
pub(super) fn is_unreadable(ledger: &mut Ledger, object: Object, at: Timestamp, estate: &Estate) -> bool {
    let is_so = estate.unreadable.contains(&object);
    if is_so {
        ledger.judge(object, at, Judgement::unknown("its facts do not read"));
    }
    is_so
}

//! What checks ask alike: of entries, what was used by them; of objects, whose judgement rests on them; of versions,
//! when their use ends.

use std::collections::BTreeMap;

use claviger_audit::fact::{Object, OpenVersion};
use claviger_audit::{Entry, Op, Outcome as Ended};
use claviger_core::key::State;
use claviger_core::{KeyId, KeyVersionId, Timestamp};

use crate::cryptoperiod::{self, Ends};
use crate::evaluation::{Estate, Judgement, Ledger};

pub(super) const NO_KEY: &str = "its key is not there, or its facts do not read";
pub(super) const NO_RING: &str = "its ring is not there, or its facts do not read";
pub(super) const NO_TABLE: &str = "the table of cryptoperiods does not read";

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

/// The ends of versions, as they were fixed when these were put into use: what is said later moves them to an earlier instant alone.
#[derive(Debug, Default)]
pub(super) struct FixedEnds {
    ends: BTreeMap<KeyVersionId, Ends>,
}

impl FixedEnds {
    /// The ends of a version, by which it is judged.
    ///
    /// # Errors
    /// How it is judged without them: it is destroyed or was never put into use, or something is missing to know them.
    pub(super) fn take(
        &mut self,
        id: KeyVersionId,
        version: &OpenVersion,
        estate: &Estate,
    ) -> Result<Ends, Judgement> {
        // Those of what is destroyed are fixed as well.
        let ends = self.fix(id, version, estate);
        if version.state.is_destroyed() {
            return Err(Judgement::OutOfScope);
        }
        ends.map_err(Judgement::unknown)?.ok_or(Judgement::OutOfScope)
    }

    /// Fixes the ends of a version; none of one that was never put into use.
    fn fix(
        &mut self,
        id: KeyVersionId,
        version: &OpenVersion,
        estate: &Estate,
    ) -> Result<Option<Ends>, &'static str> {
        let Some(activated_at) = version.activated_at else {
            return match version.state {
                State::Active | State::Deactivated | State::Suspended => {
                    Err("when it was put into use is not known")
                }
                State::Compromised | State::Destroyed | State::DestroyedCompromised | State::PreActive => {
                    Ok(None)
                }
            };
        };
        let key = estate.keys.get(&id.key).ok_or(NO_KEY)?;
        let (_, ring) = estate.ring_of(id.key).ok_or(NO_RING)?;
        let ends = cryptoperiod::find(key).ok_or(NO_TABLE)?.ends(&ring.policy, activated_at);
        let fixed = self.ends.entry(id).or_insert(ends);
        *fixed = fixed.earlier(ends);
        Ok(Some(*fixed))
    }

    pub(super) fn find(&self, id: KeyVersionId) -> Option<Ends> {
        self.ends.get(&id).copied()
    }
}

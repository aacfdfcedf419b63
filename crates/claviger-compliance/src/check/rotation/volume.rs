//! ROT-05: that no version protects more often than its algorithm allows.

use std::collections::BTreeMap;

use claviger_audit::fact::{Object, OpenKey};
use claviger_core::{Action, KeyVersionId, Timestamp};

use super::{DAY, invocation_limit, is_active};
use crate::check::common::{NO_KEY, count, is_unreadable, protects, version_used, versions_about};
use crate::check::{Check, End, Event};
use crate::evaluation::{Estate, Judgement, Ledger, Outcome, Setting};

pub(super) struct Volume {
    ledger: Ledger,
    hard: u64,
    soft: u64,
    most_children: u64,
    done: BTreeMap<KeyVersionId, Done>,
    uses: u64,
}

/// What the log records of a version's uses on new data.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    protects: u64,
    children: u64,
    /// When it came to a soft limit.
    soft_at: Option<Timestamp>,
}

/// A number that is written as a power, as in `2^30`.
fn power(text: &str) -> Option<u64> {
    let (base, exponent) = text.split_once('^')?;
    base.parse::<u64>().ok()?.checked_pow(exponent.parse().ok()?)
}

impl Volume {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        // Where there is none, nothing is within it.
        let limit = |name: &str| power(setting.text(name)).unwrap_or_default();
        Self {
            ledger: setting.ledger(),
            hard: limit("gcm_random_iv_hard"),
            soft: limit("gcm_random_iv_soft"),
            most_children: limit("kek_children_soft"),
            done: BTreeMap::new(),
            uses: 0,
        }
    }

    fn limit(&self, key: &OpenKey) -> Option<u64> {
        invocation_limit(key).map(|limit| limit.min(self.hard))
    }

    fn judge(&mut self, id: KeyVersionId, at: Timestamp, estate: &Estate) {
        let object = Object::Version(id);
        if is_unreadable(&mut self.ledger, object, at, estate) {
            return;
        }
        let Some(version) = estate.versions.get(&id) else { return };
        let done = self.done.get(&id).copied().unwrap_or_default();
        let judgement = match estate.keys.get(&id.key) {
            _ if version.state.is_destroyed() => Judgement::OutOfScope,
            None => Judgement::unknown(NO_KEY),
            Some(key) => match (self.limit(key), done.soft_at) {
                (Some(limit), _) if done.protects > limit => Judgement::violated(format!(
                    "it protected more than {limit} times, which is the limit of {}",
                    key.spec
                )),
                (_, Some(since)) if is_active(id, version, estate) => {
                    let because = "it passed a soft limit of volume, and no rotation followed within a day";
                    Judgement::HoldsUntil(since.after(DAY), because.into())
                }
                (Some(_), _) => Judgement::unknown(
                    "its uses are limited, and that the counter of the service agrees with the log is not known: counters are no facts yet",
                ),
                (None, _) => Judgement::Holds,
            },
        };
        self.ledger.judge(object, at, judgement);
    }
}

impl Check for Volume {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let Some(id) = version_used(event.entry, estate).filter(|_| protects(event.entry)) else { return };
        self.uses += 1;
        let limit = estate.keys.get(&id.key).and_then(|key| self.limit(key));
        let (soft, most_children) = (self.soft, self.most_children);
        let done = self.done.entry(id).or_default();
        done.protects += 1;
        done.children += u64::from(event.entry.op.action().is_some_and(Action::wraps_a_key));
        let is_soft = limit.is_some() && done.protects > soft || done.children > most_children;
        let is_new = is_soft && done.soft_at.is_none();
        if is_new {
            done.soft_at = Some(event.at);
        }
        let passes = limit.is_some_and(|limit| done.protects == limit.saturating_add(1));
        if is_new || passes {
            self.judge(id, event.at, estate);
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        // Rings say nothing of volume.
        if !matches!(object, Object::Ring(_)) {
            for id in versions_about(object, estate) {
                self.judge(id, event.at, estate);
            }
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let limited = end.estate.keys.values().filter(|key| !key.state.is_destroyed());
        let limited = limited.filter(|key| invocation_limit(key).is_some()).count();
        let most = |of: fn(&Done) -> u64| self.done.values().map(of).max().unwrap_or_default();
        let (protects, children) = (most(|done| done.protects), most(|done| done.children));
        Outcome::of(self.ledger, "no version protected more often than its algorithm allows")
            .figure("keys_with_a_limit", count(limited))
            .figure("most_protect_uses_of_a_version", protects)
            .figure("most_keys_wrapped_by_a_version", children)
            .figure("protect_uses", self.uses)
            .note("uses are counted from the log; the service counts those of limited versions alone, and no bytes, so that of others no counter can differ")
            .note("AES-GCM with random nonces of 96 bits is the one mode that needs a limit, and the service refuses there; caps of bytes, records and persons cannot be set in this release")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Catalogue, Period};

    #[test]
    fn limits_are_read_from_the_parameters() {
        assert_eq!((power("2^32"), power("2^30")), (Some(1 << 32), Some(1 << 30)));
        assert_eq!((power("2^64"), power("232"), power("2^x")), (None, None, None));
        let catalogue = Catalogue::load().unwrap();
        let (from, to) = (Timestamp::from_micros(0), Timestamp::from_micros(1));
        let setting = Setting::new(&catalogue, None, Period { from, to });
        let volume = Volume::new(&setting);
        assert_eq!((volume.hard, volume.soft, volume.most_children), (1 << 32, 1 << 30, 1 << 20));
    }
}

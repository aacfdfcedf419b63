//! USE-05, USE-09, USE-10: what keys are used for, in which context, and on which data.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::fact::{Object, OpenKey};
use claviger_audit::{NamedAsset, Outcome as Ended};
use claviger_core::key::{DataClass, State};
use claviger_core::{Action, AssetId, KeyId, Purpose, Timestamp};

use super::is_unreadable;
use crate::check::common::count;
use crate::check::rules::uses;
use crate::check::{Check, End, Event};
use crate::evaluation::{Class, Estate, Judgement, Ledger, Outcome, Period, Setting};

/// The key that an entry says was used, and by which action; `None` where nothing was.
fn use_of(event: &Event<'_>) -> Option<(KeyId, Action)> {
    let entry = event.entry;
    let action = entry.op.action().filter(|action| uses(*action) && entry.out == Ended::Ok)?;
    Some((KeyId::from_bytes(entry.key?), action))
}

fn is_destroyed(key: &OpenKey) -> bool {
    matches!(key.state, State::Destroyed | State::DestroyedCompromised)
}

/// Which purpose a use belongs to; nothing for what uses no material.
const fn purpose_of(action: Action) -> Option<Purpose> {
    Some(match action {
        Action::Agree => Purpose::Agree,
        Action::Encapsulate | Action::Decapsulate => Purpose::Encapsulate,
        Action::Encrypt
        | Action::Decrypt
        | Action::Reencrypt
        | Action::ReencryptInto
        | Action::GenerateDataKey
        | Action::GenerateDataKeyWithoutPlaintext
        | Action::GenerateDataKeyPair
        | Action::GenerateDataKeyPairWithoutPlaintext => Purpose::Encrypt,
        Action::Mac | Action::VerifyMac => Purpose::Mac,
        Action::Sign | Action::Verify => Purpose::Sign,
        Action::Wrap | Action::Unwrap => Purpose::Wrap,
        _ => return None,
    })
}

/// USE-05.
pub(super) struct OnePurpose {
    ledger: Ledger,
    done: BTreeMap<KeyId, Done>,
    uses: u64,
}

/// What was done with a key of purpose `encrypt`, which can do either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Done {
    encrypted: bool,
    wrapped: bool,
}

impl OnePurpose {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), done: BTreeMap::new(), uses: 0 }
    }

    fn judge(&mut self, key: KeyId, at: Timestamp, estate: &Estate) {
        let Some(row) = estate.keys.get(&key) else { return };
        let done = self.done.get(&key).copied().unwrap_or_default();
        let judgement = if is_destroyed(row) {
            Judgement::OutOfScope
        } else if !row.spec.allows(row.purpose) {
            Judgement::violated(format!("a key of spec {} has the purpose {}", row.spec, row.purpose))
        } else if done.encrypted && done.wrapped {
            Judgement::violated("it encrypted data, and data keys as well")
        } else {
            Judgement::Holds
        };
        self.ledger.judge(Object::Key(key), at, judgement);
    }
}

impl Check for OnePurpose {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let Some((key, action)) = use_of(event) else { return };
        self.uses += 1;
        let Some(row) = estate.keys.get(&key) else { return };
        if purpose_of(action) != Some(row.purpose) {
            let because = format!("`{action}` succeeded, and its purpose is {}", row.purpose);
            self.ledger.happened(Object::Key(key), event.at, event.index, Some(because));
        }
        if row.purpose == Purpose::Encrypt {
            let done = self.done.entry(key).or_default();
            let before = *done;
            done.wrapped |= action.wraps_a_key();
            done.encrypted |= matches!(action, Action::Encrypt);
            if *done != before {
                self.judge(key, event.at, estate);
            }
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        if let Object::Key(id) = object
            && !is_unreadable(&mut self.ledger, object, event.at, estate)
        {
            self.judge(id, event.at, estate);
        }
    }

    fn end(self: Box<Self>, _end: &End<'_>) -> Outcome {
        Outcome::of(self.ledger, "each key has one purpose, and was used for it alone")
            .figure("uses", self.uses)
            .note("a key of purpose encrypt may encrypt data or data keys; it is judged by what was done with it since the log begins to tell")
    }
}

/// USE-09.
pub(super) struct BoundToContext {
    ledger: Ledger,
    period: Period,
    uses: u64,
    with_context: u64,
    /// Uses that take no context.
    without_place: u64,
}

impl BoundToContext {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self { ledger: setting.ledger(), period: setting.period, uses: 0, with_context: 0, without_place: 0 }
    }

    fn judge(&mut self, key: KeyId, at: Timestamp, estate: &Estate) {
        let Some(row) = estate.keys.get(&key) else { return };
        let judgement = if is_destroyed(row) || !is_bound(row) || !takes_context(row) {
            Judgement::OutOfScope
        } else {
            let of_ring =
                estate.ring_of(key).is_some_and(|(_, ring)| !ring.policy.context_required.is_empty());
            let because = "neither it nor its ring asks uses for fields of the encryption context";
            Judgement::of((!of_ring && row.context_required.is_empty()).then(|| because.to_owned()))
        };
        self.ledger.judge(Object::Key(key), at, judgement);
    }
}

/// Must its uses carry a context, where they take one?
fn is_bound(key: &OpenKey) -> bool {
    matches!(Class::from(key.data_class), Class::Restricted | Class::Confidential)
}

/// Do its uses take a context? Signatures, codes, agreements, capsules, wraps and asymmetric encryption have no place for one.
fn takes_context(key: &OpenKey) -> bool {
    key.purpose == Purpose::Encrypt && !key.spec.is_asymmetric()
}

impl Check for BoundToContext {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let Some((key, action)) = use_of(event) else { return };
        let Some(row) = estate.keys.get(&key).filter(|row| is_bound(row)) else { return };
        if !self.period.holds(event.at) {
            return;
        }
        if !takes_context(row) {
            self.without_place += 1;
            return;
        }
        self.uses += 1;
        if event.entry.ctx.is_some() {
            self.with_context += 1;
        } else {
            let because = format!("`{action}` succeeded without a context");
            self.ledger.happened(Object::Key(key), event.at, event.index, Some(because));
        }
    }

    fn changed(&mut self, object: Object, event: &Event<'_>, estate: &Estate) {
        match object {
            Object::Key(_) | Object::Ring(_) if is_unreadable(&mut self.ledger, object, event.at, estate) => {
            }
            Object::Key(id) => self.judge(id, event.at, estate),
            Object::Ring(id) => {
                for (key, _) in estate.keys_of(id) {
                    self.judge(key, event.at, estate);
                }
            }
            _ => {}
        }
    }

    fn end(self: Box<Self>, end: &End<'_>) -> Outcome {
        let outside = |key: &&OpenKey| is_bound(key) && !is_destroyed(key) && !takes_context(key);
        let outside = count(end.estate.keys.values().filter(outside).count());
        Outcome::of(self.ledger, "each key of restricted or confidential data whose uses take a context asks for one, and each use had one")
            .figure("keys_that_take_no_context", outside)
            .figure("uses", self.uses)
            .figure("uses_that_take_no_context", self.without_place)
            .figure("uses_with_context", self.with_context)
            .note(format!(
                "{outside} keys of restricted or confidential data are not asked about: signatures, codes, agreements, capsules, wraps of callers' keys and asymmetric encryption have no place for a context"
            ))
            .note("how many records one context covers is declared nowhere, so that a context that is too wide is not seen")
    }
}

/// USE-10. It is of an instant alone, and decided at the end.
pub(super) struct DeclaredAssets {
    ledger: Ledger,
    period: Period,
    /// The assets that uses of a key named.
    named: BTreeMap<KeyId, BTreeSet<AssetId>>,
    /// Uses of a key in the period that named something that is no asset.
    undeclared: BTreeMap<KeyId, u64>,
    with_asset: u64,
}

impl DeclaredAssets {
    pub(super) fn new(setting: &Setting<'_>) -> Self {
        Self {
            ledger: setting.ledger(),
            period: setting.period,
            named: BTreeMap::new(),
            undeclared: BTreeMap::new(),
            with_asset: 0,
        }
    }

    fn judge_keys(&mut self, at: Timestamp, estate: &Estate) {
        for (id, key) in &estate.keys {
            let undeclared = self.undeclared.get(id).copied().unwrap_or_default();
            let because = if is_destroyed(key) {
                continue;
            } else if undeclared > 0 {
                format!("{undeclared} of its uses in the period name an asset that is not declared")
            } else if !has_regime(key.data_class) {
                continue;
            } else if self.named.contains_key(id) {
                self.ledger.judge(Object::Key(*id), at, Judgement::Holds);
                continue;
            } else {
                format!("its data is {}, and no use of it names a data asset", key.data_class)
            };
            self.ledger.judge(Object::Key(*id), at, Judgement::violated(because));
        }
    }

    fn judge_assets(&mut self, end: &End<'_>) {
        let (at, again) = (end.setting.as_of(), end.setting.days("asset_redeclare_days"));
        let is_live = |key: &KeyId| end.estate.keys.get(key).is_some_and(|key| !is_destroyed(key));
        let of_live = self.named.iter().filter(|(key, _)| is_live(key));
        let with_key: BTreeSet<_> = of_live.flat_map(|(_, assets)| assets).copied().collect();
        for (id, asset) in &end.estate.assets {
            let judgement = if asset.created_at.after(again) <= at {
                let days = again.as_secs() / 86_400;
                Judgement::violated(format!("it was declared more than {days} days ago, and not again since"))
            } else if Class::from(asset.class) == Class::Restricted && !with_key.contains(id) {
                Judgement::violated("its data is restricted, and no use of a key that is there names it")
            } else {
                Judgement::unknown(
                    "categories, counts of records and people, jurisdictions and retention of data are not kept yet",
                )
            };
            self.ledger.judge(Object::Asset(*id), at, judgement);
        }
    }
}

/// Does a regime bind data of that class?
const fn has_regime(class: DataClass) -> bool {
    match class {
        DataClass::Cardholder | DataClass::Ephi | DataClass::Personal | DataClass::PersonalSpecial => true,
        DataClass::Authentication | DataClass::Confidential | DataClass::Internal | DataClass::Test => false,
    }
}

impl Check for DeclaredAssets {
    fn entry(&mut self, event: &Event<'_>, estate: &Estate) {
        let (Some((key, _)), Some(asset)) = (use_of(event), event.entry.ast) else { return };
        match asset {
            NamedAsset::Known(id) if estate.assets.contains_key(&AssetId::from_bytes(id)) => {
                self.with_asset += 1;
                self.named.entry(key).or_default().insert(AssetId::from_bytes(id));
            }
            // Whether it was declared, its facts do not tell.
            NamedAsset::Known(id) if estate.unreadable.contains(&Object::Asset(AssetId::from_bytes(id))) => {}
            NamedAsset::Known(_) | NamedAsset::Unknown => {
                if self.period.holds(event.at) {
                    *self.undeclared.entry(key).or_default() += 1;
                }
            }
        }
    }

    fn end(mut self: Box<Self>, end: &End<'_>) -> Outcome {
        self.judge_keys(end.setting.as_of(), end.estate);
        self.judge_assets(end);
        for object in &end.estate.unreadable {
            if matches!(object, Object::Asset(_) | Object::Key(_)) {
                is_unreadable(&mut self.ledger, *object, end.setting.as_of(), end.estate);
            }
        }
        Outcome::of(self.ledger, "each key of regulated data is used on declared assets")
            .figure("uses_with_asset", self.with_asset)
            .needs("ATT-ASSET-COUNTS")
            .note("a key is tied to an asset by uses that name it; counts of assets are declared, and measured by nobody")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_of_material_has_a_purpose() {
        for action in Action::ALL {
            assert_eq!(purpose_of(action).is_some(), uses(action), "{action}");
        }
    }
}

//! What an application may know by itself: who it is, what it was granted, and what is said about a key that it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use claviger_core::alias::{Alias, AliasName};
use claviger_core::grant::{Grant, Selector};
use claviger_core::key::KeyRecord;
use claviger_core::lineage::Verdict;
use claviger_core::port::store::{AliasFilter, GrantFilter, Home, KeyFilter, Page};
use claviger_core::principal::Principal;
use claviger_core::{Action, GrantId, KeyId, KeyName, KeyRingId, Name};

use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::reference::{KeyRef, TargetRef};
use crate::state::honoured;
use crate::view::View;
use crate::work::Class;

/// Reads what is said about a key, as one who uses it.
#[derive(Debug)]
pub struct DescribeKey {
    /// The key.
    pub key: KeyRef,
}

impl Operation for DescribeKey {
    type Output = Arc<KeyRecord>;

    fn action(&self) -> Action {
        Action::DescribeKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Arc<KeyRecord>>, ServiceError> {
        Ok(Staged::reading(Arc::clone(view.record()?), view.detail()))
    }
}

/// Asks who one is.
#[derive(Debug)]
pub struct ReadSelf {}

impl Operation for ReadSelf {
    type Output = Arc<Principal>;

    fn action(&self) -> Action {
        Action::ReadSelf
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Arc<Principal>>, ServiceError> {
        Ok(Staged::reading(Arc::clone(view.caller.principal()), view.detail()))
    }
}

/// Lists the keys on which, or on whose ring, one holds a grant, in the order of their names.
#[derive(Debug)]
pub struct ListGrantedKeys {
    /// The page of the list.
    pub page: Page<KeyName>,
}

impl Operation for ListGrantedKeys {
    type Output = Vec<(KeyName, KeyId)>;

    fn action(&self) -> Action {
        Action::ListGranted
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Self::Output>, ServiceError> {
        view.enter(Class::Listing).await?;
        let reach = Reach::of(view).await?;
        Ok(Staged::reading(reach.list_keys(view, &self.page).await?, view.detail()))
    }
}

/// Lists the aliases of keys on which, or on whose ring, one holds a grant, in the order of their names.
#[derive(Debug)]
pub struct ListGrantedAliases {
    /// Only of this key.
    pub key: Option<KeyRef>,
    /// The page of the list.
    pub page: Page<AliasName>,
}

impl Operation for ListGrantedAliases {
    type Output = Vec<Alias>;

    fn action(&self) -> Action {
        Action::ListGranted
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Vec<Alias>>, ServiceError> {
        view.enter(Class::Listing).await?;
        let reach = Reach::of(view).await?;
        let filters = match &self.key {
            None => reach.alias_filters(),
            Some(key) => {
                let record = view.load_key(view.key_id(key).await?).await?;
                // What was not granted is not there.
                if !reach.covers(record.ring.id, record.key.id) {
                    return Err(ServiceError::not_found());
                }
                vec![AliasFilter { key: Some(record.key.id), ..AliasFilter::default() }]
            }
        };
        let mut found = Vec::new();
        let seen_from = Some(Home(view.caller.principal().home));
        for filter in filters {
            let filter = AliasFilter { seen_from, ..filter };
            found.extend(view.store().list_aliases(filter, self.page.clone()).await?);
        }
        // Each part came in order, and none gives more than a page: the first of all are among them.
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.truncate(usize::try_from(self.page.limit).unwrap_or(usize::MAX));
        Ok(Staged::reading(found, view.detail()))
    }
}

/// Lists the grants that one was named to retire, in the order of their identifiers.
#[derive(Debug)]
pub struct ListRetirableGrants {
    /// The page of the list.
    pub page: Page<GrantId>,
}

impl Operation for ListRetirableGrants {
    type Output = Vec<NamedGrant>;

    fn action(&self) -> Action {
        Action::ListGranted
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Self::Output>, ServiceError> {
        view.enter(Class::Listing).await?;
        let filter = GrantFilter { retiring: Some(view.caller.principal().id), ..GrantFilter::default() };
        let grants = view.store().list_grants(filter, self.page.clone()).await?;
        Ok(Staged::reading(named(view, grants).await?, view.detail()))
    }
}

/// A grant with the names of those in it.
#[derive(Clone, Debug)]
pub struct NamedGrant {
    /// The grant.
    pub grant: Grant,
    /// Name of the principal that it was given to.
    pub principal: Name,
    /// Who else may end it.
    pub retiring: Option<Name>,
    /// Whether it is honoured, until when, or what ended it.
    pub verdict: Verdict,
}

/// Grants with the names of those in them.
pub(super) async fn named(view: &View<'_>, grants: Vec<Grant>) -> Result<Vec<NamedGrant>, ServiceError> {
    let ids: BTreeSet<_> =
        grants.iter().flat_map(|grant| [Some(grant.principal), grant.retiring]).flatten().collect();
    let names = view.store().list_principal_names(ids.into_iter().collect()).await?;
    let names: BTreeMap<_, _> = names.into_iter().collect();
    let verdicts = view.verdicts(&grants).await?;
    let named = |(grant, verdict): (Grant, Verdict)| {
        let principal = names.get(&grant.principal)?.clone();
        let retiring = grant.retiring.and_then(|id| names.get(&id).cloned());
        Some(NamedGrant { grant, principal, retiring, verdict })
    };
    Ok(grants.into_iter().zip(verdicts).filter_map(named).collect())
}

/// At most `wanted` keys of a ring behind `after` that are not destroyed.
async fn living(
    view: &View<'_>,
    ring: KeyRingId,
    mut after: Option<KeyName>,
    wanted: usize,
) -> Result<Vec<(KeyName, KeyId)>, ServiceError> {
    let limit = u32::try_from(wanted).unwrap_or(1000);
    let filter = KeyFilter { ring: Some(ring), ..KeyFilter::default() };
    let mut found = Vec::new();
    while found.len() < wanted {
        let keys = view.store().list_keys(filter.clone(), Page { after: after.clone(), limit }).await?;
        let Some((last, _)) = keys.last() else { break };
        after = Some(last.clone());
        let living = keys.into_iter().filter(|(_, key)| !key.state.is_destroyed());
        found.extend(living.map(|(name, key)| (name, key.id)).take(wanted - found.len()));
    }
    Ok(found)
}

/// What of a ring somebody was granted.
enum Part {
    /// All of it.
    Ring,
    /// Some of its keys.
    Keys(BTreeMap<Name, KeyId>),
}

/// How far the caller's grants reach, by rings in the order of their names.
pub(super) struct Reach(BTreeMap<Name, (KeyRingId, Part)>);

impl Reach {
    pub(super) async fn of(view: &View<'_>) -> Result<Self, ServiceError> {
        let granted = view.store().list_granted(view.caller.principal().id).await?;
        let mut grants = honoured(view.store(), granted, view.now).await?.grants;
        grants.retain(|grant| grant.conditions.until.is_none_or(|until| view.now < until));
        let selected: BTreeSet<_> = grants.into_iter().map(|grant| grant.selector).collect();
        let mut reach = BTreeMap::new();
        for selector in selected {
            match selector {
                Selector::Ring(id) => {
                    if let Some(ring) = view.store().find_ring(id).await? {
                        reach.insert(ring.name, (id, Part::Ring));
                    }
                }
                Selector::Key(id) => {
                    let record = view.store().find_key(id).await?;
                    if let Some(record) = record.filter(|record| !record.key.state.is_destroyed()) {
                        let ring = reach
                            .entry(record.ring.name.clone())
                            .or_insert_with(|| (record.ring.id, Part::Keys(BTreeMap::new())));
                        if let Part::Keys(keys) = &mut ring.1 {
                            keys.insert(record.key.name, id);
                        }
                    }
                }
            }
        }
        Ok(Self(reach))
    }

    /// Does it reach that key of that ring?
    pub(super) fn covers(&self, ring: KeyRingId, key: KeyId) -> bool {
        self.0.values().any(|(id, part)| {
            *id == ring
                && match part {
                    Part::Ring => true,
                    Part::Keys(keys) => keys.values().any(|granted| *granted == key),
                }
        })
    }

    fn alias_filters(&self) -> Vec<AliasFilter> {
        let of_part = |(ring, part): &(KeyRingId, Part)| match part {
            Part::Ring => vec![AliasFilter { ring: Some(*ring), ..AliasFilter::default() }],
            Part::Keys(keys) => {
                let of = |key: &KeyId| AliasFilter { key: Some(*key), ..AliasFilter::default() };
                keys.values().map(of).collect()
            }
        };
        self.0.values().flat_map(of_part).collect()
    }

    async fn list_keys(
        &self,
        view: &View<'_>,
        page: &Page<KeyName>,
    ) -> Result<Vec<(KeyName, KeyId)>, ServiceError> {
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let from = page.after.as_ref().map_or(Bound::Unbounded, |after| Bound::Included(&after.ring));
        for (name, (id, part)) in self.0.range::<Name, _>((from, Bound::Unbounded)) {
            let wanted = limit - found.len();
            if wanted == 0 {
                break;
            }
            let after = page.after.as_ref().filter(|after| after.ring == *name);
            match part {
                Part::Ring => found.extend(living(view, *id, after.cloned(), wanted).await?),
                Part::Keys(keys) => {
                    let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(&after.key));
                    let keys = keys.range::<Name, _>((from, Bound::Unbounded)).take(wanted);
                    let named = |key: &Name| KeyName { ring: name.clone(), key: key.clone() };
                    found.extend(keys.map(|(key, id)| (named(key), *id)));
                }
            }
        }
        Ok(found)
    }
}

//! Who can do what across all keys, by name and by which rule: now, or at an instant that is past.
//!
//! What it keeps true: of each key it says what explaining the key says. What roles give holds of every key whose duties are kept apart
//! alike, and is said once; what grants give is said grant by grant, found by asking the policies as a call would.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use claviger_access::analysis::{sample_key, sample_ring};
use claviger_access::{Authorizer, Explanation};
use claviger_audit::verify::Reached;
use claviger_core::capacity::Capacity;
use claviger_core::grant::{Grant, Selector};
use claviger_core::key::{KeyRecord, KeyRing, RingPolicy, Separation};
use claviger_core::lineage::Verdict;
use claviger_core::permit::Rule;
use claviger_core::port::store::{GrantFilter, Page};
use claviger_core::principal::{Principal, Role, Status};
use claviger_core::target::Target;
use claviger_core::{Action, KeyId, KeyName, KeyRingId, Name, PrincipalId, Timestamp};

use super::analyze_access::unasked;
use super::search::principals;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::log::name_damage;
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::view::View;
use crate::work::{At, Class};

/// Most grants of one principal that are told together.
const MOST_OF_ONE: usize = 20_000;
/// A page ends with the principal with which it has so many lines.
const FULL: usize = 5_000;
/// By which rule somebody is told of who can do nothing, and answers for something.
const CAPACITY: &str = "capacity";

/// Says who can do what, principal by principal in the order of their names.
#[derive(Debug, Clone)]
pub struct ReportAccess {
    /// As things stood at this instant of the log's time; as they stand, where there is none.
    pub at: Option<Timestamp>,
    /// Which principals: those behind a name, so many at most.
    pub page: Page<Name>,
}

/// Who can do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessReport {
    /// In the order of names; of each principal what roles give first.
    pub lines: Vec<AccessLine>,
    /// The last principal of this page, if there may be more behind it.
    pub next: Option<Name>,
    /// Of which instant it is, if that is past, and how much of the log lies before it.
    pub then: Option<(Timestamp, Reached)>,
}

/// What somebody can do, by one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLine {
    /// The principal.
    pub principal: PrincipalId,
    /// Its name.
    pub name: Name,
    /// With which keys.
    pub on: AccessOn,
    /// What, ascending.
    pub actions: Vec<Action>,
    /// By which rule.
    pub rule: Rule,
    /// Under which conditions, in words; empty when it holds always.
    pub conditions: String,
    /// What the principal answers for, which gives no right: the same in all its lines. Who can do nothing has a line for that alone.
    pub capacities: Vec<Capacity>,
}

/// With which keys somebody can do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessOn {
    /// Every key, of rings with such separation where there is one.
    Every(Option<Separation>),
    /// One key.
    Key(KeyId, KeyName),
    /// Every key of a ring, and the ring itself where that can be granted.
    Ring(KeyRingId, Name),
}

impl Operation for ReportAccess {
    type Output = AccessReport;

    fn action(&self) -> Action {
        Action::ReadRights
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<AccessReport>, ServiceError> {
        view.enter(Class::Listing).await?;
        if self.at.is_some_and(|at| at > view.now) {
            return Err(ServiceError::invalid("that instant is still to come"));
        }
        let mut holders = view.store().list_principals(self.page.clone()).await?;
        let is_full = holders.len() as u64 >= u64::from(self.page.limit);
        let mut next = holders.last().map(|holder| holder.name.clone()).filter(|_| is_full);
        let (known, then) = match self.at {
            None => {
                let (known, cut) = Known::now(view, &mut holders).await?;
                next = cut.or(next);
                (known, None)
            }
            Some(at) => {
                let (known, reached) = Known::then(view, &mut holders, at).await?;
                (known, Some((at, reached)))
            }
        };
        let (authorizer, now) = (view.authorizer.clone(), self.at.unwrap_or(view.now));
        let told = view.work(Class::Scan, move |at| {
            Teller { authorizer, known, now, of_roles: BTreeMap::new() }.tell(at, holders)
        });
        let (lines, cut) = told.await?;
        let instant = self.at.and_then(|at| reference(&[&at.as_micros().to_be_bytes()]));
        let detail = EntryDetail { reference: instant, ..view.detail() };
        Ok(Staged::reading(AccessReport { lines, next: cut.or(next), then }, detail))
    }
}

/// What some principals hold, and on what.
#[derive(Debug, Default)]
struct Known {
    grants: HashMap<PrincipalId, Vec<Grant>>,
    keys: HashMap<KeyId, Arc<KeyRecord>>,
    rings: HashMap<KeyRingId, Arc<KeyRing>>,
}

impl Known {
    /// As things stand. Leaves those who can do anything; those behind one who fills the page are on the next one, and that one is given.
    async fn now(
        view: &View<'_>,
        holders: &mut Vec<Principal>,
    ) -> Result<(Self, Option<Name>), ServiceError> {
        holders.retain(|holder| holder.status == Status::Active);
        let (mut known, mut count, mut read) = (Self::default(), 0, 0);
        for holder in &*holders {
            let grants = honoured(view, holder.id).await?;
            (count, read) = (count + grants.len(), read + 1);
            known.add(view, holder.id, grants, None).await?;
            if count >= FULL {
                break;
            }
        }
        let is_cut = read < holders.len();
        holders.truncate(read);
        Ok((known, holders.last().map(|holder| holder.name.clone()).filter(|_| is_cut)))
    }

    /// As things stood at an instant, by the log.
    async fn then(
        view: &View<'_>,
        holders: &mut Vec<Principal>,
        at: Timestamp,
    ) -> Result<(Self, Reached), ServiceError> {
        let asked: HashSet<_> = holders.iter().map(|holder| holder.id).collect();
        let (size, _) = view.log.sizes().await?;
        let (log, principals) = (view.log.clone(), principals(view));
        let found = view.work(Class::Scan, move |job| {
            log.past_rights(job, &principals, &asked, (at, size)).map_err(name_damage)
        });
        let mut past = found.await?;
        // What they are called never changes, and is in their rows; the log has it sealed.
        holders.retain_mut(|holder| {
            let Some(was) = past.principals.remove(&holder.id) else { return false };
            (holder.kind, holder.status, holder.roles) = (was.kind, was.status, was.roles);
            holder.capacities = was.capacities;
            holder.status == Status::Active
        });
        let mut known = Self::default();
        for holder in &*holders {
            let grants = past.grants.remove(&holder.id).unwrap_or_default();
            if grants.len() > MOST_OF_ONE {
                return Err(too_many(&holder.name));
            }
            known.add(view, holder.id, grants, Some(&past.policies)).await?;
        }
        Ok((known, past.reached))
    }

    /// Adds the grants of somebody with the keys and rings that they are on, which had these policies.
    async fn add(
        &mut self,
        view: &View<'_>,
        holder: PrincipalId,
        grants: Vec<Grant>,
        policies: Option<&HashMap<KeyRingId, RingPolicy>>,
    ) -> Result<(), ServiceError> {
        let as_it_was = |ring: Arc<KeyRing>| match policies {
            None => Some(ring),
            Some(policies) => {
                let policy = policies.get(&ring.id)?.clone();
                Some(Arc::new(KeyRing { policy, ..KeyRing::clone(&ring) }))
            }
        };
        for grant in &grants {
            match grant.selector {
                Selector::Key(id) if !self.keys.contains_key(&id) => {
                    let record = view.load_key(id).await?;
                    if let Some(ring) = as_it_was(Arc::clone(&record.ring)) {
                        let versions = Vec::new();
                        self.keys.insert(id, Arc::new(KeyRecord { ring, versions, ..record }));
                    }
                }
                Selector::Ring(id) if !self.rings.contains_key(&id) => {
                    let ring = view.store().find_ring(id).await?.ok_or_else(ServiceError::not_found)?;
                    self.rings.extend(as_it_was(Arc::new(ring)).map(|ring| (id, ring)));
                }
                Selector::Key(_) | Selector::Ring(_) => {}
            }
        }
        if !grants.is_empty() {
            self.grants.insert(holder, grants);
        }
        Ok(())
    }
}

/// The grants of somebody that are honoured, each ending when it or what it rests on does.
async fn honoured(view: &View<'_>, holder: PrincipalId) -> Result<Vec<Grant>, ServiceError> {
    let filter = GrantFilter { principal: Some(holder), ..GrantFilter::default() };
    let (mut honoured, mut page) = (Vec::new(), Page { after: None, limit: 1000 });
    loop {
        let grants = view.store().list_grants(filter.clone(), page.clone()).await?;
        let Some(last) = grants.last() else { return Ok(honoured) };
        page.after = Some(last.id);
        let verdicts = view.verdicts(&grants).await?;
        for (mut grant, verdict) in grants.into_iter().zip(verdicts) {
            if let Verdict::Honoured(known) = verdict {
                grant.conditions.until = known.until;
                honoured.push(grant);
            }
        }
        if honoured.len() > MOST_OF_ONE {
            let name = view.store().find_principal(holder).await?.map(|holder| holder.name);
            return Err(name.map_or_else(ServiceError::not_found, |name| too_many(&name)));
        }
    }
}

fn too_many(name: &Name) -> ServiceError {
    let message = format!(
        "`{name}` has more than {MOST_OF_ONE} grants, too many to tell with others; list them page by page: `claviger grant list \
         --principal {name}`"
    );
    ServiceError::new(ErrorKind::LimitExceeded, message)
}

/// Tells what principals can do.
struct Teller {
    authorizer: Authorizer,
    known: Known,
    now: Timestamp,
    /// What sets of roles give.
    of_roles: BTreeMap<Vec<Role>, Vec<ByRole>>,
}

/// What a rule for roles gives on which keys.
type ByRole = (AccessOn, Rule, Vec<Action>);

impl Teller {
    /// What each of them can do; and the last of them, where a page is full before all were told.
    fn tell(
        mut self,
        at: &At,
        holders: Vec<Principal>,
    ) -> Result<(Vec<AccessLine>, Option<Name>), ServiceError> {
        let (mut lines, mut left) = (Vec::new(), holders.into_iter());
        while let Some(holder) = left.next() {
            at.check()?;
            let begun = lines.len();
            for (on, rule, actions) in self.by_roles(&holder)? {
                lines.push(line(&holder, on, rule, actions));
            }
            for grant in self.known.grants.remove(&holder.id).unwrap_or_default() {
                at.check()?;
                lines.extend(self.by_grant(&holder, &grant)?);
            }
            if lines.len() == begun && !holder.capacities.is_empty() {
                lines.push(line(&holder, AccessOn::Every(None), Rule::Builtin(CAPACITY), Vec::new()));
            }
            if lines.len() >= FULL && !left.as_slice().is_empty() {
                return Ok((lines, Some(holder.name)));
            }
        }
        Ok((lines, None))
    }

    /// What the roles of somebody give, on keys of either kind of rings.
    fn by_roles(&mut self, holder: &Principal) -> Result<Vec<ByRole>, ServiceError> {
        if holder.roles.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(known) = self.of_roles.get(&holder.roles) {
            return Ok(known.clone());
        }
        let candidates = [(holder.clone(), Vec::new())];
        let mut on: BTreeMap<(String, Action), (Rule, Vec<Separation>)> = BTreeMap::new();
        for separation in Separation::ALL {
            let ring = sample_ring(separation).map_err(unasked)?;
            let target = sample_key(ring, KeyId::from_bytes([0; 16])).map_err(unasked)?;
            for one in self.authorizer.explain(&target, &candidates, self.now).map_err(unevaluated)? {
                let place = on.entry((rule_name(one.rule), one.action)).or_insert((one.rule, Vec::new()));
                place.1.push(separation);
            }
        }
        let mut lines: Vec<ByRole> = Vec::new();
        for ((_, action), (rule, separations)) in on {
            let on = AccessOn::Every(match separations.as_slice() {
                [only] => Some(*only),
                _ => None,
            });
            match lines.iter_mut().find(|line| line.0 == on && line.1 == rule) {
                Some(line) => line.2.push(action),
                None => lines.push((on, rule, vec![action])),
            }
        }
        self.of_roles.insert(holder.roles.clone(), lines.clone());
        Ok(lines)
    }

    /// What a grant gives its holder, if anything.
    fn by_grant(&self, holder: &Principal, grant: &Grant) -> Result<Option<AccessLine>, ServiceError> {
        let ask = |target: &Target| {
            let explained = self.authorizer.explain_grant(target, holder, grant, self.now);
            explained.map_err(unevaluated)
        };
        let (on, explained) = match grant.selector {
            Selector::Key(id) => {
                let Some(record) = self.known.keys.get(&id) else { return Ok(None) };
                (AccessOn::Key(id, record.name()), ask(&Target::Key(Arc::clone(record)))?)
            }
            Selector::Ring(id) => {
                let Some(ring) = self.known.rings.get(&id) else { return Ok(None) };
                let key = sample_key(Arc::clone(ring), KeyId::from_bytes([0; 16])).map_err(unasked)?;
                let explained = [ask(&key)?, ask(&Target::Ring(Arc::clone(ring)))?].concat();
                (AccessOn::Ring(id, ring.name.clone()), explained)
            }
        };
        let Some(Explanation { rule, conditions, .. }) = explained.first().cloned() else { return Ok(None) };
        let mut actions: Vec<_> = explained.into_iter().map(|one| one.action).collect();
        actions.sort_unstable();
        Ok(Some(AccessLine { conditions, ..line(holder, on, rule, actions) }))
    }
}

/// What somebody can do by a rule that has no conditions.
fn line(holder: &Principal, on: AccessOn, rule: Rule, actions: Vec<Action>) -> AccessLine {
    AccessLine {
        principal: holder.id,
        name: holder.name.clone(),
        on,
        actions,
        rule,
        conditions: String::new(),
        capacities: holder.capacities.iter().map(|held| held.capacity).collect(),
    }
}

fn rule_name(rule: Rule) -> String {
    match rule {
        Rule::Grant(id) => id.to_string(),
        Rule::Role(role) => role.to_string(),
        Rule::Builtin(name) => name.to_owned(),
    }
}

fn unevaluated(error: impl std::error::Error + Send + Sync + 'static) -> ServiceError {
    ServiceError::new(ErrorKind::Internal, "the policies could not be evaluated").caused_by(error)
}

//! Who can do what with a key, and by which rule: now, or at an instant that is past.

use std::collections::BTreeMap;
use std::sync::Arc;

use claviger_access::Explanation;
use claviger_audit::verify::Reached;
use claviger_core::grant::Grant;
use claviger_core::key::{Key, KeyRecord, KeyRing, State};
use claviger_core::lineage::Verdict;
use claviger_core::port::store::{GrantFilter, Page};
use claviger_core::principal::{Principal, Status};
use claviger_core::target::Target;
use claviger_core::{Action, GrantId, PrincipalId, Timestamp};

use super::search::principals;
use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::log::name_damage;
use crate::log::past::{Asked, Past};
use crate::record::{EntryDetail, reference};
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// Most grants on a key and its ring that are explained.
const MOST_GRANTS: usize = 2_000;

fn too_many() -> ServiceError {
    let message = format!(
        "more than {MOST_GRANTS} grants are on the key and its ring, too many to explain together; list them page by page"
    );
    ServiceError::new(ErrorKind::LimitExceeded, message)
}

/// Asks the policy about everyone.
#[derive(Debug)]
pub struct ExplainKey {
    /// The key.
    pub key: KeyRef,
    /// As things stood at this instant of the log's time; as they stand, where there is none. It is in the entry of the call.
    pub at: Option<Timestamp>,
}

/// Who can do what with a key, and by which rule.
#[derive(Debug)]
pub struct KeyRights {
    /// In the order of names, then of actions.
    pub items: Vec<(Principal, Explanation)>,
    /// How the key stood, if it was asked about an instant that is past.
    pub then: Option<KeyThen>,
}

/// How a key stood at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyThen {
    /// The instant.
    pub at: Timestamp,
    /// How much of the log lies before it.
    pub reached: Reached,
    /// The key's state.
    pub state: State,
    /// When its destruction may come, if one was scheduled.
    pub destroy_at: Option<Timestamp>,
}

/// Of what the policy is asked.
struct Question {
    target: Target,
    candidates: Vec<(Principal, Vec<Grant>)>,
    now: Timestamp,
}

/// Honoured grants by their holders, each once.
#[derive(Default)]
struct Honoured {
    grants: BTreeMap<PrincipalId, BTreeMap<GrantId, Grant>>,
    count: usize,
}

impl Honoured {
    fn take(&mut self, mut grant: Grant, verdict: Verdict) -> Result<(), ServiceError> {
        let Verdict::Honoured(known) = verdict else { return Ok(()) };
        // What is shown is when it ends, by itself or with what it rests on.
        grant.conditions.until = known.until;
        let of = self.grants.entry(grant.principal).or_default();
        self.count += usize::from(of.insert(grant.id, grant).is_none());
        if self.count > MOST_GRANTS { Err(too_many()) } else { Ok(()) }
    }

    /// The grants of a principal whom the policy may permit something.
    fn of(&mut self, principal: PrincipalId, status: Status, has_role: bool) -> Option<Vec<Grant>> {
        let granted: Vec<_> = self.grants.remove(&principal).unwrap_or_default().into_values().collect();
        (status == Status::Active && (has_role || !granted.is_empty())).then_some(granted)
    }
}

impl Operation for ExplainKey {
    type Output = KeyRights;

    fn action(&self) -> Action {
        Action::ExplainKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyRights>, ServiceError> {
        let (question, then) = match self.at {
            Some(at) => {
                let (question, then) = as_it_stood(view, at).await?;
                (question, Some(then))
            }
            None => (as_it_stands(view).await?, None),
        };
        let items = ask(view, question).await?;
        let instant = self.at.and_then(|at| reference(&[&at.as_micros().to_be_bytes()]));
        let detail = EntryDetail { reference: instant, ..view.detail() };
        Ok(Staged::reading(KeyRights { items, then }, detail))
    }
}

async fn as_it_stands(view: &View<'_>) -> Result<Question, ServiceError> {
    view.enter(Class::Listing).await?;
    let record = view.record()?;
    let mut honoured = Honoured::default();
    let filters = [
        GrantFilter { key: Some(record.key.id), ..GrantFilter::default() },
        GrantFilter { ring: Some(record.ring.id), ..GrantFilter::default() },
    ];
    for filter in filters {
        let mut page = Page { after: None, limit: 1000 };
        loop {
            let found = view.store().list_grants(filter.clone(), page.clone()).await?;
            let Some(last) = found.last().map(|grant| grant.id) else { break };
            page.after = Some(last);
            let verdicts = view.verdicts(&found).await?;
            for (grant, verdict) in found.into_iter().zip(verdicts) {
                honoured.take(grant, verdict)?;
            }
        }
    }
    let mut candidates = Vec::new();
    let mut page = Page { after: None, limit: 1000 };
    loop {
        let found = view.store().list_principals(page.clone()).await?;
        let Some(last) = found.last().map(|principal| principal.name.clone()) else { break };
        page.after = Some(last);
        for principal in found {
            let granted = honoured.of(principal.id, principal.status, !principal.roles.is_empty());
            candidates.extend(granted.map(|granted| (principal, granted)));
        }
    }
    Ok(Question { target: view.target.clone(), candidates, now: view.now })
}

/// The same of an instant that is past: what decides is what the facts of the log say of it.
async fn as_it_stood(view: &View<'_>, at: Timestamp) -> Result<(Question, KeyThen), ServiceError> {
    if at > view.now {
        return Err(ServiceError::invalid("that instant is still to come"));
    }
    let record = view.record()?;
    let (size, _) = view.log.sizes().await?;
    let asked = Asked { key: record.key.id, ring: record.ring.id, at, size };
    let (log, principals) = (view.log.clone(), principals(view));
    let found = view.work(Class::Scan, move |job| {
        let past = log.past(job, &principals, &asked).map_err(name_damage)?;
        let honoured = honoured(&past, &asked)?;
        Ok((past, honoured))
    });
    let (past, mut honoured) = found.await?;
    let mut candidates = Vec::new();
    for (id, known) in &past.principals {
        let Some(granted) = honoured.of(*id, known.status, !known.roles.is_empty()) else { continue };
        // What it is called never changes, and is in its row; the log has it sealed.
        let row = view.store().find_principal(*id).await?.ok_or_else(ServiceError::not_found)?;
        let roles = known.roles.clone();
        candidates.push((Principal { kind: known.kind, status: known.status, roles, ..row }, granted));
    }
    candidates.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let destroy_at = past.destruction.map(|destruction| destruction.due_at(&past.policy));
    let then = KeyThen { at, reached: past.reached, state: past.state, destroy_at };
    let ring = Arc::new(KeyRing { policy: past.policy, ..KeyRing::clone(&record.ring) });
    let key = Key { state: past.state, destruction: past.destruction, ..record.key.clone() };
    let target = Target::Key(Arc::new(KeyRecord { key, ring, ..KeyRecord::clone(record) }));
    Ok((Question { target, candidates, now: at }, then))
}

fn honoured(past: &Past, asked: &Asked) -> Result<Honoured, ServiceError> {
    let lineage = past.lineage(asked);
    let mut judge = lineage.judge(asked.at);
    let mut honoured = Honoured::default();
    for grant in &past.grants {
        honoured.take(grant.clone(), judge.verdict(grant))?;
    }
    Ok(honoured)
}

async fn ask(view: &View<'_>, question: Question) -> Result<Vec<(Principal, Explanation)>, ServiceError> {
    let authorizer = view.authorizer.clone();
    let internal = |error| {
        ServiceError::new(ErrorKind::Internal, "the policies could not be evaluated").caused_by(error)
    };
    let (explained, candidates) = view
        .work(Class::Scan, move |at| {
            let Question { target, candidates, now } = question;
            let mut explained = Vec::new();
            for candidate in &candidates {
                at.check()?;
                let one = authorizer.explain(&target, std::slice::from_ref(candidate), now);
                explained.extend(one.map_err(internal)?);
            }
            Ok((explained, candidates))
        })
        .await?;
    let names: BTreeMap<_, _> =
        candidates.into_iter().map(|(principal, _)| (principal.id, principal)).collect();
    let reported =
        explained.into_iter().filter_map(|one| names.get(&one.principal).map(|who| (who.clone(), one)));
    Ok(reported.collect())
}

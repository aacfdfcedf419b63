//! What grants give a principal, with what each of them depends on.
//!
//! What it keeps true: a grant that was passed on gives nothing once what it rests on has ended; a permit that one gives
//! lasts no longer than what it rests on, and comes with the chain that the call must be held against when it is committed.
//!
//! A decision reads the few grants that its call can meet, whose number is bounded. It is the decision on all grants of the
//! principal; a test holds both against each other.

use std::collections::HashMap;
use std::sync::Arc;

use claviger_access::{Authorizer, Caller, Decision, Denial, DenyReason, RequestContext};
use claviger_core::change::Chain;
use claviger_core::grant::Grant;
use claviger_core::lineage::{Cause, Honoured, Judge, Lineage, Verdict, Wanted};
use claviger_core::permit::{Permit, Rule};
use claviger_core::port::store::GrantQuery;
use claviger_core::port::{Store, StoreError};
use claviger_core::target::Target;
use claviger_core::{Action, GrantId, Timestamp};

use crate::error::{ErrorKind, ServiceError};

/// How many contexts are decided on the thread that serves the call.
const DECIDED_AT_ONCE: usize = 4;

/// The pairs of an encryption context.
pub(crate) type Pairs = Vec<(String, String)>;

/// A decision, and what its permit depends on beyond its holder.
#[derive(Debug)]
pub(crate) struct Ruling {
    pub(crate) decision: Decision,
    pub(crate) chain: Option<Arc<Chain>>,
}

/// What is to be decided on.
pub(crate) struct Question<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) action: Action,
    pub(crate) target: &'a Target,
    pub(crate) now: Timestamp,
}

impl Question<'_> {
    /// Decides on calls with these contexts, one or more, which are read for at once: the first denial, or the last permit, with
    /// what all of them depend on.
    ///
    /// # Errors
    /// When grants cannot be read.
    pub(crate) async fn rule(
        &self,
        store: &dyn Store,
        authorizer: &Authorizer,
        contexts: Vec<Pairs>,
    ) -> Result<Ruling, ServiceError> {
        let rights = self.rights(store, &contexts).await?;
        let calls: Vec<_> = contexts.into_iter().zip(rights).collect();
        let (caller, action, target, now) = (self.caller, self.action, self.target, self.now);
        let ruled = if calls.len() <= DECIDED_AT_ONCE {
            rule_each(authorizer, caller, action, target, calls, now)
        } else {
            // Long: not on a thread that serves others.
            let (authorizer, caller, target) = (authorizer.clone(), caller.clone(), target.clone());
            let ruling = move || rule_each(&authorizer, &caller, action, &target, calls, now);
            tokio::task::spawn_blocking(ruling).await.ok().flatten()
        };
        match ruled {
            Some(Ruled::Permitted(ruling)) => Ok(ruling),
            Some(Ruled::Denied(context, rights)) => self.explain(store, authorizer, &context, rights).await,
            None => Err(ServiceError::new(ErrorKind::Internal, "the policies could not be evaluated")),
        }
    }

    /// A denial, with the reason and whether the target may be known, which other grants of the principal may decide.
    async fn explain(
        &self,
        store: &dyn Store,
        authorizer: &Authorizer,
        context: &Pairs,
        rights: Rights,
    ) -> Result<Ruling, ServiceError> {
        let principal = self.caller.principal().id;
        let witnesses = match self.target.ring_id() {
            Some(ring) => store.list_witnesses(principal, self.target.key_id(), ring).await?,
            None => Vec::new(),
        };
        let rights = rights.with(honoured(store, witnesses, self.now).await?);
        let request = RequestContext { now: self.now, context };
        let decision = rights.decide(authorizer, self.caller, self.action, self.target, &request);
        let chain = decision.permit().and_then(|permit| rights.chain(permit));
        Ok(Ruling { decision, chain })
    }

    /// The rights of the caller by the grants that calls with these contexts can meet.
    async fn rights(&self, store: &dyn Store, contexts: &[Pairs]) -> Result<Vec<Rights>, StoreError> {
        let Some(ring) = self.target.ring_id() else {
            return Ok(contexts.iter().map(|_| Rights::default()).collect());
        };
        let query = GrantQuery {
            principal: self.caller.principal().id,
            key: self.target.key_id(),
            ring,
            actions: vec![self.action],
            contexts: contexts.to_vec(),
            now: self.now,
        };
        let found = store.list_candidates(query).await?;
        let lineage = lineage_of(store, found.iter().flatten()).await?;
        let mut judge = lineage.judge(self.now);
        Ok(found.into_iter().map(|grants| Rights::judged(grants, &mut judge)).collect())
    }
}

/// What became of some calls.
enum Ruled {
    Permitted(Ruling),
    /// One of them was denied, by these rights.
    Denied(Pairs, Rights),
}

fn rule_each(
    authorizer: &Authorizer,
    caller: &Caller,
    action: Action,
    target: &Target,
    calls: Vec<(Pairs, Rights)>,
    now: Timestamp,
) -> Option<Ruled> {
    let (mut last, mut chain) = (None, None);
    for (context, rights) in calls {
        let request = RequestContext { now, context: &context };
        let decision = rights.decide(authorizer, caller, action, target, &request);
        let Some(permit) = decision.permit() else { return Some(Ruled::Denied(context, rights)) };
        chain = Chain::join(chain, rights.chain(permit));
        last = Some(decision);
    }
    last.map(|decision| Ruled::Permitted(Ruling { decision, chain }))
}

/// What some grants rest on.
async fn lineage_of(store: &dyn Store, grants: impl Iterator<Item = &Grant>) -> Result<Lineage, StoreError> {
    match Wanted::of(grants) {
        Some(wanted) => store.load_lineage(wanted).await,
        None => Ok(Lineage::default()),
    }
}

/// What of these active grants is honoured.
pub(crate) async fn honoured(
    store: &dyn Store,
    grants: Vec<Grant>,
    now: Timestamp,
) -> Result<Rights, StoreError> {
    let lineage = lineage_of(store, grants.iter()).await?;
    Ok(Rights::judged(grants, &mut lineage.judge(now)))
}

/// Grants of one principal that bear on one target.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    /// Those that may give something.
    pub(crate) grants: Vec<Grant>,
    /// What is known of those of them that were passed on. Empty, and nothing is allocated, where there are none.
    passed_on: HashMap<GrantId, Honoured>,
    /// Those that ended with what they rested on.
    ended: Vec<Grant>,
}

impl Rights {
    fn judged(grants: Vec<Grant>, judge: &mut Judge<'_>) -> Self {
        if !grants.iter().any(|grant| grant.basis.is_delegated()) {
            return Self { grants, ..Self::default() };
        }
        let mut rights = Self::default();
        for grant in grants {
            match judge.verdict(&grant) {
                // The policy knows its own end, and says so.
                Verdict::Ended(Cause::Expired { grant: of, .. }) if of == grant.id => {
                    rights.grants.push(grant)
                }
                Verdict::Ended(_) => rights.ended.push(grant),
                Verdict::Honoured(honoured) => {
                    if honoured.chain.is_some() {
                        rights.passed_on.insert(grant.id, honoured);
                    }
                    rights.grants.push(grant);
                }
            }
        }
        rights
    }

    /// These and others, each once.
    fn with(mut self, others: Self) -> Self {
        self.grants.extend(others.grants);
        self.grants.sort_unstable_by_key(|grant| grant.id);
        self.grants.dedup_by_key(|grant| grant.id);
        self.ended.extend(others.ended);
        self.passed_on.extend(others.passed_on);
        self
    }

    /// May the caller do this, and for how long may the answer be kept?
    fn decide(
        &self,
        authorizer: &Authorizer,
        caller: &Caller,
        action: Action,
        target: &Target,
        request: &RequestContext<'_>,
    ) -> Decision {
        match authorizer.decide(caller, action, target, &self.grants, request) {
            Decision::Deny(denial) => Decision::Deny(self.explained(denial, action)),
            Decision::Permit { permit, cacheable } => {
                let until = self.honoured_by(&permit).and_then(|honoured| honoured.until);
                let cacheable = cacheable.map(|cacheable| cacheable.ending_by(until));
                Decision::Permit { permit, cacheable }
            }
        }
    }

    /// What a permit depends on beyond its holder.
    fn chain(&self, permit: &Permit) -> Option<Arc<Chain>> {
        self.honoured_by(permit)?.chain.clone()
    }

    fn honoured_by(&self, permit: &Permit) -> Option<&Honoured> {
        match permit.rule() {
            Rule::Grant(id) => self.passed_on.get(&id),
            Rule::Role(_) | Rule::Builtin(_) => None,
        }
    }

    /// That a right ended with what it rested on is said where nothing else stands in the way.
    fn explained(&self, denial: Denial, action: Action) -> Denial {
        let ended =
            || self.ended.iter().filter(|grant| grant.operations.contains(&action)).map(|grant| grant.id);
        match denial.reason {
            DenyReason::NoRule => {
                Denial { reason: ended().min().map_or(denial.reason, DenyReason::BasisEnded), ..denial }
            }
            _ => denial,
        }
    }
}

#[cfg(test)]
mod tests;

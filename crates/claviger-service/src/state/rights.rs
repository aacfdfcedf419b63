//! What grants give a principal, with what each of them depends on.
//!
//! What it keeps true: a grant that was passed on gives nothing once what it rests on has ended; a permit that one gives
//! lasts no longer than what it rests on, and comes with the chain that the call must be held against when it is committed.

use std::collections::HashMap;
use std::sync::Arc;

use claviger_access::{Authorizer, Caller, Decision, Denial, DenyReason, RequestContext};
use claviger_core::change::Chain;
use claviger_core::grant::Grant;
use claviger_core::lineage::{Cause, Honoured, Verdict, Wanted};
use claviger_core::permit::{Permit, Rule};
use claviger_core::port::StoreError;
use claviger_core::target::Target;
use claviger_core::{Action, GrantId, KeyId, KeyRingId, PrincipalId, Timestamp};

use super::State;

/// The grants of one principal that bear on one target.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    /// Those that may give something.
    pub(crate) grants: Vec<Grant>,
    /// What is known of those of them that were passed on. Empty, and nothing is allocated, where there are none.
    passed_on: HashMap<GrantId, Honoured>,
    /// Those that ended with what they rested on.
    ended: Vec<Grant>,
}

impl State {
    /// The rights of a principal on a key or its ring, by its grants.
    pub(crate) async fn rights(
        &self,
        principal: PrincipalId,
        key: Option<KeyId>,
        ring: KeyRingId,
        now: Timestamp,
    ) -> Result<Rights, StoreError> {
        let grants = self.store.list_grants_for(principal, key, ring).await?;
        self.honoured(grants, now).await
    }

    /// What of these active grants is honoured.
    pub(crate) async fn honoured(&self, grants: Vec<Grant>, now: Timestamp) -> Result<Rights, StoreError> {
        let Some(wanted) = Wanted::of(&grants) else {
            return Ok(Rights { grants, ..Rights::default() });
        };
        let lineage = self.store.load_lineage(wanted).await?;
        let mut judge = lineage.judge(now);
        let mut rights = Rights::default();
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
        Ok(rights)
    }
}

impl Rights {
    /// May the caller do this, and for how long may the answer be kept?
    pub(crate) fn decide(
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
    pub(crate) fn chain(&self, permit: &Permit) -> Option<Arc<Chain>> {
        self.honoured_by(permit)?.chain.clone()
    }

    fn honoured_by(&self, permit: &Permit) -> Option<&Honoured> {
        match permit.rule() {
            Rule::Grant(id) => self.passed_on.get(&id),
            Rule::Role(_) | Rule::Standing(_) => None,
        }
    }

    /// A right that ended with what it rested on is told of where nothing else stands in the way.
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

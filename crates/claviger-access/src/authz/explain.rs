//! Who can do what with a target, and by which rule: found by asking the policies, as a call would.

use std::collections::BTreeMap;
use std::net::IpAddr;

use claviger_core::grant::Grant;
use claviger_core::permit::Rule;
use claviger_core::principal::Principal;
use claviger_core::{Action, PrincipalId, Target, Timestamp};

use super::slice::{Slice, Verdict};
use super::{Authorizer, PolicyError, RequestContext};

/// One thing that someone can do, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The principal that may do it.
    pub principal: PrincipalId,
    /// The action that it may do.
    pub action: Action,
    /// By which rule.
    pub rule: Rule,
    /// Under which conditions, in words; empty when it holds always.
    pub conditions: String,
}

impl Authorizer {
    /// Who of the candidates can do what with the target at `now`, by every rule that permits it, conditions named.
    /// In the order of the candidates, then of the actions.
    ///
    /// Each action is tried with a call that says nothing of itself, and each grant with the call that its conditions describe:
    /// what a condition asks for is given, so a grant is missing only when a rule forbids what it gives, or when its conditions
    /// contradict each other.
    ///
    /// # Errors
    /// [`PolicyError`] when a candidate's grants cannot be read as policies.
    pub fn explain(
        &self,
        target: &Target,
        candidates: &[(Principal, Vec<Grant>)],
        now: Timestamp,
    ) -> Result<Vec<Explanation>, PolicyError> {
        let mut explained = Vec::new();
        for (principal, grants) in candidates {
            let mut found = BTreeMap::new();
            let rules = self.slice(principal, target, &[])?;
            for action in Action::ALL.into_iter().filter(|action| action.target_kind() == target.kind()) {
                probe(&rules, principal.id, action, &RequestContext::at(now), None, &mut found);
            }
            // One after the other: a grant permits or does not, whatever others there are.
            for grant in grants {
                self.probe_grant(target, principal, grant, now, &mut found)?;
            }
            explained.extend(found.into_values());
        }
        Ok(explained)
    }

    /// What one grant gives its holder at `now`, on a target that it covers; in the order of the actions.
    ///
    /// # Errors
    /// [`PolicyError`] when the grant cannot be read as a policy.
    pub fn explain_grant(
        &self,
        target: &Target,
        holder: &Principal,
        grant: &Grant,
        now: Timestamp,
    ) -> Result<Vec<Explanation>, PolicyError> {
        let mut found = BTreeMap::new();
        self.probe_grant(target, holder, grant, now, &mut found)?;
        Ok(found.into_values().filter(|one| one.rule == Rule::Grant(grant.id)).collect())
    }

    fn probe_grant(
        &self,
        target: &Target,
        holder: &Principal,
        grant: &Grant,
        now: Timestamp,
        found: &mut Found,
    ) -> Result<(), PolicyError> {
        let slice = self.slice(holder, target, std::slice::from_ref(grant))?;
        let (context, source) = call_for(grant);
        let request = RequestContext { now, context };
        for action in grant.operations.iter().filter(|action| action.target_kind() == target.kind()) {
            probe(&slice, holder.id, *action, &request, source, found);
        }
        Ok(())
    }
}

/// What was found to be permitted, by action and rule.
type Found = BTreeMap<(Action, (u8, String)), Explanation>;

/// What a call says of itself that meets the conditions of the grant.
fn call_for(grant: &Grant) -> (&[(String, String)], Option<IpAddr>) {
    let conditions = &grant.conditions;
    let context = conditions.context_exactly.as_ref().unwrap_or(&conditions.context_equals);
    (context, conditions.source_networks.first().map(ipnet::IpNet::network))
}

/// Adds what permits the action to such a call.
fn probe(
    slice: &Slice,
    principal: PrincipalId,
    action: Action,
    request: &RequestContext<'_>,
    source: Option<IpAddr>,
    found: &mut Found,
) {
    let Verdict::Permitted(bases) = slice.ask(action, request, source) else { return };
    for basis in bases {
        found.entry((action, rank(basis.rule))).or_insert_with(|| Explanation {
            principal,
            action,
            rule: basis.rule,
            conditions: basis.conditions.clone(),
        });
    }
}

/// Roles first, then the rules for everyone, then grants.
fn rank(rule: Rule) -> (u8, String) {
    match rule {
        Rule::Role(role) => (0, role.to_string()),
        Rule::Builtin(name) => (1, name.to_owned()),
        Rule::Grant(id) => (2, id.to_string()),
    }
}

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
    /// Who.
    pub principal: PrincipalId,
    /// What.
    pub action: Action,
    /// By which rule.
    pub rule: Rule,
    /// Under which conditions, in words; empty when it always counts.
    pub conditions: String,
}

impl Authorizer {
    /// Who of the candidates can do what with the target at `now`, by every rule that permits it, conditions named.
    /// In the order of the candidates, then of the actions.
    ///
    /// Each action is tried with a call that says nothing of itself, and with the calls that the conditions of each
    /// grant describe: what a condition asks for is given, so a grant is missing only when a rule forbids what it gives.
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
            let slice = self.slice(principal, target, grants)?;
            for action in Action::ALL.into_iter().filter(|action| action.target_kind() == target.kind()) {
                explained.extend(explain_one(&slice, principal.id, action, grants, now));
            }
        }
        Ok(explained)
    }
}

fn explain_one(
    slice: &Slice,
    principal: PrincipalId,
    action: Action,
    grants: &[Grant],
    now: Timestamp,
) -> impl Iterator<Item = Explanation> {
    let mut found = BTreeMap::new();
    let mut probe = |context: &[(String, String)], source: Option<IpAddr>| {
        if let Verdict::Permitted(grounds) = slice.ask(action, &RequestContext { now, context }, source) {
            for ground in grounds {
                found.entry(rank(ground.rule)).or_insert_with(|| Explanation {
                    principal,
                    action,
                    rule: ground.rule,
                    conditions: ground.conditions.clone(),
                });
            }
        }
    };
    probe(&[], None);
    for grant in grants
        .iter()
        .filter(|grant| grant.operations.contains(&action) && !grant.conditions.is_unconditional())
    {
        let conditions = &grant.conditions;
        probe(&conditions.context_equals, conditions.source_networks.first().map(ipnet::IpNet::network));
    }
    found.into_values()
}

/// Roles first, then the rules for everyone, then grants.
fn rank(rule: Rule) -> (u8, String) {
    match rule {
        Rule::Role(role) => (0, role.to_string()),
        Rule::Standing(name) => (1, name.to_owned()),
        Rule::Grant(id) => (2, id.to_string()),
    }
}

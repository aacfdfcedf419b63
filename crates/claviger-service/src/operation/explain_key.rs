//! Who can do what with a key, and by which rule.

use std::collections::BTreeMap;

use claviger_access::Explanation;
use claviger_core::grant::Grant;
use claviger_core::lineage::Verdict;
use claviger_core::permit::Permit;
use claviger_core::port::store::{GrantFilter, Page};
use claviger_core::principal::{Principal, Standing};
use claviger_core::{Action, PrincipalId};

use super::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// Asks the policy about everyone.
#[derive(Debug)]
pub struct ExplainKey {
    /// The key.
    pub key: KeyRef,
}

impl Operation for ExplainKey {
    type Output = Vec<(Principal, Explanation)>;

    fn action(&self) -> Action {
        Action::ExplainKey
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, _permit: &Permit, view: &View<'_>) -> Result<Staged<Self::Output>, ServiceError> {
        view.enter(Class::Listing).await?;
        let record = view.record()?;
        let mut on_key = BTreeMap::new();
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
                on_key.extend(found.into_iter().map(|grant| (grant.id, grant)));
            }
        }
        let mut grants: BTreeMap<PrincipalId, Vec<Grant>> = BTreeMap::new();
        let on_key: Vec<_> = on_key.into_values().collect();
        let verdicts = view.verdicts(&on_key).await?;
        for (mut grant, verdict) in on_key.into_iter().zip(verdicts) {
            if let Verdict::Honoured(honoured) = verdict {
                // What is shown is when it ends, by itself or with what it rests on.
                grant.conditions.until = honoured.until;
                grants.entry(grant.principal).or_default().push(grant);
            }
        }
        let mut candidates = Vec::new();
        let mut page = Page { after: None, limit: 1000 };
        loop {
            let found = view.store().list_principals(page.clone()).await?;
            let Some(last) = found.last().map(|principal| principal.name.clone()) else { break };
            page.after = Some(last);
            for principal in found {
                let granted = grants.remove(&principal.id).unwrap_or_default();
                if principal.standing == Standing::Active
                    && (!principal.roles.is_empty() || !granted.is_empty())
                {
                    candidates.push((principal, granted));
                }
            }
        }
        let explained = view.authorizer.explain(view.target, &candidates, view.now).map_err(|error| {
            ServiceError::new(ErrorKind::Internal, "the policies could not be evaluated").caused_by(error)
        })?;
        let names: BTreeMap<_, _> =
            candidates.into_iter().map(|(principal, _)| (principal.id, principal)).collect();
        let told =
            explained.into_iter().filter_map(|one| names.get(&one.principal).map(|who| (who.clone(), one)));
        Ok(Staged::reading(told.collect(), view.note()))
    }
}

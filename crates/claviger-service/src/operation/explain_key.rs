//! Who can do what with a key, and by which rule.

use std::collections::BTreeMap;

use claviger_access::Explanation;
use claviger_core::grant::Grant;
use claviger_core::lineage::Verdict;
use claviger_core::permit::Permit;
use claviger_core::port::store::{GrantFilter, Page};
use claviger_core::principal::{Principal, Standing};
use claviger_core::{Action, GrantId, PrincipalId};

use super::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
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
        let mut grants: BTreeMap<PrincipalId, BTreeMap<GrantId, Grant>> = BTreeMap::new();
        let filters = [
            GrantFilter { key: Some(record.key.id), ..GrantFilter::default() },
            GrantFilter { ring: Some(record.ring.id), ..GrantFilter::default() },
        ];
        let mut honoured = 0;
        for filter in filters {
            let mut page = Page { after: None, limit: 1000 };
            loop {
                let found = view.store().list_grants(filter.clone(), page.clone()).await?;
                let Some(last) = found.last().map(|grant| grant.id) else { break };
                page.after = Some(last);
                let verdicts = view.verdicts(&found).await?;
                for (mut grant, verdict) in found.into_iter().zip(verdicts) {
                    let Verdict::Honoured(known) = verdict else { continue };
                    // What is shown is when it ends, by itself or with what it rests on.
                    grant.conditions.until = known.until;
                    let of = grants.entry(grant.principal).or_default();
                    honoured += usize::from(of.insert(grant.id, grant).is_none());
                }
                if honoured > MOST_GRANTS {
                    return Err(too_many());
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
                let granted = grants.remove(&principal.id).unwrap_or_default();
                let granted: Vec<_> = granted.into_values().collect();
                if principal.standing == Standing::Active
                    && (!principal.roles.is_empty() || !granted.is_empty())
                {
                    candidates.push((principal, granted));
                }
            }
        }
        let (authorizer, target, now) = (view.authorizer.clone(), view.target.clone(), view.now);
        let internal = |error| {
            ServiceError::new(ErrorKind::Internal, "the policies could not be evaluated").caused_by(error)
        };
        let (explained, candidates) = view
            .work(Class::Scan, move |at| {
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
        let told =
            explained.into_iter().filter_map(|one| names.get(&one.principal).map(|who| (who.clone(), one)));
        Ok(Staged::reading(told.collect(), view.detail()))
    }
}

//! Reads grants.

use claviger_core::grant::Grant;
use claviger_core::lineage::Verdict;
use claviger_core::port::store::{GrantFilter, Page};
use claviger_core::{Action, GrantId};

use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::record::{EntryDetail, reference};
use crate::reference::{KeyRef, PrincipalRef, RingRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// A grant, and whether it is honoured.
#[derive(Clone, Debug)]
pub struct JudgedGrant {
    /// The grant.
    pub grant: Grant,
    /// Whether it is honoured, until when, or what ended it.
    pub verdict: Verdict,
}

/// Reads a grant.
#[derive(Debug)]
pub struct ReadGrant {
    /// The grant to read.
    pub grant: GrantId,
}

impl Operation for ReadGrant {
    type Output = JudgedGrant;

    fn action(&self) -> Action {
        Action::ReadGrant
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<JudgedGrant>, ServiceError> {
        let grant = view.store().find_grant(self.grant).await?.ok_or_else(ServiceError::not_found)?;
        let detail = EntryDetail {
            reference: reference(&[grant.id.as_bytes(), grant.principal.as_bytes()]),
            ..view.detail()
        };
        let judged = judged(view, vec![grant]).await?.pop().ok_or_else(ServiceError::not_found)?;
        Ok(Staged::reading(judged, detail))
    }
}

async fn judged(view: &View<'_>, grants: Vec<Grant>) -> Result<Vec<JudgedGrant>, ServiceError> {
    let verdicts = view.verdicts(&grants).await?;
    let both = grants.into_iter().zip(verdicts);
    Ok(both.map(|(grant, verdict)| JudgedGrant { grant, verdict }).collect())
}

/// Lists grants in the order of their identifiers; those that ended with what they rested on too.
#[derive(Debug)]
pub struct ListGrants {
    /// Only to this principal.
    pub principal: Option<PrincipalRef>,
    /// Only on this key.
    pub key: Option<KeyRef>,
    /// Only on this ring.
    pub ring: Option<RingRef>,
    /// Revoked ones too?
    pub with_revoked: bool,
    /// The page of the list.
    pub page: Page<GrantId>,
}

impl Operation for ListGrants {
    type Output = Vec<JudgedGrant>;

    fn action(&self) -> Action {
        Action::ReadGrant
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Self::Output>, ServiceError> {
        view.enter(Class::Listing).await?;
        let mut filter = GrantFilter { with_revoked: self.with_revoked, ..GrantFilter::default() };
        if let Some(principal) = &self.principal {
            filter.principal = Some(view.state.principal(principal).await?.id);
        }
        if let Some(key) = &self.key {
            filter.key = Some(view.key_id(key).await?);
        }
        if let Some(ring) = &self.ring {
            filter.ring = Some(view.state.ring(ring).await?.id);
        }
        let grants = view.store().list_grants(filter, self.page.clone()).await?;
        Ok(Staged::reading(judged(view, grants).await?, view.detail()))
    }
}

//! What holds of a key's policy: its document as it was put, while the grants that it gave stand; else what is left of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use claviger_core::Action;
use claviger_core::GrantId;
use claviger_core::key::{KeyRecord, PolicyDocument};
use claviger_core::lineage::{Cause, Verdict};
use claviger_core::port::store::GrantFilter;
use claviger_crypto::envelope::Context;

use super::granted::{NamedGrant, named};
use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::reference::{KeyRef, TargetRef};
use crate::view::View;
use crate::work::Class;

/// What has become of a policy's document.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum PolicyStatus {
    /// All that it gave stands, but for what ended by the time that the document says.
    AsPut,
    /// Some of what it gave was ended by another act than a later policy, or ended with what it rested on.
    InPart,
}

claviger_core::named! {
    /// Text that does not say what has become of a policy.
    PolicyStatus, "what has become of a policy" {
        AsPut = "as_put",
        InPart = "in_part",
    }
}

/// A key's policy.
#[derive(Debug)]
pub struct KeyPolicy {
    /// The document as it was put, byte for byte; `None` where none was put, and once not all that it gave stands.
    pub text: Option<String>,
    /// The grants that policies gave and that were not ended by an act of their own.
    pub grants: Vec<NamedGrant>,
}

/// Reads the policy of a key.
#[derive(Debug)]
pub struct ReadKeyPolicy {
    /// The key.
    pub key: KeyRef,
}

impl Operation for ReadKeyPolicy {
    type Output = KeyPolicy;

    fn action(&self) -> Action {
        Action::ReadKeyGrants
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::Key(&self.key)
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<KeyPolicy>, ServiceError> {
        view.enter(Class::Listing).await?;
        let record = view.record()?;
        let grants = named(view, view.all_grants(of_policy(record)).await?).await?;
        let document = match record.key.policy {
            Some(_) => view.store().find_policy_document(record.key.id).await?,
            None => None,
        };
        let found = grants.iter().map(|named| (named.grant.id, &named.verdict));
        let stands =
            document.as_ref().is_some_and(|document| status_of(document, found) == PolicyStatus::AsPut);
        let text = document.filter(|_| stands).map(|document| document.text);
        Ok(Staged::reading(KeyPolicy { text, grants }, view.detail()))
    }
}

fn of_policy(record: &KeyRecord) -> GrantFilter {
    GrantFilter { key: Some(record.key.id), of_policy: true, ..GrantFilter::default() }
}

/// What has become of a document, of whose key the policies gave these grants that no act of their own ended.
fn status_of<'a>(
    document: &PolicyDocument,
    found: impl Iterator<Item = (GrantId, &'a Verdict)>,
) -> PolicyStatus {
    // A grant whose own time is over is as the document says.
    let stands = |id: GrantId, verdict: &Verdict| match verdict.ended() {
        None => true,
        Some(Cause::Expired { grant, .. }) => grant == id,
        Some(_) => false,
    };
    let active: BTreeSet<_> = found.filter(|(id, verdict)| stands(*id, verdict)).map(|(id, _)| id).collect();
    if active.iter().eq(&document.grants) { PolicyStatus::AsPut } else { PolicyStatus::InPart }
}

/// An operation whose result is a key, with what has become of its policy.
#[derive(Debug)]
pub struct WithPolicyStatus<O>(pub O);

impl<O: Operation<Output = Arc<KeyRecord>>> Operation for WithPolicyStatus<O> {
    type Output = (Arc<KeyRecord>, Option<PolicyStatus>);

    fn action(&self) -> Action {
        self.0.action()
    }

    fn target(&self) -> TargetRef<'_> {
        self.0.target()
    }

    fn contexts(&self) -> impl Iterator<Item = &Context> + Send {
        self.0.contexts()
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<Self::Output>, ServiceError> {
        let staged = self.0.run(view).await?;
        let record = Arc::clone(staged.output());
        let document = match record.key.policy {
            Some(_) => view.store().find_policy_document(record.key.id).await?,
            None => None,
        };
        let found = match document {
            None => None,
            Some(document) => {
                let grants = view.all_grants(of_policy(&record)).await?;
                let verdicts = view.verdicts(&grants).await?;
                Some(status_of(&document, grants.iter().map(|grant| grant.id).zip(&verdicts)))
            }
        };
        Ok(staged.map(|record| (record, found)))
    }
}

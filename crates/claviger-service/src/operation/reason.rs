//! Reasons: how their texts are read, and how they are erased.

use std::collections::{BTreeMap, BTreeSet};

use claviger_core::approval::SeenRow;
use claviger_core::change::Change;
use claviger_core::object::Object;
use claviger_core::port::StoreError;
use claviger_core::reason::{Erasure, KeptReason, ReasonCode, ReasonRecord, TextAtRest, Why};
use claviger_core::{Action, PrincipalId, ReasonId, Timestamp};

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::view::View;

/// A reason as it can be shown.
#[derive(Clone, Debug)]
pub struct ShownReason {
    /// Its identifier.
    pub id: ReasonId,
    /// Its code.
    pub code: Option<ReasonCode>,
    /// Its text. Absent when it has none, when it was erased, and when it does not open: somebody changed its row.
    pub text: Option<String>,
    /// When its text was erased.
    pub erased_at: Option<Timestamp>,
    /// Who gave it.
    pub given_by: PrincipalId,
    /// When it was given.
    pub given_at: Timestamp,
}

impl View<'_> {
    /// These reasons; the one that this very call is made for among them, which is not written yet.
    pub(super) async fn reasons(
        &self,
        mut wanted: BTreeSet<ReasonId>,
    ) -> Result<BTreeMap<ReasonId, ShownReason>, ServiceError> {
        let mut reasons = BTreeMap::new();
        if let (Some(Why::Given(id)), Some(reason)) = (self.why, self.reason)
            && wanted.remove(&id)
        {
            let text = reason.text().map(|text| text.as_str().to_owned());
            let shown = ShownReason {
                id,
                code: reason.code(),
                text,
                erased_at: None,
                given_by: self.caller.principal().id,
                given_at: self.now,
            };
            reasons.insert(id, shown);
        }
        if wanted.is_empty() {
            return Ok(reasons);
        }
        for KeptReason { record, key, holds } in
            self.store().list_reasons(wanted.into_iter().collect()).await?
        {
            // What was put into its row from outside is not shown; that the row cannot be read, is.
            if !holds {
                continue;
            }
            let text = self.text_of(&record, key.as_deref());
            let erased_at = record.erasure.map(|erasure| erasure.at);
            let ReasonRecord { id, code, given_by, given_at, .. } = record;
            reasons.insert(id, ShownReason { id, code, text, erased_at, given_by, given_at });
        }
        Ok(reasons)
    }

    fn text_of(&self, record: &ReasonRecord, sealed_key: Option<&[u8]>) -> Option<String> {
        let TextAtRest::Sealed(sealed) = &record.text else { return None };
        let name = Object::Reason(record.id).veil_name()?;
        let key = sealed_key.and_then(|key| self.state.veils.unwrap_key(name, key).ok());
        let text = key.and_then(|key| key.open_reason(record.id, sealed).ok());
        if text.is_none() {
            tracing::error!(reason = %record.id, "the text of a reason does not open: its row, or its key, is not what it was");
        }
        text
    }
}

/// Erases the text of a reason: its key and its sealed text go, in the store and from what is disclosed of the log. Its code, who
/// gave it, when and for what, stay; so does every digest.
#[derive(Debug)]
pub struct EraseReason {
    /// The reason to erase.
    pub id: ReasonId,
}

impl Operation for EraseReason {
    type Output = ReasonRecord;

    fn action(&self) -> Action {
        Action::EraseReason
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<ReasonRecord>, ServiceError> {
        let found = view.store().list_reasons(vec![self.id]).await?.pop();
        let KeptReason { record, key, holds } = found.ok_or_else(ServiceError::not_found)?;
        if !holds {
            return Err(StoreError::RowAltered(Object::Reason(self.id)).into());
        }
        let detail = EntryDetail { reference: reference(&[record.id.as_bytes()]), ..view.detail() };
        if record.text == TextAtRest::None {
            // Once more changes nothing, and says so by the revision; a code alone has nothing to erase.
            return Ok(Staged::reading(record, detail));
        }
        let by = view.caller.principal().id;
        if view.state.person_of(record.given_by).await? == view.caller_person() {
            return Err(ServiceError::new(
                ErrorKind::SeparationOfDuties,
                "nobody erases a reason that they gave themselves; ask another security officer",
            ));
        }
        let erased = ReasonRecord {
            text: TextAtRest::None,
            erasure: Some(Erasure { by, at: view.now }),
            ..record.clone()
        };
        let output = ReasonRecord { revision: erased.revision + 1, ..erased.clone() };
        let mut changes = vec![Change::PutReason(erased)];
        changes.extend(Object::Reason(self.id).veil_name().filter(|_| key.is_some()).map(Change::RemoveVeil));
        let asked = Governed::EraseReason { id: self.id, reason: view.reason() };
        let seen = SeenRow { object: Object::Reason(self.id), revision: record.revision };
        let quorum = view.by_deployment([seen]).await?;
        Ok(Staged::changing(asked, output, changes, detail).under(quorum))
    }
}

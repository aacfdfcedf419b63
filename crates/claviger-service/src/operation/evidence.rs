//! Signs an evidence pack: a note over the digest of the pack's manifest, by the root's checkpoint key and by the evidence key, which is of
//! ML-DSA-65.
//!
//! What the deployment says by it is that it issued this manifest, and the entry has the digest. It has seen nothing of the pack: whether
//! what stands there is right, whoever holds it finds out by making it again from the log.

use claviger_audit::{Hash, evidence};
use claviger_core::Action;

use crate::call::{Operation, Staged};
use crate::error::ServiceError;
use crate::log::cutter::sign_by_root;
use crate::record::{EntryDetail, reference};
use crate::reference::TargetRef;
use crate::view::View;
use crate::work::Class;

/// Signs an evidence pack; gives the note.
#[derive(Debug, Clone, Copy)]
pub struct SignEvidence {
    /// SHA-256 of its `MANIFEST.json`.
    pub manifest: Hash,
}

impl Operation for SignEvidence {
    type Output = String;

    fn action(&self) -> Action {
        Action::SignEvidence
    }

    fn target(&self) -> TargetRef<'_> {
        TargetRef::System
    }

    async fn run(&self, view: &View<'_>) -> Result<Staged<String>, ServiceError> {
        view.enter(Class::Scan).await?;
        let key = &view.system.root_key;
        let text = evidence::text(key.name(), &self.manifest);
        let mut note = sign_by_root(view.provider(), key, &text).await?;
        note.push_str(&view.state.evidence_key.sign(&text)?);
        let detail = EntryDetail { reference: reference(&[&self.manifest]), ..EntryDetail::default() };
        Ok(Staged::reading(note, detail))
    }
}

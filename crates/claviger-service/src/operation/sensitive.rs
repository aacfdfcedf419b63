//! Whether others must approve what an operation does: by whose rule, and on which rows that is decided.

use claviger_core::GovernanceId;
use claviger_core::approval::SeenRow;
use claviger_core::key::{Key, KeyRing};
use claviger_core::object::Object;
use claviger_core::principal::Principal;
use claviger_core::sensitive::Quorum;

use crate::error::ServiceError;
use crate::view::View;

/// Nobody else.
pub(super) const fn nobody() -> Quorum {
    Quorum { ring: None, approvers: 0, rows: Vec::new() }
}

/// So many, by the rule of the ring, of an act that is decided on these rows and the ring's own.
pub(super) fn by_ring(ring: &KeyRing, approvers: u8, rows: impl IntoIterator<Item = SeenRow>) -> Quorum {
    let rows = rows.into_iter().chain([seen_ring(ring)]).collect();
    Quorum { ring: Some(ring.id), approvers, rows }
}

impl View<'_> {
    /// As many as the rule of the deployment asks for, of an act that is decided on these rows.
    ///
    /// # Errors
    /// When the rule cannot be read.
    pub(super) async fn by_deployment(
        &self,
        rows: impl IntoIterator<Item = SeenRow> + Send,
    ) -> Result<Quorum, ServiceError> {
        let rules = self.state.governance().await?;
        let rule = SeenRow { object: Object::Governance(GovernanceId::ONLY), revision: rules.revision };
        let rows = rows.into_iter().chain([rule]).collect();
        Ok(Quorum { ring: None, approvers: rules.quorum, rows })
    }
}

pub(super) const fn seen_key(key: &Key) -> SeenRow {
    SeenRow { object: Object::Key(key.id), revision: key.revision }
}

pub(super) const fn seen_principal(principal: &Principal) -> SeenRow {
    SeenRow { object: Object::Principal(principal.id), revision: principal.revision }
}

const fn seen_ring(ring: &KeyRing) -> SeenRow {
    SeenRow { object: Object::Ring(ring.id), revision: ring.revision }
}

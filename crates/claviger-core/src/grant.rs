//! Delegated rights: one principal, one key or ring, named operations, conditions, a reason.

use ipnet::IpNet;

use crate::action::Action;
use crate::principal::Standing;
use crate::time::Timestamp;
use crate::{GrantId, KeyId, KeyRingId, PrincipalId};

/// What a grant covers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Selector {
    /// One key.
    Key(KeyId),
    /// Every key of a ring, those to come included.
    Ring(KeyRingId),
}

/// What must hold of a call for the grant to count. All of them together.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Conditions {
    /// Pairs that the encryption context must contain.
    pub context_equals: Vec<(String, String)>,
    /// Pairs that the encryption context must be, no more and no less.
    pub context_exactly: Option<Vec<(String, String)>>,
    /// Networks that the call must come from; empty is any.
    pub source_networks: Vec<IpNet>,
    /// The instant from which the grant counts no more.
    pub until: Option<Timestamp>,
}

impl Conditions {
    /// Does the grant count whatever the call says of itself (its end apart)?
    #[must_use]
    pub const fn is_unconditional(&self) -> bool {
        !self.look_at_context() && self.source_networks.is_empty()
    }

    /// Do they ask for something of the encryption context?
    #[must_use]
    pub const fn look_at_context(&self) -> bool {
        !self.context_equals.is_empty() || self.context_exactly.is_some()
    }
}

/// A delegated right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its identifier.
    pub id: GrantId,
    /// To whom.
    pub principal: PrincipalId,
    /// On what.
    pub selector: Selector,
    /// Which actions, ascending, each once, at least one: uses, and on a relaxed ring what administers too.
    pub operations: Vec<Action>,
    /// Under which conditions.
    pub conditions: Conditions,
    /// Why.
    pub reason: String,
    /// A name that the giver gave it, to find it again.
    pub name: Option<String>,
    /// Who may end it beside its holder and those who withdraw grants.
    pub retiring: Option<PrincipalId>,
    /// Who gave it.
    pub created_by: PrincipalId,
    /// When.
    pub created_at: Timestamp,
    /// Whether it still counts.
    pub standing: Standing,
    /// Counts the writes of this row.
    pub revision: u64,
}

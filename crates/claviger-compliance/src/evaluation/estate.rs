//! All objects as they stand at a place in the log, to be asked by checks.

use std::collections::{BTreeMap, BTreeSet};

use claviger_audit::fact::{
    Object, OpenAlert, OpenApproval, OpenAsset, OpenBreakGlass, OpenCredential, OpenDeclaration,
    OpenGovernance, OpenGrant, OpenKey, OpenNode, OpenPrincipal, OpenReview, OpenRing, OpenRow, OpenVersion,
};
use claviger_core::capacity::HeldCapacity;
use claviger_core::governance::Governance;
use claviger_core::key::DataClass;
use claviger_core::principal::Role;
use claviger_core::{
    AlertId, ApprovalId, AssetId, BreakGlassId, CredentialId, DeclarationId, GrantId, KeyId, KeyRingId,
    KeyVersionId, NodeId, PrincipalId, ReviewId,
};

use super::approvals::{Flaw, flaws};
use crate::Statement;

/// How closely data is held. What binds a key is decided by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Account data, health records, special categories of personal data, what people prove who they are with.
    Restricted,
    /// Other personal data, and what the owner holds confidential.
    Confidential,
    /// For use inside the organization.
    Internal,
    /// Nobody's data.
    Test,
}

claviger_core::named! {
    Class, "a class" { Restricted = "R", Confidential = "C", Internal = "I", Test = "T" }
}

impl From<DataClass> for Class {
    fn from(class: DataClass) -> Self {
        match class {
            DataClass::Authentication
            | DataClass::Cardholder
            | DataClass::Ephi
            | DataClass::PersonalSpecial => Self::Restricted,
            DataClass::Confidential | DataClass::Personal => Self::Confidential,
            DataClass::Internal => Self::Internal,
            DataClass::Test => Self::Test,
        }
    }
}

/// What somebody held when they declared something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Held {
    roles: Vec<Role>,
    capacities: Vec<HeldCapacity>,
}

/// All objects at a place in the log.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    /// Alerts.
    pub alerts: BTreeMap<AlertId, OpenAlert>,
    /// What others were asked to approve.
    pub approvals: BTreeMap<ApprovalId, OpenApproval>,
    /// What was wrong with each decision on that when it came, in their order.
    pub(super) flaws: BTreeMap<ApprovalId, Vec<Option<Flaw>>>,
    /// How many steps of each plan were done before its newest fact.
    steps: BTreeMap<ApprovalId, usize>,
    /// Data assets.
    pub assets: BTreeMap<AssetId, OpenAsset>,
    /// Emergency accesses.
    pub break_glass: BTreeMap<BreakGlassId, OpenBreakGlass>,
    /// Credentials.
    pub credentials: BTreeMap<CredentialId, OpenCredential>,
    /// Declarations.
    pub declarations: BTreeMap<DeclarationId, OpenDeclaration>,
    /// The roles and capacities that those who declared held when they did.
    held: BTreeMap<DeclarationId, Held>,
    /// The rules of the deployment, where somebody has set them.
    pub governance: Option<OpenGovernance>,
    /// Grants.
    pub grants: BTreeMap<GrantId, OpenGrant>,
    /// Keys.
    pub keys: BTreeMap<KeyId, OpenKey>,
    /// Nodes.
    pub nodes: BTreeMap<NodeId, OpenNode>,
    /// Principals.
    pub principals: BTreeMap<PrincipalId, OpenPrincipal>,
    /// Access reviews.
    pub reviews: BTreeMap<ReviewId, OpenReview>,
    /// Rings.
    pub rings: BTreeMap<KeyRingId, OpenRing>,
    /// Versions.
    pub versions: BTreeMap<KeyVersionId, OpenVersion>,
    /// The keys of each ring.
    of_ring: BTreeMap<KeyRingId, BTreeSet<KeyId>>,
    /// Objects whose facts do not read.
    pub unreadable: BTreeSet<Object>,
}

impl Estate {
    /// Takes an object as it stands now; `None` for one that is there no more.
    pub(crate) fn put(&mut self, object: Object, row: Option<OpenRow>) {
        if let Object::Approval(id) = object
            && let Some(before) = self.approvals.get(&id)
        {
            self.steps.insert(id, before.done.len());
        }
        self.remove(object);
        match (object, row) {
            (Object::Alert(id), Some(OpenRow::Alert(row))) => {
                self.alerts.insert(id, row);
            }
            (Object::Approval(id), Some(OpenRow::Approval(row))) => {
                let known = self.flaws.get(&id).map_or(0, Vec::len);
                let new = flaws(self, id, &row, known);
                self.flaws.entry(id).or_default().extend(new);
                self.approvals.insert(id, *row);
            }
            (Object::Asset(id), Some(OpenRow::Asset(row))) => {
                self.assets.insert(id, row);
            }
            (Object::BreakGlass(id), Some(OpenRow::BreakGlass(row))) => {
                self.break_glass.insert(id, *row);
            }
            (Object::Credential(id), Some(OpenRow::Credential(row))) => {
                self.credentials.insert(id, row);
            }
            (Object::Declaration(id), Some(OpenRow::Declaration(row))) => {
                let signer = self.principals.get(&row.declared_by);
                let held = signer.map(|signer| Held {
                    roles: signer.roles.clone(),
                    capacities: signer.capacities.clone(),
                });
                self.held.entry(id).or_insert(held.unwrap_or_default());
                self.declarations.insert(id, *row);
            }
            (Object::Governance(_), Some(OpenRow::Governance(row))) => self.governance = Some(row),
            (Object::Grant(id), Some(OpenRow::Grant(row))) => {
                self.grants.insert(id, row);
            }
            (Object::Key(id), Some(OpenRow::Key(row))) => {
                self.of_ring.entry(row.ring).or_default().insert(id);
                self.keys.insert(id, row);
            }
            (Object::Node(id), Some(OpenRow::Node(row))) => {
                self.nodes.insert(id, *row);
            }
            (Object::Principal(id), Some(OpenRow::Principal(row))) => {
                self.principals.insert(id, row);
            }
            (Object::Review(id), Some(OpenRow::Review(row))) => {
                self.reviews.insert(id, *row);
            }
            (Object::Ring(id), Some(OpenRow::Ring(row))) => {
                self.rings.insert(id, *row);
            }
            (Object::Version(id), Some(OpenRow::Version(row))) => {
                self.versions.insert(id, row);
            }
            _ => {}
        }
    }

    pub(super) fn cannot_read(&mut self, object: Object) {
        self.remove(object);
        self.unreadable.insert(object);
    }

    fn remove(&mut self, object: Object) {
        self.unreadable.remove(&object);
        match object {
            Object::Alert(id) => {
                self.alerts.remove(&id);
            }
            Object::Approval(id) => {
                self.approvals.remove(&id);
            }
            Object::Asset(id) => {
                self.assets.remove(&id);
            }
            Object::BreakGlass(id) => {
                self.break_glass.remove(&id);
            }
            Object::Credential(id) => {
                self.credentials.remove(&id);
            }
            Object::Declaration(id) => {
                self.declarations.remove(&id);
            }
            Object::Governance(_) => self.governance = None,
            Object::Grant(id) => {
                self.grants.remove(&id);
            }
            // A key stays in its ring for ever.
            Object::Key(id) => {
                self.keys.remove(&id);
            }
            Object::Node(id) => {
                self.nodes.remove(&id);
            }
            Object::Principal(id) => {
                self.principals.remove(&id);
            }
            Object::Review(id) => {
                self.reviews.remove(&id);
            }
            Object::Ring(id) => {
                self.rings.remove(&id);
            }
            Object::Version(id) => {
                self.versions.remove(&id);
            }
            Object::Alias(_) | Object::Reason(_) | Object::RightsReview(_) => {}
        }
    }

    /// As what who declared it is asked to sign that statement, by what they held then; none where they are not asked. `about` is what the
    /// statement is about, where that is one thing.
    pub(super) fn asked_as(
        &self,
        statement: &Statement,
        id: DeclarationId,
        about: Option<Object>,
    ) -> Option<String> {
        let held = self.held.get(&id)?;
        statement.asked_as(&held.roles, &held.capacities, about)
    }

    /// How many steps of a plan were done before its newest fact.
    pub(crate) fn steps_before(&self, id: ApprovalId) -> usize {
        self.steps.get(&id).copied().unwrap_or_default()
    }

    /// The rules of the deployment; those of one that nobody ever set where nobody has.
    #[must_use]
    pub fn rules(&self) -> Governance {
        let Some(rules) = &self.governance else { return Governance::default() };
        Governance {
            quorum: rules.quorum,
            approval_lifetime: rules.approval_lifetime,
            human_grant_lifetime: rules.human_grant_lifetime,
            break_glass_lifetime: rules.break_glass_lifetime,
            compromise_burst: rules.compromise_burst,
            set_by: rules.set_by,
            set_at: rules.set_at,
            ..Governance::default()
        }
    }

    /// The person behind an account, by the account that stood for them first.
    #[must_use]
    pub fn person_of(&self, id: PrincipalId) -> PrincipalId {
        self.principals.get(&id).map_or(id, |principal| principal.person(id))
    }

    /// The versions of a key, by number.
    pub fn versions_of(&self, key: KeyId) -> impl Iterator<Item = (KeyVersionId, &OpenVersion)> {
        let all = KeyVersionId { key, number: 0 }..=KeyVersionId { key, number: u32::MAX };
        self.versions.range(all).map(|(id, version)| (*id, version))
    }

    /// The keys of a ring.
    pub fn keys_of(&self, ring: KeyRingId) -> impl Iterator<Item = (KeyId, &OpenKey)> {
        let ids = self.of_ring.get(&ring).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.keys.get(id)?)))
    }

    /// The class of a key's data.
    #[must_use]
    pub fn class_of(&self, key: KeyId) -> Option<Class> {
        self.keys.get(&key).map(|key| key.data_class.into())
    }

    /// The ring of a key.
    #[must_use]
    pub fn ring_of(&self, key: KeyId) -> Option<(KeyRingId, &OpenRing)> {
        let ring = self.keys.get(&key)?.ring;
        Some((ring, self.rings.get(&ring)?))
    }

    /// The environment of a key: its own, or that of its ring, or that of the deployment.
    #[must_use]
    pub fn environment_of(&self, key: KeyId) -> Option<&str> {
        let own = self.keys.get(&key)?.environment.as_deref();
        let of_ring = || self.ring_of(key)?.1.policy.environment.as_ref().map(|name| name.as_str());
        own.or_else(of_ring).or_else(|| self.environment())
    }

    /// The environment of the deployment, as its nodes say it; none where they differ or are silent.
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        let mut said = self.nodes.values().map(|node| node.environment.as_deref());
        let first = said.next()??;
        said.all(|other| other == Some(first)).then_some(first)
    }
}

//! What is shown beside a result so that people can read it: the reasons and the names of what it has by identifier alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use claviger_core::asset::Asset;
use claviger_core::break_glass::BreakGlass;
use claviger_core::capacity::Capacity;
use claviger_core::declaration::Declared;
use claviger_core::governance::Governance;
use claviger_core::grant::{Grant, Selector};
use claviger_core::key::{DestructionBlocked, Key, KeyRecord, KeyRing};
use claviger_core::object::Object;
use claviger_core::principal::{Credential, Principal, Status};
use claviger_core::reason::{ReasonRecord, Why};
use claviger_core::{Action, Alias, AssetId, KeyId, KeyRingId, PrincipalId, ReasonId, Timestamp};
use claviger_crypto::envelope::Context;

use super::reason::ShownReason;
use super::{
    JudgedGrant, KeyVersions, MaterialImported, NewlyMade, Operation, PolicyStatus, ReadableAlert,
    ReadableApproval, ReadableDeclaration, Staged,
};
use crate::error::{ErrorKind, ServiceError};
use crate::governed::Governed;
use crate::job::destroy_due_keys::Held;
use crate::log::{EntryPage, FoundEntry};
use crate::reference::{AssetRef, PrincipalRef, RingRef, TargetRef};
use crate::view::View;

/// Something that a result has by its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identified {
    /// A data asset.
    Asset(AssetId),
    /// A key.
    Key(KeyId),
    /// A principal.
    Principal(PrincipalId),
    /// A ring.
    Ring(KeyRingId),
}

impl Identified {
    /// The same of an object; `None` of one that has no name.
    #[must_use]
    pub const fn of(object: Object) -> Option<Self> {
        match object {
            Object::Asset(id) => Some(Self::Asset(id)),
            Object::Key(id) => Some(Self::Key(id)),
            Object::Principal(id) => Some(Self::Principal(id)),
            Object::Ring(id) => Some(Self::Ring(id)),
            Object::Alert(_)
            | Object::Alias(_)
            | Object::Approval(_)
            | Object::BreakGlass(_)
            | Object::Credential(_)
            | Object::Declaration(_)
            | Object::Governance(_)
            | Object::Grant(_)
            | Object::Node(_)
            | Object::Reason(_)
            | Object::Review(_)
            | Object::RightsReview(_)
            | Object::Version(_) => None,
        }
    }

    /// What somebody owns who holds that capacity, if it is of something.
    #[must_use]
    pub const fn owned(capacity: Capacity) -> Option<Self> {
        match capacity {
            Capacity::AssetOwner(id) => Some(Self::Asset(id)),
            Capacity::KeyOwner(id) => Some(Self::Key(id)),
            Capacity::Ciso
            | Capacity::Dpo
            | Capacity::Executive
            | Capacity::PrivacyOfficer
            | Capacity::RiskOwner => None,
        }
    }

    /// Its identifier, as text.
    #[must_use]
    pub fn id(self) -> String {
        match self {
            Self::Asset(id) => id.to_string(),
            Self::Key(id) => id.to_string(),
            Self::Principal(id) => id.to_string(),
            Self::Ring(id) => id.to_string(),
        }
    }
}

impl From<Selector> for Identified {
    fn from(selector: Selector) -> Self {
        match selector {
            Selector::Key(id) => Self::Key(id),
            Selector::Ring(id) => Self::Ring(id),
        }
    }
}

/// Reasons and names by their identifiers, and which of the principals were revoked.
#[derive(Clone, Debug, Default)]
pub struct Captions {
    reasons: BTreeMap<ReasonId, ShownReason>,
    known: Known,
    held: Arc<Held>,
    now: Timestamp,
}

/// What is known of what a result has by its identifier.
#[derive(Clone, Debug, Default)]
struct Known {
    names: BTreeMap<Identified, String>,
    /// Principals that were revoked, and why.
    revoked: BTreeMap<PrincipalId, Option<Why>>,
}

impl Captions {
    /// That reason, if it is among them.
    #[must_use]
    pub fn find(&self, id: ReasonId) -> Option<&ShownReason> {
        self.reasons.get(&id)
    }

    /// The names of what a thing has by identifier, and of who gave its reasons, as far as they are among these.
    pub fn names<T: HasCaptions>(&self, thing: &T) -> impl Iterator<Item = (Identified, &str)> {
        let identified = thing.identified();
        let of_those = identified.iter().filter_map(|one| match one {
            Identified::Principal(id) => self.known.revoked.get(id).copied(),
            Identified::Asset(_) | Identified::Key(_) | Identified::Ring(_) => None,
        });
        let reasons = thing.whys().chain(of_those).flatten().filter_map(Why::given);
        let givers: Vec<_> = reasons.filter_map(|id| Some(self.find(id)?.given_by)).collect();
        let all: BTreeSet<_> =
            identified.into_iter().chain(givers.into_iter().map(Identified::Principal)).collect();
        all.into_iter().filter_map(|one| Some((one, self.known.names.get(&one)?.as_str())))
    }

    /// The name of that, if it is among these.
    #[must_use]
    pub fn name(&self, one: Identified) -> Option<&str> {
        self.known.names.get(&one).map(String::as_str)
    }

    /// What keeps the scheduled destruction of a key from being carried out: that its ring asks for an approval that it does not have; or, as
    /// of the last look at what is due, that those who approved it may no more.
    #[must_use]
    pub fn destruction_blocked(&self, record: &KeyRecord) -> Option<DestructionBlocked> {
        let held = || {
            let (destruction, blocked) = *self.held.get(&record.key.id)?;
            (record.key.destruction == Some(destruction)).then_some(blocked)
        };
        record.destruction_blocked().or_else(held)
    }

    /// Why that principal was revoked, if it was.
    #[must_use]
    pub fn revoked(&self, principal: PrincipalId) -> Option<Option<Why>> {
        self.known.revoked.get(&principal).copied()
    }

    /// The instant of the call that these are of.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }
}

/// Something that has reasons and identifiers in it.
pub trait HasCaptions {
    /// Why it is as it is: each thing in it that could have a reason.
    fn whys(&self) -> impl Iterator<Item = Option<Why>>;

    /// What it has by identifier alone.
    fn identified(&self) -> Vec<Identified>;
}

impl HasCaptions for Key {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        [self.reason].into_iter()
    }

    fn identified(&self) -> Vec<Identified> {
        vec![Identified::Principal(self.owner)]
    }
}

impl HasCaptions for KeyRecord {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        self.versions.iter().map(|version| version.reason).chain([self.key.reason])
    }

    fn identified(&self) -> Vec<Identified> {
        self.key.identified()
    }
}

impl HasCaptions for MaterialImported {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        self.record.whys()
    }

    fn identified(&self) -> Vec<Identified> {
        self.record.identified()
    }
}

impl HasCaptions for KeyVersions {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        self.versions.iter().map(|version| version.reason)
    }

    fn identified(&self) -> Vec<Identified> {
        Vec::new()
    }
}

impl HasCaptions for KeyRing {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        [self.reason].into_iter()
    }

    fn identified(&self) -> Vec<Identified> {
        Vec::new()
    }
}

impl HasCaptions for Alias {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        std::iter::empty()
    }

    fn identified(&self) -> Vec<Identified> {
        vec![Identified::Key(self.key), Identified::Ring(self.ring)]
    }
}

impl HasCaptions for Asset {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        std::iter::empty()
    }

    fn identified(&self) -> Vec<Identified> {
        vec![Identified::Principal(self.owner), Identified::Principal(self.created_by)]
    }
}

impl HasCaptions for ReadableDeclaration {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        [self.row.reason].into_iter()
    }

    fn identified(&self) -> Vec<Identified> {
        let responsible = match &self.declared {
            Declared::Device(supply) | Declared::Module(supply) | Declared::Supplier(supply) => {
                supply.responsible
            }
            Declared::Attestation(_)
            | Declared::Build(_)
            | Declared::Document(_)
            | Declared::Parameter(_)
            | Declared::PolicyFiles(_) => None,
        };
        let withdrawn_by = self.row.withdrawal.map(|withdrawal| withdrawal.by);
        let people = [self.row.declared_by].into_iter().chain(withdrawn_by).chain(responsible);
        people.map(Identified::Principal).collect()
    }
}

impl HasCaptions for ReadableApproval {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        [self.row.reason].into_iter()
    }

    fn identified(&self) -> Vec<Identified> {
        let row = &self.row;
        let beside: Vec<_> = match Governed::decode(&row.asked) {
            Ok(Governed::ApplyPlan { acts, .. }) => {
                acts.iter().filter_map(|act| beside_rows(Governed::decode_act(act).ok()?)).collect()
            }
            Ok(act) => beside_rows(act).into_iter().collect(),
            Err(_) => Vec::new(),
        };
        let deciders = row.decisions.iter().map(|decided| decided.by);
        let people = [row.requester].into_iter().chain(deciders).chain(row.ended.map(|ended| ended.by));
        let people = people.map(Identified::Principal).chain(beside);
        let rows = row.rows.iter().filter_map(|seen| Identified::of(seen.object));
        people.chain(row.ring.map(Identified::Ring)).chain(rows).collect()
    }
}

/// What an act may be about that is none of the rows that it was decided on: who may give up a grant beside its holder, and what somebody
/// owns.
fn beside_rows(act: Governed) -> Option<Identified> {
    match act {
        Governed::AssignCapacity { capacity, .. } => Identified::owned(capacity),
        Governed::CreateGrant { retiring, .. } => retiring.map(Identified::Principal),
        _ => None,
    }
}

impl HasCaptions for ReadableAlert {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        [self.row.reason].into_iter()
    }

    fn identified(&self) -> Vec<Identified> {
        let acts = [self.row.triaged, self.row.closed].into_iter().flatten();
        acts.map(|act| Identified::Principal(act.by)).chain(self.called_by()).collect()
    }
}

impl HasCaptions for BreakGlass {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        [self.reason].into_iter()
    }

    fn identified(&self) -> Vec<Identified> {
        let ended_by = self.closed.map(|closed| closed.by).into_iter();
        let ended_by = ended_by.chain(self.reviewed.map(|reviewed| reviewed.by));
        let people = [self.holder, self.opened_by].into_iter().chain(ended_by).map(Identified::Principal);
        people.chain(self.keys.iter().copied().map(Identified::Key)).collect()
    }
}

impl HasCaptions for Governance {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        [self.reason].into_iter()
    }

    fn identified(&self) -> Vec<Identified> {
        vec![Identified::Principal(self.set_by)]
    }
}

impl HasCaptions for ReasonRecord {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        std::iter::empty()
    }

    fn identified(&self) -> Vec<Identified> {
        vec![Identified::Principal(self.given_by)]
    }
}

impl HasCaptions for Principal {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        [self.reason].into_iter()
    }

    fn identified(&self) -> Vec<Identified> {
        let acknowledged_by = self.recovery.and_then(|made| made.acknowledged_by);
        let people = self.created_by.into_iter().chain(acknowledged_by).chain(self.same_person_as);
        let people = people.chain(self.capacities.iter().map(|held| held.given_by));
        let owned = self.capacities.iter().filter_map(|held| Identified::owned(held.capacity));
        people.map(Identified::Principal).chain(self.home.map(Identified::Ring)).chain(owned).collect()
    }
}

impl HasCaptions for Credential {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        [self.reason].into_iter()
    }

    fn identified(&self) -> Vec<Identified> {
        [self.principal].into_iter().chain(self.created_by).map(Identified::Principal).collect()
    }
}

impl HasCaptions for NewlyMade {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        self.credential.whys()
    }

    fn identified(&self) -> Vec<Identified> {
        self.credential.identified()
    }
}

impl HasCaptions for Grant {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        [self.reason, self.ending.and_then(|ending| ending.reason)].into_iter()
    }

    fn identified(&self) -> Vec<Identified> {
        let people =
            [self.principal, self.created_by].into_iter().chain(self.retiring).map(Identified::Principal);
        people.chain([self.selector.into()]).collect()
    }
}

impl HasCaptions for JudgedGrant {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        self.grant.whys()
    }

    fn identified(&self) -> Vec<Identified> {
        let revoked = self.verdict.ended().and_then(|cause| cause.principal()).map(Identified::Principal);
        self.grant.identified().into_iter().chain(revoked).collect()
    }
}

impl HasCaptions for EntryPage {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        self.entries.iter().map(|entry| entry.why)
    }

    fn identified(&self) -> Vec<Identified> {
        self.entries.iter().filter_map(FoundEntry::key).map(Identified::Key).collect()
    }
}

impl<T: HasCaptions> HasCaptions for Vec<T> {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        self.iter().flat_map(HasCaptions::whys)
    }

    fn identified(&self) -> Vec<Identified> {
        self.iter().flat_map(HasCaptions::identified).collect()
    }
}

impl<T: HasCaptions> HasCaptions for (T, Option<PolicyStatus>) {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        self.0.whys()
    }

    fn identified(&self) -> Vec<Identified> {
        self.0.identified()
    }
}

impl<T: HasCaptions> HasCaptions for Arc<T> {
    fn whys(&self) -> impl Iterator<Item = Option<Why>> {
        T::whys(self)
    }

    fn identified(&self) -> Vec<Identified> {
        T::identified(self)
    }
}

/// An operation whose result comes with the reasons and the names of what is in it.
#[derive(Debug)]
pub struct Captioned<O>(pub O);

impl<O: Operation<Output: HasCaptions>> Operation for Captioned<O> {
    type Output = (O::Output, Captions);

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
        let identified: BTreeSet<_> = staged.output().identified().into_iter().collect();
        let mut known = Known::default();
        view.learn(identified, &mut known).await?;
        let whys = staged.output().whys().chain(known.revoked.values().copied());
        let whys: BTreeSet<_> = whys.flatten().filter_map(Why::given).collect();
        let reasons = view.reasons(whys).await?;
        let givers = reasons.values().map(|reason| Identified::Principal(reason.given_by));
        let givers: BTreeSet<_> = givers.filter(|giver| !known.names.contains_key(giver)).collect();
        view.learn(givers, &mut known).await?;
        let captions = Captions { reasons, known, held: view.state.blocked.held(), now: view.now };
        Ok(staged.map(|output| (output, captions)))
    }
}

impl View<'_> {
    /// Learns the names of these, and which were revoked. Of what is not there, or was altered in the store, nothing is learnt.
    async fn learn(&self, wanted: BTreeSet<Identified>, known: &mut Known) -> Result<(), ServiceError> {
        for one in wanted {
            let found = match one {
                Identified::Asset(id) => {
                    let asset = self.state.asset(&AssetRef::Id(id)).await;
                    asset.map(|asset| asset.name.to_string())
                }
                Identified::Key(id) => self.name_of_key(id).await,
                Identified::Principal(id) => {
                    let principal = self.state.principal(&PrincipalRef::Id(id)).await;
                    principal.map(|principal| {
                        if principal.status == Status::Revoked {
                            known.revoked.insert(id, principal.reason);
                        }
                        principal.name.to_string()
                    })
                }
                Identified::Ring(id) => {
                    let ring = self.state.ring(&RingRef::Id(id)).await;
                    ring.map(|ring| ring.name.to_string())
                }
            };
            match found {
                Ok(name) => drop(known.names.insert(one, name)),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::RowAltered) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn name_of_key(&self, id: KeyId) -> Result<String, ServiceError> {
        let record = self.store().find_key(id).await?.ok_or_else(ServiceError::not_found)?;
        Ok(record.name().to_string())
    }
}

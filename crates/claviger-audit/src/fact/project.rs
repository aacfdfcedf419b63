//! From rows to facts: what a row says, field by field.

use std::collections::BTreeMap;
use std::time::Duration;

use claviger_core::alert::Alert;
use claviger_core::alias::Alias;
use claviger_core::approval::{Approval, encode_decisions, encode_done, encode_rows};
use claviger_core::asset::Asset;
use claviger_core::break_glass::BreakGlass;
use claviger_core::change::Change;
use claviger_core::declaration::Declaration;
use claviger_core::governance::Governance;
use claviger_core::grant::{Basis, Conditions, Grant, Selector};
use claviger_core::key::{Key, KeyRing, KeyVersion};
use claviger_core::node::Node;
use claviger_core::object::StateRow;
use claviger_core::principal::{Credential, Principal};
use claviger_core::reason::Why;
use claviger_core::review::{Review, encode_items};
use claviger_core::rights_review::RightsReview;
use claviger_core::{GovernanceId, Timestamp};

use super::fields::{is_fixed, is_sealed, number_of};
use super::{Fact, Field, Object, Sealed, Values, VeilError, VeilKey};
use crate::cbor;
use crate::hash::sha256;
use crate::session::DisclosedName;

/// What a row says, field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// The object.
    pub object: Object,
    /// The revision of the row; 0 says that it is deleted.
    pub revision: u64,
    /// Open fields in CBOR.
    pub open: Values,
    /// Fields to be sealed, in CBOR.
    pub sealed: Values,
    /// Fields that the row itself has sealed, at this revision.
    pub kept: Option<Vec<u8>>,
    /// Under whose key: an object's own; of a credential its principal's.
    pub veil: Object,
}

/// What a change writes, if it writes a row that facts are about. Revisions are those that the store gives.
#[must_use]
pub fn projection(change: &Change) -> Option<Projection> {
    let written = |projection: Projection| Projection { revision: projection.revision + 1, ..projection };
    Some(match change {
        Change::PutAlert(alert) => written(alert.into()),
        Change::PutAlias(alias) => written(alias.into()),
        Change::PutApproval(approval) => written(approval.into()),
        Change::PutAsset(asset) => written(asset.into()),
        Change::PutBreakGlass(access) => written(access.into()),
        Change::PutCredential(credential) => written(credential.into()),
        Change::PutDeclaration(declaration) => written(declaration.into()),
        Change::PutGovernance(governance) => written(governance.into()),
        Change::PutGrant(grant) => written(grant.into()),
        Change::PutKey(key) => written(key.into()),
        Change::PutNode(node) => written(node.into()),
        Change::PutPrincipal(principal) => written(principal.into()),
        Change::PutReason(reason) => written(reason.into()),
        Change::PutReview(review) => written(review.into()),
        Change::PutRightsReview(review) => written(review.into()),
        Change::PutRing(ring) => written(ring.into()),
        Change::PutVersion(version) => written(version.into()),
        Change::RemoveAlias(alias) => Projection::removing(Object::Alias(alias.id)),
        Change::CountUses { .. }
        | Change::Expect(_)
        | Change::ExpectNoAlias(_)
        | Change::ExpectNone { .. }
        | Change::NoteFacts(_)
        | Change::PutFactHead(_)
        | Change::PutIdempotency(_)
        | Change::PutLogTime(_)
        | Change::PutPolicyDocument(_)
        | Change::PutVeil(_)
        | Change::RemoveVeil(_)
        | Change::SealReason { .. } => return None,
    })
}

/// What changes write, row by row.
#[must_use]
pub fn projections(changes: &[Change]) -> Vec<Projection> {
    changes.iter().filter_map(projection).collect()
}

/// Does a change write a row that facts are about?
#[must_use]
pub const fn writes_a_fact(change: &Change) -> bool {
    matches!(
        change,
        Change::PutAlert(_)
            | Change::PutAlias(_)
            | Change::PutApproval(_)
            | Change::PutAsset(_)
            | Change::PutBreakGlass(_)
            | Change::PutCredential(_)
            | Change::PutDeclaration(_)
            | Change::PutGovernance(_)
            | Change::PutGrant(_)
            | Change::PutKey(_)
            | Change::PutNode(_)
            | Change::PutPrincipal(_)
            | Change::PutReason(_)
            | Change::PutReview(_)
            | Change::PutRightsReview(_)
            | Change::PutRing(_)
            | Change::PutVersion(_)
            | Change::RemoveAlias(_)
    )
}

impl Projection {
    /// Of an object that is taken away.
    const fn removing(object: Object) -> Self {
        Self { object, revision: 0, open: Values::new(), sealed: Values::new(), kept: None, veil: object }
    }

    /// Only what the fact of this revision holds: fields that are fixed stand in the first alone.
    #[must_use]
    pub fn of_revision(mut self) -> Self {
        if self.revision > 1 {
            let kind = self.object.kind();
            self.open.retain(|number, _| !is_fixed(kind, *number));
            self.sealed.retain(|number, _| !is_fixed(kind, *number));
        }
        self
    }

    /// What shows that the log commits to the object's name, if it has one that is sealed.
    ///
    /// # Errors
    /// [`VeilError::Unsealed`] when the library refuses.
    pub fn name(&self, key: &VeilKey) -> Result<Option<DisclosedName>, VeilError> {
        let kind = self.object.kind();
        let number = number_of(kind, "name");
        let Some((number, value)) = number.and_then(|number| self.sealed.get_key_value(&number)) else {
            return Ok(None);
        };
        let salt = key.salt(&self.object, *number, value)?;
        Ok(Some(DisclosedName { object: self.object, number: *number, salt, value: value.clone() }))
    }

    /// Does it take a key to compute it?
    #[must_use]
    pub fn is_veiled(&self) -> bool {
        !self.sealed.is_empty() || self.kept.is_some()
    }

    /// The fields that take no key.
    #[must_use]
    pub fn open_fields(&self) -> BTreeMap<u16, Field> {
        self.open.iter().map(|(number, value)| (*number, Field::Open(value.clone()))).collect()
    }

    /// The fields, those that are sealed by what commits to them.
    ///
    /// # Errors
    /// [`VeilError::Unsealed`] when there is no key and it takes one, [`VeilError::Unopened`] when what the row has sealed does
    /// not open.
    pub fn fields(&self, key: Option<&VeilKey>) -> Result<BTreeMap<u16, Field>, VeilError> {
        let mut fields = self.open_fields();
        if self.is_veiled() {
            let key = key.ok_or(VeilError::Unsealed)?;
            let kept =
                self.kept.as_ref().map(|kept| key.open(&self.object, self.revision, kept)).transpose()?;
            for (number, value) in self.sealed.iter().chain(kept.iter().flatten()) {
                fields.insert(*number, key.commit(&self.object, *number, value)?);
            }
        }
        Ok(fields)
    }

    /// The fact, its sealed fields under `key`, which is needed only where there are some.
    ///
    /// # Errors
    /// As of [`Self::fields`], and [`VeilError::Unsealed`] when the key does not seal.
    pub fn fact(&self, key: Option<&VeilKey>) -> Result<Fact, VeilError> {
        let fields = self.fields(key)?;
        let sealed = match (&self.kept, key) {
            (Some(kept), _) => Some(Sealed::Here(kept.clone())),
            (None, Some(key)) if !self.sealed.is_empty() => {
                Some(Sealed::Here(key.seal(&self.object, self.revision, &self.sealed)?))
            }
            (None, _) => None,
        };
        Ok(Fact { object: self.object, revision: self.revision, fields, sealed })
    }
}

/// Builds a projection; what is empty has no field.
pub(super) struct Builder(pub(super) Projection);

impl Builder {
    pub(super) const fn new(object: Object, revision: u64, veil: Object) -> Self {
        Self(Projection { object, revision, open: Values::new(), sealed: Values::new(), kept: None, veil })
    }

    pub(super) fn put(mut self, number: u16, value: Option<Vec<u8>>) -> Self {
        if let Some(value) = value {
            let is_sealed = is_sealed(self.0.object.kind(), number);
            let values = if is_sealed { &mut self.0.sealed } else { &mut self.0.open };
            values.insert(number, value);
        }
        self
    }
}

fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    write(&mut out);
    Some(out)
}

pub(super) fn text(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() { None } else { encoded(|out| cbor::put_text(out, text)) }
}

fn number(number: u64) -> Option<Vec<u8>> {
    encoded(|out| cbor::put_uint(out, number))
}

pub(super) fn bytes(bytes: &[u8]) -> Option<Vec<u8>> {
    encoded(|out| cbor::put_bytes(out, bytes))
}

fn digest(of: &[u8]) -> Option<Vec<u8>> {
    bytes(&sha256(of))
}

fn why(why: Option<Why>) -> Option<Vec<u8>> {
    bytes(&why?.to_bytes())
}

pub(super) fn instant(at: Timestamp) -> Option<Vec<u8>> {
    number(at.as_micros())
}

/// In microseconds.
fn span(span: Option<Duration>) -> Option<Vec<u8>> {
    number(u64::try_from(span?.as_micros()).unwrap_or(u64::MAX))
}

fn pairs(pairs: &[(String, String)]) -> Option<Vec<u8>> {
    encoded(|out| {
        cbor::put_array(out, pairs.len() as u64 * 2);
        for (name, value) in pairs {
            cbor::put_text(out, name);
            cbor::put_text(out, value);
        }
    })
}

fn words<T: ToString>(words: impl ExactSizeIterator<Item = T>) -> Option<Vec<u8>> {
    if words.len() == 0 {
        return None;
    }
    encoded(|out| {
        cbor::put_array(out, words.len() as u64);
        words.for_each(|word| cbor::put_text(out, &word.to_string()));
    })
}

impl From<&StateRow> for Projection {
    fn from(row: &StateRow) -> Self {
        match row {
            StateRow::Alert(alert) => alert.into(),
            StateRow::Alias(alias) => alias.into(),
            StateRow::Approval(approval) => approval.into(),
            StateRow::Asset(asset) => asset.into(),
            StateRow::BreakGlass(access) => access.into(),
            StateRow::Credential(credential) => credential.into(),
            StateRow::Declaration(declaration) => declaration.into(),
            StateRow::Governance(governance) => governance.into(),
            StateRow::Grant(grant) => grant.into(),
            StateRow::Key(key) => key.into(),
            StateRow::Node(node) => node.into(),
            StateRow::Principal(principal) => principal.into(),
            StateRow::Reason(reason) => reason.into(),
            StateRow::Review(review) => review.into(),
            StateRow::RightsReview(review) => review.into(),
            StateRow::Ring(ring) => ring.into(),
            StateRow::Version(version) => version.into(),
        }
    }
}

impl From<&KeyRing> for Projection {
    fn from(ring: &KeyRing) -> Self {
        let (policy, wrap) = (&ring.policy, ring.kek_wrap.as_ref());
        let object = Object::Ring(ring.id);
        Builder::new(object, ring.revision, object)
            .put(1, text(ring.name.as_str()))
            .put(2, text(policy.protection.name()))
            .put(3, span(policy.rotation_period))
            .put(4, span(policy.protect_period))
            .put(5, span(policy.process_period))
            .put(6, span(Some(policy.destroy_waiting_period)))
            .put(7, number(u64::from(policy.quorum)))
            .put(8, text(policy.separation.name()))
            .put(9, digest(&ring.kek))
            .put(10, instant(ring.created_at))
            .put(11, why(ring.reason))
            .put(12, text(policy.rotates.name()))
            .put(13, words(policy.context_required.fields().iter()))
            .put(14, policy.data_class.and_then(|class| text(class.name())))
            .put(15, text(policy.plaintext_data_keys.name()))
            .put(16, policy.environment.as_ref().and_then(|name| text(name.as_str())))
            .put(17, text(policy.assets.name()))
            .put(18, wrap.and_then(|wrap| text(&wrap.key)))
            .put(19, wrap.and_then(|wrap| number(u64::from(wrap.version))))
            .put(20, wrap.and_then(|wrap| text(&wrap.algorithm)))
            .put(21, wrap.and_then(|wrap| number(u64::from(wrap.strength_bits))))
            // Absent where it is off, as of every ring before there was such a rule.
            .put(22, if policy.grants_under_quorum { number(1) } else { None })
            .0
    }
}

impl From<&Key> for Projection {
    fn from(key: &Key) -> Self {
        let object = Object::Key(key.id);
        let labels = key.labels.pairs();
        Builder::new(object, key.revision, object)
            .put(1, bytes(key.ring.as_bytes()))
            .put(2, text(key.name.as_str()))
            .put(3, text(key.purpose.name()))
            .put(4, text(key.spec.name()))
            .put(5, text(key.protection.name()))
            .put(6, text(key.data_class.name()))
            .put(7, text(&key.description))
            .put(8, bytes(key.owner.as_bytes()))
            .put(9, if labels.is_empty() { None } else { pairs(labels) })
            .put(10, span(key.rotation_period))
            .put(11, text(key.state.name()))
            .put(12, number(u64::from(key.primary)))
            .put(13, instant(key.rotates_from))
            .put(14, key.destruction.and_then(|destruction| instant(destruction.scheduled_at)))
            .put(15, key.destruction.and_then(|destruction| instant(destruction.at)))
            .put(16, instant(key.created_at))
            .put(17, why(key.reason))
            .put(18, key.policy.and_then(|digest| bytes(&digest)))
            .put(19, words(key.context_required.fields().iter()))
            .put(20, key.environment.as_ref().and_then(|name| text(name.as_str())))
            .put(21, key.destruction.and_then(|destruction| bytes(destruction.approval?.as_bytes())))
            .0
    }
}

impl From<&KeyVersion> for Projection {
    fn from(version: &KeyVersion) -> Self {
        let object = Object::Version(version.id);
        let (wrap, imported) = (version.wrap.as_ref(), version.imported.as_ref());
        let provenance = &version.provenance;
        let transport = imported.and_then(|imported| imported.transport);
        Builder::new(object, version.revision, Object::Key(version.id.key))
            .put(1, text(version.state.name()))
            .put(2, wrap.and_then(|wrap| number(u64::from(wrap.format))))
            .put(3, wrap.and_then(|wrap| digest(&wrap.bytes)))
            .put(4, version.public_key.as_deref().and_then(digest))
            .put(5, text(provenance.origin.name()))
            .put(6, text(&provenance.module))
            .put(7, text(provenance.generator.name()))
            .put(8, number(u64::from(provenance.health_ok)))
            .put(9, version.rotated.and_then(|rotated| text(rotated.name())))
            .put(10, instant(version.created_at))
            .put(11, version.activated_at.and_then(instant))
            .put(12, instant(version.state_changed_at))
            .put(13, imported.and_then(|imported| digest(&imported.digest)))
            .put(14, imported.and_then(|imported| imported.expires_at).and_then(instant))
            .put(15, imported.and_then(|imported| imported.removed_at).and_then(instant))
            .put(16, why(version.reason))
            .put(17, provenance.fingerprint.and_then(|print| bytes(&print)))
            .put(18, transport.and_then(|transport| text(transport.algorithm.name())))
            .put(19, transport.and_then(|transport| text(transport.spec.name())))
            .put(20, transport.and_then(|transport| bytes(&transport.key)))
            .put(21, transport.and_then(|transport| number(u64::from(transport.strength_bits()))))
            .0
    }
}

impl From<&Principal> for Projection {
    fn from(principal: &Principal) -> Self {
        let recovery = principal.recovery;
        let givers = principal.role_givers.iter().map(|(role, giver)| format!("{role}={giver}"));
        let held = principal.capacities.iter();
        let capacities = held.map(|held| format!("{}={}", held.capacity, held.given_by));
        let object = Object::Principal(principal.id);
        Builder::new(object, principal.revision, object)
            .put(1, text(principal.name.as_str()))
            .put(2, text(principal.kind.name()))
            .put(3, text(principal.status.name()))
            .put(4, words(principal.roles.iter()))
            .put(5, words(givers))
            .put(6, principal.home.and_then(|home| bytes(home.as_bytes())))
            .put(7, digest(&principal.subject_key))
            .put(8, principal.created_by.and_then(|by| bytes(by.as_bytes())))
            .put(9, instant(principal.created_at))
            .put(10, recovery.and_then(|recovery| instant(recovery.at)))
            .put(11, recovery.and_then(|recovery| bytes(recovery.acknowledged_by?.as_bytes())))
            .put(12, why(principal.reason))
            .put(13, principal.erasure.and_then(|erasure| bytes(erasure.by.as_bytes())))
            .put(14, principal.erasure.and_then(|erasure| instant(erasure.at)))
            .put(15, principal.environment.as_ref().and_then(|name| text(name.as_str())))
            .put(16, principal.same_person_as.and_then(|first| bytes(first.as_bytes())))
            .put(17, words(capacities))
            .0
    }
}

impl From<&Credential> for Projection {
    fn from(credential: &Credential) -> Self {
        let access_key = credential.access_key.as_ref();
        let veil = Object::Principal(credential.principal);
        Builder::new(Object::Credential(credential.id), credential.revision, veil)
            .put(1, bytes(credential.principal.as_bytes()))
            .put(2, text(credential.kind.name()))
            .put(3, bytes(&credential.digest))
            .put(4, access_key.and_then(|key| text(key.id.as_str())))
            .put(5, access_key.and_then(|key| digest(&key.sealed_secret)))
            .put(6, access_key.and_then(|key| bytes(key.session_digest.as_ref()?)))
            .put(7, text(credential.label.as_str()))
            .put(8, text(credential.status.name()))
            .put(9, credential.created_by.and_then(|by| bytes(by.as_bytes())))
            .put(10, instant(credential.created_at))
            .put(11, instant(credential.expires_at))
            .put(12, why(credential.reason))
            .put(13, credential.renews.and_then(|renewed| bytes(renewed.as_bytes())))
            // Absent where nothing is awaited, as of every credential before there was such a thing.
            .put(14, if credential.awaits_confirmation { number(1) } else { None })
            .0
    }
}

impl From<&Grant> for Projection {
    fn from(grant: &Grant) -> Self {
        let object = Object::Grant(grant.id);
        let Conditions { context_equals, context_exactly, source_networks, until } = &grant.conditions;
        let (key, ring) = match &grant.selector {
            Selector::Key(key) => (bytes(key.as_bytes()), None),
            Selector::Ring(ring) => (None, bytes(ring.as_bytes())),
        };
        let basis = match &grant.basis {
            Basis::Role => text("role"),
            Basis::Grants(grants) => encoded(|out| {
                cbor::put_array(out, grants.len() as u64);
                grants.iter().for_each(|grant| cbor::put_bytes(out, grant.as_bytes()));
            }),
        };
        Builder::new(object, grant.revision, object)
            .put(1, bytes(grant.principal.as_bytes()))
            .put(2, key)
            .put(3, ring)
            .put(4, words(grant.operations.iter()))
            .put(5, if context_equals.is_empty() { None } else { pairs(context_equals) })
            .put(6, context_exactly.as_deref().and_then(pairs))
            .put(7, words(source_networks.iter()))
            .put(8, until.and_then(instant))
            .put(9, why(grant.reason))
            .put(10, grant.name.as_deref().and_then(text))
            .put(11, grant.retiring.and_then(|retiring| bytes(retiring.as_bytes())))
            .put(12, bytes(grant.created_by.as_bytes()))
            .put(13, instant(grant.created_at))
            .put(14, basis)
            .put(15, text(grant.origin.name()))
            .put(16, text(grant.status.name()))
            .put(17, grant.ending.and_then(|ending| text(ending.by.name())))
            .put(18, grant.ending.and_then(|ending| instant(ending.at)))
            .put(19, grant.ending.and_then(|ending| why(ending.reason)))
            .put(20, grant.spelling.principal.as_deref().and_then(text))
            .put(21, grant.spelling.retiring.as_deref().and_then(text))
            .0
    }
}

impl From<&RightsReview> for Projection {
    fn from(review: &RightsReview) -> Self {
        let object = Object::RightsReview(review.id);
        Builder::new(object, review.revision, object)
            .put(1, instant(review.opened_at))
            .put(2, review.digest.and_then(|digest| bytes(&digest)))
            .put(3, review.officer.and_then(|one| bytes(one.by.as_bytes())))
            .put(4, review.officer.and_then(|one| instant(one.at)))
            .put(5, review.auditor.and_then(|one| bytes(one.by.as_bytes())))
            .put(6, review.auditor.and_then(|one| instant(one.at)))
            .0
    }
}

impl From<&Node> for Projection {
    fn from(node: &Node) -> Self {
        let (object, report) = (Object::Node(node.id), &node.report);
        Builder::new(object, node.revision, object)
            .put(1, number(node.incarnation))
            .put(2, instant(node.reported_at))
            .put(3, report.environment.as_ref().and_then(|name| text(name.as_str())))
            .put(4, text(report.mode()))
            .put(5, words(report.insecure.iter()))
            .put(6, text(&report.release))
            .put(7, bytes(&report.build))
            .put(8, bytes(&report.configuration))
            .put(9, bytes(&report.policy))
            .put(10, words(report.hardening.iter()))
            .put(11, words(report.listeners.iter()))
            .put(12, bytes(&report.certificate))
            .put(13, bytes(&report.client_authorities))
            .put(14, text(&report.clock_source))
            .put(15, words(report.generators.iter()))
            .put(16, words(report.domains.iter()))
            .put(17, words(node.released.iter()))
            .put(18, words(report.root_keys.iter()))
            .put(19, words(report.certificates.iter()))
            .0
    }
}

impl From<&Asset> for Projection {
    fn from(asset: &Asset) -> Self {
        let object = Object::Asset(asset.id);
        Builder::new(object, asset.revision, object)
            .put(1, text(asset.name.as_str()))
            .put(2, bytes(asset.owner.as_bytes()))
            .put(3, text(asset.class.name()))
            .put(4, bytes(asset.created_by.as_bytes()))
            .put(5, instant(asset.created_at))
            .0
    }
}

impl From<&Declaration> for Projection {
    fn from(declaration: &Declaration) -> Self {
        let (object, withdrawal) = (Object::Declaration(declaration.id), declaration.withdrawal);
        Builder::new(object, declaration.revision, object)
            .put(1, text(declaration.kind.name()))
            .put(2, text(declaration.subject.as_str()))
            .put(3, bytes(&declaration.body))
            .put(4, text(&declaration.text))
            .put(5, bytes(declaration.declared_by.as_bytes()))
            .put(6, instant(declaration.declared_at))
            .put(7, withdrawal.and_then(|withdrawal| bytes(withdrawal.by.as_bytes())))
            .put(8, withdrawal.and_then(|withdrawal| instant(withdrawal.at)))
            .put(9, why(declaration.reason))
            .0
    }
}

impl From<&Approval> for Projection {
    fn from(approval: &Approval) -> Self {
        let (object, ended) = (Object::Approval(approval.id), approval.ended);
        let (rows, decisions, done) = (&approval.rows, &approval.decisions, &approval.done);
        Builder::new(object, approval.revision, object)
            .put(1, text(approval.action.name()))
            .put(2, approval.ring.and_then(|ring| bytes(ring.as_bytes())))
            .put(3, bytes(approval.requester.as_bytes()))
            .put(4, bytes(&approval.digest))
            .put(5, if rows.is_empty() { None } else { bytes(&encode_rows(rows)) })
            .put(6, number(u64::from(approval.quorum)))
            .put(7, text(approval.eligible.name()))
            .put(8, instant(approval.requested_at))
            .put(9, instant(approval.expires_at))
            .put(10, bytes(&approval.asked))
            .put(11, bytes(&approval.salt))
            .put(12, if decisions.is_empty() { None } else { bytes(&encode_decisions(decisions)) })
            .put(13, ended.and_then(|ended| text(ended.outcome.name())))
            .put(14, ended.and_then(|ended| instant(ended.at)))
            .put(15, ended.and_then(|ended| bytes(ended.by.as_bytes())))
            .put(16, why(approval.reason))
            .put(17, if done.is_empty() { None } else { bytes(&encode_done(done)) })
            .0
    }
}

impl From<&Review> for Projection {
    fn from(review: &Review) -> Self {
        let (object, closed) = (Object::Review(review.id), review.closed);
        Builder::new(object, review.revision, object)
            .put(1, text(review.scope.name()))
            .put(2, review.ring.and_then(|ring| bytes(ring.as_bytes())))
            .put(3, bytes(&review.population))
            .put(4, bytes(&encode_items(&review.items)))
            .put(5, bytes(review.opened_by.as_bytes()))
            .put(6, instant(review.opened_at))
            .put(7, instant(review.due_at))
            .put(8, closed.and_then(|closed| bytes(closed.by.as_bytes())))
            .put(9, closed.and_then(|closed| instant(closed.at)))
            .put(10, why(review.reason))
            .0
    }
}

impl From<&Alert> for Projection {
    fn from(alert: &Alert) -> Self {
        let (object, triaged, closed) = (Object::Alert(alert.id), alert.triaged, alert.closed);
        Builder::new(object, alert.revision, object)
            .put(1, text(alert.rule.name()))
            .put(2, alert.subject.and_then(|subject| text(&subject.to_string())))
            .put(3, instant(alert.raised_at))
            .put(4, instant(alert.last_at))
            .put(5, number(alert.count))
            .put(6, triaged.and_then(|act| bytes(act.by.as_bytes())))
            .put(7, triaged.and_then(|act| instant(act.at)))
            .put(8, closed.and_then(|act| bytes(act.by.as_bytes())))
            .put(9, closed.and_then(|act| instant(act.at)))
            .put(10, why(alert.reason))
            .0
    }
}

impl From<&BreakGlass> for Projection {
    fn from(access: &BreakGlass) -> Self {
        let object = Object::BreakGlass(access.id);
        let (closed, reviewed) = (access.closed, access.reviewed);
        Builder::new(object, access.revision, object)
            .put(1, bytes(access.holder.as_bytes()))
            .put(2, words(access.keys.iter()))
            .put(3, words(access.grants.iter()))
            .put(4, bytes(access.opened_by.as_bytes()))
            .put(5, access.approval.and_then(|approval| bytes(approval.as_bytes())))
            .put(6, instant(access.opened_at))
            .put(7, instant(access.ends_at))
            .put(8, why(access.reason))
            .put(9, closed.and_then(|closed| bytes(closed.by.as_bytes())))
            .put(10, closed.and_then(|closed| instant(closed.at)))
            .put(11, reviewed.and_then(|reviewed| text(reviewed.verdict.name())))
            .put(12, reviewed.and_then(|reviewed| bytes(reviewed.by.as_bytes())))
            .put(13, reviewed.and_then(|reviewed| instant(reviewed.at)))
            .0
    }
}

impl From<&Governance> for Projection {
    fn from(governance: &Governance) -> Self {
        let object = Object::Governance(GovernanceId::ONLY);
        Builder::new(object, governance.revision, object)
            .put(1, number(u64::from(governance.quorum)))
            .put(2, span(Some(governance.approval_lifetime)))
            .put(3, span(governance.human_grant_lifetime))
            .put(4, span(Some(governance.break_glass_lifetime)))
            .put(5, number(u64::from(governance.compromise_burst)))
            .put(6, bytes(governance.set_by.as_bytes()))
            .put(7, instant(governance.set_at))
            .put(8, why(governance.reason))
            .0
    }
}

impl From<&Alias> for Projection {
    fn from(alias: &Alias) -> Self {
        let object = Object::Alias(alias.id);
        Builder::new(object, alias.revision, object)
            .put(1, text(alias.name.as_str()))
            .put(2, bytes(alias.key.as_bytes()))
            .put(3, bytes(alias.ring.as_bytes()))
            .put(4, text(alias.scope.name()))
            .put(5, instant(alias.created_at))
            .put(6, instant(alias.updated_at))
            .0
    }
}

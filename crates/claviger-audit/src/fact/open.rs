//! Objects as the open fields of their facts say them: what can be read without any key.
//!
//! The fields are those that stand together: those of the newest fact, and those that are fixed ([`super::is_fixed`]).

use std::collections::BTreeMap;
use std::time::Duration;

use claviger_core::alert::{AlertAct, AlertRule};
use claviger_core::approval::{Decided, DoneStep, Eligible, Ended, SeenRow, Verdict};
use claviger_core::break_glass::{BreakGlassClosed, BreakGlassReviewed};
use claviger_core::capacity::HeldCapacity;
use claviger_core::declaration::Declared;
use claviger_core::grant::{Basis, EndedBy, GrantOrigin};
use claviger_core::key::{
    DataClass, Destruction, Generator, Origin, Protection, RingPolicy, Rotation, State,
};
use claviger_core::principal::{CredentialKind, PrincipalKind, Role, Status};
use claviger_core::reason::Why;
use claviger_core::review::{ReviewClosed, ReviewItem, ReviewScope};
use claviger_core::{
    Action, ApprovalId, CredentialId, GrantId, KeyId, KeyRingId, PrincipalId, Purpose, Spec, Timestamp,
};

use super::replayed::{Said, destruction, ring_policy};
use super::{Field, Kind, Object, ReplayError};
use crate::declaration::decode;

/// An object, as far as it is open. Kinds of which nobody asks are [`OpenRow::Other`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenRow {
    /// An alert.
    Alert(OpenAlert),
    /// What somebody asked for that others must approve.
    Approval(Box<OpenApproval>),
    /// A data asset.
    Asset(OpenAsset),
    /// An emergency access.
    BreakGlass(Box<OpenBreakGlass>),
    /// A credential.
    Credential(OpenCredential),
    /// A declaration.
    Declaration(Box<OpenDeclaration>),
    /// The rules of the deployment.
    Governance(OpenGovernance),
    /// A grant.
    Grant(OpenGrant),
    /// A key.
    Key(OpenKey),
    /// A node.
    Node(Box<OpenNode>),
    /// A principal.
    Principal(OpenPrincipal),
    /// An access review.
    Review(Box<OpenReview>),
    /// A ring.
    Ring(Box<OpenRing>),
    /// A version.
    Version(OpenVersion),
    /// Something else.
    Other,
}

/// A ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRing {
    /// Its policy.
    pub policy: RingPolicy,
    /// The key of the root that wraps its KEK, and how strong that is in bits; none where an older release wrapped it.
    pub kek_wrap: Option<OpenRootWrap>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A key of the root, as the facts of what it wraps name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRootWrap {
    /// Its label.
    pub key: String,
    /// Its version.
    pub version: u32,
    /// How it wraps.
    pub algorithm: String,
    /// Its strength in bits.
    pub strength_bits: u16,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenKey {
    /// Its ring.
    pub ring: KeyRingId,
    /// What it is for.
    pub purpose: Purpose,
    /// What it is.
    pub spec: Spec,
    /// Where its material is used.
    pub protection: Protection,
    /// What its data is.
    pub data_class: DataClass,
    /// Who answers for it.
    pub owner: PrincipalId,
    /// How often it rotates, where it has a period of its own.
    pub rotation_period: Option<Duration>,
    /// Its state.
    pub state: State,
    /// The version that protects.
    pub primary: u32,
    /// From when on its rotation counts.
    pub rotates_from: Timestamp,
    /// That it waits for its destruction.
    pub destruction: Option<Destruction>,
    /// When it was created.
    pub created_at: Timestamp,
    /// What the encryption context of its uses must have, beside what its ring asks.
    pub context_required: Vec<String>,
    /// The environment it belongs to, where it names one itself.
    pub environment: Option<String>,
}

/// A version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenVersion {
    /// Its state.
    pub state: State,
    /// The format of its wrap; none where there is no material.
    pub wrap_format: Option<u8>,
    /// SHA-256 of its wrap.
    pub wrap_digest: Option<Vec<u8>>,
    /// Made here or imported.
    pub origin: Origin,
    /// The module that made it.
    pub module: String,
    /// The generator that it was drawn from.
    pub generator: Generator,
    /// Whether the self-tests of the module had passed.
    pub health_ok: bool,
    /// How it came to follow the one before it.
    pub rotated: Option<Rotation>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was put into use.
    pub activated_at: Option<Timestamp>,
    /// When its state last changed.
    pub state_changed_at: Timestamp,
    /// By what material is known again.
    pub fingerprint: Option<Vec<u8>>,
    /// The strength in bits of what it was imported under.
    pub transport_strength: Option<u16>,
    /// What it was imported under.
    pub transport_spec: Option<String>,
    /// From when on imported material is not used any more.
    pub material_expires_at: Option<Timestamp>,
}

/// A principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPrincipal {
    /// What it is.
    pub kind: PrincipalKind,
    /// Whether it is valid.
    pub status: Status,
    /// Its roles.
    pub roles: Vec<Role>,
    /// Who created it.
    pub created_by: Option<PrincipalId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was made outside the policy, if it was.
    pub recovered_at: Option<Timestamp>,
    /// Who has acknowledged that.
    pub acknowledged_by: Option<PrincipalId>,
    /// When it was erased who it was.
    pub erased_at: Option<Timestamp>,
    /// The environment it belongs to.
    pub environment: Option<String>,
    /// The account that stood for the same person first.
    pub same_person_as: Option<PrincipalId>,
    /// What it answers for.
    pub capacities: Vec<HeldCapacity>,
}

/// A credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCredential {
    /// Whom it proves.
    pub principal: PrincipalId,
    /// What it is.
    pub kind: CredentialKind,
    /// Whether it is valid.
    pub status: Status,
    /// Who made it.
    pub created_by: Option<PrincipalId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// The one that it took the place of, by a renewal or as what a code was redeemed for.
    pub renews: Option<CredentialId>,
    /// Whether it proves nothing yet.
    pub awaits_confirmation: bool,
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenGrant {
    /// Who holds it.
    pub principal: PrincipalId,
    /// On which key; none where it is on a ring.
    pub key: Option<KeyId>,
    /// On which ring; none where it is on a key.
    pub ring: Option<KeyRingId>,
    /// What it permits.
    pub operations: Vec<Action>,
    /// Whether it asks for something of the encryption context, or of where a call is from.
    pub is_conditional: bool,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Who gave it.
    pub created_by: PrincipalId,
    /// When it was given.
    pub created_at: Timestamp,
    /// What it rests on.
    pub basis: Basis,
    /// By which way it was given.
    pub origin: GrantOrigin,
    /// Whether it is valid.
    pub status: Status,
    /// By which act it was ended.
    pub ended_by: Option<EndedBy>,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
}

/// A node, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenNode {
    /// Which start of the process reported.
    pub incarnation: u64,
    /// When.
    pub reported_at: Timestamp,
    /// The environment of the deployment.
    pub environment: Option<String>,
    /// `secure` or `insecure`.
    pub mode: String,
    /// Weakenings in force.
    pub insecure: Vec<String>,
    /// The release.
    pub release: String,
    /// SHA-256 of the program.
    pub build: Vec<u8>,
    /// SHA-256 of the configuration.
    pub configuration: Vec<u8>,
    /// SHA-256 of the built-in policy.
    pub policy: Vec<u8>,
    /// Measures of hardening, as in `memory_locked=yes`.
    pub hardening: Vec<String>,
    /// Its listeners: name, address, `TLS 1.3`, suites, groups, and whether clients show a certificate, or `plain`.
    pub listeners: Vec<String>,
    /// What its clock counts by.
    pub clock_source: String,
    /// Generators, as in `module_drbg=CTR_DRBG of …`.
    pub generators: Vec<String>,
    /// Storage and custody domains, as in `root_storage=token`.
    pub domains: Vec<String>,
    /// Results that left its listeners since its start, as in `encrypt=12`.
    pub released: Vec<String>,
    /// Keys of the root that wrap, as in `seal=LABEL version=1 algorithm=aes-256-gcm strength=256`.
    pub root_keys: Vec<String>,
    /// Certificates that it shows and authorities whose certificates it takes, as in `server
    /// purpose=server-authentication listeners=control sha256=…`.
    pub certificates: Vec<String>,
}

/// A data asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAsset {
    /// Who answers for it.
    pub owner: PrincipalId,
    /// What its data is.
    pub class: DataClass,
    /// Who entered it.
    pub created_by: PrincipalId,
    /// When it was entered.
    pub created_at: Timestamp,
}

/// A declaration, but for its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDeclaration {
    /// What is declared.
    pub declared: Declared,
    /// Who declared it.
    pub declared_by: PrincipalId,
    /// When.
    pub declared_at: Timestamp,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Timestamp>,
}

/// What somebody asked for that others must approve, but for what that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenApproval {
    /// Which act.
    pub action: Action,
    /// The ring whose rule asks for approval; none where that of the deployment does.
    pub ring: Option<KeyRingId>,
    /// Who asks.
    pub requester: PrincipalId,
    /// SHA-256 of the form that approvers sign.
    pub digest: [u8; 32],
    /// The rows that it was decided on.
    pub rows: Vec<SeenRow>,
    /// How many others must approve.
    pub quorum: u8,
    /// Who they may be.
    pub eligible: Eligible,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// From then on it is done no more.
    pub expires_at: Timestamp,
    /// What was decided, in the order in which it came.
    pub decisions: Vec<Decided>,
    /// Its end.
    pub ended: Option<Ended>,
    /// Why it is asked for.
    pub reason: Option<Why>,
    /// Which steps of a plan were done.
    pub done: Vec<DoneStep>,
}

/// An access review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReview {
    /// Whose access.
    pub scope: ReviewScope,
    /// Of which ring alone; none for all of them, and for roles and capacities.
    pub ring: Option<KeyRingId>,
    /// SHA-256 of the population.
    pub population: [u8; 32],
    /// The population, with what was decided of it.
    pub items: Vec<ReviewItem>,
    /// Who opened it.
    pub opened_by: PrincipalId,
    /// When.
    pub opened_at: Timestamp,
    /// By when it is to be closed.
    pub due_at: Timestamp,
    /// That it was closed.
    pub closed: Option<ReviewClosed>,
    /// Why it was opened, or what was said when it was closed.
    pub reason: Option<Why>,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAlert {
    /// What raised it.
    pub rule: AlertRule,
    /// What it is about; none where it is about the whole deployment.
    pub subject: Option<Object>,
    /// When it was first found.
    pub raised_at: Timestamp,
    /// When it was last found.
    pub last_at: Timestamp,
    /// How often.
    pub count: u64,
    /// That a person has looked at it.
    pub triaged: Option<AlertAct>,
    /// That it is closed.
    pub closed: Option<AlertAct>,
    /// What was said when it was looked at or closed.
    pub reason: Option<Why>,
}

/// An emergency access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBreakGlass {
    /// Who has it.
    pub holder: PrincipalId,
    /// To which keys.
    pub keys: Vec<KeyId>,
    /// By which grants, in the same order.
    pub grants: Vec<GrantId>,
    /// Who opened it.
    pub opened_by: PrincipalId,
    /// By which approval.
    pub approval: Option<ApprovalId>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ends by itself.
    pub ends_at: Timestamp,
    /// Why it was opened.
    pub reason: Option<Why>,
    /// That it was closed before.
    pub closed: Option<BreakGlassClosed>,
    /// That it was reviewed.
    pub reviewed: Option<BreakGlassReviewed>,
}

/// The rules of the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenGovernance {
    /// How many custodians must approve an act that concerns the whole deployment; 0 for nobody.
    pub quorum: u8,
    /// How long an approval can be decided and done.
    pub approval_lifetime: Duration,
    /// The longest that a grant to a person lasts; none for no end.
    pub human_grant_lifetime: Option<Duration>,
    /// The longest that emergency access lasts.
    pub break_glass_lifetime: Duration,
    /// How many keys one person declares compromised in an hour before others must approve the next.
    pub compromise_burst: u16,
    /// Who set them last.
    pub set_by: PrincipalId,
    /// When.
    pub set_at: Timestamp,
}

impl OpenRow {
    /// Reads an object.
    ///
    /// # Errors
    /// [`ReplayError::Field`] names what is absent, or is none of its kind.
    pub fn read(object: Object, fields: &BTreeMap<u16, Field>) -> Result<Self, ReplayError> {
        let said = Said::open(object, fields);
        Ok(match object.kind() {
            Kind::Alert => Self::Alert(alert(&said)?),
            Kind::Approval => Self::Approval(Box::new(approval(&said)?)),
            Kind::Asset => Self::Asset(asset(&said)?),
            Kind::BreakGlass => Self::BreakGlass(Box::new(break_glass(&said)?)),
            Kind::Credential => Self::Credential(credential(&said)?),
            Kind::Declaration => Self::Declaration(Box::new(declaration(&said)?)),
            Kind::Governance => Self::Governance(governance(&said)?),
            Kind::Grant => Self::Grant(grant(&said, fields)?),
            Kind::Key => Self::Key(key(&said)?),
            Kind::Node => Self::Node(Box::new(node(&said)?)),
            Kind::Principal => Self::Principal(principal(&said)?),
            Kind::Review => Self::Review(Box::new(review(&said)?)),
            Kind::Ring => Self::Ring(Box::new(ring(&said)?)),
            Kind::Version => Self::Version(version(&said)?),
            Kind::Alias | Kind::Reason | Kind::RightsReview => Self::Other,
        })
    }
}

fn ring(said: &Said) -> Result<OpenRing, ReplayError> {
    let kek_wrap = match (said.text(18)?, said.number(19)?, said.text(20)?, said.number(21)?) {
        (Some(key), Some(version), Some(algorithm), Some(strength_bits)) => {
            Some(OpenRootWrap { key, version, algorithm, strength_bits })
        }
        _ => None,
    };
    Ok(OpenRing { policy: ring_policy(said)?, kek_wrap, created_at: said.need(10, said.instant(10)?)? })
}

fn key(said: &Said) -> Result<OpenKey, ReplayError> {
    Ok(OpenKey {
        ring: KeyRingId::from_bytes(said.need(1, said.id(1)?)?),
        purpose: said.need(3, said.word(3)?)?,
        spec: said.need(4, said.word(4)?)?,
        protection: said.need(5, said.word(5)?)?,
        data_class: said.need(6, said.word(6)?)?,
        owner: PrincipalId::from_bytes(said.need(8, said.id(8)?)?),
        rotation_period: said.span(10)?,
        state: said.need(11, said.word(11)?)?,
        primary: said.need(12, said.number(12)?)?,
        rotates_from: said.need(13, said.instant(13)?)?,
        destruction: destruction(said)?,
        created_at: said.need(16, said.instant(16)?)?,
        context_required: said.words(19)?,
        environment: said.text(20)?,
    })
}

fn version(said: &Said) -> Result<OpenVersion, ReplayError> {
    Ok(OpenVersion {
        state: said.need(1, said.word(1)?)?,
        wrap_format: said.number(2)?,
        wrap_digest: said.bytes(3)?,
        origin: said.need(5, said.word(5)?)?,
        module: said.text(6)?.unwrap_or_default(),
        generator: said.need(7, said.word(7)?)?,
        health_ok: said.number::<u8>(8)? == Some(1),
        rotated: said.word(9)?,
        created_at: said.need(10, said.instant(10)?)?,
        activated_at: said.instant(11)?,
        state_changed_at: said.need(12, said.instant(12)?)?,
        fingerprint: said.bytes(17)?,
        transport_strength: said.number(21)?,
        transport_spec: said.text(19)?,
        material_expires_at: said.instant(14)?,
    })
}

fn principal(said: &Said) -> Result<OpenPrincipal, ReplayError> {
    Ok(OpenPrincipal {
        kind: said.need(2, said.word(2)?)?,
        status: said.need(3, said.word(3)?)?,
        roles: said.words(4)?,
        created_by: said.id(8)?.map(PrincipalId::from_bytes),
        created_at: said.need(9, said.instant(9)?)?,
        recovered_at: said.instant(10)?,
        acknowledged_by: said.id(11)?.map(PrincipalId::from_bytes),
        erased_at: said.instant(14)?,
        environment: said.text(15)?,
        same_person_as: said.id(16)?.map(PrincipalId::from_bytes),
        capacities: said.capacities(17)?,
    })
}

fn credential(said: &Said) -> Result<OpenCredential, ReplayError> {
    Ok(OpenCredential {
        principal: PrincipalId::from_bytes(said.need(1, said.id(1)?)?),
        kind: said.need(2, said.word(2)?)?,
        status: said.need(8, said.word(8)?)?,
        created_by: said.id(9)?.map(PrincipalId::from_bytes),
        created_at: said.need(10, said.instant(10)?)?,
        expires_at: said.need(11, said.instant(11)?)?,
        renews: said.id(13)?.map(CredentialId::from_bytes),
        awaits_confirmation: said.number::<u8>(14)? == Some(1),
    })
}

fn grant(said: &Said, fields: &BTreeMap<u16, Field>) -> Result<OpenGrant, ReplayError> {
    Ok(OpenGrant {
        principal: PrincipalId::from_bytes(said.need(1, said.id(1)?)?),
        key: said.id(2)?.map(KeyId::from_bytes),
        ring: said.id(3)?.map(KeyRingId::from_bytes),
        operations: said.words(4)?,
        // They are sealed, and that they are there is not.
        is_conditional: [5, 6, 7].iter().any(|number| fields.contains_key(number)),
        until: said.instant(8)?,
        created_by: PrincipalId::from_bytes(said.need(12, said.id(12)?)?),
        created_at: said.need(13, said.instant(13)?)?,
        basis: said.need(14, said.basis(14)?)?,
        origin: said.need(15, said.word(15)?)?,
        status: said.need(16, said.word(16)?)?,
        ended_by: said.word(17)?,
        ended_at: said.instant(18)?,
    })
}

fn node(said: &Said) -> Result<OpenNode, ReplayError> {
    let digest = |number| Ok::<_, ReplayError>(said.bytes(number)?.unwrap_or_default());
    let text = |number| Ok::<_, ReplayError>(said.text(number)?.unwrap_or_default());
    Ok(OpenNode {
        incarnation: said.need(1, said.number(1)?)?,
        reported_at: said.need(2, said.instant(2)?)?,
        environment: said.text(3)?,
        mode: text(4)?,
        insecure: said.words(5)?,
        release: text(6)?,
        build: digest(7)?,
        configuration: digest(8)?,
        policy: digest(9)?,
        hardening: said.words(10)?,
        listeners: said.words(11)?,
        clock_source: text(14)?,
        generators: said.words(15)?,
        domains: said.words(16)?,
        released: said.words(17)?,
        root_keys: said.words(18)?,
        certificates: said.words(19)?,
    })
}

fn asset(said: &Said) -> Result<OpenAsset, ReplayError> {
    Ok(OpenAsset {
        owner: PrincipalId::from_bytes(said.need(2, said.id(2)?)?),
        class: said.need(3, said.word(3)?)?,
        created_by: PrincipalId::from_bytes(said.need(4, said.id(4)?)?),
        created_at: said.need(5, said.instant(5)?)?,
    })
}

fn declaration(said: &Said) -> Result<OpenDeclaration, ReplayError> {
    let body = said.need(3, said.bytes(3)?)?;
    let declared = decode(&body).map_err(|_| said.wrong(3))?;
    if said.text(1)?.as_deref() != Some(declared.kind().name()) {
        return Err(said.wrong(1));
    }
    if said.text(2)?.as_deref() != Some(declared.subject()) {
        return Err(said.wrong(2));
    }
    Ok(OpenDeclaration {
        declared,
        declared_by: PrincipalId::from_bytes(said.need(5, said.id(5)?)?),
        declared_at: said.need(6, said.instant(6)?)?,
        withdrawn_at: said.instant(8)?,
    })
}

pub(super) fn approval(said: &Said) -> Result<OpenApproval, ReplayError> {
    let ended = match (said.word(13)?, said.instant(14)?, said.id(15)?) {
        (None, None, None) => None,
        (Some(outcome), Some(at), Some(by)) => Some(Ended { outcome, at, by: PrincipalId::from_bytes(by) }),
        _ => return Err(said.wrong(13)),
    };
    Ok(OpenApproval {
        action: said.need(1, said.word(1)?)?,
        ring: said.id(2)?.map(KeyRingId::from_bytes),
        requester: PrincipalId::from_bytes(said.need(3, said.id(3)?)?),
        digest: said.need(4, said.fixed(4)?)?,
        rows: said.seen_rows(5)?,
        quorum: said.need(6, said.number(6)?)?,
        eligible: said.need(7, said.word(7)?)?,
        requested_at: said.need(8, said.instant(8)?)?,
        expires_at: said.need(9, said.instant(9)?)?,
        decisions: said.decisions(12)?,
        ended,
        reason: said.why(16)?,
        done: said.done(17)?,
    })
}

fn review(said: &Said) -> Result<OpenReview, ReplayError> {
    let closed = said.act(8, 9)?.map(|(by, at)| ReviewClosed { by, at });
    Ok(OpenReview {
        scope: said.need(1, said.word(1)?)?,
        ring: said.id(2)?.map(KeyRingId::from_bytes),
        population: said.need(3, said.fixed(3)?)?,
        items: said.need(4, said.items(4)?)?,
        opened_by: PrincipalId::from_bytes(said.need(5, said.id(5)?)?),
        opened_at: said.need(6, said.instant(6)?)?,
        due_at: said.need(7, said.instant(7)?)?,
        closed,
        reason: said.why(10)?,
    })
}

fn alert(said: &Said) -> Result<OpenAlert, ReplayError> {
    let act = |by, at| Ok::<_, ReplayError>(said.act(by, at)?.map(|(by, at)| AlertAct { by, at }));
    Ok(OpenAlert {
        rule: said.need(1, said.word(1)?)?,
        subject: said.word(2)?,
        raised_at: said.need(3, said.instant(3)?)?,
        last_at: said.need(4, said.instant(4)?)?,
        count: said.need(5, said.number(5)?)?,
        triaged: act(6, 7)?,
        closed: act(8, 9)?,
        reason: said.why(10)?,
    })
}

fn break_glass(said: &Said) -> Result<OpenBreakGlass, ReplayError> {
    let reviewed = match (said.word(11)?, said.act(12, 13)?) {
        (None, None) => None,
        (Some(verdict), Some((by, at))) => Some(BreakGlassReviewed { verdict, by, at }),
        _ => return Err(said.wrong(11)),
    };
    Ok(OpenBreakGlass {
        holder: PrincipalId::from_bytes(said.need(1, said.id(1)?)?),
        keys: said.words(2)?,
        grants: said.words(3)?,
        opened_by: PrincipalId::from_bytes(said.need(4, said.id(4)?)?),
        approval: said.id(5)?.map(ApprovalId::from_bytes),
        opened_at: said.need(6, said.instant(6)?)?,
        ends_at: said.need(7, said.instant(7)?)?,
        reason: said.why(8)?,
        closed: said.act(9, 10)?.map(|(by, at)| BreakGlassClosed { by, at }),
        reviewed,
    })
}

fn governance(said: &Said) -> Result<OpenGovernance, ReplayError> {
    Ok(OpenGovernance {
        quorum: said.need(1, said.number(1)?)?,
        approval_lifetime: said.need(2, said.span(2)?)?,
        human_grant_lifetime: said.span(3)?,
        break_glass_lifetime: said.need(4, said.span(4)?)?,
        compromise_burst: said.need(5, said.number(5)?)?,
        set_by: PrincipalId::from_bytes(said.need(6, said.id(6)?)?),
        set_at: said.need(7, said.instant(7)?)?,
    })
}

impl OpenPrincipal {
    /// Who the account of that identifier stands for, by the account that stood for them first: the same of all accounts of one person.
    #[must_use]
    pub fn person(&self, id: PrincipalId) -> PrincipalId {
        self.same_person_as.unwrap_or(id)
    }
}

impl OpenApproval {
    /// Who approved, in the order in which they did.
    pub fn approvers(&self) -> impl Iterator<Item = &Decided> {
        self.decisions.iter().filter(|decided| decided.verdict == Verdict::Approve)
    }
}

impl OpenGrant {
    /// The grants that it names as what it rests on.
    #[must_use]
    pub fn rests_on(&self) -> &[GrantId] {
        self.basis.grants()
    }
}

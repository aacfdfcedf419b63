//! What differs, as calls ask for it: what is created, by names; what is given or changed, by a call, or as an act that others approve.
//!
//! What it keeps true: the two forms of an act ask for the same.

use claviger_audit::governed::{
    ClassAsked, ContextAsked, Governed, GrantConditions, Labelling, Period as AskedPeriod,
};
use claviger_client::types::asset::CreateAsset;
use claviger_client::types::declaration::{Declare, Declared, Parameter as WireParameter};
use claviger_client::types::governance::UpdateGovernance;
use claviger_client::types::grant::{Conditions, CreateGrant, GrantOn};
use claviger_client::types::key::{CreateKey, UpdateKey};
use claviger_client::types::principal::CreatePrincipal;
use claviger_client::types::ring::{CreateRing, RingPolicyPatch, SetSeparation, UpdateRing};
use claviger_client::types::text::ContextFieldText;
use claviger_client::types::{GiveReason, Pairs};
use claviger_client::{Client, ClientError};
use claviger_core::declaration::{Declared as CoreDeclared, Parameter as CoreParameter};
use claviger_core::grant::Selector;
use claviger_core::key::{Labels, Origin, RequiredContext, Separation};
use claviger_core::{Capacity, KeyName, Name, Timestamp};

use super::compare::Edit;
use super::live::Live;
use super::said::{Governance, Grant, Key, NamedCapacity, Parameter, Period, Principal, Ring, Span};

/// With which steps what is done. Those of a later one may rest on those of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Rings, principals, data assets.
    Begin,
    /// How rings keep duties apart.
    Separate,
    /// What rings and the deployment ask for.
    Rules,
    /// Keys.
    Keys,
    /// What keys are asked, roles, capacities, grants, parameters.
    Rest,
}

impl Stage {
    pub(super) const ALL: [Self; 5] = [Self::Begin, Self::Separate, Self::Rules, Self::Keys, Self::Rest];
}

impl Edit {
    /// With which steps it is done.
    pub(super) const fn stage(&self) -> Stage {
        match self {
            Self::CreateAsset(_) | Self::CreatePrincipal(_) | Self::CreateRing(_) => Stage::Begin,
            Self::SetSeparation(..) => Stage::Separate,
            Self::SetGovernance(_) | Self::UpdateRing(..) => Stage::Rules,
            Self::CreateKey(_) => Stage::Keys,
            Self::AssignCapacity(..)
            | Self::AssignRole(..)
            | Self::CreateGrant(_)
            | Self::Declare(_)
            | Self::UpdateKey(..) => Stage::Rest,
        }
    }

    /// Creates something that nobody must approve.
    pub(super) const fn creates(&self) -> bool {
        match self {
            Self::CreateAsset(_) | Self::CreateKey(_) | Self::CreatePrincipal(_) | Self::CreateRing(_) => {
                true
            }
            Self::AssignCapacity(..)
            | Self::AssignRole(..)
            | Self::CreateGrant(_)
            | Self::Declare(_)
            | Self::SetGovernance(_)
            | Self::SetSeparation(..)
            | Self::UpdateKey(..)
            | Self::UpdateRing(..) => false,
        }
    }

    /// The act that others approve, in identifiers; nothing of what is created, and of what names something that is not there yet.
    pub(super) fn to_governed(&self, live: &Live, now: Timestamp) -> Option<Governed> {
        let principal = |name: &Name| live.principals.get(name).map(|one| one.id);
        let ring = |name: &Name| live.rings.get(name).map(|one| one.id);
        let key = |name: &KeyName| live.keys.get(name).map(|one| one.id);
        let reason = None;
        Some(match self {
            Self::AssignCapacity(to, capacity) => Governed::AssignCapacity {
                principal: principal(to)?,
                capacity: identified(capacity, live)?,
                reason,
            },
            Self::AssignRole(to, role) => {
                Governed::AssignRole { principal: principal(to)?, role: *role, reason }
            }
            Self::CreateGrant(grant) => {
                let on = match (&grant.key, &grant.ring) {
                    (Some(name), _) => Selector::Key(key(&name.0)?),
                    (None, Some(name)) => Selector::Ring(ring(&name.0)?),
                    (None, None) => return None,
                };
                let retiring = match &grant.retiring {
                    Some(name) => Some(principal(&name.0)?),
                    None => None,
                };
                Governed::CreateGrant {
                    principal: principal(&grant.principal.get_ref().0)?,
                    on,
                    operations: grant.operations.iter().map(|operation| operation.0).collect(),
                    conditions: conditions(grant),
                    reason,
                    name: grant.name.clone(),
                    retiring,
                }
            }
            Self::Declare(parameter) => {
                let declared = CoreDeclared::Parameter(CoreParameter {
                    name: parameter.name.get_ref().0.clone(),
                    value: parameter.value.0.clone(),
                    effective_from: now,
                });
                Governed::Declare { declared, text: parameter.basis.clone() }
            }
            Self::SetGovernance(rules) => Governed::SetGovernance {
                quorum: rules.quorum,
                approval_lifetime: rules.approval_lifetime.map(|span| span.0),
                human_grant_lifetime: rules.human_grant_lifetime.map(asked_period),
                break_glass_lifetime: rules.break_glass_lifetime.map(|span| span.0),
                compromise_burst: rules.compromise_burst,
                reason,
                if_revision: None,
            },
            Self::SetSeparation(name, separation) => {
                Governed::SetRingSeparation { ring: ring(name)?, separation: *separation, reason }
            }
            Self::UpdateKey(said, fields) => {
                let is = |field: &str| fields.contains(field);
                let owner = match said.owner.as_ref().filter(|_| is("owner")) {
                    Some(name) => Some(principal(&name.0)?),
                    None => None,
                };
                Governed::UpdateKey {
                    key: key(&said.name.get_ref().0)?,
                    data_class: said.data_class.filter(|_| is("data_class")).map(|class| class.0),
                    description: said.description.clone().filter(|_| is("description")),
                    owner,
                    labels: match said.labels.as_ref().filter(|_| is("labels")) {
                        Some(labels) => Some(Labelling::All(Labels::new(labels.clone().into_vec()).ok()?)),
                        None => None,
                    },
                    rotation_period: said
                        .rotation_period
                        .filter(|_| is("rotation_period"))
                        .map(|own| asked_period(Period(own.0))),
                    if_revision: None,
                    context_required: asked_context(
                        said.context_required.as_ref().filter(|_| is("context_required")),
                    )?,
                    environment: said
                        .environment
                        .as_ref()
                        .filter(|_| is("environment"))
                        .map(|name| name.0.clone()),
                }
            }
            Self::UpdateRing(said, fields) => {
                let is = |field: &str| fields.contains(field);
                Governed::UpdateRing {
                    ring: ring(&said.name.get_ref().0)?,
                    protection: said.protection.filter(|_| is("protection")).map(|word| word.0),
                    rotation_period: said.rotation_period.filter(|_| is("rotation_period")).map(asked_period),
                    protect_period: None,
                    process_period: None,
                    destroy_waiting_period: said
                        .destroy_waiting_period
                        .filter(|_| is("destroy_waiting_period"))
                        .map(|span| span.0),
                    quorum: said.quorum.filter(|_| is("quorum")),
                    if_revision: None,
                    reason,
                    rotates: said.rotates.filter(|_| is("rotates")).map(|word| word.0),
                    context_required: asked_context(
                        said.context_required.as_ref().filter(|_| is("context_required")),
                    )?,
                    data_class: said.data_class.filter(|_| is("data_class")).map(|class| ClassAsked(class.0)),
                    plaintext_data_keys: said
                        .plaintext_data_keys
                        .filter(|_| is("plaintext_data_keys"))
                        .map(|word| word.0),
                    environment: said
                        .environment
                        .as_ref()
                        .filter(|_| is("environment"))
                        .map(|name| name.0.clone()),
                    assets: said.assets.filter(|_| is("assets")).map(|word| word.0),
                    grants_under_quorum: said.grants_under_quorum.filter(|_| is("grants_under_quorum")),
                }
            }
            Self::CreateAsset(_) | Self::CreateKey(_) | Self::CreatePrincipal(_) | Self::CreateRing(_) => {
                return None;
            }
        })
    }

    /// Does it by a call of its own.
    ///
    /// # Errors
    /// Those of the call.
    pub(super) async fn perform(
        &self,
        client: &Client,
        live: &Live,
        why: &GiveReason,
        now: Timestamp,
    ) -> Result<(), ClientError> {
        let GiveReason { reason, reason_code } = why.clone();
        match self {
            Self::AssignCapacity(to, capacity) => {
                let Some(capacity) = identified(capacity, live) else { return Ok(()) };
                client.assign_capacity(to.as_str(), capacity, why).await.map(drop)
            }
            Self::AssignRole(to, role) => client.assign_role(to.as_str(), *role, why).await.map(drop),
            Self::CreateAsset(asset) => {
                let owner = asset.owner.as_ref().map(ToString::to_string);
                let create = CreateAsset { name: asset.name.get_ref().clone(), owner, class: asset.class };
                client.create_asset(&create).await.map(drop)
            }
            Self::CreateGrant(grant) => {
                let Some(on) = covered(grant) else { return Ok(()) };
                let create = CreateGrant {
                    principal: grant.principal.get_ref().to_string(),
                    on,
                    operations: grant.operations.clone(),
                    conditions: Conditions {
                        context_equals: grant.context_equals.clone().unwrap_or_default(),
                        context_exactly: grant.context_exactly.clone(),
                        source_networks: grant.source_networks.clone().unwrap_or_default(),
                        until: grant.until,
                    },
                    reason,
                    reason_code,
                    name: grant.name.clone(),
                    retiring: grant.retiring.as_ref().map(ToString::to_string),
                };
                client.create_grant(&create).await.map(drop)
            }
            Self::CreateKey(key) => client.create_key(&new_key(key)).await.map(drop),
            Self::CreatePrincipal(one) => client.create_principal(&new_principal(one)).await.map(drop),
            Self::CreateRing(ring) => {
                let (name, policy) = (ring.name.get_ref().clone(), new_policy(ring));
                client.create_ring(&CreateRing { name, policy, reason, reason_code }).await.map(drop)
            }
            Self::Declare(parameter) => client.declare(&declare(parameter, now)).await.map(drop),
            Self::SetGovernance(rules) => {
                let update = UpdateGovernance { reason, reason_code, ..governance(rules) };
                client.update_governance(&update, None).await.map(drop)
            }
            Self::SetSeparation(name, separation) => {
                let set = SetSeparation { separation: (*separation).into(), reason, reason_code };
                client.set_ring_separation(name.as_str(), &set).await.map(drop)
            }
            Self::UpdateKey(said, fields) => {
                let is = |field: &str| fields.contains(field);
                let update = UpdateKey {
                    data_class: said.data_class.filter(|_| is("data_class")),
                    description: said.description.clone().filter(|_| is("description")),
                    owner: said.owner.as_ref().filter(|_| is("owner")).map(ToString::to_string),
                    labels: said.labels.clone().filter(|_| is("labels")),
                    rotation_period_seconds: said
                        .rotation_period
                        .filter(|_| is("rotation_period"))
                        .map(|own| seconds(Period(own.0))),
                    context_required: said.context_required.clone().filter(|_| is("context_required")),
                    environment: said.environment.clone().filter(|_| is("environment")),
                };
                client.update_key(&said.name.get_ref().to_string(), &update, None).await.map(drop)
            }
            Self::UpdateRing(said, fields) => {
                let policy = patch(said, |field| fields.contains(field));
                let update = UpdateRing { policy, reason, reason_code };
                client.update_ring(said.name.get_ref().0.as_str(), &update, None).await.map(drop)
            }
        }
    }
}

/// The capacity, in identifiers; nothing where what it is of is not there yet.
fn identified(capacity: &NamedCapacity, live: &Live) -> Option<Capacity> {
    match capacity {
        NamedCapacity::AssetOwner(name) => live.assets.get(name).map(|asset| Capacity::AssetOwner(asset.id)),
        NamedCapacity::KeyOwner(name) => live.keys.get(name).map(|key| Capacity::KeyOwner(key.id)),
        NamedCapacity::Word(word) => word.parse().ok(),
    }
}

fn conditions(grant: &Grant) -> GrantConditions {
    let pairs = |pairs: &Pairs| pairs.clone().into_vec().into_iter().collect();
    GrantConditions {
        context_equals: grant
            .context_equals
            .as_ref()
            .map(pairs)
            .unwrap_or_else(|| std::iter::empty().collect()),
        context_exactly: grant.context_exactly.as_ref().map(pairs),
        source_networks: grant.source_networks.iter().flatten().map(|network| network.0).collect(),
        until: grant.until.map(|until| until.0),
    }
}

fn covered(grant: &Grant) -> Option<GrantOn> {
    let key = grant.key.as_ref().map(|key| GrantOn::Key(key.to_string()));
    key.or_else(|| grant.ring.as_ref().map(|ring| GrantOn::Ring(ring.to_string())))
}

fn asked_period(period: Period) -> AskedPeriod {
    AskedPeriod(period.0.map(|span| span.0))
}

/// The fields, where there are any to ask for; nothing at all of more than there can be.
fn asked_context(fields: Option<&Vec<ContextFieldText>>) -> Option<Option<ContextAsked>> {
    match fields {
        None => Some(None),
        Some(fields) => {
            let fields = RequiredContext::new(fields.iter().map(|field| field.0.clone()));
            fields.ok().map(|fields| Some(ContextAsked(fields)))
        }
    }
}

fn seconds(Period(span): Period) -> Option<u64> {
    span.map(|Span(span)| span.as_secs())
}

fn governance(rules: &Governance) -> UpdateGovernance {
    UpdateGovernance {
        quorum: rules.quorum,
        approval_lifetime_seconds: rules.approval_lifetime.map(|span| span.0.as_secs()),
        human_grant_lifetime_seconds: rules.human_grant_lifetime.map(seconds),
        break_glass_lifetime_seconds: rules.break_glass_lifetime.map(|span| span.0.as_secs()),
        compromise_burst: rules.compromise_burst,
        reason: None,
        reason_code: None,
    }
}

fn declare(parameter: &Parameter, now: Timestamp) -> Declare {
    let declared = Declared::Parameter(WireParameter {
        name: parameter.name.get_ref().clone(),
        value: parameter.value.clone(),
        effective_from: now.into(),
    });
    Declare { declared, text: parameter.basis.clone() }
}

fn new_principal(one: &Principal) -> CreatePrincipal {
    CreatePrincipal {
        name: one.name.get_ref().clone(),
        kind: one.kind,
        home: one.home.as_ref().map(ToString::to_string),
        environment: one.environment.clone(),
        same_person_as: one.same_person_as.as_ref().map(ToString::to_string),
    }
}

fn new_key(key: &Key) -> CreateKey {
    let name = key.name.get_ref();
    CreateKey {
        ring: name.ring.to_string(),
        name: name.key.clone().into(),
        purpose: key.purpose,
        spec: key.spec,
        protection: key.protection,
        data_class: key.data_class,
        description: key.description.clone().unwrap_or_default(),
        owner: key.owner.as_ref().map(ToString::to_string),
        labels: key.labels.clone().unwrap_or_default(),
        rotation_period_seconds: key.rotation_period.and_then(|own| own.0).map(|span| span.0.as_secs()),
        origin: key.origin,
        context_required: key.context_required.clone().unwrap_or_default(),
        environment: key.environment.clone(),
        activate: key.origin.is_none_or(|origin| origin.0 == Origin::Generated),
    }
}

/// With what a ring begins. Every ring begins strict: what only a relaxed one can have comes once it is relaxed.
fn new_policy(ring: &Ring) -> RingPolicyPatch {
    let relaxes = ring.separation.is_some_and(|said| said.0 == Separation::Relaxed);
    patch(ring, |field| !(relaxes && ["grants_under_quorum", "quorum"].contains(&field)))
}

/// What is asked of a ring, as far as it is asked for.
fn patch(said: &Ring, is: impl Fn(&str) -> bool) -> RingPolicyPatch {
    RingPolicyPatch {
        protection: said.protection.filter(|_| is("protection")),
        rotation_period_seconds: said.rotation_period.filter(|_| is("rotation_period")).map(seconds),
        rotates: said.rotates.filter(|_| is("rotates")),
        protect_period_seconds: None,
        process_period_seconds: None,
        destroy_waiting_period_seconds: said
            .destroy_waiting_period
            .filter(|_| is("destroy_waiting_period"))
            .map(|span| span.0.as_secs()),
        quorum: said.quorum.filter(|_| is("quorum")),
        context_required: said.context_required.clone().filter(|_| is("context_required")),
        data_class: said.data_class.filter(|_| is("data_class")).map(|class| class.0.map(Into::into)),
        plaintext_data_keys: said.plaintext_data_keys.filter(|_| is("plaintext_data_keys")),
        environment: said.environment.clone().filter(|_| is("environment")),
        assets: said.assets.filter(|_| is("assets")),
        grants_under_quorum: said.grants_under_quorum.filter(|_| is("grants_under_quorum")),
    }
}

/// What two acts have in common that ask for the same, whenever they were written: a parameter that holds from when it is declared is the
/// same a day later.
pub(super) fn same(act: &Governed) -> Governed {
    match act.clone() {
        Governed::Declare { declared: CoreDeclared::Parameter(parameter), text } => {
            let parameter = CoreParameter { effective_from: Timestamp::default(), ..parameter };
            Governed::Declare { declared: CoreDeclared::Parameter(parameter), text }
        }
        act => act,
    }
}

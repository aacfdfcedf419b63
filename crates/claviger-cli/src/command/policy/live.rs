//! A deployment as it is, by names: read over the REST client page by page, and said as files would say it.
//!
//! What it keeps true: what nobody can use any more (revoked principals, destroyed keys, grants that ended) is not said; and what came by
//! another way than by hand (key policies, rights that applications pass on, emergency access) is nothing that files have.

use std::collections::BTreeMap;

use claviger_client::Client;
use claviger_client::types::asset::{Asset as WireAsset, ListAssets};
use claviger_client::types::declaration::{Declaration, Declared, ListDeclarations};
use claviger_client::types::governance::Governance as WireGovernance;
use claviger_client::types::grant::{Grant as WireGrant, ListGrants};
use claviger_client::types::key::{Key as WireKey, ListKeys};
use claviger_client::types::principal::{ListPrincipals, Principal as WirePrincipal};
use claviger_client::types::ring::{ListRings, Ring as WireRing};
use claviger_client::types::text::Covered;
use claviger_core::declaration::{DeclarationKind, Plain};
use claviger_core::grant::GrantOrigin;
use claviger_core::principal::{PrincipalKind, Status};
use claviger_core::{AssetId, Capacity, KeyId, KeyName, KeyRingId, Name, PrincipalId};

use super::said::{
    Asset, Class, Governance, Grant, Key, NamedCapacity, OwnPeriod, Parameter, Period, Policy, Principal,
    Ring, Span, unwritten,
};
use crate::command::paging::Paging;
use crate::failure::Failure;

/// A deployment, as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Live {
    pub(super) governance: Governance,
    pub(super) rings: BTreeMap<Name, LiveRing>,
    pub(super) principals: BTreeMap<Name, LivePrincipal>,
    pub(super) assets: BTreeMap<Name, LiveAsset>,
    pub(super) keys: BTreeMap<KeyName, LiveKey>,
    /// Those that are honoured, and that files can have.
    pub(super) grants: Vec<Grant>,
    /// The newest value of each that was declared.
    pub(super) parameters: BTreeMap<Plain, Parameter>,
    /// How many grants are honoured that came by another way than by hand.
    pub(super) other_grants: usize,
}

/// A ring that is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LiveRing {
    pub(super) id: KeyRingId,
    pub(super) said: Ring,
}

/// A principal that is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LivePrincipal {
    pub(super) id: PrincipalId,
    pub(super) is_revoked: bool,
    pub(super) said: Principal,
}

/// A data asset that is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LiveAsset {
    pub(super) id: AssetId,
    pub(super) said: Asset,
}

/// A key that is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LiveKey {
    pub(super) id: KeyId,
    pub(super) end: KeyEnd,
    pub(super) said: Key,
}

/// How near its end a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyEnd {
    /// Its material is gone.
    Destroyed,
    /// Nothing is known of one.
    None,
    /// It waits for its destruction.
    Waits,
}

/// What calls answer about all of a deployment.
#[derive(Debug)]
struct Lists {
    governance: WireGovernance,
    rings: Vec<WireRing>,
    principals: Vec<WirePrincipal>,
    assets: Vec<WireAsset>,
    keys: Vec<WireKey>,
    grants: Vec<WireGrant>,
    parameters: Vec<Declaration>,
}

impl Live {
    /// Reads all of it.
    ///
    /// # Errors
    /// Those of the calls: what the caller may not read is held against no files.
    pub(super) async fn read(client: &Client) -> Result<Self, Failure> {
        let all = Paging::all();
        let rings = async |cursor, limit| Ok(client.list_rings(&ListRings { cursor, limit }).await?.value);
        let principals =
            async |cursor, limit| Ok(client.list_principals(&ListPrincipals { cursor, limit }).await?.value);
        let assets = async |cursor, limit| Ok(client.list_assets(&ListAssets { cursor, limit }).await?.value);
        let keys = async |cursor, limit| {
            let query = ListKeys { cursor, limit, ..ListKeys::default() };
            Ok(client.list_keys(&query).await?.value)
        };
        let grants = async |cursor, limit| {
            let query = ListGrants { cursor, limit, ..ListGrants::default() };
            Ok(client.list_grants(&query).await?.value)
        };
        let parameters = async |cursor, limit| {
            let kind = Some(DeclarationKind::Parameter.into());
            let query = ListDeclarations { kind, cursor, limit, ..ListDeclarations::default() };
            Ok(client.list_declarations(&query).await?.value)
        };
        Ok(Self::of(Lists {
            governance: client.read_governance().await?.value,
            rings: all.collect(rings).await?.items,
            principals: all.collect(principals).await?.items,
            assets: all.collect(assets).await?.items,
            keys: all.collect(keys).await?.items,
            grants: all.collect(grants).await?.items,
            parameters: all.collect(parameters).await?.items,
        }))
    }

    fn of(lists: Lists) -> Self {
        let Lists { governance, rings, principals, assets, keys, grants, parameters } = lists;
        let names = Names {
            rings: rings.iter().map(|ring| (ring.id.0, ring.name.0.clone())).collect(),
            principals: principals.iter().map(|one| (one.id.0, one.name.0.clone())).collect(),
            assets: assets.iter().map(|asset| (asset.id.0, asset.name.0.clone())).collect(),
            keys: keys.iter().map(|key| (key.id.0, key.name.0.clone())).collect(),
        };
        let mut live = Self { governance: governed(&governance), ..Self::default() };
        for ring in rings {
            let (id, said) = (ring.id.0, ring_of(&ring));
            live.rings.insert(ring.name.0, LiveRing { id, said });
        }
        for one in principals.into_iter().filter(|one| *one.kind != PrincipalKind::System) {
            let (id, is_revoked, said) = (one.id.0, *one.standing == Status::Revoked, names.principal(&one));
            live.principals.insert(one.name.0, LivePrincipal { id, is_revoked, said });
        }
        for asset in assets {
            let owner = names.principals.get(&asset.owner.0).cloned().map(Into::into);
            let said = Asset { name: unwritten(asset.name.clone()), class: asset.class, owner };
            live.assets.insert(asset.name.0, LiveAsset { id: asset.id.0, said });
        }
        for key in keys {
            let end = match key.destroy_at {
                _ if key.state.is_destroyed() => KeyEnd::Destroyed,
                Some(_) => KeyEnd::Waits,
                None => KeyEnd::None,
            };
            let (id, said) = (key.id.0, names.key(&key));
            live.keys.insert(key.name.0, LiveKey { id, end, said });
        }
        for grant in
            grants.into_iter().filter(|grant| *grant.standing == Status::Active && grant.ended.is_none())
        {
            match names.grant(&grant) {
                Some(said) if *grant.origin == GrantOrigin::Direct && grant.rests_on.is_empty() => {
                    live.grants.push(said);
                }
                _ => live.other_grants += 1,
            }
        }
        live.parameters = newest(&parameters);
        live
    }

    /// Has that ring keys that are not destroyed?
    pub(super) fn has_keys(&self, ring: &Name) -> bool {
        self.keys.iter().any(|(name, key)| name.ring == *ring && key.end != KeyEnd::Destroyed)
    }

    /// What files would say of it, all of it.
    pub(super) fn policy(&self) -> Policy {
        let keys = self.keys.values().filter(|key| key.end != KeyEnd::Destroyed);
        let principals = self.principals.values().filter(|one| !one.is_revoked);
        let mut grants: Vec<_> = self.grants.iter().map(|grant| (grant.identity(), grant)).collect();
        grants.sort_by(|(one, _), (other, _)| one.cmp(other));
        // Two that are alike are said once.
        grants.dedup_by(|(one, _), (other, _)| one == other);
        Policy {
            governance: Some(unwritten(self.governance.clone())),
            ring: self.rings.values().map(|ring| ring.said.clone()).collect(),
            principal: principals.map(|one| one.said.clone()).collect(),
            asset: self.assets.values().map(|asset| asset.said.clone()).collect(),
            key: keys.map(|key| key.said.clone()).collect(),
            grant: grants.into_iter().map(|(_, grant)| grant.clone()).collect(),
            parameter: self.parameters.values().cloned().collect(),
        }
    }
}

/// What things are called.
#[derive(Debug, Default)]
struct Names {
    rings: BTreeMap<KeyRingId, Name>,
    principals: BTreeMap<PrincipalId, Name>,
    assets: BTreeMap<AssetId, Name>,
    keys: BTreeMap<KeyId, KeyName>,
}

impl Names {
    fn principal(&self, one: &WirePrincipal) -> Principal {
        let capacities = one.capacities.iter().filter_map(|held| self.capacity(held.capacity.0));
        Principal {
            name: unwritten(one.name.clone()),
            kind: one.kind,
            home: one.home.and_then(|id| self.rings.get(&id.0)).cloned().map(Into::into),
            environment: one.environment.clone(),
            same_person_as: one
                .same_person_as
                .and_then(|id| self.principals.get(&id.0))
                .cloned()
                .map(Into::into),
            roles: Some(one.roles.clone()),
            capacities: Some(capacities.collect()),
        }
    }

    /// By name; nothing of what has none any more.
    fn capacity(&self, capacity: Capacity) -> Option<NamedCapacity> {
        Some(match capacity {
            Capacity::AssetOwner(id) => NamedCapacity::AssetOwner(self.assets.get(&id)?.clone()),
            Capacity::KeyOwner(id) => NamedCapacity::KeyOwner(self.keys.get(&id)?.clone()),
            Capacity::Ciso
            | Capacity::Dpo
            | Capacity::Executive
            | Capacity::PrivacyOfficer
            | Capacity::RiskOwner => NamedCapacity::Word(capacity.word()),
        })
    }

    fn key(&self, key: &WireKey) -> Key {
        Key {
            name: unwritten(key.name.clone()),
            purpose: key.purpose,
            spec: key.spec,
            protection: Some(key.protection),
            origin: None,
            data_class: Some(key.data_class),
            description: Some(key.description.clone()),
            owner: self.principals.get(&key.owner.0).cloned().map(Into::into),
            rotation_period: Some(OwnPeriod(key.rotation_period_seconds.map(Span::of_seconds))),
            context_required: Some(key.context_required.clone()),
            environment: key.environment.clone(),
            labels: Some(key.labels.clone()),
        }
    }

    /// The grant; nothing where it names what is not shown.
    fn grant(&self, grant: &WireGrant) -> Option<Grant> {
        let (key, ring) = match grant.on {
            Covered::Key(id) => (Some(self.keys.get(&id.0)?.clone().into()), None),
            Covered::Ring(id) => (None, Some(self.rings.get(&id.0)?.clone().into())),
        };
        let retiring = match grant.retiring {
            Some(id) => Some(self.principals.get(&id.0)?.clone().into()),
            None => None,
        };
        let conditions = &grant.conditions;
        Some(Grant {
            principal: unwritten(self.principals.get(&grant.principal.0)?.clone().into()),
            key,
            ring,
            operations: grant.operations.clone(),
            source_networks: Some(conditions.source_networks.clone()).filter(|networks| !networks.is_empty()),
            until: conditions.until,
            name: grant.name.clone(),
            retiring,
            context_equals: Some(conditions.context_equals.clone()).filter(|pairs| !pairs.is_empty()),
            context_exactly: conditions.context_exactly.clone(),
        })
    }
}

fn governed(rules: &WireGovernance) -> Governance {
    Governance {
        quorum: Some(rules.quorum),
        approval_lifetime: Some(Span::of_seconds(rules.approval_lifetime_seconds)),
        human_grant_lifetime: Some(Period(rules.human_grant_lifetime_seconds.map(Span::of_seconds))),
        break_glass_lifetime: Some(Span::of_seconds(rules.break_glass_lifetime_seconds)),
        compromise_burst: Some(rules.compromise_burst),
    }
}

fn ring_of(ring: &WireRing) -> Ring {
    let policy = &ring.policy;
    Ring {
        protection: Some(policy.protection),
        rotation_period: Some(Period(policy.rotation_period_seconds.map(Span::of_seconds))),
        rotates: Some(policy.rotates),
        destroy_waiting_period: Some(Span::of_seconds(policy.destroy_waiting_period_seconds)),
        quorum: Some(policy.quorum),
        separation: Some(policy.separation),
        context_required: Some(policy.context_required.clone()),
        data_class: Some(Class(policy.data_class.map(|class| class.0))),
        plaintext_data_keys: Some(policy.plaintext_data_keys),
        environment: policy.environment.clone(),
        assets: Some(policy.assets),
        grants_under_quorum: Some(policy.grants_under_quorum),
        ..Ring::named(ring.name.0.clone())
    }
}

/// Of each parameter the value that began last, or begins last, and was not withdrawn.
fn newest(declarations: &[Declaration]) -> BTreeMap<Plain, Parameter> {
    let mut newest = BTreeMap::new();
    for one in declarations.iter().filter(|one| one.withdrawn_at.is_none()) {
        let Declared::Parameter(parameter) = &one.declared else { continue };
        let begins = (parameter.effective_from.max(one.declared_at), one.declared_at, one.id.0);
        let name = parameter.name.0.clone();
        if newest.get(&name).is_some_and(|(known, _)| *known >= begins) {
            continue;
        }
        let (value, basis) = (parameter.value.clone(), one.text.clone());
        newest.insert(name, (begins, Parameter { name: unwritten(parameter.name.clone()), value, basis }));
    }
    newest.into_iter().map(|(name, (_, parameter))| (name, parameter)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: &str = "2026-01-01T00:00:00Z";

    fn id(number: u8) -> String {
        KeyId::from_bytes([number; 16]).to_string()
    }

    fn grant(number: u8, edit: serde_json::Value) -> WireGrant {
        let mut grant = json!({
            "id": id(number), "principal": id(3), "on": {"key": id(2)}, "operations": ["encrypt"],
            "conditions": {"context_equals": {"tenant": "7"}}, "created_by": id(4), "created_at": AT, "origin": "direct",
            "standing": "active", "revision": 1,
        });
        let (Some(grant_fields), Some(edits)) = (grant.as_object_mut(), edit.as_object()) else {
            panic!("objects")
        };
        grant_fields.extend(edits.clone());
        serde_json::from_value(grant).unwrap()
    }

    fn parameter(number: u8, value: &str, from: &str, withdrawn: bool) -> Declaration {
        let mut declared = json!({
            "id": id(number), "kind": "parameter", "subject": "access_review_days",
            "declared": {"parameter": {"name": "access_review_days", "value": value, "effective_from": from}},
            "text": "as asked", "declared_by": id(4), "declared_at": AT, "revision": 1,
        });
        if withdrawn {
            declared["withdrawn_at"] = AT.into();
        }
        serde_json::from_value(declared).unwrap()
    }

    fn lists() -> Lists {
        let ring = json!({
            "id": id(1), "name": "orders", "created_at": AT, "revision": 1,
            "policy": {
                "protection": "software", "rotation_period_seconds": 7_776_000, "rotates": "symmetric",
                "protect_period_seconds": null, "process_period_seconds": null,
                "destroy_waiting_period_seconds": 2_592_000, "quorum": 2, "separation": "strict",
                "context_required": ["tenant"], "data_class": null, "plaintext_data_keys": "allowed", "environment": null,
                "assets": "optional", "grants_under_quorum": false,
            },
        });
        let key = |number, name: &str, state: &str, destroy_at: serde_json::Value| {
            serde_json::from_value(json!({
                "id": id(number), "name": name, "ring": id(1), "purpose": "encrypt", "spec": "aes-256-gcm",
                "protection": "software", "data_class": "confidential", "description": "", "owner": id(4), "labels": {},
                "rotation_period_seconds": null, "state": state, "primary": 1, "destroy_at": destroy_at, "created_at": AT,
                "revision": 1,
            }))
            .unwrap()
        };
        let principal = |number, name: &str, edit: serde_json::Value| -> WirePrincipal {
            let mut one = json!({
                "id": id(number), "name": name, "kind": "human", "standing": "active", "roles": [], "created_at": AT,
                "revision": 1,
            });
            let (Some(fields), Some(edits)) = (one.as_object_mut(), edit.as_object()) else {
                panic!("objects")
            };
            fields.extend(edits.clone());
            serde_json::from_value(one).unwrap()
        };
        let owner = json!({"capacity": format!("key_owner:{}", id(2)), "given_by": id(3)});
        let gone = json!({"capacity": format!("asset_owner:{}", id(99)), "given_by": id(3)});
        Lists {
            governance: serde_json::from_value(json!({
                "quorum": 2, "approval_lifetime_seconds": 604_800, "human_grant_lifetime_seconds": null,
                "break_glass_lifetime_seconds": 14_400, "compromise_burst": 10, "revision": 1,
            }))
            .unwrap(),
            rings: vec![serde_json::from_value(ring).unwrap()],
            principals: vec![
                principal(3, "shop", json!({"kind": "workload", "home": id(1)})),
                principal(4, "ada", json!({"roles": ["administrator"], "capacities": [owner, gone]})),
                principal(5, "bob", json!({"standing": "revoked"})),
                principal(6, "claviger", json!({"kind": "system"})),
            ],
            assets: Vec::new(),
            keys: vec![
                key(2, "orders/pan", "active", json!(null)),
                key(7, "orders/going", "suspended", json!(AT)),
                key(8, "orders/gone", "destroyed", json!(null)),
            ],
            grants: vec![
                grant(10, json!({})),
                grant(11, json!({"origin": "key_policy"})),
                grant(12, json!({"rests_on": [id(10)]})),
                grant(13, json!({"standing": "revoked"})),
                grant(14, json!({"ended": {"how": "expired"}})),
                grant(15, json!({"on": {"ring": id(98)}})),
            ],
            parameters: vec![
                parameter(20, "90", AT, false),
                parameter(21, "60", "2026-02-01T00:00:00Z", false),
                parameter(22, "30", "2026-03-01T00:00:00Z", true),
            ],
        }
    }

    #[test]
    fn what_files_can_have_is_said_by_name_and_nothing_else() {
        let live = Live::of(lists());
        assert_eq!(live.principals.len(), 3, "the system is none");
        let ada = &live.principals.get(&"ada".parse::<Name>().unwrap()).unwrap().said;
        let said: Vec<_> =
            ada.held().into_iter().filter_map(|(_, value)| value).map(|value| value.to_string()).collect();
        assert_eq!(said, ["administrator", "key_owner:orders/pan"]);
        assert_eq!((live.grants.len(), live.other_grants), (1, 3));
        assert_eq!(live.grants[0].called(), "shop on key orders/pan: encrypt");
        let parameter = live.parameters.get(&"access_review_days".parse::<Plain>().unwrap()).unwrap();
        assert_eq!(parameter.value.to_string(), "60", "what begins last, withdrawn ones apart");
        assert!(live.has_keys(&"orders".parse().unwrap()) && !live.has_keys(&"cards".parse().unwrap()));
        let policy = live.policy();
        let keys: Vec<_> = policy.key.iter().map(|key| key.name.get_ref().to_string()).collect();
        assert_eq!(keys, ["orders/going", "orders/pan"]);
        let people: Vec<_> = policy.principal.iter().map(|one| one.name.get_ref().to_string()).collect();
        assert_eq!(people, ["ada", "shop"]);
    }
}

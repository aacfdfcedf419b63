//! The words of the schema, parsed once, and the entities made of them.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema};
use claviger_core::key::{KeyRing, Separation};
use claviger_core::principal::{Principal, PrincipalKind, Role, Status};
use claviger_core::target::TargetKind;
use claviger_core::{Action, Target};

use super::{PolicyError, schema};
use crate::separation;

pub(super) struct Vocabulary {
    pub(super) schema: Schema,
    /// The actions with their groups: part of every slice.
    actions: Entities,
    action_uids: HashMap<Action, EntityUid>,
    role: EntityTypeName,
    callers: HashMap<PrincipalKind, EntityTypeName>,
    targets: HashMap<TargetKind, EntityTypeName>,
}

/// An entity's own name and its parents'. The hierarchy is one step deep, so these are all of its ancestors.
pub(super) struct Node {
    pub(super) uid: EntityUid,
    pub(super) parents: HashSet<EntityUid>,
}

impl Vocabulary {
    pub(super) fn load() -> Result<Self, PolicyError> {
        let (schema, _warnings) = Schema::from_cedarschema_str(&schema::text())
            .map_err(|error| PolicyError::new("the schema", error))?;
        let actions = schema.action_entities().map_err(|error| PolicyError::new("the actions", error))?;
        let action = type_name("Action")?;
        let action_uids = Action::ALL.map(|one| (one, uid(&action, one.name()))).into();
        let mut callers = HashMap::new();
        for kind in PrincipalKind::ALL {
            callers.insert(kind, type_name(schema::principal_type(kind))?);
        }
        let mut targets = HashMap::new();
        for kind in TargetKind::ALL {
            targets.insert(kind, type_name(schema::target_type(kind))?);
        }
        Ok(Self { schema, actions, action_uids, role: type_name("Role")?, callers, targets })
    }

    pub(super) fn action(&self, action: Action) -> Result<&EntityUid, PolicyError> {
        self.action_uids.get(&action).ok_or(PolicyError::missing("an action"))
    }

    pub(super) fn is_role(&self, type_name: &EntityTypeName) -> bool {
        *type_name == self.role
    }

    pub(super) fn caller(&self, principal: &Principal) -> Result<Node, PolicyError> {
        let of = self.caller_type(principal.kind)?;
        // Roles are for people: what a row says of another kind's roles gives it nothing.
        let roles: &[Role] = if principal.kind == PrincipalKind::Human { &principal.roles } else { &[] };
        let parents = roles.iter().map(|role| uid(&self.role, role.name())).collect();
        Ok(Node { uid: uid(of, &principal.id.to_string()), parents })
    }

    pub(super) fn target(&self, target: &Target) -> Result<Node, PolicyError> {
        let of = self.target_type(target.kind())?;
        let mut parents = HashSet::new();
        let id = match target {
            Target::Grant(id) => id.to_string(),
            Target::Key(record) => {
                parents.insert(uid(self.target_type(TargetKind::Ring)?, &record.ring.id.to_string()));
                record.key.id.to_string()
            }
            Target::NewPrincipal(_) => "new".to_owned(),
            Target::Principal(id, _) => id.to_string(),
            Target::Ring(ring) => ring.id.to_string(),
            Target::System => "this".to_owned(),
        };
        Ok(Node { uid: uid(of, &id), parents })
    }

    /// The two entities of a call with all actions: all that policies on this pair can look at.
    pub(super) fn entities(
        &self,
        caller: &Node,
        principal: &Principal,
        what: &Node,
        target: &Target,
    ) -> Result<Entities, PolicyError> {
        let mut said = HashMap::from([("active".to_owned(), truth(principal.status == Status::Active))]);
        if principal.kind == PrincipalKind::Human {
            said.insert("has_capacity".to_owned(), truth(!principal.capacities.is_empty()));
            said.insert("has_role".to_owned(), truth(!principal.roles.is_empty()));
            said.insert("roles_compatible".to_owned(), truth(separation::compatible(&principal.roles)));
        }
        let mut entities = vec![entity(caller, said)?];
        match target {
            Target::Key(record) => {
                entities.push(entity(what, relaxed(&record.ring))?);
                for ring in &what.parents {
                    let ring = Node { uid: ring.clone(), parents: HashSet::new() };
                    entities.push(entity(&ring, relaxed(&record.ring))?);
                }
            }
            Target::Ring(ring) => entities.push(entity(what, relaxed(ring))?),
            Target::NewPrincipal(kind) => entities.push(entity(what, application(*kind))?),
            Target::Principal(id, kind) => {
                let mut said = application(*kind);
                if *kind == PrincipalKind::Human {
                    let person = uid(self.caller_type(*kind)?, &id.to_string());
                    said.insert("person".to_owned(), RestrictedExpression::new_entity_uid(person));
                }
                entities.push(entity(what, said)?);
            }
            Target::Grant(_) | Target::System => entities.push(entity(what, HashMap::new())?),
        }
        self.actions
            .clone()
            .add_entities(entities, None)
            .map_err(|error| PolicyError::new("the entities of a call", error))
    }

    fn caller_type(&self, kind: PrincipalKind) -> Result<&EntityTypeName, PolicyError> {
        self.callers.get(&kind).ok_or(PolicyError::missing("a kind of caller"))
    }

    fn target_type(&self, kind: TargetKind) -> Result<&EntityTypeName, PolicyError> {
        self.targets.get(&kind).ok_or(PolicyError::missing("a kind of target"))
    }
}

fn relaxed(ring: &KeyRing) -> HashMap<String, RestrictedExpression> {
    HashMap::from([("relaxed".to_owned(), truth(ring.policy.separation == Separation::Relaxed))])
}

fn application(kind: PrincipalKind) -> HashMap<String, RestrictedExpression> {
    HashMap::from([("application".to_owned(), truth(kind == PrincipalKind::Workload))])
}

fn truth(value: bool) -> RestrictedExpression {
    RestrictedExpression::new_bool(value)
}

fn entity(node: &Node, said: HashMap<String, RestrictedExpression>) -> Result<Entity, PolicyError> {
    Entity::new(node.uid.clone(), said, node.parents.clone())
        .map_err(|error| PolicyError::new("an entity", error))
}

fn type_name(name: &str) -> Result<EntityTypeName, PolicyError> {
    EntityTypeName::from_str(name).map_err(|error| PolicyError::new("the name of an entity type", error))
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

//! Slices against the whole: the few policies that a decision asks, and all policies there are, say the same.
//!
//! The other side is built here from the published texts alone: the schema, the rules, the text of each grant.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::str::FromStr;

use cedar_policy::{
    Authorizer as Engine, Context, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet, Request,
    RestrictedExpression, Schema,
};
use claviger_access::authz::{RULES, schema};
use claviger_access::{Decision, RequestContext};
use claviger_core::capacity::{Capacity, HeldCapacity};
use claviger_core::grant::{Conditions, Grant, Selector};
use claviger_core::key::Separation;
use claviger_core::permit::Rule;
use claviger_core::principal::{Principal, PrincipalKind, Role, Status};
use claviger_core::target::TargetKind;
use claviger_core::{Action, GrantId, PrincipalId, Target, Timestamp};

use crate::world::{
    NOW, application, authorizer, caller, grant, key, on_key, on_ring, pairs, person, principal, ring, with,
};

/// Marsaglia's xorshift: the same world and the same questions on every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.throw(of.len())]
    }
}

struct World {
    principals: Vec<Principal>,
    targets: Vec<Target>,
    grants: Vec<Grant>,
}

impl World {
    fn new(dice: &mut Dice) -> Self {
        let mut principals: Vec<Principal> = (10..15).map(application).collect();
        // Rows that no check would have let come about belong in here too: the policy must agree on them.
        for number in 20..30 {
            let count = dice.throw(3);
            let mut roles: Vec<Role> = (0..count).map(|_| *dice.pick(&Role::ALL)).collect();
            roles.sort();
            roles.dedup();
            let mut person = person(number, &roles);
            if dice.throw(2) == 0 {
                let given_by = PrincipalId::from_bytes([200; 16]);
                person.capacities = vec![HeldCapacity { capacity: Capacity::Dpo, given_by }];
            }
            principals.push(person);
        }
        principals.push(principal(40, PrincipalKind::System, &[]));
        let rings = [ring(1, Separation::Strict), ring(2, Separation::Relaxed), ring(3, Separation::Strict)];
        let mut targets: Vec<Target> = (1..7).map(|number| key(number, dice.pick(&rings))).collect();
        targets.extend(rings.map(Target::Ring));
        targets.extend([
            Target::System,
            Target::Principal(principals[0].id, principals[0].kind),
            Target::NewPrincipal(principals[0].kind),
            Target::Grant(GrantId::from_bytes([1; 16])),
        ]);
        let grants = (1..60).map(|number| Self::grant(dice, number, &principals)).collect();
        Self { principals, targets, grants }
    }

    fn grant(dice: &mut Dice, number: u8, principals: &[Principal]) -> Grant {
        let all: Vec<_> =
            Action::ALL.into_iter().filter(|action| action.is_grantable_when_relaxed()).collect();
        let holder = dice.pick(&principals[..15]);
        let people = holder.kind == PrincipalKind::Human;
        let mut operations: Vec<_> = (0..=dice.throw(6))
            .map(|_| *dice.pick(&all))
            .filter(|action| !people || action.is_grantable())
            .chain([Action::Encrypt])
            .collect();
        operations.sort();
        operations.dedup();
        let on = u8::try_from(dice.throw(6)).unwrap() + 1;
        let selector = if dice.throw(2) == 0 { on_ring(on % 3 + 1) } else { on_key(on) };
        let conditions = Conditions {
            context_equals: dice
                .pick(&[pairs(&[]), pairs(&[]), pairs(&[("a", "1")]), pairs(&[("a", "1"), ("b", "\"")])])
                .clone(),
            context_exactly: dice.pick(&[None, None, Some(pairs(&[])), Some(pairs(&[("a", "1")]))]).clone(),
            source_networks: dice
                .pick(&[vec![], vec![], vec!["10.0.0.0/8"], vec!["2001:db8::/32", "::ffff:10.0.0.0/104"]])
                .iter()
                .map(|text| text.parse().unwrap())
                .collect(),
            until: *dice.pick(&[None, None, Some(NOW), Some(Timestamp::from_micros(NOW.as_micros() + 1))]),
        };
        let status = *dice.pick(&[Status::Active, Status::Active, Status::Active, Status::Revoked]);
        Grant { status, ..with(grant(number, holder, selector, &operations), conditions) }
    }

    /// Who asks what of what. Half of the time it is near a grant, or few would be permitted.
    fn question(&self, dice: &mut Dice) -> (&Principal, Action, &Target) {
        if dice.throw(2) == 0 {
            let grant = dice.pick(&self.grants);
            let action = *dice.pick(&grant.operations);
            let fitting: Vec<_> =
                self.targets.iter().filter(|target| target.kind() == action.target_kind()).collect();
            let selects = |target: &&Target| match grant.selector {
                Selector::Key(id) => target.key_id() == Some(id),
                Selector::Ring(id) => target.ring_id() == Some(id),
            };
            let target = fitting.iter().copied().find(selects).unwrap_or(fitting[0]);
            return (self.holder(grant.principal), action, target);
        }
        let target = dice.pick(&self.targets);
        let fits = |action: &Action| action.target_kind() == target.kind();
        let fitting: Vec<_> = Action::ALL.into_iter().filter(fits).collect();
        (dice.pick(&self.principals), *dice.pick(&fitting), target)
    }

    fn holder(&self, id: PrincipalId) -> &Principal {
        self.principals.iter().find(|principal| principal.id == id).unwrap()
    }
}

/// All policies, all entities, every check that Cedar offers.
struct Whole {
    schema: Schema,
    policies: PolicySet,
    entities: Entities,
}

fn uid(of: &str, id: &str) -> EntityUid {
    EntityUid::from_str(&format!("{of}::\"{id}\"")).unwrap()
}

fn principal_uid(principal: &Principal) -> EntityUid {
    uid(schema::principal_type(principal.kind), &principal.id.to_string())
}

fn target_uid(target: &Target) -> EntityUid {
    let id = match target {
        Target::Grant(id) => id.to_string(),
        Target::Key(record) => record.key.id.to_string(),
        Target::NewPrincipal(_) => "new".to_owned(),
        Target::Principal(id, _) => id.to_string(),
        Target::Ring(ring) => ring.id.to_string(),
        Target::System => "this".to_owned(),
    };
    uid(schema::target_type(target.kind()), &id)
}

fn truths(said: &[(&str, bool)]) -> HashMap<String, RestrictedExpression> {
    said.iter().map(|(name, value)| ((*name).to_owned(), RestrictedExpression::new_bool(*value))).collect()
}

/// The rule of the design, written a second time: only the responder's role goes with another, and not with any.
fn go_together(roles: &[Role]) -> bool {
    matches!(
        roles,
        [] | [_] | [Role::Administrator, Role::Responder] | [Role::Responder, Role::SecurityOfficer]
    )
}

impl Whole {
    fn of(world: &World) -> Self {
        let (schema, _) = Schema::from_cedarschema_str(&schema::text()).unwrap();
        let mut policies = PolicySet::new();
        for policy in PolicySet::from_str(RULES).unwrap().policies() {
            policies.add(policy.new_id(PolicyId::new(policy.annotation("id").unwrap()))).unwrap();
        }
        for grant in world.grants.iter().filter(|grant| grant.status == Status::Active) {
            let written = authorizer().validate_grant(grant, world.holder(grant.principal)).unwrap();
            let policy = Policy::parse(Some(PolicyId::new(grant.id.to_string())), written.text()).unwrap();
            policies.add(policy).unwrap();
        }
        let mut entities = vec![];
        for principal in &world.principals {
            let mut said = vec![("active", true)];
            if principal.kind == PrincipalKind::Human {
                said.extend([
                    ("has_capacity", !principal.capacities.is_empty()),
                    ("has_role", !principal.roles.is_empty()),
                    ("roles_compatible", go_together(&principal.roles)),
                ]);
            }
            let parents = principal.roles.iter().map(|role| uid("Role", role.name())).collect();
            entities.push(Entity::new(principal_uid(principal), truths(&said), parents).unwrap());
        }
        for target in &world.targets {
            let (said, parents) = match target {
                Target::Key(record) => (
                    vec![("relaxed", record.ring.policy.separation == Separation::Relaxed)],
                    HashSet::from([uid("Ring", &record.ring.id.to_string())]),
                ),
                Target::Ring(ring) => {
                    (vec![("relaxed", ring.policy.separation == Separation::Relaxed)], HashSet::new())
                }
                Target::NewPrincipal(kind) | Target::Principal(_, kind) => {
                    (vec![("application", *kind == PrincipalKind::Workload)], HashSet::new())
                }
                Target::Grant(_) | Target::System => (vec![], HashSet::new()),
            };
            let mut said = truths(&said);
            if let Target::Principal(id, PrincipalKind::Human) = target {
                let person = RestrictedExpression::new_entity_uid(uid("Human", &id.to_string()));
                said.insert("person".to_owned(), person);
            }
            entities.push(Entity::new(target_uid(target), said, parents).unwrap());
        }
        let entities = Entities::from_entities(entities, Some(&schema)).unwrap();
        Self { schema, policies, entities }
    }

    /// The answer, and the names of the policies that gave it.
    fn ask(
        &self,
        who: &Principal,
        action: Action,
        target: &Target,
        request: &RequestContext<'_>,
        source: Option<IpAddr>,
    ) -> (bool, HashSet<String>) {
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let pair = |(name, value): &(String, String)| {
            RestrictedExpression::new_record([
                ("name".to_owned(), text(name)),
                ("value".to_owned(), text(value)),
            ])
            .unwrap()
        };
        let mut said = vec![
            (
                "now".to_owned(),
                RestrictedExpression::new_long(i64::try_from(request.now.as_micros()).unwrap()),
            ),
            ("encryption".to_owned(), RestrictedExpression::new_set(request.context.iter().map(pair))),
        ];
        if let Some(source) = source {
            said.push(("source".to_owned(), RestrictedExpression::new_ip(source.to_string())));
        }
        let context = Context::from_pairs(said).unwrap();
        let action = uid("Action", action.name());
        let question =
            Request::new(principal_uid(who), action, target_uid(target), context, Some(&self.schema))
                .unwrap();
        let answer = Engine::new().is_authorized(&question, &self.policies, &self.entities);
        assert_eq!(answer.diagnostics().errors().count(), 0);
        let named = answer.diagnostics().reason().map(|id| AsRef::<str>::as_ref(id).to_owned()).collect();
        (answer.decision() == cedar_policy::Decision::Allow, named)
    }
}

/// Is a policy of that name one by which the rule permits? A role may have several, each beginning with its name.
fn is_of(rule: Rule, name: &str) -> bool {
    match rule {
        Rule::Grant(id) => name == id.to_string(),
        Rule::Role(role) => name.starts_with(role.name()),
        Rule::Builtin(rule) => name == rule,
    }
}

#[test]
fn slices_decide_as_all_policies_together_do() {
    let sources: [Option<IpAddr>; 4] = [
        None,
        Some("10.1.2.3".parse().unwrap()),
        Some("2001:db8::9".parse().unwrap()),
        Some("192.0.2.1".parse().unwrap()),
    ];
    let contexts = [
        pairs(&[]),
        pairs(&[("a", "1")]),
        pairs(&[("a", "1"), ("b", "\""), ("c", "")]),
        pairs(&[("a", "2")]),
    ];
    let (mut permitted, mut by_grant, mut asked) = (0, 0, 0);
    for seed in [3, 5, 8, 13, 21, 34] {
        let dice = &mut Dice(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let world = World::new(dice);
        let whole = Whole::of(&world);
        for _ in 0..400 {
            let (who, action, target) = world.question(dice);
            let source = *dice.pick(&sources);
            let request = RequestContext { now: NOW, context: dice.pick::<Vec<_>>(&contexts) };
            let (allowed, named) = whole.ask(who, action, target, &request, source);
            let decision = authorizer().decide(&caller(who, source), action, target, &world.grants, &request);
            let reported = format!("seed {seed}: {action} on {:?} by {who:?}", target.kind());
            asked += 1;
            assert_eq!(decision.permit().is_some(), allowed, "{reported}: {decision:?}, all: {named:?}");
            if let Decision::Permit { permit, .. } = &decision {
                assert!(
                    named.iter().any(|name| is_of(permit.rule(), name)),
                    "{reported}: {:?} is none of {named:?}",
                    permit.rule()
                );
                permitted += 1;
                by_grant += usize::from(matches!(permit.rule(), Rule::Grant(_)));
            }
        }
    }
    // A comparison of denials alone would show nothing.
    assert!(
        asked >= 1_000 && permitted > 200 && by_grant > 50,
        "{asked} asked, {permitted} permitted, {by_grant} by grant"
    );
}

#[test]
fn whole_and_slice_know_the_same_actions() {
    let text = schema::text();
    for action in Action::ALL {
        assert_eq!(text.matches(&format!("action \"{action}\" in ")).count(), 1, "{action}");
    }
    assert_eq!(text.matches("appliesTo").count(), Action::ALL.len());
    assert_eq!(
        TargetKind::ALL.map(schema::target_type).into_iter().collect::<HashSet<_>>().len(),
        TargetKind::ALL.len()
    );
}

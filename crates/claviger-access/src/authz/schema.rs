//! The Cedar schema, generated from the table of actions: what there is, and what can be asked of what.

use std::fmt::Write as _;

use claviger_core::Action;
use claviger_core::action::{Effect, Surface};
use claviger_core::principal::PrincipalKind;
use claviger_core::target::TargetKind;

/// Entities and the call. Principals as callers are `Human`, `System` or `Workload`; as targets they are `Principal`.
const ENTITIES: &str = r#"entity Role;
entity Human in [Role] = { active: Bool, has_capacity: Bool, has_role: Bool, roles_compatible: Bool };
entity System = { active: Bool };
entity Workload = { active: Bool };

entity Deployment;
entity Grant;
entity Principal = { application: Bool, person?: Human };
entity Ring = { relaxed: Bool };
entity Key in [Ring] = { relaxed: Bool };

type Pair = { name: String, value: String };
type Call = { encryption: Set<Pair>, now: Long, source?: ipaddr };

"#;

/// The whole schema, in Cedar's own schema language.
#[must_use]
pub fn text() -> String {
    let mut text = ENTITIES.to_owned();
    for group in [Surface::Control, Surface::Data].map(surface_group) {
        let _infallible = writeln!(text, "action \"{group}\";");
    }
    for group in
        [Effect::Govern, Effect::Manage, Effect::Process, Effect::Protect, Effect::Read, Effect::Restrict]
            .map(effect_group)
    {
        let _infallible = writeln!(text, "action \"{group}\";");
    }
    for action in Action::ALL {
        let (surface, effect) = (surface_group(action.surface()), effect_group(action.effect()));
        let resource = target_type(action.target_kind());
        // Every kind of caller, so that the rules that forbid are validated for each of them and not left to the schema.
        let _infallible = writeln!(
            text,
            "action \"{action}\" in [\"{surface}\", \"{effect}\"] appliesTo {{ principal: [Human, System, Workload], resource: [{resource}], context: Call }};"
        );
    }
    text
}

/// The entity type of a caller of this kind.
#[must_use]
pub const fn principal_type(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Human => "Human",
        PrincipalKind::System => "System",
        PrincipalKind::Workload => "Workload",
    }
}

/// The entity type of a target of this kind.
#[must_use]
pub const fn target_type(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Grant => "Grant",
        TargetKind::Key => "Key",
        TargetKind::Principal => "Principal",
        TargetKind::Ring => "Ring",
        TargetKind::System => "Deployment",
    }
}

const fn surface_group(surface: Surface) -> &'static str {
    match surface {
        Surface::Control => "control",
        Surface::Data => "data",
    }
}

const fn effect_group(effect: Effect) -> &'static str {
    match effect {
        Effect::Govern => "govern",
        Effect::Manage => "manage",
        Effect::Process => "process",
        Effect::Protect => "protect",
        Effect::Read => "read",
        Effect::Restrict => "restrict",
    }
}

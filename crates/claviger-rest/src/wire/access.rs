//! Who can reach what, and who can do what.

use claviger_client::types::access as wire;
use claviger_core::Timestamp;
use claviger_core::permit::Rule;
use claviger_service::analysis::{Analysis, CounterExample, Exception, Goal, LookedAt, Member, Step};
use claviger_service::operation::{AccessLine, AccessOn, AccessReport, AnalyzeAccess};

use crate::error::Failure;

/// What to look for.
///
/// # Errors
/// A [`Failure`] for other sizes than 1 and 2, and for goals that there are not.
pub fn analyze_from_wire(query: wire::AnalyzeAccess) -> Result<AnalyzeAccess, Failure> {
    let pairs = match query.size.unwrap_or(1) {
        1 => false,
        2 => true,
        _ => return Err(Failure::malformed("`size` must be 1 or 2")),
    };
    let goal = match query.goal {
        None => None,
        Some(number) => match Goal::from_number(number) {
            Some(goal) => Some(goal),
            None => return Err(Failure::malformed("`goal` must be 1 to 4")),
        },
    };
    Ok(AnalyzeAccess { pairs, goal, founder: query.founder })
}

/// What was found, as callers see it.
#[must_use]
pub fn analysis_to_wire(analysis: &Analysis) -> wire::AccessAnalysis {
    wire::AccessAnalysis {
        found: analysis.found.iter().map(example_to_wire).collect(),
        left_off: analysis.left_off,
        named: analysis.named.iter().map(exception_to_wire).collect(),
        looked_at: looked_at_to_wire(analysis.looked_at),
    }
}

const fn looked_at_to_wire(looked_at: LookedAt) -> wire::LookedAt {
    let LookedAt { persons, principals, credentials, grants, rings, strict_rings, classes } = looked_at;
    wire::LookedAt { persons, principals, credentials, grants, rings, strict_rings, classes }
}

fn example_to_wire(example: &CounterExample) -> wire::CounterExample {
    wire::CounterExample {
        goal: example.goal.number(),
        goal_name: example.goal.name().to_owned(),
        members: example.members.iter().map(member_to_wire).collect(),
        count: example.count,
        path: example.path.iter().map(step_to_wire).collect(),
    }
}

fn member_to_wire(member: &Member) -> wire::AccessMember {
    wire::AccessMember {
        roles: member.roles.iter().copied().map(Into::into).collect(),
        names: member.names.iter().cloned().map(Into::into).collect(),
        count: member.count,
    }
}

fn step_to_wire(step: &Step) -> wire::AccessStep {
    wire::AccessStep {
        by: step.by.to_string(),
        action: step.act.action().map(Into::into),
        command: step.act.command(),
        approved_by: step.approved_by.iter().map(ToString::to_string).collect(),
    }
}

fn exception_to_wire(exception: &Exception) -> wire::AccessException {
    wire::AccessException {
        kind: exception.kind.name().to_owned(),
        text: exception.kind.describe().to_owned(),
        names: exception.names.iter().cloned().map(Into::into).collect(),
        count: exception.count,
        goals: exception.goals.iter().map(|goal| goal.number().into()).collect(),
    }
}

/// Who can do what, as callers see it; `next` is where the page behind it begins.
#[must_use]
pub fn report_to_wire(report: &AccessReport, next: Option<String>) -> wire::AccessReport {
    wire::AccessReport {
        items: report.lines.iter().map(line_to_wire).collect(),
        next,
        as_of: report.then.map(|(at, reached)| wire::AccessAsOf {
            at: at.into(),
            entries: reached.size,
            newest_entry_at: reached.newest_at.map(|at| Timestamp::from_micros(at).into()),
        }),
    }
}

fn line_to_wire(line: &AccessLine) -> wire::AccessLine {
    let (rule, grant) = match line.rule {
        Rule::Grant(id) => ("grant".to_owned(), Some(id.into())),
        Rule::Role(role) => (format!("role {role}"), None),
        Rule::Builtin(name) => (name.to_owned(), None),
    };
    wire::AccessLine {
        principal: line.principal.into(),
        principal_name: line.name.clone().into(),
        on: on_to_wire(&line.on),
        actions: line.actions.iter().copied().map(Into::into).collect(),
        rule,
        grant,
        conditions: (!line.conditions.is_empty()).then(|| line.conditions.clone()),
        capacities: line.capacities.iter().copied().map(Into::into).collect(),
    }
}

fn on_to_wire(on: &AccessOn) -> wire::AccessOn {
    match on {
        AccessOn::Every(separation) => {
            wire::AccessOn::Every(wire::EveryKey { separation: separation.map(Into::into) })
        }
        AccessOn::Key(id, name) => {
            wire::AccessOn::Key(wire::OneKey { id: (*id).into(), name: name.clone().into() })
        }
        AccessOn::Ring(id, name) => {
            wire::AccessOn::Ring(wire::OneRing { id: (*id).into(), name: name.clone().into() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_is_looked_at_unless_two_are_asked_for() {
        let ask = |size, goal| {
            let asked = analyze_from_wire(wire::AnalyzeAccess { size, goal, founder: true });
            asked
                .map(|asked| (asked.pairs, asked.goal, asked.founder))
                .map_err(|failure| failure.problem().code)
        };
        assert_eq!(ask(None, None), Ok((false, None, true)));
        assert_eq!(ask(Some(2), Some(3)), Ok((true, Some(Goal::Record), true)));
        for (size, goal) in [(Some(0), None), (Some(3), None), (None, Some(0)), (None, Some(5))] {
            assert_eq!(ask(size, goal), Err("malformed-request"));
        }
    }
}

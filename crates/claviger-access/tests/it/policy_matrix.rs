//! Who may do what: the whole table, printed from live decisions, and what must hold of it whatever it says.

use std::fmt::Write as _;
use std::net::IpAddr;

use claviger_access::{Caller, Decision, DenyReason, Presented, RequestContext, authenticate};
use claviger_core::action::{Effect, Surface};
use claviger_core::capacity::{Capacity, HeldCapacity};
use claviger_core::grant::{Conditions, Grant};
use claviger_core::key::Separation;
use claviger_core::permit::Rule;
use claviger_core::principal::{Principal, PrincipalKind, Role, Status};
use claviger_core::target::TargetKind;
use claviger_core::{Action, KeyId, Target};
use std::sync::Arc;

use crate::golden;
use crate::world::{
    FUTURE, NOW, PAST, application, ask, authorizer, caller, credential, grant, may, on_key, on_ring, pairs,
    person, principal, revoked, target, uses, with,
};

const LEGEND: &str = "\
# Who may do what, asked of the policy one by one.
# permitted:  role, grant, or rule:<name of a rule for everyone of the kind>
# denied:     - nothing permits it; plane: wrong surface; ended, unmet: the grant's end or conditions;
#             forbid:<rule>; expired: the credential. With `?` the target is not even admitted to exist.
";

fn cell(decision: &Decision) -> String {
    let Some(denial) = decision.denial() else {
        return match decision.permit().unwrap().rule() {
            Rule::Grant(_) => "grant".into(),
            Rule::Role(_) => "role".into(),
            Rule::Builtin(name) => format!("rule:{name}"),
        };
    };
    let reason = match denial.reason {
        DenyReason::BasisEnded(_) => "BASIS".into(),
        DenyReason::ConditionsUnmet(_) => "unmet".into(),
        DenyReason::CredentialExpired => "expired".into(),
        DenyReason::Forbidden(rule) => format!("forbid:{rule}"),
        DenyReason::GrantEnded(_) => "ended".into(),
        DenyReason::NoRule => "-".into(),
        DenyReason::Unsound => "UNSOUND".into(),
        DenyReason::WrongSurface => "plane".into(),
        DenyReason::WrongTarget => "WRONG TARGET".into(),
    };
    format!("{reason}{}", if denial.hidden { "?" } else { "" })
}

fn print(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> =
        std::iter::once(heads.iter().map(ToString::to_string).collect()).chain(rows).collect();
    let widths: Vec<_> =
        (0..heads.len()).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or_default()).collect();
    let mut printed = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(printed, "{}", cells.collect::<Vec<_>>().join("  ").trim_end()).unwrap();
    }
    printed
}

/// What an action is asked of; where that is a principal, a person and an application.
fn targets(action: Action) -> Vec<(&'static str, Target)> {
    let kind = action.target_kind();
    let first = (kind.name(), target(kind, Separation::Strict));
    if kind != TargetKind::Principal {
        return vec![first];
    }
    let application = application(151);
    vec![first, ("application", Target::Principal(application.id, application.kind))]
}

/// Every action, asked by every kind of caller that was granted nothing.
fn by_role() -> String {
    let mut callers: Vec<(&str, Caller)> =
        Role::ALL.map(|role| (role.name(), caller(&person(10, &[role]), None))).into();
    callers.push(("no_role", caller(&person(10, &[]), None)));
    callers.push(("system", caller(&principal(10, PrincipalKind::System, &[]), None)));
    callers.push(("workload", caller(&application(10), None)));
    let heads: Vec<_> =
        ["action", "target"].into_iter().chain(callers.iter().map(|(name, _)| *name)).collect();
    let rows = Action::ALL
        .into_iter()
        .flat_map(|action| targets(action).into_iter().map(move |(kind, target)| (action, kind, target)));
    let rows = rows.map(|(action, kind, target)| {
        let said = callers.iter().map(|(_, caller)| cell(&ask(caller, action, &target, &[])));
        [action.name().to_owned(), kind.to_owned()].into_iter().chain(said).collect()
    });
    print(&heads, rows)
}

/// Everything that a case of a granted use depends on.
struct Case {
    caller: Caller,
    grants: Vec<Grant>,
    separation: Separation,
    context: Vec<(String, String)>,
}

impl Case {
    fn new(who: &Principal, grants: Vec<Grant>) -> Self {
        Self { caller: caller(who, None), grants, separation: Separation::Strict, context: vec![] }
    }

    fn ask(&self, action: Action) -> Decision {
        let request = RequestContext { now: NOW, context: &self.context };
        authorizer().decide(
            &self.caller,
            action,
            &target(TargetKind::Key, self.separation),
            &self.grants,
            &request,
        )
    }
}

fn others(action: Action) -> Vec<Action> {
    uses().filter(|other| *other != action).collect()
}

fn home() -> Conditions {
    Conditions { source_networks: vec!["192.0.2.0/24".parse().unwrap()], ..Conditions::default() }
}

fn tenant() -> Conditions {
    Conditions { context_equals: pairs(&[("tenant", "7")]), ..Conditions::default() }
}

fn ended() -> Conditions {
    Conditions { until: Some(NOW), ..Conditions::default() }
}

fn cases(action: Action) -> Vec<(&'static str, Case)> {
    let (app, outsider) = (application(10), application(11));
    let this = grant(1, &app, on_key(1), &[action]);
    let from = |address: &str| caller(&app, Some(address.parse::<IpAddr>().unwrap()));
    let conditional = |conditions: Conditions| Case::new(&app, vec![with(this.clone(), conditions)]);
    vec![
        ("this", Case::new(&app, vec![this.clone()])),
        ("others", Case::new(&app, vec![grant(1, &app, on_key(1), &others(action))])),
        ("by_ring", Case::new(&app, vec![grant(1, &app, on_ring(1), &[action])])),
        ("other_key", Case::new(&app, vec![grant(1, &app, on_key(2), &[action])])),
        ("other_ring", Case::new(&app, vec![grant(1, &app, on_ring(2), &[action])])),
        ("outsider", Case::new(&outsider, vec![this.clone()])),
        ("revoked", Case::new(&app, vec![Grant { status: Status::Revoked, ..this.clone() }])),
        ("ended", conditional(ended())),
        ("context", Case { context: pairs(&[("a", "b"), ("tenant", "7")]), ..conditional(tenant()) }),
        ("no_context", conditional(tenant())),
        ("network", Case { caller: from("192.0.2.9"), ..conditional(home()) }),
        ("elsewhere", Case { caller: from("198.51.100.9"), ..conditional(home()) }),
        ("person", Case::new(&person(10, &[]), vec![this])),
    ]
}

/// Every use, asked by those who were granted it, or something near it.
fn by_grant() -> String {
    let names: Vec<_> = cases(Action::Encrypt).iter().map(|(name, _)| *name).collect();
    let heads: Vec<_> = ["action", "target"].into_iter().chain(names).collect();
    let rows = uses().map(|action| {
        let said = cases(action).into_iter().map(|(_, case)| cell(&case.ask(action)));
        [action.name().to_owned(), action.target_kind().name().to_owned()].into_iter().chain(said).collect()
    });
    print(&heads, rows)
}

/// A granted use, asked by those who hold roles, which the checks of separation would not have let come about.
fn by_role_and_grant() -> String {
    let mut roles: Vec<Vec<Role>> = Role::ALL.into_iter().map(|role| vec![role]).collect();
    roles.push(vec![Role::Administrator, Role::Responder]);
    roles.push(vec![Role::Administrator, Role::SecurityOfficer]);
    let rows = roles.into_iter().flat_map(|roles| {
        let words: Vec<_> = roles.iter().map(|role| role.name()).collect();
        let words = words.join("+");
        Separation::ALL.map(|separation| {
            let who = person(10, &roles);
            let said: std::collections::BTreeSet<_> = uses()
                .map(|action| {
                    let grants = vec![grant(1, &who, on_key(1), &[action])];
                    cell(&Case { separation, ..Case::new(&who, grants) }.ask(action))
                })
                .collect();
            vec![
                words.clone(),
                separation.name().to_owned(),
                said.into_iter().collect::<Vec<_>>().join(" | "),
            ]
        })
    });
    print(&["roles", "separation", "any granted use of a key"], rows)
}

/// Callers whose credential has expired or was revoked, or who were revoked themselves. What authentication refuses never
/// becomes a caller.
fn without_valid_proof() -> String {
    let app = application(10);
    let presented = Presented::Token { digest: [9; 32] };
    let refuse = |principal: &Principal, expires_at| {
        let (principal, credential) = (Arc::new(principal.clone()), credential(principal, expires_at));
        let refused =
            authenticate(&presented, Some(&credential), None, Some(&principal), None, NOW).unwrap_err();
        refused.to_string().split('`').step_by(2).collect::<Vec<_>>().join("_")
    };
    let rows = [
        vec!["expired credential".to_owned(), refuse(&app, NOW)],
        vec!["revoked principal".to_owned(), refuse(&revoked(app.clone()), FUTURE)],
    ];
    print(&["caller", "authentication"], rows.into_iter())
}

#[test]
fn policy_matrix_is_the_golden_one() {
    let printed = format!(
        "{LEGEND}\n# Roles and kinds, nothing granted, rings strict\n{}\n# Granted uses of a key of a strict ring\n{}\n\
         # Granted uses by holders of roles\n{}\n# Without valid proof\n{}",
        by_role(),
        by_grant(),
        by_role_and_grant(),
        without_valid_proof(),
    );
    assert!(!printed.contains("UNSOUND") && !printed.contains("WRONG TARGET"), "{printed}");
    golden::check("policy.txt", &printed);
}

#[test]
fn every_action_and_every_kind_of_target_has_a_row() {
    let matrix = golden::read("policy.txt");
    let rows: Vec<Vec<_>> = matrix.lines().map(|line| line.split_whitespace().collect()).collect();
    let has = |action: &str, kind: &str| {
        rows.iter().any(|row| row.first() == Some(&action) && row.get(1) == Some(&kind))
    };
    for action in Action::ALL {
        assert!(
            has(action.name(), action.target_kind().name()),
            "{action} is in no row of golden/policy.txt"
        );
    }
    for kind in TargetKind::ALL {
        assert!(
            rows.iter().any(|row| row.get(1) == Some(&kind.name())),
            "{kind} is in no row of golden/policy.txt"
        );
    }
}

/// A use is permitted to one who was granted exactly it; no other use, and no number of them, gives it.
#[test]
fn a_granted_use_gives_that_use_and_no_other() {
    let (app, outsider, key) =
        (application(10), application(11), target(TargetKind::Key, Separation::Strict));
    for asked in uses() {
        for given in uses() {
            let grants = [grant(1, &app, on_key(1), &[given])];
            assert_eq!(may(&app, asked, &key, &grants), asked == given, "{asked}, granted {given}");
            assert!(!may(&outsider, asked, &key, &grants), "{asked} by an outsider");
        }
        assert!(
            !may(&app, asked, &key, &[grant(1, &app, on_key(1), &others(asked))]),
            "{asked}, granted all others"
        );
        assert!(!may(&app, asked, &key, &[]), "{asked}, granted nothing");
    }
}

/// Grants are for uses: with all that can be written down, the control surface stays shut, and so do the life and the facts
/// of the key. A relaxed ring excuses applications, and them alone.
#[test]
fn no_grant_gives_an_act_of_the_control_surface_but_on_relaxed_rings() {
    let everything: Vec<_> =
        Action::ALL.into_iter().filter(|action| action.is_grantable_when_relaxed()).collect();
    for who in [application(10), person(10, &[])] {
        let grants = [grant(1, &who, on_key(1), &everything), grant(2, &who, on_ring(1), &everything)];
        for action in Action::ALL.into_iter().filter(|action| action.surface() == Surface::Control) {
            for separation in Separation::ALL {
                let target = target(action.target_kind(), separation);
                let excused = separation == Separation::Relaxed && everything.contains(&action);
                let excused = excused && who.kind == PrincipalKind::Workload;
                assert_eq!(may(&who, action, &target, &grants), excused, "{action} by {:?}", who.kind);
            }
        }
    }
}

#[test]
fn an_exact_context_is_that_and_no_more() {
    let app = application(10);
    let of = |exactly: &[(&str, &str)], said: &[(&str, &str)]| {
        let conditions = Conditions { context_exactly: Some(pairs(exactly)), ..Conditions::default() };
        let given = with(grant(1, &app, on_key(1), &[Action::Encrypt]), conditions);
        authorizer().validate_grant(&given, &app).unwrap();
        let case = Case { context: pairs(said), ..Case::new(&app, vec![given]) };
        case.ask(Action::Encrypt).permit().is_some()
    };
    let (one, two) = ([("a", "1")], [("b", "2"), ("a", "1")]);
    assert!(of(&one, &one) && of(&two, &[("a", "1"), ("b", "2")]) && of(&[], &[]));
    assert!(!of(&one, &two) && !of(&two, &one) && !of(&[], &one) && !of(&one, &[]));
    assert!(!of(&one, &[("A", "1")]) && !of(&one, &[("a", "2")]));
}

#[test]
fn roles_keep_to_what_they_are_for() {
    let permitted = |role: Role, action: Action| {
        may(&person(10, &[role]), action, &target(action.target_kind(), Separation::Relaxed), &[])
    };
    for action in Action::ALL {
        let of = |role| permitted(role, action);
        // They give nothing: people say that another's recovery is known, that rights are as they should be, sign statements, decide
        // on what others ask for, give up what they ask for themselves, redeem their code, confirm what is theirs, and renew what they
        // call by.
        let of_all = matches!(
            action,
            Action::AcknowledgeRecovery
                | Action::Approve
                | Action::Attest
                | Action::CancelApproval
                | Action::ConfirmCredential
                | Action::ConfirmRights
                | Action::Deny
                | Action::Enrol
                | Action::RenewCredential
        );
        // What is declared changes no key, and is read by evaluations alone.
        let declares = matches!(action, Action::Declare | Action::WithdrawDeclaration);
        // Who manages decides in a review what stays. What goes, a security officer withdraws.
        let reviews = matches!(action, Action::OpenReview | Action::DecideReview);
        // Emergency access is opened by few and approved by another one; what a recovery gave, a custodian takes back.
        let is_of_emergency = matches!(
            action,
            Action::CancelRecovery
                | Action::CloseBreakGlass
                | Action::OpenBreakGlass
                | Action::ReviewBreakGlass
        );
        // What the server found is looked at by those who watch and those who respond.
        let of_all = of_all || matches!(action, Action::CloseAlert | Action::TriageAlert);
        // Several acts are asked for at once by whoever may ask for one of them: each is decided on by itself.
        let of_all = of_all || is_of_emergency || action == Action::ApplyPlan;
        let (reads, effect) = (action.effect() == Effect::Read, action.effect());
        assert!(
            !Role::ALL.into_iter().any(of) || action.surface() == Surface::Control || of_all,
            "{action} is no use of a key"
        );
        assert!(
            !(of(Role::Auditor) || of(Role::Custodian) || of(Role::Operator)) || reads || of_all,
            "{action} changes something"
        );
        assert!(
            !of(Role::Operator) || action.target_kind() == TargetKind::System || of_all,
            "{action} is not of the system"
        );
        assert!(
            !of(Role::Administrator) || effect != Effect::Govern || of_all || reviews,
            "{action} gives rights"
        );
        assert!(
            !of(Role::SecurityOfficer) || effect != Effect::Manage || declares || of_all,
            "{action} manages keys"
        );
        assert!(
            !of(Role::Responder) || reads || effect == Effect::Restrict || of_all,
            "{action} stops nothing"
        );
        let someone = Role::ALL.into_iter().any(of);
        let unused = action.surface() == Surface::Control && !someone;
        let of_none = matches!(
            action,
            Action::DelegateGrant
                | Action::DestroyKey
                | Action::Initialize
                | Action::PutKeyPolicy
                | Action::Recover
                | Action::WithdrawDelegatedGrant
        );
        assert_eq!(unused, of_none, "{action} is an act of no role");
    }
}

/// Custodians decide by their role, and others with a role by a rule for the appointment of custodians and for emergency access; nobody else
/// does anything about an approval but ask for it.
#[test]
fn approvals_are_for_people_with_a_role() {
    let rule = |who: &Principal, action| {
        ask(&caller(who, None), action, &Target::System, &[]).permit().map(|permit| permit.rule())
    };
    for role in Role::ALL {
        let who = person(10, &[role]);
        let decides = match role {
            Role::Custodian => Rule::Role(role),
            _ => Rule::Builtin("appoint_custodian"),
        };
        assert_eq!(rule(&who, Action::Approve), Some(decides), "{role}");
        assert_eq!(rule(&who, Action::Deny), Some(decides), "{role}");
        assert_eq!(rule(&who, Action::CancelApproval), Some(Rule::Builtin("cancel_approval")), "{role}");
        let reads = (role != Role::Operator).then_some(Rule::Role(role));
        assert_eq!(rule(&who, Action::ReadApproval), reads, "{role}");
        let governs = (role == Role::SecurityOfficer).then_some(Rule::Role(role));
        assert_eq!(rule(&who, Action::SetGovernance), governs, "{role}");
    }
    for who in [person(10, &[]), application(10), principal(10, PrincipalKind::System, &[])] {
        for action in [
            Action::Approve,
            Action::CancelApproval,
            Action::Deny,
            Action::ReadApproval,
            Action::SetGovernance,
        ] {
            assert_eq!(rule(&who, action), None, "{action} by {:?}", who.kind);
        }
    }
}

/// Who manages or governs asks for plans; what is in them is decided on by itself.
#[test]
fn plans_are_asked_for_by_those_who_set_policy() {
    for role in Role::ALL {
        let asks = may(&person(10, &[role]), Action::ApplyPlan, &Target::System, &[]);
        assert_eq!(asks, matches!(role, Role::Administrator | Role::SecurityOfficer), "{role}");
    }
    for who in [person(10, &[]), application(10), principal(10, PrincipalKind::System, &[])] {
        assert!(!may(&who, Action::ApplyPlan, &Target::System, &[]), "{:?}", who.kind);
    }
}

/// Administrators, responders and security officers do what there is to emergency access; custodians alone cancel a recovery.
#[test]
fn emergency_access_is_for_those_who_act_and_nobody_else() {
    for role in Role::ALL {
        let does = |action: Action| {
            may(&person(10, &[role]), action, &target(action.target_kind(), Separation::Strict), &[])
        };
        let acts = matches!(role, Role::Administrator | Role::Responder | Role::SecurityOfficer);
        for action in [Action::OpenBreakGlass, Action::CloseBreakGlass, Action::ReviewBreakGlass] {
            assert_eq!(does(action), acts, "{action} by {role}");
        }
        assert_eq!(does(Action::ReadBreakGlass), role != Role::Operator, "{role}");
        assert_eq!(does(Action::CancelRecovery), role == Role::Custodian, "{role}");
    }
    for who in [person(10, &[]), application(10), principal(10, PrincipalKind::System, &[])] {
        for action in [
            Action::CancelRecovery,
            Action::CloseBreakGlass,
            Action::OpenBreakGlass,
            Action::ReadBreakGlass,
            Action::ReviewBreakGlass,
        ] {
            let target = target(action.target_kind(), Separation::Strict);
            assert!(!may(&who, action, &target, &[]), "{action} by {:?}", who.kind);
        }
    }
}

/// Everybody with a role reads alerts; who watches says that they have looked, and who responds or governs closes them.
#[test]
fn alerts_are_seen_by_all_and_closed_by_those_who_answer_for_incidents() {
    for role in Role::ALL {
        let does = |action| may(&person(10, &[role]), action, &Target::System, &[]);
        let closes = matches!(role, Role::Responder | Role::SecurityOfficer);
        assert!(does(Action::ReadAlert), "{role}");
        assert_eq!(does(Action::TriageAlert), closes || role == Role::Operator, "{role}");
        assert_eq!(does(Action::CloseAlert), closes, "{role}");
    }
    for who in [person(10, &[]), application(10), principal(10, PrincipalKind::System, &[])] {
        for action in [Action::ReadAlert, Action::TriageAlert, Action::CloseAlert] {
            assert!(!may(&who, action, &Target::System, &[]), "{action} by {:?}", who.kind);
        }
    }
}

/// Administrators and security officers decide in reviews, and security officers alone withdraw by them, and give capacities.
#[test]
fn reviews_are_for_managers_and_what_they_withdraw_for_security_officers() {
    for role in Role::ALL {
        let does = |action: Action| {
            may(&person(10, &[role]), action, &target(action.target_kind(), Separation::Strict), &[])
        };
        let (governs, manages) = (role == Role::SecurityOfficer, role == Role::Administrator);
        for action in [Action::OpenReview, Action::DecideReview] {
            assert_eq!(does(action), governs || manages, "{action} by {role}");
        }
        for action in [Action::CloseReview, Action::AssignCapacity, Action::WithdrawCapacity] {
            assert_eq!(does(action), governs, "{action} by {role}");
        }
        assert_eq!(does(Action::ReadReview), governs || manages || role == Role::Auditor, "{role}");
    }
    for who in [person(10, &[]), application(10), principal(10, PrincipalKind::System, &[])] {
        for action in [Action::OpenReview, Action::DecideReview, Action::CloseReview, Action::ReadReview] {
            assert!(!may(&who, action, &Target::System, &[]), "{action} by {:?}", who.kind);
        }
    }
}

/// Who answers for something signs statements about it, and that is all: no capacity gives what a role gives.
#[test]
fn a_capacity_signs_and_gives_nothing_else() {
    let given_by = person(11, &[]).id;
    for capacity in [Capacity::Dpo, Capacity::Ciso, Capacity::KeyOwner(KeyId::from_bytes([1; 16]))] {
        let held = vec![HeldCapacity { capacity, given_by }];
        for who in [person(10, &[]), application(10), principal(10, PrincipalKind::System, &[])] {
            let with = Principal { capacities: held.clone(), ..who.clone() };
            for action in Action::ALL {
                let of = |who| may(who, action, &target(action.target_kind(), Separation::Relaxed), &[]);
                let signs = matches!(action, Action::Attest | Action::ReadDeclaration);
                let gains = signs && who.kind == PrincipalKind::Human;
                assert_eq!(of(&with), of(&who) || gains, "{action} by {:?} as {capacity}", who.kind);
            }
        }
    }
}

/// Who makes what: applications an administrator, people a security officer, and nobody both.
#[test]
fn administrators_make_applications_and_security_officers_people() {
    for (kind, maker) in [
        (PrincipalKind::Human, Some(Role::SecurityOfficer)),
        (PrincipalKind::Workload, Some(Role::Administrator)),
        (PrincipalKind::System, None),
    ] {
        for role in Role::ALL {
            let made = may(&person(10, &[role]), Action::CreatePrincipal, &Target::NewPrincipal(kind), &[]);
            assert_eq!(
                made,
                maker == Some(role) || (maker.is_none() && role == Role::SecurityOfficer),
                "{kind} by {role}"
            );
        }
    }
    let end = |of: PrincipalKind| {
        let target = Target::Principal(application(11).id, of);
        may(&person(10, &[Role::Administrator]), Action::RevokeCredential, &target, &[])
    };
    assert!(end(PrincipalKind::Workload) && !end(PrincipalKind::Human));
}

#[test]
fn revoked_principal_may_nothing_however_it_became_a_caller() {
    let key = target(TargetKind::Key, Separation::Strict);
    for who in [application(10), person(10, &[Role::Administrator]), person(10, &[])] {
        let gone = revoked(who.clone());
        let grants = [grant(1, &gone, on_key(1), &uses().collect::<Vec<_>>())];
        let explained = authorizer().explain(&key, &[(gone, grants.to_vec())], NOW).unwrap();
        assert_eq!(explained, vec![]);
        assert_ne!(authorizer().explain(&key, &[(who, grants.to_vec())], NOW).unwrap(), vec![]);
    }
}

#[test]
fn action_asked_of_another_kind_of_thing_is_denied() {
    let admin = caller(&person(10, &[Role::Administrator]), None);
    for action in Action::ALL.into_iter().filter(|action| action.surface() == Surface::Control) {
        for kind in TargetKind::ALL.into_iter().filter(|kind| *kind != action.target_kind()) {
            let denial = ask(&admin, action, &target(kind, Separation::Strict), &[]).denial().unwrap();
            assert_eq!(denial.reason, DenyReason::WrongTarget, "{action} of {kind}");
        }
    }
}

#[test]
fn permit_says_who_what_when_and_by_which_policy() {
    let app = application(10);
    let given = grant(1, &app, on_key(1), &[Action::Encrypt]);
    let policy = authorizer().validate_grant(&given, &app).unwrap();
    let decision = ask(
        &caller(&app, None),
        Action::Encrypt,
        &target(TargetKind::Key, Separation::Strict),
        std::slice::from_ref(&given),
    );
    let permit = decision.permit().unwrap();
    assert_eq!((permit.principal(), permit.action(), permit.at()), (app.id, Action::Encrypt, NOW));
    assert_eq!(permit.credential(), credential(&app, PAST).id);
    assert_eq!((permit.rule(), permit.policy_digest()), (Rule::Grant(given.id), policy.digest()));
}

#[test]
fn every_kind_of_target_is_one_of_the_fixtures() {
    for kind in TargetKind::ALL {
        assert_eq!(target(kind, Separation::Strict).kind(), kind);
    }
    assert!(matches!(target(TargetKind::System, Separation::Strict), Target::System));
}

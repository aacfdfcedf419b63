//! Separation of duties: the whole table, printed from live checks, and what must hold of it whatever it says.

use std::fmt::Write as _;

use claviger_access::separation::{
    Holder, Makers, Rights, SeparationError, Uses, check_capacity, check_credential, check_delegation,
    check_grant, check_other_person, check_ring_separation, check_role_assignment, check_role_withdrawal,
    credential_needs_approval,
};
use claviger_core::capacity::Capacity;
use claviger_core::key::Separation;
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Role, Status};
use claviger_core::{Action, CredentialId, PrincipalId, Timestamp};

use crate::golden;
use crate::world::{FUTURE, NOW, PAST, application, credential, person, principal, revoked, uses};

const OFFICER: PrincipalId = PrincipalId::from_bytes([99; 16]);

fn said(outcome: Result<(), SeparationError>) -> &'static str {
    match outcome {
        Ok(()) => "yes",
        Err(SeparationError::CapacityByMaker) => "maker_of_holder",
        Err(SeparationError::CapacityOfNoPerson) => "no_person",
        Err(SeparationError::CredentialByGiver) => "giver",
        Err(SeparationError::CredentialOfApplication) => "administrator",
        Err(SeparationError::CredentialOfRights) => "officer_or_holder",
        Err(SeparationError::CredentialOfRole(_)) => "holder",
        Err(SeparationError::Exclusive { .. }) => "exclusive",
        Err(SeparationError::Maker) => "maker",
        Err(SeparationError::NotAUse(_)) => "not_a_use",
        Err(SeparationError::OwnCapacity) => "own_capacity",
        Err(SeparationError::OwnRole) => "own_role",
        Err(SeparationError::Revoked(_)) => "revoked",
        Err(SeparationError::SelfService) => "self",
        Err(SeparationError::StillMixed(_)) => "still_mixed",
        Err(SeparationError::System) => "system",
        Err(SeparationError::UseByRoleHolder(_)) => "use_by_role_holder",
        Err(SeparationError::UserOfKeys(_)) => "user_of_keys",
        Err(SeparationError::Workload(_)) => "workload",
    }
}

/// Sets of roles worth a row: none, each, and each pair that goes together.
fn roles() -> Vec<Vec<Role>> {
    let mut roles: Vec<Vec<Role>> = vec![vec![]];
    roles.extend(Role::ALL.map(|role| vec![role]));
    roles.push(vec![Role::Administrator, Role::Responder]);
    roles.push(vec![Role::Responder, Role::SecurityOfficer]);
    roles
}

fn words(roles: &[Role]) -> String {
    if roles.is_empty() {
        "none".into()
    } else {
        roles.iter().map(|role| role.name()).collect::<Vec<_>>().join("+")
    }
}

fn row(printed: &mut String, head: &str, cells: impl Iterator<Item = String>) {
    let cells: String = cells.map(|cell| format!("{cell:<18}")).collect();
    writeln!(printed, "{}", format!("{head:<28}{cells}").trim_end()).unwrap();
}

fn role_pairs(printed: &mut String) {
    row(printed, "holds \\ gets", Role::ALL.iter().map(ToString::to_string));
    for held in roles() {
        let who = person(10, &held);
        let cells = Role::ALL.map(|role| {
            said(check_role_assignment(&who, &Makers::default(), role, Uses::None, OFFICER)).to_owned()
        });
        row(printed, &words(&held), cells.into_iter());
    }
}

fn role_recipients(printed: &mut String) {
    row(printed, "recipient \\ gets", Role::ALL.iter().map(ToString::to_string));
    let nobody = person(10, &[]);
    let cases: [(&str, Principal, Uses, PrincipalId); 6] = [
        ("uses relaxed rings", nobody.clone(), Uses::Relaxed, OFFICER),
        ("uses a strict ring", nobody.clone(), Uses::Strict, OFFICER),
        ("themselves", nobody.clone(), Uses::None, nobody.id),
        ("revoked", revoked(nobody), Uses::None, OFFICER),
        ("workload", application(10), Uses::None, OFFICER),
        ("system", principal(10, PrincipalKind::System, &[]), Uses::None, OFFICER),
    ];
    for (name, who, uses, by) in cases {
        row(
            printed,
            name,
            Role::ALL
                .map(|role| said(check_role_assignment(&who, &Makers::default(), role, uses, by)).to_owned())
                .into_iter(),
        );
    }
}

fn grants(printed: &mut String) {
    row(printed, "roles \\ gets a use on", Separation::ALL.iter().map(ToString::to_string));
    let mut cases: Vec<(String, Principal, PrincipalId)> =
        roles().iter().map(|held| (words(held), person(10, held), OFFICER)).collect();
    cases.push(("themselves".into(), person(10, &[]), person(10, &[]).id));
    cases.push(("revoked".into(), revoked(application(10)), OFFICER));
    cases.push(("workload".into(), application(10), OFFICER));
    cases.push(("system".into(), principal(10, PrincipalKind::System, &[]), OFFICER));
    for (name, who, by) in cases {
        let cell = |separation| {
            said(check_grant(&who, &Makers::default(), separation, &[Action::Encrypt], by)).to_owned()
        };
        row(printed, &name, Separation::ALL.map(cell).into_iter());
    }
}

/// Who made whom, when a role or a grant is given.
fn makers(printed: &mut String) {
    row(printed, "made by the giver", ["gets a role", "gets a grant"].into_iter().map(str::to_owned));
    let made_by = |by: Option<PrincipalId>| Principal { created_by: by, ..person(10, &[]) };
    let credential_by = |by: PrincipalId, expires_at| {
        let one = credential(&person(10, &[]), expires_at);
        vec![Credential { created_by: Some(by), ..(*one).clone() }]
    };
    let other = PrincipalId::from_bytes([98; 16]);
    let cases = [
        ("principal", made_by(Some(OFFICER)), vec![]),
        ("principal, by another", made_by(Some(other)), vec![]),
        ("principal, by the set-up", made_by(Some(PrincipalId::SYSTEM)), vec![]),
        ("principal, maker unknown", made_by(None), vec![]),
        ("a live credential", made_by(Some(other)), credential_by(OFFICER, FUTURE)),
        ("an expired credential", made_by(Some(other)), credential_by(OFFICER, PAST)),
        ("a credential, by another", made_by(Some(other)), credential_by(other, FUTURE)),
    ];
    for (name, who, credentials) in cases {
        let makers = Makers::of(&who, &credentials, NOW);
        let role = check_role_assignment(&who, &makers, Role::Custodian, Uses::None, OFFICER);
        let grant = check_grant(&who, &makers, Separation::Strict, &[Action::Encrypt], OFFICER);
        row(printed, name, [role, grant].map(|outcome| said(outcome).to_owned()).into_iter());
    }
}

/// Who makes a credential for whom.
fn credentials(printed: &mut String) {
    let givers = ["administrator", "officer", "officer, gave", "itself", "nobody"];
    row(printed, "of \\ made by", givers.iter().map(ToString::to_string));
    let officer = |number: u8| person(number, &[Role::SecurityOfficer]);
    let given_by = |who: Principal, giver: u8| {
        let giver = PrincipalId::from_bytes([giver; 16]);
        Principal { role_givers: who.roles.iter().map(|role| (*role, giver)).collect(), ..who }
    };
    let cases = [
        ("person", person(10, &[]), Uses::None),
        ("person, uses relaxed", person(10, &[]), Uses::Relaxed),
        ("person, uses strict", person(10, &[]), Uses::Strict),
        ("custodian", given_by(person(10, &[Role::Custodian]), 21), Uses::None),
        ("custodian of the set-up", person(10, &[Role::Custodian]), Uses::None),
        ("data protection officer", answering(person(10, &[]), 21), Uses::None),
        ("application", application(10), Uses::None),
        ("application, uses relaxed", application(10), Uses::Relaxed),
        ("application, uses strict", application(10), Uses::Strict),
        ("revoked", revoked(person(10, &[])), Uses::None),
        ("system", principal(10, PrincipalKind::System, &[]), Uses::None),
    ];
    for (name, who, uses) in cases {
        let granters = [PrincipalId::from_bytes([21; 16])];
        let rights = Rights { uses, granters: if uses == Uses::None { &[] } else { &granters } };
        let by = [person(20, &[Role::Administrator]), officer(22), officer(21), who.clone(), person(23, &[])];
        row(printed, name, by.iter().map(|by| said(check_credential(&who, rights, by)).to_owned()));
    }
}

/// Somebody to whom that one gave a capacity.
fn answering(who: Principal, giver: u8) -> Principal {
    who.with_capacity(Capacity::Dpo, PrincipalId::from_bytes([giver; 16]))
}

fn rings(printed: &mut String) {
    row(printed, "used by \\ ring becomes", Separation::ALL.iter().map(ToString::to_string));
    for held in roles() {
        let user = person(10, &held);
        let cell = |separation| {
            said(check_ring_separation(separation, [holder(&application(11)), holder(&user)])).to_owned()
        };
        row(printed, &words(&held), Separation::ALL.map(cell).into_iter());
    }
    let app = application(11);
    let cell = |separation| said(check_ring_separation(separation, [administering(&app)])).to_owned();
    row(printed, "workload, administers", Separation::ALL.map(cell).into_iter());
}

fn administering(principal: &Principal) -> Holder<'_> {
    Holder { principal, administers: true }
}

fn holder(principal: &Principal) -> Holder<'_> {
    Holder { principal, administers: false }
}

/// What is granted, or passed on, by what it is and to whom, on which kind of ring.
fn granted_actions(printed: &mut String) {
    let heads = ["workload strict", "workload relaxed", "person strict", "person relaxed"];
    row(printed, "action", heads.iter().map(ToString::to_string));
    let cases = [
        (application(10), Separation::Strict),
        (application(10), Separation::Relaxed),
        (person(10, &[]), Separation::Strict),
        (person(10, &[]), Separation::Relaxed),
    ];
    for action in Action::ALL.into_iter().filter(|action| !action.is_grantable()) {
        let cells = cases.iter().map(|(who, separation)| {
            let given = check_grant(who, &Makers::default(), *separation, &[action], OFFICER);
            assert_eq!(given, check_delegation(who, *separation, &[action]), "{action}");
            said(given).to_owned()
        });
        row(printed, action.name(), cells);
    }
}

#[test]
fn separation_matrix_is_the_golden_one() {
    let mut printed = String::from(
        "# Separation of duties, asked of the checks one by one. What is not `yes` names the rule.\n",
    );
    for (title, section) in [
        ("Roles, by roles held", role_pairs as fn(&mut String)),
        ("Roles, by recipient", role_recipients),
        ("Grants", grants),
        ("Roles and grants, by who made the recipient", makers),
        ("Credentials", credentials),
        ("What is no use of a key, granted", granted_actions),
        ("Ring separation", rings),
    ] {
        writeln!(printed, "\n# {title}").unwrap();
        section(&mut printed);
    }
    golden::check("separation.txt", &printed);
}

#[test]
fn roles_exclude_each_other_both_ways() {
    for one in Role::ALL {
        for other in Role::ALL {
            let gets = |held, wanted| {
                check_role_assignment(&person(10, &[held]), &Makers::default(), wanted, Uses::None, OFFICER)
                    .is_ok()
            };
            assert_eq!(gets(one, other), gets(other, one), "{one} and {other}");
        }
    }
}

#[test]
fn only_uses_are_granted_but_to_applications_on_relaxed_rings() {
    for action in Action::ALL {
        let of = |who: &Principal, separation| {
            check_grant(who, &Makers::default(), separation, &[Action::Encrypt, action], OFFICER).is_ok()
        };
        assert_eq!(of(&application(10), Separation::Strict), action.is_grantable(), "{action}");
        assert_eq!(of(&application(10), Separation::Relaxed), action.is_grantable_when_relaxed(), "{action}");
        assert_eq!(of(&person(10, &[]), Separation::Relaxed), action.is_grantable(), "{action}");
    }
    let all: Vec<_> = uses().collect();
    assert_eq!(check_grant(&application(10), &Makers::default(), Separation::Strict, &all, OFFICER), Ok(()));
}

#[test]
fn uses_are_as_strict_as_the_strictest_ring() {
    assert_eq!(Uses::of([]), Uses::None);
    assert_eq!(Uses::of([Separation::Relaxed, Separation::Relaxed]), Uses::Relaxed);
    assert_eq!(Uses::of([Separation::Relaxed, Separation::Strict]), Uses::Strict);
}

#[test]
fn others_approve_a_credential_of_one_with_rights_unless_they_make_it_themselves() {
    let officer = person(20, &[Role::SecurityOfficer]);
    let custodian = person(10, &[Role::Custodian]);
    for (who, uses, needs) in [
        (person(10, &[]), Uses::None, false),
        (person(10, &[]), Uses::Relaxed, false),
        (person(10, &[]), Uses::Strict, true),
        (custodian.clone(), Uses::None, true),
        (answering(person(10, &[]), 21), Uses::None, true),
        (application(10), Uses::None, false),
        (application(10), Uses::Relaxed, false),
        (application(10), Uses::Strict, true),
    ] {
        let rights = Rights { uses, granters: &[] };
        assert_eq!(credential_needs_approval(&who, rights, &officer), needs, "{} {uses:?}", who.kind);
        assert!(!credential_needs_approval(&who, rights, &who));
    }
    // Another account of the same person is only said to be one.
    let said = Principal { same_person_as: Some(custodian.id), ..person(21, &[Role::SecurityOfficer]) };
    let rights = Rights { uses: Uses::None, granters: &[] };
    assert!(credential_needs_approval(&custodian, rights, &said));
}

#[test]
fn accounts_of_one_person_give_each_other_nothing() {
    let account = |number| Principal { same_person_as: Some(person(10, &[]).id), ..person(number, &[]) };
    let (first, second, third, other) = (person(10, &[]), account(11), account(12), person(13, &[]));
    for (one, another) in [(&first, &first), (&first, &second), (&second, &first), (&second, &third)] {
        assert_eq!(check_other_person(one, another), Err(SeparationError::SelfService));
    }
    for one in [&first, &second] {
        assert_eq!(check_other_person(one, &other), Ok(()));
        assert_eq!(check_other_person(&other, one), Ok(()));
    }
}

/// A capacity goes with every role and with none; what it takes is another person, who could not act as its holder.
#[test]
fn capacities_are_of_people_and_given_by_others_who_did_not_make_them() {
    let none = Makers::default();
    for role in Role::ALL {
        assert_eq!(check_capacity(&person(10, &[role]), &none, OFFICER), Ok(()));
    }
    let who = person(10, &[]);
    assert_eq!(check_capacity(&who, &none, OFFICER), Ok(()));
    assert_eq!(check_capacity(&who, &none, who.id), Err(SeparationError::OwnCapacity));
    let makers = Makers::of(&Principal { created_by: Some(OFFICER), ..who.clone() }, &[], NOW);
    assert_eq!(check_capacity(&who, &makers, OFFICER), Err(SeparationError::CapacityByMaker));
    let gone = revoked(who);
    assert_eq!(check_capacity(&gone, &none, OFFICER), Err(SeparationError::Revoked(gone.id)));
    for who in [application(10), principal(10, PrincipalKind::System, &[])] {
        assert_eq!(check_capacity(&who, &none, OFFICER), Err(SeparationError::CapacityOfNoPerson));
    }
}

/// What somebody made by a credential that another one had made is that one's as well, whatever became of the first since.
#[test]
fn who_made_a_credential_is_a_maker_of_what_came_of_it() {
    let who = Principal { created_by: Some(PrincipalId::SYSTEM), ..person(10, &[]) };
    let at = |minute: u64| Timestamp::from_micros(PAST.as_micros() + minute * 60_000_000);
    let ended = |number: u8, by: PrincipalId, from: u64, until: u64| Credential {
        id: CredentialId::from_bytes([number; 16]),
        created_by: Some(by),
        created_at: at(from),
        expires_at: at(until),
        status: Status::Revoked,
        ..(*credential(&who, FUTURE)).clone()
    };
    let own = |number: u8, from: u64, until: u64| ended(number, who.id, from, until);
    let live = |number: u8, from: u64| Credential {
        status: Status::Active,
        expires_at: FUTURE,
        ..own(number, from, 0)
    };
    let is_maker =
        |credentials: &[Credential]| Makers::of(&who, credentials, NOW).all().any(|by| by == OFFICER);
    let first = || ended(1, OFFICER, 0, 10);
    assert!(is_maker(&[first(), live(2, 5)]));
    assert!(is_maker(&[first(), live(2, 0)]));
    // Over as many as came in between.
    assert!(is_maker(&[live(4, 30), own(3, 15, 40), first(), own(2, 5, 20)]));
    for credentials in [
        // Nothing came of it, or that is over; it came later; it was over by then.
        vec![first()],
        vec![first(), own(2, 5, 20)],
        vec![ended(1, OFFICER, 6, 10), live(2, 5)],
        vec![first(), live(2, 10)],
        vec![first(), own(2, 5, 20), live(3, 20)],
        // By these nobody makes another one.
        vec![Credential { kind: CredentialKind::EnrolmentCode, ..first() }, live(2, 5)],
        vec![Credential { awaits_confirmation: true, ..first() }, live(2, 5)],
    ] {
        assert!(!is_maker(&credentials), "{credentials:?}");
    }
}

#[test]
fn every_refusal_names_the_rule_and_a_way_out() {
    let who = person(10, &[Role::Auditor]);
    let refusals = [
        check_role_assignment(&who, &Makers::default(), Role::Custodian, Uses::None, OFFICER),
        check_role_assignment(&person(10, &[]), &Makers::default(), Role::Custodian, Uses::Strict, OFFICER),
        check_role_assignment(&application(10), &Makers::default(), Role::Custodian, Uses::None, OFFICER),
        check_role_assignment(&person(10, &[]), &Makers::default(), Role::Custodian, Uses::None, who.id),
        check_grant(&who, &Makers::default(), Separation::Relaxed, &[Action::Encrypt], OFFICER),
        check_grant(&application(10), &Makers::default(), Separation::Strict, &[Action::RotateKey], OFFICER),
        check_ring_separation(Separation::Strict, [holder(&person(10, &[Role::Administrator]))]),
        check_role_withdrawal(&who, who.id),
        check_capacity(&who, &Makers::default(), who.id),
        check_capacity(&application(10), &Makers::default(), OFFICER),
        Err(SeparationError::CapacityByMaker),
        Err(SeparationError::Maker),
        Err(SeparationError::CredentialByGiver),
        Err(SeparationError::CredentialOfApplication),
        Err(SeparationError::CredentialOfRights),
        Err(SeparationError::CredentialOfRole(Role::Auditor)),
    ];
    for refusal in refusals {
        let text = refusal.unwrap_err().to_string();
        assert!(
            ["give", "ask", "revoke", "withdraw", "let"].iter().any(|verb| text.contains(verb)),
            "{text}"
        );
    }
}

//! The attacks of `claviger-attack` that are quick, each on the binary under test. The slow ones: `.ci/nightly attacks`.

use claviger_attack::{ATTACKS, Lab, Pace, Verdict, attack};

use crate::instance::CLAVIGER;

fn holds(name: &str) {
    let attack = attack::find(name).unwrap();
    assert_eq!(attack.pace, Pace::Quick, "{name} runs by night");
    match (attack.run)(&Lab::new(CLAVIGER.as_ref()).unwrap()).unwrap() {
        Verdict::Held(_) => {}
        broken @ Verdict::Broken(_) => panic!("{name}: {broken}"),
    }
}

/// A test for each attack, in the order of the table.
macro_rules! attacks {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { holds($name); })*

        #[test]
        fn every_quick_attack_is_made_here() {
            let here: &[&str] = &[$($name),*];
            let made = |name: &str| here.contains(&name);
            let missing: Vec<_> = ATTACKS.iter().filter(|one| one.pace == Pace::Quick && !made(one.name)).collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
    };
}

attacks! {
    an_alias_that_an_application_took_leads_nobody_else_to_its_key: "alias-squatting",
    clocks_that_are_set_destroy_nothing_and_revive_nothing: "clocks",
    destruction_asks_its_ring_when_it_acts: "destruction-by-relaxing",
    governance_is_not_lost_by_one_person: "lost-governance",
    log_that_is_cut_off_is_not_served: "log-rollback",
    nobody_acts_under_the_names_of_others: "puppets",
    nobody_decides_for_several: "lone-approver",
    policy_of_a_key_ends_no_rights_of_others: "policy-takeover",
    rights_that_are_edited_in_the_database_decide_nothing_and_are_named: "edited-rights",
    rights_that_were_passed_on_end: "delegated-rights",
    who_is_unknown_learns_nothing_and_no_refusal_quotes_a_secret: "unknown-callers",
}

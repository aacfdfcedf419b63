//! The attacks of `claviger-attack` that are quick, each on the binary under test. The slow ones: `.ci/nightly attacks`.

use claviger_attack::{ATTACKS, Lab, Pace, Verdict, attack};

use crate::instance::CLAVIGER;

/// Attacks that are known to succeed still.
const OPEN: [&str; 4] = ["clocks", "delegated-rights", "destruction-by-relaxing", "log-rollback"];

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
            let _as_long_as_none_is_here: fn(&str) = holds;
            let made = |name: &str| here.contains(&name) || OPEN.contains(&name);
            let missing: Vec<_> = ATTACKS.iter().filter(|one| one.pace == Pace::Quick && !made(one.name)).collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
    };
}

attacks! {
    an_alias_that_an_application_took_leads_nobody_else_to_its_key: "alias-squatting",
    governance_is_not_lost_by_one_person: "lost-governance",
    nobody_acts_under_the_names_of_others: "puppets",
}

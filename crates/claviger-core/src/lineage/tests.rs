//! Chains of grants, judged; at last against a model that looks at nothing but what is written down.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::grant::Spelling;

const NOW: Timestamp = Timestamp::from_micros(1_000);

fn key(number: u8) -> Selector {
    Selector::Key(KeyId::from_bytes([number; 16]))
}

fn ring(number: u8) -> Selector {
    Selector::Ring(KeyRingId::from_bytes([number; 16]))
}

fn who(number: u8) -> PrincipalId {
    PrincipalId::from_bytes([number; 16])
}

fn named(number: u16) -> GrantId {
    let mut bytes = [0; 16];
    bytes[14..].copy_from_slice(&number.to_be_bytes());
    GrantId::from_bytes(bytes)
}

/// What one who passes everything on holds.
const ALL: [Action; 3] = [Action::Encrypt, Action::Decrypt, Action::DelegateGrant];

/// A grant given under a role.
fn given(number: u16, to: u8, selector: Selector, operations: &[Action]) -> Grant {
    Grant {
        id: named(number),
        principal: who(to),
        selector,
        operations: operations.to_vec(),
        conditions: Conditions::default(),
        reason: None,
        name: None,
        retiring: None,
        created_by: who(200),
        created_at: Timestamp::from_micros(u64::from(number)),
        basis: Basis::Role,
        origin: GrantOrigin::Direct,
        spelling: Spelling::default(),
        status: Status::Active,
        ending: None,
        revision: 1,
    }
}

/// A grant that was passed on.
fn passed(number: u16, by: u8, to: u8, operations: &[Action], on: &[u16]) -> Grant {
    let basis = Basis::Grants(on.iter().copied().map(named).collect());
    Grant { basis, created_by: who(by), ..given(number, to, key(1), operations) }
}

fn until(grant: Grant, micros: u64) -> Grant {
    let conditions = Conditions { until: Some(Timestamp::from_micros(micros)), ..grant.conditions };
    Grant { conditions, ..grant }
}

fn within(grant: Grant, pairs: &[&str]) -> Grant {
    let context_equals = pairs.iter().map(|name| ((*name).to_owned(), "v".to_owned())).collect();
    Grant { conditions: Conditions { context_equals, ..grant.conditions }, ..grant }
}

fn lineage(grants: &[Grant], active: &[u8]) -> Lineage {
    let key = KeyId::from_bytes([1; 16]);
    let active = active.iter().copied().map(who);
    Lineage::new(grants.iter().cloned(), active, [(key, KeyRingId::from_bytes([9; 16]))])
}

fn verdict(grants: &[Grant], active: &[u8], of: u16) -> Verdict {
    let grant = grants.iter().find(|grant| grant.id == named(of)).unwrap();
    lineage(grants, active).judge(NOW).verdict(grant)
}

#[test]
fn a_grant_given_under_a_role_depends_on_itself_alone() {
    let grants = [given(1, 1, ring(9), &ALL)];
    let expected = Honoured { until: None, depth: 0, chain: None };
    assert_eq!(verdict(&grants, &[], 1), Verdict::Honoured(expected));
}

#[test]
fn a_chain_names_all_that_it_depends_on_and_ends_with_the_first_of_it() {
    let grants = [
        until(given(1, 1, ring(9), &ALL), 9_000),
        until(passed(2, 1, 2, &ALL, &[1]), 5_000),
        passed(3, 2, 3, &[Action::Encrypt], &[2]),
    ];
    let Verdict::Honoured(honoured) = verdict(&grants, &[1, 2], 3) else { panic!("honoured") };
    assert_eq!((honoured.until, honoured.depth), (Some(Timestamp::from_micros(5_000)), 2));
    assert_eq!(*honoured.chain.unwrap(), Chain::new([named(1), named(2)], [who(1), who(2)]));
}

#[test]
fn whatever_ends_along_the_chain_is_named_as_the_cause() {
    let whole = || {
        [given(1, 1, ring(9), &ALL), passed(2, 1, 2, &ALL, &[1]), passed(3, 2, 3, &[Action::Encrypt], &[2])]
    };
    assert!(verdict(&whole(), &[1, 2], 3).honoured().is_some());
    // Who has the right last may be gone: that is held against credentials, not here.
    let cause = |change: &dyn Fn(&mut [Grant; 3]), active: &[u8]| {
        let mut grants = whole();
        change(&mut grants);
        verdict(&grants, active, 3).ended().unwrap()
    };
    let end = |by| move |grants: &mut [Grant; 3]| grants[0] = grants[0].clone().ended(by, NOW, None);
    for (by, how) in [
        (EndedBy::Revocation, How::Revoked),
        (EndedBy::Retirement, How::Retired),
        (EndedBy::Replacement, How::Replaced),
    ] {
        let ended = cause(&end(by), &[1, 2]);
        assert_eq!((ended.how(), ended.grant(), ended.at()), (how, Some(named(1)), Some(NOW)));
    }
    let expired = cause(&|grants| grants[1] = until(grants[1].clone(), 1_000), &[1, 2]);
    assert_eq!((expired.how(), expired.grant(), expired.at()), (How::Expired, Some(named(2)), Some(NOW)));
    for (gone, active) in [(1, [2]), (2, [1])] {
        let revoked = cause(&|_| {}, &active);
        assert_eq!((revoked.how(), revoked.principal()), (How::PrincipalRevoked, Some(who(gone))));
    }
}

#[test]
fn what_is_left_of_a_basis_is_enough_if_it_covers_all_and_not_if_it_covers_less() {
    let basis = [
        given(1, 1, key(1), &[Action::Encrypt, Action::DelegateGrant]),
        given(2, 1, key(1), &[Action::Decrypt]),
        given(3, 1, ring(9), &ALL),
    ];
    let both = [Action::Encrypt, Action::Decrypt];
    let passed_on = passed(4, 1, 2, &both, &[1, 2, 3]);
    let after = |ended: &[usize]| {
        let mut grants = basis.to_vec();
        for at in ended {
            grants[*at] = grants[*at].clone().ended(EndedBy::Revocation, NOW, None);
        }
        grants.push(passed_on.clone());
        verdict(&grants, &[1], 4)
    };
    for enough in [&[][..], &[0], &[1], &[0, 1], &[2]] {
        assert!(after(enough).honoured().is_some(), "{enough:?}");
    }
    for short in [&[0, 2][..], &[1, 2], &[0, 1, 2]] {
        assert!(after(short).ended().is_some(), "{short:?}");
    }
}

#[test]
fn by_when_a_grant_has_ended_is_known_from_its_time_and_that_of_what_it_rests_on() {
    let bearing =
        |grant: &Grant| Bearing { operations: grant.operations.clone(), ends_by: grant.conditions.until };
    let at = |micros| Some(Timestamp::from_micros(micros));
    let short = until(given(1, 1, key(1), &[Action::Encrypt]), 5_000);
    let long = until(given(2, 1, key(1), &[Action::Encrypt, Action::Decrypt]), 7_000);
    let to_give = given(3, 1, key(1), &[Action::DelegateGrant]);
    let basis = [&short, &long, &to_give].map(bearing);
    let on = [1, 2, 3];
    // Of those that give an action, the one that lasts longest; of what is needed, the one that ends first.
    assert_eq!(ends_by(&passed(4, 1, 2, &[Action::Encrypt], &on), &basis), at(7_000));
    assert_eq!(ends_by(&until(passed(4, 1, 2, &[Action::Encrypt], &on), 6_000), &basis), at(6_000));
    assert_eq!(ends_by(&passed(4, 1, 2, &[Action::RetireGrant], &on), &basis), None);
    // What nothing gives was never honoured.
    assert_eq!(ends_by(&passed(4, 1, 2, &[Action::Sign], &on), &basis), at(0));
    assert_eq!(ends_by(&passed(4, 1, 2, &[Action::Encrypt], &[1]), &basis[..1]), at(0));
    assert_eq!(ends_by(&given(4, 1, key(1), &[Action::Sign]), &basis), None);
}

#[test]
fn what_time_ended_has_not_ended_for_good_and_what_an_act_ended_has() {
    let all = [
        until(given(1, 1, ring(9), &ALL), 500),
        passed(2, 1, 2, &ALL, &[1]),
        passed(3, 2, 3, &[Action::Encrypt], &[2]),
        given(4, 1, ring(9), &ALL).ended(EndedBy::Revocation, NOW, None),
        passed(5, 1, 3, &[Action::Encrypt], &[4]),
        // Left of its basis is what time ended.
        passed(6, 1, 3, &[Action::Encrypt], &[4, 1]),
        passed(7, 1, 3, &[Action::Encrypt], &[]),
    ];
    assert!((2..=7).all(|of| verdict(&all, &[1, 2], of).ended().is_some()), "none is honoured");
    let for_good = [false, false, false, true, true, false, true];
    assert_eq!(lineage(&all, &[1, 2]).ended_for_good(&all), for_good);
    // Whoever passed it on is gone.
    assert_eq!(lineage(&all, &[2]).ended_for_good(&all[1..3]), [true, true]);
}

#[test]
fn rows_that_do_not_bear_a_grant_do_not_make_it_honoured() {
    let encrypt = [Action::Encrypt];
    for (why, basis, grant) in [
        ("nothing", vec![], passed(9, 1, 2, &encrypt, &[])),
        ("a missing grant", vec![], passed(9, 1, 2, &encrypt, &[1])),
        ("another's grant", vec![given(1, 3, key(1), &ALL)], passed(9, 1, 2, &encrypt, &[1])),
        ("another key", vec![given(1, 1, key(2), &ALL)], passed(9, 1, 2, &encrypt, &[1])),
        ("another ring", vec![given(1, 1, ring(8), &ALL)], passed(9, 1, 2, &encrypt, &[1])),
        ("fewer actions", vec![given(1, 1, key(1), &ALL)], passed(9, 1, 2, &[Action::Sign], &[1])),
        ("no right to pass on", vec![given(1, 1, key(1), &encrypt)], passed(9, 1, 2, &encrypt, &[1])),
        (
            "narrower conditions",
            vec![within(given(1, 1, key(1), &ALL), &["a"])],
            passed(9, 1, 2, &encrypt, &[1]),
        ),
        ("itself", vec![], passed(9, 1, 1, &ALL, &[9])),
    ] {
        let grants = [basis, vec![grant]].concat();
        assert!(verdict(&grants, &[1], 9).ended().is_some(), "{why}");
    }
    let circle = [passed(1, 1, 1, &ALL, &[2]), passed(2, 1, 1, &ALL, &[1])];
    assert!(verdict(&circle, &[1], 1).ended().is_some() && verdict(&circle, &[1], 2).ended().is_some());
}

#[test]
fn a_key_policy_is_passed_on_by_the_right_to_set_it_and_single_grants_are_not() {
    let basis = given(1, 1, key(1), &[Action::Encrypt, Action::PutKeyPolicy]);
    let by = |origin| Grant { origin, ..passed(2, 1, 2, &[Action::Encrypt], &[1]) };
    assert!(verdict(&[basis.clone(), by(GrantOrigin::KeyPolicy)], &[1], 2).honoured().is_some());
    assert!(verdict(&[basis, by(GrantOrigin::Direct)], &[1], 2).ended().is_some());
}

#[test]
fn emergency_access_is_given_and_rests_on_no_grant() {
    let given = Grant { origin: GrantOrigin::BreakGlass, ..given(1, 1, key(1), &ALL) };
    assert!(verdict(std::slice::from_ref(&given), &[1], 1).honoured().is_some());
    let passed_on = Grant { origin: GrantOrigin::BreakGlass, ..passed(2, 1, 2, &[Action::Decrypt], &[1]) };
    assert!(verdict(&[given, passed_on], &[1], 2).ended().is_some());
}

fn choose(held: &[Grant], operations: &[Action], conditions: &Conditions) -> Result<Vec<GrantId>, Shortfall> {
    let wanted = Delegation {
        selector: key(1),
        operations,
        conditions,
        origin: GrantOrigin::Direct,
        permitted_by: None,
    };
    lineage(held, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).judge(NOW).choose(who(1), held, &wanted)
}

#[test]
fn a_right_rests_on_what_lasts_longest_and_on_no_more_than_it_needs() {
    let any = Conditions::default();
    let held = [
        until(given(1, 1, key(1), &ALL), 5_000),
        given(2, 1, ring(9), &[Action::Encrypt]),
        until(given(3, 1, key(1), &ALL), 7_000),
        given(4, 1, key(1), &[Action::Encrypt, Action::DelegateGrant]),
    ];
    assert_eq!(choose(&held, &[Action::Decrypt], &any), Ok(vec![named(3), named(4)]));
    assert_eq!(choose(&held, &[Action::Encrypt], &any), Ok(vec![named(2), named(4)]));
    assert_eq!(choose(&held[..1], &ALL, &any), Ok(vec![named(1)]));
    assert_eq!(choose(&held[..1], &[Action::RetireGrant], &any), Ok(vec![named(1)]));
    assert_eq!(choose(&held[..2], &[Action::Sign], &any), Err(Shortfall::Lacks(Action::Sign)));
    assert_eq!(choose(&held[1..2], &[Action::Encrypt], &any), Err(Shortfall::Lacks(Action::DelegateGrant)));
    let longer = Conditions { until: Some(Timestamp::from_micros(7_001)), ..any.clone() };
    let ends = Shortfall::Outlives(Timestamp::from_micros(7_000));
    assert_eq!(choose(&held, &[Action::Decrypt], &longer), Err(ends));
    let as_long = Conditions { until: Some(Timestamp::from_micros(7_000)), ..any.clone() };
    assert!(choose(&held, &[Action::Decrypt], &as_long).is_ok());
    assert!(choose(&held, &[Action::Encrypt], &longer).is_ok());
}

#[test]
fn a_conditional_right_is_passed_on_under_the_same_conditions_or_narrower_ones() {
    let held = [
        within(given(1, 1, key(1), &[Action::Encrypt]), &["a"]),
        given(2, 1, key(1), &[Action::DelegateGrant]),
    ];
    let with = |pairs: &[&str]| within(held[1].clone(), pairs).conditions;
    assert_eq!(choose(&held, &[Action::Encrypt], &with(&["a"])), Ok(vec![named(1), named(2)]));
    assert!(choose(&held, &[Action::Encrypt], &with(&["b", "a"])).is_ok());
    for wider in [&[][..], &["b"]] {
        let refused = choose(&held, &[Action::Encrypt], &with(wider));
        assert_eq!(refused, Err(Shortfall::Lacks(Action::Encrypt)));
    }
}

#[test]
fn a_right_is_passed_on_eight_times_and_no_further() {
    let mut grants = vec![given(1, 1, key(1), &ALL)];
    for step in 1..=8 {
        let (number, by) = (u16::from(step) + 1, step);
        let held: Vec<_> = grants.iter().filter(|grant| grant.principal == who(by)).cloned().collect();
        let wanted = Delegation {
            selector: key(1),
            operations: &ALL,
            conditions: &Conditions::default(),
            origin: GrantOrigin::Direct,
            permitted_by: None,
        };
        let known = lineage(&grants, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let chosen = known.judge(NOW).choose(who(by), &held, &wanted);
        assert_eq!(chosen, Ok(vec![named(number - 1)]));
        grants.push(passed(number, by, by + 1, &ALL, &[number - 1]));
    }
    let everyone = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    let Verdict::Honoured(last) = verdict(&grants, &everyone, 9) else { panic!("honoured") };
    assert_eq!(last.depth, MAX_DEPTH);
    let held = [grants[8].clone()];
    let wanted = Delegation {
        selector: key(1),
        operations: &[Action::Encrypt],
        conditions: &Conditions::default(),
        origin: GrantOrigin::Direct,
        permitted_by: None,
    };
    assert_eq!(
        lineage(&grants, &everyone).judge(NOW).choose(who(9), &held, &wanted),
        Err(Shortfall::TooDeep)
    );
    // A row that says so nevertheless is not honoured.
    grants.push(passed(10, 9, 10, &ALL, &[9]));
    assert_eq!(verdict(&grants, &everyone, 10).ended().unwrap().how(), How::TooDeep);
}

#[test]
fn a_right_rests_on_a_bounded_number_of_grants() {
    let grantable: Vec<_> =
        Action::ALL.into_iter().filter(|action| action.is_grantable_when_relaxed()).collect();
    let one_each: Vec<_> = (1_u16..)
        .zip(&grantable)
        .map(|(number, action)| given(number, 1, key(1), std::slice::from_ref(action)))
        .collect();
    assert_eq!(choose(&one_each, &grantable, &Conditions::default()), Err(Shortfall::TooMany));
}

// ---- Against a model ----

/// What happens, one instant after the other.
#[derive(Clone, Debug)]
enum Step {
    Give { to: u8, on_ring: bool, operations: Vec<Action>, pairs: usize, lasts: Option<u64> },
    Pass { by: u8, to: u8, operations: Vec<Action>, pairs: usize, lasts: Option<u64> },
    End { which: usize },
    Revoke { principal: u8 },
    Wait,
}

const NAMES: [&str; 2] = ["a", "b"];
const PEOPLE: u8 = 5;

fn step() -> impl Strategy<Value = Step> {
    let person = || 1_u8..=PEOPLE;
    let operations = || {
        prop::sample::subsequence(
            vec![Action::Encrypt, Action::Decrypt, Action::RetireGrant, Action::DelegateGrant],
            1..=4,
        )
    };
    let lasts = || prop_oneof![3 => Just(None), 2 => (1_u64..12).prop_map(Some)];
    prop_oneof![
        3 => (person(), any::<bool>(), operations(), 0_usize..3, lasts()).prop_map(
            |(to, on_ring, operations, pairs, lasts)| Step::Give { to, on_ring, operations, pairs, lasts }),
        8 => (person(), person(), operations(), 0_usize..3, lasts()).prop_map(
            |(by, to, operations, pairs, lasts)| Step::Pass { by, to, operations, pairs, lasts }),
        2 => (0_usize..12).prop_map(|which| Step::End { which }),
        1 => person().prop_map(|principal| Step::Revoke { principal }),
        1 => Just(Step::Wait),
    ]
}

/// A grant as the model knows it.
struct Written {
    holder: u8,
    giver: Option<u8>,
    operations: Vec<Action>,
    /// How many of the pairs a call must have.
    pairs: usize,
    until: Option<u64>,
    basis: Vec<usize>,
    ended: bool,
}

#[derive(Default)]
struct Model {
    grants: Vec<Written>,
    gone: Vec<u8>,
    now: u64,
}

impl Model {
    /// Written down without memory, shared code or order: follow every grant to the bottom, every time.
    fn honours(&self, at: usize, now: u64) -> bool {
        let grant = &self.grants[at];
        let Some(giver) = grant.giver else {
            return !grant.ended && grant.until.is_none_or(|until| now < until);
        };
        let bears = |action: Action| {
            grant.basis.iter().any(|on| {
                let below = &self.grants[*on];
                below.operations.contains(&action)
                    && (action == Action::DelegateGrant && !grant.operations.contains(&action)
                        || below.pairs <= grant.pairs)
                    && self.honours(*on, now)
            })
        };
        let mut needed: Vec<_> =
            grant.operations.iter().copied().filter(|action| *action != Action::RetireGrant).collect();
        if !needed.contains(&Action::DelegateGrant) {
            needed.push(Action::DelegateGrant);
        }
        !grant.ended
            && grant.until.is_none_or(|until| now < until)
            && !self.gone.contains(&giver)
            && needed.into_iter().all(bears)
    }

    fn permits(&self, who: u8, action: Action, pairs: usize) -> bool {
        let gives = |at: &usize| {
            let grant = &self.grants[*at];
            grant.holder == who && grant.operations.contains(&action) && grant.pairs <= pairs
        };
        (0..self.grants.len()).filter(gives).any(|at| self.honours(at, self.now))
    }

    /// May the giver pass that on, until then? Only what is honoured as long, and only who may pass rights on at all.
    fn lets_pass(&self, by: u8, operations: &[Action], pairs: usize, until: Option<u64>) -> bool {
        let mine = |action: Action, pairs: usize, at: u64| {
            (0..self.grants.len()).any(|on| {
                let grant = &self.grants[on];
                grant.holder == by
                    && grant.operations.contains(&action)
                    && grant.pairs <= pairs
                    && self.honours(on, self.now)
                    && self.honours(on, at)
            })
        };
        let last = until.map_or(self.now, |until| until - 1);
        let needed = operations.iter().copied().filter(|action| *action != Action::RetireGrant);
        !self.gone.contains(&by)
            && needed.into_iter().all(|action| mine(action, pairs, last))
            && mine(Action::DelegateGrant, 0, last)
    }
}

fn play(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let mut rows: Vec<Grant> = Vec::new();
    let at = |tick: u64| Timestamp::from_micros(0).after(Duration::from_secs(tick));
    for step in steps {
        model.now += 1;
        let now = at(model.now);
        let active: Vec<_> = (1..=PEOPLE).filter(|who| !model.gone.contains(who)).collect();
        let number = u16::try_from(rows.len()).unwrap() + 1;
        let terms = |grant: Grant, pairs: usize, until: Option<u64>| {
            let grant = within(grant, &NAMES[..pairs]);
            let conditions = Conditions { until: until.map(at), ..grant.conditions };
            Grant { conditions, created_at: now, ..grant }
        };
        match step {
            Step::Give { to, on_ring, operations, pairs, lasts } => {
                let until = lasts.map(|lasts| model.now + lasts);
                let on = if *on_ring { ring(9) } else { key(1) };
                rows.push(terms(given(number, *to, on, operations), *pairs, until));
                let (holder, operations, pairs) = (*to, operations.clone(), *pairs);
                let (giver, basis, ended) = (None, Vec::new(), false);
                model.grants.push(Written { holder, giver, operations, pairs, until, basis, ended });
            }
            Step::Pass { by, to, operations, pairs, lasts } => {
                let until = lasts.map(|lasts| model.now + lasts);
                let conditions = terms(given(0, 0, key(1), &[]), *pairs, until).conditions;
                let held: Vec<_> = rows.iter().filter(|row| row.principal == who(*by)).cloned().collect();
                let wanted = Delegation {
                    selector: key(1),
                    operations,
                    conditions: &conditions,
                    origin: GrantOrigin::Direct,
                    permitted_by: None,
                };
                let known = lineage(&rows, &active);
                let chosen = known.judge(now).choose(who(*by), &held, &wanted);
                if chosen == Err(Shortfall::TooDeep) {
                    continue;
                }
                let lets = active.contains(by) && model.lets_pass(*by, operations, *pairs, until);
                prop_assert_eq!(active.contains(by) && chosen.is_ok(), lets, "{:?} {:?}", step, chosen);
                let Some(chosen) = chosen.ok().filter(|_| lets) else { continue };
                let places: HashMap<_, _> = rows.iter().enumerate().map(|(at, row)| (row.id, at)).collect();
                let grant = Grant {
                    basis: Basis::Grants(chosen.clone()),
                    created_by: who(*by),
                    ..terms(given(number, *to, key(1), operations), *pairs, until)
                };
                rows.push(grant);
                let (holder, operations, pairs) = (*to, operations.clone(), *pairs);
                let basis = chosen.iter().map(|id| places[id]).collect();
                let giver = Some(*by);
                model.grants.push(Written { holder, giver, operations, pairs, until, basis, ended: false });
            }
            Step::End { which } => {
                if let Some(row) = rows.get_mut(*which) {
                    *row = row.clone().ended(EndedBy::Revocation, now, None);
                    model.grants[*which].ended = true;
                }
            }
            Step::Revoke { principal } => model.gone.push(*principal),
            Step::Wait => model.now += 3,
        }
        let now = at(model.now);
        let active: Vec<_> = (1..=PEOPLE).filter(|who| !model.gone.contains(who)).collect();
        let known = lineage(&rows, &active);
        let mut judge = known.judge(now);
        let verdicts: Vec<_> = rows.iter().map(|row| judge.verdict(row)).collect();
        let for_good = known.ended_for_good(&rows);
        let mut bearings: HashMap<GrantId, Bearing> = HashMap::new();
        for row in &rows {
            let basis: Vec<_> = row.basis.grants().iter().map(|id| bearings[id].clone()).collect();
            let bearing = Bearing { operations: row.operations.clone(), ends_by: ends_by(row, &basis) };
            bearings.insert(row.id, bearing);
        }
        for (at, verdict) in verdicts.iter().enumerate() {
            let honoured = verdict.honoured().is_some();
            let in_time = bearings[&rows[at].id].ends_by.is_none_or(|end| now < end);
            prop_assert!(!honoured || (in_time && !for_good[at]), "grant {} after {:?}", at + 1, step);
            prop_assert_eq!(honoured, model.honours(at, model.now), "grant {} after {:?}", at + 1, step);
            // What is said of the end is when the model sees it end, were nothing else to happen.
            if let Some(until) = verdict.honoured().and_then(|honoured| honoured.until) {
                let tick = until.as_micros() / 1_000_000;
                prop_assert!(
                    model.honours(at, tick - 1) && !model.honours(at, tick),
                    "grant {} ends",
                    at + 1
                );
            }
        }
        for (person, action) in (1..=PEOPLE).flat_map(|person| ALL.map(|action| (person, action))) {
            for pairs in 0..=NAMES.len() {
                let permitted = rows.iter().zip(&verdicts).any(|(row, verdict)| {
                    row.principal == who(person)
                        && row.operations.contains(&action)
                        && row.conditions.context_equals.len() <= pairs
                        && verdict.honoured().is_some()
                });
                prop_assert_eq!(permitted, model.permits(person, action, pairs));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1_500), ..ProptestConfig::default() })]

    #[test]
    fn grants_are_honoured_exactly_as_the_model_says(steps in prop::collection::vec(step(), 1..30)) {
        play(&steps)?;
    }
}

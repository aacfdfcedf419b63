//! All persons and all pairs of persons: those with equal rights are looked at once.
//!
//! Persons are of one class when the same can be done by each of them and to each of them: when their accounts have the same roles and
//! rights, when they may have kept the same secrets, and when they made, and gave something to, the same others. Of others of which there
//! are many alike it is enough that there is one to whom neither did anything, so that there it does not matter to whom they did.
//!
//! What it keeps true: persons who made each other, or gave each other something, are looked at apart from those who did not; where there are
//! few of everything, classes have equal rights exactly, and a test holds them against each person and each pair by themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use claviger_core::principal::Role;
use claviger_core::{Name, PrincipalId};

use super::coalition::{Coalition, Path, length};
use super::facts::{Facts, Known};
use super::rulings::Judge;
use super::{Analysis, CounterExample, Exception, ExceptionKind, Goal, LookedAt, Member, Question};

/// Where there are no more alike than this, it matters which of them somebody made or gave something to.
const FEW: usize = 16;
/// Most names of a class.
const MOST_NAMES: usize = 10;
/// Most that is told.
const MOST_FOUND: usize = 1000;

/// What makes persons equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Signature {
    /// Of each account: its sort, whether it can call, whether it can sign now and once it has enrolled, and whether it came by a recovery
    /// that nobody knows of.
    accounts: Vec<(usize, bool, [bool; 2], bool)>,
    /// Whose secrets may have been kept: of which sort, whether it signs, and of few who it is.
    kept: Vec<(usize, bool, Option<PrincipalId>)>,
    /// To whom of few something was done, and to which many all alike.
    did_to: Vec<PrincipalId>,
    did_to_all: Vec<usize>,
    /// By whom of few with roles it was made, and given something.
    made_by: Vec<PrincipalId>,
    given_by: Vec<PrincipalId>,
}

/// Persons of one class.
#[derive(Debug)]
struct Class {
    members: Vec<PrincipalId>,
    roles: Vec<Role>,
    /// Can none of them do anything by itself?
    is_idle: bool,
    /// What each of them reaches alone.
    alone: BTreeSet<Goal>,
}

/// All classes, with what is needed to find them.
struct Classes<'f> {
    facts: &'f Facts,
    /// Of which sort the principal at each place is.
    sorts: HashMap<usize, usize>,
    /// To whom each person did something, by places.
    did_to: HashMap<PrincipalId, Vec<usize>>,
    /// Those with roles, where they are few.
    few_with_roles: Option<BTreeSet<PrincipalId>>,
}

impl<'f> Classes<'f> {
    fn of(facts: &'f Facts) -> Self {
        let sorts = facts.targets.iter().enumerate();
        let sorts = sorts.flat_map(|(sort, places)| places.iter().map(move |place| (*place, sort))).collect();
        let mut did_to: HashMap<PrincipalId, Vec<usize>> = HashMap::new();
        for (place, known) in facts.known.iter().enumerate() {
            let by: BTreeSet<_> = known.made_by.iter().chain(&known.given_by).copied().collect();
            for person in by {
                did_to.entry(person).or_default().push(place);
            }
        }
        let with_roles = facts.known.iter().filter(|known| !known.principal.roles.is_empty());
        let with_roles: BTreeSet<_> = with_roles.map(|known| known.person).collect();
        let few_with_roles = Some(with_roles).filter(|persons| persons.len() <= FEW);
        Self { facts, sorts, did_to, few_with_roles }
    }

    /// The class of each person, in the order of persons.
    fn sorted(&self) -> Vec<Class> {
        let mut places: HashMap<Signature, usize> = HashMap::new();
        let mut classes: Vec<Class> = Vec::new();
        for person in &self.facts.persons {
            let (signature, is_idle) = self.signature(person.id);
            let place = *places.entry(signature).or_insert(classes.len());
            if place == classes.len() {
                let accounts = self.facts.accounts(person.id);
                let roles: BTreeSet<_> = accounts.flat_map(|known| &known.principal.roles).copied().collect();
                let roles = roles.into_iter().collect();
                classes.push(Class { members: Vec::new(), roles, is_idle, alone: BTreeSet::new() });
            }
            if let Some(class) = classes.get_mut(place) {
                class.members.push(person.id);
            }
        }
        classes
    }

    fn signature(&self, person: PrincipalId) -> (Signature, bool) {
        let (mut accounts, mut made_by, mut given_by) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let mut is_idle = true;
        for place in self.facts.person(person).into_iter().flat_map(|person| &person.accounts) {
            let Some(known) = self.facts.known.get(*place) else { continue };
            let awaits = known.principal.awaits_acknowledgement();
            let signs = [known.has_certificate, known.signs];
            accounts.push((self.sort(*place), known.is_live, signs, awaits));
            is_idle &= known.principal.roles.is_empty();
            if let Some(few) = &self.few_with_roles {
                made_by.extend(known.made_by.iter().filter(|by| few.contains(*by)));
                given_by.extend(known.given_by.iter().filter(|by| few.contains(*by)));
            }
        }
        let kept = self.facts.kept_by(person);
        is_idle &= kept.is_empty();
        let kept = kept.iter().map(|kept| {
            let sort = self.sort(kept.of);
            let who = self.facts.known.get(kept.of).filter(|_| self.are_few(sort));
            (sort, kept.signs, who.map(|known| known.principal.id))
        });
        let kept = kept.collect::<BTreeSet<_>>().into_iter().collect();
        let (did_to, did_to_all) = if is_idle { (Vec::new(), Vec::new()) } else { self.did_to(person) };
        accounts.sort_unstable();
        let [made_by, given_by] = [made_by, given_by].map(|by| by.into_iter().copied().collect());
        (Signature { accounts, kept, did_to, did_to_all, made_by, given_by }, is_idle)
    }

    /// To whom of few a person did something, and to which many all alike.
    fn did_to(&self, person: PrincipalId) -> (Vec<PrincipalId>, Vec<usize>) {
        let (mut few, mut counts) = (Vec::new(), BTreeMap::<usize, usize>::new());
        for place in self.did_to.get(&person).into_iter().flatten() {
            let Some(known) = self.facts.known.get(*place) else { continue };
            let sort = self.sort(*place);
            if self.are_few(sort) {
                few.push(known.principal.id);
            } else {
                *counts.entry(sort).or_default() += 1;
            }
        }
        few.sort_unstable();
        let is_all = |sort: &usize, count: usize| {
            self.facts.targets.get(*sort).is_some_and(|places| places.len() == count)
        };
        let all = counts.into_iter().filter(|(sort, count)| is_all(sort, *count)).map(|(sort, _)| sort);
        (few, all.collect())
    }

    /// Who was revoked is of no sort.
    fn sort(&self, place: usize) -> usize {
        self.sorts.get(&place).copied().unwrap_or(usize::MAX)
    }

    fn are_few(&self, sort: usize) -> bool {
        self.facts.targets.get(sort).is_some_and(|places| places.len() <= FEW)
    }
}

/// What two persons did to each other: made, and gave something.
type Bond = [(bool, bool); 2];

fn bond(facts: &Facts, one: PrincipalId, other: PrincipalId) -> Bond {
    [(one, other), (other, one)].map(|(by, to)| {
        let did = |by_whom: fn(&Known) -> &[PrincipalId]| {
            facts.accounts(to).any(|known| by_whom(known).contains(&by))
        };
        (did(|known| &known.made_by), did(|known| &known.given_by))
    })
}

/// Pairs of two classes that are bound to each other in one way, with one of them.
type Bound = BTreeMap<Bond, (u64, [PrincipalId; 2])>;

/// Pairs of persons of whom one did something to the other.
struct Bonds {
    pairs: HashSet<[PrincipalId; 2]>,
    by_class: HashMap<[usize; 2], Bound>,
}

impl Bonds {
    fn of(facts: &Facts, classes: &[Class]) -> Self {
        let mut class_of: HashMap<PrincipalId, usize> = HashMap::new();
        for (place, class) in classes.iter().enumerate() {
            class_of.extend(class.members.iter().map(|person| (*person, place)));
        }
        let mut bonds = Self { pairs: HashSet::new(), by_class: HashMap::new() };
        for person in &facts.persons {
            for known in facts.accounts(person.id) {
                for by in known.made_by.iter().chain(&known.given_by) {
                    let places = (class_of.get(by), class_of.get(&person.id));
                    if let (Some(one), Some(other)) = places
                        && *by != person.id
                    {
                        bonds.add(facts, [(*one, *by), (*other, person.id)]);
                    }
                }
            }
        }
        bonds
    }

    fn add(&mut self, facts: &Facts, pair: [(usize, PrincipalId); 2]) {
        if !self.pairs.insert(ordered(pair.map(|(_, person)| person))) {
            return;
        }
        let mut pair = pair;
        pair.sort_unstable();
        let [(first, one), (second, other)] = pair;
        let mut way = bond(facts, one, other);
        if first == second {
            // Within a class it is all the same which of them did it.
            way.sort_unstable();
        }
        let alike = self.by_class.entry([first, second]).or_default();
        alike.entry(way).or_insert((0, [one, other])).0 += 1;
    }

    /// Two of these who did nothing to each other.
    fn strangers(&self, one: &Class, other: &Class) -> Option<[PrincipalId; 2]> {
        let mut pairs =
            one.members.iter().flat_map(|one| other.members.iter().map(move |other| [*one, *other]));
        pairs.find(|[one, other]| one != other && !self.pairs.contains(&ordered([*one, *other])))
    }
}

fn ordered(mut pair: [PrincipalId; 2]) -> [PrincipalId; 2] {
    pair.sort_unstable();
    pair
}

/// What was found so far.
struct Found<'j, 'f> {
    judge: &'j Judge<'f>,
    goals: Vec<Goal>,
    /// By goal, and by the classes of those who reach it.
    all: BTreeMap<Who, Reached>,
}

/// A goal, and the classes of those who reach it.
type Who = (Goal, Vec<usize>);
/// How many reach it so, and some of them by the shortest way.
type Reached = (u64, Vec<PrincipalId>, Path);

impl Found<'_, '_> {
    /// Looks at so many coalitions like this one. Gives what they reach beyond what their persons reach alone.
    fn look(
        &mut self,
        persons: &[PrincipalId],
        classes: Vec<usize>,
        count: u64,
        alone: &BTreeSet<Goal>,
    ) -> BTreeSet<Goal> {
        let goals: Vec<_> = self.goals.iter().copied().filter(|goal| !alone.contains(goal)).collect();
        if goals.is_empty() {
            return BTreeSet::new();
        }
        let coalition = Coalition::of(self.judge, persons);
        let reached = goals.into_iter().filter_map(|goal| Some((goal, coalition.reach(goal)?)));
        let mut goals = BTreeSet::new();
        for (goal, path) in reached {
            goals.insert(goal);
            let one = self.all.entry((goal, classes.clone()));
            let one = one.or_insert_with(|| (0, persons.to_vec(), path.clone()));
            one.0 = one.0.saturating_add(count);
            if length(&path) < length(&one.2) {
                (one.1, one.2) = (persons.to_vec(), path);
            }
        }
        goals
    }
}

pub(super) fn analyze<E>(
    judge: &Judge<'_>,
    question: Question,
    mut check: impl FnMut() -> Result<(), E>,
) -> Result<Analysis, E> {
    let facts = judge.facts;
    let goals = Goal::ALL.into_iter().filter(|goal| question.goal.is_none_or(|only| only == *goal));
    let mut found = Found { judge, goals: goals.collect(), all: BTreeMap::new() };
    let mut classes = Classes::of(facts).sorted();
    for (place, class) in classes.iter_mut().enumerate().filter(|(_, class)| !class.is_idle) {
        check()?;
        if let Some(person) = class.members.first() {
            class.alone = found.look(&[*person], vec![place], count(class.members.len()), &BTreeSet::new());
        }
    }
    if question.pairs {
        let bonds = Bonds::of(facts, &classes);
        for (first, one) in classes.iter().enumerate() {
            for (second, other) in classes.iter().enumerate().skip(first) {
                if one.is_idle && other.is_idle {
                    continue;
                }
                check()?;
                look_at_pairs(&mut found, &bonds, (first, one), (second, other));
            }
        }
    }
    let named = named(&found);
    let looked_at = LookedAt {
        persons: count(facts.persons.len()),
        principals: count(facts.known.len()),
        credentials: facts.credentials,
        grants: facts.grants,
        rings: count(facts.rings.len()),
        strict_rings: count(facts.rings.iter().filter(|ring| ring.is_guarded()).count()),
        classes: count(classes.len()),
    };
    if question.founder {
        check()?;
        // Of no class: nobody is known to be it.
        found.look(&[PrincipalId::SYSTEM], Vec::new(), 1, &BTreeSet::new());
    }
    let mut examples: Vec<_> = found.all.into_iter().map(|one| example(facts, &classes, one)).collect();
    examples.sort_by_key(|one| (one.goal, one.members.len(), length(&one.path)));
    let left_off = count(examples.len().saturating_sub(MOST_FOUND));
    examples.truncate(MOST_FOUND);
    Ok(Analysis { found: examples, left_off, named, looked_at })
}

fn look_at_pairs(
    found: &mut Found<'_, '_>,
    bonds: &Bonds,
    (first, one): (usize, &Class),
    (second, other): (usize, &Class),
) {
    let (few, many) = (count(one.members.len()), count(other.members.len()));
    let all = if first == second { few * few.saturating_sub(1) / 2 } else { few.saturating_mul(many) };
    let alone: BTreeSet<_> = one.alone.union(&other.alone).copied().collect();
    let mut bound: u64 = 0;
    for (number, pair) in bonds.by_class.get(&[first, second]).into_iter().flat_map(BTreeMap::values) {
        bound += *number;
        found.look(pair, vec![first, second], *number, &alone);
    }
    let strangers = all.saturating_sub(bound);
    if strangers > 0
        && let Some(pair) = bonds.strangers(one, other)
    {
        found.look(&pair, vec![first, second], strangers, &alone);
    }
}

fn example(
    facts: &Facts,
    classes: &[Class],
    ((goal, places), (so_many, persons, path)): (Who, Reached),
) -> CounterExample {
    let members = places.iter().zip(&persons).filter_map(|(place, person)| {
        let class = classes.get(*place)?;
        let others = class.members.iter().filter(|other| *other != person);
        let names = std::iter::once(person).chain(others).filter_map(|person| name_of(facts, *person));
        Some(Member {
            roles: class.roles.clone(),
            names: names.take(MOST_NAMES).collect(),
            count: count(class.members.len()),
        })
    });
    CounterExample { goal, members: members.collect(), count: so_many, path }
}

/// What is known of the deployment.
fn named(found: &Found<'_, '_>) -> Vec<Exception> {
    let (judge, facts) = (found.judge, found.judge.facts);
    let exception = |kind, persons: Vec<PrincipalId>, count: u64, goals: Vec<Goal>| {
        let names = persons.into_iter().filter_map(|person| name_of(facts, person));
        Exception { kind, names: names.take(MOST_NAMES).collect(), count, goals }
    };
    let mut named = vec![exception(ExceptionKind::MachineAndPin, Vec::new(), 1, found.goals.clone())];
    let founded = facts.kept_by(PrincipalId::SYSTEM).iter().filter_map(|kept| facts.known.get(kept.of));
    let founded: BTreeSet<_> = founded.map(|known| known.person).collect();
    if !founded.is_empty() {
        let founder = Coalition::of(judge, &[PrincipalId::SYSTEM]);
        let goals = found.goals.iter().copied().filter(|goal| founder.reach(*goal).is_some()).collect();
        let number = count(founded.len());
        named.push(exception(ExceptionKind::Founder, founded.into_iter().collect(), number, goals));
    }
    let is_shown = |known: &Known| known.reveals.iter().any(|(_, action)| judge.may_use(known, *action));
    let granted = facts.persons.iter().map(|person| person.id);
    let granted: Vec<_> = granted.filter(|person| facts.accounts(*person).any(is_shown)).collect();
    let plaintext: Vec<_> = found.goals.iter().copied().filter(|goal| *goal == Goal::Plaintext).collect();
    if !granted.is_empty() && !plaintext.is_empty() {
        let number = count(granted.len());
        named.push(exception(ExceptionKind::Granted, granted, number, plaintext.clone()));
    }
    if !facts.application_makers.is_empty() && !plaintext.is_empty() {
        let number: u64 = facts.application_makers.values().sum();
        let makers = facts.application_makers.keys().copied().collect();
        named.push(exception(ExceptionKind::KeptSecret, makers, number, plaintext));
    }
    if facts.unknown_makers > 0 {
        let goals = found.goals.clone();
        named.push(exception(ExceptionKind::UnknownMaker, Vec::new(), facts.unknown_makers, goals));
    }
    named
}

fn name_of(facts: &Facts, person: PrincipalId) -> Option<Name> {
    facts.accounts(person).next().map(|known| known.principal.name.clone())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Who reaches what, each person and each pair by themselves: what classes are held against.
#[cfg(test)]
pub(super) fn one_by_one(judge: &Judge<'_>) -> BTreeMap<Goal, BTreeSet<Vec<PrincipalId>>> {
    let persons: Vec<_> = judge.facts.persons.iter().map(|person| person.id).collect();
    let mut all: BTreeMap<_, BTreeSet<Vec<PrincipalId>>> = BTreeMap::new();
    all.extend(Goal::ALL.map(|goal| (goal, BTreeSet::new())));
    let reached = |persons: &[PrincipalId]| {
        let coalition = Coalition::of(judge, persons);
        Goal::ALL.into_iter().filter(|goal| coalition.reach(*goal).is_some()).collect::<BTreeSet<_>>()
    };
    let alone: Vec<_> = persons.iter().map(|person| reached(&[*person])).collect();
    for (place, (one, of_one)) in persons.iter().zip(&alone).enumerate() {
        for goal in of_one {
            all.entry(*goal).or_default().insert(vec![*one]);
        }
        for (other, of_other) in persons.iter().zip(&alone).skip(place + 1) {
            for goal in reached(&[*one, *other]) {
                if !of_one.contains(&goal) && !of_other.contains(&goal) {
                    all.entry(goal).or_default().insert(vec![*one, *other]);
                }
            }
        }
    }
    all
}

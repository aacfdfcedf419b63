//! As whom one person, or several together, can act, and what they reach so.
//!
//! A coalition begins with the accounts of its persons, and with those whose credentials one of them made and may have kept. It goes on
//! with whom it can make a credential for, and whom it can give a role. People and applications whom it would make first are among them:
//! each of them is new, so that what was done to one is in the way of nothing that is done to another.
//!
//! What it keeps true: of whoever can be had in several ways, the way with the fewest acts is kept; an act that serves twice is counted
//! once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use claviger_core::approval::Eligible;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::{Action, PrincipalId};

use super::facts::{Known, Ring};
use super::rulings::{Judge, Ruling, is_restricted};
use super::{Act, Goal, Step, Subject};

/// As so many at most a coalition acts.
const MOST_ACTORS: usize = 64;
/// Where everybody of a sort was made by the coalition, or was given something by it, so many of them are tried.
const MOST_RELATED: usize = 16;
/// Of those with the same roles, so many make others and give them something: each of two must not have done what the other did.
const MOST_HANDS: usize = 6;
/// So many make others who are new.
const MOST_MAKERS: usize = 3;

/// Sensitive acts, of whoever must ask for them; those who may give roles, grants and credentials may do one of these as well.
const ACTS: [Action; 7] = [
    Action::ScheduleDestroy,
    Action::UpdateRing,
    Action::UpdateKey,
    Action::SetRingSeparation,
    Action::SetGovernance,
    Action::Declare,
    Action::WithdrawDeclaration,
];

/// What is done, in its order.
pub(super) type Path = Vec<Step>;

/// How many acts it takes.
pub(super) fn length(path: &[Step]) -> usize {
    path.iter().map(Step::acts).sum()
}

fn joined(paths: &[&[Step]]) -> Path {
    let mut all = Path::new();
    for step in paths.iter().copied().flatten() {
        if !all.contains(step) {
            all.push(step.clone());
        }
    }
    all
}

/// Keeps the shorter of both.
fn shorten(best: &mut Option<Path>, path: Option<Path>) {
    if let Some(path) = path
        && best.as_ref().is_none_or(|best| length(&path) < length(best))
    {
        *best = Some(path);
    }
}

/// Somebody as whom the coalition acts.
#[derive(Clone, Debug)]
struct Actor<'f> {
    known: Cow<'f, Known>,
    /// Does it have a certificate to approve by?
    signs: bool,
    path: Path,
}

/// What others are asked about.
#[derive(Clone, Copy, Debug)]
enum About<'k> {
    Anything,
    /// Emergency access of that holder.
    Emergency(&'k Known),
    /// A role of somebody.
    Role(&'k Known, Role),
}

/// What somebody is to be given.
#[derive(Clone, Copy, Debug)]
enum Gift {
    /// Emergency access to a key of a ring, by its place.
    Emergency(usize),
    /// A use of the keys of a ring, by its place, that shows what they protect.
    Grant(usize),
    Role(Role),
}

impl Gift {
    /// Can somebody get it at all?
    fn suits(self, known: &Known) -> bool {
        let can = match self {
            Self::Grant(_) => true,
            Self::Emergency(_) | Self::Role(_) => known.principal.kind == PrincipalKind::Human,
        };
        can && known.principal.roles.is_empty()
    }

    fn given(self, known: Known, by: &Known) -> Known {
        match self {
            Self::Emergency(ring) => known.with_emergency(by, ring, Action::Decrypt),
            Self::Grant(ring) => known.with_grant(by, ring, Action::Decrypt),
            Self::Role(role) => known.with_role(by, role),
        }
    }
}

/// One person, or several together.
#[derive(Debug)]
pub(super) struct Coalition<'j, 'f> {
    judge: &'j Judge<'f>,
    persons: Vec<PrincipalId>,
    actors: Vec<Actor<'f>>,
    /// As so many of one sort it is worth acting.
    most_alike: usize,
}

impl<'j, 'f> Coalition<'j, 'f> {
    /// These persons; the system stands for who set the deployment up.
    pub(super) fn of(judge: &'j Judge<'f>, persons: &[PrincipalId]) -> Self {
        let facts = judge.facts;
        let quorums = facts.rings.iter().map(|ring| ring.policy.quorum).chain([facts.governance.quorum]);
        let most_alike = usize::from(quorums.max().unwrap_or_default()) + 2;
        let mut coalition = Self { judge, persons: persons.to_vec(), actors: Vec::new(), most_alike };
        for known in persons.iter().flat_map(|person| facts.accounts(*person)).filter(|known| known.is_live) {
            let (signs, path) = (known.signs, Path::new());
            coalition.actors.push(Actor { known: able(known, signs), signs, path });
        }
        for kept in persons.iter().flat_map(|person| facts.kept_by(*person)) {
            let known = facts.known.get(kept.of).filter(|known| !persons.contains(&known.person));
            if let Some(known) = known {
                let keep = Act::Keep { of: known.subject(), is_code: kept.is_code };
                let path = vec![Step::of(facts.subject(kept.by), keep)];
                coalition.admit(Actor { known: able(known, kept.signs), signs: kept.signs, path });
            }
        }
        while coalition.actors.len() < MOST_ACTORS && coalition.expand() {}
        coalition
    }

    /// What is done to reach the goal, if it is reached: as briefly as can be.
    pub(super) fn reach(&self, goal: Goal) -> Option<Path> {
        match goal {
            Goal::Plaintext => self.plaintext(),
            Goal::Quorum => self.quorum(),
            Goal::Record => self.record(),
            Goal::Weakening => self.weakening(),
        }
    }

    fn admit(&mut self, actor: Actor<'f>) {
        let id = actor.known.principal.id;
        if let Some(there) = self.actors.iter_mut().find(|one| one.known.principal.id == id) {
            there.signs |= actor.signs;
            if actor.known.has_certificate && !there.known.has_certificate {
                (there.known, there.path) = (actor.known, actor.path);
            }
        } else if actor.path.last().is_some_and(|step| self.wants(&actor.known, &step.by)) {
            self.actors.push(actor);
        }
    }

    /// Is it worth acting as one more like this, had by an act of the same one?
    fn wants(&self, known: &Known, by: &Subject) -> bool {
        let is_alike = |actor: &&Actor<'f>| {
            let (this, that) = (&actor.known.principal, &known.principal);
            this.kind == that.kind
                && this.roles == that.roles
                && actor.known.reveals.is_empty() == known.reveals.is_empty()
                && actor.path.last().is_some_and(|step| step.by == *by)
        };
        self.actors.iter().filter(is_alike).count() < self.most_alike
    }

    fn controls(&self, known: &Known) -> bool {
        self.persons.contains(&known.person)
            || self.actors.iter().any(|actor| actor.known.principal.id == known.principal.id)
    }

    /// Finds the next as whom it can act, one at a time: nobody becomes two things at once.
    fn expand(&mut self) -> bool {
        let found = self.take().into_iter().chain(self.promote());
        match found.min_by_key(|actor| length(&actor.path)) {
            Some(actor) => {
                // Whoever got a role is that from now on, and nothing else.
                self.actors.retain(|one| one.known.principal.id != actor.known.principal.id);
                self.actors.push(actor);
                true
            }
            None => false,
        }
    }

    /// Somebody with a role, or who is shown what keys protect, by a further credential.
    fn take(&self) -> Option<Actor<'f>> {
        let mut best: Option<Actor<'f>> = None;
        let serves = |role: &Role| self.judge.serving.contains(role) || self.judge.opening.contains(role);
        let is_worth = |known: &Known| known.principal.roles.iter().any(serves) || !known.reveals.is_empty();
        let hands = self.hands();
        for known in self.others(is_worth) {
            for by in &hands {
                let path = self.credential(by, known).filter(|_| self.wants(known, &by.known.subject()));
                let Some(path) = path else { continue };
                if best.as_ref().is_none_or(|best| length(&path) < length(&best.path)) {
                    let signs = known.principal.kind == PrincipalKind::Human;
                    let known = Cow::Owned(known.clone().with_credential(&by.known));
                    best = Some(Actor { known, signs, path });
                }
            }
        }
        best
    }

    /// Somebody without a role, by a role.
    fn promote(&self) -> Option<Actor<'f>> {
        let has_role = |actor: &&Actor<'f>| !actor.known.principal.roles.is_empty();
        let signing = self.actors.iter().filter(|actor| actor.signs).filter(has_role);
        let signing: BTreeSet<_> = signing.map(|actor| self.judge.person(&actor.known)).collect();
        if signing.len() < usize::from(self.judge.facts.governance.quorum) {
            return None;
        }
        let lacks = |role: &&Role| {
            let holders = self.actors.iter().filter(|actor| actor.known.principal.roles.contains(role));
            let holders: BTreeSet<_> = holders.map(|actor| self.judge.person(&actor.known)).collect();
            holders.len()
                < match role {
                    Role::Custodian => self.most_alike,
                    // Who makes somebody gives them nothing: it takes two.
                    Role::SecurityOfficer => 2,
                    Role::Administrator | Role::Auditor | Role::Operator | Role::Responder => 1,
                }
        };
        let roles = self.judge.serving.iter().filter(lacks);
        roles.filter_map(|role| self.win(Gift::Role(*role))).min_by_key(|actor| length(&actor.path))
    }

    /// As whom others are made and given something, those who take the fewest acts first.
    fn hands(&self) -> Vec<&Actor<'f>> {
        self.first_who(|known| self.judge.gives(known))
    }

    /// As whom emergency access is opened for others, in that order.
    fn openers(&self) -> Vec<&Actor<'f>> {
        self.first_who(|known| self.judge.opens(known))
    }

    fn first_who(&self, can: impl Fn(&Known) -> bool) -> Vec<&Actor<'f>> {
        let mut first: Vec<_> = self.actors.iter().filter(|actor| can(&actor.known)).collect();
        first.sort_by_key(|actor| length(&actor.path));
        let mut counts: BTreeMap<&[Role], usize> = BTreeMap::new();
        first.retain(|actor| {
            let count = counts.entry(&actor.known.principal.roles).or_default();
            *count += 1;
            *count <= MOST_HANDS
        });
        first
    }

    /// Are there as many as whom it acts as emergency access to a key of the ring takes, apart from its holder?
    fn is_enough_for_emergency(&self, ring: &Ring) -> bool {
        let openers = self.openers();
        if self.judge.approvers_of_emergency(ring) == 0 {
            return !openers.is_empty();
        }
        let persons: BTreeSet<_> = openers.iter().map(|actor| self.judge.person(&actor.known)).collect();
        let mut deciding = self.actors.iter().filter(|actor| decides(actor, Eligible::Responders));
        deciding.any(|actor| persons.iter().any(|person| *person != self.judge.person(&actor.known)))
    }

    /// Somebody who acts for the coalition and has been given this.
    fn win(&self, gift: Gift) -> Option<Actor<'f>> {
        let mut best: Option<Actor<'f>> = None;
        let mut consider = |known: Known, signs: bool, path: Path| {
            if best.as_ref().is_none_or(|best| length(&path) < length(&best.path)) {
                best = Some(Actor { known: Cow::Owned(known), signs, path });
            }
        };
        let makers = self.hands();
        let givers = match gift {
            Gift::Emergency(_) => self.openers(),
            Gift::Grant(_) | Gift::Role(_) => self.hands(),
        };
        if givers.is_empty() {
            return None;
        }
        for actor in self.actors.iter().filter(|actor| gift.suits(&actor.known)) {
            for giver in &givers {
                if let Some(given) = self.give(giver, &actor.known, gift) {
                    let known = gift.given(actor.known.clone().into_owned(), &giver.known);
                    consider(known, actor.signs, joined(&[&actor.path, &given]));
                }
            }
        }
        let there = self.others(|known| gift.suits(known)).into_iter();
        let there = there.map(|known| (known.clone(), Path::new()));
        for (known, begun) in there.chain(self.puppets()).filter(|(known, _)| gift.suits(known)) {
            let signs = known.principal.kind == PrincipalKind::Human;
            for maker in &makers {
                // The credential comes first, or the gift: the rules look at both in either order.
                if let Some(made) = self.credential(maker, &known) {
                    let proved = known.clone().with_credential(&maker.known);
                    for giver in &givers {
                        if let Some(given) = self.give(giver, &proved, gift) {
                            let known = gift.given(proved.clone(), &giver.known);
                            consider(known, signs, joined(&[&begun, &made, &given]));
                        }
                    }
                }
                for giver in &givers {
                    let Some(given) = self.give(giver, &known, gift) else { continue };
                    let able = gift.given(known.clone(), &giver.known);
                    if let Some(made) = self.credential(maker, &able) {
                        let known = able.with_credential(&maker.known);
                        consider(known, signs, joined(&[&begun, &given, &made]));
                    }
                }
            }
        }
        best
    }

    /// People and applications whom it would make.
    fn puppets(&self) -> Vec<(Known, Path)> {
        let made_up = self.actors.iter().filter(|actor| actor.known.puppet.is_some()).count();
        let number = u16::try_from(made_up + 1).unwrap_or(u16::MAX);
        let (mut puppets, hands) = (Vec::new(), self.hands());
        for kind in [PrincipalKind::Human, PrincipalKind::Workload] {
            let puppet = |by: &&Actor<'f>| {
                let ruling = self.judge.create_principal(&by.known, kind);
                let known = Known::made_up(number, kind, &by.known, self.judge.facts.now)?;
                let act = Act::CreatePrincipal { puppet: known.subject(), kind };
                self.done(by, ruling, act, About::Anything).map(|path| (known, path))
            };
            puppets.extend(hands.iter().filter_map(puppet).take(MOST_MAKERS));
        }
        puppets
    }

    /// Of each sort of principals that the coalition does not act as, one to whom its persons did nothing before; where there is none,
    /// some to whom they did.
    fn others(&self, are_wanted: impl Fn(&Known) -> bool) -> Vec<&'f Known> {
        self.others_than(&self.hands(), are_wanted, |_| true)
    }

    /// The same beside these as whom it acts; each of those that are told fits as well.
    fn others_than(
        &self,
        acting: &[&Actor<'f>],
        are_wanted: impl Fn(&Known) -> bool,
        fits: impl Fn(&Known) -> bool,
    ) -> Vec<&'f Known> {
        let facts = self.judge.facts;
        let givers: BTreeSet<_> = acting.iter().map(|actor| actor.known.person).collect();
        let mut others = Vec::new();
        if givers.is_empty() {
            return others;
        }
        for sort in &facts.targets {
            let mut of_sort = sort.iter().filter_map(|place| facts.known.get(*place));
            if !of_sort.clone().next().is_some_and(&are_wanted) {
                continue;
            }
            let mut related = Vec::new();
            let fresh = of_sort.find(|known| {
                if self.controls(known) || !fits(known) {
                    return false;
                }
                let is_related = givers.iter().any(|giver| known.is_related(*giver));
                if is_related && related.len() < MOST_RELATED {
                    related.push(*known);
                }
                !is_related
            });
            match fresh {
                Some(fresh) => others.push(fresh),
                None => others.append(&mut related),
            }
        }
        others
    }

    fn credential(&self, by: &Actor<'f>, of: &Known) -> Option<Path> {
        let ruling = self.judge.create_credential(&by.known, of);
        self.done(by, ruling, Act::CreateCredential { of: of.subject() }, About::Anything)
    }

    fn give(&self, by: &Actor<'f>, to: &Known, gift: Gift) -> Option<Path> {
        match gift {
            Gift::Emergency(place) => {
                let ring = self.judge.facts.rings.get(place)?;
                let ruling = self.judge.open_break_glass(&by.known, to, ring);
                self.done(by, ruling, opening(to, ring), About::Emergency(to))
            }
            Gift::Grant(place) => {
                let ring = self.judge.facts.rings.get(place)?;
                let ruling = self.judge.create_grant(&by.known, to, ring, Action::Decrypt);
                let (to, ring) = (to.subject(), ring.name.clone());
                self.done(by, ruling, Act::CreateGrant { to, ring, action: Action::Decrypt }, About::Anything)
            }
            Gift::Role(role) => {
                let ruling = self.judge.assign_role(&by.known, to, role);
                self.done(by, ruling, Act::AssignRole { to: to.subject(), role }, About::Role(to, role))
            }
        }
    }

    /// The act with all that comes before it, where it is done: at once, or because as many approve as must as whom the coalition acts.
    fn done(&self, by: &Actor<'f>, ruling: Ruling, act: Act, about: About<'_>) -> Option<Path> {
        let asked = Step::of(by.known.subject(), act);
        match ruling {
            Ruling::Refused => None,
            Ruling::Done => Some(joined(&[&by.path, &[asked]])),
            Ruling::Approval(approvers) => {
                let approvers = self.approvers(by, approvers, about)?;
                let approved_by = approvers.iter().map(|one| one.known.subject()).collect();
                let asked = [Step { approved_by, ..asked }];
                let mut paths = vec![by.path.as_slice()];
                paths.extend(approvers.iter().map(|one| one.path.as_slice()));
                paths.push(&asked);
                Some(joined(&paths))
            }
        }
    }

    /// So many as whom the coalition acts and who may approve what somebody asks for: other persons than that one, and each another.
    fn approvers(&self, by: &Actor<'f>, approvers: u8, about: About<'_>) -> Option<Vec<&Actor<'f>>> {
        let mut persons = BTreeSet::from([self.judge.person(&by.known)]);
        let eligible = match about {
            About::Anything => Eligible::Custodians,
            About::Emergency(holder) => {
                persons.extend(self.judge.concerned(holder));
                Eligible::Responders
            }
            About::Role(appointed, role) => {
                let eligible = self.judge.eligible(&by.known, role, approvers);
                if eligible == Eligible::RoleHolders {
                    persons.insert(self.judge.person(appointed));
                }
                eligible
            }
        };
        let mut found: Vec<_> = self.actors.iter().filter(|actor| decides(actor, eligible)).collect();
        found.sort_by_key(|actor| length(&actor.path));
        found.retain(|actor| persons.insert(self.judge.person(&actor.known)));
        found.truncate(usize::from(approvers));
        (found.len() == usize::from(approvers)).then_some(found)
    }

    /// The same of an act that nobody should do alone: where as many persons must agree as are in the coalition, and one more, they may
    /// be the very ones who should.
    fn undue(&self, by: &Actor<'f>, ruling: Ruling, act: Act, about: About<'_>) -> Option<Path> {
        match ruling {
            Ruling::Approval(approvers) if usize::from(approvers) < self.persons.len() => None,
            Ruling::Approval(_) | Ruling::Done | Ruling::Refused => self.done(by, ruling, act, about),
        }
    }

    fn plaintext(&self) -> Option<Path> {
        let mut best = None;
        let shown = |actor: &Actor<'f>| {
            let shows = |(_, action): &&(usize, Action)| self.judge.may_use(&actor.known, *action);
            let (ring, action) = actor.known.reveals.iter().find(shows)?;
            let ring = self.judge.facts.rings.get(*ring)?.name.clone();
            let used = Step::of(actor.known.subject(), Act::Use { ring, action: *action });
            Some(joined(&[&actor.path, &[used]]))
        };
        // What others granted a person is that person's to use.
        for actor in self.actors.iter().filter(|actor| !self.persons.contains(&actor.known.person)) {
            shorten(&mut best, shown(actor));
        }
        for place in &self.judge.granted {
            shorten(&mut best, self.win(Gift::Grant(*place)).and_then(|actor| shown(&actor)));
            let ring = self.judge.facts.rings.get(*place);
            if ring.is_some_and(|ring| self.is_enough_for_emergency(ring)) {
                shorten(&mut best, self.win(Gift::Emergency(*place)).and_then(|actor| shown(&actor)));
            }
        }
        for (by, ring) in self.pairs(&self.judge.imported_into) {
            // A new key for restricted data, or else one that is in use: whoever brings its material along knows it.
            let is_in_use = !is_restricted(ring);
            let ruling = self.judge.import(&by.known, ring, is_in_use);
            let act = Act::ImportMaterial { ring: ring.name.clone(), is_in_use };
            shorten(&mut best, self.done(by, ruling, act, About::Anything));
        }
        best
    }

    fn quorum(&self) -> Option<Path> {
        let mut best = None;
        let is_held = |ruling: &Ruling| matches!(ruling, Ruling::Approval(_));
        for action in ACTS {
            for by in &self.actors {
                let ruling = self.judge.perform(&by.known, action, None);
                let act = Act::Perform { action, ring: None };
                let held = Some(ruling).filter(is_held);
                shorten(&mut best, held.and_then(|ruling| self.undue(by, ruling, act, About::Anything)));
            }
            for (by, ring) in self.pairs(&self.judge.changed).filter(|(_, ring)| ring.has_keys) {
                let ruling = self.judge.perform(&by.known, action, Some(ring));
                let act = Act::Perform { action, ring: Some(ring.name.clone()) };
                let held = Some(ruling).filter(is_held);
                shorten(&mut best, held.and_then(|ruling| self.undue(by, ruling, act, About::Anything)));
            }
        }
        shorten(&mut best, self.emergency());
        if best.is_none() {
            // Where there are too few custodians, others decide who becomes one.
            best = self.appointment(&[Role::Custodian], true);
        }
        best
    }

    /// Emergency access of anybody, opened without the one who must approve it.
    fn emergency(&self) -> Option<Path> {
        let (mut best, openers) = (None, self.openers());
        // One approves it, so that two together may be the very ones who should.
        if self.persons.len() > 1 {
            return best;
        }
        for place in &self.judge.granted {
            let Some(ring) = self.judge.facts.rings.get(*place) else { continue };
            if self.judge.approvers_of_emergency(ring) == 0 || !self.is_enough_for_emergency(ring) {
                continue;
            }
            let is_wanted = |known: &Known| known.is_person() && known.person_roles.is_empty();
            for holder in self.others_than(&openers, is_wanted, |known| known.has_certificate) {
                for by in &openers {
                    let ruling = self.judge.open_break_glass(&by.known, holder, ring);
                    let about = About::Emergency(holder);
                    shorten(&mut best, self.undue(by, ruling, opening(holder, ring), about));
                }
            }
            shorten(&mut best, self.win(Gift::Emergency(*place)).map(|actor| actor.path));
        }
        best
    }

    fn record(&self) -> Option<Path> {
        let mut best = None;
        for by in &self.actors {
            let ruling = self.judge.perform(&by.known, Action::EraseReason, None);
            let act = Act::Perform { action: Action::EraseReason, ring: None };
            shorten(&mut best, self.undue(by, ruling, act, About::Anything));
        }
        if best.is_none() {
            let readers = Role::ALL.into_iter().filter(|role| self.judge.reads_record(*role));
            best = self.appointment(&readers.collect::<Vec<_>>(), false);
        }
        best
    }

    fn weakening(&self) -> Option<Path> {
        let mut best = None;
        for action in [Action::SetGovernance, Action::Declare, Action::WithdrawDeclaration] {
            for by in &self.actors {
                let ruling = self.judge.perform(&by.known, action, None);
                let act = Act::Perform { action, ring: None };
                shorten(&mut best, self.undue(by, ruling, act, About::Anything));
            }
        }
        for action in [Action::UpdateRing, Action::UpdateKey, Action::SetRingSeparation] {
            for (by, ring) in self.pairs(&self.judge.changed).filter(|(_, ring)| ring.is_guarded()) {
                let ruling = self.judge.perform(&by.known, action, Some(ring));
                let act = Act::Perform { action, ring: Some(ring.name.clone()) };
                shorten(&mut best, self.undue(by, ruling, act, About::Anything));
            }
        }
        best
    }

    /// One of these roles, given to anybody without what giving it takes.
    fn appointment(&self, roles: &[Role], is_held: bool) -> Option<Path> {
        let mut best = None;
        let suits = |known: &Known| roles.iter().any(|role| Gift::Role(*role).suits(known));
        let (own, hands) = (self.actors.iter().map(|actor| &*actor.known), self.hands());
        let own = own.filter(|known| suits(known));
        for to in own.chain(self.others(suits)) {
            for (by, role) in hands.iter().flat_map(|by| roles.iter().map(move |role| (by, *role))) {
                let ruling = self.judge.assign_role(&by.known, to, role);
                let act = Act::AssignRole { to: to.subject(), role };
                if !is_held || matches!(ruling, Ruling::Approval(_)) {
                    shorten(&mut best, self.undue(by, ruling, act, About::Role(to, role)));
                }
            }
        }
        best
    }

    /// Each as whom it acts, with each of these rings.
    fn pairs(&self, rings: &[usize]) -> impl Iterator<Item = (&Actor<'f>, &'f Ring)> {
        let facts = self.judge.facts;
        let rings: Vec<_> = rings.iter().filter_map(|place| facts.rings.get(*place)).collect();
        self.actors.iter().flat_map(move |by| rings.clone().into_iter().map(move |ring| (by, ring)))
    }
}

/// As whoever has its code is, or its certificate: the code is redeemed first.
fn able(known: &Known, signs: bool) -> Cow<'_, Known> {
    if signs && !known.has_certificate { Cow::Owned(known.clone().enrolled()) } else { Cow::Borrowed(known) }
}

fn opening(holder: &Known, ring: &Ring) -> Act {
    Act::OpenBreakGlass { holder: holder.subject(), ring: ring.name.clone() }
}

/// Can it approve, where those may?
fn decides(actor: &Actor<'_>, eligible: Eligible) -> bool {
    let principal = &actor.known.principal;
    let has_role = match eligible {
        Eligible::Custodians => principal.roles.contains(&Role::Custodian),
        Eligible::Responders => {
            let roles = [Role::Responder, Role::SecurityOfficer];
            roles.iter().any(|role| principal.roles.contains(role)) && !principal.awaits_acknowledgement()
        }
        Eligible::RoleHolders => !principal.roles.is_empty() && !principal.awaits_acknowledgement(),
    };
    actor.signs && has_role && actor.known.is_person()
}

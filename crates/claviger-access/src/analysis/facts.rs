//! What bears on who can reach what: the rows of a deployment, by person.
//!
//! Rows are taken as they are read. Of grants, of which there are many, what decides is kept once for each holder, ring and giver.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use claviger_core::governance::Governance;
use claviger_core::grant::{Grant, GrantOrigin};
use claviger_core::key::{KeyRing, RingPolicy, Separation};
use claviger_core::principal::{Credential, CredentialKind, Principal, PrincipalKind, Role, Status};
use claviger_core::{Action, CredentialId, KeyRingId, Name, PrincipalId, Timestamp};

use super::Subject;
use crate::separation::{Makers, Uses, with_origins};

/// Of one who kept many credentials, so many of one sort are looked at: nothing takes more persons.
const MOST_KEPT: usize = 40;
/// So many credentials that renewed each other are looked at on the way to the first of them.
const LONGEST_LINE: usize = 64;

/// Does it show what a key protects?
pub(super) const fn reveals(action: Action) -> bool {
    matches!(action, Action::Agree | Action::Decapsulate | Action::Decrypt | Action::Unwrap)
}

/// Rows of a deployment, as they are read. A ring comes before the grants on it.
#[derive(Debug)]
pub struct Rows {
    now: Timestamp,
    governance: Governance,
    principals: Vec<Principal>,
    proofs: Vec<Proof>,
    /// All of them, those that ended among them: others may have come of these.
    credentials: Vec<Credential>,
    rings: Vec<Ring>,
    ring_places: HashMap<KeyRingId, usize>,
    held: HashMap<PrincipalId, BTreeSet<Held>>,
    grants: u64,
    /// Which credentials renewed, or came of, which.
    came_of: HashMap<CredentialId, CredentialId>,
    /// The credentials of which their holders have signed that the key is theirs alone.
    own: HashSet<CredentialId>,
}

/// A credential that is live, or will be once its holder confirms it.
#[derive(Clone, Debug)]
struct Proof {
    id: CredentialId,
    principal: PrincipalId,
    kind: CredentialKind,
    /// Does it prove its principal by now?
    proves: bool,
    maker: Option<PrincipalId>,
    /// Who made it, or one by which it may have been made: by account and by person.
    makers: Vec<PrincipalId>,
    maker_persons: Vec<PrincipalId>,
    /// Has its holder signed that its key, or that of one before it, is theirs alone? Of what the set-up made, all is signed then that this may
    /// have come of.
    is_own: bool,
}

impl Proof {
    fn is_certificate(&self) -> bool {
        self.proves && self.kind == CredentialKind::Certificate
    }

    /// Does it lead to a certificate?
    fn signs(&self) -> bool {
        self.proves && matches!(self.kind, CredentialKind::Certificate | CredentialKind::EnrolmentCode)
    }
}

/// What somebody was granted, as far as it decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    ring: usize,
    giver: PrincipalId,
    /// What of it shows what keys protect, if it is honoured.
    reveals: Option<Action>,
    /// Is it emergency access that goes on?
    is_emergency: bool,
}

/// A ring.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pub(super) name: Name,
    pub(super) policy: RingPolicy,
    pub(super) has_keys: bool,
}

impl Ring {
    /// Are there keys in it whose duties are kept apart?
    pub(super) fn is_guarded(&self) -> bool {
        self.has_keys && self.policy.separation == Separation::Strict
    }
}

impl Rows {
    /// None yet, of a deployment with these rules, as of `now`.
    #[must_use]
    pub fn new(now: Timestamp, governance: Governance) -> Self {
        Self {
            now,
            governance,
            principals: Vec::new(),
            proofs: Vec::new(),
            credentials: Vec::new(),
            rings: Vec::new(),
            ring_places: HashMap::new(),
            held: HashMap::new(),
            grants: 0,
            came_of: HashMap::new(),
            own: HashSet::new(),
        }
    }

    /// Takes a principal.
    pub fn principal(&mut self, principal: Principal) {
        // Secrets have no business here.
        self.principals.push(Principal { subject_key: Vec::new(), ..principal });
    }

    /// Takes a credential. One that ended proves nothing, and others may have come of it; one that awaits its confirmation has a maker all the
    /// same.
    pub fn credential(&mut self, credential: &Credential) {
        self.came_of.extend(credential.renews.map(|before| (credential.id, before)));
        if credential.status == Status::Active && self.now < credential.expires_at {
            self.proofs.push(Proof {
                id: credential.id,
                principal: credential.principal,
                kind: credential.kind,
                proves: credential.is_live(self.now),
                maker: credential.created_by,
                makers: Vec::new(),
                maker_persons: Vec::new(),
                is_own: false,
            });
        }
        // Nor have these.
        self.credentials.push(Credential { access_key: None, ..credential.clone() });
    }

    /// Takes the statement of a credential's holder, signed by its key, that this key is theirs alone.
    pub fn own_key(&mut self, credential: CredentialId) {
        self.own.insert(credential);
    }

    /// Has the holder signed that of this credential, or of one that it came of?
    fn is_own(&self, credential: CredentialId) -> bool {
        let line = std::iter::successors(Some(credential), |one| self.came_of.get(one).copied());
        line.take(LONGEST_LINE).any(|one| self.own.contains(&one))
    }

    /// Takes a ring; does it have keys that are not destroyed?
    pub fn ring(&mut self, ring: &KeyRing, has_keys: bool) {
        self.ring_places.insert(ring.id, self.rings.len());
        self.rings.push(Ring { name: ring.name.clone(), policy: ring.policy.clone(), has_keys });
    }

    /// Takes a grant on that ring or on a key of it; is it honoured? One that was ended by an act is passed over, and so is one on a ring
    /// that is not among these.
    pub fn grant(&mut self, grant: &Grant, ring: KeyRingId, is_honoured: bool) {
        let Some(ring) = self.ring_places.get(&ring).copied() else { return };
        if grant.status != Status::Active {
            return;
        }
        let shows = grant.operations.iter().copied().find(|action| reveals(*action));
        let is_emergency = is_honoured && grant.origin == GrantOrigin::BreakGlass;
        let (giver, reveals) = (grant.created_by, shows.filter(|_| is_honoured));
        let held = Held { ring, giver, reveals, is_emergency };
        self.held.entry(grant.principal).or_default().insert(held);
        self.grants += 1;
    }

    /// How many principals, credentials and grants were taken together.
    #[must_use]
    pub fn count(&self) -> u64 {
        let rows = self.principals.len() + self.credentials.len() + self.rings.len();
        self.grants.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX))
    }

    /// What follows of them, once all were taken.
    #[must_use]
    pub fn settle(mut self) -> Facts {
        let proofs = std::mem::take(&mut self.proofs);
        let own = self.credentials.iter().map(|one| one.id).filter(|id| self.is_own(*id));
        let own: HashSet<_> = own.collect();
        let Self { now, governance, mut principals, credentials: all, rings, held, grants, .. } = self;
        principals.sort_by(|one, other| one.name.cmp(&other.name));
        let persons: HashMap<_, _> = principals.iter().map(|one| (one.id, one.person())).collect();
        let wholes = wholes(&principals, &held, &rings);
        let credentials = proofs.iter().filter(|proof| proof.proves).count();
        let credentials = u64::try_from(credentials).unwrap_or(u64::MAX);
        let mut proofs_of: HashMap<PrincipalId, Vec<Proof>> = HashMap::new();
        for proof in proofs {
            proofs_of.entry(proof.principal).or_default().push(proof);
        }
        let mut credentials_of: HashMap<PrincipalId, Vec<Credential>> = HashMap::new();
        for credential in all {
            credentials_of.entry(credential.principal).or_default().push(credential);
        }
        let mut facts = Facts {
            now,
            governance,
            known: Vec::with_capacity(principals.len()),
            places: HashMap::new(),
            persons: Vec::new(),
            person_places: HashMap::new(),
            kept: HashMap::new(),
            targets: Vec::new(),
            custodians: BTreeSet::new(),
            application_makers: BTreeMap::new(),
            unknown_makers: 0,
            credentials,
            grants,
            rings: Vec::new(),
        };
        for principal in principals {
            let mut proofs = proofs_of.remove(&principal.id).unwrap_or_default();
            let all = credentials_of.remove(&principal.id).unwrap_or_default();
            trace(&mut proofs, &principal, all, (&persons, &own));
            let held = held.get(&principal.id);
            let whole = wholes.get(&principal.person());
            let known = Known::of(principal, &proofs, held, whole, (&persons, rings.as_slice()));
            facts.take(known, &proofs, &persons);
        }
        facts.rings = rings;
        facts.sort_targets();
        facts.thin_out_kept();
        facts
    }
}

/// Finds who is behind each proof of a principal that has all these credentials.
fn trace(
    proofs: &mut [Proof],
    of: &Principal,
    mut all: Vec<Credential>,
    (persons, own): (&HashMap<PrincipalId, PrincipalId>, &HashSet<CredentialId>),
) {
    for proof in &mut *proofs {
        let found = behind(of.id, &all, proof.id);
        proof.makers = makers_of(&found);
        let mut founded = found.iter().filter(|one| one.created_by == Some(PrincipalId::SYSTEM));
        proof.is_own = own.contains(&proof.id) || founded.all(|one| own.contains(&one.id));
    }
    let person_of = |maker: PrincipalId| persons.get(&maker).copied().unwrap_or(maker);
    for credential in &mut all {
        credential.created_by = credential.created_by.map(person_of);
    }
    for proof in proofs {
        proof.maker_persons = makers_of(&behind(of.person(), &all, proof.id));
    }
}

/// That credential, and those by which it may have been made.
fn behind(holder: PrincipalId, all: &[Credential], id: CredentialId) -> Vec<&Credential> {
    with_origins(holder, all, all.iter().filter(|one| one.id == id).collect())
}

fn makers_of(credentials: &[&Credential]) -> Vec<PrincipalId> {
    distinct(credentials.iter().filter_map(|one| one.created_by))
}

/// What all accounts of a person have together.
#[derive(Debug)]
struct Whole {
    /// The roles of those that were not revoked.
    roles: Vec<(PrincipalId, Vec<Role>)>,
    uses: Uses,
    /// Has one of them emergency access?
    in_emergency: bool,
}

fn wholes(
    principals: &[Principal],
    held: &HashMap<PrincipalId, BTreeSet<Held>>,
    rings: &[Ring],
) -> HashMap<PrincipalId, Whole> {
    let mut wholes: HashMap<PrincipalId, Whole> = HashMap::new();
    for one in principals {
        let none = || Whole { roles: Vec::new(), uses: Uses::None, in_emergency: false };
        let whole = wholes.entry(one.person()).or_insert_with(none);
        if one.status == Status::Active {
            whole.roles.push((one.id, one.roles.clone()));
        }
        whole.uses = whole.uses.max(uses_of(held.get(&one.id), rings));
        whole.in_emergency |= held.get(&one.id).into_iter().flatten().any(|held| held.is_emergency);
    }
    wholes
}

fn uses_of(held: Option<&BTreeSet<Held>>, rings: &[Ring]) -> Uses {
    let held = held.into_iter().flatten().filter_map(|held| rings.get(held.ring));
    Uses::of(held.map(|ring| ring.policy.separation))
}

/// A principal, with what of others decides what can be done to it, and as it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) principal: Principal,
    pub(super) person: PrincipalId,
    /// The roles of all accounts of the person that were not revoked.
    pub(super) person_roles: Vec<Role>,
    /// Who made it or one of its live credentials, by person and by account.
    pub(super) made_by: Vec<PrincipalId>,
    pub(super) made_by_accounts: Vec<PrincipalId>,
    pub(super) uses: Uses,
    pub(super) person_uses: Uses,
    /// Has it emergency access, and has the person, by whatever account?
    pub(super) has_emergency: bool,
    pub(super) in_emergency: bool,
    /// The accounts that gave it grants.
    pub(super) granters: Vec<PrincipalId>,
    /// The persons who gave it grants and roles.
    pub(super) given_by: Vec<PrincipalId>,
    /// The rings with strict separation whose keys show it what they protect, by which use.
    pub(super) reveals: Vec<(usize, Action)>,
    /// Can it call at all?
    pub(super) is_live: bool,
    pub(super) has_certificate: bool,
    /// Has it a certificate, or a code for one?
    pub(super) signs: bool,
    /// Its number, where somebody would have to make it first.
    pub(super) puppet: Option<u16>,
}

impl Known {
    fn of(
        principal: Principal,
        proofs: &[Proof],
        held: Option<&BTreeSet<Held>>,
        whole: Option<&Whole>,
        (persons, rings): (&HashMap<PrincipalId, PrincipalId>, &[Ring]),
    ) -> Self {
        let person_of = |id: &PrincipalId| persons.get(id).copied().unwrap_or(*id);
        let is_guarded = |at: usize| rings.get(at).is_some_and(Ring::is_guarded);
        let mut person_roles = principal.roles.clone();
        if principal.kind == PrincipalKind::Human {
            let accounts = whole.into_iter().flat_map(|whole| &whole.roles);
            let others = accounts.filter(|(id, _)| *id != principal.id);
            person_roles.extend(others.flat_map(|(_, roles)| roles.iter().copied()));
        }
        let created_by = principal.created_by;
        let made_by_accounts =
            distinct(proofs.iter().flat_map(|proof| &proof.makers).copied().chain(created_by));
        let makers = proofs.iter().flat_map(|proof| &proof.maker_persons).copied();
        let made_by = distinct(makers.chain(created_by.iter().map(person_of)));
        let granters = distinct(held.into_iter().flatten().map(|held| held.giver));
        let gave_capacity = principal.capacities.iter().map(|held| &held.given_by);
        let gave_role = principal.role_givers.iter().map(|(_, giver)| giver);
        let givers = gave_role.chain(gave_capacity).chain(&granters);
        let shown = held.into_iter().flatten().filter_map(|held| Some((held.ring, held.reveals?)));
        let uses = uses_of(held, rings);
        Self {
            person: principal.person(),
            person_roles: distinct(person_roles),
            made_by,
            made_by_accounts,
            uses,
            person_uses: whole.map_or(uses, |whole| whole.uses.max(uses)),
            has_emergency: held.into_iter().flatten().any(|held| held.is_emergency),
            in_emergency: whole.is_some_and(|whole| whole.in_emergency),
            given_by: distinct(givers.map(person_of)),
            granters,
            reveals: distinct(shown.filter(|(ring, _)| is_guarded(*ring))),
            is_live: proofs.iter().any(|proof| proof.proves),
            has_certificate: proofs.iter().any(Proof::is_certificate),
            signs: proofs.iter().any(Proof::signs),
            puppet: None,
            principal,
        }
    }

    /// Somebody whom `maker` would make.
    pub(super) fn made_up(number: u16, kind: PrincipalKind, maker: &Self, now: Timestamp) -> Option<Self> {
        let [high, low] = number.to_be_bytes();
        let mut id = [0xff; 16];
        // Nobody has such an identifier: it is no random one.
        let [.., before_last, last] = &mut id;
        (*before_last, *last) = (high, low);
        let name = format!("puppet-{number}").parse().ok()?;
        let principal = Principal {
            created_by: Some(maker.principal.id),
            ..Principal::new(PrincipalId::from_bytes(id), name, kind, now)
        };
        Some(Self {
            person: principal.id,
            person_roles: Vec::new(),
            made_by: vec![maker.person],
            made_by_accounts: vec![maker.principal.id],
            uses: Uses::None,
            person_uses: Uses::None,
            has_emergency: false,
            in_emergency: false,
            granters: Vec::new(),
            given_by: Vec::new(),
            reveals: Vec::new(),
            is_live: false,
            has_certificate: false,
            signs: false,
            puppet: Some(number),
            principal,
        })
    }

    /// The same with a credential that somebody made.
    pub(super) fn with_credential(mut self, by: &Self) -> Self {
        self.made_by.push(by.person);
        self.made_by_accounts.push(by.principal.id);
        self.is_live = true;
        // Of a person it is a certificate: nothing else lets them do as much.
        self.has_certificate |= self.principal.kind == PrincipalKind::Human;
        self
    }

    /// The same once the code that there is was redeemed.
    pub(super) fn enrolled(mut self) -> Self {
        self.has_certificate = true;
        self
    }

    /// The same with emergency access to a key of a strict ring.
    pub(super) fn with_emergency(mut self, by: &Self, ring: usize, action: Action) -> Self {
        (self.has_emergency, self.in_emergency) = (true, true);
        self.with_grant(by, ring, action)
    }

    /// The same with a grant that shows what keys of a strict ring protect.
    pub(super) fn with_grant(mut self, by: &Self, ring: usize, action: Action) -> Self {
        self.granters.push(by.principal.id);
        self.given_by.push(by.person);
        (self.uses, self.person_uses) = (Uses::Strict, Uses::Strict);
        self.reveals.push((ring, action));
        self
    }

    /// The same with one more role.
    pub(super) fn with_role(mut self, by: &Self, role: Role) -> Self {
        self.given_by.push(by.person);
        self.principal = self.principal.with_role(role, by.principal.id);
        self.person_roles.push(role);
        self.person_roles = distinct(self.person_roles);
        self
    }

    /// Who could act as it without being it; of whole persons, or of accounts.
    pub(super) fn makers(&self, of_persons: bool) -> Makers {
        if of_persons {
            Makers::among(self.person, self.made_by.iter().copied())
        } else {
            Makers::among(self.principal.id, self.made_by_accounts.iter().copied())
        }
    }

    /// Did that person make it, or give it something?
    pub(super) fn is_related(&self, person: PrincipalId) -> bool {
        self.made_by.contains(&person) || self.given_by.contains(&person)
    }

    pub(super) fn is_person(&self) -> bool {
        self.principal.kind == PrincipalKind::Human && self.principal.status == Status::Active
    }

    pub(super) fn subject(&self) -> Subject {
        match self.puppet {
            Some(number) => Subject::Puppet(number),
            None => Subject::Principal(self.principal.name.clone()),
        }
    }
}

/// Each once, ascending.
fn distinct<T: Ord>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    all.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

/// That somebody made a credential of another person, and may have kept its secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// The place of the principal.
    pub(super) of: usize,
    /// By which account it was made.
    pub(super) by: PrincipalId,
    /// Is it a certificate, or a code for one?
    pub(super) signs: bool,
    /// Is it a code, which the maker redeems first?
    pub(super) is_code: bool,
}

/// An active person, with the places of its accounts.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) id: PrincipalId,
    pub(super) accounts: Vec<usize>,
}

/// What rows say together.
#[derive(Debug)]
pub struct Facts {
    pub(super) now: Timestamp,
    pub(super) governance: Governance,
    /// In the order of names.
    pub(super) known: Vec<Known>,
    places: HashMap<PrincipalId, usize>,
    pub(super) persons: Vec<Person>,
    person_places: HashMap<PrincipalId, usize>,
    /// By person; by the system for what the set-up made.
    kept: HashMap<PrincipalId, Vec<Kept>>,
    /// Active principals, those together to which the same can be done by whoever neither made them nor gave them anything.
    pub(super) targets: Vec<Vec<usize>>,
    /// The persons who can approve what takes custodians.
    pub(super) custodians: BTreeSet<PrincipalId>,
    /// Who made live credentials of applications that use keys of strict rings, and of how many.
    pub(super) application_makers: BTreeMap<PrincipalId, u64>,
    /// Principals and live credentials of which nobody knows who made them.
    pub(super) unknown_makers: u64,
    pub(super) credentials: u64,
    pub(super) grants: u64,
    pub(super) rings: Vec<Ring>,
}

impl Facts {
    /// The principal of that identifier.
    pub(super) fn find(&self, id: PrincipalId) -> Option<&Known> {
        self.known.get(*self.places.get(&id)?)
    }

    /// The principal of that name.
    pub(super) fn find_by_name(&self, name: &Name) -> Option<&Known> {
        let place = self.known.binary_search_by(|known| known.principal.name.cmp(name)).ok()?;
        self.known.get(place)
    }

    pub(super) fn find_ring(&self, name: &Name) -> Option<&Ring> {
        self.rings.iter().find(|ring| ring.name == *name)
    }

    /// The person behind a principal.
    pub(super) fn person_of(&self, id: PrincipalId) -> PrincipalId {
        self.find(id).map_or(id, |known| known.person)
    }

    pub(super) fn person(&self, id: PrincipalId) -> Option<&Person> {
        self.persons.get(*self.person_places.get(&id)?)
    }

    /// The accounts of a person that were not revoked.
    pub(super) fn accounts(&self, person: PrincipalId) -> impl Iterator<Item = &Known> {
        let places = self.person(person).into_iter().flat_map(|person| &person.accounts);
        places.filter_map(|place| self.known.get(*place))
    }

    /// Credentials of other persons that somebody made.
    pub(super) fn kept_by(&self, person: PrincipalId) -> &[Kept] {
        self.kept.get(&person).map_or(&[], Vec::as_slice)
    }

    /// How somebody is called in a path.
    pub(super) fn subject(&self, id: PrincipalId) -> Subject {
        self.find(id).map_or(Subject::SetUp, Known::subject)
    }

    fn take(&mut self, known: Known, proofs: &[Proof], persons: &HashMap<PrincipalId, PrincipalId>) {
        let place = self.known.len();
        self.places.insert(known.principal.id, place);
        if known.principal.status == Status::Active {
            let makers = proofs.iter().map(|proof| proof.maker).chain([known.principal.created_by]);
            self.unknown_makers += u64::try_from(makers.filter(Option::is_none).count()).unwrap_or(u64::MAX);
            for proof in proofs {
                let mut makers = BTreeSet::from([known.person]);
                for maker in proof.makers.iter().chain(&proof.maker_persons).copied() {
                    let person = persons.get(&maker).copied().unwrap_or(maker);
                    // Whoever ran the set-up is nobody by name: the holders' own signatures say that nothing was kept of them.
                    let is_excused = maker == PrincipalId::SYSTEM && proof.is_own;
                    if !proof.proves || is_excused || !makers.insert(person) {
                        continue;
                    }
                    let is_code = proof.kind == CredentialKind::EnrolmentCode;
                    let kept = Kept { of: place, by: maker, signs: proof.signs(), is_code };
                    self.kept.entry(person).or_default().push(kept);
                }
            }
            if known.principal.kind == PrincipalKind::Workload && !known.reveals.is_empty() {
                let makers = proofs.iter().flat_map(|proof| &proof.makers);
                let makers = makers.filter_map(|maker| persons.get(maker).copied());
                for maker in distinct(makers.filter(|maker| *maker != known.person)) {
                    *self.application_makers.entry(maker).or_default() += 1;
                }
            }
            let is_custodian = known.principal.roles.contains(&Role::Custodian);
            if is_custodian && known.is_person() && known.has_certificate {
                self.custodians.insert(known.person);
            }
            if known.is_person() {
                let at = *self.person_places.entry(known.person).or_insert(self.persons.len());
                if at == self.persons.len() {
                    self.persons.push(Person { id: known.person, accounts: Vec::new() });
                }
                if let Some(person) = self.persons.get_mut(at) {
                    person.accounts.push(place);
                }
            }
        }
        self.known.push(known);
    }

    fn sort_targets(&mut self) {
        let mut sorted: BTreeMap<Sort, Vec<usize>> = BTreeMap::new();
        let active = self.known.iter().enumerate();
        for (place, known) in active.filter(|(_, known)| known.principal.status == Status::Active) {
            sorted.entry(Sort::of(known)).or_default().push(place);
        }
        self.targets = sorted.into_values().collect();
    }

    /// Of those that are of one sort, some are as good as all.
    fn thin_out_kept(&mut self) {
        for kept in self.kept.values_mut() {
            let mut counts: BTreeMap<(Sort, bool), usize> = BTreeMap::new();
            kept.retain(|one| {
                let known = self.known.get(one.of).filter(|known| known.is_person());
                let Some(known) = known else { return false };
                let count = counts.entry((Sort::of(known), one.signs)).or_default();
                *count += 1;
                *count <= MOST_KEPT
            });
        }
    }
}

/// What decides what can be done to a principal, beside who does it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sort {
    kind: PrincipalKind,
    roles: Vec<Role>,
    person_roles: Vec<Role>,
    /// The roles of which it is known who gave them.
    given: Vec<Role>,
    /// Does it answer for something?
    answers: bool,
    uses: Uses,
    person_uses: Uses,
    has_emergency: bool,
    in_emergency: bool,
    reveals: bool,
}

impl Sort {
    fn of(known: &Known) -> Self {
        Self {
            kind: known.principal.kind,
            roles: known.principal.roles.clone(),
            person_roles: known.person_roles.clone(),
            given: known.principal.role_givers.iter().map(|(role, _)| *role).collect(),
            answers: !known.principal.capacities.is_empty(),
            uses: known.uses,
            person_uses: known.person_uses,
            has_emergency: known.has_emergency,
            in_emergency: known.in_emergency,
            reveals: !known.reveals.is_empty(),
        }
    }
}

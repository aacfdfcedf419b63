//! Which grants are honoured: a right that was passed on ends with what it rests on.
//!
//! What it keeps true: a grant that names a basis is honoured at an instant only while it is active and its own end has
//! not come, the principal who passed it on is active, one of the grants of its basis gives the right to pass rights on, and
//! each action that it gives is given by a grant of its basis on no less, under conditions that its own are within. Each of
//! these grants must be held by that principal and be honoured itself. Giving a grant up is the one action that needs no
//! basis.
//!
//! This is decided when a grant is used or shown, along its chain, and never written down. So ending one grant is one write,
//! however many rest on it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::action::Action;
use crate::change::Chain;
use crate::grant::{Basis, Conditions, EndedBy, Ending, Grant, GrantOrigin, Selector};
use crate::principal::Status;
use crate::time::Timestamp;
use crate::{GrantId, KeyId, KeyRingId, PrincipalId};

/// How often a right can be passed on, counted from what was given under a role.
pub const MAX_DEPTH: usize = 8;
/// Most grants that a grant rests on by itself.
pub const MAX_BASIS: usize = 16;
/// Most grants that a grant rests on along its whole chain.
pub const MAX_CHAIN: usize = 64;
/// Rows that were written otherwise than by this program may rest on each other in a circle: no call goes deeper than this.
const DEEPEST: usize = 64;

/// What must be known of other rows to judge some grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What they rest on.
    pub grants: BTreeSet<GrantId>,
    /// Who gave them.
    pub principals: BTreeSet<PrincipalId>,
    /// The keys that they are on.
    pub keys: BTreeSet<KeyId>,
}

impl Wanted {
    /// What must be known to judge these; `None` when none of them was passed on, and nothing must.
    pub fn of<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> Option<Self> {
        let mut wanted: Option<Self> = None;
        for grant in grants.into_iter().filter(|grant| grant.basis.is_delegated()) {
            wanted.get_or_insert_default().add(grant);
        }
        wanted
    }

    /// Adds what a grant asks for.
    pub fn add(&mut self, grant: &Grant) {
        if !grant.basis.is_delegated() {
            return;
        }
        self.grants.extend(grant.basis.grants());
        self.principals.insert(grant.created_by);
        if let Selector::Key(key) = grant.selector {
            self.keys.insert(key);
        }
    }
}

/// What some grants rest on, as it is in the store.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    grants: HashMap<GrantId, Grant>,
    active: HashSet<PrincipalId>,
    rings: HashMap<KeyId, KeyRingId>,
}

impl Lineage {
    /// The grants that some rest on, which of those who gave them are active, and the rings of their keys.
    #[must_use]
    pub fn new(
        grants: impl IntoIterator<Item = Grant>,
        active: impl IntoIterator<Item = PrincipalId>,
        rings: impl IntoIterator<Item = (KeyId, KeyRingId)>,
    ) -> Self {
        Self {
            grants: grants.into_iter().map(|grant| (grant.id, grant)).collect(),
            active: active.into_iter().collect(),
            rings: rings.into_iter().collect(),
        }
    }

    /// Adds the ring of a key that is not in the store yet.
    #[must_use]
    pub fn with_ring(mut self, key: KeyId, ring: KeyRingId) -> Self {
        self.rings.insert(key, ring);
        self
    }

    /// Judges grants as of `now`.
    #[must_use]
    pub fn judge(&self, now: Timestamp) -> Judge<'_> {
        Judge { lineage: self, now, timeless: false, known: HashMap::new(), deep: 0 }
    }

    /// Is it active, of the principals that were asked for?
    #[must_use]
    pub fn is_active(&self, principal: PrincipalId) -> bool {
        self.active.contains(&principal)
    }

    fn spans(&self, wide: Selector, narrow: Selector) -> bool {
        match (wide, narrow) {
            (Selector::Ring(ring), Selector::Key(key)) => self.rings.get(&key) == Some(&ring),
            (wide, narrow) => wide == narrow,
        }
    }
}

/// Is a grant honoured?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not any more.
    Ended(Cause),
    /// It is.
    Honoured(Honoured),
}

impl Verdict {
    /// What is known of an honoured grant.
    #[must_use]
    pub const fn honoured(&self) -> Option<&Honoured> {
        match self {
            Self::Honoured(honoured) => Some(honoured),
            Self::Ended(_) => None,
        }
    }

    /// Why it is not honoured.
    #[must_use]
    pub const fn ended(&self) -> Option<Cause> {
        match self {
            Self::Ended(cause) => Some(*cause),
            Self::Honoured(_) => None,
        }
    }
}

/// An honoured grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Honoured {
    /// When it ends by itself or with its basis, as things stand.
    pub until: Option<Timestamp>,
    /// How often it was passed on.
    pub depth: usize,
    /// What it depends on; `None` when it was given under a role.
    pub chain: Option<Arc<Chain>>,
}

/// What ended a grant: itself, or what it rested on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// This grant was ended by an act.
    Ended {
        /// The grant.
        grant: GrantId,
        /// How and when, where that was recorded.
        ending: Option<Ending>,
    },
    /// The time of this grant was over.
    Expired {
        /// The grant.
        grant: GrantId,
        /// Since when.
        at: Timestamp,
    },
    /// This principal, who passed the right on or holds it, was revoked.
    PrincipalRevoked {
        /// The principal.
        principal: PrincipalId,
    },
    /// What this grant rests on does not cover it, or names no grant that is there.
    NotCovered {
        /// The grant.
        grant: GrantId,
    },
    /// This grant was passed on more often than [`MAX_DEPTH`].
    TooDeep {
        /// The grant.
        grant: GrantId,
    },
}

/// In which way a grant ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum How {
    /// Its time was over.
    Expired,
    /// What it rests on does not cover it.
    NotCovered,
    /// Who passed it on, or holds it, was revoked.
    PrincipalRevoked,
    /// A new key policy does not give it.
    Replaced,
    /// It was given up.
    Retired,
    /// It was revoked.
    Revoked,
    /// It was passed on too often.
    TooDeep,
}

crate::named! {
    /// Text that is not a way in which a grant ended.
    How, "a way in which a grant ended" {
        Expired = "expired",
        NotCovered = "not_covered",
        PrincipalRevoked = "principal_revoked",
        Replaced = "replaced",
        Retired = "retired",
        Revoked = "revoked",
        TooDeep = "too_deep",
    }
}

impl Cause {
    /// In which way.
    #[must_use]
    pub fn how(&self) -> How {
        match self {
            Self::Ended { ending, .. } => match ending.map(|ending| ending.by) {
                Some(EndedBy::Replacement) => How::Replaced,
                Some(EndedBy::Retirement) => How::Retired,
                Some(EndedBy::Revocation) | None => How::Revoked,
            },
            Self::Expired { .. } => How::Expired,
            Self::PrincipalRevoked { .. } => How::PrincipalRevoked,
            Self::NotCovered { .. } => How::NotCovered,
            Self::TooDeep { .. } => How::TooDeep,
        }
    }

    /// When, where that is known.
    #[must_use]
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Ended { ending, .. } => ending.map(|ending| ending.at),
            Self::Expired { at, .. } => Some(*at),
            Self::PrincipalRevoked { .. } | Self::NotCovered { .. } | Self::TooDeep { .. } => None,
        }
    }

    /// The principal that it is about.
    #[must_use]
    pub const fn principal(&self) -> Option<PrincipalId> {
        match self {
            Self::PrincipalRevoked { principal } => Some(*principal),
            Self::Ended { .. } | Self::Expired { .. } | Self::NotCovered { .. } | Self::TooDeep { .. } => {
                None
            }
        }
    }

    /// The grant that it is about.
    #[must_use]
    pub const fn grant(&self) -> Option<GrantId> {
        match self {
            Self::Ended { grant, .. }
            | Self::Expired { grant, .. }
            | Self::NotCovered { grant }
            | Self::TooDeep { grant } => Some(*grant),
            Self::PrincipalRevoked { .. } => None,
        }
    }
}

/// A right that somebody wants to pass on.
#[derive(Clone, Copy, Debug)]
pub struct Delegation<'a> {
    /// The key or ring that it is to cover.
    pub selector: Selector,
    /// The actions that it is to allow.
    pub operations: &'a [Action],
    /// Under which conditions.
    pub conditions: &'a Conditions,
    /// By which way it is given.
    pub origin: GrantOrigin,
    /// The grant by which the call itself is permitted: its conditions are met.
    pub permitted_by: Option<GrantId>,
}

/// Why a right cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortfall {
    /// The giver does not have that right itself, under these conditions.
    #[error(
        "you may pass on what you may do yourself, under the same conditions at least, which `{0}` is not"
    )]
    Lacks(Action),
    /// It would outlive what it rests on.
    #[error("you may pass rights on for as long as you have them, which is until {} microseconds since 1970", .0.as_micros())]
    Outlives(Timestamp),
    /// It was passed on too often.
    #[error(
        "the right was passed on {MAX_DEPTH} times already, and can be passed on no further; ask who gave it first"
    )]
    TooDeep,
    /// It would rest on too many grants.
    #[error(
        "the grant would rest on more than {MAX_BASIS} grants, or on more than {MAX_CHAIN} with all that these rest on; give it in parts"
    )]
    TooMany,
}

/// The actions that let their holder give grants by that way.
const fn acts(origin: GrantOrigin) -> &'static [Action] {
    match origin {
        // Nobody passes emergency access on, and none rests on a grant.
        GrantOrigin::BreakGlass => &[],
        GrantOrigin::Direct => &[Action::DelegateGrant],
        GrantOrigin::KeyPolicy => &[Action::PutKeyPolicy, Action::DelegateGrant],
    }
}

/// What a grant needs a basis for.
#[derive(Clone, Copy)]
enum Need {
    /// To have been given at all.
    ToGive(GrantOrigin),
    /// To give this.
    Of(Action),
}

/// All that the terms of a grant need a basis for.
fn needs(operations: &[Action], origin: GrantOrigin) -> impl Iterator<Item = Need> {
    let given = operations.iter().filter(|action| **action != Action::RetireGrant);
    given.map(|action| Need::Of(*action)).chain([Need::ToGive(origin)])
}

/// Of a grant of a basis, as much as [`ends_by`] looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearing {
    /// Which actions it gives.
    pub operations: Vec<Action>,
    /// By when it has ended.
    pub ends_by: Option<Timestamp>,
}

/// By when the grant has ended, by its own time or that of what it rests on; `None` when time does not end it. It follows from what
/// is fixed when the grant is given, so it never changes, and the grant may end earlier.
#[must_use]
pub fn ends_by(grant: &Grant, basis: &[Bearing]) -> Option<Timestamp> {
    let own = grant.conditions.until;
    if !grant.basis.is_delegated() {
        return own;
    }
    needs(&grant.operations, grant.origin).fold(own, |end, need| {
        let bearing = basis.iter().filter(|bearing| meets(&bearing.operations, need));
        let last = bearing.map(|bearing| bearing.ends_by.map_or(u64::MAX, Timestamp::as_micros)).max();
        match last {
            // Nothing gives it: it was never honoured.
            None => Some(Timestamp::default()),
            Some(u64::MAX) => end,
            Some(last) => earlier(end, Some(Timestamp::from_micros(last))),
        }
    })
}

/// Is the need met by one who may do this?
fn meets(operations: &[Action], need: Need) -> bool {
    match need {
        Need::Of(action) => operations.contains(&action),
        Need::ToGive(origin) => acts(origin).iter().any(|action| operations.contains(action)),
    }
}

/// A grant of a basis, held against the terms of one that rests on it.
struct Pillar<'a> {
    grant: &'a Grant,
    /// Is it on no less?
    spans: bool,
    /// Are the conditions within its own?
    admits: bool,
    verdict: Verdict,
}

impl Pillar<'_> {
    fn serves(&self, need: Need) -> bool {
        let admits = match need {
            Need::Of(_) => self.admits,
            Need::ToGive(_) => true,
        };
        self.spans && admits && meets(&self.grant.operations, need)
    }
}

/// Judges grants as of one instant, each of them once.
#[derive(Debug)]
pub struct Judge<'a> {
    lineage: &'a Lineage,
    now: Timestamp,
    /// Neither ends anything by time, nor by its depth, which falls as time passes: what is honoured at any time is.
    timeless: bool,
    known: HashMap<GrantId, Verdict>,
    deep: usize,
}

impl Lineage {
    /// Which of these have ended whatever the time is: by an act, or with what they rested on. None of them comes back.
    #[must_use]
    pub fn ended_for_good(&self, grants: &[Grant]) -> Vec<bool> {
        let mut judge = Judge { timeless: true, ..self.judge(Timestamp::default()) };
        grants.iter().map(|grant| judge.verdict(grant).ended().is_some()).collect()
    }
}

impl<'a> Judge<'a> {
    /// Is it honoured, and until when?
    pub fn verdict(&mut self, grant: &Grant) -> Verdict {
        if let Some(known) = self.known.get(&grant.id) {
            return known.clone();
        }
        if grant.basis.is_delegated() {
            // Whoever comes back here on the way down has found a circle.
            self.known.insert(grant.id, Verdict::Ended(Cause::TooDeep { grant: grant.id }));
        }
        self.deep += 1;
        let verdict = self.weigh(grant);
        self.deep -= 1;
        if grant.basis.is_delegated() {
            self.known.insert(grant.id, verdict.clone());
        }
        verdict
    }

    fn weigh(&mut self, grant: &Grant) -> Verdict {
        let (id, until) = (grant.id, grant.conditions.until);
        if grant.status == Status::Revoked {
            return Verdict::Ended(Cause::Ended { grant: id, ending: grant.ending });
        }
        if let Some(at) = until.filter(|until| !self.timeless && *until <= self.now) {
            return Verdict::Ended(Cause::Expired { grant: id, at });
        }
        let Basis::Grants(basis) = &grant.basis else {
            return Verdict::Honoured(Honoured { until, depth: 0, chain: None });
        };
        if self.deep > DEEPEST {
            return Verdict::Ended(Cause::TooDeep { grant: id });
        }
        if !self.lineage.active.contains(&grant.created_by) {
            return Verdict::Ended(Cause::PrincipalRevoked { principal: grant.created_by });
        }
        let lineage = self.lineage;
        let held = basis.iter().filter_map(|id| lineage.grants.get(id));
        let held = held.filter(|held| held.principal == grant.created_by);
        let pillars = self.pillars(held, grant.selector, &grant.conditions);
        let mut carrying = Vec::new();
        for need in needs(&grant.operations, grant.origin) {
            match best(pillars.iter().filter(|pillar| pillar.serves(need))) {
                Some(pillar) => carrying.push(pillar),
                None => {
                    let ended = pillars.iter().filter(|pillar| pillar.serves(need));
                    let cause = ended.filter_map(|pillar| pillar.verdict.ended()).next();
                    return Verdict::Ended(cause.unwrap_or(Cause::NotCovered { grant: id }));
                }
            }
        }
        // Of what is left of the basis, all of it: as parts of it end, a grant is never found to have been passed on more often.
        let depth = depth(&pillars);
        if depth > MAX_DEPTH && !self.timeless {
            return Verdict::Ended(Cause::TooDeep { grant: id });
        }
        let end = end(&carrying);
        let chain = chain(&carrying, grant.created_by);
        Verdict::Honoured(Honoured { until: earlier(until, end), depth, chain: Some(Arc::new(chain)) })
    }

    /// The grants that a right passed on rests on: of what the giver holds, for each action the one that lasts longest.
    ///
    /// # Errors
    /// [`Shortfall`] says why it cannot be passed on.
    pub fn choose(
        &mut self,
        giver: PrincipalId,
        held: &'a [Grant],
        wanted: &Delegation<'_>,
    ) -> Result<Vec<GrantId>, Shortfall> {
        let held = held.iter().filter(|held| held.principal == giver);
        let pillars = self.pillars(held, wanted.selector, wanted.conditions);
        let mut chosen: Vec<&Pillar<'_>> = Vec::new();
        for need in needs(wanted.operations, wanted.origin) {
            let fits = |pillar: &&Pillar<'_>| {
                let met = pillar.grant.conditions.is_unconditional()
                    || wanted.permitted_by == Some(pillar.grant.id);
                pillar.serves(need) && (matches!(need, Need::Of(_)) || met)
            };
            let Some(found) = best(pillars.iter().filter(fits)) else {
                return Err(Shortfall::Lacks(match need {
                    Need::Of(action) => action,
                    Need::ToGive(GrantOrigin::BreakGlass | GrantOrigin::Direct) => Action::DelegateGrant,
                    Need::ToGive(GrantOrigin::KeyPolicy) => Action::PutKeyPolicy,
                }));
            };
            let lasts = |pillar: &&Pillar<'_>| lasting(pillar) == lasting(found);
            if !chosen.iter().any(|known| fits(known) && lasts(known)) {
                chosen.push(found);
            }
        }
        if let (Some(end), Some(until)) = (end(&chosen), wanted.conditions.until)
            && end < until
        {
            return Err(Shortfall::Outlives(end));
        }
        if depth(chosen.iter().copied()) > MAX_DEPTH {
            return Err(Shortfall::TooDeep);
        }
        if chosen.len() > MAX_BASIS || chain(&chosen, giver).grants().len() > MAX_CHAIN {
            return Err(Shortfall::TooMany);
        }
        Ok(chosen.into_iter().map(|pillar| pillar.grant.id).collect())
    }

    fn pillars<'g>(
        &mut self,
        held: impl Iterator<Item = &'g Grant>,
        selector: Selector,
        conditions: &Conditions,
    ) -> Vec<Pillar<'g>> {
        held.map(|grant| Pillar {
            grant,
            spans: self.lineage.spans(grant.selector, selector),
            admits: conditions.are_within(&grant.conditions),
            verdict: self.verdict(grant),
        })
        .collect()
    }
}

/// The honoured one that lasts longest; of several the one passed on least often, then the oldest.
fn best<'p, 'a>(pillars: impl Iterator<Item = &'p Pillar<'a>>) -> Option<&'p Pillar<'a>> {
    let honoured = pillars.filter_map(|pillar| Some((pillar.verdict.honoured()?, pillar)));
    let rank = |(honoured, pillar): &(&Honoured, &Pillar<'_>)| {
        (Reverse(lasting(pillar)), honoured.depth, pillar.grant.created_at, pillar.grant.id)
    };
    honoured.min_by_key(rank).map(|(_, pillar)| pillar)
}

/// Its end, in an order in which no end is the last.
fn lasting(pillar: &Pillar<'_>) -> u64 {
    let until = pillar.verdict.honoured().and_then(|honoured| honoured.until);
    until.map_or(u64::MAX, Timestamp::as_micros)
}

/// When what rests on all of these ends.
fn end(carrying: &[&Pillar<'_>]) -> Option<Timestamp> {
    let honoured = carrying.iter().filter_map(|pillar| pillar.verdict.honoured());
    honoured.map(|honoured| honoured.until).fold(None, earlier)
}

/// How often what rests on these was passed on.
fn depth<'p, 'a: 'p>(pillars: impl IntoIterator<Item = &'p Pillar<'a>>) -> usize {
    let honoured = pillars.into_iter().filter_map(|pillar| pillar.verdict.honoured());
    honoured.map(|honoured| honoured.depth + 1).max().unwrap_or(1)
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn chain(carrying: &[&Pillar<'_>], giver: PrincipalId) -> Chain {
    let behind = || {
        let honoured = carrying.iter().filter_map(|pillar| pillar.verdict.honoured());
        honoured.filter_map(|honoured| honoured.chain.as_deref())
    };
    Chain::new(
        carrying
            .iter()
            .map(|pillar| pillar.grant.id)
            .chain(behind().flat_map(|chain| chain.grants().iter().copied())),
        behind().flat_map(|chain| chain.principals().iter().copied()).chain([giver]),
    )
}

#[cfg(test)]
mod tests;

//! What holds of the rows of state, whichever store keeps them: what makes one valid by itself, what of it never changes, and in which order
//! rows are written that refer to each other.

use std::collections::BTreeMap;

use claviger_crypto::digest::sha256;

use crate::Action;
use crate::action::Effect;
use crate::alert::Alert;
use crate::alias::Alias;
use crate::approval::{Approval, Decided, Outcome, SeenRow};
use crate::asset::Asset;
use crate::break_glass::BreakGlass;
use crate::capacity::HeldCapacity;
use crate::change::Change;
use crate::declaration::{Attestation, Declaration};
use crate::governance::Governance;
use crate::grant::{Grant, GrantOrigin, Selector};
use crate::key::{Key, KeyRing, KeyVersion, Origin, State};
use crate::log_time::{TimeRecord, WINDOW_HOURS};
use crate::node::Node;
use crate::principal::{Credential, Principal, PrincipalKind, Status};
use crate::reason::{ReasonRecord, TextAtRest};
use crate::review::{Review, ReviewItem, encode_population};
use crate::rights_review::{Confirmation, RightsReview};

/// A row of state. A store keeps no other than such as these rules allow.
pub trait Row {
    /// Counts its writes; 0 of one that is not written yet.
    fn revision(&self) -> u64;

    /// Is it valid by itself?
    ///
    /// # Errors
    /// What is wrong with it.
    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }

    /// Can it take the place of `stored`, which it was computed from? What is fixed for ever is the same in both.
    fn follows(&self, stored: &Self) -> bool;
}

impl Row for Key {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.primary == 0 {
            return Err("versions count from 1");
        }
        if self.description.len() > Self::MAX_DESCRIPTION {
            return Err("the description is too long");
        }
        if self.destruction.is_some() && (self.state == State::Active || self.state.is_destroyed()) {
            return Err("a key that waits for its destruction is neither active nor destroyed");
        }
        Ok(())
    }

    fn follows(&self, stored: &Self) -> bool {
        let fixed =
            |key: &Self| (key.ring, key.name.clone(), key.purpose, key.spec, key.protection, key.created_at);
        fixed(self) == fixed(stored)
    }
}

impl Row for KeyVersion {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.id.number == 0 {
            return Err("versions count from 1");
        }
        if self.state.is_destroyed() && self.wrap.is_some() {
            return Err("a destroyed version has material");
        }
        if self.state == State::Active && self.wrap.is_none() {
            return Err("an active version has no material");
        }
        if self.imported.is_some() && self.provenance.origin != Origin::Imported {
            return Err("material that was made here is recorded as imported");
        }
        Ok(())
    }

    fn follows(&self, stored: &Self) -> bool {
        let fixed = |version: &Self| (version.created_at, version.provenance.origin);
        // What waits with its material learns by the rotation how it came to follow.
        let took_over = stored.rotated.is_none() && stored.state == State::PreActive;
        let digest = |version: &Self| version.imported.as_ref().map(|imported| imported.digest);
        let pending_import = stored.provenance.origin == Origin::Imported
            && stored.imported.is_none()
            && stored.wrap.is_none();
        let keeps_material = if pending_import {
            self.imported.is_some() || self.wrap.is_none()
        } else {
            (&self.public_key, &self.provenance, digest(self))
                == (&stored.public_key, &stored.provenance, digest(stored))
        };
        fixed(self) == fixed(stored) && (self.rotated == stored.rotated || took_over) && keeps_material
    }
}

impl Row for KeyRing {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn follows(&self, stored: &Self) -> bool {
        (&self.name, self.created_at) == (&stored.name, stored.created_at)
    }
}

impl Row for Principal {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        if !self.roles.is_sorted_by(|a, b| a < b) {
            return Err("roles are ascending, each once");
        }
        let givers = &self.role_givers;
        let of_roles = givers.iter().all(|(role, _)| self.roles.contains(role));
        if !givers.is_sorted_by(|(a, _), (b, _)| a < b) || !of_roles {
            return Err("those who gave roles are ascending, one for each role that is held");
        }
        if self.same_person_as.is_some_and(|first| self.kind != PrincipalKind::Human || first == self.id) {
            return Err("only the account of a person names another one, and never itself");
        }
        check_capacities(self)
    }

    /// Its name changes by an erasure alone, which nothing undoes.
    fn follows(&self, stored: &Self) -> bool {
        let fixed = |principal: &Self| {
            let made = (principal.created_by, principal.created_at, principal.recovery.map(|made| made.at));
            (principal.kind, principal.environment.clone(), principal.same_person_as, made)
        };
        let is_named_alike = self.name == stored.name && self.erasure == stored.erasure;
        let is_erased_now = stored.erasure.is_none() && self.erasure.is_some();
        fixed(self) == fixed(stored) && (is_named_alike || is_erased_now)
    }
}

impl Row for Credential {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn follows(&self, stored: &Self) -> bool {
        let fixed =
            |one: &Self| (one.principal, one.kind, one.digest, one.created_by, one.renews, one.created_at);
        // What was confirmed once stays so.
        let is_confirmed_as_before = stored.awaits_confirmation || !self.awaits_confirmation;
        fixed(self) == fixed(stored) && self.access_key == stored.access_key && is_confirmed_as_before
    }
}

impl Row for Grant {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        if !self.spelling.fits() {
            return Err("a name in it is too long");
        }
        let operations = &self.operations;
        let grantable = operations.iter().all(|action| action.is_grantable_when_relaxed());
        if operations.is_empty() || !operations.is_sorted_by(|a, b| a < b) || !grantable {
            return Err("operations are such as can be granted, ascending, each once, at least one");
        }
        if self.ending.is_some() && self.status == Status::Active {
            return Err("an active grant was not ended");
        }
        if self.origin == GrantOrigin::BreakGlass && !is_of_emergency(self) {
            return Err("emergency access processes what one key protected, until an end");
        }
        Ok(())
    }

    /// What it gives to whom, by whom, and what it rests on is fixed; it can be ended.
    fn follows(&self, stored: &Self) -> bool {
        let fixed = |grant: &Self| {
            let given = (grant.created_by, grant.created_at, grant.origin, grant.reason);
            (grant.principal, grant.selector, grant.retiring, given)
        };
        let named = |grant: &Self| (grant.name.clone(), grant.spelling.clone(), grant.basis.clone());
        fixed(self) == fixed(stored) && named(self) == named(stored)
    }
}

/// Only persons answer for something, and nobody says so of themselves.
fn check_capacities(principal: &Principal) -> Result<(), &'static str> {
    let held = &principal.capacities;
    if !HeldCapacity::are_listed(held) {
        return Err("capacities are ascending, each once, and not too many");
    }
    let is_own = held.iter().any(|held| held.given_by == principal.id);
    if is_own || (!held.is_empty() && principal.kind != PrincipalKind::Human) {
        return Err("a capacity is of a person, and given by another one");
    }
    Ok(())
}

fn is_of_emergency(grant: &Grant) -> bool {
    grant.conditions.until.is_some()
        && matches!(grant.selector, Selector::Key(_))
        && !grant.basis.is_delegated()
        && grant.operations.iter().all(|action| action.effect() == Effect::Process)
}

impl Row for Alert {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.count == 0 {
            return Err("nothing was found");
        }
        if self.reason.is_some() && self.triaged.is_none() && self.closed.is_none() {
            return Err("a reason for an act that never was");
        }
        Ok(())
    }

    /// What it is about is fixed, what was found is counted, and what was done with it stays done. Behind its close, nothing changes.
    fn follows(&self, stored: &Self) -> bool {
        let fixed = |alert: &Self| (alert.rule, alert.subject, alert.raised_at);
        let acts = |alert: &Self| (alert.triaged, alert.closed, alert.reason);
        let as_found = |alert: &Self| (alert.count, alert.last_at, acts(alert));
        let goes_on = match stored.closed {
            None => {
                let is_acted_on = self.triaged != stored.triaged || self.closed.is_some();
                self.count >= stored.count
                    && (stored.triaged.is_none() || self.triaged == stored.triaged)
                    && (is_acted_on || self.reason == stored.reason)
            }
            Some(_) => as_found(self) == as_found(stored),
        };
        fixed(self) == fixed(stored) && goes_on
    }
}

impl Row for Alias {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn follows(&self, stored: &Self) -> bool {
        self.created_at == stored.created_at
    }
}

impl Row for Asset {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn follows(&self, stored: &Self) -> bool {
        let fixed = |asset: &Self| (asset.name.clone(), asset.created_by, asset.created_at);
        fixed(self) == fixed(stored)
    }
}

impl Row for Declaration {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.body.len() > Self::MAX_BODY {
            return Err("what is declared is too long");
        }
        if !Self::is_text(&self.text) {
            return Err("the text is too long, or has control characters");
        }
        if self.reason.is_some() && self.withdrawal.is_none() {
            return Err("a reason for a withdrawal that never was");
        }
        Ok(())
    }

    /// What was declared is fixed; it can be withdrawn, once.
    fn follows(&self, stored: &Self) -> bool {
        let said = |one: &Self| (one.kind, one.subject.clone(), one.body.clone(), one.text.clone());
        let made = |one: &Self| (one.declared_by, one.declared_at);
        let is_withdrawn_alike = self.withdrawal == stored.withdrawal && self.reason == stored.reason;
        let is_withdrawn_now = stored.withdrawal.is_none() && self.withdrawal.is_some();
        said(self) == said(stored) && made(self) == made(stored) && (is_withdrawn_alike || is_withdrawn_now)
    }
}

impl Row for Approval {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.asked.is_empty() || self.asked.len() > Self::MAX_ASKED {
            return Err("nothing is asked for, or it is too long");
        }
        if !SeenRow::are_listed(&self.rows) || self.rows.iter().any(|seen| seen.expectation().is_none()) {
            return Err("rows are ascending, each once, not too many, and such as a commit compares");
        }
        if self.quorum == 0 || usize::from(self.quorum) > Self::MOST_DECISIONS {
            return Err("nobody must approve, or more than can decide");
        }
        if self.requested_at >= self.expires_at {
            return Err("it expires before it was asked for");
        }
        check_decisions(self)?;
        check_done(self)?;
        match self.ended.map(|ended| ended.outcome) {
            Some(Outcome::Executed) if !self.is_approved() => {
                Err("what was done was not approved by enough, or was denied")
            }
            Some(Outcome::Denied) if !self.is_denied() => Err("nobody denied what was denied"),
            _ => Ok(()),
        }
    }

    /// What was asked for is fixed. Decisions are added until it ends, which it does once.
    fn follows(&self, stored: &Self) -> bool {
        let as_asked = Self {
            decisions: self.decisions.clone(),
            done: self.done.clone(),
            ended: self.ended,
            revision: self.revision,
            ..stored.clone()
        };
        let goes_on = match stored.ended {
            None => self.decisions.starts_with(&stored.decisions) && self.done.starts_with(&stored.done),
            Some(_) => {
                let came_of_it = |one: &Self| (one.ended, one.decisions.clone(), one.done.clone());
                came_of_it(self) == came_of_it(stored)
            }
        };
        as_asked == *self && goes_on
    }
}

/// Steps are of plans, and done one behind the other once enough approved; what one of them moved is among what the plan rests on. A denial
/// stops the rest and takes nothing back.
fn check_done(approval: &Approval) -> Result<(), &'static str> {
    let done = &approval.done;
    if done.is_empty() {
        return Ok(());
    }
    if approval.action != Action::ApplyPlan || done.len() > Approval::MOST_STEPS {
        return Err("only a plan has steps, and not too many");
    }
    if !done.iter().zip(0..).all(|(done, step)| done.step == step) {
        return Err("steps are done one behind the other, from the first on");
    }
    if approval.approvers().count() < usize::from(approval.quorum) {
        return Err("a step was done before enough approved");
    }
    let shown = approval.rows.iter().map(|seen| (seen.object, seen.revision));
    let mut expected: BTreeMap<_, _> = shown.collect();
    let mut has_moved = |seen: &SeenRow| {
        expected.insert(seen.object, seen.revision).is_some_and(|before| before < seen.revision)
    };
    if !done.iter().all(|done| SeenRow::are_listed(&done.moved) && done.moved.iter().all(&mut has_moved)) {
        return Err("a step moved what the plan does not rest on, or moved nothing of it");
    }
    Ok(())
}

impl Row for BreakGlass {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        if !self.is_sound() {
            return Err("it is to no key, has no end, or somebody opened or reviewed it for themselves");
        }
        if self.reviewed.is_some_and(|reviewed| reviewed.at < self.end()) {
            return Err("it was reviewed before it ended");
        }
        Ok(())
    }

    /// Who gets what and until when is fixed. It is closed once and reviewed once, and not closed behind its review.
    fn follows(&self, stored: &Self) -> bool {
        let as_opened =
            Self { closed: self.closed, reviewed: self.reviewed, revision: self.revision, ..stored.clone() };
        let may_close = stored.closed.is_none() && stored.reviewed.is_none();
        as_opened == *self
            && (may_close || self.closed == stored.closed)
            && (stored.reviewed.is_none() || self.reviewed == stored.reviewed)
    }
}

/// Others than who asks decide, each once, and by what can be a signature.
fn check_decisions(approval: &Approval) -> Result<(), &'static str> {
    let decisions = &approval.decisions;
    let is_long = |bytes: &[u8]| bytes.is_empty() || bytes.len() > Attestation::MAX_KEY;
    let is_wrong = |one: &Decided| is_long(&one.public_key) || is_long(&one.signature);
    if decisions.len() > Approval::MOST_DECISIONS || decisions.iter().any(is_wrong) {
        return Err("there are too many decisions, or a key or signature of one is empty or too long");
    }
    let is_first = |(at, one): (usize, &Decided)| decisions.iter().take(at).all(|other| other.by != one.by);
    if !decisions.iter().enumerate().all(is_first) || approval.was_decided_by(approval.requester) {
        return Err("somebody decided twice, or on what they ask for themselves");
    }
    Ok(())
}

impl Row for Governance {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.is_sound() { Ok(()) } else { Err("a span is out of range, or too many must approve") }
    }

    fn follows(&self, _: &Self) -> bool {
        true
    }
}

impl Row for ReasonRecord {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        match self.text {
            TextAtRest::Clear(_) => Err("a text in clear"),
            TextAtRest::None | TextAtRest::Sealed(_) => Ok(()),
        }
    }

    /// What was given is fixed; its text can be erased.
    fn follows(&self, stored: &Self) -> bool {
        let fixed = |reason: &Self| (reason.action, reason.code, reason.given_by, reason.given_at);
        fixed(self) == fixed(stored) && matches!(self.text, TextAtRest::None)
    }
}

impl Row for Review {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        if !Self::are_listed(&self.items) {
            return Err("items are ascending, each once, and not too many");
        }
        if self.population != sha256(&encode_population(&self.items)) {
            return Err("the population has another digest");
        }
        if self.opened_at >= self.due_at {
            return Err("it is due before it was opened");
        }
        let is_own =
            |item: &ReviewItem| item.decided.is_some_and(|decided| decided.by == item.subject.principal());
        if self.items.iter().any(is_own) {
            return Err("somebody decided on their own access");
        }
        if self.closed.is_some() && !self.is_decided() {
            return Err("it is closed, and something is not decided");
        }
        Ok(())
    }

    /// Its population is fixed. Each item is decided once, and it is closed once, behind which nothing changes.
    fn follows(&self, stored: &Self) -> bool {
        let as_opened = Self {
            items: self.items.clone(),
            closed: self.closed,
            reason: self.reason,
            revision: self.revision,
            ..stored.clone()
        };
        let is_decided_alike = |(now, before): (&ReviewItem, &ReviewItem)| {
            let undecided = ReviewItem { decided: before.decided, ..*now };
            undecided == *before && (before.decided.is_none() || now.decided == before.decided)
        };
        let goes_on = match stored.closed {
            None => self.closed.is_some() || self.reason == stored.reason,
            Some(_) => {
                let came_of_it = |one: &Self| (one.closed, one.reason, one.items.clone());
                came_of_it(self) == came_of_it(stored)
            }
        };
        as_opened == *self
            && self.items.len() == stored.items.len()
            && self.items.iter().zip(&stored.items).all(is_decided_alike)
            && goes_on
    }
}

impl Row for RightsReview {
    fn revision(&self) -> u64 {
        self.revision
    }

    /// There is a digest where somebody confirmed, and two persons did where both capacities are taken.
    fn check(&self) -> Result<(), &'static str> {
        let someone = self.officer.is_some() || self.auditor.is_some();
        let by = |one: Option<Confirmation>| one.map(|one| one.by);
        let is_sound = self.digest.is_some() == someone && (!someone || by(self.officer) != by(self.auditor));
        if is_sound { Ok(()) } else { Err("a confirmation of nothing, or by one") }
    }

    fn follows(&self, stored: &Self) -> bool {
        self.opened_at == stored.opened_at
    }
}

impl Row for Node {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.is_sound() { Ok(()) } else { Err("a word with a comma or a line feed") }
    }

    fn follows(&self, _: &Self) -> bool {
        true
    }
}

impl Row for TimeRecord {
    fn revision(&self) -> u64 {
        self.revision
    }

    fn check(&self) -> Result<(), &'static str> {
        if !self.steps.is_sorted_by(|one, next| one.hour < next.hour) {
            return Err("steps ascend by hour");
        }
        if u64::try_from(self.steps.len()).is_ok_and(|count| count > WINDOW_HOURS + 1) {
            return Err("there are more steps than hours in which they are remembered");
        }
        Ok(())
    }

    fn follows(&self, _: &Self) -> bool {
        true
    }
}

impl Change {
    /// The place of a change in the set that it is written with: a row comes behind those that it refers to, and what is compared before
    /// all of them.
    #[must_use]
    pub const fn rank(&self) -> u8 {
        match self {
            // What is expected holds before anything of the set is written.
            Self::Expect(_) | Self::ExpectNone { .. } => 0,
            Self::PutLogTime(_) | Self::PutPrincipal(_) => 1,
            Self::PutRing(_) => 2,
            Self::PutKey(_) => 3,
            Self::PutVersion(_) => 4,
            Self::PutCredential(_) => 5,
            Self::PutGrant(_) => 6,
            // What goes, goes before what comes: a name that is given free can be taken in the same set.
            Self::RemoveAlias(_) => 7,
            Self::PutAlias(_) => 8,
            Self::NoteFacts(_)
            | Self::PutAlert(_)
            | Self::PutApproval(_)
            | Self::PutAsset(_)
            | Self::PutBreakGlass(_)
            | Self::PutDeclaration(_)
            | Self::PutFactHead(_)
            | Self::PutGovernance(_)
            | Self::PutIdempotency(_)
            | Self::PutNode(_)
            | Self::PutPolicyDocument(_)
            | Self::PutReason(_)
            | Self::PutReview(_)
            | Self::PutRightsReview(_)
            | Self::PutVeil(_)
            | Self::RemoveVeil(_)
            | Self::SealReason { .. } => 9,
            Self::CountUses { .. } => 10,
            // What must not be there once the set is written.
            Self::ExpectNoAlias(_) => 11,
        }
    }
}

//! What a call is: what a protocol brings, what an operation stages, and the result that is shut until its entry is durable.

use std::future::Future;

use claviger_access::Presented;
use claviger_core::action::Plane;
use claviger_core::change::{Change, Restriction};
use claviger_core::reason::Reason;
use claviger_core::receipt::Receipt;
use claviger_core::sensitive::Quorum;
use claviger_core::{Action, ApprovalId, KeyId, KeyRingId, KeyVersionId, ListenerName, Source};
use claviger_crypto::envelope::Context;

use crate::error::ServiceError;
use crate::governed::Governed;
use crate::record::{EntryDetail, EntryDetails};
use crate::reference::TargetRef;
use crate::view::View;

/// Something that can be asked.
pub trait Operation: Send + Sync {
    /// What it gives.
    type Output: Send;

    /// Which action it is, in the terms of policy and log.
    fn action(&self) -> Action;

    /// What it is asked of.
    fn target(&self) -> TargetRef<'_>;

    /// The encryption contexts that conditions of grants are held against: one for each item that it works on.
    fn contexts(&self) -> impl Iterator<Item = &Context> + Send {
        std::iter::empty()
    }

    /// Reads and stages. Writes nothing.
    fn run(&self, view: &View<'_>)
    -> impl Future<Output = Result<Staged<Self::Output>, ServiceError>> + Send;
}

/// A result that is shut until its entry is durable, with what is to be written for it.
#[derive(Debug)]
#[must_use]
pub struct Staged<T> {
    output: T,
    /// What was asked for, where it changes state.
    asked: Option<Governed>,
    changes: Vec<Change>,
    pub(crate) restricts: Vec<Restriction>,
    pub(crate) details: EntryDetails,
    /// Another key that it rests on, with its ring.
    pub(crate) other: Option<(KeyId, KeyRingId)>,
    /// In how many commits principals and grants had been written before it read all of them, where it did.
    pub(crate) rights: Option<u64>,
    /// How many others must approve it first, where its operation says so of some calls.
    under: Option<Box<Quorum>>,
    /// The plan that it is a step of, with its place in it, where it is done as that.
    step: Option<(ApprovalId, u16)>,
}

impl<T> Staged<T> {
    /// A result that changes nothing.
    pub(crate) fn reading(output: T, detail: EntryDetail) -> Self {
        Self::with_details(output, detail.into())
    }

    /// The results of a batch, which changes nothing, with the entry of each.
    pub(crate) fn of_many(output: T, details: Vec<EntryDetail>) -> Self {
        Self::with_details(output, EntryDetails::Many(details))
    }

    fn with_details(output: T, details: EntryDetails) -> Self {
        let (changes, restricts) = (Vec::new(), Vec::new());
        let (other, rights) = (None, None);
        Self { output, asked: None, changes, restricts, details, other, rights, under: None, step: None }
    }

    /// A result with the changes that make it true, which only a governed operation makes.
    pub(crate) fn changing(asked: Governed, output: T, changes: Vec<Change>, detail: EntryDetail) -> Self {
        Self { asked: Some(asked), changes, ..Self::reading(output, detail) }
    }

    /// The same, taking something away that calls may rest on.
    pub(crate) fn restricting(
        asked: Governed,
        output: T,
        changes: Vec<Change>,
        restrictions: Vec<Restriction>,
        detail: EntryDetail,
    ) -> Self {
        Self { restricts: restrictions, ..Self::changing(asked, output, changes, detail) }
    }

    /// The same, counting uses of a version: the one thing that is written without being asked for.
    pub(crate) fn counting(mut self, counted: Option<(KeyVersionId, u64)>) -> Self {
        self.changes.extend(counted.map(|(version, uses)| Change::CountUses { version, uses }));
        self
    }

    /// The result, to be looked at.
    pub(crate) const fn output(&self) -> &T {
        &self.output
    }

    /// The same with another result.
    pub(crate) fn map<U>(self, to: impl FnOnce(T) -> U) -> Staged<U> {
        let Self { output, asked, changes, restricts, details, other, rights, under, step } = self;
        Staged { output: to(output), asked, changes, restricts, details, other, rights, under, step }
    }

    /// What was asked for, where it changes state.
    #[must_use]
    pub const fn asked(&self) -> Option<&Governed> {
        self.asked.as_ref()
    }

    /// The same, which so many others must approve first. An operation whose action is in the table of sensitive acts says it of every
    /// call that changes something, and says 0 of those that others need not approve.
    pub(crate) fn under(self, quorum: Quorum) -> Self {
        Self { under: Some(Box::new(quorum)), ..self }
    }

    /// How many others must approve it first, if its operation says.
    pub(crate) fn quorum(&self) -> Option<&Quorum> {
        self.under.as_deref()
    }

    /// The same, taken out: it is dealt with.
    pub(crate) fn take_quorum(&mut self) -> Option<Box<Quorum>> {
        self.under.take()
    }

    /// The same, done as a step of a plan, and in no other way.
    pub(crate) fn in_plan(self, plan: ApprovalId, step: u16) -> Self {
        Self { step: Some((plan, step)), ..self }
    }

    /// The plan that it is done as a step of, with its place in it.
    pub(crate) const fn step(&self) -> Option<(ApprovalId, u16)> {
        self.step
    }

    /// What is to be written for it.
    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The same, with more to be written or to be expected.
    pub(crate) fn also(mut self, changes: impl IntoIterator<Item = Change>) -> Self {
        self.changes.extend(changes);
        self
    }

    /// The same, with an entry for each further act behind its own.
    pub(crate) fn with_acts(self, acts: Vec<EntryDetail>) -> Self {
        if acts.is_empty() {
            return self;
        }
        let mut details = self.details.as_slice().to_vec();
        details.extend(acts);
        Self { details: EntryDetails::Many(details), ..self }
    }

    /// The same, depending on another key as well: what restricts that key affects this call.
    pub(crate) fn resting_on(self, key: KeyId, ring: KeyRingId) -> Self {
        Self { other: Some((key, ring)), ..self }
    }

    /// The same, which is written only while principals and grants were written in no more commits than these: it is made of all of them,
    /// and they stand right before its entry as it read them.
    pub(crate) fn while_rights_stand(self, commits: u64) -> Self {
        Self { rights: Some(commits), ..self }
    }

    /// Takes apart what is to be written from what is to be released.
    pub(crate) fn shut(self) -> (Staged<()>, Shut<T>) {
        let Self { output, asked, changes, restricts, details, other, rights, under, step } = self;
        let written = Staged { output: (), asked, changes, restricts, details, other, rights, under, step };
        (written, Shut(output))
    }
}

impl Staged<()> {
    /// What is to be written.
    pub(crate) fn split(self) -> (Vec<Change>, Vec<Restriction>, EntryDetails) {
        (self.changes, self.restricts, self.details)
    }
}

/// A result that waits for its receipt.
#[derive(Debug)]
pub(crate) struct Shut<T>(T);

impl<T> Shut<T> {
    /// Opens the result for its receipt.
    pub(crate) fn release(self, receipt: Receipt) -> Released<T> {
        Released { output: self.0, receipt }
    }
}

/// A result that may go out, with the receipt of its entry.
#[derive(Debug)]
pub struct Released<T> {
    /// The result.
    pub output: T,
    /// Where it is recorded.
    pub receipt: Receipt,
}

/// A call as a protocol brings it.
#[derive(Debug)]
pub struct Call<O> {
    /// What it shows of who it is from.
    pub presented: Presented,
    /// Where it comes from.
    pub source: Source,
    /// The listener it came in by.
    pub listener: ListenerName,
    /// The plane it came in by.
    pub plane: Plane,
    /// Does the caller only ask whether it would be done?
    pub dry_run: bool,
    /// The caller's own name for it.
    pub request_id: Option<Box<str>>,
    /// Makes the repetition of a creating call find what the first one made.
    pub idempotency_key: Option<Box<str>>,
    /// Why it is asked.
    pub reason: Option<Reason>,
    /// What is asked.
    pub operation: O,
}

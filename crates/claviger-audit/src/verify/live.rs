//! Live rows held against the log.
//!
//! Rows are read page by page while changes go on. The sizes that the log had before the first page and after the last one bound the
//! time of it, and each row must be a state in which its object stood in that time: with the revision of that state, and in every
//! field. An object that was there all that time must be among the rows. So nothing is read twice, and no change is taken for a
//! finding; whoever reads only says between which sizes it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::files::{Files, Newer, NoFile, WalkError, read};
use super::finding::Finding;
use super::objects::{Current, Objects};
use super::root::Roots;
use crate::fact::{Field, Object, field_name, is_erased, principal_of};
use crate::rows::{HEAD, LiveRow, RowsError, RowsHead, decode_page, digest_of_page, page_name};

/// What was done about the live state. What differs is in the findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LiveState {
    /// Rows were held against the log.
    Compared {
        /// How many.
        rows: u64,
        /// Entries of the log before the first of them was read.
        entries_before: u64,
        /// Entries of the log after the last of them was read.
        entries_after: u64,
    },
    /// Rows or log are not what they should be, as findings say.
    #[default]
    NotCompared,
    /// The export holds no rows.
    NotHeld,
    /// The log has several shards, which have no common order.
    SeveralShards,
}

impl LiveState {
    /// Were rows held against the log?
    #[must_use]
    pub const fn is_compared(self) -> bool {
        matches!(self, Self::Compared { .. })
    }
}

impl fmt::Display for LiveState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compared { rows, entries_before, entries_after } => {
                write!(f, "{rows} rows compared, read at {entries_before} to {entries_after} entries")
            }
            Self::NotCompared => f.write_str("not compared: the log or the rows do not hold"),
            Self::NotHeld => f.write_str("not compared: the export holds no rows"),
            Self::SeveralShards => {
                f.write_str("not compared: the log has several shards, which have no common order")
            }
        }
    }
}

/// The head of the rows of an export, if it holds some.
///
/// # Errors
/// [`Finding::FileMalformed`], [`WalkError::Newer`] or [`WalkError::Unreadable`].
pub(super) fn find(files: &dyn Files) -> Result<Option<RowsHead>, WalkError> {
    match files.read(HEAD) {
        Ok(bytes) => RowsHead::decode(&bytes).map(Some).map_err(|error| refused(HEAD, error)),
        Err(NoFile::Missing) => Ok(None),
        Err(NoFile::Unreadable(why)) => Err(WalkError::Unreadable { name: HEAD.to_owned(), why }),
    }
}

/// The time in which they were read, if the shards have an order in which it can be found.
pub(super) fn window(
    head: &Result<Option<RowsHead>, WalkError>,
    shards: &BTreeMap<u32, Roots>,
) -> Option<(u64, u64)> {
    let head = head.as_ref().ok()?.as_ref()?;
    (shards.len() == 1).then_some((head.before, head.after))
}

/// Holds the rows of an export against the objects of a log with these sizes of shards.
///
/// # Errors
/// Where the rows are not those that were read, or of another log; what differs until then is among the findings.
pub(super) fn compare(
    files: &dyn Files,
    head: &RowsHead,
    shards: &BTreeMap<u32, u64>,
    objects: &Objects,
    findings: &mut Vec<Finding>,
) -> Result<LiveState, WalkError> {
    if shards.len() > 1 {
        return Ok(LiveState::SeveralShards);
    }
    let size = shards.get(&head.shard).copied().unwrap_or_default();
    if head.after > size {
        let (after, shard) = (head.after, head.shard);
        let why = format!(
            "the rows were read when shard {shard} had {after} entries, and the export has {size} of them"
        );
        return Err(malformed(HEAD, why));
    }
    let mut comparison = Comparison::new(objects);
    let mut rows = 0;
    for digest in &head.pages {
        match page(files, &page_name(digest), digest) {
            Ok(page) => {
                page.iter().for_each(|row| comparison.see(row));
                rows += page.len() as u64;
            }
            Err(error) => {
                findings.append(&mut comparison.findings);
                return Err(error);
            }
        }
    }
    findings.extend(comparison.finish());
    Ok(LiveState::Compared { rows, entries_before: head.before, entries_after: head.after })
}

fn page(files: &dyn Files, name: &str, digest: &crate::Hash) -> Result<Vec<LiveRow>, WalkError> {
    let bytes = read(files, name)?;
    if digest_of_page(&bytes) != *digest {
        return Err(malformed(name, "it was changed since it was written: it has another digest".to_owned()));
    }
    decode_page(&bytes).map_err(|error| refused(name, error))
}

fn refused(name: &str, error: RowsError) -> WalkError {
    match error {
        RowsError::UnknownVersion(version) => WalkError::Newer(Newer {
            what: format!("`{name}`, schema version"),
            index: version,
            why: error.to_string(),
        }),
        _ => malformed(name, error.to_string()),
    }
}

fn malformed(name: &str, why: String) -> WalkError {
    WalkError::Finding(Finding::FileMalformed { name: name.to_owned(), why })
}

/// How live rows differ from what the log yields, shown one by one.
#[derive(Debug)]
pub struct Comparison<'a> {
    logged: &'a Objects,
    seen: BTreeSet<Object>,
    findings: Vec<Finding>,
}

/// In what a row differs from a state of its object.
struct Difference {
    is_other_revision: bool,
    fields: Vec<&'static str>,
}

impl<'a> Comparison<'a> {
    /// Against these.
    #[must_use]
    pub const fn new(logged: &'a Objects) -> Self {
        Self { logged, seen: BTreeSet::new(), findings: Vec::new() }
    }

    /// Holds a live row against the log.
    pub fn see(&mut self, row: &LiveRow) {
        let object = row.object;
        self.seen.insert(object);
        let mut differs = Vec::new();
        match self.closest(row) {
            None => differs.push("(the log knows no such object)"),
            Some(difference) => {
                differs.extend((!row.holds).then_some("tag"));
                differs.extend(difference.is_other_revision.then_some("revision"));
                differs.extend(difference.fields);
            }
        }
        self.findings.extend(differs.into_iter().map(|field| Finding::StateDiffers { object, field }));
    }

    /// What differs, once all rows were shown.
    #[must_use]
    pub fn finish(mut self) -> Vec<Finding> {
        let gone = self.logged.throughout_window().filter(|object| !self.seen.contains(object));
        let gone: BTreeSet<_> = gone.copied().collect();
        let gone =
            gone.into_iter().map(|object| Finding::StateDiffers { object, field: "(it is not there)" });
        self.findings.extend(gone);
        self.findings
    }

    /// How a row differs from the state of its object that it is closest to; `None` if the object was never there while rows were read.
    fn closest(&self, row: &LiveRow) -> Option<Difference> {
        let states = self.logged.in_window(&row.object);
        let mut closest: Option<Difference> = None;
        for (place, state) in (1..).zip(&states) {
            let Some(state) = state else { continue };
            for fields in self.readable(&row.object, state, states.get(place..).unwrap_or_default()) {
                let difference = Difference::between(row, state.revision, &fields);
                if closest.as_ref().is_none_or(|closest| difference.weight() < closest.weight()) {
                    closest = Some(difference);
                }
            }
        }
        closest
    }

    /// What a row says that was read in this state, before these others. A server reads the row first and then the key under which
    /// something of it is sealed; without that key the row says nothing of it.
    fn readable(
        &self,
        object: &Object,
        state: &Current,
        later: &[Option<&Current>],
    ) -> Vec<BTreeMap<u16, Field>> {
        let fields = state.fields();
        if !has_sealed(&fields) {
            return vec![fields];
        }
        let (is_with_key, is_without) = match object {
            Object::Credential(_) => self.key_of_credential(&fields),
            Object::Principal(_) if is_erased(&fields) => (false, true),
            _ => (true, later.iter().any(|state| is_without_key(object, *state))),
        };
        let mut open = fields.clone();
        open.retain(|_, field| matches!(field, Field::Open(_)));
        is_with_key.then_some(fields).into_iter().chain(is_without.then_some(open)).collect()
    }

    /// Was the key of a credential's principal there while rows were read, and was it gone?
    fn key_of_credential(&self, fields: &BTreeMap<u16, Field>) -> (bool, bool) {
        let Some(principal) = principal_of(fields).map(Object::Principal) else { return (true, false) };
        let states = self.logged.in_window(&principal);
        let is_gone = |state: &Option<&Current>| state.is_some_and(|state| is_erased(&state.fields()));
        (!states.iter().all(is_gone), states.iter().any(is_gone))
    }
}

impl Difference {
    fn between(row: &LiveRow, revision: u64, fields: &BTreeMap<u16, Field>) -> Self {
        let kind = row.object.kind();
        let numbers: BTreeSet<_> = fields.keys().chain(row.fields.keys()).collect();
        let differs = numbers.into_iter().filter(|number| fields.get(*number) != row.fields.get(*number));
        let unknown = "(a field that this release does not know)";
        let fields = differs.map(|number| field_name(kind, *number).unwrap_or(unknown)).collect();
        Self { is_other_revision: revision != row.revision, fields }
    }

    /// A row is of the state that has its revision, if there is one; else of the one that it shares most with.
    const fn weight(&self) -> (bool, usize) {
        (self.is_other_revision, self.fields.len())
    }
}

/// Is the key gone under which something of the object was sealed? It goes with the object, with a person who is erased, and with the text
/// that it sealed.
fn is_without_key(object: &Object, state: Option<&Current>) -> bool {
    let Some(fields) = state.map(Current::fields) else { return true };
    match object {
        Object::Principal(_) => is_erased(&fields),
        _ => !has_sealed(&fields),
    }
}

fn has_sealed(fields: &BTreeMap<u16, Field>) -> bool {
    fields.values().any(|field| matches!(field, Field::Hidden(_)))
}

#[cfg(test)]
mod tests;

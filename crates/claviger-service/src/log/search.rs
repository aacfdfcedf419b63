//! Finds entries by who they are of, and who stands behind a range of entries.
//!
//! The method is a scan: no index of who did what is kept, for it would name people in every backup. What the scan knows of
//! sessions it learns from them as they come by, or reads where they begin before the range.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use claviger_audit::Op;
use claviger_audit::entry::Entry;
use claviger_audit::fact::Facts;
use claviger_audit::session::{DisclosedSession, Level, Seen};
use claviger_core::principal::PrincipalKind;
use claviger_core::{CredentialId, KeyId, Name, PrincipalId, Timestamp};

use super::reader::{EntryFilter, FoundEntry, LogReader, damaged};
use super::who::{Committed, Head, Locators, Principals};
use crate::error::ServiceError;
use crate::work::At;

/// How many entries a page looks at before it answers, even with few hits.
const LOOKED_AT: u64 = 524_288;
/// How many sessions a page of a disclosure is about, at most.
const MOST_SESSIONS: usize = 1000;
/// How far behind each other instants of entries may be that are in the order of the log: entries carry the instant at which
/// their calls began, and wall clocks are set.
const SLACK: std::time::Duration = std::time::Duration::from_secs(3600);

/// Whose entries to find.
#[derive(Debug)]
pub(crate) struct Of {
    /// The principal.
    pub(crate) principal: PrincipalId,
    /// One of its credentials, or any.
    pub(crate) credential: Option<CredentialId>,
    /// All credentials that are meant: refused attempts name theirs.
    pub(crate) credentials: BTreeSet<CredentialId>,
}

/// What to find.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) from: u64,
    /// The size of the log that is searched.
    pub(crate) size: u64,
    pub(crate) limit: u32,
    pub(crate) filter: EntryFilter,
    pub(crate) of: Option<Of>,
}

/// An entry, and the session that it is of or is.
#[derive(Clone, Debug)]
pub struct SearchedEntry {
    /// The entry.
    pub found: FoundEntry,
    /// Whose session it is of; `None` for what the system did of itself, and for unauthenticated callers.
    pub session: Option<SessionOf>,
}

/// Whose a session is.
#[derive(Clone, Debug)]
pub enum SessionOf {
    /// Its principal's key opens it.
    Known(Arc<KnownCaller>),
    /// No principal's key opens it: the key is gone.
    Erased,
    /// An older release recorded it in a form that this one does not search.
    Before,
    /// What lies beside it is not what its entry commits to: somebody changed it.
    Damaged,
}

/// Who a caller was.
#[derive(Clone, Debug)]
pub struct KnownCaller {
    /// The principal.
    pub principal: PrincipalId,
    /// Its name, for those who may read it.
    pub name: Option<Name>,
    /// What kind of being it is, for those who may read it.
    pub kind: Option<PrincipalKind>,
    /// What the session record says: how the caller proved its identity, and from where.
    pub seen: Seen,
}

/// A page of entries with who they are of.
#[derive(Clone, Debug)]
pub struct SearchPage {
    /// The entries, ascending.
    pub entries: Vec<SearchedEntry>,
    /// Where to go on, if there is more to look at.
    pub next: Option<u64>,
    /// Size of the log that was searched: the same for all pages of a search.
    pub size: u64,
    /// Entries that were passed over because nothing says whose they are: an older release recorded their sessions, or somebody
    /// changed what lies beside them.
    pub undecided: u64,
}

/// Sessions of which the range of a disclosure is, and what it is about.
#[derive(Debug, Default)]
pub(crate) struct Disclosable {
    pub(crate) sessions: Vec<DisclosedSession>,
    pub(crate) principals: BTreeSet<PrincipalId>,
    pub(crate) keys: BTreeSet<KeyId>,
    pub(crate) next: Option<u64>,
}

/// What is known of the sessions that a scan came by.
pub(super) struct Sessions<'a> {
    log: &'a LogReader,
    at: &'a At,
    heads: HashMap<u64, Head>,
}

impl<'a> Sessions<'a> {
    /// Of none yet.
    pub(super) fn new(log: &'a LogReader, at: &'a At) -> Self {
        Self { log, at, heads: HashMap::new() }
    }

    /// Gives back what is known of all of them: those that are needed again are read where they begin.
    pub(super) fn forget(&mut self) {
        self.heads.clear();
    }

    /// Notes a session that comes by.
    pub(super) fn pass(&mut self, index: u64, entry: &Entry<'_>, beside: Option<&[u8]>) {
        if let Some(head) = Head::of(entry, beside) {
            self.heads.insert(index, head);
        }
    }

    /// The session whose entry is at `index`.
    pub(super) fn find(&mut self, index: u64) -> Result<&Head, ServiceError> {
        if !self.heads.contains_key(&index) {
            let head = self.log.session(self.at, index)?;
            self.heads.insert(index, head);
        }
        self.heads.get(&index).ok_or_else(|| damaged(index))
    }
}

impl LogReader {
    /// The session whose entry is at `index`.
    fn session(&self, at: &At, index: u64) -> Result<Head, ServiceError> {
        let mut found = None;
        self.source(at, false).scan(self.shard(), index, index + 1, |_, bytes, beside| {
            let entry = Entry::decode(bytes).map_err(|_| damaged(index))?;
            found = Head::of(&entry, beside);
            Ok::<_, ServiceError>(ControlFlow::Break(()))
        })?;
        Ok(found.unwrap_or(Head::Damaged))
    }

    /// The first entry from which on nothing is older than `instant`, but for [`SLACK`], of a log of `size` entries.
    pub(super) fn first_since(&self, at: &At, size: u64, instant: Timestamp) -> Result<u64, ServiceError> {
        let wanted = instant.as_micros().saturating_sub(u64::try_from(SLACK.as_micros()).unwrap_or(0));
        let (mut low, mut high) = (0, size);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut begun = None;
            self.source(at, false).scan(self.shard(), middle, middle + 1, |_, bytes, _| {
                begun = Entry::decode(bytes).ok().map(|entry| entry.t);
                Ok::<_, ServiceError>(ControlFlow::Break(()))
            })?;
            if begun.ok_or_else(|| damaged(middle))? < wanted { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// What of the log an instant range is about, as indexes.
    fn bounds(&self, at: &At, search: &Search) -> Result<(u64, u64), ServiceError> {
        let from = match search.filter.since {
            Some(since) => self.first_since(at, search.size, since)?.max(search.from),
            None => search.from,
        };
        let to = match search.filter.until {
            Some(until) => self.first_since(at, search.size, until.after(2 * SLACK))?,
            None => search.size,
        };
        Ok((from, to.min(search.size)))
    }

    /// A page of entries that a search finds.
    pub(crate) fn search(
        &self,
        at: &At,
        principals: &Principals,
        search: &Search,
    ) -> Result<SearchPage, ServiceError> {
        let (from, to) = self.bounds(at, search)?;
        let mut of = match &search.of {
            Some(of) => Some(Whose::new(of, principals.locators(at, of.principal)?)),
            None => None,
        };
        let mut sessions = Sessions::new(self, at);
        let mut page = SearchPage { entries: Vec::new(), next: None, size: search.size, undecided: 0 };
        let mut named: Vec<Option<u64>> = Vec::new();
        let end = to.min(from.saturating_add(LOOKED_AT));
        self.source(at, false).scan(self.shard(), from, end, |index, bytes, beside| {
            let entry = Entry::decode(bytes).map_err(|_| damaged(index))?;
            if entry.op == Op::Session {
                sessions.pass(index, &entry, beside);
            }
            if !search.filter.takes(&entry) {
                return Ok(ControlFlow::Continue(()));
            }
            let session = session_of(index, &entry);
            if let Some(of) = &mut of {
                match of.takes(&mut sessions, &entry, session)? {
                    Some(true) => {}
                    Some(false) => return Ok(ControlFlow::Continue(())),
                    None => {
                        page.undecided += 1;
                        return Ok(ControlFlow::Continue(()));
                    }
                }
            }
            if page.entries.len() as u64 == u64::from(search.limit) {
                page.next = Some(index);
                return Ok::<_, ServiceError>(ControlFlow::Break(()));
            }
            let facts = beside.filter(|_| entry.fct.is_some());
            let why = facts.map_or(Ok(None), Facts::why_of).map_err(|_| damaged(index))?;
            let found = FoundEntry { index, bytes: bytes.to_vec(), why };
            page.entries.push(SearchedEntry { found, session: None });
            named.push(session);
            Ok(ControlFlow::Continue(()))
        })?;
        if page.next.is_none() {
            page.next = (end < to).then_some(end);
        }
        let known = self.known(at, principals, &mut sessions, named.iter().flatten().copied())?;
        for (entry, session) in page.entries.iter_mut().zip(named) {
            entry.session = session.and_then(|session| known.get(&session).cloned());
        }
        Ok(page)
    }

    /// Whose these sessions are.
    fn known(
        &self,
        at: &At,
        principals: &Principals,
        sessions: &mut Sessions<'_>,
        wanted: impl Iterator<Item = u64>,
    ) -> Result<BTreeMap<u64, SessionOf>, ServiceError> {
        let mut known = BTreeMap::new();
        let mut committed: BTreeMap<u64, Arc<Committed>> = BTreeMap::new();
        for session in wanted.collect::<BTreeSet<_>>() {
            match sessions.find(session)? {
                Head::Before => drop(known.insert(session, SessionOf::Before)),
                Head::Damaged => drop(known.insert(session, SessionOf::Damaged)),
                Head::Committed(head) => drop(committed.insert(session, Arc::clone(head))),
            }
        }
        let owners = principals.find(at, committed.values().map(|head| &**head))?;
        let mut keys: HashMap<PrincipalId, Option<Locators>> = HashMap::new();
        for (session, head) in committed {
            let Some(owner) = owners.get(&head.record.locator) else {
                known.insert(session, SessionOf::Erased);
                continue;
            };
            if !keys.contains_key(owner) {
                keys.insert(*owner, principals.locators(at, *owner)?);
            }
            let opened = keys.get(owner).and_then(Option::as_ref).and_then(|key| key.open(&head));
            let seen = opened.and_then(|opened| opened.seen().ok());
            known.insert(
                session,
                match seen {
                    Some(seen) => SessionOf::Known(Arc::new(KnownCaller {
                        principal: *owner,
                        name: None,
                        kind: None,
                        seen,
                    })),
                    None => SessionOf::Damaged,
                },
            );
        }
        Ok(known)
    }

    /// What stands behind the entries `from..to`, as far as a level lets it out; a page of it.
    pub(crate) fn disclose(
        &self,
        at: &At,
        principals: &Principals,
        (from, to): (u64, u64),
        level: Level,
    ) -> Result<Disclosable, ServiceError> {
        let mut sessions = Sessions::new(self, at);
        let (mut wanted, mut page) = (BTreeSet::new(), Disclosable::default());
        let end = to.min(from.saturating_add(LOOKED_AT));
        self.source(at, false).scan(self.shard(), from, end, |index, bytes, beside| {
            let entry = Entry::decode(bytes).map_err(|_| damaged(index))?;
            sessions.pass(index, &entry, beside);
            if wanted.len() >= MOST_SESSIONS || page.keys.len() >= MOST_SESSIONS {
                page.next = Some(index);
                return Ok::<_, ServiceError>(ControlFlow::Break(()));
            }
            wanted.extend(session_of(index, &entry));
            page.keys.extend(entry.key.map(KeyId::from_bytes));
            Ok(ControlFlow::Continue(()))
        })?;
        if page.next.is_none() {
            page.next = (end < to).then_some(end);
        }
        let mut committed: BTreeMap<u64, Arc<Committed>> = BTreeMap::new();
        for session in wanted {
            match sessions.find(session)? {
                // Nothing was committed to that could be opened.
                Head::Before => {}
                Head::Damaged => return Err(damaged(session)),
                Head::Committed(head) => drop(committed.insert(session, Arc::clone(head))),
            }
        }
        let owners = principals.find(at, committed.values().map(|head| &**head))?;
        let mut keys: HashMap<PrincipalId, Option<Locators>> = HashMap::new();
        for (session, head) in committed {
            let mut opened = None;
            if let Some(owner) = owners.get(&head.record.locator) {
                if !keys.contains_key(owner) {
                    keys.insert(*owner, principals.locators(at, *owner)?);
                }
                opened = keys.get(owner).and_then(Option::as_ref).and_then(|key| key.open(&head));
                page.principals.extend(opened.is_some().then_some(*owner));
            }
            let fields = opened.map(|opened| opened.disclosed(level));
            page.sessions.push(DisclosedSession::new(session, &head.record, fields));
        }
        Ok(page)
    }
}

/// The session that an entry is of, or is.
pub(super) fn session_of(index: u64, entry: &Entry<'_>) -> Option<u64> {
    if entry.op == Op::Session { Some(index) } else { entry.ses }
}

/// Whose entries are looked for.
struct Whose<'a> {
    of: &'a Of,
    /// Without a value when the principal's key is gone.
    locators: Option<Locators>,
    /// What was found of sessions; without a value where nothing decides it.
    judged: HashMap<u64, Option<bool>>,
}

impl<'a> Whose<'a> {
    fn new(of: &'a Of, locators: Option<Locators>) -> Self {
        Self { of, locators, judged: HashMap::new() }
    }

    /// Is the entry of those that are looked for? `None` when nothing decides it.
    fn takes(
        &mut self,
        sessions: &mut Sessions<'_>,
        entry: &Entry<'_>,
        session: Option<u64>,
    ) -> Result<Option<bool>, ServiceError> {
        let Some(session) = session else { return Ok(Some(self.is_refusal(entry))) };
        if let Some(judged) = self.judged.get(&session) {
            return Ok(*judged);
        }
        let judged = match sessions.find(session)? {
            Head::Before | Head::Damaged => None,
            Head::Committed(head) => Some(self.are_of(head)),
        };
        self.judged.insert(session, judged);
        Ok(judged)
    }

    fn are_of(&mut self, session: &Committed) -> bool {
        let Some(locators) = &mut self.locators else { return false };
        if !locators.are_of(session) {
            return false;
        }
        let Some(credential) = self.of.credential else { return true };
        let seen = locators.open(session).and_then(|opened| opened.seen().ok());
        seen.is_some_and(|seen| seen.credential == Some(credential))
    }

    /// Is it a refused attempt with a credential that is meant?
    fn is_refusal(&self, entry: &Entry<'_>) -> bool {
        let named = entry.reference.as_deref().filter(|_| entry.op == Op::AuthenticationFailure);
        let named = named.and_then(|named| named.try_into().ok()).map(CredentialId::from_bytes);
        named.is_some_and(|named| self.of.credentials.contains(&named))
    }
}

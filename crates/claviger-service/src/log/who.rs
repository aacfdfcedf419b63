//! From the sessions of the log back to who they were of: by the locators that the keys of principals yield. Nothing is kept
//! that names a principal, so whose key is gone is not found.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use claviger_audit::entry::Entry;
use claviger_audit::fact::{Object, VeilError, VeilKey};
use claviger_audit::session::{LocatorKey, OpenedSession, SessionRecord};
use claviger_core::object::Kind;
use claviger_core::port::Store;
use claviger_core::{PrincipalId, Timestamp};

use crate::error::{ErrorKind, ServiceError};
use crate::work::At;

/// Keys of principals that are read at once.
const AT_ONCE: u32 = 1000;

/// A session, as far as the log alone shows it.
#[derive(Clone, Debug)]
pub(crate) enum Head {
    /// Committed to; whose it is, is known by its locator.
    Committed(Arc<Committed>),
    /// An older release recorded it, and committed to nothing.
    Before,
    /// What lies beside it is not what its entry commits to.
    Damaged,
}

/// What a session commits to.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) record: SessionRecord,
    /// The day of its entry.
    pub(crate) day: u64,
}

impl Head {
    /// The head of a session by its entry and what lies beside that; `None` for the entry of something else.
    pub(crate) fn of(entry: &Entry<'_>, beside: Option<&[u8]>) -> Option<Self> {
        if entry.op != claviger_audit::Op::Session {
            return None;
        }
        let Some(commitment) = entry.session_commitment() else { return Some(Self::Before) };
        let record = beside.and_then(|beside| SessionRecord::decode(beside).ok());
        Some(match record.filter(|record| record.commitment() == commitment) {
            Some(record) => {
                let day = Timestamp::from_micros(entry.t).utc_day();
                Self::Committed(Arc::new(Committed { record, day }))
            }
            None => Self::Damaged,
        })
    }
}

/// The locators of one principal.
#[derive(Debug)]
pub(crate) struct Locators {
    key: VeilKey,
    yields: LocatorKey,
    /// Of an application, and of a system's part.
    lasting: [u8; 16],
    by_day: HashMap<u64, [u8; 16]>,
}

impl Locators {
    pub(crate) fn new(key: VeilKey) -> Result<Self, ServiceError> {
        let yields = key.locators().map_err(not_found_out)?;
        let lasting = yields.locator(None);
        Ok(Self { key, yields, lasting, by_day: HashMap::new() })
    }

    /// Is the session this principal's?
    pub(crate) fn are_of(&mut self, session: &Committed) -> bool {
        let locator = session.record.locator;
        let of_day = self.by_day.entry(session.day);
        locator == self.lasting
            || locator == *of_day.or_insert_with(|| self.yields.locator(Some(session.day)))
    }

    /// What such a session says, if it opens.
    pub(crate) fn open(&self, session: &Committed) -> Option<OpenedSession> {
        self.key.open_session(&session.record).ok()
    }
}

/// The keys of principals, for jobs.
#[derive(Clone, Debug)]
pub(crate) struct Principals {
    pub(crate) store: Arc<dyn Store>,
    /// Seals them.
    pub(crate) veils: VeilKey,
}

impl Principals {
    /// The locators of a principal; `None` when its key is gone.
    pub(crate) fn locators(&self, at: &At, id: PrincipalId) -> Result<Option<Locators>, ServiceError> {
        let key = self.key(at, Object::Principal(id))?;
        key.map(Locators::new).transpose()
    }

    /// The key that seals what is said of an object, if there is one and it opens.
    pub(crate) fn key(&self, at: &At, object: Object) -> Result<Option<VeilKey>, ServiceError> {
        let Some(name) = object.veil_name() else { return Ok(None) };
        let sealed = at.runtime().block_on(self.store.find_veil(name))?;
        Ok(sealed.and_then(|sealed| self.veils.unwrap_key(name, &sealed).ok()))
    }

    /// Whose these sessions are, of each that is somebody's.
    pub(crate) fn find<'a>(
        &self,
        at: &At,
        sessions: impl Iterator<Item = &'a Committed>,
    ) -> Result<HashMap<[u8; 16], PrincipalId>, ServiceError> {
        let mut wanted = HashSet::new();
        let mut days = BTreeSet::new();
        for session in sessions {
            wanted.insert(session.record.locator);
            days.insert(session.day);
        }
        let mut found = HashMap::new();
        let mut after = None;
        while found.len() < wanted.len() {
            at.check()?;
            let listed = self.store.list_veils(Kind::Principal.code(), after, AT_ONCE);
            let veils = at.runtime().block_on(listed)?;
            let Some(last) = veils.last() else { break };
            after = Some(last.name.id);
            for veil in &veils {
                let Ok(key) = self.veils.unwrap_key(veil.name, &veil.sealed) else { continue };
                let yields = key.locators().map_err(not_found_out)?;
                let locators = std::iter::once(None).chain(days.iter().map(|day| Some(*day)));
                for locator in locators.map(|day| yields.locator(day)) {
                    if wanted.contains(&locator) {
                        found.insert(locator, PrincipalId::from_bytes(veil.name.id));
                    }
                }
            }
        }
        Ok(found)
    }
}

/// When the library refuses what it never does.
fn not_found_out(error: VeilError) -> ServiceError {
    ServiceError::new(ErrorKind::Internal, "who a session is of cannot be found out").caused_by(error)
}

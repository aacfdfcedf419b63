//! The log as of its newest signed checkpoint, in the form of an export: for those who verify it within the process.
//!
//! Blocking, and for one thread. It keeps a piece of the log in memory, and ends early once the road stops.

use std::cell::RefCell;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use claviger_audit::VerifierKey;
use claviger_audit::cut::Cut;
use claviger_audit::tile::{Resource, WIDTH, push_entry, push_facts};
use claviger_audit::verify::{CHECKPOINT, Files, NoFile, ROOT, ROOT_VKEY};
use claviger_core::port::store::LogId;
use claviger_core::port::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::body::Record;
use super::hashes::Source;
use crate::error::ServiceError;
use crate::evidence_key;
use crate::road::Road;
use crate::system::{SHARD, named_node_document};
use crate::work::At;

/// Entries that are read at once: whoever walks over the log asks for one bundle after the other.
const PIECE: u64 = 16 * WIDTH;

/// The log, as it was when it was opened.
pub struct CommittedLog {
    store: Arc<dyn Store>,
    at: At,
    stop: watch::Receiver<bool>,
    key: VerifierKey,
    note: String,
    cuts: u64,
    /// Entries of the shard that the checkpoint covers.
    size: u64,
    piece: RefCell<Piece>,
}

impl fmt::Debug for CommittedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommittedLog").field("cuts", &self.cuts).finish_non_exhaustive()
    }
}

/// Entries that follow each other.
#[derive(Default)]
struct Piece {
    first: u64,
    records: Vec<Record>,
}

impl Piece {
    fn find(&self, from: u64, to: u64) -> Option<&[Record]> {
        let place = |index: u64| usize::try_from(index.checked_sub(self.first)?).ok();
        self.records.get(place(from)?..place(to)?)
    }
}

impl Road {
    /// The log as of its newest signed checkpoint; none before the first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn committed_log(&self) -> Result<Option<CommittedLog>, ServiceError> {
        let store = Arc::clone(&self.state.store);
        let head = store.root_head().await?;
        let Some(last) = head.signed_size.checked_sub(1) else { return Ok(None) };
        let cut = store.list_cuts(last, 1).await?.pop().and_then(|bytes| Cut::decode(&bytes).ok());
        let cut = cut.ok_or_else(|| StoreError::Corrupt(format!("cut {last} of the log does not read")))?;
        Ok(Some(CommittedLog {
            store,
            at: At::staying(Handle::current()),
            stop: self.stop.subscribe(),
            key: self.facts.root_key.clone(),
            note: head.signed_note,
            cuts: head.signed_size,
            size: cut.shard(SHARD).map_or(0, |shard| shard.size),
            piece: RefCell::default(),
        }))
    }
}

impl CommittedLog {
    /// Cuts of the root log.
    #[must_use]
    pub const fn cuts(&self) -> u64 {
        self.cuts
    }

    /// The key of the root log.
    #[must_use]
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    fn find(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match name {
            ROOT_VKEY => return Ok(Some(self.key.to_string().into_bytes())),
            CHECKPOINT => return Ok(Some(self.note.clone().into_bytes())),
            _ => {}
        }
        let Some((log, rest)) = name.split_once('/') else { return Ok(None) };
        let is_root = log == ROOT;
        if !is_root && log != SHARD.to_string() {
            return Ok(None);
        }
        if let Some(digest) = rest.strip_prefix("node/").and_then(|name| name.strip_suffix(".vkey")) {
            let Some(document) = named_node_document(digest) else { return Ok(None) };
            return self.at.runtime().block_on(self.store.find_document(&document));
        }
        if let Some(digest) = rest.strip_prefix("evidence/").and_then(|name| name.strip_suffix(".note")) {
            let found = evidence_key::announcement(self.store.as_ref(), &self.key, digest);
            return self.at.runtime().block_on(found);
        }
        match Resource::parse(rest) {
            Ok(Resource::Bundle { index, width }) if is_root => {
                let (from, to) = span(index, width);
                if to > self.cuts {
                    return Ok(None);
                }
                bundle(&self.read_records(LogId::Root, from, to)?).map(Some)
            }
            Ok(Resource::Bundle { index, width }) => self.of_shard(index, width, bundle),
            Ok(Resource::Facts { index, width }) if !is_root => self.of_shard(index, width, facts),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// What is made of a bundle's records; none beyond the checkpoint.
    fn of_shard(
        &self,
        index: u64,
        width: u16,
        make: impl FnOnce(&[Record]) -> Result<Vec<u8>, StoreError>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (from, to) = span(index, width);
        if to > self.size {
            return Ok(None);
        }
        let mut piece = self.piece.borrow_mut();
        if piece.find(from, to).is_none() {
            let end = self.size.min(from.saturating_add(PIECE));
            *piece = Piece { first: from, records: self.read_records(LogId::Shard(SHARD), from, end)? };
        }
        piece.find(from, to).map(make).transpose()
    }

    fn read_records(&self, log: LogId, from: u64, to: u64) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        let source = Source { store: self.store.as_ref(), log, at: &self.at };
        source.walk(from, to, |_, record| {
            records.push(record);
            Ok::<_, StoreError>(ControlFlow::Continue(()))
        })?;
        Ok(records)
    }
}

impl Files for CommittedLog {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        if *self.stop.borrow() {
            return Err(NoFile::Unreadable("the server stops".to_owned()));
        }
        let found = self.find(name).map_err(|error| NoFile::Unreadable(error.to_string()))?;
        found.ok_or(NoFile::Missing)
    }
}

/// Which entries a bundle has.
fn span(index: u64, width: u16) -> (u64, u64) {
    let from = index.saturating_mul(WIDTH);
    (from, from.saturating_add(u64::from(width)))
}

fn bundle(records: &[Record]) -> Result<Vec<u8>, StoreError> {
    let mut bundle = Vec::new();
    for record in records {
        push_entry(&mut bundle, &record.entry).map_err(unfit)?;
    }
    Ok(bundle)
}

fn facts(records: &[Record]) -> Result<Vec<u8>, StoreError> {
    let mut bundle = Vec::new();
    for (place, record) in (0..=u8::MAX).zip(records) {
        if let Some(facts) = &record.facts {
            push_facts(&mut bundle, place, facts).map_err(unfit)?;
        }
    }
    Ok(bundle)
}

fn unfit(error: claviger_audit::tile::TileError) -> StoreError {
    StoreError::Corrupt(format!("the log does not fit a bundle: {error}"))
}

//! Reads the log: entries, proofs, checkpoints, tiles, and the live state to hold against it.

use claviger_audit::fact::{Projection, VeilError};
use claviger_audit::rows::LiveRow;
use claviger_audit::tile::{Resource, TileError, push_entry, push_facts};
use claviger_core::Action;
use claviger_core::object::RowCursor;

use crate::call::{Operation, Staged};
use crate::error::{ErrorKind, ServiceError};
use crate::evidence_key;
use crate::log::{EntryFilter, EntryPage, EntryProof, name_damage};
use crate::reference::TargetRef;
use crate::system::node_document;
use crate::view::View;
use crate::work::Class;

/// Most entries of a page.
const MOST_ENTRIES: u32 = 1000;

macro_rules! system_operation {
    ($name:ident, $action:ident, $output:ty, |$this:ident, $view:ident| $body:expr) => {
        impl Operation for $name {
            type Output = $output;

            fn action(&self) -> Action {
                Action::$action
            }

            fn target(&self) -> TargetRef<'_> {
                TargetRef::System
            }

            async fn run(&self, $view: &View<'_>) -> Result<Staged<$output>, ServiceError> {
                let $this = self;
                Ok(Staged::reading($body, $view.detail()))
            }
        }
    };
}

/// Reads entries.
#[derive(Debug)]
pub struct ReadEntries {
    /// From this index on.
    pub from: u64,
    /// At most so many: up to 1,000.
    pub limit: u32,
    /// Which entries are wanted.
    pub filter: EntryFilter,
}

system_operation!(ReadEntries, ReadAudit, EntryPage, |this, view| {
    let (size, _) = view.log.sizes().await?;
    let (log, filter) = (view.log.clone(), this.filter.clone());
    let (from, limit) = (this.from, this.limit.min(MOST_ENTRIES));
    view.work(Class::Scan, move |at| log.entries(at, size, from, limit, &filter).map_err(name_damage)).await?
});

/// Proves an entry.
#[derive(Debug, Clone, Copy)]
pub struct Prove {
    /// Its index.
    pub index: u64,
}

system_operation!(Prove, ReadAudit, EntryProof, |this, view| {
    let root_head = view.store().root_head().await?;
    let (log, index) = (view.log.clone(), this.index);
    view.work(Class::Scan, move |at| log.prove(at, root_head, index).map_err(name_damage)).await?
});

/// The newest checkpoints, and the keys that verify them.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    /// Signed note of the root log; empty before the first cut is signed.
    pub root_note: String,
    /// Verifies it.
    pub root_vkey: String,
    /// Origin of the shard's log.
    pub shard_origin: String,
    /// The shard.
    pub shard: u32,
    /// Size of its log.
    pub shard_size: u64,
    /// Verifies receipts of this incarnation.
    pub node_vkey: String,
}

/// Reads the newest checkpoints.
#[derive(Debug, Clone, Copy)]
pub struct ReadCheckpoint {}

system_operation!(ReadCheckpoint, ReadAudit, Checkpoints, |_this, view| {
    let (shard_size, _) = view.log.sizes().await?;
    Checkpoints {
        root_note: view.store().root_head().await?.signed_note,
        root_vkey: view.system.root_key.to_string(),
        shard_origin: view.system.origin.to_string(),
        shard: view.system.shard,
        shard_size,
        node_vkey: view.system.node_key.to_string(),
    }
});

/// Reads a resource of the log by its path under `/audit/`: `root/...` or `<shard>/...`, then `checkpoint`,
/// `tile/...` (C2SP tlog-tiles), `node/<digest>.vkey` or `evidence/<digest>.note`.
#[derive(Debug)]
pub struct ReadLogResource {
    /// The path.
    pub path: String,
}

system_operation!(ReadLogResource, ExportAudit, Option<Vec<u8>>, |this, view| this.find(view).await?);

impl ReadLogResource {
    async fn find(&self, view: &View<'_>) -> Result<Option<Vec<u8>>, ServiceError> {
        let Some((log, rest)) = self.path.split_once('/') else { return Ok(None) };
        let root = log == "root";
        if !root && log != view.system.shard.to_string() {
            return Ok(None);
        }
        if root && rest == "checkpoint" {
            let note = view.store().root_head().await?.signed_note;
            return Ok((!note.is_empty()).then(|| note.into_bytes()));
        }
        if let Some(digest) = rest.strip_prefix("node/").and_then(|name| name.strip_suffix(".vkey")) {
            return node_vkey(view, digest).await;
        }
        if let Some(digest) = rest.strip_prefix("evidence/").and_then(|name| name.strip_suffix(".note")) {
            return Ok(evidence_key::announcement(view.store(), &view.system.root_key, digest).await?);
        }
        match Resource::parse(rest) {
            Err(_) => Ok(None),
            Ok(Resource::Tile { level, index, width }) => {
                let (of, log) = (sized(view, root).await?, view.log.clone());
                view.work(Class::Scan, move |at| log.tile(at, of, level, index, width).map_err(name_damage))
                    .await
            }
            Ok(Resource::Bundle { index, width }) => bundle(view, root, index, width).await,
            Ok(Resource::Facts { index, width }) if !root => facts(view, index, width).await,
            Ok(Resource::Facts { .. }) => Ok(None),
        }
    }
}

/// Which log, and how many entries it has now.
async fn sized(view: &View<'_>, root: bool) -> Result<(bool, u64), ServiceError> {
    let (shard_size, root_size) = view.log.sizes().await?;
    Ok((root, if root { root_size } else { shard_size }))
}

async fn bundle(
    view: &View<'_>,
    root: bool,
    index: u64,
    width: u16,
) -> Result<Option<Vec<u8>>, ServiceError> {
    let first = index.saturating_mul(claviger_audit::tile::WIDTH);
    let upto = first.saturating_add(u64::from(width));
    let (of, log) = (sized(view, root).await?, view.log.clone());
    let entries =
        view.work(Class::Scan, move |at| log.raw_entries(at, of, first, upto).map_err(name_damage)).await?;
    if entries.is_empty() || entries.len() as u64 != u64::from(width) {
        return Ok(None);
    }
    let mut bundle = Vec::new();
    for entry in &entries {
        push_entry(&mut bundle, entry).map_err(|error| {
            ServiceError::new(ErrorKind::Internal, "an entry does not fit a bundle").caused_by(error)
        })?;
    }
    Ok(Some(bundle))
}

async fn facts(view: &View<'_>, index: u64, width: u16) -> Result<Option<Vec<u8>>, ServiceError> {
    let first = index.saturating_mul(claviger_audit::tile::WIDTH);
    let upto = first.saturating_add(u64::from(width));
    let ((_, size), log) = (sized(view, false).await?, view.log.clone());
    if upto > size {
        return Ok(None);
    }
    let found = view.work(Class::Scan, move |at| log.raw_facts(at, first, upto).map_err(name_damage)).await?;
    let mut bundle = Vec::new();
    for (place, facts) in &found {
        let pushed = u8::try_from(*place).map_err(|_| TileError::TooLong);
        pushed.and_then(|place| push_facts(&mut bundle, place, facts)).map_err(|error| {
            ServiceError::new(ErrorKind::Internal, "facts do not fit a bundle").caused_by(error)
        })?;
    }
    Ok(Some(bundle))
}

async fn node_vkey(view: &View<'_>, digest: &str) -> Result<Option<Vec<u8>>, ServiceError> {
    let mut bytes = [0; 32];
    if digest.len() != 64 {
        return Ok(None);
    }
    for (slot, pair) in bytes.iter_mut().zip(digest.as_bytes().as_chunks::<2>().0) {
        let text = std::str::from_utf8(pair).unwrap_or_default();
        let Ok(byte) = u8::from_str_radix(text, 16) else { return Ok(None) };
        *slot = byte;
    }
    Ok(view.store().find_document(&node_document(&bytes)).await?)
}

/// Holds the indexes of the store against its rows, and what is kept of each batch of the log against its entries: a sentence for each that
/// does not agree.
#[derive(Debug, Clone, Copy)]
pub struct CheckIndexes {}

system_operation!(CheckIndexes, ReadAudit, Vec<String>, |_this, view| {
    let mut found = view.store().check_indexes().await?;
    let heads = view.store().list_heads().await?;
    if let Some(head) = heads.into_iter().find(|head| head.shard == view.system.shard) {
        let log = view.log.clone();
        found.extend(view.work(Class::Scan, move |at| log.check_batches(at, &head)).await?);
    }
    found
});

/// A page of live rows.
#[derive(Debug, Clone)]
pub struct RowsPage {
    /// The rows.
    pub rows: Vec<LiveRow>,
    /// Where to go on, if there is more.
    pub next: Option<RowCursor>,
}

/// Reads the live rows of all objects, field by field as facts have them, to hold them against what the log yields.
#[derive(Debug, Clone, Copy)]
pub struct ReadRows {
    /// Where to begin.
    pub from: RowCursor,
    /// At most so many.
    pub limit: u32,
}

system_operation!(ReadRows, ReadAudit, RowsPage, |this, view| {
    view.enter(Class::Listing).await?;
    this.read(view).await?
});

impl ReadRows {
    async fn read(self, view: &View<'_>) -> Result<RowsPage, ServiceError> {
        let stored = view.store().list_rows(self.from, self.limit).await?;
        let is_full = stored.len() as u64 >= u64::from(self.limit);
        let mut rows = Vec::with_capacity(stored.len());
        for found in &stored {
            rows.push(live_row(view, &Projection::from(&found.row), found.holds).await?);
        }
        let next = self.from.next(rows.last().map(|row| row.object), is_full);
        Ok(RowsPage { rows, next })
    }
}

async fn live_row(view: &View<'_>, row: &Projection, holds: bool) -> Result<LiveRow, ServiceError> {
    let veil = match row.veil.veil_name().filter(|_| row.is_veiled()) {
        Some(name) => view.state.find_sound_veil(name).await?,
        None => None,
    };
    let fields = match (row.fields(veil.as_ref()), veil) {
        (Ok(fields), _) => fields,
        // Without its key nothing was ever said of it, and nothing is said now. A key or a text that does not open is not the one
        // that was sealed: the absence of what it said is the finding.
        (Err(VeilError::Unopened), _) | (Err(_), None) => row.open_fields(),
        (Err(error), Some(_)) => {
            let message = "a row cannot be held against the log";
            return Err(ServiceError::new(ErrorKind::Internal, message).caused_by(error));
        }
    };
    Ok(LiveRow { object: row.object, revision: row.revision, fields, holds })
}

//! Which rows of objects there are, and in which revision: so that a row that was taken out, or an older one of the same object put
//! in its place, is refused though its tag holds.
//!
//! Rows of one kind whose identifiers begin with the same 14 bits are a block: at most 256 rows up to some millions of a kind. Each
//! 128 versions of a key lie in the next block, so that none grows with the versions of one key. Of each block there is a digest over identifiers and revisions, in memory and in table `row_block`; of all blocks a root, which
//! table `row_root` has under a keyed tag as of a size of the log, and each cut as of its own. Of a kind that a later release added the root
//! speaks from its first row on, so that it stays what it was while there is none. What is in memory was held against
//! these at the start, and changes with commits alone; a row that is read is held against it, with all of its block.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::sync::{Mutex, MutexGuard, PoisonError};

use claviger_core::alias::Alias;
use claviger_core::asset::Asset;
use claviger_core::change::Change;
use claviger_core::key::{Key, KeyRing};
use claviger_core::object::{Kind, Object};
use claviger_core::port::StoreError;
use claviger_core::port::store::RowRoot;
use claviger_core::principal::Principal;
use claviger_core::{GovernanceId, KeyVersionId};
use claviger_crypto::digest::sha256;
use rusqlite::params;
use rusqlite::types::{Value, ValueRef};

use super::columns::{Columns, find, integer, list};
use super::error::{damaged, translate};
use super::sums;
use super::tag::{Guarded, Line};

/// Leading bits of an identifier that name its block.
const BITS: u32 = 14;
/// Blocks of a kind, and of a group: what changed is hashed again by groups.
const ALL: u16 = 1 << BITS;
const BLOCKS: usize = ALL as usize;
const GROUP: usize = 128;
/// Kinds of which the root speaks whether or not they have rows: those of the first release that kept one.
const FIRST_KINDS: usize = 14;
/// Bytes of the digests of all groups of a kind.
const OF_A_KIND: usize = BLOCKS / GROUP * 32;
/// Versions of a key that lie in one block.
const VERSIONS: u32 = 128;

type Hash = [u8; 32];

/// A block: its kind, and its number among those of the kind.
pub(super) type Block = (Kind, u16);

/// Of a block without rows.
const EMPTY: Hash = [0; 32];

/// What is said of an object: its identifier, and its revision, or that it has no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) object: Object,
    pub(super) revision: Option<u64>,
}

/// The block of an object.
pub(super) fn block_of(object: &Object) -> Block {
    let id = match object {
        Object::Ring(id) => *id.as_bytes(),
        Object::Key(id) => *id.as_bytes(),
        Object::Version(id) => return (Kind::Version, number_of_version(*id)),
        Object::Principal(id) => *id.as_bytes(),
        Object::Credential(id) => *id.as_bytes(),
        Object::Grant(id) => *id.as_bytes(),
        Object::Alias(id) => *id.as_bytes(),
        Object::Reason(id) => *id.as_bytes(),
        Object::RightsReview(id) => *id.as_bytes(),
        Object::Node(id) => *id.as_bytes(),
        Object::Asset(id) => *id.as_bytes(),
        Object::Declaration(id) => *id.as_bytes(),
        Object::Approval(id) => *id.as_bytes(),
        Object::Governance(id) => *id.as_bytes(),
        Object::Review(id) => *id.as_bytes(),
        Object::Alert(id) => *id.as_bytes(),
        Object::BreakGlass(id) => *id.as_bytes(),
    };
    (object.kind(), number_of(&id))
}

fn number_of(id: &[u8; 16]) -> u16 {
    u16::from_be_bytes([id[0], id[1]]) >> (16 - BITS)
}

fn number_of_version(id: KeyVersionId) -> u16 {
    let behind = id.number.saturating_sub(1) / VERSIONS;
    let number = (u32::from(number_of(id.key.as_bytes())) + behind) % u32::from(ALL);
    u16::try_from(number).unwrap_or_default()
}

/// The object whose row a change writes, if it writes one.
pub(super) fn written(change: &Change) -> Option<Object> {
    Some(match change {
        Change::PutAlert(alert) => Object::Alert(alert.id),
        Change::PutAlias(alias) | Change::RemoveAlias(alias) => Object::Alias(alias.id),
        Change::PutApproval(approval) => Object::Approval(approval.id),
        Change::PutAsset(asset) => Object::Asset(asset.id),
        Change::PutBreakGlass(access) => Object::BreakGlass(access.id),
        Change::PutCredential(credential) => Object::Credential(credential.id),
        Change::PutDeclaration(declaration) => Object::Declaration(declaration.id),
        Change::PutGovernance(_) => Object::Governance(GovernanceId::ONLY),
        Change::PutGrant(grant) => Object::Grant(grant.id),
        Change::PutKey(key) => Object::Key(key.id),
        Change::PutNode(node) => Object::Node(node.id),
        Change::PutPrincipal(principal) => Object::Principal(principal.id),
        Change::PutReason(reason) => Object::Reason(reason.id),
        Change::PutReview(review) => Object::Review(review.id),
        Change::PutRightsReview(review) => Object::RightsReview(review.id),
        Change::PutRing(ring) => Object::Ring(ring.id),
        Change::PutVersion(version) => Object::Version(version.id),
        Change::CountUses { .. }
        | Change::Expect(_)
        | Change::ExpectNoAlias(_)
        | Change::ExpectNone { .. }
        | Change::NoteFacts(_)
        | Change::PutFactHead(_)
        | Change::PutIdempotency(_)
        | Change::PutLogTime(_)
        | Change::PutPolicyDocument(_)
        | Change::PutVeil(_)
        | Change::RemoveVeil(_)
        | Change::SealReason { .. } => return None,
    })
}

/// The kind of the row that a change makes, where such rows bear names: a name whose row was taken out looks free.
pub(super) const fn named(change: &Change) -> Option<Kind> {
    match change {
        Change::PutAlias(Alias { revision: 0, .. }) => Some(Kind::Alias),
        Change::PutAsset(Asset { revision: 0, .. }) => Some(Kind::Asset),
        Change::PutKey(Key { revision: 0, .. }) => Some(Kind::Key),
        Change::PutPrincipal(Principal { revision: 0, .. }) => Some(Kind::Principal),
        Change::PutRing(KeyRing { revision: 0, .. }) => Some(Kind::Ring),
        _ => None,
    }
}

/// The digests of all blocks.
#[derive(Debug)]
struct Digests {
    /// Of each kind, by its code, the blocks in order.
    blocks: Vec<Hash>,
    groups: Vec<Hash>,
    /// Of a group without rows.
    empty: Hash,
}

impl Digests {
    fn new() -> Self {
        let kinds = Kind::ALL.len();
        let empty = sha256(&EMPTY.repeat(GROUP));
        let (blocks, groups) = (vec![EMPTY; kinds * BLOCKS], vec![empty; kinds * BLOCKS / GROUP]);
        Self { blocks, groups, empty }
    }

    fn at((kind, number): Block) -> usize {
        usize::from(kind.code() - 1) * BLOCKS + usize::from(number)
    }

    fn get(&self, block: Block) -> Hash {
        self.blocks.get(Self::at(block)).copied().unwrap_or(EMPTY)
    }

    /// What groups and the root become when blocks become this.
    fn with(&self, blocks: &BTreeMap<Block, Hash>) -> (BTreeMap<usize, Hash>, Hash) {
        let by_place: BTreeMap<_, _> =
            blocks.iter().map(|(block, digest)| (Self::at(*block), *digest)).collect();
        let mut groups = BTreeMap::new();
        for group in by_place.keys().map(|at| at / GROUP) {
            groups.entry(group).or_insert_with(|| {
                let (first, mut bytes) = (group * GROUP, Vec::with_capacity(GROUP * 32));
                for (at, digest) in (first..).zip(self.blocks.iter().skip(first).take(GROUP)) {
                    bytes.extend(by_place.get(&at).unwrap_or(digest));
                }
                sha256(&bytes)
            });
        }
        let mut bytes = Vec::with_capacity(self.groups.len() * 32);
        for (at, digest) in self.groups.iter().enumerate() {
            bytes.extend(groups.get(&at).unwrap_or(digest));
        }
        let has_rows = |kind: &[u8]| kind.chunks(32).any(|group| group != self.empty);
        let last = bytes.chunks(OF_A_KIND).rposition(has_rows);
        bytes.truncate(OF_A_KIND * last.map_or(0, |last| last + 1).max(FIRST_KINDS));
        (groups, sha256(&bytes))
    }

    fn set(&mut self, blocks: BTreeMap<Block, Hash>, groups: BTreeMap<usize, Hash>) {
        for (block, digest) in blocks {
            if let Some(place) = self.blocks.get_mut(Self::at(block)) {
                *place = digest;
            }
        }
        for (group, digest) in groups {
            if let Some(place) = self.groups.get_mut(group) {
                *place = digest;
            }
        }
    }

    /// Of these blocks, and of no others.
    fn of(blocks: BTreeMap<Block, Hash>) -> (Self, Hash) {
        let mut digests = Self::new();
        let (groups, root) = digests.with(&blocks);
        digests.set(blocks, groups);
        (digests, root)
    }
}

#[derive(Debug, Default)]
struct State {
    digests: Option<Digests>,
    root: Hash,
    /// What a commit that is under way makes of blocks.
    pending: BTreeMap<Block, Hash>,
    /// Commits that changed a block.
    commits: u64,
    /// Kinds of which some block is not as it is known, as of the last time that all were looked at.
    wrong: BTreeSet<Kind>,
}

/// What is in memory of it.
#[derive(Debug)]
pub(super) struct Inventory(Mutex<State>);

/// How it differs behind a commit.
#[derive(Debug, Default)]
pub(super) struct Changed {
    blocks: BTreeMap<Block, Hash>,
    groups: BTreeMap<usize, Hash>,
    root: Hash,
}

impl Inventory {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(State {
            digests: None,
            root: EMPTY,
            pending: BTreeMap::new(),
            commits: 0,
            wrong: BTreeSet::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is it in memory?
    pub(super) fn is_open(&self) -> bool {
        self.lock().digests.is_some()
    }

    /// The root over all blocks.
    pub(super) fn root(&self) -> Hash {
        self.lock().root
    }

    /// Commits that changed a block so far.
    pub(super) fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// All blocks of a kind were looked at, and so many are not as they are known.
    pub(super) fn looked_at(&self, kind: Kind, wrong: u64) {
        let mut state = self.lock();
        if wrong == 0 {
            state.wrong.remove(&kind)
        } else {
            state.wrong.insert(kind)
        };
    }

    /// Are rows of this kind missing, or older ones there, as far as is known?
    pub(super) fn is_wrong(&self, kind: Kind) -> bool {
        self.lock().wrong.contains(&kind)
    }

    /// Is that the digest of the block, before or behind the commit that is under way?
    fn knows(&self, block: Block, digest: &Hash) -> bool {
        let state = self.lock();
        let known = state.digests.as_ref().is_none_or(|digests| digests.get(block) == *digest);
        known || state.pending.get(&block) == Some(digest)
    }

    /// A commit that makes this of blocks is about to be made.
    fn prepare(&self, blocks: BTreeMap<Block, Hash>) -> Changed {
        let mut state = self.lock();
        let (groups, root) = match &state.digests {
            Some(digests) if !blocks.is_empty() => digests.with(&blocks),
            _ => (BTreeMap::new(), state.root),
        };
        state.pending.clone_from(&blocks);
        Changed { blocks, groups, root }
    }

    /// The commit was made.
    pub(super) fn publish(&self, changed: Changed) {
        let mut state = self.lock();
        state.pending.clear();
        if changed.blocks.is_empty() {
            return;
        }
        state.commits += 1;
        state.root = changed.root;
        if let Some(digests) = &mut state.digests {
            digests.set(changed.blocks, changed.groups);
        }
    }

    /// The commit was not made.
    pub(super) fn abandon(&self) {
        self.lock().pending.clear();
    }

    /// Takes what the store keeps of it into memory.
    pub(super) fn load(&self, connection: Guarded<'_>) -> Result<(), StoreError> {
        let sql = "SELECT kind, block, digest FROM row_block WHERE kind >= 0";
        let (digests, root) = Digests::of(list(connection, sql, [], read_block)?.into_iter().collect());
        let mut state = self.lock();
        (state.root, state.digests) = (root, Some(digests));
        Ok(())
    }
}

fn read_block(row: &Line<'_>) -> Result<(Block, Hash), StoreError> {
    let mut columns = Columns::new("row_block", row);
    let kind = columns.small::<u8>()?;
    let kind = Kind::from_code(kind).ok_or_else(|| columns.damaged("no such kind"))?;
    let number = columns.small::<u16>()?;
    if usize::from(number) >= BLOCKS {
        return Err(columns.damaged("no such block"));
    }
    Ok(((kind, number), columns.array()?))
}

/// The block of a version, as its index has it.
macro_rules! version_block {
    () => {
        "((instr('123456789ABCDEF', substr(hex(key), 1, 1)) * 1024 + instr('123456789ABCDEF', substr(hex(key), 2, 1)) * 64 \
          + instr('123456789ABCDEF', substr(hex(key), 3, 1)) * 4 + instr('123456789ABCDEF', substr(hex(key), 4, 1)) / 4 \
          + (number - 1) / 128) % 16384)"
    };
}

/// Identifiers and revisions of a kind, by the index that has nothing else.
const fn listing(kind: Kind) -> &'static str {
    macro_rules! of {
        ($table:literal, $index:literal) => {
            concat!(
                "SELECT id, revision FROM ",
                $table,
                " INDEXED BY ",
                $index,
                " WHERE id >= ?1 AND id <= ?2 ORDER BY id"
            )
        };
    }
    match kind {
        Kind::Alert => of!("alert", "alert_revision"),
        Kind::Alias => of!("alias", "alias_revision"),
        Kind::Approval => of!("approval", "approval_revision"),
        Kind::Asset => of!("asset", "asset_revision"),
        Kind::BreakGlass => of!("break_glass", "break_glass_revision"),
        Kind::Credential => of!("credential", "credential_revision"),
        Kind::Declaration => of!("declaration", "declaration_revision"),
        Kind::Governance => of!("governance", "governance_revision"),
        Kind::Grant => of!("grants", "grants_revision"),
        Kind::Key => of!("key", "key_revision"),
        Kind::Node => of!("node", "node_revision"),
        Kind::Principal => of!("principal", "principal_revision"),
        Kind::Reason => of!("reason", "reason_revision"),
        Kind::Review => of!("review", "review_revision"),
        Kind::RightsReview => of!("rights_review", "rights_review_revision"),
        Kind::Ring => of!("ring", "ring_revision"),
        Kind::Version => concat!(
            "SELECT key, revision, number FROM key_version INDEXED BY key_version_block WHERE ",
            version_block!(),
            " >= ?1 AND ",
            version_block!(),
            " <= ?2 ORDER BY ",
            version_block!(),
            ", key, number"
        ),
    }
}

/// Where blocks begin and end in the index of their kind.
fn bounds(kind: Kind, blocks: &RangeInclusive<u16>) -> (Value, Value) {
    if kind == Kind::Version {
        return (i64::from(*blocks.start()).into(), i64::from(*blocks.end()).into());
    }
    let (mut first, mut last) = ([0; 16], [u8::MAX; 16]);
    let low = blocks.start() << (16 - BITS);
    let high = (blocks.end() << (16 - BITS)) | ((1 << (16 - BITS)) - 1);
    first[..2].copy_from_slice(&low.to_be_bytes());
    last[..2].copy_from_slice(&high.to_be_bytes());
    (first.to_vec().into(), last.to_vec().into())
}

/// One row of a listing.
fn read_row(kind: Kind, row: &Line<'_>) -> Result<(Object, u64), StoreError> {
    let mut columns = Columns::new("row_block", row);
    let (mut id, revision) = (columns.array::<16>()?.to_vec(), columns.count()?);
    if kind == Kind::Version {
        id.extend(columns.small::<u32>()?.to_be_bytes());
    }
    let object = Object::from_id(kind, &id).ok_or_else(|| columns.damaged("an identifier does not read"))?;
    Ok((object, revision))
}

fn rows_of(connection: Guarded<'_>, (kind, number): Block) -> Result<Vec<(Object, u64)>, StoreError> {
    let (first, last) = bounds(kind, &(number..=number));
    list(connection, listing(kind), params![first, last], |row| read_row(kind, row))
}

/// The digest of a block with these rows, in order.
fn digest_of(rows: &[(Object, u64)]) -> Hash {
    if rows.is_empty() {
        return EMPTY;
    }
    let mut bytes = Vec::with_capacity(rows.len() * 32);
    for (object, revision) in rows {
        bytes.push(object.kind().code());
        bytes.extend(object.id());
        bytes.extend(revision.to_be_bytes());
    }
    sha256(&bytes)
}

/// The first of these of which the block says something else: it has no such row or revision, or another set of rows than is
/// known. Read in one state of the store.
pub(super) fn first_wrong(
    connection: Guarded<'_>,
    inventory: &Inventory,
    seen: &[Seen],
) -> Result<Option<Object>, StoreError> {
    // Each block with the object for whose sake it is looked at.
    let mut blocks: BTreeMap<Block, (Object, Vec<Seen>)> = BTreeMap::new();
    let mut newest = BTreeMap::new();
    for one in seen {
        blocks.entry(block_of(&one.object)).or_insert_with(|| (one.object, Vec::new())).1.push(*one);
        if let Object::Version(KeyVersionId { key, number }) = one.object {
            let newest = newest.entry(key).or_insert(number);
            *newest = number.max(*newest);
        }
    }
    for one in seen {
        if let Object::Key(key) = one.object {
            // None is missing behind the newest version that was read: the next would lie in this block.
            let number = newest.get(&key).map_or(1, |number| number.saturating_add(1));
            let next = Object::Version(KeyVersionId { key, number });
            blocks.entry(block_of(&next)).or_insert_with(|| (one.object, Vec::new()));
        }
    }
    for (block, (object, seen)) in blocks {
        let rows = rows_of(connection, block)?;
        if !inventory.knows(block, &digest_of(&rows)) {
            return Ok(Some(object));
        }
        let is_there = |seen: &Seen| {
            let found = rows.binary_search_by_key(&seen.object, |(object, _)| *object);
            found.ok().and_then(|at| rows.get(at)).map(|(_, revision)| *revision) == seen.revision
        };
        if let Some(wrong) = seen.iter().find(|seen| !is_there(seen)) {
            return Ok(Some(wrong.object));
        }
    }
    Ok(None)
}

/// The blocks of a kind that have rows, from the first of these to the last, with their digests, as the rows stand.
fn digests_of(
    connection: Guarded<'_>,
    kind: Kind,
    blocks: Range<u16>,
) -> Result<BTreeMap<u16, Hash>, StoreError> {
    let (mut digests, mut block, mut rows) = (BTreeMap::new(), 0, Vec::new());
    let (first, last) = bounds(kind, &(blocks.start..=blocks.end.saturating_sub(1)));
    list(connection, listing(kind), params![first, last], |row| {
        let (object, revision) = read_row(kind, row)?;
        let (_, number) = block_of(&object);
        if number != block && !rows.is_empty() {
            digests.insert(block, digest_of(&rows));
            rows.clear();
        }
        block = number;
        rows.push((object, revision));
        Ok(())
    })?;
    if !rows.is_empty() {
        digests.insert(block, digest_of(&rows));
    }
    Ok(digests)
}

/// Parts of a kind that are looked at one after the other: none takes a reader for long.
pub(super) fn parts() -> impl Iterator<Item = Range<u16>> {
    const PART: u16 = 256;
    (0..ALL).step_by(usize::from(PART)).map(|first| first..first + PART)
}

/// Holds blocks of a kind against what is in memory; gives how many differ.
pub(super) fn differing(
    connection: Guarded<'_>,
    inventory: &Inventory,
    kind: Kind,
    blocks: Range<u16>,
) -> Result<u64, StoreError> {
    let digests = digests_of(connection, kind, blocks.clone())?;
    let mut differ = 0;
    for number in blocks {
        let digest = digests.get(&number).copied().unwrap_or(EMPTY);
        if !inventory.knows((kind, number), &digest) && is_wrong(connection, inventory, (kind, number))? {
            differ += 1;
        }
    }
    Ok(differ)
}

/// Does a block differ also when no commit comes in between?
fn is_wrong(connection: Guarded<'_>, inventory: &Inventory, block: Block) -> Result<bool, StoreError> {
    loop {
        let before = inventory.commits();
        if inventory.knows(block, &digest_of(&rows_of(connection, block)?)) {
            return Ok(false);
        }
        if inventory.commits() == before {
            return Ok(true);
        }
    }
}

/// Is the block as it is known, in a transaction that has changed nothing of it yet? What was edited there would be taken for good by
/// the next commit otherwise.
pub(super) fn holds(
    connection: Guarded<'_>,
    inventory: &Inventory,
    block: Block,
) -> Result<bool, StoreError> {
    Ok(!inventory.is_open() || inventory.knows(block, &digest_of(&rows_of(connection, block)?)))
}

/// Writes what becomes of these blocks into the open transaction, and the root as of the log's new head.
pub(super) fn write(
    connection: Guarded<'_>,
    inventory: &Inventory,
    touched: &BTreeSet<Block>,
    log: (u64, Hash),
) -> Result<Changed, StoreError> {
    let mut blocks = BTreeMap::new();
    for block in touched {
        let digest = digest_of(&rows_of(connection, *block)?);
        put_block(connection, *block, &digest)?;
        blocks.insert(*block, digest);
    }
    let changed = inventory.prepare(blocks);
    put_root(connection, &changed.root, log)?;
    Ok(changed)
}

/// Makes it of the rows as they stand, for a store that has none.
pub(super) fn make(connection: Guarded<'_>, log: (u64, Hash)) -> Result<(), StoreError> {
    let mut blocks = BTreeMap::new();
    connection.execute("DELETE FROM row_block", []).map_err(translate)?;
    for kind in Kind::ALL {
        for (number, digest) in digests_of(connection, kind, 0..ALL)? {
            put_block(connection, (kind, number), &digest)?;
            blocks.insert((kind, number), digest);
        }
    }
    sums::make(connection)?;
    put_root(connection, &Digests::of(blocks).1, log)
}

/// Writes the root again as it is kept, in the open transaction, because what stands beside it has changed.
pub(super) fn write_beside(connection: Guarded<'_>) -> Result<(), StoreError> {
    match root_row(connection, |_| Ok(()))? {
        Some(kept) => put_root(connection, &kept.root, (kept.log_size, kept.log_root)),
        None => Ok(()),
    }
}

/// Writes a document before there is a journal. Where rows are kept to be there, this one is from now on.
pub(super) fn put_document(connection: Guarded<'_>, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    // As it stands before: what was edited beside it is not taken for good.
    let kept = if connection.is_open() { find_root(connection)? } else { None };
    let sql = "INSERT INTO document (name, bytes) VALUES (?1, ?2)";
    connection.execute(sql, params![name, bytes]).map_err(translate)?;
    let Some(kept) = kept else { return Ok(()) };
    sums::add_document(connection, name, bytes)?;
    put_root(connection, &kept.root, (kept.log_size, kept.log_root))
}

fn put_block(connection: Guarded<'_>, (kind, number): Block, digest: &Hash) -> Result<(), StoreError> {
    if *digest == EMPTY {
        let sql = "DELETE FROM row_block WHERE kind = ?1 AND block = ?2";
        let gone = connection.prepare_cached(sql);
        let gone = gone.and_then(|mut delete| delete.execute(params![kind.code(), number]));
        return gone.map(drop).map_err(translate);
    }
    let sql = "INSERT INTO row_block (kind, block, digest) VALUES (?1, ?2, ?3) \
               ON CONFLICT (kind, block) DO UPDATE SET digest = excluded.digest";
    let written = connection
        .prepare_cached(sql)
        .and_then(|mut upsert| upsert.execute(params![kind.code(), number, digest]));
    written.map(drop).map_err(translate)
}

/// What the tag of the root is over, beside its columns.
const ROOT: &str = "row_root";

fn put_root(connection: Guarded<'_>, root: &Hash, (size, log_root): (u64, Hash)) -> Result<(), StoreError> {
    let (size, beside) = (integer("row_root", size)?, digest_beside(connection)?);
    let columns =
        [ValueRef::Blob(root), ValueRef::Integer(size), ValueRef::Blob(&log_root), ValueRef::Blob(&beside)];
    let tag = connection.tag_of(ROOT, &columns)?;
    let sql = "INSERT INTO row_root (id, root, log_size, log_root, beside, tag) VALUES (1, ?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (id) DO UPDATE SET root = excluded.root, log_size = excluded.log_size, \
               log_root = excluded.log_root, beside = excluded.beside, tag = excluded.tag";
    let written = connection
        .prepare_cached(sql)
        .and_then(|mut upsert| upsert.execute(params![root, size, log_root, beside, tag]));
    written.map(drop).map_err(translate)
}

/// A digest of what stands beside the rows of objects, and changes with commits that change state alone: which revision
/// of the log's time is remembered, which store this is, how many such commits it had, and the sums of tags of other tables.
fn digest_beside(connection: Guarded<'_>) -> Result<Hash, StoreError> {
    let time = find(connection, "SELECT revision FROM log_time WHERE id = 1", [], |row| {
        Columns::new("log_time", row).count()
    })?;
    let fence = find(connection, "SELECT state_seq, db_uuid FROM fence WHERE id = 1", [], |row| {
        let mut columns = Columns::new("fence", row);
        Ok((columns.count()?, columns.array::<16>()?))
    })?;
    let (commits, store) = fence.ok_or_else(|| damaged("fence", "its row is missing"))?;
    let sums = sums::all(connection)?;
    Ok(sha256(&[&time.unwrap_or(0).to_be_bytes()[..], &commits.to_be_bytes(), &store, &sums].concat()))
}

/// The root that is kept, if there is one.
pub(super) fn find_root(connection: Guarded<'_>) -> Result<Option<RowRoot>, StoreError> {
    root_row(connection, |beside| {
        if beside == digest_beside(connection)? {
            return Ok(());
        }
        let what = "it, the row of `log_time`, that of `row_root` or one of `row_sum` is another one than when state was last \
                    changed";
        Err(damaged("fence", what))
    })
}

fn root_row(
    connection: Guarded<'_>,
    hold: impl Fn(Hash) -> Result<(), StoreError>,
) -> Result<Option<RowRoot>, StoreError> {
    let sql = "SELECT root, log_size, log_root, beside, tag FROM row_root WHERE id = 1";
    find(connection, sql, [], |row| {
        let mut columns = Columns::new("row_root", row);
        let kept = RowRoot { root: columns.array()?, log_size: columns.count()?, log_root: columns.array()? };
        let (size, beside) = (integer("row_root", kept.log_size)?, columns.array::<32>()?);
        let said = [
            ValueRef::Blob(&kept.root),
            ValueRef::Integer(size),
            ValueRef::Blob(&kept.log_root),
            ValueRef::Blob(&beside),
        ];
        if !connection.is_tag_of(ROOT, &said, columns.bytes()?)? {
            return Err(damaged("row_root", "it is not as a server wrote it"));
        }
        hold(beside)?;
        Ok(kept)
    })
}

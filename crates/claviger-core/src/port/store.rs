//! Port: where the state and the log are kept, in one place and one transaction.
//!
//! Reads are many and asynchronous. What calls change is written by the [`Journal`] alone, which one holds: the sequencer. The
//! [`Store`] itself writes what serves its rows and the log beside them: tags and roots of rows, packed batches, and what is kept
//! beside the store.

mod usage;

use std::ops::RangeInclusive;
use std::sync::Arc;

use async_trait::async_trait;
use claviger_crypto::kdf::HmacSha256;

use crate::alert::{Alert, AlertRule};
use crate::alias::{Alias, AliasName};
use crate::approval::Approval;
use crate::asset::Asset;
use crate::break_glass::BreakGlass;
use crate::change::{Change, IdempotencyRecord, Restriction, RingLife, VeilName, VeilRecord};
use crate::declaration::{Declaration, DeclarationKind, Plain};
use crate::governance::Governance;
use crate::grant::Grant;
use crate::key::{Destruction, Key, KeyRecord, KeyRing, KeyVersion, PolicyDocument, Separation, State};
use crate::lineage::{Lineage, Wanted};
use crate::log_time::TimeRecord;
use crate::node::Node;
use crate::object::{FoundRow, Kind, Object, RowCursor};
use crate::principal::{Credential, Principal};
use crate::reason::KeptReason;
use crate::review::Review;
use crate::rights_review::RightsReview;
use crate::time::Timestamp;
use crate::{
    Action, AlertId, ApprovalId, AssetId, BreakGlassId, CredentialId, DeclarationId, GrantId, KeyId, KeyName,
    KeyRingId, KeyVersionId, Name, NodeId, PrincipalId, ReasonId, ReviewId,
};

pub use usage::{UsageRows, UseCounts, VersionUsage};

/// Why the store could not. A variant exists because an operator or caller acts on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A page or row does not read back as it was written.
    #[error("stored data is damaged: {0}; restore from a backup")]
    Corrupt(String),
    /// No space is left.
    #[error("no space is left on the store's device; free some, and a server at work goes on by itself")]
    Full,
    /// The device failed.
    #[error("the store's device failed: {0}")]
    Io(String),
    /// The newest part of what the last process wrote is not there.
    #[error(
        "the last process did not end in order, and {0}: the newest part of the store may be lost; put the file back as it was, or, if it is lost, start once with `claviger serve --accept-lost-tail`"
    )]
    LostTail(String),
    /// Another process holds the data directory.
    #[error("another process holds this data directory; stop it first")]
    Locked,
    /// The store was made by a newer release.
    #[error("the store has schema {found}, this release knows up to {known}; use the newer release")]
    Newer {
        /// Its schema.
        found: u32,
        /// What this release knows.
        known: u32,
    },
    /// A row was edited, made or exchanged by somebody else than a server: it does not have the tag of its columns.
    #[error(
        "the row of {0} is not as it was written: somebody changed it in the database; restore it from a backup, and investigate"
    )]
    RowAltered(Object),
    /// Nothing may be written there.
    #[error("the store is read-only; make its directory writable")]
    ReadOnly,
    /// It was handed what its tables cannot hold, or at the wrong moment: a fault of the program, not of the data.
    #[error(
        "the store refused, and wrote nothing: {0}; the stored data is as it was; this is a fault of the program, report it"
    )]
    Refused(String),
    /// Too busy, or away.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// How a commit can end other than well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Nothing was written; the store says why.
    #[error(transparent)]
    Failed(#[from] StoreError),
    /// The epoch moved: decide again under the new one.
    #[error("the fence moved to epoch {0}")]
    Fenced(u64),
    /// Another incarnation owns this shard: stop serving at once.
    #[error("another process took over this log; this one must stop")]
    Superseded,
    /// Whether it was written is not known: only a restart finds out.
    #[error("the outcome of a commit is unknown: {0}")]
    Unknown(String),
}

/// A page of a list: what comes after `after`, in the order of its cursor, at most `limit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<C> {
    /// The cursor that the last page ended with.
    pub after: Option<C>,
    /// How many at most.
    pub limit: u32,
}

/// Which alerts to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AlertFilter {
    /// Only those that are open, or only those that are closed.
    pub open: Option<bool>,
    /// Only by this rule.
    pub rule: Option<AlertRule>,
    /// Only about this object.
    pub subject: Option<Object>,
}

/// Which aliases to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AliasFilter {
    /// Only of this key.
    pub key: Option<KeyId>,
    /// Only of keys of this ring.
    pub ring: Option<KeyRingId>,
    /// Only those that name their key to an application whose home is this.
    pub seen_from: Option<Home>,
}

/// Which approvals to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApprovalFilter {
    /// Only those that are open at `now`, or only those that are not.
    pub open: Option<bool>,
    /// Only what this principal asked for.
    pub requester: Option<PrincipalId>,
    /// As of when. At the first instant of all, whatever was not ended is open, expired or not.
    pub now: Timestamp,
}

/// Which emergency accesses to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BreakGlassFilter {
    /// Only those that are open at `now`, or only those that have ended by then.
    pub open: Option<bool>,
    /// Only those that were reviewed, or only those that were not.
    pub reviewed: Option<bool>,
    /// Only of this holder.
    pub holder: Option<PrincipalId>,
    /// As of when.
    pub now: Timestamp,
}

/// Which declarations to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeclarationFilter {
    /// Only of this kind.
    pub kind: Option<DeclarationKind>,
    /// Only about this: a parameter, a statement, a sort of document or thing.
    pub subject: Option<Plain>,
}

/// The home of an application, if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home(pub Option<KeyRingId>);

/// Which keys to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyFilter {
    /// Only of this ring.
    pub ring: Option<KeyRingId>,
    /// Only in this state.
    pub state: Option<State>,
}

/// Which grants to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrantFilter {
    /// Only to this principal.
    pub principal: Option<PrincipalId>,
    /// Only on this key, by name or by its ring.
    pub key: Option<KeyId>,
    /// Only on this ring itself.
    pub ring: Option<KeyRingId>,
    /// Only those that this principal was named to retire; neither key nor ring is asked then.
    pub retiring: Option<PrincipalId>,
    /// Only active ones that a key policy gave; asked together with `key`, and nothing else is asked then.
    pub of_policy: bool,
    /// Revoked ones too?
    pub with_revoked: bool,
}

/// Which access reviews to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReviewFilter {
    /// Only those that are not closed, or only those that are.
    pub open: Option<bool>,
}

/// A key whose destruction is scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduledDestruction {
    /// The key.
    pub key: KeyId,
    /// Its ring, whose policy decides whether and when it is carried out.
    pub ring: KeyRingId,
    /// What was scheduled.
    pub destruction: Destruction,
}

/// What a decision asks for: the grants of a principal that can bear on its calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantQuery {
    /// The principal that holds the grants.
    pub principal: PrincipalId,
    /// On this key by itself, if the calls are about one.
    pub key: Option<KeyId>,
    /// On this ring as a whole.
    pub ring: KeyRingId,
    /// For any of these.
    pub actions: Vec<Action>,
    /// The encryption contexts of the calls, one or more.
    pub contexts: Vec<Vec<(String, String)>>,
    /// As of when: what ended by time before is passed over.
    pub now: Timestamp,
}

/// Is there room for one more active grant?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantRoom {
    /// There is.
    Yes,
    /// The principal has [`MAX_ALIKE`](crate::grant::MAX_ALIKE) that differ in nothing that a context decides, and have not
    /// ended.
    TooManyAlike,
    /// The principal has grants for [`MAX_NAME_SETS`](crate::grant::MAX_NAME_SETS) sets of names with each of its pairs.
    TooManyNameSets,
    /// There are [`MAX_ACTIVE`](crate::grant::MAX_ACTIVE) on the key or ring.
    TooManyOnTarget,
}

/// An active principal with an active grant on a ring or on a key of it that holds a role, or whose grant gives more than
/// uses of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixedUse {
    /// The principal.
    pub principal: PrincipalId,
    /// Does the grant give more than uses of keys?
    pub administers: bool,
}

/// What others depend on a principal for: what it answers for, and what it made and may have kept the secrets of. Of each no more than was
/// asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ties {
    /// Keys that it owns and that are not destroyed, in the order of their full names.
    pub keys: Vec<(KeyName, Key)>,
    /// Principals that it created and that are not revoked, in the order of their names.
    pub principals: Vec<Principal>,
    /// Credentials that it made for others and that prove somebody, those that end first before others.
    pub credentials: Vec<Credential>,
    /// Other accounts of its person that are not revoked.
    pub accounts: Vec<Principal>,
}

/// How many emergency accesses there are that somebody must know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BreakGlassCount {
    /// Those that are open.
    pub open: u64,
    /// Those that nobody has reviewed, the open ones among them.
    pub unreviewed: u64,
}

/// A principal whose last credential ends soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndingPrincipal {
    /// Its identifier.
    pub id: PrincipalId,
    /// Its name.
    pub name: Name,
    /// Does it hold a role?
    pub holds_role: bool,
    /// When its last credential ends.
    pub ends_at: Timestamp,
}

/// The head of a shard's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardHead {
    /// The shard.
    pub shard: u32,
    /// Which start of the process owns it.
    pub incarnation: u64,
    /// How many entries it has.
    pub size: u64,
    /// Root of the tree over them (RFC 6962, 2.1).
    pub root: [u8; 32],
    /// Fence epoch.
    pub epoch: u64,
}

/// A batch without its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOutline {
    /// Index of its first entry.
    pub first_index: u64,
    /// How many entries.
    pub count: u32,
    /// Fence epoch of its commit.
    pub epoch: u64,
    /// Incarnation that wrote it.
    pub incarnation: u64,
    /// Bytes that its entries take as they are stored.
    pub bytes: u64,
}

/// Batches that follow each other, of one epoch and incarnation, as one.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    /// Index of their first entry.
    pub first_index: u64,
    /// How many entries they have together.
    pub count: u32,
    /// How many batches they are.
    pub batches: u32,
    /// Their entries, as the sequencer encodes them.
    pub body: &'a [u8],
}

/// A batch as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    /// Index of its first entry.
    pub first_index: u64,
    /// How many entries.
    pub count: u32,
    /// Fence epoch of its commit.
    pub epoch: u64,
    /// Incarnation that wrote it.
    pub incarnation: u64,
    /// Root of the tree after it.
    pub root: [u8; 32],
    /// The entries, as the sequencer encoded them.
    pub body: Vec<u8>,
}

/// What changed at an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceDelta {
    /// The epoch that it began.
    pub epoch: u64,
    /// What it restricted.
    pub restrictions: Vec<Restriction>,
    /// Shard of the entry that records it.
    pub shard: u32,
    /// Index of that entry.
    pub index: u64,
}

/// The root log: the log of cuts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootHead {
    /// How many cuts.
    pub size: u64,
    /// Root of the tree over them.
    pub root: [u8; 32],
    /// Size that was last signed.
    pub signed_size: u64,
    /// The signed note of that size; empty before the first.
    pub signed_note: String,
}

/// One of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogId {
    /// The log of cuts.
    Root,
    /// A shard's log.
    Shard(u32),
}

/// A full tile of 256 subtree hashes (C2SP tlog-tiles) at level 1 or above. Derived from the entries, kept so that proofs
/// stay cheap; level 0 is recomputed from the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Level, 1 or more.
    pub level: u8,
    /// Number within the level.
    pub index: u64,
    /// 256 hashes of 32 bytes.
    pub hashes: Vec<u8>,
}

/// What is kept beside the store: bytes that the store knows nothing of, and whether they say that the end was orderly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Nothing is written behind them, in good order.
    pub closed: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What the last process left beside the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftBehind {
    /// What was kept last; `None` when nothing was, or cannot be read.
    pub kept: Option<Kept>,
    /// Something was kept, and cannot be read.
    pub damaged: bool,
    /// The last process did not end in order, and this is wrong with what it wrote; it was opened all the same, by choice.
    pub lost_tail: Option<String>,
}

/// The root over which rows of objects there are, and in which revisions, as of a head of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowRoot {
    /// The root.
    pub root: [u8; 32],
    /// The size of the log behind the last commit that changed state.
    pub log_size: u64,
    /// The root of the log at that size.
    pub log_root: [u8; 32],
}

/// A batch to commit.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    /// Size before.
    pub old_size: u64,
    /// Size after.
    pub new_size: u64,
    /// Root after.
    pub new_root: [u8; 32],
    /// Epoch that it was decided under.
    pub epoch: u64,
    /// What it restricts. Not empty: the commit begins epoch `epoch + 1`, in which the batch's entries lie.
    pub restricts: &'a [Restriction],
    /// The entries.
    pub body: &'a [u8],
    /// Tiles that the batch completes.
    pub tiles: &'a [Tile],
}

/// How much room there is on the store's device, and so for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// For every call.
    Plenty = 0,
    /// For calls that restrict.
    Low = 1,
    /// What was set aside is in use: for calls of people and of the system that restrict.
    Reserve = 2,
}

/// The room on the store's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceState {
    /// For whom there is room.
    pub room: Room,
    /// Free bytes, where the device says.
    pub free: Option<u64>,
    /// Free bytes below which ordinary calls are refused.
    pub min_free: u64,
    /// Bytes that are to be set aside.
    pub reserve: u64,
    /// Are they set aside now?
    pub reserve_held: bool,
}

/// Takes the digests of facts, one by one.
pub trait FactSink: Send {
    /// Takes the next.
    fn take(&mut self, digest: &[u8; 32]);
}

/// What became of a set of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// They are in the open transaction.
    Yes,
    /// Another write came in between, an expectation does not hold, or a name is taken: none of the set is in the transaction,
    /// the rest of it is untouched.
    Conflict,
}

/// The one writer. Blocking; the sequencer calls it from a thread of its own.
pub trait Journal: Send {
    /// The head as it stands.
    fn head(&self) -> ShardHead;

    /// Puts a set of changes into the open transaction, opening one if need be: all of the set or none. A conflict leaves
    /// no transaction open that was not open before.
    ///
    /// # Errors
    /// [`StoreError::RowAltered`], none of the set being in the transaction then; others, after which it is rolled back.
    fn apply(&mut self, changes: &[Change]) -> Result<Applied, StoreError>;

    /// The fence commit: appends the batch by compare-and-swap on (incarnation, size, epoch) and makes it
    /// durable together with all that was applied.
    ///
    /// # Errors
    /// [`CommitError`]; nothing of the transaction stays, but for `Unknown`.
    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), CommitError>;

    /// Forgets what was applied.
    fn roll_back(&mut self);

    /// Appends a cut to the root log by compare-and-swap on its size, durably, together with what is kept of uses.
    ///
    /// # Errors
    /// [`CommitError::Superseded`] when another one did.
    fn append_cut(
        &mut self,
        old_size: u64,
        new_root: [u8; 32],
        entry: &[u8],
        tiles: &[Tile],
        usage: UsageRows<'_>,
    ) -> Result<(), CommitError>;

    /// Puts one batch in the place of several, durably. No entry changes. Gives `false`, having changed nothing, where they are not what they
    /// are said to be.
    ///
    /// # Errors
    /// [`CommitError`]; nothing was written, but for `Unknown`.
    fn pack(&mut self, packed: Packed<'_>) -> Result<bool, CommitError>;

    /// The root over the rows there are.
    fn row_root(&self) -> [u8; 32];

    /// How much room there is on the device.
    fn room(&self) -> Room;

    /// Remembers the signed note of a root-log size.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put_signed_note(&mut self, size: u64, note: &str) -> Result<(), StoreError>;
}

/// The state and the log, to read; and the way to the one writer.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Takes over `shard` with a new incarnation. A journal that was handed out before is fenced from then on.
    ///
    /// # Errors
    /// [`StoreError`].
    fn open_journal(&self, shard: u32) -> Result<Box<dyn Journal>, StoreError>;

    /// What the last process left beside the store, as it was when the store was opened.
    fn left_behind(&self) -> &LeftBehind;

    /// Keeps bytes beside the store, in place of older ones, durably: they are there after whatever becomes of the process or of
    /// the store. Blocking.
    ///
    /// # Errors
    /// [`StoreError::Io`], after which nothing is kept any more, and the process must end.
    fn keep_beside(&self, kept: &Kept) -> Result<(), StoreError>;

    /// Holds the indexes of the tables of state against their rows; a sentence for each that does not agree. Long, on a large
    /// store; commits do not wait for it.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be looked at.
    async fn check_indexes(&self) -> Result<Vec<String>, StoreError>;

    /// Gives the store the key under which rows carry tags. Before that it reads and writes no row of an object; from then on it
    /// refuses each whose tag is not that of its columns, with [`StoreError::RowAltered`]. A second key is not taken.
    fn open_rows(&self, key: Arc<HmacSha256>);

    /// Has the store its key?
    fn rows_are_open(&self) -> bool;

    /// Gives tags under `key` to the rows of one kind as they stand, those of a store from before there were tags; before the first
    /// journal is opened. Gives where to go on.
    ///
    /// # Errors
    /// [`StoreError`]; some rows may have theirs then, and can get it again.
    async fn tag_rows(
        &self,
        key: Arc<HmacSha256>,
        from: RowCursor,
        limit: u32,
    ) -> Result<Option<RowCursor>, StoreError>;

    /// The root over the rows there are that is kept, and that its tag holds for; `None` in a store that keeps none.
    async fn find_row_root(&self) -> Result<Option<RowRoot>, StoreError>;

    /// Makes the root of the rows as they stand, as of this head of the log, for a store that keeps none; before the first journal
    /// is opened.
    async fn make_row_root(&self, log_size: u64, log_root: [u8; 32]) -> Result<(), StoreError>;

    /// Takes into memory which rows there are, and gives the root over them; from then on a row that is missing, or is an older one
    /// of its object, is refused with [`StoreError::RowAltered`].
    async fn load_row_blocks(&self) -> Result<[u8; 32], StoreError>;

    /// How many blocks of rows of a kind are not as they are known. While it is more than none, no row of a kind whose rows bear names
    /// is made: the name may be that of a row that is gone.
    async fn count_wrong_blocks(&self, kind: Kind) -> Result<u64, StoreError>;

    /// How often a row was read that is not as it was written, since the store was opened.
    fn altered_rows(&self) -> u64;

    /// The objects of such rows that were read since this was last asked.
    fn take_altered(&self) -> Vec<Object>;

    /// Rows of objects of one kind, in the order of their identifiers: as they stand, also before [`Self::open_rows`], and also
    /// those that are not as they were written.
    async fn list_rows(&self, from: RowCursor, limit: u32) -> Result<Vec<FoundRow>, StoreError>;

    /// How many rows of objects there are.
    async fn count_rows(&self) -> Result<u64, StoreError>;

    /// Shows `sink` the digest of the newest fact of every row, in the order of (kind, identifier), all of one state of the store.
    /// Gives the size of the shard's log as of which they stand; `None` while the rows of an older release are not all recorded.
    async fn read_facts(&self, shard: u32, sink: Box<dyn FactSink>) -> Result<Option<u64>, StoreError>;

    /// Where recording the rows goes on that stood before there were facts; `None` once all are recorded.
    async fn fact_head(&self) -> Result<Option<RowCursor>, StoreError>;

    /// The document of a key's policy, if one was put.
    ///
    /// # Errors
    /// [`StoreError::RowAltered`] when it is not the one of which the key has the digest, or is gone.
    async fn find_policy_document(&self, key: KeyId) -> Result<Option<PolicyDocument>, StoreError>;

    /// A key that seals fields of facts, sealed itself.
    async fn find_veil(&self, name: VeilName) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keys that seal fields of objects of a kind, by its number, in the order of their identifiers, behind `after`.
    async fn list_veils(
        &self,
        kind: u8,
        after: Option<[u8; 16]>,
        limit: u32,
    ) -> Result<Vec<VeilRecord>, StoreError>;

    /// Those of these reasons that are there.
    async fn list_reasons(&self, ids: Vec<ReasonId>) -> Result<Vec<KeptReason>, StoreError>;

    /// The review of the rights that came from an older release; `None` in a store that no older release wrote.
    async fn find_rights_review(&self) -> Result<Option<RightsReview>, StoreError>;

    /// A data asset by its identifier.
    async fn find_asset(&self, id: AssetId) -> Result<Option<Asset>, StoreError>;

    /// A data asset by its name.
    async fn find_asset_by_name(&self, name: &Name) -> Result<Option<Asset>, StoreError>;

    /// Data assets in the order of their names.
    async fn list_assets(&self, page: Page<Name>) -> Result<Vec<Asset>, StoreError>;

    /// A declaration.
    async fn find_declaration(&self, id: DeclarationId) -> Result<Option<Declaration>, StoreError>;

    /// Declarations that a filter takes, in the order of their identifiers.
    async fn list_declarations(
        &self,
        filter: DeclarationFilter,
        page: Page<DeclarationId>,
    ) -> Result<Vec<Declaration>, StoreError>;

    /// How many declarations somebody made, withdrawn ones among them.
    async fn count_declarations(&self, by: PrincipalId) -> Result<u64, StoreError>;

    /// An approval.
    async fn find_approval(&self, id: ApprovalId) -> Result<Option<Approval>, StoreError>;

    /// The approval of what somebody asked for, by the keyed digest of that: the one that was not ended, or else the newest that was.
    /// A store keeps no second one that was not ended: it is a conflict.
    async fn find_approval_by_tag(
        &self,
        requester: PrincipalId,
        tag: &[u8; 32],
    ) -> Result<Option<Approval>, StoreError>;

    /// Approvals that a filter takes, in the order of their identifiers.
    async fn list_approvals(
        &self,
        filter: ApprovalFilter,
        page: Page<ApprovalId>,
    ) -> Result<Vec<Approval>, StoreError>;

    /// How many approvals somebody asked for that are open at `now`.
    async fn count_open_approvals(&self, requester: PrincipalId, now: Timestamp) -> Result<u64, StoreError>;

    /// An access review.
    async fn find_review(&self, id: ReviewId) -> Result<Option<Review>, StoreError>;

    /// Access reviews that a filter takes, in the order of their identifiers. Each comes with all its items: pages are short.
    async fn list_reviews(
        &self,
        filter: ReviewFilter,
        page: Page<ReviewId>,
    ) -> Result<Vec<Review>, StoreError>;

    /// How many access reviews are not closed.
    async fn count_open_reviews(&self) -> Result<u64, StoreError>;

    /// An alert.
    async fn find_alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError>;

    /// The open alert by that rule about that object, or about the whole deployment. A store keeps no second one: it is a conflict.
    async fn find_open_alert(
        &self,
        rule: AlertRule,
        subject: Option<Object>,
    ) -> Result<Option<Alert>, StoreError>;

    /// Alerts that a filter takes, in the order of their identifiers.
    async fn list_alerts(&self, filter: AlertFilter, page: Page<AlertId>) -> Result<Vec<Alert>, StoreError>;

    /// How many alerts are open by each rule by which some are, in the order of the rules' numbers. Rows are not held against their tags.
    async fn count_open_alerts(&self) -> Result<Vec<(AlertRule, u64)>, StoreError>;

    /// An emergency access.
    async fn find_break_glass(&self, id: BreakGlassId) -> Result<Option<BreakGlass>, StoreError>;

    /// Emergency accesses that a filter takes, in the order of their identifiers.
    async fn list_break_glass(
        &self,
        filter: BreakGlassFilter,
        page: Page<BreakGlassId>,
    ) -> Result<Vec<BreakGlass>, StoreError>;

    /// How many emergency accesses are open at `now`, and how many nobody has reviewed, those among them. Rows are not held against their
    /// tags.
    async fn count_break_glass(&self, now: Timestamp) -> Result<BreakGlassCount, StoreError>;

    /// The rules of the deployment, where they were ever set.
    async fn find_governance(&self) -> Result<Option<Governance>, StoreError>;

    /// How many keys and versions a person declared compromised since then, by whichever account: how many reasons they gave for
    /// that. Rows are not held against their tags.
    async fn count_compromised_by(&self, person: PrincipalId, since: Timestamp) -> Result<u64, StoreError>;

    /// A node, as it said last that it is.
    async fn find_node(&self, id: NodeId) -> Result<Option<Node>, StoreError>;

    /// A small document of the deployment by its name, such as the sealed root.
    async fn find_document(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes such a document before the first journal is opened; refuses to replace one with other bytes.
    async fn put_document(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// A ring.
    async fn find_ring(&self, id: KeyRingId) -> Result<Option<KeyRing>, StoreError>;
    /// A ring by its name.
    async fn find_ring_by_name(&self, name: &Name) -> Result<Option<KeyRing>, StoreError>;
    /// Rings in the order of their names.
    async fn list_rings(&self, page: Page<Name>) -> Result<Vec<KeyRing>, StoreError>;

    /// A key with its ring and the versions at hand ([`KeyRecord::versions`]).
    async fn find_key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError>;
    /// The key that bears a name.
    async fn find_key_id(&self, name: &KeyName) -> Result<Option<KeyId>, StoreError>;
    /// Keys in the order of (ring name, key name).
    async fn list_keys(
        &self,
        filter: KeyFilter,
        page: Page<KeyName>,
    ) -> Result<Vec<(KeyName, Key)>, StoreError>;
    /// Active keys whose rotation is due at `now`, by their own rule or their ring's; at most `limit`.
    async fn list_rotation_due(&self, now: Timestamp, limit: u32) -> Result<Vec<KeyId>, StoreError>;
    /// Scheduled destructions in the order of (instant, key id).
    async fn list_scheduled_destructions(
        &self,
        page: Page<(Timestamp, KeyId)>,
    ) -> Result<Vec<ScheduledDestruction>, StoreError>;
    /// What lives in a ring.
    async fn find_ring_life(&self, ring: KeyRingId) -> Result<RingLife, StoreError>;
    /// A version of a key, at hand or not.
    async fn find_version(&self, id: KeyVersionId) -> Result<Option<KeyVersion>, StoreError>;

    /// Versions of a key in the order of their numbers.
    async fn list_versions(&self, key: KeyId, page: Page<u32>) -> Result<Vec<KeyVersion>, StoreError>;

    /// At most `limit` versions whose imported material expired by `now` and is still here, the longest expired first.
    async fn list_expired_material(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<KeyVersionId>, StoreError>;
    /// An alias.
    async fn find_alias(&self, name: &AliasName) -> Result<Option<Alias>, StoreError>;
    /// The ring that the name of an alias belongs to since it was first used, whether an alias bears it now or not.
    async fn find_alias_owner(&self, name: &AliasName) -> Result<Option<KeyRingId>, StoreError>;
    /// An alias that reads as the full name of a key of a ring of this name, if there is one.
    async fn find_alias_like(&self, ring: &Name) -> Result<Option<Alias>, StoreError>;
    /// Aliases in the order of their names.
    async fn list_aliases(
        &self,
        filter: AliasFilter,
        page: Page<AliasName>,
    ) -> Result<Vec<Alias>, StoreError>;

    /// A principal.
    async fn find_principal(&self, id: PrincipalId) -> Result<Option<Principal>, StoreError>;
    /// A principal by its name.
    async fn find_principal_by_name(&self, name: &Name) -> Result<Option<Principal>, StoreError>;
    /// Principals in the order of their names.
    async fn list_principals(&self, page: Page<Name>) -> Result<Vec<Principal>, StoreError>;
    /// All principals that are not revoked and hold a role.
    async fn list_role_holders(&self) -> Result<Vec<Principal>, StoreError>;
    /// All principals that are not revoked and hold a capacity.
    async fn list_capacity_holders(&self) -> Result<Vec<Principal>, StoreError>;
    /// All security officers made by a recovery that nobody has acknowledged.
    async fn list_unacknowledged(&self) -> Result<Vec<Principal>, StoreError>;

    /// Principals that are not revoked and whose last valid credential ends behind `now` and not behind `by`, as long as it was
    /// made for more than the time between: at most `limit`, those that end first before others. Codes that are to be redeemed and what
    /// awaits its confirmation are none. Rows are not held against their tags; nothing is decided on it.
    async fn list_ending(
        &self,
        now: Timestamp,
        by: Timestamp,
        limit: u32,
    ) -> Result<Vec<EndingPrincipal>, StoreError>;

    /// What others depend on a principal for, as of `now`: all of one state of the store, at most `limit` of each. How long it takes depends
    /// neither on how many keys, principals or credentials there are nor on how many grants it has.
    async fn find_ties(
        &self,
        principal: PrincipalId,
        person: PrincipalId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Ties, StoreError>;

    /// The names of principals, of each that is there.
    async fn list_principal_names(
        &self,
        ids: Vec<PrincipalId>,
    ) -> Result<Vec<(PrincipalId, Name)>, StoreError>;

    /// A credential.
    async fn find_credential(&self, id: CredentialId) -> Result<Option<Credential>, StoreError>;
    /// The credential with that digest.
    async fn find_credential_by_digest(&self, digest: &[u8; 32]) -> Result<Option<Credential>, StoreError>;
    /// Credentials of a principal, or of all, in the order of ids.
    async fn list_credentials(
        &self,
        principal: Option<PrincipalId>,
        page: Page<CredentialId>,
    ) -> Result<Vec<Credential>, StoreError>;

    /// Who gave the active grants of a principal, and on what kind of ring; each combination once.
    async fn list_granters(
        &self,
        principal: PrincipalId,
    ) -> Result<Vec<(PrincipalId, Separation)>, StoreError>;
    /// A grant.
    async fn find_grant(&self, id: GrantId) -> Result<Option<Grant>, StoreError>;
    /// What a decision reads, for each context of the query in order, all of one state of the store: every active grant of the
    /// principal on the key or its ring that gives one of the actions, whose conditions on the context are met, and that can
    /// still be honoured by the time that it has and what it rests on has. Of those that differ in nothing but identifier, name,
    /// reason, who may retire them (and who gave them, if under a role), and end at about the same time, only the one that
    /// ends last. How many are read depends neither on how many grants the principal has nor on how many have ended.
    async fn list_candidates(&self, query: GrantQuery) -> Result<Vec<Vec<Grant>>, StoreError>;
    /// Active grants that show a principal why not, and whether the key or ring may be known to it: of those that rest on and
    /// give the same, the one that ends last, at most 64 on each of both.
    async fn list_witnesses(
        &self,
        principal: PrincipalId,
        key: Option<KeyId>,
        ring: KeyRingId,
    ) -> Result<Vec<Grant>, StoreError>;
    /// Is there room for this grant?
    async fn find_grant_room(&self, grant: Grant) -> Result<GrantRoom, StoreError>;
    /// An active grant with the same principal, selector, operations, conditions, name, retiring principal, giver, origin and
    /// basis.
    async fn find_same_grant(&self, grant: Grant) -> Result<Option<Grant>, StoreError>;
    /// On what the principal has active grants: on each key or ring, of those that rest on and give the same, the one that ends
    /// last.
    async fn list_granted(&self, principal: PrincipalId) -> Result<Vec<Grant>, StoreError>;
    /// One mixed use of the ring's keys, if there is any.
    async fn find_mixed_use(&self, ring: KeyRingId) -> Result<Option<MixedUse>, StoreError>;
    /// The strictest separation of the rings on which, or on whose keys, the principal has active grants.
    async fn find_strictest_use(&self, principal: PrincipalId) -> Result<Option<Separation>, StoreError>;
    /// Grants in the order of ids.
    async fn list_grants(&self, filter: GrantFilter, page: Page<GrantId>) -> Result<Vec<Grant>, StoreError>;
    /// What grants rest on, all of one state of the store.
    async fn load_lineage(&self, wanted: Wanted) -> Result<Lineage, StoreError>;

    /// A creating call that was answered before.
    async fn find_idempotency(
        &self,
        principal: PrincipalId,
        key_digest: &[u8; 32],
    ) -> Result<Option<IdempotencyRecord>, StoreError>;
    /// Forgets calls answered before `before`; gives how many. No state hangs on them.
    async fn forget_idempotency(&self, before: Timestamp) -> Result<u64, StoreError>;

    /// What is remembered of the log's time.
    async fn load_log_time(&self) -> Result<TimeRecord, StoreError>;

    /// What is kept of the uses of a key's versions of these numbers, in their order; uses that name no version have number 0.
    async fn list_usage(
        &self,
        key: KeyId,
        numbers: RangeInclusive<u32>,
    ) -> Result<Vec<VersionUsage>, StoreError>;
    /// Up to which index of a shard's log uses are kept.
    async fn usage_counted_to(&self, shard: u32) -> Result<u64, StoreError>;

    /// How much room there is on the device, as of the last look.
    fn room(&self) -> Room;
    /// Bytes of state and log on the device, the reserve not counted.
    async fn used_bytes(&self) -> Result<u64, StoreError>;
    /// The room on the device now.
    async fn space(&self) -> Result<SpaceState, StoreError>;
    /// Looks at the device, and sets aside again what was in use, once there is room.
    async fn tend_space(&self) -> Result<SpaceState, StoreError>;

    /// All shard heads, in one snapshot.
    async fn list_heads(&self) -> Result<Vec<ShardHead>, StoreError>;
    /// Batches of a shard from the one that holds `index` on, in order, at most `limit`.
    async fn list_batches(&self, shard: u32, index: u64, limit: u32) -> Result<Vec<StoredBatch>, StoreError>;
    /// At most `limit` batches of a shard that begin at `index` or behind it, in order, without their entries.
    async fn list_batch_outlines(
        &self,
        shard: u32,
        index: u64,
        limit: u32,
    ) -> Result<Vec<BatchOutline>, StoreError>;
    /// A full tile at level 1 or above.
    async fn find_tile(&self, log: LogId, level: u8, index: u64) -> Result<Option<Vec<u8>>, StoreError>;
    /// Deltas after an epoch, in order.
    async fn list_deltas(&self, after_epoch: u64, limit: u32) -> Result<Vec<FenceDelta>, StoreError>;
    /// Head of the root log.
    async fn root_head(&self) -> Result<RootHead, StoreError>;
    /// Cuts from `index` on, in order, at most `limit`.
    async fn list_cuts(&self, index: u64, limit: u32) -> Result<Vec<Vec<u8>>, StoreError>;
}

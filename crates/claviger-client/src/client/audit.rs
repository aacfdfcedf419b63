//! Calls about the audit log, and the reasons that it records.

use bytes::Bytes;
use claviger_core::ReasonId;
use http::Method;

use super::transport::Plane;
use super::{Client, ClientError, Reply};
use crate::types::audit::{
    Checkpoints, DiscloseAudit, DisclosurePage, EntryPage, EvidenceSignature, Indexes, ListRows, LiveRow,
    Proof, ReadEntries, SearchAudit, SearchPage, SignEvidence, Snapshot, StoreScan,
};
use crate::types::{GiveReason, Page, Reason};

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Erases the text of a reason.
    pub async fn erase_reason(&self, reason: ReasonId, why: &GiveReason) -> Reply<Reason> {
        self.change(Method::POST, format!("/v1/reasons/{reason}/erase")).json(why).answer().await
    }

    /// Reads entries of the log.
    pub async fn read_entries(&self, query: &ReadEntries) -> Reply<EntryPage> {
        self.get(Plane::Control, "/v1/audit/entries".into()).query(query).answer().await
    }

    /// Searches the log for who did what.
    pub async fn search_audit(&self, query: &SearchAudit) -> Reply<SearchPage> {
        self.get(Plane::Control, "/v1/audit/search".into()).query(query).answer().await
    }

    /// Discloses who stands behind entries, a page at a time.
    pub async fn disclose_audit(&self, query: &DiscloseAudit) -> Reply<DisclosurePage> {
        self.get(Plane::Control, "/v1/audit/disclosure".into()).query(query).answer().await
    }

    /// All that it takes to check that an entry is in the log.
    pub async fn prove(&self, shard: u32, index: u64) -> Reply<Proof> {
        self.get(Plane::Control, format!("/v1/audit/proof/{shard}/{index}")).answer().await
    }

    /// The newest checkpoint and the keys to check notes and receipts with.
    pub async fn read_checkpoint(&self) -> Reply<Checkpoints> {
        self.get(Plane::Control, "/v1/audit/checkpoint".into()).answer().await
    }

    /// Lists the live rows of all objects, to hold against a replay of the log.
    pub async fn list_rows(&self, query: &ListRows) -> Reply<Page<LiveRow>> {
        self.get(Plane::Control, "/v1/audit/rows".into()).query(query).answer().await
    }

    /// Holds the indexes of the store against its rows.
    pub async fn check_indexes(&self) -> Reply<Indexes> {
        self.get(Plane::Control, "/v1/audit/indexes".into()).answer().await
    }

    /// Takes a snapshot of the whole state; the answer's entry commits to it.
    pub async fn take_snapshot(&self) -> Reply<Snapshot> {
        self.change(Method::POST, "/v1/audit/snapshots".into()).answer().await
    }

    /// Opens every stored secret in its place; the answer's entry has how many there are, and how many did not open.
    pub async fn scan_store(&self) -> Reply<StoreScan> {
        self.change(Method::POST, "/v1/audit/scans".into()).answer().await
    }

    /// Signs an evidence pack, by the SHA-256 of its manifest in hexadecimal; the answer's entry has that digest.
    pub async fn sign_evidence(&self, manifest: &str) -> Reply<EvidenceSignature> {
        let body = SignEvidence { manifest: manifest.to_owned() };
        self.change(Method::POST, "/v1/evidence/signatures".into()).json(&body).answer().await
    }

    /// A file of a log (C2SP tlog-tiles) by its path under `/audit/`, as in `root/checkpoint` or `1/tile/0/000`.
    pub async fn read_log_resource(&self, path: &str) -> Reply<Bytes> {
        let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_');
        if !path.bytes().all(valid) || path.split('/').any(|part| part == "..") {
            return Err(ClientError::Setup("not a path of a log".into()));
        }
        let answer = self.get(Plane::Control, format!("/audit/{path}")).answer_octets().await?;
        Ok(answer.map(|bytes| Bytes::from_owner(bytes.into_body())))
    }
}

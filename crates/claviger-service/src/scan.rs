//! Opens every stored secret in its place, keeps none of it, and says which do not open.
//!
//! | secret | lies in | is wrapped by |
//! |---|---|---|
//! | KEK of a ring | the row of the ring | the root |
//! | material | the row of its version | the KEK of its ring; of protection `hsm`, the root |
//! | subject key | the row of its principal | the root |
//! | secret of an access key | the row of its credential | the root |
//! | key that seals what facts say of an object | the table `veil` | the deployment's veil key |
//! | secret of the deployment: veil key, keys of tags, seed of the evidence key | a document | the root |
//!
//! Nothing else that is secret lies in the store: import tokens are with who asked for them.
//!
//! What it keeps true: a scan takes a place among those who scan for a page of rows, and rests between two pages, so that it keeps
//! nobody waiting; one scan is under way at a time, and whoever waits for its end has a part in the next, so that many who ask at once
//! have two made and keep no later one waiting; a secret is open for as long as it takes to see that it opens.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use claviger_audit::{StoreScan, sha256, to_hex};
use claviger_core::key::{KeyRing, Protection};
use claviger_core::object::{Kind, Object, RowCursor, StateRow};
use claviger_core::port::{ProviderError, StoreError};
use claviger_core::{KeyId, KeyRingId, PrincipalId, Timestamp};

use crate::error::ServiceError;
use crate::evidence_key::{EVIDENCE_KEY, EVIDENCE_KEY_LABEL, is_expected};
use crate::open::{TAGS, TAGS_LABEL, VEILS, VEILS_LABEL};
use crate::pipeline::subject_label;
use crate::rows::{ROW_TAGS, ROW_TAGS_LABEL};
use crate::state::{State, access_key_label};
use crate::work::{Class, Held, Work};

/// Rows that are read at once.
const PAGE: u32 = 256;
/// How long to rest between two pages.
const REST: Duration = Duration::from_millis(5);
/// Most secrets that are named because they did not open; all of them are counted.
const MOST_NAMED: usize = 100;
/// What the canonical form begins with.
const FORM: &str = "claviger-store-scan/1\n";

const UNOPENED: &str = "it does not open in its place: it is another one, was changed, or is not wrapped";
const UNREACHED: &str = "it is wrapped by what this root does not have";
const NO_RING: &str = "the key or the ring that it belongs to is not there, or was changed";
const GONE: &str = "it is gone";

/// A kind of stored secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretKind {
    /// The secret of an access key.
    AccessKeySecret,
    /// A secret of the whole deployment.
    Deployment,
    /// Material of a key version.
    Material,
    /// The key encryption key of a ring.
    RingKek,
    /// The key under which a principal's identity is sealed.
    SubjectKey,
    /// The key that seals what facts say of an object.
    VeilKey,
}

claviger_core::named! {
    SecretKind, "a kind of stored secret" {
        AccessKeySecret = "access_key_secret",
        Deployment = "deployment",
        Material = "material",
        RingKek = "ring_kek",
        SubjectKey = "subject_key",
        VeilKey = "veil_key",
    }
}

/// What wraps a stored secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WrappedBy {
    /// The KEK of its ring.
    RingKek,
    /// The root.
    Root,
    /// The deployment's veil key.
    VeilKey,
}

claviger_core::named! {
    WrappedBy, "what wraps a stored secret" {
        RingKek = "ring_kek",
        Root = "root",
        VeilKey = "veil_key",
    }
}

/// How many secrets of a kind there are, by what wraps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretCount {
    /// The kind.
    pub kind: SecretKind,
    /// What wraps them.
    pub wrapped_by: WrappedBy,
    /// How many were to be opened.
    pub scanned: u64,
    /// How many of them did not open.
    pub failed: u64,
}

/// A secret that did not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFinding {
    /// Its kind.
    pub kind: SecretKind,
    /// Where it lies: an object, or a document.
    pub place: String,
    /// What is wrong.
    pub because: &'static str,
}

/// What a scan came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanReport {
    /// When it began.
    pub at: Timestamp,
    /// How many secrets there are, by kind and by what wraps them.
    pub counts: Vec<SecretCount>,
    /// Those that did not open; at most 100.
    pub findings: Vec<SecretFinding>,
}

impl ScanReport {
    /// How many secrets were to be opened.
    #[must_use]
    pub fn scanned(&self) -> u64 {
        self.counts.iter().map(|count| count.scanned).sum()
    }

    /// How many did not open.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.counts.iter().map(|count| count.failed).sum()
    }

    /// The result in its one form: a line for each count, then one for each secret that is named.
    #[must_use]
    pub fn to_canonical(&self) -> String {
        let mut text = FORM.to_owned();
        for SecretCount { kind, wrapped_by, scanned, failed } in &self.counts {
            let _ = writeln!(text, "count {kind} {wrapped_by} {scanned} {failed}");
        }
        for SecretFinding { kind, place, because } in &self.findings {
            let _ = writeln!(text, "failed {kind} {place}: {because}");
        }
        text
    }

    /// What its entry says.
    #[must_use]
    pub fn summary(&self) -> StoreScan {
        let digest = sha256(self.to_canonical().as_bytes());
        StoreScan { digest, scanned: self.scanned(), failed: self.failed() }
    }
}

/// The scans of a process.
#[derive(Debug, Default)]
pub(crate) struct Scans {
    under_way: tokio::sync::Mutex<()>,
    /// How many were begun since the start.
    begun: AtomicU64,
    /// The newest that ended, with its number among those that were begun.
    last: Mutex<Option<(u64, Arc<ScanReport>)>>,
}

impl Scans {
    /// The newest since the start.
    pub(crate) fn last(&self) -> Option<Arc<ScanReport>> {
        self.begun_after(0)
    }

    /// The newest, if it began when so many had been begun.
    fn begun_after(&self, begun: u64) -> Option<Arc<ScanReport>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(number, _)| *number > begun).map(|(_, report)| Arc::clone(report))
    }

    fn keep(&self, number: u64, report: &Arc<ScanReport>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, Arc::clone(report)));
    }
}

/// Opens every stored secret, in turn with others that scan. Gives what another one came to that began since it was asked for.
///
/// # Errors
/// When the store cannot be read, or the root does not answer: then nothing is known.
pub(crate) async fn scan(
    state: &State,
    work: &Work,
    who: PrincipalId,
    at: Timestamp,
) -> Result<Arc<ScanReport>, ServiceError> {
    let begun = state.scans.begun.load(Ordering::SeqCst);
    let _one_at_a_time = state.scans.under_way.lock().await;
    if let Some(report) = state.scans.begun_after(begun) {
        return Ok(report);
    }
    let number = state.scans.begun.fetch_add(1, Ordering::SeqCst) + 1;
    let mut walk = Walk {
        state,
        work,
        who,
        counts: BTreeMap::new(),
        findings: Vec::new(),
        rings: BTreeMap::new(),
        keys: BTreeMap::new(),
        keys_from: Some(RowCursor { kind: Kind::Key, after: None }),
    };
    walk.documents().await?;
    walk.rings().await?;
    walk.material().await?;
    walk.subject_keys().await?;
    walk.access_keys().await?;
    walk.veils().await?;
    let count = |((kind, wrapped_by), (scanned, failed))| SecretCount { kind, wrapped_by, scanned, failed };
    let counts = walk.counts.into_iter().map(count).collect();
    let report = Arc::new(ScanReport { at, counts, findings: walk.findings });
    for SecretFinding { kind, place, because } in &report.findings {
        tracing::error!(%kind, place, because, "a stored secret does not open");
    }
    if report.failed() > 0 {
        tracing::error!(
            scanned = report.scanned(),
            failed = report.failed(),
            "stored secrets do not open in their place: `claviger audit scan` names them"
        );
    }
    state.scans.keep(number, &report);
    Ok(report)
}

/// One walk over the store.
struct Walk<'a> {
    state: &'a State,
    work: &'a Work,
    who: PrincipalId,
    /// How many there are, and how many of them did not open.
    counts: BTreeMap<(SecretKind, WrappedBy), (u64, u64)>,
    findings: Vec<SecretFinding>,
    rings: BTreeMap<KeyRingId, Arc<KeyRing>>,
    /// Keys of one page with their rings, and where the next page begins. Versions come in the order of their keys.
    keys: BTreeMap<KeyId, KeyRingId>,
    keys_from: Option<RowCursor>,
}

impl Walk<'_> {
    async fn documents(&mut self) -> Result<(), ServiceError> {
        let evidence_key = (EVIDENCE_KEY, EVIDENCE_KEY_LABEL);
        let evidence_key = is_expected(self.state.store.as_ref()).await?.then_some(evidence_key);
        let others = [(ROW_TAGS, ROW_TAGS_LABEL), (TAGS, TAGS_LABEL), (VEILS, VEILS_LABEL)];
        for (name, label) in evidence_key.into_iter().chain(others) {
            let _turn = self.turn().await?;
            let place = || format!("document {name}");
            match self.state.store.find_document(name).await? {
                None => self.count(SecretKind::Deployment, WrappedBy::Root, place, Some(GONE)),
                Some(sealed) => {
                    let opened = self.state.provider.unseal(label, &sealed).await.map(drop);
                    self.saw(SecretKind::Deployment, WrappedBy::Root, place, opened)?;
                }
            }
        }
        Ok(())
    }

    async fn rings(&mut self) -> Result<(), ServiceError> {
        let mut next = Some(RowCursor { kind: Kind::Ring, after: None });
        while let Some(from) = next {
            let _turn = self.turn().await?;
            let (rows, further) = self.page(from).await?;
            next = further;
            for row in rows {
                let StateRow::Ring(ring) = row else { continue };
                let opened = self.state.provider.check_ring_kek(&ring).await;
                let place = || Object::Ring(ring.id).to_string();
                self.saw(SecretKind::RingKek, WrappedBy::Root, place, opened)?;
                self.rings.insert(ring.id, Arc::new(ring));
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn material(&mut self) -> Result<(), ServiceError> {
        let mut next = Some(RowCursor { kind: Kind::Version, after: None });
        while let Some(from) = next {
            let _turn = self.turn().await?;
            let (rows, further) = self.page(from).await?;
            next = further;
            for row in rows {
                let StateRow::Version(version) = row else { continue };
                if version.wrap.is_none() {
                    continue;
                }
                let under = match version.protection {
                    Protection::Hsm => WrappedBy::Root,
                    Protection::Software => WrappedBy::RingKek,
                };
                let place = || Object::Version(version.id).to_string();
                match self.ring_of(version.id.key).await? {
                    None => self.count(SecretKind::Material, under, place, Some(NO_RING)),
                    Some(ring) => {
                        let opened = self.state.provider.check_material(&ring, &version).await;
                        self.saw(SecretKind::Material, under, place, opened)?;
                    }
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn subject_keys(&mut self) -> Result<(), ServiceError> {
        let mut next = Some(RowCursor { kind: Kind::Principal, after: None });
        while let Some(from) = next {
            let _turn = self.turn().await?;
            let (rows, further) = self.page(from).await?;
            next = further;
            for row in rows {
                let StateRow::Principal(principal) = row else { continue };
                // Of one of whom it is erased who it was, there is none.
                if principal.subject_key.is_empty() && principal.erasure.is_some() {
                    continue;
                }
                let (label, sealed) = (subject_label(principal.id), &principal.subject_key);
                let opened = self.state.provider.unseal(&label, sealed).await.map(drop);
                let place = || Object::Principal(principal.id).to_string();
                self.saw(SecretKind::SubjectKey, WrappedBy::Root, place, opened)?;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn access_keys(&mut self) -> Result<(), ServiceError> {
        let mut next = Some(RowCursor { kind: Kind::Credential, after: None });
        while let Some(from) = next {
            let _turn = self.turn().await?;
            let (rows, further) = self.page(from).await?;
            next = further;
            for row in rows {
                let StateRow::Credential(credential) = row else { continue };
                let Some(kept) = &credential.access_key else { continue };
                let label = access_key_label(credential.id);
                let opened = self.state.provider.unseal(&label, &kept.sealed_secret).await.map(drop);
                let place = || Object::Credential(credential.id).to_string();
                self.saw(SecretKind::AccessKeySecret, WrappedBy::Root, place, opened)?;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn veils(&mut self) -> Result<(), ServiceError> {
        for kind in Kind::ALL {
            let (mut after, mut is_full) = (None, true);
            while is_full {
                let _turn = self.turn().await?;
                let veils = self.state.store.list_veils(kind.code(), after, PAGE).await?;
                after = veils.last().map(|veil| veil.name.id);
                is_full = veils.len() as u64 >= u64::from(PAGE);
                for veil in veils {
                    let opens = self.state.veils.unwrap_key(veil.name, &veil.sealed).is_ok();
                    let place = || {
                        let object = Object::from_id(kind, &veil.name.id);
                        object.map_or_else(|| to_hex(&veil.name.id), |object| object.to_string())
                    };
                    let because = (!opens).then_some(UNOPENED);
                    self.count(SecretKind::VeilKey, WrappedBy::VeilKey, place, because);
                }
            }
        }
        Ok(())
    }

    /// Rests, and waits for a place among those who scan.
    async fn turn(&self) -> Result<Held, ServiceError> {
        tokio::time::sleep(REST).await;
        self.work.enter(Class::Scan, self.who).await
    }

    /// Rows of a kind, and where the next of the same kind are.
    async fn page(&self, from: RowCursor) -> Result<(Vec<StateRow>, Option<RowCursor>), ServiceError> {
        let rows = self.state.store.list_rows(from, PAGE).await?;
        let is_full = rows.len() as u64 >= u64::from(PAGE);
        let next = from.next(rows.last().map(|found| found.row.object()), is_full);
        let next = next.filter(|next| next.kind == from.kind);
        Ok((rows.into_iter().map(|found| found.row).collect(), next))
    }

    /// The ring of a key. Keys are asked for in their order.
    async fn ring_of(&mut self, key: KeyId) -> Result<Option<Arc<KeyRing>>, ServiceError> {
        while self.keys.last_key_value().is_none_or(|(last, _)| *last < key) {
            let Some(from) = self.keys_from.take() else { break };
            let (rows, further) = self.page(from).await?;
            self.keys_from = further;
            let of_page = rows.into_iter().filter_map(|row| match row {
                StateRow::Key(key) => Some((key.id, key.ring)),
                _ => None,
            });
            self.keys = of_page.collect();
        }
        let ring = self.keys.get(&key).and_then(|ring| self.rings.get(ring)).cloned();
        if ring.is_some() {
            return Ok(ring);
        }
        // Made since the pages of keys and rings were read, or not there.
        match self.state.store.find_key(key).await {
            Ok(found) => Ok(found.map(|record| record.ring)),
            Err(StoreError::Corrupt(_) | StoreError::RowAltered(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes what became of opening a secret.
    fn saw(
        &mut self,
        kind: SecretKind,
        under: WrappedBy,
        place: impl FnOnce() -> String,
        opened: Result<(), ProviderError>,
    ) -> Result<(), ServiceError> {
        let because = match opened {
            Ok(()) => None,
            Err(ProviderError::BadInput | ProviderError::BadWrap) => Some(UNOPENED),
            Err(ProviderError::InvalidParameter(_) | ProviderError::Unsupported { .. }) => Some(UNREACHED),
            // It may open or not: nothing is said.
            Err(error) => return Err(error.into()),
        };
        self.count(kind, under, place, because);
        Ok(())
    }

    fn count(
        &mut self,
        kind: SecretKind,
        under: WrappedBy,
        place: impl FnOnce() -> String,
        because: Option<&'static str>,
    ) {
        let (scanned, failed) = self.counts.entry((kind, under)).or_default();
        *scanned += 1;
        let Some(because) = because else { return };
        *failed += 1;
        if self.findings.len() < MOST_NAMED {
            self.findings.push(SecretFinding { kind, place: place(), because });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ScanReport {
        let count = |kind, wrapped_by, scanned, failed| SecretCount { kind, wrapped_by, scanned, failed };
        ScanReport {
            at: Timestamp::from_micros(7),
            counts: vec![
                count(SecretKind::Material, WrappedBy::RingKek, 5, 1),
                count(SecretKind::RingKek, WrappedBy::Root, 2, 0),
            ],
            findings: vec![SecretFinding {
                kind: SecretKind::Material,
                place: "version 1".to_owned(),
                because: UNOPENED,
            }],
        }
    }

    #[test]
    fn a_result_has_one_form_and_its_entry_counts_what_it_counts() {
        let report = report();
        let text = format!(
            "{FORM}count material ring_kek 5 1\ncount ring_kek root 2 0\nfailed material version 1: {UNOPENED}\n"
        );
        assert_eq!(report.to_canonical(), text);
        let summary = report.summary();
        assert_eq!((summary.scanned, summary.failed, summary.digest), (7, 1, sha256(text.as_bytes())));
        // When it was is in the entry.
        assert_eq!(ScanReport { at: Timestamp::from_micros(8), ..report.clone() }.summary(), summary);
        assert_ne!(ScanReport { findings: Vec::new(), ..report }.summary(), summary);
    }
}

//! Evidence packs are signed by the key in the root and by the evidence key, for those who may take out the log, and the log has what was
//! signed, and which key the second one is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use claviger_audit::evidence::{self, EvidenceNoteError};
use claviger_audit::verify::Finding;
use claviger_audit::{Checkpoint, Entry, EvidenceKey, Note, NoteError, Op, Outcome, VerifierKey};
use claviger_core::key::{KeyRing, KeyVersion, Protection};
use claviger_core::port::provider::{
    Generated, Handle, MaterialRequest, ModuleInfo, Provider, ProviderError, ProviderHealth, RootPublicKey,
};
use claviger_core::{Action, KeyRingId, Purpose, Spec};
use claviger_crypto::SecretBytes;
use claviger_provider::software::SoftwareProvider;
use claviger_service::log::EntryFilter;
use claviger_service::operation::{ReadCheckpoint, ReadEntries, ReadLogResource, ScanStore, SignEvidence};
use claviger_service::{ErrorKind, WorkFigures};
use rusqlite::Connection;

use crate::deployment::Deployment;
use crate::evidence::{hold, replay};

const MANIFEST: [u8; 32] = [0x5a; 32];

/// How the root signs packs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Well,
    /// The token is away.
    Away,
    /// It answers with the signature of something else.
    Wrongly,
    /// It does not answer for now.
    Slowly,
}

#[derive(Debug)]
struct Watch {
    mode: Mutex<Mode>,
    /// How many packs it was asked to sign.
    asked: AtomicUsize,
}

impl Watch {
    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap()
    }

    fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// The software module, which signs packs as a test says, and checkpoints as ever.
#[derive(Debug)]
struct Watched {
    inner: SoftwareProvider,
    watch: Arc<Watch>,
}

#[async_trait]
impl Provider for Watched {
    fn module(&self) -> ModuleInfo {
        self.inner.module()
    }
    fn supports(&self, spec: Spec, purpose: Purpose, protection: Protection) -> bool {
        self.inner.supports(spec, purpose, protection)
    }
    async fn create_ring_kek(&self, ring: KeyRingId) -> Result<Vec<u8>, ProviderError> {
        self.inner.create_ring_kek(ring).await
    }
    async fn check_ring_kek(&self, ring: &KeyRing) -> Result<(), ProviderError> {
        self.inner.check_ring_kek(ring).await
    }
    async fn generate(&self, request: MaterialRequest<'_>) -> Result<Generated, ProviderError> {
        self.inner.generate(request).await
    }
    fn imports(&self, spec: Spec, purpose: Purpose, protection: Protection) -> bool {
        self.inner.imports(spec, purpose, protection)
    }
    async fn import(
        &self,
        request: MaterialRequest<'_>,
        material: &SecretBytes,
    ) -> Result<Generated, ProviderError> {
        self.inner.import(request, material).await
    }
    async fn open(&self, ring: &KeyRing, version: &KeyVersion) -> Result<Arc<dyn Handle>, ProviderError> {
        self.inner.open(ring, version).await
    }
    async fn seal(&self, label: &[u8], secret: &SecretBytes) -> Result<Vec<u8>, ProviderError> {
        self.inner.seal(label, secret).await
    }
    async fn unseal(&self, label: &[u8], sealed: &[u8]) -> Result<SecretBytes, ProviderError> {
        self.inner.unseal(label, sealed).await
    }
    async fn random(&self, len: usize) -> Result<SecretBytes, ProviderError> {
        self.inner.random(len).await
    }
    fn root_public_key(&self) -> RootPublicKey {
        self.inner.root_public_key()
    }
    async fn sign_root(&self, message: &[u8]) -> Result<Vec<u8>, ProviderError> {
        if !message.starts_with(b"test/audit/root evidence pack\n") {
            return self.inner.sign_root(message).await;
        }
        self.watch.asked.fetch_add(1, Ordering::SeqCst);
        while self.watch.mode() == Mode::Slowly {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        match self.watch.mode() {
            Mode::Away => Err(ProviderError::Unavailable("away")),
            Mode::Wrongly => self.inner.sign_root(b"something else\n").await,
            Mode::Slowly | Mode::Well => self.inner.sign_root(message).await,
        }
    }
    async fn health(&self) -> Result<ProviderHealth, ProviderError> {
        self.inner.health().await
    }
}

async fn build() -> (Deployment, Arc<Watch>) {
    let watch = Arc::new(Watch { mode: Mutex::new(Mode::Well), asked: AtomicUsize::new(0) });
    let of_module = Arc::clone(&watch);
    let deployment = Deployment::build_on(|inner| Arc::new(Watched { inner, watch: of_module })).await;
    (deployment, watch)
}

/// What the log says of signatures: index, outcome and reference.
async fn recorded(deployment: &Deployment) -> Vec<(u64, Outcome, Option<Vec<u8>>)> {
    recorded_of(deployment, Op::SignEvidence).await
}

/// The same, of an operation.
async fn recorded_of(deployment: &Deployment, op: Op) -> Vec<(u64, Outcome, Option<Vec<u8>>)> {
    let filter = EntryFilter { operation: Some(op.code()), ..EntryFilter::default() };
    let page = deployment.ask("vera", ReadEntries { from: 0, limit: 1000, filter }).await.unwrap().output;
    let of = |index, bytes: &[u8]| {
        let entry = Entry::decode(bytes).unwrap();
        (index, entry.out, entry.reference.map(|reference| reference.to_vec()))
    };
    page.entries.iter().map(|found| of(found.index, &found.bytes)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_is_signed_by_the_key_of_the_root_and_the_log_has_its_digest() {
    let deployment = Deployment::build().await;
    let signed = deployment.ask("vera", SignEvidence { manifest: MANIFEST }).await.unwrap();
    let (index, note) = (signed.receipt.index(), signed.output);
    deployment.road.cut().await.unwrap();
    let checkpoints = deployment.ask("vera", ReadCheckpoint {}).await.unwrap().output;
    let root = VerifierKey::parse(&checkpoints.root_vkey).unwrap();
    let node = VerifierKey::parse(&checkpoints.node_vkey).unwrap();
    assert_eq!(evidence::open(note.as_bytes(), &root), Ok(MANIFEST));
    assert_eq!(evidence::open(note.as_bytes(), &node), Err(NoteError::NotSigned.into()));
    assert_eq!(recorded(&deployment).await, [(index, Outcome::Ok, Some(MANIFEST.to_vec()))]);
    // One key signs checkpoints too, and neither is taken for the other.
    let checkpoint = checkpoints.root_note;
    assert!(Checkpoint::open(checkpoint.as_bytes(), &root).is_ok());
    assert_eq!(evidence::open(checkpoint.as_bytes(), &root), Err(EvidenceNoteError::Text));
    assert_eq!(Checkpoint::open(note.as_bytes(), &root), Err(NoteError::Checkpoint));
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_take_out_the_log_has_packs_signed() {
    let (deployment, watch) = build().await;
    for who in ["ada", "otto", "app", "outsider"] {
        let refused = deployment.ask(who, SignEvidence { manifest: MANIFEST }).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Denied, "{who}: {refused:?}");
        assert!(refused.entry().is_some(), "{who}");
    }
    assert_eq!(watch.asked(), 0);
    deployment.ask("vera", SignEvidence { manifest: MANIFEST }).await.unwrap();
    assert_eq!(watch.asked(), 1);
    let outcomes: Vec<_> = recorded(&deployment).await.into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, [[Outcome::Denied; 4].as_slice(), &[Outcome::Ok]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_entry_is_durable_when_the_note_is_there() {
    let deployment = Deployment::build().await;
    let signed = deployment.ask("vera", SignEvidence { manifest: MANIFEST }).await.unwrap();
    let index = signed.receipt.index();
    assert!(index < deployment.log_size().await);
    let deployment = deployment.crash().await;
    assert_eq!(recorded(&deployment).await, [(index, Outcome::Ok, Some(MANIFEST.to_vec()))]);
    let key = &deployment.road.facts().root_key;
    assert_eq!(evidence::open(signed.output.as_bytes(), key), Ok(MANIFEST));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_is_away_or_signs_something_else_signs_no_pack() {
    let (deployment, watch) = build().await;
    for (mode, kind, outcome) in [
        (Mode::Away, ErrorKind::Unavailable, Outcome::ProviderError),
        (Mode::Wrongly, ErrorKind::Internal, Outcome::Internal),
    ] {
        watch.set(mode);
        let refused = deployment.ask("vera", SignEvidence { manifest: MANIFEST }).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused:?}");
        let (index, ended, _) = recorded(&deployment).await.pop().unwrap();
        assert_eq!((Some(index), ended), (refused.entry(), outcome));
    }
    watch.set(Mode::Well);
    deployment.ask("vera", SignEvidence { manifest: MANIFEST }).await.unwrap();
    assert_eq!(watch.asked(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_takes_long_to_sign_keeps_nobody_else_waiting() {
    let (deployment, watch) = build().await;
    let deployment = Arc::new(deployment);
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&key, &[Action::Encrypt]).await;
    watch.set(Mode::Slowly);
    let calls: Vec<_> = (0..100_u8)
        .map(|number| {
            let deployment = Arc::clone(&deployment);
            let sign = SignEvidence { manifest: [number; 32] };
            tokio::spawn(async move { deployment.ask("vera", sign).await.unwrap().output })
        })
        .collect();
    let figures = loop {
        let figures = scan(&deployment);
        if figures.running + figures.waiting == calls.len() {
            break figures;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(figures.waiting > 0 && watch.asked() <= figures.running, "{figures:?}");
    deployment.encrypt("app", &key, b"x").await.unwrap();
    deployment.key("others", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.road.cut().await.unwrap();
    watch.set(Mode::Well);
    let root = &deployment.road.facts().root_key;
    for (number, call) in (0_u8..).zip(calls) {
        assert_eq!(evidence::open(call.await.unwrap().as_bytes(), root), Ok([number; 32]));
    }
}

fn scan(deployment: &Deployment) -> WorkFigures {
    deployment.road.work_figures().into_iter().find(|figures| figures.class == "scan").unwrap()
}

/// The note of a pack, by an auditor.
async fn signed(deployment: &Deployment) -> String {
    deployment.ask("vera", SignEvidence { manifest: MANIFEST }).await.unwrap().output
}

/// Is it signed by this evidence key?
fn is_signed_by(note: &str, key: &EvidenceKey) -> Result<(), NoteError> {
    key.verify(&Note::parse(note.as_bytes()).unwrap())
}

/// Does something to the database that a deployment at rest has.
async fn after(deployment: Deployment, sql: &'static str) -> Deployment {
    deployment
        .restart_after(move |database| {
            assert!(Connection::open(database).unwrap().execute(sql, []).unwrap() > 0, "{sql}");
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_evidence_key_signs_too_and_stays_the_one_that_the_first_start_announced() {
    let deployment = Deployment::build().await;
    let key = replay(&deployment).await.evidence_key.unwrap();
    assert_eq!(key.name(), "test/audit/evidence");
    let note = signed(&deployment).await;
    assert_eq!(is_signed_by(&note, &key), Ok(()));
    let announced = |index: u64| (index, Outcome::Ok, Some(key.digest().to_vec()));
    let first = recorded_of(&deployment, Op::AnnounceEvidenceKey).await;
    assert_eq!(first, [announced(first[0].0)]);
    // Another start says the same again, after a crash as well.
    let deployment = deployment.restart().await.crash().await;
    let all = recorded_of(&deployment, Op::AnnounceEvidenceKey).await;
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|one| *one == announced(one.0)), "{all:?}");
    let verified = replay(&deployment).await;
    assert_eq!((verified.evidence_key.as_ref(), verified.findings.as_slice()), (Some(&key), &[][..]));
    assert_eq!(is_signed_by(&signed(&deployment).await, &key), Ok(()));
    // What announces it is given by its digest, and by no other.
    let path = |digest: &[u8]| claviger_audit::verify::evidence_note(1, digest);
    let read = async |path: String| {
        let read = ReadLogResource { path };
        deployment.ask("vera", read).await.unwrap().output
    };
    let root = &deployment.road.facts().root_key;
    let note = read(path(&key.digest())).await.unwrap();
    assert_eq!(evidence::open_announcement(&note, root), Ok(key.clone()));
    assert_eq!(read(path(&[7; 32])).await, None);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evidence_key_that_is_gone_or_changed_signs_nothing_and_all_else_goes_on() {
    for (sql, why) in [
        ("DELETE FROM document WHERE name = 'evidence-key'", "it is gone"),
        ("UPDATE document SET bytes = x'00' WHERE name = 'evidence-key'", "it does not open in its place"),
        ("UPDATE document SET bytes = x'00' WHERE name = 'evidence-key/announcement'", ""),
    ] {
        let deployment = after(Deployment::build().await, sql).await;
        let refused = deployment.ask("vera", SignEvidence { manifest: MANIFEST }).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable, "{sql}: {refused:?}");
        assert!(refused.public_message().contains("evidence key"), "{sql}: {refused}");
        // It was announced once, and no other one is.
        assert_eq!(recorded_of(&deployment, Op::AnnounceEvidenceKey).await.len(), 1, "{sql}");
        let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
        deployment.grant(&key, &[Action::Encrypt]).await;
        deployment.encrypt("app", &key, b"x").await.unwrap();
        let scan = deployment.ask("vera", ScanStore {}).await.unwrap().output;
        let found = scan.findings.iter().find(|finding| finding.place == "document evidence-key");
        assert_eq!(found.is_some(), !why.is_empty(), "{sql}: {scan:?}");
        assert!(found.is_none_or(|found| found.because.starts_with(why)), "{sql}: {scan:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_evidence_key_is_found_by_whoever_verifies() {
    let deployment = Deployment::build().await;
    let first = replay(&deployment).await.evidence_key.unwrap();
    // Somebody takes both out of the database, so that the next start makes others.
    let deployment = after(deployment, "DELETE FROM document WHERE name LIKE 'evidence-key%'").await;
    let second = recorded_of(&deployment, Op::AnnounceEvidenceKey).await.pop().unwrap();
    assert_ne!(second.2, Some(first.digest().to_vec()));
    assert_ne!(is_signed_by(&signed(&deployment).await, &first), Ok(()));
    // The announcement of the first one went with it; with a copy of that, the change itself is named.
    let found = replay(&deployment).await.findings;
    let is_missed =
        |finding: &Finding| matches!(finding, Finding::FileMissing { name } if name.contains("evidence/"));
    assert!(found.iter().any(is_missed), "{found:?}");
}

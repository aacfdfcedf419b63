//! The road without a server on top of it, over a real store and a software root: at a clock that is set forward, with the fence switched off,
//! and used against what is asked.

use std::sync::Arc;
use std::time::Duration;

use claviger_audit::Op;
use claviger_audit::verify::{Files, NoFile, ROOT_VKEY};
use claviger_compliance::Period;
use claviger_core::declaration::{Build, BuildSort, Declared, Parameter};
use claviger_core::key::{DataClass, Event, KeyRecord, PlaintextDataKeys, RingPolicy};
use claviger_core::node::NodeReport;
use claviger_core::object::RowCursor;
use claviger_core::port::Provider;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::reason::{Reason, ReasonCode, ReasonText};
use claviger_core::{Action, Purpose, Spec, Timestamp};
use claviger_crypto::envelope::Context;
use claviger_provider::software::SoftwareProvider;
use claviger_service::log::EntryFilter;
use claviger_service::operation::usage::{GenerateDataKey, UseKey};
use claviger_service::operation::{
    AssignRole, ChangeKeyState, CreateAsset, CreateRing, Declare, ReadEntries, ReadLogResource, ReadRows,
    ReadSystem, RevokeGrant, RevokePrincipal, RingPatch, ScanStore, ScheduleDestroy, UpdateRing,
};
use claviger_service::{KeyRef, Presented, PrincipalRef};
use claviger_store::SqliteOptions;
use claviger_testkit::deployment::{ADA, CARL, CLEO, CORA, DAY, Deployment, EVERYONE, OLGA, OTTO, VERA};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::approver::{Approver, done};
use super::export::Export;
use super::gate::{Gate, Gated};

/// A log, and the instant at which it was taken.
pub(super) struct Kept {
    pub(super) log: Export,
    pub(super) until: Timestamp,
}

/// A log of more than four years.
pub(super) struct Aged {
    pub(super) log: Export,
    pub(super) until: Timestamp,
    /// A day of it on which nothing was recorded.
    pub(super) quiet: Period,
}

/// The log of a deployment, as its auditor is given it.
struct Live<'d>(&'d Deployment);

impl Files for Live<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        if name == ROOT_VKEY {
            return Ok(self.0.road.facts().root_key.to_string().into_bytes());
        }
        if name.starts_with("rows/") {
            return Err(NoFile::Missing);
        }
        let read = ReadLogResource { path: name.to_owned() };
        let found = tokio::task::block_in_place(|| Handle::current().block_on(self.0.ask("vera", read)));
        let found = found.map_err(|error| NoFile::Unreadable(format!("{error:?}")))?;
        found.output.ok_or(NoFile::Missing)
    }
}

/// The log of a deployment, with all that was done so far.
pub(super) async fn log_of(deployment: &Deployment) -> Export {
    deployment.road.cut().await.unwrap();
    Export::take(&Live(deployment), deployment.road.facts().root_key.clone())
}

/// The same with all live rows.
async fn log_and_rows_of(deployment: &Deployment) -> Export {
    let before = deployment.log_size().await;
    let (mut pages, mut next) = (Vec::new(), Some(RowCursor::default()));
    while let Some(from) = next {
        let page = deployment.ask("vera", ReadRows { from, limit: 1000 }).await.unwrap().output;
        pages.push(page.rows);
        next = page.next;
    }
    let after = deployment.log_size().await;
    let shard = deployment.road.facts().shard;
    log_of(deployment).await.with_rows(shard, [before, after], &pages)
}

fn id(key: &KeyRecord) -> KeyRef {
    KeyRef::Id(key.key.id)
}

async fn encrypting(deployment: &Deployment, name: &str) -> KeyRecord {
    deployment.key(name, Purpose::Encrypt, Spec::Aes256Gcm).await
}

fn step(key: &KeyRecord, event: Event) -> ChangeKeyState {
    ChangeKeyState::new(id(key), None, event).unwrap()
}

fn data_key(key: &KeyRecord) -> UseKey<GenerateDataKey> {
    UseKey::new(id(key), GenerateDataKey { bytes: 32, context: Context::EMPTY, algorithm: None })
}

/// Keys are weak, bound to nothing, used for two things and more often than is declared to be allowed; somebody is revoked as compromised
/// and calls again; readers of the log hold other roles than is declared; an environment has the number of a card for a name. The node says
/// what its root is, and nothing else but that more results left it than the log has. Its stored secrets open.
pub(super) async fn misused() -> Kept {
    let mallory = ("mallory".to_owned(), PrincipalKind::Human, Some(Role::Operator));
    let deployment = Deployment::build_among(false, vec![mallory]).await;
    let root_keys = vec!["seal=root version=1 algorithm=aes-256-gcm strength=256".to_owned()];
    deployment.road.report_node(NodeReport { root_keys, ..NodeReport::default() }).await.unwrap();
    for (name, value) in [("audit_reader_roles", "auditor"), ("gcm_random_iv_hard", "1^1")] {
        let (name, value, effective_from) =
            (name.parse().unwrap(), value.parse().unwrap(), Timestamp::from_micros(1));
        let declared = Declared::Parameter(Parameter { name, value, effective_from });
        deployment.ask("ada", Declare { declared, text: "as was decided".to_owned() }).await.unwrap();
    }
    let both = encrypting(&deployment, "both").await;
    deployment.grant(&both, &[Action::Encrypt, Action::GenerateDataKey]).await;
    deployment.encrypt("app", &both, b"x").await.unwrap();
    drop(deployment.ask("app", data_key(&both)).await.unwrap());
    let often = deployment.key("often", Purpose::Encrypt, Spec::Aes128Gcm).await;
    deployment.grant(&often, &[Action::Encrypt]).await;
    for _ in 0..2 {
        deployment.encrypt("app", &often, b"x").await.unwrap();
    }
    deployment.key("weak", Purpose::Sign, Spec::Rsa2048).await;
    let environment = Some("4111111111111111".parse().unwrap());
    let policy = RingPolicy { environment, ..RingPolicy::default() };
    deployment.ask("ada", CreateRing { name: "cards".parse().unwrap(), policy }).await.unwrap();

    let text: ReasonText = "it was seen elsewhere".parse().unwrap();
    let compromised = Reason::new(Some(ReasonCode::CompromiseConfirmed), Some(text));
    let revoke = RevokePrincipal { principal: PrincipalRef::Name("mallory".parse().unwrap()) };
    deployment.ask_because("otto", compromised, revoke).await.unwrap();
    deployment.ask("mallory", ReadSystem {}).await.unwrap_err();
    deployment.road.report_released(vec!["encrypt=1000".to_owned()]).await.unwrap();
    deployment.ask("vera", ScanStore {}).await.unwrap();
    Kept { log: log_of(&deployment).await, until: deployment.clock.wall() }
}

/// A key is used for years, another one lies idle; one is destroyed when its wait is over, and one is compromised. Nothing is rotated, drilled
/// or evaluated.
pub(super) async fn aged() -> Aged {
    let deployment = Deployment::build().await;
    deployment.road.take_self_test(Ok(())).await.unwrap();
    deployment.relaxed_ring("orders").await;
    let kept = encrypting(&deployment, "kept").await;
    deployment.grant(&kept, &[Action::Encrypt, Action::Decrypt]).await;
    let sealed = deployment.encrypt("app", &kept, b"4111").await.unwrap();
    encrypting(&deployment, "idle").await;
    let lost = encrypting(&deployment, "lost").await;
    deployment.ask("ada", step(&lost, Event::Compromise)).await.unwrap();
    let gone = encrypting(&deployment, "gone").await;
    let schedule = ScheduleDestroy { key: id(&gone), waiting: Some(DAY * 7) };
    deployment.ask("ada", schedule).await.unwrap();
    deployment.clock.advance(DAY * 7);
    deployment.road.do_what_is_due().await;
    let still = deployment.clock.wall();
    deployment.clock.advance(DAY * 1600);
    assert_eq!(deployment.decrypt("app", &sealed).await.unwrap(), b"4111");
    let quiet = Period { from: still.after(DAY), to: still.after(DAY * 2) };
    Aged { log: log_of(&deployment).await, until: deployment.clock.wall(), quiet }
}

/// Two custodians approve the program that the node says it runs, that a person gets a role, and that a key is destroyed, which comes when
/// its wait is over.
pub(super) async fn approved() -> Kept {
    let deployment = Deployment::build_under(2, &[ADA, OTTO, OLGA, VERA, CARL, CORA, CLEO]).await;
    let approvers = [Approver::of(&deployment, "carl").await, Approver::of(&deployment, "cora").await];
    let said = NodeReport { build: [7; 32], configuration: [8; 32], ..NodeReport::default() };
    deployment.road.report_node(said).await.unwrap();
    let declare = || {
        let effective_from = Timestamp::from_micros(1);
        let declared = Declared::Build(Build { sort: BuildSort::Build, digest: [7; 32], effective_from });
        Declare { declared, text: "the release of the set-up".to_owned() }
    };
    done(&deployment, &approvers, "ada", declare).await;
    let principal = || PrincipalRef::Name("olga".parse().unwrap());
    let assign = || AssignRole { principal: principal(), role: Role::Responder };
    done(&deployment, &approvers, "otto", assign).await;
    let gone = encrypting(&deployment, "gone").await;
    let schedule = || ScheduleDestroy { key: id(&gone), waiting: None };
    done(&deployment, &approvers, "ada", schedule).await;
    deployment.clock.advance(DAY * 31);
    deployment.road.do_what_is_due().await;
    Kept { log: log_of(&deployment).await, until: deployment.clock.wall() }
}

/// The fence is off, and three uses wait for their material while what they depend on is taken away. The node has tested itself, and has not
/// said what it is.
pub(super) async fn raced() -> Kept {
    let gate = Arc::new(Gate::new());
    let behind = Arc::clone(&gate);
    let module = |inner: SoftwareProvider| -> Arc<dyn Provider> { Arc::new(Gated { inner, gate: behind }) };
    let deployment = Deployment::build_in_full(&EVERYONE, SqliteOptions::default(), true, module).await;
    let deployment = Arc::new(deployment);
    deployment.road.take_self_test(Ok(())).await.unwrap();
    deployment.key("limited", Purpose::Encrypt, Spec::Aes128Gcm).await;
    let (name, class) = ("payments".parse().unwrap(), DataClass::Cardholder);
    deployment.ask("ada", CreateAsset { name, owner: None, class }).await.unwrap();
    let suspended = encrypting(&deployment, "suspended").await;
    let revoked = encrypting(&deployment, "revoked").await;
    let refused = deployment.key_in("cards", "refused", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&suspended, &[Action::Encrypt]).await;
    deployment.grant(&refused, &[Action::GenerateDataKey]).await;
    let grant = deployment.grant(&revoked, &[Action::Encrypt]).await;

    gate.shut(true);
    let mut racing = Vec::new();
    for key in [&suspended, &revoked] {
        let (deployment, key) = (Arc::clone(&deployment), key.clone());
        racing.push(tokio::spawn(async move { drop(deployment.encrypt("app", &key, b"x").await) }));
    }
    let (making, making_by) = (data_key(&refused), Arc::clone(&deployment));
    racing.push(tokio::spawn(async move { drop(making_by.ask("app", making).await) }));
    gate.is_awaited_by(3).await;
    deployment.ask("ada", step(&suspended, Event::Suspend)).await.unwrap();
    deployment.ask("otto", RevokeGrant { grant: grant.id }).await.unwrap();
    let patch = RingPatch { plaintext_data_keys: Some(PlaintextDataKeys::Refused), ..RingPatch::default() };
    let update = UpdateRing { ring: "cards".parse().unwrap(), patch, if_revision: None };
    deployment.ask("ada", update).await.unwrap();
    gate.shut(false);
    for raced in racing {
        raced.await.unwrap();
    }
    deployment.ask_with(Presented::None, ReadSystem {}).await.unwrap_err();
    timeout(Duration::from_secs(60), is_recorded(&deployment, Op::UnauthenticatedCount)).await.unwrap();
    Kept { log: log_and_rows_of(&deployment).await, until: deployment.clock.wall() }
}

/// Waits until the log has an entry of that operation.
async fn is_recorded(deployment: &Deployment, op: Op) {
    let filter = EntryFilter { operation: Some(op.code()), ..EntryFilter::default() };
    loop {
        let read = ReadEntries { from: 0, limit: 1000, filter: filter.clone() };
        if !deployment.ask("vera", read).await.unwrap().output.entries.is_empty() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

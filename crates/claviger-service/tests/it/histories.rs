//! Random histories over all operations, with restarts and crashes: what the log yields is what is live, field by field, at the end and
//! at moments before; and each snapshot is of the state that the facts before it yield.
//!
//! A history of a failure is kept in `proptest-regressions`, and is tried first from then on.

#![expect(
    clippy::indexing_slicing,
    reason = "a step that points beyond what there is is a mistake of this test"
)]

mod oversight;

use std::collections::BTreeSet;
use std::time::Duration;

use claviger_audit::verify::{Comparison, Moment};
use claviger_core::action::{Effect, Plane};
use claviger_core::grant::Conditions;
use claviger_core::key::{
    AssetRule, DataClass, Event, KeyRecord, Labels, Origin, PlaintextDataKeys, RequiredContext, RingPolicy,
    Separation,
};
use claviger_core::object::{Kind, Object, RowCursor, StateRow};
use claviger_core::port::Store as _;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::{
    Action, CredentialId, DeclarationId, GrantId, KeyId, Purpose, ReasonId, Spec, Timestamp,
};
use claviger_crypto::WrappingAlgorithm;
use claviger_service::operation::*;
use claviger_service::{ErrorKind, KeyRef, PrincipalRef, RingRef, ServiceError};
use proptest::prelude::*;

use crate::approvals::{CUSTODIANS, approval, call, denial};
use crate::declarations::{Signer, parameter};
use crate::deployment::{DAY, Deployment, certificate_of, system};
use crate::evidence::{Reading, hold, live_rows, replay, replay_at};
use crate::import::{import_once, remove_once};
use crate::rights::rights;

/// How many by night; a few otherwise.
const MOST: u32 = 10_000;
const FEW: u32 = 6;
const HOUR: Duration = Duration::from_secs(3600);
const RINGS: [&str; 2] = ["orders", "vaults"];
const APPLICATIONS: [&str; 2] = ["app", "outsider"];
/// Actions that a grant can give, on a relaxed ring too.
const GIVEN: [Action; 5] =
    [Action::Encrypt, Action::Decrypt, Action::DelegateGrant, Action::PutKeyPolicy, Action::RetireGrant];

/// One step. Numbers choose among what there is, and wrap around.
#[derive(Clone, Debug)]
enum Step {
    AcknowledgeRecovery { which: usize },
    Alias { name: usize, key: usize, how: AliasStep },
    Approve { which: usize },
    AssignCapacity { to: usize, what: usize, withdraw: bool },
    AssignRole { to: usize, role: usize, withdraw: bool },
    Attest,
    CancelApproval { which: usize },
    CancelDestroy { key: usize },
    CancelRecovery { which: usize },
    CloseAlert { which: usize },
    CloseBreakGlass { which: usize },
    CloseReview { which: usize },
    ConfirmClock,
    ConfirmCredential { of: usize },
    ConfirmRights,
    Crash,
    CreateAsset { owner: usize, class: usize },
    CreateCredential { of: usize, what: usize },
    CreateGrant { to: usize, on: usize, whole_ring: bool, pairs: usize, until: bool },
    CreateKey { ring: usize, kind: usize, labels: bool, activate: bool },
    CreatePrincipal { person: bool },
    CreateRing,
    DecideReview { which: usize, remove: bool },
    Declare { name: usize },
    Delegate { by: usize, to: usize, key: usize },
    Deny { which: usize },
    Enrol { of: usize },
    ErasePrincipal { which: usize },
    EraseReason { which: usize },
    Import { key: usize, new: bool },
    Jobs { days: u32 },
    KeyEvent { key: usize, version: Option<u32>, event: usize },
    OpenBreakGlass { holder: usize, keys: usize },
    OpenReview { scope: usize, ring: usize },
    Plan { which: usize },
    PutKeyPolicy { by: usize, key: usize, to: usize, grants: usize },
    Recover,
    RemoveMaterial { key: usize },
    RenewCredential { token: bool },
    Restart,
    RetireGrant { by: usize, which: usize },
    ReviewBreakGlass { which: usize, justified: bool },
    RevokeCredential { which: usize },
    RevokeGrant { which: usize },
    RevokePrincipal { which: usize },
    RotateKey { key: usize },
    ScheduleDestroy { key: usize },
    Separate { ring: usize, relaxed: bool },
    SetGovernance { what: usize },
    Snapshot,
    TriageAlert { which: usize },
    UpdateKey { key: usize, what: usize },
    UpdateRing { ring: usize, what: usize },
    WithdrawDeclaration { which: usize },
    WithdrawDelegated { by: usize, key: usize, which: usize },
}

#[derive(Clone, Copy, Debug)]
enum AliasStep {
    Create,
    Move,
    Remove,
}

fn step() -> impl Strategy<Value = Step> {
    let one = || 0_usize..12;
    let alias = prop_oneof![Just(AliasStep::Create), Just(AliasStep::Move), Just(AliasStep::Remove)];
    let version = prop_oneof![2 => Just(None), 1 => (1_u32..4).prop_map(Some)];
    let keys = prop_oneof![
        6 => (one(), one(), any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(ring, kind, labels, activate)| Step::CreateKey { ring, kind, labels, activate }),
        6 => (one(), version, one()).prop_map(|(key, version, event)| Step::KeyEvent { key, version, event }),
        3 => one().prop_map(|key| Step::RotateKey { key }),
        3 => (one(), one()).prop_map(|(key, what)| Step::UpdateKey { key, what }),
        3 => one().prop_map(|key| Step::ScheduleDestroy { key }),
        1 => one().prop_map(|key| Step::CancelDestroy { key }),
        1 => (one(), any::<bool>()).prop_map(|(key, new)| Step::Import { key, new }),
        1 => one().prop_map(|key| Step::RemoveMaterial { key }),
        4 => (one(), one(), alias).prop_map(|(name, key, how)| Step::Alias { name, key, how }),
    ];
    let rings = prop_oneof![
        1 => Just(Step::CreateRing),
        1 => (one(), one()).prop_map(|(owner, class)| Step::CreateAsset { owner, class }),
        1 => prop_oneof![
            one().prop_map(|name| Step::Declare { name }),
            Just(Step::Attest),
            one().prop_map(|which| Step::WithdrawDeclaration { which }),
        ],
        2 => (one(), one()).prop_map(|(ring, what)| Step::UpdateRing { ring, what }),
        2 => (one(), any::<bool>()).prop_map(|(ring, relaxed)| Step::Separate { ring, relaxed }),
    ];
    let people = prop_oneof![
        2 => any::<bool>().prop_map(|person| Step::CreatePrincipal { person }),
        1 => one().prop_map(|which| Step::RevokePrincipal { which }),
        2 => (one(), one(), any::<bool>()).prop_map(|(to, role, withdraw)| Step::AssignRole { to, role, withdraw }),
        2 => (one(), one()).prop_map(|(of, what)| Step::CreateCredential { of, what }),
        1 => one().prop_map(|which| Step::RevokeCredential { which }),
        2 => any::<bool>().prop_map(|token| Step::RenewCredential { token }),
        1 => Just(Step::Recover),
        1 => one().prop_map(|which| Step::AcknowledgeRecovery { which }),
        1 => one().prop_map(|which| Step::ErasePrincipal { which }),
        1 => one().prop_map(|which| Step::EraseReason { which }),
        5 => one().prop_map(|which| Step::Approve { which }),
        1 => one().prop_map(|which| Step::Deny { which }),
        1 => one().prop_map(|which| Step::CancelApproval { which }),
        1 => one().prop_map(|what| Step::SetGovernance { what }),
    ];
    let rights = prop_oneof![
        5 => (one(), one(), any::<bool>(), 0_usize..3, any::<bool>()).prop_map(|(to, on, whole_ring, pairs, until)| {
            Step::CreateGrant { to, on, whole_ring, pairs, until }
        }),
        2 => one().prop_map(|which| Step::RevokeGrant { which }),
        3 => (one(), one(), one()).prop_map(|(by, to, key)| Step::Delegate { by, to, key }),
        1 => (one(), one(), one()).prop_map(|(by, key, which)| Step::WithdrawDelegated { by, key, which }),
        2 => (one(), one(), one(), 0_usize..3)
            .prop_map(|(by, key, to, grants)| Step::PutKeyPolicy { by, key, to, grants }),
        1 => (one(), one()).prop_map(|(by, which)| Step::RetireGrant { by, which }),
    ];
    let system = prop_oneof![
        2 => Just(Step::Restart),
        2 => Just(Step::Crash),
        3 => Just(Step::Snapshot),
        3 => (0_u32..60).prop_map(|days| Step::Jobs { days }),
        1 => Just(Step::ConfirmClock),
        1 => Just(Step::ConfirmRights),
    ];
    let oversight = prop_oneof![
        2 => (one(), one(), any::<bool>())
            .prop_map(|(to, what, withdraw)| Step::AssignCapacity { to, what, withdraw }),
        1 => one().prop_map(|which| Step::CancelRecovery { which }),
        1 => one().prop_map(|of| Step::ConfirmCredential { of }),
        1 => one().prop_map(|of| Step::Enrol { of }),
        2 => one().prop_map(|which| Step::Plan { which }),
        3 => (one(), one()).prop_map(|(holder, keys)| Step::OpenBreakGlass { holder, keys }),
        1 => one().prop_map(|which| Step::CloseBreakGlass { which }),
        2 => (one(), any::<bool>())
            .prop_map(|(which, justified)| Step::ReviewBreakGlass { which, justified }),
        2 => (one(), one()).prop_map(|(scope, ring)| Step::OpenReview { scope, ring }),
        2 => (one(), any::<bool>()).prop_map(|(which, remove)| Step::DecideReview { which, remove }),
        1 => one().prop_map(|which| Step::CloseReview { which }),
        1 => one().prop_map(|which| Step::TriageAlert { which }),
        1 => one().prop_map(|which| Step::CloseAlert { which }),
    ];
    prop_oneof![10 => keys, 2 => rings, 4 => people, 7 => rights, 4 => system, 4 => oversight]
}

/// What was made, for later steps to choose from.
#[derive(Default)]
struct Made {
    keys: Vec<KeyRecord>,
    rings: usize,
    assets: usize,
    people: usize,
    applications: usize,
    /// How often the certificate was renewed that somebody got.
    renewed: usize,
    officers: usize,
    snapshots: u64,
}

fn pick<T>(all: &[T], number: usize) -> Option<&T> {
    all.get(number.checked_rem(all.len())?)
}

/// Up to two fields that contexts must have.
fn fields(number: usize) -> RequiredContext {
    let names = ["tenant", "claviger:asset"];
    RequiredContext::new(names.iter().take(number % 3).map(|name| name.parse().unwrap())).unwrap()
}

fn name(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

/// Whatever was refused was refused for a reason of the caller's: no fault of the program.
fn bear<T>(done: Result<T, ServiceError>, step: &Step) -> Option<T> {
    match done {
        Ok(done) => Some(done),
        Err(error) if error.kind() == ErrorKind::Internal => panic!("{step:?}: {error:?}"),
        Err(_) => None,
    }
}

impl Made {
    fn key(&self, number: usize) -> KeyRef {
        pick(&self.keys, number).map_or(KeyRef::Id(KeyId::from_bytes([9; 16])), |key| KeyRef::Id(key.key.id))
    }

    fn ring(&self, number: usize) -> RingRef {
        let made = (0..self.rings).map(|ring| format!("ring-{ring}"));
        let rings: Vec<_> = RINGS.iter().map(|ring| (*ring).to_owned()).chain(made).collect();
        pick(&rings, number).unwrap().parse().unwrap()
    }

    fn application(&self, number: usize) -> String {
        let made = (0..self.applications).map(|at| format!("own-{at}"));
        let all: Vec<_> = APPLICATIONS.iter().map(|one| (*one).to_owned()).chain(made).collect();
        pick(&all, number).unwrap().clone()
    }

    /// Anybody who is not needed for the history to go on.
    fn anybody(&self, number: usize) -> String {
        let people = (0..self.people).map(|at| format!("person-{at}"));
        let all: Vec<_> = people.chain([self.application(number)]).collect();
        pick(&all, number).unwrap().clone()
    }

    async fn take(&mut self, deployment: Deployment, step: &Step) -> Deployment {
        match step {
            Step::Restart => return deployment.restart().await,
            Step::Crash => return deployment.crash().await,
            Step::Jobs { days } => {
                deployment.clock.advance(DAY * *days);
                deployment.road.do_what_is_due().await;
            }
            Step::Snapshot => {
                let taken = deployment.ask("vera", TakeSnapshot {}).await.unwrap();
                assert!(taken.output.size <= taken.receipt.index());
                self.snapshots += 1;
            }
            Step::ConfirmClock => {
                let time = deployment.clock.wall();
                bear(deployment.ask("ada", ConfirmClock { time }).await, step);
            }
            Step::ConfirmRights => {
                let digest = rights(&deployment, "vera").await.1;
                bear(deployment.ask("vera", ConfirmRights { digest }).await, step);
            }
            Step::Attest | Step::Declare { .. } | Step::WithdrawDeclaration { .. } => {
                Box::pin(self.take_declaration(&deployment, step)).await;
            }
            Step::Approve { .. }
            | Step::CancelApproval { .. }
            | Step::Deny { .. }
            | Step::SetGovernance { .. } => Box::pin(self.take_approval(&deployment, step)).await,
            Step::CreateAsset { .. } | Step::CreateRing | Step::UpdateRing { .. } | Step::Separate { .. } => {
                Box::pin(self.take_ring(&deployment, step)).await;
            }
            Step::AssignCapacity { .. }
            | Step::CancelRecovery { .. }
            | Step::ConfirmCredential { .. }
            | Step::Enrol { .. }
            | Step::Plan { .. } => Box::pin(self.take_office(&deployment, step)).await,
            Step::CloseBreakGlass { .. } | Step::OpenBreakGlass { .. } | Step::ReviewBreakGlass { .. } => {
                Box::pin(self.take_emergency(&deployment, step)).await;
            }
            Step::CloseReview { .. } | Step::DecideReview { .. } | Step::OpenReview { .. } => {
                Box::pin(self.take_review(&deployment, step)).await;
            }
            Step::CloseAlert { .. } | Step::TriageAlert { .. } => {
                Box::pin(self.take_alert(&deployment, step)).await;
            }
            Step::CreatePrincipal { .. }
            | Step::RevokePrincipal { .. }
            | Step::AssignRole { .. }
            | Step::CreateCredential { .. }
            | Step::RenewCredential { .. }
            | Step::RevokeCredential { .. }
            | Step::Recover
            | Step::AcknowledgeRecovery { .. }
            | Step::ErasePrincipal { .. }
            | Step::EraseReason { .. } => Box::pin(self.take_person(&deployment, step)).await,
            Step::CreateGrant { .. }
            | Step::RevokeGrant { .. }
            | Step::Delegate { .. }
            | Step::WithdrawDelegated { .. }
            | Step::PutKeyPolicy { .. }
            | Step::RetireGrant { .. } => Box::pin(self.take_right(&deployment, step)).await,
            Step::Alias { .. }
            | Step::CancelDestroy { .. }
            | Step::CreateKey { .. }
            | Step::Import { .. }
            | Step::KeyEvent { .. }
            | Step::RemoveMaterial { .. }
            | Step::RotateKey { .. }
            | Step::ScheduleDestroy { .. }
            | Step::UpdateKey { .. } => Box::pin(self.take_key(&deployment, step)).await,
        }
        deployment
    }

    async fn take_ring(&mut self, deployment: &Deployment, step: &Step) {
        match step {
            Step::CreateRing => {
                let name = format!("ring-{}", self.rings).parse().unwrap();
                let policy = RingPolicy { rotation_period: Some(DAY * 30), ..RingPolicy::default() };
                if bear(deployment.ask("ada", CreateRing { name, policy }).await, step).is_some() {
                    self.rings += 1;
                }
            }
            Step::CreateAsset { owner, class } => {
                let create = CreateAsset {
                    name: format!("asset-{}", self.assets).parse().unwrap(),
                    owner: (owner % 2 == 0).then(|| name(&self.anybody(*owner))),
                    class: *pick(&DataClass::ALL, *class).unwrap(),
                };
                self.assets += usize::from(bear(deployment.ask("ada", create).await, step).is_some());
            }
            Step::Separate { ring, relaxed } => {
                let separation = if *relaxed { Separation::Relaxed } else { Separation::Strict };
                let set = SetRingSeparation { ring: self.ring(*ring), separation };
                bear(deployment.ask("otto", set).await, step);
            }
            Step::UpdateRing { ring, what } => {
                let patch = match what % 4 {
                    0 => RingPatch { quorum: Some(0), ..RingPatch::default() },
                    1 => RingPatch { rotation_period: Some(Some(DAY * 40)), ..RingPatch::default() },
                    2 => RingPatch { destroy_waiting_period: Some(DAY * 8), ..RingPatch::default() },
                    _ => RingPatch {
                        context_required: Some(fields(*what)),
                        data_class: Some((what / 4 % 2 == 0).then_some(DataClass::Ephi)),
                        plaintext_data_keys: Some(PlaintextDataKeys::ALL[what / 4 % 2]),
                        environment: (what % 3 == 0).then(|| "test".parse().unwrap()),
                        assets: Some(AssetRule::ALL[what / 4 % 2]),
                        ..RingPatch::default()
                    },
                };
                let update = UpdateRing { ring: self.ring(*ring), patch, if_revision: None };
                bear(deployment.ask("ada", update).await, step);
            }
            _ => {}
        }
    }

    async fn take_approval(&self, deployment: &Deployment, step: &Step) {
        let approvals = ids(deployment, Kind::Approval).await;
        let row = |which: usize| match pick(&approvals, which) {
            Some((_, StateRow::Approval(row))) => Some(row.clone()),
            _ => None,
        };
        match step {
            // By as many as must, and then it is done.
            Step::Approve { which } => {
                let Some(row) = row(*which) else { return };
                for custodian in CUSTODIANS {
                    let Some(signer) = bear(Signer::of(deployment, custodian).await, step) else { return };
                    let approve = approval(&signer, &row, deployment.clock.wall());
                    bear(deployment.ask_with(signer.presented(), approve).await, step);
                }
                let requester = deployment.store.find_principal(row.requester).await.unwrap().unwrap();
                let call = call(requester.name.as_str(), row.id);
                bear(deployment.road.execute(call).await, step);
            }
            Step::Deny { which } => {
                let Some(row) = row(*which) else { return };
                let Some(signer) = bear(Signer::of(deployment, CUSTODIANS[0]).await, step) else { return };
                let deny = denial(&signer, &row, deployment.clock.wall());
                bear(deployment.ask_with(signer.presented(), deny).await, step);
            }
            Step::CancelApproval { which } => {
                let Some(row) = row(*which) else { return };
                bear(deployment.ask("otto", CancelApproval { approval: row.id }).await, step);
            }
            Step::SetGovernance { what } => {
                let set = match what % 4 {
                    0 => SetGovernance {
                        quorum: Some(if what % 3 == 0 { 0 } else { 2 }),
                        ..SetGovernance::default()
                    },
                    1 => SetGovernance { compromise_burst: Some(1), ..SetGovernance::default() },
                    2 => SetGovernance {
                        human_grant_lifetime: Some((what % 3 == 0).then_some(DAY * 30)),
                        ..SetGovernance::default()
                    },
                    _ => SetGovernance { approval_lifetime: Some(DAY * 2), ..SetGovernance::default() },
                };
                bear(deployment.ask("otto", set).await, step);
            }
            _ => {}
        }
    }

    async fn take_declaration(&self, deployment: &Deployment, step: &Step) {
        match step {
            Step::Attest => {
                let Some(signer) = bear(Signer::of(deployment, "vera").await, step) else { return };
                let attest = signer.signed(deployment.clock.wall());
                bear(deployment.ask_with(signer.presented(), attest).await, step);
            }
            Step::Declare { name } => {
                let declare = parameter(&format!("parameter_{name}"), &name.to_string());
                bear(deployment.ask("ada", declare).await, step);
            }
            Step::WithdrawDeclaration { which } => {
                let declarations = ids(deployment, Kind::Declaration).await;
                let Some((Object::Declaration(id), _)) = pick(&declarations, *which) else { return };
                let declaration: DeclarationId = *id;
                bear(deployment.ask("otto", WithdrawDeclaration { declaration }).await, step);
            }
            _ => {}
        }
    }

    async fn take_person(&mut self, deployment: &Deployment, step: &Step) {
        match step {
            Step::CreatePrincipal { person: true } => {
                let create = CreatePrincipal {
                    name: format!("person-{}", self.people).parse().unwrap(),
                    kind: PrincipalKind::Human,
                    environment: None,
                    same_person_as: None,
                    home: None,
                };
                self.people += usize::from(bear(deployment.ask("otto", create).await, step).is_some());
            }
            Step::CreatePrincipal { person: false } => {
                let create = CreatePrincipal {
                    name: format!("own-{}", self.applications).parse().unwrap(),
                    kind: PrincipalKind::Workload,
                    environment: None,
                    same_person_as: None,
                    home: (self.applications % 2 == 1).then(|| self.ring(self.applications)),
                };
                self.applications += usize::from(bear(deployment.ask("ada", create).await, step).is_some());
            }
            Step::RevokePrincipal { which } => {
                let principal = name(&self.anybody(*which));
                bear(deployment.ask("otto", RevokePrincipal { principal }).await, step);
            }
            Step::AssignRole { to, role, withdraw } => {
                let (principal, role) = (name(&self.anybody(*to)), *pick(&Role::ALL, *role).unwrap());
                if *withdraw {
                    bear(deployment.ask("otto", WithdrawRole { principal, role }).await, step);
                } else {
                    bear(deployment.ask("olga", AssignRole { principal, role }).await, step);
                }
            }
            Step::CreateCredential { of, what } => {
                let lifetime = HOUR * 5;
                let what = match what % 4 {
                    0 => NewCredential::Token { lifetime },
                    1 => NewCredential::AccessKey { lifetime },
                    2 => NewCredential::ShortLived { lifetime },
                    _ => NewCredential::Certificate {
                        der: certificate_of("more-0"),
                        chain: Vec::new(),
                        expires_at: deployment.clock.wall().after(DAY * 90),
                    },
                };
                let principal = name(&self.anybody(*of));
                let create =
                    CreateCredential { principal, label: "made".parse().unwrap(), what, to_confirm: false };
                bear(deployment.ask("ada", create).await, step);
            }
            Step::RenewCredential { token } => {
                let (by, next) = (format!("more-{}", self.renewed), format!("more-{}", self.renewed + 1));
                let what = match token {
                    true => Renewal::Token { lifetime: None },
                    false => Renewal::Certificate {
                        der: certificate_of(&next),
                        chain: Vec::new(),
                        expires_at: None,
                    },
                };
                let renewed = bear(deployment.ask(&by, RenewCredential { what }).await, step);
                self.renewed += usize::from(renewed.is_some());
            }
            Step::RevokeCredential { which } => {
                let mut credentials = ids(deployment, Kind::Credential).await;
                // Those that the set-up gave: without them nothing goes on.
                credentials.retain(
                    |(_, row)| matches!(row, StateRow::Credential(one) if one.label.as_str() == "made"),
                );
                let Some((Object::Credential(credential), _)) = pick(&credentials, *which) else { return };
                let credential: CredentialId = *credential;
                bear(deployment.ask("otto", RevokeCredential { credential }).await, step);
            }
            Step::Recover => {
                let officer = format!("officer-{}", self.officers);
                let recover = Recover {
                    name: officer.parse().unwrap(),
                    certificate: certificate_of(&officer),
                    expires_at: deployment.clock.wall().after(DAY * 3),
                };
                let done = deployment.road.perform_for_system(system(), recover).await;
                self.officers += usize::from(bear(done, step).is_some());
            }
            Step::AcknowledgeRecovery { which } => {
                let Some(number) = which.checked_rem(self.officers) else { return };
                let principal = name(&format!("officer-{number}"));
                bear(deployment.ask("otto", AcknowledgeRecovery { principal }).await, step);
            }
            Step::ErasePrincipal { which } => {
                // It must be revoked, which a history comes by seldom enough.
                let principal = || name(&self.anybody(*which));
                bear(deployment.ask("otto", RevokePrincipal { principal: principal() }).await, step);
                bear(deployment.ask("otto", ErasePrincipal { principal: principal() }).await, step);
            }
            Step::EraseReason { which } => {
                let reasons = ids(deployment, Kind::Reason).await;
                let Some((Object::Reason(id), _)) = pick(&reasons, *which) else { return };
                let id: ReasonId = *id;
                bear(deployment.ask("otto", EraseReason { id }).await, step);
            }
            _ => {}
        }
    }

    async fn take_right(&mut self, deployment: &Deployment, step: &Step) {
        let operations = |key: usize| GIVEN.into_iter().skip(key % 3).collect::<Vec<_>>();
        match step {
            Step::CreateGrant { to, on, whole_ring, pairs, until } => {
                let pairs = ["a", "b"].into_iter().take(*pairs);
                let conditions = Conditions {
                    context_equals: pairs.map(|pair| (pair.to_owned(), "v".to_owned())).collect(),
                    context_exactly: (on % 3 == 1).then(|| vec![("exact".to_owned(), "x".to_owned())]),
                    source_networks: if on % 3 == 2 {
                        vec!["127.0.0.0/8".parse().unwrap()]
                    } else {
                        Vec::new()
                    },
                    until: until.then(|| deployment.clock.wall().after(DAY * 20)),
                };
                let on =
                    if *whole_ring { GrantOn::Ring(self.ring(*on)) } else { GrantOn::Key(self.key(*on)) };
                let operations =
                    if to % 2 == 0 { vec![Action::Encrypt, Action::Decrypt] } else { GIVEN.to_vec() };
                let create = CreateGrant {
                    principal: name(&self.application(*to)),
                    on,
                    operations,
                    conditions,
                    name: (to % 4 == 3).then(|| "named".to_owned()),
                    retiring: (to % 5 == 1).then(|| name("outsider")),
                };
                bear(deployment.ask("otto", create).await, step);
            }
            Step::RevokeGrant { which } => {
                let Some(grant) = grant(deployment, *which).await else { return };
                bear(deployment.ask("otto", RevokeGrant { grant }).await, step);
            }
            Step::Delegate { by, to, key } => {
                let delegate = DelegateGrant {
                    key: self.key(*key),
                    principal: name(&self.application(*to)),
                    operations: operations(*to),
                    conditions: Conditions::default(),
                    name: None,
                    retiring: None,
                    spelling: Default::default(),
                };
                bear(deployment.ask_at(&self.application(*by), Plane::Mixed, delegate).await, step);
            }
            Step::WithdrawDelegated { by, key, which } => {
                let Some(grant) = grant(deployment, *which).await else { return };
                let withdraw = WithdrawDelegatedGrant { key: self.key(*key), grant };
                bear(deployment.ask_at(&self.application(*by), Plane::Mixed, withdraw).await, step);
            }
            Step::PutKeyPolicy { by, key, to, grants } => {
                let grants = (0..*grants).map(|number| NewGrant {
                    principal: name(&self.application(*to)),
                    operations: operations(number),
                    conditions: Conditions::default(),
                    name: format!("key-policy/{number}"),
                    spelled: Some("role".to_owned()),
                });
                let put = PutKeyPolicy {
                    key: self.key(*key),
                    set: GrantSet { grants: grants.collect(), text: Some("{}".to_owned()) },
                };
                bear(deployment.ask_at(&self.application(*by), Plane::Mixed, put).await, step);
            }
            Step::RetireGrant { by, which } => {
                let Some(grant) = grant(deployment, *which).await else { return };
                let retire = RetireGrant { grant, key: None };
                bear(deployment.ask_at(&self.application(*by), Plane::Mixed, retire).await, step);
            }
            _ => {}
        }
    }

    async fn take_key(&mut self, deployment: &Deployment, step: &Step) {
        match step {
            Step::CreateKey { ring, kind, labels, activate } => {
                let (purpose, spec, origin) = match kind % 4 {
                    0 => (Purpose::Sign, Spec::EcP256, Origin::Generated),
                    1 => (Purpose::Encrypt, Spec::Aes256Gcm, Origin::Imported),
                    _ => (Purpose::Encrypt, Spec::Aes128Gcm, Origin::Generated),
                };
                let pairs = vec![("team".to_owned(), "payments".to_owned())];
                let create = CreateKey {
                    ring: self.ring(*ring),
                    labels: if *labels { Labels::new(pairs).unwrap() } else { Labels::default() },
                    activate: *activate,
                    origin,
                    ..deployment.new_key("orders", &format!("key-{}", self.keys.len()), purpose, spec)
                };
                self.keys.extend(bear(deployment.ask("ada", create).await, step).map(|made| made.output));
            }
            Step::KeyEvent { key, version, event } => {
                let events =
                    [Event::Activate, Event::Suspend, Event::Resume, Event::Deactivate, Event::Compromise];
                // What ends a key for good comes less often.
                let event = pick(&events[..if *event < 9 { 3 } else { 5 }], *event).unwrap();
                let Ok(change) = ChangeKeyState::new(self.key(*key), *version, *event) else { return };
                bear(deployment.ask("ada", change).await, step);
            }
            Step::RotateKey { key } => {
                bear(deployment.ask("ada", RotateKey { key: self.key(*key) }).await, step);
            }
            Step::UpdateKey { key, what } => {
                let patch = match what % 5 {
                    0 => KeyPatch { description: Some(format!("of {what}")), ..KeyPatch::default() },
                    1 => KeyPatch { data_class: Some(DataClass::Cardholder), ..KeyPatch::default() },
                    2 => KeyPatch { rotation_period: Some(Some(DAY * 45)), ..KeyPatch::default() },
                    3 => KeyPatch {
                        context_required: Some(fields(*what)),
                        environment: (what % 2 == 0).then(|| "test".parse().unwrap()),
                        ..KeyPatch::default()
                    },
                    _ => KeyPatch { owner: Some(name("ada")), ..KeyPatch::default() },
                };
                let update = UpdateKey { key: self.key(*key), patch, if_revision: None };
                bear(deployment.ask("ada", update).await, step);
            }
            Step::ScheduleDestroy { key } => {
                let schedule = ScheduleDestroy { key: self.key(*key), waiting: None };
                bear(deployment.ask("ada", schedule).await, step);
            }
            Step::CancelDestroy { key } => {
                bear(deployment.ask("ada", CancelDestroy { key: self.key(*key) }).await, step);
            }
            Step::Import { key, new } => {
                let imported =
                    self.keys.iter().filter(|key| key.versions.iter().any(|one| one.is_pending_import()));
                let imported: Vec<_> = imported.collect();
                let Some(key) = pick(&imported, *key) else { return };
                let material = [if *new { 0xa5 } else { 0x5a }; 32];
                let wrapping = WrappingAlgorithm::RsaesOaepSha256;
                bear(import_once(deployment, key, wrapping, &material, *new).await, step);
            }
            Step::RemoveMaterial { key } => {
                if let Some(key) = pick(&self.keys, *key) {
                    bear(remove_once(deployment, key).await, step);
                }
            }
            Step::Alias { name, key, how } => {
                let alias = format!("shop/{}", name % 4).parse().unwrap();
                let key = self.key(*key);
                let done = match how {
                    AliasStep::Create => {
                        deployment.ask("ada", CreateAlias { name: alias, key }).await.map(drop)
                    }
                    AliasStep::Move => deployment.ask("ada", MoveAlias { name: alias, key }).await.map(drop),
                    AliasStep::Remove => deployment.ask("ada", RemoveAlias { name: alias }).await.map(drop),
                };
                bear(done, step);
            }
            _ => {}
        }
    }
}

/// The objects of a kind that are there.
async fn ids(deployment: &Deployment, kind: Kind) -> Vec<(Object, StateRow)> {
    let rows = deployment.store.list_rows(RowCursor { kind, after: None }, 1000).await.unwrap();
    rows.into_iter().map(|found| (found.row.object(), found.row)).collect()
}

async fn grant(deployment: &Deployment, which: usize) -> Option<GrantId> {
    let grants = ids(deployment, Kind::Grant).await;
    pick(&grants, which).and_then(|(object, _)| match object {
        Object::Grant(id) => Some(*id),
        _ => None,
    })
}

/// Who can do what with a key, or could at that instant.
async fn explain(deployment: &Deployment, key: KeyId, at: Option<Timestamp>) -> BTreeSet<String> {
    let explained = deployment.ask("vera", ExplainKey { key: KeyRef::Id(key), at }).await.unwrap().output;
    explained.items.into_iter().map(|(_, what)| format!("{what:?}")).collect()
}

/// Takes the steps; holds live state against the log at the end, and at the moments behind two of them.
async fn live_through(steps: &[Step]) {
    let custodian = |name: &str| (name.to_owned(), PrincipalKind::Human, Some(Role::Custodian));
    let mut deployment = Deployment::build_among(false, CUSTODIANS.map(custodian).to_vec()).await;
    for ring in RINGS {
        let create = CreateRing { name: ring.parse().unwrap(), policy: RingPolicy::default() };
        deployment.ask("ada", create).await.unwrap();
    }
    deployment.relaxed_ring("easy").await;
    let mut made = Made::default();
    let (mut moments, mut explained) = (Vec::new(), Vec::new());
    let mut reading = Reading::begin(&deployment).await;
    for (at, step) in steps.iter().enumerate() {
        deployment = Box::pin(made.take(deployment, step)).await;
        reading.go_on(&deployment).await;
        if at == steps.len() / 3 || at == 2 * steps.len() / 3 {
            let size = deployment.log_size().await;
            moments.push((size - 1, live_rows(&deployment).await));
            let at = deployment.clock.wall();
            for key in &made.keys {
                explained.push((key.key.id, at, explain(&deployment, key.key.id, None).await));
            }
        }
    }
    hold(&deployment).await;
    assert_eq!(
        reading.findings(&deployment).await,
        Vec::<String>::new(),
        "of rows that changed while they were read"
    );
    for (key, at, then) in explained {
        assert_eq!(explain(&deployment, key, Some(at)).await, then, "{key} at {at:?}");
    }
    for (entry, rows) in moments {
        let verified = replay_at(&deployment, Moment::Entry(entry)).await;
        assert_eq!(verified.moment.map(|reached| reached.size), Some(entry + 1));
        let objects = verified.objects.rewound();
        let mut comparison = Comparison::new(&objects);
        rows.iter().for_each(|row| comparison.see(row));
        let differs: Vec<_> = comparison.finish().iter().map(ToString::to_string).collect();
        assert_eq!(differs, Vec::<String>::new(), "behind entry {entry}");
    }
    let snapshots = replay(&deployment).await.snapshots;
    assert!(snapshots >= made.snapshots, "{snapshots} of {}", made.snapshots);
    deployment.road.stop().await;
}

fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse::<u32>().ok());
    let cases = asked.map_or(FEW, |cases| cases.min(MOST));
    ProptestConfig { cases, max_shrink_iters: 200, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_the_log_yields_is_what_is_live(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(live_through(&steps));
    }
}

/// The actions of which the steps are; the match does not compile without a new step.
fn actions_of(step: &Step) -> Vec<Action> {
    use Action::*;
    match step {
        Step::AcknowledgeRecovery { .. } => vec![AcknowledgeRecovery],
        Step::Alias { how: AliasStep::Remove, .. } => vec![RemoveAlias],
        Step::Alias { .. } => vec![PutAlias],
        Step::Approve { .. } => vec![CreateCredential, Approve],
        Step::AssignCapacity { withdraw: false, .. } => vec![AssignCapacity],
        Step::AssignCapacity { .. } => vec![WithdrawCapacity],
        Step::AssignRole { withdraw: false, .. } => vec![AssignRole],
        Step::AssignRole { .. } => vec![WithdrawRole],
        Step::Attest => vec![CreateCredential, Attest],
        Step::CancelApproval { .. } => vec![CancelApproval],
        Step::CancelDestroy { .. } => vec![CancelDestroy],
        Step::CancelRecovery { .. } => vec![CancelRecovery],
        Step::CloseAlert { .. } => vec![CloseAlert],
        Step::CloseBreakGlass { .. } => vec![CloseBreakGlass],
        Step::CloseReview { .. } => vec![CloseReview],
        Step::ConfirmClock => vec![ConfirmClock],
        Step::ConfirmCredential { .. } => vec![CreateCredential, Enrol, ConfirmCredential],
        Step::ConfirmRights => vec![ReadRights, ConfirmRights],
        Step::CreateAsset { .. } => vec![CreateAsset],
        Step::CreateCredential { .. } => vec![CreateCredential],
        Step::CreateGrant { .. } => vec![CreateGrant],
        Step::CreateKey { .. } => vec![CreateKey],
        Step::CreatePrincipal { .. } => vec![CreatePrincipal],
        Step::CreateRing => vec![CreateRing],
        Step::DecideReview { .. } => vec![DecideReview],
        Step::Declare { .. } => vec![Declare],
        Step::Delegate { .. } => vec![DelegateGrant],
        Step::Deny { .. } => vec![CreateCredential, Deny],
        Step::Enrol { .. } => vec![CreateCredential, Enrol],
        Step::ErasePrincipal { .. } => vec![ErasePrincipal],
        Step::EraseReason { .. } => vec![EraseReason],
        Step::Import { .. } => vec![ReadImportParameters, ImportMaterial],
        Step::Jobs { .. } => vec![RotateKey, DestroyKey, Snapshot],
        Step::KeyEvent { version: None, .. } => {
            vec![ActivateKey, SuspendKey, ResumeKey, DeactivateKey, CompromiseKey]
        }
        Step::KeyEvent { .. } => vec![SuspendVersion, ResumeVersion, DeactivateVersion, CompromiseVersion],
        Step::OpenBreakGlass { .. } => vec![CreateCredential, Enrol, OpenBreakGlass],
        Step::OpenReview { .. } => vec![OpenReview],
        Step::Plan { .. } => vec![ApplyPlan],
        Step::PutKeyPolicy { .. } => vec![PutKeyPolicy],
        Step::Recover => vec![Recover],
        Step::RemoveMaterial { .. } => vec![RemoveImportedMaterial],
        Step::RenewCredential { .. } => vec![RenewCredential],
        Step::Restart | Step::Crash => vec![],
        Step::RetireGrant { .. } => vec![RetireGrant],
        Step::ReviewBreakGlass { .. } => vec![ReviewBreakGlass],
        Step::RevokeCredential { .. } => vec![RevokeCredential],
        Step::RevokeGrant { .. } => vec![RevokeGrant],
        Step::RevokePrincipal { .. } => vec![RevokePrincipal],
        Step::RotateKey { .. } => vec![RotateKey],
        Step::ScheduleDestroy { .. } => vec![ScheduleDestroy],
        Step::Separate { .. } => vec![SetRingSeparation],
        Step::SetGovernance { .. } => vec![SetGovernance],
        Step::Snapshot => vec![Snapshot],
        Step::TriageAlert { .. } => vec![TriageAlert],
        Step::UpdateKey { .. } => vec![UpdateKey],
        Step::UpdateRing { .. } => vec![UpdateRing],
        Step::WithdrawDeclaration { .. } => vec![WithdrawDeclaration],
        Step::WithdrawDelegated { .. } => vec![WithdrawDelegatedGrant],
    }
}

#[test]
fn histories_are_over_every_action_that_changes_state() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut taken = BTreeSet::new();
    for _ in 0..5_000 {
        taken.extend(actions_of(&step().new_tree(&mut runner).unwrap().current()));
    }
    // The set-up, with which each history begins.
    taken.insert(Action::Initialize);
    let changes =
        |action: &Action| matches!(action.effect(), Effect::Govern | Effect::Manage | Effect::Restrict);
    let missing: Vec<_> =
        Action::ALL.into_iter().filter(changes).filter(|action| !taken.contains(action)).collect();
    assert_eq!(missing, []);
}

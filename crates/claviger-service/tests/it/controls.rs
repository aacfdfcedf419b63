//! What the controls say of acts that others approve, by the log of a deployment that does them.

use claviger_audit::verify::{Request, verify_watched};
use claviger_compliance::control::Mode;
use claviger_compliance::evaluation::ControlResult;
use claviger_compliance::{Catalogue, Evaluation, Period, Scan, Verdict};
use claviger_core::principal::Role;
use claviger_core::{Purpose, Spec, Timestamp};
use claviger_service::operation::{AssignRole, ScheduleDestroy};
use claviger_service::{KeyRef, Operation, PrincipalRef};

use crate::approvals::{Deciding, pending};
use crate::deployment::{DAY, Deployment};
use crate::evidence::Exported;

/// What all controls come to, of all the time that the log tells of.
async fn evaluated(deployment: &Deployment) -> Evaluation {
    deployment.road.cut().await.unwrap();
    let catalogue = Catalogue::load().unwrap();
    let period = Period { from: Timestamp::from_micros(0), to: deployment.clock.wall().after(DAY) };
    let mut scan = Scan::new(&catalogue, None, period);
    let request = Request::new(&deployment.road.facts().root_key);
    let verified = verify_watched(&Exported(deployment), &request, &mut scan).unwrap();
    assert!(verified.findings.is_empty(), "{:?}", verified.findings);
    scan.finish(&verified)
}

fn of<'e>(evaluation: &'e Evaluation, control: &str) -> &'e ControlResult {
    let mut results = evaluation.results.iter();
    results.find(|one| one.control.to_string() == control && one.mode == Mode::Period).unwrap()
}

fn second_role() -> AssignRole {
    AssignRole { principal: PrincipalRef::Name("olga".parse().unwrap()), role: Role::Responder }
}

/// Does what two custodians approve.
async fn done<O: Operation>(deciding: &Deciding, who: &str, operation: impl Fn() -> O) {
    let id = pending(deciding.deployment.ask(who, operation()).await);
    for custodian in ["carl", "cora"] {
        deciding.approve(custodian, id).await.unwrap();
    }
    deciding.deployment.ask(who, operation()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_custodians_approved_passes_until_the_end_of_a_key() {
    let deciding = Deciding::build(2).await;
    let deployment = &deciding.deployment;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let evaluation = evaluated(deployment).await;
    let nothing = of(&evaluation, "USE-04");
    assert_eq!(nothing.result, Verdict::NotApplicable, "{nothing:?}");
    let figures = ["quorum_of_deployment", "rings_with_quorum", "least_quorum_of_rings"];
    assert_eq!(figures.map(|name| nothing.figures[name]), [2, 1, 2]);
    assert_eq!(of(&evaluation, "DEST-01").result, Verdict::NotApplicable);

    done(&deciding, "otto", second_role).await;
    done(&deciding, "ada", || ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: None }).await;
    for days in [0, 31] {
        deployment.clock.advance(DAY * days);
        deployment.road.do_what_is_due().await;
        let evaluation = evaluated(deployment).await;
        for control in ["USE-03", "USE-04", "DEST-01"] {
            let result = of(&evaluation, control);
            assert_eq!(result.result, Verdict::Pass, "{days} days: {result:?}");
        }
        let acts = of(&evaluation, "USE-04");
        // The role, the schedule, and in the end what was scheduled.
        assert_eq!(acts.figures["sensitive_acts"], if days == 0 { 2 } else { 3 }, "{acts:?}");
        assert_eq!(acts.figures["sensitive_acts_approved"], acts.figures["sensitive_acts"]);
        assert_eq!(of(&evaluation, "DEST-01").figures["destructions_executed"], u64::from(days > 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_else_had_to_approve_fails_and_says_whose_quorum_was_zero() {
    let deployment = Deployment::build().await;
    deployment.ask("otto", second_role()).await.unwrap();
    deployment.relaxed_ring("trials").await;
    let key = deployment.key_in("trials", "old", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let schedule = ScheduleDestroy { key: KeyRef::Id(key.key.id), waiting: Some(DAY * 7) };
    deployment.ask("ada", schedule).await.unwrap();
    let evaluation = evaluated(&deployment).await;
    let alone = of(&evaluation, "USE-04");
    assert_eq!((alone.result, alone.violators), (Verdict::Fail, 2), "{alone:?}");
    for whose in ["the deployment".to_owned(), format!("ring {}", key.ring.id)] {
        let because = format!("the quorum of {whose} was 0");
        assert!(alone.violations.iter().any(|one| one.because.contains(&because)), "{because}: {alone:?}");
    }
    assert_eq!(of(&evaluation, "DEST-01").result, Verdict::Fail);
    assert_eq!(alone.figures["quorum_of_deployment"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_and_not_done_is_no_act() {
    let deciding = Deciding::build(2).await;
    let deployment = &deciding.deployment;
    let id = pending(deployment.ask("otto", second_role()).await);
    deciding.approve("carl", id).await.unwrap();
    deciding.deny("cora", id).await.unwrap();
    let evaluation = evaluated(deployment).await;
    assert_eq!(of(&evaluation, "USE-04").result, Verdict::NotApplicable);
    assert_eq!(of(&evaluation, "USE-03").result, Verdict::Pass);
}

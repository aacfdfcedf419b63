//! Approvals: what is asked for, who signs it, and the approval that a refused call names.

use claviger_client::profile::ProfileCredential;
use claviger_client::types::approval::{
    ApprovalState, DecideApproval, ExecutedResult, ListApprovals, WhichApprovals,
};
use claviger_client::types::governance::UpdateGovernance;
use claviger_client::types::key::ScheduleDestroy;
use claviger_client::types::plan::AskPlan;
use claviger_client::types::{Base64Bytes, GiveReason, Text};
use claviger_client::{Client, ClientError};
use claviger_core::approval::{Eligible, Outcome, Verdict};
use claviger_core::declaration::SigningMethod;
use claviger_core::{Action, ApprovalId, Timestamp};

use crate::script::{Authority, Server, answer, json};

const ID: &str = "01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e";

fn id() -> ApprovalId {
    ID.parse().unwrap()
}

/// An approval as a server shows it, in that state and with that end.
fn shown(state: &str, ended: &str) -> String {
    let digest = "ab".repeat(32);
    format!(
        r#"{{"id":"{ID}","action":"schedule_destroy","state":"{state}","requester":{{"id":"{ID}","name":"ada"}},
        "ring":{{"id":"{ID}"}},"quorum":2,"eligible":"custodians","approved":1,"requested_at":"2026-01-01T00:00:00Z",
        "expires_at":"2026-01-08T00:00:00Z","digest":"{digest}","form":"oQE=",
        "rows":[{{"object":"key {ID}","revision":3,"name":"orders/main"}},{{"object":"ring {ID}","revision":1,"name":null}}],
        "decisions":[{{"verdict":"approve","by":{{"id":"{ID}"}},"at":"2026-01-02T00:00:00Z"}}],"ended":{ended},"revision":2}}"#
    )
}

#[tokio::test]
async fn a_call_that_waits_for_others_names_its_approval() {
    let authority = Authority::new();
    let body = |approval: &str| {
        let body = format!(r#"{{"type":"t","title":"t","status":403,"code":"approval-required"{approval}}}"#);
        answer("403 X", "content-type: application/problem+json\r\n", &body)
    };
    let named = body(&format!(r#","approval":"{ID}""#));
    let server = Server::start(&authority, vec![named, body("")]).await;
    let client = server.client(&authority);
    let refused = client.schedule_destroy("orders/main", &ScheduleDestroy::default()).await.unwrap_err();
    assert_eq!(refused.approval(), Some(id()));
    let unnamed = client.schedule_destroy("orders/main", &ScheduleDestroy::default()).await.unwrap_err();
    assert_eq!((unnamed.problem().unwrap().code.as_str(), unnamed.approval()), ("approval-required", None));
    assert_eq!(ClientError::Setup("x".into()).approval(), None);
}

#[tokio::test]
async fn approvals_are_read_and_listed() {
    let authority = Authority::new();
    let ended = format!(r#"{{"outcome":"denied","at":"2026-01-03T00:00:00Z","by":{{"id":"{ID}"}}}}"#);
    let page = format!(r#"{{"items":[{}],"next":"bA"}}"#, shown("denied", &ended));
    let server = Server::start(&authority, vec![json(&shown("open", "null")), json(&page)]).await;
    let client = server.client(&authority);
    let read = client.read_approval(id()).await.unwrap().value;
    assert_eq!((read.state.0, read.eligible.0), (ApprovalState::Open, Eligible::Custodians));
    assert_eq!((read.action.0, read.quorum, read.approved), (Action::ScheduleDestroy, 2, 1));
    assert_eq!((read.digest.0.0, read.form.unwrap().as_ref()), ([0xab; 32], [0xa1, 1].as_slice()));
    assert_eq!(read.rows[0].name.as_deref(), Some("orders/main"));
    assert_eq!(read.decisions[0].verdict.0, Verdict::Approve);
    assert!(read.ring.unwrap().name.is_none() && read.ended.is_none());

    let state = Some(Text(WhichApprovals::Ended));
    let query = ListApprovals { state, limit: Some(1), ..ListApprovals::default() };
    let listed = client.list_approvals(&query).await.unwrap().value;
    assert_eq!(listed.items[0].ended.as_ref().unwrap().outcome.0, Outcome::Denied);
    assert_eq!(server.asked()[0].line(), format!("GET /v1/approvals/{ID} HTTP/1.1"));
    let line = server.asked()[1].line().to_owned();
    assert!(line.contains("state=ended") && line.contains("limit=1"), "{line}");
}

#[tokio::test]
async fn a_decision_is_signed_by_the_certificate_that_makes_the_call() {
    let authority = Authority::new();
    let server = Server::start(&authority, vec![json(&shown("open", "null"))]).await;
    let (certificate, key) = authority.issue();
    let credential = ProfileCredential::Certificate { chain: vec![certificate.clone()], key };
    let profile = server.profile(&authority, credential);
    let signed = profile.credential.sign_as_holder(b"a decision").unwrap();
    assert_eq!(signed.certificate, certificate.to_vec());
    let decide = DecideApproval::signed([7; 32], Timestamp::from_micros(1_700_000_000_000_000), signed);
    assert_eq!((decide.method.0, decide.digest.0.0), (SigningMethod::EcdsaP256Sha256, [7; 32]));
    let client = Client::new(&profile).unwrap();
    client.decide_approval(id(), Verdict::Approve, &decide).await.unwrap();
    let denying = DecideApproval { reason: Some("another key was meant".into()), ..decide.clone() };
    client.decide_approval(id(), Verdict::Deny, &denying).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked[0].line(), format!("POST /v1/approvals/{ID}/approve HTTP/1.1"));
    assert_eq!(asked[1].line(), format!("POST /v1/approvals/{ID}/deny HTTP/1.1"));
    assert_eq!(asked[0].certificate.as_deref(), Some(certificate.as_ref()));
    assert_eq!(serde_json::from_slice::<DecideApproval>(&asked[0].body).unwrap(), decide);
    assert_eq!(serde_json::from_slice::<DecideApproval>(&asked[1].body).unwrap(), denying);
}

#[tokio::test]
async fn what_was_approved_is_done_and_its_result_is_typed() {
    let authority = Authority::new();
    let governance = r#"{"quorum":2,"approval_lifetime_seconds":3600,"human_grant_lifetime_seconds":null,
        "break_glass_lifetime_seconds":900,"compromise_burst":10,"revision":4}"#;
    let executed = format!(
        r#"{{"approval":"{ID}","action":"set_governance","entry":41,"result":{{"governance":{governance}}}}}"#
    );
    let busy = answer(
        "503 X",
        "content-type: application/problem+json\r\nretry-after: 0\r\n",
        r#"{"type":"t","title":"t","status":503,"code":"overloaded"}"#,
    );
    let server = Server::start(&authority, vec![busy, json(&executed)]).await;
    let client = server.client(&authority);
    // It changes something: it is not sent again.
    assert_eq!(client.execute_approval(id()).await.unwrap_err().problem().unwrap().code, "overloaded");
    assert_eq!(server.asked().len(), 1);
    let done = client.execute_approval(id()).await.unwrap().value;
    assert_eq!((done.approval.0, done.action.0, done.entry), (id(), Action::SetGovernance, 41));
    let ExecutedResult::Governance(rules) = done.result else { panic!("another result") };
    assert_eq!((rules.quorum, rules.set_by, rules.revision), (2, None, 4));
    assert_eq!(server.asked()[1].line(), format!("POST /v1/approvals/{ID}/execute HTTP/1.1"));
    assert!(server.asked()[1].body.is_empty());
}

#[tokio::test]
async fn the_rules_of_the_deployment_change_at_a_revision() {
    let authority = Authority::new();
    let governance = r#"{"quorum":2,"approval_lifetime_seconds":3600,"human_grant_lifetime_seconds":86400,
        "break_glass_lifetime_seconds":900,"compromise_burst":10,"revision":4}"#;
    let answers = vec![json(governance), json(governance), json(&shown("cancelled", "null"))];
    let server = Server::start(&authority, answers).await;
    let client = server.client(&authority);
    let rules = client.read_governance().await.unwrap().value;
    assert_eq!(rules.human_grant_lifetime_seconds, Some(86_400));
    let update =
        UpdateGovernance { quorum: Some(3), human_grant_lifetime_seconds: Some(None), ..Default::default() };
    client.update_governance(&update, Some(rules.revision)).await.unwrap();
    let why = GiveReason { reason: Some("not needed any more".into()), reason_code: None };
    client.cancel_approval(id(), &why).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked[1].line(), "PATCH /v1/governance HTTP/1.1");
    assert_eq!(asked[1].header("if-match"), Some("\"4\""));
    assert_eq!(asked[1].body, br#"{"quorum":3,"human_grant_lifetime_seconds":null}"#);
    assert_eq!(asked[2].line(), format!("POST /v1/approvals/{ID}/cancel HTTP/1.1"));
}

#[tokio::test]
async fn a_plan_is_checked_and_asked_for() {
    let authority = Authority::new();
    let checked = r#"{"acts":[{"action":"assign_role","approvers":2},
        {"action":"update_key","refused":{"code":"denied","detail":"no rule permits it"}}]}"#;
    let waits = answer(
        "403 X",
        "content-type: application/problem+json\r\n",
        &format!(r#"{{"type":"t","title":"t","status":403,"code":"approval-required","approval":"{ID}"}}"#),
    );
    let plan = shown("executed", "null").replace(
        r#""decisions""#,
        r#""done":[{"step":0,"moved":[{"object":"principal 01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e","revision":4}]},
            {"step":1}],"decisions""#,
    );
    let executed =
        format!(r#"{{"approval":"{ID}","action":"apply_plan","entry":41,"result":{{"plan":{plan}}}}}"#);
    let server = Server::start(&authority, vec![json(checked), waits, json(&executed)]).await;
    let client = server.client(&authority);
    let ask = AskPlan {
        acts: vec![Base64Bytes::from(vec![0xa1, 1]), Base64Bytes::from(vec![0xa2])],
        reason: Some("as reviewed".into()),
        reason_code: None,
    };
    let acts = client.check_plan(&ask).await.unwrap().value.acts;
    assert_eq!((acts[0].approvers, acts[1].approvers), (Some(2), None));
    assert_eq!(acts[1].refused.as_ref().unwrap().code, "denied");
    assert_eq!(client.ask_plan(&ask).await.unwrap_err().approval(), Some(id()));
    let ExecutedResult::Plan(done) = client.ask_plan(&ask).await.unwrap().value.result else {
        panic!("another result")
    };
    let moved: Vec<_> = done.done.iter().map(|done| (done.step, done.moved.len())).collect();
    assert_eq!(moved, [(0, 1), (1, 0)]);
    let asked = server.asked();
    assert_eq!(asked[0].line(), "POST /v1/plans/check HTTP/1.1");
    assert_eq!(asked[1].line(), "POST /v1/plans HTTP/1.1");
    assert_eq!(asked[1].body, br#"{"acts":["oQE=","og=="],"reason":"as reviewed"}"#);
    assert_eq!(asked[2].body, asked[1].body);
}

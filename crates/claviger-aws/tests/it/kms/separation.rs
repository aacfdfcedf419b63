//! Who may do what: the duties that a ring keeps apart, and what a revocation does.

use claviger_audit::op::{Op, Outcome};
use claviger_core::Action;
use claviger_core::grant::Conditions;
use claviger_core::key::Event;
use claviger_core::principal::PrincipalKind;
use claviger_service::operation::{
    ChangeKeyState, CreateGrant, CreatePrincipal, GrantOn, RevokeGrant, RevokePrincipal,
};
use claviger_service::{KeyRef, PrincipalRef};
use serde_json::json;

use super::approver::{guarded, request_in};
use super::deployment::{Deployment, ring};

/// A policy that gives a principal a use.
fn policy(principal: &str) -> String {
    let account = json!({
        "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::000000000000:root" },
        "Action": "kms:*", "Resource": "*",
    });
    let statement = json!({
        "Sid": "use", "Effect": "Allow", "Principal": { "AWS": principal },
        "Action": "kms:Encrypt", "Resource": "*",
    });
    json!({ "Statement": [account, statement] }).to_string()
}

const APP: &str = "arn:aws:iam::000000000000:user/app";

#[tokio::test(flavor = "multi_thread")]
async fn who_uses_keys_of_a_strict_ring_administers_none() {
    let deployment = Deployment::build().await;
    let key = deployment.orders_key("cards").await.key.id.to_string();
    deployment.ask_as(&deployment.app, "Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" })).await.ok();
    for (operation, body) in [
        ("CreateKey", json!({})),
        ("CreateKey", json!({ "Tags": [{ "TagKey": "claviger:ring", "TagValue": "orders" }] })),
        ("ScheduleKeyDeletion", json!({ "KeyId": key })),
        ("CancelKeyDeletion", json!({ "KeyId": key })),
        ("DisableKey", json!({ "KeyId": key })),
        ("EnableKey", json!({ "KeyId": key })),
        ("CreateGrant", json!({ "KeyId": key, "GranteePrincipal": APP, "Operations": ["Encrypt"] })),
        ("ListGrants", json!({ "KeyId": key })),
        ("PutKeyPolicy", json!({ "KeyId": key, "Policy": policy(APP) })),
        ("CreateAlias", json!({ "AliasName": "alias/mine", "TargetKeyId": key })),
        ("EnableKeyRotation", json!({ "KeyId": key })),
        ("RotateKeyOnDemand", json!({ "KeyId": key })),
        ("TagResource", json!({ "KeyId": key, "Tags": [{ "TagKey": "a", "TagValue": "b" }] })),
        ("UpdateKeyDescription", json!({ "KeyId": key, "Description": "mine" })),
    ] {
        let answer = deployment.ask_as(&deployment.app, operation, body).await;
        answer.refused("AccessDeniedException");
        assert!(answer.entry().is_some(), "{operation}: a refusal is recorded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_other_rings_are_hidden_behind_one_answer() {
    let deployment = Deployment::build().await;
    let key = deployment.orders_key("cards").await.key.id.to_string();
    let sealed = deployment
        .ask_as(&deployment.app, "Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" }))
        .await
        .ok();
    deployment
        .ask("Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" }))
        .await
        .refused("AccessDeniedException");
    deployment.ask("DescribeKey", json!({ "KeyId": key })).await.refused("AccessDeniedException");
    // By what the ciphertext says, somebody could try; by its identifier, nobody can guess.
    let decrypt = json!({ "CiphertextBlob": sealed["CiphertextBlob"] });
    let hidden = deployment.ask("Decrypt", decrypt).await.refused("AccessDeniedException");
    assert!(hidden.contains("kms:Decrypt"), "{hidden}");
    let lost = json!({ "KeyId": "30313233-3435-4637-b839-616263646566" });
    deployment.ask("DescribeKey", lost).await.refused("NotFoundException");
    assert_eq!(deployment.ask("ListKeys", json!({})).await.ok()["Keys"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn destruction_in_a_ring_with_a_quorum_is_done_by_the_same_call_once_it_is_approved() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let custodians = guarded(&deployment).await;
    let schedule = json!({ "KeyId": key, "PendingWindowInDays": 7 });
    let asks = async || deployment.ask("ScheduleKeyDeletion", schedule.clone()).await;
    let state = async || deployment.ask("DescribeKey", json!({ "KeyId": key })).await.ok();
    let entries = async |from: u64| {
        let recorded = deployment.recorded_since(from).await;
        recorded.iter().map(|one| (one.op, one.outcome)).collect::<Vec<_>>()
    };
    let from = deployment.log_size().await;
    let request = request_in(&asks().await);
    assert_eq!(entries(from).await, [(Op::RequestApproval, Outcome::Ok)]);
    for custodian in &custodians {
        let from = deployment.log_size().await;
        assert_eq!(request_in(&asks().await), request);
        assert_eq!(entries(from).await, [(Op::ScheduleDestroy, Outcome::Denied)]);
        custodian.approve(&deployment, request).await;
    }
    assert_eq!(state().await["KeyMetadata"]["KeyState"], "Enabled");
    // Another window is another request.
    let other = json!({ "KeyId": key, "PendingWindowInDays": 8 });
    assert_ne!(request_in(&deployment.ask("ScheduleKeyDeletion", other).await), request);
    let from = deployment.log_size().await;
    assert_eq!(asks().await.ok()["KeyState"], "PendingDeletion");
    assert_eq!(entries(from).await, [(Op::ScheduleDestroy, Outcome::Ok)]);
    asks().await.refused("KMSInvalidStateException");
    // What was taken back is asked for anew.
    deployment.ask("CancelKeyDeletion", json!({ "KeyId": key })).await.ok();
    assert_ne!(request_in(&asks().await), request);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_administrator_suspends_is_disabled_at_once() {
    let deployment = Deployment::build().await;
    let key = deployment.orders_key("cards").await.key.id;
    let change = |event| ChangeKeyState::new(KeyRef::Id(key), None, event).unwrap();
    let encrypt = json!({ "KeyId": key.to_string(), "Plaintext": "aGk=" });
    for _ in 0..3 {
        let sealed = deployment.ask_as(&deployment.app, "Encrypt", encrypt.clone()).await.ok();
        let decrypt = json!({ "CiphertextBlob": sealed["CiphertextBlob"] });
        deployment.does("ada", change(Event::Suspend)).await;
        deployment.ask_as(&deployment.app, "Encrypt", encrypt.clone()).await.refused("DisabledException");
        deployment.ask_as(&deployment.app, "Decrypt", decrypt.clone()).await.refused("DisabledException");
        deployment.does("ada", change(Event::Resume)).await;
        assert_eq!(deployment.ask_as(&deployment.app, "Decrypt", decrypt).await.ok()["Plaintext"], "aGk=");
    }
    deployment.does("ada", change(Event::Compromise)).await;
    deployment.ask_as(&deployment.app, "Encrypt", encrypt).await.refused("KMSInvalidStateException");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_comes_with_its_key_or_neither_does() {
    let deployment = Deployment::build().await;
    let from = deployment.log_size().await;
    let key = deployment.create_key(json!({ "Policy": policy(APP) })).await;
    let recorded = deployment.recorded_since(from).await;
    let [_, created, set, given] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!((created.op, set.op, given.op), (Op::CreateKey, Op::PutKeyPolicy, Op::DelegateGrant));
    assert!(created.key.is_some() && created.key == set.key && created.key == given.key);
    assert_eq!((set.index, given.index), (created.index + 1, created.index + 2));
    deployment.ask_as(&deployment.app, "Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" })).await.ok();
    let kept = deployment.ask("GetKeyPolicy", json!({ "KeyId": key })).await.ok();
    assert!(kept["Policy"].as_str().unwrap().contains(APP), "{kept}");
    for (principal, code) in [
        ("arn:aws:iam::000000000000:user/nobody", "MalformedPolicyDocumentException"),
        // Who grants rights uses nothing, wherever it is, and is nobody to applications.
        ("arn:aws:iam::000000000000:user/otto", "MalformedPolicyDocumentException"),
    ] {
        let answer = deployment.ask("CreateKey", json!({ "Policy": policy(principal) })).await;
        answer.refused(code);
        let last = deployment.recorded_since(answer.entry().unwrap()).await;
        assert!(
            matches!(&last[..], [recorded] if recorded.op == Op::CreateKey && recorded.outcome != Outcome::Ok),
            "{last:?}"
        );
    }
    // Who may create, and no more, gives nobody anything.
    let grant = CreateGrant {
        principal: PrincipalRef::Name("app".parse().unwrap()),
        on: GrantOn::Ring(ring("evaluation")),
        operations: vec![Action::CreateKey],
        conditions: Conditions::default(),
        name: None,
        retiring: None,
    };
    deployment.does("otto", grant).await;
    let tags = json!([{ "TagKey": "claviger:ring", "TagValue": "evaluation" }]);
    let create = json!({ "Tags": tags, "Policy": policy(APP) });
    deployment.ask_as(&deployment.app, "CreateKey", create).await.refused("AccessDeniedException");
    assert_eq!(deployment.ask("ListKeys", json!({})).await.ok()["Keys"].as_array().unwrap().len(), 1);
    deployment.ask_as(&deployment.app, "CreateKey", json!({ "Tags": tags })).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_policies_show_only_what_is_honoured() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let on_key = |operations: Vec<Action>| CreateGrant {
        principal: PrincipalRef::Name("app".parse().unwrap()),
        on: GrantOn::Key(KeyRef::Id(key.parse().unwrap())),
        operations,
        conditions: Conditions::default(),
        name: None,
        retiring: None,
    };
    let all = vec![Action::Encrypt, Action::DelegateGrant, Action::ReadKeyGrants, Action::PutKeyPolicy];
    let root = deployment.does("otto", on_key(all)).await;
    // `app` passes on, one by one and by a policy, to the other application.
    let other = "arn:aws:iam::000000000000:user/tool";
    let single = json!({ "KeyId": key, "GranteePrincipal": other, "Operations": ["Encrypt"] });
    let single = deployment.ask_as(&deployment.app, "CreateGrant", single).await.ok()["GrantId"].clone();
    let put = json!({ "KeyId": key, "Policy": policy(other) });
    deployment.ask_as(&deployment.app, "PutKeyPolicy", put).await.ok();
    let listed = async || {
        let grants = deployment.ask("ListGrants", json!({ "KeyId": key })).await.ok();
        let policy = deployment.ask("GetKeyPolicy", json!({ "KeyId": key })).await.ok();
        let shown = grants["Grants"].as_array().unwrap().iter().any(|grant| grant["GrantId"] == single);
        (shown, policy["Policy"].as_str().unwrap().contains(other))
    };
    assert_eq!(listed().await, (true, true));
    deployment.does("otto", RevokeGrant { grant: root.id }).await;
    assert_eq!(listed().await, (false, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_disclosed_only_to_who_could_give_the_right_and_only_of_those_who_could_have_it() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let name = |name: &str| PrincipalRef::Name(name.parse().unwrap());
    let gone = CreatePrincipal {
        name: "gone".parse().unwrap(),
        kind: PrincipalKind::Workload,
        home: None,
        environment: None,
        same_person_as: None,
    };
    deployment.does("ada", gone).await;
    deployment.does("otto", RevokePrincipal { principal: name("gone") }).await;
    let arn = |who: &str| format!("arn:aws:iam::000000000000:user/{who}");
    let wish = |to: &str, operation: &str| json!({ "KeyId": key, "GranteePrincipal": arn(to), "Operations": [operation] });

    // To whom nothing can be given, by a role or because it was revoked, is like one that never was.
    let mut said = Vec::new();
    for who in ["nobody", "otto", "gone"] {
        let alone = deployment.ask("CreateGrant", wish(who, "Encrypt")).await;
        let mut retiring = wish("app", "Encrypt");
        retiring["RetiringPrincipal"] = json!(arn(who));
        let retiring = deployment.ask("CreateGrant", retiring).await;
        let policy =
            deployment.ask("PutKeyPolicy", json!({ "KeyId": key, "Policy": policy(&arn(who)) })).await;
        let listed =
            deployment.ask("ListGrants", json!({ "KeyId": key, "GranteePrincipal": arn(who) })).await;
        assert_eq!(listed.ok()["Grants"], json!([]), "{who}");
        let words = [
            alone.refused("InvalidArnException"),
            retiring.refused("InvalidArnException"),
            policy.refused("MalformedPolicyDocumentException"),
        ];
        assert!(alone.entry().is_some(), "each attempt is recorded");
        said.push(words.map(|text| text.replace(&arn(who), "X")));
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0], said[2]);

    // Who could not give that right to anybody is refused for that, whomever it names.
    let grant = CreateGrant {
        principal: name("app"),
        on: GrantOn::Key(KeyRef::Id(key.parse().unwrap())),
        operations: vec![Action::Encrypt, Action::DelegateGrant],
        conditions: Conditions::default(),
        name: None,
        retiring: None,
    };
    deployment.does("otto", grant).await;
    let mut said = Vec::new();
    for who in ["nobody", "otto", "tool"] {
        let refused = deployment.ask_as(&deployment.app, "CreateGrant", wish(who, "Decrypt")).await;
        said.push(refused.refused("AccessDeniedException").replace(&arn(who), "X"));
    }
    assert!(said.iter().all(|one| *one == said[0]), "{said:?}");
    deployment
        .ask_as(&deployment.app, "CreateGrant", wish("nobody", "Encrypt"))
        .await
        .refused("InvalidArnException");
    deployment.ask_as(&deployment.app, "CreateGrant", wish("tool", "Encrypt")).await.ok();
}

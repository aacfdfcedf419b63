//! Key policies: given back as they were put while what they gave stands, and meaning what AWS means by them.

use claviger_core::Action;
use claviger_core::port::store::Page;
use claviger_core::principal::PrincipalKind;
use claviger_service::operation::{
    CreatePrincipal, ListGrants, PolicyStatus, ReadKey, RevokeGrant, WithPolicyStatus,
};
use claviger_service::{KeyRef, PrincipalRef};
use serde_json::{Value, json};

use super::deployment::{DAY, Deployment};

const ROOT: &str = "arn:aws:iam::000000000000:root";
const APP: &str = "arn:aws:iam::000000000000:user/app";
const ROLE: &str = "arn:aws:iam::000000000000:role/service-role/app";

fn account() -> Value {
    json!({ "Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": { "AWS": ROOT },
            "Action": "kms:*", "Resource": "*" })
}

fn allow(sid: &str, principal: &str, actions: &[&str]) -> Value {
    json!({ "Sid": sid, "Effect": "Allow", "Principal": { "AWS": principal }, "Action": actions, "Resource": "*" })
}

/// A document as somebody would write it: with another order and more room than any program has.
fn document(statements: &[Value]) -> String {
    let statements: Vec<_> = statements.iter().map(|one| format!("    {one}")).collect();
    format!(
        "{{\n  \"Id\":   \"key-consolepolicy-3\",\n  \"Statement\": [\n{}\n  ],\n  \"Version\": \"2012-10-17\"\n}}\n",
        statements.join(",\n")
    )
}

async fn policy_of(deployment: &Deployment, key: &str) -> String {
    let read = deployment.ask("GetKeyPolicy", json!({ "KeyId": key })).await.ok();
    read["Policy"].as_str().unwrap().to_owned()
}

async fn put(deployment: &Deployment, key: &str, policy: &str) {
    deployment.ask("PutKeyPolicy", json!({ "KeyId": key, "Policy": policy })).await.ok();
}

async fn status(deployment: &Deployment, key: &str) -> Option<PolicyStatus> {
    let read = ReadKey { key: KeyRef::Id(key.parse().unwrap()) };
    deployment.does("ada", WithPolicyStatus(read)).await.1
}

/// Makes an application without rights.
async fn application(deployment: &Deployment, name: &str) {
    let create = CreatePrincipal {
        name: name.parse().unwrap(),
        kind: PrincipalKind::Workload,
        home: None,
        environment: None,
        same_person_as: None,
    };
    deployment.does("ada", create).await;
}

/// Ends what a policy gave a principal, as the security officer.
async fn revoke(deployment: &Deployment, key: &str, principal: &str) {
    let list = ListGrants {
        principal: Some(PrincipalRef::Name(principal.parse().unwrap())),
        key: Some(KeyRef::Id(key.parse().unwrap())),
        ring: None,
        with_revoked: false,
        page: Page { after: None, limit: 100 },
    };
    let grants = deployment.does("otto", list).await;
    let mut ended = 0;
    for found in grants {
        if found.grant.name.as_deref().is_some_and(|name| name.starts_with("key-policy/")) {
            deployment.does("otto", RevokeGrant { grant: found.grant.id }).await;
            ended += 1;
        }
    }
    assert!(ended > 0, "{principal} had something");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_given_back_byte_for_byte() {
    let deployment = Deployment::build().await;
    let use_of_key =
        allow("Allow use of the key", APP, &["kms:Encrypt", "kms:ReEncrypt*", "kms:DescribeKey"]);
    let one = document(&[account(), use_of_key.clone()]);
    let key = deployment.create_key(json!({ "Policy": one })).await;
    assert_eq!(policy_of(&deployment, &key).await, one);
    assert_eq!(status(&deployment, &key).await, Some(PolicyStatus::AsPut));
    // The same rights in other words: nothing is given anew, and the new words are kept.
    let from = deployment.log_size().await;
    let two = one.replace("    ", "\t");
    assert_ne!(one, two);
    put(&deployment, &key, &two).await;
    assert_eq!(policy_of(&deployment, &key).await, two);
    let entries = deployment.recorded_since(from).await;
    assert!(
        entries.iter().all(|recorded| recorded.op != claviger_audit::op::Op::DelegateGrant),
        "{entries:?}"
    );
    // A policy that gives nothing, and one that was never put.
    let bare = document(&[account()]);
    put(&deployment, &key, &bare).await;
    assert_eq!(policy_of(&deployment, &key).await, bare);
    let made_with_it = deployment.create_key(json!({ "Policy": bare })).await;
    assert_eq!(policy_of(&deployment, &made_with_it).await, bare);
    let without = deployment.create_key(json!({})).await;
    assert!(policy_of(&deployment, &without).await.contains(ROOT));
    assert_eq!(status(&deployment, &without).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_act_ended_is_not_in_what_is_given_back() {
    let deployment = Deployment::build().await;
    application(&deployment, "shop").await;
    let shop = "arn:aws:iam::000000000000:role/shop";
    let text = document(&[
        account(),
        allow("one", APP, &["kms:Encrypt"]),
        allow("two", shop, &["kms:Decrypt", "kms:Verify"]),
    ]);
    let key = deployment.create_key(json!({ "Policy": text })).await;
    revoke(&deployment, &key, "app").await;
    assert_eq!(status(&deployment, &key).await, Some(PolicyStatus::InPart));
    let left: Value = serde_json::from_str(&policy_of(&deployment, &key).await).unwrap();
    let [root, two] = &left["Statement"].as_array().unwrap()[..] else { panic!("{left}") };
    assert_eq!(root["Principal"], json!({ "AWS": ROOT }));
    assert_eq!(two["Sid"], "two");
    // A role is written as the role that it was given as.
    assert_eq!(two["Principal"], json!({ "AWS": [shop] }));
    assert_eq!(two["Action"], json!(["kms:Decrypt", "kms:Verify"]));
    // Put once more, it is the policy again.
    put(&deployment, &key, &text).await;
    assert_eq!(policy_of(&deployment, &key).await, text);
    assert_eq!(status(&deployment, &key).await, Some(PolicyStatus::AsPut));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_time_is_over_is_still_what_was_put() {
    let deployment = Deployment::build().await;
    let mut timed = allow("for a day", APP, &["kms:Encrypt"]);
    let end = jiff::Timestamp::from_microsecond(
        i64::try_from(deployment.clock.in_seconds(86_400).as_micros()).unwrap(),
    )
    .unwrap();
    timed["Condition"] = json!({ "DateLessThan": { "aws:CurrentTime": end.to_string() } });
    let text = document(&[account(), timed]);
    let key = deployment.create_key(json!({ "Policy": text })).await;
    let encrypt = json!({ "KeyId": key, "Plaintext": "aGk=" });
    deployment.ask_as(&deployment.app, "Encrypt", encrypt.clone()).await.ok();
    deployment.clock.advance(DAY * 2);
    deployment.ask_as(&deployment.app, "Encrypt", encrypt).await.refused("AccessDeniedException");
    assert_eq!(policy_of(&deployment, &key).await, text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_the_console_is_taken_and_its_patterns_lose_nothing() {
    let deployment = Deployment::build().await;
    application(&deployment, "bob").await;
    let bob = "arn:aws:iam::000000000000:user/bob";
    let administer = [
        "kms:Create*",
        "kms:Describe*",
        "kms:Enable*",
        "kms:List*",
        "kms:Put*",
        "kms:Update*",
        "kms:Revoke*",
        "kms:Disable*",
        "kms:Get*",
        "kms:Delete*",
        "kms:TagResource",
        "kms:UntagResource",
        "kms:ScheduleKeyDeletion",
        "kms:CancelKeyDeletion",
        "kms:RotateKeyOnDemand",
    ];
    let uses = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"];
    let mut persistent = allow(
        "Allow attachment of persistent resources",
        bob,
        &["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
    );
    persistent["Condition"] = json!({ "Bool": { "kms:GrantIsForAWSResource": true } });
    let text = document(&[
        account(),
        allow("Allow access for Key Administrators", APP, &administer),
        allow("Allow use of the key", bob, &uses),
        persistent,
    ]);
    let key = deployment.create_key(json!({ "Policy": text })).await;
    assert_eq!(policy_of(&deployment, &key).await, text);
    let grant = json!({ "KeyId": key, "GranteePrincipal": bob, "Operations": ["DescribeKey"] });
    for (operation, body) in [
        ("GetKeyRotationStatus", json!({ "KeyId": key })),
        ("ListResourceTags", json!({ "KeyId": key })),
        ("ListKeyPolicies", json!({ "KeyId": key })),
        ("GetKeyPolicy", json!({ "KeyId": key })),
        ("ListKeyRotations", json!({ "KeyId": key })),
        ("EnableKeyRotation", json!({ "KeyId": key })),
        ("CreateGrant", grant),
    ] {
        deployment.ask_as(&deployment.app, operation, body).await.ok();
    }
    let refused = deployment.ask_as(&deployment.app, "Encrypt", json!({ "KeyId": key, "Plaintext": "aGk=" }));
    refused.await.refused("AccessDeniedException");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_names_its_role_as_it_was_named() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let session = "arn:aws:sts::000000000000:assumed-role/tool/session";
    let wish = |grantee: &str| {
        json!({
            "KeyId": key, "GranteePrincipal": grantee, "RetiringPrincipal": session,
            "Operations": ["Encrypt"], "Name": "one",
        })
    };
    let first = deployment.ask("CreateGrant", wish(ROLE)).await.ok();
    let listed = deployment.ask("ListGrants", json!({ "KeyId": key })).await.ok();
    let [grant] = &listed["Grants"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&grant["GranteePrincipal"], &grant["RetiringPrincipal"]), (&json!(ROLE), &json!(session)));
    // The same call finds it; under another name of the same principal it is another grant.
    assert_eq!(deployment.ask("CreateGrant", wish(ROLE)).await.ok()["GrantId"], first["GrantId"]);
    let other = deployment.ask("CreateGrant", wish(APP)).await.ok();
    assert_ne!(other["GrantId"], first["GrantId"]);
    let of_app = json!({ "KeyId": key, "GranteePrincipal": APP });
    let mut arns: Vec<_> = deployment.ask("ListGrants", of_app).await.ok()["Grants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|grant| grant["GranteePrincipal"].as_str().unwrap().to_owned())
        .collect();
    arns.sort();
    assert_eq!(arns, [ROLE, APP]);
    let retirable = deployment.ask("ListRetirableGrants", json!({ "RetiringPrincipal": session })).await.ok();
    assert_eq!(retirable["Grants"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_joins_administration_and_use_is_refused_on_a_strict_ring() {
    let deployment = Deployment::build().await;
    let key = deployment.orders_key("cards").await.key.id.to_string();
    let text = document(&[account(), allow("all", APP, &["kms:*"])]);
    let answer =
        deployment.ask_as(&deployment.app, "PutKeyPolicy", json!({ "KeyId": key, "Policy": text })).await;
    let said = answer.refused("AccessDeniedException");
    assert!(said.contains("application_on_control_surface"), "{said}");
    assert!(answer.entry().is_some());
    let tags = json!([{ "TagKey": "claviger:ring", "TagValue": "orders" }]);
    let create = json!({ "Policy": text, "Tags": tags });
    deployment.ask_as(&deployment.app, "CreateKey", create).await.refused("AccessDeniedException");
    assert!(Action::PutKeyPolicy.is_grantable_when_relaxed() && !Action::PutKeyPolicy.is_grantable());
}

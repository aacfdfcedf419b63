//! What is more than a call may bring, or no call at all.

use claviger_core::grant::MAX_ACTIVE;
use http::{Method, Request};
use serde_json::json;

use super::deployment::{Deployment, LIMITS};
use super::signer::call;

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_call_may_bring_is_refused() {
    let deployment = Deployment::build().await;
    let body =
        |length: usize| format!("{{\"NumberOfBytes\":8,\"x\":\"{}\"}}", "x".repeat(length)).into_bytes();
    deployment.ask_with(&deployment.tool, "GenerateRandom", &body(LIMITS.body - 100)).await.ok();
    let large = deployment.ask_with(&deployment.tool, "GenerateRandom", &body(LIMITS.body)).await;
    let message = large.refused("ValidationException");
    assert!(message.contains(&LIMITS.body.to_string()), "{message}");

    let now = deployment.clock.in_seconds(0);
    let padded = |length: usize| {
        let mut request = call("GenerateRandom", b"{\"NumberOfBytes\":8}");
        request.headers_mut().insert("x-padding", "x".repeat(length).parse().unwrap());
        deployment.tool.sign(now, request)
    };
    deployment.send(padded(LIMITS.headers - 2000)).await.ok();
    deployment.send(padded(LIMITS.headers)).await.refused("ValidationException");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_bounded_by_what_comes_and_not_by_what_it_announces() {
    let deployment = Deployment::build().await;
    let now = deployment.clock.in_seconds(0);
    let announced = |length: &str| {
        let mut request = deployment.tool.sign(now, call("GenerateRandom", b"{\"NumberOfBytes\":8}"));
        request.headers_mut().insert("content-length", length.parse().unwrap());
        request
    };
    deployment.send(announced("18")).await.ok();
    deployment.send(announced(&(LIMITS.body + 1).to_string())).await.refused("ValidationException");
    let mut more = announced("18");
    more.body_mut().resize(LIMITS.body + 1, b' ');
    deployment.send(more).await.refused("ValidationException");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_as_many_grants_as_aws_allows_takes_one_more_when_one_has_ended() {
    let deployment = Deployment::build().await;
    let key = deployment.create_key(json!({})).await;
    let app = "arn:aws:iam::000000000000:user/app";
    let grant = |document: &str| {
        let constraints = json!({ "EncryptionContextEquals": { "document": document } });
        let wish = json!({ "KeyId": key, "GranteePrincipal": app, "Operations": ["Encrypt"], "Constraints": constraints });
        deployment.ask("CreateGrant", wish)
    };
    let first = grant("1").await.ok();
    // As if there were as many as there can be, save one.
    let filled = rusqlite::Connection::open(deployment.database()).unwrap();
    assert!(
        filled
            .execute("UPDATE grant_count SET active = ?1", [i64::try_from(MAX_ACTIVE - 1).unwrap()])
            .unwrap()
            > 0
    );
    drop(filled);
    grant("2").await.ok();
    let message = grant("3").await.refused("LimitExceededException");
    assert!(message.contains(&MAX_ACTIVE.to_string()), "{message}");
    deployment.ask("RevokeGrant", json!({ "KeyId": key, "GrantId": first["GrantId"] })).await.ok();
    grant("3").await.ok();
    grant("4").await.refused("LimitExceededException");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_no_operation_is_unknown() {
    let deployment = Deployment::build().await;
    let now = deployment.clock.in_seconds(0);
    let changed = |edit: fn(&mut Request<Vec<u8>>)| {
        let mut request = call("GenerateRandom", b"{\"NumberOfBytes\":8}");
        edit(&mut request);
        deployment.tool.sign(now, request)
    };
    for edit in [
        (|request| *request.method_mut() = Method::GET) as fn(&mut Request<Vec<u8>>),
        |request| *request.method_mut() = Method::PUT,
        |request| *request.uri_mut() = "/keys".parse().unwrap(),
        |request| *request.uri_mut() = "/kms/xks/v1/keys/a/encrypt".parse().unwrap(),
        |request| drop(request.headers_mut().remove("x-amz-target")),
        |request| drop(request.headers_mut().insert("x-amz-target", "TrentService.".parse().unwrap())),
        |request| drop(request.headers_mut().insert("x-amz-target", "GenerateRandom".parse().unwrap())),
        |request| {
            drop(request.headers_mut().insert("x-amz-target", "TrentService.generateRandom".parse().unwrap()))
        },
        |request| {
            drop(
                request.headers_mut().insert("x-amz-target", "DynamoDB_20120810.ListTables".parse().unwrap()),
            )
        },
    ] {
        let request = changed(edit);
        let recorded = format!("{request:?}");
        let answer = deployment.send(request).await;
        assert_eq!(answer.json()["__type"], "UnknownOperationException", "{recorded} {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_two_operations_is_ambiguous() {
    let deployment = Deployment::build().await;
    let mut request = call("GenerateRandom", b"{\"NumberOfBytes\":8}");
    request.headers_mut().append("x-amz-target", "TrentService.ListKeys".parse().unwrap());
    let request = deployment.tool.sign(deployment.clock.in_seconds(0), request);
    deployment.send(request).await.refused("IncompleteSignatureException");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_content_type_distinguishes_json_from_forms_and_nothing_else() {
    let deployment = Deployment::build().await;
    let now = deployment.clock.in_seconds(0);
    let of_type = |value: &str| {
        let mut request = call("GenerateRandom", b"{\"NumberOfBytes\":8}");
        request.headers_mut().insert("content-type", value.parse().unwrap());
        deployment.tool.sign(now, request)
    };
    for valid in ["application/x-amz-json-1.1", "application/json", "text/plain"] {
        deployment.send(of_type(valid)).await.ok();
    }
    // A form is one of STS, where the signature is for another service.
    let form = deployment.send(of_type("application/x-www-form-urlencoded")).await;
    assert_eq!(form.status.as_u16(), 403);
    assert_eq!(form.header("content-type"), Some("text/xml"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_object_are_refused() {
    let deployment = Deployment::build().await;
    for body in [
        &b"["[..],
        b"[]",
        b"null",
        b"7",
        b"\"x\"",
        b"{\"a\":1}x",
        b"{\"NumberOfBytes\":8,}",
        b"\xff",
        b"{\"\xff\":1}",
    ] {
        deployment.ask_with(&deployment.tool, "GenerateRandom", body).await.refused("SerializationException");
    }
    let twice = b"{\"NumberOfBytes\":8,\"NumberOfBytes\":9}";
    deployment.ask_with(&deployment.tool, "GenerateRandom", twice).await.refused("SerializationException");
    let deep = |member: &str| format!("{{\"{member}\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let recipient =
        deployment.ask_with(&deployment.tool, "GenerateRandom", deep("Recipient").as_bytes()).await;
    recipient.refused("SerializationException");
    let passed_over = deployment.ask_with(&deployment.tool, "ListKeys", deep("NotAMember").as_bytes()).await;
    passed_over.ok();
    // Nothing is an object that says nothing.
    deployment.ask_with(&deployment.tool, "ListKeys", b"").await.ok();
    let unknown = json!({ "NumberOfBytes": 8, "NotAMember": { "deep": [1, 2] } });
    deployment.ask("GenerateRandom", unknown).await.ok();
}

//! Who signs: what passes, and in which words each defect is refused.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use claviger_access::authn::access_key::instant::format;
use claviger_service::operation::{NewCredential, RevokeCredential};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::deployment::{Answer, Deployment, HOUR, access_key};
use super::signer::{Signer, call};

const UNKNOWN: &str = "The security token included in the request is invalid.";

async fn random(deployment: &Deployment, signer: &Signer) -> Answer {
    deployment.ask_as(signer, "GenerateRandom", json!({ "NumberOfBytes": 8 })).await
}

/// A call that was signed so many seconds from now, or ago.
async fn signed_at(deployment: &Deployment, signer: &Signer, seconds: i64) -> Answer {
    let call = call("GenerateRandom", b"{\"NumberOfBytes\":8}");
    deployment.send(signer.sign(deployment.clock.in_seconds(seconds), call)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_defect_of_a_signature_has_its_words() {
    let deployment = Deployment::build().await;
    random(&deployment, &deployment.tool).await.ok();
    let with = |edit: fn(&mut Signer)| {
        let mut signer = deployment.tool.clone();
        edit(&mut signer);
        signer
    };
    for (signer, code, message) in [
        (with(|key| key.id = "AKIAIOSFODNN7EXAMPLE".into()), "UnrecognizedClientException", UNKNOWN),
        (with(|key| key.token = Some("no token".into())), "UnrecognizedClientException", UNKNOWN),
        (
            with(|key| key.region = "eu-west-1"),
            "InvalidSignatureException",
            "Credential should be scoped to a valid region.",
        ),
        (
            with(|key| key.service = "s3"),
            "InvalidSignatureException",
            "Credential should be scoped to correct service.",
        ),
        (
            with(|key| key.service = "sts"),
            "InvalidSignatureException",
            "Credential should be scoped to correct service.",
        ),
    ] {
        assert_eq!(random(&deployment, &signer).await.refused(code), message);
    }
    let forged = with(|key| key.secret.insert(0, 'x'));
    let message = random(&deployment, &forged).await.refused("InvalidSignatureException");
    assert!(message.starts_with("The request signature we calculated does not match"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_or_not_wholly_signed_is_refused() {
    let deployment = Deployment::build().await;
    let unsigned = call("GenerateRandom", b"{}");
    deployment.send(unsigned).await.refused("MissingAuthenticationTokenException");
    let now = deployment.clock.in_seconds(0);
    let signed = || deployment.tool.sign(now, call("GenerateRandom", b"{\"NumberOfBytes\":8}"));
    let changed = |edit: fn(&mut Request<Vec<u8>>)| {
        let mut request = signed();
        edit(&mut request);
        request
    };
    deployment.send(signed()).await.ok();
    for (edit, code) in [
        ((|request| request.body_mut().push(b' ')) as fn(&mut Request<Vec<u8>>), "InvalidSignatureException"),
        (|request| drop(request.headers_mut().remove("x-amz-date")), "IncompleteSignatureException"),
        (|request| drop(request.headers_mut().remove("host")), "IncompleteSignatureException"),
        (
            |request| drop(request.headers_mut().insert("x-amz-more", "1".parse().unwrap())),
            "IncompleteSignatureException",
        ),
        (
            |request| {
                let other = "TrentService.ListKeys".parse().unwrap();
                request.headers_mut().insert("x-amz-target", other);
            },
            "InvalidSignatureException",
        ),
        (
            |request| {
                drop(request.headers_mut().insert("authorization", "AWS4-HMAC-SHA256 x".parse().unwrap()))
            },
            "IncompleteSignatureException",
        ),
    ] {
        deployment.send(changed(edit)).await.refused(code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_may_differ_by_five_minutes_and_clients_learn_when_they_do_not_agree() {
    let deployment = Deployment::build().await;
    for seconds in [-290, 290] {
        signed_at(&deployment, &deployment.tool, seconds).await.ok();
    }
    let (early, late) = (format(deployment.clock.in_seconds(-310)), format(deployment.clock.in_seconds(330)));
    let old = signed_at(&deployment, &deployment.tool, -310).await.refused("InvalidSignatureException");
    assert!(old.starts_with("Signature expired: ") && old.ends_with(" - 5 min.)"), "{old}");
    assert!(old.contains(&early[..11]), "{old}");
    let young = signed_at(&deployment, &deployment.tool, 330).await.refused("InvalidSignatureException");
    assert!(young.starts_with("Signature not yet current: ") && young.ends_with(" + 5 min.)"), "{young}");
    assert!(young.contains(&late[..11]), "{young}");
    // The clock of this deployment may be the one that went wrong.
    deployment.clock.advance(HOUR);
    signed_at(&deployment, &deployment.tool, -3600).await.refused("InvalidSignatureException");
    signed_at(&deployment, &deployment.tool, 0).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_access_key_is_unknown_at_once() {
    let deployment = Deployment::build().await;
    let lifetime = HOUR;
    let made = deployment.does("ada", access_key("tool", NewCredential::AccessKey { lifetime })).await;
    let second = Signer::new(&made);
    random(&deployment, &second).await.ok();
    deployment.does("otto", RevokeCredential { credential: made.credential.id }).await;
    assert_eq!(random(&deployment, &second).await.refused("UnrecognizedClientException"), UNKNOWN);
    random(&deployment, &deployment.tool).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_key_that_is_over_is_unknown_and_a_session_that_is_over_is_expired() {
    let deployment = Deployment::build().await;
    let lifetime = HOUR;
    let lasting = deployment.does("ada", access_key("tool", NewCredential::AccessKey { lifetime })).await;
    let short = deployment.does("ada", access_key("tool", NewCredential::ShortLived { lifetime })).await;
    let (lasting, short) = (Signer::new(&lasting), Signer::new(&short));
    for signer in [&lasting, &short] {
        random(&deployment, signer).await.ok();
    }
    deployment.clock.advance(lifetime);
    assert_eq!(random(&deployment, &lasting).await.refused("UnrecognizedClientException"), UNKNOWN);
    let over = random(&deployment, &short).await.refused("ExpiredTokenException");
    assert_eq!(over, "The security token included in the request is expired");
    let without = Signer { token: None, ..short };
    assert_eq!(random(&deployment, &without).await.refused("UnrecognizedClientException"), UNKNOWN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_presigned_call_counts_for_the_time_it_says() {
    let deployment = Deployment::build().await;
    let presigned = Signer { presigned_for: Some(HOUR), ..deployment.tool.clone() };
    signed_at(&deployment, &presigned, 0).await.ok();
    signed_at(&deployment, &presigned, -3590).await.ok();
    let over = signed_at(&deployment, &presigned, -3610).await.refused("InvalidSignatureException");
    assert!(over.starts_with("Signature expired: "), "{over}");
    let week = Signer { presigned_for: Some(Duration::from_secs(7 * 86_400)), ..presigned.clone() };
    signed_at(&deployment, &week, -86_400).await.ok();
    let more = call("GenerateRandom", b"{\"NumberOfBytes\":8}");
    let mut more = week.sign(deployment.clock.in_seconds(0), more);
    *more.uri_mut() =
        more.uri().to_string().replace("X-Amz-Expires=604800", "X-Amz-Expires=604801").parse().unwrap();
    deployment.send(more).await.refused("IncompleteSignatureException");
}

#[tokio::test(flavor = "multi_thread")]
async fn sts_says_who_signed_in_its_own_older_words() {
    let deployment = Deployment::build().await;
    let ask = |signer: &Signer, body: &str| {
        let request =
            Request::post("/").header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        signer.sign(deployment.clock.in_seconds(0), request.body(body.as_bytes().to_vec()).unwrap())
    };
    let who = "Action=GetCallerIdentity&Version=2011-06-15";
    let sts = Signer { service: "sts", ..deployment.tool.clone() };
    let answer = deployment.send(ask(&sts, who)).await;
    assert_eq!(answer.json(), Value::Null);
    assert!(answer.text().contains("<Arn>arn:aws:iam::000000000000:user/tool</Arn>"), "{}", answer.text());
    assert!(answer.text().contains("<Account>000000000000</Account>"), "{}", answer.text());
    let forged = Signer { secret: "x".into(), ..sts.clone() };
    for (request, status, code) in [
        (ask(&sts, "Action=AssumeRole"), 403, "<Code>InvalidAction</Code>"),
        (ask(&forged, who), 403, "<Code>SignatureDoesNotMatch</Code>"),
        (
            ask(&Signer { id: "AKIAIOSFODNN7EXAMPLE".into(), ..sts.clone() }, who),
            403,
            "<Code>InvalidClientTokenId</Code>",
        ),
        (ask(&deployment.tool, who), 403, "<Code>SignatureDoesNotMatch</Code>"),
    ] {
        let answer = deployment.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        assert!(answer.text().contains(code), "{}", answer.text());
    }
}

/// A body that must not be looked at.
fn untouchable() -> Body {
    Body::new(Full::new(Bytes::from_static(b"{}")).map_frame(|_| panic!("the body was read")))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_unknown_learns_so_before_body_or_operation_is_looked_at() {
    let deployment = Deployment::build().await;
    let now = deployment.clock.in_seconds(0);
    let known = deployment.tool.clone();
    let unknown = Signer { id: "AKIAIOSFODNN7EXAMPLE".into(), ..known.clone() };
    let presigned = Signer { presigned_for: Some(Duration::from_secs(60)), ..unknown.clone() };
    for operation in ["GenerateRandom", "Explode"] {
        for signer in [&unknown, &presigned] {
            let mut request = signer.sign(now, call(operation, b"{}"));
            request.headers_mut().insert("content-length", "99999999999".parse().unwrap());
            deployment
                .send_body([127, 0, 0, 1], request.map(|_| untouchable()))
                .await
                .refused("UnrecognizedClientException");
        }
        let unsigned = call(operation, b"{}").map(|_| untouchable());
        deployment.send_body([127, 0, 0, 1], unsigned).await.refused("MissingAuthenticationTokenException");
    }
    // One that is known gets an answer about its operation, once it has signed.
    let request = known.sign(now, call("Explode", b"{}"));
    assert_eq!(deployment.send(request).await.json()["__type"], "UnknownOperationException");
}

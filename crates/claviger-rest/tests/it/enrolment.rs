//! Enrolment over REST: a code comes as a bearer token does, and does one thing; what awaits its confirmation does nothing.

use axum::body::Body;
use claviger_core::action::Surface;
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::deployment::{Answer, As, Deployment};

const ENROL: &str = "/v1/credentials/enrol";

async fn post(deployment: &Deployment, who: As<'_>, path: &str, body: Value) -> Answer {
    let request = Request::post(path).header(CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(body.to_string())).unwrap();
    deployment.send(Surface::Control, who, request).await
}

fn code_of(principal: &str) -> Value {
    json!({"principal": principal, "label": "laptop",
        "credential": {"enrolment_code": {"lifetime_seconds": 86_400}}})
}

#[tokio::test]
async fn a_code_is_shown_once_and_redeemed_once() {
    let deployment = Deployment::build().await;
    let made = deployment.control("vera", Method::POST, "/v1/credentials", code_of("vera")).await.ok().json();
    let (code, id) = (made["enrolment_code"].as_str().unwrap(), &made["credential"]["id"]);
    assert!(code.starts_with("cve_") && made.get("token").is_none(), "{made}");
    assert_eq!(made["credential"]["kind"], "enrolment_code");
    // It is good for nothing else, on neither plane.
    let by = As::Token(code);
    post(&deployment, by, "/v1/rings", json!({"name": "orders"})).await.problem(403, "denied");
    let status = Request::get("/v1/system").body(Body::empty()).unwrap();
    deployment.send(Surface::Control, by, status).await.problem(403, "denied");
    let own = Request::post("/v1/credentials/renew").header(CONTENT_TYPE, "application/json");
    let own = own.body(Body::from(r#"{"credential":{"request":{"der":"MAA="}}}"#)).unwrap();
    deployment.send(Surface::Data, by, own).await.problem(403, "denied");
    for bad in [json!({}), json!({"request": "MAA=", "label": "x"}), json!({"request": 7})] {
        post(&deployment, by, ENROL, bad).await.problem(400, "malformed-request");
    }
    let enrol = || json!({"request": "MAA=", "lifetime_seconds": 3600});
    // Nobody enrols by anything else.
    post(&deployment, As::Name("vera"), ENROL, enrol()).await.problem(403, "denied");
    let done = post(&deployment, by, ENROL, enrol()).await.ok().json();
    assert_eq!((done["name"].as_str(), &done["credential"]["renews"]), (Some("vera"), id));
    assert!(done["certificate"].is_string() && done["credential"]["kind"] == "certificate", "{done}");
    post(&deployment, by, ENROL, enrol()).await.problem(401, "unauthenticated");
    // Applications have no such path.
    let there = Request::post(ENROL).header(CONTENT_TYPE, "application/json");
    let there = there.body(Body::from(enrol().to_string())).unwrap();
    let answer = deployment.send_unheld(Surface::Data, As::Name("app"), there).await;
    assert_eq!(answer.status.as_u16(), 404, "{answer:?}");
}

#[tokio::test]
async fn a_credential_to_be_confirmed_is_confirmed_by_its_holder() {
    let deployment = Deployment::build().await;
    let person = json!({"name": "nora", "kind": "human"});
    deployment.control("otto", Method::POST, "/v1/principals", person).await.ok();
    let made = |label: &str, to_confirm: bool| {
        json!({"principal": "nora", "label": label, "to_confirm": to_confirm, "credential": {"certificate": {
            "der": if to_confirm { "MAA=" } else { "MAE=" }, "expires_at": "2126-01-01T00:00:00Z"}}})
    };
    let create = async |body| deployment.control("olga", Method::POST, "/v1/credentials", body).await;
    create(made("early", true)).await.problem(409, "wrong-state");
    create(made("first", false)).await.ok();
    let second = create(made("second", true)).await.ok().json();
    assert_eq!(second["credential"]["awaits_confirmation"], true);
    let (first, second_certificate) = ([0x30, 0x01], [0x30, 0x00]);
    let confirm = format!("/v1/credentials/{}/confirm", second["credential"]["id"].as_str().unwrap());
    let ask = async |who| {
        let request = Request::post(&confirm).body(Body::empty()).unwrap();
        deployment.send(Surface::Control, who, request).await
    };
    ask(As::Certificate(&second_certificate)).await.problem(401, "unauthenticated");
    for other in ["olga", "otto", "ada"] {
        ask(As::Name(other)).await.problem(404, "not-found");
    }
    let confirmed = ask(As::Certificate(&first)).await.ok().json();
    assert!(confirmed.get("awaits_confirmation").is_none(), "{confirmed}");
    ask(As::Certificate(&second_certificate)).await.ok();
}

//! Why people act, as REST takes it, shows it and lets it be erased.

use http::Method;
use serde_json::{Value, json};

use crate::deployment::Deployment;

const KEY: &str = "/v1/keys/orders%2Fmain";

async fn suspended() -> Deployment {
    let deployment = Deployment::with_ring().await;
    deployment.key("main", "encrypt", "aes-256-gcm", &[]).await;
    let why = json!({"reason": "Mallory left with a laptop", "reason_code": "person_left"});
    deployment.control("ada", Method::POST, &format!("{KEY}/suspend"), why).await.ok();
    deployment
}

#[tokio::test]
async fn nothing_is_taken_away_in_silence() {
    let deployment = Deployment::with_ring().await;
    deployment.key("main", "encrypt", "aes-256-gcm", &[]).await;
    let step = async |verb: &str, body: Value| {
        deployment.control("ada", Method::POST, &format!("{KEY}/{verb}"), body).await
    };
    for verb in ["suspend", "deactivate", "compromise", "destroy"] {
        for silent in [Value::Null, json!({})] {
            let refused = step(verb, silent).await;
            refused.problem(400, "reason-required");
            let reported = refused.json();
            assert!(reported["detail"].as_str().unwrap().contains("say why"), "{reported}");
        }
        let refused = step(verb, json!({"reason_code": "precaution"})).await;
        refused.problem(400, "reason-required");
        let reported = refused.json();
        assert!(reported["detail"].as_str().unwrap().contains("in words"), "{reported}");
        step(verb, json!({"reason": "two\nlines"})).await.problem(400, "invalid-argument");
        step(verb, json!({"reason": "x".repeat(1025)})).await.problem(400, "invalid-argument");
        step(verb, json!({"reason": "r", "reason_code": "whim"})).await.problem(400, "malformed-request");
    }
    let grant = json!({"principal": "app", "on": {"ring": "orders"}, "operations": ["encrypt"]});
    deployment.control("otto", Method::POST, "/v1/grants", grant).await.problem(400, "reason-required");
    let relax = json!({"separation": "relaxed"});
    deployment
        .control("otto", Method::PUT, "/v1/rings/orders/separation", relax)
        .await
        .problem(400, "reason-required");
    for path in ["/v1/principals/app/revoke", "/v1/principals/vera/revoke"] {
        deployment.control("otto", Method::POST, path, Value::Null).await.problem(400, "reason-required");
    }
    assert_eq!(deployment.get("ada", KEY).await.ok().json()["state"], "active");
}

#[tokio::test]
async fn a_reason_is_shown_with_the_key_and_with_its_entry_until_it_is_erased() {
    let deployment = suspended().await;
    let key = deployment.get("vera", KEY).await.ok().json();
    let reason = &key["reason"];
    assert_eq!(
        (&reason["code"], &reason["text"]),
        (&json!("person_left"), &json!("Mallory left with a laptop"))
    );
    let entry = async || {
        let entries = deployment.get("vera", "/v1/audit/entries?operation=213").await.ok().json();
        entries["items"][0]["reason"].clone()
    };
    assert_eq!(entry().await, *reason);

    let path = format!("/v1/reasons/{}/erase", reason["id"].as_str().unwrap());
    let why = json!({"reason": "request 4711", "reason_code": "erasure_request"});
    deployment.control("ada", Method::POST, &path, why.clone()).await.problem(403, "denied");
    deployment.control("otto", Method::POST, &path, Value::Null).await.problem(400, "reason-required");
    let erased = deployment.control("otto", Method::POST, &path, why.clone()).await.ok().json();
    assert_eq!((&erased["id"], &erased["code"]), (&reason["id"], &reason["code"]));
    assert!(erased["erased_at"].is_string() && erased.get("text").is_none(), "{erased}");
    let shown = deployment.get("vera", KEY).await.ok().json()["reason"].clone();
    assert_eq!((&shown, &entry().await), (&erased, &erased));
    deployment
        .control("otto", Method::POST, &path.replace('-', "0"), why)
        .await
        .problem(400, "invalid-argument");
}

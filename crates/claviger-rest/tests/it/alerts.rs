//! Alerts over REST: listed, read, looked at and closed, by those who may.

use std::time::Duration;

use claviger_core::principal::{PrincipalKind, Role};
use http::Method;
use serde_json::{Value, json};

use crate::deployment::{Deployment, request};

/// A deployment in which an application has used a key that waits for its destruction.
async fn alarmed() -> Deployment {
    let rita = ("rita", PrincipalKind::Human, Some(Role::Responder));
    let deployment = Deployment::build_under(0, &[rita]).await;
    let ask = async |who: &str, method: Method, path: &str, body: Value| {
        deployment.control(who, method, path, body).await.ok();
    };
    ask("ada", Method::POST, "/v1/rings", json!({"name": "orders"})).await;
    let relax = json!({"separation": "relaxed", "reason": "evaluation"});
    ask("otto", Method::PUT, "/v1/rings/orders/separation", relax).await;
    ask("ada", Method::PATCH, "/v1/rings/orders", json!({"policy": {"quorum": 0}, "reason": "a test"})).await;
    deployment.key("main", "encrypt", "aes-256-gcm", &["encrypt"]).await;
    ask("ada", Method::POST, "/v1/keys/orders%2Fmain/destroy", json!({"reason": "over"})).await;
    let used = deployment.data("app", "/v1/keys/orders%2Fmain/encrypt", json!({"plaintext": "aGk="})).await;
    used.problem(409, "wrong-state");
    deployment
}

/// The alerts that a query lists, once there are any.
async fn listed(deployment: &Deployment, who: &str, query: &str) -> Vec<Value> {
    for _ in 0..200 {
        let page = deployment.get(who, &format!("/v1/alerts{query}")).await.ok().json();
        let items = page["items"].as_array().unwrap().clone();
        if !items.is_empty() {
            return items;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no alert is listed")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_listed_read_looked_at_and_closed() {
    let deployment = alarmed().await;
    let [alert]: [Value; 1] = listed(&deployment, "ada", "?state=open").await.try_into().unwrap();
    assert_eq!((&alert["rule"], &alert["state"]), (&json!("use_while_destroying"), &json!("open")));
    assert_eq!((&alert["subject_name"], &alert["count"]), (&json!("orders/main"), &json!(1)));
    assert!(alert["subject"].as_str().unwrap().starts_with("key "), "{alert}");
    assert!(alert["advice"].as_str().unwrap().contains("claviger audit search"), "{alert}");
    assert_eq!((&alert["triaged"], &alert["closed"]), (&Value::Null, &Value::Null));
    let path = format!("/v1/alerts/{}", alert["id"].as_str().unwrap());
    let read = deployment.get("vera", &path).await.ok();
    assert_eq!((read.json(), read.header("etag")), (alert.clone(), Some("\"1\"")));
    // Who watches sees that there is one, and not how the key is called.
    let seen = deployment.get("odile", &path).await.ok().json();
    assert_eq!((&seen["subject"], &seen["subject_name"]), (&alert["subject"], &Value::Null));

    let act = async |who: &str, verb: &str, body: Value| {
        deployment.control(who, Method::POST, &format!("{path}/{verb}"), body).await
    };
    act("odile", "triage", Value::Null).await.problem(400, "reason-required");
    act("vera", "triage", json!({"reason": "seen"})).await.problem(403, "denied");
    let triaged = act("odile", "triage", json!({"reason": "the nightly job"})).await.ok().json();
    assert_eq!((&triaged["state"], &triaged["triaged"]["by"]["name"]), (&json!("triaged"), &json!("odile")));
    assert_eq!(triaged["reason"]["text"], "the nightly job");
    act("otto", "triage", json!({"reason": "me too"})).await.problem(409, "wrong-state");
    act("odile", "close", json!({"reason": "enough"})).await.problem(403, "denied");
    let closed = act("rita", "close", json!({"reason": "the job is ended"})).await.ok().json();
    assert_eq!((&closed["state"], &closed["closed"]["by"]["name"]), (&json!("closed"), &json!("rita")));
    act("otto", "close", json!({"reason": "me too"})).await.problem(409, "wrong-state");

    let none = deployment.get("ada", "/v1/alerts?state=open").await.ok().json();
    assert_eq!((&none["items"], &none["next"]), (&json!([]), &Value::Null));
    assert_eq!(listed(&deployment, "ada", "?state=closed&rule=use_while_destroying").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_read_none_and_what_is_no_alert_is_refused() {
    let deployment = alarmed().await;
    let [alert]: [Value; 1] = listed(&deployment, "ada", "").await.try_into().unwrap();
    let path = format!("/v1/alerts/{}", alert["id"].as_str().unwrap());
    for who in ["app", "outsider"] {
        deployment.get(who, "/v1/alerts").await.problem(403, "denied");
        deployment.get(who, &path).await.problem(403, "denied");
        let close =
            deployment.control(who, Method::POST, &format!("{path}/close"), json!({"reason": "x"})).await;
        close.problem(403, "denied");
    }
    for query in ["?state=some", "?rule=some", "?limit=0", "?cursor=x", "?subject=x"] {
        deployment.get("ada", &format!("/v1/alerts{query}")).await.problem(400, "malformed-request");
    }
    deployment.get("ada", "/v1/alerts/orders").await.problem(400, "invalid-argument");
    let unknown = "/v1/alerts/01940f3e-7b1c-4d20-8c3e-5a6f1b2c3d4e";
    deployment.get("ada", unknown).await.problem(404, "not-found");
    // Nobody raises one by hand, and none is ever taken away.
    for (method, path) in
        [(Method::POST, "/v1/alerts"), (Method::DELETE, path.as_str()), (Method::PUT, path.as_str())]
    {
        let surface = claviger_core::action::Surface::Control;
        let who = crate::deployment::As::Name("otto");
        let answer = deployment.send_unheld(surface, who, request(method, path, &json!({}))).await;
        assert_eq!(answer.status.as_u16(), 405, "{answer:?}");
    }
}

//! The control plane: rings, keys, principals, grants, credentials.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_core::Spec;
use claviger_core::action::Surface;
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{PublicKey, SecretBytes, WrappingAlgorithm};
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::deployment::{Answer, As, Deployment, request};

async fn patch(
    deployment: &Deployment,
    who: &str,
    path: &str,
    if_match: Option<&str>,
    body: Value,
) -> Answer {
    let mut request = Request::patch(path).header(CONTENT_TYPE, "application/json");
    if let Some(tag) = if_match {
        request = request.header(IF_MATCH, tag);
    }
    deployment
        .send(Surface::Control, As::Name(who), request.body(Body::from(body.to_string())).unwrap())
        .await
}

#[tokio::test]
async fn a_ring_is_created_read_changed_and_listed() {
    let deployment = Deployment::build().await;
    let create = |quorum: u8| {
        let policy = json!({"quorum": quorum, "rotation_period_seconds": 86400});
        let body = json!({"name": "orders", "policy": policy});
        deployment.control("ada", Method::POST, "/v1/rings", body)
    };
    // Nobody holds the role of a custodian here.
    create(3).await.problem(400, "invalid-argument");
    let created = create(2).await.ok();
    assert_eq!(created.status.as_u16(), 201);
    let ring = created.json();
    assert_eq!(ring["policy"]["quorum"], 2);
    assert_eq!(ring["policy"]["separation"], "strict");
    let by_id = deployment.get("ada", &format!("/v1/rings/{}", ring["id"].as_str().unwrap())).await.ok();
    assert_eq!(by_id.json(), deployment.get("ada", "/v1/rings/orders").await.ok().json());
    assert_eq!(by_id.json(), ring);

    let tag = by_id.headers[ETAG].to_str().unwrap().to_owned();
    let change = json!({"policy": {"rotation_period_seconds": null, "quorum": 2}, "reason": "a test"});
    let changed = patch(&deployment, "ada", "/v1/rings/orders", Some(&tag), change.clone()).await.ok();
    assert_eq!(changed.json()["policy"]["rotation_period_seconds"], Value::Null);
    assert_eq!(changed.json()["policy"]["quorum"], 2);
    assert_ne!(changed.headers[ETAG], *tag);
    patch(&deployment, "ada", "/v1/rings/orders", Some(&tag), change.clone())
        .await
        .problem(412, "precondition-failed");
    patch(&deployment, "ada", "/v1/rings/orders", Some("4"), change.clone())
        .await
        .problem(400, "malformed-request");
    patch(&deployment, "ada", "/v1/rings/orders", None, change).await.ok();

    deployment
        .control("ada", Method::POST, "/v1/rings", json!({"name": "orders"}))
        .await
        .problem(409, "already-exists");
    deployment.get("ada", "/v1/rings/nothing").await.problem(404, "not-found");
}

#[tokio::test]
async fn separation_takes_the_security_officer() {
    let deployment = Deployment::with_ring().await;
    let relax = json!({"separation": "relaxed", "reason": "evaluation"});
    let path = "/v1/rings/orders/separation";
    deployment.control("ada", Method::PUT, path, relax.clone()).await.problem(403, "denied");
    let ring = deployment.control("otto", Method::PUT, path, relax).await.ok().json();
    assert_eq!(ring["policy"]["separation"], "relaxed");
}

#[tokio::test]
async fn lists_come_in_pages_that_cover_everything_once() {
    let deployment = Deployment::with_ring().await;
    for name in ["e", "a", "d", "b", "c"] {
        deployment.key(name, "encrypt", "aes-256-gcm", &[]).await;
    }
    let mut seen = Vec::new();
    let mut path = "/v1/keys?ring=orders&limit=2".to_owned();
    loop {
        let page = deployment.get("ada", &path).await.ok().json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|key| key["name"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/keys?ring=orders&limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["orders/a", "orders/b", "orders/c", "orders/d", "orders/e"]);
    let of_keys = path.rsplit('=').next().unwrap();
    deployment.get("ada", &format!("/v1/rings?cursor={of_keys}")).await.problem(400, "malformed-request");
    let none = deployment.get("ada", "/v1/keys?state=compromised").await.ok().json();
    assert_eq!(none, json!({"items": [], "next": null}));
    deployment.get("ada", "/v1/keys?state=enabled").await.problem(400, "malformed-request");
    let people = deployment.get("otto", "/v1/principals?limit=3").await.ok().json();
    assert_eq!(people["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn fields_that_contexts_must_have_are_set_shown_and_asked_for() {
    let deployment = Deployment::with_ring().await;
    let rule = json!({"policy": {"context_required": ["tenant", "claviger:asset", "tenant"]}, "reason": "scope of data"});
    let ring = patch(&deployment, "ada", "/v1/rings/orders", None, rule).await.ok().json();
    assert_eq!(ring["policy"]["context_required"], json!(["claviger:asset", "tenant"]));
    let create = json!({
        "ring": "orders", "name": "main", "purpose": "encrypt", "spec": "aes-256-gcm", "data_class": "cardholder",
        "context_required": ["order"],
    });
    let key = deployment.control("ada", Method::POST, "/v1/keys", create.clone()).await.ok().json();
    assert_eq!(key["context_required"], json!(["order"]));
    for bad in [
        json!(["a b"]),
        json!([""]),
        json!("tenant"),
        json!((0..17).map(|n| format!("f{n}")).collect::<Vec<_>>()),
    ] {
        let mut create = create.clone();
        create["name"] = "bad".into();
        create["context_required"] = bad.clone();
        let refused = deployment.control("ada", Method::POST, "/v1/keys", create).await;
        assert_eq!(refused.status.as_u16(), 400, "{bad}");
    }
    let grant = json!({
        "principal": "app", "on": {"key": "orders/main"}, "operations": ["encrypt"], "reason": "test",
    });
    deployment.control("otto", Method::POST, "/v1/grants", grant).await.ok();
    let encrypt = async |context: Value| {
        let body = json!({"plaintext": "aGk=", "context": context});
        deployment.data("app", "/v1/keys/orders%2Fmain/encrypt", body).await
    };
    let refused = encrypt(json!({"tenant": "7", "claviger:asset": "a"})).await;
    refused.problem(400, "context-required");
    assert!(refused.json()["detail"].as_str().unwrap().contains("`order`"), "{refused:?}");
    encrypt(json!({"tenant": "7", "claviger:asset": "a", "order": "17"})).await.ok();
    let free = json!({"context_required": []});
    // Nobody alone asks less of a key.
    patch(&deployment, "ada", "/v1/keys/orders%2Fmain", None, free).await.problem(403, "approval-required");
}

#[tokio::test]
async fn data_assets_are_entered_read_and_required() {
    let deployment = Deployment::with_ring().await;
    let create = json!({"name": "patients", "class": "ephi", "owner": "vera"});
    let asset = deployment.control("ada", Method::POST, "/v1/assets", create.clone()).await.ok().json();
    let id = asset["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&asset["name"], &asset["class"], &asset["revision"]),
        (&json!("patients"), &json!("ephi"), &json!(1))
    );
    assert_eq!(asset["names"][asset["owner"].as_str().unwrap()], "vera");
    deployment.control("ada", Method::POST, "/v1/assets", create).await.problem(409, "already-exists");
    for bad in [json!({"name": "other"}), json!({"name": "other", "class": "secret"})] {
        deployment.control("ada", Method::POST, "/v1/assets", bad).await.problem(400, "malformed-request");
    }
    for path in ["/v1/assets/patients".to_owned(), format!("/v1/assets/{id}")] {
        assert_eq!(deployment.get("vera", &path).await.ok().json(), asset);
    }
    deployment.get("vera", "/v1/assets/nothing").await.problem(404, "not-found");
    let page = deployment.get("vera", "/v1/assets?limit=1").await.ok().json();
    assert_eq!(page["items"][0]["id"], id.as_str());
    let next = page["next"].as_str().unwrap();
    let rest = deployment.get("vera", &format!("/v1/assets?cursor={next}")).await.ok().json();
    assert_eq!(rest, json!({"items": [], "next": null}));

    deployment.key("main", "encrypt", "aes-256-gcm", &["encrypt"]).await;
    let rule = json!({"policy": {"assets": "required"}, "reason": "scope of data"});
    let ring = patch(&deployment, "ada", "/v1/rings/orders", None, rule).await.ok().json();
    assert_eq!(ring["policy"]["assets"], "required");
    let encrypt = async |context: Value| {
        let body = json!({"plaintext": "aGk=", "context": context});
        deployment.data("app", "/v1/keys/orders%2Fmain/encrypt", body).await
    };
    encrypt(json!({"claviger:asset": "patients"})).await.problem(400, "context-required");
    encrypt(json!({"claviger:asset": id})).await.ok();
}

#[tokio::test]
async fn parameters_and_documents_are_declared_read_listed_and_withdrawn() {
    let deployment = Deployment::build().await;
    let declare = |declared: Value| {
        let body = json!({"declared": declared, "text": "as the auditor asked"});
        deployment.control("ada", Method::POST, "/v1/declarations", body)
    };
    let parameter =
        json!({"name": "access_review_days", "value": "90", "effective_from": "2026-01-01T00:00:00Z"});
    let created = declare(json!({"parameter": parameter})).await.ok();
    assert_eq!(created.status.as_u16(), 201);
    let made = created.json();
    assert_eq!((&made["kind"], &made["subject"]), (&json!("parameter"), &json!("access_review_days")));
    assert_eq!(made["declared"]["parameter"], parameter);
    assert_eq!(made["names"][made["declared_by"].as_str().unwrap()], "ada");
    let document = json!({
        "sort": "policy", "sha256": "ab".repeat(32), "covers": ["GOV-01"],
        "reviewed_at": "2026-01-01T00:00:00Z", "next_review_at": "2027-01-01T00:00:00Z",
    });
    let policy = declare(json!({"document": document})).await.ok().json();
    assert_eq!(policy["declared"]["document"], document);
    let build =
        json!({"sort": "configuration", "sha256": "cd".repeat(32), "effective_from": "2026-01-01T00:00:00Z"});
    let may_run = declare(json!({"build": build})).await.ok().json();
    assert_eq!((&may_run["declared"]["build"], &may_run["subject"]), (&build, &json!("configuration")));
    let zeros = json!({"sort": "build", "sha256": "00".repeat(32), "effective_from": "2026-01-01T00:00:00Z"});
    declare(json!({"build": zeros})).await.problem(400, "invalid-argument");
    let compared =
        json!({"sha256": "ef".repeat(32), "differences": 0, "compared_at": "2020-01-01T00:00:00Z"});
    declare(json!({"policy_files": compared})).await.problem(400, "invalid-argument");
    for bad in [
        json!({"parameter": {"name": "a", "value": "b@c", "effective_from": "2026-01-01T00:00:00Z"}}),
        json!({"exception": {}}),
        json!({"build": {"sort": "letter", "sha256": "cd".repeat(32), "effective_from": "2026-01-01T00:00:00Z"}}),
        json!({"build": {"sort": "build", "sha256": "cd", "effective_from": "2026-01-01T00:00:00Z"}}),
        json!({"parameter": parameter, "document": document}),
    ] {
        declare(bad).await.problem(400, "malformed-request");
    }
    let id = made["id"].as_str().unwrap();
    let path = format!("/v1/declarations/{id}");
    assert_eq!(deployment.get("vera", &path).await.ok().json(), made);
    let list = deployment.get("vera", "/v1/declarations?kind=document").await.ok().json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let list = deployment.get("vera", "/v1/declarations?subject=access_review_days").await.ok().json();
    assert_eq!(list["items"][0]["id"], id);
    let first = deployment.get("vera", "/v1/declarations?limit=1").await.ok().json();
    let next = format!("/v1/declarations?limit=1&cursor={}", first["next"].as_str().unwrap());
    assert_ne!(deployment.get("vera", &next).await.ok().json()["items"], first["items"]);

    let withdraw = format!("{path}/withdraw");
    deployment.control("ada", Method::POST, &withdraw, json!({})).await.problem(400, "reason-required");
    let why = json!({"reason": "another value was decided"});
    let withdrawn = deployment.control("ada", Method::POST, &withdraw, why).await.ok().json();
    assert_eq!((&withdrawn["revision"], &withdrawn["withdrawn_by"]), (&json!(2), &made["declared_by"]));
    assert_eq!(withdrawn["reason"]["text"], "another value was decided");
}

#[tokio::test]
async fn a_statement_without_a_certificate_that_reads_is_refused() {
    let deployment = Deployment::build().await;
    let attest = json!({
        "statement": "ATT-POLICY", "statement_sha256": "ab".repeat(32), "signed_at": "2026-01-01T00:00:00Z",
        "scope": ["asset 01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e"], "valid_until": "2027-01-01T00:00:00Z",
        "certificate": STANDARD.encode("not mine"), "method": "ed25519", "signature": "AAAA",
    });
    deployment.control("ada", Method::POST, "/v1/attestations", attest.clone()).await.problem(403, "denied");
    let mut elsewhere = attest;
    elsewhere["scope"] = json!(["asset"]);
    deployment
        .control("ada", Method::POST, "/v1/attestations", elsewhere)
        .await
        .problem(400, "malformed-request");
}

#[tokio::test]
async fn a_ring_says_what_its_data_is_and_whether_data_keys_leave_in_clear() {
    let deployment = Deployment::build().await;
    let make = async |name: &str, more: Value| {
        let mut body = json!({"name": name, "policy": {"data_class": "cardholder"}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        deployment.control("ada", Method::POST, "/v1/rings", body).await
    };
    let ring = make("cards", json!({})).await.ok().json();
    assert_eq!(
        (&ring["policy"]["data_class"], &ring["policy"]["plaintext_data_keys"]),
        (&json!("cardholder"), &json!("refused"))
    );
    assert_eq!(ring["policy"]["grants_under_quorum"], true);
    let allowed = json!({"policy": {"data_class": "cardholder", "plaintext_data_keys": "allowed"}});
    make("other", allowed.clone()).await.problem(400, "reason-required");
    let mut reported = allowed;
    reported["reason"] = "envelopes of the shop".into();
    let ring = make("other", reported).await.ok().json();
    assert_eq!(ring["policy"]["plaintext_data_keys"], "allowed");
    assert_eq!(ring["reason"]["text"], "envelopes of the shop");
    // As long as it has no key, a ring is asked less of by one person alone.
    let alone = json!({"policy": {"grants_under_quorum": false}, "reason": "a test"});
    let ring = patch(&deployment, "ada", "/v1/rings/cards", None, alone).await.ok().json();
    assert_eq!(ring["policy"]["grants_under_quorum"], false);
    let rule = json!({"policy": {"grants_under_quorum": false, "data_class": null}, "reason": "a test"});
    let ring = patch(&deployment, "ada", "/v1/rings/other", None, rule).await.ok().json();
    assert_eq!(ring["policy"]["data_class"], Value::Null);
    for (ring, class) in [("cards", "cardholder"), ("other", "confidential")] {
        let key = json!({"ring": ring, "name": "main", "purpose": "encrypt", "spec": "aes-256-gcm"});
        let key = deployment.control("ada", Method::POST, "/v1/keys", key).await.ok().json();
        assert_eq!(key["data_class"], class);
        let grant = json!({
            "principal": "app", "on": {"key": format!("{ring}/main")}, "operations": ["generate_data_key"],
            "reason": "test",
        });
        deployment.control("otto", Method::POST, "/v1/grants", grant).await.ok();
    }
    let data_key = json!({"bytes": 32});
    deployment.data("app", "/v1/keys/cards%2Fmain/datakey", data_key.clone()).await.problem(403, "denied");
    deployment.data("app", "/v1/keys/other%2Fmain/datakey", data_key).await.ok();
    for policy in [json!({"plaintext_data_keys": "allowed"}), json!({"data_class": null})] {
        let rule = json!({"policy": policy, "reason": "envelopes"});
        patch(&deployment, "ada", "/v1/rings/cards", None, rule).await.problem(403, "approval-required");
    }
}

#[tokio::test]
async fn rings_keys_and_principals_belong_to_environments() {
    let deployment = Deployment::build().await;
    let ring = json!({"name": "orders", "policy": {"environment": "production"}});
    let ring = deployment.control("ada", Method::POST, "/v1/rings", ring).await.ok().json();
    assert_eq!(ring["policy"]["environment"], "production");
    let key = json!({
        "ring": "orders", "name": "main", "purpose": "encrypt", "spec": "aes-256-gcm", "data_class": "internal",
        "environment": "test",
    });
    let key = deployment.control("ada", Method::POST, "/v1/keys", key).await.ok().json();
    assert_eq!(key["environment"], "test");
    let other = json!({"environment": "production"});
    patch(&deployment, "ada", "/v1/keys/orders%2Fmain", None, other).await.problem(409, "wrong-state");
    let trial = json!({"name": "trial", "kind": "workload", "environment": "test"});
    let trial = deployment.control("ada", Method::POST, "/v1/principals", trial).await.ok().json();
    assert_eq!(trial["environment"], "test");
    let bad = json!({"name": "bad", "kind": "workload", "environment": "Test"});
    deployment.control("ada", Method::POST, "/v1/principals", bad).await.problem(400, "malformed-request");
}

#[tokio::test]
async fn a_key_lives_its_life() {
    let deployment = Deployment::with_ring().await;
    let create = json!({
        "ring": "orders", "name": "main", "purpose": "encrypt", "spec": "aes-256-gcm", "data_class": "cardholder",
        "labels": {"team": "payments"}, "activate": false,
    });
    let created = deployment.control("ada", Method::POST, "/v1/keys", create).await.ok();
    assert_eq!(created.status.as_u16(), 201);
    assert_eq!(created.json()["state"], "pre_active");
    let path = "/v1/keys/orders%2Fmain";
    let step = async |verb: &str, body: Value| {
        deployment.control("ada", Method::POST, &format!("{path}/{verb}"), body).await
    };
    assert_eq!(step("activate", Value::Null).await.ok().json()["state"], "active");
    assert_eq!(step("rotate", Value::Null).await.ok().json()["primary"], 2);
    assert_eq!(step("suspend", json!({"reason": "a test"})).await.ok().json()["state"], "suspended");
    step("activate", Value::Null).await.problem(409, "wrong-state");
    assert_eq!(step("resume", Value::Null).await.ok().json()["state"], "active");
    // What was rotated away protects nothing more, and cannot be suspended either; the newest can.
    step("suspend", json!({"version": 1, "reason": "a test"})).await.problem(409, "wrong-state");
    step("suspend", json!({"version": 2, "reason": "a test"})).await.ok();
    step("suspend", json!({"version": 9, "reason": "a test"})).await.problem(404, "not-found");
    step("suspend", json!({"versoin": 1})).await.problem(400, "malformed-request");
    step("rotate", json!({})).await.problem(400, "malformed-request");

    let versions = deployment.get("ada", &format!("{path}/versions")).await.ok().json();
    let reported: Vec<_> = versions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (&v["number"], &v["state"], &v["primary"]))
        .collect();
    assert_eq!(
        reported,
        [(&json!(1), &json!("deactivated"), &json!(false)), (&json!(2), &json!("suspended"), &json!(true))]
    );

    let change = json!({"labels": {}, "data_class": "ephi", "rotation_period_seconds": 3600});
    let changed = patch(&deployment, "ada", path, None, change).await.ok().json();
    assert_eq!((&changed["labels"], &changed["data_class"]), (&json!({}), &json!("ephi")));
    let lower = json!({"data_class": "personal"});
    patch(&deployment, "ada", path, None, lower).await.problem(403, "approval-required");
    assert_eq!(
        step("compromise", json!({"reason": "found on a mailing list"})).await.ok().json()["state"],
        "compromised"
    );
    step("resume", Value::Null).await.problem(409, "wrong-state");
    let create = json!({"ring": "orders", "name": "main", "purpose": "sign", "spec": "ed25519", "data_class": "internal"});
    deployment.control("ada", Method::POST, "/v1/keys", create).await.problem(409, "already-exists");
}

#[tokio::test]
async fn a_key_is_described_and_described_anew() {
    let deployment = Deployment::with_ring().await;
    let create = json!({
        "ring": "orders", "name": "main", "purpose": "encrypt", "spec": "aes-256-gcm", "data_class": "cardholder",
        "description": "cards at rest",
    });
    let created = deployment.control("ada", Method::POST, "/v1/keys", create.clone()).await.ok().json();
    assert_eq!((&created["description"], &created["destroy_at"]), (&json!("cards at rest"), &Value::Null));
    let path = "/v1/keys/orders%2Fmain";
    let changed = patch(&deployment, "ada", path, None, json!({"description": ""})).await.ok().json();
    assert_eq!(changed["description"], "");
    let long = json!({"description": "x".repeat(8193)});
    patch(&deployment, "ada", path, None, long).await.problem(400, "invalid-argument");
    let rotated = deployment.control("ada", Method::POST, &format!("{path}/rotate"), Value::Null).await.ok();
    assert_eq!(rotated.json()["primary"], 2);
    let versions = deployment.get("ada", &format!("{path}/versions")).await.ok().json();
    assert_eq!(versions["items"][0].get("rotated"), None);
    assert_eq!(versions["items"][1]["rotated"], "on_demand");
}

#[tokio::test]
async fn a_key_waits_for_its_destruction_and_is_brought_back() {
    let deployment = Deployment::with_ring().await;
    let step = async |verb: &str, body: Value| {
        deployment.control("ada", Method::POST, &format!("/v1/keys/orders%2Fmain/{verb}"), body).await
    };
    let relax = json!({"separation": "relaxed", "reason": "evaluation"});
    deployment.control("otto", Method::PUT, "/v1/rings/orders/separation", relax).await.ok();
    patch(&deployment, "ada", "/v1/rings/orders", None, json!({"policy": {"quorum": 0}, "reason": "a test"}))
        .await
        .ok();
    deployment.key("main", "encrypt", "aes-256-gcm", &["encrypt"]).await;
    step("destroy", json!({"waiting_seconds": 60, "reason": "over"})).await.problem(400, "invalid-argument");
    let waiting = step("destroy", json!({"waiting_seconds": 604_800, "reason": "over"})).await.ok().json();
    assert_eq!(waiting["state"], "suspended");
    assert!(waiting["destroy_at"].is_string(), "{waiting}");
    let use_it = || deployment.data("app", "/v1/keys/orders%2Fmain/encrypt", json!({"plaintext": "aGk="}));
    use_it().await.problem(409, "wrong-state");
    step("resume", Value::Null).await.problem(409, "wrong-state");
    let back = step("cancel-destroy", Value::Null).await.ok().json();
    assert_eq!((&back["state"], &back["destroy_at"]), (&json!("suspended"), &Value::Null));
    step("resume", Value::Null).await.ok();
    use_it().await.ok();
    step("cancel-destroy", Value::Null).await.problem(409, "wrong-state");
    step("destroy", json!({"waiting_seconds": 604_800, "reason": "over"})).await.ok();
    patch(&deployment, "ada", "/v1/rings/orders", None, json!({"policy": {"quorum": 2}, "reason": "a test"}))
        .await
        .ok();
    let blocked = deployment.get("ada", "/v1/keys/orders%2Fmain").await.ok().json();
    assert_eq!(blocked["destroy_blocked_by"], "quorum", "{blocked}");
    step("cancel-destroy", Value::Null).await.ok();
    step("destroy", json!({"reason": "over"})).await.problem(403, "approval-required");
    let lower = json!({"policy": {"quorum": 0}, "reason": "a test"});
    patch(&deployment, "ada", "/v1/rings/orders", None, lower).await.problem(403, "approval-required");
}

#[tokio::test]
async fn the_time_is_confirmed_by_an_administrator_who_says_why() {
    let deployment = Deployment::with_ring().await;
    let path = "/v1/system/clock/confirm";
    let confirm = |time: &str, reason: &str| json!({"time": time, "reason": reason});
    let now = deployment.get("vera", "/v1/system").await.ok().json()["clock"]["log_time"].clone();
    let now = now.as_str().unwrap();
    deployment.control("vera", Method::POST, path, confirm(now, "seen")).await.problem(403, "denied");
    deployment.control("ada", Method::POST, path, confirm(now, " ")).await.problem(400, "invalid-argument");
    let long_ago = confirm("2001-01-01T00:00:00Z", "seen");
    deployment.control("ada", Method::POST, path, long_ago).await.problem(400, "invalid-argument");
    let clock = deployment.control("ada", Method::POST, path, confirm(now, "seen")).await.ok().json();
    assert_eq!((&clock["ahead_seconds"], &clock["held_at"]), (&json!(0), &Value::Null));
}

#[tokio::test]
async fn an_alias_is_given_moved_listed_and_taken_away() {
    let deployment = Deployment::with_ring().await;
    for name in ["first", "second"] {
        deployment.key(name, "encrypt", "aes-256-gcm", &[]).await;
    }
    let create = json!({"name": "app/Orders", "key": "orders/first"});
    let created = deployment.control("ada", Method::POST, "/v1/aliases", create.clone()).await.ok();
    assert_eq!(created.status.as_u16(), 201);
    deployment.control("ada", Method::POST, "/v1/aliases", create).await.problem(409, "already-exists");
    for bad in ["aws/x", "a b", ""] {
        let create = json!({"name": bad, "key": "orders/first"});
        deployment
            .control("ada", Method::POST, "/v1/aliases", create)
            .await
            .problem(400, "malformed-request");
    }
    let path = "/v1/aliases/app%2FOrders";
    let first = deployment.get("ada", "/v1/keys/orders%2Ffirst").await.ok().json();
    let second = deployment.get("ada", "/v1/keys/orders%2Fsecond").await.ok().json();
    assert_eq!(deployment.get("vera", path).await.ok().json()["key"], first["id"]);
    let moved =
        deployment.control("ada", Method::PUT, path, json!({"key": "orders/second"})).await.ok().json();
    assert_eq!((&moved["key"], &moved["revision"]), (&second["id"], &json!(2)));
    deployment
        .control("ada", Method::PUT, "/v1/aliases/none", json!({"key": "orders/second"}))
        .await
        .problem(404, "not-found");
    let listed = deployment.get("vera", "/v1/aliases?key=orders%2Fsecond").await.ok().json();
    assert_eq!(listed["items"], json!([moved]));
    let listed = deployment.get("vera", "/v1/aliases?key=orders%2Ffirst").await.ok().json();
    assert_eq!(listed["items"], json!([]));
    deployment.control("vera", Method::DELETE, path, Value::Null).await.problem(403, "denied");
    deployment.control("ada", Method::DELETE, path, Value::Null).await.ok();
    deployment.get("vera", path).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_grant_lets_in_and_its_end_shuts_out() {
    let deployment = Deployment::with_ring().await;
    deployment.key("main", "encrypt", "aes-256-gcm", &[]).await;
    let use_it = || deployment.data("app", "/v1/keys/orders%2Fmain/encrypt", json!({"plaintext": "aGk="}));
    assert!(use_it().await.status.is_client_error());
    let create = json!({
        "principal": "app", "on": {"ring": "orders"}, "operations": ["encrypt", "decrypt"], "reason": "checkout",
        "conditions": {"source_networks": ["127.0.0.0/8"], "until": "2999-01-01T00:00:00Z"},
    });
    let grant = deployment.control("otto", Method::POST, "/v1/grants", create.clone()).await.ok().json();
    assert_eq!(grant["conditions"]["source_networks"], json!(["127.0.0.0/8"]));
    use_it().await.ok();
    let id = grant["id"].as_str().unwrap();
    assert_eq!(deployment.get("otto", &format!("/v1/grants/{id}")).await.ok().json(), grant);
    let explained = deployment.get("vera", "/v1/keys/orders%2Fmain/explain").await.ok().json();
    let mut lines = explained["items"].as_array().unwrap().iter();
    let line = lines.find(|line| line["principal_name"] == "app" && line["action"] == "encrypt").unwrap();
    assert_eq!((&line["grant"], &line["rule"]), (&json!(id), &json!("grant")));
    let revoked = deployment
        .control("otto", Method::POST, &format!("/v1/grants/{id}/revoke"), json!({"reason": "over"}))
        .await;
    assert_eq!(revoked.ok().json()["standing"], "revoked");
    assert!(use_it().await.status.is_client_error());
    // Who could have used it then is answered as it was answered then, with the state of the key.
    let then = grant["created_at"].as_str().unwrap();
    let path = format!("/v1/keys/orders%2Fmain/explain?at={then}");
    let past = deployment.get("vera", &path).await.ok().json();
    assert!(past["items"].as_array().unwrap().contains(line), "{past}");
    assert_eq!((&past["as_of"]["at"], &past["as_of"]["key_state"]), (&json!(then), &json!("active")));
    assert!(past["as_of"]["entries"].as_u64().unwrap() > 0 && explained.get("as_of").is_none());
    let now = deployment.get("vera", "/v1/keys/orders%2Fmain/explain").await.ok().json();
    assert!(!now["items"].as_array().unwrap().contains(line), "{now}");
    for (at, status) in [("2999-01-01T00:00:00Z", 400), ("1970-01-02T00:00:00Z", 404), ("tuesday", 400)] {
        let path = format!("/v1/keys/orders%2Fmain/explain?at={at}");
        assert_eq!(deployment.get("vera", &path).await.status.as_u16(), status, "{at}");
    }
    let listed = deployment.get("otto", "/v1/grants?principal=app").await.ok().json();
    assert_eq!(listed["items"], json!([]));
    let listed = deployment.get("otto", "/v1/grants?principal=app&with_revoked=true").await.ok().json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);

    let mut bad = create.clone();
    bad["operations"] = json!(["create_key"]);
    assert!(deployment.control("otto", Method::POST, "/v1/grants", bad).await.status.is_client_error());
    let mut administrator = create;
    administrator["principal"] = json!("ada");
    assert!(
        deployment.control("otto", Method::POST, "/v1/grants", administrator).await.status.is_client_error()
    );
}

#[tokio::test]
async fn a_principal_comes_gets_a_role_and_goes() {
    let deployment = Deployment::build().await;
    let create = json!({"name": "carla", "kind": "human"});
    let made = deployment.control("otto", Method::POST, "/v1/principals", create).await.ok().json();
    assert_eq!((&made["roles"], &made["standing"]), (&json!([]), &json!("active")));
    let otto = deployment.get("otto", "/v1/principals/otto").await.ok().json();
    assert_eq!(made["created_by"], otto["id"]);
    assert_eq!(otto["created_by"], "00000000-0000-0000-0000-000000000000");
    let path = "/v1/principals/carla/roles/auditor";
    deployment.control("olga", Method::PUT, path, Value::Null).await.problem(400, "reason-required");
    let hired = json!({"reason": "hired"});
    let by_maker =
        deployment.control("otto", Method::PUT, "/v1/principals/carla/roles/auditor", hired.clone()).await;
    by_maker.problem(409, "separation-of-duties");
    let held = deployment.control("olga", Method::PUT, path, hired.clone()).await.ok().json();
    assert_eq!((&held["roles"], &held["reason"]["text"]), (&json!(["auditor"]), &json!("hired")));
    let withdraw = format!("{path}/withdraw");
    deployment.control("olga", Method::POST, &withdraw, Value::Null).await.problem(400, "reason-required");
    let moved = json!({"reason": "moved", "reason_code": "duties_changed"});
    assert_eq!(
        deployment.control("olga", Method::POST, &withdraw, moved).await.ok().json()["roles"],
        json!([])
    );
    let read = deployment.get("olga", "/v1/principals/carla").await.ok().json();
    assert_eq!(
        (&read["reason"]["text"], &read["reason"]["code"]),
        (&json!("moved"), &json!("duties_changed"))
    );
    let odd = deployment.control("otto", Method::PUT, "/v1/principals/carla/roles/king", hired).await;
    odd.problem(400, "invalid-argument");
    let gone = deployment
        .control("otto", Method::POST, "/v1/principals/carla/revoke", json!({"reason": "left"}))
        .await
        .ok();
    assert_eq!(gone.json()["standing"], "revoked");
    assert_eq!(deployment.get("otto", "/v1/principals/carla").await.ok().json()["standing"], "revoked");
}

#[tokio::test]
async fn a_token_is_shown_once_authenticates_and_ends_when_revoked() {
    let deployment = Deployment::build().await;
    let create = json!({
        "principal": "vera", "label": "laptop", "credential": {"token": {"lifetime_seconds": 3600}},
    });
    let by_another = deployment.control("otto", Method::POST, "/v1/credentials", create.clone()).await;
    by_another.problem(409, "separation-of-duties");
    let made = deployment.control("vera", Method::POST, "/v1/credentials", create).await.ok().json();
    let (token, id) = (made["token"].as_str().unwrap(), made["credential"]["id"].as_str().unwrap());
    let ask = || {
        deployment.send(
            Surface::Control,
            As::Token(token),
            request(Method::GET, "/v1/audit/checkpoint", &Value::Null),
        )
    };
    ask().await.ok();
    let listed = deployment.get("otto", "/v1/credentials?principal=vera").await.ok();
    assert!(!String::from_utf8_lossy(&listed.body).contains(token));
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 2);
    let path = format!("/v1/credentials/{id}/revoke");
    deployment.control("otto", Method::POST, &path, json!({"reason": "lost"})).await.ok();
    ask().await.problem(401, "unauthenticated");

    let certificate = json!({
        "principal": "vera", "label": "card", "credential": {"certificate": {"der": "MAA=", "expires_at": "2000-01-01T00:00:00Z"}},
    });
    assert!(
        deployment
            .control("vera", Method::POST, "/v1/credentials", certificate)
            .await
            .status
            .is_client_error()
    );
}

#[tokio::test]
async fn what_belongs_to_somebody_revoked_is_listed_as_ended() {
    let deployment = Deployment::with_ring().await;
    deployment.key("main", "encrypt", "aes-256-gcm", &["encrypt"]).await;
    let create = json!({
        "principal": "app", "label": "till", "credential": {"token": {"lifetime_seconds": 3600}},
    });
    deployment.control("olga", Method::POST, "/v1/credentials", create).await.ok();
    let listed = async |path: &str| {
        let items = deployment.get("vera", path).await.ok().json()["items"].clone();
        items.as_array().unwrap().clone()
    };
    let (credentials, grants) = ("/v1/credentials?principal=app", "/v1/grants?principal=app");
    for path in [credentials, grants] {
        assert!(listed(path).await.iter().all(|one| one.get("ended").is_none()), "{path}");
    }
    let why = json!({"reason": "the shop is closed", "reason_code": "privilege_withdrawn"});
    deployment.control("otto", Method::POST, "/v1/principals/app/revoke", why).await.ok();
    for path in [credentials, grants] {
        let items = listed(path).await;
        assert!(!items.is_empty());
        for one in items {
            let ended = &one["ended"];
            assert_eq!(ended["how"], "principal_revoked", "{one}");
            assert!(ended["at"].is_string(), "{one}");
            assert_eq!(ended["reason"]["text"], "the shop is closed");
            let by = ended["reason"]["given_by"].as_str().unwrap();
            assert_eq!(one["names"][by], "otto", "{one}");
        }
    }
    // What is revoked once more by itself is answered as that.
    let id = listed(credentials).await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/credentials/{id}/revoke");
    let revoked = deployment.control("otto", Method::POST, &path, json!({"reason": "lost"})).await.ok();
    assert_eq!(revoked.json()["ended"]["how"], "revoked");
}

#[tokio::test]
async fn who_leaves_is_answered_with_what_they_leave_behind() {
    let deployment = Deployment::with_ring().await;
    deployment.key("main", "encrypt", "aes-256-gcm", &[]).await;
    let owner = json!({"owner": "vera"});
    patch(&deployment, "ada", "/v1/keys/orders%2Fmain", None, owner).await.ok();
    let leave = |body: Value| deployment.control("otto", Method::POST, "/v1/principals/vera/leave", body);
    leave(Value::Null).await.problem(400, "reason-required");
    leave(json!({"reason": "seen", "reason_code": "misuse"})).await.problem(400, "invalid-argument");
    let left = leave(json!({"reason": "moves on"})).await.ok().json();
    let principal = &left["principal"];
    assert_eq!((&principal["standing"], &principal["roles"]), (&json!("revoked"), &json!([])));
    assert_eq!(principal["reason"]["code"], "person_left");
    assert_eq!(left["roles"], json!([{"role": "auditor", "others": 0}]));
    assert_eq!(left["keys"][0]["name"], "orders/main");
    assert_eq!(left["credentials"].as_array().unwrap().len(), 1);
    assert!(left.get("more_keys").is_none() && left.get("partial").is_none(), "{left}");
    deployment.get("vera", "/v1/rings").await.problem(401, "unauthenticated");
    let listed = deployment.get("otto", "/v1/credentials?principal=vera").await.ok().json();
    assert_eq!(listed["items"][0]["ended"]["how"], "revoked");
    let last = deployment.control("otto", Method::POST, "/v1/principals/ada/leave", json!({"reason": "x"}));
    last.await.problem(409, "wrong-state");
}

#[tokio::test]
async fn a_credential_is_renewed_on_both_planes_by_whoever_calls_by_it() {
    let deployment = Deployment::build().await;
    let path = "/v1/credentials/renew";
    let certificate = json!({"credential": {"certificate": {"der": "MAA="}}});
    // Theirs have just begun.
    let by_person = deployment.control("vera", Method::POST, path, certificate.clone()).await;
    by_person.problem(409, "wrong-state");
    assert!(by_person.json()["detail"].as_str().unwrap().contains("last third"));
    deployment.data("vera", path, certificate.clone()).await.problem(409, "wrong-state");
    deployment.data("app", path, certificate.clone()).await.problem(409, "wrong-state");
    deployment.control("app", Method::POST, path, certificate).await.problem(403, "denied");
    let token = json!({"credential": {"token": {}}});
    deployment.data("app", path, token).await.problem(400, "invalid-argument");
    for bad in [json!({}), json!({"credential": {}}), json!({"credential": {"token": {"label": "x"}}})] {
        deployment.data("app", path, bad).await.problem(400, "malformed-request");
    }
}

#[tokio::test]
async fn a_repeated_creation_finds_what_the_first_one_made() {
    let deployment = Deployment::build().await;
    let create = |name: &str, key: &str| {
        Request::post("/v1/rings")
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", key)
            .body(Body::from(json!({"name": name}).to_string()))
            .unwrap()
    };
    let send = |request| deployment.send(Surface::Control, As::Name("ada"), request);
    let first = send(create("orders", "k-1")).await.ok().json();
    assert_eq!(send(create("orders", "k-1")).await.ok().json(), first);
    send(create("others", "k-1")).await.problem(422, "idempotency-mismatch");
    send(create("orders", "k-2")).await.problem(409, "already-exists");
    send(create("third", "with blank")).await.problem(400, "malformed-request");
}

#[tokio::test]
async fn an_access_key_is_shown_once_and_to_applications_only() {
    let deployment = Deployment::build().await;
    let create = async |who: &str, what: Value| {
        let body = json!({"principal": who, "label": "sdk", "credential": {"access_key": what}});
        let by = if who == "vera" { who } else { "ada" };
        deployment.control(by, Method::POST, "/v1/credentials", body).await
    };
    let lasting = create("app", json!({"lifetime_seconds": 3600})).await.ok().json();
    let short = create("app", json!({"lifetime_seconds": 3600, "short_lived": true})).await.ok().json();
    for (made, prefix) in [(&lasting, "AKIA"), (&short, "ASIA")] {
        assert_eq!(made["credential"]["kind"], "access_key");
        let id = made["access_key"]["access_key_id"].as_str().unwrap();
        assert!(id.starts_with(prefix));
        assert_eq!(made["credential"]["access_key_id"], id);
        assert_eq!(made["access_key"]["secret_access_key"].as_str().unwrap().len(), 44);
    }
    assert!(lasting["access_key"].get("session_token").is_none());
    let token = short["access_key"]["session_token"].as_str().unwrap();
    let listed = deployment.get("otto", "/v1/credentials?principal=app").await.ok();
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 3);
    let text = String::from_utf8_lossy(&listed.body).into_owned();
    for secret in [&lasting, &short].map(|made| made["access_key"]["secret_access_key"].as_str().unwrap()) {
        assert!(!text.contains(secret) && !text.contains(token));
    }
    let path = format!("/v1/credentials/{}/revoke", lasting["credential"]["id"].as_str().unwrap());
    deployment.control("otto", Method::POST, &path, json!({"reason": "rotated"})).await.ok();
    create("vera", json!({"lifetime_seconds": 3600})).await.problem(400, "invalid-argument");
    create("app", json!({"lifetime_seconds": 50_000, "short_lived": true}))
        .await
        .problem(400, "invalid-argument");
}

#[tokio::test]
async fn material_is_imported_removed_and_imported_again() {
    let deployment = Deployment::with_ring().await;
    deployment.control("ada", Method::POST, "/v1/rings", json!({"name": "trials"})).await.ok();
    let relax = json!({"separation": "relaxed", "reason": "evaluation"});
    deployment.control("otto", Method::PUT, "/v1/rings/trials/separation", relax).await.ok();
    let alone = json!({"policy": {"quorum": 0}, "reason": "evaluation"});
    patch(&deployment, "ada", "/v1/rings/trials", None, alone).await.ok();
    for ring in ["orders", "trials"] {
        let create = json!({"ring": ring, "name": "own", "purpose": "encrypt", "spec": "aes-256-gcm",
            "data_class": "confidential", "origin": "imported"});
        let key = deployment.control("ada", Method::POST, "/v1/keys", create).await.ok().json();
        assert_eq!(key["state"], "pre_active");
    }
    let post_to = async |ring: &str, verb: &str, body: Value| {
        deployment.control("ada", Method::POST, &format!("/v1/keys/{ring}%2Fown/{verb}"), body).await
    };
    let post = async |verb: &str, body: Value| post_to("trials", verb, body).await;
    let version = async || {
        let mut versions = deployment.get("ada", "/v1/keys/trials%2Fown/versions").await.ok().json();
        versions["items"][0].take()
    };
    assert_eq!(version().await["has_material"], false);

    let wish = json!({"wrapping": "rsaes-oaep-sha256", "wrapping_spec": "rsa-2048"});
    let material_for = async |ring: &str, byte: u8| {
        let parameters = post_to(ring, "import-parameters", wish.clone()).await.ok().json();
        let bytes = |name: &str| STANDARD.decode(parameters[name].as_str().unwrap()).unwrap();
        let public = PublicKey::from_spki(Spec::Rsa2048, &bytes("public_key")).unwrap();
        let material = SecretBytes::new(vec![byte; 32]);
        let wrapped = WrappingAlgorithm::RsaesOaepSha256.wrap(&public, &material, &mut ModuleRandom).unwrap();
        json!({"import_token": parameters["import_token"], "wrapped_material": STANDARD.encode(wrapped)})
    };
    let material = async |byte: u8| material_for("trials", byte).await;
    let mut first = material(7).await;
    first["expires_at"] = json!("2999-01-01T00:00:00Z");
    let imported = post("import", first).await.ok().json();
    assert_eq!((&imported["key"]["state"], &imported["version"]), (&json!("active"), &json!(1)));
    let version_now = version().await;
    assert_eq!((&version_now["has_material"], &version_now["origin"]), (&json!(true), &json!("imported")));
    assert_eq!(version_now["material_expires_at"], "2999-01-01T00:00:00Z");
    // In a strict ring it takes more than one person once the key is in use.
    let strict = material_for("orders", 7).await;
    post_to("orders", "import", strict.clone()).await.ok();
    let refused = post_to("orders", "import", strict).await;
    refused.problem(403, "approval-required");
    // What was imported is not kept with the approval: the call itself does it, and not its execution.
    let approval = refused.json()["approval"].as_str().unwrap().to_owned();
    let execute = format!("/v1/approvals/{approval}/execute");
    let refused = deployment.control("ada", Method::POST, &execute, Value::Null).await;
    refused.problem(400, "invalid-argument");
    assert!(refused.json()["detail"].as_str().unwrap().contains("repeat the call itself"), "{refused:?}");
    post_to("orders", "import-parameters", wish.clone()).await.ok();

    post("remove-material", json!({"reason": "kept in the safe"})).await.ok();
    assert_eq!(version().await["has_material"], false);
    let other = material(8).await;
    post("import", other).await.problem(400, "wrong-material");
    let again = material(7).await;
    let mut forged = again.clone();
    forged["import_token"] = json!("AAAA");
    post("import", forged).await.problem(400, "import-token-invalid");
    post("import", again).await.ok();
    assert_eq!(version().await["has_material"], true);
    post("import-parameters", json!({"wrapping_spec": "ec-p256"})).await.problem(400, "invalid-argument");
    deployment.key("made", "encrypt", "aes-256-gcm", &[]).await;
    deployment
        .control("ada", Method::POST, "/v1/keys/orders%2Fmade/import-parameters", Value::Null)
        .await
        .problem(400, "unsupported");
}

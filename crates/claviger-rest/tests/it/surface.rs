//! The planes: who is admitted, what is read, and what everyone gets who is not admitted.

use axum::body::Body;
use bytes::Bytes;
use claviger_core::action::Surface;
use claviger_rest::{RouteInfo, control_routes, data_routes};
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use crate::deployment::{As, Deployment, LIMITS, request};

fn everything() -> Vec<(Surface, RouteInfo)> {
    let of = |surface, routes: Vec<RouteInfo>| routes.into_iter().map(move |route| (surface, route));
    of(Surface::Control, control_routes()).chain(of(Surface::Data, data_routes())).collect()
}

/// A path of the route, with something for what varies.
fn path_of(route: &RouteInfo) -> String {
    let filled =
        route.path.replace("{*path}", "root/checkpoint").replace("{shard}", "1").replace("{index}", "0");
    filled
        .replace("{role}", "auditor")
        .split('/')
        .map(|part| if part.starts_with('{') { "x" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

#[tokio::test]
async fn every_route_but_two_wants_a_credential() {
    let deployment = Deployment::build().await;
    let mut closed = 0;
    for (surface, route) in everything() {
        for who in [As::Nobody, As::Token("nonsense"), As::Name("unheard-of")] {
            let answer = deployment
                .send(surface, who, request(route.method.clone(), &path_of(&route), &Value::Null))
                .await;
            if route.open {
                answer.ok();
                continue;
            }
            answer.problem(401, "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{route:?}");
            closed += 1;
        }
    }
    assert!(closed > 100, "{closed}");
}

/// A body that must not be looked at.
fn untouchable() -> Body {
    Body::new(Full::new(Bytes::from_static(b"{}")).map_frame(|_| panic!("the body was read")))
}

#[tokio::test]
async fn nothing_of_a_request_is_judged_before_its_caller_is_known() {
    let deployment = Deployment::build().await;
    // A well-formed token that nobody has; the checksum is the one that goes with it.
    let token = format!("cvg_{}_{}_d55e8d43", "0".repeat(32), "0".repeat(64));
    assert!(claviger_service::Presented::token(&token).is_ok(), "{token}");
    for who in [As::Nobody, As::Name("unheard-of"), As::Token(&token)] {
        for (surface, method, path) in [
            (Surface::Control, Method::POST, "/v1/rings"),
            (Surface::Data, Method::POST, "/v1/keys/orders%2Fmain/encrypt"),
            (Surface::Data, Method::POST, "/v1/keys/%ff/encrypt"),
            (Surface::Control, Method::GET, "/v1/nothing"),
            (Surface::Control, Method::DELETE, "/v1/rings"),
            (Surface::Control, Method::POST, "/v1/health"),
            (Surface::Data, Method::OPTIONS, "/"),
        ] {
            for kind in ["application/octet-stream", "application/json", "text/plain"] {
                let asked = Request::builder().method(method.clone()).uri(path);
                let asked = asked.header(CONTENT_TYPE, kind).header("content-length", "99999999999");
                let asked = asked.header("x-request-id", "no word");
                let answer = deployment.send_unheld(surface, who, asked.body(untouchable()).unwrap()).await;
                answer.problem(401, "unauthenticated");
            }
        }
    }
    // Nor is the body of what everyone may ask.
    let health = Request::get("/v1/health").body(untouchable()).unwrap();
    deployment.send(Surface::Control, As::Nobody, health).await.ok();
}

#[tokio::test]
async fn a_token_that_is_none_does_not_fall_back_to_the_certificate() {
    let deployment = Deployment::build().await;
    let mut ask = request(Method::GET, "/v1/rings", &Value::Null);
    ask.headers_mut().insert("authorization", "Bearer nonsense".parse().unwrap());
    deployment.send(Surface::Control, As::Name("ada"), ask).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_plane_serves_its_own_calls_to_its_own_callers() {
    let deployment = Deployment::with_ring().await;
    deployment.key("main", "encrypt", "aes-256-gcm", &["encrypt"]).await;
    let encrypt = || request(Method::POST, "/v1/keys/orders%2Fmain/encrypt", &json!({"plaintext": ""}));
    let rings = || request(Method::GET, "/v1/rings", &Value::Null);
    let nothing = || request(Method::GET, "/v1/nothing", &Value::Null);
    for (surface, who, ask, (status, code), said) in [
        (Surface::Control, "app", encrypt(), (404, "unknown-route"), "a path of the data plane"),
        (Surface::Data, "ada", rings(), (404, "unknown-route"), "a path of the control plane"),
        (Surface::Data, "ada", nothing(), (404, "unknown-route"), "/openapi.json"),
        (Surface::Control, "app", rings(), (403, "denied"), "applications call the data plane"),
        (Surface::Data, "ada", encrypt(), (403, "denied"), "people call the control plane"),
    ] {
        let answer = deployment.send(surface, As::Name(who), ask).await;
        answer.problem(status, code);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(said), "{who} on {surface:?}: {detail}");
    }
}

#[tokio::test]
async fn a_request_that_comes_to_no_operation_is_recorded_as_that() {
    let deployment = Deployment::with_ring().await;
    let asked = || request(Method::GET, "/v1/nothing", &Value::Null);
    let answer = deployment.send_unheld(Surface::Control, As::Name("ada"), asked()).await;
    answer.problem(404, "unknown-route");
    let index = answer.header("claviger-entry").unwrap().to_owned();
    let read = format!("/v1/audit/entries?from={index}&limit=1&operation=425");
    let page = deployment.get("vera", &read).await.ok().json();
    assert_eq!(page["items"][0]["index"].to_string(), index, "{page}");
    assert_eq!(deployment.road.malformed_requests(), 1);
    for (method, path) in
        [(Method::DELETE, "/v1/rings"), (Method::POST, "/v1/rings"), (Method::GET, "/v1/rings?limit=x")]
    {
        let answer = deployment.control("ada", method, path, json!([])).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
    }
    assert_eq!(deployment.road.malformed_requests(), 4);
    // What an operation refuses, and what nobody asks, is none of these.
    deployment.get("ada", "/v1/rings/nothing").await.problem(404, "not-found");
    deployment.send_unheld(Surface::Control, As::Nobody, asked()).await.problem(401, "unauthenticated");
    deployment
        .send_unheld(Surface::Data, As::Name("unheard-of"), asked())
        .await
        .problem(401, "unauthenticated");
    assert_eq!(deployment.road.malformed_requests(), 4);
}

#[tokio::test]
async fn what_is_not_there_and_what_does_not_fit_are_typed_problems() {
    let deployment = Deployment::with_ring().await;
    deployment.get("ada", "/v1/nothing").await.problem(404, "unknown-route");
    deployment.get("ada", "/").await.problem(404, "unknown-route");
    let answer = deployment.control("ada", Method::DELETE, "/v1/rings", Value::Null).await;
    answer.problem(405, "method-not-allowed");
    let allowed = answer.header("allow").unwrap();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");

    let typed = |kind: &str, body: &'static str| {
        Request::post("/v1/rings").header(CONTENT_TYPE, kind).body(Body::from(body)).unwrap()
    };
    for (kind, body, status, code) in [
        ("text/plain", "{}", 415, "unsupported-media-type"),
        ("application/octet-stream", "{}", 415, "unsupported-media-type"),
        ("application/json", "{", 400, "malformed-request"),
        ("application/json", "", 400, "malformed-request"),
        ("application/json", "[]", 400, "malformed-request"),
        ("application/json", "{\"name\":\"a\",\"name\":\"b\"}", 400, "malformed-request"),
        ("application/json", "{\"name\":\"a\",\"nom\":\"b\"}", 400, "malformed-request"),
        ("application/json", "{\"name\":\"A\"}", 400, "malformed-request"),
        ("application/json", "{\"name\":\"a\"} x", 400, "malformed-request"),
        ("application/json", "\u{0}", 400, "malformed-request"),
    ] {
        let answer = deployment.send(Surface::Control, As::Name("ada"), typed(kind, body)).await;
        answer.problem(status, code);
    }
    let untyped = Request::post("/v1/rings").body(Body::from("{\"name\":\"a\"}")).unwrap();
    deployment.send(Surface::Control, As::Name("ada"), untyped).await.problem(415, "unsupported-media-type");
    for path in [
        "/v1/rings?limit=0",
        "/v1/rings?limit=1001",
        "/v1/rings?limit=x",
        "/v1/rings?cursor=x",
        "/v1/rings?a=b",
    ] {
        deployment.get("ada", path).await.problem(400, "malformed-request");
    }
    deployment.get("ada", "/v1/rings/Not%20A%20Name").await.problem(400, "invalid-argument");
    deployment.get("ada", "/v1/rings/%ff").await.problem(400, "malformed-request");
    deployment.get("vera", "/v1/audit/proof/one/0").await.problem(400, "malformed-request");
}

#[tokio::test]
async fn sizes_are_bounded_whether_announced_or_not() {
    let deployment = Deployment::with_ring().await;
    deployment.key("main", "encrypt", "aes-256-gcm", &["encrypt"]).await;
    let path = "/v1/keys/orders%2Fmain/encrypt";
    let announced = vec![0; LIMITS.body + 1];
    deployment.octets("app", path, &[], announced.into()).await.problem(413, "too-large");
    // What one use takes is less than what is read: the service's own rule.
    deployment.octets("app", path, &[], vec![0; (64 << 10) + 1].into()).await.problem(413, "too-large");
    deployment.octets("app", path, &[], vec![0; 64 << 10].into()).await.ok();
    let items = vec![json!({"plaintext": ""}); 1001];
    deployment
        .data("app", &format!("{path}/batch"), json!({"items": items}))
        .await
        .problem(400, "malformed-request");
    deployment
        .data("app", &format!("{path}/batch"), json!({"items": []}))
        .await
        .problem(400, "malformed-request");
    let long = "x".repeat(LIMITS.headers);
    deployment.octets("app", path, &[("x-long", &long)], "".into()).await.problem(431, "headers-too-large");
}

#[tokio::test]
async fn a_callers_word_for_its_call_comes_back() {
    let deployment = Deployment::build().await;
    let with = |id: &str| Request::get("/v1/rings").header("x-request-id", id).body(Body::empty()).unwrap();
    let answer = deployment.send(Surface::Control, As::Name("ada"), with("trace-1")).await.ok();
    assert_eq!(answer.header("x-request-id"), Some("trace-1"));
    let refused = deployment.send(Surface::Control, As::Nobody, with("trace-2")).await;
    refused.problem(401, "unauthenticated");
    assert_eq!(refused.header("x-request-id"), Some("trace-2"));
    assert_eq!(refused.json()["request_id"], "trace-2");
    for bad in ["", "a b", &"x".repeat(129)] {
        let answer = deployment.send(Surface::Control, As::Name("ada"), with(bad)).await;
        answer.problem(400, "malformed-request");
        assert_eq!(answer.header("x-request-id"), None);
    }
}

#[tokio::test]
async fn refusals_name_their_entry() {
    let deployment = Deployment::with_ring().await;
    deployment.key("main", "encrypt", "aes-256-gcm", &[]).await;
    let answer =
        deployment.data("outsider", "/v1/keys/orders%2Fmain/encrypt", json!({"plaintext": ""})).await;
    // To an application without rights the key might as well not exist; either way the refusal is in the log.
    assert!(matches!(answer.status.as_u16(), 403 | 404), "{answer:?}");
    let entry: u64 = answer.header("claviger-entry").unwrap().parse().unwrap();
    assert_eq!(answer.json()["entry"], entry);
}

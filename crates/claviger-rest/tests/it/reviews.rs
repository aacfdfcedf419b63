//! Capacities and access reviews over REST: given, opened, read page by page, decided on and closed, by those who may.

use claviger_core::action::Surface;
use http::Method;
use serde_json::{Value, json};

use crate::deployment::{Answer, As, Deployment, request};

const MONTH: u64 = 30 * 86_400;

async fn post(deployment: &Deployment, who: &str, path: &str, body: Value) -> Answer {
    deployment.control(who, Method::POST, path, body).await
}

async fn open(deployment: &Deployment, who: &str, body: Value) -> Answer {
    post(deployment, who, "/v1/access/reviews", body).await
}

/// All items of a review, as somebody reads them, so many at a time.
async fn items(deployment: &Deployment, who: &str, path: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = deployment.get(who, &format!("{path}?limit={limit}{after}")).await.ok().json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        all.extend(items.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn a_capacity_is_given_shown_reported_and_withdrawn() {
    let deployment = Deployment::with_ring().await;
    let key = deployment.key("main", "encrypt", "aes-256-gcm", &[]).await["id"].as_str().unwrap().to_owned();
    let put = async |who: &str, to: &str, capacity: &str, body: Value| {
        let path = format!("/v1/principals/{to}/capacities/{capacity}");
        deployment.control(who, Method::PUT, &path, body).await
    };
    let why = || json!({"reason": "appointed by the board"});
    put("ada", "vera", "dpo", why()).await.problem(403, "denied");
    put("otto", "vera", "dpo", Value::Null).await.problem(400, "reason-required");
    put("otto", "otto", "dpo", why()).await.problem(409, "separation-of-duties");
    put("otto", "app", "dpo", why()).await.problem(409, "separation-of-duties");
    put("otto", "vera", "chief", why()).await.problem(400, "invalid-argument");
    let of_none = "key_owner:01940f3e-7b1c-4d20-8c3e-5a6f1b2c3d4e";
    put("otto", "vera", of_none, why()).await.problem(404, "not-found");
    put("otto", "vera", "dpo", why()).await.ok();
    let owner = format!("key_owner:{key}");
    let vera = put("otto", "vera", &owner, why()).await.ok();
    let read = deployment.get("ada", "/v1/principals/vera").await.ok();
    assert_eq!((read.json(), read.header("etag")), (vera.json(), vera.header("etag")));
    let vera = vera.json();
    let held: Vec<_> = vera["capacities"].as_array().unwrap().iter().map(|held| &held["capacity"]).collect();
    assert_eq!(held, [&json!("dpo"), &json!(owner)]);
    let otto = deployment.get("ada", "/v1/principals/otto").await.ok().json();
    assert_eq!((&vera["capacities"][0]["given_by"], otto.get("capacities")), (&otto["id"], None));

    let report = deployment.get("vera", "/v1/access/report").await.ok().json();
    let lines = report["items"].as_array().unwrap();
    let of = |name: &str| lines.iter().filter(|line| line["principal_name"] == name).collect::<Vec<_>>();
    assert!(!of("vera").is_empty() && !of("otto").is_empty());
    assert!(of("vera").iter().all(|line| line["capacities"] == json!(["dpo", owner])), "{report}");
    assert!(of("otto").iter().all(|line| line.get("capacities").is_none()), "{report}");

    let withdraw = async |who: &str, capacity: &str, body: Value| {
        post(&deployment, who, &format!("/v1/principals/vera/capacities/{capacity}/withdraw"), body).await
    };
    withdraw("ada", "dpo", why()).await.problem(403, "denied");
    withdraw("olga", "dpo", Value::Null).await.problem(400, "reason-required");
    let less = withdraw("olga", "dpo", why()).await.ok().json();
    assert_eq!(less["capacities"].as_array().unwrap().len(), 1);
    withdraw("olga", "dpo", why()).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_review_is_opened_read_decided_and_closed() {
    let deployment = Deployment::with_ring().await;
    deployment.key("main", "encrypt", "aes-256-gcm", &["encrypt"]).await;
    let opened = open(&deployment, "ada", json!({"scope": "all", "due_in_seconds": MONTH})).await.ok();
    assert_eq!(opened.status.as_u16(), 201);
    let review = opened.json();
    assert_eq!([&review["items"], &review["decided"], &review["to_remove"]], [6, 0, 0]);
    assert_eq!((&review["state"], &review["ring"]), (&json!("open"), &Value::Null));
    assert_eq!(review["closed"], Value::Null);
    assert_eq!(review["opened_by"]["name"], "ada");
    let path = format!("/v1/access/reviews/{}", review["id"].as_str().unwrap());
    let read = deployment.get("vera", &path).await.ok();
    assert_eq!((&read.json()["review"], read.header("etag")), (&review, Some("\"1\"")));
    let all = items(&deployment, "ada", &path, 4).await;
    assert_eq!((all.len(), &all), (6, &items(&deployment, "ada", &path, 100).await));
    let of_app = all.iter().find(|item| item["principal"]["name"] == "app").unwrap();
    assert_eq!((&of_app["ring"]["name"], &of_app["count"]), (&json!("orders"), &json!(1)));
    assert_eq!(of_app["rights"][0]["grant"]["operations"], json!(["encrypt"]));
    let own: Vec<_> = all.iter().filter(|item| item["own"] == true).collect();
    assert_eq!((own.len(), &own[0]["principal"]["name"]), (1, &json!("ada")));
    assert_eq!(own[0]["rights"], json!([{"role": "administrator"}]));

    let office = |who: &str, decision: &str| json!({"principal": who, "decision": decision});
    let decide = async |who: &str, decisions: Vec<Value>| {
        post(&deployment, who, &format!("{path}/decide"), json!({"decisions": decisions})).await
    };
    let grants = json!({"principal": "app", "ring": "orders", "decision": "remove"});
    decide("ada", vec![office("ada", "keep")]).await.problem(409, "separation-of-duties");
    decide("vera", vec![office("ada", "keep")]).await.problem(403, "denied");
    decide("ada", vec![office("app", "keep")]).await.problem(404, "not-found");
    decide("ada", vec![office("vera", "perhaps")]).await.problem(400, "malformed-request");
    decide("ada", Vec::new()).await.problem(400, "invalid-argument");
    let others = ["otto", "olga", "vera"].map(|who| office(who, "keep"));
    let by_ada = [&others[..], &[office("odile", "remove"), grants]].concat();
    let decided = decide("ada", by_ada).await.ok().json();
    assert_eq!([&decided["decided"], &decided["to_remove"], &decided["revision"]], [5, 2, 2]);
    decide("olga", vec![office("vera", "remove")]).await.problem(409, "wrong-state");

    let close = async |who: &str, body: Value| post(&deployment, who, &format!("{path}/close"), body).await;
    let why = || json!({"reason": "the second half of the year"});
    close("otto", why()).await.problem(409, "wrong-state");
    decide("otto", vec![office("ada", "keep")]).await.ok();
    close("ada", why()).await.problem(403, "denied");
    close("otto", Value::Null).await.problem(400, "reason-required");
    let closed = close("otto", why()).await.ok().json();
    assert_eq!(closed["withdrawn"], json!({"roles": 1, "capacities": 0, "grants": 1}));
    let review = &closed["review"];
    assert_eq!((&review["state"], &review["closed"]["by"]["name"]), (&json!("closed"), &json!("otto")));
    assert_eq!(review["reason"]["text"], "the second half of the year");
    let again = close("olga", why()).await.ok().json();
    assert_eq!(again["withdrawn"], json!({"roles": 0, "capacities": 0, "grants": 0}));
    let odile = deployment.get("ada", "/v1/principals/odile").await.ok().json();
    assert_eq!(odile["roles"], json!([]));
    let used = deployment.data("app", "/v1/keys/orders%2Fmain/encrypt", json!({"plaintext": "aGk="})).await;
    used.problem(404, "not-found");

    for (query, count) in [("?state=open", 0), ("?state=closed", 1), ("", 1), ("?limit=1", 1)] {
        let listed = deployment.get("vera", &format!("/v1/access/reviews{query}")).await.ok().json();
        assert_eq!(listed["items"].as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test]
async fn what_is_no_review_is_refused_and_applications_see_none() {
    let deployment = Deployment::with_ring().await;
    let good = json!({"scope": "humans", "due_in_seconds": MONTH});
    let review = open(&deployment, "otto", good.clone()).await.ok().json();
    let path = format!("/v1/access/reviews/{}", review["id"].as_str().unwrap());
    for who in ["vera", "odile", "app"] {
        open(&deployment, who, good.clone()).await.problem(403, "denied");
    }
    for who in ["odile", "app", "outsider"] {
        deployment.get(who, &path).await.problem(403, "denied");
        deployment.get(who, "/v1/access/reviews").await.problem(403, "denied");
    }
    for bad in [
        json!({"scope": "some", "due_in_seconds": MONTH}),
        json!({"scope": "all"}),
        json!({"scope": "all", "due_in_seconds": MONTH, "population": "x"}),
    ] {
        open(&deployment, "otto", bad).await.problem(400, "malformed-request");
    }
    for days in [0, 86_399, 181 * 86_400] {
        let bad = json!({"scope": "all", "due_in_seconds": days});
        open(&deployment, "otto", bad).await.problem(400, "invalid-argument");
    }
    let of_ring = |ring: &str| json!({"scope": "all", "ring": ring, "due_in_seconds": MONTH});
    open(&deployment, "otto", of_ring("nothing")).await.problem(404, "not-found");
    // Nobody was granted anything there.
    open(&deployment, "otto", of_ring("orders")).await.problem(409, "wrong-state");
    for query in ["?state=some", "?limit=0", "?cursor=x"] {
        deployment.get("otto", &format!("/v1/access/reviews{query}")).await.problem(400, "malformed-request");
    }
    // A cursor is of its own list.
    let page = deployment.get("otto", &format!("{path}?limit=1")).await.ok().json();
    let cursor = page["next"].as_str().unwrap();
    let mixed = deployment.get("otto", &format!("/v1/access/reviews?cursor={cursor}")).await;
    mixed.problem(400, "malformed-request");
    deployment.get("otto", "/v1/access/reviews/orders").await.problem(400, "invalid-argument");
    let unknown = "/v1/access/reviews/01940f3e-7b1c-4d20-8c3e-5a6f1b2c3d4e";
    deployment.get("otto", unknown).await.problem(404, "not-found");
    // No review is ever taken away.
    for method in [Method::DELETE, Method::PUT, Method::PATCH] {
        let asked = request(method, &path, &json!({}));
        let answer = deployment.send_unheld(Surface::Control, As::Name("otto"), asked).await;
        assert_eq!(answer.status.as_u16(), 405, "{answer:?}");
    }
}

//! Dual control over HTTP: a call that waits for others is a problem that names its approval; custodians sign with the keys of their own
//! certificates; and whoever asked has it done, by the same call or by the approval.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_audit::approval::{Form, signed_bytes};
use claviger_audit::governed::Governed;
use claviger_client::types::Instant;
use claviger_core::Action;
use claviger_core::action::Surface;
use claviger_core::approval::Verdict;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{Message, Purpose, ReadyKey, SignatureAlgorithm, Spec, generate};
use claviger_testkit::deployment::certificate_of;
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::deployment::{Answer, As, Deployment, request};

const DAY: Duration = Duration::from_secs(86_400);
const KEY: &str = "/v1/keys/orders%2Fmain";
const DESTROY: &str = "/v1/keys/orders%2Fmain/destroy";
const CUSTODIANS: [&str; 3] = ["carl", "cora", "cyril"];

/// A key in memory, with the least that reads as a certificate of it.
struct Signer {
    key: ReadyKey,
    certificate: Vec<u8>,
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x82][..], &u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

impl Signer {
    /// One whose certificate somebody enters for themselves.
    async fn of(deployment: &Deployment, who: &str) -> Self {
        let material = generate(Spec::EcP256, &mut ModuleRandom).unwrap();
        let key = ReadyKey::for_purpose(Spec::EcP256, Purpose::Sign, &material.secret).unwrap();
        let empty = der(0x30, &[]);
        let public_key = key.public_key().unwrap();
        let fields = [&[2, 1, 5][..], &empty, &empty, &empty, &empty, public_key].concat();
        let certificate = der(0x30, &[der(0x30, &fields), empty.clone(), vec![3, 1, 0]].concat());
        let expires_at = Instant(deployment.clock().in_seconds(90 * 86_400)).to_string();
        let create = json!({
            "principal": who, "label": "signing",
            "credential": {"certificate": {"der": STANDARD.encode(&certificate), "expires_at": expires_at}},
        });
        deployment.control(who, Method::POST, "/v1/credentials", create).await.ok();
        Self { key, certificate }
    }

    fn presented(&self) -> As<'_> {
        As::Certificate(&self.certificate)
    }

    /// A decision on what an approval says that it is about, signed now.
    fn decision(&self, deployment: &Deployment, approval: &Value, verdict: Verdict) -> Value {
        let form: Form = approval["form"].as_str().unwrap().parse().unwrap();
        let (digest, now) = (form.digest(), deployment.clock().wall());
        let signed = signed_bytes(&digest, verdict, now);
        let signature = self.key.sign(SignatureAlgorithm::EcdsaSha256, Message::Raw(&signed)).unwrap();
        json!({
            "digest": hex::encode(digest), "certificate": STANDARD.encode(&self.certificate),
            "method": "ecdsa-p256-sha256", "signature": STANDARD.encode(signature),
            "signed_at": Instant(now).to_string(),
        })
    }
}

/// A deployment with those who decide.
struct Deciding {
    deployment: Deployment,
    signers: BTreeMap<&'static str, Signer>,
}

impl Deciding {
    /// One with key `orders/main` and three custodians, of whom so many must approve what concerns the whole deployment.
    async fn build(quorum: u8) -> Self {
        let custodians = CUSTODIANS.map(|name| (name, PrincipalKind::Human, Some(Role::Custodian)));
        let deployment = Deployment::build_under(quorum, &custodians).await;
        deployment.control("ada", Method::POST, "/v1/rings", json!({"name": "orders"})).await.ok();
        deployment.key("main", "encrypt", "aes-256-gcm", &["encrypt"]).await;
        let mut deciding = Self { deployment, signers: BTreeMap::new() };
        for name in CUSTODIANS {
            deciding.enter(name).await;
        }
        deciding
    }

    async fn enter(&mut self, name: &'static str) {
        let signer = Signer::of(&self.deployment, name).await;
        self.signers.insert(name, signer);
    }

    async fn post(&self, who: &str, path: &str, body: Value) -> Answer {
        self.deployment.control(who, Method::POST, path, body).await
    }

    /// Asks for the destruction of the key.
    async fn destroy(&self, reason: &str) -> Answer {
        self.post("ada", DESTROY, json!({"reason": reason})).await
    }

    async fn read(&self, id: &str) -> Value {
        self.deployment.get("vera", &format!("/v1/approvals/{id}")).await.ok().json()
    }

    async fn send(&self, who: As<'_>, id: &str, verdict: Verdict, body: &Value) -> Answer {
        let path = format!("/v1/approvals/{id}/{verdict}");
        self.deployment.send(Surface::Control, who, request(Method::POST, &path, body)).await
    }

    async fn approve(&self, who: &str, id: &str) -> Answer {
        let signer = &self.signers[who];
        let body = signer.decision(&self.deployment, &self.read(id).await, Verdict::Approve);
        self.send(signer.presented(), id, Verdict::Approve, &body).await
    }

    async fn deny(&self, who: &str, id: &str, why: &Value) -> Answer {
        let signer = &self.signers[who];
        let mut body = signer.decision(&self.deployment, &self.read(id).await, Verdict::Deny);
        body.as_object_mut().unwrap().extend(why.as_object().unwrap().clone());
        self.send(signer.presented(), id, Verdict::Deny, &body).await
    }

    /// Two approve it.
    async fn approved(&self, id: &str) {
        for who in ["carl", "cora"] {
            self.approve(who, id).await.ok();
        }
        assert_eq!(self.read(id).await["state"], "ready");
    }

    async fn execute(&self, who: &str, id: &str) -> Answer {
        self.post(who, &format!("/v1/approvals/{id}/execute"), Value::Null).await
    }

    async fn set_rules(&self, who: &str, if_match: Option<&str>, body: Value) -> Answer {
        let mut asked = Request::patch("/v1/governance").header(CONTENT_TYPE, "application/json");
        if let Some(tag) = if_match {
            asked = asked.header(IF_MATCH, tag);
        }
        let asked = asked.body(Body::from(body.to_string())).unwrap();
        self.deployment.send(Surface::Control, As::Name(who), asked).await
    }
}

/// The approval that a call waits for.
#[track_caller]
fn pending(answer: &Answer) -> String {
    answer.problem(403, "approval-required");
    let problem = answer.json();
    let id = problem["approval"].as_str().unwrap().to_owned();
    assert!(problem["detail"].as_str().unwrap().contains(&id), "{problem}");
    assert!(problem["entry"].is_u64(), "{problem}");
    id
}

#[tokio::test]
async fn a_destruction_is_asked_for_approved_by_signatures_and_done_by_the_same_call() {
    let deciding = Deciding::build(0).await;
    let why = "the data was deleted";
    let id = pending(&deciding.destroy(why).await);
    assert_eq!(pending(&deciding.destroy(why).await), id, "the same is asked for once");

    let read = deciding.deployment.get("carl", &format!("/v1/approvals/{id}")).await.ok();
    let (tag, approval) = (read.headers[ETAG].to_str().unwrap().to_owned(), read.json());
    assert_eq!((&approval["id"], tag), (&json!(id), format!("\"{}\"", approval["revision"])));
    assert_eq!((&approval["action"], &approval["state"]), (&json!("schedule_destroy"), &json!("open")));
    assert_eq!((&approval["quorum"], &approval["approved"]), (&json!(2), &json!(0)));
    assert_eq!((&approval["eligible"], &approval["ended"]), (&json!("custodians"), &Value::Null));
    let asker = &approval["requester"];
    assert_eq!((&asker["name"], &approval["ring"]["name"]), (&json!("ada"), &json!("orders")));
    assert_eq!(approval["names"][asker["id"].as_str().unwrap()], "ada");
    assert_eq!((&approval["reason"]["text"], &approval["decisions"]), (&json!(why), &json!([])));
    let key = deciding.deployment.get("vera", KEY).await.ok().json();
    let object = format!("key {}", key["id"].as_str().unwrap());
    let row = json!({"object": object, "revision": key["revision"], "name": "orders/main"});
    assert!(approval["rows"].as_array().unwrap().contains(&row), "{approval}");

    // What is signed is what the form says, and nothing that lies beside it.
    let form: Form = approval["form"].as_str().unwrap().parse().unwrap();
    assert_eq!(approval["digest"], hex::encode(form.digest()));
    assert_eq!((form.id.to_string(), form.deployment.as_str()), (id.clone(), "test"));
    assert_eq!(form.act().unwrap().action(), Action::ScheduleDestroy);

    let approved = deciding.approve("carl", &id).await.ok().json();
    assert_eq!((&approved["state"], &approved["approved"]), (&json!("open"), &json!(1)));
    let decision = &approved["decisions"][0];
    assert_eq!((&decision["verdict"], &decision["by"]["name"]), (&json!("approve"), &json!("carl")));
    let again = deciding.approve("carl", &id).await.ok().json();
    assert_eq!(again["revision"], approved["revision"], "once more changes nothing");
    assert_eq!(pending(&deciding.destroy(why).await), id, "one is too few");
    let approved = deciding.approve("cora", &id).await.ok().json();
    assert_eq!((&approved["state"], &approved["approved"]), (&json!("ready"), &json!(2)));

    let key = deciding.destroy(why).await.ok().json();
    assert_eq!((&key["state"], &key["destroy_approval"]), (&json!("suspended"), &json!(id)));
    assert!(key["destroy_at"].is_string() && key.get("destroy_blocked_by").is_none(), "{key}");
    let done = deciding.read(&id).await;
    assert_eq!((&done["state"], &done["approved"]), (&json!("executed"), &json!(2)));
    let ended = &done["ended"];
    assert_eq!((&ended["outcome"], &ended["by"]["name"]), (&json!("executed"), &json!("ada")));
    deciding.destroy(why).await.problem(409, "wrong-state");
}

#[tokio::test]
async fn a_destruction_whose_approver_is_gone_is_held_and_shows_by_what() {
    let deciding = Deciding::build(0).await;
    let id = pending(&deciding.destroy("over").await);
    deciding.approved(&id).await;
    deciding.destroy("over").await.ok();
    let left = json!({"reason": "left"});
    deciding.post("otto", "/v1/principals/carl/revoke", left).await.ok();
    deciding.deployment.clock().advance(DAY * 31);
    deciding.deployment.road.do_what_is_due().await;
    let key = deciding.deployment.get("vera", KEY).await.ok().json();
    assert_eq!((&key["state"], &key["destroy_approval"]), (&json!("suspended"), &json!(id)), "{key}");
    assert_eq!(key["destroy_blocked_by"], "quorum", "{key}");
    assert_ne!(pending(&deciding.destroy("over").await), id, "it is approved afresh");
}

#[tokio::test]
async fn what_was_approved_is_executed_once_and_by_nobody_but_who_asked() {
    let deciding = Deciding::build(2).await;
    let lower = || deciding.set_rules("otto", None, json!({"quorum": 1, "reason": "one has left"}));
    let id = pending(&lower().await);
    assert_eq!(pending(&deciding.execute("otto", &id).await), id, "not yet");
    deciding.approved(&id).await;
    for who in ["ada", "olga", "carl"] {
        deciding.execute(who, &id).await.problem(403, "denied");
    }
    let body = json!({"reason": "one has left"});
    let with_body = deciding.post("otto", &format!("/v1/approvals/{id}/execute"), body).await;
    with_body.problem(400, "malformed-request");
    let answer = deciding.execute("otto", &id).await.ok();
    let done = answer.json();
    assert_eq!((&done["approval"], &done["action"]), (&json!(id), &json!("set_governance")));
    assert_eq!(answer.header("claviger-entry").map(str::to_owned), Some(done["entry"].to_string()));
    let rules = &done["result"]["governance"];
    assert_eq!((&rules["quorum"], &rules["reason"]["text"]), (&json!(1), &json!("one has left")));
    assert_eq!(deciding.deployment.get("vera", "/v1/governance").await.ok().json(), *rules);
    deciding.execute("otto", &id).await.problem(409, "wrong-state");
    deciding.execute("otto", "01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_secret_that_others_approved_goes_to_who_asked_for_it() {
    let deciding = Deciding::build(2).await;
    // `app` uses keys of a strict ring.
    let create = json!({
        "principal": "app", "label": "till", "credential": {"token": {"lifetime_seconds": 3600}},
    });
    let id = pending(&deciding.post("olga", "/v1/credentials", create).await);
    deciding.approved(&id).await;
    let done = deciding.execute("olga", &id).await.ok().json();
    let made = &done["result"]["credential"];
    assert_eq!(done["action"], "create_credential");
    assert_eq!(made["credential"]["label"], "till");
    let drawn = request(Method::POST, "/v1/random", &json!({"bytes": 16}));
    let token = made["token"].as_str().unwrap();
    deciding.deployment.send(Surface::Data, As::Token(token), drawn).await.ok();
    let seen = deciding.deployment.get("vera", &format!("/v1/approvals/{id}")).await.ok();
    assert!(!String::from_utf8_lossy(&seen.body).contains(token));
}

#[tokio::test]
async fn grants_wait_for_others_where_the_ring_says_so() {
    let deciding = Deciding::build(0).await;
    let ring = json!({"name": "cards", "policy": {"data_class": "cardholder"}});
    let ring = deciding.post("ada", "/v1/rings", ring).await.ok().json();
    assert_eq!(ring["policy"]["grants_under_quorum"], true);
    let open = json!({"name": "open", "policy": {"data_class": "cardholder", "grants_under_quorum": false}});
    let open = deciding.post("ada", "/v1/rings", open).await.ok().json();
    assert_eq!(open["policy"]["grants_under_quorum"], false);
    let why = "the shop seals its orders";
    let grant =
        json!({"principal": "app", "on": {"ring": "cards"}, "operations": ["encrypt"], "reason": why});
    let id = pending(&deciding.post("otto", "/v1/grants", grant.clone()).await);
    deciding.approved(&id).await;
    let given = deciding.post("otto", "/v1/grants", grant).await.ok();
    assert_eq!((given.status.as_u16(), &given.json()["reason"]["text"]), (201, &json!(why)));
    let grant =
        json!({"principal": "app", "on": {"ring": "open"}, "operations": ["encrypt"], "reason": "a test"});
    deciding.post("otto", "/v1/grants", grant).await.ok();
}

#[tokio::test]
async fn one_denial_ends_it_and_says_why_only_to_the_log() {
    let deciding = Deciding::build(0).await;
    let id = pending(&deciding.destroy("over").await);
    deciding.deny("cora", &id, &json!({})).await.problem(400, "reason-required");
    deciding.deny("cora", &id, &json!({"reason": "two\nlines"})).await.problem(400, "invalid-argument");
    let why = json!({"reason": "another key was meant"});
    let denied = deciding.deny("cora", &id, &why).await.ok().json();
    assert_eq!((&denied["state"], &denied["ended"]["by"]["name"]), (&json!("denied"), &json!("cora")));
    assert_eq!(denied["reason"]["text"], "over", "why it was asked for");
    deciding.approve("carl", &id).await.problem(409, "wrong-state");
    // Nobody waits for what was denied: no approval is named but in words.
    let refused = deciding.destroy("over").await;
    refused.problem(403, "denied");
    let problem = refused.json();
    assert!(problem.get("approval").is_none(), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(&id), "{problem}");
    deciding.execute("ada", &id).await.problem(409, "wrong-state");
}

#[tokio::test]
async fn what_moves_in_between_is_not_done() {
    let deciding = Deciding::build(0).await;
    let id = pending(&deciding.destroy("over").await);
    deciding.approved(&id).await;
    let patch = request(Method::PATCH, KEY, &json!({"description": "of the shop"}));
    deciding.deployment.send(Surface::Control, As::Name("ada"), patch).await.ok();
    let moved = deciding.destroy("over").await;
    moved.problem(409, "conflict");
    assert!(moved.json().get("approval").is_none());
    let ended = deciding.read(&id).await;
    assert_eq!((&ended["state"], &ended["ended"]["outcome"]), (&json!("moved"), &json!("moved")));
    assert_ne!(pending(&deciding.destroy("over").await), id);
}

#[tokio::test]
async fn who_asked_gives_it_up_and_an_officer_stops_it() {
    let deciding = Deciding::build(0).await;
    for who in ["ada", "otto"] {
        let id = pending(&deciding.destroy("over").await);
        let path = format!("/v1/approvals/{id}/cancel");
        let why = json!({"reason": "asked for by mistake"});
        for other in ["vera", "carl"] {
            deciding.post(other, &path, why.clone()).await.problem(403, "denied");
        }
        deciding.post(who, &path, Value::Null).await.problem(400, "reason-required");
        let cancelled = deciding.post(who, &path, why.clone()).await.ok().json();
        let by = &cancelled["ended"]["by"]["name"];
        assert_eq!((&cancelled["state"], by), (&json!("cancelled"), &json!(who)));
        assert_eq!(deciding.post(who, &path, why).await.ok().json(), cancelled, "once more changes nothing");
    }
}

#[tokio::test]
async fn approvals_come_in_pages_of_those_that_are_open_or_ended() {
    let deciding = Deciding::build(0).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(pending(&deciding.destroy(&format!("reason {number}")).await));
    }
    ids.sort_unstable();
    deciding.deny("carl", &ids[0], &json!({"reason": "no"})).await.ok();
    let list = async |query: &str| {
        let (mut seen, mut path) = (Vec::new(), format!("/v1/approvals?{query}limit=2"));
        loop {
            let page = deciding.deployment.get("carl", &path).await.ok().json();
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2);
            for one in items {
                // The form of each is read by itself.
                assert!(one.get("form").is_none() && one.get("names").is_none(), "{one}");
                assert_eq!(one["requester"]["name"], "ada", "{one}");
                seen.push(one["id"].as_str().unwrap().to_owned());
            }
            match page["next"].as_str() {
                Some(next) => path = format!("/v1/approvals?{query}limit=2&cursor={next}"),
                None => break (seen, path),
            }
        }
    };
    let (all, path) = list("").await;
    assert_eq!(all, ids);
    assert_eq!(list("state=open&").await.0, ids[1..]);
    assert_eq!(list("state=ended&").await.0, ids[..1]);
    let of_approvals = path.rsplit('=').next().unwrap();
    for bad in [
        format!("/v1/declarations?cursor={of_approvals}"),
        "/v1/approvals?state=ready".to_owned(),
        "/v1/approvals?limit=0".to_owned(),
        "/v1/approvals?cursor=x".to_owned(),
        "/v1/approvals?after=x".to_owned(),
    ] {
        deciding.deployment.get("vera", &bad).await.problem(400, "malformed-request");
    }
}

#[tokio::test]
async fn whoever_holds_a_role_but_an_operator_reads_and_custodians_decide() {
    let mut deciding = Deciding::build(0).await;
    deciding.enter("vera").await;
    let id = pending(&deciding.destroy("over").await);
    let path = format!("/v1/approvals/{id}");
    for who in ["ada", "otto", "vera", "carl"] {
        deciding.deployment.get(who, &path).await.ok();
        deciding.deployment.get(who, "/v1/approvals").await.ok();
    }
    for who in ["odile", "app"] {
        deciding.deployment.get(who, &path).await.problem(403, "denied");
        deciding.deployment.get(who, "/v1/approvals").await.problem(403, "denied");
    }
    deciding.approve("vera", &id).await.problem(403, "denied");

    // A token decides nothing, and neither does another certificate of the same person, or that of another one.
    let create = json!({
        "principal": "carl", "label": "token", "credential": {"token": {"lifetime_seconds": 3600}},
    });
    let made = deciding.post("carl", "/v1/credentials", create).await.ok().json();
    let token = made["token"].as_str().unwrap();
    let approval = deciding.read(&id).await;
    let body = deciding.signers["carl"].decision(&deciding.deployment, &approval, Verdict::Approve);
    for who in [As::Token(token), As::Name("carl"), deciding.signers["cora"].presented()] {
        deciding.send(who, &id, Verdict::Approve, &body).await.problem(403, "denied");
    }
    // A signature is good for one verdict, on one approval.
    let mut turned = body.clone();
    turned["reason"] = json!("another verdict");
    let carl = || deciding.signers["carl"].presented();
    deciding.send(carl(), &id, Verdict::Deny, &turned).await.problem(400, "invalid-argument");
    let other = pending(&deciding.destroy("for another reason").await);
    deciding.send(carl(), &other, Verdict::Approve, &body).await.problem(400, "invalid-argument");
    assert_eq!(deciding.read(&id).await["approved"], 0);
    deciding.send(carl(), &id, Verdict::Approve, &body).await.ok();
}

#[tokio::test]
async fn decisions_that_do_not_read_are_refused() {
    let deciding = Deciding::build(0).await;
    let id = pending(&deciding.destroy("over").await);
    let signer = &deciding.signers["carl"];
    let good = signer.decision(&deciding.deployment, &deciding.read(&id).await, Verdict::Approve);
    let with = |member: &str, value: Value| {
        let mut body = good.clone();
        body[member] = value;
        body
    };
    let mut bad = vec![
        json!({}),
        with("digest", json!(good["digest"].as_str().unwrap().to_uppercase())),
        with("digest", json!("ab")),
        with("certificate", json!("not base64")),
        with("method", json!("hmac-sha256")),
        with("signed_at", json!("yesterday")),
        with("verdict", json!("approve")),
        with("reason_code", json!("whim")),
    ];
    for member in ["digest", "certificate", "method", "signature", "signed_at"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(member);
        bad.push(body);
    }
    for body in bad {
        let refused = deciding.send(signer.presented(), &id, Verdict::Approve, &body).await;
        refused.problem(400, "malformed-request");
    }
    for body in [
        with("digest", json!("ab".repeat(32))),
        with("signature", json!("")),
        with("signature", json!(STANDARD.encode([1_u8; 64]))),
        with("signed_at", json!("2026-01-01T00:00:00Z")),
        with("method", json!("ed25519")),
        with("reason", json!("x".repeat(1025))),
    ] {
        let refused = deciding.send(signer.presented(), &id, Verdict::Approve, &body).await;
        refused.problem(400, "invalid-argument");
    }
    let nowhere = "01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e";
    deciding.send(signer.presented(), nowhere, Verdict::Approve, &good).await.problem(404, "not-found");
    deciding.send(signer.presented(), "main", Verdict::Approve, &good).await.problem(400, "invalid-argument");
    deciding.deployment.get("vera", "/v1/approvals/main").await.problem(400, "invalid-argument");
    assert_eq!(deciding.read(&id).await["decisions"], json!([]));
    // Why somebody approves may be said.
    let body = with("reason", json!("compared with ticket 4711"));
    deciding.send(signer.presented(), &id, Verdict::Approve, &body).await.ok();
}

#[tokio::test]
async fn the_rules_of_the_deployment_are_read_and_changed() {
    let deciding = Deciding::build(0).await;
    let read = deciding.deployment.get("odile", "/v1/governance").await.ok();
    let rules = read.json();
    assert_eq!((&rules["quorum"], &rules["revision"]), (&json!(0), &json!(0)));
    assert!(rules.get("set_by").is_none() && rules.get("set_at").is_none(), "{rules}");
    assert_eq!(rules["human_grant_lifetime_seconds"], Value::Null);
    let tag = read.headers[ETAG].to_str().unwrap().to_owned();

    let why = "the auditors asked";
    let more = json!({"quorum": 2, "human_grant_lifetime_seconds": 7_776_000, "reason": why});
    deciding.set_rules("ada", None, more.clone()).await.problem(403, "denied");
    deciding.set_rules("otto", None, json!({"quorum": 2})).await.problem(400, "reason-required");
    deciding.set_rules("otto", Some("\"7\""), more.clone()).await.problem(412, "precondition-failed");
    for quorum in [json!(256), json!(-1), json!("2")] {
        let bad = json!({"quorum": quorum, "reason": why});
        deciding.set_rules("otto", None, bad).await.problem(400, "malformed-request");
    }
    deciding.set_rules("otto", None, json!({"quorums": 1})).await.problem(400, "malformed-request");
    for unsound in [
        json!({"approval_lifetime_seconds": 60, "reason": "r"}),
        json!({"break_glass_lifetime_seconds": 90_000, "reason": "r"}),
        json!({"human_grant_lifetime_seconds": 0, "reason": "r"}),
        json!({"quorum": 4, "reason": "more than there are"}),
    ] {
        deciding.set_rules("otto", None, unsound).await.problem(400, "invalid-argument");
    }
    let set = deciding.set_rules("otto", Some(&tag), more).await.ok();
    let rules = set.json();
    assert_eq!((&rules["quorum"], &rules["revision"]), (&json!(2), &json!(1)));
    assert_eq!(rules["human_grant_lifetime_seconds"], 7_776_000);
    assert_eq!(rules["approval_lifetime_seconds"], 604_800);
    assert_eq!(rules["compromise_burst"], 10);
    assert_eq!(rules["names"][rules["set_by"].as_str().unwrap()], "otto");
    assert_eq!(rules["reason"]["text"], why);
    assert_eq!(set.headers[ETAG], "\"1\"");
    assert_eq!(deciding.deployment.get("carl", "/v1/governance").await.ok().json(), rules);

    // What asks for less waits for custodians from now on, and so does all that concerns the whole deployment.
    for (member, less) in [("quorum", json!(1)), ("human_grant_lifetime_seconds", Value::Null)] {
        pending(&deciding.set_rules("otto", None, json!({member: less, "reason": why})).await);
    }
    let hire = json!({"name": "nora", "kind": "human"});
    deciding.post("otto", "/v1/principals", hire).await.ok();
    let path = "/v1/principals/nora/roles/operator";
    let assign = || deciding.deployment.control("olga", Method::PUT, path, json!({"reason": "hired"}));
    let id = pending(&assign().await);
    deciding.approved(&id).await;
    assert_eq!(assign().await.ok().json()["roles"], json!(["operator"]));
}

#[tokio::test]
async fn accounts_of_one_person_are_known_as_that() {
    let mut deciding = Deciding::build(0).await;
    let create = json!({"name": "carl-2", "kind": "human", "same_person_as": "carl"});
    let second = deciding.post("otto", "/v1/principals", create).await.ok().json();
    let first = deciding.deployment.get("otto", "/v1/principals/carl").await.ok().json();
    assert_eq!(second["same_person_as"], first["id"]);
    assert_eq!(second["names"][first["id"].as_str().unwrap()], "carl");
    assert!(first.get("same_person_as").is_none());
    for (body, status, code) in [
        (json!({"name": "till", "kind": "human", "same_person_as": "app"}), 400, "invalid-argument"),
        (json!({"name": "till", "kind": "human", "same_person_as": "A B"}), 400, "invalid-argument"),
        (json!({"name": "till", "kind": "human", "same_person_as": "nobody"}), 404, "not-found"),
        (json!({"name": "till", "kind": "human", "same_person_as": 1}), 400, "malformed-request"),
    ] {
        deciding.post("otto", "/v1/principals", body).await.problem(status, code);
    }
    // An officer makes the account its first credential, another one gives it the role; it enters what it signs by itself.
    let certificate = STANDARD.encode(certificate_of("carl-2"));
    let expires_at = Instant(deciding.deployment.clock().in_seconds(90 * 86_400)).to_string();
    let create = json!({
        "principal": "carl-2", "label": "card",
        "credential": {"certificate": {"der": certificate, "expires_at": expires_at}},
    });
    deciding.post("otto", "/v1/credentials", create).await.ok();
    let path = "/v1/principals/carl-2/roles/custodian";
    deciding.deployment.control("olga", Method::PUT, path, json!({"reason": "hired"})).await.ok();
    deciding.enter("carl-2").await;
    let id = pending(&deciding.destroy("over").await);
    deciding.approve("carl", &id).await.ok();
    deciding.approve("carl-2", &id).await.problem(409, "separation-of-duties");
    assert_eq!(deciding.read(&id).await["approved"], 1);
}

#[tokio::test]
async fn emergency_access_is_opened_by_one_approval_used_closed_and_reviewed() {
    let mut deciding = Deciding::build(2).await;
    deciding.enter("otto").await;
    let deployment = &deciding.deployment;
    let plaintext = json!({"plaintext": STANDARD.encode("kept")});
    let sealed = deployment.data("app", &format!("{KEY}/encrypt"), plaintext).await.ok().json();
    let decrypt = || {
        let body = json!({"ciphertext": sealed["ciphertext"]});
        deployment.data("nadia", "/v1/keys/orders%2Fmain/decrypt", body)
    };
    deciding.post("olga", "/v1/principals", json!({"name": "nadia", "kind": "human"})).await.ok();
    let card = json!({
        "principal": "nadia", "label": "card",
        "credential": {"certificate": {
            "der": STANDARD.encode(certificate_of("nadia")),
            "expires_at": Instant(deployment.clock().in_seconds(90 * 86_400)).to_string(),
        }},
    });
    deciding.post("olga", "/v1/credentials", card).await.ok();

    let body = json!({
        "holder": "nadia", "keys": ["orders/main"], "lifetime_seconds": 3600, "reason": "the shop is down",
    });
    let open = || deciding.post("ada", "/v1/break-glass", body.clone());
    let mut unsaid = body.clone();
    unsaid.as_object_mut().unwrap().remove("reason");
    assert_eq!(deciding.post("ada", "/v1/break-glass", unsaid).await.json()["code"], "reason-required");
    let id = pending(&open().await);
    let approval = deciding.read(&id).await;
    assert_eq!((&approval["eligible"], &approval["quorum"]), (&json!("responders"), &json!(1)));
    deciding.approve("otto", &id).await.ok();
    let opened = open().await.ok();
    assert_eq!(opened.status.as_u16(), 201);
    let access = opened.json();
    assert_eq!((&access["state"], &access["approval"]), (&json!("open"), &json!(id)));
    assert_eq!(access["names"][access["holder"].as_str().unwrap()], "nadia");
    let path = format!("/v1/break-glass/{}", access["id"].as_str().unwrap());
    assert_eq!(deployment.get("vera", &path).await.ok().json(), access);
    assert_eq!(decrypt().await.ok().json()["plaintext"], STANDARD.encode("kept"));
    for (state, count) in [("open", 1), ("ended", 0), ("reviewed", 0)] {
        let listed = deployment.get("vera", &format!("/v1/break-glass?state={state}")).await.ok().json();
        assert_eq!(listed["items"].as_array().unwrap().len(), count, "{state}");
    }
    let status = deployment.get("vera", "/v1/system").await.ok().json();
    assert_eq!(status["break_glass"], json!({"open": 1, "unreviewed": 1}));

    let (deciding, reviewed_at) = (&deciding, format!("{path}/review"));
    let review = |who: &'static str, verdict: &'static str| {
        let body = json!({"verdict": verdict, "reason": "looked at what was done"});
        deciding.post(who, &reviewed_at, body)
    };
    assert_eq!(review("olga", "justified").await.json()["code"], "wrong-state");
    let why = json!({"reason": "the shop is up"});
    let closed = deciding.post("otto", &format!("{path}/close"), why).await.ok().json();
    assert_eq!(closed["state"], "ended");
    decrypt().await.problem(404, "not-found");
    for who in ["ada", "otto"] {
        assert_eq!(review(who, "justified").await.json()["code"], "separation-of-duties", "{who}");
    }
    assert!(!review("olga", "perhaps").await.status.is_success());
    let reviewed = review("olga", "unjustified").await.ok().json();
    assert_eq!(
        (&reviewed["state"], &reviewed["reviewed"]["verdict"]),
        (&json!("reviewed"), &json!("unjustified"))
    );
    let listed = deployment.get("vera", "/v1/break-glass?state=reviewed&limit=1").await.ok().json();
    assert!(listed["next"].is_string() && listed["items"][0]["id"] == access["id"], "{listed}");
    let cursor = listed["next"].as_str().unwrap();
    assert!(!deployment.get("vera", &format!("/v1/approvals?cursor={cursor}")).await.status.is_success());
}

#[tokio::test]
async fn a_plan_is_checked_asked_for_and_approved_at_once_and_done_by_the_same_call() {
    let deciding = Deciding::build(2).await;
    let deployment = &deciding.deployment;
    let read = async |name: &str| deployment.get("vera", &format!("/v1/principals/{name}")).await.ok().json();
    let mut acts = Vec::new();
    for name in ["nora", "nils"] {
        let create = json!({"name": name, "kind": "human"});
        deciding.post("olga", "/v1/principals", create).await.ok();
        let principal = read(name).await["id"].as_str().unwrap().parse().unwrap();
        let give = Governed::AssignRole { principal, role: Role::Operator, reason: None };
        acts.push(STANDARD.encode(give.encode()));
    }
    let body = json!({"acts": acts, "reason": "a shift"});

    let checked = deciding.post("otto", "/v1/plans/check", body.clone()).await.ok().json();
    let two = json!({"action": "assign_role", "approvers": 2});
    assert_eq!(checked, json!({"acts": [two, two]}));
    // Who made them gives them nothing, alone or in a plan.
    let checked = deciding.post("olga", "/v1/plans/check", body.clone()).await.ok().json();
    assert_eq!(checked["acts"][0]["refused"]["code"], "separation-of-duties", "{checked}");
    assert!(checked["acts"][0].get("approvers").is_none(), "{checked}");
    let by_maker = deciding.post("olga", "/v1/plans", body.clone()).await.json();
    assert_eq!(by_maker["code"], "separation-of-duties");
    let unsaid = deciding.post("otto", "/v1/plans", json!({"acts": acts})).await.json();
    assert_eq!(unsaid["code"], "reason-required");
    for bad in [json!([]), json!(["AA=="]), json!([acts[0], acts[0]])] {
        let body = json!({"acts": bad, "reason": "a shift"});
        for path in ["/v1/plans", "/v1/plans/check"] {
            let refused = deciding.post("otto", path, body.clone()).await.json();
            assert_eq!(refused["code"], "invalid-argument", "{path} {body}: {refused}");
        }
    }
    let open = deployment.get("vera", "/v1/approvals?state=open").await.ok().json();
    assert_eq!(open["items"], json!([]));

    let id = pending(&deciding.post("otto", "/v1/plans", body.clone()).await);
    let shown = deciding.read(&id).await;
    assert_eq!((&shown["action"], &shown["quorum"]), (&json!("apply_plan"), &json!(2)));
    assert!(shown.get("done").is_none() && shown["ring"].is_null(), "{shown}");
    deciding.approved(&id).await;
    deciding.execute("olga", &id).await.problem(403, "denied");
    let done = deciding.post("otto", "/v1/plans", body.clone()).await.ok().json();
    assert_eq!((&done["approval"], &done["action"]), (&json!(id), &json!("apply_plan")));
    assert_eq!(done["result"]["plan"]["state"], "executed", "{done}");
    let shown = deciding.read(&id).await;
    let steps: Vec<_> = shown["done"].as_array().unwrap().iter().map(|done| &done["step"]).collect();
    assert_eq!(steps, [&json!(0), &json!(1)]);
    for name in ["nora", "nils"] {
        assert_eq!(read(name).await["roles"], json!(["operator"]));
    }
    // It is so already.
    let again = deciding.post("otto", "/v1/plans", body).await.json();
    assert_eq!(again["code"], "invalid-argument", "{again}");
}

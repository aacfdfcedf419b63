//! The log over REST: entries, proofs, checkpoints, live states, tiles.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_audit::{Entry, StoreScan, evidence, to_hex};
use http::Method;
use serde_json::{Value, json};

use crate::deployment::Deployment;

#[tokio::test]
async fn what_was_done_is_found_under_the_index_that_the_answer_named() {
    let deployment = Deployment::with_ring().await;
    deployment.key("main", "encrypt", "aes-256-gcm", &["encrypt"]).await;
    let done = deployment.data("app", "/v1/keys/orders%2Fmain/encrypt", json!({"plaintext": ""})).await.ok();
    let index = done.header("claviger-entry").unwrap().to_owned();
    let leaf = done.header("audit-receipt").unwrap().split(';').nth(3).unwrap().to_owned();
    let page = deployment.get("vera", &format!("/v1/audit/entries?from={index}&limit=1")).await.ok().json();
    assert_eq!(page["items"][0]["index"].to_string(), index);
    let key = done.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(page["names"], json!({ &key: "orders/main" }));
    let entry = STANDARD.decode(page["items"][0]["canonical"].as_str().unwrap()).unwrap();
    // RFC 6962, 2.1: the leaf hash is SHA-256 over a zero byte and the entry.
    let hashed = claviger_crypto::digest::sha256(&[[0].as_slice(), &entry].concat());
    assert_eq!(hashed.map(|byte| format!("{byte:02x}")).concat(), leaf);

    let of_key = format!("/v1/audit/entries?key={key}&operation=101");
    assert_eq!(deployment.get("vera", &of_key).await.ok().json()["items"].as_array().unwrap().len(), 1);
    deployment.get("ada", "/v1/audit/entries").await.problem(403, "denied");
    deployment.get("vera", "/v1/audit/entries?key=orders").await.problem(400, "malformed-request");
}

#[tokio::test]
async fn a_proof_follows_the_next_cut() {
    let deployment = Deployment::with_ring().await;
    let mut proof = None;
    for _ in 0..100 {
        let answer = deployment.get("vera", "/v1/audit/proof/1/1").await;
        if answer.status.is_success() {
            proof = Some(answer.json());
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let proof = proof.unwrap();
    assert_eq!((&proof["shard"], &proof["index"]), (&json!(1), &json!(1)));
    let checkpoint = deployment.get("vera", "/v1/audit/checkpoint").await.ok().json();
    assert!(proof["root_note"].as_str().unwrap().starts_with("test/audit/root\n"));
    assert!(checkpoint["root_vkey"].as_str().unwrap().starts_with("test/audit/root+"));
    deployment.get("vera", "/v1/audit/proof/2/0").await.problem(404, "not-found");
    assert!(deployment.get("vera", "/v1/audit/proof/1/999999").await.status.is_client_error());

    let served = deployment.get("vera", "/audit/root/checkpoint").await.ok();
    assert_eq!(served.header("content-type"), Some("text/plain; charset=utf-8"));
    let size: usize = std::str::from_utf8(&served.body).unwrap().lines().nth(1).unwrap().parse().unwrap();
    let tile = deployment.get("vera", &format!("/audit/root/tile/0/000.p/{size}")).await.ok();
    assert_eq!(tile.body.len(), 32 * size);
    deployment.get("vera", "/audit/root/tile/0/x").await.problem(404, "not-found");
}

#[tokio::test]
async fn live_rows_are_listed_kind_by_kind_for_a_replay_to_be_held_against() {
    let deployment = Deployment::with_ring().await;
    for name in ["a", "b", "c"] {
        deployment.key(name, "encrypt", "aes-256-gcm", &[]).await;
    }
    let (mut rows, mut path) = (Vec::new(), "/v1/audit/rows?limit=2".to_owned());
    loop {
        let page = deployment.get("vera", &path).await.ok().json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2 && items.iter().all(|row| row["kind"] == items[0]["kind"]));
        rows.extend(items.clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/audit/rows?limit=2&cursor={next}");
    }
    let of = |kind: &str| rows.iter().filter(|row| row["kind"] == kind).collect::<Vec<_>>();
    assert_eq!((of("ring").len(), of("key").len(), of("version").len()), (1, 3, 3));
    let field = |row: &Value, name: &str| {
        let fields = row["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).cloned().unwrap()
    };
    // Open fields in CBOR, what people name as what commits to it.
    assert_eq!(field(of("key")[0], "state")["value"], "ZmFjdGl2ZQ==");
    let name = field(of("key")[0], "name");
    assert!(name["commitment"].is_string() && name.get("value").is_none());
    assert_eq!(deployment.get("odile", "/v1/audit/rows").await.status, 403);
}

#[tokio::test]
async fn the_system_says_what_weakens_it() {
    let deployment = Deployment::build().await;
    let status = deployment.get("odile", "/v1/system").await.ok().json();
    assert_eq!(status["deployment"], "test");
    assert_eq!(status["module"]["root_in_token"], false);
    let library = claviger_crypto::provenance::module().to_string();
    assert_eq!(status["module"]["library"], library);
    assert!(
        status["insecure"]
            .as_array()
            .unwrap()
            .iter()
            .any(|name| name.as_str().unwrap().starts_with("insecure_"))
    );
}

#[tokio::test]
async fn who_did_what_is_searched_and_disclosed_by_those_who_may() {
    let deployment = Deployment::with_ring().await;
    let key = deployment.key("main", "encrypt", "aes-256-gcm", &["encrypt"]).await;
    let found =
        deployment.get("vera", "/v1/audit/search?principal=ada&operation=210&limit=1").await.ok().json();
    let item = &found["items"][0];
    assert_eq!((&item["who"]["name"], &item["who"]["state"]), (&json!("ada"), &json!("known")), "{found}");
    assert_eq!((&item["who"]["kind"], &item["who"]["origin"]), (&json!("human"), &json!("loopback")));
    assert_eq!(
        (&item["who"]["address"], &item["who"]["method"]),
        (&json!("127.0.0.1"), &json!("certificate"))
    );
    assert!(item["canonical"].is_string() && item["index"].is_u64());
    assert_eq!(found["undecided"], 0);
    assert_eq!(found["names"][key["id"].as_str().unwrap()], "orders/main", "{found}");
    // The next page is of the same log.
    let (mut path, mut indexes) = ("/v1/audit/search?limit=2&from=0".to_owned(), Vec::new());
    let size = found["size"].as_u64().unwrap();
    loop {
        let page = deployment.get("vera", &format!("{path}&size={size}")).await.ok().json();
        assert_eq!(page["size"], size);
        indexes.extend(page["items"].as_array().unwrap().iter().map(|item| item["index"].as_u64().unwrap()));
        let Some(next) = page["next"].as_u64() else { break };
        path = format!("/v1/audit/search?limit=2&from={next}");
    }
    assert_eq!(indexes, (0..size).collect::<Vec<_>>());
    deployment.get("ada", "/v1/audit/search").await.problem(403, "denied");
    deployment.get("vera", "/v1/audit/search?principal=nobody").await.problem(404, "not-found");
    deployment.get("vera", "/v1/audit/search?credential=x").await.problem(400, "malformed-request");
    deployment.get("vera", "/v1/audit/search?who=ada").await.problem(400, "malformed-request");

    let disclosed = format!("/v1/audit/disclosure?from=0&to={size}&level=full");
    let page = deployment.get("vera", &disclosed).await.ok().json();
    assert_eq!((&page["origin"], &page["next"]), (&json!("test/audit/1"), &json!(null)));
    assert!(
        !page["sessions"].as_array().unwrap().is_empty() && !page["names"].as_array().unwrap().is_empty()
    );
    deployment.get("otto", &disclosed).await.problem(403, "denied");
    deployment
        .get("vera", "/v1/audit/disclosure?from=0&to=1&level=all")
        .await
        .problem(400, "invalid-argument");
    deployment
        .get("vera", "/v1/audit/disclosure?from=2&to=1&level=full")
        .await
        .problem(400, "invalid-argument");
    deployment
        .get("vera", "/v1/audit/disclosure?from=0&to=9999999&level=full")
        .await
        .problem(400, "invalid-argument");
}

#[tokio::test]
async fn an_evidence_pack_is_signed_for_an_auditor_by_the_digest_of_its_manifest() {
    let deployment = Deployment::build().await;
    let manifest = claviger_crypto::digest::sha256(b"{}");
    let digest = manifest.map(|byte| format!("{byte:02x}")).concat();
    let path = "/v1/evidence/signatures";
    for bad in [
        json!({}),
        json!({"manifest": ""}),
        json!({"manifest": digest[1..]}),
        json!({"manifest": format!("{digest}00")}),
        json!({"manifest": format!("g{}", &digest[1..])}),
        json!({"manifest": digest, "pack": 1}),
    ] {
        deployment.control("vera", Method::POST, path, bad).await.problem(400, "malformed-request");
    }
    for who in ["ada", "otto", "odile"] {
        deployment.control(who, Method::POST, path, json!({"manifest": digest})).await.problem(403, "denied");
    }
    let signed = deployment.control("vera", Method::POST, path, json!({"manifest": digest})).await.ok();
    let note = signed.json()["note"].as_str().unwrap().to_owned();
    assert_eq!(evidence::open(note.as_bytes(), &deployment.road.facts().root_key), Ok(manifest));
    let index = signed.header("claviger-entry").unwrap();
    assert_eq!(signed.header("audit-receipt").unwrap().split(';').nth(2), Some(index));
    // Of all these calls one was carried out.
    let done = "/v1/audit/entries?operation=436&outcome=0";
    let page = deployment.get("vera", done).await.ok().json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!(page["items"][0]["index"].to_string(), index);
    let canonical = STANDARD.decode(page["items"][0]["canonical"].as_str().unwrap()).unwrap();
    assert_eq!(Entry::decode(&canonical).unwrap().reference.as_deref(), Some(manifest.as_slice()));
}

#[tokio::test]
async fn stored_secrets_are_scanned_for_who_may_and_the_entry_has_what_was_answered() {
    let deployment = Deployment::with_ring().await;
    let path = "/v1/audit/scans";
    for who in ["ada", "odile"] {
        deployment.control(who, Method::POST, path, Value::Null).await.problem(403, "denied");
    }
    assert_eq!(deployment.get("vera", "/v1/system").await.ok().json()["scan"], Value::Null);
    let scanned = deployment.control("vera", Method::POST, path, Value::Null).await.ok();
    let scan = scanned.json();
    assert_eq!((&scan["failed"], &scan["findings"]), (&json!(0), &json!([])));
    let keks = json!({"kind": "ring_kek", "wrapped_by": "root", "scanned": 1, "failed": 0});
    assert!(scan["counts"].as_array().unwrap().contains(&keks), "{scan}");
    let entry = scanned.header("claviger-entry").unwrap();
    let page = deployment.get("vera", &format!("/v1/audit/entries?from={entry}&limit=1")).await.ok().json();
    let canonical = STANDARD.decode(page["items"][0]["canonical"].as_str().unwrap()).unwrap();
    let entry = Entry::decode(&canonical).unwrap();
    let summary = StoreScan::from_bytes(entry.reference.as_deref().unwrap()).unwrap();
    assert_eq!((Some(summary.scanned), summary.failed), (scan["scanned"].as_u64(), 0));
    assert_eq!(scan["digest"], to_hex(&summary.digest));
    let newest = json!({"at": scan["at"], "scanned": scan["scanned"], "failed": 0});
    assert_eq!(deployment.get("vera", "/v1/system").await.ok().json()["scan"], newest);
}

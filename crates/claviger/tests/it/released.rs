//! What left the listeners is counted there, and held against the log.

use claviger_audit::Op;
use claviger_client::Client;
use claviger_client::client::SignOptions;
use claviger_client::types::Pairs;
use claviger_client::types::page::Batch;
use claviger_client::types::usage::{Decrypt, Encrypt, GenerateDataKey};
use serde_json::Value;

use crate::evidence::Evidence;
use crate::serving::Site;

/// Results of every form: bytes, JSON, batches with items that fail, both ways of a data key; and calls that have none.
async fn use_keys(app: &Client) {
    let none = Pairs::default();
    let mut sealed = Vec::new();
    for _ in 0..3 {
        sealed.push(app.encrypt_bytes("orders/main", "4111".into(), &none).await.unwrap().value);
    }
    app.decrypt_bytes("orders/main", sealed.remove(0), &none).await.unwrap();
    app.decrypt_bytes("orders/main", "no ciphertext".into(), &none).await.unwrap_err();
    let encrypt = |text: &str| {
        let plaintext = claviger_crypto::SecretBytes::copied_from(text.as_bytes()).into();
        Encrypt { plaintext, context: none.clone() }
    };
    let batch = Batch { items: vec![encrypt("1"), encrypt("2"), encrypt("3")] };
    app.encrypt_batch("orders/main", &batch).await.unwrap();
    let decrypt =
        |ciphertext: &[u8]| Decrypt { ciphertext: ciphertext.to_vec().into(), context: none.clone() };
    let batch = Batch { items: vec![decrypt(&sealed[0]), decrypt(b"none"), decrypt(&sealed[1])] };
    app.decrypt_batch("orders/main", &batch).await.unwrap();
    let batch = Batch { items: vec![decrypt(b"none"), decrypt(b"none")] };
    app.decrypt_batch("orders/main", &batch).await.unwrap();
    app.sign_bytes("orders/seal", "a document".into(), SignOptions::default()).await.unwrap();
    let hidden = || GenerateDataKey { plaintext: false, ..GenerateDataKey::default() };
    app.generate_data_key("orders/main", &GenerateDataKey::default()).await.unwrap();
    app.generate_data_key("orders/main", &hidden()).await.unwrap();
    app.generate_data_key_batch("orders/main", &Batch { items: vec![hidden(), hidden()] }).await.unwrap();
    app.encrypt_bytes("orders/nothing", "4111".into(), &none).await.unwrap_err();
}

#[test]
fn results_are_counted_where_they_leave_and_held_against_the_log() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let site = Site::set_up();
    let serving = site.serve();
    let mut evidence = Evidence::begin(&site);
    let data_keys = "grant create app --key orders/main --operations generate_data_key,generate_data_key_without_plaintext";
    let grant: Vec<_> = data_keys.split(' ').chain(["--reason", "test"]).collect();
    site.done("security_officer", &grant, b"");
    let app = Client::new(&site.profile("app")).unwrap();
    runtime.block_on(use_keys(&app));
    let ended = serving.stop();
    assert!(ended.status.success(), "{}", ended.said);

    let serving = site.serve();
    evidence.hold(&site, &[]);
    let read = |arguments: &[&str]| -> Value {
        serde_json::from_slice(&site.done("auditor", &[&["-o", "json"], arguments].concat(), b"")).unwrap()
    };
    let operation = Op::ReleasedResults.name().replace('_', "-");
    let search = ["audit", "search", "--operation", operation.as_str(), "--from", "1h", "--page-all"];
    let found = read(&search);
    let said: Vec<_> = found["items"].as_array().unwrap().iter().collect();
    // The server that set the site up ended as well, and had released nothing.
    assert_eq!(said.len(), 1, "{found}");
    let entry = said[0]["index"].as_u64().unwrap().to_string();
    let state = read(&["audit", "state", "--kind", "node", "--entry", &entry]);
    let node = state["objects"].as_array().unwrap().first().unwrap();
    assert_eq!(
        node["fields"]["released"],
        serde_json::json!([
            "encrypt=6",
            "decrypt=3",
            "generate_data_key=1",
            "sign=1",
            "generate_data_key_without_plaintext=3"
        ]),
        "{state}"
    );
    drop(serving);
}

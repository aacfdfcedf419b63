//! A server, as somebody sets it up who heeds what is asked, worked with over REST; and what was done to its certificate.

use std::time::Duration;

use claviger_core::Timestamp;
use claviger_server::pki::Authority;
use claviger_server::{Endpoint, Running};
use serde_json::{Value, json};

use super::export::Export;
use crate::self_evaluation::Exported;
use crate::support::{Deployment, now};

const DAY: Duration = Duration::from_secs(86_400);
/// Longer than the clock of the log is behind that of the wall.
const APART: Duration = Duration::from_millis(100);
/// What the configuration says, in the place of what is a comment in it.
const SAID: [&str; 2] = ["environment = \"production\"", "storage_domain = \"rack-7\""];

/// Its log, and instants of it.
pub(super) struct Served {
    pub(super) log: Export,
    /// It had a ring, and no key.
    pub(super) with_ring: Timestamp,
    /// Keys were made and used.
    pub(super) worked: Timestamp,
    /// It showed a certificate whose time had not come.
    pub(super) out_of_time: Timestamp,
}

/// What calls go to.
struct Site<'s> {
    deployment: &'s Deployment,
    running: &'s Running,
}

impl Site<'_> {
    /// A call that must succeed.
    async fn done(&self, who: &str, endpoint: Endpoint, path: &str, body: Value) {
        let url = format!("{}/v1/{path}", self.running.urls()[endpoint]);
        let (status, said) = self.deployment.call(who, "POST", url, Some(body)).await;
        assert!((200..300).contains(&status), "{path}: {status} {said}");
    }

    async fn administer(&self, path: &str, body: Value) {
        self.done("administrator", Endpoint::Control, path, body).await;
    }

    async fn grant(&self, key: &str, operation: &str) {
        let grant =
            json!({ "principal": "app", "on": { "key": key }, "operations": [operation], "reason": "test" });
        self.done("security_officer", Endpoint::Control, "grants", grant).await;
    }

    /// Two keys, each of which is used for one thing, and one of them is out of use for a while.
    async fn work(&self) {
        let key = |ring: &str, name: &str| json!({ "ring": ring, "name": name, "purpose": "encrypt", "spec": "aes-256-gcm" });
        self.administer("keys", key("cards", "pan")).await;
        self.administer("rings", json!({ "name": "orders", "policy": { "data_class": "internal" } })).await;
        self.administer("keys", key("orders", "kek")).await;
        self.grant("cards/pan", "encrypt").await;
        self.grant("orders/kek", "generate_data_key").await;
        let sealed = json!({ "plaintext": "aGVsbG8=", "context": { "tenant": "7" } });
        self.done("app", Endpoint::Data, "keys/cards%2Fpan/encrypt", sealed).await;
        self.done("app", Endpoint::Data, "keys/orders%2Fkek/datakey", json!({})).await;
        self.administer("keys/cards%2Fpan/suspend", json!({ "reason": "test" })).await;
        self.administer("keys/cards%2Fpan/resume", json!({})).await;
    }

    /// The instant by which all that was done is cut, and nothing else.
    async fn instant(&self) -> Timestamp {
        self.running.road().cut().await.unwrap();
        tokio::time::sleep(APART).await;
        let instant = now();
        tokio::time::sleep(APART).await;
        instant
    }
}

/// Sets it up, works with it, and takes its log.
pub(super) async fn served() -> Served {
    let deployment = Deployment::new();
    deployment.start().await.shutdown().await;
    configure(&deployment);
    let running = deployment.start().await;
    let site = Site { deployment: &deployment, running: &running };
    let policy = json!({
        "context_required": ["tenant"], "data_class": "cardholder", "rotation_period_seconds": 7_776_000,
        "grants_under_quorum": false,
    });
    site.administer("rings", json!({ "name": "cards", "policy": policy })).await;
    let with_ring = site.instant().await;
    site.work().await;
    running.evaluate_when_due().await.unwrap().unwrap();
    let worked = site.instant().await;
    let out_of_time = show_early(&site).await;
    let files = Exported::of(&deployment).await;
    let log = Export::take(&files, files.key());
    running.shutdown().await;
    Served { log, with_ring, worked, out_of_time }
}

fn configure(deployment: &Deployment) {
    let file = deployment.path("claviger.toml");
    let mut text = std::fs::read_to_string(&file).unwrap();
    for said in SAID {
        let comment = format!("# {said}");
        assert_eq!(text.matches(&comment).count(), 1, "{said}");
        text = text.replace(&comment, said);
    }
    std::fs::write(file, text).unwrap();
}

/// Has it show a certificate whose time comes tomorrow, and then its own again; gives an instant in between.
async fn show_early(site: &Site<'_>) -> Timestamp {
    let Site { deployment, running } = site;
    let files = ["pki/server.crt", "pki/server.key"].map(|name| deployment.path(name));
    let own = files.each_ref().map(|file| std::fs::read(file).unwrap());
    let authority = Authority::load(&deployment.path("pki/ca.crt"), &deployment.path("pki/ca.key")).unwrap();
    let early = authority.issue_server(&["localhost".to_owned()], now().after(DAY)).unwrap();
    early.write(&files[0], &files[1]).unwrap();
    running.reload_certificates().await.unwrap();
    let instant = site.instant().await;
    for (file, bytes) in files.iter().zip(own) {
        std::fs::write(file, bytes).unwrap();
    }
    running.reload_certificates().await.unwrap();
    instant
}

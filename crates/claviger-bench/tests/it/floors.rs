//! A floor answers what it was sent, and every answer is counted once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use claviger_bench::floor::{self, Floor, Kind};
use claviger_bench::load::{Connection, Load, Target};
use claviger_bench::{peer, wire};
use claviger_core::port::Clock as _;
use claviger_server::clock::SystemClock;
use claviger_server::listener::tls;
use claviger_server::{config, pki};

/// A floor on a socket of its own, and how to reach it.
async fn serving(kind: Kind, dir: &Path) -> Target {
    let now = SystemClock.now();
    let (authority, ca) = pki::Authority::create(now).unwrap();
    let path = |name: &str| dir.join(name);
    ca.write(&path("ca.crt"), &path("ca.key")).unwrap();
    let server = authority.issue_server(&pki::server_names(&[]), now).unwrap();
    server.write(&path("server.crt"), &path("server.key")).unwrap();
    let client = authority.issue_client(&"app".parse().unwrap(), now).unwrap();
    client.write(&path("app.crt"), &path("app.key")).unwrap();
    let files =
        config::Tls { certificate: path("server.crt"), key: path("server.key"), client_ca: path("ca.crt") };
    let tls = Arc::new(tls::load(&files).unwrap());
    let floor = Floor::new(kind, dir).unwrap();
    let (socket, address) = floor::bind().unwrap();
    tokio::spawn(floor::serve(socket, tls, floor));
    Target { address, client: peer::client(&path("ca.crt"), &path("app.crt"), &path("app.key")).unwrap() }
}

/// How many records the durable floor's file holds: what is behind them was never written.
fn recorded(dir: &Path) -> usize {
    let bytes = std::fs::read(dir.join("floor.log")).unwrap();
    bytes.split(|byte| *byte == 0).next().unwrap().len() / floor::RECORD
}

#[tokio::test]
async fn floors_answer_what_they_were_sent() {
    for kind in [Kind::Bare, Kind::Durable] {
        let dir = tempfile::tempdir().unwrap();
        let target = serving(kind, dir.path()).await;
        let mut connection = Connection::open(&target).await.unwrap();
        let octets = [("content-type", "application/octet-stream")];
        for length in [0, 1024, 100_000] {
            let body = vec![0x5a; length];
            assert_eq!(connection.ask(&wire::post("/", &octets, &body)).await.unwrap(), body, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn every_answer_is_counted_once_on_every_connection() {
    let dir = tempfile::tempdir().unwrap();
    let target = serving(Kind::Durable, dir.path()).await;
    let mut load = Load::open(&target, 4, wire::post("/", &[], b"x")).await.unwrap();
    let before = recorded(dir.path());
    let round = load.round(Duration::from_millis(50)).await.unwrap();
    let again = load.round(Duration::from_millis(50)).await.unwrap();
    assert!(round.latencies.is_sorted());
    assert!(!round.latencies.is_empty() && !again.latencies.is_empty());
    assert_eq!(before, 4, "each asked once when it was opened");
    assert_eq!(recorded(dir.path()) - before, round.latencies.len() + again.latencies.len());
}

//! A deployment at work: what it keeps, whom it lets in, what it reports to watchers, how it ends.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use claviger_audit::op::Op;
use claviger_core::Timestamp;
use claviger_core::port::StoreError;
use claviger_crypto::digest::sha256;
use claviger_server::config::Config;
use claviger_server::pki::{Authority, LEAF_LIFETIME};
use claviger_server::quickstart::{QuickstartOptions, quickstart};
use claviger_server::{Endpoint, Running, Server, ServerError};
use serde_json::{Value, json};

use crate::support::{Deployment, OF_ANOTHER_VERSION, answer_to_tls12, now};

#[tokio::test]
async fn quick_start_run_again_serves_the_same_data() {
    let deployment = Deployment::new();
    let first = deployment.start().await;
    assert_eq!(deployment.create_ring(&first, "orders").await.0, 201);
    first.shutdown().await;
    let ca = std::fs::read(deployment.path("pki/ca.crt")).unwrap();
    let app = std::fs::read(deployment.path("profiles/app.crt")).unwrap();

    let second = deployment.start().await;
    assert_eq!(deployment.ring_names(&second).await, ["orders"]);
    assert_eq!(std::fs::read(deployment.path("pki/ca.crt")).unwrap(), ca);
    assert_eq!(std::fs::read(deployment.path("profiles/app.crt")).unwrap(), app);
    // Each start and each orderly end is on record.
    assert_eq!(deployment.count_entries(&second, Op::NodeStart).await, 2);
    assert_eq!(deployment.count_entries(&second, Op::NodeStop).await, 1);
    assert_eq!(deployment.count_entries(&second, Op::SelfTest).await, 2);
    assert_eq!(deployment.count_entries(&second, Op::Initialize).await, 1);
    second.shutdown().await;
}

#[tokio::test]
async fn configuration_of_a_quick_start_can_be_served() {
    let deployment = Deployment::new();
    deployment.start().await.shutdown().await;
    let running = Server::start(deployment.config(), None).await.unwrap();
    assert_eq!(deployment.create_ring(&running, "orders").await.0, 201);
    running.shutdown().await;
}

#[tokio::test]
async fn evaluation_makes_one_ring_and_one_access_key_that_may_do_everything_in_it() {
    let deployment = Deployment::new();
    let options = || QuickstartOptions { evaluation: true, ..deployment.options() };
    let (running, ready) = quickstart(&options(), None).await.unwrap();
    let settings = || std::fs::read_to_string(&ready.clients["aws"]).unwrap();
    let value = |name: &str| {
        let text = settings();
        let line =
            text.lines().find_map(|line| line.strip_prefix("export ")?.strip_prefix(name)?.strip_prefix('='));
        line.unwrap().to_owned()
    };
    let mode = std::fs::metadata(&ready.clients["aws"]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(value("AWS_ENDPOINT_URL_KMS"), running.urls()[Endpoint::Aws]);
    let (id, secret) = (value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY"));
    let url = format!("{}/v1/rings/evaluation", running.urls()[Endpoint::Control]);
    let (status, ring) = deployment.call("administrator", "GET", url, None).await;
    assert_eq!((status, &ring["policy"]["separation"]), (200, &"relaxed".into()), "{ring}");
    assert_eq!(ring["policy"]["quorum"], 0);
    // That nobody must approve is a rule of this ring, and of nothing else.
    let url = format!("{}/v1/governance", running.urls()[Endpoint::Control]);
    let (status, rules) = deployment.call("auditor", "GET", url, None).await;
    assert_eq!((status, &rules["quorum"]), (200, &2.into()), "{rules}");
    running.shutdown().await;
    // Once made, it is there at each start, on whatever port.
    let (running, again) = quickstart(&deployment.options(), None).await.unwrap();
    assert_eq!(again.clients, ready.clients);
    assert_eq!((value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY")), (id.clone(), secret));
    assert_eq!(value("AWS_ENDPOINT_URL_KMS"), running.urls()[Endpoint::Aws]);
    running.shutdown().await;
    // A file that got lost costs a new access key, and nothing else is made twice.
    std::fs::remove_file(&ready.clients["aws"]).unwrap();
    let (running, _) = quickstart(&options(), None).await.unwrap();
    assert_ne!(value("AWS_ACCESS_KEY_ID"), id);
    let url = format!("{}/v1/grants?principal=aws-evaluation", running.urls()[Endpoint::Control]);
    let (_, grants) = deployment.call("security_officer", "GET", url, None).await;
    assert_eq!(grants["items"].as_array().unwrap().len(), 1);
    running.shutdown().await;
}

#[tokio::test]
async fn ready_file_says_where_everything_is() {
    let deployment = Deployment::new();
    let file = deployment.path("ready.json");
    let options = QuickstartOptions { ready_file: Some(file.clone()), ..deployment.options() };
    let (running, _) = quickstart(&options, None).await.unwrap();
    let ready: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(ready["urls"]["control"], running.urls()[Endpoint::Control]);
    assert_eq!(ready["root"], "insecure_software_root");
    assert_eq!(ready["approvals"], json!({ "quorum": 2, "custodians": 3 }));
    for name in [
        "administrator",
        "security_officer",
        "security_officer-2",
        "auditor",
        "operator",
        "responder",
        "custodian-1",
        "custodian-2",
        "custodian-3",
        "app",
    ] {
        let path = ready["profiles"][name].as_str().unwrap();
        let profile = claviger_client::Profile::load(std::path::Path::new(path)).unwrap();
        assert_eq!(profile.data.as_deref(), Some(running.urls()[Endpoint::Data].as_str()));
        assert_eq!(profile.control.is_some(), name != "app");
    }
    assert!(std::path::Path::new(ready["ca"].as_str().unwrap()).is_absolute());
    running.shutdown().await;
}

#[tokio::test]
async fn profiles_work_with_the_client_as_they_are() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    let profile = claviger_client::Profile::load(&deployment.path("profiles/operator.toml")).unwrap();
    let status = claviger_client::Client::new(&profile).unwrap().read_system().await.unwrap().value;
    assert!(status.log_size > 0);
    assert!(status.deployment.starts_with("claviger-"), "{}", status.deployment);
    running.shutdown().await;
}

#[tokio::test]
async fn who_shows_nothing_is_unauthenticated_on_both_planes() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    let (unauthenticated, urls) = (deployment.http(None), running.urls());
    for url in [
        format!("{}/v1/rings", urls[Endpoint::Control]),
        format!("{}/v1/keys/orders%2Fmain/public-key", urls[Endpoint::Data]),
    ] {
        let response = unauthenticated.get(url).send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    let response = unauthenticated
        .get(format!("{}/v1/rings", urls[Endpoint::Control]))
        .header("authorization", "Bearer nonsense")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(
        unauthenticated.get(format!("{}/v1/health", urls[Endpoint::Data])).send().await.unwrap().status(),
        200
    );
    running.shutdown().await;
}

#[tokio::test]
async fn no_listener_speaks_tls_1_2() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    let urls = running.urls().clone();
    for url in [&urls[Endpoint::Control], &urls[Endpoint::Data], &urls[Endpoint::Aws]] {
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        let answer = answer_to_tls12(([127, 0, 0, 1], port).into()).await;
        assert_eq!(answer, OF_ANOTHER_VERSION, "{url}");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn application_has_no_business_on_the_control_plane() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    let url = format!("{}/v1/rings", running.urls()[Endpoint::Control]);
    assert_eq!(deployment.call("app", "GET", url, None).await.0, 403);
    running.shutdown().await;
}

#[tokio::test]
async fn application_uses_a_key_that_it_was_granted_and_only_then() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    let urls = running.urls().clone();
    assert_eq!(deployment.create_ring(&running, "orders").await.0, 201);
    let key = json!({ "ring": "orders", "name": "main", "purpose": "encrypt", "spec": "aes-256-gcm",
        "data_class": "internal" });
    let (status, made) = deployment
        .call("administrator", "POST", format!("{}/v1/keys", urls[Endpoint::Control]), Some(key))
        .await;
    assert_eq!(status, 201, "{made}");
    let encrypt = || {
        let url = format!("{}/v1/keys/orders%2Fmain/encrypt", urls[Endpoint::Data]);
        deployment.call("app", "POST", url, Some(json!({ "plaintext": "aGVsbG8=" })))
    };
    assert_eq!(encrypt().await.0, 404);
    let grant = json!({
        "principal": "app", "on": { "key": "orders/main" }, "operations": ["encrypt"], "reason": "test",
    });
    let (status, made) = deployment
        .call("security_officer", "POST", format!("{}/v1/grants", urls[Endpoint::Control]), Some(grant))
        .await;
    assert_eq!(status, 201, "{made}");
    let (status, sealed) = encrypt().await;
    assert_eq!(status, 200, "{sealed}");

    // The use is counted by its action; nothing that a caller named is a label.
    let text = deployment
        .http(None)
        .get(format!("{}/metrics", urls[Endpoint::Metrics]))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        text.contains(r#"claviger_requests_total{listener="data",action="encrypt",outcome="ok"} 1"#),
        "{text}"
    );
    assert!(text.contains(r#"action="encrypt",outcome="not_found"} 1"#));
    assert!(!text.contains("orders") && !text.contains("app\""), "{text}");
    running.shutdown().await;
}

#[tokio::test]
async fn second_process_on_the_same_data_is_refused() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    for error in [
        quickstart(&deployment.options(), None).await.unwrap_err(),
        Server::start(deployment.config(), None).await.unwrap_err(),
    ] {
        assert!(matches!(error, ServerError::Store { source: StoreError::Locked, .. }), "{error}");
        assert!(error.to_string().contains("another process holds"), "{error}");
    }
    assert_eq!(deployment.create_ring(&running, "orders").await.0, 201);
    running.shutdown().await;
}

#[tokio::test]
async fn watchers_get_numbers_health_and_readiness_in_plain_http() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    let metrics = running.urls()[Endpoint::Metrics].clone();
    assert!(metrics.starts_with("http://127.0.0.1:"));
    let client = deployment.http(None);
    let get = async |path: &str| {
        let response = client.get(format!("{metrics}{path}")).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(get("/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(get("/v1/rings").await.0, 404);
    assert_eq!(client.post(format!("{metrics}/metrics")).send().await.unwrap().status(), 405);
    let (_, text) = get("/metrics").await;
    for name in [
        "claviger_log_commits_total ",
        "claviger_fence_epoch ",
        "claviger_provider_up 1",
        "claviger_log_queue ",
    ] {
        assert!(text.contains(name), "{name}\n{text}");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn end_under_load_loses_nothing_that_was_answered() {
    let deployment = Arc::new(Deployment::new());
    let running = deployment.start().await;
    let url = format!("{}/v1/rings", running.urls()[Endpoint::Control]);
    let (made, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut tasks = Vec::new();
    for worker in 0..4 {
        let (client, url) = (deployment.http(Some("administrator")), url.clone());
        let (made, over) = (Arc::clone(&made), Arc::clone(&over));
        tasks.push(tokio::spawn(async move {
            for number in 0.. {
                let ring = json!({ "name": format!("ring-{worker}-{number}") });
                let Ok(response) = client.post(&url).json(&ring).send().await else { break };
                assert_eq!(response.status(), 201);
                made.fetch_add(1, Ordering::SeqCst);
            }
            assert!(over.load(Ordering::SeqCst), "the server went away before it was to");
        }));
    }
    while made.load(Ordering::SeqCst) < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    over.store(true, Ordering::SeqCst);
    running.shutdown().await;
    for task in tasks {
        task.await.unwrap();
    }
    let again = deployment.start().await;
    // A call may be done and its answer lost on the way; the other way round never.
    assert!(deployment.count_entries(&again, Op::CreateRing).await >= made.load(Ordering::SeqCst));
    assert_eq!(deployment.count_entries(&again, Op::NodeStop).await, 1);
    again.shutdown().await;
}

#[tokio::test]
async fn store_that_was_put_back_does_not_start() {
    let deployment = Deployment::new();
    deployment.start().await.shutdown().await;
    let (store, old) = (deployment.path("data/store.db"), deployment.path("old.db"));
    std::fs::copy(&store, &old).unwrap();
    let running = deployment.start().await;
    assert_eq!(deployment.create_ring(&running, "orders").await.0, 201);
    running.shutdown().await;
    for leftover in ["data/store.db-wal", "data/store.db-shm"] {
        let _ = std::fs::remove_file(deployment.path(leftover));
    }
    std::fs::copy(&old, &store).unwrap();
    let error = quickstart(&deployment.options(), None).await.unwrap_err();
    assert!(error.to_string().contains("rolled back"), "{error}");
}

#[tokio::test]
async fn root_of_another_deployment_is_refused() {
    let (deployment, other) = (Deployment::new(), Deployment::new());
    deployment.start().await.shutdown().await;
    other.start().await.shutdown().await;
    std::fs::copy(other.path("root.key"), deployment.path("root.key")).unwrap();
    let error = Server::start(deployment.config(), None).await.unwrap_err();
    assert!(error.to_string().contains("does not open this software root"), "{error}");
}

#[tokio::test]
async fn expired_certificate_is_refused_with_what_to_do_and_renewed_by_a_quick_start() {
    let deployment = Deployment::new();
    deployment.start().await.shutdown().await;
    let authority = Authority::load(&deployment.path("pki/ca.crt"), &deployment.path("pki/ca.key")).unwrap();
    let age = u64::try_from((LEAF_LIFETIME + Duration::from_secs(5)).as_micros()).unwrap();
    let long_ago = Timestamp::from_micros(now().as_micros() - age);
    let expired = authority.issue_server(&["localhost".into()], long_ago).unwrap();
    expired.write(&deployment.path("pki/server.crt"), &deployment.path("pki/server.key")).unwrap();

    let error = Server::start(deployment.config(), None).await.unwrap_err().to_string();
    assert!(error.contains("has expired") && error.contains("--renew"), "{error}");
    std::fs::write(deployment.path("pki/server.crt"), "nothing").unwrap();
    let error = Server::start(deployment.config(), None).await.unwrap_err().to_string();
    assert!(error.contains("pki/server.crt"), "{error}");

    expired.write(&deployment.path("pki/server.crt"), &deployment.path("pki/server.key")).unwrap();
    let running = deployment.start().await;
    assert_eq!(deployment.create_ring(&running, "orders").await.0, 201);
    running.shutdown().await;
}

#[tokio::test]
async fn certificates_are_read_again_and_broken_ones_change_nothing() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    let key = std::fs::read(deployment.path("pki/server.key")).unwrap();
    std::fs::write(deployment.path("pki/server.key"), "broken").unwrap();
    assert!(running.reload_certificates().await.is_err());
    assert_eq!(deployment.create_ring(&running, "one").await.0, 201);
    std::fs::write(deployment.path("pki/server.key"), key).unwrap();
    running.reload_certificates().await.unwrap();
    assert_eq!(deployment.create_ring(&running, "two").await.0, 201);
    running.shutdown().await;
}

fn digest(bytes: &[u8]) -> Value {
    sha256(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// What the node says of itself, and how often the log says so.
async fn node_as_reported(deployment: &Deployment, running: &Running) -> (Value, usize) {
    let control = &running.urls()[Endpoint::Control];
    let (_, status) = deployment.call("auditor", "GET", format!("{control}/v1/system"), None).await;
    let path = format!("{control}/v1/audit/entries?operation=413&limit=1000");
    let (_, entries) = deployment.call("auditor", "GET", path, None).await;
    (status["node"].clone(), entries["items"].as_array().unwrap().len())
}

#[tokio::test]
async fn a_node_says_which_program_and_configuration_it_is_at_its_start_and_when_it_reads_its_files_again() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    let (node, entries) = node_as_reported(&deployment, &running).await;
    assert_eq!(entries, 1);
    assert_eq!((&node["mode"], &node["release"]), (&json!("insecure"), &json!(env!("CARGO_PKG_VERSION"))));
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(node["build"], digest(&program));
    let file = std::fs::read(deployment.path("claviger.toml")).unwrap();
    assert_eq!(node["configuration"], digest(&file));
    let certificate = std::fs::read(deployment.path("pki/server.crt")).unwrap();
    assert_eq!(node["certificate"], digest(&certificate));
    let listeners: Vec<_> =
        node["listeners"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let control = running.urls()[Endpoint::Control].strip_prefix("https://").unwrap().to_owned();
    assert!(
        listeners[0].starts_with(&format!("control {control} TLS 1.3 TLS_AES_256_GCM_SHA384+")),
        "{listeners:?}"
    );
    assert!(listeners[0].contains("X25519MLKEM768") && listeners[0].contains("client-certificate=optional"));
    assert!(listeners[3].starts_with("metrics ") && listeners[3].ends_with(" plain"), "{listeners:?}");
    let listed = |node: &Value| -> Vec<String> {
        let lines = node["certificates"].as_array().unwrap().iter();
        lines.map(|line| line.as_str().unwrap().to_owned()).collect()
    };
    let certificates = listed(&node);
    assert_eq!(certificates.len(), 2, "{certificates:?}");
    let server = "server purpose=server-authentication listeners=control+data+aws sha256=";
    assert!(certificates[0].starts_with(server), "{certificates:?}");
    let authority = certificates[1].strip_prefix("authority purpose=client-authentication sha256=").unwrap();
    let (print, rest) = authority.split_once(' ').unwrap();
    assert!(rest.ends_with("issuer=self revocation=unpublished"), "{rest}");
    assert!(certificates[0].ends_with(&format!("issuer={print} revocation=unpublished")), "{certificates:?}");

    // Another file of the same certificate is another one to the log.
    let mut more = certificate;
    more.extend_from_slice(b"\n");
    std::fs::write(deployment.path("pki/server.crt"), &more).unwrap();
    running.reload_certificates().await.unwrap();
    let (again, entries) = node_as_reported(&deployment, &running).await;
    assert_eq!((entries, &again["certificate"]), (2, &digest(&more)));
    assert_eq!(listed(&again), certificates, "its certificate is the same");
    assert_eq!(again["configuration"], node["configuration"]);
    running.shutdown().await;

    let text = std::fs::read_to_string(deployment.path("claviger.toml")).unwrap();
    let text = text.replace("# environment = \"production\"", "environment = \"trial\"");
    std::fs::write(deployment.path("claviger.toml"), &text).unwrap();
    let running = Server::start(deployment.config(), None).await.unwrap();
    let (changed, entries) = node_as_reported(&deployment, &running).await;
    assert_eq!((entries, &changed["configuration"]), (3, &digest(text.as_bytes())));
    let control = &running.urls()[Endpoint::Control];
    let (_, status) = deployment.call("auditor", "GET", format!("{control}/v1/system"), None).await;
    assert_eq!(status["environment"], "trial");
    running.shutdown().await;
}

#[tokio::test]
async fn address_that_is_taken_is_named() {
    let deployment = Deployment::new();
    deployment.start().await.shutdown().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config: Config = deployment.config();
    config.listen[Endpoint::Data] = taken.local_addr().unwrap();
    let error = Server::start(config, None).await.unwrap_err().to_string();
    assert!(
        error.contains("listen.data") && error.contains(&taken.local_addr().unwrap().to_string()),
        "{error}"
    );
}

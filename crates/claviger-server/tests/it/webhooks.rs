//! Whoever is to be told of alerts is told of them by a server, until they are closed; and what keeps a server from telling is said.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_crypto::SecretBytes;
use claviger_crypto::kdf::HmacSha256;
use claviger_provider::FewAttempts;
use claviger_server::doctor::{Finding, Level, examine};
use claviger_server::files::write_private;
use claviger_server::listener::tls;
use claviger_server::pki::Authority;
use claviger_server::recover::{RecoverOptions, recover};
use claviger_server::{Endpoint, Running, Server, ServerError, WebhookError};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::{Deployment, now};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A message that came.
#[derive(Clone)]
struct Told {
    head: String,
    body: Vec<u8>,
}

impl Told {
    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(one, _)| one.eq_ignore_ascii_case(name)).unwrap().1
    }

    /// Does somebody vouch for it who has the secret, and was it sent just now?
    fn is_signed(&self) -> bool {
        let key = HmacSha256::new(&SecretBytes::new(STANDARD.decode(&SECRET[6..]).unwrap()));
        let tag = STANDARD.decode(self.header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let parts: [&[u8]; 5] = [id.as_bytes(), b".", at.as_bytes(), b".", &self.body];
        let age = now().as_micros() / 1_000_000 - at.parse::<u64>().unwrap();
        key.verify(&parts, &tag).is_ok() && age < 60
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A receiver, whose certificate is of the deployment's own authority.
struct Receiver {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    async fn listen(deployment: &Deployment) -> Self {
        let (certificate, key) = (deployment.path("pki/ca.crt"), deployment.path("pki/ca.key"));
        let authority = Authority::load(&certificate, &key).unwrap();
        let issued = authority.issue_server(&["127.0.0.1".to_owned()], now()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![issued.der.clone().into()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let messages = Arc::clone(&told);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                if let Some(message) = take(&acceptor, stream).await {
                    messages.lock().unwrap().push(message);
                }
            }
        });
        Self { address, told, task }
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// The messages, once there are so many.
    async fn wait(&self, messages: usize) -> Vec<Told> {
        until(async || self.told().len() >= messages).await;
        self.told()
    }
}

/// Takes one message, if somebody says one.
async fn take(acceptor: &TlsAcceptor, stream: TcpStream) -> Option<Told> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let mut told = Told { head: String::from_utf8(head).unwrap(), body: Vec::new() };
    told.body = vec![0; told.header("content-length").parse().unwrap()];
    stream.read_exact(&mut told.body).await.unwrap();
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    let _ = stream.read_u8().await;
    Some(told)
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}

/// A deployment at rest that is to tell somebody at that address.
async fn telling(address: impl AsyncFnOnce(&Deployment) -> SocketAddr) -> Deployment {
    let deployment = Deployment::new();
    deployment.start().await.shutdown().await;
    write_private(&deployment.path("webhook.secret"), format!("{SECRET}\n").as_bytes()).unwrap();
    let mut config = std::fs::read_to_string(deployment.path("claviger.toml")).unwrap();
    let url = format!("https://{}/hook/T0KEN", address(&deployment).await);
    let files = "secret_file = \"webhook.secret\"\nca_file = \"pki/ca.crt\"";
    write!(config, "\n[[alerts.webhook]]\nurl = \"{url}\"\n{files}\n").unwrap();
    std::fs::write(deployment.path("claviger.toml"), config).unwrap();
    deployment
}

/// Makes a security officer, whom nobody has acknowledged: the next start finds that.
async fn make_officer(deployment: &Deployment) {
    let options = RecoverOptions { config: deployment.path("claviger.toml"), name: "rita".parse().unwrap() };
    recover(&options).await.unwrap();
}

async fn system(deployment: &Deployment, running: &Running) -> Value {
    let url = format!("{}/v1/system", running.urls()[Endpoint::Control]);
    let (status, system) = deployment.call("auditor", "GET", url, None).await;
    assert_eq!(status, 200, "{system}");
    system
}

async fn numbers(deployment: &Deployment, running: &Running) -> String {
    let url = format!("{}/metrics", running.urls()[Endpoint::Metrics]);
    deployment.http(None).get(url).send().await.unwrap().text().await.unwrap()
}

async fn found(deployment: &Deployment, check: &str) -> Vec<Finding> {
    let mut findings = examine(&deployment.path("claviger.toml"), FewAttempts::Keep).await;
    findings.retain(|finding| finding.check == check);
    findings
}

#[tokio::test]
async fn a_receiver_is_told_under_tls_and_again_by_each_start_until_the_alert_is_closed() {
    let mut receiver = None;
    let deployment =
        telling(async |deployment| receiver.insert(Receiver::listen(deployment).await).address).await;
    let receiver = receiver.unwrap();
    make_officer(&deployment).await;
    let reached = found(&deployment, "webhook").await;
    assert!(matches!(reached.as_slice(), [Finding { level: Level::Ok, .. }]), "{reached:?}");
    assert!(receiver.told().is_empty(), "looking tells nobody anything");

    let running = deployment.start().await;
    let [first]: [Told; 1] = receiver.wait(1).await.try_into().ok().unwrap();
    assert!(first.head.starts_with("POST /hook/T0KEN HTTP/1.1\r\n") && first.is_signed(), "{}", first.head);
    let (body, id) = (first.json(), first.header("webhook-id"));
    assert_eq!((&body["type"], &body["data"]["alert"]), (&json!("alert.raised"), &json!(id)));
    assert_eq!(body["data"]["rule"], "officer_recovered");
    assert!(body["data"]["subject"].as_str().unwrap().starts_with("principal "), "{body}");
    assert!(!body.to_string().contains("rita"), "no message names anybody: {body}");

    until(async || system(&deployment, &running).await["alerts"]["receivers"][0]["delivered"] == 1).await;
    let alerts = system(&deployment, &running).await["alerts"].clone();
    assert_eq!((&alerts["open"], &alerts["unraised"]), (&json!(1), &json!(0)));
    assert_eq!(alerts["by_rule"], json!([{ "rule": "officer_recovered", "open": 1 }]));
    let shown = &alerts["receivers"][0];
    assert_eq!(shown["name"], format!("https://{}", receiver.address));
    assert_eq!((&shown["waiting"], &shown["failing_since"]), (&json!(0), &Value::Null));
    let text = numbers(&deployment, &running).await;
    for line in [
        "claviger_alerts_open{rule=\"officer_recovered\"} 1",
        "claviger_alerts_open{rule=\"row_altered\"} 0",
        "claviger_alerts_unraised_total 0",
        "claviger_webhooks_failing 0",
        "claviger_webhook_waiting 0",
        "claviger_webhook_delivered_total 1",
        "claviger_webhook_failures_total 0",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    for said in [&alerts.to_string(), &text] {
        assert!(!said.contains("T0KEN"), "what is behind the host may be a secret: {said}");
    }
    running.shutdown().await;
    let open = found(&deployment, "alerts").await;
    let is_said = |one: &Finding| one.level == Level::Warning && one.message == "1 alert is open";
    assert!(open.iter().any(is_said), "{open:?}");

    // Who was told is not kept: the next start tells of it again, as the same.
    let running = deployment.start().await;
    let again = receiver.wait(2).await.remove(1);
    assert_eq!((again.header("webhook-id"), &again.body), (id, &first.body));
    assert!(again.is_signed());
    let close = format!("{}/v1/alerts/{id}/close", running.urls()[Endpoint::Control]);
    let because = Some(json!({ "reason": "we made her" }));
    // Whom it is about says nothing of it.
    let (status, said) = deployment.call("rita", "POST", close.clone(), because.clone()).await;
    assert_eq!((status, &said["code"]), (409, &json!("separation-of-duties")), "{said}");
    let (status, said) = deployment.call("responder", "POST", close, because).await;
    assert_eq!((status, &said["state"]), (200, &json!("closed")), "{said}");
    let acknowledge =
        format!("{}/v1/principals/rita/acknowledge-recovery", running.urls()[Endpoint::Control]);
    let (status, said) = deployment.call("responder", "POST", acknowledge, None).await;
    assert_eq!(status, 200, "{said}");
    running.shutdown().await;

    let running = deployment.start().await;
    until(async || system(&deployment, &running).await["alerts"]["receivers"][0]["waiting"] == 0).await;
    assert_eq!(system(&deployment, &running).await["alerts"]["open"], 0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(receiver.told().len(), 2);
    running.shutdown().await;
    assert!(found(&deployment, "alerts").await.is_empty());
}

/// What is not told is seen in three places, and keeps nobody from working.
#[tokio::test]
async fn a_receiver_that_is_away_is_shown_by_doctor_status_and_numbers() {
    // Nobody listens there.
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let deployment = telling(async |_| address).await;
    make_officer(&deployment).await;
    let reached = found(&deployment, "webhook").await;
    let [reached] = reached.as_slice() else { panic!("{reached:?}") };
    assert!(reached.level == Level::Warning && reached.advice.is_some(), "{reached:?}");
    assert!(reached.message.contains(&format!("`https://{address}` is not reached")), "{reached:?}");

    let running = deployment.start().await;
    until(async || system(&deployment, &running).await["alerts"]["receivers"][0]["failed"] != 0).await;
    let shown = system(&deployment, &running).await["alerts"]["receivers"][0].clone();
    assert_eq!((&shown["delivered"], &shown["waiting"]), (&json!(0), &json!(1)));
    assert!(shown["failing_since"].is_string(), "{shown}");
    assert!(shown["failure"].as_str().unwrap().starts_with("no connection"), "{shown}");
    let text = numbers(&deployment, &running).await;
    for line in ["claviger_webhooks_failing 1", "claviger_webhook_waiting 1"] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    // The address of the numbers, as an operator would have written it.
    let metrics = running.urls()[Endpoint::Metrics].strip_prefix("http://").unwrap().to_owned();
    let config = std::fs::read_to_string(deployment.path("claviger.toml")).unwrap();
    let config = config.replace("metrics = \"127.0.0.1:0\"", &format!("metrics = \"{metrics}\""));
    std::fs::write(deployment.path("claviger.toml"), config).unwrap();
    let at_work = found(&deployment, "alerts").await;
    for words in ["1 alert is open", "1 of those who are to be told of alerts are not"] {
        let is_said = |one: &Finding| one.level == Level::Warning && one.message == words;
        assert!(at_work.iter().any(is_said), "{words}: {at_work:?}");
    }
    assert_eq!(deployment.create_ring(&running, "orders").await.0, 201);
    running.shutdown().await;
}

#[tokio::test]
async fn a_server_that_could_tell_nobody_does_not_start() {
    let deployment = telling(async |_| SocketAddr::from(([127, 0, 0, 1], 9))).await;
    let secret = deployment.path("webhook.secret");
    let refused = async || {
        let error = Server::start(deployment.config(), None).await.unwrap_err();
        let ServerError::Webhook { receiver, source } = error else { panic!("{error}") };
        assert_eq!(receiver, "https://127.0.0.1:9");
        let found = found(&deployment, "webhook").await;
        assert!(found.iter().any(|one| one.level == Level::Wrong && one.advice.is_some()), "{found:?}");
        source
    };
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = refused().await;
    assert!(matches!(open, WebhookError::File(_)) && open.to_string().contains("chmod 600"), "{open}");
    std::fs::remove_file(&secret).unwrap();
    assert!(matches!(refused().await, WebhookError::File(_)));
    write_private(&secret, b"whsec_c2hvcnQ=\n").unwrap();
    let short = refused().await;
    let is_silent = !short.to_string().contains("c2hvcnQ");
    assert!(is_silent && matches!(short, WebhookError::Secret { .. }), "{short}");
    write_private(&secret, format!("{SECRET}\n").as_bytes()).unwrap();
    std::fs::write(deployment.path("pki/ca.crt.away"), "nothing").unwrap();
    let config = std::fs::read_to_string(deployment.path("claviger.toml")).unwrap();
    let config = config.replace("ca_file = \"pki/ca.crt\"", "ca_file = \"pki/ca.crt.away\"");
    std::fs::write(deployment.path("claviger.toml"), config).unwrap();
    assert!(matches!(refused().await, WebhookError::Authorities(_)));
}

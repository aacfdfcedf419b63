use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use claviger_core::AlertId;
use claviger_core::alert::AlertRule;
use claviger_crypto::SecretBytes;
use claviger_crypto::kdf::HmacSha256;
use claviger_service::operation::{CloseAlert, Recover};
use claviger_testkit::deployment::{ADA, DAY, Deployment, OLGA, OTTO, certificate_of, system};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::listener::tls;
use crate::pki::Authority;
use crate::stop;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SOON: Duration = Duration::from_secs(20);

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// It says so.
    Status(u16),
    /// It sends whoever asks to another place.
    Elsewhere(SocketAddr),
    /// It takes the request, and says nothing.
    Silence,
}

/// A request that came in: what is said of it by header, and its body.
#[derive(Clone, Debug)]
struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        &self.headers[name]
    }

    /// Is it signed, as a receiver checks that?
    fn is_signed(&self) -> bool {
        use base64::Engine as _;
        let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        let key = HmacSha256::new(&SecretBytes::new(decode(&SECRET[6..])));
        let said = self.header("webhook-signature").strip_prefix("v1,").unwrap();
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        key.verify(&[id.as_bytes(), b".", at.as_bytes(), b".", &self.body], &decode(said)).is_ok()
    }

    fn alert(&self) -> AlertId {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(body["data"]["alert"], self.header("webhook-id"));
        body["data"]["alert"].as_str().unwrap().parse().unwrap()
    }
}

/// A receiver in this process.
struct Site {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Site {
    /// One that answers the `n`-th request, from 0 on, as it is told.
    async fn open(answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::open_at("127.0.0.1:0".parse().unwrap(), None, answer).await
    }

    async fn open_at(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let socket = TcpListener::bind(address).await.unwrap();
        let address = socket.local_addr().unwrap();
        let got = Arc::new(Mutex::new(Vec::new()));
        let (requests, answer) = (Arc::clone(&got), Arc::new(answer));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let (requests, answer, tls) = (Arc::clone(&requests), Arc::clone(&answer), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &requests, &*answer).await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            serve(stream, &requests, &*answer).await;
                        }
                    }
                });
            }
        });
        Self { address, got, task }
    }

    fn got(&self) -> Vec<Request> {
        self.got.lock().unwrap().clone()
    }

    /// Waits until so many requests came in.
    async fn wait(&self, requests: usize) -> Vec<Request> {
        let waiting = async {
            while self.got().len() < requests {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(SOON, waiting).await.unwrap();
        self.got()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    requests: &Mutex<Vec<Request>>,
    answer: &impl Fn(usize, &Request) -> Answer,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let (line, rest) = head.split_once("\r\n").unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_lowercase(), value.to_owned()))
    };
    let headers: BTreeMap<_, _> = rest.lines().filter_map(header).collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    let request = Request { line: line.to_owned(), headers, body };
    let number = {
        let mut requests = requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    let said = match answer(number, &request) {
        Answer::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"),
        Answer::Elsewhere(address) => {
            format!("HTTP/1.1 307 X\r\nlocation: http://{address}/\r\ncontent-length: 0\r\n\r\n")
        }
        Answer::Silence => return std::future::pending().await,
    };
    stream.write_all(said.as_bytes()).await.unwrap();
    // It is the sender who ends the connection.
    let _ = stream.read_u8().await;
}

fn put(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn webhook(dir: &Path, url: &str) -> Webhook {
    let secret_file = put(dir, "secret", &format!("{SECRET}\n"));
    Webhook { url: url.parse().unwrap(), secret_file, ca_file: None }
}

fn receiver(url: &str) -> Receiver {
    let dir = tempfile::tempdir().unwrap();
    Receiver::load(&webhook(dir.path(), url)).unwrap()
}

fn message() -> Message {
    let id = AlertId::from_bytes([1; 16]);
    let alert = Alert::raised(id, AlertRule::JobOverdue, None, Timestamp::from_micros(1_700_000_000_000_000));
    Message::of(&alert, &"shop".parse().unwrap())
}

async fn told(receiver: &Receiver) -> Result<(), Untold> {
    receiver.tell(&message(), Timestamp::from_micros(1_700_000_123_999_999)).await
}

#[tokio::test]
async fn a_message_is_signed_and_says_when_it_was_sent() {
    let site = Site::open(|_, _| Answer::Status(204)).await;
    let receiver = receiver(&format!("http://{}/hook?for=claviger", site.address));
    receiver.reach().await.unwrap();
    told(&receiver).await.unwrap();
    let [request]: [Request; 1] = site.got().try_into().unwrap();
    assert_eq!(request.line, "POST /hook?for=claviger HTTP/1.1");
    assert_eq!(request.header("host"), site.address.to_string());
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("webhook-timestamp"), "1700000123");
    assert_eq!(request.alert(), AlertId::from_bytes([1; 16]));
    assert!(request.is_signed());
    for other in [
        Request { body: b"{}".to_vec(), ..request.clone() },
        Request { headers: with(&request, "webhook-id", "another"), ..request.clone() },
        Request { headers: with(&request, "webhook-timestamp", "1700000124"), ..request.clone() },
    ] {
        assert!(!other.is_signed(), "{other:?}");
    }
}

fn with(request: &Request, name: &str, value: &str) -> BTreeMap<String, String> {
    let mut headers = request.headers.clone();
    headers.insert(name.to_owned(), value.to_owned());
    headers
}

#[tokio::test]
async fn what_is_no_success_is_a_failure_and_nobody_else_is_told() {
    let other = Site::open(|_, _| Answer::Status(200)).await;
    let elsewhere = other.address;
    for (answer, why) in [
        (Answer::Status(500), "it answered 500"),
        (Answer::Status(410), "it answered 410"),
        (Answer::Status(304), "redirects are not followed"),
        (Answer::Elsewhere(elsewhere), "it answered 307 Temporary Redirect, and redirects are not followed"),
    ] {
        let site = Site::open(move |_, _| answer).await;
        let said = told(&receiver(&format!("http://{}/", site.address))).await.unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
        assert_eq!(site.got().len(), 1);
    }
    assert!(other.got().is_empty());
}

#[tokio::test]
async fn who_never_answers_or_is_not_there_is_given_up() {
    let site = Site::open(|_, _| Answer::Silence).await;
    let silent = receiver(&format!("http://{}/", site.address)).within(Duration::from_millis(200));
    assert!(matches!(told(&silent).await, Err(Untold::Late)));
    assert_eq!(site.got().len(), 1);
    drop(site);
    // The task that listened ends a moment later.
    let gone = async {
        while !matches!(told(&silent).await, Err(Untold::Unreachable(_))) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.unwrap();
    assert!(matches!(silent.reach().await, Err(Untold::Unreachable(_))));
    // One that speaks something else.
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = socket.accept().await.unwrap();
        let _ = stream.write_all(b"220 mail.example.org ESMTP\r\n").await;
    });
    let other = receiver(&format!("http://{address}/"));
    assert!(matches!(told(&other).await, Err(Untold::Broken(_))));
}

/// What a receiver needs to speak TLS, under an authority of its own.
fn certified(dir: &Path) -> (TlsAcceptor, PathBuf) {
    let now = SystemClock.now();
    let (authority, _) = Authority::create(now).unwrap();
    let issued = authority.issue_server(&["127.0.0.1".to_owned()], now).unwrap();
    let chain = vec![CertificateDer::from(issued.der.clone())];
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let ca = put(dir, "ca.crt", authority.certificate_pem());
    (TlsAcceptor::from(Arc::new(config)), ca)
}

#[tokio::test]
async fn under_tls_the_certificate_is_verified_against_the_authorities_that_are_named() {
    let (dir, other_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (acceptor, ca) = certified(dir.path());
    let (_, other_ca) = certified(other_dir.path());
    let any = "127.0.0.1:0".parse().unwrap();
    let site = Site::open_at(any, Some(acceptor), |_, _| Answer::Status(200)).await;
    let by = |host: &str, ca: Option<&Path>| {
        let url = format!("https://{host}:{}/hook", site.address.port());
        Receiver::load(&Webhook { ca_file: ca.map(Path::to_path_buf), ..webhook(dir.path(), &url) }).unwrap()
    };
    told(&by("127.0.0.1", Some(&ca))).await.unwrap();
    by("127.0.0.1", Some(&ca)).reach().await.unwrap();
    assert!(site.got()[0].is_signed());
    // Another authority, and another name than the certificate has.
    for stranger in [by("127.0.0.1", Some(&other_ca)), by("localhost", Some(&ca))] {
        assert!(matches!(told(&stranger).await, Err(Untold::Unreachable(_))));
        assert!(matches!(stranger.reach().await, Err(Untold::Unreachable(_))));
    }
    assert_eq!(site.got().len(), 1);
}

#[test]
fn what_is_wrong_with_a_receiver_is_found_when_it_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let good = webhook(dir.path(), "https://alerts.example.org/");
    let junk = put(dir.path(), "junk", "nothing");
    let failure = |webhook: Webhook| Receiver::load(&webhook).unwrap_err();
    let no_secret = Webhook { secret_file: junk.clone(), ..good.clone() };
    assert!(matches!(failure(no_secret), WebhookError::Secret { path } if path == junk));
    let absent = Webhook { secret_file: dir.path().join("absent"), ..good.clone() };
    assert!(matches!(failure(absent), WebhookError::File(_)));
    let no_authority = Webhook { ca_file: Some(junk.clone()), ..good.clone() };
    assert!(matches!(failure(no_authority), WebhookError::Authorities(_)));
    std::fs::set_permissions(&good.secret_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = failure(good.clone()).to_string();
    assert!(said.contains("chmod 600"), "{said}");
    let alerts = Alerts { webhooks: vec![good] };
    let said = Webhooks::load(&alerts).unwrap_err().to_string();
    assert!(said.starts_with("`https://alerts.example.org:443` cannot be told of alerts"), "{said}");
}

#[test]
fn no_secret_is_in_any_form_that_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let webhook = webhook(dir.path(), "http://127.0.0.1:9/T0KEN");
    let receiver = Receiver::load(&webhook).unwrap();
    let shown = format!("{webhook:?} {receiver:?} {}", receiver.name());
    assert!(!shown.contains("T0KEN") && !shown.contains(&SECRET[6..]), "{shown}");
}

#[test]
fn pauses_grow_and_are_bounded() {
    let pace = Pace { first: Duration::from_secs(1), most: Duration::from_secs(600) };
    for (failures, most) in [(1, 1), (2, 2), (3, 4), (10, 512), (11, 600), (33, 600), (u32::MAX, 600)] {
        let (pause, most) = (pace.after(failures), Duration::from_secs(most));
        assert!(pause <= most && pause >= most / 2, "{failures}: {pause:?}");
    }
}

/// A deployment that tells a receiver.
struct Place {
    deployment: Deployment,
    stop: stop::Stop,
    task: JoinHandle<()>,
}

impl Place {
    async fn build() -> Deployment {
        Deployment::build_for(&[ADA, OTTO, OLGA]).await
    }

    fn tell(deployment: Deployment, url: &str) -> Self {
        let (stop, stopping) = stop::pair();
        let pace = Pace { first: Duration::from_millis(20), most: Duration::from_millis(200) };
        let receiver = receiver(url).within(Duration::from_millis(500));
        let telling = Telling::new(0, receiver, deployment.road.clone(), pace);
        Self { deployment, stop, task: tokio::spawn(telling.keep_on(stopping)) }
    }

    /// Ends it; gives the deployment back.
    async fn end(self) -> Deployment {
        self.stop.stop();
        self.task.await.unwrap();
        self.deployment
    }

    /// How it stands once that is so.
    async fn until(&self, is_so: impl Fn(&AlertReceiver) -> bool) -> AlertReceiver {
        let waiting = async {
            loop {
                if let Some(found) = self.deployment.road.alert_receivers().first()
                    && is_so(found)
                {
                    return found.clone();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(SOON, waiting).await.unwrap()
    }
}

/// Raises an alert by what it is about: a recovery that nobody acknowledged.
async fn raise(deployment: &Deployment, officer: &str) {
    let recover = Recover {
        name: officer.parse().unwrap(),
        certificate: certificate_of(officer),
        expires_at: deployment.clock.in_seconds(86_400 * 365),
    };
    deployment.road.perform_for_system(system(), recover).await.unwrap();
    deployment.road.do_what_is_due().await;
}

async fn open(deployment: &Deployment) -> Vec<AlertId> {
    let open = deployment.road.open_alerts().await.unwrap();
    open.into_iter().map(|alert| alert.id).collect()
}

fn alerts_of(requests: &[Request]) -> Vec<AlertId> {
    let mut alerts: Vec<_> = requests.iter().map(Request::alert).collect();
    alerts.sort_unstable();
    alerts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_told_of_each_alert_once_and_again_behind_a_start() {
    let site = Site::open(|_, _| Answer::Status(200)).await;
    let url = format!("http://{}/", site.address);
    let place = Place::tell(Place::build().await, &url);
    raise(&place.deployment, "rosa").await;
    site.wait(1).await;
    raise(&place.deployment, "rex").await;
    let got = site.wait(2).await;
    assert!(got.iter().all(Request::is_signed));
    assert_eq!(alerts_of(&got), open(&place.deployment).await);
    let figures = place.until(|one| one.delivered == 2).await;
    assert_eq!((figures.waiting, figures.failed, figures.failing), (0, 0, None));
    assert_eq!(figures.name, format!("http://{}", site.address));
    // What is counted is no other alert.
    place.deployment.clock.advance(DAY);
    place.deployment.road.do_what_is_due().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(site.got().len(), 2);

    // Nothing is kept of who was told: a start tells of what is still open, under the same identifiers.
    let deployment = place.end().await.restart().await;
    // It goes on, and is told of again tomorrow.
    deployment.road.do_what_is_due().await;
    let [first, _]: [AlertId; 2] = open(&deployment).await.try_into().unwrap();
    deployment.ask("otto", CloseAlert { alert: first }).await.unwrap();
    let place = Place::tell(deployment, &url);
    let got = site.wait(3).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(site.got().len(), 3);
    assert_eq!(alerts_of(&got[2..]), open(&place.deployment).await);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_away_for_a_while_is_told_in_the_end() {
    // Nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let place = Place::tell(Place::build().await, &format!("http://{address}/"));
    raise(&place.deployment, "rosa").await;
    raise(&place.deployment, "rex").await;
    let figures = place.until(|one| one.failed >= 3 && one.waiting == 2).await;
    let (since, why) = figures.failing.unwrap();
    assert!(why.starts_with("no connection") && since <= SystemClock.now(), "{why}");
    // One of them is closed meanwhile: it is told all the same.
    let all = open(&place.deployment).await;
    place.deployment.ask("otto", CloseAlert { alert: all[0] }).await.unwrap();
    let site = Site::open_at(address, None, |_, _| Answer::Status(200)).await;
    let got = site.wait(2).await;
    assert_eq!(alerts_of(&got), all);
    let figures = place.until(|one| one.delivered == 2).await;
    assert_eq!((figures.waiting, figures.failing), (0, None));
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_holds_up_no_other_and_is_sent_again() {
    let (refused, is_mended) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
    let (of_site, mended) = (Arc::clone(&refused), Arc::clone(&is_mended));
    let site = Site::open(move |_, request| {
        let mut first = of_site.lock().unwrap();
        let first: AlertId = *first.get_or_insert(request.alert());
        let takes = request.alert() != first || mended.load(Ordering::SeqCst);
        Answer::Status(if takes { 200 } else { 500 })
    })
    .await;
    let place = Place::tell(Place::build().await, &format!("http://{}/", site.address));
    raise(&place.deployment, "rosa").await;
    place.until(|one| one.failed > 0).await;
    raise(&place.deployment, "rex").await;
    let figures = place.until(|one| one.delivered == 1 && one.failed > 1 && one.failing.is_some()).await;
    assert_eq!(figures.waiting, 1);
    assert!(figures.failing.unwrap().1.contains("500"));
    is_mended.store(true, Ordering::SeqCst);
    place.until(|one| one.delivered == 2 && one.waiting == 0).await;
    let first = refused.lock().unwrap().unwrap();
    let of_first: Vec<_> = site.got().into_iter().filter(|one| one.alert() == first).collect();
    assert!(of_first.len() > 2);
    assert!(of_first.iter().all(|one| one.is_signed() && one.body == of_first[0].body));
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_keeps_no_call_and_no_other_receiver_waiting() {
    let silent = Site::open(|_, _| Answer::Silence).await;
    let place = Place::tell(Place::build().await, &format!("http://{}/", silent.address));
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    let other = Site::open(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        Answer::Status(200)
    })
    .await;
    let (stop, stopping) = stop::pair();
    let pace = Pace { first: Duration::from_millis(20), most: Duration::from_millis(200) };
    let telling =
        Telling::new(1, receiver(&format!("http://{}/", other.address)), place.deployment.road.clone(), pace);
    let telling = tokio::spawn(telling.keep_on(stopping));
    for officer in ["rosa", "rex", "rolf"] {
        raise(&place.deployment, officer).await;
    }
    other.wait(3).await;
    assert_eq!(told.load(Ordering::SeqCst), 3);
    let figures = place.until(|one| one.failed > 0 && one.waiting == 3).await;
    assert_eq!(figures.delivered, 0);
    assert!(figures.failing.unwrap().1.contains("no answer"));
    stop.stop();
    telling.await.unwrap();
    // It ends at once, though somebody is being asked.
    tokio::time::timeout(Duration::from_secs(1), place.end()).await.unwrap();
}

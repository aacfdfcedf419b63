//! What the memory of a server at work holds of the calls that it answered: nothing, once their connections are closed.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_attack::client::{AccessKey, Connection, Identity, Route, post};
use claviger_client::profile::ProfileCredential;
use claviger_client::types::{Pairs, SecretText};
use claviger_client::{Client, Profile};
use serde_json::{Value, json};

use crate::approvals;
use crate::instance::Instance;

/// How every marked plaintext begins: a multiple of three bytes, so that its base64 is the beginning of the body's.
const MARK: &str = "core-image-mark-7d1f9a03";
/// What a token looks like that nobody was given.
const NOBODYS: &str = "clv_marked-by-nobody-5b0e";
const PAGE: u64 = 4096;

/// All that lies in the readable memory of a process, page by page, as far as there are pages.
fn each_page(pid: u32, mut take: impl FnMut(&[u8])) {
    let open = |what: &str| File::open(format!("/proc/{pid}/{what}")).unwrap();
    let (memory, pages) = (open("mem"), open("pagemap"));
    for line in BufReader::new(open("maps")).lines().map(Result::unwrap) {
        let mut words = line.split_ascii_whitespace();
        let (range, rights, name) =
            (words.next().unwrap(), words.next().unwrap(), words.nth(3).unwrap_or(""));
        if !rights.starts_with('r') || ["[vvar]", "[vvar_vclock]", "[vsyscall]"].contains(&name) {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let at = |text| u64::from_str_radix(text, 16).unwrap() / PAGE;
        let (start, end) = (at(start), at(end));
        let mut entries = vec![0; usize::try_from((end - start) * 8).unwrap()];
        pages.read_exact_at(&mut entries, start * 8).unwrap();
        let mut page = [0; 4096];
        for (number, entry) in (start..end).zip(entries.chunks_exact(8)) {
            // Present, or in swap (Documentation/admin-guide/mm/pagemap.rst).
            let is_there = u64::from_le_bytes(entry.try_into().unwrap()) >> 62 != 0;
            if is_there && memory.read_exact_at(&mut page, number * PAGE).is_ok() {
                take(&page);
            }
        }
    }
}

/// How often each of these is in the memory of a process.
fn count(pid: u32, dir: &Path, needles: &[(&'static str, Vec<u8>)]) -> Vec<(&'static str, usize)> {
    let patterns = dir.join("needles");
    let lines: Vec<_> =
        needles.iter().map(|(_, needle)| String::from_utf8(needle.clone()).unwrap()).collect();
    std::fs::write(&patterns, lines.join("\n")).unwrap();
    let mut search = Command::new("grep")
        .args(["--text", "--only-matching", "--fixed-strings", "--file"])
        .arg(&patterns)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut found = search.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        found.read_to_string(&mut text).unwrap();
        text
    });
    let mut input = search.stdin.take().unwrap();
    let mut read = 0_u64;
    each_page(pid, |page| {
        read += PAGE;
        input.write_all(page).unwrap();
    });
    drop(input);
    search.wait().unwrap();
    assert!(read > 1 << 20, "only {read} bytes of process {pid} are readable");
    let text = reader.join().unwrap();
    lines
        .iter()
        .zip(needles)
        .map(|(line, (name, _))| (*name, text.lines().filter(|found| found == line).count()))
        .collect()
}

/// The server hides its memory from all but root.
fn is_readable(pid: u32) -> bool {
    File::open(format!("/proc/{pid}/mem")).is_ok()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A deployment with a key, and an application that uses it under a token and an access key.
struct Deployment {
    instance: Instance,
    data: SocketAddr,
    identity: Identity,
    token: String,
    key: AccessKey,
    key_id: String,
    client: Profile,
    needles: Vec<(&'static str, Vec<u8>)>,
}

impl Deployment {
    fn start(dir: &Path) -> Self {
        let instance = Instance::start(dir, &[]);
        let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
        instance.done("administrator", &["ring", "create", "orders"], b"");
        let create = ["-o", "json", "key", "create", "orders/main", "--purpose", "encrypt"];
        let key_id = json(instance.done("administrator", &create, b""))["id"].as_str().unwrap().to_owned();
        let grant = [
            "grant",
            "create",
            "app",
            "--ring",
            "orders",
            "--operations",
            "encrypt,decrypt",
            "--reason",
            "test",
        ];
        instance.done("security_officer", &grant, b"");
        let credential = |kind: &[&str]| {
            let create = ["-o", "json", "credential", "create", "app"];
            json(approvals::done(&instance, "security_officer-2", &[&create, kind].concat()))
        };
        let token = credential(&["--token", "--label", "token"])["token"].as_str().unwrap().to_owned();
        let made = credential(&["--kind", "access-key", "--short-lived", "--label", "sdk"]);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let session = text("session_token");
        let settings = format!(
            "AWS_ACCESS_KEY_ID={}\nAWS_SECRET_ACCESS_KEY={}\nAWS_SESSION_TOKEN={session}\n",
            text("access_key_id"),
            text("secret_access_key")
        );
        let address = |plane: &str| -> SocketAddr {
            let url = instance.ready["urls"][plane].as_str().unwrap();
            url.strip_prefix("https://").unwrap().parse().unwrap()
        };
        let identity = Identity::nobody(Path::new(instance.ready["ca"].as_str().unwrap())).unwrap();
        let key = AccessKey::read(&settings, address("aws"), identity.clone()).unwrap();
        let mut client =
            Profile::load(Path::new(instance.ready["profiles"]["app"].as_str().unwrap())).unwrap();
        client.credential = ProfileCredential::Token(SecretText::new(token.clone()));
        let base64 = STANDARD.encode(MARK).into_bytes();
        let needles = vec![
            ("plaintext", MARK.as_bytes().to_vec()),
            ("base64 of a body", base64),
            ("token", token.as_bytes().to_vec()),
            ("token of nobody", NOBODYS.as_bytes().to_vec()),
            ("session token", session.into_bytes()),
        ];
        Self { data: address("data"), instance, identity, token, key, key_id, client, needles }
    }

    fn open(&self) -> Connection {
        Connection::open(&Route::honest(self.data), &self.identity).unwrap()
    }

    /// Encrypts and decrypts a marked plaintext by REST, in JSON and as bytes; and somebody whom nobody knows asks too.
    fn rest(&self, connection: &mut Connection, plaintext: &str) {
        let bearer = format!("Bearer {}", self.token);
        let mut ask = |who: &str, verb: &str, kind: &str, body: &[u8]| {
            let headers = [("authorization", who), ("content-type", kind), ("accept", kind)];
            let path = format!("/v1/keys/orders%2Fmain/{verb}");
            connection.ask(&post(&path, &headers, body)).unwrap()
        };
        let octets = "application/octet-stream";
        let sealed = ask(&bearer, "encrypt", octets, plaintext.as_bytes());
        assert!(sealed.is_done(), "{}", sealed.shown());
        assert_eq!(ask(&bearer, "decrypt", octets, &sealed.body).body, plaintext.as_bytes());
        let body = json!({ "plaintext": STANDARD.encode(plaintext) }).to_string();
        let sealed = ask(&bearer, "encrypt", "application/json", body.as_bytes()).json();
        let body = json!({ "ciphertext": sealed["ciphertext"] }).to_string();
        let opened = ask(&bearer, "decrypt", "application/json", body.as_bytes()).json();
        assert_eq!(opened["plaintext"], STANDARD.encode(plaintext));
    }

    /// An unauthenticated caller, with a marked token and a marked body.
    fn by_nobody(&self, plaintext: &str) {
        let headers =
            [("authorization", format!("Bearer {NOBODYS}")), ("content-type", "application/json".into())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let body = json!({ "plaintext": STANDARD.encode(plaintext) }).to_string();
        let answer =
            self.open().ask(&post("/v1/keys/orders%2Fmain/encrypt", &headers, body.as_bytes())).unwrap();
        assert_eq!(answer.status, 401);
    }

    /// The same by the API of AWS KMS, under a session token.
    fn aws(&self, connection: &mut Connection, plaintext: &str) {
        let mut ask = |operation: &str, body: Value| {
            let answer = connection.ask(&self.key.request(operation, &body).unwrap()).unwrap();
            assert!(answer.is_done(), "{}", answer.shown());
            answer.json()
        };
        let plaintext = STANDARD.encode(plaintext);
        let sealed = ask("Encrypt", json!({ "KeyId": self.key_id, "Plaintext": plaintext }));
        let opened = ask("Decrypt", json!({ "CiphertextBlob": sealed["CiphertextBlob"] }));
        assert_eq!(opened["Plaintext"], plaintext);
    }

    /// The same over HTTP/2.
    async fn http2(&self, client: &Client, plaintext: &str) {
        let bytes = plaintext.to_owned().into_bytes();
        let sealed =
            client.encrypt_bytes("orders/main", bytes.into(), &Pairs::default()).await.unwrap().value;
        client.decrypt_bytes("orders/main", sealed, &Pairs::default()).await.unwrap();
    }

    /// Connections that stay open, with a marked call each as the last: by REST in JSON and in bytes, by the API of AWS KMS, and
    /// by HTTP/2.
    fn hold(&self) -> (Vec<Connection>, (tokio::runtime::Runtime, Client)) {
        let bearer = format!("Bearer {}", self.token);
        let rest = |kind: &str, body: &[u8]| {
            let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
            let mut connection = self.open();
            let answer = connection.ask(&post("/v1/keys/orders%2Fmain/encrypt", &headers, body)).unwrap();
            assert!(answer.is_done(), "{}", answer.shown());
            connection
        };
        let body = json!({ "plaintext": STANDARD.encode(MARK) });
        let bytes = rest("application/octet-stream", MARK.as_bytes());
        let json = rest("application/json", body.to_string().as_bytes());
        let mut signed = self.key.connect(&Route::honest(self.key.listener())).unwrap();
        let body = json!({ "KeyId": self.key_id, "Plaintext": STANDARD.encode(MARK) });
        assert!(signed.ask(&self.key.request("Encrypt", &body).unwrap()).unwrap().is_done());
        let runtime = runtime();
        let client = Client::new(&self.client).unwrap();
        runtime.block_on(self.http2(&client, MARK));
        (vec![bytes, json, signed], (runtime, client))
    }

    fn count(&self) -> Vec<(&'static str, usize)> {
        count(self.instance.pid(), &self.instance.dir, &self.needles)
    }

    /// Makes about as many calls, over connections that are closed in the end.
    fn call(&self, calls: usize) {
        let runtime = runtime();
        for round in 0..calls.div_ceil(40) {
            let mut connections =
                (self.open(), self.key.connect(&Route::honest(self.key.listener())).unwrap());
            let client = Client::new(&self.client).unwrap();
            for number in 0..5 {
                let length = [40, 200, 4000][(round + number) % 3];
                let plaintext = format!("{MARK}-{round}-{number}-{}", "x".repeat(length));
                self.rest(&mut connections.0, &plaintext);
                self.aws(&mut connections.1, &plaintext);
                runtime.block_on(self.http2(&client, &plaintext));
            }
            self.by_nobody(&format!("{MARK}-{round}"));
        }
    }
}

/// What is counted must be there to be found: in a process that has it.
fn is_found(deployed: &Deployment) -> bool {
    let own = count(std::process::id(), &deployed.instance.dir, &deployed.needles);
    own.iter().all(|(_, count)| *count > 0)
}

#[test]
fn closed_connections_leave_no_token_no_plaintext_and_no_body_in_a_core_image() {
    let calls = std::env::var("CLAVIGER_MARKED_CALLS").map_or(200, |calls| calls.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let deployed = Deployment::start(dir.path());
    if !is_readable(deployed.instance.pid()) {
        println!("not root: the memory of a server is not readable, as it should be; not tested");
        return;
    }
    deployed.call(calls);
    std::thread::sleep(Duration::from_secs(5));
    let found = deployed.count();
    assert!(found.iter().all(|(_, count)| *count == 0), "{found:?}");
    assert!(is_found(&deployed));

    // A connection that stays open keeps what came and went by it last, until something else does.
    let held = deployed.hold();
    std::thread::sleep(Duration::from_secs(1));
    let found = deployed.count();
    println!("{} open connections: {found:?}", held.0.len() + 1);
    assert!(found.iter().all(|(_, count)| *count <= 2 * (held.0.len() + 1)), "{found:?}");
    drop(held);
    // Closed, and gone within the same time.
    let gone = |_| {
        std::thread::sleep(Duration::from_millis(500));
        deployed.count().iter().all(|(_, count)| *count == 0)
    };
    assert!((0..10).any(gone), "{:?}", deployed.count());
    deployed.instance.stop();
}

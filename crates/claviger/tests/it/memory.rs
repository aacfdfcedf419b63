//! Memory that a burst of calls took goes back to the system, although all memory of the server is locked.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use claviger_attack::client::{Connection, Identity, Route, post};
use claviger_attack::machine::{Memory, mib};
use serde_json::json;

use crate::instance::Instance;

const CALLERS: usize = 24;
const CALLS: usize = 3;
/// Items of a batch, and bytes of each.
const ITEMS: usize = 400;
const ITEM: usize = 3000;
/// What a burst takes at least, or nothing is shown.
const BURST: u64 = 48 << 20;
const LOOKS: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

/// Linux 5.18 is the first that takes locked memory back (madvise(2), `MADV_DONTNEED_LOCKED`).
fn kernel_takes_locked_memory_back() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split('.').map(|number| number.parse::<u32>().unwrap_or_default());
    (numbers.next(), numbers.next()) >= (Some(5), Some(18))
}

#[test]
fn memory_that_a_burst_took_is_given_back_though_it_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::start(dir.path(), &[]);
    instance.done("administrator", &["ring", "create", "orders"], b"");
    instance.done("administrator", &["key", "create", "orders/main"], b"");
    let grant = "grant create app --key orders/main --operations encrypt --reason test";
    instance.done("security_officer", &grant.split(' ').collect::<Vec<_>>(), b"");
    let memory = || Memory::of(instance.pid()).unwrap();
    let before = memory();
    if before.locked == 0 || !kernel_takes_locked_memory_back() {
        eprintln!("not shown: memory is not locked here, or the kernel never takes it back");
        return;
    }
    let text = |pointer: &str| instance.ready.pointer(pointer).unwrap().as_str().unwrap();
    let profile = Path::new(text("/profiles/app"));
    let (certificate, key) = (profile.with_extension("crt"), profile.with_extension("key"));
    let identity = Identity::holder(Path::new(text("/ca")), &certificate, &key).unwrap();
    let data: SocketAddr = text("/urls/data").trim_start_matches("https://").parse().unwrap();
    let item = json!({ "plaintext": STANDARD.encode([0x5a; ITEM]) });
    let body = json!({ "items": vec![item; ITEMS] }).to_string();
    let headers = [("content-type", "application/json")];
    let request = post("/v1/keys/orders%2Fmain/encrypt/batch", &headers, body.as_bytes());
    let ended = AtomicBool::new(false);
    let peak = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !ended.load(Ordering::Relaxed) {
                most = memory().resident.max(most);
                std::thread::sleep(PAUSE / 10);
            }
            most
        });
        let call = || {
            let mut connection = Connection::open(&Route::honest(data), &identity).unwrap();
            for _ in 0..CALLS {
                let answer = connection.ask(&request).unwrap();
                assert!(answer.is_done() || answer.status == 503, "{}", answer.shown());
            }
        };
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(call)).collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        ended.store(true, Ordering::Relaxed);
        watch.join().unwrap()
    });
    let burst = peak.saturating_sub(before.resident);
    assert!(burst >= BURST, "a burst of {} MiB shows nothing", mib(burst));
    let stays = || memory().resident.saturating_sub(before.resident);
    for _ in 0..LOOKS {
        if stays() <= burst / 2 {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    assert!(stays() <= burst / 2, "of {} MiB that a burst took {} MiB stay", mib(burst), mib(stays()));
    assert!(memory().locked >= before.locked, "what is kept is locked as before");
    instance.stop();
}

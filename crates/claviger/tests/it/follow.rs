//! A log that is followed, as a collector of events follows it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::instance::claviger;
use crate::serving::Site;

/// How often, and how long apart, the output is looked at before what is awaited counts as missing: a minute.
const LOOKS: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

/// `audit tail --follow` at work.
struct Follower {
    child: Child,
    output: PathBuf,
}

impl Follower {
    /// Follows the log of a deployment from an index on, with every entry.
    fn start(site: &Site, from: u64) -> Self {
        let output = site.path("followed");
        let child = claviger()
            .arg("--profile")
            .arg(site.deployed("profiles/auditor.toml"))
            .args(["-o", "json", "audit", "tail", "--follow", "--with-reads", "--from", &from.to_string()])
            .stdin(Stdio::null())
            .stdout(File::create(&output).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, output }
    }

    /// The indexes of the entries that came.
    fn indexes(&self) -> Vec<u64> {
        let text = std::fs::read_to_string(&self.output).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let entries = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.map(|entry| entry["index"].as_u64().unwrap()).collect()
    }

    /// Waits until that entry came.
    fn await_entry(&mut self, index: u64) {
        for _ in 0..LOOKS {
            if self.indexes().last().is_some_and(|last| *last >= index) {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it stopped following");
            std::thread::sleep(PAUSE);
        }
        panic!("entry {index} did not come: {:?}", self.indexes().last());
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Encrypts; gives the index of the entry.
fn encrypt(site: &Site) -> u64 {
    let printed = site.done("app", &["-o", "json", "encrypt", "--key", "orders/main"], b"x");
    serde_json::from_slice::<Value>(&printed).unwrap()["entry"].as_u64().unwrap()
}

#[test]
fn followed_log_goes_on_without_a_gap_after_a_restart_of_the_server() {
    const FROM: u64 = 3;
    let site = Site::set_up();
    let serving = site.serve();
    let control = serving.urls().unwrap()["control"].as_str().unwrap().replace("https://", "");
    let mut follower = Follower::start(&site, FROM);
    follower.await_entry(encrypt(&site));
    serving.stop();
    // Long enough to be asked in vain.
    std::thread::sleep(Duration::from_secs(2));
    let serving = site.try_serve(&[("CLAVIGER_LISTEN__CONTROL", &control)]).unwrap();
    encrypt(&site);
    follower.await_entry(encrypt(&site));
    let indexes = follower.indexes();
    let expected: Vec<u64> = (FROM..).take(indexes.len()).collect();
    assert_eq!(indexes, expected);
    drop(follower);
    serving.stop();
}

//! Disks that are full, read-only or damaged: a clear word on what to do, no result without its entry, and nothing lost.

use std::time::Duration;

use crate::evidence::Evidence;
use crate::load::{Answered, Load, Worker};
use crate::serving::{Ended, Serving, Site};
use crate::volume::Volume;

/// Enough for the store and a few thousand entries.
const MEBIBYTES: u32 = 16;
/// Enough for a reserve as well, and for what is kept free beside it.
const WITH_RESERVE: u32 = 160;
const RESERVE: u32 = 64;
const MIN_FREE: u32 = 32;
/// What is left for the calls of an application.
const LEFT: u32 = 3;
/// How often, and how long apart, a volume is looked at: a minute.
const LOOKS: u32 = 1200;
const PAUSE: Duration = Duration::from_millis(50);

/// A deployment with its data on a volume of its own.
struct Disk {
    site: Site,
    volume: Volume,
    data: String,
    /// What is kept free on it, in MiB: at all, and for calls that restrict.
    kept: [String; 2],
}

impl Disk {
    /// One on which nothing is kept free: a full disk stops every call.
    fn new() -> Option<Self> {
        Self::of(MEBIBYTES, [0, 0])
    }

    fn of(mebibytes: u32, kept: [u32; 2]) -> Option<Self> {
        let site = Site::set_up();
        // The reserve belongs to the disk that it was made on.
        drop(std::fs::remove_file(site.deployed("data/reserve")));
        let path = site.path("volume");
        let Some(volume) = Volume::mount(&path, mebibytes) else {
            println!("no namespaces on this machine: not tested");
            return None;
        };
        let data = path.to_str().unwrap().to_owned();
        assert!(volume.run(&format!("cp -a '{}'/. .", site.deployed("data").display())));
        Some(Self { site, volume, data, kept: kept.map(|mebibytes| mebibytes.to_string()) })
    }

    fn try_serve(&self) -> Result<Serving, Ended> {
        let [min_free, reserve] = &self.kept;
        let environment = [
            ("CLAVIGER_DATA_DIR", self.data.as_str()),
            ("CLAVIGER_STORE__MIN_FREE_MIB", min_free),
            ("CLAVIGER_STORE__RESERVE_MIB", reserve),
        ];
        self.site.try_serve_by(self.volume.claviger(), &environment)
    }

    /// Waits until a script succeeds in the root of the volume: what the server does by itself takes a moment.
    fn until(&self, script: &str) {
        for _ in 0..LOOKS {
            if self.volume.run(script) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("`{script}` never succeeds");
    }

    /// Has somebody else take all room but so many MiB. What is given free meanwhile is not taken.
    fn leave(&self, mebibytes: u32) {
        let free = "$(($(stat -f -c '%a * %S' .)))";
        // The last bytes may be gone before they are reached.
        self.volume.run(&format!("head -c $(({free} - {mebibytes} * 1048576)) /dev/zero >> ballast"));
    }

    fn encrypt(&self) -> Result<(), String> {
        let output = self.site.run("app", &["encrypt", "--key", "orders/main"], b"data");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(format!("{:?} {said}", output.status.code())) }
    }
}

fn load(site: &Site, round: u32) -> Vec<Answered> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(Load::some(site, round))
}

/// Encrypts until no more is to be had of the server.
fn encrypt_to_the_end(site: &Site, round: u32) -> Vec<Answered> {
    let encrypt = |worker: Worker| async move { worker.encrypt("orders/main").await };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { Load::alone(site, round, encrypt).end().await })
}

#[test]
fn full_disk_is_reported_and_service_resumes_by_itself() {
    let Some(disk) = Disk::new() else { return };
    let serving = disk.try_serve().unwrap();
    let mut evidence = Evidence::begin(&disk.site);
    let mut answered = load(&disk.site, 1);
    disk.volume.fill();
    // The files have room within themselves for some more.
    answered.extend(encrypt_to_the_end(&disk.site, 2));
    // A checkpoint that was under way makes some room in the write-ahead log.
    let refusal = (0..LOOKS).find_map(|_| disk.encrypt().err()).unwrap();
    assert!(refusal.contains("unavailable") && refusal.contains("nothing was done"), "{refusal}");
    let said = serving.said();
    assert!(said.contains("no space is left") && said.contains("goes on by itself"), "{said}");
    assert_eq!(serving.readiness(), "not ready: nothing can be recorded");
    disk.volume.empty();
    // Nobody has to call before readiness says that it goes on.
    assert_eq!(serving.readiness(), "ready");
    assert_eq!(disk.encrypt(), Ok(()));
    answered.extend(load(&disk.site, 3));
    evidence.hold(&disk.site, &answered);

    // No start begins without room for its own entry.
    assert!(serving.stop().status.success());
    disk.volume.fill();
    let ended = disk.try_serve().err().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.said.contains("no space is left"), "{ended:?}");
    disk.volume.empty();
    let _serving = disk.try_serve().unwrap();
    evidence.hold(&disk.site, &answered);
    assert_eq!(disk.encrypt(), Ok(()));
}

#[test]
fn who_fills_the_disk_keeps_no_key_and_no_right_alive() {
    let Some(disk) = Disk::of(WITH_RESERVE, [MIN_FREE, RESERVE]) else { return };
    let serving = disk.try_serve().unwrap();
    let mut evidence = Evidence::begin(&disk.site);
    disk.until("[ -s reserve ]");
    assert!(serving.stop().status.success());
    disk.leave(MIN_FREE + LEFT);

    // An application fills what it may fill; then it is refused, and so is all that restricts nothing.
    let serving = disk.try_serve().unwrap();
    let answered = encrypt_to_the_end(&disk.site, 1);
    assert!(!answered.is_empty());
    let refusal = disk.encrypt().unwrap_err();
    assert!(refusal.contains("nearly full") && refusal.contains("nothing was done"), "{refusal}");
    let denied = disk.site.run("app", &["encrypt", "--key", "orders/none"], b"data");
    assert!(String::from_utf8_lossy(&denied.stderr).contains("nearly full"));
    let created = disk.site.run("administrator", &["ring", "create", "other"], b"");
    assert!(!created.status.success());
    let status = String::from_utf8(disk.site.done("administrator", &["status"], b"")).unwrap();
    assert!(status.contains("DISK NEARLY FULL"), "{status}");

    // Somebody else takes the last byte. What restricts is recorded, out of what was set aside.
    disk.leave(0);
    disk.site.done("responder", &["key", "suspend", "orders/main", "--reason", "incident"], b"");
    disk.until("[ ! -e reserve ]");
    disk.site.done("responder", &["principal", "revoke", "app", "--yes", "--reason", "incident"], b"");
    let said = serving.said();
    assert!(said.contains("only calls that restrict are recorded"), "{said}");

    // The same after an end of any kind.
    serving.kill();
    let serving = disk.try_serve().unwrap();
    disk.site.done(
        "responder",
        &["key", "compromise", "orders/toggled", "--yes", "--reason", "incident"],
        b"",
    );
    assert!(serving.stop().status.success());
    let _serving = disk.try_serve().unwrap();
    assert!(disk.encrypt().is_err());
    let refused = disk.site.run("auditor", &["audit", "search"], b"");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nearly full"));

    // With room again all is as it was, and the log is whole.
    assert!(disk.volume.run("rm ballast"));
    disk.until("[ -s reserve ]");
    disk.site.done("administrator", &["key", "resume", "orders/main"], b"");
    evidence.hold(&disk.site, &answered);
    let status = String::from_utf8(disk.site.done("auditor", &["status"], b"")).unwrap();
    assert!(!status.contains("DISK NEARLY FULL") && !status.contains("RESERVE"), "{status}");
    let refusal = disk.encrypt().unwrap_err();
    assert!(!refusal.contains("nearly full"), "the revoked application stays so: {refusal}");
}

#[test]
fn read_only_disk_is_reported() {
    let Some(disk) = Disk::new() else { return };
    let serving = disk.try_serve().unwrap();
    let mut evidence = Evidence::begin(&disk.site);
    let answered = load(&disk.site, 1);
    assert!(serving.stop().status.success());
    assert!(disk.volume.run("mount -o remount,ro ."));
    let ended = disk.try_serve().err().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.said.contains("read-only; make its directory writable"), "{ended:?}");
    assert!(disk.volume.run("mount -o remount,rw ."));
    let _serving = disk.try_serve().unwrap();
    evidence.hold(&disk.site, &answered);
}

#[test]
fn files_that_are_moved_away_are_reported_and_nothing_is_answered_that_is_not_in_them() {
    let site = Site::set_up();
    let mut serving = site.serve();
    let mut evidence = Evidence::begin(&site);
    for (round, moved) in
        [&["store.db", "store.db-wal"][..], &["store.db"], &["store.db-wal"]].iter().enumerate()
    {
        let round = u32::try_from(round).unwrap();
        let mut answered = load(&site, 2 * round);
        for file in *moved {
            std::fs::rename(site.deployed("data").join(file), site.path(file)).unwrap();
        }
        answered.extend(encrypt_to_the_end(&site, 2 * round + 1));
        let ended = serving.wait();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(
            ended.said.contains("was moved, replaced or removed while it was in use; put it back"),
            "{ended:?}"
        );
        for file in *moved {
            std::fs::rename(site.path(file), site.deployed("data").join(file)).unwrap();
        }
        serving = site.serve();
        evidence.hold(&site, &answered);
    }
}

#[test]
fn no_restriction_is_answered_whose_checkpoint_cannot_be_kept() {
    let site = Site::set_up();
    let serving = site.serve();
    let mut evidence = Evidence::begin(&site);
    let answered = load(&site, 1);
    let (kept, away) = (site.deployed("data/newest-shard-checkpoint"), site.path("away"));
    std::fs::rename(&kept, &away).unwrap();
    let suspended =
        site.run("administrator", &["key", "suspend", "orders/main", "--reason", "incident"], b"");
    assert!(!suspended.status.success());
    // It is the restriction that finds out, or what is kept each second.
    let ended = serving.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let said = "`newest-shard-checkpoint` was moved, replaced or removed while it was in use; put it back";
    let said = said.trim_start_matches('`');
    assert!(ended.said.contains(said), "{ended:?}");
    std::fs::rename(&away, &kept).unwrap();
    let _serving = site.serve();
    evidence.hold(&site, &answered);
}

/// Bytes of a page of the database.
const PAGE: usize = 4096;
/// How many pages are damaged, one at a time.
const DAMAGED: usize = 8;

#[test]
fn damaged_pages_are_reported_and_nothing_panics() {
    let site = Site::set_up();
    let serving = site.serve();
    let mut evidence = Evidence::begin(&site);
    let answered = load(&site, 1);
    assert!(serving.stop().status.success());
    let whole = std::fs::read(site.deployed("data/store.db")).unwrap();
    let pages = whole.len() / PAGE;
    let reported = (0..pages).step_by(pages / DAMAGED).filter(|page| {
        let mut damaged = whole.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0xa5);
        is_reported(&site, &damaged)
    });
    // Some pages hold nothing that a call needs; the first, without which nothing is a database, is not among them.
    assert!(reported.count() > 1);
    let _serving = site.serve();
    evidence.hold(&site, &answered);
}

/// Serves a copy of the data with this database. Whatever cannot be done with it says what to do; gives whether anything was.
fn is_reported(site: &Site, database: &[u8]) -> bool {
    let copy = site.path("damaged");
    let _ = std::fs::remove_dir_all(&copy);
    std::fs::create_dir(&copy).unwrap();
    for kept in ["newest-checkpoint", "newest-shard-checkpoint"] {
        std::fs::copy(site.deployed("data").join(kept), copy.join(kept)).unwrap();
    }
    std::fs::write(copy.join("store.db"), database).unwrap();
    let mut index = false;
    let (all_well, ended) = match site.try_serve(&[("CLAVIGER_DATA_DIR", copy.to_str().unwrap())]) {
        Err(ended) => {
            assert_eq!(ended.status.code(), Some(1), "{ended:?}");
            // It does not open, or a page is missed as soon as it begins to serve.
            let opens = !ended.said.contains("damaged` cannot be used");
            assert!(!opens || ended.said.contains("stored data is damaged"), "{ended:?}");
            (false, ended)
        }
        Ok(serving) => {
            let encrypted = site.run("app", &["encrypt", "--key", "orders/main"], b"data");
            let verified = site.run("auditor", &["audit", "verify"], b"");
            index = String::from_utf8_lossy(&verified.stderr).contains("index-damaged");
            (encrypted.status.success() && verified.status.success(), serving.stop())
        }
    };
    assert!(all_well || index || ended.said.contains("stored data is damaged"), "{ended:?}");
    assert!(all_well || index || ended.said.contains("restore from a backup"), "{ended:?}");
    assert!(!ended.said.contains("panic"), "{ended:?}");
    !all_well
}

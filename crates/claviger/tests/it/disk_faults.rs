//! Disks that are full, read-only or damaged: a clear word on what to do, no result without its entry, and nothing lost.

use crate::evidence::Evidence;
use crate::load::{Answered, Load, Worker};
use crate::serving::{Ended, Serving, Site};
use crate::volume::Volume;

/// Enough for the store and a few thousand entries.
const MEBIBYTES: u32 = 16;

/// A deployment with its data on a volume of its own.
struct Disk {
    site: Site,
    volume: Volume,
    data: String,
}

impl Disk {
    fn new() -> Option<Self> {
        let site = Site::set_up();
        let path = site.path("volume");
        let Some(volume) = Volume::mount(&path, MEBIBYTES) else {
            println!("no namespaces on this machine: not tested");
            return None;
        };
        let data = path.to_str().unwrap().to_owned();
        assert!(volume.run(&format!("cp -a '{}'/. .", site.deployed("data").display())));
        Some(Self { site, volume, data })
    }

    fn try_serve(&self) -> Result<Serving, Ended> {
        self.site.try_serve_by(self.volume.claviger(), &[("CLAVIGER_DATA_DIR", &self.data)])
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
fn full_disk_is_told_and_service_resumes_by_itself() {
    let Some(disk) = Disk::new() else { return };
    let serving = disk.try_serve().unwrap();
    let mut evidence = Evidence::begin(&disk.site);
    let mut answered = load(&disk.site, 1);
    disk.volume.fill();
    // The files have room within themselves for some more.
    answered.extend(encrypt_to_the_end(&disk.site, 2));
    let refusal = disk.encrypt().unwrap_err();
    assert!(refusal.contains("unavailable") && refusal.contains("nothing was done"), "{refusal}");
    let said = serving.said();
    assert!(said.contains("no space is left") && said.contains("goes on by itself"), "{said}");
    assert_eq!(serving.readiness(), "not ready: nothing can be recorded");
    disk.volume.empty();
    // Nobody has to call before watchers are told that it goes on.
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
fn read_only_disk_is_told() {
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
fn files_that_are_moved_away_are_told_and_nothing_is_answered_that_is_not_in_them() {
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
    let suspended = site.run("administrator", &["key", "suspend", "orders/main"], b"");
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
fn damaged_pages_are_told_and_nothing_panics() {
    let site = Site::set_up();
    let serving = site.serve();
    let mut evidence = Evidence::begin(&site);
    let answered = load(&site, 1);
    assert!(serving.stop().status.success());
    let whole = std::fs::read(site.deployed("data/store.db")).unwrap();
    let pages = whole.len() / PAGE;
    let told = (0..pages).step_by(pages / DAMAGED).filter(|page| {
        let mut damaged = whole.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0xa5);
        is_told(&site, &damaged)
    });
    // Some pages hold nothing that a call needs; the first, without which nothing is a database, is not among them.
    assert!(told.count() > 1);
    let _serving = site.serve();
    evidence.hold(&site, &answered);
}

/// Serves a copy of the data with this database. Whatever cannot be done with it says what to do; gives whether anything was.
fn is_told(site: &Site, database: &[u8]) -> bool {
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
            assert!(ended.said.contains("damaged` cannot be used"), "{ended:?}");
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

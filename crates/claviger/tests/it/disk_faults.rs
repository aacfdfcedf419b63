//! Disks that are full, read-only or damaged: a clear word on what to do, no result without its entry, and nothing lost.

use crate::evidence::Evidence;
use crate::load::{Answered, Load};
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

    /// Encrypts until that is refused; gives what was said.
    fn refusal(&self) -> String {
        (0..200).find_map(|_| self.encrypt().err()).unwrap()
    }
}

fn load(site: &Site, round: u32) -> Vec<Answered> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(Load::some(site, round))
}

#[test]
fn full_disk_is_told_and_service_resumes_by_itself() {
    let Some(disk) = Disk::new() else { return };
    let serving = disk.try_serve().unwrap();
    let mut evidence = Evidence::begin(&disk.site);
    let mut answered = load(&disk.site, 1);
    disk.volume.fill();
    let refusal = disk.refusal();
    println!("{refusal}\n{}", serving.said());
    assert!(refusal.contains("unavailable") && refusal.contains("nothing was done"), "{refusal}");
    let said = serving.said();
    assert!(said.contains("no space is left") && said.contains("service resumes by itself"), "{said}");
    disk.volume.empty();
    assert_eq!(disk.encrypt(), Ok(()));
    answered.extend(load(&disk.site, 2));
    evidence.hold(&disk.site, &answered);

    disk.volume.fill();
    disk.refusal();
    let ended = serving.stop();
    println!("{ended:?}");
    let ended = disk.try_serve().err().unwrap();
    println!("{ended:?}");
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
    println!("{ended:?}");
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.said.contains("read-only; make its directory writable"), "{ended:?}");
    assert!(disk.volume.run("mount -o remount,rw ."));
    let _serving = disk.try_serve().unwrap();
    evidence.hold(&disk.site, &answered);
}

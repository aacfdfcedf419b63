//! The machine: permissions, clock, memory, disk, file descriptors.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use claviger_core::Timestamp;
use claviger_core::port::Clock as _;
use claviger_store::SpaceOptions;
use rustix::process::{Resource, getrlimit};

use super::Finding;
use crate::clock::SystemClock;
use crate::config::{Config, Limits, PinSource, Root, SoftwareSeal};
use crate::files;
use crate::hardening::Hardening;
use crate::pki;

/// 2026-01-01: this release is younger, so a clock before it is wrong.
const RELEASE: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

const MIB: u64 = 1 << 20;

/// Files that hold secrets, and folders that hold everything.
pub(super) fn permissions(config: &Config) -> Vec<Finding> {
    let mut secrets = vec![config.tls.key.clone()];
    match &config.root {
        Root::InsecureSoftwareRoot {
            seal: SoftwareSeal::KeyFile(path) | SoftwareSeal::PassphraseFile(path),
        }
        | Root::Pkcs11 { pin: PinSource::File(path), .. } => secrets.push(path.clone()),
        Root::Pkcs11 { pin: PinSource::Env(_), .. } => {}
    }
    let mut findings: Vec<_> = secrets.iter().filter_map(exposed).collect();
    findings.extend(open_folder(&config.data_dir));
    findings.extend(writable(&config.file));
    if findings.is_empty() {
        findings.push(Finding::ok("permissions", "secrets and data are open to their owner alone"));
    }
    findings
}

fn exposed(path: &PathBuf) -> Option<Finding> {
    let mode = std::fs::metadata(path).ok()?.mode();
    let error = files::check_private(path, mode).err()?;
    Some(Finding::wrong("permissions", error.to_string(), format!("chmod 600 {}", path.display())))
}

fn open_folder(path: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(path).ok()?.mode() & 0o777;
    let message = format!("`{}` is open to others (mode {mode:03o})", path.display());
    (mode & 0o077 != 0)
        .then(|| Finding::warning("permissions", message, format!("chmod 700 {}", path.display())))
}

fn writable(path: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(path).ok()?.mode() & 0o777;
    let message = format!("others can change `{}` (mode {mode:03o})", path.display());
    (mode & 0o022 != 0)
        .then(|| Finding::wrong("permissions", message, format!("chmod go-w {}", path.display())))
}

/// A clock is right if it is not before what has certainly happened.
pub(super) fn clock(config: &Config) -> Finding {
    let made = pki::read_facts(&config.tls.client_ca).map_or(RELEASE, |facts| facts.valid_from);
    if SystemClock.now() < made.max(RELEASE) {
        let message = "the clock of this machine is behind: it is before something that has happened";
        return Finding::wrong("clock", message, "set the clock, and keep it by NTP");
    }
    Finding::ok("clock", "the clock of this machine is not behind")
}

pub(super) fn memory() -> Finding {
    if Hardening::can_lock_memory() {
        return Finding::ok("memory", "memory can be locked");
    }
    let swaps = std::fs::read_to_string("/proc/swaps").unwrap_or_default();
    if swaps.lines().count() == 1 {
        return Finding::ok(
            "memory",
            "memory cannot be locked, and there is no swap device that it could reach",
        );
    }
    Finding::warning("memory", "memory cannot be locked", Hardening::MEMORY_ADVICE)
}

pub(super) fn disk(data_dir: &Path, wanted: SpaceOptions) -> Vec<Finding> {
    let mut findings = vec![free_space(data_dir, wanted)];
    findings.extend(reserve(data_dir, wanted));
    findings
}

fn free_space(data_dir: &Path, wanted: SpaceOptions) -> Finding {
    let Ok(space) = rustix::fs::statvfs(data_dir) else {
        return Finding::warning(
            "disk",
            format!("the space at `{}` is not known", data_dir.display()),
            "make the folder",
        );
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize) / MIB;
    let message = format!("{free} MiB are free at `{}`", data_dir.display());
    let least = wanted.min_free / MIB;
    let advice = "free some space; what cannot be recorded is not done";
    if free < least.max(100) {
        let message = format!("{message}, and below {least} MiB only calls that restrict are recorded");
        return Finding::wrong("disk", message, advice);
    }
    if free < least.saturating_mul(2).max(1024) {
        Finding::warning("disk", message, advice)
    } else {
        Finding::ok("disk", message)
    }
}

/// The server makes the reserve when it starts; that it is gone later means that the device was full.
fn reserve(data_dir: &Path, wanted: SpaceOptions) -> Option<Finding> {
    if wanted.reserve == 0 {
        let message = "no room is set aside for calls that restrict: a full disk stops them too";
        return Some(Finding::warning("disk", message, "set `store.reserve_mib` to 64 or more"));
    }
    let file = std::fs::metadata(data_dir.join("reserve"));
    let is_there =
        file.is_ok_and(|file| file.len() == wanted.reserve && file.blocks() * 512 >= wanted.reserve);
    if is_there || !data_dir.join("store.db").exists() {
        return None;
    }
    let message =
        format!("the {} MiB that are set aside for calls that restrict are not there", wanted.reserve / MIB);
    Some(Finding::warning(
        "disk",
        message,
        "free some space: the server makes its file `reserve` again by itself",
    ))
}

/// Every connection is a descriptor, proved or not, on three listeners; and some are for the store and the token.
pub(super) fn descriptors(limits: &Limits) -> Finding {
    let each = [limits.connections, limits.unproved_connections, limits.handshakes]
        .into_iter()
        .fold(0_u64, |sum, more| sum.saturating_add(u64::try_from(more).unwrap_or(u64::MAX)));
    let needed = each.saturating_mul(3).saturating_add(256);
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < needed => Finding::warning(
            "descriptors",
            format!("{allowed} open files are allowed, and the connections of `limits` may need {needed}"),
            "set `LimitNOFILE` for the service, or lower `limits.connections`",
        ),
        _ => Finding::ok("descriptors", format!("{needed} open files are allowed")),
    }
}

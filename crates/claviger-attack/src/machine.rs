//! The machine under the attack: its clock, its cores, the memory of a process.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// Where Debian's package `faketime` keeps its library, below the folder of libraries.
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";

/// Time since the machine started: what spans are measured by.
#[must_use]
pub fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// The variables by which a process sees a wall clock that is off by this, as in `+31d` or `-4m` (libfaketime). The clock of the
/// time since boot stays what it is, as after somebody set the clock.
///
/// # Errors
/// When Debian's package `faketime` is not installed.
pub fn clock(off: &str) -> Result<[(String, String); 4]> {
    let folders = fs::read_dir("/usr/lib")?.filter_map(|entry| Some(entry.ok()?.path().join(FAKETIME)));
    let library: Option<PathBuf> = folders.into_iter().find(|path| path.exists());
    let library = library.context("libfaketime is missing: `apt-get install faketime`")?;
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Ok([
        set("LD_PRELOAD", &library.display().to_string()),
        set("FAKETIME", off),
        set("DONT_FAKE_MONOTONIC", "1"),
        set("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ])
}

/// The two cores of a measurement. On a machine with one core they are the same, and nothing is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cores {
    /// Of the server, and of whoever uses it in earnest.
    pub server: usize,
    /// Of the attackers.
    pub attackers: usize,
}

impl Cores {
    /// The first two cores that this process may use.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn first_two() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut free = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let server = free.next().context("no core is free")?;
        Ok(Self { server, attackers: free.next().unwrap_or(server) })
    }

    /// All of them.
    #[must_use]
    pub const fn both(self) -> [usize; 2] {
        [self.server, self.attackers]
    }
}

/// Keeps this thread on these cores, and with it all that it starts from now on.
///
/// # Errors
/// When the system refuses.
pub fn stay_on(cores: &[usize]) -> Result<()> {
    ensure!(!cores.is_empty(), "a thread runs on one core at least");
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    sched_setaffinity(None, &set).context("the thread cannot be pinned")
}

/// Bytes of memory that a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident.
    pub resident: u64,
    /// Locked: it is never swapped.
    pub locked: u64,
}

impl Memory {
    /// That of a process.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn of(process: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).context("the process is gone")?;
        let bytes = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib: u64 =
                line.with_context(|| format!("no `{name}`"))?.trim().trim_end_matches("kB").trim().parse()?;
            Ok(kib << 10)
        };
        Ok(Self { resident: bytes("VmRSS")?, locked: bytes("VmLck")? })
    }
}

/// Bytes of memory that a process has resident.
///
/// # Errors
/// When the process is gone.
pub fn resident(process: u32) -> Result<u64> {
    Ok(Memory::of(process)?.resident)
}

/// The same in MiB, for people.
#[must_use]
pub const fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_resident_and_time_passes() {
        assert!(resident(std::process::id()).unwrap() > 1 << 16);
        assert!(resident(u32::MAX).is_err());
        let before = now();
        assert!(now() >= before && before > Duration::ZERO);
    }
}

//! Who runs where, and how much of it is used.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Ticks of a second in `/proc`: `USER_HZ`, which Linux fixes for all programs.
const TICKS: f64 = 100.0;

/// The two cores of a run.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    /// Where servers run.
    pub server: usize,
    /// Where the generator runs.
    pub generator: usize,
}

impl Cores {
    /// The first two cores that this process may use.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn first_two() -> Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut free = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let two = free.next().zip(free.next());
        let (server, generator) = two.context("two cores are needed: one serves, one asks")?;
        Ok(Self { server, generator })
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

/// Starts something on `cores`, and comes back to `home`. Processes and threads inherit where they run.
///
/// # Errors
/// When the system refuses, or `start` fails.
pub fn started_on<T>(cores: &[usize], home: &[usize], start: impl FnOnce() -> Result<T>) -> Result<T> {
    stay_on(cores)?;
    let started = start();
    stay_on(home)?;
    started
}

/// Seconds of processor time that a process has used, its threads that ended included.
///
/// # Errors
/// When the process is gone.
pub fn used_by(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).context("the process is gone")?;
    // The second field is the name of the program, in brackets, and may hold anything (proc_pid_stat(5)).
    let (_, fields) = stat.rsplit_once(')').context("`stat` has no name in it")?;
    let ticks = |at: usize| fields.split_whitespace().nth(at).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("`stat` has no times in it")?;
    Ok((user + system) / TICKS)
}

/// Bytes of memory that a process has resident.
///
/// # Errors
/// When the process is gone.
pub fn resident(process: u32) -> Result<u64> {
    memory(process, "VmRSS:")
}

/// The most resident memory that a process has had, in bytes.
///
/// # Errors
/// When it is gone.
pub fn most_resident(process: u32) -> Result<u64> {
    memory(process, "VmHWM:")
}

fn memory(process: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("the process is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such memory")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_resident_and_has_used_some_time() {
        let own = std::process::id();
        assert!(resident(own).unwrap() > 1 << 16);
        assert!(used_by(own).unwrap() >= 0.0);
        assert!(used_by(u32::MAX).is_err());
    }
}

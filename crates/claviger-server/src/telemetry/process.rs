//! Numbers of the process, by the names that Prometheus gives them in every language (Prometheus documentation, "Writing client
//! libraries", process metrics).

use metrics::{Counter, Gauge};
use procfs::process::{LimitValue, Process};

use super::{Registry, to_f64};

/// Numbers of this process.
pub(crate) struct ProcessNumbers {
    cpu_seconds: Counter,
    open_files: Gauge,
    most_files: Gauge,
    resident: Gauge,
    virtual_size: Gauge,
    locked: Gauge,
    threads: Gauge,
    started: Gauge,
}

impl ProcessNumbers {
    pub(crate) fn new(registry: &Registry, started_at: f64) -> Self {
        let gauge = |name, text| {
            registry.describe(name, text);
            registry.gauge(name, &[])
        };
        registry.describe("process_cpu_seconds_total", "time on processors, of user and system, in seconds");
        let numbers = Self {
            cpu_seconds: registry.counter("process_cpu_seconds_total", &[]),
            open_files: gauge("process_open_fds", "open file descriptors"),
            most_files: gauge("process_max_fds", "file descriptors that may be open"),
            resident: gauge("process_resident_memory_bytes", "memory that is in use, in bytes"),
            virtual_size: gauge("process_virtual_memory_bytes", "address space, in bytes"),
            locked: gauge("process_locked_memory_bytes", "memory that is never swapped, in bytes"),
            threads: gauge("process_threads", "threads"),
            started: gauge("process_start_time_seconds", "when the server started, in seconds of Unix time"),
        };
        numbers.started.set(started_at);
        numbers
    }

    /// Reads them anew. What the system does not say stays as it was.
    pub(crate) fn update(&self) {
        let Ok(process) = Process::myself() else { return };
        if let Ok(stat) = process.stat() {
            let ticks = stat.utime.saturating_add(stat.stime);
            self.cpu_seconds.absolute(ticks / procfs::ticks_per_second());
            self.virtual_size.set(to_f64(stat.vsize));
            self.threads.set(to_f64(u64::try_from(stat.num_threads).unwrap_or_default()));
        }
        if let Ok(status) = process.status() {
            let bytes = |kibibytes: Option<u64>| to_f64(kibibytes.unwrap_or_default().saturating_mul(1024));
            self.resident.set(bytes(status.vmrss));
            self.locked.set(bytes(status.vmlck));
        }
        if let Ok(open) = process.fd_count() {
            self.open_files.set(to_f64(u64::try_from(open).unwrap_or_default()));
        }
        if let Ok(limits) = process.limits()
            && let LimitValue::Value(most) = limits.max_open_files.soft_limit
        {
            self.most_files.set(to_f64(most));
        }
    }
}

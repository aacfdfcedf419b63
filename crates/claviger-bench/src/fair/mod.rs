//! The run of `cargo xtask bench fair`: what one application's calls suffer while another caller does what costs much.
//!
//! One load at a time, 64 connections that ask again as soon as they are answered; refusals are answers too. The victim calls
//! 200 times a second whatever comes back (open loop), and each call is timed from the instant at which it was meant to
//! begin: a server that stands still is seen in full. Server and generators have a core each; the victim has a thread of its own.

mod loads;
mod victim;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clap::Args;
use serde::Serialize;

use self::loads::{Kind, Load, Pressed, Stage};
use self::victim::{Calls, Victim};
use crate::cores::{self, Cores};
use crate::instance::Instance;
use crate::report::{self, Form};

/// Connections of a load.
pub(crate) const CONNECTIONS: usize = 64;
/// Between the leaving of the clients and the look at the victim.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// What memory may grow by over idle.
const GROWTH: u64 = 200 << 20;
/// Below these, figures are the machine's own mood: of p99 under load, of p99 and p50 afterwards, in microseconds.
const LEAST_P99: u32 = 20_000;
const LEAST_P99_AFTER: u32 = 5_000;
const LEAST_P50_AFTER: u32 = 1_000;

/// Which loads, and for how long.
#[derive(Debug, Clone, Args)]
pub struct FairArgs {
    /// Only these loads; all of them unless said otherwise
    #[arg(long, value_delimiter = ',')]
    loads: Vec<Kind>,
    /// Seconds of each load, and of the victim alone before and after
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Grants of the loads that are about many grants: as many as a key takes
    #[arg(long, default_value_t = 50_000)]
    grants: u32,
    /// Another server than the one that was built beside this program
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// All that a run found.
#[derive(Debug, Serialize)]
struct Found {
    machine: String,
    loads: Vec<Row>,
}

/// What was found under one load.
#[derive(Debug, Serialize)]
struct Row {
    load: &'static str,
    idle_p50_micros: u32,
    idle_p99_micros: u32,
    p99_micros: u32,
    calls: usize,
    failures: usize,
    /// The first of them.
    failure: Option<String>,
    growth_bytes: u64,
    after_p50_micros: u32,
    after_p99_micros: u32,
    /// What the load asked and got.
    asked: u64,
    answered: u64,
    refused: u64,
    /// What did not hold.
    missed: Vec<&'static str>,
}

/// Measures, and prints what it found.
///
/// # Errors
/// When the server does not start, or one bound does not hold.
pub fn run(args: &FairArgs, form: Form) -> Result<()> {
    let cores = Cores::first_two()?;
    cores::stay_on(&[cores.generator])?;
    let kinds = if args.loads.is_empty() { Kind::ALL.to_vec() } else { args.loads.clone() };
    let mut found = Found { machine: report::machine(), loads: Vec::new() };
    for kind in kinds {
        // Each load has a deployment of its own: what one leaves behind is not the next one's burden.
        let dir = tempfile::tempdir()?;
        eprintln!("{}", kind.name());
        let row = measure(args, kind, dir.path(), cores);
        let row =
            row.map_err(|error| error.context(format!("what it left is in {}", dir.keep().display())))?;
        eprintln!("{}", row.line());
        found.loads.push(row);
    }
    found.print(form)?;
    let missed = found.loads.iter().filter(|row| !row.missed.is_empty()).count();
    ensure!(missed == 0, "{missed} of {} loads starve others", found.loads.len());
    Ok(())
}

fn measure(args: &FairArgs, kind: Kind, dir: &Path, cores: Cores) -> Result<Row> {
    let server = cores::started_on(&[cores.server], &[cores.generator], || match &args.program {
        Some(program) => Instance::start_program(program, dir),
        None => Instance::start(dir),
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stage = Stage::prepare(&server)?;
    let load = runtime.block_on(Box::pin(stage.load(kind, args.grants)))?;
    let span = Duration::from_secs(args.seconds);
    let victim = Victim::of(&server)?;
    let idle = victim.call(span)?;
    let before = cores::resident(server.id())?;
    let pressing = Pressing::start(load);
    // The victim is not asked before the load is there.
    std::thread::sleep(AFTERWARDS);
    let watch = Watch::start(server.id());
    let under = victim.call(span)?;
    let peak = watch.stop()?;
    let pressed = pressing.stop()?;
    std::thread::sleep(AFTERWARDS);
    let after = victim.call(span)?;
    server.stop()?;
    Ok(Row::of(kind, [&idle, &under, &after], peak.saturating_sub(before), pressed))
}

/// A load at work, on a thread of its own.
struct Pressing {
    stopped: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<Pressed>>,
}

impl Pressing {
    fn start(load: Load) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stopped);
        Self { stopped, thread: std::thread::spawn(move || load.press(&until)) }
    }

    fn stop(self) -> Result<Pressed> {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the load broke off"))?
    }
}

/// Looks at the memory of a process, and keeps the most.
struct Watch {
    stopped: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<u64>>,
}

impl Watch {
    fn start(process: u32) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            let mut most = 0;
            while !until.load(Ordering::Relaxed) {
                most = cores::resident(process)?.max(most);
                std::thread::sleep(LOOK);
            }
            Ok(most)
        });
        Self { stopped, thread }
    }

    fn stop(self) -> Result<u64> {
        self.stopped.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("nobody looked at the memory"))?
    }
}

impl Row {
    fn of(kind: Kind, [idle, under, after]: [&Calls; 3], growth_bytes: u64, pressed: Pressed) -> Self {
        let failures = under.failures.len() + after.failures.len();
        let mut row = Self {
            load: kind.name(),
            idle_p50_micros: idle.percentile(50),
            idle_p99_micros: idle.percentile(99),
            p99_micros: under.percentile(99),
            calls: under.count() + after.count(),
            failures,
            failure: under.failures.iter().chain(&after.failures).next().cloned(),
            growth_bytes,
            after_p50_micros: after.percentile(50),
            after_p99_micros: after.percentile(99),
            asked: pressed.asked,
            answered: pressed.answered,
            refused: pressed.refused,
            missed: Vec::new(),
        };
        row.missed = row.judge();
        row
    }

    fn judge(&self) -> Vec<&'static str> {
        let half_more = |micros: u32| micros.saturating_add(micros / 2);
        let bounds = [
            ("p99", self.p99_micros <= self.idle_p99_micros.saturating_mul(5).max(LEAST_P99)),
            ("failures", self.failures == 0),
            ("memory", self.growth_bytes <= GROWTH),
            ("afterwards", self.after_p99_micros <= half_more(self.idle_p99_micros).max(LEAST_P99_AFTER)),
            ("afterwards", self.after_p50_micros <= half_more(self.idle_p50_micros).max(LEAST_P50_AFTER)),
            // A load that nobody felt because it was not there.
            ("no load", self.asked > 0),
        ];
        let mut missed: Vec<_> = bounds.iter().filter(|(_, holds)| !holds).map(|(what, _)| *what).collect();
        missed.dedup();
        missed
    }

    fn line(&self) -> String {
        let millis = |micros: u32| format!("{:.1}", f64::from(micros) / 1000.0);
        let verdict = if self.missed.is_empty() {
            "holds".to_owned()
        } else {
            format!("MISSED: {}", self.missed.join(", "))
        };
        format!(
            "{:<20} {:>8} {:>8} {:>9} {:>6}/{:<6} {:>7} {:>8} {:>8} {:>8} {:>8}  {verdict}",
            self.load,
            millis(self.idle_p50_micros),
            millis(self.idle_p99_micros),
            millis(self.p99_micros),
            self.failures,
            self.calls,
            self.growth_bytes >> 20,
            millis(self.after_p50_micros),
            millis(self.after_p99_micros),
            self.answered,
            self.refused,
        )
    }
}

impl Found {
    fn print(&self, form: Form) -> Result<()> {
        let text = match form {
            Form::Json => serde_json::to_string_pretty(self)? + "\n",
            Form::Table => self.to_table(),
        };
        report::write(&text)
    }

    fn to_table(&self) -> String {
        let mut text = format!(
            "{}\n\nThe victim's calls in ms, failures of all its calls, growth of memory in MiB; what the load got.\n{:<20} {:>8} {:>8} \
             {:>9} {:>13} {:>7} {:>8} {:>8} {:>8} {:>8}\n",
            self.machine,
            "",
            "idle p50",
            "idle p99",
            "p99",
            "failures",
            "memory",
            "then p50",
            "then p99",
            "answered",
            "refused"
        );
        for row in &self.loads {
            text.push_str(&format!("{}\n", row.line()));
            if let Some(failure) = &row.failure {
                text.push_str(&format!("    {failure}\n"));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(micros: u32) -> Calls {
        Calls::new(vec![micros; 1000], Vec::new())
    }

    #[test]
    fn each_bound_is_judged_by_itself() {
        let pressed = Pressed { asked: 10, answered: 10, refused: 0 };
        let row = |under, after, growth| {
            Row::of(Kind::LastUse, [&calls(2000), &under, &after], growth, pressed).missed
        };
        assert!(row(calls(19_000), calls(2900), 0).is_empty());
        assert_eq!(row(calls(21_000), calls(2900), 0), ["p99"]);
        assert_eq!(row(calls(2000), calls(3100), 0), ["afterwards"]);
        assert_eq!(row(calls(2000), calls(2000), 201 << 20), ["memory"]);
        let failed = Calls::new(vec![2000; 10], vec!["503".to_owned()]);
        assert_eq!(row(failed, calls(2000), 0), ["failures"]);
        let nobody = Pressed::default();
        let still = calls(2000);
        assert_eq!(Row::of(Kind::LastUse, [&still, &still, &still], 0, nobody).missed, ["no load"]);
    }
}

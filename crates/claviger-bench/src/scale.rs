//! The run of `cargo xtask bench scale`: what a store full of keys costs at the start, at the first use, in memory and on disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::Args;
use rustix::fs::{Advice, fadvise};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::instance::Instance;
use crate::load::{Connection, Load, micros, percentile};
use crate::report::{self, Figure, Form, Report, Wanted};
use crate::{cores, fill, wire};

/// Pages that are listed, one after the other, and keys on each.
const PAGES: usize = 20;
const PAGE: usize = 100;
/// Keys whose first use is timed, one by one.
const COLD: u32 = 1000;
/// Keys that are used to fill the server's memory: more than it keeps.
const WARM: u32 = 60_000;
/// Connections that use them, and that write the log.
const CONNECTIONS: u32 = 64;
/// Uses one after the other, in so many rounds; and how long it takes until they are packed.
const LONE: u32 = 10_000;
const LONE_ROUNDS: u32 = 3;
const PACKED: Duration = Duration::from_secs(25);
/// Two numbers without a common factor with any number of keys that is a power of ten: steps from one key to another.
const STEPS: [u32; 2] = [7_919, 104_729];

/// How much, and where.
#[derive(Debug, Clone, Args)]
pub struct ScaleArgs {
    /// Keys in the store
    #[arg(long, default_value_t = 1_000_000)]
    keys: u32,
    /// Principals in the store, each with a grant on a key of its own: what is looked at before the first answer
    #[arg(long, default_value_t = 50_000)]
    principals: u32,
    /// Keep the instance in this folder, and find it filled the next time; a temporary one unless said otherwise
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Seconds of uses of one key, to see what each adds to the store
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Measures, and prints what it found.
///
/// # Errors
/// When the server does not start, or an answer is no `200`.
pub fn run(args: &ScaleArgs, form: Form) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    fs::create_dir_all(&dir)?;
    fill::filled(&dir, args.keys)?;
    fill::peopled(&dir, args.principals)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = runtime.block_on(Box::pin(measure(&dir, args)))?;
    let settings = format!(
        "{} keys, {} principals with a grant each; the store's pages were dropped from the kernel's cache before the start",
        args.keys, args.principals
    );
    let report = Report { machine: report::machine(), settings: vec![settings], series: Vec::new(), figures };
    report.print(form)
}

async fn measure(dir: &Path, args: &ScaleArgs) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    forget_pages(&store(dir))?;
    eprintln!("starting the server");
    let begun = Instant::now();
    let server = Instance::start(dir)?;
    let start = begun.elapsed();
    let resident = cores::resident(server.id())?;
    figures.push(Figure::new("start-up, until it serves", start.as_secs_f64(), "s", Wanted::AtMost(3.0)));
    let look = tokio::spawn(looked_at(Connection::open(&server.control("operator")?).await?, begun));
    list(&server, &mut figures).await?;
    first_uses(&server, args.keys, &mut figures).await?;
    use_many(&server, args.keys, 0).await?;
    let warm = cores::resident(server.id())?;
    let keys = f64::from(args.keys);
    let kept = f64::from(WARM.min(args.keys));
    figures.extend([
        Figure::new("resident memory after the start", mib(resident), "MiB", Wanted::Known),
        Figure::new("resident memory, its cache of keys full", mib(warm), "MiB", Wanted::Known),
        Figure::new("the same per key in the store", warm as f64 / keys, "bytes", Wanted::AtMost(1024.0)),
        Figure::new(
            "growth per key that was used",
            warm.saturating_sub(resident) as f64 / kept,
            "bytes",
            Wanted::Known,
        ),
    ]);
    let look = look.await??.as_secs_f64();
    figures.push(Figure::new(
        "until all rows were looked at, under these uses",
        look,
        "s",
        Wanted::AtMost(120.0),
    ));
    snapshot(&server, &mut figures)?;
    server.stop()?;
    log_growth(dir, args, &mut figures).await?;
    Ok(figures)
}

fn store(dir: &Path) -> PathBuf {
    dir.join("data").join("store.db")
}

/// A store that nobody has read for a while: its pages are on the disk only.
fn forget_pages(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    file.sync_all()?;
    Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
}

async fn list(server: &Instance, figures: &mut Vec<Figure>) -> Result<()> {
    eprintln!("listing");
    let mut connection = Connection::open(&server.control("administrator")?).await?;
    let (mut times, mut next) = (Vec::new(), None::<String>);
    for _ in 0..PAGES {
        let cursor = next.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let request = wire::get(&format!("/v1/keys?limit={PAGE}{cursor}"));
        let asked = Instant::now();
        let page: serde_json::Value = serde_json::from_slice(connection.ask(&request).await?)?;
        times.push(micros(asked.elapsed()));
        next = page.get("next").and_then(|next| next.as_str()).map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    let first = times.first().copied().unwrap_or_default();
    times.sort_unstable();
    figures.extend([
        Figure::new("listing the first page of 100, cold", millis(first), "ms", Wanted::AtMost(20.0)),
        Figure::new(
            "listing a page, slowest of 20",
            millis(percentile(&times, 100)),
            "ms",
            Wanted::AtMost(20.0),
        ),
    ]);
    Ok(())
}

async fn first_uses(server: &Instance, keys: u32, figures: &mut Vec<Figure>) -> Result<()> {
    eprintln!("first uses");
    let mut connection = Connection::open(&server.data("app")?).await?;
    // One use of one key: from now on the caller's session is known, and only keys are new.
    connection.ask(&encrypt(0)).await?;
    let mut times = Vec::new();
    for number in step_through(keys, STEPS[0]).take(COLD as usize) {
        let request = encrypt(number);
        let asked = Instant::now();
        connection.ask(&request).await?;
        times.push(micros(asked.elapsed()));
    }
    times.sort_unstable();
    let at = |percent| millis(percentile(&times, percent));
    figures.extend([
        Figure::new("first use of a cold key, p50 of 1000", at(50), "ms", Wanted::Known),
        Figure::new("first use of a cold key, p99 of 1000", at(99), "ms", Wanted::AtMost(20.0)),
        Figure::new("first use of a cold key, slowest of 1000", at(100), "ms", Wanted::Known),
    ]);
    Ok(())
}

/// How long after `begun` the server has looked at each row.
async fn looked_at(mut connection: Connection, begun: Instant) -> Result<Duration> {
    let status = wire::get("/v1/system");
    loop {
        let status: serde_json::Value = serde_json::from_slice(connection.ask(&status).await?)?;
        if status.pointer("/rows/done").context("a status without rows")? == true {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Uses more keys than the server keeps in memory: each once, behind so many others.
async fn use_many(server: &Instance, keys: u32, behind: u32) -> Result<()> {
    eprintln!("using {} keys", WARM.min(keys));
    let target = server.data("app")?;
    let mut using = JoinSet::new();
    for part in 0..CONNECTIONS {
        let mut connection = Connection::open(&target).await?;
        let numbers = step_through(keys, STEPS[1]).skip(behind as usize).take(WARM as usize);
        let own: Vec<_> = numbers.skip(part as usize).step_by(CONNECTIONS as usize).collect();
        using.spawn(async move {
            for number in own {
                connection.ask(&encrypt(number)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(used) = using.join_next().await {
        used??;
    }
    Ok(())
}

/// A snapshot of the whole state, which reads the digest of the newest fact of every row.
fn snapshot(server: &Instance, figures: &mut Vec<Figure>) -> Result<()> {
    eprintln!("a snapshot of the state");
    let before = cores::resident(server.id())?;
    let begun = Instant::now();
    server.run("auditor", &["audit", "snapshot"])?;
    let took = begun.elapsed().as_secs_f64();
    let grown = cores::resident(server.id())?.saturating_sub(before);
    figures.extend([
        Figure::new("snapshot of the state", took, "s", Wanted::Known),
        Figure::new("resident memory that it added", mib(grown), "MiB", Wanted::Known),
    ]);
    Ok(())
}

/// What uses add to the store, all of its tables and the room between rows included: the file before and after.
async fn log_growth(dir: &Path, args: &ScaleArgs, figures: &mut Vec<Figure>) -> Result<()> {
    eprintln!("uses, to see the store grow");
    let size = || anyhow::Ok(fs::metadata(store(dir))?.len());
    let span = Duration::from_secs(args.seconds);
    // Keys that were never used, and then the same again, of which the store has a count.
    for what in ["stored per use, 64 connections, no key twice", "the same, where each was used once before"]
    {
        let (before, server) = (size()?, Instance::start(dir)?);
        use_many(&server, args.keys, WARM).await?;
        server.stop()?;
        let per_use = size()?.saturating_sub(before) as f64 / f64::from(WARM.min(args.keys));
        figures.push(Figure::new(what, per_use, "bytes", Wanted::AtMost(100.0)));
    }
    let (before, server) = (size()?, Instance::start(dir)?);
    let mut load = Load::open(&server.data("app")?, CONNECTIONS as usize, encrypt(0)).await?;
    let uses = load.round(span).await?.latencies.len() + CONNECTIONS as usize;
    drop(load);
    server.stop()?;
    let per_use = size()?.saturating_sub(before) as f64 / uses as f64;
    figures.push(Figure::new(
        "stored per use, 64 connections, one key",
        per_use,
        "bytes",
        Wanted::AtMost(100.0),
    ));
    eprintln!("lone uses, which are packed behind the cuts");
    let (before, server) = (size()?, Instance::start(dir)?);
    for _ in 0..LONE_ROUNDS {
        let mut connection = Connection::open(&server.data("app")?).await?;
        for _ in 0..LONE {
            connection.ask(&encrypt(0)).await?;
        }
        tokio::time::sleep(PACKED).await;
    }
    server.stop()?;
    let per_use = size()?.saturating_sub(before) as f64 / f64::from(LONE * LONE_ROUNDS);
    figures.push(Figure::new(
        "stored per use, 1 connection, packed",
        per_use,
        "bytes",
        Wanted::AtMost(100.0),
    ));
    Ok(())
}

/// Every key once, far from the one before.
fn step_through(keys: u32, step: u32) -> impl Iterator<Item = u32> {
    let numbers = 1..u64::from(keys);
    numbers.filter_map(move |turn| u32::try_from(turn * u64::from(step) % u64::from(keys)).ok())
}

fn encrypt(number: u32) -> Bytes {
    wire::post(&fill::path(number), &[("content-type", "application/octet-stream")], &[0x5a; 1024])
}

fn millis(micros: u32) -> f64 {
    f64::from(micros) / 1000.0
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn steps_lead_to_every_key_but_the_first_once() {
        for step in STEPS {
            let reached: BTreeSet<_> = step_through(10_000, step).collect();
            assert_eq!(reached.len(), 9_999);
            assert!(!reached.contains(&0));
        }
    }
}

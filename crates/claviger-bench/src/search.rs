//! The run of `cargo xtask bench search`: how long the questions of an auditor take over a long log. Each is one command, asked of the real
//! server, and its time is that of the whole command.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::instance::Instance;
use crate::load::{Connection, Target};
use crate::report::{self, Figure, Form, Report, Wanted};
use crate::{cores, fill, wire};

/// Items of a batch: as many as the server takes.
const ITEMS: u32 = 1000;
/// Connections that send batches while the log is filled.
const CONNECTIONS: u32 = 4;
/// The key that is asked about, and the one whose uses fill the log.
const ASKED: u32 = 1;
const FILLS: u32 = 0;
/// How often the first is used: before, amid and behind the uses of the other.
const USES: u32 = 3;

/// How much, and where.
#[derive(Debug, Clone, Args)]
pub struct SearchArgs {
    /// Keys that are created: each is a change of state
    #[arg(long, default_value_t = 1_000_000)]
    changes: u32,
    /// Uses of one of them, by batches of a thousand
    #[arg(long, default_value_t = 9_000_000)]
    uses: u32,
    /// Keep the instance in this folder, and find it filled the next time; a temporary one unless said otherwise
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Measures, and prints what it found.
///
/// # Errors
/// When the server does not start, or an answer is not what it should be.
pub fn run(args: &SearchArgs, form: Form) -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    fs::create_dir_all(&dir)?;
    fill::filled(&dir, args.changes)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(used(&dir, args)))?;
    let settings = format!("{} changes of state and {} uses in the log", args.changes, args.uses);
    let figures = measure(&dir)?;
    let report = Report { machine: report::machine(), settings: vec![settings], series: Vec::new(), figures };
    report.print(form)
}

/// Fills the log, unless it is filled.
async fn used(dir: &Path, args: &SearchArgs) -> Result<()> {
    let mark = dir.join("uses");
    if let Ok(found) = fs::read_to_string(&mark) {
        ensure!(found == args.uses.to_string(), "{} holds {found} uses; name another folder", dir.display());
        return Ok(());
    }
    eprintln!("{} uses", args.uses);
    let server = Instance::start(dir)?;
    let target = server.data("app")?;
    for turn in 0..USES {
        if turn > 0 {
            fill_log(&target, args.uses / (USES - 1)).await?;
        }
        Connection::open(&target).await?.ask(&one(ASKED)).await?;
    }
    server.stop()?;
    fs::write(&mark, args.uses.to_string())?;
    Ok(())
}

async fn fill_log(target: &Target, uses: u32) -> Result<()> {
    let item = format!(r#"{{"plaintext":"{}"}}"#, STANDARD.encode([0x5a; 16]));
    let body = format!(r#"{{"items":[{}]}}"#, vec![item.as_str(); ITEMS as usize].join(","));
    let path = format!("{}/batch", fill::path(FILLS));
    let request = wire::post(&path, &[("content-type", "application/json")], body.as_bytes());
    let mut using = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (request, mut connection) = (request.clone(), Connection::open(target).await?);
        using.spawn(async move {
            for _ in 0..uses / ITEMS / CONNECTIONS {
                connection.ask(&request).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(used) = using.join_next().await {
        used??;
    }
    Ok(())
}

fn one(number: u32) -> Bytes {
    wire::post(&fill::path(number), &[("content-type", "application/octet-stream")], &[0x5a; 16])
}

fn measure(dir: &Path) -> Result<Vec<Figure>> {
    let server = Instance::start(dir)?;
    let key = format!("{}/{}", fill::RING, fill::name(ASKED));
    let ask = |arguments: &[&str]| -> Result<(f64, serde_json::Value)> {
        let arguments = [&["-o", "json"], arguments].concat();
        let begun = Instant::now();
        let said = server.run("auditor", &arguments)?;
        Ok((begun.elapsed().as_secs_f64(), serde_json::from_str(&said)?))
    };
    let status = ask(&["status"])?.1;
    let size = status.get("log_size").and_then(serde_json::Value::as_u64).context("no size of the log")?;
    let mut figures = vec![Figure::new("entries in the log", size as f64, "", Wanted::Known)];
    let number =
        |found: &serde_json::Value| found.get("items").and_then(|items| items.as_array()).map_or(0, Vec::len);

    eprintln!("who used a key");
    let uses = ["audit", "search", "--key", &key, "--operation", "encrypt", "--from", "30d", "--page-all"];
    let (took, found) = ask(&uses)?;
    ensure!(
        number(&found) == USES as usize,
        "the key was used {USES} times, and {} were found",
        number(&found)
    );
    figures.push(Figure::new("who used a key, over all of it", took, "s", Wanted::AtMost(12.0)));

    eprintln!("what a principal did");
    let (took, found) = ask(&["audit", "search", "--principal", "auditor", "--from", "30d", "--page-all"])?;
    ensure!(number(&found) > 0, "nothing of the auditor was found");
    figures.push(Figure::new("what a principal did, over all of it", took, "s", Wanted::AtMost(12.0)));

    eprintln!("who could have used a key");
    let (took, found) = ask(&["key", "explain", &key, "--at", "1s"])?;
    ensure!(number(&found) > 0, "nobody could have used the key");
    figures.push(Figure::new("who could have used a key at an instant", took, "s", Wanted::AtMost(5.0)));

    let most = cores::most_resident(server.id())? as f64 / f64::from(1 << 20);
    figures.push(Figure::new("most memory of the server", most, "MiB", Wanted::AtMost(1024.0)));
    server.stop()?;
    Ok(figures)
}

//! The run of `cargo xtask bench`: one use of a key against the floors, batches, signatures.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;

use crate::cores::{self, Cores};
use crate::floor::Kind;
use crate::instance::{FloorProcess, Instance};
use crate::library::{self, MESSAGE, Signature};
use crate::load::Load;
use crate::report::{self, Figure, Form, Report, Series, Wanted, median};
use crate::wire;

/// Bytes of a single use, and of an item in a batch.
const USE: usize = 1024;
const ITEM: usize = 16;
/// Items of a batch: as many as the server takes.
const ITEMS: usize = 1000;
/// Connections that send batches: each holds one core of the server for some milliseconds.
const BATCHES: usize = 8;

/// How long is measured, and how wide.
#[derive(Debug, Clone, Args)]
pub struct SpeedArgs {
    /// Connections that ask at once
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Rounds of each thing; they take turns, and the median counts
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Seconds of a round
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Only the encryption of 1 KiB and its floors
    #[arg(long)]
    only_floors: bool,
}

/// Measures, and prints what it found.
///
/// # Errors
/// When a server does not start, or an answer is no `200`.
pub fn run(args: &SpeedArgs, form: Form) -> Result<()> {
    let cores = Cores::first_two()?;
    cores::stay_on(&[cores.generator])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let dir = tempfile::tempdir()?;
    let bench = Bench { args: args.clone(), cores };
    let mut report = Report {
        machine: report::machine(),
        settings: vec![format!(
            "{} connections, TLS 1.3, kept alive; {} rounds of {} s; server on core {}, generator on core {}",
            args.connections, args.rounds, args.seconds, cores.server, cores.generator
        )],
        series: Vec::new(),
        figures: Vec::new(),
    };
    let measured = runtime.block_on(Box::pin(async {
        let server = bench.serve(dir.path())?;
        bench.floors(&server, dir.path(), &mut report).await?;
        if !args.only_floors {
            bench.signatures(&server, &mut report).await?;
            server.stop()?;
            bench.batches(dir.path(), &mut report).await?;
        }
        anyhow::Ok(())
    }));
    if let Err(error) = measured {
        return Err(error.context(format!("what it left is in {}", dir.keep().display())));
    }
    report.print(form)
}

struct Bench {
    args: SpeedArgs,
    cores: Cores,
}

/// Something to measure: who serves it, and who asks.
struct Contender {
    name: &'static str,
    /// How many results an answer holds.
    results: usize,
    process: u32,
    load: Load,
    rounds: Vec<Measured>,
}

struct Measured {
    per_second: f64,
    p50: u32,
    p99: u32,
    server: f64,
    generator: f64,
}

impl Contender {
    fn new(name: &'static str, results: usize, process: u32, load: Load) -> Self {
        Self { name, results, process, load, rounds: Vec::new() }
    }

    async fn measure(&mut self, span: Duration) -> Result<()> {
        let own = std::process::id();
        let before = (cores::used_by(self.process)?, cores::used_by(own)?);
        let round = self.load.round(span).await?;
        let after = (cores::used_by(self.process)?, cores::used_by(own)?);
        let share = |used: f64| used / round.span.as_secs_f64();
        let per_second = round.per_second() * self.results as f64;
        eprintln!("  {:<34} {per_second:>10.0}/s", self.name);
        self.rounds.push(Measured {
            per_second,
            p50: round.percentile(50),
            p99: round.percentile(99),
            server: share(after.0 - before.0),
            generator: share(after.1 - before.1),
        });
        Ok(())
    }

    fn series(&self) -> Series {
        let of = |value: fn(&Measured) -> f64| median(self.rounds.iter().map(value));
        let middle = |value: fn(&Measured) -> u32| {
            let mut sorted: Vec<_> = self.rounds.iter().map(value).collect();
            sorted.sort_unstable();
            crate::load::percentile(&sorted, 50)
        };
        Series {
            name: self.name,
            per_second: of(|round| round.per_second),
            rounds: self.rounds.iter().map(|round| round.per_second).collect(),
            p50_micros: middle(|round| round.p50),
            p99_micros: middle(|round| round.p99),
            server_cores: of(|round| round.server),
            generator_cores: of(|round| round.generator),
        }
    }
}

/// The median of the ratios of rounds that were next to each other.
fn ratio(over: &Contender, under: &Contender) -> f64 {
    median(over.rounds.iter().zip(&under.rounds).map(|(over, under)| over.per_second / under.per_second))
}

impl Bench {
    fn span(&self) -> Duration {
        Duration::from_secs(self.args.seconds)
    }

    /// Starts a server with the keys that are used here, on its core.
    fn serve(&self, dir: &Path) -> Result<Instance> {
        eprintln!("starting the server");
        let home = [self.cores.generator];
        let server = cores::started_on(&[self.cores.server], &home, || Instance::start(dir))?;
        server.run("administrator", &["ring", "create", "bench"])?;
        for (key, purpose, spec) in [
            ("bench/data", "encrypt", "aes-256-gcm"),
            ("bench/rsa", "sign", "rsa-2048"),
            ("bench/p256", "sign", "ec-p256"),
            ("evaluation/data", "encrypt", "aes-256-gcm"),
        ] {
            server.run("administrator", &["key", "create", key, "--purpose", purpose, "--spec", spec])?;
        }
        for (key, operations) in [("bench/data", "encrypt"), ("bench/rsa", "sign"), ("bench/p256", "sign")] {
            server.run(
                "security_officer",
                &["grant", "create", "app", "--key", key, "--operations", operations, "--reason", "bench"],
            )?;
        }
        Ok(server)
    }

    async fn floors(&self, server: &Instance, dir: &Path, report: &mut Report) -> Result<()> {
        eprintln!("encrypt 1 KiB, and the floors");
        let floor = |kind| {
            cores::started_on(&[self.cores.server], &[self.cores.generator], || {
                FloorProcess::start(kind, dir)
            })
        };
        let (bare, durable) = (floor(Kind::Bare)?, floor(Kind::Durable)?);
        let request = octets("/v1/keys/bench%2Fdata/encrypt", &[], &[0x5a; USE]);
        let open = async |target| Load::open(&target, self.args.connections, request.clone()).await;
        let mut contenders = [
            Contender::new(
                "bare echo, 1 KiB",
                1,
                bare.id(),
                open(server.beside(bare.address, "app")?).await?,
            ),
            Contender::new(
                "durable echo, 1 KiB",
                1,
                durable.id(),
                open(server.beside(durable.address, "app")?).await?,
            ),
            Contender::new("encrypt 1 KiB", 1, server.id(), open(server.data("app")?).await?),
            Contender::new("encrypt 1 KiB as AWS KMS", 1, server.id(), self.aws(server).await?),
        ];
        self.take_turns(&mut contenders).await?;
        let [bare, durable, encrypt, aws] = &contenders;
        let spread = |contender: &Contender| {
            let series = contender.series();
            f64::from(series.p99_micros) / f64::from(series.p50_micros.max(1))
        };
        report.series.extend(contenders.iter().map(Contender::series));
        report.figures.extend([
            Figure::new("encrypt 1 KiB, of the bare echo", ratio(encrypt, bare), "", Wanted::AtLeast(0.45)),
            Figure::new(
                "encrypt 1 KiB, of the durable echo",
                ratio(encrypt, durable),
                "",
                Wanted::AtLeast(0.75),
            ),
            Figure::new("encrypt 1 KiB, p99 over p50", spread(encrypt), "", Wanted::AtMost(5.0)),
            Figure::new(
                "encrypt as AWS KMS, of the same by REST",
                ratio(aws, encrypt),
                "",
                Wanted::AtLeast(0.6),
            ),
            Figure::new("encrypt as AWS KMS, p99 over p50", spread(aws), "", Wanted::AtMost(5.0)),
        ]);
        Ok(())
    }

    /// The same use as an AWS client asks for it.
    async fn aws(&self, server: &Instance) -> Result<Load> {
        let shown = server.run("administrator", &["key", "show", "evaluation/data", "-o", "json"])?;
        let shown: serde_json::Value = serde_json::from_str(&shown)?;
        let key = shown.get("id").and_then(|id| id.as_str()).context("a key without an id")?;
        let body = format!(r#"{{"KeyId":"{key}","Plaintext":"{}"}}"#, STANDARD.encode([0x5a; USE]));
        let (target, access_key) = server.aws()?;
        Load::open(&target, self.args.connections, access_key.call("Encrypt", &body)?).await
    }

    async fn take_turns(&self, contenders: &mut [Contender]) -> Result<()> {
        for contender in contenders.iter_mut() {
            contender.load.round(self.span()).await?;
        }
        for _ in 0..self.args.rounds {
            for contender in contenders.iter_mut() {
                contender.measure(self.span()).await?;
            }
        }
        Ok(())
    }

    /// RSA comes one by one, as it does in life; P-256 is so fast that HTTP would be measured, so it comes in batches.
    async fn signatures(&self, server: &Instance, report: &mut Report) -> Result<()> {
        eprintln!("signatures");
        let algorithm = [("claviger-algorithm", "rsa-pkcs1-sha256")];
        let rsa = octets("/v1/keys/bench%2Frsa/sign", &algorithm, &MESSAGE);
        let rsa = Load::open(&server.data("app")?, self.args.connections, rsa).await?;
        let item = format!(r#"{{"message":"{}"}}"#, STANDARD.encode(MESSAGE));
        let p256 = batch("/v1/keys/bench%2Fp256/sign/batch", &item);
        let p256 = Load::open(&server.data("app")?, BATCHES, p256).await?;
        let mut rsa = Contender::new("sign RSA-2048", 1, server.id(), rsa);
        let mut p256 = Contender::new("sign P-256, batches of 1000", ITEMS, server.id(), p256);
        let rsa_share = self.against_library(&mut rsa, Signature::Rsa2048).await?;
        let p256_share = self.against_library(&mut p256, Signature::P256).await?;
        report.series.extend([rsa.series(), p256.series()]);
        report.figures.extend([
            Figure::new("sign RSA-2048, of the module alone", rsa_share, "", Wanted::AtLeast(0.85)),
            Figure::new("sign P-256 in batches, of the module alone", p256_share, "", Wanted::AtLeast(0.85)),
        ]);
        Ok(())
    }

    async fn against_library(&self, contender: &mut Contender, signature: Signature) -> Result<f64> {
        let span = self.span();
        let alone = || {
            cores::started_on(&[self.cores.server], &[self.cores.generator], || {
                library::measured(signature, span)
            })
        };
        contender.load.round(span).await?;
        let mut shares = Vec::new();
        for _ in 0..self.args.rounds {
            let rate = alone()?;
            eprintln!("  {:<34} {rate:>10.0}/s", "the module alone");
            contender.measure(span).await?;
            shares.extend(contender.rounds.last().map(|round| round.per_second / rate));
        }
        Ok(median(shares.into_iter()))
    }

    /// Batches have both cores, which they share with the generator.
    async fn batches(&self, dir: &Path, report: &mut Report) -> Result<()> {
        eprintln!("encrypt in batches, server and generator on both cores");
        cores::stay_on(&[self.cores.server, self.cores.generator])?;
        let server = Instance::start(dir)?;
        let item = format!(r#"{{"plaintext":"{}"}}"#, STANDARD.encode([0x5a; ITEM]));
        let request = batch("/v1/keys/bench%2Fdata/encrypt/batch", &item);
        let load = Load::open(&server.data("app")?, BATCHES, request).await?;
        let mut contenders = [Contender::new("encrypt 16 bytes, batches of 1000", ITEMS, server.id(), load)];
        self.take_turns(&mut contenders).await?;
        let [batches] = &contenders;
        let series = batches.series();
        report.figures.push(Figure::new(
            "encrypt in batches, items per second",
            series.per_second,
            "",
            Wanted::AtLeast(300_000.0),
        ));
        report.series.push(series);
        server.stop()
    }
}

fn octets(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Bytes {
    let headers: Vec<_> =
        headers.iter().copied().chain([("content-type", "application/octet-stream")]).collect();
    wire::post(path, &headers, body)
}

fn batch(path: &str, item: &str) -> Bytes {
    let body = format!(r#"{{"items":[{}]}}"#, vec![item; ITEMS].join(","));
    wire::post(path, &[("content-type", "application/json")], body.as_bytes())
}

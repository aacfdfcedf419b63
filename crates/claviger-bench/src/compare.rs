//! The run of `cargo xtask bench compare COMMIT`: is this build as fast as that one?
//!
//! Both serve at the same time, on the same core; one generator asks them in turns, round by round, and a ratio is made of two
//! rounds that were next to each other. Who is asked first changes from round to round. Where a process happens to lie in memory makes
//! it a tenth faster or slower for as long as it lives, so that every few rounds both are started anew, each first in turn, and such a
//! sitting counts once. The interval is that of the median of sittings by order statistics: no distribution is assumed.
//!
//! Beside the rates stand the answers for a second of the server's own processor time: what it costs, whoever else is on the machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use serde::Serialize;

use crate::cores::{self, Cores};
use crate::instance::Instance;
use crate::load::Load;
use crate::report::{self, Form, median};
use crate::wire;

/// Bytes of a use.
const USE: usize = 1024;
/// The connections of a measure with many.
const MANY: usize = 64;
/// Rounds before both servers are started anew.
const ROUNDS_OF_A_SITTING: u32 = 2;

/// Which builds, and how long.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// The server that is compared
    #[arg(long, value_name = "FILE")]
    new: PathBuf,
    /// The server that it is compared with
    #[arg(long, value_name = "FILE")]
    old: PathBuf,
    /// Rounds of each measure; both servers are started anew after every second one
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(12..))]
    rounds: u32,
    /// Seconds of a round
    #[arg(long, default_value_t = 1)]
    seconds: u64,
    /// What the lower end of the interval must reach
    #[arg(long, default_value_t = 0.97)]
    floor: f64,
    /// Hold the answers for a second of the server's processor time against the floor instead of the rates, on a machine with neighbours
    #[arg(long)]
    by_cost: bool,
    /// Only the measures in whose names these words are, as `64 connections`
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
}

/// All that a run found.
#[derive(Debug, Serialize)]
struct Found {
    machine: String,
    rounds: u32,
    seconds: u64,
    floor: f64,
    by_cost: bool,
    measures: Vec<Measure>,
}

/// One measure.
#[derive(Debug, Serialize)]
struct Measure {
    name: &'static str,
    /// Answers in a second: medians of the rounds.
    old_per_second: f64,
    new_per_second: f64,
    /// Of the rates.
    rate: Ratio,
    /// Of the answers for a second of the server's processor time.
    cost: Ratio,
    holds: bool,
}

/// New over old: median, and the ends of its 95 % interval.
#[derive(Debug, Clone, Copy, Serialize)]
struct Ratio {
    ratio: f64,
    low: f64,
    high: f64,
}

/// Measures, and prints what it found.
///
/// # Errors
/// When a server does not start, an answer is no `200`, or a measure is below the floor.
pub fn run(args: &CompareArgs, form: Form) -> Result<()> {
    let cores = Cores::first_two()?;
    cores::stay_on(&[cores.generator])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut measured = Vec::new();
    for sitting in 0..args.rounds.div_ceil(ROUNDS_OF_A_SITTING) {
        let (old_dir, new_dir) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (serve_old, serve_new) =
            (|| serve(&args.old, old_dir.path(), cores), || serve(&args.new, new_dir.path(), cores));
        let (old, new) = if sitting.is_multiple_of(2) {
            let old = serve_old()?;
            (old, serve_new()?)
        } else {
            let new = serve_new()?;
            (serve_old()?, new)
        };
        measured.push(runtime.block_on(Box::pin(sit(args, sitting, &old, &new)))?);
        old.stop()?;
        new.stop()?;
    }
    let measures = MEASURES.iter().filter_map(|(name, _)| Measure::of(name, &measured, args)).collect();
    let CompareArgs { rounds, seconds, floor, by_cost, .. } = *args;
    let found = Found { machine: report::machine(), rounds, seconds, floor, by_cost, measures };
    found.print(form)?;
    let below: Vec<_> = found.measures.iter().filter(|one| !one.holds).map(|one| one.name).collect();
    ensure!(below.is_empty(), "slower than {floor} of what it is compared with: {}", below.join(", "));
    Ok(())
}

/// Starts a server with the keys that are used here.
fn serve(program: &Path, dir: &Path, cores: Cores) -> Result<Instance> {
    let server =
        cores::started_on(&[cores.server], &[cores.generator], || Instance::start_program(program, dir))?;
    server.run("administrator", &["ring", "create", "bench"])?;
    for key in ["bench/data", "evaluation/data"] {
        server.run("administrator", &["key", "create", key])?;
    }
    let grant =
        ["grant", "create", "app", "--key", "bench/data", "--operations", "encrypt", "--reason", "bench"];
    server.run("security_officer", &grant)?;
    Ok(server)
}

/// What each of both did in each round of a measure, while they lived.
struct Sitting {
    name: &'static str,
    rates: Vec<[f64; 2]>,
    /// The same answers for a second of processor time.
    costs: Vec<[f64; 2]>,
}

/// Both of a measure.
struct Pair {
    sitting: Sitting,
    old: Asking,
    new: Asking,
}

/// A load, and the process that answers it.
struct Asking {
    load: Load,
    process: u32,
}

impl Asking {
    /// Answers in a second, and for a second of the server's processor time.
    async fn round(&mut self, span: Duration) -> Result<[f64; 2]> {
        let before = cores::used_by(self.process)?;
        let rate = self.load.round(span).await?.per_second();
        let used = cores::used_by(self.process)? - before;
        Ok([rate, rate * span.as_secs_f64() / used.max(0.01)])
    }
}

impl Pair {
    /// One round of each, the old one first in every other: rate and cost of both.
    async fn round(&mut self, turn: u32, span: Duration) -> Result<[[f64; 2]; 2]> {
        Ok(if turn.is_multiple_of(2) {
            let old = self.old.round(span).await?;
            [old, self.new.round(span).await?]
        } else {
            let new = self.new.round(span).await?;
            [self.old.round(span).await?, new]
        })
    }
}

/// What is asked in a measure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Rest { connections: usize },
    Aws,
}

const MEASURES: [(&str, Asked); 3] = [
    ("encrypt 1 KiB by REST, 1 connection", Asked::Rest { connections: 1 }),
    ("encrypt 1 KiB by REST, 64 connections", Asked::Rest { connections: MANY }),
    ("encrypt 1 KiB as AWS KMS, 64 connections", Asked::Aws),
];

/// Measures all that is asked for, as long as these processes live.
async fn sit(args: &CompareArgs, number: u32, old: &Instance, new: &Instance) -> Result<Vec<Sitting>> {
    let only = args.only.as_deref().unwrap_or_default();
    let mut pairs = Vec::new();
    for (name, asked) in MEASURES.into_iter().filter(|(name, _)| name.contains(only)) {
        let old = Asking { load: asked.load(old).await?, process: old.id() };
        let new = Asking { load: asked.load(new).await?, process: new.id() };
        let sitting = Sitting { name, rates: Vec::new(), costs: Vec::new() };
        pairs.push((asked, Pair { sitting, old, new }));
    }
    ensure!(!pairs.is_empty(), "no measure has `{only}` in its name");
    let span = Duration::from_secs(args.seconds);
    for (_, pair) in &mut pairs {
        // What is remembered after the first use is remembered now.
        pair.round(0, span).await?;
    }
    for turn in 0..ROUNDS_OF_A_SITTING {
        for (asked, pair) in &mut pairs {
            let [[was, cost_was], [is, cost_is]] = pair.round(turn, span).await?;
            let (round, name) = (number * ROUNDS_OF_A_SITTING + turn, pair.sitting.name);
            let (rate, cost) = (is / was, cost_is / cost_was);
            eprintln!("  {round:>3}  {name:<42} {was:>8.0}/s {is:>8.0}/s  {rate:.3}  {cost:.3}");
            pair.sitting.rates.push([was, is]);
            pair.sitting.costs.push([cost_was, cost_is]);
            // An access key's request is good for five minutes only: it is signed anew for each round.
            if *asked == Asked::Aws {
                pair.old.load.ask_for(aws_request(old)?);
                pair.new.load.ask_for(aws_request(new)?);
            }
        }
    }
    Ok(pairs.into_iter().map(|(_, pair)| pair.sitting).collect())
}

impl Asked {
    async fn load(self, server: &Instance) -> Result<Load> {
        match self {
            Self::Rest { connections } => by_rest(server, connections).await,
            Self::Aws => by_aws(server, MANY).await,
        }
    }
}

async fn by_rest(server: &Instance, connections: usize) -> Result<Load> {
    let octets = [("content-type", "application/octet-stream")];
    let request = wire::post("/v1/keys/bench%2Fdata/encrypt", &octets, &[0x5a; USE]);
    Load::open(&server.data("app")?, connections, request).await
}

async fn by_aws(server: &Instance, connections: usize) -> Result<Load> {
    let (target, _) = server.aws()?;
    Load::open(&target, connections, aws_request(server)?).await
}

fn aws_request(server: &Instance) -> Result<Bytes> {
    let shown = server.run("administrator", &["key", "show", "evaluation/data", "-o", "json"])?;
    let shown: serde_json::Value = serde_json::from_str(&shown)?;
    let key = shown.get("id").and_then(|id| id.as_str()).context("a key without an id")?;
    let body = format!(r#"{{"KeyId":"{key}","Plaintext":"{}"}}"#, STANDARD.encode([0x5a; USE]));
    let (_, access_key) = server.aws()?;
    access_key.call("Encrypt", &body)
}

impl Ratio {
    /// Of sittings, each of which is so many rounds of both.
    fn of<'s>(sittings: impl Iterator<Item = &'s Vec<[f64; 2]>>) -> Self {
        let mut ratios: Vec<_> = sittings.map(|rounds| of_sitting(rounds)).collect();
        ratios.sort_by(f64::total_cmp);
        let (low, high) = interval(&ratios);
        Self { ratio: median(ratios.iter().copied()), low, high }
    }
}

/// New over old: the geometric mean of the rounds of a sitting.
fn of_sitting(rounds: &[[f64; 2]]) -> f64 {
    let logarithms = rounds.iter().map(|[old, new]| (new / old).ln());
    (logarithms.sum::<f64>() / rounds.len() as f64).exp()
}

impl Measure {
    /// That of this name, if it was asked for.
    fn of(name: &'static str, sittings: &[Vec<Sitting>], args: &CompareArgs) -> Option<Self> {
        let of_it: Vec<_> = sittings.iter().flatten().filter(|sitting| sitting.name == name).collect();
        if of_it.is_empty() {
            return None;
        }
        let rate = Ratio::of(of_it.iter().map(|sitting| &sitting.rates));
        let cost = Ratio::of(of_it.iter().map(|sitting| &sitting.costs));
        let judged = if args.by_cost { cost } else { rate };
        let rates = || of_it.iter().flat_map(|sitting| &sitting.rates);
        Some(Self {
            name,
            old_per_second: median(rates().map(|[old, _]| *old)),
            new_per_second: median(rates().map(|[_, new]| *new)),
            rate,
            cost,
            holds: judged.low >= args.floor,
        })
    }
}

/// The 95 % interval of the median of sorted values: the ranks between which it lies with at least that probability, whatever
/// the distribution (the number of values below the median is binomial).
fn interval(sorted: &[f64]) -> (f64, f64) {
    let count = sorted.len();
    let (mut rank, mut below) = (0, 0.0);
    let mut probability = 0.5_f64.powf(count as f64);
    // `below` is the probability that no more than `rank` values are below the median: a tail of 2.5 % is left out at each end.
    while rank < count / 2 && below + probability <= 0.025 {
        below += probability;
        rank += 1;
        probability *= (count - rank + 1) as f64 / rank as f64;
    }
    let at = |rank: usize| sorted.get(rank).copied().unwrap_or_default();
    let low = rank.saturating_sub(1);
    (at(low), at(count.saturating_sub(1).saturating_sub(low)))
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
            "{}\n{} rounds of {} s, in turns, the servers anew after every second one; the lower end of the interval of the {} must reach {}\n\n{:<42} {:>8} {:>8} {:>7} {:>13} {:>9} {:>13}\n",
            self.machine,
            self.rounds,
            self.seconds,
            if self.by_cost { "processor time" } else { "rates" },
            self.floor,
            "",
            "old /s",
            "new /s",
            "rates",
            "95 %",
            "processor",
            "95 %"
        );
        for one in &self.measures {
            let verdict = if one.holds { "holds" } else { "MISSED" };
            text.push_str(&format!(
                "{:<42} {:>8.0} {:>8.0} {:>7.3} {:>7.3}-{:.3} {:>9.3} {:>7.3}-{:.3}  {verdict}\n",
                one.name,
                one.old_per_second,
                one.new_per_second,
                one.rate.ratio,
                one.rate.low,
                one.rate.high,
                one.cost.ratio,
                one.cost.low,
                one.cost.high
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_that_of_the_tables() {
        // Ranks 6 and 15 of 20, 2 and 9 of 10, 1 and 6 of 6 (Conover, Practical Nonparametric Statistics, 3.2).
        for (count, low, high) in [(20_u32, 6.0, 15.0), (10, 2.0, 9.0), (6, 1.0, 6.0)] {
            let sorted: Vec<_> = (1..=count).map(f64::from).collect();
            assert_eq!(interval(&sorted), (low, high), "{count}");
        }
    }

    #[test]
    fn a_build_that_is_a_tenth_slower_is_below_the_floor() {
        let rounds = |new: &dyn Fn(u32) -> f64, number: u32| {
            vec![[100.0, new(2 * number)], [100.0, new(2 * number + 1)]]
        };
        let sat = |new: &dyn Fn(u32) -> f64| -> Vec<_> {
            let sitting = |number| {
                // It costs as much as it did, however long it takes.
                vec![Sitting { name: "x", rates: rounds(new, number), costs: rounds(&|_| 100.0, number) }]
            };
            (0..10).map(sitting).collect()
        };
        let by_rates = CompareArgs {
            new: PathBuf::new(),
            old: PathBuf::new(),
            rounds: 20,
            seconds: 1,
            floor: 0.97,
            by_cost: false,
            only: None,
        };
        let slow = sat(&|round| 90.0 + f64::from(round % 3));
        let slower = Measure::of("x", &slow, &by_rates).unwrap();
        assert!(!slower.holds && slower.rate.ratio < 0.93, "{slower:?}");
        assert!(Measure::of("x", &slow, &CompareArgs { by_cost: true, ..by_rates.clone() }).unwrap().holds);
        assert!(Measure::of("x", &sat(&|round| 98.0 + f64::from(round % 5)), &by_rates).unwrap().holds);
        assert!(Measure::of("y", &sat(&|_| 98.0), &by_rates).is_none());
    }

    #[test]
    fn a_sitting_counts_once_however_far_apart_its_rounds_are() {
        assert!((of_sitting(&[[100.0, 50.0], [100.0, 200.0]]) - 1.0).abs() < 1e-9);
    }
}

//! The binary `claviger-attack`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use claviger_attack::{ATTACKS, Attack, Lab, Pace, Verdict, attack, machine};
use serde_json::json;

/// Attacks a Claviger binary: each attack makes a deployment of its own in a temporary folder, and says `held` or `broken`.
#[derive(Debug, Parser)]
#[command(name = "claviger-attack", version)]
#[command(
    after_help = "Exit codes: 0 all held, 1 at least one is broken, 2 at least one could not be made.\n\n\
                        Example: claviger-attack --binary target/release/claviger delegated-rights puppets"
)]
struct CommandLine {
    /// The binary under attack
    #[arg(long, value_name = "FILE", required_unless_present = "list")]
    binary: Option<PathBuf>,
    /// Only these attacks; all of them unless said otherwise
    #[arg(value_name = "NAME", value_parser = find)]
    attacks: Vec<&'static Attack>,
    /// Only attacks of this pace
    #[arg(long, value_name = "PACE")]
    pace: Option<Wanted>,
    /// List the attacks instead
    #[arg(long)]
    list: bool,
    /// How to print what was found
    #[arg(short, long, default_value = "text")]
    output: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One object for each attack, one a line.
    Json,
    /// For people.
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// Those that `./test` runs.
    Quick,
    /// Those that run by night.
    Slow,
}

fn find(name: &str) -> Result<&'static Attack, String> {
    attack::find(name).ok_or_else(|| "no such attack; `--list` shows them".to_owned())
}

fn main() -> ExitCode {
    match run(&CommandLine::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("claviger-attack: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(line: &CommandLine) -> Result<ExitCode> {
    let named =
        |attack: &Attack| line.attacks.is_empty() || line.attacks.iter().any(|one| one.name == attack.name);
    let paced = |attack: &Attack| line.pace.is_none_or(|pace| pace.is(attack.pace));
    let chosen = ATTACKS.iter().filter(|attack| named(attack) && paced(attack));
    let Some(binary) = line.binary.as_ref().filter(|_| !line.list) else {
        for attack in chosen {
            line.output.list(attack)?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let lab = Lab::new(binary)?;
    let (mut broken, mut failed) = (false, false);
    for attack in chosen {
        let begun = machine::now();
        let found = (attack.run)(&lab);
        line.output.found(attack, &found, (machine::now() - begun).as_secs_f64())?;
        broken |= matches!(found, Ok(Verdict::Broken(_)));
        failed |= found.is_err();
    }
    Ok(if failed { 2.into() } else { u8::from(broken).into() })
}

impl Wanted {
    const fn is(self, pace: Pace) -> bool {
        matches!((self, pace), (Self::Quick, Pace::Quick) | (Self::Slow, Pace::Slow))
    }
}

impl Form {
    fn list(self, attack: &Attack) -> Result<()> {
        let pace = match attack.pace {
            Pace::Quick => "quick",
            Pace::Slow => "slow",
        };
        line(&match self {
            Self::Json => json!({ "name": attack.name, "about": attack.about, "pace": pace }).to_string(),
            Self::Text => format!("{:<32} {pace:<6} {}", attack.name, attack.about),
        })
    }

    fn found(self, attack: &Attack, found: &Result<Verdict>, seconds: f64) -> Result<()> {
        let (verdict, detail) = match found {
            Ok(Verdict::Held(what)) => ("held", what.clone()),
            Ok(Verdict::Broken(symptom)) => ("broken", symptom.clone()),
            Err(error) => ("failed", format!("{error:#}")),
        };
        line(&match self {
            Self::Json => {
                let name = attack.name;
                json!({ "name": name, "verdict": verdict, "detail": detail, "seconds": seconds }).to_string()
            }
            Self::Text => format!("{:<32} {verdict}: {detail} ({seconds:.0} s)", attack.name),
        })
    }
}

fn line(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).context("nobody takes what was found")
}

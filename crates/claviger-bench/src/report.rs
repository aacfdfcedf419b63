//! What a run prints: a table for people, JSON for programs.

use std::fs;
use std::io::Write as _;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One document.
    Json,
    /// For people.
    Table,
}

/// All that a run found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The processor and the kernel.
    pub machine: String,
    /// How it was measured.
    pub settings: Vec<String>,
    /// What was measured, in the order in which it was.
    pub series: Vec<Series>,
    /// What follows, with what is wanted.
    pub figures: Vec<Figure>,
}

/// One thing that was asked for over and over.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    /// What was asked for.
    pub name: &'static str,
    /// How often in a second: the median of the rounds.
    pub per_second: f64,
    /// The same in each round.
    pub rounds: Vec<f64>,
    /// Half of the answers came within so many microseconds.
    pub p50_micros: u32,
    /// And 99 of 100.
    pub p99_micros: u32,
    /// How much of its core, or cores, the server used; 1 is one core.
    pub server_cores: f64,
    /// And the generator.
    pub generator_cores: f64,
}

/// One figure that somebody wants.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What it says.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// In what.
    pub unit: &'static str,
    /// What is wanted of it.
    pub wanted: Wanted,
    /// Is it so?
    pub holds: bool,
}

/// What is wanted of a figure.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// No less.
    AtLeast(f64),
    /// No more.
    AtMost(f64),
    /// Whatever it is.
    Known,
}

impl Figure {
    /// A figure, held against what is wanted.
    #[must_use]
    pub fn new(name: &'static str, value: f64, unit: &'static str, wanted: Wanted) -> Self {
        let holds = match wanted {
            Wanted::AtLeast(least) => value >= least,
            Wanted::AtMost(most) => value <= most,
            Wanted::Known => true,
        };
        Self { name, value, unit, wanted, holds }
    }

    fn verdict(&self) -> String {
        let word = if self.holds { "holds" } else { "MISSED" };
        match self.wanted {
            Wanted::AtLeast(least) => format!(">= {}  {word}", number(least)),
            Wanted::AtMost(most) => format!("<= {}  {word}", number(most)),
            Wanted::Known => String::new(),
        }
    }
}

impl Report {
    /// Prints it on standard output.
    ///
    /// # Errors
    /// When nobody takes it.
    pub fn print(&self, form: Form) -> Result<()> {
        let text = match form {
            Form::Json => serde_json::to_string_pretty(self)? + "\n",
            Form::Table => self.to_table(),
        };
        write(&text)
    }

    fn to_table(&self) -> String {
        let mut text = format!("{}\n", self.machine);
        for setting in &self.settings {
            text.push_str(&format!("{setting}\n"));
        }
        if !self.series.is_empty() {
            text.push_str(&format!(
                "\n{:<34} {:>10} {:>9} {:>9} {:>7} {:>7}\n",
                "", "per second", "p50 us", "p99 us", "server", "asker"
            ));
        }
        for series in &self.series {
            text.push_str(&format!(
                "{:<34} {:>10} {:>9} {:>9} {:>7.2} {:>7.2}\n",
                series.name,
                number(series.per_second),
                series.p50_micros,
                series.p99_micros,
                series.server_cores,
                series.generator_cores
            ));
        }
        text.push('\n');
        for figure in &self.figures {
            let value = format!("{} {}", number(figure.value), figure.unit);
            text.push_str(&format!("{:<52} {:>16}  {}\n", figure.name, value.trim(), figure.verdict()));
        }
        text
    }
}

/// Prints text on standard output.
///
/// # Errors
/// When nobody takes it.
pub fn write(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Large numbers whole, small ones with what matters of them.
fn number(value: f64) -> String {
    if value.abs() < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// The processor and the kernel, as far as they say who they are.
#[must_use]
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).unwrap_or_default().1;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, Linux {}", kernel.trim())
}

/// The middle one; of an even number, the higher of the two in the middle.
#[must_use]
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figure_says_whether_it_holds() {
        assert!(Figure::new("a", 0.5, "", Wanted::AtLeast(0.45)).holds);
        assert!(!Figure::new("a", 0.4, "", Wanted::AtLeast(0.45)).holds);
        assert!(!Figure::new("a", 5.1, "", Wanted::AtMost(5.0)).holds);
        let missed = Figure::new("share", 0.4, "", Wanted::AtLeast(0.45));
        let report =
            Report { machine: machine(), settings: Vec::new(), series: Vec::new(), figures: vec![missed] };
        assert!(report.to_table().contains("MISSED"));
    }

    #[test]
    fn median_is_the_middle_one() {
        assert!((median([9.0, 1.0, 2.0].into_iter()) - 2.0).abs() < f64::EPSILON);
        assert!(median(std::iter::empty()).abs() < f64::EPSILON);
    }
}

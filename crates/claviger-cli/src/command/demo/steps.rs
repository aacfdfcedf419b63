//! The steps of the demonstration: each is announced, done, checked and timed.

use std::time::Duration;

use serde::Serialize;

use crate::clock;
use crate::failure::Failure;
use crate::output::{Format, Table, note, units};

/// What to do about a step that does not hold, unless it says so itself.
const REPORT: &str = "what this step checks must hold: run it again with `--dir DIR`, which keeps everything, and report it with what is there";

/// What a step did.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    step: &'static str,
    held: bool,
    shown: String,
    milliseconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

/// What a step has to say when it held.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    text: String,
    bytes: Option<u64>,
}

impl Shown {
    /// In words.
    pub(super) fn words(text: impl Into<String>) -> Self {
        Self { text: text.into(), bytes: None }
    }

    /// In words, with the bytes that were worked on.
    pub(super) fn work(text: impl Into<String>, bytes: u64) -> Self {
        Self { text: text.into(), bytes: Some(bytes) }
    }
}

/// All steps so far.
#[derive(Debug, Default)]
pub(super) struct Steps {
    done: Vec<Step>,
}

impl Steps {
    /// Does one step.
    ///
    /// # Errors
    /// Those of the step, which is then noted as one that did not hold.
    pub(super) async fn take<T>(
        &mut self,
        step: &'static str,
        work: impl Future<Output = Result<(T, Shown), Failure>>,
    ) -> Result<T, Failure> {
        note(&format!("{:>2}  {step} …", self.done.len() + 1));
        let start = clock::start();
        let result = work.await;
        let spent = start.elapsed();
        let shown = match &result {
            Ok((_, shown)) => shown.clone(),
            Err(failure) => Shown::words(failure.to_string()),
        };
        let mark = if result.is_ok() { "held" } else { "DID NOT HOLD" };
        note(&format!("    {mark}, {}: {}", units::elapsed(spent), shown.text));
        let milliseconds = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
        self.done.push(Step {
            step,
            held: result.is_ok(),
            shown: shown.text,
            milliseconds,
            bytes: shown.bytes,
        });
        result.map(|(value, _)| value).map_err(|failure| failure.during(step).advise_if_none(REPORT))
    }

    /// Prints what was done.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn print(self, format: Format, spent: Duration, next: Vec<String>) -> Result<(), Failure> {
        let held = self.done.iter().all(|step| step.held);
        let milliseconds = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
        format.print(&Summary { held, milliseconds, steps: self.done, next }, Summary::text)
    }
}

/// The whole demonstration.
#[derive(Debug, Serialize)]
struct Summary {
    held: bool,
    milliseconds: u64,
    steps: Vec<Step>,
    next: Vec<String>,
}

impl Summary {
    fn text(&self) -> String {
        let mut table = Table::new("steps", &["step", "held", "time", "data", "throughput"]);
        for step in &self.steps {
            let spent = Duration::from_millis(step.milliseconds);
            table.row([
                step.step.to_owned(),
                if step.held { "yes" } else { "NO" }.to_owned(),
                units::elapsed(spent),
                step.bytes.map_or_else(String::new, units::bytes),
                step.bytes.map_or_else(String::new, |bytes| units::rate(bytes, spent)),
            ]);
        }
        let verdict = if self.held { "every step held" } else { "NOT every step held" };
        let next: String = self.next.iter().map(|line| format!("  {line}\n")).collect();
        let spent = units::elapsed(Duration::from_millis(self.milliseconds));
        format!(
            "\n{}\n{verdict}, {spent} in all\n{}{next}",
            table.text(),
            if next.is_empty() { "" } else { "next:\n" }
        )
    }
}

/// Fails the step with `why` unless `holds`.
pub(super) fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::unverified(why())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn step_that_does_not_hold_shows_in_the_summary() {
        let mut steps = Steps::default();
        let one = steps.take("one", async { Ok((1, Shown::work("fine", 2048))) }).await.unwrap();
        assert_eq!(one, 1);
        let two =
            steps.take("two", async { check(false, || "no".into()).map(|()| ((), Shown::default())) }).await;
        let two = two.unwrap_err().to_string();
        assert!(two.contains("two: no") && two.contains("--dir DIR"), "{two}");
        let three =
            steps.take("three", async { Err::<((), Shown), _>(Failure::usage("x").advise("y")) }).await;
        assert!(three.unwrap_err().to_string().ends_with("next: y"));
        let summary = Summary {
            held: steps.done.iter().all(|step| step.held),
            milliseconds: 5,
            steps: steps.done,
            next: vec!["x".into()],
        };
        let text = summary.text();
        assert!(!summary.held && text.contains("NOT every step held") && text.contains("2.0 KiB"), "{text}");
    }
}

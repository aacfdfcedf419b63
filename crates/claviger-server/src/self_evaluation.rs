//! The server evaluates the controls over its own log each day, and has the log say what they came to.
//!
//! Here, and not in the service: who decides about keys knows no regulation, and the evaluation knows nothing but a log that was exported.
//! This crate puts both together; it hands the committed log to the evaluation, and the digest of the results to the log.
//!
//! A run walks over the whole log on a thread of the lowest priority, in memory that grows with objects and not with entries. Live rows are
//! not read for it: those are compared where somebody verifies an export. A run that fails is tried again, later each time; one that is
//! missed is shown by `claviger status`, by `claviger doctor` and by a number, and is a gap for whoever evaluates the log.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use claviger_compliance::control::Severity;
use claviger_compliance::evaluation::{Setting, evaluate_at};
use claviger_compliance::{Catalogue, Evaluation, Period, Verdict};
use claviger_core::Timestamp;
use claviger_service::Road;
use claviger_service::log::CommittedLog;
use tokio::sync::{Mutex, oneshot};

use crate::error::ServerError;
use crate::stop::Stopping;
use crate::telemetry::{Registry, to_f64};

/// How long after a start it is first looked whether a run is due: what callers wait for comes first.
const FIRST: Duration = Duration::from_secs(180);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(60);
/// How long at most to wait before what failed is tried again.
const MOST_PAUSE: Duration = Duration::from_secs(3600);
/// The least priority that there is.
const NICENESS: i32 = 19;

/// The number of results of the newest run since the start.
const RESULTS: &str = "claviger_evaluation_results";

/// Evaluates.
#[derive(Debug)]
pub(crate) struct Evaluator {
    catalogue: Arc<Catalogue>,
    registry: Arc<Registry>,
    /// Runs are made one after the other.
    under_way: Mutex<()>,
}

impl Evaluator {
    /// From now on runs are expected.
    pub(crate) async fn begin(road: &Road, registry: Arc<Registry>) -> Result<Self, ServerError> {
        let catalogue =
            Catalogue::load().map_err(|error| ServerError::Fatal(format!("the controls: {error}")))?;
        road.expect_evaluations(interval(&catalogue)).await?;
        registry.describe(RESULTS, "results of the newest evaluation of the controls since the start");
        Ok(Self { catalogue: Arc::new(catalogue), registry, under_way: Mutex::default() })
    }

    /// Evaluates whenever it is due, until `stopping` says so.
    pub(crate) async fn keep_on(self: Arc<Self>, road: Road, mut stopping: Stopping) {
        let mut pause = FIRST;
        loop {
            tokio::select! {
                () = stopping.stopped() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let outcome = tokio::select! {
                outcome = self.run_when_due(&road) => outcome,
                () = stopping.stopped() => return,
            };
            pause = match outcome {
                Ok(_) => LOOK,
                Err(error) => {
                    road.evaluation_failed();
                    let next = pause.clamp(LOOK, MOST_PAUSE / 2) * 2;
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    let again_in_seconds = next.as_secs();
                    tracing::error!(%error, cause, again_in_seconds, "the controls were not evaluated");
                    next
                }
            };
        }
    }

    /// Evaluates if it is due; gives the entry.
    pub(crate) async fn run_when_due(&self, road: &Road) -> Result<Option<u64>, ServerError> {
        let _one_at_a_time = self.under_way.lock().await;
        if !road.evaluation_is_due() {
            return Ok(None);
        }
        let evaluation = evaluate(road.log_to_evaluate().await?, Arc::clone(&self.catalogue)).await?;
        let run = evaluation.to_run().map_err(|error| failed(error.to_string()))?;
        let entry = road.record_evaluation(run).await?;
        self.show(&evaluation);
        match evaluation.findings.first() {
            None => tracing::info!(entry, cuts = run.cuts, "the controls were evaluated"),
            Some(first) => tracing::error!(entry, %first, "the log was evaluated, and does not hold"),
        }
        Ok(Some(entry))
    }

    fn show(&self, evaluation: &Evaluation) {
        let counts = evaluation.counts();
        for severity in Severity::ALL {
            for verdict in Verdict::ALL {
                let count = counts.get(&severity).and_then(|counts| counts.get(&verdict)).copied();
                let labels = [("severity", severity.name()), ("result", verdict.name())];
                self.registry.gauge(RESULTS, &labels).set(to_f64(count.unwrap_or_default()));
            }
        }
    }
}

/// How much time passes between two runs.
fn interval(catalogue: &Catalogue) -> Duration {
    let none = Period { from: Timestamp::default(), to: Timestamp::default() };
    Setting::new(catalogue, None, none).hours("eval_interval_h")
}

fn failed(why: impl Into<String>) -> ServerError {
    ServerError::Unevaluated(why.into())
}

/// Evaluates the log on a thread of its own.
async fn evaluate(log: CommittedLog, catalogue: Arc<Catalogue>) -> Result<Evaluation, ServerError> {
    let (reply, answer) = oneshot::channel();
    let walk = move || {
        // On Linux priority is a thread's own, and those that it starts have it too.
        if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
            tracing::warn!(%error, "the priority of the thread that evaluates could not be lowered");
        }
        let (key, cuts) = (log.key().clone(), log.cuts());
        let evaluated = evaluate_at(&log, &key, &catalogue, cuts, &mut || ());
        // Whoever waits for the answer may wait for the store as well.
        drop(log);
        // The server may have stopped meanwhile.
        let _ = reply.send(evaluated);
    };
    let thread = thread::Builder::new().name("evaluate".to_owned()).spawn(walk);
    thread.map_err(ServerError::os("no thread to evaluate on"))?;
    let evaluated = answer.await.map_err(|_| failed("its thread ended badly"))?;
    let evaluated = evaluated.map_err(|error| failed(error.to_string()))?;
    evaluated.ok_or_else(|| failed("the newest cut of the log does not read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_due_each_day() {
        assert_eq!(interval(&Catalogue::load().unwrap()), Duration::from_secs(86_400));
    }
}

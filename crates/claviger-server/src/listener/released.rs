//! How many results left the listeners of a process, by use.
//!
//! They are counted where answers leave, and nothing of the log is asked for it: what the log has can be held against it. What of uses is
//! refused is no result. Nor is what changes state counted, of which the log has facts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_core::Action;
use claviger_core::action::Effect;
use claviger_rest::Results;
use claviger_service::Road;
use tokio::sync::Mutex;

use crate::stop::Stopping;

/// How often the counts are recorded in the log.
const PERIOD: Duration = Duration::from_secs(3600);
/// Codes of uses are from this one on, and fewer than there are counters.
const FIRST: u16 = 100;
const USES: usize = 32;

/// Counters of a process.
#[derive(Debug, Default)]
pub struct Released {
    results: [AtomicU64; USES],
    /// What the log has.
    recorded: Mutex<Vec<String>>,
}

impl Released {
    /// An answer with what was asked for left: results of that use, as far as the head of its request shows, or those
    /// that it says itself.
    pub(super) fn count(&self, asked: Option<Action>, said: Option<Results>) {
        let said = said.or_else(|| asked.map(|action| Results { action, number: 1 }));
        let Some(Results { action, number }) = said else { return };
        if let Some(counter) = slot(action).and_then(|slot| self.results.get(slot)) {
            counter.fetch_add(number, Ordering::Relaxed);
        }
    }

    fn words(&self) -> Vec<String> {
        let count = |action: Action| {
            let number = self.results.get(slot(action)?)?.load(Ordering::Relaxed);
            (number > 0).then(|| format!("{action}={number}"))
        };
        Action::ALL.into_iter().filter_map(count).collect()
    }

    /// Has the log say it, where it has changed.
    pub(crate) async fn record(&self, road: &Road) {
        let mut recorded = self.recorded.lock().await;
        // Each of these results had its entry before it left, so that it lies before the one that is made now.
        let words = self.words();
        if *recorded == words {
            return;
        }
        match road.report_released(words.clone()).await {
            Ok(()) => *recorded = words,
            Err(error) => tracing::warn!(%error, "the log does not say yet how many results were released"),
        }
    }

    /// Does so every hour until `stopping` says so.
    pub(crate) async fn keep_recording(self: Arc<Self>, road: Road, mut stopping: Stopping) {
        loop {
            tokio::select! {
                () = stopping.stopped() => return,
                () = tokio::time::sleep(PERIOD) => self.record(&road).await,
            }
        }
    }
}

/// The place of a use that gives out what a key or the generator made.
fn slot(action: Action) -> Option<usize> {
    let is_use = matches!(action.effect(), Effect::Process | Effect::Protect) || action == Action::Random;
    is_use.then(|| usize::from(action.code() - FIRST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_use_has_a_counter_of_its_own() {
        let released = Released::default();
        let uses: Vec<_> = Action::ALL.into_iter().filter(|action| slot(*action).is_some()).collect();
        assert!(uses.len() > 15 && uses.contains(&Action::Random), "{uses:?}");
        for (number, action) in uses.iter().enumerate() {
            assert!(slot(*action).unwrap() < USES, "{action}");
            (0..=number).for_each(|_| released.count(Some(*action), None));
        }
        let words: Vec<_> =
            uses.iter().enumerate().map(|(number, action)| format!("{action}={}", number + 1)).collect();
        assert_eq!(released.words(), words);
    }

    #[test]
    fn an_answer_that_says_what_it_has_counts_as_that() {
        let released = Released::default();
        let said = Results { action: Action::GenerateDataKeyWithoutPlaintext, number: 7 };
        released.count(Some(Action::GenerateDataKey), Some(said));
        released.count(Some(Action::CreateKey), None);
        released.count(None, None);
        assert_eq!(released.words(), ["generate_data_key_without_plaintext=7"]);
    }
}

//! Runs of the evaluation: one that the log does not have is due, whatever the process was doing when it ended.

use claviger_audit::{Entry, EvaluationRun, Op};
use claviger_service::log::EntryFilter;
use claviger_service::operation::ReadEntries;

use crate::deployment::{DAY, Deployment};
use crate::evidence::hold;

/// The runs that the log has, with their entries.
async fn runs(deployment: &Deployment) -> Vec<(u64, EvaluationRun)> {
    let filter = EntryFilter { operation: Some(Op::RecordEvaluation.code()), ..EntryFilter::default() };
    let read = ReadEntries { from: 0, limit: 1000, filter };
    let page = deployment.ask("vera", read).await.unwrap().output;
    let decoded =
        |bytes: &[u8]| EvaluationRun::from_bytes(Entry::decode(bytes).unwrap().reference.as_deref()?);
    page.entries.iter().filter_map(|entry| Some((entry.index, decoded(&entry.bytes)?))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_due_until_its_entry_is_durable_and_no_longer() {
    let deployment = Deployment::build().await;
    deployment.road.expect_evaluations(DAY).await.unwrap();
    assert!(deployment.road.evaluation_is_due());
    // Killed behind the snapshot that it begins with.
    let cuts = deployment.road.log_to_evaluate().await.unwrap().cuts();
    let deployment = deployment.crash().await;
    deployment.road.expect_evaluations(DAY).await.unwrap();
    assert!(deployment.road.evaluation_is_due());
    assert_eq!(deployment.road.evaluation_figures().recorded_at, None);
    assert!(runs(&deployment).await.is_empty());

    // Killed once it is recorded.
    let run = EvaluationRun { digest: [1; 32], cuts, counts: [0; 5], evaluator: [2; 8] };
    let entry = deployment.road.record_evaluation(run).await.unwrap();
    let deployment = deployment.crash().await;
    deployment.road.expect_evaluations(DAY).await.unwrap();
    assert!(!deployment.road.evaluation_is_due(), "it is in one commit with its entry");
    assert_eq!(runs(&deployment).await, [(entry, run)]);
    hold(&deployment).await;
}

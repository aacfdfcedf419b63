//! The server evaluates its own log: what it records is what whoever has the log comes to.

use std::time::Duration;

use claviger_audit::VerifierKey;
use claviger_audit::verify::{Files, NoFile, ROOT_VKEY, Request, verify_watched};
use claviger_client::{Client, Profile};
use claviger_compliance::evaluation::evaluate_at;
use claviger_compliance::{Catalogue, Period, Scan, Verdict};
use claviger_core::Timestamp;
use claviger_server::{Endpoint, Running};
use tokio::runtime::Handle;

use crate::support::{Deployment, now};

/// The log as an auditor is given it.
pub(crate) struct Exported {
    client: Client,
    vkey: String,
}

impl Exported {
    pub(crate) async fn of(deployment: &Deployment) -> Self {
        let client = auditor(deployment);
        let vkey = client.read_checkpoint().await.unwrap().value.root_vkey;
        Self { client, vkey }
    }

    pub(crate) fn key(&self) -> VerifierKey {
        VerifierKey::parse(&self.vkey).unwrap()
    }
}

impl Files for Exported {
    fn read(&self, name: &str) -> Result<Vec<u8>, NoFile> {
        if name == ROOT_VKEY {
            return Ok(self.vkey.clone().into_bytes());
        }
        if name.starts_with("rows/") {
            return Err(NoFile::Missing);
        }
        let read = self.client.read_log_resource(name);
        let answer = tokio::task::block_in_place(|| Handle::current().block_on(read));
        answer.map(|answer| answer.value.to_vec()).map_err(|error| NoFile::Unreadable(error.to_string()))
    }
}

fn auditor(deployment: &Deployment) -> Client {
    Client::new(&Profile::load(&deployment.path("profiles/auditor.toml")).unwrap()).unwrap()
}

async fn numbers(deployment: &Deployment, running: &Running) -> String {
    let url = format!("{}/metrics", running.urls()[Endpoint::Metrics]);
    deployment.http(None).get(url).send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_what_whoever_has_the_log_comes_to() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    assert_eq!(deployment.create_ring(&running, "orders").await.0, 201);
    let entry = running.evaluate_when_due().await.unwrap().unwrap();
    let recorded = running.road().evaluation_figures().newest.unwrap();
    assert_eq!(recorded.entry, entry);
    // The log goes on.
    assert_eq!(deployment.create_ring(&running, "later").await.0, 201);
    running.road().cut().await.unwrap();

    let (files, catalogue) = (Exported::of(&deployment).await, Catalogue::load().unwrap());
    let key = files.key();
    let again = evaluate_at(&files, &key, &catalogue, recorded.run.cuts, &mut || ()).unwrap().unwrap();
    assert_eq!(again.findings, Vec::<String>::new());
    assert_eq!(again.to_run().unwrap(), recorded.run);
    let counted: usize = recorded.run.counts.iter().map(|count| usize::from(*count)).sum();
    assert_eq!(counted, again.results.len());

    let mut scan = Scan::new(&catalogue, None, Period { from: Timestamp::default(), to: now() });
    let verified = verify_watched(&files, &Request::new(&key), &mut scan).unwrap();
    assert!(verified.cuts > recorded.run.cuts && verified.findings.is_empty(), "{:?}", verified.findings);
    let newest = scan.newest_run().unwrap();
    assert_eq!((newest.index, newest.run), (entry, Some(recorded.run)));
    let evaluation = scan.remaking(&files, &key, &mut || ()).unwrap().finish(&verified);
    let control = evaluation.results.iter().find(|result| result.control.to_string() == "GOV-08").unwrap();
    assert_eq!(control.result, Verdict::Pass, "{}", control.because);
    assert_eq!((control.figures["runs"], control.figures["runs_made_again"]), (1, 1));

    let shown = numbers(&deployment, &running).await;
    for verdict in Verdict::ALL.map(Verdict::name) {
        let of_verdict = shown
            .lines()
            .filter(|line| line.starts_with("claviger_evaluation_results{") && line.contains(verdict));
        assert_eq!(of_verdict.count(), 4, "{verdict}: {shown}");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn a_run_is_made_once_in_its_time_and_a_missed_one_is_shown() {
    let deployment = Deployment::new();
    let running = deployment.start().await;
    let state = async || auditor(&deployment).read_system().await.unwrap().value.evaluation;
    assert_eq!((state().await.recorded_at, state().await.missed), (None, false));
    let entry = running.evaluate_when_due().await.unwrap();
    assert_eq!((state().await.entry, state().await.missed), (entry, false));
    assert_eq!(running.evaluate_when_due().await.unwrap(), None);
    running.shutdown().await;

    let running = deployment.start().await;
    assert!(state().await.recorded_at.is_some() && state().await.entry.is_none());
    assert_eq!(running.evaluate_when_due().await.unwrap(), None, "the log has one of this day");
    assert!(numbers(&deployment, &running).await.contains("claviger_evaluation_missed 0"));

    // As if the time between two were over long ago.
    running.road().expect_evaluations(Duration::from_micros(1)).await.unwrap();
    assert!(state().await.missed);
    assert!(numbers(&deployment, &running).await.contains("claviger_evaluation_missed 1"));
    assert!(running.evaluate_when_due().await.unwrap().is_some());
    running.shutdown().await;
}

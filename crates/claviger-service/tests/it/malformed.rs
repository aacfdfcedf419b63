//! Requests that came to no operation: recorded as what they are, and no oftener than the log can bear.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use claviger_audit::op::{Op, Outcome};
use claviger_audit::{Entry, RefusedCalls};
use claviger_core::port::Clock as _;
use claviger_core::{ListenerName, Source};
use claviger_service::log::EntryFilter;
use claviger_service::operation::*;
use claviger_service::{ErrorKind, Presented, PrincipalRef};

use crate::deployment::{Deployment, certificate_of};

const SOURCE: Source = Source { address: IpAddr::V4(Ipv4Addr::LOCALHOST), tls: None };
const BY: ListenerName = ListenerName::Data;

async fn reported(deployment: &Deployment, index: u64) -> Vec<u8> {
    let read = ReadEntries { from: index, limit: 1, filter: EntryFilter::default() };
    let page = deployment.ask("vera", read).await.unwrap().output;
    page.entries.first().unwrap().bytes.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_credential_one_entry_a_second_records_it_and_all_are_counted() {
    let deployment = Deployment::build().await;
    let app = Presented::certificate(&certificate_of("app"));
    let from = deployment.log_size().await;
    let begun = deployment.clock.since_boot();
    let calls = (0..20).map(|_| deployment.road.record_malformed(&app, SOURCE, BY, Some("r-1")));
    let indexes: Vec<_> = futures_of(calls).await.into_iter().flatten().collect();
    let most = 1 + deployment.clock.since_boot().saturating_sub(begun).as_secs();
    assert!((1..=most).contains(&(indexes.len() as u64)), "{indexes:?} {most}");
    assert_eq!(deployment.road.malformed_requests(), 20);
    // The caller's session comes first.
    let index = indexes[0];
    assert!(index > from);
    let entry = reported(&deployment, index).await;
    let entry = Entry::decode(&entry).unwrap();
    assert_eq!((entry.op, entry.out), (Op::MalformedRequest, Outcome::BadInput));
    assert_eq!(entry.ses, Some(from));
    assert!(entry.act.is_some() && entry.rid.is_some());
    assert_eq!((entry.key, entry.pol, entry.reference), (None, None, None));

    // Another credential has an entry of its own, and the same one has another a second later.
    let outsider = Presented::certificate(&certificate_of("outsider"));
    assert!(deployment.road.record_malformed(&outsider, SOURCE, BY, None).await.unwrap().is_some());
    deployment.clock.advance(Duration::from_secs(1));
    let again = deployment.road.record_malformed(&app, SOURCE, BY, None).await.unwrap().unwrap();
    assert!(again > index);
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_nobody_knows_is_refused_and_counted_as_ever() {
    let deployment = Deployment::build().await;
    for presented in [Presented::None, Presented::certificate(b"unheard-of")] {
        let refused = deployment.road.record_malformed(&presented, SOURCE, BY, None).await.unwrap_err();
        assert_eq!((refused.kind(), refused.entry()), (ErrorKind::Unauthenticated, None));
    }
    // A caller who was known and is not any more is identified by the credential.
    let app = Presented::certificate(&certificate_of("app"));
    deployment
        .ask("otto", RevokePrincipal { principal: "app".parse::<PrincipalRef>().unwrap() })
        .await
        .unwrap();
    let refused = deployment.road.record_malformed(&app, SOURCE, BY, None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
    let entry = reported(&deployment, refused.entry().unwrap()).await;
    let entry = Entry::decode(&entry).unwrap();
    assert_eq!((entry.op, entry.out), (Op::AuthenticationFailure, Outcome::Unauthenticated));
    assert_eq!(deployment.road.malformed_requests(), 0);
}

/// What the log counts of unauthenticated calls from that entry on, in its order, once it counts so many.
async fn counted(deployment: &Deployment, from: u64, calls: u64) -> Vec<RefusedCalls> {
    loop {
        // Cuts are made every 50 ms here, and record what was counted since the last one.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let (mut counts, mut seen) = (Vec::new(), BTreeSet::new());
        let read = ReadEntries { from, limit: 1000, filter: EntryFilter::default() };
        for entry in deployment.ask("vera", read).await.unwrap().output.entries {
            let entry = Entry::decode(&entry.bytes).unwrap();
            if entry.op == Op::UnauthenticatedCount {
                assert_eq!((entry.out, entry.act, entry.ses), (Outcome::Unauthenticated, None, None));
                let count = RefusedCalls::from_bytes(&entry.reference.unwrap()).unwrap();
                // One entry of each listener at one time.
                assert!(seen.insert((entry.t, count.listener)));
                counts.push(count);
            }
        }
        if counts.iter().map(|count| count.calls).sum::<u64>() >= calls {
            return counts;
        }
    }
}

fn total(counts: &[RefusedCalls], listener: ListenerName) -> u64 {
    counts.iter().filter(|count| count.listener == Some(listener)).map(|count| count.calls).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_of_nobody_is_one_counting_entry_of_each_listener_that_had_any() {
    let deployment = Deployment::build().await;
    let from = deployment.log_size().await;
    for number in 0..1000 {
        let listener = if number % 4 == 0 { ListenerName::Aws } else { ListenerName::Control };
        deployment.road.count_unauthenticated(listener);
    }
    let counts = counted(&deployment, from, 1000).await;
    assert_eq!(total(&counts, ListenerName::Aws), 250);
    assert_eq!(total(&counts, ListenerName::Control), 750);
    // A quiet listener has no entry.
    assert!(counts.iter().all(|count| count.calls > 0 && count.listener != Some(ListenerName::Data)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_refuses_is_counted_to_the_listener_that_it_came_by() {
    let deployment = Deployment::build().await;
    let (road, from) = (&deployment.road, deployment.log_size().await);
    let unheard_of = Presented::certificate(b"unheard-of");
    for _ in 0..2 {
        road.look_up(None, ListenerName::Control).await.unwrap_err();
    }
    for _ in 0..3 {
        road.prove(&unheard_of, SOURCE, ListenerName::Aws).await.unwrap_err();
    }
    for _ in 0..4 {
        road.batch_turn(&unheard_of, SOURCE, ListenerName::Data, 1).await.unwrap_err();
    }
    road.record_malformed(&unheard_of, SOURCE, ListenerName::Data, None).await.unwrap_err();
    let read = ReadEntries { from: 0, limit: 1, filter: EntryFilter::default() };
    assert!(deployment.ask_with(unheard_of.clone(), read).await.is_err());
    let counts = counted(&deployment, from, 11).await;
    let totals = ListenerName::ALL.map(|listener| total(&counts, listener));
    let by_name = |name: ListenerName| totals[name as usize];
    assert_eq!(by_name(ListenerName::Aws), 3);
    assert_eq!(by_name(ListenerName::Control), 3);
    assert_eq!(by_name(ListenerName::Data), 5);
}

async fn futures_of<F>(calls: impl Iterator<Item = F>) -> Vec<Option<u64>>
where
    F: Future<Output = Result<Option<u64>, claviger_service::ServiceError>>,
{
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    let mut done = Vec::new();
    // All are under way at once.
    std::future::poll_fn(|context| {
        calls.retain_mut(|call| match call.as_mut().poll(context) {
            std::task::Poll::Ready(found) => {
                done.push(found.unwrap());
                false
            }
            std::task::Poll::Pending => true,
        });
        if calls.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

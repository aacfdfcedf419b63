//! Requests that came to no operation: told as what they are, and no oftener than the log can bear.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use claviger_audit::Entry;
use claviger_audit::op::{Op, Outcome};
use claviger_core::Source;
use claviger_core::port::Clock as _;
use claviger_service::log::EntryFilter;
use claviger_service::operation::*;
use claviger_service::{ErrorKind, Presented, PrincipalRef};

use crate::deployment::{Deployment, certificate_of};

const SOURCE: Source = Source { address: IpAddr::V4(Ipv4Addr::LOCALHOST), tls: None };

async fn reported(deployment: &Deployment, index: u64) -> Vec<u8> {
    let read = ReadEntries { from: index, limit: 1, filter: EntryFilter::default() };
    let page = deployment.ask("vera", read).await.unwrap().output;
    page.entries.first().unwrap().bytes.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_credential_one_entry_a_second_tells_it_and_all_are_counted() {
    let deployment = Deployment::build().await;
    let app = Presented::certificate(&certificate_of("app"));
    let from = deployment.log_size().await;
    let begun = deployment.clock.since_boot();
    let calls = (0..20).map(|_| deployment.road.record_malformed(&app, SOURCE, Some("r-1")));
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
    let stranger = Presented::certificate(&certificate_of("stranger"));
    assert!(deployment.road.record_malformed(&stranger, SOURCE, None).await.unwrap().is_some());
    deployment.clock.advance(Duration::from_secs(1));
    let again = deployment.road.record_malformed(&app, SOURCE, None).await.unwrap().unwrap();
    assert!(again > index);
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_nobody_knows_is_refused_and_counted_as_ever() {
    let deployment = Deployment::build().await;
    for presented in [Presented::None, Presented::certificate(b"unheard-of")] {
        let refused = deployment.road.record_malformed(&presented, SOURCE, None).await.unwrap_err();
        assert_eq!((refused.kind(), refused.entry()), (ErrorKind::Unauthenticated, None));
    }
    // Who was known and is not any more is told by the credential.
    let app = Presented::certificate(&certificate_of("app"));
    deployment
        .ask("otto", RevokePrincipal { principal: "app".parse::<PrincipalRef>().unwrap() })
        .await
        .unwrap();
    let refused = deployment.road.record_malformed(&app, SOURCE, None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
    let entry = reported(&deployment, refused.entry().unwrap()).await;
    let entry = Entry::decode(&entry).unwrap();
    assert_eq!((entry.op, entry.out), (Op::AuthenticationFailure, Outcome::Unauthenticated));
    assert_eq!(deployment.road.malformed_requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_of_nobody_is_one_counting_entry() {
    let deployment = Deployment::build().await;
    let from = deployment.log_size().await;
    (0..1000).for_each(|_| deployment.road.count_unauthenticated());
    // Cuts are made every 50 ms here, and tell what was counted since the last one.
    let mut counted = 0;
    while counted < 1000 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        counted = 0;
        for index in from..deployment.log_size().await {
            let entry = reported(&deployment, index).await;
            let entry = Entry::decode(&entry).unwrap();
            if entry.op == Op::UnauthenticatedCount {
                counted += u64::from_be_bytes(entry.reference.unwrap().as_ref().try_into().unwrap());
            }
        }
    }
    assert_eq!(counted, 1000);
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

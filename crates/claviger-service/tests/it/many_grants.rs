//! Many grants on one key: what they cost those who give, end and list them, and what a key takes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use claviger_core::grant::{Conditions, Grant, MAX_ACTIVE};
use claviger_core::key::KeyRecord;
use claviger_core::port::Clock as _;
use claviger_core::port::store::Page;
use claviger_core::{Action, Purpose, Spec};
use claviger_service::operation::{CreateGrant, ExplainKey, GrantOn, ListGrants, RevokeGrant};
use claviger_service::{ErrorKind, KeyRef, PrincipalRef};

use crate::deployment::Deployment;

/// How many there are. `CLAVIGER_GRANTS=50000` takes minutes to make them.
fn many() -> u64 {
    std::env::var("CLAVIGER_GRANTS").ok().and_then(|number| number.parse().ok()).unwrap_or(300)
}

/// A grant to an application for one document.
fn of_document(key: &KeyRecord, number: u64) -> CreateGrant {
    let pair = |name: &str, value: String| (name.to_owned(), value);
    CreateGrant {
        principal: PrincipalRef::Name("app".parse().unwrap()),
        on: GrantOn::Key(KeyRef::Id(key.key.id)),
        operations: vec![Action::Encrypt, Action::Decrypt],
        conditions: Conditions {
            context_equals: vec![pair("application", "shop".into()), pair("document", number.to_string())],
            ..Conditions::default()
        },
        name: None,
        retiring: None,
    }
}

async fn give_all(deployment: &Arc<Deployment>, key: &KeyRecord, numbers: std::ops::Range<u64>) {
    let makers = (0..32).map(|maker| {
        let (deployment, key, numbers) = (Arc::clone(deployment), key.clone(), numbers.clone());
        tokio::spawn(async move {
            for number in numbers.filter(|number| number % 32 == maker) {
                deployment.ask("otto", of_document(&key, number)).await.unwrap();
            }
        })
    });
    for maker in makers.collect::<Vec<_>>() {
        maker.await.unwrap();
    }
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// What it costs to give one, to end one, and to list a page of up to 100.
async fn costs(deployment: &Deployment, key: &KeyRecord, from: u64) -> [Duration; 3] {
    let (mut gives, mut ends, mut pages) = (Vec::new(), Vec::new(), Vec::new());
    let mut given: VecDeque<Grant> = VecDeque::new();
    for number in from..from + 60 {
        let began = deployment.clock.since_boot();
        given.push_back(deployment.ask("otto", of_document(key, number)).await.unwrap().output);
        gives.push(deployment.clock.since_boot().saturating_sub(began));
        let list = ListGrants {
            principal: None,
            key: Some(KeyRef::Id(key.key.id)),
            ring: None,
            with_revoked: false,
            page: Page { after: None, limit: 100 },
        };
        let began = deployment.clock.since_boot();
        drop(deployment.ask("otto", list).await.unwrap());
        pages.push(deployment.clock.since_boot().saturating_sub(began));
        let grant = given.pop_front().unwrap().id;
        let began = deployment.clock.since_boot();
        drop(deployment.ask("otto", RevokeGrant { grant }).await.unwrap());
        ends.push(deployment.clock.since_boot().saturating_sub(began));
    }
    [gives, ends, pages].map(median)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_takes_as_many_grants_as_aws_and_gives_ends_and_lists_them_as_if_there_were_few() {
    let deployment = Arc::new(Deployment::build().await);
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let free = 60;
    give_all(&deployment, &key, 0..10).await;
    let [give, end, _] = costs(&deployment, &key, 1 << 40).await;
    println!("10 grants: to give one {give:?}, to end one {end:?}");
    give_all(&deployment, &key, 10..100).await;
    let [.., page] = costs(&deployment, &key, 1 << 41).await;
    println!("100 grants: a page of 100 {page:?}");
    give_all(&deployment, &key, 100..many().min(MAX_ACTIVE) - free).await;
    let [give, end, page] = costs(&deployment, &key, 1 << 42).await;
    println!("{} grants: to give one {give:?}, to end one {end:?}, a page of 100 {page:?}", many());
    if many() >= MAX_ACTIVE {
        give_all(&deployment, &key, MAX_ACTIVE - free..MAX_ACTIVE).await;
        let full = deployment.ask("otto", of_document(&key, MAX_ACTIVE)).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::LimitExceeded);
        let explain = ExplainKey { key: KeyRef::Id(key.key.id), at: None };
        let explained = deployment.ask("otto", explain).await.unwrap_err();
        assert_eq!(explained.kind(), ErrorKind::LimitExceeded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_have_the_bounds_of_aws() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let with = |pairs: Vec<(String, String)>| {
        let conditions = Conditions { context_equals: pairs, ..Conditions::default() };
        CreateGrant { conditions, ..of_document(&key, 0) }
    };
    let pairs = |number: usize| (0..number).map(|number| (number.to_string(), String::new())).collect();
    // Characters, not bytes.
    let long = |length: usize| vec![("é".repeat(length), "ü".repeat(length))];
    drop(deployment.ask("otto", with(pairs(8))).await.unwrap());
    drop(deployment.ask("otto", with(long(384))).await.unwrap());
    for beyond in [pairs(9), long(385)] {
        let refused = deployment.ask("otto", with(beyond)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    }
}

//! Many grants on one key: what they cost those who give, end and list them, and what a key takes.

use std::sync::Arc;
use std::time::Duration;

use claviger_core::grant::{Conditions, Grant, MAX_ACTIVE};
use claviger_core::key::KeyRecord;
use claviger_core::port::Clock as _;
use claviger_core::port::store::Page;
use claviger_core::principal::PrincipalKind;
use claviger_core::{Action, Purpose, Spec};
use claviger_service::operation::{
    CreateGrant, CreatePrincipal, ExplainKey, GrantOn, JudgedGrant, ListGrants, RevokeGrant,
};
use claviger_service::{ErrorKind, KeyRef, PrincipalRef};

use crate::deployment::Deployment;

/// How many grants are few, and how many there are on a page.
const FEW: u64 = 10;
const PAGE: u32 = 100;

/// How many there are, if a variable says so. `CLAVIGER_GRANTS=50000` takes minutes to make them, and looks at times.
fn by_night() -> Option<u64> {
    std::env::var("CLAVIGER_GRANTS").ok().map(|number| number.parse().unwrap())
}

/// Grants that are made and ended to see what that costs.
fn samples() -> u64 {
    if by_night().is_some() { 100 } else { 10 }
}

/// In what many grants differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One principal, with a grant for each of many contexts.
    Contexts,
    /// Many principals, each with a grant.
    Principals,
}

impl Shape {
    /// The grant of that number.
    fn grant(self, key: &KeyRecord, number: u64) -> CreateGrant {
        match self {
            Self::Contexts => of_document(key, number),
            Self::Principals => CreateGrant {
                principal: PrincipalRef::Name(holder(number).parse().unwrap()),
                conditions: Conditions::default(),
                ..of_document(key, number)
            },
        }
    }
}

fn holder(number: u64) -> String {
    format!("holder-{number}")
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

/// A deployment with grants of one shape on a key.
struct Place {
    deployment: Deployment,
    key: KeyRecord,
    shape: Shape,
}

impl Place {
    /// With so many grants of the first numbers.
    async fn build(shape: Shape, grants: u64) -> Arc<Self> {
        let deployment = Deployment::build().await;
        let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
        let place = Arc::new(Self { deployment, key, shape });
        place.give_all(0..grants).await;
        place
    }

    /// Makes who is to hold the grant of that number.
    async fn make_holder(&self, number: u64) {
        if self.shape == Shape::Principals {
            let name = holder(number).parse().unwrap();
            let kind = PrincipalKind::Workload;
            let create = CreatePrincipal { name, kind, home: None, environment: None, same_person_as: None };
            drop(self.deployment.ask("ada", create).await.unwrap());
        }
    }

    async fn give_all(self: &Arc<Self>, numbers: std::ops::Range<u64>) {
        let makers = (0..32).map(|maker| {
            let (place, numbers) = (Arc::clone(self), numbers.clone());
            tokio::spawn(async move {
                for number in numbers.filter(|number| number % 32 == maker) {
                    place.make_holder(number).await;
                    place.give(number).await;
                }
            })
        });
        for maker in makers.collect::<Vec<_>>() {
            maker.await.unwrap();
        }
    }

    async fn give(&self, number: u64) -> Grant {
        self.deployment.ask("otto", self.shape.grant(&self.key, number)).await.unwrap().output
    }

    async fn page(&self) -> Vec<JudgedGrant> {
        let list = ListGrants {
            principal: None,
            key: Some(KeyRef::Id(self.key.key.id)),
            ring: None,
            with_revoked: false,
            page: Page { after: None, limit: PAGE },
        };
        self.deployment.ask("otto", list).await.unwrap().output
    }

    /// Gives the grant of that number, lists a page, and ends it again. Each is one entry.
    async fn sample(&self, number: u64) -> [Duration; 3] {
        self.make_holder(number).await;
        let size = self.deployment.log_size().await;
        let (given, give) = self.timed(self.give(number)).await;
        let (page, list) = self.timed(self.page()).await;
        let revoke = RevokeGrant { grant: given.id };
        let (ended, end) = self.timed(self.deployment.ask("otto", revoke)).await;
        assert_eq!(ended.unwrap().output.revision, given.revision + 1);
        assert!(!page.is_empty() && page.len() <= PAGE as usize);
        assert_eq!(self.deployment.log_size().await, size + 3);
        [give, end, list]
    }

    async fn timed<T>(&self, work: impl Future<Output = T>) -> (T, Duration) {
        let began = self.deployment.clock.since_boot();
        let done = work.await;
        (done, self.deployment.clock.since_boot().saturating_sub(began))
    }

    /// The key takes no more.
    async fn is_full(&self) {
        self.make_holder(u64::MAX).await;
        let grant = self.shape.grant(&self.key, u64::MAX);
        let full = self.deployment.ask("otto", grant).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::LimitExceeded);
        let explain = ExplainKey { key: KeyRef::Id(self.key.key.id), at: None };
        let explained = self.deployment.ask("otto", explain).await.unwrap_err();
        assert_eq!(explained.kind(), ErrorKind::LimitExceeded);
    }
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// What it costs at the median to give one, to end one, and to list a page: in the first place and in the second, which take
/// turns, so that both have the machine as it is. The grants have the numbers that begin there.
async fn costs(places: [&Place; 2], from: u64) -> [[Duration; 3]; 2] {
    let mut all = [const { [const { Vec::new() }; 3] }; 2];
    for number in from..from + samples() {
        for (place, costs) in places.into_iter().zip(&mut all) {
            for (cost, all) in place.sample(number).await.into_iter().zip(costs) {
                all.push(cost);
            }
        }
    }
    all.map(|costs| costs.map(median))
}

/// A key with many grants of a shape, held against one with few, and against one with a full page of them.
async fn compare(shape: Shape) {
    let grants = by_night().unwrap_or(300).min(MAX_ACTIVE);
    // One is given and ended again beside them.
    let many = Place::build(shape, grants - 1).await;
    let few = Place::build(shape, FEW).await;
    let [[give, end, _], [give_many, end_many, _]] = costs([&few, &many], 1 << 40).await;
    few.give_all(FEW..u64::from(PAGE)).await;
    let [[.., list], [.., list_many]] = costs([&few, &many], 1 << 41).await;
    assert_eq!((few.page().await.len(), many.page().await.len()), (PAGE as usize, PAGE as usize));
    for (what, at_few, at_many) in
        [("to give one", give, give_many), ("to end one", end, end_many), ("a page", list, list_many)]
    {
        let is_borne = by_night().is_none() || at_many <= 2 * at_few;
        assert!(is_borne, "{shape:?}: {what} takes {at_few:?} at few, {at_many:?} at {grants}");
    }
    if grants == MAX_ACTIVE {
        many.give_all(grants - 1..grants).await;
        many.is_full().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_principal_has_as_many_grants_on_a_key_as_aws_allows_as_if_there_were_few() {
    compare(Shape::Contexts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn as_many_principals_have_a_grant_on_a_key_as_aws_allows_as_if_there_were_few() {
    compare(Shape::Principals).await;
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

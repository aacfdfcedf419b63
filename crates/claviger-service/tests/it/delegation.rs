//! Rights that were passed on: at most what they rest on, and ended with it, whichever way that ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use claviger_audit::entry::Entry;
use claviger_audit::op::Op;
use claviger_core::action::Plane;
use claviger_core::grant::{Basis, Conditions, Grant, GrantOrigin, Spelling};
use claviger_core::key::KeyRecord;
use claviger_core::lineage::How;
use claviger_core::port::{Clock as _, Store as _};
use claviger_core::principal::{PrincipalKind, Status};
use claviger_core::{Action, GrantId, Purpose, Spec, Timestamp};
use claviger_crypto::envelope::Context;
use claviger_service::log::EntryFilter;
use claviger_service::operation::usage::{Encrypt, UseKey};
use claviger_service::operation::*;
use claviger_service::{ErrorKind, KeyRef, PrincipalRef, ServiceError};

use crate::deployment::Deployment;

/// What a deploy principal holds: it uses the key, gives single grants, and sets the policy.
pub(crate) const DEPLOY: [Action; 5] =
    [Action::Encrypt, Action::Decrypt, Action::DelegateGrant, Action::PutKeyPolicy, Action::RetireGrant];

pub(crate) fn name(name: &str) -> PrincipalRef {
    PrincipalRef::Name(name.parse().unwrap())
}

/// A grant that an officer gives.
pub(crate) fn given(to: &str, on: GrantOn, operations: &[Action], conditions: Conditions) -> CreateGrant {
    CreateGrant {
        principal: name(to),
        on,
        operations: operations.to_vec(),
        conditions,
        name: None,
        retiring: None,
    }
}

pub(crate) fn until(at: Timestamp) -> Conditions {
    Conditions { until: Some(at), ..Conditions::default() }
}

/// A relaxed ring with a key, where `deploy` holds what deploy principals do, and whoever else is there.
struct Place {
    deployment: Deployment,
    key: KeyRecord,
    root: Grant,
}

impl Place {
    async fn build() -> Self {
        Self::build_with(false, |_| Conditions::default()).await
    }

    async fn build_with(fence_off: bool, of_root: impl FnOnce(Timestamp) -> Conditions) -> Self {
        Self::build_among(fence_off, of_root, Vec::new()).await
    }

    async fn build_among(
        fence_off: bool,
        of_root: impl FnOnce(Timestamp) -> Conditions,
        more: Vec<String>,
    ) -> Self {
        let applications = ["deploy", "shop", "cart"].map(str::to_owned).into_iter().chain(more);
        let applications = applications.map(|name| (name, PrincipalKind::Workload, None));
        let deployment = Deployment::build_among(fence_off, applications.collect()).await;
        deployment.relaxed_ring("orders").await;
        let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
        let conditions = of_root(deployment.clock.wall());
        let root = given("deploy", GrantOn::Key(KeyRef::Id(key.key.id)), &DEPLOY, conditions);
        let root = deployment.ask("otto", root).await.unwrap().output;
        Self { deployment, key, root }
    }

    fn key(&self) -> KeyRef {
        KeyRef::Id(self.key.key.id)
    }

    async fn ask<O: Operation>(&self, who: &str, operation: O) -> Result<O::Output, ServiceError> {
        Ok(self.deployment.ask_at(who, Plane::Mixed, operation).await?.output)
    }

    fn passing(&self, to: &str, operations: &[Action], conditions: Conditions) -> DelegateGrant {
        DelegateGrant {
            key: self.key(),
            principal: name(to),
            operations: operations.to_vec(),
            conditions,
            name: None,
            retiring: None,
            spelling: Spelling::default(),
        }
    }

    async fn pass(&self, by: &str, to: &str, operations: &[Action]) -> Grant {
        self.ask(by, self.passing(to, operations, Conditions::default())).await.unwrap()
    }

    async fn may_encrypt(&self, who: &str) -> bool {
        let what = Encrypt { plaintext: vec![7].into(), context: Context::EMPTY, algorithm: None };
        match self.ask(who, UseKey::new(self.key(), what)).await {
            Ok(_) => true,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound), "{error:?}");
                false
            }
        }
    }

    async fn read(&self, grant: GrantId) -> JudgedGrant {
        self.deployment.ask("otto", ReadGrant { grant }).await.unwrap().output
    }

    async fn set_policy(&self, who: &str, to: &[&str]) -> Result<(), ServiceError> {
        let grants = to.iter().map(|to| NewGrant {
            principal: name(to),
            operations: vec![Action::Encrypt],
            conditions: Conditions::default(),
            name: format!("key-policy/{to}"),
            spelled: None,
        });
        let set = GrantSet { grants: grants.collect(), text: None };
        self.ask(who, PutKeyPolicy { key: self.key(), set }).await
    }

    /// The grants that give `shop` something.
    async fn of(&self, who: &str) -> Vec<JudgedGrant> {
        let list = ListGrants {
            principal: Some(name(who)),
            key: None,
            ring: None,
            with_revoked: true,
            page: claviger_core::port::store::Page { after: None, limit: 100 },
        };
        self.deployment.ask("otto", list).await.unwrap().output
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_of_six_seconds_gives_nothing_for_longer() {
    let six = Duration::from_secs(6);
    let place = Place::build_with(false, |now| until(now.after(six))).await;
    let end = place.root.conditions.until;
    let own = place.pass("deploy", "deploy", &DEPLOY).await;
    let further = place.pass("deploy", "shop", &[Action::Encrypt]).await;
    for grant in [&own, &further] {
        let read = place.read(grant.id).await;
        assert_eq!(read.verdict.honoured().unwrap().until, end, "the end is shown that the chain decides");
    }
    let longer = until(place.deployment.clock.wall().after(six * 2));
    let refused = place.ask("deploy", place.passing("deploy", &DEPLOY, longer)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied);
    // Remembered permits are no longer good either.
    for who in ["deploy", "shop"] {
        assert!(place.may_encrypt(who).await);
    }
    place.deployment.clock.advance(six);
    for who in ["deploy", "shop"] {
        assert!(!place.may_encrypt(who).await, "{who}");
    }
    for grant in [own, further] {
        let cause = place.read(grant.id).await.verdict.ended().unwrap();
        assert_eq!((cause.how(), cause.grant(), cause.at()), (How::Expired, Some(place.root.id), end));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_ends_with_what_it_rests_on_whichever_way_that_ends() {
    for how in [How::Revoked, How::Retired, How::PrincipalRevoked] {
        let place = Place::build().await;
        let first = place.pass("deploy", "shop", &DEPLOY).await;
        let second = place.pass("shop", "cart", &[Action::Encrypt]).await;
        assert_eq!(first.basis, Basis::Grants(vec![place.root.id]));
        assert_eq!(second.basis, Basis::Grants(vec![first.id]));
        for who in ["shop", "cart"] {
            assert!(place.may_encrypt(who).await && place.may_encrypt(who).await);
        }
        match how {
            How::Revoked => {
                let revoke = RevokeGrant { grant: place.root.id };
                drop(place.deployment.ask("otto", revoke).await.unwrap());
            }
            How::Retired => {
                drop(place.ask("deploy", RetireGrant { grant: place.root.id, key: None }).await.unwrap());
            }
            _ => {
                let revoke = RevokePrincipal { principal: name("deploy") };
                drop(place.deployment.ask("otto", revoke).await.unwrap());
            }
        }
        for who in ["shop", "cart"] {
            assert!(!place.may_encrypt(who).await, "{who} after {how}");
        }
        for grant in [first, second] {
            let read = place.read(grant.id).await;
            assert_eq!(read.grant.status, Status::Active, "nothing is written into what ended with it");
            let cause = read.verdict.ended().unwrap();
            assert_eq!(cause.how(), how);
            match how {
                How::PrincipalRevoked => assert_eq!(cause.principal(), Some(place.root.principal)),
                _ => {
                    assert_eq!(cause.grant(), Some(place.root.id));
                    assert!(cause.at().is_some());
                }
            }
        }
        // Nobody is said to be able to do what nobody can.
        let explain = ExplainKey { key: place.key(), at: None };
        let explained = place.deployment.ask("vera", explain).await.unwrap().output.items;
        assert!(!explained.iter().any(|(who, _)| ["shop", "cart"].contains(&who.name.as_str())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_under_a_role_does_not_end_with_the_person() {
    let place = Place::build().await;
    place.pass("deploy", "shop", &[Action::Encrypt]).await;
    let by_olga = given("cart", GrantOn::Key(place.key()), &[Action::Encrypt], Conditions::default());
    let by_olga = place.deployment.ask("olga", by_olga).await.unwrap().output;
    assert_eq!(by_olga.basis, Basis::Role);
    drop(place.deployment.ask("otto", RevokePrincipal { principal: name("olga") }).await.unwrap());
    assert!(place.may_encrypt("cart").await && place.may_encrypt("shop").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_wider_is_passed_on_than_the_giver_has() {
    let tenant = |value: &str| Conditions {
        context_equals: vec![("tenant".into(), value.into())],
        ..Conditions::default()
    };
    let place = Place::build().await;
    let revoke = RevokeGrant { grant: place.root.id };
    drop(place.deployment.ask("otto", revoke).await.unwrap());
    for (operations, conditions) in
        [(&[Action::Encrypt][..], tenant("a")), (&[Action::DelegateGrant], Conditions::default())]
    {
        let grant = given("deploy", GrantOn::Key(place.key()), operations, conditions);
        drop(place.deployment.ask("otto", grant).await.unwrap());
    }
    let narrower = Conditions { source_networks: vec!["127.0.0.0/8".parse().unwrap()], ..tenant("a") };
    for passed_on in [tenant("a"), narrower] {
        let grant = place.ask("deploy", place.passing("shop", &[Action::Encrypt], passed_on)).await.unwrap();
        assert_eq!(grant.basis.grants().len(), 2, "one gives the use, the other the right to pass it on");
    }
    for (operations, wider) in [
        (&[Action::Encrypt][..], Conditions::default()),
        (&[Action::Encrypt], tenant("b")),
        (&[Action::Encrypt, Action::Decrypt], tenant("a")),
    ] {
        let refused = place.ask("deploy", place.passing("shop", operations, wider)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Denied, "{operations:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ninth_time_a_right_is_not_passed_on() {
    let holders: Vec<_> = (1..=9).map(|number| format!("holder-{number}")).collect();
    let place = Place::build_among(false, |_| Conditions::default(), holders.clone()).await;
    let all = [Action::Encrypt, Action::DelegateGrant];
    let (mut by, mut before) = ("deploy", place.root.id);
    for to in &holders[..8] {
        let grant = place.pass(by, to, &all).await;
        assert_eq!(grant.basis, Basis::Grants(vec![before]));
        (by, before) = (to, grant.id);
    }
    assert!(place.may_encrypt("holder-8").await);
    assert_eq!(place.read(before).await.verdict.honoured().unwrap().depth, 8);
    let refused = place.ask(by, place.passing(&holders[8], &[Action::Encrypt], Conditions::default())).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied);
    assert!(refused.to_string().contains("8 times"), "{refused}");
    drop(place.deployment.ask("otto", RevokeGrant { grant: place.root.id }).await.unwrap());
    assert!(!place.may_encrypt("holder-8").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_call_by_name_finds_the_grant_as_long_as_it_rests_on_the_same() {
    let place = Place::build().await;
    let once = || DelegateGrant {
        name: Some("shop".into()),
        ..place.passing("shop", &[Action::Encrypt], Conditions::default())
    };
    let first = place.ask("deploy", once()).await.unwrap();
    assert_eq!(place.ask("deploy", once()).await.unwrap().id, first.id);
    // The giver's right ends and comes again: what rested on it does not come back, and the name gives it anew.
    drop(place.deployment.ask("otto", RevokeGrant { grant: place.root.id }).await.unwrap());
    let again = given("deploy", GrantOn::Key(place.key()), &DEPLOY, Conditions::default());
    let again = place.deployment.ask("otto", again).await.unwrap().output;
    assert!(!place.may_encrypt("shop").await);
    let anew = place.ask("deploy", once()).await.unwrap();
    assert!(anew.id != first.id && anew.basis == Basis::Grants(vec![again.id]));
    assert!(place.may_encrypt("shop").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn setting_a_policy_ends_what_policies_gave_and_nothing_else_and_names_each_grant() {
    let place = Place::build().await;
    let by_officer = CreateGrant {
        name: Some("key-policy/shop".into()),
        ..given("shop", GrantOn::Key(place.key()), &[Action::Encrypt], Conditions::default())
    };
    let by_officer = place.deployment.ask("otto", by_officer).await.unwrap().output;
    let single = DelegateGrant {
        name: Some("key-policy/cart".into()),
        ..place.passing("cart", &[Action::Encrypt], Conditions::default())
    };
    let single = place.ask("deploy", single).await.unwrap();
    place.set_policy("deploy", &["outsider", "app"]).await.unwrap();
    assert!(place.may_encrypt("app").await && place.may_encrypt("outsider").await);
    let of_app = place.of("app").await.remove(0).grant;
    assert_eq!((of_app.origin, &of_app.basis), (GrantOrigin::KeyPolicy, &Basis::Grants(vec![place.root.id])));
    // The same policy again changes nothing.
    let before = place.deployment.store.list_heads().await.unwrap()[0].size;
    place.set_policy("deploy", &["outsider", "app"]).await.unwrap();
    assert_eq!(place.deployment.store.list_heads().await.unwrap()[0].size, before + 1);
    let set = GrantSet { grants: Vec::new(), text: None };
    let put = PutKeyPolicy { key: place.key(), set };
    let receipt = place.deployment.ask_at("deploy", Plane::Mixed, put).await.unwrap().receipt;
    for (who, may) in [("app", false), ("outsider", false), ("shop", true), ("cart", true)] {
        assert_eq!(place.may_encrypt(who).await, may, "{who}");
    }
    for kept in [by_officer, single] {
        assert!(place.read(kept.id).await.verdict.honoured().is_some());
    }
    let ended = place.read(of_app.id).await;
    assert_eq!(ended.verdict.ended().unwrap().how(), How::Replaced);
    let reported = entries_from(&place.deployment, receipt.index(), 3).await;
    assert_eq!((reported[0].0, reported.len()), (Op::PutKeyPolicy, 3));
    assert!(reported[1..].iter().all(|(op, _)| *op == Op::WithdrawDelegatedGrant), "{reported:?}");
    let expected = [of_app.id.as_bytes().as_slice(), of_app.principal.as_bytes()].concat();
    assert!(reported[1..].iter().any(|(_, reference)| *reference == expected), "{reported:?}");
}

/// Operations and references of entries.
async fn entries_from(deployment: &Deployment, index: u64, count: u32) -> Vec<(Op, Vec<u8>)> {
    let read = ReadEntries { from: index, limit: count, filter: EntryFilter::default() };
    let found = deployment.ask("vera", read).await.unwrap().output.entries;
    let decoded = found.iter().map(|entry| Entry::decode(&entry.bytes).unwrap());
    decoded.map(|entry| (entry.op, entry.reference.map(|bytes| bytes.to_vec()).unwrap_or_default())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_takes_a_right_of_its_own() {
    let place = Place::build().await;
    let only_single = given(
        "shop",
        GrantOn::Key(place.key()),
        &[Action::Encrypt, Action::DelegateGrant],
        Conditions::default(),
    );
    drop(place.deployment.ask("otto", only_single).await.unwrap());
    assert_eq!(place.set_policy("shop", &[]).await.unwrap_err().kind(), ErrorKind::Denied);
    place.pass("shop", "cart", &[Action::Encrypt]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_that_comes_with_a_key_rests_on_what_its_maker_holds_on_the_ring() {
    let place = Place::build().await;
    let on_ring = given(
        "deploy",
        GrantOn::Ring("orders".parse().unwrap()),
        &[Action::Encrypt, Action::CreateKey, Action::PutKeyPolicy],
        Conditions::default(),
    );
    let on_ring = place.deployment.ask("otto", on_ring).await.unwrap().output;
    let right = NewGrant {
        principal: name("shop"),
        operations: vec![Action::Encrypt],
        conditions: Conditions::default(),
        name: "key-policy/shop".into(),
        spelled: None,
    };
    let rights = Some(GrantSet { grants: vec![right], text: None });
    let create =
        CreateKey { rights, ..place.deployment.new_key("orders", "made", Purpose::Encrypt, Spec::Aes256Gcm) };
    let made = place.ask("deploy", create).await.unwrap();
    let of_shop = place.of("shop").await.remove(0).grant;
    assert_eq!((of_shop.origin, of_shop.basis), (GrantOrigin::KeyPolicy, Basis::Grants(vec![on_ring.id])));
    assert!(place.deployment.encrypt("shop", &made, b"x").await.is_ok());
    drop(place.deployment.ask("otto", RevokeGrant { grant: on_ring.id }).await.unwrap());
    assert!(place.deployment.encrypt("shop", &made, b"x").await.is_err());
}

/// How many grants rest on one, directly or one step further, if a variable says so. `CLAVIGER_DESCENDANTS=50000` takes minutes
/// to make them, and looks at times.
fn by_night() -> Option<usize> {
    std::env::var("CLAVIGER_DESCENDANTS").ok().map(|number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ending_a_grant_is_one_change_however_many_rest_on_it() {
    let all = by_night().unwrap_or(240);
    let applications = all.clamp(1, 500);
    let name_of = |number: usize| format!("holder-{}", number % applications);
    let everyone = (0..applications).map(name_of).collect();
    let place = Arc::new(Place::build_among(false, |_| Conditions::default(), everyone).await);
    // On the ring: the key takes no more than those that rest on it.
    drop(place.deployment.ask("otto", RevokeGrant { grant: place.root.id }).await.unwrap());
    let ring = || GrantOn::Ring("orders".parse().unwrap());
    let root = given("deploy", ring(), &DEPLOY, Conditions::default());
    let root = place.deployment.ask("otto", root).await.unwrap().output;
    place.pass("deploy", "shop", &[Action::Encrypt, Action::DelegateGrant]).await;
    let makers = (0..32).map(|maker| {
        let place = Arc::clone(&place);
        tokio::spawn(async move {
            for number in (1..all).filter(|number| number % 32 == maker) {
                let by = if number % 2 == 0 { "deploy" } else { "shop" };
                place.pass(by, &format!("holder-{}", number % applications), &[Action::Encrypt]).await;
            }
        })
    });
    for maker in makers.collect::<Vec<_>>() {
        maker.await.unwrap();
    }
    // Remembered permits of some of them, and of one whose right rests on nothing of this.
    let apart = given("app", ring(), &[Action::Encrypt], Conditions::default());
    drop(place.deployment.ask("otto", apart).await.unwrap());
    let some: Vec<_> = (1..applications.min(50)).map(name_of).collect();
    for who in &some {
        assert!(place.may_encrypt(who).await, "{who}");
    }
    assert!(place.may_encrypt("app").await);
    let before = place.deployment.store.list_heads().await.unwrap()[0].size;
    let began = place.deployment.clock.since_boot();
    let revoked = place.deployment.ask("otto", RevokeGrant { grant: root.id }).await.unwrap();
    let took = place.deployment.clock.since_boot().saturating_sub(began);
    println!("revoked what {all} grants rest on in {took:?}");
    assert!(by_night().is_none() || took <= Duration::from_millis(250));
    assert_eq!(place.deployment.store.list_heads().await.unwrap()[0].size, before + 1);
    assert_eq!(revoked.output.revision, 2);
    for who in &some {
        assert!(!place.may_encrypt(who).await, "{who}");
        for held in place.of(who).await {
            assert_eq!((held.grant.revision, held.grant.status), (1, Status::Active));
            assert_eq!(held.verdict.ended().unwrap().grant(), Some(root.id));
        }
    }
    assert!(place.may_encrypt("app").await);
}

/// Entries of released results of `cart` that lie behind the revocation of what its right rests on.
async fn violations(fence_off: bool, rounds: usize) -> usize {
    let place = Arc::new(Place::build_with(fence_off, |_| Conditions::default()).await);
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..6)
        .map(|_| {
            let (place, stop) = (Arc::clone(&place), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut done = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let what =
                        Encrypt { plaintext: vec![0; 64].into(), context: Context::EMPTY, algorithm: None };
                    let asked = place.deployment.ask_at("cart", Plane::Mixed, UseKey::new(place.key(), what));
                    if let Ok(released) = asked.await {
                        done.push(released.receipt.index());
                    }
                    tokio::task::yield_now().await;
                }
                done
            })
        })
        .collect();
    let all = [Action::Encrypt, Action::DelegateGrant];
    let mut dead = Vec::new();
    for _ in 0..rounds {
        let root = given("shop", GrantOn::Key(place.key()), &all, Conditions::default());
        let root = place.deployment.ask("otto", root).await.unwrap().output;
        let to_cart = place.passing("cart", &[Action::Encrypt], Conditions::default());
        drop(place.ask("shop", to_cart).await.unwrap());
        tokio::time::sleep(Duration::from_millis(2)).await;
        let from =
            place.deployment.ask("otto", RevokeGrant { grant: root.id }).await.unwrap().receipt.index();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let last = place.deployment.ask("vera", ReadSystem {}).await.unwrap().receipt.index();
        dead.push(from..last);
    }
    stop.store(true, Ordering::Relaxed);
    let (mut released, mut within) = (0, 0);
    for task in load {
        for index in task.await.unwrap() {
            released += 1;
            within += usize::from(dead.iter().any(|span| span.contains(&index)));
        }
    }
    assert!(released > rounds / 4, "the load must run for the history to mean anything: {released}");
    within
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_result_is_released_by_a_right_whose_basis_was_revoked() {
    assert_eq!(violations(false, 80).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_history_of_chains_sees_the_fence_missing() {
    let mut found = 0;
    for _ in 0..20 {
        found += violations(true, 40).await;
        if found > 0 {
            return;
        }
    }
    panic!("without the fence there must be violations");
}

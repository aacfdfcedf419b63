//! Aliases: other names of keys, which move.

use claviger_core::action::Plane;
use claviger_core::key::RingPolicy;
use claviger_core::port::store::Page;
use claviger_core::principal::PrincipalKind;
use claviger_core::{Action, AliasName, AliasScope, Purpose, Spec};
use claviger_crypto::envelope::{Context, Header};
use claviger_service::operation::usage::{Encrypt, UseKey};
use claviger_service::operation::{
    AliasFilterRef, CreateAlias, CreateCredential, CreateGrant, CreatePrincipal, CreateRing, GrantOn,
    ListAliases, ListGrantedAliases, MoveAlias, NewCredential, ReadAlias, RemoveAlias,
};
use claviger_service::{ErrorKind, KeyRef, PrincipalRef, ServiceError};

use crate::deployment::Deployment;

fn name(text: &str) -> AliasName {
    text.parse().unwrap()
}

/// Encrypts by alias; gives the key that did it.
async fn encrypt_by(deployment: &Deployment, alias: &str) -> Result<[u8; 16], ServiceError> {
    let what = Encrypt { plaintext: b"x".to_vec().into(), context: Context::EMPTY, algorithm: None };
    let sealed = deployment.ask("app", UseKey::new(KeyRef::Alias(name(alias)), what)).await?.output;
    Ok(Header::parse(&sealed.ciphertext).unwrap().0.key_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_names_one_key_at_a_time_and_a_use_follows_its_moves() {
    let deployment = Deployment::build().await;
    let first = deployment.key("first", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let second = deployment.key("second", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for key in [&first, &second] {
        deployment.grant(key, &[Action::Encrypt]).await;
    }
    let on = |key: &claviger_core::key::KeyRecord| KeyRef::Id(key.key.id);
    let create = CreateAlias { name: name("app/orders"), key: on(&first) };
    let made = deployment.ask("ada", create).await.unwrap().output;
    assert_eq!((made.key, made.ring, made.revision), (first.key.id, first.ring.id, 1));
    let again = CreateAlias { name: name("app/orders"), key: on(&second) };
    assert_eq!(deployment.ask("ada", again).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    // Many moves, and a use after each: never under the key that was left.
    for turn in 0..20 {
        let to = if turn % 2 == 0 { &second } else { &first };
        deployment.ask("ada", MoveAlias { name: name("app/orders"), key: on(to) }).await.unwrap();
        assert_eq!(encrypt_by(&deployment, "app/orders").await.unwrap(), *to.key.id.as_bytes());
        assert_eq!(encrypt_by(&deployment, "app/orders").await.unwrap(), *to.key.id.as_bytes());
    }
    deployment.ask("ada", RemoveAlias { name: name("app/orders") }).await.unwrap();
    assert_eq!(encrypt_by(&deployment, "app/orders").await.unwrap_err().kind(), ErrorKind::NotFound);
    let gone = deployment.ask("ada", ReadAlias { name: name("app/orders") }).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_at_the_same_time_as_moves_are_under_a_key_that_the_alias_named_meanwhile() {
    let deployment = std::sync::Arc::new(Deployment::build().await);
    let first = deployment.key("first", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let second = deployment.key("second", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for key in [&first, &second] {
        deployment.grant(key, &[Action::Encrypt]).await;
    }
    let ids = [first.key.id, second.key.id];
    deployment.ask("ada", CreateAlias { name: name("a"), key: KeyRef::Id(ids[0]) }).await.unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let noise = (0..2).map(|_| {
        let (deployment, stop) = (deployment.clone(), stop.clone());
        tokio::spawn(async move {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                encrypt_by(&deployment, "a").await.unwrap();
            }
        })
    });
    let noise: Vec<_> = noise.collect();
    for turn in 1..40_usize {
        let to = ids[turn % 2];
        deployment.ask("ada", MoveAlias { name: name("a"), key: KeyRef::Id(to) }).await.unwrap();
        // The fillers race with the move; this call begins after it has returned.
        assert_eq!(encrypt_by(&deployment, "a").await.unwrap(), *to.as_bytes(), "turn {turn}");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for task in noise {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moving_takes_rights_on_both_keys() {
    let deployment = Deployment::build().await;
    for ring in ["orders", "other"] {
        deployment.relaxed_ring(ring).await;
    }
    let here = deployment.key("here", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let there = deployment.key_in("other", "there", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let grant = |key: &claviger_core::key::KeyRecord, actions: &[Action]| CreateGrant {
        name: None,
        retiring: None,
        principal: PrincipalRef::Name("app".parse().unwrap()),
        on: GrantOn::Key(KeyRef::Id(key.key.id)),
        operations: actions.to_vec(),
        conditions: Default::default(),
    };
    deployment.ask("otto", grant(&there, &[Action::PutAlias])).await.unwrap();
    deployment.ask("ada", CreateAlias { name: name("a"), key: KeyRef::Id(here.key.id) }).await.unwrap();
    let step = || MoveAlias { name: name("a"), key: KeyRef::Id(there.key.id) };
    // The caller may put aliases on the new key, and nothing at all on the old one, which stays hidden.
    assert_eq!(deployment.ask_at("app", Plane::Mixed, step()).await.unwrap_err().kind(), ErrorKind::NotFound);
    deployment.ask("otto", grant(&here, &[Action::PutAlias])).await.unwrap();
    assert_eq!(deployment.ask_at("app", Plane::Mixed, step()).await.unwrap_err().kind(), ErrorKind::Denied);
    deployment.ask("otto", grant(&here, &[Action::RemoveAlias])).await.unwrap();
    // With all these rights it is still of another ring: an administrator alone takes a name from one ring to another.
    let refused = deployment.ask_at("app", Plane::Mixed, step()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied);
    assert!(refused.public_message().contains("belongs to another ring"), "{refused}");
    let moved = deployment.ask("ada", step()).await.unwrap().output;
    assert_eq!((moved.key, moved.ring, moved.revision), (there.key.id, there.ring.id, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_are_listed_by_key_and_by_ring_in_pages() {
    let deployment = Deployment::build().await;
    let first = deployment.key("first", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let second = deployment.key("second", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for (alias, key) in [("c", &first), ("a", &second), ("B", &first), ("d/e", &first)] {
        deployment.ask("ada", CreateAlias { name: name(alias), key: KeyRef::Id(key.key.id) }).await.unwrap();
    }
    let list = async |filter: AliasFilterRef, after: Option<&str>, limit| {
        let page = Page { after: after.map(name), limit };
        let found = deployment.ask("vera", ListAliases { filter, page }).await.unwrap().output;
        found.into_iter().map(|alias| alias.name.to_string()).collect::<Vec<_>>()
    };
    let of_first = || AliasFilterRef { key: Some(KeyRef::Id(first.key.id)), ring: None };
    let of_ring = || AliasFilterRef { key: None, ring: Some("orders".parse().unwrap()) };
    assert_eq!(list(AliasFilterRef::default(), None, 10).await, ["B", "a", "c", "d/e"]);
    assert_eq!(list(of_first(), None, 2).await, ["B", "c"]);
    assert_eq!(list(of_first(), Some("c"), 2).await, ["d/e"]);
    assert_eq!(list(of_ring(), Some("a"), 10).await, ["c", "d/e"]);
    let both = AliasFilterRef { ring: Some("orders".parse().unwrap()), ..of_first() };
    assert_eq!(list(both, None, 10).await, ["B", "c", "d/e"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_fifty_aliases_at_most() {
    let deployment = Deployment::build().await;
    let key = deployment.key("many", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let create = |number: u32| CreateAlias { name: name(&format!("n{number}")), key: KeyRef::Id(key.key.id) };
    for number in 0..50 {
        deployment.ask("ada", create(number)).await.unwrap();
    }
    assert_eq!(deployment.ask("ada", create(50)).await.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_lists_the_aliases_of_what_it_was_granted() {
    let deployment = Deployment::build().await;
    let mine = deployment.key("mine", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let foreign = deployment.key("foreign", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.grant(&mine, &[Action::Encrypt]).await;
    for (alias, key) in [("c", &mine), ("b", &foreign), ("a", &mine)] {
        deployment.ask("ada", CreateAlias { name: name(alias), key: KeyRef::Id(key.key.id) }).await.unwrap();
    }
    let list = async |key: Option<KeyRef>, limit| {
        let page = Page { after: None, limit };
        let found = deployment.ask("app", ListGrantedAliases { key, page }).await?.output;
        Ok::<_, ServiceError>(found.into_iter().map(|alias| alias.name.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(list(None, 10).await.unwrap(), ["a", "c"]);
    assert_eq!(list(None, 1).await.unwrap(), ["a"]);
    assert_eq!(list(Some(KeyRef::Id(mine.key.id)), 10).await.unwrap(), ["a", "c"]);
    let hidden = list(Some(KeyRef::Id(foreign.key.id)), 10).await.unwrap_err();
    assert_eq!(hidden.kind(), ErrorKind::NotFound);
}

/// Two applications at home in the relaxed ring `tools`, and one in the relaxed ring `shop`, each with every right there.
async fn at_home() -> Deployment {
    let deployment = Deployment::build().await;
    for (ring, apps) in [("tools", &["mallory", "mate"][..]), ("shop", &["victim"])] {
        deployment.relaxed_ring(ring).await;
        for app in apps {
            let home = Some(ring.parse().unwrap());
            let create = CreatePrincipal {
                name: app.parse().unwrap(),
                kind: PrincipalKind::Workload,
                home,
                environment: None,
                same_person_as: None,
            };
            deployment.ask("ada", create).await.unwrap();
            let what = NewCredential::Certificate {
                der: format!("certificate of {app}").into_bytes(),
                chain: Vec::new(),
                expires_at: deployment.clock.wall().after(crate::deployment::DAY),
            };
            let principal = PrincipalRef::Name(app.parse().unwrap());
            let credential =
                CreateCredential { principal, label: "tls".parse().unwrap(), what, to_confirm: false };
            deployment.ask("ada", credential).await.unwrap();
            deployment.ask("otto", everything(app, ring)).await.unwrap();
        }
    }
    deployment
}

fn everything(to: &str, ring: &str) -> CreateGrant {
    CreateGrant {
        principal: PrincipalRef::Name(to.parse().unwrap()),
        on: GrantOn::Ring(ring.parse().unwrap()),
        operations: Action::ALL.into_iter().filter(|action| action.is_grantable_when_relaxed()).collect(),
        conditions: Default::default(),
        name: None,
        retiring: None,
    }
}

async fn encrypt_as(deployment: &Deployment, who: &str, alias: &str) -> Result<[u8; 16], ErrorKind> {
    let what = Encrypt { plaintext: b"x".to_vec().into(), context: Context::EMPTY, algorithm: None };
    let done = deployment.ask_at(who, Plane::Mixed, UseKey::new(KeyRef::Alias(name(alias)), what)).await;
    let sealed = done.map_err(|error| error.kind())?.output;
    Ok(Header::parse(&sealed.ciphertext).unwrap().0.key_id)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_seals_under_the_key_of_an_application_that_took_a_free_name() {
    let deployment = at_home().await;
    let hers = deployment.key_in("tools", "trap", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let create = |key| CreateAlias { name: name("orders"), key };
    let made =
        deployment.ask_at("mallory", Plane::Mixed, create(KeyRef::Id(hers.key.id))).await.unwrap().output;
    assert_eq!(made.scope, AliasScope::Ring);
    // The victim may use the key, and does not by that name.
    deployment.ask("otto", everything("victim", "tools")).await.unwrap();
    assert_eq!(encrypt_as(&deployment, "victim", "orders").await, Err(ErrorKind::NotFound));
    assert_eq!(encrypt_as(&deployment, "app", "orders").await, Err(ErrorKind::NotFound));
    let page = || Page { after: None, limit: 10 };
    let list = ListGrantedAliases { key: None, page: page() };
    assert_eq!(deployment.ask("victim", list).await.unwrap().output, []);
    // Another of the same ring uses what the first made.
    assert_eq!(encrypt_as(&deployment, "mate", "orders").await, Ok(*hers.key.id.as_bytes()));
    let list = ListGrantedAliases { key: None, page: page() };
    assert_eq!(deployment.ask("mate", list).await.unwrap().output.len(), 1);
    // The name is hers as long as nobody but applications asks for it.
    let own = deployment.key_in("shop", "orders", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let taken = deployment.ask_at("victim", Plane::Mixed, create(KeyRef::Id(own.key.id))).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    deployment.ask_at("mallory", Plane::Mixed, RemoveAlias { name: name("orders") }).await.unwrap();
    let taken = deployment.ask_at("victim", Plane::Mixed, create(KeyRef::Id(own.key.id))).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    assert!(taken.public_message().contains("belongs to another ring"), "{taken}");
    deployment.ask_at("mallory", Plane::Mixed, create(KeyRef::Id(hers.key.id))).await.unwrap();
    // An administrator takes it back, and everybody means the same from then on.
    let back = MoveAlias { name: name("orders"), key: KeyRef::Id(own.key.id) };
    assert_eq!(deployment.ask("ada", back).await.unwrap().output.scope, AliasScope::Deployment);
    assert_eq!(encrypt_as(&deployment, "victim", "orders").await, Ok(*own.key.id.as_bytes()));
    let hers_again = MoveAlias { name: name("orders"), key: KeyRef::Id(hers.key.id) };
    let refused = deployment.ask_at("mallory", Plane::Mixed, hers_again).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_moves_is_removed_and_made_again_within_its_ring() {
    let deployment = at_home().await;
    let first = deployment.key_in("tools", "first", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let second = deployment.key_in("tools", "second", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let on = |key: &claviger_core::key::KeyRecord| KeyRef::Id(key.key.id);
    for turn in 0..20 {
        let (one, other) = if turn % 2 == 0 { (&first, &second) } else { (&second, &first) };
        let (maker, mover) = if turn % 2 == 0 { ("mallory", "mate") } else { ("mate", "mallory") };
        let create = CreateAlias { name: name("tool"), key: on(one) };
        deployment.ask_at(maker, Plane::Mixed, create).await.unwrap();
        assert_eq!(encrypt_as(&deployment, mover, "tool").await, Ok(*one.key.id.as_bytes()), "{turn}");
        let step = MoveAlias { name: name("tool"), key: on(other) };
        deployment.ask_at(mover, Plane::Mixed, step).await.unwrap();
        assert_eq!(encrypt_as(&deployment, maker, "tool").await, Ok(*other.key.id.as_bytes()), "{turn}");
        deployment.ask_at(maker, Plane::Mixed, RemoveAlias { name: name("tool") }).await.unwrap();
        assert_eq!(encrypt_as(&deployment, maker, "tool").await, Err(ErrorKind::NotFound), "{turn}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_of_the_deployment_that_an_application_moves_names_nothing_to_others_any_more() {
    let deployment = at_home().await;
    let first = deployment.key_in("tools", "first", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let trap = deployment.key_in("tools", "trap", Purpose::Encrypt, Spec::Aes256Gcm).await;
    deployment.ask("otto", everything("victim", "tools")).await.unwrap();
    deployment.ask("ada", CreateAlias { name: name("orders"), key: KeyRef::Id(first.key.id) }).await.unwrap();
    assert_eq!(encrypt_as(&deployment, "victim", "orders").await, Ok(*first.key.id.as_bytes()));
    let step = MoveAlias { name: name("orders"), key: KeyRef::Id(trap.key.id) };
    deployment.ask_at("mallory", Plane::Mixed, step).await.unwrap();
    assert_eq!(encrypt_as(&deployment, "victim", "orders").await, Err(ErrorKind::NotFound));
    assert_eq!(encrypt_as(&deployment, "mate", "orders").await, Ok(*trap.key.id.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_as_a_key_of_a_ring_is_no_alias() {
    let deployment = at_home().await;
    let key = deployment.key_in("tools", "first", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let create = |alias: &str| CreateAlias { name: name(alias), key: KeyRef::Id(key.key.id) };
    for who in ["ada", "mallory"] {
        let plane = if who == "ada" { Plane::Control } else { Plane::Mixed };
        let refused = deployment.ask_at(who, plane, create("shop/main")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert!(refused.public_message().contains("reads as a key of ring `shop`"), "{refused}");
    }
    // Another beginning, more parts, or characters that no name has.
    for alias in ["payments/main", "shop/main/x", "shop/Main"] {
        deployment.ask_at("mallory", Plane::Mixed, create(alias)).await.unwrap();
    }
    assert!(encrypt_as(&deployment, "mate", "payments/main").await.is_ok());
    let ring = || CreateRing { name: "payments".parse().unwrap(), policy: RingPolicy::default() };
    let refused = deployment.ask("ada", ring()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert!(refused.public_message().contains("`payments/main`"), "{refused}");
    deployment.ask("ada", RemoveAlias { name: name("payments/main") }).await.unwrap();
    deployment.ask("ada", ring()).await.unwrap();
    assert_eq!(encrypt_as(&deployment, "mate", "payments/main").await, Err(ErrorKind::NotFound));
}

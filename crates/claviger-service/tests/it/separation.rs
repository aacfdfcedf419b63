//! Separation of duties while several people act at the same moment.

use std::net::{IpAddr, Ipv4Addr};

use claviger_access::Presented;
use claviger_core::key::{RingPolicy, Separation};
use claviger_core::port::Store as _;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::{Action, Purpose, Spec};
use claviger_service::operation::{
    AssignRole, CreateGrant, CreatePrincipal, CreateRing, GrantOn, Operation, RevokeGrant, SetRingSeparation,
};
use claviger_service::{Call, ErrorKind, KeyRef, PrincipalRef, Released, RingRef, Road, ServiceError};

use crate::deployment::{Deployment, reason_of};

async fn by_officer<O: Operation>(road: Road, operation: O) -> Result<Released<O::Output>, ServiceError> {
    // Not by Otto, who creates the people here.
    let surface = operation.action().surface();
    let call = Call {
        presented: Presented::certificate(b"certificate of olga"),
        source: IpAddr::V4(Ipv4Addr::LOCALHOST).into(),
        listener: surface.into(),
        plane: surface.into(),
        dry_run: false,
        request_id: None,
        idempotency_key: None,
        reason: reason_of(surface.into(), operation.action()),
        operation,
    };
    road.perform(call).await
}

fn encrypting(principal: &PrincipalRef, on: GrantOn) -> CreateGrant {
    CreateGrant {
        principal: principal.clone(),
        on,
        operations: vec![Action::Encrypt],
        conditions: Default::default(),
        name: None,
        retiring: None,
    }
}

async fn person(deployment: &Deployment, name: &str) -> PrincipalRef {
    let name: claviger_core::Name = name.parse().unwrap();
    let create = CreatePrincipal {
        name: name.clone(),
        kind: PrincipalKind::Human,
        home: None,
        environment: None,
        same_person_as: None,
    };
    deployment.ask("otto", create).await.unwrap();
    PrincipalRef::Name(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_a_role_and_a_use_at_the_same_moment() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for round in 0..30 {
        let principal = person(&deployment, &format!("person-{round}")).await;
        let grant = encrypting(&principal, GrantOn::Key(KeyRef::Id(key.key.id)));
        let assign = AssignRole { principal, role: Role::Administrator };
        let granted = tokio::spawn(by_officer(deployment.road.clone(), grant));
        let assigned = tokio::spawn(by_officer(deployment.road.clone(), assign));
        let (granted, assigned) = (granted.await.unwrap(), assigned.await.unwrap());
        assert_eq!(
            usize::from(granted.is_ok()) + usize::from(assigned.is_ok()),
            1,
            "round {round}: {:?}, {:?}",
            granted.err(),
            assigned.err()
        );
    }
}

async fn relaxed_ring(deployment: &Deployment, name: &str) -> RingRef {
    let ring: RingRef = name.parse().unwrap();
    let create = CreateRing { name: name.parse().unwrap(), policy: RingPolicy::default() };
    deployment.ask("ada", create).await.unwrap();
    let relax = SetRingSeparation { ring: ring.clone(), separation: Separation::Relaxed };
    deployment.ask("otto", relax).await.unwrap();
    ring
}

/// A ring becomes strict while an administrator is granted a use of it, and while a user of it becomes administrator.
#[tokio::test(flavor = "multi_thread")]
async fn no_ring_becomes_strict_at_the_moment_somebody_comes_to_administer_and_use_it() {
    let deployment = Deployment::build().await;
    for round in 0..15 {
        let ring = relaxed_ring(&deployment, &format!("ring-{round}")).await;
        let strict = || SetRingSeparation { ring: ring.clone(), separation: Separation::Strict };
        let who = person(&deployment, &format!("person-{round}")).await;
        let assign = || AssignRole { principal: who.clone(), role: Role::Administrator };
        let grant = || encrypting(&who, GrantOn::Ring(ring.clone()));
        let exactly_one = |one: bool, other: bool| assert!(one != other, "round {round}: {one}, {other}");
        if round % 2 == 0 {
            deployment.ask("olga", assign()).await.unwrap();
            let granted = tokio::spawn(by_officer(deployment.road.clone(), grant()));
            let restricted = tokio::spawn(by_officer(deployment.road.clone(), strict()));
            exactly_one(granted.await.unwrap().is_ok(), restricted.await.unwrap().is_ok());
        } else {
            deployment.ask("olga", grant()).await.unwrap();
            let assigned = tokio::spawn(by_officer(deployment.road.clone(), assign()));
            let restricted = tokio::spawn(by_officer(deployment.road.clone(), strict()));
            exactly_one(assigned.await.unwrap().is_ok(), restricted.await.unwrap().is_ok());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_to_one_principal_in_one_ring_do_not_wait_for_each_other_and_move_neither() {
    let deployment = Deployment::build().await;
    let key = deployment.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    let who = person(&deployment, "person").await;
    let PrincipalRef::Name(name) = &who else { panic!("by name") };
    let before = deployment.store.find_principal_by_name(name).await.unwrap().unwrap();
    let grant = || encrypting(&who, GrantOn::Key(KeyRef::Id(key.key.id)));
    let given: Vec<_> = (0..64).map(|_| tokio::spawn(by_officer(deployment.road.clone(), grant()))).collect();
    for one in given {
        one.await.unwrap().unwrap();
    }
    assert_eq!(deployment.store.find_principal(before.id).await.unwrap().unwrap().revision, before.revision);
    let ring = deployment.store.find_ring(key.ring.id).await.unwrap().unwrap();
    assert_eq!(ring.revision, key.ring.revision);
    // Who uses keys gets no role, and does once the last of the grants is gone.
    let assign = || AssignRole { principal: who.clone(), role: Role::Administrator };
    let refused = deployment.ask("olga", assign()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SeparationOfDuties);
    let filter = claviger_core::port::store::GrantFilter { principal: Some(before.id), ..Default::default() };
    let page = claviger_core::port::store::Page { after: None, limit: 100 };
    for grant in deployment.store.list_grants(filter, page).await.unwrap() {
        deployment.ask("otto", RevokeGrant { grant: grant.id }).await.unwrap();
    }
    deployment.ask("olga", assign()).await.unwrap();
}

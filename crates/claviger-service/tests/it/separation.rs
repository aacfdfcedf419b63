//! Separation of duties while several people act at the same moment.

use std::net::{IpAddr, Ipv4Addr};

use claviger_access::Presented;
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::{Action, Purpose, Spec};
use claviger_service::operation::{AssignRole, CreateGrant, CreatePrincipal, GrantOn, Operation};
use claviger_service::{Call, KeyRef, PrincipalRef, Released, Road, ServiceError};

use crate::house::House;

async fn by_officer<O: Operation>(road: Road, operation: O) -> Result<Released<O::Output>, ServiceError> {
    let surface = operation.action().surface();
    let call = Call {
        presented: Presented::certificate(b"certificate of otto"),
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        door: surface.into(),
        dry_run: false,
        request_id: None,
        idempotency_key: None,
        operation,
    };
    road.perform(call).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_an_office_and_a_use_at_the_same_moment() {
    let house = House::build().await;
    let key = house.key("cards", Purpose::Encrypt, Spec::Aes256Gcm).await;
    for round in 0..30 {
        let name: claviger_core::Name = format!("person-{round}").parse().unwrap();
        let create = CreatePrincipal { name: name.clone(), kind: PrincipalKind::Human, home: None };
        house.ask("otto", create).await.unwrap();
        let principal = PrincipalRef::Name(name);
        let grant = CreateGrant {
            principal: principal.clone(),
            on: GrantOn::Key(KeyRef::Id(key.key.id)),
            operations: vec![Action::Encrypt],
            conditions: Default::default(),
            reason: "test".into(),
            name: None,
            retiring: None,
        };
        let assign = AssignRole { principal, role: Role::Administrator };
        let granted = tokio::spawn(by_officer(house.road.clone(), grant));
        let assigned = tokio::spawn(by_officer(house.road.clone(), assign));
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

//! One call on its way: who asks what, and the way down the road.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};

use claviger_core::action::Plane;
use claviger_core::principal::Principal;
use claviger_core::{Source, Timestamp};
use claviger_service::operation::{Call, Operation, ReadSelf, Released};
use claviger_service::{ErrorKind, KeyRef, Presented, Road, ServiceError};

use crate::error::{AwsError, ErrorContext, to_wire};
use crate::intake::LISTENER;
use crate::realm::Realm;

/// Where a call goes.
#[derive(Clone, Copy, Debug)]
enum Way<'a> {
    /// Nowhere: what it says is read and checked, and no more.
    Nowhere,
    /// Down the road.
    Road(&'a Road),
}

/// A call.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    way: Way<'a>,
    realm: &'a Realm,
    presented: Presented,
    source: Source,
    request_id: &'a str,
    operation: &'static str,
    /// Did it come to an operation?
    performed: AtomicBool,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        road: &'a Road,
        realm: &'a Realm,
        presented: Presented,
        source: Source,
        request_id: &'a str,
        operation: &'static str,
    ) -> Self {
        let performed = AtomicBool::new(false);
        Self { way: Way::Road(road), realm, presented, source, request_id, operation, performed }
    }

    /// An unauthenticated call that ends where the road begins, with a fault.
    pub(crate) const fn nowhere(realm: &'a Realm, operation: &'static str) -> Self {
        let (presented, source) =
            (Presented::None, Source { address: IpAddr::V4(Ipv4Addr::LOCALHOST), tls: None });
        let performed = AtomicBool::new(false);
        Self { way: Way::Nowhere, realm, presented, source, request_id: "", operation, performed }
    }

    pub(crate) const fn realm(&self) -> &'a Realm {
        self.realm
    }

    /// What time it is here.
    pub(crate) fn now(&self) -> Timestamp {
        match self.way {
            Way::Nowhere => Timestamp::default(),
            Way::Road(road) => road.now(),
        }
    }

    pub(crate) const fn request_id(&self) -> &'a str {
        self.request_id
    }

    /// Takes an operation on a key down the road.
    pub(crate) async fn perform<O>(
        &self,
        wanted: &KeyRef,
        operation: O,
    ) -> Result<Released<O::Output>, AwsError>
    where
        O: Operation,
    {
        self.try_perform(operation, false).await.map_err(|error| self.failure_of(&error, wanted))
    }

    /// The same; if `dry`, it is only asked whether it would be done.
    pub(crate) async fn perform_or_try<O>(
        &self,
        wanted: &KeyRef,
        operation: O,
        dry: Option<bool>,
    ) -> Result<Released<O::Output>, AwsError>
    where
        O: Operation,
    {
        let done = self.try_perform(operation, dry == Some(true)).await;
        done.map_err(|error| self.failure_of(&error, wanted))
    }

    /// Takes an operation down the road that names no key.
    pub(crate) async fn perform_at_large<O: Operation>(
        &self,
        operation: O,
        missing: &str,
    ) -> Result<Released<O::Output>, AwsError> {
        self.try_perform(operation, false).await.map_err(|error| self.failure(&error, missing))
    }

    /// Takes an operation down the road, and leaves it to the caller what to make of a failure.
    pub(crate) async fn try_perform<O: Operation>(
        &self,
        operation: O,
        dry_run: bool,
    ) -> Result<Released<O::Output>, ServiceError> {
        let Way::Road(road) = self.way else { return Err(no_road()) };
        self.performed.store(true, Ordering::Relaxed);
        let call = Call {
            presented: self.presented.clone(),
            source: self.source,
            listener: LISTENER,
            plane: Plane::Mixed,
            dry_run,
            request_id: (!self.request_id.is_empty()).then(|| self.request_id.into()),
            idempotency_key: None,
            reason: None,
            operation,
        };
        road.perform(call).await
    }

    /// What answers an operation of AWS KMS that has no meaning here.
    pub(crate) fn unsupported(&self, message: &'static str) -> AwsError {
        match self.way {
            Way::Nowhere => self.failure(&no_road(), ""),
            Way::Road(_) => AwsError::unsupported(message),
        }
    }

    /// A refusal of a request that came to no operation, recorded as that. Those who may not ask at all learn that first.
    pub(crate) async fn refused(&self, error: AwsError) -> AwsError {
        let Way::Road(road) = self.way else { return error };
        if self.performed.load(Ordering::Relaxed) || error.is_fault() {
            return error;
        }
        let request_id = (!self.request_id.is_empty()).then_some(self.request_id);
        match road.record_malformed(&self.presented, self.source, LISTENER, request_id).await {
            Ok(entry) => error.recorded_at(entry),
            Err(refused) => self.failure(&refused, ""),
        }
    }

    /// Reads the principal that asks.
    pub(crate) async fn read_self(&self) -> Result<Released<std::sync::Arc<Principal>>, AwsError> {
        self.perform_at_large(ReadSelf {}, "").await
    }

    /// A failure in the words of this protocol.
    pub(crate) fn failure(&self, error: &ServiceError, missing: &str) -> AwsError {
        to_wire(error, ErrorContext { realm: self.realm(), operation: self.operation, missing, by_id: false })
    }

    /// A failure of an operation on a key.
    pub(crate) fn failure_of(&self, error: &ServiceError, wanted: &KeyRef) -> AwsError {
        let by_id = matches!(wanted, KeyRef::Id(_));
        to_wire(
            error,
            ErrorContext {
                realm: self.realm(),
                operation: self.operation,
                missing: &self.realm.missing(wanted),
                by_id,
            },
        )
    }
}

fn no_road() -> ServiceError {
    ServiceError::new(ErrorKind::Unavailable, "there is no road")
}

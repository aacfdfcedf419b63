//! Every decoder of foreign bytes in this crate that is not one of signatures, in one place, for fuzzing: each takes any
//! bytes and never panics.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use claviger_core::grant::{Basis, Grant, GrantOrigin, Selector, Spelling};
use claviger_core::lineage::Lineage;
use claviger_core::principal::Status;
use claviger_core::{GrantId, KeyId, PrincipalId, Timestamp};
use claviger_service::PrincipalRef;
use claviger_service::operation::{NamedGrant, NewGrant};

use crate::error::AwsError;
use crate::operation::{self, policy};
use crate::realm::Realm;
use crate::session::Session;

/// The name of every operation, ascending.
pub fn operations() -> impl ExactSizeIterator<Item = &'static str> {
    operation::ALL.iter().map(|operation| operation.name)
}

/// Reads and checks the body of a call of that operation, up to where the road begins.
///
/// # Errors
/// The exception that such a body is answered with, whoever asks.
pub fn body(realm: &Realm, operation: &str, bytes: &[u8]) -> Result<(), AwsError> {
    let operation = operation::find(operation).ok_or_else(AwsError::internal)?;
    let session = Session::nowhere(realm, operation.name);
    let call = pin!((operation.run)(&session, bytes));
    match call.poll(&mut Context::from_waker(Waker::noop())) {
        // Where the road would begin there is a fault, and none before.
        Poll::Ready(Err(error)) if !error.is_fault() => Err(error),
        Poll::Ready(_) | Poll::Pending => Ok(()),
    }
}

/// Reads a key policy, and writes it as it is answered again.
///
/// # Errors
/// The exception that such a policy is answered with.
pub fn key_policy(realm: &Realm, text: &str) -> Result<String, AwsError> {
    let grants: Vec<_> = policy::read(realm, text, None)?.grants.into_iter().filter_map(given).collect();
    Ok(policy::write(realm, &grants).to_string())
}

/// A right as if it had been given.
fn given(right: NewGrant) -> Option<NamedGrant> {
    let PrincipalRef::Name(principal) = right.principal else { return None };
    let grant = Grant {
        id: GrantId::from_bytes([0; 16]),
        principal: PrincipalId::from_bytes([0; 16]),
        selector: Selector::Key(KeyId::from_bytes([0; 16])),
        operations: right.operations,
        conditions: right.conditions,
        reason: None,
        name: Some(right.name),
        retiring: None,
        created_by: PrincipalId::from_bytes([0; 16]),
        created_at: Timestamp::default(),
        basis: Basis::Role,
        origin: GrantOrigin::KeyPolicy,
        spelling: Spelling { principal: right.spelled, retiring: None },
        status: Status::Active,
        ending: None,
        revision: 1,
    };
    let verdict = Lineage::default().judge(Timestamp::default()).verdict(&grant);
    Some(NamedGrant { grant, principal, retiring: None, verdict })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..256), text in ".{0,200}") {
            for operation in operations() {
                let _ = body(&Realm::default(), operation, &bytes);
                let _ = body(&Realm::default(), operation, text.as_bytes());
            }
            let _ = key_policy(&Realm::default(), &text);
        }
    }

    #[test]
    fn an_empty_body_is_one_that_says_nothing() {
        for operation in operations() {
            let said = |bytes| body(&Realm::default(), operation, bytes);
            assert_eq!(said(b""), said(b"{}"), "{operation}");
            assert_eq!(said(b"[]").unwrap_err().code(), "SerializationException", "{operation}");
        }
    }
}

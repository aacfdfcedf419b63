//! Every decoder of foreign bytes in this crate, in one place, for fuzzing: each takes any bytes and never panics.

use claviger_client::types::page::Batch;
use claviger_client::types::{
    alias, approval, asset, audit, break_glass, credential, declaration, governance, grant, key, plan,
    principal, reason, review, ring, usage,
};
use claviger_core::{
    AliasName, ApprovalId, BreakGlassId, CredentialId, DeclarationId, GrantId, KeyName, Name, ReviewId,
};
use http::header::{CONTENT_TYPE, IF_MATCH};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cursor::{self, List};
use crate::error::Failure;
use crate::operation::audit::RowPlace;
use crate::operation::raw::context_of;
use crate::wire::usage::WireUse;
use crate::{arrival, body, wire};

macro_rules! requests {
    ($($(#[$doc:meta])+ $variant:ident: |$bytes:ident| $decode:expr;)+) => {
        /// The bodies that are taken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Request {
            $($(#[$doc])+ $variant),+
        }

        impl Request {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Reads such a body as its route does.
            ///
            /// # Errors
            /// A [`Failure`] for bytes that are no such body.
            pub fn decode(self, bytes: &[u8]) -> Result<(), Failure> {
                match self {
                    $(Self::$variant => { let $bytes = bytes; $decode.map(|_| ()) })+
                }
            }
        }
    };
}

fn one<Q: WireUse>(bytes: &[u8]) -> Result<Q::Use, Failure> {
    body::parse::<Q>(bytes)?.into_use()
}

fn many<Q: WireUse>(bytes: &[u8]) -> Result<Vec<Q::Use>, Failure> {
    body::parse::<Batch<Q>>(bytes)?.items.into_iter().map(Q::into_use).collect()
}

requests! {
    /// To agree.
    Agree: |bytes| one::<usage::Agree>(bytes);
    /// To ask others for several acts.
    AskPlan: |bytes| body::parse(bytes).map(|wire: plan::AskPlan| wire::plan::plan_from_wire(wire));
    /// To sign a statement.
    Attest: |bytes| body::parse(bytes).map(|wire: declaration::Attest| wire::declaration::attest_from_wire(wire));
    /// To change a state.
    ChangeState: |bytes| body::parse::<key::ChangeState>(bytes);
    /// To create an alias.
    CreateAlias: |bytes| body::parse::<alias::CreateAlias>(bytes);
    /// To enter a data asset.
    CreateAsset: |bytes| body::parse(bytes).and_then(|wire: asset::CreateAsset| wire::asset::create_from_wire(wire));
    /// To create a credential.
    CreateCredential: |bytes| body::parse(bytes).and_then(|wire: credential::CreateCredential| {
        wire::identity::credential_from_wire(wire)
    });
    /// To create a grant.
    CreateGrant: |bytes| body::parse(bytes).and_then(|wire: grant::CreateGrant| wire::identity::grant_from_wire(wire));
    /// To create a key.
    CreateKey: |bytes| body::parse(bytes).and_then(|wire: key::CreateKey| wire::key::create_from_wire(wire));
    /// To create a principal.
    CreatePrincipal: |bytes| body::parse::<principal::CreatePrincipal>(bytes);
    /// To create a ring.
    CreateRing: |bytes| body::parse(bytes).map(|wire: ring::CreateRing| wire::ring::policy_from_wire(&wire.policy));
    /// To decapsulate.
    Decapsulate: |bytes| one::<usage::Decapsulate>(bytes);
    /// To decrypt.
    Decrypt: |bytes| one::<usage::Decrypt>(bytes);
    /// To decrypt many.
    DecryptBatch: |bytes| many::<usage::Decrypt>(bytes);
    /// To decide on items of an access review.
    DecideReview: |bytes| body::parse(bytes).and_then(|wire: review::DecideReview| {
        wire::review::decide_from_wire(ReviewId::from_bytes([0; 16]), &wire)
    });
    /// To approve or deny.
    DecideApproval: |bytes| body::parse::<approval::DecideApproval>(bytes);
    /// To declare something.
    Declare: |bytes| body::parse(bytes).and_then(|wire: declaration::Declare| wire::declaration::declare_from_wire(wire));
    /// To encapsulate.
    Encapsulate: |bytes| one::<usage::Encapsulate>(bytes);
    /// To encrypt.
    Encrypt: |bytes| one::<usage::Encrypt>(bytes);
    /// To encrypt many.
    EncryptBatch: |bytes| many::<usage::Encrypt>(bytes);
    /// To redeem a code.
    Enrol: |bytes| body::parse(bytes).map(|wire: credential::Enrol| wire::identity::enrol_from_wire(wire));
    /// To make a data key.
    GenerateDataKey: |bytes| body::parse::<usage::GenerateDataKey>(bytes);
    /// To say why.
    GiveReason: |bytes| body::parse::<reason::GiveReason>(bytes).and_then(|wire| wire::reason::reason_from_wire(wire.reason, wire.reason_code));
    /// To make a code.
    Mac: |bytes| one::<usage::Mac>(bytes);
    /// To move an alias.
    MoveAlias: |bytes| body::parse::<alias::MoveAlias>(bytes);
    /// To open emergency access.
    OpenBreakGlass: |bytes| body::parse(bytes).and_then(|wire: break_glass::OpenBreakGlass| wire::break_glass::open_from_wire(&wire));
    /// To open an access review.
    OpenReview: |bytes| body::parse(bytes).and_then(|wire: review::OpenReview| wire::review::open_from_wire(&wire));
    /// To draw random bytes.
    Random: |bytes| body::parse::<usage::Random>(bytes);
    /// To re-encrypt.
    Reencrypt: |bytes| one::<usage::Reencrypt>(bytes);
    /// To renew a credential.
    RenewCredential: |bytes| body::parse(bytes).map(|wire: credential::RenewCredential| wire::identity::renewal_from_wire(wire));
    /// To review emergency access.
    ReviewBreakGlass: |bytes| body::parse::<break_glass::ReviewBreakGlass>(bytes);
    /// To have a key destroyed.
    ScheduleDestroy: |bytes| body::parse::<key::ScheduleDestroy>(bytes);
    /// To set a ring's separation.
    SetSeparation: |bytes| body::parse::<ring::SetSeparation>(bytes);
    /// To sign.
    Sign: |bytes| one::<usage::Sign>(bytes);
    /// To sign an evidence pack.
    SignEvidence: |bytes| body::parse(bytes).and_then(|wire: audit::SignEvidence| wire::audit::evidence_from_wire(&wire));
    /// To unwrap.
    Unwrap: |bytes| one::<usage::Unwrap>(bytes);
    /// To change the rules of the deployment.
    UpdateGovernance: |bytes| body::parse::<governance::UpdateGovernance>(bytes);
    /// To change a key.
    UpdateKey: |bytes| body::parse(bytes).and_then(|wire: key::UpdateKey| wire::key::patch_from_wire(wire));
    /// To change a ring.
    UpdateRing: |bytes| body::parse(bytes).map(|wire: ring::UpdateRing| wire::ring::patch_from_wire(&wire.policy));
    /// To verify.
    Verify: |bytes| one::<usage::Verify>(bytes);
    /// To check a code.
    VerifyMac: |bytes| one::<usage::VerifyMac>(bytes);
    /// To wrap.
    Wrap: |bytes| one::<usage::Wrap>(bytes);
}

/// Reads header `claviger-context`.
///
/// # Errors
/// A [`Failure`] for bytes that are no context.
pub fn context_header(bytes: &[u8]) -> Result<(), Failure> {
    context_of(bytes).map(|_| ())
}

/// Reads a cursor as each list does; gives how many took it, which is one at most.
#[must_use]
pub fn cursors(text: &str) -> usize {
    [
        cursor::decode::<Name>(List::Access, text).is_ok(),
        cursor::decode::<AliasName>(List::Aliases, text).is_ok(),
        cursor::decode::<ApprovalId>(List::Approvals, text).is_ok(),
        cursor::decode::<Name>(List::Assets, text).is_ok(),
        cursor::decode::<BreakGlassId>(List::BreakGlass, text).is_ok(),
        cursor::decode::<CredentialId>(List::Credentials, text).is_ok(),
        cursor::decode::<DeclarationId>(List::Declarations, text).is_ok(),
        cursor::decode::<GrantId>(List::Grants, text).is_ok(),
        cursor::decode::<KeyName>(List::Keys, text).is_ok(),
        cursor::decode::<Name>(List::Principals, text).is_ok(),
        cursor::decode::<u32>(List::ReviewItems, text).is_ok(),
        cursor::decode::<ReviewId>(List::Reviews, text).is_ok(),
        cursor::decode::<Name>(List::Rings, text).is_ok(),
        cursor::decode::<RowPlace>(List::Rows, text).is_ok(),
        cursor::decode::<u32>(List::Versions, text).is_ok(),
    ]
    .into_iter()
    .filter(|taken| *taken)
    .count()
}

/// Reads header `If-Match`.
///
/// # Errors
/// A [`Failure`] for bytes that are no revision.
pub fn if_match(value: &[u8]) -> Result<(), Failure> {
    arrival::if_revision(&with(IF_MATCH, value)?).map(|_| ())
}

/// Reads header `Content-Type`.
///
/// # Errors
/// A [`Failure`] for bytes that are no form of a body.
pub fn content_type(value: &[u8]) -> Result<(), Failure> {
    body::form(&with(CONTENT_TYPE, value)?).map(|_| ())
}

fn with(name: HeaderName, value: &[u8]) -> Result<HeaderMap, Failure> {
    let value =
        HeaderValue::from_bytes(value).map_err(|_| Failure::malformed("no header has such a value"))?;
    Ok(HeaderMap::from_iter([(name, value)]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256), text in ".{0,200}") {
            for request in Request::ALL {
                let _ = request.decode(&bytes);
            }
            let _ = context_header(&bytes);
            let _ = if_match(&bytes);
            let _ = content_type(&bytes);
            prop_assert!(cursors(&text) <= 1);
        }

        #[test]
        fn no_json_panics(json in r#"\{"(plaintext|context|items|policy|name)":(null|\[\]|\{\}|"[a-zA-Z+/=]{0,12}"|[0-9]{1,24})\}"#) {
            for request in Request::ALL {
                let _ = request.decode(json.as_bytes());
            }
        }
    }
}

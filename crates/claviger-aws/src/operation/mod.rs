//! What each operation of AWS KMS does: check the input, go down the road, answer. One table names them all.

mod agree;
mod alias;
mod encapsulate;
mod grant;
mod import;
mod key;
mod mac;
mod metadata;
mod pair;
pub(crate) mod policy;
mod random;
mod rotation;
mod seal;
mod sign;
mod tag;
mod unsupported;
mod update;

use std::pin::Pin;

use crate::answer::Answered;
use crate::session::Session;

type Running<'a> = Pin<Box<dyn Future<Output = Answered> + Send + 'a>>;

/// An operation of AWS KMS.
#[derive(Clone, Copy)]
pub(crate) struct Operation {
    /// Its name.
    pub(crate) name: &'static str,
    /// Carries it out.
    pub(crate) run: for<'a> fn(&'a Session<'a>, &'a [u8]) -> Running<'a>,
}

macro_rules! operations {
    ($($name:ident => $function:path),+ $(,)?) => {
        /// Every operation, in the order of their names.
        pub(crate) const ALL: &[Operation] = &[$(Operation {
            name: stringify!($name),
            run: |session, body| Box::pin(async move { $function(session, crate::wire::parse(body)?).await }),
        }),+];
    };
}

operations! {
    CancelKeyDeletion => key::cancel_deletion,
    ConnectCustomKeyStore => unsupported::custom_key_store,
    CreateAlias => alias::create,
    CreateCustomKeyStore => unsupported::custom_key_store,
    CreateGrant => grant::create,
    CreateKey => key::create,
    Decapsulate => encapsulate::decapsulate,
    Decrypt => seal::decrypt,
    DeleteAlias => alias::delete,
    DeleteCustomKeyStore => unsupported::custom_key_store,
    DeleteImportedKeyMaterial => import::delete_material,
    DeriveSharedSecret => agree::derive_shared_secret,
    DescribeCustomKeyStores => unsupported::describe_custom_key_stores,
    DescribeKey => key::describe,
    DisableKey => key::disable,
    DisableKeyRotation => rotation::disable,
    DisconnectCustomKeyStore => unsupported::custom_key_store,
    EnableKey => key::enable,
    EnableKeyRotation => rotation::enable,
    Encapsulate => encapsulate::encapsulate,
    Encrypt => seal::encrypt,
    GenerateDataKey => seal::generate_data_key,
    GenerateDataKeyPair => pair::generate,
    GenerateDataKeyPairWithoutPlaintext => pair::generate_without_plaintext,
    GenerateDataKeyWithoutPlaintext => seal::generate_data_key_without_plaintext,
    GenerateMac => mac::generate,
    GenerateRandom => random::generate,
    GetKeyLastUsage => key::last_usage,
    GetKeyPolicy => policy::get,
    GetKeyRotationStatus => rotation::status,
    GetParametersForImport => import::parameters,
    GetPublicKey => sign::public_key,
    ImportKeyMaterial => import::import_material,
    ListAliases => alias::list,
    ListGrants => grant::list,
    ListKeyPolicies => policy::list,
    ListKeyRotations => rotation::list,
    ListKeys => key::list,
    ListResourceTags => tag::list,
    ListRetirableGrants => grant::list_retirable,
    PutKeyPolicy => policy::put,
    ReEncrypt => seal::re_encrypt,
    ReplicateKey => unsupported::multi_region,
    RetireGrant => grant::retire,
    RevokeGrant => grant::revoke,
    RotateKeyOnDemand => rotation::rotate_on_demand,
    ScheduleKeyDeletion => key::schedule_deletion,
    Sign => sign::sign,
    TagResource => tag::tag,
    UntagResource => tag::untag,
    UpdateAlias => alias::update,
    UpdateCustomKeyStore => unsupported::custom_key_store,
    UpdateKeyDescription => update::update_description,
    UpdatePrimaryRegion => unsupported::multi_region,
    Verify => sign::verify,
    VerifyMac => mac::verify,
}

/// The operation of that name.
pub(crate) fn find(name: &str) -> Option<Operation> {
    let at = ALL.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
    ALL.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_in_the_order_of_their_names() {
        assert!(ALL.is_sorted_by(|a, b| a.name < b.name));
        assert!(ALL.iter().all(|operation| find(operation.name).is_some()));
        assert!(find("Encryp").is_none() && find("encrypt").is_none() && find("").is_none());
    }
}

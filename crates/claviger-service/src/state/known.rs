//! Who is known by a credential.

use std::sync::Arc;

use claviger_access::SigningSecret;
use claviger_core::CredentialId;
use claviger_core::port::Provider;
use claviger_core::principal::{Credential, Principal};

use crate::error::ServiceError;

/// A credential with its principal, and with its secret if it is an access key. Forgotten, the secret is wiped.
#[derive(Debug)]
pub(crate) struct ResolvedCredential {
    pub(crate) principal: Arc<Principal>,
    pub(crate) credential: Arc<Credential>,
    pub(crate) secret: Option<SigningSecret>,
}

impl ResolvedCredential {
    pub(crate) async fn load(
        principal: Principal,
        credential: Credential,
        provider: &dyn Provider,
    ) -> Result<Self, ServiceError> {
        let secret = match &credential.access_key {
            None => None,
            Some(kept) => {
                let label = access_key_label(credential.id);
                Some(SigningSecret::new(&provider.unseal(&label, &kept.sealed_secret).await?))
            }
        };
        Ok(Self { principal: Arc::new(principal), credential: Arc::new(credential), secret })
    }
}

/// Under which label the secret of an access key is sealed.
pub(crate) fn access_key_label(credential: CredentialId) -> Vec<u8> {
    [b"claviger/access-key-secret/v1\0".as_slice(), credential.as_bytes()].concat()
}

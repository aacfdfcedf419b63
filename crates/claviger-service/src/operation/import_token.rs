//! What the service gives a caller so that material can be imported, and knows again when it comes: the private half of a
//! transport key, sealed under the root for one key and a day. Nothing of it is stored.

use std::time::Duration;

use claviger_core::key::Transport;
use claviger_core::port::{Provider, ProviderError};
use claviger_core::{KeyId, Spec, Timestamp};
use claviger_crypto::digest::sha256;
use claviger_crypto::{CryptoError, SecretBytes, WrappingAlgorithm, import};

use crate::error::{ErrorKind, ServiceError};

/// How long a token is good.
pub(super) const VALID: Duration = Duration::from_secs(24 * 3600);
/// Longest token that is looked at.
const MAX_LEN: usize = 6144;
const LABEL: &[u8] = b"claviger/v1/import-token\0";
const VERSION: u8 = 1;
/// Version, algorithm, spec and instant.
const HEAD: usize = 1 + 1 + 2 + 8;

/// The content of a token.
#[derive(Debug)]
pub(super) struct ImportToken {
    /// How the material is wrapped.
    pub(super) algorithm: WrappingAlgorithm,
    /// Which RSA key it is wrapped for.
    pub(super) spec: Spec,
    /// From then on the token is good no more.
    pub(super) expires_at: Timestamp,
    /// The private half of that key.
    pub(super) private: SecretBytes,
}

impl ImportToken {
    /// Seals the token for `key`.
    pub(super) async fn seal(&self, provider: &dyn Provider, key: KeyId) -> Result<Vec<u8>, ServiceError> {
        Ok(provider.seal(&label(key), &self.encode()).await?)
    }

    /// Opens what [`ImportToken::seal`] made for the same key, if it is still good at `now`.
    pub(super) async fn open(
        provider: &dyn Provider,
        key: KeyId,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<Self, ServiceError> {
        if sealed.len() > MAX_LEN {
            return Err(not_ours());
        }
        let content = provider.unseal(&label(key), sealed).await.map_err(|error| match error {
            ProviderError::BadInput | ProviderError::BadWrap => not_ours(),
            other => other.into(),
        })?;
        let token = Self::decode(&content).ok_or_else(not_ours)?;
        if token.expires_at <= now {
            let message = "the import token has expired; ask for new import parameters";
            return Err(ServiceError::new(ErrorKind::ImportTokenExpired, message));
        }
        Ok(token)
    }

    /// How material comes that was wrapped for it.
    pub(super) fn transport(&self) -> Result<Transport, ServiceError> {
        let key = import(self.spec, &self.private)?;
        let public = key.public.ok_or(CryptoError::Failed)?;
        Ok(Transport { algorithm: self.algorithm, spec: self.spec, key: sha256(&public) })
    }

    /// Takes material out of its wrapping.
    pub(super) fn unwrap(&self, wrapped: &[u8]) -> Result<SecretBytes, ServiceError> {
        self.algorithm.unwrap(self.spec, &self.private, wrapped).map_err(|error| match error {
            CryptoError::Failed => {
                let message = "the material was not wrapped for the key of this import token";
                ServiceError::new(ErrorKind::BadCiphertext, message)
            }
            other => other.into(),
        })
    }

    #[expect(clippy::disallowed_methods, reason = "a transport key is sealed under the root")]
    fn encode(&self) -> SecretBytes {
        let mut content = SecretBytes::zeroed(HEAD.saturating_add(self.private.len()));
        let head = [
            &[VERSION, self.algorithm.code()][..],
            &self.spec.code().to_be_bytes(),
            &self.expires_at.as_micros().to_be_bytes(),
        ];
        let (front, back) = content.expose_mut().split_at_mut(HEAD);
        front.copy_from_slice(&head.concat());
        back.copy_from_slice(self.private.expose());
        content
    }

    #[expect(clippy::disallowed_methods, reason = "a transport key comes from under the root")]
    fn decode(content: &SecretBytes) -> Option<Self> {
        let (head, private) = content.expose().split_first_chunk::<HEAD>()?;
        let [VERSION, algorithm, spec @ .., _, _, _, _, _, _, _, _] = *head else { return None };
        let (_, instant) = head.split_last_chunk::<8>()?;
        Some(Self {
            algorithm: WrappingAlgorithm::from_code(algorithm)?,
            spec: Spec::from_code(u16::from_be_bytes(spec))?,
            expires_at: Timestamp::from_micros(u64::from_be_bytes(*instant)),
            private: SecretBytes::copied_from(private),
        })
    }
}

fn label(key: KeyId) -> Vec<u8> {
    [LABEL, key.as_bytes()].concat()
}

fn not_ours() -> ServiceError {
    ServiceError::new(ErrorKind::ImportTokenInvalid, "the import token was not given for this key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_were_and_nothing_else_does() {
        let token = ImportToken {
            algorithm: WrappingAlgorithm::RsaAesKeyWrapSha256,
            spec: Spec::Rsa3072,
            expires_at: Timestamp::from_micros(0x0102_0304_0506_0708),
            private: SecretBytes::new(vec![9; 20]),
        };
        let content = token.encode();
        let back = ImportToken::decode(&content).unwrap();
        assert_eq!(
            (back.algorithm, back.spec, back.expires_at),
            (token.algorithm, token.spec, token.expires_at)
        );
        assert!(back.private.ct_eq(&token.private));
        for (at, wrong) in [(0, 2), (1, 0), (2, 0xff)] {
            let mut changed = token.encode();
            changed.expose_mut()[at] = wrong;
            assert!(ImportToken::decode(&changed).is_none(), "byte {at}");
        }
        assert!(ImportToken::decode(&SecretBytes::zeroed(HEAD - 1)).is_none());
    }
}

//! Uses of keys that carry the bytes as they are (`application/octet-stream`): no base64, no JSON, fewer copies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use claviger_crypto::{SecretBytes, SignatureAlgorithm};

use super::transport::{Request, segment};
use super::{Client, ClientError, Reply};
use crate::types::usage::Verified;
use crate::types::{Pairs, header};

/// How to sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignOptions {
    /// The algorithm; the key's own where it knows but one.
    pub algorithm: Option<SignatureAlgorithm>,
    /// Whether the message is a digest.
    pub prehashed: bool,
}

/// How to verify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// The algorithm; the key's own where it knows but one.
    pub algorithm: Option<SignatureAlgorithm>,
    /// Whether the message is a digest.
    pub prehashed: bool,
    /// The version that is said to have signed; any when absent.
    pub version: Option<u32>,
}

#[expect(
    clippy::missing_errors_doc,
    reason = "every call fails as `ClientError` says, and says so in its type"
)]
impl Client {
    /// Encrypts the bytes.
    pub async fn encrypt_bytes(&self, key: &str, plaintext: Bytes, context: &Pairs) -> Reply<Bytes> {
        let request = self.use_of(path(key, "encrypt")).context(context)?.octets(plaintext);
        Ok(request.answer_octets().await?.map(to_bytes))
    }

    /// Decrypts the bytes.
    pub async fn decrypt_bytes(&self, key: &str, ciphertext: Bytes, context: &Pairs) -> Reply<SecretBytes> {
        self.use_of(path(key, "decrypt")).context(context)?.octets(ciphertext).answer_octets().await
    }

    /// Decrypts the bytes with the key that they name.
    pub async fn decrypt_bytes_by_header(&self, ciphertext: Bytes, context: &Pairs) -> Reply<SecretBytes> {
        self.use_of("/v1/decrypt".into()).context(context)?.octets(ciphertext).answer_octets().await
    }

    /// Signs the bytes.
    pub async fn sign_bytes(&self, key: &str, message: Bytes, options: SignOptions) -> Reply<Bytes> {
        let request =
            self.use_of(path(key, "sign")).signing(options.algorithm, options.prehashed).octets(message);
        Ok(request.answer_octets().await?.map(to_bytes))
    }

    /// Verifies a signature over the bytes.
    pub async fn verify_bytes(
        &self,
        key: &str,
        message: Bytes,
        signature: &[u8],
        options: VerifyOptions,
    ) -> Reply<Verified> {
        let request = self.use_of(path(key, "verify")).signing(options.algorithm, options.prehashed);
        let request = request.header(header::SIGNATURE, &STANDARD.encode(signature)).version(options.version);
        request.octets(message).answer().await
    }

    /// Makes a message authentication code of the bytes.
    pub async fn mac_bytes(&self, key: &str, data: Bytes) -> Reply<Bytes> {
        Ok(self.use_of(path(key, "mac")).octets(data).answer_octets().await?.map(to_bytes))
    }

    /// Checks a message authentication code of the bytes.
    pub async fn verify_mac_bytes(
        &self,
        key: &str,
        data: Bytes,
        tag: &[u8],
        version: Option<u32>,
    ) -> Reply<Verified> {
        let request =
            self.use_of(path(key, "verify-mac")).header(header::TAG, &STANDARD.encode(tag)).version(version);
        request.octets(data).answer().await
    }
}

impl Request<'_> {
    fn context(self, context: &Pairs) -> Result<Self, ClientError> {
        if context.is_empty() {
            return Ok(self);
        }
        let json = serde_json::to_vec(context).map_err(|error| ClientError::Setup(error.to_string()))?;
        Ok(self.header(header::CONTEXT, &STANDARD.encode(json)))
    }

    fn signing(self, algorithm: Option<SignatureAlgorithm>, prehashed: bool) -> Self {
        let request = match algorithm {
            Some(algorithm) => self.header(header::ALGORITHM, algorithm.name()),
            None => self,
        };
        if prehashed { request.header(header::PREHASHED, "true") } else { request }
    }

    fn version(self, version: Option<u32>) -> Self {
        match version {
            Some(number) => self.header(header::VERSION, &number.to_string()),
            None => self,
        }
    }
}

fn path(key: &str, verb: &str) -> String {
    format!("/v1/keys/{}/{verb}", segment(key))
}

fn to_bytes(bytes: SecretBytes) -> Bytes {
    Bytes::from_owner(bytes.into_body())
}

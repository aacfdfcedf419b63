//! Credentials: what proves a principal.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{
    AccessKeyIdText, CredentialIdText, CredentialKindWord, NameText, PrincipalIdText, StandingWord,
};
use super::{Base64Bytes, Instant, Pairs, Reason, SecretText};

/// One proof of a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// Its identifier.
    pub id: CredentialIdText,
    /// Whom it proves.
    pub principal: PrincipalIdText,
    /// What it is.
    pub kind: CredentialKindWord,
    /// SHA-256 of the certificate (DER) or of the token, or a digest of the access key's identifier, in lower-case
    /// hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub digest: String,
    /// The identifier of an access key, which its requests name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<AccessKeyIdText>,
    /// A word that distinguishes it from others.
    pub label: NameText,
    /// Whether it is still valid.
    pub standing: StandingWord,
    /// Who made it: the nil UUID for the set-up and for a recovery; absent where an older release did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<PrincipalIdText>,
    /// When it was created.
    pub created_at: Instant,
    /// When it ends by itself.
    pub expires_at: Instant,
    /// Why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Names of what is here by identifier, by that identifier. Absent in lists of keys and principals.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
    /// Counts its changes.
    pub revision: u64,
}

/// Gives a credential to a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCredential {
    /// To whom, by identifier or name.
    pub principal: String,
    /// A word that distinguishes it from others.
    pub label: NameText,
    /// What it shall be.
    pub credential: NewCredential,
}

/// What a new credential shall be: `{"access_key": {...}}`, `{"certificate": {...}}` or `{"token": {...}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NewCredential {
    /// An access key for an application, which signs requests (AWS Signature Version 4), made here and shown once.
    AccessKey(NewAccessKey),
    /// A certificate that the principal presents in the TLS handshake.
    Certificate(NewCertificate),
    /// A bearer token, made here and shown once.
    Token(NewToken),
}

/// An access key to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccessKey {
    /// How long it shall count: up to 366 days, up to 12 hours if it is short-lived.
    pub lifetime_seconds: u64,
    /// Shall it go with a session token?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub short_lived: bool,
}

/// A certificate to know a principal by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCertificate {
    /// The certificate (X.509 version 3, DER), which an authority issued whom the listeners trust.
    pub der: Base64Bytes,
    /// Those between it and that authority, if there are any: up to 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub chain: Vec<Base64Bytes>,
    /// When it shall count no more; not later than the certificate says.
    pub expires_at: Instant,
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// How long it shall count.
    pub lifetime_seconds: u64,
}

/// A credential that was just made, with its secret if it has one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CreatedCredential {
    /// The credential.
    pub credential: Credential,
    /// The token. It is kept nowhere and shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretText>,
    /// The secret of an access key. It is shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<AccessKeySecret>,
}

/// An access key in clear.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccessKeySecret {
    /// Its identifier.
    pub access_key_id: AccessKeyIdText,
    /// The secret that signs.
    pub secret_access_key: SecretText,
    /// The token that goes with each request of a short-lived one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<SecretText>,
}

/// What to list of the credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListCredentials {
    /// Only of this principal, by identifier or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

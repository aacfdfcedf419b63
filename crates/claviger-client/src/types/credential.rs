//! Credentials: what proves a principal.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{
    AccessKeyIdText, CredentialIdText, CredentialKindWord, HowWord, NameText, PrincipalIdText, StatusWord,
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
    /// SHA-256 of the certificate (DER), of the token or of the code, or a digest of the access key's identifier, in lower-case
    /// hexadecimal.
    #[schema(
        example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        pattern = "^[0-9a-f]{64}$"
    )]
    pub digest: String,
    /// The identifier of an access key, which its requests name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<AccessKeyIdText>,
    /// A word that distinguishes it from others.
    pub label: NameText,
    /// Whether it is still valid.
    pub standing: StatusWord,
    /// Who made it: the nil UUID for the set-up and for a recovery; absent where an older release did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<PrincipalIdText>,
    /// The credential that its holder renewed by this one, or the code that was redeemed for it. Whoever revokes one of such a line revokes all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews: Option<CredentialIdText>,
    /// Does it prove nothing yet, because its holder has not confirmed it?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_confirmation: bool,
    /// When it was created.
    pub created_at: Instant,
    /// When it ends by itself.
    pub expires_at: Instant,
    /// Why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What ended it, if something did: it proves nobody any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<CredentialEnded>,
    /// Names of what is here by identifier, by that identifier. Absent in lists of keys and principals.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
    /// Counts its changes.
    pub revision: u64,
}

/// What ended a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CredentialEnded {
    /// In which way: `revoked`, `principal_revoked` or `expired`.
    pub how: HowWord,
    /// When, where that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Instant>,
    /// By whom, where that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PrincipalIdText>,
    /// Why it, or its principal, was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Gives a credential to a principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCredential {
    /// To whom, by identifier or name.
    #[schema(example = "app")]
    pub principal: String,
    /// A word that distinguishes it from others.
    pub label: NameText,
    /// What it shall be.
    pub credential: NewCredential,
    /// Shall it, a certificate, prove nothing until its holder confirms it by another that they have? Then nobody else need approve it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub to_confirm: bool,
}

/// What a new credential shall be: `{"access_key": {...}}`, `{"certificate": {...}}`, `{"enrolment_code": {...}}` or `{"token": {...}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NewCredential {
    /// An access key for an application, which signs requests (AWS Signature Version 4), made here and shown once.
    AccessKey(NewAccessKey),
    /// A certificate that the principal presents in the TLS handshake.
    Certificate(NewCertificate),
    /// A code, made here and shown once, which a person redeems once for a certificate for a key of their own.
    EnrolmentCode(NewEnrolmentCode),
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

/// A code to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEnrolmentCode {
    /// For how long it can be redeemed: up to 30 days.
    pub lifetime_seconds: u64,
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
    /// The code to enrol with. It is kept nowhere and shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment_code: Option<SecretText>,
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

/// Renews the credential by which the call is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewCredential {
    /// What the next one shall be.
    pub credential: Renewal,
}

/// What renews a credential: `{"certificate": {...}}` or `{"request": {...}}` a certificate, `{"token": {...}}` a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Renewal {
    /// A certificate that was issued for a new key.
    Certificate(RenewingCertificate),
    /// A request for a certificate, which the deployment's authority issues, if its key is on the server.
    Request(CertificateRequest),
    /// A token, made here and shown once.
    Token(RenewingToken),
}

/// A certificate that renews one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewingCertificate {
    /// The certificate (X.509 version 3, DER), which an authority issued whom the listeners trust.
    pub der: Base64Bytes,
    /// Those between it and that authority, if there are any: up to 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub chain: Vec<Base64Bytes>,
    /// When it shall end as a credential: not later than the certificate, than the one before would have lived, and than its
    /// line does. As late as that unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Instant>,
}

/// A request for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateRequest {
    /// The request (PKCS #10, DER), signed by the new key. Of it nothing but the key is heeded.
    pub der: Base64Bytes,
    /// How long the certificate shall be valid; as long as the one before unless said otherwise, and never longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<u64>,
}

/// A token that renews one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewingToken {
    /// How long it shall be valid; as long as the one before unless said otherwise, and never longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<u64>,
}

/// A credential that renewed the one by which the call was made, with its secret if it has one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RenewedCredential {
    /// The credential.
    pub credential: Credential,
    /// The token. It is kept nowhere and shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretText>,
    /// The certificate (DER) that was issued for the request. It is kept nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Base64Bytes>,
    /// The one before, with the end that it has now: within a day.
    pub before: Credential,
    /// Those that had renewed the same one earlier, and are revoked now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<CredentialIdText>,
}

/// Redeems the code by which the call is made, which ends with that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Enrol {
    /// The request for a certificate (PKCS #10, DER), signed by the new key. Of it nothing but the key is heeded.
    pub request: Base64Bytes,
    /// How long the certificate shall be valid: up to 397 days, as long as that unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<u64>,
}

/// What a code was redeemed for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EnrolledCredential {
    /// The credential.
    pub credential: Credential,
    /// The certificate (DER) that was issued for the request. It is kept nowhere.
    pub certificate: Base64Bytes,
    /// What its holder is called in the deployment.
    pub name: NameText,
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

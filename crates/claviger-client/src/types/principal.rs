//! Principals and their roles.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::credential::Credential;
use super::text::{
    ActionWord, ApprovalIdText, CapacityText, Covered, CredentialIdText, GrantIdText, KeyIdText, KeyNameText,
    KeyRingIdText, NameText, PrincipalIdText, PrincipalKindWord, RoleWord, StatusWord,
};
use super::{Instant, Pairs, Reason};

/// Someone or something that acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Principal {
    /// Its identifier.
    pub id: PrincipalIdText,
    /// Its name, unique for ever.
    pub name: NameText,
    /// What it is.
    pub kind: PrincipalKindWord,
    /// Whether it is still valid.
    pub standing: StatusWord,
    /// Its roles.
    pub roles: Vec<RoleWord>,
    /// What the person answers for, and so which statements are theirs to sign. Absent where that is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacities: Vec<HeldCapacity>,
    /// The ring that keys land in which it creates without naming one, if it has such a ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<KeyRingIdText>,
    /// The environment that it belongs to; absent is that of the deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<NameText>,
    /// The account that stood for the same person first: the two are one person wherever people are counted. Absent where it is the only
    /// one, or that first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_person_as: Option<PrincipalIdText>,
    /// Who created it: the nil UUID for the set-up and for a recovery; absent where an older release did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<PrincipalIdText>,
    /// When it was created.
    pub created_at: Instant,
    /// Present for a security officer that `claviger recover` made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// Why its roles or its standing last changed, or why it was erased. Absent where nobody was asked, and in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// When it was erased who it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<Instant>,
    /// Names of what is here by identifier, by that identifier. Absent in lists of keys and principals.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
    /// Counts its changes; the ETag of a read.
    pub revision: u64,
}

/// Something that a person answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldCapacity {
    /// What.
    pub capacity: CapacityText,
    /// Who said so.
    pub given_by: PrincipalIdText,
}

/// A security officer was made on the machine, with the root's own secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recovery {
    /// When it was made.
    pub at: Instant,
    /// Who has acknowledged it since; absent until somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<PrincipalIdText>,
}

/// Creates a principal, without roles, grants or credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePrincipal {
    /// Its name.
    pub name: NameText,
    /// What it is.
    pub kind: PrincipalKindWord,
    /// The ring, by identifier or name, that keys land in which it creates without naming one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// The environment that it belongs to, for ever; that of the deployment unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<NameText>,
    /// Another account of the same person, by identifier or name, for ever: nobody approves by one what was asked for by the other, or
    /// approves twice. For people only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_person_as: Option<String>,
}

/// What became of a person who left, and what they leave behind: of each kind 100 at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Departure {
    /// The principal as it is now: revoked, and without roles.
    pub principal: Principal,
    /// The roles that were withdrawn.
    pub roles: Vec<RoleLeft>,
    /// The capacities that were withdrawn: somebody else is to answer for each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capacities: Vec<CapacityText>,
    /// The most custodians that a ring, or the deployment, asks for; 0 where who left was none.
    pub quorum: u8,
    /// The credentials that were revoked. All others of the principal prove nobody either.
    pub credentials: Vec<CredentialIdText>,
    /// What they had asked others to approve, and was cancelled.
    pub cancelled: Vec<ApprovalIdText>,
    /// What others asked for, is open, and they had approved: that does not count any more.
    pub approved: Vec<ApprovalIdText>,
    /// Keys that they own: each wants another owner.
    pub keys: Vec<OwnedKey>,
    /// Are there more of these keys?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_keys: bool,
    /// Grants that they held. All of them have ended, with what was passed on from them.
    pub grants: Vec<HeldGrant>,
    /// Are there more of these grants?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_grants: bool,
    /// Principals that they created.
    pub made_principals: Vec<MadePrincipal>,
    /// Are there more of these principals?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_made_principals: bool,
    /// Credentials of others that they made, and may have kept the secrets of: those that end first before others.
    pub made_credentials: Vec<Credential>,
    /// Are there more of these credentials?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_made_credentials: bool,
    /// Other accounts of the same person, which can still act.
    pub accounts: Vec<MadePrincipal>,
    /// Could something of this not be read, because a row was altered in the store? They are gone all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// Names of what is here by identifier, by that identifier.
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    pub names: Pairs,
}

/// A role that was withdrawn from a person who left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoleLeft {
    /// The role.
    pub role: RoleWord,
    /// How many other persons hold it; of custodians, those who have a certificate to approve by.
    pub others: u64,
}

/// A key by identifier and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnedKey {
    /// Its identifier.
    pub id: KeyIdText,
    /// Its full name.
    pub name: KeyNameText,
}

/// A grant that ended with its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldGrant {
    /// Its identifier.
    pub id: GrantIdText,
    /// The key or ring that it covers.
    pub on: Covered,
    /// The uses that it allowed.
    pub operations: Vec<ActionWord>,
}

/// A principal by identifier, name and kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadePrincipal {
    /// Its identifier.
    pub id: PrincipalIdText,
    /// Its name.
    pub name: NameText,
    /// What it is.
    pub kind: PrincipalKindWord,
}

/// What to list of the principals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListPrincipals {
    /// Where to begin: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many at most: 1 to 1000, 100 unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

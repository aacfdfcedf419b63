//! Principals and their roles.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::text::{KeyRingIdText, NameText, PrincipalIdText, PrincipalKindWord, RoleWord, StatusWord};
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
    /// The ring that keys land in which it creates without naming one, if it has such a ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<KeyRingIdText>,
    /// The environment that it belongs to; absent is that of the deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<NameText>,
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

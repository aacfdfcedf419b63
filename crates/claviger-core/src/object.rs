//! Objects of a deployment: what has a row of its own, an identifier and revisions.

use std::fmt;
use std::str::FromStr;

use crate::alert::Alert;
use crate::alias::Alias;
use crate::approval::Approval;
use crate::asset::Asset;
use crate::break_glass::BreakGlass;
use crate::change::VeilName;
use crate::declaration::Declaration;
use crate::governance::Governance;
use crate::grant::Grant;
use crate::key::{Key, KeyRing, KeyVersion};
use crate::node::Node;
use crate::principal::{Credential, Principal};
use crate::reason::ReasonRecord;
use crate::review::Review;
use crate::rights_review::RightsReview;
use crate::{
    AlertId, AliasId, ApprovalId, AssetId, BreakGlassId, CredentialId, DeclarationId, GovernanceId, GrantId,
    KeyId, KeyRingId, KeyVersionId, NodeId, PrincipalId, ReasonId, ReviewId, RightsReviewId,
};

/// A kind of object. The numbers are for ever: facts have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A key ring, with its policy.
    Ring = 1,
    /// A key.
    Key = 2,
    /// A version of a key.
    Version = 3,
    /// A principal, with its roles.
    Principal = 4,
    /// A credential.
    Credential = 5,
    /// A grant.
    Grant = 6,
    /// An alias.
    Alias = 7,
    /// A reason that somebody gave.
    Reason = 8,
    /// A review of rights.
    RightsReview = 9,
    /// A node, as it says that it is.
    Node = 10,
    /// A data asset.
    Asset = 11,
    /// A declaration.
    Declaration = 12,
    /// What somebody asked for that others must approve.
    Approval = 13,
    /// The rules of the deployment.
    Governance = 14,
    /// An access review.
    Review = 15,
    /// An alert.
    Alert = 16,
    /// An emergency access.
    BreakGlass = 17,
}

crate::named! {
    /// Text that is not a kind of object.
    Kind, "a kind of object" {
        Ring = "ring",
        Key = "key",
        Version = "version",
        Principal = "principal",
        Credential = "credential",
        Grant = "grant",
        Alias = "alias",
        Reason = "reason",
        RightsReview = "rights_review",
        Node = "node",
        Asset = "asset",
        Declaration = "declaration",
        Approval = "approval",
        Governance = "governance",
        Review = "review",
        Alert = "alert",
        BreakGlass = "break_glass",
    }
}

impl Kind {
    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with the next number.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::from_code(self.code() + 1)
    }

    /// The kind of that number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// An object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Object {
    /// A ring.
    Ring(KeyRingId),
    /// A key.
    Key(KeyId),
    /// A version.
    Version(KeyVersionId),
    /// A principal.
    Principal(PrincipalId),
    /// A credential.
    Credential(CredentialId),
    /// A grant.
    Grant(GrantId),
    /// An alias.
    Alias(AliasId),
    /// A reason.
    Reason(ReasonId),
    /// A review of rights.
    RightsReview(RightsReviewId),
    /// A node.
    Node(NodeId),
    /// A data asset.
    Asset(AssetId),
    /// A declaration.
    Declaration(DeclarationId),
    /// What somebody asked for that others must approve.
    Approval(ApprovalId),
    /// The rules of the deployment.
    Governance(GovernanceId),
    /// An access review.
    Review(ReviewId),
    /// An alert.
    Alert(AlertId),
    /// An emergency access.
    BreakGlass(BreakGlassId),
}

impl Object {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Ring(_) => Kind::Ring,
            Self::Key(_) => Kind::Key,
            Self::Version(_) => Kind::Version,
            Self::Principal(_) => Kind::Principal,
            Self::Credential(_) => Kind::Credential,
            Self::Grant(_) => Kind::Grant,
            Self::Alias(_) => Kind::Alias,
            Self::Reason(_) => Kind::Reason,
            Self::RightsReview(_) => Kind::RightsReview,
            Self::Node(_) => Kind::Node,
            Self::Asset(_) => Kind::Asset,
            Self::Declaration(_) => Kind::Declaration,
            Self::Approval(_) => Kind::Approval,
            Self::Governance(_) => Kind::Governance,
            Self::Review(_) => Kind::Review,
            Self::Alert(_) => Kind::Alert,
            Self::BreakGlass(_) => Kind::BreakGlass,
        }
    }

    /// Its identifier: 16 bytes, of a version those of its key and the number (4 bytes, big-endian).
    #[must_use]
    pub fn id(&self) -> Vec<u8> {
        match self {
            Self::Ring(id) => id.as_bytes().to_vec(),
            Self::Key(id) => id.as_bytes().to_vec(),
            Self::Version(id) => [id.key.as_bytes().as_slice(), &id.number.to_be_bytes()].concat(),
            Self::Principal(id) => id.as_bytes().to_vec(),
            Self::Credential(id) => id.as_bytes().to_vec(),
            Self::Grant(id) => id.as_bytes().to_vec(),
            Self::Alias(id) => id.as_bytes().to_vec(),
            Self::Reason(id) => id.as_bytes().to_vec(),
            Self::RightsReview(id) => id.as_bytes().to_vec(),
            Self::Node(id) => id.as_bytes().to_vec(),
            Self::Asset(id) => id.as_bytes().to_vec(),
            Self::Declaration(id) => id.as_bytes().to_vec(),
            Self::Approval(id) => id.as_bytes().to_vec(),
            Self::Governance(id) => id.as_bytes().to_vec(),
            Self::Review(id) => id.as_bytes().to_vec(),
            Self::Alert(id) => id.as_bytes().to_vec(),
            Self::BreakGlass(id) => id.as_bytes().to_vec(),
        }
    }

    /// The name of the key that seals its fields, for objects that have one of their own.
    #[must_use]
    pub fn veil_name(&self) -> Option<VeilName> {
        let id = match self {
            Self::Ring(id) => *id.as_bytes(),
            Self::Key(id) => *id.as_bytes(),
            Self::Principal(id) => *id.as_bytes(),
            Self::Grant(id) => *id.as_bytes(),
            Self::Alias(id) => *id.as_bytes(),
            Self::Reason(id) => *id.as_bytes(),
            Self::Asset(id) => *id.as_bytes(),
            Self::Declaration(id) => *id.as_bytes(),
            Self::Approval(id) => *id.as_bytes(),
            Self::Version(_)
            | Self::Credential(_)
            | Self::RightsReview(_)
            | Self::Node(_)
            | Self::Governance(_)
            | Self::Review(_)
            | Self::Alert(_)
            | Self::BreakGlass(_) => return None,
        };
        Some(VeilName { kind: self.kind().code(), id })
    }

    /// The object of that kind and identifier, if it is one.
    #[must_use]
    pub fn from_id(kind: Kind, id: &[u8]) -> Option<Self> {
        if kind == Kind::Version {
            let (key, number) = id.split_first_chunk::<16>()?;
            let number = u32::from_be_bytes(number.try_into().ok()?);
            return Some(Self::Version(KeyVersionId { key: KeyId::from_bytes(*key), number }));
        }
        let id: [u8; 16] = id.try_into().ok()?;
        Some(match kind {
            Kind::Ring => Self::Ring(KeyRingId::from_bytes(id)),
            Kind::Key => Self::Key(KeyId::from_bytes(id)),
            Kind::Principal => Self::Principal(PrincipalId::from_bytes(id)),
            Kind::Credential => Self::Credential(CredentialId::from_bytes(id)),
            Kind::Grant => Self::Grant(GrantId::from_bytes(id)),
            Kind::Alias => Self::Alias(AliasId::from_bytes(id)),
            Kind::Reason => Self::Reason(ReasonId::from_bytes(id)),
            Kind::RightsReview => Self::RightsReview(RightsReviewId::from_bytes(id)),
            Kind::Node => Self::Node(NodeId::from_bytes(id)),
            Kind::Asset => Self::Asset(AssetId::from_bytes(id)),
            Kind::Declaration => Self::Declaration(DeclarationId::from_bytes(id)),
            Kind::Approval => Self::Approval(ApprovalId::from_bytes(id)),
            Kind::Governance => Self::Governance(GovernanceId::from_bytes(id)),
            Kind::Review => Self::Review(ReviewId::from_bytes(id)),
            Kind::Alert => Self::Alert(AlertId::from_bytes(id)),
            Kind::BreakGlass => Self::BreakGlass(BreakGlassId::from_bytes(id)),
            Kind::Version => return None,
        })
    }
}

impl Object {
    /// Its identifier as it is shown: a UUID, of a version that of its key with the number.
    #[must_use]
    pub fn shown_id(&self) -> String {
        match self {
            Self::Ring(id) => id.to_string(),
            Self::Key(id) => id.to_string(),
            Self::Version(id) => id.to_string(),
            Self::Principal(id) => id.to_string(),
            Self::Credential(id) => id.to_string(),
            Self::Grant(id) => id.to_string(),
            Self::Alias(id) => id.to_string(),
            Self::Reason(id) => id.to_string(),
            Self::RightsReview(id) => id.to_string(),
            Self::Node(id) => id.to_string(),
            Self::Asset(id) => id.to_string(),
            Self::Declaration(id) => id.to_string(),
            Self::Approval(id) => id.to_string(),
            Self::Governance(id) => id.to_string(),
            Self::Review(id) => id.to_string(),
            Self::Alert(id) => id.to_string(),
            Self::BreakGlass(id) => id.to_string(),
        }
    }
}

/// Text that is no object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an object: its kind, a space and its identifier are expected, as in `asset 01940f3e-7b1c-7d20-8c3e-5a6f1b2c3d4e`"
)]
pub struct NotAnObject;

/// As it is shown.
impl FromStr for Object {
    type Err = NotAnObject;

    fn from_str(text: &str) -> Result<Self, NotAnObject> {
        let (kind, shown) = text.split_once(' ').ok_or(NotAnObject)?;
        let kind: Kind = kind.parse().map_err(|_| NotAnObject)?;
        let (shown, number) = match shown.split_once('/') {
            Some((shown, number)) => {
                (shown, number.parse::<u32>().map_err(|_| NotAnObject)?.to_be_bytes().to_vec())
            }
            None => (shown, Vec::new()),
        };
        // Identifiers of every kind read alike.
        let id: KeyId = shown.parse().map_err(|_| NotAnObject)?;
        let object = Self::from_id(kind, &[id.as_bytes().as_slice(), &number].concat());
        // One object, one spelling.
        object.filter(|object| object.to_string() == text).ok_or(NotAnObject)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.shown_id())
    }
}

/// Where a walk over the rows of all objects goes on: in a kind, behind an object of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCursor {
    /// The kind.
    pub kind: Kind,
    /// The object; none for the first of the kind.
    pub after: Option<Object>,
}

impl Default for RowCursor {
    fn default() -> Self {
        Self { kind: Kind::Ring, after: None }
    }
}

impl RowCursor {
    /// Where to go on behind rows that were read from here, of which `last` was the last, if as many as were asked for were
    /// there; `None` when all were read.
    #[must_use]
    pub fn next(self, last: Option<Object>, is_full: bool) -> Option<Self> {
        match last {
            Some(last) if is_full => Some(Self { kind: self.kind, after: Some(last) }),
            _ => self.kind.next().map(|kind| Self { kind, after: None }),
        }
    }
}

/// A row as it stands, whichever object it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateRow {
    /// Of an alert.
    Alert(Alert),
    /// Of an alias.
    Alias(Alias),
    /// Of what somebody asked for that others must approve.
    Approval(Approval),
    /// Of a data asset.
    Asset(Asset),
    /// Of an emergency access.
    BreakGlass(BreakGlass),
    /// Of a credential.
    Credential(Credential),
    /// Of a declaration.
    Declaration(Declaration),
    /// Of the rules of the deployment.
    Governance(Governance),
    /// Of a grant.
    Grant(Grant),
    /// Of a key.
    Key(Key),
    /// Of a node.
    Node(Node),
    /// Of a principal.
    Principal(Principal),
    /// Of a reason.
    Reason(ReasonRecord),
    /// Of an access review.
    Review(Review),
    /// Of a review of rights.
    RightsReview(RightsReview),
    /// Of a ring.
    Ring(KeyRing),
    /// Of a version.
    Version(KeyVersion),
}

impl StateRow {
    /// The object that it is of.
    #[must_use]
    pub const fn object(&self) -> Object {
        match self {
            Self::Alert(alert) => Object::Alert(alert.id),
            Self::Alias(alias) => Object::Alias(alias.id),
            Self::Approval(approval) => Object::Approval(approval.id),
            Self::Asset(asset) => Object::Asset(asset.id),
            Self::BreakGlass(access) => Object::BreakGlass(access.id),
            Self::Credential(credential) => Object::Credential(credential.id),
            Self::Declaration(declaration) => Object::Declaration(declaration.id),
            Self::Governance(_) => Object::Governance(GovernanceId::ONLY),
            Self::Grant(grant) => Object::Grant(grant.id),
            Self::Key(key) => Object::Key(key.id),
            Self::Node(node) => Object::Node(node.id),
            Self::Principal(principal) => Object::Principal(principal.id),
            Self::Reason(reason) => Object::Reason(reason.id),
            Self::Review(review) => Object::Review(review.id),
            Self::RightsReview(review) => Object::RightsReview(review.id),
            Self::Ring(ring) => Object::Ring(ring.id),
            Self::Version(version) => Object::Version(version.id),
        }
    }
}

/// A row that a walk over all rows found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRow {
    /// The row, as it stands.
    pub row: StateRow,
    /// Is it as a server wrote it? Where it is not, nothing may rest on it.
    pub holds: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walk_goes_on_behind_the_last_row_and_through_every_kind() {
        let (mut kinds, mut next) = (Vec::new(), Some(RowCursor::default()));
        while let Some(cursor) = next {
            kinds.push(cursor.kind);
            next = cursor.next(None, false);
        }
        assert_eq!(kinds, Kind::ALL);
        let last = Object::Key(KeyId::from_bytes([1; 16]));
        let cursor = RowCursor { kind: Kind::Key, after: None };
        assert_eq!(cursor.next(Some(last), true), Some(RowCursor { kind: Kind::Key, after: Some(last) }));
        assert_eq!(cursor.next(Some(last), false), Some(RowCursor { kind: Kind::Version, after: None }));
    }

    #[test]
    fn objects_are_known_by_kind_and_identifier() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
            let id =
                [vec![7; 16], if kind == Kind::Version { vec![0, 0, 1, 0] } else { Vec::new() }].concat();
            let object = Object::from_id(kind, &id).unwrap();
            assert_eq!((object.kind(), object.id()), (kind, id.clone()));
            assert_eq!(Object::from_id(kind, &id[1..]), None);
            assert_eq!(object.to_string().parse(), Ok(object));
            for wrong in [format!("{object}/7"), object.shown_id(), object.to_string().to_uppercase()] {
                assert_eq!(wrong.parse::<Object>(), Err(NotAnObject), "{wrong}");
            }
        }
        assert_eq!(Kind::from_code(0), None);
    }
}

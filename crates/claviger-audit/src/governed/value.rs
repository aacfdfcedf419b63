//! What governed operations ask for that has no type of its own elsewhere.

use std::time::Duration;

use claviger_core::grant::{Conditions, Selector};
use claviger_core::key::{DataClass, Labels, RequiredContext};
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::reason::Reason;
use claviger_core::{Action, Name, PrincipalId, Timestamp};
use ipnet::IpNet;

use super::field::{Field, choice, put_field, record, take_context, take_field};
use crate::cbor::{self, MapError, Pairs, Reader};

/// Distinct things in their order: the same set is the same value, however it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorted<T>(Vec<T>);

impl<T: Ord> FromIterator<T> for Sorted<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items = Vec::from_iter(items);
        items.sort_unstable();
        items.dedup();
        Self(items)
    }
}

impl<T> Sorted<T> {
    /// The things, ascending.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }
}

impl<T: Field + Ord> Field for Sorted<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        let items = Vec::<T>::take(reader)?;
        let ascend = items.iter().zip(items.iter().skip(1)).all(|(a, b)| a < b);
        if ascend { Ok(Self(items)) } else { Err(MapError::Value) }
    }
}

/// Conditions of a grant, their parts in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantConditions {
    /// Pairs that the encryption context must contain.
    pub context_equals: Sorted<(String, String)>,
    /// Pairs that the encryption context must be.
    pub context_exactly: Option<Sorted<(String, String)>>,
    /// Networks that calls must come from.
    pub source_networks: Sorted<IpNet>,
    /// The instant from which the grant is honoured no more.
    pub until: Option<Timestamp>,
}

impl From<&Conditions> for GrantConditions {
    fn from(conditions: &Conditions) -> Self {
        let Conditions { context_equals, context_exactly, source_networks, until } = conditions;
        Self {
            context_equals: context_equals.iter().cloned().collect(),
            context_exactly: context_exactly.as_ref().map(|pairs| pairs.iter().cloned().collect()),
            source_networks: source_networks.iter().copied().collect(),
            until: *until,
        }
    }
}

impl From<&GrantConditions> for Conditions {
    fn from(asked: &GrantConditions) -> Self {
        Self {
            context_equals: asked.context_equals.as_slice().to_vec(),
            context_exactly: asked.context_exactly.as_ref().map(|pairs| pairs.as_slice().to_vec()),
            source_networks: asked.source_networks.as_slice().to_vec(),
            until: asked.until,
        }
    }
}

record!(GrantConditions { 1 context_equals, 2 context_exactly, 3 source_networks, 4 until });

/// One grant of a set that is given together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetGrant {
    /// The principal that gets the grant.
    pub principal: PrincipalId,
    /// The actions that it allows.
    pub operations: Sorted<Action>,
    /// Under which conditions.
    pub conditions: GrantConditions,
    /// Its name.
    pub name: String,
    /// How its holder is named.
    pub spelled_principal: Option<String>,
}

record!(SetGrant { 1 principal, 2 operations, 3 conditions, 4 name, 5 spelled_principal });

/// Grants on a key that are given together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetOfGrants {
    /// What there shall be, in the order in which it was asked for.
    pub grants: Vec<SetGrant>,
    /// The document that says so.
    pub text: Option<String>,
}

record!(SetOfGrants { 1 grants, 2 text });

/// A principal that a deployment begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founder {
    /// Its name.
    pub name: Name,
    /// A person or an application.
    pub kind: PrincipalKind,
    /// Its role.
    pub role: Option<Role>,
    /// Fingerprint of its certificate; where there is neither that nor a request, it gets an enrolment code.
    pub fingerprint: Option<[u8; 32]>,
    /// When its credential ends.
    pub expires_at: Timestamp,
    /// SHA-256 of the request that its certificate is issued for.
    pub request: Option<[u8; 32]>,
}

record!(Founder { 1 name, 2 kind, 3 role, 4 fingerprint, 5 expires_at, 6 request });

/// What kind of credential is to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialAsked {
    /// An access key, which lives so long.
    AccessKey(Duration),
    /// The certificate with this fingerprint, until then.
    Certificate([u8; 32], Timestamp),
    /// An enrolment code, which can be redeemed for so long.
    EnrolmentCode(Duration),
    /// An access key with a session token, which lives so long.
    ShortLived(Duration),
    /// A token, which lives so long.
    Token(Duration),
}

choice!(CredentialAsked {
    1 AccessKey(lifetime),
    2 Certificate(fingerprint, expires_at),
    3 ShortLived(lifetime),
    4 Token(lifetime),
    5 EnrolmentCode(lifetime),
});

/// How labels shall change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Labelling {
    /// These, in the place of all that there are.
    All(Labels),
    /// These, in the place of those with the same names; and without those of these names.
    Some(Labels, Sorted<String>),
}

choice!(Labelling { 1 All(labels), 2 Some(set, remove) });
choice!(Selector { 1 Key(id), 2 Ring(id) });

/// What a period shall be: none of its own, or this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(pub Option<Duration>);

impl Field for Period {
    fn put(&self, out: &mut Vec<u8>) {
        match self.0 {
            None => cbor::put_array(out, 0),
            Some(span) => {
                cbor::put_array(out, 1);
                span.put(out);
            }
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        match reader.array()? {
            0 => Ok(Self(None)),
            1 => Duration::take(reader).map(|span| Self(Some(span))),
            _ => Err(MapError::Value),
        }
    }
}

/// What the data of a ring's keys shall be by default: nothing in particular, or of this class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassAsked(pub Option<DataClass>);

impl Field for ClassAsked {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, u64::from(self.0.is_some()));
        self.0.put(out);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        match reader.array()? {
            0 => Ok(Self(None)),
            1 => DataClass::take(reader).map(|class| Self(Some(class))),
            _ => Err(MapError::Value),
        }
    }
}

/// What an encryption context shall have to have; nothing, where that rule is to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextAsked(pub RequiredContext);

impl Field for ContextAsked {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        take_context(reader).map(Self)
    }
}

/// A map of the code, as its word, under 1 and the text under 2; one of them is there.
impl Field for Reason {
    fn put(&self, out: &mut Vec<u8>) {
        let mut pairs = Pairs::default();
        put_field(&mut pairs, 1, &self.code());
        put_field(&mut pairs, 2, &self.text().map(|text| text.as_str().to_owned()));
        pairs.finish_into(out);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        let read: Result<(_, Option<String>), MapError> =
            cbor::next_map(reader, |fields| Ok((take_field(fields, 1)?, take_field(fields, 2)?)));
        let (code, text) = read?;
        let text = text.map(|text| text.parse()).transpose().map_err(|_| MapError::Value)?;
        Self::new(code, text).ok_or(MapError::Value)
    }

    fn as_reason(&self) -> Option<&Reason> {
        Some(self)
    }
}

//! How the parts of a governed operation are written: each type in one way, and read back in that way only.

use std::time::Duration;

use claviger_core::break_glass::BreakGlassVerdict;
use claviger_core::declaration::Declared;
use claviger_core::key::{
    AssetRule, ContextField, DataClass, Labels, Origin, PlaintextDataKeys, Protection, RequiredContext,
    RingPolicy, RotatedKeys, Separation,
};
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::reason::{Reason, ReasonCode};
use claviger_core::review::{ReviewDecision, ReviewScope, ReviewSubject};
use claviger_core::{
    Action, AlertId, AliasName, ApprovalId, BreakGlassId, Capacity, CredentialId, DeclarationId, GrantId,
    KeyId, KeyRingId, Name, PrincipalId, Purpose, ReasonId, ReviewId, Spec, Timestamp,
};
use ipnet::IpNet;

use crate::cbor::{self, Fields, MapError, Pairs, Reader};
use crate::declaration;

/// Bytes that are no governed operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GovernedError {
    /// Not the map that the operation is.
    #[error(transparent)]
    Map(#[from] MapError),
    /// No operation has that word.
    #[error("the operation is not known")]
    Operation,
    /// Its parts do not go together: a plan of no acts, of too many or of such as a plan has not, or two decisions on one thing.
    #[error("its parts do not go together")]
    Unsound,
}

/// Something that a governed operation is made of.
pub(super) trait Field: Sized {
    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads it.
    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError>;

    /// Appends several: an array of them.
    fn put_all(items: &[Self], out: &mut Vec<u8>) {
        cbor::put_array(out, items.len() as u64);
        items.iter().for_each(|item| item.put(out));
    }

    /// Reads several.
    fn take_all(reader: &mut Reader<'_>) -> Result<Vec<Self>, MapError> {
        // Each item takes a byte at least, so that no more is read than there is.
        (0..reader.array()?).map(|_| Self::take(reader)).collect()
    }

    /// Is it left out of a map?
    fn is_absent(&self) -> bool {
        false
    }

    /// What it is where it is left out of a map; `None` where it must be there.
    fn absent() -> Option<Self> {
        None
    }

    /// The reason that it is, if it is one.
    fn as_reason(&self) -> Option<&Reason> {
        None
    }

    /// The same; without it, if it is a reason.
    fn without_reason(self) -> Self {
        self
    }
}

/// Left out where there is none. Nothing else can be: a field that an operation gets later is one of these, and what was asked
/// without it keeps its encoding.
impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        T::take(reader).map(Some)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn as_reason(&self) -> Option<&Reason> {
        self.as_ref()?.as_reason()
    }

    fn without_reason(self) -> Self {
        self.filter(|value| value.as_reason().is_none())
    }
}

/// Appends a field to a map, unless it is left out.
pub(super) fn put_field(pairs: &mut Pairs, number: u64, field: &impl Field) {
    if !field.is_absent() {
        pairs.put(number, |out| field.put(out));
    }
}

/// The field of that number. Fields are asked for in the order of their numbers.
pub(super) fn take_field<T: Field>(fields: &mut Fields<'_, '_>, number: u64) -> Result<T, MapError> {
    match fields.find(number, T::take)? {
        Some(value) => Ok(value),
        None => T::absent().ok_or(MapError::Field(number)),
    }
}

/// Gives a struct its map: a number for each field, all of which must be named. A field with a type behind it is written as that type.
macro_rules! record {
    (@put $pairs:ident $number:literal $field:ident) => {
        $crate::governed::field::put_field(&mut $pairs, $number, $field);
    };
    (@put $pairs:ident $number:literal $field:ident $form:ident) => {
        $crate::governed::field::put_field(&mut $pairs, $number, &$form(*$field));
    };
    (@take $fields:ident $number:literal) => {
        $crate::governed::field::take_field($fields, $number)?
    };
    (@take $fields:ident $number:literal $form:ident) => {
        $crate::governed::field::take_field::<$form>($fields, $number)?.0
    };
    ($type:ident { $($number:literal $field:ident $(: $form:ident)?),+ $(,)? }) => {
        impl $crate::governed::field::Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                const _: () = assert!($crate::governed::field::ascend(&[$($number),+]));
                let Self { $($field),+ } = self;
                let mut pairs = $crate::cbor::Pairs::default();
                $(record!(@put pairs $number $field $($form)?);)+
                pairs.finish_into(out);
            }

            fn take(
                reader: &mut $crate::cbor::Reader<'_>,
            ) -> Result<Self, $crate::cbor::MapError> {
                $crate::cbor::next_map(reader, |fields| {
                    Ok(Self { $($field: record!(@take fields $number $($form)?)),+ })
                })
            }
        }
    };
}
pub(super) use record;

/// Gives an enum its array: a number for each variant, then what it holds.
macro_rules! choice {
    ($type:ident { $($tag:literal $variant:ident($($part:ident),+)),+ $(,)? }) => {
        impl $crate::governed::field::Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant($($part),+) => {
                        $crate::cbor::put_array(out, 1 + [$(stringify!($part)),+].len() as u64);
                        $crate::cbor::put_uint(out, $tag);
                        $($part.put(out);)+
                    })+
                }
            }

            fn take(
                reader: &mut $crate::cbor::Reader<'_>,
            ) -> Result<Self, $crate::cbor::MapError> {
                use $crate::governed::field::Field;
                let items = reader.array()?;
                match reader.uint()? {
                    $($tag if items == 1 + [$(stringify!($part)),+].len() as u64 => {
                        $(let $part = Field::take(reader)?;)+
                        Ok(Self::$variant($($part),+))
                    })+
                    _ => Err($crate::cbor::MapError::Value),
                }
            }
        }
    };
}
pub(super) use choice;

/// Do these ascend, each once?
pub(super) const fn ascend(mut numbers: &[u64]) -> bool {
    while let [a, rest @ ..] = numbers {
        if let [b, ..] = rest
            && *a >= *b
        {
            return false;
        }
        numbers = rest;
    }
    true
}

macro_rules! identifiers {
    ($($id:ident),+) => {$(
        impl Field for $id {
            fn put(&self, out: &mut Vec<u8>) {
                cbor::put_bytes(out, self.as_bytes());
            }

            fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
                Ok(Self::from_bytes(reader.fixed()?))
            }
        }
    )+};
}
identifiers!(
    AlertId,
    ApprovalId,
    BreakGlassId,
    CredentialId,
    DeclarationId,
    GrantId,
    KeyId,
    KeyRingId,
    PrincipalId,
    ReasonId,
    ReviewId
);

/// What has one text form, by a method of this name.
macro_rules! words {
    ($($type:ident::$text:ident),+ $(,)?) => {$(
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                cbor::put_text(out, self.$text());
            }

            fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
                let text = reader.text()?;
                let read: Option<Self> = text.parse().ok();
                read.filter(|read| read.$text() == text).ok_or(MapError::Value)
            }
        }
    )+};
}
words!(
    AliasName::as_str,
    AssetRule::name,
    BreakGlassVerdict::name,
    DataClass::name,
    Name::as_str,
    Origin::name,
    PlaintextDataKeys::name,
    PrincipalKind::name,
    Protection::name,
    Purpose::name,
    ReasonCode::name,
    ReviewDecision::name,
    ReviewScope::name,
    Role::name,
    RotatedKeys::name,
    Separation::name,
    Spec::name,
);

macro_rules! numbers {
    ($($number:ident),+) => {$(
        impl Field for $number {
            fn put(&self, out: &mut Vec<u8>) {
                cbor::put_uint(out, u64::from(*self));
            }

            fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
                Ok(reader.small()?)
            }
        }
    )+};
}
numbers!(u16, u32, u64);

/// Several are bytes.
impl Field for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_uint(out, u64::from(*self));
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        Ok(reader.small()?)
    }

    fn put_all(items: &[Self], out: &mut Vec<u8>) {
        cbor::put_bytes(out, items);
    }

    fn take_all(reader: &mut Reader<'_>) -> Result<Vec<Self>, MapError> {
        Ok(reader.bytes()?.to_vec())
    }
}

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_uint(out, u64::from(*self));
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        match reader.uint()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(MapError::Value),
        }
    }
}

/// Yes; left out for no.
pub(super) struct Flag(pub(super) bool);

impl Field for Flag {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        if bool::take(reader)? { Ok(Self(true)) } else { Err(MapError::Value) }
    }

    fn is_absent(&self) -> bool {
        !self.0
    }

    fn absent() -> Option<Self> {
        Some(Self(false))
    }
}

impl Field for Action {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_uint(out, u64::from(self.code()));
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        Self::from_code(reader.small()?).ok_or(MapError::Value)
    }
}

impl Field for Timestamp {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_uint(out, self.as_micros());
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        Ok(Self::from_micros(reader.uint()?))
    }
}

/// Seconds, then nanoseconds.
impl Field for Duration {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, 2);
        cbor::put_uint(out, self.as_secs());
        cbor::put_uint(out, u64::from(self.subsec_nanos()));
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        if reader.array()? != 2 {
            return Err(MapError::Value);
        }
        let (seconds, nanos): (u64, u32) = (reader.uint()?, reader.small()?);
        if nanos < 1_000_000_000 { Ok(Self::new(seconds, nanos)) } else { Err(MapError::Value) }
    }
}

/// In its own encoding, as bytes.
impl Field for Declared {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_bytes(out, &declaration::encode(self));
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        declaration::decode(reader.bytes()?).map_err(|_| MapError::Value)
    }
}

impl Field for [u8; 32] {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_bytes(out, self);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        Ok(reader.fixed()?)
    }
}

impl Field for String {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_text(out, self);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        Ok(reader.text()?.to_owned())
    }
}

/// Its text.
impl Field for Capacity {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_text(out, &self.to_string());
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        let text = reader.text()?;
        let read: Option<Self> = text.parse().ok();
        read.filter(|read| read.to_string() == text).ok_or(MapError::Value)
    }
}

/// What it is decided on (the principal; of grants the ring as well), then what is decided.
impl Field for (ReviewSubject, ReviewDecision) {
    fn put(&self, out: &mut Vec<u8>) {
        let (subject, decision) = self;
        let (principal, ring) = match subject {
            ReviewSubject::Office(principal) => (principal, None),
            ReviewSubject::Uses(principal, ring) => (principal, Some(ring)),
        };
        cbor::put_array(out, if ring.is_some() { 3 } else { 2 });
        principal.put(out);
        if let Some(ring) = ring {
            ring.put(out);
        }
        decision.put(out);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        let items = reader.array()?;
        let principal = PrincipalId::take(reader)?;
        let subject = match items {
            2 => ReviewSubject::Office(principal),
            3 => ReviewSubject::Uses(principal, KeyRingId::take(reader)?),
            _ => return Err(MapError::Value),
        };
        Ok((subject, ReviewDecision::take(reader)?))
    }
}

impl Field for IpNet {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_text(out, &self.to_string());
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        let text = reader.text()?;
        let read: Option<Self> = text.parse().ok();
        read.filter(|read| read.to_string() == text).ok_or(MapError::Value)
    }
}

impl Field for (String, String) {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, 2);
        cbor::put_text(out, &self.0);
        cbor::put_text(out, &self.1);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        if reader.array()? != 2 {
            return Err(MapError::Value);
        }
        Ok((String::take(reader)?, String::take(reader)?))
    }
}

impl<T: Field> Field for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        T::put_all(self, out);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        T::take_all(reader)
    }
}

impl Field for Labels {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, self.pairs().len() as u64);
        for pair in self.pairs() {
            pair.put(out);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        let pairs = Vec::<(String, String)>::take(reader)?;
        let labels = Self::new(pairs.clone()).map_err(|_| MapError::Value)?;
        if labels.pairs() == pairs { Ok(labels) } else { Err(MapError::Value) }
    }
}

/// Names in their order; left out where none is asked for.
impl Field for RequiredContext {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, self.fields().len() as u64);
        self.fields().iter().for_each(|field| cbor::put_text(out, field.as_str()));
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, MapError> {
        take_context(reader).and_then(|read| if read.is_empty() { Err(MapError::Value) } else { Ok(read) })
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

/// The same, none included.
pub(super) fn take_context(reader: &mut Reader<'_>) -> Result<RequiredContext, MapError> {
    let names = Vec::<String>::take(reader)?;
    let fields = names.iter().map(|name| name.parse().map_err(|_| MapError::Value));
    let read = RequiredContext::new(fields.collect::<Result<Vec<ContextField>, _>>()?);
    let read = read.map_err(|_| MapError::Value)?;
    let is_same = read.fields().iter().map(ContextField::as_str).eq(names.iter().map(String::as_str));
    if is_same { Ok(read) } else { Err(MapError::Value) }
}

record!(RingPolicy {
    1 protection,
    2 rotation_period,
    3 protect_period,
    4 process_period,
    5 destroy_waiting_period,
    6 quorum,
    7 separation,
    8 rotates,
    9 context_required,
    10 data_class,
    11 plaintext_data_keys,
    12 environment,
    13 assets,
    14 grants_under_quorum: Flag,
});

//! How the parts of a governed operation are written: each type in one way, and read back in that way only.

use std::time::Duration;

use claviger_audit::cbor::{self, CborError, Reader};
use claviger_audit::declaration;
use claviger_core::declaration::Declared;
use claviger_core::key::{
    AssetRule, ContextField, DataClass, Labels, Origin, PlaintextDataKeys, Protection, RequiredContext,
    RingPolicy, RotatedKeys, Separation,
};
use claviger_core::principal::{PrincipalKind, Role};
use claviger_core::reason::ReasonCode;
use claviger_core::{
    Action, AliasName, CredentialId, DeclarationId, GrantId, KeyId, KeyRingId, Name, PrincipalId, Purpose,
    ReasonId, Spec, Timestamp,
};
use ipnet::IpNet;

/// Bytes that are no governed operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GovernedError {
    /// Not deterministic CBOR, or of other items.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// A field is missing, out of order or not of the operation.
    #[error("field {0} is not expected here")]
    Field(u64),
    /// No operation has that word.
    #[error("the operation is not known")]
    Operation,
    /// A value that its field cannot have.
    #[error("a field has a value that it cannot have")]
    Value,
}

/// Something that a governed operation is made of.
pub(super) trait Field: Sized {
    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads it.
    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError>;

    /// Is it left out of a map?
    fn is_absent(&self) -> bool {
        false
    }

    /// What it is where it is left out of a map; `None` where it must be there.
    fn absent() -> Option<Self> {
        None
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

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
        T::take(reader).map(Some)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Appends a pair of a map, unless it is left out.
pub(super) fn put_pair(out: &mut Vec<u8>, number: u64, field: &impl Field) {
    if !field.is_absent() {
        cbor::put_uint(out, number);
        field.put(out);
    }
}

/// A map with numbers for keys, which ascend.
pub(super) struct Fields<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: u64,
    next: Option<u64>,
}

impl<'r, 'a> Fields<'r, 'a> {
    pub(super) fn open(reader: &'r mut Reader<'a>) -> Result<Self, GovernedError> {
        let left = reader.map()?;
        let mut fields = Self { reader, left, next: None };
        fields.advance()?;
        Ok(fields)
    }

    fn advance(&mut self) -> Result<(), GovernedError> {
        self.next = match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(self.reader.uint()?)
            }
            None => None,
        };
        Ok(())
    }

    /// The field of that number. Fields are asked for in the order of their numbers.
    pub(super) fn field<T: Field>(&mut self, number: u64) -> Result<T, GovernedError> {
        if self.next != Some(number) {
            return T::absent().ok_or(GovernedError::Field(number));
        }
        let value = T::take(self.reader)?;
        self.advance()?;
        Ok(value)
    }

    /// The text of that number, which must be there.
    pub(super) fn text(&mut self, number: u64) -> Result<&'a str, GovernedError> {
        if self.next != Some(number) {
            return Err(GovernedError::Field(number));
        }
        let text = self.reader.text()?;
        self.advance()?;
        Ok(text)
    }

    /// Everything was asked for.
    pub(super) fn close(self) -> Result<(), GovernedError> {
        self.next.map_or(Ok(()), |number| Err(GovernedError::Field(number)))
    }
}

/// Gives a struct its map: a number for each field, all of which must be named.
macro_rules! record {
    ($type:ident { $($number:literal $field:ident),+ $(,)? }) => {
        impl $crate::governed::field::Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                const _: () = assert!($crate::governed::field::ascend(&[$($number),+]));
                let Self { $($field),+ } = self;
                claviger_audit::cbor::put_map(out, 0 $(+ u64::from(!$field.is_absent()))+);
                $($crate::governed::field::put_pair(out, $number, $field);)+
            }

            fn take(
                reader: &mut claviger_audit::cbor::Reader<'_>,
            ) -> Result<Self, $crate::governed::GovernedError> {
                let mut fields = $crate::governed::field::Fields::open(reader)?;
                let read = Self { $($field: fields.field($number)?),+ };
                fields.close()?;
                Ok(read)
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
                        claviger_audit::cbor::put_array(out, 1 + [$(stringify!($part)),+].len() as u64);
                        claviger_audit::cbor::put_uint(out, $tag);
                        $($part.put(out);)+
                    })+
                }
            }

            fn take(
                reader: &mut claviger_audit::cbor::Reader<'_>,
            ) -> Result<Self, $crate::governed::GovernedError> {
                use $crate::governed::{GovernedError, field::Field};
                let items = reader.array()?;
                match reader.uint()? {
                    $($tag if items == 1 + [$(stringify!($part)),+].len() as u64 => {
                        $(let $part = Field::take(reader)?;)+
                        Ok(Self::$variant($($part),+))
                    })+
                    _ => Err(GovernedError::Value),
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

            fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
                Ok(Self::from_bytes(reader.fixed()?))
            }
        }
    )+};
}
identifiers!(CredentialId, DeclarationId, GrantId, KeyId, KeyRingId, PrincipalId, ReasonId);

/// What has one text form, by a method of this name.
macro_rules! words {
    ($($type:ident::$text:ident),+ $(,)?) => {$(
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                cbor::put_text(out, self.$text());
            }

            fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
                let text = reader.text()?;
                let read: Option<Self> = text.parse().ok();
                read.filter(|read| read.$text() == text).ok_or(GovernedError::Value)
            }
        }
    )+};
}
words!(
    AliasName::as_str,
    AssetRule::name,
    DataClass::name,
    Name::as_str,
    Origin::name,
    PlaintextDataKeys::name,
    PrincipalKind::name,
    Protection::name,
    Purpose::name,
    ReasonCode::name,
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

            fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
                Ok(reader.small()?)
            }
        }
    )+};
}
numbers!(u8, u32, u64);

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_uint(out, u64::from(*self));
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
        match reader.uint()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(GovernedError::Value),
        }
    }
}

impl Field for Action {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_uint(out, u64::from(self.code()));
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
        Self::from_code(reader.small()?).ok_or(GovernedError::Value)
    }
}

impl Field for Timestamp {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_uint(out, self.as_micros());
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
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

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
        if reader.array()? != 2 {
            return Err(GovernedError::Value);
        }
        let (seconds, nanos): (u64, u32) = (reader.uint()?, reader.small()?);
        if nanos < 1_000_000_000 { Ok(Self::new(seconds, nanos)) } else { Err(GovernedError::Value) }
    }
}

/// In its own encoding, as bytes.
impl Field for Declared {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_bytes(out, &declaration::encode(self));
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
        declaration::decode(reader.bytes()?).map_err(|_| GovernedError::Value)
    }
}

impl Field for [u8; 32] {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_bytes(out, self);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
        Ok(reader.fixed()?)
    }
}

impl Field for String {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_text(out, self);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
        Ok(reader.text()?.to_owned())
    }
}

impl Field for IpNet {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_text(out, &self.to_string());
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
        let text = reader.text()?;
        let read: Option<Self> = text.parse().ok();
        read.filter(|read| read.to_string() == text).ok_or(GovernedError::Value)
    }
}

impl Field for (String, String) {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, 2);
        cbor::put_text(out, &self.0);
        cbor::put_text(out, &self.1);
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
        if reader.array()? != 2 {
            return Err(GovernedError::Value);
        }
        Ok((String::take(reader)?, String::take(reader)?))
    }
}

impl<T: Field> Field for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, self.len() as u64);
        for item in self {
            item.put(out);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
        // Each item takes a byte at least, so that no more is read than there is.
        (0..reader.array()?).map(|_| T::take(reader)).collect()
    }
}

impl Field for Labels {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, self.pairs().len() as u64);
        for pair in self.pairs() {
            pair.put(out);
        }
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
        let pairs = Vec::<(String, String)>::take(reader)?;
        let labels = Self::new(pairs.clone()).map_err(|_| GovernedError::Value)?;
        if labels.pairs() == pairs { Ok(labels) } else { Err(GovernedError::Value) }
    }
}

/// Names in their order; left out where none is asked for.
impl Field for RequiredContext {
    fn put(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, self.fields().len() as u64);
        self.fields().iter().for_each(|field| cbor::put_text(out, field.as_str()));
    }

    fn take(reader: &mut Reader<'_>) -> Result<Self, GovernedError> {
        take_context(reader)
            .and_then(|read| if read.is_empty() { Err(GovernedError::Value) } else { Ok(read) })
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

/// The same, none included.
pub(super) fn take_context(reader: &mut Reader<'_>) -> Result<RequiredContext, GovernedError> {
    let names = Vec::<String>::take(reader)?;
    let fields = names.iter().map(|name| name.parse().map_err(|_| GovernedError::Value));
    let read = RequiredContext::new(fields.collect::<Result<Vec<ContextField>, _>>()?);
    let read = read.map_err(|_| GovernedError::Value)?;
    let is_same = read.fields().iter().map(ContextField::as_str).eq(names.iter().map(String::as_str));
    if is_same { Ok(read) } else { Err(GovernedError::Value) }
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
});

//! The file that discloses who stands behind a range of a log: openings of sessions, and of names. Whoever holds the log checks
//! it without any key.

use std::collections::BTreeMap;

use claviger_core::object::{Kind, Object};

use super::codec::commitment;
use super::{
    ADDRESS, CIPHER_SUITE, CREDENTIAL, FACTORS, GROUP, METHOD, ORIGIN, PRINCIPAL, Seen, SessionRecord,
    TLS_VERSION, UnknownWho, digest_of_fields, field_name,
};
use crate::Hash;
use crate::cbor::{self, CborError, Reader};
use crate::fact::{Field, commit};

/// What such a file begins with.
const MAGIC: &str = "claviger disclosure";
/// The schema version that is written and read.
const VERSION: u64 = 1;
/// The longest value of a field, in bytes.
const MAX_VALUE: usize = 4096;
/// The longest origin of a log, in bytes.
const MAX_ORIGIN: usize = 512;
/// Stands for all fields of a session of which none is known.
const ALL: u16 = 0;

/// How much is disclosed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// How callers proved who they are, over what, and from what kind of place; nobody can be distinguished from anybody else.
    Minimal,
    /// The same, with identifiers of principals and credentials, and names of keys and rings: one is known again, and not by name.
    Pseudonym,
    /// Everything, with names and addresses.
    Full,
}

claviger_core::named! {
    /// Text that is not a level of disclosure.
    Level, "a level of disclosure" {
        Minimal = "minimal",
        Pseudonym = "pseudonym",
        Full = "full",
    }
}

impl Level {
    /// Does it let a field of sessions out?
    #[must_use]
    pub const fn opens(self, number: u16) -> bool {
        let least = match number {
            METHOD | FACTORS | TLS_VERSION | CIPHER_SUITE | GROUP | ORIGIN => Self::Minimal,
            PRINCIPAL | CREDENTIAL => Self::Pseudonym,
            ADDRESS => Self::Full,
            _ => return false,
        };
        self as u8 >= least as u8
    }

    /// Does it let names of objects of that kind out?
    #[must_use]
    pub const fn names(self, kind: Kind) -> bool {
        match kind {
            Kind::Key | Kind::Ring => !matches!(self, Self::Minimal),
            Kind::Principal => matches!(self, Self::Full),
            Kind::Alert
            | Kind::Alias
            | Kind::Approval
            | Kind::Asset
            | Kind::BreakGlass
            | Kind::Credential
            | Kind::Declaration
            | Kind::Governance
            | Kind::Grant
            | Kind::Node
            | Kind::Reason
            | Kind::Review
            | Kind::RightsReview
            | Kind::Version => false,
        }
    }
}

/// Why bytes are not a disclosure, or a value cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// Not deterministic CBOR.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// Something else, by its first member.
    #[error("the file is not a disclosure")]
    Magic,
    /// A schema version that is not known.
    #[error("schema version {0} of disclosures is not known")]
    UnknownVersion(u64),
    /// A member that the schema does not have there, or of another size.
    #[error("a member is out of place or of another size")]
    Misplaced,
    /// A word that is no level.
    #[error("the level is not known")]
    Level,
    /// Sessions or names do not ascend, or one stands twice.
    #[error("sessions or names are out of order")]
    OutOfOrder,
    /// It discloses what its level withholds.
    #[error("it discloses what its level withholds")]
    BeyondLevel,
    /// A value is none of its field.
    #[error(transparent)]
    Value(#[from] UnknownWho),
    /// The range ends before it begins.
    #[error("the range ends before it begins")]
    Range,
}

/// What is disclosed of a field of a session.
#[derive(Clone, PartialEq, Eq)]
pub enum DisclosedField {
    /// Its value, with the salt of its commitment.
    Open {
        /// The salt.
        salt: [u8; 16],
        /// The value, in CBOR.
        value: Vec<u8>,
    },
    /// Its commitment alone.
    Withheld(Hash),
}

/// The fields of a session: one by one, or, where its key is gone or was never found, their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisclosedFields {
    /// One by one.
    Each(BTreeMap<u16, DisclosedField>),
    /// Nothing but their digest.
    None(Hash),
}

/// What is disclosed of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct DisclosedSession {
    /// Index of its entry.
    pub entry: u64,
    /// The seed of its salts.
    pub seed: [u8; 16],
    /// Its locator.
    pub locator: [u8; 16],
    /// Its fields.
    pub fields: DisclosedFields,
    /// Digest of its sealed bytes.
    pub sealed: Hash,
}

/// The name of an object: the opening of a field that its facts commit to.
#[derive(Clone, PartialEq, Eq)]
pub struct DisclosedName {
    /// The object.
    pub object: Object,
    /// The number of the field.
    pub number: u16,
    /// The salt of its commitment.
    pub salt: [u8; 16],
    /// The value, in CBOR.
    pub value: Vec<u8>,
}

/// Who stands behind the entries of a range.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// The log's origin.
    pub origin: String,
    /// The first entry of the range.
    pub from: u64,
    /// The first behind the range.
    pub to: u64,
    /// How much is disclosed.
    pub level: Level,
    /// The sessions that entries of the range are of, or are, ascending.
    pub sessions: Vec<DisclosedSession>,
    /// Names, in the order of objects.
    pub names: Vec<DisclosedName>,
}

impl DisclosedSession {
    /// The opening of a session as far as a level lets it out.
    #[must_use]
    pub fn new(entry: u64, record: &SessionRecord, fields: Option<BTreeMap<u16, DisclosedField>>) -> Self {
        Self {
            entry,
            seed: record.seed,
            locator: record.locator,
            fields: fields.map_or(DisclosedFields::None(record.fields), DisclosedFields::Each),
            sealed: record.sealed_digest(),
        }
    }

    /// What the entry must carry for all of this to be true.
    #[must_use]
    pub fn commitment(&self) -> Hash {
        let fields = match &self.fields {
            DisclosedFields::None(digest) => *digest,
            DisclosedFields::Each(fields) => {
                digest_of_fields(fields.iter().map(|(number, field)| (*number, field.commitment(*number))))
            }
        };
        commitment(&self.seed, &self.locator, &fields, &self.sealed)
    }

    /// What it discloses.
    ///
    /// # Errors
    /// [`UnknownWho`] for a value that is none of its field.
    pub fn seen(&self) -> Result<Seen, UnknownWho> {
        let DisclosedFields::Each(fields) = &self.fields else { return Ok(Seen::default()) };
        Seen::read(fields.iter().filter_map(|(number, field)| match field {
            DisclosedField::Open { value, .. } => Some((*number, value.as_slice())),
            DisclosedField::Withheld(_) => None,
        }))
    }

    /// Appends the encoding.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, 5);
        cbor::put_uint(out, self.entry);
        cbor::put_bytes(out, &self.seed);
        cbor::put_bytes(out, &self.locator);
        match &self.fields {
            DisclosedFields::None(digest) => {
                cbor::put_map(out, 1);
                cbor::put_uint(out, u64::from(ALL));
                cbor::put_array(out, 1);
                cbor::put_bytes(out, digest);
            }
            DisclosedFields::Each(fields) => {
                cbor::put_map(out, fields.len() as u64);
                for (number, field) in fields {
                    cbor::put_uint(out, u64::from(*number));
                    match field {
                        DisclosedField::Withheld(commitment) => {
                            cbor::put_array(out, 1);
                            cbor::put_bytes(out, commitment);
                        }
                        DisclosedField::Open { salt, value } => {
                            cbor::put_array(out, 2);
                            cbor::put_bytes(out, salt);
                            cbor::put_bytes(out, value);
                        }
                    }
                }
            }
        }
        cbor::put_bytes(out, &self.sealed);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DisclosureError> {
        members(reader, 5)?;
        let (entry, seed, locator) = (reader.uint()?, reader.fixed()?, reader.fixed()?);
        let mut fields = BTreeMap::new();
        for _ in 0..reader.map()? {
            let number: u16 = reader.small()?;
            if fields.last_key_value().is_some_and(|(last, _)| number <= *last) {
                return Err(DisclosureError::OutOfOrder);
            }
            let field = match reader.array()? {
                1 => DisclosedField::Withheld(reader.fixed()?),
                2 => DisclosedField::Open { salt: reader.fixed()?, value: value(reader)? },
                _ => return Err(DisclosureError::Misplaced),
            };
            fields.insert(number, field);
        }
        let fields = match (fields.len(), fields.get(&ALL)) {
            (0, _) | (_, Some(DisclosedField::Open { .. })) => return Err(DisclosureError::Misplaced),
            (1, Some(DisclosedField::Withheld(digest))) => DisclosedFields::None(*digest),
            (_, Some(_)) => return Err(DisclosureError::Misplaced),
            (_, None) => DisclosedFields::Each(fields),
        };
        let session = Self { entry, seed, locator, fields, sealed: reader.fixed()? };
        session.seen()?;
        Ok(session)
    }

    /// Reads one session. What is read encodes to the same bytes again.
    ///
    /// # Errors
    /// [`DisclosureError`] for everything that [`Self::encode_into`] would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, DisclosureError> {
        let mut reader = Reader::new(bytes);
        let session = Self::read(&mut reader)?;
        reader.end()?;
        Ok(session)
    }

    fn is_within(&self, level: Level) -> bool {
        match &self.fields {
            DisclosedFields::None(_) => true,
            DisclosedFields::Each(fields) if fields.is_empty() => false,
            DisclosedFields::Each(fields) => fields.iter().all(|(number, field)| {
                field_name(*number).is_some()
                    && (level.opens(*number) || matches!(field, DisclosedField::Withheld(_)))
            }),
        }
    }
}

impl DisclosedField {
    fn commitment(&self, number: u16) -> Hash {
        match self {
            Self::Open { salt, value } => commit(number, salt, value),
            Self::Withheld(commitment) => *commitment,
        }
    }
}

impl DisclosedName {
    /// What the facts of the object must hold for it to be true.
    #[must_use]
    pub fn field(&self) -> Field {
        Field::Hidden(commit(self.number, &self.salt, &self.value))
    }

    /// The name.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let mut reader = Reader::new(&self.value);
        let text = reader.text().ok()?;
        reader.end().ok().map(|()| text)
    }

    /// Appends the encoding.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        cbor::put_array(out, 5);
        cbor::put_uint(out, u64::from(self.object.kind().code()));
        cbor::put_bytes(out, &self.object.id());
        cbor::put_uint(out, u64::from(self.number));
        cbor::put_bytes(out, &self.salt);
        cbor::put_bytes(out, &self.value);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DisclosureError> {
        members(reader, 5)?;
        let kind = Kind::from_code(reader.small()?).ok_or(DisclosureError::Misplaced)?;
        let object = Object::from_id(kind, reader.bytes()?).ok_or(DisclosureError::Misplaced)?;
        let name = Self { object, number: reader.small()?, salt: reader.fixed()?, value: value(reader)? };
        if name.text().is_none() { Err(DisclosureError::Misplaced) } else { Ok(name) }
    }

    /// Reads one name. What is read encodes to the same bytes again.
    ///
    /// # Errors
    /// [`DisclosureError`] for everything that [`Self::encode_into`] would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, DisclosureError> {
        let mut reader = Reader::new(bytes);
        let name = Self::read(&mut reader)?;
        reader.end()?;
        Ok(name)
    }
}

impl Disclosure {
    /// The file.
    ///
    /// # Errors
    /// [`DisclosureError`] for values that the schema does not allow.
    pub fn encode(&self) -> Result<Vec<u8>, DisclosureError> {
        self.check()?;
        let mut out = Vec::with_capacity(256 + self.sessions.len() * 512);
        cbor::put_array(&mut out, 8);
        cbor::put_text(&mut out, MAGIC);
        cbor::put_uint(&mut out, VERSION);
        cbor::put_text(&mut out, &self.origin);
        cbor::put_uint(&mut out, self.from);
        cbor::put_uint(&mut out, self.to);
        cbor::put_text(&mut out, self.level.name());
        cbor::put_array(&mut out, self.sessions.len() as u64);
        self.sessions.iter().for_each(|session| session.encode_into(&mut out));
        cbor::put_array(&mut out, self.names.len() as u64);
        self.names.iter().for_each(|name| name.encode_into(&mut out));
        Ok(out)
    }

    /// Reads a file. What is read encodes to the same bytes again.
    ///
    /// # Errors
    /// [`DisclosureError`] for everything that [`Self::encode`] would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, DisclosureError> {
        let mut reader = Reader::new(bytes);
        members(&mut reader, 8)?;
        if reader.text() != Ok(MAGIC) {
            return Err(DisclosureError::Magic);
        }
        let version = reader.uint()?;
        if version != VERSION {
            return Err(DisclosureError::UnknownVersion(version));
        }
        let origin = reader.text()?.to_owned();
        let (from, to) = (reader.uint()?, reader.uint()?);
        let level = reader.text()?.parse().map_err(|_| DisclosureError::Level)?;
        // What is read grows with the bytes that are there, whatever number stands before them.
        let (mut sessions, mut names) = (Vec::new(), Vec::new());
        for _ in 0..reader.array()? {
            sessions.push(DisclosedSession::read(&mut reader)?);
        }
        for _ in 0..reader.array()? {
            names.push(DisclosedName::read(&mut reader)?);
        }
        reader.end()?;
        let disclosure = Self { origin, from, to, level, sessions, names };
        disclosure.check()?;
        Ok(disclosure)
    }

    fn check(&self) -> Result<(), DisclosureError> {
        if self.origin.len() > MAX_ORIGIN {
            return Err(DisclosureError::Misplaced);
        }
        if self.from > self.to {
            return Err(DisclosureError::Range);
        }
        let ascend = self.sessions.is_sorted_by(|a, b| a.entry < b.entry)
            && self.names.is_sorted_by(|a, b| (a.object, a.number) < (b.object, b.number));
        if !ascend {
            return Err(DisclosureError::OutOfOrder);
        }
        let is_within = self.sessions.iter().all(|session| session.is_within(self.level))
            && self.names.iter().all(|name| self.level.names(name.object.kind()));
        if is_within { Ok(()) } else { Err(DisclosureError::BeyondLevel) }
    }

    /// The name of an object, if it is disclosed.
    #[must_use]
    pub fn name(&self, object: Object) -> Option<&str> {
        let at = self.names.partition_point(|name| name.object < object);
        self.names.get(at).filter(|name| name.object == object)?.text()
    }
}

fn members(reader: &mut Reader<'_>, wanted: u64) -> Result<(), DisclosureError> {
    if reader.array()? == wanted { Ok(()) } else { Err(DisclosureError::Misplaced) }
}

fn value(reader: &mut Reader<'_>) -> Result<Vec<u8>, DisclosureError> {
    let value = reader.bytes()?;
    if value.len() > MAX_VALUE { Err(DisclosureError::Misplaced) } else { Ok(value.to_vec()) }
}

impl std::fmt::Debug for DisclosedSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DisclosedSession({}, ..)", self.entry)
    }
}

impl std::fmt::Debug for DisclosedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DisclosedName({}, ..)", self.object)
    }
}

impl std::fmt::Debug for DisclosedField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DisclosedField(..)")
    }
}

impl std::fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sessions, names) = (self.sessions.len(), self.names.len());
        write!(
            f,
            "Disclosure({}, {}..{}, {sessions} sessions, {names} names)",
            self.level, self.from, self.to
        )
    }
}

//! Objects as their facts say them, one taken after the other: the inverse of `project`, for who asks how things stood.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use claviger_core::approval::{
    Approval, Decided, DoneStep, SeenRow, decode_decisions, decode_done, decode_rows,
};
use claviger_core::capacity::HeldCapacity;
use claviger_core::grant::{Basis, Conditions, Ending, Grant, Selector, Spelling};
use claviger_core::key::{
    AssetRule, Destruction, PlaintextDataKeys, RequiredContext, RingPolicy, RotatedKeys, State,
};
use claviger_core::principal::{PrincipalKind, Role, Status};
use claviger_core::reason::Why;
use claviger_core::review::{ReviewItem, decode_items};
use claviger_core::{ApprovalId, GrantId, KeyId, KeyRingId, PrincipalId, Timestamp};

use super::fields::is_fixed;
use super::open::approval;
use super::{Fact, Field, Object, RawFact, Values, VeilKey};
use crate::cbor::{CborError, Reader};

/// Why facts do not yield what was asked of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A field that is absent, or whose value is none of its kind.
    #[error("field {1} of {0} does not read")]
    Field(Object, u16),
    /// Sealed fields without the key that opens them.
    #[error("what is sealed of {0} does not open")]
    Sealed(Object),
}

/// An object as the facts say it that were taken of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    object: Object,
    revision: u64,
    fields: BTreeMap<u16, Field>,
    /// The sealed fields of the first fact that has some, and of the newest one, each with the revision that it is bound to.
    sealed: Vec<(u64, Vec<u8>)>,
}

impl Replayed {
    /// As one fact says it.
    #[must_use]
    pub fn new(fact: Fact) -> Self {
        let mut replayed =
            Self { object: fact.object, revision: 0, fields: BTreeMap::new(), sealed: Vec::new() };
        replayed.take(fact);
        replayed
    }

    /// Takes the next fact about the object.
    pub fn take(&mut self, fact: Fact) {
        let kind = self.object.kind();
        self.revision = fact.revision;
        self.fields.retain(|number, _| is_fixed(kind, *number));
        self.fields.extend(fact.fields);
        if let Some(bytes) = fact.sealed.as_ref().and_then(|sealed| sealed.bytes()) {
            self.sealed.truncate(1);
            self.sealed.push((fact.revision, bytes.to_vec()));
        }
    }

    /// The object.
    #[must_use]
    pub const fn object(&self) -> Object {
        self.object
    }

    /// Does it take the key of the object to read all of it?
    #[must_use]
    pub fn is_veiled(&self) -> bool {
        self.fields.values().any(|field| matches!(field, Field::Hidden(_)))
    }

    /// Whether a grant was ended by an act.
    ///
    /// # Errors
    /// [`ReplayError::Field`] when it is no grant.
    pub fn status(&self) -> Result<Status, ReplayError> {
        let said = self.open();
        said.need(16, said.word(16)?)
    }

    /// To whom a grant was given.
    ///
    /// # Errors
    /// [`ReplayError::Field`] when it is no grant.
    pub fn granted_to(&self) -> Result<PrincipalId, ReplayError> {
        let said = self.open();
        said.need(1, said.id(1)?).map(PrincipalId::from_bytes)
    }

    /// The end that a grant has of its own.
    ///
    /// # Errors
    /// [`ReplayError::Field`].
    pub fn granted_until(&self) -> Result<Option<Timestamp>, ReplayError> {
        self.open().instant(8)
    }

    /// The grant that it is.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub fn grant(&self, key: Option<&VeilKey>) -> Result<Grant, ReplayError> {
        let Object::Grant(id) = self.object else { return Err(ReplayError::Field(self.object, 1)) };
        let said = Said { object: self.object, values: self.values(key)? };
        let selector = match (said.id(2)?, said.id(3)?) {
            (Some(key), None) => Selector::Key(KeyId::from_bytes(key)),
            (None, Some(ring)) => Selector::Ring(KeyRingId::from_bytes(ring)),
            _ => return Err(said.wrong(2)),
        };
        let ending = match (said.word(17)?, said.instant(18)?) {
            (Some(by), Some(at)) => Some(Ending { by, at, reason: said.why(19)? }),
            _ => None,
        };
        Ok(Grant {
            id,
            principal: PrincipalId::from_bytes(said.need(1, said.id(1)?)?),
            selector,
            operations: said.words(4)?,
            conditions: Conditions {
                context_equals: said.pairs(5)?.unwrap_or_default(),
                context_exactly: said.pairs(6)?,
                source_networks: said.words(7)?,
                until: said.instant(8)?,
            },
            reason: said.why(9)?,
            name: said.text(10)?,
            retiring: said.id(11)?.map(PrincipalId::from_bytes),
            created_by: PrincipalId::from_bytes(said.need(12, said.id(12)?)?),
            created_at: said.need(13, said.instant(13)?)?,
            basis: said.need(14, said.basis(14)?)?,
            origin: said.need(15, said.word(15)?)?,
            status: said.need(16, said.word(16)?)?,
            ending,
            spelling: Spelling { principal: said.text(20)?, retiring: said.text(21)? },
            revision: self.revision,
        })
    }

    /// The approval that it is, with what was asked for. What a request is found by is in no fact, and is zero here.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub fn approval(&self, key: Option<&VeilKey>) -> Result<Approval, ReplayError> {
        let Object::Approval(id) = self.object else { return Err(ReplayError::Field(self.object, 1)) };
        let said = Said { object: self.object, values: self.values(key)? };
        let open = approval(&said)?;
        Ok(Approval {
            id,
            action: open.action,
            ring: open.ring,
            requester: open.requester,
            asked: said.need(10, said.bytes(10)?)?,
            salt: said.need(11, said.fixed(11)?)?,
            tag: [0; 32],
            digest: open.digest,
            rows: open.rows,
            quorum: open.quorum,
            eligible: open.eligible,
            requested_at: open.requested_at,
            expires_at: open.expires_at,
            decisions: open.decisions,
            done: open.done,
            ended: open.ended,
            reason: open.reason,
            revision: self.revision,
        })
    }

    /// State and scheduled destruction of the key that it is.
    ///
    /// # Errors
    /// [`ReplayError::Field`].
    pub fn key_life(&self) -> Result<(State, Option<Destruction>), ReplayError> {
        let said = self.open();
        Ok((said.need(11, said.word(11)?)?, destruction(&said)?))
    }

    /// The policy of the ring that it is.
    ///
    /// # Errors
    /// [`ReplayError::Field`].
    pub fn ring_policy(&self) -> Result<RingPolicy, ReplayError> {
        ring_policy(&self.open())
    }

    fn open(&self) -> Said {
        Said::open(self.object, &self.fields)
    }

    /// All values, those that are sealed as far as they are what the fields commit to.
    fn values(&self, key: Option<&VeilKey>) -> Result<Values, ReplayError> {
        let mut values = self.open().values;
        if !self.is_veiled() {
            return Ok(values);
        }
        let unopened = || ReplayError::Sealed(self.object);
        let key = key.ok_or_else(unopened)?;
        for (revision, sealed) in &self.sealed {
            for (number, value) in key.open(&self.object, *revision, sealed).map_err(|_| unopened())? {
                let committed = key.commit(&self.object, number, &value).map_err(|_| unopened())?;
                if self.fields.get(&number) == Some(&committed) {
                    values.insert(number, value);
                }
            }
        }
        if self.fields.keys().all(|number| values.contains_key(number)) {
            Ok(values)
        } else {
            Err(unopened())
        }
    }
}

impl RawFact<'_> {
    /// On what the grant is, of the first fact about one.
    #[must_use]
    pub fn granted_on(&self) -> Option<Selector> {
        let Object::Grant(_) = self.object else { return None };
        let id = |value| Reader::new(value).fixed().ok();
        match (self.open(2), self.open(3)) {
            (Some(key), None) => id(key).map(KeyId::from_bytes).map(Selector::Key),
            (None, Some(ring)) => id(ring).map(KeyRingId::from_bytes).map(Selector::Ring),
            _ => None,
        }
    }
}

/// What of a principal decides, as the facts say it that were taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedPrincipal {
    /// What it is.
    pub kind: PrincipalKind,
    /// Whether it was valid.
    pub status: Status,
    /// Its roles, ascending.
    pub roles: Vec<Role>,
    /// What it answers for, ascending.
    pub capacities: Vec<HeldCapacity>,
}

impl ReplayedPrincipal {
    /// As a fact about it says, behind those that yielded what is `known`.
    ///
    /// # Errors
    /// [`ReplayError::Field`].
    pub fn after(known: Option<&Self>, fact: &Fact) -> Result<Self, ReplayError> {
        let said = Said::open(fact.object, &fact.fields);
        let kind = said.word(2)?.or(known.map(|known| known.kind));
        Ok(Self {
            kind: said.need(2, kind)?,
            status: said.need(3, said.word(3)?)?,
            roles: said.words(4)?,
            capacities: said.capacities(17)?,
        })
    }
}

/// The policy of a ring.
pub(super) fn ring_policy(said: &Said) -> Result<RingPolicy, ReplayError> {
    Ok(RingPolicy {
        protection: said.need(2, said.word(2)?)?,
        rotation_period: said.span(3)?,
        rotates: said.word(12)?.unwrap_or(RotatedKeys::Symmetric),
        protect_period: said.span(4)?,
        process_period: said.span(5)?,
        destroy_waiting_period: said.need(6, said.span(6)?)?,
        quorum: said.need(7, said.number(7)?)?,
        separation: said.need(8, said.word(8)?)?,
        context_required: RequiredContext::new(said.words(13)?).map_err(|_| said.wrong(13))?,
        data_class: said.word(14)?,
        plaintext_data_keys: said.word(15)?.unwrap_or(PlaintextDataKeys::Allowed),
        environment: said.word(16)?,
        assets: said.word(17)?.unwrap_or(AssetRule::Optional),
        grants_under_quorum: said.number::<u8>(22)? == Some(1),
    })
}

/// That a key waits for its destruction.
pub(super) fn destruction(said: &Said) -> Result<Option<Destruction>, ReplayError> {
    let approval = said.id(21)?.map(ApprovalId::from_bytes);
    Ok(match (said.instant(14)?, said.instant(15)?) {
        (Some(scheduled_at), Some(at)) => Some(Destruction { scheduled_at, at, approval }),
        _ => None,
    })
}

/// Values of fields, to be read.
pub(super) struct Said {
    object: Object,
    values: Values,
}

impl Said {
    pub(super) fn open(object: Object, fields: &BTreeMap<u16, Field>) -> Self {
        let open = |(number, field): (&u16, &Field)| match field {
            Field::Open(value) => Some((*number, value.clone())),
            Field::Hidden(_) => None,
        };
        Self { object, values: fields.iter().filter_map(open).collect() }
    }

    pub(super) const fn wrong(&self, number: u16) -> ReplayError {
        ReplayError::Field(self.object, number)
    }

    pub(super) fn need<T>(&self, number: u16, value: Option<T>) -> Result<T, ReplayError> {
        value.ok_or(self.wrong(number))
    }

    fn read<T>(
        &self,
        number: u16,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, CborError>,
    ) -> Result<Option<T>, ReplayError> {
        let Some(value) = self.values.get(&number) else { return Ok(None) };
        let mut reader = Reader::new(value);
        let read = read(&mut reader).and_then(|value| reader.end().map(|()| value));
        read.map(Some).map_err(|_| self.wrong(number))
    }

    /// Who did it and when, by two fields that are there together.
    pub(super) fn act(&self, by: u16, at: u16) -> Result<Option<(PrincipalId, Timestamp)>, ReplayError> {
        match (self.id(by)?, self.instant(at)?) {
            (None, None) => Ok(None),
            (Some(id), Some(at)) => Ok(Some((PrincipalId::from_bytes(id), at))),
            _ => Err(self.wrong(by)),
        }
    }

    pub(super) fn basis(&self, number: u16) -> Result<Option<Basis>, ReplayError> {
        self.read(number, |reader| match reader.array() {
            Ok(count) => {
                list(count, reader, |reader| reader.fixed().map(GrantId::from_bytes)).map(Basis::Grants)
            }
            Err(error) => {
                if reader.text()? == "role" {
                    Ok(Basis::Role)
                } else {
                    Err(error)
                }
            }
        })
    }

    pub(super) fn bytes(&self, number: u16) -> Result<Option<Vec<u8>>, ReplayError> {
        self.read(number, |reader| reader.bytes().map(<[u8]>::to_vec))
    }

    /// What a person answers for, each with who said so, as in `ciso=01940f3e-…`.
    pub(super) fn capacities(&self, number: u16) -> Result<Vec<HeldCapacity>, ReplayError> {
        let held = |word: &String| {
            let (capacity, giver) = word.rsplit_once('=')?;
            Some(HeldCapacity { capacity: capacity.parse().ok()?, given_by: giver.parse().ok()? })
        };
        let held: Option<Vec<_>> = self.words::<String>(number)?.iter().map(held).collect();
        held.filter(|held| HeldCapacity::are_listed(held)).ok_or(self.wrong(number))
    }

    pub(super) fn decisions(&self, number: u16) -> Result<Vec<Decided>, ReplayError> {
        let decisions =
            self.read(number, |reader| decode_decisions(reader.bytes()?).map_err(|_| CborError::Range));
        Ok(decisions?.unwrap_or_default())
    }

    pub(super) fn done(&self, number: u16) -> Result<Vec<DoneStep>, ReplayError> {
        let done = self.read(number, |reader| decode_done(reader.bytes()?).map_err(|_| CborError::Range));
        Ok(done?.unwrap_or_default())
    }

    pub(super) fn fixed<const N: usize>(&self, number: u16) -> Result<Option<[u8; N]>, ReplayError> {
        self.read(number, |reader| reader.fixed())
    }

    pub(super) fn id(&self, number: u16) -> Result<Option<[u8; 16]>, ReplayError> {
        self.fixed(number)
    }

    pub(super) fn instant(&self, number: u16) -> Result<Option<Timestamp>, ReplayError> {
        self.read(number, |reader| reader.uint().map(Timestamp::from_micros))
    }

    pub(super) fn items(&self, number: u16) -> Result<Option<Vec<ReviewItem>>, ReplayError> {
        self.read(number, |reader| decode_items(reader.bytes()?).map_err(|_| CborError::Range))
    }

    pub(super) fn number<T: TryFrom<u64>>(&self, number: u16) -> Result<Option<T>, ReplayError> {
        self.read(number, |reader| reader.small())
    }

    fn pairs(&self, number: u16) -> Result<Option<Vec<(String, String)>>, ReplayError> {
        self.read(number, |reader| {
            let count = reader.array()?;
            list(count / 2, reader, |reader| Ok((reader.text()?.to_owned(), reader.text()?.to_owned())))
        })
    }

    pub(super) fn seen_rows(&self, number: u16) -> Result<Vec<SeenRow>, ReplayError> {
        let rows = self.read(number, |reader| decode_rows(reader.bytes()?).map_err(|_| CborError::Range));
        Ok(rows?.unwrap_or_default())
    }

    pub(super) fn span(&self, number: u16) -> Result<Option<Duration>, ReplayError> {
        self.read(number, |reader| reader.uint().map(Duration::from_micros))
    }

    pub(super) fn text(&self, number: u16) -> Result<Option<String>, ReplayError> {
        self.read(number, |reader| reader.text().map(str::to_owned))
    }

    pub(super) fn why(&self, number: u16) -> Result<Option<Why>, ReplayError> {
        self.read(number, |reader| Why::from_bytes(reader.bytes()?).ok_or(CborError::Range))
    }

    pub(super) fn word<T: FromStr>(&self, number: u16) -> Result<Option<T>, ReplayError> {
        self.read(number, parsed)
    }

    pub(super) fn words<T: FromStr>(&self, number: u16) -> Result<Vec<T>, ReplayError> {
        let words = self.read(number, |reader| {
            let count = reader.array()?;
            list(count, reader, parsed)
        });
        Ok(words?.unwrap_or_default())
    }
}

fn parsed<T: FromStr>(reader: &mut Reader<'_>) -> Result<T, CborError> {
    reader.text()?.parse().map_err(|_| CborError::Range)
}

fn list<'a, T>(
    count: u64,
    reader: &mut Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Result<T, CborError>,
) -> Result<Vec<T>, CborError> {
    // The number is foreign: the list grows by what is there.
    (0..count).map(|_| read(reader)).collect()
}

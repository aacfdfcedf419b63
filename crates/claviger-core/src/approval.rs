//! Approvals: what one person asked for, and what others decided on it.
//!
//! A sensitive act is not done when it is asked for. It is kept as it was asked, in resolved identifiers, with the revision of every
//! row that it was decided on; persons other than the one who asks decide on exactly that, each by a signature of the key of their own
//! certificate. It is done once, by whoever asked for it, as long as nothing of it has moved.
//!
//! What it keeps true:
//! * an approval holds identifiers and no name; what was asked for and its salt, which may tell names, is the one thing that facts seal;
//! * what was asked for never changes: decisions are added, each person's once, and the end is written once;
//! * the digest is bytes to this room and to stores. Its one form is that of the log, which whoever makes or reads an approval holds
//!   it against.

use std::time::Duration;

use crate::action::Action;
use crate::change::{Expectation, Row};
use crate::declaration::{Attestation, SigningMethod};
use crate::object::{Kind, Object};
use crate::reason::Why;
use crate::time::Timestamp;
use crate::{ApprovalId, CredentialId, KeyRingId, PrincipalId};

/// A row that was shown: the act is done only while it is at this revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenRow {
    /// Whose row.
    pub object: Object,
    /// Its revision.
    pub revision: u64,
}

impl SeenRow {
    /// What is compared when the act is done; `None` for a row that no commit compares, on which no approval rests.
    #[must_use]
    pub fn expectation(&self) -> Option<Expectation> {
        Row::of(self.object).map(|row| Expectation::Revision { row, revision: self.revision })
    }

    /// Are these the rows of one approval? They are ascending, each object has one, and they are not too many.
    #[must_use]
    pub fn are_listed(rows: &[Self]) -> bool {
        rows.len() <= Approval::MOST_ROWS && rows.is_sorted_by(|one, next| one.object < next.object)
    }
}

/// What somebody decides.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// That it may be done.
    Approve,
    /// That it may not be done. One is enough.
    Deny,
}

crate::named! {
    /// Text that is not a verdict.
    Verdict, "a verdict" {
        Approve = "approve",
        Deny = "deny",
    }
}

impl Verdict {
    /// Its number, in signed bytes as at rest.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Approve => 1,
            Self::Deny => 0,
        }
    }

    /// The one with that number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Deny),
            1 => Some(Self::Approve),
            _ => None,
        }
    }
}

/// What one person decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// What.
    pub verdict: Verdict,
    /// Who.
    pub by: PrincipalId,
    /// The credential whose certificate has the key.
    pub credential: CredentialId,
    /// The `SubjectPublicKeyInfo` of that certificate, in DER.
    pub public_key: Vec<u8>,
    /// How it is signed.
    pub method: SigningMethod,
    /// The signature over the digest of what was asked, the verdict and `signed_at`.
    pub signature: Vec<u8>,
    /// When it was signed, by the clock of the signer.
    pub signed_at: Timestamp,
    /// When it came in.
    pub at: Timestamp,
}

/// Who may approve.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Eligible {
    /// Custodians.
    Custodians,
    /// Responders and security officers: for emergency access, which waits for no custodian.
    Responders,
    /// Whoever holds a role: for the appointment of a custodian, where there are too few of them to appoint one.
    RoleHolders,
}

crate::named! {
    /// Text that does not say who may approve.
    Eligible, "who may approve" {
        Custodians = "custodians",
        Responders = "responders",
        RoleHolders = "role_holders",
    }
}

/// How an approval ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// Whoever asked gave it up, or a security officer or a responder stopped it.
    Cancelled,
    /// Somebody denied it.
    Denied,
    /// It was done.
    Executed,
    /// Nobody did it in time.
    Expired,
    /// A row that it was decided on has moved: what was approved is not what would be done.
    Moved,
}

crate::named! {
    /// Text that is not the end of an approval.
    Outcome, "the end of an approval" {
        Cancelled = "cancelled",
        Denied = "denied",
        Executed = "executed",
        Expired = "expired",
        Moved = "moved",
    }
}

/// The end of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: PrincipalId,
}

/// A step of a plan that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoneStep {
    /// Its place in the plan, from 0.
    pub step: u16,
    /// Rows that the plan rests on and that this step wrote, with the revisions that they have since.
    pub moved: Vec<SeenRow>,
}

/// What somebody asked for that others must approve, with what they decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Its identifier.
    pub id: ApprovalId,
    /// Which act.
    pub action: Action,
    /// The ring whose rule asks for approval; `None` where that of the deployment does.
    pub ring: Option<KeyRingId>,
    /// Who asks.
    pub requester: PrincipalId,
    /// The encoding of what is asked for, without its reason. Facts seal it.
    pub asked: Vec<u8>,
    /// Random bytes, so that nobody guesses from the digest what was asked for. Sealed with it.
    pub salt: [u8; 16],
    /// What the same request is found by: a keyed digest of it, its reason included. No fact has it.
    pub tag: [u8; 32],
    /// SHA-256 of the form that approvers sign.
    pub digest: [u8; 32],
    /// The rows that it was decided on, ascending, each once.
    pub rows: Vec<SeenRow>,
    /// How many others must approve.
    pub quorum: u8,
    /// Who they may be.
    pub eligible: Eligible,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// From then on it is done no more.
    pub expires_at: Timestamp,
    /// What was decided, in the order in which it came.
    pub decisions: Vec<Decided>,
    /// Which steps of a plan were done, in that order; of nothing else.
    pub done: Vec<DoneStep>,
    /// Its end.
    pub ended: Option<Ended>,
    /// Why it is asked for.
    pub reason: Option<Why>,
    /// Counts the writes of this row.
    pub revision: u64,
}

impl Approval {
    /// The longest encoding of what is asked for, in bytes.
    pub const MAX_ASKED: usize = 64 * 1024;
    /// Most rows that one rests on.
    pub const MOST_ROWS: usize = 64;
    /// Most persons who must approve, and most who can decide.
    pub const MOST_DECISIONS: usize = 32;
    /// Most steps of a plan.
    pub const MOST_STEPS: usize = 64;
    /// How many one principal has open at a time.
    pub const MOST_OPEN_OF_ONE: u64 = 64;
    /// By how much the clocks of an approver and of a server may differ.
    pub const SIGNED_WITHIN: Duration = Duration::from_secs(300);

    /// Can anything still be decided or done?
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at
    }

    /// How it ended, by its row or by the time.
    #[must_use]
    pub fn outcome(&self, now: Timestamp) -> Option<Outcome> {
        match self.ended {
            Some(ended) => Some(ended.outcome),
            None if now >= self.expires_at => Some(Outcome::Expired),
            None => None,
        }
    }

    /// At which revision a row must be for the next step of a plan: as it was shown, unless a step of this very plan wrote it since.
    #[must_use]
    pub fn expected(&self, object: Object) -> Option<u64> {
        let moved = self.done.iter().rev().flat_map(|done| &done.moved).find(|seen| seen.object == object);
        moved.or_else(|| self.rows.iter().find(|seen| seen.object == object)).map(|seen| seen.revision)
    }

    /// Was that step of the plan done?
    #[must_use]
    pub fn is_done(&self, step: u16) -> bool {
        self.done.iter().any(|done| done.step == step)
    }

    /// Who approved, in the order in which they did.
    pub fn approvers(&self) -> impl Iterator<Item = &Decided> {
        self.decisions.iter().filter(|decided| decided.verdict == Verdict::Approve)
    }

    /// Has this principal decided?
    #[must_use]
    pub fn was_decided_by(&self, principal: PrincipalId) -> bool {
        self.decisions.iter().any(|decided| decided.by == principal)
    }

    /// Did somebody deny it?
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.decisions.iter().any(|decided| decided.verdict == Verdict::Deny)
    }

    /// Did as many approve as must, and did nobody deny it? Whether those who did may still is not known here.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.approvers().count() >= usize::from(self.quorum) && !self.is_denied()
    }
}

/// Bytes that are not the one encoding of what an approval has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are not the one encoding of decisions, of rows or of steps of an approval")]
pub struct NotCanonical;

/// The first byte of every encoding.
const FORMAT: u8 = 1;

/// The one encoding of decisions, at rest and in facts: a byte for the format, and for each its verdict (1 byte), who decided and by
/// which credential (16 bytes each), how it is signed (1 byte), when it was signed and when it came in (8 bytes each, microseconds,
/// big-endian), the public key and the signature, each behind its length (2 bytes, big-endian).
#[must_use]
pub fn encode_decisions(decisions: &[Decided]) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    for decided in decisions {
        bytes.push(decided.verdict.code());
        bytes.extend_from_slice(decided.by.as_bytes());
        bytes.extend_from_slice(decided.credential.as_bytes());
        bytes.push(code_of(decided.method));
        bytes.extend_from_slice(&decided.signed_at.as_micros().to_be_bytes());
        bytes.extend_from_slice(&decided.at.as_micros().to_be_bytes());
        put(&mut bytes, &decided.public_key);
        put(&mut bytes, &decided.signature);
    }
    bytes
}

/// What [`encode_decisions`] wrote.
///
/// # Errors
/// [`NotCanonical`] for other bytes; for more decisions than an approval has, and for a key or a signature that is empty or too long.
pub fn decode_decisions(bytes: &[u8]) -> Result<Vec<Decided>, NotCanonical> {
    let (mut reader, mut decisions) = (Reader::of(bytes)?, Vec::new());
    while !reader.is_at_end() {
        if decisions.len() == Approval::MOST_DECISIONS {
            return Err(NotCanonical);
        }
        decisions.push(Decided {
            verdict: Verdict::from_code(reader.byte()?).ok_or(NotCanonical)?,
            by: PrincipalId::from_bytes(reader.array()?),
            credential: CredentialId::from_bytes(reader.array()?),
            method: method_of(reader.byte()?).ok_or(NotCanonical)?,
            signed_at: reader.instant()?,
            at: reader.instant()?,
            public_key: reader.bytes()?,
            signature: reader.bytes()?,
        });
    }
    Ok(decisions)
}

/// The one encoding of the steps that were done, at rest and in facts: a byte for the format, and for each its place (2 bytes, big-endian) and the
/// rows that it moved, as [`encode_rows`] writes them, behind their length (2 bytes, big-endian).
#[must_use]
pub fn encode_done(done: &[DoneStep]) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    for done in done {
        bytes.extend_from_slice(&done.step.to_be_bytes());
        put(&mut bytes, &encode_rows(&done.moved));
    }
    bytes
}

/// What [`encode_done`] wrote.
///
/// # Errors
/// [`NotCanonical`] for other bytes, for more steps than a plan has, and for a step that was done twice.
pub fn decode_done(bytes: &[u8]) -> Result<Vec<DoneStep>, NotCanonical> {
    let (mut reader, mut done) = (Reader::of(bytes)?, Vec::<DoneStep>::new());
    while !reader.is_at_end() {
        let step = u16::from_be_bytes(reader.array()?);
        if done.len() == Approval::MOST_STEPS || done.iter().any(|other| other.step == step) {
            return Err(NotCanonical);
        }
        done.push(DoneStep { step, moved: decode_rows(&reader.bytes()?)? });
    }
    Ok(done)
}

/// The one encoding of rows, at rest and in facts: a byte for the format, and for each its kind (1 byte), its identifier (16 bytes, of
/// a version 20) and its revision (8 bytes, big-endian).
#[must_use]
pub fn encode_rows(rows: &[SeenRow]) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    for seen in rows {
        bytes.push(seen.object.kind().code());
        bytes.extend(seen.object.id());
        bytes.extend_from_slice(&seen.revision.to_be_bytes());
    }
    bytes
}

/// What [`encode_rows`] wrote.
///
/// # Errors
/// [`NotCanonical`] for other bytes, and for rows that are not those of one approval.
pub fn decode_rows(bytes: &[u8]) -> Result<Vec<SeenRow>, NotCanonical> {
    let (mut reader, mut rows) = (Reader::of(bytes)?, Vec::new());
    while !reader.is_at_end() && rows.len() <= Approval::MOST_ROWS {
        rows.push(SeenRow { object: reader.object()?, revision: reader.number()? });
    }
    if SeenRow::are_listed(&rows) { Ok(rows) } else { Err(NotCanonical) }
}

const fn code_of(method: SigningMethod) -> u8 {
    match method {
        SigningMethod::EcdsaP256Sha256 => 1,
        SigningMethod::EcdsaP384Sha384 => 2,
        SigningMethod::Ed25519 => 3,
        SigningMethod::RsaPssSha256 => 4,
    }
}

fn method_of(code: u8) -> Option<SigningMethod> {
    SigningMethod::ALL.into_iter().find(|method| code_of(*method) == code)
}

/// What is longer than it can be does not read back.
fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend_from_slice(part);
}

/// Reads from the front.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn of(bytes: &'b [u8]) -> Result<Self, NotCanonical> {
        match bytes.split_first() {
            Some((&FORMAT, rest)) => Ok(Self(rest)),
            _ => Err(NotCanonical),
        }
    }

    const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], NotCanonical> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(NotCanonical)?;
        self.0 = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, NotCanonical> {
        self.array().map(u8::from_be_bytes)
    }

    fn number(&mut self) -> Result<u64, NotCanonical> {
        self.array().map(u64::from_be_bytes)
    }

    fn instant(&mut self) -> Result<Timestamp, NotCanonical> {
        self.number().map(Timestamp::from_micros)
    }

    /// A key, a signature, or the rows of a step.
    fn bytes(&mut self) -> Result<Vec<u8>, NotCanonical> {
        let length = usize::from(self.array().map(u16::from_be_bytes)?);
        let (part, rest) = self.0.split_at_checked(length).ok_or(NotCanonical)?;
        if part.is_empty() || length > Attestation::MAX_KEY {
            return Err(NotCanonical);
        }
        self.0 = rest;
        Ok(part.to_vec())
    }

    fn object(&mut self) -> Result<Object, NotCanonical> {
        let kind = Kind::from_code(self.byte()?).ok_or(NotCanonical)?;
        let id = if kind == Kind::Version {
            self.array::<20>().map(|id| id.to_vec())
        } else {
            self.array::<16>().map(|id| id.to_vec())
        };
        Object::from_id(kind, &id?).ok_or(NotCanonical)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Row as _;
    use crate::{AliasId, KeyId, KeyVersionId, ReasonId};

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn decided(number: u8, verdict: Verdict) -> Decided {
        Decided {
            verdict,
            by: PrincipalId::from_bytes([number; 16]),
            credential: CredentialId::from_bytes([number.wrapping_add(100); 16]),
            public_key: vec![number; 91],
            method: SigningMethod::EcdsaP256Sha256,
            signature: vec![number; 71],
            signed_at: at(20),
            at: at(21),
        }
    }

    fn seen() -> Vec<SeenRow> {
        let version = KeyVersionId { key: KeyId::from_bytes([3; 16]), number: 0x0102_0304 };
        [
            Object::Ring(KeyRingId::from_bytes([9; 16])),
            Object::Key(KeyId::from_bytes([3; 16])),
            Object::Version(version),
        ]
        .into_iter()
        .map(|object| SeenRow { object, revision: 7 })
        .collect()
    }

    fn asked() -> Approval {
        Approval {
            id: ApprovalId::from_bytes([1; 16]),
            action: Action::ScheduleDestroy,
            ring: Some(KeyRingId::from_bytes([9; 16])),
            requester: PrincipalId::from_bytes([50; 16]),
            asked: vec![1, 2, 3],
            salt: [4; 16],
            tag: [5; 32],
            digest: [6; 32],
            rows: seen(),
            quorum: 2,
            eligible: Eligible::Custodians,
            requested_at: at(10),
            expires_at: at(100),
            decisions: Vec::new(),
            done: Vec::new(),
            ended: None,
            reason: Some(Why::Given(ReasonId::from_bytes([8; 16]))),
            revision: 1,
        }
    }

    fn ended(outcome: Outcome) -> Option<Ended> {
        Some(Ended { outcome, at: at(50), by: PrincipalId::from_bytes([50; 16]) })
    }

    fn approved() -> Approval {
        let decisions = vec![decided(1, Verdict::Approve), decided(2, Verdict::Approve)];
        Approval { decisions, ..asked() }
    }

    /// The row of a plan, asked for as [`asked`] is, of which these steps were done.
    fn plan(done: Vec<DoneStep>) -> Approval {
        Approval { action: Action::ApplyPlan, done, ..approved() }
    }

    fn step(step: u16, moved: &[(Object, u64)]) -> DoneStep {
        let moved = moved.iter().map(|(object, revision)| SeenRow { object: *object, revision: *revision });
        DoneStep { step, moved: moved.collect() }
    }

    #[test]
    fn it_is_open_until_it_ends_or_its_time_is_over() {
        let open = asked();
        assert!(open.is_open(at(99)) && !open.is_open(at(100)));
        assert_eq!((open.outcome(at(99)), open.outcome(at(100))), (None, Some(Outcome::Expired)));
        let done = Approval { ended: ended(Outcome::Executed), ..approved() };
        assert!(!done.is_open(at(60)));
        assert_eq!(done.outcome(at(200)), Some(Outcome::Executed));
        assert!(done.is_approved() && !asked().is_approved() && !done.is_denied());
        let by = PrincipalId::from_bytes([1; 16]);
        assert!(done.was_decided_by(by) && !asked().was_decided_by(by));
    }

    #[test]
    fn decisions_read_back_and_nothing_else_does() {
        let methods = SigningMethod::ALL.into_iter().zip(1..);
        let mut all: Vec<_> =
            methods.map(|(method, number)| Decided { method, ..decided(number, Verdict::Approve) }).collect();
        all.push(decided(9, Verdict::Deny));
        for some in [&[][..], &all[..1], &all[..]] {
            let bytes = encode_decisions(some);
            assert_eq!(decode_decisions(&bytes).as_deref(), Ok(some));
            // Of what is cut off, only whole decisions read, and never the same.
            for end in 0..bytes.len() {
                assert_ne!(decode_decisions(&bytes[..end]).as_deref(), Ok(some), "{end}");
            }
            assert_eq!(decode_decisions(&[&bytes[..], &[0]].concat()), Err(NotCanonical));
        }
        let one = encode_decisions(&all[..1]);
        // The format, the verdict, the method, the length of the key.
        for (place, wrong) in [(0, 2), (1, 2), (34, 0), (34, 5), (51, 0xff)] {
            let mut bytes = one.clone();
            bytes[place] = wrong;
            assert_eq!(decode_decisions(&bytes), Err(NotCanonical), "{place}");
        }
        let wrong = [
            Decided { public_key: Vec::new(), ..decided(1, Verdict::Approve) },
            Decided { signature: vec![0; 2049], ..decided(1, Verdict::Approve) },
            Decided { signature: vec![0; 70_000], ..decided(1, Verdict::Approve) },
        ];
        for wrong in wrong {
            assert_eq!(decode_decisions(&encode_decisions(&[wrong])), Err(NotCanonical));
        }
        let many: Vec<_> = (0..33).map(|number| decided(number, Verdict::Approve)).collect();
        assert!(decode_decisions(&encode_decisions(&many[..32])).is_ok());
        assert_eq!(decode_decisions(&encode_decisions(&many)), Err(NotCanonical));
    }

    #[test]
    fn rows_read_back_and_nothing_else_does() {
        let all = seen();
        for some in [&[][..], &all[..1], &all[..]] {
            let bytes = encode_rows(some);
            assert_eq!(decode_rows(&bytes).as_deref(), Ok(some));
            assert_eq!(decode_rows(&[&bytes[..], &[1]].concat()), Err(NotCanonical));
        }
        assert_eq!(decode_rows(&[]), Err(NotCanonical));
        let twice = [&seen()[..1], &seen()[..1]].concat();
        let down: Vec<_> = seen().into_iter().rev().collect();
        let key = |number: u8| Object::Key(KeyId::from_bytes([number; 16]));
        let many: Vec<_> = (0..65).map(|number| SeenRow { object: key(number), revision: 1 }).collect();
        assert!(decode_rows(&encode_rows(&many[..64])).is_ok());
        for wrong in [twice, down, many] {
            assert_eq!(decode_rows(&encode_rows(&wrong)), Err(NotCanonical), "{wrong:?}");
        }
    }

    #[test]
    fn steps_that_were_done_read_back_and_nothing_else_does() {
        let [ring, key, _] = [0, 1, 2].map(|at| seen()[at].object);
        let all = [step(0, &[(ring, 8), (key, 9)]), step(1, &[]), step(2, &[(key, 10)])];
        for some in [&all[..0], &all[..1], &all[..]] {
            let bytes = encode_done(some);
            assert_eq!(decode_done(&bytes).as_deref(), Ok(some));
            for end in 0..bytes.len() {
                if let Ok(fewer) = decode_done(&bytes[..end]) {
                    assert_eq!(encode_done(&fewer), bytes[..end], "{end}");
                }
            }
            for at in 0..bytes.len() {
                let mut other = bytes.clone();
                other[at] ^= 0x55;
                if let Ok(read) = decode_done(&other) {
                    assert_eq!(encode_done(&read), other, "{at}");
                }
            }
            assert_eq!(decode_done(&[&bytes[..], &[0]].concat()), Err(NotCanonical));
        }
        assert_eq!(decode_done(&[]), Err(NotCanonical));
        for wrong in [vec![step(3, &[]), step(3, &[])], vec![step(0, &[(key, 2), (ring, 1)])]] {
            assert_eq!(decode_done(&encode_done(&wrong)), Err(NotCanonical), "{wrong:?}");
        }
        let many: Vec<_> = (0..65).map(|number| step(number, &[])).collect();
        assert!(decode_done(&encode_done(&many[..64])).is_ok());
        assert_eq!(decode_done(&encode_done(&many)), Err(NotCanonical));
    }

    #[test]
    fn a_step_expects_what_the_steps_before_it_left() {
        let [ring, key, version] = [0, 1, 2].map(|at| seen()[at].object);
        let plan = plan(vec![step(0, &[(ring, 8), (key, 9)]), step(1, &[(key, 10)])]);
        let expected = [ring, key, version].map(|object| plan.expected(object));
        assert_eq!(expected, [Some(8), Some(10), Some(7)]);
        assert_eq!(plan.expected(Object::Key(KeyId::from_bytes([99; 16]))), None);
        assert!(plan.is_done(0) && plan.is_done(1) && !plan.is_done(2));
    }

    #[test]
    fn steps_are_of_plans_that_enough_approved_and_are_done_in_their_order() {
        let [ring, key, _] = [0, 1, 2].map(|at| seen()[at].object);
        let two = || vec![step(0, &[(ring, 8)]), step(1, &[(ring, 9), (key, 8)])];
        assert_eq!(plan(two()).check(), Ok(()));
        assert_eq!(Approval { ended: ended(Outcome::Executed), ..plan(two()) }.check(), Ok(()));
        // A denial stops what is left of it, and undoes nothing.
        let mut stopped = plan(two());
        stopped.decisions.push(decided(3, Verdict::Deny));
        assert_eq!(Approval { ended: ended(Outcome::Denied), ..stopped.clone() }.check(), Ok(()));
        assert!(Approval { ended: ended(Outcome::Executed), ..stopped }.check().is_err());
        let other = Object::Key(KeyId::from_bytes([99; 16]));
        for wrong in [
            Approval { action: Action::UpdateRing, ..plan(two()) },
            Approval { decisions: vec![decided(1, Verdict::Approve)], ..plan(two()) },
            plan(vec![step(1, &[])]),
            plan(vec![step(0, &[]), step(0, &[])]),
            plan(vec![step(0, &[]), step(2, &[])]),
            plan(vec![step(1, &[]), step(0, &[])]),
            // What the plan does not rest on, what did not move, and what moved back.
            plan(vec![step(0, &[(other, 8)])]),
            plan(vec![step(0, &[(ring, 7)])]),
            plan(vec![step(0, &[(ring, 9)]), step(1, &[(ring, 8)])]),
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn steps_are_added_until_the_end_and_none_is_taken_back() {
        let [ring, ..] = [0, 1, 2].map(|at| seen()[at].object);
        let two = plan(vec![step(0, &[(ring, 8)]), step(1, &[(ring, 9)])]);
        let one = plan(two.done[..1].to_vec());
        assert!(one.follows(&plan(Vec::new())) && two.follows(&one) && two.follows(&two));
        assert!(!one.follows(&two), "a step is taken back");
        let other = plan(vec![step(0, &[]), step(1, &[])]);
        assert!(!other.follows(&one), "a step is exchanged");
        let done = Approval { ended: ended(Outcome::Executed), ..two.clone() };
        assert!(done.follows(&one) && !two.follows(&done));
        let moved = Approval { ended: ended(Outcome::Moved), ..one };
        let late = Approval { done: two.done, ..moved.clone() };
        assert!(!late.follows(&moved), "nothing is done behind the end");
    }

    #[test]
    fn a_row_that_was_shown_is_compared_where_a_commit_can() {
        for seen in seen() {
            let Some(Expectation::Revision { revision: 7, row }) = seen.expectation() else {
                panic!("{seen:?}")
            };
            assert_eq!(Row::of(seen.object), Some(row));
        }
        let alias = Object::Alias(AliasId::from_bytes([1; 16]));
        assert_eq!(SeenRow { object: alias, revision: 1 }.expectation(), None);
    }

    #[test]
    fn what_cannot_be_an_approval_is_refused() {
        assert_eq!(asked().check(), Ok(()));
        assert_eq!(Approval { ended: ended(Outcome::Executed), ..approved() }.check(), Ok(()));
        let edits: [fn(&mut Approval); 13] = [
            |one| one.asked.clear(),
            |one| one.asked = vec![0; Approval::MAX_ASKED + 1],
            |one| one.rows.reverse(),
            |one| {
                let object = Object::Alias(AliasId::from_bytes([1; 16]));
                one.rows = vec![SeenRow { object, revision: 1 }];
            },
            |one| one.quorum = 0,
            |one| one.quorum = 33,
            |one| one.expires_at = one.requested_at,
            // Nobody decides twice, or on what they ask for.
            |one| one.decisions = vec![decided(1, Verdict::Approve), decided(1, Verdict::Deny)],
            |one| one.decisions = vec![decided(50, Verdict::Approve)],
            |one| one.decisions = vec![Decided { signature: Vec::new(), ..decided(1, Verdict::Approve) }],
            // Nothing is done that too few approved, or that somebody denied; and who denies is named.
            |one| {
                one.decisions = vec![decided(1, Verdict::Approve)];
                one.ended = ended(Outcome::Executed);
            },
            |one| one.ended = ended(Outcome::Denied),
            |one| {
                one.decisions = [1, 2].map(|number| decided(number, Verdict::Approve)).to_vec();
                one.decisions.push(decided(3, Verdict::Deny));
                one.ended = ended(Outcome::Executed);
            },
        ];
        for (number, edit) in edits.into_iter().enumerate() {
            let mut edited = asked();
            edit(&mut edited);
            assert!(edited.check().is_err(), "edit {number}");
        }
    }

    #[test]
    fn nothing_of_an_approval_changes_but_what_is_decided_and_that_it_ends_once() {
        let (stored, more) = (asked(), approved());
        assert!(more.follows(&stored) && !stored.follows(&more) && more.follows(&more));
        let first = Approval { decisions: more.decisions[..1].to_vec(), ..asked() };
        assert!(more.follows(&first));
        let other = Approval { decisions: vec![decided(3, Verdict::Approve)], ..asked() };
        assert!(!other.follows(&first), "a decision is exchanged");
        let done = Approval { ended: ended(Outcome::Executed), ..more.clone() };
        assert!(done.follows(&more) && done.follows(&done) && !more.follows(&done));
        let moved = Approval { ended: ended(Outcome::Moved), ..done.clone() };
        assert!(!moved.follows(&done), "it ends once");
        let mut late = done.clone();
        late.decisions.push(decided(3, Verdict::Approve));
        assert!(!late.follows(&done), "nothing is decided behind the end");
        let edits: [fn(&mut Approval); 10] = [
            |one| one.action = Action::UpdateRing,
            |one| one.ring = None,
            |one| one.requester = PrincipalId::from_bytes([51; 16]),
            |one| one.asked.push(0),
            |one| one.salt = [0; 16],
            |one| one.tag = [0; 32],
            |one| one.digest = [0; 32],
            |one| one.rows.clear(),
            |one| one.quorum = 1,
            |one| one.expires_at = Timestamp::from_micros(1_000),
        ];
        for edit in edits {
            let mut edited = more.clone();
            edit(&mut edited);
            assert!(!edited.follows(&stored), "{edited:?}");
        }
    }
}

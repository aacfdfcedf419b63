//! Approvals: the one form of what others are asked to approve, and what is signed of a decision on it.
//!
//! What it keeps true:
//! * each value has one encoding (deterministic CBOR, RFC 8949, 4.2.1), and only that one is decoded;
//! * an encoding keeps its meaning: a number stays with its field, and a field that comes later is one that can be absent;
//! * who decides signs the whole of what was asked for, the deployment and the approval itself included, with the verdict and the time, and
//!   can be held to it by whoever has the facts: it takes no key of the deployment. The same act, asked for again, is another form.
//!
//! ```text
//! form     = {1: deployment, 2: id, 3: action, 4: what is asked for, 5: salt, 6: requester, 7: ring, 8: rows, 9: quorum, 10: who may approve,
//!             11: requested_at, 12: expires_at, 13: why}
//! row      = [kind, id, revision]
//! digest   = SHA-256("claviger/approval/v1" || 0x00 || form)
//! decision = "claviger/decision/v1" || 0x00 || digest || verdict (1 byte: 0 deny, 1 approve) || signed_at (8 bytes, big-endian)
//! ```
//!
//! What is asked for is the encoding of a [`Governed`] without its reason. Why it is asked for is the identifier of the reason, or one byte
//! that says why there is none; so the text of a reason can be erased, and what was signed stays what it is.

use std::str::FromStr;

use claviger_core::approval::{Approval, Decided, Eligible, SeenRow, Verdict};
use claviger_core::object::{Kind, Object};
use claviger_core::reason::Why;
use claviger_core::{Action, ApprovalId, KeyRingId, Name, PrincipalId, Timestamp};

use crate::cbor::{self, Fields, MapError, Pairs, Reader, bytes, fixed, instant, word};
use crate::fact::OpenApproval;
use crate::governed::{Governed, GovernedError};
use crate::hash::{from_base64, sha256_parts};
use crate::{Hash, signature};

pub use claviger_core::approval::{NotCanonical, decode_decisions, encode_decisions};

/// What the digest of a form is bound to.
const FORM: &[u8] = b"claviger/approval/v1\0";
/// What the signature of a decision is bound to.
const DECISION: &[u8] = b"claviger/decision/v1\0";

/// Why bytes are not the form of an approval, or a form is of no act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// What is asked for is none of the acts that are known.
    #[error("what is asked for does not read: {0}")]
    Act(#[from] GovernedError),
    /// What is asked for is another act than the form says, or has its reason in it.
    #[error("what is asked for is not what the form says that it is")]
    AnotherAct,
    /// Not the map that a form is.
    #[error(transparent)]
    Form(#[from] MapError),
    /// Not base64.
    #[error("it is not base64")]
    NotBase64,
}

/// What others are asked to approve. They sign its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The deployment.
    pub deployment: Name,
    /// The approval.
    pub id: ApprovalId,
    /// Which act.
    pub action: Action,
    /// What is asked for: a [`Governed`], encoded without its reason.
    pub asked: Vec<u8>,
    /// Random bytes.
    pub salt: [u8; 16],
    /// Who asks.
    pub requester: PrincipalId,
    /// The ring whose rule asks for approval; `None` where that of the deployment does.
    pub ring: Option<KeyRingId>,
    /// The rows that it is decided on, ascending, each once.
    pub rows: Vec<SeenRow>,
    /// How many others must approve.
    pub quorum: u8,
    /// Who they may be.
    pub eligible: Eligible,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// From then on it is done no more.
    pub expires_at: Timestamp,
    /// Why it is asked for.
    pub reason: Option<Why>,
}

impl Form {
    /// The form of an approval of that deployment.
    #[must_use]
    pub fn of(approval: &Approval, deployment: &Name) -> Self {
        Self {
            deployment: deployment.clone(),
            id: approval.id,
            action: approval.action,
            asked: approval.asked.clone(),
            salt: approval.salt,
            requester: approval.requester,
            ring: approval.ring,
            rows: approval.rows.clone(),
            quorum: approval.quorum,
            eligible: approval.eligible,
            requested_at: approval.requested_at,
            expires_at: approval.expires_at,
            reason: approval.reason,
        }
    }

    /// The encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut pairs = Pairs::default();
        pairs.text(1, self.deployment.as_str());
        pairs.bytes(2, self.id.as_bytes());
        pairs.text(3, self.action.name());
        pairs.bytes(4, &self.asked);
        pairs.bytes(5, &self.salt);
        pairs.bytes(6, self.requester.as_bytes());
        if let Some(ring) = self.ring {
            pairs.bytes(7, ring.as_bytes());
        }
        pairs.list(8, &self.rows, put_row);
        pairs.uint(9, u64::from(self.quorum));
        pairs.text(10, self.eligible.name());
        pairs.uint(11, self.requested_at.as_micros());
        pairs.uint(12, self.expires_at.as_micros());
        if let Some(why) = self.reason {
            pairs.bytes(13, &why.to_bytes());
        }
        pairs.finish()
    }

    /// Reads an encoding. Whether what is asked for reads as well is for [`Self::act`] to say.
    ///
    /// # Errors
    /// [`ApprovalError::Form`] for everything that [`Self::encode`] does not write, and for more than an approval has.
    pub fn decode(bytes: &[u8]) -> Result<Self, ApprovalError> {
        let form = cbor::whole_map(bytes, take)?;
        let is_sound = form.asked.len() <= Approval::MAX_ASKED && SeenRow::are_listed(&form.rows);
        // A list that is there and empty reads, and is not what is written.
        if is_sound && form.encode() == bytes { Ok(form) } else { Err(MapError::Value.into()) }
    }

    /// What approvers sign the digest of.
    #[must_use]
    pub fn digest(&self) -> Hash {
        sha256_parts(&[FORM, &self.encode()])
    }

    /// What is asked for. Whoever shows a form shows this, and nothing that lies beside it.
    ///
    /// # Errors
    /// [`ApprovalError::Act`] for what this release does not know, [`ApprovalError::AnotherAct`] for what the form does not say.
    pub fn act(&self) -> Result<Governed, ApprovalError> {
        let act = Governed::decode(&self.asked)?;
        let is_so = act.action() == self.action && act.reason().is_none();
        if is_so { Ok(act) } else { Err(ApprovalError::AnotherAct) }
    }

    /// In what the facts of an approval say something else; `None` where they say what the form does.
    #[must_use]
    pub fn differs_from(&self, said: &OpenApproval) -> Option<&'static str> {
        let compared = [
            ("digest", self.digest() == said.digest),
            ("action", self.action == said.action),
            ("requester", self.requester == said.requester),
            ("ring", self.ring == said.ring),
            ("rows", self.rows == said.rows),
            ("quorum", self.quorum == said.quorum),
            ("eligible", self.eligible == said.eligible),
            ("requested_at", self.requested_at == said.requested_at),
            ("expires_at", self.expires_at == said.expires_at),
            ("reason", self.reason == said.reason),
        ];
        compared.into_iter().find(|(_, is_same)| !is_same).map(|(field, _)| field)
    }
}

/// As programs have it in text: the encoding in base64 (RFC 4648, section 4).
impl FromStr for Form {
    type Err = ApprovalError;

    fn from_str(text: &str) -> Result<Self, ApprovalError> {
        Self::decode(&from_base64(text).ok_or(ApprovalError::NotBase64)?)
    }
}

/// Is the digest of an approval that of its form?
#[must_use]
pub fn holds(approval: &Approval, deployment: &Name) -> bool {
    Form::of(approval, deployment).digest() == approval.digest
}

/// The bytes that are signed of a decision on what has that digest.
#[must_use]
pub fn signed_bytes(digest: &Hash, verdict: Verdict, signed_at: Timestamp) -> Vec<u8> {
    [DECISION, digest, &[verdict.code()], &signed_at.as_micros().to_be_bytes()].concat()
}

/// Has the holder of its public key signed this decision on what has that digest?
#[must_use]
pub fn is_signed(digest: &Hash, decided: &Decided) -> bool {
    let signed = signed_bytes(digest, decided.verdict, decided.signed_at);
    signature::attests(decided.method, &decided.public_key, &signed, &decided.signature)
}

fn put_row(out: &mut Vec<u8>, seen: &SeenRow) {
    cbor::put_array(out, 3);
    cbor::put_uint(out, u64::from(seen.object.kind().code()));
    cbor::put_bytes(out, &seen.object.id());
    cbor::put_uint(out, seen.revision);
}

fn take_row(reader: &mut Reader<'_>) -> Result<SeenRow, MapError> {
    if reader.array()? != 3 {
        return Err(MapError::Value);
    }
    let kind = Kind::from_code(reader.small()?).ok_or(MapError::Value)?;
    let object = Object::from_id(kind, reader.bytes()?).ok_or(MapError::Value)?;
    Ok(SeenRow { object, revision: reader.uint()? })
}

fn take(fields: &mut Fields<'_, '_>) -> Result<Form, MapError> {
    Ok(Form {
        deployment: fields.need(1, word)?,
        id: ApprovalId::from_bytes(fields.need(2, fixed)?),
        action: fields.need(3, word)?,
        asked: fields.need(4, bytes)?,
        salt: fields.need(5, fixed)?,
        requester: PrincipalId::from_bytes(fields.need(6, fixed)?),
        ring: fields.find(7, fixed)?.map(KeyRingId::from_bytes),
        rows: fields.list(8, Approval::MOST_ROWS, take_row)?,
        quorum: fields.need(9, |reader| Ok(reader.small()?))?,
        eligible: fields.need(10, word)?,
        requested_at: fields.need(11, instant)?,
        expires_at: fields.need(12, instant)?,
        reason: fields.find(13, |reader| Why::from_bytes(reader.bytes()?).ok_or(MapError::Value))?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use claviger_core::approval::{DoneStep, Ended, Outcome};
    use claviger_core::declaration::SigningMethod;
    use claviger_core::principal::Role;
    use claviger_core::reason::{Reason, ReasonCode, Unasked};
    use claviger_core::{CredentialId, KeyId, KeyVersionId, ReasonId};
    use proptest::prelude::*;

    use super::*;
    use crate::fact::{Facts, OpenRow, Replayed, VeilKey, projection};

    /// `SubjectPublicKeyInfo` of an Ed25519 key up to its bytes (RFC 8410).
    const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

    pub(crate) const KEY: KeyId = KeyId::from_bytes([3; 16]);

    const fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    pub(crate) fn deployment() -> Name {
        "shop".parse().unwrap()
    }

    /// What an administrator asked for, and nobody has decided.
    pub(crate) fn approval() -> Approval {
        let reason = Reason::new(Some(ReasonCode::Misuse), None);
        let act =
            Governed::ScheduleDestroy { key: KEY, waiting: std::time::Duration::from_secs(86_400), reason };
        let version = KeyVersionId { key: KEY, number: 2 };
        let row = |object, revision| SeenRow { object, revision };
        let mut approval = Approval {
            id: ApprovalId::from_bytes([1; 16]),
            action: act.action(),
            ring: Some(KeyRingId::from_bytes([2; 16])),
            requester: PrincipalId::from_bytes([4; 16]),
            asked: act.without_reason().encode(),
            salt: [5; 16],
            tag: [0; 32],
            digest: [0; 32],
            rows: vec![row(Object::Key(KEY), 7), row(Object::Version(version), 1)],
            quorum: 2,
            eligible: Eligible::Custodians,
            requested_at: at(1_000),
            expires_at: at(9_000),
            decisions: Vec::new(),
            done: Vec::new(),
            ended: None,
            reason: Some(Why::Given(ReasonId::from_bytes([6; 16]))),
            revision: 0,
        };
        approval.digest = Form::of(&approval, &deployment()).digest();
        approval
    }

    /// A plan of two acts on the same rows, which nobody has decided.
    pub(crate) fn plan() -> Approval {
        let principal = PrincipalId::from_bytes([4; 16]);
        let act = |role| Governed::AssignRole { principal, role, reason: None }.encode();
        let acts = vec![act(Role::Auditor), act(Role::Operator)];
        let plan = Governed::ApplyPlan { acts, reason: None };
        let mut approval = Approval { action: plan.action(), ring: None, asked: plan.encode(), ..approval() };
        approval.digest = Form::of(&approval, &deployment()).digest();
        approval
    }

    pub(crate) fn decided(approval: &Approval, verdict: Verdict, person: u8) -> Decided {
        let key = Ed25519KeyPair::from_seed_unchecked(&[person; 32]).unwrap();
        let signed_at = at(2_000 + u64::from(person));
        let signed = key.sign(&signed_bytes(&approval.digest, verdict, signed_at));
        Decided {
            verdict,
            by: PrincipalId::from_bytes([person; 16]),
            credential: CredentialId::from_bytes([person; 16]),
            public_key: [ED25519, key.public_key().as_ref()].concat(),
            method: SigningMethod::Ed25519,
            signature: AsRef::<[u8]>::as_ref(&signed).to_vec(),
            signed_at,
            at: at(2_500 + u64::from(person)),
        }
    }

    fn forms() -> Vec<Form> {
        let full = Form::of(&approval(), &deployment());
        vec![
            full.clone(),
            Form { ring: None, rows: Vec::new(), reason: None, ..full.clone() },
            Form { eligible: Eligible::Responders, ..full.clone() },
            Form { reason: Some(Why::Unasked(Unasked::Protocol)), eligible: Eligible::RoleHolders, ..full },
            Form::of(&plan(), &deployment()),
        ]
    }

    #[test]
    fn each_form_has_one_encoding() {
        for form in forms() {
            let bytes = form.encode();
            assert_eq!(Form::decode(&bytes), Ok(form.clone()));
            assert_eq!(crate::hash::to_base64(&bytes).parse(), Ok(form));
            assert!(Form::decode(&[&bytes[..], &[0]].concat()).is_err());
            for length in 0..bytes.len() {
                assert!(Form::decode(&bytes[..length]).is_err(), "{length}");
            }
        }
        assert_eq!("(".parse::<Form>(), Err(ApprovalError::NotBase64));
    }

    #[test]
    fn forms_are_bounded_and_their_rows_ascend() {
        let good = Form::of(&approval(), &deployment());
        let refused = |form: Form| assert!(Form::decode(&form.encode()).is_err(), "{form:?}");
        refused(Form { asked: vec![0; Approval::MAX_ASKED + 1], ..good.clone() });
        refused(Form { rows: good.rows.iter().rev().copied().collect(), ..good.clone() });
        let twice = [good.rows[0], SeenRow { revision: 8, ..good.rows[0] }];
        refused(Form { rows: twice.to_vec(), ..good.clone() });
        let row = |number: u8| SeenRow { object: Object::Key(KeyId::from_bytes([number; 16])), revision: 1 };
        refused(Form { rows: (0..65).map(row).collect(), ..good.clone() });
        assert!(Form::decode(&Form { rows: (0..64).map(row).collect(), ..good.clone() }.encode()).is_ok());
        // An empty list that is written down.
        let bare = Form { ring: None, rows: Vec::new(), ..good };
        let bytes = bare.encode();
        let place = bytes.len() - bytes_behind_rows(&bare);
        let mut written = bytes.clone();
        written.splice(place..place, [8, 0x80]);
        written[0] += 1;
        assert_eq!(Form::decode(&written), Err(ApprovalError::Form(MapError::Value)));
    }

    /// How much of an encoding lies behind the place of its rows.
    fn bytes_behind_rows(form: &Form) -> usize {
        let mut pairs = Pairs::default();
        pairs.uint(9, u64::from(form.quorum));
        pairs.text(10, form.eligible.name());
        pairs.uint(11, form.requested_at.as_micros());
        pairs.uint(12, form.expires_at.as_micros());
        form.reason.iter().for_each(|why| pairs.bytes(13, &why.to_bytes()));
        pairs.finish().len() - 1
    }

    #[test]
    fn a_form_is_of_the_act_that_it_says() {
        let form = Form::of(&approval(), &deployment());
        let act = form.act().unwrap();
        assert_eq!((act.action(), act.reason()), (Action::ScheduleDestroy, None));
        let other = Form { action: Action::CancelDestroy, ..form.clone() };
        assert_eq!(other.act(), Err(ApprovalError::AnotherAct));
        let reason = Reason::new(Some(ReasonCode::Misuse), None);
        let asked = Governed::CancelDestroy { key: KEY, reason }.encode();
        let with_reason = Form { action: Action::CancelDestroy, asked, ..form.clone() };
        assert_eq!(with_reason.act(), Err(ApprovalError::AnotherAct));
        let plan = Form::of(&plan(), &deployment());
        assert!(matches!(plan.act(), Ok(Governed::ApplyPlan { acts, .. }) if acts.len() == 2));
        let none = Form { asked: vec![0xa0], ..form };
        assert_eq!(none.act(), Err(ApprovalError::Act(GovernedError::Map(MapError::Field(0)))));
    }

    #[test]
    fn nothing_that_was_asked_for_can_be_another_thing() {
        let approval = approval();
        assert!(holds(&approval, &deployment()));
        assert!(!holds(&approval, &"another".parse().unwrap()));
        let edits: [fn(&mut Approval); 13] = [
            |one| one.id = ApprovalId::from_bytes([9; 16]),
            |one| one.action = Action::CancelDestroy,
            |one| one.asked[20] ^= 1,
            |one| one.salt[0] ^= 1,
            |one| one.requester = PrincipalId::from_bytes([9; 16]),
            |one| one.ring = None,
            |one| one.rows[0].revision += 1,
            |one| one.rows.truncate(one.rows.len() - 1),
            |one| one.quorum -= 1,
            |one| one.eligible = Eligible::RoleHolders,
            |one| one.requested_at = at(1_001),
            |one| one.expires_at = at(9_001),
            |one| one.reason = None,
        ];
        for edit in edits {
            let mut edited = approval.clone();
            edit(&mut edited);
            assert!(!holds(&edited, &deployment()), "{edited:?}");
        }
    }

    #[test]
    fn a_decision_is_of_its_signer_on_this_form_and_no_other() {
        let approval = approval();
        for verdict in Verdict::ALL {
            let decided = decided(&approval, verdict, 7);
            assert!(is_signed(&approval.digest, &decided));
            let mut digest = approval.digest;
            digest[0] ^= 1;
            assert!(!is_signed(&digest, &decided));
            let edits: [fn(&mut Decided); 5] = [
                |one| {
                    one.verdict = if one.verdict == Verdict::Deny { Verdict::Approve } else { Verdict::Deny };
                },
                |one| one.signed_at = at(1),
                |one| one.method = SigningMethod::EcdsaP256Sha256,
                |one| one.signature[0] ^= 1,
                |one| one.public_key = [ED25519, &[8; 32]].concat(),
            ];
            for edit in edits {
                let mut edited = decided.clone();
                edit(&mut edited);
                assert!(!is_signed(&approval.digest, &edited), "{edited:?}");
            }
        }
        let signed = signed_bytes(&[9; 32], Verdict::Approve, at(0x0102));
        assert_eq!(signed, [&b"claviger/decision/v1\0"[..], &[9; 32], &[1, 0, 0, 0, 0, 0, 0, 1, 2]].concat());
    }

    /// What facts say of an approval is the approval again, and what is sealed of it is what the digest is of.
    #[test]
    fn approvals_are_read_back_from_their_facts() {
        use claviger_core::change::Change;
        let veil = VeilKey::new([9; 32]);
        let fact = |approval: &Approval| {
            let projected = projection(&Change::PutApproval(approval.clone())).unwrap().of_revision();
            projected.fact(Some(&veil)).unwrap()
        };
        let asked = approval();
        let first = fact(&asked);
        let bytes = Facts { seed: [1; 16], why: None, facts: vec![first.clone()] }.encode().unwrap();
        assert!(!bytes.windows(asked.asked.len()).any(|window| window == asked.asked), "it is sealed");
        let mut replayed = Replayed::new(first);
        assert_eq!(replayed.approval(Some(&veil)), Ok(Approval { revision: 1, ..asked.clone() }));
        assert!(replayed.approval(None).is_err(), "what was asked for takes a key");
        let decisions = vec![decided(&asked, Verdict::Approve, 7), decided(&asked, Verdict::Approve, 8)];
        let by = asked.requester;
        let ended = Some(Ended { outcome: Outcome::Executed, at: at(3_000), by });
        let done = Approval { decisions, ended, revision: 1, ..asked };
        let later = fact(&done);
        assert_eq!(later.fields.keys().copied().collect::<Vec<_>>(), [12, 13, 14, 15]);
        assert!(later.sealed.is_none());
        replayed.take(later);
        let read = replayed.approval(Some(&veil)).unwrap();
        assert_eq!(read, Approval { revision: 2, ..done.clone() });
        let step = DoneStep { step: 0, moved: vec![SeenRow { object: Object::Key(KEY), revision: 8 }] };
        let planned = Approval { done: vec![step], revision: 2, ..done.clone() };
        let later = fact(&planned);
        assert_eq!(later.fields.keys().copied().collect::<Vec<_>>(), [12, 13, 14, 15, 17]);
        replayed.take(later);
        assert_eq!(replayed.approval(Some(&veil)), Ok(Approval { revision: 3, ..planned }));
        assert!(holds(&read, &deployment()) && read.decisions.iter().all(|one| is_signed(&read.digest, one)));
        // What lies open says the same to whoever was given the form.
        let projected = projection(&Change::PutApproval(done)).unwrap();
        let OpenRow::Approval(open) = OpenRow::read(projected.object, &projected.open_fields()).unwrap()
        else {
            panic!("an approval");
        };
        let form = Form::of(&read, &deployment());
        assert_eq!(form.differs_from(&open), None);
        assert_eq!(open.approvers().count(), 2);
        assert_eq!(form.differs_from(&OpenApproval { quorum: 1, ..(*open).clone() }), Some("quorum"));
        let other = Form { salt: [0; 16], ..form };
        assert_eq!(other.differs_from(&open), Some("digest"));
    }

    proptest! {
        #[test]
        fn what_is_read_encodes_to_the_same_bytes(which in 0..5_usize, at in any::<usize>(), byte: u8, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut edited = forms()[which].encode();
            let at = at % edited.len();
            edited[at] = byte;
            for bytes in [edited, bytes] {
                if let Ok(read) = Form::decode(&bytes) {
                    prop_assert_eq!(read.encode(), bytes.clone());
                    let _ = read.act();
                }
            }
        }
    }
}

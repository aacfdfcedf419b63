//! A small deployment as its facts tell of it, act by act, with a check that looks on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use claviger_audit::approval::signed_bytes;
use claviger_audit::fact::{
    Fact, Field, Kind, Object, OpenAlert, OpenApproval, OpenBreakGlass, OpenCredential, OpenDeclaration,
    OpenGovernance, OpenGrant, OpenKey, OpenPrincipal, OpenReview, OpenRing, OpenRow, field_name,
};
use claviger_audit::review::{Population, ReviewedGrant, ReviewedPrincipal, population_digest};
use claviger_audit::verify::Verified;
use claviger_audit::{Entry, Op, Outcome as Recorded, cbor, declaration};
use claviger_core::alert::AlertRule;
use claviger_core::approval::{Decided, DoneStep, Eligible, Ended, Outcome, SeenRow, Verdict};
use claviger_core::capacity::{Capacity, HeldCapacity};
use claviger_core::declaration::{Attestation, Claim, Declared, SigningMethod};
use claviger_core::governance::Governance;
use claviger_core::grant::{Basis, GrantOrigin};
use claviger_core::key::{DataClass, Protection, RingPolicy, State};
use claviger_core::principal::{CredentialKind, PrincipalKind, Role, Status};
use claviger_core::reason::Why;
use claviger_core::review::{ItemDecision, ReviewClosed, ReviewDecision, ReviewScope, ReviewSubject};
use claviger_core::{
    Action, AlertId, ApprovalId, BreakGlassId, CredentialId, DeclarationId, GovernanceId, GrantId, KeyId,
    KeyRingId, PrincipalId, Purpose, ReasonId, ReviewId, Spec, Timestamp,
};
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{Message, ReadyKey, SignatureAlgorithm, generate};

use super::estate::Estate;
use super::ledger::Said;
use super::result::Period;
use super::setting::Setting;
use crate::Catalogue;
use crate::check::{Check, End, Event, find};
use crate::control::Mode;

/// An administrator.
pub(crate) const ADA: PrincipalId = person(1);
/// A security officer.
pub(crate) const OTTO: PrincipalId = person(2);
/// Custodians.
pub(crate) const CUSTODIANS: [PrincipalId; 3] = [person(3), person(4), person(5)];
/// Somebody without a role.
pub(crate) const ANNA: PrincipalId = person(6);
/// A strict ring, whose quorum is that of the default.
pub(crate) const RING: KeyRingId = KeyRingId::from_bytes([20; 16]);
/// Its key.
pub(crate) const KEY: KeyId = KeyId::from_bytes([21; 16]);
/// Emergency access of [`ANNA`], and the grant that it is.
pub(crate) const ACCESS: BreakGlassId = BreakGlassId::from_bytes([22; 16]);
pub(crate) const ACCESS_GRANT: GrantId = GrantId::from_bytes([23; 16]);
/// An alert.
pub(crate) const ALERT: AlertId = AlertId::from_bytes([24; 16]);

pub(crate) const fn person(number: u8) -> PrincipalId {
    PrincipalId::from_bytes([number; 16])
}

/// The certificate of somebody.
pub(crate) const fn card(of: PrincipalId) -> CredentialId {
    CredentialId::from_bytes(*of.as_bytes())
}

pub(crate) const fn at(day: u64) -> Timestamp {
    Timestamp::from_micros(day * 86_400_000_000)
}

/// A principal that is a person with these roles.
pub(crate) fn human(roles: &[Role]) -> OpenPrincipal {
    OpenPrincipal {
        kind: PrincipalKind::Human,
        status: Status::Active,
        roles: roles.to_vec(),
        created_by: None,
        created_at: at(0),
        recovered_at: None,
        acknowledged_by: None,
        erased_at: None,
        environment: None,
        same_person_as: None,
        capacities: Vec::new(),
    }
}

/// The same, who answers for these.
pub(crate) fn answering(roles: &[Role], capacities: &[Capacity]) -> OpenPrincipal {
    let held = |capacity: &Capacity| HeldCapacity { capacity: *capacity, given_by: OTTO };
    OpenPrincipal { capacities: capacities.iter().map(held).collect(), ..human(roles) }
}

/// What a check came to.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) subjects: u64,
    /// `SUBJECT: BECAUSE`.
    pub(crate) violations: Vec<String>,
    pub(crate) undecided: Vec<String>,
    pub(crate) figures: BTreeMap<String, u64>,
    pub(crate) needs: BTreeSet<String>,
}

impl Told {
    /// Does it hold of so many subjects, and is it known of each?
    #[track_caller]
    pub(crate) fn holds_of(&self, subjects: u64) {
        assert_eq!((&self.violations[..], &self.undecided[..]), (&[][..], &[][..]));
        assert_eq!(self.subjects, subjects);
    }

    /// Is it violated once, for that reason?
    #[track_caller]
    pub(crate) fn is_violated(&self, because: &str) {
        let [violation] = self.violations.as_slice() else { panic!("{self:?}") };
        assert!(violation.contains(because), "{violation}");
    }
}

/// The deployment.
pub(crate) struct Story {
    catalogue: Catalogue,
    check: Box<dyn Check>,
    pub(crate) estate: Estate,
    revisions: BTreeMap<Object, u64>,
    keys: BTreeMap<PrincipalId, ReadyKey>,
    entries: u64,
    now: Timestamp,
}

impl Story {
    /// One that begins with its set-up and a key, which that control looks on at.
    pub(crate) fn of(control: &str) -> Self {
        let mut story = Self::with_people(control);
        story.with_a_key();
        story
    }

    /// The same before there is a ring and a key.
    pub(crate) fn with_people(control: &str) -> Self {
        let catalogue = Catalogue::load().unwrap();
        let make = find(control.parse().unwrap()).unwrap();
        let check = make(&Setting::new(&catalogue, None, period()));
        let mut story = Self {
            catalogue,
            check,
            estate: Estate::default(),
            revisions: BTreeMap::new(),
            keys: BTreeMap::new(),
            entries: 0,
            now: at(1),
        };
        let mut rows = vec![rules(Governance::QUORUM)];
        let people = [(ADA, Role::Administrator), (OTTO, Role::SecurityOfficer)].into_iter();
        for (id, role) in people.chain(CUSTODIANS.map(|custodian| (custodian, Role::Custodian))) {
            rows.push(principal(id, human(&[role])));
            rows.push(story.certificate(id));
        }
        rows.push(principal(ANNA, human(&[])));
        story.act(Op::Initialize, None, rows);
        story
    }

    /// A ring and a key are made.
    pub(crate) fn with_a_key(&mut self) {
        self.act(Op::CreateRing, None, vec![ring(RingPolicy::default())]);
        self.act(Op::CreateKey, Some(KEY), vec![key(open_key())]);
    }

    /// A certificate that somebody has from now on, with a key of its own.
    pub(crate) fn certificate(&mut self, of: PrincipalId) -> (Object, OpenRow) {
        let material = generate(Spec::Ed25519, &mut ModuleRandom).unwrap();
        let key = ReadyKey::for_purpose(Spec::Ed25519, Purpose::Sign, &material.secret).unwrap();
        self.keys.insert(of, key);
        let row = OpenCredential {
            principal: of,
            kind: CredentialKind::Certificate,
            status: Status::Active,
            created_by: None,
            created_at: at(0),
            expires_at: at(2000),
            renews: None,
            awaits_confirmation: false,
        };
        (Object::Credential(card(of)), OpenRow::Credential(row))
    }

    /// Two persons sign by one and the same key from now on.
    pub(crate) fn share_a_key(&mut self, one: PrincipalId, other: PrincipalId) {
        let material = generate(Spec::Ed25519, &mut ModuleRandom).unwrap();
        for of in [one, other] {
            let key = ReadyKey::for_purpose(Spec::Ed25519, Purpose::Sign, &material.secret).unwrap();
            self.keys.insert(of, key);
        }
    }

    /// The instant of the next entry.
    pub(crate) fn next(&self) -> Timestamp {
        self.now.after(Duration::from_secs(60))
    }

    /// Days pass.
    pub(crate) fn wait(&mut self, days: u64) {
        self.wait_hours(days * 24);
    }

    /// Hours pass.
    pub(crate) fn wait_hours(&mut self, hours: u64) {
        self.now = self.now.after(Duration::from_secs(hours * 3600));
    }

    /// An entry of something that was done, with what it wrote.
    pub(crate) fn act(&mut self, op: Op, key: Option<KeyId>, rows: Vec<(Object, OpenRow)>) {
        self.act_for(None, op, key, rows);
    }

    /// The same for a reason that somebody gave.
    pub(crate) fn act_for(
        &mut self,
        giver: Option<PrincipalId>,
        op: Op,
        key: Option<KeyId>,
        rows: Vec<(Object, OpenRow)>,
    ) {
        let mut facts: Vec<_> = rows.iter().map(|(object, _)| self.fact(*object)).collect();
        facts.extend(giver.map(|giver| self.reason_of(giver)));
        let rows = rows.into_iter().map(|(object, row)| (object, Some(row)));
        self.tell((op, Recorded::Ok, None), key, &facts, rows.collect());
    }

    /// An entry of something that changed nothing: a use by that policy, or what was refused.
    pub(crate) fn used(&mut self, op: Op, outcome: Recorded, policy: Option<[u8; 8]>) {
        self.tell((op, outcome, policy), Some(KEY), &[], Vec::new());
    }

    /// The same of an object whose facts do not read.
    pub(crate) fn act_unread(&mut self, op: Op, key: Option<KeyId>, object: Object) {
        let facts = [self.fact(object)];
        self.tell((op, Recorded::Ok, None), key, &facts, vec![(object, None)]);
    }

    fn tell(
        &mut self,
        (op, outcome, pol): (Op, Recorded, Option<[u8; 8]>),
        key: Option<KeyId>,
        facts: &[Fact],
        rows: Vec<(Object, Option<OpenRow>)>,
    ) {
        self.now = self.next();
        let entry = Entry {
            key: key.map(|key| *key.as_bytes()),
            ses: Some(1),
            pol,
            fct: (!facts.is_empty()).then_some([1; 32]),
            ..Entry::new(self.now.as_micros(), 1, op, outcome)
        };
        let event = Event { shard: 1, index: self.entries, at: self.now, entry: &entry, facts };
        self.entries += 1;
        self.check.entry(&event, &self.estate);
        for (object, row) in rows {
            match row {
                Some(row) => self.estate.put(object, Some(row)),
                None => self.estate.cannot_read(object),
            }
        }
        for fact in facts {
            self.check.changed(fact.object, &event, &self.estate);
        }
    }

    fn fact(&mut self, object: Object) -> Fact {
        let revision = self.revisions.entry(object).or_default();
        *revision += 1;
        Fact { object, revision: *revision, fields: BTreeMap::new(), sealed: None }
    }

    fn reason_of(&mut self, giver: PrincipalId) -> Fact {
        let is_giver = |number: &u16| field_name(Kind::Reason, *number) == Some("given_by");
        let number = (1..100).find(is_giver).unwrap();
        let mut value = Vec::new();
        cbor::put_bytes(&mut value, giver.as_bytes());
        let mut id = [200; 16];
        id[..8].copy_from_slice(&self.entries.to_be_bytes());
        let mut fact = self.fact(Object::Reason(ReasonId::from_bytes(id)));
        fact.fields.insert(number, Field::Open(value));
        fact
    }

    /// What somebody asks for, by the rule of the ring or of the deployment, to be done to these objects.
    pub(crate) fn asked(
        &self,
        who: PrincipalId,
        action: Action,
        by_ring: bool,
        on: &[Object],
    ) -> OpenApproval {
        let rule = if by_ring { Object::Ring(RING) } else { Object::Governance(GovernanceId::ONLY) };
        let objects: BTreeSet<_> = on.iter().copied().chain([rule]).collect();
        let revision = |object: Object| self.revisions.get(&object).copied().unwrap_or_default();
        let requested_at = self.next();
        OpenApproval {
            action,
            ring: by_ring.then_some(RING),
            requester: who,
            digest: claviger_audit::sha256(&self.entries.to_be_bytes()),
            rows: objects.into_iter().map(|object| SeenRow { object, revision: revision(object) }).collect(),
            quorum: 2,
            eligible: Eligible::Custodians,
            requested_at,
            expires_at: requested_at.after(Duration::from_secs(7 * 86_400)),
            decisions: Vec::new(),
            ended: None,
            reason: Some(Why::Given(ReasonId::from_bytes([1; 16]))),
            done: Vec::new(),
        }
    }

    /// Somebody signs that they know the duties of custodians.
    pub(crate) fn acknowledge(&mut self, by: PrincipalId) {
        self.attest(by, "ATT-CUSTODIAN-ACK", &[]);
    }

    /// Somebody signs a statement about these objects, or about the whole deployment.
    pub(crate) fn attest(&mut self, by: PrincipalId, statement: &str, scope: &[Object]) {
        let statement = self.catalogue.find_statement(statement).unwrap();
        let (key, signed_at) = (&self.keys[&by], self.next());
        let claim = Claim {
            deployment: DEPLOYMENT.parse().unwrap(),
            statement: statement.id.parse().unwrap(),
            statement_digest: statement.digest(),
            scope: scope.to_vec(),
            signed_at,
            valid_until: signed_at.after(statement.validity()),
            evidence: Vec::new(),
            public_key: key.public_key().unwrap().to_vec(),
        };
        let message = declaration::signed_bytes(&claim);
        let signature = key.sign(SignatureAlgorithm::Ed25519, Message::Raw(&message)).unwrap();
        let (credential, method) = (card(by), SigningMethod::Ed25519);
        let attestation = Attestation { claim, credential, method, signature };
        let declared = Declared::Attestation(Box::new(attestation));
        let row = OpenDeclaration { declared, declared_by: by, declared_at: signed_at, withdrawn_at: None };
        let id = DeclarationId::from_bytes([u8::try_from(100 + self.entries).unwrap(); 16]);
        let row = (Object::Declaration(id), OpenRow::Declaration(Box::new(row)));
        self.act(Op::Attest, None, vec![row]);
    }

    /// It is asked for.
    pub(crate) fn ask(&mut self, approval: OpenApproval) -> ApprovalId {
        let id = ApprovalId::from_bytes([u8::try_from(100 + self.entries).unwrap(); 16]);
        self.act(Op::RequestApproval, None, vec![put(id, approval)]);
        id
    }

    /// A decision of somebody, signed now.
    pub(crate) fn decision(&self, id: ApprovalId, by: PrincipalId, verdict: Verdict) -> Decided {
        let (key, signed_at) = (&self.keys[&by], self.next());
        let message = signed_bytes(&self.estate.approvals[&id].digest, verdict, signed_at);
        Decided {
            verdict,
            by,
            credential: card(by),
            public_key: key.public_key().unwrap().to_vec(),
            method: SigningMethod::Ed25519,
            signature: key.sign(SignatureAlgorithm::Ed25519, Message::Raw(&message)).unwrap(),
            signed_at,
            at: signed_at,
        }
    }

    /// Somebody approves it.
    pub(crate) fn approve(&mut self, id: ApprovalId, by: PrincipalId) {
        let decided = self.decision(id, by, Verdict::Approve);
        self.decide(id, decided);
    }

    pub(crate) fn decide(&mut self, id: ApprovalId, decided: Decided) {
        let mut approval = self.estate.approvals[&id].clone();
        approval.decisions.push(decided);
        self.act(Op::Approve, None, vec![put(id, approval)]);
    }

    /// As it is once it is done by the next entry.
    pub(crate) fn executed(&self, id: ApprovalId) -> (Object, OpenRow) {
        let mut approval = self.estate.approvals[&id].clone();
        let ended = Ended { outcome: Outcome::Executed, at: self.next(), by: approval.requester };
        approval.ended = Some(ended);
        put(id, approval)
    }

    /// The revision at which an object stands.
    pub(crate) fn revision(&self, object: Object) -> u64 {
        self.revisions.get(&object).copied().unwrap_or_default()
    }

    /// A review of that scope as the next entry opens it, over what there is.
    pub(crate) fn review(&self, scope: ReviewScope, ring: Option<KeyRingId>) -> OpenReview {
        let opened_at = self.next();
        let mut population = Population::new(scope, ring, opened_at);
        for (id, row) in &self.estate.principals {
            let OpenPrincipal { kind, status, roles, capacities, .. } = row;
            let principal = ReviewedPrincipal { id: *id, kind: *kind, status: *status, roles };
            population.principal(principal, capacities.iter().map(|held| held.capacity));
        }
        for (id, row) in self.estate.grants.iter().filter(|(_, row)| row.status == Status::Active) {
            let (principal, until) = (row.principal, row.until);
            population.grant(ReviewedGrant { id: *id, principal, ring: RING, until });
        }
        let items = population.items();
        OpenReview {
            scope,
            ring,
            population: population_digest(&items),
            items,
            opened_by: ADA,
            opened_at,
            due_at: opened_at.after(Duration::from_secs(30 * 86_400)),
            closed: None,
            reason: None,
        }
    }

    /// A review is as it is from the next entry on.
    pub(crate) fn review_is(&mut self, id: ReviewId, op: Op, review: &OpenReview) {
        let row = OpenRow::Review(Box::new(review.clone()));
        self.act(op, None, vec![(Object::Review(id), row)]);
    }

    /// It is opened, all of it is decided on so, and it is closed.
    pub(crate) fn reviewed(
        &mut self,
        id: ReviewId,
        mut review: OpenReview,
        decide: impl Fn(ReviewSubject) -> (ReviewDecision, PrincipalId),
    ) {
        self.review_is(id, Op::OpenReview, &review);
        let at = self.next();
        for item in &mut review.items {
            let (decision, by) = decide(item.subject);
            item.decided = Some(ItemDecision { decision, by, at });
        }
        self.review_is(id, Op::DecideReview, &review);
        review.closed = Some(ReviewClosed { by: OTTO, at: self.next() });
        self.review_is(id, Op::CloseReview, &review);
    }

    /// A plan as it is once the next entry did its next step, which writes these.
    pub(crate) fn stepped(&self, id: ApprovalId, written: &[Object], is_last: bool) -> (Object, OpenRow) {
        let mut approval = self.estate.approvals[&id].clone();
        let moved =
            written.iter().map(|object| SeenRow { object: *object, revision: self.revision(*object) + 1 });
        let step = u16::try_from(approval.done.len()).unwrap();
        approval.done.push(DoneStep { step, moved: moved.collect() });
        if is_last {
            let ended = Ended { outcome: Outcome::Executed, at: self.next(), by: approval.requester };
            approval.ended = Some(ended);
        }
        put(id, approval)
    }

    /// The administrator asks for emergency access of somebody without a role to the key, the security officer approves it, and it is opened for so
    /// many hours, as edited: the access, and what is written with it.
    pub(crate) fn emergency(
        &mut self,
        hours: u64,
        edit: impl FnOnce(&mut OpenBreakGlass, &mut Vec<(Object, OpenRow)>),
    ) {
        let on = [Object::Principal(ANNA), Object::Key(KEY)];
        let asked = self.asked(ADA, Action::OpenBreakGlass, false, &on);
        let id = self.ask(OpenApproval { eligible: Eligible::Responders, quorum: 1, ..asked });
        self.approve(id, OTTO);
        let opened_at = self.next();
        let mut access = OpenBreakGlass {
            holder: ANNA,
            keys: vec![KEY],
            grants: vec![ACCESS_GRANT],
            opened_by: ADA,
            approval: Some(id),
            opened_at,
            ends_at: opened_at.after(Duration::from_secs(hours * 3600)),
            reason: Some(Why::Given(ReasonId::from_bytes([2; 16]))),
            closed: None,
            reviewed: None,
        };
        let grant = emergency_grant(&access, Status::Active);
        let alert = alert(AlertRule::BreakGlassOpened, Object::BreakGlass(ACCESS), opened_at);
        let mut rows = vec![self.executed(id), grant, alert];
        edit(&mut access, &mut rows);
        rows.push((Object::BreakGlass(ACCESS), OpenRow::BreakGlass(Box::new(access))));
        self.act(Op::OpenBreakGlass, None, rows);
    }

    /// What became of emergency access, by an entry of that operation.
    pub(crate) fn access_is(&mut self, op: Op, edit: impl FnOnce(&mut OpenBreakGlass, Timestamp)) {
        let mut access = self.estate.break_glass[&ACCESS].clone();
        edit(&mut access, self.next());
        let status = if access.closed.is_some() { Status::Revoked } else { Status::Active };
        let grant = emergency_grant(&access, status);
        let row = (Object::BreakGlass(ACCESS), OpenRow::BreakGlass(Box::new(access)));
        self.act(op, None, vec![row, grant]);
    }

    /// Somebody asks for it, two custodians approve it, and it is done.
    pub(crate) fn approved_act(
        &mut self,
        who: PrincipalId,
        op: Op,
        (by_ring, on): (bool, &[Object]),
        rows: Vec<(Object, OpenRow)>,
    ) -> ApprovalId {
        let id = self.ask(self.asked(who, op.action().unwrap(), by_ring, on));
        for custodian in &CUSTODIANS[..2] {
            self.approve(id, *custodian);
        }
        let done = self.executed(id);
        let key = on.iter().find_map(|object| match object {
            Object::Key(key) => Some(*key),
            _ => None,
        });
        self.act(op, key, rows.into_iter().chain([done]).collect());
        id
    }

    /// What the check came to, of a mode.
    pub(crate) fn told(self, mode: Mode) -> Told {
        let setting = Setting::new(&self.catalogue, None, period());
        let verified = Verified { origin: format!("{DEPLOYMENT}/audit/root"), ..Verified::default() };
        let end =
            End { estate: &self.estate, setting: &setting, verified: &verified, first: None, remade: None };
        let outcome = self.check.end(&end);
        let Said { population, violations, undecided_subjects, .. } = match mode {
            Mode::Period => outcome.ledger.of_period(),
            Mode::State => outcome.ledger.of_state(),
        };
        let line = |subject: &str, because: &str| format!("{subject}: {because}");
        Told {
            subjects: population.subjects,
            violations: violations.iter().map(|one| line(&one.subject, &one.because)).collect(),
            undecided: undecided_subjects.iter().map(|one| line(&one.subject, &one.because)).collect(),
            figures: outcome.figures,
            needs: outcome.attestations,
        }
    }
}

/// The name of the deployment.
pub(crate) const DEPLOYMENT: &str = "shop";

fn period() -> Period {
    Period { from: at(0), to: at(1000) }
}

fn put(id: ApprovalId, approval: OpenApproval) -> (Object, OpenRow) {
    (Object::Approval(id), OpenRow::Approval(Box::new(approval)))
}

/// The grant that emergency access is.
fn emergency_grant(access: &OpenBreakGlass, status: Status) -> (Object, OpenRow) {
    let row = OpenGrant {
        principal: access.holder,
        key: Some(KEY),
        ring: None,
        operations: vec![Action::Decrypt],
        is_conditional: false,
        until: Some(access.ends_at),
        created_by: access.opened_by,
        created_at: access.opened_at,
        basis: Basis::Role,
        origin: GrantOrigin::BreakGlass,
        status,
        ended_by: None,
        ended_at: None,
    };
    (Object::Grant(ACCESS_GRANT), OpenRow::Grant(row))
}

/// An alert that nobody has looked at.
pub(crate) fn alert(rule: AlertRule, subject: Object, raised_at: Timestamp) -> (Object, OpenRow) {
    let row = OpenAlert {
        rule,
        subject: Some(subject),
        raised_at,
        last_at: raised_at,
        count: 1,
        triaged: None,
        closed: None,
        reason: None,
    };
    (Object::Alert(ALERT), OpenRow::Alert(row))
}

pub(crate) fn principal(id: PrincipalId, row: OpenPrincipal) -> (Object, OpenRow) {
    (Object::Principal(id), OpenRow::Principal(row))
}

pub(crate) fn ring(policy: RingPolicy) -> (Object, OpenRow) {
    let row = OpenRing { policy, kek_wrap: None, created_at: at(0) };
    (Object::Ring(RING), OpenRow::Ring(Box::new(row)))
}

pub(crate) fn key(row: OpenKey) -> (Object, OpenRow) {
    (Object::Key(KEY), OpenRow::Key(row))
}

/// The key as it is made.
pub(crate) fn open_key() -> OpenKey {
    OpenKey {
        ring: RING,
        purpose: Purpose::Encrypt,
        spec: Spec::Aes256Gcm,
        protection: Protection::Software,
        data_class: DataClass::Confidential,
        owner: ANNA,
        rotation_period: None,
        state: State::Active,
        primary: 1,
        rotates_from: at(1),
        destruction: None,
        created_at: at(1),
        context_required: Vec::new(),
        environment: None,
    }
}

/// The rules of the deployment, with that quorum.
pub(crate) fn rules(quorum: u8) -> (Object, OpenRow) {
    let rules = Governance::of_new_deployment(PrincipalId::SYSTEM, at(1));
    let row = OpenGovernance {
        quorum,
        approval_lifetime: rules.approval_lifetime,
        human_grant_lifetime: rules.human_grant_lifetime,
        break_glass_lifetime: rules.break_glass_lifetime,
        compromise_burst: rules.compromise_burst,
        set_by: rules.set_by,
        set_at: rules.set_at,
    };
    (Object::Governance(GovernanceId::ONLY), OpenRow::Governance(row))
}

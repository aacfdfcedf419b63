//! A small estate: a ring with a key that encrypts, one that signs and one that is destroyed, a node, credentials, an asset, and what others
//! were asked to approve.

use std::time::Duration;

use claviger_audit::fact::{
    OpenAlert, OpenApproval, OpenAsset, OpenBreakGlass, OpenCredential, OpenDeclaration, OpenGovernance,
    OpenKey, OpenNode, OpenPrincipal, OpenReview, OpenRing, OpenRootWrap, OpenVersion,
};
use claviger_audit::review::population_digest;
use claviger_compliance::Period;
use claviger_compliance::evaluation::Estate;
use claviger_core::alert::{AlertAct, AlertRule};
use claviger_core::approval::{Decided, Eligible, Ended, Outcome, SeenRow, Verdict};
use claviger_core::break_glass::{BreakGlassClosed, BreakGlassReviewed, BreakGlassVerdict};
use claviger_core::capacity::{Capacity, HeldCapacity};
use claviger_core::declaration::{Declared, Document, DocumentSort, Parameter, SigningMethod};
use claviger_core::governance::Governance;
use claviger_core::key::{DataClass, Generator, Origin, Protection, RingPolicy, State, Wrap};
use claviger_core::object::Object;
use claviger_core::principal::{CredentialKind, PrincipalKind, Role, Status};
use claviger_core::reason::Why;
use claviger_core::review::{ItemDecision, ReviewDecision, ReviewItem, ReviewScope, ReviewSubject};
use claviger_core::{
    Action, AlertId, ApprovalId, AssetId, BreakGlassId, CredentialId, DeclarationId, GovernanceId, GrantId,
    KeyId, KeyRingId, KeyVersionId, NodeId, PrincipalId, Purpose, ReasonId, ReviewId, Spec, Timestamp,
};

pub(crate) fn at(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_micros(u64::try_from(at.as_microsecond()).unwrap())
}

/// The year before the first of June.
pub(crate) fn period() -> Period {
    Period { from: at("2025-06-01T00:00:00Z"), to: at("2026-06-01T00:00:00Z") }
}

fn owner() -> PrincipalId {
    PrincipalId::from_bytes([9; 16])
}

/// That the key with data is to be destroyed, which two approved and nobody signed; and a role that nobody has approved yet.
fn approvals() -> [(ApprovalId, OpenApproval); 2] {
    let decided = |number: u8| Decided {
        verdict: Verdict::Approve,
        by: PrincipalId::from_bytes([number; 16]),
        credential: CredentialId::from_bytes([number; 16]),
        public_key: vec![number; 44],
        method: SigningMethod::Ed25519,
        signature: vec![number; 64],
        signed_at: at("2026-05-01T12:00:00Z"),
        at: at("2026-05-01T12:00:01Z"),
    };
    let ring = KeyRingId::from_bytes([1; 16]);
    let seen = |object: Object, revision: u64| SeenRow { object, revision };
    let done = OpenApproval {
        action: Action::ScheduleDestroy,
        ring: Some(ring),
        requester: owner(),
        digest: [3; 32],
        rows: vec![seen(Object::Ring(ring), 3), seen(Object::Key(KeyId::from_bytes([2; 16])), 1)],
        quorum: 2,
        eligible: Eligible::Custodians,
        requested_at: at("2026-05-01T00:00:00Z"),
        expires_at: at("2026-05-08T00:00:00Z"),
        decisions: vec![decided(21), decided(22)],
        ended: Some(Ended { outcome: Outcome::Executed, at: at("2026-05-02T00:00:00Z"), by: owner() }),
        reason: None,
        done: Vec::new(),
    };
    let open = OpenApproval {
        action: Action::AssignRole,
        ring: None,
        digest: [4; 32],
        rows: vec![seen(Object::Governance(GovernanceId::ONLY), 1)],
        requested_at: at("2026-05-30T00:00:00Z"),
        expires_at: at("2026-06-06T00:00:00Z"),
        decisions: Vec::new(),
        ended: None,
        ..done.clone()
    };
    [(ApprovalId::from_bytes([32; 16]), done), (ApprovalId::from_bytes([31; 16]), open)]
}

fn rules() -> OpenGovernance {
    let set_at = at("2025-01-01T00:00:00Z");
    let rules = Governance::of_new_deployment(owner(), set_at);
    OpenGovernance {
        quorum: rules.quorum,
        approval_lifetime: rules.approval_lifetime,
        human_grant_lifetime: rules.human_grant_lifetime,
        break_glass_lifetime: rules.break_glass_lifetime,
        compromise_burst: rules.compromise_burst,
        set_by: rules.set_by,
        set_at: rules.set_at,
    }
}

fn key(spec: Spec, purpose: Purpose, protection: Protection, data_class: DataClass) -> OpenKey {
    OpenKey {
        ring: KeyRingId::from_bytes([1; 16]),
        purpose,
        spec,
        protection,
        data_class,
        owner: owner(),
        rotation_period: None,
        state: State::Active,
        primary: 1,
        rotates_from: at("2026-01-01T00:00:00Z"),
        destruction: None,
        created_at: at("2025-01-01T00:00:00Z"),
        context_required: Vec::new(),
        environment: None,
    }
}

fn version(state: State, activated_at: &str) -> OpenVersion {
    OpenVersion {
        state,
        wrap_format: Some(Wrap::UNDER_RING_KEK),
        wrap_digest: Some(vec![5; 32]),
        origin: Origin::Generated,
        module: "aws-lc 1.60.0 (not FIPS)".to_owned(),
        generator: Generator::ModuleDrbg,
        health_ok: true,
        rotated: None,
        created_at: at("2025-01-01T00:00:00Z"),
        activated_at: Some(at(activated_at)),
        state_changed_at: at(activated_at),
        fingerprint: None,
        transport_strength: None,
        transport_spec: None,
        material_expires_at: None,
    }
}

fn node() -> OpenNode {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    OpenNode {
        incarnation: 1,
        reported_at: at("2026-05-01T00:00:00Z"),
        environment: Some("staging".to_owned()),
        mode: "secure".to_owned(),
        insecure: Vec::new(),
        release: "0.1.0".to_owned(),
        build: vec![7; 32],
        configuration: vec![8; 32],
        policy: vec![9; 32],
        hardening: words(&["memory_locked=yes"]),
        listeners: words(&[
            "data 127.0.0.1:8201 TLS 1.3 TLS_AES_256_GCM_SHA384+TLS_AES_128_GCM_SHA256 X25519MLKEM768+x25519 certificate or token",
            "metrics 127.0.0.1:9100 plain",
        ]),
        clock_source: "tsc; kept by chronyd".to_owned(),
        generators: words(&[
            "module_drbg=CTR_DRBG (SP 800-90A) of aws-lc 1.60.0 (not FIPS); seeded by the operating system",
            "token=that of SoftHSM 2.6; model (claviger (1)); it does not say where its entropy is from",
        ]),
        domains: words(&["root_storage=token"]),
        released: Vec::new(),
        root_keys: words(&["seal=root;seal version=1 algorithm=aes-256-gcm strength=256"]),
        certificates: words(&[
            "server purpose=server-authentication sha256=AA from=2026-09-21T14:08:20Z until=2027-10-23T14:13:20Z issuer=BB",
            "intermediate purpose=server-authentication sha256=BB until=9999-12-31T23:59:59Z issuer=elsewhere",
            "authority purpose=client-authentication sha256=CC until=2027-01-01T00:00:00Z issuer=self",
        ]),
    }
}

pub(crate) fn estate() -> Estate {
    let mut estate = Estate::default();
    let policy = RingPolicy {
        environment: Some("production".parse().unwrap()),
        rotation_period: Some(Duration::from_secs(365 * 86_400)),
        ..RingPolicy::default()
    };
    let kek_wrap = OpenRootWrap {
        key: "root,seal".to_owned(),
        version: 1,
        algorithm: "aes-256-gcm".to_owned(),
        strength_bits: 256,
    };
    let created_at = at("2025-01-01T00:00:00Z");
    estate
        .rings
        .insert(KeyRingId::from_bytes([1; 16]), OpenRing { policy, kek_wrap: Some(kek_wrap), created_at });

    let [data, signing, gone] = [[2; 16], [3; 16], [4; 16]].map(KeyId::from_bytes);
    let of_data = key(Spec::Aes256Gcm, Purpose::Encrypt, Protection::Software, DataClass::Cardholder);
    estate.keys.insert(gone, OpenKey { state: State::Destroyed, ..of_data.clone() });
    estate.keys.insert(data, OpenKey { primary: 2, ..of_data });
    let of_signing = key(Spec::Rsa3072, Purpose::Sign, Protection::Hsm, DataClass::Internal);
    estate.keys.insert(signing, OpenKey { state: State::Suspended, ..of_signing });
    let old = version(State::Deactivated, "2025-01-01T00:00:00Z");
    let new = version(State::Active, "2026-01-01T00:00:00Z");
    let imported = OpenVersion {
        wrap_format: Some(Wrap::UNDER_TOKEN_ROOT),
        origin: Origin::Imported,
        generator: Generator::Elsewhere,
        transport_strength: Some(112),
        transport_spec: Some("rsa-2048".to_owned()),
        ..new.clone()
    };
    for (key, number, version) in [(data, 1, old), (data, 2, new), (signing, 1, imported)] {
        estate.versions.insert(KeyVersionId { key, number }, version);
    }

    estate.nodes.insert(NodeId::of_shard(1), node());
    for (number, kind, status, expires_at) in [
        (1, CredentialKind::Certificate, Status::Active, "2027-01-01T00:00:00Z"),
        (2, CredentialKind::Token, Status::Active, "2026-02-01T00:00:00Z"),
        (3, CredentialKind::AccessKey, Status::Revoked, "2027-01-01T00:00:00Z"),
    ] {
        let credential = OpenCredential {
            principal: owner(),
            kind,
            status,
            created_by: None,
            created_at,
            expires_at: at(expires_at),
            renews: None,
            awaits_confirmation: false,
        };
        estate.credentials.insert(CredentialId::from_bytes([number; 16]), credential);
    }
    let class = DataClass::Cardholder;
    let asset = OpenAsset { owner: owner(), class, created_by: owner(), created_at };
    estate.assets.insert(AssetId::from_bytes([6; 16]), asset);
    let (name, value) = ("access_review_days".parse().unwrap(), "90".parse().unwrap());
    let parameter = Declared::Parameter(Parameter { name, value, effective_from: created_at });
    let document = Declared::Document(Document {
        sort: DocumentSort::Policy,
        digest: [8; 32],
        reviewed_at: created_at,
        next_review_at: at("2026-01-01T00:00:00Z"),
        covers: Vec::new(),
    });
    for (number, declared) in [(1, parameter), (2, document)] {
        let (declared_by, declared_at) = (owner(), created_at);
        let row = OpenDeclaration { declared, declared_by, declared_at, withdrawn_at: None };
        estate.declarations.insert(DeclarationId::from_bytes([number; 16]), row);
    }
    estate.approvals.extend(approvals());
    estate.governance = Some(rules());
    let executive = HeldCapacity { capacity: Capacity::Executive, given_by: owner() };
    estate.principals.insert(owner(), person(vec![Role::Custodian], Vec::new()));
    estate.principals.insert(manager(), person(Vec::new(), vec![executive]));
    estate.reviews.insert(ReviewId::from_bytes([41; 16]), review());
    estate.break_glass.insert(BreakGlassId::from_bytes([42; 16]), emergency());
    estate.alerts.insert(AlertId::from_bytes([43; 16]), alert());
    estate
}

fn manager() -> PrincipalId {
    PrincipalId::from_bytes([10; 16])
}

fn person(roles: Vec<Role>, capacities: Vec<HeldCapacity>) -> OpenPrincipal {
    OpenPrincipal {
        kind: PrincipalKind::Human,
        status: Status::Active,
        roles,
        created_by: None,
        created_at: at("2025-01-01T00:00:00Z"),
        recovered_at: None,
        acknowledged_by: None,
        erased_at: None,
        environment: None,
        same_person_as: None,
        capacities,
    }
}

/// A review that is open, of which one item stays, one goes, and one is not decided.
fn review() -> OpenReview {
    let item = |subject: ReviewSubject, decision: Option<ReviewDecision>| ReviewItem {
        subject,
        rights: [6; 32],
        count: 1,
        last_used: Some(at("2026-04-01T00:00:00Z")),
        decided: decision.map(|decision| ItemDecision {
            decision,
            by: PrincipalId::from_bytes([11; 16]),
            at: at("2026-05-21T00:00:00Z"),
        }),
    };
    let items = vec![
        item(ReviewSubject::Office(owner()), Some(ReviewDecision::Keep)),
        item(ReviewSubject::Office(manager()), Some(ReviewDecision::Remove)),
        item(ReviewSubject::Uses(manager(), KeyRingId::from_bytes([1; 16])), None),
    ];
    OpenReview {
        scope: ReviewScope::All,
        ring: None,
        population: population_digest(&items),
        items,
        opened_by: owner(),
        opened_at: at("2026-05-20T00:00:00Z"),
        due_at: at("2026-06-20T00:00:00Z"),
        closed: None,
        reason: None,
    }
}

/// Emergency access that was closed after an hour, and reviewed.
fn emergency() -> OpenBreakGlass {
    let by = PrincipalId::from_bytes([11; 16]);
    OpenBreakGlass {
        holder: manager(),
        keys: vec![KeyId::from_bytes([2; 16])],
        grants: vec![GrantId::from_bytes([12; 16])],
        opened_by: owner(),
        approval: None,
        opened_at: at("2026-05-10T00:00:00Z"),
        ends_at: at("2026-05-10T02:00:00Z"),
        reason: Some(Why::Given(ReasonId::from_bytes([13; 16]))),
        closed: Some(BreakGlassClosed { by, at: at("2026-05-10T01:00:00Z") }),
        reviewed: Some(BreakGlassReviewed {
            verdict: BreakGlassVerdict::Justified,
            by,
            at: at("2026-05-11T00:00:00Z"),
        }),
    }
}

/// The alert of that, which somebody looked at.
fn alert() -> OpenAlert {
    let raised_at = at("2026-05-10T00:00:00Z");
    OpenAlert {
        rule: AlertRule::BreakGlassOpened,
        subject: Some(Object::BreakGlass(BreakGlassId::from_bytes([42; 16]))),
        raised_at,
        last_at: raised_at,
        count: 1,
        triaged: Some(AlertAct { by: owner(), at: at("2026-05-10T00:10:00Z") }),
        closed: None,
        reason: Some(Why::Given(ReasonId::from_bytes([14; 16]))),
    }
}

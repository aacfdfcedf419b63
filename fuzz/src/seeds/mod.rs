//! Where to begin: for each check a few inputs that its decoder takes, made by the encoders themselves.

mod aws;
mod wire;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use claviger_access::Token;
use claviger_audit::approval::{Form, encode_decisions};
use claviger_audit::fact::{Fact, Facts, Field, Object, Sealed, VeilKey};
use claviger_audit::rows::{LiveRow, RowsHead, digest_of_page, encode_page};
use claviger_audit::session::{DisclosedName, DisclosedSession, Disclosure, Level, SessionRecord, Who};
use claviger_audit::tile::{self, Resource};
use claviger_audit::tree::{consistency, inclusion, leaf_hash};
use claviger_audit::{
    Checkpoint, Cut, Entry, EvidenceSigner, NamedAsset, Op, Outcome, Receipt, ShardHead, ShardState,
    SigningKey, Snapshot, assemble_note, declaration, evidence,
};
use claviger_core::approval::{Decided, DoneStep, Eligible, SeenRow, Verdict, encode_done, encode_rows};
use claviger_core::declaration::{
    Attestation, Build, BuildSort, Claim, Declared, Document, DocumentSort, Parameter, Plain, PolicyFiles,
    SigningMethod, Supply,
};
use claviger_core::grant::Conditions;
use claviger_core::key::{DataClass, Labels, Origin, RequiredContext};
use claviger_core::principal::CredentialKind;
use claviger_core::reason::{Reason, ReasonCode, Why};
use claviger_core::review::{ItemDecision, ReviewDecision, ReviewItem, ReviewSubject, encode_items};
use claviger_core::{
    Action, ApprovalId, Capacity, CredentialId, KeyId, KeyRingId, PrincipalId, ReasonId, ReviewId, Source,
    Timestamp, TlsParameters,
};
use claviger_crypto::envelope::stream::{DATA_KEY_LEN, Sealer};
use claviger_crypto::envelope::{Context, Header};
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{
    EncryptionAlgorithm, PublicKey, Purpose, ReadyKey, SecretBytes, Spec, WrappingAlgorithm, generate, import,
};
use claviger_server::pki::Authority;
use claviger_service::governed::{Governed, Period, SetGrant, SetOfGrants};

use crate::checks::sealed::TRANSPORT_KEY;

const ID: [u8; 16] = *b"0123456789abcdef";
const ORIGIN: &str = "example/audit/0";

/// The seeds of one check; none for a name that is no check's.
///
/// # Panics
/// When an encoder of ours refuses what is valid.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a token that nobody was given is no secret")]
pub fn of(check: &str) -> Vec<Vec<u8>> {
    match check {
        "answer" => texts(&wire::ANSWERS),
        "approval" => approvals(),
        "aws_json" => aws::bodies(),
        "certificate" => vec![certificate()],
        "certificate_request" => vec![pem_body(CERTIFICATE_REQUEST)],
        "ciphertext" => vec![[header().encode().as_slice(), &[7; 40]].concat()],
        "config" => texts(&[CONFIG, PROFILE]),
        "context" => vec![context().to_aad().to_vec()],
        "cut" => vec![cut()],
        "declaration" => declarations(),
        "disclosure" => disclosures(),
        "entry" => vec![entry(false), entry(true)],
        "facts" => vec![facts(), fact_bundle()],
        "governed" => governed(),
        "key_policy" => aws::policies(),
        "material" => material(),
        "name" => names(),
        "note" => notes(),
        "proof" => vec![proof()],
        "receipt" => vec![receipt().into_bytes()],
        "request" => wire::requests(),
        "review" => reviews(),
        "rows" => live_rows(),
        "session" => vec![session().encode().expect("short")],
        "sigv4" => aws::signed(),
        "snapshot" => snapshots(),
        "stream" => vec![stream()],
        "tile" => vec![bundle(), path(70_000), path(1)],
        "token" => vec![
            Token::generate(CredentialId::from_bytes(ID))
                .expect("randomness")
                .0
                .into_text()
                .expose()
                .to_vec(),
        ],
        "transport" => transport(),
        "xks" => texts(&aws::XKS),
        _ => Vec::new(),
    }
}

#[expect(clippy::disallowed_methods, reason = "keys that nobody uses are no secret")]
fn material() -> Vec<Vec<u8>> {
    [Spec::Aes256Gcm, Spec::EcP256, Spec::EcSecp256k1, Spec::Ed25519, Spec::Rsa2048, Spec::X25519]
        .map(|spec| generate(spec, &mut ModuleRandom).expect("randomness").secret.expose().to_vec())
        .into()
}

/// Forms, with a ring and rows and without; decisions; rows; steps that were done.
fn approvals() -> Vec<Vec<u8>> {
    let (key, at) = (KeyId::from_bytes(ID), Timestamp::from_micros(7));
    let act = Governed::ScheduleDestroy { key, waiting: Duration::from_secs(86_400), reason: None };
    let rows = vec![
        SeenRow { object: Object::Ring(KeyRingId::from_bytes(ID)), revision: 2 },
        SeenRow { object: Object::Key(key), revision: 300 },
    ];
    let form = Form {
        deployment: "example".parse().expect("a name"),
        id: ApprovalId::from_bytes(ID),
        action: act.action(),
        asked: act.encode(),
        salt: [7; 16],
        requester: PrincipalId::from_bytes(ID),
        ring: Some(KeyRingId::from_bytes(ID)),
        rows: rows.clone(),
        quorum: 2,
        eligible: Eligible::Custodians,
        requested_at: at,
        expires_at: Timestamp::from_micros(9),
        reason: Some(Why::Given(ReasonId::from_bytes(ID))),
    };
    let bare = Form { ring: None, rows: Vec::new(), reason: None, ..form.clone() };
    let decided = |verdict| Decided {
        verdict,
        by: PrincipalId::from_bytes(ID),
        credential: CredentialId::from_bytes(ID),
        public_key: vec![9; 44],
        method: SigningMethod::Ed25519,
        signature: vec![5; 64],
        signed_at: at,
        at,
    };
    let decisions = Verdict::ALL.map(decided);
    let done = [DoneStep { step: 0, moved: rows.clone() }, DoneStep { step: 1, moved: Vec::new() }];
    let parts = [encode_decisions(&decisions), encode_rows(&rows), encode_done(&done)];
    [form.encode(), bare.encode()].into_iter().chain(parts).collect()
}

/// Of each kind an item, decided and not.
fn reviews() -> Vec<Vec<u8>> {
    let (principal, at) = (PrincipalId::from_bytes(ID), Timestamp::from_micros(7));
    let item = |subject, decision: Option<ReviewDecision>| ReviewItem {
        subject,
        rights: [7; 32],
        count: 2,
        last_used: decision.map(|_| at),
        decided: decision.map(|decision| ItemDecision { decision, by: PrincipalId::from_bytes([9; 16]), at }),
    };
    let uses = ReviewSubject::Uses(principal, KeyRingId::from_bytes(ID));
    let items = [
        item(ReviewSubject::Office(principal), Some(ReviewDecision::Keep)),
        item(ReviewSubject::Office(PrincipalId::from_bytes([0xff; 16])), None),
        item(uses, Some(ReviewDecision::Remove)),
    ];
    vec![encode_items(&items), encode_items(&[])]
}

fn declarations() -> Vec<Vec<u8>> {
    let words = |text: &str| text.parse::<Plain>().expect("words");
    let (earlier, later) = (Timestamp::from_micros(7), Timestamp::from_micros(9));
    let parameter = Parameter { name: words("period_days"), value: words("180"), effective_from: earlier };
    let document = Document {
        sort: DocumentSort::Policy,
        digest: [7; 32],
        reviewed_at: earlier,
        next_review_at: later,
        covers: vec![words("GOV-01")],
    };
    let supply = Supply {
        sort: words("hsm"),
        standard: Some(words("FIPS 140-3")),
        certificate: Some(words("4711")),
        level: Some(words("3")),
        status: Some(words("active")),
        status_checked_at: Some(earlier),
        support_ends_at: Some(later),
        responsible: Some(PrincipalId::from_bytes(ID)),
    };
    let claim = Claim {
        deployment: "example".parse().expect("a name"),
        statement: words("ATT-POLICY"),
        statement_digest: [7; 32],
        scope: vec![Object::Key(KeyId::from_bytes(ID))],
        signed_at: earlier,
        valid_until: later,
        evidence: vec![[8; 32]],
        public_key: vec![9; 44],
    };
    let attestation = Attestation {
        claim,
        credential: CredentialId::from_bytes(ID),
        method: SigningMethod::Ed25519,
        signature: vec![5; 64],
    };
    let declared = [
        Declared::Attestation(Box::new(attestation)),
        Declared::Build(Build { sort: BuildSort::Build, digest: [7; 32], effective_from: earlier }),
        Declared::Device(supply.clone()),
        Declared::Document(document),
        Declared::Module(supply.clone()),
        Declared::Parameter(parameter),
        Declared::PolicyFiles(PolicyFiles { digest: [8; 32], differences: 2, compared_at: later }),
        Declared::Supplier(supply),
    ];
    declared.iter().map(declaration::encode).chain([certificate()]).collect()
}

fn governed() -> Vec<Vec<u8>> {
    let (key, principal) = (KeyId::from_bytes(ID), PrincipalId::from_bytes(ID));
    let conditions = Conditions {
        context_equals: vec![("tenant".into(), "7".into())],
        source_networks: vec!["10.0.0.0/8".parse().expect("a network")],
        until: Some(Timestamp::from_micros(9)),
        ..Conditions::default()
    };
    let grant = SetGrant {
        principal,
        operations: [Action::Decrypt, Action::Encrypt].into_iter().collect(),
        conditions: (&conditions).into(),
        name: "app".into(),
        spelled_principal: Some("role".to_owned()),
    };
    let create = Governed::CreateKey {
        ring: KeyRingId::from_bytes(ID),
        name: Some("cards".parse().expect("a name")),
        purpose: Purpose::Encrypt,
        spec: Spec::Aes256Gcm,
        protection: None,
        data_class: Some(DataClass::Cardholder),
        description: String::new(),
        owner: principal,
        labels: Labels::new(vec![("team".into(), "pay".into())]).expect("labels"),
        rotation_period: Some(Duration::from_secs(86_400)),
        activate: true,
        origin: Origin::Generated,
        context_required: RequiredContext::new(["tenant".parse().expect("a field")]).expect("one field"),
        environment: Some("test".parse().expect("a name")),
        rights: Some(SetOfGrants { grants: vec![grant], text: Some("{}".to_owned()) }),
    };
    let update = Governed::UpdateKey {
        key,
        data_class: None,
        description: None,
        owner: None,
        labels: None,
        rotation_period: Some(Period(None)),
        context_required: None,
        environment: None,
        if_revision: Some(300),
    };
    let reason = Reason::new(Some(ReasonCode::Misuse), "seen twice".parse().ok());
    let suspend = Governed::SuspendVersion { key, version: 2, reason: reason.clone() };
    let approval = ApprovalId::from_bytes(ID);
    let deny = Governed::Deny { approval, digest: [7; 32], reason: reason.clone() };
    let rules = Governed::SetGovernance {
        quorum: Some(3),
        approval_lifetime: Some(Duration::from_secs(86_400)),
        human_grant_lifetime: Some(Period(None)),
        break_glass_lifetime: None,
        compromise_burst: Some(5),
        reason,
        if_revision: Some(2),
    };
    let capacity = Governed::AssignCapacity { principal, capacity: Capacity::KeyOwner(key), reason: None };
    let acts = vec![capacity.encode(), update.encode()];
    let plan = Governed::ApplyPlan { acts, reason: Reason::new(Some(ReasonCode::Misuse), None) };
    let decisions = vec![(ReviewSubject::Office(principal), ReviewDecision::Keep)];
    let review = Governed::DecideReview { review: ReviewId::from_bytes(ID), decisions, reason: None };
    let all = [create, update, suspend, deny, rules, capacity, plan, review];
    all.iter().map(Governed::encode).collect()
}

/// Alone, and under a key that goes before.
fn transport() -> Vec<Vec<u8>> {
    let key = import(Spec::Rsa2048, &SecretBytes::copied_from(TRANSPORT_KEY)).expect("a published key");
    let spki = key.public.expect("an RSA key has a public half");
    let public = PublicKey::from_spki(Spec::Rsa2048, &spki).expect("valid");
    let kek = ReadyKey::for_purpose(Spec::Aes256Kwp, Purpose::Wrap, &SecretBytes::new(vec![9; 32]));
    let wrapped = kek.and_then(|kek| kek.wrap(&SecretBytes::new(vec![7; 100]))).expect("valid");
    let mut alone = vec![WrappingAlgorithm::RsaesOaepSha1.code()];
    public.seal(EncryptionAlgorithm::RsaOaepSha1, &[7; 32], b"", &mut alone).expect("valid");
    let mut under = vec![WrappingAlgorithm::RsaAesKeyWrapSha256.code()];
    public.seal(EncryptionAlgorithm::RsaOaepSha256, &[9; 32], b"", &mut under).expect("valid");
    under.extend(wrapped);
    vec![alone, under]
}

const CONFIG: &str = r#"data_dir = "data"
[listen]
control = "127.0.0.1:7400"
[tls]
certificate = "pki/server.crt"
key = "pki/server.key"
client_ca = "pki/ca.crt"
[root]
kind = "pkcs11"
library = "/usr/lib/softhsm/libsofthsm2.so"
token = "claviger"
pin_file = "pin"
[limits]
body_bytes = 1048576
[log]
level = "info,claviger_server=debug"
format = "json"
[audit]
cut_seconds = 5
"#;
const PROFILE: &str = r#"control = "https://localhost:7400"
ca = "ca.crt"
[credential]
token_file = "token"
"#;

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn names() -> Vec<Vec<u8>> {
    let id = KeyId::from_bytes(ID).to_string();
    texts(&[
        "orders/main",
        "orders",
        "app/Orders_1",
        &id,
        "aes-256-gcm",
        "encrypt",
        "risk_owner",
        &format!("key_owner:{id}"),
        &format!("key {id}"),
        "2026-01-02T03:04:05.678901Z",
    ])
}

fn header() -> Header {
    Header { spec: Spec::Aes256Gcm, key_id: ID, version: 7 }
}

fn context() -> Context {
    Context::from_pairs([("tenant", "blue"), ("table", "orders")]).expect("valid")
}

fn stream() -> Vec<u8> {
    let mut file = Vec::new();
    let key = SecretBytes::new(vec![1; DATA_KEY_LEN]);
    let mut sealer = Sealer::new(&key, &[9; 60], &context(), &mut file).expect("valid");
    sealer.update(b"some plaintext", &mut file).expect("valid");
    sealer.finish(&mut file).expect("valid");
    file
}

fn facts() -> Vec<u8> {
    let ring = Object::Ring(KeyRingId::from_bytes(ID));
    let fields = [(7, Field::Open(vec![2])), (1, Field::Hidden([3; 32]))].into();
    let made = Fact { object: ring, revision: 1, fields, sealed: Some(Sealed::Here(vec![5; 40])) };
    let gone = Fact { object: ring, revision: 0, fields: BTreeMap::new(), sealed: None };
    let id = ReasonId::from_bytes(ID);
    let fields = [(2, Field::Open(vec![1])), (3, Field::Hidden([4; 32]))].into();
    let sealed = Some(Sealed::Withheld([6; 32]));
    let reason = Fact { object: Object::Reason(id), revision: 1, fields, sealed };
    let why = Some(Why::Given(id));
    Facts { seed: ID, why, facts: vec![made, gone, reason] }.encode().expect("valid facts")
}

/// A page, and the head that names it.
fn live_rows() -> Vec<Vec<u8>> {
    let ring = Object::Ring(KeyRingId::from_bytes(ID));
    let fields = [(1, Field::Hidden([4; 32])), (7, Field::Open(vec![2]))].into();
    let holds = LiveRow { object: ring, revision: 3, fields, holds: true };
    let principal = Object::Principal(PrincipalId::from_bytes(ID));
    let edited = LiveRow { object: principal, revision: 1, fields: BTreeMap::new(), holds: false };
    let page = encode_page(&[holds, edited]).expect("two rows");
    let head = RowsHead { shard: 1, before: 300, after: 302, pages: vec![digest_of_page(&page)] };
    vec![page, head.encode().expect("one page")]
}

fn session() -> SessionRecord {
    let tls = Some(TlsParameters { version: 0x0304, cipher_suite: 0x1302, group: Some(0x11ec) });
    let who = Who {
        principal: PrincipalId::from_bytes(ID),
        credential: CredentialId::from_bytes(ID),
        method: CredentialKind::Certificate,
        source: Source { address: [192, 0, 2, 1].into(), tls },
    };
    VeilKey::new([9; 32]).seal_session(&who, Some(20_000), ID).expect("randomness")
}

fn disclosures() -> Vec<Vec<u8>> {
    let record = session();
    let opened = VeilKey::new([9; 32]).open_session(&record).expect("its key");
    let object = Object::Key(KeyId::from_bytes(ID));
    let name = DisclosedName { object, number: 2, salt: ID, value: b"\x65cards".to_vec() };
    let session = |level| DisclosedSession::new(7, &record, Some(opened.disclosed(level)));
    let file = |level: Level| Disclosure {
        origin: ORIGIN.to_owned(),
        from: 0,
        to: 10,
        level,
        sessions: vec![session(level), DisclosedSession::new(9, &record, None)],
        names: if level == Level::Minimal { Vec::new() } else { vec![name.clone()] },
    };
    let mut seeds: Vec<_> =
        Level::ALL.map(|level| file(level).encode().expect("a valid file")).into_iter().collect();
    let (mut one, mut named) = (Vec::new(), Vec::new());
    session(Level::Pseudonym).encode_into(&mut one);
    name.encode_into(&mut named);
    seeds.extend([one, named]);
    seeds
}

fn fact_bundle() -> Vec<u8> {
    let mut bundle = Vec::new();
    tile::push_facts(&mut bundle, 0, &facts()).expect("short facts");
    tile::push_facts(&mut bundle, 255, &[]).expect("no facts");
    bundle
}

fn entry(full: bool) -> Vec<u8> {
    let mut entry =
        Entry::new(1_790_000_000_000_000, 7, if full { Op::Session } else { Op::Encrypt }, Outcome::Ok);
    entry.key = Some(ID);
    entry.kv = Some(2);
    if full {
        (entry.act, entry.ses, entry.n) = (Some(ID), Some(3), Some(10));
        (entry.ctx, entry.rid, entry.pol) = (Some(ID), Some(ID), Some([9; 8]));
        entry.enc = Some(Cow::Borrowed(&[5; 40]));
        entry.fct = Some([7; 32]);
        entry.ast = Some(NamedAsset::Known(ID));
        entry.reference = Some(Cow::Borrowed(b"reference"));
    }
    let mut bytes = Vec::new();
    entry.encode_into(&mut bytes).expect("valid");
    bytes
}

fn cut() -> Vec<u8> {
    let head = |shard| ShardHead {
        shard,
        state: ShardState::Active,
        incarnation: 1,
        size: 300,
        root: [4; 32],
        epoch: 9,
    };
    let shards = vec![head(0), head(3)];
    let cut = Cut {
        t: 5,
        cut_no: 6,
        epoch: 9,
        shards,
        erase_generation: Some(1),
        capsule_hash: Some([2; 32]),
        row_tags: Some(1),
        rows: Some([5; 32]),
    };
    cut.encode().expect("valid")
}

fn signing_key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[1; 32]).expect("valid")
}

fn note() -> String {
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: 300, root: [3; 32] };
    checkpoint.sign(&signing_key()).expect("valid")
}

/// A checkpoint, what signs a pack and what announces its second key, and both keys.
fn notes() -> Vec<Vec<u8>> {
    let (root, second) = (signing_key(), evidence_signer());
    let signed = |text: &str| {
        let key = root.verifier_key();
        assemble_note(text, key.name(), key.key_id(), &root.sign(text)).expect("valid")
    };
    let by_both = |text: String| signed(&text) + &second.line(&text).expect("randomness");
    let announced = evidence::announcement(ORIGIN, second.key());
    let notes = [note(), by_both(evidence::text(ORIGIN, &[7; 32])), signed(&announced), by_both(announced)];
    let keys = [root.verifier_key().to_string(), second.key().to_string()];
    notes.into_iter().chain(keys).map(String::into_bytes).collect()
}

fn evidence_signer() -> EvidenceSigner {
    EvidenceSigner::from_seed(&evidence::key_name(ORIGIN), &[1; 32]).expect("valid")
}

fn receipt() -> String {
    let signed = signing_key().sign_checkpoint(ORIGIN, 300, &[3; 32]).expect("valid");
    let (id, signature) = signed.split_first_chunk().expect("a signature begins with an id");
    Receipt {
        origin: ORIGIN.to_owned(),
        index: 299,
        leaf: [2; 32],
        size: 300,
        root: [3; 32],
        key_id: *id,
        signature: signature.to_vec(),
    }
    .to_string()
}

/// The reference alone, and the entry that has it.
fn snapshots() -> Vec<Vec<u8>> {
    let reference = Snapshot::of(300, [[1; 32], [2; 32], [3; 32]]).to_bytes();
    let mut entry = Entry::new(1_790_000_000_000_000, 7, Op::Snapshot, Outcome::Ok);
    entry.reference = Some(Cow::Borrowed(&reference));
    let mut bytes = Vec::new();
    entry.encode_into(&mut bytes).expect("valid");
    vec![reference.to_vec(), bytes]
}

fn bundle() -> Vec<u8> {
    let mut bundle = Vec::new();
    for bytes in [entry(false), entry(true)] {
        tile::push_entry(&mut bundle, &bytes).expect("valid");
    }
    bundle
}

fn path(size: u64) -> Vec<u8> {
    Resource::tile(0, (size - 1) / tile::WIDTH, size).expect("within the log").to_string().into_bytes()
}

/// Both honest proofs of a tree of two leaves are one hash long; that of the leaf is taken here.
fn proof() -> Vec<u8> {
    let leaf = |height: u8, index: u64| (height == 0).then(|| leaf_hash(&index.to_be_bytes()));
    let path = inclusion(0, 2, &leaf).expect("both leaves are there");
    assert_eq!(consistency(1, 2, &leaf).as_ref(), Ok(&path));
    [&[1, 0, 0], path.concat().as_slice()].concat()
}

/// Of a P-256 key that nobody kept.
const CERTIFICATE_REQUEST: &str = "MIHHMHACAQAwDjEMMAoGA1UEAwwDYXBwMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERpqL9/mIdTHMGX357WUV\
    brZ+eSnukRNKRppjy4OpNBV3/yHCVl4NE4HIMmHBOY1udD5OfbJt1OyPeYwhJgVSoaAAMAoGCCqGSM49BAMCA0cAMEQCIFQ9BlfXQTz6lragzSfTYIIOiM4G\
    R0/E1Lhnxo2Ozjs+AiAz9gAKpmCCU8rOR6K683r0f5zje8Y+idoaKYgryhlVhw==";

fn certificate() -> Vec<u8> {
    let (authority, _) = Authority::create(Timestamp::from_micros(1_790_000_000_000_000)).expect("valid");
    let pem = authority.certificate_pem().to_owned();
    let lines: Vec<_> = pem.lines().filter(|line| !line.starts_with('-')).collect();
    pem_body(&lines.concat())
}

/// Base64 (RFC 4648, section 4), of which only valid text comes here.
fn pem_body(text: &str) -> Vec<u8> {
    let sextet = |sign: u8| match sign {
        b'A'..=b'Z' => Some(sign - b'A'),
        b'a'..=b'z' => Some(sign - b'a' + 26),
        b'0'..=b'9' => Some(sign - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let sextets: Vec<u8> = text.bytes().filter_map(sextet).collect();
    let octets = sextets.chunks(4).flat_map(|group| {
        let bits =
            group.iter().fold(0_u32, |bits, six| bits << 6 | u32::from(*six)) << (6 * (4 - group.len()));
        bits.to_be_bytes().into_iter().skip(1).take(group.len() * 6 / 8)
    });
    octets.collect()
}

//! Declarations: what people declare is kept as they said it, in the log without their own words; a statement is kept only with the
//! signature of the certificate that the call is made with.

use claviger_audit::declaration::{decode, signed_bytes};
use claviger_audit::fact::{Field, OpenRow};
use claviger_core::declaration::{
    Attestation, Build, BuildSort, Claim, DeclarationKind, Declared, Document, DocumentSort, Parameter,
    PolicyFiles, SigningMethod, Supply,
};
use claviger_core::object::Object;
use claviger_core::port::Store as _;
use claviger_core::port::store::{DeclarationFilter, Page};
use claviger_core::reason::Why;
use claviger_core::{AssetId, Declaration, DeclarationId, Name, PrincipalId, Purpose, Spec, Timestamp};
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{Message, ReadyKey, SignatureAlgorithm, generate};
use claviger_service::log::EntryFilter;
use claviger_service::operation::{
    Attest, CreateCredential, Declare, ListDeclarations, NewCredential, ReadDeclaration, ReadEntries,
    ReadPrincipal, ReadableDeclaration, RevokeCredential, WithdrawDeclaration,
};
use claviger_service::{ErrorKind, Presented, PrincipalRef, ServiceError};

use crate::deployment::{DAY, Deployment, certificate_of};
use crate::evidence::{hold, replay};

/// What nobody but the people of the deployment reads.
const SAID: &str = "so that Anna Muster can sleep";

/// A key in memory, with the least that reads as a certificate of it.
pub(crate) struct Signer {
    key: ReadyKey,
    certificate: Vec<u8>,
    deployment: Name,
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, 0x82][..], &u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

impl Signer {
    pub(crate) fn new(deployment: &Deployment) -> Self {
        let material = generate(Spec::EcP256, &mut ModuleRandom).unwrap();
        let key = ReadyKey::for_purpose(Spec::EcP256, Purpose::Sign, &material.secret).unwrap();
        let empty = der(0x30, &[]);
        let public_key = key.public_key().unwrap();
        let fields = [&[2, 1, 5][..], &empty, &empty, &empty, &empty, public_key].concat();
        let certificate = der(0x30, &[der(0x30, &fields), empty.clone(), vec![3, 1, 0]].concat());
        Self { key, certificate, deployment: deployment.road.facts().deployment.clone() }
    }

    /// One whose certificate somebody has entered for himself.
    pub(crate) async fn of(deployment: &Deployment, who: &str) -> Result<Self, ServiceError> {
        let signer = Self::new(deployment);
        let what = NewCredential::Certificate {
            der: signer.certificate.clone(),
            chain: Vec::new(),
            expires_at: deployment.clock.wall().after(DAY * 90),
        };
        let principal = PrincipalRef::Name(who.parse().unwrap());
        let create =
            CreateCredential { principal, label: "signing".parse().unwrap(), what, to_confirm: false };
        deployment.ask(who, create).await?;
        Ok(signer)
    }

    pub(crate) fn presented(&self) -> Presented {
        Presented::certificate(&self.certificate)
    }

    /// Its certificate.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Signs a message.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(SignatureAlgorithm::EcdsaSha256, Message::Raw(message)).unwrap()
    }

    /// A statement, signed now and good for a year.
    pub(crate) fn signed(&self, now: Timestamp) -> Attest {
        self.signed_for(&self.deployment, now)
    }

    /// That statement about these objects, signed now and good for a year.
    pub(crate) fn states(&self, statement: &str, scope: Vec<Object>, now: Timestamp) -> Attest {
        self.states_for(&self.deployment, statement, scope, now)
    }

    fn signed_for(&self, deployment: &Name, now: Timestamp) -> Attest {
        self.states_for(deployment, "ATT-POLICY", vec![Object::Asset(AssetId::from_bytes([9; 16]))], now)
    }

    fn states_for(&self, deployment: &Name, statement: &str, scope: Vec<Object>, now: Timestamp) -> Attest {
        let claim = Claim {
            deployment: deployment.clone(),
            statement: statement.parse().unwrap(),
            statement_digest: [7; 32],
            scope,
            signed_at: now,
            valid_until: now.after(DAY * 365),
            evidence: vec![[8; 32]],
            public_key: self.key.public_key().unwrap().to_vec(),
        };
        let signature = self.sign(&signed_bytes(&claim));
        Attest {
            statement: claim.statement,
            statement_digest: claim.statement_digest,
            scope: claim.scope,
            signed_at: claim.signed_at,
            valid_until: claim.valid_until,
            evidence: claim.evidence,
            certificate: self.certificate.clone(),
            method: SigningMethod::EcdsaP256Sha256,
            signature,
        }
    }
}

pub(crate) fn parameter(name: &str, value: &str) -> Declare {
    let declared = Declared::Parameter(Parameter {
        name: name.parse().unwrap(),
        value: value.parse().unwrap(),
        effective_from: Timestamp::from_micros(1),
    });
    Declare { declared, text: SAID.to_owned() }
}

fn document(covers: usize) -> Declared {
    Declared::Document(Document {
        sort: DocumentSort::Policy,
        digest: [5; 32],
        reviewed_at: Timestamp::from_micros(1),
        next_review_at: Timestamp::from_micros(2),
        covers: (0..covers).map(|number| format!("control {number}").parse().unwrap()).collect(),
    })
}

pub(crate) fn build(sort: BuildSort, digest: [u8; 32]) -> Declare {
    let declared = Declared::Build(Build { sort, digest, effective_from: Timestamp::from_micros(1) });
    Declare { declared, text: SAID.to_owned() }
}

fn compared(compared_at: Timestamp) -> Declared {
    Declared::PolicyFiles(PolicyFiles { digest: [6; 32], differences: 2, compared_at })
}

fn supply(responsible: Option<PrincipalId>) -> Supply {
    Supply {
        sort: "hsm".parse().unwrap(),
        standard: Some("FIPS 140-3".parse().unwrap()),
        certificate: Some("4711".parse().unwrap()),
        level: Some("3".parse().unwrap()),
        status: Some("active".parse().unwrap()),
        status_checked_at: Some(Timestamp::from_micros(1)),
        support_ends_at: Some(Timestamp::from_micros(2)),
        responsible,
    }
}

async fn id_of(deployment: &Deployment, who: &str) -> PrincipalId {
    let read = ReadPrincipal { principal: PrincipalRef::Name(who.parse().unwrap()) };
    deployment.ask("otto", read).await.unwrap().output.id
}

async fn declare(deployment: &Deployment, who: &str, what: Declare) -> ReadableDeclaration {
    deployment.ask(who, what).await.unwrap().output
}

async fn refused(deployment: &Deployment, who: &str, what: Declare) -> ErrorKind {
    deployment.ask(who, what).await.unwrap_err().kind()
}

async fn list(
    deployment: &Deployment,
    kind: Option<DeclarationKind>,
    subject: Option<&str>,
) -> Vec<DeclarationId> {
    let filter = DeclarationFilter { kind, subject: subject.map(|subject| subject.parse().unwrap()) };
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit: 2 };
        let found =
            deployment.ask("vera", ListDeclarations { filter: filter.clone(), page }).await.unwrap().output;
        let Some(last) = found.last() else { return all };
        after = Some(last.row.id);
        all.extend(found.into_iter().map(|one| one.row.id));
    }
}

/// Everything that the log has in clear.
async fn log_bytes(deployment: &Deployment) -> Vec<u8> {
    let read = ReadEntries { from: 0, limit: 1000, filter: EntryFilter::default() };
    let found = deployment.ask("vera", read).await.unwrap().output.entries;
    found.into_iter().flat_map(|found| found.bytes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_declared_is_read_as_it_was_said_and_the_log_has_it_without_peoples_words() {
    let deployment = Deployment::build().await;
    let ada = id_of(&deployment, "ada").await;
    let made = declare(&deployment, "ada", parameter("access_review_days", "90")).await;
    assert_eq!((made.row.declared_by, made.row.revision), (ada, 1));
    assert_eq!(
        (made.row.kind, made.row.subject.as_str()),
        (DeclarationKind::Parameter, "access_review_days")
    );
    let read = ReadDeclaration { declaration: made.row.id };
    assert_eq!(deployment.ask("vera", read).await.unwrap().output, made);
    assert_eq!(decode(&made.row.body), Ok(made.declared.clone()));

    for (who, declared) in [
        ("ada", document(64)),
        ("ada", Declared::Device(supply(Some(ada)))),
        ("otto", Declared::Module(supply(None))),
        ("otto", Declared::Supplier(supply(None))),
        ("ada", build(BuildSort::Build, [3; 32]).declared),
        ("otto", build(BuildSort::Configuration, [4; 32]).declared),
        ("ada", compared(deployment.clock.wall())),
    ] {
        declare(&deployment, who, Declare { declared, text: SAID.to_owned() }).await;
    }
    declare(&deployment, "ada", parameter("period_days", "180")).await;

    let parameters = list(&deployment, Some(DeclarationKind::Parameter), None).await;
    assert_eq!((parameters.len(), parameters.is_sorted()), (2, true));
    assert_eq!(list(&deployment, None, None).await.len(), 9);
    assert_eq!(list(&deployment, Some(DeclarationKind::Build), None).await.len(), 2);
    assert_eq!(list(&deployment, None, Some("configuration")).await.len(), 1);
    assert_eq!(list(&deployment, Some(DeclarationKind::PolicyFiles), Some("policy_files")).await.len(), 1);
    assert_eq!(list(&deployment, None, Some("access_review_days")).await, [made.row.id]);
    assert_eq!(list(&deployment, Some(DeclarationKind::Device), Some("hsm")).await.len(), 1);
    assert_eq!(list(&deployment, None, Some("hsm")).await.len(), 3);
    assert_eq!(list(&deployment, Some(DeclarationKind::Device), Some("period_days")).await, []);

    let verified = replay(&deployment).await;
    let object = Object::Declaration(made.row.id);
    let fields = verified.objects.find(&object).unwrap().fields();
    assert!(matches!(fields.get(&4), Some(Field::Hidden(_))), "the text is sealed");
    let OpenRow::Declaration(open) = OpenRow::read(object, &fields).unwrap() else { panic!("{fields:?}") };
    assert_eq!((open.declared, open.declared_by, open.withdrawn_at), (made.declared, ada, None));
    let bytes = log_bytes(&deployment).await;
    assert!(!bytes.windows(SAID.len()).any(|window| window == SAID.as_bytes()));
    hold(&deployment).await;
    let deployment = deployment.restart().await;
    assert_eq!(list(&deployment, None, None).await.len(), 9);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_declared_is_refused() {
    let deployment = Deployment::build().await;
    let one = || parameter("period_days", "90");
    assert_eq!(refused(&deployment, "vera", one()).await, ErrorKind::Denied);
    assert_eq!(refused(&deployment, "app", one()).await, ErrorKind::Denied);
    let app = id_of(&deployment, "app").await;
    let nobody = PrincipalId::from_bytes([9; 16]);
    let long = "a".repeat(1025);
    for (declared, text, kind) in [
        (one().declared, "", ErrorKind::InvalidArgument),
        (one().declared, " ", ErrorKind::InvalidArgument),
        (one().declared, "two\nlines", ErrorKind::InvalidArgument),
        (one().declared, long.as_str(), ErrorKind::InvalidArgument),
        (document(65), SAID, ErrorKind::InvalidArgument),
        (Declared::Device(supply(Some(app))), SAID, ErrorKind::InvalidArgument),
        // What a node says that cannot read its program, and what was compared at another time.
        (build(BuildSort::Build, [0; 32]).declared, SAID, ErrorKind::InvalidArgument),
        (compared(deployment.clock.in_seconds(-600)), SAID, ErrorKind::InvalidArgument),
        (compared(deployment.clock.in_seconds(600)), SAID, ErrorKind::InvalidArgument),
        (Declared::Device(supply(Some(nobody))), SAID, ErrorKind::NotFound),
    ] {
        let what = Declare { declared: declared.clone(), text: text.to_owned() };
        assert_eq!(refused(&deployment, "ada", what).await, kind, "{declared:?}, `{text}`");
    }
    // Whoever could have signed does not declare instead.
    let signer = Signer::of(&deployment, "ada").await.unwrap();
    let Attest {
        statement,
        statement_digest,
        scope,
        signed_at,
        valid_until,
        evidence,
        method,
        signature,
        ..
    } = signer.signed(deployment.clock.wall());
    let public_key = signer.key.public_key().unwrap().to_vec();
    let claim = Claim {
        deployment: signer.deployment.clone(),
        statement,
        statement_digest,
        scope,
        signed_at,
        valid_until,
        evidence,
        public_key,
    };
    let credential = claviger_core::CredentialId::from_bytes([1; 16]);
    let attestation = Box::new(Attestation { claim, credential, method, signature });
    let what = Declare { declared: Declared::Attestation(attestation), text: SAID.to_owned() };
    assert_eq!(refused(&deployment, "ada", what).await, ErrorKind::InvalidArgument);
    assert_eq!(list(&deployment, None, None).await, []);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_is_withdrawn_once_and_with_a_reason() {
    let deployment = Deployment::build().await;
    let made = declare(&deployment, "ada", parameter("period_days", "90")).await;
    let again = deployment.ask_once("ada", "once", parameter("period_days", "91")).await.unwrap().output;
    let same = deployment.ask_once("ada", "once", parameter("period_days", "91")).await.unwrap().output;
    assert_eq!(again, same);
    let other = deployment.ask_once("ada", "once", parameter("period_days", "92")).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::IdempotencyMismatch);

    let withdraw = || WithdrawDeclaration { declaration: made.row.id };
    let without = deployment.ask_because("otto", None, withdraw()).await.unwrap_err();
    assert_eq!(without.kind(), ErrorKind::ReasonRequired);
    assert_eq!(deployment.ask("vera", withdraw()).await.unwrap_err().kind(), ErrorKind::Denied);
    let withdrawn = deployment.ask("otto", withdraw()).await.unwrap().output;
    let otto = id_of(&deployment, "otto").await;
    assert_eq!(withdrawn.row.withdrawal.map(|withdrawal| withdrawal.by), Some(otto));
    assert!(matches!(withdrawn.row.reason, Some(Why::Given(_))));
    assert_eq!(withdrawn.row.revision, 2);
    assert_eq!(
        deployment.ask("ada", withdraw()).await.unwrap().output,
        withdrawn,
        "once more changes nothing"
    );
    let missing = WithdrawDeclaration { declaration: DeclarationId::from_bytes([3; 16]) };
    assert_eq!(deployment.ask("ada", missing).await.unwrap_err().kind(), ErrorKind::NotFound);

    let verified = replay(&deployment).await;
    let object = Object::Declaration(made.row.id);
    let fields = verified.objects.find(&object).unwrap().fields();
    let OpenRow::Declaration(open) = OpenRow::read(object, &fields).unwrap() else { panic!("{fields:?}") };
    assert_eq!(open.withdrawn_at, withdrawn.row.withdrawal.map(|withdrawal| withdrawal.at));
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_with_a_role_sign_statements_by_the_certificate_that_they_call_with() {
    let deployment = Deployment::build().await;
    for who in ["ada", "otto", "vera"] {
        let signer = Signer::of(&deployment, who).await.unwrap();
        let attest = signer.signed(deployment.clock.wall());
        let signature = attest.signature.clone();
        let made = deployment.ask_with(signer.presented(), attest).await.unwrap().output;
        let Declared::Attestation(attestation) = &made.declared else { panic!("{made:?}") };
        assert_eq!(
            (&attestation.signature, made.row.declared_by),
            (&signature, id_of(&deployment, who).await)
        );
        let credential = deployment.store.find_credential(attestation.credential).await.unwrap().unwrap();
        assert_eq!(credential.principal, made.row.declared_by);
    }
    assert_eq!(list(&deployment, Some(DeclarationKind::Attestation), Some("ATT-POLICY")).await.len(), 3);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_by_the_caller_just_now_is_refused() {
    let deployment = Deployment::build().await;
    let (ada, vera) =
        (Signer::of(&deployment, "ada").await.unwrap(), Signer::of(&deployment, "vera").await.unwrap());
    let now = deployment.clock.wall();
    let refused = async |presented: Presented, attest: Attest| {
        deployment.ask_with(presented, attest).await.unwrap_err().kind()
    };
    // Another person's certificate, and a certificate of one's own that the call is not made with.
    assert_eq!(refused(vera.presented(), ada.signed(now)).await, ErrorKind::Denied);
    let own = Presented::certificate(&certificate_of("ada"));
    assert_eq!(refused(own.clone(), ada.signed(now)).await, ErrorKind::Denied);
    // The certificate by which the call is made, signed by the key of another one.
    let by_another = Attest { certificate: vera.certificate.clone(), ..ada.signed(now) };
    assert_eq!(refused(vera.presented(), by_another).await, ErrorKind::InvalidArgument);
    // One that is no certificate in DER.
    let unreadable = Attest { certificate: certificate_of("ada"), ..ada.signed(now) };
    assert_eq!(refused(own, unreadable).await, ErrorKind::InvalidArgument);
    // What was changed behind the signature.
    let later = |attest: Attest| Attest { valid_until: attest.valid_until.after(DAY), ..attest };
    assert_eq!(refused(ada.presented(), later(ada.signed(now))).await, ErrorKind::InvalidArgument);
    let other = |attest: Attest| Attest { statement: "ATT-OTHER".parse().unwrap(), ..attest };
    assert_eq!(refused(ada.presented(), other(ada.signed(now))).await, ErrorKind::InvalidArgument);
    // What was signed for another deployment, with the same certificate.
    let elsewhere = ada.signed_for(&"another".parse().unwrap(), now);
    assert_eq!(refused(ada.presented(), elsewhere).await, ErrorKind::InvalidArgument);
    // What was signed long ago, or for a time that is over.
    for signed_at in [deployment.clock.in_seconds(-600), deployment.clock.in_seconds(600)] {
        assert_eq!(refused(ada.presented(), ada.signed(signed_at)).await, ErrorKind::InvalidArgument);
    }
    let too_many = Attest { evidence: vec![[1; 32]; 65], ..ada.signed(now) };
    assert_eq!(refused(ada.presented(), too_many).await, ErrorKind::InvalidArgument);
    assert_eq!(list(&deployment, None, None).await, []);
    hold(&deployment).await;
}

#[expect(clippy::disallowed_methods, reason = "the test shows the token that it was given")]
fn shown(token: claviger_access::Token) -> Presented {
    let text = token.into_text();
    Presented::token(std::str::from_utf8(text.expose()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_signs_nothing_and_neither_does_a_certificate_that_was_revoked() {
    let deployment = Deployment::build().await;
    let signer = Signer::of(&deployment, "ada").await.unwrap();
    let what = NewCredential::Token { lifetime: DAY };
    let principal = PrincipalRef::Name("ada".parse().unwrap());
    let create = CreateCredential { principal, label: "token".parse().unwrap(), what, to_confirm: false };
    let token = shown(deployment.ask("ada", create).await.unwrap().output.token.unwrap());
    let error = deployment.ask_with(token, signer.signed(deployment.clock.wall())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.public_message().contains("token"), "{error}");

    let made = deployment.ask_with(signer.presented(), signer.signed(deployment.clock.wall())).await.unwrap();
    let Declared::Attestation(attestation) = made.output.declared else { panic!("no attestation") };
    let revoke = RevokeCredential { credential: attestation.credential };
    deployment.ask("otto", revoke).await.unwrap();
    let error =
        deployment.ask_with(signer.presented(), signer.signed(deployment.clock.wall())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    hold(&deployment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_person_declares_and_signs_is_bounded() {
    let deployment = Deployment::build().await;
    let signer = Signer::of(&deployment, "ada").await.unwrap();
    let made = deployment.ask_once("ada", "once", parameter("period_days", "90")).await.unwrap().output;
    let attest = signer.signed(deployment.clock.wall());
    deployment.ask_with(signer.presented(), attest).await.unwrap();
    // As if there were as many as there can be.
    let ada = id_of(&deployment, "ada").await;
    let database = rusqlite::Connection::open(deployment.database()).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    let sql = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?2) \
         INSERT INTO declaration (id, kind, subject, body, text, declared_by, declared_at, revision) \
         SELECT CAST(printf('%016d', i) AS BLOB), 'device', 'hsm', x'00', 'x', ?1, 0, 1 FROM n";
    let rest = i64::try_from(Declaration::MOST_OF_ONE).unwrap() - 2;
    let rows = database.execute(sql, rusqlite::params![ada.as_bytes(), rest]).unwrap();
    assert_eq!(i64::try_from(rows).unwrap(), rest);
    assert_eq!(deployment.store.count_declarations(ada).await.unwrap(), Declaration::MOST_OF_ONE);

    assert_eq!(refused(&deployment, "ada", parameter("period_days", "91")).await, ErrorKind::LimitExceeded);
    let attest = signer.signed(deployment.clock.wall());
    let error = deployment.ask_with(signer.presented(), attest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error:?}");
    // What was made is answered again, and others are not held up.
    let again = deployment.ask_once("ada", "once", parameter("period_days", "90")).await.unwrap().output;
    assert_eq!(again, made);
    let otto = id_of(&deployment, "otto").await;
    assert_eq!(deployment.store.count_declarations(otto).await.unwrap(), 0);
}

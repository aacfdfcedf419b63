//! The root: three keys that are made in the token and never leave it.
//!
//! | label | key | does |
//! |---|---|---|
//! | `<prefix>-root-wrap-1` | AES-256 | wraps and unwraps keys of the token (KWP), nothing else |
//! | `<prefix>-root-seal-1` | AES-256 | seals and opens ring KEKs, small secrets and the wraps of the key above (GCM), nothing else |
//! | `<prefix>-root-sign-1` | Ed25519 or P-256 | signs checkpoints, nothing else |
//!
//! Two keys instead of one, because a key that both wraps and decrypts gives away what it wraps (SP 800-57 part 1, 5.2).
//! What a token says of them is read back and checked at every connection: a root that could be extracted is refused.

use claviger_core::key::RootWrap;
use claviger_core::port::provider::RootPublicKey;
use claviger_crypto::{PublicKey, SignatureAlgorithm, Spec};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::error::Pkcs11OpenError;
use super::{encoding, signing};
use crate::binding::SEALING;

/// The root keys, by handle: valid for one connection.
#[derive(Debug, Clone)]
pub(super) struct Roots {
    labels: Labels,
    pub(super) wrap: ObjectHandle,
    pub(super) seal: ObjectHandle,
    pub(super) sign: ObjectHandle,
    pub(super) sign_spec: Spec,
    pub(super) public: RootPublicKey,
    /// Has the security officer of the token marked the wrapping key as trusted?
    pub(super) trusted: bool,
}

impl Roots {
    /// What the sealing key is called, and how it seals.
    pub(super) fn sealing(&self) -> RootWrap {
        described(&self.labels.seal, SEALING)
    }

    /// What the wrapping key is called, and how it wraps.
    pub(super) fn wrapping(&self) -> RootWrap {
        described(&self.labels.wrap, "aes-256-kwp")
    }
}

/// An AES key of 256 bits, as [`check`] has it.
fn described(label: &str, algorithm: &str) -> RootWrap {
    let (key, algorithm) = (label.to_owned(), algorithm.to_owned());
    RootWrap { key, version: VERSION, algorithm, strength_bits: 256 }
}

/// With which number the labels of the root keys end.
const VERSION: u32 = 1;

/// The labels of one deployment's root.
#[derive(Debug, Clone)]
struct Labels {
    wrap: String,
    seal: String,
    sign: String,
}

impl Labels {
    fn new(prefix: &str) -> Self {
        Self {
            wrap: format!("{prefix}-root-wrap-{VERSION}"),
            seal: format!("{prefix}-root-seal-{VERSION}"),
            sign: format!("{prefix}-root-sign-{VERSION}"),
        }
    }
}

/// Finds the root of a deployment and checks it.
pub(super) fn find(session: &Session, prefix: &str) -> Result<Roots, Pkcs11OpenError> {
    let labels = Labels::new(prefix);
    let secret = ObjectClass::SECRET_KEY;
    let wrap = find_one(session, &labels.wrap, secret)?;
    let seal = find_one(session, &labels.seal, secret)?;
    let sign = find_one(session, &labels.sign, ObjectClass::PRIVATE_KEY)?;
    let (wrap, seal, sign) = match (wrap, seal, sign) {
        (Some(wrap), Some(seal), Some(sign)) => (wrap, seal, sign),
        (_, None, _) => return Err(Pkcs11OpenError::RootMissing),
        _ => return Err(Pkcs11OpenError::RootIncomplete),
    };
    check(session, wrap, &labels.wrap, &WRAP_USES)?;
    check(session, seal, &labels.seal, &SEAL_USES)?;
    check(session, sign, &labels.sign, &SIGN_USES)?;
    let (sign_spec, public) = public_key(session, &labels.sign)?;
    let trusted = session
        .get_attributes(wrap, &[AttributeType::Trusted])
        .is_ok_and(|found| found.contains(&Attribute::Trusted(true)));
    Ok(Roots { labels, wrap, seal, sign, sign_spec, public, trusted })
}

/// Makes what is missing of a root that is not yet in use: the sealing key comes last, and nothing can have been sealed
/// before it is there. `session` must be a read-write session.
pub(super) fn create(
    session: &Session,
    mechanisms: &[MechanismType],
    prefix: &str,
) -> Result<(), Pkcs11OpenError> {
    let labels = Labels::new(prefix);
    if find_one(session, &labels.seal, ObjectClass::SECRET_KEY)?.is_some() {
        return Ok(());
    }
    if find_one(session, &labels.sign, ObjectClass::PRIVATE_KEY)?.is_none() {
        create_signing(session, mechanisms, &labels.sign)?;
    }
    if find_one(session, &labels.wrap, ObjectClass::SECRET_KEY)?.is_none() {
        create_secret(session, &labels.wrap, &WRAP_USES)?;
    }
    create_secret(session, &labels.seal, &SEAL_USES)?;
    Ok(())
}

/// What a key must say that it may do (`true`) and may not do (`false`).
type Uses = [Attribute];

const WRAP_USES: [Attribute; 7] = [
    Attribute::Decrypt(false),
    Attribute::Derive(false),
    Attribute::Encrypt(false),
    Attribute::Sign(false),
    Attribute::Unwrap(true),
    Attribute::Verify(false),
    Attribute::Wrap(true),
];
const SEAL_USES: [Attribute; 7] = [
    Attribute::Decrypt(true),
    Attribute::Derive(false),
    Attribute::Encrypt(true),
    Attribute::Sign(false),
    Attribute::Unwrap(false),
    Attribute::Verify(false),
    Attribute::Wrap(false),
];
const SIGN_USES: [Attribute; 4] =
    [Attribute::Decrypt(false), Attribute::Derive(false), Attribute::Sign(true), Attribute::Unwrap(false)];

/// What keeps a root key where it is.
const CUSTODY: [Attribute; 4] = [
    Attribute::Extractable(false),
    Attribute::Private(true),
    Attribute::Sensitive(true),
    Attribute::Token(true),
];

/// What a token adds of itself to a key that was made in it with [`CUSTODY`] and never was otherwise.
const HISTORY: [Attribute; 3] =
    [Attribute::AlwaysSensitive(true), Attribute::Local(true), Attribute::NeverExtractable(true)];

/// What narrows further, where the token knows it.
const WHERE_POSSIBLE: [Attribute; 2] = [Attribute::Copyable(false), Attribute::Modifiable(false)];

fn find_one(
    session: &Session,
    label: &str,
    class: ObjectClass,
) -> Result<Option<ObjectHandle>, Pkcs11OpenError> {
    let template =
        [Attribute::Token(true), Attribute::Class(class), Attribute::Label(label.as_bytes().to_vec())];
    match *session.find_objects(&template)?.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(Pkcs11OpenError::RootAmbiguous { label: label.to_owned() }),
    }
}

/// Reads back what the token says of a root key.
fn check(session: &Session, key: ObjectHandle, label: &str, uses: &Uses) -> Result<(), Pkcs11OpenError> {
    let unsafe_for = |reason| Pkcs11OpenError::RootUnsafe { label: label.to_owned(), reason };
    for expected in CUSTODY.iter().chain(&HISTORY).chain(uses) {
        let found = session.get_attributes(key, &[expected.attribute_type()])?;
        if found.as_slice() != std::slice::from_ref(expected) {
            return Err(unsafe_for(reason(expected)));
        }
    }
    // A token that calls a key sensitive and yet discloses its value is no place for a root.
    for value in [AttributeType::Value, AttributeType::PrivateExponent] {
        if matches!(session.get_attributes(key, &[value]), Ok(found) if !found.is_empty()) {
            return Err(unsafe_for("its value can be read"));
        }
    }
    let secret =
        session.get_attributes(key, &[AttributeType::Class])? == [Attribute::Class(ObjectClass::SECRET_KEY)];
    if secret {
        let shape = session.get_attributes(key, &[AttributeType::KeyType, AttributeType::ValueLen])?;
        if shape != [Attribute::KeyType(KeyType::AES), Attribute::ValueLen(32.into())] {
            return Err(unsafe_for("it is not an AES key of 256 bits"));
        }
    }
    Ok(())
}

const fn reason(expected: &Attribute) -> &'static str {
    match expected {
        Attribute::AlwaysSensitive(_) => "it was not always sensitive",
        Attribute::Extractable(_) => "it is extractable",
        Attribute::Local(_) => "it was not generated in the token",
        Attribute::NeverExtractable(_) => "it was extractable once",
        Attribute::Private(_) => "it is visible without login",
        Attribute::Sensitive(_) => "it is not sensitive",
        Attribute::Token(_) => "it is not kept by the token",
        _ => "it may be used otherwise than a key of its kind",
    }
}

fn create_secret(session: &Session, label: &str, uses: &Uses) -> Result<ObjectHandle, Pkcs11OpenError> {
    let template = [
        &[Attribute::Label(label.as_bytes().to_vec()), Attribute::ValueLen(32.into())],
        CUSTODY.as_slice(),
        uses,
    ]
    .concat();
    let key =
        with_where_possible(&template, |template| session.generate_key(&Mechanism::AesKeyGen, template))?;
    check(session, key, label, uses)?;
    Ok(key)
}

fn create_signing(
    session: &Session,
    mechanisms: &[MechanismType],
    label: &str,
) -> Result<(), Pkcs11OpenError> {
    let has = |mechanism| mechanisms.contains(&mechanism);
    if has(MechanismType::EDDSA) && has(MechanismType::ECC_EDWARDS_KEY_PAIR_GEN) {
        match create_pair(session, label, Spec::Ed25519) {
            Ok(()) => return Ok(()),
            Err(error) => tracing::warn!(%error, "the token does not make Ed25519 keys; trying P-256"),
        }
    }
    if has(MechanismType::ECDSA) && has(MechanismType::ECC_KEY_PAIR_GEN) {
        return create_pair(session, label, Spec::EcP256);
    }
    Err(Pkcs11OpenError::MissingMechanism("CKM_EDDSA or CKM_ECDSA with key pair generation"))
}

/// Makes a signing key pair and sees it sign; takes it back if it does not.
fn create_pair(session: &Session, label: &str, spec: Spec) -> Result<(), Pkcs11OpenError> {
    let curve = encoding::curve(spec).ok_or(Pkcs11OpenError::SelfTestFailed("signing key"))?;
    let mechanism = match spec {
        Spec::Ed25519 => Mechanism::EccEdwardsKeyPairGen,
        _ => Mechanism::EccKeyPairGen,
    };
    let label_attribute = Attribute::Label(label.as_bytes().to_vec());
    let public = [
        Attribute::EcParams(curve.to_vec()),
        label_attribute.clone(),
        Attribute::Private(false),
        Attribute::Token(true),
        Attribute::Verify(true),
    ];
    let private = [&[label_attribute], CUSTODY.as_slice(), SIGN_USES.as_slice()].concat();
    let (public, private) =
        with_where_possible(&private, |private| session.generate_key_pair(&mechanism, &public, private))?;
    let tried = check(session, private, label, &SIGN_USES)
        .and_then(|()| public_of(session, public, spec))
        .and_then(|public| prove(session, private, spec, &public));
    if tried.is_err() {
        let _ = session.destroy_object(private);
        let _ = session.destroy_object(public);
    }
    tried
}

/// Signs in the token and verifies outside.
pub(super) fn prove(
    session: &Session,
    key: ObjectHandle,
    spec: Spec,
    public: &PublicKey,
) -> Result<(), Pkcs11OpenError> {
    let failed = || Pkcs11OpenError::SelfTestFailed("signing key");
    let message = b"claviger root self-test";
    let algorithm = algorithm(spec);
    let signature = signing::sign(session, key, algorithm, claviger_crypto::Message::Raw(message))
        .map_err(|_| failed())?;
    public.verify(algorithm, claviger_crypto::Message::Raw(message), &signature).map_err(|_| failed())
}

/// How a root key of that spec signs.
pub(super) const fn algorithm(spec: Spec) -> SignatureAlgorithm {
    match spec {
        Spec::Ed25519 => SignatureAlgorithm::Ed25519,
        _ => SignatureAlgorithm::EcdsaSha256,
    }
}

fn public_key(session: &Session, label: &str) -> Result<(Spec, RootPublicKey), Pkcs11OpenError> {
    let object = find_one(session, label, ObjectClass::PUBLIC_KEY)?.ok_or(Pkcs11OpenError::RootIncomplete)?;
    let key_type = session.get_attributes(object, &[AttributeType::KeyType])?;
    let edwards = key_type == [Attribute::KeyType(KeyType::EC_EDWARDS)];
    let spec = if edwards { Spec::Ed25519 } else { Spec::EcP256 };
    let key = public_of(session, object, spec)?;
    let raw = key.raw().ok_or(Pkcs11OpenError::RootIncomplete)?;
    let public = match spec {
        Spec::Ed25519 => {
            RootPublicKey::Ed25519(<[u8; 32]>::try_from(raw).map_err(|_| Pkcs11OpenError::RootIncomplete)?)
        }
        _ => RootPublicKey::EcdsaP256(raw.to_vec()),
    };
    Ok((spec, public))
}

fn public_of(session: &Session, object: ObjectHandle, spec: Spec) -> Result<PublicKey, Pkcs11OpenError> {
    let found = session.get_attributes(object, &[AttributeType::EcPoint])?;
    let [Attribute::EcPoint(point)] = found.as_slice() else {
        return Err(Pkcs11OpenError::RootIncomplete);
    };
    encoding::public_of_point(spec, point).map_err(|_| Pkcs11OpenError::SelfTestFailed("signing key"))
}

/// The parsed public half of the root's signing key.
pub(super) fn parsed(public: &RootPublicKey) -> Result<PublicKey, Pkcs11OpenError> {
    match public {
        RootPublicKey::EcdsaP256(point) => PublicKey::from_raw(Spec::EcP256, point),
        RootPublicKey::Ed25519(raw) => PublicKey::from_raw(Spec::Ed25519, raw),
    }
    .map_err(|_| Pkcs11OpenError::SelfTestFailed("signing key"))
}

/// Tries a template with what narrows it further, and without where the token does not know that.
fn with_where_possible<T>(
    template: &[Attribute],
    make: impl Fn(&[Attribute]) -> Result<T, Error>,
) -> Result<T, Error> {
    match make(&[template, WHERE_POSSIBLE.as_slice()].concat()) {
        Err(Error::Pkcs11(
            RvError::AttributeTypeInvalid
            | RvError::AttributeValueInvalid
            | RvError::AttributeReadOnly
            | RvError::TemplateInconsistent,
            _,
        )) => make(template),
        other => other,
    }
}

//! One use of a key of the token: what is asked, held by value because it crosses to another thread, and how it is done.

use claviger_core::port::ProviderError;
use claviger_core::port::provider::{Process, Protect, UseOutput};
use claviger_core::{Purpose, Spec};
use claviger_crypto::{EncryptionAlgorithm, Message, PublicKey, SecretBytes, SignatureAlgorithm, secret};
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use zeroize::Zeroize as _;

use super::fault::Fault;
use super::{encoding, mechanism, sealing, signing};

/// Longest key that one call wraps, as in software.
const MAX_WRAPPED_KEY: usize = 64 * 1024;
/// Longest data that is sent through a token in one call.
const MAX_DATA: usize = 16 * 1024 * 1024;

const TOO_LARGE: ProviderError = ProviderError::InvalidParameter("the input is too large for the token");
const OTHER_USE: ProviderError = ProviderError::InvalidParameter("the key is not for this use");

/// What is asked of a key.
#[derive(Debug)]
pub(super) enum Usage {
    Agree { point: Vec<u8> },
    Mac { data: SecretBytes },
    Open { algorithm: EncryptionAlgorithm, body: Vec<u8>, aad: Vec<u8> },
    Seal { plaintext: SecretBytes, aad: Vec<u8>, header: Vec<u8> },
    Sign { algorithm: SignatureAlgorithm, message: OwnedMessage },
    Unwrap { wrapped: Vec<u8> },
    VerifyMac { data: SecretBytes, tag: Vec<u8> },
    Wrap { key: SecretBytes },
}

/// A message held by value.
#[derive(Debug)]
pub(super) enum OwnedMessage {
    Digest(Vec<u8>),
    Raw(SecretBytes),
}

/// A use is either done at once with what is public, or goes to the token.
pub(super) enum Route {
    Done(Result<UseOutput, ProviderError>),
    Token(Usage),
}

/// Where a use on new data goes. `oaep` is what the token does of it: what it could not open is not sealed either.
#[expect(clippy::disallowed_methods, reason = "the provider takes the caller's key to the token")]
pub(super) fn of_protect(
    spec: Spec,
    purpose: Purpose,
    public: Option<&PublicKey>,
    oaep: &[EncryptionAlgorithm],
    how: Protect<'_>,
) -> Route {
    let usage = match (how, purpose) {
        (Protect::Mac { data }, Purpose::Mac) => Usage::Mac { data: SecretBytes::copied_from(data) },
        (Protect::Seal { algorithm, plaintext, aad, mut out }, Purpose::Encrypt) => {
            if let Err(error) = encrypts_with(spec, oaep, algorithm) {
                return refuse(error);
            }
            match public {
                // Encrypting to a public key takes no secret.
                Some(public) => {
                    let sealed = public.seal(algorithm, plaintext, aad, &mut out);
                    return Route::Done(
                        sealed.map(|()| UseOutput::Bytes(out)).map_err(crate::ready::refusal),
                    );
                }
                None => Usage::Seal {
                    plaintext: SecretBytes::copied_from(plaintext),
                    aad: aad.to_vec(),
                    header: out,
                },
            }
        }
        (Protect::Sign { algorithm, message }, Purpose::Sign) => {
            if !spec.signature_algorithms().contains(&algorithm) {
                return refuse(ProviderError::InvalidParameter("a parameter does not fit this key"));
            }
            Usage::Sign { algorithm, message: own(message) }
        }
        (Protect::Wrap { key }, Purpose::Wrap) => {
            if key.is_empty() {
                return refuse(ProviderError::InvalidParameter("there is nothing to wrap"));
            }
            if key.len() > MAX_WRAPPED_KEY {
                return refuse(TOO_LARGE);
            }
            Usage::Wrap { key: SecretBytes::copied_from(key.expose()) }
        }
        _ => return refuse(OTHER_USE),
    };
    within_bounds(usage)
}

/// Where a use on old data goes.
pub(super) fn of_process(
    spec: Spec,
    purpose: Purpose,
    public: Option<&PublicKey>,
    oaep: &[EncryptionAlgorithm],
    how: Process<'_>,
) -> Route {
    let usage = match (how, purpose) {
        (Process::Agree { peer }, Purpose::Agree) => match peer_point(spec, peer) {
            Some(point) => Usage::Agree { point },
            None => return refuse(ProviderError::InvalidParameter("the peer's key is malformed")),
        },
        (Process::Open { algorithm, body, aad }, Purpose::Encrypt) => {
            if let Err(error) = encrypts_with(spec, oaep, algorithm) {
                return refuse(error);
            }
            if public.is_some() && !aad.is_empty() {
                return refuse(ProviderError::InvalidParameter("a parameter does not fit this key"));
            }
            Usage::Open { algorithm, body: body.to_vec(), aad: aad.to_vec() }
        }
        (Process::Unwrap { wrapped }, Purpose::Wrap) => Usage::Unwrap { wrapped: wrapped.to_vec() },
        (Process::Verify { algorithm, message, signature }, Purpose::Sign) => {
            let Some(public) = public else { return refuse(OTHER_USE) };
            let checked = crate::ready::verdict(public.verify(algorithm, message, signature));
            return Route::Done(checked.map_err(crate::ready::refusal));
        }
        (Process::VerifyMac { data, tag }, Purpose::Mac) => {
            Usage::VerifyMac { data: SecretBytes::copied_from(data), tag: tag.to_vec() }
        }
        _ => return refuse(OTHER_USE),
    };
    within_bounds(usage)
}

/// Refuses an algorithm that is not one of the spec, or that the token does not do.
fn encrypts_with(
    spec: Spec,
    oaep: &[EncryptionAlgorithm],
    algorithm: EncryptionAlgorithm,
) -> Result<(), ProviderError> {
    if !spec.encryption_algorithms().contains(&algorithm) {
        return Err(ProviderError::InvalidParameter("a parameter does not fit this key"));
    }
    if spec.is_asymmetric() && !oaep.contains(&algorithm) {
        return Err(ProviderError::UnsupportedAlgorithm { algorithm, module: super::MODULE });
    }
    Ok(())
}

fn refuse(error: ProviderError) -> Route {
    Route::Done(Err(error))
}

fn within_bounds(usage: Usage) -> Route {
    let len = match &usage {
        Usage::Agree { point } => point.len(),
        Usage::Mac { data } | Usage::VerifyMac { data, .. } => data.len(),
        Usage::Open { body, aad, .. } => body.len().saturating_add(aad.len()),
        Usage::Seal { plaintext, aad, .. } => plaintext.len().saturating_add(aad.len()),
        Usage::Sign { message: OwnedMessage::Digest(bytes), .. } => bytes.len(),
        Usage::Sign { message: OwnedMessage::Raw(bytes), .. } => bytes.len(),
        Usage::Unwrap { wrapped } => wrapped.len(),
        Usage::Wrap { key } => key.len(),
    };
    if len > MAX_DATA { refuse(TOO_LARGE) } else { Route::Token(usage) }
}

fn own(message: Message<'_>) -> OwnedMessage {
    match message {
        Message::Digest(bytes) => OwnedMessage::Digest(bytes.to_vec()),
        Message::Raw(bytes) => OwnedMessage::Raw(SecretBytes::copied_from(bytes)),
    }
}

/// The peer's point, uncompressed. The module checks that it is on the curve before it reaches a secret: a token that
/// does not check would give the secret away bit by bit (SP 800-56A rev. 3, 5.6.2.3.4).
fn peer_point(spec: Spec, peer: &[u8]) -> Option<Vec<u8>> {
    let public = match peer.first()? {
        0x04 => PublicKey::from_raw(spec, peer),
        _ => PublicKey::from_spki(spec, peer),
    };
    public.ok()?.raw().map(<[u8]>::to_vec)
}

/// Does it, with the key `key` of the token.
#[expect(clippy::disallowed_methods, reason = "the provider takes plaintext and messages to the token")]
pub(super) fn perform(
    session: &Session,
    key: ObjectHandle,
    spec: Spec,
    usage: &Usage,
) -> Result<UseOutput, Fault> {
    match usage {
        Usage::Agree { point } => agree(session, key, spec, point).map(UseOutput::Secret),
        Usage::Mac { data } => mac(session, key, spec, data.expose()).map(UseOutput::Bytes),
        Usage::Open { algorithm, body, .. } if mechanism::rsa_bits(spec).is_some() => {
            decrypt_oaep(session, key, spec, *algorithm, body)
        }
        Usage::Open { body, aad, .. } => {
            sealing::open(session, key, aad, body).map(UseOutput::Secret).map_err(Fault::OnInput)
        }
        Usage::Seal { plaintext, aad, header } => {
            let mut out = header.clone();
            sealing::seal_into(session, key, aad, plaintext.expose(), &mut out)?;
            Ok(UseOutput::Bytes(out))
        }
        Usage::Sign { algorithm, message } => {
            let message = match message {
                OwnedMessage::Digest(bytes) => Message::Digest(bytes),
                OwnedMessage::Raw(bytes) => Message::Raw(bytes.expose()),
            };
            signing::sign(session, key, *algorithm, message).map(UseOutput::Bytes)
        }
        Usage::Unwrap { wrapped } => unwrap(session, key, wrapped).map(UseOutput::Secret),
        Usage::VerifyMac { data, tag } => {
            let expected = mac(session, key, spec, data.expose())?;
            Ok(UseOutput::Verified(secret::ct_eq(&expected, tag)))
        }
        Usage::Wrap { key: carried } => wrap(session, key, carried.expose()).map(UseOutput::Bytes),
    }
}

fn mac(session: &Session, key: ObjectHandle, spec: Spec, data: &[u8]) -> Result<Vec<u8>, Fault> {
    let mechanism = mechanism::hmac(spec).ok_or(OTHER_USE)?;
    Ok(session.sign(&mechanism, key, data)?)
}

/// OAEP with one hash for message and mask, and an empty label, as in software.
fn decrypt_oaep(
    session: &Session,
    key: ObjectHandle,
    spec: Spec,
    algorithm: EncryptionAlgorithm,
    body: &[u8],
) -> Result<UseOutput, Fault> {
    // A ciphertext of another length cannot be one; some tokens would fail for good instead of refusing it.
    if mechanism::rsa_bits(spec) != u64::try_from(body.len()).ok().and_then(|len| len.checked_mul(8)) {
        return Err(ProviderError::BadInput.into());
    }
    let (hash, mask) = match algorithm {
        EncryptionAlgorithm::RsaOaepSha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        EncryptionAlgorithm::RsaOaepSha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        EncryptionAlgorithm::SymmetricDefault => return Err(OTHER_USE.into()),
    };
    let oaep = PkcsOaepParams::new(hash, mask, PkcsOaepSource::empty());
    let plaintext = session.decrypt(&Mechanism::RsaPkcsOaep(oaep), key, body).map_err(Fault::OnInput)?;
    Ok(UseOutput::Secret(SecretBytes::new(plaintext)))
}

/// The x-coordinate of the shared point, as long as a field element (SP 800-56A rev. 3, 5.7.1.2).
fn agree(session: &Session, key: ObjectHandle, spec: Spec, point: &[u8]) -> Result<SecretBytes, Fault> {
    let len = encoding::field_len(spec).ok_or(OTHER_USE)?;
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Extractable(true),
        Attribute::Private(true),
        Attribute::Sensitive(false),
        Attribute::Token(false),
        Attribute::ValueLen(cryptoki::types::Ulong::try_from(len)?),
    ];
    let derive = Mechanism::Ecdh1Derive(Ecdh1DeriveParams::new(EcKdf::null(), point));
    let derived = session.derive_key(&derive, key, &template).map_err(Fault::OnInput)?;
    let secret = take_value(session, derived)?;
    if secret.len() == len {
        Ok(secret)
    } else {
        Err(ProviderError::Unavailable("the token gave a secret of the wrong length").into())
    }
}

/// Wraps a key of the caller's: it is put into the token for as long as the call takes.
fn wrap(session: &Session, kek: ObjectHandle, carried: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Extractable(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Token(false),
        Attribute::Value(carried.to_vec()),
    ];
    let object = session.create_object(&template);
    wipe_value(&mut template);
    let object = object?;
    let wrapped = session.wrap_key(&Mechanism::AesKeyWrapPad, kek, object);
    session.destroy_object(object)?;
    Ok(wrapped?)
}

/// The template held a copy of the key.
fn wipe_value(template: &mut [Attribute]) {
    for attribute in template {
        if let Attribute::Value(value) = attribute {
            value.zeroize();
        }
    }
}

fn unwrap(session: &Session, kek: ObjectHandle, wrapped: &[u8]) -> Result<SecretBytes, Fault> {
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Extractable(true),
        Attribute::Private(true),
        Attribute::Sensitive(false),
        Attribute::Token(false),
    ];
    let object =
        session.unwrap_key(&Mechanism::AesKeyWrapPad, kek, wrapped, &template).map_err(Fault::OnInput)?;
    take_value(session, object)
}

/// Takes the value out of an object that exists to be taken out, and destroys the object.
fn take_value(session: &Session, object: ObjectHandle) -> Result<SecretBytes, Fault> {
    let found = session.get_attributes(object, &[AttributeType::Value]);
    session.destroy_object(object)?;
    match found?.pop() {
        Some(Attribute::Value(value)) => Ok(SecretBytes::new(value)),
        _ => Err(ProviderError::Unavailable("the token kept a value it was to give").into()),
    }
}

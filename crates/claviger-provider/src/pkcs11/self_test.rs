//! What the token can really do: each key of protection `hsm` is made, wrapped, unwrapped and used once before it counts.
//!
//! A mechanism list promises; tokens have been seen to promise what they then do wrong. Where the answer can be checked
//! outside the token it is: signatures verify, ciphertexts to a public key open, agreed secrets are the same on both sides.

use std::sync::Arc;

use claviger_core::port::provider::{Process, Protect, UseOutput};
use claviger_core::{Purpose, Spec};
use claviger_crypto::random::ModuleRandom;
use claviger_crypto::{EncryptionAlgorithm, Message, PublicKey, ReadyKey, SecretBytes, generate};
use cryptoki::context::Pkcs11;
use cryptoki::mechanism::MechanismType;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;

use super::error::Pkcs11OpenError;
use super::fault::{Fault, Verdict};
use super::link::Link;
use super::usage::{self, Route};
use super::{mechanism, root, sealing};

/// Sees the root work: the sealing key seals and opens, and only so; the signing key signs.
pub(super) fn root_works(session: &Session, link: &Link) -> Result<(), Pkcs11OpenError> {
    let failed = || Pkcs11OpenError::SelfTestFailed("sealing key");
    let (seal, aad, probe) = (link.roots.seal, b"claviger root self-test".as_slice(), b"probe".as_slice());
    let body = sealing::seal(session, seal, aad, probe)?;
    let again = sealing::seal(session, seal, aad, probe)?;
    let opened = sealing::open(session, seal, aad, &body)?;
    if !opened.ct_eq_bytes(probe)
        || body == again
        || sealing::open(session, seal, b"other", &body).is_ok()
        || sealing::open(session, seal, aad, &flipped(&body)).is_ok()
    {
        return Err(failed());
    }
    let public = root::parsed(&link.roots.public)?;
    root::prove(session, link.roots.sign, link.roots.sign_spec, &public)
}

/// What the token can do with keys of protection `hsm`.
#[derive(Debug)]
pub(super) struct Able {
    /// The specs and purposes that it serves.
    pub(super) serves: Vec<(Spec, Purpose)>,
    /// The forms of OAEP that it decrypts; an RSA key that is to encrypt needs one of them.
    pub(super) oaep: Arc<[EncryptionAlgorithm]>,
}

/// Tries out what the token can do.
pub(super) fn capabilities(pkcs11: &Pkcs11, session: &Session, link: &Link) -> Result<Able, Pkcs11OpenError> {
    let (mut able, mut oaep) = (Vec::new(), Vec::new());
    if !link.mechanisms.contains(&MechanismType::AES_KEY_WRAP_PAD) {
        return Ok(Able { serves: able, oaep: oaep.into() });
    }
    for spec in Spec::ALL {
        for purpose in spec.purposes() {
            let listed = mechanism::needs(spec, *purpose)
                .is_some_and(|needs| needs.iter().all(|need| link.mechanisms.contains(need)));
            if listed && works(pkcs11, session, link, spec, *purpose, (&able, &mut oaep))? {
                able.push((spec, *purpose));
            }
        }
    }
    Ok(Able { serves: able, oaep: oaep.into() })
}

fn works(
    pkcs11: &Pkcs11,
    session: &Session,
    link: &Link,
    spec: Spec,
    purpose: Purpose,
    (able, oaep): (&[(Spec, Purpose)], &mut Vec<EncryptionAlgorithm>),
) -> Result<bool, Pkcs11OpenError> {
    // A longer RSA key takes seconds to make: what the shorter one could do is taken for it, if the token says that it
    // makes keys of that size.
    if let Some(bits) = mechanism::rsa_bits(spec).filter(|bits| *bits > 2048) {
        let info = pkcs11.get_mechanism_info(link.slot, MechanismType::RSA_PKCS_KEY_PAIR_GEN)?;
        let in_range = u64::try_from(info.max_key_size()).is_ok_and(|max| bits <= max);
        return Ok(in_range && able.contains(&(Spec::Rsa2048, purpose)));
    }
    match try_out(session, link, spec, purpose, oaep) {
        Ok(works) => {
            if !works {
                tracing::info!(%spec, %purpose, "the token does this wrong; it is not offered");
            }
            Ok(works)
        }
        Err(fault) if fault.verdict() == Verdict::Lost => {
            Err(Pkcs11OpenError::SelfTestFailed("connection to the token"))
        }
        Err(fault) => {
            tracing::info!(%spec, %purpose, ?fault, "the token does not do this; it is not offered");
            Ok(false)
        }
    }
}

fn try_out(
    session: &Session,
    link: &Link,
    spec: Spec,
    purpose: Purpose,
    oaep: &mut Vec<EncryptionAlgorithm>,
) -> Result<bool, Fault> {
    let made = mechanism::generate(session, link, spec, purpose)?;
    let wrapped = mechanism::wrap(session, link, made.key);
    session.destroy_object(made.key)?;
    let key = mechanism::unwrap(session, link, spec, purpose, &wrapped?)?;
    let result = keeps_its_secret(session, key).and_then(|kept| {
        Ok(kept && Trial { session, key, spec, purpose, public: made.public.as_ref() }.holds(oaep)?)
    });
    session.destroy_object(key)?;
    result
}

fn keeps_its_secret(session: &Session, key: ObjectHandle) -> Result<bool, Fault> {
    let custody = session.get_attributes(key, &[AttributeType::Sensitive, AttributeType::Extractable])?;
    Ok(custody == [Attribute::Sensitive(true), Attribute::Extractable(false)])
}

struct Trial<'a> {
    session: &'a Session,
    key: ObjectHandle,
    spec: Spec,
    purpose: Purpose,
    public: Option<&'a PublicKey>,
}

impl Trial<'_> {
    fn holds(&self, oaep: &mut Vec<EncryptionAlgorithm>) -> Result<bool, Fault> {
        match self.purpose {
            Purpose::Agree => self.agrees(),
            Purpose::Encapsulate => Ok(false),
            Purpose::Encrypt if self.public.is_some() => self.decrypts_oaep(oaep),
            Purpose::Encrypt => self.encrypts(EncryptionAlgorithm::SymmetricDefault),
            Purpose::Mac => self.macs(),
            Purpose::Sign => self.signs(),
            Purpose::Wrap => self.wraps(),
        }
    }

    fn protect(&self, how: Protect<'_>) -> Result<UseOutput, Fault> {
        self.take(usage::of_protect(self.spec, self.purpose, self.public, &EncryptionAlgorithm::ALL, how))
    }

    fn process(&self, how: Process<'_>) -> Result<UseOutput, Fault> {
        self.take(usage::of_process(self.spec, self.purpose, self.public, &EncryptionAlgorithm::ALL, how))
    }

    fn take(&self, route: Route) -> Result<UseOutput, Fault> {
        match route {
            Route::Done(result) => result.map_err(Fault::Answer),
            Route::Token(usage) => usage::perform(self.session, self.key, self.spec, &usage),
        }
    }

    fn agrees(&self) -> Result<bool, Fault> {
        let Some(public) = self.public else { return Ok(false) };
        let peer = generate(self.spec, &mut ModuleRandom).map_err(crate::ready::refusal)?;
        let ours = ReadyKey::for_purpose(self.spec, Purpose::Agree, &peer.secret)
            .and_then(|key| key.agree(public.spki()))
            .map_err(crate::ready::refusal)?;
        let theirs = self.process(Process::Agree { peer: peer.public.as_deref().unwrap_or_default() })?;
        Ok(matches!(theirs, UseOutput::Secret(theirs) if theirs.ct_eq(&ours)))
    }

    /// Each form of OAEP on its own: a token that knows one of them serves with that one.
    fn decrypts_oaep(&self, oaep: &mut Vec<EncryptionAlgorithm>) -> Result<bool, Fault> {
        for algorithm in self.spec.encryption_algorithms() {
            match self.encrypts(*algorithm) {
                Ok(true) => oaep.push(*algorithm),
                Ok(false) => tracing::info!(%algorithm, "the token does this wrong; it is not offered"),
                Err(fault) if fault.verdict() == Verdict::Lost => return Err(fault),
                Err(fault) => {
                    tracing::info!(%algorithm, ?fault, "the token does not do this; it is not offered")
                }
            }
        }
        Ok(!oaep.is_empty())
    }

    fn encrypts(&self, algorithm: EncryptionAlgorithm) -> Result<bool, Fault> {
        let aad: &[u8] = if self.public.is_some() { b"" } else { b"aad" };
        let out = b"head".to_vec();
        let sealed = self.protect(Protect::Seal { algorithm, plaintext: b"plaintext", aad, out })?;
        let UseOutput::Bytes(sealed) = sealed else { return Ok(false) };
        let Some(body) = sealed.strip_prefix(b"head") else { return Ok(false) };
        let opened = self.process(Process::Open { algorithm, body, aad })?;
        let refused = self.process(Process::Open { algorithm, body: &flipped(body), aad }).is_err();
        Ok(refused && matches!(opened, UseOutput::Secret(opened) if opened.ct_eq_bytes(b"plaintext")))
    }

    fn macs(&self) -> Result<bool, Fault> {
        let UseOutput::Bytes(tag) = self.protect(Protect::Mac { data: b"data" })? else { return Ok(false) };
        let UseOutput::Bytes(other) = self.protect(Protect::Mac { data: b"date" })? else { return Ok(false) };
        let verified = self.process(Process::VerifyMac { data: b"data", tag: &tag })?;
        let sized = self.spec.symmetric_len() == Some(tag.len());
        Ok(sized && tag != other && matches!(verified, UseOutput::Verified(true)))
    }

    fn signs(&self) -> Result<bool, Fault> {
        let message = Message::Raw(b"message");
        for algorithm in self.spec.signature_algorithms() {
            let signed = self.protect(Protect::Sign { algorithm: *algorithm, message })?;
            let UseOutput::Bytes(signature) = signed else { return Ok(false) };
            let how = Process::Verify { algorithm: *algorithm, message, signature: &signature };
            if !matches!(self.process(how)?, UseOutput::Verified(true)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn wraps(&self) -> Result<bool, Fault> {
        // 13 bytes need padding, and the padding must come off again.
        for len in [13, 32] {
            let key = SecretBytes::new(vec![0xa5; len]);
            let UseOutput::Bytes(wrapped) = self.protect(Protect::Wrap { key: &key })? else {
                return Ok(false);
            };
            let unwrapped = self.process(Process::Unwrap { wrapped: &wrapped })?;
            if !matches!(unwrapped, UseOutput::Secret(found) if found.ct_eq(&key)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The same bytes with the last bit changed.
fn flipped(body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    if let Some(last) = body.last_mut() {
        *last ^= 1;
    }
    body
}

//! Sessions: what a session entry commits to, and how that leads back to who it was.
//!
//! The entry carries a commitment in its field `ref`. What was committed to lies beside the entry, sealed under the principal's
//! own key, in the same transaction, and is exported with it. Nothing beside the log names the principal of a session: whoever
//! holds a principal's key knows its sessions by their *locators*, which only that key yields. Whoever destroys the key ends
//! that in every copy, and every digest still verifies.
//!
//! What is kept true:
//! * each value has one encoding (deterministic CBOR, RFC 8949, 4.2.1), and only that one is decoded;
//! * each field is committed to alone, under a salt of its own session and key: one can be disclosed while others are withheld,
//!   and equal values of two sessions have nothing in common;
//! * locators of a person change by the day, as the tags of its entries do.
//!
//! ```text
//! H       = SHA-256
//! veil    = key of the principal that seals what is said of it
//! locator = HMAC(HKDF(veil, "claviger/session-locator/v1"), day (8 bytes, big-endian; of people alone)), first 16 bytes
//! salt    = HMAC(HKDF(veil, "claviger/session-salt/v1"), seed || number (2 bytes, big-endian)), first 16 bytes
//! field   = H(0x02 || number (2 bytes, big-endian) || salt || value)
//! fields  = H(0x08 || number || field || number || field ..)
//! ref     = H(0x07 || seed (16 bytes) || locator || fields || H(0x06 || sealed bytes))
//! ```

mod codec;
mod disclosure;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use claviger_core::principal::CredentialKind;
use claviger_core::{CredentialId, OriginClass, PrincipalId, Source, TlsParameters};

pub use codec::{MAX_RECORD, RecordError, SessionRecord};
pub use disclosure::{
    DisclosedField, DisclosedFields, DisclosedName, DisclosedSession, Disclosure, DisclosureError, Level,
};
pub use read::{Seen, UnknownWho};

use zeroize::Zeroizing;

use crate::Hash;
use crate::cbor;
use crate::fact::{Values, VeilError, VeilKey, commit, salt_of};
use crate::hash::{hmac_sha256, sha256};

/// Fields by their numbers, which are for ever.
pub const PRINCIPAL: u16 = 1;
/// The credential.
pub const CREDENTIAL: u16 = 2;
/// Of what kind the credential is.
pub const METHOD: u16 = 3;
/// What was shown.
pub const FACTORS: u16 = 4;
/// Version of TLS.
pub const TLS_VERSION: u16 = 5;
/// Cipher suite.
pub const CIPHER_SUITE: u16 = 6;
/// Group of the key exchange.
pub const GROUP: u16 = 7;
/// Class of the address.
pub const ORIGIN: u16 = 8;
/// The address.
pub const ADDRESS: u16 = 9;

const NAMES: [(u16, &str); 9] = [
    (PRINCIPAL, "principal"),
    (CREDENTIAL, "credential"),
    (METHOD, "method"),
    (FACTORS, "factors"),
    (TLS_VERSION, "tls_version"),
    (CIPHER_SUITE, "cipher_suite"),
    (GROUP, "group"),
    (ORIGIN, "origin"),
    (ADDRESS, "address"),
];

const FIELDS: u8 = 8;

/// The name of a field.
#[must_use]
pub fn field_name(number: u16) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

/// The name of a version of TLS, of those that this release knows.
#[must_use]
pub const fn tls_version_name(version: u16) -> Option<&'static str> {
    TlsParameters::version_name(version)
}

/// The name of a cipher suite, of those that this release knows.
#[must_use]
pub const fn cipher_suite_name(suite: u16) -> Option<&'static str> {
    TlsParameters::cipher_suite_name(suite)
}

/// The name of a group, of those that this release knows.
#[must_use]
pub const fn group_name(group: u16) -> Option<&'static str> {
    TlsParameters::group_name(group)
}

/// Who stands behind the entries of a session, and how that was proved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// The principal.
    pub principal: PrincipalId,
    /// What it showed.
    pub credential: CredentialId,
    /// Of what kind that is.
    pub method: CredentialKind,
    /// Where it was.
    pub source: Source,
}

impl std::fmt::Debug for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Who(..)")
    }
}

impl Who {
    /// The fields, each in CBOR.
    fn values(&self) -> Values {
        let text = |text: &str| encoded(|out| cbor::put_text(out, text));
        let number = |number: u16| encoded(|out| cbor::put_uint(out, u64::from(number)));
        let mut values = Values::from([
            (PRINCIPAL, encoded(|out| cbor::put_bytes(out, self.principal.as_bytes()))),
            (CREDENTIAL, encoded(|out| cbor::put_bytes(out, self.credential.as_bytes()))),
            (METHOD, text(self.method.name())),
            (
                FACTORS,
                encoded(|out| {
                    let factors = self.method.factors();
                    cbor::put_array(out, factors.len() as u64);
                    factors.iter().for_each(|factor| cbor::put_text(out, factor.name()));
                }),
            ),
            (ORIGIN, text(OriginClass::of(self.source.address).name())),
            (ADDRESS, text(&self.source.address.to_string())),
        ]);
        if let Some(tls) = self.source.tls {
            values.insert(TLS_VERSION, number(tls.version));
            values.insert(CIPHER_SUITE, number(tls.cipher_suite));
            values.extend(tls.group.map(|group| (GROUP, number(group))));
        }
        values
    }
}

fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// What a session says, opened by its principal's key.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenedSession {
    values: Values,
    salts: BTreeMap<u16, [u8; 16]>,
}

impl std::fmt::Debug for OpenedSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenedSession(..)")
    }
}

impl OpenedSession {
    /// What it says.
    ///
    /// # Errors
    /// [`UnknownWho`] when a value is none of its field.
    pub fn seen(&self) -> Result<Seen, UnknownWho> {
        Seen::read(self.values.iter().map(|(number, value)| (*number, value.as_slice())))
    }

    /// As much of it as a level lets out.
    #[must_use]
    pub fn disclosed(&self, level: Level) -> BTreeMap<u16, DisclosedField> {
        let mut fields = BTreeMap::new();
        for ((number, value), salt) in self.values.iter().zip(self.salts.values()) {
            let field = match level.opens(*number) {
                true => DisclosedField::Open { salt: *salt, value: value.clone() },
                false => DisclosedField::Withheld(commit(*number, salt, value)),
            };
            fields.insert(*number, field);
        }
        fields
    }

    fn digest(&self) -> Hash {
        let commitments = self.values.iter().zip(self.salts.values());
        digest_of_fields(commitments.map(|((number, value), salt)| (*number, commit(*number, salt, value))))
    }
}

/// The digest of the commitments to fields, in the order of their numbers.
fn digest_of_fields(fields: impl Iterator<Item = (u16, Hash)>) -> Hash {
    let mut all = vec![FIELDS];
    for (number, commitment) in fields {
        all.extend_from_slice(&number.to_be_bytes());
        all.extend_from_slice(&commitment);
    }
    sha256(&all)
}

/// Yields the locators of one principal. It is cleared when it is dropped.
pub struct LocatorKey(Zeroizing<[u8; 32]>);

impl LocatorKey {
    /// By what the principal's sessions are known: of a person those of one day, of others all.
    #[must_use]
    pub fn locator(&self, day: Option<u64>) -> [u8; 16] {
        let day = day.map(u64::to_be_bytes);
        salt_of(&hmac_sha256(self.0.as_slice(), &[day.as_ref().map_or(&[][..], |day| day.as_slice())]))
    }
}

impl std::fmt::Debug for LocatorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocatorKey(..)")
    }
}

impl VeilKey {
    /// What yields the locators of this key's principal.
    ///
    /// # Errors
    /// [`VeilError::Unsealed`] when the library refuses.
    pub fn locators(&self) -> Result<LocatorKey, VeilError> {
        self.derived(b"claviger/session-locator/v1").map(LocatorKey)
    }

    /// Seals what a session says. `seed` is random, and of this session alone.
    ///
    /// # Errors
    /// [`VeilError::Unsealed`] without randomness.
    pub fn seal_session(
        &self,
        who: &Who,
        day: Option<u64>,
        seed: [u8; 16],
    ) -> Result<SessionRecord, VeilError> {
        let locator = self.locators()?.locator(day);
        let values = who.values();
        let sealed = self.seal_values(&place(&seed, &locator), &values)?;
        let opened = self.opened(values, &seed)?;
        Ok(SessionRecord { seed, locator, fields: opened.digest(), sealed })
    }

    /// Opens what [`Self::seal_session`] sealed.
    ///
    /// # Errors
    /// [`VeilError::Unopened`] for the sessions of others, and for what is not what was committed to.
    pub fn open_session(&self, record: &SessionRecord) -> Result<OpenedSession, VeilError> {
        let values = self.open_values(&place(&record.seed, &record.locator), &record.sealed)?;
        let opened = self.opened(values, &record.seed)?;
        if opened.digest() == record.fields { Ok(opened) } else { Err(VeilError::Unopened) }
    }

    fn opened(&self, values: Values, seed: &[u8; 16]) -> Result<OpenedSession, VeilError> {
        let key = self.derived(b"claviger/session-salt/v1")?;
        let salt = |number: u16| salt_of(&hmac_sha256(key.as_slice(), &[seed, &number.to_be_bytes()]));
        let salts = values.keys().map(|number| (*number, salt(*number))).collect();
        Ok(OpenedSession { values, salts })
    }
}

/// What a sealed session is bound to.
fn place(seed: &[u8; 16], locator: &[u8; 16]) -> Vec<u8> {
    [b"session".as_slice(), seed, locator].concat()
}

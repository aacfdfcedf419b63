//! What a session says, read from the values of its fields.

use std::net::IpAddr;

use claviger_core::principal::{CredentialKind, Factor};
use claviger_core::{CredentialId, OriginClass, PrincipalId};

use super::{ADDRESS, CIPHER_SUITE, CREDENTIAL, FACTORS, GROUP, METHOD, ORIGIN, PRINCIPAL, TLS_VERSION};
use crate::cbor::{CborError, Reader};

/// A value that is none of its field, or a field that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field {0} of a session does not read")]
pub struct UnknownWho(pub u16);

/// As much of a session as is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The principal.
    pub principal: Option<PrincipalId>,
    /// The credential.
    pub credential: Option<CredentialId>,
    /// Of what kind the credential is.
    pub method: Option<CredentialKind>,
    /// What was shown; empty where that is withheld.
    pub factors: Vec<Factor>,
    /// Version of TLS, by its number.
    pub tls_version: Option<u16>,
    /// Cipher suite, by its number.
    pub cipher_suite: Option<u16>,
    /// Group of the key exchange, by its number.
    pub group: Option<u16>,
    /// Class of the address.
    pub origin: Option<OriginClass>,
    /// The address.
    pub address: Option<IpAddr>,
}

impl Seen {
    /// Reads fields.
    ///
    /// # Errors
    /// [`UnknownWho`] names the first that does not read.
    pub fn read<'a>(fields: impl Iterator<Item = (u16, &'a [u8])>) -> Result<Self, UnknownWho> {
        let mut seen = Self::default();
        for (number, value) in fields {
            seen.take(number, &mut Reader::new(value)).ok_or(UnknownWho(number))?;
        }
        Ok(seen)
    }

    fn take(&mut self, number: u16, reader: &mut Reader<'_>) -> Option<()> {
        match number {
            PRINCIPAL => self.principal = Some(PrincipalId::from_bytes(reader.fixed().ok()?)),
            CREDENTIAL => self.credential = Some(CredentialId::from_bytes(reader.fixed().ok()?)),
            METHOD => self.method = Some(word(reader)?),
            FACTORS => {
                for _ in 0..reader.array().ok()? {
                    self.factors.push(word(reader)?);
                }
            }
            TLS_VERSION => self.tls_version = Some(reader.small().ok()?),
            CIPHER_SUITE => self.cipher_suite = Some(reader.small().ok()?),
            GROUP => self.group = Some(reader.small().ok()?),
            ORIGIN => self.origin = Some(word(reader)?),
            ADDRESS => self.address = Some(word(reader)?),
            _ => return None,
        }
        reader.end().ok()
    }
}

fn word<T: std::str::FromStr>(reader: &mut Reader<'_>) -> Option<T> {
    let text: Result<&str, CborError> = reader.text();
    text.ok()?.parse().ok()
}

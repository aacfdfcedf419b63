//! The external key store proxy: whether it is served, where, and to whom.

use claviger_aws::xks::UriPrefix;
use claviger_crypto::digest::sha256;

use super::{ConfigError, file, invalid};

/// The external key store proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xks {
    /// What comes before `/kms/xks/v1`.
    pub prefix: UriPrefix,
    /// Whom it answers.
    pub clients: XksClients,
}

/// Which certificate a client must show, beside its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum XksClients {
    /// Any that the authorities of `tls.client_ca` vouch for.
    Certified,
    /// One of them, with this common name.
    Named(String),
    /// None.
    Unproved,
}

impl XksClients {
    /// Is a client with such a certificate one of them? It is recognized by the digest of its common name.
    #[must_use]
    pub fn admit(&self, certificate: Option<Option<[u8; 32]>>) -> bool {
        match self {
            Self::Certified => certificate.is_some(),
            Self::Named(name) => certificate == Some(Some(sha256(name.as_bytes()))),
            Self::Unproved => true,
        }
    }
}

impl Xks {
    pub(super) fn from_file(file: &file::Xks, origin: &str) -> Result<Option<Self>, ConfigError> {
        let clients = match (file.require_client_certificate, &file.client_name) {
            (Some(false), Some(_)) => {
                let why = "has no meaning where `xks.require_client_certificate` is false";
                return Err(invalid(origin, "xks.client_name", why.to_owned()));
            }
            (Some(false), None) => XksClients::Unproved,
            (Some(true) | None, Some(name)) if name.is_empty() => {
                let why = "is empty; write the common name of the client's certificate";
                return Err(invalid(origin, "xks.client_name", why.to_owned()));
            }
            (Some(true) | None, Some(name)) => XksClients::Named(name.clone()),
            (Some(true) | None, None) => XksClients::Certified,
        };
        let Some(text) = &file.uri_prefix else { return Ok(None) };
        let prefix = text
            .parse()
            .map_err(|error| invalid(origin, "xks.uri_prefix", format!("is `{text}`; {error}")))?;
        Ok(Some(Self { prefix, clients }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_recognized_by_the_certificate_they_showed() {
        let (kms, other) =
            (Some(Some(sha256(b"cks.kms.eu-west-1.amazonaws.com"))), Some(Some(sha256(b"app"))));
        let named = XksClients::Named("cks.kms.eu-west-1.amazonaws.com".to_owned());
        for (clients, admitted) in [
            (named, [true, false, false, false]),
            (XksClients::Certified, [true, true, true, false]),
            (XksClients::Unproved, [true; 4]),
        ] {
            assert_eq!(
                [kms, other, Some(None), None].map(|shown| clients.admit(shown)),
                admitted,
                "{clients:?}"
            );
        }
    }
}

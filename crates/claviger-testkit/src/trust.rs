//! Trust for tests that are about something else than certificates: any bytes will do.

use std::time::Duration;

use claviger_core::port::{CertificateFault, EnteredCertificate, IssueFault, Trust};
use claviger_core::{Name, Timestamp};

/// How long a certificate is good whose bytes begin with `brief`.
pub const BRIEF: Duration = Duration::from_secs(3600);

/// Takes every certificate, for ever; those whose bytes begin with `brief` for an hour, and none that begins with `refused`. Issues
/// for every request that does not begin so: the principal's name, and the request itself.
#[derive(Debug)]
pub struct Lenient;

impl Trust for Lenient {
    fn judge(
        &self,
        certificate: EnteredCertificate<'_>,
        now: Timestamp,
    ) -> Result<Timestamp, CertificateFault> {
        match certificate.der {
            der if der.starts_with(b"refused") => Err(CertificateFault::Issuer),
            der if der.starts_with(b"brief") => Ok(now.after(BRIEF)),
            _ => Ok(Timestamp::from_micros(u64::MAX)),
        }
    }

    fn issue(
        &self,
        request: &[u8],
        principal: &Name,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Vec<u8>, IssueFault> {
        if request.starts_with(b"refused") {
            return Err(IssueFault::KeyElsewhere);
        }
        Ok([b"issued to ".as_slice(), principal.as_str().as_bytes(), b" for ", request].concat())
    }
}

//! Trust for tests that are about something else than certificates: any bytes will do.

use std::time::Duration;

use claviger_core::Timestamp;
use claviger_core::port::{CertificateFault, EnteredCertificate, Trust};

/// How long a certificate is good whose bytes begin with `brief`.
pub const BRIEF: Duration = Duration::from_secs(3600);

/// Takes every certificate, for ever; those whose bytes begin with `brief` for an hour, and none that begins with `refused`.
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
}

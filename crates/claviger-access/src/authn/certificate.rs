//! Client certificates. The handshake has verified chain and possession; here the certificate is only recognized.

use claviger_crypto::digest::sha256;

/// SHA-256 of the whole certificate in DER: what is kept of it, and looked up.
#[must_use]
pub fn fingerprint(der: &[u8]) -> [u8; 32] {
    sha256(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts() {
        let der = [0x30, 0x03, 0x02, 0x01, 0x00];
        let mut other = der;
        other[4] ^= 1;
        assert_eq!(fingerprint(&der), fingerprint(&der));
        assert_ne!(fingerprint(&der), fingerprint(&other));
        assert_ne!(fingerprint(&der), fingerprint(&der[..4]));
    }
}

//! PEM (RFC 7468) and DER: certificates and public keys come in either, and go out in either.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::Failure;

/// The DER bytes of the first `label` block in `bytes`, or `bytes` as they are when they are no PEM text.
///
/// # Errors
/// When it is PEM text without such a block, or with a damaged one.
pub(crate) fn der(bytes: &[u8], label: &str) -> Result<Vec<u8>, Failure> {
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN ")) else {
        return Ok(bytes.to_vec());
    };
    let block = text
        .split_once(&format!("-----BEGIN {label}-----"))
        .and_then(|(_, rest)| rest.split_once(&format!("-----END {label}-----")))
        .map(|(block, _)| block.split_ascii_whitespace().collect::<String>())
        .ok_or_else(|| Failure::usage(format!("there is no `{label}` in the PEM text")))?;
    STANDARD.decode(block).map_err(|_| Failure::usage(format!("the `{label}` in the PEM text is damaged")))
}

/// `der` as one PEM block.
pub(crate) fn encode(der: &[u8], label: &str) -> String {
    let mut body = String::new();
    // 48 bytes make 64 signs, the width that RFC 7468 asks for.
    for line in der.chunks(48) {
        body.push_str(&STANDARD.encode(line));
        body.push('\n');
    }
    format!("-----BEGIN {label}-----\n{body}-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_read_back_and_der_passes() {
        let bytes: Vec<u8> = (0..200).collect();
        let pem = encode(&bytes, "PUBLIC KEY");
        assert!(pem.lines().all(|line| line.len() <= 64));
        assert_eq!(der(pem.as_bytes(), "PUBLIC KEY").unwrap(), bytes);
        assert_eq!(der(&[0x30, 0x03, 1, 2, 3], "PUBLIC KEY").unwrap(), [0x30, 0x03, 1, 2, 3]);
        assert!(der(pem.as_bytes(), "CERTIFICATE").is_err());
        assert!(der(b"-----BEGIN A-----\n!!\n-----END A-----\n", "A").is_err());
    }
}

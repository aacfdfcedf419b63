//! PEM (RFC 7468) and DER: certificates and public keys come in either, and go out in either.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::failure::Failure;

/// The DER bytes of the first `label` block in `bytes`, or `bytes` as they are when they are no PEM text.
///
/// # Errors
/// When it is PEM text without such a block, or with a damaged one.
pub(crate) fn der(bytes: &[u8], label: &str) -> Result<Vec<u8>, Failure> {
    Ok(first_and_rest(bytes, label)?.0)
}

/// The same, and those of all other `label` blocks.
///
/// # Errors
/// When it is PEM text without such a block, or with a damaged one.
pub(crate) fn first_and_rest(bytes: &[u8], label: &str) -> Result<(Vec<u8>, Vec<Vec<u8>>), Failure> {
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN ")) else {
        return Ok((bytes.to_vec(), Vec::new()));
    };
    let damaged = || Failure::usage(format!("the `{label}` in the PEM text is damaged"));
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut blocks = text.split(&begin).skip(1).map(|rest| {
        let (block, _) = rest.split_once(&end).ok_or_else(damaged)?;
        STANDARD.decode(block.split_ascii_whitespace().collect::<String>()).map_err(|_| damaged())
    });
    let first =
        blocks.next().ok_or_else(|| Failure::usage(format!("there is no `{label}` in the PEM text")))?;
    Ok((first?, blocks.collect::<Result<_, _>>()?))
}

/// `der` as one PEM block.
pub(crate) fn encode(der: &[u8], label: &str) -> String {
    let mut body = String::new();
    // 48 bytes make 64 characters, the width that RFC 7468 asks for.
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
        assert!(der(b"-----BEGIN A-----\nAAAA", "A").is_err());
        let several = [encode(&[1], "A"), encode(&[9], "B"), encode(&[2], "A"), encode(&[3], "A")].concat();
        assert_eq!(first_and_rest(several.as_bytes(), "A").unwrap(), (vec![1], vec![vec![2], vec![3]]));
    }
}

//! Every key spec that the service knows, and the facts about each that others build rules on.
//!
//! The whole table is `golden/algorithms.txt`. Codes and names are for ever: they stand in ciphertext headers,
//! in logs and in clients.

use core::fmt;
use core::str::FromStr;

use super::{EncryptionAlgorithm, Purpose, SignatureAlgorithm, aes_gcm, aes_kwp, rsa};

/// A key's algorithm with all its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spec {
    /// AES-256-GCM with extended nonces (C2SP XAES-256-GCM): no practical limit on the number of messages.
    Aes256Gcm,
    /// AES-128-GCM with random 96-bit nonces (SP 800-38D): 2^32 messages.
    Aes128Gcm,
    /// AES-256 key wrap with padding (RFC 5649, SP 800-38F).
    Aes256Kwp,
    /// HMAC-SHA256 (FIPS 198-1).
    HmacSha256,
    /// HMAC-SHA384 (FIPS 198-1).
    HmacSha384,
    /// HMAC-SHA512 (FIPS 198-1).
    HmacSha512,
    /// HMAC-SHA224 (FIPS 198-1).
    HmacSha224,
    /// RSA with a modulus of 2048 bits: sign (PSS, PKCS #1 v1.5) or decrypt (OAEP).
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// NIST P-256 (SP 800-186): ECDSA or ECDH.
    EcP256,
    /// NIST P-384 (SP 800-186): ECDSA or ECDH.
    EcP384,
    /// NIST P-521 (SP 800-186): ECDSA or ECDH.
    EcP521,
    /// secp256k1 (SEC 2): ECDSA only, the module has no ECDH on it.
    EcSecp256k1,
    /// Ed25519 (RFC 8032, FIPS 186-5).
    Ed25519,
    /// X25519 (RFC 7748).
    X25519,
    /// ML-KEM-768 (FIPS 203).
    MlKem768,
    /// ML-KEM-1024 (FIPS 203).
    MlKem1024,
    /// ML-KEM-512 (FIPS 203).
    MlKem512,
    /// ML-DSA-65 (FIPS 204).
    MlDsa65,
    /// ML-DSA-87 (FIPS 204).
    MlDsa87,
    /// ML-DSA-44 (FIPS 204).
    MlDsa44,
}

impl Spec {
    /// All specs, in the order of their codes.
    pub const ALL: [Self; 22] = [
        Self::Aes256Gcm,
        Self::Aes128Gcm,
        Self::Aes256Kwp,
        Self::HmacSha256,
        Self::HmacSha384,
        Self::HmacSha512,
        Self::HmacSha224,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::EcP256,
        Self::EcP384,
        Self::EcP521,
        Self::EcSecp256k1,
        Self::Ed25519,
        Self::X25519,
        Self::MlKem768,
        Self::MlKem1024,
        Self::MlKem512,
        Self::MlDsa65,
        Self::MlDsa87,
        Self::MlDsa44,
    ];

    /// The stable name, as in `aes-256-gcm`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aes-256-gcm",
            Self::Aes128Gcm => "aes-128-gcm",
            Self::Aes256Kwp => "aes-256-kwp",
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
            Self::HmacSha224 => "hmac-sha224",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::EcP256 => "ec-p256",
            Self::EcP384 => "ec-p384",
            Self::EcP521 => "ec-p521",
            Self::EcSecp256k1 => "ec-secp256k1",
            Self::Ed25519 => "ed25519",
            Self::X25519 => "x25519",
            Self::MlKem768 => "ml-kem-768",
            Self::MlKem1024 => "ml-kem-1024",
            Self::MlKem512 => "ml-kem-512",
            Self::MlDsa65 => "ml-dsa-65",
            Self::MlDsa87 => "ml-dsa-87",
            Self::MlDsa44 => "ml-dsa-44",
        }
    }

    /// The stable number that stands in ciphertext headers and logs. Never reused, never zero.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Aes256Gcm => 0x0101,
            Self::Aes128Gcm => 0x0102,
            Self::Aes256Kwp => 0x0111,
            Self::HmacSha256 => 0x0201,
            Self::HmacSha384 => 0x0202,
            Self::HmacSha512 => 0x0203,
            Self::HmacSha224 => 0x0204,
            Self::Rsa2048 => 0x0301,
            Self::Rsa3072 => 0x0302,
            Self::Rsa4096 => 0x0303,
            Self::EcP256 => 0x0401,
            Self::EcP384 => 0x0402,
            Self::EcP521 => 0x0403,
            Self::EcSecp256k1 => 0x0404,
            Self::Ed25519 => 0x0411,
            Self::X25519 => 0x0412,
            Self::MlKem768 => 0x0501,
            Self::MlKem1024 => 0x0502,
            Self::MlKem512 => 0x0503,
            Self::MlDsa65 => 0x0601,
            Self::MlDsa87 => 0x0602,
            Self::MlDsa44 => 0x0603,
        }
    }

    /// The spec with this [`Spec::code`], if there is one.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|spec| spec.code() == code)
    }

    /// The purposes a key of this spec may be created for; it gets exactly one of them.
    #[must_use]
    pub const fn purposes(self) -> &'static [Purpose] {
        match self {
            Self::Aes256Gcm | Self::Aes128Gcm => &[Purpose::Encrypt],
            Self::Aes256Kwp => &[Purpose::Wrap],
            Self::HmacSha224 | Self::HmacSha256 | Self::HmacSha384 | Self::HmacSha512 => &[Purpose::Mac],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => &[Purpose::Sign, Purpose::Encrypt],
            Self::EcP256 | Self::EcP384 | Self::EcP521 => &[Purpose::Sign, Purpose::Agree],
            Self::EcSecp256k1 | Self::Ed25519 | Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => {
                &[Purpose::Sign]
            }
            Self::X25519 => &[Purpose::Agree],
            Self::MlKem512 | Self::MlKem768 | Self::MlKem1024 => &[Purpose::Encapsulate],
        }
    }

    /// Whether a key of this spec may serve `purpose`.
    #[must_use]
    pub fn allows(self, purpose: Purpose) -> bool {
        self.purposes().contains(&purpose)
    }

    /// The signature algorithms a key of this spec knows; empty if it does not sign.
    #[must_use]
    pub const fn signature_algorithms(self) -> &'static [SignatureAlgorithm] {
        use SignatureAlgorithm as A;
        match self {
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => &[
                A::RsaPssSha256,
                A::RsaPssSha384,
                A::RsaPssSha512,
                A::RsaPkcs1Sha256,
                A::RsaPkcs1Sha384,
                A::RsaPkcs1Sha512,
            ],
            Self::EcP256 | Self::EcSecp256k1 => &[A::EcdsaSha256],
            Self::EcP384 => &[A::EcdsaSha384],
            Self::EcP521 => &[A::EcdsaSha512],
            Self::Ed25519 => &[A::Ed25519],
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => &[A::MlDsa],
            Self::Aes256Gcm
            | Self::Aes128Gcm
            | Self::Aes256Kwp
            | Self::HmacSha224
            | Self::HmacSha256
            | Self::HmacSha384
            | Self::HmacSha512
            | Self::X25519
            | Self::MlKem512
            | Self::MlKem768
            | Self::MlKem1024 => &[],
        }
    }

    /// The encryption algorithms a key of this spec knows, its default first; empty if it does not encrypt.
    #[must_use]
    pub const fn encryption_algorithms(self) -> &'static [EncryptionAlgorithm] {
        use EncryptionAlgorithm as A;
        match self {
            Self::Aes256Gcm | Self::Aes128Gcm => &[A::SymmetricDefault],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => &[A::RsaOaepSha256, A::RsaOaepSha1],
            _ => &[],
        }
    }

    /// Whether there is a public key.
    #[must_use]
    pub const fn is_asymmetric(self) -> bool {
        !matches!(
            self,
            Self::Aes256Gcm
                | Self::Aes128Gcm
                | Self::Aes256Kwp
                | Self::HmacSha224
                | Self::HmacSha256
                | Self::HmacSha384
                | Self::HmacSha512
        )
    }

    /// Security strength in bits against classical attacks (SP 800-57 part 1 rev. 5, tables 2 and 3; FIPS 203
    /// and 204 by their category). RSA-4096 counts as 128, the strength its size has certainly reached.
    #[must_use]
    pub const fn strength_bits(self) -> u16 {
        match self {
            Self::Rsa2048 => 112,
            Self::Aes128Gcm
            | Self::Rsa3072
            | Self::Rsa4096
            | Self::EcP256
            | Self::EcSecp256k1
            | Self::Ed25519
            | Self::X25519
            | Self::MlKem512
            | Self::MlDsa44 => 128,
            Self::HmacSha224 | Self::EcP384 | Self::MlKem768 | Self::MlDsa65 => 192,
            Self::Aes256Gcm
            | Self::Aes256Kwp
            | Self::HmacSha256
            | Self::HmacSha384
            | Self::HmacSha512
            | Self::EcP521
            | Self::MlKem1024
            | Self::MlDsa87 => 256,
        }
    }

    /// NIST's post-quantum security category (1 to 5), or `None` where Shor's algorithm breaks the spec.
    #[must_use]
    pub const fn nist_category(self) -> Option<u8> {
        match self {
            Self::Aes128Gcm | Self::MlKem512 => Some(1),
            Self::MlDsa44 => Some(2),
            Self::HmacSha224 | Self::MlKem768 | Self::MlDsa65 => Some(3),
            Self::Aes256Gcm
            | Self::Aes256Kwp
            | Self::HmacSha256
            | Self::HmacSha384
            | Self::HmacSha512
            | Self::MlKem1024
            | Self::MlDsa87 => Some(5),
            Self::Rsa2048
            | Self::Rsa3072
            | Self::Rsa4096
            | Self::EcP256
            | Self::EcP384
            | Self::EcP521
            | Self::EcSecp256k1
            | Self::Ed25519
            | Self::X25519 => None,
        }
    }

    /// Whether the spec holds against a quantum computer, as far as is known.
    #[must_use]
    pub const fn pq(self) -> bool {
        self.nist_category().is_some()
    }

    /// How often one key may protect for `purpose` before it must be replaced; `None` if never for this reason.
    ///
    /// AES-GCM with random 96-bit nonces: 2^32 (SP 800-38D, 8.3). XAES-256-GCM: 2^80, which is none.
    #[must_use]
    pub const fn invocation_limit(self, purpose: Purpose) -> Option<u64> {
        match (self, purpose) {
            (Self::Aes128Gcm, Purpose::Encrypt) => Some(1 << 32),
            _ => None,
        }
    }

    /// Longest input in bytes that one call can encrypt, with the default algorithm, or wrap; `None` where nothing is
    /// encrypted or wrapped.
    #[must_use]
    pub const fn max_plaintext(self) -> Option<u64> {
        match self {
            Self::Aes256Gcm | Self::Aes128Gcm => Some(aes_gcm::MAX_PLAINTEXT),
            Self::Aes256Kwp => Some(aes_kwp::MAX_WRAPPED_KEY as u64),
            Self::Rsa2048 => Some(rsa::max_plaintext(2048, rsa::SHA256_LEN) as u64),
            Self::Rsa3072 => Some(rsa::max_plaintext(3072, rsa::SHA256_LEN) as u64),
            Self::Rsa4096 => Some(rsa::max_plaintext(4096, rsa::SHA256_LEN) as u64),
            _ => None,
        }
    }

    /// Length in bytes of symmetric material that [`super::generate`] makes; `None` for asymmetric specs.
    #[must_use]
    pub const fn symmetric_len(self) -> Option<usize> {
        match self {
            Self::Aes128Gcm => Some(16),
            Self::HmacSha224 => Some(28),
            Self::Aes256Gcm | Self::Aes256Kwp | Self::HmacSha256 => Some(32),
            Self::HmacSha384 => Some(48),
            Self::HmacSha512 => Some(64),
            _ => None,
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no [`Spec`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown key spec")]
pub struct UnknownSpec;

impl FromStr for Spec {
    type Err = UnknownSpec;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|spec| spec.name() == text).ok_or(UnknownSpec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds_from_source;

    const HEADER: &str = "\
# Every key spec and what holds for it. Printed by claviger-crypto (UPDATE_GOLDEN=1 rewrites).
# spec          code    purposes     bits  pq  uses<=      bytes<=      seedable  signature algorithms
";

    fn table() -> String {
        let or_dash = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let mut out = HEADER.to_owned();
        for spec in Spec::ALL {
            let purposes: Vec<_> = spec.purposes().iter().map(|p| p.name()).collect();
            let limit = spec.purposes().iter().find_map(|p| spec.invocation_limit(*p));
            let signs: Vec<_> = spec.signature_algorithms().iter().map(|a| a.name()).collect();
            let row = format!(
                "{:<15} 0x{:04x}  {:<12} {:>4}  {:<3} {:<11} {:<12} {:<9} {}",
                spec.name(),
                spec.code(),
                purposes.join(","),
                spec.strength_bits(),
                or_dash(spec.nist_category().map(u64::from)),
                or_dash(limit),
                or_dash(spec.max_plaintext()),
                if seeds_from_source(spec) { "yes" } else { "no" },
                if signs.is_empty() { "-".to_owned() } else { signs.join(",") },
            );
            out.push_str(row.trim_end());
            out.push('\n');
        }
        out
    }

    #[test]
    fn golden_table_is_unchanged() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/algorithms.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, table()).unwrap();
        }
        let golden = std::fs::read_to_string(&path).expect("golden/algorithms.txt is missing");
        assert_eq!(golden, table(), "a spec changed; UPDATE_GOLDEN=1 rewrites the table");
    }

    #[test]
    fn names_and_codes_lead_back() {
        for spec in Spec::ALL {
            assert_eq!(spec.name().parse(), Ok(spec));
            assert_eq!(Spec::from_code(spec.code()), Some(spec));
            assert_ne!(spec.code(), 0);
        }
        assert_eq!("AES-256-GCM".parse::<Spec>(), Err(UnknownSpec));
        assert_eq!(Spec::from_code(0), None);
        for purpose in Purpose::ALL {
            assert_eq!(purpose.name().parse(), Ok(purpose));
        }
    }

    #[test]
    fn exactly_the_signing_specs_have_signature_algorithms() {
        for spec in Spec::ALL {
            assert_eq!(spec.allows(Purpose::Sign), !spec.signature_algorithms().is_empty(), "{spec}");
            assert_eq!(spec.is_asymmetric(), spec.symmetric_len().is_none(), "{spec}");
        }
    }
}

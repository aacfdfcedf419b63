//! This protocol's words for what the service has: specs, usages, algorithms, states, and the operations of grants.

use claviger_core::key::Protection;
use claviger_core::{Action, Purpose, Spec};
use claviger_crypto::{EncryptionAlgorithm, SignatureAlgorithm};

/// A `KeySpec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpecName {
    pub(crate) name: &'static str,
    /// The service's spec; none for what no module here can do.
    pub(crate) spec: Option<Spec>,
    /// The usages it can have, the first by default where there is but one.
    pub(crate) usages: &'static [&'static str],
}

const ENCRYPT: &str = "ENCRYPT_DECRYPT";
const SIGN: &str = "SIGN_VERIFY";
const MAC: &str = "GENERATE_VERIFY_MAC";
const AGREE: &str = "KEY_AGREEMENT";
const ENCAPSULATE: &str = "ENCAPSULATE_DECAPSULATE";

/// Every `KeyUsage`.
pub(crate) const USAGES: [&str; 5] = [SIGN, ENCRYPT, MAC, AGREE, ENCAPSULATE];

const fn row(name: &'static str, spec: Spec, usages: &'static [&'static str]) -> SpecName {
    SpecName { name, spec: Some(spec), usages }
}

/// Every `KeySpec`, in the order of the service model.
pub(crate) const SPECS: [SpecName; 20] = [
    row("RSA_2048", Spec::Rsa2048, &[ENCRYPT, SIGN]),
    row("RSA_3072", Spec::Rsa3072, &[ENCRYPT, SIGN]),
    row("RSA_4096", Spec::Rsa4096, &[ENCRYPT, SIGN]),
    row("ECC_NIST_P256", Spec::EcP256, &[SIGN, AGREE]),
    row("ECC_NIST_P384", Spec::EcP384, &[SIGN, AGREE]),
    row("ECC_NIST_P521", Spec::EcP521, &[SIGN, AGREE]),
    row("ECC_SECG_P256K1", Spec::EcSecp256k1, &[SIGN]),
    row("SYMMETRIC_DEFAULT", Spec::Aes256Gcm, &[ENCRYPT]),
    row("HMAC_224", Spec::HmacSha224, &[MAC]),
    row("HMAC_256", Spec::HmacSha256, &[MAC]),
    row("HMAC_384", Spec::HmacSha384, &[MAC]),
    row("HMAC_512", Spec::HmacSha512, &[MAC]),
    SpecName { name: "SM2", spec: None, usages: &[ENCRYPT, SIGN, AGREE] },
    row("ML_DSA_44", Spec::MlDsa44, &[SIGN]),
    row("ML_DSA_65", Spec::MlDsa65, &[SIGN]),
    row("ML_DSA_87", Spec::MlDsa87, &[SIGN]),
    row("ECC_NIST_EDWARDS25519", Spec::Ed25519, &[SIGN]),
    row("ML_KEM_512", Spec::MlKem512, &[ENCAPSULATE]),
    row("ML_KEM_768", Spec::MlKem768, &[ENCAPSULATE]),
    row("ML_KEM_1024", Spec::MlKem1024, &[ENCAPSULATE]),
];

/// The word for a spec, if AWS KMS has such keys.
pub(crate) fn spec(spec: Spec) -> Option<&'static str> {
    SPECS.iter().find(|row| row.spec == Some(spec)).map(|row| row.name)
}

/// The word for a purpose, if AWS KMS has such keys.
pub(crate) const fn usage(purpose: Purpose) -> Option<&'static str> {
    match purpose {
        Purpose::Agree => Some(AGREE),
        Purpose::Encapsulate => Some(ENCAPSULATE),
        Purpose::Encrypt => Some(ENCRYPT),
        Purpose::Mac => Some(MAC),
        Purpose::Sign => Some(SIGN),
        Purpose::Wrap => None,
    }
}

/// The purpose that a `KeyUsage` means.
pub(crate) fn purpose(usage: &str) -> Option<Purpose> {
    Purpose::ALL.into_iter().find(|purpose| self::usage(*purpose) == Some(usage))
}

/// Every `SigningAlgorithm`, with the service's own and whether a digest is what is signed there.
pub(crate) const SIGNING: [(&str, Option<SignatureAlgorithm>); 13] = [
    ("RSASSA_PSS_SHA_256", Some(SignatureAlgorithm::RsaPssSha256)),
    ("RSASSA_PSS_SHA_384", Some(SignatureAlgorithm::RsaPssSha384)),
    ("RSASSA_PSS_SHA_512", Some(SignatureAlgorithm::RsaPssSha512)),
    ("RSASSA_PKCS1_V1_5_SHA_256", Some(SignatureAlgorithm::RsaPkcs1Sha256)),
    ("RSASSA_PKCS1_V1_5_SHA_384", Some(SignatureAlgorithm::RsaPkcs1Sha384)),
    ("RSASSA_PKCS1_V1_5_SHA_512", Some(SignatureAlgorithm::RsaPkcs1Sha512)),
    ("ECDSA_SHA_256", Some(SignatureAlgorithm::EcdsaSha256)),
    ("ECDSA_SHA_384", Some(SignatureAlgorithm::EcdsaSha384)),
    ("ECDSA_SHA_512", Some(SignatureAlgorithm::EcdsaSha512)),
    ("SM2DSA", None),
    ("ML_DSA_SHAKE_256", Some(SignatureAlgorithm::MlDsa)),
    ("ED25519_SHA_512", Some(SignatureAlgorithm::Ed25519)),
    ("ED25519_PH_SHA_512", None),
];

/// The word for a signature algorithm.
pub(crate) fn signing(algorithm: SignatureAlgorithm) -> Option<&'static str> {
    SIGNING.iter().find(|(_, known)| *known == Some(algorithm)).map(|(name, _)| *name)
}

/// Length of the digest that goes with a signature algorithm, where one does.
pub(crate) const fn digest_len(algorithm: SignatureAlgorithm) -> Option<usize> {
    use SignatureAlgorithm as A;
    match algorithm {
        A::EcdsaSha256 | A::RsaPkcs1Sha256 | A::RsaPssSha256 => Some(32),
        A::EcdsaSha384 | A::RsaPkcs1Sha384 | A::RsaPssSha384 => Some(48),
        A::EcdsaSha512 | A::RsaPkcs1Sha512 | A::RsaPssSha512 => Some(64),
        A::Ed25519 | A::MlDsa => None,
    }
}

/// Every `EncryptionAlgorithm`.
pub(crate) const ENCRYPTION: [&str; 4] =
    ["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"];

/// What an `EncryptionAlgorithm` means here.
///
/// # Errors
/// For what no module here can do.
pub(crate) fn encryption(name: &str) -> Result<EncryptionAlgorithm, Unknown> {
    match name {
        "SYMMETRIC_DEFAULT" => Ok(EncryptionAlgorithm::SymmetricDefault),
        "RSAES_OAEP_SHA_1" => Ok(EncryptionAlgorithm::RsaOaepSha1),
        "RSAES_OAEP_SHA_256" => Ok(EncryptionAlgorithm::RsaOaepSha256),
        _ => Err(Unknown),
    }
}

/// The word for an encryption algorithm.
pub(crate) const fn encrypting(algorithm: EncryptionAlgorithm) -> &'static str {
    match algorithm {
        EncryptionAlgorithm::RsaOaepSha1 => "RSAES_OAEP_SHA_1",
        EncryptionAlgorithm::RsaOaepSha256 => "RSAES_OAEP_SHA_256",
        EncryptionAlgorithm::SymmetricDefault => "SYMMETRIC_DEFAULT",
    }
}

/// A word that means nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown;

/// The encryption algorithms of a spec.
pub(crate) const fn encryption_algorithms(spec: Spec) -> &'static [&'static str] {
    match spec {
        Spec::Aes256Gcm => &["SYMMETRIC_DEFAULT"],
        Spec::Rsa2048 | Spec::Rsa3072 | Spec::Rsa4096 => &["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"],
        _ => &[],
    }
}

/// The signing algorithms of a spec, in the order of AWS KMS: by their names.
pub(crate) fn signing_algorithms(spec: Spec) -> Vec<&'static str> {
    let mut names: Vec<_> = spec.signature_algorithms().iter().filter_map(|known| signing(*known)).collect();
    names.sort_unstable();
    names
}

/// The MAC algorithm of a spec.
pub(crate) const fn mac_algorithm(spec: Spec) -> Option<&'static str> {
    match spec {
        Spec::HmacSha224 => Some("HMAC_SHA_224"),
        Spec::HmacSha256 => Some("HMAC_SHA_256"),
        Spec::HmacSha384 => Some("HMAC_SHA_384"),
        Spec::HmacSha512 => Some("HMAC_SHA_512"),
        _ => None,
    }
}

/// Every `MacAlgorithm`.
pub(crate) const MACS: [&str; 4] = ["HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"];

/// The spec of the keys that a `MacAlgorithm` goes with.
pub(crate) fn mac_spec(algorithm: &str) -> Option<Spec> {
    Spec::ALL.into_iter().find(|spec| mac_algorithm(*spec) == Some(algorithm))
}

/// Every operation that a grant of AWS KMS can name, with what it is here.
pub(crate) const GRANTED: [(&str, Action); 19] = [
    ("Decrypt", Action::Decrypt),
    ("Encrypt", Action::Encrypt),
    ("GenerateDataKey", Action::GenerateDataKey),
    ("GenerateDataKeyWithoutPlaintext", Action::GenerateDataKeyWithoutPlaintext),
    ("ReEncryptFrom", Action::Reencrypt),
    ("ReEncryptTo", Action::ReencryptInto),
    ("Sign", Action::Sign),
    ("Verify", Action::Verify),
    ("GetPublicKey", Action::ReadPublicKey),
    ("CreateGrant", Action::DelegateGrant),
    ("RetireGrant", Action::RetireGrant),
    ("DescribeKey", Action::DescribeKey),
    ("GenerateDataKeyPair", Action::GenerateDataKeyPair),
    ("GenerateDataKeyPairWithoutPlaintext", Action::GenerateDataKeyPairWithoutPlaintext),
    ("GenerateMac", Action::Mac),
    ("VerifyMac", Action::VerifyMac),
    ("DeriveSharedSecret", Action::Agree),
    ("Encapsulate", Action::Encapsulate),
    ("Decapsulate", Action::Decapsulate),
];

/// The word for an action in a grant; none where AWS KMS has no such operation for grants.
pub(crate) fn granted(action: Action) -> Option<&'static str> {
    GRANTED.iter().find(|(_, known)| *known == action).map(|(name, _)| *name)
}

/// The use that an operation is.
pub(crate) fn used(operation: &str) -> Option<Action> {
    match operation {
        "GenerateRandom" => Some(Action::Random),
        "ReEncrypt" => Some(Action::Reencrypt),
        _ => {
            let (_, action) = GRANTED.into_iter().find(|(name, _)| *name == operation)?;
            action.is_grantable().then_some(action)
        }
    }
}

/// Every action of IAM that stands for one act on a key of the service; what key policies are written in. The words of grants
/// are among them.
pub(crate) const ADMINISTERED: [(&str, Action); 25] = [
    ("CancelKeyDeletion", Action::CancelDestroy),
    ("CreateAlias", Action::PutAlias),
    ("DeleteAlias", Action::RemoveAlias),
    ("DeleteImportedKeyMaterial", Action::RemoveImportedMaterial),
    ("DisableKey", Action::SuspendKey),
    ("DisableKeyRotation", Action::UpdateKey),
    ("EnableKey", Action::ResumeKey),
    ("EnableKeyRotation", Action::UpdateKey),
    ("GetKeyLastUsage", Action::DescribeKey),
    ("GetKeyPolicy", Action::ReadKeyGrants),
    ("GetKeyRotationStatus", Action::DescribeKey),
    ("GetParametersForImport", Action::ReadImportParameters),
    ("ImportKeyMaterial", Action::ImportMaterial),
    ("ListGrants", Action::ReadKeyGrants),
    ("ListKeyPolicies", Action::ReadKeyGrants),
    ("ListKeyRotations", Action::DescribeKey),
    ("ListResourceTags", Action::DescribeKey),
    ("PutKeyPolicy", Action::PutKeyPolicy),
    ("RevokeGrant", Action::WithdrawDelegatedGrant),
    ("RotateKeyOnDemand", Action::RotateKey),
    ("ScheduleKeyDeletion", Action::ScheduleDestroy),
    ("TagResource", Action::UpdateKey),
    ("UntagResource", Action::UpdateKey),
    ("UpdateAlias", Action::PutAlias),
    ("UpdateKeyDescription", Action::UpdateKey),
];

/// Actions of IAM that a key policy can name, and that it gives to nobody: in AWS KMS either what is on no key; here also what
/// everybody has of their own, and what nobody has.
pub(crate) const WITHOUT_EFFECT: [&str; 14] = [
    "ConnectCustomKeyStore",
    "CreateCustomKeyStore",
    "CreateKey",
    "DeleteCustomKeyStore",
    "DescribeCustomKeyStores",
    "DisconnectCustomKeyStore",
    "GenerateRandom",
    "ListAliases",
    "ListKeys",
    "ListRetirableGrants",
    "ReplicateKey",
    "SynchronizeMultiRegionKey",
    "UpdateCustomKeyStore",
    "UpdatePrimaryRegion",
];

/// The word for where a key's material came from.
pub(crate) const fn origin(imported: bool) -> &'static str {
    if imported { "EXTERNAL" } else { "AWS_KMS" }
}

/// The tag that chooses the protection level of a new key.
pub(crate) const TAG_PROTECTION: &str = "claviger:protection";
/// The tag that chooses the ring of a new key.
pub(crate) const TAG_RING: &str = "claviger:ring";
/// The tag that says what data a new key protects.
pub(crate) const TAG_DATA_CLASS: &str = "claviger:data-class";

/// The protection level that a tag's value names.
pub(crate) fn protection(value: &str) -> Option<Protection> {
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usage_of_a_spec_is_one_that_the_service_allows() {
        for row in SPECS {
            for usage in row.usages {
                let purpose = purpose(usage).unwrap();
                assert!(row.spec.is_none_or(|spec| spec.allows(purpose)), "{} {usage}", row.name);
            }
            if let Some(known) = row.spec {
                assert_eq!(row.usages.len(), known.purposes().len(), "{}", row.name);
                assert_eq!(spec(known), Some(row.name));
            }
        }
    }

    #[test]
    fn uses_are_distinguished_from_other_operations() {
        assert_eq!(used("Encrypt"), Some(Action::Encrypt));
        assert_eq!(used("ReEncrypt"), Some(Action::Reencrypt));
        for other in ["CreateGrant", "RetireGrant", "CreateKey", "nonsense", ""] {
            assert_eq!(used(other), None, "{other}");
        }
    }

    #[test]
    fn every_signature_algorithm_has_a_word() {
        for spec in Spec::ALL {
            assert_eq!(signing_algorithms(spec).len(), spec.signature_algorithms().len(), "{spec}");
        }
    }

    #[test]
    fn every_use_of_a_key_that_grants_give_has_its_word() {
        for (_, action) in GRANTED {
            assert!(action.is_grantable_when_relaxed());
        }
        let unnamed: Vec<_> = Action::ALL
            .into_iter()
            .filter(|action| action.is_grantable() && granted(*action).is_none())
            .collect();
        // AWS KMS wraps with Encrypt.
        assert_eq!(unnamed, [Action::Wrap, Action::Unwrap]);
    }
}

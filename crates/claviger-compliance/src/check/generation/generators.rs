//! What nodes say of their generators, and versions of the module that they were drawn from.

/// Generators of SP 800-90A.
const DRBGS: [&str; 3] = ["CTR_DRBG", "HMAC_DRBG", "Hash_DRBG"];

/// The serial number of the token that a node's line is about, as in `token=that of NAME (LABEL (SERIAL)); …`.
pub(super) fn serial_in(line: &str) -> Option<&str> {
    if !line.starts_with("token=") {
        return None;
    }
    Some(module(line)?.strip_suffix("))")?.rsplit_once(" (")?.1)
}

/// The serial number of the token that a version was drawn from, as nodes write it.
pub(super) fn serial_of(module: &str) -> Option<String> {
    module.rsplit_once(", serial ").map(|(_, serial)| serial.replace(',', ";"))
}

/// The module of a node's line about its generator, and whether that is one of SP 800-90A.
pub(super) fn drbg(line: &str) -> Option<(&str, bool)> {
    let (construction, rest) = line.strip_prefix("module_drbg=")?.split_once(" of ")?;
    let (module, _) = rest.split_once("; ")?;
    let is_approved =
        construction.contains("SP 800-90A") && DRBGS.iter().any(|name| construction.starts_with(name));
    Some((module, is_approved))
}

/// The module that a line about a generator names.
pub(super) fn module(line: &str) -> Option<&str> {
    if let Some(token) = line.strip_prefix("token=that of ") {
        return Some(token.split_once("; it does not say").map_or(token, |(name, _)| name));
    }
    drbg(line).map(|(module, _)| module)
}

/// Does a module say of itself that it is validated? The label of a token can be any text, and does not say so.
pub(super) fn claims_validation(module: &str) -> bool {
    let release = module.rsplit_once(" (FIPS module ").and_then(|(_, rest)| rest.strip_suffix(')'));
    module.ends_with(" (FIPS)")
        || release.is_some_and(|release| release.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str = "module_drbg=CTR_DRBG with AES-256 (SP 800-90A) of aws-lc 1.60.0 (not FIPS); seeded by jitter of the CPU and \
                           by the operating system";
    const TOKEN: &str =
        "token=that of SoftHSM 2.6; model (claviger (1)); it does not say where its entropy is from";

    #[test]
    fn generators_of_sp_800_90a_are_known_by_their_words() {
        assert_eq!(drbg(LIBRARY), Some(("aws-lc 1.60.0 (not FIPS)", true)));
        let other = LIBRARY.replace("CTR_DRBG", "Dual_EC_DRBG");
        assert_eq!(drbg(&other), Some(("aws-lc 1.60.0 (not FIPS)", false)));
        assert_eq!(drbg("module_drbg=something of m; s"), Some(("m", false)));
        assert_eq!((drbg(TOKEN), drbg("module_drbg="), drbg("")), (None, None, None));
    }

    #[test]
    fn modules_are_named_and_claim_what_they_say() {
        assert_eq!(module(LIBRARY), Some("aws-lc 1.60.0 (not FIPS)"));
        assert_eq!(module(TOKEN), Some("SoftHSM 2.6; model (claviger (1))"));
        assert_eq!(module("store_storage=node"), None);
        assert!(!claims_validation("aws-lc 1.60.0 (not FIPS)"));
        assert!(
            claims_validation("aws-lc 1.60.0 (FIPS)") && claims_validation("aws-lc 1.60.0 (FIPS module 3)")
        );
        for label in ["FIPS", "FIPS)", "a (FIPS module 3"] {
            assert!(!claims_validation(&format!("SoftHSM 2.6; model ({label} (1))")), "{label}");
        }
    }

    #[test]
    fn tokens_are_known_by_their_serial_numbers() {
        assert_eq!((serial_in(TOKEN), serial_in(LIBRARY), serial_in("token=")), (Some("1"), None, None));
        assert_eq!(serial_of("model firmware 2.6, serial 1").as_deref(), Some("1"));
        assert_eq!(
            serial_of("aws-lc 1.60.0 (not FIPS), seeded by model firmware 2.6, serial 1").as_deref(),
            Some("1")
        );
        assert_eq!(serial_of("aws-lc 1.60.0 (not FIPS)"), None);
    }
}

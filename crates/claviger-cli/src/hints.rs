//! What to do about a failure: by its code, and by what was asked for.

/// What a command asks for, as far as hints differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// The demonstration, whose steps say themselves what to do.
    Demonstration,
    /// Encryption.
    Encrypt,
    /// Making or checking a message authentication code.
    Mac,
    /// Anything on the control plane.
    Manage,
    /// Making or checking a signature.
    Sign,
    /// Another use of a key.
    Use,
    /// Wrapping.
    Wrap,
}

/// What to do about a failure with this code.
pub(crate) fn hint(call: Call, code: &str) -> Option<&'static str> {
    Some(match (code, call) {
        (_, Call::Demonstration) => return None,
        ("already-exists", _) => "names are bound for ever: choose another one",
        ("approval-required", _) => {
            "others must approve it: `claviger approval list` shows what was asked for"
        }
        ("bad-ciphertext", _) => {
            "name key and context exactly as when it was made; if they are right, the data is damaged"
        }
        ("conflict" | "overloaded" | "unavailable", _) => "try again in a moment",
        ("denied", Call::Manage) => {
            "roles are what permits this, and only people have them: ask a security officer for one, `claviger role assign PRINCIPAL ROLE --reason TEXT`; `claviger role assign --help` lists them"
        }
        ("denied", _) => {
            "ask a security officer: `claviger grant create PRINCIPAL --key RING/NAME --operations ...`; `claviger key explain` shows who may do what"
        }
        ("idempotency-expired", _) => {
            "the server was upgraded since: look whether what you asked for is there, and use a new idempotency key if it is not"
        }
        ("idempotency-mismatch", _) => "use a new idempotency key for a new request",
        ("limit-exceeded", _) => "take away what is no longer used",
        ("not-found", _) => "check the name; what you may not see is not found either",
        ("precondition-failed", _) => {
            "somebody changed it meanwhile: look at it again, then repeat with the new revision"
        }
        ("reason-required", _) => "say why in words: `--reason TEXT`",
        ("separation-of-duties", _) => {
            "one principal must not hold both: give the right to another principal, or see `claviger ring separation --help`"
        }
        ("too-large", Call::Encrypt) => "encrypt files of any size with `claviger encrypt --envelope`",
        ("too-large", Call::Mac) => {
            "make the code of the SHA-256 digest of a longer message, as of `sha256sum --binary FILE`, and check it the same way"
        }
        ("too-large", Call::Sign) => "sign the digest of a longer message: `--prehashed`",
        ("too-large", Call::Wrap) => {
            "wrap is for keys; encrypt data of any size with `claviger encrypt --envelope`"
        }
        ("unauthenticated", _) => {
            "check the credential in the profile: it may have expired or been revoked, or be of another deployment"
        }
        ("withheld", Call::Manage) => {
            "the log may record it as done: look whether it was, by `list` or `show` or `claviger audit search --from 1h`, and ask again only if it was not"
        }
        ("withheld", _) => {
            "the use is recorded in the log, and its result came too late to be released: ask again, which is another use"
        }
        ("wrong-state", _) => {
            "see `claviger key show KEY` for the state, and `claviger key --help` for the steps of the lifecycle"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_fit_what_was_asked_for() {
        for (call, code, wanted) in [
            (Call::Manage, "denied", "role assign"),
            (Call::Encrypt, "denied", "grant create"),
            (Call::Manage, "withheld", "look whether"),
            (Call::Use, "withheld", "ask again"),
            (Call::Encrypt, "too-large", "--envelope"),
            (Call::Mac, "too-large", "digest"),
            (Call::Sign, "too-large", "--prehashed"),
            (Call::Wrap, "too-large", "for keys"),
        ] {
            assert!(hint(call, code).is_some_and(|hint| hint.contains(wanted)), "{call:?} {code}");
        }
        assert_eq!(hint(Call::Use, "too-large"), None);
        assert_eq!(hint(Call::Demonstration, "denied"), None);
        assert_eq!(hint(Call::Manage, "usage"), None);
    }
}

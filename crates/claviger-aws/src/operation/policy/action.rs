//! The actions of statements.

use std::collections::BTreeSet;

use claviger_core::action::Action;

use super::words::malformed;
use crate::error::AwsError;
use crate::names;

/// Every action that a policy can name and that gives something, with what it is here.
pub(super) fn known() -> impl Iterator<Item = (&'static str, Action)> {
    names::GRANTED.into_iter().chain(names::ADMINISTERED)
}

/// What a word says of actions of AWS KMS: a name, or a pattern of names. None where it is about another service.
fn pattern(word: &str) -> Option<&str> {
    if word == "*" {
        return Some(word);
    }
    let (service, pattern) = word.split_once(':')?;
    service.eq_ignore_ascii_case("kms").then_some(pattern)
}

/// Does it stand for all actions of AWS KMS?
pub(super) fn is_all(word: &str) -> bool {
    pattern(word) == Some("*")
}

/// What the actions of a statement mean.
///
/// # Errors
/// `MalformedPolicyDocumentException` for a word that stands for no action of AWS KMS.
pub(super) fn read(words: &[String]) -> Result<BTreeSet<Action>, AwsError> {
    let mut actions = BTreeSet::new();
    for word in words {
        let pattern = pattern(word).ok_or_else(|| malformed(format!("{word} is no action of AWS KMS")))?;
        let before = actions.len();
        actions.extend(known().filter(|(name, _)| matches(pattern, name)).map(|(_, action)| action));
        let stands_for_some = || {
            let names = known().map(|(name, _)| name).chain(names::WITHOUT_EFFECT);
            names.into_iter().any(|name| matches(pattern, name))
        };
        if actions.len() == before && !stands_for_some() {
            return Err(malformed(format!("{word} is no action of AWS KMS")));
        }
    }
    Ok(actions)
}

/// Does a name match a pattern? `*` stands for any characters, `?` for one; small letters and capitals are the same.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut of) = (0, 0);
    // Where the last star stands, and how much of the name it has taken.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(of) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted.eq_ignore_ascii_case(byte) => {
                at += 1;
                of += 1;
            }
            Some(_) | None => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    of = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation;

    fn of(words: &[&str]) -> BTreeSet<Action> {
        read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn patterns_match_as_those_of_iam_do() {
        for (pattern, name) in [
            ("*", "Encrypt"),
            ("*", ""),
            ("Encrypt", "Encrypt"),
            ("encrypt", "Encrypt"),
            ("GENERATE*", "GenerateDataKey"),
            ("*Key*", "GenerateDataKeyPair"),
            ("*Key", "GenerateDataKey"),
            ("Generate*Key", "GenerateDataKey"),
            ("?erify", "Verify"),
            ("V?rify*", "VerifyMac"),
            ("**", "Sign"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("", "Sign"),
            ("Encrypt", "EncryptX"),
            ("Encrypt?", "Encrypt"),
            ("*Key", "GenerateDataKeyPair"),
            ("Re*Key", "ReEncryptTo"),
            ("?", ""),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn every_operation_is_among_the_actions() {
        for operation in operation::ALL {
            let name = operation.name;
            let is_known = known().any(|(known, _)| known == name);
            let gives_nothing = names::WITHOUT_EFFECT.contains(&name);
            // It is two actions.
            assert!(is_known != gives_nothing || name == "ReEncrypt", "{name}");
        }
    }

    #[test]
    fn patterns_of_the_console_lose_nothing() {
        assert_eq!(
            of(&["kms:Create*"]),
            of(&["kms:CreateAlias", "kms:CreateGrant", "kms:CreateKey", "kms:CreateCustomKeyStore"])
        );
        assert!(of(&["kms:Create*"]).contains(&Action::DelegateGrant));
        assert_eq!(
            of(&["kms:List*"]),
            of(&["kms:ListGrants", "kms:ListKeyPolicies", "kms:ListResourceTags", "kms:ListKeyRotations"])
        );
        assert!(of(&["kms:List*"]).contains(&Action::DescribeKey));
        assert_eq!(
            of(&["kms:Get*"]),
            of(&[
                "kms:GetKeyPolicy",
                "kms:GetPublicKey",
                "kms:GetParametersForImport",
                "kms:GetKeyRotationStatus",
                "kms:GetKeyLastUsage"
            ])
        );
        let all: BTreeSet<_> = known().map(|(_, action)| action).collect();
        assert_eq!(of(&["kms:*"]), all);
        assert_eq!(of(&["*"]), all);
        assert_eq!(of(&["KMS:enCRYPT"]), BTreeSet::from([Action::Encrypt]));
    }

    #[test]
    fn what_is_on_no_key_gives_nothing() {
        assert!(of(&["kms:CreateKey", "kms:ListKeys", "kms:ReplicateKey", "kms:ListAliases"]).is_empty());
        for word in ["kms:Nothing*", "kms:", "s3:GetObject", "Encrypt", "", "kms:Encrypts", "kmsx:Encrypt"] {
            assert!(read(&[word.to_owned()]).is_err(), "{word}");
        }
    }
}

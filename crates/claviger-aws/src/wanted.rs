//! The key that a request means.

use claviger_core::KeyId;
use claviger_service::KeyRef;

use crate::error::AwsError;
use crate::realm::Realm;

impl Realm {
    /// The key that `KeyId` means: an identifier, the ARN of a key, an alias or its ARN.
    ///
    /// # Errors
    /// `NotFoundException` for what cannot be the name of a key here, `InvalidArnException` for an ARN that is none.
    pub(crate) fn wanted(&self, text: &str) -> Result<KeyRef, AwsError> {
        let Some(rest) = text.strip_prefix("arn:") else { return self.local(text) };
        let resource = self.resource(text, rest)?;
        if let Some(id) = resource.strip_prefix("key/") {
            let missing = |_| AwsError::not_found(format!("Key '{text}' does not exist"));
            return Ok(KeyRef::Id(id.parse().map_err(missing)?));
        }
        match resource.strip_prefix("alias/") {
            Some(alias) => self.aliased(alias),
            None => Err(AwsError::invalid_arn(text)),
        }
    }

    /// The key that `KeyId` means, where no alias is taken.
    ///
    /// # Errors
    /// As [`Realm::wanted`], and for aliases.
    pub(crate) fn wanted_by_id(&self, text: &str) -> Result<KeyRef, AwsError> {
        let wanted = self.wanted(text)?;
        match wanted {
            KeyRef::Id(_) => Ok(wanted),
            KeyRef::Alias(_) | KeyRef::Name(_) if text.starts_with("arn:") => {
                Err(AwsError::invalid_arn(text))
            }
            KeyRef::Alias(_) | KeyRef::Name(_) => Err(AwsError::not_found(format!("Invalid keyId '{text}'"))),
        }
    }

    fn local(&self, text: &str) -> Result<KeyRef, AwsError> {
        if let Some(alias) = text.strip_prefix("alias/") {
            return self.aliased(alias);
        }
        match text.parse::<KeyId>() {
            Ok(id) => Ok(KeyRef::Id(id)),
            Err(_) if is_multi_region(text) => {
                Err(AwsError::not_found(format!("Key '{}' does not exist", self.kms("key", text))))
            }
            Err(_) => Err(AwsError::not_found(format!("Invalid keyId '{text}'"))),
        }
    }

    fn aliased(&self, alias: &str) -> Result<KeyRef, AwsError> {
        let missing = |_| AwsError::not_found(self.missing_alias(alias));
        Ok(KeyRef::Alias(alias.parse().map_err(missing)?))
    }

    /// What comes after the account in an ARN of this realm.
    fn resource<'a>(&self, arn: &str, rest: &'a str) -> Result<&'a str, AwsError> {
        let parts: Vec<_> = rest.splitn(5, ':').collect();
        let [partition, service, region, account, resource] = parts[..] else {
            return Err(AwsError::invalid_arn(arn));
        };
        if partition != self.partition || service != "kms" || resource.is_empty() {
            return Err(AwsError::invalid_arn(arn));
        }
        if region != self.region {
            return Err(AwsError::not_found(format!("Invalid arn {region}")));
        }
        if account != self.account {
            return Err(AwsError::not_found(format!("Key '{arn}' does not exist")));
        }
        Ok(resource)
    }
}

/// `mrk-` and 32 hexadecimal digits: a multi-Region key, of which there are none here.
fn is_multi_region(text: &str) -> bool {
    text.strip_prefix("mrk-")
        .is_some_and(|id| id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use claviger_core::alias::AliasName;

    use super::*;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn a_key_has_four_names() {
        let realm = Realm::default();
        let id: KeyId = ID.parse().unwrap();
        for text in [ID.to_owned(), realm.key_arn(id)] {
            assert_eq!(realm.wanted(&text).unwrap(), KeyRef::Id(id), "{text}");
            assert_eq!(realm.wanted_by_id(&text).unwrap(), KeyRef::Id(id), "{text}");
        }
        let alias: AliasName = "orders/main".parse().unwrap();
        for text in ["alias/orders/main".to_owned(), realm.alias_arn(&alias)] {
            assert_eq!(realm.wanted(&text).unwrap(), KeyRef::Alias(alias.clone()), "{text}");
            assert!(realm.wanted_by_id(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_names_no_key_here_is_not_found_or_no_arn() {
        let realm = Realm::default();
        for (text, code) in [
            ("", "NotFoundException"),
            ("key_id", "NotFoundException"),
            ("alias/", "NotFoundException"),
            ("alias/aws/s3", "NotFoundException"),
            ("mrk-0123456789abcdef0123456789abcdef", "NotFoundException"),
            ("1234ABCD-12ab-34cd-56ef-1234567890ab", "NotFoundException"),
            (
                "arn:aws:kms:eu-west-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                "NotFoundException",
            ),
            (
                "arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                "NotFoundException",
            ),
            ("arn:aws:kms:us-east-1:000000000000:key/nonsense", "NotFoundException"),
            ("arn:aws:s3:us-east-1:000000000000:key/x", "InvalidArnException"),
            ("arn:aws:kms:us-east-1:000000000000:", "InvalidArnException"),
            ("arn:aws:kms:us-east-1:000000000000:grant/x", "InvalidArnException"),
            ("arn:aws:kms", "InvalidArnException"),
            ("arn:", "InvalidArnException"),
        ] {
            assert_eq!(realm.wanted(text).unwrap_err().code(), code, "{text}");
        }
    }

    #[test]
    fn another_region_is_named() {
        let elsewhere = "arn:aws:kms:eu-west-1:000000000000:alias/orders";
        assert_eq!(Realm::default().wanted(elsewhere).unwrap_err().message(), "Invalid arn eu-west-1");
    }
}

//! The realm that this deployment is to AWS clients: partition, region and account, and the ARNs made of them.

use claviger_core::alias::AliasName;
use claviger_core::{KeyId, Name};
use claviger_service::KeyRef;

use crate::error::AwsError;

/// Partition, region and account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm {
    /// The partition, `aws` for most clients.
    pub partition: String,
    /// The region, such as `us-east-1`.
    pub region: String,
    /// The account, twelve digits.
    pub account: String,
}

/// A realm that clients would not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotARealm {
    /// The account.
    #[error("an account has twelve digits")]
    Account,
    /// The partition.
    #[error("a partition is `aws`, or begins so: small letters, digits, `-`")]
    Partition,
    /// The region.
    #[error("a region is small letters, digits and `-`, like `us-east-1`")]
    Region,
}

impl Default for Realm {
    fn default() -> Self {
        Self { partition: "aws".into(), region: "us-east-1".into(), account: "000000000000".into() }
    }
}

impl Realm {
    /// Is it one that clients understand?
    ///
    /// # Errors
    /// [`NotARealm`] names the first part that is not.
    pub fn check(&self) -> Result<(), NotARealm> {
        let valid =
            |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if self.account.len() != 12 || !self.account.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotARealm::Account);
        }
        if !self.partition.starts_with("aws") || !valid(&self.partition) {
            return Err(NotARealm::Partition);
        }
        let sized = (1..=32).contains(&self.region.len());
        if !sized || !valid(&self.region) || !self.region.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(NotARealm::Region);
        }
        Ok(())
    }

    fn kms(&self, kind: &str, name: &str) -> String {
        ["arn:", &self.partition, ":kms:", &self.region, ":", &self.account, ":", kind, "/", name].concat()
    }

    /// The ARN of a key.
    pub(crate) fn key_arn(&self, key: KeyId) -> String {
        self.kms("key", &key.to_string())
    }

    /// The ARN of an alias.
    pub(crate) fn alias_arn(&self, alias: &AliasName) -> String {
        self.kms("alias", alias.as_str())
    }

    /// The ARN of a principal.
    pub(crate) fn user_arn(&self, name: &Name) -> String {
        format!("arn:{}:iam::{}:user/{name}", self.partition, self.account)
    }

    /// The ARN of a principal as somebody wrote it, where that is known.
    pub(crate) fn arn_of(&self, name: &Name, spelled: Option<&str>) -> String {
        spelled.map_or_else(|| self.user_arn(name), str::to_owned)
    }

    /// What is to be kept of how somebody wrote a principal: nothing where it is the ARN that answers give anyway.
    pub(crate) fn spelled(&self, name: &Name, arn: &str) -> Option<String> {
        (arn != self.user_arn(name)).then(|| arn.to_owned())
    }

    /// The ARN by which policies mean the account itself.
    pub(crate) fn root_arn(&self) -> String {
        format!("arn:{}:iam::{}:root", self.partition, self.account)
    }

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

    /// The principal that an ARN of a user or a role means, by its name.
    pub(crate) fn principal(&self, arn: &str) -> Option<Name> {
        let rest = arn.strip_prefix("arn:")?.strip_prefix(&*self.partition)?;
        let (service, resource) = rest.split_once(&format!("::{}:", self.account))?;
        let name = match service {
            ":iam" => resource.strip_prefix("user/").or_else(|| resource.strip_prefix("role/"))?,
            // A session of a role: the role, then the session's name.
            ":sts" => resource.strip_prefix("assumed-role/")?.split('/').next()?,
            _ => return None,
        };
        // IAM knows paths before names.
        name.rsplit('/').next()?.parse().ok()
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

    fn missing_alias(&self, alias: &str) -> String {
        format!("Alias {} is not found.", self.kms("alias", alias))
    }

    /// What to say when a key is not there.
    pub(crate) fn missing(&self, key: &KeyRef) -> String {
        match key {
            KeyRef::Alias(alias) => self.missing_alias(alias.as_str()),
            KeyRef::Id(id) => format!("Key '{}' does not exist", self.key_arn(*id)),
            KeyRef::Name(name) => format!("Key '{name}' does not exist"),
        }
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

    #[test]
    fn principals_are_users_and_roles_of_the_account() {
        let realm = Realm::default();
        let name: Name = "orders".parse().unwrap();
        assert_eq!(realm.principal(&realm.user_arn(&name)), Some(name.clone()));
        for arn in [
            "arn:aws:iam::000000000000:role/orders",
            "arn:aws:iam::000000000000:role/service-role/orders",
            "arn:aws:sts::000000000000:assumed-role/orders/session-1",
        ] {
            assert_eq!(realm.principal(arn), Some(name.clone()), "{arn}");
        }
        for arn in [
            "arn:aws:iam::000000000000:root",
            "arn:aws:iam::111111111111:user/orders",
            "arn:aws:iam::000000000000:user/",
            "arn:aws:iam::000000000000:user/Orders",
            "arn:aws-cn:iam::000000000000:user/orders",
            "orders",
        ] {
            assert_eq!(realm.principal(arn), None, "{arn}");
        }
    }

    #[test]
    fn realms_are_checked() {
        assert_eq!(Realm::default().check(), Ok(()));
        let of = |partition: &str, region: &str, account: &str| {
            Realm { partition: partition.into(), region: region.into(), account: account.into() }.check()
        };
        assert_eq!(of("aws-cn", "cn-north-1", "123456789012"), Ok(()));
        assert_eq!(of("aws", "us-east-1", "12345678901"), Err(NotARealm::Account));
        assert_eq!(of("aws:", "us-east-1", "123456789012"), Err(NotARealm::Partition));
        assert_eq!(of("aws", "US", "123456789012"), Err(NotARealm::Region));
        assert_eq!(of("aws", "", "123456789012"), Err(NotARealm::Region));
    }
}

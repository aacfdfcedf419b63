//! The realm that this deployment is to AWS clients: partition, region and account, and the ARNs made of them.

use claviger_core::alias::AliasName;
use claviger_core::{KeyId, Name};
use claviger_service::KeyRef;

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

    pub(crate) fn kms(&self, kind: &str, name: &str) -> String {
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

    pub(crate) fn missing_alias(&self, alias: &str) -> String {
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
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! The language of key policies, as far as grants say the same.
//!
//! What it keeps true: a document is taken as a whole or not at all. What is passed over in it is what gives nothing in AWS KMS
//! either: actions that are on no key, and conditions that no call here meets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use claviger_core::Timestamp;
use claviger_core::grant::{Conditions, Spelling};
use claviger_core::{KeyId, Name};
use claviger_service::PrincipalRef;
use claviger_service::operation::{GrantSet, NewGrant};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, de};

use super::action;
use super::words::{BUILT_IN, CONTEXT, PREFIX, malformed};
use crate::error::AwsError;
use crate::realm::Realm;

/// Longest `Sid`.
const LONGEST_SID: usize = 100;
/// In this version of the language, and where none is said, `${` is no more than two characters.
const OLD_VERSION: &str = "2008-10-17";
const VERSION: &str = "2012-10-17";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "a name that says nothing")]
    id: Option<String>,
    statement: OneOrMore<Statement>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    #[serde(default)]
    sid: Option<String>,
    effect: String,
    #[serde(default)]
    principal: Option<Principals>,
    #[serde(default)]
    not_principal: Option<IgnoredAny>,
    #[serde(default)]
    action: Option<OneOrMore<String>>,
    #[serde(default)]
    not_action: Option<IgnoredAny>,
    #[serde(default)]
    resource: Option<OneOrMore<String>>,
    #[serde(default)]
    not_resource: Option<IgnoredAny>,
    #[serde(default)]
    condition: Option<Said>,
}

/// Conditions: keys with their values by operator.
type Said = Once<Once<OneOrMore<Scalar>>>;

/// A value of a condition. What is no text means the text that it is written as.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Bool(bool),
            Integer(i64),
            Number(serde_json::Number),
            Text(String),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Bool(value) => value.to_string(),
            Written::Integer(value) => value.to_string(),
            Written::Number(value) => value.to_string(),
            Written::Text(text) => text,
        }))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Principals {
    Of(Once<OneOrMore<String>>),
    Word(String),
}

/// Members by their names, each of which comes once: of two the first would be passed over.
struct Once<T>(BTreeMap<String, T>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Once<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Once<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with names that come once")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Once<T>, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if members.insert(name, value).is_some() {
                        return Err(de::Error::custom("a name that comes twice"));
                    }
                }
                Ok(Once(members))
            }
        }

        deserializer.deserialize_map(Visitor(PhantomData))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

/// The rights that a document gives on a key, which may be about to be made.
///
/// # Errors
/// `MalformedPolicyDocumentException` for what is no policy, and for what grants do not say.
pub(crate) fn read(realm: &Realm, text: &str, key: Option<KeyId>) -> Result<GrantSet, AwsError> {
    let document: Document = serde_json::from_str(text).map_err(|error| {
        malformed(format!(
            "not a policy of the subset that is taken here, at line {}, column {}; see the documentation",
            error.line(),
            error.column()
        ))
    })?;
    let has_variables = match document.version.as_deref() {
        Some(VERSION) => true,
        Some(OLD_VERSION) | None => false,
        Some(_) => return Err(malformed(format!("Version must be {VERSION} or {OLD_VERSION}"))),
    };
    let reader = Reader { realm, key: key.map(|key| realm.key_arn(key)), has_variables };
    let mut grants = Vec::new();
    let mut names = BTreeSet::new();
    let mut names_account = false;
    for (at, statement) in document.statement.into_vec().into_iter().enumerate() {
        let sid = statement.sid.clone().unwrap_or_else(|| format!("statement-{}", at + 1));
        if sid.is_empty() || sid.len() > LONGEST_SID || !names.insert(sid.clone()) {
            return Err(malformed("each Sid must be of 1 to 100 characters, and another one"));
        }
        let (rights, account) = reader.rights(statement, &sid)?;
        names_account |= account;
        grants.extend(rights);
    }
    // The rights that the built-in policy gives are there whatever a policy says: one that does not say so would say less than holds.
    if !names_account {
        return Err(malformed(
            "The new key policy will not allow you to update the key policy in the future.",
        ));
    }
    Ok(GrantSet { grants, text: Some(text.to_owned()) })
}

/// Which calls meet the conditions of a statement.
enum Meets {
    /// No call here.
    None,
    /// Those that meet these.
    Those(Conditions),
}

struct Reader<'a> {
    realm: &'a Realm,
    /// The ARN of the key.
    key: Option<String>,
    has_variables: bool,
}

impl Reader<'_> {
    /// The rights that a statement gives, and whether it says that the account has its own.
    fn rights(&self, statement: Statement, sid: &str) -> Result<(Vec<NewGrant>, bool), AwsError> {
        if statement.effect != "Allow" {
            return Err(malformed("only Allow is taken: what nobody allows is denied here anyway"));
        }
        for (name, other) in [
            ("NotPrincipal", &statement.not_principal),
            ("NotAction", &statement.not_action),
            ("NotResource", &statement.not_resource),
        ] {
            if other.is_some() {
                return Err(malformed(format!("{name} is not taken here")));
            }
        }
        let resources = statement.resource.map(OneOrMore::into_vec).unwrap_or_default();
        let is_key = |resource: &String| resource == "*" || Some(resource) == self.key.as_ref();
        if resources.is_empty() || !resources.iter().all(is_key) {
            return Err(malformed("Resource must be *, which in a key policy is the key"));
        }
        let principals =
            statement.principal.map(|named| self.principals(named)).transpose()?.unwrap_or_default();
        let words = statement.action.map(OneOrMore::into_vec).unwrap_or_default();
        if principals.is_empty() || words.is_empty() {
            return Err(malformed("each statement names a principal and an action"));
        }
        let actions = action::read(&words)?;
        let conditions = self.conditions(statement.condition.unwrap_or_default())?;
        let (mut rights, mut account) = (Vec::new(), false);
        for (arn, principal) in principals {
            let Some(name) = principal else {
                // The account itself: rights are what the built-in policy gives, and no statement takes any of them.
                let whole = matches!(&conditions, Meets::Those(those) if *those == Conditions::default());
                account |= whole && words.iter().any(|word| action::is_all(word));
                continue;
            };
            // Under that name the rights of the built-in policy are shown, which are no statement's.
            if sid == BUILT_IN {
                return Err(malformed(format!("the Sid `{BUILT_IN}` is for the account itself alone")));
            }
            let Meets::Those(conditions) = &conditions else { continue };
            if actions.is_empty() {
                continue;
            }
            rights.push(NewGrant {
                spelled: self.realm.spelled(&name, &arn),
                principal: PrincipalRef::Name(name),
                operations: actions.iter().copied().collect(),
                conditions: conditions.clone(),
                name: format!("{PREFIX}{sid}"),
            });
        }
        Ok((rights, account))
    }

    /// The principals of a statement as they are written; without a name it is the account itself.
    fn principals(&self, principals: Principals) -> Result<Vec<(String, Option<Name>)>, AwsError> {
        let everybody = || malformed("Principal * is not taken here: name users and roles of this account");
        let Once(mut by_kind) = match principals {
            Principals::Of(by_kind) => by_kind,
            Principals::Word(word) if word == "*" => return Err(everybody()),
            Principals::Word(_) => return Err(malformed("Principal must be {\"AWS\": ARN or list of ARNs}")),
        };
        let arns = by_kind.remove("AWS");
        if let Some(kind) = by_kind.keys().next() {
            return Err(malformed(format!(
                "Principal {kind} is not taken here: name users and roles of this account, under AWS"
            )));
        }
        let of = |arn: String| {
            if arn == self.realm.root_arn() || arn == self.realm.account {
                return Ok((arn, None));
            }
            if arn == "*" {
                return Err(everybody());
            }
            let invalid = || malformed("Policy contains a statement with one or more invalid principals.");
            let name =
                self.realm.principal(&arn).filter(|_| arn.len() <= Spelling::MAX).ok_or_else(invalid)?;
            Ok((arn, Some(name)))
        };
        arns.map(OneOrMore::into_vec).unwrap_or_default().into_iter().map(of).collect()
    }

    /// What the conditions of a statement mean.
    fn conditions(&self, Once(said): Said) -> Result<Meets, AwsError> {
        let (mut conditions, mut is_met) = (Conditions::default(), true);
        for (operator, Once(keys)) in said {
            for (key, values) in keys {
                let values: Vec<_> = values.into_vec().into_iter().map(|Scalar(value)| value).collect();
                // A condition without values holds of nothing; as none at all it would hold of everything.
                if values.is_empty() {
                    return Err(malformed(format!("{operator} of {key} takes a value")));
                }
                if self.has_variables && values.iter().any(|value| value.contains("${")) {
                    return Err(malformed(format!(
                        "a policy variable in {operator} of {key} is not taken here"
                    )));
                }
                let only = || match &values[..] {
                    [value] => Ok(value.clone()),
                    _ => Err(malformed(format!("{operator} of {key} takes one value"))),
                };
                if let ("StringEquals", Some(name)) = (operator.as_str(), key.strip_prefix(CONTEXT)) {
                    conditions.context_equals.push((name.to_owned(), only()?));
                    continue;
                }
                match (operator.as_str(), key.as_str()) {
                    ("IpAddress", "aws:SourceIp") => {
                        for value in &values {
                            conditions.source_networks.push(network(value)?);
                        }
                    }
                    ("DateLessThan", "aws:CurrentTime") => conditions.until = Some(instant(&only()?)?),
                    // It is so of calls that a service of AWS makes, of which there are none here.
                    ("Bool", "kms:GrantIsForAWSResource") if only()? == "true" => is_met = false,
                    _ => {
                        return Err(malformed(format!(
                            "the condition {operator} of {key} is not taken here"
                        )));
                    }
                }
            }
        }
        conditions.context_equals.sort();
        Ok(if is_met { Meets::Those(conditions) } else { Meets::None })
    }
}

fn network(text: &str) -> Result<ipnet::IpNet, AwsError> {
    let single = || text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
    text.parse().or_else(|_| single()).map_err(|_| malformed("aws:SourceIp takes addresses and networks"))
}

fn instant(text: &str) -> Result<Timestamp, AwsError> {
    let wrong = || malformed("aws:CurrentTime takes an instant like 2030-01-01T00:00:00Z");
    let at: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(at.as_microsecond()).map(Timestamp::from_micros).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use claviger_core::action::Action;
    use serde_json::{Value, json};

    use super::super::write_conditions;
    use super::*;
    use crate::error::code;

    fn read(realm: &Realm, text: &str) -> Result<GrantSet, AwsError> {
        super::read(realm, text, None)
    }

    fn conditions(said: Value) -> Conditions {
        let realm = Realm::default();
        let reader = Reader { realm: &realm, key: None, has_variables: true };
        match reader.conditions(serde_json::from_value(said).unwrap()).unwrap() {
            Meets::Those(those) => those,
            Meets::None => panic!("no call meets them"),
        }
    }

    /// A document with the statement about the account and another.
    fn policy(statement: Value) -> String {
        let account = allow("arn:aws:iam::000000000000:root", json!("kms:*"));
        let mut statements = vec![account];
        match statement {
            Value::Array(more) => statements.extend(more),
            one => statements.push(one),
        }
        json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
    }

    fn allow(principal: &str, action: Value) -> Value {
        json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": action, "Resource": "*" })
    }

    const USER: &str = "arn:aws:iam::000000000000:user/orders";

    #[test]
    fn the_policy_that_every_key_has_gives_nothing_of_its_own() {
        assert!(read(&Realm::default(), &policy(json!([]))).unwrap().grants.is_empty());
        let without = json!({ "Statement": allow(USER, json!("kms:Encrypt")) }).to_string();
        assert_eq!(read(&Realm::default(), &without).unwrap_err().code(), code::MALFORMED_POLICY);
    }

    #[test]
    fn statements_become_rights() {
        let statement = json!({
            "Sid": "Use",
            "Effect": "Allow",
            "Principal": { "AWS": [USER] },
            "Action": ["kms:Encrypt", "kms:ReEncrypt*"],
            "Resource": "*",
            "Condition": {
                "StringEquals": { "kms:EncryptionContext:tenant": "7" },
                "IpAddress": { "aws:SourceIp": ["10.0.0.0/8", "192.0.2.1"] },
                "DateLessThan": { "aws:CurrentTime": "2030-01-01T00:00:00Z" },
            },
        });
        let rights = read(&Realm::default(), &policy(json!([statement]))).unwrap();
        let [right] = &rights.grants[..] else { panic!("one right") };
        assert_eq!(right.operations, [Action::Encrypt, Action::Reencrypt, Action::ReencryptInto]);
        assert_eq!(right.name, "key-policy/Use");
        assert_eq!(right.conditions.context_equals, [("tenant".to_owned(), "7".to_owned())]);
        assert_eq!(right.conditions.source_networks.len(), 2);
        assert_eq!(right.conditions.until, Some(Timestamp::from_micros(1_893_456_000_000_000)));
        let said = write_conditions(&right.conditions);
        let back = conditions(Value::Object(said));
        assert_eq!(back, right.conditions);
    }

    #[test]
    fn a_pair_of_the_context_is_named_as_it_is() {
        let condition = json!({ "StringEquals": { "kms:EncryptionContext:kms:EncryptionContext:a": "b" } });
        let read = conditions(condition);
        assert_eq!(read.context_equals, [("kms:EncryptionContext:a".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn what_grants_do_not_say_is_refused_and_never_passed_over() {
        let with = |member: &str, value: Value| {
            let mut statement = allow(USER, json!("kms:Encrypt"));
            statement[member] = value;
            statement
        };
        for statement in [
            with("Effect", json!("Deny")),
            with("Principal", json!("*")),
            with("Principal", json!({ "AWS": "*" })),
            with("Principal", json!({ "Service": "s3.amazonaws.com" })),
            with("Principal", json!({ "AWS": "arn:aws:iam::111111111111:user/orders" })),
            with("Action", json!("s3:GetObject")),
            with("Action", json!("kms:Nothing*")),
            with("NotAction", json!("kms:Encrypt")),
            with("Resource", json!("arn:aws:kms:us-east-1:000000000000:key/x")),
            with("Condition", json!({ "StringLike": { "kms:EncryptionContext:a": "b*" } })),
            with("Condition", json!({ "StringEquals": { "kms:ViaService": "s3" } })),
            with("Condition", json!({ "StringEquals": { "kms:EncryptionContext:a": ["b", "c"] } })),
            with("Condition", json!({ "IpAddress": { "aws:SourceIp": "here" } })),
            with("Condition", json!({ "IpAddress": { "aws:SourceIp": [] } })),
            with("Principal", json!({ "AWS": [] })),
            with("Action", json!([])),
            with("Resource", json!([])),
            with("Sid", json!(BUILT_IN)),
            with("Condition", json!({ "DateLessThan": { "aws:CurrentTime": "soon" } })),
        ] {
            let refused = read(&Realm::default(), &policy(statement.clone())).unwrap_err();
            assert_eq!(refused.code(), code::MALFORMED_POLICY, "{statement}");
        }
        for text in [
            "",
            "{",
            "[]",
            "{}",
            "true",
            r#"{"Statement": 1}"#,
            r#"{"Version": "2012-10-18", "Statement": []}"#,
        ] {
            assert_eq!(read(&Realm::default(), text).unwrap_err().code(), code::MALFORMED_POLICY, "{text}");
        }
        for (one, two) in [
            (r#""aws:SourceIp":"10.0.0.0/8""#, r#""aws:SourceIp":"10.0.0.0/8","aws:SourceIp":"192.0.2.1""#),
            (r#""IpAddress":{"#, r#""IpAddress":{"aws:SourceIp":"192.0.2.1"},"IpAddress":{"#),
            (r#""Effect":"Allow""#, r#""Effect":"Allow","Effect":"Allow""#),
            (
                r#""AWS":"arn:aws:iam::000000000000:user/orders""#,
                r#""AWS":"arn:aws:iam::000000000000:user/a","AWS":"arn:aws:iam::000000000000:user/b""#,
            ),
        ] {
            let once = policy(with("Condition", json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } })));
            assert!(once.contains(one) && read(&Realm::default(), &once).is_ok(), "{once}");
            let refused = read(&Realm::default(), &once.replace(one, two)).unwrap_err();
            assert_eq!(refused.code(), code::MALFORMED_POLICY, "{two}");
        }
        let twice = json!([with("Sid", json!("a")), with("Sid", json!("a"))]);
        assert!(read(&Realm::default(), &policy(twice)).is_err());
    }

    #[test]
    fn what_is_refused_is_named() {
        let with = |member: &str, value: Value| {
            let mut statement = allow(USER, json!("kms:Encrypt"));
            statement[member] = value;
            statement
        };
        for (statement, named) in [
            (with("NotAction", json!("kms:Encrypt")), "NotAction"),
            (with("NotPrincipal", json!({ "AWS": USER })), "NotPrincipal"),
            (with("NotResource", json!("*")), "NotResource"),
            (with("Principal", json!("*")), "Principal *"),
            (with("Principal", json!({ "AWS": "*" })), "Principal *"),
            (with("Principal", json!({ "Service": "s3.amazonaws.com" })), "Principal Service"),
            (with("Principal", json!({ "AWS": USER, "Federated": "x" })), "Principal Federated"),
            (with("Action", json!(["kms:Encrypt", "s3:GetObject"])), "s3:GetObject"),
            (
                with("Condition", json!({ "StringLike": { "kms:ViaService": "s3.*" } })),
                "StringLike of kms:ViaService",
            ),
            (
                with(
                    "Condition",
                    json!({ "StringEquals": { "kms:EncryptionContext:user": "${aws:username}" } }),
                ),
                "policy variable in StringEquals of kms:EncryptionContext:user",
            ),
            (
                with("Condition", json!({ "Bool": { "kms:GrantIsForAWSResource": false } })),
                "Bool of kms:GrantIsForAWSResource",
            ),
        ] {
            let refused = read(&Realm::default(), &policy(statement.clone())).unwrap_err();
            assert!(refused.message().contains(named), "{statement}: {}", refused.message());
        }
    }

    #[test]
    fn variables_are_text_in_the_older_version() {
        let statement = json!({
            "Effect": "Allow", "Principal": { "AWS": USER }, "Action": "kms:Encrypt", "Resource": "*",
            "Condition": { "StringEquals": { "kms:EncryptionContext:user": "${aws:username}" } },
        });
        let new = policy(json!([statement]));
        let old = new.replace("2012-10-17", "2008-10-17");
        let none = new.replace("\"Version\":\"2012-10-17\"", "\"Id\":\"x\"");
        assert!(read(&Realm::default(), &new).is_err());
        for text in [old, none] {
            let rights = read(&Realm::default(), &text).unwrap();
            let pair = ("user".to_owned(), "${aws:username}".to_owned());
            assert_eq!(rights.grants[0].conditions.context_equals, [pair], "{text}");
            assert_eq!(rights.text, Some(text));
        }
    }

    #[test]
    fn values_that_are_no_text_mean_what_they_are_written_as() {
        let with = |value: Value| json!({ "StringEquals": { "kms:EncryptionContext:a": value } });
        for (value, text) in [(json!(true), "true"), (json!(17), "17"), (json!(["x"]), "x")] {
            assert_eq!(conditions(with(value)).context_equals, [("a".to_owned(), text.to_owned())]);
        }
    }

    #[test]
    fn grants_for_services_of_aws_are_given_to_nobody() {
        for value in [json!(true), json!("true"), json!(["true"])] {
            let mut statement = allow(USER, json!(["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]));
            statement["Condition"] = json!({ "Bool": { "kms:GrantIsForAWSResource": value } });
            assert!(read(&Realm::default(), &policy(statement)).unwrap().grants.is_empty());
        }
    }

    #[test]
    fn further_statements_about_the_account_give_nothing_and_do_not_stand_for_the_one() {
        let root = "arn:aws:iam::000000000000:root";
        let more = allow(root, json!("kms:ListGrants"));
        assert!(read(&Realm::default(), &policy(more.clone())).unwrap().grants.is_empty());
        let alone = json!({ "Version": "2012-10-17", "Statement": [more] }).to_string();
        assert!(read(&Realm::default(), &alone).is_err());
        let by_number = json!({ "Statement": allow("000000000000", json!("*")) }).to_string();
        assert!(read(&Realm::default(), &by_number).is_ok());
    }

    #[test]
    fn roles_keep_their_arns_and_the_key_may_be_named() {
        let role = "arn:aws:iam::000000000000:role/service-role/orders";
        let key = KeyId::from_bytes([7; 16]);
        let mut statement = allow(role, json!("kms:Encrypt"));
        statement["Resource"] = json!([Realm::default().key_arn(key)]);
        let text = policy(statement);
        assert!(read(&Realm::default(), &text).is_err());
        let rights = super::read(&Realm::default(), &text, Some(key)).unwrap();
        let [right] = &rights.grants[..] else { panic!("one right") };
        assert_eq!(right.spelled.as_deref(), Some(role));
        let user = read(&Realm::default(), &policy(allow(USER, json!("kms:Encrypt")))).unwrap();
        assert_eq!(user.grants[0].spelled, None);
    }
}

//! Key policies: a subset of IAM's language that says what grants say, and is kept as grants. What says more is refused,
//! never passed over.
//!
//! A statement allows named principals of the account named actions, under conditions that grants know. The one statement
//! about the account itself, which every policy of AWS KMS has, says that rights are given elsewhere: here by the built-in policy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use claviger_core::action::Action;
use claviger_core::grant::{Conditions, GrantOrigin};
use claviger_core::port::store::Page;
use claviger_core::{Name, Timestamp};
use claviger_service::operation::{GrantSet, NamedGrant, NewGrant, PutKeyPolicy, ReadKeyGrants};
use claviger_service::{ErrorKind, Obstacle, PrincipalRef, ServiceError};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};

use super::Answered;
use super::key::page;
use crate::answer::Answer;
use crate::error::{AwsError, code};
use crate::names;
use crate::realm::Realm;
use crate::session::Session;
use crate::wire::{Never, Violations, marker};

/// What the names of grants begin with that a key policy gives; the `Sid` follows.
const PREFIX: &str = "key-policy/";
/// The one policy that a key has.
const NAME: &str = "default";
/// The name of the statement about the account itself.
const BUILT_IN: &str = "Rights of the built-in policy";
/// What the condition keys begin with that name a pair of the encryption context.
const CONTEXT: &str = "kms:EncryptionContext:";
/// Longest document, in bytes.
const LONGEST: usize = 131_072;
/// Longest `Sid`.
const LONGEST_SID: usize = 100;

/// Holds a document against the service model.
pub(crate) fn check(text: &str, violations: &mut Violations) {
    violations.text("policy", text, 1..=LONGEST);
}

fn malformed(message: impl Into<String>) -> AwsError {
    AwsError::new(code::MALFORMED_POLICY, message.into())
}

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
    principal: Principals,
    action: OneOrMore<String>,
    resource: OneOrMore<String>,
    #[serde(default)]
    condition: Option<Said>,
}

/// Conditions: keys with their values by operator.
type Said = Once<Once<OneOrMore<String>>>;

#[derive(Deserialize)]
#[serde(untagged)]
enum Principals {
    Of(Once<OneOrMore<String>>),
    #[expect(dead_code, reason = "whatever else it is, it is refused")]
    Other(Value),
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

/// The rights that a document gives.
///
/// # Errors
/// `MalformedPolicyDocumentException` for what is no policy, and for what grants do not say.
pub(crate) fn read(realm: &Realm, text: &str) -> Result<GrantSet, AwsError> {
    let document: Document = serde_json::from_str(text).map_err(|error| {
        malformed(format!(
            "not a policy of the subset that is taken here, at line {}, column {}; see the documentation",
            error.line(),
            error.column()
        ))
    })?;
    if document.version.is_some_and(|version| version != "2012-10-17") {
        return Err(malformed("Version must be 2012-10-17"));
    }
    let mut grants = Vec::new();
    let mut names = BTreeSet::new();
    let mut names_account = false;
    for (at, statement) in document.statement.into_vec().into_iter().enumerate() {
        let sid = statement.sid.clone().unwrap_or_else(|| format!("statement-{}", at + 1));
        if sid.is_empty() || sid.len() > LONGEST_SID || !names.insert(sid.clone()) {
            return Err(malformed("each Sid must be of 1 to 100 characters, and another one"));
        }
        let (rights, account) = statement.rights(realm, &sid)?;
        names_account |= account;
        grants.extend(rights);
    }
    // The rights that the built-in policy gives are there whatever a policy says: one that does not say so would say less than holds.
    if !names_account {
        return Err(malformed(
            "The new key policy will not allow you to update the key policy in the future.",
        ));
    }
    Ok(GrantSet { grants })
}

impl Statement {
    /// The rights that it gives, and whether it speaks of the account itself.
    fn rights(self, realm: &Realm, sid: &str) -> Result<(Vec<NewGrant>, bool), AwsError> {
        if self.effect != "Allow" {
            return Err(malformed("only Allow is taken: what nobody allows is denied here anyway"));
        }
        let resources = self.resource.into_vec();
        if resources.is_empty() || resources.iter().any(|resource| resource != "*") {
            return Err(malformed("Resource must be *, which in a key policy is the key"));
        }
        let principals = principals(realm, self.principal)?;
        let words = self.action.into_vec();
        if principals.is_empty() || words.is_empty() {
            return Err(malformed("each statement names a principal and an action"));
        }
        let actions = actions(&words)?;
        let conditions = conditions(self.condition.unwrap_or_default())?;
        let (mut rights, mut account) = (Vec::new(), false);
        for principal in principals {
            match principal {
                // The account itself: rights are what the built-in policy gives.
                None if conditions == Conditions::default() && words == ["kms:*"] => account = true,
                None => return Err(malformed("the account itself is allowed kms:*, without conditions")),
                // Under that name the rights of the built-in policy are told, which are no statement's.
                Some(_) if sid == BUILT_IN => {
                    return Err(malformed(format!("the Sid `{BUILT_IN}` is for the account itself alone")));
                }
                Some(name) => rights.push(NewGrant {
                    principal: PrincipalRef::Name(name),
                    operations: actions.iter().copied().collect(),
                    conditions: conditions.clone(),
                    name: format!("{PREFIX}{sid}"),
                }),
            }
        }
        Ok((rights, account))
    }
}

/// The principals of a statement; none stands for the account itself.
fn principals(realm: &Realm, principals: Principals) -> Result<Vec<Option<Name>>, AwsError> {
    let unknown =
        || malformed("Principal must be {\"AWS\": ARN or list of ARNs} of users and roles of this account");
    let Principals::Of(Once(mut by_kind)) = principals else { return Err(unknown()) };
    let arns = by_kind.remove("AWS").filter(|_| by_kind.is_empty()).ok_or_else(unknown)?.into_vec();
    let of = |arn: String| {
        if arn == realm.root_arn() || arn == realm.account {
            return Ok(None);
        }
        let invalid = || malformed("Policy contains a statement with one or more invalid principals.");
        realm.principal(&arn).map(Some).ok_or_else(invalid)
    };
    arns.into_iter().map(of).collect()
}

/// Every action that a policy can name, with what it is here.
fn known() -> impl Iterator<Item = (&'static str, Action)> {
    names::GRANTED.into_iter().chain(names::ADMINISTERED)
}

/// What the actions of a statement mean; a star at the end stands for all that begin so.
fn actions(words: &[String]) -> Result<BTreeSet<Action>, AwsError> {
    let mut actions = BTreeSet::new();
    for word in words {
        let name = word.strip_prefix("kms:").ok_or_else(|| malformed("actions begin with kms:"))?;
        let before = actions.len();
        match name.strip_suffix('*') {
            Some(start) => {
                actions.extend(known().filter(|(name, _)| name.starts_with(start)).map(|(_, action)| action));
            }
            None => actions.extend(known().filter(|(known, _)| *known == name).map(|(_, action)| action)),
        }
        let named = known()
            .any(|(known, _)| name.strip_suffix('*').map_or(known == name, |start| known.starts_with(start)));
        if before == actions.len() && !named {
            return Err(malformed(format!("{word} is no action on a key that can be granted here")));
        }
    }
    Ok(actions)
}

/// What the conditions of a statement mean.
fn conditions(Once(said): Said) -> Result<Conditions, AwsError> {
    let mut conditions = Conditions::default();
    for (operator, Once(keys)) in said {
        for (key, values) in keys {
            let values = values.into_vec();
            // A condition without values holds of nothing; as none at all it would hold of everything.
            if values.is_empty() {
                return Err(malformed(format!("{operator} of {key} takes a value")));
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
                _ => return Err(malformed(format!("the condition {operator} of {key} is not taken here"))),
            }
        }
    }
    conditions.context_equals.sort();
    Ok(conditions)
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

/// The document that says what grants say.
pub(crate) fn write(realm: &Realm, grants: &[NamedGrant]) -> Value {
    let account = json!({
        "Sid": BUILT_IN,
        "Effect": "Allow",
        "Principal": { "AWS": realm.root_arn() },
        "Action": "kms:*",
        "Resource": "*",
    });
    let mut statements = vec![account];
    let mut by_sid: BTreeMap<&str, Vec<&NamedGrant>> = BTreeMap::new();
    for named in grants {
        if let Some(sid) = sid(named) {
            by_sid.entry(sid).or_default().push(named);
        }
    }
    for (sid, grants) in by_sid {
        let Some(first) = grants.first() else { continue };
        let mut arns: Vec<_> = grants.iter().map(|named| realm.user_arn(&named.principal)).collect();
        arns.sort();
        let granted = &first.grant.operations;
        let mut actions: Vec<_> = known()
            .filter(|(_, action)| granted.contains(action))
            .map(|(name, _)| format!("kms:{name}"))
            .collect();
        actions.sort();
        let mut statement = json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": { "AWS": arns },
            "Action": actions,
            "Resource": "*",
        });
        let said = write_conditions(&first.grant.conditions);
        if let (false, Some(object)) = (said.is_empty(), statement.as_object_mut()) {
            object.insert("Condition".to_owned(), Value::Object(said));
        }
        statements.push(statement);
    }
    json!({ "Version": "2012-10-17", "Id": "claviger", "Statement": statements })
}

/// The `Sid` of the statement that a grant comes from, if it is honoured.
fn sid(named: &NamedGrant) -> Option<&str> {
    let gives = named.grant.origin == GrantOrigin::KeyPolicy && named.verdict.honoured().is_some();
    named.grant.name.as_deref().filter(|_| gives)?.strip_prefix(PREFIX)
}

fn write_conditions(conditions: &Conditions) -> Map<String, Value> {
    let mut said = Map::new();
    if !conditions.context_equals.is_empty() {
        let of = |(name, value): &(String, String)| (format!("{CONTEXT}{name}"), json!(value));
        said.insert(
            "StringEquals".to_owned(),
            Value::Object(conditions.context_equals.iter().map(of).collect()),
        );
    }
    if !conditions.source_networks.is_empty() {
        let networks: Vec<_> = conditions.source_networks.iter().map(ToString::to_string).collect();
        said.insert("IpAddress".to_owned(), json!({ "aws:SourceIp": networks }));
    }
    let until = conditions.until.and_then(|until| i64::try_from(until.as_micros()).ok());
    if let Some(until) = until.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok()) {
        said.insert("DateLessThan".to_owned(), json!({ "aws:CurrentTime": until.to_string() }));
    }
    said
}

/// What is wrong with the policy itself, where that is why a call failed.
pub(crate) fn fault(error: &ServiceError) -> Option<AwsError> {
    let nobody = error.kind() == ErrorKind::NotFound && error.obstacle() == Some(Obstacle::NoPrincipal);
    let told = || malformed("Policy contains a statement with one or more invalid principals.");
    nobody.then(|| told().recorded_at(error.entry()))
}

fn policy_name(violations: &mut Violations, name: Option<&str>) {
    if let Some(name) = name {
        violations.text("policyName", name, 1..=128);
        violations.pattern("policyName", name, "[\\w]+", |c| c.is_ascii_alphanumeric() || c == '_');
    }
}

fn only_default(name: Option<&str>) -> Result<(), AwsError> {
    match name {
        None | Some(NAME) => Ok(()),
        Some(_) => Err(AwsError::not_found("No such policy exists")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetInput {
    key_id: Option<String>,
    policy_name: Option<String>,
}

pub(crate) async fn get(session: &Session<'_>, input: GetInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    policy_name(&mut violations, input.policy_name.as_deref());
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    only_default(input.policy_name.as_deref())?;
    let mut grants = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after, limit: 1000 };
        let read = ReadKeyGrants { key: wanted.clone(), principal: None, of_policy: true, page };
        let done = session.perform(&wanted, read).await?;
        after = done.output.last().map(|last| last.grant.id);
        let full = done.output.len() == 1000;
        grants.extend(done.output);
        if !full {
            let policy = write(session.realm(), &grants).to_string();
            let answer = json!({ "Policy": policy, "PolicyName": NAME });
            return Ok(Answer::json(&answer)?.recorded(done.receipt));
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutInput {
    key_id: Option<String>,
    policy_name: Option<String>,
    policy: Option<String>,
    #[expect(dead_code, reason = "no policy locks anybody out here; only its type is looked at")]
    bypass_policy_lockout_safety_check: Option<bool>,
}

pub(crate) async fn put(session: &Session<'_>, input: PutInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    policy_name(&mut violations, input.policy_name.as_deref());
    let text = violations.required("policy", input.policy);
    check(&text, &mut violations);
    violations.done()?;
    if input.policy_name.is_some_and(|name| name != NAME) {
        return Err(AwsError::validation("The only policy name that can be put is default."));
    }
    let wanted = session.realm().wanted_by_id(&key)?;
    // Gives the key the rights that the policy says, and takes those that it does not say any more.
    let put = PutKeyPolicy { key: wanted.clone(), set: read(session.realm(), &text)? };
    let done = session.try_perform(put, false).await;
    let done = done.map_err(|error| fault(&error).unwrap_or_else(|| session.told_of(&error, &wanted)))?;
    Ok(Answer::empty().recorded(done.receipt))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListInput {
    key_id: Option<String>,
    limit: Option<i64>,
    marker: Option<String>,
}

pub(crate) async fn list(session: &Session<'_>, input: ListInput) -> Answered {
    let mut violations = Violations::default();
    let key = violations.key_id(input.key_id);
    violations.limit(input.limit, 100);
    violations.marker(input.marker.as_deref());
    violations.done()?;
    let wanted = session.realm().wanted_by_id(&key)?;
    // One page holds them all: no list ever gave a marker.
    marker::read::<Never>(input.marker.as_deref())?;
    let page_of = Page { after: None, limit: 1 };
    let read = ReadKeyGrants { key: wanted.clone(), principal: None, of_policy: true, page: page_of };
    let done = session.perform(&wanted, read).await?;
    Ok(Answer::json(&page("PolicyNames", json!([NAME]), None))?.recorded(done.receipt))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let back = conditions(serde_json::from_value(Value::Object(said)).unwrap()).unwrap();
        assert_eq!(back, right.conditions);
    }

    #[test]
    fn a_pair_of_the_context_is_named_as_it_is() {
        let condition = json!({ "StringEquals": { "kms:EncryptionContext:kms:EncryptionContext:a": "b" } });
        let read = conditions(serde_json::from_value(condition).unwrap()).unwrap();
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
            with("Action", json!("kms:CreateKey")),
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
        for text in
            ["", "{", "[]", "{}", r#"{"Statement": 1}"#, r#"{"Version": "2008-10-17", "Statement": []}"#]
        {
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
}
